//! Forget and undelete: a backup is always in one of the two places, and comes back whole from either.

use std::sync::Arc;

use vectar_backend::Backend;
use vectar_repository::{RepositoryError, format::annotation::Change};
use vectar_testkit::backend::{FailingBackend, FailurePlan, MemoryBackend};

use crate::scene::{
    assert_backups, first_bytes, init, keys_below, on_every_backend, open, packs, rebuilt, store, with_one_backup,
};

fn forget(backend: Arc<dyn Backend>, seed: u64) -> Result<(), RepositoryError> {
    let repository = open(backend, seed)?;
    let record = repository.records()?.backups.remove(0);
    repository.forget(&record).map(|_| ())
}

fn undelete(backend: Arc<dyn Backend>, seed: u64) -> Result<(), RepositoryError> {
    let repository = open(backend, seed)?;
    let forgotten = repository.forgotten()?.backups.remove(0);
    repository.undelete(&forgotten).map(|_| ())
}

#[test]
fn a_forgotten_backup_is_listed_no_more_and_can_be_taken_back() {
    on_every_backend(|kind, backend| {
        init(backend.clone());
        let record = store(&open(backend.clone(), 2).unwrap(), "one", &first_bytes()).unwrap().record;
        forget(backend.clone(), 3).unwrap();
        let repository = open(backend.clone(), 4).unwrap();
        assert!(repository.records().unwrap().backups.is_empty(), "{kind}");
        assert_eq!(repository.forgotten().unwrap().backups[0].record, record, "{kind}");
        let before = packs(&*backend);
        undelete(backend.clone(), 5).unwrap();
        let again = open(backend.clone(), 6).unwrap();
        assert_backups(&again, &["one"], kind);
        let back = again.records().unwrap().backups.remove(0);
        assert_eq!((back.id, back.seq), (record.id, record.seq + 1), "{kind}: the same backup, recorded anew");
        assert_eq!(packs(&*backend), before, "{kind}: nothing was stored again");
        for prefix in ["forgotten", "pending", "intents"] {
            assert_eq!(keys_below(&*backend, prefix), [], "{kind}: {prefix}");
        }
    });
}

/// Runs an operation over a storage that stops at each write in turn, with and without a power failure.
fn at_each_write(
    prepare: impl Fn() -> MemoryBackend,
    operation: impl Fn(Arc<dyn Backend>) -> Result<(), RepositoryError>,
    check: impl Fn(&MemoryBackend, bool, &str),
) {
    let counting = Arc::new(FailingBackend::counting(prepare().another_process()));
    operation(counting.clone()).unwrap();
    let calls = counting.matching_calls();
    assert!(calls >= 4, "{calls} calls that write");
    for nth in 1..=calls {
        for power_fails in [false, true] {
            let memory = prepare();
            let dying = FailingBackend::new(memory.another_process(), FailurePlan::stop_at_write(nth));
            let succeeded = operation(Arc::new(dying)).is_ok();
            if power_fails {
                memory.power_failure();
            }
            check(&memory, succeeded, &format!("write {nth} of {calls}, power fails: {power_fails}"));
        }
    }
}

#[test]
fn a_forget_that_dies_leaves_a_backup_or_a_forgotten_one() {
    at_each_write(
        with_one_backup,
        |backend| forget(backend, 3),
        |memory, succeeded, label| {
            let repository = open(Arc::new(memory.another_process()), 4).unwrap();
            let is_listed = !repository.records().unwrap().backups.is_empty();
            let is_forgotten = !repository.forgotten().unwrap().backups.is_empty();
            assert!(is_listed || is_forgotten, "{label}: it is nowhere");
            assert!(!succeeded || !is_listed, "{label}: it was said to be forgotten");
            // Whatever was left, forgetting and taking back still work.
            if is_listed {
                forget(Arc::new(memory.another_process()), 5).unwrap();
            }
            undelete(Arc::new(memory.another_process()), 6).unwrap();
            assert_backups(&open(Arc::new(memory.another_process()), 7).unwrap(), &["first"], label);
        },
    );
}

#[test]
fn an_undelete_that_dies_leaves_a_backup_or_a_forgotten_one() {
    let prepare = || {
        let memory = with_one_backup();
        forget(Arc::new(memory.another_process()), 3).unwrap();
        memory
    };
    at_each_write(
        prepare,
        |backend| undelete(backend, 4),
        |memory, succeeded, label| {
            let repository = open(Arc::new(memory.another_process()), 5).unwrap();
            let records = repository.records().unwrap();
            assert!(records.unreadable.is_empty(), "{label}");
            let is_forgotten = !repository.forgotten().unwrap().backups.is_empty();
            assert!(!records.backups.is_empty() || is_forgotten, "{label}: it is nowhere");
            assert!(!succeeded || !records.backups.is_empty(), "{label}: it was said to be back");
            if is_forgotten {
                undelete(Arc::new(memory.another_process()), 6).unwrap();
                // What the first try published may never have been synced; the second one said that it is back.
                memory.power_failure();
            }
            assert_backups(&open(Arc::new(memory.another_process()), 7).unwrap(), &["first"], label);
        },
    );
}

/// What a backup needs went while it was forgotten: it stays forgotten, and nothing half-published is left.
#[test]
fn what_cannot_be_taken_back_stays_forgotten() {
    for pack in packs(&with_one_backup()) {
        let memory = with_one_backup();
        forget(Arc::new(memory.another_process()), 3).unwrap();
        memory.delete(&vectar_repository::format::keys::pack(&pack)).unwrap();
        let error = undelete(Arc::new(memory.another_process()), 4).unwrap_err();
        assert_eq!(error.kind(), vectar_repository::ErrorKind::RepositoryDamaged, "{error:?}");
        let repository = open(Arc::new(memory.another_process()), 5).unwrap();
        assert!(repository.records().unwrap().backups.is_empty());
        assert_eq!(repository.forgotten().unwrap().backups.len(), 1);
        for prefix in ["pending", "intents"] {
            assert_eq!(keys_below(&memory, prefix), [], "{prefix}");
        }
    }
}

/// Tags, notes and pins are objects beside the record, which stays as it was.
#[test]
fn what_is_said_of_a_backup_later_is_part_of_the_list() {
    on_every_backend(|kind, backend| {
        init(backend.clone());
        let stored = store(&open(backend.clone(), 2).unwrap(), "one", &first_bytes()).unwrap().record;
        let record_bytes = crate::scene::object(&*backend, &keys_below(&*backend, "backups")[0]);
        let changes = [
            Change::AddTag("daily".to_owned()),
            Change::AddTag("weekly".to_owned()),
            Change::RemoveTag("daily".to_owned()),
            Change::SetNote("before the move".to_owned()),
            Change::Pin("audit".to_owned()),
        ];
        for (nth, change) in changes.into_iter().enumerate() {
            open(backend.clone(), 10 + nth as u64).unwrap().annotate(stored.id, change).unwrap();
        }
        let list = open(backend.clone(), 20).unwrap().records().unwrap();
        assert_eq!(list.backups[0].tags, ["weekly"], "{kind}");
        assert_eq!(list.backups[0].note.as_deref(), Some("before the move"), "{kind}");
        assert_eq!(list.pins[&stored.id], "audit", "{kind}");
        open(backend.clone(), 21).unwrap().annotate(stored.id, Change::Unpin).unwrap();
        let repository = open(backend.clone(), 22).unwrap();
        assert!(repository.records().unwrap().pins.is_empty(), "{kind}");
        assert_eq!(crate::scene::object(&*backend, &keys_below(&*backend, "backups")[0]), record_bytes, "{kind}");
        assert!(rebuilt(&repository, &stored).unwrap() == first_bytes(), "{kind}");
    });
}
