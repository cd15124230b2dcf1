//! A machine of its own for each test: home, working directory, no variable of the person who runs the tests.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, SystemTime},
};

use expect_test::Expect;
use jiff::Timestamp;
use tempfile::TempDir;
use vectar_testkit::{TarParts, fixtures::series};

use crate::redact::{Mask, Redactor};

/// When the first snapshot of a test seems to have been taken; each further one a minute later.
const FIRST_TAKEN: &str = "2026-11-20T16:30:00Z";

/// A home and a working directory that holds the repository `repository` and the snapshots.
pub(crate) struct TestEnvironment {
    root: TempDir,
    redactor: RefCell<Redactor>,
    snapshots: RefCell<u64>,
}

/// How a process ended and what it said.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl TestEnvironment {
    /// A machine without a repository.
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["home", "work", "tmp"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        let started = modified(root.path());
        let redactor = RefCell::new(Redactor::new(root.path(), started));
        Self { root, redactor, snapshots: RefCell::new(0) }
    }

    /// A machine with an empty repository.
    pub(crate) fn with_repository() -> Self {
        let environment = Self::new();
        assert_eq!(environment.run(&["init", "--quiet"]).code, Some(0));
        environment
    }

    /// A machine whose repository holds four generations of `notes` and the other kinds of snapshot.
    pub(crate) fn with_backups() -> Self {
        let environment = Self::with_repository();
        for series in ["notes", "kinds"] {
            environment.snapshots(series);
        }
        assert_eq!(environment.run(&["ingest", "notes", "kinds", "--quiet"]).code, Some(0));
        environment
    }

    /// A path in the working directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("work").join(name)
    }

    /// The directory of the repository.
    pub(crate) fn repository(&self) -> PathBuf {
        self.path("repository")
    }

    /// The home directory.
    pub(crate) fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// Writes a file into the working directory.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Copies a whole series of the fixtures to `<series>/<name>.snapshot`.
    pub(crate) fn snapshots(&self, name: &str) {
        for snapshot in series(name) {
            self.copy(&snapshot.path, &format!("{name}/{}.snapshot", snapshot.name));
        }
    }

    /// Copies one snapshot of the fixtures to `<series>/<name>.snapshot`, or to another place.
    pub(crate) fn snapshot(&self, series_name: &str, name: &str, place: &str) -> Vec<u8> {
        let found = series(series_name).into_iter().find(|snapshot| snapshot.name == name).unwrap();
        self.copy(&found.path, place);
        fs::read(found.path).unwrap()
    }

    /// Writes a snapshot of the fixtures with something in it changed, its tars still sound.
    pub(crate) fn changed(&self, (series_name, name): (&str, &str), place: &str, change: impl FnOnce(&mut TarParts)) {
        let mut parts = TarParts::of(&self.snapshot(series_name, name, place));
        change(&mut parts);
        self.write(place, parts.bytes());
    }

    /// Writes `engine`: a shell that answers as Qdrant's engine does under Python, with these commands for one question after the other.
    pub(crate) fn write_engine(&self, answers: &[&str]) {
        let greeting = "echo '{\"engine\":\"0.9.0\",\"python\":\"3\"}'";
        let answers: String = answers.iter().map(|answer| format!("read question || exit 0\n{answer}\n")).collect();
        let path = self.write("engine", format!("#!/bin/sh\n{greeting}\n{answers}"));
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }

    fn copy(&self, from: &Path, place: &str) {
        let path = self.write(place, fs::read(from).unwrap());
        let mut count = self.snapshots.borrow_mut();
        let taken: SystemTime = FIRST_TAKEN.parse::<Timestamp>().unwrap().into();
        File::options().write(true).open(path).unwrap().set_modified(taken + Duration::from_secs(60 * *count)).unwrap();
        *count += 1;
    }

    /// The binary in this environment.
    pub(crate) fn command(&self) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_vectar")))
    }

    /// A program in this environment.
    pub(crate) fn command_of(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.home())
            .env("TMPDIR", self.root.path().join("tmp"))
            .env("VECTAR_REPO", "repository")
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(self.path(""));
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.finish(self.command().args(arguments).output().unwrap())
    }

    /// Wraps what a process of [`command`](Self::command) left.
    pub(crate) fn finish(&self, output: Output) -> Ran {
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs the binary and returns stdout; anything but success is a failure of the test.
    pub(crate) fn stdout(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "vectar {}: {}", arguments.join(" "), ran.stderr);
        ran.stdout
    }

    /// Runs the binary, which must end with `code`, and returns stdout.
    pub(crate) fn stdout_of(&self, arguments: &[&str], code: i32) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(code), "vectar {}: {}", arguments.join(" "), ran.stderr);
        ran.stdout
    }

    /// Runs a command and compares everything it said, ids and times made plain.
    pub(crate) fn check(&self, arguments: &[&str], expected: Expect) {
        self.check_masked(arguments, &[], expected);
    }

    /// As [`check`](Self::check), with more of what differs from run to run made plain.
    pub(crate) fn check_masked(&self, arguments: &[&str], masks: &[Mask], expected: Expect) {
        let ran = self.run(arguments);
        expected.assert_eq(&self.transcript(&ran, masks));
    }

    /// Runs a command that must fail with `code`, say all that an error should say, and leave the repository as it was.
    pub(crate) fn check_error(&self, arguments: &[&str], code: i32, expected: Expect) {
        let before = self.tree();
        let ran = self.run(arguments);
        assert_eq!(self.tree(), before, "the repository was changed");
        self.assert_error(&ran, code, expected);
    }

    /// Compares the text of an error, and asserts that it answers all four questions.
    pub(crate) fn assert_error(&self, ran: &Ran, code: i32, expected: Expect) {
        self.assert_error_masked(ran, code, &[], expected);
    }

    /// As [`assert_error`](Self::assert_error), with more of what differs from run to run made plain.
    pub(crate) fn assert_error_masked(&self, ran: &Ran, code: i32, masks: &[Mask], expected: Expect) {
        expected.assert_eq(&self.transcript(ran, masks));
        assert_eq!(ran.code, Some(code), "{}", ran.stderr);
        let error = ran.stderr.split("error: ").nth(1).expect("it says what happened");
        let (body, hints) = error.split_once("\n\nhint: ").expect("it says what to do now");
        assert!(body.lines().skip(1).all(|line| line.starts_with("  ")) && body.lines().count() > 1, "{body}");
        assert!(!hints.trim().is_empty());
    }

    /// Everything a process said, made plain.
    pub(crate) fn transcript(&self, ran: &Ran, masks: &[Mask]) -> String {
        let mut text = ran.stdout.clone();
        if !ran.stderr.is_empty() {
            text.push_str(&format!("--- stderr\n{}", ran.stderr));
        }
        let code = ran.code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        self.redact(&format!("{text}--- exit {code}\n"), masks)
    }

    /// Text with what differs from run to run made plain.
    pub(crate) fn redact(&self, text: &str, masks: &[Mask]) -> String {
        self.redactor.borrow_mut().redact(text, masks, &self.repository())
    }

    /// Each file of the repository with its bytes; nothing where there is none.
    pub(crate) fn tree(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.repository(), &mut files);
        files
    }

    /// Ids of all backups, as the directory shows them.
    pub(crate) fn backups(&self) -> Vec<String> {
        self.objects("backups")
    }

    /// Id of the backup whose snapshot has this file name.
    pub(crate) fn id_of(&self, name: &str) -> String {
        let lines = self.stdout(&["list", "--json"]);
        let backups = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let found = backups.into_iter().find(|backup| backup["name"] == name).unwrap();
        found["id"].as_str().unwrap().to_owned()
    }

    /// With [`with_backups`](Self::with_backups): the pack of what the first snapshot of `notes` brought. Only that of the full
    /// snapshot is larger.
    pub(crate) fn base_pack(&self) -> PathBuf {
        self.packs_of("repository").into_iter().rev().nth(1).unwrap()
    }

    /// The packs of a repository, the largest last.
    pub(crate) fn packs_of(&self, repository: &str) -> Vec<PathBuf> {
        let mut packs = BTreeMap::new();
        collect(&self.path(repository).join("packs"), &mut packs);
        let mut packs: Vec<(usize, PathBuf)> = packs.into_iter().map(|(path, bytes)| (bytes.len(), path)).collect();
        packs.sort();
        packs.into_iter().map(|(_, path)| path).collect()
    }

    /// Names of what lies in one folder of the repository.
    pub(crate) fn objects(&self, folder: &str) -> Vec<String> {
        names(&self.repository().join(folder))
    }
}

/// Names in a folder, sorted; none when it is not there.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => collect(&path, files),
            false => {
                files.insert(path.clone(), fs::read(path).unwrap());
            }
        }
    }
}

fn modified(path: &Path) -> Timestamp {
    fs::metadata(path).unwrap().modified().unwrap().try_into().unwrap()
}
