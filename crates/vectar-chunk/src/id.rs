//! The names of stored things: 32 bytes of keyed BLAKE3, one type per kind of thing.
//!
//! - An id is a pure function of a repository's key, its domain and the bytes.
//! - Equal bytes in different domains have unrelated ids: a snapshot that happens to contain the bytes of a
//!   recipe node cannot be taken for one.

use std::fmt;
use std::str::FromStr;

use crate::error::ChunkError;

/// Length of every id in bytes.
pub const ID_BYTES: usize = 32;

macro_rules! define_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// `Display` writes 64 lower-case hexadecimal digits, `Debug` the first eight; ids order like their bytes.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; ID_BYTES]);

        impl $name {
            /// Takes an id that was computed earlier and stored as bytes.
            ///
            /// To name bytes, ask an [`IdKey`](crate::IdKey).
            pub const fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
                Self(bytes)
            }

            /// Returns the 32 bytes as they are stored.
            pub const fn as_bytes(&self) -> &[u8; ID_BYTES] {
                &self.0
            }

            /// Returns the first eight hexadecimal digits, for people; not unique.
            pub fn short(&self) -> String {
                hex_encode(&self.0[..4])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&hex_encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }

        impl FromStr for $name {
            type Err = ChunkError;

            /// Reads 64 hexadecimal digits of either case.
            fn from_str(text: &str) -> Result<Self, ChunkError> {
                hex_decode(text).map(Self)
            }
        }
    };
}

define_id! {
    /// The name of a data chunk.
    ChunkId
}
define_id! {
    /// The name of a recipe node.
    NodeId
}
define_id! {
    /// The name of a row directory, the fingerprints kept beside a chunk of rows.
    RowDirectoryId
}
define_id! {
    /// The keyed digest of one whole body, by which an unchanged body is recognised without cutting it.
    BodyDigest
}

fn hex_encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn hex_decode(text: &str) -> Result<[u8; ID_BYTES], ChunkError> {
    let malformed = || ChunkError::IdMalformed { text_bytes: text.len() };
    if text.len() != 2 * ID_BYTES {
        return Err(malformed());
    }
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(malformed()),
    };
    let mut bytes = [0; ID_BYTES];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = nibble(digits[0])? << 4 | nibble(digits[1])?;
    }
    Ok(bytes)
}
