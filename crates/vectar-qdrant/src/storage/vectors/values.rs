//! The values of a storage, each looked at once.

use std::fmt;
use std::ops::Range;

use super::element::{RowLook, Scalar};
use super::multivector::{InnerRange, MultiVectors};
use super::reader::DenseReader;
use super::vector_chunks::{ChunksReader, VectorChunks};
use super::{Body, DenseRows, VectorStorage, sparse};
use crate::finding::{FindingLevel, Findings};
use crate::storage::tally::{FaultKind, Tally};
use crate::storage::{Bits, Gridstore};

/// Shorter vectors Qdrant leaves as they are when it normalises: it compares the square of the length with the smallest step
/// of f32 above one (`qdrant v1.19.0 lib/segment/src/spaces/simple.rs`, `is_length_zero_or_normalized`).
const NORMALIZED_SQUARE_MIN: f32 = f32::EPSILON;

impl Scalar {
    /// How far the norm of a normalised row may be from 1; `None` where rows are not normalised. Seen: 2e-7 in f32 (8 to 768
    /// dimensions), 1.3e-4 in f16 (100 dimensions), where each element is rounded to 11 bits.
    fn norm_tolerance(self) -> Option<f32> {
        match self {
            Self::F32 => Some(1e-3),
            Self::F16 => Some(4e-3),
            Self::U8 => None,
        }
    }
}

/// What storage loses at once, at the least: a block of a file system. Vectors of zeros that follow one another through so many bytes
/// look like a loss; a single one is what a client sent now and then.
const LOST_BYTES_MIN: u64 = 4096;

/// What can be wrong with values, counted.
struct ValueTallies {
    not_finite: Tally,
    norms: Tally,
    zeros: Tally,
    /// The vectors of zeros since the last other one.
    zeros_here: u64,
    are_live: bool,
    absent: Tally,
    unread: Tally,
}

impl ValueTallies {
    fn new(are_live: bool) -> Self {
        Self {
            not_finite: Tally::new(FaultKind {
                level: FindingLevel::Damage,
                what: "vectors with an element that is not finite",
                consequence: "Qdrant loads them, and searches that meet them give wrong scores",
                advice: "compare these points with their source, and upsert them again",
            }),
            norms: Tally::new(FaultKind {
                level: FindingLevel::Damage,
                what: "cosine vectors whose norm is not 1",
                consequence: "Qdrant loads them, and their scores are wrong: it normalises vectors before it stores them",
                advice: "compare these points with their source, and upsert them again",
            }),
            zeros: Tally::new(FaultKind {
                level: FindingLevel::Note,
                what: "vectors of zeros",
                consequence: "Qdrant loads them as they are; so look files whose content was lost before the snapshot was made",
                advice: "compare these points with their source",
            }),
            zeros_here: 0,
            are_live,
            absent: Tally::new(FaultKind {
                level: FindingLevel::DataLoss,
                what: "rows whose flag is clear and that have no value",
                consequence: "these points are without the vector that they should have",
                advice: "compare these points with their source, and upsert them again",
            }),
            unread: Tally::new(FaultKind {
                level: FindingLevel::Damage,
                what: "vectors that cannot be read",
                consequence: "Qdrant does not load the segment, or these points are without their vector",
                advice: "take another snapshot, or restore an older one",
            }),
        }
    }

    fn add_zero(&mut self, row_bytes: u32, example: &dyn fmt::Display) {
        self.zeros.add(example);
        self.zeros_here += 1;
        if self.are_live && self.zeros_here > 1 && self.zeros_here.saturating_mul(row_bytes.into()) >= LOST_BYTES_MIN {
            self.zeros.raise(FindingLevel::Suspicious);
        }
    }

    fn report(self, object: &str, findings: &mut Findings) {
        for tally in [self.not_finite, self.norms, self.zeros, self.absent, self.unread] {
            tally.report(object, findings);
        }
    }
}

/// How rows of one storage must look.
#[derive(Clone, Copy)]
struct RowRule {
    scalar: Scalar,
    row_bytes: u32,
    norm_tolerance: Option<f32>,
    /// What a row is called.
    row_name: &'static str,
}

impl RowRule {
    fn see(&self, row: u64, bytes: &[u8], tallies: &mut ValueTallies) {
        let name = self.row_name;
        let look = self.scalar.look(bytes);
        if !matches!(look, RowLook::Zero) {
            tallies.zeros_here = 0;
        }
        match look {
            RowLook::NotFinite => tallies.not_finite.add(&format_args!("{name} {row}")),
            RowLook::Zero => tallies.add_zero(self.row_bytes, &format_args!("{name} {row}")),
            RowLook::NormSquared(square) => {
                let norm = square.sqrt();
                let is_off = self.norm_tolerance.is_some_and(|tolerance| (norm - 1.0).abs() > tolerance);
                if is_off && square >= NORMALIZED_SQUARE_MIN {
                    tallies.norms.add(&format_args!("{name} {row}: {norm}"));
                }
            }
        }
    }

    /// Looks at the rows of `span`, all in one file, that are wanted.
    fn see_span(
        &self,
        reader: &mut DenseReader<'_>,
        span: Range<u64>,
        is_wanted: impl Fn(u64) -> bool,
        tallies: &mut ValueTallies,
    ) {
        let mut first = span.start;
        while first < span.end {
            let piece = match reader.piece(first, span.end, self.row_bytes) {
                Ok(piece) => piece,
                // What is wrong with one row is wrong with the file; the next file may be sound.
                Err(error) => return tallies.unread.add_many(span.end - first, &error),
            };
            let rows = piece.chunks_exact(self.row_bytes as usize);
            let end = first + rows.len() as u64;
            for (row, bytes) in (first..end).zip(rows) {
                if is_wanted(row) {
                    self.see(row, bytes, tallies);
                }
            }
            first = end;
        }
    }
}

impl VectorStorage<'_> {
    /// Looks at the vectors of all live rows whose flag is clear.
    pub(super) fn audit_values(&self, live: Option<&Bits>, findings: &mut Findings) {
        let is_present = |row: u64| live.is_none_or(|live| live.get(row)) && !self.flags.bits.get(row);
        // No row behind the last one that may be alive is read: hostile files announce more than there is time for.
        let end = live.map_or(self.rows, Bits::len).min(self.rows);
        let mut tallies = ValueTallies::new(live.is_some());
        match &self.body {
            Body::Empty => {}
            Body::Dense(rows, scalar) => {
                let rule = self.rule(*scalar, "row");
                let mut reader = DenseReader::new(rows);
                for span in rows.spans() {
                    rule.see_span(&mut reader, before(end, span), is_present, &mut tallies);
                }
            }
            Body::Multi(multi, scalar) => {
                let used = self.audit_ranges(multi, end, is_present, findings);
                let rule = self.rule(*scalar, "inner vector");
                let mut reader = DenseReader::Chunks(multi.vectors.reader());
                for span in multi.vectors.spans() {
                    rule.see_span(&mut reader, before(used.len(), span), |row| used.get(row), &mut tallies);
                }
            }
            Body::Sparse(store) => self.audit_sparse(store, live, is_present, &mut tallies, findings),
        }
        tallies.report(&self.directory, findings);
    }

    fn rule(&self, scalar: Scalar, row_name: &'static str) -> RowRule {
        let dim = self.dim().unwrap_or_default() as u32;
        let norm_tolerance = if self.is_cosine() { scalar.norm_tolerance() } else { None };
        RowRule { scalar, row_bytes: dim.saturating_mul(scalar.bytes()), norm_tolerance, row_name }
    }

    /// Looks at the offsets of a multivector; returns which inner vectors are those of a row that is present.
    fn audit_ranges(
        &self,
        multi: &MultiVectors<'_>,
        end: u64,
        is_present: impl Fn(u64) -> bool,
        findings: &mut Findings,
    ) -> Bits {
        let mut tallies = RangeTallies::default();
        let mut used = Bits::default();
        let mut reader = multi.offsets.reader();
        for span in multi.offsets.spans() {
            tallies.see_span(&mut reader, before(end, span), &multi.vectors, &is_present, &mut used);
        }
        let RangeTallies { outside, overlapping, unread } = tallies;
        for tally in [outside, overlapping, unread] {
            tally.report(multi.offsets.directory(), findings);
        }
        used
    }

    /// Looks at a sparse vector's Gridstore and its values.
    fn audit_sparse(
        &self,
        store: &Gridstore<'_>,
        live: Option<&Bits>,
        is_present: impl Fn(u64) -> bool,
        tallies: &mut ValueTallies,
        findings: &mut Findings,
    ) {
        let mut seen = Bits::default();
        store.audit_rows(live, findings, &mut |row, bytes| {
            let (_, values) = sparse::decode(bytes)?;
            if is_present(row) && !values.iter().all(|value| value.is_finite()) {
                tallies.not_finite.add(&format_args!("row {row}"));
            }
            seen.set(row, true);
            Ok(())
        });
        // That a value is missing is known only where it is known which points are alive.
        let mut reader = store.reader();
        for row in (0..live.map_or(0, Bits::len).min(self.rows)).filter(|row| is_present(*row) && !seen.get(*row)) {
            // What cannot be read was reported above.
            if let Ok(None) = reader.value(row) {
                tallies.absent.add(&format_args!("row {row}"));
            }
        }
    }
}

/// The rows of `span` that are before `end`.
fn before(end: u64, span: Range<u64>) -> Range<u64> {
    span.start..span.end.min(end)
}

/// What can be wrong with the offsets of a multivector, counted.
struct RangeTallies {
    outside: Tally,
    overlapping: Tally,
    unread: Tally,
}

impl Default for RangeTallies {
    fn default() -> Self {
        let kind = |what, consequence| FaultKind {
            level: FindingLevel::Damage,
            what,
            consequence,
            advice: "take another snapshot, or restore an older one",
        };
        let outside = "Qdrant does not load the segment, or these points are without their vectors";
        Self {
            outside: Tally::new(kind("rows whose inner vectors are not where they are said to be", outside)),
            overlapping: Tally::new(kind(
                "rows that share inner vectors",
                "at least one of each two has wrong vectors",
            )),
            unread: Tally::new(kind("offsets that cannot be read", outside)),
        }
    }
}

impl RangeTallies {
    /// Looks at the records of `span`, all in one file, and marks their inner vectors. Each inner vector is marked once at most,
    /// so that the time is bounded by their number, whatever the records say.
    fn see_span(
        &mut self,
        reader: &mut ChunksReader<'_>,
        span: Range<u64>,
        vectors: &VectorChunks<'_>,
        is_present: impl Fn(u64) -> bool,
        used: &mut Bits,
    ) {
        for row in span.clone() {
            let range = match reader.rows(row, 1) {
                Ok(record) => InnerRange::read(record),
                Err(error) => return self.unread.add_many(span.end - row, &error),
            };
            if !is_present(row) {
                continue;
            }
            let InnerRange { first, count, capacity } = range;
            let inner = u64::from(first)..u64::from(first) + u64::from(count);
            if count > capacity || !vectors.holds(&inner) {
                self.outside.add(&format_args!("row {row}: {count} of {capacity} from {first} on"));
                continue;
            }
            for vector in inner {
                if used.get(vector) {
                    self.overlapping.add(&format_args!("row {row}: inner vector {vector}"));
                    break;
                }
                used.set(vector, true);
            }
        }
    }
}

impl DenseRows<'_> {
    /// The rows that are there, by file.
    fn spans(&self) -> Vec<Range<u64>> {
        match self {
            DenseRows::Chunks(chunks) => chunks.spans().collect(),
            DenseRows::Matrix(_) | DenseRows::Inline(_) => std::iter::once(0..self.rows()).collect(),
        }
    }
}
