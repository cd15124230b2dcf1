//! Random work, with crashes, against a plain map of backups and their snapshots.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use vectar::BackupId;
use vectar_repository::IndexedRepository;
use vectar_testkit::backend::{FailingBackend, FailurePlan};

use super::{
    Dice,
    operation::prune,
    world::{self, Expected, Toy, World, ingest, toy, toy_bytes, verify_all},
};

/// What a model campaign tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ModelCounts {
    /// Operations.
    pub steps: u64,
    /// Of them, operations that a crash cut short.
    pub crashes: u64,
    /// Backups stored.
    pub ingested: u64,
    /// Restored and compared backups.
    pub restored: u64,
}

/// What is known of the repository without looking.
#[derive(Debug, Default)]
struct Model {
    backups: Expected,
    /// Forgotten backups that can surely be taken back, and when they were forgotten, in hours.
    forgotten: BTreeMap<BackupId, (Toy, i64)>,
    hours: i64,
}

/// Does `steps` random things.
///
/// # Errors
/// The first step after which repository and map differ.
pub fn campaign(seed: u64, steps: u64, counts: &mut ModelCounts) -> Result<()> {
    let mut dice = Dice::new(seed);
    let mut world = World::new(seed)?;
    let mut model = Model::default();
    for step in 0..steps {
        let crash_at = dice.once_in(3).then(|| 1 + dice.below(12));
        one_step(&mut world, &mut model, crash_at, &mut dice, counts)
            .with_context(|| format!("seed {seed}, step {step}"))?;
        counts.steps += 1;
        if dice.once_in(4) {
            verify_all(&mut world, &model.backups).with_context(|| format!("seed {seed}, after step {step}"))?;
            counts.restored += model.backups.len() as u64;
        }
    }
    verify_all(&mut world, &model.backups).with_context(|| format!("seed {seed}, at the end"))
}

fn one_step(
    world: &mut World,
    model: &mut Model,
    crash_at: Option<u64>,
    dice: &mut Dice,
    counts: &mut ModelCounts,
) -> Result<()> {
    let plan = FailurePlan::stop_at_write(crash_at.unwrap_or(u64::MAX));
    let backend = Arc::new(FailingBackend::new(world.storage.another_process(), plan));
    let repository = world.open_on(backend.clone())?;
    let done = act(&repository, world, model, dice, counts);
    drop(repository);
    let crashed = backend.has_failed();
    counts.crashes += u64::from(crashed);
    match done {
        Err(error) if !crashed => Err(error.context("it failed although nothing was wrong")),
        _ => {
            if crashed {
                if dice.once_in(2) {
                    world.storage.power_failure_keeping(|_| dice.once_in(2));
                }
                model.look_again(world)?;
            }
            Ok(())
        }
    }
}

fn act(
    repository: &IndexedRepository,
    world: &mut World,
    model: &mut Model,
    dice: &mut Dice,
    counts: &mut ModelCounts,
) -> Result<()> {
    match dice.below(10) {
        0..=3 => {
            let len = 5 + dice.below(25);
            let toy = toy(dice, len, 80);
            let record = ingest(repository, &toy)?;
            model.backups.insert(record.id, toy);
            counts.ingested += 1;
        }
        4 | 5 => {
            let ids: Vec<BackupId> = model.backups.keys().copied().collect();
            let Some(id) = dice.pick(&ids) else { return Ok(()) };
            let records = repository.records()?.backups;
            let record = records.iter().find(|record| record.id == *id).context("a backup has no record")?;
            // From here on it may be gone, whatever happens.
            let toy = model.backups.remove(id).context("it was picked from there")?;
            repository.forget(record)?;
            model.forgotten.insert(*id, (toy, model.hours));
        }
        6 => {
            let ids: Vec<BackupId> = model.forgotten.keys().copied().collect();
            let Some(id) = dice.pick(&ids) else { return Ok(()) };
            let list = repository.forgotten()?.backups;
            let forgotten = list.iter().find(|one| one.id() == *id).context("a forgotten backup is gone too early")?;
            repository.undelete(forgotten)?;
            if let Some((toy, _)) = model.forgotten.remove(id) {
                model.backups.insert(*id, toy);
            }
        }
        7 | 8 => {
            let hours = model.hours;
            // A day after it was forgotten a prune may take a backup for good.
            model.forgotten.retain(|_, (_, at)| hours - *at < 24);
            prune(repository, 24)?;
        }
        _ => {
            let hours = dice.below(30) as i64;
            world.wait(hours);
            model.hours += hours;
        }
    }
    Ok(())
}

impl Model {
    /// After a crash the map cannot know how far an operation came: whatever is listed and was not expected is looked at, and must be
    /// whole. What was expected must be there all the same.
    fn look_again(&mut self, world: &mut World) -> Result<()> {
        let repository = world.open()?;
        for record in repository.records()?.backups {
            if self.backups.contains_key(&record.id) {
                continue;
            }
            let bytes = world::restore(&repository, &record)
                .with_context(|| format!("backup {} is listed and cannot be restored", record.id))?;
            ensure!(bytes.len() as u64 == record.bytes, "backup {} has another length", record.id);
            if let Some((toy, _)) = self.forgotten.remove(&record.id) {
                ensure!(bytes == toy_bytes(&toy), "backup {} comes back with other bytes", record.id);
                // That a half-done undelete is listed does not make it durable; whoever sees it there tries again.
                let leftover = repository.forgotten()?.backups;
                if let Some(forgotten) = leftover.iter().find(|one| one.id() == record.id) {
                    repository.undelete(forgotten)?;
                }
                self.backups.insert(record.id, toy);
            }
        }
        // A forgotten backup that a half-done step took away is not missed.
        let still: Vec<BackupId> = repository.forgotten()?.backups.iter().map(|one| one.id()).collect();
        self.forgotten.retain(|id, _| still.contains(id));
        Ok(())
    }
}
