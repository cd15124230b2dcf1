//! The figures of a race: medians with their spread, as Markdown and as CSV.

use std::{collections::BTreeMap, fmt::Write as _, path::Path, time::Duration};

use anyhow::{Context as _, Result};

use super::{entrants::Entrant, ratio, speed::STEPS};

/// Times by who did what, in the order of the rounds.
#[derive(Debug, Default)]
pub(super) struct Figures {
    times: BTreeMap<(&'static str, &'static str), Vec<Duration>>,
    rows: Vec<(usize, &'static str, &'static str, Duration)>,
}

/// What one series takes in each repository.
#[derive(Debug)]
pub(super) struct Sizes {
    pub(super) name: String,
    pub(super) snapshots: usize,
    pub(super) bytes: u64,
    pub(super) stored: Vec<(&'static str, u64)>,
}

/// Everything that is said of a race.
pub(super) struct Report<'r> {
    pub(super) snapshot_bytes: u64,
    pub(super) rounds: usize,
    pub(super) entrants: &'r [Entrant],
    pub(super) missing: &'r [&'static str],
    pub(super) figures: &'r Figures,
    pub(super) sizes: &'r [Sizes],
}

impl Figures {
    pub(super) fn add(&mut self, round: usize, name: &'static str, step: &'static str, time: Duration) {
        self.times.entry((name, step)).or_default().push(time);
        self.rows.push((round, name, step, time));
    }

    pub(super) fn median(&self, name: &str, step: &str) -> Option<Duration> {
        self.sorted(name, step).map(|times| times[times.len() / 2])
    }

    fn sorted(&self, name: &str, step: &str) -> Option<Vec<Duration>> {
        let mut times = self.times.iter().find(|((by, what), _)| (*by, *what) == (name, step))?.1.clone();
        times.sort_unstable();
        Some(times)
    }

    /// Median, and the fastest and slowest of all rounds.
    fn cell(&self, name: &str, step: &str) -> String {
        self.sorted(name, step).map_or_else(
            || "-".to_owned(),
            |times| {
                let seconds = |time: Duration| time.as_secs_f64();
                let (first, last) = (seconds(times[0]), seconds(times[times.len() - 1]));
                format!("{:.2} ({first:.2}-{last:.2})", seconds(times[times.len() / 2]))
            },
        )
    }

    /// One line for each run.
    pub(super) fn csv(&self) -> String {
        let mut text = "round,program,step,seconds\n".to_owned();
        for (round, name, step, time) in &self.rows {
            let _ = writeln!(text, "{round},\"{name}\",{step},{:.4}", time.as_secs_f64());
        }
        text
    }
}

impl Report<'_> {
    /// Writes the tables to this file, and every run beside it as CSV.
    ///
    /// # Errors
    ///
    /// When they cannot be written.
    #[expect(clippy::disallowed_methods, reason = "a report is no part of a repository")]
    pub(super) fn save(&self, path: &Path) -> Result<()> {
        std::fs::write(path, self.markdown()).with_context(|| format!("cannot write {}", path.display()))?;
        let csv = path.with_extension("csv");
        std::fs::write(&csv, self.figures.csv()).with_context(|| format!("cannot write {}", csv.display()))
    }

    /// The tables.
    pub(super) fn markdown(&self) -> String {
        let mut text = String::from(
            "# Performance\n\nWritten by `cargo xtask race speed --report docs/performance.md`; do not edit.\n\n",
        );
        let mib = self.snapshot_bytes as f64 / f64::from(1 << 20);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let _ = writeln!(
            text,
            "One generated snapshot of {mib:.0} MiB, {} rounds in turns on {threads} threads, files in the page cache. Seconds: median (fastest-slowest).",
            self.rounds
        );
        let _ = writeln!(
            text,
            "Behind each median: how many times as fast vectar is. *unchanged* is the same file under another name.\n"
        );
        self.steps(&mut text);
        self.probes(&mut text);
        self.series(&mut text);
        text.push_str("\nVersions: ");
        let mut versions: Vec<&str> = self.entrants.iter().map(|entrant| entrant.version.as_str()).collect();
        versions.dedup();
        let _ = writeln!(text, "{}.", versions.join("; "));
        if !self.missing.is_empty() {
            let _ = writeln!(text, "Missing here, so not raced: {}.", self.missing.join(", "));
        }
        text
    }

    fn steps(&self, text: &mut String) {
        let _ = writeln!(text, "| Program | {} |", STEPS.join(" | "));
        let _ = writeln!(text, "|---|{}", "---|".repeat(STEPS.len()));
        for entrant in self.entrants {
            let cells = STEPS.map(|step| {
                let times = self.figures.median("vectar", step).zip(self.figures.median(entrant.name, step));
                let ratio = times.map_or_else(String::new, |(ours, theirs)| format!(", {:.1} ×", ratio(theirs, ours)));
                self.figures.cell(entrant.name, step) + &ratio
            });
            let _ = writeln!(text, "| {} | {} |", entrant.name, cells.join(" | "));
        }
    }

    fn probes(&self, text: &mut String) {
        text.push_str("\n| Limit | Seconds |\n|---|---|\n");
        for name in self.figures.times.keys().filter(|(_, step)| *step == "probe").map(|(name, _)| name) {
            let _ = writeln!(text, "| {name} | {} |", self.figures.cell(name, "probe"));
        }
    }

    fn series(&self, text: &mut String) {
        if self.sizes.is_empty() {
            return;
        }
        text.push_str("\nBytes of the repository after a whole series:\n\n| Series | Snapshots | Bytes |");
        self.entrants.iter().for_each(|entrant| text.extend([" ", entrant.name, " |"]));
        let _ = writeln!(text, "\n|---|---|---|{}", "---|".repeat(self.entrants.len()));
        for series in self.sizes {
            let _ = write!(text, "| {} | {} | {} |", series.name, series.snapshots, series.bytes);
            series.stored.iter().for_each(|(_, bytes)| text.extend([" ", &bytes.to_string(), " |"]));
            text.push('\n');
        }
    }
}
