//! Where rebuilt bytes go: into windows, and from there to the target and to the digest side by side.

use std::collections::HashMap;

use bytes::Bytes;
use vectar_chunk::ChunkId;
use vectar_repository::{format::node::RecipeItem, piece_of};

use super::Target;
use crate::{
    digest_lane::DigestLane,
    error::Error,
    observer::CancelToken,
    window::{OpenWindow, WindowPool},
};

/// Length of the pieces in which runs of one byte are written.
const FILL_BYTES: usize = 256 * 1024;

/// The target with the digest of what went there. A recipe of rows has pieces of a few KiB, and to write each of them would cost more than to
/// read it, so they are gathered in windows.
pub(super) struct Output<'t, 'scope> {
    target: &'t mut dyn Target,
    cancel: &'t CancelToken,
    lane: DigestLane<'scope>,
    pool: WindowPool,
    window: OpenWindow,
    /// Bytes that came, those in the window too.
    written: u64,
}

impl<'t, 'scope> Output<'t, 'scope> {
    pub(super) fn new(target: &'t mut dyn Target, lane: DigestLane<'scope>, cancel: &'t CancelToken) -> Self {
        Self { target, cancel, lane, pool: WindowPool::new(), window: OpenWindow::default(), written: 0 }
    }

    /// Bytes that came so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Takes the bytes of an extent, whose chunk is among `chunks`.
    pub(super) fn extent(&mut self, extent: &RecipeItem, chunks: &HashMap<ChunkId, Bytes>) -> Result<(), Error> {
        match extent {
            RecipeItem::Inline(bytes) => self.bytes(bytes),
            RecipeItem::Fill { byte, len } => self.fill(*byte, *len),
            RecipeItem::Copy { chunk, start, len } => {
                let bytes = chunks.get(chunk).expect("every chunk of a window was fetched with it");
                self.bytes(piece_of(chunk, bytes, *start, *len)?)
            }
            RecipeItem::Node { .. } => unreachable!("a walker enters nodes and never returns them"),
        }
    }

    fn fill(&mut self, byte: u8, mut len: u64) -> Result<(), Error> {
        let piece = vec![byte; usize::try_from(len).map_or(FILL_BYTES, |len| len.min(FILL_BYTES))];
        while len > 0 {
            let count = usize::try_from(len).map_or(piece.len(), |len| len.min(piece.len()));
            self.bytes(&piece[..count])?;
            len -= count as u64;
        }
        Ok(())
    }

    /// Takes the next bytes.
    pub(super) fn bytes(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        self.written += bytes.len() as u64;
        while !bytes.is_empty() {
            bytes = self.pool.extend(&mut self.window, bytes);
            if self.window.is_full() {
                self.hand_over()?;
            }
        }
        Ok(())
    }

    fn hand_over(&mut self) -> Result<(), Error> {
        self.cancel.check()?;
        let window = self.pool.close(std::mem::take(&mut self.window));
        self.lane.update(&window)?;
        self.target.write(&window)
    }

    /// Hands over what is left; returns how many bytes there were, and their digest.
    pub(super) fn finish(mut self) -> Result<(u64, [u8; 32]), Error> {
        self.hand_over()?;
        Ok((self.written, self.lane.finish()?))
    }
}
