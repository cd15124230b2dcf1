//! Names and small files of a vector storage.

use serde::de::DeserializeOwned;

use crate::error::QdrantError;
use crate::json::{self, SMALL_JSON_BYTES_MAX};
use crate::storage::{StorageFiles, StoredFile};

/// Directory of a vector's storage: `vector_storage`, or `vector_storage-<name>` where the vector has a name.
pub(crate) fn storage_directory(name: &str) -> String {
    directory("vector_storage", name)
}

/// Directory of a vector's index.
pub(crate) fn index_directory(name: &str) -> String {
    directory("vector_index", name)
}

fn directory(kind: &str, name: &str) -> String {
    if name.is_empty() { kind.to_owned() } else { format!("{kind}-{name}") }
}

/// The error that a file that must be there is not.
pub(crate) fn missing(path: &str) -> QdrantError {
    QdrantError::FileMissing { path: path.to_owned() }
}

/// The file of this path.
pub(crate) fn open<'f>(files: &'f dyn StorageFiles, path: &str) -> Result<StoredFile<'f>, QdrantError> {
    files.open(path).ok_or_else(|| missing(path))
}

/// Reads a small JSON file; its errors name it.
pub(crate) fn read_json<T: DeserializeOwned>(file: &StoredFile<'_>) -> Result<T, QdrantError> {
    let bytes = file.read_all(SMALL_JSON_BYTES_MAX)?;
    json::parse(&bytes).map_err(|error| file.damaged(0, error.reason()))
}

/// Reads the count at the start of a `status.dat`. Rows are numbered with 32 bits, so more than 2^32 is no count.
pub(crate) fn read_status(file: &StoredFile<'_>) -> Result<u64, QdrantError> {
    let mut bytes = [0; 8];
    file.read_exact_at(0, &mut bytes)?;
    let count = u64::from_le_bytes(bytes);
    if count > 1 << 32 {
        return Err(file.damaged(0, format!("{count} rows are announced, and rows are numbered with 32 bits")));
    }
    Ok(count)
}

/// The file that an error is about.
pub(super) fn object<'e>(error: &'e QdrantError, otherwise: &'e str) -> &'e str {
    match error {
        QdrantError::FileDamaged { path, .. }
        | QdrantError::FileMissing { path }
        | QdrantError::NotReadable { path, .. }
        | QdrantError::NotKnown { path, .. }
        | QdrantError::FileUnreadable { path, .. } => path,
        _ => otherwise,
    }
}
