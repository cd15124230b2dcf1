//! Automation in Rust: what the continuous integration runs, and the house rules that code can check.
//!
//! `cargo xtask ci` is the whole gate and needs nothing but Rust with its `rustfmt` and `clippy` components;
//! `cargo xtask tidy` is the part of it that reads the tree. Nothing here depends on a crate of ours, so that a
//! broken crate never takes its own checks away.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a terminal program: its results go to stdout, its complaints to stderr"
)]

mod acceptance;
mod cargo;
mod ci;
mod perf;
mod programs;
mod race;
mod tidy;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::cargo::Cargo;

/// Automation of this workspace
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Xtask {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything a change must pass: format, clippy, tidy, licences, tests, docs
    Ci,
    /// Check the house rules that a compiler does not
    Tidy {
        /// Lower the entries of xtask/ratchet.txt to what the code needs today; never raises or adds one
        #[arg(long)]
        bless: bool,
        /// Write the hash of the persisted format into docs/format.md, after its byte tables were brought up to date
        #[arg(long)]
        bless_format: bool,
    },
    /// Write a synthetic Qdrant snapshot series; arguments go to the example `corpus` of vectar-testkit
    #[command(disable_help_flag = true)]
    Corpus {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Measure the promises about size and speed that are too large for `ci`: 9 GiB of space, about fifteen minutes
    Acceptance {
        /// Measure only these
        #[arg(value_enum, default_values = ["giant", "two-gib", "records", "deep", "upkeep", "generations"])]
        parts: Vec<acceptance::Part>,
        /// Work in this folder, which must not exist; else in the build folder
        #[arg(long, value_name = "DIR")]
        work: Option<PathBuf>,
        /// Leave the folder and what is in it
        #[arg(long)]
        keep: bool,
    },
    /// Run the fault campaign at length: crashes, power failures, damage, random work, interleavings, killed processes
    Campaign {
        /// How many seeds; each takes about a minute
        #[arg(default_value_t = 8)]
        seeds: u64,
    },
    /// Race vectar against its peers over the same snapshots; installs their Debian packages if they are missing
    Race {
        /// What is raced
        #[arg(value_enum, default_values = ["checks", "speed"])]
        disciplines: Vec<race::Discipline>,
        #[command(flatten)]
        speed: SpeedArgs,
        /// Work in this folder, which must not exist; else in the build folder
        #[arg(long, value_name = "DIR")]
        work: Option<PathBuf>,
    },
    /// Count the instructions of fixed small runs and compare them with xtask/perf-bounds.toml; about two minutes
    PerfCheck {
        /// Write what is counted as the new bounds
        #[arg(long)]
        bless: bool,
        /// How often each run is counted: the median is compared, and the spread printed
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=99), default_value_t = 1)]
        rounds: u32,
    },
    /// Run the criterion benches; arguments go to `cargo bench`
    #[command(disable_help_flag = true)]
    Bench {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// How speed is raced.
#[derive(Debug, clap::Args)]
struct SpeedArgs {
    /// Rounds; in each all programs run once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=99), default_value_t = 5)]
    rounds: u32,
    /// Race over these; what cannot be made is named as missing
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["generated", "large", "edge"])]
    corpus: Vec<race::Corpus>,
    /// Length of the snapshots, nearly
    #[arg(long, value_name = "SIZE", value_parser = race::parse_size, default_value = "600MiB")]
    size: u64,
    /// Length of the large snapshot, nearly
    #[arg(long, value_name = "SIZE", value_parser = race::parse_size, default_value = "2GiB")]
    large_size: u64,
    /// Compare also what the series of snapshots in and below this folder take; may be repeated
    #[arg(long, value_name = "DIR")]
    series: Vec<PathBuf>,
    /// Write the figures into this Markdown file, between its marks, and pictures and CSV into a folder of its name
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl From<SpeedArgs> for race::SpeedOptions {
    fn from(args: SpeedArgs) -> Self {
        let SpeedArgs { rounds, corpus: corpora, size: usual, large_size: large, series, report } = args;
        Self { rounds: rounds as usize, corpora, sizes: race::CorpusSizes { usual, large }, series, report }
    }
}

fn main() -> Result<ExitCode> {
    let xtask = Xtask::parse();
    let root = workspace_root()?;
    match xtask.command {
        Command::Ci => ci::run(&root),
        Command::Tidy { bless, bless_format } => {
            let holds = tidy::run(&root, tidy::Bless { ratchet: bless, format: bless_format })?;
            Ok(ExitCode::from(u8::from(!holds)))
        }
        Command::Corpus { arguments } => Cargo::new("run")
            .args(["--release", "-p", "vectar-testkit", "--example", "corpus"])
            .arg("--")
            .args(arguments)
            .pass_through(&root),
        Command::Acceptance { parts, work, keep } => acceptance::run(&root, work, keep, &parts),
        Command::Race { disciplines, speed, work } => race::run(&root, &disciplines, work, speed.into()),
        Command::PerfCheck { bless, rounds } => perf::run(&root, bless, rounds),
        Command::Campaign { seeds } => campaign(&root, seeds),
        Command::Bench { arguments } => {
            Cargo::new("bench").args(["-p", "vectar-benches"]).args(arguments).pass_through(&root)
        }
    }
}

/// Builds the program and the campaign, which kills the one while it runs.
fn campaign(root: &Path, seeds: u64) -> Result<ExitCode> {
    let built = Cargo::new("build").args(["--release", "-p", "vectar-cli"]).pass_through(root)?;
    if built != ExitCode::SUCCESS {
        return Ok(built);
    }
    Cargo::new("run")
        .args(["--release", "-p", "vectar-tests", "--example", "campaign", "--"])
        .arg(seeds.to_string())
        .pass_through(root)
}

/// Returns the folder of the workspace's `Cargo.toml`.
///
/// Asked at run time, not compiled in, so that a moved or copied checkout never works on the old place.
fn workspace_root() -> Result<PathBuf> {
    let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR")
        .context("CARGO_MANIFEST_DIR is not set: start this as `cargo xtask …`")?;
    let root = PathBuf::from(manifest_dir).parent().context("xtask has no parent folder")?.to_path_buf();
    Ok(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_after_corpus_belong_to_the_example() {
        let xtask = Xtask::try_parse_from(["xtask", "corpus", "--help", "--seed", "7"])
            .expect("everything after `corpus` is taken as it stands");
        let Command::Corpus { arguments } = xtask.command else {
            panic!("`corpus` parsed as {:?}", xtask.command);
        };
        assert_eq!(arguments, ["--help", "--seed", "7"]);
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Xtask::command().debug_assert();
    }
}
