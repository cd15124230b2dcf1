//! How long a check takes beside restic's and borg's, and what durability costs.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Result, ensure};

use super::{ratio, run_in, timed, verdict};
use crate::programs;

/// What is raced over: 500 MiB of snapshots, first as one snapshot of which no part repeats, then as five days of one collection. With the
/// first all tools store about the same bytes, so it shows what a byte costs; the second is what a repository of snapshots is like. The
/// last is long enough that the barriers of durability show.
const COURSES: [Course; 3] = [
    Course { name: "one snapshot of 500 MiB", size: "500MiB", generations: "1", is_claimed: false },
    Course { name: "five daily snapshots of 100 MiB", size: "100MiB", generations: "5", is_claimed: true },
    Course { name: "one snapshot of 1 GiB", size: "1GiB", generations: "1", is_claimed: false },
];

/// Snapshots to race over.
struct Course {
    name: &'static str,
    size: &'static str,
    generations: &'static str,
    /// Whether the bounds are claimed for it.
    is_claimed: bool,
}

/// Each step is run this often; the best time counts, because whatever else the machine does only ever adds.
const RUNS: usize = 3;

/// A check that decodes every chunk must be at least this many times as fast as either peer's.
const READ_DATA_RATIO_MIN: f64 = 3.0;

/// A check of names must reach this part of the speed of `b3sum` over the same files.
const NAMES_RATIO_MIN: f64 = 0.6;

/// Full durability may cost this much more than copying and syncing what was written, or hashing and packing, whichever takes longer.
const DURABLE_RATIO_MAX: f64 = 1.05;

/// Runs all courses in folders below `work`. Returns whether every bound was met.
///
/// # Errors
///
/// When a program cannot be had or fails.
pub(super) fn run(release: &Path, work: &Path) -> Result<bool> {
    for (program, package) in
        [("restic", "restic"), ("borg", "borgbackup"), ("b3sum", "b3sum"), ("eatmydata", "eatmydata")]
    {
        ensure!(
            programs::from_debian(program, package),
            "{program} cannot be had: install the Debian package {package}"
        );
    }
    let mut met = true;
    for (number, course) in COURSES.iter().enumerate() {
        let race = Race { release: release.to_owned(), work: work.join(format!("checks-{number}")) };
        std::fs::create_dir(&race.work)?;
        println!("{}", course.name);
        met &= race.all(course)?;
        std::fs::remove_dir_all(&race.work)?;
    }
    Ok(met)
}

struct Race {
    release: PathBuf,
    work: PathBuf,
}

impl Race {
    fn all(&self, course: &Course) -> Result<bool> {
        self.run(Command::new(self.release.join("examples/corpus")).args([
            "--out",
            "corpus",
            "--size",
            course.size,
            "--generations",
            course.generations,
            "--ids",
            "uuid",
        ]))?;
        self.run(self.vectar().arg("init"))?;
        let stored = timed(|| self.run(self.vectar().args(["ingest", "corpus"])))?;
        self.run(self.restic().arg("init"))?;
        let restic_stored = timed(|| self.run(self.restic().args(["backup", "corpus"])))?;
        self.run(self.borg().args(["init", "--encryption", "none", "borg"]))?;
        let borg_stored = timed(|| self.run(self.borg().args(["create", "borg::one", "corpus"])))?;
        println!(
            "  store:               vectar {}, restic {}, borg {}",
            seconds(stored),
            seconds(restic_stored),
            seconds(borg_stored)
        );

        let data = self.best(|| self.run(self.vectar().args(["check", "--read-data"])))?;
        let restic = self.best(|| self.run(self.restic().args(["check", "--read-data"])))?;
        let borg = self.best(|| self.run(self.borg().args(["check", "--verify-data", "borg"])))?;
        println!("  check --read-data:   vectar {}, restic {}, borg {}", seconds(data), seconds(restic), seconds(borg));
        let mut met = claim(course, "times as fast as restic", ratio(restic, data), READ_DATA_RATIO_MIN);
        met &= claim(course, "times as fast as borg", ratio(borg, data), READ_DATA_RATIO_MIN);

        let names = self.best(|| self.run(self.vectar().args(["check", "--packs"])))?;
        let b3sum = self.best(|| self.run(Command::new("b3sum").args(self.packs()?)))?;
        println!("  check --packs:       vectar {}, b3sum over the packs {}", seconds(names), seconds(b3sum));
        met &= claim(course, "of b3sum's speed", ratio(b3sum, names), NAMES_RATIO_MIN);
        Ok(self.durability()? && met)
    }

    /// An ingest with every barrier against the same ingest on the same disk without them, and against copying and syncing what it wrote.
    fn durability(&self) -> Result<bool> {
        let (mut durable, mut without) = (Duration::MAX, Duration::MAX);
        for number in 0..RUNS {
            for is_durable in [true, false] {
                let repository = format!("durable-{number}-{is_durable}");
                self.run(self.vectar_in(&repository).arg("init"))?;
                // What others left to be written must not be this one's to wait for.
                self.run(&mut Command::new("sync"))?;
                let mut ingest = self.vectar_in(&repository);
                if !is_durable {
                    ingest = self.without_barriers(&ingest);
                }
                let time = timed(|| self.run(ingest.args(["ingest", "corpus"])))?;
                let best = if is_durable { &mut durable } else { &mut without };
                *best = time.min(*best);
            }
        }
        let copied = self.best(|| {
            self.run(
                Command::new("sh").args(["-c", "rm -rf copied && cp -r repository/packs copied && sync -f copied"]),
            )
        })?;
        println!(
            "  durability:          ingest {}, without fsync {}, cp + sync {}",
            seconds(durable),
            seconds(without),
            seconds(copied)
        );
        let bound = without.max(copied);
        let measured = ratio(durable, bound);
        // One pack flush on top: the last pack cannot be written while others are still hashed.
        let flush = copied.as_secs_f64() / self.packs()?.len().max(1) as f64;
        let allowed = DURABLE_RATIO_MAX + flush / bound.as_secs_f64();
        let ok = measured <= allowed;
        println!("    {measured:.2} of the longer one (at most {allowed:.2}) {}", verdict(ok));
        Ok(ok)
    }

    /// The same command with a library in front of it that makes every barrier do nothing.
    fn without_barriers(&self, command: &Command) -> Command {
        let mut without = Command::new("eatmydata");
        without.env("HOME", &self.work).arg(command.get_program()).args(command.get_args());
        without
    }

    fn best(&self, mut step: impl FnMut() -> Result<()>) -> Result<Duration> {
        let times = (0..RUNS).map(|_| timed(&mut step)).collect::<Result<Vec<_>>>()?;
        Ok(times.into_iter().min().unwrap_or_default())
    }

    fn run(&self, command: &mut Command) -> Result<()> {
        run_in(&self.work, command)
    }

    fn vectar(&self) -> Command {
        self.vectar_in("repository")
    }

    fn vectar_in(&self, repository: impl AsRef<Path>) -> Command {
        let mut command = Command::new(self.release.join("vectar"));
        command
            .env_clear()
            .env("HOME", &self.work)
            .arg("--repo")
            .arg(repository.as_ref())
            .args(["--index-dir", "index"]);
        command
    }

    fn restic(&self) -> Command {
        let mut command = Command::new("restic");
        command
            .env("RESTIC_PASSWORD", "race")
            .env("RESTIC_CACHE_DIR", self.work.join("restic-cache"))
            .args(["--repo", "restic"]);
        command
    }

    fn borg(&self) -> Command {
        let mut command = Command::new("borg");
        command
            .env("BORG_BASE_DIR", self.work.join("borg-base"))
            .env("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes");
        command
    }

    fn packs(&self) -> Result<Vec<PathBuf>> {
        let mut packs = Vec::new();
        for folder in std::fs::read_dir(self.work.join("repository/packs"))? {
            for pack in std::fs::read_dir(folder?.path())? {
                packs.push(pack?.path());
            }
        }
        Ok(packs)
    }
}

/// Prints a ratio; of a course that is not claimed it is a figure, and always met.
fn claim(course: &Course, what: &str, measured: f64, bound: f64) -> bool {
    match course.is_claimed {
        true => println!("    {measured:.2} {what} (at least {bound}) {}", verdict(measured >= bound)),
        false => println!("    {measured:.2} {what}"),
    }
    !course.is_claimed || measured >= bound
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
