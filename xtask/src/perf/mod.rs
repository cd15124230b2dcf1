//! `cargo xtask perf-check`: the instructions of fixed small runs of the released program, beside committed bounds.
//!
//! - Counts say nothing about speed on a given machine, and therefore show on any machine when a change makes the program do more.
//! - A count depends on the compiler too: a new one is a reason to bless.
//! - SHA-256 is left out ([`callgrind`] says why): it is another's code, and how often it is computed the race shows.
//! - Every run is a process on its own, as a user starts it; what it restores is compared.
//! - Profiles stay in the build folder, for `callgrind_annotate`.

mod bounds;
mod callgrind;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::cargo::Cargo;
use crate::perf::bounds::{Bounds, Count};
use crate::programs;

/// The committed bounds, in the workspace.
const BOUNDS_FILE: &str = "xtask/perf-bounds.toml";

/// The machine that the bounds are of: other processors have other instructions.
const MACHINE: &str = "x86_64";

/// Length of the first snapshot: long enough that the start of a process is a small part, short enough for fifty times the time.
const SNAPSHOT_SIZE: &str = "24MiB";

/// A call of our program that is counted.
struct Run {
    name: &'static str,
    /// The file that it is about.
    file: &'static str,
    call: &'static [&'static str],
}

const fn run_of(name: &'static str, file: &'static str, call: &'static [&'static str]) -> Run {
    Run { name, file, call }
}

/// What is counted, in this order: together, what a snapshot is stored for.
const RUNS: [Run; 8] = [
    run_of("store", BASE, &["ingest", "--collection", "perf", BASE]),
    run_of("unchanged", AGAIN, &["ingest", "--collection", "perf", AGAIN]),
    run_of("moved", MOVED, &["ingest", "--collection", "perf", MOVED]),
    run_of("restore", MOVED, &["restore", LATEST, "-o", RESTORED]),
    run_of("verify", MOVED, &["verify", LATEST]),
    run_of("check", MOVED, &["check", "--read-data"]),
    run_of("inspect", MOVED, &["inspect", LATEST]),
    run_of("inspect-deep", MOVED, &["inspect", "--deep", LATEST]),
];

const BASE: &str = "00-base.snapshot";
/// Another name of its bytes.
const AGAIN: &str = "again.snapshot";
/// The optimizer has merged segments: all rows lie elsewhere, and two percent are new.
const MOVED: &str = "01-merge.snapshot";
/// Its backup: the name of the file would name both.
const LATEST: &str = "perf@latest";
const RESTORED: &str = "restored.snapshot";

/// Counts the runs `rounds` times, and compares the medians with the bounds or writes them as such.
///
/// # Errors
///
/// When valgrind or a program of ours cannot be had, or a run fails; a breach is an exit code of 1.
pub(crate) fn run(root: &Path, bless: bool, rounds: u32) -> Result<ExitCode> {
    ensure!(std::env::consts::ARCH == MACHINE, "the bounds are of {MACHINE}, this is {}", std::env::consts::ARCH);
    let valgrind = callgrind::version()?;
    let bounds_file = root.join(BOUNDS_FILE);
    let bounds = match bless {
        true => Bounds { runs: BTreeMap::new() },
        false => Bounds::read(&bounds_file)?,
    };
    let started = Instant::now();
    let bench = Bench::prepare(root)?;
    let mut counts: BTreeMap<&str, Vec<Count>> = BTreeMap::new();
    for round in 0..rounds {
        for (name, count) in bench.round(round)? {
            counts.entry(name).or_default().push(count);
        }
    }
    let medians: Vec<(&str, Count)> =
        RUNS.iter().filter_map(|run| Some((run.name, median(counts.get(run.name)?)?))).collect();
    let fails = print(&medians, &counts, (!bless).then_some(&bounds));
    println!("{:.0} s; profiles for callgrind_annotate: {}", started.elapsed().as_secs_f64(), bench.folder.display());
    if bless {
        let runs = medians.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        let made_by = format!("{valgrind}, {}, medians of {rounds}", compiler()?);
        Bounds { runs }.write(&bounds_file, &made_by)?;
        println!("written: {BOUNDS_FILE}");
    }
    Ok(ExitCode::from(u8::from(fails)))
}

/// Prints what was counted, in thousands and for each byte, and what is to be said of it. Returns whether something fails.
fn print(medians: &[(&str, Count)], counts: &BTreeMap<&str, Vec<Count>>, bounds: Option<&Bounds>) -> bool {
    println!("{:<14}{:>14}{:>10}{:>9}{:>9}", "RUN", "INSTRUCTIONS", "A BYTE", "SPREAD", "BOUND");
    let mut fails = false;
    for (name, count) in medians {
        let spread = counts.get(name).map_or(0.0, |counts| spread_percent(counts));
        let of_byte = count.instructions as f64 / count.bytes as f64;
        print!("{name:<14}{:>14}{of_byte:>10.2}{spread:>7.2} %", count.instructions);
        let Some(bounds) = bounds else {
            println!();
            continue;
        };
        let verdict = bounds.judge(name, *count);
        fails |= verdict.fails();
        let of_bound = bounds.runs.get(*name).map_or_else(String::new, |bound| {
            let change = count.instructions as f64 / bound.instructions as f64 - 1.0;
            format!("{:+.1} %", change * 100.0)
        });
        println!("{of_bound:>9}  {verdict}");
    }
    fails
}

/// The count in the middle, the lower one of two.
fn median(counts: &[Count]) -> Option<Count> {
    let mut counts = counts.to_vec();
    counts.sort_unstable_by_key(|count| count.instructions);
    counts.get(counts.len().checked_sub(1)? / 2).copied()
}

/// From the smallest to the largest, in percent of the smallest.
fn spread_percent(counts: &[Count]) -> f64 {
    let instructions = counts.iter().map(|count| count.instructions);
    let (Some(least), Some(most)) = (instructions.clone().min(), instructions.max()) else { return 0.0 };
    (most - least) as f64 * 100.0 / least.max(1) as f64
}

/// What the compiler says of itself: its version.
fn compiler() -> Result<String> {
    programs::version(Path::new("rustc"), &["--version"])
}

/// The programs and snapshots of all runs.
struct Bench {
    vectar: PathBuf,
    folder: PathBuf,
}

impl Bench {
    /// Builds the programs and makes the snapshots, in the build folder and anew.
    fn prepare(root: &Path) -> Result<Self> {
        for target in [&["-p", "vectar-cli", "--bin", "vectar"][..], &["-p", "vectar-testkit", "--example", "corpus"]] {
            let build = Cargo::new("build").arg("--release").args(target);
            ensure!(build.process(root).status()?.success(), "`{}` failed", build.shown());
        }
        let metadata = cargo_metadata::MetadataCommand::new().current_dir(root).no_deps().exec()?;
        let target = PathBuf::from(metadata.target_directory);
        let folder = target.join("perf-check");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let corpus = ["--size", SNAPSHOT_SIZE, "--generations", "2", "--steps", "restless", "--ids", "uuid"];
        let mut maker = Command::new(target.join("release/examples/corpus"));
        let made = maker.args(corpus).arg("--out").arg(&folder).output()?;
        ensure!(made.status.success(), "the corpus cannot be made: {}", String::from_utf8_lossy(&made.stderr));
        std::fs::hard_link(folder.join(BASE), folder.join(AGAIN))?;
        Ok(Self { vectar: target.join("release/vectar"), folder })
    }

    /// Counts every run once, with a new repository.
    fn round(&self, round: u32) -> Result<Vec<(&'static str, Count)>> {
        let repository = format!("repository-{round}");
        let options = ["--repo", &repository, "--index-dir", "index", "--no-progress"];
        let init = Command::new(&self.vectar).args(options).arg("init").current_dir(&self.folder).output()?;
        ensure!(init.status.success(), "vectar init failed: {}", String::from_utf8_lossy(&init.stderr));
        let mut counts = Vec::new();
        for Run { name, file, call } in RUNS {
            let profile = self.folder.join(format!("{name}-{round}.callgrind"));
            let arguments = [&options[..], call].concat();
            let instructions = callgrind::instructions(&self.folder, &profile, &self.vectar, &arguments)?;
            let bytes = self.folder.join(file).metadata()?.len();
            println!("{name}: {instructions}");
            counts.push((name, Count { bytes, instructions }));
        }
        self.compare_restored()?;
        std::fs::remove_dir_all(self.folder.join(&repository))?;
        Ok(counts)
    }

    /// A fast restore of other bytes would be none.
    #[expect(clippy::disallowed_methods, reason = "takes away what was restored, for the next round")]
    fn compare_restored(&self) -> Result<()> {
        let [snapshot, restored] = [MOVED, RESTORED].map(|file| self.folder.join(file));
        let same = Command::new("cmp").args([&snapshot, &restored]).status()?;
        ensure!(same.success(), "{} is not what was stored", restored.display());
        std::fs::remove_file(self.folder.join(format!("{RESTORED}.checksum")))?;
        std::fs::remove_file(&restored).with_context(|| format!("cannot remove {}", restored.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(instructions: &[u64]) -> Vec<Count> {
        instructions.iter().map(|instructions| Count { bytes: 1, instructions: *instructions }).collect()
    }

    #[test]
    fn medians_and_spreads_are_of_all_rounds() {
        let check = |instructions: &[u64], middle, spread: f64| {
            assert_eq!(median(&counts(instructions)).map(|count| count.instructions), middle);
            assert!((spread_percent(&counts(instructions)) - spread).abs() < 1e-9, "{instructions:?}");
        };
        check(&[], None, 0.0);
        check(&[5], Some(5), 0.0);
        check(&[110, 100], Some(100), 10.0);
        check(&[150, 100, 120], Some(120), 50.0);
    }

    #[test]
    fn every_run_is_about_a_file_that_is_made() {
        for Run { name, file, .. } in RUNS {
            assert!([BASE, AGAIN, MOVED].contains(&file), "{name} is about {file}");
        }
        let mut names: Vec<&str> = RUNS.map(|run| run.name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RUNS.len(), "two runs have one name");
    }
}
