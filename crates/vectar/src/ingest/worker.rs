//! The second stage, on all cores: identifies each chunk of a batch, looks it up, encodes what is new.

use std::sync::Mutex;

use vectar_chunk::{ChunkId, CodecHint, fill_byte};
use vectar_qdrant::Class;
use vectar_repository::{PreparedRecord, Preparer, Repository, RepositoryError, index::IndexReader};

use super::batch::{Batch, Step};

/// A chunk of a body up to this length is kept in the recipe itself: its id alone would take half of that.
pub(super) const INLINE_BYTES_MAX: usize = 64;

/// A batch after this stage: one outcome for each chunk step, in order.
#[derive(Debug)]
pub(super) struct WorkedBatch {
    pub(super) steps: Vec<WorkedStep>,
}

/// A step whose chunk, if it has one, is identified.
#[derive(Debug)]
pub(super) enum WorkedStep {
    /// A chunk of the current body.
    Chunk { class: Class, len: u64, outcome: Outcome },
    /// A chunk of the current level's framing.
    FramingChunk { len: u64, outcome: Outcome },
    /// A chunk of the current body's loose bytes.
    LooseChunk { class: Class, len: u64, outcome: Outcome },
    /// Any other step, unchanged.
    Other(Step),
}

/// What became of a chunk.
#[derive(Debug)]
pub(super) enum Outcome {
    /// All its bytes are this one.
    Fill(u8),
    /// So short that the recipe holds it.
    Inline(Vec<u8>),
    /// It lies in a sound pack already.
    Known(ChunkId),
    /// It was not found; encoded and proven. Another chunk of the same ingest may be the same.
    New(ChunkId, PreparedRecord),
}

/// What waits for its next use.
#[derive(Debug, Default)]
struct Idle {
    /// Codec contexts.
    preparers: Vec<Preparer>,
    /// Empty batches, for their memory.
    batches: Vec<Batch>,
}

/// What all workers share.
pub(super) struct Workers<'w> {
    repository: &'w Repository,
    view: IndexReader<'w>,
    zstd_level: i32,
    /// What is not in use; there is never more of it than threads, or batches under way.
    idle: Mutex<Idle>,
}

impl<'w> Workers<'w> {
    pub(super) fn new(repository: &'w Repository, view: IndexReader<'w>, zstd_level: i32) -> Self {
        Self { repository, view, zstd_level, idle: Mutex::default() }
    }

    /// Works a whole batch.
    ///
    /// # Errors
    /// The index failed, or a codec context cannot be had.
    pub(super) fn work(&self, mut batch: Batch) -> Result<WorkedBatch, RepositoryError> {
        let idle = self.lock().preparers.pop();
        let mut preparer = match idle {
            Some(preparer) => preparer,
            None => Preparer::for_repository(self.repository.config(), self.zstd_level)?,
        };
        let bytes = &batch.bytes[..];
        let mut steps = Vec::with_capacity(batch.steps.len());
        for step in batch.steps.drain(..) {
            steps.push(match step {
                Step::Chunk { range, class, hint } => {
                    let (chunk, label) = (&bytes[range], class.code());
                    let outcome = self.identify(&mut preparer, chunk, label, hint, INLINE_BYTES_MAX)?;
                    WorkedStep::Chunk { class, len: chunk.len() as u64, outcome }
                }
                Step::FramingChunk { range } => {
                    let (chunk, label) = (&bytes[range], Class::Framing.code());
                    let outcome = self.identify(&mut preparer, chunk, label, CodecHint::Structured, 0)?;
                    WorkedStep::FramingChunk { len: chunk.len() as u64, outcome }
                }
                Step::LooseChunk { range, class, hint } => {
                    let chunk = &bytes[range];
                    let outcome = self.identify(&mut preparer, chunk, class.code(), hint, 0)?;
                    WorkedStep::LooseChunk { class, len: chunk.len() as u64, outcome }
                }
                other => WorkedStep::Other(other),
            });
        }
        batch.clear();
        let mut idle = self.lock();
        idle.preparers.push(preparer);
        idle.batches.push(batch);
        Ok(WorkedBatch { steps })
    }

    /// An empty batch: one that was worked, if there is any.
    pub(super) fn empty_batch(&self) -> Batch {
        self.lock().batches.pop().unwrap_or_default()
    }

    fn identify(
        &self,
        preparer: &mut Preparer,
        chunk: &[u8],
        label: u8,
        hint: CodecHint,
        inline_max: usize,
    ) -> Result<Outcome, RepositoryError> {
        if let Some(byte) = fill_byte(chunk) {
            return Ok(Outcome::Fill(byte));
        }
        if chunk.len() <= inline_max {
            return Ok(Outcome::Inline(chunk.to_vec()));
        }
        let id = self.repository.id_key().chunk_id(chunk);
        if self.view.locate_sound(id.as_bytes())?.is_some() {
            return Ok(Outcome::Known(id));
        }
        Ok(Outcome::New(id, preparer.chunk(&id, chunk, label, hint)?))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Idle> {
        self.idle.lock().expect("no thread panics while it holds this lock")
    }
}
