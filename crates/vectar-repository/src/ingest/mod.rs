//! Storing one backup: records into packs, recipes into nodes, and the commit that makes it a backup.
//!
//! The write order, each step durable before the next (`docs/format.md`, "Write order"):
//!
//! 1. `intents/<nonce>`, before the first pack.
//! 2. Packs, each named by the hash of its bytes.
//! 3. One barrier over all packs the backup relies on, also those that others wrote.
//! 4. `pending/<id>`, naming these packs.
//! 5. A fresh listing of marks, then of packs: every pack of the list must be there and unmarked; what lies in a marked one is copied
//!    out, else nothing is published.
//! 6. `backups/<id>/0000000000`: the commit.
//!
//! Whatever stops before step 6 leaves packs that nobody refers to, and no backup.

mod commit;
mod indexer;
mod pack_builder;
mod prepare;
mod publisher;

use std::collections::HashSet;

use jiff::Timestamp;
use vectar_backend::ObjectKey;
use vectar_chunk::{BodyDigest, ChunkId, NodeId};

pub use commit::{Committed, RecordDraft};
pub use prepare::{PreparedRecord, Preparer};

use crate::{
    error::RepositoryError,
    format::{
        frame::{self, FrameKind},
        ids::{IngestNonce, PackId},
        ingest_marks::Intent,
        keys,
        node::{NODE_BYTES_MAX, RecipeNode},
        pack::{BodyEntry, PackKind, RecordKind},
    },
    recipe::NodeSink,
    repository::IndexedRepository,
};
use pack_builder::{PackBuilder, SealedPack};
use publisher::PackPublisher;

/// One ingest under way. Dropping it abandons it: no backup appears, its intent is withdrawn, and the packs written so far are
/// left to `prune`.
#[derive(Debug)]
#[must_use = "an ingest that is dropped stores no backup"]
pub struct Ingest<'r> {
    repository: &'r IndexedRepository,
    preparer: Preparer,
    nonce: IngestNonce,
    started_at: Timestamp,
    data: PackBuilder,
    metadata: PackBuilder,
    /// `None` in a rehearsal: packs are counted and dropped.
    publisher: Option<PackPublisher>,
    packs_sealed: u64,
    sealed_bytes: u64,
    /// Ids this ingest has put into packs that are not in the index yet. In a rehearsal, and where records are carried over, it is all
    /// of them: 40 to 75 bytes each.
    stored: HashSet<[u8; 32]>,
    /// Whether an id leaves `stored` when the index knows it.
    forgets_indexed: bool,
    /// Packs that hold something of this backup: of others, and its own that the index has answered for.
    relied_on: HashSet<PackId>,
    /// The objects that tell others of this ingest, oldest first; they go when it ends.
    announced: Vec<ObjectKey>,
}

/// Whether a record had to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It was new.
    New,
    /// It was there already, in this ingest or in a sound pack.
    Known,
}

impl<'r> Ingest<'r> {
    /// Announces an ingest.
    ///
    /// `zstd_level` is used for recipe nodes; chunks come encoded.
    ///
    /// # Errors
    /// The storage refused the intent; nothing else was written.
    pub fn begin(repository: &'r IndexedRepository, zstd_level: i32) -> Result<Self, RepositoryError> {
        let mut ingest = Self::rehearse(repository, zstd_level)?;
        let (nonce, started_at) = (ingest.nonce, ingest.started_at);
        let intent = Intent { nonce, started_at, client: repository.environment.client() };
        let key = keys::intent(&nonce);
        // Before the attempt: the storage may do the work and fail to say so.
        ingest.announced.push(key.clone());
        repository.put_small(&key, frame::encode(FrameKind::Intent, &intent))?;
        // Not by its name: a prune that takes this ingest for dead, because it stood still here, may have removed it.
        repository.backend.sync(&[])?;
        ingest.publisher = Some(PackPublisher::start(repository));
        Ok(ingest)
    }

    /// Announces work that puts records into new packs as they are: what prune, a repair and taking a backup back do.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub(crate) fn begin_carrying_over(repository: &'r IndexedRepository) -> Result<Self, RepositoryError> {
        // No recipe node is made, so the level is never used.
        let mut ingest = Self::begin(repository, 1)?;
        // The index goes on naming the first place of a record, so only `stored` tells that it was carried over already.
        ingest.forgets_indexed = false;
        Ok(ingest)
    }

    /// Starts an ingest that writes nothing: everything is done but publishing, and what it would take can be asked for with
    /// [`sealed_bytes`](Self::sealed_bytes). It cannot be committed.
    ///
    /// # Errors
    /// The index failed, or a codec context cannot be had.
    pub fn rehearse(repository: &'r IndexedRepository, zstd_level: i32) -> Result<Self, RepositoryError> {
        let nonce = IngestNonce::from_bytes(repository.random());
        let builder = |kind| PackBuilder::new(kind, repository.id(), nonce);
        Ok(Self {
            repository,
            preparer: Preparer::for_repository(repository.config(), zstd_level)?,
            nonce,
            started_at: repository.environment.now(),
            data: builder(PackKind::Data),
            metadata: builder(PackKind::Metadata),
            publisher: None,
            packs_sealed: 0,
            sealed_bytes: 0,
            stored: HashSet::new(),
            forgets_indexed: true,
            relied_on: HashSet::new(),
            announced: Vec::new(),
        })
    }

    /// When the ingest began.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// Notes that the backup uses a chunk, and tells whether it must still be stored with [`add`](Self::add).
    ///
    /// # Errors
    /// [`RepositoryError::Index`].
    pub fn rely_on(&mut self, chunk: &ChunkId) -> Result<Stored, RepositoryError> {
        self.rely_on_id(chunk.as_bytes())
    }

    /// Notes that the backup uses a chunk or node, and tells whether it must still be stored.
    ///
    /// # Errors
    /// [`RepositoryError::Index`].
    pub fn lacks(&mut self, id: &[u8; 32]) -> Result<bool, RepositoryError> {
        Ok(self.rely_on_id(id)? == Stored::New)
    }

    fn rely_on_id(&mut self, id: &[u8; 32]) -> Result<Stored, RepositoryError> {
        if self.stored.contains(id) {
            return Ok(Stored::Known);
        }
        match self.repository.index().latest().locate_sound(id)? {
            Some(location) => {
                self.relied_on.insert(location.pack);
                Ok(Stored::Known)
            }
            None => Ok(Stored::New),
        }
    }

    /// Stores a record unless it is there already. One of another repository, coded as this one may hold none, is coded anew.
    ///
    /// # Errors
    /// The index failed, or the storage refused an earlier pack.
    pub fn add(&mut self, record: PreparedRecord) -> Result<Stored, RepositoryError> {
        if self.rely_on_id(&record.head.id)? == Stored::Known {
            return Ok(Stored::Known);
        }
        let record = self.preparer.adapt(self.repository.config(), record)?;
        self.append(record)?;
        Ok(Stored::New)
    }

    fn append(&mut self, record: PreparedRecord) -> Result<(), RepositoryError> {
        self.stored.insert(record.head.id);
        let builder = match record.head.kind {
            RecordKind::Chunk => &mut self.data,
            RecordKind::Node | RecordKind::RowDirectory => &mut self.metadata,
        };
        builder.push(record);
        if builder.len() >= self.repository.config().pack_bytes {
            let sealed = builder.seal(self.packs_sealed);
            self.hand_over(sealed)?;
        }
        Ok(())
    }

    fn hand_over(&mut self, pack: SealedPack) -> Result<(), RepositoryError> {
        self.packs_sealed += 1;
        // A second copy is a pack like any other, of another name: whoever finds the one damaged reads the other.
        let is_doubled = pack.is_metadata() && self.repository.config().metadata_copies > 1;
        let second = is_doubled.then(|| pack.clone().renamed());
        for pack in std::iter::once(pack).chain(second) {
            self.sealed_bytes += pack.len;
            if let Some(publisher) = &mut self.publisher {
                publisher.publish(pack)?;
            }
        }
        if let Some(publisher) = self.publisher.as_ref().filter(|_| self.forgets_indexed) {
            for id in publisher.indexed_ids() {
                self.stored.remove(&id);
            }
        }
        Ok(())
    }

    /// Seals the packs under construction, full or not.
    fn seal_all(&mut self) -> Result<(), RepositoryError> {
        for builder in [PackKind::Data, PackKind::Metadata] {
            let builder = match builder {
                PackKind::Data => &mut self.data,
                PackKind::Metadata => &mut self.metadata,
            };
            if !builder.is_empty() {
                let sealed = builder.seal(self.packs_sealed);
                self.hand_over(sealed)?;
            }
        }
        Ok(())
    }

    /// Notes that the backup uses packs that someone looked up, everything in them resolved.
    pub fn rely_on_packs(&mut self, packs: impl IntoIterator<Item = PackId>) {
        self.relied_on.extend(packs);
    }

    /// Notes that `node` rebuilds the body with this digest, so that a later ingest need not cut it.
    pub fn add_body(&mut self, digest: BodyDigest, node: NodeId, len: u64) {
        if self.repository.index().latest().body(&digest).ok().flatten() != Some((node, len)) {
            self.metadata.push_body(BodyEntry { digest, node, len });
        }
    }

    /// Stores a record in a new pack although it is stored already: what prune does with the needed part of a wasteful pack.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub(crate) fn carry_over(&mut self, record: PreparedRecord) -> Result<(), RepositoryError> {
        match self.stored.contains(&record.head.id) {
            true => Ok(()),
            false => self.append(record),
        }
    }

    /// Carries the digest of a body over into the new packs.
    pub(crate) fn carry_over_body(&mut self, body: BodyEntry) {
        self.metadata.push_body(body);
    }

    /// Ends the writing without a backup: the new packs are durable and known to the index, and hold only what others hold too.
    /// Returns their bytes.
    ///
    /// # Errors
    /// The storage refused something; what was written stays and is of no harm.
    pub(crate) fn finish_packs(mut self) -> Result<u64, RepositoryError> {
        let own = self.publish_packs()?;
        Ok(own.iter().map(|pack| pack.len).sum())
    }

    /// Ends a rehearsal: bytes of all packs it would have written.
    ///
    /// # Errors
    /// None in a rehearsal; an ingest that publishes may meet what the storage meets.
    pub fn sealed_bytes(mut self) -> Result<u64, RepositoryError> {
        self.seal_all()?;
        Ok(self.sealed_bytes)
    }
}

impl NodeSink for Ingest<'_> {
    fn store(&mut self, node: &RecipeNode) -> Result<NodeId, RepositoryError> {
        let raw = node.encode(self.repository.config().node_version());
        // No reader would take it.
        if raw.len() > NODE_BYTES_MAX {
            let reason = format!("a node of {} bytes was made, at most {NODE_BYTES_MAX} are possible", raw.len());
            return Err(RepositoryError::RecipeInvalid { reason });
        }
        let id = self.repository.id_key().node_id(&raw);
        if self.rely_on_id(id.as_bytes())? == Stored::New {
            let record = self.preparer.node(&id, &raw)?;
            self.append(record)?;
        }
        Ok(id)
    }
}

impl Ingest<'_> {
    /// Takes back what announced the ingest, newest first: the intent outlives what it announces. What fails here dies of age.
    fn withdraw(&mut self) {
        while let Some(key) = self.announced.pop() {
            if let Err(error) = self.repository.backend.delete(&key) {
                tracing::debug!(%error, %key, "a mark of an ended ingest stays behind");
            }
        }
    }
}

impl Drop for Ingest<'_> {
    fn drop(&mut self) {
        // The thread that writes packs ends first, so that no pack appears after the intent that announces it is gone.
        drop(self.publisher.take());
        self.withdraw();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use vectar_chunk::CodecHint;
    use vectar_testkit::backend::MemoryBackend;

    use super::*;
    use crate::{
        environment::SystemEnvironment,
        repository::{InitOptions, Repository},
    };

    /// Packs under construction, on their way, being written, in the batch, being added, and added but not yet noticed.
    const PACKS_IN_MEMORY: usize = 7;

    #[test]
    fn an_ingest_remembers_only_what_the_index_does_not_know_yet() {
        let options = InitOptions { pack_bytes: 64 * 1024, reserve: false, ..InitOptions::default() };
        let repository =
            Repository::init(Arc::new(MemoryBackend::new()), Arc::new(SystemEnvironment), &options).unwrap().0;
        let repository = repository.with_index(None).unwrap().0.with_index_batch(0);
        let (mut ingest, mut preparer) = (Ingest::begin(&repository, 1).unwrap(), Preparer::new(1).unwrap());
        let (chunk_bytes, chunks) = (2000, 4000_u64);
        let mut most = 0;
        for number in 0..chunks {
            let mut bytes = vec![0; chunk_bytes];
            blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut bytes);
            let id = repository.id_key().chunk_id(&bytes);
            let record = preparer.chunk(&id, &bytes, 0, CodecHint::Incompressible).unwrap();
            assert_eq!(ingest.add(record.clone()).unwrap(), Stored::New);
            assert_eq!(ingest.add(record).unwrap(), Stored::Known);
            most = most.max(ingest.stored.len());
        }
        let of_a_pack = options.pack_bytes as usize / chunk_bytes + 1;
        assert!(most <= PACKS_IN_MEMORY * of_a_pack, "{most} ids of {chunks} in memory, {of_a_pack} in a pack");
    }
}
