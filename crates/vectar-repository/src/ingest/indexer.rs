//! Adds published packs to the chunk index while the ingest that writes them goes on, so that its memory does not grow with what is new.
//!
//! A pack's footer and the ids in it are kept until the pack is in the index; from then on the index answers for them, and of the pack only
//! its name and length are left. Packs are added many at once and on a thread of its own: a transaction rewrites pages all over
//! the table, and nobody should wait for that.
//!
//! # Why a pack may be in the index before it is durable, and before any backup needs it
//!
//! - The index says where a record lies, never that it may be relied on for good. It is made of footers, and a pack is added only
//!   after it lies under its name, where any other client lists it just as well and adds it to an index of its own.
//! - Whoever finds a record there and publishes a backup that needs it syncs the pack first and lists it afresh after that, as
//!   with every pack (`commit.rs`, steps 3 to 5). That the pack is another ingest's of the same process makes no difference.
//! - After a crash the storage has such a pack as a whole, or not at all (`docs/format.md`, "Assumptions about storage"). The next catch-up drops
//!   packs that are gone or have another length, before anything is looked up. The same goes for packs of an ingest that failed:
//!   nobody refers to them, the next ingest uses them, or `prune` removes them, and with that they leave the index.
//! - A pack that was marked before it is added is added as one that no new backup relies on; one that is marked later becomes so with
//!   the catch-up that sees the mark. Its records are stored again when they come up again, and what was laid before that is copied
//!   out by the commit, which compares every pack of its own with fresh listings, indexed or not.
//! - What workers and row sharing see does not change while an ingest runs: their views end with the packs that were known when it began
//!   (`index/reader.rs`), so recipes and packs do not depend on when a batch was added. Only the ingest itself, which drops ids from
//!   memory, looks into what came later, and so it finds whatever a view has found.
//! - When the index's file system has no room for more, the ids stay in memory and the packs out of the index until the next catch-up.
//!   That is found out before a transaction begins, because one that fails takes the look-ups with it.

use std::{
    sync::{Arc, mpsc},
    thread::JoinHandle,
};

use super::publisher::PublishedPack;
use crate::{
    error::RepositoryError,
    format::pack::FOOTER_ENTRY_BYTES,
    index::{ChunkIndex, Flush},
};

/// Packs that are in the index by now: the ids of their records.
pub(super) type IndexedIds = mpsc::Receiver<Vec<[u8; 32]>>;

/// The batch that is being collected, and the thread that adds the one before.
#[derive(Debug)]
pub(super) struct PackIndexer {
    batch: Vec<PublishedPack>,
    batch_bytes: usize,
    batch_bytes_max: usize,
    queue: Option<mpsc::SyncSender<Vec<PublishedPack>>>,
    thread: Option<JoinHandle<()>>,
}

impl PackIndexer {
    /// Starts the thread. A batch is closed when its footers have more than `batch_bytes_max` bytes.
    pub(super) fn start(index: Arc<ChunkIndex>, batch_bytes_max: usize) -> (Self, IndexedIds) {
        // Nothing waits between the batch that is collected and the one that is being added: three of them are in memory at most, with
        // the ids of the last one that the ingest has not yet dropped.
        let (queue, batches) = mpsc::sync_channel::<Vec<PublishedPack>>(0);
        let (done, indexed) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            for batch in batches {
                match add(&index, &batch, Flush::Later) {
                    // An ingest that has ended drops nothing any more.
                    Ok(ids) => drop(done.send(ids)),
                    // Once is enough: what follows stays in the ingest's memory.
                    Err(error) => return tracing::warn!(%error, "the index lacks new packs until it catches up"),
                }
            }
        });
        let (batch, batch_bytes) = (Vec::new(), 0);
        (Self { batch, batch_bytes, batch_bytes_max, queue: Some(queue), thread: Some(thread) }, indexed)
    }

    /// Takes a pack that lies under its name. Waits when a batch is full and the one before is still being added.
    pub(super) fn take(&mut self, pack: PublishedPack) {
        self.batch_bytes += pack.footer.len();
        self.batch.push(pack);
        if self.batch_bytes > self.batch_bytes_max {
            self.batch_bytes = 0;
            let batch = std::mem::take(&mut self.batch);
            // Refused only by a thread that has stopped because the index failed, and has said so.
            let _ = self.queue.as_ref().map(|queue| queue.send(batch));
        }
    }

    /// Waits for the batch that is being added, and returns the packs of the last one, which is not.
    pub(super) fn finish(mut self) -> Vec<PublishedPack> {
        self.stop();
        std::mem::take(&mut self.batch)
    }

    fn stop(&mut self) {
        drop(self.queue.take());
        // A panic there has lost packs for the index and nothing else: the next catch-up reads their footers.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Drop for PackIndexer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Adds packs to the index and returns the ids of their records.
///
/// # Errors
/// The index failed; it lacks the packs until the next catch-up.
pub(super) fn add(index: &ChunkIndex, packs: &[PublishedPack], flush: Flush) -> Result<Vec<[u8; 32]>, RepositoryError> {
    let records = packs.iter().map(|pack| pack.footer.len() / FOOTER_ENTRY_BYTES).sum();
    if !index.place().has_room_for(records) {
        return Err(RepositoryError::IndexFull);
    }
    let footers: Vec<_> = packs.iter().map(PublishedPack::decoded_footer).collect();
    let rows = packs.iter().zip(&footers).map(|(pack, footer)| (pack.id, pack.len, footer, &pack.footer[..]));
    index.add_packs(rows, flush)?;
    Ok(footers.iter().flat_map(|footer| &footer.entries).map(|entry| entry.head.id).collect())
}
