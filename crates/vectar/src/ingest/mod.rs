//! Snapshot in, backup out.

mod assembler;
mod batch;
mod body_cutter;
mod compression;
mod dissector;
mod known;
mod look;
mod pipeline;
mod reading;
mod rows;
mod subject;
mod unchanged;
mod worker;

use std::collections::BTreeMap;

use vectar_chunk::NodeId;
use vectar_qdrant::{SnapshotName, SnapshotOutline};
use vectar_repository::{
    BackupId, ChunkReader, Committed, Ingest, RecordDraft,
    format::record::{BackupRecord, ClassSpace, Subject},
};
use vectar_tar::{Anomalies, AnomalyKind, Catalogue, Severity};

pub use compression::Compression;
pub(crate) use dissector::{body_path, body_size};
pub(crate) use look::read_small;
pub(crate) use subject::describe_file;

use look::Look;
use pipeline::Piped;
use unchanged::Unchanged;
use worker::Workers;

use crate::{
    engine::Engine,
    error::Error,
    observer::{CancelToken, Observer},
    source::Source,
    words::hex,
};

/// Decoded nodes kept while an earlier backup of the same bytes is checked, in bytes.
const CHECK_CACHE_BYTES: usize = 16 * 1024 * 1024;

/// What the caller knows about a snapshot, and how it is to be stored.
#[derive(Debug, Clone, Default)]
pub struct IngestOptions {
    /// The collection it is of; else the file name and the directory are asked.
    pub collection: Option<String>,
    /// The cluster it comes from.
    pub cluster: Option<String>,
    /// The node it comes from.
    pub node: Option<String>,
    /// The capture set it belongs to.
    pub set: Option<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// A free text.
    pub note: Option<String>,
    /// Store a damaged snapshot all the same, and say so in its record.
    pub allow_damaged: bool,
    /// Refuse when fewer bytes than this could be left on the storage; for a stream, when fewer are left before it begins.
    pub keep_free: Option<u64>,
    /// Do everything but write.
    pub dry_run: bool,
    /// How rows are shared with earlier backups.
    pub rows: RowSharing,
    /// How hard new chunks are made small.
    pub compression: Compression,
    /// When the SHA-256 of the snapshot is computed.
    pub digest: DigestTime,
}

/// When the SHA-256 of a snapshot is computed, which takes longer than everything else about one that did not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DigestTime {
    /// While it is stored, unless it is known: a file that a backup holds byte for byte takes over the digest of that one. Every restore is
    /// compared with it.
    #[default]
    NowUnlessKnown,
    /// While it is stored, whatever backups say.
    Now,
    /// When it is first needed: by whatever rebuilds the snapshot first. Until then only chunks and recipe are proven. A file that has a
    /// checksum to compare with, beside it or in a record of the same name and length, is treated as with
    /// [`NowUnlessKnown`](Self::NowUnlessKnown).
    Later,
}

/// How rows that an optimizer moved are found again in earlier backups.
#[derive(Debug, Clone)]
pub struct RowSharing {
    /// Look for them; so it is by default.
    pub on: bool,
    /// Look for them in this backup, whatever its collection is called.
    pub like: Option<BackupId>,
    /// Memory for the places of rows, in bytes; what does not fit is stored anew.
    pub budget_bytes: Option<usize>,
    /// How many bits of a row's fingerprint count; fewer than 64 make more rows look alike, until their bytes are compared. For tests.
    pub fingerprint_bits: u32,
}

impl Default for RowSharing {
    fn default() -> Self {
        Self { on: true, like: None, budget_bytes: None, fingerprint_bits: 64 }
    }
}

/// What became of a snapshot.
#[derive(Debug, Clone)]
pub enum IngestOutcome {
    /// It is a backup now.
    Stored(Box<Committed>),
    /// The same bytes under the same name are a backup already, and whole.
    AlreadyStored(Box<BackupRecord>),
    /// It would be one now.
    Rehearsed(Box<Rehearsal>),
}

/// What an ingest would have done.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// Length of the snapshot.
    pub bytes: u64,
    /// Its SHA-256 in hex, if it was computed.
    pub sha256: Option<String>,
    /// Bytes of the packs that would have been written.
    pub new_bytes: u64,
    /// Figures by class.
    pub classes: BTreeMap<String, ClassSpace>,
}

/// Stores one snapshot.
///
/// `known` are the records of the repository: the same bytes are not stored twice under one name.
///
/// # Errors
/// Any [`Error`]. No backup appears; packs written before the error are of use to the next try, else `prune` frees them.
pub fn ingest(
    engine: &Engine,
    mut source: Source,
    options: &IngestOptions,
    known: &[BackupRecord],
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<IngestOutcome, Error> {
    let mut look = match &source {
        Source::File(file) => Look::at(file, options)?,
        Source::Stream { .. } => Look::default(),
    };
    if let Source::File(file) = &source {
        let unchanged = match options.digest {
            DigestTime::Now => None,
            _ => unchanged::find(engine, file, &look, known, (observer, cancel))?,
        };
        if let Some(unchanged) = unchanged {
            check_room(engine, &source, options)?;
            return store_again(engine, &source, &look, &unchanged, options, known);
        }
        if let Some(record) = look.compare_digests(engine, file, options, known, cancel)? {
            return Ok(IngestOutcome::AlreadyStored(Box::new(record)));
        }
    }
    check_room(engine, &source, options)?;
    let piped = read_and_store(engine, &mut source, &mut look, options, known, (observer, cancel))?;
    cancel.check()?;
    let sha256 = piped.sha256.as_ref().map(|sha256| hex(sha256));
    check_same(&source, look.sha256.as_ref(), piped.sha256.as_ref())?;
    let damaged = judge(&source.name(), &piped.summary.anomalies, options)?.or(look.damaged);
    let bytes = piped.summary.bytes;
    if options.dry_run {
        let classes = piped.assembled.space.classes;
        let new_bytes = piped.assembled.ingest.sealed_bytes()?;
        return Ok(IngestOutcome::Rehearsed(Box::new(Rehearsal { bytes, sha256, new_bytes, classes })));
    }
    // Where no digest tells, one recipe is one snapshot. The other way round it need not be: what rows were shared with may differ.
    if damaged.is_none()
        && let of = (piped.assembled.covered, piped.assembled.root)
        && let Some(record) = same_recipe(engine, &source, (of, sha256.is_some()), known)?
    {
        let record = with_digest(engine, record, sha256.as_deref());
        return Ok(IngestOutcome::AlreadyStored(Box::new(record)));
    }
    let draft = RecordDraft {
        subject: describe(&source, piped.seen, piped.summary, options),
        bytes,
        sha256,
        damaged,
        tags: options.tags.clone(),
        note: options.note.clone(),
        space: piped.assembled.space,
    };
    let committed = piped.assembled.ingest.commit(piped.assembled.root, piped.assembled.covered, draft)?;
    Ok(IngestOutcome::Stored(Box::new(committed)))
}

/// Makes another backup of bytes that one holds already, unless it has the same name.
fn store_again(
    engine: &Engine,
    source: &Source,
    look: &Look,
    unchanged: &Unchanged<'_>,
    options: &IngestOptions,
    known: &[BackupRecord],
) -> Result<IngestOutcome, Error> {
    check_same(source, None, None)?;
    let backup = unchanged.backup;
    if backup.subject.name == source.name() {
        return Ok(IngestOutcome::AlreadyStored(Box::new(backup.clone())));
    }
    let (sha256, space) = (backup.sha256.clone(), unchanged.space());
    if options.dry_run {
        let rehearsal = Rehearsal { bytes: backup.bytes, sha256, new_bytes: 0, classes: space.classes };
        return Ok(IngestOutcome::Rehearsed(Box::new(rehearsal)));
    }
    if let Some(record) = same_recipe(engine, source, ((backup.bytes, backup.root), true), known)? {
        let record = with_digest(engine, record, sha256.as_deref());
        return Ok(IngestOutcome::AlreadyStored(Box::new(record)));
    }
    let name = source.name();
    let origin = subject::Origin {
        name: &name,
        path: source.origin(),
        mtime_seconds: mtime_of(source),
        levels: backup.subject.levels,
    };
    let outline = look.outline.as_ref().expect("a file that was found unchanged was looked at");
    let draft = RecordDraft {
        subject: subject::describe(&origin, outline, options),
        bytes: backup.bytes,
        sha256,
        damaged: None,
        tags: options.tags.clone(),
        note: options.note.clone(),
        space,
    };
    let mut ingest = begin(engine, options)?;
    ingest.rely_on_packs(unchanged.packs.iter().copied());
    Ok(IngestOutcome::Stored(Box::new(ingest.commit(backup.root, backup.bytes, draft)?)))
}

/// Announces the ingest, or begins to rehearse it.
fn begin<'e>(engine: &'e Engine, options: &IngestOptions) -> Result<Ingest<'e>, Error> {
    let begin = if options.dry_run { Ingest::rehearse } else { Ingest::begin };
    Ok(begin(engine.repository(), options.compression.zstd_level())?)
}

/// Sends the whole snapshot through the pipeline, but for bodies that are known where no digest of the whole is wanted.
fn read_and_store<'e>(
    engine: &'e Engine,
    source: &mut Source,
    look: &mut Look,
    options: &IngestOptions,
    known: &'e [BackupRecord],
    (observer, cancel): (&dyn Observer, &CancelToken),
) -> Result<Piped<'e>, Error> {
    let rows = open_rows(engine, source, look, options, known)?;
    let view = engine.repository().index().reader()?;
    let workers = Workers::new(engine.repository(), view, options.compression.zstd_level());
    let mut ingest = begin(engine, options)?;
    let is_digested = options.digest != DigestTime::Later || look.sha256.is_some();
    let known_bodies = match (&*source, is_digested) {
        (Source::File(file), false) => known::find(engine, file, look.skippable(rows.is_some()), (observer, cancel))?,
        _ => known::KnownBodies::default(),
    };
    ingest.rely_on_packs(known_bodies.packs);
    let classifier = std::mem::take(&mut look.classifier);
    let stages = pipeline::Stages { classifier, rows, workers, ingest, known: known_bodies.bodies, is_digested };
    pipeline::run(engine, source, stages, observer, cancel)
}

/// Refuses a file that changed since it was looked at, by its times or by the digest that was taken then.
fn check_same(source: &Source, before: Option<&[u8; 32]>, now: Option<&[u8; 32]>) -> Result<(), Error> {
    let Source::File(file) = source else { return Ok(()) };
    file.check_unchanged()?;
    if before.is_some() && before != now {
        let change = "its bytes differ from those hashed before".to_owned();
        return Err(Error::SourceChanged { path: file.path().to_owned(), change });
    }
    Ok(())
}

/// The backup of the same name whose recipe this is, if everything behind it is sound. Not one whose digest could have been compared.
fn same_recipe(
    engine: &Engine,
    source: &Source,
    (of, is_digested): ((u64, NodeId), bool),
    known: &[BackupRecord],
) -> Result<Option<BackupRecord>, Error> {
    let name = source.name();
    let reader = ChunkReader::new(engine.repository(), CHECK_CACHE_BYTES);
    for record in known.iter().filter(|record| record.subject.name == name && (record.bytes, record.root) == of) {
        let is_open = record.damaged.is_none() && !(is_digested && record.sha256.is_some());
        if is_open && reader.sound_packs_behind(&record.root, record.bytes)?.is_some() {
            return Ok(Some(record.clone()));
        }
    }
    Ok(None)
}

/// The record of a backup with the digest that its snapshot came to now, if it had none and the storage takes it.
fn with_digest(engine: &Engine, record: BackupRecord, sha256: Option<&str>) -> BackupRecord {
    let Some(sha256) = sha256 else { return record };
    match engine.repository().record_sha256(&record, sha256) {
        Ok(recorded) => recorded.unwrap_or(record),
        Err(error) => {
            tracing::warn!(%error, "the snapshot is stored already; its SHA-256, which was not known yet, could not be recorded");
            record
        }
    }
}

/// Opens the backups that rows may be shared with.
fn open_rows<'e>(
    engine: &'e Engine,
    source: &Source,
    look: &Look,
    options: &IngestOptions,
    known: &'e [BackupRecord],
) -> Result<Option<rows::RowIndexes<'e>>, Error> {
    let sharing = &options.rows;
    if !sharing.on {
        return Ok(None);
    }
    let chosen = match sharing.like {
        Some(id) => known.iter().filter(|record| record.id == id).collect(),
        None => rows::choose(&subject_of(source, look, options), known),
    };
    let mut seed = [0; 8];
    engine.repository().environment().fill_random(&mut seed);
    rows::RowIndexes::open(
        engine,
        (&chosen, known),
        (u64::from_le_bytes(seed), sharing.fingerprint_bits),
        sharing.budget_bytes,
    )
    .map(Some)
}

/// What is known of a snapshot before it is read: of a stream only its name.
fn subject_of(source: &Source, look: &Look, options: &IngestOptions) -> Subject {
    let name = source.name();
    match &look.outline {
        Some(outline) => {
            let origin = subject::Origin { name: &name, path: source.origin(), mtime_seconds: None, levels: 0 };
            subject::describe(&origin, outline, options)
        }
        None => {
            let named = SnapshotName::parse(&name).and_then(|name| name.collection().map(str::to_owned));
            let collection = options.collection.clone().or(named);
            Subject { name, collection, cluster: options.cluster.clone(), ..Subject::default() }
        }
    }
}

/// Refuses a damaged snapshot unless damaged ones are wanted; returns the first damage then.
///
/// Something that is no tar at all is no damaged snapshot: it is stored as what it is, and its kind says so.
fn judge(name: &str, anomalies: &Anomalies, options: &IngestOptions) -> Result<Option<String>, Error> {
    let mut damages = anomalies.iter().filter(|anomaly| anomaly.severity() == Severity::Damage);
    let Some(first) = damages.find(|anomaly| anomaly.kind != AnomalyKind::NotATar) else { return Ok(None) };
    // Whoever shows it says that it is damage.
    let finding = first.to_string().trim_start_matches("damage: ").to_owned();
    match options.allow_damaged {
        true => Ok(Some(finding)),
        false => Err(Error::SnapshotDamaged { name: name.to_owned(), finding }),
    }
}

/// Refuses before anything is written when a snapshot that shares nothing could leave too little room. Of a stream nobody knows the
/// length: it is refused when there is too little room already.
fn check_room(engine: &Engine, source: &Source, options: &IngestOptions) -> Result<(), Error> {
    let Some(keep_free) = options.keep_free else { return Ok(()) };
    let needed = source.len().unwrap_or(0);
    let backend = engine.repository().backend();
    let free = backend.free_space().map_err(vectar_repository::RepositoryError::from)?;
    match free {
        Some(free) if free.saturating_sub(needed) < keep_free => {
            Err(Error::KeepFree { location: backend.location(), free, keep_free, needed })
        }
        _ => Ok(()),
    }
}

fn describe(
    source: &Source,
    seen: dissector::Seen,
    summary: vectar_tar::SplitSummary,
    options: &IngestOptions,
) -> Subject {
    let dissector::Seen { rows, small, levels, .. } = seen;
    let catalogue = Catalogue { rows, summary };
    let outline = SnapshotOutline::build(&catalogue, |row| small.get(&row.head.offset).cloned());
    let name = source.name();
    let origin = subject::Origin { name: &name, path: source.origin(), mtime_seconds: mtime_of(source), levels };
    subject::describe(&origin, &outline, options)
}

fn mtime_of(source: &Source) -> Option<i64> {
    match source {
        Source::File(file) => Some(file.mtime_seconds()),
        Source::Stream { .. } => None,
    }
}
