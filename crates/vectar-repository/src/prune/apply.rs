//! Doing what a plan says. Every step can be the last one: what is left undone, the next prune does.

use std::{collections::HashSet, time::Duration};

use bytes::Bytes;
use vectar_backend::{ObjectKey, PutOutcome};

use super::{
    listing::{self, Intents, Needs},
    plan::PrunePlan,
    usage::Usage,
};
use crate::{
    error::{ErrorKind, RepositoryError},
    format::{
        frame::{self, FrameKind},
        ids::PackId,
        ingest_marks::Void,
        keys,
        mark::{IntentSeen, Mark},
    },
    index::ChunkLocation,
    ingest::Ingest,
    reader::ChunkReader,
    repository::IndexedRepository,
    reserve,
};

/// What an interrupted writer left unfinished goes after this time, unless its process still lives. No pack takes a day to write.
const UNFINISHED_AGE: Duration = Duration::from_secs(24 * 3600);

/// Records that are copied are read in runs of at most this length, in bytes.
const COPY_RUN_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// How far a prune is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneProgress {
    /// Bytes copied so far.
    pub done_bytes: u64,
    /// Bytes to copy.
    pub total_bytes: u64,
}

/// What a prune did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PruneStats {
    /// Packs that are gone.
    pub removed_packs: u64,
    /// Bytes of them.
    pub removed_bytes: u64,
    /// Packs that were marked.
    pub condemned_packs: u64,
    /// Bytes of them.
    pub condemned_bytes: u64,
    /// Bytes that were copied to new packs, with the headers and footers of these.
    pub written_bytes: u64,
    /// Forgotten backups that cannot be taken back any more.
    pub expired_backups: u64,
    /// Bytes of unfinished objects that writers left behind which died.
    pub unfinished_bytes: u64,
    /// Backups that were recorded afresh, because they needed only small parts of chunks.
    pub rerecorded_backups: u64,
    /// Packs that were to be rewritten and were left as they are, because the storage is full.
    pub not_rewritten_packs: u64,
}

impl std::ops::AddAssign for PruneStats {
    fn add_assign(&mut self, other: Self) {
        self.removed_packs += other.removed_packs;
        self.removed_bytes += other.removed_bytes;
        self.condemned_packs += other.condemned_packs;
        self.condemned_bytes += other.condemned_bytes;
        self.written_bytes += other.written_bytes;
        self.expired_backups += other.expired_backups;
        self.unfinished_bytes += other.unfinished_bytes;
        self.rerecorded_backups += other.rerecorded_backups;
        self.not_rewritten_packs += other.not_rewritten_packs;
    }
}

impl PrunePlan {
    /// Does what the plan says. `progress` hears of bytes copied; returning `false` stops after the pack at hand, and what was to be
    /// removed, rewritten or marked after that stays as it is.
    ///
    /// # Errors
    /// The storage failed, or something that must be copied is damaged. No backup has lost anything; a later prune goes on.
    pub fn apply(
        self,
        repository: &IndexedRepository,
        progress: &dyn Fn(PruneProgress) -> bool,
    ) -> Result<PruneStats, RepositoryError> {
        let gave_reserve = reserve::give_up_if_full(repository)?;
        let applied = self.apply_all(repository, progress);
        reserve::take_back(repository, gave_reserve);
        let stats = applied?;
        let summary = format!(
            "pruned: removed {} packs ({} bytes), marked {} packs ({} bytes), wrote {} bytes",
            stats.removed_packs, stats.removed_bytes, stats.condemned_packs, stats.condemned_bytes, stats.written_bytes
        );
        if let Err(error) = repository.log_event("prune", None, summary) {
            tracing::warn!(%error, "the log has no line for this prune");
        }
        Ok(stats)
    }

    fn apply_all(
        mut self,
        repository: &IndexedRepository,
        progress: &dyn Fn(PruneProgress) -> bool,
    ) -> Result<PruneStats, RepositoryError> {
        let mut stats = PruneStats::default();
        // First, because it makes room; and nothing depends on it.
        match repository.backend.clean_unfinished(UNFINISHED_AGE) {
            Ok(cleaned) => stats.unfinished_bytes = cleaned.removed_bytes,
            Err(error) => tracing::warn!(%error, "what dead writers left unfinished stays where it is"),
        }
        self.bury_backups(repository, &mut stats)?;
        self.bury_ingests(repository)?;
        let goes_on =
            self.remove(repository, progress, &mut stats)? && self.rewrite(repository, progress, &mut stats)?;
        if goes_on {
            self.record_afresh(repository, progress, &mut stats)?;
            self.mark(repository, &mut stats)?;
        }
        Ok(stats)
    }

    /// Takes away the forgotten backups whose grace is over. Their records were deleted when they were forgotten; that this is durable is
    /// only known once it was done here too, because whoever forgot them may have crashed over it.
    fn bury_backups(&self, repository: &IndexedRepository, stats: &mut PruneStats) -> Result<(), RepositoryError> {
        for (id, seq) in &self.expired_records {
            repository.delete_records(id, *seq)?;
        }
        repository.backend.sync(&[])?;
        for id in &self.expired {
            repository.backend.delete(&keys::forgotten(id))?;
            stats.expired_backups += 1;
        }
        Ok(())
    }

    /// Takes away what dead ingests left, and notes what was seen of the living.
    ///
    /// An ingest that looks dead may only be asleep, between its last look at the marks and its record. So the name of its record is
    /// taken before its pending object goes: should it wake, it cannot publish any more.
    fn bury_ingests(&self, repository: &IndexedRepository) -> Result<(), RepositoryError> {
        let dead: HashSet<_> = self.dead_ingests.iter().copied().collect();
        let pendings = listing::pendings(repository)?;
        // Listed after them: an ingest that began after the plan was made has its intent by now.
        let intents = Intents::list(repository)?;
        for pending in pendings {
            if dead.contains(&pending.nonce) || !intents.is_there(&pending.nonce) {
                let key = keys::record(&pending.id, pending.seq);
                let (at, client) = (repository.environment.now(), repository.environment.client());
                let void = frame::encode(FrameKind::Void, &Void { nonce: pending.nonce, at, client });
                match repository.backend.put_if_absent(&key, &[Bytes::from(void)])? {
                    // It had published already, or another prune was faster: either way nobody publishes there any more.
                    PutOutcome::Created | PutOutcome::AlreadyExists => {}
                }
                repository.backend.sync(&[key])?;
                repository.backend.delete(&keys::pending(&pending.id))?;
            }
        }
        for key in self.intents.leftovers(&dead) {
            repository.backend.delete(&key)?;
        }
        let at = repository.environment.now();
        for (&nonce, &packs) in &self.sightings {
            let key = keys::intent_seen(&nonce, at.as_millisecond(), &repository.random_suffix());
            repository.put_small(&key, frame::encode(FrameKind::IntentSeen, &IntentSeen { nonce, at, packs }))?;
        }
        Ok(())
    }

    /// Removes packs whose grace is over: asks again who needs something of them, copies that out, and only then deletes. Returns whether to
    /// go on.
    fn remove(
        &mut self,
        repository: &IndexedRepository,
        progress: &dyn Fn(PruneProgress) -> bool,
        stats: &mut PruneStats,
    ) -> Result<bool, RepositoryError> {
        if self.removals.is_empty() {
            return Ok(true);
        }
        let needs = Needs::list(repository)?;
        let named: HashSet<PackId> = needs.pendings.iter().flat_map(|pending| pending.packs.iter().copied()).collect();
        self.removals.retain(|removal| !named.contains(&removal.pack));
        if self.removals.is_empty() {
            return Ok(true);
        }
        repository.catch_up()?;
        let expired: HashSet<_> = self.expired.iter().copied().collect();
        let forgotten = needs.forgotten.iter().filter(|forgotten| !expired.contains(&forgotten.id()));
        let roots = needs.backups.iter().map(|record| record.root);
        // All anew: what the plan found in another pack may have been removed from there since, by a prune with a shorter grace.
        self.usage = Usage::new(repository)?;
        self.usage.need(repository, roots.chain(forgotten.map(|forgotten| forgotten.record.root)))?;
        let needed = self.removals.iter().map(|removal| removal.pack);
        match copy_needed(repository, &self.usage, needed, progress)? {
            Copied::All { written_bytes } => stats.written_bytes += written_bytes,
            Copied::Stopped => return Ok(false),
        }
        self.make_other_copies_durable(repository)?;
        for removal in &self.removals {
            // The pack goes first: a mark without a pack is harmless, a pack without a mark would be relied on again.
            repository.backend.delete(&keys::pack(&removal.pack))?;
        }
        for removal in &self.removals {
            repository.backend.delete(&keys::mark(&removal.pack))?;
            stats.removed_packs += 1;
            stats.removed_bytes += removal.bytes;
        }
        repository.catch_up()?;
        Ok(true)
    }

    /// One barrier over the packs in which others have what the packs to be removed hold too: an ingest that is still under way may have
    /// written them and not synced them yet.
    fn make_other_copies_durable(&self, repository: &IndexedRepository) -> Result<(), RepositoryError> {
        let removed: HashSet<PackId> = self.removals.iter().map(|removal| removal.pack).collect();
        let view = repository.index().latest();
        let mut others = HashSet::new();
        for pack in &removed {
            for entry in repository.index().footer(pack)?.into_iter().flat_map(|footer| footer.entries) {
                let location = view.locate_sound(&entry.head.id)?;
                others.extend(location.map(|location| location.pack).filter(|other| !removed.contains(other)));
            }
        }
        let keys: Vec<ObjectKey> = others.iter().map(keys::pack).collect();
        Ok(repository.backend.sync(&keys)?)
    }

    /// Copies what is needed of the packs that are to be rewritten. What cannot be copied for want of space stays as it is. Returns whether
    /// to go on.
    fn rewrite(
        &mut self,
        repository: &IndexedRepository,
        progress: &dyn Fn(PruneProgress) -> bool,
        stats: &mut PruneStats,
    ) -> Result<bool, RepositoryError> {
        let wasteful: Vec<PackId> =
            self.condemned.iter().filter(|pack| pack.needed_bytes > 0).map(|pack| pack.pack).collect();
        match copy_needed(repository, &self.usage, wasteful.iter().copied(), progress) {
            Ok(Copied::All { written_bytes }) => stats.written_bytes += written_bytes,
            Ok(Copied::Stopped) => return Ok(false),
            Err(error) if error.kind() == ErrorKind::NoSpace => {
                tracing::warn!("the storage is full; wasteful packs are left as they are for now");
                self.condemned.retain(|pack| pack.needed_bytes == 0);
                stats.not_rewritten_packs = wasteful.len() as u64;
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Records backups afresh that need only small parts of chunks. For want of space they stay as they are.
    fn record_afresh(
        &self,
        repository: &IndexedRepository,
        progress: &dyn Fn(PruneProgress) -> bool,
        stats: &mut PruneStats,
    ) -> Result<(), RepositoryError> {
        let total_bytes = self.rerecorded_bytes;
        if self.rerecorded.is_empty() || !progress(PruneProgress { done_bytes: 0, total_bytes }) {
            return Ok(());
        }
        match self.rerecording.apply(repository, &self.usage) {
            Ok(done) => {
                stats.rerecorded_backups = done.backups;
                stats.written_bytes += done.written_bytes;
            }
            Err(error) if error.kind() == ErrorKind::NoSpace => {
                tracing::warn!("the storage is full; backups are left as they are for now");
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn mark(&self, repository: &IndexedRepository, stats: &mut PruneStats) -> Result<(), RepositoryError> {
        let (at, client) = (repository.environment.now(), repository.environment.client());
        let mut marked: Vec<ObjectKey> = Vec::with_capacity(self.condemned.len());
        for pack in &self.condemned {
            let key = keys::mark(&pack.pack);
            let mark = Mark { pack: pack.pack, at, reason: pack.reason, client: client.clone() };
            // Another prune may have marked it meanwhile; the first mark counts.
            match repository.backend.put_if_absent(&key, &[Bytes::from(frame::encode(FrameKind::Mark, &mark))])? {
                PutOutcome::Created | PutOutcome::AlreadyExists => {}
            }
            marked.push(key);
            stats.condemned_packs += 1;
            stats.condemned_bytes += pack.bytes;
        }
        repository.backend.sync(&marked)?;
        if !marked.is_empty() {
            repository.catch_up()?;
        }
        Ok(())
    }
}

/// How a copy ended.
enum Copied {
    /// Everything lies durably in new packs too.
    All {
        /// Bytes of the new packs.
        written_bytes: u64,
    },
    /// Somebody asked to stop.
    Stopped,
}

/// Copies what is needed of these packs to new ones, which are durable afterwards.
fn copy_needed(
    repository: &IndexedRepository,
    usage: &Usage,
    packs: impl Iterator<Item = PackId>,
    progress: &dyn Fn(PruneProgress) -> bool,
) -> Result<Copied, RepositoryError> {
    let mut work = Vec::new();
    for id in packs {
        if let Some(pack) = usage.pack(&id).filter(|pack| usage.bytes_of(pack).used > 0) {
            work.push(*pack);
        }
    }
    if work.is_empty() {
        return Ok(Copied::All { written_bytes: 0 });
    }
    let total_bytes = work.iter().map(|pack| usage.bytes_of(pack).used).sum();
    let reader = ChunkReader::new(repository, 0);
    let mut ingest = Ingest::begin_carrying_over(repository)?;
    let mut done_bytes = 0;
    for pack in &work {
        let Some(footer) = repository.index().footer(&pack.id)? else { continue };
        let needed: Vec<([u8; 32], ChunkLocation)> = footer
            .entries
            .iter()
            .zip(usage.needed_in(pack))
            .filter(|(_, is_needed)| *is_needed)
            .map(|(entry, _)| (entry.head.id, ChunkLocation::of(pack.id, entry)))
            .collect();
        for run in runs(&needed) {
            for record in reader.stored_records(run)? {
                done_bytes += record.record_len();
                ingest.carry_over(record)?;
            }
        }
        let view = repository.index().latest();
        for body in footer.bodies {
            let location = view.locate(body.node.as_bytes())?;
            if location.is_some_and(|location| usage.is_needed(&location)) {
                ingest.carry_over_body(body);
            }
        }
        if !progress(PruneProgress { done_bytes, total_bytes }) {
            return Ok(Copied::Stopped);
        }
    }
    Ok(Copied::All { written_bytes: ingest.finish_packs()? })
}

/// Cuts the needed records of one pack into reads.
fn runs(needed: &[([u8; 32], ChunkLocation)]) -> impl Iterator<Item = &[([u8; 32], ChunkLocation)]> {
    let mut rest = needed;
    std::iter::from_fn(move || {
        let (_, first) = rest.first()?;
        let start = first.record_range().start;
        let joins = |pair: &&[([u8; 32], ChunkLocation)]| {
            pair[0].1.is_adjacent(&pair[1].1) && pair[1].1.record_range().end - start <= COPY_RUN_BYTES_MAX
        };
        let (run, later) = rest.split_at(1 + rest.windows(2).take_while(joins).count());
        rest = later;
        Some(run)
    })
}
