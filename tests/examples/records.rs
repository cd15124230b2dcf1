//! Fills a repository with valid records, to see what listing many costs: `records REPOSITORY COUNT`.
//!
//! Each is the record of the newest backup under another id, name and time, so all of them restore. They are published as an
//! ingest publishes its own, without the ingest.

#![expect(clippy::print_stderr, reason = "a program's complaints go to stderr")]

use std::{path::Path, process::ExitCode, sync::Arc};

use vectar_backend::{Backend, LocalBackend, PutOutcome};
use vectar_repository::{
    BackupId, Environment, Repository, SeededEnvironment,
    format::{keys, record::BackupRecord},
};

/// Collections among which the records are spread, as on a server of some size.
const COLLECTIONS: usize = 40;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match &arguments[..] {
        [repository, count] => count.parse().map_err(Into::into).and_then(|count| fill(Path::new(repository), count)),
        _ => Err("usage: records REPOSITORY COUNT".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Publishes records until the repository has `count`.
fn fill(root: &Path, count: usize) -> Result<(), Box<dyn std::error::Error>> {
    let backend = Arc::new(LocalBackend::open(root)?);
    // Ids repeat from run to run, and none of them is one that chance gave to an ingest.
    let environment = Arc::new(SeededEnvironment::new(1, "2026-01-01T00:00:00Z".parse()?));
    let known = Repository::open(backend.clone(), environment.clone())?.records()?.backups;
    let model = known.last().ok_or("the repository holds no backup whose record could be repeated")?;
    let mut published = Vec::new();
    for number in known.len()..count {
        let record = another(model, number, &*environment);
        let key = keys::record(&record.id, record.seq);
        if backend.put_if_absent(&key, &[record.encode().into()])? != PutOutcome::Created {
            return Err(format!("{key} is there already: was this repository filled before?").into());
        }
        published.push(key);
    }
    Ok(backend.sync(&published)?)
}

fn another(model: &BackupRecord, number: usize, environment: &dyn Environment) -> BackupRecord {
    let mut id = [0; 16];
    environment.fill_random(&mut id);
    let stored_at = environment.now();
    let collection = format!("collection-{}", number % COLLECTIONS);
    let mut record = BackupRecord { id: BackupId::from_bytes(id), seq: 0, stored_at, ..model.clone() };
    record.subject.name = format!("{collection}-4831547486316841-{number}.snapshot");
    record.subject.collection = Some(collection);
    record.subject.taken_at = Some(stored_at);
    record
}
