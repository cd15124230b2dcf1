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
use crate::storage::{Bits, Gridstore, GridstoreReader};

/// Shorter vectors Qdrant leaves as they are when it normalises: it compares the square of the length with the smallest step
/// of f32 above one (`qdrant v1.19.0 lib/segment/src/spaces/simple.rs`, `is_length_zero_or_normalized`).
const NORMALIZED_SQUARE_MIN: f32 = f32::EPSILON;

impl Scalar {
    /// How far the norm of a normalised row may be from 1; `None` where rows are not normalised. Seen: 2e-7 in f32 (8 to 768
    /// dimensions), 1.3e-4 in f16 (100 dimensions), where each element is rounded to 11 bits. A server takes a square within 1e-6 of 1 for
    /// normalised, and the sum of squares may lose half a last digit with each dimension.
    fn norm_tolerance(self, dim: u32) -> Option<f32> {
        match self {
            Self::F32 => Some(1e-5 + dim as f32 * f32::EPSILON / 2.0),
            Self::F16 => Some(4e-3),
            Self::U8 => None,
        }
    }
}

/// What storage loses at once, at the least: a block of a file system. Vectors of zeros that follow one another through so many bytes
/// look like a loss; a single one is what a client sent now and then.
const LOST_BYTES_MIN: u64 = 4096;

/// From so many vectors on it is odd that all of them are zeros: a small storage may be shorter than what is lost at once.
const ZEROS_ALONE_MAX: u64 = 8;

/// Flagged vectors that are there.
const HIDDEN: FaultKind = FaultKind {
    level: FindingLevel::Suspicious,
    what: "rows that are flagged as without a vector and have one",
    consequence: "if the flags are wrong, these points come back without their vector",
    advice: "compare these points with another snapshot",
};

/// What can be wrong with values, counted.
struct ValueTallies {
    not_finite: Tally,
    norms: Tally,
    zeros: Tally,
    /// The vectors of zeros since the last other one.
    zeros_here: u64,
    /// Rows that were looked at.
    seen: u64,
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
            seen: 0,
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

    fn report(mut self, object: &str, findings: &mut Findings) {
        if self.are_live && self.zeros.count() == self.seen && self.seen >= ZEROS_ALONE_MAX {
            self.zeros.raise(FindingLevel::Suspicious);
        }
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
        tallies.seen += 1;
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
    ///
    /// `is_built` is whether the segment was built at once: then a flag means that the row never had a vector, and its bytes are the
    /// same number over and over, which Qdrant stores in place of none. In other segments a vector that was deleted keeps its bytes.
    pub(super) fn audit_values(&self, live: Option<&Bits>, is_built: bool, findings: &mut Findings) {
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
                let is_flagged = |row: u64| live.is_some_and(|live| live.get(row)) && self.flags.bits.get(row);
                if is_built {
                    self.audit_absent(&mut reader, (0..end).filter(|row| is_flagged(*row)), findings);
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
            Body::Sparse(store) => {
                let filled = self.audit_sparse(store, live, is_present, &mut tallies, findings);
                self.audit_sparse_index(filled, findings);
            }
        }
        tallies.report(&self.directory, findings);
    }

    /// Looks at the bytes of rows that are flagged, although their points are alive.
    fn audit_absent(&self, reader: &mut DenseReader<'_>, rows: impl Iterator<Item = u64>, findings: &mut Findings) {
        let Some(element_bytes) = self.element_bytes() else { return };
        let mut hidden = Tally::new(HIDDEN);
        for row in rows {
            // That a row cannot be read was said when the rows were looked at.
            let Ok(bytes) = reader.row(row) else { return };
            let first = bytes.get(..element_bytes).unwrap_or_default();
            if bytes.chunks(element_bytes).any(|element| element != first) {
                hidden.add(&format_args!("row {row}"));
            }
        }
        hidden.report(&self.flags.path, findings);
    }

    fn element_bytes(&self) -> Option<usize> {
        match &self.body {
            Body::Dense(_, scalar) | Body::Multi(_, scalar) => usize::try_from(scalar.bytes()).ok(),
            Body::Empty | Body::Sparse(_) => None,
        }
    }

    fn rule(&self, scalar: Scalar, row_name: &'static str) -> RowRule {
        let dim = self.dim().unwrap_or_default() as u32;
        let norm_tolerance = if self.is_cosine() { scalar.norm_tolerance(dim) } else { None };
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
        let RangeTallies { outside, overlapping, empty, unread } = tallies;
        for tally in [outside, overlapping, empty, unread] {
            tally.report(multi.offsets.directory(), findings);
        }
        used
    }

    /// Looks at a sparse vector's Gridstore and its values. Returns how many rows have a vector that is not empty.
    fn audit_sparse(
        &self,
        store: &Gridstore<'_>,
        live: Option<&Bits>,
        is_present: impl Fn(u64) -> bool,
        tallies: &mut ValueTallies,
        findings: &mut Findings,
    ) -> u64 {
        let (mut seen, mut filled, mut reader) = (Bits::default(), 0, store.reader());
        let present = self.audit_hidden(live, &mut reader, findings);
        store.audit_rows(present.as_ref(), findings, &mut |row, bytes| {
            let (_, values) = sparse::decode(bytes)?;
            if is_present(row) && !values.iter().all(|value| value.is_finite()) {
                tallies.not_finite.add(&format_args!("row {row}"));
            }
            filled += u64::from(is_present(row) && !values.is_empty());
            seen.set(row, true);
            Ok(())
        });
        // That a value is missing is known only where it is known which points are alive.
        for row in (0..live.map_or(0, Bits::len).min(self.rows)).filter(|row| is_present(*row) && !seen.get(*row)) {
            // What cannot be read was reported above.
            if let Ok(None) = reader.value(row) {
                tallies.absent.add(&format_args!("row {row}"));
            }
        }
        filled
    }

    /// Reports sparse vectors that are there although they are flagged: a flag takes the value away. Returns the rows that are alive and
    /// not flagged.
    fn audit_hidden(
        &self,
        live: Option<&Bits>,
        reader: &mut GridstoreReader<'_>,
        findings: &mut Findings,
    ) -> Option<Bits> {
        let (mut present, mut hidden) = (live.cloned(), Tally::new(HIDDEN));
        // No row behind the last flag is flagged, and there are no more of those than bits in a file.
        for row in (0..self.flags.set_end).filter(|row| self.flags.bits.get(*row)) {
            if let Some(present) = present.as_mut().filter(|present| row < present.len()) {
                present.set(row, false);
            }
            if reader.has_value(row).unwrap_or(false) {
                hidden.add(&format_args!("row {row}"));
            }
        }
        hidden.report(&self.flags.path, findings);
        present
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
    empty: Tally,
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
            empty: Tally::new(FaultKind {
                level: FindingLevel::Suspicious,
                what: "rows without any inner vector, and without a flag",
                consequence: "these points come back with an empty multivector, which Qdrant does not take from a client",
                advice: "compare these points with another snapshot",
            }),
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
            if count == 0 {
                self.empty.add(&format_args!("row {row}"));
            }
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
