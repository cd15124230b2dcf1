//! Layouts of versions of which we have no real snapshot: made up after the format reference.

use expect_test::{Expect, expect};
use vectar_qdrant::{Class, SnapshotOutline};

use crate::support::Snapshot;

const UUID: &str = "bb673b46-dabf-4fa6-b44b-d2091eb34528";

/// A tar in the making, as Qdrant's writer makes it.
struct TarWriter {
    builder: tar::Builder<Vec<u8>>,
}

impl TarWriter {
    fn new() -> Self {
        Self { builder: tar::Builder::new(Vec::new()) }
    }

    /// An entry from a file on disk: type flag `0`.
    fn file(mut self, path: &str, body: impl AsRef<[u8]>) -> Self {
        self.append(path, body.as_ref(), b'0');
        self
    }

    /// An entry from memory: type flag NUL.
    fn made_file(mut self, path: &str, body: impl AsRef<[u8]>) -> Self {
        self.append(path, body.as_ref(), 0);
        self
    }

    fn directory(mut self, path: &str) -> Self {
        self.append(path, &[], b'5');
        self
    }

    fn append(&mut self, path: &str, body: &[u8], type_flag: u8) {
        let mut header = tar::Header::new_gnu();
        let name = path.as_bytes();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_size(body.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.as_old_mut().linkflag[0] = type_flag;
        header.set_cksum();
        self.builder.append(&header, body).unwrap();
    }

    fn finish(self) -> Vec<u8> {
        self.builder.into_inner().unwrap()
    }

    /// Without the end-of-archive blocks.
    fn abandon(self) -> Vec<u8> {
        let mut bytes = self.finish();
        bytes.truncate(bytes.len() - 1024);
        bytes
    }
}

fn check(bytes: Vec<u8>, expected: Expect) -> SnapshotOutline {
    let outline = Snapshot::of(bytes).outline();
    expected.assert_eq(&outline.to_string());
    outline
}

const OLD_CONFIG: &str =
    r#"{"params":{"vectors":{"size":4,"distance":"Dot"},"shard_number":1},"hnsw_config":{"m":16,"ef_construct":100}}"#;

#[test]
fn ancient_segments_hold_bare_files() {
    let segment = TarWriter::new()
        .file("segment.json", r#"{"version":7,"config":{"storage_type":{"type":"in_memory"}}}"#)
        .file("000012.sst", "opaque")
        .file("vector_storage/matrix.dat", "data0000")
        .file("version.info", "0.3.0")
        .finish();
    let bytes = TarWriter::new()
        .directory("./")
        .directory("0")
        .file(&format!("0/segments/{UUID}.tar"), segment)
        .file("0/shard_config.json", r#"{"type":"Local"}"#)
        .file("config.json", OLD_CONFIG)
        .file("version.info", "0.4.0")
        .finish();
    let outline = check(
        bytes,
        expect![[r#"
            collection snapshot, 10.5 KiB
            Qdrant version before 0.11.7 (segment tars without snapshot/ inside)
            collection (name unknown), 5.1 KiB
              vector "": 4 dimensions, Dot
              1 shard, ? copies, writes confirmed by ?
              hnsw m 16, ef_construct 100
              shard 0, 5.0 KiB
                segment bb673b46-dabf-4fa6-b44b-d2091eb34528: ancient, 5.0 KiB, 79 bytes logical, version 7
            classes
              unknown                  6 bytes in 1 file
              dense-rows               8 bytes in 1 file
              small-json             195 bytes in 5 files
              framing              10543 bytes
        "#]],
    );
    let unknown = outline.classes.iter().find(|total| total.class == Class::Unknown).unwrap();
    assert_eq!((unknown.bodies, unknown.stored_bytes), (1, 6), "the RocksDB file");
}

#[test]
fn v1_11_4_makes_segment_tars_in_memory_with_a_trailer() {
    let segment = TarWriter::new()
        .file("snapshot/db_backup/meta/1", "opaque")
        .file("snapshot/files/segment.json", "{\"version\":null,\"config\":{\"vector_data\":{}}}")
        .file("snapshot/files/version.info", "0.6.0")
        .finish();
    let bytes = TarWriter::new()
        .made_file(&format!("0/segments/{UUID}.tar"), segment)
        .file("0/wal/open-1", "wal")
        .file("0/newest_clocks.json", "{}")
        .made_file("0/shard_config.json", r#"{"type":"ReplicaSet"}"#)
        .made_file("version.info", "0.4.2")
        .made_file("config.json", OLD_CONFIG)
        .made_file("shard_key_mapping.json", r#"{"acme":[0]}"#)
        .finish();
    check(
        bytes,
        expect![[r#"
            collection snapshot, 11.5 KiB
            Qdrant version 1.11.4 or newer, before 1.12.0 (segment tars made in memory, with a trailer)
            collection (name unknown), 4.1 KiB
              vector "": 4 dimensions, Dot
              1 shard, ? copies, writes confirmed by ?
              hnsw m 16, ef_construct 100
              shard key "acme": shards [0]
              shard 0, 4.0 KiB
                wal open-1: 3 bytes of 3 bytes
                segment bb673b46-dabf-4fa6-b44b-d2091eb34528: regular, 4.0 KiB, 55 bytes logical, appendable
            classes
              unknown                  6 bytes in 1 file
              logs                     3 bytes in 1 file
              small-json             198 bytes in 7 files
              framing              11569 bytes
        "#]],
    );
}

#[test]
fn v1_12_leaves_the_trailer_out() {
    let segment = TarWriter::new()
        .file("snapshot/files/segment.json", "{\"version\":null,\"config\":{\"vector_data\":{}}}")
        // An empty last body: the archive ends with its header.
        .file("snapshot/db_backup/meta/1", "")
        .abandon();
    let bytes = TarWriter::new()
        .made_file(&format!("segments/{UUID}.tar"), segment)
        .made_file("shard_config.json", r#"{"type":"ReplicaSet"}"#)
        .finish();
    check(
        bytes,
        expect![[r#"
            shard snapshot, 4.0 KiB
            Qdrant version 1.12.0 or newer, before 1.18.0 (segment tars without a trailer; RocksDB in a segment)
            collection (name unknown), 1.5 KiB
              shard (number unknown), 1.5 KiB
                segment bb673b46-dabf-4fa6-b44b-d2091eb34528: regular, 1.5 KiB, 44 bytes logical, appendable
            classes
              unknown                  0 bytes in 1 file
              small-json              65 bytes in 2 files
              framing               4031 bytes
        "#]],
    );
}

#[test]
fn a_segment_tar_that_is_none_is_counted_as_unknown() {
    let bytes = TarWriter::new()
        .made_file(&format!("0/segments/{UUID}.tar"), "zeroed, or not a tar for another reason")
        .made_file("0/shard_config.json", "\0\0\0\0\0\0\0\0")
        .made_file("config.json", "<html>502 Bad Gateway</html>")
        .finish();
    check(
        bytes,
        expect![[r#"
        collection snapshot, 4.0 KiB
        Qdrant version unknown
        collection (name unknown), 75 bytes
          shard 0, 47 bytes
            segment bb673b46-dabf-4fa6-b44b-d2091eb34528: not split, 39 bytes, 39 bytes logical
        classes
          unknown                 39 bytes in 1 file
          small-json              36 bytes in 2 files
          framing               4021 bytes
        not read: 0/shard_config.json: the file starts with a NUL byte, expected JSON: its content was lost before the snapshot was made
        not read: config.json: not the expected JSON: expected value at line 1 column 1
    "#]],
    );
}

#[test]
fn foreign_files_are_of_unknown_kind() {
    let bytes = TarWriter::new().file("photos/cat.jpg", "meow").file("config.json", "{}").finish();
    check(
        bytes,
        expect![[r#"
        unknown snapshot, 3.0 KiB
        Qdrant version unknown
        classes
          unknown                  4 bytes in 1 file
          small-json               2 bytes in 1 file
          framing               3066 bytes
    "#]],
    );
    check(
        b"<html>not a snapshot</html>".to_vec(),
        expect![[r#"
        unknown snapshot, 27 bytes
        Qdrant version unknown
        classes
          unknown                 27 bytes in 1 file
          framing                  0 bytes
    "#]],
    );
    check(
        Vec::new(),
        expect![[r#"
        unknown snapshot, 0 bytes
        Qdrant version unknown
        classes
          framing                  0 bytes
    "#]],
    );
}

#[test]
fn a_full_snapshot_may_lack_what_it_announces() {
    let collection = TarWriter::new()
        .made_file("0/shard_config.json", r#"{"type":"ReplicaSet"}"#)
        .made_file("config.json", OLD_CONFIG)
        .made_file("version.info", "0.4.2")
        .finish();
    let mapping = r#"{"collections_mapping":{"a":"a-1-2026-11-20-16-24-36.snapshot","b":"../b.snapshot"},
        "collections_aliases":{"live":"a","wrong":7}}"#;
    let bytes = TarWriter::new()
        .file("a-1-2026-11-20-16-24-36.snapshot", collection)
        .file("cut-1-2026-11-20-16-24-36.snapshot", "not a tar")
        .file("config.json", mapping)
        .finish();
    check(
        bytes,
        expect![[r#"
            full snapshot, 7.5 KiB
            Qdrant version unknown
            collection a in a-1-2026-11-20-16-24-36.snapshot, 4.0 KiB
              vector "": 4 dimensions, Dot
              1 shard, ? copies, writes confirmed by ?
              hnsw m 16, ef_construct 100
              shard 0, 21 bytes
            collection (name unknown) in cut-1-2026-11-20-16-24-36.snapshot, 9 bytes
            alias live of a
            classes
              unknown                  9 bytes in 1 file
              small-json             273 bytes in 4 files
              framing               7398 bytes
            not read: config.json at /collections_aliases/wrong: invalid type: integer `7`, expected a string
            not read: config.json at /collections_mapping: collection "b" should lie in "../b.snapshot", which is not in the snapshot
        "#]],
    );
}
