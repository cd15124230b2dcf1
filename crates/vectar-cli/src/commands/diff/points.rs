//! `diff --points`: what became of the points between two snapshots.

use std::{
    collections::BTreeSet,
    io::{BufWriter, StdoutLock, Write},
};

use serde::Serialize;
use vectar::{
    Error, Inside, PointChange, PointChangeKind, PointChanges, SnapshotKind, point_changes,
    points::{PointQuery, scroll},
    words::grouped,
};

use super::{DiffArgs, Places, SideView};
use crate::{
    commands::point_arguments::mention_wal_tails,
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{Align, Table, counted, json, plain_word, stdout_failed},
    snapshot_arg::mention_findings,
};

/// One point that differs. An id alone is ambiguous where several collections are compared.
#[derive(Serialize)]
struct ChangeLine<'l> {
    #[serde(skip_serializing_if = "Option::is_none")]
    collection: Option<&'l str>,
    #[serde(flatten)]
    change: PointChange,
}

#[derive(Serialize)]
struct CountsLine<'l> {
    collection: Option<&'l str>,
    #[serde(flatten)]
    changes: PointChanges,
}

#[derive(Serialize)]
struct DiffPointsLine {
    different: bool,
    old: SideView,
    new: SideView,
}

/// Runs the command.
pub(super) fn run(args: &DiffArgs, places: &Places, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let contents = (places.content(&places.old)?, places.content(&places.new)?);
    let (old, new) = (Inside::open(&contents.0)?, Inside::open(&contents.1)?);
    let pairs = pairs(&old, &new, args.select.collection.as_deref())?;
    let out = context.out();
    for (place, inside) in [(&places.old, &old), (&places.new, &new)] {
        mention_findings(inside.catalogue(), context);
        for pair in pairs.iter().filter(|pair| pair.is_in(inside)) {
            mention_wal_tails(&place.name(), &inside.wal_tails(pair.name.as_deref(), args.select.shard)?, out);
        }
    }
    let mut list = List {
        lines: (out.is_json() || args.list).then(|| BufWriter::new(out.bytes().lock())),
        is_json: out.is_json(),
        names_collections: pairs.len() > 1,
    };
    let mut compared = Vec::with_capacity(pairs.len());
    for pair in &pairs {
        let changes = pair.compare(args.select.shard, (&old, &new), context, &mut list)?;
        compared.push((pair.shown.as_deref(), changes));
    }
    drop(list);
    match (out.is_json(), args.list) {
        (true, _) => print_json(&compared, places, (&old, &new), context)?,
        (false, true) => compared.iter().for_each(|(name, changes)| out.note(sentence(*name, changes))),
        (false, false) => print_table(&compared, places, (&old, &new), context)?,
    }
    Ok(context.outcome())
}

/// A collection that both snapshots have, or one of them.
struct Pair {
    /// What to ask both for; `None` for the only one they have, whatever it is called.
    name: Option<String>,
    /// What to call it.
    shown: Option<String>,
    in_old: bool,
    in_new: bool,
}

impl Pair {
    /// Whether a snapshot has it.
    fn is_in(&self, inside: &Inside<'_, '_>) -> bool {
        self.name.is_none() || names_of(inside).any(|name| name.is_none() || name == self.name.as_deref())
    }

    fn compare(
        &self,
        shard: Option<u32>,
        (old, new): (&Inside<'_, '_>, &Inside<'_, '_>),
        context: &Context<'_>,
        list: &mut List<'_>,
    ) -> Result<PointChanges, CliError> {
        let collection = self.name.as_deref();
        let mut take = |change: PointChange| list.take(self.shown.as_deref(), change);
        let compared = match (self.in_old, self.in_new) {
            (true, true) => point_changes((old, new), collection, shard, context.cancel(), take),
            (is_old, _) => {
                let (inside, change) = match is_old {
                    true => (old, PointChangeKind::Removed),
                    false => (new, PointChangeKind::Added),
                };
                let collection = collection.map(str::to_owned);
                let query = PointQuery { collection, shard, without_payload: true, ..PointQuery::default() };
                let counted =
                    scroll(inside, &query, context.cancel(), |point| take(PointChange { id: point.id, change }));
                counted.map(|points| match is_old {
                    true => PointChanges { first: points, removed: points, ..PointChanges::default() },
                    false => PointChanges { second: points, added: points, ..PointChanges::default() },
                })
            }
        };
        let flushed = list.lines.as_mut().map_or(Ok(()), Write::flush).map_err(stdout_failed);
        match compared {
            Err(Error::Target { source, .. }) => Err(stdout_failed(source)),
            compared => compared.map_err(CliError::from).and_then(|changes| flushed.map(|()| changes)),
        }
    }
}

/// Names of the collections of a snapshot; `None` for one that nobody can name.
fn names_of<'i>(inside: &'i Inside<'_, '_>) -> impl Iterator<Item = Option<&'i str>> {
    inside
        .named_outline()
        .collections
        .iter()
        .map(|collection| collection.name.as_deref().or(collection.file.as_deref()))
}

/// Which collection belongs to which. The only ones of two snapshots belong together; full snapshots are paired by name, and a full one
/// and another have the other's in common.
fn pairs(old: &Inside<'_, '_>, new: &Inside<'_, '_>, chosen: Option<&str>) -> Result<Vec<Pair>, CliError> {
    let is_full = |inside: &Inside<'_, '_>| inside.outline().kind == SnapshotKind::Full;
    if let Some(name) = chosen {
        let name = Some(name.to_owned());
        return Ok(vec![Pair { shown: name.clone(), name, in_old: true, in_new: true }]);
    }
    let only = match (is_full(old), is_full(new)) {
        (false, false) => {
            let only = |inside| names_of(inside).flatten().next().map(str::to_owned);
            let shown = only(new).or_else(|| only(old));
            return Ok(vec![Pair { name: None, shown, in_old: true, in_new: true }]);
        }
        (true, true) => {
            let names: BTreeSet<&str> = names_of(old).chain(names_of(new)).flatten().collect();
            let pair = |name: &str| Pair {
                name: Some(name.to_owned()),
                shown: Some(name.to_owned()),
                in_old: names_of(old).any(|known| known == Some(name)),
                in_new: names_of(new).any(|known| known == Some(name)),
            };
            return Ok(names.into_iter().map(pair).collect());
        }
        (true, false) => (old, names_of(new).flatten().next()),
        (false, true) => (new, names_of(old).flatten().next()),
    };
    match only {
        (_, Some(name)) => pairs(old, new, Some(name)),
        (full, None) => {
            let names: Vec<String> =
                names_of(full).flatten().map(|name| format!("--collection {}", plain_word(name))).collect();
            Err(CliError::new(ExitCode::Usage, "it is not known which collections belong together")
                .cause(format!(
                    "{} holds several, and the other snapshot does not say the name of its own",
                    full.content().name()
                ))
                .safe("no point was compared; nothing was changed")
                .hint(format!("add one of: {}", names.join(", "))))
        }
    }
}

/// Where the points that differ are listed, if they are.
struct List<'l> {
    lines: Option<BufWriter<StdoutLock<'l>>>,
    is_json: bool,
    names_collections: bool,
}

impl List<'_> {
    fn take(&mut self, collection: Option<&str>, change: PointChange) -> Result<(), Error> {
        let Some(lines) = &mut self.lines else { return Ok(()) };
        let line = ChangeLine { collection: collection.filter(|_| self.is_json || self.names_collections), change };
        let line = match self.is_json {
            true => json::line("point-change", &line),
            false => serde_json::to_string(&line).expect("ids and words are JSON"),
        };
        writeln!(lines, "{line}").map_err(|source| Error::Target { action: "write to", path: "-".into(), source })
    }
}

type Compared<'c> = (Option<&'c str>, PointChanges);

fn print_json(
    compared: &[Compared<'_>],
    places: &Places,
    (old, new): (&Inside<'_, '_>, &Inside<'_, '_>),
    context: &Context<'_>,
) -> Result<(), CliError> {
    for (collection, changes) in compared {
        context.out().json("point-changes", &CountsLine { collection: *collection, changes: *changes })?;
    }
    let line = DiffPointsLine {
        different: compared.iter().any(|(_, changes)| is_different(changes)),
        old: places.old.view(old.outline()),
        new: places.new.view(new.outline()),
    };
    context.out().json("diff-points", &line)
}

fn print_table(
    compared: &[Compared<'_>],
    places: &Places,
    (old, new): (&Inside<'_, '_>, &Inside<'_, '_>),
    context: &Context<'_>,
) -> Result<(), CliError> {
    let out = context.out();
    out.line(format_args!("old  {}", places.old.title(old.outline())))?;
    out.line(format_args!("new  {}", places.new.title(new.outline())))?;
    let right = Align::Right;
    let mut table = Table::new([
        ("COLLECTION", Align::Left),
        ("OLD", right),
        ("NEW", right),
        ("ADDED", right),
        ("REMOVED", right),
        ("PAYLOAD CHANGED", right),
        ("VECTOR CHANGED", right),
        ("UNCHANGED", right),
    ]);
    for (collection, changes) in compared {
        let PointChanges { first, second, added, removed, payload_changed, vector_changed, unchanged } = *changes;
        let [first, second, added, removed] = [first, second, added, removed].map(grouped);
        let [payload_changed, vector_changed, unchanged] = [payload_changed, vector_changed, unchanged].map(grouped);
        let collection = collection.unwrap_or("(name unknown)").to_owned();
        table.row([collection, first, second, added, removed, payload_changed, vector_changed, unchanged]);
    }
    table.print(out)
}

fn is_different(changes: &PointChanges) -> bool {
    changes.unchanged < changes.first.max(changes.second)
}

/// The counts in words.
fn sentence(collection: Option<&str>, changes: &PointChanges) -> String {
    let PointChanges { first, second, added, removed, payload_changed, vector_changed, unchanged } = *changes;
    let [added, removed, unchanged] = [added, removed, unchanged].map(grouped);
    let [payload_changed, vector_changed] = [payload_changed, vector_changed].map(grouped);
    format!(
        "collection {}: {} before, {} now; {added} added, {removed} removed, {payload_changed} with another payload, {vector_changed} with another vector, {unchanged} unchanged",
        collection.map_or_else(|| "(name unknown)".to_owned(), plain_word),
        counted(first, "point"),
        grouped(second),
    )
}
