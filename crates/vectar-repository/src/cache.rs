//! Decoded chunks and nodes, kept for who asks next.

use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use lru::LruCache;
use vectar_chunk::NodeId;

use crate::format::node::RecipeNode;

/// Decoded chunks and nodes of one repository, least recently used out first. Bounded in bytes; the last entry stays whatever its length.
///
/// Readers of one repository may share it ([`ChunkReader::sharing`](crate::ChunkReader::sharing)): backups that are read side by side
/// need most chunks at the same time.
#[derive(Debug)]
pub struct ChunkCache {
    entries: Mutex<Entries>,
}

#[derive(Debug)]
struct Entries {
    by_id: LruCache<[u8; 32], (Cached, usize)>,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug, Clone)]
pub(crate) enum Cached {
    Chunk(Bytes),
    Node(Arc<RecipeNode>),
}

impl ChunkCache {
    /// An empty cache for at most `bytes_max` decoded bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { entries: Mutex::new(Entries { by_id: LruCache::unbounded(), bytes: 0, bytes_max }) }
    }

    pub(crate) fn contains(&self, id: &[u8; 32]) -> bool {
        self.entries().by_id.contains(id)
    }

    pub(crate) fn chunk(&self, id: &[u8; 32]) -> Option<Bytes> {
        match self.entries().by_id.get(id)? {
            (Cached::Chunk(bytes), _) => Some(bytes.clone()),
            (Cached::Node(_), _) => None,
        }
    }

    pub(crate) fn node(&self, id: &NodeId) -> Option<Arc<RecipeNode>> {
        match self.entries().by_id.get(id.as_bytes())? {
            (Cached::Node(node), _) => Some(node.clone()),
            (Cached::Chunk(_), _) => None,
        }
    }

    pub(crate) fn insert(&self, id: [u8; 32], value: Cached, len: usize) {
        let mut entries = self.entries();
        if let Some((_, old)) = entries.by_id.put(id, (value, len)) {
            entries.bytes -= old;
        }
        entries.bytes += len;
        while entries.bytes > entries.bytes_max && entries.by_id.len() > 1 {
            if let Some((_, (_, len))) = entries.by_id.pop_lru() {
                entries.bytes -= len;
            }
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().expect("no thread panics while it holds this lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let cache = ChunkCache::new(10);
        let put = |id: u8| cache.insert([id; 32], Cached::Chunk(Bytes::from(vec![id; 4])), 4);
        put(1);
        put(2);
        assert!(cache.chunk(&[1; 32]).is_some());
        put(3);
        assert_eq!([1, 2, 3].map(|id| cache.contains(&[id; 32])), [true, false, true]);
        // The same chunk again takes no more room.
        put(3);
        assert!(cache.contains(&[1; 32]));
        // One that is too long for the cache is all that stays.
        cache.insert([4; 32], Cached::Chunk(Bytes::from(vec![4; 40])), 40);
        assert_eq!([1, 3, 4].map(|id| cache.contains(&[id; 32])), [false, false, true]);
    }
}
