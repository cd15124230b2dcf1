//! Fills a repository with valid records, to see what listing many costs: `records REPOSITORY COUNT`.
//!
//! Each is the record of the newest backup under another id, name and time, so all of them restore. They are published as an
//! ingest publishes its own, without the ingest.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, Result, bail};
use vectar_backend::{Backend, LocalBackend, PutOutcome};
use vectar_repository::{
    BackupId, Environment, Repository, SeededEnvironment,
    format::{keys, record::BackupRecord},
};

/// Collections among which the records are spread, as on a server of some size.
const COLLECTIONS: usize = 40;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [repository, count] => fill(Path::new(repository), count.parse()?),
        _ => bail!("usage: records REPOSITORY COUNT"),
    }
}

/// Publishes records until the repository has `count`.
fn fill(root: &Path, count: usize) -> Result<()> {
    let backend = Arc::new(LocalBackend::open(root)?);
    // Ids repeat from run to run, and none of them is one that chance gave to an ingest.
    let environment = Arc::new(SeededEnvironment::new(1, "2026-01-01T00:00:00Z".parse()?));
    let known = Repository::open(backend.clone(), environment.clone())?.records()?.backups;
    let model = known.last().context("the repository holds no backup whose record could be repeated")?;
    let mut published = Vec::new();
    for number in known.len()..count {
        let record = another(model, number, &*environment);
        let key = keys::record(&record.id, record.seq);
        if backend.put_if_absent(&key, &[record.encode().into()])? != PutOutcome::Created {
            bail!("{key} is there already: was this repository filled before?");
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
