//! What a body is, and how its bytes are structured.

use std::fmt;

use serde::Serialize;

use crate::path::Identity;

/// What a body's bytes are, for cutting, coding and for the figures shown to users.
///
/// The numbers and the names are recorded in repositories: they never change and are never given to another class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Class {
    /// Nothing is known: RocksDB trees, foreign files, JSON too large to be ours.
    Unknown = 0,
    /// Vectors, quantized codes, multivector offsets: rows of one length.
    DenseRows = 1,
    /// Gridstore pages and trackers, bitmasks, flags, version arrays: updated in place, block by block.
    BlockPages = 2,
    /// WAL segments.
    Logs = 3,
    /// Built once, then never changed in place: HNSW links, postings, id mappings, immutable field indexes.
    Rebuilt = 4,
    /// Configuration, state, version files.
    SmallJson = 5,
    /// Tar bytes that are not bodies: headers, sparse maps, padding, trailers. No body has this class; it is here so
    /// that the figures of a snapshot add up to its length.
    Framing = 6,
}

impl Class {
    /// Every class, in the order of the codes.
    pub const ALL: [Self; 7] =
        [Self::Unknown, Self::DenseRows, Self::BlockPages, Self::Logs, Self::Rebuilt, Self::SmallJson, Self::Framing];

    /// The number under which the class is recorded.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The class recorded under `code`; `None` for a code of a later version.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.code() == code)
    }

    /// The name shown to users and written to JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::DenseRows => "dense-rows",
            Self::BlockPages => "block-pages",
            Self::Logs => "logs",
            Self::Rebuilt => "rebuilt",
            Self::SmallJson => "small-json",
            Self::Framing => "framing",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Class {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// All that is known about a body.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BodyLabel {
    /// What its bytes are.
    pub class: Class,
    /// How they are structured.
    pub layout: BodyLayout,
    /// Where it belongs.
    pub identity: Identity,
}

/// How a body's bytes are structured.
///
/// Offsets count *logical* bytes, holes included. In a sparse entry the stored bytes are the extents back to back, so
/// they agree with logical offsets only up to the first hole; cut each extent by its own logical start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BodyLayout {
    /// A header, then rows of one length to the end, the last of them possibly never written (zeros).
    Rows {
        /// Bytes before the first row.
        header_bytes: u32,
        /// Bytes of one row, at least 1 and at most [`ROW_BYTES_MAX`].
        row_bytes: u32,
        /// What a row is made of.
        element: Element,
    },
    /// Blocks from the first byte on; values start at block boundaries and keep their bytes when they move.
    Blocks {
        /// Bytes of one block, at least 1 and at most [`BLOCK_BYTES_MAX`].
        block_bytes: u32,
    },
    /// A header, then small records of one length that are updated in place.
    Slots {
        /// Bytes before the first slot.
        header_bytes: u32,
        /// Bytes of one slot, at least 1.
        slot_bytes: u32,
    },
    /// Records of varying length, appended.
    Log,
    /// A file too small to have a structure worth cutting at; at most [`TINY_BYTES_MAX`] stored bytes.
    Tiny,
    /// No structure known.
    Opaque,
}

/// Longest row that is believed, in bytes. Qdrant allows 65,536 dimensions, 256 KiB of f32; a factor of four is left.
pub const ROW_BYTES_MAX: u32 = 1024 * 1024;

/// Longest Gridstore block that is believed, in bytes. Qdrant writes 8 to 128.
pub const BLOCK_BYTES_MAX: u32 = 64 * 1024;

/// Most stored bytes of a [`BodyLayout::Tiny`] body: every configuration file of a real segment fits.
pub const TINY_BYTES_MAX: u64 = 4096;

/// Block length of bitmaps: a page of memory is the least that Qdrant writes back.
pub(crate) const BITMAP_BLOCK_BYTES: u32 = 4096;

/// What a row is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Element {
    /// IEEE single precision, little-endian.
    F32,
    /// IEEE half precision, little-endian.
    F16,
    /// One byte each.
    U8,
    /// Codes of a quantizer, possibly with factors in front or behind.
    Codes,
    /// Little-endian `u32`s that count inner vectors of a multivector.
    Offsets,
}

impl Element {
    /// The name shown to users.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::U8 => "u8",
            Self::Codes => "codes",
            Self::Offsets => "offsets",
        }
    }
}

impl fmt::Display for BodyLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows { header_bytes, row_bytes, element } => {
                write!(f, "rows of {row_bytes} ({}) from {header_bytes}", element.as_str())
            }
            Self::Blocks { block_bytes } => write!(f, "blocks of {block_bytes}"),
            Self::Slots { header_bytes, slot_bytes } => write!(f, "slots of {slot_bytes} from {header_bytes}"),
            Self::Log => f.write_str("log"),
            Self::Tiny => f.write_str("tiny"),
            Self::Opaque => f.write_str("opaque"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_never_change() {
        let recorded = [
            (0, "unknown"),
            (1, "dense-rows"),
            (2, "block-pages"),
            (3, "logs"),
            (4, "rebuilt"),
            (5, "small-json"),
            (6, "framing"),
        ];
        assert_eq!(Class::ALL.map(|class| (class.code(), class.as_str())), recorded);
        for (code, name) in recorded {
            assert_eq!(Class::from_code(code).unwrap().as_str(), name);
        }
        assert_eq!(Class::from_code(7), None);
    }
}
