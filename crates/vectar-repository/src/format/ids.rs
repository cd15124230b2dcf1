//! Names of things in a repository: random 128-bit names, and packs named by the BLAKE3 of their bytes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::FormatError;

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $bytes:expr, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Wraps raw bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            /// The first eight hex digits: enough to tell a few thousand apart in a table.
            #[must_use]
            pub fn short(&self) -> String {
                self.to_string()[..8].to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.short())
            }
        }

        impl FromStr for $name {
            type Err = FormatError;

            fn from_str(text: &str) -> Result<Self, FormatError> {
                decode_hex::<{ $bytes }>(text).map(Self).ok_or_else(|| {
                    FormatError::invalid($what, format_args!("{text:?} is not {} lower-case hex digits", 2 * $bytes))
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

hex_id!(
    /// Random name of a repository; pinned by profiles, carried by every pack.
    RepositoryId, 16, "repository id"
);
hex_id!(
    /// Random name of a backup; it stays the same when the backup is re-recorded.
    BackupId, 16, "backup id"
);
hex_id!(
    /// Random name of one ingest; its packs carry it, so no pack name ever recurs.
    IngestNonce, 16, "ingest nonce"
);
hex_id!(
    /// Name of a pack: the plain BLAKE3 of all its bytes.
    PackId, 32, "pack id"
);

fn decode_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (hex_digit(pair[0])? << 4) | hex_digit(pair[1])?;
    }
    Some(bytes)
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_lower_case_hex_of_one_length() {
        let id = BackupId::from_bytes([0xa5; 16]);
        assert_eq!(id.to_string().parse::<BackupId>().unwrap(), id);
        assert_eq!(id.short(), "a5a5a5a5");
        assert!("A5".repeat(16).parse::<BackupId>().is_err());
        assert!("a5".repeat(15).parse::<BackupId>().is_err());
        assert!("é".repeat(16).parse::<BackupId>().is_err());
    }
}
