//! What can go wrong, and what it means for the person who asked.

use std::{io, path::PathBuf};

use vectar_qdrant::{FilterError, QdrantError};
use vectar_repository::RepositoryError;
use vectar_tar::TarError;

/// What the caller of a failed operation should do next; the command line turns it into an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Try again.
    Retry,
    /// Ask for something else, or give other input.
    FixInput,
    /// Bytes in the repository are missing or wrong.
    RepositoryDamaged,
    /// There is no repository there.
    NoRepository,
    /// There is no such backup, entry or file.
    NotFound,
    /// A later vectar wrote this.
    NewerFormat,
    /// Make room.
    NoSpace,
    /// The storage, the source or the target failed.
    StorageFailed,
    /// The caller asked to stop.
    Cancelled,
    /// Qdrant's own engine is not here, so that nothing could be drilled.
    EngineLacking,
    /// Report it.
    OurBug,
}

/// What lacks, so that Qdrant's own engine cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineLack {
    /// No Python 3 that runs.
    NoPython {
        /// Where it was looked for: a path, or a name that was looked up.
        looked: PathBuf,
    },
    /// Python makes no virtual environments.
    NoVenv {
        /// The Python.
        python: PathBuf,
    },
    /// The package cannot be installed: no network, no such version, or none for this Python and machine.
    NotInstallable,
    /// The given Python has no such package.
    NoPackage {
        /// The Python.
        python: PathBuf,
    },
    /// The given Python has another version of it.
    OtherVersion {
        /// The Python.
        python: PathBuf,
        /// The version it has.
        found: String,
    },
    /// Python did not say in time what it has, or was killed: it may have the package or not.
    NoAnswer {
        /// The Python.
        python: PathBuf,
    },
}

impl std::fmt::Display for EngineLack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoPython { looked } => write!(f, "no Python 3 runs as {}", looked.display()),
            Self::NoVenv { python } => write!(f, "{} makes no virtual environment", python.display()),
            Self::NotInstallable => f.write_str("the package cannot be installed"),
            Self::NoPackage { python } => write!(f, "{} has no such package", python.display()),
            Self::OtherVersion { python, found } => write!(f, "{} has version {found} of it", python.display()),
            Self::NoAnswer { python } => write!(f, "{} does not say what it has", python.display()),
        }
    }
}

/// The error of this crate.
///
/// Unless a variant says otherwise the repository holds the same backups as before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The repository failed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The snapshot cannot be read.
    #[error("cannot {action} {}", path.display())]
    Source {
        /// What was tried.
        action: &'static str,
        /// The file, or `-`.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The snapshot changed while it was read.
    #[error("{} changed while it was read: {change}", path.display())]
    SourceChanged {
        /// The file.
        path: PathBuf,
        /// How it is seen.
        change: String,
    },
    /// A snapshot file must not be deleted.
    #[error("{} is kept: {reason}", path.display())]
    SourceKept {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The tar layer gave up on the source.
    #[error("cannot list what is in {name}")]
    Tar {
        /// The snapshot.
        name: String,
        /// Why.
        #[source]
        source: TarError,
    },
    /// The snapshot is damaged, and damaged ones were not asked for.
    #[error("{name} is damaged: {finding}")]
    SnapshotDamaged {
        /// The snapshot.
        name: String,
        /// The first damage, with its offset and entry.
        finding: String,
    },
    /// The snapshot's bytes are not the ones its sidecar speaks of.
    #[error("{} does not match its checksum: {} says {expected}, the file has {found}", path.display(), sidecar.display())]
    ChecksumMismatch {
        /// The snapshot.
        path: PathBuf,
        /// Its `.checksum` file.
        sidecar: PathBuf,
        /// SHA-256 in the sidecar.
        expected: String,
        /// SHA-256 of the file.
        found: String,
    },
    /// A `.checksum` file holds no checksum.
    #[error("{} holds no checksum", path.display())]
    SidecarInvalid {
        /// The sidecar.
        path: PathBuf,
        /// What it holds instead.
        #[source]
        source: QdrantError,
    },
    /// Storing this would leave too little room.
    #[error("{location} has {free} bytes free, {keep_free} are to be kept free and the snapshot may need {needed}")]
    KeepFree {
        /// The repository.
        location: String,
        /// Bytes free now.
        free: u64,
        /// Bytes to be kept free.
        keep_free: u64,
        /// Bytes the snapshot needs at most.
        needed: u64,
    },
    /// The output cannot be written.
    #[error("cannot {action} {}", path.display())]
    Target {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The output is there already.
    #[error("{} exists", path.display())]
    TargetExists {
        /// The file.
        path: PathBuf,
    },
    /// What was rebuilt is not what was stored.
    #[error("backup {backup} was rebuilt with the SHA-256 {found}, its record says {expected}")]
    RebuiltWrong {
        /// The backup.
        backup: String,
        /// SHA-256 in the record.
        expected: String,
        /// SHA-256 of the rebuilt bytes.
        found: String,
    },
    /// No backup goes by that name.
    #[error("no backup is called {name:?}")]
    BackupNotFound {
        /// What was asked for.
        name: String,
        /// Why nothing answers to it, when that is not plain.
        reason: Option<String>,
    },
    /// Several backups go by that name.
    #[error("{name:?} names {} backups: {}", candidates.len(), candidates.join(", "))]
    BackupAmbiguous {
        /// What was asked for.
        name: String,
        /// The backups, as id and description.
        candidates: Vec<String>,
    },
    /// A name is both a backup and a file.
    #[error("{name:?} is a backup and a file")]
    BackupOrFile {
        /// What was asked for.
        name: String,
        /// The spelling that means the backup.
        backup: String,
        /// The spelling that means the file.
        file: String,
    },
    /// There is no such entry in the snapshot.
    #[error("{snapshot} has no entry {path:?}")]
    EntryNotFound {
        /// The snapshot.
        snapshot: String,
        /// The path that was asked for.
        path: String,
        /// Paths that are there and resemble it, best first.
        near: Vec<String>,
    },
    /// The holes of an entry cannot be expanded.
    #[error("the holes of entry {path:?} cannot be expanded: {reason}")]
    EntryNotExpandable {
        /// The path.
        path: String,
        /// Why.
        reason: &'static str,
    },
    /// Something inside of a snapshot cannot be read.
    #[error("cannot read {what} of {snapshot}")]
    NotReadable {
        /// The snapshot.
        snapshot: String,
        /// What was to be read.
        what: String,
        /// What is wrong with it.
        #[source]
        source: QdrantError,
    },
    /// The snapshot has no such collection.
    #[error("{snapshot} holds no collection {collection:?}")]
    CollectionNotFound {
        /// The snapshot.
        snapshot: String,
        /// The name that was asked for.
        collection: String,
        /// Names that are there.
        known: Vec<String>,
    },
    /// The snapshot has no such shard.
    #[error("{snapshot} holds no shard {shard}")]
    ShardNotFound {
        /// The snapshot.
        snapshot: String,
        /// The number that was asked for.
        shard: u32,
        /// Numbers that are there.
        known: Vec<u32>,
    },
    /// Several parts of a snapshot could be meant.
    #[error("{snapshot} holds several collections, and none was chosen")]
    PartUnclear {
        /// The snapshot.
        snapshot: String,
        /// Collections that are there.
        known: Vec<String>,
    },
    /// Nobody knows what the collection of a snapshot is called.
    #[error("nothing says what the collection in {what} of {snapshot} is called")]
    CollectionUnnamed {
        /// The snapshot.
        snapshot: String,
        /// The file in it, or the snapshot.
        what: String,
    },
    /// Nobody knows which shard a snapshot is of.
    #[error("nothing says which shard {snapshot} is of")]
    ShardUnnamed {
        /// The snapshot.
        snapshot: String,
    },
    /// What was found makes a restore as it was asked for impossible or incomplete.
    #[error("the restore was not prepared: {}", concerns.first().map_or("", |concern| concern.text.as_str()))]
    Refused {
        /// Everything that is in the way, the gravest first; never empty.
        concerns: Vec<crate::prepare::Concern>,
    },
    /// The directory for what is prepared is not empty.
    #[error("{} is not empty", path.display())]
    DirectoryTaken {
        /// The directory.
        path: PathBuf,
    },
    /// There is too little room for what is to be staged.
    #[error("{} has {free} bytes free, and what is to be staged takes {needed}", path.display())]
    StageFull {
        /// Where it was to go.
        path: PathBuf,
        /// Bytes free there.
        free: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// A part of a snapshot cannot be taken out of it, because it is not all there.
    #[error("{part} of {snapshot} is damaged: {finding}")]
    PartDamaged {
        /// What was to be taken out.
        part: String,
        /// The snapshot.
        snapshot: String,
        /// The first damage.
        finding: String,
    },
    /// Nothing in a file looks like a snapshot of Qdrant.
    #[error("{name} is no Qdrant snapshot that vectar knows")]
    NoSnapshot {
        /// The file or backup.
        name: String,
    },
    /// The points of a partial snapshot were asked for.
    #[error("{name} is a partial snapshot, so its points cannot be told")]
    PartialSnapshot {
        /// The file or backup.
        name: String,
    },
    /// A filter is not one, or says what cannot be evaluated as the server does it.
    #[error("the filter cannot be used")]
    FilterInvalid {
        /// Why.
        #[source]
        source: FilterError,
    },
    /// No pack has an id that begins like that.
    #[error("no pack has an id that begins with {name:?}")]
    PackNotFound {
        /// What was asked for.
        name: String,
    },
    /// Several packs have such an id.
    #[error("{name:?} begins the ids of {} packs: {}", candidates.len(), candidates.join(", "))]
    PackAmbiguous {
        /// What was asked for.
        name: String,
        /// Their ids, shortened.
        candidates: Vec<String>,
    },
    /// An entry path is not one.
    #[error("entry path {path:?} cannot be used: {reason}")]
    EntryPathInvalid {
        /// The path.
        path: String,
        /// Why.
        reason: &'static str,
    },
    /// A filter or option has a value that means nothing.
    #[error("{what} {value:?} cannot be used: {reason}")]
    OptionInvalid {
        /// The option.
        what: &'static str,
        /// Its value.
        value: String,
        /// Why.
        reason: String,
    },
    /// Another client was active so lately that pruning without grace could take away what it relies on.
    #[error("another client, {client}, was active at {at:.0}")]
    OthersActive {
        /// Its host name and process.
        client: String,
        /// When, by its clock.
        at: jiff::Timestamp,
    },
    /// Qdrant's own engine cannot be had. Nothing is said about any backup.
    #[error("Qdrant's engine, qdrant-edge-py {version}, is not here: {lack}")]
    EngineLacking {
        /// The version that was asked for.
        version: String,
        /// What lacks.
        lack: EngineLack,
        /// What Python or pip said last; may be empty.
        said: String,
    },
    /// The scratch directory has too little room for a shard and its unpacked files.
    #[error("{} has {free} bytes free, the drill needs {needed}", directory.display())]
    ScratchFull {
        /// The directory.
        directory: PathBuf,
        /// Bytes free there.
        free: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// The caller asked to stop.
    #[error("stopped before it was done")]
    Cancelled,
    /// A thread of ours died.
    #[error("the thread that {task} stopped without an answer")]
    ThreadLost {
        /// What it was doing.
        task: &'static str,
    },
}

impl Error {
    /// What the caller should do about this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Repository(error) => kind_of_repository(error),
            Self::Source { source, .. } | Self::Target { source, .. } => kind_of_io(source),
            Self::SourceChanged { .. } => ErrorKind::Retry,
            Self::Tar { .. }
            | Self::SourceKept { .. }
            | Self::SnapshotDamaged { .. }
            | Self::ChecksumMismatch { .. }
            | Self::SidecarInvalid { .. }
            | Self::TargetExists { .. }
            | Self::BackupAmbiguous { .. }
            | Self::BackupOrFile { .. }
            | Self::EntryPathInvalid { .. }
            | Self::EntryNotExpandable { .. }
            | Self::PackAmbiguous { .. }
            | Self::NotReadable { .. }
            | Self::NoSnapshot { .. }
            | Self::PartUnclear { .. }
            | Self::PartDamaged { .. }
            | Self::CollectionUnnamed { .. }
            | Self::ShardUnnamed { .. }
            | Self::Refused { .. }
            | Self::DirectoryTaken { .. }
            | Self::PartialSnapshot { .. }
            | Self::FilterInvalid { .. }
            | Self::OptionInvalid { .. } => ErrorKind::FixInput,
            Self::OthersActive { .. } => ErrorKind::Retry,
            Self::KeepFree { .. } | Self::StageFull { .. } | Self::ScratchFull { .. } => ErrorKind::NoSpace,
            Self::EngineLacking { .. } => ErrorKind::EngineLacking,
            Self::RebuiltWrong { .. } => ErrorKind::RepositoryDamaged,
            Self::BackupNotFound { .. }
            | Self::EntryNotFound { .. }
            | Self::CollectionNotFound { .. }
            | Self::ShardNotFound { .. }
            | Self::PackNotFound { .. } => ErrorKind::NotFound,
            Self::Cancelled => ErrorKind::Cancelled,
            Self::ThreadLost { .. } => ErrorKind::OurBug,
        }
    }
}

fn kind_of_repository(error: &RepositoryError) -> ErrorKind {
    use vectar_repository::ErrorKind as Kind;
    match error.kind() {
        Kind::Retry => ErrorKind::Retry,
        Kind::FixInput => ErrorKind::FixInput,
        Kind::RepositoryDamaged => ErrorKind::RepositoryDamaged,
        Kind::NotFound if matches!(error, RepositoryError::NotARepository { .. }) => ErrorKind::NoRepository,
        Kind::NotFound => ErrorKind::RepositoryDamaged,
        Kind::NewerFormat => ErrorKind::NewerFormat,
        Kind::NoSpace => ErrorKind::NoSpace,
        Kind::StorageFailed => ErrorKind::StorageFailed,
        _ => ErrorKind::OurBug,
    }
}

fn kind_of_io(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => ErrorKind::NoSpace,
        io::ErrorKind::Interrupted | io::ErrorKind::TimedOut => ErrorKind::Retry,
        io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => ErrorKind::FixInput,
        _ => ErrorKind::StorageFailed,
    }
}
