//! `forget` and `undelete`.

use std::collections::{BTreeSet, HashMap};

use clap::Args;
use jiff::SignedDuration;
use serde_json::json;
use vectar::{
    BackupId, BackupRecord, Environment as _, Error, RecordList, SystemEnvironment,
    retention::{Decision, GroupField, Policy, decide, groups_emptied},
    select,
};

use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{Align, Out, Table, time::parse_age, utc},
    select_args::SelectArgs,
};

/// More than this part of all backups is not forgotten without --yes.
const PART_MAX_PERCENT: usize = 30;

/// Set backups aside by a policy, or by name
///
/// A forgotten backup frees nothing yet and can be taken back with "vectar undelete", until a "vectar prune" finds that the grace is over.
/// Backups are kept by group, so that nodes, shards and kinds never push each other out; sets stay whole; damaged and partial backups
/// take no place. -n shows what would happen to each backup, and why.
#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    /// Forget just these backups, whatever a policy would say
    #[arg(value_name = "BACKUP")]
    backups: Vec<String>,
    /// Keep the newest N
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_last: usize,
    /// Keep the newest of each of the last N hours that have one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_hourly: usize,
    /// Keep the newest of each of the last N days that have one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_daily: usize,
    /// Keep the newest of each of the last N weeks that have one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_weekly: usize,
    /// Keep the newest of each of the last N months that have one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_monthly: usize,
    /// Keep the newest of each of the last N years that have one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_yearly: usize,
    /// Keep all that are not older than this, such as 30d
    #[arg(long, value_name = "TIME", value_parser = parse_age)]
    keep_within: Option<SignedDuration>,
    /// Keep all with this tag; may be repeated
    #[arg(long, value_name = "TAG")]
    keep_tag: Vec<String>,
    /// Keep the newest of each minor version of Qdrant
    #[arg(long)]
    keep_per_version: bool,
    /// What tells groups apart: cluster, collection, node, shard and kind, unless fewer are named
    #[arg(long, value_name = "FIELD,…", value_delimiter = ',')]
    group_by: Vec<GroupField>,
    /// Forget more than 30 percent of all backups without being asked again
    #[arg(long)]
    yes: bool,
    /// Forget the last good backup of a group too
    #[arg(long)]
    unsafe_allow_remove_all: bool,
    /// Show what would be kept and forgotten, and why
    #[arg(short = 'n', long)]
    dry_run: bool,
    #[command(flatten)]
    select: SelectArgs,
}

/// Take forgotten backups back
///
/// Without a name it lists what can be taken back.
#[derive(Debug, Args)]
pub(crate) struct UndeleteArgs {
    /// Their ids, or unique prefixes of them
    #[arg(value_name = "BACKUP")]
    backups: Vec<String>,
}

/// Runs `forget`.
pub(crate) fn run(args: &ForgetArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let policy = args.policy();
    if policy.is_empty() && args.backups.is_empty() {
        return Err(CliError::new(ExitCode::Usage, "no policy says what to keep, and no backup is named")
            .safe("nothing was forgotten")
            .hint("say what to keep, such as --keep-daily 7 --keep-weekly 5 --keep-monthly 12")
            .hint("add -n to see what would happen"));
    }
    let filter = args.select.filter()?;
    let repository = context.repository()?;
    let records = context.records(&repository)?;
    let named = !args.backups.is_empty();
    let chosen = match named {
        true => select_named(args, &records, &filter)?,
        false => filter.apply(&records.backups),
    };
    let group_by = if args.group_by.is_empty() { &GroupField::ALL[..] } else { &args.group_by };
    let decisions = match named {
        true => decide_named(&records, &chosen, group_by),
        false => decide(&chosen, &records.pins, &policy, group_by, SystemEnvironment.now()),
    };
    print(&decisions, args.dry_run, context.out())?;
    if args.dry_run {
        return Ok(context.outcome());
    }
    refuse(args, &records, &decisions)?;
    for decision in decisions.iter().filter(|decision| !decision.is_kept()) {
        context.cancel().check()?;
        repository.forget(decision.record).map_err(Error::from)?;
    }
    let forgotten = decisions.iter().filter(|decision| !decision.is_kept()).count();
    if forgotten > 0 {
        context.out().note(format_args!(
            "{forgotten} backups forgotten; \"vectar undelete\" takes them back, \"vectar prune\" frees their space after the grace"
        ));
    }
    Ok(context.outcome())
}

impl ForgetArgs {
    fn policy(&self) -> Policy {
        Policy {
            last: self.keep_last,
            hourly: self.keep_hourly,
            daily: self.keep_daily,
            weekly: self.keep_weekly,
            monthly: self.keep_monthly,
            yearly: self.keep_yearly,
            within: self.keep_within,
            tags: self.keep_tag.clone(),
            per_version: self.keep_per_version,
        }
    }
}

/// The named backups, and with each the rest of its capture set.
fn select_named<'r>(
    args: &ForgetArgs,
    records: &'r RecordList,
    filter: &select::Filter,
) -> Result<Vec<&'r BackupRecord>, CliError> {
    if !args.policy().is_empty() {
        return Err(CliError::new(ExitCode::Usage, "backups are named, and a policy is given too")
            .safe("nothing was forgotten")
            .hint("name backups, or say what to keep"));
    }
    let mut chosen: BTreeSet<BackupId> = BTreeSet::new();
    for name in &args.backups {
        chosen.extend(select::many(name, &records.backups, filter)?.iter().map(|record| record.id));
    }
    let sets: BTreeSet<&String> = records
        .backups
        .iter()
        .filter(|record| chosen.contains(&record.id))
        .filter_map(|record| record.subject.set.as_ref())
        .collect();
    let in_set = |record: &BackupRecord| record.subject.set.as_ref().is_some_and(|set| sets.contains(set));
    Ok(records.backups.iter().filter(|record| chosen.contains(&record.id) || in_set(record)).collect())
}

/// All backups, of which those that were named are forgotten and nothing else is.
fn decide_named<'r>(records: &'r RecordList, chosen: &[&BackupRecord], group_by: &[GroupField]) -> Vec<Decision<'r>> {
    let everything: Vec<&BackupRecord> = records.backups.iter().collect();
    let keep_all = Policy { last: usize::MAX, ..Policy::default() };
    let mut decisions = decide(&everything, &HashMap::new(), &keep_all, group_by, SystemEnvironment.now());
    for decision in &mut decisions {
        if chosen.iter().any(|record| record.id == decision.record.id) {
            decision.reasons.clear();
            if records.pins.contains_key(&decision.record.id) {
                decision.reasons.push(vectar::retention::Reason::Pinned);
            }
        }
    }
    decisions
}

/// The three things that are asked for twice.
fn refuse(args: &ForgetArgs, records: &RecordList, decisions: &[Decision<'_>]) -> Result<(), CliError> {
    let leaving: Vec<&Decision<'_>> = decisions.iter().filter(|decision| !decision.is_kept()).collect();
    let pinned = decisions
        .iter()
        .find(|decision| !args.backups.is_empty() && decision.reasons == [vectar::retention::Reason::Pinned]);
    if let Some(pinned) = pinned {
        return Err(CliError::new(ExitCode::Failed, format_args!("backup {} is pinned", pinned.record.id.short()))
            .cause(records.pins.get(&pinned.record.id).cloned().unwrap_or_default())
            .safe("nothing was forgotten")
            .hint(format!("run \"vectar unpin {}\" first", pinned.record.id.short())));
    }
    if !records.unreadable.is_empty() {
        return Err(CliError::new(
            ExitCode::Damage,
            "some records cannot be read, so nobody knows what the others are to them",
        )
        .safe("nothing was forgotten")
        .hint("run \"vectar check\" to see which ones"));
    }
    let emptied = groups_emptied(decisions);
    if !emptied.is_empty() && !args.unsafe_allow_remove_all {
        let mut error = CliError::new(ExitCode::Failed, "the last good backup of a group would go");
        for group in emptied {
            error = error.cause(group);
        }
        return Err(error
            .safe("nothing was forgotten")
            .hint("keep at least one, such as with --keep-last 1")
            .hint("add --unsafe-allow-remove-all if that is meant"));
    }
    let all = records.backups.len();
    if leaving.len() * 100 > all * PART_MAX_PERCENT && !args.yes {
        return Err(CliError::new(
            ExitCode::Failed,
            format_args!("{} of {all} backups would be forgotten, more than {PART_MAX_PERCENT} percent", leaving.len()),
        )
        .safe("nothing was forgotten")
        .hint("add -n to see each of them, and --yes if that is meant"));
    }
    Ok(())
}

fn print(decisions: &[Decision<'_>], dry_run: bool, out: &Out) -> Result<(), CliError> {
    let reasons = |decision: &Decision<'_>| decision.reasons.iter().map(ToString::to_string).collect::<Vec<_>>();
    if out.is_json() {
        return decisions.iter().try_for_each(|decision| {
            out.json(
                "decision",
                &json!({
                    "id": decision.record.id.to_string(),
                    "name": decision.record.subject.name,
                    "group": decision.group.to_string(),
                    "taken_at": utc(decision.record.taken_or_stored_at()),
                    "good": decision.is_good,
                    "keep": decision.is_kept(),
                    "reasons": reasons(decision),
                    "dry_run": dry_run,
                }),
            )
        });
    }
    let mut table = Table::new([
        ("ID", Align::Left),
        ("TAKEN", Align::Left),
        ("GROUP", Align::Left),
        ("", Align::Left),
        ("REASON", Align::Left),
    ]);
    for decision in decisions {
        table.row([
            decision.record.id.short(),
            utc(decision.record.taken_or_stored_at()),
            decision.group.to_string(),
            if decision.is_kept() { "keep" } else { "forget" }.to_owned(),
            match decision.is_kept() {
                true => reasons(decision).join(", "),
                false if decision.is_good => "no rule keeps it".to_owned(),
                false => "not good: damaged, partial or unknown".to_owned(),
            },
        ]);
    }
    table.print(out)
}

/// Runs `undelete`.
pub(crate) fn undelete(args: &UndeleteArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let repository = context.repository()?;
    let forgotten = repository.forgotten().map_err(Error::from)?;
    let out = context.out();
    for unreadable in &forgotten.unreadable {
        out.warn(format_args!("a forgotten backup cannot be read: {}", unreadable.key));
        context.note_incomplete();
    }
    if args.backups.is_empty() {
        return list_forgotten(&forgotten, context);
    }
    let known: Vec<BackupRecord> = forgotten.backups.iter().map(|forgotten| forgotten.record.clone()).collect();
    let engine = context.engine_of(&repository)?;
    for name in &args.backups {
        let record = select::one(name, &known, &select::Filter::default())?;
        let found = forgotten.backups.iter().find(|forgotten| forgotten.id() == record.id);
        let found = found.expect("the record was taken from this list");
        let back = engine.repository().undelete(found).map_err(|error| {
            CliError::from(Error::from(error)).context(format_args!("cannot take back backup {}", record.id.short()))
        })?;
        match out.is_json() {
            true => out.json("undeleted", &json!({ "id": back.id.to_string(), "name": back.subject.name }))?,
            false => out.line(format_args!("took back {} ({})", back.id.short(), back.subject.name))?,
        }
    }
    Ok(context.outcome())
}

fn list_forgotten(forgotten: &vectar::ForgottenList, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let out = context.out();
    let mut table =
        Table::new([("ID", Align::Left), ("NAME", Align::Left), ("TAKEN", Align::Left), ("FORGOTTEN", Align::Left)]);
    for one in &forgotten.backups {
        if out.is_json() {
            let at = utc(one.at);
            out.json(
                "forgotten",
                &json!({ "id": one.id().to_string(), "name": one.record.subject.name, "forgotten_at": at }),
            )?;
        }
        table.row([
            one.id().short(),
            one.record.subject.name.clone(),
            utc(one.record.taken_or_stored_at()),
            utc(one.at),
        ]);
    }
    match (out.is_json(), table.is_empty()) {
        (true, _) => {}
        (false, true) => out.note("nothing is forgotten"),
        (false, false) => table.print(out)?,
    }
    Ok(context.outcome())
}
