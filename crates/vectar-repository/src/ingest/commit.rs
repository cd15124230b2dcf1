//! The last steps of an ingest, in the one order that can lose nothing.

use std::collections::{BTreeSet, HashMap, HashSet, hash_map::Entry};

use vectar_backend::ObjectKey;
use vectar_chunk::NodeId;

use super::{
    Ingest, PackPublisher, indexer,
    publisher::{OwnPack, PublishedPack},
};
use crate::{
    error::{ErrorKind, RepositoryError},
    format::{
        frame::{self, FrameKind},
        ids::{BackupId, PackId},
        ingest_marks::Pending,
        keys,
        pack::RecordKind,
        record::{BackupRecord, RECORD_BYTES_MAX, Space, Subject},
    },
    index::{Flush, Present, list_packs, list_present},
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
    /// SHA-256 of the whole snapshot in hex; none when it is to be computed once it is needed.
    pub sha256: Option<String>,
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
    /// Whatever stops it before the record is published leaves no backup; the packs stay and are of use to the next try. An error
    /// of the storage in the last step may leave the backup published: whether it is, the next listing says.
    pub fn commit(mut self, root: NodeId, covered: u64, draft: RecordDraft) -> Result<Committed, RepositoryError> {
        if covered != draft.bytes {
            return Err(RepositoryError::LayoutWrong { covered, expected: draft.bytes });
        }
        let id = BackupId::from_bytes(self.repository.random());
        let own = self.settle(id, 0, root)?;
        let RecordDraft { subject, bytes, sha256, damaged, tags, note, mut space } = draft;
        space.new_pack_bytes = own.iter().map(|pack| pack.len).sum();
        let stored_at = self.repository.environment.now();
        let (tool, requires) = (TOOL.to_owned(), Vec::new());
        let mut record = BackupRecord {
            id,
            seq: 0,
            requires,
            subject,
            stored_at,
            bytes,
            sha256: None,
            root,
            damaged,
            tags,
            note,
            space,
            tool,
        };
        record.set_sha256(sha256);
        let pack_bytes = record.space.new_pack_bytes;
        let record_bytes = self.publish_record(&record)?;
        self.withdraw();
        let summary = format!("stored {} ({} bytes) as {}", record.subject.name, record.bytes, id.short());
        let event_bytes = self.repository.log_event("ingest", Some(id), summary).unwrap_or_else(|error| {
            tracing::warn!(%error, "the backup is stored, but the log has no line for it");
            0
        });
        Ok(Committed { record, new_bytes: pack_bytes + record_bytes + event_bytes })
    }

    /// Publishes the record of a backup that is taken back, under the number that it carries now. Everything it needs is looked up; what
    /// lies in marked packs is copied out.
    ///
    /// # Errors
    /// [`RepositoryError::ChunkMissing`] when something it needs is nowhere, and as [`commit`](Self::commit).
    pub(crate) fn republish(mut self, record: &BackupRecord) -> Result<(), RepositoryError> {
        self.rely_on_all(record)?;
        self.settle(record.id, record.seq, record.root)?;
        self.publish_record(record)?;
        self.withdraw();
        Ok(())
    }

    /// Notes everything behind a record as needed, and stores anew what no sound pack holds.
    fn rely_on_all(&mut self, record: &BackupRecord) -> Result<(), RepositoryError> {
        let reader = ChunkReader::new(self.repository, COPY_OUT_CACHE_BYTES);
        let ids = reader.ids_behind(&record.root)?;
        // Afterwards: on the way the index may have caught up with packs that came meanwhile.
        let view = self.repository.index().reader()?;
        for id in ids {
            if let Some(location) = view.locate_sound(&id)? {
                self.relied_on.insert(location.pack);
                continue;
            }
            let location = view.locate(&id)?.ok_or(RepositoryError::ChunkMissing { kind: RecordKind::Chunk, id })?;
            self.append(reader.stored_record(&location, &id)?)?;
        }
        Ok(())
    }

    /// Brings everything into packs that a record may rely on: written, durable, announced, and seen present and unmarked after the
    /// announcement. Returns the packs this ingest wrote.
    fn settle(&mut self, id: BackupId, seq: u32, root: NodeId) -> Result<Vec<OwnPack>, RepositoryError> {
        let mut own = self.publish_packs()?;
        let pending_key = keys::pending(&id);
        self.announced.push(pending_key.clone());
        let mut attempts = 0;
        loop {
            self.publish_pending(&pending_key, (id, seq), &own)?;
            let lost = self.unsound_of(&own)?;
            if lost.is_empty() {
                return Ok(own);
            }
            attempts += 1;
            self.copy_out(id, root, &lost, attempts, &mut own)?;
        }
    }

    /// Seals what is left, waits for the writer thread, makes everything durable and known to the index.
    pub(super) fn publish_packs(&mut self) -> Result<Vec<OwnPack>, RepositoryError> {
        self.seal_all()?;
        let publisher = self.publisher.as_mut().ok_or(RepositoryError::ThreadLost { task: "writes packs" })?;
        let published = publisher.finish()?;
        self.make_durable(&published.own)?;
        if !published.own.is_empty() {
            self.index_packs(&published.unindexed);
        }
        Ok(published.own)
    }

    /// One barrier over all packs the backup relies on. A pack that went away meanwhile is left out here; the fresh listing to come
    /// finds it missing.
    fn make_durable(&self, own: &[OwnPack]) -> Result<(), RepositoryError> {
        let backend = &*self.repository.backend;
        let mut packs = self.needed_packs(own);
        loop {
            let keys: Vec<ObjectKey> = packs.iter().map(keys::pack).collect();
            let Err(error) = backend.sync(&keys) else { return Ok(()) };
            if !error.is_object_missing() {
                return Err(error.into());
            }
            // More may go while we look, as when a prune is removing packs: again, as long as each look explains the error.
            let (named, present) = (packs.len(), list_packs(backend)?);
            packs.retain(|id| present.contains_key(id));
            if packs.len() == named {
                return Err(error.into());
            }
        }
    }

    /// Adds the packs that came after the last batch. With them everything that was added before is flushed.
    fn index_packs(&self, packs: &[PublishedPack]) {
        if let Err(error) = indexer::add(self.repository.index(), packs, Flush::Now) {
            tracing::warn!(%error, "the index lacks the new packs until it catches up");
        }
    }

    /// The packs this ingest wrote and those it relies on, each once, sorted. What it found again in packs of its own is among both.
    fn needed_packs(&self, own: &[OwnPack]) -> Vec<PackId> {
        let needed: BTreeSet<PackId> = own.iter().map(|pack| pack.id).chain(self.relied_on.iter().copied()).collect();
        needed.into_iter().collect()
    }

    fn publish_pending(
        &self,
        key: &ObjectKey,
        (id, seq): (BackupId, u32),
        own: &[OwnPack],
    ) -> Result<(), RepositoryError> {
        let packs = self.needed_packs(own);
        let at = self.repository.environment.now();
        let pending = Pending { id, seq, nonce: self.nonce, at, packs };
        let bytes = frame::encode(FrameKind::Pending, &pending);
        self.repository.backend.put(key, &[bytes.into()])?;
        // Not by its name: if a prune that took this ingest for dead has removed it, publishing the record will tell.
        Ok(self.repository.backend.sync(&[])?)
    }

    /// Lists marks and packs afresh, after the pending object became visible; returns the needed packs that are marked, gone, or of
    /// another length than the one whose footer is known.
    fn unsound_of(&self, own: &[OwnPack]) -> Result<HashSet<PackId>, RepositoryError> {
        let Present { packs, marked } = list_present(&*self.repository.backend)?;
        let mut needed: HashMap<PackId, Option<u64>> = own.iter().map(|pack| (pack.id, Some(pack.len))).collect();
        for id in &self.relied_on {
            // Of what it wrote itself it knows the length, whatever the index says.
            if let Entry::Vacant(place) = needed.entry(*id) {
                place.insert(self.repository.index().pack_len(id)?);
            }
        }
        let is_sound = |id, len: &Option<u64>| len.is_some() && packs.get(id) == len.as_ref() && !marked.contains(id);
        Ok(needed.iter().filter(|(id, len)| !is_sound(id, len)).map(|(id, _)| *id).collect())
    }

    /// Finds everything the backup needs once more and stores what lies in `lost` packs again, read from them while they exist.
    fn copy_out(
        &mut self,
        id: BackupId,
        root: NodeId,
        lost: &HashSet<PackId>,
        attempt: usize,
        own: &mut Vec<OwnPack>,
    ) -> Result<(), RepositoryError> {
        let gone = |first| RepositoryError::NeededPacksGone { backup: id, missing: lost.len(), first };
        let first = *lost.iter().min().expect("copying out starts only when packs are lost");
        if attempt > COPY_OUT_ATTEMPTS_MAX {
            return Err(gone(first));
        }
        // What prune or another client put elsewhere meanwhile is found there.
        self.repository.catch_up()?;
        let reader = ChunkReader::new(self.repository, COPY_OUT_CACHE_BYTES);
        let needed = reader.ids_behind(&root).map_err(|error| lost_or(error, gone(first)))?;
        self.publisher = Some(PackPublisher::start(self.repository));
        own.retain(|pack| !lost.contains(&pack.id));
        self.relied_on.clear();
        for needed_id in needed {
            // An id that is nowhere must stop the backup; to pass over it would publish a record with a hole.
            let location = self.repository.index().locate(&needed_id)?.ok_or_else(|| gone(first))?;
            if lost.contains(&location.pack) {
                let record = reader.stored_record(&location, &needed_id);
                self.append(record.map_err(|error| lost_or(error, gone(location.pack)))?)?;
            } else {
                self.relied_on.insert(location.pack);
            }
        }
        own.extend(self.publish_packs()?);
        Ok(())
    }

    /// The commit. Returns the bytes of the record.
    fn publish_record(&mut self, record: &BackupRecord) -> Result<u64, RepositoryError> {
        let (key, encoded) = (keys::record(&record.id, record.seq), record.encode());
        let record_bytes = encoded.len() as u64;
        if record_bytes > RECORD_BYTES_MAX {
            return Err(RepositoryError::RecordTooLong { backup: record.id, record_bytes, max: RECORD_BYTES_MAX });
        }
        match self.repository.put_small(&key, encoded) {
            Err(RepositoryError::ObjectInTheWay { .. }) if self.repository.is_void(&key)? => {
                return Err(RepositoryError::TakenForDead { backup: record.id });
            }
            result => result?,
        };
        self.repository.backend.sync(std::slice::from_ref(&key))?;
        Ok(record_bytes)
    }
}

/// What to report when something needed cannot be read: that it is lost, unless the storage only stumbled.
fn lost_or(error: RepositoryError, gone: RepositoryError) -> RepositoryError {
    match (&error, error.kind()) {
        (RepositoryError::Backend(inner), _) if inner.is_object_missing() => gone,
        (_, ErrorKind::RepositoryDamaged) => gone,
        _ => error,
    }
}
