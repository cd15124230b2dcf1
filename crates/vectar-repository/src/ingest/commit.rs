//! The last steps of an ingest, in the one order that can lose nothing.

use std::collections::HashSet;

use vectar_backend::ObjectKey;
use vectar_chunk::NodeId;

use super::{Ingest, PackPublisher, publisher::PublishedPack};
use crate::{
    error::RepositoryError,
    format::{
        frame::{self, FrameKind},
        ids::{BackupId, PackId},
        ingest_marks::Pending,
        keys,
        record::{BackupRecord, Space, Subject},
    },
    index::{list_marks, list_packs},
    reader::ChunkReader,
    repository::TOOL,
};

/// How often needed chunks are copied out of packs that were condemned meanwhile, before the ingest gives up. Each time takes
/// another prune that condemns what the copy before relied on; twice in one ingest has never been seen.
const COPY_OUT_ATTEMPTS_MAX: usize = 3;

/// Memory for decoded chunks while they are copied out, in bytes.
const COPY_OUT_CACHE_BYTES: usize = 8 * 1024 * 1024;

/// What the engine knows of a backup when its last byte is in a pack.
#[derive(Debug, Clone)]
pub struct RecordDraft {
    /// Where the snapshot came from and what it is.
    pub subject: Subject,
    /// Length of the snapshot in bytes.
    pub bytes: u64,
    /// SHA-256 of the whole snapshot in hex.
    pub sha256: String,
    /// Why the snapshot was damaged before it was stored, if it was.
    pub damaged: Option<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// A free text.
    pub note: Option<String>,
    /// What storing it cost; the packs' bytes are filled in here.
    pub space: Space,
}

/// A committed backup and what it added to the repository.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The published record.
    pub record: BackupRecord,
    /// Bytes of all objects that stay: packs, record and log line.
    pub new_bytes: u64,
}

impl Ingest<'_> {
    /// Publishes the backup whose recipe is `root`, which covers `covered` bytes.
    ///
    /// # Errors
    /// Whatever stops it before the record is published leaves no backup; the packs stay and are of use to the next try.
    pub fn commit(mut self, root: NodeId, covered: u64, draft: RecordDraft) -> Result<Committed, RepositoryError> {
        if covered != draft.bytes {
            return Err(RepositoryError::LayoutWrong { covered, expected: draft.bytes });
        }
        let id = BackupId::from_bytes(self.repository.random());
        let mut own = self.publish_packs()?;
        let pending_key = keys::pending(&id);
        let mut attempts = 0;
        loop {
            self.publish_pending(&pending_key, id, &own)?;
            let lost = self.unsound_of(&own)?;
            if lost.is_empty() {
                break;
            }
            attempts += 1;
            self.copy_out(id, root, &lost, attempts, &mut own)?;
        }
        let record = self.publish_record(id, root, draft, &own)?;
        let pack_bytes: u64 = own.iter().map(|pack| pack.len).sum();
        let record_bytes = record.encode().len() as u64;
        self.clean_up(&pending_key);
        let summary = format!("stored {} ({} bytes) as {}", record.subject.name, record.bytes, id.short());
        let event_bytes = self.repository.log_event("ingest", Some(id), summary).unwrap_or_else(|error| {
            tracing::warn!(%error, "the backup is stored, but the log has no line for it");
            0
        });
        Ok(Committed { record, new_bytes: pack_bytes + record_bytes + event_bytes })
    }

    /// Seals what is left, waits for the writer thread, makes everything durable and known to the index.
    fn publish_packs(&mut self) -> Result<Vec<PublishedPack>, RepositoryError> {
        self.seal_all()?;
        let publisher = self.publisher.as_mut().ok_or(RepositoryError::ThreadLost { task: "writes packs" })?;
        let own = publisher.finish()?;
        let keys: Vec<ObjectKey> =
            own.iter().map(|pack| pack.id).chain(self.relied_on.iter().copied()).map(|id| keys::pack(&id)).collect();
        self.repository.backend.sync(&keys)?;
        self.index_packs(&own);
        Ok(own)
    }

    fn index_packs(&self, packs: &[PublishedPack]) {
        let rows = packs.iter().map(|pack| (pack.id, pack.len, &pack.footer, &pack.footer_verbatim[..]));
        if let Err(error) = self.repository.index().add_packs(rows) {
            tracing::warn!(%error, "the index lacks the new packs until it catches up");
        }
    }

    fn publish_pending(&self, key: &ObjectKey, id: BackupId, own: &[PublishedPack]) -> Result<(), RepositoryError> {
        let mut packs: Vec<PackId> = own.iter().map(|pack| pack.id).chain(self.relied_on.iter().copied()).collect();
        packs.sort_unstable();
        let pending = Pending { id, nonce: self.nonce, at: self.repository.environment.now(), packs };
        let bytes = frame::encode(FrameKind::Pending, &pending);
        self.repository.backend.put(key, &[bytes.into()])?;
        Ok(self.repository.backend.sync(std::slice::from_ref(key))?)
    }

    /// Lists packs and marks afresh, after the pending object became visible; returns the needed packs that are gone or marked.
    fn unsound_of(&self, own: &[PublishedPack]) -> Result<HashSet<PackId>, RepositoryError> {
        let backend = &*self.repository.backend;
        let present = list_packs(backend)?;
        let marked = list_marks(backend)?;
        let needed = own.iter().map(|pack| pack.id).chain(self.relied_on.iter().copied());
        Ok(needed.filter(|id| !present.contains_key(id) || marked.contains(id)).collect())
    }

    /// Stores everything that lies in `lost` packs again, read from them while they exist.
    fn copy_out(
        &mut self,
        id: BackupId,
        root: NodeId,
        lost: &HashSet<PackId>,
        attempt: usize,
        own: &mut Vec<PublishedPack>,
    ) -> Result<(), RepositoryError> {
        let gone = |first| RepositoryError::NeededPacksGone { backup: id, missing: lost.len(), first };
        let first = *lost.iter().min().expect("copying out starts only when packs are lost");
        if attempt > COPY_OUT_ATTEMPTS_MAX {
            return Err(gone(first));
        }
        let reader = ChunkReader::new(self.repository, COPY_OUT_CACHE_BYTES);
        let needed = reader.ids_behind(&root).map_err(|_| gone(first))?;
        self.publisher = Some(PackPublisher::start(self.repository.backend.clone()));
        for needed_id in needed {
            let location = self.repository.index().locate(&needed_id)?;
            let Some(location) = location.filter(|location| lost.contains(&location.pack)) else {
                continue;
            };
            let record = reader.stored_record(&location, &needed_id).map_err(|_| gone(location.pack))?;
            self.append(record)?;
        }
        self.relied_on.retain(|pack| !lost.contains(pack));
        own.retain(|pack| !lost.contains(&pack.id));
        own.extend(self.publish_packs()?);
        Ok(())
    }

    fn publish_record(
        &mut self,
        id: BackupId,
        root: NodeId,
        draft: RecordDraft,
        own: &[PublishedPack],
    ) -> Result<BackupRecord, RepositoryError> {
        let RecordDraft { subject, bytes, sha256, damaged, tags, note, mut space } = draft;
        space.new_pack_bytes = own.iter().map(|pack| pack.len).sum();
        let stored_at = self.repository.environment.now();
        let tool = TOOL.to_owned();
        let record = BackupRecord {
            id,
            seq: 0,
            requires: Vec::new(),
            subject,
            stored_at,
            bytes,
            sha256,
            root,
            damaged,
            tags,
            note,
            space,
            tool,
        };
        let key = keys::record(&id, 0);
        self.repository.put_small(&key, record.encode())?;
        self.repository.backend.sync(std::slice::from_ref(&key))?;
        self.committed = true;
        Ok(record)
    }

    /// Takes back what announced the ingest. The backup is published; what fails here dies of age.
    fn clean_up(&self, pending: &ObjectKey) {
        for key in [pending, &keys::intent(&self.nonce)] {
            if let Err(error) = self.repository.backend.delete(key) {
                tracing::debug!(%error, %key, "a mark of a finished ingest stays behind");
            }
        }
    }
}
