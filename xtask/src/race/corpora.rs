//! What is raced over: snapshots that are made for it, each under two names.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use super::{
    bounds::{AMONG_PEERS, BESIDE_PROBES, Bound},
    run_in,
};
use crate::cargo::Cargo;

/// A kind of content to race over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Corpus {
    /// A collection as the corpus maker writes it: made from a seed, the same everywhere
    Generated,
    /// The same, longer, for our program and the probes alone
    Large,
    /// A shard that Qdrant's own engine wrote; needs Python with what can be installed from its package index
    Edge,
}

/// Bytes of a snapshot for each point of 768 numbers that the engine writes, with a write-ahead log that grows along; and once that has been cut, when
/// it takes [`EDGE_LOG_BYTES`]. 20,000 points took 120 MB, 100,000 took 409.
const EDGE_POINT_BYTES: u64 = 6000;
const EDGE_LATER_POINT_BYTES: u64 = 3614;
const EDGE_LOG_BYTES: u64 = 48_000_000;

const EDGE_DIMENSIONS: &str = "768";

/// A snapshot and who races over it against which bounds.
pub(super) struct Course {
    /// One word, for files.
    pub(super) name: &'static str,
    pub(super) title: String,
    pub(super) snapshot: PathBuf,
    /// Another name for the same bytes, as the next day's file has.
    pub(super) again: PathBuf,
    pub(super) bytes: u64,
    /// Whether peers race.
    pub(super) among_peers: bool,
    pub(super) bounds: &'static [Bound],
}

/// How long the snapshots are, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CorpusSizes {
    pub(crate) usual: u64,
    pub(crate) large: u64,
}

impl Corpus {
    /// As the report calls it where it is missing.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Generated => "the generated collection",
            Self::Large => "the large generated collection",
            Self::Edge => "the shard of Qdrant's own engine",
        }
    }

    /// Makes the snapshot in `folder`, which does not exist.
    ///
    /// # Errors
    ///
    /// When it cannot be made; of what needs Python that is no reason to stop.
    pub(super) fn make(self, root: &Path, release: &Path, folder: &Path, sizes: CorpusSizes) -> Result<Course> {
        std::fs::create_dir(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let (name, made, title) = match self {
            Self::Generated => ("generated", generate(release, folder, sizes.usual)?, "a generated collection"),
            Self::Large => ("large", generate(release, folder, sizes.large)?, "a large generated collection"),
            Self::Edge => ("edge", ask_engine(root, release, folder, sizes.usual)?, "a shard of Qdrant's own engine"),
        };
        let (snapshot, again) =
            (folder.join(format!("{name}.snapshot")), folder.join(format!("{name}-again.snapshot")));
        std::fs::hard_link(&made, &snapshot)?;
        std::fs::hard_link(&made, &again)?;
        let bytes = snapshot.metadata()?.len();
        let among_peers = self != Self::Large;
        Ok(Course {
            name,
            title: format!("{title} of {} MiB", bytes >> 20),
            snapshot,
            again,
            bytes,
            among_peers,
            bounds: if among_peers { AMONG_PEERS } else { BESIDE_PROBES },
        })
    }
}

fn generate(release: &Path, folder: &Path, bytes: u64) -> Result<PathBuf> {
    let size = bytes.to_string();
    let mut maker = Command::new(release.join("examples/corpus"));
    run_in(folder, maker.args(["--out", "made", "--size", &size, "--generations", "1", "--ids", "uuid"]))?;
    Ok(folder.join("made/00-base.snapshot"))
}

/// Has the engine write some points and optimize them.
fn ask_engine(root: &Path, release: &Path, folder: &Path, bytes: u64) -> Result<PathBuf> {
    let build = Cargo::new("build").args(["--release", "-p", "vectar-tests", "--example", "shard"]);
    ensure!(build.process(root).status()?.success(), "`{}` failed", build.shown());
    let made = folder.join("made");
    std::fs::create_dir(&made)?;
    let points = edge_points(bytes).to_string();
    run_in(folder, Command::new(release.join("examples/shard")).arg(&made).args([&points, EDGE_DIMENSIONS]))?;
    // What it was made from would be in the way of nobody, but takes as much again.
    std::fs::remove_dir_all(made.join("shard"))?;
    Ok(made.join("indexed.snapshot"))
}

/// How many points make a snapshot of nearly this length.
fn edge_points(bytes: u64) -> u64 {
    (bytes / EDGE_POINT_BYTES).max(bytes.saturating_sub(EDGE_LOG_BYTES) / EDGE_LATER_POINT_BYTES).max(1)
}

/// Reads a length such as `600MiB` or `2GiB`.
///
/// # Errors
///
/// When it is no number with one of these units, or too large.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        unit => return Err(format!("unknown unit {unit}: expected B, KiB, MiB or GiB")),
    };
    let number: u64 = digits.parse().map_err(|error| format!("{digits:?}: {error}"))?;
    number.checked_mul(1 << shift).ok_or_else(|| "too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_follow_from_the_length() {
        let check = |bytes, points| {
            let found = edge_points(bytes);
            assert!(found.abs_diff(points) <= points / 100, "{found} points for {bytes} bytes, {points} expected");
        };
        check(120_176_128, 20_000);
        check(409_276_416, 100_000);
        check(0, 1);
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_size("600MiB"), Ok(600 << 20));
        assert_eq!(parse_size("2GiB"), Ok(2 << 30));
        assert_eq!(parse_size("17"), Ok(17));
        assert!(parse_size("2GB").is_err_and(|error| error.contains("unknown unit GB")));
        assert!(parse_size("MiB").is_err());
        assert!(parse_size("99999999999GiB").is_err_and(|error| error == "too large"));
    }
}
