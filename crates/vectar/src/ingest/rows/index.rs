//! The rows of the predecessors by their fingerprints, kind by kind, read when the first of a kind is looked for.
//!
//! Chunks are read many at once, in the order in which they lie and on all cores: once to fingerprint their rows, and once more to compare
//! those whose fingerprints were met, unless they are still at hand.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use bytes::Bytes;
use rayon::prelude::*;
use vectar_chunk::{ChunkId, fill_byte};
use vectar_repository::{BackupId, ChunkReader, RepositoryError, format::record::BackupRecord, index::IndexReader};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{
    listing::{ListedChunk, ListedRow, Listing, Predecessor},
    predecessor::of_segment,
    units::RowKind,
};
use crate::{engine::Engine, error::Error, rebuild::fetch_chunks};

/// Decoded recipe nodes of predecessors that are kept, in bytes.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Decoded bytes of predecessors that are fingerprinted at once, about: enough for all cores to have some.
const FINGERPRINTED_BYTES: usize = 16 * 1024 * 1024;

/// Decoded bytes of predecessors that rows are compared with at once, about: the more, the fewer times one of them is read where rows lie in
/// another order.
const COMPARED_BYTES: usize = 24 * 1024 * 1024;

/// Rows that one core looks up at a time, at least: fewer are not worth handing over.
const ROWS_TOGETHER_MIN: usize = 256;

/// Rows that one core compares at a time. What is the same in a row ends where they do, so that it does not depend on how many cores there are.
const ROWS_COMPARED_TOGETHER: usize = 1024;

/// Where a row of a predecessor lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    fingerprint: u64,
    /// Which chunk, by its number in the index.
    chunk: u32,
    start: u32,
}

/// What is known of a piece of a body before its rows are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Met {
    /// All its bytes are the same.
    Fill,
    /// It is stored already.
    Known(ChunkId),
    /// It is new.
    New,
}

/// A row that may be the same as one of a predecessor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    /// Which of the rows that are looked up.
    pub(crate) row: usize,
    bytes: u32,
    chunk: u32,
    source: u32,
}

/// Chunks that hold candidates, as far as they can be read: those that did not stay in memory.
#[derive(Debug)]
pub(crate) struct Sources(HashMap<ChunkId, Bytes>);

/// A row that was found and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FoundRow {
    pub(crate) chunk: ChunkId,
    pub(crate) start: u32,
    /// Bytes that are the same: those of the row, and of what follows it in both as far as was asked.
    pub(crate) bytes: u32,
}

/// The rows of one kind.
#[derive(Debug, Default)]
struct RowIndex {
    /// Ascending by fingerprint, each once.
    places: Vec<Place>,
    chunks: Vec<ListedChunk>,
}

/// Everything that rows can be shared with.
pub(crate) struct RowIndexes<'e> {
    engine: &'e Engine,
    /// All backups, for a snapshot of which no name is known.
    known: &'e [BackupRecord],
    /// The segment that was asked for last.
    met: Option<String>,
    predecessors: Vec<Predecessor<'e>>,
    /// Backups that could not be opened; each is said to be so once.
    unreadable: HashSet<BackupId>,
    kinds: HashMap<RowKind, RowIndex>,
    /// Reads recipes.
    nodes: ChunkReader<'e>,
    /// Reads chunks, many at once. It keeps none: those that stay in memory are `kept`.
    chunks: ChunkReader<'e>,
    view: IndexReader<'e>,
    /// Chunks that stay in memory once they were read for their rows, and how many bytes more of them may. The first ones stay: rows are
    /// compared in about the order in which they were read, and of more than fits the last ones would always be those that are needed last.
    kept: HashMap<ChunkId, Bytes>,
    kept_left: usize,
    /// Guards fingerprints against data that was made to collide; they are never stored.
    seed: u64,
    /// How many bits of a fingerprint count. Fewer than 64 only in tests.
    bits: u32,
    /// Rows more that may be found; what is beyond is stored anew.
    places_left: usize,
}

impl std::fmt::Debug for RowIndexes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowIndexes").field("kinds", &self.kinds.len()).finish_non_exhaustive()
    }
}

impl<'e> RowIndexes<'e> {
    /// Opens the predecessors. One that cannot be read is left out.
    pub(crate) fn open(
        engine: &'e Engine,
        (records, known): (&[&BackupRecord], &'e [BackupRecord]),
        (seed, bits): (u64, u32),
        budget_bytes: Option<usize>,
    ) -> Result<Self, Error> {
        let memory = engine.memory();
        let places_bytes = budget_bytes.unwrap_or(memory.row_places());
        let mut indexes = Self {
            engine,
            known,
            met: None,
            predecessors: Vec::new(),
            unreadable: HashSet::new(),
            kinds: HashMap::new(),
            nodes: ChunkReader::new(engine.repository(), CACHE_BYTES.min(places_bytes)),
            // Rows are compared with what is read, byte for byte.
            chunks: ChunkReader::by_checksum(engine.repository(), 0),
            view: engine.repository().index().reader()?,
            kept: HashMap::new(),
            kept_left: budget_bytes.unwrap_or(usize::MAX).min(memory.kept_chunks()),
            seed,
            bits: bits.min(64),
            places_left: places_bytes / size_of::<Place>(),
        };
        indexes.open_all(records);
        Ok(indexes)
    }

    fn open_all(&mut self, records: &[&BackupRecord]) {
        for record in records {
            if !self.unreadable.contains(&record.id) {
                match Predecessor::open(self.engine, record) {
                    Some(predecessor) => self.predecessors.push(predecessor),
                    None => drop(self.unreadable.insert(record.id)),
                }
            }
        }
    }

    /// Finds predecessors by a segment, when no name has told of any: a stream says what it is of as it goes.
    pub(crate) fn meet_segment(&mut self, segment: &str) {
        if self.predecessors.is_empty() && self.met.as_deref() != Some(segment) {
            self.met = Some(segment.to_owned());
            self.open_all(&of_segment(segment, self.known));
        }
    }

    /// Whether there is anything to share with.
    pub(crate) fn is_empty(&self) -> bool {
        self.predecessors.is_empty()
    }

    /// Tells of each piece whether it is stored already, so that its rows need not be looked for.
    pub(crate) fn meet(&self, window: &[u8], pieces: &[Range<usize>]) -> Result<Vec<Met>, Error> {
        let key = self.engine.repository().id_key();
        let meet = |piece: &Range<usize>| {
            let bytes = &window[piece.clone()];
            if fill_byte(bytes).is_some() {
                return Ok(Met::Fill);
            }
            let id = key.chunk_id(bytes);
            Ok::<_, RepositoryError>(self.view.locate_sound(id.as_bytes())?.map_or(Met::New, |_| Met::Known(id)))
        };
        let met = self.engine.pool().install(|| pieces.par_iter().map(meet).collect::<Result<_, _>>())?;
        Ok(met)
    }

    /// Looks the rows of several regions of a window up by their fingerprints. Returns those that may be found, in their order, each with the
    /// number of its region.
    pub(crate) fn candidates(
        &mut self,
        kind: &RowKind,
        window: &[u8],
        regions: &[&[Range<usize>]],
    ) -> Vec<(usize, Candidate)> {
        if regions.iter().all(|rows| rows.is_empty()) {
            return Vec::new();
        }
        if !self.kinds.contains_key(kind) {
            let index = self.read(kind);
            self.kinds.insert(kind.clone(), index);
        }
        let index = &self.kinds[kind];
        let look_up = |row: usize, range: &Range<usize>| {
            let fingerprint = self.fingerprint(&window[range.clone()]);
            let first = index.places.partition_point(|place| place.fingerprint < fingerprint);
            let place = index.places.get(first).filter(|place| place.fingerprint == fingerprint)?;
            Some(Candidate { row, bytes: range.len() as u32, chunk: place.chunk, source: place.start })
        };
        let regions = regions.par_iter().copied().enumerate();
        let candidates = regions.flat_map(|(region, rows): (usize, &[Range<usize>])| {
            let rows = rows.par_iter().enumerate().with_min_len(ROWS_TOGETHER_MIN);
            rows.filter_map(move |(row, range)| Some((region, look_up(row, range)?)))
        });
        self.engine.pool().install(|| candidates.collect())
    }

    /// Reads the chunks behind the first of these candidates, as many as are in memory at once. Returns them, and how many candidates that
    /// was.
    pub(crate) fn sources<'c>(
        &self,
        kind: &RowKind,
        candidates: impl Iterator<Item = &'c Candidate>,
    ) -> (Sources, usize) {
        let Some(index) = self.kinds.get(kind) else { return (Sources(HashMap::new()), candidates.count()) };
        let (mut ids, mut bytes, mut count) = (HashSet::new(), 0, 0);
        for candidate in candidates {
            if bytes >= COMPARED_BYTES {
                break;
            }
            let chunk = &index.chunks[candidate.chunk as usize];
            let is_missing = !self.kept.contains_key(&chunk.id) && ids.insert(chunk.id);
            bytes += if is_missing { chunk.bytes as usize } else { 0 };
            count += 1;
        }
        (Sources(self.fetch(&ids.into_iter().collect::<Vec<_>>())), count)
    }

    /// Compares candidates with their sources: a whole row must be the same, and of what follows it as much as is. Returns those that are,
    /// each with the number of its region, but for rows that lie in what follows another. `bytes_from` gives what begins with a row and
    /// ends with its region.
    pub(crate) fn compare<'w>(
        &self,
        kind: &RowKind,
        candidates: &[(usize, Candidate)],
        sources: &Sources,
        bytes_from: impl Fn(usize, usize) -> &'w [u8] + Sync,
    ) -> Vec<(usize, usize, FoundRow)> {
        let Some(index) = self.kinds.get(kind) else { return Vec::new() };
        let compare = |(number, block): (usize, &[(usize, Candidate)])| {
            let next = candidates.get((number + 1) * ROWS_COMPARED_TOGETHER);
            let mut found = Vec::new();
            // The region, and how much of it lies behind what was found last.
            let mut behind = (usize::MAX, 0);
            for (region, candidate) in block {
                let rest = bytes_from(*region, candidate.row);
                let end = next.filter(|(other, _)| other == region);
                let bytes = &rest[..rest.len() - end.map_or(0, |(region, end)| bytes_from(*region, end.row).len())];
                let is_within = behind.0 == *region && rest.len() - candidate.bytes as usize >= behind.1;
                if !is_within && let Some(row) = self.compare_one(index, candidate, sources, bytes) {
                    behind = (*region, rest.len() - row.bytes as usize);
                    found.push((*region, candidate.row, row));
                }
            }
            found
        };
        let blocks = candidates.par_chunks(ROWS_COMPARED_TOGETHER).enumerate();
        self.engine.pool().install(|| blocks.flat_map_iter(compare).collect())
    }

    fn compare_one(
        &self,
        index: &RowIndex,
        candidate: &Candidate,
        sources: &Sources,
        bytes: &[u8],
    ) -> Option<FoundRow> {
        let chunk = index.chunks[candidate.chunk as usize].id;
        let source = self.kept.get(&chunk).or_else(|| sources.0.get(&chunk))?.get(candidate.source as usize..)?;
        let same = common_prefix(source, bytes);
        let is_same = same >= candidate.bytes as usize;
        is_same.then_some(FoundRow { chunk, start: candidate.source, bytes: same as u32 })
    }

    fn fingerprint(&self, bytes: &[u8]) -> u64 {
        let fingerprint = xxh3_64_with_seed(bytes, self.seed);
        if self.bits == 64 { fingerprint } else { fingerprint & ((1 << self.bits) - 1) }
    }

    /// Reads chunks, as many of them as can be read: what cannot is not shared with.
    fn fetch(&self, ids: &[ChunkId]) -> HashMap<ChunkId, Bytes> {
        if ids.is_empty() {
            return HashMap::new();
        }
        fetch_chunks(self.engine, &self.chunks, ids).unwrap_or_else(|_| {
            let read = |id: &ChunkId| match self.chunks.chunk(id) {
                Ok(bytes) => Some((*id, bytes)),
                Err(error) => {
                    tracing::debug!(chunk = %id, %error, "rows are stored anew, because those like them cannot be read");
                    None
                }
            };
            ids.iter().filter_map(read).collect()
        })
    }

    /// Reads the rows of one kind out of all predecessors.
    fn read(&mut self, kind: &RowKind) -> RowIndex {
        let mut listing = Listing::new(self.places_left);
        for predecessor in &self.predecessors {
            predecessor.list(kind, (&self.nodes, &self.view), &mut listing);
        }
        let (rows, chunks) = listing.finish();
        let mut places = Vec::with_capacity(rows.len());
        let mut rest = &rows[..];
        while !rest.is_empty() {
            let (mut ids, mut bytes, mut count) = (Vec::new(), 0, 0);
            for rows in rest.chunk_by(|row, next| row.chunk == next.chunk) {
                if bytes >= FINGERPRINTED_BYTES {
                    break;
                }
                let chunk = &chunks[rows[0].chunk as usize];
                ids.push(chunk.id);
                bytes += chunk.bytes as usize;
                count += rows.len();
            }
            let (group, later) = rest.split_at(count);
            let read = self.fetch(&ids);
            places.extend(self.places(group, &chunks, &read));
            self.keep(read);
            rest = later;
        }
        // Of rows that are alike the first counts.
        let order = |place: &Place| (place.fingerprint, place.chunk, place.start);
        self.engine.pool().install(|| places.par_sort_unstable_by_key(order));
        places.dedup_by_key(|place| place.fingerprint);
        self.places_left = self.places_left.saturating_sub(places.len());
        RowIndex { places, chunks }
    }

    fn keep(&mut self, read: HashMap<ChunkId, Bytes>) {
        for (chunk, bytes) in read {
            if let Some(left) = self.kept_left.checked_sub(bytes.len())
                && !self.kept.contains_key(&chunk)
            {
                self.kept_left = left;
                self.kept.insert(chunk, bytes);
            }
        }
    }

    /// Fingerprints rows whose chunks were read.
    fn places(&self, rows: &[ListedRow], chunks: &[ListedChunk], read: &HashMap<ChunkId, Bytes>) -> Vec<Place> {
        let place = |row: &ListedRow| {
            let bytes = read.get(&chunks[row.chunk as usize].id)?.get(row.start as usize..)?;
            let fingerprint = self.fingerprint(bytes.get(..row.bytes as usize)?);
            Some(Place { fingerprint, chunk: row.chunk, start: row.start })
        };
        self.engine.pool().install(|| rows.par_iter().filter_map(place).collect())
    }
}

/// How many bytes the two begin with alike.
fn common_prefix(one: &[u8], other: &[u8]) -> usize {
    const STEP: usize = 64;
    let steps = one.chunks_exact(STEP).zip(other.chunks_exact(STEP)).take_while(|(one, other)| one == other).count();
    let same = steps * STEP;
    same + one[same..].iter().zip(&other[same..]).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_prefix_ends_at_the_first_byte_that_differs() {
        let one: Vec<u8> = (0..200).collect();
        for at in [0, 1, 63, 64, 65, 128, 199] {
            let mut other = one.clone();
            other[at] ^= 1;
            assert_eq!(common_prefix(&one, &other), at);
            assert_eq!(common_prefix(&one[..at], &one), at);
        }
        assert_eq!(common_prefix(&one, &one), 200);
    }
}
