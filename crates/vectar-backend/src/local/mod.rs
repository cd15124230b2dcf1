//! Objects in the files of a local or network file system.
//!
//! An object with the key `packs/ab/ab12` is the file `packs/ab/ab12` below the root directory. What is not published yet lies in
//! `tmp/` of the same root. Files have mode 0600 and directories 0700. Names that are no keys (`lost+found`, `.nfs0001`,
//! `@eaDir`) are left alone and not listed. A
//! symbolic link in place of an object is never followed, and a listing that meets one fails: a directory kept elsewhere would
//! have to be renamed into across devices, and one that is skipped would look empty.
//!
//! **How an object is published.** Its bytes are written to a file in `tmp/`, the file is made durable (`fsync`), then it gets
//! its final name in one step that fails if the name is taken, see [`PublishStrategy`](crate::PublishStrategy). So a name never
//! stands for bytes that a power failure could still take away.
//!
//! **What is batched.** Only the *names*: a directory entry becomes durable by an `fsync` of the directory it stands in, and
//! those wait for the barrier. Since a new directory is itself an entry of its parent, and may have been made a moment
//! ago by a process that has not called `sync` yet, the barrier covers all directories from the object up to the root,
//! whoever made them. After a power failure before the barrier a name may be missing; it never stands for anything but the whole
//! object. The `ledger` module holds what is owed.

mod debris;
mod file_system;
mod files;
mod ledger;
mod listing;
mod probe;
mod publish;
mod read_memory;
mod system;
mod temp;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;

use crate::{
    Backend, BackendError, CleanStats, Durability, KeyPrefix, ListPage, ObjectKey, ObjectMeta, ObjectSuffix,
    ObjectWriter, PublishStrategy, RESERVED_SEGMENT, StorageProbe,
};
use ledger::SyncLedger;
use read_memory::ReadMemory;
use system::System;
use temp::TempFile;

/// Read, write and search for the owner alone.
const DIRECTORY_MODE: u32 = 0o700;

/// Objects in files below one root directory.
///
/// Cheap to clone; clones share what is owed to [`Backend::sync`]. Any number of values and processes may use the same root.
#[derive(Debug, Clone)]
pub struct LocalBackend {
    inner: Arc<Inner>,
}

/// What a [`LocalBackend`] assumes of its storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalOptions {
    /// The strongest way of publishing to try; weaker ones are tried when the storage refuses it. The default is
    /// [`PublishStrategy::HardLink`]; name what a [`StorageProbe`] found to save the futile attempt.
    pub first_strategy: PublishStrategy,
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self { first_strategy: PublishStrategy::HardLink }
    }
}

/// What clones and writers share.
#[derive(Debug)]
struct Inner {
    root: PathBuf,
    system: System,
    ledger: SyncLedger,
    read_memory: ReadMemory,
    /// Place in `publish::STRATEGIES` of the strongest strategy that was not refused yet.
    strategy_index: AtomicU8,
}

impl LocalBackend {
    /// Makes the directory `root`, with the directories above it if need be, and returns a backend on it.
    ///
    /// An empty directory that is there already is taken as it is, so that a mount point can be used; `lost+found` and what is
    /// unfinished in `tmp/` do not count.
    ///
    /// The directories made are durable when this returns.
    ///
    /// # Errors
    ///
    /// [`BackendError::RootNotEmpty`], [`BackendError::RootNotADirectory`], or what the system says; directories may have been
    /// made.
    pub fn create(root: impl AsRef<Path>) -> Result<Self, BackendError> {
        let root = absolute(root.as_ref())?;
        let first_kept = root.ancestors().find(|path| path.exists()).unwrap_or(&root).to_path_buf();
        let made = fs::DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(&root);
        made.map_err(|source| root_error("create", &root, source))?;
        refuse_non_empty(&root)?;
        let backend = Self::open(&root)?;
        for directory in root.ancestors().skip(1).take_while(|path| path.starts_with(&first_kept)) {
            backend.inner.ledger.owe(directory);
        }
        backend.sync(&[])?;
        Ok(backend)
    }

    /// Returns a backend on the directory `root`, which must exist. Nothing is written, so a read-only storage will do.
    ///
    /// # Errors
    ///
    /// [`BackendError::RootMissing`], [`BackendError::RootNotADirectory`], or what the system says.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, BackendError> {
        Self::open_with(root, &LocalOptions::default())
    }

    /// As [`LocalBackend::open`], for a storage of which something is known.
    ///
    /// # Errors
    ///
    /// As [`LocalBackend::open`].
    pub fn open_with(root: impl AsRef<Path>, options: &LocalOptions) -> Result<Self, BackendError> {
        Self::open_on(root.as_ref(), options, System::real())
    }

    fn open_on(root: &Path, options: &LocalOptions, system: System) -> Result<Self, BackendError> {
        let root = absolute(root)?;
        let metadata = fs::metadata(&root).map_err(|source| root_error("open", &root, source))?;
        if !metadata.is_dir() {
            return Err(BackendError::RootNotADirectory { path: root });
        }
        let strategy_index = AtomicU8::new(publish::index_of(options.first_strategy));
        Ok(Self {
            inner: Arc::new(Inner {
                root,
                system,
                ledger: SyncLedger::default(),
                read_memory: ReadMemory::default(),
                strategy_index,
            }),
        })
    }

    /// Returns the root directory, absolute.
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// Returns the strongest way of publishing that the storage has not refused so far.
    pub fn publish_strategy(&self) -> PublishStrategy {
        publish::strategy_at(self.inner.strategy_index.load(Ordering::Relaxed))
    }
}

impl Inner {
    fn path_of(&self, key: &ObjectKey) -> PathBuf {
        self.root.join(key.as_str())
    }

    fn tmp_directory(&self) -> PathBuf {
        self.root.join(RESERVED_SEGMENT)
    }

    fn location(&self) -> String {
        self.root.display().to_string()
    }

    /// The directories whose entries lead to the object, from its own up to the root.
    fn directories_of<'p>(&self, object_path: &'p Path) -> impl Iterator<Item = &'p Path> {
        object_path.ancestors().skip(1).take_while(|path| path.starts_with(&self.root))
    }

    /// A missing object and a missing root look alike to the system, but not to the caller: an unmounted disk is no empty
    /// repository.
    fn not_found(&self, key: &ObjectKey) -> BackendError {
        match self.require_root() {
            Err(error) => error,
            Ok(()) => BackendError::NotFound { key: key.clone(), location: self.location() },
        }
    }

    fn require_root(&self) -> Result<(), BackendError> {
        match fs::metadata(&self.root) {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(_) => Err(BackendError::RootNotADirectory { path: self.root.clone() }),
            Err(source) => Err(root_error("open", &self.root, source)),
        }
    }
}

fn absolute(root: &Path) -> Result<PathBuf, BackendError> {
    std::path::absolute(root).map_err(|source| io_error("open", root, source))
}

fn refuse_non_empty(root: &Path) -> Result<(), BackendError> {
    let entries = fs::read_dir(root).map_err(|source| io_error("list", root, source))?;
    for entry in entries {
        let name = entry.map_err(|source| io_error("list", root, source))?.file_name();
        if name != "lost+found" && name != RESERVED_SEGMENT {
            return Err(BackendError::RootNotEmpty { path: root.to_path_buf() });
        }
    }
    Ok(())
}

fn root_error(action: &'static str, root: &Path, source: io::Error) -> BackendError {
    match source.kind() {
        io::ErrorKind::NotFound => BackendError::RootMissing { path: root.to_path_buf() },
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            BackendError::RootNotADirectory { path: root.to_path_buf() }
        }
        _ => io_error(action, root, source),
    }
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> BackendError {
    BackendError::Io { action, path: path.to_path_buf(), source }
}

impl Backend for LocalBackend {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn get(&self, key: &ObjectKey, bytes_max: u64) -> Result<Bytes, BackendError> {
        self.inner.read_whole(key, bytes_max)
    }

    fn get_range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, BackendError> {
        self.inner.read_range(key, range)
    }

    fn get_suffix(&self, key: &ObjectKey, suffix_bytes: u64) -> Result<ObjectSuffix, BackendError> {
        self.inner.read_suffix(key, suffix_bytes)
    }

    fn stat(&self, key: &ObjectKey) -> Result<ObjectMeta, BackendError> {
        self.inner.stat_object(key)
    }

    fn put(&self, key: &ObjectKey, parts: &[Bytes]) -> Result<(), BackendError> {
        let mut temp = TempFile::create(&self.inner)?;
        for part in parts {
            temp.write(part)?;
        }
        temp.replace(key)
    }

    fn begin(&self) -> Result<Box<dyn ObjectWriter>, BackendError> {
        Ok(Box::new(TempFile::create(&self.inner)?))
    }

    fn list(
        &self,
        prefix: &KeyPrefix,
        after: Option<&ObjectKey>,
        page_objects_max: NonZeroUsize,
    ) -> Result<ListPage, BackendError> {
        self.inner.list_page(prefix, after, page_objects_max)
    }

    fn delete(&self, key: &ObjectKey) -> Result<(), BackendError> {
        self.inner.delete_object(key)
    }

    fn sync(&self, keys: &[ObjectKey]) -> Result<(), BackendError> {
        self.inner.sync_entries(keys)
    }

    fn durability(&self) -> Durability {
        self.inner.ledger.durability()
    }

    fn free_space(&self) -> Result<Option<u64>, BackendError> {
        file_system::free_bytes(&self.inner.root).map(Some)
    }

    fn probe(&self) -> Result<StorageProbe, BackendError> {
        self.inner.probe_storage()
    }

    fn clean_unfinished(&self, older_than: Duration) -> Result<CleanStats, BackendError> {
        self.inner.clean_debris(older_than)
    }
}
