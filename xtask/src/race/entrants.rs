//! The programs that race: how each makes a repository, stores a file and gives it back, with what it does by default.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use super::{install, run_in};

/// A program with its settings.
pub(super) struct Entrant {
    /// As the tables call it.
    pub(super) name: &'static str,
    /// What it says of itself.
    pub(super) version: String,
    kind: Kind,
}

enum Kind {
    Vectar { program: PathBuf },
    Restic,
    Borg { chunker: Option<&'static str> },
    Casync,
    Zpaq,
}

/// The program, its Debian package, and how its version is asked for.
const PEERS: [(&str, &str, &str); 4] = [
    ("restic", "restic", "version"),
    ("borg", "borgbackup", "--version"),
    ("casync", "casync", "--version"),
    ("zpaq", "zpaq", ""),
];

/// All that can be had, vectar first, and the names of those that cannot.
pub(super) fn all(release: &Path) -> Result<(Vec<Entrant>, Vec<&'static str>)> {
    let program = release.join("vectar");
    let version = version_of(&program, "--version")?;
    let mut entrants = vec![Entrant { name: "vectar", version, kind: Kind::Vectar { program } }];
    let mut missing = Vec::new();
    for (program, package, version) in PEERS {
        if !install(program, package) {
            missing.push(program);
            continue;
        }
        let version = version_of(Path::new(program), version)?;
        let entrant = |name, kind| Entrant { name, version: version.clone(), kind };
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

/// The first line in which a program speaks of its version.
fn version_of(program: &Path, option: &str) -> Result<String> {
    let mut command = Command::new(program);
    let output = if option.is_empty() { command.output() } else { command.arg(option).output() };
    let output = output.with_context(|| format!("cannot start {}", program.display()))?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let line = text.lines().find(|line| line.chars().any(|letter| letter.is_ascii_digit()));
    Ok(line.unwrap_or("version not told").split(" compiled").next().unwrap_or_default().trim().to_owned())
}

impl Entrant {
    /// Makes an empty repository in `folder`, where nothing of this entrant lies.
    pub(super) fn init(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder.join("repository"))?;
        match &self.kind {
            Kind::Vectar { .. } | Kind::Restic => self.call(folder, &["init"]),
            Kind::Borg { .. } => self.call(folder, &["init", "--encryption", "none", "repository"]),
            Kind::Casync | Kind::Zpaq => Ok(()),
        }
    }

    /// Stores a file under its name. What a program remembers of files by their times is of no use: a snapshot is a new file every day.
    pub(super) fn store(&self, folder: &Path, file: &Path) -> Result<()> {
        let path = file.to_str().context("paths of a race are text")?;
        let name = name_of(file)?;
        match &self.kind {
            Kind::Vectar { .. } => self.call(folder, &["ingest", "--collection", "race", path]),
            Kind::Restic => self.call(folder, &["backup", "--force", path]),
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

    /// Restores the file that was stored last under this name into `folder/restored`, which is made anew, and compares it.
    pub(super) fn restore(&self, folder: &Path, file: &Path) -> Result<()> {
        let name = name_of(file)?;
        match &self.kind {
            Kind::Vectar { .. } => self.call(folder, &["restore", name, "-o", "restored/snapshot"]),
            Kind::Restic => self.call(folder, &["restore", "latest", "--target", "restored"]),
            Kind::Borg { .. } => self.call(&folder.join("restored"), &["extract", &format!("../repository::{name}")]),
            Kind::Casync => self.call(
                folder,
                &[
                    "extract",
                    "--store=repository/store.castr",
                    &format!("repository/{name}.caibx"),
                    "restored/snapshot",
                ],
            ),
            Kind::Zpaq => {
                let path = file.to_str().context("paths of a race are text")?;
                self.call(folder, &["extract", "repository/archive.zpaq", path, "-to", "restored/snapshot"])
            }
        }
    }

    /// Bytes of all files of the repository.
    pub(super) fn stored_bytes(&self, folder: &Path) -> Result<u64> {
        let mut bytes = 0;
        for file in files_below(&folder.join("repository"))? {
            bytes += file.metadata()?.len();
        }
        Ok(bytes)
    }

    fn call(&self, folder: &Path, arguments: &[&str]) -> Result<()> {
        let home = folder.parent().filter(|_| folder.ends_with("restored")).unwrap_or(folder);
        let mut command = match &self.kind {
            Kind::Vectar { program } => {
                let mut command = Command::new(program);
                command.env_clear().args(["--repo", "repository", "--index-dir", "index"]);
                command
            }
            Kind::Restic => {
                let mut command = Command::new("restic");
                command
                    .env("RESTIC_PASSWORD", "race")
                    .env("RESTIC_CACHE_DIR", home.join("cache"))
                    .args(["--repo", "repository"]);
                command
            }
            Kind::Borg { .. } => {
                let mut command = Command::new("borg");
                command
                    .env("BORG_BASE_DIR", home.join("base"))
                    .env("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes");
                command
            }
            Kind::Casync => Command::new("casync"),
            Kind::Zpaq => Command::new("zpaq"),
        };
        run_in(folder, command.env("HOME", home).args(arguments))
    }
}

fn name_of(file: &Path) -> Result<&str> {
    file.file_name().and_then(OsStr::to_str).context("files of a race have names")
}

/// All regular files below a folder.
pub(super) fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let entry = entry?;
            match entry.file_type()? {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    Ok(files)
}

/// Compares the one snapshot below `restored` with the file that was stored.
pub(super) fn compare(folder: &Path, file: &Path) -> Result<()> {
    let len = file.metadata()?.len();
    let restored = files_below(&folder.join("restored"))?;
    let snapshot = restored.iter().find(|found| found.metadata().is_ok_and(|found| found.len() == len));
    let snapshot = snapshot.with_context(|| format!("no file of {len} bytes was restored in {}", folder.display()))?;
    let same = Command::new("cmp").arg(file).arg(snapshot).status()?;
    ensure!(same.success(), "{} is not what was stored", snapshot.display());
    Ok(())
}
