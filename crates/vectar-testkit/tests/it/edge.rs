//! The corpus as Qdrant's own reader sees it: `qdrant-edge-py` loads it and says what `truth.json` says.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use vectar_testkit::corpus::{CorpusOptions, IdKind, Layout, OptimizedStorage, write_series};
use vectar_testkit::fixtures::{scratch_folder, skipped};

const PACKAGE: &str = "qdrant-edge-py==0.9.0";

/// Returns a Python that can import the package: from a virtual environment in the build directory, made on first use
/// and kept. `None`, with the reason printed, where Python or the package cannot be had.
fn python() -> Option<PathBuf> {
    let folder = scratch_folder().join("qdrant-edge-0.9.0-venv");
    let python = |folder: &Path| folder.join("bin/python");
    if python(&folder).exists() {
        return Some(python(&folder));
    }
    // Made aside and renamed, so that parallel tests see a complete one or none; nothing in it that we use holds
    // its own path.
    let staging = tempfile::tempdir_in(scratch_folder()).unwrap();
    if !runs(Command::new("python3").args(["-m", "venv"]).arg(staging.path())) {
        skipped("python3 with venv is not here, so qdrant-edge cannot read the corpus");
        return None;
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE];
    if !runs(Command::new(python(staging.path())).args(install)) {
        skipped(&format!("{PACKAGE} cannot be installed, so it cannot read the corpus"));
        return None;
    }
    let renamed = std::fs::rename(staging.path(), &folder);
    assert!(renamed.is_ok() || folder.exists(), "{renamed:?}");
    Some(python(&folder))
}

fn runs(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

fn check(python: &Path, corpus: &Path) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/check_corpus.py");
    Command::new(python).arg(script).arg(corpus).output().unwrap()
}

/// A few hundred points through every kind of step, so that there are dead rows, moved points, values written twice and
/// rebuilt segments; two optimized segments and an appendable one.
fn options(ids: IdKind, optimized: OptimizedStorage, layout: Layout) -> CorpusOptions {
    CorpusOptions {
        points: 500,
        dimensions: 20,
        segments_per_shard: 2,
        payload_bytes: 300,
        ids,
        optimized,
        layout,
        ..CorpusOptions::default()
    }
}

#[test]
fn qdrant_edge_reads_what_truth_says() {
    let Some(python) = python() else {
        return;
    };
    for options in [
        options(IdKind::Uuid, OptimizedStorage::Hnsw, Layout::Shard),
        options(IdKind::Numeric, OptimizedStorage::Mmap, Layout::Streamed),
        options(IdKind::Mixed, OptimizedStorage::Plain, Layout::Shard),
    ] {
        let corpus = tempfile::tempdir().unwrap();
        let snapshots = write_series(&options, corpus.path(), |_| {}).unwrap();
        let output = check(&python, corpus.path());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), snapshots.len());
    }
}

/// The check must be able to fail: a truth that says otherwise is contradicted.
#[test]
fn qdrant_edge_contradicts_a_wrong_truth() {
    let Some(python) = python() else {
        return;
    };
    let options =
        CorpusOptions { steps: Vec::new(), ..options(IdKind::Numeric, OptimizedStorage::Hnsw, Layout::Shard) };
    let corpus = tempfile::tempdir().unwrap();
    write_series(&options, corpus.path(), |_| {}).unwrap();
    let path = corpus.path().join("truth.json");
    let truth = std::fs::read_to_string(&path).unwrap();
    for (said, wrong, complaint) in [
        ("\"points\": 500,\n", "\"points\": 501,\n", "500 points, expected 501"),
        ("\"empty\": []", "\"empty\": [1]", "payload is"),
        ("\"ids_sha256\": \"", "\"ids_sha256\": \"0", "the ids are others"),
    ] {
        assert!(truth.contains(said), "{said}");
        std::fs::write(&path, truth.replacen(said, wrong, 1)).unwrap();
        let output = check(&python, corpus.path());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(complaint), "{stderr}");
    }
}
