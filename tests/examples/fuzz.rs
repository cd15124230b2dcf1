//! Mutates the files of `fixtures/fuzz` at length, on stable Rust: `cargo run --release -p vectar-tests --example fuzz -- ROUNDS [SEED [TARGET]]`.
//!
//! Stops at the first input that breaks a promise, and writes it into the folder of its target as `find-…`, for `cargo test` to replay.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a terminal program that reads and writes fixtures"
)]

use std::{panic::catch_unwind, path::Path, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use vectar_testkit::fixtures::workspace_root;
use vectar_tests::{
    campaign::Dice,
    fuzzing::{TARGETS, Target, Verdict, mutation::mutated},
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (rounds, seed) = (number(0, 100_000), number(1, 1));
    let chosen = TARGETS.iter().filter(|target| arguments.get(2).is_none_or(|name| name == target.name));
    for target in chosen {
        if let Err(error) = run(target, rounds, seed) {
            eprintln!("FAILED: {}: {error:#}", target.name);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn run(target: &Target, rounds: u64, seed: u64) -> Result<()> {
    let folder = workspace_root().join("fixtures/fuzz").join(target.name);
    let seeds = files(&folder).with_context(|| format!("no seeds in {}", folder.display()))?;
    let mut dice = Dice::new(seed);
    let mut accepted = 0;
    for _ in 0..rounds {
        let input = mutated(&seeds, &mut dice);
        match catch_unwind(|| (target.check)(&input)) {
            Ok(verdict) => accepted += u64::from(verdict == Verdict::Accepted),
            Err(_) => {
                let name = format!("find-{}", &blake3::hash(&input).to_hex()[..8]);
                std::fs::write(folder.join(&name), &input)?;
                bail!("a promise is broken; the input is now {}", folder.join(name).display());
            }
        }
    }
    println!("{:<12} {rounds} inputs of {} seeds, {accepted} of them accepted", target.name, seeds.len());
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let mut paths = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    paths.iter().map(|path| Ok(std::fs::read(path)?)).collect()
}
