//! Which backups to keep: a decision about records, made before anything is touched.
//!
//! Backups are looked at in groups, so that six nodes, or a mix of kinds, never push each other out. Only good ones take a place: a
//! damaged or partial backup keeps nothing from being forgotten. A backup counts from when it was taken, but never from later than
//! it was stored, so that a file name with a time of the future cannot push others out. Sets stay together.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt,
    str::FromStr,
};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use vectar_repository::{BackupId, format::record::BackupRecord};

use crate::select::{Group, is_good};

/// What to keep. Nothing in it keeps nothing, so an empty one is refused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// The newest so many.
    pub last: usize,
    /// The newest of each of the newest so many hours that have one, and so on; all in UTC.
    pub hourly: usize,
    /// Days.
    pub daily: usize,
    /// ISO weeks.
    pub weekly: usize,
    /// Months.
    pub monthly: usize,
    /// Years.
    pub yearly: usize,
    /// All that are not older than this, counted from now.
    pub within: Option<SignedDuration>,
    /// All with one of these tags.
    pub tags: Vec<String>,
    /// The newest of each minor version of Qdrant.
    pub per_version: bool,
}

impl Policy {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What tells groups of backups apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupField {
    /// The cluster.
    Cluster,
    /// The collection.
    Collection,
    /// The node.
    Node,
    /// The shard, of snapshots of one shard.
    Shard,
    /// The kind of snapshot.
    Kind,
}

impl GroupField {
    /// All of them: the default.
    pub const ALL: [Self; 5] = [Self::Cluster, Self::Collection, Self::Node, Self::Shard, Self::Kind];

    /// Its name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Collection => "collection",
            Self::Node => "node",
            Self::Shard => "shard",
            Self::Kind => "kind",
        }
    }
}

impl FromStr for GroupField {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::as_str).join(", ");
        let found = Self::ALL.into_iter().find(|field| field.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is none of {}", names()))
    }
}

/// Why a backup is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It is pinned.
    Pinned,
    /// It carries a tag that is kept.
    Tag(String),
    /// It is not old enough.
    Within,
    /// It has a place among those of a rule: `last 2`, `daily 2026-11-20`.
    Place {
        /// `last`, `hourly`, …
        rule: &'static str,
        /// Which place it is.
        place: String,
    },
    /// A backup of its capture set is kept.
    Set(String),
    /// It does not count, because it is damaged or partial, and no good backup of its group is newer.
    NewestThoughNotGood,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pinned => f.write_str("pinned"),
            Self::Tag(tag) => write!(f, "tag {tag}"),
            Self::Within => f.write_str("not old enough"),
            Self::Place { rule, place } => write!(f, "{rule} {place}"),
            Self::Set(set) => write!(f, "its set {set} is kept"),
            Self::NewestThoughNotGood => f.write_str("not good, but nothing newer is"),
        }
    }
}

/// What becomes of one backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<'r> {
    /// The backup.
    pub record: &'r BackupRecord,
    /// Its group.
    pub group: Group,
    /// Whether it is one that counts.
    pub is_good: bool,
    /// Why it is kept; empty when it is to be forgotten.
    pub reasons: Vec<Reason>,
}

impl Decision<'_> {
    /// Whether it stays.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        !self.reasons.is_empty()
    }
}

/// Decides about every backup. The decisions come group by group, the newest backup of each first.
#[must_use]
pub fn decide<'r>(
    records: &[&'r BackupRecord],
    pins: &HashMap<BackupId, String>,
    policy: &Policy,
    group_by: &[GroupField],
    now: Timestamp,
) -> Vec<Decision<'r>> {
    let mut groups: BTreeMap<Group, Vec<&'r BackupRecord>> = BTreeMap::new();
    for record in records {
        groups.entry(reduced(Group::of(record), group_by)).or_default().push(record);
    }
    let mut decisions = Vec::with_capacity(records.len());
    for (group, mut records) in groups {
        records.sort_by_key(|record| std::cmp::Reverse((counts_from(record), record.stored_at, record.id)));
        let mut places = Places::new(policy, now);
        let mut good_seen = false;
        for record in records {
            let is_good = is_good(record);
            let mut reasons = Vec::new();
            if pins.contains_key(&record.id) {
                reasons.push(Reason::Pinned);
            }
            reasons.extend(policy.tags.iter().filter(|tag| record.tags.contains(tag)).cloned().map(Reason::Tag));
            if is_good {
                places.take(record, &mut reasons);
                good_seen = true;
            } else if !good_seen {
                reasons.push(Reason::NewestThoughNotGood);
            }
            decisions.push(Decision { record, group: group.clone(), is_good, reasons });
        }
    }
    keep_sets_whole(&mut decisions);
    decisions
}

/// The groups whose last good backup would go, of those that have one.
#[must_use]
pub fn groups_emptied<'d>(decisions: &'d [Decision<'_>]) -> Vec<&'d Group> {
    let good = |kept: bool| -> BTreeSet<&Group> {
        let counted = decisions.iter().filter(|decision| decision.is_good && (decision.is_kept() || !kept));
        counted.map(|decision| &decision.group).collect()
    };
    good(false).difference(&good(true)).copied().collect()
}

/// When a backup counts from: when it was taken, but not later than it was stored.
fn counts_from(record: &BackupRecord) -> Timestamp {
    record.taken_or_stored_at().min(record.stored_at)
}

/// The group, with what does not tell groups apart taken out.
fn reduced(mut group: Group, group_by: &[GroupField]) -> Group {
    for field in GroupField::ALL.into_iter().filter(|field| !group_by.contains(field)) {
        match field {
            GroupField::Cluster => group.cluster = None,
            GroupField::Collection => group.collection = None,
            GroupField::Node => group.node = None,
            GroupField::Shard => group.shard = None,
            GroupField::Kind => group.kind.clear(),
        }
    }
    group
}

/// A set is a point in time of a whole cluster: with a part of it nothing can be restored.
fn keep_sets_whole(decisions: &mut [Decision<'_>]) {
    let set_of = |decision: &Decision<'_>| decision.record.subject.set.clone();
    let kept: HashSet<String> = decisions.iter().filter(|decision| decision.is_kept()).filter_map(set_of).collect();
    for decision in decisions.iter_mut().filter(|decision| !decision.is_kept()) {
        if let Some(set) = decision.record.subject.set.clone().filter(|set| kept.contains(set)) {
            decision.reasons.push(Reason::Set(set));
        }
    }
}

/// The places of one group that are still free, as its backups come newest first.
struct Places<'p> {
    policy: &'p Policy,
    now: Timestamp,
    taken: HashMap<&'static str, Vec<String>>,
}

impl<'p> Places<'p> {
    fn new(policy: &'p Policy, now: Timestamp) -> Self {
        Self { policy, now, taken: HashMap::new() }
    }

    /// Gives a good backup every place it can have.
    fn take(&mut self, record: &BackupRecord, reasons: &mut Vec<Reason>) {
        let at = counts_from(record);
        if self.policy.within.is_some_and(|within| self.now.duration_since(at) <= within) {
            reasons.push(Reason::Within);
        }
        let count = self.taken.get("last").map_or(0, Vec::len);
        self.place("last", self.policy.last, (count + 1).to_string(), reasons);
        let utc = at.to_zoned(TimeZone::UTC);
        let week = utc.date().iso_week_date();
        for (rule, count, place) in [
            ("hourly", self.policy.hourly, utc.strftime("%Y-%m-%dT%HZ").to_string()),
            ("daily", self.policy.daily, utc.strftime("%Y-%m-%d").to_string()),
            ("weekly", self.policy.weekly, format!("{:04}-W{:02}", week.year(), week.week())),
            ("monthly", self.policy.monthly, utc.strftime("%Y-%m").to_string()),
            ("yearly", self.policy.yearly, utc.strftime("%Y").to_string()),
        ] {
            self.place(rule, count, place, reasons);
        }
        if self.policy.per_version {
            let version = minor_version(record.subject.qdrant_at_least.as_deref());
            self.place("version", usize::MAX, version, reasons);
        }
    }

    fn place(&mut self, rule: &'static str, count: usize, place: String, reasons: &mut Vec<Reason>) {
        let taken = self.taken.entry(rule).or_default();
        if taken.len() < count && !taken.contains(&place) {
            taken.push(place.clone());
            reasons.push(Reason::Place { rule, place });
        }
    }
}

/// `1.17` of `1.17.0`.
fn minor_version(version: Option<&str>) -> String {
    let Some(version) = version else { return "unknown".to_owned() };
    version.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use vectar_repository::format::record::Subject;

    use super::*;

    /// A good backup of one collection, stored at this time and taken when it was stored.
    fn backup(id: u8, stored_at: &str) -> BackupRecord {
        let subject = Subject {
            name: format!("{id}.snapshot"),
            kind: "collection".to_owned(),
            collection: Some("notes".to_owned()),
            ..Subject::default()
        };
        BackupRecord {
            id: BackupId::from_bytes([id; 16]),
            seq: 0,
            requires: Vec::new(),
            subject,
            stored_at: stored_at.parse().unwrap(),
            bytes: 1,
            sha256: String::new(),
            root: vectar_chunk::NodeId::from_bytes([0; 32]),
            damaged: None,
            tags: Vec::new(),
            note: None,
            space: Default::default(),
            tool: String::new(),
        }
    }

    /// Ids of the kept ones, with their reasons.
    fn kept(records: &[BackupRecord], policy: &Policy) -> Vec<String> {
        let pins = HashMap::from([(BackupId::from_bytes([99; 16]), "audit".to_owned())]);
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let records: Vec<&BackupRecord> = records.iter().collect();
        let decisions = decide(&records, &pins, policy, &GroupField::ALL, now);
        let line = |decision: &Decision<'_>| {
            let reasons: Vec<String> = decision.reasons.iter().map(Reason::to_string).collect();
            format!("{} {}", decision.record.id.as_bytes()[0], reasons.join(", "))
        };
        decisions.iter().filter(|decision| decision.is_kept()).map(line).collect()
    }

    fn last(count: usize) -> Policy {
        Policy { last: count, ..Policy::default() }
    }

    #[test]
    fn places_go_to_the_newest_of_each_period() {
        let days = ["18T01", "18T23", "19T10", "20T01", "20T11"];
        let records: Vec<_> = (1..).zip(days).map(|(id, day)| backup(id, &format!("2026-11-{day}:00:00Z"))).collect();
        let policy = Policy { daily: 2, weekly: 5, ..Policy::default() };
        assert_eq!(kept(&records, &policy), ["5 daily 2026-11-20, weekly 2026-W47", "3 daily 2026-11-19"]);
        let within = Policy { within: Some(SignedDuration::from_hours(26)), ..Policy::default() };
        assert_eq!(kept(&records, &within), ["5 not old enough", "4 not old enough", "3 not old enough"]);
        assert_eq!(kept(&records, &last(1)), ["5 last 1"]);
        assert!(kept(&records, &Policy::default()).is_empty());
    }

    #[test]
    fn weeks_follow_iso_years() {
        let records = [backup(1, "2026-12-31T00:00:00Z"), backup(2, "2027-01-01T00:00:00Z")];
        let policy = Policy { weekly: 9, ..Policy::default() };
        assert_eq!(kept(&records, &policy), ["2 weekly 2026-W53"]);
    }

    #[test]
    fn nodes_kinds_and_shards_never_push_each_other_out() {
        let mut records: Vec<_> = (1..=6).map(|id| backup(id, "2026-11-20T01:00:00Z")).collect();
        for (id, record) in (0_u64..).zip(&mut records) {
            record.subject.peer_id = Some(id);
        }
        records[5].subject.kind = "shard".to_owned();
        assert_eq!(kept(&records, &last(1)).len(), 6);
        let everything_in_one: Vec<&BackupRecord> = records.iter().collect();
        let one = decide(&everything_in_one, &HashMap::new(), &last(1), &[], Timestamp::UNIX_EPOCH);
        assert_eq!(one.iter().filter(|decision| decision.is_kept()).count(), 1);
    }

    #[test]
    fn damaged_and_partial_backups_take_no_place() {
        let mut records =
            [backup(1, "2026-11-17T01:00:00Z"), backup(2, "2026-11-18T01:00:00Z"), backup(3, "2026-11-19T01:00:00Z")];
        records[1].damaged = Some("cut short".to_owned());
        records[2].damaged = Some("cut short".to_owned());
        assert_eq!(kept(&records[..2], &last(1)), ["2 not good, but nothing newer is", "1 last 1"]);
        let policy = last(1);
        records.swap(0, 2);
        records[0].stored_at = "2026-11-16T01:00:00Z".parse().unwrap();
        assert!(!kept(&records, &policy).iter().any(|line| line.starts_with("3 ")), "older than a good one");
    }

    #[test]
    fn a_time_of_the_future_pushes_nothing_out() {
        let mut records = [backup(1, "2026-11-18T01:00:00Z"), backup(2, "2026-11-19T01:00:00Z")];
        records[0].subject.taken_at = Some("2099-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(kept(&records, &last(1)), ["2 last 1"]);
    }

    #[test]
    fn sets_pins_and_tags_are_kept() {
        let mut records = [
            backup(1, "2026-11-17T01:00:00Z"),
            backup(2, "2026-11-18T01:00:00Z"),
            backup(99, "2026-11-16T01:00:00Z"),
            backup(3, "2026-11-15T01:00:00Z"),
        ];
        records[1].subject.set = Some("nightly".to_owned());
        records[0].subject.set = Some("nightly".to_owned());
        records[3].tags = vec!["gold".to_owned()];
        let policy = Policy { last: 1, tags: vec!["gold".to_owned()], ..Policy::default() };
        assert_eq!(kept(&records, &policy), ["2 last 1", "1 its set nightly is kept", "99 pinned", "3 tag gold"]);
    }

    #[test]
    fn the_newest_of_each_version_stays() {
        let mut records: Vec<_> = (1..=4).map(|id| backup(id, &format!("2026-11-1{id}T01:00:00Z"))).collect();
        for (record, version) in records.iter_mut().zip(["1.16.0", "1.16.3", "1.17.0", "1.17.1"]) {
            record.subject.qdrant_at_least = Some(version.to_owned());
        }
        let policy = Policy { per_version: true, ..Policy::default() };
        assert_eq!(kept(&records, &policy), ["4 version 1.17", "2 version 1.16"]);
    }

    #[test]
    fn a_group_that_loses_its_last_good_backup_is_named() {
        let mut other = backup(2, "2026-01-01T01:00:00Z");
        other.subject.collection = Some("old".to_owned());
        let records = [backup(1, "2026-11-20T11:00:00Z"), other];
        let records: Vec<&BackupRecord> = records.iter().collect();
        let policy = Policy { within: Some(SignedDuration::from_hours(30)), ..Policy::default() };
        let decisions =
            decide(&records, &HashMap::new(), &policy, &GroupField::ALL, "2026-11-20T12:00:00Z".parse().unwrap());
        let emptied: Vec<String> = groups_emptied(&decisions).iter().map(ToString::to_string).collect();
        assert_eq!(emptied, ["collection old"]);
    }
}
