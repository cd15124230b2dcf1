//! `verify`.

use std::path::Path;

use clap::Args;
use serde::Serialize;
use vectar::{
    BackupRecord, CHECKSUM_SUFFIX, Content, Engine, Severity,
    select::{self, Named},
    verify::{FileReport, verify_backup, verify_file},
    words::one_line,
};

use super::{
    finding::FindingView,
    verify_deep::{self, DeepSubject},
};
use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{counted, size_long, utc},
    select_args::SelectArgs,
};

/// Prove that a backup or a snapshot file is whole
///
/// A backup is rebuilt without being written, and compared with its SHA-256, if that is known; the proof is recorded. A file (an argument with a slash, or
/// that no backup is called) is read from end to end: digest against its .checksum, tar structure of all levels. Without an argument: all
/// backups that the filters choose. With --deep what Qdrant's own files say is checked too, without a server: ids, versions, vectors,
/// payloads, write-ahead logs, configuration. Each finding has a level (damage; data-loss: Qdrant would load it and silently lack
/// something; suspicious; note), the object, what it means for a restore, and what to do. Ends with 4 when anything is damaged or would be
/// lost.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Backups or snapshot files
    #[arg(value_name = "BACKUP|FILE")]
    targets: Vec<String>,
    /// Look at every value in Qdrant's files too: ids, vectors, payloads, write-ahead log, and how they fit together
    #[arg(long)]
    deep: bool,
    #[command(flatten)]
    select: SelectArgs,
}

/// The line of `--json` for a backup.
#[derive(Serialize)]
struct BackupVerified<'l> {
    id: String,
    name: &'l str,
    whole: bool,
    bytes: u64,
    sha256: Option<&'l str>,
    sha256_compared: bool,
    verified_at: Option<String>,
    error: Option<String>,
}

/// The line of `--json` for a file.
#[derive(Serialize)]
struct FileVerified<'l> {
    path: String,
    whole: bool,
    bytes: u64,
    sha256: &'l str,
    claimed_sha256: Option<&'l str>,
    findings: Vec<FindingView>,
}

/// What verifying a file says, and what not.
fn files_prove(is_deep: bool) -> &'static str {
    match is_deep {
        false => "this looked at digest and tar structure; --deep checks what Qdrant's files say too",
        true => "this looked at every value; that a Qdrant loads it only a Qdrant can prove",
    }
}

/// Runs the command.
pub(crate) fn run(args: &VerifyArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let filter = args.select.filter()?;
    let only_files =
        !args.targets.is_empty() && args.targets.iter().all(|target| target.contains('/') || !has_repository(context));
    if only_files {
        return verify_files(args, context);
    }
    let repository = context.repository()?;
    let records = context.records(&repository)?;
    let mut backups: Vec<&BackupRecord> = Vec::new();
    let mut files = Vec::new();
    for target in &args.targets {
        match target.starts_with("set:") {
            true => backups.extend(select::many(target, &records.backups, &filter)?),
            false => match select::backup_or_file(target, &records.backups, &filter)? {
                Named::Backup(record) => backups.push(record),
                Named::File(path) => files.push(path),
            },
        }
    }
    if args.targets.is_empty() {
        backups = filter.apply(&records.backups);
    }
    let mut damaged = 0;
    for path in &files {
        damaged += usize::from(!one_file(context, path, args.deep)?);
    }
    if !files.is_empty() && damaged == 0 {
        context.out().note(files_prove(args.deep));
    }
    if !backups.is_empty() {
        let engine = context.engine_of(&repository)?;
        for record in &backups {
            let whole = one_backup(context, &engine, record)?;
            let whole = whole && (!args.deep || backup_deep(context, &engine, record)?);
            damaged += usize::from(!whole);
        }
        if damaged == 0 {
            context.out().note(match args.deep {
                false => "this proves that the bytes come back; it does not prove that a Qdrant loads them",
                true => files_prove(true),
            });
        }
    }
    finish(context, damaged, backups.len() + files.len())
}

fn has_repository(context: &Context<'_>) -> bool {
    context.repository_path().is_ok()
}

fn verify_files(args: &VerifyArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let mut damaged = 0;
    for target in &args.targets {
        damaged += usize::from(!one_file(context, Path::new(target), args.deep)?);
    }
    if damaged == 0 {
        context.out().note(files_prove(args.deep));
    }
    finish(context, damaged, args.targets.len())
}

fn finish(context: &Context<'_>, damaged: usize, all: usize) -> Result<ExitCode, CliError> {
    if damaged == 0 {
        return Ok(context.outcome());
    }
    if all > 1 {
        context.out().warn(format_args!("{damaged} of {all} are damaged"));
    }
    Ok(ExitCode::Damage)
}

/// Verifies one backup; damage is reported and `false`, so that the others are verified too.
fn one_backup(context: &Context<'_>, engine: &Engine, record: &BackupRecord) -> Result<bool, CliError> {
    let out = context.out();
    let observer = context.observer(&format!("verifying {}", record.id.short()));
    let result = verify_backup(engine, record, &observer, context.cancel());
    drop(observer);
    let (found, proof_at, error) = match result {
        Ok((rebuilt, proof)) => (Some(rebuilt), proof.map(|proof| utc(proof.at)), None),
        Err(error) if error.kind() == vectar::ErrorKind::RepositoryDamaged => (None, None, Some(error)),
        Err(error) => return Err(error.into()),
    };
    if out.is_json() {
        out.json(
            "backup-verified",
            &BackupVerified {
                id: record.id.to_string(),
                name: &record.subject.name,
                whole: found.is_some(),
                bytes: record.bytes,
                sha256: record.sha256.as_deref().or(found.as_ref().map(|rebuilt| rebuilt.sha256.as_str())),
                sha256_compared: found.as_ref().is_some_and(|rebuilt| rebuilt.sha256_compared),
                verified_at: proof_at,
                error: error.as_ref().map(|error| one_line(error)),
            },
        )?;
    } else if let Some(rebuilt) = &found {
        out.line(format_args!(
            "backup {} ({}): bytes identical, {}, sha-256 {}{}",
            record.id.short(),
            record.subject.name,
            size_long(record.bytes),
            rebuilt.sha256,
            if rebuilt.sha256_compared { "" } else { " computed now: the ids of its chunks are what proves it" }
        ))?;
    }
    if let Some(error) = error {
        out.error(&CliError::from(error).context(format_args!(
            "backup {} ({}) is damaged",
            record.id.short(),
            record.subject.name
        )));
    }
    Ok(found.is_some())
}

fn backup_deep(context: &Context<'_>, engine: &Engine, record: &BackupRecord) -> Result<bool, CliError> {
    let title = format!("backup {} ({})", record.id.short(), record.subject.name);
    let subject = DeepSubject { file: None, backup: Some(&record.id.to_string()) };
    verify_deep::run(&Content::backup(engine, record), &title, subject, context)
}

fn one_file(context: &Context<'_>, path: &Path, is_deep: bool) -> Result<bool, CliError> {
    refuse_sidecar(path)?;
    let observer = context.observer(&format!("reading {}", path.display()));
    let report = verify_file(path, &observer, context.cancel())
        .map_err(|error| CliError::from(error).context(format_args!("cannot verify {}", path.display())))?;
    drop(observer);
    match context.out().is_json() {
        true => print_json(context, path, &report)?,
        false => print_text(context, path, &report, is_deep)?,
    }
    let whole = !report.is_damaged();
    Ok(match is_deep {
        // Both are reported: a damaged file may be good enough for most of its points.
        true => {
            let file = path.display().to_string();
            let subject = DeepSubject { file: Some(&file), backup: None };
            verify_deep::run(&Content::file(path)?, &format!("file {file}"), subject, context)? && whole
        }
        false => whole,
    })
}

/// A `.checksum` is no snapshot. Without the snapshot it speaks of it is most often what a full snapshot left behind.
fn refuse_sidecar(path: &Path) -> Result<(), CliError> {
    let Some(snapshot) = path.to_str().and_then(|path| path.strip_suffix(CHECKSUM_SUFFIX)) else { return Ok(()) };
    let error = CliError::new(ExitCode::Usage, format!("{} is a checksum, not a snapshot", path.display()))
        .safe("nothing was read or written");
    Err(match Path::new(snapshot).exists() {
        true => error.hint(format!("run \"vectar verify {snapshot}\": the checksum beside it is compared")),
        false => error
            .cause(format!(
                "{snapshot} is not there: Qdrant leaves such a checksum behind whenever it makes a full snapshot"
            ))
            .hint("it can be deleted; the collection lies in the full snapshot"),
    })
}

fn print_json(context: &Context<'_>, path: &Path, report: &FileReport) -> Result<(), CliError> {
    context.out().json(
        "file-verified",
        &FileVerified {
            path: path.display().to_string(),
            whole: !report.is_damaged(),
            bytes: report.bytes,
            sha256: &report.sha256,
            claimed_sha256: report.sidecar.as_ref().map(|(_, expected)| expected.as_str()),
            findings: report.anomalies.iter().map(FindingView::of).collect(),
        },
    )
}

fn print_text(context: &Context<'_>, path: &Path, report: &FileReport, is_deep: bool) -> Result<(), CliError> {
    let out = context.out();
    let verdict = if report.is_damaged() { "damaged" } else { "whole" };
    out.line(format_args!("file {}: {verdict}, {}", path.display(), size_long(report.bytes)))?;
    out.line(format_args!("  sha-256 {}", report.sha256))?;
    match &report.sidecar {
        None => {
            out.line("  no .checksum beside it: the digest is compared with nothing")?;
            if is_deep {
                out.line("    Qdrant writes one only beside snapshots in its own directory, not to S3 and not into a download")?;
            }
        }
        Some((sidecar, expected)) if *expected != report.sha256 => {
            out.line(format_args!("  damage: {} says {expected}", sidecar.display()))?;
        }
        Some((sidecar, _)) => out.line(format_args!("  as {} says", sidecar.display()))?,
    }
    // Looking deep says the same once more, with what it means for a restore.
    for anomaly in report.anomalies.iter().filter(|anomaly| !is_deep && anomaly.severity() > Severity::Note) {
        out.line(format_args!("  {anomaly}"))?;
    }
    let (files, tars) = (counted(report.summary.bodies, "file"), counted(report.summary.archives, "nested tar"));
    out.line(format_args!("  {files} in {tars}"))
}
