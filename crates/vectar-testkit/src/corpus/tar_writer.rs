//! Writes tar entries with the header bytes that Qdrant 1.18.3 writes through the `tar` crate 0.4.46.
//!
//! Three header styles (format reference §2.2): from a file on disk, from memory, and the long-name record. Every
//! length is known before the first byte of a body is written, so nothing is buffered and nothing is sought.
//!
//! Source for the layouts: GNU tar manual, "Basic Tar Format" and "Storing Sparse Files", old GNU format 0.0.

use std::io::{self, Write};

/// The unit of tar.
pub(crate) const TAR_BLOCK_BYTES: u64 = 512;
/// File systems tell data from holes in units of this size.
pub(crate) const HOLE_BYTES: u64 = 4096;

const NAME_BYTES_MAX: usize = 100;
const DESCRIPTORS_IN_HEADER: usize = 4;
const DESCRIPTORS_IN_EXTENSION: usize = 21;
const ZEROS: [u8; TAR_BLOCK_BYTES as usize] = [0; TAR_BLOCK_BYTES as usize];

/// A run of stored bytes inside a sparse file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

/// Writes a body: exactly the stored bytes, extents back to back.
pub(super) type Body<'a> = Box<dyn Fn(&mut dyn Write) -> io::Result<()> + 'a>;

/// A file of a segment, a WAL or a shard: all that is needed to write it, and its size before it is written.
pub(super) struct PlannedFile<'a> {
    pub(super) path: String,
    /// Logical length.
    pub(super) real_bytes: u64,
    /// Where the stored bytes lie; `None` for a file without a hole, which is stored whole.
    pub(super) extents: Option<Vec<Extent>>,
    /// Seconds since 1970.
    pub(super) modified_s: u64,
    pub(super) body: Body<'a>,
}

impl<'a> PlannedFile<'a> {
    /// A file whose bytes are at hand.
    pub(super) fn small(path: &str, modified_s: u64, bytes: Vec<u8>) -> Self {
        Self {
            path: path.to_owned(),
            real_bytes: bytes.len() as u64,
            extents: None,
            modified_s,
            body: Box::new(move |out| out.write_all(&bytes)),
        }
    }

    /// A preallocated file: data up to `data_bytes`, then a hole to `real_bytes`. `body` writes exactly
    /// [`prefix_bytes`] of them, whole file-system blocks.
    pub(super) fn preallocated(
        path: String,
        modified_s: u64,
        data_bytes: u64,
        real_bytes: u64,
        body: Body<'a>,
    ) -> Self {
        let stored = prefix_bytes(data_bytes, real_bytes);
        let extents = (stored < real_bytes).then(|| {
            // A file of which no block was ever written is declared one hole; else data come first. Both end in the
            // terminator, an empty extent at the end of the file.
            let data = (stored > 0).then_some(Extent { offset: 0, bytes: stored });
            data.into_iter().chain([Extent { offset: real_bytes, bytes: 0 }]).collect()
        });
        Self { path, real_bytes, extents, modified_s, body }
    }

    /// A preallocated file nothing was ever written to.
    pub(super) fn untouched(path: &str, modified_s: u64, real_bytes: u64) -> Self {
        Self::preallocated(path.to_owned(), modified_s, 0, real_bytes, Box::new(|_| Ok(())))
    }

    /// Bytes of the body in the tar, without padding.
    pub(super) fn stored_bytes(&self) -> u64 {
        match &self.extents {
            Some(extents) => extents.iter().map(|extent| extent.bytes).sum(),
            None => self.real_bytes,
        }
    }

    /// Bytes of the whole entry in the tar under a path prefix: long name, header, extension blocks, body, padding.
    pub(super) fn entry_bytes(&self, prefix: &str) -> u64 {
        let extents = self.extents.as_ref().map_or(0, Vec::len);
        let extensions = extents.saturating_sub(DESCRIPTORS_IN_HEADER).div_ceil(DESCRIPTORS_IN_EXTENSION);
        long_name_bytes(prefix.len() + self.path.len())
            + TAR_BLOCK_BYTES * (1 + extensions as u64)
            + padded(self.stored_bytes())
    }
}

/// Stored bytes of a preallocated file: its data rounded up to file-system blocks, but not beyond its end.
pub(super) fn prefix_bytes(data_bytes: u64, real_bytes: u64) -> u64 {
    data_bytes.next_multiple_of(HOLE_BYTES).min(real_bytes)
}

/// Bytes of an entry from memory.
pub(super) fn memory_entry_bytes(path: &str, bytes: u64) -> u64 {
    long_name_bytes(path.len()) + TAR_BLOCK_BYTES + padded(bytes)
}

/// Bytes of a directory entry.
pub(super) const DIRECTORY_ENTRY_BYTES: u64 = TAR_BLOCK_BYTES;

/// Bytes of the two zero blocks that end the outer tar.
pub(super) const TRAILER_BYTES: u64 = 2 * TAR_BLOCK_BYTES;

fn padded(bytes: u64) -> u64 {
    bytes.next_multiple_of(TAR_BLOCK_BYTES)
}

fn long_name_bytes(path_bytes: usize) -> u64 {
    if path_bytes > NAME_BYTES_MAX { TAR_BLOCK_BYTES + padded(path_bytes as u64 + 1) } else { 0 }
}

/// Writes entries one after another.
pub(super) struct TarWriter<'w> {
    out: &'w mut dyn Write,
}

impl<'w> TarWriter<'w> {
    pub(super) fn new(out: &'w mut dyn Write) -> Self {
        Self { out }
    }

    /// Writes a directory as a recursive append writes its root; `path` ends in `/`.
    pub(super) fn directory(&mut self, path: &str, modified_s: u64) -> io::Result<()> {
        let mut header = Header::on_disk(path, 0o040_755, 0, modified_s, b'5');
        self.out.write_all(header.sealed())
    }

    /// Writes a file as it lies on disk, under `prefix` + its path.
    pub(super) fn file(&mut self, prefix: &str, file: &PlannedFile<'_>) -> io::Result<()> {
        let path = format!("{prefix}{}", file.path);
        let stored = file.stored_bytes();
        self.long_name(&path)?;
        let kind = if file.extents.is_some() { b'S' } else { b'0' };
        let mut header = Header::on_disk(&path, 0o100_644, stored, file.modified_s, kind);
        match &file.extents {
            Some(extents) => self.sparse_headers(header, extents, file.real_bytes)?,
            None => self.out.write_all(header.sealed())?,
        }
        self.body(stored, |out| (file.body)(out))
    }

    /// Writes an entry from memory.
    pub(super) fn memory(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.memory_with(path, bytes.len() as u64, |out| out.write_all(bytes))
    }

    /// Writes an entry from memory whose `bytes` bytes `body` produces.
    pub(super) fn memory_with(
        &mut self,
        path: &str,
        bytes: u64,
        body: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        self.long_name(path)?;
        let mut header = Header::in_memory(path, bytes);
        self.out.write_all(header.sealed())?;
        self.body(bytes, body)
    }

    /// Ends the outer tar: exactly two zero blocks. A nested tar has no end and is simply dropped.
    pub(super) fn finish(self) -> io::Result<()> {
        self.out.write_all(&ZEROS)?;
        self.out.write_all(&ZEROS)
    }

    fn long_name(&mut self, path: &str) -> io::Result<()> {
        if path.len() <= NAME_BYTES_MAX {
            return Ok(());
        }
        let mut header = Header::long_name(path.len() as u64 + 1);
        self.out.write_all(header.sealed())?;
        self.body(path.len() as u64 + 1, |out| {
            out.write_all(path.as_bytes())?;
            out.write_all(&[0])
        })
    }

    fn sparse_headers(&mut self, mut header: Header, extents: &[Extent], real_bytes: u64) -> io::Result<()> {
        let (inside, rest) = extents.split_at(extents.len().min(DESCRIPTORS_IN_HEADER));
        header.descriptors(386, inside);
        header.block[482] = u8::from(!rest.is_empty());
        put_number(&mut header.block[483..495], real_bytes);
        self.out.write_all(header.sealed())?;
        let mut extensions = rest.chunks(DESCRIPTORS_IN_EXTENSION).peekable();
        while let Some(extents) = extensions.next() {
            let mut extension = Header { block: ZEROS };
            extension.descriptors(0, extents);
            extension.block[504] = u8::from(extensions.peek().is_some());
            self.out.write_all(&extension.block)?;
        }
        Ok(())
    }

    fn body(&mut self, bytes: u64, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        let mut counted = CountingWriter::new(&mut *self.out);
        write(&mut counted)?;
        assert_eq!(counted.bytes(), bytes, "a body is as long as its header says");
        self.out.write_all(&ZEROS[..(padded(bytes) - bytes) as usize])
    }
}

/// Counts the bytes that pass through.
pub(super) struct CountingWriter<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> CountingWriter<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, bytes: 0 }
    }

    /// Bytes written so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl<W: Write> Write for CountingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

struct Header {
    block: [u8; TAR_BLOCK_BYTES as usize],
}

impl Header {
    /// Style A: the mode with its file type, owner 0, a real time, zero device numbers.
    fn on_disk(path: &str, mode: u64, bytes: u64, modified_s: u64, kind: u8) -> Self {
        let mut header = Self::gnu(path, mode, bytes, modified_s, kind);
        header.owner_is_root();
        put_number(&mut header.block[329..337], 0);
        put_number(&mut header.block[337..345], 0);
        header
    }

    /// Style B: no file type in the mode, owner and devices all NUL, time 0, the NUL type flag.
    fn in_memory(path: &str, bytes: u64) -> Self {
        Self::gnu(path, 0o644, bytes, 0, 0)
    }

    /// Style C: announces that the next header's path follows here.
    fn long_name(bytes: u64) -> Self {
        let mut header = Self::gnu("././@LongLink", 0o644, bytes, 0, b'L');
        header.owner_is_root();
        header
    }

    fn gnu(path: &str, mode: u64, bytes: u64, modified_s: u64, kind: u8) -> Self {
        let mut block = ZEROS;
        let name = &path.as_bytes()[..path.len().min(NAME_BYTES_MAX)];
        block[..name.len()].copy_from_slice(name);
        put_number(&mut block[100..108], mode);
        put_number(&mut block[124..136], bytes);
        put_number(&mut block[136..148], modified_s);
        block[156] = kind;
        block[257..265].copy_from_slice(b"ustar  \0");
        Self { block }
    }

    fn owner_is_root(&mut self) {
        put_number(&mut self.block[108..116], 0);
        put_number(&mut self.block[116..124], 0);
    }

    fn descriptors(&mut self, at: usize, extents: &[Extent]) {
        for (extent, field) in extents.iter().zip(self.block[at..].chunks_exact_mut(24)) {
            put_number(&mut field[..12], extent.offset);
            put_number(&mut field[12..], extent.bytes);
        }
    }

    /// Fills in the checksum, the last thing before the header is written: 7 octal digits and a NUL.
    fn sealed(&mut self) -> &[u8] {
        self.block[148..156].fill(b' ');
        let sum = self.block.iter().map(|&byte| u64::from(byte)).sum();
        put_number(&mut self.block[148..156], sum);
        &self.block
    }
}

/// Writes zero-padded octal ending in NUL, or, where it does not fit, the GNU base-256 form.
pub(crate) fn put_number(field: &mut [u8], value: u64) {
    let digits = field.len() - 1;
    if value >> (3 * digits) == 0 {
        for (index, digit) in field[..digits].iter_mut().rev().enumerate() {
            *digit = b'0' + ((value >> (3 * index)) & 7) as u8;
        }
        field[digits] = 0;
        return;
    }
    field.fill(0);
    let start = field.len() - 8;
    field[start..].copy_from_slice(&value.to_be_bytes());
    field[0] |= 0x80;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sparse<'a>(extents: Vec<Extent>, real_bytes: u64) -> PlannedFile<'a> {
        let stored: u64 = extents.iter().map(|extent| extent.bytes).sum();
        PlannedFile {
            path: "f".to_owned(),
            real_bytes,
            extents: Some(extents),
            modified_s: 1,
            body: Box::new(move |out| out.write_all(&vec![7; stored as usize])),
        }
    }

    #[test]
    fn numbers_turn_base_256_where_octal_ends() {
        let mut field = [0; 12];
        put_number(&mut field, (1 << 33) - 1);
        assert_eq!(&field, b"77777777777\0");
        put_number(&mut field, 1 << 33);
        assert_eq!(field, [0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
    }

    #[test]
    fn announced_size_is_the_written_size() {
        for extents in 1..60_u64 {
            let mut map: Vec<Extent> = (0..extents).map(|i| Extent { offset: i * 1024, bytes: 512 }).collect();
            map.push(Extent { offset: extents * 1024, bytes: 0 });
            let file = sparse(map, extents * 1024);
            for prefix in ["", &"p/".repeat(60)] {
                let mut out = Vec::new();
                TarWriter::new(&mut out).file(prefix, &file).unwrap();
                assert_eq!(out.len() as u64, file.entry_bytes(prefix));
            }
        }
    }

    #[test]
    fn the_tar_crate_expands_what_was_written() {
        let map = vec![
            Extent { offset: 512, bytes: 512 },
            Extent { offset: 4096, bytes: 1024 },
            Extent { offset: 6000, bytes: 0 },
        ];
        let mut out = Vec::new();
        let mut writer = TarWriter::new(&mut out);
        writer.file("", &sparse(map, 6000)).unwrap();
        writer.finish().unwrap();
        let mut archive = tar::Archive::new(&out[..]);
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        let mut body = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut body).unwrap();
        let mut expected = vec![0; 6000];
        expected[512..1024].fill(7);
        expected[4096..5120].fill(7);
        assert_eq!(body, expected);
    }
}
