//! `ingest`.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use serde::Serialize;
use vectar::{
    BackupId, BackupRecord, Committed, Engine, IngestOptions, IngestOutcome, Rehearsal, Source, Subject,
    ingest::{Compression, DigestTime, RowSharing},
    select::{self, Filter},
    source::{Discovery, SourceState, discover},
};

use super::ingest_sources::{self, StoredSource};
use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{record::BackupLine, size, size::parse_size, size_long},
};

/// Store snapshots as backups
///
/// A directory stands for every finished *.snapshot in it, at any depth; what a server is still writing is passed over. Bytes that are
/// stored already under the same name are not stored twice.
#[derive(Debug, Args)]
pub(crate) struct IngestArgs {
    /// Snapshot files, directories, or - for stdin
    #[arg(value_name = "FILE|DIR|-", required = true)]
    sources: Vec<PathBuf>,
    /// The collection it is of; else the file name and the directory are asked
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    /// The cluster it comes from
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// The node it comes from
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// The capture set it belongs to: backups taken together
    #[arg(long, value_name = "ID")]
    set: Option<String>,
    /// Label the backup; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Add a free text
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// The file name for what comes from stdin
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Refuse when less than this might be left on the storage, such as 20GiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    keep_free: Option<u64>,
    /// How hard to make new data small; what is shared with earlier backups does not depend on it
    ///
    /// Vectors are coded alike at every setting, because no search finds more in them. "max" takes two to three times as long for a few percent less of
    /// payloads, logs and indexes.
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    compression: CompressionArg,
    /// When to compute the SHA-256 of the whole snapshot, with which every restore is compared
    ///
    /// Unless this is given, it is computed while the snapshot is stored, or taken over from a backup that holds the same bytes: that is several times as
    /// fast, where no .checksum lies beside the file. "now" computes it whatever backups say. "later" computes it when the snapshot is first
    /// rebuilt, by restore, verify or a drill, and records it then; what proves the backup meanwhile are the ids of its chunks. Where a
    /// .checksum lies beside the file, it is compared at once all the same.
    #[arg(long, value_enum, value_name = "WHEN")]
    sha256: Option<Sha256Arg>,
    /// Store damaged snapshots too, and mark them
    #[arg(long)]
    allow_damaged: bool,
    /// Share whole chunks only, and store anew what Qdrant's optimizer moved
    ///
    /// The optimizer moves vectors and payload values without changing them. Otherwise they are looked for, one by one, in the newest backups of
    /// the same collection and shard, and only references to them are stored.
    #[arg(long)]
    no_row_dedup: bool,
    /// Look for moved vectors and payload values in this backup instead, whatever its collection is called
    #[arg(long, value_name = "BACKUP", conflicts_with = "no_row_dedup")]
    like: Option<String>,
    /// Delete each snapshot file once its backup is published and verified, but for the newest
    ///
    /// A file that changed since it was read, is still written, or whose backup is damaged or partial, is never deleted. The .checksum beside it
    /// goes too. Before a file goes, its backup is rebuilt as recorded, and the file is read again and its SHA-256 compared with what was rebuilt.
    #[arg(long, conflicts_with = "dry_run")]
    delete_source: bool,
    /// With --delete-source: keep the newest N files of each collection, node, shard and kind
    #[arg(long, value_name = "N", default_value_t = 1, requires = "delete_source")]
    keep_source: usize,
    /// Do everything but write
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// The values of `--compression`.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum CompressionArg {
    /// Little time, most of the space saved
    Fast,
    /// What suits a backup each night
    #[default]
    Default,
    /// As small as it gets, whatever it takes
    Max,
}

impl From<CompressionArg> for Compression {
    fn from(argument: CompressionArg) -> Self {
        match argument {
            CompressionArg::Fast => Self::Fast,
            CompressionArg::Default => Self::Default,
            CompressionArg::Max => Self::Max,
        }
    }
}

/// The values of `--sha256`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sha256Arg {
    /// While it is stored
    Now,
    /// When it is first needed
    Later,
}

impl From<Sha256Arg> for DigestTime {
    fn from(argument: Sha256Arg) -> Self {
        match argument {
            Sha256Arg::Now => Self::Now,
            Sha256Arg::Later => Self::Later,
        }
    }
}

/// The line of `--json` for one snapshot.
#[derive(Serialize)]
struct IngestLine<'l> {
    /// `stored`, `already-stored` or `rehearsed`.
    outcome: &'static str,
    /// Growth of the repository on disk: file sizes added up.
    new_bytes: u64,
    /// Other backups of the same bytes that had lost something and are whole again.
    healed: Vec<BackupId>,
    #[serde(flatten)]
    backup: BackupLine<'l>,
}

/// The line of `--json` for a dry run.
#[derive(Serialize)]
struct RehearsalLine<'l> {
    outcome: &'static str,
    id: Option<String>,
    name: String,
    bytes: u64,
    new_bytes: u64,
    sha256: Option<&'l str>,
}

/// What a whole run came to.
#[derive(Default)]
struct Tally {
    stored: usize,
    known: usize,
    failed: Vec<(String, ExitCode)>,
    bytes: u64,
    new_bytes: u64,
    /// The files whose bytes are in the repository, as they were before they were read.
    sources: Vec<StoredSource>,
}

/// Runs the command.
pub(crate) fn run(args: &IngestArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let mut options = args.options(context);
    if args.delete_source && args.sources.iter().any(|path| path == Path::new("-")) {
        return Err(CliError::new(ExitCode::Usage, "stdin has no file that could be deleted")
            .cause("--delete-source was given with -")
            .safe("nothing was read or written")
            .hint("leave --delete-source out, or name the files or their directory"));
    }
    if args.delete_source && args.sha256 == Some(Sha256Arg::Later) {
        return Err(CliError::new(ExitCode::Usage, "a file whose SHA-256 is not known is not deleted")
            .cause("--delete-source needs the digest that --sha256 later puts off")
            .safe("nothing was read or written")
            .hint("leave one of the two out"));
    }
    let repository = context.repository()?;
    let sources = find_sources(args, context)?;
    let engine = context.engine_of(&repository)?;
    let mut known = context.records(&repository)?.backups;
    if let Some(name) = &args.like {
        options.rows.like = Some(select::one(name, &known, &Filter::default())?.id);
    }
    let mut tally = Tally::default();
    let only = sources.len() == 1;
    for path in &sources {
        context.cancel().check()?;
        match ingest_one(args, context, &engine, path, &options, &mut known, &mut tally) {
            Ok(()) => {}
            Err(error) if only || error.exit_code == ExitCode::Interrupted => return Err(error),
            Err(error) => {
                context.out().error(&error);
                tally.failed.push((path.display().to_string(), error.exit_code));
            }
        }
    }
    summarize(context, &sources, &tally);
    let deleted = match args.delete_source {
        true => ingest_sources::delete(&engine, &tally.sources, args.keep_source, context)?,
        false => ExitCode::Done,
    };
    Ok(match (deleted, tally.failed.is_empty()) {
        (ExitCode::Done, true) => context.outcome(),
        (ExitCode::Done, false) => ExitCode::Incomplete,
        (worse, _) => worse,
    })
}

impl IngestArgs {
    fn options(&self, context: &Context<'_>) -> IngestOptions {
        let profile = context.profile();
        let or = |given: &Option<String>, profile: &Option<String>| given.clone().or_else(|| profile.clone());
        IngestOptions {
            collection: or(&self.collection, &profile.collection),
            cluster: or(&self.cluster, &profile.cluster),
            node: or(&self.node, &profile.node),
            set: self.set.clone(),
            tags: profile.tags.iter().chain(&self.tags).cloned().collect(),
            note: self.note.clone(),
            allow_damaged: self.allow_damaged,
            keep_free: self.keep_free,
            dry_run: self.dry_run,
            rows: RowSharing { on: !self.no_row_dedup, ..RowSharing::default() },
            compression: self.compression.into(),
            digest: self.sha256.map(DigestTime::from).unwrap_or_default(),
        }
    }
}

/// The files to store, in order, each once; directories are searched, and what they hold besides is reported.
fn find_sources(args: &IngestArgs, context: &Context<'_>) -> Result<Vec<PathBuf>, CliError> {
    let mut sources = Vec::new();
    for path in &args.sources {
        if !path.is_dir() {
            sources.push(path.clone());
            continue;
        }
        let Discovery { snapshots, skipped, orphans } = discover(path)?;
        for skip in &skipped {
            context.out().note(format_args!(
                "passing over {}: its name fits {}, it is not finished",
                skip.path.display(),
                skip.pattern
            ));
        }
        for orphan in &orphans {
            context.out().note(format_args!(
                "{} has no snapshot beside it: Qdrant leaves such behind after full snapshots and deletions",
                orphan.display()
            ));
        }
        if snapshots.is_empty() {
            context.out().warn(format_args!("{} holds no finished snapshot", path.display()));
        }
        sources.extend(snapshots.into_iter().map(|snapshot| snapshot.path));
    }
    let mut seen = BTreeSet::new();
    sources.retain(|path| path == Path::new("-") || seen.insert(place_of(path)));
    Ok(sources)
}

/// The directory entry that a path leads to, however it is spelled. A link is an entry of its own: its name may say something else.
fn place_of(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (parent.canonicalize(), path.file_name()) {
        (Ok(parent), Some(name)) => parent.join(name),
        // What cannot be found is said by who opens it.
        _ => path.to_owned(),
    }
}

fn ingest_one(
    args: &IngestArgs,
    context: &Context<'_>,
    engine: &Engine,
    path: &Path,
    options: &IngestOptions,
    known: &mut Vec<BackupRecord>,
    tally: &mut Tally,
) -> Result<(), CliError> {
    let failed = |error: vectar::Error| CliError::from(error).context(format_args!("cannot store {}", path.display()));
    let before = args.delete_source.then(|| SourceState::of(path)).transpose().map_err(failed)?;
    let source = match path == Path::new("-") {
        true => Source::stdin(args.name.clone().unwrap_or_else(|| "stdin.snapshot".to_owned())),
        false => Source::file(path).map_err(failed)?,
    };
    let name = source.name();
    let observer = context.observer(&name);
    let outcome = vectar::ingest(engine, source, options, known, &observer, context.cancel()).map_err(failed)?;
    drop(observer);
    match outcome {
        IngestOutcome::Stored(committed) => {
            tally.stored += 1;
            tally.bytes += committed.record.bytes;
            tally.new_bytes += committed.new_bytes;
            let healed = heal(context, engine, &committed.record, known);
            print_stored(context, &committed, &healed)?;
            tally.sources.extend(before.map(|state| StoredSource { state, record: committed.record.clone() }));
            known.push(committed.record);
        }
        IngestOutcome::AlreadyStored(record) => {
            tally.known += 1;
            let healed = match options.dry_run {
                true => Vec::new(),
                false => heal(context, engine, &record, known),
            };
            print_known(context, &record, &healed)?;
            tally.sources.extend(before.map(|state| StoredSource { state, record: *record }));
        }
        IngestOutcome::Rehearsed(rehearsal) => {
            tally.stored += 1;
            tally.bytes += rehearsal.bytes;
            tally.new_bytes += rehearsal.new_bytes;
            print_rehearsed(context, name, &rehearsal)?;
        }
    }
    Ok(())
}

/// Makes other backups of the same bytes whole that lost something, and returns them. That it failed is no failure of the ingest: the
/// snapshot is stored.
fn heal(context: &Context<'_>, engine: &Engine, whole: &BackupRecord, known: &mut [BackupRecord]) -> Vec<BackupRecord> {
    let healed = vectar::heal(engine, whole, known).unwrap_or_else(|error| {
        context.out().warn(format_args!("other backups of these bytes may still be hurt: {error}"));
        Vec::new()
    });
    for record in &healed {
        if let Some(known) = known.iter_mut().find(|known| known.id == record.id) {
            known.clone_from(record);
        }
    }
    healed
}

fn print_healed(context: &Context<'_>, healed: &[BackupRecord]) -> Result<(), CliError> {
    healed.iter().try_for_each(|record| {
        context.out().line(format_args!("healed {} ({}): it is whole again", record.id.short(), record.subject.name))
    })
}

fn print_stored(context: &Context<'_>, committed: &Committed, healed: &[BackupRecord]) -> Result<(), CliError> {
    let (out, record) = (context.out(), &committed.record);
    let Subject { name, kind, .. } = &record.subject;
    if out.is_json() {
        let (new_bytes, backup) = (committed.new_bytes, BackupLine::new(record));
        let line = IngestLine { outcome: "stored", new_bytes, healed: ids(healed), backup };
        return out.json("ingested", &line);
    }
    out.line(format_args!(
        "stored {name} as {}: {kind}, {}, {} new",
        record.id.short(),
        size(record.bytes),
        size(committed.new_bytes)
    ))?;
    if kind == "unknown" {
        out.warn(format_args!("{name} is no Qdrant snapshot that vectar knows; its bytes are kept as they are"));
    }
    if let Some(damage) = &record.damaged {
        out.warn(format_args!("{name} is damaged and was stored so: {damage}"));
    }
    print_healed(context, healed)
}

fn ids(records: &[BackupRecord]) -> Vec<BackupId> {
    records.iter().map(|record| record.id).collect()
}

fn print_known(context: &Context<'_>, record: &BackupRecord, healed: &[BackupRecord]) -> Result<(), CliError> {
    if context.out().is_json() {
        let (healed, backup) = (ids(healed), BackupLine::new(record));
        let line = IngestLine { outcome: "already-stored", new_bytes: 0, healed, backup };
        return context.out().json("ingested", &line);
    }
    context.out().line(format_args!("{} is stored already as {}, whole", record.subject.name, record.id.short()))?;
    print_healed(context, healed)
}

fn print_rehearsed(context: &Context<'_>, name: String, rehearsal: &Rehearsal) -> Result<(), CliError> {
    if context.out().is_json() {
        let Rehearsal { bytes, sha256, new_bytes, .. } = rehearsal;
        let line = RehearsalLine {
            outcome: "rehearsed",
            id: None,
            name,
            bytes: *bytes,
            new_bytes: *new_bytes,
            sha256: sha256.as_deref(),
        };
        return context.out().json("ingested", &line);
    }
    context.out().line(format_args!("would store {name}: {}, {} new", size(rehearsal.bytes), size(rehearsal.new_bytes)))
}

fn summarize(context: &Context<'_>, sources: &[PathBuf], tally: &Tally) {
    if sources.len() < 2 {
        return;
    }
    let out = context.out();
    out.note(format_args!(
        "{} stored, {} stored already, {} failed; {} of snapshots took {}",
        tally.stored,
        tally.known,
        tally.failed.len(),
        size_long(tally.bytes),
        size_long(tally.new_bytes)
    ));
    for (path, _) in &tally.failed {
        out.warn(format_args!("not stored: {path}"));
    }
}
