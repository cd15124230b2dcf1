//! What the next `sync` has to make durable.
//!
//! Invariants:
//! - A directory is owed from when an entry in it changed, noted before the call that changed it returns, until an `fsync`
//!   that began after the note has returned. To note it earlier would be wrong: a barrier of another thread could settle the
//!   debt before it was made.
//! - One barrier runs at a time. A second caller waits for the first, because the first may have taken over what the second
//!   one owes.
//! - An `fsync` that failed is final: the kernel reports a lost write once and then forgets it (Linux, `fsync(2)`, NOTES), so no
//!   later barrier of this value succeeds.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::system::{self, System};
use super::{Inner, io_error};
use crate::{BackendError, Durability, ObjectKey};

/// The directories that were changed since they were last made durable.
///
/// At most one path per directory of the repository: 256 for packs, and one for each backup written since the last barrier.
#[derive(Debug, Default)]
pub(super) struct SyncLedger {
    owed: Mutex<BTreeSet<PathBuf>>,
    /// Held by the barrier that runs.
    turn: Mutex<Option<LostWrite>>,
    entries_refused: AtomicBool,
    contents_refused: AtomicBool,
}

/// An `fsync` that failed.
#[derive(Debug, Clone)]
struct LostWrite {
    path: PathBuf,
    os_error: Option<i32>,
}

impl SyncLedger {
    /// Notes that entries of `directory` changed.
    pub(super) fn owe(&self, directory: &Path) {
        let mut owed = unpoisoned(&self.owed);
        if !owed.contains(directory) {
            owed.insert(directory.to_path_buf());
        }
    }

    pub(super) fn note_contents_refused(&self) {
        self.contents_refused.store(true, Ordering::Relaxed);
    }

    pub(super) fn note_entries_refused(&self) {
        self.entries_refused.store(true, Ordering::Relaxed);
    }

    pub(super) fn durability(&self) -> Durability {
        if self.contents_refused.load(Ordering::Relaxed) {
            Durability::BestEffort
        } else if self.entries_refused.load(Ordering::Relaxed) {
            Durability::ContentsOnly
        } else {
            Durability::Full
        }
    }

    /// Makes the entries of all owed directories durable.
    fn settle(&self, system: &System) -> Result<(), BackendError> {
        let mut turn = unpoisoned(&self.turn);
        if let Some(lost) = &*turn {
            return Err(lost.to_error());
        }
        let batch = std::mem::take(&mut *unpoisoned(&self.owed));
        for (done_count, directory) in batch.iter().enumerate() {
            let Err(failure) = self.settle_one(system, directory) else {
                continue;
            };
            unpoisoned(&self.owed).extend(batch.iter().skip(done_count).cloned());
            return Err(match failure {
                Failure::NotOpened(source) => io_error("open for sync", directory, source),
                Failure::NotSynced(source) => {
                    let lost = LostWrite { path: directory.clone(), os_error: source.raw_os_error() };
                    *turn = Some(lost);
                    io_error("make durable", directory, source)
                }
            });
        }
        Ok(())
    }

    fn settle_one(&self, system: &System, directory: &Path) -> Result<(), Failure> {
        let file = match open_directory(directory) {
            Ok(file) => file,
            // Removed since, with all that was in it. That it is gone is an entry of its parent, which is owed too.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if system::is_sync_refusal(&error) => {
                self.note_entries_refused();
                return Ok(());
            }
            Err(error) => return Err(Failure::NotOpened(error)),
        };
        match (system.sync_directory)(&file) {
            Ok(()) => Ok(()),
            Err(error) if system::is_sync_refusal(&error) => {
                self.note_entries_refused();
                Ok(())
            }
            Err(error) => Err(Failure::NotSynced(error)),
        }
    }
}

enum Failure {
    NotOpened(io::Error),
    NotSynced(io::Error),
}

impl LostWrite {
    fn to_error(&self) -> BackendError {
        let source =
            self.os_error.map_or_else(|| io::Error::other("an earlier sync failed"), io::Error::from_raw_os_error);
        io_error("make durable", &self.path, source)
    }
}

impl Inner {
    /// See [`Backend::sync`](crate::Backend::sync). The contents of named objects need nothing: they were made durable before they
    /// got their names.
    pub(super) fn sync_entries(&self, keys: &[ObjectKey]) -> Result<(), BackendError> {
        for key in keys {
            self.stat_object(key)?;
        }
        for key in keys {
            self.owe_entries(&self.path_of(key));
        }
        self.ledger.settle(&self.system)?;
        // Without a root nothing was there to settle.
        self.require_root()
    }

    /// Notes that the names on the way to an object may not be durable.
    pub(super) fn owe_entries(&self, object_path: &Path) {
        for directory in self.directories_of(object_path) {
            self.ledger.owe(directory);
        }
    }
}

pub(super) fn open_directory(directory: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::DIRECTORY.bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(directory)
}

/// The sets behind these locks are whole between any two statements, so a panic elsewhere does not spoil them.
pub(super) fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
