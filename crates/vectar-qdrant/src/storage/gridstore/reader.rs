//! Reads values slot by slot.

use super::Gridstore;
use super::lz4;
use super::pages::PagesReader;
use super::tracker::{Pointer, Slot};
use crate::error::QdrantError;
use crate::storage::file::Window;

/// Reads the values of a [`Gridstore`]; cheapest in ascending order of slots.
///
/// Holds windows of the tracker and of up to eight pages (256 KiB each) and the last value.
#[derive(Debug)]
pub struct GridstoreReader<'r> {
    store: &'r Gridstore<'r>,
    tracker: Window<'r>,
    pages: PagesReader<'r>,
    plain: Vec<u8>,
}

impl<'r> GridstoreReader<'r> {
    pub(super) fn new(store: &'r Gridstore<'r>) -> Self {
        Self {
            store,
            tracker: Window::new(&store.tracker.file),
            pages: PagesReader::new(&store.pages),
            plain: Vec::new(),
        }
    }

    /// The value of a slot, decompressed; `None` where there is none, also behind the end. A slot behind
    /// [`Gridstore::slots`] that the file has room for is read all the same, because the server does so.
    ///
    /// # Errors
    /// [`QdrantError::FileDamaged`] when the slot or the value cannot be; the reader can go on with other slots.
    pub fn value(&mut self, slot: u64) -> Result<Option<&[u8]>, QdrantError> {
        match self.pointer(slot)? {
            Some(pointer) => self.at(slot, pointer).map(Some),
            None => Ok(None),
        }
    }

    /// The value of a slot as it is stored.
    ///
    /// # Errors
    /// As [`value`](Self::value), but nothing is decompressed.
    pub fn stored(&mut self, slot: u64) -> Result<Option<&[u8]>, QdrantError> {
        match self.pointer(slot)? {
            Some(pointer) => self.pages.stored(pointer).map(Some),
            None => Ok(None),
        }
    }

    /// Whether values are stored compressed.
    pub(in crate::storage) fn is_lz4(&self) -> bool {
        self.store.config.is_lz4
    }

    /// Where the value of a slot lies.
    fn pointer(&mut self, slot: u64) -> Result<Option<Pointer>, QdrantError> {
        if slot >= self.store.tracker.room() {
            return Ok(None);
        }
        match self.slot(slot)? {
            Slot::Empty | Slot::Torn => Ok(None),
            Slot::Value(pointer) => Ok(Some(pointer)),
            Slot::Tag(tag) => {
                let tracker = &self.store.tracker;
                Err(tracker
                    .file
                    .damaged(tracker.offset(slot), format!("slot {slot} has the tag {tag}, expected 0 or 1")))
            }
        }
    }

    /// Whether a slot leads to a value, which is not looked at.
    ///
    /// # Errors
    /// When the source fails.
    pub(crate) fn has_value(&mut self, slot: u64) -> Result<bool, QdrantError> {
        let is_there = slot < self.store.tracker.room();
        Ok(is_there && matches!(self.slot(slot)?, Slot::Value(_)))
    }

    /// What a slot below the room of the tracker holds.
    pub(super) fn slot(&mut self, slot: u64) -> Result<Slot, QdrantError> {
        self.store.tracker.slot(&mut self.tracker, slot)
    }

    /// The next slot from `from` on, and what it holds. Behind the first `rows` slots runs of zeros are passed over.
    pub(super) fn next_slot(&mut self, from: u64, rows: u64) -> Result<Option<(u64, Slot)>, QdrantError> {
        let (tracker, room) = (&self.store.tracker, self.store.tracker.room());
        let slot = match from < rows.min(room) {
            true => Some(from),
            false => tracker.next_used(&mut self.tracker, from, room)?,
        };
        slot.map(|slot| Ok((slot, self.slot(slot)?))).transpose()
    }

    /// Checks that all bytes of a value are there.
    pub(super) fn check(&self, pointer: Pointer) -> Result<(), QdrantError> {
        self.store.pages.check(pointer)
    }

    /// The value that the pointer of `slot` leads to.
    pub(super) fn at(&mut self, slot: u64, pointer: Pointer) -> Result<&[u8], QdrantError> {
        let stored = self.pages.stored(pointer)?;
        if !self.store.config.is_lz4 {
            return Ok(stored);
        }
        match lz4::decompress(stored, &mut self.plain) {
            Ok(len) => Ok(&self.plain[..len]),
            Err(what) => Err(QdrantError::FileDamaged {
                path: self.store.pages.path(pointer.page),
                offset: self.store.first_byte(pointer),
                what: format!("the value of slot {slot} cannot be decompressed: {what}"),
            }),
        }
    }
}
