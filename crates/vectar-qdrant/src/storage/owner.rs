//! Who owns which file of a snapshot.

use std::collections::BTreeMap;

use vectar_tar::{Catalogue, CatalogueRow, ExpandedBody, ReadAt, ReadRange, RowRole};

use super::file::{StorageFiles, StoredFile};
use crate::entry::BodyPath;
use crate::path::{Identity, SegmentId};

/// What a file of a snapshot belongs to: a segment, else a shard, else a collection. Ordered by collection, shard, segment; what
/// belongs to the whole comes before its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// In a full snapshot the file of the collection.
    pub collection_file: Option<String>,
    /// The shard's number; `None` for the collection, and in shard snapshots.
    pub shard: Option<u32>,
    /// The segment.
    pub segment: Option<SegmentId>,
}

impl Owner {
    /// What stands before the paths of the owner's shard or collection, for messages.
    pub fn prefix(&self) -> String {
        let collection = self.collection_file.as_ref().map_or_else(String::new, |file| format!("{file}!"));
        self.shard.map_or_else(|| collection.clone(), |shard| format!("{collection}{shard}/"))
    }
}

/// The files of a snapshot by their owner.
#[derive(Debug)]
pub struct SnapshotFiles<'s, R: ?Sized> {
    source: &'s R,
    owners: BTreeMap<Owner, BTreeMap<String, &'s CatalogueRow>>,
}

impl<'s, R: ReadAt + Send + Sync + ?Sized> SnapshotFiles<'s, R> {
    /// Sorts the rows of `catalogue`, which lists the snapshot that `source` holds. Of several files with one path the last one
    /// counts, because that is what unpacking leaves.
    pub fn new(source: &'s R, catalogue: &'s Catalogue) -> Self {
        let mut owners: BTreeMap<Owner, BTreeMap<String, &CatalogueRow>> = BTreeMap::new();
        for row in catalogue.rows.iter().filter(|row| matches!(row.role, RowRole::Leaf { .. })) {
            if row.head.entry().is_none_or(|entry| entry.is_directory()) {
                continue;
            }
            let identity = Identity::of(&BodyPath::from(&row.head.path));
            let owner =
                Owner { collection_file: identity.collection_file, shard: identity.shard, segment: identity.segment };
            owners.entry(owner).or_default().insert(identity.path, row);
        }
        Self { source, owners }
    }

    /// All files.
    pub fn rows(&self) -> impl Iterator<Item = &'s CatalogueRow> {
        self.owners.values().flat_map(|files| files.values().copied())
    }

    /// All owners of files.
    pub fn owners(&self) -> impl Iterator<Item = &Owner> {
        self.owners.keys()
    }

    /// The files of an owner; without any when there is no such owner.
    pub fn files(&self, owner: &Owner) -> OwnerFiles<'_, 's, R> {
        OwnerFiles { source: self.source, files: self.owners.get(owner) }
    }
}

/// The files of one owner.
#[derive(Debug)]
pub struct OwnerFiles<'f, 's, R: ?Sized> {
    source: &'s R,
    files: Option<&'f BTreeMap<String, &'s CatalogueRow>>,
}

impl<R: ReadAt + Send + Sync + ?Sized> StorageFiles for OwnerFiles<'_, '_, R> {
    fn open(&self, path: &str) -> Option<StoredFile<'_>> {
        let row = *self.files?.get(path)?;
        if row.role != (RowRole::Leaf { complete: true }) {
            return None;
        }
        let stored = ReadRange::new(self.source, row.head.offset, row.len);
        match row.head.entry() {
            Some(entry) if entry.is_sparse() => {
                entry.sparse.as_ref().map(|map| StoredFile::new(path, ExpandedBody::new(map, stored)))
            }
            _ => Some(StoredFile::new(path, stored)),
        }
    }

    fn list(&self, prefix: &str) -> Vec<String> {
        let Some(files) = self.files else { return Vec::new() };
        let paths = files.range(prefix.to_owned()..).map(|(path, _)| path);
        paths.take_while(|path| path.starts_with(prefix)).cloned().collect()
    }
}

impl StorageFiles for BTreeMap<String, Vec<u8>> {
    fn open(&self, path: &str) -> Option<StoredFile<'_>> {
        self.get(path).map(|bytes| StoredFile::new(path, bytes))
    }

    fn list(&self, prefix: &str) -> Vec<String> {
        self.range(prefix.to_owned()..)
            .map(|(path, _)| path)
            .take_while(|path| path.starts_with(prefix))
            .cloned()
            .collect()
    }
}
