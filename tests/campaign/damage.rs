//! The damage matrix: every kind of object, spoiled in every way, then met by every operation.
//!
//! What must hold: no wrong byte is ever served; whatever cannot be restored was reported by `check` before; no operation makes it worse.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use vectar::BackupId;
use vectar_backend::{Backend as _, ObjectKey};
use vectar_repository::{
    IndexedRepository,
    check::{Level, damaged_packs},
    repair::quarantine,
};
use vectar_testkit::backend::MemoryBackend;

use super::{
    Dice,
    operation::prune,
    world::{self, Expected, World, check_whole, ingest, is_explained, toy, toy_bytes},
};

/// The longest object in the toy world, in bytes.
const OBJECT_BYTES_MAX: u64 = 1 << 24;

/// How an object is spoiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoil {
    /// It is gone.
    Delete,
    /// Its end is gone.
    Truncate,
    /// It has its length, and a part of it is zeros.
    Zero,
    /// One bit is another.
    Flip,
    /// Another object of its kind lies under its name.
    Swap,
    /// It is empty.
    Empty,
}

impl Spoil {
    /// All ways.
    pub const ALL: [Self; 6] = [Self::Delete, Self::Truncate, Self::Zero, Self::Flip, Self::Swap, Self::Empty];

    /// Spoils an object.
    ///
    /// # Errors
    /// It is not there.
    pub fn apply(self, storage: &MemoryBackend, key: &ObjectKey, dice: &mut Dice) -> Result<()> {
        let mut bytes = storage.get(key, OBJECT_BYTES_MAX)?.to_vec();
        let at = usize::try_from(dice.below(bytes.len().max(1) as u64))?;
        match self {
            Self::Delete => return Ok(storage.delete(key)?),
            Self::Truncate => bytes.truncate(at),
            Self::Zero => {
                let end = (at + 512).min(bytes.len());
                bytes[at..end].fill(0);
            }
            Self::Flip => bytes[at] ^= 1 << dice.below(8),
            Self::Swap => {
                let folder = kind_of(key);
                let others: Vec<ObjectKey> =
                    storage.keys().into_iter().filter(|other| other != key && kind_of(other) == folder).collect();
                let Some(other) = dice.pick(&others) else { return Ok(()) };
                bytes = storage.get(other, OBJECT_BYTES_MAX)?.to_vec();
            }
            Self::Empty => bytes.clear(),
        }
        Ok(storage.put(key, &[Bytes::from(bytes)])?)
    }
}

/// The folder of an object.
fn kind_of(key: &ObjectKey) -> String {
    key.as_str().split('/').next().unwrap_or_default().to_owned()
}

/// What meets the damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meeting {
    Restore,
    Ingest,
    Prune,
    Repair,
}

impl Meeting {
    const ALL: [Self; 4] = [Self::Restore, Self::Ingest, Self::Prune, Self::Repair];
}

/// What a damage campaign tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DamageCounts {
    /// Cells of the matrix: object, way, operation.
    pub cells: u64,
    /// Backups that came back whole.
    pub whole: u64,
    /// Backups that could not be restored, as `check` had said.
    pub reported: u64,
}

/// Spoils one object of each kind in each way and lets every operation meet it.
///
/// # Errors
/// The first cell in which something is not as it should be.
pub fn campaign(seed: u64, counts: &mut DamageCounts) -> Result<()> {
    let (world, expected) = set(seed)?;
    let mut dice = Dice::new(seed);
    let mut kinds: BTreeMap<String, Vec<ObjectKey>> = BTreeMap::new();
    for key in world.storage.keys() {
        kinds.entry(kind_of(&key)).or_default().push(key);
    }
    for (kind, keys) in &kinds {
        for spoil in Spoil::ALL {
            let key = dice.pick(keys).context("a kind has an object")?.clone();
            for meeting in Meeting::ALL {
                cell(world.fork(), &expected, &key, spoil, meeting, &mut dice.clone(), counts)
                    .with_context(|| format!("seed {seed}: {kind} object {key}, {spoil:?}, then {meeting:?}"))?;
                counts.cells += 1;
            }
        }
    }
    Ok(())
}

/// A world with something of every kind in it: backups, one forgotten, marks, an ingest under way.
fn set(seed: u64) -> Result<(World, Expected)> {
    let mut dice = Dice::new(seed);
    let mut world = World::new(seed)?;
    let mut expected = Expected::new();
    let repository = world.open()?;
    for _ in 0..3 {
        let toy = toy(&mut dice, 30, 60);
        expected.insert(ingest(&repository, &toy)?.id, toy);
    }
    let unloved = ingest(&repository, &toy(&mut dice, 30, 200))?;
    repository.forget(&unloved)?;
    drop(repository);
    world.wait(25);
    let repository = world.open()?;
    prune(&repository, 24)?;
    let kept = ingest(&repository, &toy(&mut dice, 10, 60))?;
    repository.forget(&kept)?;
    for id in expected.keys() {
        repository.annotate(*id, vectar::Change::AddTag("gold".to_owned()))?;
        repository.add_proof(*id, true)?;
    }
    check_whole(&repository)?;
    Ok((world, expected))
}

fn cell(
    mut world: World,
    expected: &Expected,
    key: &ObjectKey,
    spoil: Spoil,
    meeting: Meeting,
    dice: &mut Dice,
    counts: &mut DamageCounts,
) -> Result<()> {
    spoil.apply(&world.storage, key, dice)?;
    let backend = Arc::new(world.storage.another_process());
    let repository = match world.open_on(backend) {
        Ok(repository) => repository,
        Err(error) => {
            ensure!(is_explained(&error), "opening fails without an explanation: {error:?}");
            return Ok(());
        }
    };
    let reported = reported(&repository, expected)?;
    let before = whole(&repository, expected)?;
    judge(expected, &before, &reported, counts)?;
    match meeting {
        Meeting::Restore => return Ok(()),
        Meeting::Ingest => {
            let (id, toy) = expected.iter().next().context("there is a backup")?;
            let again = ingest(&repository, toy);
            if let Err(error) = &again {
                ensure!(is_explained(error), "an ingest fails without an explanation: {error:?}");
            }
            // It may rely on what is damaged and not yet set aside; then it is hurt as the old one is, and said to be.
            if let Ok(record) = again {
                let also = Expected::from([(record.id, toy.clone())]);
                let is_reported = self::reported(&repository, &also)?.contains(&record.id);
                let comes_back = whole(&repository, &also)?.contains(&record.id);
                ensure!(comes_back || is_reported, "the new backup does not come back, and check did not say so");
                let is_listed = repository.records()?.backups.iter().any(|record| record.id == *id);
                let now = whole(&repository, expected)?;
                ensure!(!is_listed || now.contains(id) || !before.contains(id), "the ingest hurt a backup");
            }
        }
        Meeting::Prune => {
            world.wait(25);
            for _ in 0..2 {
                if let Err(error) = prune(&world.open()?, 24) {
                    ensure!(is_explained(&error), "a prune fails without an explanation: {error:?}");
                }
                world.wait(25);
            }
        }
        Meeting::Repair => {
            for damaged in damaged_packs(&repository, &[], &|_| true)? {
                quarantine(&repository, &damaged.pack)?;
            }
            heal_all(&repository, expected, kind_of(key) == "packs")?;
        }
    }
    let after = whole(&world.open()?, expected)?;
    ensure!(
        before.is_subset(&after),
        "backups were whole before and are not any more: {:?}",
        before.difference(&after)
    );
    Ok(())
}

/// Stores every snapshot again. When only a pack was hurt, and what was damaged is set aside, that makes every backup whole.
fn heal_all(repository: &IndexedRepository, expected: &Expected, only_a_pack: bool) -> Result<()> {
    for toy in expected.values() {
        match ingest(repository, toy) {
            Ok(record) => {
                ensure!(world::restore(repository, &record)? == toy_bytes(toy), "the new backup does not come back");
            }
            Err(error) => ensure!(!only_a_pack && is_explained(&error), "an ingest after a repair fails: {error:?}"),
        }
    }
    let healed = whole(repository, expected)?;
    ensure!(
        !only_a_pack || healed.len() == expected.len(),
        "only {} of {} backups healed",
        healed.len(),
        expected.len()
    );
    Ok(())
}

/// Backups that `check` says are hurt or whose record it cannot read; all of them when it cannot say which.
fn reported(repository: &IndexedRepository, expected: &Expected) -> Result<BTreeSet<BackupId>> {
    let report = check_whole(repository)?;
    let mut reported = report.backups_hurt;
    for finding in report.findings.iter().filter(|finding| finding.level == Level::Damage) {
        reported.extend(expected.keys().filter(|id| finding.object.contains(&id.to_string())));
    }
    let listed: BTreeSet<BackupId> = repository.records()?.backups.iter().map(|record| record.id).collect();
    // What has no record any more is told only by a list that is kept elsewhere.
    reported.extend(expected.keys().filter(|id| !listed.contains(id)));
    Ok(reported)
}

/// Backups that come back whole. Wrong bytes are an error at once.
fn whole(repository: &IndexedRepository, expected: &Expected) -> Result<BTreeSet<BackupId>> {
    let records = repository.records()?.backups;
    let mut whole = BTreeSet::new();
    for (id, toy) in expected {
        let Some(record) = records.iter().find(|record| record.id == *id) else { continue };
        match world::restore(repository, record) {
            Ok(bytes) => {
                ensure!(bytes == toy_bytes(toy), "backup {id} comes back with wrong bytes");
                whole.insert(*id);
            }
            Err(error) => ensure!(is_explained(&error), "a restore fails without an explanation: {error:?}"),
        }
    }
    Ok(whole)
}

fn judge(
    expected: &Expected,
    whole: &BTreeSet<BackupId>,
    reported: &BTreeSet<BackupId>,
    counts: &mut DamageCounts,
) -> Result<()> {
    for id in expected.keys() {
        match whole.contains(id) {
            true => counts.whole += 1,
            false => {
                ensure!(reported.contains(id), "backup {id} cannot be restored, and check did not say so");
                counts.reported += 1;
            }
        }
    }
    Ok(())
}
