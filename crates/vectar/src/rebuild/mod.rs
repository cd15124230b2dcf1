//! Backup in, snapshot out: the extents of a recipe as a stream of bytes.
//!
//! Chunks are fetched a window ahead: while one window of extents is written, the next one is read from its packs (near records in
//! one request, packs in order) and decoded on all cores. What later windows need again is [`held`]. A stretch of the recipe in which the
//! pieces of one chunk lie far apart is put together in the order of the chunks instead ([`scattered`]).

mod held;
mod output;
mod scattered;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    thread,
};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};
use rayon::prelude::*;
use vectar_chunk::ChunkId;
use vectar_repository::{
    ChunkReader, Placed, RecipeWalker, RepositoryError,
    format::{node::RecipeItem, record::BackupRecord},
};

use self::{held::HeldChunks, output::Output, scattered::Spill};
use crate::{
    digest_lane::DigestLane,
    engine::Engine,
    error::Error,
    observer::{CancelToken, Observer},
    words::hex,
};

/// Bytes of output that one window of extents makes, about.
const WINDOW_BYTES: u64 = 16 * 1024 * 1024;

/// Extents in one window at most.
const WINDOW_EXTENTS_MAX: usize = 16 * 1024;

/// Extents that are looked at together, at most: some 50 bytes each.
const STRETCH_EXTENTS_MAX: usize = 512 * 1024;

/// Bytes of output that are looked at together, at most. What lies scattered in them goes through a file of this length.
const STRETCH_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Windows that were fetched and wait.
const WINDOWS_AHEAD: usize = 1;

/// Decoded chunks kept across stretches, in bytes: framing is used piece by piece.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Takes the bytes of a snapshot in order.
pub trait Target: Send {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`Error::Target`].
    fn write(&mut self, bytes: &[u8]) -> Result<(), Error>;

    /// Where a file without a name may lie that holds a part of the snapshot for a while; the system's place for such files unless the
    /// target knows a better one.
    fn spill_directory(&self) -> PathBuf {
        std::env::temp_dir()
    }
}

/// Takes bytes and forgets them.
#[derive(Debug, Default)]
pub struct Nowhere;

impl Target for Nowhere {
    fn write(&mut self, _bytes: &[u8]) -> Result<(), Error> {
        Ok(())
    }
}

/// What a rebuilt snapshot came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// Bytes written.
    pub bytes: u64,
    /// Their SHA-256 in hex, equal to the record's if that has one.
    pub sha256: String,
    /// Whether the record had one. Where not, what proves the bytes are the ids of the chunks they are made of, and their number.
    pub sha256_compared: bool,
}

/// What shows that a chunk is what it should be, before its bytes go anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChunkProof {
    /// Its id: a hash of its bytes.
    Id,
    /// The checksum of its record. For whoever compares the digest of the whole and can begin anew when it is wrong.
    Checksum,
}

impl ChunkProof {
    fn reader(self, engine: &Engine, cache_bytes: usize) -> ChunkReader<'_> {
        match self {
            Self::Id => ChunkReader::new(engine.repository(), cache_bytes),
            Self::Checksum => ChunkReader::by_checksum(engine.repository(), cache_bytes),
        }
    }
}

/// Rebuilds the snapshot of a backup and compares its length and SHA-256 with the record.
///
/// Every chunk is proven by its id before it is used, the whole by its digest at the end. A record that has none gets it now, if the storage
/// takes it.
///
/// # Errors
/// [`Error::RebuiltWrong`] when the whole is wrong although every part is right; else what the repository, the target or the
/// caller met. The target has then got some of the bytes.
pub fn rebuild(
    engine: &Engine,
    record: &BackupRecord,
    target: &mut dyn Target,
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<Rebuilt, Error> {
    let rebuilt = rebuild_unrecorded(engine, record, ChunkProof::Id, target, observer, cancel)?;
    record_digest(engine, record, &rebuilt);
    Ok(rebuilt)
}

/// As [`rebuild`], and writes nothing into the repository: who hands a file over first gives it its name, and then calls [`record_digest`].
pub(crate) fn rebuild_unrecorded(
    engine: &Engine,
    record: &BackupRecord,
    proof: ChunkProof,
    target: &mut dyn Target,
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<Rebuilt, Error> {
    let directory = target.spill_directory();
    let (bytes, sha256) = thread::scope(|scope| {
        let (sender, fetched) = bounded(WINDOWS_AHEAD);
        let fetching = scope.spawn(|| fetch_all((engine, proof), record, (&directory, sender), cancel));
        let output = Output::new(target, DigestLane::start(scope), cancel);
        let written = write_all(&fetched, output, record.bytes, observer);
        drop(fetched);
        let fetched = fetching.join().map_err(|_| Error::ThreadLost { task: "reads chunks" })?;
        // When nothing more came, the writer takes that for the end.
        written.and_then(|written| fetched.map(|()| written))
    })?;
    let sha256 = hex(&sha256);
    if bytes != record.bytes || record.sha256.as_ref().is_some_and(|recorded| *recorded != sha256) {
        let expected = record.sha256.clone().unwrap_or_else(|| format!("something of {} bytes", record.bytes));
        return Err(Error::RebuiltWrong { backup: record.id.to_string(), expected, found: sha256 });
    }
    Ok(Rebuilt { bytes, sha256, sha256_compared: record.sha256.is_some() })
}

/// Gives the record of a backup the SHA-256 that it was rebuilt with, if it has none and the storage takes it. That it cannot is no reason to
/// doubt what came back.
pub(crate) fn record_digest(engine: &Engine, record: &BackupRecord, rebuilt: &Rebuilt) {
    if let Err(error) = engine.repository().record_sha256(record, &rebuilt.sha256) {
        tracing::warn!(%error, "the snapshot came back; its SHA-256, which was not known yet, could not be recorded");
    }
}

/// What the writer gets.
enum Fetched {
    /// Extents in order, with the chunks they need.
    Window { extents: Vec<RecipeItem>, chunks: HashMap<ChunkId, Bytes> },
    /// A stretch that is put together already.
    Spill(Spill),
}

fn fetch_all(
    (engine, proof): (&Engine, ChunkProof),
    record: &BackupRecord,
    (directory, fetched): (&Path, Sender<Fetched>),
    cancel: &CancelToken,
) -> Result<(), Error> {
    let reader = proof.reader(engine, CACHE_BYTES);
    let mut walker = RecipeWalker::new(&reader, &record.root, record.bytes, 0)?;
    loop {
        let stretch = next_extents(&mut walker, STRETCH_BYTES_MAX, STRETCH_EXTENTS_MAX)?;
        if stretch.is_empty() {
            return Ok(());
        }
        if scattered::is_scattered(&stretch) {
            let spill = Spill::assemble((engine, proof), &stretch, directory, cancel)?;
            if fetched.send(Fetched::Spill(spill)).is_err() {
                return Ok(());
            }
            continue;
        }
        let windows: Vec<_> = windows(stretch).collect();
        let mut held = HeldChunks::of(&windows, engine.memory().held_chunks());
        for (number, extents) in windows.into_iter().enumerate() {
            cancel.check()?;
            let chunks = fetch_missing(engine, &reader, &extents, &held)?;
            held.keep(number, &chunks);
            // Nobody listens any more: the writer has stopped and reports why.
            if fetched.send(Fetched::Window { extents, chunks }).is_err() {
                return Ok(());
            }
        }
    }
}

/// Takes extents until they make so many bytes, or are so many.
fn next_extents(
    extents: &mut RecipeWalker<'_, '_>,
    bytes_max: u64,
    extents_max: usize,
) -> Result<Vec<RecipeItem>, RepositoryError> {
    let mut taken = Vec::new();
    let mut bytes = 0;
    for placed in extents {
        let Placed { extent, .. } = placed?;
        bytes += memory_of(&extent);
        taken.push(extent);
        if bytes >= bytes_max || taken.len() >= extents_max {
            break;
        }
    }
    Ok(taken)
}

/// Cuts a stretch into windows.
fn windows(stretch: Vec<RecipeItem>) -> impl Iterator<Item = Vec<RecipeItem>> {
    let mut rest = stretch.into_iter();
    std::iter::from_fn(move || {
        let mut window = Vec::new();
        let mut bytes = 0;
        for extent in rest.by_ref() {
            bytes += memory_of(&extent);
            window.push(extent);
            if bytes >= WINDOW_BYTES || window.len() >= WINDOW_EXTENTS_MAX {
                break;
            }
        }
        (!window.is_empty()).then_some(window)
    })
}

/// Bytes that an extent takes when it is written; a run of one byte takes none however long it is.
fn memory_of(extent: &RecipeItem) -> u64 {
    if matches!(extent, RecipeItem::Fill { .. }) { 0 } else { extent.len() }
}

/// The chunks of a window: those at hand, and the others read.
fn fetch_missing(
    engine: &Engine,
    reader: &ChunkReader<'_>,
    extents: &[RecipeItem],
    held: &HeldChunks,
) -> Result<HashMap<ChunkId, Bytes>, RepositoryError> {
    let mut ids = chunks_of(extents);
    let mut chunks = held.at_hand(&ids);
    ids.retain(|id| !chunks.contains_key(id));
    chunks.extend(fetch_chunks(engine, reader, &ids)?);
    Ok(chunks)
}

fn chunks_of(extents: &[RecipeItem]) -> Vec<ChunkId> {
    let copied = |extent: &RecipeItem| match extent {
        RecipeItem::Copy { chunk, .. } => Some(*chunk),
        _ => None,
    };
    extents.iter().filter_map(copied).collect()
}

/// Reads chunks, those that lie side by side at once, on all cores.
pub(crate) fn fetch_chunks(
    engine: &Engine,
    reader: &ChunkReader<'_>,
    ids: &[ChunkId],
) -> Result<HashMap<ChunkId, Bytes>, RepositoryError> {
    let runs = reader.plan_runs(ids, engine.pool().current_num_threads())?;
    let read: Vec<Vec<(ChunkId, Bytes)>> =
        engine.pool().install(|| runs.par_iter().map(|run| reader.read_run(run)).collect::<Result<_, _>>())?;
    let mut chunks: HashMap<ChunkId, Bytes> = read.into_iter().flatten().collect();
    for id in ids {
        if let std::collections::hash_map::Entry::Vacant(place) = chunks.entry(*id) {
            place.insert(reader.chunk(id)?);
        }
    }
    Ok(chunks)
}

/// Writes what was fetched; returns the length and the digest of all of it.
fn write_all(
    fetched: &Receiver<Fetched>,
    mut output: Output<'_, '_>,
    total: u64,
    observer: &dyn Observer,
) -> Result<(u64, [u8; 32]), Error> {
    for fetched in fetched {
        match fetched {
            Fetched::Window { extents, chunks } => {
                extents.iter().try_for_each(|extent| output.extent(extent, &chunks))?;
            }
            Fetched::Spill(spill) => spill.read(|bytes| output.bytes(bytes))?,
        }
        observer.progress(output.written(), Some(total));
    }
    output.finish()
}
