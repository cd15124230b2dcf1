//! Tries what the storage can do, with files in `tmp/`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::file_system::{FileSystem, file_system_of, free_bytes, is_on_root_device};
use super::ledger::open_directory;
use super::temp::{FILE_MODE, create_private};
use super::{DIRECTORY_MODE, Inner, io_error};
use crate::{BackendError, Durability, PublishStrategy, StorageProbe};

/// What is written into the files: three parts that differ, so that a read at the wrong place shows.
const CONTENTS: &[u8] = b"first|middle|last";

/// A file in `tmp/` to try things with. It goes when dropped, with the other names it may have got.
struct Trial<'i> {
    inner: &'i Inner,
    path: PathBuf,
    file: File,
}

impl<'i> Trial<'i> {
    fn new(inner: &'i Inner) -> Result<Self, BackendError> {
        let (path, file) = inner.create_in_tmp()?;
        let mut trial = Self { inner, path, file };
        trial.file.write_all(CONTENTS).map_err(|source| io_error("write", &trial.path, source))?;
        Ok(trial)
    }

    /// Another name for the file, not in use: its own with `suffix`.
    fn other_name(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(suffix);
        PathBuf::from(name)
    }
}

const OTHER_SUFFIXES: [&str; 3] = ["-a", "-A", "-b"];

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        for suffix in OTHER_SUFFIXES {
            let _ = fs::remove_file(self.other_name(suffix));
        }
    }
}

impl Inner {
    pub(super) fn probe_storage(&self) -> Result<StorageProbe, BackendError> {
        // Shows whether the storage can be written at all; and `tmp/` is there from now on.
        let trial = Trial::new(self)?;
        let file_system = file_system_of(&self.root)?;
        let hard_links = tries_hard_link(&trial);
        let file_sync = (self.system.sync_file)(&trial.file).is_ok();
        let directory_sync =
            open_directory(&self.tmp_directory()).and_then(|it| (self.system.sync_directory)(&it)).is_ok();
        let private_modes = keeps_private_modes(&trial);
        let ranged_reads = reads_ranges(&trial);
        let listing_fresh = lists_freshly(&trial);
        drop(trial);
        let rename_no_replace = tries_rename_no_replace(&Trial::new(self)?)?;
        let (rename_replaces, length_kept) = tries_rename(&Trial::new(self)?);
        let (exclusive_create, case_sensitive) = tries_exclusive_create(&Trial::new(self)?);
        let publish_strategy = match (hard_links, rename_no_replace) {
            (true, _) => PublishStrategy::HardLink,
            (false, true) => PublishStrategy::RenameNoReplace,
            (false, false) => PublishStrategy::Claim,
        };
        Ok(StorageProbe {
            durability: durability_of(&file_system, file_sync, directory_sync),
            file_system: file_system.name,
            is_network: file_system.is_network,
            on_root_device: is_on_root_device(&self.root),
            rename_replaces,
            rename_no_replace,
            hard_links,
            exclusive_create,
            file_sync,
            directory_sync,
            ranged_reads,
            case_sensitive,
            listing_fresh,
            length_kept,
            private_modes,
            free_bytes: free_bytes(&self.root).ok(),
            publish_strategy: Some(publish_strategy),
        })
    }
}

fn durability_of(file_system: &FileSystem, file_sync: bool, directory_sync: bool) -> Durability {
    match (file_system.is_memory, file_sync, directory_sync) {
        (true, _, _) => Durability::Volatile,
        (false, false, _) => Durability::BestEffort,
        (false, true, false) => Durability::ContentsOnly,
        (false, true, true) => Durability::Full,
    }
}

/// A second name works, and a third on a taken name does not.
fn tries_hard_link(trial: &Trial<'_>) -> bool {
    let other = trial.other_name("-a");
    let link = trial.inner.system.link;
    let linked = link(&trial.path, &other).is_ok() && has_contents(&other);
    linked && is_taken(&link(&trial.path, &other))
}

/// A taken name is refused, a free one is given.
fn tries_rename_no_replace(trial: &Trial<'_>) -> Result<bool, BackendError> {
    let (taken, free) = (trial.other_name("-a"), trial.other_name("-b"));
    create_private(&taken).map_err(|source| io_error("create", &taken, source))?;
    let rename = trial.inner.system.rename_no_replace;
    Ok(is_taken(&rename(&trial.path, &taken)) && rename(&trial.path, &free).is_ok() && has_contents(&free))
}

/// Returns whether a name can be replaced, and whether the file kept its length in that.
fn tries_rename(trial: &Trial<'_>) -> (bool, bool) {
    let other = trial.other_name("-a");
    if create_private(&other).is_err() {
        return (false, false);
    }
    let replaced = fs::rename(&trial.path, &other).is_ok() && !trial.path.exists();
    (replaced, replaced && has_contents(&other))
}

/// Returns whether a name is given once only, and whether its twin in upper case is another name.
fn tries_exclusive_create(trial: &Trial<'_>) -> (bool, bool) {
    let (lower, upper) = (trial.other_name("-a"), trial.other_name("-A"));
    let exclusive = create_private(&lower).is_ok() && is_taken(&create_private(&lower));
    (exclusive, create_private(&upper).is_ok())
}

fn keeps_private_modes(trial: &Trial<'_>) -> bool {
    let mode_of = |path: &Path| fs::metadata(path).map(|metadata| metadata.permissions().mode() & 0o777);
    let directory = trial.inner.tmp_directory();
    mode_of(&trial.path).is_ok_and(|mode| mode == FILE_MODE)
        && mode_of(&directory).is_ok_and(|mode| mode == DIRECTORY_MODE)
}

fn reads_ranges(trial: &Trial<'_>) -> bool {
    let mut middle = [0; 6];
    trial.file.read_exact_at(&mut middle, 6).is_ok() && &middle == b"middle"
}

/// A new name is in the next listing and a removed one is not.
fn lists_freshly(trial: &Trial<'_>) -> bool {
    let other = trial.other_name("-b");
    let is_listed = || -> io::Result<bool> {
        for entry in fs::read_dir(trial.inner.tmp_directory())? {
            if entry?.path() == other {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let before = is_listed();
    let created = create_private(&other).and_then(|_| is_listed());
    let removed = fs::remove_file(&other).and_then(|()| is_listed());
    matches!((before, created, removed), (Ok(false), Ok(true), Ok(false)))
}

fn has_contents(path: &Path) -> bool {
    let contents = fs::read(path);
    contents.is_ok_and(|bytes| bytes == CONTENTS)
}

fn is_taken<T>(result: &io::Result<T>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists)
}
