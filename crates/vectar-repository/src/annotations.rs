//! Tags, texts and pins that are given to a backup after it was stored.
//!
//! Each is a small object of its own, so that two people who write at once lose nothing. Whoever reads applies them in the order
//! of their names, which begin with the time.

use std::collections::{BTreeMap, HashMap};

use crate::{
    error::RepositoryError,
    fetch,
    format::{
        annotation::{Annotation, Change},
        frame::{self, FrameKind},
        ids::BackupId,
        keys,
        record::{BackupRecord, RECORD_BYTES_MAX},
    },
    records::RecordList,
    repository::{Repository, TOOL},
};

impl Repository {
    /// Says something of a backup.
    ///
    /// # Errors
    /// The storage refused it.
    pub fn annotate(&self, backup: BackupId, change: Change) -> Result<Annotation, RepositoryError> {
        let at = self.environment.now();
        let client = self.environment.client();
        let annotation = Annotation { backup, at, change, client, tool: TOOL.to_owned() };
        let key = keys::note(&backup, at.as_millisecond(), &self.random_suffix());
        self.put_small(&key, frame::encode(FrameKind::Note, &annotation))?;
        self.backend.sync(&[key])?;
        Ok(annotation)
    }

    /// Applies everything that was said to the records it was said of. An annotation that cannot be read is passed over with a warning:
    /// it takes a label from a backup, not a byte.
    pub(crate) fn annotate_all(&self, list: &mut RecordList) -> Result<(), RepositoryError> {
        let objects = self.list(&keys::notes())?;
        let known: HashMap<BackupId, usize> =
            list.backups.iter().enumerate().map(|(position, record)| (record.id, position)).collect();
        let of_known: Vec<_> = objects
            .into_iter()
            .filter(|object| keys::note_of(&object.key).is_some_and(|id| known.contains_key(&id)))
            .collect();
        let read = fetch::all(&of_known, |object| {
            let bytes = self.backend.get(&object.key, RECORD_BYTES_MAX).ok()?;
            frame::decode::<Annotation>(FrameKind::Note, &bytes)
                .inspect_err(
                    |error| tracing::warn!(key = %object.key, %error, "what was said of a backup cannot be read"),
                )
                .ok()
        });
        // Names sort by time, but backends list in an order of their own.
        let by_name: BTreeMap<_, _> = of_known.iter().map(|object| &object.key).zip(read).collect();
        for annotation in by_name.into_values().flatten() {
            if let Some(&position) = known.get(&annotation.backup) {
                apply(annotation.change, &mut list.backups[position], &mut list.pins);
            }
        }
        Ok(())
    }
}

fn apply(change: Change, record: &mut BackupRecord, pins: &mut HashMap<BackupId, String>) {
    match change {
        Change::AddTag(tag) if record.tags.contains(&tag) => {}
        Change::AddTag(tag) => record.tags.push(tag),
        Change::RemoveTag(tag) => record.tags.retain(|known| *known != tag),
        Change::SetNote(text) => record.note = Some(text).filter(|text| !text.is_empty()),
        Change::Pin(reason) => {
            pins.insert(record.id, reason);
        }
        Change::Unpin => {
            pins.remove(&record.id);
        }
    }
}
