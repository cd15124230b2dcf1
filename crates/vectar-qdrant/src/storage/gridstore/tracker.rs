//! `tracker.dat` and `log_tracker.dat`: where the value of each slot lies.

use super::config::Layout;
use crate::error::QdrantError;
use crate::storage::file::{StorageFiles, StoredFile, Window};

/// Bytes of a slot.
const SLOT_BYTES: u64 = 16;

/// Slots that are passed over together when they are nothing but zeros.
pub(super) const SLOTS_AT_ONCE: u64 = 1024;

/// That many slots without a value.
const ZEROS: [u8; (SLOTS_AT_ONCE * SLOT_BYTES) as usize] = [0; (SLOTS_AT_ONCE * SLOT_BYTES) as usize];

/// Bytes before the first slot of `tracker.dat`: the number of slots ever used.
pub(super) const HEADER_BYTES: u64 = 4;

/// Where a value lies. Nothing of it is checked against the pages yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) page: u32,
    /// In blocks, in a log in bytes.
    pub(super) start: u32,
    /// Stored length in bytes, at least 1.
    pub(super) len: u32,
}

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// No value; the other twelve bytes may be anything.
    Empty,
    /// A value of no bytes, which Qdrant never writes and reads as none.
    Torn,
    /// A value.
    Value(Pointer),
    /// A tag that is neither 0 nor 1.
    Tag(u32),
}

/// The tracker's file.
#[derive(Debug)]
pub(super) struct Tracker<'f> {
    pub(super) file: StoredFile<'f>,
    pub(super) header_bytes: u64,
    /// The count that the file declares; of a log the slots that are there.
    pub(super) declared: u64,
}

impl<'f> Tracker<'f> {
    pub(super) fn open(files: &'f dyn StorageFiles, directory: &str, layout: Layout) -> Result<Self, QdrantError> {
        let name = match layout {
            Layout::Blocks { .. } => "tracker.dat",
            Layout::Log => "log_tracker.dat",
        };
        let path = format!("{directory}/{name}");
        let Some(file) = files.open(&path) else {
            let compacted = format!("{directory}/compacted_tracker.dat");
            return Err(match files.open(&compacted) {
                Some(_) if layout == Layout::Log => QdrantError::NotReadable {
                    path: compacted,
                    what: "compacted trackers are newer than v1.19 and cannot be read".to_owned(),
                },
                _ => QdrantError::FileMissing { path },
            });
        };
        if layout == Layout::Log {
            let declared = file.len() / SLOT_BYTES;
            return Ok(Self { file, header_bytes: 0, declared });
        }
        let mut header = [0; HEADER_BYTES as usize];
        file.read_exact_at(0, &mut header)?;
        Ok(Self { file, header_bytes: HEADER_BYTES, declared: u32::from_le_bytes(header).into() })
    }

    /// Slots that the file has room for; behind `declared` they were never used.
    pub(super) fn room(&self) -> u64 {
        // Pointers are found by a u32, so Qdrant uses no more.
        (self.file.len().saturating_sub(self.header_bytes) / SLOT_BYTES).min(1 << 32)
    }

    /// Where the slot begins in the file.
    pub(super) fn offset(&self, slot: u64) -> u64 {
        self.header_bytes + slot * SLOT_BYTES
    }

    /// The next slot from `slot` on and before `end` that may hold something. Whole runs of zeros are passed over: trackers are
    /// preallocated, and a hole costs a snapshot nothing however long it is.
    pub(super) fn next_used(&self, window: &mut Window<'_>, slot: u64, end: u64) -> Result<Option<u64>, QdrantError> {
        let mut next = slot;
        while next.is_multiple_of(SLOTS_AT_ONCE)
            && end.saturating_sub(next) >= SLOTS_AT_ONCE
            && window.bytes(self.offset(next), ZEROS.len())? == ZEROS
        {
            next += SLOTS_AT_ONCE;
        }
        Ok((next < end).then_some(next))
    }

    /// Reads a slot below [`room`](Self::room).
    pub(super) fn slot(&self, window: &mut Window<'_>, slot: u64) -> Result<Slot, QdrantError> {
        let bytes = window.bytes(self.offset(slot), SLOT_BYTES as usize)?;
        let mut fields = bytes.chunks_exact(4).map(|cell| u32::from_le_bytes(cell.try_into().expect("chunks of 4")));
        let mut field = || fields.next().expect("a slot has four fields");
        let (tag, page, start, len) = (field(), field(), field(), field());
        Ok(match (tag, len) {
            (0, _) => Slot::Empty,
            (1, 0) => Slot::Torn,
            (1, _) => Slot::Value(Pointer { page, start, len }),
            _ => Slot::Tag(tag),
        })
    }
}
