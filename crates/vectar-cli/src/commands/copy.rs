//! `copy`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use vectar::{BackupId, BackupRecord, CopyOutcome, select};

use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{plain_word, size, size_long},
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
    let to = context.engine_of(&vectar::open(&args.to, None).map_err(no_target)?)?;
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
    if chosen.is_empty() {
        context.out().note("no backup fits");
        return Ok(context.outcome());
    }
    let mut tally = Tally::default();
    for record in &chosen {
        context.cancel().check()?;
        let observer = context.observer(&record.subject.name);
        match vectar::copy(&from, record, &to, &known, &observer, context.cancel()) {
            Ok(outcome) => {
                drop(observer);
                known.push(print(&record.id, outcome, &mut tally, context)?);
            }
            Err(error @ vectar::Error::Cancelled) => return Err(error.into()),
            Err(error) => {
                tally.failed += 1;
                let error = not_copied(record, error);
                if chosen.len() == 1 {
                    return Err(error);
                }
                context.out().error(&error);
            }
        }
    }
    let Tally { copied, known, failed, new_bytes } = tally;
    let grown = size(new_bytes);
    context.out().note(format_args!(
        "{copied} copied, {known} there already, {failed} failed; {grown} new in {}",
        args.to.display()
    ));
    if failed > 0 {
        context.note_incomplete();
    }
    Ok(context.outcome())
}

fn no_target(error: vectar::Error) -> CliError {
    CliError::from(error).context("cannot copy to the other repository")
}

/// What a whole run came to.
#[derive(Default)]
struct Tally {
    copied: u64,
    known: u64,
    failed: u64,
    new_bytes: u64,
}

fn not_copied(record: &BackupRecord, error: vectar::Error) -> CliError {
    CliError::from(error)
        .context(format_args!("cannot copy backup {}", record.id.short()))
        .safe("nothing was published in the other repository; what was written there is used by the next try")
}

/// Prints what became of a backup and returns the record it has in the other repository.
fn print(
    from: &BackupId,
    outcome: CopyOutcome,
    tally: &mut Tally,
    context: &Context<'_>,
) -> Result<BackupRecord, CliError> {
    let out = context.out();
    let (word, record, new_bytes) = match outcome {
        CopyOutcome::Copied(committed) => ("copied", committed.record, committed.new_bytes),
        CopyOutcome::AlreadyThere(record) => ("already-there", *record, 0),
    };
    match word {
        "copied" => tally.copied += 1,
        _ => tally.known += 1,
    }
    tally.new_bytes += new_bytes;
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
    let (name, id) = (plain_word(&record.subject.name), record.id.short());
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
