//! How one body is cut, as plain data.

use crate::sizes::ChunkSizes;

/// What stands around the bytes of a record: a little-endian `u64` length before, a trailer after, padding up to a multiple.
///
/// A record of `length` bytes takes `length + 8 + trailer_bytes`, rounded up to a multiple of `align_bytes`. A length of 0
/// means that no record follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordLayout {
    /// Bytes before the first record.
    pub header_bytes: u64,
    /// Bytes after each record's own, padding not counted.
    pub trailer_bytes: u32,
    /// Records start at multiples of this many bytes from the first; 0 means 1.
    pub align_bytes: u32,
}

/// How one body is cut into chunks; plain data, which a [`Cutter`](crate::Cutter) follows.
///
/// Lengths that come from a file may be anything: a rule that cannot be followed (no row length, a row larger
/// than the largest chunk, a header larger than a chunk) is cut like [`CutRule::FastCdc`] with the same sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CutRule {
    /// At any byte, where the gear hash of the bytes before it says so (FastCDC 2020, normalisation level 2).
    FastCdc {
        /// Chunk sizes.
        sizes: ChunkSizes,
    },
    /// At multiples of `block_bytes` from the start of the body, where the hash of the block before says so.
    ///
    /// The chunks meet again after a shift by whole blocks.
    Blocks {
        /// Length of a block in bytes.
        block_bytes: u64,
        /// Chunk sizes; a block larger than `sizes.max()` is a chunk of its own.
        sizes: ChunkSizes,
    },
    /// Right after the header, then between rows, where the hash of the row before says so.
    ///
    /// Chunk lengths spread widely, so that many rows are chunks of their own and are found again when the rows were
    /// sorted anew. A partial last row belongs to the last chunk.
    Rows {
        /// Bytes before the first row; 0 when there is no header.
        header_bytes: u64,
        /// Length of a row in bytes.
        row_bytes: u64,
        /// Chunk sizes; a row larger than `sizes.max()` is a chunk of its own.
        sizes: ChunkSizes,
    },
    /// Between length-prefixed records, at the first record end from `sizes.avg()` on.
    ///
    /// A record larger than `sizes.max()` is cut inside by FastCDC; so is everything from the first place on where no
    /// record follows. What a body appends changes at most the last chunk before it.
    Records {
        /// What stands around the records' bytes.
        layout: RecordLayout,
        /// Chunk sizes; a chunk that a large record follows may be smaller than `sizes.min()`.
        sizes: ChunkSizes,
    },
    /// Not at all up to `bytes_max` bytes, by FastCDC beyond.
    Whole {
        /// Largest body that stays whole, in bytes, inclusive; [`CHUNK_BYTES_MAX`](crate::CHUNK_BYTES_MAX) if larger than that.
        bytes_max: u32,
        /// Chunk sizes of a larger body.
        beyond: ChunkSizes,
    },
}
