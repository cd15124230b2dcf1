//! Storing, storing again and restoring one large snapshot, in turns, and what series of snapshots take.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Result, ensure};

use super::{
    entrants::{self, Entrant},
    install, ratio,
    report::{Figures, Report, Sizes},
    run_in, timed, verdict,
};

/// Rounds; in each all programs run one after the other, so that whatever else the machine does meets all of them.
const ROUNDS: usize = 5;

/// Length of the snapshot that is made for it.
const SNAPSHOT_SIZE: &str = "600MiB";

/// What each program does, in this order.
pub(super) const STEPS: [&str; 3] = ["store", "unchanged", "restore"];

/// Physical limits beside which the steps are shown: a name, the program, and its arguments; `{}` is the snapshot.
const PROBES: [(&str, &str, &str); 4] = [
    ("cp + sync", "cp", "cp {} copied && sync -f copied"),
    ("openssl sha256", "openssl", "openssl dgst -sha256 {}"),
    ("b3sum", "b3sum", "b3sum {}"),
    ("zstd -3", "zstd", "zstd -3 -T0 -q -f {} -o squeezed"),
];

/// Which step must be how many times as fast as what.
const BOUNDS: [(&str, &str, f64); 9] = [
    ("store", "restic", 3.5),
    ("store", "borg", 3.5),
    ("store", "cp + sync", 0.5),
    ("unchanged", "restic", 4.0),
    ("unchanged", "borg", 4.0),
    ("unchanged", "openssl sha256", 0.85),
    ("restore", "restic", 2.2),
    ("restore", "borg", 2.7),
    ("restore", "cp + sync", 0.6),
];

/// Races below `work`, and stores the series of snapshots below these folders; writes the figures to `report` if there is one. Returns whether
/// every bound was met.
///
/// # Errors
///
/// When a program fails, or a restored snapshot is not what was stored.
pub(super) fn run(release: &Path, work: &Path, series: &[PathBuf], report: Option<&Path>) -> Result<bool> {
    let (entrants, mut missing) = entrants::all(release)?;
    ensure!(entrants.len() > 1, "none of the peers can be had");
    let probes: Vec<_> = PROBES.into_iter().filter(|(_, program, _)| install(program, program)).collect();
    missing.extend(PROBES.iter().map(|(name, ..)| *name).filter(|name| probes.iter().all(|(there, ..)| there != name)));
    run_in(
        work,
        Command::new(release.join("examples/corpus")).args([
            "--out",
            "corpus",
            "--size",
            SNAPSHOT_SIZE,
            "--ids",
            "uuid",
        ]),
    )?;
    let snapshot = work.join("corpus/00-base.snapshot");
    // Another name for the same bytes, as the next day's file has.
    let again = work.join("corpus/again.snapshot");
    std::fs::hard_link(&snapshot, &again)?;
    let mut figures = Figures::default();
    for round in 0..ROUNDS {
        for (name, _, command) in &probes {
            let command = command.replace("{}", &snapshot.to_string_lossy());
            let time = timed(|| run_in(work, Command::new("sh").args(["-c", &command])))?;
            figures.add(round, name, "probe", time);
        }
        for entrant in &entrants {
            round_of(entrant, &work.join("entrant"), (&snapshot, &again), &mut |step, time| {
                figures.add(round, entrant.name, step, time)
            })?;
        }
    }
    let mut sizes = Vec::new();
    for (name, files) in
        series.iter().map(|folder| series_below(folder)).collect::<Result<Vec<_>>>()?.into_iter().flatten()
    {
        sizes.push(sizes_of(&entrants, &work.join("entrant"), name, &files)?);
    }
    let report_of = Report {
        snapshot_bytes: snapshot.metadata()?.len(),
        rounds: ROUNDS,
        entrants: &entrants,
        missing: &missing,
        figures: &figures,
        sizes: &sizes,
    };
    println!("{}", report_of.markdown());
    if let Some(path) = report {
        report_of.save(path)?;
    }
    Ok(claims(&figures, &sizes))
}

/// One round of one program: a new repository, all steps, the restored bytes compared.
fn round_of(
    entrant: &Entrant,
    folder: &Path,
    (snapshot, again): (&Path, &Path),
    take: &mut dyn FnMut(&'static str, Duration),
) -> Result<()> {
    entrant.init(folder)?;
    run_in(folder, &mut Command::new("sync"))?;
    take("store", timed(|| entrant.store(folder, snapshot))?);
    run_in(folder, &mut Command::new("sync"))?;
    take("unchanged", timed(|| entrant.store(folder, again))?);
    std::fs::create_dir(folder.join("restored"))?;
    run_in(folder, &mut Command::new("sync"))?;
    take("restore", timed(|| entrant.restore(folder, again))?);
    entrants::compare(folder, again)?;
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

/// What a series takes in the repository of each program.
fn sizes_of(entrants: &[Entrant], folder: &Path, name: String, files: &[PathBuf]) -> Result<Sizes> {
    let mut stored = Vec::new();
    for entrant in entrants {
        entrant.init(folder)?;
        files.iter().try_for_each(|file| entrant.store(folder, file))?;
        stored.push((entrant.name, entrant.stored_bytes(folder)?));
        std::fs::remove_dir_all(folder)?;
    }
    let bytes = files.iter().map(|file| Ok(file.metadata()?.len())).sum::<Result<u64>>()?;
    Ok(Sizes { name, snapshots: files.len(), bytes, stored })
}

/// Every folder at or below this one that holds several snapshots, with them in the order of their names.
fn series_below(folder: &Path) -> Result<Vec<(String, Vec<PathBuf>)>> {
    let mut series: std::collections::BTreeMap<PathBuf, Vec<PathBuf>> = std::collections::BTreeMap::new();
    for file in
        entrants::files_below(folder)?.into_iter().filter(|file| file.extension().is_some_and(|end| end == "snapshot"))
    {
        series.entry(file.parent().unwrap_or(folder).to_owned()).or_default().push(file);
    }
    let named = series.into_iter().filter(|(_, files)| files.len() > 1).map(|(folder, mut files)| {
        files.sort();
        (folder.file_name().unwrap_or_default().to_string_lossy().into_owned(), files)
    });
    Ok(named.collect())
}

/// Prints every bound beside what was measured.
fn claims(figures: &Figures, sizes: &[Sizes]) -> bool {
    let mut met = true;
    for (step, peer, bound) in BOUNDS {
        let other = figures.median(peer, step).or_else(|| figures.median(peer, "probe"));
        if let Some((ours, other)) = figures.median("vectar", step).zip(other) {
            let measured = ratio(other, ours);
            println!("{step}: {measured:.2} times as fast as {peer} (at least {bound}) {}", verdict(measured >= bound));
            met &= measured >= bound;
        }
    }
    for series in sizes {
        let ours = series.stored.iter().find(|(name, _)| *name == "vectar").map_or(0, |(_, bytes)| *bytes);
        for (name, bytes) in series.stored.iter().filter(|(name, _)| *name != "vectar") {
            println!(
                "{}: {:.2} of the repository of {name} (below 1) {}",
                series.name,
                ours as f64 / *bytes as f64,
                verdict(ours < *bytes)
            );
            met &= ours < *bytes;
        }
    }
    met
}
