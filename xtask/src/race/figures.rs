//! What was measured: every run, medians with their spread, and what each repository takes.

use std::{fmt::Write as _, time::Duration};

/// What each program does, in this order.
pub(super) const STEPS: [&str; 3] = ["store", "unchanged", "restore"];

/// The step of the probes, which do but one thing.
pub(super) const PROBE: &str = "probe";

/// One measured step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    round: usize,
    program: &'static str,
    step: &'static str,
    time: Duration,
}

/// The times of one course, in the order in which they were taken.
#[derive(Debug, Default)]
pub(super) struct Figures {
    runs: Vec<Run>,
}

/// Times of the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spread {
    pub(super) median: Duration,
    pub(super) fastest: Duration,
    pub(super) slowest: Duration,
    pub(super) runs: usize,
}

/// What one or several snapshots take in each repository.
#[derive(Debug)]
pub(super) struct Sizes {
    pub(super) name: String,
    pub(super) snapshots: usize,
    /// Length of all the snapshots.
    pub(super) bytes: u64,
    /// Program, and bytes of its repository.
    pub(super) stored: Vec<(&'static str, u64)>,
}

impl Figures {
    /// Adds a run; rounds count from 0.
    pub(super) fn add(&mut self, round: usize, program: &'static str, step: &'static str, time: Duration) {
        self.runs.push(Run { round, program, step, time });
    }

    /// What a program took for a step, or a probe for what it does. `None` when it did not run.
    pub(super) fn spread(&self, program: &str, step: &str) -> Option<Spread> {
        let runs = self.runs.iter().filter(|run| run.program == program && run.step == step);
        Spread::of(runs.map(|run| run.time).collect())
    }

    /// How long a program took for a whole round.
    pub(super) fn round(&self, round: usize, program: &str) -> Duration {
        self.runs.iter().filter(|run| run.round == round && run.program == program).map(|run| run.time).sum()
    }

    /// One line for each run, the name of the course in front.
    pub(super) fn csv(&self, course: &str, bytes: u64) -> String {
        let mut text = String::new();
        for Run { round, program, step, time } in &self.runs {
            let _ = writeln!(text, "{course},{bytes},{},\"{program}\",{step},{:.4}", round + 1, time.as_secs_f64());
        }
        text
    }
}

/// The first line above those of [`Figures::csv`].
pub(super) const CSV_HEADER: &str = "corpus,bytes,round,program,step,seconds\n";

impl Spread {
    /// `None` of no times. Of an even number the median is between the two in the middle.
    fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let (fastest, slowest) = (*times.first()?, *times.last()?);
        let upper = times.len() / 2;
        let median = if times.len().is_multiple_of(2) { (times[upper - 1] + times[upper]) / 2 } else { times[upper] };
        Some(Self { median, fastest, slowest, runs: times.len() })
    }
}

impl Sizes {
    /// Bytes of the repository of a program.
    pub(super) fn of(&self, program: &str) -> Option<u64> {
        self.stored.iter().find(|(name, _)| *name == program).map(|(_, bytes)| *bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(times: &[u64]) -> Vec<Duration> {
        times.iter().map(|time| Duration::from_secs(*time)).collect()
    }

    #[test]
    fn a_median_has_as_many_times_above_as_below() {
        let check = |times: &[u64], median, fastest, slowest| {
            let spread = Spread::of(seconds(times)).expect("there are times");
            let [median, fastest, slowest] = [median, fastest, slowest].map(Duration::from_millis);
            assert_eq!(spread, Spread { median, fastest, slowest, runs: times.len() });
        };
        check(&[7], 7000, 7000, 7000);
        check(&[9, 1, 2], 2000, 1000, 9000);
        check(&[4, 1, 9, 3], 3500, 1000, 9000);
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn runs_are_kept_apart_by_program_step_and_round() {
        let mut figures = Figures::default();
        for (round, program, step, time) in
            [(0, "a", "store", 3), (0, "a", "restore", 5), (0, "b", "store", 8), (1, "a", "store", 1)]
        {
            figures.add(round, program, step, Duration::from_secs(time));
        }
        assert_eq!(figures.spread("a", "store").map(|spread| (spread.median.as_secs(), spread.runs)), Some((2, 2)));
        assert_eq!(figures.spread("b", "restore"), None);
        assert_eq!(figures.round(0, "a"), Duration::from_secs(8));
        assert_eq!(figures.csv("c", 10).lines().next(), Some("c,10,1,\"a\",store,3.0000"));
    }
}
