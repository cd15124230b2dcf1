//! One body whose rows are looked for: which of its bytes are references, and what becomes of the rest.

use std::ops::Range;

use vectar_chunk::{ChunkId, CodecHint, CutParameters, Cutter};
use vectar_qdrant::{BodyLabel, BodyLayout, Class};

use super::{
    index::RowIndexes,
    units::{RowKind, Units},
};
use crate::{
    error::Error,
    ingest::batch::{Batch, Step},
};

/// A gap up to this length, such as the padding behind a value, is a chunk of its own, which the recipe keeps.
const GAP_BYTES_SMALL: usize = 64;

/// References that may wait for the place of loose bytes before these. Each takes some fifty bytes.
const WAITING_MAX: usize = 64 * 1024;

/// What is known of the rows of an open body.
#[derive(Debug)]
pub(crate) struct OpenRows {
    kind: RowKind,
    units: Units,
    class: Class,
    hint: CodecHint,
    /// Loose bytes that are not cut yet.
    loose: Vec<u8>,
    cutter: Cutter,
    fresh_cutter: Cutter,
    /// References that wait for the loose bytes.
    waiting: usize,
}

/// Bytes of a region that lie in a predecessor too.
#[derive(Debug, Clone, Copy)]
struct Match {
    start: usize,
    end: usize,
    chunk: ChunkId,
    source: u32,
}

/// Takes steps in order.
pub(crate) trait StepSink {
    /// The batch whose bytes the next step may refer to.
    fn batch(&mut self) -> &mut Batch;

    /// Takes a step.
    ///
    /// # Errors
    /// A later stage has failed.
    fn step(&mut self, step: Step) -> Result<(), Error>;
}

impl OpenRows {
    pub(crate) fn new(kind: RowKind, units: Units, label: &BodyLabel, hint: CodecHint, cut: &CutParameters) -> Self {
        let rule = match label.layout {
            BodyLayout::Rows { row_bytes, .. } => cut.rows_rule(0, row_bytes.into()),
            _ => cut.rebuilt_rule(),
        };
        let (cutter, fresh_cutter) = (Cutter::new(&rule), Cutter::new(&rule));
        Self { kind, units, class: label.class, hint, loose: Vec::new(), cutter, fresh_cutter, waiting: 0 }
    }

    /// Turns a region of new pieces into steps. `pieces` end to end are the region, as the body was cut; `offset` is where `window` begins
    /// among the stored bytes of the body.
    pub(crate) fn share(
        &mut self,
        (window, offset): (&[u8], u64),
        pieces: &[Range<usize>],
        indexes: &mut RowIndexes<'_>,
        sink: &mut impl StepSink,
    ) -> Result<(), Error> {
        let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { return Ok(()) };
        let region = first.start..last.end;
        let matches = self.matches((window, offset), region.clone(), indexes);
        let mut at = region.start;
        for found in matches {
            self.gap(window, at..found.start, pieces, sink)?;
            let len = (found.end - found.start) as u32;
            sink.step(Step::Copy { chunk: found.chunk, start: found.source, len, class: self.class })?;
            self.waiting += usize::from(!self.loose.is_empty());
            at = found.end;
        }
        self.gap(window, at..region.end, pieces, sink)?;
        match self.waiting > WAITING_MAX {
            true => self.finish(sink),
            false => Ok(()),
        }
    }

    /// Cuts the loose bytes that are left.
    pub(crate) fn finish(&mut self, sink: &mut impl StepSink) -> Result<(), Error> {
        self.cut_loose(true, sink)?;
        self.cutter = self.fresh_cutter.clone();
        self.waiting = 0;
        Ok(())
    }

    fn matches(
        &mut self,
        (window, offset): (&[u8], u64),
        region: Range<usize>,
        indexes: &mut RowIndexes<'_>,
    ) -> Vec<Match> {
        let mut matches: Vec<Match> = Vec::new();
        let mut at = region.start;
        let end = offset + region.end as u64;
        while let Some(unit) = self.units.next_within(offset + at as u64, end) {
            let start = (unit.start - offset) as usize;
            at = start + unit.bytes as usize;
            let Some(found) = indexes.find(&self.kind, &window[start..region.end], unit.bytes) else { continue };
            // Rows that follow are the same without a look at the index, as far as they are whole.
            let same_end = start + found.bytes as usize;
            while let Some(next) = self.units.next_within(offset + at as u64, offset + same_end as u64) {
                at = (next.end() - offset) as usize;
            }
            let next_start = self.units.peek_start().map_or(region.end, |next| next.saturating_sub(offset) as usize);
            at = at.max(same_end.min(next_start));
            match matches.last_mut() {
                Some(last)
                    if last.end == start
                        && last.chunk == found.chunk
                        && last.source + (last.end - last.start) as u32 == found.start =>
                {
                    last.end = at;
                }
                _ => matches.push(Match { start, end: at, chunk: found.chunk, source: found.start }),
            }
        }
        matches
    }

    /// Bytes that are in no predecessor: whole pieces are chunks as ever, the rest is gathered.
    fn gap(
        &mut self,
        window: &[u8],
        gap: Range<usize>,
        pieces: &[Range<usize>],
        sink: &mut impl StepSink,
    ) -> Result<(), Error> {
        let mut at = gap.start;
        let first = pieces.partition_point(|piece| piece.end <= gap.start);
        for piece in pieces[first..].iter().take_while(|piece| piece.start < gap.end) {
            let part = piece.start.max(gap.start)..piece.end.min(gap.end);
            at = part.end;
            let bytes = &window[part.clone()];
            if part == *piece || bytes.len() <= GAP_BYTES_SMALL || vectar_chunk::fill_byte(bytes).is_some() {
                let range = sink.batch().hold(bytes);
                sink.step(Step::Chunk { range, class: self.class, hint: self.hint })?;
                self.waiting += usize::from(!self.loose.is_empty());
            } else {
                self.loose.extend_from_slice(bytes);
                sink.step(Step::Loose { len: bytes.len() as u64 })?;
                self.cut_loose(false, sink)?;
            }
        }
        debug_assert!(at == gap.end || gap.is_empty(), "pieces cover the region");
        Ok(())
    }

    fn cut_loose(&mut self, at_end: bool, sink: &mut impl StepSink) -> Result<(), Error> {
        let mut start = 0;
        while let Some(len) = self.cutter.next_cut(&self.loose[start..], at_end) {
            let range = sink.batch().hold(&self.loose[start..start + len]);
            sink.step(Step::LooseChunk { range, class: self.class, hint: self.hint })?;
            start += len;
        }
        self.loose.drain(..start);
        Ok(())
    }
}
