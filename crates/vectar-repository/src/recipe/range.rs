//! Any range of the bytes that a recipe stands for, without rebuilding what lies before it.

use std::collections::HashMap;

use bytes::Bytes;
use vectar_chunk::{ChunkId, NodeId};

use super::{Placed, RecipeWalker};
use crate::{error::RepositoryError, format::node::RecipeItem, reader::ChunkReader};

/// Extents whose chunks are fetched at once, each of which may need a chunk of its own: what is read through a window of 256 KiB takes
/// one request, unless its rows lie scattered.
const EXTENTS_AT_ONCE: usize = 64;

/// Reads into `buf` what lies from byte `offset` on behind a root that stands for `len` bytes. Returns how many bytes that was: fewer
/// than `buf` has room for at the end only.
///
/// # Errors
/// A node or a chunk on the way cannot be read, or is not what its recipe says; `buf` holds some of the bytes then.
pub fn read_range(
    reader: &ChunkReader<'_>,
    root: &NodeId,
    len: u64,
    offset: u64,
    buf: &mut [u8],
) -> Result<usize, RepositoryError> {
    let end = offset.saturating_add(buf.len() as u64);
    let mut walker = RecipeWalker::new(reader, root, len, offset)?;
    let mut filled = 0;
    while filled < buf.len() {
        let extents = next_extents(&mut walker, end)?;
        if extents.is_empty() {
            break;
        }
        let chunks = reader.chunks(&chunks_of(&extents))?;
        for Placed { offset: start, extent } in &extents {
            let skip = (offset + filled as u64).saturating_sub(*start);
            let rest = buf.len() - filled;
            let len = usize::try_from(extent.len() - skip).map_or(rest, |len| len.min(rest));
            copy_extent(extent, skip as usize, &chunks, &mut buf[filled..filled + len])?;
            filled += len;
        }
    }
    Ok(filled)
}

/// The bytes of a copy extent, checked against the chunk it names.
///
/// # Errors
/// [`RepositoryError::RecipeInvalid`] when the chunk has no such bytes.
pub fn piece_of<'b>(chunk: &ChunkId, bytes: &'b [u8], start: u32, len: u32) -> Result<&'b [u8], RepositoryError> {
    let start = start as usize;
    bytes.get(start..start.saturating_add(len as usize)).ok_or_else(|| RepositoryError::RecipeInvalid {
        reason: format!(
            "bytes {start} to {} of chunk {}, which has {}",
            start + len as usize,
            chunk.short(),
            bytes.len()
        ),
    })
}

/// The next extents, as far as they begin before `end`.
fn next_extents(walker: &mut RecipeWalker<'_, '_>, end: u64) -> Result<Vec<Placed>, RepositoryError> {
    let mut extents: Vec<Placed> = Vec::new();
    let is_within = |extents: &[Placed]| extents.last().is_none_or(|last| last.offset + last.extent.len() < end);
    while extents.len() < EXTENTS_AT_ONCE && is_within(&extents) {
        match walker.next() {
            Some(placed) => extents.push(placed?),
            None => break,
        }
    }
    Ok(extents)
}

fn chunks_of(extents: &[Placed]) -> Vec<ChunkId> {
    let chunk = |placed: &Placed| match placed.extent {
        RecipeItem::Copy { chunk, .. } => Some(chunk),
        _ => None,
    };
    extents.iter().filter_map(chunk).collect()
}

/// Fills `place` with the bytes of an extent from `skip` on, of which there are that many.
fn copy_extent(
    extent: &RecipeItem,
    skip: usize,
    chunks: &HashMap<ChunkId, Bytes>,
    place: &mut [u8],
) -> Result<(), RepositoryError> {
    match extent {
        RecipeItem::Inline(bytes) => place.copy_from_slice(&bytes[skip..skip + place.len()]),
        RecipeItem::Fill { byte, .. } => place.fill(*byte),
        RecipeItem::Copy { chunk, start, len } => {
            let piece = piece_of(chunk, &chunks[chunk], *start, *len)?;
            place.copy_from_slice(&piece[skip..skip + place.len()]);
        }
        RecipeItem::Node { .. } => unreachable!("a walker enters nodes and never returns them"),
    }
    Ok(())
}
