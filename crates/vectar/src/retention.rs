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
use vectar_repository::{BackupId, RecordList, format::record::BackupRecord};

use crate::select::{Group, counts_from, is_good};

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
    /// Its capture set has backups that nobody asked about, so that it cannot be forgotten whole.
    SetReachesOut(String),
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
            Self::SetReachesOut(set) => write!(f, "its set {set} reaches beyond the selection"),
            Self::NewestThoughNotGood => f.write_str("not good, yet nothing newer is"),
        }
    }
}

/// Backups that are looked at together: what they have in common, of what is to tell groups apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetentionGroup {
    group: Group,
    fields: Vec<GroupField>,
}

impl RetentionGroup {
    /// The group of a backup.
    #[must_use]
    pub fn of(record: &BackupRecord, group_by: &[GroupField]) -> Self {
        let mut group = Group::of(record);
        for field in GroupField::ALL.into_iter().filter(|field| !group_by.contains(field)) {
            match field {
                GroupField::Cluster => group.cluster = None,
                GroupField::Collection => group.collection = None,
                GroupField::Node => group.node = None,
                GroupField::Shard => group.shard = None,
                GroupField::Kind => group.kind.clear(),
            }
        }
        Self { group, fields: group_by.to_vec() }
    }
}

impl fmt::Display for RetentionGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Group { cluster, collection, node, kind, shard } = &self.group;
        let mut words = vec![kind.clone()];
        match collection {
            Some(collection) => words.push(collection.clone()),
            // A full snapshot holds several collections and is of none.
            None if kind == "full" || !self.fields.contains(&GroupField::Collection) => {}
            None => words.push("(no collection)".to_owned()),
        }
        let shard = shard.map(|shard| shard.to_string());
        let others = [("shard", &shard), ("node", node), ("cluster", cluster)];
        words.extend(others.into_iter().filter_map(|(what, value)| Some(format!("{what} {}", value.as_ref()?))));
        words.retain(|word| !word.is_empty());
        match words.is_empty() {
            true => f.write_str("all backups"),
            false => f.write_str(&words.join(" ")),
        }
    }
}

/// What becomes of one backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<'r> {
    /// The backup.
    pub record: &'r BackupRecord,
    /// Its group.
    pub group: RetentionGroup,
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

    /// Why it does not count, if it does not.
    #[must_use]
    pub fn why_not_good(&self) -> Option<&'static str> {
        match (self.is_good, &self.record.damaged, self.record.subject.kind.as_str()) {
            (true, _, _) => None,
            (false, Some(_), _) => Some("damaged when it was stored"),
            (false, None, "shard-partial") => Some("partial: it does not restore alone"),
            (false, None, _) => Some("of an unknown kind"),
        }
    }
}

/// Decides about every backup that is `chosen` of `all`. The decisions come group by group, the newest backup of each first.
#[must_use]
pub fn decide<'r>(
    all: &RecordList,
    chosen: &[&'r BackupRecord],
    policy: &Policy,
    group_by: &[GroupField],
    now: Timestamp,
) -> Vec<Decision<'r>> {
    let mut decisions = Vec::with_capacity(chosen.len());
    for (group, records) in grouped(chosen, group_by) {
        let mut places = Places::new(policy, now);
        let mut good_seen = false;
        for record in records {
            let is_good = is_good(record);
            let mut reasons = Vec::new();
            if all.pins.contains_key(&record.id) {
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
    keep_sets_whole(all, &mut decisions);
    decisions
}

/// Decides that the `named` backups are forgotten, and with each the rest of its capture set; only a pin keeps one.
#[must_use]
pub fn decide_named<'r>(all: &'r RecordList, named: &[&'r BackupRecord], group_by: &[GroupField]) -> Vec<Decision<'r>> {
    let ids: HashSet<BackupId> = named.iter().map(|record| record.id).collect();
    let sets: HashSet<&String> = named.iter().filter_map(|record| record.subject.set.as_ref()).collect();
    let is_meant = |record: &&BackupRecord| {
        ids.contains(&record.id) || record.subject.set.as_ref().is_some_and(|set| sets.contains(set))
    };
    let meant: Vec<&BackupRecord> = all.backups.iter().filter(is_meant).collect();
    let decide_one = |group: &RetentionGroup, record: &'r BackupRecord| {
        let reasons = if all.pins.contains_key(&record.id) { vec![Reason::Pinned] } else { Vec::new() };
        Decision { record, group: group.clone(), is_good: is_good(record), reasons }
    };
    let groups = grouped(&meant, group_by);
    groups.iter().flat_map(|(group, records)| records.iter().map(|record| decide_one(group, record))).collect()
}

/// The groups that lose their last good backup, of those that have one. Backups that nobody asked about count.
#[must_use]
pub fn groups_emptied(
    all: &RecordList,
    decisions: &[Decision<'_>],
    group_by: &[GroupField],
) -> BTreeSet<RetentionGroup> {
    let is_leaving = |decision: &&Decision<'_>| !decision.is_kept();
    let leaving: HashSet<BackupId> = decisions.iter().filter(is_leaving).map(|decision| decision.record.id).collect();
    let staying = all.backups.iter().filter(|record| is_good(record) && !leaving.contains(&record.id));
    let left: BTreeSet<RetentionGroup> = staying.map(|record| RetentionGroup::of(record, group_by)).collect();
    let losing = decisions.iter().filter(is_leaving).filter(|decision| decision.is_good);
    losing.map(|decision| &decision.group).filter(|group| !left.contains(group)).cloned().collect()
}

/// Backups by group, the newest of each first.
fn grouped<'r>(
    records: &[&'r BackupRecord],
    group_by: &[GroupField],
) -> BTreeMap<RetentionGroup, Vec<&'r BackupRecord>> {
    let mut groups: BTreeMap<RetentionGroup, Vec<&'r BackupRecord>> = BTreeMap::new();
    for record in records {
        groups.entry(RetentionGroup::of(record, group_by)).or_default().push(record);
    }
    for records in groups.values_mut() {
        records.sort_by_key(|record| std::cmp::Reverse((counts_from(record), record.stored_at, record.id)));
    }
    groups
}

/// A set is a point in time of a whole cluster: with a part of it nothing can be restored. So none of it goes unless all of it
/// may, and what was not asked about may not.
fn keep_sets_whole(all: &RecordList, decisions: &mut [Decision<'_>]) {
    let set_of = |decision: &Decision<'_>| decision.record.subject.set.clone();
    let kept: HashSet<String> = decisions.iter().filter(|decision| decision.is_kept()).filter_map(set_of).collect();
    let decided: HashSet<BackupId> = decisions.iter().map(|decision| decision.record.id).collect();
    let outside = all.backups.iter().filter(|record| !decided.contains(&record.id));
    let reaching: HashSet<&String> = outside.filter_map(|record| record.subject.set.as_ref()).collect();
    for decision in decisions.iter_mut().filter(|decision| !decision.is_kept()) {
        match decision.record.subject.set.clone() {
            Some(set) if kept.contains(&set) => decision.reasons.push(Reason::Set(set)),
            Some(set) if reaching.contains(&set) => decision.reasons.push(Reason::SetReachesOut(set)),
            _ => {}
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
            sha256: Some(String::new()),
            root: vectar_chunk::NodeId::from_bytes([0; 32]),
            damaged: None,
            tags: Vec::new(),
            note: None,
            space: Default::default(),
            tool: String::new(),
        }
    }

    /// A repository with these backups, number 99 of which is pinned.
    fn all(records: &[BackupRecord]) -> RecordList {
        let pins = HashMap::from([(BackupId::from_bytes([99; 16]), "audit".to_owned())]);
        RecordList { backups: records.to_vec(), pins, unreadable: Vec::new() }
    }

    /// Ids of the kept ones, with their reasons.
    fn kept(records: &[BackupRecord], policy: &Policy) -> Vec<String> {
        let all = all(records);
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let chosen: Vec<&BackupRecord> = all.backups.iter().collect();
        let decisions = decide(&all, &chosen, policy, &GroupField::ALL, now);
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
        let one = decide(&all(&records), &everything_in_one, &last(1), &[], Timestamp::UNIX_EPOCH);
        assert_eq!(one.iter().filter(|decision| decision.is_kept()).count(), 1);
    }

    #[test]
    fn damaged_and_partial_backups_take_no_place() {
        let mut records =
            [backup(1, "2026-11-17T01:00:00Z"), backup(2, "2026-11-18T01:00:00Z"), backup(3, "2026-11-19T01:00:00Z")];
        records[1].damaged = Some("cut short".to_owned());
        records[2].damaged = Some("cut short".to_owned());
        assert_eq!(kept(&records[..2], &last(1)), ["2 not good, yet nothing newer is", "1 last 1"]);
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
        let all = all(&[backup(1, "2026-11-20T11:00:00Z"), other.clone()]);
        let chosen: Vec<&BackupRecord> = all.backups.iter().collect();
        let policy = Policy { within: Some(SignedDuration::from_hours(30)), ..Policy::default() };
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let emptied = |all: &RecordList, group_by: &[GroupField]| -> Vec<String> {
            let decisions = decide(all, &chosen, &policy, group_by, now);
            groups_emptied(all, &decisions, group_by).iter().map(ToString::to_string).collect()
        };
        assert_eq!(emptied(&all, &GroupField::ALL), ["collection old"]);
        assert!(emptied(&all, &[GroupField::Kind]).is_empty(), "the other one is of the same group");
        // A good backup that nobody asked about is one that stays.
        other.id = BackupId::from_bytes([3; 16]);
        let more =
            RecordList { backups: all.backups.iter().cloned().chain([other]).collect(), ..RecordList::default() };
        assert!(emptied(&more, &GroupField::ALL).is_empty());
    }

    #[test]
    fn a_damaged_backup_is_no_good_one_that_stays() {
        let mut all = all(&[backup(1, "2026-11-19T11:00:00Z"), backup(2, "2026-11-20T11:00:00Z")]);
        all.backups[1].damaged = Some("cut short".to_owned());
        let chosen: Vec<&BackupRecord> = all.backups.iter().collect();
        let policy = Policy { tags: vec!["none".to_owned()], ..Policy::default() };
        let decisions = decide(&all, &chosen, &policy, &GroupField::ALL, Timestamp::UNIX_EPOCH);
        assert_eq!(decisions.iter().map(Decision::is_kept).collect::<Vec<_>>(), [true, false]);
        assert_eq!(groups_emptied(&all, &decisions, &GroupField::ALL).len(), 1);
    }

    #[test]
    fn a_set_goes_whole_or_not_at_all() {
        let mut records: Vec<_> = (1..=4).map(|id| backup(id, &format!("2026-11-1{id}T01:00:00Z"))).collect();
        for (record, (node, set)) in records.iter_mut().zip([("a", "x"), ("b", "x"), ("a", "y"), ("b", "y")]) {
            record.subject.node = Some(node.to_owned());
            record.subject.set = Some(set.to_owned());
        }
        assert_eq!(kept(&records, &last(1)), ["3 last 1", "4 last 1"]);
        let all = all(&records);
        let of_a: Vec<&BackupRecord> = [&all.backups[0], &all.backups[2]].to_vec();
        let decisions = decide(&all, &of_a, &last(1), &GroupField::ALL, Timestamp::UNIX_EPOCH);
        let reasons: Vec<String> =
            decisions.iter().flat_map(|decision| &decision.reasons).map(Reason::to_string).collect();
        assert_eq!(reasons, ["last 1", "its set x reaches beyond the selection"]);
        let named = decide_named(&all, &of_a[..1], &GroupField::ALL);
        let ids: Vec<u8> = named.iter().map(|decision| decision.record.id.as_bytes()[0]).collect();
        assert_eq!(ids, [1, 2], "who names one names its set");
    }

    #[test]
    fn groups_are_named_by_what_tells_them_apart() {
        let mut record = backup(1, "2026-11-20T11:00:00Z");
        record.subject.node = Some("n1".to_owned());
        let name = |record: &BackupRecord, fields: &[GroupField]| RetentionGroup::of(record, fields).to_string();
        assert_eq!(name(&record, &GroupField::ALL), "collection notes node n1");
        assert_eq!(name(&record, &[GroupField::Collection]), "notes");
        assert_eq!(name(&record, &[GroupField::Node]), "node n1");
        assert_eq!(name(&record, &[]), "all backups");
        record.subject.collection = None;
        assert_eq!(name(&record, &GroupField::ALL), "collection (no collection) node n1");
        record.subject.kind = "full".to_owned();
        assert_eq!(name(&record, &GroupField::ALL), "full node n1");
    }
}
