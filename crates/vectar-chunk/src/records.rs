//! Cuts between length-prefixed records, as append-only logs hold them.

use crate::fastcdc_cutter::FastCdcCutter;
use crate::rule::RecordLayout;
use crate::sizes::ChunkSizes;

/// Width of a record's length, in bytes.
const LENGTH_BYTES: usize = 8;

/// Cuts a body of records; where no record follows, FastCDC takes over for the rest of the body.
#[derive(Debug, Clone)]
pub(crate) struct RecordCutter {
    layout: RecordLayout,
    pub(crate) sizes: ChunkSizes,
    fastcdc: FastCdcCutter,
    /// Bytes before the first record that are still ahead; they share a chunk with it.
    header_ahead: usize,
    /// Bytes ahead that belong to a record too large for a chunk, or to no record.
    opaque_ahead: u64,
}

impl RecordCutter {
    /// Starts at the first byte of a body; `None` when the header does not fit into a chunk.
    pub(crate) fn new(layout: RecordLayout, sizes: ChunkSizes) -> Option<Self> {
        let header_ahead = usize::try_from(layout.header_bytes).ok()?;
        let fastcdc = FastCdcCutter::new(sizes);
        let fits = header_ahead < sizes.max();
        fits.then_some(Self { layout, sizes, fastcdc, header_ahead, opaque_ahead: 0 })
    }

    /// Exact if `window` is not empty and at least `sizes.max()` bytes long or ends with the body.
    pub(crate) fn cut(&mut self, window: &[u8]) -> usize {
        if self.opaque_ahead == 0 {
            let header = std::mem::take(&mut self.header_ahead).min(window.len());
            let length = self.cut_records(window, header);
            if length > 0 {
                return length;
            }
        }
        let ahead = usize::try_from(self.opaque_ahead).unwrap_or(usize::MAX);
        let length = self.fastcdc.cut(&window[..ahead.min(window.len())]);
        self.opaque_ahead -= length as u64;
        length
    }

    /// Returns the length of as many records as a chunk takes, after `taken` bytes that it holds already; 0 when not even
    /// one fits, and then `opaque_ahead` says how far that is so.
    fn cut_records(&mut self, window: &[u8], mut taken: usize) -> usize {
        while taken < self.sizes.avg() {
            let Some(record) = self.record_bytes(&window[taken..]) else {
                self.opaque_ahead = if taken == 0 { u64::MAX } else { 0 };
                break;
            };
            let room = window.len().min(self.sizes.max()) - taken;
            if record > room as u64 {
                self.opaque_ahead = if taken == 0 { record } else { 0 };
                break;
            }
            taken += record as usize;
        }
        taken
    }

    /// Returns the length of the record at the start of `bytes`, or `None` when there is none.
    fn record_bytes(&self, bytes: &[u8]) -> Option<u64> {
        let length = u64::from_le_bytes(*bytes.first_chunk::<LENGTH_BYTES>()?);
        let framed = length.checked_add(LENGTH_BYTES as u64 + u64::from(self.layout.trailer_bytes))?;
        // Preallocated space behind the last record is zero.
        if length == 0 { None } else { framed.checked_next_multiple_of(u64::from(self.layout.align_bytes).max(1)) }
    }
}
