//! What it costs to keep many generations of a collection whose rows move in each of them: an ingest that looks for the rows beside one
//! that does not, and a restore of the last generation, which lies in pieces of all the others, beside one of the first.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::claim::Claim;
use super::measured::{Measured, same_bytes};
use super::{MEMORY_BYTES_MAX, MIB, Scene, len, remove_file};

/// Snapshots in the series.
const GENERATIONS: u32 = 30;

/// Points of the first snapshot, with vectors of 768 numbers: rows of 3 KiB. The others have about as many. All that are ever inserted are
/// between 2^15 and 2^16, on which the ids of a corpus depend: each snapshot is made alone, as the last of a series.
const POINTS: &str = "36000";

/// What a snapshot must have at least, so that its bytes count and not the start of a process.
const SNAPSHOT_BYTES_MIN: u64 = 120 * MIB;

/// What is done between two snapshots, in turns, as their maker calls it.
const STEPS: [&str; 2] = ["merge", "vacuum"];

/// Restores of each snapshot, in turns; the fastest counts.
const RESTORES: usize = 3;

/// Speed of an ingest that looks for rows, to that of one that does not; and of a restore of the last generation, to that of the first.
const INGEST_RATIO_MIN: f64 = 0.7;
const RESTORE_RATIO_MIN: f64 = 0.7;

/// The scenes in which the same series is stored.
pub(super) struct GenerationScenes<'p> {
    /// Rows are looked for.
    pub(super) shared: Scene<'p>,
    /// Only whole chunks are shared.
    pub(super) whole: Scene<'p>,
}

/// Stores the series twice and restores its ends.
///
/// # Errors
/// When a corpus cannot be made, or a command fails.
pub(super) fn measure_generations(scenes: &GenerationScenes<'_>) -> Result<Vec<Claim>> {
    let GenerationScenes { shared, whole } = scenes;
    for scene in [shared, whole] {
        scene.vectar().arg("init").measured()?;
    }
    let (mut of_shared, mut of_whole) = (Taken::default(), Taken::default());
    let (mut bytes, mut ends) = (0, Vec::new());
    for generation in 0..GENERATIONS {
        let snapshot = make(shared, generation)?;
        // Whatever else the machine does meets both: they run one after the other, each of them first in turns.
        let mut runs = [(shared, &[][..], &mut of_shared), (whole, &["--no-row-dedup"][..], &mut of_whole)];
        if generation % 2 == 1 {
            runs.reverse();
        }
        for (scene, arguments, taken) in runs {
            let ingest = scene.vectar().args(["ingest", "--collection", "corpus"]);
            let ingest = arguments.iter().fold(ingest, |call, argument| call.arg(argument)).arg(&snapshot);
            // There is nothing to look for in the first, and nothing to share.
            taken.add(&ingest.measured()?, generation > 0)?;
        }
        bytes += if generation > 0 { len(&snapshot)? } else { 0 };
        if generation == 0 || generation == GENERATIONS - 1 {
            ends.push(snapshot);
        } else {
            remove_file(&snapshot)?;
        }
    }
    let mut claims = of_shared.claims(&of_whole, bytes);
    claims.push(Claim::at_most_bytes("  repository, to that of whole chunks", stored(whole)?, stored(shared)?));
    let [first, last] = &ends[..] else { unreachable!("a series has two ends") };
    claims.extend(restored(shared, first, last)?);
    shared.discard()?;
    whole.discard()?;
    Ok(claims)
}

/// Makes one snapshot of the series.
fn make(scene: &Scene<'_>, generation: u32) -> Result<PathBuf> {
    let (first, count) = (generation.to_string(), (generation + 1).to_string());
    let series = ["--points", POINTS, "--dim", "768", "--ids", "uuid", "--segments", "2", "--steps", "restless"];
    let name = match generation.checked_sub(1) {
        None => "base",
        Some(step) => STEPS[step as usize % STEPS.len()],
    };
    let file = format!("{generation:02}-{name}.snapshot");
    let snapshot = scene.corpus(&[&series[..], &["--first", &first, "--generations", &count]].concat(), &file)?;
    let bytes = len(&snapshot)?;
    ensure!(bytes >= SNAPSHOT_BYTES_MIN, "{bytes} bytes were made, {SNAPSHOT_BYTES_MIN} wanted at least");
    Ok(snapshot)
}

/// Bytes of the packs of a repository.
fn stored(scene: &Scene<'_>) -> Result<u64> {
    bytes_below(&scene.repository().join("packs"))
}

fn bytes_below(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { bytes_below(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

/// What some runs took together.
#[derive(Default)]
struct Taken {
    elapsed: Duration,
    cpu: Duration,
    memory: u64,
}

impl Taken {
    fn add(&mut self, measured: &Measured, counts: bool) -> Result<()> {
        if counts {
            self.elapsed += measured.elapsed;
            self.cpu += measured.cpu;
        }
        self.memory = self.memory.max(measured.memory()?);
        Ok(())
    }

    fn claims(&self, whole: &Self, bytes: u64) -> Vec<Claim> {
        let rate = |taken: &Self| bytes as f64 / taken.elapsed.as_secs_f64();
        vec![
            Claim::figure(&format!("{GENERATIONS} generations: ingest, rows looked for"), rate(self)),
            Claim::figure("  ingest, whole chunks only", rate(whole)),
            Claim::time("  ingest, rows looked for: processors", self.cpu),
            Claim::time("  ingest, whole chunks only: processors", whole.cpu),
            ratio("  speed of an ingest with rows, to without", INGEST_RATIO_MIN, whole.elapsed, self.elapsed),
            ratio("  the same by time of processors", INGEST_RATIO_MIN, whole.cpu, self.cpu),
            Claim::at_most_bytes("  ingest: anonymous memory", MEMORY_BYTES_MAX, self.memory),
        ]
    }
}

/// The speed of what took `time` beside that of what took `of` for the same.
fn ratio(what: &str, bound: f64, of: Duration, time: Duration) -> Claim {
    Claim::at_least(what, bound, of.as_secs_f64() / time.as_secs_f64())
}

/// Restores both ends in turns.
fn restored(scene: &Scene<'_>, first: &Path, last: &Path) -> Result<Vec<Claim>> {
    let ends = [first, last];
    let mut identical = true;
    let mut memory = 0;
    let mut fastest = [(Duration::MAX, Duration::MAX); 2];
    let target = scene.folder.join("restored.snapshot");
    for _ in 0..RESTORES {
        for (snapshot, (elapsed, cpu)) in ends.iter().zip(&mut fastest) {
            let name = snapshot.file_name().context("the corpus has file names")?;
            let measured = scene.vectar().args(["restore", "--force"]).arg(name).arg("-o").arg(&target).measured()?;
            identical &= same_bytes(snapshot, &target)?;
            memory = memory.max(measured.memory()?);
            (*elapsed, *cpu) = ((*elapsed).min(measured.elapsed), (*cpu).min(measured.cpu));
        }
    }
    let lens = [len(first)? as f64, len(last)? as f64];
    let by_elapsed = [0, 1].map(|end| lens[end] / fastest[end].0.as_secs_f64());
    let by_cpu = [0, 1].map(|end| lens[end] / fastest[end].1.as_secs_f64());
    Ok(vec![
        Claim::holds("  first and last: restored identical", identical),
        Claim::figure("  restore of the first", by_elapsed[0]),
        Claim::figure("  restore of the last", by_elapsed[1]),
        Claim::figure("  restore of the first, by time of processors", by_cpu[0]),
        Claim::figure("  restore of the last, by time of processors", by_cpu[1]),
        Claim::at_least("  speed of the last restore, to the first", RESTORE_RATIO_MIN, by_elapsed[1] / by_elapsed[0]),
        Claim::at_least("  the same by time of processors", RESTORE_RATIO_MIN, by_cpu[1] / by_cpu[0]),
        Claim::at_most_bytes("  restore: anonymous memory", MEMORY_BYTES_MAX, memory),
    ])
}
