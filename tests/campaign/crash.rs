//! Crashes: an operation is stopped at every call that writes, loses its answer there, or finds no room; then, as if that were not enough,
//! the power fails and takes any part of what was not synced.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use vectar_backend::BackendErrorKind;
use vectar_testkit::backend::{Aftermath, Effect, FailingBackend, FailurePlan, MemoryBackend, Operation as Call};

use super::{
    Dice,
    operation::{Operation, Stage},
    world::{self, check_whole, toy_bytes, verify_all},
};

/// What a crash campaign tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CrashCounts {
    /// Places at which an operation was stopped.
    pub crash_points: u64,
    /// Places at which an answer was lost.
    pub lost_answers: u64,
    /// Places at which the storage was full.
    pub full_disks: u64,
    /// Power failures, each with another part of what was not synced.
    pub power_failures: u64,
    /// Restored and compared backups.
    pub restored: u64,
}

impl CrashCounts {
    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        self.crash_points += other.crash_points;
        self.lost_answers += other.lost_answers;
        self.full_disks += other.full_disks;
        self.power_failures += other.power_failures;
        self.restored += other.restored;
    }
}

/// How the power fails after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Power {
    /// It stays.
    Stays,
    /// Everything that was not synced is gone.
    TakesAll,
    /// Of each change that was not synced a throw of the dice decides.
    TakesSome(u64),
}

/// Runs one operation into every fault at every place. `orders` is how many random power failures follow each crash.
///
/// # Errors
/// The first fault after which something is not as it should be, with its place and seed.
pub fn campaign(operation: Operation, seed: u64, orders: u64, counts: &mut CrashCounts) -> Result<()> {
    let writes = count_writes(operation, seed)?;
    ensure!(writes > 0, "{operation:?} writes nothing, so it tests nothing");
    for nth in 1..=writes {
        let powers = [Power::Stays, Power::TakesAll].into_iter().chain((0..orders).map(Power::TakesSome));
        for power in powers {
            fault(operation, seed, &FailurePlan::stop_at_write(nth), power, counts).with_context(|| {
                format!("{operation:?}, seed {seed}: stopped at write {nth} of {writes}, power {power:?}")
            })?;
            counts.crash_points += u64::from(power == Power::Stays);
            counts.power_failures += u64::from(power != Power::Stays);
        }
        let lost = once(nth, Effect::LoseAnswer(BackendErrorKind::Retry));
        fault(operation, seed, &lost, Power::Stays, counts)
            .with_context(|| format!("{operation:?}, seed {seed}: answer {nth} of {writes} was lost"))?;
        counts.lost_answers += 1;
        let full = once(nth, Effect::Refuse(BackendErrorKind::NoSpace));
        fault(operation, seed, &full, Power::Stays, counts)
            .with_context(|| format!("{operation:?}, seed {seed}: the storage was full at write {nth} of {writes}"))?;
        counts.full_disks += 1;
    }
    Ok(())
}

fn once(nth: u64, effect: Effect) -> FailurePlan {
    FailurePlan { operations: Call::WRITES.to_vec(), nth, effect, aftermath: Aftermath::Recover }
}

fn count_writes(operation: Operation, seed: u64) -> Result<u64> {
    let mut stage = Stage::set(operation, seed)?;
    let backend = Arc::new(FailingBackend::counting(stage.world.storage.another_process()));
    let repository = stage.world.open_on(backend.clone())?;
    stage.run(operation, &repository)?;
    drop(repository);
    verify_stage(&mut stage, operation, &mut CrashCounts::default()).context("even without a fault")?;
    Ok(backend.matching_calls())
}

/// Runs the operation into one fault, looks at what is left, and runs it again.
fn fault(operation: Operation, seed: u64, plan: &FailurePlan, power: Power, counts: &mut CrashCounts) -> Result<()> {
    let mut stage = Stage::set(operation, seed)?;
    let backend = Arc::new(FailingBackend::new(stage.world.storage.another_process(), plan.clone()));
    let outcome = stage
        .world
        .open_on(backend.clone())
        .map_err(Into::into)
        .and_then(|repository| stage.run(operation, &repository));
    ensure!(backend.has_failed(), "the fault was never reached");
    fail_power(&stage.world.storage, power);
    verify_stage(&mut stage, operation, counts).with_context(|| format!("after it ended with {outcome:?}"))?;
    let repository = stage.world.open()?;
    stage.run(operation, &repository).context("the second try fails")?;
    drop(repository);
    verify_stage(&mut stage, operation, counts).context("after the second try")?;
    if operation == Operation::Undelete {
        let (id, toy) = stage.subject.clone().context("there is a subject")?;
        stage.expected.insert(id, toy);
        verify_stage(&mut stage, operation, counts).context("what was taken back is not there")?;
    }
    Ok(())
}

fn fail_power(storage: &MemoryBackend, power: Power) {
    match power {
        Power::Stays => {}
        Power::TakesAll => storage.power_failure(),
        Power::TakesSome(seed) => {
            let mut dice = Dice::new(seed ^ 0x5eed);
            storage.power_failure_keeping(|_| dice.once_in(2));
        }
    }
}

/// Everything that was there is there, and whatever else is listed can be restored too: no record dangles.
fn verify_stage(stage: &mut Stage, operation: Operation, counts: &mut CrashCounts) -> Result<()> {
    match operation {
        // The spoiled pack may still be there, and a check must say so; every backup comes back all the same.
        Operation::Repair => {}
        _ => verify_all(&mut stage.world, &stage.expected)?,
    }
    let repository = stage.world.open()?;
    for record in repository.records()?.backups {
        let bytes = world::restore(&repository, &record)
            .with_context(|| format!("backup {} is listed and cannot be restored", record.id))?;
        ensure!(bytes.len() as u64 == record.bytes, "backup {} has another length", record.id);
        if let Some(toy) = stage.expected.get(&record.id) {
            ensure!(bytes == toy_bytes(toy), "backup {} comes back with other bytes", record.id);
        }
        counts.restored += 1;
    }
    check_whole(&repository)?;
    Ok(())
}
