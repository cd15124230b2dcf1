//! Which Qdrant may have written a snapshot, and why we think so.
//!
//! Nothing in a snapshot names the version: `version.info` holds crate versions that froze long ago. So versions are
//! bounded by what a snapshot contains.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

/// A release of Qdrant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QdrantVersion {
    /// Major number.
    pub major: u16,
    /// Minor number.
    pub minor: u16,
    /// Patch number.
    pub patch: u16,
}

impl QdrantVersion {
    /// The release `major.minor.patch`.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self { major, minor, patch }
    }
}

impl fmt::Display for QdrantVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl Serialize for QdrantVersion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A feature of a snapshot that only some versions produce. Each is a row of the format reference's fingerprint table,
/// read from Qdrant's sources tag by tag.
///
/// Segments that an upgrade left alone keep their old files, so the newest feature decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum VersionSign {
    /// A segment's tar without `snapshot/` inside.
    AncientSegments,
    /// `payload_index.json` at a collection's root.
    PayloadIndexFile,
    /// Clock files in a shard.
    Clocks,
    /// The outer tar begins with `./`: a staging directory was archived.
    StagedDirectory,
    /// Segment tars written from memory, yet with an end-of-archive trailer.
    TrailerInMemoryTar,
    /// A segment tar without a trailer.
    NoInnerTrailer,
    /// A GNU sparse entry.
    SparseEntry,
    /// A segment that is not in a tar of its own.
    StreamableSegments,
    /// `uuid` in a collection's configuration.
    CollectionUuid,
    /// Payloads in a Gridstore.
    PayloadGridstore,
    /// `mutable_id_tracker.*`.
    MutableIdTracker,
    /// `segment_manifest.json`.
    SegmentManifest,
    /// No RocksDB backup in any segment.
    NoRocksDb,
    /// A RocksDB tree in a segment.
    RocksDb,
    /// `initial_version` in `segment.json`.
    InitialVersion,
    /// `indexed_types` in `payload_index/config.json`.
    IndexTypes,
    /// `wal_retain_closed` in a collection's configuration.
    WalRetainClosed,
    /// Quantized vectors in chunk files.
    QuantizedChunks,
    /// Clock files before the WAL.
    ClocksBeforeWal,
    /// `applied_seq.json`.
    AppliedSeq,
    /// `InRamMmap` storage.
    InRamMmap,
    /// `tq_vectors`.
    TurboVectors,
    /// `mode` in a Gridstore's configuration.
    GridstoreMode,
    /// `segments_manifest.json` or a disk id tracker.
    ServerlessFiles,
}

/// What a sign says about the version.
struct Meaning {
    words: &'static str,
    /// First version that can write it.
    at_least: Option<QdrantVersion>,
    /// First version that cannot write it any more.
    before: Option<QdrantVersion>,
    /// First version that writes it by default.
    typical: Option<QdrantVersion>,
}

impl Meaning {
    const fn since(words: &'static str, major: u16, minor: u16, patch: u16) -> Self {
        let version = QdrantVersion::new(major, minor, patch);
        Self { words, at_least: Some(version), before: None, typical: None }
    }

    const fn until(words: &'static str, major: u16, minor: u16, patch: u16) -> Self {
        let version = QdrantVersion::new(major, minor, patch);
        Self { words, at_least: None, before: Some(version), typical: None }
    }

    const fn typically(self, major: u16, minor: u16, patch: u16) -> Self {
        Self { typical: Some(QdrantVersion::new(major, minor, patch)), ..self }
    }
}

impl VersionSign {
    fn meaning(self) -> Meaning {
        match self {
            Self::AncientSegments => Meaning::until("segment tars without snapshot/ inside", 0, 11, 7),
            Self::PayloadIndexFile => Meaning::since("payload_index.json at the root", 1, 7, 0),
            Self::Clocks => Meaning::since("clock files", 1, 8, 0),
            Self::StagedDirectory => Meaning::until("outer tar of a staged directory", 1, 11, 4),
            Self::TrailerInMemoryTar => Meaning {
                before: Some(QdrantVersion::new(1, 12, 0)),
                ..Meaning::since("segment tars made in memory, with a trailer", 1, 11, 4)
            },
            Self::NoInnerTrailer => Meaning::since("segment tars without a trailer", 1, 12, 0),
            Self::SparseEntry => Meaning::since("sparse entries", 1, 12, 0),
            Self::StreamableSegments => Meaning::since("streamed segments", 1, 12, 0),
            Self::CollectionUuid => Meaning::since("uuid in config.json", 1, 12, 4),
            Self::PayloadGridstore => Meaning::since("payload_storage/", 1, 12, 4).typically(1, 13, 0),
            Self::MutableIdTracker => Meaning::since("mutable_id_tracker files", 1, 13, 5).typically(1, 14, 0),
            Self::SegmentManifest => Meaning::since("segment_manifest.json", 1, 14, 1),
            Self::NoRocksDb => Meaning::since("no RocksDB backup in any segment", 1, 14, 1).typically(1, 16, 1),
            Self::RocksDb => Meaning::until("RocksDB in a segment", 1, 18, 0),
            Self::InitialVersion => Meaning::since("initial_version in segment.json", 1, 15, 0),
            Self::IndexTypes => Meaning::since("indexed_types in payload_index/config.json", 1, 15, 0),
            Self::WalRetainClosed => Meaning::since("wal_retain_closed in config.json", 1, 15, 2),
            Self::QuantizedChunks => Meaning::since("quantized_data/", 1, 15, 5).typically(1, 16, 0),
            Self::ClocksBeforeWal => Meaning::since("clock files before the WAL", 1, 17, 0),
            Self::AppliedSeq => Meaning::since("applied_seq.json", 1, 17, 0),
            Self::InRamMmap => Meaning::since("InRamMmap storage", 1, 17, 0).typically(1, 19, 0),
            Self::TurboVectors => Meaning::since("tq_vectors", 1, 18, 2),
            Self::GridstoreMode => Meaning::since("mode in a Gridstore configuration", 1, 19, 0),
            Self::ServerlessFiles => Meaning::since("segments_manifest.json or a disk id tracker", 1, 19, 0),
        }
    }
}

impl fmt::Display for VersionSign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.meaning().words)
    }
}

impl Serialize for VersionSign {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The versions that can have written a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VersionRange {
    /// Oldest that can have, inclusive.
    pub at_least: Option<QdrantVersion>,
    /// Newest that can have, exclusive.
    pub before: Option<QdrantVersion>,
    /// Oldest that writes such snapshots with default settings, inclusive; never below `at_least`.
    pub typically_at_least: Option<QdrantVersion>,
    /// The signs that set the three bounds, in the order of the versions they speak of.
    pub because: Vec<VersionSign>,
}

impl VersionRange {
    /// Draws the conclusion from all signs seen. Bounds may contradict each other after an upgrade: then `before` tells
    /// of files that the upgrade left alone, and is dropped.
    pub(crate) fn of(signs: &BTreeSet<VersionSign>) -> Self {
        let all = || signs.iter().map(|sign| (*sign, sign.meaning()));
        let at_least = all().filter_map(|(_, meaning)| meaning.at_least).max();
        let before = all().filter_map(|(_, meaning)| meaning.before).min();
        let before = before.filter(|before| at_least.is_none_or(|at_least| at_least < *before));
        let typical = all().filter_map(|(_, meaning)| meaning.typical).max().max(at_least);
        let typical = typical.filter(|typical| before.is_none_or(|before| *typical < before));
        let decides = |meaning: &Meaning| {
            let sets = |bound: Option<QdrantVersion>, value: Option<QdrantVersion>| value.is_some() && value == bound;
            sets(at_least, meaning.at_least) || sets(before, meaning.before) || sets(typical, meaning.typical)
        };
        let because = all().filter(|(_, meaning)| decides(meaning)).map(|(sign, _)| sign).collect();
        Self { at_least, before, typically_at_least: typical, because }
    }
}

impl fmt::Display for VersionRange {
    /// Writes `1.17.0 or newer (clock files before the WAL)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.at_least, self.before) {
            (None, None) => return f.write_str("unknown"),
            (Some(at_least), None) => write!(f, "{at_least} or newer")?,
            (None, Some(before)) => write!(f, "before {before}")?,
            (Some(at_least), Some(before)) => write!(f, "{at_least} or newer, before {before}")?,
        }
        if let Some(typical) = self.typically_at_least.filter(|typical| Some(*typical) != self.at_least) {
            write!(f, ", by default {typical} or newer")?;
        }
        for (position, sign) in self.because.iter().enumerate() {
            write!(f, "{}{sign}", if position == 0 { " (" } else { "; " })?;
        }
        f.write_str(if self.because.is_empty() { "" } else { ")" })
    }
}

/// Reads the content of a `version.info`: three numbers with points between, and nothing else. They are versions of crates, not of Qdrant.
pub(crate) fn crate_version(text: &[u8]) -> Option<[u32; 3]> {
    let mut parts = std::str::from_utf8(text).ok()?.split('.').map(|part| {
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| part.parse().ok()).flatten()
    });
    let version = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(version)
}

#[cfg(test)]
mod tests {
    #[test]
    fn crate_versions_are_three_numbers() {
        assert_eq!(super::crate_version(b"0.4.2"), Some([0, 4, 2]));
        for text in ["", "0.4", "0.4.2.1", "0.4.2\n", "0.4.+2", "0..2", "\0\0\0\0\0", "0.4.99999999999"] {
            assert_eq!(super::crate_version(text.as_bytes()), None, "{text:?}");
        }
    }

    use expect_test::{Expect, expect};

    use super::*;

    fn check(signs: &[VersionSign], expected: Expect) {
        expected.assert_eq(&VersionRange::of(&signs.iter().copied().collect()).to_string());
    }

    #[test]
    fn the_newest_feature_decides() {
        use VersionSign::*;
        check(&[], expect!["unknown"]);
        check(
            &[Clocks, NoRocksDb, SparseEntry, MutableIdTracker],
            expect!["1.14.1 or newer, by default 1.16.1 or newer (no RocksDB backup in any segment)"],
        );
        check(&[AncientSegments], expect!["before 0.11.7 (segment tars without snapshot/ inside)"]);
        check(
            &[TrailerInMemoryTar, Clocks, RocksDb],
            expect!["1.11.4 or newer, before 1.12.0 (segment tars made in memory, with a trailer)"],
        );
        check(
            &[StagedDirectory, Clocks],
            expect!["1.8.0 or newer, before 1.11.4 (clock files; outer tar of a staged directory)"],
        );
    }

    #[test]
    fn files_left_alone_by_an_upgrade_do_not_bound_from_above() {
        use VersionSign::*;
        check(&[AncientSegments, Clocks], expect!["1.8.0 or newer (clock files)"]);
    }
}
