//! Valgrind's callgrind: how many instructions a program takes, and nothing of how fast the machine is.
//!
//! Valgrind imitates a processor with AVX2 and without SHA extensions or AVX-512. SHA-256 is plain code there and would be six tenths of a first
//! ingest and nine of an unchanged one, so that nothing else could be seen; its functions are not counted.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::programs;

/// Installs valgrind when it is missing, and returns its version.
///
/// # Errors
///
/// When it cannot be had.
pub(super) fn version() -> Result<String> {
    ensure!(
        programs::from_debian("valgrind", "valgrind"),
        "valgrind cannot be had: install the Debian package valgrind"
    );
    programs::version(Path::new("valgrind"), &["--version"])
}

/// Functions whose instructions are not counted have this in their names.
const LEFT_OUT: &str = "sha2::sha256";

/// Runs a program on one processor and returns its instructions without those of SHA-256, all threads together; the profile is left in
/// `profile`.
///
/// # Errors
///
/// When it cannot be started or fails, or callgrind's file cannot be read.
#[expect(clippy::disallowed_methods, reason = "a profile is no part of a repository")]
pub(super) fn instructions(folder: &Path, profile: &Path, program: &Path, arguments: &[&str]) -> Result<u64> {
    let mut command = Command::new("taskset");
    // Several threads wait for each other by looking again and again, as often as chance wills; where there is one processor, a
    // program starts few of them.
    command.args(["--cpu-list", "0", "valgrind", "--tool=callgrind", "--quiet"]);
    command.arg(format!("--callgrind-out-file={}", profile.display())).arg(program).args(arguments);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("VECTAR_") || name.to_string_lossy().starts_with("XDG_") {
            command.env_remove(&name);
        }
    }
    command.env("HOME", folder).env("TZ", "UTC").env("LC_ALL", "C").current_dir(folder).stdin(Stdio::null());
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} ended with {}: {said}", output.status);
    let bytes = std::fs::read(profile).with_context(|| format!("cannot read {}", profile.display()))?;
    counted(&String::from_utf8_lossy(&bytes)).with_context(|| format!("{} is no profile", profile.display()))
}

/// Reads what callgrind wrote (its manual, "Callgrind Format Specification"): `events:` names what is counted, here `Ir`, instructions read, and
/// nothing else; `fn=(7) name` begins the lines of a function, which later is `fn=(7)` alone; a line of two numbers, the first of which may be
/// relative, is what a line of source took by itself, unless `calls=` stands before it; `totals:` is the sum.
fn counted(profile: &str) -> Result<u64> {
    let mut names: HashMap<&str, bool> = HashMap::new();
    let mut has_events = false;
    let (mut is_left_out, mut is_call) = (false, false);
    let (mut sum, mut left_out) = (0_u64, 0_u64);
    let mut total = None;
    for line in profile.lines() {
        if let Some(events) = line.strip_prefix("events:") {
            ensure!(events.trim() == "Ir", "it counts {}, and not instructions alone", events.trim());
            has_events = true;
        } else if let Some(function) = line.strip_prefix("fn=") {
            let (id, name) = function.split_once(' ').unwrap_or((function, ""));
            if !name.is_empty() {
                names.insert(id, name.contains(LEFT_OUT));
            }
            is_left_out = *names.get(id).with_context(|| format!("function {id} has no name"))?;
        } else if ["cfn=", "cfi=", "cfl="].iter().any(|key| line.starts_with(key)) {
            // A function may be named where it is called first.
            if let Some((id, name)) = line.strip_prefix("cfn=").and_then(|function| function.split_once(' ')) {
                names.insert(id, name.contains(LEFT_OUT));
            }
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if let Some(count) = line.strip_prefix("totals:") {
            total = Some(number(count)?);
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            let (_, count) = line.split_once(' ').with_context(|| format!("{line:?} has no count"))?;
            let count = if std::mem::take(&mut is_call) { 0 } else { number(count)? };
            sum += count;
            left_out += if is_left_out { count } else { 0 };
        }
    }
    ensure!(has_events, "it has no line \"events:\"");
    let total = total.context("it has no line \"totals:\", so it is not finished")?;
    ensure!(sum == total, "its lines come to {sum} and its total is {total}");
    Ok(total - left_out)
}

fn number(text: &str) -> Result<u64> {
    text.trim().parse().with_context(|| format!("{text:?} is no count"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As callgrind writes it, shortened: what `compress` and `main` take by themselves, and a call between them.
    const PROFILE: &str = "\
# callgrind format
version: 1
creator: callgrind-3.19.0
cmd: ./vectar ingest
positions: line
events: Ir
summary: 1700

fl=(1) main.rs
fn=(1) vectar::main
16 400
+2 100
cfi=(2) unroll.rs
cfn=(2) sha2::sha256::soft::unroll::compress
calls=3 61
* 1150
fi=(3) vec.rs
-4 50

fl=(2)
fn=(2)
61 1000
* 150

totals: 1700
";

    #[test]
    fn what_functions_take_by_themselves_is_counted_but_for_sha_256() {
        assert_eq!(counted(PROFILE).ok(), Some(550));
        let renamed = PROFILE.replace("sha2::sha256::soft", "blake3");
        assert_eq!(counted(&renamed).ok(), Some(1700));
    }

    #[test]
    fn what_is_not_finished_or_does_not_add_up_is_an_error() {
        for (from, to) in [
            ("totals: 1700\n", ""),
            ("events: Ir\n", ""),
            ("events: Ir", "events: Ir Dr"),
            ("61 1000", "61 1001"),
            ("61 1000", "61"),
            ("61 1000", "61 x"),
            ("cfn=(2) sha2::sha256::soft::unroll::compress\n", ""),
        ] {
            assert!(counted(&PROFILE.replace(from, to)).is_err(), "{from:?} as {to:?}");
        }
    }
}
