//! Recognises Qdrant's snapshot layouts by version and labels what each file is.
//!
//! *Invariant*: knowledge may improve deduplication, never correctness. A wrong or missing label costs space, not bytes:
//! nothing here fails in a way that could stop an ingest, and what is not recognised is [`Class::Unknown`].
//!
//! Meet first: [`Classifier`] (labels a body, learns row lengths from the small JSON beside it), [`Identity`] (which
//! file of which segment a path is, whatever the layout) and [`SnapshotOutline`] (what is in a snapshot, from headers
//! and small files alone).
//!
//! ```
//! use vectar_qdrant::{BodyPath, BodySize, Class, Classifier};
//!
//! let segment = "0/segments/bb673b46-dabf-4fa6-b44b-d2091eb34528.tar";
//! let in_segment = |file: &str| BodyPath::new([segment, file]);
//!
//! let mut classifier = Classifier::new();
//! classifier.learn(
//!     &in_segment("snapshot/files/vector_storage/vectors/config.json"),
//!     br#"{"chunk_size_bytes":33554304,"chunk_size_vectors":174762,"dim":48,"populate":true}"#,
//! );
//! let label = classifier.label(
//!     &in_segment("snapshot/files/vector_storage/vectors/chunk_0.mmap"),
//!     BodySize { stored_bytes: 16_384, logical_bytes: 33_554_304 },
//! );
//! assert_eq!(label.class, Class::DenseRows);
//! assert_eq!(label.layout.to_string(), "rows of 192 (f32) from 0");
//! ```
//!
//! # The layouts
//!
//! Directories are drawn as they are *named*; most have no tar entry of their own. `!` marks the step into a nested tar.
//!
//! A **collection** snapshot has a directory per shard and four files
//! (`qdrant v1.19.0 lib/collection/src/collection/snapshots.rs`, `…/shards/shard_holder/mod.rs`):
//!
//! ```text
//! <shard>/segments_manifest.json                v1.19.0, off by default
//! <shard>/segments/<uuid>.tar!snapshot/…        Regular; up to v0.11.6 without snapshot/: Ancient
//! <shard>/newest_clocks.json, oldest_clocks.json    v1.8.0; behind the WAL before v1.17.0
//! <shard>/wal/open-<id>, closed-<first entry>, first-index
//! <shard>/applied_seq.json                      v1.17.0
//! <shard>/replica_state.json                    v0.11.0; alone with the next where the shard is not local
//! <shard>/shard_config.json                     v0.8.0
//! version.info   config.json
//! shard_key_mapping.json   payload_index.json   v1.7.0
//! ```
//!
//! A **shard** snapshot is one `<shard>/` of these without its number. **Streamed** (v1.12.0) and **partial** (v1.14.1)
//! ones have `segments/<uuid>/files/…` in place of the inner tars: Streamable; partial ones add
//! `segment_manifest.json` to each segment (`lib/segment/src/segment/snapshot.rs`).
//!
//! A **full** snapshot holds collection snapshots
//! (`lib/storage/src/content_manager/snapshots/mod.rs`):
//!
//! ```text
//! <collection>-<peer>-<date>.snapshot!…         a collection snapshot each
//! config.json                                   collections_mapping, collections_aliases
//! ```
//!
//! A **segment** looks the same in every layout, below `snapshot/files/` (Regular), `files/` (Streamable) or nothing
//! (Ancient); its class is on the right (`lib/segment/src/`):
//!
//! ```text
//! vector_storage[-<name>]/matrix.dat            dense-rows
//!                         deleted.dat           block-pages
//!                         vectors/, offsets/, tq_vectors/, quantized_data/
//!                             config.json       small-json
//!                             status.dat        block-pages
//!                             chunk_<n>.mmap    dense-rows
//!                         quantized.data, quantized.offsets.data    dense-rows
//!                         deleted/              flags: status.dat, flags_a.dat       block-pages
//!                         store/                Gridstore of a sparse vector         block-pages
//! vector_index[-<name>]/graph.bin, links*.bin, inverted_index.dat   rebuilt
//! payload_storage/                              Gridstore: page_<n>.dat, tracker.dat, bitmask.dat, gaps.dat
//! payload_index/<field>-<family>/               Gridstore or flags (appendable), else rebuilt
//! id_tracker.mappings, mutable_id_tracker.mappings                  rebuilt
//! id_tracker.versions, mutable_id_tracker.versions, id_tracker.deleted    block-pages
//! segment.json, version.info, segment_manifest.json                 small-json
//! db_backup/, payload_index_db_backup/          RocksDB, beside files/: unknown
//! ```
//!
//! # What was verified
//!
//! On the real snapshots of Qdrant 1.18.3 in the tests (collection, stored, streamed and partial shard, full, empty, one
//! node and three): every body gets a class other than unknown; every file of dense rows gets a row length that divides
//! it; block lengths of Gridstores are 8, 16 or 128 bytes and follow from the page length; the record lengths of int8
//! codes (4 + dimensions rounded up to 16) and of multivector offsets (12 bytes plain, 8 quantized); bytes by class add
//! up to the file; configuration, payload schema and number of segments are those the server reported. All of these
//! servers write the clocks before the WAL and no `applied_seq.json`, so the fingerprint says 1.17.0 or newer.
//!
//! On shards that Qdrant's own engine wrote (qdrant-edge-py 0.5 to 0.9): `quantized_data/`, `tq_vectors` and disk id trackers
//! as well.
//!
//! Not seen on real files, only read from the sources named: Ancient segments, RocksDB, trailers in nested tars, append-only Gridstores.

// What goes in, and what goes wrong.
mod entry;
mod error;
mod json;

// Names of snapshot files and what lies beside them.
mod checksum;
mod in_progress;
mod name;

// What a body is.
mod class;
mod classifier;
mod facts;
mod file_kind;
mod part;
mod path;
mod storage_config;
mod vector_shape;

// Small files in typed form.
mod collection_files;
mod config;
mod quantization;
mod replica;
mod segment;

// What segments and shards store.
pub mod audit;
mod finding;
mod point_id;
pub mod storage;

// Which points are meant.
mod filter;

// What is in a snapshot.
pub mod compat;
mod fingerprint;
mod outline;
mod version;

pub use crate::checksum::{CHECKSUM_SUFFIX, checksum_sidecar_name, checksummed_snapshot_name, parse_checksum};
pub use crate::class::{BLOCK_BYTES_MAX, BodyLabel, BodyLayout, Class, Element, ROW_BYTES_MAX, TINY_BYTES_MAX};
pub use crate::classifier::Classifier;
pub use crate::collection_files::{
    FullMapping, PayloadField, PayloadSchema, ShardKey, ShardKeyShards, read_manifest_file_count, read_payload_schema,
    read_shard_key_mapping,
};
pub use crate::config::{
    CollectionConfig, Datatype, Distance, HnswConfig, MultivectorConfig, ShardingMethod, SparseIndexParams,
    SparseVectorConfig, VectorConfig, WalConfig,
};
pub use crate::entry::{BodyPath, BodySize};
pub use crate::error::{QdrantError, QdrantErrorKind};
pub use crate::filter::{FILTER_DEPTH_MAX, Filter, FilterError, FilterSubject};
pub use crate::finding::{FINDINGS_MAX, Finding, FindingLevel, Findings};
pub use crate::in_progress::{InProgress, in_progress, is_in_progress};
pub use crate::json::{SMALL_JSON_BYTES_MAX, Tolerant, UnreadField};
pub use crate::name::{NameSubject, SNAPSHOT_EXTENSION, SnapshotName, UtcSecond};
pub use crate::outline::{
    ClassTotal, ClassTotals, CollectionFigures, CollectionOutline, IdFigures, SegmentFigures, SegmentOutline,
    ShardFigures, ShardOutline, SnapshotKind, SnapshotOutline, UNREAD_MAX, Unread, VectorFigures, WalFigures, WalFile,
};
pub use crate::part::{Part, RootPart, SegmentPart, ShardPart};
pub use crate::path::{Identity, SegmentId, SegmentLayout};
pub use crate::point_id::{PointId, PointIdInvalid};
pub use crate::quantization::{BinaryEncoding, ProductCompression, Quantization};
pub use crate::replica::{ReplicaSetState, ReplicaState, ShardKind, read_applied_seq};
pub use crate::segment::{
    PayloadIndexConfig, PayloadStorageKind, SegmentState, SparseIndex, SparseIndexKind, SparseVectorState, VectorIndex,
    VectorIndexKind, VectorState, VectorStorageKind,
};
pub use crate::version::{QdrantVersion, VersionRange, VersionSign};
