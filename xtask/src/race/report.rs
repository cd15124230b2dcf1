//! The figures of a race as text: tables with medians and their spread, pictures, and every run as CSV.

use std::{fmt::Write as _, path::Path};

use anyhow::Result;

use super::{
    bounds::{CLAIMED_BYTES_MIN, OURS},
    document::Document,
    entrants::{Entrant, Missing},
    figures::{CSV_HEADER, PROBE, STEPS, Sizes, Spread},
    plots::{self, Bar, Who},
    ratio,
    speed::{Probe, Raced},
};

/// Everything that is said of a race.
pub(super) struct Report {
    pub(super) rounds: usize,
    pub(super) entrants: Vec<Entrant>,
    pub(super) probes: Vec<Probe>,
    pub(super) missing: Vec<Missing>,
    pub(super) raced: Vec<Raced>,
    pub(super) series: Vec<Sizes>,
}

impl Report {
    /// Writes all of it, if there is a document.
    ///
    /// # Errors
    ///
    /// When something cannot be written or drawn.
    pub(super) fn save(&self, document: Option<&Document>) -> Result<()> {
        let Some(document) = document else { return Ok(()) };
        let mut files = self.pictures()?;
        let runs = self.raced.iter().map(|raced| raced.figures.csv(raced.course.name, raced.course.bytes));
        files.push(("runs.csv".to_owned(), CSV_HEADER.to_owned() + &runs.collect::<String>()));
        files.push(("sizes.csv".to_owned(), self.sizes_csv()));
        document.save(&self.markdown(&document.folder_name()), &files)
    }

    /// The tables; pictures are referred to in this folder.
    pub(super) fn markdown(&self, folder: &str) -> String {
        let mut text = format!("{}\n", self.conditions(folder));
        for raced in &self.raced {
            self.course(raced, folder, &mut text);
        }
        self.sizes(folder, &mut text);
        self.claims_table(&mut text);
        self.who(&mut text);
        text
    }

    fn conditions(&self, folder: &str) -> String {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let rounds = if self.rounds == 1 { "One round".to_owned() } else { format!("{} rounds", self.rounds) };
        format!(
            "{rounds}; in each all programs run once, one after the other, on the same {threads} processors{}, and each is free to use all of them.\n\
             Before each step the disk is synced and the snapshot read, so that it lies in the page cache. Every restored file is compared byte for byte.\n\n\
             *store* is a first ingest into an empty repository, *unchanged* the same bytes under another name, *restore* that backup back to a file.\n\
             Seconds: median (fastest-slowest), and behind them how many times as fast vectar is. A program that takes more than a minute for each of \
             its first two\nrounds runs in no more. Every run is in [runs.csv]({folder}/runs.csv).\n",
            processor_features(),
        )
    }

    fn course(&self, raced: &Raced, folder: &str, text: &mut String) {
        let Raced { course, figures, .. } = raced;
        let _ = writeln!(text, "### Speed: {}\n", course.title);
        let _ = writeln!(text, "| Program | {} | Rounds |\n|---|{}---|", STEPS.join(" | "), "---|".repeat(STEPS.len()));
        for entrant in &self.entrants {
            let Some(first) = figures.spread(entrant.name, STEPS[0]) else { continue };
            let cells = STEPS.map(|step| {
                let times = figures.spread(OURS, step).zip(figures.spread(entrant.name, step));
                times.map_or_else(String::new, |(ours, theirs)| {
                    format!("{}, {:.1} ×", seconds(theirs), ratio(theirs.median, ours.median))
                })
            });
            let _ = writeln!(text, "| {} | {} | {} |", entrant.name, cells.join(" | "), first.runs);
        }
        text.push_str("\n| Limit | Seconds |\n|---|---|\n");
        for probe in &self.probes {
            if let Some(spread) = figures.spread(probe.name, PROBE) {
                let _ = writeln!(text, "| {} | {} |", probe.name, seconds(spread));
            }
        }
        text.push('\n');
        for step in STEPS {
            let _ = writeln!(text, "![{step}]({folder}/{}-{step}.svg)\n", course.name);
        }
    }

    fn sizes(&self, folder: &str, text: &mut String) {
        if self.all_sizes().next().is_none() {
            return;
        }
        text.push_str(
            "### Size\n\nMB of the repository; behind them, how many times as large it is as vectar's. vectar keeps 8 MiB without meaning beside \
             that, to be given up when the storage is full; they are not counted.\n\n| Snapshots | MB |",
        );
        let entrants: Vec<&Entrant> = self.entrants.iter().filter(|entrant| entrant.is_sized()).collect();
        entrants.iter().for_each(|entrant| text.extend([" ", entrant.name, " |"]));
        let _ = writeln!(text, "\n|---|---|{}", "---|".repeat(entrants.len()));
        let mb = |bytes: u64| format!("{:.2}", bytes as f64 / 1e6);
        for sizes in self.all_sizes() {
            let _ = write!(text, "| {} ({}) | {} |", sizes.name, sizes.snapshots, mb(sizes.bytes));
            for entrant in &entrants {
                let _ = match (sizes.of(OURS), sizes.of(entrant.name)) {
                    (Some(ours), Some(theirs)) => {
                        write!(text, " {}, {:.2} × |", mb(theirs), theirs as f64 / ours as f64)
                    }
                    _ => write!(text, " |"),
                };
            }
            text.push('\n');
        }
        let _ = writeln!(text, "\n![size]({folder}/sizes.svg)\n\nIn bytes: [sizes.csv]({folder}/sizes.csv).\n");
    }

    fn claims_table(&self, text: &mut String) {
        text.push_str("### Bounds\n\n");
        if self.raced.iter().any(|raced| raced.course.bytes < CLAIMED_BYTES_MIN) {
            let _ = writeln!(text, "Of snapshots below {} MB no speed is claimed.\n", CLAIMED_BYTES_MIN / 1_000_000);
        }
        let claims = self.claims();
        if claims.is_empty() {
            return;
        }
        text.push_str("| What | Bound | Measured |\n|---|---|---|\n");
        claims.iter().for_each(|claim| text.extend([claim.row().as_str(), "\n"]));
        text.push('\n');
    }

    fn who(&self, text: &mut String) {
        text.push_str("### Who raced\n\n| Program | Version | Processors it uses |\n|---|---|---|\n");
        for entrant in &self.entrants {
            let _ = writeln!(text, "| {} | {} | {} |", entrant.name, entrant.version, entrant.threads);
        }
        for probe in &self.probes {
            let _ = writeln!(text, "| {} | {} | {} |", probe.name, probe.told, probe.threads);
        }
        text.push('\n');
        for Missing { name, why } in &self.missing {
            let _ = writeln!(text, "Missing: {name}, because {why}.\n");
        }
    }

    fn all_sizes(&self) -> impl Iterator<Item = &Sizes> {
        let of_races = self.raced.iter().filter(|raced| raced.course.among_peers).map(|raced| &raced.sizes);
        of_races.chain(&self.series)
    }

    fn sizes_csv(&self) -> String {
        let mut text = "name,snapshots,bytes,program,repository_bytes\n".to_owned();
        for sizes in self.all_sizes() {
            for (program, stored) in &sizes.stored {
                let _ = writeln!(text, "{},{},{},\"{program}\",{stored}", sizes.name, sizes.snapshots, sizes.bytes);
            }
        }
        text
    }

    /// Files and what they hold.
    fn pictures(&self) -> Result<Vec<(String, String)>> {
        let mut files = Vec::new();
        for raced in &self.raced {
            for step in STEPS {
                let title = format!("{step}: {}", raced.course.title);
                let svg = plots::bars(
                    &title,
                    "MB/s, median with slowest and fastest; longer is better",
                    &self.rates(raced, step),
                )?;
                files.push((format!("{}-{step}.svg", raced.course.name), svg));
            }
        }
        let bars = self.parts();
        if !bars.is_empty() {
            let unit = "bytes of the repository, in percent of the snapshots; shorter is better";
            files.push(("sizes.svg".to_owned(), plots::bars("size", unit, &bars)?));
        }
        Ok(files)
    }

    fn rates(&self, raced: &Raced, step: &str) -> Vec<Bar> {
        let rate = |time: std::time::Duration| raced.course.bytes as f64 / 1e6 / time.as_secs_f64();
        let bar = |name: &str, spread: Spread, of| Bar {
            label: name.to_owned(),
            value: rate(spread.median),
            spread: (rate(spread.slowest), rate(spread.fastest)),
            of,
        };
        let entrants = self.entrants.iter().filter_map(|entrant| {
            let spread = raced.figures.spread(entrant.name, step)?;
            Some(bar(entrant.name, spread, who(entrant)))
        });
        let probes = self.probes.iter().filter(|probe| probe.limits.contains(&step));
        let probes =
            probes.filter_map(|probe| Some(bar(probe.name, raced.figures.spread(probe.name, PROBE)?, Who::Probe)));
        entrants.chain(probes).collect()
    }

    /// What each repository is of what was stored, in percent.
    fn parts(&self) -> Vec<Bar> {
        let mut bars = Vec::new();
        for sizes in self.all_sizes() {
            for entrant in &self.entrants {
                let Some(stored) = sizes.of(entrant.name) else { continue };
                let value = stored as f64 * 100.0 / sizes.bytes as f64;
                let label = format!("{}: {}", sizes.name, entrant.name);
                bars.push(Bar { label, value, spread: (value, value), of: who(entrant) });
            }
        }
        bars
    }
}

fn who(entrant: &Entrant) -> Who {
    if entrant.is_ours() { Who::Ours } else { Who::Peer }
}

fn seconds(spread: Spread) -> String {
    let Spread { median, fastest, slowest, .. } = spread;
    format!("{:.2} ({:.2}-{:.2})", median.as_secs_f64(), fastest.as_secs_f64(), slowest.as_secs_f64())
}

/// What of the processor decides how fast digests and coders are, where the system tells it.
#[expect(clippy::disallowed_methods, reason = "what the system says of its processors is no part of a repository")]
fn processor_features() -> String {
    let said = std::fs::read(Path::new("/proc/cpuinfo")).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let flags: Vec<&str> = said.lines().find(|line| line.starts_with("flags")).unwrap_or_default().split(' ').collect();
    let known = ["avx2", "avx512f", "sha_ni"].into_iter().filter(|flag| flags.contains(flag)).collect::<Vec<_>>();
    if known.is_empty() { String::new() } else { format!(" (with {})", known.join(", ")) }
}
