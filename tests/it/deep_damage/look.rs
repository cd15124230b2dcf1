//! What is seen of snapshots, each file looked at from all sides in a process that does nothing else.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use vectar::{
    CancelToken, Content, Error, Finding, FindingLevel, Inside, Silent, outline_deep,
    points::{Filter, PointQuery, count, scroll},
    verify_deep,
};

use super::patient::Snapshot;

/// Where the process finds the snapshots.
const FOLDER_VARIABLE: &str = "VECTAR_TESTS_DAMAGED";

/// What stands before each line of its answer.
const ANSWER: &str = "seen: ";

/// What is seen of one snapshot.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Level, object and what was found, for findings above note.
    grave: Vec<(String, String, String)>,
    /// Digest of all points with payloads and vectors and of what filters find, or why they cannot be listed.
    pub(super) points: Result<String, String>,
    /// Bytes that were read while it was looked at.
    pub(super) read_bytes: u64,
    /// The most memory the process held so far.
    pub(super) peak_kib: u64,
}

impl Seen {
    pub(super) fn grave(&self) -> &[(String, String, String)] {
        &self.grave
    }

    fn read(line: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let findings = line["grave"].as_array().unwrap().iter();
        Self {
            grave: findings.map(|one| (text(&one[0]), text(&one[1]), text(&one[2]))).collect(),
            points: line["points"].as_str().map(str::to_owned).ok_or_else(|| text(&line["error"])),
            read_bytes: line["read_bytes"].as_u64().unwrap(),
            peak_kib: line["peak_kib"].as_u64().unwrap(),
        }
    }
}

/// Looks at the snapshots that the process was started for; whether it was.
pub(super) fn is_looking() -> bool {
    let Some(folder) = std::env::var_os(FOLDER_VARIABLE) else { return false };
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        println!("\n{ANSWER}{}", look(&path));
    }
    true
}

/// Looks at snapshots in a process of its own, in their order; what it held and read is told for each. A name says which snapshot it was.
pub(super) fn look_in_another_process(test: &str, snapshots: impl Iterator<Item = (String, Vec<u8>)>) -> Vec<Seen> {
    let folder = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for (index, (name, bytes)) in snapshots.enumerate() {
        let name = format!("{index:03}-{name}.snapshot");
        fs::write(folder.path().join(&name), bytes).unwrap();
        names.push(name);
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("deep_damage::{test}"), "--nocapture", "--test-threads=1"])
        .env(FOLDER_VARIABLE, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let seen: Vec<Value> =
        said.lines().filter_map(|line| serde_json::from_str(line.strip_prefix(ANSWER)?).ok()).collect();
    assert!(seen.len() == names.len(), "the process ended at {:?}: {errors}", names.get(seen.len()));
    for (line, name) in seen.iter().zip(&names) {
        assert!(line["panic"].is_null(), "{name}: panic: {errors}");
    }
    assert!(output.status.success(), "{said}\n{errors}");
    seen.iter().map(Seen::read).collect()
}

fn look(path: &Path) -> Value {
    let before = read_bytes();
    let seen = catch_unwind(AssertUnwindSafe(|| {
        let content = Content::file(path).unwrap();
        let findings = verify_deep(&content, &Silent, &CancelToken::default()).unwrap();
        outline_deep(&content).unwrap();
        (findings, points(&content, Snapshot::filters(&path.to_string_lossy())))
    }));
    let Ok((findings, points)) = seen else { return json!({"panic": true}) };
    let grave = findings.list.iter().filter(|finding| finding.level > FindingLevel::Note);
    let grave: Vec<_> = grave.map(|Finding { level, object, what, .. }| json!([level, object, what])).collect();
    let error = points.as_ref().err().map(|error| format!("{error}: {:?}", std::error::Error::source(error)));
    json!({
        "grave": grave,
        "points": points.ok(),
        "error": error,
        "read_bytes": read_bytes() - before,
        "peak_kib": peak_kib(),
    })
}

/// A digest of all points as the server would list them, and of the ids that filters find.
fn points(content: &Content<'_>, filters: &[&str]) -> Result<String, Error> {
    let inside = Inside::open(content)?;
    let query = PointQuery { with_vectors: true, ..PointQuery::default() };
    let cancel = CancelToken::default();
    let mut digest = Sha256::new();
    let listed = scroll(&inside, &query, &cancel, |point| {
        digest.update(serde_json::to_string(&point).unwrap());
        digest.update("\n");
        Ok(())
    })?;
    assert_eq!(count(&inside, &query, &cancel)?, listed, "as many are counted as are listed");
    let mut fitting = Vec::new();
    for filter in filters {
        let filter = Filter::parse(filter.as_bytes()).unwrap();
        let query = PointQuery { filter: Some(filter), without_payload: true, ..PointQuery::default() };
        fitting.push(scroll(&inside, &query, &cancel, |point| {
            digest.update(point.id.to_string());
            digest.update("\n");
            Ok(())
        })?);
    }
    let digest = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Ok(format!("{listed} points, {fitting:?} fit, {digest}"))
}

/// Bytes that this process ever read, by the kernel's count; 0 where the system does not tell.
fn read_bytes() -> u64 {
    figure("/proc/self/io", "rchar:").unwrap_or_default()
}

/// The most memory this process ever held; 0 where the system does not tell.
fn peak_kib() -> u64 {
    figure("/proc/self/status", "VmHWM:").unwrap_or_default()
}

fn figure(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
