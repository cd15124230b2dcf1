//! Labels bodies, and learns row and block lengths from the small JSON files beside them.

use vectar_tar::{Catalogue, CatalogueRow, RowRole};

use crate::class::{
    BITMAP_BLOCK_BYTES, BLOCK_BYTES_MAX, BodyLabel, BodyLayout, Class, Element, ROW_BYTES_MAX, TINY_BYTES_MAX,
};
use crate::config::CollectionConfig;
use crate::entry::{BodyPath, BodySize};
use crate::facts::Facts;
use crate::file_kind::FileKind;
use crate::json::SMALL_JSON_BYTES_MAX;
use crate::part::{Part, RootPart, SegmentPart};
use crate::path::Identity;
use crate::segment::SegmentState;
use crate::storage_config::{ChunkedConfig, GridstoreConfig, QuantizedConfig};
use crate::vector_shape::VectorShape;

/// Labels the bodies of one snapshot.
///
/// Labels get better with what was learned: in streaming order `vectors/config.json` comes before its chunk files, but
/// `segment.json` and the collection's `config.json` come last. Whoever can seek learns everything first and labels
/// afterwards; whoever cannot takes the labels as they come. For what a segment has not said yet, the same vector of
/// the segments before it is taken, if the file's length agrees.
///
/// Nothing here fails, and no bytes depend on it: a wrong number costs space.
#[derive(Debug, Default)]
pub struct Classifier {
    facts: Facts,
}

/// A small file the classifier can learn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lesson {
    Collection,
    Segment,
    Chunked,
    Gridstore,
    Quantized,
}

impl Lesson {
    fn of(identity: &Identity) -> Option<Self> {
        let path = identity.path.as_str();
        let is_config = path.ends_with("/config.json");
        match identity.part {
            Part::Root(RootPart::Config) => Some(Self::Collection),
            Part::Segment(SegmentPart::State) => Some(Self::Segment),
            Part::Segment(SegmentPart::VectorStorage) if path.ends_with("/store/config.json") => Some(Self::Gridstore),
            Part::Segment(SegmentPart::VectorStorage) if is_config => Some(Self::Chunked),
            Part::Segment(SegmentPart::VectorStorage)
                if path.ends_with("/quantized.config.json") || path.ends_with("/quantized.meta.json") =>
            {
                Some(Self::Quantized)
            }
            Part::Segment(SegmentPart::PayloadStorage) if is_config => Some(Self::Gridstore),
            // `payload_index/config.json` itself lists the fields and has no lengths.
            Part::Segment(SegmentPart::PayloadIndex) if is_config && path != "payload_index/config.json" => {
                Some(Self::Gridstore)
            }
            _ => None,
        }
    }
}

impl Classifier {
    /// A classifier that has learned nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether [`learn`](Self::learn) wants this body's bytes: only small JSON that tells row or block lengths, at most
    /// [`SMALL_JSON_BYTES_MAX`] bytes and without holes.
    pub fn wants(&self, path: &BodyPath, size: BodySize) -> bool {
        (1..=SMALL_JSON_BYTES_MAX).contains(&size.stored_bytes)
            && size.hole_bytes() == 0
            && Lesson::of(&Identity::of(path)).is_some()
    }

    /// Learns from a whole body. Bytes that are not what the path promises teach nothing.
    pub fn learn(&mut self, path: &BodyPath, bytes: &[u8]) {
        let identity = Identity::of(path);
        match Lesson::of(&identity) {
            Some(Lesson::Collection) => self.learn_collection(&identity, bytes),
            Some(Lesson::Segment) => self.learn_segment(&identity, bytes),
            Some(Lesson::Chunked) => self.learn_chunked(&identity, bytes),
            Some(Lesson::Gridstore) => {
                let config = GridstoreConfig::read(bytes);
                if let Some(block_bytes) = config.ok().and_then(|config| config.block_bytes) {
                    self.facts.learn_block_bytes(&identity, block_bytes);
                }
            }
            Some(Lesson::Quantized) => self.learn_quantized(&identity, bytes),
            None => {}
        }
    }

    /// Learns from every body of a catalogue that is [wanted](Self::wants); `read_small` gives the stored bytes of a
    /// row, or `None` when it cannot.
    pub fn learn_catalogue(
        &mut self,
        catalogue: &Catalogue,
        mut read_small: impl FnMut(&CatalogueRow) -> Option<Vec<u8>>,
    ) {
        for row in &catalogue.rows {
            let path = BodyPath::from(&row.head.path);
            let is_complete = row.role == RowRole::Leaf { complete: true };
            if is_complete
                && self.wants(&path, BodySize::declared(&row.head))
                && let Some(bytes) = read_small(row)
            {
                self.learn(&path, &bytes);
            }
        }
    }

    /// Labels a body.
    pub fn label(&self, path: &BodyPath, size: BodySize) -> BodyLabel {
        let identity = Identity::of(path);
        let kind = FileKind::of(&identity);
        let class = match kind.class() {
            // Too long to be configuration, so it must not be kept with configuration.
            Class::SmallJson if size.logical_bytes.max(size.stored_bytes) > SMALL_JSON_BYTES_MAX => Class::Unknown,
            class => class,
        };
        let layout = match self.layout(kind, &identity, size) {
            Some(layout) => layout,
            None if kind == FileKind::Json && size.stored_bytes <= TINY_BYTES_MAX => BodyLayout::Tiny,
            None => BodyLayout::Opaque,
        };
        BodyLabel { class, layout, identity }
    }

    fn learn_collection(&mut self, identity: &Identity, bytes: &[u8]) {
        let Ok(config) = CollectionConfig::read(bytes) else { return };
        for (vector, config_of_vector) in &config.value.vectors {
            let shape = VectorShape::of_config(config_of_vector, config.value.quantization.as_ref());
            self.facts.learn_collection_vector(identity, vector, &shape);
        }
    }

    fn learn_segment(&mut self, identity: &Identity, bytes: &[u8]) {
        let Ok(state) = SegmentState::read(bytes) else { return };
        for (vector, state_of_vector) in &state.value.vectors {
            let shape = VectorShape::of_state(state_of_vector);
            self.facts.learn_segment_vector(identity, vector, &shape);
        }
    }

    fn learn_chunked(&mut self, identity: &Identity, bytes: &[u8]) {
        let Some(config) = ChunkedConfig::read(bytes) else { return };
        self.facts.learn_chunked(identity, config);
        if identity.path.ends_with("/vectors/config.json")
            && let Some(vector) = &identity.vector
        {
            let shape = VectorShape::of_chunks(&config);
            self.facts.learn_segment_vector(identity, vector, &shape);
        }
    }

    fn learn_quantized(&mut self, identity: &Identity, bytes: &[u8]) {
        let Some(config) = QuantizedConfig::read(bytes) else { return };
        if let Some(vector) = &identity.vector {
            let shape = VectorShape::of_quantized(&config);
            self.facts.learn_segment_vector(identity, vector, &shape);
        }
    }

    /// The structure of a file, `None` when no number for it is known or the number contradicts the length.
    fn layout(&self, kind: FileKind, identity: &Identity, size: BodySize) -> Option<BodyLayout> {
        let logical_bytes = size.logical_bytes;
        match kind {
            FileKind::Matrix => {
                let (row_bytes, element) = self.facts.vector_shape(identity).row()?;
                rows(MATRIX_HEADER_BYTES, row_bytes, element, logical_bytes)
            }
            FileKind::VectorChunk => {
                let config = self.facts.chunked(identity)?;
                let element = config.element().or_else(|| self.facts.vector_shape(identity).row().map(|row| row.1));
                rows(0, config.row_bytes, element.unwrap_or(Element::Codes), logical_bytes)
            }
            FileKind::CodeChunk => {
                let config = self.facts.chunked(identity)?;
                rows(0, config.row_bytes, Element::Codes, logical_bytes)
            }
            FileKind::OffsetChunk => {
                let known = self.facts.chunked(identity);
                let row_bytes = known.map_or(OFFSET_ROW_BYTES, |config| config.row_bytes);
                rows(0, row_bytes, Element::Offsets, logical_bytes)
            }
            FileKind::TurboMatrix => {
                rows(0, self.facts.vector_shape(identity).turbo_row_bytes()?, Element::Codes, logical_bytes)
            }
            FileKind::QuantizedRows => {
                let row_bytes = self.facts.vector_shape(identity).quantized_row_bytes(logical_bytes)?;
                rows(0, row_bytes, Element::Codes, logical_bytes)
            }
            FileKind::QuantizedOffsets => rows(0, QUANTIZED_OFFSET_ROW_BYTES, Element::Offsets, logical_bytes),
            FileKind::GridPage => {
                let known = self.facts.block_bytes(identity);
                let block_bytes = known.or_else(|| default_block_bytes(logical_bytes))?;
                Some(BodyLayout::Blocks { block_bytes })
            }
            FileKind::GridTracker => Some(BodyLayout::Slots { header_bytes: 4, slot_bytes: 16 }),
            FileKind::GridLogTracker => Some(BodyLayout::Slots { header_bytes: 0, slot_bytes: 16 }),
            FileKind::GridGaps => Some(BodyLayout::Slots { header_bytes: 0, slot_bytes: 6 }),
            FileKind::IdVersions => Some(BodyLayout::Slots { header_bytes: 0, slot_bytes: 8 }),
            FileKind::IdMappings => id_mapping_slots(logical_bytes),
            FileKind::IdMappingLog | FileKind::Wal => Some(BodyLayout::Log),
            FileKind::Bitmap => Some(BodyLayout::Blocks { block_bytes: BITMAP_BLOCK_BYTES }),
            FileKind::Status => (size.stored_bytes <= TINY_BYTES_MAX).then_some(BodyLayout::Tiny),
            FileKind::GridLogPage | FileKind::Json | FileKind::Derived | FileKind::Unknown => None,
        }
    }
}

/// `matrix.dat` begins with `data` (`qdrant v1.19.0 …/vector_storage/dense/immutable_dense_vectors.rs`).
const MATRIX_HEADER_BYTES: u32 = 4;

/// `u32 offset, u32 count, u32 capacity` (`qdrant v1.19.0 …/vector_storage/multi_dense/`).
const OFFSET_ROW_BYTES: u32 = 12;

/// Records of `quantized.offsets.data`: 8 bytes per point in every file of 1.18.3 we have seen.
const QUANTIZED_OFFSET_ROW_BYTES: u32 = 8;

/// Rows of `row_bytes`, if that is a believable length and the file ends with a whole row.
fn rows(header_bytes: u32, row_bytes: u32, element: Element, logical_bytes: u64) -> Option<BodyLayout> {
    let believable = (1..=ROW_BYTES_MAX).contains(&row_bytes);
    let body_bytes = logical_bytes.checked_sub(u64::from(header_bytes))?;
    (believable && body_bytes.is_multiple_of(u64::from(row_bytes))).then_some(BodyLayout::Rows {
        header_bytes,
        row_bytes,
        element,
    })
}

/// Blocks of a Gridstore page by default: each page has one bitmask of 32,768 bytes, so 262,144 blocks, and a page is
/// preallocated in full. Seen with blocks of 8 (numbers), 16 (keywords, geo) and 128 bytes (payload, text, sparse).
fn default_block_bytes(page_bytes: u64) -> Option<u32> {
    const BLOCKS_PER_PAGE: u64 = 262_144;
    let block_bytes = u32::try_from(page_bytes / BLOCKS_PER_PAGE).ok()?;
    let believable =
        page_bytes.is_multiple_of(BLOCKS_PER_PAGE) && block_bytes.is_power_of_two() && block_bytes <= BLOCK_BYTES_MAX;
    believable.then_some(block_bytes)
}

/// Records of `id_tracker.mappings`: a count of 8 bytes, then 13 bytes for a number or 21 for a UUID. A collection has
/// mostly one sort; the length tells which, unless both or neither would fit.
fn id_mapping_slots(logical_bytes: u64) -> Option<BodyLayout> {
    let records_bytes = logical_bytes.checked_sub(8)?;
    match (records_bytes.is_multiple_of(13), records_bytes.is_multiple_of(21)) {
        (true, false) => Some(BodyLayout::Slots { header_bytes: 8, slot_bytes: 13 }),
        (false, true) => Some(BodyLayout::Slots { header_bytes: 8, slot_bytes: 21 }),
        _ => None,
    }
}
