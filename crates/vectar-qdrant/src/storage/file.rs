//! The files of a segment or shard, and bounded reads from them.

use std::{fmt, io};

use vectar_tar::ReadAt;

use crate::error::QdrantError;

/// The files of one owner (segment, shard or collection) by their path below it, holes expanded.
pub trait StorageFiles: Sync {
    /// Opens a file; `None` when the snapshot has none of this path, or only a part of it.
    fn open(&self, path: &str) -> Option<StoredFile<'_>>;

    /// The paths of all files whose path begins with `prefix`, sorted.
    fn list(&self, prefix: &str) -> Vec<String>;
}

/// One file of an owner.
pub struct StoredFile<'f> {
    path: String,
    source: Box<dyn ReadAt + Send + Sync + 'f>,
}

impl fmt::Debug for StoredFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredFile").field("path", &self.path).field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<'f> StoredFile<'f> {
    /// A file of the name `path` (below its owner) with the bytes of `source`.
    pub fn new(path: &str, source: impl ReadAt + Send + Sync + 'f) -> Self {
        Self { path: path.to_owned(), source: Box::new(source) }
    }

    /// Path below the owner.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Length in bytes, holes included.
    pub fn len(&self) -> u64 {
        self.source.len()
    }

    /// Whether the file has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buf` with the bytes from `offset`.
    ///
    /// # Errors
    /// [`QdrantError::FileDamaged`] when the file ends before; [`QdrantError::FileUnreadable`] when the source fails.
    pub fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), QdrantError> {
        if offset.checked_add(buf.len() as u64).is_none_or(|end| end > self.len()) {
            let what = format!("{} bytes are expected there, and the file has {}", buf.len(), self.len());
            return Err(self.damaged(offset, what));
        }
        let mut filled = 0;
        while filled < buf.len() {
            match self.source.read_at(offset + filled as u64, &mut buf[filled..]) {
                Ok(0) => return Err(self.unreadable(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.unreadable(error)),
            }
        }
        Ok(())
    }

    /// Reads the whole file, if it is no longer than `bytes_max`.
    ///
    /// # Errors
    /// As [`read_exact_at`](Self::read_exact_at); [`QdrantError::FileDamaged`] for a longer file, of which nothing is read.
    pub fn read_all(&self, bytes_max: u64) -> Result<Vec<u8>, QdrantError> {
        if self.len() > bytes_max {
            return Err(self.damaged(0, format!("the file has {} bytes, expected at most {bytes_max}", self.len())));
        }
        let mut bytes = vec![0; self.len() as usize];
        self.read_exact_at(0, &mut bytes)?;
        Ok(bytes)
    }

    /// The error that this file holds something it must not at byte `offset`.
    pub fn damaged(&self, offset: u64, what: impl Into<String>) -> QdrantError {
        QdrantError::FileDamaged { path: self.path.clone(), offset, what: what.into() }
    }

    fn unreadable(&self, source: io::Error) -> QdrantError {
        QdrantError::FileUnreadable { path: self.path.clone(), source }
    }
}

/// Bytes read at once where the last read did not end near by.
const WINDOW_BYTES_MIN: usize = 4 * 1024;

/// Bytes read at once when a file is read from front to back.
const WINDOW_BYTES_MAX: usize = 256 * 1024;

/// A view into a file that moves: bytes are borrowed from it, not copied out.
///
/// A read that goes on where the last one ended reads ahead, twice as far each time, up to 256 KiB; a jump reads 4 KiB.
#[derive(Debug)]
pub struct Window<'w> {
    file: &'w StoredFile<'w>,
    bytes: Vec<u8>,
    start: u64,
    ahead: usize,
}

impl<'w> Window<'w> {
    /// A window on `file`, empty so far.
    pub fn new(file: &'w StoredFile<'w>) -> Self {
        Self { file, bytes: Vec::new(), start: 0, ahead: WINDOW_BYTES_MIN }
    }

    /// The file it looks at.
    pub fn file(&self) -> &'w StoredFile<'w> {
        self.file
    }

    /// The `len` bytes from `offset`. Callers bound `len` by what they know of the format: it is allocated.
    ///
    /// # Errors
    /// As [`StoredFile::read_exact_at`].
    pub fn bytes(&mut self, offset: u64, len: usize) -> Result<&[u8], QdrantError> {
        if offset.checked_add(len as u64).is_none_or(|end| end > self.file.len()) {
            let what = format!("{len} bytes are expected there, and the file has {}", self.file.len());
            return Err(self.file.damaged(offset, what));
        }
        let end = self.start + self.bytes.len() as u64;
        if offset < self.start || offset + len as u64 > end {
            let goes_on = offset >= self.start && offset <= end;
            self.ahead = if goes_on { (self.ahead * 2).min(WINDOW_BYTES_MAX) } else { WINDOW_BYTES_MIN };
            let rest = usize::try_from(self.file.len() - offset).unwrap_or(usize::MAX);
            // Empty first: what a failed read leaves must not be taken for content.
            self.bytes.clear();
            let mut bytes = std::mem::take(&mut self.bytes);
            bytes.resize(self.ahead.max(len).min(rest), 0);
            self.file.read_exact_at(offset, &mut bytes)?;
            (self.bytes, self.start) = (bytes, offset);
        }
        let within = (offset - self.start) as usize;
        Ok(&self.bytes[within..within + len])
    }
}
