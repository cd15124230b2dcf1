//! Where the engine lives: one virtual environment per version, and folders that are made once.

#![expect(clippy::disallowed_methods, reason = "environments and shards are plain files, not part of a repository")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::fixtures::{scratch_folder, skipped};

/// Returns a Python that can import `qdrant_edge` of this version: from a virtual environment in the build directory,
/// made on first use and kept. `None`, with the reason printed, where Python or the package cannot be had.
///
/// # Panics
///
/// When the build directory cannot be written.
pub fn python(version: &str) -> Option<PathBuf> {
    let made = made_once(&format!("qdrant-edge-{version}-venv"), |staging| make_environment(staging, version));
    made.map_err(|why| skipped(&why)).ok().map(|folder| interpreter(&folder))
}

/// Returns the path of a script of this crate's `python` folder.
pub fn script(name: &str) -> PathBuf {
    script_folder().join(name)
}

pub(super) fn script_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}

/// Runs a script; its error output becomes the panic's text when it fails.
pub(super) fn run(python: &Path, name: &str, arguments: &[&str]) -> String {
    let output = output(python, name, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {arguments:?}: {stderr}");
    String::from_utf8(output.stdout).expect("the scripts print UTF-8")
}

pub(super) fn output(python: &Path, name: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(python);
    // Without this, parallel processes would write byte code into the source tree.
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUTF8", "1").env("RUST_BACKTRACE", "0");
    command
        .arg(script(name))
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", python.display()))
}

/// Returns a folder of the build directory that is filled by the first caller of all processes and kept. It is filled
/// aside and renamed, so it is complete or absent; others wait meanwhile.
pub(super) fn made_once(name: &str, fill: impl FnOnce(&Path) -> Result<(), String>) -> Result<PathBuf, String> {
    let parent = scratch_folder();
    let folder = parent.join(name);
    if folder.is_dir() {
        return Ok(folder);
    }
    let lock = parent.join(format!("{name}.lock"));
    let lock = File::create(&lock).unwrap_or_else(|error| panic!("cannot create {}: {error}", lock.display()));
    // Where the file system has no locks, two processes may both fill: one rename wins, and either result is good.
    let _ = lock.lock();
    if folder.is_dir() {
        return Ok(folder);
    }
    let staging = tempfile::Builder::new()
        .prefix("making-")
        .tempdir_in(&parent)
        .unwrap_or_else(|error| panic!("cannot create a folder in {}: {error}", parent.display()));
    fill(staging.path())?;
    if let Err(error) = fs::rename(staging.path(), &folder) {
        assert!(folder.is_dir(), "cannot create {}: {error}", folder.display());
    }
    Ok(folder)
}

fn interpreter(environment: &Path) -> PathBuf {
    environment.join("bin/python")
}

/// Nothing in an environment that we use holds its own path, so it may be renamed.
fn make_environment(staging: &Path, version: &str) -> Result<(), String> {
    let package = format!("qdrant-edge-py=={version}");
    let options = ["install", "--quiet", "--disable-pip-version-check", "--retries", "1"];
    // Without its own pip the environment is made in a tenth of the time, if Python's pip is new enough for that.
    let quick = runs(Command::new("python3").args(["-m", "venv", "--without-pip"]).arg(staging))
        && runs(
            Command::new("python3")
                .args(["-m", "pip", "--python"])
                .arg(interpreter(staging))
                .args(options)
                .arg(&package),
        );
    if quick {
        return Ok(());
    }
    if !runs(Command::new("python3").args(["-m", "venv", "--clear"]).arg(staging)) {
        return Err(format!("python3 with venv is not here, so {package} cannot be asked"));
    }
    if !runs(Command::new(interpreter(staging)).args(["-m", "pip"]).args(options).arg(&package)) {
        return Err(format!("{package} cannot be installed, so it cannot be asked"));
    }
    Ok(())
}

fn runs(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
