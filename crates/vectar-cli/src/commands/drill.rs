//! `drill`: whether Qdrant's own engine loads what comes back.

use std::{
    ffi::OsString,
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Args;
use jiff::SignedDuration;
use serde::Serialize;
use vectar::{
    BackupRecord, Engine, Environment as _, Proven, RecordList, Repository, SystemEnvironment, TOOL,
    drill::{
        Agreed, DrillOptions, ENGINE_VERSION, EngineProgram, EngineSource, PassedOver, Report, ReportHead, ReportLine,
        Verdict, compared, drill_backup, order_drills, sweep, why_not,
    },
    select::{self, Filter, is_good},
};

use super::drill_report;
use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{counted, plain_word, time::parse_age, utc},
    select_args::SelectArgs,
};

/// So long one shard may take the engine, unless said otherwise.
const SHARD_MAX: &str = "30m";

/// Prove that Qdrant's own engine loads what comes back
///
/// Each backup is rebuilt and its digests compared; each of its shards is then loaded by Qdrant's engine, as the Python package qdrant-edge-py,
/// in a private directory that is gone afterwards. The engine's number of points and all ids are compared with the files, and so are payloads,
/// vectors and searches of a sample. What passes becomes a proof that "vectar status" and "vectar show" display. Without a backup: the newest
/// good one of each collection, node, shard and kind. The package is installed on first use, by python3 and pip, into an environment beside
/// the chunk indexes.
///
/// Collections take turns, so that each has its drill although not all fit into --budget: by turns comes the one whose last drill that passed is
/// longest ago (those without one before all others), and the one that a lot names, drawn anew each day and after each drill that passed. What
/// cannot be drilled, for lack of room say, is noted, and the next one is drilled. Ends with 4 when a backup fails, whatever else went wrong;
/// else with 1 when one could not be drilled, 3 when the engine was not done with one, 14 when the engine cannot be had.
#[derive(Debug, Args)]
pub(crate) struct DrillArgs {
    /// Backups
    #[arg(value_name = "BACKUP")]
    backups: Vec<String>,
    /// Load them with Qdrant's own engine
    #[arg(long, required = true)]
    engine: bool,
    /// All good backups that the filters choose, not only the newest of each
    #[arg(long, conflicts_with = "backups")]
    all: bool,
    /// Begin no further backup after this time, such as 2h; the others have their turn in later runs
    #[arg(long, value_name = "TIME", value_parser = parse_age)]
    budget: Option<SignedDuration>,
    /// Write a dated report into this directory, as Markdown and as JSON
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Compare payloads and vectors of so many points of each shard
    #[arg(long, value_name = "N", default_value_t = 200)]
    sample: u64,
    /// Search for so many of them, by each of their vectors
    #[arg(long, value_name = "N", default_value_t = 10)]
    searches: usize,
    /// So long one shard may take the engine
    #[arg(long, value_name = "TIME", value_parser = parse_age, default_value = SHARD_MAX)]
    timeout: SignedDuration,
    /// Version of the package qdrant-edge-py: 0.9.0 loads what Qdrant up to 1.20 wrote
    #[arg(long, value_name = "VERSION", default_value = ENGINE_VERSION)]
    engine_version: String,
    /// Use this Python, which has the package, and install nothing
    #[arg(long, value_name = "INTERPRETER")]
    python: Option<PathBuf>,
    /// Keep environments in this directory instead of the one of the chunk indexes
    #[arg(long, env = "VECTAR_ENGINE_DIR", hide_env = true, value_name = "DIR")]
    engine_dir: Option<PathBuf>,
    /// Load shards below this directory instead of the system's for temporary files
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Show which backups would be drilled, in which order
    #[arg(short = 'n', long)]
    dry_run: bool,
    #[command(flatten)]
    select: SelectArgs,
}

/// The line of `--json` for a backup that would be drilled.
#[derive(Serialize)]
struct PlannedLine<'l> {
    id: String,
    name: &'l str,
    drilled_at: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &DrillArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let filter = args.select.filter()?;
    let repository = context.repository()?;
    let records = context.records(&repository)?;
    let proven = repository.proofs()?;
    let (chosen, passed_over) = choose(args, &records, &filter)?;
    let day = repository.environment().now().as_second().div_euclid(86_400);
    let chosen = order_drills(chosen, &records.backups, &proven, day);
    if args.dry_run {
        return plan(&chosen, &proven, context);
    }
    for PassedOver { name, why } in &passed_over {
        context.out().note(format_args!("passing over {}: {why}", plain_word(name)));
    }
    if chosen.is_empty() {
        context.out().warn("no backup that fits can be drilled");
        return Ok(ExitCode::Failed);
    }
    // Not after hours of drills.
    if let Some(directory) = &args.report {
        drill_report::make_ready(directory)?;
    }
    let scratch = args.scratch.clone().unwrap_or_else(std::env::temp_dir);
    for left in sweep(&scratch) {
        context.out().note(format_args!("removed {}, which a drill that was killed had left", left.display()));
    }
    let program = source(args, &scratch, context)?.find(context.cancel())?;
    let engine = context.engine_of(&repository)?;
    let run = Run { args, context, engine: &engine, program: &program, scratch, started: Instant::now() };
    let head = head(&repository, &program, context)?;
    let mut report = Report { head, backups: Vec::new(), passed_over, left: 0, left_because: None };
    let ended = run.drill_all(&chosen, &mut report);
    report.head.ended_at = SystemEnvironment.now();
    Ok(conclude(args, &report, ended, context))
}

/// The backups to drill, and those that cannot be.
fn choose<'r>(
    args: &DrillArgs,
    records: &'r RecordList,
    filter: &Filter,
) -> Result<(Vec<&'r BackupRecord>, Vec<PassedOver>), CliError> {
    let mut named = Vec::new();
    for name in &args.backups {
        named.extend(select::many(name, &records.backups, filter)?);
    }
    if args.backups.is_empty() {
        let newest = Filter { latest: filter.latest.or(Some(1)), ..filter.clone() };
        let filter = if args.all { filter } else { &newest };
        let good: Vec<BackupRecord> = records.backups.iter().filter(|record| is_good(record)).cloned().collect();
        let ids: Vec<_> = filter.apply(&good).iter().map(|record| record.id).collect();
        named = records.backups.iter().filter(|record| ids.contains(&record.id)).collect();
    }
    let (able, unable): (Vec<_>, Vec<_>) = named.into_iter().partition(|record| why_not(record).is_none());
    let passed_over = |record: &BackupRecord| {
        let why = why_not(record).unwrap_or_default().to_owned();
        PassedOver { name: record.subject.name.clone(), why }
    };
    Ok((able, unable.into_iter().map(passed_over).collect()))
}

fn plan(
    chosen: &[&BackupRecord],
    proven: &std::collections::HashMap<vectar::BackupId, Proven>,
    context: &Context<'_>,
) -> Result<ExitCode, CliError> {
    for record in chosen {
        let drilled = proven.get(&record.id).and_then(|proven| proven.drill.as_ref()).map(|(at, _)| utc(*at));
        if context.out().is_json() {
            let line = PlannedLine { id: record.id.to_string(), name: &record.subject.name, drilled_at: drilled };
            context.out().json("drill-planned", &line)?;
            continue;
        }
        let last = drilled.map_or_else(|| "never drilled".to_owned(), |at| format!("last drilled {at}"));
        context.out().line(format_args!(
            "would drill {} ({}): {last}",
            record.id.short(),
            plain_word(&record.subject.name)
        ))?;
    }
    Ok(context.outcome())
}

/// Where the engine comes from: what only this layer knows of the machine.
fn source(args: &DrillArgs, scratch: &std::path::Path, context: &Context<'_>) -> Result<EngineSource, CliError> {
    let directory = args.engine_dir.clone().or_else(|| Some(context.cache_directory()?.join("engines")));
    let directory = directory.or_else(|| args.python.as_ref().map(|_| PathBuf::new())).ok_or_else(|| {
        CliError::new(ExitCode::Usage, "nobody says where the engine's environment is to be kept")
            .cause("there is no home directory, and neither --engine-dir nor --index-dir is given")
            .safe("nothing was read or written")
            .hint("name a directory that stays with --engine-dir DIR, or set VECTAR_ENGINE_DIR")
            .hint("or name a Python that has the package with --python INTERPRETER")
    })?;
    Ok(EngineSource {
        version: args.engine_version.clone(),
        python: args.python.clone(),
        directory,
        scratch_directory: scratch.to_owned(),
        search_path: std::env::var_os("PATH").unwrap_or_default(),
        variables: std::env::vars_os().filter(|(name, _)| is_for_pip(name)).collect(),
    })
}

/// Whether a variable is one that making an environment needs: pip's own, proxies, certificates, and where its settings and caches lie.
fn is_for_pip(name: &OsString) -> bool {
    const NAMES: [&str; 9] = [
        "HOME",
        "TMPDIR",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "LANG",
        "NETRC",
    ];
    let Some(name) = name.to_str() else { return false };
    let is_proxy =
        || ["http_proxy", "https_proxy", "no_proxy", "all_proxy"].contains(&name.to_ascii_lowercase().as_str());
    name.starts_with("PIP_") || NAMES.contains(&name) || is_proxy()
}

fn head(repository: &Repository, program: &EngineProgram, context: &Context<'_>) -> Result<ReportHead, CliError> {
    let now = SystemEnvironment.now();
    let head = ReportHead {
        started_at: now,
        ended_at: now,
        repository_id: repository.id().to_string(),
        location: context.repository_path()?.display().to_string(),
        client: SystemEnvironment.client(),
        tool: TOOL.to_owned(),
        engine: String::new(),
        python: String::new(),
    };
    Ok(head.with_engine(program))
}

/// A run over several backups.
struct Run<'r> {
    args: &'r DrillArgs,
    context: &'r Context<'r>,
    engine: &'r Engine,
    program: &'r EngineProgram,
    scratch: PathBuf,
    started: Instant,
}

impl Run<'_> {
    /// Drills one after the other until the budget is used up, or until something ends the run. What was drilled is in the report in any case.
    fn drill_all(&self, chosen: &[&BackupRecord], report: &mut Report) -> Result<(), CliError> {
        for (done, record) in chosen.iter().enumerate() {
            report.left = (chosen.len() - done) as u64;
            if done > 0 && self.is_budget_used() {
                let left = counted(report.left, "backup");
                report.left_because = Some("the budget was used up; they have their turn in later runs".to_owned());
                self.context.out().note(format_args!("the budget is used up; {left} left for later runs"));
                return Ok(());
            }
            self.drill_one(record, report).inspect_err(|error| {
                report.left_because = Some(format!("the run ended before them: {}", error.message));
            })?;
        }
        Ok(())
    }

    fn is_budget_used(&self) -> bool {
        let budget = self.args.budget.and_then(|budget| Duration::try_from(budget).ok());
        budget.is_some_and(|budget| self.started.elapsed() >= budget)
    }

    /// Drills one, adds it to the report, and prints what came of it.
    ///
    /// # Errors
    /// What concerns the others as well.
    fn drill_one(&self, record: &BackupRecord, report: &mut Report) -> Result<(), CliError> {
        self.context.cancel().check()?;
        let options = DrillOptions {
            scratch_directory: self.scratch.clone(),
            sample_points: self.args.sample,
            searches: self.args.searches,
            shard_max: Duration::try_from(self.args.timeout).unwrap_or(Duration::MAX),
        };
        let observer = self.context.observer(&format!("drilling {}", record.id.short()));
        let drill = drill_backup(self.engine, record, self.program, &options, &observer, self.context.cancel());
        drop(observer);
        let title = || format!("cannot drill backup {} ({})", record.id.short(), record.subject.name);
        let drill = drill.map_err(|error| CliError::from(error).context(title()))?;
        if drill.verdict >= Verdict::NotDrilled {
            // Where the storage has gone away, as when a share is not mounted any more, packs seem to be missing.
            self.context.repository().map_err(|error| error.context(title()))?;
        }
        for error in drill.errors() {
            self.context.out().error(&CliError::from(error).context(title()));
        }
        report.left -= 1;
        report.backups.push(ReportLine::of(record, drill, self.program));
        self.print(report.backups.last().expect("it was just put there"))
    }

    fn print(&self, line: &ReportLine) -> Result<(), CliError> {
        let (out, drill) = (self.context.out(), &line.drill);
        if out.is_json() {
            return out.json("drilled", line);
        }
        let name = format!("backup {} ({})", &line.id[..8], plain_word(&line.name));
        let (points, shards) = (counted(line.points, "point"), counted(drill.shards.len() as u64, "shard"));
        match drill.verdict {
            Verdict::Passed if drill.shards.is_empty() => {
                out.line(format_args!("{name}: bytes identical, nothing to load"))?
            }
            Verdict::Passed => out
                .line(format_args!("{name}: bytes identical, loads in engine {}, {points} in {shards}", line.engine))?,
            verdict => out.line(format_args!("{name}: {}", verdict.as_str()))?,
        }
        if drill.agreed() != Agreed::default() {
            out.line(format_args!("  {}", compared(&drill.agreed())))?;
        }
        if let Some(problem) = &drill.problem {
            out.line(format_args!("  {}", plain_word(problem)))?;
        }
        for shard in &drill.shards {
            if let Some(problem) = &shard.problem {
                out.line(format_args!("  {}: {}", plain_word(&shard.title()), plain_word(problem)))?;
            }
        }
        Ok(())
    }
}

/// Writes the report, says what came of it all, and what the process ends with: a backup that failed outranks every error, those that ended
/// the run or kept the report from being written too.
fn conclude(args: &DrillArgs, report: &Report, ended: Result<(), CliError>, context: &Context<'_>) -> ExitCode {
    let out = context.out();
    // Of nothing there is no report.
    let written = match (&args.report, report.backups.is_empty()) {
        (Some(directory), false) => drill_report::write(directory, report, context),
        _ => Ok(()),
    };
    for note in report.notes() {
        out.note(format_args!("note: {note}"));
    }
    out.note(report.sentence());
    let failed = report.counted(Verdict::Failed);
    if failed > 0 {
        out.warn(format_args!("{failed} of {} failed", counted(report.backups.len() as u64, "backup")));
    }
    let errors: Vec<CliError> = [ended, written].into_iter().filter_map(Result::err).collect();
    errors.iter().for_each(|error| out.error(error));
    let of_backups = report.backups.iter().flat_map(|line| line.drill.errors()).map(CliError::from);
    let error = errors.iter().map(|error| error.exit_code).chain(of_backups.map(|error| error.exit_code)).next();
    match (report.verdict(), error) {
        (Verdict::Failed, _) => ExitCode::Damage,
        (_, Some(error)) => error,
        (Verdict::Unfinished, None) => ExitCode::Incomplete,
        (Verdict::Passed | Verdict::NotDrilled, None) => context.outcome(),
    }
}
