//! Collects the signs of a version while a snapshot is read.

use std::collections::BTreeSet;

use crate::config::CollectionConfig;
use crate::entry::{BodyPath, EntryRole};
use crate::part::{Part, RootPart, SegmentPart, ShardPart};
use crate::path::{Identity, SegmentLayout};
use crate::segment::{SegmentState, VectorStorageKind};
use crate::version::{VersionRange, VersionSign};

/// The signs seen so far.
#[derive(Debug, Default)]
pub(crate) struct Fingerprint {
    signs: BTreeSet<VersionSign>,
    /// Whether a segment was seen with all its files, so that what it lacks is a sign too.
    has_whole_segment: bool,
}

impl Fingerprint {
    pub(crate) fn see(&mut self, sign: VersionSign) {
        self.signs.insert(sign);
    }

    pub(crate) fn see_directory(&mut self, path: &BodyPath) {
        if matches!(path.levels(), [only] if only == "./") {
            self.see(VersionSign::StagedDirectory);
        }
    }

    /// A segment's tar: since v1.11.4 its header is made in memory, since v1.12.0 it has no trailer.
    pub(crate) fn see_segment_tar(&mut self, made_in_memory: bool, has_trailer: Option<bool>) {
        match has_trailer {
            Some(false) => self.see(VersionSign::NoInnerTrailer),
            Some(true) if made_in_memory => self.see(VersionSign::TrailerInMemoryTar),
            Some(true) | None => {}
        }
    }

    pub(crate) fn see_body(&mut self, identity: &Identity, role: EntryRole) {
        if role == (EntryRole::Body { is_sparse: true }) {
            self.see(VersionSign::SparseEntry);
        }
        match identity.part {
            Part::Root(RootPart::PayloadIndex) => self.see(VersionSign::PayloadIndexFile),
            Part::Shard(ShardPart::NewestClocks | ShardPart::OldestClocks) => self.see(VersionSign::Clocks),
            Part::Shard(ShardPart::AppliedSeq) => self.see(VersionSign::AppliedSeq),
            Part::Shard(ShardPart::SegmentsManifest) => self.see(VersionSign::ServerlessFiles),
            Part::Segment(part) => self.see_segment_file(part, identity),
            _ => {}
        }
    }

    fn see_segment_file(&mut self, part: SegmentPart, identity: &Identity) {
        match identity.layout {
            Some(SegmentLayout::Ancient) => self.see(VersionSign::AncientSegments),
            Some(SegmentLayout::Streamable) => self.see(VersionSign::StreamableSegments),
            Some(SegmentLayout::Regular) | None => {}
        }
        let (_, below) = identity.path.split_once('/').unwrap_or_default();
        match part {
            SegmentPart::PayloadStorage => self.see(VersionSign::PayloadGridstore),
            SegmentPart::Manifest => self.see(VersionSign::SegmentManifest),
            SegmentPart::RocksDb => self.see(VersionSign::RocksDb),
            SegmentPart::IdTracker if identity.path.starts_with("mutable_") => self.see(VersionSign::MutableIdTracker),
            SegmentPart::IdTracker if identity.path == "id_tracker.i2e" => self.see(VersionSign::ServerlessFiles),
            SegmentPart::VectorStorage if below.starts_with("quantized_data/") => {
                self.see(VersionSign::QuantizedChunks);
            }
            SegmentPart::VectorStorage if below.starts_with("tq_vectors") => self.see(VersionSign::TurboVectors),
            _ => {}
        }
    }

    pub(crate) fn see_config(&mut self, config: &CollectionConfig) {
        if config.has_uuid_member {
            self.see(VersionSign::CollectionUuid);
        }
        if config.wal.as_ref().is_some_and(|wal| wal.wal_retain_closed.is_some()) {
            self.see(VersionSign::WalRetainClosed);
        }
    }

    /// A segment after all its files; `is_whole` when the snapshot's kind has every file of it.
    pub(crate) fn see_segment(&mut self, state: Option<&SegmentState>, is_whole: bool) {
        let Some(state) = state else { return };
        self.has_whole_segment |= is_whole;
        if state.has_initial_version_member {
            self.see(VersionSign::InitialVersion);
        }
        for vector in state.vectors.values() {
            match vector.storage_type {
                VectorStorageKind::InRamMmap => self.see(VersionSign::InRamMmap),
                VectorStorageKind::Memory => self.see(VersionSign::RocksDb),
                _ => {}
            }
        }
    }

    pub(crate) fn conclude(mut self) -> VersionRange {
        if self.has_whole_segment && !self.signs.contains(&VersionSign::RocksDb) {
            self.see(VersionSign::NoRocksDb);
        }
        VersionRange::of(&self.signs)
    }
}
