//! One segment as a whole: its ids, and what it stores of each point.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use super::file::StorageFiles;
use super::id_tracker::IdTracker;
use super::payload::{PayloadReader, PayloadStorage, StoredPayload};
use super::vectors::{Vector, VectorReader, VectorStorage};
use crate::error::QdrantError;
use crate::json::SMALL_JSON_BYTES_MAX;
use crate::segment::SegmentState;

/// A segment whose state and ids can be read.
pub struct Segment<'f> {
    files: &'f dyn StorageFiles,
    state: SegmentState,
    tracker: IdTracker<'f>,
}

impl fmt::Debug for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment").field("state", &self.state).field("tracker", &self.tracker).finish_non_exhaustive()
    }
}

/// What is wanted of each point besides its id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The payload.
    pub payload: bool,
    /// Vectors.
    pub vectors: WantedVectors,
}

/// Which vectors are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WantedVectors {
    /// None.
    #[default]
    None,
    /// These; names that a segment does not have are no error.
    Named(BTreeSet<String>),
    /// All.
    All,
}

impl WantedVectors {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::None => false,
            Self::Named(names) => names.contains(name),
            Self::All => true,
        }
    }
}

impl<'f> Segment<'f> {
    /// Reads state and ids of the segment that has these files.
    ///
    /// # Errors
    /// `segment.json` is missing or is no JSON object, or the ids cannot be read.
    pub fn open(files: &'f dyn StorageFiles) -> Result<Self, QdrantError> {
        let path = "segment.json";
        let file = files.open(path).ok_or_else(|| QdrantError::FileMissing { path: path.to_owned() })?;
        let state = SegmentState::read(&file.read_all(SMALL_JSON_BYTES_MAX)?)?.value;
        let tracker = IdTracker::open(files, state.is_appendable())?;
        Ok(Self { files, state, tracker })
    }

    /// `segment.json`.
    pub fn state(&self) -> &SegmentState {
        &self.state
    }

    /// Its ids.
    pub fn tracker(&self) -> &IdTracker<'f> {
        &self.tracker
    }

    /// Opens what is wanted.
    ///
    /// # Errors
    /// Something wanted is damaged, missing, or of a kind that cannot be read.
    pub fn stores(&self, wanted: &Wanted) -> Result<SegmentStores<'f>, QdrantError> {
        let payload = wanted.payload.then(|| PayloadStorage::open(self.files, &self.state)).transpose()?;
        let mut vectors = Vec::new();
        for (name, state) in self.state.vectors.iter().filter(|(name, _)| wanted.vectors.has(name)) {
            vectors.push((name.clone(), VectorStorage::open_dense(self.files, name, state)?));
        }
        for (name, state) in self.state.sparse_vectors.iter().filter(|(name, _)| wanted.vectors.has(name)) {
            vectors.push((name.clone(), VectorStorage::open_sparse(self.files, name, state)?));
        }
        // As a map of names: the server's order is that of a hash map, ours is one that repeats.
        vectors.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(SegmentStores { payload, vectors })
    }
}

/// What a segment stores of its points. Shared by readers on several threads.
#[derive(Debug)]
pub struct SegmentStores<'f> {
    payload: Option<PayloadStorage<'f>>,
    vectors: Vec<(String, VectorStorage<'f>)>,
}

impl SegmentStores<'_> {
    /// A reader for one thread.
    pub fn reader(&self) -> PointReader<'_> {
        PointReader {
            payload: self.payload.as_ref().map(PayloadStorage::reader),
            vectors: self.vectors.iter().map(|(name, storage)| (name.as_str(), storage.reader())).collect(),
            stores: self,
        }
    }

    /// Whether the point in `row` has a vector of this name, by its flag alone.
    pub fn has_vector(&self, name: &str, row: u32) -> bool {
        let storage = self.vectors.iter().find(|(known, _)| known == name);
        storage.is_some_and(|(_, storage)| u64::from(row) < storage.rows() && !storage.deleted().get(row.into()))
    }
}

/// Reads what one segment stores of points; rows that ascend are read fastest.
#[derive(Debug)]
pub struct PointReader<'s> {
    payload: Option<PayloadReader<'s>>,
    vectors: Vec<(&'s str, VectorReader<'s>)>,
    stores: &'s SegmentStores<'s>,
}

impl<'s> PointReader<'s> {
    /// The payload of the point in `row`; empty when payloads are not wanted.
    ///
    /// # Errors
    /// The value is damaged.
    pub fn payload(&mut self, row: u32) -> Result<Map<String, Value>, QdrantError> {
        self.payload.as_mut().map_or_else(|| Ok(Map::new()), |payload| payload.payload(row))
    }

    /// As [`payload`](Self::payload), with these members only.
    ///
    /// # Errors
    /// As [`payload`](Self::payload).
    pub fn payload_members(&mut self, row: u32, keys: &BTreeSet<String>) -> Result<Map<String, Value>, QdrantError> {
        self.payload.as_mut().map_or_else(|| Ok(Map::new()), |payload| payload.members(row, keys))
    }

    /// The payload as it is stored, for comparison; nothing is decompressed.
    ///
    /// # Errors
    /// As [`payload`](Self::payload).
    pub fn stored_payload(&mut self, row: u32) -> Result<StoredPayload<'_>, QdrantError> {
        self.payload.as_mut().map_or_else(|| Ok(StoredPayload::default()), |payload| payload.stored(row))
    }

    /// The stored JSON text of the payload; `{}` when there is none.
    ///
    /// # Errors
    /// As [`payload`](Self::payload).
    pub fn payload_text(&mut self, row: u32) -> Result<&[u8], QdrantError> {
        match &mut self.payload {
            Some(payload) => payload.json(row),
            None => Ok(b"{}"),
        }
    }

    /// The vectors of the point in `row` by name, sorted; those that it lacks are left out.
    ///
    /// # Errors
    /// A vector is damaged.
    pub fn vectors(&mut self, row: u32) -> Result<Vec<(&'s str, Vector)>, QdrantError> {
        let mut found = Vec::with_capacity(self.vectors.len());
        for (name, reader) in &mut self.vectors {
            found.extend(reader.vector(row)?.map(|vector| (*name, vector)));
        }
        Ok(found)
    }

    /// Hands over the stored bytes of each vector of the point in `row`, in the order of [`vectors`](Self::vectors).
    ///
    /// # Errors
    /// A vector is damaged.
    pub fn stored_vectors(&mut self, row: u32, mut take: impl FnMut(&str, &[u8])) -> Result<(), QdrantError> {
        let mut buffer = Vec::new();
        for (name, reader) in &mut self.vectors {
            if let Some(bytes) = reader.stored(row, &mut buffer)? {
                take(name, bytes);
            }
        }
        Ok(())
    }

    /// Whether the point in `row` has a vector of this name, among those that are wanted.
    pub fn has_vector(&self, name: &str, row: u32) -> bool {
        self.stores.has_vector(name, row)
    }
}
