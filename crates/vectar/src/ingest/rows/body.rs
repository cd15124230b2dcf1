//! One body whose rows are looked for: which of its bytes are references, and what becomes of the rest.

use std::ops::Range;

use vectar_chunk::{ChunkId, CodecHint, CutParameters, Cutter};
use vectar_qdrant::{BodyLabel, BodyLayout, Class};

use super::{
    index::{FoundRow, Met, RowIndexes},
    units::{RowKind, Units},
};
use crate::{
    error::Error,
    ingest::{
        batch::{Batch, Step},
        worker::INLINE_BYTES_MAX,
    },
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

/// What was found in a region so far.
struct Matches {
    found: Vec<Match>,
    /// The first row that was neither found nor compared.
    next_row: usize,
    rows: Vec<Range<usize>>,
    /// Where the region ends, or the first row that is not whole within it begins.
    row_end: usize,
    end: usize,
}

impl Matches {
    /// Takes a row that was found: with those behind it as far as they are the same and whole, and with the gap behind these.
    fn take(&mut self, row: usize, found: &FoundRow) {
        let start = self.rows[row].start;
        let same_end = start + found.bytes as usize;
        self.next_row = row + 1 + self.rows[row + 1..].iter().take_while(|next| next.end <= same_end).count();
        let next_start = self.rows.get(self.next_row).map_or(self.row_end, |next| next.start);
        let end = self.rows[self.next_row - 1].end.max(same_end.min(next_start));
        match self.found.last_mut() {
            Some(last)
                if last.end == start
                    && last.chunk == found.chunk
                    && last.source + (last.end - last.start) as u32 == found.start =>
            {
                last.end = end;
            }
            _ => self.found.push(Match { start, end, chunk: found.chunk, source: found.start }),
        }
    }
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
            _ => cut.gathered_rule(),
        };
        let (cutter, fresh_cutter) = (Cutter::new(&rule), Cutter::new(&rule));
        Self { kind, units, class: label.class, hint, loose: Vec::new(), cutter, fresh_cutter, waiting: 0 }
    }

    /// Turns pieces into steps. End to end they are what was cut of the body; `offset` is where `window` begins among the stored bytes of the
    /// body.
    pub(crate) fn share(
        &mut self,
        (window, offset): (&[u8], u64),
        pieces: &[(Range<usize>, Met)],
        indexes: &mut RowIndexes<'_>,
        sink: &mut impl StepSink,
    ) -> Result<(), Error> {
        let is_new = |(_, met): &(Range<usize>, Met)| *met == Met::New;
        let stretches = || pieces.chunk_by(|one, next| is_new(one) && is_new(next));
        let regions = stretches().filter(|stretch| is_new(&stretch[0])).map(region_of).collect();
        let mut found = self.matches((window, offset), regions, indexes).into_iter();
        for stretch in stretches() {
            match stretch {
                [(piece, met)] if *met != Met::New => self.known(&window[piece.clone()], *met, sink)?,
                _ => self.region(window, stretch, &found.next().unwrap_or_default(), sink)?,
            }
        }
        Ok(())
    }

    /// A piece whose rows are not looked for.
    fn known(&self, bytes: &[u8], met: Met, sink: &mut impl StepSink) -> Result<(), Error> {
        let (class, hint) = (self.class, self.hint);
        match met {
            Met::Known(chunk) if bytes.len() > INLINE_BYTES_MAX => {
                sink.step(Step::Copy { chunk, start: 0, len: bytes.len() as u32, class })
            }
            _ => {
                let range = sink.batch().hold(bytes);
                sink.step(Step::Chunk { range, class, hint })
            }
        }
    }

    /// Pieces that are new, in which rows were found.
    fn region(
        &mut self,
        window: &[u8],
        pieces: &[(Range<usize>, Met)],
        matches: &[Match],
        sink: &mut impl StepSink,
    ) -> Result<(), Error> {
        let region = region_of(pieces);
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

    /// Finds the rows of regions. All are looked up first, so that their sources are read in the order in which these lie.
    fn matches(
        &mut self,
        (window, offset): (&[u8], u64),
        regions: Vec<Range<usize>>,
        indexes: &mut RowIndexes<'_>,
    ) -> Vec<Vec<Match>> {
        let mut found: Vec<Matches> = Vec::new();
        for region in regions {
            let mut rows: Vec<Range<usize>> = Vec::new();
            let (mut at, end) = (region.start, offset + region.end as u64);
            while let Some(unit) = self.units.next_within(offset + at as u64, end) {
                let start = (unit.start - offset) as usize;
                at = start + unit.bytes as usize;
                rows.push(start..at);
            }
            let beyond = self.units.peek_start().map_or(region.end, |next| next.saturating_sub(offset) as usize);
            let row_end = beyond.min(region.end);
            found.push(Matches { found: Vec::new(), next_row: 0, rows, row_end, end: region.end });
        }
        let rows: Vec<&[Range<usize>]> = found.iter().map(|matches| &matches.rows[..]).collect();
        let candidates = indexes.candidates(&self.kind, window, &rows);
        let mut rest = &candidates[..];
        while !rest.is_empty() {
            let (sources, count) = indexes.sources(&self.kind, rest.iter().map(|(_, candidate)| candidate));
            let (at_hand, later) = rest.split_at(count);
            let bytes_from = |region: usize, row: usize| &window[found[region].rows[row].start..found[region].end];
            let same = indexes.compare(&self.kind, at_hand, &sources, bytes_from);
            for (region, row, row_found) in same {
                let matches = &mut found[region];
                // It may lie in what follows a row that was found with others.
                if row >= matches.next_row {
                    matches.take(row, &row_found);
                }
            }
            rest = later;
        }
        found.into_iter().map(|matches| matches.found).collect()
    }

    /// Bytes that are in no predecessor: whole pieces are chunks as ever, the rest is gathered.
    fn gap(
        &mut self,
        window: &[u8],
        gap: Range<usize>,
        pieces: &[(Range<usize>, Met)],
        sink: &mut impl StepSink,
    ) -> Result<(), Error> {
        let mut at = gap.start;
        let first = pieces.partition_point(|(piece, _)| piece.end <= gap.start);
        for (piece, _) in pieces[first..].iter().take_while(|(piece, _)| piece.start < gap.end) {
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

/// The bytes of pieces that lie end to end; of none there are none.
fn region_of(pieces: &[(Range<usize>, Met)]) -> Range<usize> {
    match (pieces.first(), pieces.last()) {
        (Some((first, _)), Some((last, _))) => first.start..last.end,
        _ => 0..0,
    }
}
