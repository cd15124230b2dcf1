//! The reserve: bytes without meaning, so that a prune can begin on a storage that is full to the last block.
//!
//! Removing packs needs room first, for marks and for copies of what is still needed. Object stores are never full; there the reserve
//! is not made.

use bytes::Bytes;
use vectar_backend::PutOutcome;

use crate::{error::RepositoryError, format::keys, repository::Repository};

/// Length of the reserve: room for thousands of marks and a few packs of small chunks.
pub(crate) const RESERVE_BYTES: u64 = 8 * 1024 * 1024;

/// Less free space than this, and the reserve is spent.
const FULL_BYTES: u64 = 4 * RESERVE_BYTES;

/// So much must be free for the reserve to be made: it must not be what fills the storage.
const ROOMY_BYTES: u64 = 16 * RESERVE_BYTES;

/// Makes the reserve unless it is there or the storage has no notion of being full. It is not needed to go on: what fails is logged.
pub(crate) fn make(repository: &Repository) {
    let free_bytes = repository.backend.free_space().ok().flatten();
    if free_bytes.is_none_or(|bytes| bytes < ROOMY_BYTES) {
        return;
    }
    // Random bytes: a file system that compresses must not store them in less space than they promise.
    let mut bytes = vec![0; RESERVE_BYTES as usize];
    repository.environment.fill_random(&mut bytes);
    match repository.backend.put_if_absent(&keys::reserve(), &[Bytes::from(bytes)]) {
        Ok(PutOutcome::Created | PutOutcome::AlreadyExists) => {}
        Err(error) => tracing::warn!(%error, "there is no reserve for a prune on a full storage"),
    }
}

/// Gives the reserve up when the storage is nearly full, and tells whether it did.
pub(crate) fn give_up_if_full(repository: &Repository) -> Result<bool, RepositoryError> {
    match repository.backend.free_space()? {
        Some(bytes) if bytes < FULL_BYTES => {
            tracing::info!(free_bytes = bytes, "the storage is nearly full; the reserve is spent");
            repository.backend.delete(&keys::reserve())?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Makes the reserve again after it was given up.
pub(crate) fn take_back(repository: &Repository, gave_up: bool) {
    if gave_up {
        make(repository);
    }
}
