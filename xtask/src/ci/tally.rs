//! Counts of tests, read from what the test runners print.

use std::fmt;
use std::ops::{Add, AddAssign};

/// Whose output is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runner {
    /// `cargo test`, on stdout: `test result: ok. 3 passed; 0 failed; 1 ignored; …`, once for each binary.
    Libtest,
    /// `cargo nextest run`, on stderr, once: `     Summary [ 1.2s] 12 tests run: 10 passed (1 slow), 1 failed, 1 timed out,
    /// 2 skipped`.
    Nextest,
}

/// How many tests ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
    result_lines: usize,
}

impl Tally {
    /// Adds what a line of `runner`'s output reports; lines that are no result of that runner change nothing.
    ///
    /// Beginnings count to the last space, because nextest repeats the output of a failed test, with the result line of
    /// that test's own libtest, indented by four.
    pub(crate) fn read_line(&mut self, runner: Runner, line: &str) {
        let line = without_colours(line);
        let counts = match runner {
            // The verdict, `ok.` or `FAILED.`, stands before the counts.
            Runner::Libtest => line.strip_prefix("test result: ").and_then(|result| result.split_once(". ")),
            Runner::Nextest => line.strip_prefix("     Summary [").and_then(|summary| summary.split_once(" run: ")),
        };
        if let Some((_, counts)) = counts {
            self.result_lines += 1;
            for count in counts.split([',', ';']) {
                self.read_count(count.trim());
            }
        }
    }

    fn read_count(&mut self, count: &str) {
        let Some((number, label)) = count.split_once(' ') else {
            return;
        };
        let Ok(number) = number.parse::<usize>() else {
            return;
        };
        // `passed (1 slow)`: the remark in brackets is about tests that are counted already.
        let label = label.split(" (").next().unwrap_or(label);
        match label {
            "passed" => self.passed += number,
            "failed" | "timed out" | "exec failed" => self.failed += number,
            "skipped" | "ignored" => self.skipped += number,
            _ => {}
        }
    }

    /// Tells whether a runner reported anything at all; a run that did not compile reports nothing.
    pub(crate) fn has_results(&self) -> bool {
        self.result_lines > 0
    }

    /// Takes notice that the run which gave these counts failed. A test binary that died prints no result line of
    /// its own, so a failed run with no failure in its counts hides at least one.
    pub(crate) fn note_failed_run(&mut self) {
        if self.has_results() && self.failed == 0 {
            self.failed = 1;
        }
    }

    /// Returns the counts with `count` tests moved from *passed* to *skipped*: those that ended early by themselves.
    pub(crate) fn with_self_skipped(mut self, count: usize) -> Self {
        // A test that noted a skip and failed all the same is not among the passed; never count below zero.
        let moved = count.min(self.passed);
        self.passed -= moved;
        self.skipped += moved;
        self
    }
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
            result_lines: self.result_lines + other.result_lines,
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Drops the colour sequences (ECMA-48 SGR: `ESC [ … m`) from a line.
fn without_colours(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(runner: Runner, output: &str, expected: &str) {
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.read_line(runner, line));
        assert_eq!(tally.to_string(), expected, "{output}");
    }

    #[test]
    fn libtest_results_of_all_binaries_are_added() {
        check(
            Runner::Libtest,
            "running 3 tests\n\
             test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.01s\n\
             test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s\n",
            "8 passed, 2 failed, 1 skipped",
        );
    }

    #[test]
    fn nextest_summaries_are_read_with_and_without_remarks() {
        check(
            Runner::Nextest,
            "     Summary [   0.005s] 3 tests run: 3 passed, 0 skipped",
            "3 passed, 0 failed, 0 skipped",
        );
        check(
            Runner::Nextest,
            "     Summary [  61.2s] 14/20 tests run: 9 passed (2 slow, 1 leaky), 3 failed, 1 timed out, 1 exec failed, 2 skipped",
            "9 passed, 5 failed, 2 skipped",
        );
    }

    #[test]
    fn colours_do_not_hide_a_summary() {
        check(
            Runner::Nextest,
            "\u{1b}[32;1m     Summary\u{1b}[0m [   0.1s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m \u{1b}[33;1mskipped\u{1b}[0m",
            "2 passed, 0 failed, 0 skipped",
        );
    }

    #[test]
    fn other_lines_do_not_count() {
        let output = "error: test run failed\n7 passed, 1 failed\ntest a ... ok\nSummary of 3 passed";
        check(Runner::Libtest, output, "0 passed, 0 failed, 0 skipped");
        check(Runner::Nextest, output, "0 passed, 0 failed, 0 skipped");
    }

    #[test]
    fn the_output_of_a_failed_test_is_not_counted_again() {
        check(
            Runner::Nextest,
            "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 3 filtered out\n\
             \u{20}    Summary [   1.015s] 2 tests run: 1 passed, 1 failed, 0 skipped\n\
             \u{20}   test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 3 filtered out\n\
             \u{20}        Summary [   1.015s] 9 tests run: 9 passed, 0 skipped\n",
            "1 passed, 1 failed, 0 skipped",
        );
    }

    #[test]
    fn a_run_that_died_is_not_all_passed() {
        let mut tally = Tally::default();
        tally.read_line(Runner::Libtest, "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured");
        tally.note_failed_run();
        assert_eq!(tally.to_string(), "3 passed, 1 failed, 0 skipped");

        let mut nothing_ran = Tally::default();
        nothing_ran.note_failed_run();
        assert!(!nothing_ran.has_results());
    }

    #[test]
    fn tests_that_skipped_themselves_are_not_passed() {
        let mut tally = Tally::default();
        tally.read_line(Runner::Libtest, "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured");
        let tally = tally.with_self_skipped(2);
        assert_eq!(tally.to_string(), "1 passed, 0 failed, 3 skipped");
    }
}
