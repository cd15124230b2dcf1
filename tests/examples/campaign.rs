//! The fault campaign at length: `cargo xtask campaign [SEEDS]`. Prints what it tried; ends with 1 at the first thing that went wrong.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a terminal program that works in a folder of its own")]

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, bail, ensure};
use vectar_testkit::backend::Shortening;
use vectar_tests::campaign::{
    crash::{self, CrashCounts},
    damage::{self, DamageCounts},
    kill::{self, KillCounts},
    model::{self, ModelCounts},
    operation::Operation,
    protocol::{Cast, Wrong, search},
    share::{self, ShareCounts},
};

/// Steps of each model run.
const MODEL_STEPS: u64 = 60;

/// Model runs for each seed.
const MODEL_RUNS: u64 = 10;

/// Runs of two clients of a share for each seed.
const SHARE_RUNS: u64 = 10;

/// Random power failures after each crash.
const POWER_ORDERS: u64 = 6;

/// Processes killed for each seed.
const KILLS: u64 = 50;

fn main() -> ExitCode {
    let seeds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(8);
    match run(seeds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(seeds: u64) -> Result<()> {
    crashes(seeds)?;
    let mut counts = DamageCounts::default();
    (1..=seeds).try_for_each(|seed| damage::campaign(seed, &mut counts))?;
    println!(
        "damage matrix: {} cells; {} backups whole, {} reported as hurt",
        counts.cells, counts.whole, counts.reported
    );
    let mut counts = ModelCounts::default();
    (1..=MODEL_RUNS * seeds).try_for_each(|seed| model::campaign(seed, MODEL_STEPS, &mut counts))?;
    println!(
        "model: {} steps, {} of them cut short, {} backups stored, {} restored and compared",
        counts.steps, counts.crashes, counts.ingested, counts.restored
    );
    shares(seeds)?;
    interleavings()?;
    kills(seeds)?;
    println!("lost backups: 0, wrong bytes served: 0, unreported damage: 0");
    Ok(())
}

fn crashes(seeds: u64) -> Result<()> {
    let mut total = CrashCounts::default();
    for operation in Operation::ALL {
        let mut counts = CrashCounts::default();
        (1..=seeds).try_for_each(|seed| crash::campaign(operation, seed, POWER_ORDERS, &mut counts))?;
        println!("{:<12} {}", format!("{operation:?}:"), line(&counts));
        total.add(&counts);
    }
    println!("all:         {}", line(&total));
    Ok(())
}

fn line(counts: &CrashCounts) -> String {
    format!(
        "{} crash points, {} lost answers, {} full disks, {} power-loss orders; {} restores compared",
        counts.crash_points, counts.lost_answers, counts.full_disks, counts.power_failures, counts.restored
    )
}

/// Two clients of a network share with its faults.
fn shares(seeds: u64) -> Result<()> {
    let mut stale = ShareCounts::default();
    (1..=SHARE_RUNS * seeds).try_for_each(|seed| share::campaign(seed, MODEL_STEPS, &mut stale))?;
    println!(
        "share, stale listings: {} steps; {} looks came too early, {} operations gave up; {} restores compared",
        stale.steps, stale.late, stale.given_up, stale.restored
    );
    let mut faulty = ShareCounts::default();
    for seed in 1..=SHARE_RUNS * seeds {
        share::short_packs(seed, Shortening::AtOnce, &mut faulty)?;
        share::short_packs(seed, Shortening::Later, &mut faulty)?;
        share::refused_sync(seed, &mut faulty)?;
    }
    println!(
        "share, short packs and refused syncs: {} short packs; {} backups whole, {} reported as hurt, {} ingests gave up",
        faulty.short_packs, faulty.restored, faulty.reported, faulty.given_up
    );
    Ok(())
}

/// Searches every interleaving of the protocol, and shows that each wrong one is found.
fn interleavings() -> Result<()> {
    let cast = |ingests, prunes, rounds, is_marked| Cast { ingests, prunes, rounds, is_marked };
    let mut states = 0;
    for cast in [cast(2, 2, 1, false), cast(2, 1, 2, false), cast(1, 2, 2, true)] {
        let found = search(cast, None);
        ensure!(found.dangling.is_none(), "a record dangles: {:#?}", found.dangling);
        states += found.states;
    }
    for wrong in Wrong::ALL {
        let found = search(cast(1, 2, 2, true), Some(wrong));
        if found.dangling.is_none() {
            bail!("the search does not find what is wrong with {wrong:?}");
        }
    }
    println!("interleavings: {states} states without a dangling record; {} wrong protocols caught", Wrong::ALL.len());
    Ok(())
}

/// Kills processes of the program that `cargo xtask campaign` has built beside this one.
fn kills(seeds: u64) -> Result<()> {
    let own = std::env::current_exe()?;
    let built: PathBuf = own.ancestors().nth(2).context("an example lies in a folder of the build")?.join("vectar");
    ensure!(built.is_file(), "{} is not there: start this as `cargo xtask campaign`", built.display());
    let mut counts = KillCounts::default();
    for seed in 1..=seeds {
        let folder = own.with_file_name(format!("campaign-{}-{seed}", std::process::id()));
        std::fs::create_dir(&folder)?;
        kill::campaign(&built, &folder, seed, KILLS, &mut counts)
            .with_context(|| format!("what is left lies in {}", folder.display()))?;
        std::fs::remove_dir_all(&folder)?;
    }
    println!(
        "processes: {} killed, {} came to their end; {} backups restored and compared",
        counts.kills, counts.finished, counts.backups
    );
    Ok(())
}
