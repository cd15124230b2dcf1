//! Which versions of Qdrant can load what is kept, and how much a given version cannot load any more.

use std::collections::BTreeMap;

use vectar_qdrant::{
    QdrantVersion, SnapshotKind,
    compat::{Compatibility, Verdict},
};
use vectar_repository::format::record::BackupRecord;
use vectar_tar::Severity;

use crate::{
    content::Content,
    error::Error,
    ingest::read_small,
    select::{counts_from, is_good},
};

/// A snapshot, judged.
#[derive(Debug, Clone)]
pub struct JudgedSnapshot {
    /// What it is.
    pub kind: SnapshotKind,
    /// Each collection in it; one without a name when none was recognised.
    pub collections: Vec<Compatibility>,
    /// Whether it is damaged, so that something that bounds the versions may not have been seen.
    pub is_damaged: bool,
}

/// Judges a snapshot by its headers and small files.
///
/// # Errors
/// The source or the repository failed.
pub fn judge(content: &Content<'_>) -> Result<JudgedSnapshot, Error> {
    let (outline, listed) = content.outline()?;
    let collections = Compatibility::of(&outline, &listed, |row| read_small(content, row));
    let is_damaged = listed.summary.anomalies.count(Severity::Damage) > 0;
    Ok(JudgedSnapshot { kind: outline.kind, collections, is_damaged })
}

/// What one version can load of many backups.
#[derive(Debug, Clone)]
pub struct CompatTally {
    target: QdrantVersion,
    /// By collection; backups whose collection is not known count together, under no name.
    pub collections: BTreeMap<Option<String>, CollectionTally>,
    /// Backups, each by the worst verdict on a collection in it.
    pub backups: VerdictCounts,
}

/// What one version can load of the backups of one collection.
#[derive(Debug, Clone)]
pub struct CollectionTally {
    /// The newest backup to rely on; the newest of all when there is none.
    pub newest: BackupRecord,
    /// The verdict on that.
    pub newest_verdict: Verdict,
    /// The verdicts on all of them.
    pub counts: VerdictCounts,
}

/// Verdicts, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VerdictCounts {
    /// Loaded.
    pub ok: u64,
    /// Loaded after another version has rewritten it.
    pub via: u64,
    /// Partial snapshots: of use only over the shard that they were made for.
    pub not_alone: u64,
    /// Not loaded.
    pub no: u64,
    /// Nobody knows.
    pub unknown: u64,
}

impl VerdictCounts {
    /// How many there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.ok + self.via + self.not_alone + self.no + self.unknown
    }

    fn add(&mut self, verdict: &Verdict) {
        *match verdict {
            Verdict::Ok => &mut self.ok,
            Verdict::Via(_) => &mut self.via,
            Verdict::NotAlone => &mut self.not_alone,
            Verdict::No => &mut self.no,
            Verdict::Unknown => &mut self.unknown,
        } += 1;
    }
}

impl CompatTally {
    /// Counts what `target` can load.
    #[must_use]
    pub fn new(target: QdrantVersion) -> Self {
        Self { target, collections: BTreeMap::new(), backups: VerdictCounts::default() }
    }

    /// Counts a backup.
    pub fn add(&mut self, record: &BackupRecord, judged: &JudgedSnapshot) {
        let verdicts: Vec<Verdict> =
            judged.collections.iter().map(|collection| collection.verdict(self.target)).collect();
        for (collection, verdict) in judged.collections.iter().zip(&verdicts) {
            let name = collection.collection.clone().or_else(|| record.subject.collection.clone());
            let tally = self.collections.entry(name).or_insert_with(|| CollectionTally {
                newest: record.clone(),
                newest_verdict: verdict.clone(),
                counts: VerdictCounts::default(),
            });
            tally.counts.add(verdict);
            if rank(&tally.newest) < rank(record) {
                (tally.newest, tally.newest_verdict) = (record.clone(), verdict.clone());
            }
        }
        if let Some(worst) = verdicts.iter().max_by_key(|verdict| gravity(verdict)) {
            self.backups.add(worst);
        }
    }
}

/// What makes a backup the one to judge a collection by.
fn rank(record: &BackupRecord) -> (bool, jiff::Timestamp, jiff::Timestamp) {
    (is_good(record), counts_from(record), record.stored_at)
}

fn gravity(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Ok => 0,
        Verdict::NotAlone => 1,
        Verdict::Unknown => 2,
        Verdict::Via(_) => 3,
        Verdict::No => 4,
    }
}
