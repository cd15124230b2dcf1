//! Who needs what: records, forgotten backups, and ingests under way.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use vectar_backend::ObjectKey;

use crate::{
    error::RepositoryError,
    fetch,
    format::{
        forgotten::Forgotten,
        frame::{self, FRAME_BYTES_MAX, FrameKind},
        ids::{BackupId, IngestNonce, PackId},
        ingest_marks::{Intent, Pending},
        keys,
        mark::{IntentSeen, Mark},
        record::BackupRecord,
    },
    repository::IndexedRepository,
};

/// An ingest younger than this is never taken for dead, however many prunes saw it without a new pack.
const INTENT_AGE_MIN: SignedDuration = SignedDuration::from_hours(1);

/// Sightings without a new pack after which an ingest is taken for dead.
const SIGHTINGS_MAX: usize = 2;

/// Everyone who needs something.
#[derive(Debug, Default)]
pub(super) struct Needs {
    pub(super) backups: Vec<BackupRecord>,
    pub(super) pinned: HashSet<BackupId>,
    pub(super) forgotten: Vec<Forgotten>,
    pub(super) pendings: Vec<Pending>,
}

impl Needs {
    /// Lists pending first, then records, then what was forgotten: an ingest that has withdrawn its pending object by now has
    /// published its record before, and a backup on its way to the forgotten is met in one of the two places.
    ///
    /// # Errors
    /// [`RepositoryError::PruneUnsafe`] when anything cannot be read, and whatever the listing meets.
    pub(super) fn list(repository: &IndexedRepository) -> Result<Self, RepositoryError> {
        let pendings = pendings(repository)?;
        let records = repository.records()?;
        if let Some(unreadable) = records.unreadable.into_iter().next() {
            return Err(RepositoryError::prune_unsafe(&unreadable.key, unreadable.error));
        }
        let forgotten = repository.forgotten()?;
        if let Some(unreadable) = forgotten.unreadable.into_iter().next() {
            return Err(RepositoryError::prune_unsafe(&unreadable.key, unreadable.error));
        }
        let is_back: HashSet<BackupId> = records.backups.iter().map(|record| record.id).collect();
        let forgotten = forgotten.backups.into_iter().filter(|one| !is_back.contains(&one.id())).collect();
        Ok(Self { backups: records.backups, pinned: records.pins.into_keys().collect(), forgotten, pendings })
    }
}

/// The ingests under way, and those that are not any more.
#[derive(Debug, Default)]
pub(super) struct Intents {
    /// Every intent that is there, by nonce.
    intents: HashMap<IngestNonce, Intent>,
    /// What earlier prunes saw of each, oldest first.
    sightings: HashMap<IngestNonce, Vec<(ObjectKey, IntentSeen)>>,
}

impl Intents {
    /// # Errors
    /// [`RepositoryError::PruneUnsafe`] when an intent cannot be read.
    pub(super) fn list(repository: &IndexedRepository) -> Result<Self, RepositoryError> {
        let mut found = Self::default();
        for object in repository.list(&keys::intents())? {
            let seen = keys::intent_of(&object.key).is_some_and(|(_, seen)| seen);
            if seen {
                if let Some(sighting) = read::<IntentSeen>(repository, &object.key, FrameKind::IntentSeen)? {
                    found.sightings.entry(sighting.nonce).or_default().push((object.key, sighting));
                }
            } else if let Some(intent) = read::<Intent>(repository, &object.key, FrameKind::Intent)? {
                found.intents.insert(intent.nonce, intent);
            }
        }
        found.sightings.values_mut().for_each(|seen| seen.sort_by(|(one, _), (other, _)| one.cmp(other)));
        Ok(found)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.intents.is_empty()
    }

    /// Whether an intent of that nonce is there and its ingest lives, having written so many packs that nobody needs yet.
    pub(super) fn is_alive(&self, nonce: &IngestNonce, packs: u64, now: Timestamp) -> bool {
        let Some(intent) = self.intents.get(nonce) else { return false };
        let seen = self.sightings.get(nonce).map_or(&[][..], Vec::as_slice);
        let stalled = seen.iter().rev().take_while(|(_, sighting)| sighting.packs == packs).count();
        stalled < SIGHTINGS_MAX || now.duration_since(intent.started_at) < INTENT_AGE_MIN
    }

    /// Whether there is an intent with this nonce.
    pub(super) fn is_there(&self, nonce: &IngestNonce) -> bool {
        self.intents.contains_key(nonce)
    }

    /// The nonces of all intents.
    pub(super) fn nonces(&self) -> impl Iterator<Item = &IngestNonce> {
        self.intents.keys()
    }

    /// The objects that go with a dead ingest, and sightings of intents that are gone.
    pub(super) fn leftovers(&self, dead: &HashSet<IngestNonce>) -> Vec<ObjectKey> {
        let is_over = |nonce: &IngestNonce| dead.contains(nonce) || !self.intents.contains_key(nonce);
        let sightings = self.sightings.iter().filter(|(nonce, _)| is_over(nonce));
        let sightings = sightings.flat_map(|(_, seen)| seen.iter().map(|(key, _)| key.clone()));
        sightings.chain(dead.iter().map(keys::intent)).collect()
    }
}

/// The ingests that are about to publish a record.
///
/// # Errors
/// [`RepositoryError::PruneUnsafe`] when one cannot be read.
pub(super) fn pendings(repository: &IndexedRepository) -> Result<Vec<Pending>, RepositoryError> {
    let pendings = read_all::<Pending>(repository, &keys::pendings(), FrameKind::Pending)?;
    Ok(pendings.into_iter().map(|(_, pending)| pending).collect())
}

/// The marks that are there.
///
/// # Errors
/// [`RepositoryError::PruneUnsafe`] when one cannot be read.
pub(super) fn marks(repository: &IndexedRepository) -> Result<HashMap<PackId, Mark>, RepositoryError> {
    let marks = read_all::<Mark>(repository, &keys::condemned(), FrameKind::Mark)?;
    Ok(marks.into_iter().map(|(_, mark)| (mark.pack, mark)).collect())
}

fn read_all<T: DeserializeOwned + Send>(
    repository: &IndexedRepository,
    prefix: &vectar_backend::KeyPrefix,
    kind: FrameKind,
) -> Result<Vec<(ObjectKey, T)>, RepositoryError> {
    let objects = repository.list(prefix)?;
    let results = fetch::all(&objects, |object| read(repository, &object.key, kind));
    let mut all = Vec::with_capacity(objects.len());
    for (object, result) in objects.into_iter().zip(results) {
        all.extend(result?.map(|value| (object.key, value)));
    }
    Ok(all)
}

/// `None` when it went between the listing and now.
fn read<T: DeserializeOwned>(
    repository: &IndexedRepository,
    key: &ObjectKey,
    kind: FrameKind,
) -> Result<Option<T>, RepositoryError> {
    let bytes = match repository.backend.get(key, FRAME_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.is_object_missing() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match frame::decode(kind, &bytes) {
        Ok(value) => Ok(Some(value)),
        Err(error) => {
            Err(RepositoryError::prune_unsafe(key, RepositoryError::object(&*repository.backend, key, error)))
        }
    }
}
