//! One file of the WAL: its header and the chain of its entries.

use super::cbor::EntryBytes;
use crate::error::QdrantError;
use crate::storage::file::{StoredFile, Window};

/// Bytes of the file's header, and of an entry's length.
const HEADER_BYTES: u64 = 8;

/// Bytes of an entry's checksum.
const CRC_BYTES: u64 = 4;

/// Bytes a checksum is computed over at once.
const PIECE_BYTES: u64 = 64 << 10;

/// One file of the WAL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalSegment {
    /// Name of the file: `open-<id>` or `closed-<first operation>`.
    pub name: String,
    /// Number of its first entry, or of the one that would be its first.
    pub first_operation: u64,
    /// How many entries it has.
    pub entries: u64,
    /// Bytes of header and entries.
    pub used_bytes: u64,
    /// Length of the file; what exceeds `used_bytes` is preallocated.
    pub file_bytes: u64,
    /// What stands behind the last entry.
    pub end: WalEnd,
}

/// What stands behind the last entry of a WAL segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WalEnd {
    /// Nothing: zeros, or the end of the file.
    Clean,
    /// An entry that was never finished. Qdrant drops it without a word.
    Torn {
        /// Where it begins.
        offset: u64,
    },
    /// An entry whose checksum is wrong although the one behind it continues the chain: it was changed after it was written. Qdrant
    /// drops it and all behind it.
    Broken {
        /// Where it begins.
        offset: u64,
    },
    /// The file is no WAL segment. Qdrant refuses to load the shard.
    NoSegment {
        /// What was found instead.
        what: String,
    },
}

/// An entry whose length fits the file.
#[derive(Clone, Copy, Debug)]
struct Frame {
    offset: u64,
    /// Bytes of its data.
    data_bytes: u64,
    /// Bytes under its checksum: length, data and padding.
    checked_bytes: u64,
}

impl Frame {
    /// The entry that begins at `offset`; `None` where no entry fits.
    fn read(window: &mut Window<'_>, offset: u64) -> Result<Option<Self>, QdrantError> {
        // The space of a file is used in steps of eight bytes.
        let capacity = window.file().len() & !7;
        if offset.checked_add(HEADER_BYTES + CRC_BYTES).is_none_or(|least| least >= capacity) {
            return Ok(None);
        }
        let length = window.bytes(offset, HEADER_BYTES as usize)?;
        let data_bytes = u64::from_le_bytes(length.try_into().expect("HEADER_BYTES were read"));
        let padding = 4_u64.wrapping_sub(data_bytes) & 7;
        let checked_bytes = data_bytes.checked_add(padding + HEADER_BYTES);
        let fits = |checked: &u64| *checked <= capacity - offset - CRC_BYTES;
        Ok(checked_bytes.filter(fits).map(|checked_bytes| Self { offset, data_bytes, checked_bytes }))
    }

    /// Where the entry ends.
    fn end(&self) -> u64 {
        self.offset + self.checked_bytes + CRC_BYTES
    }

    /// The checksum that stands behind it.
    fn stored_crc(&self, window: &mut Window<'_>) -> Result<u32, QdrantError> {
        let bytes = window.bytes(self.offset + self.checked_bytes, CRC_BYTES as usize)?;
        Ok(u32::from_le_bytes(bytes.try_into().expect("CRC_BYTES were read")))
    }

    /// The checksum that must stand behind it, after an entry with the checksum `previous`.
    fn crc(&self, window: &mut Window<'_>, previous: u32) -> Result<u32, QdrantError> {
        let mut crc = !previous.reverse_bits();
        let (mut at, end) = (self.offset, self.offset + self.checked_bytes);
        while at < end {
            let len = PIECE_BYTES.min(end - at);
            crc = crc32c::crc32c_append(crc, window.bytes(at, len as usize)?);
            at += len;
        }
        Ok(crc)
    }
}

impl WalSegment {
    /// Walks through the entries of `file` and checks their chain. The number of its first entry is set by the caller, who knows the
    /// other files.
    pub(super) fn scan(name: &str, file: &StoredFile<'_>) -> Result<Self, QdrantError> {
        let mut segment = Self {
            name: name.to_owned(),
            first_operation: 0,
            entries: 0,
            used_bytes: 0,
            file_bytes: file.len(),
            end: WalEnd::Clean,
        };
        let mut window = Window::new(file);
        let mut crc = match seed(&mut window)? {
            Ok(seed) => seed,
            Err(what) => {
                segment.end = WalEnd::NoSegment { what };
                return Ok(segment);
            }
        };
        let mut offset = HEADER_BYTES;
        loop {
            segment.used_bytes = offset;
            let Some(frame) = Frame::read(&mut window, offset)? else {
                segment.end = end_without_frame(&mut window, offset)?;
                return Ok(segment);
            };
            let stored = frame.stored_crc(&mut window)?;
            if frame.crc(&mut window, crc)? != stored {
                segment.end = end_at(&mut window, &frame, stored)?;
                return Ok(segment);
            }
            crc = stored;
            offset = frame.end();
            segment.entries += 1;
        }
    }

    /// Number of the operation that follows its last one; `None` when numbers end there.
    pub(super) fn next_operation(&self) -> Option<u64> {
        self.first_operation.checked_add(self.entries)
    }
}

/// The seed of the chain, or what is wrong with the header.
fn seed(window: &mut Window<'_>) -> Result<Result<u32, String>, QdrantError> {
    if window.file().len() < HEADER_BYTES {
        return Ok(Err(format!("the file has {} bytes, expected at least 8", window.file().len())));
    }
    let header = window.bytes(0, HEADER_BYTES as usize)?;
    if header[..3] != *b"wal" {
        let zeroed = if header == [0; 8] { ": its content was lost before the snapshot was made" } else { "" };
        return Ok(Err(format!(
            "the file begins with {:?}, expected \"wal\"{zeroed}",
            header[..3].escape_ascii().to_string()
        )));
    }
    if header[3] != 0 {
        return Ok(Err(format!("the file has the version {}, expected 0", header[3])));
    }
    Ok(Ok(u32::from_le_bytes(header[4..].try_into().expect("four of eight bytes"))))
}

/// What stands at `offset`, where no entry fits.
fn end_without_frame(window: &mut Window<'_>, offset: u64) -> Result<WalEnd, QdrantError> {
    let capacity = window.file().len() & !7;
    let is_full = offset.checked_add(HEADER_BYTES + CRC_BYTES).is_none_or(|least| least >= capacity);
    // Otherwise there is a length, and it is longer than the file.
    Ok(if is_full { WalEnd::Clean } else { WalEnd::Torn { offset } })
}

/// What an entry with a wrong checksum means.
fn end_at(window: &mut Window<'_>, frame: &Frame, stored: u32) -> Result<WalEnd, QdrantError> {
    let offset = frame.offset;
    if stored == 0 && frame.data_bytes == 0 {
        return Ok(WalEnd::Clean);
    }
    if stored != 0
        && let Some(next) = Frame::read(window, frame.end())?
        && next.stored_crc(window)? == next.crc(window, stored)?
    {
        return Ok(WalEnd::Broken { offset });
    }
    Ok(WalEnd::Torn { offset })
}

/// Walks again through entries whose chain was checked.
#[derive(Debug)]
pub(super) struct Entries<'w> {
    window: Window<'w>,
    offset: u64,
    left: u64,
}

impl<'w> Entries<'w> {
    /// The entries of a scanned segment.
    pub(super) fn new(file: &'w StoredFile<'w>, segment: &WalSegment) -> Self {
        Self { window: Window::new(file), offset: HEADER_BYTES, left: segment.entries }
    }

    /// Goes on to the next entry; `None` behind the last one.
    pub(super) fn next(&mut self) -> Option<Result<EntryBytes<'_, 'w>, QdrantError>> {
        self.left = self.left.checked_sub(1)?;
        match Frame::read(&mut self.window, self.offset) {
            Ok(Some(frame)) => {
                self.offset = frame.end();
                Some(Ok(EntryBytes::new(&mut self.window, frame.offset + HEADER_BYTES, frame.data_bytes)))
            }
            // It was there when the file was scanned.
            Ok(None) => None,
            Err(error) => {
                self.left = 0;
                Some(Err(error))
            }
        }
    }
}
