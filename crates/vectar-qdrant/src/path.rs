//! What a path inside a snapshot means: collection file, shard, segment, component, vector.

use std::fmt;

use serde::Serialize;

use crate::entry::BodyPath;
use crate::part::{Part, RootPart, SegmentPart, ShardPart};

/// Where a body belongs, independent of the layout it was found in: the same file of the same segment has the same
/// identity in a collection snapshot, a stored and a streamed shard snapshot, except for the shard's number, which
/// only a collection snapshot knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// In a full snapshot the name of the collection snapshot file it lies in; `None` in every other kind.
    pub collection_file: Option<String>,
    /// The shard's number; `None` outside shards and in shard snapshots, which do not say it.
    pub shard: Option<u32>,
    /// The segment it belongs to.
    pub segment: Option<SegmentId>,
    /// How the segment was put into the archive; present exactly when `segment` is.
    pub layout: Option<SegmentLayout>,
    /// Which part of the snapshot it is.
    pub part: Part,
    /// The vector it belongs to, as Qdrant spells it; the unnamed vector has the empty name.
    pub vector: Option<String>,
    /// Path below its owner (segment, else shard, else collection), without anything the layout added.
    pub path: String,
}

/// Name of a segment's directory: a UUID in everything Qdrant writes, but any plain name is taken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SegmentId(String);

impl SegmentId {
    pub(crate) fn new(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// The name as it stands in the path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a segment's directory was put into the archive (`qdrant v1.19.0 lib/segment/src/types.rs`,
/// `lib/segment/src/segment/snapshot.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SegmentLayout {
    /// `segments/<uuid>.tar` with the segment's files at its root (up to v0.11.6).
    Ancient,
    /// `segments/<uuid>.tar` with `snapshot/files/…` inside: collection and stored shard snapshots.
    Regular,
    /// `segments/<uuid>/files/…` without an inner tar: streamed and partial shard snapshots (v1.12.0+).
    Streamable,
}

impl SegmentLayout {
    /// The name shown to users and written to JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ancient => "ancient",
            Self::Regular => "regular",
            Self::Streamable => "streamable",
        }
    }
}

impl fmt::Display for SegmentLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Identity {
    /// Reads a path. Never fails: what fits no layout is [`Part::Unknown`].
    pub fn of(path: &BodyPath) -> Self {
        let (collection_file, levels) = match path.levels() {
            // Only a full snapshot has a tar among its root files.
            [outer, inner @ ..] if !inner.is_empty() && !trim(outer).contains('/') => {
                (Some(trim(outer).to_owned()), inner)
            }
            levels => (None, levels),
        };
        let mut identity = Self {
            collection_file,
            shard: None,
            segment: None,
            layout: None,
            part: Part::Unknown,
            vector: None,
            path: levels.iter().map(|level| trim(level)).collect::<Vec<_>>().join("!"),
        };
        if !levels.is_empty() && levels.iter().all(|level| is_plain(trim(level))) {
            identity.read_outer(trim(&levels[0]), &levels[1..]);
        }
        identity
    }

    /// Reads the path of the level that holds shards, then what lies in the segment's own tar.
    fn read_outer(&mut self, outer: &str, inner: &[String]) {
        let (first, rest) = outer.split_once('/').unwrap_or((outer, ""));
        let shard_path = match shard_number(first) {
            Some(shard) if !rest.is_empty() => {
                self.shard = Some(shard);
                rest
            }
            _ => outer,
        };
        match (segment_of(shard_path), inner) {
            (Some((segment, file)), []) if !file.is_empty() => {
                let path = file.strip_prefix("files/").unwrap_or(file);
                self.read_segment(segment, SegmentLayout::Streamable, path);
            }
            (Some((archive, "")), [inner]) if archive.ends_with(".tar") => {
                let segment = archive.strip_suffix(".tar").unwrap_or(archive);
                self.read_archived_segment(segment, trim(inner));
            }
            (_, []) => self.read_shard_or_root(shard_path),
            _ => {}
        }
    }

    fn read_archived_segment(&mut self, segment: &str, inner: &str) {
        match inner.strip_prefix("snapshot/") {
            Some(path) => {
                let path = path.strip_prefix("files/").unwrap_or(path);
                self.read_segment(segment, SegmentLayout::Regular, path);
            }
            None => self.read_segment(segment, SegmentLayout::Ancient, inner),
        }
    }

    fn read_segment(&mut self, segment: &str, layout: SegmentLayout, path: &str) {
        let (part, vector) = segment_part(path);
        self.segment = Some(SegmentId::new(segment));
        self.layout = Some(layout);
        self.part = Part::Segment(part);
        self.vector = vector.map(str::to_owned);
        self.path = path.to_owned();
    }

    fn read_shard_or_root(&mut self, path: &str) {
        self.path = path.to_owned();
        self.part = match shard_part(path) {
            Some(part) => Part::Shard(part),
            None if self.shard.is_none() => root_part(path).map_or(Part::Unknown, Part::Root),
            None => Part::Unknown,
        };
    }
}

/// A path without the leading `./` that the tars of v1.11.3 and before carry.
fn trim(path: &str) -> &str {
    path.trim_start_matches("./")
}

/// Whether a path has only normal components. Qdrant skips `..` silently and drops a leading slash; we do neither,
/// because then the name would not say what a restore writes.
fn is_plain(path: &str) -> bool {
    path.strip_suffix('/').unwrap_or(path).split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn shard_number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Splits `segments/<name>[/<rest>]`. A dot-file is no segment (skipped by Qdrant since v1.13.5).
fn segment_of(path: &str) -> Option<(&str, &str)> {
    let path = path.strip_prefix("segments/")?;
    let (name, rest) = path.split_once('/').unwrap_or((path, ""));
    (!name.is_empty() && !name.starts_with('.')).then_some((name, rest))
}

fn root_part(path: &str) -> Option<RootPart> {
    Some(match path {
        "version.info" => RootPart::VersionInfo,
        "config.json" => RootPart::Config,
        "shard_key_mapping.json" => RootPart::ShardKeyMapping,
        "payload_index.json" => RootPart::PayloadIndex,
        _ if path.ends_with(".snapshot") && !path.contains('/') => RootPart::CollectionSnapshot,
        _ => return None,
    })
}

fn shard_part(path: &str) -> Option<ShardPart> {
    Some(match path {
        "shard_config.json" => ShardPart::ShardConfig,
        "replica_state.json" => ShardPart::ReplicaState,
        "newest_clocks.json" => ShardPart::NewestClocks,
        "oldest_clocks.json" => ShardPart::OldestClocks,
        "applied_seq.json" => ShardPart::AppliedSeq,
        "segments_manifest.json" => ShardPart::SegmentsManifest,
        "wal/first-index" => ShardPart::WalFirstIndex,
        _ => match path.split_once('/')? {
            ("wal", name) if is_wal_segment(name) => ShardPart::WalSegment,
            ("segments", name) if name.ends_with(".tar") && !name.contains('/') => ShardPart::SegmentArchive,
            _ => return None,
        },
    })
}

fn is_wal_segment(name: &str) -> bool {
    let numbered = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    name.strip_prefix("open-").is_some_and(numbered)
        || name.strip_prefix("closed-").is_some_and(numbered)
        || (name.starts_with("tmp-") && !name.contains('/'))
}

fn segment_part(path: &str) -> (SegmentPart, Option<&str>) {
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let part = match (first, rest) {
        ("segment.json", "") => SegmentPart::State,
        ("version.info", "") => SegmentPart::VersionInfo,
        ("segment_manifest.json", "") => SegmentPart::Manifest,
        ("db_backup" | "payload_index_db_backup", _) => SegmentPart::RocksDb,
        (file, "") if is_rocksdb_file(file) => SegmentPart::RocksDb,
        (file, "") if file.starts_with("id_tracker.") || file.starts_with("mutable_id_tracker.") => {
            SegmentPart::IdTracker
        }
        ("payload_index", file) if is_rocksdb_file(file) => SegmentPart::RocksDb,
        ("payload_storage", _) => SegmentPart::PayloadStorage,
        ("payload_index", _) => SegmentPart::PayloadIndex,
        (directory, _) => {
            let storage = vector_name(directory, "vector_storage").map(|name| (SegmentPart::VectorStorage, name));
            let index = || vector_name(directory, "vector_index").map(|name| (SegmentPart::VectorIndex, name));
            return match storage.or_else(index) {
                Some((part, name)) => (part, Some(name)),
                None => (SegmentPart::Other, None),
            };
        }
    };
    (part, None)
}

/// The vector's name in `vector_storage` (unnamed: empty) or `vector_storage-<name>`.
fn vector_name<'a>(directory: &'a str, component: &str) -> Option<&'a str> {
    match directory.strip_prefix(component)? {
        "" => Some(""),
        suffix => suffix.strip_prefix('-'),
    }
}

/// Names of RocksDB's live files (RocksDB wiki, "RocksDB Basics"): they lie bare in ancient segments.
fn is_rocksdb_file(name: &str) -> bool {
    matches!(name, "CURRENT" | "IDENTITY" | "LOCK" | "LOG")
        || name.starts_with("MANIFEST-")
        || name.starts_with("OPTIONS-")
        || name.starts_with("LOG.old")
        || name.strip_suffix(".sst").or(name.strip_suffix(".log")).is_some_and(|stem| shard_number(stem).is_some())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const UUID: &str = "bb673b46-dabf-4fa6-b44b-d2091eb34528";

    fn check(levels: &[&str], expected: Expect) {
        let identity = Identity::of(&BodyPath::new(levels.iter().map(|level| level.replace("UUID", UUID))));
        let Identity { collection_file, shard, segment, layout, part, vector, path } = identity;
        let segment = segment.map(|segment| segment.as_str().replace(UUID, "UUID"));
        expected
            .assert_eq(&format!("{collection_file:?} {shard:?} {segment:?} {layout:?} {part:?} {vector:?} {path:?}"));
    }

    #[test]
    fn every_layout_leads_to_the_same_file() {
        check(
            &["0/segments/UUID.tar", "snapshot/files/vector_storage-a-b/vectors/chunk_0.mmap"],
            expect![[
                r#"None Some(0) Some("UUID") Some(Regular) Segment(VectorStorage) Some("a-b") "vector_storage-a-b/vectors/chunk_0.mmap""#
            ]],
        );
        check(
            &["segments/UUID/files/vector_storage-a-b/vectors/chunk_0.mmap"],
            expect![[
                r#"None None Some("UUID") Some(Streamable) Segment(VectorStorage) Some("a-b") "vector_storage-a-b/vectors/chunk_0.mmap""#
            ]],
        );
        check(
            &["./0/segments/UUID.tar", "./vector_storage/matrix.dat"],
            expect![[
                r#"None Some(0) Some("UUID") Some(Ancient) Segment(VectorStorage) Some("") "vector_storage/matrix.dat""#
            ]],
        );
        check(
            &["c-1-2026-11-20-16-24-36.snapshot", "7/segments/UUID.tar", "snapshot/files/segment.json"],
            expect![[
                r#"Some("c-1-2026-11-20-16-24-36.snapshot") Some(7) Some("UUID") Some(Regular) Segment(State) None "segment.json""#
            ]],
        );
    }

    #[test]
    fn roots_and_shards() {
        check(&["version.info"], expect![[r#"None None None None Root(VersionInfo) None "version.info""#]]);
        check(
            &["c.snapshot", "config.json"],
            expect![[r#"Some("c.snapshot") None None None Root(Config) None "config.json""#]],
        );
        check(&["c.snapshot"], expect![[r#"None None None None Root(CollectionSnapshot) None "c.snapshot""#]]);
        check(&["12/wal/open-3"], expect![[r#"None Some(12) None None Shard(WalSegment) None "wal/open-3""#]]);
        check(
            &["0/segments/UUID.tar"],
            expect![[
                r#"None Some(0) None None Shard(SegmentArchive) None "segments/bb673b46-dabf-4fa6-b44b-d2091eb34528.tar""#
            ]],
        );
        check(
            &["replica_state.json"],
            expect![[r#"None None None None Shard(ReplicaState) None "replica_state.json""#]],
        );
    }

    #[test]
    fn rocksdb_is_recognised_in_backups_and_bare() {
        for levels in [
            ["0/segments/UUID.tar", "snapshot/db_backup/shared_checksum/000012_3_4.sst"],
            ["0/segments/UUID.tar", "snapshot/payload_index_db_backup/meta/1"],
            ["0/segments/UUID.tar", "000012.sst"],
            ["0/segments/UUID.tar", "payload_index/MANIFEST-000004"],
        ] {
            let identity = Identity::of(&BodyPath::new(levels));
            assert_eq!(identity.part, Part::Segment(SegmentPart::RocksDb), "{levels:?}");
        }
    }

    #[test]
    fn hostile_and_foreign_paths_are_unknown() {
        for levels in [
            &[][..],
            &[""],
            &["/version.info"],
            &["0/../version.info"],
            &["0//shard_config.json"],
            &["4294967296/shard_config.json"],
            &["+1/shard_config.json"],
            &["0/version.info"],
            &["0/segments/.hidden/files/segment.json"],
            &["0/segments/UUID", "snapshot/files/segment.json"],
            &["0/segments/UUID.tar", "snapshot/files/x.tar", "y"],
            &["0/segments/UUID.tar", "snapshot/../segment.json"],
            &["a", "b", "c", "d"],
            &["photos/cat.jpg"],
        ] {
            let identity = Identity::of(&BodyPath::new(levels.iter().copied()));
            assert_eq!(identity.part, Part::Unknown, "{levels:?}");
        }
    }
}
