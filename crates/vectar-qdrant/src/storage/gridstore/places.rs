//! Where the values of a Gridstore lie, page by page, from its tracker alone.

use super::tracker::{HEADER_BYTES, Slot, Tracker};
use crate::error::QdrantError;
use crate::storage::file::{StoredFile, Window};

/// One value on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValuePlace {
    /// The page it begins on.
    pub page: u32,
    /// Its first block there.
    pub block: u32,
    /// Its stored length in bytes; it may run on into the next page.
    pub bytes: u32,
}

/// The places of all values, ascending. Twelve bytes for each value, of which there are at most as many as the tracker has slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValuePlaces {
    places: Vec<ValuePlace>,
}

impl ValuePlaces {
    /// Reads `tracker.dat`. Nothing is checked against the pages: a place may lie anywhere.
    ///
    /// # Errors
    /// The file is shorter than its own count says, or the source fails.
    pub fn read(tracker: StoredFile<'_>) -> Result<Self, QdrantError> {
        let mut header = [0; HEADER_BYTES as usize];
        tracker.read_exact_at(0, &mut header)?;
        let tracker =
            Tracker { file: tracker, header_bytes: HEADER_BYTES, declared: u32::from_le_bytes(header).into() };
        let slots = tracker.declared.min(tracker.room());
        let mut window = Window::new(&tracker.file);
        let (mut places, mut next) = (Vec::new(), 0);
        while let Some(slot) = tracker.next_used(&mut window, next, slots)? {
            next = slot + 1;
            if let Slot::Value(pointer) = tracker.slot(&mut window, slot)? {
                places.push(ValuePlace { page: pointer.page, block: pointer.start, bytes: pointer.len });
            }
        }
        places.sort_unstable();
        Ok(Self { places })
    }

    /// The values that begin on a page, ascending by block.
    pub fn of_page(&self, page: u32) -> &[ValuePlace] {
        let start = self.places.partition_point(|place| place.page < page);
        let end = self.places.partition_point(|place| place.page <= page);
        &self.places[start..end]
    }
}
