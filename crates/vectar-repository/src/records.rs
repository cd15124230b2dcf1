//! Records and events: the small objects that say what a repository holds. No index is needed to read them.

use std::collections::HashMap;

use bytes::Bytes;
use vectar_backend::{BackendExt, KeyPrefix, ListedObject, ObjectKey, PutOutcome};

use crate::{
    error::RepositoryError,
    fetch,
    format::{
        event::Event,
        frame::{self, FrameKind},
        ids::BackupId,
        ingest_marks::{Intent, Void},
        keys,
        record::{BackupRecord, RECORD_BYTES_MAX},
    },
    repository::{Repository, TOOL},
};

/// All backups of a repository, and what could not be read among their records.
#[derive(Debug, Default)]
pub struct RecordList {
    /// One record for each backup, the newest valid one; oldest backup first, by the time it was stored, then by id.
    pub backups: Vec<BackupRecord>,
    /// Backups that are not to be forgotten, with the reason that was given.
    pub pins: HashMap<BackupId, String>,
    /// Records that are damaged or too new. A backup with an older valid record is in `backups` all the same.
    pub unreadable: Vec<UnreadableRecord>,
}

/// A record that is there but cannot be used.
#[derive(Debug)]
pub struct UnreadableRecord {
    /// The object.
    pub key: ObjectKey,
    /// What is wrong.
    pub error: RepositoryError,
}

impl Repository {
    /// Reads all records: one listing and one small read for each. Tags and notes given later are applied, for which the notes are
    /// listed and read too.
    ///
    /// # Errors
    /// The listing failed. A record that cannot be read is part of the answer.
    pub fn records(&self) -> Result<RecordList, RepositoryError> {
        let objects = self.list(&keys::records())?;
        let results = fetch::all(&objects, |object| self.read_record(&object.key));
        let mut newest: HashMap<BackupId, BackupRecord> = HashMap::with_capacity(objects.len());
        let mut list = RecordList::default();
        for (object, result) in objects.into_iter().zip(results) {
            match result {
                Ok(record) => {
                    let better = newest.get(&record.id).is_none_or(|known| known.seq < record.seq);
                    if better {
                        newest.insert(record.id, record);
                    }
                }
                Err(RepositoryError::TakenForDead { .. }) => {}
                // Forgotten between listing and reading: no longer a backup, and no damage.
                Err(RepositoryError::Backend(error)) if error.is_object_missing() => {}
                Err(error) => list.unreadable.push(UnreadableRecord { key: object.key, error }),
            }
        }
        list.backups = newest.into_values().collect();
        list.backups.sort_by_key(|record| (record.stored_at, record.id));
        self.annotate_all(&mut list)?;
        Ok(list)
    }

    /// The record under this key, without what notes say of it.
    pub(crate) fn read_record(&self, key: &ObjectKey) -> Result<BackupRecord, RepositoryError> {
        let invalid = |reason: &str| {
            RepositoryError::object(&*self.backend, key, crate::format::FormatError::invalid("record", reason))
        };
        let (id, seq) = keys::record_of(key).ok_or_else(|| invalid("its key is not backups/<id>/<seq>"))?;
        let bytes = self.backend.get(key, RECORD_BYTES_MAX)?;
        if frame::decode::<Void>(FrameKind::Void, &bytes).is_ok() {
            return Err(RepositoryError::TakenForDead { backup: id });
        }
        let record =
            BackupRecord::decode(&bytes).map_err(|error| RepositoryError::object(&*self.backend, key, error))?;
        match record.id == id && record.seq == seq {
            true => Ok(record),
            false => Err(invalid("it belongs under another key")),
        }
    }

    /// Whether the name of a record was taken so that an ingest that was taken for dead cannot publish under it.
    pub(crate) fn is_void(&self, key: &ObjectKey) -> Result<bool, RepositoryError> {
        let bytes = self.backend.get(key, RECORD_BYTES_MAX)?;
        Ok(frame::decode::<Void>(FrameKind::Void, &bytes).is_ok())
    }

    /// Adds a line to the repository's log and returns its size in bytes. It is not synced: losing it loses no backup.
    ///
    /// # Errors
    /// The storage refused it.
    pub fn log_event(&self, action: &str, backup: Option<BackupId>, summary: String) -> Result<u64, RepositoryError> {
        let at = self.environment.now();
        let client = self.environment.client();
        let event = Event { at, action: action.to_owned(), client, tool: TOOL.to_owned(), backup, summary };
        let key = keys::event(at.as_millisecond(), &self.random_suffix());
        self.put_small(&key, frame::encode(FrameKind::Event, &event))
    }

    /// Reads the log, oldest line first. Lines that cannot be read are left out.
    ///
    /// # Errors
    /// The listing failed.
    pub fn events(&self) -> Result<Vec<Event>, RepositoryError> {
        let objects = self.list(&keys::events())?;
        let read = |object: &ListedObject| {
            let bytes = self.backend.get(&object.key, RECORD_BYTES_MAX).ok()?;
            frame::decode(FrameKind::Event, &bytes)
                .inspect_err(|error| tracing::warn!(key = %object.key, %error, "an event is damaged"))
                .ok()
        };
        Ok(fetch::all(&objects, read).into_iter().flatten().collect())
    }

    /// Reads what is said of the ingests under way. One that cannot be read is left out.
    ///
    /// # Errors
    /// The listing failed.
    pub fn intents(&self) -> Result<Vec<Intent>, RepositoryError> {
        let objects = self.list(&keys::intents())?;
        let intents = objects.iter().filter(|object| keys::intent_of(&object.key).is_some_and(|(_, seen)| !seen));
        let read = |object: &ListedObject| {
            let bytes = self.backend.get(&object.key, RECORD_BYTES_MAX).ok()?;
            frame::decode(FrameKind::Intent, &bytes).ok()
        };
        Ok(intents.filter_map(read).collect())
    }

    pub(crate) fn list(&self, prefix: &KeyPrefix) -> Result<Vec<ListedObject>, RepositoryError> {
        Ok(self.backend.list_all(prefix).collect::<Result<_, _>>()?)
    }

    /// Publishes a small object under a new name and returns its size. That the very same object is there already is success:
    /// the names are random, so it is our own, and only the answer was lost.
    pub(crate) fn put_small(&self, key: &ObjectKey, bytes: Vec<u8>) -> Result<u64, RepositoryError> {
        let bytes = Bytes::from(bytes);
        let expected_bytes = bytes.len() as u64;
        match self.backend.put_if_absent(key, std::slice::from_ref(&bytes))? {
            PutOutcome::Created => Ok(expected_bytes),
            PutOutcome::AlreadyExists => {
                let found_bytes = self.backend.stat(key)?.object_bytes;
                match found_bytes == expected_bytes && self.backend.get(key, expected_bytes)? == bytes {
                    true => Ok(expected_bytes),
                    false => Err(RepositoryError::ObjectInTheWay { key: key.clone(), found_bytes, expected_bytes }),
                }
            }
        }
    }
}
