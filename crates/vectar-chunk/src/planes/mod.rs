//! Rows of floats, stored byte by byte of their numbers: all sign and exponent bytes together, all mantissa bytes together.
//!
//! Of a float of a real embedding only the exponent has a skew that an entropy coder can use; the mantissa is noise and lies
//! beside it. Where the bytes lie in planes the skewed ones are coded alone, by Huffman codes without any search for repeats, and the
//! noise is copied.
//!
//! - What is stored decodes to what it was, whatever the bytes are: where the floats lie is found by looking, and if it is found
//!   wrong the result is longer and nothing else.
//! - Decoding takes at most twice the length of the chunk beside the chunk, and only after that much was declared and agreed to.
//!
//! The bytes are described in `docs/format.md`, "Planes".

mod decoder;
mod encoder;
mod huffman;
mod layout;
mod runs;
mod sample;

pub(crate) use decoder::PlanesDecoder;
pub(crate) use encoder::{Attempt, PlanesEncoder};

/// How the bytes of one plane, or of what lies between the floats, are stored.
mod part {
    /// As they are.
    pub(super) const RAW: u8 = 0;
    /// All the same: one byte.
    pub(super) const CONSTANT: u8 = 1;
    /// A `u32` length, then one Zstandard frame that states its content size.
    pub(super) const FRAME: u8 = 2;
    /// Code lengths, lengths of four streams, streams; see [`huffman`](super::huffman).
    pub(super) const HUFFMAN: u8 = 3;
}
