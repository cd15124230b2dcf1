//! Recipe nodes: lists of extents that, laid end to end, are the bytes a node stands for.
//!
//! ```text
//! u8 version = 1 │ varint length in bytes │ varint n │ n × 32-byte ids │ varint m │ m items
//! item: tag, then
//!   0 Inline  varint length, the bytes
//!   1 Fill    the byte, varint length
//!   2 Copy    zigzag varint: id slot − (last slot + 1); zigzag varint: start − expected start; varint length
//!   3 Node    zigzag varint: id slot − (last slot + 1); varint length
//! ```
//!
//! The ids stand together because they do not compress; the items do. "Expected start" is where the last copy from
//! the same chunk ended (0 for the first), so a chunk that is copied piece by piece, as framing is, costs a few bytes a piece.

use vectar_chunk::{ChunkId, NodeId};

use super::{Fields, FormatError, varint};

/// Largest encoded node, in bytes, before its codec.
pub const NODE_BYTES_MAX: usize = 256 * 1024;

/// How deep the nodes of one list may lie above each other. Each holds dozens of items, so this is never reached.
pub const LIST_DEPTH_MAX: usize = 12;

/// How deep nodes may refer to nodes. Hashes make cycles impossible; this bounds the stack of every walk.
///
/// A recipe nests lists: one for each tar level, of which the engine enters nine, and one for a body.
pub const NODE_DEPTH_MAX: usize = 128;

const _: () = assert!(NODE_DEPTH_MAX >= 10 * LIST_DEPTH_MAX, "what can be written can be read");

const NODE_VERSION: u8 = 1;
const WHAT: &str = "recipe node";

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

    /// Encodes the node.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut slots = Slots::default();
        let mut items = Vec::new();
        for item in &self.items {
            slots.encode_item(item, &mut items);
        }
        let mut out = Vec::with_capacity(items.len() + 32 * slots.ids.len() + 24);
        out.push(NODE_VERSION);
        varint::encode(self.len(), &mut out);
        varint::encode(slots.ids.len() as u64, &mut out);
        slots.ids.iter().for_each(|id| out.extend_from_slice(id));
        varint::encode(self.items.len() as u64, &mut out);
        out.extend_from_slice(&items);
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
        let version = fields.u8()?;
        if version > NODE_VERSION {
            return Err(FormatError::NewerVersion {
                what: WHAT,
                found: version.into(),
                supported: NODE_VERSION.into(),
            });
        }
        let len = fields.varint()?;
        let id_count = fields.varint()?;
        let id_bytes = id_count.checked_mul(32).and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX);
        let ids: Vec<_> =
            fields.take(id_bytes)?.chunks_exact(32).map(|id| id.try_into().expect("chunks of 32 bytes")).collect();
        let item_count = fields.varint()?;
        let mut slots = Slots { ends: vec![0; ids.len()], ids, ..Slots::default() };
        let mut node = Self::default();
        let mut total = 0_u64;
        for _ in 0..item_count {
            let item = slots.decode_item(&mut fields)?;
            total = match total.checked_add(item.len()) {
                Some(total) if !item.is_empty() => total,
                _ => {
                    return Err(FormatError::invalid(WHAT, "it holds an empty or overlong item"));
                }
            };
            node.items.push(item);
        }
        fields.finish()?;
        if total != len {
            return Err(FormatError::invalid(WHAT, format_args!("its items make {total} bytes, it promises {len}")));
        }
        Ok(node)
    }
}

/// The id table of a node while it is written or read, and what the deltas are relative to.
#[derive(Debug, Default)]
struct Slots {
    ids: Vec<[u8; 32]>,
    /// Where the last copy from each slot ended.
    ends: Vec<u32>,
    slot_of: std::collections::HashMap<[u8; 32], usize>,
    /// The slot after the one used last: what a first use in a row of new ids has.
    next: i64,
}

impl Slots {
    fn encode_item(&mut self, item: &RecipeItem, out: &mut Vec<u8>) {
        match item {
            RecipeItem::Inline(bytes) => {
                out.push(0);
                varint::encode(bytes.len() as u64, out);
                out.extend_from_slice(bytes);
            }
            RecipeItem::Fill { byte, len } => {
                out.extend_from_slice(&[1, *byte]);
                varint::encode(*len, out);
            }
            RecipeItem::Copy { chunk, start, len } => {
                out.push(2);
                let slot = self.encode_slot(chunk.as_bytes(), out);
                let expected = std::mem::replace(&mut self.ends[slot], start.saturating_add(*len));
                varint::encode(varint::zigzag(i64::from(*start) - i64::from(expected)), out);
                varint::encode((*len).into(), out);
            }
            RecipeItem::Node { node, len } => {
                out.push(3);
                self.encode_slot(node.as_bytes(), out);
                varint::encode(*len, out);
            }
        }
    }

    fn encode_slot(&mut self, id: &[u8; 32], out: &mut Vec<u8>) -> usize {
        let slot = *self.slot_of.entry(*id).or_insert_with(|| {
            self.ids.push(*id);
            self.ends.push(0);
            self.ids.len() - 1
        });
        varint::encode(varint::zigzag(slot as i64 - self.next), out);
        self.next = slot as i64 + 1;
        slot
    }

    fn decode_item(&mut self, fields: &mut Fields<'_>) -> Result<RecipeItem, FormatError> {
        match fields.u8()? {
            0 => {
                let len = usize::try_from(fields.varint()?).unwrap_or(usize::MAX);
                Ok(RecipeItem::Inline(fields.take(len)?.to_vec()))
            }
            1 => Ok(RecipeItem::Fill { byte: fields.u8()?, len: fields.varint()? }),
            2 => {
                let slot = self.decode_slot(fields)?;
                let delta = varint::unzigzag(fields.varint()?);
                let start = i64::from(self.ends[slot]).checked_add(delta).and_then(|start| u32::try_from(start).ok());
                let len = u32::try_from(fields.varint()?).ok();
                let range = start.zip(len).and_then(|(start, len)| Some((start, len, start.checked_add(len)?)));
                let (start, len, end) =
                    range.ok_or_else(|| FormatError::invalid(WHAT, "a copy lies outside any possible chunk"))?;
                self.ends[slot] = end;
                Ok(RecipeItem::Copy { chunk: ChunkId::from_bytes(self.ids[slot]), start, len })
            }
            3 => {
                let slot = self.decode_slot(fields)?;
                Ok(RecipeItem::Node { node: NodeId::from_bytes(self.ids[slot]), len: fields.varint()? })
            }
            tag => Err(FormatError::invalid(WHAT, format_args!("item tag {tag} is not known"))),
        }
    }

    fn decode_slot(&mut self, fields: &mut Fields<'_>) -> Result<usize, FormatError> {
        let slot = self.next.checked_add(varint::unzigzag(fields.varint()?));
        let slot = slot.and_then(|slot| usize::try_from(slot).ok()).filter(|&slot| slot < self.ids.len());
        let slot = slot.ok_or_else(|| FormatError::invalid(WHAT, "an item names an id that is not in the table"))?;
        self.next = slot as i64 + 1;
        Ok(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
            prop_assert_eq!(RecipeNode::decode(&node.encode()).unwrap(), node);
        }

        #[test]
        fn damaged_nodes_never_panic(items in proptest::collection::vec(item(), 0..8), at: usize, byte: u8) {
            let mut bytes = RecipeNode { items }.encode();
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
        assert!(RecipeNode { items }.encode().len() < 32 + 100 * 6);
    }

    #[test]
    fn a_huge_declared_count_allocates_nothing() {
        let mut bytes = vec![NODE_VERSION];
        varint::encode(0, &mut bytes);
        varint::encode(u64::MAX / 32, &mut bytes);
        assert!(RecipeNode::decode(&bytes).is_err());
    }
}
