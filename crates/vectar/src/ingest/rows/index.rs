//! The rows of the predecessors by their fingerprints, kind by kind, read when the first of a kind is looked for.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use vectar_chunk::ChunkId;
use vectar_qdrant::{
    BodyLabel, BodyPath, BodySize, Classifier,
    storage::{Owner, SnapshotFiles, StorageFiles, ValuePlaces},
};
use vectar_repository::{
    BackupId, ChunkReader, Placed, RecipeWalker,
    format::{node::RecipeItem, record::BackupRecord},
    index::IndexReader,
};
use vectar_tar::{Catalogue, CatalogueRow, RowRole};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{
    predecessor::of_segment,
    units::{RowKind, Unit, Units},
};
use crate::{content::Content, engine::Engine, error::Error, ingest::read_small};

/// Decoded chunks of predecessors that are kept, in bytes: rows that lay side by side mostly still do.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Memory for the places of rows, in bytes, at sixteen each. What does not fit is not found.
const PLACES_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Where a row of a predecessor lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    fingerprint: u64,
    /// Which chunk, by its number in the index.
    chunk: u32,
    start: u32,
}

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
    chunks: Vec<ChunkId>,
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
    reader: ChunkReader<'e>,
    view: IndexReader<'e>,
    /// Guards fingerprints against data that was made to collide; they are never stored.
    seed: u64,
    /// How many bits of a fingerprint count. Fewer than 64 only in tests.
    bits: u32,
    places_left: usize,
}

impl std::fmt::Debug for RowIndexes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowIndexes").field("kinds", &self.kinds.len()).finish_non_exhaustive()
    }
}

/// An earlier backup, listed.
struct Predecessor<'e> {
    content: Content<'e>,
    record: BackupRecord,
    catalogue: Catalogue,
    classifier: Classifier,
}

impl<'e> RowIndexes<'e> {
    /// Opens the predecessors. One that cannot be read is left out.
    pub(crate) fn open(
        engine: &'e Engine,
        (records, known): (&[&BackupRecord], &'e [BackupRecord]),
        (seed, bits): (u64, u32),
        budget_bytes: Option<usize>,
    ) -> Result<Self, Error> {
        let places_bytes = budget_bytes.unwrap_or(PLACES_BYTES_MAX);
        let mut indexes = Self {
            engine,
            known,
            met: None,
            predecessors: Vec::new(),
            unreadable: HashSet::new(),
            kinds: HashMap::new(),
            reader: ChunkReader::new(engine.repository(), CACHE_BYTES.min(places_bytes)),
            view: engine.repository().index().reader()?,
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

    /// Whether a chunk is stored already, so that its rows need not be looked for.
    pub(crate) fn is_known(&self, chunk: &[u8]) -> Result<bool, Error> {
        let id = self.reader.repository().id_key().chunk_id(chunk);
        Ok(self.view.locate_sound(id.as_bytes())?.is_some())
    }

    /// Looks a row up: the first `unit_bytes` of `bytes` must be the same, what follows may be.
    pub(crate) fn find(&mut self, kind: &RowKind, bytes: &[u8], unit_bytes: u32) -> Option<FoundRow> {
        if !self.kinds.contains_key(kind) {
            let index = self.read(kind);
            self.kinds.insert(kind.clone(), index);
        }
        let index = &self.kinds[kind];
        let fingerprint = self.fingerprint(bytes.get(..unit_bytes as usize)?);
        let first = index.places.partition_point(|place| place.fingerprint < fingerprint);
        let place = index.places.get(first).filter(|place| place.fingerprint == fingerprint)?;
        let chunk = index.chunks[place.chunk as usize];
        let source: Bytes = match self.reader.chunk(&chunk) {
            Ok(source) => source,
            Err(error) => {
                tracing::debug!(%chunk, %error, "a row is stored anew, because the one like it cannot be read");
                return None;
            }
        };
        let same =
            source.get(place.start as usize..)?.iter().zip(bytes).take_while(|(one, other)| one == other).count();
        (same >= unit_bytes as usize).then_some(FoundRow { chunk, start: place.start, bytes: same as u32 })
    }

    fn fingerprint(&self, bytes: &[u8]) -> u64 {
        let fingerprint = xxh3_64_with_seed(bytes, self.seed);
        if self.bits == 64 { fingerprint } else { fingerprint & ((1 << self.bits) - 1) }
    }

    /// Reads the rows of one kind out of all predecessors.
    fn read(&mut self, kind: &RowKind) -> RowIndex {
        let mut index = RowIndex::default();
        let predecessors = std::mem::take(&mut self.predecessors);
        for predecessor in &predecessors {
            for (row, label) in predecessor.bodies(kind) {
                if let Err(error) = self.read_body(predecessor, row, &label, &mut index) {
                    tracing::warn!(path = %row.head.path, %error, "rows of an earlier backup cannot be read and are not shared with");
                }
            }
        }
        self.predecessors = predecessors;
        index.places.sort_by_key(|place| place.fingerprint);
        index.places.dedup_by_key(|place| place.fingerprint);
        self.places_left = self.places_left.saturating_sub(index.places.len());
        index
    }

    /// Adds the rows of one body: those that lie in one piece of one chunk.
    fn read_body(
        &self,
        predecessor: &Predecessor<'_>,
        row: &CatalogueRow,
        label: &BodyLabel,
        index: &mut RowIndex,
    ) -> Result<(), Error> {
        let values = predecessor.values(row, label)?;
        let sparse = row.head.entry().and_then(|entry| entry.sparse.as_deref());
        let Some(mut units) = Units::of(label, sparse, row.len, values.as_ref()) else { return Ok(()) };
        let (begin, end) = (row.head.offset, row.head.offset + row.len);
        let record = &predecessor.record;
        for placed in RecipeWalker::new(&self.reader, &record.root, record.bytes, begin)? {
            let Placed { offset, extent } = placed?;
            if offset >= end || index.places.len() >= self.places_left {
                break;
            }
            let RecipeItem::Copy { chunk, start, len } = extent else { continue };
            // The piece within the body; the first one may begin before it.
            let within = offset.saturating_sub(begin)..(offset + u64::from(len)).min(end) - begin;
            self.read_piece(&mut units, (chunk, start, (offset, begin)), within, index)?;
        }
        Ok(())
    }

    fn read_piece(
        &self,
        units: &mut Units,
        (chunk, start, (offset, begin)): (ChunkId, u32, (u64, u64)),
        within: std::ops::Range<u64>,
        index: &mut RowIndex,
    ) -> Result<(), Error> {
        // What lies in a pack that is going away must not be relied on.
        if self.view.locate_sound(chunk.as_bytes())?.is_none() {
            return Ok(());
        }
        let mut bytes: Option<Bytes> = None;
        while let Some(Unit { start: unit, bytes: len }) = units.next_within(within.start, within.end) {
            let bytes = match &mut bytes {
                Some(bytes) => bytes,
                None => {
                    index.chunks.push(chunk);
                    bytes.insert(self.reader.chunk(&chunk)?)
                }
            };
            let at = u64::from(start) + (begin + unit - offset);
            let Some(unit) = bytes.get(at as usize..at as usize + len as usize) else { continue };
            index.places.push(Place {
                fingerprint: self.fingerprint(unit),
                chunk: (index.chunks.len() - 1) as u32,
                start: at as u32,
            });
        }
        Ok(())
    }
}

impl<'e> Predecessor<'e> {
    /// Lists an earlier backup; `None`, with a warning, when it cannot be read.
    fn open(engine: &'e Engine, record: &BackupRecord) -> Option<Self> {
        let content = Content::backup(engine, record);
        let listed = content.catalogue().inspect_err(|error| {
            tracing::warn!(backup = %record.id, %error, "nothing is shared with a backup that cannot be read");
        });
        let catalogue = listed.ok()?;
        let mut classifier = Classifier::new();
        classifier.learn_catalogue(&catalogue, |row| read_small(&content, row));
        Some(Self { content, record: record.clone(), catalogue, classifier })
    }
}

impl Predecessor<'_> {
    /// The bodies that hold rows of a kind.
    fn bodies(&self, kind: &RowKind) -> Vec<(&CatalogueRow, BodyLabel)> {
        let leaves = self.catalogue.rows.iter().filter(|row| row.role == RowRole::Leaf { complete: true });
        let labelled = leaves
            .map(|row| (row, self.classifier.label(&BodyPath::from(&row.head.path), BodySize::declared(&row.head))));
        labelled.filter(|(_, label)| RowKind::of(label).is_some_and(|other| kind.may_equal(&other))).collect()
    }

    /// Where the values of a page lie; `None` for a body that is no page.
    fn values(&self, row: &CatalogueRow, label: &BodyLabel) -> Result<Option<ValuePlaces>, Error> {
        let Some(path) = RowKind::tracker_path(label) else { return Ok(None) };
        let files = SnapshotFiles::new(&self.content, &self.catalogue);
        let identity = &label.identity;
        let owner = Owner {
            collection_file: identity.collection_file.clone(),
            shard: identity.shard,
            segment: identity.segment.clone(),
        };
        let files = files.files(&owner);
        let tracker = files.open(&path).map(ValuePlaces::read).transpose();
        tracker.map_err(|source| self.content.stored_failed(row.head.path.to_string(), source))
    }
}
