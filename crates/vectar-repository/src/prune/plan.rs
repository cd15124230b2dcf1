//! What a prune would do. Making a plan writes nothing.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::{
    listing::{self, Intents, Needs},
    rerecord::Rerecording,
    usage::{PackBytes, PackUsage, Usage},
};
use crate::{
    error::RepositoryError,
    format::{
        ids::{BackupId, IngestNonce, PackId},
        keys,
        mark::{Mark, MarkReason},
        pack::{PACK_HEADER_BYTES, PackHeader},
        record::BackupRecord,
    },
    repository::IndexedRepository,
};

/// How long a marked pack is kept, and a forgotten backup can be taken back, when nobody says otherwise.
pub const GRACE_DEFAULT: SignedDuration = SignedDuration::from_hours(24);

/// How much of the repository may be unused, in percent of what is used, when nobody says otherwise.
pub const MAX_UNUSED_PERCENT_DEFAULT: f64 = 5.0;

/// So many packs of one size class are merged into one. Daily ingests leave two small packs each: with eight, every byte is copied
/// about three times on its way to a full pack.
const MERGE_PACKS_MIN: usize = 8;

/// A pack of at least this part of the configured size is not small.
const SMALL_PART: u64 = 4;

/// How much may be left unused in packs that hold something needed as well.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxUnused {
    /// Percent of the bytes that are needed.
    Percent(f64),
    /// Bytes.
    Bytes(u64),
    /// All of it: nothing is rewritten.
    Unlimited,
}

impl MaxUnused {
    /// Bytes that may be left unused beside `used` ones.
    fn of(self, used: u64) -> u64 {
        match self {
            Self::Percent(percent) => (used as f64 * percent / 100.0) as u64,
            Self::Bytes(bytes) => bytes,
            Self::Unlimited => u64::MAX,
        }
    }
}

/// How to prune.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PruneOptions {
    /// How much may be left unused.
    pub max_unused: MaxUnused,
    /// Copy at most so many bytes in one prune.
    pub max_repack_bytes: Option<u64>,
    /// How long a marked pack is kept, and a forgotten backup can be taken back.
    pub grace: SignedDuration,
}

impl Default for PruneOptions {
    fn default() -> Self {
        let max_unused = MaxUnused::Percent(MAX_UNUSED_PERCENT_DEFAULT);
        Self { max_unused, max_repack_bytes: None, grace: GRACE_DEFAULT }
    }
}

/// A pack whose grace is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// The pack.
    pub pack: PackId,
    /// Its length; 0 when it is gone already and only the mark is left.
    pub bytes: u64,
    /// Bytes of it that are needed after all and will be copied out first.
    pub needed_bytes: u64,
}

/// A pack that is marked and waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// The pack.
    pub pack: PackId,
    /// Its length.
    pub bytes: u64,
    /// When its grace is over.
    pub until: Timestamp,
    /// Whether it waits longer, because an ingest that is about to publish names it.
    pub is_named: bool,
}

/// A pack that will be marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condemned {
    /// The pack.
    pub pack: PackId,
    /// Its length.
    pub bytes: u64,
    /// Bytes of it that are needed and will be copied to another pack first.
    pub needed_bytes: u64,
    /// Why.
    pub reason: MarkReason,
}

/// What a prune would do, in the order in which [`apply`](Self::apply) does it.
#[derive(Debug)]
#[must_use = "a plan changes nothing until it is applied"]
pub struct PrunePlan {
    /// Forgotten backups whose grace is over.
    pub expired: Vec<BackupId>,
    /// Packs that will be removed now.
    pub removals: Vec<Removal>,
    /// Packs that will be marked now and removed by a prune after the grace.
    pub condemned: Vec<Condemned>,
    /// Packs that are marked and wait.
    pub waiting: Vec<Waiting>,
    /// Ingests that were taken for dead; what they wrote is among the condemned.
    pub dead_ingests: Vec<IngestNonce>,
    /// Bytes of packs that nobody needs yet, of ingests under way.
    pub spared_bytes: u64,
    /// Bytes in packs that backups need.
    pub used_bytes: u64,
    /// Of them, bytes that only pinned backups need.
    pub pinned_bytes: u64,
    /// Of them, bytes that only forgotten backups need, which can still be taken back.
    pub forgotten_bytes: u64,
    /// About how many of them lie in the unneeded parts of chunks that are needed in part.
    pub partly_unused_bytes: u64,
    /// Backups that will be recorded afresh, so that they need no such chunk any more. Packs are not rewritten in the same prune: the next
    /// one knows better what is needed of them.
    pub rerecorded: Vec<BackupId>,
    /// About how many bytes that stores.
    pub rerecorded_bytes: u64,
    /// Bytes that nobody needs and that stay, in packs that are not worth rewriting now.
    pub unused_left_bytes: u64,
    /// When the grace of what is marked now will be over.
    pub grace_over_at: Timestamp,
    /// The highest number of a record of each expired backup.
    pub(super) expired_records: Vec<(BackupId, u32)>,
    pub(super) rerecording: Rerecording,
    pub(super) usage: Usage,
    pub(super) intents: Intents,
    pub(super) sightings: HashMap<IngestNonce, u64>,
}

impl PrunePlan {
    /// Bytes that [`apply`](Self::apply) frees at once.
    #[must_use]
    pub fn freed_now_bytes(&self) -> u64 {
        self.removals.iter().map(|removal| removal.bytes - removal.needed_bytes).sum()
    }

    /// Bytes that are freed once the grace is over: of what is marked now, and of what was marked before.
    #[must_use]
    pub fn freed_later_bytes(&self) -> u64 {
        let marked: u64 = self.condemned.iter().map(|pack| pack.bytes - pack.needed_bytes).sum();
        marked + self.waiting.iter().map(|pack| pack.bytes).sum::<u64>()
    }

    /// Bytes that are copied to new packs.
    #[must_use]
    pub fn rewritten_bytes(&self) -> u64 {
        let copied_out: u64 = self.removals.iter().map(|removal| removal.needed_bytes).sum();
        copied_out + self.condemned.iter().map(|pack| pack.needed_bytes).sum::<u64>()
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expired.is_empty()
            && self.removals.is_empty()
            && self.condemned.is_empty()
            && self.rerecorded.is_empty()
            && self.dead_ingests.is_empty()
    }
}

/// Plans a prune: lists packs, then everyone who needs something of them, and walks every recipe.
///
/// Takes twelve bytes for each record in a pack, above a fixed amount.
///
/// # Errors
/// [`RepositoryError::PruneUnsafe`] when something cannot be read, is missing or of a newer format; whatever the storage meets.
pub fn plan(repository: &IndexedRepository, options: &PruneOptions) -> Result<PrunePlan, RepositoryError> {
    let now = repository.environment.now();
    // Packs first: what is published from here on is in none of the lists below and stays untouched.
    let caught_up = repository.catch_up()?;
    if let Some((pack, error)) = caught_up.unreadable.into_iter().next() {
        return Err(RepositoryError::prune_unsafe(keys::pack(&pack), error));
    }
    let mut usage = Usage::new(repository)?;
    let marks = listing::marks(repository)?;
    let intents = Intents::list(repository)?;
    let needs = Needs::list(repository)?;
    // Records that were published since the packs were listed may need packs that came with them. Those are found from here on and, being
    // no part of the usage, left alone.
    repository.catch_up()?;
    let expired = expired(&needs, options, now);
    let is_expired = |record: &&BackupRecord| expired.contains(&record.id);
    let expired_records = needs.forgotten.iter().map(|forgotten| &forgotten.record).filter(is_expired);
    let expired_records = expired_records.map(|record| (record.id, record.seq)).collect();
    let held = walk(repository, &needs, &expired, &mut usage)?;
    let mut plan = PrunePlan {
        expired: expired.into_iter().collect(),
        removals: Vec::new(),
        condemned: Vec::new(),
        waiting: Vec::new(),
        dead_ingests: Vec::new(),
        spared_bytes: 0,
        used_bytes: usage.used_bytes(),
        pinned_bytes: held.pinned_bytes,
        forgotten_bytes: held.forgotten_bytes,
        partly_unused_bytes: 0,
        rerecorded: Vec::new(),
        rerecorded_bytes: 0,
        unused_left_bytes: 0,
        grace_over_at: now + options.grace,
        expired_records,
        rerecording: Rerecording::default(),
        usage,
        intents,
        sightings: HashMap::new(),
    };
    plan.settle_marked(&marks, &needs, options.grace, now);
    let candidates = plan.judge_unused(repository, &marks, now)?;
    plan.choose_rerecording(repository, &needs.backups, &candidates, options)?;
    plan.choose_rewrites(candidates, repository.config().pack_bytes, options);
    plan.expired.sort_unstable();
    plan.removals.sort_unstable_by_key(|removal| removal.pack);
    plan.condemned.sort_unstable_by_key(|pack| pack.pack);
    plan.waiting.sort_unstable_by_key(|pack| (pack.until, pack.pack));
    Ok(plan)
}

fn expired(needs: &Needs, options: &PruneOptions, now: Timestamp) -> HashSet<BackupId> {
    let is_over = |at: Timestamp| now.duration_since(at) >= options.grace;
    needs.forgotten.iter().filter(|forgotten| is_over(forgotten.at)).map(|forgotten| forgotten.id()).collect()
}

/// Bytes that only some backups need.
struct Held {
    pinned_bytes: u64,
    forgotten_bytes: u64,
}

/// Walks all recipes: first those that nobody holds on purpose, so that what the others add is theirs alone.
fn walk(
    repository: &IndexedRepository,
    needs: &Needs,
    expired: &HashSet<BackupId>,
    usage: &mut Usage,
) -> Result<Held, RepositoryError> {
    let (pinned, free): (Vec<_>, Vec<_>) = needs.backups.iter().partition(|record| needs.pinned.contains(&record.id));
    let unsafe_for = |error| match error {
        error @ (RepositoryError::ChunkMissing { .. }
        | RepositoryError::ChunkDamaged { .. }
        | RepositoryError::RecipeInvalid { .. }) => RepositoryError::prune_unsafe("what a backup needs", error),
        error => error,
    };
    usage.need(repository, free.iter().map(|record| record.root)).map_err(unsafe_for)?;
    let without_pinned = usage.used_bytes();
    usage.need(repository, pinned.iter().map(|record| record.root)).map_err(unsafe_for)?;
    let with_pinned = usage.used_bytes();
    let held = needs.forgotten.iter().filter(|forgotten| !expired.contains(&forgotten.id()));
    usage.need(repository, held.map(|forgotten| forgotten.record.root)).map_err(unsafe_for)?;
    Ok(Held { pinned_bytes: with_pinned - without_pinned, forgotten_bytes: usage.used_bytes() - with_pinned })
}

impl PrunePlan {
    /// Decides about packs that are marked already.
    fn settle_marked(&mut self, marks: &HashMap<PackId, Mark>, needs: &Needs, grace: SignedDuration, now: Timestamp) {
        let named: HashSet<PackId> = needs.pendings.iter().flat_map(|pending| pending.packs.iter().copied()).collect();
        for (id, mark) in marks {
            let pack = self.usage.pack(id).copied();
            let bytes = pack.map_or(0, |pack| pack.bytes);
            let needed_bytes = pack.map_or(0, |pack| self.usage.bytes_of(&pack).used);
            let until = mark.at.checked_add(grace).unwrap_or(Timestamp::MAX);
            let is_named = named.contains(id);
            // A pack that is gone has nothing to wait for: only its mark is left.
            match pack.is_some() && (until > now || is_named) {
                true => self.waiting.push(Waiting { pack: *id, bytes, until, is_named }),
                false => self.removals.push(Removal { pack: *id, bytes, needed_bytes }),
            }
        }
    }

    /// Condemns packs of which nothing is needed, unless an ingest under way wrote them. Returns the others that are not marked.
    fn judge_unused(
        &mut self,
        repository: &IndexedRepository,
        marks: &HashMap<PackId, Mark>,
        now: Timestamp,
    ) -> Result<Vec<(PackUsage, PackBytes)>, RepositoryError> {
        let mut unused = Vec::new();
        let mut candidates = Vec::new();
        for pack in self.usage.packs.iter().filter(|pack| !marks.contains_key(&pack.id)) {
            match self.usage.bytes_of(pack) {
                bytes if bytes.used == 0 => unused.push(*pack),
                bytes => candidates.push((*pack, bytes)),
            }
        }
        let writers = match self.intents.is_empty() {
            true => HashMap::new(),
            false => writers(repository, &unused)?,
        };
        let packs_of = |nonce: &IngestNonce| writers.values().filter(|writer| *writer == nonce).count() as u64;
        for nonce in self.intents.nonces() {
            let packs = packs_of(nonce);
            match self.intents.is_alive(nonce, packs, now) {
                true => drop(self.sightings.insert(*nonce, packs)),
                false => self.dead_ingests.push(*nonce),
            }
        }
        for pack in unused {
            match writers.get(&pack.id).is_some_and(|nonce| self.sightings.contains_key(nonce)) {
                true => self.spared_bytes += pack.bytes,
                false => self.condemn(&pack, 0, MarkReason::Unused),
            }
        }
        self.dead_ingests.sort_unstable();
        Ok(candidates)
    }

    fn condemn(&mut self, pack: &PackUsage, needed_bytes: u64, reason: MarkReason) {
        self.condemned.push(Condemned { pack: pack.id, bytes: pack.bytes, needed_bytes, reason });
    }

    /// Chooses backups to record afresh, when more lies unneeded inside of the chunks they use than may be left unused.
    fn choose_rerecording(
        &mut self,
        repository: &IndexedRepository,
        backups: &[BackupRecord],
        packs: &[(PackUsage, PackBytes)],
        options: &PruneOptions,
    ) -> Result<(), RepositoryError> {
        let unused_max = options.max_unused.of(packs.iter().map(|(_, bytes)| bytes.used).sum());
        if self.usage.mostly_unneeded_bytes() <= unused_max {
            return Ok(());
        }
        let found = Rerecording::find(repository, &self.usage, backups)?;
        let fits = options.max_repack_bytes.is_none_or(|budget| found.stored_bytes <= budget);
        if found.unneeded_bytes > unused_max && fits {
            self.rerecorded = found.backups.iter().map(|(id, _)| *id).collect();
            self.rerecorded_bytes = found.stored_bytes;
            self.rerecording = found;
        }
        Ok(())
    }

    /// Chooses packs to rewrite: the most wasteful ones until what stays unused is little enough, and small ones that can be merged.
    fn choose_rewrites(&mut self, mut packs: Vec<(PackUsage, PackBytes)>, pack_bytes: u64, options: &PruneOptions) {
        let used: u64 = packs.iter().map(|(_, bytes)| bytes.used).sum();
        let mut unused: u64 = packs.iter().map(|(_, bytes)| bytes.unused).sum();
        let unused_max = options.max_unused.of(used);
        self.partly_unused_bytes = packs.iter().map(|(_, bytes)| bytes.unused_inside).sum();
        if !self.rerecorded.is_empty() {
            self.unused_left_bytes = unused;
            return;
        }
        let mut budget = options.max_repack_bytes.unwrap_or(u64::MAX);
        // The smallest price for each byte that comes back first; equal ones by name, so that two plans agree.
        let price = |bytes: &PackBytes| bytes.used as f64 / bytes.unused.max(1) as f64;
        packs.sort_by(|(one, left), (other, right)| price(left).total_cmp(&price(right)).then(one.id.cmp(&other.id)));
        let mut kept = Vec::new();
        for (pack, bytes) in packs {
            if unused > unused_max && bytes.unused > 0 && bytes.used <= budget {
                unused -= bytes.unused;
                budget -= bytes.used;
                self.condemn(&pack, bytes.used, MarkReason::Repacked);
            } else {
                kept.push((pack, bytes));
            }
        }
        for (pack, bytes) in mergeable(&kept, pack_bytes) {
            if bytes.used <= budget {
                unused -= bytes.unused;
                budget -= bytes.used;
                self.condemn(&pack, bytes.used, MarkReason::Merged);
            }
        }
        self.unused_left_bytes = unused;
    }
}

/// Small packs of one kind and about one size, where there are enough of them.
fn mergeable(packs: &[(PackUsage, PackBytes)], pack_bytes: u64) -> Vec<(PackUsage, PackBytes)> {
    let mut classes: HashMap<(bool, u32), Vec<(PackUsage, PackBytes)>> = HashMap::new();
    for (pack, bytes) in packs.iter().filter(|(pack, _)| pack.bytes < pack_bytes / SMALL_PART) {
        // Each class is four times the one below; below 64 KiB all are alike.
        let class = (pack.bytes >> 16).checked_ilog2().map_or(0, |log| 1 + log / 2);
        classes.entry((pack.is_metadata, class)).or_default().push((*pack, *bytes));
    }
    let mut merged: Vec<_> = classes.into_values().filter(|class| class.len() >= MERGE_PACKS_MIN).flatten().collect();
    merged.sort_unstable_by_key(|(pack, _)| pack.id);
    merged
}

/// Which ingest wrote each of these packs.
fn writers(
    repository: &IndexedRepository,
    packs: &[PackUsage],
) -> Result<HashMap<PackId, IngestNonce>, RepositoryError> {
    let headers = crate::fetch::all(packs, |pack| {
        let key = keys::pack(&pack.id);
        let bytes = repository.backend.get_range(&key, 0..PACK_HEADER_BYTES)?;
        PackHeader::decode(&bytes).map_err(|error| {
            RepositoryError::prune_unsafe(&key, RepositoryError::object(&*repository.backend, &key, error))
        })
    });
    let mut writers = HashMap::new();
    for (pack, header) in packs.iter().zip(headers) {
        match header {
            Ok(header) => drop(writers.insert(pack.id, header.nonce)),
            // Another prune was faster.
            Err(RepositoryError::Backend(error)) if error.is_object_missing() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(writers)
}
