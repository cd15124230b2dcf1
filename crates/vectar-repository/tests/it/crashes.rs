//! An ingest whose process dies, or whose storage fails, at each call it makes: earlier backups stay, later ones succeed.

use std::sync::Arc;

use vectar_backend::{Backend, BackendErrorKind, LocalBackend};
use vectar_repository::{ErrorKind, Repository};
use vectar_testkit::backend::{
    Aftermath, Effect, FailingBackend, FailurePlan, HookedBackend, MemoryBackend, Operation,
};

use crate::scene::{
    assert_backups, assert_sound, first_bytes, init, init_options, keys_below, names, object, open, overwrite, process,
    second_bytes, store, with_one_backup,
};

/// How many calls of `operations` an undisturbed ingest makes, opening included.
fn calls_of(operations: &[Operation]) -> u64 {
    let plan = FailurePlan { operations: operations.to_vec(), ..FailurePlan::stop_at_write(u64::MAX) };
    let backend = Arc::new(FailingBackend::new(with_one_backup(), plan));
    store(&open(backend.clone(), 3).unwrap(), "second", &second_bytes()).unwrap();
    backend.matching_calls()
}

/// Runs the second ingest over a storage that fails by plan; tells whether it was announced as stored.
fn second_ingest(memory: &MemoryBackend, plan: FailurePlan) -> Result<(), ErrorKind> {
    let backend = Arc::new(FailingBackend::new(memory.another_process(), plan));
    let outcome = open(backend.clone(), 3)
        .and_then(|repository| store(&repository, "second", &second_bytes()))
        .map_err(|error| error.kind());
    assert!(backend.has_failed(), "the planned call came");
    outcome.map(|_| ())
}

#[test]
fn a_crash_at_each_write_loses_no_backup() {
    let calls = calls_of(Operation::WRITES);
    assert!(calls >= 12, "{calls} calls that write");
    for nth in 1..=calls {
        for power_fails in [false, true] {
            let label = format!("write {nth} of {calls}, power fails: {power_fails}");
            let memory = with_one_backup();
            let outcome = second_ingest(&memory, FailurePlan::stop_at_write(nth));
            if power_fails {
                memory.power_failure();
            }
            let found = names(Arc::new(memory.another_process()));
            assert!(outcome.is_err() || found.len() == 2, "{label}: what was announced is there");
            let found: Vec<&str> = found.iter().map(String::as_str).collect();
            assert_sound(&memory, &found, 10 + nth, &label);
        }
    }
}

/// The storage keeps some unsynced objects and loses others: each alone, then all but it.
#[test]
fn a_power_failure_that_keeps_any_one_object_loses_no_backup() {
    let calls = calls_of(Operation::WRITES);
    for nth in (1..=calls).rev() {
        let memory = with_one_backup();
        let durable = memory.keys();
        let _ = second_ingest(&memory, FailurePlan::stop_at_write(nth));
        let fresh: Vec<_> = memory.keys().into_iter().filter(|key| !durable.contains(key)).collect();
        for kept in 0..fresh.len() {
            for complement in [false, true] {
                let label = format!("write {nth}, {kept} of {}, complement: {complement}", fresh.len());
                let memory = with_one_backup();
                let _ = second_ingest(&memory, FailurePlan::stop_at_write(nth));
                let survivors =
                    fresh.iter().enumerate().filter(|(at, _)| (*at == kept) != complement).map(|(_, key)| key.clone());
                let survivors: Vec<_> = survivors.collect();
                memory.another_process().sync(&survivors).unwrap();
                memory.power_failure();
                let found = names(Arc::new(memory.another_process()));
                let found: Vec<&str> = found.iter().map(String::as_str).collect();
                assert_backups(&open(Arc::new(memory.another_process()), 7).unwrap(), &found, &label);
                assert!(found.contains(&"first"), "{label}");
            }
        }
    }
}

/// A call fails once and the process lives: an error, nothing published, nothing left behind that announces an ingest.
#[test]
fn a_failure_at_each_write_is_an_error_and_no_backup() {
    let calls = calls_of(Operation::WRITES);
    for nth in 1..=calls {
        for effect in [
            Effect::Refuse(BackendErrorKind::Retry),
            Effect::Refuse(BackendErrorKind::NoSpace),
            Effect::LoseAnswer(BackendErrorKind::Retry),
        ] {
            let label = format!("write {nth} of {calls}: {effect:?}");
            let memory = with_one_backup();
            let plan = FailurePlan { effect, aftermath: Aftermath::Recover, ..FailurePlan::stop_at_write(nth) };
            let outcome = second_ingest(&memory, plan);
            let found = names(Arc::new(memory.another_process()));
            match (&outcome, effect) {
                (Ok(()), _) => assert_eq!(found.len(), 2, "{label}"),
                (Err(kind), Effect::Refuse(BackendErrorKind::NoSpace)) => {
                    assert_eq!(*kind, ErrorKind::NoSpace, "{label}");
                }
                (Err(kind), _) => assert_eq!(*kind, ErrorKind::Retry, "{label}"),
            }
            if outcome.is_err() {
                for prefix in ["pending", "intents"] {
                    assert_eq!(keys_below(&memory, prefix), [], "{label}: {prefix} is withdrawn");
                }
            }
            let found: Vec<&str> = found.iter().map(String::as_str).collect();
            assert_sound(&memory, &found, 10 + nth, &label);
        }
    }
}

/// The disk is full from some write on, and stays so.
#[test]
fn a_full_disk_at_each_write_is_an_error_that_says_so() {
    let puts = [Operation::PutIfAbsent, Operation::Put];
    let calls = calls_of(&puts);
    // The last put is the line in the log, which may be lost.
    for nth in 1..calls {
        let memory = with_one_backup();
        let full = Arc::new(HookedBackend::full_from_put(Arc::new(memory.another_process()), nth));
        let error = store(&open(full, 3).unwrap(), "second", &second_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace, "put {nth} of {calls}: {error}");
        assert_eq!(names(Arc::new(memory.another_process())), ["first"], "put {nth} of {calls}");
        for prefix in ["pending", "intents"] {
            assert_eq!(keys_below(&memory, prefix), [], "put {nth}: removing needs no room, so {prefix} is withdrawn");
        }
        assert_sound(&memory, &["first"], 10 + nth, &format!("put {nth} of {calls}"));
    }
}

#[test]
fn a_failure_at_each_read_is_an_error_and_no_backup() {
    let calls = calls_of(Operation::READS);
    assert!(calls >= 5, "{calls} calls that read");
    for nth in 1..=calls {
        let label = format!("read {nth} of {calls}");
        let memory = with_one_backup();
        let plan = FailurePlan {
            operations: Operation::READS.to_vec(),
            nth,
            effect: Effect::Refuse(BackendErrorKind::StorageFailed),
            aftermath: Aftermath::Recover,
        };
        let outcome = second_ingest(&memory, plan);
        let found = names(Arc::new(memory.another_process()));
        assert!(outcome.is_ok() == (found.len() == 2), "{label}: {outcome:?}, {found:?}");
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_sound(&memory, &found, 10 + nth, &label);
    }
}

/// A storage that takes a part of an object and says that all is well.
#[test]
fn an_object_that_the_storage_shortened_is_never_relied_on() {
    let calls = calls_of(&[Operation::PutIfAbsent]);
    for kept_bytes in [0, 1, 100] {
        // The first is the intent, which nobody relies on; the last two are the record and the line in the log.
        for nth in 2..=calls - 2 {
            let label = format!("put {nth} of {calls} shortened to {kept_bytes}");
            let memory = with_one_backup();
            let plan = FailurePlan {
                operations: vec![Operation::PutIfAbsent],
                nth,
                effect: Effect::Shorten { kept_bytes },
                aftermath: Aftermath::Recover,
            };
            second_ingest(&memory, plan).expect_err(&label);
            assert_sound(&memory, &["first"], 10 + nth, &label);
        }
    }
}

/// The commit of `init` is the config: a crash before it leaves an empty place, or one that says what is in the way.
#[test]
fn a_crash_at_each_write_of_init_leaves_a_repository_or_none() {
    let counting = Arc::new(FailingBackend::counting(MemoryBackend::new()));
    init(counting.clone());
    for nth in 1..=counting.matching_calls() {
        let memory = MemoryBackend::new();
        let backend = Arc::new(FailingBackend::new(memory.another_process(), FailurePlan::stop_at_write(nth)));
        let outcome = Repository::init(backend, process(1), &init_options());
        memory.power_failure();
        let again = Repository::open(Arc::new(memory.another_process()), process(2));
        match again {
            Ok(repository) => {
                let index = repository.with_index(None).unwrap().0;
                store(&index, "first", &first_bytes()).unwrap();
            }
            Err(error) => {
                assert!(outcome.is_err(), "write {nth}");
                assert_eq!(error.kind(), ErrorKind::NotFound, "write {nth}");
                init(Arc::new(memory.another_process()));
            }
        }
    }
}

/// The local file system, whose writers leave unfinished files when they die.
#[test]
fn a_crash_at_each_write_on_a_file_system_loses_no_backup() {
    let calls = {
        let folder = tempfile::tempdir().unwrap();
        let local = LocalBackend::create(folder.path().join("repository")).unwrap();
        let backend = Arc::new(FailingBackend::counting(local));
        init(backend.clone());
        store(&open(backend.clone(), 2).unwrap(), "first", &first_bytes()).unwrap();
        let before = backend.matching_calls();
        store(&open(backend.clone(), 3).unwrap(), "second", &second_bytes()).unwrap();
        backend.matching_calls() - before
    };
    for nth in 1..=calls {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("repository");
        let local: Arc<dyn Backend> = Arc::new(LocalBackend::create(&root).unwrap());
        init(local.clone());
        store(&open(local, 2).unwrap(), "first", &first_bytes()).unwrap();
        let failing =
            Arc::new(FailingBackend::new(LocalBackend::open(&root).unwrap(), FailurePlan::stop_at_write(nth)));
        let outcome = store(&open(failing.clone(), 3).unwrap(), "second", &second_bytes());
        assert!(failing.has_failed());
        drop(failing);

        let reopened: Arc<dyn Backend> = Arc::new(LocalBackend::open(&root).unwrap());
        let found = names(reopened.clone());
        assert!(outcome.is_err() || found.len() == 2, "write {nth}");
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_backups(&open(reopened.clone(), 4).unwrap(), &found, &format!("write {nth} of {calls}"));
        store(&open(reopened, 5).unwrap(), "third", &second_bytes()).unwrap();
    }
}

/// The one object that is written more than once is the pending one; a half-written one of a dead ingest disturbs nobody.
#[test]
fn marks_that_a_dead_ingest_left_damaged_disturb_nobody() {
    let memory = with_one_backup();
    let calls = calls_of(&[Operation::Delete]);
    assert_eq!(calls, 2);
    let plan = FailurePlan { operations: vec![Operation::Delete], ..FailurePlan::stop_at_write(1) };
    second_ingest(&memory, plan).unwrap();
    for prefix in ["pending", "intents"] {
        let key = keys_below(&memory, prefix).remove(0);
        let bytes = object(&memory, &key);
        overwrite(&memory, &key, bytes.slice(..bytes.len() / 2));
    }
    assert_sound(&memory, &["first", "second"], 20, "damaged marks");
}
