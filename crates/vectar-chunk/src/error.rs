//! Everything that can be wrong with an id, a cut parameter or an encoded chunk.

use crate::codec::CodecId;

/// The error of this crate; nothing was changed anywhere when one is returned.
///
/// An encoder or decoder that returned an error may be used again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// A text is not an id: exactly 64 hexadecimal digits are needed.
    #[error("an id has 64 hexadecimal digits, found {text_bytes} bytes of text that are not that")]
    IdMalformed {
        /// Length of the refused text in bytes; the text itself may be hostile and is not repeated.
        text_bytes: usize,
    },
    /// Chunk sizes contradict each other or lie outside what a cutter supports.
    #[error("chunk sizes min {min}, avg {avg}, max {max} are not usable: {rule}")]
    ChunkSizesInvalid {
        /// Smallest chunk in bytes.
        min: u64,
        /// Aimed-at chunk in bytes.
        avg: u64,
        /// Largest chunk in bytes.
        max: u64,
        /// The rule that is broken.
        rule: &'static str,
    },
    /// A recorded cut parameter has a name that this version does not know.
    #[error("cut parameter {name:?} is not known to this version")]
    CutParameterUnknown {
        /// The name as recorded, shortened to 64 characters.
        name: String,
    },
    /// The recorded version of the cut parameters is not one this version can cut by.
    #[error("cut parameters of version {version} are not known to this version, which knows up to {known}")]
    CutVersionUnknown {
        /// The recorded version.
        version: u64,
        /// The newest version this build can cut by.
        known: u64,
    },
    /// A cut parameter that must be recorded is missing.
    #[error("cut parameter {name:?} is missing")]
    CutParameterMissing {
        /// The missing name.
        name: &'static str,
    },
    /// A cut parameter is recorded twice.
    #[error("cut parameter {name:?} is recorded twice")]
    CutParameterRepeated {
        /// The repeated name.
        name: &'static str,
    },
    /// A cut parameter has a value outside its range.
    #[error("cut parameter {name:?} is {value}, at most {max} is possible")]
    CutParameterTooLarge {
        /// The name of the parameter.
        name: &'static str,
        /// The recorded value.
        value: u64,
        /// The largest possible value.
        max: u64,
    },
    /// A compression level that zstd does not have.
    #[error("zstd level {level} does not exist, levels {min} to {max} do")]
    LevelInvalid {
        /// The refused level.
        level: i32,
        /// The lowest level.
        min: i32,
        /// The highest level.
        max: i32,
    },
    /// zstd refused to set up a context.
    #[error("zstd could not be set up")]
    ZstdSetup {
        /// What zstd said.
        #[source]
        source: std::io::Error,
    },
    /// A chunk was encoded by a codec that this version does not have.
    #[error("codec {} is not known to this version", codec.get())]
    CodecUnknown {
        /// The recorded codec.
        codec: CodecId,
    },
    /// A chunk claims to be larger than any chunk may be.
    #[error("a chunk of {raw_bytes} bytes is declared, at most {max} are possible")]
    ChunkTooLarge {
        /// The declared length of the decoded chunk in bytes.
        raw_bytes: u64,
        /// [`CHUNK_BYTES_MAX`](crate::CHUNK_BYTES_MAX).
        max: u64,
    },
    /// An encoded chunk does not hold as many bytes as its record declares.
    #[error("a chunk of {expected} bytes is declared, its encoded form holds {found}")]
    ChunkLengthWrong {
        /// The declared length in bytes.
        expected: u64,
        /// The length in bytes that the encoded form states or has.
        found: u64,
    },
    /// An encoded chunk does not decode.
    #[error("encoded chunk of {encoded_bytes} bytes does not decode: {reason}")]
    ChunkUndecodable {
        /// Length of the encoded form in bytes.
        encoded_bytes: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// What the caller of a failed operation should do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The argument was wrong; ask again with a right one.
    FixInput,
    /// Stored bytes are not what was stored; read another copy, or check and repair.
    RepositoryDamaged,
    /// A later version wrote this; use that version.
    NewerFormat,
    /// This should not happen whatever the input; report it.
    OurBug,
}

impl ChunkError {
    /// Returns what the caller should do about this error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::IdMalformed { .. } | Self::ChunkSizesInvalid { .. } | Self::LevelInvalid { .. } => {
                ErrorKind::FixInput
            }
            Self::CutParameterUnknown { .. } | Self::CutVersionUnknown { .. } | Self::CodecUnknown { .. } => {
                ErrorKind::NewerFormat
            }
            Self::CutParameterMissing { .. }
            | Self::CutParameterRepeated { .. }
            | Self::CutParameterTooLarge { .. }
            | Self::ChunkTooLarge { .. }
            | Self::ChunkLengthWrong { .. }
            | Self::ChunkUndecodable { .. } => ErrorKind::RepositoryDamaged,
            Self::ZstdSetup { .. } => ErrorKind::OurBug,
        }
    }
}
