//! What backups cost: logical, new, shared and unique bytes.

use std::collections::{BTreeMap, HashMap};

use vectar_repository::{
    BackupId, ChunkReader,
    format::record::{BackupRecord, ClassSpace},
};

use crate::{engine::Engine, error::Error, observer::CancelToken};

/// Decoded nodes kept while recipes are walked, in bytes.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Figures of a repository.
#[derive(Debug, Clone, Default)]
pub struct RepositoryStats {
    /// Figures of each backup, in the order given.
    pub backups: Vec<BackupStats>,
    /// Bytes of all their snapshots.
    pub logical_bytes: u64,
    /// Bytes of all objects in the repository.
    pub stored_bytes: u64,
    /// By class, added up over the backups, as of each ingest.
    pub classes: BTreeMap<String, ClassSpace>,
}

/// Figures of one backup.
#[derive(Debug, Clone)]
pub struct BackupStats {
    /// The backup.
    pub id: BackupId,
    /// Length of its snapshot.
    pub logical_bytes: u64,
    /// Bytes of the packs that its ingest wrote.
    pub new_bytes: u64,
    /// Stored bytes of the chunks and nodes that no other backup of the repository uses: what forgetting it would free in the end.
    pub unique_bytes: u64,
    /// Figures by class, as of its ingest.
    pub classes: BTreeMap<String, ClassSpace>,
}

impl RepositoryStats {
    /// Snapshot bytes for each stored byte; 0 for an empty repository.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        match self.stored_bytes {
            0 => 0.0,
            stored => self.logical_bytes as f64 / stored as f64,
        }
    }
}

/// Computes the figures of `shown` backups; `all` are all backups of the repository, without which "unique" means nothing.
///
/// Walks every recipe; takes about 50 bytes for each distinct chunk of the repository.
///
/// # Errors
/// A recipe cannot be read, the listing failed, or the caller asked to stop.
pub fn stats(
    engine: &Engine,
    all: &[BackupRecord],
    shown: &[&BackupRecord],
    cancel: &CancelToken,
) -> Result<RepositoryStats, Error> {
    let unique = unique_bytes(engine, all, cancel)?;
    let mut stats =
        RepositoryStats { stored_bytes: engine.repository().stored_bytes()?.bytes, ..RepositoryStats::default() };
    for record in shown {
        stats.logical_bytes += record.bytes;
        for (class, space) in &record.space.classes {
            let total = stats.classes.entry(class.clone()).or_default();
            total.bytes += space.bytes;
            total.new_bytes += space.new_bytes;
            total.stored_bytes += space.stored_bytes;
        }
        stats.backups.push(BackupStats {
            id: record.id,
            logical_bytes: record.bytes,
            new_bytes: record.space.new_pack_bytes,
            unique_bytes: unique.get(&record.id).copied().unwrap_or(0),
            classes: record.space.classes.clone(),
        });
    }
    Ok(stats)
}

/// For each backup the stored bytes of what only it uses.
fn unique_bytes(engine: &Engine, all: &[BackupRecord], cancel: &CancelToken) -> Result<HashMap<BackupId, u64>, Error> {
    const SHARED: u32 = u32::MAX;
    let reader = ChunkReader::new(engine.repository(), CACHE_BYTES);
    let mut users: HashMap<[u8; 32], u32> = HashMap::new();
    for (user, record) in (0_u32..).zip(all) {
        cancel.check()?;
        for id in reader.ids_behind(&record.root)? {
            users
                .entry(id)
                .and_modify(|first| {
                    if *first != user {
                        *first = SHARED
                    }
                })
                .or_insert(user);
        }
    }
    let view = engine.repository().index().reader()?;
    let mut unique = HashMap::new();
    for (id, user) in users.into_iter().filter(|(_, user)| *user != SHARED) {
        if let Some(location) = view.locate(&id)? {
            let range = location.record_range();
            *unique.entry(all[user as usize].id).or_default() += range.end - range.start;
        }
    }
    Ok(unique)
}
