//! Tells the kinds of snapshot apart by what lies where.

use crate::part::{Part, RootPart, SegmentPart};
use crate::path::{Identity, SegmentLayout};

use super::SnapshotKind;

/// What was seen that tells the kinds apart.
#[derive(Debug, Default)]
pub(super) struct Structure {
    collection_files: bool,
    shard_directories: bool,
    root_version: bool,
    root_config: bool,
    bare_shard: bool,
    streamable: bool,
    manifests: bool,
}

impl Structure {
    /// Takes in one body or nested tar.
    pub(super) fn see(&mut self, identity: &Identity) {
        self.collection_files |= identity.collection_file.is_some();
        match identity.part {
            Part::Root(RootPart::CollectionSnapshot) => self.collection_files = true,
            Part::Root(RootPart::VersionInfo) => self.root_version = true,
            Part::Root(RootPart::Config) => self.root_config = true,
            Part::Root(_) | Part::Unknown => {}
            Part::Shard(_) | Part::Segment(_) if identity.shard.is_some() => self.shard_directories = true,
            Part::Shard(_) => self.bare_shard = true,
            Part::Segment(part) => {
                self.bare_shard = true;
                self.streamable |= identity.layout == Some(SegmentLayout::Streamable);
                self.manifests |= part == SegmentPart::Manifest;
            }
        }
    }

    /// Decides; `has_mapping` says that a full snapshot's mapping was read.
    pub(super) fn kind(&self, has_mapping: bool) -> SnapshotKind {
        if has_mapping || self.collection_files {
            SnapshotKind::Full
        } else if self.shard_directories || (self.root_version && self.root_config) {
            SnapshotKind::Collection
        } else if !self.bare_shard {
            SnapshotKind::Unknown
        } else if self.manifests {
            SnapshotKind::ShardPartial
        } else if self.streamable {
            SnapshotKind::ShardStreamed
        } else {
            SnapshotKind::Shard
        }
    }
}
