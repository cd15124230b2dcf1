//! The `.checksum` file beside a snapshot.

use std::{
    io,
    path::{Path, PathBuf},
};

use vectar_qdrant::{checksum_sidecar_name, parse_checksum};

use super::SnapshotFile;
use crate::error::Error;

/// Bytes of a checksum file that are read.
const SIDECAR_BYTES_MAX: usize = 4096;

/// A checksum file and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sidecar {
    /// Its path.
    pub path: PathBuf,
    /// The SHA-256 that the snapshot should have.
    pub sha256: [u8; 32],
}

/// Where the sidecar of a snapshot lies: the full file name plus `.checksum`.
#[must_use]
pub fn sidecar_path(snapshot: &Path) -> PathBuf {
    match snapshot.file_name().and_then(|name| name.to_str()) {
        Some(name) => snapshot.with_file_name(checksum_sidecar_name(name)),
        // A name that is no text keeps its bytes.
        None => {
            let mut name = snapshot.file_name().unwrap_or_default().to_owned();
            name.push(checksum_sidecar_name(""));
            snapshot.with_file_name(name)
        }
    }
}

/// Reads the sidecar of a snapshot, if there is one. An empty one is taken for none: Qdrant leaves such behind after a crash.
///
/// # Errors
/// [`Error::SidecarInvalid`] when it holds something else than a checksum; [`Error::Source`] when it cannot be read.
pub fn read_sidecar(snapshot: &Path) -> Result<Option<Sidecar>, Error> {
    let path = sidecar_path(snapshot);
    if path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Ok(None);
    }
    // A checksum is 64 digits and perhaps a line end: whatever is longer than this is none.
    let file = SnapshotFile::open(&path)?;
    let mut content = vec![0; SIDECAR_BYTES_MAX];
    let count = file.read_window(0, &mut content)?;
    content.truncate(count);
    if content.iter().all(u8::is_ascii_whitespace) {
        tracing::warn!(path = %path.display(), "the checksum file is empty, as after a crash of the server; it proves nothing");
        return Ok(None);
    }
    match parse_checksum(&content) {
        Ok(sha256) => Ok(Some(Sidecar { path, sha256 })),
        Err(source) => Err(Error::SidecarInvalid { path, source }),
    }
}
