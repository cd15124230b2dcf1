//! The snapshot of a backup as bytes at offsets, without rebuilding it.

use std::{
    collections::HashMap,
    io,
    sync::{Mutex, MutexGuard},
};

use bytes::Bytes;
use vectar_chunk::ChunkId;
use vectar_repository::{
    ChunkReader, Placed, RecipeWalker, RepositoryError,
    format::{node::RecipeItem, record::BackupRecord},
};

use crate::{engine::Engine, rebuild::piece_of};

/// Extents whose chunks are fetched at once, each of which may need a chunk of its own. Rows are cut at some 8 KiB, so that what is read
/// through a window of 256 KiB takes one request.
const EXTENTS_AT_ONCE: usize = 64;

/// The snapshot of a backup. Reads fetch only the chunks they need, the ones that lie near each other in a pack with one request.
///
/// All that are open on one engine share one cache of decoded chunks.
#[derive(Debug)]
pub struct BackupContent<'e> {
    reader: ChunkReader<'e>,
    record: BackupRecord,
    /// What the repository met last: `ReadAt` speaks `io::Error`, and the cause must not be lost on the way.
    failure: Mutex<Option<RepositoryError>>,
}

impl<'e> BackupContent<'e> {
    pub(crate) fn new(engine: &'e Engine, record: &BackupRecord) -> Self {
        let reader = ChunkReader::sharing(engine.repository(), engine.content_cache());
        Self { reader, record: record.clone(), failure: Mutex::new(None) }
    }

    pub(crate) fn record(&self) -> &BackupRecord {
        &self.record
    }

    /// Takes what the repository met last.
    pub(crate) fn take_failure(&self) -> Option<RepositoryError> {
        self.failure().take()
    }

    pub(crate) fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.try_read_at(offset, buf).map_err(|error| {
            let text = error.to_string();
            *self.failure() = Some(error);
            io::Error::other(text)
        })
    }

    fn try_read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, RepositoryError> {
        let end = offset.saturating_add(buf.len() as u64);
        let mut walker = RecipeWalker::new(&self.reader, &self.record.root, self.record.bytes, offset)?;
        let mut filled = 0;
        while filled < buf.len() {
            let extents = next_extents(&mut walker, end)?;
            if extents.is_empty() {
                break;
            }
            let chunks = self.reader.chunks(&chunks_of(&extents))?;
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

    fn failure(&self) -> MutexGuard<'_, Option<RepositoryError>> {
        self.failure.lock().expect("no thread panics while it holds this lock")
    }
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
