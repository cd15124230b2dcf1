//! A snapshot file: read at any offset, and watched for changes.
//!
//! Read with `pread` and never mapped: a snapshot that is cut short while it is read must be an error message, and a mapped one would
//! be a SIGBUS.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use vectar_tar::ReadAt;

use crate::{error::Error, observer::CancelToken};

/// Bytes read at once when a whole file is hashed.
const HASH_WINDOW_BYTES: usize = 1024 * 1024;

/// An open snapshot file. Its length and times are those of the moment it was opened; [`check_unchanged`](Self::check_unchanged)
/// compares.
#[derive(Debug)]
pub struct SnapshotFile {
    file: File,
    path: PathBuf,
    state: FileState,
}

/// What tells that a file was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileState {
    len: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
    pub(super) inode: (u64, u64),
}

impl SnapshotFile {
    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// [`Error::Source`].
    #[expect(clippy::disallowed_methods, reason = "a named source module of the engine")]
    pub fn open(path: &Path) -> Result<Self, Error> {
        let failed = |action| move |source| Error::Source { action, path: path.to_owned(), source };
        let refuse_others = |metadata: &Metadata| match metadata.is_file() {
            true => Ok(()),
            false => Err(failed("read")(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))),
        };
        // Opening a pipe would wait for somebody to write to it.
        refuse_others(&std::fs::metadata(path).map_err(failed("open"))?)?;
        let file = File::open(path).map_err(failed("open"))?;
        let metadata = file.metadata().map_err(failed("look at"))?;
        refuse_others(&metadata)?;
        Ok(Self { file, path: path.to_owned(), state: FileState::of(&metadata) })
    }

    /// Its path as given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its file name.
    #[must_use]
    pub fn name(&self) -> String {
        self.path
            .file_name()
            .map_or_else(|| self.path.display().to_string(), |name| name.to_string_lossy().into_owned())
    }

    /// Last modification, seconds since 1970.
    #[must_use]
    pub fn mtime_seconds(&self) -> i64 {
        self.state.mtime.0
    }

    /// Reads the next part of the file at `offset` into `buffer`, as much as fits.
    ///
    /// # Errors
    /// [`Error::Source`]; [`Error::SourceChanged`] when the file ends before the length it was opened with.
    pub fn read_window(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        let wanted = usize::try_from(self.state.len - offset).map_or(buffer.len(), |rest| rest.min(buffer.len()));
        let mut filled = 0;
        while filled < wanted {
            match self.file.read_at(&mut buffer[filled..wanted], offset + filled as u64) {
                Ok(0) => {
                    let found = offset + filled as u64;
                    let change = format!("it had {} bytes and now ends at {found}", self.state.len);
                    return Err(Error::SourceChanged { path: self.path.clone(), change });
                }
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::Source { action: "read", path: self.path.clone(), source }),
            }
        }
        Ok(wanted)
    }

    /// Compares length, times and identity with what they were when the file was opened.
    ///
    /// # Errors
    /// [`Error::SourceChanged`] says what differs.
    pub fn check_unchanged(&self) -> Result<(), Error> {
        let metadata = self.file.metadata().map_err(|source| Error::Source {
            action: "look at",
            path: self.path.clone(),
            source,
        })?;
        let now = FileState::of(&metadata);
        if now == self.state {
            return Ok(());
        }
        let change = if now.len != self.state.len {
            format!("it had {} bytes and now has {}", self.state.len, now.len)
        } else if now.mtime != self.state.mtime {
            "its modification time moved".to_owned()
        } else {
            "its change time moved: it was written to, renamed or removed".to_owned()
        };
        Err(Error::SourceChanged { path: self.path.clone(), change })
    }

    /// SHA-256 of the whole file.
    ///
    /// # Errors
    /// As [`read_window`](Self::read_window) and [`check_unchanged`](Self::check_unchanged); [`Error::Cancelled`].
    pub fn sha256(&self, cancel: &CancelToken) -> Result<[u8; 32], Error> {
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; HASH_WINDOW_BYTES];
        let mut offset = 0;
        while offset < self.state.len {
            cancel.check()?;
            let count = self.read_window(offset, &mut buffer)?;
            hasher.update(&buffer[..count]);
            offset += count as u64;
        }
        self.check_unchanged()?;
        Ok(hasher.finalize().into())
    }
}

impl ReadAt for SnapshotFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn len(&self) -> u64 {
        self.state.len
    }
}

impl FileState {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            len: metadata.len(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
            inode: (metadata.dev(), metadata.ino()),
        }
    }
}
