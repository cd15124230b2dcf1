//! The few system calls that storages refuse in ways worth testing, behind function pointers.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::io::Errno;

/// Calls that a file system may refuse. Tests put refusing ones in their place.
#[derive(Debug, Clone, Copy)]
pub(super) struct System {
    /// Gives the file `from` the second name `to`; `EEXIST` if that is taken.
    pub(super) link: fn(from: &Path, to: &Path) -> io::Result<()>,
    /// Renames `from` to `to` unless that is taken, which is `EEXIST`.
    pub(super) rename_no_replace: fn(from: &Path, to: &Path) -> io::Result<()>,
    /// Makes the entries of an open directory durable.
    pub(super) sync_directory: fn(&File) -> io::Result<()>,
    /// Makes the contents of an open file durable.
    pub(super) sync_file: fn(&File) -> io::Result<()>,
}

impl System {
    pub(super) fn real() -> Self {
        Self {
            link: |from, to| retry_interrupted(|| std::fs::hard_link(from, to)),
            rename_no_replace,
            sync_directory: |directory| retry_interrupted(|| directory.sync_all()),
            sync_file: |file| retry_interrupted(|| file.sync_all()),
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    rustix::io::retry_on_intr(|| renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE))?;
    Ok(())
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_no_replace(_from: &Path, _to: &Path) -> io::Result<()> {
    Err(Errno::NOSYS.into())
}

/// Repeats a call that a signal cut short. Network file systems mounted `intr` return `EINTR` from calls that POSIX does not list
/// it for.
pub(super) fn retry_interrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Says whether the storage does not know the call, as opposed to having failed at it.
///
/// `EPERM` is how FAT answers `link`, `EINVAL` how NFS answers rename flags, `ENOSYS` how FUSE daemons answer what they lack.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    is_one_of(
        error,
        &[
            Errno::PERM,
            Errno::ACCESS,
            Errno::INVAL,
            Errno::NOSYS,
            Errno::OPNOTSUPP,
            Errno::NOTSUP,
            Errno::XDEV,
            Errno::MLINK,
        ],
    )
}

/// Says whether the storage refuses to make something durable, as opposed to having lost it.
///
/// `EINVAL` is POSIX's word for a file that does not support synchronisation, `EACCES` and `EBADF` are what SMB servers give for a
/// directory.
pub(super) fn is_sync_refusal(error: &io::Error) -> bool {
    is_one_of(
        error,
        &[
            Errno::INVAL,
            Errno::NOSYS,
            Errno::OPNOTSUPP,
            Errno::NOTSUP,
            Errno::ACCESS,
            Errno::PERM,
            Errno::BADF,
            Errno::ISDIR,
        ],
    )
}

fn is_one_of(error: &io::Error, refusals: &[Errno]) -> bool {
    error.raw_os_error().is_some_and(|code| refusals.contains(&Errno::from_raw_os_error(code)))
}
