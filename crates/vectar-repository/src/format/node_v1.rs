//! Version 1 of recipe nodes, which was written before rows were shared: item by item instead of column by column.
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
//! The numbers mean what they mean in [`node`](super::node). Nothing writes it any more.

use super::{
    Fields, FormatError,
    node::{RecipeItem, SlotTable, check_count, unknown_tag},
    varint,
};

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
                table.copy(step, start_step, fields.varint()?)?
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
