//! Is everything backed up? One row for each group of backups that follow each other.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
};

use jiff::{SignedDuration, Timestamp};
use vectar_repository::{
    BackupId, Proven,
    format::{event::DrillNote, record::BackupRecord},
};

use crate::select::{Group, counts_from, is_good};

/// How one group of backups stands.
#[derive(Debug, Clone)]
pub struct GroupStatus {
    /// The group.
    pub group: Group,
    /// Good backups in it.
    pub good: usize,
    /// Backups that do not count: damaged, partial, or of unknown kind.
    pub other: usize,
    /// When the newest good one was taken.
    pub newest: Option<Timestamp>,
    /// The newest good backup.
    pub newest_id: Option<BackupId>,
    /// Length of its snapshot.
    pub newest_bytes: u64,
    /// What storing it added to the repository.
    pub newest_growth_bytes: u64,
    /// When the bytes of a backup of the group were last shown to come back.
    pub verified: Option<Timestamp>,
    /// When Qdrant's own engine last loaded a backup of the group, and what was compared.
    pub drilled: Option<(Timestamp, DrillNote)>,
}

impl GroupStatus {
    /// Age of the newest good backup; `None` without one. Never negative: a clock that ran ahead makes no backup younger than now.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Option<SignedDuration> {
        self.newest.map(|newest| now.duration_since(newest).max(SignedDuration::ZERO))
    }

    /// Whether the group breaks a limit on the age of its newest good backup.
    #[must_use]
    pub fn breaches(&self, now: Timestamp, age_max: SignedDuration) -> bool {
        self.age(now).is_none_or(|age| age > age_max)
    }

    /// Whether the group breaks a limit on the age of its newest proof, of a verification or a drill.
    #[must_use]
    pub fn breaches_proof(&self, now: Timestamp, age_max: SignedDuration) -> bool {
        self.verified.is_none_or(|at| now.duration_since(at) > age_max)
    }
}

/// Sums up records and proofs, groups in their natural order.
#[must_use]
pub fn status(records: &[&BackupRecord], proven: &HashMap<BackupId, Proven>) -> Vec<GroupStatus> {
    let mut groups: BTreeMap<Group, GroupStatus> = BTreeMap::new();
    for record in records {
        let group = Group::of(record);
        let row = groups.entry(group.clone()).or_insert_with(|| GroupStatus {
            group,
            good: 0,
            other: 0,
            newest: None,
            newest_id: None,
            newest_bytes: 0,
            newest_growth_bytes: 0,
            verified: None,
            drilled: None,
        });
        if let Some(proven) = proven.get(&record.id) {
            row.verified = row.verified.max(Some(proven.at));
            let is_newer = |(at, _): &&(Timestamp, DrillNote)| row.drilled.as_ref().is_none_or(|(known, _)| known < at);
            if let Some(drilled) = proven.drill.as_ref().filter(is_newer) {
                row.drilled = Some(drilled.clone());
            }
        }
        if !is_good(record) {
            row.other += 1;
            continue;
        }
        row.good += 1;
        if row.newest.is_none_or(|newest| newest <= counts_from(record)) {
            row.newest = Some(counts_from(record));
            row.newest_id = Some(record.id);
            row.newest_bytes = record.bytes;
            row.newest_growth_bytes = record.space.new_pack_bytes;
        }
    }
    groups.into_values().collect()
}

/// The same as Prometheus text (exposition format 0.0.4), for a node exporter's textfile directory.
#[must_use]
pub fn prometheus(rows: &[GroupStatus], stored_bytes: u64) -> String {
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: &dyn Fn(&GroupStatus) -> Option<f64>| {
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge").expect("a String takes everything");
        for row in rows {
            if let Some(value) = value(row) {
                writeln!(text, "{name}{{{}}} {value}", labels(&row.group)).expect("a String takes everything");
            }
        }
    };
    let seconds = |at: Option<Timestamp>| at.map(|at| at.as_second() as f64);
    gauge("vectar_backups_good", "Good backups.", &|row| Some(row.good as f64));
    gauge("vectar_backups_other", "Backups that are damaged, partial or of unknown kind.", &|row| {
        Some(row.other as f64)
    });
    gauge("vectar_newest_backup_timestamp_seconds", "When the newest good backup was taken.", &|row| {
        seconds(row.newest)
    });
    gauge("vectar_newest_backup_bytes", "Length of its snapshot.", &|row| Some(row.newest_bytes as f64));
    gauge("vectar_newest_backup_growth_bytes", "What storing it added to the repository.", &|row| {
        Some(row.newest_growth_bytes as f64)
    });
    gauge("vectar_verified_timestamp_seconds", "When a backup was last verified.", &|row| seconds(row.verified));
    gauge("vectar_drilled_timestamp_seconds", "When Qdrant's engine last loaded a backup.", &|row| {
        seconds(row.drilled.as_ref().map(|(at, _)| *at))
    });
    writeln!(text, "# HELP vectar_repository_bytes Bytes of all objects.\n# TYPE vectar_repository_bytes gauge")
        .expect("a String takes everything");
    writeln!(text, "vectar_repository_bytes {stored_bytes}").expect("a String takes everything");
    text
}

fn labels(group: &Group) -> String {
    let shard = group.shard.map(|shard| shard.to_string());
    let pairs = [
        ("collection", group.collection.as_deref()),
        ("cluster", group.cluster.as_deref()),
        ("node", group.node.as_deref()),
        ("kind", Some(group.kind.as_str())),
        ("shard", shard.as_deref()),
    ];
    let escaped = |value: &str| value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
    let known = pairs.into_iter().filter_map(|(name, value)| Some(format!("{name}=\"{}\"", escaped(value?))));
    known.collect::<Vec<_>>().join(",")
}
