//! `compat`: which versions of Qdrant can load a snapshot, and what one version can load of all backups.

use clap::Args;
use serde::Serialize;
use vectar::{
    BackupRecord, Content, QdrantVersion, VersionRange,
    compat::{CollectionTally, CompatTally, JudgedSnapshot, VerdictCounts, judge},
    qdrant_compat::{
        CompatBound, CompatEvidence, CompatRemark, Compatibility, LoadRange, NEWEST, OfficialRule, Verdict,
    },
    words::one_line,
};

use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{Align, Out, Table, counted, plain_word},
    select_args::SelectArgs,
    snapshot_arg::NamedSnapshot,
};

/// Say which versions of Qdrant can load a snapshot, and why
///
/// Qdrant writes its version into no snapshot and compares none when it loads one; what decides is what the files ask for. Only headers
/// and small files are read, and no server is asked: what is known of versions comes from Qdrant's sources and its maintainers. With
/// --to each collection gets a verdict: ok; only via other versions, which must load it first and take a new snapshot; not alone, for partial
/// snapshots; no; unknown.
/// Officially a snapshot is restored by the minor version that made it or the next one, so that is said beside. Without an argument all
/// backups are judged that the filters choose. Ends with 1 when --to names a version that cannot load all of them as they are (partial
/// snapshots aside), and with 3 when something could not be judged.
#[derive(Debug, Args)]
pub(crate) struct CompatArgs {
    /// The backup or file to judge; all backups without it
    #[arg(value_name = "BACKUP|FILE")]
    snapshot: Option<String>,
    /// Ask for this version, such as 1.18.3; 1.18 means its last patch that is known here
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(QdrantVersion))]
    to: Option<QdrantVersion>,
    #[command(flatten)]
    select: SelectArgs,
}

#[derive(Serialize)]
struct CompatLine<'l> {
    file: Option<String>,
    backup: Option<String>,
    name: String,
    kind: &'static str,
    collection: Option<&'l str>,
    written_by: &'l VersionRange,
    restorable_by: LoadRange,
    reasons: Vec<ReasonView>,
    caveats: &'l [CompatRemark],
    damaged: bool,
    to: Option<String>,
    verdict: Option<&'static str>,
    via: Vec<String>,
    official: Option<OfficialRule>,
    official_makers: Vec<String>,
}

#[derive(Serialize)]
struct ReasonView {
    sign: String,
    at_least: Option<String>,
    before: Option<String>,
    rewritten_from: Option<String>,
    evidence: CompatEvidence,
    place: String,
}

#[derive(Serialize)]
struct CompatCollectionLine<'l> {
    collection: Option<&'l str>,
    to: String,
    verdict: &'static str,
    via: Vec<String>,
    newest_id: String,
    backups: CountsView,
}

#[derive(Serialize)]
struct CompatRepositoryLine {
    to: String,
    backups: CountsView,
    failed: u64,
}

#[derive(Serialize)]
struct CountsView {
    total: u64,
    ok: u64,
    via: u64,
    not_alone: u64,
    no: u64,
    unknown: u64,
}

/// Runs the command.
pub(crate) fn run(args: &CompatArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    match &args.snapshot {
        Some(name) => one(name, args, context),
        None => all(args, context),
    }
}

fn one(name: &str, args: &CompatArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let snapshot = NamedSnapshot::find(name, &args.select.filter()?, context)?;
    let judged = judge(&snapshot.open()?)?;
    let (file, backup) = match &snapshot {
        NamedSnapshot::File(path) => (Some(path.display().to_string()), None),
        NamedSnapshot::Backup { record, .. } => (None, Some(record.id.to_string())),
    };
    let subject = Subject { file, backup, name: snapshot.name() };
    match context.out().is_json() {
        true => print_json(&subject, &judged, args.to, context.out())?,
        false => {
            context.out().line(plain_word(&snapshot.title()))?;
            judged.collections.iter().try_for_each(|collection| print(collection, args.to, context.out()))?;
        }
    }
    let mut counts = Answer::default();
    counts.take(&judged, args.to);
    counts.conclude(context)
}

fn all(args: &CompatArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let filter = args.select.filter()?;
    let repository = context.repository()?;
    let records = context.records(&repository)?;
    let engine = context.engine_of(&repository)?;
    let out = context.out();
    let mut tally = args.to.map(CompatTally::new);
    let (mut answer, mut failed) = (Answer::default(), 0);
    let mut table = Table::new([
        ("ID", Align::Left),
        ("COLLECTION", Align::Left),
        ("WRITTEN BY", Align::Left),
        ("RESTORABLE BY", Align::Left),
        ("NAME", Align::Left),
    ]);
    for record in filter.apply(&records.backups) {
        context.cancel().check()?;
        let judged = match judge(&Content::backup(&engine, record)) {
            Ok(judged) => judged,
            Err(error) => {
                let why = one_line(&error);
                out.warn(format_args!("backup {} cannot be judged: {why}", record.id.short()));
                context.note_incomplete();
                failed += 1;
                continue;
            }
        };
        answer.take(&judged, args.to);
        if let Some(tally) = &mut tally {
            tally.add(record, &judged);
        }
        if out.is_json() {
            let (id, name) = (record.id.to_string(), record.subject.name.clone());
            print_json(&Subject { file: None, backup: Some(id), name }, &judged, args.to, out)?;
            continue;
        }
        judged.collections.iter().for_each(|collection| table.row(row(record, collection)));
    }
    match (&tally, args.to) {
        (Some(tally), Some(target)) => print_tally(tally, target, failed, out)?,
        _ if !out.is_json() => table.print(out)?,
        _ => {}
    }
    answer.conclude(context)
}

/// What the exit code is made of.
#[derive(Default)]
struct Answer {
    refused: bool,
    unknown: bool,
}

impl Answer {
    fn take(&mut self, judged: &JudgedSnapshot, target: Option<QdrantVersion>) {
        self.unknown |= judged.is_damaged;
        for verdict in target.iter().flat_map(|target| judged.collections.iter().map(|each| each.verdict(*target))) {
            self.refused |= matches!(verdict, Verdict::Via(_) | Verdict::No);
            self.unknown |= verdict == Verdict::Unknown;
        }
    }

    fn conclude(&self, context: &Context<'_>) -> Result<ExitCode, CliError> {
        if self.unknown {
            context.note_incomplete();
        }
        Ok(if self.refused { ExitCode::Failed } else { context.outcome() })
    }
}

/// Whose line it is.
struct Subject {
    file: Option<String>,
    backup: Option<String>,
    name: String,
}

fn print_json(
    subject: &Subject,
    judged: &JudgedSnapshot,
    target: Option<QdrantVersion>,
    out: &Out,
) -> Result<(), CliError> {
    for collection in &judged.collections {
        let verdict = target.map(|target| collection.verdict(target));
        let makers = target.map(|target| collection.official_makers(target)).unwrap_or_default();
        let line = CompatLine {
            file: subject.file.clone(),
            backup: subject.backup.clone(),
            name: subject.name.clone(),
            kind: judged.kind.as_str(),
            collection: collection.collection.as_deref(),
            written_by: &collection.written_by,
            restorable_by: collection.restorable_by,
            reasons: reasons(collection),
            caveats: &collection.caveats,
            damaged: judged.is_damaged,
            to: target.map(|target| target.to_string()),
            verdict: verdict.as_ref().map(Verdict::as_str),
            via: verdict.as_ref().map(via).unwrap_or_default(),
            official: target.map(|target| collection.official(target)),
            official_makers: makers.into_iter().map(minor).collect(),
        };
        out.json("compat", &line)?;
    }
    Ok(())
}

fn reasons(collection: &Compatibility) -> Vec<ReasonView> {
    let view = |reason: &vectar::qdrant_compat::CompatReason| {
        let (at_least, before, rewritten_from) = match reason.bound {
            CompatBound::AtLeast(version) => (Some(version), None, None),
            CompatBound::Before { before, rewritten_from } => (None, Some(before), Some(rewritten_from)),
        };
        let text = |version: Option<QdrantVersion>| version.map(|version| version.to_string());
        ReasonView {
            sign: reason.sign.to_string(),
            at_least: text(at_least),
            before: text(before),
            rewritten_from: text(rewritten_from),
            evidence: reason.evidence,
            place: reason.place.clone(),
        }
    };
    collection.reasons.iter().map(view).collect()
}

fn print(collection: &Compatibility, target: Option<QdrantVersion>, out: &Out) -> Result<(), CliError> {
    let name = collection.collection.as_deref().unwrap_or("(name unknown)");
    out.line(format_args!("collection {}", plain_word(name)))?;
    out.line(format_args!("  written by     {}", collection.written_by))?;
    out.line(format_args!("  restorable by  {}; {NEWEST} is the newest known here", range(collection.restorable_by)))?;
    for reason in reasons(collection) {
        let place = plain_word(within_level(&reason.place));
        let bound = match (&reason.at_least, &reason.before, &reason.rewritten_from) {
            (Some(at_least), ..) => format!("{at_least} or newer"),
            (_, Some(before), Some(from)) => format!("before {before}; {from} and later rewrite it"),
            _ => String::new(),
        };
        out.line(format_args!("    {bound}: {} ({place})", reason.sign))?;
    }
    for remark in &collection.caveats {
        out.line(format_args!("  note: {} ({})", remark.caveat, plain_word(&remark.place)))?;
    }
    match target {
        Some(target) => {
            let to = format!("to {target}");
            out.line(format_args!("  {to:<15}{}", answer_to(collection, target)))
        }
        None => out.line("  officially     by the minor version that made it, and by the next one"),
    }
}

fn answer_to(collection: &Compatibility, target: QdrantVersion) -> String {
    let verdict = collection.verdict(target);
    let text = sentence(&verdict);
    if let Some(why) = why_not(collection, &verdict, target) {
        return format!("{text}: {why}");
    }
    let makers: Vec<String> = collection.official_makers(target).into_iter().map(minor).collect();
    match collection.official(target) {
        OfficialRule::Kept => format!("{text}; officially too"),
        OfficialRule::Depends => format!("{text}; officially only if {} made it", makers.join(" or ")),
        OfficialRule::Broken => format!("{text}; officially not: too far from every version that can have made it"),
    }
}

/// Why a verdict is not a better one, where the lines above it do not say so.
fn why_not(collection: &Compatibility, verdict: &Verdict, target: QdrantVersion) -> Option<&'static str> {
    let is_too_old = collection.restorable_by.at_least.is_some_and(|at_least| target < at_least);
    let is_hidden = collection.caveats.iter().any(|remark| remark.caveat.hides_the_answer());
    match verdict {
        Verdict::Ok | Verdict::Via(_) => None,
        Verdict::NotAlone => Some("it needs the shard that it was made for"),
        Verdict::No if is_too_old => Some("that version is too old for what is in it"),
        Verdict::No => Some("no version that could rewrite it can load all of it"),
        Verdict::Unknown if is_hidden => Some("the notes say why"),
        Verdict::Unknown if target.is_unknown_future() => Some("nothing is known here of that version"),
        Verdict::Unknown => {
            Some("that version is older than each that can have made it; nothing in it is known to be in the way")
        }
    }
}

fn sentence(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Via(_) => format!("only via {}", via(verdict).join(", then ")),
        Verdict::NotAlone => "not alone".to_owned(),
        other => other.as_str().to_owned(),
    }
}

/// The path within its own tar level, without what every regular segment has in front: a whole path is in the JSON.
fn within_level(place: &str) -> &str {
    let last = place.rsplit('!').next().unwrap_or(place);
    last.strip_prefix("snapshot/files/").unwrap_or(last)
}

fn via(verdict: &Verdict) -> Vec<String> {
    match verdict {
        Verdict::Via(stops) => stops.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}

fn minor(version: QdrantVersion) -> String {
    format!("{}.{}", version.major, version.minor)
}

fn range(range: LoadRange) -> String {
    match (range.at_least, range.before) {
        (None, None) => "any version".to_owned(),
        (Some(at_least), None) => format!("{at_least} or newer"),
        (None, Some(before)) => format!("before {before}"),
        (Some(at_least), Some(before)) if at_least < before => format!("{at_least} or newer, before {before}"),
        (Some(at_least), Some(before)) => format!("none: {at_least} or newer and yet before {before}"),
    }
}

fn row(record: &BackupRecord, collection: &Compatibility) -> [String; 5] {
    let written = LoadRange { at_least: collection.written_by.at_least, before: collection.written_by.before };
    let written = match written {
        LoadRange { at_least: None, before: None } => "unknown".to_owned(),
        written => range(written),
    };
    let name = collection.collection.clone().or_else(|| record.subject.collection.clone());
    [
        record.id.short(),
        name.unwrap_or_else(|| "-".to_owned()),
        written,
        range(collection.restorable_by),
        record.subject.name.clone(),
    ]
}

fn print_tally(tally: &CompatTally, target: QdrantVersion, failed: u64, out: &Out) -> Result<(), CliError> {
    if out.is_json() {
        for (name, collection) in &tally.collections {
            out.json("compat-collection", &collection_line(name.as_deref(), collection, target))?;
        }
        let line = CompatRepositoryLine { to: target.to_string(), backups: counts(tally.backups), failed };
        return out.json("compat-repository", &line);
    }
    let right = Align::Right;
    let mut table = Table::new([
        ("COLLECTION", Align::Left),
        ("NEWEST", Align::Left),
        ("VERDICT", Align::Left),
        ("BACKUPS", right),
        ("OK", right),
        ("VIA", right),
        ("PARTIAL", right),
        ("NO", right),
        ("UNKNOWN", right),
    ]);
    for (name, collection) in &tally.collections {
        let CollectionTally { newest, newest_verdict, counts } = collection;
        table.row([
            name.clone().unwrap_or_else(|| "-".to_owned()),
            newest.id.short(),
            sentence(newest_verdict),
            counts.total().to_string(),
            counts.ok.to_string(),
            counts.via.to_string(),
            counts.not_alone.to_string(),
            counts.no.to_string(),
            counts.unknown.to_string(),
        ]);
    }
    table.print(out)?;
    let VerdictCounts { ok, via, not_alone, no, unknown } = tally.backups;
    let all = counted(tally.backups.total(), "backup");
    out.line(format_args!(
        "Qdrant {target} loads {ok} of {all} as they are; {via} only via other versions, {no} not at all, {unknown} not known, \
         {not_alone} partial"
    ))
}

fn collection_line<'l>(
    name: Option<&'l str>,
    collection: &CollectionTally,
    target: QdrantVersion,
) -> CompatCollectionLine<'l> {
    CompatCollectionLine {
        collection: name,
        to: target.to_string(),
        verdict: collection.newest_verdict.as_str(),
        via: via(&collection.newest_verdict),
        newest_id: collection.newest.id.to_string(),
        backups: counts(collection.counts),
    }
}

fn counts(counts: VerdictCounts) -> CountsView {
    let VerdictCounts { ok, via, not_alone, no, unknown } = counts;
    CountsView { total: counts.total(), ok, via, not_alone, no, unknown }
}
