//! Every byte that lies in a repository, and nothing else.
//!
//! The modules here turn typed values into bytes and back. They touch no backend and make no decision; what they accept
//! is exactly what `docs/format.md` describes (`cargo xtask tidy` compares a hash of this folder with that page).
//!
//! - All integers are little-endian with an explicit width; variable-length integers are LEB128 ([`varint`]).
//! - Decoders never trust a length: nothing is allocated before the bytes that must fill it were seen.
//! - An unknown version, kind, codec or item tag is an error that names it, never a guess.

pub mod annotation;
mod column;
pub mod config;
pub mod event;
pub mod forgotten;
pub mod frame;
pub mod ids;
pub mod ingest_marks;
pub mod keys;
pub mod mark;
pub mod node;
mod node_v1;
pub mod pack;
pub mod record;
pub mod varint;

use std::fmt;

/// Version of the repository format that this code writes, and the newest that it reads.
///
/// It is recorded in `config`; a repository with a higher number is refused.
pub const FORMAT_VERSION: u32 = 1;

/// Features that new repositories require of every reader and writer.
pub const REPOSITORY_FEATURES: &[&str] = &[vectar_chunk::PLANES_FEATURE, node::NODES_3_FEATURE];

/// Features this code understands. A repository or a backup record that requires any other one is refused by name.
///
/// Reserved names that later versions will add: `rows-1` (row directories), `encryption-1`, `parity-1`. None of them is needed to read
/// what this version writes.
pub const KNOWN_FEATURES: &[&str] =
    &[vectar_chunk::PLANES_FEATURE, node::NODES_2_FEATURE, node::NODES_3_FEATURE, record::DIGEST_LATER_FEATURE];

/// What was wrong with the bytes of one object or one part of it.
///
/// The object's key is added by the caller, which knows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The bytes end before the structure does.
    #[error("{what} is cut short: {needed} bytes are needed at offset {offset}, {found} are there")]
    Truncated {
        /// The structure that was being read.
        what: &'static str,
        /// Where it starts to lack bytes, counted from the start of the structure.
        offset: u64,
        /// How many bytes it needs there.
        needed: u64,
        /// How many there are.
        found: u64,
    },
    /// The bytes that mark this structure are not there.
    #[error("{what} lacks its magic bytes")]
    Magic {
        /// The structure that was expected.
        what: &'static str,
    },
    /// A checksum over the structure does not match its bytes.
    #[error("{what} fails its checksum: recorded {recorded}, computed {computed}")]
    Checksum {
        /// The structure that is damaged.
        what: &'static str,
        /// The value stored beside the bytes.
        recorded: String,
        /// The value computed from the bytes.
        computed: String,
    },
    /// The structure was written by a later version.
    #[error("{what} has version {found}, this vectar reads up to {supported}")]
    NewerVersion {
        /// The structure.
        what: &'static str,
        /// Its version.
        found: u64,
        /// The newest version known here.
        supported: u64,
    },
    /// Features that this version does not know are needed to read the object.
    #[error("{what} requires {}, which this vectar does not know", features.join(", "))]
    UnknownFeatures {
        /// The structure.
        what: &'static str,
        /// The unknown features, as named in the object.
        features: Vec<String>,
    },
    /// A field has a value that is not allowed.
    #[error("{what}: {reason}")]
    Invalid {
        /// The structure.
        what: &'static str,
        /// Which field, and what is wrong with it.
        reason: String,
    },
}

impl FormatError {
    /// Whether a newer vectar may be able to read the object.
    #[must_use]
    pub fn is_newer_format(&self) -> bool {
        matches!(self, Self::NewerVersion { .. } | Self::UnknownFeatures { .. })
    }

    pub(crate) fn invalid(what: &'static str, reason: impl fmt::Display) -> Self {
        Self::Invalid { what, reason: reason.to_string() }
    }
}

/// Returns the features of `required` that this version does not know.
#[must_use]
pub fn unknown_features(required: &[String]) -> Vec<String> {
    required.iter().filter(|feature| !KNOWN_FEATURES.contains(&feature.as_str())).cloned().collect()
}

/// A cursor over bytes that reports what it was reading when the bytes end.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    what: &'static str,
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, bytes, position: 0 }
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let rest = &self.bytes[self.position..];
        let taken = rest.get(..len).ok_or(FormatError::Truncated {
            what: self.what,
            offset: self.position as u64,
            needed: len as u64,
            found: rest.len() as u64,
        })?;
        self.position += len;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        Ok(self.take(N)?.try_into().expect("take returns exactly N bytes"))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, FormatError> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, FormatError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, FormatError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, FormatError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn varint(&mut self) -> Result<u64, FormatError> {
        let (value, len) = varint::decode(&self.bytes[self.position..]).ok_or_else(|| {
            FormatError::invalid(self.what, format_args!("bad variable-length integer at {}", self.position))
        })?;
        self.position += len;
        Ok(value)
    }

    pub(crate) fn finish(self) -> Result<(), FormatError> {
        match self.remaining() {
            0 => Ok(()),
            extra => Err(FormatError::invalid(self.what, format_args!("{extra} bytes follow its end"))),
        }
    }
}
