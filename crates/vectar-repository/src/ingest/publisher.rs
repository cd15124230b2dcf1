//! Writes sealed packs on a thread of its own, so that the storage works while the next pack fills.

use std::{sync::mpsc, thread::JoinHandle};

use vectar_backend::{Backend, PutOutcome};

use super::{
    indexer::{IndexedIds, PackIndexer},
    pack_builder::SealedPack,
};
use crate::{
    error::RepositoryError,
    format::{
        ids::PackId,
        keys,
        pack::{PACK_TRAILER_BYTES, PackFooter},
    },
    repository::IndexedRepository,
};

/// Sealed packs that wait while one is being written: none. With the two under construction that makes three packs in memory, of which the one of
/// recipes is short. One more gave three percent (629 MB: 1.96 s with, 2.03 without, of nine each) for 32 MiB that are full where storage is slow.
const QUEUE_PACKS: usize = 0;

/// How much of a damaged pack is in memory while it is set aside, in bytes.
const SET_ASIDE_WINDOW_BYTES: u64 = 8 * 1024 * 1024;

/// A pack that lies under its name; durable only after the backend's barrier.
#[derive(Debug)]
pub(super) struct PublishedPack {
    pub(super) id: PackId,
    pub(super) len: u64,
    /// From its magic to before the trailer.
    pub(super) footer: Vec<u8>,
}

/// What is kept of a pack that this ingest has published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OwnPack {
    pub(super) id: PackId,
    pub(super) len: u64,
}

/// What came of the packs that were handed over.
#[derive(Debug)]
pub(super) struct Published {
    /// All of them.
    pub(super) own: Vec<OwnPack>,
    /// The last ones, which are not in the index.
    pub(super) unindexed: Vec<PublishedPack>,
}

impl PublishedPack {
    pub(super) fn decoded_footer(&self) -> PackFooter {
        let footer_offset = self.len - self.footer.len() as u64 - PACK_TRAILER_BYTES;
        PackFooter::decode_verbatim(&self.footer, footer_offset).expect("it was encoded by this process")
    }
}

impl SealedPack {
    fn into_published(self) -> PublishedPack {
        PublishedPack { id: self.id, len: self.len, footer: self.footer_verbatim }
    }
}

/// The thread and the queue in front of it. Dropping it waits until the packs that were handed over are written or one failed.
#[derive(Debug)]
pub(super) struct PackPublisher {
    queue: Option<mpsc::SyncSender<SealedPack>>,
    thread: Option<JoinHandle<Result<Published, RepositoryError>>>,
    indexed: IndexedIds,
}

impl PackPublisher {
    /// Starts writing packs; they are added to the index in batches of as many bytes of footers.
    pub(super) fn start(repository: &IndexedRepository) -> Self {
        let backend = repository.backend.clone();
        let (queue, packs) = mpsc::sync_channel::<SealedPack>(QUEUE_PACKS);
        let (mut indexer, indexed) = PackIndexer::start(repository.shared_index(), repository.index_batch_bytes());
        let thread = std::thread::spawn(move || {
            let mut own = Vec::new();
            for pack in packs {
                let pack = publish(&*backend, pack)?;
                own.push(OwnPack { id: pack.id, len: pack.len });
                indexer.take(pack);
            }
            Ok(Published { own, unindexed: indexer.finish() })
        });
        Self { queue: Some(queue), thread: Some(thread), indexed }
    }

    /// Ids of records that the index has learnt of since the last call: nobody else need know them any more.
    pub(super) fn indexed_ids(&self) -> impl Iterator<Item = [u8; 32]> {
        self.indexed.try_iter().flatten()
    }

    /// Hands over a pack; waits while the queue is full.
    ///
    /// # Errors
    /// What an earlier pack met. Nothing more is written then.
    pub(super) fn publish(&mut self, pack: SealedPack) -> Result<(), RepositoryError> {
        let sent = self.queue.as_ref().is_some_and(|queue| queue.send(pack).is_ok());
        if sent {
            return Ok(());
        }
        // The thread has stopped early, so it has an error to tell.
        self.finish().and(Err(RepositoryError::ThreadLost { task: "writes packs" }))
    }

    /// Waits until every pack lies under its name.
    ///
    /// # Errors
    /// What the first failing pack met.
    pub(super) fn finish(&mut self) -> Result<Published, RepositoryError> {
        drop(self.queue.take());
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) | None => Err(RepositoryError::ThreadLost { task: "writes packs" }),
        }
    }
}

impl Drop for PackPublisher {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // An abandoned ingest has reported its own error already; this one would only repeat it.
            let _ = thread.join();
        }
    }
}

fn publish(backend: &dyn Backend, pack: SealedPack) -> Result<PublishedPack, RepositoryError> {
    match put(backend, &pack)? {
        None => Ok(pack.into_published()),
        Some(found_bytes) => {
            set_aside(backend, &pack.id, found_bytes)?;
            // A quarantined name is marked for good, so the records get a pack of another one.
            let renamed = pack.renamed();
            match put(backend, &renamed)? {
                None => Ok(renamed.into_published()),
                Some(found_bytes) => {
                    let (key, expected_bytes) = (keys::pack(&renamed.id), renamed.len);
                    Err(RepositoryError::ObjectInTheWay { key, found_bytes, expected_bytes })
                }
            }
        }
    }
}

/// Publishes a pack; returns the length of what lies under its name when that is something else.
fn put(backend: &dyn Backend, pack: &SealedPack) -> Result<Option<u64>, RepositoryError> {
    let key = keys::pack(&pack.id);
    match backend.put_if_absent(&key, &pack.parts)? {
        PutOutcome::Created => Ok(None),
        // The name is the hash of a header with a fresh nonce: only our own earlier try, whose answer was lost, can be
        // there. It is compared by length and footer all the same: a broken storage may have left something else of it.
        PutOutcome::AlreadyExists => {
            let end_len = pack.footer_verbatim.len() as u64 + PACK_TRAILER_BYTES;
            let found = backend.get_suffix(&key, end_len)?;
            let same_end = found.bytes.len() as u64 == end_len && found.bytes.starts_with(&pack.footer_verbatim);
            let is_ours = found.object_bytes == pack.len && same_end;
            Ok((!is_ours).then_some(found.object_bytes))
        }
    }
}

/// Moves what lies under a pack's name into quarantine, as it is.
fn set_aside(backend: &dyn Backend, pack: &PackId, found_bytes: u64) -> Result<(), RepositoryError> {
    let (key, quarantined) = (keys::pack(pack), keys::quarantined(pack));
    let mut writer = backend.begin()?;
    let mut start = 0;
    while start < found_bytes {
        let end = found_bytes.min(start + SET_ASIDE_WINDOW_BYTES);
        writer.write(&backend.get_range(&key, start..end)?)?;
        start = end;
    }
    // Already there after an earlier try: it is a mark as well, and what is kept of the bytes are those that were found first.
    let (PutOutcome::Created | PutOutcome::AlreadyExists) = writer.publish(&quarantined)?;
    backend.sync(&[quarantined])?;
    tracing::warn!(%key, found_bytes, "something else lay under the name of a new pack; it was set aside");
    Ok(backend.delete(&key)?)
}
