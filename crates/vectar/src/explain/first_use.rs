//! Which chunks and nodes a backup was the first to use, as far as the backups that are still here tell.
//!
//! Memory: about 100 bytes for each distinct chunk and node of the backup, 40 for each distinct recipe node of the earlier ones. Their
//! chunks are only looked up, and a node that several share is read once.

use std::collections::{HashMap, HashSet};

use vectar_repository::{
    ChunkReader, RepositoryError,
    format::{
        node::{NODE_DEPTH_MAX, RecipeItem},
        pack::RECORD_HEAD_BYTES,
    },
};

use crate::{engine::Engine, error::Error, observer::CancelToken};

/// What a record takes in a pack's footer: id, offset, lengths, kind (`docs/format.md`, "Footer").
const FOOTER_ENTRY_BYTES: u64 = 48;

/// Decoded nodes kept while recipes are walked, in bytes.
pub(super) const CACHE_BYTES: usize = 64 * 1024 * 1024;

type NodeId = vectar_chunk::NodeId;

/// The chunks that were new, and what the new nodes take.
#[derive(Debug, Default)]
pub(super) struct FirstUse {
    pub(super) chunks: HashMap<[u8; 32], NewChunk>,
    /// Bytes of one copy of the new nodes, in packs.
    pub(super) node_bytes: u64,
}

/// A chunk that no earlier backup uses.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NewChunk {
    /// What it takes in a pack: head, stored bytes, line of the footer.
    pub(super) pack_bytes: u64,
    /// Bytes of the snapshot that are copied from it, over all places.
    pub(super) used_bytes: u64,
    /// Of them, those that were given their share already.
    pub(super) shared_out_bytes: u64,
}

impl NewChunk {
    /// The share of the next `len` bytes that are copied from it. All shares together are exactly what it takes.
    pub(super) fn next_share(&mut self, len: u64) -> u64 {
        let up_to = |bytes: u64| {
            let product = u128::from(self.pack_bytes) * u128::from(bytes.min(self.used_bytes));
            u64::try_from(product / u128::from(self.used_bytes.max(1))).unwrap_or(self.pack_bytes)
        };
        let before = up_to(self.shared_out_bytes);
        let after = up_to(self.shared_out_bytes.saturating_add(len));
        self.shared_out_bytes = self.shared_out_bytes.saturating_add(len);
        after - before
    }
}

/// Nodes and chunks behind a root, without those that some earlier root leads to.
pub(super) struct Candidates<'r, 'e> {
    reader: &'r ChunkReader<'e>,
    chunks: HashSet<[u8; 32]>,
    nodes: HashSet<NodeId>,
    /// Nodes of earlier backups that were walked.
    walked: HashSet<NodeId>,
}

impl<'r, 'e> Candidates<'r, 'e> {
    /// Everything behind `root`.
    pub(super) fn behind(reader: &'r ChunkReader<'e>, root: &NodeId, cancel: &CancelToken) -> Result<Self, Error> {
        let (mut chunks, mut nodes) = (HashSet::new(), HashSet::new());
        walk(reader, root, &mut nodes, cancel, |chunk| {
            chunks.insert(chunk);
        })?;
        Ok(Self { reader, chunks, nodes, walked: HashSet::new() })
    }

    /// Leaves out everything behind the root of an earlier backup. After an error what was found so far is left out.
    pub(super) fn leave_out(&mut self, root: &NodeId, cancel: &CancelToken) -> Result<(), Error> {
        let chunks = &mut self.chunks;
        walk(self.reader, root, &mut self.walked, cancel, |chunk| {
            chunks.remove(&chunk);
        })
    }

    /// What is left, with what it takes in packs.
    pub(super) fn finish(self, engine: &Engine) -> Result<FirstUse, Error> {
        let view = engine.repository().index().reader()?;
        let pack_bytes = |id: &[u8; 32]| -> Result<u64, RepositoryError> {
            let stored = view.locate(id)?.map_or(0, |location| u64::from(location.stored_len));
            Ok(RECORD_HEAD_BYTES + stored + FOOTER_ENTRY_BYTES)
        };
        let mut first = FirstUse::default();
        for node in self.nodes.difference(&self.walked) {
            first.node_bytes += pack_bytes(node.as_bytes())?;
        }
        for chunk in self.chunks {
            let new = NewChunk { pack_bytes: pack_bytes(&chunk)?, ..NewChunk::default() };
            first.chunks.insert(chunk, new);
        }
        Ok(first)
    }
}

/// Visits every node behind `root` that is not in `seen` yet, and hands over the chunks they copy from.
fn walk(
    reader: &ChunkReader<'_>,
    root: &NodeId,
    seen: &mut HashSet<NodeId>,
    cancel: &CancelToken,
    mut take: impl FnMut([u8; 32]),
) -> Result<(), Error> {
    let mut open = Vec::new();
    if seen.insert(*root) {
        open.push((*root, 0));
    }
    while let Some((id, depth)) = open.pop() {
        cancel.check()?;
        if depth >= NODE_DEPTH_MAX {
            let reason = format!("its nodes nest deeper than {NODE_DEPTH_MAX}");
            return Err(RepositoryError::RecipeInvalid { reason }.into());
        }
        for item in &reader.node(&id)?.items {
            match item {
                RecipeItem::Copy { chunk, .. } => take(*chunk.as_bytes()),
                RecipeItem::Node { node, .. } if seen.insert(*node) => open.push((*node, depth + 1)),
                RecipeItem::Node { .. } | RecipeItem::Inline(_) | RecipeItem::Fill { .. } => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_what_the_chunk_takes() {
        for (pack_bytes, pieces) in [(1000, vec![1, 1, 1]), (7, vec![100, 3, 900]), (0, vec![5]), (99, vec![4096])] {
            let mut chunk = NewChunk { pack_bytes, used_bytes: pieces.iter().sum(), shared_out_bytes: 0 };
            let shares: u64 = pieces.iter().map(|&len| chunk.next_share(len)).sum();
            assert_eq!(shares, pack_bytes, "{pieces:?}");
            // What was not announced costs nothing more.
            assert_eq!(chunk.next_share(10), 0);
        }
    }
}
