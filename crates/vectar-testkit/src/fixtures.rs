//! Real Qdrant snapshots for tests: the committed archive and, where present, the larger shared series.
//!
//! Invariants:
//! - An archive is unpacked at most once per build directory. The folder is named by the archive's content and
//!   appears by one rename, so parallel test processes either see all of it or none of it.
//! - Nothing here is written after that rename: tests copy a snapshot before they damage it.
//!
//! Everything panics with a sentence when the archive itself is unreadable, because no test can go on without it.

#![expect(clippy::disallowed_methods, reason = "fixtures are plain files beside the tests, not part of a repository")]

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The committed archive, relative to the workspace root.
const FIXTURES_ARCHIVE: &str = "fixtures/qdrant-1.18.3.tar.zst";

/// The folder of larger series, relative to the workspace root; not part of the repository.
const SHARED_SNAPSHOTS: &str = "../shared/snapshots";

/// The archives are compressed with a window of 2^27 bytes (`zstd --long=27`), above the decoder's default limit.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// One real snapshot together with what the server said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixtureSnapshot {
    /// Name of the series, which is its folder's name: `notes`, `catalog`, `articles`, ….
    pub series: String,
    /// The file's name without `.snapshot`, such as `00-base` or `shard-streamed`; sorts in the order of taking
    /// within the numbered series.
    pub name: String,
    /// Where the snapshot lies on this machine. Read only.
    pub path: PathBuf,
    /// SHA-256 of the file as the server reported it: 64 lower-case hex digits.
    pub sha256: String,
    /// Length of the file in bytes.
    pub bytes: u64,
}

/// Returns the root of the workspace this crate belongs to.
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns every snapshot of the committed fixtures, ordered by series and name.
///
/// # Panics
///
/// When the archive is missing or damaged, or the build directory cannot be written.
pub fn snapshots() -> Vec<FixtureSnapshot> {
    static SNAPSHOTS: OnceLock<Vec<FixtureSnapshot>> = OnceLock::new();
    SNAPSHOTS
        .get_or_init(|| {
            let folder = unpacked(&workspace_root().join(FIXTURES_ARCHIVE));
            folders_within(&folder.join("fixtures")).iter().flat_map(|series| snapshots_of(series)).collect()
        })
        .clone()
}

/// Returns the snapshots of one committed series (`notes`, `catalog` or `kinds`), ordered by name.
///
/// # Panics
///
/// When there is no series of that name, and as [`snapshots`] does.
pub fn series(name: &str) -> Vec<FixtureSnapshot> {
    let found: Vec<_> = snapshots().into_iter().filter(|snapshot| snapshot.series == name).collect();
    assert!(!found.is_empty(), "the fixtures hold no series named {name}");
    found
}

/// Returns the `truth.json` beside a snapshot: what the server itself said when it was taken.
///
/// Its shape is a list for the numbered series and an object keyed by kind for `kinds`.
///
/// # Panics
///
/// When the file is missing or is not JSON.
pub fn truth(snapshot: &FixtureSnapshot) -> Value {
    let folder = snapshot.path.parent().expect("a snapshot lies in its series' folder");
    read_truth(folder)
}

/// Returns every snapshot of `../shared/snapshots`, ordered by series and name, or `None` where that folder is absent.
///
/// Absence prints the line of [`skipped`], so a caller only has to return. All archives are unpacked: about
/// 400 MB on first use. Prefer [`shared_series`] when one will do.
///
/// # Panics
///
/// When an archive is damaged or the build directory cannot be written.
pub fn shared_snapshots() -> Option<Vec<FixtureSnapshot>> {
    let folder = shared_folder()?;
    let mut archives: Vec<PathBuf> =
        entries_within(&folder).into_iter().filter(|path| path.to_string_lossy().ends_with(".tar.zst")).collect();
    archives.sort();
    Some(archives.iter().flat_map(|archive| snapshots_in_archive(archive)).collect())
}

/// Returns the snapshots of one shared series (`articles`, `uuid`, `mixed`, `kinds` or `cluster`), ordered by name, or
/// `None`, after the line of [`skipped`], where `../shared/snapshots` is absent.
///
/// # Panics
///
/// When the folder is there but lacks that series, and as [`shared_snapshots`] does.
pub fn shared_series(name: &str) -> Option<Vec<FixtureSnapshot>> {
    let archive = shared_folder()?.join(format!("{name}.tar.zst"));
    assert!(archive.is_file(), "{SHARED_SNAPSHOTS} holds no series named {name}");
    Some(snapshots_in_archive(&archive))
}

/// Names the file to which [`skipped`] adds a line, so that `cargo xtask ci` counts such tests as skipped and not as passed.
pub const SKIP_LOG_VARIABLE: &str = "VECTAR_SKIP_LOG";

/// Prints `skipped: <why>` on stderr, past the test harness's capture, and notes it for the count: the one way a test may
/// leave early. Call it from the test's own thread, whose name is the test's.
pub fn skipped(why: &str) {
    // A closed stderr or a log that cannot be written is no reason to fail a test that is not run.
    let _ = writeln!(io::stderr().lock(), "skipped: {why}");
    if let Some(log) = std::env::var_os(SKIP_LOG_VARIABLE) {
        let line = format!("{}\t{why}\n", test_name());
        let log = fs::OpenOptions::new().append(true).create(true).open(log);
        let _ = log.and_then(|mut log| log.write_all(line.as_bytes()));
    }
}

/// The running test: what nextest calls it, else its thread, which the standard harness names after it.
fn test_name() -> String {
    let package = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
    let thread = std::thread::current().name().unwrap_or("a thread without a name").to_owned();
    format!("{package}::{}", std::env::var("NEXTEST_TEST_NAME").unwrap_or(thread))
}

/// Returns a folder for files that tests share between runs, inside the build directory (created when missing).
///
/// # Panics
///
/// When the folder cannot be created.
pub fn scratch_folder() -> PathBuf {
    let folder = build_folder().unwrap_or_else(std::env::temp_dir).join("vectar-testkit");
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("cannot create {}: {error}", folder.display()));
    folder
}

/// Finds cargo's build directory from the running binary: cargo marks it with `CACHEDIR.TAG`.
fn build_folder() -> Option<PathBuf> {
    let binary = std::env::current_exe().ok()?;
    binary.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).map(Path::to_path_buf)
}

fn shared_folder() -> Option<PathBuf> {
    let folder = workspace_root().join(SHARED_SNAPSHOTS);
    if !folder.is_dir() {
        skipped(&format!("{SHARED_SNAPSHOTS} is not here"));
        return None;
    }
    Some(folder)
}

fn snapshots_in_archive(archive: &Path) -> Vec<FixtureSnapshot> {
    folders_within(&unpacked(archive)).iter().flat_map(|series| snapshots_of(series)).collect()
}

/// Unpacks an archive into a folder named by its content and returns that folder; does nothing when it is there.
fn unpacked(archive: &Path) -> PathBuf {
    let compressed = fs::read(archive).unwrap_or_else(|error| panic!("cannot read {}: {error}", archive.display()));
    let parent = scratch_folder();
    let folder = parent.join(&hex(&Sha256::digest(&compressed))[..32]);
    if folder.is_dir() {
        return folder;
    }
    let staging = tempfile::Builder::new()
        .prefix("unpacking-")
        .tempdir_in(&parent)
        .unwrap_or_else(|error| panic!("cannot create a folder in {}: {error}", parent.display()));
    unpack(&compressed, staging.path()).unwrap_or_else(|error| panic!("cannot unpack {}: {error}", archive.display()));
    if let Err(error) = fs::rename(staging.path(), &folder) {
        // Another process was faster; its folder has the same name and therefore the same content.
        assert!(folder.is_dir(), "cannot create {}: {error}", folder.display());
    }
    folder
}

fn unpack(compressed: &[u8], folder: &Path) -> io::Result<()> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(compressed)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    let mut archive = tar::Archive::new(decoder);
    archive.set_preserve_mtime(false);
    archive.unpack(folder)
}

/// Lists the snapshots of one series folder, ordered by name.
fn snapshots_of(folder: &Path) -> Vec<FixtureSnapshot> {
    let series = folder.file_name().expect("a series is a named folder").to_string_lossy().into_owned();
    let mut found: Vec<_> = described(&read_truth(folder))
        .into_iter()
        .map(|(file, sha256)| {
            let path = folder.join(&file);
            let bytes = path.metadata().unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display())).len();
            let name = file.trim_end_matches(".snapshot").to_owned();
            FixtureSnapshot { series: series.clone(), name, path, sha256, bytes }
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Reads `(file, sha256)` pairs out of the three shapes of `truth.json`: a list of steps, an object of kinds, and an
/// object with a list of files under `snapshots`.
fn described(truth: &Value) -> Vec<(String, String)> {
    let entries: Vec<&Value> = match truth {
        Value::Array(steps) => steps.iter().collect(),
        Value::Object(kinds) => match kinds.get("snapshots") {
            Some(Value::Array(files)) => files.iter().collect(),
            _ => kinds.values().collect(),
        },
        _ => panic!("truth.json is neither a list nor an object"),
    };
    entries.into_iter().filter_map(described_entry).collect()
}

/// Reads one entry; `None` for the counts and notes that stand between the snapshots.
fn described_entry(entry: &Value) -> Option<(String, String)> {
    let sha256 = entry.get("sha256")?.as_str()?.to_owned();
    let file = match entry.get("file") {
        Some(file) => file.as_str()?.to_owned(),
        None => format!("{}.snapshot", entry.get("tag")?.as_str()?),
    };
    Some((file, sha256))
}

fn read_truth(folder: &Path) -> Value {
    let path = folder.join("truth.json");
    let file = File::open(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    serde_json::from_reader(io::BufReader::new(file))
        .unwrap_or_else(|error| panic!("{} is not JSON: {error}", path.display()))
}

fn folders_within(folder: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<_> = entries_within(folder).into_iter().filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn entries_within(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
        .unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display()))
}

/// Spells bytes as lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}
