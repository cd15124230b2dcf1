//! Gridstore: values by row number, for payloads, sparse vectors and the indexes of appendable segments.
//!
//! A directory (`qdrant v1.18.3 lib/gridstore/`; v1.19.0 calls it `lib/blobstore/`, v1.12 called it BlobStore, with the same files):
//!
//! | File | Bytes | Meaning |
//! |---|---|---|
//! | `config.json` | | `page_size_bytes`, `block_size_bytes`, `region_size_blocks`, `compression` (`LZ4` when absent, or `None`), v1.19.0+ `mode` |
//! | `tracker.dat` | 0..4 | u32 number of slots ever used |
//! | | 4 + 16·i | u32 tag (0 no value, 1 a value), u32 page, u32 block in the page, u32 stored length in bytes |
//! | `page_<n>.dat` | all | blocks; always `page_size_bytes` long |
//! | `bitmask.dat` | all | a bit for each block of all pages, least significant first, 1 = used |
//! | `gaps.dat` | 6·r | for each region of blocks: u16 longest, u16 leading, u16 trailing run of free blocks |
//!
//! All integers are little-endian. The value of slot i begins at its block and runs over as many pages as it needs. A compressed value is
//! its plain length (u32) and one raw LZ4 block. Of an empty slot only the tag counts. A value of length 0 is never written; Qdrant
//! reads such a slot, the trace of a torn write, as empty, and so do we.
//!
//! Append-only mode (`"mode":"append_only"`, v1.19.0 `lib/blobstore/src/blobstore/logstore/`): `log_tracker.dat` is slots from byte 0,
//! whose third field counts *bytes*; `log_page_<n>.dat` has neither blocks nor padding nor a fixed length, no value runs over its end,
//! and there are no mask and no gaps. Read from the source only; no server was seen to write it.
//!
//! # What real files say
//!
//! On the snapshots of Qdrant 1.18.3 in the tests, every Gridstore of every segment:
//!
//! - The gaps rule: each record is exactly the three runs of its own region in `bitmask.dat`; runs are not joined across regions. A free
//!   region is (8192, 8192, 8192), a full one (0, 0, 0).
//! - The blocks marked used are exactly those of the slots with a value: no dead block was left over, not even after updates and deletes, because a
//!   snapshot flushes first.
//! - Payload-index Gridstores are not compressed. Blocks have 8 bytes for integers, floats and datetimes (values are arrays of i64 or
//!   f64), 16 for geo (pairs of f64: longitude, latitude) and for keywords (CBOR array of strings), with pages of 8192·32 blocks; text
//!   (CBOR array of tokens) has the default 128. As in the source (`lib/segment/src/index/field_index/`). A row without a value has an
//!   empty slot.
//! - Payloads are LZ4 in blocks of 128 bytes, sparse vectors plain in such blocks. A point without a payload has no slot.
//!
//! Shards that Qdrant's embedded engine wrote (`qdrant-edge-py` 0.1.0 to 0.9.0) are the same. From 0.8.0 on their `config.json` begins with
//! `"mode":"mutable"`. In one that was not flushed before it was copied the blocks of values are marked and the slots are not yet
//! written: dead blocks, and harmless, because the WAL still has the values.
//!
//! Memory: a reader holds windows and one value (at most 256 MiB, whatever a file declares); an audit holds a bit for each block.

mod audit;
mod bitmask;
mod config;
mod lz4;
mod pages;
mod places;
mod reader;
mod tracker;

pub use reader::GridstoreReader;

pub use places::{ValuePlace, ValuePlaces};

use self::config::{Config, Layout};
use self::pages::Pages;
use self::tracker::{Pointer, Slot, Tracker};
use super::bits::Bits;
use super::file::{StorageFiles, StoredFile, Window};
use crate::error::QdrantError;
use crate::finding::Findings;

/// Says what is wrong with the content of a value; called with its slot and its plain bytes.
pub type ValueCheck<'c> = dyn FnMut(u64, &[u8]) -> Result<(), String> + 'c;

/// One Gridstore directory.
pub struct Gridstore<'f> {
    files: &'f dyn StorageFiles,
    directory: String,
    config: Config,
    tracker: Tracker<'f>,
    pages: Pages<'f>,
}

impl std::fmt::Debug for Gridstore<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { files: _, directory, config, tracker, pages } = self;
        let mut text = f.debug_struct("Gridstore");
        text.field("directory", directory).field("config", config).field("tracker", tracker).field("pages", pages);
        text.finish_non_exhaustive()
    }
}

/// What a Gridstore weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GridstoreFigures {
    /// Page files.
    pub pages: u64,
    /// Length of all page files, free blocks included.
    pub preallocated_bytes: u64,
    /// Slots with a value.
    pub values: u64,
    /// Bytes of these values as stored, that is compressed.
    pub value_bytes: u64,
    /// Bytes of the blocks marked used; of an append-only store all bytes. What exceeds `value_bytes` is padding, or dead.
    pub used_bytes: u64,
}

impl<'f> Gridstore<'f> {
    /// Opens the Gridstore in `directory` (such as `payload_storage`, `vector_storage-x/store` or `payload_index/<field>`). Its
    /// configuration, its tracker and its first page must be there.
    ///
    /// # Errors
    /// [`QdrantError::FileMissing`], [`QdrantError::FileDamaged`] for a configuration that cannot be, and
    /// [`QdrantError::NotReadable`] for modes and compressions that are not known.
    pub fn open(files: &'f dyn StorageFiles, directory: &str) -> Result<Self, QdrantError> {
        let config = Config::open(files, directory)?;
        let tracker = Tracker::open(files, directory, config.layout)?;
        let pages = Pages::open(files, directory, &config)?;
        Ok(Self { files, directory: directory.to_owned(), config, tracker, pages })
    }

    /// Slots ever used: the count the tracker declares, or fewer when its file is shorter.
    pub fn slots(&self) -> u64 {
        self.tracker.declared.min(self.tracker.room())
    }

    /// A reader of values. Each thread takes its own.
    pub fn reader(&self) -> GridstoreReader<'_> {
        GridstoreReader::new(self)
    }

    /// What the store weighs. Reads the tracker and the mask once; slots that cannot be do not count.
    ///
    /// # Errors
    /// When one of these files is missing or cannot be read.
    pub fn figures(&self) -> Result<GridstoreFigures, QdrantError> {
        let mut figures = GridstoreFigures {
            pages: self.pages.files.len() as u64,
            preallocated_bytes: self.pages.files.values().map(StoredFile::len).sum(),
            ..GridstoreFigures::default()
        };
        figures.used_bytes = match self.config.layout {
            Layout::Log => figures.preallocated_bytes,
            Layout::Blocks { block_bytes, .. } => {
                bitmask::count_used(&self.file("bitmask.dat")?)?.saturating_mul(block_bytes)
            }
        };
        let (mut window, mut next) = (Window::new(&self.tracker.file), 0);
        while let Some(slot) = self.tracker.next_used(&mut window, next, self.slots())? {
            next = slot + 1;
            if let Slot::Value(pointer) = self.tracker.slot(&mut window, slot)? {
                figures.values += 1;
                figures.value_bytes += u64::from(pointer.len);
            }
        }
        Ok(figures)
    }

    /// Looks at every slot, every value and every block, and reports what is wrong with them. `check_value` sees each value that
    /// could be read, decompressed, and says what is wrong with its content.
    pub fn audit(&self, findings: &mut Findings, check_value: &mut ValueCheck<'_>) {
        self.audit_rows(None, findings, check_value);
    }

    /// As [`audit`](Self::audit), with the rows that are live when that is known: what is wrong with the value of a dead row is read by
    /// nobody.
    pub(crate) fn audit_rows(&self, live: Option<&Bits>, findings: &mut Findings, check_value: &mut ValueCheck<'_>) {
        audit::audit(self, live, findings, check_value);
    }

    /// A file of the directory that must be there.
    fn file(&self, name: &str) -> Result<StoredFile<'f>, QdrantError> {
        let path = format!("{}/{name}", self.directory);
        self.files.open(&path).ok_or(QdrantError::FileMissing { path })
    }

    /// The first byte of a value in its page.
    fn first_byte(&self, pointer: Pointer) -> u64 {
        match self.config.layout {
            Layout::Blocks { block_bytes, .. } => u64::from(pointer.start).saturating_mul(block_bytes),
            Layout::Log => pointer.start.into(),
        }
    }
}

#[cfg(test)]
mod tests;
