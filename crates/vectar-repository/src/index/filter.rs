//! Tells from memory that an id is in no pack, so that what is new costs no look-up in redb.
//!
//! A Bloom filter over the ids of all footers that the index holds. It may say "perhaps" of an id that is nowhere, and the table is asked
//! then; it never says "nowhere" of one that is in a table, because ids are put into it before the transaction that adds them commits, and
//! what leaves the tables stays in it. Were it wrong all the same, a chunk would be stored twice and nothing lost.
//!
//! It is not stored. Building it reads the footers one after the other, some 100 ns for each chunk where a look-up takes microseconds,
//! so it is built when as many look-ups have found nothing as make it worth that; opening costs nothing, and nothing can be out of date.

use fastbloom::AtomicBloomFilter;

use std::sync::atomic::{AtomicU64, Ordering};

/// Bits for each id: one look-up in a hundred for what is new asks the table in vain.
const BITS_PER_ID: u64 = 10;

/// With fewer than this it says "perhaps" too often to be worth its memory.
const BITS_PER_ID_MIN: u64 = 4;

/// Ids that there is always room for.
const ROOM_MIN: u64 = 64 * 1024;

/// Look-ups in vain that are let pass before a filter is built, at least.
const LOOK_UPS_MIN: u64 = 64;

/// One look-up in vain for so many ids pays for reading them all.
const IDS_PER_LOOK_UP: u64 = 64;

/// The ids of all packs, more or less.
#[derive(Debug)]
pub(super) struct IdFilter {
    bits: AtomicBloomFilter,
    /// How many ids it takes before a larger one should stand in its place, or none.
    room: u64,
    ids: AtomicU64,
}

impl IdFilter {
    /// Whether so many look-ups in vain among `ids` ids are worth a filter.
    pub(super) fn is_worth(look_ups: u64, ids: u64) -> bool {
        look_ups >= LOOK_UPS_MIN.max(ids / IDS_PER_LOOK_UP)
    }

    /// An empty filter with room for `ids` ids and half as many more, in at most `bytes_max` bytes; `None` when that is too little.
    pub(super) fn with_room(ids: u64, bytes_max: usize) -> Option<Self> {
        let bits_max = (bytes_max as u64).saturating_mul(8);
        let room = ids.saturating_add(ids / 2).max(ROOM_MIN);
        let bits = room.saturating_mul(BITS_PER_ID).min(bits_max);
        // No larger one can stand in the place of one that is as large as it may be, so that takes ids as long as it is of use. To build it
        // again would give the same.
        let room = if bits < bits_max { room } else { bits_max / BITS_PER_ID_MIN };
        // What it should have room for later is given up before what is there is told apart less well.
        let best_for = (bits / BITS_PER_ID).max(ids).max(1);
        (ids <= room && room > 0).then_some(())?;
        let bits = AtomicBloomFilter::with_num_bits(usize::try_from(bits).ok()?)
            .expected_items(usize::try_from(best_for).ok()?);
        Some(Self { bits, room, ids: AtomicU64::new(0) })
    }

    pub(super) fn insert(&self, id: &[u8; 32]) {
        self.bits.insert_hash(hash(id));
        self.ids.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the id is in no pack; `false` says nothing.
    pub(super) fn lacks(&self, id: &[u8; 32]) -> bool {
        !self.bits.contains_hash(hash(id))
    }

    /// Whether it says "perhaps" so often by now that a larger one should stand in its place, or none.
    pub(super) fn is_full(&self) -> bool {
        self.ids.load(Ordering::Relaxed) > self.room
    }

    pub(super) fn bytes(&self) -> usize {
        self.bits.num_bits() / 8
    }
}

/// Ids are keyed hashes, so their own bits are as good as those of any hash of them.
fn hash(id: &[u8; 32]) -> u64 {
    u64::from_le_bytes(*id.first_chunk().expect("an id has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(from: u64, count: u64) -> impl Iterator<Item = [u8; 32]> {
        (from..from + count).map(|number| *blake3::hash(&number.to_le_bytes()).as_bytes())
    }

    #[test]
    fn what_was_put_in_is_never_lacking_and_little_else_is_not() {
        for (count, bytes_max, wrong_max) in [(1000, 1 << 20, 50), (100_000, 1 << 20, 200), (100_000, 60_000, 2000)] {
            let filter = IdFilter::with_room(count, bytes_max).unwrap();
            assert!(filter.bytes() <= bytes_max);
            ids(0, count).for_each(|id| filter.insert(&id));
            assert!(!filter.is_full());
            assert!(ids(0, count).all(|id| !filter.lacks(&id)));
            let wrong = ids(1 << 40, 10_000).filter(|id| !filter.lacks(id)).count();
            assert!(wrong <= wrong_max, "{wrong} of 10,000 in {bytes_max} bytes for {count}");
        }
    }

    #[test]
    fn too_little_memory_is_no_filter_and_too_many_ids_are_told() {
        assert!(IdFilter::with_room(100_000, 40_000).is_none());
        let filter = IdFilter::with_room(0, 1 << 20).unwrap();
        ids(0, ROOM_MIN).for_each(|id| filter.insert(&id));
        assert!(!filter.is_full());
        ids(ROOM_MIN, 1).for_each(|id| filter.insert(&id));
        assert!(filter.is_full());
    }

    #[test]
    fn one_that_cannot_grow_is_built_once() {
        // As many ids as it is best for, and it may not become larger.
        let (count, bytes_max) = (100_000, 125_000);
        let filter = IdFilter::with_room(count, bytes_max).unwrap();
        assert_eq!(filter.bytes(), bytes_max);
        let most = bytes_max as u64 * 8 / BITS_PER_ID_MIN;
        ids(0, most).for_each(|id| filter.insert(&id));
        assert!(!filter.is_full(), "another one would be the same");
        ids(most, 1).for_each(|id| filter.insert(&id));
        assert!(filter.is_full() && IdFilter::with_room(most + 1, bytes_max).is_none());
    }
}
