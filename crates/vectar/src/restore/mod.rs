//! Writing the snapshot of a backup to a file, so that nobody ever sees a part of it.
//!
//! The named module of the engine that writes files which are not part of a repository.

mod temporary_file;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use vectar_repository::{RepositoryError, format::record::BackupRecord};
use vectar_tar::CatalogueRow;

use crate::{
    content::Content,
    engine::Engine,
    error::Error,
    observer::{CancelToken, Observer},
    rebuild::{ChunkProof, Rebuilt, Target, rebuild_unrecorded, record_digest},
    salvage::{Salvaged, salvage},
    source::sidecar_path,
};

use temporary_file::{TemporaryFile, check_free, target_failed};

pub(crate) use temporary_file::sync_directory;

/// How a snapshot is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct RestoreOptions {
    /// Replace what lies under the name.
    pub force: bool,
    /// Write no `.checksum` beside the file.
    pub no_checksum: bool,
    /// Leave holes in the file where the snapshot has zeros, as far as the file system knows such.
    pub sparse: bool,
}

/// What a restore left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The file.
    pub path: PathBuf,
    /// Its checksum file, as Qdrant writes it: 64 hex digits and nothing else.
    pub sidecar: Option<PathBuf>,
    /// Its length and digest.
    pub rebuilt: Rebuilt,
}

/// Restores a backup into the file `path`.
///
/// The bytes go to a temporary file beside it, are compared with the record's digests, made durable, and only then named. Where the file system
/// can reserve room, it is reserved for all of them first, unless holes are left.
///
/// # Errors
/// [`Error::TargetExists`] without `force`; [`Error::Target`] before anything is read when there is too little room; else what [`rebuild`](crate::rebuild()) meets. The temporary file is removed; a file that lay under the
/// name is untouched.
pub fn restore_to_file(
    engine: &Engine,
    record: &BackupRecord,
    path: &Path,
    options: &RestoreOptions,
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<Restored, Error> {
    let mut file = SnapshotTarget::begin(path, options)?;
    let rebuilt = rebuild_into_file(engine, record, file.target(), observer, cancel)?;
    let sidecar = file.publish(&rebuilt.sha256)?;
    record_digest(engine, record, &rebuilt);
    Ok(Restored { path: path.to_owned(), sidecar, rebuilt })
}

/// Rebuilds a backup into a file that nobody sees yet. Where the record has a SHA-256, which proves the whole, chunks are taken by their checksums:
/// to hash each of them too is a tenth of the work. When the whole is wrong everything is rebuilt once more with each chunk proven by its id:
/// then a copy in another pack serves instead of a wrong one, or the error says which is wrong.
fn rebuild_into_file(
    engine: &Engine,
    record: &BackupRecord,
    file: &mut TemporaryFile,
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<Rebuilt, Error> {
    file.reserve(record.bytes)?;
    if record.sha256.is_some() {
        match rebuild_unrecorded(engine, record, ChunkProof::Checksum, file, observer, cancel) {
            Err(error @ (Error::RebuiltWrong { .. } | Error::Repository(RepositoryError::RecipeInvalid { .. }))) => {
                tracing::warn!(%error, "the snapshot is rebuilt once more, each chunk compared with its id");
                file.begin_anew()?;
                file.reserve(record.bytes)?;
            }
            rebuilt => return rebuilt,
        }
    }
    rebuild_unrecorded(engine, record, ChunkProof::Id, file, observer, cancel)
}

/// Writes what can be had of a damaged backup to `<path>.damaged`, with zeros where bytes are lost, and no `.checksum`: it must not be
/// taken for the snapshot. Returns where it lies.
///
/// # Errors
/// As [`restore_to_file`], and what [`salvage`] meets.
pub fn salvage_to_file(
    engine: &Engine,
    record: &BackupRecord,
    path: &Path,
    options: &RestoreOptions,
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<(PathBuf, Salvaged), Error> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".damaged");
    let path = path.with_file_name(name);
    check_free(&path, options.force)?;
    let mut target = TemporaryFile::create(&path)?;
    if options.sparse {
        target.leave_holes();
    }
    let salvaged = salvage(engine, record, &mut target, observer, cancel)?;
    target.publish(&path, options.force)?;
    sync_directory(&path)?;
    Ok((path, salvaged))
}

/// Restores a backup into a stream, such as standard output. The reader must wait for our exit code: the digest is compared last.
///
/// # Errors
/// What [`rebuild`](crate::rebuild()) meets; the stream has got some of the bytes then.
pub fn restore_to_stream(
    engine: &Engine,
    record: &BackupRecord,
    stream: &mut (dyn Write + Send),
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<Rebuilt, Error> {
    let mut target = StreamTarget { stream };
    let rebuilt = rebuild_unrecorded(engine, record, ChunkProof::Id, &mut target, observer, cancel)?;
    target.stream.flush().map_err(stream_failed)?;
    record_digest(engine, record, &rebuilt);
    Ok(rebuilt)
}

/// How an entry of a snapshot is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct EntryOptions {
    /// Write the holes of a sparse entry as zeros.
    pub expand: bool,
    /// Replace what lies under the name.
    pub force: bool,
}

/// Writes the bytes of one entry into the file `path` and returns how many there were.
///
/// # Errors
/// [`Error::TargetExists`] without `force`; else what reading the entry meets. The temporary file is removed; a file that lay
/// under the name is untouched.
pub fn entry_to_file(
    content: &Content<'_>,
    row: &CatalogueRow,
    path: &Path,
    options: &EntryOptions,
    cancel: &CancelToken,
) -> Result<u64, Error> {
    check_free(path, options.force)?;
    let mut target = TemporaryFile::create(path)?;
    let mut written = 0;
    let take = |bytes: &[u8]| {
        cancel.check()?;
        written += bytes.len() as u64;
        target.write(bytes)
    };
    match options.expand {
        true => content.read_expanded(row, take)?,
        false => content.read_entry(row, take)?,
    }
    target.publish(path, options.force)?;
    sync_directory(path)?;
    Ok(written)
}

struct StreamTarget<'s> {
    stream: &'s mut (dyn Write + Send),
}

impl Target for StreamTarget<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.write_all(bytes).map_err(stream_failed)
    }
}

fn stream_failed(source: io::Error) -> Error {
    Error::Target { action: "write to", path: PathBuf::from("-"), source }
}

/// A snapshot file in the making, with the `.checksum` that will lie beside it.
#[derive(Debug)]
pub(crate) struct SnapshotTarget<'p> {
    file: TemporaryFile,
    path: &'p Path,
    sidecar: Option<PathBuf>,
    force: bool,
}

impl<'p> SnapshotTarget<'p> {
    /// Begins the file that will be `path`; the names it will take must be free, or `force` be given.
    pub(crate) fn begin(path: &'p Path, options: &RestoreOptions) -> Result<Self, Error> {
        let sidecar = sidecar_path(path);
        check_free(path, options.force)?;
        // With `force` an old one goes even if no new one comes.
        if !options.no_checksum || options.force {
            check_free(&sidecar, options.force)?;
        }
        let sidecar = (!options.no_checksum).then_some(sidecar);
        let mut file = TemporaryFile::create(path)?;
        if options.sparse {
            file.leave_holes();
        }
        Ok(Self { file, path, sidecar, force: options.force })
    }

    /// Where its bytes go.
    pub(crate) fn target(&mut self) -> &mut TemporaryFile {
        &mut self.file
    }

    /// Makes file and `.checksum` durable under names of no meaning, then gives them theirs; returns the path of the `.checksum`. One of the
    /// file that is replaced goes in between: whatever happens, a power failure too, none lies beside a file that it does not belong to.
    ///
    /// # Errors
    /// Until both are durable, what lay under the names is untouched; from then on the old `.checksum` may be gone, and the new file be there.
    pub(crate) fn publish(self, sha256: &str) -> Result<Option<PathBuf>, Error> {
        self.file.make_durable()?;
        let mut checksum = None;
        if let Some(path) = &self.sidecar {
            let mut file = TemporaryFile::create(path)?;
            file.write(sha256.as_bytes())?;
            file.make_durable()?;
            checksum = Some((file, path));
        }
        if self.force && remove_if_there(&sidecar_path(self.path))? {
            sync_directory(self.path)?;
        }
        self.file.give_name(self.path, self.force)?;
        if let Some((file, path)) = checksum {
            file.give_name(path, self.force)?;
        }
        sync_directory(self.path)?;
        Ok(self.sidecar)
    }
}

/// Whether there was a file to remove.
#[expect(clippy::disallowed_methods, reason = "the named target module of the engine")]
fn remove_if_there(path: &Path) -> Result<bool, Error> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(target_failed("remove", path)(error)),
    }
}
