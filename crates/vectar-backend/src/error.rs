//! What can be wrong with an object or with the storage it lies on.

use std::error::Error;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use thiserror::Error;

use crate::{KeyError, ObjectKey};

/// What the caller should do about a [`BackendError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackendErrorKind {
    /// The storage stumbled (a stale handle, a time-out); the same call may succeed after a pause.
    Retry,
    /// The object, or the whole root directory, does not exist.
    NotFound,
    /// Something is there that was expected not to be.
    AlreadyExists,
    /// The storage is full or a quota is used up.
    NoSpace,
    /// The storage refuses this user, or refuses to be written at all.
    Permission,
    /// The storage, or this backend, cannot do what was asked.
    Unsupported,
    /// The object is not what it should be: shorter than asked for, longer than allowed, or not a plain file.
    Corrupt,
    /// The device or the server failed for good; nothing that was in flight may be believed.
    StorageFailed,
    /// The caller asked for something that makes no sense. That is a defect of this program.
    Bug,
}

/// Why a call to a [`Backend`](crate::Backend) failed.
///
/// Every variant names the object or the path. Unless a method says otherwise, a failed call changed nothing that is visible
/// under any key.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackendError {
    /// No object has this key.
    #[error("object {key} does not exist in {location}")]
    NotFound {
        /// The key asked for.
        key: ObjectKey,
        /// Where it was looked for.
        location: String,
    },
    /// The root directory itself is missing, as when a disk is not mounted.
    #[error("the directory {} does not exist", path.display())]
    RootMissing {
        /// The root directory.
        path: PathBuf,
    },
    /// The root is there but is no directory.
    #[error("{} is not a directory", path.display())]
    RootNotADirectory {
        /// The root.
        path: PathBuf,
    },
    /// The root was to be created, but there are files in it already.
    #[error("the directory {} is not empty", path.display())]
    RootNotEmpty {
        /// The root directory.
        path: PathBuf,
    },
    /// The range ends behind the end of the object, which is therefore shorter than the caller had reason to believe.
    #[error("object {key} in {location} has {object_bytes} bytes, but bytes {}..{} were asked for", range.start, range.end)]
    RangeOutside {
        /// The key asked for.
        key: ObjectKey,
        /// Where it lies.
        location: String,
        /// The range asked for, end exclusive.
        range: Range<u64>,
        /// How long the object is.
        object_bytes: u64,
    },
    /// The range starts behind its own end.
    #[error("the range {}..{} asked of object {key} runs backwards", range.start, range.end)]
    RangeBackwards {
        /// The key asked for.
        key: ObjectKey,
        /// The range asked for.
        range: Range<u64>,
    },
    /// A whole object was asked for, and it is longer than the caller said it may be.
    #[error("object {key} in {location} has {object_bytes} bytes, at most {bytes_max} were expected")]
    TooLong {
        /// The key asked for.
        key: ObjectKey,
        /// Where it lies.
        location: String,
        /// How long the object is.
        object_bytes: u64,
        /// The longest length the caller accepts.
        bytes_max: u64,
    },
    /// An object has another length than the one written, or ended while it was read.
    #[error("object {key} in {location} has {found_bytes} bytes, expected {expected_bytes}")]
    LengthWrong {
        /// The key.
        key: ObjectKey,
        /// Where it lies.
        location: String,
        /// The length it should have.
        expected_bytes: u64,
        /// The length it has.
        found_bytes: u64,
    },
    /// A directory, symbolic link or device lies where an object should.
    #[error("{} is {found}, not a plain file", path.display())]
    NotAPlainFile {
        /// The path.
        path: PathBuf,
        /// What is there, with its article: "a directory", "a symbolic link".
        found: &'static str,
    },
    /// The key is not allowed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, as a verb: "read", "publish".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A storage that is not a file system refused, or a rule of this interface was broken behind it.
    #[error("cannot {action} in {location}")]
    Storage {
        /// What was tried, with its object: "list packs", "put packs/ab/ab12".
        action: String,
        /// Where.
        location: String,
        /// What the caller should do.
        kind: BackendErrorKind,
        /// What the storage said.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl BackendError {
    /// Says what the caller should do.
    pub fn kind(&self) -> BackendErrorKind {
        match self {
            Self::NotFound { .. } | Self::RootMissing { .. } => BackendErrorKind::NotFound,
            Self::RootNotEmpty { .. } => BackendErrorKind::AlreadyExists,
            Self::RootNotADirectory { .. } => BackendErrorKind::Unsupported,
            Self::RangeOutside { .. }
            | Self::TooLong { .. }
            | Self::LengthWrong { .. }
            | Self::NotAPlainFile { .. } => BackendErrorKind::Corrupt,
            Self::RangeBackwards { .. } | Self::Key(_) => BackendErrorKind::Bug,
            Self::Io { source, .. } => kind_of_io(source),
            Self::Storage { kind, .. } => *kind,
        }
    }

    /// Says whether this means that one object is absent, as opposed to the whole storage.
    pub fn is_object_missing(&self) -> bool {
        matches!(self, Self::NotFound { .. }) || matches!(self, Self::Storage { kind: BackendErrorKind::NotFound, .. })
    }
}

/// Errors of a file system by what to do about them; `errno` names are those of POSIX.1-2024, `<errno.h>`.
fn kind_of_io(error: &io::Error) -> BackendErrorKind {
    use io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => BackendErrorKind::NotFound,
        ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty => BackendErrorKind::AlreadyExists,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => BackendErrorKind::NoSpace,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => BackendErrorKind::Permission,
        // A directory where an object should be, or the reverse: a key that is the prefix of another.
        ErrorKind::NotADirectory | ErrorKind::IsADirectory => BackendErrorKind::Unsupported,
        ErrorKind::Unsupported | ErrorKind::CrossesDevices | ErrorKind::FileTooLarge => BackendErrorKind::Unsupported,
        ErrorKind::UnexpectedEof => BackendErrorKind::Corrupt,
        // EAGAIN, ESTALE, EBUSY and ENOMEM pass; EMFILE and ENFILE have no kind in std.
        ErrorKind::Interrupted
        | ErrorKind::WouldBlock
        | ErrorKind::TimedOut
        | ErrorKind::StaleNetworkFileHandle
        | ErrorKind::ResourceBusy
        | ErrorKind::OutOfMemory
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown => BackendErrorKind::Retry,
        _ => match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => BackendErrorKind::Retry,
            _ => BackendErrorKind::StorageFailed,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    fn kind_of(errno: Errno) -> BackendErrorKind {
        BackendError::Io { action: "write", path: PathBuf::from("x"), source: errno.into() }.kind()
    }

    #[test]
    fn system_errors_have_the_kind_the_caller_needs() {
        for (errno, kind) in [
            (Errno::NOSPC, BackendErrorKind::NoSpace),
            (Errno::DQUOT, BackendErrorKind::NoSpace),
            (Errno::ACCESS, BackendErrorKind::Permission),
            (Errno::PERM, BackendErrorKind::Permission),
            (Errno::ROFS, BackendErrorKind::Permission),
            (Errno::NOENT, BackendErrorKind::NotFound),
            (Errno::EXIST, BackendErrorKind::AlreadyExists),
            (Errno::STALE, BackendErrorKind::Retry),
            (Errno::MFILE, BackendErrorKind::Retry),
            (Errno::OPNOTSUPP, BackendErrorKind::Unsupported),
            (Errno::IO, BackendErrorKind::StorageFailed),
        ] {
            assert_eq!(kind_of(errno), kind, "{errno}");
        }
    }

    #[test]
    fn messages_name_the_object_and_both_lengths() {
        let key = ObjectKey::parse("packs/ab/ab12").unwrap();
        let error = BackendError::RangeOutside { key, location: "/backup".into(), range: 10..20, object_bytes: 15 };
        assert_eq!(error.to_string(), "object packs/ab/ab12 in /backup has 15 bytes, but bytes 10..20 were asked for");
    }
}
