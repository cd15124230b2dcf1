//! The snapshot of a backup as bytes at offsets, without rebuilding it.

use std::{
    io,
    sync::{Mutex, MutexGuard},
};

use vectar_repository::{ChunkReader, RepositoryError, format::record::BackupRecord, read_range};

use crate::engine::Engine;

/// The snapshot of a backup. Reads fetch only the chunks they need, the ones that lie near each other in a pack with one request.
///
/// All that are open on one engine share one cache of decoded chunks.
#[derive(Debug)]
pub struct BackupContent<'e> {
    reader: ChunkReader<'e>,
    record: BackupRecord,
    /// What the repository met last: `ReadAt` speaks `io::Error`, and the cause must not be lost on the way.
    failure: Mutex<Option<RepositoryError>>,
}

impl<'e> BackupContent<'e> {
    pub(crate) fn new(engine: &'e Engine, record: &BackupRecord) -> Self {
        let reader = ChunkReader::sharing(engine.repository(), engine.content_cache());
        Self { reader, record: record.clone(), failure: Mutex::new(None) }
    }

    pub(crate) fn record(&self) -> &BackupRecord {
        &self.record
    }

    /// Takes what the repository met last.
    pub(crate) fn take_failure(&self) -> Option<RepositoryError> {
        self.failure().take()
    }

    pub(crate) fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        read_range(&self.reader, &self.record.root, self.record.bytes, offset, buf).map_err(|error| {
            let text = error.to_string();
            *self.failure() = Some(error);
            io::Error::other(text)
        })
    }

    fn failure(&self) -> MutexGuard<'_, Option<RepositoryError>> {
        self.failure.lock().expect("no thread panics while it holds this lock")
    }
}
