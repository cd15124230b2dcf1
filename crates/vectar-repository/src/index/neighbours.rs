//! What lies beside a record that was found is asked for next, more often than not: footers of packs in which several look-ups hit are kept
//! decoded in memory, least recently used out first.

use std::{collections::HashMap, num::NonZeroUsize};

use lru::LruCache;

use super::tables::ChunkValue;

/// Packs in which look-ups hit lately and that are not loaded. More than bodies are worked on at once; fewer than a large repository
/// has, so that look-ups that hit anywhere load nothing.
const RECENT_PACKS: NonZeroUsize = NonZeroUsize::new(64).expect("it is not zero");

/// A pack is loaded after one look-up for so many of its records: about what a look-up costs more than to load one record.
const RECORDS_PER_LOOK_UP: u32 = 32;

/// How long a pack is nobody knows before its footer is read, and that costs ten look-ups: with fewer hits than this, hits all over a
/// repository of a thousand packs would read one footer after the other for nothing.
const LOOK_UPS_MIN: u32 = 4;

/// Memory that one loaded record takes: its id, its place, and the line that leads to it, in a table that is half full.
const RECORD_BYTES: usize = 96;

/// Loaded packs.
#[derive(Debug)]
pub(super) struct Neighbours {
    bytes_max: usize,
    bytes: usize,
    /// The first bytes of an id → number of a loaded pack, and which of its records it is.
    places: HashMap<u64, (u32, u32)>,
    packs: LruCache<u32, Vec<Neighbour>>,
    recent: LruCache<u32, Hits>,
}

/// A record of a loaded pack.
pub(super) type Neighbour = ([u8; 32], ChunkValue);

#[derive(Debug, Clone, Copy, Default)]
struct Hits {
    count: u32,
    wanted: u32,
}

impl Neighbours {
    pub(super) fn new(bytes_max: usize) -> Self {
        let (packs, recent) = (LruCache::unbounded(), LruCache::new(RECENT_PACKS));
        Self { bytes_max, bytes: 0, places: HashMap::new(), packs, recent }
    }

    pub(super) fn limit(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.evict();
    }

    /// Forgets everything: packs went.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.bytes_max);
    }

    pub(super) fn find(&mut self, id: &[u8; 32]) -> Option<ChunkValue> {
        let (number, position) = *self.places.get(&prefix(id))?;
        let (found, value) = self.packs.get(&number)?.get(position as usize)?;
        (found == id).then_some(*value)
    }

    /// Notes that a look-up hit in a pack; tells whether its footer should be read now.
    pub(super) fn note(&mut self, number: u32) -> bool {
        let hits = self.recent.get_or_insert_mut(number, Hits::default);
        hits.count += 1;
        hits.count >= LOOK_UPS_MIN.max(hits.wanted)
    }

    /// Takes the records of a pack, unless they are too many for so few look-ups, or for the memory.
    pub(super) fn load(&mut self, number: u32, records: Vec<Neighbour>) {
        let count = u32::try_from(records.len()).unwrap_or(u32::MAX);
        let hits = self.recent.get_or_insert_mut(number, Hits::default);
        hits.wanted = match records.len() * RECORD_BYTES > self.bytes_max {
            true => u32::MAX,
            false => count / RECORDS_PER_LOOK_UP,
        };
        if hits.count < hits.wanted || self.packs.contains(&number) {
            return;
        }
        self.recent.pop(&number);
        for (position, (id, _)) in (0..).zip(&records) {
            self.places.insert(prefix(id), (number, position));
        }
        self.bytes += records.len() * RECORD_BYTES;
        self.packs.put(number, records);
        self.evict();
    }

    fn evict(&mut self) {
        while self.bytes > self.bytes_max
            && let Some((number, records)) = self.packs.pop_lru()
        {
            self.bytes -= records.len() * RECORD_BYTES;
            for (id, _) in records {
                if self.places.get(&prefix(&id)).is_some_and(|(other, _)| *other == number) {
                    self.places.remove(&prefix(&id));
                }
            }
        }
    }
}

/// Enough of an id to find it; the whole is compared then.
fn prefix(id: &[u8; 32]) -> u64 {
    u64::from_le_bytes(*id.first_chunk().expect("an id has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::pack::{FooterEntry, RecordHead, RecordKind};

    fn records(pack: u32, count: u32) -> Vec<Neighbour> {
        let record = |position: u32| {
            let id = *blake3::hash(&[pack.to_le_bytes(), position.to_le_bytes()].concat()).as_bytes();
            let head = RecordHead { kind: RecordKind::Chunk, codec: 0, label: 0, stored_len: 1, raw_len: 1, id };
            (id, ChunkValue::new(pack, &FooterEntry { head, offset: position }))
        };
        (0..count).map(record).collect()
    }

    fn loaded(neighbours: &mut Neighbours, pack: u32, count: u32) -> bool {
        let records = records(pack, count);
        records.iter().all(|(id, value)| neighbours.find(id).is_some_and(|found| found.encode() == value.encode()))
    }

    #[test]
    fn a_pack_is_loaded_once_enough_look_ups_hit_in_it() {
        let mut neighbours = Neighbours::new(1 << 20);
        assert_eq!(
            [1, 2, 3, 4].map(|_| neighbours.note(1)),
            [false, false, false, true],
            "its length is not known yet"
        );
        neighbours.load(1, records(1, 320));
        assert!(!loaded(&mut neighbours, 1, 320), "four hits are too few for 320 records");
        assert_eq!((5..=10).map(|_| neighbours.note(1)).filter(|is_due| *is_due).count(), 1);
        neighbours.load(1, records(1, 320));
        assert!(loaded(&mut neighbours, 1, 320));
    }

    #[test]
    fn hits_all_over_load_nothing() {
        let mut neighbours = Neighbours::new(1 << 20);
        let due = (0..10_000).filter(|look_up| neighbours.note(look_up % 100)).count();
        assert_eq!(due, 0);
    }

    #[test]
    fn memory_is_bounded_and_what_was_used_longest_ago_goes_first() {
        let mut neighbours = Neighbours::new(25 * RECORD_BYTES);
        for pack in [1, 2] {
            neighbours.load(pack, records(pack, 10));
        }
        assert!(loaded(&mut neighbours, 1, 10));
        neighbours.load(3, records(3, 10));
        assert_eq!([1, 2, 3].map(|pack| loaded(&mut neighbours, pack, 10)), [true, false, true]);
        assert_eq!((neighbours.bytes, neighbours.places.len()), (20 * RECORD_BYTES, 20));
        neighbours.load(4, records(4, 26));
        assert!(!loaded(&mut neighbours, 4, 26), "a pack that is too large alone is left alone");
        neighbours.limit(10 * RECORD_BYTES);
        assert_eq!(neighbours.places.len(), 10);
        neighbours.clear();
        assert!(neighbours.places.is_empty());
    }
}
