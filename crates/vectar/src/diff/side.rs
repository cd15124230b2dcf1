//! One of the two snapshots that are compared: opened, listed, and its files sorted by whose they are.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;
use vectar_qdrant::{BodyPath, Identity, Part, RootPart, SnapshotOutline};
use vectar_repository::format::record::BackupRecord;
use vectar_tar::{Catalogue, CatalogueRow, RowRole};

use super::files::Files;
use crate::{content::Content, engine::Engine, error::Error, ingest::read_small};

/// A snapshot to compare, opened and listed.
#[derive(Debug)]
pub struct Side<'e> {
    pub(super) content: Content<'e>,
    /// Where it comes from, if it is a backup.
    pub(super) backup: Option<(&'e Engine, &'e BackupRecord)>,
    /// What it is and holds.
    pub outline: SnapshotOutline,
    /// Its entries, with what is odd about them.
    pub listed: Catalogue,
}

/// Whose a file is: a collection's by its place in the outline, none for what lies outside of every collection; within it a shard's and a
/// segment's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct FileOwner {
    pub(super) collection: Option<usize>,
    /// The shard's place in the outline.
    pub(super) shard: Option<usize>,
    pub(super) segment: Option<String>,
}

impl<'e> Side<'e> {
    /// Opens a snapshot file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn file(path: &Path) -> Result<Self, Error> {
        Self::open(Content::file(path)?, None)
    }

    /// Opens the snapshot of a backup.
    ///
    /// # Errors
    /// The repository failed, or lacks something of it.
    pub fn backup(engine: &'e Engine, record: &'e BackupRecord) -> Result<Self, Error> {
        Self::open(Content::backup(engine, record), Some((engine, record)))
    }

    fn open(content: Content<'e>, backup: Option<(&'e Engine, &'e BackupRecord)>) -> Result<Self, Error> {
        let (outline, listed) = content.outline()?;
        Ok(Self { content, backup, outline, listed })
    }

    /// All bodies by owner and path.
    pub(super) fn files(&self) -> BTreeMap<FileOwner, Files<'_>> {
        let mut owners: BTreeMap<FileOwner, Files<'_>> = BTreeMap::new();
        for (row, identity) in self.bodies() {
            owners.entry(self.owner(&identity)).or_default().insert(identity.path, row);
        }
        owners
    }

    fn bodies(&self) -> impl Iterator<Item = (&CatalogueRow, Identity)> {
        let is_body = |row: &&CatalogueRow| {
            row.role != RowRole::Archive && !row.head.entry().is_some_and(|entry| entry.is_directory())
        };
        self.listed.rows.iter().filter(is_body).map(|row| (row, Identity::of(&BodyPath::from(&row.head.path))))
    }

    fn owner(&self, identity: &Identity) -> FileOwner {
        let found = self.outline.collections.iter().position(|each| each.file == identity.collection_file);
        let Some(collection) = found.filter(|_| identity.part != Part::Unknown) else { return FileOwner::default() };
        let shards = &self.outline.collections[collection].shards;
        let in_shard = matches!(identity.part, Part::Shard(_) | Part::Segment(_));
        // The only shard of a shard snapshot has its number from outside.
        let shard = match identity.shard {
            Some(number) => shards.iter().position(|shard| shard.id == Some(number)),
            None => (shards.len() == 1).then_some(0),
        };
        FileOwner {
            collection: Some(collection),
            shard: shard.filter(|_| in_shard),
            segment: identity.segment.as_ref().map(|segment| segment.as_str().to_owned()),
        }
    }

    /// A small JSON file at the root of a collection, as it is. `Ok(None)` when there is none, `Err` with its path when it cannot be read.
    pub(super) fn root_value(&self, collection: usize, part: RootPart) -> Result<Option<Value>, String> {
        let file = &self.outline.collections[collection].file;
        let found = self.bodies().filter(|(_, identity)| identity.part == Part::Root(part));
        let Some((row, _)) = found.filter(|(_, identity)| identity.collection_file == *file).last() else {
            return Ok(None);
        };
        let value = read_small(&self.content, row).and_then(|bytes| serde_json::from_slice(&bytes).ok());
        value.map(Some).ok_or_else(|| row.head.path.to_string())
    }
}
