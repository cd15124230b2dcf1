//! The five musts of the format (`docs/format.md`, "Write order") and the should, each under its number.

use std::sync::Arc;

use bytes::Bytes;
use vectar_backend::{Backend, BackendErrorKind, ObjectKey};
use vectar_repository::{
    ChunkReader, ErrorKind, Ingest, RepositoryError, Stored,
    format::{
        frame::{self, FrameKind},
        ids::PackId,
        ingest_marks::{Intent, Pending},
        keys,
        pack::PackHeader,
    },
};
use vectar_testkit::backend::{
    Call, Effect, FailingBackend, FailurePlan, HookedBackend, MemoryBackend, Operation, RecordingBackend,
};

use crate::scene::{
    assert_backups, draft, first_bytes, init, keys_below, lay, names, noise, object, open, overwrite, packs,
    packs_behind, rebuilt, second_bytes, store, with_one_backup,
};

/// The calls of one ingest that stores [`second_bytes`] beside [`first_bytes`].
fn calls_of_second_ingest() -> (Arc<RecordingBackend<MemoryBackend>>, Vec<Call>) {
    let backend = Arc::new(RecordingBackend::new(with_one_backup()));
    let repository = open(backend.clone(), 3).unwrap();
    backend.take_calls();
    store(&repository, "second", &second_bytes()).unwrap();
    let calls = backend.take_calls();
    (backend, calls)
}

fn position(calls: &[Call], operation: Operation, target: &str) -> usize {
    let found = calls.iter().position(|call| is(call, operation, target));
    found.unwrap_or_else(|| panic!("no {} {target} in {calls:#?}", operation.name()))
}

fn last_position(calls: &[Call], operation: Operation, target: &str) -> usize {
    let found = calls.iter().rposition(|call| is(call, operation, target));
    found.unwrap_or_else(|| panic!("no {} {target} in {calls:#?}", operation.name()))
}

fn is(call: &Call, operation: Operation, target: &str) -> bool {
    call.operation == operation && call.target.as_deref().unwrap_or_default().starts_with(target)
}

/// The barrier stands between the last pack and the pending object, and names the packs of others too.
#[test]
fn must_1_record_only_after_packs_are_durable() {
    let (backend, calls) = calls_of_second_ingest();
    let last_pack = last_position(&calls, Operation::PutIfAbsent, "packs/");
    let pending = position(&calls, Operation::Put, "pending/");
    let record = position(&calls, Operation::PutIfAbsent, "backups/");
    let barrier = calls[last_pack..pending].iter().find(|call| call.operation == Operation::Sync);
    let needed = {
        let repository = open(backend.clone(), 4).unwrap();
        let list = repository.records().unwrap().backups;
        packs_behind(backend.clone(), list.iter().find(|record| record.subject.name == "second").unwrap())
    };
    assert!(barrier.is_some_and(|call| call.amount >= needed.len() as u64), "{calls:#?}");
    let written = calls.iter().filter(|call| is(call, Operation::PutIfAbsent, "packs/")).count();
    assert!(needed.len() > written, "the second backup relies on packs of the first");
    assert!(pending < record, "{calls:#?}");
    let after_pending = calls[pending..record].iter().filter(|call| call.operation == Operation::Sync).count();
    assert_eq!(after_pending, 1, "the pending object is durable before anything is listed");
}

/// The order of writes is the storage's to choose until a barrier: a record may reach the disk before what was put after it. What
/// was put before it must be there by then.
#[test]
fn must_1_a_record_that_survives_by_chance_has_its_packs() {
    let memory = with_one_backup();
    let at_record = FailurePlan { operations: vec![Operation::Sync], nth: u64::MAX, ..FailurePlan::stop_at_write(1) };
    let counting = Arc::new(FailingBackend::new(with_one_backup(), at_record.clone()));
    store(&open(counting.clone(), 3).unwrap(), "second", &second_bytes()).unwrap();
    // The last barrier is the record's: the process dies in it.
    let plan = FailurePlan { nth: counting.matching_calls(), ..at_record };
    let backend = Arc::new(FailingBackend::new(memory.another_process(), plan));
    store(&open(backend.clone(), 3).unwrap(), "second", &second_bytes()).unwrap_err();
    assert!(backend.has_failed());
    let records = keys_below(&memory, "backups");
    assert_eq!(records.len(), 2, "the record was put, and is not durable");
    memory.another_process().sync(&records).unwrap();
    memory.power_failure();
    assert_backups(&open(Arc::new(memory.another_process()), 4).unwrap(), &["first", "second"], "after the failure");
}

/// Another process wrote the packs and died before its barrier. Whoever relies on them makes them durable.
#[test]
fn must_1_packs_of_others_are_made_durable_too() {
    let memory = MemoryBackend::new();
    init(Arc::new(memory.another_process()));
    {
        let other = open(Arc::new(memory.another_process()), 2).unwrap();
        let mut ingest = Ingest::begin(&other, 1).unwrap();
        lay(&other, &mut ingest, &first_bytes()).unwrap();
        drop(ingest);
    }
    let foreign = packs(&memory);
    assert!(foreign.len() >= 2);
    let committed = store(&open(Arc::new(memory.another_process()), 3).unwrap(), "one", &first_bytes()).unwrap();
    memory.power_failure();
    let needed = packs_behind(Arc::new(memory.another_process()), &committed.record);
    assert!(foreign.is_subset(&needed), "the backup relies on what the other wrote");
    assert_backups(&open(Arc::new(memory.another_process()), 4).unwrap(), &["one"], "after the failure");
}

/// The name of a pack that an ingest with this seed is going to write into a repository that holds the first backup.
fn first_pack_to_come(seed: u64) -> ObjectKey {
    let backend = Arc::new(RecordingBackend::new(with_one_backup()));
    let repository = open(backend.clone(), seed).unwrap();
    backend.take_calls();
    store(&repository, "second", &second_bytes()).unwrap();
    let calls = backend.take_calls();
    ObjectKey::parse(calls[position(&calls, Operation::PutIfAbsent, "packs/")].target.as_deref().unwrap()).unwrap()
}

/// Under the name of a pack lies something shorter, or as long and other: it is set aside and the chunks are stored under another
/// name.
#[test]
fn must_2_what_lies_under_a_packs_name_is_compared_and_replaced() {
    let key = first_pack_to_come(3);
    let whole_len = {
        let memory = with_one_backup();
        store(&open(Arc::new(memory.another_process()), 3).unwrap(), "second", &second_bytes()).unwrap();
        object(&memory, &key).len()
    };
    for (label, found) in [("nothing", 0), ("short", 300), ("as long", whole_len), ("longer", whole_len + 1)] {
        let memory = with_one_backup();
        let found = noise(77, found);
        overwrite(&memory, &key, found.clone());
        let committed = store(&open(Arc::new(memory.another_process()), 3).unwrap(), "second", &second_bytes());
        let committed = committed.unwrap_or_else(|error| panic!("{label}: {error}"));
        let taken = keys::pack_id_of(&key).unwrap();
        let quarantine = keys_below(&memory, "quarantine");
        assert_eq!(quarantine.iter().filter_map(keys::pack_id_of).collect::<Vec<_>>(), [taken], "{label}");
        assert_eq!(object(&memory, &quarantine[0]), found, "{label}: it is kept as it was");
        let needed = packs_behind(Arc::new(memory.another_process()), &committed.record);
        assert!(!needed.contains(&taken), "{label}: a name that was set aside does not come back");
        memory.power_failure();
        assert_backups(&open(Arc::new(memory.another_process()), 4).unwrap(), &["first", "second"], label);
    }
}

/// The put worked and its answer was lost: the very pack is there, which is success.
#[test]
fn must_2_our_own_pack_is_recognised() {
    let key = first_pack_to_come(3);
    let memory = with_one_backup();
    let bytes = {
        let elsewhere = with_one_backup();
        store(&open(Arc::new(elsewhere.another_process()), 3).unwrap(), "second", &second_bytes()).unwrap();
        object(&elsewhere, &key)
    };
    overwrite(&memory, &key, bytes);
    let committed = store(&open(Arc::new(memory.another_process()), 3).unwrap(), "second", &second_bytes()).unwrap();
    assert_eq!(keys_below(&memory, "quarantine"), []);
    let needed = packs_behind(Arc::new(memory.another_process()), &committed.record);
    assert!(needed.contains(&keys::pack_id_of(&key).unwrap()));
}

/// Small objects have random names: what lies there with other bytes is in the way, and is never replaced.
#[test]
fn must_2_a_small_object_in_the_way_is_never_replaced() {
    let backend = Arc::new(RecordingBackend::new(with_one_backup()));
    store(&open(backend.clone(), 3).unwrap(), "second", &second_bytes()).unwrap();
    let calls = backend.take_calls();
    let record = calls[position(&calls, Operation::PutIfAbsent, "backups/")].target.clone().unwrap();
    let record = ObjectKey::parse(&record).unwrap();

    let memory = with_one_backup();
    overwrite(&memory, &record, "something else");
    let error = store(&open(Arc::new(memory.another_process()), 3).unwrap(), "second", &second_bytes()).unwrap_err();
    assert!(matches!(&error, RepositoryError::ObjectInTheWay { key, .. } if *key == record), "{error:?}");
    assert_eq!(object(&memory, &record), "something else");
}

/// Intent before the first pack; pending before the listing; marks before packs; record after all of it; then the marks go.
#[test]
fn must_3_the_steps_of_a_commit_come_in_order() {
    let (_, calls) = calls_of_second_ingest();
    let at = |operation, target| position(&calls, operation, target);
    let pending = at(Operation::Put, "pending/");
    let listed = |target| pending + position(&calls[pending..], Operation::List, target);
    let order = [
        at(Operation::PutIfAbsent, "intents/"),
        at(Operation::Sync, ""),
        at(Operation::PutIfAbsent, "packs/"),
        last_position(&calls, Operation::PutIfAbsent, "packs/"),
        pending,
        pending + position(&calls[pending..], Operation::Sync, ""),
        listed("condemned/"),
        listed("quarantine/"),
        listed("packs/"),
        at(Operation::PutIfAbsent, "backups/"),
        last_position(&calls, Operation::Sync, ""),
        at(Operation::Delete, "pending/"),
        at(Operation::Delete, "intents/"),
        at(Operation::PutIfAbsent, "events/"),
    ];
    assert!(order.is_sorted(), "{order:?} in {calls:#?}");
}

/// What the marks of an ingest say, seen in the moment before its record.
#[test]
fn must_3_intent_and_pending_say_what_the_record_will_rely_on() {
    let memory = with_one_backup();
    let (watched, seen) = (memory.another_process(), Arc::new(std::sync::Mutex::new(None)));
    let note = seen.clone();
    let look = move || {
        let one = |prefix: &str| object(&watched, &keys_below(&watched, prefix)[0]);
        let intent: Intent = frame::decode(FrameKind::Intent, &one("intents")).unwrap();
        let pending: Pending = frame::decode(FrameKind::Pending, &one("pending")).unwrap();
        *note.lock().unwrap() = Some((intent, pending));
    };
    let inner = Arc::new(memory.another_process());
    let (backend, switch) = HookedBackend::once(inner, (Operation::PutIfAbsent, "backups/"), look);
    switch.arm();
    let committed = store(&open(backend, 3).unwrap(), "second", &second_bytes()).unwrap();
    let (intent, pending) = seen.lock().unwrap().take().unwrap();
    assert_eq!(pending.id, committed.record.id);
    assert_eq!(pending.nonce, intent.nonce);
    assert!(pending.packs.is_sorted());
    let needed = packs_behind(Arc::new(memory.another_process()), &committed.record);
    assert!(needed.iter().all(|pack| pending.packs.contains(pack)), "{needed:?} in {pending:?}");
}

/// A prune's mark that appears after the pending object is seen: what it hits is copied out of the marked pack.
#[test]
fn must_3_what_was_marked_meanwhile_is_copied_out() {
    for listed in ["condemned", "quarantine"] {
        let memory = with_one_backup();
        let marked = packs(&memory);
        let storage = memory.another_process();
        let marks = marked.clone();
        let mark = move || {
            for pack in &marks {
                overwrite(&storage, &ObjectKey::parse(&format!("{listed}/{pack}")).unwrap(), "a mark");
            }
        };
        let inner = Arc::new(memory.another_process());
        let (backend, switch) = HookedBackend::once(inner, (Operation::Put, "pending/"), mark);
        switch.arm();
        let committed = store(&open(backend, 3).unwrap(), "second", &second_bytes()).unwrap();
        assert!(switch.is_done(), "{listed}");
        // Prune ends its work: the packs go.
        for pack in &marked {
            memory.delete(&keys::pack(pack)).unwrap();
        }
        let after = open(Arc::new(memory.another_process()), 4).unwrap();
        assert!(rebuilt(&after, &committed.record).unwrap() == second_bytes(), "{listed}");
        assert_eq!(keys_below(&memory, "pending"), [], "{listed}");
    }
}

/// The same, but the pack is gone by the time of the listing: nothing is published, and the marks of the ingest are withdrawn.
#[test]
fn must_3_what_is_gone_by_the_listing_stops_the_backup() {
    for (call, label) in [
        ((Operation::Sync, "packs/"), "before the barrier"),
        ((Operation::Put, "pending/"), "before the pending object"),
        ((Operation::List, "condemned"), "before the listing"),
    ] {
        let memory = with_one_backup();
        let (storage, doomed) = (memory.another_process(), packs(&memory));
        let remove = move || doomed.iter().for_each(|pack| storage.delete(&keys::pack(pack)).unwrap());
        let inner = Arc::new(memory.another_process());
        let (backend, switch) = HookedBackend::once(inner, call, remove);
        let repository = open(backend, 3).unwrap();
        switch.arm();
        let error = store(&repository, "second", &second_bytes()).unwrap_err();
        assert!(switch.is_done(), "{label}");
        assert!(matches!(error, RepositoryError::NeededPacksGone { .. }), "{label}: {error:?}");
        assert_eq!(error.kind(), ErrorKind::Retry, "{label}");
        assert_eq!(names(Arc::new(memory.another_process())), ["first"], "{label}");
        for prefix in ["pending", "intents"] {
            assert_eq!(keys_below(&memory, prefix), [], "{label}: {prefix}");
        }
    }
}

/// A pack that the storage cut short after it took it whole is not relied on.
#[test]
fn must_3_a_pack_of_another_length_counts_as_gone() {
    let memory = with_one_backup();
    let largest = keys_below(&memory, "packs").into_iter().max_by_key(|key| object(&memory, key).len()).unwrap();
    let storage = memory.another_process();
    let cut = move || {
        let bytes = object(&storage, &largest);
        overwrite(&storage, &largest, bytes.slice(..bytes.len() - 1));
    };
    let inner = Arc::new(memory.another_process());
    let (backend, switch) = HookedBackend::once(inner, (Operation::Put, "pending/"), cut);
    switch.arm();
    let error = store(&open(backend, 3).unwrap(), "second", &second_bytes()).unwrap_err();
    assert!(matches!(error, RepositoryError::NeededPacksGone { .. }), "{error:?}");
    assert_eq!(keys_below(&memory, "pending"), []);
}

/// Prune spares the packs of a live intent: so the intent is durable before the first of them, and each carries its nonce.
#[test]
fn must_4_each_pack_carries_the_nonce_of_an_intent_that_came_before_it() {
    let memory = with_one_backup();
    let before = packs(&memory);
    let (watched, seen) = (memory.another_process(), Arc::new(std::sync::Mutex::new(Vec::new())));
    let note = seen.clone();
    let power_fails = move || {
        watched.power_failure();
        // That of the first ingest is there again, because nobody made its removal durable; prune deals with it.
        let intents = keys_below(&watched, "intents").into_iter();
        let nonce = |key| frame::decode::<Intent>(FrameKind::Intent, &object(&watched, &key)).unwrap().nonce;
        *note.lock().unwrap() = intents.map(nonce).collect();
    };
    let inner = Arc::new(memory.another_process());
    let (backend, switch) = HookedBackend::once(inner, (Operation::PutIfAbsent, "packs/"), power_fails);
    switch.arm();
    store(&open(backend, 3).unwrap(), "second", &second_bytes()).unwrap();
    let announced = seen.lock().unwrap().clone();
    let written: Vec<PackId> = packs(&memory).difference(&before).copied().collect();
    assert!(!written.is_empty());
    for pack in written {
        let nonce = PackHeader::decode(&object(&memory, &keys::pack(&pack))).unwrap().nonce;
        assert!(announced.contains(&nonce), "{nonce} in {announced:?}");
    }
}

/// A body that is known, or a node, is a shortcut only while everything behind it can be relied on.
#[test]
fn must_5_shortcuts_count_only_while_everything_behind_them_resolves() {
    type Harm = fn(&MemoryBackend, &PackId);
    let harms: [(&str, Harm); 4] = [
        ("gone", |memory, pack| memory.delete(&keys::pack(pack)).unwrap()),
        ("cut short", |memory, pack| {
            let bytes = object(memory, &keys::pack(pack));
            overwrite(memory, &keys::pack(pack), bytes.slice(..bytes.len() / 2));
        }),
        ("condemned", |memory, pack| overwrite(memory, &mark("condemned", pack), "")),
        ("quarantined", |memory, pack| overwrite(memory, &mark("quarantine", pack), "")),
    ];
    for (label, harm) in harms {
        let count = packs(&with_one_backup()).len();
        for index in 0..count {
            let memory = with_one_backup();
            let record = open(Arc::new(memory.another_process()), 3).unwrap().records().unwrap().backups.remove(0);
            let victim = *packs(&memory).iter().nth(index).unwrap();
            harm(&memory, &victim);

            let repository = open(Arc::new(memory.another_process()), 4).unwrap();
            let reader = ChunkReader::new(&repository, 1 << 20);
            assert_eq!(reader.sound_packs_behind(&record.root, record.bytes).unwrap(), None, "{label} {index}");
            let committed = store(&repository, "again", &first_bytes()).unwrap();
            let needed = packs_behind(Arc::new(memory.another_process()), &committed.record);
            assert!(!needed.contains(&victim), "{label} {index}: the new backup relies on it");
            // Both come back, the old one by what the new one stored.
            memory.delete(&keys::pack(&victim)).unwrap();
            assert_backups(
                &open(Arc::new(memory.another_process()), 5).unwrap(),
                &["again", "first"],
                &format!("{label} {index}"),
            );
        }
    }
}

fn mark(prefix: &str, pack: &PackId) -> ObjectKey {
    ObjectKey::parse(&format!("{prefix}/{pack}")).unwrap()
}

/// What an ingest is told to be known it may not have to store; what is only in a marked pack it must.
#[test]
fn must_5_a_chunk_in_a_marked_pack_is_stored_again() {
    let memory = with_one_backup();
    let chunk = {
        let repository = open(Arc::new(memory.another_process()), 3).unwrap();
        let record = repository.records().unwrap().backups.remove(0);
        let ids = ChunkReader::new(&repository, 1 << 20).ids_behind(&record.root).unwrap();
        let view = repository.index().reader().unwrap();
        let is_chunk = |id: &&[u8; 32]| {
            view.locate(id).unwrap().unwrap().kind == vectar_repository::format::pack::RecordKind::Chunk
        };
        vectar_chunk::ChunkId::from_bytes(*ids.iter().find(is_chunk).unwrap())
    };
    let known = |memory: &MemoryBackend| {
        let repository = open(Arc::new(memory.another_process()), 5).unwrap();
        Ingest::begin(&repository, 1).unwrap().rely_on(&chunk).unwrap()
    };
    assert_eq!(known(&memory), Stored::Known);
    packs(&memory).iter().for_each(|pack| overwrite(&memory, &mark("condemned", pack), Bytes::new()));
    assert_eq!(known(&memory), Stored::New);
}

/// Should: what a crash leaves is packs that nobody refers to, and marks; two clients that store the same chunk waste space.
#[test]
fn should_a_failed_ingest_leaves_only_packs_that_nobody_needs() {
    let memory = with_one_backup();
    let before = packs(&memory);
    // The record itself is refused.
    let plan = FailurePlan {
        operations: vec![Operation::PutIfAbsent],
        nth: {
            let (_, calls) = calls_of_second_ingest();
            let puts: Vec<_> = calls.iter().filter(|call| call.operation == Operation::PutIfAbsent).collect();
            1 + puts.iter().position(|call| is(call, Operation::PutIfAbsent, "backups/")).unwrap() as u64
        },
        effect: Effect::Refuse(BackendErrorKind::NoSpace),
        aftermath: vectar_testkit::backend::Aftermath::Recover,
    };
    let backend = Arc::new(FailingBackend::new(memory.another_process(), plan));
    let repository = open(backend.clone(), 3).unwrap();
    let mut ingest = Ingest::begin(&repository, 1).unwrap();
    let (root, covered) = lay(&repository, &mut ingest, &second_bytes()).unwrap();
    let error = ingest.commit(root, covered, draft("second", &second_bytes())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    assert!(backend.has_failed());
    for prefix in ["pending", "intents"] {
        assert_eq!(keys_below(&memory, prefix), [], "{prefix} is withdrawn");
    }
    assert_eq!(names(Arc::new(memory.another_process())), ["first"]);
    let left = packs(&memory);
    assert!(left.is_superset(&before) && left.len() > before.len());
    // They are of use: the next try writes none of them again.
    let committed = store(&open(Arc::new(memory.another_process()), 5).unwrap(), "second", &second_bytes()).unwrap();
    assert_eq!(committed.record.space.new_pack_bytes, 0);
}
