//! Has Qdrant's own engine make a shard: `shard FOLDER POINTS DIMENSIONS`. Prints the path of its snapshot, which lies in FOLDER.
//!
//! FOLDER exists and is empty. The points are written and then optimized for the first time: random unit vectors, payloads of some hundred
//! bytes, UUIDs as ids. The same numbers give the same points; names of segments and the graph are the engine's.

#![expect(clippy::print_stdout, reason = "a program that says where the snapshot is")]

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use vectar_testkit::edge::{ROW_STEPS, RowsShard};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [folder, points, dimensions] => println!("{}", make(Path::new(folder), points, dimensions)?.display()),
        _ => bail!("usage: shard FOLDER POINTS DIMENSIONS"),
    }
    Ok(())
}

fn make(folder: &Path, points: &str, dimensions: &str) -> Result<PathBuf> {
    let shard = RowsShard::new(folder, points.parse()?, dimensions.parse()?, 1);
    let shard = shard.context("Qdrant's engine cannot be had here")?;
    let [written, indexed, ..] = ROW_STEPS;
    shard.take(written);
    Ok(shard.take(indexed).0)
}
