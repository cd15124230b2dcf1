//! Repositories that former versions wrote. Every later version reads them, and goes on storing in them.
//!
//! Nobody edits a folder below `fixtures/repositories`. A new format adds one, written by the example `fixture_repository` of the
//! engine, and a line to [`COVERED`].

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;
use tempfile::TempDir;
use vectar_backend::{Backend, LocalBackend};
use vectar_repository::{
    ErrorKind, Repository,
    format::{
        keys,
        node::{NodeVersion, RecipeNode},
    },
};
use vectar_testkit::fixtures::workspace_root;

use crate::scene::{assert_backups, keys_below, object, open, process, rebuilt, second_bytes, sha256, store};

/// The folders below `fixtures/repositories` that the tests here read.
const COVERED: [&str; 3] = ["v1", "v1-recipe-nodes-2", "v1-recipe-nodes-3"];

/// `expected.json`: what a repository must give back.
#[derive(Deserialize)]
struct Expected {
    format: u32,
    backups: Vec<ExpectedBackup>,
}

#[derive(Deserialize)]
struct ExpectedBackup {
    id: String,
    name: String,
    kind: String,
    bytes: u64,
    sha256: String,
}

fn folder(name: &str) -> PathBuf {
    workspace_root().join("fixtures/repositories").join(name)
}

fn expected(name: &str) -> Expected {
    serde_json::from_slice(&fs::read(folder(name).join("expected.json")).unwrap()).unwrap()
}

/// A copy that can be written, because a checkout may be read-only and is never to be changed.
fn copy_of(name: &str) -> (TempDir, Arc<dyn Backend>) {
    let copy = tempfile::tempdir().unwrap();
    let root = copy.path().join("repository");
    copy_folder(&folder(name).join("repository"), &root);
    let backend: Arc<dyn Backend> = Arc::new(LocalBackend::open(&root).unwrap());
    (copy, backend)
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => fs::write(target, fs::read(entry.path()).unwrap()).unwrap(),
        }
    }
}

#[test]
fn every_folder_is_covered() {
    let folders = fs::read_dir(workspace_root().join("fixtures/repositories")).unwrap();
    let found: BTreeSet<String> = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(found, BTreeSet::from(COVERED.map(str::to_owned)));
}

#[test]
fn every_backup_of_a_former_version_comes_back() {
    for version in COVERED {
        let expected = expected(version);
        let (_copy, backend) = copy_of(version);
        let repository = Repository::open(backend, process(3)).unwrap();
        assert_eq!(repository.config().format, expected.format, "{version}");
        let (indexed, stats) = repository.with_index(None).unwrap();
        assert!(stats.unreadable.is_empty(), "{version}: {:?}", stats.unreadable);
        let list = indexed.records().unwrap();
        assert!(list.unreadable.is_empty(), "{version}: {:?}", list.unreadable);
        assert!(!expected.backups.is_empty(), "{version}");
        assert_eq!(list.backups.len(), expected.backups.len(), "{version}");
        for backup in &expected.backups {
            let label = format!("{version}: {}", backup.name);
            let record = list.backups.iter().find(|record| record.id.to_string() == backup.id);
            let record = record.unwrap_or_else(|| panic!("{label}: no record"));
            assert_eq!((&record.subject.name, &record.subject.kind), (&backup.name, &backup.kind), "{label}");
            assert_eq!((record.bytes, &record.sha256), (backup.bytes, &Some(backup.sha256.clone())), "{label}");
            let bytes = rebuilt(&indexed, record).unwrap_or_else(|error| panic!("{label}: {error}"));
            assert_eq!((bytes.len() as u64, sha256(&bytes)), (backup.bytes, backup.sha256.clone()), "{label}");
        }
    }
}

/// Names are still computed as they were: packs from their bytes, chunks with the recorded key.
#[test]
fn every_object_of_a_former_version_has_the_name_of_its_bytes() {
    for version in COVERED {
        let (_copy, backend) = copy_of(version);
        let packs = keys_below(&*backend, "packs");
        assert!(packs.len() >= 2, "{version}: {packs:?}");
        for key in packs {
            let name = keys::pack_id_of(&key).unwrap();
            assert_eq!(blake3::hash(&object(&*backend, &key)).as_bytes(), name.as_bytes(), "{version}: {key}");
        }
        let events = Repository::open(backend.clone(), process(3)).unwrap().events().unwrap();
        assert_eq!(events.len(), keys_below(&*backend, "events").len(), "{version}: each line of the log is read");
        assert!(!events.is_empty(), "{version}");
    }
}

/// A later version stores beside the old backups, by the cuts and the key of the old config, and finds the old chunks.
#[test]
fn a_repository_of_a_former_version_is_still_written() {
    for version in COVERED {
        let (_copy, backend) = copy_of(version);
        let repository = open(backend.clone(), 3).unwrap();
        let old = repository.records().unwrap().backups.remove(0);
        let bytes = rebuilt(&repository, &old).unwrap();
        let known = repository.id_key().node_id(&RecipeNode::default().encode(NodeVersion::NEWEST));
        assert_ne!(known, old.root, "{version}: the oldest backup holds something");
        store(&repository, "new", &[second_bytes(), bytes].concat()).unwrap();
        let mut names: Vec<String> = expected(version).backups.into_iter().map(|backup| backup.name).collect();
        names.push("new".to_owned());
        names.sort();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_backups(&open(backend, 4).unwrap(), &names, version);
    }
}

/// The tests above can fail: one byte of the fixture changed is a backup that does not come back.
#[test]
fn a_changed_fixture_is_noticed() {
    for version in COVERED {
        let (_copy, backend) = copy_of(version);
        let largest =
            keys_below(&*backend, "packs").into_iter().max_by_key(|key| object(&*backend, key).len()).unwrap();
        let mut bytes = object(&*backend, &largest).to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        crate::scene::overwrite(&*backend, &largest, bytes);
        let repository = open(backend, 3).unwrap();
        let outcomes: Vec<_> =
            repository.records().unwrap().backups.iter().map(|record| rebuilt(&repository, record)).collect();
        assert!(outcomes.iter().flatten().count() < outcomes.len(), "{version}");
        let mut errors = outcomes.into_iter().filter_map(Result::err);
        assert!(errors.all(|error| error.kind() == ErrorKind::RepositoryDamaged), "{version}");
    }
}
