//! `cargo xtask ci`: everything a change must pass, in the order in which answers are cheapest.
//!
//! - Stops at the first step that fails, names it and the command that repeats it.
//! - Needs Rust with its two components and nothing else; cargo-nextest and cargo-deny are used when they are there.
//! - The last line counts tests, taken from what the test runner printed: `N passed, N failed, N skipped`.

mod skip_log;
mod step;
mod tally;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::cargo::Cargo;
use crate::ci::skip_log::SkipLog;
use crate::ci::step::{Action, Outcome, Step};
use crate::ci::tally::{Runner, Tally};
use crate::tidy;

/// The tools a machine may lack.
#[derive(Clone, Copy, Debug)]
struct Tools {
    nextest: bool,
    deny: bool,
}

impl Tools {
    fn find(root: &Path) -> Self {
        Self {
            nextest: Cargo::new("nextest").arg("--version").succeeds(root),
            deny: Cargo::new("deny").arg("--version").succeeds(root),
        }
    }
}

/// Runs all steps and returns success when each of them passed.
///
/// # Errors
///
/// When the tree cannot be read or a process cannot be started; a step that merely fails is an exit code of 1.
pub(crate) fn run(root: &Path) -> Result<ExitCode> {
    let skip_log = SkipLog::create(root)?;
    let steps = plan(Tools::find(root), &skip_log);
    let started = Instant::now();
    let mut tally = Tally::default();
    let mut failure = None;
    for (index, step) in steps.iter().enumerate() {
        let heading = format!("ci {}/{} {}", index + 1, steps.len(), step.name);
        println!("{heading}: {}", step.action.shown());
        let step_started = Instant::now();
        let outcome = step.run(root, &mut tally)?;
        let elapsed = seconds(step_started.elapsed());
        if let Outcome::Failed { why, repeat } = outcome {
            failure = Some(format!("ci: step {} failed after {elapsed}: {why}\nrepeat it: {repeat}", step.name));
            break;
        }
        if outcome == Outcome::Passed {
            println!("{heading}: ok, {elapsed}");
        }
    }
    let skipped = skip_log.read()?;
    for (test, reason) in &skipped {
        println!("skipped: {test}: {reason}");
    }
    match &failure {
        Some(failure) => eprintln!("{failure}"),
        None => println!("ci: all steps passed in {}", seconds(started.elapsed())),
    }
    if tally.has_results() {
        println!("{}", tally.with_self_skipped(skipped.len()));
    }
    Ok(ExitCode::from(u8::from(failure.is_some())))
}

/// Returns the steps in the order they run.
fn plan(tools: Tools, skip_log: &SkipLog) -> Vec<Step> {
    let mut steps = vec![
        Step {
            name: "format",
            action: Action::Component {
                component: "rustfmt",
                probe: Cargo::new("fmt").arg("--version"),
                call: Cargo::new("fmt").args(["--all", "--", "--check"]),
            },
        },
        Step {
            name: "clippy",
            action: Action::Component {
                component: "clippy",
                probe: Cargo::new("clippy").arg("--version"),
                call: Cargo::new("clippy").args(["--workspace", "--all-targets", "--"]).args(["-D", "warnings"]),
            },
        },
        Step {
            name: "tidy",
            action: Action::Own {
                call: Cargo::new("xtask").arg("tidy"),
                run: |root| tidy::run(root, tidy::Bless::default()),
            },
        },
        Step {
            name: "licences and advisories",
            action: if tools.deny {
                Action::Call(Cargo::new("deny").arg("check"))
            } else {
                Action::Absent("left out, cargo-deny is not installed (tidy has checked the licences)")
            },
        },
    ];
    steps.extend(test_steps(tools, skip_log));
    steps.push(Step {
        name: "docs",
        action: Action::Call(Cargo::new("doc").args(["--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings")),
    });
    steps
}

/// Returns the steps whose output is counted. nextest does not run doc tests, so they are a step of their own.
fn test_steps(tools: Tools, skip_log: &SkipLog) -> [Step; 2] {
    let (tests, runner) = if tools.nextest {
        let tests = Cargo::new("nextest").args(["run", "--workspace", "--profile", "ci"]);
        (tests, Runner::Nextest)
    } else {
        // Not `--all-targets`: that would run every bench once, unoptimised.
        let tests =
            Cargo::new("test").args(["--workspace", "--lib", "--bins", "--tests", "--examples"]).arg("--no-fail-fast");
        (tests, Runner::Libtest)
    };
    let doc_tests = Cargo::new("test").args(["--workspace", "--doc", "--no-fail-fast"]);
    let counted = |name, call, runner| Step {
        name,
        action: Action::Counted { call, runner, skip_log: skip_log.path().to_path_buf() },
    };
    [counted("tests", tests, runner), counted("doc tests", doc_tests, Runner::Libtest)]
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(tools: Tools, expected: &Expect) {
        let root = tempfile::tempdir().expect("a scratch folder");
        let skip_log = SkipLog::create(root.path()).expect("a fresh log");
        let lines: Vec<String> =
            plan(tools, &skip_log).iter().map(|step| format!("{}: {}\n", step.name, step.action.shown())).collect();
        expected.assert_eq(&lines.concat());
    }

    #[test]
    fn a_fresh_machine_runs_everything_with_cargo_alone() {
        check(
            Tools { nextest: false, deny: false },
            &expect![[r#"
                format: cargo fmt --all -- --check
                clippy: cargo clippy --workspace --all-targets -- -D warnings
                tidy: cargo xtask tidy
                licences and advisories: left out, cargo-deny is not installed (tidy has checked the licences)
                tests: cargo test --workspace --lib --bins --tests --examples --no-fail-fast
                doc tests: cargo test --workspace --doc --no-fail-fast
                docs: RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps
            "#]],
        );
    }

    #[test]
    fn installed_tools_are_used() {
        check(
            Tools { nextest: true, deny: true },
            &expect![[r#"
                format: cargo fmt --all -- --check
                clippy: cargo clippy --workspace --all-targets -- -D warnings
                tidy: cargo xtask tidy
                licences and advisories: cargo deny check
                tests: cargo nextest run --workspace --profile ci
                doc tests: cargo test --workspace --doc --no-fail-fast
                docs: RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps
            "#]],
        );
    }
}
