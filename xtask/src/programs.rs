//! Programs of others that a measurement needs: found, or had as a Debian package, or built by `cargo install` into a folder of our own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

/// Installs a Debian package when its program is missing. Returns whether the program is there now.
pub(crate) fn from_debian(program: &str, package: &str) -> bool {
    if !starts(Path::new(program)) {
        // Whether it worked the next look tells.
        let _ = Command::new("apt-get")
            .args(["install", "-y", package])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
    starts(Path::new(program))
}

/// Returns the program of a crate, which `cargo install` puts into `tools` when neither the path nor that folder has it. `None` when it
/// cannot be built here; cargo has said why then.
///
/// # Errors
///
/// When `tools` cannot be made.
pub(crate) fn from_crate(program: &str, package: &str, tools: &Path) -> Result<Option<PathBuf>> {
    if starts(Path::new(program)) {
        return Ok(Some(program.into()));
    }
    let installed = tools.join("bin").join(program);
    if !starts(&installed) {
        std::fs::create_dir_all(tools).with_context(|| format!("cannot create {}", tools.display()))?;
        println!(
            "{program} is not here: `cargo install {package} --locked` on one processor, once; a large one takes most of an hour"
        );
        let build = tools.join("build");
        // Kindly, and on one processor: it may be the only thing on the machine that is not being measured. In a folder of its own,
        // because no setting of this workspace is meant for it.
        let status = Command::new("nice")
            .args(["-n", "10", "cargo", "install", package, "--locked", "--jobs", "1", "--quiet", "--root"])
            .arg(tools)
            .current_dir(tools)
            .env("CARGO_TARGET_DIR", &build)
            .stdin(Stdio::null())
            .status();
        if build.exists() {
            std::fs::remove_dir_all(&build).with_context(|| format!("cannot remove {}", build.display()))?;
        }
        if !status.is_ok_and(|status| status.success()) {
            return Ok(None);
        }
    }
    Ok(starts(&installed).then_some(installed))
}

/// The first line in which a program speaks of its version, without what it says of its compilation.
///
/// # Errors
///
/// When it cannot be started.
pub(crate) fn version(program: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    Ok(version_line(&String::from_utf8_lossy(&[output.stdout, output.stderr].concat())))
}

fn version_line(text: &str) -> String {
    let line = text.lines().find(|line| line.chars().any(|letter| letter.is_ascii_digit()));
    let line = line.unwrap_or("version not told");
    let end = [" compiled", " journaling", " (Library"].iter().filter_map(|tail| line.find(tail)).min();
    line[..end.unwrap_or(line.len())].trim_matches(|letter: char| letter.is_whitespace() || letter == '*').to_owned()
}

fn starts(program: &Path) -> bool {
    // Some know no option for their version; that they start is enough.
    Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_one_short_line() {
        let check = |text, version| assert_eq!(version_line(text), version);
        check("restic 0.14.0 compiled with go1.19.8 on linux/amd64\n", "restic 0.14.0");
        check("zpaq v7.15 journaling archiver, compiled Aug 29 2021\nUsage:\n", "zpaq v7.15");
        check("casync 2\n+SELINUX\n", "casync 2");
        check("OpenSSL 3.0.17 1 Jul 2025 (Library: OpenSSL 3.0.17 1 Jul 2025)\n", "OpenSSL 3.0.17 1 Jul 2025");
        check(
            "*** Zstandard CLI (64-bit) v1.5.4, by Yann Collet ***\n",
            "Zstandard CLI (64-bit) v1.5.4, by Yann Collet",
        );
        check("no number at all\n", "version not told");
    }

    #[test]
    fn a_program_that_is_nowhere_is_not_there() {
        assert!(!starts(Path::new("/no/such/program")));
        assert!(starts(Path::new("cargo")));
    }
}
