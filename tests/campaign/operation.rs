//! The operations that write, each with the world it begins in and what must hold afterwards whatever happens on the way.

use std::{collections::BTreeSet, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use jiff::SignedDuration;
use vectar::{BackupId, Change, Forgotten};
use vectar_backend::{BackendErrorKind, ObjectKey};
use vectar_repository::{
    IndexedRepository, RepositoryError,
    check::damaged_packs,
    prune::{MaxUnused, PruneOptions, plan},
    repair::quarantine,
};

use vectar_testkit::backend::{Aftermath, Effect, FailingBackend, FailurePlan, Operation as Call};

use super::{
    Dice,
    damage::Spoil,
    world::{self, Expected, Toy, World, ingest, toy},
};

/// An operation of the campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// A new snapshot that shares half of its chunks with others.
    Ingest,
    /// The same snapshot once more, when another client's packs hold all of it.
    IngestAgain,
    /// One backup is set aside.
    Forget,
    /// It is taken back by someone who read of it before a prune marked all that only it needed.
    Undelete,
    /// Tags, texts and pins.
    Annotate,
    /// Packs are marked, wasteful ones rewritten.
    PruneMark,
    /// Marked packs are removed, what is needed of them copied out.
    PruneRemove,
    /// The same, while another client, that stands still, has written the same chunks once more and synced none of it.
    PruneBesideUnsynced,
    /// Damaged packs are set aside. The world is not damaged for the backups: each chunk of the damaged pack lies elsewhere too.
    Repair,
    /// All backups go to another repository with the same key.
    Copy,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Ingest,
        Self::IngestAgain,
        Self::Forget,
        Self::Undelete,
        Self::Annotate,
        Self::PruneMark,
        Self::PruneRemove,
        Self::PruneBesideUnsynced,
        Self::Repair,
        Self::Copy,
    ];
}

/// A world before an operation, what is in it, and the backup that the operation is about.
#[derive(Debug)]
pub struct Stage {
    /// The storage.
    pub world: World,
    /// What must be there before and after.
    pub expected: Expected,
    /// The backup that may come or go.
    pub subject: Option<(BackupId, Toy)>,
    /// The forgotten backup as it was read before the prune came.
    pub forgotten: Option<Forgotten>,
    /// The repository that is copied from.
    pub source: Option<World>,
}

/// Everything is kept but what is unused, at once.
#[must_use]
pub fn prune_options(grace_hours: i64) -> PruneOptions {
    PruneOptions {
        max_unused: MaxUnused::Bytes(0),
        max_repack_bytes: None,
        grace: SignedDuration::from_hours(grace_hours),
    }
}

/// Plans and applies a prune.
///
/// # Errors
/// What the repository meets.
pub fn prune(repository: &IndexedRepository, grace_hours: i64) -> Result<(), RepositoryError> {
    plan(repository, &prune_options(grace_hours))?.apply(repository, &|_| true).map(drop)
}

/// What is needed stays where it lies, so that nothing but a barrier makes it durable.
fn prune_without_rewriting(repository: &IndexedRepository) -> Result<(), RepositoryError> {
    let options = PruneOptions { max_unused: MaxUnused::Unlimited, ..prune_options(24) };
    plan(repository, &options)?.apply(repository, &|_| true).map(drop)
}

impl Stage {
    /// Sets the stage for an operation.
    ///
    /// # Errors
    /// None is expected: nothing fails here.
    pub fn set(operation: Operation, seed: u64) -> Result<Self> {
        let mut dice = Dice::new(seed);
        let mut stage =
            Self { world: World::new(seed)?, expected: Expected::new(), subject: None, forgotten: None, source: None };
        let repository = stage.world.open()?;
        // A second client, whose index knows nothing of what the first one writes from here on.
        let blind = stage.world.open()?;
        // A third one, that knows as little and dies before its first barrier over packs: the very first makes its intent durable.
        let dies = FailurePlan {
            operations: vec![Call::Sync],
            nth: 2,
            effect: Effect::Refuse(BackendErrorKind::StorageFailed),
            aftermath: Aftermath::Stop,
        };
        let dying = Arc::new(FailingBackend::new(stage.world.storage.another_process(), dies));
        let dying = stage.world.open_on(dying)?;
        for _ in 0..3 {
            let toy = toy(&mut dice, 30, 60);
            stage.expected.insert(ingest(&repository, &toy)?.id, toy);
        }
        let subject_toy = toy(&mut dice, 30, 120);
        match operation {
            Operation::Ingest | Operation::Annotate => {}
            Operation::IngestAgain => {
                let again = stage.expected.values().next().cloned().unwrap_or_default();
                stage.subject = Some((BackupId::from_bytes([0; 16]), again));
            }
            Operation::Forget => stage.add_subject(&repository, subject_toy)?,
            Operation::Undelete | Operation::PruneMark | Operation::PruneRemove => {
                stage.add_subject(&repository, subject_toy)?;
                stage.forget_subject(&repository)?;
            }
            Operation::PruneBesideUnsynced => {
                let toys: Toy = stage.expected.values().flatten().copied().collect();
                ensure!(ingest(&dying, &toys).is_err(), "it was to die");
                stage.world.wait(25);
                prune_without_rewriting(&stage.world.open()?)?;
                stage.world.wait(25);
            }
            Operation::Repair => {
                // It writes the same chunks once more; one of the two packs is spoiled.
                stage.spoil_a_pack_that_is_there_twice(&blind, &mut dice)?;
            }
            Operation::Copy => {
                let key = repository.config().id_key.clone();
                let target = World::like(seed ^ 1, key)?;
                stage.source = Some(std::mem::replace(&mut stage.world, target));
                // The copies have ids of their own; which snapshots must be there is looked at by digest.
                stage.expected.clear();
            }
        }
        stage.forgotten = repository.forgotten()?.backups.pop();
        if operation == Operation::PruneRemove || operation == Operation::Undelete {
            stage.world.wait(25);
            prune(&stage.world.open()?, 24)?;
        }
        if operation == Operation::PruneMark || operation == Operation::PruneRemove {
            stage.world.wait(25);
        }
        Ok(stage)
    }

    fn add_subject(&mut self, repository: &IndexedRepository, toy: Toy) -> Result<()> {
        self.subject = Some((ingest(repository, &toy)?.id, toy));
        Ok(())
    }

    fn forget_subject(&self, repository: &IndexedRepository) -> Result<()> {
        let id = self.subject.as_ref().map(|(id, _)| *id);
        let records = repository.records()?.backups;
        let record = records.iter().find(|record| Some(record.id) == id).context("the subject is there")?;
        repository.forget(record)?;
        Ok(())
    }

    fn spoil_a_pack_that_is_there_twice(&mut self, blind: &IndexedRepository, dice: &mut Dice) -> Result<()> {
        let keys = self.world.storage.keys();
        let packs: Vec<ObjectKey> = keys.into_iter().filter(|key| key.as_str().starts_with("packs/")).collect();
        let seeing = self.world.open()?;
        for record in seeing.records()?.backups {
            let toy = self.expected.get(&record.id).cloned().context("nothing else is there yet")?;
            self.expected.insert(world::copy(&seeing, &record, blind)?.id, toy);
        }
        let spoiled = dice.pick(&packs).context("there are packs")?;
        Spoil::Flip.apply(&self.world.storage, spoiled, dice)
    }

    /// Runs the operation on a repository opened on this stage.
    ///
    /// # Errors
    /// What the operation meets.
    pub fn run(&mut self, operation: Operation, repository: &IndexedRepository) -> Result<()> {
        match operation {
            Operation::Ingest => {
                let toy: Toy = (50..80).collect();
                ingest(repository, &toy)?;
            }
            Operation::IngestAgain => {
                let toy = self.subject.as_ref().map(|(_, toy)| toy.clone()).context("there is a subject")?;
                ingest(repository, &toy)?;
            }
            Operation::Forget => self.forget_if_there(repository)?,
            Operation::Undelete => self.undelete(repository)?,
            Operation::Annotate => self.annotate(repository)?,
            Operation::PruneMark | Operation::PruneRemove => prune(repository, 24)?,
            Operation::PruneBesideUnsynced => prune_without_rewriting(repository)?,
            Operation::Repair => {
                for damaged in damaged_packs(repository, &[], &|_| true)? {
                    quarantine(repository, &damaged.pack)?;
                }
            }
            Operation::Copy => self.copy_all(repository)?,
        }
        Ok(())
    }

    fn forget_if_there(&self, repository: &IndexedRepository) -> Result<()> {
        let id = self.subject.as_ref().map(|(id, _)| *id);
        if let Some(record) = repository.records()?.backups.iter().find(|record| Some(record.id) == id) {
            repository.forget(record)?;
        }
        Ok(())
    }

    fn undelete(&self, repository: &IndexedRepository) -> Result<()> {
        repository.undelete(self.forgotten.as_ref().context("something was forgotten")?)?;
        Ok(())
    }

    fn annotate(&self, repository: &IndexedRepository) -> Result<()> {
        for id in self.expected.keys() {
            for change in [
                Change::AddTag("gold".to_owned()),
                Change::SetNote("before the upgrade".to_owned()),
                Change::Pin(String::new()),
            ] {
                repository.annotate(*id, change)?;
            }
        }
        Ok(())
    }

    /// Copies with the repository's own parts, as the engine does between repositories of one key.
    fn copy_all(&mut self, repository: &IndexedRepository) -> Result<()> {
        let source = self.source.as_mut().context("there is a source")?.open()?;
        let there: BTreeSet<Option<String>> =
            repository.records()?.backups.into_iter().map(|record| record.sha256).collect();
        for record in source.records()?.backups {
            if !there.contains(&record.sha256) {
                super::world::copy(&source, &record, repository)?;
            }
        }
        Ok(())
    }
}
