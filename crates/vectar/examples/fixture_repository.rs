//! Writes the repository that a release leaves in `fixtures/repositories` for every later version to read.
//!
//! `cargo run -p vectar --example fixture_repository -- fixtures/repositories/vN`, once for each format and never over an existing
//! folder. Time and randomness come from a seed and the objects from a backend in memory, so the same code writes the same bytes on
//! every machine, and nothing in them tells where that was.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a program that writes plain files and says so")]

use std::{
    error::Error,
    fs,
    io::Cursor,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::json;
use vectar::{
    BackupRecord, CancelToken, Engine, EngineOptions, IngestOptions, IngestOutcome, InitOptions, Repository, Silent,
    Source, ingest,
};
use vectar_backend::Backend;
use vectar_repository::SeededEnvironment;
use vectar_testkit::{
    backend::MemoryBackend,
    fixtures::{FixtureSnapshot, snapshots},
};

/// The smallest snapshots that together have every kind, several collections, and backups that share chunks.
const SNAPSHOTS: [(&str, &str); 4] =
    [("kinds", "empty"), ("notes", "00-base"), ("notes", "01-insert-5pct"), ("kinds", "shard-partial")];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("name the folder to be made")?);
    if folder.exists() {
        return Err(format!("{} is there already, and a fixture is never written twice", folder.display()).into());
    }
    let memory = MemoryBackend::new();
    let records = write(&memory)?;
    let mut total = 0;
    for key in memory.keys() {
        let bytes = memory.get(&key, u64::MAX)?;
        total += bytes.len();
        let path = folder.join("repository").join(key.as_str());
        fs::create_dir_all(path.parent().ok_or("a key has a last segment")?)?;
        fs::write(path, bytes)?;
    }
    write_expected(&folder, &records)?;
    println!("{}: {} backups, {total} bytes", folder.display(), records.len());
    Ok(())
}

/// Makes the repository and stores every snapshot, each as a stream: a file would leave its path and time in the record.
fn write(memory: &MemoryBackend) -> Result<Vec<BackupRecord>, Box<dyn Error>> {
    let environment = Arc::new(SeededEnvironment::new(1, "2026-01-02T03:04:05Z".parse()?));
    // Small packs, so that there are several; no reserve, which is bytes without meaning.
    let options = InitOptions { pack_bytes: 64 * 1024, reserve: false, ..InitOptions::default() };
    let (repository, _) = Repository::init(Arc::new(memory.another_process()), environment, &options)?;
    let engine =
        Engine::open(&repository, &EngineOptions { threads: 1, index_directory: None, ..EngineOptions::default() })?;
    let mut records = Vec::new();
    for (series, name) in SNAPSHOTS {
        let snapshot = fixture(series, name)?;
        let options = IngestOptions {
            collection: Some(series.to_owned()),
            tags: vec!["fixture".to_owned()],
            ..IngestOptions::default()
        };
        match ingest(&engine, stream(&snapshot)?, &options, &records, &Silent, &CancelToken::default())? {
            IngestOutcome::Stored(committed) => records.push(committed.record),
            other => return Err(format!("{series}/{name} was not stored: {other:?}").into()),
        }
    }
    repository.add_proof(records[0].id, true)?;
    Ok(records)
}

fn fixture(series: &str, name: &str) -> Result<FixtureSnapshot, Box<dyn Error>> {
    let found = snapshots().into_iter().find(|snapshot| snapshot.series == series && snapshot.name == name);
    Ok(found.ok_or_else(|| format!("there is no fixture {series}/{name}"))?)
}

fn stream(snapshot: &FixtureSnapshot) -> Result<Source, Box<dyn Error>> {
    let reader = Box::new(Cursor::new(fs::read(&snapshot.path)?));
    let name = format!("{}-{}.snapshot", snapshot.series, snapshot.name);
    Ok(Source::Stream { reader, name, origin: PathBuf::from("-") })
}

fn write_expected(folder: &Path, records: &[BackupRecord]) -> Result<(), Box<dyn Error>> {
    let backup = |record: &BackupRecord| {
        json!({
            "id": record.id,
            "name": record.subject.name,
            "kind": record.subject.kind,
            "bytes": record.bytes,
            "sha256": record.sha256,
        })
    };
    let backups: Vec<_> = records.iter().map(backup).collect();
    let expected = json!({
        "format": vectar_repository::format::FORMAT_VERSION,
        "written_by": vectar_repository::TOOL,
        "backups": backups,
    });
    fs::write(folder.join("expected.json"), format!("{}\n", serde_json::to_string_pretty(&expected)?))?;
    Ok(())
}
