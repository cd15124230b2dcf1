//! The parts of a snapshot, and the versions that write them (`qdrant v1.19.0 lib/collection/src/`, `lib/segment/src/`).

/// Which part of a snapshot a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Lies at the root of a collection snapshot or of a full one.
    Root(RootPart),
    /// Lies in a shard's directory, outside its segments.
    Shard(ShardPart),
    /// Lies in a segment.
    Segment(SegmentPart),
    /// Nothing that Qdrant is known to write there.
    Unknown,
}

/// Parts of a collection or of a full snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RootPart {
    /// `version.info` of the collection.
    VersionInfo,
    /// `config.json`: of the collection, or the mapping of a full snapshot. Only its content tells them apart.
    Config,
    /// `shard_key_mapping.json` (v1.7.0+).
    ShardKeyMapping,
    /// `payload_index.json` (v1.7.0+).
    PayloadIndex,
    /// A collection snapshot in a full one that could not be split as a tar.
    CollectionSnapshot,
}

/// Parts of a shard outside its segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ShardPart {
    /// `shard_config.json` (v0.8.0+).
    ShardConfig,
    /// `replica_state.json` (v0.11.0+).
    ReplicaState,
    /// `newest_clocks.json` (v1.8.0+).
    NewestClocks,
    /// `oldest_clocks.json` (v1.8.0+).
    OldestClocks,
    /// `applied_seq.json` (v1.17.0+).
    AppliedSeq,
    /// `segments_manifest.json` (v1.19.0, off by default).
    SegmentsManifest,
    /// `wal/open-*`, `wal/closed-*`, `wal/tmp-*`.
    WalSegment,
    /// `wal/first-index`.
    WalFirstIndex,
    /// A segment's tar that could not be split.
    SegmentArchive,
}

/// Parts of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SegmentPart {
    /// `segment.json`.
    State,
    /// `version.info`.
    VersionInfo,
    /// `segment_manifest.json`, only in partial snapshots.
    Manifest,
    /// `vector_storage[-<name>]/…`.
    VectorStorage,
    /// `vector_index[-<name>]/…`.
    VectorIndex,
    /// `payload_storage/…`.
    PayloadStorage,
    /// `payload_index/…`.
    PayloadIndex,
    /// `id_tracker.*` and `mutable_id_tracker.*`.
    IdTracker,
    /// RocksDB: a backup tree, or the live files of an ancient segment.
    RocksDb,
    /// Something else in the segment's directory.
    Other,
}
