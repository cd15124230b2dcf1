//! `forget` and `undelete`.

use clap::Args;
use jiff::SignedDuration;
use serde_json::json;
use vectar::{
    BackupRecord, Environment as _, Error, RecordList, RepositoryErrorKind, SystemEnvironment,
    retention::{Decision, GroupField, Policy, decide, decide_named, groups_emptied},
    select,
};

use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{Align, Out, Table, counted, plain_word, time::parse_age, utc},
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
    /// Which ones, named as everywhere: ids, file names, set:ID
    #[arg(value_name = "BACKUP")]
    backups: Vec<String>,
}

/// Runs `forget`.
pub(crate) fn run(args: &ForgetArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    args.refuse_unclear()?;
    let filter = args.select.filter()?;
    let repository = context.repository()?;
    let records = context.records(&repository)?;
    let named = args.named(&records, &filter)?;
    let decisions = match args.backups.is_empty() {
        false => decide_named(&records, &named, args.group_by()),
        true => {
            let now = SystemEnvironment.now();
            decide(&records, &filter.apply(&records.backups), &args.policy(), args.group_by(), now)
        }
    };
    let leaving: Vec<&Decision<'_>> = decisions.iter().filter(|decision| !decision.is_kept()).collect();
    let out = context.out();
    print(&decisions, args, out)?;
    let refused = refuse(args, &records, &decisions);
    if args.dry_run {
        let count = counted(leaving.len() as u64, "backup");
        out.note(format_args!("{count} would be forgotten, {} would stay", decisions.len() - leaving.len()));
        if let Err(error) = refused {
            let causes: Vec<&str> = error.causes.iter().map(String::as_str).collect();
            out.warn(format_args!("without -n this would be refused: {}: {}", error.message, causes.join(", ")));
        }
        return Ok(context.outcome());
    }
    refused?;
    for (done, decision) in leaving.iter().enumerate() {
        context.cancel().check()?;
        repository.forget(decision.record).map_err(|error| not_forgotten(error, decision.record, done))?;
    }
    match (decisions.len(), leaving.len()) {
        (0, _) => out.note("no backup fits"),
        (_, 0) => out.note("nothing is to be forgotten"),
        (_, count) => out.note(format_args!(
            "{} forgotten; \"vectar undelete\" takes them back, \"vectar prune\" frees their space after the grace",
            counted(count as u64, "backup")
        )),
    }
    Ok(context.outcome())
}

/// Says how far it came, and what gives room on a full storage.
fn not_forgotten(error: vectar::RepositoryError, record: &BackupRecord, done: usize) -> CliError {
    let no_space = error.kind() == RepositoryErrorKind::NoSpace;
    let error = CliError::from(error)
        .context(format_args!("cannot forget backup {}", record.id.short()))
        .safe(format_args!("{} forgotten before it; this one and the others stay", counted(done as u64, "backup")));
    match no_space {
        true => error.hints(["run \"vectar prune\" first: it gives the reserve up".to_owned()]),
        false => error,
    }
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

    fn group_by(&self) -> &[GroupField] {
        if self.group_by.is_empty() { &GroupField::ALL } else { &self.group_by }
    }

    /// Nothing is forgotten unless it is clear what is to be kept, or what is to go.
    fn refuse_unclear(&self) -> Result<(), CliError> {
        match (self.policy().is_empty(), self.backups.is_empty()) {
            (true, true) => Err(CliError::new(ExitCode::Usage, "nothing says what to forget")
                .cause("no --keep-… option says what to keep, and no backup is named")
                .safe("nothing was forgotten")
                .hint("say what to keep, such as --keep-daily 7 --keep-weekly 5 --keep-monthly 12")
                .hint("add -n to see what would happen")),
            (false, false) => Err(CliError::new(ExitCode::Usage, "backups are named, and a policy is given too")
                .cause("nobody can tell whether the policy is to keep some of them")
                .safe("nothing was forgotten")
                .hint("name backups, or say what to keep")),
            _ => Ok(()),
        }
    }

    /// The backups that are named.
    fn named<'r>(&self, records: &'r RecordList, filter: &select::Filter) -> Result<Vec<&'r BackupRecord>, CliError> {
        let mut named = Vec::new();
        for name in &self.backups {
            named.extend(select::many(name, &records.backups, filter)?);
        }
        Ok(named)
    }
}

/// What is asked for twice, or not done at all.
fn refuse(args: &ForgetArgs, records: &RecordList, decisions: &[Decision<'_>]) -> Result<(), CliError> {
    let nothing = |error: CliError| error.safe("nothing was forgotten");
    let kept_by_pin = decisions.iter().find(|decision| !args.backups.is_empty() && decision.is_kept());
    if let Some(pinned) = kept_by_pin {
        let id = pinned.record.id.short();
        let why = records.pins.get(&pinned.record.id).filter(|why| !why.is_empty());
        let error = nothing(CliError::new(ExitCode::Failed, format_args!("backup {id} is pinned")))
            .cause(why.map_or("nobody said why", String::as_str));
        return Err(error.hint(format_args!("run \"vectar unpin {id}\" first")));
    }
    if let Some(unreadable) = records.unreadable.first() {
        let message = "some records cannot be read, so nobody knows what the others are to them";
        return Err(nothing(CliError::new(ExitCode::Damage, message))
            .cause(&unreadable.key)
            .hint("run \"vectar check\" to see which ones"));
    }
    let emptied = groups_emptied(records, decisions, args.group_by());
    if !emptied.is_empty() && !args.unsafe_allow_remove_all {
        let error = nothing(CliError::new(ExitCode::Failed, "the last good backup of a group would go"));
        let error = emptied.iter().fold(error, |error, group| error.cause(group));
        let error = match args.backups.is_empty() {
            true => error.hint("keep at least one, such as with --keep-last 1"),
            false => error,
        };
        return Err(error.hint("add --unsafe-allow-remove-all if that is meant"));
    }
    let leaving = decisions.iter().filter(|decision| !decision.is_kept()).count();
    let all = records.backups.len();
    if leaving * 100 > all * PART_MAX_PERCENT && !args.yes {
        let message = format!("{leaving} of {all} backups would be forgotten");
        return Err(nothing(CliError::new(ExitCode::Failed, message))
            .cause(format_args!("that is more than {PART_MAX_PERCENT} percent of all"))
            .hint("add -n to see each of them, and --yes if that is meant"));
    }
    Ok(())
}

/// Prints the decisions group by group; the columns line up over all of them.
fn print(decisions: &[Decision<'_>], args: &ForgetArgs, out: &Out) -> Result<(), CliError> {
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
                    "reasons": decision.reasons.iter().map(ToString::to_string).collect::<Vec<_>>(),
                    "dry_run": args.dry_run,
                }),
            )
        });
    }
    let mut table = Table::new([("", Align::Left); 5]);
    for decision in decisions {
        table.row([
            if decision.is_kept() { "  keep" } else { "  forget" }.to_owned(),
            decision.record.id.short(),
            utc(decision.record.taken_or_stored_at()),
            decision.record.subject.name.clone(),
            reason(decision, args),
        ]);
    }
    let rows = table.lines().into_iter().skip(1).zip(decisions);
    let mut group = None;
    for (row, decision) in rows {
        if group != Some(&decision.group) {
            group = Some(&decision.group);
            out.line(plain_word(&decision.group.to_string()))?;
        }
        out.line(row)?;
    }
    Ok(())
}

fn reason(decision: &Decision<'_>, args: &ForgetArgs) -> String {
    if decision.is_kept() {
        let reasons: Vec<String> = decision.reasons.iter().map(ToString::to_string).collect();
        return reasons.join(", ");
    }
    match (decision.why_not_good(), &decision.record.subject.set) {
        (_, None) if !args.backups.is_empty() => "named".to_owned(),
        (_, Some(set)) if !args.backups.is_empty() => format!("named, or of set {set}"),
        (Some(why), _) => why.to_owned(),
        (None, _) => "no rule keeps it".to_owned(),
    }
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
        for record in select::many(name, &known, &select::Filter::default()).map_err(not_forgotten_ever)? {
            let found = forgotten.backups.iter().find(|forgotten| forgotten.id() == record.id);
            let found = found.expect("the record was taken from this list");
            let back = engine.repository().undelete(found).map_err(|error| {
                CliError::from(error).context(format_args!("cannot take back backup {}", record.id.short()))
            })?;
            match out.is_json() {
                true => out.json("undeleted", &json!({ "id": back.id.to_string(), "name": back.subject.name }))?,
                false => out.line(format_args!("took back {} ({})", back.id.short(), back.subject.name))?,
            }
        }
    }
    Ok(context.outcome())
}

/// Says where to look for what can be taken back.
fn not_forgotten_ever(error: Error) -> CliError {
    let hint = "run \"vectar undelete\" without a name to see what can be taken back";
    match error {
        Error::BackupNotFound { .. } => CliError::from(error).hints([hint.to_owned()]),
        error => error.into(),
    }
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
