//! The chunk index is derived: deleted, damaged, of another repository or out of date, it never decides what a repository holds.

use std::{fs, path::Path, sync::Arc};

use vectar_backend::Backend;
use vectar_repository::{CatchUpStats, IndexPlace, IndexedRepository, Repository, format::keys, index};
use vectar_testkit::backend::{MemoryBackend, Operation, RecordingBackend};

use crate::scene::{
    assert_backups, first_bytes, init, keys_below, noise, object, overwrite, packs, process, second_bytes, store,
    with_one_backup,
};

fn open_in(memory: &MemoryBackend, directory: &Path, seed: u64) -> (IndexedRepository, CatchUpStats) {
    let repository = Repository::open(Arc::new(memory.another_process()), process(seed)).unwrap();
    repository.with_index(Some(directory)).unwrap()
}

fn file_of(repository: &IndexedRepository) -> std::path::PathBuf {
    match repository.index().place() {
        IndexPlace::File(path) => path.clone(),
        IndexPlace::Memory => panic!("expected an index file"),
    }
}

#[test]
fn an_index_file_is_made_once_and_then_only_brought_up_to_date() {
    let (memory, folder) = (with_one_backup(), tempfile::tempdir().unwrap());
    let count = packs(&memory).len() as u64;
    let (first, stats) = open_in(&memory, folder.path(), 3);
    assert_eq!((stats.packs, stats.added, stats.dropped), (count, count, 0));
    drop(first);
    let recording = Arc::new(RecordingBackend::new(memory.another_process()));
    let repository = Repository::open(recording.clone(), process(4)).unwrap();
    let (again, stats) = repository.with_index(Some(folder.path())).unwrap();
    assert_eq!((stats.packs, stats.added, stats.dropped), (count, 0, 0));
    assert_eq!(recording.count(&[Operation::GetSuffix]), 0, "no footer is read twice");
    assert_backups(&again, &["first"], "warm");
}

#[test]
fn a_deleted_index_is_made_anew() {
    let (memory, folder) = (with_one_backup(), tempfile::tempdir().unwrap());
    let (first, _) = open_in(&memory, folder.path(), 3);
    let (counts, file) = (first.index().counts().unwrap(), file_of(&first));
    drop(first);
    index::remove_files(folder.path(), Repository::open(Arc::new(memory.another_process()), process(4)).unwrap().id());
    assert!(!file.exists());
    let (again, stats) = open_in(&memory, folder.path(), 4);
    assert_eq!(stats.added, packs(&memory).len() as u64);
    assert_eq!(again.index().counts().unwrap(), counts);
    assert_backups(&again, &["first"], "made anew");
}

#[test]
fn a_damaged_index_file_is_replaced() {
    let memory = with_one_backup();
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 4] = [
        ("empty", |file| fs::write(file, b"").unwrap()),
        ("foreign", |file| fs::write(file, b"holiday pictures").unwrap()),
        ("cut short", |file| {
            let bytes = fs::read(file).unwrap();
            fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("zeros at its start", |file| {
            let mut bytes = fs::read(file).unwrap();
            bytes[..512].fill(0);
            fs::write(file, bytes).unwrap();
        }),
    ];
    for (label, damage) in damages {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = open_in(&memory, folder.path(), 3);
        let file = file_of(&first);
        drop(first);
        damage(&file);
        let (again, _) = open_in(&memory, folder.path(), 4);
        assert_eq!(file_of(&again), file, "{label}: the same slot");
        assert_backups(&again, &["first"], label);
    }
}

/// Four processes of one machine have a file each; the fifth works in memory; a slot that is free again is taken again.
#[test]
fn each_process_takes_the_first_free_slot() {
    let (memory, folder) = (with_one_backup(), tempfile::tempdir().unwrap());
    let mut open: Vec<_> = (0..index::INDEX_SLOTS as u64).map(|seed| open_in(&memory, folder.path(), seed).0).collect();
    let mut files: Vec<_> = open.iter().map(file_of).collect();
    files.dedup();
    assert_eq!(files.len(), index::INDEX_SLOTS);
    let (extra, _) = open_in(&memory, folder.path(), 50);
    assert_eq!(*extra.index().place(), IndexPlace::Memory);
    assert_backups(&extra, &["first"], "in memory");
    drop(open.remove(1));
    assert_eq!(file_of(&open_in(&memory, folder.path(), 51).0), files[1]);
}

#[test]
fn an_index_is_of_one_repository() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (with_one_backup(), MemoryBackend::new());
    Repository::init(Arc::new(two.another_process()), process(77), &crate::scene::init_options()).unwrap();
    let (first, _) = open_in(&one, folder.path(), 3);
    let file = file_of(&first);
    drop(first);
    let (other, _) = open_in(&two, folder.path(), 4);
    assert_eq!(other.index().counts().unwrap().records, 0);
    // Even a file that someone put into the wrong folder.
    let place = file_of(&other);
    drop(other);
    fs::copy(&file, &place).unwrap();
    let (other, _) = open_in(&two, folder.path(), 5);
    assert_eq!((other.index().counts().unwrap().packs, other.index().counts().unwrap().records), (0, 0));
}

/// An unusable directory is no reason to stop: the index is a convenience.
#[test]
fn without_a_usable_directory_the_index_is_in_memory() {
    let (memory, folder) = (with_one_backup(), tempfile::tempdir().unwrap());
    let file = folder.path().join("a file");
    fs::write(&file, b"").unwrap();
    let (repository, _) = open_in(&memory, &file, 3);
    assert_eq!(*repository.index().place(), IndexPlace::Memory);
    assert_backups(&repository, &["first"], "in memory");
}

#[test]
fn a_catch_up_takes_in_what_others_wrote_and_drops_what_is_gone() {
    let (memory, folder) = (with_one_backup(), tempfile::tempdir().unwrap());
    let (mine, _) = open_in(&memory, folder.path(), 3);
    let before = packs(&memory);
    store(&crate::scene::open(Arc::new(memory.another_process()), 4).unwrap(), "second", &second_bytes()).unwrap();
    let added = packs(&memory).difference(&before).count() as u64;
    let stats = mine.catch_up().unwrap();
    assert_eq!((stats.added, stats.dropped), (added, 0));
    assert_backups(&mine, &["first", "second"], "caught up");
    assert_eq!(mine.index().pack_ids().into_iter().collect::<std::collections::BTreeSet<_>>(), packs(&memory));

    let victim = *before.first().unwrap();
    let held = mine.index().footer(&victim).unwrap().unwrap().entries;
    memory.delete(&keys::pack(&victim)).unwrap();
    let stats = mine.catch_up().unwrap();
    assert_eq!((stats.added, stats.dropped), (0, 1));
    assert!(held.iter().all(|entry| mine.index().locate(&entry.head.id).unwrap().is_none()));
}

/// A chunk lies in two packs and one of them goes: it is found in the other one, without reading a footer again.
#[test]
fn a_chunk_in_two_packs_is_found_when_one_goes() {
    let memory = MemoryBackend::new();
    init(Arc::new(memory.another_process()));
    // Both open before either writes, so neither knows of the other.
    let both = [2, 3].map(|seed| crate::scene::open(Arc::new(memory.another_process()), seed).unwrap());
    for (repository, name) in both.iter().zip(["a", "b"]) {
        store(repository, name, &first_bytes()).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    for victim in packs(&memory) {
        let survivor = MemoryBackend::new();
        for key in memory.keys() {
            overwrite(&survivor, &key, object(&memory, &key));
        }
        let (mine, _) = open_in(&survivor, folder.path(), 4);
        survivor.delete(&keys::pack(&victim)).unwrap();
        mine.catch_up().unwrap();
        assert_backups(&mine, &["a", "b"], &format!("without {victim}"));
    }
}

/// Objects below `packs/` that are no packs, and packs under a wrong key, are passed over; what is damaged is reported.
#[test]
fn what_is_no_pack_is_passed_over_and_what_is_damaged_is_reported() {
    let memory = with_one_backup();
    let parse = |text: &str| vectar_backend::ObjectKey::parse(text).unwrap();
    let pack = keys_below(&memory, "packs").remove(0);
    let bytes = object(&memory, &pack);
    let name = pack.as_str().rsplit('/').next().unwrap();
    overwrite(&memory, &parse("packs/readme.txt"), "hello");
    overwrite(&memory, &parse(&format!("packs/zz/{name}")), bytes);
    let stray = "ab".repeat(32);
    for (label, found) in [("empty", vec![]), ("noise", noise(4, 5000))] {
        overwrite(&memory, &parse(&format!("packs/ab/{stray}")), found);
        let repository = Repository::open(Arc::new(memory.another_process()), process(3)).unwrap();
        let (indexed, stats) = repository.with_index(None).unwrap();
        assert_eq!(stats.unreadable.len(), 1, "{label}: {:?}", stats.unreadable);
        assert_eq!(stats.unreadable[0].0.to_string(), stray, "{label}");
        assert_backups(&indexed, &["first"], label);
        store(&indexed, "again", &second_bytes()).unwrap();
        memory.delete(&parse(&format!("backups/{}/0000000000", indexed.records().unwrap().backups[1].id))).unwrap();
    }
}

/// `list` and `show` need no index and no pack: one listing and a small read for each record.
#[test]
fn listing_reads_records_only() {
    let memory = with_one_backup();
    let backend = Arc::new(RecordingBackend::new(memory));
    let repository = Repository::open(backend.clone(), process(3)).unwrap();
    backend.take_calls();
    assert_eq!(repository.records().unwrap().backups.len(), 1);
    let touched = backend.take_calls().into_iter().filter_map(|call| call.target);
    assert!(touched.into_iter().all(|target| !target.starts_with("packs")));
}
