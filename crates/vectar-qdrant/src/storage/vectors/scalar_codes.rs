//! Scalar quantized codes beside the vectors that they were made of.
//!
//! | bytes of a record | content |
//! |---|---|
//! | 0..4 | f32 that scores are corrected by; not looked at |
//! | 4..4 + dim | a code for each element |
//! | rest, to a multiple of 16 codes | padding; not looked at |
//!
//! A code is `(element - offset) / alpha`, brought between 0 and 127 and rounded (`qdrant v1.19.0
//! lib/quantization/src/encoded_vectors_u8.rs`); `alpha` and `offset` stand in `quantized.meta.json`. Seen on every code of v1.18.3. A version
//! that cuts instead of rounding would still be within one of that number, which is all that is asked for.
//!
//! Only the codes of segments that were built at once are compared: these are never written again. Vectors have no checksum in
//! Qdrant; their codes are the nearest to one.

use serde::Deserialize;

use super::element::Scalar;
use super::files::{open, read_json};
use super::multivector::InnerRange;
use super::quantized::{QuantizedMetadata, data_path};
use super::reader::DenseReader;
use super::{Body, VectorStorage};
use crate::error::QdrantError;
use crate::finding::{FindingLevel, Findings};
use crate::quantization::Quantization;
use crate::storage::tally::{FaultKind, Tally};
use crate::storage::{Bits, Window};

const DIFFER: FaultKind = FaultKind {
    level: FindingLevel::Suspicious,
    what: "vectors that their quantized codes do not fit",
    consequence: "either the vectors or their codes are damaged: these points come back with a wrong vector, or are not found",
    advice: "compare these points with another snapshot, or upsert them again after the restore",
};

/// Bytes of a record before its codes.
const CODES_START: usize = 4;

/// The greatest code.
const CODE_MAX: f32 = 127.0;

/// How far a code may be from the number that it stands for: one, and what f32 loses on the way.
const CODE_TOLERANCE: f32 = 1.01;

#[derive(Clone, Copy, Deserialize)]
struct Scale {
    alpha: f32,
    offset: f32,
}

impl Scale {
    fn fits(self, element: f32, code: u8) -> bool {
        let exact = ((element - self.offset) / self.alpha).clamp(0.0, CODE_MAX);
        // What is not finite is reported as such.
        !exact.is_finite() || (exact - f32::from(code)).abs() <= CODE_TOLERANCE
    }
}

/// Compares vectors with records, both ascending.
struct Comparison<'c> {
    scalar: Scalar,
    dim: usize,
    record_bytes: usize,
    scale: Scale,
    records: Window<'c>,
}

impl Comparison<'_> {
    fn fits(&mut self, vector: &[u8], record: u64) -> Result<bool, QdrantError> {
        let at = record.saturating_mul(self.record_bytes as u64);
        let codes = &self.records.bytes(at, self.record_bytes)?[CODES_START..];
        let elements = self.scalar.decode(vector);
        Ok(elements.iter().zip(&codes[..self.dim]).all(|(element, code)| self.scale.fits(*element, *code)))
    }
}

impl VectorStorage<'_> {
    /// Reports live vectors whose codes are not theirs. Says nothing when files do not fit each other: that is reported by itself.
    pub(super) fn audit_scalar_codes(
        &self,
        metadata: &QuantizedMetadata,
        live: Option<&Bits>,
        findings: &mut Findings,
    ) {
        let is_comparable = !metadata.is_chunked
            && matches!(metadata.method, Quantization::Scalar { .. })
            && metadata.expected_bytes.is_some_and(|bytes| metadata.data_bytes == Some(bytes))
            && Some(metadata.dim) == self.dim();
        if !is_comparable {
            return;
        }
        let mut differ = Tally::new(DIFFER);
        // What cannot be read was reported before.
        let _ = self.compare_codes(metadata, live, &mut differ);
        differ.report(&self.directory, findings);
    }

    fn compare_codes(
        &self,
        metadata: &QuantizedMetadata,
        live: Option<&Bits>,
        differ: &mut Tally,
    ) -> Result<(), QdrantError> {
        let scale: Scale = read_json(&open(self.files, &format!("{}/quantized.meta.json", self.directory))?)?;
        let data = open(self.files, &data_path(&self.directory))?;
        let (Body::Dense(_, scalar) | Body::Multi(_, scalar)) = &self.body else { return Ok(()) };
        let (dim, record_bytes) = (metadata.dim as usize, metadata.record_bytes.unwrap_or_default() as usize);
        // Of vectors that are all the same nothing can be told.
        if !(scale.alpha > 0.0 && scale.alpha.is_finite() && record_bytes >= CODES_START + dim) {
            return Ok(());
        }
        let mut comparison = Comparison { scalar: *scalar, dim, record_bytes, scale, records: Window::new(&data) };
        let records = metadata.records.unwrap_or_default();
        let is_present = |row: u64| live.is_none_or(|live| live.get(row)) && !self.flags.bits.get(row);
        match &self.body {
            Body::Dense(rows, _) => {
                let mut reader = DenseReader::new(rows);
                for row in (0..self.rows.min(records)).filter(|row| is_present(*row)) {
                    if !comparison.fits(reader.row(row)?, row)? {
                        differ.add(&format_args!("row {row}"));
                    }
                }
            }
            Body::Multi(multi, _) => {
                let (mut offsets, mut vectors) = (multi.offsets.reader(), multi.vectors.reader());
                let mut record = 0;
                for row in multi.offsets.spans().flatten() {
                    let range = InnerRange::read(offsets.rows(row, 1)?);
                    let inner = u64::from(range.first)..u64::from(range.first) + u64::from(range.count);
                    for (vector, record) in inner.zip(record..records).filter(|_| is_present(row)) {
                        if !comparison.fits(vectors.rows(vector, 1)?, record)? {
                            differ.add(&format_args!("row {row}"));
                        }
                    }
                    record = record.saturating_add(range.count.into());
                }
            }
            Body::Empty | Body::Sparse(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_fit_rounded_and_cut() {
        let scale = Scale { alpha: 0.5, offset: -1.0 };
        for (element, fitting) in [(-1.0, 0..=1), (0.3, 2..=3), (-9.0, 0..=1), (1e9, 126..=127), (0.0, 1..=3)] {
            for code in 0..=127 {
                assert_eq!(scale.fits(element, code), fitting.contains(&code), "{element} {code}");
            }
        }
        assert!(scale.fits(f32::NAN, 9));
    }
}
