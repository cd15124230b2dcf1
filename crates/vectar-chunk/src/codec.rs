//! How the bytes of a chunk are stored.

use std::borrow::Cow;

/// The name of the feature that a repository requires of its readers and writers if chunks in it may be coded as
/// [`CodecId::PLANES`].
pub const PLANES_FEATURE: &str = "codec-planes-1";

/// The codec of a stored chunk, one byte of its record.
///
/// Every value can be held, because a later version may have written it; those that this version cannot decode
/// are refused by name when a chunk is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodecId(u8);

impl CodecId {
    /// The bytes themselves.
    pub const RAW: Self = Self(0);
    /// One Zstandard frame (RFC 8878) that states its content size.
    pub const ZSTD: Self = Self(1);

    /// Numbers dealt out to planes of bytes, each raw, constant or one Zstandard frame; what lies between the numbers apart from them.
    /// Written only where [`PLANES_FEATURE`] is required of every reader.
    pub const PLANES: Self = Self(2);

    /// Takes a codec as recorded, known or not.
    pub const fn new(codec: u8) -> Self {
        Self(codec)
    }

    /// Returns the byte to record.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Tells whether this version can decode the codec.
    pub const fn is_known(self) -> bool {
        self.0 <= Self::PLANES.0
    }
}

/// What the caller knows about the bytes of a chunk; affects size and speed only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CodecHint {
    /// Text, postings, trees: always tried at the encoder's level.
    Structured,
    /// Rows of binary floating-point numbers, of two or four bytes: no repeats to search for, so only their skewed byte values are used.
    Floats,
    /// Entries of a log, in which arrays of floats may lie between other things.
    Log,
    /// Anything: a sample decides whether it is tried at all, and whether it is taken for rows of numbers.
    Unknown,
    /// Known not to shrink (compressed or encrypted already): stored as it is.
    Incompressible,
}

/// An encoded chunk; never longer than the raw one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded<'raw> {
    /// How `bytes` are to be decoded.
    pub codec: CodecId,
    /// The bytes to store, borrowed from the raw chunk where they are the same.
    pub bytes: Cow<'raw, [u8]>,
}
