//! Why a corpus could not be written.

use std::io;

/// Why a corpus could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// An option is out of its range; nothing was written.
    #[error("cannot lay out the corpus: {reason}")]
    Options {
        /// The rule that is broken, with its limit.
        reason: String,
    },
    /// The output failed; what was written so far is cut short.
    #[error("cannot write {what}")]
    Output {
        /// The file, or what was being written where there is no file name.
        what: String,
        /// What the output said.
        #[source]
        source: io::Error,
    },
}

/// What the caller should do about a [`CorpusError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CorpusErrorKind {
    /// Change the options.
    FixTheInput,
    /// Make the output writable, or free space, and write the corpus again.
    Retry,
}

impl CorpusError {
    /// Returns what the caller should do.
    pub fn kind(&self) -> CorpusErrorKind {
        match self {
            Self::Options { .. } => CorpusErrorKind::FixTheInput,
            Self::Output { .. } => CorpusErrorKind::Retry,
        }
    }
}
