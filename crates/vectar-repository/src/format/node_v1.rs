//! Version 1 of recipe nodes: item by item instead of column by column. It is written where older readers are not kept out.
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
//! The numbers mean what they mean in [`node`](super::node). Older readers take at most 256 KiB.

use super::{
    Fields, FormatError,
    node::{RecipeItem, RecipeNode, SlotTable, Slots, check_count, unknown_tag},
    varint,
};

const NODE_VERSION: u8 = 1;

/// Encodes a node.
pub(super) fn encode(node: &RecipeNode) -> Vec<u8> {
    let mut slots = Slots::default();
    let mut items = Vec::new();
    for item in &node.items {
        encode_item(item, &mut slots, &mut items);
    }
    let mut out = Vec::with_capacity(items.len() + 32 * slots.ids.len() + 24);
    out.push(NODE_VERSION);
    varint::encode(node.len(), &mut out);
    varint::encode(slots.ids.len() as u64, &mut out);
    slots.ids.iter().for_each(|id| out.extend_from_slice(id));
    varint::encode(node.items.len() as u64, &mut out);
    out.extend_from_slice(&items);
    out
}

fn encode_item(item: &RecipeItem, slots: &mut Slots, out: &mut Vec<u8>) {
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
            let (step, start_step) = slots.copy_steps(chunk, *start, *len);
            out.push(2);
            varint::encode(varint::zigzag(step), out);
            varint::encode(varint::zigzag(start_step), out);
            varint::encode((*len).into(), out);
        }
        RecipeItem::Node { node, len } => {
            out.push(3);
            varint::encode(varint::zigzag(slots.node_step(node)), out);
            varint::encode(*len, out);
        }
    }
}

/// Reads everything behind the ids.
///
/// # Errors
/// As [`RecipeNode::decode`](super::node::RecipeNode::decode).
pub(super) fn decode_items(ids: &[[u8; 32]], fields: &mut Fields<'_>) -> Result<Vec<RecipeItem>, FormatError> {
    let mut table = SlotTable::new(ids);
    let mut items = Vec::new();
    let count = fields.varint()?;
    check_count(count)?;
    for _ in 0..count {
        items.push(match fields.u8()? {
            0 => {
                let len = usize::try_from(fields.varint()?).unwrap_or(usize::MAX);
                RecipeItem::Inline(fields.take(len)?.to_vec())
            }
            1 => RecipeItem::Fill { byte: fields.u8()?, len: fields.varint()? },
            2 => {
                let (step, start_step) = (varint::unzigzag(fields.varint()?), varint::unzigzag(fields.varint()?));
                table.copy(step, |_| Ok(start_step), fields.varint()?)?
            }
            3 => {
                let step = varint::unzigzag(fields.varint()?);
                table.node(step, fields.varint()?)?
            }
            tag => return Err(unknown_tag(tag)),
        });
    }
    Ok(items)
}
