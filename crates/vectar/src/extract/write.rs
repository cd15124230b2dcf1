//! Writing a part to a file, or reading it through without writing.

use std::{
    io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use vectar_tar::{ReadAt, Severity, SplitOptions, SplitSummary, Splitter};

use super::SnapshotPart;
use crate::{
    content::Content,
    error::Error,
    observer::{CancelToken, Observer},
    rebuild::{Nowhere, Target},
    restore::{RestoreOptions, SnapshotTarget},
    verify::Forget,
    words::hex,
};

/// Bytes read at once.
const WINDOW_BYTES: usize = 1024 * 1024;

/// What was read of a part from end to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hex: what Qdrant calls its checksum.
    pub sha256: String,
    /// What its tar structure came to; free of damage.
    pub summary: SplitSummary,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extracted {
    /// The file.
    pub path: PathBuf,
    /// Its checksum file, as Qdrant writes it: 64 hex digits and nothing else.
    pub sidecar: Option<PathBuf>,
    /// Its length and digest.
    pub proven: Proven,
}

/// Writes a part into the file `path`.
///
/// The bytes go to a temporary file beside it and through a splitter, are made durable, and only then named. Memory: a window of 1 MiB, and
/// of a backup the cache of decoded chunks.
///
/// # Errors
/// [`Error::TargetExists`] without `force`; [`Error::PartDamaged`] when the part turns out to be damaged; [`Error::SourceChanged`]; the
/// repository's own. The temporary file is removed; a file that lay under the name is untouched.
pub fn extract_to_file(
    part: &SnapshotPart<'_, '_>,
    path: &Path,
    options: &RestoreOptions,
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<Extracted, Error> {
    let mut file = SnapshotTarget::begin(path, options)?;
    let proven = stream(part, file.target(), observer, cancel)?;
    let sidecar = file.publish(&proven.sha256)?;
    Ok(Extracted { path: path.to_owned(), sidecar, proven })
}

/// Reads a part from end to end without writing it: its digest and its tar structure.
///
/// # Errors
/// As [`extract_to_file`].
pub fn prove(part: &SnapshotPart<'_, '_>, observer: &dyn Observer, cancel: &CancelToken) -> Result<Proven, Error> {
    stream(part, &mut Nowhere, observer, cancel)
}

fn stream(
    part: &SnapshotPart<'_, '_>,
    target: &mut dyn Target,
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<Proven, Error> {
    let mut splitter = Splitter::new(&SplitOptions::default());
    let mut hasher = Sha256::new();
    let mut window = vec![0; usize::try_from(part.len()).map_or(WINDOW_BYTES, |len| len.min(WINDOW_BYTES))];
    let mut offset = 0;
    while offset < part.len() {
        cancel.check()?;
        match part.read_at(offset, &mut window) {
            Ok(0) => {
                let change = format!("it ends before byte {offset} of what was to be taken out of it");
                return Err(Error::SourceChanged { path: part.content().name().into(), change });
            }
            Ok(count) => {
                hasher.update(&window[..count]);
                splitter.push(&window[..count], &mut Forget)?;
                target.write(&window[..count])?;
                offset += count as u64;
                observer.progress(offset, Some(part.len()));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(part.content().read_failed(error)),
        }
    }
    if let Content::File(file) = part.content() {
        file.check_unchanged()?;
    }
    let summary = splitter.finish(&mut Forget)?;
    let damage = summary.anomalies.iter().find(|anomaly| anomaly.severity() == Severity::Damage);
    match damage {
        Some(damage) => Err(Error::PartDamaged {
            part: "the part".to_owned(),
            snapshot: part.content().name(),
            finding: damage.to_string(),
        }),
        None => Ok(Proven { bytes: offset, sha256: hex(&hasher.finalize()), summary }),
    }
}
