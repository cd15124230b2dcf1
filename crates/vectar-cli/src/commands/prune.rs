//! `prune`.

use clap::Args;
use jiff::SignedDuration;
use serde_json::json;
use vectar::{
    Error, MarkReason, Observer as _,
    prune::{
        GRACE_DEFAULT, MAX_UNUSED_PERCENT_DEFAULT, MaxUnused, PruneOptions, PrunePlan, PruneProgress, PruneStats, plan,
        prune_now,
    },
};

use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{Out, age, size::parse_size, size_long, time::parse_age, utc},
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
    /// Rewrite at most this much in one prune, such as 20GiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_repack_size: Option<u64>,
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

/// Runs the command.
pub(crate) fn run(args: &PruneArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let engine = context.engine()?;
    let grace = if args.unsafe_no_grace { SignedDuration::ZERO } else { args.grace.unwrap_or(GRACE_DEFAULT) };
    let options = PruneOptions {
        max_unused: args.max_unused.unwrap_or(MaxUnused::Percent(MAX_UNUSED_PERCENT_DEFAULT)),
        max_repack_bytes: args.max_repack_size,
        grace,
    };
    if args.unsafe_no_grace && !args.dry_run {
        vectar::prune::check_alone(&engine)?;
    }
    let planned = plan(engine.repository(), &options).map_err(Error::from)?;
    let out = context.out();
    match out.is_json() {
        true => print_json(&planned, args.dry_run, out)?,
        false => print(&planned, grace, out)?,
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
        true => prune_now(&engine, &options, &progress)?,
        false => planned.apply(engine.repository(), &progress).map_err(Error::from)?,
    };
    drop(observer);
    context.cancel().check()?;
    print_stats(&stats, out)?;
    Ok(if stats.not_rewritten_packs > 0 { ExitCode::Incomplete } else { context.outcome() })
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
            "freed_later_at": utc(plan.grace_over_at),
            "rewritten_bytes": plan.rewritten_bytes(),
            "used_bytes": plan.used_bytes,
            "pinned_bytes": plan.pinned_bytes,
            "forgotten_bytes": plan.forgotten_bytes,
            "spared_bytes": plan.spared_bytes,
            "unused_left_bytes": plan.unused_left_bytes,
            "partly_unused_bytes": plan.partly_unused_bytes,
            "expired": plan.expired.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "dead_ingests": plan.dead_ingests.len(),
        }),
    )
}

fn print(plan: &PrunePlan, grace: SignedDuration, out: &Out) -> Result<(), CliError> {
    let count_of = |reason: MarkReason| plan.condemned.iter().filter(|pack| pack.reason == reason).count();
    out.line(format_args!(
        "freed now            {}, {} packs",
        size_long(plan.freed_now_bytes()),
        plan.removals.len()
    ))?;
    out.line(format_args!(
        "freed after the grace {}, until {} ({} from now)",
        size_long(plan.freed_later_bytes()),
        utc(plan.grace_over_at),
        age(grace)
    ))?;
    out.line(format_args!(
        "packs to mark        {} unused, {} wasteful, {} small",
        count_of(MarkReason::Unused),
        count_of(MarkReason::Repacked),
        count_of(MarkReason::Merged)
    ))?;
    out.line(format_args!("rewritten            {}", size_long(plan.rewritten_bytes())))?;
    out.line(format_args!("needed               {}", size_long(plan.used_bytes)))?;
    for (what, bytes) in [
        ("  by pins alone      ", plan.pinned_bytes),
        ("  by forgotten ones  ", plan.forgotten_bytes),
        ("written by ingests under way", plan.spared_bytes),
        ("unused, left as it is", plan.unused_left_bytes),
    ] {
        if bytes > 0 {
            out.line(format_args!("{what} {}", size_long(bytes)))?;
        }
    }
    if !plan.expired.is_empty() {
        out.line(format_args!("{} forgotten backups cannot be taken back any more", plan.expired.len()))?;
    }
    if !plan.dead_ingests.is_empty() {
        out.line(format_args!("{} ingests are taken for dead", plan.dead_ingests.len()))?;
    }
    Ok(())
}

fn print_stats(stats: &PruneStats, out: &Out) -> Result<(), CliError> {
    if out.is_json() {
        return out.json(
            "pruned",
            &json!({
                "removed_packs": stats.removed_packs, "removed_bytes": stats.removed_bytes,
                "marked_packs": stats.condemned_packs, "marked_bytes": stats.condemned_bytes,
                "written_bytes": stats.written_bytes, "expired_backups": stats.expired_backups,
                "not_rewritten_packs": stats.not_rewritten_packs,
            }),
        );
    }
    out.line(format_args!(
        "removed {} packs ({}), marked {} ({}), wrote {}",
        stats.removed_packs,
        size_long(stats.removed_bytes),
        stats.condemned_packs,
        size_long(stats.condemned_bytes),
        size_long(stats.written_bytes)
    ))?;
    if stats.not_rewritten_packs > 0 {
        out.warn(format_args!("{} packs were not rewritten, because the storage is full", stats.not_rewritten_packs));
    }
    Ok(())
}
