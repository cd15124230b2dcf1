//! `list`.

use clap::Args;

use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{
        Align, Table,
        record::{BackupLine, shards, subject},
        size, utc,
    },
    select_args::SelectArgs,
};

/// List backups
///
/// Oldest first. Reads records only: it answers at once, also on a machine that never saw the repository.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    select: SelectArgs,
}

/// Runs the command.
pub(crate) fn run(args: &ListArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let filter = args.select.filter()?;
    let records = context.records(&context.repository()?)?;
    let fitting = filter.apply(&records.backups);
    if context.out().is_json() {
        fitting.iter().try_for_each(|record| {
            context.out().json("backup", &BackupLine::new(record).pinned(&records.pins, record.id))
        })?;
        return Ok(context.outcome());
    }
    let mut table = Table::new([
        ("ID", Align::Left),
        ("TAKEN", Align::Left),
        ("KIND", Align::Left),
        ("COLLECTION", Align::Left),
        ("SHARDS", Align::Left),
        ("SIZE", Align::Right),
        ("NEW", Align::Right),
        ("NAME", Align::Left),
    ]);
    for record in fitting {
        let mut name = record.subject.name.clone();
        if record.damaged.is_some() {
            name.push_str(" (damaged)");
        }
        if records.pins.contains_key(&record.id) {
            name.push_str(" (pinned)");
        }
        table.row([
            record.id.short(),
            utc(record.taken_or_stored_at()),
            record.subject.kind.clone(),
            subject(record),
            shards(record),
            size(record.bytes),
            size(record.space.new_pack_bytes),
            name,
        ]);
    }
    match table.is_empty() {
        true if records.backups.is_empty() => context.out().note("the repository holds no backup"),
        true => context.out().note("no backup fits"),
        false => table.print(context.out())?,
    }
    Ok(context.outcome())
}
