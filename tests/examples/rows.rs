//! How much is shared of what an optimizer moves: `rows FOLDER POINTS DIMENSIONS`. Prints one line of names and values for each step in
//! the life of a shard that Qdrant's own engine makes, changes and optimizes.
//!
//! FOLDER exists and is empty. At its largest it holds three times the vectors.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints figures")]

use std::{path::Path, process::ExitCode};

use anyhow::{Context as _, Result};
use vectar_tests::sharing::live;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match &arguments[..] {
        [folder, points, dimensions] => measure(Path::new(folder), points, dimensions),
        _ => Err(anyhow::anyhow!("usage: rows FOLDER POINTS DIMENSIONS")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(folder: &Path, points: &str, dimensions: &str) -> Result<()> {
    let figures = live(folder, (points.parse()?, dimensions.parse()?), |step| println!("{step}"))?;
    figures.context("Qdrant's engine cannot be had here").map(drop)
}
