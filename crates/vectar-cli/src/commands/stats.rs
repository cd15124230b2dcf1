//! `stats`.

use clap::Args;
use serde::Serialize;
use vectar::{
    BackupRecord, ClassSpace,
    stats::{RepositoryStats, stats},
};

use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{Align, Table, size, size_long},
    select_args::SelectArgs,
};

/// Show what backups cost
///
/// NEW is what storing a backup added; UNIQUE is what no other backup uses, and what forgetting it would free in the end.
#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    select: SelectArgs,
}

#[derive(Serialize)]
struct BackupStatsLine<'l> {
    id: String,
    name: &'l str,
    bytes: u64,
    new_bytes: u64,
    unique_bytes: u64,
    classes: &'l std::collections::BTreeMap<String, ClassSpace>,
}

#[derive(Serialize)]
struct RepositoryStatsLine<'l> {
    backups: usize,
    bytes: u64,
    stored_bytes: u64,
    ratio: f64,
    classes: &'l std::collections::BTreeMap<String, ClassSpace>,
}

/// Runs the command.
pub(crate) fn run(args: &StatsArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let filter = args.select.filter()?;
    let repository = context.repository()?;
    let records = context.records(&repository)?;
    let shown = filter.apply(&records.backups);
    let engine = context.engine_of(&repository)?;
    let figures = stats(&engine, &records.backups, &shown, context.cancel())?;
    match context.out().is_json() {
        true => print_json(context, &shown, &figures)?,
        false => print_text(context, &shown, &figures)?,
    }
    Ok(context.outcome())
}

fn print_json(context: &Context<'_>, shown: &[&BackupRecord], figures: &RepositoryStats) -> Result<(), CliError> {
    for (record, row) in shown.iter().zip(&figures.backups) {
        context.out().json(
            "backup-stats",
            &BackupStatsLine {
                id: row.id.to_string(),
                name: &record.subject.name,
                bytes: row.logical_bytes,
                new_bytes: row.new_bytes,
                unique_bytes: row.unique_bytes,
                classes: &row.classes,
            },
        )?;
    }
    context.out().json(
        "repository-stats",
        &RepositoryStatsLine {
            backups: shown.len(),
            bytes: figures.logical_bytes,
            stored_bytes: figures.stored_bytes,
            ratio: figures.ratio(),
            classes: &figures.classes,
        },
    )
}

fn print_text(context: &Context<'_>, shown: &[&BackupRecord], figures: &RepositoryStats) -> Result<(), CliError> {
    let out = context.out();
    let right = Align::Right;
    let mut backups =
        Table::new([("ID", Align::Left), ("SIZE", right), ("NEW", right), ("UNIQUE", right), ("NAME", Align::Left)]);
    for (record, row) in shown.iter().zip(&figures.backups) {
        let name = record.subject.name.clone();
        backups.row([row.id.short(), size(row.logical_bytes), size(row.new_bytes), size(row.unique_bytes), name]);
    }
    backups.print(out)?;
    out.line("")?;
    let mut classes = Table::new([("CLASS", Align::Left), ("SIZE", right), ("NEW", right), ("STORED", right)]);
    for (class, space) in &figures.classes {
        classes.row([class.clone(), size(space.bytes), size(space.new_bytes), size(space.stored_bytes)]);
    }
    classes.print(out)?;
    out.line("")?;
    out.line(format_args!("snapshots   {}", size_long(figures.logical_bytes)))?;
    out.line(format_args!("repository  {}", size_long(figures.stored_bytes)))?;
    out.line(format_args!("ratio       {:.2}", figures.ratio()))
}
