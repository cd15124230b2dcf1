//! `matrix.dat`: all rows of an immutable dense vector in one file.
//!
//! | offset | bytes | meaning |
//! |---|---|---|
//! | 0 | 4 | `data` |
//! | 4 + i·dim·e | dim·e | row i; e is the length of an element |
//!
//! The number of rows is what the length says; there is no trailer. Source:
//! `qdrant v1.19.0 lib/segment/src/vector_storage/dense/immutable_dense_vectors.rs`.

use super::files::open;
use crate::error::QdrantError;
use crate::storage::{StorageFiles, StoredFile, Window};

pub(super) const MATRIX_MAGIC: [u8; 4] = *b"data";
pub(super) const MATRIX_HEADER_BYTES: u64 = 4;

/// The rows of a `matrix.dat`.
#[derive(Debug)]
pub(super) struct Matrix<'f> {
    file: StoredFile<'f>,
    row_bytes: u32,
}

impl<'f> Matrix<'f> {
    pub(super) fn path(directory: &str) -> String {
        format!("{directory}/matrix.dat")
    }

    /// Opens the file in `directory`; `row_bytes` is not zero.
    pub(super) fn open(files: &'f dyn StorageFiles, directory: &str, row_bytes: u32) -> Result<Self, QdrantError> {
        let file = open(files, &Self::path(directory))?;
        let mut magic = [0; 4];
        file.read_exact_at(0, &mut magic)?;
        if magic != MATRIX_MAGIC {
            return Err(file.damaged(0, format!("the file begins with {magic:02x?}, expected \"data\"")));
        }
        let matrix = Self { file, row_bytes };
        if matrix.rows() > 1 << 32 {
            let what = format!("{} rows, and rows are numbered with 32 bits", matrix.rows());
            return Err(matrix.file.damaged(0, what));
        }
        Ok(matrix)
    }

    pub(super) fn file(&self) -> &StoredFile<'f> {
        &self.file
    }

    /// Whole rows in the file.
    pub(super) fn rows(&self) -> u64 {
        (self.file.len() - MATRIX_HEADER_BYTES) / u64::from(self.row_bytes)
    }

    /// Bytes behind the last whole row.
    pub(super) fn rest_bytes(&self) -> u64 {
        (self.file.len() - MATRIX_HEADER_BYTES) % u64::from(self.row_bytes)
    }

    pub(super) fn reader(&self) -> MatrixReader<'_> {
        MatrixReader { window: Window::new(&self.file), row_bytes: self.row_bytes }
    }
}

/// Reads rows of a `matrix.dat`.
#[derive(Debug)]
pub(super) struct MatrixReader<'r> {
    window: Window<'r>,
    row_bytes: u32,
}

impl MatrixReader<'_> {
    /// The bytes of `count` rows from `first` on. Callers bound `count`.
    pub(super) fn rows(&mut self, first: u64, count: u64) -> Result<&[u8], QdrantError> {
        let row_bytes = u64::from(self.row_bytes);
        self.window.bytes(MATRIX_HEADER_BYTES + first * row_bytes, (count * row_bytes) as usize)
    }
}
