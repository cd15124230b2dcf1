//! Vectors that lie in the graph: storage type `GraphInline`, whose rows are in `vector_index/links_comp_vec.bin` alone.
//!
//! The neighbours of row i on the lowest level begin at the offset i of the packed offsets, and with them, first of all, its
//! vector. A group of 2^k offsets is a stream of bits, least significant first: the first offset in `base` bits, then each of
//! the others in `delta` bits as its distance from the first. The file's header is in [`graph`](crate::storage::graph); the
//! deleted flags are in `deleted/` of the vector's storage, which holds no vectors.
//!
//! No released server writes this, `qdrant-edge` 0.9.0 does; read off its files, with the same vectors that it returns.
//! Source: `qdrant lib/segment/src/vector_storage/dense/graph_inline_dense_vector_storage.rs` (after v1.19.0),
//! `…/index/hnsw_index/graph_links/view.rs`.

use crate::error::QdrantError;
use crate::storage::graph::{GraphLinksKind, LinksHeader, PackedOffsets, open_links_with_vectors};
use crate::storage::{StorageFiles, StoredFile, Window};

/// The vectors in a file of links.
#[derive(Debug)]
pub(super) struct InlineVectors<'f> {
    file: StoredFile<'f>,
    rows: u64,
    row_bytes: u32,
    neighbors_start: u64,
    neighbor_bytes: u64,
    offsets_start: u64,
    packed: PackedOffsets,
    group_bytes: u64,
}

impl<'f> InlineVectors<'f> {
    pub(super) fn open(files: &'f dyn StorageFiles, name: &str, row_bytes: u32) -> Result<Self, QdrantError> {
        let file = open_links_with_vectors(files, name)?;
        let header = LinksHeader::read(GraphLinksKind::WithVectors, &file)?;
        if header.vector_bytes != Some(u64::from(row_bytes)) {
            let what =
                format!("a vector has {:?} bytes, expected {row_bytes}", header.vector_bytes.unwrap_or_default());
            return Err(file.damaged(59, what));
        }
        let places = || {
            let packed = header.packed?;
            Some((
                header.neighbors_start()?,
                header.neighbor_bytes?,
                header.offsets_start()?,
                packed,
                packed.group_bytes()?,
            ))
        };
        let Some((neighbors_start, neighbor_bytes, offsets_start, packed, group_bytes)) = places() else {
            return Err(file.damaged(0, "the header's numbers are beyond any file"));
        };
        let rows = header.points;
        if rows > packed.count || rows > 1 << 32 || offsets_start > file.len() {
            let what = format!("{rows} rows and {} offsets from byte {offsets_start} on are announced", packed.count);
            return Err(file.damaged(0, what));
        }
        Ok(Self { file, rows, row_bytes, neighbors_start, neighbor_bytes, offsets_start, packed, group_bytes })
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn file(&self) -> &StoredFile<'f> {
        &self.file
    }

    pub(super) fn reader(&self) -> InlineReader<'_> {
        InlineReader { vectors: self, offsets: Window::new(&self.file), neighbors: Window::new(&self.file) }
    }
}

/// Reads vectors from a file of links.
#[derive(Debug)]
pub(super) struct InlineReader<'r> {
    vectors: &'r InlineVectors<'r>,
    offsets: Window<'r>,
    neighbors: Window<'r>,
}

impl InlineReader<'_> {
    /// The bytes of one row, which is below the number of rows.
    pub(super) fn row(&mut self, row: u64) -> Result<&[u8], QdrantError> {
        let vectors = self.vectors;
        let (group, index) = (row >> vectors.packed.group_log2, row % (1 << vectors.packed.group_log2));
        let group_at = (group * vectors.group_bytes).checked_add(vectors.offsets_start);
        let group_at = group_at.ok_or_else(|| vectors.file.damaged(0, "the offsets are beyond any file"))?;
        let stream = self.offsets.bytes(group_at, vectors.group_bytes as usize)?;
        let (base_bits, delta_bits) = (u64::from(vectors.packed.base_bits), u64::from(vectors.packed.delta_bits));
        let base = super::sparse::bits(stream, 0, base_bits);
        let delta = match index {
            0 => 0,
            index => super::sparse::bits(stream, base_bits + (index - 1) * delta_bits, delta_bits),
        };
        let offset = base.checked_add(delta).filter(|offset| {
            offset.checked_add(u64::from(vectors.row_bytes)).is_some_and(|end| end <= vectors.neighbor_bytes)
        });
        let offset = offset.ok_or_else(|| {
            vectors.file.damaged(group_at, format!("the vector of row {row} is said to lie behind the neighbours"))
        })?;
        self.neighbors.bytes(vectors.neighbors_start + offset, vectors.row_bytes as usize)
    }
}
