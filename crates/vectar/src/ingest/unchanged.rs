//! A file whose bytes are a backup already, under its own name or another.
//!
//! Its long bodies are hashed in any order on all cores, and the recipe of the backup must name at each place the node that stands for the body there;
//! all other bytes are compared with the backup's. Then these are the bytes of the backup, and its SHA-256 is theirs: that is one serial
//! chain, and would take three times as long as everything else. Where it cannot be shown, the file is read from the beginning.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use vectar_chunk::NodeId;
use vectar_repository::{
    ChunkReader, ErrorKind as RepositoryErrorKind, PackId,
    format::record::{BackupRecord, ClassSpace, Space},
    visit_nodes,
};
use vectar_tar::ReadAt as _;

use super::{
    CHECK_CACHE_BYTES,
    known::{self, KnownBody},
    look::Look,
};
use crate::{
    backup_content::BackupContent,
    engine::Engine,
    error::Error,
    observer::{CancelToken, Observer},
    source::SnapshotFile,
};

/// Backups of the same length whose headers are compared with those of the file, the newest first.
const CANDIDATES_MAX: usize = 4;

/// Headers that are compared before anything is hashed. A snapshot that was taken anew has new times in nearly all of them.
const HEADERS_COMPARED: usize = 128;

/// Bytes of a tar header, which lies before its body.
const HEADER_BYTES: u64 = 512;

/// One byte in so many is compared instead of hashed, at most, and these bytes more: to decode what it is compared with takes longer than to hash it.
const COMPARED_ONE_IN: u64 = 4;
const COMPARED_MORE: u64 = 8 * 1024 * 1024;

/// Bytes that are compared at a time.
const WINDOW_BYTES: usize = 1024 * 1024;

/// A backup that holds the bytes of a file.
pub(super) struct Unchanged<'e> {
    pub(super) backup: &'e BackupRecord,
    /// The packs that hold everything behind it.
    pub(super) packs: Vec<PackId>,
}

impl Unchanged<'_> {
    /// What the record of another backup of the same bytes says about space.
    pub(super) fn space(&self) -> Space {
        let known = |class: &ClassSpace| ClassSpace { bytes: class.bytes, ..ClassSpace::default() };
        let classes: BTreeMap<String, ClassSpace> =
            self.backup.space.classes.iter().map(|(name, class)| (name.clone(), known(class))).collect();
        Space { new_pack_bytes: 0, chunks: self.backup.space.chunks, new_chunks: 0, classes }
    }
}

/// Looks for a backup that holds the bytes of a file. A file beside which a checksum lies is read whole by whoever compares that.
///
/// # Errors
/// The file cannot be read, the repository failed, or the caller asked to stop. Nothing was written.
pub(super) fn find<'e>(
    engine: &'e Engine,
    file: &SnapshotFile,
    look: &Look,
    known: &'e [BackupRecord],
    (observer, cancel): (&dyn Observer, &CancelToken),
) -> Result<Option<Unchanged<'e>>, Error> {
    if look.sidecar.is_some() || look.outline.is_none() {
        return Ok(None);
    }
    let Some(backup) = candidate(engine, file, look, known) else { return Ok(None) };
    let bodies = known::find_most(engine, file, look.rows.iter(), (observer, cancel))?.bodies;
    let hashed: u64 = bodies.iter().map(|body| body.len).sum();
    if file.len() - hashed > file.len() / COMPARED_ONE_IN + COMPARED_MORE {
        return Ok(None);
    }
    let reader = ChunkReader::new(engine.repository(), CHECK_CACHE_BYTES);
    if !has_nodes(&reader, backup, &bodies)? || !has_same_rest(engine, file, backup, &bodies, cancel)? {
        return Ok(None);
    }
    let packs = reader.sound_packs_behind(&backup.root, backup.bytes)?;
    Ok(packs.map(|packs| Unchanged { backup, packs }))
}

/// Whether the recipe of a backup names these nodes for these bytes. One that is damaged does not.
fn has_nodes(reader: &ChunkReader<'_>, backup: &BackupRecord, bodies: &[KnownBody]) -> Result<bool, Error> {
    let mut wanted: HashMap<(u64, NodeId), u64> =
        bodies.iter().map(|body| ((body.offset, body.node), body.len)).collect();
    let visited = visit_nodes(reader, &backup.root, backup.bytes, |offset, node, len| {
        // What is not wanted may hold what is.
        let is_wanted = wanted.get(&(offset, *node)) == Some(&len);
        if is_wanted {
            wanted.remove(&(offset, *node));
        }
        !is_wanted
    });
    match visited {
        Ok(()) => Ok(wanted.is_empty()),
        Err(error) if error.kind() == RepositoryErrorKind::RepositoryDamaged => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether all bytes beside these bodies are those of a backup of the same length.
fn has_same_rest(
    engine: &Engine,
    file: &SnapshotFile,
    backup: &BackupRecord,
    bodies: &[KnownBody],
    cancel: &CancelToken,
) -> Result<bool, Error> {
    let content = BackupContent::new(engine, backup);
    let (mut of_file, mut of_backup) = (vec![0; WINDOW_BYTES], vec![0; WINDOW_BYTES]);
    let mut at = 0;
    let ends = bodies.iter().map(|body| (body.offset, body.offset + body.len)).chain([(file.len(), file.len())]);
    for (end, behind) in ends {
        while at < end {
            cancel.check()?;
            let len = usize::try_from(end - at).map_or(WINDOW_BYTES, |rest| rest.min(WINDOW_BYTES));
            let read = file.read_window(at, &mut of_file[..len])?;
            // What cannot be read is not the same; whoever needs it says why.
            let is_read = read == len && content.read_at(at, &mut of_backup[..len]).is_ok_and(|count| count == len);
            if !is_read || of_file[..len] != of_backup[..len] {
                return Ok(false);
            }
            at += len as u64;
        }
        at = behind;
    }
    Ok(true)
}

/// The backup that may hold the bytes of a file: the newest with a SHA-256 and the same headers, one of the same name before others.
fn candidate<'e>(
    engine: &Engine,
    file: &SnapshotFile,
    look: &Look,
    known: &'e [BackupRecord],
) -> Option<&'e BackupRecord> {
    let is_alike =
        |record: &&BackupRecord| record.bytes == file.len() && record.damaged.is_none() && record.sha256.is_some();
    let mut alike: Vec<&BackupRecord> = known.iter().filter(is_alike).collect();
    alike.sort_by_key(|record| (record.subject.name != file.name(), Reverse(record.stored_at)));
    alike.into_iter().take(CANDIDATES_MAX).find(|record| has_same_headers(engine, file, look, record))
}

/// Whether some headers of a file, from its beginning to its end, are those of a backup of the same length.
fn has_same_headers(engine: &Engine, file: &SnapshotFile, look: &Look, backup: &BackupRecord) -> bool {
    let content = BackupContent::new(engine, backup);
    let is_same = |start: u64| {
        let (mut of_file, mut of_backup) = ([0; HEADER_BYTES as usize], [0; HEADER_BYTES as usize]);
        // What cannot be read is not the same; whoever needs it says why.
        let lens = (file.read_window(start, &mut of_file).ok(), content.read_at(start, &mut of_backup).ok());
        lens.0.is_some() && lens.0 == lens.1 && of_file == of_backup
    };
    let step = look.rows.len().div_ceil(HEADERS_COMPARED).max(1);
    // From the end, because what is written last differs first.
    let starts = look.rows.iter().rev().step_by(step).map(|row| row.head.offset.saturating_sub(HEADER_BYTES));
    starts.chain([0]).all(is_same)
}
