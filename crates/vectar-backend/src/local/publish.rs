//! Gives finished files their final names, and takes names away.
//!
//! Network file systems repeat a request whose answer was lost, and then answer the repetition: the name is taken, by ourselves
//! (Linux, `link(2)`, BUGS). So "taken" is believed only of another file.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::Ordering;

use super::system::{self, retry_interrupted};
use super::temp::{TempFile, create_directory, create_private};
use super::{Inner, io_error};
use crate::{BackendError, ObjectKey, PublishStrategy, PutOutcome};

/// Strongest first.
const STRATEGIES: [PublishStrategy; 3] =
    [PublishStrategy::HardLink, PublishStrategy::RenameNoReplace, PublishStrategy::Claim];

/// How often the directories of an object are made anew while somebody removes them because they are empty.
const PARENT_ATTEMPTS_MAX: u32 = 64;

pub(super) fn index_of(strategy: PublishStrategy) -> u8 {
    match strategy {
        PublishStrategy::HardLink => 0,
        PublishStrategy::RenameNoReplace => 1,
        PublishStrategy::Claim => 2,
    }
}

pub(super) fn strategy_at(index: u8) -> PublishStrategy {
    STRATEGIES[usize::from(index).min(STRATEGIES.len() - 1)]
}

/// What one attempt to name a file came to.
enum Naming {
    Named,
    Taken,
}

impl TempFile {
    /// See [`ObjectWriter::publish`](crate::ObjectWriter::publish).
    pub(super) fn publish(self, key: &ObjectKey) -> Result<PutOutcome, BackendError> {
        let target = self.inner.path_of(key);
        // Saves the fsync, which is what publishing costs, when the object is there already.
        if is_taken(&target)? {
            return Ok(PutOutcome::AlreadyExists);
        }
        self.make_contents_durable(key)?;
        let naming = self.with_parents(&target, |temp| temp.name_by_any_strategy(&target));
        // Afterwards, and in any case: a barrier that ran meanwhile did not see the name, and a failed call may have given it.
        self.inner.owe_entries(&target);
        match naming? {
            Naming::Taken => {
                // Refuses what is no object, such as a directory of that name.
                is_taken(&target)?;
                Ok(PutOutcome::AlreadyExists)
            }
            Naming::Named => {
                self.read_back(key, &target)?;
                Ok(PutOutcome::Created)
            }
        }
    }

    /// Publishes the file in place of what is there.
    pub(super) fn replace(self, key: &ObjectKey) -> Result<(), BackendError> {
        let target = self.inner.path_of(key);
        is_taken(&target)?;
        self.make_contents_durable(key)?;
        let renamed = self.with_parents(&target, |temp| retry_interrupted(|| fs::rename(&temp.path, &target)));
        self.inner.owe_entries(&target);
        renamed?;
        self.read_back(key, &target)
    }

    fn make_contents_durable(&self, key: &ObjectKey) -> Result<(), BackendError> {
        match (self.inner.system.sync_file)(&self.file) {
            Ok(()) => {}
            Err(error) if system::is_sync_refusal(&error) => self.inner.ledger.note_contents_refused(),
            Err(source) => return Err(io_error("make durable", &self.path, source)),
        }
        let metadata = self.file.metadata().map_err(|source| io_error("stat", &self.path, source))?;
        self.require_length(key, metadata.len())
    }

    /// SMB servers have been seen to publish a file shorter than it was. What was just published wrong is taken back.
    fn read_back(&self, key: &ObjectKey, target: &Path) -> Result<(), BackendError> {
        let metadata = fs::symlink_metadata(target).map_err(|source| io_error("read back", target, source))?;
        let checked = self.require_length(key, metadata.len());
        if checked.is_err() {
            let _ = fs::remove_file(target);
        }
        checked
    }

    fn require_length(&self, key: &ObjectKey, found_bytes: u64) -> Result<(), BackendError> {
        if found_bytes == self.written_bytes {
            return Ok(());
        }
        Err(BackendError::LengthWrong {
            key: key.clone(),
            location: self.inner.location(),
            expected_bytes: self.written_bytes,
            found_bytes,
        })
    }

    /// Calls `name`, and again after making the directories of `target` if they are missing.
    fn with_parents<T>(&self, target: &Path, name: impl Fn(&Self) -> io::Result<T>) -> Result<T, BackendError> {
        let mut attempts = 0;
        loop {
            match name(self) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && attempts < PARENT_ATTEMPTS_MAX => {
                    attempts += 1;
                    // If not the target's directory but the temporary file is gone, directories do not help.
                    self.require_own_name()?;
                    self.inner.create_parents(target)?;
                }
                other => return other.map_err(|source| io_error("publish", target, source)),
            }
        }
    }

    /// Somebody may have cleaned `tmp/` too eagerly. That is no missing object, and writing it again helps.
    fn require_own_name(&self) -> Result<(), BackendError> {
        match fs::symlink_metadata(&self.path) {
            Ok(_) => Ok(()),
            Err(error) if is_absence(&error) => {
                let text = "the unfinished file was removed before it was published";
                Err(io_error("publish", &self.path, io::Error::new(io::ErrorKind::StaleNetworkFileHandle, text)))
            }
            Err(source) => Err(io_error("publish", &self.path, source)),
        }
    }

    fn name_by_any_strategy(&self, target: &Path) -> io::Result<Naming> {
        let mut index = self.inner.strategy_index.load(Ordering::Relaxed);
        loop {
            match self.name_by(strategy_at(index), target) {
                Err(error) if system::is_refusal(&error) && usize::from(index) + 1 < STRATEGIES.len() => index += 1,
                Err(error) => return Err(error),
                Ok(naming) => {
                    // Remembered only now: a refusal may also mean that nothing at all is allowed here.
                    self.inner.strategy_index.fetch_max(index, Ordering::Relaxed);
                    return Ok(naming);
                }
            }
        }
    }

    fn name_by(&self, strategy: PublishStrategy, target: &Path) -> io::Result<Naming> {
        let attempt = match strategy {
            PublishStrategy::HardLink => (self.inner.system.link)(&self.path, target),
            PublishStrategy::RenameNoReplace => (self.inner.system.rename_no_replace)(&self.path, target),
            PublishStrategy::Claim => return self.claim(target),
        };
        match attempt {
            Ok(()) => Ok(Naming::Named),
            Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {
                match self.has_name(target)? {
                    true => Ok(Naming::Named),
                    false if error.kind() == io::ErrorKind::AlreadyExists => Ok(Naming::Taken),
                    false => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Takes the name with an empty file, then puts the finished file in its place.
    fn claim(&self, target: &Path) -> io::Result<Naming> {
        match create_private(target) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(Naming::Taken),
            Err(error) => return Err(error),
        }
        let renamed = retry_interrupted(|| fs::rename(&self.path, target));
        if let Err(error) = renamed {
            if self.has_name(target)? {
                return Ok(Naming::Named);
            }
            // The claim is ours, so it may go; nobody else publishes where a file is.
            let _ = fs::remove_file(target);
            return Err(error);
        }
        Ok(Naming::Named)
    }

    /// Says whether `path` is a name of this very file.
    fn has_name(&self, path: &Path) -> io::Result<bool> {
        let own = self.file.metadata()?;
        match fs::symlink_metadata(path) {
            Ok(other) => Ok((own.dev(), own.ino()) == (other.dev(), other.ino())),
            Err(error) if is_absence(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Inner {
    /// Makes the directories above `target`, below the root, which must exist.
    fn create_parents(&self, target: &Path) -> Result<(), BackendError> {
        self.require_root()?;
        let missing: Vec<&Path> = self.directories_of(target).take_while(|path| **path != self.root).collect();
        for directory in missing.into_iter().rev() {
            match create_directory(directory) {
                // Somebody removed its parent, being empty, in this moment; the caller comes again.
                Err(BackendError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    return Ok(());
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// See [`Backend::delete`](crate::Backend::delete). Directories that become empty go too.
    pub(super) fn delete_object(&self, key: &ObjectKey) -> Result<(), BackendError> {
        let path = self.path_of(key);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => return Ok(()),
            Ok(metadata) => require_plain(&path, &metadata)?,
            Err(error) if is_absence(&error) => {
                // Somebody else may have deleted it, and may have crashed since: the barrier must cover that too.
                self.owe_entries(&path);
                return self.require_root();
            }
            Err(source) => return Err(io_error("delete", &path, source)),
        }
        let removed = retry_interrupted(|| fs::remove_file(&path));
        self.owe_entries(&path);
        match removed {
            Err(error) if !is_absence(&error) => return Err(io_error("delete", &path, error)),
            _ => {}
        }
        for directory in self.directories_of(&path).take_while(|directory| **directory != self.root) {
            if fs::remove_dir(directory).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Says whether an object has this name.
fn is_taken(path: &Path) -> Result<bool, BackendError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => require_plain(path, &metadata).map(|()| true),
        Err(error) if is_absence(&error) => Ok(false),
        Err(source) => Err(io_error("stat", path, source)),
    }
}

/// Says whether the error means that nothing has this name. Below a file there is nothing either.
pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

pub(super) fn require_plain(path: &Path, metadata: &fs::Metadata) -> Result<(), BackendError> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    let found = if kind.is_dir() {
        "a directory"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else {
        "a device, pipe or socket"
    };
    Err(BackendError::NotAPlainFile { path: path.to_path_buf(), found })
}
