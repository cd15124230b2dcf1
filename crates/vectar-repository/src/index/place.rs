//! Where the index file lies, and what happens when it cannot be used.

use std::path::{Path, PathBuf};

use redb::{Builder, Database, DatabaseError, ReadableDatabase};

use super::tables::{self, INDEX_VERSION, index_error};
use crate::{error::RepositoryError, format::ids::RepositoryId};

/// How many processes of one machine can have an index file each; further ones work in memory.
pub const INDEX_SLOTS: usize = 4;

/// redb's own page cache, in bytes. It is part of the memory budget of every command that opens the index.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// What is left of a file system before an ingest stops adding packs to an index on it, in bytes.
const ROOM_KEPT_BYTES: u64 = 32 * 1024 * 1024;

/// What a transaction writes for one record at most, in bytes: a page of the table, and its share of the pages above and of redb's own
/// lists, while the page it replaces cannot be used again before the next transaction but one.
const RECORD_ROOM_BYTES: u64 = 3 * 4096;

/// Where an index lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexPlace {
    /// A file in the cache directory.
    File(PathBuf),
    /// Memory: no directory was given, it cannot be written, or all slots are taken.
    Memory,
}

impl IndexPlace {
    /// Whether the file system has room for a transaction that adds `records`. Where a transaction fails for want of room redb answers nothing
    /// more, also of what it has; so it is asked first where the index can be done without.
    pub(crate) fn has_room_for(&self, records: usize) -> bool {
        let Self::File(path) = self else { return true };
        let (Ok(system), Ok(file)) = (rustix::fs::statvfs(path), rustix::fs::stat(path)) else { return true };
        // However many records there are, each page of the file is replaced once.
        let file_bytes = u64::try_from(file.st_blocks).unwrap_or(0).saturating_mul(512);
        let wanted = (records as u64).saturating_mul(RECORD_ROOM_BYTES).min(file_bytes.saturating_mul(2));
        system.f_bavail.saturating_mul(system.f_frsize) >= wanted.saturating_add(ROOM_KEPT_BYTES)
    }
}

pub(super) fn open(
    directory: Option<&Path>,
    repository: RepositoryId,
) -> Result<(Database, IndexPlace), RepositoryError> {
    if let Some(directory) = directory {
        let folder = directory.join(repository.to_string());
        match make_private_directory(&folder) {
            Ok(()) => {
                if let Some(opened) = (0..INDEX_SLOTS).find_map(|slot| open_slot(&folder, slot, repository)) {
                    return Ok(opened);
                }
            }
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "the index directory cannot be used; working in memory")
            }
        }
    }
    let builder = builder();
    let database = builder
        .create_with_backend(redb::backends::InMemoryBackend::new())
        .map_err(index_error("creating it in memory"))?;
    prepare(&database, repository).map_err(|source| RepositoryError::Index { action: "preparing it", source })?;
    Ok((database, IndexPlace::Memory))
}

/// Removes the index files of a repository that no process has open. The next [`ChunkIndex::open`](super::ChunkIndex::open) starts
/// afresh.
pub fn remove_files(directory: &Path, repository: RepositoryId) {
    for slot in 0..INDEX_SLOTS {
        let path = slot_path(&directory.join(repository.to_string()), slot);
        let in_use = path.exists() && matches!(builder().open(&path), Err(DatabaseError::DatabaseAlreadyOpen));
        if path.exists() && !in_use {
            remove(&path);
        }
    }
}

fn slot_path(folder: &Path, slot: usize) -> PathBuf {
    folder.join(format!("index-{slot}.redb"))
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

fn make_private_directory(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Opens one slot; a file that is not a usable index of this repository is replaced once. `None` when it is taken or
/// cannot be made: the caller tries the next one.
fn open_slot(folder: &Path, slot: usize, repository: RepositoryId) -> Option<(Database, IndexPlace)> {
    let path = slot_path(folder, slot);
    for attempt in 0..2 {
        match builder().create(&path) {
            Ok(database) => match check_or_prepare(&database, repository) {
                Ok(()) => return Some((database, IndexPlace::File(path))),
                Err(reason) => {
                    tracing::warn!(path = %path.display(), %reason, "the index starts afresh")
                }
            },
            Err(DatabaseError::DatabaseAlreadyOpen) => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the index file cannot be used")
            }
        }
        if attempt == 0 {
            remove(&path);
        }
    }
    None
}

#[expect(clippy::disallowed_methods, reason = "the index is a cache of this module; no backend is involved")]
fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "the old index file cannot be removed");
    }
}

fn check_or_prepare(database: &Database, repository: RepositoryId) -> Result<(), String> {
    let fresh = {
        let transaction = database.begin_read().map_err(|error| error.to_string())?;
        match transaction.open_table(tables::META) {
            Ok(meta) => {
                let value = |name| meta.get(name).ok().flatten().map(|value| value.value());
                let (high, low) = halves(repository);
                if value("version") != Some(INDEX_VERSION) {
                    return Err("it has another version".to_owned());
                }
                if (value("repository-high"), value("repository-low")) != (Some(high), Some(low)) {
                    return Err("it belongs to another repository".to_owned());
                }
                false
            }
            Err(redb::TableError::TableDoesNotExist(_)) => true,
            Err(error) => return Err(error.to_string()),
        }
    };
    if fresh {
        prepare(database, repository).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn prepare(database: &Database, repository: RepositoryId) -> Result<(), Box<redb::Error>> {
    let boxed = |error: redb::Error| Box::new(error);
    let transaction = database.begin_write().map_err(|error| boxed(error.into()))?;
    {
        let (high, low) = halves(repository);
        let mut meta = transaction.open_table(tables::META).map_err(|error| boxed(error.into()))?;
        for (name, value) in
            [("version", INDEX_VERSION), ("repository-high", high), ("repository-low", low), ("next-pack", 0)]
        {
            meta.insert(name, value).map_err(|error| boxed(error.into()))?;
        }
        transaction.open_table(tables::PACKS).map_err(|error| boxed(error.into()))?;
        transaction.open_table(tables::CHUNKS).map_err(|error| boxed(error.into()))?;
        transaction.open_table(tables::BODIES).map_err(|error| boxed(error.into()))?;
    }
    transaction.commit().map_err(|error| boxed(error.into()))
}

fn halves(repository: RepositoryId) -> (u64, u64) {
    let number = u128::from_le_bytes(*repository.as_bytes());
    ((number >> 64) as u64, number as u64)
}
