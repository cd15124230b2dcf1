//! `cargo xtask acceptance`: the promises about size and speed that are too large for the continuous integration.
//!
//! - Everything is done by the released programs, as a user does it; what is measured is a process, its files and its time.
//! - Each claim is a line of the table: what, the bound, what was measured. A claim that is not met makes the exit code 1, and the
//!   others are measured all the same.
//! - Takes about twenty minutes and 16 GiB of free space, which are given back; the rows take half an hour more, and Python with what can
//!   be installed from its package index.

mod claim;
mod deep;
mod extract;
mod generations;
mod measured;
mod memory;
mod rows;
mod upkeep;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::acceptance::claim::{Claim, print_table};
use crate::acceptance::deep::DeepScenes;
use crate::acceptance::generations::GenerationScenes;
use crate::acceptance::measured::{Measured, measure, same_bytes};
use crate::cargo::Cargo;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Anonymous memory that an ingest or a restore may take.
const MEMORY_BYTES_MAX: u64 = 512 * MIB;

/// How long `inspect` may take, and what it may read: the headers of some hundred entries are far below, any body far above.
const INSPECT_TIME_MAX: Duration = Duration::from_millis(100);
const INSPECT_READ_BYTES_MAX: u64 = 4 * MIB;

/// How many records are listed, and how long that may take.
const RECORDS: u64 = 10_000;
const LIST_TIME_MAX: Duration = Duration::from_millis(300);

/// A quick command is run this often, and the median of its times counts: the slowest is that of whatever else the machine does.
const RUNS: usize = 5;

/// Claims that are measured together.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Part {
    /// 3 GiB with sparse entries of 9 GiB, in and out
    Giant,
    /// 2 GiB as a server makes it, in and out
    TwoGib,
    /// A list of 10,000 backups
    Records,
    /// Points of snapshots of 2 GiB
    Deep,
    /// One shard out of a collection of 2 GiB
    Extract,
    /// Thirty snapshots of a collection whose rows move
    Generations,
    /// Memory by the length of a snapshot, up to 8 GiB
    Memory,
    /// Prune and check
    Upkeep,
    /// Rows that Qdrant's optimizer moves
    Rows,
}

/// Measures the claims of these parts under `work`, which must not exist, and removes it again unless `keep`.
///
/// # Errors
///
/// When a program cannot be built or started, or fails where no claim is about that.
pub(crate) fn run(root: &Path, work: Option<PathBuf>, keep: bool, parts: &[Part]) -> Result<ExitCode> {
    let programs = Programs::build(root)?;
    let work = work.unwrap_or_else(|| programs.folder.join("acceptance"));
    ensure!(!work.exists(), "{} exists: it is left from another run, or something else's; remove it", work.display());
    std::fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
    // Elsewhere by the time another program runs, unless it is absolute.
    let work = work.canonicalize()?;
    let claims = measure_all(&programs, &work, parts);
    if keep {
        println!("kept: {}", work.display());
    } else {
        remove(&work)?;
    }
    let claims = claims?;
    print_table(&claims);
    Ok(ExitCode::from(u8::from(claims.iter().any(|claim| !claim.ok))))
}

fn measure_all(programs: &Programs, work: &Path, parts: &[Part]) -> Result<Vec<Claim>> {
    let scene = |name| Scene::create(programs, work.join(name));
    let mut claims = Vec::new();
    for part in parts {
        claims.extend(match part {
            Part::Giant => sparse_giant(&scene("giant")?)?,
            Part::TwoGib => two_gib(&scene("two-gib")?)?,
            Part::Records => vec![many_records(&scene("records")?)?],
            Part::Deep => deep::measure_deep(&DeepScenes {
                uuids: scene("deep-uuids")?,
                numbers: scene("deep-numbers")?,
                unordered: scene("deep-unordered")?,
            })?,
            Part::Extract => extract::measure_extract(&scene("extract")?, &scene("extract-alone")?)?,
            Part::Generations => generations::measure_generations(&GenerationScenes {
                shared: scene("generations-shared")?,
                whole: scene("generations-whole")?,
            })?,
            Part::Memory => {
                memory::measure_memory(&[scene("memory-short")?, scene("memory-middle")?, scene("memory-long")?])?
            }
            Part::Upkeep => upkeep::measure_upkeep(&scene("few-chunks")?, &scene("many-chunks")?)?,
            Part::Rows => rows::measure_rows(&scene("long-rows")?, &scene("short-rows")?)?,
        });
    }
    Ok(claims)
}

/// 3 GiB with entries of 9 GiB: in, out, the same.
fn sparse_giant(scene: &Scene<'_>) -> Result<Vec<Claim>> {
    let snapshot = scene.corpus(&["--sparse-giant"], "sparse-giant.snapshot")?;
    let bytes = len(&snapshot)?;
    ensure!(bytes >= 3 * GIB, "{bytes} bytes were made, 3 GiB wanted");
    let claims = round_trip(scene, "3 GiB with sparse entries of 9 GiB", &snapshot)?;
    scene.discard()?;
    Ok(claims)
}

/// A snapshot of 2 GiB as a server makes one, all new.
fn two_gib(scene: &Scene<'_>) -> Result<Vec<Claim>> {
    let snapshot = scene.corpus(&["--size", "2GiB", "--generations", "1"], "00-base.snapshot")?;
    let bytes = len(&snapshot)?;
    ensure!(bytes.abs_diff(2 * GIB) < GIB / 10, "{bytes} bytes were made, 2 GiB wanted");
    let mut claims = round_trip(scene, "2 GiB", &snapshot)?;
    let looked = median(|| scene.vectar().arg("inspect").arg(&snapshot).measured())?;
    ensure!(looked.stdout.contains("collection"), "inspect said: {}", looked.stdout);
    claims.push(Claim::at_most_time("  inspect: time", INSPECT_TIME_MAX, looked.elapsed));
    claims.push(Claim::at_most_bytes("  inspect: bytes read", INSPECT_READ_BYTES_MAX, looked.read_bytes));
    scene.discard()?;
    Ok(claims)
}

fn round_trip(scene: &Scene<'_>, what: &str, snapshot: &Path) -> Result<Vec<Claim>> {
    let bytes = len(snapshot)?;
    scene.vectar().arg("init").measured()?;
    let stored = scene.vectar().arg("ingest").arg(snapshot).measured()?;
    let restored = scene.folder.join("restored.snapshot");
    let rebuilt = scene.vectar().args(["restore", "latest", "-o"]).arg(&restored).measured()?;
    Ok(vec![
        Claim::holds(&format!("{what}: restored identical"), same_bytes(snapshot, &restored)?),
        Claim::at_most_bytes("  ingest: anonymous memory", MEMORY_BYTES_MAX, stored.memory()?),
        Claim::at_most_bytes("  restore: anonymous memory", MEMORY_BYTES_MAX, rebuilt.memory()?),
        Claim::figure("  ingest: rate", stored.rate(bytes)),
        Claim::figure("  restore: rate", rebuilt.rate(bytes)),
    ])
}

/// A list of many backups by a client that was never here.
fn many_records(scene: &Scene<'_>) -> Result<Claim> {
    let snapshot = scene.corpus(&["--points", "500", "--generations", "1"], "00-base.snapshot")?;
    scene.vectar().arg("init").measured()?;
    scene.vectar().arg("ingest").arg(&snapshot).measured()?;
    let count = RECORDS.to_string();
    measure(Command::new(&scene.programs.records).arg(scene.repository()).arg(&count))?;
    let listed = median(|| {
        remove(&scene.index())?;
        let listed = scene.vectar().args(["list", "--json"]).measured()?;
        let lines = listed.stdout.lines().count() as u64;
        ensure!(lines == RECORDS, "{lines} of {RECORDS} records were listed");
        Ok(listed)
    })?;
    scene.discard()?;
    Ok(Claim::at_most_time("list of 10,000 backups without an index: time", LIST_TIME_MAX, listed.elapsed))
}

/// Runs something several times and returns the run that took the median of their times.
fn median(mut run: impl FnMut() -> Result<Measured>) -> Result<Measured> {
    let mut runs = (0..RUNS).map(|_| run()).collect::<Result<Vec<_>>>()?;
    runs.sort_by_key(|run| run.elapsed);
    Ok(runs.swap_remove(RUNS / 2))
}

/// Removes a folder and what is in it, if it is there.
fn remove(folder: &Path) -> Result<()> {
    match folder.exists() {
        true => std::fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display())),
        false => Ok(()),
    }
}

#[expect(clippy::disallowed_methods, reason = "takes away a snapshot that was made for this, to save space")]
fn remove_file(path: &Path) -> Result<()> {
    std::fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))
}

fn len(path: &Path) -> Result<u64> {
    Ok(path.metadata().with_context(|| format!("cannot read {}", path.display()))?.len())
}

/// The programs that are measured or make what is measured, built for release.
struct Programs {
    /// The build folder.
    folder: PathBuf,
    vectar: PathBuf,
    corpus: PathBuf,
    records: PathBuf,
    upkeep: PathBuf,
    rows: PathBuf,
}

impl Programs {
    fn build(root: &Path) -> Result<Self> {
        let targets: [&[&str]; 5] = [
            &["-p", "vectar-cli", "--bin", "vectar"],
            &["-p", "vectar-testkit", "--example", "corpus"],
            &["-p", "vectar-tests", "--example", "records"],
            &["-p", "vectar-tests", "--example", "upkeep"],
            &["-p", "vectar-tests", "--example", "rows"],
        ];
        for target in targets {
            let build = Cargo::new("build").arg("--release").args(target);
            let status = build.process(root).status().with_context(|| format!("cannot start `{}`", build.shown()))?;
            ensure!(status.success(), "`{}` failed", build.shown());
        }
        let metadata = cargo_metadata::MetadataCommand::new().current_dir(root).no_deps().exec()?;
        let folder = PathBuf::from(metadata.target_directory);
        let (release, examples) = (folder.join("release"), folder.join("release/examples"));
        Ok(Self {
            vectar: release.join("vectar"),
            corpus: examples.join("corpus"),
            records: examples.join("records"),
            upkeep: examples.join("upkeep"),
            rows: examples.join("rows"),
            folder,
        })
    }
}

/// A folder for one repository and the files that go in and come out.
struct Scene<'p> {
    programs: &'p Programs,
    folder: PathBuf,
}

impl<'p> Scene<'p> {
    fn create(programs: &'p Programs, folder: PathBuf) -> Result<Self> {
        std::fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Self { programs, folder })
    }

    fn repository(&self) -> PathBuf {
        self.folder.join("repository")
    }

    fn index(&self) -> PathBuf {
        self.folder.join("index")
    }

    /// Has a corpus made and returns the path of one file of it.
    fn corpus(&self, arguments: &[&str], file: &str) -> Result<PathBuf> {
        self.make_corpus(arguments)?;
        Ok(self.corpus_folder().join(file))
    }

    /// Has a corpus made and returns what its maker said of it.
    fn make_corpus(&self, arguments: &[&str]) -> Result<String> {
        let made = measure(Command::new(&self.programs.corpus).arg("--out").arg(self.corpus_folder()).args(arguments))?;
        Ok(made.stdout)
    }

    fn corpus_folder(&self) -> PathBuf {
        self.folder.join("corpus")
    }

    /// Returns a call of `vectar` that sees neither the configuration nor the caches of whoever runs this.
    fn vectar(&self) -> Call {
        let mut command = Command::new(&self.programs.vectar);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("VECTAR_") || name.to_string_lossy().starts_with("XDG_") {
                command.env_remove(&name);
            }
        }
        command.env("HOME", self.folder.join("home"));
        command.arg("--repo").arg(self.repository()).arg("--index-dir").arg(self.index());
        Call(command)
    }

    /// Removes repository and index; what was made for the scene stays.
    fn empty(&self) -> Result<()> {
        remove(&self.repository())?;
        remove(&self.index())
    }

    /// Gives the space back to the next scene.
    fn discard(&self) -> Result<()> {
        remove(&self.folder)
    }
}

/// A call of `vectar` under construction.
struct Call(Command);

impl Call {
    fn arg(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Self {
        self.0.arg(argument);
        self
    }

    fn args<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.0.args(arguments);
        self
    }

    fn measured(mut self) -> Result<Measured> {
        measure(&mut self.0)
    }
}
