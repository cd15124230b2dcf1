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
/// A read that goes on where the last one ended, or passes over less than it would read, reads ahead, twice as far each time, up to 256
/// KiB; a jump reads 4 KiB.
#[derive(Debug)]
pub struct Window<'w> {
    file: &'w StoredFile<'w>,
    /// The view is its front.
    buffer: Vec<u8>,
    start: u64,
    len: usize,
    ahead: usize,
}

impl<'w> Window<'w> {
    /// A window on `file`, empty so far.
    pub fn new(file: &'w StoredFile<'w>) -> Self {
        Self { file, buffer: Vec::new(), start: 0, len: 0, ahead: WINDOW_BYTES_MIN }
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
        let end = self.start + self.len as u64;
        if offset < self.start || offset + len as u64 > end {
            self.move_to(offset, len)?;
        }
        let within = (offset - self.start) as usize;
        Ok(&self.buffer[within..within + len])
    }

    /// Moves the window to `offset`, from where the file has at least `len` bytes.
    fn move_to(&mut self, offset: u64, len: usize) -> Result<(), QdrantError> {
        let end = self.start + self.len as u64;
        let goes_on = offset >= self.start && offset <= end.saturating_add(self.ahead as u64);
        self.ahead = if goes_on { (self.ahead * 2).min(WINDOW_BYTES_MAX) } else { WINDOW_BYTES_MIN };
        let rest = usize::try_from(self.file.len() - offset).unwrap_or(usize::MAX);
        let wanted = self.ahead.max(len).min(rest);
        // Empty first: what a failed read leaves must not be taken for content.
        self.len = 0;
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        self.file.read_exact_at(offset, &mut self.buffer[..wanted])?;
        (self.start, self.len) = (offset, wanted);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Bytes that count up, what was read of them, and a byte that cannot be read.
    #[derive(Clone)]
    struct Source {
        len: u64,
        bad: Option<u64>,
        reads: Arc<Mutex<Vec<(u64, usize)>>>,
    }

    impl Source {
        fn new(len: u64) -> Self {
            Self { len, bad: None, reads: Arc::default() }
        }

        fn reads(&self) -> Vec<(u64, usize)> {
            std::mem::take(&mut self.reads.lock().unwrap())
        }
    }

    impl ReadAt for Source {
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
            self.reads.lock().unwrap().push((offset, buf.len()));
            if self.bad.is_some_and(|bad| (offset..offset + buf.len() as u64).contains(&bad)) {
                return Err(io::Error::other("a bad sector"));
            }
            buf.iter_mut().zip(offset..).for_each(|(byte, at)| *byte = at as u8);
            Ok(buf.len())
        }

        fn len(&self) -> u64 {
            self.len
        }
    }

    #[test]
    fn a_window_reads_ahead_as_long_as_it_goes_on() {
        let source = Source::new(1 << 20);
        let file = StoredFile::new("f", source.clone());
        let mut window = Window::new(&file);
        for at in (0..1 << 20).step_by(16) {
            assert_eq!(window.bytes(at, 2).unwrap(), [at as u8, at as u8 + 1]);
        }
        let reads = source.reads();
        let expected = [8, 16, 32, 64, 128, 256, 256].map(|kib| kib * 1024);
        assert_eq!(reads.iter().map(|(_, len)| *len).collect::<Vec<_>>()[..7], expected);
        assert_eq!(reads.iter().map(|(_, len)| *len as u64).sum::<u64>(), 1 << 20, "nothing is read twice");
    }

    #[test]
    fn a_jump_reads_little_and_a_short_gap_is_none() {
        let source = Source::new(1 << 20);
        let file = StoredFile::new("f", source.clone());
        let mut window = Window::new(&file);
        for at in [500_000, 504_096 + 4096, 900_000, 100] {
            window.bytes(at, 4).unwrap();
        }
        assert_eq!(source.reads(), [(500_000, 4096), (508_192, 8192), (900_000, 4096), (100, 4096)]);
        // What is longer than the window is read at once.
        assert_eq!(window.bytes(0, 300_000).unwrap().len(), 300_000);
        assert_eq!(source.reads(), [(0, 300_000)]);
    }

    #[test]
    fn what_a_failed_read_left_is_not_taken_for_content() {
        let source = Source { bad: Some(6000), ..Source::new(10_000) };
        let file = StoredFile::new("f", source.clone());
        let mut window = Window::new(&file);
        assert_eq!(window.bytes(9000, 1).unwrap(), [9000_u16 as u8]);
        assert!(matches!(window.bytes(5999, 4), Err(QdrantError::FileUnreadable { .. })));
        assert!(matches!(window.bytes(9999, 2), Err(QdrantError::FileDamaged { .. })));
        assert_eq!(window.bytes(9000, 2).unwrap(), [9000_u16 as u8, 9001_u16 as u8]);
    }
}
