//! The names of a backup's records: which one is free for the next, and how those that are over are taken away.
//!
//! A record is never changed. What is to be said otherwise of a backup is published under a higher number, and the ones before go
//! afterwards. A name that a `void` holds was taken from an ingest that may only be asleep; it stays taken for good.

use std::collections::BTreeSet;

use vectar_backend::ObjectKey;

use crate::{
    error::RepositoryError,
    format::{ids::BackupId, keys, record::BackupRecord},
    ingest::Ingest,
    repository::{IndexedRepository, Repository},
};

/// So many numbers before the one that is known are deleted unseen: a listing may be older than the records. More than one of them is
/// there only after several crashes.
const UNSEEN_MAX: u32 = 8;

impl Repository {
    /// The highest number of a record or void of this backup, at least `known`.
    ///
    /// # Errors
    /// The listing failed.
    pub(crate) fn newest_seq(&self, id: &BackupId, known: u32) -> Result<u32, RepositoryError> {
        let taken = self.list(&keys::records_of(id))?;
        Ok(taken.iter().filter_map(|object| keys::record_of(&object.key)).map(|(_, seq)| seq).fold(known, u32::max))
    }

    /// The number of the next record of this backup, of which `known` is a number that it had.
    ///
    /// # Errors
    /// The listing failed.
    pub(crate) fn next_seq(&self, id: &BackupId, known: u32) -> Result<u32, RepositoryError> {
        Ok(self.newest_seq(id, known)?.saturating_add(1))
    }

    /// The number of the next record of this backup, if `newest` is that of its newest record; `None` when there is a newer one, whose news
    /// must not be hidden. One that comes up later takes the same name, and only one of two gets it.
    ///
    /// # Errors
    /// The storage failed.
    fn seq_behind_newest(&self, id: &BackupId, newest: u32) -> Result<Option<u32>, RepositoryError> {
        let mut last = newest;
        for object in self.list(&keys::records_of(id))? {
            let Some((_, seq)) = keys::record_of(&object.key).filter(|(_, seq)| *seq > newest) else { continue };
            match self.is_void(&object.key) {
                Ok(true) => last = last.max(seq),
                Ok(false) => return Ok(None),
                // It was taken away by one that is newer still.
                Err(RepositoryError::Backend(error)) if error.is_object_missing() => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(last.saturating_add(1)))
    }

    /// Deletes the records of a backup that carry the number `last` or a lower one; the caller makes that durable. Voids stay.
    ///
    /// # Errors
    /// The storage refused something; some of them may be gone.
    pub(crate) fn delete_records(&self, id: &BackupId, last: u32) -> Result<(), RepositoryError> {
        let listed = self.list(&keys::records_of(id))?.into_iter().map(|object| object.key);
        let listed = listed.filter(|key| keys::record_of(key).is_some_and(|(_, seq)| seq <= last));
        let unseen = (last.saturating_sub(UNSEEN_MAX)..=last).map(|seq| keys::record(id, seq));
        for key in listed.chain(unseen).collect::<BTreeSet<ObjectKey>>() {
            match self.is_void(&key) {
                Ok(true) => {}
                Ok(false) => self.backend.delete(&key)?,
                // That nothing is there may be news which a power loss takes back: deleting it again makes the next barrier count.
                Err(RepositoryError::Backend(error)) if error.is_object_missing() => self.backend.delete(&key)?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl IndexedRepository {
    /// Records a backup afresh, as `change` makes it: publishes the new record under the next number, and takes the one before away. Recipe and
    /// digest may change, the bytes behind them may not. Returns the record; `None` when the backup was forgotten or recorded by someone else meanwhile, or this client was taken
    /// for dead: whatever is there is whole or was not ours to touch.
    ///
    /// # Errors
    /// The storage refused something. The backup has its old record, the new one, or both.
    pub(crate) fn supersede(
        &self,
        id: &BackupId,
        old_seq: u32,
        change: impl FnOnce(&mut BackupRecord),
    ) -> Result<Option<BackupRecord>, RepositoryError> {
        // As it lies there: what notes say of it stays theirs.
        let Some(mut record) = self.current_record(id, old_seq)? else { return Ok(None) };
        let Some(seq) = self.seq_behind_newest(id, old_seq)? else { return Ok(None) };
        record.seq = seq;
        change(&mut record);
        match Ingest::begin_carrying_over(self)?.republish(&record) {
            Ok(()) => {}
            Err(RepositoryError::ObjectInTheWay { key, .. }) => {
                tracing::warn!(%key, "another client records this backup afresh");
                return Ok(None);
            }
            Err(RepositoryError::TakenForDead { backup }) => {
                tracing::warn!(%backup, "this client stood still for so long that it was taken for dead");
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        self.delete_records(id, old_seq)?;
        self.backend.sync(&[])?;
        Ok(Some(record))
    }

    /// Records the SHA-256 of a backup whose record has none: what its snapshot came to when it was rebuilt for the first time. Returns the
    /// record as it is now; `None` when there was nothing to do, or someone else was faster.
    ///
    /// # Errors
    /// The storage refused something, or something behind the backup is missing. Its record is as before, or has the digest.
    pub fn record_sha256(&self, record: &BackupRecord, sha256: &str) -> Result<Option<BackupRecord>, RepositoryError> {
        if record.sha256.is_some() {
            return Ok(None);
        }
        self.supersede(&record.id, record.seq, |record| record.set_sha256(Some(sha256.to_owned())))
    }

    /// The record under this number, without what notes say of it; `None` when the backup was forgotten or recorded afresh since.
    ///
    /// # Errors
    /// The storage failed, or the record is damaged.
    pub(crate) fn current_record(&self, id: &BackupId, seq: u32) -> Result<Option<BackupRecord>, RepositoryError> {
        match self.read_record(&keys::record(id, seq)) {
            Ok(record) => Ok(Some(record)),
            Err(RepositoryError::TakenForDead { .. }) => Ok(None),
            Err(RepositoryError::Backend(error)) if error.is_object_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
