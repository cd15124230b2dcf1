//! The HNSW index of an optimized segment: one level of random links (format reference §4.7; Qdrant
//! `lib/segment/src/index/hnsw_index/graph_links.rs`, v1.18.3, plain format).
//!
//! The links are valid but say nothing about nearness: Qdrant loads the graph and a search over it finds poor
//! neighbours. As in a real graph, nothing of it repeats after a rebuild.

use std::io::{self, Write};

use super::content::VectorSource;
use super::gridstore::BlockFilled;
use super::noise::stream;
use super::segment::SegmentPlan;
use super::tar_writer::PlannedFile;

pub(super) const M: u64 = 16;
pub(super) const EF_CONSTRUCT: u64 = 100;
/// In KiB of vectors, as `config.json` states it.
pub(super) const FULL_SCAN_THRESHOLD_KB: u64 = 10_000;
const LINKS_MAX: u64 = 16;
const LINKS_HEADER_BYTES: u64 = 64;

/// Plans `vector_index/`.
pub(super) fn files<'p>(segment: &'p SegmentPlan<'_>) -> Vec<PlannedFile<'p>> {
    let sizes = LinkSizes::new(segment.rows.len() as u64);
    let row_bytes = VectorSource::row_bytes(segment.population.options());
    let config = format!(
        concat!(
            r#"{{"m":{},"m0":{},"ef_construct":{},"ef":{},"full_scan_threshold":{},"#,
            r#""max_indexing_threads":0,"payload_m":null,"payload_m0":null,"indexed_vector_count":{}}}"#
        ),
        M,
        M * 2,
        EF_CONSTRUCT,
        EF_CONSTRUCT,
        FULL_SCAN_THRESHOLD_KB * 1024 / row_bytes,
        sizes.points
    );
    vec![
        PlannedFile::small("vector_index/graph.bin", segment.built_s, graph()),
        PlannedFile {
            path: "vector_index/links.bin".to_owned(),
            real_bytes: sizes.file_bytes(),
            extents: None,
            modified_s: segment.built_s,
            body: Box::new(move |out| write_links(segment, sizes, out)),
        },
        PlannedFile::small("vector_index/hnsw_config.json", segment.built_s, config.into()),
    ]
}

/// `graph.bin`: parameters and entry points in bincode. Row 0 is the one entry point, on level 0.
fn graph() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(60);
    for number in [M, M * 2, EF_CONSTRUCT, 1] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&0_u32.to_le_bytes());
    // Level of the entry point, number of further entry points, and how many there may be.
    for number in [0_u64, 0, 1] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes
}

#[derive(Debug, Clone, Copy)]
struct LinkSizes {
    points: u64,
    links_per_point: u64,
    padding: u64,
}

impl LinkSizes {
    fn new(points: u64) -> Self {
        let links_per_point = LINKS_MAX.min(points.saturating_sub(1));
        // The offsets that follow the neighbours are 8-byte numbers and aligned as such.
        let unaligned = 4 * points + 4 * points * links_per_point;
        Self { points, links_per_point, padding: unaligned.next_multiple_of(8) - unaligned }
    }

    fn file_bytes(self) -> u64 {
        LINKS_HEADER_BYTES
            + 8
            + 4 * self.points
            + 4 * self.points * self.links_per_point
            + self.padding
            + 8 * (self.points + 1)
    }
}

/// `links.bin`: header, where level 0 begins, the order of points, neighbours, and where each list begins.
fn write_links(segment: &SegmentPlan<'_>, sizes: LinkSizes, out: &mut dyn Write) -> io::Result<()> {
    let mut out = BlockFilled::new(out);
    let levels = 1_u64;
    for number in [sizes.points, levels, sizes.points * sizes.links_per_point, sizes.points + 1, sizes.padding, 0, 0, 0]
    {
        out.write_all(&number.to_le_bytes())?;
    }
    out.write_all(&0_u64.to_le_bytes())?;
    for point in 0..sizes.points as u32 {
        out.write_all(&point.to_le_bytes())?;
    }
    for point in 0..sizes.points {
        for link in 0..sizes.links_per_point {
            out.write_all(&neighbour(segment, sizes, point, link).to_le_bytes())?;
        }
    }
    out.write_all(&[0; 8][..sizes.padding as usize])?;
    for point in 0..=sizes.points {
        out.write_all(&(point * sizes.links_per_point).to_le_bytes())?;
    }
    out.finish_unfilled()
}

/// The first link leads to the next row, so that every row can be reached; the others lead anywhere but home.
fn neighbour(segment: &SegmentPlan<'_>, sizes: LinkSizes, point: u64, link: u64) -> u32 {
    let noise = stream(segment.key, point * LINKS_MAX + link);
    let distance = if link == 0 { 1 } else { 1 + super::noise::below(noise, sizes.points - 1) };
    ((point + distance) % sizes.points) as u32
}
