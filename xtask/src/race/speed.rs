//! Storing, storing again and restoring large snapshots, in turns, and what series of snapshots take.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Result, ensure};
use clap::ValueEnum as _;

use super::{
    bounds::{self, Claim},
    corpora::{Corpus, CorpusSizes, Course},
    document::Document,
    entrants::{self, Entrant, Missing},
    figures::{Figures, PROBE, Sizes},
    files,
    report::Report,
    run_in, timed,
};
use crate::programs;

/// A program of which each of the first rounds takes longer than this runs in no more: that it is slow is seen by then.
const SLOW: Duration = Duration::from_secs(60);
const ROUNDS_OF_SLOW: usize = 2;

/// A physical limit beside which the steps are shown.
pub(super) struct Probe {
    pub(super) name: &'static str,
    /// The steps it is a limit of.
    pub(super) limits: &'static [&'static str],
    /// How many processors it uses.
    pub(super) threads: &'static str,
    program: &'static str,
    version: &'static [&'static str],
    /// What the shell does with the program, `$0`, and the snapshot, `$1`.
    script: &'static str,
    /// What the program says of itself, and where it is: both once it was found.
    pub(super) told: String,
    path: PathBuf,
}

/// All of them, not looked for yet.
fn all_probes() -> [Probe; 4] {
    let probe = |name, program, version, threads, limits, script| Probe {
        name,
        limits,
        threads,
        program,
        version,
        script,
        told: String::new(),
        path: PathBuf::from(program),
    };
    [
        probe(
            "cp + sync",
            "cp",
            &["--version"],
            "one",
            &["store", "restore"],
            "\"$0\" \"$1\" copied && sync -f copied",
        ),
        probe("openssl sha256", "openssl", &["version"], "one", &["unchanged"], "\"$0\" dgst -sha256 \"$1\""),
        probe("b3sum", "b3sum", &["--version"], "all", &["unchanged"], "\"$0\" \"$1\""),
        probe("zstd -3", "zstd", &["--version"], "all", &["store"], "\"$0\" -3 -T0 -q -f \"$1\" -o copied"),
    ]
}

/// What is raced, and how often.
#[derive(Debug)]
pub(crate) struct SpeedOptions {
    /// In each round all programs run one after the other, so that whatever else the machine does meets all of them.
    pub(crate) rounds: usize,
    pub(crate) corpora: Vec<Corpus>,
    pub(crate) sizes: CorpusSizes,
    /// Folders with series of snapshots whose repositories are compared.
    pub(crate) series: Vec<PathBuf>,
    /// The Markdown file that the figures go to.
    pub(crate) report: Option<PathBuf>,
}

/// One corpus after all its rounds.
pub(super) struct Raced {
    pub(super) course: Course,
    pub(super) figures: Figures,
    pub(super) sizes: Sizes,
}

/// Who runs, and where.
struct Field<'f> {
    work: &'f Path,
    rounds: usize,
    entrants: &'f [Entrant],
    probes: &'f [Probe],
}

/// Races below `work`. Returns whether no bound was breached.
///
/// # Errors
///
/// When a program fails, or a restored snapshot is not what was stored. What was measured before is in the report then.
pub(super) fn run(root: &Path, release: &Path, work: &Path, options: &SpeedOptions) -> Result<bool> {
    let document = options.report.as_deref().map(Document::open).transpose()?;
    ensure!(options.rounds > 0, "a race has at least one round");
    let tools = release.with_file_name("race-tools");
    let (entrants, mut missing) = entrants::all(release, &tools)?;
    let probes = probes(&tools, &mut missing)?;
    for left_out in Corpus::value_variants().iter().filter(|corpus| !options.corpora.contains(corpus)) {
        missing.push(Missing { name: left_out.name(), why: "this race was asked to leave it out".to_owned() });
    }
    let mut report =
        Report { rounds: options.rounds, entrants, probes, missing, raced: Vec::new(), series: Vec::new() };
    for corpus in &options.corpora {
        let folder = work.join("corpus");
        match corpus.make(root, release, &folder, options.sizes) {
            Ok(course) => {
                println!("{}", course.title);
                let raced = report.field(work).race(course)?;
                report.raced.push(raced);
            }
            // Python or the package index may not be there, which is nobody's fault.
            Err(error) if *corpus == Corpus::Edge => {
                report.missing.push(Missing { name: corpus.name(), why: format!("{error:#}") });
            }
            Err(error) => return Err(error),
        }
        std::fs::remove_dir_all(&folder)?;
        report.save(document.as_ref())?;
    }
    for folder in &options.series {
        for (name, files) in files::series_below(folder)? {
            println!("the series {name}");
            let sizes = report.field(work).store_all(name, &files)?;
            report.series.push(sizes);
        }
    }
    report.save(document.as_ref())?;
    println!("{}", report.markdown("performance"));
    let claims = report.claims();
    claims.iter().for_each(|claim| println!("{claim}"));
    Ok(!claims.iter().any(Claim::is_breached))
}

/// Those that can be had, with their versions.
fn probes(tools: &Path, missing: &mut Vec<Missing>) -> Result<Vec<Probe>> {
    let mut probes = Vec::new();
    for mut probe in all_probes() {
        let found = match programs::from_debian(probe.program, probe.program) {
            true => Some(probe.path.clone()),
            false if probe.program == "b3sum" => programs::from_crate("b3sum", "b3sum", tools)?,
            false => None,
        };
        match found {
            Some(path) => {
                probe.told = programs::version(&path, probe.version)?;
                probe.path = path;
                probes.push(probe);
            }
            None => {
                missing.push(Missing { name: probe.name, why: format!("{} cannot be installed here", probe.program) });
            }
        }
    }
    Ok(probes)
}

impl Report {
    fn field<'f>(&'f self, work: &'f Path) -> Field<'f> {
        Field { work, rounds: self.rounds, entrants: &self.entrants, probes: &self.probes }
    }

    /// Every bound that is claimed, beside what was measured.
    pub(super) fn claims(&self) -> Vec<Claim> {
        let peers = |chosen: fn(&Entrant) -> bool| -> Vec<&str> {
            self.entrants.iter().filter(|entrant| chosen(entrant)).map(|entrant| entrant.name).collect()
        };
        let at_defaults = peers(Entrant::is_peer_at_defaults);
        let all = peers(|entrant| !entrant.is_ours());
        let mut claims = Vec::new();
        for Raced { course, figures, sizes } in &self.raced {
            claims.extend(bounds::of_speed(course.name, course.bounds, course.bytes, figures));
            claims.extend(bounds::of_sizes(sizes, if course.among_peers { &at_defaults } else { &[] }));
        }
        claims.extend(self.series.iter().flat_map(|sizes| bounds::of_sizes(sizes, &all)));
        claims
    }
}

impl Field<'_> {
    fn race(&self, course: Course) -> Result<Raced> {
        let mut figures = Figures::default();
        let mut stored = Vec::new();
        for round in 0..self.rounds {
            println!("  round {} of {}", round + 1, self.rounds);
            for probe in self.probes {
                figures.add(round, probe.name, PROBE, self.probe(probe, &course.snapshot)?);
            }
            for entrant in self.entrants.iter().filter(|entrant| course.among_peers || entrant.is_ours()) {
                let is_slow = || (0..ROUNDS_OF_SLOW).all(|round| figures.round(round, entrant.name) > SLOW);
                if round >= ROUNDS_OF_SLOW && is_slow() {
                    continue;
                }
                let bytes =
                    self.round(entrant, &course, &mut |step, time| figures.add(round, entrant.name, step, time))?;
                if round == 0 && entrant.is_sized() {
                    stored.push((entrant.name, bytes));
                }
            }
        }
        let sizes = Sizes { name: course.name.to_owned(), snapshots: 1, bytes: course.bytes, stored };
        Ok(Raced { course, figures, sizes })
    }

    fn probe(&self, probe: &Probe, snapshot: &Path) -> Result<Duration> {
        run_in(self.work, Command::new("rm").args(["-f", "copied"]))?;
        self.settle(snapshot)?;
        let mut shell = Command::new("sh");
        shell.args(["-c", probe.script]).arg(&probe.path).arg(snapshot);
        timed(|| run_in(self.work, &mut shell))
    }

    /// One round of one program: a new repository, all steps, the restored bytes compared. Returns what the repository took after the
    /// first step.
    fn round(&self, entrant: &Entrant, course: &Course, take: &mut dyn FnMut(&'static str, Duration)) -> Result<u64> {
        let folder = self.work.join("entrant");
        entrant.init(&folder)?;
        self.settle(&course.snapshot)?;
        take("store", timed(|| entrant.store(&folder, &course.snapshot))?);
        let bytes = entrant.stored_bytes(&folder)?;
        self.settle(&course.snapshot)?;
        take("unchanged", timed(|| entrant.store(&folder, &course.again))?);
        let restored = folder.join("restored");
        std::fs::create_dir(&restored)?;
        self.settle(&course.snapshot)?;
        take("restore", timed(|| entrant.restore(&folder, &course.again))?);
        files::compare(&restored, &course.again)?;
        std::fs::remove_dir_all(&folder)?;
        Ok(bytes)
    }

    /// Waits for what others left to be written, and has the snapshot in the page cache.
    fn settle(&self, snapshot: &Path) -> Result<()> {
        run_in(self.work, &mut Command::new("sync"))?;
        run_in(self.work, Command::new("sh").args(["-c", "cat \"$1\" > /dev/null", "sh"]).arg(snapshot))
    }

    /// What a series takes in the repository of each program.
    fn store_all(&self, name: String, files: &[PathBuf]) -> Result<Sizes> {
        let folder = self.work.join("entrant");
        let mut stored = Vec::new();
        for entrant in self.entrants.iter().filter(|entrant| entrant.is_sized()) {
            entrant.init(&folder)?;
            files.iter().try_for_each(|file| entrant.store(&folder, file))?;
            stored.push((entrant.name, entrant.stored_bytes(&folder)?));
            std::fs::remove_dir_all(&folder)?;
        }
        let bytes = files.iter().map(|file| Ok(file.metadata()?.len())).sum::<Result<u64>>()?;
        Ok(Sizes { name, snapshots: files.len(), bytes, stored })
    }
}
