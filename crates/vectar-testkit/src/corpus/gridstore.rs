//! The payload storage of a segment: Gridstore with LZ4 values (format reference §4.5; Qdrant `lib/gridstore/`,
//! v1.18.3).
//!
//! Values are laid down one after another from block 0, as the optimizer and an undisturbed appendable segment do. A
//! superseded or deleted value leaves its bytes in the page and its blocks marked free; the blocks are not used again.

use std::io::{self, Write};

use super::content::PayloadEncoder;
use super::segment::{Row, SegmentPlan};
use super::tar_writer::{PlannedFile, prefix_bytes};

const PAGE_BYTES: u64 = 32 << 20;
const BLOCK_BYTES: u64 = 128;
const PAGE_BLOCKS: u64 = PAGE_BYTES / BLOCK_BYTES;
const REGION_BLOCKS: u64 = 8192;
const PAGE_BITMASK_BYTES: u64 = PAGE_BLOCKS / 8;
const PAGE_REGIONS: u64 = PAGE_BLOCKS / REGION_BLOCKS;
const REGION_GAP_BYTES: u64 = 6;
const TRACKER_HEADER_BYTES: u64 = 4;
const TRACKER_SLOT_BYTES: u64 = 16;
const TRACKER_BYTES_MIN: u64 = 1 << 20;
const CONFIG: &str = concat!(
    r#"{"page_size_bytes":33554432,"block_size_bytes":128,"#,
    r#""region_size_blocks":8192,"compression":"LZ4"}"#
);

/// One value that was written, live or not; in block order.
#[derive(Debug, Clone, Copy)]
pub(super) struct PayloadWrite {
    pub(super) point: u64,
    pub(super) payload_step: u32,
    pub(super) stored_bytes: u32,
    pub(super) first_block: u32,
    /// Whether a live row's slot points here.
    pub(super) live: bool,
}

impl PayloadWrite {
    fn blocks(&self) -> u64 {
        u64::from(self.stored_bytes).div_ceil(BLOCK_BYTES)
    }

    fn end_block(&self) -> u64 {
        u64::from(self.first_block) + self.blocks()
    }
}

/// Appends a value of known length behind the others and returns its index.
pub(super) fn push_write(writes: &mut Vec<PayloadWrite>, point: u64, payload_step: u32, stored_bytes: usize) -> u32 {
    let first_block = writes.last().map_or(0, PayloadWrite::end_block);
    writes.push(PayloadWrite {
        point,
        payload_step,
        stored_bytes: u32::try_from(stored_bytes).expect("a payload has at most 256 KiB"),
        first_block: u32::try_from(first_block).expect("PAYLOAD_BYTES_MAX keeps a segment below 2^32 blocks"),
        live: false,
    });
    u32::try_from(writes.len() - 1).expect("a segment has fewer than 2^32 writes")
}

/// Plans the files of `payload_storage/` in the order in which Qdrant archives them.
pub(super) fn files<'p>(segment: &'p SegmentPlan<'_>) -> Vec<PlannedFile<'p>> {
    let rows = segment.rows.len() as u64;
    let used_bytes = used_blocks(segment) * BLOCK_BYTES;
    let pages = used_bytes.div_ceil(PAGE_BYTES).max(1);
    let tracker_bytes = TRACKER_HEADER_BYTES + TRACKER_SLOT_BYTES * rows;
    let path = |name: &str| format!("payload_storage/{name}");

    let mut files = vec![PlannedFile::preallocated(
        path("tracker.dat"),
        segment.flushed_s,
        tracker_bytes,
        tracker_bytes.next_power_of_two().max(TRACKER_BYTES_MIN),
        Box::new(move |out| write_tracker(segment, out)),
    )];
    for page in 0..pages {
        let data_bytes = used_bytes.saturating_sub(page * PAGE_BYTES).min(PAGE_BYTES);
        files.push(PlannedFile::preallocated(
            path(&format!("page_{page}.dat")),
            segment.changed_s,
            data_bytes,
            PAGE_BYTES,
            Box::new(move |out| write_page(segment, page, data_bytes, out)),
        ));
    }
    files.push(PlannedFile::small(&path("config.json"), segment.built_s, CONFIG.into()));
    // A byte of the mask stands for eight blocks.
    let mask_bytes = used_blocks(segment).div_ceil(8);
    let mask_bytes_real = pages * PAGE_BITMASK_BYTES;
    files.push(PlannedFile::preallocated(
        path("bitmask.dat"),
        segment.changed_s,
        mask_bytes,
        mask_bytes_real,
        Box::new(move |out| write_bitmask(segment, prefix_bytes(mask_bytes, mask_bytes_real), out)),
    ));
    files.push(PlannedFile {
        path: path("gaps.dat"),
        real_bytes: pages * PAGE_REGIONS * REGION_GAP_BYTES,
        extents: None,
        modified_s: segment.changed_s,
        body: Box::new(move |out| (0..pages).try_for_each(|page| write_gaps(segment, page, out))),
    });
    files
}

fn used_blocks(segment: &SegmentPlan<'_>) -> u64 {
    segment.writes.last().map_or(0, PayloadWrite::end_block)
}

/// `tracker.dat`: the number of slots, then tag, page, block and length of each value.
fn write_tracker(segment: &SegmentPlan<'_>, out: &mut dyn Write) -> io::Result<()> {
    let slots = u32::try_from(segment.rows.len()).expect("a segment has at most 2^19 rows, nearly");
    let mut out = BlockFilled::new(out);
    out.write_all(&slots.to_le_bytes())?;
    for row in &segment.rows {
        out.write_all(&slot(segment, row))?;
    }
    out.finish()
}

fn slot(segment: &SegmentPlan<'_>, row: &Row) -> [u8; TRACKER_SLOT_BYTES as usize] {
    let mut slot = [0; TRACKER_SLOT_BYTES as usize];
    if row.is_live() {
        let write = &segment.writes[row.write as usize];
        let page_blocks = PAGE_BLOCKS as u32;
        let fields = [1, write.first_block / page_blocks, write.first_block % page_blocks, write.stored_bytes];
        for (cell, field) in slot.chunks_exact_mut(4).zip(fields) {
            cell.copy_from_slice(&field.to_le_bytes());
        }
    }
    slot
}

/// `page_<n>.dat`: the values whose blocks lie in it; a value may begin in the page before or end in the next.
fn write_page(segment: &SegmentPlan<'_>, page: u64, data_bytes: u64, out: &mut dyn Write) -> io::Result<()> {
    let mut encoder = PayloadEncoder::new(segment.population.options());
    let mut out = BlockFilled::new(out);
    let start = page * PAGE_BYTES;
    let end = start + data_bytes;
    for write in writes_in(segment, page) {
        let first = u64::from(write.first_block) * BLOCK_BYTES;
        let stored = encoder.encode(write.point, write.payload_step);
        debug_assert_eq!(stored.len(), write.stored_bytes as usize);
        let from = start.saturating_sub(first).min(stored.len() as u64);
        let to = (end - first).min(stored.len() as u64);
        out.write_all(&stored[from as usize..to as usize])?;
        let next = (write.end_block() * BLOCK_BYTES).min(end);
        out.fill_to(next - start)?;
    }
    out.finish()
}

fn writes_in<'p>(segment: &'p SegmentPlan<'_>, page: u64) -> impl Iterator<Item = &'p PayloadWrite> {
    let (first, end) = (page * PAGE_BLOCKS, (page + 1) * PAGE_BLOCKS);
    let start = segment.writes.partition_point(|write| write.end_block() <= first);
    segment.writes[start..].iter().take_while(move |write| u64::from(write.first_block) < end)
}

/// `bitmask.dat`: one bit per block, lowest bit first, 1 for the blocks of live values.
fn write_bitmask(segment: &SegmentPlan<'_>, stored_bytes: u64, out: &mut dyn Write) -> io::Result<()> {
    let mut left = stored_bytes;
    let mut page = 0;
    while left > 0 {
        let mask = page_bitmask(segment, page);
        let bytes = left.min(PAGE_BITMASK_BYTES);
        out.write_all(&mask[..bytes as usize])?;
        left -= bytes;
        page += 1;
    }
    Ok(())
}

fn page_bitmask(segment: &SegmentPlan<'_>, page: u64) -> Vec<u8> {
    let mut mask = vec![0_u8; PAGE_BITMASK_BYTES as usize];
    let (first, end) = (page * PAGE_BLOCKS, (page + 1) * PAGE_BLOCKS);
    for write in writes_in(segment, page).filter(|write| write.live) {
        for block in u64::from(write.first_block).max(first)..write.end_block().min(end) {
            let bit = (block - first) as usize;
            mask[bit / 8] |= 1 << (bit % 8);
        }
    }
    mask
}

/// `gaps.dat`: for each region the longest, the leading and the trailing run of free blocks.
fn write_gaps(segment: &SegmentPlan<'_>, page: u64, out: &mut dyn Write) -> io::Result<()> {
    let mask = page_bitmask(segment, page);
    for region in mask.chunks_exact((REGION_BLOCKS / 8) as usize) {
        for run in free_runs(region) {
            out.write_all(&run.to_le_bytes())?;
        }
    }
    Ok(())
}

/// Returns the longest, the leading and the trailing run of zero bits.
fn free_runs(region: &[u8]) -> [u16; 3] {
    let (mut longest, mut leading, mut run) = (0_u16, None, 0_u16);
    for bit in 0..region.len() * 8 {
        if region[bit / 8] & (1 << (bit % 8)) == 0 {
            run += 1;
            longest = longest.max(run);
        } else {
            leading = leading.or(Some(run));
            run = 0;
        }
    }
    [longest, leading.unwrap_or(run), run]
}

/// Collects small writes and fills up with zeros to whole file-system blocks at the end.
pub(super) struct BlockFilled<'w> {
    out: io::BufWriter<&'w mut dyn Write>,
    bytes: u64,
}

impl<'w> BlockFilled<'w> {
    const BUFFER_BYTES: usize = 256 << 10;

    pub(super) fn new(out: &'w mut dyn Write) -> Self {
        Self { out: io::BufWriter::with_capacity(Self::BUFFER_BYTES, out), bytes: 0 }
    }

    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Writes zeros until `bytes` bytes were written in all.
    pub(super) fn fill_to(&mut self, bytes: u64) -> io::Result<()> {
        const ZEROS: [u8; 4096] = [0; 4096];
        while self.bytes < bytes {
            let left = (bytes - self.bytes).min(ZEROS.len() as u64);
            self.write_all(&ZEROS[..left as usize])?;
        }
        Ok(())
    }

    /// Fills the last file-system block and hands on what is buffered.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.fill_to(self.bytes.next_multiple_of(super::tar_writer::HOLE_BYTES))?;
        self.out.flush()
    }

    /// Hands on what is buffered.
    pub(super) fn finish_unfilled(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_runs_are_longest_leading_trailing() {
        assert_eq!(free_runs(&[0, 0]), [16, 16, 16]);
        assert_eq!(free_runs(&[0xFF, 0xFF]), [0, 0, 0]);
        assert_eq!(free_runs(&[0b0000_1100, 0b0001_0000]), [8, 2, 3]);
    }
}
