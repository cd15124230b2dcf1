//! Mutates the inputs of the fuzz targets at length, on stable Rust:
//! `cargo run --profile fuzz -p vectar-tests --example fuzz -- ROUNDS|SECONDSs [SEED [TARGET]]`.
//!
//! Stops at the first input that breaks a promise, takes too long or too much memory, and writes it into the folder of its target below
//! `fixtures/fuzz` as `find-…`, for `cargo test` to replay. With `seeds FOLDER` instead it writes the seeds that are made from snapshots
//! into FOLDER/TARGET, which is where libFuzzer begins (`fuzz/corpus`).

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a terminal program that reads and writes fixtures"
)]

use std::{
    fs,
    panic::catch_unwind,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use vectar_testkit::fixtures::workspace_root;
use vectar_tests::{
    campaign::Dice,
    fuzzing::{TARGETS, Target, Verdict, bundle::Bundle},
};

/// Longest time that an input may take. None of the readers takes a tenth of a second for files of this size.
const INPUT_TIME_MAX: Duration = Duration::from_secs(20);

/// What an input may add to the address space in KiB: what allocators reserve at once, and some copies of the largest file in it.
const GROWTH_KIB_MAX: u64 = 96 * 1024;
const COPIES_MAX: u64 = 4;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |at: usize| arguments.get(at).map(String::as_str);
    let end = match argument(0) {
        Some("seeds") => return exit(write_seeds(Path::new(argument(1).unwrap_or("fuzz/corpus")))),
        Some(text) => match text.strip_suffix('s') {
            Some(seconds) => seconds.parse().map(|seconds| End::After(Duration::from_secs(seconds))),
            None => text.parse().map(End::Rounds),
        },
        None => Ok(End::Rounds(100_000)),
    };
    let Ok(end) = end else {
        eprintln!("FAILED: expected a number of rounds, or of seconds as 180s");
        return ExitCode::FAILURE;
    };
    let seed = argument(1).and_then(|text| text.parse().ok()).unwrap_or(1);
    let chosen = TARGETS.iter().filter(|target| argument(2).is_none_or(|name| name == target.name));
    exit(chosen.into_iter().try_for_each(|target| run(target, end, seed).with_context(|| target.name)))
}

fn exit(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// When to stop.
#[derive(Debug, Clone, Copy)]
enum End {
    Rounds(u64),
    After(Duration),
}

/// The input that is looked at, and since when.
type Current = Arc<Mutex<Option<(Instant, Vec<u8>)>>>;

fn run(target: &Target, end: End, seed: u64) -> Result<()> {
    let folder = workspace_root().join("fixtures/fuzz").join(target.name);
    let mut seeds = files(&folder).with_context(|| format!("no seeds in {}", folder.display()))?;
    seeds.extend((target.seeds)());
    // What is kept for ever, and the threads, are there before memory is measured.
    seeds.iter().for_each(|seed| drop(catch_unwind(|| (target.check)(seed))));
    let current: Current = Arc::default();
    watch(&current, &folder);
    let (mut dice, begin) = (Dice::new(seed), Instant::now());
    let (mut rounds, mut accepted, mut slowest) = (0, 0, Duration::ZERO);
    while match end {
        End::Rounds(most) => rounds < most,
        End::After(time) => begin.elapsed() < time,
    } {
        let input = (target.mutate)(&seeds, &mut dice);
        let (before, start) = (address_space_kib(), Instant::now());
        *current.lock().expect("the watcher does not panic") = Some((start, input.clone()));
        let verdict = catch_unwind(|| (target.check)(&input));
        *current.lock().expect("the watcher does not panic") = None;
        let grown = address_space_kib().saturating_sub(before);
        let largest = Bundle::decode(&input).files.values().map(|file| file.len()).max().unwrap_or(0) / 1024;
        let Ok(verdict) = verdict else { bail!("a promise is broken; the input is now {}", keep(&folder, &input)) };
        if grown > GROWTH_KIB_MAX + COPIES_MAX * largest {
            bail!("{grown} KiB more were asked for; the input is now {}", keep(&folder, &input));
        }
        accepted += u64::from(verdict == Verdict::Accepted);
        slowest = slowest.max(start.elapsed());
        rounds += 1;
    }
    println!(
        "{:<14} {rounds} inputs of {} seeds in {:.0?}, {accepted} of them accepted, the slowest in {slowest:.1?}",
        target.name,
        seeds.len(),
        begin.elapsed()
    );
    Ok(())
}

/// Ends the process when an input takes too long, which nothing else could.
fn watch(current: &Current, folder: &Path) {
    let (current, folder) = (Arc::downgrade(current), folder.to_owned());
    let (is_ready, ready) = mpsc::channel();
    thread::spawn(move || {
        // What its allocator reserves is there before memory is measured.
        is_ready.send(vec![0_u8; 1]).expect("the other side waits");
        while let Some(current) = current.upgrade() {
            let is_late = |(start, _): &&(Instant, Vec<u8>)| start.elapsed() > INPUT_TIME_MAX;
            if let Some((_, input)) = current.lock().expect("the other side does not panic").as_ref().filter(is_late) {
                eprintln!("FAILED: an input takes too long; it is now {}", keep(&folder, input));
                std::process::exit(1);
            }
            drop(current);
            thread::sleep(Duration::from_millis(500));
        }
    });
    let _ = ready.recv();
}

fn keep(folder: &Path, input: &[u8]) -> String {
    let path = folder.join(format!("find-{}", &blake3::hash(input).to_hex()[..8]));
    match fs::write(&path, input) {
        Ok(()) => path.display().to_string(),
        Err(error) => format!("lost: {error}"),
    }
}

/// The largest address space this process ever had; 0 where the system does not tell.
fn address_space_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn write_seeds(folder: &Path) -> Result<()> {
    for target in &TARGETS {
        let folder: PathBuf = folder.join(target.name);
        fs::create_dir_all(&folder)?;
        for seed in (target.seeds)() {
            fs::write(folder.join(&blake3::hash(&seed).to_hex()[..16]), &seed)?;
        }
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    paths.iter().map(|path| Ok(fs::read(path)?)).collect()
}
