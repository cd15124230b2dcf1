//! What look-ups are answered from without asking redb: a filter for what is new, loaded footers for what is known.
//!
//! Neither is believed further than the tables are. A location out of a loaded footer is given out only if its pack was in the last listing,
//! and to who stores only if the pack is sound; else the table is asked, which may know another place. Only look-ups for what may be relied on
//! take the shortcut: prune and repair want one place for each record, always the same, and a footer may list a second copy.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use redb::{ReadableTable, ReadableTableMetadata};

use super::{
    ChunkIndex,
    filter::IdFilter,
    neighbours::{Neighbour, Neighbours},
    reader::Tables,
    tables::{ChunkValue, PackValue, index_error},
};
use crate::{
    error::RepositoryError,
    format::{ids::PackId, pack::ids_in_footer},
};

/// How much memory look-ups may take besides redb's cache. Nothing is taken before it is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexMemory {
    /// For the filter, in bytes: at most 1.9 for each chunk. With more chunks than that is enough for it tells what is new less well, and
    /// below half a byte for each there is none.
    pub filter_bytes: usize,
    /// For loaded footers, in bytes: 96 for each chunk in them.
    pub neighbour_bytes: usize,
}

impl Default for IndexMemory {
    /// 192 MiB, enough for 10^8 chunks; 16 MiB, enough for the footers of 130 packs.
    fn default() -> Self {
        Self { filter_bytes: 192 << 20, neighbour_bytes: 16 << 20 }
    }
}

/// The filter, the loaded footers, and counts of what they could not answer.
#[derive(Debug)]
pub(super) struct Memory {
    filter: RwLock<Option<Arc<IdFilter>>>,
    filter_bytes_max: AtomicUsize,
    neighbours: Mutex<Neighbours>,
    table_look_ups: AtomicU64,
    /// Look-ups in the table that found nothing, since there was a filter last.
    in_vain: AtomicU64,
}

impl Memory {
    pub(super) fn new(limits: IndexMemory) -> Self {
        Self {
            filter: RwLock::default(),
            filter_bytes_max: AtomicUsize::new(limits.filter_bytes),
            neighbours: Mutex::new(Neighbours::new(limits.neighbour_bytes)),
            table_look_ups: AtomicU64::new(0),
            in_vain: AtomicU64::new(0),
        }
    }

    /// Whether the id is in no pack; `false` says nothing.
    pub(super) fn lacks(&self, id: &[u8; 32]) -> bool {
        self.filter.read().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|filter| filter.lacks(id))
    }

    /// The record as a loaded footer lists it.
    pub(super) fn neighbour(&self, id: &[u8; 32]) -> Option<ChunkValue> {
        self.neighbours().find(id)
    }

    /// Forgets everything: packs went.
    pub(super) fn clear(&self) {
        self.set_filter(None);
        self.neighbours().clear();
    }

    pub(super) fn filter(&self) -> Option<Arc<IdFilter>> {
        self.filter.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_filter(&self, filter: Option<Arc<IdFilter>>) {
        self.in_vain.store(0, Ordering::Relaxed);
        *self.filter.write().unwrap_or_else(PoisonError::into_inner) = filter;
    }

    fn neighbours(&self) -> MutexGuard<'_, Neighbours> {
        self.neighbours.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChunkIndex {
    /// Bounds the memory of look-ups. A filter that is larger goes, and comes back in the new bounds.
    pub fn limit_memory(&self, limits: IndexMemory) {
        self.memory.filter_bytes_max.store(limits.filter_bytes, Ordering::Relaxed);
        if self.memory.filter().is_some_and(|filter| filter.bytes() > limits.filter_bytes) {
            self.memory.set_filter(None);
        }
        self.memory.neighbours().limit(limits.neighbour_bytes);
    }

    /// How many look-ups for chunks were not answered from memory, since the index was opened.
    #[must_use]
    pub fn table_look_ups(&self) -> u64 {
        self.memory.table_look_ups.load(Ordering::Relaxed)
    }

    /// Looks a record up in the table.
    pub(super) fn ask_table(&self, tables: &Tables, id: &[u8; 32]) -> Result<Option<ChunkValue>, RepositoryError> {
        self.memory.table_look_ups.fetch_add(1, Ordering::Relaxed);
        let found = tables.chunks.get(id).map_err(index_error("looking up a chunk"))?;
        let found = found.map(|value| ChunkValue::decode(value.value()));
        if found.is_none() {
            let in_vain = self.memory.in_vain.fetch_add(1, Ordering::Relaxed) + 1;
            let ids = tables.chunks.len().map_err(index_error("counting"))?;
            // While packs are added or dropped, nobody waits for a filter: the next look-up in vain tries again.
            if IdFilter::is_worth(in_vain, ids)
                && let Ok(_turn) = self.turn.try_lock()
                && self.memory.filter().is_none()
            {
                self.build_filter();
            }
        }
        Ok(found)
    }

    /// Notes that a record was found in the table, and loads what lies beside it if enough was found there.
    pub(super) fn load_neighbours(&self, tables: &Tables, number: u32, pack: &PackId) {
        if !self.memory.neighbours().note(number) {
            return;
        }
        let footer = match tables.packs.get(pack.as_bytes()) {
            Ok(row) => row.and_then(|row| PackValue::decode(row.value()).filter(|row| row.number == number)?.footer()),
            Err(error) => return tracing::debug!(%error, %pack, "a footer is not loaded"),
        };
        // A row that is none of a pack has no neighbours; it is not asked for again for a while.
        let entries = footer.map_or_else(Vec::new, |footer| footer.entries);
        let records: Vec<Neighbour> =
            entries.iter().map(|entry| (entry.head.id, ChunkValue::new(number, entry))).collect();
        self.memory.neighbours().load(number, records);
    }

    /// Builds a new filter in the place of one that has become too small. The caller holds the turn.
    pub(super) fn renew_filter(&self) {
        if self.memory.filter().is_some_and(|filter| filter.is_full()) {
            self.build_filter();
        }
    }

    /// Builds the filter out of all footers. The caller holds the turn, so that no pack is added meanwhile. Without one everything is
    /// as it was, only slower.
    fn build_filter(&self) {
        let filter = self.filter_of_all().unwrap_or_else(|error| {
            tracing::debug!(%error, "look-ups go without a filter");
            None
        });
        self.memory.set_filter(filter.map(Arc::new));
    }

    /// `None` when it would not fit, or when a row cannot be told from damage: what such a row's pack holds could be taken for new.
    fn filter_of_all(&self) -> Result<Option<IdFilter>, RepositoryError> {
        let tables = self.tables()?;
        let action = index_error("reading the pack table");
        let ids = tables.chunks.len().map_err(index_error("counting"))?;
        let bytes_max = self.memory.filter_bytes_max.load(Ordering::Relaxed);
        let Some(filter) = IdFilter::with_room(ids, bytes_max) else { return Ok(None) };
        for row in tables.packs.iter().map_err(&action)? {
            let (_, value) = row.map_err(&action)?;
            let Some(ids) = PackValue::decode(value.value()).and_then(|pack| ids_in_footer(pack.footer).ok()) else {
                return Ok(None);
            };
            ids.for_each(|id| filter.insert(id));
        }
        Ok(Some(filter))
    }
}
