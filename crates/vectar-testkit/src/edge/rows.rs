//! A shard whose rows the engine's optimizer moves about, one step after another.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::NEWEST;
use super::workshop::{python, run};

/// The steps in the life of such a shard, in order, as `python/make_rows.py` describes them.
pub const ROW_STEPS: [&str; 9] =
    ["written", "indexed", "merged-5", "merged-20", "vacuumed", "hnsw", "index", "tenants", "merged-50"];

/// A shard with unnamed cosine vectors, UUID ids and payloads of some hundred bytes. It is not kept for later runs: every step changes it.
#[derive(Debug)]
pub struct RowsShard {
    python: PathBuf,
    folder: PathBuf,
    arguments: [String; 3],
}

impl RowsShard {
    /// A shard in a folder that exists and is empty; `points` are written by the first step. `None`, with the reason printed, where the
    /// engine cannot be had.
    ///
    /// # Panics
    ///
    /// When the build directory cannot be written.
    pub fn new(folder: &Path, points: u32, dimensions: u32, seed: u64) -> Option<Self> {
        let arguments = [points.to_string(), dimensions.to_string(), seed.to_string()];
        Some(Self { python: python(NEWEST)?, folder: folder.to_owned(), arguments })
    }

    /// Takes the next of [`ROW_STEPS`]; returns the snapshot after it, which the caller may remove, and what the engine said: `points`,
    /// `segments`, `indexed`, `indexed_fields`, `seconds`.
    ///
    /// # Panics
    ///
    /// When the engine fails, or the step is out of turn.
    pub fn take(&self, step: &str) -> (PathBuf, Value) {
        let folder = self.folder.to_string_lossy();
        let [points, dimensions, seed] = &self.arguments;
        let said = run(&self.python, "make_rows.py", &[&folder, step, points, dimensions, seed]);
        let said = serde_json::from_str(&said).unwrap_or_else(|error| panic!("make_rows.py said {said:?}: {error}"));
        (self.folder.join(format!("{step}.snapshot")), said)
    }
}
