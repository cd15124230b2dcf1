//! What a recipe takes from chunks that were stored before it, and what it takes itself.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use anyhow::Result;
use vectar::{BackupRecord, Engine, PackId, RecipeItem};
use vectar_chunk::NodeId;
use vectar_repository::{ChunkReader, RecipeWalker, format::pack::RecordKind};

use super::units::{Unit, UnitKind};

/// Decoded nodes that are kept, in bytes.
const CACHE_BYTES: usize = 16 << 20;

/// One recipe beside what was stored before it.
#[derive(Debug, Default)]
pub(super) struct Stored {
    /// Bytes of the snapshot that were stored before, ascending and apart from each other.
    before: Vec<Range<u64>>,
    /// Stored bytes of the new nodes that list bodies of rows, and of values.
    row_nodes: u64,
    value_nodes: u64,
    /// Bytes of the new metadata packs.
    pub(super) metadata_bytes: u64,
}

impl Stored {
    /// Walks the recipe of a backup; `packs` are those that were there before it.
    pub(super) fn read(
        engine: &Engine,
        record: &BackupRecord,
        packs: &HashSet<PackId>,
        bodies: &[(Range<u64>, UnitKind)],
    ) -> Result<Self> {
        let reader = ChunkReader::new(engine.repository(), CACHE_BYTES);
        let index = engine.repository().index();
        let view = index.reader()?;
        let mut stored = Self::default();
        let mut known = HashMap::new();
        for placed in RecipeWalker::new(&reader, &record.root, record.bytes, 0)? {
            let placed = placed?;
            let is_old = match &placed.extent {
                RecipeItem::Copy { chunk, .. } => match known.get(chunk) {
                    Some(is_old) => *is_old,
                    None => {
                        let place = view.locate(chunk.as_bytes())?;
                        let is_old = place.is_some_and(|place| packs.contains(&place.pack));
                        known.insert(*chunk, is_old);
                        is_old
                    }
                },
                RecipeItem::Fill { .. } => true,
                RecipeItem::Inline(_) | RecipeItem::Node { .. } => false,
            };
            if is_old {
                stored.add(placed.offset..placed.offset + placed.extent.len());
            }
        }
        let mut nodes = Nodes { reader: &reader, packs, bodies, seen: HashSet::new(), stored };
        nodes.visit(&record.root, 0)?;
        let mut stored = nodes.stored;
        for pack in index.pack_ids().difference(packs) {
            let is_metadata = index
                .footer(pack)?
                .is_some_and(|footer| footer.entries.first().is_some_and(|entry| entry.head.kind != RecordKind::Chunk));
            if is_metadata {
                stored.metadata_bytes += index.pack_len(pack)?.unwrap_or(0);
            }
        }
        Ok(stored)
    }

    /// Whether every byte of a row or a value was stored before.
    pub(super) fn holds(&self, unit: &Unit) -> bool {
        unit.pieces.iter().all(|piece| {
            let next = self.before.partition_point(|range| range.start <= piece.start);
            self.before[..next].last().is_some_and(|range| piece.end <= range.end)
        })
    }

    /// Stored bytes of the new nodes that list bodies of a kind.
    pub(super) fn recipe_bytes(&self, kind: UnitKind) -> u64 {
        match kind {
            UnitKind::Row => self.row_nodes,
            UnitKind::Value => self.value_nodes,
        }
    }

    fn add(&mut self, range: Range<u64>) {
        match self.before.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.before.push(range),
        }
    }
}

/// Goes through the nodes of a recipe.
struct Nodes<'n, 'r> {
    reader: &'n ChunkReader<'r>,
    packs: &'n HashSet<PackId>,
    bodies: &'n [(Range<u64>, UnitKind)],
    seen: HashSet<NodeId>,
    stored: Stored,
}

impl Nodes<'_, '_> {
    fn visit(&mut self, id: &NodeId, offset: u64) -> Result<()> {
        if !self.seen.insert(*id) {
            return Ok(());
        }
        let node = self.reader.node(id)?;
        let place = self.reader.repository().index().locate(id.as_bytes())?;
        if let Some(place) = place.filter(|place| !self.packs.contains(&place.pack)) {
            let range = place.record_range();
            let bytes = range.end - range.start;
            let is_within = |body: &Range<u64>| body.start <= offset && offset + node.len() <= body.end;
            match self.bodies.iter().find(|(body, _)| is_within(body)) {
                Some((_, UnitKind::Row)) => self.stored.row_nodes += bytes,
                Some((_, UnitKind::Value)) => self.stored.value_nodes += bytes,
                None => {}
            }
        }
        let mut at = offset;
        for item in &node.items {
            if let RecipeItem::Node { node, .. } = item {
                self.visit(node, at)?;
            }
            at += item.len();
        }
        Ok(())
    }
}
