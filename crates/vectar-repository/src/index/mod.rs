//! The chunk index: where each chunk lies. A cache in redb, derived from pack footers and from nothing else.
//!
//! - Delete the file and nothing is lost: [`ChunkIndex::catch_up`] lists the packs and reads their footers again.
//! - It is never believed without a footer behind it: a location is given out only for a pack that the last listing
//!   showed, and the reader compares the record it finds there with what was asked for.
//! - It holds footers verbatim, so packs can go and come without reading the others again.
//! - Several processes on one machine each take the first free of [`INDEX_SLOTS`] files, and memory when none is free.

mod adding;
mod catch_up;
mod filter;
mod memory;
mod neighbours;
mod place;
mod reader;
mod tables;

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata};

pub(crate) use adding::Flush;
pub use catch_up::{CatchUpStats, read_footer};
pub(crate) use catch_up::{Present, list_packs, list_present};
pub use memory::IndexMemory;
pub use place::{INDEX_SLOTS, IndexPlace, remove_files};
pub use reader::IndexReader;

use crate::{
    error::RepositoryError,
    format::{
        ids::{PackId, RepositoryId},
        pack::{FooterEntry, PackFooter, RecordKind},
    },
};
use memory::Memory;
use reader::Tables;
use tables::{PackValue, index_error};

/// Records in one pack closer than this are read in one request: reading the gap is cheaper than asking twice. A network share answers in
/// about the time in which it delivers so much; rows that moved lie in chunks with gaps all over, and longer ones would double what is read.
pub(crate) const GAP_BYTES_MAX: u64 = 64 * 1024;

/// Where one chunk, node or row directory lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkLocation {
    /// The pack.
    pub pack: PackId,
    /// Chunk, node or row directory.
    pub kind: RecordKind,
    /// The codec, as recorded.
    pub codec: u8,
    /// Offset of the record's head in the pack.
    pub offset: u32,
    /// Bytes behind the head.
    pub stored_len: u32,
    /// Bytes after decoding.
    pub raw_len: u32,
}

impl ChunkLocation {
    /// The bytes of the whole record in the pack, end exclusive.
    #[must_use]
    pub fn record_range(&self) -> std::ops::Range<u64> {
        let start = u64::from(self.offset);
        start..start + crate::format::pack::RECORD_HEAD_BYTES + u64::from(self.stored_len)
    }

    /// Where a record lies that a footer lists.
    pub(crate) fn of(pack: PackId, entry: &FooterEntry) -> Self {
        let FooterEntry { head, offset } = entry;
        let (stored_len, raw_len) = (head.stored_len, head.raw_len);
        Self { pack, kind: head.kind, codec: head.codec, offset: *offset, stored_len, raw_len }
    }

    /// Whether `next` begins where this record ends.
    pub(crate) fn is_adjacent(&self, next: &Self) -> bool {
        self.record_range().end == u64::from(next.offset)
    }

    /// Whether reading the gap up to `next`, which lies behind in the same pack, is cheaper than asking twice.
    pub(crate) fn is_near(&self, next: &Self) -> bool {
        u64::from(next.offset).saturating_sub(self.record_range().end) <= GAP_BYTES_MAX
    }
}

/// The chunk index of one repository. Shared by reference between threads.
#[derive(Debug)]
pub struct ChunkIndex {
    database: Database,
    place: IndexPlace,
    packs: RwLock<KnownPacks>,
    /// The tables as they were committed last; `None` until somebody looks.
    tables: RwLock<Option<Arc<Tables>>>,
    memory: Memory,
    /// Held while packs are added or dropped: what is known must follow what the tables hold.
    turn: Mutex<()>,
}

/// What the last listing showed, and packs that were added since.
#[derive(Debug, Default)]
struct KnownPacks {
    by_number: HashMap<u32, PackId>,
    /// One more than the highest number so far.
    next_number: u32,
    /// Condemned or quarantined: still read from, no longer relied on by new backups.
    unsound: HashSet<PackId>,
}

impl KnownPacks {
    fn new(by_number: HashMap<u32, PackId>, unsound: HashSet<PackId>) -> Self {
        let next_number = by_number.keys().max().map_or(0, |number| number + 1);
        Self { by_number, next_number, unsound }
    }

    fn extend(&mut self, added: Vec<(u32, PackId)>) {
        for (number, pack) in added {
            self.next_number = self.next_number.max(number + 1);
            self.by_number.insert(number, pack);
        }
    }
}

impl ChunkIndex {
    /// Opens the index of `repository` in `directory`, or one in memory when there is no directory.
    ///
    /// A file that is damaged, of another repository or of another version is replaced by an empty one. The index knows
    /// nothing until [`catch_up`](Self::catch_up).
    ///
    /// # Errors
    /// [`RepositoryError::Index`] only when not even an index in memory can be made.
    pub fn open(directory: Option<&Path>, repository: RepositoryId) -> Result<Self, RepositoryError> {
        let (database, place) = place::open(directory, repository)?;
        let memory = Memory::new(IndexMemory::default());
        let (packs, tables, turn) = (RwLock::default(), RwLock::default(), Mutex::default());
        Ok(Self { database, place, packs, tables, memory, turn })
    }

    /// Where the index lies.
    #[must_use]
    pub fn place(&self) -> &IndexPlace {
        &self.place
    }

    /// Adds packs that lie under their names, in one transaction: their names and lengths, their footers decoded and verbatim.
    ///
    /// # Errors
    /// [`RepositoryError::Index`]; the index then lacks them until the next catch-up.
    pub(crate) fn add_packs<'a>(
        &self,
        packs: impl IntoIterator<Item = (PackId, u64, &'a PackFooter, &'a [u8])>,
        flush: Flush,
    ) -> Result<(), RepositoryError> {
        let _turn = self.take_turn();
        let mut adding = adding::Adding::begin(self, flush)?;
        for (id, object_len, footer, verbatim) in packs {
            adding.add((id, object_len), footer, verbatim)?;
        }
        adding.commit()
    }

    /// Packs that the last catch-up saw, and those that were added since.
    #[must_use]
    pub fn pack_ids(&self) -> HashSet<PackId> {
        self.known().by_number.values().copied().collect()
    }

    /// The footer of a pack, as kept verbatim.
    ///
    /// # Errors
    /// [`RepositoryError::Index`]; [`RepositoryError::RecipeInvalid`] never.
    pub fn footer(&self, pack: &PackId) -> Result<Option<PackFooter>, RepositoryError> {
        let transaction = self.database.begin_read().map_err(index_error("opening a view"))?;
        let table = transaction.open_table(tables::PACKS).map_err(index_error("opening the pack table"))?;
        let found = table.get(pack.as_bytes()).map_err(index_error("reading the pack table"))?;
        Ok(found.and_then(|value| PackValue::decode(value.value())?.footer()))
    }

    /// Hands over every pack that is there: its name, its length, its footer.
    ///
    /// # Errors
    /// [`RepositoryError::Index`], and what `take` returns.
    pub(crate) fn for_each_pack(
        &self,
        mut take: impl FnMut(PackId, u64, PackFooter) -> Result<(), RepositoryError>,
    ) -> Result<(), RepositoryError> {
        let present = self.pack_ids();
        let action = index_error("reading the pack table");
        let transaction = self.database.begin_read().map_err(index_error("opening a view"))?;
        let table = transaction.open_table(tables::PACKS).map_err(index_error("opening the pack table"))?;
        for row in table.iter().map_err(&action)? {
            let (key, value) = row.map_err(&action)?;
            let id = tables::pack_id(key.value());
            let decoded = PackValue::decode(value.value()).and_then(|pack| Some((pack.object_len, pack.footer()?)));
            if let Some((object_len, footer)) = decoded.filter(|_| present.contains(&id)) {
                take(id, object_len, footer)?;
            }
        }
        Ok(())
    }

    /// Every place of these records, of which [`locate`](Self::locate) gives out one. Reads all footers: it is for when that one is
    /// damaged.
    ///
    /// # Errors
    /// [`RepositoryError::Index`].
    pub(crate) fn copies_of(
        &self,
        is_wanted: impl Fn(&[u8; 32]) -> bool,
    ) -> Result<HashMap<[u8; 32], Vec<ChunkLocation>>, RepositoryError> {
        let mut copies: HashMap<[u8; 32], Vec<ChunkLocation>> = HashMap::new();
        self.for_each_pack(|pack, _, footer| {
            for entry in footer.entries.iter().filter(|entry| is_wanted(&entry.head.id)) {
                copies.entry(entry.head.id).or_default().push(ChunkLocation::of(pack, entry));
            }
            Ok(())
        })?;
        Ok(copies)
    }

    /// The length of a pack when its footer was read.
    ///
    /// # Errors
    /// [`RepositoryError::Index`].
    pub fn pack_len(&self, pack: &PackId) -> Result<Option<u64>, RepositoryError> {
        let transaction = self.database.begin_read().map_err(index_error("opening a view"))?;
        let table = transaction.open_table(tables::PACKS).map_err(index_error("opening the pack table"))?;
        let found = table.get(pack.as_bytes()).map_err(index_error("reading the pack table"))?;
        Ok(found.and_then(|value| Some(PackValue::decode(value.value())?.object_len)))
    }

    /// How many chunks, nodes and packs are known.
    ///
    /// # Errors
    /// [`RepositoryError::Index`].
    pub fn counts(&self) -> Result<IndexCounts, RepositoryError> {
        let transaction = self.database.begin_read().map_err(index_error("opening a view"))?;
        let chunks = transaction.open_table(tables::CHUNKS).map_err(index_error("opening the chunk table"))?;
        let bodies = transaction.open_table(tables::BODIES).map_err(index_error("opening the body table"))?;
        let count = index_error("counting");
        Ok(IndexCounts {
            packs: self.known().by_number.len() as u64,
            records: chunks.len().map_err(&count)?,
            bodies: bodies.len().map_err(&count)?,
        })
    }

    fn take_turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> std::sync::RwLockReadGuard<'_, KnownPacks> {
        self.packs.read().expect("no thread panics while it holds this lock")
    }

    fn known_mut(&self) -> std::sync::RwLockWriteGuard<'_, KnownPacks> {
        self.packs.write().expect("no thread panics while it holds this lock")
    }
}

/// How much an index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexCounts {
    /// Packs.
    pub packs: u64,
    /// Chunks, nodes and row directories.
    pub records: u64,
    /// Body digests.
    pub bodies: u64,
}
