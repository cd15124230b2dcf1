//! Several clients at once: nobody waits for anybody, and what one does never hurts what another relies on.

use std::sync::{Arc, Barrier};

use vectar_backend::{Backend, LocalBackend};
use vectar_repository::{
    ChunkReader, Ingest, Stored,
    check::{CheckOptions, Depth, check},
    format::node::RecipeItem,
    prune::{PruneOptions, plan},
};
use vectar_testkit::backend::{HookedBackend, MemoryBackend, Operation, Switch};

use crate::scene::{
    assert_backups, draft, first_bytes, init, lay, noise, on_every_backend, open, packs, rebuilt, second_bytes, store,
    with_one_backup,
};

/// Both look before either has written: everything is stored twice, and both backups are whole.
#[test]
fn two_writers_of_the_same_bytes_both_succeed() {
    on_every_backend(|kind, backend| {
        init(backend.clone());
        let [one, two] = [2, 3].map(|seed| open(backend.clone(), seed).unwrap());
        let mut ingests = [&one, &two].map(|repository| (repository, Ingest::begin(repository, 1).unwrap()));
        let bytes = first_bytes();
        let laid: Vec<_> =
            ingests.iter_mut().map(|(repository, ingest)| lay(repository, ingest, &bytes).unwrap()).collect();
        assert_eq!(laid[0], laid[1], "{kind}: equal bytes have equal recipes");
        for ((name, (_, ingest)), (root, covered)) in ["a", "b"].into_iter().zip(ingests).zip(laid) {
            let committed = ingest.commit(root, covered, draft(name, &bytes)).unwrap();
            assert!(committed.record.space.new_pack_bytes > 200_000, "{kind}: {name}");
        }
        assert_backups(&open(backend, 4).unwrap(), &["a", "b"], kind);
    });
}

#[test]
fn writers_and_readers_on_threads_and_one_directory_never_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("repository");
    init(Arc::new(LocalBackend::create(&root).unwrap()));
    let writers = 4;
    let start = Barrier::new(writers);
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let (root, start) = (&root, &start);
            scope.spawn(move || {
                let backend: Arc<dyn Backend> = Arc::new(LocalBackend::open(root).unwrap());
                let repository = open(backend, 10 + writer as u64).unwrap();
                start.wait();
                for round in 0..3 {
                    // Half of it is what everybody stores, half is this writer's own.
                    let bytes = [noise(round, 150_000), noise(100 * writer as u64 + round, 50_000)].concat();
                    let record = store(&repository, &format!("{writer}-{round}"), &bytes).unwrap().record;
                    assert!(rebuilt(&repository, &record).unwrap() == bytes);
                }
            });
        }
    });
    let names: Vec<String> =
        (0..writers).flat_map(|writer| (0..3).map(move |round| format!("{writer}-{round}"))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let backend: Arc<dyn Backend> = Arc::new(LocalBackend::open(&root).unwrap());
    assert_backups(&open(backend, 99).unwrap(), &names, "afterwards");
}

/// A reader that was opened before a backup was stored finds its chunks all the same.
#[test]
fn a_reader_finds_what_another_client_stored_meanwhile() {
    on_every_backend(|kind, backend| {
        init(backend.clone());
        let reader = open(backend.clone(), 2).unwrap();
        let record = store(&open(backend, 3).unwrap(), "late", &first_bytes()).unwrap().record;
        assert!(rebuilt(&reader, &record).unwrap() == first_bytes(), "{kind}");
    });
}

/// Prune moves chunks: the pack a reader knows goes, and its chunks lie in another one.
#[test]
fn a_reader_survives_that_packs_go_and_their_chunks_come_elsewhere() {
    let memory = with_one_backup();
    let reader = open(Arc::new(memory.another_process()), 3).unwrap();
    let record = reader.records().unwrap().backups.remove(0);
    let old = packs(&memory);
    // The same chunks in other packs, by a client that does not see the old ones.
    for pack in &old {
        let mark = vectar_backend::ObjectKey::parse(&format!("condemned/{pack}")).unwrap();
        crate::scene::overwrite(&memory, &mark, "");
    }
    store(&open(Arc::new(memory.another_process()), 4).unwrap(), "moved", &first_bytes()).unwrap();
    for pack in &old {
        memory.delete(&vectar_repository::format::keys::pack(pack)).unwrap();
    }
    assert!(rebuilt(&reader, &record).unwrap() == first_bytes());
}

/// What one client has put into packs that are not part of any backup yet is nothing to rely on for the rehearsal of another.
#[test]
fn a_rehearsal_writes_nothing_and_counts_what_it_would() {
    let memory = with_one_backup();
    let before = memory.keys();
    let repository = open(Arc::new(memory.another_process()), 3).unwrap();
    let mut rehearsal = Ingest::rehearse(&repository, 1).unwrap();
    lay(&repository, &mut rehearsal, &second_bytes()).unwrap();
    let counted = rehearsal.sealed_bytes().unwrap();
    assert_eq!(memory.keys(), before);
    let committed = store(&repository, "second", &second_bytes()).unwrap();
    assert_eq!(committed.record.space.new_pack_bytes, counted);
}

/// A walk may begin anywhere and reads no node that lies before.
#[test]
fn a_walk_begins_at_any_byte() {
    let memory = MemoryBackend::new();
    init(Arc::new(memory.another_process()));
    let repository = open(Arc::new(memory.another_process()), 2).unwrap();
    let bytes = first_bytes();
    let record = store(&repository, "one", &bytes).unwrap().record;
    let reader = ChunkReader::new(&repository, 1 << 20);
    for from in [0, 1, 63_999, 199_999, 200_000, 499_999, 500_000, u64::MAX] {
        let mut walker = vectar_repository::RecipeWalker::new(&reader, &record.root, record.bytes, from).unwrap();
        match walker.next() {
            None => assert!(from >= 500_000, "{from}"),
            Some(placed) => {
                let placed = placed.unwrap();
                assert!((placed.offset..placed.offset + placed.extent.len()).contains(&from), "{from}: {placed:?}");
                if from >= 300_000 {
                    assert!(matches!(placed.extent, RecipeItem::Fill { byte: 0, .. }), "{from}: {placed:?}");
                }
            }
        }
    }
    let wrong = vectar_repository::RecipeWalker::new(&reader, &record.root, record.bytes + 1, 0).unwrap_err();
    assert!(wrong.to_string().contains("500001 were promised"), "{wrong}");
}

/// Adding twice stores once.
#[test]
fn a_chunk_is_stored_once_by_one_ingest() {
    let memory = with_one_backup();
    let repository = open(Arc::new(memory.another_process()), 3).unwrap();
    let bytes = noise(50, 1000);
    let id = repository.id_key().chunk_id(&bytes);
    let mut preparer = vectar_repository::Preparer::new(1).unwrap();
    let record = preparer.chunk(&id, &bytes, 0, vectar_chunk::CodecHint::Unknown).unwrap();
    let mut ingest = Ingest::begin(&repository, 1).unwrap();
    assert_eq!(ingest.rely_on(&id).unwrap(), Stored::New);
    assert_eq!(ingest.add(record.clone()).unwrap(), Stored::New);
    assert_eq!(ingest.rely_on(&id).unwrap(), Stored::Known);
    assert_eq!(ingest.add(record).unwrap(), Stored::Known);
}

/// A repository with one backup, in which another process stores a second one just before this one lists the records.
fn overtaken_before_records() -> (Arc<HookedBackend>, Arc<Switch>) {
    let memory = with_one_backup();
    let storage = memory.another_process();
    let overtake = move || {
        let other = open(Arc::new(storage.another_process()), 9).unwrap();
        store(&other, "second", &second_bytes()).unwrap();
    };
    HookedBackend::once(Arc::new(memory), (Operation::List, "backups"), overtake)
}

/// `check` listed the packs before the records, and told of lost chunks where a backup was stored in between: it looked them up in an
/// index from before.
#[test]
fn check_beside_an_ingest_sees_no_damage() {
    for depth in [Depth::Structure, Depth::Data] {
        let (backend, switch) = overtaken_before_records();
        let repository = open(backend, 3).unwrap();
        switch.arm();
        let report = check(&repository, &CheckOptions { depth, ..CheckOptions::default() }, &|_| true).unwrap();
        assert!(switch.is_done());
        assert!(report.findings.is_empty(), "{depth:?}: {:#?}", report.findings);
        assert_eq!(report.backups_whole, 2);
    }
}

#[test]
fn prune_beside_an_ingest_is_not_refused() {
    let (backend, switch) = overtaken_before_records();
    let repository = open(backend, 3).unwrap();
    switch.arm();
    plan(&repository, &PruneOptions::default()).unwrap().apply(&repository, &|_| true).unwrap();
    assert!(switch.is_done());
    assert_backups(&repository, &["first", "second"], "after the prune");
}

/// What lies in a pack that the index has learnt of while the ingest runs is found there: nothing is stored twice.
#[test]
fn what_an_ingest_has_stored_it_finds_again_when_only_the_index_remembers() {
    let once = noise(60, 1_000_000);
    let stored_once = {
        let repository = open(Arc::new(empty()), 3).unwrap();
        store(&repository, "once", &once).unwrap().record.space.new_pack_bytes
    };
    let memory = empty();
    let repository = open(Arc::new(memory.another_process()), 3).unwrap();
    let record = store(&repository, "thrice", &once.repeat(3)).unwrap().record;
    let more = record.space.new_pack_bytes - stored_once;
    // Where the copies meet chunks differ, and the recipe is longer; another copy of the bytes would be a million.
    assert!(more < 300_000, "{more} bytes more");
    assert!(rebuilt(&repository, &record).unwrap() == once.repeat(3));
    assert_backups(&open(Arc::new(memory.another_process()), 4).unwrap(), &["thrice"], "another process");
}

fn empty() -> MemoryBackend {
    let memory = MemoryBackend::new();
    init(Arc::new(memory.another_process()));
    memory
}

/// One ingest has written packs that are not durable, and the index of the process knows them. Another relies on them and commits; the first
/// is abandoned, and the power fails: what was committed is whole.
#[test]
fn packs_of_another_ingest_are_durable_before_a_backup_relies_on_them() {
    let memory = empty();
    let repository = open(Arc::new(memory.another_process()), 3).unwrap();
    let bytes = noise(61, 600_000);
    let mut first = Ingest::begin(&repository, 1).unwrap();
    lay(&repository, &mut first, &bytes).unwrap();
    while repository.index().pack_ids().is_empty() {
        std::thread::yield_now();
    }
    let committed = store(&repository, "second", &bytes).unwrap();
    assert!(committed.record.space.new_pack_bytes < 600_000, "it found some of it in packs of the first");
    drop(first);
    memory.power_failure();
    assert_backups(&open(Arc::new(memory.another_process()), 4).unwrap(), &["second"], "after the power failure");
}

/// Packs of an ingest that failed go, by a prune or with the power, while an index still has them: the next ingest notices it before it publishes,
/// and the one after that stores everything anew.
#[test]
fn packs_of_a_failed_ingest_that_went_are_never_relied_on() {
    let memory = empty();
    let repository = open(Arc::new(memory.another_process()), 3).unwrap();
    let bytes = noise(62, 600_000);
    let mut failed = Ingest::begin(&repository, 1).unwrap();
    lay(&repository, &mut failed, &bytes).unwrap();
    drop(failed);
    assert!(repository.index().pack_ids().len() >= 4, "they are in the index");
    memory.power_failure();
    assert!(packs(&memory).is_empty(), "none of them was durable");
    store(&repository, "relies on what went", &bytes).unwrap_err();
    assert_eq!(repository.records().unwrap().backups, []);
    store(&repository, "stored anew", &bytes).unwrap();
    assert_backups(&open(Arc::new(memory.another_process()), 4).unwrap(), &["stored anew"], "another process");
}
