//! How the memory of one operation is shared out.

use vectar_repository::index::IndexMemory;

/// What every operation takes, whatever it works on: windows of the source (48 MiB), a body being cut (34 MiB), two packs of 32 MiB and a
/// short one of metadata, of the chunk index its page cache (32 MiB), loaded footers (16 MiB) and packs that are not in it yet (8 MiB).
const FIXED_BYTES: u64 = 208 * 1024 * 1024;

/// Least budget that is taken.
pub const MEMORY_BYTES_MIN: u64 = 320 * 1024 * 1024;

/// The budget unless another is given.
pub const MEMORY_BYTES_DEFAULT: u64 = 512 * 1024 * 1024;

/// Bytes that a batch of chunks takes on its way, raw and encoded.
const BATCH_BYTES: u64 = 4 * 1024 * 1024;

/// Batches under way at most, however many threads there are. More would not be faster, because one thread cuts for all the others.
const BATCHES_MAX: usize = 16;

/// Decoded chunks that are of use to a restore, at most: what rows were taken from that an optimizer merged.
const HELD_BYTES_MAX: u64 = 96 * 1024 * 1024;

/// Decoded chunks of earlier backups that are of use while rows are looked for, at most.
const KEPT_BYTES_MAX: u64 = 160 * 1024 * 1024;

/// The filter of the chunk index, at most: two bytes each for some 10^8 chunks.
const INDEX_FILTER_BYTES_MAX: u64 = 192 * 1024 * 1024;

/// Loaded footers of the chunk index.
const INDEX_FOOTER_BYTES: usize = 16 * 1024 * 1024;

/// A budget for anonymous memory. What grows with what is worked on gets its part of what the fixed part leaves; what does not fit is looked up
/// or read again, or stored anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemoryBudget {
    /// What is left above the fixed part.
    free: u64,
    batches: usize,
}

impl MemoryBudget {
    /// Shares out `bytes`, at least [`MEMORY_BYTES_MIN`], among so many threads.
    pub(crate) fn new(bytes: u64, threads: usize) -> Self {
        let free = bytes.max(MEMORY_BYTES_MIN) - FIXED_BYTES;
        // Half of the rest; one batch is cut while another is encoded.
        let affordable = usize::try_from(free / 2 / BATCH_BYTES).unwrap_or(usize::MAX);
        let batches = (threads + 2).min(BATCHES_MAX).min(affordable.max(2));
        Self { free: free.saturating_sub(batches as u64 * BATCH_BYTES), batches }
    }

    /// Batches of chunks under way in an ingest.
    pub(crate) fn batches(self) -> usize {
        self.batches
    }

    /// Bytes for the places of rows; while they are read they take twice as much.
    pub(crate) fn row_places(self) -> usize {
        clamp(self.free * 3 / 20, u64::MAX)
    }

    /// Bytes of decoded chunks that are kept while rows are looked for.
    pub(crate) fn kept_chunks(self) -> usize {
        clamp(self.free * 9 / 20, KEPT_BYTES_MAX)
    }

    /// What the chunk index may keep for look-ups.
    pub(crate) fn index(self) -> IndexMemory {
        IndexMemory { filter_bytes: clamp(self.free / 5, INDEX_FILTER_BYTES_MAX), neighbour_bytes: INDEX_FOOTER_BYTES }
    }

    /// Bytes of decoded chunks that a restore holds for later.
    pub(crate) fn held_chunks(self) -> usize {
        clamp(self.free / 2, HELD_BYTES_MAX)
    }
}

fn clamp(bytes: u64, max: u64) -> usize {
    usize::try_from(bytes.min(max)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_never_make_more_than_the_whole() {
        for bytes in [0, MEMORY_BYTES_MIN, MEMORY_BYTES_DEFAULT, 1 << 30, 1 << 36] {
            for threads in [1, 2, 8, 64] {
                let budget = MemoryBudget::new(bytes, threads);
                let whole = bytes.max(MEMORY_BYTES_MIN);
                let batches = budget.batches() as u64 * BATCH_BYTES;
                let filter = budget.index().filter_bytes as u64;
                let ingest = batches + filter + 2 * budget.row_places() as u64 + budget.kept_chunks() as u64;
                assert!(FIXED_BYTES + ingest <= whole, "{bytes} {threads} {budget:?}");
                assert!(FIXED_BYTES + filter + budget.held_chunks() as u64 <= whole);
                assert!(budget.batches() >= 2);
            }
        }
    }

    #[test]
    fn more_memory_gives_every_part_as_much_or_more() {
        let parts = |bytes| {
            let budget = MemoryBudget::new(bytes, 2);
            [budget.batches(), budget.row_places(), budget.kept_chunks(), budget.held_chunks()]
        };
        let all = [MEMORY_BYTES_MIN, MEMORY_BYTES_DEFAULT, 1 << 30, 1 << 31].map(parts);
        assert!(all.windows(2).all(|pair| pair[0].iter().zip(&pair[1]).all(|(less, more)| less <= more)), "{all:?}");
        assert!(all[0][1] < all[1][1] && all[0][3] < all[1][3], "{all:?}");
    }
}
