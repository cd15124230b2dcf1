//! `prune`.

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use vectar::{
    Error, MarkReason, Observer as _, Repository, RepositoryError, RepositoryErrorKind,
    prune::{
        GRACE_DEFAULT, MAX_UNUSED_PERCENT_DEFAULT, MaxUnused, PruneOptions, PrunePlan, PruneProgress, PruneStats, plan,
        prune_now,
    },
};

use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{Out, counted, size, size::parse_size, size_long, time::parse_age, utc},
};

/// Free the space of what no backup needs
///
/// Prune goes in two phases, so that it never waits for others and others never for it: packs that are not needed are marked now and
/// removed by a later prune, once the grace is over. Packs that hold little of use are rewritten, and the small ones that daily
/// ingests leave are merged. The plan is printed first; -n stops there.
#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    /// Leave at most this much unused: 5%, a size such as 20GiB, or unlimited
    #[arg(long, value_name = "LIMIT", value_parser = parse_limit)]
    max_unused: Option<MaxUnused>,
    /// Rewrite at most this much in one prune: 5% of the repository, or a size such as 20GiB
    #[arg(long, value_name = "LIMIT", value_parser = parse_limit)]
    max_repack_size: Option<MaxUnused>,
    /// Keep marked packs and forgotten backups for so long; 24h unless you say otherwise
    #[arg(long, value_name = "TIME", value_parser = parse_age)]
    grace: Option<SignedDuration>,
    /// Mark and remove at once; refused when another client was active within a day
    #[arg(long, conflicts_with = "grace")]
    unsafe_no_grace: bool,
    /// Print the plan and stop
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// Reads a limit: a percentage, a size, or none.
fn parse_limit(text: &str) -> Result<MaxUnused, String> {
    if text == "unlimited" {
        return Ok(MaxUnused::Unlimited);
    }
    match text.strip_suffix('%').map(str::parse::<f64>) {
        Some(Ok(percent)) if (0.0..=100.0).contains(&percent) => Ok(MaxUnused::Percent(percent)),
        Some(_) => Err(format!("{text} is no percentage from 0 to 100")),
        None => parse_size(text).map(MaxUnused::Bytes),
    }
}

/// How much may be rewritten, in bytes.
fn max_repack_bytes(limit: Option<MaxUnused>, repository: &Repository) -> Result<Option<u64>, CliError> {
    Ok(match limit {
        None | Some(MaxUnused::Unlimited) => None,
        Some(MaxUnused::Bytes(bytes)) => Some(bytes),
        Some(MaxUnused::Percent(percent)) => Some((repository.stored_bytes()?.bytes as f64 * percent / 100.0) as u64),
    })
}

/// Runs the command.
pub(crate) fn run(args: &PruneArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let engine = context.engine()?;
    let grace = if args.unsafe_no_grace { SignedDuration::ZERO } else { args.grace.unwrap_or(GRACE_DEFAULT) };
    let options = PruneOptions {
        max_unused: args.max_unused.unwrap_or(MaxUnused::Percent(MAX_UNUSED_PERCENT_DEFAULT)),
        max_repack_bytes: max_repack_bytes(args.max_repack_size, engine.repository())?,
        grace,
    };
    if args.unsafe_no_grace && !args.dry_run {
        vectar::prune::check_alone(&engine)?;
    }
    let planned = plan(engine.repository(), &options).map_err(Error::from)?;
    let out = context.out();
    match out.is_json() {
        true => print_json(&planned, args.dry_run, out)?,
        false => print(&planned, args.unsafe_no_grace, out)?,
    }
    if args.dry_run {
        return Ok(context.outcome());
    }
    let observer = context.observer("copying");
    let progress = |progress: PruneProgress| {
        observer.progress(progress.done_bytes, Some(progress.total_bytes));
        !context.cancel().is_cancelled()
    };
    let stats = match args.unsafe_no_grace {
        true => prune_now(&engine, &options, &progress),
        false => planned.apply(engine.repository(), &progress).map_err(Error::from),
    };
    let stats = stats.map_err(stopped)?;
    drop(observer);
    context.cancel().check()?;
    print_stats(&stats, args.unsafe_no_grace, out)?;
    Ok(if stats.not_rewritten_packs > 0 { ExitCode::Incomplete } else { context.outcome() })
}

/// A prune that stops half-way has lost nothing, and what it did counts.
fn stopped(error: Error) -> CliError {
    let no_space = match &error {
        Error::Repository(RepositoryError::PruneUnsafe { .. }) => return error.into(),
        Error::Repository(error) => error.kind() == RepositoryErrorKind::NoSpace,
        _ => return error.into(),
    };
    let error = CliError::from(error)
        .context("prune stopped half-way")
        .safe("no backup has lost anything; what was marked stays marked, and the next prune goes on");
    match no_space {
        true => error.hints(["run \"vectar prune\" again: it begins with removing what can go".to_owned()]),
        false => error,
    }
}

/// When the first and the last of what waits can go.
fn freed_later_at(plan: &PrunePlan) -> Option<(Timestamp, Timestamp)> {
    let marked_now = (!plan.condemned.is_empty()).then_some(plan.grace_over_at);
    let times = || plan.waiting.iter().map(|pack| pack.until).chain(marked_now);
    Some((times().min()?, times().max()?))
}

fn print_json(plan: &PrunePlan, dry_run: bool, out: &Out) -> Result<(), CliError> {
    let reason = |reason: MarkReason| match reason {
        MarkReason::Unused => "unused",
        MarkReason::Repacked => "repacked",
        MarkReason::Merged => "merged",
    };
    for pack in &plan.removals {
        let fields = json!({ "pack": pack.pack.to_string(), "action": "remove", "bytes": pack.bytes, "needed_bytes": pack.needed_bytes });
        out.json("prune-pack", &fields)?;
    }
    for pack in &plan.condemned {
        out.json(
            "prune-pack",
            &json!({
                "pack": pack.pack.to_string(), "action": "mark", "reason": reason(pack.reason),
                "bytes": pack.bytes, "needed_bytes": pack.needed_bytes,
            }),
        )?;
    }
    for pack in &plan.waiting {
        out.json(
            "prune-pack",
            &json!({ "pack": pack.pack.to_string(), "action": "wait", "bytes": pack.bytes, "until": utc(pack.until) }),
        )?;
    }
    out.json(
        "prune-plan",
        &json!({
            "dry_run": dry_run,
            "freed_now_bytes": plan.freed_now_bytes(),
            "freed_later_bytes": plan.freed_later_bytes(),
            "freed_later_at": utc(freed_later_at(plan).map_or(plan.grace_over_at, |(_, last)| last)),
            "rewritten_bytes": plan.rewritten_bytes(),
            "used_bytes": plan.used_bytes,
            "pinned_bytes": plan.pinned_bytes,
            "forgotten_bytes": plan.forgotten_bytes,
            "spared_bytes": plan.spared_bytes,
            "unused_left_bytes": plan.unused_left_bytes,
            "partly_unused_bytes": plan.partly_unused_bytes,
            "rerecorded": plan.rerecorded.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "rerecorded_bytes": plan.rerecorded_bytes,
            "expired": plan.expired.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "dead_ingests": plan.dead_ingests.len(),
        }),
    )
}

fn print(plan: &PrunePlan, no_grace: bool, out: &Out) -> Result<(), CliError> {
    let count_of = |reason: MarkReason| plan.condemned.iter().filter(|pack| pack.reason == reason).count();
    let packs = |count: usize| counted(count as u64, "pack");
    let later = match freed_later_at(plan) {
        None => String::new(),
        Some((first, last)) if first == last => format!(", at {}", utc(last)),
        Some((first, last)) => format!(", from {} to {}", utc(first), utc(last)),
    };
    let (now_bytes, later_bytes) = (plan.freed_now_bytes(), plan.freed_later_bytes());
    let to_mark = format!(
        "{} unused, {} wasteful, {} small",
        count_of(MarkReason::Unused),
        count_of(MarkReason::Repacked),
        count_of(MarkReason::Merged)
    );
    let mut rows = match no_grace {
        false => vec![
            ("freed now", format!("{}, {}", size_long(now_bytes), packs(plan.removals.len()))),
            ("freed after the grace", format!("{}{later}", size_long(later_bytes))),
            ("packs to mark", to_mark),
        ],
        true => vec![
            ("freed now", size_long(now_bytes + later_bytes)),
            ("packs to remove", format!("{} marked before, {to_mark}", plan.removals.len())),
        ],
    };
    rows.push(("rewritten", size_long(plan.rewritten_bytes())));
    rows.push(("needed", size_long(plan.used_bytes)));
    for (what, bytes) in [
        ("  by pins alone", plan.pinned_bytes),
        ("  by forgotten ones", plan.forgotten_bytes),
        ("written by others now", plan.spared_bytes),
        ("unused, left as it is", plan.unused_left_bytes),
        ("unused inside chunks", plan.partly_unused_bytes),
    ] {
        if bytes > 0 {
            rows.push((what, size_long(bytes)));
        }
    }
    if !plan.rerecorded.is_empty() {
        let (backups, bytes) = (counted(plan.rerecorded.len() as u64, "backup"), size(plan.rerecorded_bytes));
        rows.push(("recorded afresh", format!("{backups}, {bytes} of which they need a part")));
    }
    if !plan.expired.is_empty() {
        rows.push(("gone for good", counted(plan.expired.len() as u64, "forgotten backup")));
    }
    if !plan.dead_ingests.is_empty() {
        rows.push(("taken for dead", counted(plan.dead_ingests.len() as u64, "ingest")));
    }
    rows.iter().try_for_each(|(what, value)| out.line(format_args!("{what:<22} {value}")))
}

fn print_stats(stats: &PruneStats, no_grace: bool, out: &Out) -> Result<(), CliError> {
    if out.is_json() {
        return out.json(
            "pruned",
            &json!({
                "removed_packs": stats.removed_packs, "removed_bytes": stats.removed_bytes,
                "marked_packs": stats.condemned_packs, "marked_bytes": stats.condemned_bytes,
                "written_bytes": stats.written_bytes, "expired_backups": stats.expired_backups,
                "unfinished_bytes": stats.unfinished_bytes, "rerecorded_backups": stats.rerecorded_backups,
                "not_rewritten_packs": stats.not_rewritten_packs,
            }),
        );
    }
    out.line(format_args!(
        "removed {}, {}; marked {}, {}; wrote {}",
        counted(stats.removed_packs, "pack"),
        size(stats.removed_bytes),
        counted(stats.condemned_packs, "pack"),
        size(stats.condemned_bytes),
        size(stats.written_bytes)
    ))?;
    if stats.unfinished_bytes > 0 {
        out.line(format_args!("removed {} that dead writers left unfinished", size(stats.unfinished_bytes)))?;
    }
    if stats.rerecorded_backups > 0 {
        let backups = counted(stats.rerecorded_backups, "backup");
        let later = if no_grace { "" } else { "; the next prune marks what they left" };
        out.line(format_args!("recorded {backups} afresh{later}"))?;
    }
    if stats.not_rewritten_packs > 0 {
        let packs = counted(stats.not_rewritten_packs, "pack");
        out.warn(format_args!("{packs} not rewritten, because the storage is full"));
    }
    Ok(())
}
