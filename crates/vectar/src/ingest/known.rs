//! Bodies that are stored already, found by their digests before anything else is done with them.
//!
//! In a file their places are known from its headers, so all cores read and hash them, in pieces that stay in a core's own cache, and what is
//! known is not read again. That is for a file whose SHA-256 need not be computed, because it is not wanted or will be found with the bytes: the
//! digest of the whole needs every byte in order, and it must be of the same reading as what is stored.

use std::collections::HashSet;

use rayon::prelude::*;
use vectar_chunk::{BODY_PIECE_BYTES, BodyDigest, BodyPiece, NodeId};
use vectar_repository::{ChunkReader, PackId, RepositoryError, index::IndexReader};
use vectar_tar::{CatalogueRow, ReadAt as _, RowRole};

use crate::{
    engine::Engine,
    error::Error,
    observer::{CancelToken, Observer},
    source::SnapshotFile,
};

/// Bodies shorter than this are one chunk or a few: looking for their digest saves nothing.
pub(super) const BODY_DIGEST_BYTES_MIN: u64 = 64 * 1024;

/// Bytes of bodies that are hashed together. When none of the first so many are known, the snapshot is taken for a new one.
const GROUP_BYTES: u64 = 256 * 1024 * 1024;

/// Decoded recipe nodes kept while known bodies are looked up, in bytes.
const NODE_CACHE_BYTES: usize = 16 * 1024 * 1024;

/// A body that is stored already, chunk for chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownBody {
    /// Of its first byte in the snapshot.
    pub(super) offset: u64,
    /// Its stored bytes.
    pub(super) len: u64,
    pub(super) node: NodeId,
}

/// Bodies of a file that are stored already.
#[derive(Debug, Default)]
pub(super) struct KnownBodies {
    /// In the order of the file.
    pub(super) bodies: Vec<KnownBody>,
    /// The packs that hold everything behind them.
    pub(super) packs: HashSet<PackId>,
}

/// Looks a body up by its digest; one of which anything is not sound is as good as new. One view serves a whole ingest: the index learns of
/// the ingest's own packs meanwhile, and when it does must not show in what is stored. With it come the packs that hold everything behind it.
pub(super) fn look_up(
    view: &IndexReader<'_>,
    reader: &ChunkReader<'_>,
    digest: &BodyDigest,
    (offset, len): (u64, u64),
) -> Result<Option<(KnownBody, Vec<PackId>)>, RepositoryError> {
    let Some((node, _)) = view.body(digest)?.filter(|(_, known)| *known == len) else { return Ok(None) };
    let packs = reader.sound_packs_behind(&node, len)?;
    Ok(packs.map(|packs| (KnownBody { offset, len, node }, packs)))
}

/// Finds those of these bodies of a file that are stored already. Reads each once; memory: a piece for each thread, and some 100 bytes for each
/// body that is known.
///
/// # Errors
/// The file cannot be read, the index failed, or the caller asked to stop.
pub(super) fn find<'c>(
    engine: &Engine,
    file: &SnapshotFile,
    bodies: impl Iterator<Item = &'c CatalogueRow>,
    caller: (&dyn Observer, &CancelToken),
) -> Result<KnownBodies, Error> {
    find_while(engine, file, bodies, |known, _| known > 0, caller)
}

/// As [`find`], but ends where fewer than half of the bodies are stored, by their number, that are as long as [`BODY_DIGEST_BYTES_MIN`].
///
/// # Errors
/// As [`find`].
pub(super) fn find_most<'c>(
    engine: &Engine,
    file: &SnapshotFile,
    bodies: impl Iterator<Item = &'c CatalogueRow>,
    caller: (&dyn Observer, &CancelToken),
) -> Result<KnownBodies, Error> {
    find_while(engine, file, bodies, |known, looked_at| 2 * known >= looked_at, caller)
}

/// Looks bodies up group by group, while `goes_on` for so many known ones among so many that were looked at.
fn find_while<'c>(
    engine: &Engine,
    file: &SnapshotFile,
    bodies: impl Iterator<Item = &'c CatalogueRow>,
    goes_on: impl Fn(usize, usize) -> bool,
    (observer, cancel): (&dyn Observer, &CancelToken),
) -> Result<KnownBodies, Error> {
    let repository = engine.repository();
    let is_whole =
        |row: &&CatalogueRow| row.role == RowRole::Leaf { complete: true } && row.len >= BODY_DIGEST_BYTES_MIN;
    let mut rest = bodies.filter(is_whole).peekable();
    let (mut known, mut looked_at) = (KnownBodies::default(), 0);
    if repository.index().counts()?.bodies == 0 {
        return Ok(known);
    }
    let (view, reader) = (repository.index().reader()?, ChunkReader::new(repository, NODE_CACHE_BYTES));
    while rest.peek().is_some() {
        let mut bytes = 0;
        let mut group = Vec::new();
        while let Some(row) = rest.next_if(|_| bytes < GROUP_BYTES) {
            bytes += row.len;
            group.push((row.head.offset, row.len));
        }
        looked_at += group.len();
        for (body, digest) in group.iter().zip(digests(engine, file, &group, cancel)?) {
            if let Some((body, packs)) = look_up(&view, &reader, &digest, *body)? {
                known.bodies.push(body);
                known.packs.extend(packs);
            }
        }
        observer.progress(group.last().map_or(0, |(offset, len)| offset + len), Some(file.len()));
        if !goes_on(known.bodies.len(), looked_at) {
            break;
        }
    }
    Ok(known)
}

/// The digests of bodies, each by offset and length.
fn digests(
    engine: &Engine,
    file: &SnapshotFile,
    bodies: &[(u64, u64)],
    cancel: &CancelToken,
) -> Result<Vec<BodyDigest>, Error> {
    let key = engine.repository().id_key();
    let piece_bytes = BODY_PIECE_BYTES as u64;
    let pieces: Vec<(u64, u64, u64)> = bodies
        .iter()
        .flat_map(|&(offset, len)| (0..len.div_ceil(piece_bytes)).map(move |index| (offset, len, index)))
        .collect();
    let hash = |buffer: &mut Vec<u8>, &(offset, len, index): &(u64, u64, u64)| -> Result<Hashed, Error> {
        cancel.check()?;
        let start = index * piece_bytes;
        let wanted = (len - start).min(piece_bytes) as usize;
        buffer.resize(wanted, 0);
        let read = file.read_window(offset + start, buffer)?;
        debug_assert_eq!(read, wanted, "a catalogue lists no bytes that are not there");
        Ok(match len <= piece_bytes {
            true => Hashed::Whole(key.body_hasher().update(buffer).finalize()),
            false => Hashed::Piece(key.body_piece(index, buffer)),
        })
    };
    let hashed: Vec<Hashed> =
        engine.pool().install(|| pieces.par_iter().map_init(Vec::new, hash).collect::<Result<_, _>>())?;
    let mut hashed = hashed.into_iter();
    let digest = |&(_, len): &(u64, u64)| {
        let count = len.div_ceil(piece_bytes) as usize;
        let mut pieces = Vec::with_capacity(count);
        for hashed in hashed.by_ref().take(count) {
            match hashed {
                Hashed::Whole(digest) => return digest,
                Hashed::Piece(piece) => pieces.push(piece),
            }
        }
        key.join_body(&pieces, len).expect("every piece of the body was hashed")
    };
    Ok(bodies.iter().map(digest).collect())
}

/// A body of one piece, or a piece of a longer one.
enum Hashed {
    Whole(BodyDigest),
    Piece(BodyPiece),
}
