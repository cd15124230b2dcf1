//! Cuts lists of recipe items into nodes, content-defined, and lays interior nodes above them.
//!
//! A cut is decided by the id of the item that ends a node, so an inserted extent changes one node and the path above it. A list of scattered
//! rows is changed all over whenever it is changed; it goes into few long nodes instead, each of which names a chunk once.

use std::collections::HashSet;

use vectar_chunk::{ChunkId, NodeId};

use crate::{
    error::RepositoryError,
    format::{
        config::{Config, NodeCut},
        node::{LIST_DEPTH_MAX, NODE_BYTES_MAX, NODE_ITEMS_MAX, NodeVersion, RecipeItem, RecipeNode},
    },
};

/// A list of at most this many items stays part of the list it lies in: a node of its own would cost more than it shares.
pub const ITEMS_INLINE_MAX: usize = 4;

/// Estimated bytes at which a node of scattered rows ends.
const SCATTERED_BYTES_MAX: u32 = 1 << 20;

const _: () = assert!(2 * SCATTERED_BYTES_MAX as usize <= NODE_BYTES_MAX, "an item takes at most twice its estimate");

/// What an item takes in an encoded node, about: the bytes of a literal come on top, and an id that the node names for the first time.
/// A tag, a slot, a start and a length are 16 bytes at most, and mostly 4.
const ITEM_BYTES: u32 = 8;
const ID_BYTES: u32 = 32;

/// Rows lie scattered when at least one in so many items begins within a chunk.
const SCATTERED_ONE_IN: usize = 4;

/// Stores a node and returns its id.
pub trait NodeSink {
    /// Called for each finished node, children before parents.
    ///
    /// # Errors
    /// Whatever storing it met; the writer is of no further use then.
    fn store(&mut self, node: &RecipeNode) -> Result<NodeId, RepositoryError>;
}

/// Takes the items of one list in order; see [`finish`](Self::finish) and [`finish_root`](Self::finish_root).
#[derive(Debug)]
pub struct NodeWriter {
    cut: NodeCut,
    /// The ids in the node under way, when the list is of a body.
    named: Option<HashSet<ChunkId>>,
    levels: Vec<Level>,
    /// The last item, held back because the next one may continue it.
    held: Option<RecipeItem>,
    len: u64,
}

#[derive(Debug, Default)]
struct Level {
    items: Vec<RecipeItem>,
    encoded_bytes: u32,
    /// References that begin within a chunk.
    within: usize,
}

impl NodeWriter {
    /// Starts an empty list.
    #[must_use]
    pub fn new(cut: NodeCut) -> Self {
        Self { cut, named: None, levels: vec![Level::default()], held: None, len: 0 }
    }

    /// Starts the list of a body. While its rows lie scattered over chunks, nodes may become as long as [`NODE_BYTES_MAX`] allows, if
    /// every reader of the repository takes nodes in columns.
    #[must_use]
    pub fn of_body(config: &Config) -> Self {
        let named = (config.node_version() >= NodeVersion::Distances).then(HashSet::new);
        Self { named, ..Self::new(config.node_cut) }
    }

    /// How many bytes of the snapshot the list covers so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was pushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends an item. Items that continue their predecessor are joined with it; empty ones vanish.
    ///
    /// # Errors
    /// What the sink met; [`RepositoryError::RecipeInvalid`] for a literal above [`INLINE_BYTES_MAX`], which no node has room for.
    pub fn push(&mut self, item: RecipeItem, sink: &mut dyn NodeSink) -> Result<(), RepositoryError> {
        if item.is_empty() {
            return Ok(());
        }
        if matches!(&item, RecipeItem::Inline(bytes) if bytes.len() > INLINE_BYTES_MAX) {
            let reason = format!("a literal has {} bytes, at most {INLINE_BYTES_MAX} are possible", item.len());
            return Err(RepositoryError::RecipeInvalid { reason });
        }
        self.len += item.len();
        let Some(held) = self.held.take() else {
            self.held = Some(item);
            return Ok(());
        };
        match join(held, item) {
            Joined::One(item) => {
                self.held = Some(item);
                Ok(())
            }
            Joined::Two(first, second) => {
                self.held = Some(second);
                self.append(0, first, sink)
            }
        }
    }

    /// Ends the list. A short one is returned as it is, a longer one as a single item that names its node.
    ///
    /// # Errors
    /// What the sink met.
    pub fn finish(mut self, sink: &mut dyn NodeSink) -> Result<Vec<RecipeItem>, RepositoryError> {
        self.release(sink)?;
        if self.levels.len() == 1 && self.levels[0].items.len() <= ITEMS_INLINE_MAX {
            return Ok(std::mem::take(&mut self.levels[0].items));
        }
        let len = self.len;
        Ok(vec![RecipeItem::Node { node: self.close_all(sink)?, len }])
    }

    /// Ends the list as a recipe: always one node, also for a short or empty list.
    ///
    /// # Errors
    /// What the sink met.
    pub fn finish_root(mut self, sink: &mut dyn NodeSink) -> Result<NodeId, RepositoryError> {
        self.release(sink)?;
        self.close_all(sink)
    }

    fn release(&mut self, sink: &mut dyn NodeSink) -> Result<(), RepositoryError> {
        match self.held.take() {
            Some(item) => self.append(0, item, sink),
            None => Ok(()),
        }
    }

    fn append(&mut self, level: usize, item: RecipeItem, sink: &mut dyn NodeSink) -> Result<(), RepositoryError> {
        if level == self.levels.len() {
            self.levels.push(Level::default());
        }
        let cut = self.cut;
        let named = self.named.as_mut().filter(|_| level == 0);
        let here = &mut self.levels[level];
        here.encoded_bytes += encoded_bytes(&item, named);
        here.within += usize::from(matches!(&item, RecipeItem::Copy { start: 1.., .. }));
        let ends = is_boundary(&item, cut);
        here.items.push(item);
        let is_scattered = level == 0 && self.named.is_some() && here.within * SCATTERED_ONE_IN >= here.items.len();
        // The next item may be as large as an inline one can be; a node never outgrows its maximum.
        let max_bytes = if is_scattered { SCATTERED_BYTES_MAX } else { cut.max_bytes };
        let full = here.encoded_bytes + INLINE_BYTES_MAX as u32 + 64 >= max_bytes || here.items.len() >= NODE_ITEMS_MAX;
        if full || (ends && !is_scattered && here.encoded_bytes >= cut.min_bytes) {
            return self.close(level, sink);
        }
        Ok(())
    }

    fn close(&mut self, level: usize, sink: &mut dyn NodeSink) -> Result<(), RepositoryError> {
        if level + 1 >= LIST_DEPTH_MAX {
            return Err(RepositoryError::RecipeInvalid {
                reason: format!("it needs more than {LIST_DEPTH_MAX} levels of nodes"),
            });
        }
        let done = std::mem::take(&mut self.levels[level]);
        if let Some(named) = self.named.as_mut().filter(|_| level == 0) {
            named.clear();
        }
        let node = RecipeNode { items: done.items };
        let (len, node) = (node.len(), sink.store(&node)?);
        self.append(level + 1, RecipeItem::Node { node, len }, sink)
    }

    fn close_all(&mut self, sink: &mut dyn NodeSink) -> Result<NodeId, RepositoryError> {
        let mut level = 0;
        loop {
            let is_top = level + 1 == self.levels.len();
            match (&self.levels[level].items[..], is_top) {
                ([RecipeItem::Node { node, .. }], true) if level > 0 => return Ok(*node),
                (_, true) => {
                    let items = std::mem::take(&mut self.levels[level].items);
                    return sink.store(&RecipeNode { items });
                }
                ([], false) => {}
                (_, false) => self.close(level, sink)?,
            }
            level += 1;
        }
    }
}

/// Longest literal that is kept in a recipe, in bytes. Above it a chunk with its 32-byte id is the better deal.
pub const INLINE_BYTES_MAX: usize = 1024;

enum Joined {
    One(RecipeItem),
    Two(RecipeItem, RecipeItem),
}

fn join(first: RecipeItem, second: RecipeItem) -> Joined {
    use RecipeItem::{Copy, Fill, Inline};
    match (first, second) {
        (Fill { byte, len }, Fill { byte: other, len: more }) if byte == other => {
            Joined::One(Fill { byte, len: len + more })
        }
        (Copy { chunk, start, len }, Copy { chunk: other, start: next, len: more })
            if chunk == other && start.checked_add(len) == Some(next) && len.checked_add(more).is_some() =>
        {
            Joined::One(Copy { chunk, start, len: len + more })
        }
        (Inline(mut bytes), Inline(more)) if bytes.len() + more.len() <= INLINE_BYTES_MAX => {
            bytes.extend_from_slice(&more);
            Joined::One(Inline(bytes))
        }
        (first, second) => Joined::Two(first, second),
    }
}

/// About what an item takes in an encoded node. Which ids the node names already is kept for lists of bodies only; framing is copied
/// from one chunk in many pieces, and counting the id with each of them keeps its nodes short.
fn encoded_bytes(item: &RecipeItem, named: Option<&mut HashSet<ChunkId>>) -> u32 {
    match item {
        RecipeItem::Inline(bytes) => ITEM_BYTES + bytes.len() as u32,
        RecipeItem::Fill { .. } => ITEM_BYTES,
        RecipeItem::Copy { chunk, .. } => match named.is_none_or(|named| named.insert(*chunk)) {
            true => ID_BYTES + ITEM_BYTES,
            false => ITEM_BYTES,
        },
        RecipeItem::Node { .. } => ID_BYTES + ITEM_BYTES,
    }
}

/// Whether a node may end behind this item: once in `avg − min` bytes of items, decided by the item's id.
fn is_boundary(item: &RecipeItem, cut: NodeCut) -> bool {
    let id = match item {
        RecipeItem::Copy { chunk, .. } => chunk.as_bytes(),
        RecipeItem::Node { node, .. } => node.as_bytes(),
        RecipeItem::Inline(_) | RecipeItem::Fill { .. } => return false,
    };
    let sample = u64::from_le_bytes(id[..8].try_into().expect("ids have 32 bytes"));
    let items_between = u64::from((cut.avg_bytes - cut.min_bytes) / (ID_BYTES + ITEM_BYTES)).max(1);
    sample % items_between == 0
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use vectar_chunk::ChunkId;

    use super::*;

    #[derive(Default)]
    struct Nodes(HashMap<[u8; 32], RecipeNode>);

    impl NodeSink for Nodes {
        fn store(&mut self, node: &RecipeNode) -> Result<NodeId, RepositoryError> {
            let bytes = node.encode(NodeVersion::NEWEST);
            assert!(bytes.len() <= crate::format::node::NODE_BYTES_MAX);
            let id = *blake3::hash(&bytes).as_bytes();
            self.0.insert(id, node.clone());
            Ok(NodeId::from_bytes(id))
        }
    }

    impl Nodes {
        fn flatten(&self, node: &NodeId, out: &mut Vec<RecipeItem>) {
            for item in &self.0[node.as_bytes()].items {
                match item {
                    RecipeItem::Node { node, .. } => self.flatten(node, out),
                    leaf => out.push(leaf.clone()),
                }
            }
        }
    }

    fn copies(seeds: &[u32]) -> Vec<RecipeItem> {
        let copy = |seed: &u32| {
            let chunk = ChunkId::from_bytes(*blake3::hash(&seed.to_le_bytes()).as_bytes());
            RecipeItem::Copy { chunk, start: 0, len: 1000 + seed % 100 }
        };
        seeds.iter().map(copy).collect()
    }

    fn write(items: &[RecipeItem], nodes: &mut Nodes) -> NodeId {
        write_with(NodeWriter::new(NodeCut::default()), items, nodes)
    }

    fn write_with(mut writer: NodeWriter, items: &[RecipeItem], nodes: &mut Nodes) -> NodeId {
        for item in items {
            writer.push(item.clone(), nodes).unwrap();
        }
        writer.finish_root(nodes).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn every_list_comes_back_in_order(count in 0..6000_u32) {
            let items = copies(&(0..count).collect::<Vec<_>>());
            let mut nodes = Nodes::default();
            let root = write(&items, &mut nodes);
            let mut flat = Vec::new();
            nodes.flatten(&root, &mut flat);
            prop_assert_eq!(flat, items);
        }
    }

    #[test]
    fn one_changed_item_rewrites_one_path() {
        let mut seeds: Vec<u32> = (0..20_000).collect();
        let mut nodes = Nodes::default();
        write(&copies(&seeds), &mut nodes);
        let before = nodes.0.len();
        seeds.insert(10_000, 1_000_000);
        write(&copies(&seeds), &mut nodes);
        let added = nodes.0.len() - before;
        assert!(added <= 5, "{added} of {before} nodes are new after one insertion");
    }

    fn of_body() -> NodeWriter {
        NodeWriter { named: Some(HashSet::new()), ..NodeWriter::new(NodeCut::default()) }
    }

    /// Rows in any order, of which each chunk holds as many as the given number.
    fn scattered(rows: u32, rows_each: u32) -> Vec<RecipeItem> {
        let row = |number: u32| {
            let number = (u64::from(number) * 7919 % u64::from(rows)) as u32;
            let chunk = ChunkId::from_bytes(*blake3::hash(&(number / rows_each).to_le_bytes()).as_bytes());
            RecipeItem::Copy { chunk, start: number % rows_each * 3072, len: 3072 }
        };
        (0..rows).map(row).collect()
    }

    #[test]
    fn a_scattered_row_costs_a_few_bytes() {
        let items = scattered(60_000, 10);
        let mut nodes = Nodes::default();
        let root = write_with(of_body(), &items, &mut nodes);
        let mut flat = Vec::new();
        nodes.flatten(&root, &mut flat);
        assert_eq!(flat, items);
        let bytes: usize = nodes.0.values().map(|node| node.encode(NodeVersion::NEWEST).len()).sum();
        // 3.2 of them are the name of the chunk, which each node has once.
        assert!(bytes <= 60_000 * 9, "{bytes} bytes in {} nodes", nodes.0.len());
        let mut short = Nodes::default();
        write(&items, &mut short);
        let bytes: usize = short.0.values().map(|node| node.encode(NodeVersion::NEWEST).len()).sum();
        assert!(bytes > 60_000 * 32, "otherwise nothing is gained: {bytes}");
    }

    /// The widest numbers a list can have, so that no item takes more of a node than it is taken for.
    #[test]
    fn no_list_makes_a_node_too_long() {
        let mut items = scattered(150_000, 1500);
        for (number, item) in items.iter_mut().enumerate() {
            match number % 6 {
                0 => *item = RecipeItem::Fill { byte: 1, len: (1 << 62) >> (number % 7 * 8) },
                1 => *item = RecipeItem::Inline(vec![number as u8; 1 + number % 3]),
                _ => {}
            }
        }
        items.truncate(100_000);
        // One giant would overflow the sum of all.
        for item in items.iter_mut().skip(8) {
            if let RecipeItem::Fill { len, .. } = item {
                *len = 1 + *len % (1 << 40);
            }
        }
        let mut nodes = Nodes::default();
        let root = write_with(of_body(), &items, &mut nodes);
        let mut flat = Vec::new();
        nodes.flatten(&root, &mut flat);
        assert_eq!(flat, items);
        let longest = nodes.0.values().map(|node| node.encode(NodeVersion::NEWEST).len()).max().unwrap();
        assert!(longest > NODE_BYTES_MAX / 4, "otherwise nothing is shown: {longest}");
    }

    #[test]
    fn neighbours_are_joined_and_short_lists_stay_where_they_are() {
        let chunk = ChunkId::from_bytes([1; 32]);
        let mut nodes = Nodes::default();
        let mut writer = NodeWriter::new(NodeCut::default());
        for start in [0, 512, 1024] {
            writer.push(RecipeItem::Copy { chunk, start, len: 512 }, &mut nodes).unwrap();
        }
        writer.push(RecipeItem::Fill { byte: 0, len: 5 }, &mut nodes).unwrap();
        writer.push(RecipeItem::Fill { byte: 0, len: 6 }, &mut nodes).unwrap();
        assert_eq!(writer.len(), 1547);
        let items = writer.finish(&mut nodes).unwrap();
        assert_eq!(items, [RecipeItem::Copy { chunk, start: 0, len: 1536 }, RecipeItem::Fill { byte: 0, len: 11 }]);
        assert!(nodes.0.is_empty());
    }
}
