//! The one error type, and what a caller should do about it.

use std::fmt;

/// Why a file of a snapshot could not be read.
///
/// None of these stops an ingest: the classifier swallows them (the label is then less exact) and the outline lists
/// them under [`SnapshotOutline::unread`](crate::SnapshotOutline::unread).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QdrantError {
    /// A checksum sidecar holds something else than 64 hexadecimal digits.
    #[error("the checksum sidecar holds {found}, expected 64 hexadecimal digits")]
    ChecksumMalformed {
        /// What was found instead, in words, at most a few dozen characters long.
        found: String,
    },
    /// A JSON file is longer than [`SMALL_JSON_BYTES_MAX`](crate::SMALL_JSON_BYTES_MAX).
    #[error("{found_bytes} bytes of JSON, expected at most {limit_bytes}")]
    JsonTooLong {
        /// Length of the file in bytes.
        found_bytes: u64,
        /// The limit in bytes, inclusive.
        limit_bytes: u64,
    },
    /// A JSON file is empty.
    #[error("the file is empty, expected JSON")]
    JsonEmpty,
    /// A JSON file starts with a NUL byte, the mark of a file whose pages were never written.
    #[error("the file starts with a NUL byte, expected JSON: its content was lost before the snapshot was made")]
    JsonZeroed,
    /// The bytes are not JSON, or JSON of another shape.
    #[error("not the expected JSON")]
    JsonInvalid {
        /// What the JSON parser said.
        #[source]
        source: serde_json::Error,
    },
    /// A file of a segment or shard holds something that its format does not allow.
    #[error("{path}, byte {offset}: {what}")]
    FileDamaged {
        /// Path below the segment, shard or collection.
        path: String,
        /// Where in the file, holes expanded.
        offset: u64,
        /// What was found, and what was expected.
        what: String,
    },
    /// A file that must be there is not.
    #[error("{path} is missing")]
    FileMissing {
        /// Path below the segment, shard or collection.
        path: String,
    },
    /// A file is of a kind that this version cannot read.
    #[error("{path}: {what}")]
    NotReadable {
        /// Path below the segment, shard or collection.
        path: String,
        /// What it is.
        what: String,
    },
    /// A file says that it is of a kind that no version known here writes: a newer one wrote it, or it is damaged.
    #[error("{path}: {what}")]
    NotKnown {
        /// Path below the segment, shard or collection.
        path: String,
        /// What it says.
        what: String,
    },
    /// The snapshot itself could not be read.
    #[error("cannot read {path}")]
    FileUnreadable {
        /// Path below the segment, shard or collection.
        path: String,
        /// What the source said.
        #[source]
        source: std::io::Error,
    },
}

/// What a caller should do about a [`QdrantError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QdrantErrorKind {
    /// The file is damaged or is not what its name says: get a good copy, or go on without it.
    FixInput,
    /// Nothing is wrong with the file, but this version does not know how to read it.
    Unsupported,
    /// The source of the bytes failed; the snapshot may be fine.
    Source,
}

impl QdrantError {
    /// Returns what to do about this error.
    pub fn kind(&self) -> QdrantErrorKind {
        match self {
            Self::NotReadable { .. } | Self::NotKnown { .. } => QdrantErrorKind::Unsupported,
            Self::FileUnreadable { .. } => QdrantErrorKind::Source,
            _ => QdrantErrorKind::FixInput,
        }
    }
}

impl QdrantError {
    /// The error and its causes in one line, for a report.
    pub(crate) fn reason(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {}", brief(error));
            cause = error.source();
        }
        text
    }
}

/// Longest reason that is repeated to a user. Parser messages quote values of the file, and a value can be a megabyte.
const REASON_CHARS_MAX: usize = 200;

/// The text of `reason`, cut to a length that fits a report.
pub(crate) fn brief(reason: &(impl fmt::Display + ?Sized)) -> String {
    let text = reason.to_string();
    match text.char_indices().nth(REASON_CHARS_MAX) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}
