//! Vectors: dense, multi and sparse, as a segment stores them.
//!
//! Row i of every storage of a segment belongs to the point that the id tracker calls i. The directory of a vector is
//! `vector_storage`, with `-<name>` behind it where the vector has a name:
//!
//! ```text
//! matrix.dat, deleted.dat                  immutable, dense: Mmap; InRamMmap (v1.17.0+)
//! vectors/, deleted/                       dense: ChunkedMmap, InRamChunkedMmap
//! vectors/, offsets/, deleted/             multivector, whatever its storage type
//! store/, deleted/                         sparse: a Gridstore
//! deleted/, and vector_index/links_comp_vec.bin    dense: GraphInline (qdrant-edge 0.9.0)
//! tq_vectors…, deleted/                    turbo4: codes, from which the vectors cannot be had back
//! ```
//!
//! A vector that was added by name to a segment that was built already (v1.18+) is said to be in chunk files, or sparse, and has no file at
//! all until the segment is loaded again: no point has it (`qdrant v1.19.0 lib/segment/src/segment/vector_name_ops.rs`, seen in segments of
//! Qdrant's engine). In a segment that takes points it has its files from the start.
//!
//! Each file's layout stands in the module that reads it. A vector exists where the point is alive and its flag in `deleted` is
//! clear; a dead point usually keeps its vector and a clear flag. Cosine vectors are normalised before they are stored as
//! float32 or float16, except those shorter than about 3.5e-4, which Qdrant leaves as they are; the server returns them as stored.

mod audit;
mod derived;
mod element;
pub(super) mod files;
mod flags;
mod inline;
mod matrix;
mod multivector;
mod quantized;
mod reader;
mod scalar_codes;
mod sparse;
mod sparse_index;
mod values;
mod vector_chunks;

use serde::Serialize;

pub(crate) use self::derived::is_zero;
use self::element::Scalar;
use self::files::storage_directory;
use self::flags::Flags;
pub(crate) use self::flags::audit_flags;
use self::inline::InlineVectors;
use self::matrix::Matrix;
use self::multivector::MultiVectors;
pub use self::quantized::QuantizedMetadata;
pub use self::reader::VectorReader;
use self::vector_chunks::VectorChunks;
use super::{Bits, Gridstore, StorageFiles};
use crate::class::ROW_BYTES_MAX;
use crate::config::{Datatype, Distance};
use crate::error::QdrantError;
use crate::json::SMALL_JSON_BYTES_MAX;
use crate::segment::{SegmentState, SparseVectorState, VectorIndexKind, VectorState, VectorStorageKind};

/// A vector as the server returns it, and as it writes it to JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Vector {
    /// One vector.
    Dense(Vec<f32>),
    /// Several vectors of one point.
    Multi(Vec<Vec<f32>>),
    /// The dimensions that are not zero.
    Sparse {
        /// Which dimensions, ascending.
        indices: Vec<u32>,
        /// What they hold.
        values: Vec<f32>,
    },
}

/// One dense, multi or sparse vector of a segment.
///
/// It keeps a file each for the vector chunk files that are there, and one bit for each row up to the last flagged one.
pub struct VectorStorage<'f> {
    files: &'f dyn StorageFiles,
    name: String,
    directory: String,
    rows: u64,
    flags: Flags,
    body: Body<'f>,
    state: State,
}

impl std::fmt::Debug for VectorStorage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut storage = f.debug_struct("VectorStorage");
        storage.field("directory", &self.directory).field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// What the segment says of the vector.
enum State {
    Dense(Box<VectorState>),
    Sparse(SparseVectorState),
}

/// Where the rows are.
enum Body<'f> {
    /// Nowhere: every vector counts as absent.
    Empty,
    Dense(DenseRows<'f>, Scalar),
    Multi(MultiVectors<'f>, Scalar),
    Sparse(Gridstore<'f>),
}

/// Where the rows of a dense vector are.
enum DenseRows<'f> {
    Matrix(Matrix<'f>),
    Chunks(VectorChunks<'f>),
    Inline(InlineVectors<'f>),
}

/// Whether a vector has no file because it was added when the segment was built already. A segment that takes points has files.
fn is_without_files(files: &dyn StorageFiles, directory: &str) -> bool {
    let is_built = || {
        let file = files.open("segment.json")?;
        SegmentState::read(&file.read_all(SMALL_JSON_BYTES_MAX).ok()?).ok()?.value.is_appendable()
    };
    files.list(&format!("{directory}/")).is_empty() && is_built() == Some(false)
}

/// The error that `segment.json` says something of a vector that is not known.
fn not_known(what: String) -> QdrantError {
    QdrantError::NotKnown { path: "segment.json".to_owned(), what }
}

/// The storage type whose vectors lie in the graph.
const GRAPH_INLINE: &str = "GraphInline";

impl<'f> VectorStorage<'f> {
    /// Opens a dense or multi-vector.
    ///
    /// # Errors
    /// [`QdrantError::NotReadable`] when the vectors are in RocksDB, in turbo4 codes, or of a datatype that this version does
    /// not know; [`QdrantError::FileMissing`] and [`QdrantError::FileDamaged`] for a file that reading depends on. A vector
    /// chunk file that is missing is an error only where a row of it is read.
    pub fn open_dense(files: &'f dyn StorageFiles, name: &str, state: &VectorState) -> Result<Self, QdrantError> {
        let directory = storage_directory(name);
        let not_readable = |what: &str| QdrantError::NotReadable { path: directory.clone(), what: what.to_owned() };
        if state.storage_type == VectorStorageKind::Memory {
            return Err(not_readable("the vectors are in RocksDB, which this version does not read"));
        }
        let storage = |rows, flags, body| Self {
            files,
            name: name.to_owned(),
            directory: directory.clone(),
            rows,
            flags,
            body,
            state: State::Dense(Box::new(state.clone())),
        };
        // What a segment was built with is never said to be appendable.
        let may_be_added =
            state.storage_type.is_appendable() == Some(true) && state.index.kind == VectorIndexKind::Plain;
        if state.storage_type == VectorStorageKind::Empty || may_be_added && is_without_files(files, &directory) {
            return Ok(storage(0, Flags::default(), Body::Empty));
        }
        let Some(scalar) = Scalar::of(state.datatype.as_ref()) else {
            return Err(match &state.datatype {
                Some(Datatype::Turbo4) => {
                    not_readable("the vectors are stored as turbo4 codes, from which they cannot be had back")
                }
                Some(Datatype::Other(name)) if name.starts_with("turbo") => {
                    not_readable("the vectors are stored as turbo codes of a newer version")
                }
                _ => not_known(format!("the datatype of vector {name:?} is none that is known")),
            });
        };
        let row_bytes = state.size.checked_mul(u64::from(scalar.bytes())).and_then(|bytes| u32::try_from(bytes).ok());
        let Some(row_bytes) = row_bytes.filter(|bytes| (1..=ROW_BYTES_MAX).contains(bytes)) else {
            return Err(not_known(format!("{} dimensions of vector {name:?} are none that Qdrant takes", state.size)));
        };
        if state.multivector_config.is_some() {
            let multi = MultiVectors::open(files, &directory, row_bytes)?;
            let flags = Flags::of_directory(files, &directory)?;
            return Ok(storage(multi.offsets.rows(), flags, Body::Multi(multi, scalar)));
        }
        let dense = DenseRows::open(files, name, &state.storage_type, row_bytes)?;
        let flags = match &dense {
            DenseRows::Matrix(matrix) => Flags::of_matrix(files, &directory, matrix.rows())?,
            DenseRows::Chunks(_) | DenseRows::Inline(_) => Flags::of_directory(files, &directory)?,
        };
        Ok(storage(dense.rows(), flags, Body::Dense(dense, scalar)))
    }

    /// Opens a sparse vector.
    ///
    /// # Errors
    /// As [`open_dense`](Self::open_dense).
    pub fn open_sparse(
        files: &'f dyn StorageFiles,
        name: &str,
        state: &SparseVectorState,
    ) -> Result<Self, QdrantError> {
        let directory = storage_directory(name);
        let storage = |rows, flags, body| Self {
            files,
            name: name.to_owned(),
            directory: directory.clone(),
            rows,
            flags,
            body,
            state: State::Sparse(state.clone()),
        };
        match state.storage_type.as_deref() {
            Some("mmap") if sparse_index::is_empty(files, name, state) && is_without_files(files, &directory) => {
                return Ok(storage(0, Flags::default(), Body::Empty));
            }
            Some("mmap") => {}
            Some("empty") => return Ok(storage(0, Flags::default(), Body::Empty)),
            None | Some("on_disk") => {
                let what = "the sparse vectors are in RocksDB, which this version does not read".to_owned();
                return Err(QdrantError::NotReadable { path: directory, what });
            }
            Some(_) => {
                return Err(not_known(format!("the storage type of sparse vector {name:?} is none that is known")));
            }
        }
        let store = Gridstore::open(files, &format!("{directory}/store"))?;
        let flags = Flags::of_directory(files, &directory)?;
        // A point without this vector has a flag and no slot, so that the last rows may be known by their flags alone.
        let rows = store.slots().max(flags.set_end);
        Ok(storage(rows, flags, Body::Sparse(store)))
    }

    /// Rows of the storage, those of dead points included; at most 2^32. What a damaged file announces may not all be there.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The rows that have no vector, whatever lies there. Rows behind the last one that is set are not listed.
    pub fn deleted(&self) -> &Bits {
        &self.flags.bits
    }

    /// A reader of its own windows; cheap to make.
    pub fn reader(&self) -> VectorReader<'_> {
        VectorReader::new(self)
    }

    fn is_cosine(&self) -> bool {
        matches!(&self.state, State::Dense(state) if state.distance == Distance::Cosine)
    }

    /// Elements in a dense row.
    fn dim(&self) -> Option<u64> {
        match &self.state {
            State::Dense(state) => Some(state.size),
            State::Sparse(_) => None,
        }
    }
}

impl<'f> DenseRows<'f> {
    /// The files that are there decide, because the names of storage types changed between versions; where both or none are,
    /// the storage type does.
    fn open(
        files: &'f dyn StorageFiles,
        name: &str,
        kind: &VectorStorageKind,
        row_bytes: u32,
    ) -> Result<Self, QdrantError> {
        if kind.as_str() == GRAPH_INLINE {
            return InlineVectors::open(files, name, row_bytes).map(Self::Inline);
        }
        let directory = storage_directory(name);
        let chunks = format!("{directory}/vectors");
        let has_matrix = files.open(&Matrix::path(&directory)).is_some();
        let has_chunks = files.open(&VectorChunks::config_path(&chunks)).is_some();
        let is_matrix = match (has_matrix, has_chunks) {
            (true, false) => true,
            (false, true) => false,
            _ => matches!(kind, VectorStorageKind::Mmap | VectorStorageKind::InRamMmap),
        };
        if is_matrix {
            return Matrix::open(files, &directory, row_bytes).map(Self::Matrix);
        }
        VectorChunks::open(files, &chunks, Some(row_bytes)).map(Self::Chunks)
    }

    fn rows(&self) -> u64 {
        match self {
            Self::Matrix(matrix) => matrix.rows(),
            Self::Chunks(chunks) => chunks.rows(),
            Self::Inline(vectors) => vectors.rows(),
        }
    }
}
