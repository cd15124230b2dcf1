//! `status`.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use vectar::status::{GroupStatus, prometheus, status};

use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{
        Align, Existing, Table, age,
        record::{DrillView, shown},
        size,
        time::parse_age,
        utc, write_readable,
    },
    select_args::SelectArgs,
};

/// Show whether everything is backed up
///
/// One row for each collection, node, shard and kind. Damaged and partial backups do not count. PROOF is what was shown of one of them, and
/// when: by "vectar verify" that its bytes come back, by "vectar drill --engine" that Qdrant's engine loads it too. Ends with 1 when a
/// limit is broken, or when a limit is given and no backup is here.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Exit with 1 when a newest good backup is older than this, such as 26h
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    max_age: Option<SignedDuration>,
    /// Exit with 1 when the newest proof of anything, by verify or drill, is older than this, such as 8d
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    max_proof_age: Option<SignedDuration>,
    /// Write Prometheus text to this file, in one step
    #[arg(long, value_name = "FILE")]
    metrics_file: Option<PathBuf>,
    #[command(flatten)]
    select: SelectArgs,
}

#[derive(Serialize)]
struct StatusLine<'l> {
    collection: Option<&'l str>,
    cluster: Option<&'l str>,
    node: Option<&'l str>,
    kind: &'l str,
    shard: Option<u32>,
    good: usize,
    other: usize,
    newest_id: Option<String>,
    newest_at: Option<String>,
    age_seconds: Option<i64>,
    newest_bytes: u64,
    newest_growth_bytes: u64,
    verified_at: Option<String>,
    drill: Option<DrillView<'l>>,
    breach: bool,
    proof_breach: bool,
}

/// What must not be older than this.
#[derive(Debug, Clone, Copy)]
struct Limits {
    age_max: Option<SignedDuration>,
    proof_age_max: Option<SignedDuration>,
    now: Timestamp,
}

/// Runs the command.
pub(crate) fn run(args: &StatusArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let filter = args.select.filter()?;
    let repository = context.repository()?;
    let records = context.records(&repository)?;
    let rows = status(&filter.apply(&records.backups), &repository.proofs()?);
    let now = repository.environment().now();
    if let Some(path) = &args.metrics_file {
        write_metrics(path, &prometheus(&rows, repository.stored_bytes()?.bytes))?;
    }
    let limits = Limits { age_max: args.max_age, proof_age_max: args.max_proof_age, now };
    match context.out().is_json() {
        true => print_json(context, &rows, &limits)?,
        false => print_text(context, &rows, now)?,
    }
    let nothing = limits.is_any() && rows.is_empty();
    if nothing {
        context.out().warn("no backup is here at all");
    }
    let breached = warn(context, &rows, &limits);
    Ok(if nothing || breached { ExitCode::Failed } else { context.outcome() })
}

/// Says which limits are broken, and whether any is.
fn warn(context: &Context<'_>, rows: &[GroupStatus], limits: &Limits) -> bool {
    let mut breached = false;
    for row in rows {
        let is_old = limits.is_too_old(row, rows);
        let is_unproven = limits.is_unproven(row, rows);
        breached |= is_old || is_unproven;
        if is_old {
            let found = row.age(limits.now).map_or_else(
                || "there is no good backup".to_owned(),
                |found| format!("the newest good backup is {} old", age(found)),
            );
            context.out().warn(format_args!("{}: {found}", row.group));
        }
        if is_unproven {
            let found = row.verified.map_or_else(
                || "no backup was ever proven".to_owned(),
                |at| format!("the newest proof is {} old", age(limits.now.duration_since(at))),
            );
            context.out().warn(format_args!("{}: {found}", row.group));
        }
    }
    breached
}

impl Limits {
    fn is_any(&self) -> bool {
        self.age_max.is_some() || self.proof_age_max.is_some()
    }

    /// Whether the newest good backup of a group is too old.
    fn is_too_old(&self, row: &GroupStatus, rows: &[GroupStatus]) -> bool {
        self.age_max.is_some_and(|age_max| row.breaches(self.now, age_max)) && counts(row, rows)
    }

    /// Whether the newest proof of a group is too old.
    fn is_unproven(&self, row: &GroupStatus, rows: &[GroupStatus]) -> bool {
        self.proof_age_max.is_some_and(|age_max| row.breaches_proof(self.now, age_max)) && counts(row, rows)
    }
}

/// Partial snapshots never make a good backup: they do not count beside a row that does.
fn counts(row: &GroupStatus, rows: &[GroupStatus]) -> bool {
    let is_partial = |row: &GroupStatus| row.group.kind == "shard-partial";
    let counted_elsewhere =
        || rows.iter().any(|other| other.group.collection == row.group.collection && !is_partial(other));
    !(is_partial(row) && counted_elsewhere())
}

fn print_json(context: &Context<'_>, rows: &[GroupStatus], limits: &Limits) -> Result<(), CliError> {
    rows.iter().try_for_each(|row| {
        context.out().json(
            "status",
            &StatusLine {
                collection: row.group.collection.as_deref(),
                cluster: row.group.cluster.as_deref(),
                node: row.group.node.as_deref(),
                kind: &row.group.kind,
                shard: row.group.shard,
                good: row.good,
                other: row.other,
                newest_id: row.newest_id.map(|id| id.to_string()),
                newest_at: row.newest.map(utc),
                age_seconds: row.age(limits.now).map(|age| age.as_secs()),
                newest_bytes: row.newest_bytes,
                newest_growth_bytes: row.newest_growth_bytes,
                verified_at: row.verified.map(utc),
                drill: row.drilled.as_ref().map(DrillView::of),
                breach: limits.is_too_old(row, rows),
                proof_breach: limits.is_unproven(row, rows),
            },
        )
    })
}

fn print_text(context: &Context<'_>, rows: &[GroupStatus], now: Timestamp) -> Result<(), CliError> {
    let (left, right) = (Align::Left, Align::Right);
    let mut table = Table::new([
        ("COLLECTION", left),
        ("KIND", left),
        ("SHARD", left),
        ("NODE", left),
        ("GOOD", right),
        ("OTHER", right),
        ("AGE", right),
        ("SIZE", right),
        ("GROWTH", right),
        ("PROOF", left),
    ]);
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    for row in rows {
        table.row([
            or_dash(row.group.collection.clone()),
            row.group.kind.clone(),
            or_dash(row.group.shard.map(|shard| shard.to_string())),
            or_dash(row.group.node.clone()),
            row.good.to_string(),
            row.other.to_string(),
            or_dash(row.age(now).map(age)),
            size(row.newest_bytes),
            size(row.newest_growth_bytes),
            shown(row.verified, row.drilled.as_ref()),
        ]);
    }
    match table.is_empty() {
        true => context.out().note("the repository holds no backup that fits"),
        false => table.print(context.out())?,
    }
    Ok(())
}

fn write_metrics(path: &Path, text: &str) -> Result<(), CliError> {
    write_readable(path, text, Existing::Replace).map_err(|error| {
        CliError::new(ExitCode::Failed, format_args!("cannot write {}", path.display()))
            .cause(error)
            .safe("the old file, if any, is as it was")
    })
}
