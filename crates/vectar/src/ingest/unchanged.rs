//! A file whose bytes are a backup already, under its own name or another.
//!
//! Its bodies are hashed in any order on all cores, its recipe is made of what is known, and if it is the recipe of a backup, then these are
//! the bytes of that backup, and its SHA-256 is theirs: ids prove bytes. SHA-256 itself is one serial chain, and would take three times
//! as long as everything else. Where that cannot be shown, nothing was written, and the file is read from the beginning.

use vectar_qdrant::parse_checksum;
use vectar_repository::{ChunkReader, Ingest, PackId, format::record::BackupRecord};
use vectar_tar::ReadAt as _;

use super::{
    CHECK_CACHE_BYTES, known,
    look::Look,
    pipeline::{self, Piped, Stages},
    worker::Workers,
};
use crate::{
    backup_content::BackupContent,
    engine::Engine,
    error::Error,
    observer::{CancelToken, Observer},
    source::{SnapshotFile, Source},
};

/// Backups of the same length that a file is compared with, the newest first.
const CANDIDATES_MAX: usize = 4;

/// Headers that are compared before anything is hashed. A snapshot that was taken anew has new times in nearly all of them.
const HEADERS_COMPARED: usize = 16;

/// Bytes of a tar header, which lies before its body.
const HEADER_BYTES: u64 = 512;

/// No chunk is new while bodies are known, so hardly anything is encoded.
const ZSTD_LEVEL: i32 = 1;

/// A file that a backup holds, byte for byte.
pub(super) struct Unchanged<'e> {
    backup: &'e BackupRecord,
    sha256: [u8; 32],
    /// What the pipeline saw; its ingest is a rehearsal.
    piped: Piped<'e>,
    /// The packs that hold everything behind the backup.
    packs: Vec<PackId>,
}

impl<'e> Unchanged<'e> {
    /// The backup, if it has this name: then there is nothing to store.
    pub(super) fn stored_as(&self, name: &str) -> Option<&BackupRecord> {
        (self.backup.subject.name == name).then_some(self.backup)
    }

    /// What the pipeline would have made of the file within this ingest.
    pub(super) fn into_piped(self, mut ingest: Ingest<'e>) -> Piped<'e> {
        ingest.rely_on_packs(self.packs);
        let mut piped = self.piped;
        piped.assembled.ingest = ingest;
        piped.sha256 = Some(self.sha256);
        piped
    }
}

/// Looks for a backup that holds the bytes of a file. A file beside which a checksum lies is read whole by whoever compares that.
///
/// # Errors
/// The file cannot be read, the repository failed, or the caller asked to stop. Nothing was written.
pub(super) fn find<'e>(
    engine: &'e Engine,
    source: &mut Source,
    look: &Look,
    known: &'e [BackupRecord],
    (observer, cancel): (&dyn Observer, &CancelToken),
) -> Result<Option<Unchanged<'e>>, Error> {
    let Source::File(file) = &*source else { return Ok(None) };
    if look.sidecar.is_some() || look.outline.is_none() {
        return Ok(None);
    }
    let candidates = candidates(engine, file, look, known);
    if candidates.is_empty() {
        return Ok(None);
    }
    let Some(known_bodies) = known::find_all(engine, file, look.skippable(false), cancel)? else { return Ok(None) };
    let repository = engine.repository();
    let stages = Stages {
        classifier: look.classifier.clone(),
        rows: None,
        workers: Workers::new(repository, repository.index().reader()?, ZSTD_LEVEL),
        ingest: Ingest::rehearse(repository, ZSTD_LEVEL)?,
        known: known_bodies.bodies,
        is_digested: false,
    };
    let piped = pipeline::run(engine, source, stages, observer, cancel)?;
    let (root, covered) = (piped.assembled.root, piped.assembled.covered);
    let reader = ChunkReader::new(repository, CHECK_CACHE_BYTES);
    let same = candidates.into_iter().find(|(backup, _)| (backup.root, backup.bytes) == (root, covered));
    let Some((backup, sha256)) = same else { return Ok(None) };
    let packs = reader.sound_packs_behind(&root, covered)?;
    Ok(packs.map(|packs| Unchanged { backup, sha256, piped, packs }))
}

/// The newest backups that may hold the bytes of a file, each with its SHA-256; those of the same name first.
fn candidates<'e>(
    engine: &Engine,
    file: &SnapshotFile,
    look: &Look,
    known: &'e [BackupRecord],
) -> Vec<(&'e BackupRecord, [u8; 32])> {
    let mut alike: Vec<_> =
        known.iter().filter(|record| record.bytes == file.len() && record.damaged.is_none()).collect();
    alike.sort_by_key(|record| (record.subject.name != file.name(), std::cmp::Reverse(record.stored_at)));
    alike
        .into_iter()
        .filter_map(|record| Some((record, parse_checksum(record.sha256.as_ref()?.as_bytes()).ok()?)))
        .take(CANDIDATES_MAX)
        .filter(|(record, _)| has_same_headers(engine, file, look, record))
        .collect()
}

/// Whether some headers of a file, from its beginning to its end, are those of a backup of the same length.
fn has_same_headers(engine: &Engine, file: &SnapshotFile, look: &Look, backup: &BackupRecord) -> bool {
    let content = BackupContent::new(engine, backup);
    let step = look.rows.len().div_ceil(HEADERS_COMPARED).max(1);
    let (mut of_file, mut of_backup) = ([0; HEADER_BYTES as usize], [0; HEADER_BYTES as usize]);
    // From the end: what is written last differs first.
    look.rows.iter().rev().step_by(step).all(|row| {
        let start = row.head.offset.saturating_sub(HEADER_BYTES);
        let wanted = (row.head.offset - start) as usize;
        // What cannot be read is not the same; whoever needs it says why.
        let is_read = file.read_window(start, &mut of_file[..wanted]).is_ok_and(|count| count == wanted)
            && content.read_at(start, &mut of_backup[..wanted]).is_ok_and(|count| count == wanted);
        is_read && of_file[..wanted] == of_backup[..wanted]
    })
}
