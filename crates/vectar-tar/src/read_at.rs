//! Bytes that can be read at any offset.

use crate::sparse::bounded;
use std::io;

/// A source of known length that is read at any offset, by any number of readers at once: memory, a
/// file, a backup.
pub trait ReadAt {
    /// Reads bytes from `offset` into the front of `buf` and returns how many.
    ///
    /// Fewer than asked for are allowed at any time; 0 means that `offset` is at or behind the end,
    /// or that `buf` is empty.
    ///
    /// # Errors
    ///
    /// What the source says; the content of `buf` is then unspecified.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// Returns the length in bytes; it does not change while the source is read.
    fn len(&self) -> u64;

    /// Tells whether there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = &self[bounded(offset, self.len())..];
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn len(&self) -> u64 {
        self.len() as u64
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.as_slice().read_at(offset, buf)
    }

    fn len(&self) -> u64 {
        self.len() as u64
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(offset, buf)
    }

    fn len(&self) -> u64 {
        (**self).len()
    }
}

/// A part of a source as a source of its own, such as one body of an archive.
#[derive(Clone, Copy, Debug)]
pub struct ReadRange<R> {
    source: R,
    offset: u64,
    len: u64,
}

impl<R: ReadAt> ReadRange<R> {
    /// Returns the `len` bytes of `source` from `offset`, fewer where the source ends before.
    pub fn new(source: R, offset: u64, len: u64) -> Self {
        let len = len.min(source.len().saturating_sub(offset));
        Self { source, offset, len }
    }
}

impl<R: ReadAt> ReadAt for ReadRange<R> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let n = bounded(self.len.saturating_sub(offset), buf.len());
        if n == 0 {
            return Ok(0);
        }
        self.source.read_at(self.offset + offset, &mut buf[..n])
    }

    fn len(&self) -> u64 {
        self.len
    }
}
