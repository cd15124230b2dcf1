//! What is shared as one piece: a row of vectors, or a value on a page.

use std::iter::Peekable;

use vectar_qdrant::{BodyLabel, BodyLayout, Class, Element, Part, SegmentPart, storage::ValuePlaces};
use vectar_tar::SparseMap;

/// Rows shorter than this cost more as references than as bytes.
const UNIT_BYTES_MIN: u32 = 64;

/// Longest value that is shared as one piece, in bytes. Chunks hold no longer pieces.
const UNIT_BYTES_MAX: u32 = 1 << 20;

/// Bodies whose rows may be the same: those of one shard and one vector, or of one Gridstore.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct RowKind {
    shard: Option<u32>,
    /// The directory of the rows below the segment, whatever layout they are stored in.
    place: String,
    /// Bytes of a row, or of a block.
    unit_bytes: u32,
}

impl RowKind {
    /// What kind of rows a body holds; `None` when they are not worth looking for.
    pub(crate) fn of(label: &BodyLabel) -> Option<Self> {
        let Part::Segment(part) = label.identity.part else { return None };
        let path = label.identity.path.as_str();
        let (directory, file) = path.rsplit_once('/')?;
        let (place, unit_bytes) = match label.layout {
            BodyLayout::Rows { row_bytes, element, .. }
                if element != Element::Offsets && row_bytes >= UNIT_BYTES_MIN =>
            {
                // `matrix.dat` lies beside `vectors/`, and `quantized.data` beside `quantized_data/`.
                let is_quantized = path.contains("/quantized");
                let storage = directory.split('/').next().unwrap_or(directory);
                (format!("{storage}:{}", if is_quantized { "codes" } else { "vectors" }), row_bytes)
            }
            BodyLayout::Blocks { block_bytes } if page_number(file).is_some() && part != SegmentPart::PayloadIndex => {
                (directory.to_owned(), block_bytes)
            }
            _ => return None,
        };
        debug_assert!(matches!(label.class, Class::DenseRows | Class::BlockPages), "only these have rows");
        Some(Self { shard: label.identity.shard, place, unit_bytes })
    }

    /// Whether bodies of the two kinds may hold the same rows: a snapshot of one shard does not say which one it is.
    pub(crate) fn may_equal(&self, other: &Self) -> bool {
        let same_shard = self.shard.is_none() || other.shard.is_none() || self.shard == other.shard;
        same_shard && self.place == other.place && self.unit_bytes == other.unit_bytes
    }

    /// The tracker without which the values of a page cannot be told apart.
    pub(crate) fn tracker_path(label: &BodyLabel) -> Option<String> {
        let (directory, file) = label.identity.path.rsplit_once('/')?;
        page_number(file).map(|_| format!("{directory}/tracker.dat"))
    }
}

fn page_number(file: &str) -> Option<u32> {
    file.strip_prefix("page_")?.strip_suffix(".dat")?.parse().ok()
}

/// One piece, by its place among the stored bytes of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit {
    /// Its first byte.
    pub(crate) start: u64,
    /// Its length in bytes.
    pub(crate) bytes: u32,
}

impl Unit {
    /// Behind its last byte.
    pub(crate) fn end(&self) -> u64 {
        self.start + u64::from(self.bytes)
    }
}

/// The pieces of one body, ascending and apart from each other.
pub(crate) struct Units {
    units: Peekable<Box<dyn Iterator<Item = Unit> + Send>>,
}

impl std::fmt::Debug for Units {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Units")
    }
}

impl Units {
    /// The pieces of a body; `values` is what the tracker beside a page says. `None` when they cannot be told.
    pub(crate) fn of(
        label: &BodyLabel,
        sparse: Option<&SparseMap>,
        len: u64,
        values: Option<&ValuePlaces>,
    ) -> Option<Self> {
        let logical: Box<dyn Iterator<Item = Unit> + Send> = match label.layout {
            BodyLayout::Rows { header_bytes, row_bytes, .. } => {
                let rows = (0..).map(move |row: u64| u64::from(header_bytes) + row * u64::from(row_bytes));
                let logical_len = sparse.map_or(len, SparseMap::logical_len);
                let rows = rows.take_while(move |start| start + u64::from(row_bytes) <= logical_len);
                Box::new(rows.map(move |start| Unit { start, bytes: row_bytes }))
            }
            BodyLayout::Blocks { block_bytes } => {
                let (_, file) = label.identity.path.rsplit_once('/')?;
                let places = values?.of_page(page_number(file)?).to_vec();
                let sized = places.into_iter().filter(|place| (UNIT_BYTES_MIN..=UNIT_BYTES_MAX).contains(&place.bytes));
                Box::new(sized.map(move |place| Unit {
                    start: u64::from(place.block) * u64::from(block_bytes),
                    bytes: place.bytes,
                }))
            }
            _ => return None,
        };
        let map = sparse.cloned();
        let mut end = 0;
        let stored = logical.filter_map(move |unit| {
            let stored = match &map {
                None => Some(unit),
                Some(map) => stored(map, unit),
            };
            // Hostile places may overlap; of these the first counts.
            let unit = stored.filter(|unit| unit.start >= end && unit.end() <= len)?;
            end = unit.end();
            Some(unit)
        });
        let stored: Box<dyn Iterator<Item = Unit> + Send> = Box::new(stored);
        Some(Self { units: stored.peekable() })
    }

    /// The next piece that begins at or behind `start`, if it ends at or before `end`. Pieces before it are passed over.
    pub(crate) fn next_within(&mut self, start: u64, end: u64) -> Option<Unit> {
        while self.units.next_if(|unit| unit.start < start).is_some() {}
        self.units.next_if(|unit| unit.end() <= end)
    }

    /// Where the next piece begins.
    pub(crate) fn peek_start(&mut self) -> Option<u64> {
        self.units.peek().map(|unit| unit.start)
    }
}

/// A piece by its stored bytes, if these lie side by side.
fn stored(map: &SparseMap, unit: Unit) -> Option<Unit> {
    let start = map.stored_offset(unit.start)?;
    let last = map.stored_offset(unit.end() - 1)?;
    (last - start == u64::from(unit.bytes) - 1).then_some(Unit { start, bytes: unit.bytes })
}
