//! Chunks of a stretch that windows to come need again. Rows that an optimizer merged come from many chunks in turns, and a cache that knows
//! only the past would read and decode them once for each window.

use std::collections::HashMap;

use bytes::Bytes;
use vectar_chunk::ChunkId;
use vectar_repository::format::node::RecipeItem;

use super::chunks_of;

/// The chunks that are at hand, and for how long each is needed.
#[derive(Debug, Default)]
pub(super) struct HeldChunks {
    /// The last window of each chunk that more than one window needs.
    last_windows: HashMap<ChunkId, usize>,
    held: HashMap<ChunkId, Bytes>,
    bytes: usize,
    /// Decoded bytes that are held at most. What does not fit is read again.
    bytes_max: usize,
}

impl HeldChunks {
    /// Looks ahead over all windows of a stretch.
    pub(super) fn of(windows: &[Vec<RecipeItem>], bytes_max: usize) -> Self {
        let mut last: HashMap<ChunkId, (usize, usize)> = HashMap::new();
        for (number, window) in windows.iter().enumerate() {
            for chunk in chunks_of(window) {
                last.entry(chunk).or_insert((number, number)).1 = number;
            }
        }
        let again = last.into_iter().filter(|(_, (first, last))| first < last);
        Self { last_windows: again.map(|(chunk, (_, last))| (chunk, last)).collect(), bytes_max, ..Self::default() }
    }

    /// Those of these chunks that are at hand, each once.
    pub(super) fn at_hand(&self, chunks: &[ChunkId]) -> HashMap<ChunkId, Bytes> {
        chunks.iter().filter_map(|chunk| Some((*chunk, self.held.get(chunk)?.clone()))).collect()
    }

    /// Keeps what was fetched for a window as far as later ones need it, and lets go of what none needs any more.
    pub(super) fn keep(&mut self, window: usize, fetched: &HashMap<ChunkId, Bytes>) {
        let (last_windows, bytes) = (&self.last_windows, &mut self.bytes);
        self.held.retain(|chunk, held| {
            let is_needed = last_windows.get(chunk).is_some_and(|last| *last > window);
            *bytes -= if is_needed { 0 } else { held.len() };
            is_needed
        });
        for (chunk, decoded) in fetched {
            let is_needed = last_windows.get(chunk).is_some_and(|last| *last > window);
            if is_needed && *bytes + decoded.len() <= self.bytes_max && !self.held.contains_key(chunk) {
                *bytes += decoded.len();
                self.held.insert(*chunk, decoded.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_held_from_its_first_window_to_its_last() {
        let chunk = |seed: u8| ChunkId::from_bytes([seed; 32]);
        let window = |seeds: &[u8]| -> Vec<RecipeItem> {
            seeds.iter().map(|seed| RecipeItem::Copy { chunk: chunk(*seed), start: 0, len: 1 }).collect()
        };
        let windows = [window(&[1, 2, 2]), window(&[3]), window(&[1, 3]), window(&[2])];
        let mut held = HeldChunks::of(&windows, 10);
        let mut fetched_again = Vec::new();
        for (number, window) in windows.iter().enumerate() {
            let ids = chunks_of(window);
            let at_hand = held.at_hand(&ids);
            let fetched: HashMap<_, _> =
                ids.iter().filter(|id| !at_hand.contains_key(id)).map(|id| (*id, Bytes::from_static(b"x"))).collect();
            fetched_again.push(fetched.len());
            held.keep(number, &fetched);
        }
        assert_eq!(fetched_again, [2, 1, 0, 0]);
        assert!(held.held.is_empty() && held.bytes == 0, "nothing outlives the stretch");
    }
}
