//! Look-ups in the tables as they were committed last.
//!
//! A view remembers up to which pack it may see, and nothing of redb: a transaction that stays open for an ingest of hours would keep
//! every page that is replaced meanwhile, and the file would grow by a multiple of what is added. Packs are numbered in the order in which
//! they were added, and of two sound copies of a record the first stays in sight, so that a view goes on finding every chunk that it found, whatever
//! is added beside it. Packs that go, or are marked, go from all views at once. Of a body the newest entry counts, since what heals a backup
//! may rebuild a body otherwise; a view from before then no longer finds that body, which is cut again and costs no space.

use std::sync::{Arc, PoisonError};

use redb::{ReadOnlyTable, ReadableDatabase, ReadableTable};
use vectar_chunk::{BodyDigest, NodeId};

use super::{
    ChunkIndex, ChunkLocation,
    tables::{self, BODY_VALUE_BYTES, ChunkValue, index_error},
};
use crate::{
    error::RepositoryError,
    format::{ids::PackId, pack::BodyEntry},
};

/// The tables that are asked again and again, as they were when they were opened.
pub(super) struct Tables {
    pub(super) packs: ReadOnlyTable<&'static [u8; 32], &'static [u8]>,
    pub(super) chunks: ReadOnlyTable<&'static [u8; 32], &'static [u8; ChunkValue::BYTES]>,
    bodies: ReadOnlyTable<&'static [u8; 32], &'static [u8; BODY_VALUE_BYTES]>,
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tables").finish_non_exhaustive()
    }
}

impl ChunkIndex {
    /// Finds a chunk, node or row directory by its id, in whatever pack is known by now.
    ///
    /// # Errors
    /// [`RepositoryError::Index`].
    pub fn locate(&self, id: &[u8; 32]) -> Result<Option<ChunkLocation>, RepositoryError> {
        self.latest().locate(id)
    }

    /// Takes a view for many look-ups: of the packs that are known now.
    ///
    /// # Errors
    /// [`RepositoryError::Index`].
    pub fn reader(&self) -> Result<IndexReader<'_>, RepositoryError> {
        let next_number = self.known().next_number;
        // What cannot be opened is told here and not at the thousandth look-up.
        self.tables().map(|_| IndexReader { index: self, next_number })
    }

    /// A view that also sees what is added later.
    pub(crate) fn latest(&self) -> IndexReader<'_> {
        IndexReader { index: self, next_number: u32::MAX }
    }

    /// Tells that a transaction was committed: who looks from now on opens the tables anew.
    pub(super) fn tables_changed(&self) {
        *self.tables.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn tables(&self) -> Result<Arc<Tables>, RepositoryError> {
        if let Some(tables) = &*self.tables.read().unwrap_or_else(PoisonError::into_inner) {
            return Ok(Arc::clone(tables));
        }
        let mut place = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(tables) = &*place {
            return Ok(Arc::clone(tables));
        }
        let transaction = self.database.begin_read().map_err(index_error("opening a view"))?;
        let packs = transaction.open_table(tables::PACKS).map_err(index_error("opening the pack table"))?;
        let chunks = transaction.open_table(tables::CHUNKS).map_err(index_error("opening the chunk table"))?;
        let bodies = transaction.open_table(tables::BODIES).map_err(index_error("opening the body table"))?;
        Ok(Arc::clone(place.insert(Arc::new(Tables { packs, chunks, bodies }))))
    }
}

/// A view of the index, for many look-ups. It sees the packs that were known when it was taken, as far as they are still there.
#[derive(Debug, Clone, Copy)]
pub struct IndexReader<'i> {
    index: &'i ChunkIndex,
    /// Packs from this number on came later.
    next_number: u32,
}

impl IndexReader<'_> {
    /// Finds a chunk, node or row directory in a pack that is there.
    ///
    /// # Errors
    /// [`RepositoryError::Index`].
    pub fn locate(&self, id: &[u8; 32]) -> Result<Option<ChunkLocation>, RepositoryError> {
        if self.index.memory.lacks(id) {
            return Ok(None);
        }
        let found = self.index.ask_table(&*self.index.tables()?, id)?;
        Ok(found.and_then(|value| self.place_of(&value)))
    }

    /// As [`locate`](Self::locate), but only in a pack that a new backup may rely on: neither condemned nor quarantined. Where several are,
    /// it may be any of them.
    ///
    /// # Errors
    /// [`RepositoryError::Index`].
    pub fn locate_sound(&self, id: &[u8; 32]) -> Result<Option<ChunkLocation>, RepositoryError> {
        if self.index.memory.lacks(id) {
            return Ok(None);
        }
        let beside = self.index.memory.neighbour(id).and_then(|value| self.sound_place_of(&value));
        if beside.is_some() {
            return Ok(beside);
        }
        let tables = self.index.tables()?;
        let Some(value) = self.index.ask_table(&tables, id)? else { return Ok(None) };
        let found = self.sound_place_of(&value);
        if let Some(location) = &found {
            self.index.load_neighbours(&tables, value.pack_number, &location.pack);
        }
        Ok(found)
    }

    fn place_of(&self, value: &ChunkValue) -> Option<ChunkLocation> {
        (value.pack_number < self.next_number).then(|| value.location(&self.index.known()))?
    }

    fn sound_place_of(&self, value: &ChunkValue) -> Option<ChunkLocation> {
        self.place_of(value).filter(|location| self.is_sound(&location.pack))
    }

    /// Whether a new backup may rely on a pack: it is neither condemned nor quarantined.
    pub(crate) fn is_sound(&self, pack: &PackId) -> bool {
        !self.index.known().unsound.contains(pack)
    }

    /// Finds the node that rebuilds a body with this digest. Whoever uses it first resolves everything behind it.
    ///
    /// # Errors
    /// [`RepositoryError::Index`].
    pub fn body(&self, digest: &BodyDigest) -> Result<Option<(NodeId, u64)>, RepositoryError> {
        let tables = self.index.tables()?;
        let found = tables.bodies.get(digest.as_bytes()).map_err(index_error("looking up a body"))?;
        let found = found.map(|value| tables::decode_body(value.value()));
        Ok(found.filter(|(_, _, number)| *number < self.next_number).map(|(node, len, _)| (node, len)))
    }

    /// Hands over every body whose node is known to the caller.
    ///
    /// # Errors
    /// [`RepositoryError::Index`].
    pub fn bodies_of(&self, is_wanted: impl Fn(&NodeId) -> bool) -> Result<Vec<BodyEntry>, RepositoryError> {
        let action = index_error("reading the body table");
        let tables = self.index.tables()?;
        let mut bodies = Vec::new();
        for row in tables.bodies.iter().map_err(&action)? {
            let (key, value) = row.map_err(&action)?;
            let (node, len, number) = tables::decode_body(value.value());
            if number < self.next_number && is_wanted(&node) {
                bodies.push(BodyEntry { digest: BodyDigest::from_bytes(*key.value()), node, len });
            }
        }
        Ok(bodies)
    }
}
