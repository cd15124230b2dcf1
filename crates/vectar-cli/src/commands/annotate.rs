//! `tag`, `note`, `pin`, `unpin`: what people say of a backup after it was stored.

use clap::Args;
use serde_json::json;
use vectar::{BackupRecord, Change, Error, select};

use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{Out, plain_word},
    select_args::SelectArgs,
};

/// Label backups
#[derive(Debug, Args)]
pub(crate) struct TagArgs {
    /// The backups
    #[arg(value_name = "BACKUP", required = true)]
    backups: Vec<String>,
    /// Give this label; may be repeated
    #[arg(long, value_name = "TAG", required_unless_present = "remove")]
    add: Vec<String>,
    /// Take this label away; may be repeated
    #[arg(long, value_name = "TAG")]
    remove: Vec<String>,
    #[command(flatten)]
    select: SelectArgs,
}

/// Write a text to backups
#[derive(Debug, Args)]
pub(crate) struct NoteArgs {
    /// The backups
    #[arg(value_name = "BACKUP", required = true)]
    backups: Vec<String>,
    /// The text; an empty one removes what was there
    #[arg(short, long, value_name = "TEXT")]
    message: String,
    #[command(flatten)]
    select: SelectArgs,
}

/// Keep backups from being forgotten
///
/// A pinned backup stays whatever "vectar forget" is told, until it is unpinned.
#[derive(Debug, Args)]
pub(crate) struct PinArgs {
    /// The backups
    #[arg(value_name = "BACKUP", required = true)]
    backups: Vec<String>,
    /// Why
    #[arg(short, long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    message: String,
    #[command(flatten)]
    select: SelectArgs,
}

/// Let backups be forgotten again
#[derive(Debug, Args)]
pub(crate) struct UnpinArgs {
    /// The backups
    #[arg(value_name = "BACKUP", required = true)]
    backups: Vec<String>,
    #[command(flatten)]
    select: SelectArgs,
}

/// Runs `tag`.
pub(crate) fn tag(args: &TagArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let added = args.add.iter().cloned().map(Change::AddTag);
    let removed = args.remove.iter().cloned().map(Change::RemoveTag);
    annotate(&args.backups, &args.select, &added.chain(removed).collect::<Vec<_>>(), context)
}

/// Runs `note`.
pub(crate) fn note(args: &NoteArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    annotate(&args.backups, &args.select, &[Change::SetNote(args.message.clone())], context)
}

/// Runs `pin`.
pub(crate) fn pin(args: &PinArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    annotate(&args.backups, &args.select, &[Change::Pin(args.message.clone())], context)
}

/// Runs `unpin`.
pub(crate) fn unpin(args: &UnpinArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    annotate(&args.backups, &args.select, &[Change::Unpin], context)
}

fn annotate(
    names: &[String],
    select: &SelectArgs,
    changes: &[Change],
    context: &Context<'_>,
) -> Result<ExitCode, CliError> {
    let filter = select.filter()?;
    let repository = context.repository()?;
    let records = context.records(&repository)?;
    let mut chosen: Vec<&BackupRecord> = Vec::new();
    for name in names {
        chosen.extend(select::many(name, &records.backups, &filter)?);
    }
    for record in chosen {
        for change in changes {
            if *change == Change::Unpin && !records.pins.contains_key(&record.id) {
                context.out().note(format_args!("{} is not pinned", record.id.short()));
                continue;
            }
            repository.annotate(record.id, change.clone()).map_err(Error::from)?;
            print(record, change, context.out())?;
        }
    }
    Ok(context.outcome())
}

fn print(record: &BackupRecord, change: &Change, out: &Out) -> Result<(), CliError> {
    let (what, value) = match change {
        Change::AddTag(tag) => ("tagged", Some(tag)),
        Change::RemoveTag(tag) => ("untagged", Some(tag)),
        Change::SetNote(text) => ("noted", Some(text)),
        Change::Pin(reason) => ("pinned", Some(reason)),
        Change::Unpin => ("unpinned", None),
    };
    if out.is_json() {
        return out.json("annotated", &json!({ "id": record.id.to_string(), "change": what, "value": value }));
    }
    let value = value.filter(|value| !value.is_empty()).map(|value| format!(": {}", plain_word(value)));
    out.line(format_args!("{what} {}{}", record.id.short(), value.unwrap_or_default()))
}
