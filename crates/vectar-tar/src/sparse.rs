//! GNU sparse maps: which stored bytes of an entry lie where in the file it stands for.
//!
//! Old GNU format 0.0: descriptors of 12-byte offset and 12-byte length, four in the header, 21 in
//! each extension block; the data of all segments back to back (GNU tar manual, "Old GNU Format").
//! Writers end the map with an empty descriptor at the file's end, which carries no data. What a
//! reader checks is what the `tar` crate checks (`Entries::parse_sparse_header`, 0.4.46).

use crate::header::{BLOCK, SPARSE_DESCRIPTOR_BYTES};
use crate::number;
use crate::read_at::ReadAt;
use std::fmt;
use std::io;
use std::ops::Range;

/// A run of stored bytes and where it lies in the logical file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SparseSegment {
    /// Offset of the first byte within the stored body.
    pub stored_offset: u64,
    /// Offset of the same byte within the logical file.
    pub logical_offset: u64,
    /// Bytes in the run; never 0.
    pub len: u64,
}

impl SparseSegment {
    /// Returns the run within the stored body, end exclusive.
    pub fn stored(&self) -> Range<u64> {
        self.stored_offset..self.stored_offset + self.len
    }

    /// Returns the run within the logical file, end exclusive.
    pub fn logical(&self) -> Range<u64> {
        self.logical_offset..self.logical_offset + self.len
    }
}

/// The map of a sparse entry. Everything between its segments, and behind the last one, is a hole
/// that reads as zeros.
///
/// *Invariant*: segments ascend and do not overlap, in stored and in logical order; their lengths
/// add up to [`stored_len`](Self::stored_len); the last one ends at or before
/// [`logical_len`](Self::logical_len). A map that breaks this is never built: the entry has none,
/// and an anomaly says why.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SparseMap {
    segments: Box<[SparseSegment]>,
    stored_len: u64,
    logical_len: u64,
}

impl SparseMap {
    /// Returns the segments in order.
    pub fn segments(&self) -> &[SparseSegment] {
        &self.segments
    }

    /// Returns the bytes of the stored body.
    pub fn stored_len(&self) -> u64 {
        self.stored_len
    }

    /// Returns the bytes of the file with its holes.
    pub fn logical_len(&self) -> u64 {
        self.logical_len
    }

    /// Returns where the stored byte at `stored_offset` lies in the logical file; `None` behind the
    /// last one.
    pub fn logical_offset(&self, stored_offset: u64) -> Option<u64> {
        let next = self.segments.partition_point(|segment| segment.stored_offset <= stored_offset);
        let segment = self.segments[..next].last()?;
        let within = stored_offset - segment.stored_offset;
        (within < segment.len).then(|| segment.logical_offset + within)
    }

    /// Returns where the logical byte at `logical_offset` is stored; `None` in a hole and behind
    /// the end.
    pub fn stored_offset(&self, logical_offset: u64) -> Option<u64> {
        let next = self.segments.partition_point(|segment| segment.logical_offset <= logical_offset);
        let segment = self.segments[..next].last()?;
        let within = logical_offset - segment.logical_offset;
        (within < segment.len).then(|| segment.stored_offset + within)
    }
}

/// Why a sparse map was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SparseFault {
    /// A number of the map is unreadable, negative or exceeds 63 bits.
    Unreadable,
    /// A segment begins before the end of the one before it.
    NotAscending,
    /// The stored bytes before a segment are not whole blocks.
    Misaligned,
    /// The segments add up to another length than the entry's size.
    SumMismatch {
        /// The sum of all segment lengths.
        sum: u64,
        /// The stored length in the header.
        stored_len: u64,
    },
    /// The last descriptor does not end at the length of the file.
    EndMismatch {
        /// Where the last descriptor ends.
        end: u64,
        /// The logical length in the header.
        logical_len: u64,
    },
}

impl fmt::Display for SparseFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("a number is unreadable"),
            Self::NotAscending => f.write_str("segments overlap or do not ascend"),
            Self::Misaligned => f.write_str("a segment is not stored on a block boundary"),
            Self::SumMismatch { sum, stored_len } => {
                write!(f, "segments hold {sum} bytes, the header says {stored_len}")
            }
            Self::EndMismatch { end, logical_len } => {
                write!(f, "the map ends at {end}, the file at {logical_len}")
            }
        }
    }
}

/// What collecting a map came to.
pub(crate) enum SparseOutcome {
    Map(SparseMap),
    Faulty(SparseFault),
    /// More segments than the cap; none are kept, because a partial map would misplace what
    /// follows.
    TooLong,
}

/// Collects descriptors block by block; keeps at most the capped number of segments.
pub(crate) struct SparseCollector {
    segments: Vec<SparseSegment>,
    segments_max: usize,
    too_long: bool,
    stored_end: u64,
    logical_end: u64,
    fault: Option<SparseFault>,
}

impl SparseCollector {
    pub(crate) fn new(segments_max: usize) -> Self {
        Self { segments: Vec::new(), segments_max, too_long: false, stored_end: 0, logical_end: 0, fault: None }
    }

    /// Takes the descriptors of a header or extension block; unused ones are skipped. The first
    /// fault counts.
    pub(crate) fn take(&mut self, descriptors: &[u8]) {
        for descriptor in descriptors.chunks_exact(SPARSE_DESCRIPTOR_BYTES) {
            if self.fault.is_none() {
                self.fault = self.take_one(descriptor).err();
            }
        }
    }

    fn take_one(&mut self, descriptor: &[u8]) -> Result<(), SparseFault> {
        let (offset, len) = descriptor.split_at(SPARSE_DESCRIPTOR_BYTES / 2);
        if offset[0] == 0 || len[0] == 0 {
            return Ok(());
        }
        let logical_offset = number::unsigned(offset).ok_or(SparseFault::Unreadable)?;
        let len = number::unsigned(len).ok_or(SparseFault::Unreadable)?;
        if len != 0 && !self.stored_end.is_multiple_of(BLOCK) {
            return Err(SparseFault::Misaligned);
        }
        if logical_offset < self.logical_end {
            return Err(SparseFault::NotAscending);
        }
        let segment = SparseSegment { stored_offset: self.stored_end, logical_offset, len };
        // Both summands have 63 bits, so the first sum fits; the second may be the last of many.
        self.logical_end = logical_offset + len;
        self.stored_end = self.stored_end.checked_add(len).ok_or(SparseFault::Unreadable)?;
        if len != 0 {
            self.keep(segment);
        }
        Ok(())
    }

    fn keep(&mut self, segment: SparseSegment) {
        if self.segments.len() < self.segments_max {
            self.segments.push(segment);
        } else {
            self.too_long = true;
            self.segments = Vec::new();
            self.segments_max = 0;
        }
    }

    /// Compares the whole map with the lengths in the header; `logical_len` is `None` when that
    /// field is unreadable.
    pub(crate) fn finish(self, stored_len: u64, logical_len: Option<u64>) -> SparseOutcome {
        let Some(logical_len) = logical_len else {
            return SparseOutcome::Faulty(SparseFault::Unreadable);
        };
        if let Some(fault) = self.fault {
            return SparseOutcome::Faulty(fault);
        }
        if self.stored_end != stored_len {
            return SparseOutcome::Faulty(SparseFault::SumMismatch { sum: self.stored_end, stored_len });
        }
        if self.logical_end != logical_len {
            return SparseOutcome::Faulty(SparseFault::EndMismatch { end: self.logical_end, logical_len });
        }
        if self.too_long {
            return SparseOutcome::TooLong;
        }
        SparseOutcome::Map(SparseMap { segments: self.segments.into(), stored_len, logical_len })
    }
}

/// A sparse entry read as the file it stands for: holes are zeros.
///
/// `stored` holds the stored body alone, offset 0 being its first byte (see
/// [`ReadRange`](crate::ReadRange)).
#[derive(Clone, Debug)]
pub struct ExpandedBody<'m, R> {
    map: &'m SparseMap,
    stored: R,
}

impl<'m, R: ReadAt> ExpandedBody<'m, R> {
    /// Reads the logical file of `map` from the body `stored`.
    pub fn new(map: &'m SparseMap, stored: R) -> Self {
        Self { map, stored }
    }
}

impl<R: ReadAt> ReadAt for ExpandedBody<'_, R> {
    /// Reads up to the end of the segment or hole in which `offset` lies.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let next = self.map.segments.partition_point(|segment| segment.logical().end <= offset);
        let segment = self.map.segments.get(next);
        match segment.filter(|segment| segment.logical_offset <= offset) {
            Some(segment) => {
                let within = offset - segment.logical_offset;
                let n = bounded(segment.len - within, buf.len());
                self.stored.read_at(segment.stored_offset + within, &mut buf[..n])
            }
            None => {
                let hole_end = segment.map_or(self.map.logical_len, |segment| segment.logical_offset);
                let n = bounded(hole_end.saturating_sub(offset), buf.len());
                buf[..n].fill(0);
                Ok(n)
            }
        }
    }

    fn len(&self) -> u64 {
        self.map.logical_len
    }
}

/// Returns the smaller of a length in the file and a length in memory.
pub(crate) fn bounded(len: u64, memory: usize) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX).min(memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(offset: u64, len: u64) -> [u8; 24] {
        let text = format!("{offset:011o}\0{len:011o}\0");
        text.as_bytes().try_into().expect("two fields of 12 bytes")
    }

    fn collect(segments: &[(u64, u64)], stored_len: u64, logical_len: u64) -> SparseOutcome {
        let mut collector = SparseCollector::new(4);
        for &(offset, len) in segments {
            collector.take(&descriptor(offset, len));
        }
        collector.take(&[0; 48]);
        collector.finish(stored_len, Some(logical_len))
    }

    fn map(segments: &[(u64, u64)], stored_len: u64, logical_len: u64) -> SparseMap {
        match collect(segments, stored_len, logical_len) {
            SparseOutcome::Map(map) => map,
            SparseOutcome::Faulty(fault) => panic!("{fault}"),
            SparseOutcome::TooLong => panic!("too long"),
        }
    }

    fn fault(segments: &[(u64, u64)], stored_len: u64, logical_len: u64) -> Option<SparseFault> {
        match collect(segments, stored_len, logical_len) {
            SparseOutcome::Faulty(fault) => Some(fault),
            SparseOutcome::Map(_) | SparseOutcome::TooLong => None,
        }
    }

    #[test]
    fn offsets_map_both_ways() {
        let map = map(&[(1024, 512), (4096, 100), (9000, 0)], 612, 9000);
        assert_eq!(map.segments().len(), 2);
        for (stored, logical) in [(0, 1024), (511, 1535), (512, 4096), (611, 4195)] {
            assert_eq!(map.logical_offset(stored), Some(logical));
            assert_eq!(map.stored_offset(logical), Some(stored));
        }
        assert_eq!(map.logical_offset(612), None);
        for hole in [0, 1023, 1536, 4095, 4196, 8999, 9000, u64::MAX] {
            assert_eq!(map.stored_offset(hole), None, "{hole}");
        }
    }

    #[test]
    fn expanded_body_is_the_file_with_its_holes() {
        let map = map(&[(3, 512), (600, 2), (605, 0)], 514, 605);
        let stored: Vec<u8> = (0..514).map(|i| (i % 255) as u8 + 1).collect();
        let mut expected = vec![0; 605];
        expected[3..515].copy_from_slice(&stored[..512]);
        expected[600..602].copy_from_slice(&stored[512..]);
        let body = ExpandedBody::new(&map, &stored[..]);
        for step in [1, 7, 1000] {
            let mut found = Vec::new();
            let mut buf = vec![0xaa; step];
            loop {
                let n = body.read_at(found.len() as u64, &mut buf).expect("memory can be read");
                if n == 0 {
                    break;
                }
                found.extend_from_slice(&buf[..n]);
            }
            assert_eq!(found, expected, "read {step} bytes at a time");
        }
    }

    #[test]
    fn inconsistent_maps_are_refused() {
        let max = i64::MAX.unsigned_abs();
        assert_eq!(fault(&[(0, 512), (511, 1)], 513, 512), Some(SparseFault::NotAscending));
        assert_eq!(fault(&[(0, 10), (1024, 1)], 11, 1025), Some(SparseFault::Misaligned));
        assert_eq!(fault(&[(0, 512)], 513, 512), Some(SparseFault::SumMismatch { sum: 512, stored_len: 513 }));
        assert_eq!(fault(&[(0, 512)], 512, 600), Some(SparseFault::EndMismatch { end: 512, logical_len: 600 }));
        let mut collector = SparseCollector::new(4);
        collector.take(b"x0000000000\x0000000000000\0");
        let outcome = collector.finish(0, Some(0));
        assert!(matches!(outcome, SparseOutcome::Faulty(SparseFault::Unreadable)));
        let mut collector = SparseCollector::new(4);
        let mut huge = [0x80; 24];
        huge[4..12].copy_from_slice(&max.to_be_bytes());
        huge[16..24].copy_from_slice(&max.to_be_bytes());
        huge[1..4].fill(0);
        huge[13..16].fill(0);
        collector.take(&huge);
        collector.take(&huge);
        assert!(matches!(collector.finish(max, Some(max)), SparseOutcome::Faulty(_)));
    }

    #[test]
    fn too_many_segments_keep_none() {
        let segments: Vec<_> = (0..5).map(|i| (i * 1024, 512)).collect();
        assert!(matches!(collect(&segments, 2560, 4608), SparseOutcome::TooLong));
        assert_eq!(map(&segments[..4], 2048, 3584).segments().len(), 4);
    }
}
