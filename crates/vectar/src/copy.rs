//! Backups from one repository to another, chunk by chunk.
//!
//! A repository made with `init --like` has the key of the other: the ids are the same, and chunks, nodes and digests of bodies go
//! over as they are stored, unless its readers may be too old for the nodes. Otherwise every chunk is decoded and named anew, and the recipe is written again; it still is a copy of
//! chunks, not a second dissection. Either way a copy that stops leaves packs that the next try finds, and what was copied is
//! rebuilt in the new place and compared before anyone says so.

use std::collections::{HashMap, HashSet};

use vectar_chunk::ChunkId;
use vectar_repository::{
    ChunkReader, Committed, Ingest, NodeWriter, Placed, RecipeWalker, RecordDraft,
    format::{node::RecipeItem, record::BackupRecord},
};

use crate::{
    engine::Engine,
    error::Error,
    observer::{CancelToken, Observer},
    rebuild::{Nowhere, rebuild},
};

/// Decoded chunks and nodes kept meanwhile, in bytes.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// What became of one backup.
#[derive(Debug, Clone)]
pub enum CopyOutcome {
    /// It was copied, rebuilt there and compared.
    Copied(Box<Committed>),
    /// The same snapshot under the same name is there already, with everything it needs.
    AlreadyThere(Box<BackupRecord>),
}

/// Copies a backup. `known` are the records of `to`.
///
/// The copy gets an id of its own; `stored_at` is when it was copied, everything that was said of it goes with it.
///
/// # Errors
/// Something of the backup is damaged or missing, a storage fails, cancelled: nothing is published in `to` then. What stops it while the
/// copy is compared leaves the copy there; it is a backup like any other, and the next try says that it is there already.
pub fn copy(
    from: &Engine,
    record: &BackupRecord,
    to: &Engine,
    known: &[BackupRecord],
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<CopyOutcome, Error> {
    let has_one_key = from.repository().config().id_key == to.repository().config().id_key;
    let is_same = |other: &&BackupRecord| {
        let is_named =
            (record.bytes, &record.subject.name, &record.damaged) == (other.bytes, &other.subject.name, &other.damaged);
        // Where a digest is not known yet, one recipe is one snapshot.
        let same_bytes = match (&record.sha256, &other.sha256) {
            (Some(one), Some(other)) => one == other,
            _ => has_one_key && record.root == other.root,
        };
        is_named && same_bytes
    };
    let reader = ChunkReader::new(to.repository(), CACHE_BYTES);
    for there in known.iter().filter(is_same) {
        // What has lost something there is copied again: that heals it.
        if reader.sound_packs_behind(&there.root, there.bytes)?.is_some() {
            return Ok(CopyOutcome::AlreadyThere(Box::new(there.clone())));
        }
    }
    let (one, other) = (from.repository().config(), to.repository().config());
    let takes_nodes = other.node_version() >= one.node_version();
    let committed = match has_one_key && takes_nodes {
        true => copy_as_stored(from, record, to, observer, cancel)?,
        false => copy_renamed(from, record, to, observer, cancel)?,
    };
    rebuild(to, &committed.record, &mut Nowhere, observer, cancel)?;
    Ok(CopyOutcome::Copied(Box::new(committed)))
}

/// Copies every record behind the backup that is not there, as it is stored.
fn copy_as_stored(
    from: &Engine,
    record: &BackupRecord,
    to: &Engine,
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<Committed, Error> {
    let reader = ChunkReader::new(from.repository(), CACHE_BYTES);
    let mut ingest = Ingest::begin(to.repository(), to.zstd_level())?;
    let behind: HashSet<[u8; 32]> = reader.ids_behind(&record.root)?.into_iter().collect();
    let total = behind.len() as u64;
    for (done, id) in (1..).zip(&behind) {
        cancel.check()?;
        if ingest.lacks(id)? {
            ingest.add(reader.record(id)?)?;
        }
        observer.progress(done * record.bytes / total, Some(record.bytes));
    }
    // With the digests of bodies a later ingest of the same bodies need not cut them.
    for body in from.repository().index().reader()?.bodies_of(|node| behind.contains(node.as_bytes()))? {
        ingest.add_body(body.digest, body.node, body.len);
    }
    Ok(ingest.commit(record.root, record.bytes, draft(record))?)
}

/// Decodes every chunk, names it by the other repository's key, and writes the recipe anew.
fn copy_renamed(
    from: &Engine,
    record: &BackupRecord,
    to: &Engine,
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<Committed, Error> {
    let reader = ChunkReader::new(from.repository(), CACHE_BYTES);
    let mut ingest = Ingest::begin(to.repository(), to.zstd_level())?;
    // One list for all of it: rows that lie scattered in the one recipe do in the other.
    let mut recipe = NodeWriter::of_body(to.repository().config());
    let mut renamed: HashMap<ChunkId, ChunkId> = HashMap::new();
    for placed in RecipeWalker::new(&reader, &record.root, record.bytes, 0)? {
        cancel.check()?;
        let Placed { offset, extent } = placed?;
        let extent = match extent {
            RecipeItem::Copy { chunk, start, len } => {
                let name = match renamed.get(&chunk) {
                    Some(name) => *name,
                    None => {
                        let name = to.repository().id_key().chunk_id(&reader.chunk(&chunk)?);
                        if ingest.lacks(name.as_bytes())? {
                            ingest.add(reader.record(chunk.as_bytes())?.renamed(&name))?;
                        }
                        renamed.insert(chunk, name);
                        name
                    }
                };
                RecipeItem::Copy { chunk: name, start, len }
            }
            extent => extent,
        };
        recipe.push(extent, &mut ingest)?;
        observer.progress(offset, Some(record.bytes));
    }
    let covered = recipe.len();
    let root = recipe.finish_root(&mut ingest)?;
    Ok(ingest.commit(root, covered, draft(record))?)
}

fn draft(record: &BackupRecord) -> RecordDraft {
    RecordDraft {
        subject: record.subject.clone(),
        bytes: record.bytes,
        sha256: record.sha256.clone(),
        damaged: record.damaged.clone(),
        tags: record.tags.clone(),
        note: record.note.clone(),
        space: record.space.clone(),
    }
}
