//! Files that are written and have no key yet.
//!
//! A name in `tmp/` is `host-pid-number`: enough for another process to tell whether the writer may still live. Names are taken
//! with `O_EXCL`, so two writers never share one, not even two machines of the same name.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use super::ledger::unpoisoned;
use super::{DIRECTORY_MODE, Inner, io_error};
use crate::{BackendError, ObjectKey, ObjectWriter, PutOutcome};

/// Read and write for the owner alone.
pub(super) const FILE_MODE: u32 = 0o600;

/// How many names are tried before giving up. A name is taken only by debris of a process that had the same id on a host of the
/// same name, as the first process of a container has; so many of them would have been noticed.
const NAME_ATTEMPTS_MAX: u32 = 100_000;

/// How often `tmp/` is made anew while somebody removes it.
const DIRECTORY_ATTEMPTS_MAX: u32 = 16;

/// Part of the host's name in a file name, in bytes.
const HOST_BYTES_MAX: usize = 32;

static NAME_COUNTER: AtomicU64 = AtomicU64::new(0);

/// The files that writers of this process hold, so that cleaning spares them whatever their age.
static LIVE_FILES: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

static HOST: LazyLock<String> = LazyLock::new(|| {
    let host = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    let plain: String = host.chars().filter(char::is_ascii_alphanumeric).take(HOST_BYTES_MAX).collect();
    if plain.is_empty() { "host".to_owned() } else { plain }
});

/// A file in `tmp/` that removes itself unless it was published.
#[derive(Debug)]
pub(super) struct TempFile {
    pub(super) inner: Arc<Inner>,
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) written_bytes: u64,
}

impl TempFile {
    pub(super) fn create(inner: &Arc<Inner>) -> Result<Self, BackendError> {
        let (path, file) = inner.create_in_tmp()?;
        unpoisoned(&LIVE_FILES).insert(path.clone());
        Ok(Self { inner: Arc::clone(inner), path, file, written_bytes: 0 })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), BackendError> {
        self.file.write_all(bytes).map_err(|source| io_error("write", &self.path, source))?;
        self.written_bytes += bytes.len() as u64;
        Ok(())
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        // What cannot be removed now is debris, which is found by age. After a rename the name is gone already.
        let _ = fs::remove_file(&self.path);
        unpoisoned(&LIVE_FILES).remove(&self.path);
    }
}

impl ObjectWriter for TempFile {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BackendError> {
        TempFile::write(self, bytes)
    }

    fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    fn publish(self: Box<Self>, key: &ObjectKey) -> Result<PutOutcome, BackendError> {
        TempFile::publish(*self, key)
    }
}

impl Inner {
    /// Makes a new, empty, private file in `tmp/`, and `tmp/` if need be.
    pub(super) fn create_in_tmp(&self) -> Result<(PathBuf, File), BackendError> {
        let directory = self.tmp_directory();
        let mut directory_attempts = 0;
        for _ in 0..NAME_ATTEMPTS_MAX {
            let path = directory.join(next_name());
            match create_private(&path) {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound && directory_attempts < DIRECTORY_ATTEMPTS_MAX =>
                {
                    directory_attempts += 1;
                    self.require_root()?;
                    create_directory(&directory)?;
                }
                Err(error) => return Err(io_error("create", &path, error)),
            }
        }
        let source = io::Error::new(io::ErrorKind::AlreadyExists, "too many unfinished files of earlier processes");
        Err(io_error("create a file in", &directory, source))
    }
}

/// Creates the file, which must not exist.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(path)
}

/// Makes one private directory unless it is there. Its parent must exist.
pub(super) fn create_directory(path: &Path) -> Result<(), BackendError> {
    match fs::DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(io_error("create the directory", path, error))
        }
        _ => Ok(()),
    }
}

fn next_name() -> String {
    let number = NAME_COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{}-{}-{number}", *HOST, std::process::id())
}

/// Who made a file in `tmp/`, as far as its name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TempOwner {
    /// A process of this machine that lives and writes the file, or may.
    Alive,
    /// A process that has ended, or one that cannot be asked from here.
    GoneOrUnknown,
}

/// Says whether a live process of this machine may still write the file `name` in `directory`.
pub(super) fn owner_of(directory: &Path, name: &str) -> TempOwner {
    let Some(pid) = pid_on_this_host(name) else {
        return TempOwner::GoneOrUnknown;
    };
    let alive = if pid == std::process::id().cast_signed() {
        // An earlier process may have had the same id, so the id alone proves nothing.
        unpoisoned(&LIVE_FILES).contains(&directory.join(name))
    } else {
        is_alive(pid)
    };
    if alive { TempOwner::Alive } else { TempOwner::GoneOrUnknown }
}

fn pid_on_this_host(name: &str) -> Option<i32> {
    let mut parts = name.rsplitn(3, '-');
    let _number: u64 = parts.next()?.parse().ok()?;
    let pid: i32 = parts.next()?.parse().ok()?;
    (parts.next()? == *HOST).then_some(pid)
}

fn is_alive(pid: i32) -> bool {
    // Zero and negative numbers name process groups.
    if pid <= 0 {
        return false;
    }
    let Some(pid) = rustix::process::Pid::from_raw(pid) else {
        return false;
    };
    // A refused signal (`EPERM`) reached somebody.
    !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_are_understood() {
        let name = next_name();
        assert_eq!(pid_on_this_host(&name), Some(std::process::id().cast_signed()));
    }

    #[test]
    fn foreign_and_hostile_names_have_no_owner() {
        let negative = format!("{}--1-0", *HOST);
        for name in ["", "-", "--", "x", "elsewhere-1-1", "99999999999999999999-1", &negative] {
            assert_eq!(owner_of(Path::new("/"), name), TempOwner::GoneOrUnknown, "{name:?}");
        }
    }

    #[test]
    fn parent_process_counts_as_alive() {
        let pid = std::os::unix::process::parent_id();
        assert_eq!(owner_of(Path::new("/"), &format!("{}-{pid}-0", *HOST)), TempOwner::Alive);
    }
}
