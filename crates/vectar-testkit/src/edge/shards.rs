//! Shards made by the engine, as snapshot files with what the engine said about them.

#![expect(clippy::disallowed_methods, reason = "shards are plain files beside the tests, not part of a repository")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::workshop::{made_once, python, run, script_folder};
use crate::fixtures::hex;

/// The kinds of shard, as `python/kinds.py` describes them. Not every version can make each.
///
/// What a reader of vectors must know: `turbo4` and `turbowide` store no originals, so the vectors that the engine
/// returns are decoded ones; the optimized segments of `inline` have, with 0.9.0, no vector files (storage type
/// `GraphInline`), and the graph holds the only copy.
pub const KINDS: [&str; 16] = [
    "indexed",
    "bare",
    "disk",
    "named",
    "multi",
    "multinamed",
    "sparse",
    "hybrid",
    "quantized",
    "pieces",
    "turbo",
    "turbo4",
    "turbowide",
    "placed",
    "inline",
    "added",
];

/// What shard to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardOptions {
    /// One of [`KINDS`].
    pub kind: String,
    /// Points written before the first stage; some are deleted and some added later.
    pub points: u32,
    /// The same seed gives the same points under every version.
    pub seed: u64,
}

impl ShardOptions {
    /// A small shard of this kind: 400 points.
    pub fn of(kind: &str) -> Self {
        Self { kind: kind.to_owned(), points: 400, seed: 1 }
    }
}

/// A snapshot of a shard at one stage of its life, and what the engine that wrote it said about it.
#[derive(Debug, Clone, PartialEq)]
pub struct EdgeSnapshot {
    /// The version of `qdrant-edge-py` that wrote it.
    pub version: String,
    /// One of [`KINDS`].
    pub kind: String,
    /// `0-written`, `1-optimized`, `2-changed` or `3-reoptimized`.
    pub stage: String,
    /// The shard snapshot. Read only.
    pub path: PathBuf,
    /// Every point in scroll order, JSON Lines: `id`, `payload`, `vector`.
    pub points_path: PathBuf,
    /// The stage's object of `truth.json`, in the shape of the committed fixtures: `points`, `ids_sha256`, `sample`,
    /// `deleted_ids`, and `layout`, `engine`, `core`.
    pub truth: Value,
}

impl EdgeSnapshot {
    /// Reads every point in scroll order, as the engine returned it.
    ///
    /// # Panics
    ///
    /// When the file cannot be read or is not JSON Lines.
    pub fn points(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.points_path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", self.points_path.display()));
        text.lines()
            .map(|line| {
                serde_json::from_str(line)
                    .unwrap_or_else(|error| panic!("{} is not JSON Lines: {error}", self.points_path.display()))
            })
            .collect()
    }

    /// The number of points that the engine counted.
    ///
    /// # Panics
    ///
    /// When `truth.json` does not say it.
    pub fn count(&self) -> u64 {
        self.truth["points"].as_u64().expect("truth.json says how many points there are")
    }

    /// `version/kind/stage`, for messages.
    pub fn name(&self) -> String {
        format!("{}/{}/{}", self.version, self.kind, self.stage)
    }
}

/// Returns the stages of a shard made by this version, in order; made on first use and kept in the build directory. An
/// empty list means that this version cannot make that kind; `None`, with the reason printed, that it cannot be had.
///
/// A small shard takes a quarter of a second to two seconds and 3 to 15 MB; all kinds of all [`super::VERSIONS`] take
/// about 40 seconds on one core and 450 MB.
///
/// # Panics
///
/// When the engine fails or contradicts itself, or the build directory cannot be written.
pub fn write_shard(version: &str, options: &ShardOptions) -> Option<Vec<EdgeSnapshot>> {
    let python = python(version)?;
    let ShardOptions { kind, points, seed } = options;
    let name = folder_name("shard", &[version, kind, &points.to_string(), &seed.to_string()]);
    let folder = made_once(&name, |staging| {
        let staging = staging.to_string_lossy();
        run(&python, "make_shards.py", &[&staging, kind, &points.to_string(), &seed.to_string()]);
        Ok(())
    });
    let folder = folder.unwrap_or_else(|why| panic!("{why}"));
    Some(read_stages(version, kind, &folder))
}

/// Returns the small shards of every kind that this version can make, or `None` as [`write_shard`] does.
///
/// # Panics
///
/// As [`write_shard`].
pub fn shards(version: &str) -> Option<Vec<EdgeSnapshot>> {
    let mut found = Vec::new();
    for kind in KINDS {
        found.extend(write_shard(version, &ShardOptions::of(kind))?);
    }
    Some(found)
}

/// A large shard, for acceptance runs.
#[derive(Debug, Clone, PartialEq)]
pub struct BigShard {
    /// The shard snapshot. Read only.
    pub path: PathBuf,
    /// What the engine said: `points`, `ids_sha256`, `sample`; and `seconds`, how long each step took.
    pub truth: Value,
}

/// Returns a large shard with unnamed cosine vectors, made on first use and kept: 20,000 points of 768 dimensions take
/// about a minute and 110 MB, 200,000 ten times that. `None` as [`write_shard`].
///
/// # Panics
///
/// As [`write_shard`].
pub fn write_big(version: &str, points: u32, dimensions: u32, seed: u64) -> Option<BigShard> {
    let python = python(version)?;
    let [points, dimensions, seed] = [points.to_string(), dimensions.to_string(), seed.to_string()];
    let folder = made_once(&folder_name("big", &[version, &points, &dimensions, &seed]), |staging| {
        run(&python, "make_big.py", &[&staging.to_string_lossy(), &points, &dimensions, &seed]);
        Ok(())
    });
    let folder = folder.unwrap_or_else(|why| panic!("{why}"));
    Some(BigShard { path: folder.join("big.snapshot"), truth: read_truth(&folder).swap_remove(0) })
}

/// Names a folder by what its content depends on: the scripts and the arguments.
fn folder_name(prefix: &str, arguments: &[&str]) -> String {
    let mut digest = Sha256::new();
    let mut scripts: Vec<PathBuf> = fs::read_dir(script_folder())
        .expect("the scripts lie in the crate")
        .map(|entry| entry.expect("the scripts' folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "py"))
        .collect();
    scripts.sort();
    for path in scripts {
        let script = fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        digest.update(Sha256::digest(script));
    }
    for argument in arguments {
        digest.update(argument.as_bytes());
        digest.update([0]);
    }
    format!("edge-{prefix}-{}", &hex(&digest.finalize())[..32])
}

fn read_stages(version: &str, kind: &str, folder: &Path) -> Vec<EdgeSnapshot> {
    // A kind that the version cannot make leaves an empty folder.
    if !folder.join("truth.json").is_file() {
        return Vec::new();
    }
    let stages = read_truth(folder).into_iter();
    stages
        .map(|truth| {
            let stage = truth["tag"].as_str().expect("every stage has a tag").to_owned();
            EdgeSnapshot {
                version: version.to_owned(),
                kind: kind.to_owned(),
                path: folder.join(format!("{stage}.snapshot")),
                points_path: folder.join(format!("{stage}.points.jsonl")),
                stage,
                truth,
            }
        })
        .collect()
}

fn read_truth(folder: &Path) -> Vec<Value> {
    let path = folder.join("truth.json");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{} is not a JSON list: {error}", path.display()))
}
