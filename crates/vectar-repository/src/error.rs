//! What can be wrong with a repository.

use vectar_backend::{BackendError, BackendErrorKind, ObjectKey};
use vectar_chunk::{ChunkError, ChunkId};

use crate::format::{
    FormatError,
    ids::{BackupId, PackId, RepositoryId},
    pack::RecordKind,
};

/// What the caller of a failed operation should do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Try again: someone else was faster, or the storage had a passing fault.
    Retry,
    /// Ask for something else, or give other input.
    FixInput,
    /// Bytes in the repository are missing or not what was written; check and repair.
    RepositoryDamaged,
    /// There is no such thing here.
    NotFound,
    /// A later vectar wrote this; use that one.
    NewerFormat,
    /// Make room on the storage.
    NoSpace,
    /// The storage failed or refused; look at it.
    StorageFailed,
    /// This should not happen whatever the input; report it.
    OurBug,
}

/// The error of this crate. Unless a variant says otherwise, nothing was published or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// The storage failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// There is no repository at the place that was named.
    #[error("there is no vectar repository in {location}")]
    NotARepository {
        /// Where it was looked for.
        location: String,
        /// What the storage said, when it was not simply the config that is missing.
        #[source]
        source: Option<BackendError>,
    },
    /// `init` found a repository.
    #[error("there is a vectar repository in {location} already")]
    AlreadyARepository {
        /// Where.
        location: String,
    },
    /// `init` found other things.
    #[error("{location} holds other objects, such as {object}")]
    NotEmpty {
        /// Where.
        location: String,
        /// One of them.
        object: ObjectKey,
    },
    /// No repository can be made with these options.
    #[error("a repository cannot be created with these options")]
    OptionsUnusable {
        /// Which value is impossible.
        #[source]
        source: FormatError,
    },
    /// Another repository than the expected one answers, or a pack of another one lies here.
    #[error("{location} holds repository {found}, expected {expected}")]
    WrongRepository {
        /// Where.
        location: String,
        /// The repository that was expected.
        expected: RepositoryId,
        /// The one that is there.
        found: RepositoryId,
    },
    /// One object is damaged or too new.
    #[error("object {key} in {location} cannot be used")]
    Object {
        /// The object.
        key: ObjectKey,
        /// Where it lies.
        location: String,
        /// What is wrong with it.
        #[source]
        source: FormatError,
    },
    /// A chunk or node is in no pack that is there.
    #[error("{} {} is in no pack of this repository", kind_name(*kind), hex(id))]
    ChunkMissing {
        /// Chunk, node or row directory.
        kind: RecordKind,
        /// Its id.
        id: [u8; 32],
    },
    /// A chunk or node is where the index says, but its bytes are wrong.
    #[error("{} {} is damaged in pack {pack}, bytes {}..{}", kind_name(*kind), hex(id), range.start, range.end)]
    ChunkDamaged {
        /// Chunk, node or row directory.
        kind: RecordKind,
        /// Its id.
        id: [u8; 32],
        /// The pack.
        pack: PackId,
        /// Where its record lies in the pack.
        range: std::ops::Range<u64>,
        /// What is wrong.
        #[source]
        source: DamageReason,
    },
    /// A recipe cannot be walked.
    #[error("the recipe of the backup is not usable: {reason}")]
    RecipeInvalid {
        /// What is wrong with it.
        reason: String,
    },
    /// Packs that the new backup relies on went away while it was made.
    #[error("{missing} packs that backup {backup} relies on were removed while it was made, the first is {first}")]
    NeededPacksGone {
        /// The backup that was not published.
        backup: BackupId,
        /// How many packs are missing or marked.
        missing: usize,
        /// One of them.
        first: PackId,
    },
    /// A chunk that was there when the ingest looked, and on which the new backup relies, went away before it was noted.
    #[error("chunk {id} was removed while an ingest relied on it")]
    ChunkGone {
        /// The chunk.
        id: ChunkId,
    },
    /// The ingest stood still for so long that prunes took it for dead.
    #[error("the ingest of backup {backup} stood still for so long that it was taken for dead")]
    TakenForDead {
        /// The backup that was not published.
        backup: BackupId,
    },
    /// Something that prune must know cannot be known, so it touches nothing.
    #[error("nothing was pruned, because {object} cannot be read")]
    PruneUnsafe {
        /// The object, as a key or in words.
        object: String,
        /// What is wrong with it.
        #[source]
        source: Box<RepositoryError>,
    },
    /// What is to be said of a backup does not fit into a record that can be read again.
    #[error("the record of backup {backup} would have {record_bytes} bytes, at most {max} are possible")]
    RecordTooLong {
        /// The backup that was not published.
        backup: BackupId,
        /// How long its record would be.
        record_bytes: u64,
        /// The longest record.
        max: u64,
    },
    /// The layout of a backup does not add up: the one thing that must never happen.
    #[error("the layout of the new backup covers {covered} bytes, the snapshot has {expected}")]
    LayoutWrong {
        /// Bytes that the recipe covers.
        covered: u64,
        /// Bytes of the snapshot.
        expected: u64,
    },
    /// A chunk could not be cut, encoded or decoded.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// An object that must be new is there, with other bytes.
    #[error("object {key} is there already with {found_bytes} bytes, expected {expected_bytes}")]
    ObjectInTheWay {
        /// Its key.
        key: ObjectKey,
        /// Its length.
        found_bytes: u64,
        /// The length of what should be there.
        expected_bytes: u64,
    },
    /// The chunk index, a cache, failed in a way that a fresh one did not mend.
    #[error("the chunk index failed while {action}")]
    Index {
        /// What was being done.
        action: &'static str,
        /// What redb said.
        #[source]
        source: Box<redb::Error>,
    },
    /// The file system of the chunk index has no room for more packs. What is in it can be looked up as before.
    #[error("the file system of the chunk index has no room for what would be added")]
    IndexFull,
    /// A thread of ours died.
    #[error("the thread that {task} stopped without an answer")]
    ThreadLost {
        /// What it was doing.
        task: &'static str,
    },
}

/// Why stored bytes are not the chunk they should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DamageReason {
    /// The record's frame is wrong.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Another record lies there.
    #[error("another record lies there: {} {}", kind_name(*kind), hex(id))]
    OtherRecord {
        /// What it is.
        kind: RecordKind,
        /// Its id.
        id: [u8; 32],
    },
    /// The bytes do not decode.
    #[error(transparent)]
    Codec(#[from] ChunkError),
    /// They decode to something with another id.
    #[error("its bytes decode to something with the id {}", hex(found))]
    IdWrong {
        /// The id of what is there.
        found: [u8; 32],
    },
    /// The object ends before the record does.
    #[error(transparent)]
    Short(#[from] BackendError),
}

impl RepositoryError {
    /// What the caller should do about this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Backend(error) => kind_of_backend(error),
            Self::NotARepository { source: Some(error), .. } if error.kind() != BackendErrorKind::NotFound => {
                kind_of_backend(error)
            }
            Self::NotARepository { .. } => ErrorKind::NotFound,
            Self::AlreadyARepository { .. }
            | Self::NotEmpty { .. }
            | Self::OptionsUnusable { .. }
            | Self::RecordTooLong { .. }
            | Self::WrongRepository { .. } => ErrorKind::FixInput,
            Self::Object { source, .. } if source.is_newer_format() => ErrorKind::NewerFormat,
            Self::ChunkDamaged { source: DamageReason::Format(error), .. } if error.is_newer_format() => {
                ErrorKind::NewerFormat
            }
            Self::ChunkDamaged { source: DamageReason::Codec(error), .. } => kind_of_chunk(error),
            Self::Object { .. }
            | Self::ChunkMissing { .. }
            | Self::ChunkDamaged { .. }
            | Self::RecipeInvalid { .. } => ErrorKind::RepositoryDamaged,
            Self::ObjectInTheWay { .. } => ErrorKind::RepositoryDamaged,
            Self::NeededPacksGone { .. } | Self::ChunkGone { .. } | Self::TakenForDead { .. } => ErrorKind::Retry,
            Self::PruneUnsafe { source, .. } => source.kind(),
            Self::Chunk(error) => kind_of_chunk(error),
            Self::LayoutWrong { .. } | Self::ThreadLost { .. } => ErrorKind::OurBug,
            Self::Index { .. } | Self::IndexFull => ErrorKind::StorageFailed,
        }
    }

    /// Says why a prune does nothing.
    pub(crate) fn prune_unsafe(object: impl ToString, source: RepositoryError) -> Self {
        Self::PruneUnsafe { object: object.to_string(), source: Box::new(source) }
    }

    /// Wraps what is wrong with one object.
    pub(crate) fn object(backend: &dyn vectar_backend::Backend, key: &ObjectKey, source: FormatError) -> Self {
        Self::Object { key: key.clone(), location: backend.location(), source }
    }
}

/// An error and its causes in one line; what a cause only says again is left out.
#[must_use]
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

fn kind_of_backend(error: &BackendError) -> ErrorKind {
    match error.kind() {
        BackendErrorKind::Retry => ErrorKind::Retry,
        BackendErrorKind::NotFound => ErrorKind::NotFound,
        BackendErrorKind::NoSpace => ErrorKind::NoSpace,
        BackendErrorKind::Corrupt => ErrorKind::RepositoryDamaged,
        BackendErrorKind::Bug => ErrorKind::OurBug,
        _ => ErrorKind::StorageFailed,
    }
}

fn kind_of_chunk(error: &ChunkError) -> ErrorKind {
    match error.kind() {
        vectar_chunk::ErrorKind::FixInput => ErrorKind::FixInput,
        vectar_chunk::ErrorKind::NewerFormat => ErrorKind::NewerFormat,
        vectar_chunk::ErrorKind::RepositoryDamaged => ErrorKind::RepositoryDamaged,
        _ => ErrorKind::OurBug,
    }
}

fn kind_name(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Chunk => "chunk",
        RecordKind::Node => "recipe node",
        RecordKind::RowDirectory => "row directory",
    }
}

fn hex(id: &[u8; 32]) -> PackId {
    PackId::from_bytes(*id)
}
