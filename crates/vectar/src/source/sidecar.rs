//! The `.checksum` file beside a snapshot.

use std::{
    io,
    path::{Path, PathBuf},
};

use vectar_qdrant::{checksum_sidecar_name, parse_checksum};

use crate::error::Error;

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
    let name = snapshot.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    snapshot.with_file_name(checksum_sidecar_name(&name))
}

/// Reads the sidecar of a snapshot, if there is one. An empty one is taken for none: Qdrant leaves such behind after a crash.
///
/// # Errors
/// [`Error::SidecarInvalid`] when it holds something else than a checksum; [`Error::Source`] when it cannot be read.
#[expect(clippy::disallowed_methods, reason = "a named source module of the engine")]
pub fn read_sidecar(snapshot: &Path) -> Result<Option<Sidecar>, Error> {
    let path = sidecar_path(snapshot);
    let content = match std::fs::read(&path) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::Source { action: "read", path, source }),
    };
    if content.iter().all(u8::is_ascii_whitespace) {
        tracing::warn!(path = %path.display(), "the checksum file is empty, as after a crash of the server; it proves nothing");
        return Ok(None);
    }
    match parse_checksum(&content) {
        Ok(sha256) => Ok(Some(Sidecar { path, sha256 })),
        Err(source) => Err(Error::SidecarInvalid { path, source }),
    }
}
