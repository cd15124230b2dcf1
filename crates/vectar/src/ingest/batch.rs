//! The unit of work between the stages of an ingest: some bytes, and what is to become of them, in order.

use std::ops::Range;

use vectar_chunk::{BodyDigest, ChunkId, CodecHint, NodeId};
use vectar_qdrant::Class;
use vectar_repository::PackId;

/// A batch is handed on once it holds this many bytes. Large enough that threads hand over little, small enough that a dozen
/// of them are a small part of the memory budget.
pub(super) const BATCH_BYTES: usize = 2 * 1024 * 1024;

/// A batch is handed on at this many steps even if it has few bytes: each takes some hundred bytes, and twice that once it is worked.
const BATCH_STEPS_MAX: usize = 4 * 1024;

/// Bytes and steps; ranges point into the bytes.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    pub(super) steps: Vec<Step>,
}

/// One thing that happens to the recipe, in the order of the snapshot.
#[derive(Debug)]
pub(super) enum Step {
    /// A body begins: what follows is its list.
    BeginBody,
    /// The body ends; `digest` when it is worth remembering.
    EndBody { digest: Option<BodyDigest> },
    /// A body that is stored already, chunk for chunk; these are packs behind it that the ingest was not told of yet.
    KnownBody { node: NodeId, len: u64, class: Class, packs: Vec<PackId> },
    /// The next chunk of the current body.
    Chunk { range: Range<usize>, class: Class, hint: CodecHint },
    /// The next bytes of the current body are these of a chunk that is stored already: they were compared, or have its id.
    Copy { chunk: ChunkId, start: u32, len: u32, class: Class },
    /// `len` bytes of the current body lie here; the chunk that holds them, with others of the body, follows later.
    Loose { len: u64 },
    /// The next chunk of the current body's loose bytes.
    LooseChunk { range: Range<usize>, class: Class, hint: CodecHint },
    /// A nested archive begins.
    EnterArchive,
    /// It ends; all its framing has been cut.
    LeaveArchive,
    /// `len` bytes of framing lie here; the chunk that holds them follows later.
    Framing { len: u64 },
    /// The next chunk of the current level's framing.
    FramingChunk { range: Range<usize> },
}

impl Batch {
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= BATCH_BYTES || self.steps.len() >= BATCH_STEPS_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Empties it for its next use. Its memory stays: fresh memory costs a page fault for each 4 KiB.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.steps.clear();
    }

    /// Copies bytes in and returns where they lie.
    pub(super) fn hold(&mut self, bytes: &[u8]) -> Range<usize> {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve_exact(BATCH_BYTES + bytes.len());
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }
}
