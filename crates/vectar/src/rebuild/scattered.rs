//! Stretches of a snapshot whose bytes lie scattered: many small pieces, and the pieces of one chunk far apart.
//!
//! That is what rows look like that an optimizer put into another order: in the order of the snapshot each chunk would be read and decoded
//! over and over. So such a stretch is put together in the order of the *chunks*, each of them once, in a file without a name, and
//! then read from front to back.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::Path,
};

use rayon::prelude::*;
use vectar_chunk::ChunkId;
use vectar_repository::{ReadRun, format::node::RecipeItem, piece_of};

use super::{ChunkProof, WINDOW_BYTES};
use crate::{engine::Engine, error::Error, observer::CancelToken};

/// A stretch is put together by chunks when, in the order of the snapshot, each would be needed in this many windows or more on average.
const WINDOWS_EACH_MIN: usize = 2;

/// Stored bytes that are read and decoded at once, about: they are in memory, and their chunks.
const GROUP_BYTES: u64 = 32 * 1024 * 1024;

/// Bytes of the file without a name that are handed on at once.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// Whether the pieces of one chunk lie far apart in these extents.
pub(super) fn is_scattered(extents: &[RecipeItem]) -> bool {
    let mut everywhere = HashSet::new();
    let mut window = HashSet::new();
    let (mut window_bytes, mut needed) = (0, 0);
    for extent in extents {
        let RecipeItem::Copy { chunk, len, .. } = extent else { continue };
        everywhere.insert(*chunk);
        window.insert(*chunk);
        window_bytes += u64::from(*len);
        if window_bytes >= WINDOW_BYTES {
            needed += window.len();
            window.clear();
            window_bytes = 0;
        }
    }
    needed + window.len() >= WINDOWS_EACH_MIN * everywhere.len().max(1)
}

/// A piece of a chunk, and where it belongs in the stretch.
#[derive(Debug, Clone, Copy)]
struct Piece {
    offset: u64,
    start: u32,
    len: u32,
}

/// A stretch that lies complete in a file without a name.
#[derive(Debug)]
pub(super) struct Spill {
    file: File,
    len: u64,
}

impl Spill {
    /// Puts the bytes of `extents` together. The file is made in `directory`; nobody else can open it, and it is gone with the process.
    ///
    /// # Errors
    /// A chunk cannot be had, the file cannot be written, or the caller asked to stop.
    pub(super) fn assemble(
        (engine, proof): (&Engine, ChunkProof),
        extents: &[RecipeItem],
        directory: &Path,
        cancel: &CancelToken,
    ) -> Result<Self, Error> {
        let mut file = tempfile::tempfile_in(directory).map_err(failed("create a file in", directory))?;
        let (pieces, len) = lay(extents, &mut file).map_err(failed("write a file in", directory))?;
        // Each chunk is read once, so none is kept.
        let reader = proof.reader(engine, 0);
        let runs =
            reader.plan_runs(&pieces.keys().copied().collect::<Vec<_>>(), engine.pool().current_num_threads())?;
        for group in groups(&runs) {
            cancel.check()?;
            engine.pool().install(|| {
                group.par_iter().try_for_each(|run| {
                    for (chunk, bytes) in reader.read_run(run)? {
                        for piece in &pieces[&chunk] {
                            let bytes = piece_of(&chunk, &bytes, piece.start, piece.len)?;
                            file.write_all_at(bytes, piece.offset).map_err(failed("write a file in", directory))?;
                        }
                    }
                    Ok::<(), Error>(())
                })
            })?;
        }
        Ok(Self { file, len })
    }

    /// Hands the bytes to `take`, in order.
    ///
    /// # Errors
    /// The file cannot be read, or `take` failed.
    pub(super) fn read(&self, mut take: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        let mut window = vec![0; usize::try_from(self.len).map_or(READ_BYTES, |len| len.min(READ_BYTES))];
        let mut offset = 0;
        while offset < self.len {
            let count = usize::try_from(self.len - offset).map_or(window.len(), |rest| rest.min(window.len()));
            let read = self.file.read_exact_at(&mut window[..count], offset);
            read.map_err(failed("read back from a file without a name in", Path::new("-")))?;
            take(&window[..count])?;
            offset += count as u64;
        }
        Ok(())
    }
}

/// Writes what is not copied, and sorts the rest by chunk. Returns it with the length of the whole.
fn lay(extents: &[RecipeItem], file: &mut File) -> io::Result<(HashMap<ChunkId, Vec<Piece>>, u64)> {
    let mut pieces: HashMap<ChunkId, Vec<Piece>> = HashMap::new();
    let mut offset = 0;
    for extent in extents {
        match extent {
            RecipeItem::Copy { chunk, start, len } => {
                pieces.entry(*chunk).or_default().push(Piece { offset, start: *start, len: *len });
            }
            RecipeItem::Inline(bytes) => file.write_all_at(bytes, offset)?,
            // What is not written reads as zeros.
            RecipeItem::Fill { byte: 0, .. } => {}
            RecipeItem::Fill { byte, len } => {
                file.seek(SeekFrom::Start(offset))?;
                io::copy(&mut io::Read::take(io::repeat(*byte), *len), file)?;
            }
            RecipeItem::Node { .. } => unreachable!("a walker enters nodes and never returns them"),
        }
        offset += extent.len();
    }
    file.set_len(offset)?;
    file.flush()?;
    Ok((pieces, offset))
}

/// Cuts the reads into groups that are in memory at once.
fn groups(runs: &[ReadRun]) -> impl Iterator<Item = &[ReadRun]> {
    let mut rest = runs;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |run: &&ReadRun| {
            let fits = bytes < GROUP_BYTES;
            bytes += run.stored_bytes();
            fits
        };
        let within = rest.iter().take_while(fits);
        let (group, later) = rest.split_at(within.count());
        rest = later;
        (!group.is_empty()).then_some(group)
    })
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Target { action, path, source }
}
