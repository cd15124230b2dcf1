//! Which versions can load a snapshot: real ones, and made-up ones for every wall.

use expect_test::{Expect, expect};
use vectar_qdrant::compat::{CompatCaveat, CompatSign, Compatibility, OfficialRule, RELEASES, Verdict};
use vectar_qdrant::{QdrantVersion, SnapshotOutline};

use crate::support::Snapshot;

const UUID: &str = "bb673b46-dabf-4fa6-b44b-d2091eb34528";

const CONFIG: &str = r#"{"params":{"vectors":{"size":4,"distance":"Dot"},"shard_number":1}}"#;

/// A collection snapshot of one segment, by what differs.
struct Made<'m> {
    config: &'m str,
    keys: Option<&'m str>,
    shard: &'m str,
    state: &'m str,
    files: &'m [&'m str],
}

impl Default for Made<'_> {
    fn default() -> Self {
        Self { config: CONFIG, keys: Some("[]"), shard: r#"{"type":"ReplicaSet"}"#, state: MMAP, files: &[TRACKER] }
    }
}

const MMAP: &str = r#"{"version":7,"config":{"vector_data":{"":{"size":4,"distance":"Dot","storage_type":"Mmap",
    "index":{"type":"plain","options":{}}}},"payload_storage_type":{"type":"mmap"}}}"#;

const TRACKER: &str = "snapshot/files/id_tracker.mappings";

const ROCKSDB: &str = "snapshot/db_backup/meta/1";

impl Made<'_> {
    fn judge(&self) -> Compatibility {
        let mut segment = tar::Builder::new(Vec::new());
        append(&mut segment, "snapshot/files/segment.json", self.state.as_bytes());
        self.files.iter().for_each(|file| append(&mut segment, file, b"opaque"));
        let mut outer = tar::Builder::new(Vec::new());
        append(&mut outer, &format!("0/segments/{UUID}.tar"), &segment.into_inner().unwrap());
        append(&mut outer, "0/shard_config.json", self.shard.as_bytes());
        append(&mut outer, "version.info", b"0.4.2");
        append(&mut outer, "config.json", self.config.as_bytes());
        if let Some(keys) = self.keys {
            append(&mut outer, "shard_key_mapping.json", keys.as_bytes());
        }
        only(&Snapshot::of(outer.into_inner().unwrap()))
    }
}

fn append(builder: &mut tar::Builder<Vec<u8>>, path: &str, body: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(body.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, path, body).unwrap();
}

fn judged(snapshot: &Snapshot) -> (SnapshotOutline, Vec<Compatibility>) {
    let outline = snapshot.outline();
    let all = Compatibility::of(&outline, &snapshot.catalogue, |row| snapshot.body(row));
    (outline, all)
}

fn only(snapshot: &Snapshot) -> Compatibility {
    let (_, all) = judged(snapshot);
    let [only] = &all[..] else { panic!("{} collections", all.len()) };
    only.clone()
}

fn version(text: &str) -> QdrantVersion {
    text.parse().unwrap()
}

/// The verdict for each release, neighbours of one verdict together.
fn verdicts(judged: &Compatibility) -> String {
    let mut lines: Vec<(String, QdrantVersion, QdrantVersion)> = Vec::new();
    for release in RELEASES.into_iter().chain([version("1.20.0")]) {
        let verdict = match judged.verdict(release) {
            Verdict::Via(stops) => {
                format!("via {}", stops.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
            }
            other => other.as_str().to_owned(),
        };
        match lines.last_mut() {
            Some((last, _, to)) if *last == verdict => *to = release,
            _ => lines.push((verdict, release, release)),
        }
    }
    lines.iter().map(|(verdict, from, to)| format!("{from} to {to}: {verdict}\n")).collect()
}

fn check(made: &Made<'_>, expected: Expect) {
    let judged = made.judge();
    let mut text = verdicts(&judged);
    for reason in &judged.reasons {
        text += &format!("{} in {}\n", reason.sign, reason.place);
    }
    for remark in &judged.caveats {
        text += &format!("{} ({})\n", remark.caveat, remark.place);
    }
    expected.assert_eq(&text);
}

#[test]
fn a_snapshot_of_today() {
    let judged = only(&Snapshot::fixture("notes", "00-base"));
    expect![[r#"
        0.11.7 to 1.12.6: no
        1.13.6 to 1.16.3: unknown
        1.17.1 to 1.19.0: ok
        1.20.0 to 1.20.0: unknown
    "#]]
    .assert_eq(&verdicts(&judged));
    let signs: Vec<String> = judged.reasons.iter().map(|reason| format!("{}", reason.sign)).collect();
    expect![[r#"
        compressed HNSW links
        payloads in a Gridstore
        InRamChunkedMmap storage
        sparse entries in the tar
        id_tracker files"#]]
    .assert_eq(&signs.join("\n"));
    assert_eq!(judged.caveats, []);
    // Qdrant 1.18.3 made it; all that the files say is 1.17.0 or newer.
    for (target, rule) in [
        ("1.16.3", OfficialRule::Broken),
        ("1.17.1", OfficialRule::Depends),
        ("1.18.3", OfficialRule::Depends),
        ("1.19.0", OfficialRule::Depends),
        ("1.20.0", OfficialRule::Depends),
        ("1.21.0", OfficialRule::Broken),
    ] {
        assert_eq!(judged.official(version(target)), rule, "{target}");
    }
    assert_eq!(judged.official_makers(version("1.19.0")), [version("1.18"), version("1.19")]);
}

#[test]
fn every_real_snapshot_can_be_loaded_by_the_version_that_made_it() {
    let mut fixtures = vectar_testkit::fixtures::snapshots();
    fixtures.extend(vectar_testkit::fixtures::shared_snapshots().unwrap_or_default());
    for fixture in fixtures {
        let (outline, all) = judged(&Snapshot::read(&fixture));
        assert_eq!(all.len(), outline.collections.len(), "{}", fixture.name);
        for judged in all {
            let is_partial = fixture.name.contains("partial");
            let expected = if is_partial { Verdict::NotAlone } else { Verdict::Ok };
            assert_eq!(judged.verdict(version("1.18.3")), expected, "{}: {judged:?}", fixture.name);
        }
    }
}

#[test]
fn kinds_are_told_apart() {
    let of = |name| only(&Snapshot::fixture("kinds", name));
    let signs = |judged: &Compatibility| judged.reasons.iter().map(|reason| reason.sign).collect::<Vec<_>>();
    assert!(!signs(&of("shard")).contains(&CompatSign::StreamedSegments));
    assert!(signs(&of("shard-streamed")).contains(&CompatSign::StreamedSegments));
    let (_, full) = judged(&Snapshot::fixture("kinds", "full"));
    let names: Vec<_> = full.iter().map(|judged| judged.collection.as_deref().unwrap()).collect();
    assert_eq!(names, ["catalog", "notes"]);
    let nothing = only(&Snapshot::of(b"<html>".to_vec()));
    assert_eq!(nothing.verdict(version("1.18.3")), Verdict::Unknown);
    assert_eq!(nothing.caveats[0].caveat, CompatCaveat::KindUnknown);
}

#[test]
fn rocksdb_ends_with_1_17() {
    check(
        &Made {
            state: r#"{"version":7,"config":{"vector_data":{"":{"size":4,"distance":"Dot","storage_type":"Memory",
                "index":{"type":"plain","options":{}}}},"payload_storage_type":{"type":"on_disk"}}}"#,
            files: &[TRACKER, ROCKSDB],
            ..Made::default()
        },
        expect![[r#"
            0.11.7 to 1.10.1: no
            1.11.5 to 1.17.1: ok
            1.18.3 to 1.19.0: via 1.17.1
            1.20.0 to 1.20.0: unknown
            id_tracker files in 0/segments/bb673b46-dabf-4fa6-b44b-d2091eb34528.tar!snapshot/files/id_tracker.mappings
            ids, vectors or payloads in RocksDB in segment bb673b46-dabf-4fa6-b44b-d2091eb34528
        "#]],
    );
    // The ids alone are enough.
    check(
        &Made { files: &[ROCKSDB], ..Made::default() },
        expect![[r#"
        0.11.7 to 1.11.5: no
        1.12.6 to 1.17.1: ok
        1.18.3 to 1.19.0: via 1.17.1
        1.20.0 to 1.20.0: unknown
        payloads in a Gridstore in segment bb673b46-dabf-4fa6-b44b-d2091eb34528
        ids, vectors or payloads in RocksDB in segment bb673b46-dabf-4fa6-b44b-d2091eb34528
    "#]],
    );
    // A tree that nothing needs is no wall.
    check(
        &Made { files: &[TRACKER, ROCKSDB], ..Made::default() },
        expect![[r#"
        0.11.7 to 1.11.5: no
        1.12.6 to 1.19.0: ok
        1.20.0 to 1.20.0: unknown
        payloads in a Gridstore in segment bb673b46-dabf-4fa6-b44b-d2091eb34528
        id_tracker files in 0/segments/bb673b46-dabf-4fa6-b44b-d2091eb34528.tar!snapshot/files/id_tracker.mappings
        field indexes or leftovers in RocksDB: 1.18.0 and later drop them with a warning (segment bb673b46-dabf-4fa6-b44b-d2091eb34528)
    "#]],
    );
}

#[test]
fn shard_keys_as_an_object_end_with_1_16() {
    let custom = r#"{"params":{"vectors":{"size":4,"distance":"Dot"},"shard_number":1,"sharding_method":"custom"}}"#;
    check(
        &Made { config: custom, keys: Some(r#"{"acme":[0]}"#), ..Made::default() },
        expect![[r#"
            0.11.7 to 1.11.5: no
            1.12.6 to 1.13.6: unknown
            1.14.1 to 1.16.3: ok
            1.17.1 to 1.19.0: via 1.16.3
            1.20.0 to 1.20.0: unknown
            payloads in a Gridstore in segment bb673b46-dabf-4fa6-b44b-d2091eb34528
            id_tracker files in 0/segments/bb673b46-dabf-4fa6-b44b-d2091eb34528.tar!snapshot/files/id_tracker.mappings
            custom sharding in config.json
            shard keys as an object in shard_key_mapping.json
        "#]],
    );
    // One stop passes both walls.
    check(
        &Made { config: custom, keys: Some(r#"{"acme":[0]}"#), files: &[ROCKSDB], ..Made::default() },
        expect![[r#"
        0.11.7 to 1.11.5: no
        1.12.6 to 1.16.3: ok
        1.17.1 to 1.19.0: via 1.16.3
        1.20.0 to 1.20.0: unknown
        payloads in a Gridstore in segment bb673b46-dabf-4fa6-b44b-d2091eb34528
        custom sharding in config.json
        shard keys as an object in shard_key_mapping.json
        ids, vectors or payloads in RocksDB in segment bb673b46-dabf-4fa6-b44b-d2091eb34528
    "#]],
    );
    check(
        &Made { keys: Some("{}"), ..Made::default() },
        expect![[r#"
            0.11.7 to 1.11.5: no
            1.12.6 to 1.13.6: unknown
            1.14.1 to 1.19.0: ok
            1.20.0 to 1.20.0: unknown
            payloads in a Gridstore in segment bb673b46-dabf-4fa6-b44b-d2091eb34528
            id_tracker files in 0/segments/bb673b46-dabf-4fa6-b44b-d2091eb34528.tar!snapshot/files/id_tracker.mappings
            shard_key_mapping.json is {}: through the API it is not read without custom sharding; recovery at start (--snapshot) by 1.17.0 or later is not expected to take it (shard_key_mapping.json)
        "#]],
    );
    check(
        &Made { config: custom, keys: Some(r#"[{"key":1,"shard_ids":[0]}]"#), ..Made::default() },
        expect![[r#"
            0.11.7 to 1.12.6: no
            1.13.6 to 1.13.6: unknown
            1.14.1 to 1.19.0: ok
            1.20.0 to 1.20.0: unknown
            shard keys as a list in shard_key_mapping.json
            payloads in a Gridstore in segment bb673b46-dabf-4fa6-b44b-d2091eb34528
            id_tracker files in 0/segments/bb673b46-dabf-4fa6-b44b-d2091eb34528.tar!snapshot/files/id_tracker.mappings
            custom sharding in config.json
        "#]],
    );
}

#[test]
fn two_walls_that_no_release_passes_at_once_take_two_stops() {
    check(
        &Made { keys: None, shard: r#"{"type":"Local"}"#, files: &[ROCKSDB], state: OLD, ..Made::default() },
        expect![[r#"
            0.11.7 to 1.10.1: unknown
            1.11.5 to 1.13.6: ok
            1.14.1 to 1.17.1: via 1.13.6
            1.18.3 to 1.19.0: via 1.13.6, 1.17.1
            1.20.0 to 1.20.0: unknown
            a shard that is no replica set in shard 0
            ids, vectors or payloads in RocksDB in segment bb673b46-dabf-4fa6-b44b-d2091eb34528
        "#]],
    );
}

const OLD: &str = r#"{"version":7,"config":{"storage_type":{"type":"in_memory"}}}"#;

#[test]
fn what_contradicts_itself_is_loaded_by_nobody() {
    let in_ram_mmap = MMAP.replace("Mmap", "InRamMmap");
    check(
        &Made { state: &in_ram_mmap, keys: Some(r#"{"acme":[0]}"#), ..Made::default() },
        expect![[r#"
        0.11.7 to 1.20.0: no
        InRamMmap storage in segment bb673b46-dabf-4fa6-b44b-d2091eb34528
        payloads in a Gridstore in segment bb673b46-dabf-4fa6-b44b-d2091eb34528
        id_tracker files in 0/segments/bb673b46-dabf-4fa6-b44b-d2091eb34528.tar!snapshot/files/id_tracker.mappings
        shard keys as an object in shard_key_mapping.json
    "#]],
    );
}

#[test]
fn names_that_are_not_known_leave_the_question_open() {
    let tape = MMAP.replace("Mmap", "Tape");
    check(
        &Made { state: &tape, ..Made::default() },
        expect![[r#"
            0.11.7 to 1.11.5: no
            1.12.6 to 1.20.0: unknown
            payloads in a Gridstore in segment bb673b46-dabf-4fa6-b44b-d2091eb34528
            id_tracker files in 0/segments/bb673b46-dabf-4fa6-b44b-d2091eb34528.tar!snapshot/files/id_tracker.mappings
            it names a storage, datatype or state that vectar does not know: a newer Qdrant may have written it (segment bb673b46-dabf-4fa6-b44b-d2091eb34528)
        "#]],
    );
    check(
        &Made { state: "\0\0\0", ..Made::default() },
        expect![[r#"
            0.11.7 to 1.10.1: no
            1.11.5 to 1.20.0: unknown
            id_tracker files in 0/segments/bb673b46-dabf-4fa6-b44b-d2091eb34528.tar!snapshot/files/id_tracker.mappings
            a configuration in it is missing or cannot be read, so what it would ask for is not known (segment.json of segment bb673b46-dabf-4fa6-b44b-d2091eb34528)
        "#]],
    );
    check(
        &Made { shard: r#"{"type":"Cloud"}"#, ..Made::default() },
        expect![[r#"
            0.11.7 to 1.11.5: no
            1.12.6 to 1.20.0: unknown
            payloads in a Gridstore in segment bb673b46-dabf-4fa6-b44b-d2091eb34528
            id_tracker files in 0/segments/bb673b46-dabf-4fa6-b44b-d2091eb34528.tar!snapshot/files/id_tracker.mappings
            it names a storage, datatype or state that vectar does not know: a newer Qdrant may have written it (shard 0)
        "#]],
    );
}

/// Whatever is in a snapshot, it is judged: flipped bytes and cuts give some verdict, and no panic.
#[test]
fn damage_is_judged_too() {
    let whole = Snapshot::fixture("kinds", "empty").bytes;
    for at in (0..whole.len()).step_by(61) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x15;
        for bytes in [flipped, whole[..at].to_vec()] {
            let (_, all) = judged(&Snapshot::of(bytes));
            assert!(!all.is_empty());
            for release in RELEASES {
                all.iter().for_each(|judged| drop((judged.verdict(release), judged.official(release))));
            }
        }
    }
}
