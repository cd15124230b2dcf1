//! A snapshot whose sparse entries are larger than 8 GiB: lengths and offsets in base 256, chains of extension blocks.

use std::io::{self, Write};

use super::CorpusError;
use super::noise::{Role, draw, spell_uuid, stream, uuid_v4};
use super::options::CorpusOptions;
use super::segment::EPOCH_S;
use super::snapshot::root_files;
use super::tar_writer::{CountingWriter, Extent, HOLE_BYTES, PlannedFile, TarWriter};

/// Extents of each sparse entry; more than the 4 in a header, and enough that the last lies beyond 8 GiB of 9.
const EXTENTS_MIN: u64 = 16;
const EXTENTS_MAX: u64 = 2048;
const EXTENT_BYTES_TARGET: u64 = 1 << 20;
/// Every second extent repeats a tile of this size, so that half of the content deduplicates and compresses.
const TILE_BYTES: u64 = 64 << 10;
const NESTED_PREFIX: &str = "snapshot/files/";

/// Describes a sparse giant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SparseGiantOptions {
    /// Decides the content.
    pub seed: u64,
    /// Stored bytes of the two sparse entries together, nearly; at least 128 KiB.
    pub stored_bytes: u64,
    /// Logical length of each sparse entry; at least twice its stored bytes.
    pub logical_bytes: u64,
}

impl Default for SparseGiantOptions {
    /// The full size: 3 GiB stored, entries of 9 GiB.
    fn default() -> Self {
        Self { seed: 1, stored_bytes: 3 << 30, logical_bytes: 9 << 30 }
    }
}

/// Writes a collection snapshot with two giant sparse entries, one inside a segment's nested tar and one as a WAL
/// segment, and returns its length. Memory use does not depend on the sizes.
///
/// The tar is valid at both levels; the content of the two entries is noise and no vectors.
///
/// # Errors
///
/// [`CorpusError::Options`] before anything is written; [`CorpusError::Output`] when the output fails.
pub fn write_sparse_giant(options: &SparseGiantOptions, out: impl Write) -> Result<u64, CorpusError> {
    let stored_min = 2 * EXTENTS_MIN * HOLE_BYTES;
    if options.stored_bytes < stored_min || options.logical_bytes < options.stored_bytes {
        let reason = format!("a sparse giant stores at least {stored_min} bytes and is logically larger than that");
        return Err(CorpusError::Options { reason });
    }
    write(options, out).map_err(|source| CorpusError::Output { what: "the sparse giant".to_owned(), source })
}

fn write(options: &SparseGiantOptions, out: impl Write) -> io::Result<u64> {
    let mut out = CountingWriter::new(io::BufWriter::with_capacity(1 << 20, out));
    let mut tar = TarWriter::new(&mut out);
    let uuid =
        spell_uuid(&uuid_v4(draw(options.seed, Role::SegmentUuid, 0, 0), draw(options.seed, Role::SegmentUuid, 0, 1)));
    let files = [
        sparse_file(options, "vector_storage/vectors/chunk_0.mmap", 0),
        PlannedFile::small("version.info", EPOCH_S, b"0.6.0".to_vec()),
    ];
    let nested_bytes = files.iter().map(|file| file.entry_bytes(NESTED_PREFIX)).sum();
    tar.memory_with(&format!("0/segments/{uuid}.tar"), nested_bytes, |out| {
        let mut nested = TarWriter::new(out);
        files.iter().try_for_each(|file| nested.file(NESTED_PREFIX, file))
    })?;
    tar.file("0/", &sparse_file(options, "wal/open-1", 1))?;
    tar.memory("0/shard_config.json", br#"{"type":"ReplicaSet"}"#)?;
    for (path, body) in root_files(&CorpusOptions::default()) {
        tar.memory(path, body.as_bytes())?;
    }
    tar.finish()?;
    out.flush()?;
    Ok(out.bytes())
}

/// A file of evenly spread extents of equal length, each a whole number of file-system blocks.
fn sparse_file<'a>(options: &SparseGiantOptions, path: &str, which: u64) -> PlannedFile<'a> {
    let stored = options.stored_bytes / 2;
    let count = (stored / EXTENT_BYTES_TARGET).clamp(EXTENTS_MIN, EXTENTS_MAX);
    let bytes = stored / count / HOLE_BYTES * HOLE_BYTES;
    let stride = options.logical_bytes / count / HOLE_BYTES * HOLE_BYTES;
    let mut extents: Vec<Extent> = (0..count).map(|index| Extent { offset: index * stride, bytes }).collect();
    extents.push(Extent { offset: options.logical_bytes, bytes: 0 });
    let key = draw(options.seed, Role::Giant, which, 0);
    PlannedFile {
        path: path.to_owned(),
        real_bytes: options.logical_bytes,
        extents: Some(extents),
        modified_s: EPOCH_S,
        body: Box::new(move |out| {
            (0..count).try_for_each(|index| {
                let repeat = index % 2 == 1;
                write_extent(if repeat { key } else { stream(key, index) }, repeat, bytes, out)
            })
        }),
    }
}

fn write_extent(key: u64, repeat: bool, bytes: u64, out: &mut dyn Write) -> io::Result<()> {
    let mut tile = vec![0; TILE_BYTES.min(bytes) as usize];
    let mut counter = 0;
    let mut left = bytes;
    while left > 0 {
        if counter == 0 || !repeat {
            for cell in tile.chunks_exact_mut(8) {
                cell.copy_from_slice(&stream(key, counter).to_le_bytes());
                counter += 1;
            }
        }
        let now = left.min(tile.len() as u64);
        out.write_all(&tile[..now as usize])?;
        left -= now;
    }
    Ok(())
}
