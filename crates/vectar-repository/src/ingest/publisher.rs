//! Writes sealed packs on a thread of its own, so that the storage works while the next pack fills.

use std::{
    sync::{Arc, mpsc},
    thread::JoinHandle,
};

use vectar_backend::{Backend, PutOutcome};

use super::pack_builder::SealedPack;
use crate::{
    error::RepositoryError,
    format::{
        ids::PackId,
        keys,
        pack::{PACK_TRAILER_BYTES, PackFooter},
    },
};

/// Sealed packs that wait while one is being written. With the two under construction that makes four packs in memory.
const QUEUE_PACKS: usize = 1;

/// A pack that lies under its name; durable only after the backend's barrier.
#[derive(Debug)]
pub(super) struct PublishedPack {
    pub(super) id: PackId,
    pub(super) len: u64,
    pub(super) footer: PackFooter,
    pub(super) footer_verbatim: Vec<u8>,
}

/// The thread and the queue in front of it. Dropping it waits until the packs that were handed over are written or one failed.
#[derive(Debug)]
pub(super) struct PackPublisher {
    queue: Option<mpsc::SyncSender<SealedPack>>,
    thread: Option<JoinHandle<Result<Vec<PublishedPack>, RepositoryError>>>,
}

impl PackPublisher {
    pub(super) fn start(backend: Arc<dyn Backend>) -> Self {
        let (queue, packs) = mpsc::sync_channel::<SealedPack>(QUEUE_PACKS);
        let thread = std::thread::spawn(move || packs.into_iter().map(|pack| publish(&*backend, pack)).collect());
        Self { queue: Some(queue), thread: Some(thread) }
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
    pub(super) fn finish(&mut self) -> Result<Vec<PublishedPack>, RepositoryError> {
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
    let key = keys::pack(&pack.id);
    let outcome = backend.put_if_absent(&key, &pack.parts)?;
    if outcome == PutOutcome::AlreadyExists {
        // The name is the hash of a header with a fresh nonce: only our own earlier try, whose answer was lost, can be
        // there. It is compared by length and footer all the same: a broken storage may have left something else of it.
        let end_len = pack.footer_verbatim.len() as u64 + PACK_TRAILER_BYTES;
        let found = backend.get_suffix(&key, end_len)?;
        let same_end = found.bytes.len() as u64 == end_len && found.bytes.starts_with(&pack.footer_verbatim);
        if found.object_bytes != pack.len || !same_end {
            let (found_bytes, expected_bytes) = (found.object_bytes, pack.len);
            return Err(RepositoryError::ObjectInTheWay { key, found_bytes, expected_bytes });
        }
    }
    Ok(PublishedPack { id: pack.id, len: pack.len, footer: pack.footer, footer_verbatim: pack.footer_verbatim })
}
