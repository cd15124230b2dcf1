//! Recipe nodes: lists of extents that, laid end to end, are the bytes a node stands for.
//!
//! ```text
//! u8 version = 2 │ varint length in bytes │ varint n │ n × 32-byte ids │ varint m │ m tags │ slots │ starts │ lengths │ literals
//! tag 0 Inline  lengths: how many bytes; literals: the bytes
//!     1 Fill    lengths: how often; literals: the byte
//!     2 Copy    slots: the id's slot, or how far it lies from the last one + 1; starts: likewise from the expected start; lengths: how many bytes
//!     3 Node    slots: as in a copy; lengths: how many bytes it stands for
//! ```
//!
//! Ids do not compress and the rest does, column by column (`column.rs`): so a chunk is named once however many pieces of it lie
//! scattered over the node, and each piece costs two to four bytes. "Expected start" is where the last copy from the same chunk
//! ended (0 for the first). Version 1 is read too (`node_v1.rs`).

use vectar_chunk::{ChunkId, NodeId};

use super::{
    Fields, FormatError,
    column::{self, Choice, Column},
    node_v1, varint,
};

/// Largest encoded node, in bytes, before its codec. Only lists of scattered rows come near it; see
/// [`NodeWriter::of_body`](crate::NodeWriter::of_body).
pub const NODE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Most items of a node. Decoded they take some 50 bytes each.
pub const NODE_ITEMS_MAX: usize = 256 * 1024;

/// How deep the nodes of one list may lie above each other. Each holds dozens of items, so this is never reached.
pub const LIST_DEPTH_MAX: usize = 12;

/// How deep nodes may refer to nodes. Hashes make cycles impossible; this bounds the stack of every walk.
///
/// A recipe nests lists: one for each tar level, of which the engine enters nine, and one for a body.
pub const NODE_DEPTH_MAX: usize = 128;

const _: () = assert!(NODE_DEPTH_MAX >= 10 * LIST_DEPTH_MAX, "what can be written can be read");

/// What `config` requires of every reader where nodes are written in [version 2](NodeVersion::Distances).
pub const NODES_2_FEATURE: &str = "recipe-nodes-2";

/// What `config` requires of every reader where nodes are written in [version 3](NodeVersion::Choices).
pub const NODES_3_FEATURE: &str = "recipe-nodes-3";

/// The versions in which nodes are written. All of them mean the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeVersion {
    /// Item by item.
    Items = 1,
    /// Column by column; slots and starts by their distances from what is expected.
    Distances = 2,
    /// As before, and slots and starts as they are where that is shorter.
    Choices = 3,
}

impl NodeVersion {
    /// The version of repositories that are made now.
    pub const NEWEST: Self = Self::Choices;

    fn of(byte: u8) -> Result<Self, FormatError> {
        match byte {
            0 => Err(FormatError::invalid(WHAT, "it has version 0")),
            1 => Ok(Self::Items),
            2 => Ok(Self::Distances),
            3 => Ok(Self::Choices),
            newer => Err(FormatError::NewerVersion { what: WHAT, found: newer.into(), supported: Self::NEWEST as u64 }),
        }
    }
}

pub(super) const WHAT: &str = "recipe node";

/// One item of a recipe node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipeItem {
    /// Literal bytes.
    Inline(Vec<u8>),
    /// `len` times `byte`.
    Fill {
        /// The repeated byte.
        byte: u8,
        /// How often, at least once.
        len: u64,
    },
    /// Bytes `start .. start + len` of a chunk, at least one.
    Copy {
        /// The chunk.
        chunk: ChunkId,
        /// First byte in the decoded chunk.
        start: u32,
        /// Count of bytes.
        len: u32,
    },
    /// All bytes of another node, at least one.
    Node {
        /// The node.
        node: NodeId,
        /// How many bytes it stands for.
        len: u64,
    },
}

impl RecipeItem {
    /// How many bytes of the snapshot the item stands for.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Fill { len, .. } | Self::Node { len, .. } => *len,
            Self::Copy { len, .. } => u64::from(*len),
        }
    }

    /// Whether it stands for no byte at all; no such item is ever stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One recipe node: the items, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecipeNode {
    /// The items; laid end to end they are the node's bytes.
    pub items: Vec<RecipeItem>,
}

impl RecipeNode {
    /// How many bytes of the snapshot the node stands for.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.items.iter().map(RecipeItem::len).sum()
    }

    /// Whether it stands for no bytes: only the root of an empty file does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Encodes the node in the version that all readers of a repository know.
    #[must_use]
    pub fn encode(&self, version: NodeVersion) -> Vec<u8> {
        match version {
            NodeVersion::Items => node_v1::encode(self),
            NodeVersion::Distances | NodeVersion::Choices => self.encode_columns(version),
        }
    }

    fn encode_columns(&self, version: NodeVersion) -> Vec<u8> {
        let mut slots = Slots::default();
        let (mut tags, mut literals) = (Vec::with_capacity(self.items.len()), Vec::new());
        let (mut steps, mut start_steps, mut starts) = (Vec::new(), Vec::new(), Vec::new());
        let (mut used_slots, mut lens) = (Vec::new(), Vec::with_capacity(self.items.len()));
        for item in &self.items {
            lens.push(item.len());
            tags.push(match item {
                RecipeItem::Inline(bytes) => {
                    literals.extend_from_slice(bytes);
                    0
                }
                RecipeItem::Fill { byte, .. } => {
                    literals.push(*byte);
                    1
                }
                RecipeItem::Copy { chunk, start, len } => {
                    let (step, start_step) = slots.copy_steps(chunk, *start, *len);
                    steps.push(step);
                    used_slots.push(slots.last());
                    start_steps.push(start_step);
                    starts.push(u64::from(*start));
                    2
                }
                RecipeItem::Node { node, .. } => {
                    steps.push(slots.node_step(node));
                    used_slots.push(slots.last());
                    3
                }
            });
        }
        let mut out = Vec::with_capacity(literals.len() + 10 * tags.len() + 32 * slots.ids.len() + 64);
        out.push(version as u8);
        varint::encode(self.len(), &mut out);
        varint::encode(slots.ids.len() as u64, &mut out);
        slots.ids.iter().for_each(|id| out.extend_from_slice(id));
        varint::encode(tags.len() as u64, &mut out);
        out.extend_from_slice(&tags);
        if version >= NodeVersion::Choices {
            column::encode_choice(&steps, &used_slots, &mut out);
            column::encode_choice(&start_steps, &starts, &mut out);
        } else {
            column::encode_signed(&steps, &mut out);
            column::encode_signed(&start_steps, &mut out);
        }
        column::encode(&lens, &mut out);
        out.extend_from_slice(&literals);
        out
    }

    /// Decodes a node.
    ///
    /// # Errors
    /// Any [`FormatError`]: an unknown version or tag, ids or items that run past the end, empty items, lengths that
    /// do not add up to the node's.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() > NODE_BYTES_MAX {
            let reason =
                format_args!("it has {} bytes, at most {NODE_BYTES_MAX} are possible", bytes.len()).to_string();
            return Err(FormatError::invalid(WHAT, reason));
        }
        let mut fields = Fields::new(WHAT, bytes);
        let version = NodeVersion::of(fields.u8()?)?;
        let len = fields.varint()?;
        let ids = take_counted(&mut fields, 32)?.as_chunks().0;
        let items = match version {
            NodeVersion::Items => node_v1::decode_items(ids, &mut fields)?,
            NodeVersion::Distances | NodeVersion::Choices => decode_columns(version, ids, &mut fields)?,
        };
        fields.finish()?;
        let mut total = 0_u64;
        for item in &items {
            total = match total.checked_add(item.len()) {
                Some(total) if !item.is_empty() => total,
                _ => return Err(FormatError::invalid(WHAT, "it holds an empty or overlong item")),
            };
        }
        if total != len {
            return Err(FormatError::invalid(WHAT, format_args!("its items make {total} bytes, it promises {len}")));
        }
        Ok(Self { items })
    }
}

/// Everything behind the ids.
fn decode_columns(
    version: NodeVersion,
    ids: &[[u8; 32]],
    fields: &mut Fields<'_>,
) -> Result<Vec<RecipeItem>, FormatError> {
    let tags = take_counted(fields, 1)?;
    check_count(tags.len() as u64)?;
    let with_tag = |wanted: u8| tags.iter().filter(|&&tag| tag == wanted).count();
    let copies = with_tag(2);
    let is_chosen = version >= NodeVersion::Choices;
    let mut columns = Columns {
        table: SlotTable::new(ids),
        slots: Choice::decode(fields, copies + with_tag(3), is_chosen)?,
        starts: Choice::decode(fields, copies, is_chosen)?,
        lens: Column::decode(fields, tags.len())?,
    };
    tags.iter().map(|tag| columns.next_item(*tag, fields)).collect()
}

/// Refuses more items than a node may have: decoded, they take far more than their bytes.
pub(super) fn check_count(items: u64) -> Result<(), FormatError> {
    match items <= NODE_ITEMS_MAX as u64 {
        true => Ok(()),
        false => {
            Err(FormatError::invalid(WHAT, format_args!("it has {items} items, at most {NODE_ITEMS_MAX} are possible")))
        }
    }
}

/// A count, and that many things of `size` bytes each.
fn take_counted<'b>(fields: &mut Fields<'b>, size: u64) -> Result<&'b [u8], FormatError> {
    let bytes = fields.varint()?.checked_mul(size).and_then(|bytes| usize::try_from(bytes).ok());
    fields.take(bytes.unwrap_or(usize::MAX))
}

/// The id table of a node while it is written.
#[derive(Debug, Default)]
pub(super) struct Slots {
    pub(super) ids: Vec<[u8; 32]>,
    /// Where the last copy from each slot ended.
    ends: Vec<u32>,
    slot_of: std::collections::HashMap<[u8; 32], usize>,
    /// The slot after the one used last: what a first use in a row of new ids has.
    next: i64,
}

impl Slots {
    /// How far a node's slot lies from where it was expected.
    pub(super) fn node_step(&mut self, node: &NodeId) -> i64 {
        self.step_to(node.as_bytes()).1
    }

    /// How far the slot of a copied chunk, and the first byte in it, lie from where they were expected.
    pub(super) fn copy_steps(&mut self, chunk: &ChunkId, start: u32, len: u32) -> (i64, i64) {
        let (slot, step) = self.step_to(chunk.as_bytes());
        let expected = std::mem::replace(&mut self.ends[slot], start.saturating_add(len));
        (step, i64::from(start) - i64::from(expected))
    }

    /// The slot that was used last.
    fn last(&self) -> u64 {
        (self.next - 1) as u64
    }

    fn step_to(&mut self, id: &[u8; 32]) -> (usize, i64) {
        let slot = *self.slot_of.entry(*id).or_insert_with(|| {
            self.ids.push(*id);
            self.ends.push(0);
            self.ids.len() - 1
        });
        let step = slot as i64 - std::mem::replace(&mut self.next, slot as i64 + 1);
        (slot, step)
    }
}

/// The id table of a node while it is read, and what numbers are relative to.
pub(super) struct SlotTable<'b> {
    ids: &'b [[u8; 32]],
    ends: Vec<u32>,
    next: i64,
}

impl<'b> SlotTable<'b> {
    pub(super) fn new(ids: &'b [[u8; 32]]) -> Self {
        Self { ids, ends: vec![0; ids.len()], next: 0 }
    }

    /// The item that copies `len` bytes; `start_step` is asked how far they begin from where they were expected.
    pub(super) fn copy(
        &mut self,
        step: i64,
        start_step: impl FnOnce(i64) -> Result<i64, FormatError>,
        len: u64,
    ) -> Result<RecipeItem, FormatError> {
        let slot = self.slot(step)?;
        let expected = i64::from(self.ends[slot]);
        let start = expected.checked_add(start_step(expected)?).and_then(|start| u32::try_from(start).ok());
        let range = start.zip(u32::try_from(len).ok());
        let range = range.and_then(|(start, len)| Some((start, len, start.checked_add(len)?)));
        let (start, len, end) =
            range.ok_or_else(|| FormatError::invalid(WHAT, "a copy lies outside any possible chunk"))?;
        self.ends[slot] = end;
        Ok(RecipeItem::Copy { chunk: ChunkId::from_bytes(self.ids[slot]), start, len })
    }

    /// The item that names a node of `len` bytes.
    pub(super) fn node(&mut self, step: i64, len: u64) -> Result<RecipeItem, FormatError> {
        Ok(RecipeItem::Node { node: NodeId::from_bytes(self.ids[self.slot(step)?]), len })
    }

    fn slot(&mut self, step: i64) -> Result<usize, FormatError> {
        let slot = self.next.checked_add(step);
        let slot = slot.and_then(|slot| usize::try_from(slot).ok()).filter(|&slot| slot < self.ids.len());
        let slot = slot.ok_or_else(|| FormatError::invalid(WHAT, "an item names an id that is not in the table"))?;
        self.next = slot as i64 + 1;
        Ok(slot)
    }
}

pub(super) fn unknown_tag(tag: u8) -> FormatError {
    FormatError::invalid(WHAT, format_args!("item tag {tag} is not known"))
}

/// A node while it is read.
struct Columns<'b> {
    table: SlotTable<'b>,
    slots: Choice<'b>,
    starts: Choice<'b>,
    lens: Column<'b>,
}

impl Columns<'_> {
    fn next_item(&mut self, tag: u8, literals: &mut Fields<'_>) -> Result<RecipeItem, FormatError> {
        let len = self.lens.next_unsigned()?;
        match tag {
            0 => Ok(RecipeItem::Inline(literals.take(usize::try_from(len).unwrap_or(usize::MAX))?.to_vec())),
            1 => Ok(RecipeItem::Fill { byte: literals.u8()?, len }),
            2 => {
                let step = self.slots.next_step(self.table.next)?;
                self.table.copy(step, |expected| self.starts.next_step(expected), len)
            }
            3 => self.table.node(self.slots.next_step(self.table.next)?, len),
            tag => Err(unknown_tag(tag)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VERSIONS: [NodeVersion; 3] = [NodeVersion::Items, NodeVersion::Distances, NodeVersion::Choices];

    fn item() -> impl Strategy<Value = RecipeItem> {
        let id = (0..5_u8).prop_map(|seed| [seed; 32]);
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 1..40).prop_map(RecipeItem::Inline),
            (any::<u8>(), 1..u64::MAX / 64).prop_map(|(byte, len)| RecipeItem::Fill { byte, len }),
            (id.clone(), any::<u32>(), 1..u32::MAX).prop_map(|(id, start, len)| {
                let start = start.min(u32::MAX - len);
                RecipeItem::Copy { chunk: ChunkId::from_bytes(id), start, len }
            }),
            (id, 1..u64::MAX / 64).prop_map(|(id, len)| RecipeItem::Node { node: NodeId::from_bytes(id), len }),
        ]
    }

    proptest! {
        #[test]
        fn every_node_comes_back(items in proptest::collection::vec(item(), 0..32)) {
            let node = RecipeNode { items };
            for version in VERSIONS {
                prop_assert_eq!(&RecipeNode::decode(&node.encode(version)).unwrap(), &node);
            }
        }

        #[test]
        fn damaged_nodes_never_panic(items in proptest::collection::vec(item(), 0..8), at: usize, byte: u8) {
            let mut bytes = RecipeNode { items }.encode(VERSIONS[at % 3]);
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = RecipeNode::decode(&bytes);
            let _ = RecipeNode::decode(&bytes[..at]);
        }
    }

    #[test]
    fn framing_pieces_of_one_chunk_cost_a_few_bytes_each() {
        let chunk = ChunkId::from_bytes([7; 32]);
        let items: Vec<_> = (0..100).map(|piece| RecipeItem::Copy { chunk, start: piece * 512, len: 512 }).collect();
        assert!(RecipeNode { items }.encode(NodeVersion::NEWEST).len() < 32 + 100 * 6);
    }

    #[test]
    fn more_items_than_a_node_may_have_are_refused_in_every_version() {
        for version in VERSIONS {
            let mut bytes = vec![version as u8];
            [0, 0, NODE_ITEMS_MAX as u64 + 1].iter().for_each(|number| varint::encode(*number, &mut bytes));
            bytes.resize(bytes.len() + NODE_ITEMS_MAX + 1, 1);
            let error = RecipeNode::decode(&bytes).unwrap_err().to_string();
            assert!(error.contains("items, at most"), "version {version:?}: {error}");
        }
    }

    #[test]
    fn a_huge_declared_count_allocates_nothing() {
        let mut bytes = vec![NodeVersion::NEWEST as u8];
        varint::encode(0, &mut bytes);
        varint::encode(u64::MAX / 32, &mut bytes);
        assert!(RecipeNode::decode(&bytes).is_err());
    }
}
