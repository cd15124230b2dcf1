//! The programs that race: how each makes a repository, stores a file and gives it back, with what it does by default.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{
    bounds::{OURS, OURS_LATER},
    files, run_in,
};
use crate::programs;

/// Bytes without meaning in a repository of ours, for a prune on storage that is full; they are given up when it is nearly so.
const RESERVE_FILE: &str = "reserve";

/// A program with its settings.
pub(super) struct Entrant {
    /// As the tables call it.
    pub(super) name: &'static str,
    /// What it says of itself.
    pub(super) version: String,
    /// How many of the processors it makes use of when nobody tells it.
    pub(super) threads: &'static str,
    program: PathBuf,
    kind: Kind,
}

/// Something that does not race, and why.
pub(super) struct Missing {
    pub(super) name: &'static str,
    pub(super) why: String,
}

enum Kind {
    Vectar(&'static Setting),
    Restic,
    Rustic,
    Borg { chunker: Option<&'static str> },
    Casync,
    Zpaq,
}

/// How our program is called.
struct Setting {
    name: &'static str,
    threads: &'static str,
    /// For every command.
    common: &'static [&'static str],
    /// For an ingest.
    ingest: &'static [&'static str],
    /// Whether its repository is as large as that of another setting.
    is_sized: bool,
}

/// One thread that encodes or decodes beside those that read, cut and write, which there are in any case.
const SETTINGS: [Setting; 3] = [
    Setting { name: OURS, threads: ALL, common: &[], ingest: &[], is_sized: true },
    Setting { name: OURS_LATER, threads: ALL, common: &[], ingest: &["--sha256", "later"], is_sized: false },
    Setting {
        name: "vectar, 1 thread",
        threads: "one and its helpers",
        common: &["--threads", "1"],
        ingest: &[],
        is_sized: false,
    },
];

/// The program, its Debian package, how its version is asked for, and how many threads it takes: borg and casync are made for one, the
/// others look how many processors there are.
const FROM_DEBIAN: [(&str, &str, &[&str], &str); 4] = [
    ("restic", "restic", &["version"], ALL),
    ("borg", "borgbackup", &["--version"], "one"),
    ("casync", "casync", &["--version"], "one"),
    ("zpaq", "zpaq", &[], ALL),
];

const ALL: &str = "all";

/// All that can be had, ours first, and what cannot. Programs that are no Debian packages are built into `tools`.
///
/// # Errors
///
/// When a program that is there cannot be started.
pub(super) fn all(release: &Path, tools: &Path) -> Result<(Vec<Entrant>, Vec<Missing>)> {
    let mut missing = Vec::new();
    let mut entrants = ours(release)?;
    match programs::from_crate("rustic", "rustic-rs", tools)? {
        Some(program) => {
            let version = programs::version(&program, &["--version"])?;
            entrants.push(Entrant { name: "rustic", version, threads: ALL, program, kind: Kind::Rustic });
        }
        None => missing.push(Missing { name: "rustic", why: "cargo cannot build rustic-rs here".to_owned() }),
    }
    for (program, package, version, threads) in FROM_DEBIAN {
        if !programs::from_debian(program, package) {
            missing.push(Missing { name: program, why: format!("no Debian package {package} can be had here") });
            continue;
        }
        let version = programs::version(Path::new(program), version)?;
        let entrant =
            |name, kind| Entrant { name, version: version.clone(), threads, program: PathBuf::from(program), kind };
        match program {
            "restic" => entrants.push(entrant("restic", Kind::Restic)),
            "borg" => {
                entrants.push(entrant("borg", Kind::Borg { chunker: None }));
                entrants.push(entrant("borg, 64 KiB", Kind::Borg { chunker: Some("buzhash,13,18,16,4095") }));
            }
            "casync" => entrants.push(entrant("casync", Kind::Casync)),
            _ => entrants.push(entrant("zpaq -m1", Kind::Zpaq)),
        }
    }
    Ok((entrants, missing))
}

/// The program of this tree in all its settings.
fn ours(release: &Path) -> Result<Vec<Entrant>> {
    let program = release.join("vectar");
    let version = programs::version(&program, &["--version"])?;
    let entrant = |setting: &'static Setting| Entrant {
        name: setting.name,
        version: version.clone(),
        threads: setting.threads,
        program: program.clone(),
        kind: Kind::Vectar(setting),
    };
    Ok(SETTINGS.iter().map(entrant).collect())
}

impl Entrant {
    /// Whether it is a program of this tree.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self.kind, Kind::Vectar(_))
    }

    /// Whether it is a program of others with the settings it comes with, and not with such that suit small chunks.
    pub(super) fn is_peer_at_defaults(&self) -> bool {
        !self.is_ours() && !matches!(self.kind, Kind::Borg { chunker: Some(_) })
    }

    /// Whether its repository is measured: ours is as large in every setting.
    pub(super) fn is_sized(&self) -> bool {
        !matches!(self.kind, Kind::Vectar(Setting { is_sized: false, .. }))
    }

    /// Makes an empty repository in `folder`, where nothing of this entrant lies.
    pub(super) fn init(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder.join("repository"))?;
        match &self.kind {
            Kind::Vectar(_) | Kind::Restic | Kind::Rustic => self.call(folder, &["init"]),
            Kind::Borg { .. } => self.call(folder, &["init", "--encryption", "none", "repository"]),
            Kind::Casync | Kind::Zpaq => Ok(()),
        }
    }

    /// Stores a file under its name. What a program remembers of files by their times is of no use: a snapshot is a new file every day.
    pub(super) fn store(&self, folder: &Path, file: &Path) -> Result<()> {
        let path = file.to_str().context("paths of a race are text")?;
        let name = name_of(file)?;
        match &self.kind {
            Kind::Vectar(setting) => {
                self.call(folder, &[&["ingest", "--collection", "race"], setting.ingest, &[path]].concat())
            }
            Kind::Restic | Kind::Rustic => self.call(folder, &["backup", "--force", path]),
            Kind::Borg { chunker } => {
                let archive = format!("repository::{name}");
                let mut call = vec!["create", "--files-cache", "disabled"];
                call.extend(chunker.iter().flat_map(|chunker| ["--chunker-params", *chunker]));
                call.extend([archive.as_str(), path]);
                self.call(folder, &call)
            }
            Kind::Casync => self
                .call(folder, &["make", "--store=repository/store.castr", &format!("repository/{name}.caibx"), path]),
            Kind::Zpaq => self.call(folder, &["add", "repository/archive.zpaq", path, "-m1"]),
        }
    }

    /// Restores the file that was stored last under this name into `folder/restored`, which is there and empty.
    pub(super) fn restore(&self, folder: &Path, file: &Path) -> Result<()> {
        let name = name_of(file)?;
        match &self.kind {
            Kind::Vectar(_) => self.call(folder, &["restore", name, "-o", "restored/snapshot"]),
            Kind::Restic => self.call(folder, &["restore", "latest", "--target", "restored"]),
            Kind::Rustic => self.call(folder, &["restore", "latest", "restored"]),
            Kind::Borg { .. } => {
                let mut command = self.command(folder);
                command.args(["extract", &format!("../repository::{name}")]);
                run_in(&folder.join("restored"), &mut command)
            }
            Kind::Casync => {
                let index = format!("repository/{name}.caibx");
                self.call(folder, &["extract", "--store=repository/store.castr", &index, "restored/snapshot"])
            }
            Kind::Zpaq => {
                let path = file.to_str().context("paths of a race are text")?;
                self.call(folder, &["extract", "repository/archive.zpaq", path, "-to", "restored/snapshot"])
            }
        }
    }

    /// Bytes of all files of the repository, but for what is only kept free.
    pub(super) fn stored_bytes(&self, folder: &Path) -> Result<u64> {
        let repository = folder.join("repository");
        let mut bytes = 0;
        for file in files::below(&repository)? {
            let is_reserve = self.is_ours() && file == repository.join(RESERVE_FILE);
            bytes += if is_reserve { 0 } else { file.metadata()?.len() };
        }
        Ok(bytes)
    }

    fn call(&self, folder: &Path, arguments: &[&str]) -> Result<()> {
        run_in(folder, self.command(folder).args(arguments))
    }

    /// The program, told to keep what it keeps in `folder`.
    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["VECTAR_", "XDG_", "RESTIC_", "RUSTIC_", "BORG_"].iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        command.env("HOME", folder);
        match &self.kind {
            Kind::Vectar(setting) => {
                command.args(["--repo", "repository", "--index-dir", "index"]).args(setting.common)
            }
            Kind::Restic => command.env("RESTIC_PASSWORD", "race").args(["--repo", "repository"]),
            Kind::Rustic => command.env("RUSTIC_PASSWORD", "race").env("RUSTIC_REPOSITORY", "repository"),
            Kind::Borg { .. } => command
                .env("BORG_BASE_DIR", folder.join("base"))
                .env("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes"),
            Kind::Casync | Kind::Zpaq => &mut command,
        };
        command
    }
}

fn name_of(file: &Path) -> Result<&str> {
    file.file_name().and_then(OsStr::to_str).context("files of a race have names")
}
