//! Writes structurally valid Qdrant 1.18 snapshots of any size, deterministic from a seed.
//!
//! Invariants:
//! - Equal options give equal bytes, on every machine and whatever was written before.
//! - Every byte is a function of (options, generation): nothing is remembered per point, lengths are known before a
//!   body is written, and memory stays below about 100 MiB for any length.
//! - What is written is what Qdrant reads: ids, payloads and vectors can be retrieved and are those of `truth.json`.
//!
//! Meet first: [`CorpusOptions`], then [`write_series`] for files or [`write_snapshot`] for a stream. Facts about the
//! format come from Qdrant v1.18.3 and were compared with snapshots that version made.
//!
//! ```
//! use vectar_testkit::corpus::{CorpusOptions, snapshot_bytes, write_snapshot};
//!
//! let options = CorpusOptions { points: 20, dimensions: 8, ..CorpusOptions::default() };
//! let mut snapshot = Vec::new();
//! let bytes = write_snapshot(&options, 0, &mut snapshot)?;
//! assert_eq!(bytes, snapshot.len() as u64);
//! assert_eq!(bytes, snapshot_bytes(&options, 0)?);
//! # Ok::<(), vectar_testkit::corpus::CorpusError>(())
//! ```

mod error;
mod giant;
mod options;
mod series;
mod snapshot;

mod dense;
mod gridstore;
mod hnsw;
mod id_tracker;
mod segment;
mod wal;

mod cbor;
mod content;
mod noise;
mod points;
mod tar_writer;

pub use error::{CorpusError, CorpusErrorKind};
pub use giant::{SparseGiantOptions, write_sparse_giant};
pub use options::{
    CorpusOptions, DIMENSIONS_MAX, Distance, IdKind, Layout, OptimizedStorage, PAYLOAD_BYTES_MAX, POINTS_MAX,
    POINTS_PER_SEGMENT_MAX, Step, VectorContent,
};
pub use series::{SeriesSnapshot, points_for_bytes, write_series};
pub use snapshot::{snapshot_bytes, write_snapshot};

pub(crate) use tar_writer::{HOLE_BYTES, TAR_BLOCK_BYTES, put_number};
