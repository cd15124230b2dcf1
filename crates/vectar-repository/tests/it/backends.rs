//! What holds on every backend: bytes come back, what is known is not stored again, and nothing is opened by mistake.

use std::sync::Arc;

use vectar_backend::{Backend, ObjectKey};
use vectar_repository::{ErrorKind, Repository};

use crate::scene::{
    assert_backups, first_bytes, init, init_options, keys_below, names, noise, on_every_backend, open, overwrite,
    packs, process, rebuilt, second_bytes, store,
};

#[test]
fn what_was_stored_comes_back_in_another_process() {
    on_every_backend(|kind, backend| {
        init(backend.clone());
        let samples = [("empty", Vec::new()), ("first", first_bytes()), ("second", second_bytes()), ("z", vec![7; 1])];
        let writer = open(backend.clone(), 2).unwrap();
        for (name, bytes) in &samples {
            store(&writer, name, bytes).unwrap();
        }
        let reader = open(backend.clone(), 3).unwrap();
        assert_backups(&reader, &["empty", "first", "second", "z"], kind);
        for (record, (name, bytes)) in reader.records().unwrap().backups.iter().zip(&samples) {
            assert_eq!(record.subject.name, *name, "{kind}: oldest first");
            assert!(rebuilt(&reader, record).unwrap() == *bytes, "{kind}: {name}");
        }
    });
}

#[test]
fn the_same_bytes_again_need_no_pack() {
    on_every_backend(|kind, backend| {
        init(backend.clone());
        let repository = open(backend.clone(), 2).unwrap();
        store(&repository, "one", &first_bytes()).unwrap();
        let before = packs(&*backend);
        assert!(before.len() >= 4, "{kind}: {} packs", before.len());
        let committed = store(&open(backend.clone(), 3).unwrap(), "two", &first_bytes()).unwrap();
        assert_eq!(packs(&*backend), before, "{kind}");
        assert_eq!(committed.record.space.new_pack_bytes, 0, "{kind}");
        assert_backups(&open(backend, 4).unwrap(), &["one", "two"], kind);
    });
}

#[test]
fn an_ingest_leaves_only_packs_a_record_and_a_line_in_the_log() {
    on_every_backend(|kind, backend| {
        init(backend.clone());
        let before = Repository::open(backend.clone(), process(5)).unwrap().stored_bytes().unwrap();
        let committed = store(&open(backend.clone(), 2).unwrap(), "one", &first_bytes()).unwrap();
        let after = Repository::open(backend.clone(), process(5)).unwrap().stored_bytes().unwrap();
        assert_eq!(after.bytes - before.bytes, committed.new_bytes, "{kind}: what it says is what it took");
        for gone in ["intents", "pending", "condemned", "quarantine"] {
            assert_eq!(keys_below(&*backend, gone), [], "{kind}: {gone}");
        }
        assert_eq!(keys_below(&*backend, "backups").len(), 1, "{kind}");
        assert_eq!(keys_below(&*backend, "events").len(), 2, "{kind}: init and ingest");
    });
}

/// An ingest that is given up on is no backup, and its chunks are of use to the next one.
#[test]
fn an_ingest_that_is_dropped_leaves_packs_and_nothing_else() {
    on_every_backend(|kind, backend| {
        init(backend.clone());
        let repository = open(backend.clone(), 2).unwrap();
        let mut ingest = vectar_repository::Ingest::begin(&repository, 1).unwrap();
        crate::scene::lay(&repository, &mut ingest, &first_bytes()).unwrap();
        assert_eq!(keys_below(&*backend, "intents").len(), 1, "{kind}");
        drop(ingest);
        let left = packs(&*backend);
        assert!(!left.is_empty(), "{kind}");
        assert_eq!(keys_below(&*backend, "intents"), [], "{kind}");
        assert!(names(backend.clone()).is_empty(), "{kind}");
        let bytes = store(&open(backend.clone(), 3).unwrap(), "one", &first_bytes()).unwrap().record.space;
        let unshared = init_and_store_elsewhere();
        assert!(bytes.new_pack_bytes < unshared / 2, "{kind}: {bytes:?} against {unshared}");
    });
}

fn init_and_store_elsewhere() -> u64 {
    let backend: Arc<dyn Backend> = Arc::new(vectar_testkit::backend::MemoryBackend::new());
    init(backend.clone());
    store(&open(backend, 2).unwrap(), "one", &first_bytes()).unwrap().record.space.new_pack_bytes
}

#[test]
fn init_takes_no_place_that_holds_anything() {
    on_every_backend(|kind, backend| {
        overwrite(&*backend, &ObjectKey::parse("holiday/picture-1").unwrap(), noise(1, 10));
        let error = Repository::init(backend.clone(), process(1), &init_options()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FixInput, "{kind}: {error}");
        assert!(error.to_string().ends_with("holds other objects, such as holiday/picture-1"), "{kind}: {error}");
        assert_eq!(Repository::open(backend, process(1)).unwrap_err().kind(), ErrorKind::NotFound, "{kind}");
    });
}

#[test]
fn init_never_replaces_a_repository() {
    on_every_backend(|kind, backend| {
        let id = init(backend.clone()).id();
        let error = Repository::init(backend.clone(), process(7), &init_options()).unwrap_err();
        assert!(error.to_string().starts_with("there is a vectar repository in "), "{kind}: {error}");
        assert_eq!(Repository::open(backend, process(1)).unwrap().id(), id, "{kind}");
    });
}

/// Equal worlds make equal repositories: what a fixture or a failing test rests on.
#[test]
fn the_same_seed_writes_the_same_objects() {
    let write = || {
        let backend: Arc<dyn Backend> = Arc::new(vectar_testkit::backend::MemoryBackend::new());
        init(backend.clone());
        let repository = open(backend.clone(), 2).unwrap();
        store(&repository, "one", &first_bytes()).unwrap();
        store(&repository, "two", &second_bytes()).unwrap();
        let all = ["packs", "backups", "events"].map(|prefix| keys_below(&*backend, prefix)).concat();
        let objects: Vec<_> = all.into_iter().map(|key| (key.clone(), crate::scene::object(&*backend, &key))).collect();
        objects
    };
    assert!(write() == write());
}
