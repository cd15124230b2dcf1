//! Huffman codes over the bytes of a plane: no search for repeats, a table of a few bytes, four streams at once.
//!
//! A coded plane is its code lengths (see [`lengths`]), the lengths of four streams in bytes, and the streams. The first three streams
//! hold a quarter of the bytes each, rounded down, the last one the rest. Codes are canonical: shorter ones first, equally long ones in
//! the order of their bytes. They lie in a stream with the first bit in the highest one of its first byte; the last byte is filled up
//! with zeros.
//!
//! zstd's coder of literals does the same within a frame. Measured on planes of two kilobytes, which is what a chunk of vectors has, it
//! takes half as long again and 40 bytes more, for a table and headers that fit everything; see `docs/design/0010-planes-of-floats.md`.

mod decode;
mod encode;
mod lengths;

pub(super) use decode::Tables;
pub(super) use encode::HuffmanEncoder;

/// Bits of the longest code. The table of a decoder has two to the power of this many places, 4 KiB, and five codes fit into a word.
const CODE_BITS_MAX: u32 = 11;

/// Codes that are read from or written to a stream between two looks at memory: 55 bits at most, and the 7 of a byte begun before.
const GROUP: usize = 5;

/// How many streams there are.
const STREAMS: usize = 4;

/// Planes up to this length state the lengths of their streams in `u16`s, longer ones in `u32`s: a quarter of such a plane takes less than
/// 23,000 bytes.
const NARROW_BYTES_MAX: usize = 1 << 16;

/// Bytes of the four lengths.
const fn stream_lengths_bytes(plane_bytes: usize) -> usize {
    if plane_bytes <= NARROW_BYTES_MAX { STREAMS * 2 } else { STREAMS * 4 }
}

#[cfg(test)]
mod tests;
