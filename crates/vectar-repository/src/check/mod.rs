//! Testing a whole repository: are all objects there, and are they what they should be?
//!
//! - **Structure** reads records and recipe nodes and looks every chunk up: what is missing, and which backups need it.
//! - **Packs** reads every pack and compares its bytes with its name. It needs no key.
//! - **Data** reads every pack, decodes every record and compares it with its id, and the pack with its name on the way.
//!
//! Findings are data: a check goes on to the end and reports all of them. It writes nothing but a note of what was proven.

mod packs;
mod recipes;
mod selection;

use std::collections::{BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

pub use packs::{DamagedPack, PackProgress, damaged_packs};
pub use selection::Subset;

use crate::{
    error::{ErrorKind, RepositoryError, error_chain},
    format::{
        ids::{BackupId, PackId},
        keys,
    },
    repository::IndexedRepository,
};

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Nothing is wrong; someone may want to know.
    Note,
    /// Something is odd and no backup suffers.
    Warning,
    /// Bytes are missing or wrong.
    Damage,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How grave it is.
    pub level: Level,
    /// The object it is about, as a key.
    pub object: String,
    /// What is wrong with it.
    pub what: String,
    /// Backups that cannot be restored because of it, sorted.
    pub backups: BTreeSet<BackupId>,
}

/// How thoroughly packs are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Depth {
    /// Their footers only.
    #[default]
    Structure,
    /// Their bytes against their names.
    Packs,
    /// Every record decoded and compared with its id.
    Data,
}

/// What is to be tested.
#[derive(Debug, Clone, Default)]
pub struct CheckOptions {
    /// How thoroughly.
    pub depth: Depth,
    /// Which packs are read; all by default.
    pub subset: Subset,
    /// Stop reading packs after this time. Those proven longest ago are read first, so that the next check goes on from there.
    pub time_budget: Option<SignedDuration>,
    /// Backups that must be there: ids kept elsewhere tell when records vanish.
    pub expected: Vec<BackupId>,
    /// Threads that read packs; 0 takes as many as there are cores.
    pub threads: usize,
}

/// What a check came to.
#[derive(Debug, Clone, Default)]
pub struct CheckReport {
    /// Everything that was found, gravest first.
    pub findings: Vec<Finding>,
    /// Backups whose record and recipe are whole.
    pub backups_whole: u64,
    /// Backups that cannot be restored completely.
    pub backups_hurt: BTreeSet<BackupId>,
    /// Backups that are expected and not there.
    pub expected_missing: BTreeSet<BackupId>,
    /// Packs in the repository.
    pub packs: u64,
    /// Packs whose bytes were read in this check.
    pub packs_read: u64,
    /// Bytes of them.
    pub bytes_read: u64,
    /// Records in them that were decoded and compared.
    pub records_proven: u64,
}

impl CheckReport {
    /// The gravest level among the findings.
    #[must_use]
    pub fn worst(&self) -> Option<Level> {
        self.findings.iter().map(|finding| finding.level).max()
    }

    fn add(&mut self, level: Level, object: impl ToString, what: impl ToString, backups: BTreeSet<BackupId>) {
        self.backups_hurt.extend(&backups);
        self.findings.push(Finding { level, object: object.to_string(), what: what.to_string(), backups });
    }
}

/// Tests a repository.
///
/// `progress` hears of each pack that was read; returning `false` stops reading packs.
///
/// # Errors
/// The storage cannot be listed, or the index failed. Whatever is wrong with single objects is part of the report.
pub fn check(
    repository: &IndexedRepository,
    options: &CheckOptions,
    progress: &(dyn Fn(PackProgress) -> bool + Sync),
) -> Result<CheckReport, RepositoryError> {
    let mut report = CheckReport::default();
    check_packs_listed(repository, &mut report)?;
    let records = repository.records()?;
    for unreadable in &records.unreadable {
        let level = match unreadable.error.kind() {
            ErrorKind::NewerFormat => Level::Warning,
            _ => Level::Damage,
        };
        report.add(level, &unreadable.key, error_chain(&unreadable.error), BTreeSet::new());
    }
    let present: BTreeSet<BackupId> = records.backups.iter().map(|record| record.id).collect();
    let missing = options.expected.iter().filter(|id| !present.contains(id));
    add_missing(repository, missing.copied().collect(), &mut report)?;
    recipes::check(repository, &records.backups, &mut report)?;
    if options.depth > Depth::Structure {
        packs::check(repository, options, &records.backups, progress, &mut report)?;
    }
    report.backups_whole =
        records.backups.iter().filter(|record| !report.backups_hurt.contains(&record.id)).count() as u64;
    report.findings.sort_by(|one, other| (other.level, &one.object).cmp(&(one.level, &other.object)));
    Ok(report)
}

/// Notes the backups that are expected and not there, with what is known of how they went.
fn add_missing(
    repository: &IndexedRepository,
    missing: BTreeSet<BackupId>,
    report: &mut CheckReport,
) -> Result<(), RepositoryError> {
    if missing.is_empty() {
        return Ok(());
    }
    let forgotten: HashMap<BackupId, Timestamp> =
        repository.forgotten()?.backups.iter().map(|forgotten| (forgotten.id(), forgotten.at)).collect();
    let events = repository.events()?;
    for id in &missing {
        let event = events.iter().rev().find(|event| event.backup == Some(*id) && event.action == "forget");
        let what = match (forgotten.get(id), event) {
            (Some(at), _) => format!("the backup is expected and was forgotten at {at:.0}; it can be taken back"),
            (None, Some(event)) => {
                let (at, client) = (event.at, &event.client);
                format!("the backup is expected and was forgotten by {client} at {at:.0}; it is gone for good")
            }
            (None, None) => "the backup is expected and has no record, and nobody forgot it".to_owned(),
        };
        report.add(Level::Damage, keys::record(id, 0), what, BTreeSet::new());
    }
    report.expected_missing = missing;
    Ok(())
}

/// Reads every footer afresh and notes what does not belong.
fn check_packs_listed(repository: &IndexedRepository, report: &mut CheckReport) -> Result<(), RepositoryError> {
    let stats = repository.catch_up()?;
    report.packs = stats.packs;
    for (pack, error) in &stats.unreadable {
        report.add(Level::Damage, keys::pack(pack), error_chain(error), BTreeSet::new());
    }
    for object in repository.list(&keys::packs())? {
        let named: Option<PackId> = keys::pack_id_of(&object.key);
        if named.is_none_or(|id| keys::pack(&id) != object.key) {
            report.add(Level::Warning, &object.key, "no pack has such a name; it is not used", BTreeSet::new());
        }
    }
    for object in repository.list(&keys::intents())? {
        report.add(Level::Note, &object.key, "an ingest is under way, or was interrupted", BTreeSet::new());
    }
    Ok(())
}
