//! The rows and values of a snapshot: where they lie, and what their bytes are.

use std::{ops::Range, path::Path};

use anyhow::{Context as _, Result, ensure};
use vectar::{Catalogue, CatalogueRow, Content, ReadAt as _, RowRole};
use vectar_qdrant::{
    BodyLabel, BodyLayout, BodyPath, BodySize, Classifier, Element, Part, SegmentPart,
    storage::{Owner, SnapshotFiles, StorageFiles as _, ValuePlaces},
};

/// Longest file that is read to tell bodies apart, in bytes.
const SMALL_BYTES_MAX: u64 = 1 << 20;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnitKind {
    /// A dense vector.
    Row,
    /// A value of the payload storage.
    Value,
}

/// A row or a value.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) kind: UnitKind,
    /// Where it lies in the snapshot: in one piece, or at the end of a page and the front of the next.
    pub(super) pieces: Vec<Range<u64>>,
    /// 128 bits of its BLAKE3.
    pub(super) digest: [u8; 16],
}

impl Unit {
    pub(super) fn bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.end - piece.start).sum()
    }
}

/// All rows and values of a snapshot, in the order of their bodies and slots.
#[derive(Debug, Default)]
pub(super) struct Units {
    pub(super) units: Vec<Unit>,
    /// The bodies that hold them, by their bytes in the snapshot.
    pub(super) bodies: Vec<(Range<u64>, UnitKind)>,
}

impl Units {
    /// Reads them all. What was never written, and zeros, are no rows.
    pub(super) fn read(snapshot: &Path) -> Result<Self> {
        let content = Content::file(snapshot)?;
        let catalogue = content.catalogue()?;
        let mut classifier = Classifier::new();
        classifier.learn_catalogue(&catalogue, |row| read_small(&content, row));
        let mut units = Self::default();
        for row in catalogue.rows.iter().filter(|row| row.role == RowRole::Leaf { complete: true }) {
            let label = classifier.label(&BodyPath::from(&row.head.path), BodySize::declared(&row.head));
            units.add_body((&content, &catalogue), row, &label)?;
        }
        ensure!(!units.units.is_empty(), "{} holds no row and no value", snapshot.display());
        Ok(units)
    }

    /// Those of one kind.
    pub(super) fn of(&self, kind: UnitKind) -> impl Iterator<Item = &Unit> {
        self.units.iter().filter(move |unit| unit.kind == kind)
    }

    fn add_body(
        &mut self,
        (content, catalogue): (&Content<'_>, &Catalogue),
        row: &CatalogueRow,
        label: &BodyLabel,
    ) -> Result<()> {
        let body = row.head.offset..row.head.offset + row.len;
        match (label.layout, label.identity.part) {
            (BodyLayout::Rows { header_bytes, row_bytes, element }, Part::Segment(SegmentPart::VectorStorage))
                if element != Element::Offsets =>
            {
                self.bodies.push((body, UnitKind::Row));
                let len = row.head.entry().map_or(row.len, |entry| entry.logical_len);
                let starts = (u64::from(header_bytes)..).step_by(row_bytes as usize);
                for start in starts.take_while(|start| start + u64::from(row_bytes) <= len) {
                    self.add(content, UnitKind::Row, stored(row, start..start + u64::from(row_bytes)).into_iter())?;
                }
            }
            (BodyLayout::Blocks { block_bytes }, Part::Segment(SegmentPart::PayloadStorage)) => {
                self.bodies.push((body, UnitKind::Value));
                self.add_page((content, catalogue), row, label, block_bytes)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn add_page(
        &mut self,
        (content, catalogue): (&Content<'_>, &Catalogue),
        row: &CatalogueRow,
        label: &BodyLabel,
        block_bytes: u32,
    ) -> Result<()> {
        let identity = &label.identity;
        let page = |path: &str| path.rsplit_once("/page_")?.1.strip_suffix(".dat")?.parse::<u32>().ok();
        let Some(number) = page(&identity.path) else { return Ok(()) };
        let (directory, _) = identity.path.rsplit_once('/').context("a page lies in a directory")?;
        let owner = Owner {
            collection_file: identity.collection_file.clone(),
            shard: identity.shard,
            segment: identity.segment.clone(),
        };
        let files = SnapshotFiles::new(content, catalogue);
        let files = files.files(&owner);
        let tracker = files.open(&format!("{directory}/tracker.dat")).context("a page has a tracker")?;
        let len = row.head.entry().map_or(row.len, |entry| entry.logical_len);
        let own = row.head.path.to_string();
        let next_path = own.replace(&format!("/page_{number}.dat"), &format!("/page_{}.dat", number + 1));
        let next = catalogue.rows.iter().find(|other| other.head.path.to_string() == next_path);
        for place in ValuePlaces::read(tracker)?.of_page(number) {
            let start = u64::from(place.block) * u64::from(block_bytes);
            let end = start + u64::from(place.bytes);
            let mut pieces = vec![stored(row, start..end.min(len))];
            if end > len {
                pieces.push(next.and_then(|next| stored(next, 0..end - len)));
            }
            let pieces: Option<Vec<_>> = pieces.into_iter().collect();
            self.add(content, UnitKind::Value, pieces.context("a value lies in a hole")?.into_iter())?;
        }
        Ok(())
    }

    fn add(&mut self, content: &Content<'_>, kind: UnitKind, pieces: impl Iterator<Item = Range<u64>>) -> Result<()> {
        let pieces: Vec<_> = pieces.collect();
        let mut bytes = Vec::new();
        for piece in &pieces {
            let mut at = bytes.len();
            bytes.resize(at + (piece.end - piece.start) as usize, 0);
            let mut offset = piece.start;
            while at < bytes.len() {
                let count = content.read_at(offset, &mut bytes[at..])?;
                ensure!(count > 0, "the snapshot ends inside of a row");
                (at, offset) = (at + count, offset + count as u64);
            }
        }
        if bytes.iter().any(|byte| *byte != 0) {
            let digest = blake3::hash(&bytes);
            let digest = digest.as_bytes()[..16].try_into().context("a digest has 32 bytes")?;
            self.units.push(Unit { kind, pieces, digest });
        }
        Ok(())
    }
}

/// Bytes of a file by their place in the snapshot; `None` when they are not stored side by side.
fn stored(row: &CatalogueRow, bytes: Range<u64>) -> Option<Range<u64>> {
    let within = match row.head.entry().and_then(|entry| entry.sparse.as_deref()) {
        None => bytes,
        Some(map) => {
            let (start, last) = (map.stored_offset(bytes.start)?, map.stored_offset(bytes.end.checked_sub(1)?)?);
            if last - start + 1 != bytes.end - bytes.start {
                return None;
            }
            start..last + 1
        }
    };
    (within.end <= row.len).then(|| row.head.offset + within.start..row.head.offset + within.end)
}

fn read_small(content: &Content<'_>, row: &CatalogueRow) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    if row.len > SMALL_BYTES_MAX {
        return None;
    }
    content
        .read_entry(row, |part| {
            bytes.extend_from_slice(part);
            Ok(())
        })
        .ok()?;
    Some(bytes)
}
