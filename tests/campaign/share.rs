//! Two clients of a network share at work on one repository: stale listings, objects not found at first, short packs, a refused sync.
//!
//! What must hold: time is the margin for what caches do not know, so with marks older than any cache no backup is lost; a pack that lost
//! its end is never served and always reported; where nothing can be made durable, `check` explains what a power failure took.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};
use vectar::{BackupId, RepositoryError, RepositoryErrorKind};
use vectar_backend::{Backend as _, Durability};
use vectar_repository::{IndexedRepository, check::Level, format::keys};
use vectar_testkit::backend::{MemoryBackend, ShareBackend, ShareOptions, Shortening};

use super::{
    Dice,
    operation::prune,
    world::{
        self, Expected, Toy, World, check_whole, ingest, ingest_pausing, is_explained, toy, toy_bytes, verify_all,
    },
};

/// How long a marked pack is kept, in hours.
const GRACE_HOURS: i64 = 24;

/// Changes and listings that a cache may lag behind: what some ten operations make.
const LAG_MAX: u64 = 200;

/// What a share campaign tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShareCounts {
    /// Operations.
    pub steps: u64,
    /// Backups stored.
    pub ingested: u64,
    /// Operations that gave up and said why.
    pub given_up: u64,
    /// Looks at backups that a stale cache did not show whole yet.
    pub late: u64,
    /// Restored and compared backups.
    pub restored: u64,
    /// Packs that lost their end.
    pub short_packs: u64,
    /// Backups that could not be restored, as `check` had said.
    pub reported: u64,
}

type Client = Arc<ShareBackend<MemoryBackend>>;

/// The two clients, and what should be there.
#[derive(Debug)]
struct Office {
    world: World,
    clients: [Client; 2],
    backups: Expected,
    /// Forgotten backups that can surely be taken back, and when they were forgotten, in hours.
    forgotten: BTreeMap<BackupId, (Toy, i64)>,
    hours: i64,
    dice: Dice,
}

impl Office {
    fn new(seed: u64, options: ShareOptions) -> Result<Self> {
        let world = World::new(seed)?;
        let one = ShareBackend::new(world.storage.another_process(), options);
        let other = one.another_client(world.storage.another_process());
        let clients = [Arc::new(one), Arc::new(other)];
        let (backups, forgotten) = (Expected::new(), BTreeMap::new());
        Ok(Self { world, clients, backups, forgotten, hours: 0, dice: Dice::new(seed) })
    }

    /// Opens the repository anew as a client, with the caches it has.
    fn open(&mut self, client: usize) -> Result<IndexedRepository, RepositoryError> {
        let backend = Arc::clone(&self.clients[client]);
        self.world.open_on(backend)
    }

    /// Lets hours pass: by then every cache knows everything.
    fn wait(&mut self, hours: i64) -> Result<()> {
        self.world.wait(hours);
        self.hours += hours;
        Ok(self.clients[0].settle()?)
    }
}

/// Does `steps` random things on a share whose listings lag and where a fresh object may not be found at first.
///
/// # Errors
/// The first step after which a backup is lost or wrong, or something fails without an explanation.
pub fn campaign(seed: u64, steps: u64, counts: &mut ShareCounts) -> Result<()> {
    let durability = if seed.is_multiple_of(2) { Durability::ContentsOnly } else { Durability::Full };
    let options = ShareOptions { seed, lag_max: LAG_MAX, missed_once_in: 4, durability, ..ShareOptions::default() };
    let mut office = Office::new(seed, options)?;
    for step in 0..steps {
        let client = office.dice.below(2) as usize;
        office.step(client, true, counts).with_context(|| format!("seed {seed}, step {step}, client {client}"))?;
        if office.dice.once_in(8) {
            office.settle(counts).with_context(|| format!("seed {seed}, after step {step}"))?;
        }
    }
    office.settle(counts).with_context(|| format!("seed {seed}, at the end"))?;
    let told = office.clients[0].durability();
    ensure!(told == durability, "the share keeps {durability:?} and tells {told:?}");
    Ok(())
}

/// Whether an error of a client with stale caches is one that a user can act on: something is not there, or try again.
fn is_excused(error: &RepositoryError) -> bool {
    is_explained(error) || error.kind() == RepositoryErrorKind::Retry
}

impl Office {
    fn step(&mut self, client: usize, may_pause: bool, counts: &mut ShareCounts) -> Result<()> {
        counts.steps += 1;
        let outcome = match self.dice.below(12) {
            0..=3 => self.ingest(client, may_pause, counts),
            4 | 5 => self.restore(client, counts),
            6 => self.check(client, counts),
            7 => self.forget(client),
            8 => self.undelete(client),
            9 | 10 => {
                let hours = self.hours;
                // A day after it was forgotten a prune may take a backup for good.
                self.forgotten.retain(|_, (_, at)| hours - *at < GRACE_HOURS);
                self.open(client).and_then(|repository| prune(&repository, GRACE_HOURS)).map_err(Into::into)
            }
            _ => {
                let hours = self.dice.below(30) as i64;
                self.wait(hours)
            }
        };
        match outcome {
            Err(error) if error.downcast_ref::<RepositoryError>().is_some_and(is_excused) => {
                counts.given_up += 1;
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// One ingest in three is slow: the other client works while it stands still.
    fn ingest(&mut self, client: usize, may_pause: bool, counts: &mut ShareCounts) -> Result<()> {
        let len = 5 + self.dice.below(25);
        let toy = toy(&mut self.dice, len, 80);
        let repository = self.open(client)?;
        let is_slow = may_pause && self.dice.once_in(3);
        let mut meanwhile = Ok(());
        let record = ingest_pausing(&repository, &toy, || {
            for _ in 0..self.dice.below(4) {
                if is_slow && meanwhile.is_ok() {
                    meanwhile = self.step(1 - client, false, counts);
                }
            }
        });
        meanwhile.context("while the other client was at an ingest")?;
        let record = record?;
        self.backups.insert(record.id, toy);
        counts.ingested += 1;
        Ok(())
    }

    fn restore(&mut self, client: usize, counts: &mut ShareCounts) -> Result<()> {
        let ids: Vec<BackupId> = self.backups.keys().copied().collect();
        let Some(id) = self.dice.pick(&ids).copied() else { return Ok(()) };
        let repository = self.open(client)?;
        let records = repository.records()?.backups;
        let Some(record) = records.iter().find(|record| record.id == id) else {
            counts.late += 1;
            return Ok(());
        };
        let bytes = world::restore(&repository, record)?;
        ensure!(bytes == toy_bytes(&self.backups[&id]), "backup {id} comes back with other bytes");
        counts.restored += 1;
        Ok(())
    }

    fn check(&mut self, client: usize, counts: &mut ShareCounts) -> Result<()> {
        let report = check_whole(&self.open(client)?)?;
        // That a cache does not know a pack yet looks like a lost pack; an hour later it must not.
        counts.late += u64::from(report.worst() == Some(Level::Damage));
        Ok(())
    }

    fn forget(&mut self, client: usize) -> Result<()> {
        let ids: Vec<BackupId> = self.backups.keys().copied().collect();
        let Some(id) = self.dice.pick(&ids).copied() else { return Ok(()) };
        let repository = self.open(client)?;
        let records = repository.records()?.backups;
        let Some(record) = records.iter().find(|record| record.id == id) else { return Ok(()) };
        // From here on it may be gone, whatever happens.
        let toy = self.backups.remove(&id).context("it was picked from there")?;
        repository.forget(record)?;
        self.forgotten.insert(id, (toy, self.hours));
        Ok(())
    }

    fn undelete(&mut self, client: usize) -> Result<()> {
        let ids: Vec<BackupId> = self.forgotten.keys().copied().collect();
        let Some(id) = self.dice.pick(&ids).copied() else { return Ok(()) };
        let repository = self.open(client)?;
        let list = repository.forgotten()?.backups;
        let Some(forgotten) = list.iter().find(|one| one.id() == id) else { return Ok(()) };
        repository.undelete(forgotten)?;
        if let Some((toy, _)) = self.forgotten.remove(&id) {
            self.backups.insert(id, toy);
        }
        Ok(())
    }

    /// Lets an hour pass and looks: nothing is lost, nothing is damaged, and whatever else is listed can be restored.
    fn settle(&mut self, counts: &mut ShareCounts) -> Result<()> {
        self.wait(1)?;
        verify_all(&mut self.world, &self.backups)?;
        let repository = self.world.open()?;
        for record in repository.records()?.backups {
            let bytes = world::restore(&repository, &record)
                .with_context(|| format!("backup {} is listed and cannot be restored", record.id))?;
            let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            ensure!(record.sha256.as_ref() == Some(&digest), "backup {} comes back with other bytes", record.id);
            counts.restored += 1;
        }
        Ok(())
    }
}

/// Stores backups on a share that takes the end off one pack in five and says nothing, then looks, prunes, and stores them again.
///
/// # Errors
/// A short pack was served or not reported, or the same bytes, stored again, do not heal.
pub fn short_packs(seed: u64, shortening: Shortening, counts: &mut ShareCounts) -> Result<()> {
    let short_below = keys::packs();
    let options = ShareOptions { seed, short_once_in: 5, short_below, shortening, ..ShareOptions::default() };
    let mut office = Office::new(seed, options)?;
    for round in 0..6 {
        let (client, len) = (round % 2, 5 + office.dice.below(25));
        let toy = toy(&mut office.dice, len, 80);
        let repository = office.open(client)?;
        match ingest(&repository, &toy) {
            Ok(record) => {
                // Whole when it is committed: an ingest whose own pack is short by then gives up.
                let bytes = world::restore(&repository, &record).context("a backup was committed with a short pack")?;
                ensure!(bytes == toy_bytes(&toy), "backup {} comes back with other bytes", record.id);
                office.backups.insert(record.id, toy);
                counts.ingested += 1;
            }
            Err(error) if is_excused(&error) => counts.given_up += 1,
            Err(error) => return Err(error).context("an ingest fails without an explanation"),
        }
        counts.steps += 1;
    }
    office.wait(1)?;
    let whole = office.judge(counts)?;
    office.wait(GRACE_HOURS + 1)?;
    if let Err(error) = prune(&office.open(0)?, GRACE_HOURS) {
        ensure!(is_excused(&error), "a prune fails without an explanation: {error:?}");
    }
    let after = office.judge(counts)?;
    counts.short_packs += office.clients[0].shortened().len() as u64;
    ensure!(whole.is_subset(&after), "a prune made it worse: {:?}", whole.difference(&after));
    office.heal(&after)
}

impl Office {
    /// Returns the backups that come back whole. All others, and every short pack, must be in the report of a check.
    fn judge(&mut self, counts: &mut ShareCounts) -> Result<BTreeSet<BackupId>> {
        let repository = self.world.open()?;
        let report = check_whole(&repository)?;
        let present: BTreeSet<String> = self.world.storage.keys().iter().map(ToString::to_string).collect();
        for key in self.clients[0].shortened().iter().map(ToString::to_string).filter(|key| present.contains(key)) {
            let is_reported =
                report.findings.iter().any(|finding| finding.level == Level::Damage && finding.object == key);
            ensure!(is_reported, "{key} lost its end and is not reported");
        }
        let records = repository.records()?.backups;
        let mut whole = BTreeSet::new();
        for (id, toy) in &self.backups {
            let record =
                records.iter().find(|record| record.id == *id).with_context(|| format!("{id} has no record"))?;
            match world::restore(&repository, record) {
                Ok(bytes) => {
                    ensure!(bytes == toy_bytes(toy), "backup {id} comes back with other bytes");
                    whole.insert(*id);
                    counts.restored += 1;
                }
                Err(error) => {
                    ensure!(is_explained(&error), "a restore fails without an explanation: {error:?}");
                    ensure!(report.backups_hurt.contains(id), "backup {id} cannot be restored and check said nothing");
                    counts.reported += 1;
                }
            }
        }
        Ok(whole)
    }

    /// The same bytes, stored once more on a storage that has come to its senses, bring every hurt backup back.
    fn heal(&mut self, whole: &BTreeSet<BackupId>) -> Result<()> {
        let repository = self.world.open()?;
        let hurt: Vec<(BackupId, Toy)> =
            self.backups.iter().filter(|(id, _)| !whole.contains(id)).map(|(id, toy)| (*id, toy.clone())).collect();
        for (id, toy) in &hurt {
            let again = ingest(&repository, toy).with_context(|| format!("the bytes of {id} are not taken again"))?;
            ensure!(world::restore(&repository, &again)? == toy_bytes(toy), "{id}, stored again, comes back wrong");
        }
        let repository = self.world.open()?;
        for record in repository.records()?.backups {
            if let Err(error) = world::restore(&repository, &record) {
                bail!("backup {} did not heal: {error:?}", record.id);
            }
        }
        Ok(())
    }
}

/// Stores backups where nothing is made durable, then cuts the power: what is listed afterwards comes back or is reported.
///
/// # Errors
/// The weakness is not told, wrong bytes are served, or a backup that cannot be restored is not reported.
pub fn refused_sync(seed: u64, counts: &mut ShareCounts) -> Result<()> {
    let durability = Durability::ContentsOnly;
    let mut office = Office::new(seed, ShareOptions { seed, durability, ..ShareOptions::default() })?;
    for round in 0..4 {
        let len = 5 + office.dice.below(25);
        let toy = toy(&mut office.dice, len, 80);
        let record = ingest(&office.open(round % 2)?, &toy)?;
        office.backups.insert(record.id, toy);
        counts.ingested += 1;
        counts.steps += 1;
    }
    let told = office.clients[0].durability();
    ensure!(told == durability, "the share keeps {durability:?} and tells {told:?}");
    let (_, changes) = office.open(0)?.probe_storage()?;
    ensure!(changes.iter().any(|change| change.what == "durability"), "the weaker durability is not told: {changes:?}");
    let dice = &mut office.dice;
    office.world.storage.power_failure_keeping(|_| !dice.once_in(6));
    let repository = office.world.open()?;
    let listed: BTreeSet<BackupId> = repository.records()?.backups.iter().map(|record| record.id).collect();
    // Of a backup whose record is gone only a list that is kept elsewhere can tell.
    office.backups.retain(|id, _| listed.contains(id));
    drop(repository);
    let whole = office.judge(counts)?;
    office.heal(&whole)
}
