//! Writing the snapshot of a backup to a file, so that nobody ever sees a part of it.
//!
//! The named module of the engine that writes files which are not part of a repository.

use std::{
    fs::File,
    io::{self, Write},
    num::NonZeroU64,
    path::{Path, PathBuf},
};

use rustix::fs::Advice;
use tempfile::{NamedTempFile, TempPath};
use vectar_repository::format::record::BackupRecord;
use vectar_tar::CatalogueRow;

use crate::{
    content::Content,
    engine::Engine,
    error::Error,
    observer::{CancelToken, Observer},
    rebuild::{Rebuilt, Target, rebuild_unrecorded, record_digest},
    salvage::{Salvaged, salvage},
    source::sidecar_path,
};

/// So many bytes are written before the system is told to bring them to the disk.
const UNDERWAY_BYTES: u64 = 16 * 1024 * 1024;

/// How a snapshot is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct RestoreOptions {
    /// Replace what lies under the name.
    pub force: bool,
    /// Write no `.checksum` beside the file.
    pub no_checksum: bool,
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
/// The bytes go to a temporary file beside it, are compared with the record's digests, made durable, and only then named.
///
/// # Errors
/// [`Error::TargetExists`] without `force`; else what [`rebuild`](crate::rebuild()) meets. The temporary file is removed; a file that lay under the
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
    let rebuilt = rebuild_unrecorded(engine, record, file.target(), observer, cancel)?;
    let sidecar = file.publish(&rebuilt.sha256)?;
    record_digest(engine, record, &rebuilt);
    Ok(Restored { path: path.to_owned(), sidecar, rebuilt })
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
    let rebuilt = rebuild_unrecorded(engine, record, &mut target, observer, cancel)?;
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
        Ok(Self { file: TemporaryFile::create(path)?, path, sidecar, force: options.force })
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

/// A private file (mode 0600) that disappears unless it is published.
///
/// Its name is random and does not depend on the target's: nobody can lay a link there beforehand, and it is never too long.
#[derive(Debug)]
pub(crate) struct TemporaryFile {
    file: File,
    path: TempPath,
    /// Bytes written, and how many of them the system was told to bring to the disk.
    written: u64,
    underway: u64,
}

impl TemporaryFile {
    pub(crate) fn create(target: &Path) -> Result<Self, Error> {
        if target.file_name().is_none() {
            return Err(target_failed("write", target)(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it names no file",
            )));
        }
        let directory = directory_of(target);
        let (file, path) = tempfile::Builder::new()
            .prefix(".vectar-")
            .suffix(".partial")
            .tempfile_in(directory)
            .map(NamedTempFile::into_parts)
            .map_err(target_failed("create a file in", directory))?;
        Ok(Self { file, path, written: 0, underway: 0 })
    }

    pub(crate) fn publish(self, target: &Path, force: bool) -> Result<(), Error> {
        self.make_durable()?;
        self.give_name(target, force)
    }

    /// Lets the system begin to bring to the disk what was written since the last time, so that little is left to wait for at the end: on Linux
    /// this advice starts the writing and waits for none of it (`mm/fadvise.c`).
    fn bring_to_disk(&mut self) {
        let len = NonZeroU64::new(self.written - self.underway);
        // A file system that does not know the advice writes when it likes.
        let _ = rustix::fs::fadvise(&self.file, self.underway, len, Advice::DontNeed);
        self.underway = self.written;
    }

    fn make_durable(&self) -> Result<(), Error> {
        self.file.sync_all().map_err(target_failed("make durable", &self.path))
    }

    fn give_name(self, target: &Path, force: bool) -> Result<(), Error> {
        check_free(target, force)?;
        // What is left under the temporary name goes away with `self`.
        give_name(&self.path, target, force)
    }
}

impl Target for TemporaryFile {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(target_failed("write", &self.path))?;
        self.written += bytes.len() as u64;
        if self.written - self.underway >= UNDERWAY_BYTES {
            self.bring_to_disk();
        }
        Ok(())
    }

    /// Beside the file: there is room for the snapshot there.
    fn spill_directory(&self) -> PathBuf {
        directory_of(&self.path).to_owned()
    }
}

/// Refuses a name that is taken. With `force` a file or a link may be replaced; a device or a directory never is.
pub(crate) fn check_free(path: &Path, force: bool) -> Result<(), Error> {
    match path.symlink_metadata() {
        // Nothing is there; if the path itself is at fault, creating a file beside it says so.
        Err(_) => Ok(()),
        Ok(_) if !force => Err(Error::TargetExists { path: path.to_owned() }),
        Ok(metadata) if metadata.is_file() || metadata.is_symlink() => Ok(()),
        Ok(_) => {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "it is neither a file nor a link to one");
            Err(target_failed("replace", path)(source))
        }
    }
}

/// Gives a finished file its name; without `force` never over another one, not even one that came up meanwhile.
#[expect(clippy::disallowed_methods, reason = "the named target module of the engine")]
fn give_name(temporary: &Path, target: &Path, force: bool) -> Result<(), Error> {
    if force {
        return std::fs::rename(temporary, target).map_err(target_failed("rename to", target));
    }
    match std::fs::hard_link(temporary, target) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(Error::TargetExists { path: target.to_owned() })
        }
        // No hard links here, as on SMB and FAT: the name was free a moment ago, and that is as good as it gets.
        Err(_) if target.symlink_metadata().is_err() => {
            std::fs::rename(temporary, target).map_err(target_failed("rename to", target))
        }
        Err(_) => Err(Error::TargetExists { path: target.to_owned() }),
    }
}

#[expect(clippy::disallowed_methods, reason = "the named target module of the engine")]
pub(crate) fn sync_directory(path: &Path) -> Result<(), Error> {
    let directory = directory_of(path);
    match File::open(directory).and_then(|directory| directory.sync_all()) {
        Ok(()) => Ok(()),
        // Some network file systems refuse this for directories; the file's own bytes are durable.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
            ) =>
        {
            tracing::warn!(directory = %directory.display(), %error, "the directory cannot be made durable");
            Ok(())
        }
        Err(source) => Err(target_failed("make durable", directory)(source)),
    }
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn target_failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Target { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_to_the_disk_on_the_way_is_what_was_written_and_has_no_name_before_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.snapshot");
        let mut file = TemporaryFile::create(&path).unwrap();
        // Of odd length, so that no write ends where the system is told.
        let piece: Vec<u8> = (0..=250).cycle().take(1_000_003).collect();
        for _ in 0..40 {
            file.write(&piece).unwrap();
            assert!(file.written - file.underway < UNDERWAY_BYTES, "{file:?}");
        }
        assert!(file.underway >= 2 * UNDERWAY_BYTES, "{file:?}");
        assert!(!path.exists());
        file.publish(&path, false).unwrap();
        #[expect(clippy::disallowed_methods, reason = "reads back what was written")]
        let read = std::fs::read(&path).unwrap();
        assert!(read == piece.repeat(40));

        let mut dropped = TemporaryFile::create(&path).unwrap();
        (0..20).for_each(|_| dropped.write(&piece).unwrap());
        drop(dropped);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "what is not published is gone");
    }
}
