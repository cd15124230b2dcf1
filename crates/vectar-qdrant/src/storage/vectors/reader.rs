//! Reads single vectors, through windows.

use super::element::Scalar;
use super::inline::InlineReader;
use super::matrix::MatrixReader;
use super::multivector::MultiReader;
use super::vector_chunks::ChunksReader;
use super::{Body, DenseRows, Vector, VectorStorage, sparse};
use crate::error::QdrantError;
use crate::storage::GridstoreReader;

/// Bytes of rows that are handed out at once.
const PIECE_BYTES: u64 = 128 * 1024;

/// Reads the vectors of one storage. Rows in ascending order are read with the fewest calls.
///
/// Memory: a window of at most 256 KiB on one file, two for multivectors; besides, the vector that is asked for, at most 32 MiB.
pub struct VectorReader<'s> {
    storage: &'s VectorStorage<'s>,
    rows: RowReader<'s>,
}

impl std::fmt::Debug for VectorReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VectorReader").field("storage", &self.storage).finish_non_exhaustive()
    }
}

enum RowReader<'s> {
    Empty,
    Dense(DenseReader<'s>),
    Multi(MultiReader<'s>),
    Sparse(GridstoreReader<'s>),
}

/// Reads the rows of a dense vector.
pub(super) enum DenseReader<'s> {
    Matrix(MatrixReader<'s>),
    Chunks(ChunksReader<'s>),
    Inline(InlineReader<'s>),
}

impl<'s> DenseReader<'s> {
    pub(super) fn new(rows: &'s DenseRows<'s>) -> Self {
        match rows {
            DenseRows::Matrix(matrix) => Self::Matrix(matrix.reader()),
            DenseRows::Chunks(chunks) => Self::Chunks(chunks.reader()),
            DenseRows::Inline(vectors) => Self::Inline(vectors.reader()),
        }
    }

    pub(super) fn row(&mut self, row: u64) -> Result<&[u8], QdrantError> {
        match self {
            Self::Matrix(matrix) => matrix.rows(row, 1),
            Self::Chunks(chunks) => chunks.rows(row, 1),
            Self::Inline(vectors) => vectors.row(row),
        }
    }

    /// The bytes of at least one row from `first` on, and of no more than fit in a piece or lie before `end`. Callers see
    /// to it that all these rows are in one file.
    pub(super) fn piece(&mut self, first: u64, end: u64, row_bytes: u32) -> Result<&[u8], QdrantError> {
        let count = (PIECE_BYTES / u64::from(row_bytes)).clamp(1, end - first);
        match self {
            Self::Matrix(matrix) => matrix.rows(first, count),
            Self::Chunks(chunks) => chunks.rows(first, count),
            Self::Inline(vectors) => vectors.row(first),
        }
    }
}

impl<'s> VectorReader<'s> {
    pub(super) fn new(storage: &'s VectorStorage<'s>) -> Self {
        let rows = match &storage.body {
            Body::Empty => RowReader::Empty,
            Body::Dense(dense, _) => RowReader::Dense(DenseReader::new(dense)),
            Body::Multi(multi, _) => RowReader::Multi(multi.reader()),
            Body::Sparse(store) => RowReader::Sparse(store.reader()),
        };
        Self { storage, rows }
    }
}

impl VectorReader<'_> {
    /// The vector of a row; `None` when it is flagged, or behind the end.
    ///
    /// # Errors
    /// [`QdrantError::FileMissing`] or [`QdrantError::FileDamaged`] when the row is not where it must be,
    /// [`QdrantError::FileUnreadable`] when the source fails. Other rows may still be read.
    pub fn vector(&mut self, row: u32) -> Result<Option<Vector>, QdrantError> {
        let storage = self.storage;
        let Some(bytes) = self.raw(row)? else { return Ok(None) };
        Ok(Some(match &storage.body {
            Body::Empty => return Ok(None),
            Body::Dense(_, scalar) => Vector::Dense(scalar.decode(bytes)),
            Body::Multi(multi, scalar) => Vector::Multi(inner_vectors(*scalar, bytes, multi.vectors.row_bytes())),
            Body::Sparse(_) => {
                let (indices, values) = sparse::decode(bytes).map_err(|what| storage.sparse_damaged(row, &what))?;
                Vector::Sparse { indices, values }
            }
        }))
    }

    /// The stored bytes of the vector of a row, in `buf`: equal bytes mean equal vectors, and the reverse, for one datatype.
    ///
    /// # Errors
    /// As [`vector`](Self::vector), but values are not looked at.
    pub fn stored<'b>(&mut self, row: u32, buf: &'b mut Vec<u8>) -> Result<Option<&'b [u8]>, QdrantError> {
        buf.clear();
        let Some(bytes) = self.raw(row)? else { return Ok(None) };
        buf.extend_from_slice(bytes);
        Ok(Some(buf))
    }

    pub(super) fn raw(&mut self, row: u32) -> Result<Option<&[u8]>, QdrantError> {
        let row = u64::from(row);
        if row >= self.storage.rows || self.storage.flags.bits.get(row) {
            return Ok(None);
        }
        match &mut self.rows {
            RowReader::Empty => Ok(None),
            RowReader::Dense(dense) => dense.row(row).map(Some),
            RowReader::Multi(multi) => multi.row(row).map(Some),
            RowReader::Sparse(store) => store.value(row),
        }
    }
}

fn inner_vectors(scalar: Scalar, bytes: &[u8], row_bytes: u32) -> Vec<Vec<f32>> {
    bytes.chunks_exact(row_bytes as usize).map(|row| scalar.decode(row)).collect()
}

impl VectorStorage<'_> {
    /// The error that the value of `row` is not one of a sparse vector; it points to the slot, from where the value is found.
    pub(super) fn sparse_damaged(&self, row: u32, what: &str) -> QdrantError {
        QdrantError::FileDamaged {
            path: format!("{}/store/tracker.dat", self.directory),
            offset: 4 + 16 * u64::from(row),
            what: format!("the sparse vector of row {row} is none: {what}"),
        }
    }
}
