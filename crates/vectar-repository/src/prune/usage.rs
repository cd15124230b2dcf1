//! What of each pack is needed: one 64-bit mask for each record, found by walking every recipe once.
//!
//! Twelve bytes for each record, whatever it is called and however many backups share it: an offset, by which a place in a pack
//! becomes a number, and a mask, in which each bit is a sixty-fourth of the record.

use std::collections::{HashMap, HashSet};

use vectar_chunk::NodeId;

use crate::{
    error::RepositoryError,
    format::{
        ids::PackId,
        node::{RecipeItem, RecipeNode},
        pack::{PACK_HEADER_BYTES, PackFooter, RecordKind},
    },
    index::{ChunkLocation, IndexReader},
    reader::ChunkReader,
    repository::IndexedRepository,
};

/// Parts in which the need of a record is counted.
pub(super) const GRANULES: u32 = u64::BITS;

/// Of a chunk that is needed in part, fewer granules than this are a small part: the rest is worth getting back.
const SMALL_PART_GRANULES: u32 = GRANULES / 2;

/// Recipe nodes are read once each, so none is kept.
const CACHE_BYTES: usize = 0;

/// Nodes that are read in one go. Enough to join neighbours into few requests, and a bound on what waits: so many times as many as one
/// node has children.
const NODES_AT_ONCE: usize = 1024;

/// The packs of a repository and what of them is needed.
#[derive(Debug)]
pub(super) struct Usage {
    pub(super) packs: Vec<PackUsage>,
    by_id: HashMap<PackId, usize>,
    /// Offset of each record, pack by pack.
    offsets: Vec<u32>,
    /// Which sixty-fourths of each record are needed; 0 is none.
    masks: Vec<u64>,
    /// Where else each node lies, when nodes are stored twice. The second copy is needed as much as the first.
    second_copies: HashMap<NodeId, Vec<ChunkLocation>>,
    /// Nodes that were walked although they lie in packs that came later.
    walked_elsewhere: HashSet<NodeId>,
}

/// One pack and where its records are.
#[derive(Debug, Clone, Copy)]
pub(super) struct PackUsage {
    pub(super) id: PackId,
    /// Length of the object.
    pub(super) bytes: u64,
    /// Whether it holds recipe nodes.
    pub(super) is_metadata: bool,
    /// Where the records end.
    records_end: u64,
    first: usize,
    count: usize,
}

/// Bytes of a pack, by what they are to the backups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PackBytes {
    /// Records of which something is needed.
    pub(super) used: u64,
    /// Records of which nothing is needed.
    pub(super) unused: u64,
    /// Of the used ones, about how much lies in sixty-fourths that nobody needs.
    pub(super) unused_inside: u64,
}

impl Usage {
    /// Every record in every pack that is there, none of them needed so far.
    pub(super) fn new(repository: &IndexedRepository) -> Result<Self, RepositoryError> {
        let counts = repository.index().counts()?;
        let records = usize::try_from(counts.records).unwrap_or(0);
        let mut usage = Self {
            packs: Vec::with_capacity(usize::try_from(counts.packs).unwrap_or(0)),
            by_id: HashMap::new(),
            offsets: Vec::with_capacity(records),
            masks: Vec::new(),
            second_copies: HashMap::new(),
            walked_elsewhere: HashSet::new(),
        };
        let is_doubled = repository.config().metadata_copies > 1;
        repository.index().for_each_pack(|id, bytes, footer| {
            usage.add_pack(id, bytes, &footer);
            if is_doubled {
                usage.add_copies(id, &footer);
            }
            Ok(())
        })?;
        usage.masks = vec![0; usage.offsets.len()];
        Ok(usage)
    }

    fn add_pack(&mut self, id: PackId, bytes: u64, footer: &PackFooter) {
        let last = footer.entries.last();
        let records_end = last.map_or(PACK_HEADER_BYTES, |last| u64::from(last.offset) + last.head.record_len());
        // A pack without records holds digests of bodies, which only metadata packs do.
        let is_metadata = footer.entries.first().is_none_or(|entry| entry.head.kind != RecordKind::Chunk);
        let (first, count) = (self.offsets.len(), footer.entries.len());
        self.by_id.insert(id, self.packs.len());
        self.packs.push(PackUsage { id, bytes, is_metadata, records_end, first, count });
        self.offsets.extend(footer.entries.iter().map(|entry| entry.offset));
    }

    fn add_copies(&mut self, id: PackId, footer: &PackFooter) {
        for entry in footer.entries.iter().filter(|entry| entry.head.kind == RecordKind::Node) {
            let node = NodeId::from_bytes(entry.head.id);
            self.second_copies.entry(node).or_default().push(ChunkLocation::of(id, entry));
        }
    }

    /// Walks the recipes of these roots and notes what they need, in `len` bytes each.
    ///
    /// # Errors
    /// Something they need is missing or damaged, or the storage failed. What was noted so far is too little then.
    pub(super) fn need(
        &mut self,
        repository: &IndexedRepository,
        roots: impl IntoIterator<Item = NodeId>,
    ) -> Result<(), RepositoryError> {
        let reader = ChunkReader::new(repository, CACHE_BYTES);
        let view = repository.index().latest();
        // The last ones first: what waits grows with the depth of the recipes and not with how many there are.
        let mut waiting: Vec<NodeId> = roots.into_iter().collect();
        while !waiting.is_empty() {
            let mut reads = Vec::new();
            for node in waiting.drain(waiting.len().saturating_sub(NODES_AT_ONCE)..) {
                let location = locate(&view, RecordKind::Node, node.as_bytes())?;
                if self.is_first_visit(&node, &location) {
                    self.need_second_copy(&view, &node, &location)?;
                    reads.push((node, location));
                }
            }
            reader.for_each_node(reads, |_, node| self.need_items(&view, &node, &mut waiting))?;
        }
        Ok(())
    }

    fn is_first_visit(&mut self, node: &NodeId, location: &ChunkLocation) -> bool {
        match self.number_of(location) {
            Some(number) => std::mem::replace(&mut self.masks[number], u64::MAX) == 0,
            None => self.walked_elsewhere.insert(*node),
        }
    }

    /// One more copy of a node, where there is one in a pack that is not marked; further ones are not needed.
    fn need_second_copy(
        &mut self,
        view: &IndexReader<'_>,
        node: &NodeId,
        first: &ChunkLocation,
    ) -> Result<(), RepositoryError> {
        let Some(copies) = self.second_copies.get(node) else { return Ok(()) };
        let is_other = |copy: &&ChunkLocation| copy.pack != first.pack && view.is_sound(&copy.pack);
        // The lowest name, so that copies that several prunes see are the same.
        let second = copies.iter().filter(is_other).min_by_key(|copy| copy.pack).copied();
        if let Some(number) = second.and_then(|copy| self.number_of(&copy)) {
            self.masks[number] = u64::MAX;
        }
        Ok(())
    }

    fn need_items(
        &mut self,
        view: &IndexReader<'_>,
        node: &RecipeNode,
        waiting: &mut Vec<NodeId>,
    ) -> Result<(), RepositoryError> {
        for item in &node.items {
            match item {
                RecipeItem::Node { node, .. } => waiting.push(*node),
                RecipeItem::Copy { chunk, start, len } => {
                    let location = locate(view, RecordKind::Chunk, chunk.as_bytes())?;
                    if let Some(number) = self.number_of(&location) {
                        self.masks[number] |= granules(*start, *len, location.raw_len);
                    }
                }
                RecipeItem::Inline(_) | RecipeItem::Fill { .. } => {}
            }
        }
        Ok(())
    }

    /// The number of a record; `None` when its pack came after the packs were listed.
    fn number_of(&self, location: &ChunkLocation) -> Option<usize> {
        let pack = &self.packs[*self.by_id.get(&location.pack)?];
        let offsets = &self.offsets[pack.first..pack.first + pack.count];
        offsets.binary_search(&location.offset).ok().map(|position| pack.first + position)
    }

    /// The pack with this name.
    pub(super) fn pack(&self, id: &PackId) -> Option<&PackUsage> {
        self.by_id.get(id).map(|&position| &self.packs[position])
    }

    /// Which records of a pack are needed, in the order of its footer.
    pub(super) fn needed_in(&self, pack: &PackUsage) -> impl Iterator<Item = bool> {
        self.masks[pack.first..pack.first + pack.count].iter().map(|&mask| mask != 0)
    }

    /// Whether a record is needed where it lies.
    pub(super) fn is_needed(&self, location: &ChunkLocation) -> bool {
        self.number_of(location).is_none_or(|number| self.masks[number] != 0)
    }

    /// Which granules of a chunk are needed where it lies, if they are a small part of it.
    pub(super) fn small_part(&self, location: &ChunkLocation) -> Option<u64> {
        let mask = self.masks[self.number_of(location)?];
        (mask != 0 && mask.count_ones() < SMALL_PART_GRANULES).then_some(mask)
    }

    /// About how many bytes lie in unneeded granules of records of which a small part is needed.
    pub(super) fn mostly_unneeded_bytes(&self) -> u64 {
        let is_small = |mask: &u64| *mask != 0 && mask.count_ones() < SMALL_PART_GRANULES;
        let records = self.packs.iter().flat_map(|pack| pack.first..pack.first + pack.count);
        records.filter(|&number| is_small(&self.masks[number])).map(|number| self.unneeded_inside(number)).sum()
    }

    fn unneeded_inside(&self, number: usize) -> u64 {
        let pack = &self.packs[self.packs.partition_point(|pack| pack.first <= number) - 1];
        self.record_bytes(pack, number) * u64::from(self.masks[number].count_zeros()) / u64::from(GRANULES)
    }

    fn record_bytes(&self, pack: &PackUsage, number: usize) -> u64 {
        let is_last = number + 1 == pack.first + pack.count;
        let end = if is_last { pack.records_end } else { u64::from(self.offsets[number + 1]) };
        end - u64::from(self.offsets[number])
    }

    /// How much of a pack is needed.
    pub(super) fn bytes_of(&self, pack: &PackUsage) -> PackBytes {
        let mut sum = PackBytes::default();
        for number in pack.first..pack.first + pack.count {
            let bytes = self.record_bytes(pack, number);
            match self.masks[number] {
                0 => sum.unused += bytes,
                mask => {
                    sum.used += bytes;
                    sum.unused_inside += bytes * u64::from(mask.count_zeros()) / u64::from(GRANULES);
                }
            }
        }
        sum
    }

    /// Bytes of all records that are needed.
    pub(super) fn used_bytes(&self) -> u64 {
        self.packs.iter().map(|pack| self.bytes_of(pack).used).sum()
    }
}

fn locate(view: &IndexReader<'_>, kind: RecordKind, id: &[u8; 32]) -> Result<ChunkLocation, RepositoryError> {
    let found = view.locate(id)?.filter(|location| location.kind == kind);
    found.ok_or(RepositoryError::ChunkMissing { kind, id: *id })
}

/// The sixty-fourths of a record of `raw_len` bytes that `start .. start + len` touches.
pub(super) fn granules(start: u32, len: u32, raw_len: u32) -> u64 {
    if start == 0 && len >= raw_len {
        return u64::MAX;
    }
    let (start, end, raw_len) = (u64::from(start), u64::from(start) + u64::from(len), u64::from(raw_len));
    let first = (start * 64 / raw_len).min(63);
    let last = ((end - 1) * 64 / raw_len).min(63);
    (u64::MAX >> (63 - (last - first))) << first
}

/// The first byte of a granule of a chunk of `raw_len` bytes; of the one behind the last the length.
pub(super) fn granule_start(granule: u32, raw_len: u32) -> u32 {
    (u64::from(granule) * u64::from(raw_len)).div_ceil(u64::from(GRANULES)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_chunk_touches_every_granule_and_a_part_only_its_own() {
        assert_eq!(granules(0, 6400, 6400), u64::MAX);
        assert_eq!(granules(0, 100, 6400), 1);
        assert_eq!(granules(100, 100, 6400), 0b10);
        assert_eq!(granules(99, 2, 6400), 0b11);
        assert_eq!(granules(6399, 1, 6400), 1 << 63);
        assert_eq!(granules(0, 10, 10), u64::MAX);
        assert_eq!(granules(9, 1, 10), 1 << 57);
        assert_eq!(granules(7, 1, 3), 1 << 63, "what lies outside counts as the end");
    }
}
