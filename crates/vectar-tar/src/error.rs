//! What can fail: reading a source, and joining parts that do not belong together. Splitting itself
//! never fails.

use crate::entry::EntryPath;
use std::io;

/// What went wrong; no variant leaves anything behind, all functions that return it only read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TarError {
    /// The source failed to deliver bytes which its length promises.
    #[error("cannot read the source at offset {offset}")]
    Read {
        /// The absolute offset of the first byte asked for.
        offset: u64,
        /// What the source said.
        source: io::Error,
    },
    /// The source ended before its own length: it shrank while it was read.
    #[error("the source ends at offset {offset}, but its length is {len} bytes")]
    SourceShrank {
        /// The absolute offset at which it had no more bytes.
        offset: u64,
        /// The length it gave.
        len: u64,
    },
    /// A catalogue would have more rows than allowed.
    #[error("the archive has more than {rows_max} entries")]
    TooManyRows {
        /// The limit, [`SplitOptions::rows_max`](crate::SplitOptions::rows_max).
        rows_max: usize,
    },
    /// A framing stream has another length than the layout says.
    #[error("the framing of level {depth} has {found} bytes, the layout says {expected}")]
    FramingLength {
        /// The tar level, 0 being the outermost.
        depth: u8,
        /// Bytes in the layout.
        expected: u64,
        /// Bytes handed in.
        found: u64,
    },
    /// A body has another length than the layout says.
    #[error("the body `{path}` at offset {offset} has {found} bytes, the layout says {expected}")]
    BodyLength {
        /// The path of the body.
        path: EntryPath,
        /// Its absolute offset.
        offset: u64,
        /// Bytes in the layout.
        expected: u64,
        /// Bytes handed in.
        found: u64,
    },
    /// There are more or fewer bodies than the layout has.
    #[error("{found} bodies were given, the layout has {expected}")]
    BodyCount {
        /// Bodies in the layout.
        expected: usize,
        /// Bodies handed in.
        found: usize,
    },
}

/// What the caller of a failed function should do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Try again, perhaps later: the source failed or changed while it was read.
    Retry,
    /// Give another input: this one does not fit.
    FixInput,
}

impl TarError {
    /// Returns what the caller should do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { .. } | Self::SourceShrank { .. } => ErrorKind::Retry,
            Self::TooManyRows { .. }
            | Self::FramingLength { .. }
            | Self::BodyLength { .. }
            | Self::BodyCount { .. } => ErrorKind::FixInput,
        }
    }
}
