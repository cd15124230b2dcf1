//! What is in a snapshot, from its headers and small files alone.

mod build;
mod figures;
mod reader;
mod structure;
mod text;
mod totals;
mod tree;

use std::collections::BTreeMap;

use serde::Serialize;
use vectar_tar::{Catalogue, CatalogueRow};

use crate::collection_files::{PayloadSchema, ShardKeyShards};
use crate::config::CollectionConfig;
use crate::entry::Entry;
use crate::path::{SegmentId, SegmentLayout};
use crate::replica::{ReplicaSetState, ShardKind};
use crate::segment::SegmentState;
use crate::version::VersionRange;

pub use figures::{CollectionFigures, IdFigures, SegmentFigures, ShardFigures, VectorFigures, WalFigures};
pub use totals::{ClassTotal, ClassTotals};

/// What is in a snapshot. Serialised, it is what `inspect --json` prints: members are only ever added.
///
/// Everything that was not there or could not be read is absent; [`unread`](Self::unread) tells the two apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SnapshotOutline {
    /// What the snapshot is of, by its structure.
    pub kind: SnapshotKind,
    /// Length of the whole file.
    pub bytes: u64,
    /// Live points; absent until someone [looks inside](Self::look_inside), and when that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points_live: Option<u64>,
    /// Which versions of Qdrant can have written it.
    pub written_by: VersionRange,
    /// One collection, or in a full snapshot any number of them, in the order of the file. None of unknown kind.
    pub collections: Vec<CollectionOutline>,
    /// Collection by alias; only a full snapshot has them.
    pub aliases: BTreeMap<String, String>,
    /// Bytes by class. They add up to `bytes`, framing included.
    pub classes: ClassTotals,
    /// Files and members that were there and could not be read, at most [`UNREAD_MAX`].
    pub unread: Vec<Unread>,
    /// How many more could not be read.
    pub unread_more: u64,
}

impl SnapshotOutline {
    /// Builds the outline from headers and small files. Never fails, whatever the snapshot holds.
    ///
    /// `read_small` gives the stored bytes of a row, or `None` when it cannot. It is called for files without holes of at
    /// most [`SMALL_JSON_BYTES_MAX`](crate::SMALL_JSON_BYTES_MAX) bytes: a handful per segment.
    pub fn build(catalogue: &Catalogue, mut read_small: impl FnMut(&CatalogueRow) -> Option<Vec<u8>>) -> Self {
        let mut builder = build::OutlineBuilder::default();
        for (index, row) in catalogue.rows.iter().enumerate() {
            builder.add(&Entry::of(catalogue, index), &mut || read_small(row));
        }
        builder.finish(catalogue.summary.bytes)
    }
}

/// Most entries of [`SnapshotOutline::unread`]: enough to see what is wrong, few enough to read.
pub const UNREAD_MAX: usize = 1000;

/// What a snapshot is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotKind {
    /// One collection, with the shards that the peer had.
    Collection,
    /// One shard, made as a file. A shard without any segment counts as this, however it was made.
    Shard,
    /// One shard, streamed (v1.12.0+).
    ShardStreamed,
    /// What changed in one shard (v1.14.1+). Useless alone: a missing file is no damage.
    ShardPartial,
    /// All collections of one peer.
    Full,
    /// None of these.
    Unknown,
}

impl SnapshotKind {
    /// The name shown to users and written to JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Collection => "collection",
            Self::Shard => "shard",
            Self::ShardStreamed => "shard-streamed",
            Self::ShardPartial => "shard-partial",
            Self::Full => "full",
            Self::Unknown => "unknown",
        }
    }
}

impl std::fmt::Display for SnapshotKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something that was there and could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// The file, with `!` between tar levels.
    pub path: String,
    /// A JSON pointer into it when the rest of the file was read; empty for the whole file.
    pub pointer: String,
    /// Why.
    pub reason: String,
}

/// One collection of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CollectionOutline {
    /// The collection's name. Only a full snapshot says it; the others are named by their file at most.
    pub name: Option<String>,
    /// In a full snapshot the collection's snapshot file.
    pub file: Option<String>,
    /// Bytes it takes: the length of its file in a full snapshot, else of its shards and root files together.
    pub bytes: u64,
    /// Live points, summed over its shards; absent until someone [looks inside](SnapshotOutline::look_inside), and when that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points_live: Option<u64>,
    /// More figures; absent until someone [looks inside](SnapshotOutline::look_inside).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figures: Option<CollectionFigures>,
    /// Its configuration; a shard snapshot has none.
    pub config: Option<CollectionConfig>,
    /// Shards by key, under custom sharding.
    pub shard_keys: Vec<ShardKeyShards>,
    /// Indexed payload fields; `None` before v1.7.0 and in shard snapshots.
    pub payload_schema: Option<PayloadSchema>,
    /// The shards that are in the snapshot, by number.
    pub shards: Vec<ShardOutline>,
}

/// One shard of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ShardOutline {
    /// The shard's number; a shard snapshot does not say it.
    pub id: Option<u32>,
    /// Bytes it takes: its segments and its other files, without framing outside of segment tars.
    pub bytes: u64,
    /// Live points, each id once; absent until someone [looks inside](SnapshotOutline::look_inside), and when that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points_live: Option<u64>,
    /// More figures; absent until someone [looks inside](SnapshotOutline::look_inside).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figures: Option<ShardFigures>,
    /// `type` of `shard_config.json`.
    #[serde(rename = "type")]
    pub kind: Option<ShardKind>,
    /// Which peers have it.
    pub replicas: Option<ReplicaSetState>,
    /// Whether `newest_clocks.json` is there.
    pub has_newest_clocks: bool,
    /// Whether `oldest_clocks.json` is there.
    pub has_oldest_clocks: bool,
    /// The operation of `applied_seq.json` (v1.17.0+).
    pub applied_seq: Option<u64>,
    /// Its WAL segments, in the order of the file.
    pub wal: Vec<WalFile>,
    /// Its segments, in the order of the file.
    pub segments: Vec<SegmentOutline>,
}

/// One file of a WAL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WalFile {
    /// `open-<id>` or `closed-<first entry>`.
    pub name: String,
    /// Stored bytes.
    pub bytes: u64,
    /// Bytes with holes expanded.
    pub logical_bytes: u64,
}

/// One segment of a shard.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SegmentOutline {
    /// Its directory's name, a UUID.
    pub id: SegmentId,
    /// How it was put into the archive; `None` when its tar could not be split.
    pub layout: Option<SegmentLayout>,
    /// Bytes it takes: the length of its tar, or the stored bytes of its bodies where it has none.
    pub bytes: u64,
    /// Bytes of its files with holes expanded.
    pub logical_bytes: u64,
    /// Live points; absent until someone [looks inside](SnapshotOutline::look_inside), and when that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points_live: Option<u64>,
    /// More figures; absent until someone [looks inside](SnapshotOutline::look_inside).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figures: Option<SegmentFigures>,
    /// Whether it takes new points.
    pub appendable: Option<bool>,
    /// `segment.json`.
    pub state: Option<SegmentState>,
    /// Indexed payload fields, by `payload_index/config.json`.
    pub indexed_fields: Vec<String>,
    /// How they are indexed: all that a shard snapshot says of it. Not part of reports.
    #[serde(skip)]
    pub payload_schema: PayloadSchema,
    /// In a partial snapshot, how many files the segment has by its manifest; not all of them need be there.
    pub manifest_files: Option<u64>,
    /// Bytes of its files by class, without framing.
    pub classes: ClassTotals,
}

impl SegmentOutline {
    fn new(id: SegmentId) -> Self {
        Self {
            id,
            layout: None,
            bytes: 0,
            logical_bytes: 0,
            points_live: None,
            figures: None,
            appendable: None,
            state: None,
            indexed_fields: Vec::new(),
            payload_schema: PayloadSchema::new(),
            manifest_files: None,
            classes: ClassTotals::default(),
        }
    }
}
