//! `diff`: what is different between two snapshots.

mod places;
mod points;

use std::collections::BTreeSet;

use clap::Args;
use serde::Serialize;
use serde_json::Value;
use vectar::{
    Class,
    diff::{
        ClassFates, CollectionDiff, Fate, FilesDiff, SegmentDiff, ShardDiff, Side, SnapshotDiff, ValueChange, diff,
    },
};

use self::places::{Place, Places, SideView};
use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{Align, Out, Table, counted, plain_word, size},
    select_args::SelectArgs,
    snapshot_arg::mention_findings,
};

/// Files of one owner that a person is shown; the JSON has all of them.
const FILES_SHOWN: usize = 10;

/// Show what is different between two snapshots
///
/// Configuration, payload schema, aliases, replicas; which shards and segments came, went or changed; and which of their files, by the bytes
/// they stand for. Tar headers, the order of entries and where holes are say nothing and are not compared. Two backups of one repository are
/// compared by their recipes, so that only what may differ is read. With --points the points are compared instead: which came, went, or have
/// another payload or another vector, collection by collection; those of full snapshots are paired by name, and what the write-ahead logs
/// hold beyond the segments is not applied. Ends with 0 whether or not there is a difference, and with 3 when a snapshot is damaged or a
/// configuration cannot be read, so that some may be missing.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The backup or file to begin with
    #[arg(value_name = "BACKUP|FILE")]
    old: String,
    /// The backup or file to compare it with
    #[arg(value_name = "BACKUP|FILE")]
    new: String,
    /// Compare the points instead, by id
    #[arg(long)]
    points: bool,
    /// With --points: print each that differs as a JSON line; the counts go to stderr
    #[arg(long, requires = "points")]
    list: bool,
    #[command(flatten)]
    select: SelectArgs,
}

#[derive(Serialize)]
struct DiffValueLine<'l> {
    scope: &'static str,
    collection: Option<&'l str>,
    shard: Option<u32>,
    pointer: &'l str,
    old: Option<&'l Value>,
    new: Option<&'l Value>,
}

#[derive(Serialize)]
struct DiffPartLine<'l> {
    part: &'static str,
    fate: &'static str,
    collection: Option<&'l str>,
    shard: Option<u32>,
    segment: Option<&'l str>,
    old_name: Option<&'l str>,
    old_version: Option<u64>,
    new_version: Option<u64>,
    files: FatesView,
}

#[derive(Default, Serialize)]
struct FatesView {
    added: u64,
    removed: u64,
    changed: u64,
    unchanged: u64,
}

#[derive(Serialize)]
struct DiffFileLine<'l> {
    fate: &'static str,
    collection: Option<&'l str>,
    shard: Option<u32>,
    segment: Option<&'l str>,
    path: &'l str,
    class: &'static str,
    old_bytes: u64,
    new_bytes: u64,
}

#[derive(Serialize)]
struct DiffLine {
    different: bool,
    old: SideView,
    new: SideView,
    classes: Vec<ClassView>,
    unread: Vec<String>,
}

#[derive(Serialize)]
struct ClassView {
    class: &'static str,
    fate: &'static str,
    files: u64,
    old_bytes: u64,
    new_bytes: u64,
}

/// Runs the command.
pub(crate) fn run(args: &DiffArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let places = Places::find(args, context)?;
    if args.points {
        return points::run(args, &places, context);
    }
    let (old, new) = (places.open(&places.old)?, places.open(&places.new)?);
    let found = diff(&old, &new, context.cancel())?;
    let out = context.out();
    match out.is_json() {
        true => Printer { out }.json(&found, (&places.old, &old), (&places.new, &new))?,
        false => Printer { out }.text(&found, (&places.old, &old), (&places.new, &new))?,
    }
    for path in &found.unread {
        out.warn(format_args!("{} cannot be read, so what it says is not compared", plain_word(path)));
        context.note_incomplete();
    }
    for side in [&old, &new] {
        mention_findings(&side.listed, context);
    }
    Ok(context.outcome())
}

/// Whose lines are printed: a collection's, a shard's, a segment's.
#[derive(Clone, Copy, Default)]
struct Scope<'s> {
    collection: Option<&'s str>,
    shard: Option<u32>,
    segment: Option<&'s str>,
}

struct Printer<'o> {
    out: &'o Out,
}

impl Printer<'_> {
    fn json(&self, found: &SnapshotDiff, old: (&Place, &Side<'_>), new: (&Place, &Side<'_>)) -> Result<(), CliError> {
        self.json_values("aliases", Scope::default(), &found.aliases)?;
        for (fate, names) in [(Fate::Removed, &found.collections_removed), (Fate::Added, &found.collections_added)] {
            for name in names {
                let scope = Scope { collection: Some(name), ..Scope::default() };
                self.json_part("collection", fate, scope, None, None)?;
            }
        }
        self.json_files(Scope::default(), &found.other_files)?;
        found.collections.iter().try_for_each(|collection| self.json_collection(collection))?;
        let class = |((class, fate), total): (&(Class, Fate), &vectar::diff::FateTotal)| ClassView {
            class: class.as_str(),
            fate: fate.as_str(),
            files: total.files,
            old_bytes: total.old_bytes,
            new_bytes: total.new_bytes,
        };
        let line = DiffLine {
            different: !found.is_empty(),
            old: old.0.view(&old.1.outline),
            new: new.0.view(&new.1.outline),
            classes: found.classes().iter().map(class).collect(),
            unread: found.unread.clone(),
        };
        self.out.json("diff", &line)
    }

    fn json_collection(&self, collection: &CollectionDiff) -> Result<(), CliError> {
        let name = collection.new_name.as_deref().or(collection.old_name.as_deref());
        let scope = Scope { collection: name, ..Scope::default() };
        let fate = match collection.old_name == collection.new_name && collection.files.is_empty() {
            true => Fate::Unchanged,
            false => Fate::Changed,
        };
        self.json_part("collection", fate, scope, Some((collection.old_name.as_deref(), &collection.files)), None)?;
        self.json_values("config", scope, &collection.config)?;
        self.json_values("payload-schema", scope, &collection.payload_schema)?;
        self.json_values("shard-keys", scope, &collection.shard_keys)?;
        self.json_files(scope, &collection.files)?;
        for (fate, shards) in [(Fate::Removed, &collection.shards_removed), (Fate::Added, &collection.shards_added)] {
            for &shard in shards {
                self.json_part("shard", fate, Scope { shard, ..scope }, None, None)?;
            }
        }
        collection.shards.iter().try_for_each(|shard| self.json_shard(scope, shard))
    }

    fn json_shard(&self, scope: Scope<'_>, shard: &ShardDiff) -> Result<(), CliError> {
        let scope = Scope { shard: shard.id, ..scope };
        let fate = if shard.files.is_empty() { Fate::Unchanged } else { Fate::Changed };
        self.json_part("shard", fate, scope, Some((None, &shard.files)), None)?;
        self.json_values("replicas", scope, &shard.replicas)?;
        self.json_files(scope, &shard.files)?;
        for segment in &shard.segments {
            let scope = Scope { segment: Some(&segment.id), ..scope };
            self.json_part("segment", segment.fate, scope, Some((None, &segment.files)), Some(segment))?;
            self.json_files(scope, &segment.files)?;
        }
        Ok(())
    }

    fn json_part(
        &self,
        part: &'static str,
        fate: Fate,
        scope: Scope<'_>,
        own: Option<(Option<&str>, &FilesDiff)>,
        segment: Option<&SegmentDiff>,
    ) -> Result<(), CliError> {
        let files = own.map(|(_, files)| FatesView {
            added: files.count(Fate::Added),
            removed: files.count(Fate::Removed),
            changed: files.count(Fate::Changed),
            unchanged: files.count(Fate::Unchanged),
        });
        let line = DiffPartLine {
            part,
            fate: fate.as_str(),
            collection: scope.collection,
            shard: scope.shard,
            segment: scope.segment,
            old_name: own.and_then(|(old_name, _)| old_name),
            old_version: segment.and_then(|segment| segment.old_version),
            new_version: segment.and_then(|segment| segment.new_version),
            files: files.unwrap_or_default(),
        };
        self.out.json("diff-part", &line)
    }

    fn json_values(&self, what: &'static str, scope: Scope<'_>, changes: &[ValueChange]) -> Result<(), CliError> {
        changes.iter().try_for_each(|change| {
            let line = DiffValueLine {
                scope: what,
                collection: scope.collection,
                shard: scope.shard,
                pointer: &change.pointer,
                old: change.old.as_ref(),
                new: change.new.as_ref(),
            };
            self.out.json("diff-value", &line)
        })
    }

    fn json_files(&self, scope: Scope<'_>, files: &FilesDiff) -> Result<(), CliError> {
        files.files.iter().try_for_each(|file| {
            let line = DiffFileLine {
                fate: file.fate.as_str(),
                collection: scope.collection,
                shard: scope.shard,
                segment: scope.segment,
                path: &file.path,
                class: file.class.as_str(),
                old_bytes: file.old_bytes,
                new_bytes: file.new_bytes,
            };
            self.out.json("diff-file", &line)
        })
    }

    fn text(&self, found: &SnapshotDiff, old: (&Place, &Side<'_>), new: (&Place, &Side<'_>)) -> Result<(), CliError> {
        self.out.line(format_args!("old  {}", old.0.title(&old.1.outline)))?;
        self.out.line(format_args!("new  {}", new.0.title(&new.1.outline)))?;
        if found.is_empty() {
            return self.out.line("no difference; tar headers and the order of entries are not compared");
        }
        self.values("", "alias", &found.aliases)?;
        for (fate, names) in [(Fate::Removed, &found.collections_removed), (Fate::Added, &found.collections_added)] {
            for name in names {
                self.out.line(format_args!("collection {}: {}", plain_word(name), fate.as_str()))?;
            }
        }
        self.files("", &found.other_files)?;
        found.collections.iter().try_for_each(|collection| self.collection(collection))?;
        self.out.line("")?;
        classes(&found.classes()).print(self.out)
    }

    fn collection(&self, collection: &CollectionDiff) -> Result<(), CliError> {
        let text = |name: &Option<String>| plain_word(name.as_deref().unwrap_or("(name unknown)"));
        let (old, new) = (text(&collection.old_name), text(&collection.new_name));
        match old == new {
            true => self.out.line(format_args!("collection {new}"))?,
            false => self.out.line(format_args!("collection {new}, in the old one {old}"))?,
        }
        self.values("  ", "config", &collection.config)?;
        self.values("  ", "payload schema", &collection.payload_schema)?;
        self.values("  ", "shard key", &collection.shard_keys)?;
        self.files("  ", &collection.files)?;
        for (fate, shards) in [(Fate::Removed, &collection.shards_removed), (Fate::Added, &collection.shards_added)] {
            for shard in shards {
                self.out.line(format_args!("  {}: {}", shard_name(*shard), fate.as_str()))?;
            }
        }
        collection.shards.iter().try_for_each(|shard| self.shard(shard))
    }

    fn shard(&self, shard: &ShardDiff) -> Result<(), CliError> {
        self.out.line(format_args!("  {}", shard_name(shard.id)))?;
        self.values("    ", "replicas", &shard.replicas)?;
        self.files("    ", &shard.files)?;
        shard.segments.iter().try_for_each(|segment| self.segment(segment))
    }

    fn segment(&self, segment: &SegmentDiff) -> Result<(), CliError> {
        let files = &segment.files;
        let count = counted(files.classes.values().map(|total| total.files).sum(), "file");
        let bytes = |new: bool| {
            size(files.classes.values().map(|total| if new { total.new_bytes } else { total.old_bytes }).sum())
        };
        let id = plain_word(&segment.id);
        match segment.fate {
            Fate::Added => self.out.line(format_args!("    segment {id}: added, {count}, {}", bytes(true))),
            Fate::Removed => self.out.line(format_args!("    segment {id}: removed, {count}, {}", bytes(false))),
            Fate::Unchanged => self.out.line(format_args!("    segment {id}: unchanged, {count}, {}", bytes(true))),
            Fate::Changed => {
                let version = match (segment.old_version, segment.new_version) {
                    (old, new) if old == new => String::new(),
                    (old, new) => format!(", version {} to {}", or_none(old), or_none(new)),
                };
                let changed = files.files.len();
                self.out.line(format_args!("    segment {id}: changed{version}, {changed} of {count} differ"))?;
                self.files("      ", files)
            }
        }
    }

    fn values(&self, indent: &str, what: &str, changes: &[ValueChange]) -> Result<(), CliError> {
        let text = |value: &Option<Value>| plain_word(&value.as_ref().map_or("(absent)".to_owned(), Value::to_string));
        changes.iter().try_for_each(|change| {
            let (pointer, old, new) = (plain_word(&change.pointer), text(&change.old), text(&change.new));
            self.out.line(format_args!("{indent}{what} {pointer}: {old} to {new}"))
        })
    }

    fn files(&self, indent: &str, files: &FilesDiff) -> Result<(), CliError> {
        for file in files.files.iter().take(FILES_SHOWN) {
            let bytes = match file.fate {
                Fate::Added => size(file.new_bytes),
                Fate::Removed => size(file.old_bytes),
                _ if file.old_bytes == file.new_bytes => size(file.new_bytes),
                _ => format!("{} to {}", size(file.old_bytes), size(file.new_bytes)),
            };
            let (fate, path) = (file.fate.as_str(), plain_word(&file.path));
            self.out.line(format_args!("{indent}{fate:<7}  {path} ({}, {bytes})", file.class))?;
        }
        match files.files.len().checked_sub(FILES_SHOWN).filter(|&more| more > 0) {
            Some(more) => {
                self.out.line(format_args!("{indent}and {} more; --json has them", counted(more as u64, "file")))
            }
            None => Ok(()),
        }
    }
}

fn shard_name(shard: Option<u32>) -> String {
    shard.map_or_else(|| "shard (number unknown)".to_owned(), |shard| format!("shard {shard}"))
}

fn or_none(version: Option<u64>) -> String {
    version.map_or_else(|| "none".to_owned(), |version| version.to_string())
}

/// Stored bytes by class and fate.
fn classes(fates: &ClassFates) -> Table {
    let right = Align::Right;
    let mut table = Table::new([
        ("CLASS", Align::Left),
        ("UNCHANGED", right),
        ("CHANGED", right),
        ("ADDED", right),
        ("REMOVED", right),
    ]);
    for class in fates.keys().map(|(class, _)| *class).collect::<BTreeSet<_>>() {
        let cell = |fate| match fates.get(&(class, fate)) {
            None => "-".to_owned(),
            Some(total) if fate == Fate::Removed => size(total.old_bytes),
            Some(total) => size(total.new_bytes),
        };
        let [unchanged, changed, added, removed] =
            [Fate::Unchanged, Fate::Changed, Fate::Added, Fate::Removed].map(cell);
        table.row([class.to_string(), unchanged, changed, added, removed]);
    }
    table
}
