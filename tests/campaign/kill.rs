//! Real processes on a real file system: several at once do random work on one repository and are killed at random moments.
//!
//! `kill -9` takes a process between any two of its instructions; what the kernel was given stays. So this finds what a crash at a call
//! cannot: half-written files, temporary ones, two processes in each other's way.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use super::{
    Dice,
    world::{toy, toy_bytes},
};

/// Processes at work at once.
const PROCESSES: usize = 3;

/// A process is killed at the latest after this time.
const LIFE_MS: u64 = 120;

/// What a kill campaign tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KillCounts {
    /// Processes that were killed.
    pub kills: u64,
    /// Processes that came to their end before.
    pub finished: u64,
    /// Backups that were stored in the end, each restored and compared.
    pub backups: u64,
}

/// The program, and where it works.
#[derive(Debug)]
struct Yard<'y> {
    program: &'y Path,
    folder: &'y Path,
    /// SHA-256 of every snapshot that was offered, by file name.
    offered: BTreeMap<String, PathBuf>,
}

/// Lets processes of `program` work in `folder`, which exists and is empty, and kills `kills` of them.
///
/// # Errors
/// The repository is damaged afterwards, a backup that a process said it had stored is not there, or one comes back wrong.
pub fn campaign(program: &Path, folder: &Path, seed: u64, kills: u64, counts: &mut KillCounts) -> Result<()> {
    let mut dice = Dice::new(seed);
    let mut yard = Yard { program, folder, offered: BTreeMap::new() };
    yard.run(&["init"]).context("init")?;
    let mut running: Vec<Child> = Vec::new();
    let mut killed = 0;
    while killed < kills {
        while running.len() < PROCESSES {
            running.push(yard.start_something(&mut dice)?);
        }
        std::thread::sleep(Duration::from_millis(dice.below(LIFE_MS)));
        let mut process = running.swap_remove(usize::try_from(dice.below(running.len() as u64))?);
        match process.try_wait()? {
            Some(_) => counts.finished += 1,
            None => {
                process.kill()?;
                process.wait()?;
                killed += 1;
                counts.kills += 1;
            }
        }
    }
    for mut process in running {
        process.wait()?;
        counts.finished += 1;
    }
    yard.check(counts).with_context(|| format!("seed {seed}, {kills} kills"))
}

impl Yard<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command.env_clear().env("HOME", self.folder).current_dir(self.folder);
        command.args(["-r", "repository", "--index-dir", "index", "--quiet"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Result<()> {
        let output = self.command().args(arguments).stderr(Stdio::piped()).stdout(Stdio::piped()).output()?;
        let text = || String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
        ensure!(output.status.success(), "{arguments:?} ended with {}: {}", output.status, text());
        Ok(())
    }

    /// Starts one process: mostly ingests, now and then a forget, a prune without a grace to speak of, a check.
    fn start_something(&mut self, dice: &mut Dice) -> Result<Child> {
        let mut command = self.command();
        match dice.below(10) {
            0 => command.args(["forget", "--keep-last", "6", "--yes"]),
            1 | 2 => command.args(["prune", "--grace", "2s", "--max-unused", "0"]),
            3 => command.args(["check", "--read-data"]),
            4 => command.args(["verify", "latest"]),
            _ => {
                let name = format!("toy-{}.snapshot", self.offered.len());
                let path = self.folder.join(&name);
                let len = 40 + dice.below(300);
                std::fs::write(&path, toy_bytes(&toy(dice, len, 900)))?;
                self.offered.insert(name, path.clone());
                command.arg("ingest").arg(path).args(["--collection", "toys"])
            }
        };
        Ok(command.spawn()?)
    }

    /// Everything that is listed comes back as it was offered, and a check finds no damage.
    fn check(&self, counts: &mut KillCounts) -> Result<()> {
        self.run(&["check", "--read-data"])?;
        let listed = self.command().args(["list", "--json"]).stdout(Stdio::piped()).output()?;
        let listed = String::from_utf8(listed.stdout)?;
        for line in listed.lines() {
            let (id, name) = (field(line, "id")?, field(line, "name")?);
            let restored = self.folder.join("restored");
            self.run(&["restore", id, "-o", "restored", "--force"])?;
            let offered = self.offered.get(name).with_context(|| format!("{name} was never offered"))?;
            ensure!(std::fs::read(&restored)? == std::fs::read(offered)?, "backup {id} comes back with other bytes");
            counts.backups += 1;
        }
        // And the repository still takes and gives.
        let path = self.folder.join("last.snapshot");
        std::fs::write(&path, toy_bytes(&vec![7; 50]))?;
        self.run(&["ingest", "last.snapshot"])?;
        self.run(&["prune", "--grace", "0s"])?;
        self.run(&["check", "--read-data"])
    }
}

/// The first string of this name in a line of JSON whose strings need no escapes.
fn field<'l>(line: &'l str, name: &str) -> Result<&'l str> {
    let start = line.find(&format!("\"{name}\":\"")).with_context(|| format!("no {name} in {line}"))?;
    let value = &line[start + name.len() + 4..];
    Ok(&value[..value.find('"').context("a string ends")?])
}
