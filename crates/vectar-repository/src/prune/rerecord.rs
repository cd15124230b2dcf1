//! Getting space back from inside of chunks: backups that need only a part of a chunk are recorded afresh with a chunk of that part.
//!
//! What is needed of a chunk is known in sixty-fourths. The needed ones, end to end, are the new chunk; a reference lies within a run of
//! them, so it moves by a fixed distance. Nothing of a recipe changes but the chunks it names: neither lengths nor the shape of its tree.
//!
//! Each backup is published under its next number, as an ingest whose chunks are all there; the old record goes afterwards. A backup that
//! was forgotten or recorded afresh by someone else meanwhile is left alone.

use std::collections::HashMap;

use vectar_chunk::{ChunkId, CodecHint, CodecId, Decoder, NodeId};

use super::usage::{GRANULES, Usage, granule_start};
use crate::{
    error::RepositoryError,
    format::{
        ids::BackupId,
        node::{RecipeItem, RecipeNode},
        pack::{BodyEntry, RecordKind},
        record::BackupRecord,
    },
    index::IndexReader,
    ingest::{Ingest, Preparer},
    reader::{ChunkReader, check_depth},
    recipe::NodeSink,
    repository::IndexedRepository,
};

/// Codec level of what is stored afresh: that of an ingest by default.
const ZSTD_LEVEL: i32 = 3;

/// Decoded nodes kept while recipes are walked, in bytes; each is read once or twice.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// Backups that are to be recorded afresh.
#[derive(Debug, Default)]
pub(super) struct Rerecording {
    /// The backups, by id and the number of their records.
    pub(super) backups: Vec<(BackupId, u32)>,
    /// Bytes of the parts of chunks that are stored afresh, about.
    pub(super) stored_bytes: u64,
    /// Bytes that nobody needs of the chunks they are taken from, about.
    pub(super) unneeded_bytes: u64,
}

/// What recording afresh did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rerecorded {
    pub(super) backups: u64,
    pub(super) written_bytes: u64,
}

impl Rerecording {
    /// Finds the backups that need only small parts of chunks. Costs a walk through all recipes, and as much memory as there are recipe
    /// nodes times some fifty bytes; so it is asked only when there is enough to gain.
    pub(super) fn find(
        repository: &IndexedRepository,
        usage: &Usage,
        backups: &[BackupRecord],
    ) -> Result<Self, RepositoryError> {
        let reader = ChunkReader::new(repository, CACHE_BYTES);
        let mut search = Search {
            usage,
            reader: &reader,
            view: repository.index().latest(),
            nodes: HashMap::new(),
            chunks: HashMap::new(),
        };
        let mut found = Self::default();
        for record in backups {
            if search.is_touched(&record.root, 0)? {
                found.backups.push((record.id, record.seq));
            }
        }
        for (needed, unneeded) in search.chunks.into_values() {
            found.stored_bytes += needed;
            found.unneeded_bytes += unneeded;
        }
        Ok(found)
    }

    /// Stores the parts, and publishes the records that refer to them.
    ///
    /// # Errors
    /// The storage failed, or something is damaged. Backups that were not published yet are as they were.
    pub(super) fn apply(&self, repository: &IndexedRepository, usage: &Usage) -> Result<Rerecorded, RepositoryError> {
        let mut done = Rerecorded::default();
        let mut records = Vec::with_capacity(self.backups.len());
        for (id, seq) in &self.backups {
            records.extend(repository.current_record(id, *seq)?);
        }
        let reader = ChunkReader::new(repository, CACHE_BYTES);
        let mut rewriter = Rewriter {
            usage,
            reader: &reader,
            view: repository.index().latest(),
            ingest: Ingest::begin(repository, ZSTD_LEVEL)?,
            preparer: Preparer::for_repository(repository.config(), ZSTD_LEVEL)?,
            decoder: Decoder::new()?,
            nodes: HashMap::new(),
            parts: HashMap::new(),
        };
        let mut changed = Vec::with_capacity(records.len());
        for BackupRecord { id, seq, root, .. } in records {
            let new = rewriter.node(&root, 0)?;
            if new != root {
                changed.push((id, seq, new));
            }
        }
        rewriter.carry_bodies_over()?;
        done.written_bytes = rewriter.ingest.finish_packs()?;
        for (id, seq, root) in changed {
            done.backups += u64::from(repository.supersede(&id, seq, |record| record.root = root)?.is_some());
        }
        Ok(done)
    }
}

/// Looks for references to chunks that are mostly unneeded.
struct Search<'s, 'r> {
    usage: &'s Usage,
    reader: &'s ChunkReader<'r>,
    view: IndexReader<'r>,
    /// Whether such a reference lies at or below a node.
    nodes: HashMap<NodeId, bool>,
    /// Needed and unneeded bytes of those chunks, as stored. Whole chunks are almost all there are; to note each of them would take
    /// more memory than the usage itself.
    chunks: HashMap<ChunkId, (u64, u64)>,
}

impl Search<'_, '_> {
    fn is_touched(&mut self, id: &NodeId, depth: usize) -> Result<bool, RepositoryError> {
        if let Some(known) = self.nodes.get(id) {
            return Ok(*known);
        }
        check_depth(depth)?;
        let mut is_touched = false;
        for item in &self.reader.node(id)?.items {
            is_touched |= match item {
                RecipeItem::Node { node, .. } => self.is_touched(node, depth + 1)?,
                RecipeItem::Copy { chunk, .. } => self.is_mostly_unneeded(chunk)?,
                RecipeItem::Inline(_) | RecipeItem::Fill { .. } => false,
            };
        }
        self.nodes.insert(*id, is_touched);
        Ok(is_touched)
    }

    fn is_mostly_unneeded(&mut self, chunk: &ChunkId) -> Result<bool, RepositoryError> {
        if self.chunks.contains_key(chunk) {
            return Ok(true);
        }
        let location = self.view.locate(chunk.as_bytes())?;
        let part = location.and_then(|location| Some((self.usage.small_part(&location)?, location.record_range())));
        let Some((mask, range)) = part else { return Ok(false) };
        let (bytes, granules) = (range.end - range.start, u64::from(GRANULES));
        let unneeded = bytes * u64::from(mask.count_zeros()) / granules;
        self.chunks.insert(*chunk, (bytes - unneeded, unneeded));
        Ok(true)
    }
}

/// A chunk that holds the needed granules of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    chunk: ChunkId,
    /// The granules it holds.
    mask: u64,
    /// Length of the chunk it is taken from.
    source_len: u32,
}

/// Rewrites recipes node by node, each once.
struct Rewriter<'w, 'r> {
    usage: &'w Usage,
    reader: &'w ChunkReader<'r>,
    view: IndexReader<'r>,
    ingest: Ingest<'r>,
    preparer: Preparer,
    decoder: Decoder,
    nodes: HashMap<NodeId, NodeId>,
    parts: HashMap<ChunkId, Part>,
}

impl Rewriter<'_, '_> {
    /// The node that stands for the same bytes as `id` without referring to mostly unneeded chunks; `id` itself if it does not.
    fn node(&mut self, id: &NodeId, depth: usize) -> Result<NodeId, RepositoryError> {
        if let Some(known) = self.nodes.get(id) {
            return Ok(*known);
        }
        check_depth(depth)?;
        let old = self.reader.node(id)?;
        let mut items = Vec::with_capacity(old.items.len());
        for item in &old.items {
            items.push(match item {
                RecipeItem::Node { node, len } => RecipeItem::Node { node: self.node(node, depth + 1)?, len: *len },
                RecipeItem::Copy { chunk, start, len } => self.copy(chunk, *start, *len)?,
                item => item.clone(),
            });
        }
        let new = match items == old.items {
            true => *id,
            false => self.ingest.store(&RecipeNode { items })?,
        };
        self.nodes.insert(*id, new);
        Ok(new)
    }

    fn copy(&mut self, chunk: &ChunkId, start: u32, len: u32) -> Result<RecipeItem, RepositoryError> {
        let Some(part) = self.part(chunk)? else { return Ok(RecipeItem::Copy { chunk: *chunk, start, len }) };
        let start = part.moved(start, len).ok_or_else(|| RepositoryError::RecipeInvalid {
            reason: format!(
                "bytes {start} to {} of chunk {} are not where they were",
                u64::from(start) + u64::from(len),
                chunk.short()
            ),
        })?;
        Ok(RecipeItem::Copy { chunk: part.chunk, start, len })
    }

    /// Stores the needed part of a chunk, if it is a small one.
    fn part(&mut self, chunk: &ChunkId) -> Result<Option<Part>, RepositoryError> {
        if let Some(known) = self.parts.get(chunk) {
            return Ok(Some(*known));
        }
        let Some(location) = self.view.locate(chunk.as_bytes())? else {
            return Err(RepositoryError::ChunkMissing { kind: RecordKind::Chunk, id: *chunk.as_bytes() });
        };
        let Some(mask) = self.usage.small_part(&location) else { return Ok(None) };
        let record = self.reader.stored_record(&location, chunk.as_bytes())?;
        let codec = CodecId::new(record.head.codec);
        let raw = self.decoder.decode(codec, &record.stored, record.head.raw_len as usize)?;
        let key = self.reader.repository().id_key();
        let bytes: Vec<u8> = runs(mask, record.head.raw_len).flat_map(|run| &raw[run]).copied().collect();
        let part = Part { chunk: key.chunk_id(&bytes), mask, source_len: record.head.raw_len };
        part.prove(&raw, &bytes)?;
        // What shrank as a whole shrinks in part; the rest is not tried again.
        let hint = match codec {
            CodecId::RAW => CodecHint::Incompressible,
            CodecId::ZSTD => CodecHint::Structured,
            _ => CodecHint::Unknown,
        };
        self.ingest.add(self.preparer.chunk(&part.chunk, &bytes, record.head.label, hint)?)?;
        self.parts.insert(*chunk, part);
        Ok(Some(part))
    }

    /// Bodies that are known by their digest are known by their new nodes from now on.
    fn carry_bodies_over(&mut self) -> Result<(), RepositoryError> {
        let moved = |node: &NodeId| self.nodes.get(node).is_some_and(|new| new != node);
        for BodyEntry { digest, node, len } in self.view.bodies_of(moved)? {
            self.ingest.carry_over_body(BodyEntry { digest, node: self.nodes[&node], len });
        }
        Ok(())
    }
}

impl Part {
    /// Where bytes `start .. start + len` of the source lie in the part; `None` when they are not in it as one run.
    fn moved(&self, start: u32, len: u32) -> Option<u32> {
        let end = start.checked_add(len).filter(|end| *end <= self.source_len && len > 0)?;
        let mut before = 0;
        for run in runs(self.mask, self.source_len) {
            if run.start <= start as usize && end as usize <= run.end {
                return Some(before + (start - run.start as u32));
            }
            before += run.len() as u32;
        }
        None
    }

    /// Compares every run of the part with its source. Whatever a recipe may refer to lies in one of them.
    fn prove(&self, source: &[u8], part: &[u8]) -> Result<(), RepositoryError> {
        for run in runs(self.mask, self.source_len) {
            let start = self.moved(run.start as u32, run.len() as u32).map(|start| start as usize);
            let is_equal = start.is_some_and(|start| part.get(start..start + run.len()) == Some(&source[run.clone()]));
            if !is_equal {
                let reason = format!("bytes {run:?} of a chunk are not the same in its needed part");
                return Err(RepositoryError::RecipeInvalid { reason });
            }
        }
        Ok(())
    }
}

/// The runs of needed granules as ranges of bytes of a chunk that has `raw_len`, none of them empty.
fn runs(mask: u64, raw_len: u32) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut granule = 0;
    let runs = std::iter::from_fn(move || {
        let skipped = mask.checked_shr(granule)?.trailing_zeros();
        let first = granule.checked_add(skipped).filter(|first| *first < GRANULES)?;
        let last = first + (mask >> first).trailing_ones();
        granule = last;
        Some(granule_start(first, raw_len) as usize..granule_start(last, raw_len) as usize)
    });
    // A granule of a chunk of less than 64 bytes may have none.
    runs.filter(|run| !run.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(mask: u64, source_len: u32) -> Part {
        Part { chunk: ChunkId::from_bytes([0; 32]), mask, source_len }
    }

    #[test]
    fn runs_are_the_needed_granules_joined() {
        let ranges = |mask, raw_len| runs(mask, raw_len).collect::<Vec<_>>();
        assert_eq!(ranges(0b1101, 6400), [0..100, 200..400]);
        assert!(ranges(1 << 63, 6400).iter().eq([&(6300..6400)]));
        assert!(ranges(u64::MAX, 6401).iter().eq([&(0..6401)]));
        assert_eq!(ranges(0, 6400), []);
        assert_eq!(ranges(1 << 63 | 1, 100), [0..2, 99..100]);
    }

    #[test]
    fn a_reference_moves_with_its_run_and_nothing_else_is_taken_for_one() {
        let part = part(0b1101, 6400);
        assert_eq!(part.moved(0, 100), Some(0));
        assert_eq!(part.moved(210, 190), Some(110));
        assert_eq!(part.moved(99, 2), None, "half of it is gone");
        assert_eq!(part.moved(150, 10), None);
        assert_eq!(part.moved(0, 0), None);
        assert_eq!(part.moved(u32::MAX, 2), None);
    }

    /// Whatever bytes two references need, the granules they touch hold all of them, and the move is right byte for byte.
    #[test]
    fn every_reference_finds_its_bytes_in_the_part() {
        for raw_len in [1, 2, 63, 64, 65, 1000, 6401] {
            let source: Vec<u8> = (0..raw_len).map(|at| (at % 251) as u8).collect();
            for step in 1..7 {
                let start = raw_len * step / 7;
                let len = (raw_len / 9).max(1).min(raw_len - start);
                let mask = super::super::usage::granules(start, len, raw_len);
                let bytes: Vec<u8> = runs(mask, raw_len).flat_map(|run| &source[run]).copied().collect();
                let part = part(mask, raw_len);
                part.prove(&source, &bytes).unwrap();
                let moved = part.moved(start, len).unwrap() as usize;
                assert_eq!(bytes[moved..moved + len as usize], source[start as usize..(start + len) as usize]);
            }
        }
    }
}
