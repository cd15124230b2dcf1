//! Which rows the predecessors hold, and in which chunks: known without reading any of them.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use vectar_chunk::ChunkId;
use vectar_qdrant::{
    BodyLabel, BodyPath, BodySize, Classifier,
    storage::{Owner, SnapshotFiles, StorageFiles, ValuePlaces},
};
use vectar_repository::{
    ChunkReader, Placed, RecipeWalker, RepositoryError,
    format::{node::RecipeItem, record::BackupRecord},
    index::IndexReader,
};
use vectar_tar::{Catalogue, CatalogueRow, RowRole};

use super::units::{RowKind, Unit, Units};
use crate::{content::Content, engine::Engine, error::Error, ingest::read_small};

/// A row of a predecessor that lies in one piece of one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ListedRow {
    /// Which chunk, by its number in the listing.
    pub(super) chunk: u32,
    pub(super) start: u32,
    pub(super) bytes: u32,
}

/// Chunks of which predecessors use less than one in so many bytes are candidates for being left alone: what lies in them is stored anew, side by
/// side. Else every generation would leave the rows that live on in more chunks, and each restore read more that it does not need.
const USED_ONE_IN: u64 = 2;

/// The emptiest of them are left alone until all chunks together hold at most so many percent of what is used, and so many bytes more: a little
/// waste costs less than new rows.
const HELD_PERCENT_MAX: u64 = 120;
const HELD_BYTES_MORE: u64 = 256 * 1024;

/// A chunk that rows lie in.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListedChunk {
    pub(super) id: ChunkId,
    /// Its length, as the pack says.
    pub(super) bytes: u32,
}

/// The rows of one kind. Most of those of one predecessor are those of the other.
#[derive(Debug)]
pub(super) struct Listing {
    rows: Vec<ListedRow>,
    rows_max: usize,
    chunks: Vec<ListedChunk>,
    /// The number of each chunk; `None` for one that must not be relied on.
    numbers: HashMap<ChunkId, Option<u32>>,
    /// How much of each chunk is used.
    used: Vec<Used>,
    /// Whether there was no room for all rows, so that more is used than was seen.
    is_cut_short: bool,
}

/// How much of a chunk is used.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    /// By the predecessor that is being listed, in bytes.
    now: u64,
    /// By the one that uses most of it.
    most: u64,
}

/// An earlier backup, listed.
pub(super) struct Predecessor<'e> {
    content: Content<'e>,
    record: BackupRecord,
    catalogue: Catalogue,
    classifier: Classifier,
}

impl Listing {
    pub(super) fn new(rows_max: usize) -> Self {
        Self {
            rows: Vec::new(),
            rows_max,
            chunks: Vec::new(),
            numbers: HashMap::new(),
            used: Vec::new(),
            is_cut_short: false,
        }
    }

    /// The rows that are shared with, each once and by their places, and the chunks by their numbers.
    pub(super) fn finish(mut self) -> (Vec<ListedRow>, Vec<ListedChunk>) {
        self.sort();
        let left_alone = if self.is_cut_short { HashSet::new() } else { self.emptiest() };
        self.rows.retain(|row| !left_alone.contains(&row.chunk));
        (self.rows, self.chunks)
    }

    /// The chunks that are left alone, by their numbers.
    fn emptiest(&self) -> HashSet<u32> {
        let chunks =
            || self.chunks.iter().map(|chunk| u64::from(chunk.bytes)).zip(self.used.iter().map(|used| used.most));
        let (mut held, mut used) = chunks().fold((0, 0), |(held, all), (bytes, used)| (held + bytes, all + used));
        let mut emptiest: Vec<(u32, (u64, u64))> =
            (0..).zip(chunks()).filter(|(_, (bytes, used))| used * USED_ONE_IN < *bytes).collect();
        emptiest.sort_unstable_by_key(|(number, (bytes, used))| (used * 1000 / bytes, *number));
        let mut left_alone = HashSet::new();
        for (number, (bytes_of, used_of)) in emptiest {
            if held <= used * HELD_PERCENT_MAX / 100 + HELD_BYTES_MORE {
                break;
            }
            held -= bytes_of;
            used -= used_of;
            left_alone.insert(number);
        }
        left_alone
    }

    /// Notes that the predecessor at hand uses so many bytes of a chunk.
    fn note_used(&mut self, number: u32, bytes: u32) {
        self.used[number as usize].now += u64::from(bytes);
    }

    fn end_predecessor(&mut self) {
        for used in &mut self.used {
            used.most = used.most.max(std::mem::take(&mut used.now));
        }
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= self.rows_max
    }

    /// Whether there is no more room, not even when rows that came twice are given up.
    fn is_full_for_good(&mut self) -> bool {
        if self.is_full() {
            self.sort();
            self.is_cut_short |= self.is_full();
        }
        self.is_full()
    }

    fn sort(&mut self) {
        self.rows.sort_unstable();
        self.rows.dedup();
    }

    /// The number of a chunk. What lies in a pack that is going away must not be relied on and has none.
    fn number(&mut self, chunk: ChunkId, view: &IndexReader<'_>) -> Result<Option<u32>, RepositoryError> {
        let vacant = match self.numbers.entry(chunk) {
            Entry::Occupied(known) => return Ok(*known.get()),
            Entry::Vacant(vacant) => vacant,
        };
        let location = view.locate_sound(chunk.as_bytes())?;
        let number = location.and_then(|_| u32::try_from(self.chunks.len()).ok());
        if let Some(location) = location {
            self.chunks.push(ListedChunk { id: chunk, bytes: location.raw_len });
            self.used.push(Used::default());
        }
        Ok(*vacant.insert(number))
    }
}

impl<'e> Predecessor<'e> {
    /// Lists an earlier backup; `None`, with a warning, when it cannot be read.
    pub(super) fn open(engine: &'e Engine, record: &BackupRecord) -> Option<Self> {
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
    /// Adds the rows of one kind.
    pub(super) fn list(&self, kind: &RowKind, repository: (&ChunkReader<'_>, &IndexReader<'_>), listing: &mut Listing) {
        for (row, label) in self.bodies(kind) {
            if listing.is_full_for_good() {
                break;
            }
            if let Err(error) = self.list_body(row, &label, repository, listing) {
                tracing::warn!(path = %row.head.path, %error, "rows of an earlier backup cannot be read and are not shared with");
            }
        }
        listing.end_predecessor();
    }

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

    fn list_body(
        &self,
        row: &CatalogueRow,
        label: &BodyLabel,
        (reader, view): (&ChunkReader<'_>, &IndexReader<'_>),
        listing: &mut Listing,
    ) -> Result<(), Error> {
        let values = self.values(row, label)?;
        let sparse = row.head.entry().and_then(|entry| entry.sparse.as_deref());
        let Some(mut units) = Units::of(label, sparse, row.len, values.as_ref()) else { return Ok(()) };
        let (begin, end) = (row.head.offset, row.head.offset + row.len);
        for placed in RecipeWalker::new(reader, &self.record.root, self.record.bytes, begin)? {
            let Placed { offset, extent } = placed?;
            if offset >= end {
                break;
            }
            if listing.is_full() {
                listing.is_cut_short = true;
                break;
            }
            let RecipeItem::Copy { chunk, start, len } = extent else { continue };
            // The piece within the body; the first one may begin before it.
            let within = offset.saturating_sub(begin)..(offset + u64::from(len)).min(end) - begin;
            let Some(chunk) = listing.number(chunk, view)? else { continue };
            listing.note_used(chunk, len);
            while let Some(Unit { start: unit, bytes }) = units.next_within(within.start, within.end) {
                if let Ok(start) = u32::try_from(u64::from(start) + (begin + unit - offset)) {
                    listing.rows.push(ListedRow { chunk, start, bytes });
                }
            }
        }
        Ok(())
    }
}
