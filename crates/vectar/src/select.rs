//! Naming backups, and choosing among them.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
};

use jiff::{Timestamp, civil, tz::TimeZone};
use vectar_repository::format::record::BackupRecord;

use crate::error::Error;

/// Shortest prefix of an id that names a backup, in hex digits.
pub const ID_PREFIX_MIN: usize = 4;

/// Candidates that an error lists.
const CANDIDATES_MAX: usize = 8;

/// Which backups are meant. Every field that is set must fit; `latest` is applied last.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this collection; a full snapshot fits when it contains it.
    pub collection: Option<String>,
    /// From this cluster.
    pub cluster: Option<String>,
    /// From this node, by its name or peer id.
    pub node: Option<String>,
    /// That hold this shard.
    pub shard: Option<u32>,
    /// With this tag.
    pub tag: Option<String>,
    /// Taken at or after this time.
    pub since: Option<Timestamp>,
    /// Taken at or before this time.
    pub at: Option<Timestamp>,
    /// The newest so many of each [`Group`].
    pub latest: Option<usize>,
}

/// Backups that follow each other: the same things of the same origin at different times.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// Cluster, where known.
    pub cluster: Option<String>,
    /// Collection, where known.
    pub collection: Option<String>,
    /// Node by name, else by peer id, where known.
    pub node: Option<String>,
    /// Kind of snapshot.
    pub kind: String,
    /// The shard, for snapshots of one shard.
    pub shard: Option<u32>,
}

impl Group {
    /// The group of a backup.
    #[must_use]
    pub fn of(record: &BackupRecord) -> Self {
        let subject = &record.subject;
        let shard = match &subject.shards[..] {
            [only] if subject.kind.starts_with("shard") => only.id,
            _ => None,
        };
        Self {
            cluster: subject.cluster.clone(),
            collection: subject.collection.clone(),
            node: subject.node.clone().or_else(|| subject.peer_id.map(|peer| peer.to_string())),
            kind: subject.kind.clone(),
            shard,
        }
    }
}

impl std::fmt::Display for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind, self.collection.as_deref().unwrap_or("(no collection)"))?;
        let shard = self.shard.map(|shard| shard.to_string());
        for (what, value) in [("shard", &shard), ("node", &self.node), ("cluster", &self.cluster)] {
            if let Some(value) = value {
                write!(f, " {what} {value}")?;
            }
        }
        Ok(())
    }
}

/// When a backup counts from: when it was taken, but never from later than it was stored, so that a file name with a time of the
/// future makes no backup the newest.
#[must_use]
pub fn counts_from(record: &BackupRecord) -> Timestamp {
    record.taken_or_stored_at().min(record.stored_at)
}

/// Whether a backup is one to rely on: of a known kind that restores alone, and not damaged when it was stored.
#[must_use]
pub fn is_good(record: &BackupRecord) -> bool {
    record.damaged.is_none()
        && matches!(record.subject.kind.as_str(), "collection" | "shard" | "shard-streamed" | "full")
}

impl Filter {
    /// The backups that fit, in the order given.
    #[must_use]
    pub fn apply<'r>(&self, records: &'r [BackupRecord]) -> Vec<&'r BackupRecord> {
        let mut fitting: Vec<&BackupRecord> = records.iter().filter(|record| self.fits(record)).collect();
        if let Some(latest) = self.latest {
            let mut newest: BTreeMap<Group, Vec<&BackupRecord>> = BTreeMap::new();
            for record in &fitting {
                newest.entry(Group::of(record)).or_default().push(record);
            }
            let mut kept: HashSet<_> = HashSet::new();
            for mut group in newest.into_values() {
                group.sort_by_key(|record| (counts_from(record), record.stored_at));
                kept.extend(group.iter().rev().take(latest).map(|record| record.id));
            }
            fitting.retain(|record| kept.contains(&record.id));
        }
        fitting
    }

    fn fits(&self, record: &BackupRecord) -> bool {
        let subject = &record.subject;
        let is = |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
        let collection = self
            .collection
            .as_ref()
            .is_none_or(|wanted| subject.collection.as_ref() == Some(wanted) || subject.contains.contains_key(wanted));
        let node = self.node.as_ref().is_none_or(|wanted| {
            subject.node.as_ref() == Some(wanted) || subject.peer_id.is_some_and(|peer| peer.to_string() == *wanted)
        });
        let taken = record.taken_or_stored_at();
        collection
            && node
            && is(&self.cluster, &subject.cluster)
            && self.shard.is_none_or(|wanted| subject.shards.iter().any(|shard| shard.id == Some(wanted)))
            && self.tag.as_ref().is_none_or(|wanted| record.tags.contains(wanted))
            && self.since.is_none_or(|since| taken >= since)
            && self.at.is_none_or(|at| taken <= at)
    }
}

/// Reads a point in time: RFC 3339, `2026-11-20T16:24`, or `2026-11-20`, which means the end of that day. Without an offset it
/// is UTC.
///
/// # Errors
/// [`Error::OptionInvalid`].
pub fn parse_time(what: &'static str, text: &str) -> Result<Timestamp, Error> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let end_of_day = || Some(text.parse::<civil::Date>().ok()?.at(23, 59, 59, 999_999_999));
    let moment = match text.contains(['T', ' ']) {
        true => text.parse::<civil::DateTime>().ok(),
        false => end_of_day(),
    };
    moment.and_then(|moment| moment.to_zoned(TimeZone::UTC).ok()).map(|moment| moment.timestamp()).ok_or_else(|| {
        let reason = "a time looks like 2026-11-20, 2026-11-20T16:24 or 2026-11-20T16:24:27Z".to_owned();
        Error::OptionInvalid { what, value: text.to_owned(), reason }
    })
}

/// What an argument names.
#[derive(Debug, Clone)]
pub enum Named<'r> {
    /// A backup.
    Backup(&'r BackupRecord),
    /// A file.
    File(PathBuf),
}

/// Finds what an argument names: a file if it contains `/` or no backup has that name, else a backup.
///
/// # Errors
/// [`Error::BackupOrFile`] when it is both; what [`one`] says when it is neither.
pub fn backup_or_file<'r>(name: &str, records: &'r [BackupRecord], filter: &Filter) -> Result<Named<'r>, Error> {
    if name.contains('/') {
        return Ok(Named::File(PathBuf::from(name)));
    }
    let is_file = Path::new(name).is_file();
    match one(name, records, filter) {
        Ok(record) if is_file => {
            Err(Error::BackupOrFile { name: name.to_owned(), backup: record.id.to_string(), file: format!("./{name}") })
        }
        Ok(record) => Ok(Named::Backup(record)),
        Err(Error::BackupNotFound { .. }) if is_file => Ok(Named::File(PathBuf::from(name))),
        Err(error) => Err(error),
    }
}

/// Finds the one backup that goes by `name`: a unique prefix of its id, its snapshot's file name, `latest`, `COLLECTION@latest` or
/// `COLLECTION@TIME`. `latest` and times pass over damaged backups.
///
/// # Errors
/// [`Error::BackupNotFound`], or [`Error::BackupAmbiguous`] with the candidates; `latest` is ambiguous when it would choose among
/// clusters, nodes, shards, kinds or collections.
pub fn one<'r>(name: &str, records: &'r [BackupRecord], filter: &Filter) -> Result<&'r BackupRecord, Error> {
    let found = many(name, records, filter)?;
    match found[..] {
        [record] => Ok(record),
        _ => Err(ambiguous(name, &found)),
    }
}

/// Finds all backups that go by `name`: as [`one`], and `set:ID` for a whole capture set.
///
/// # Errors
/// As [`one`].
pub fn many<'r>(name: &str, records: &'r [BackupRecord], filter: &Filter) -> Result<Vec<&'r BackupRecord>, Error> {
    let fitting = filter.apply(records);
    if let Some(set) = name.strip_prefix("set:") {
        return some(name, fitting.into_iter().filter(|record| record.subject.set.as_deref() == Some(set)).collect());
    }
    if let Some((collection, time)) = at_form(name) {
        let of_collection =
            |record: &&BackupRecord| collection.is_none_or(|name| record.subject.collection.as_deref() == Some(name));
        let before = match time {
            "latest" => None,
            time => Some(parse_time("time", time)?),
        };
        return newest(name, fitting.into_iter().filter(of_collection).collect(), before).map(|record| vec![record]);
    }
    let by_id = |record: &&BackupRecord| name.len() >= ID_PREFIX_MIN && record.id.to_string().starts_with(name);
    let meant: Vec<_> = fitting.into_iter().filter(|record| by_id(record) || record.subject.name == name).collect();
    match meant.len() {
        0 => Err(Error::BackupNotFound { name: name.to_owned(), reason: None }),
        1 => Ok(meant),
        _ => Err(ambiguous(name, &meant)),
    }
}

/// Splits `latest`, `COLLECTION@latest` and `COLLECTION@TIME`. A collection's name may hold `@`, a time never does.
fn at_form(name: &str) -> Option<(Option<&str>, &str)> {
    match name.rsplit_once('@') {
        Some((collection, time)) if time == "latest" || parse_time("time", time).is_ok() => {
            Some((Some(collection), time))
        }
        None if name == "latest" => Some((None, name)),
        _ => None,
    }
}

fn newest<'r>(
    name: &str,
    candidates: Vec<&'r BackupRecord>,
    before: Option<Timestamp>,
) -> Result<&'r BackupRecord, Error> {
    let not_found = |reason: &str| Error::BackupNotFound { name: name.to_owned(), reason: Some(reason.to_owned()) };
    if candidates.is_empty() {
        return Err(not_found("no backup of that collection is here"));
    }
    let mut good: Vec<_> = candidates
        .into_iter()
        .filter(|record| record.damaged.is_none() && before.is_none_or(|before| counts_from(record) <= before))
        .collect();
    // What does not restore alone is meant only where there is nothing else.
    if good.iter().any(|record| is_good(record)) {
        good.retain(|record| is_good(record));
    }
    let mut groups: BTreeMap<Group, &BackupRecord> = BTreeMap::new();
    for record in good {
        let newest = groups.entry(Group::of(record)).or_insert(record);
        if (counts_from(newest), newest.stored_at) < (counts_from(record), record.stored_at) {
            *newest = record;
        }
    }
    let newest: Vec<_> = groups.into_values().collect();
    match newest[..] {
        [] => Err(not_found("all that fit are damaged or younger than that")),
        [record] => Ok(record),
        _ => Err(ambiguous(name, &newest)),
    }
}

fn some<'r>(name: &str, found: Vec<&'r BackupRecord>) -> Result<Vec<&'r BackupRecord>, Error> {
    match found.is_empty() {
        true => Err(Error::BackupNotFound { name: name.to_owned(), reason: None }),
        false => Ok(found),
    }
}

fn ambiguous(name: &str, found: &[&BackupRecord]) -> Error {
    let mut candidates: Vec<String> = found
        .iter()
        .take(CANDIDATES_MAX)
        .map(|record| format!("{} ({}, {})", record.id.short(), record.subject.name, Group::of(record)))
        .collect();
    if found.len() > CANDIDATES_MAX {
        candidates.push(format!("and {} more", found.len() - CANDIDATES_MAX));
    }
    Error::BackupAmbiguous { name: name.to_owned(), candidates }
}
