//! Multivectors: several inner vectors to a row.
//!
//! `vectors/` holds the inner vectors of all rows, `offsets/` says which are whose (both are vector chunk files, whatever
//! the storage type says). A record of `offsets/`:
//!
//! | offset | bytes | meaning |
//! |---|---|---|
//! | 0 | 4 | u32 first inner vector |
//! | 4 | 4 | u32 how many |
//! | 8 | 4 | u32 how many fit there |
//!
//! The inner vectors of a row lie in one vector chunk file. A row that grows gets a new place and leaves dead inner vectors
//! behind; one that shrinks keeps its place. Source:
//! `qdrant v1.19.0 lib/segment/src/vector_storage/multi_dense/appendable_mmap_multi_dense_vector_storage.rs`.

use super::vector_chunks::{ChunksReader, VectorChunks};
use crate::error::QdrantError;
use crate::storage::StorageFiles;

pub(super) const OFFSET_RECORD_BYTES: u32 = 12;

/// The rows of a multivector.
#[derive(Debug)]
pub(super) struct MultiVectors<'f> {
    pub(super) offsets: VectorChunks<'f>,
    pub(super) vectors: VectorChunks<'f>,
}

/// Which inner vectors are those of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InnerRange {
    pub(super) first: u32,
    pub(super) count: u32,
    pub(super) capacity: u32,
}

impl InnerRange {
    /// From a record of 12 bytes.
    pub(super) fn read(record: &[u8]) -> Self {
        let mut words = record.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word));
        let mut word = || words.next().expect("a record has 12 bytes");
        Self { first: word(), count: word(), capacity: word() }
    }
}

impl<'f> MultiVectors<'f> {
    /// Opens the multivectors in `directory` whose inner vectors are `row_bytes` long.
    pub(super) fn open(files: &'f dyn StorageFiles, directory: &str, row_bytes: u32) -> Result<Self, QdrantError> {
        let offsets = VectorChunks::open(files, &format!("{directory}/offsets"), Some(OFFSET_RECORD_BYTES))?;
        let vectors = VectorChunks::open(files, &format!("{directory}/vectors"), Some(row_bytes))?;
        Ok(Self { offsets, vectors })
    }

    pub(super) fn reader(&self) -> MultiReader<'_> {
        MultiReader { offsets: self.offsets.reader(), vectors: self.vectors.reader() }
    }
}

/// Reads multivectors.
#[derive(Debug)]
pub(super) struct MultiReader<'r> {
    offsets: ChunksReader<'r>,
    vectors: ChunksReader<'r>,
}

impl MultiReader<'_> {
    /// The inner vectors of a row, end to end; at most a vector chunk file long.
    pub(super) fn row(&mut self, row: u64) -> Result<&[u8], QdrantError> {
        let range = InnerRange::read(self.offsets.rows(row, 1)?);
        if range.count == 0 {
            return Ok(&[]);
        }
        self.vectors.rows(u64::from(range.first), u64::from(range.count))
    }
}
