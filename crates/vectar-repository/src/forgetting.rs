//! Setting backups aside, and taking them back.
//!
//! Forgetting moves a record and frees nothing: a forgotten backup holds its chunks until prune finds that its grace is over. In
//! both directions the new object is durable before the old one goes, so a crash leaves both; whoever has a record is a backup.

use crate::{
    error::RepositoryError,
    fetch,
    format::{
        FormatError,
        forgotten::Forgotten,
        frame::{self, FrameKind},
        ids::BackupId,
        keys,
        record::{BackupRecord, RECORD_BYTES_MAX},
        unknown_features,
    },
    ingest::Ingest,
    records::UnreadableRecord,
    repository::{IndexedRepository, Repository, TOOL},
};

/// Largest forgotten backup that is read, in bytes: a record and who forgot it.
const FORGOTTEN_BYTES_MAX: u64 = RECORD_BYTES_MAX + 64 * 1024;

/// All backups that were set aside.
#[derive(Debug, Default)]
pub struct ForgottenList {
    /// The forgotten ones, the one forgotten first first.
    pub backups: Vec<Forgotten>,
    /// What could not be read among them.
    pub unreadable: Vec<UnreadableRecord>,
}

impl Repository {
    /// Sets a backup aside. It can be taken back with [`IndexedRepository::undelete`] until a prune finds its grace over.
    ///
    /// # Errors
    /// The storage refused something. The backup is then as it was, or forgotten and still listed; forgetting it again ends that.
    pub fn forget(&self, record: &BackupRecord) -> Result<Forgotten, RepositoryError> {
        let forgotten = Forgotten {
            record: record.clone(),
            at: self.environment.now(),
            client: self.environment.client(),
            tool: TOOL.to_owned(),
        };
        let key = keys::forgotten(&record.id);
        self.backend.put(&key, &[frame::encode(FrameKind::Forgotten, &forgotten).into()])?;
        self.backend.sync(&[key])?;
        // One that came since is forgotten with it.
        self.delete_records(&record.id, self.newest_seq(&record.id, record.seq)?)?;
        // Else a power loss could bring the record back after prune has removed what it needs.
        self.backend.sync(&[])?;
        let summary = format!("forgot {} of {}", record.id.short(), record.subject.name);
        if let Err(error) = self.log_event("forget", Some(record.id), summary) {
            tracing::warn!(%error, "the backup is forgotten, but the log has no line for it");
        }
        Ok(forgotten)
    }

    /// Lists what was forgotten and can still be taken back.
    ///
    /// # Errors
    /// The listing failed. What cannot be read is part of the answer.
    pub fn forgotten(&self) -> Result<ForgottenList, RepositoryError> {
        let objects = self.list(&keys::all_forgotten())?;
        let results = fetch::all(&objects, |object| {
            let bytes = self.backend.get(&object.key, FORGOTTEN_BYTES_MAX)?;
            let forgotten: Forgotten = frame::decode(FrameKind::Forgotten, &bytes)
                .map_err(|error| RepositoryError::object(&*self.backend, &object.key, error))?;
            let features = unknown_features(&forgotten.record.requires);
            if !features.is_empty() {
                let error = FormatError::UnknownFeatures { what: "forgotten", features };
                return Err(RepositoryError::object(&*self.backend, &object.key, error));
            }
            match keys::backup_of(&object.key) == Some(forgotten.id()) {
                true => Ok(forgotten),
                false => Err(RepositoryError::object(
                    &*self.backend,
                    &object.key,
                    FormatError::invalid("forgotten", "it belongs under another key"),
                )),
            }
        });
        let mut list = ForgottenList::default();
        for (object, result) in objects.into_iter().zip(results) {
            match result {
                Ok(forgotten) => list.backups.push(forgotten),
                Err(RepositoryError::Backend(error)) if error.is_object_missing() => {}
                Err(error) => list.unreadable.push(UnreadableRecord { key: object.key, error }),
            }
        }
        list.backups.sort_by_key(|forgotten| (forgotten.at, forgotten.id()));
        Ok(list)
    }
}

impl IndexedRepository {
    /// Takes a forgotten backup back: as an ingest whose chunks are all there, so that no prune can take them away meanwhile.
    ///
    /// # Errors
    /// [`RepositoryError::ChunkMissing`] when the grace is over and something it needs is gone; it stays forgotten then.
    pub fn undelete(&self, forgotten: &Forgotten) -> Result<BackupRecord, RepositoryError> {
        let id = forgotten.id();
        let present = self.records()?.backups.into_iter().find(|record| record.id == id);
        let record = match present {
            // Published by a try that ended before it knew that the record is durable. The forgotten object goes only after that is known.
            Some(record) => {
                self.backend.sync(&[keys::record(&id, record.seq)])?;
                record
            }
            None => {
                self.catch_up()?;
                let mut record = forgotten.record.clone();
                // Of an earlier try a void may be left.
                record.seq = self.next_seq(&id, record.seq)?;
                Ingest::begin_carrying_over(self)?.republish(&record)?;
                record
            }
        };
        self.remove_forgotten(&id)?;
        let summary = format!("took back {} of {}", id.short(), record.subject.name);
        if let Err(error) = self.log_event("undelete", Some(id), summary) {
            tracing::warn!(%error, "the backup is there again, but the log has no line for it");
        }
        Ok(record)
    }

    fn remove_forgotten(&self, id: &BackupId) -> Result<(), RepositoryError> {
        Ok(self.backend.delete(&keys::forgotten(id))?)
    }
}
