//! Looks at everything of one vector: files and their lengths, rows against the id tracker, flags, and each value once.
//!
//! Not damage, and not reported: rows behind those of the tracker in an appendable segment, whatever lies in rows of dead
//! points or flagged ones, dead inner vectors, chunk files without a row.

use super::flags::Flags;
use super::reader::DenseReader;
use super::vector_chunks::VectorChunks;
use super::{Body, DenseRows, VectorStorage};
use crate::finding::{FindingLevel, Findings};
use crate::storage::Bits;
use crate::storage::tally::{FaultKind, Tally};

/// A file that a storage needs is not what it must be.
const BROKEN_FILE: FaultKind = FaultKind {
    level: FindingLevel::Damage,
    what: "a file is broken",
    consequence: "Qdrant does not load the segment, or answers with wrong vectors from it",
    advice: "take another snapshot, or restore an older one",
};

const MISSING_CHUNKS: FaultKind = FaultKind {
    level: FindingLevel::Damage,
    what: "vector chunk files that are missing",
    consequence: "Qdrant does not load the segment",
    advice: "take another snapshot, or restore an older one",
};

const CHUNK_LENGTHS: FaultKind = FaultKind {
    level: FindingLevel::Damage,
    what: "vector chunk files that do not have their full length",
    consequence: "Qdrant does not load the segment, or ends when it reads behind the end",
    advice: "take another snapshot, or restore an older one",
};

const SPARE_CHUNKS: FaultKind = FaultKind {
    level: FindingLevel::Suspicious,
    what: "vector chunk files in which no row can lie",
    consequence: "the rows in them, if there are any, do not exist for Qdrant",
    advice: "compare with another snapshot of the collection: the number of rows may be wrong",
};

const ROWS_LOST: FaultKind = FaultKind {
    level: FindingLevel::Damage,
    what: "rows differ from those of the id tracker",
    consequence: "points have no vector, or that of another point",
    advice: "take another snapshot, or restore an older one",
};

const ROWS_UNWRITTEN: FaultKind = FaultKind {
    level: FindingLevel::Suspicious,
    what: "rows that were never written",
    consequence: "none for the points that are there, if only the count is wrong",
    advice: "compare the number of points with another snapshot",
};

const FLAGS_MISSING: FaultKind = FaultKind {
    level: FindingLevel::DataLoss,
    what: "the deleted flags are missing",
    consequence: "Qdrant takes every vector for present: vectors that were deleted, or never given, come back",
    advice: "take another snapshot, or restore an older one",
};

const FLAGS_ODD: FaultKind = FaultKind {
    level: FindingLevel::Suspicious,
    what: "the deleted flags cover more than they should",
    consequence: "rows that are added later may be flagged from the start",
    advice: "compare with another snapshot of the collection",
};

impl VectorStorage<'_> {
    /// Reports all that is wrong with the vector, its quantized copy and its index.
    ///
    /// `tracker_rows` is the number of rows in the segment's id tracker, `live` the rows of points that are alive (without it
    /// all count as such, except that zeros are then no more than a note), `is_appendable` what the segment's state says.
    ///
    /// Every vector is read once, front to back, and once more beside its codes where it is scalar quantized. Memory: that of a [`VectorReader`](super::VectorReader), and for multivectors
    /// one bit for each inner vector.
    pub fn audit(
        &self,
        tracker_rows: Option<u64>,
        live: Option<&Bits>,
        is_appendable: Option<bool>,
        findings: &mut Findings,
    ) {
        match &self.body {
            // Nothing is stored, so nothing can be wrong.
            Body::Empty => return,
            Body::Dense(DenseRows::Matrix(matrix), _) if matrix.rest_bytes() > 0 => {
                let what = format!("{} bytes follow the last whole row", matrix.rest_bytes());
                findings.add(BROKEN_FILE.finding(matrix.file().path(), what));
            }
            Body::Dense(DenseRows::Chunks(chunks), _) => audit_chunks(chunks, self.dim(), findings),
            Body::Multi(multi, _) => {
                audit_chunks(&multi.offsets, Some(1), findings);
                audit_chunks(&multi.vectors, self.dim(), findings);
            }
            Body::Dense(..) | Body::Sparse(_) => {}
        }
        if let Some(tracker_rows) = tracker_rows {
            self.audit_rows(tracker_rows, is_appendable, findings);
        }
        self.audit_flags(findings);
        self.audit_values(live, is_appendable == Some(false), findings);
        self.audit_derived(live, findings);
    }

    fn audit_rows(&self, tracker_rows: u64, is_appendable: Option<bool>, findings: &mut Findings) {
        // After a crash the vectors of an appendable segment may be ahead of its tracker.
        let fits = match is_appendable {
            Some(false) => self.rows == tracker_rows,
            Some(true) | None => self.rows >= tracker_rows,
        };
        if !fits {
            let what = format!("{} rows, and the id tracker has {tracker_rows}", self.rows);
            findings.add(ROWS_LOST.finding(&self.rows_path(), what));
        } else {
            self.audit_rows_ahead(tracker_rows, findings);
        }
    }

    /// Rows that an appendable segment has more than its tracker were written before a crash, and are not nothing but zeros.
    fn audit_rows_ahead(&self, tracker_rows: u64, findings: &mut Findings) {
        let (Body::Dense(rows @ DenseRows::Chunks(_), _), true) = (&self.body, self.rows > tracker_rows) else {
            return;
        };
        let last = self.rows - 1;
        // That a row cannot be read is reported where its file is looked at.
        let is_zero = DenseReader::new(rows).row(last).is_ok_and(|bytes| bytes.iter().all(|byte| *byte == 0));
        if is_zero && !self.flags.bits.get(last) {
            let what =
                format!("{} rows are counted, the last is zero, and the id tracker has {tracker_rows}", self.rows);
            findings.add(ROWS_UNWRITTEN.finding(&self.rows_path(), what));
        }
    }

    /// The file that decides how many rows there are.
    fn rows_path(&self) -> String {
        match &self.body {
            Body::Empty => self.directory.clone(),
            Body::Dense(DenseRows::Matrix(matrix), _) => matrix.file().path().to_owned(),
            Body::Dense(DenseRows::Inline(vectors), _) => vectors.file().path().to_owned(),
            Body::Dense(DenseRows::Chunks(chunks), _) => format!("{}/status.dat", chunks.directory()),
            Body::Multi(multi, _) => format!("{}/status.dat", multi.offsets.directory()),
            Body::Sparse(_) => format!("{}/store/tracker.dat", self.directory),
        }
    }

    fn audit_flags(&self, findings: &mut Findings) {
        let flags = &self.flags;
        let Some(file_bytes) = flags.file_bytes else {
            findings.add(FLAGS_MISSING.finding(&flags.path, format!("{} is missing", flags.path)));
            return;
        };
        if let Body::Dense(DenseRows::Matrix(_), _) = &self.body {
            let expected = Flags::matrix_file_bytes(self.rows);
            if file_bytes != expected {
                let what = format!("{file_bytes} bytes, expected {expected} for {} rows", self.rows);
                findings.add(BROKEN_FILE.finding(&flags.path, what));
            }
        }
        if flags.has_set_behind {
            let what = format!("a bit is set behind the last of {} flags", flags.len);
            findings.add(FLAGS_ODD.finding(&flags.path, what));
        }
        if flags.len > self.rows && self.rows > 0 {
            let what = format!("{} flags, and there are {} rows", flags.len, self.rows);
            findings.add(FLAGS_ODD.finding(&flags.path, what));
        } else if flags.set_end > self.rows {
            let what = format!("row {} is flagged, and there are {} rows", flags.set_end - 1, self.rows);
            findings.add(FLAGS_ODD.finding(&flags.path, what));
        }
    }
}

/// Compares the vector chunk files of a directory with what its small files say.
pub(super) fn audit_chunks(chunks: &VectorChunks<'_>, dim: Option<u64>, findings: &mut Findings) {
    if dim.is_some_and(|dim| dim != chunks.dim()) {
        let what = format!("rows of {} elements, expected {}", chunks.dim(), dim.unwrap_or_default());
        findings.add(BROKEN_FILE.finding(&VectorChunks::config_path(chunks.directory()), what));
    }
    let needed = chunks.rows().div_ceil(chunks.rows_per_file());
    let present = chunks.files().range(..needed).count() as u64;
    if present < needed {
        // The gaps are looked for among the files that are there, since a number of rows can announce any number of files.
        let first_gap = (0..).zip(chunks.files().keys()).find(|(expected, number)| expected != *number);
        let first_gap = first_gap.map_or(chunks.files().len() as u64, |(expected, _)| expected);
        let mut missing = Tally::new(MISSING_CHUNKS);
        missing.add_many(needed - present, &chunks.file_path(first_gap));
        missing.report(chunks.directory(), findings);
    }
    let mut lengths = Tally::new(CHUNK_LENGTHS);
    for file in chunks.files().values().filter(|file| file.len() != chunks.file_bytes()) {
        lengths.add(&format_args!("{}: {} bytes, expected {}", file.path(), file.len(), chunks.file_bytes()));
    }
    lengths.report(chunks.directory(), findings);
    // One file more than the rows need is made in advance, or left by rows that a crash took back.
    let mut spare = Tally::new(SPARE_CHUNKS);
    for (number, file) in chunks.files().range(needed..).skip(1) {
        spare.add(&format_args!("file {number}: {}", file.path()));
    }
    spare.report(chunks.directory(), findings);
}
