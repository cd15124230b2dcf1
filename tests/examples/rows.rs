//! How much is shared of what an optimizer moves: `rows FOLDER POINTS DIMENSIONS`. Prints one line of names and values for each step in
//! the life of a shard that Qdrant's own engine makes, changes and optimizes.
//!
//! FOLDER exists and is empty. At its largest it holds three times the vectors.

#![expect(clippy::print_stdout, reason = "a program that prints figures")]

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use vectar_tests::sharing::live;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [folder, points, dimensions] => measure(Path::new(folder), points, dimensions),
        _ => bail!("usage: rows FOLDER POINTS DIMENSIONS"),
    }
}

fn measure(folder: &Path, points: &str, dimensions: &str) -> Result<()> {
    let figures = live(folder, (points.parse()?, dimensions.parse()?), |step| println!("{step}"))?;
    figures.context("Qdrant's engine cannot be had here").map(drop)
}
