//! The snapshots of the demo: a part of this program, so that it runs on a machine with nothing else on it.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde_json::Value;

/// Small snapshots that a Qdrant 1.18.3 made, with what the server said about each: `fixtures/<series>/<name>.snapshot` and
/// `fixtures/<series>/truth.json`.
const FIXTURES: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/qdrant-1.18.3.tar.zst"));

/// The fixtures are compressed with a window of 2^27 bytes, above the decoder's default limit.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// The series in the order of the demo: generations of a collection first, then one snapshot of each kind.
const SERIES: [&str; 3] = ["notes", "catalog", "kinds"];

/// One snapshot, unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DemoSnapshot {
    /// The series it belongs to.
    pub(super) series: &'static str,
    /// File name without `.snapshot`.
    pub(super) name: String,
    /// Where it lies.
    pub(super) path: PathBuf,
    /// Its SHA-256 as the server gave it, in hex.
    pub(super) sha256: String,
}

/// Unpacks all snapshots below `directory`, series by series, in the order in which they were taken.
pub(super) fn unpack(directory: &Path) -> io::Result<Vec<DemoSnapshot>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(FIXTURES)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    let mut archive = tar::Archive::new(decoder);
    let mut truths = BTreeMap::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        match path.file_name().is_some_and(|name| name == "truth.json") {
            true => {
                let mut text = String::new();
                entry.read_to_string(&mut text)?;
                truths.insert(series_of(&path), serde_json::from_str::<Value>(&text)?);
            }
            false => {
                entry.unpack_in(directory)?;
            }
        }
    }
    let folder = directory.join("fixtures");
    let snapshots = |series: &'static str| truths.get(series).map(|truth| described(series, truth, &folder));
    Ok(SERIES.into_iter().filter_map(snapshots).flatten().collect())
}

fn series_of(path: &Path) -> String {
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    folder.to_string_lossy().into_owned()
}

/// Reads the names and digests in a `truth.json`: a list of steps, or an object with an entry for each kind.
fn described(series: &'static str, truth: &Value, folder: &Path) -> Vec<DemoSnapshot> {
    let entries: Vec<&Value> = match truth {
        Value::Array(steps) => steps.iter().collect(),
        Value::Object(kinds) => kinds.values().collect(),
        _ => Vec::new(),
    };
    let text = |entry: &Value, key: &str| Some(entry.get(key)?.as_str()?.to_owned());
    let snapshot = |entry: &Value| {
        let name = match text(entry, "tag") {
            Some(tag) => tag,
            None => text(entry, "file")?.trim_end_matches(".snapshot").to_owned(),
        };
        let path = folder.join(series).join(format!("{name}.snapshot"));
        Some(DemoSnapshot { series, name, path, sha256: text(entry, "sha256")? })
    };
    entries.into_iter().filter_map(snapshot).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_snapshot_of_the_fixtures_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let snapshots = unpack(directory.path()).unwrap();
        let names: Vec<String> = snapshots.iter().map(|one| format!("{}/{}", one.series, one.name)).collect();
        assert_eq!(names.len(), 13, "{names:?}");
        assert_eq!(names[0], "notes/00-base");
        for snapshot in &snapshots {
            assert!(snapshot.path.is_file(), "{}", snapshot.path.display());
            assert_eq!(snapshot.sha256.len(), 64);
        }
        let unpacked = directory.path().join("fixtures");
        let files = SERIES.iter().flat_map(|series| unpacked.join(series).read_dir().unwrap());
        assert_eq!(files.count(), 13, "the demo leaves no snapshot out");
    }
}
