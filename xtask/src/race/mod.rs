//! `cargo xtask race`: the same snapshots through vectar and its peers, side by side in one run, on the same disk, with the files in the page
//! cache for all of them. The peers are Debian packages, which are installed when they are missing and the user may do that, or are built by
//! `cargo install` into the build folder; a peer that cannot be had is named as missing.

mod bounds;
mod checks;
mod corpora;
mod document;
mod entrants;
mod figures;
mod files;
mod plots;
mod report;
mod speed;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use crate::cargo::Cargo;

pub(crate) use corpora::{Corpus, CorpusSizes, parse_size};
pub(crate) use speed::SpeedOptions;

/// What is raced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Discipline {
    /// Checks of a repository, and what durability costs
    Checks,
    /// Storing, storing again and restoring one snapshot; sizes of real series
    Speed,
}

/// Runs the disciplines in `work`, which must not exist; else in the build folder.
///
/// # Errors
///
/// When a program of ours cannot be built, or one fails.
pub(crate) fn run(
    root: &Path,
    disciplines: &[Discipline],
    work: Option<PathBuf>,
    mut options: SpeedOptions,
) -> Result<ExitCode> {
    // Programs run in folders of their own, where a relative path means something else.
    options.series = options.series.iter().map(|folder| absolute(folder)).collect::<Result<_>>()?;
    for target in [&["-p", "vectar-cli"][..], &["-p", "vectar-testkit", "--example", "corpus"]] {
        let built = Cargo::new("build").arg("--release").args(target).process(root).status()?;
        ensure!(built.success(), "a program of ours cannot be built");
    }
    let metadata = cargo_metadata::MetadataCommand::new().current_dir(root).no_deps().exec()?;
    let release = PathBuf::from(metadata.target_directory).join("release");
    let work = work.unwrap_or_else(|| release.with_file_name("race"));
    ensure!(!work.exists(), "{} exists: it is left from another race, or something else's; remove it", work.display());
    std::fs::create_dir_all(&work)?;
    let work = work.canonicalize()?;
    let mut met = true;
    for discipline in disciplines {
        met &= match discipline {
            Discipline::Checks => checks::run(&release, &work)?,
            Discipline::Speed => speed::run(root, &release, &work, &options)?,
        };
    }
    std::fs::remove_dir_all(&work)?;
    Ok(ExitCode::from(u8::from(!met)))
}

fn absolute(folder: &Path) -> Result<PathBuf> {
    folder.canonicalize().with_context(|| format!("cannot find {}", folder.display()))
}

/// Runs a command in a folder; what it says is shown only when it fails.
fn run_in(folder: &Path, command: &mut Command) -> Result<()> {
    let output = command
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    let text = || String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{command:?} ended with {}: {}", output.status, text());
    Ok(())
}

fn timed(step: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    step()?;
    Ok(start.elapsed())
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64().max(f64::MIN_POSITIVE)
}

fn verdict(ok: bool) -> &'static str {
    if ok { "ok" } else { "BREACH" }
}
