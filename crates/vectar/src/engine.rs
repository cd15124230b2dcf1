//! An open repository with the threads and limits that work on it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rayon::{ThreadPool, ThreadPoolBuilder};
use vectar_repository::{CatchUpStats, ChunkCache, IndexedRepository, Repository};

use crate::{
    error::Error,
    memory::{MEMORY_BYTES_DEFAULT, MemoryBudget},
};

/// zstd level of everything that is worth more than a glance.
const ZSTD_LEVEL: i32 = 3;

/// Decoded chunks and nodes kept while snapshots of backups are looked into, in bytes.
const CONTENT_CACHE_BYTES: usize = 48 * 1024 * 1024;

/// Has what is looked for inside of snapshots, which needs no engine, run on so many threads; 0 takes as many as there are cores. Counts once for
/// the whole process, and only before anything was looked for.
pub fn limit_threads(threads: usize) {
    let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(|index| format!("vectar-look-{index}"));
    if let Err(error) = pool.build_global() {
        tracing::debug!(%error, "the number of threads is as it was");
    }
}

/// How an engine works.
#[derive(Debug, Clone, Default)]
pub struct EngineOptions {
    /// Threads that encode and decode; 0 takes as many as there are cores.
    pub threads: usize,
    /// Where chunk indexes are kept; without one they are built in memory each time.
    pub index_directory: Option<PathBuf>,
    /// Anonymous memory that an operation may take, in bytes: by default [`MEMORY_BYTES_DEFAULT`](crate::MEMORY_BYTES_DEFAULT), never less than
    /// [`MEMORY_BYTES_MIN`](crate::MEMORY_BYTES_MIN).
    pub memory_bytes: Option<u64>,
}

/// An open repository whose chunks can be found, and the threads that work on it.
///
/// Memory of an operation is bounded whatever the length of the snapshot: see [`EngineOptions::memory_bytes`]. Without an index directory
/// the chunk index itself lies in memory, at 140 to 550 bytes a chunk, and that counts to no budget.
#[derive(Debug)]
pub struct Engine {
    repository: IndexedRepository,
    pool: Arc<ThreadPool>,
    memory: MemoryBudget,
    caught_up: CatchUpStats,
    contents: Arc<ChunkCache>,
}

impl Engine {
    /// Brings the chunk index up to date and starts the threads.
    ///
    /// # Errors
    /// The packs cannot be listed.
    ///
    /// # Panics
    /// When the system cannot start a thread.
    pub fn open(repository: &Repository, options: &EngineOptions) -> Result<Self, Error> {
        let directory = options.index_directory.as_deref().map(Path::to_owned);
        let (repository, caught_up) = repository.with_index(directory.as_deref())?;
        let pool = ThreadPoolBuilder::new()
            .num_threads(options.threads)
            .thread_name(|index| format!("vectar-{index}"))
            .build()
            .expect("a system that runs this program can start a few threads");
        let memory_bytes = options.memory_bytes.unwrap_or(MEMORY_BYTES_DEFAULT);
        let memory = MemoryBudget::new(memory_bytes, pool.current_num_threads());
        repository.index().limit_memory(memory.index());
        let contents = Arc::new(ChunkCache::new(CONTENT_CACHE_BYTES));
        Ok(Self { repository, pool: Arc::new(pool), memory, caught_up, contents })
    }

    /// Throws the index files of a repository away and builds a new one from the packs' footers: `repair index`.
    ///
    /// Index files that another process has open stay; that process goes on with them.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn rebuild_index(repository: &Repository, options: &EngineOptions) -> Result<Self, Error> {
        if let Some(directory) = &options.index_directory {
            vectar_repository::index::remove_files(directory, repository.id());
        }
        Self::open(repository, options)
    }

    /// The repository.
    #[must_use]
    pub fn repository(&self) -> &IndexedRepository {
        &self.repository
    }

    /// What bringing the index up to date found, unreadable packs among it.
    #[must_use]
    pub fn caught_up(&self) -> &CatchUpStats {
        &self.caught_up
    }

    /// What the snapshots of all backups that are looked into keep together.
    pub(crate) fn content_cache(&self) -> Arc<ChunkCache> {
        Arc::clone(&self.contents)
    }

    pub(crate) fn pool(&self) -> &ThreadPool {
        &self.pool
    }

    pub(crate) fn memory(&self) -> MemoryBudget {
        self.memory
    }

    pub(crate) fn zstd_level(&self) -> i32 {
        ZSTD_LEVEL
    }
}
