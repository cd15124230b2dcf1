//! Finding the finished snapshots in a directory.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use vectar_qdrant::{checksummed_snapshot_name, in_progress};

use super::sidecar_path;
use crate::error::Error;

/// How deep directories are searched. Qdrant's own layout is four deep.
const DEPTH_MAX: usize = 16;

/// What a directory holds.
#[derive(Debug, Default)]
pub struct Discovery {
    /// Finished snapshots, sorted by the time in their name or else by path, so that generations go in in order.
    pub snapshots: Vec<Discovered>,
    /// Files that are not finished snapshots, with the pattern that says so.
    pub skipped: Vec<Skipped>,
    /// Checksum files without their snapshot: routine after full snapshots and deletions by hand.
    pub orphans: Vec<PathBuf>,
}

/// A finished snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovered {
    /// Its path.
    pub path: PathBuf,
    /// Whether a `.checksum` lies beside it.
    pub has_sidecar: bool,
}

/// A file that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its path.
    pub path: PathBuf,
    /// The pattern of Qdrant's names in progress that it fits.
    pub pattern: &'static str,
}

/// Searches `root` for `*.snapshot`, recursively; symbolic links to directories are not followed.
///
/// # Errors
/// [`Error::Source`] when a directory cannot be read.
pub fn discover(root: &Path) -> Result<Discovery, Error> {
    let mut files = BTreeSet::new();
    walk(root, 0, &mut files)?;
    let mut found = Discovery::default();
    for path in &files {
        let relative = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if let Some(reason) = in_progress(&relative) {
            found.skipped.push(Skipped { path: path.clone(), pattern: reason.pattern() });
        } else if let Some(snapshot) = checksummed_snapshot_name(&name) {
            if !files.contains(&path.with_file_name(snapshot)) {
                found.orphans.push(path.clone());
            }
        } else if path.extension().is_some_and(|extension| extension == "snapshot") {
            found.snapshots.push(Discovered { path: path.clone(), has_sidecar: files.contains(&sidecar_path(path)) });
        }
    }
    found.snapshots.sort_by_cached_key(|snapshot| (taken_at(&snapshot.path), snapshot.path.clone()));
    Ok(found)
}

fn taken_at(path: &Path) -> Option<vectar_qdrant::UtcSecond> {
    let name = path.file_name()?.to_string_lossy();
    vectar_qdrant::SnapshotName::parse(&name).map(|name| name.taken_at)
}

fn walk(directory: &Path, depth: usize, files: &mut BTreeSet<PathBuf>) -> Result<(), Error> {
    let failed = |source: io::Error| Error::Source { action: "list", path: directory.to_owned(), source };
    if depth > DEPTH_MAX {
        return Err(failed(io::Error::other(format!("directories nest deeper than {DEPTH_MAX}"))));
    }
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            walk(&entry.path(), depth + 1, files)?;
        } else if kind.is_file() || entry.path().is_file() {
            files.insert(entry.path());
        }
    }
    Ok(())
}
