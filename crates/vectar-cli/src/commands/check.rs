//! `check`: is the whole repository what it should be?

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use clap::Args;
use jiff::SignedDuration;
use serde_json::{Value, json};
use vectar::{
    BackupId, Engine, Error, Observer as _, Repository,
    check::{CheckOptions, CheckReport, Depth, Finding, Level, Subset, check},
    source::read_text,
};

use super::check_report;
use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{Out, plain_word, size::parse_size, time::parse_age},
};

/// Longest list of expected ids that is read, in bytes: a million of them.
const EXPECTED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Test the whole repository
///
/// By default records, recipes and the footers of packs are read: is everything there that backups need? --packs reads every pack and
/// compares its bytes with its name; --read-data decodes every chunk as well and compares it with its id. What was proven is noted in the
/// repository, so that a part of the packs can be read each day, those proven longest ago first. Ends with 4 when there is damage.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Read every pack and compare its bytes with its name
    #[arg(long)]
    packs: bool,
    /// Read every pack, decode every chunk, and compare it with its id
    #[arg(long, conflicts_with = "packs")]
    read_data: bool,
    /// As --read-data, for a part: 2/7 (the second of seven), 5%, or a size such as 20GiB
    #[arg(long, value_name = "PART", value_parser = parse_subset, conflicts_with_all = ["packs", "read_data"])]
    read_data_subset: Option<Subset>,
    /// Stop reading packs after this time, such as 2h; the next check goes on from there
    #[arg(long, value_name = "TIME", value_parser = parse_age)]
    time_budget: Option<SignedDuration>,
    /// Tell when one of the backups in this file is gone: what "vectar list --json" printed, or one whole id a line
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
    /// Try out what the storage can do, and compare with what it could when the repository was made
    #[arg(long)]
    storage: bool,
}

fn parse_subset(text: &str) -> Result<Subset, String> {
    text.parse().or_else(|error| parse_size(text).map(Subset::Bytes).map_err(|_| error))
}

/// Runs the command.
pub(crate) fn run(args: &CheckArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let repository = context.repository()?;
    let mut changed = false;
    if args.storage {
        changed = check_storage(&repository, context.out())?;
    }
    let options = args.options(context.threads())?;
    let engine = Engine::open(&repository, &context.engine_options())?;
    let (observer, cancel) = (context.observer("reading packs"), context.cancel());
    let report = check(engine.repository(), &options, &|progress| {
        observer.progress(progress.done_bytes, Some(progress.total_bytes));
        !cancel.is_cancelled()
    })
    .map_err(Error::from)?;
    drop(observer);
    context.cancel().check()?;
    match context.out().is_json() {
        true => print_json(&report, context.out())?,
        false => check_report::print(&report, &options, engine.repository(), context.out())?,
    }
    Ok(match report.worst() {
        Some(Level::Damage) => ExitCode::Damage,
        _ if changed => ExitCode::Incomplete,
        _ => context.outcome(),
    })
}

impl CheckArgs {
    fn options(&self, threads: usize) -> Result<CheckOptions, CliError> {
        let depth = match (self.packs, self.read_data || self.read_data_subset.is_some()) {
            (true, _) => Depth::Packs,
            (false, true) => Depth::Data,
            (false, false) => Depth::Structure,
        };
        if self.time_budget.is_some() && depth == Depth::Structure {
            return Err(CliError::new(ExitCode::Usage, "--time-budget limits the reading of packs, and none are read")
                .safe("nothing was read or written")
                .hint("add --packs or --read-data"));
        }
        let expected = match &self.expect {
            Some(path) => expected_ids(path)?,
            None => Vec::new(),
        };
        let subset = self.read_data_subset.unwrap_or_default();
        Ok(CheckOptions { depth, subset, time_budget: self.time_budget, expected, threads })
    }
}

/// Reads ids: lines of `vectar list --json`, or one id a line. What follows an id on its line, and lines that begin with `#`, are
/// for people.
fn expected_ids(path: &Path) -> Result<Vec<BackupId>, CliError> {
    const NOTHING: &str = "nothing was checked or written";
    let text = read_text(path, EXPECTED_BYTES_MAX).map_err(|error| {
        CliError::from(error)
            .context("cannot read the list of expected backups")
            .safe(NOTHING)
            .hints(["write it with \"vectar list --json\" after each ingest, and keep it elsewhere".to_owned()])
    })?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let ids: Result<BTreeSet<BackupId>, CliError> = lines
        .map(|line| {
            let of_json = serde_json::from_str::<Value>(line).ok();
            let id = of_json.as_ref().and_then(|line| line["id"].as_str());
            let id = id.or_else(|| line.split_whitespace().next()).unwrap_or_default();
            id.parse().map_err(|error| {
                CliError::new(ExitCode::Usage, format_args!("{} is no list of backup ids", path.display()))
                    .cause(error)
                    .safe(NOTHING)
                    .hint("write it with \"vectar list --json\", or one whole id of 32 digits a line")
            })
        })
        .collect();
    Ok(ids?.into_iter().collect())
}

/// Tells what the storage can do; `true` when something got worse or better than `config` says.
fn check_storage(repository: &Repository, out: &Out) -> Result<bool, CliError> {
    let (probe, changes) = repository.probe_storage().map_err(Error::from)?;
    let durability = vectar::durability_name(probe.durability);
    if out.is_json() {
        let changes: Vec<_> = changes
            .iter()
            .map(|change| json!({ "what": change.what, "then": change.then, "now": change.now }))
            .collect();
        out.json(
            "storage",
            &json!({ "file_system": probe.file_system, "network": probe.is_network, "durability": durability, "changes": changes }),
        )?;
    } else {
        out.line(format_args!("storage: {}, durability {durability}", plain_word(&probe.file_system)))?;
        for change in &changes {
            out.line(format_args!(
                "storage: {} is {} now, it was {} when the repository was made",
                change.what, change.now, change.then
            ))?;
        }
    }
    if durability != "full" {
        out.warn("the storage does not keep what was written through a power loss as it promises");
    }
    Ok(!changes.is_empty())
}

pub(super) fn level_name(level: Level) -> &'static str {
    match level {
        Level::Note => "note",
        Level::Warning => "warning",
        Level::Damage => "damage",
    }
}

fn print_json(report: &CheckReport, out: &Out) -> Result<(), CliError> {
    let ids = |ids: &BTreeSet<BackupId>| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    for Finding { level, object, what, backups } in &report.findings {
        out.json(
            "finding",
            &json!({ "level": level_name(*level), "object": object, "what": what, "backups": ids(backups) }),
        )?;
    }
    out.json(
        "checked",
        &json!({
            "backups_whole": report.backups_whole,
            "backups_hurt": ids(&report.backups_hurt),
            "packs": report.packs,
            "packs_read": report.packs_read,
            "bytes_read": report.bytes_read,
            "chunks_proven": report.records_proven,
            "expected_missing": ids(&report.expected_missing),
            "findings": report.findings.len(),
        }),
    )
}
