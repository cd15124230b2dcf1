//! Walks a body and says where it is cut.
//!
//! - The cuts of a body depend on its bytes, its rule and where in the body the walk starts, and on nothing else:
//!   not on how the body is windowed, not on the machine, not on the version of this crate.
//! - The chunks tile the body: none is empty, none is larger than [`Cutter::chunk_bytes_max`], nothing lies between them.

use std::ops::Range;

use crate::fastcdc_cutter::FastCdcCutter;
use crate::grid::{GridCutter, Spread};
use crate::records::RecordCutter;
use crate::rule::CutRule;
use crate::sizes::CHUNK_BYTES_MAX;

/// Cuts one body, or one contiguous piece of it, from front to back.
///
/// The caller keeps a window of bytes that starts at the last cut, asks for the next cut, takes that many bytes off
/// the window's start and refills its end.
#[derive(Debug, Clone)]
pub struct Cutter {
    plan: Plan,
}

#[derive(Debug, Clone)]
enum Plan {
    FastCdc(FastCdcCutter),
    Grid(GridCutter),
    Records(RecordCutter),
    Whole { bytes_max: usize, beyond: FastCdcCutter },
}

impl Cutter {
    /// Starts at the first byte of a body.
    pub fn new(rule: &CutRule) -> Self {
        Self::starting_at(rule, 0)
    }

    /// Starts at the byte `body_offset` of a body, as the extents of a sparse file need it.
    ///
    /// The offset places the rows and blocks; it may lie inside one. The other rules do not depend on it.
    pub fn starting_at(rule: &CutRule, body_offset: u64) -> Self {
        let grid = |header_bytes, unit_bytes, sizes, spread| match GridCutter::new(
            header_bytes,
            unit_bytes,
            sizes,
            spread,
            body_offset,
        ) {
            Some(grid) => Plan::Grid(grid),
            None => Plan::FastCdc(FastCdcCutter::new(sizes)),
        };
        let plan = match *rule {
            CutRule::FastCdc { sizes } => Plan::FastCdc(FastCdcCutter::new(sizes)),
            CutRule::Blocks { block_bytes, sizes } => grid(0, block_bytes, sizes, Spread::Narrow),
            CutRule::Rows { header_bytes, row_bytes, sizes } => grid(header_bytes, row_bytes, sizes, Spread::Wide),
            CutRule::Records { layout, sizes } => {
                // In the middle of a body nothing says where a record starts.
                match RecordCutter::new(layout, sizes).filter(|_| body_offset == 0) {
                    Some(records) => Plan::Records(records),
                    None => Plan::FastCdc(FastCdcCutter::new(sizes)),
                }
            }
            CutRule::Whole { bytes_max, beyond } => {
                Plan::Whole { bytes_max: (bytes_max as usize).min(CHUNK_BYTES_MAX), beyond: FastCdcCutter::new(beyond) }
            }
        };
        Self { plan }
    }

    /// Returns the length in bytes (at least 1) of the chunk at the start of `window`, or `None` when more bytes are needed.
    ///
    /// `window` holds the bytes that follow the previous cut, `at_end` says that the body has none after them. `None` comes
    /// only for an empty window at the end, and for one that is shorter than [`Cutter::window_bytes`] and not at the end;
    /// asking again with a longer window is then right. After `Some(length)` the next window must start `length` bytes further.
    pub fn next_cut(&mut self, window: &[u8], at_end: bool) -> Option<usize> {
        if window.is_empty() || (!at_end && window.len() < self.window_bytes()) {
            return None;
        }
        match &mut self.plan {
            Plan::FastCdc(cutter) => Some(cutter.cut(window)),
            Plan::Grid(cutter) => Some(cutter.cut(window)),
            Plan::Records(cutter) => Some(cutter.cut(window)),
            Plan::Whole { bytes_max, .. } if window.len() <= *bytes_max => Some(window.len()),
            Plan::Whole { beyond, .. } => {
                let beyond = *beyond;
                let length = beyond.cut(window);
                // Too large to stay whole: its last chunk must not be taken for a small body.
                self.plan = Plan::FastCdc(beyond);
                Some(length)
            }
        }
    }

    /// Returns the window length in bytes with which [`Cutter::next_cut`] always finds the next cut.
    pub fn window_bytes(&self) -> usize {
        match &self.plan {
            // One more byte than a whole body may have shows that it is larger.
            Plan::Whole { bytes_max, beyond } => (bytes_max + 1).max(beyond.sizes.max()),
            _ => self.chunk_bytes_max(),
        }
    }

    /// Returns the length in bytes that no chunk of this cutter exceeds; itself at most [`CHUNK_BYTES_MAX`].
    pub fn chunk_bytes_max(&self) -> usize {
        match &self.plan {
            Plan::FastCdc(cutter) => cutter.sizes.max(),
            Plan::Grid(cutter) => cutter.chunk_bytes_max(),
            Plan::Records(cutter) => cutter.sizes.max(),
            Plan::Whole { bytes_max, beyond } => (*bytes_max).max(beyond.sizes.max()),
        }
    }
}

/// Cuts a body that is in memory; the ranges tile it from 0 to its end. An empty body has none.
pub fn cut_all(rule: &CutRule, body: &[u8]) -> Vec<Range<usize>> {
    let mut cutter = Cutter::new(rule);
    let mut ranges = Vec::new();
    let mut start = 0;
    while let Some(length) = cutter.next_cut(&body[start..], true) {
        ranges.push(start..start + length);
        start += length;
    }
    ranges
}
