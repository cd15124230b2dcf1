//! `repair backups`, and the list of lost ranges that `restore --salvage` prints too.

use serde_json::json;
use vectar::{BackupRecord, Nowhere, Salvaged, salvage, select};

use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{counted, plain_word, size_long},
    select_args::SelectArgs,
};

pub(super) fn run(names: &[String], select: &SelectArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let filter = select.filter()?;
    let engine = context.engine()?;
    let records = context.records(engine.repository())?;
    let mut chosen: Vec<&BackupRecord> = Vec::new();
    match names.is_empty() {
        true => chosen = filter.apply(&records.backups),
        false => {
            for name in names {
                chosen.extend(select::many(name, &records.backups, &filter)?);
            }
        }
    }
    if chosen.is_empty() {
        context.out().note("no backup fits");
        return Ok(context.outcome());
    }
    let mut whole = 0;
    for record in &chosen {
        let observer = context.observer(&record.subject.name);
        let salvaged = salvage(&engine, record, &mut Nowhere, &observer, context.cancel())?;
        drop(observer);
        match salvaged.lost.is_empty() {
            true => whole += 1,
            false => print_lost(record, &salvaged, context)?,
        }
    }
    let hurt = chosen.len() as u64 - whole;
    context.out().note(format_args!("{} whole, {} not", counted(whole, "backup"), counted(hurt, "backup")));
    match hurt {
        0 => Ok(context.outcome()),
        _ => {
            context.out().note("ingest the same snapshots again, where they still exist: that stores what is missing");
            context.out().note("\"vectar restore BACKUP -o FILE --salvage\" writes what is there");
            Ok(ExitCode::Incomplete)
        }
    }
}

/// Prints which bytes of a backup are lost, and what they were.
pub(super) fn print_lost(record: &BackupRecord, salvaged: &Salvaged, context: &Context<'_>) -> Result<(), CliError> {
    let out = context.out();
    if out.is_json() {
        let lost: Vec<_> = salvaged
            .lost
            .iter()
            .map(|lost| json!({ "offset": lost.offset, "bytes": lost.bytes, "paths": lost.paths, "reason": lost.reason }))
            .collect();
        return out.json(
            "lost",
            &json!({
                "id": record.id.to_string(), "name": record.subject.name, "bytes": salvaged.bytes,
                "lost_bytes": salvaged.lost_bytes, "lost": lost,
            }),
        );
    }
    out.line(format_args!(
        "backup {} ({}): {} of {} lost, {}",
        record.id.short(),
        plain_word(&record.subject.name),
        size_long(salvaged.lost_bytes),
        size_long(salvaged.bytes),
        counted(salvaged.lost.len() as u64, "range"),
    ))?;
    for lost in &salvaged.lost {
        out.line(format_args!("  bytes {}..{}: {}", lost.offset, lost.offset + lost.bytes, plain_word(&lost.reason)))?;
        for path in &lost.paths {
            out.line(format_args!("    in {}", plain_word(path)))?;
        }
        if lost.paths.is_empty() {
            out.line("    in headers or padding between files")?;
        }
    }
    Ok(())
}
