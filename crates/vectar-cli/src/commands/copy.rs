//! `copy`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use vectar::{BackupId, BackupRecord, CopyOutcome, select};

use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{size, size_long},
    select_args::SelectArgs,
};

/// Copy backups to another repository
///
/// Chunk by chunk, without a second look at the snapshots; between repositories where one was made with "vectar init --like" the chunks go
/// over as they are stored. What is there already is passed over, so a copy that was stopped goes on. Each copy is rebuilt in the other
/// repository and compared before it counts.
#[derive(Debug, Args)]
pub(crate) struct CopyArgs {
    /// The backups; all without a name
    #[arg(value_name = "BACKUP")]
    backups: Vec<String>,
    /// The repository to copy to
    #[arg(long, value_name = "PATH", required = true)]
    to: PathBuf,
    #[command(flatten)]
    select: SelectArgs,
}

/// Runs the command.
pub(crate) fn run(args: &CopyArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let filter = args.select.filter()?;
    let from = context.engine()?;
    let records = context.records(from.repository())?;
    let to = context.engine_of(&vectar::open(&args.to, None)?)?;
    if to.repository().id() == from.repository().id() {
        return Err(CliError::new(ExitCode::Usage, "a repository is not copied to itself")
            .cause(args.to.display())
            .safe("nothing was written")
            .hint("name another repository with --to PATH"));
    }
    let mut known = to.repository().records().map_err(vectar::Error::from)?.backups;
    let mut chosen: Vec<&BackupRecord> = Vec::new();
    match args.backups.is_empty() {
        true => chosen = filter.apply(&records.backups),
        false => {
            for name in &args.backups {
                chosen.extend(select::many(name, &records.backups, &filter)?);
            }
        }
    }
    let mut failed = 0;
    for record in &chosen {
        context.cancel().check()?;
        let observer = context.observer(&record.subject.name);
        match vectar::copy(&from, record, &to, &known, &observer, context.cancel()) {
            Ok(outcome) => {
                drop(observer);
                known.push(print(&record.id, outcome, context)?);
            }
            Err(error @ vectar::Error::Cancelled) => return Err(error.into()),
            Err(error) => {
                failed += 1;
                let error = CliError::from(error).context(format_args!("cannot copy backup {}", record.id.short()));
                if chosen.len() == 1 {
                    return Err(error);
                }
                context.out().error(&error);
            }
        }
    }
    if failed > 0 {
        context.out().warn(format_args!("{failed} of {} backups were not copied", chosen.len()));
        context.note_incomplete();
    }
    Ok(context.outcome())
}

/// Prints what became of a backup and returns the record it has in the other repository.
fn print(from: &BackupId, outcome: CopyOutcome, context: &Context<'_>) -> Result<BackupRecord, CliError> {
    let out = context.out();
    let (word, record, new_bytes) = match outcome {
        CopyOutcome::Copied(committed) => ("copied", committed.record, committed.new_bytes),
        CopyOutcome::AlreadyThere(record) => ("already-there", *record, 0),
    };
    if out.is_json() {
        out.json(
            "copied",
            &json!({
                "outcome": word, "from": from.to_string(), "id": record.id.to_string(), "name": record.subject.name,
                "bytes": record.bytes, "new_bytes": new_bytes, "sha256": record.sha256,
            }),
        )?;
        return Ok(record);
    }
    let (name, id) = (&record.subject.name, record.id.short());
    match word {
        "copied" => out.line(format_args!(
            "copied {} to {id}: {name}, {}, {} new, rebuilt and compared",
            from.short(),
            size_long(record.bytes),
            size(new_bytes)
        ))?,
        _ => out.line(format_args!("{name} is there already as {id}"))?,
    }
    Ok(record)
}
