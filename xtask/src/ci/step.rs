//! One step of the gate: what it runs, and how its end is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::thread;

use anyhow::{Context, Result};

use crate::cargo::Cargo;
use crate::ci::skip_log;
use crate::ci::tally::{Runner, Tally};

/// A named part of the gate.
#[derive(Debug)]
pub(crate) struct Step {
    /// What the step is called in every line about it.
    pub(crate) name: &'static str,
    /// What it does.
    pub(crate) action: Action,
}

/// What a step does.
#[derive(Debug)]
pub(crate) enum Action {
    /// Runs a cargo command.
    Call(Cargo),
    /// Runs a cargo command that needs a component of the toolchain, after a probe that tells whether it is there.
    Component { component: &'static str, probe: Cargo, call: Cargo },
    /// Runs the test command of `runner`, counts what its output reports, and lets tests note in `skip_log` that they
    /// did not run.
    Counted { call: Cargo, runner: Runner, skip_log: PathBuf },
    /// Runs a check of this program, which says whether all is well; `call` is how a person repeats it.
    Own { call: Cargo, run: fn(&Path) -> Result<bool> },
    /// Does nothing but say why.
    Absent(&'static str),
}

/// How a step ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    /// Nothing is wrong.
    Passed,
    /// Nothing was done, and the step said why.
    LeftOut,
    /// Something is wrong.
    Failed {
        /// One line: what was seen.
        why: String,
        /// The command to run again.
        repeat: String,
    },
}

impl Action {
    /// Returns what the step prints before it begins: its command, or why it has none.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Call(call) | Self::Component { call, .. } | Self::Counted { call, .. } | Self::Own { call, .. } => {
                call.shown()
            }
            Self::Absent(why) => (*why).to_owned(),
        }
    }
}

impl Step {
    /// Runs the step in `root` and adds the tests it saw to `tally`.
    ///
    /// # Errors
    ///
    /// When the process cannot be started or its output cannot be read.
    pub(crate) fn run(&self, root: &Path, tally: &mut Tally) -> Result<Outcome> {
        match &self.action {
            Action::Call(call) => run_call(call, root),
            Action::Component { component, probe, call } => {
                if probe.succeeds(root) {
                    run_call(call, root)
                } else {
                    Ok(component_missing(component))
                }
            }
            Action::Counted { call, runner, skip_log } => run_counted(call, *runner, skip_log, root, tally),
            Action::Own { call, run } => Ok(if run(root)? {
                Outcome::Passed
            } else {
                Outcome::Failed { why: "the findings are listed above".to_owned(), repeat: call.shown() }
            }),
            Action::Absent(_) => Ok(Outcome::LeftOut),
        }
    }
}

fn component_missing(component: &str) -> Outcome {
    Outcome::Failed {
        why: format!("the toolchain has no {component}; add it with `rustup component add {component}`"),
        repeat: "cargo xtask ci".to_owned(),
    }
}

fn run_call(call: &Cargo, root: &Path) -> Result<Outcome> {
    let status = call.process(root).status().with_context(|| format!("cannot start `{}`", call.shown()))?;
    Ok(outcome(status, call))
}

fn outcome(status: ExitStatus, call: &Cargo) -> Outcome {
    if status.success() { Outcome::Passed } else { Outcome::Failed { why: status.to_string(), repeat: call.shown() } }
}

/// Runs a test command with its output passed on line by line as it comes, and counted on the way.
fn run_counted(call: &Cargo, runner: Runner, skip_log: &Path, root: &Path, tally: &mut Tally) -> Result<Outcome> {
    let mut child = call
        .process(root)
        .env(skip_log::VARIABLE, skip_log)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", call.shown()))?;
    let stdout = child.stdout.take().expect("stdout was piped above");
    let stderr = child.stderr.take().expect("stderr was piped above");
    // Both pipes are drained at once, else the process stops on
    // the one that is full.
    let (from_stdout, from_stderr) = thread::scope(|scope| {
        let reader = scope.spawn(|| pass_on(stderr, std::io::stderr(), runner));
        let from_stdout = pass_on(stdout, std::io::stdout(), runner);
        let from_stderr = reader.join().expect("the reader does not panic");
        (from_stdout, from_stderr)
    });
    let status = child.wait().context("cannot wait for the test run")?;
    let mut seen = from_stdout? + from_stderr?;
    if !status.success() {
        seen.note_failed_run();
    }
    *tally += seen;
    Ok(outcome(status, call))
}

/// Copies `from` to `to` and counts the result lines that pass.
fn pass_on(from: impl Read, mut to: impl Write, runner: Runner) -> Result<Tally> {
    let mut from = BufReader::new(from);
    let mut tally = Tally::default();
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).context("cannot read the output of the test run")? > 0 {
        tally.read_line(runner, &String::from_utf8_lossy(&line));
        to.write_all(&line).and_then(|()| to.flush()).context("cannot pass the output of the test run on")?;
        line.clear();
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_passed_on_unchanged_and_counted() {
        let output = b"running 2 tests\n\xff\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured";
        let mut copy = Vec::new();
        let tally = pass_on(&output[..], &mut copy, Runner::Libtest).expect("memory does not fail");
        assert_eq!(copy, output);
        assert_eq!(tally.to_string(), "2 passed, 0 failed, 0 skipped");
    }

    #[test]
    fn a_missing_component_fails_with_the_command_that_adds_it() {
        let root = tempfile::tempdir().expect("a scratch folder");
        let step = Step {
            name: "format",
            action: Action::Component {
                component: "rustfmt",
                probe: Cargo::new("no-such-command-of-cargo"),
                call: Cargo::new("--version"),
            },
        };
        let outcome = step.run(root.path(), &mut Tally::default());
        let Ok(Outcome::Failed { why, .. }) = outcome else {
            panic!("the component was thought to be there: {outcome:?}");
        };
        assert!(why.contains("rustup component add rustfmt"), "{why}");
    }

    #[test]
    fn a_command_that_fails_is_named_with_its_repetition() {
        let root = tempfile::tempdir().expect("a scratch folder");
        let step = Step { name: "clippy", action: Action::Call(Cargo::new("no-such-command-of-cargo")) };
        let outcome = step.run(root.path(), &mut Tally::default());
        let Ok(Outcome::Failed { repeat, .. }) = outcome else {
            panic!("a command that does not exist passed: {outcome:?}");
        };
        assert_eq!(repeat, "cargo no-such-command-of-cargo");
    }
    #[test]
    fn a_step_without_its_tool_is_left_out_and_not_passed() {
        let root = tempfile::tempdir().expect("a scratch folder");
        let step = Step { name: "advisories", action: Action::Absent("not installed") };
        let outcome = step.run(root.path(), &mut Tally::default()).expect("nothing is started");
        assert_eq!(outcome, Outcome::LeftOut);
    }
}
