//! An ingest that is killed, or whose storage fails, at each call that writes: what was there before stays, and the next ingest
//! succeeds.

use std::{fs, sync::Arc};

use vectar::{
    CancelToken, Engine, EngineOptions, Error, IngestOptions, IngestOutcome, InitOptions, Repository, Silent, Source,
    SystemEnvironment, ingest,
};
use vectar_backend::{BackendErrorKind, LocalBackend};
use vectar_testkit::{
    backend::{Aftermath, Effect, FailingBackend, FailurePlan, MemoryBackend, Operation},
    fixtures::FixtureSnapshot,
};

use crate::scene::{fixture, rebuilt_by, sha256, stored};

/// Small packs, so that one small snapshot makes a dozen.
fn init_options() -> InitOptions {
    InitOptions { pack_bytes: 64 * 1024, ..InitOptions::default() }
}

type Stage = FailingBackend<MemoryBackend>;

/// A repository in memory with one backup, made durable.
fn with_one_backup() -> MemoryBackend {
    let memory = MemoryBackend::new();
    Repository::init(Arc::new(memory.another_process()), Arc::new(SystemEnvironment), &init_options()).unwrap();
    store(&Arc::new(FailingBackend::counting(memory.another_process())), &fixture("notes", "00-base")).unwrap();
    memory
}

fn engine(backend: &Arc<Stage>) -> Result<Engine, Error> {
    let repository = Repository::open(backend.clone(), Arc::new(SystemEnvironment))?;
    Engine::open(&repository, &EngineOptions { threads: 2, index_directory: None, ..EngineOptions::default() })
}

fn store(backend: &Arc<Stage>, snapshot: &FixtureSnapshot) -> Result<IngestOutcome, Error> {
    let engine = engine(backend)?;
    let known = engine.repository().records()?.backups;
    let source = Source::file(&snapshot.path)?;
    ingest(&engine, source, &IngestOptions::default(), &known, &Silent, &CancelToken::default())
}

/// Asserts that every backup that is listed comes back, and that storing goes on. Returns how many backups there were.
fn assert_sound(memory: &MemoryBackend, label: &str) -> usize {
    let backend = Arc::new(FailingBackend::counting(memory.another_process()));
    let before = engine(&backend).unwrap();
    let records = before.repository().records().unwrap();
    assert!(records.unreadable.is_empty(), "{label}: {:?}", records.unreadable);
    assert!(!records.backups.is_empty(), "{label}: the earlier backup is there");
    for record in &records.backups {
        let (_, bytes) = rebuilt_by(&before, record).unwrap_or_else(|error| panic!("{label}: {error}"));
        assert_eq!(Some(sha256(&bytes)), record.sha256, "{label}");
    }
    let next = fixture("notes", "01-insert-5pct");
    let expected = fs::read(&next.path).unwrap();
    let record = match store(&backend, &next).unwrap_or_else(|error| panic!("{label}: the next ingest: {error}")) {
        IngestOutcome::Stored(committed) => committed.record,
        IngestOutcome::AlreadyStored(record) => *record,
        other => panic!("{label}: {other:?}"),
    };
    let (_, bytes) = rebuilt_by(&engine(&backend).unwrap(), &record).unwrap();
    assert!(bytes == expected, "{label}: the next backup comes back");
    records.backups.len()
}

/// How many calls of `operations` an undisturbed ingest makes in this repository. In another one it may be others: what is cut follows from
/// its key.
fn calls_of(operations: &[Operation], memory: &MemoryBackend) -> u64 {
    let plan = FailurePlan { operations: operations.to_vec(), ..FailurePlan::stop_at_write(u64::MAX) };
    let backend = Arc::new(FailingBackend::new(memory.fork(), plan));
    stored(store(&backend, &fixture("notes", "01-insert-5pct")).unwrap());
    backend.matching_calls()
}

#[test]
fn an_ingest_killed_at_each_stage_harms_nothing() {
    let sound = with_one_backup();
    let calls = calls_of(Operation::WRITES, &sound);
    assert!(calls >= 10, "{calls} calls that write");
    for nth in 1..=calls {
        for power_fails in [false, true] {
            let label = format!("killed at write {nth} of {calls}, power fails: {power_fails}");
            let memory = sound.fork();
            let backend = Arc::new(FailingBackend::new(memory.another_process(), FailurePlan::stop_at_write(nth)));
            let outcome = store(&backend, &fixture("notes", "01-insert-5pct"));
            assert!(backend.has_failed(), "{label}");
            drop(backend);
            if power_fails {
                memory.power_failure();
            }
            let backups = assert_sound(&memory, &label);
            assert!(outcome.is_err() || backups == 2, "{label}: a backup that was announced is there");
        }
    }
}

#[test]
fn a_storage_that_fails_once_harms_nothing_and_leaves_no_intent() {
    let sound = with_one_backup();
    let calls = calls_of(Operation::WRITES, &sound);
    for nth in 1..=calls {
        for effect in [
            Effect::Refuse(BackendErrorKind::Retry),
            Effect::LoseAnswer(BackendErrorKind::Retry),
            Effect::Refuse(BackendErrorKind::NoSpace),
        ] {
            let label = format!("write {nth} of {calls}: {effect:?}");
            let memory = sound.fork();
            let plan = FailurePlan { effect, aftermath: Aftermath::Recover, ..FailurePlan::stop_at_write(nth) };
            let backend = Arc::new(FailingBackend::new(memory.another_process(), plan));
            let outcome = store(&backend, &fixture("notes", "01-insert-5pct"));
            assert!(backend.has_failed(), "{label}");
            // An intent may stay only where withdrawing it is what failed.
            if let Err(error) = &outcome {
                let intents = memory.keys().iter().filter(|key| key.as_str().starts_with("intents/")).count();
                assert_eq!(intents, 0, "{label}: {error}");
                if effect == Effect::Refuse(BackendErrorKind::NoSpace) {
                    assert_eq!(error.kind(), vectar::ErrorKind::NoSpace, "{label}");
                }
            }
            assert_sound(&memory, &label);
        }
    }
}

#[test]
fn a_storage_that_cannot_be_read_harms_nothing() {
    let sound = with_one_backup();
    let calls = calls_of(Operation::READS, &sound);
    assert!(calls >= 5, "{calls} calls that read");
    for nth in 1..=calls {
        let memory = sound.fork();
        let plan = FailurePlan {
            operations: Operation::READS.to_vec(),
            nth,
            effect: Effect::Refuse(BackendErrorKind::StorageFailed),
            aftermath: Aftermath::Recover,
        };
        let backend = Arc::new(FailingBackend::new(memory.another_process(), plan));
        let _ = store(&backend, &fixture("notes", "01-insert-5pct"));
        assert!(backend.has_failed(), "read {nth} of {calls}");
        assert_sound(&memory, &format!("read {nth} of {calls}"));
    }
}

/// A storage that takes half of a pack and says that all is well, as some network file systems do when they are full.
#[test]
fn a_pack_that_the_storage_shortened_is_noticed_before_the_record_is_published() {
    let sound = with_one_backup();
    let calls = calls_of(&[Operation::PutIfAbsent], &sound);
    // The first is the intent; the last two are the record and the line in the log.
    for nth in 2..=calls - 2 {
        let memory = sound.fork();
        let plan = FailurePlan {
            operations: vec![Operation::PutIfAbsent],
            nth,
            effect: Effect::Shorten { kept_bytes: 300 },
            aftermath: Aftermath::Recover,
        };
        let backend = Arc::new(FailingBackend::new(memory.another_process(), plan));
        let outcome = store(&backend, &fixture("notes", "01-insert-5pct"));
        assert!(outcome.is_err(), "put {nth} of {calls} was shortened, and the backup stored");
        assert_sound(&memory, &format!("put {nth} shortened"));
    }
}

/// The local file system, with a writer that dies in the middle: its unfinished file is no object.
#[test]
fn an_ingest_killed_on_a_file_system_harms_nothing() {
    let sound = with_one_backup();
    let calls = calls_of(Operation::WRITES, &sound);
    for nth in (1..=calls).step_by(3) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("repository");
        let local = Arc::new(LocalBackend::create(&root).unwrap());
        let (repository, _) = Repository::init(local, Arc::new(SystemEnvironment), &init_options()).unwrap();
        drop(repository);
        let failing = FailingBackend::new(LocalBackend::open(&root).unwrap(), FailurePlan::stop_at_write(nth));
        let repository = Repository::open(Arc::new(failing), Arc::new(SystemEnvironment)).unwrap();
        let options = EngineOptions { threads: 2, index_directory: None, ..EngineOptions::default() };
        let engine = Engine::open(&repository, &options).unwrap();
        let snapshot = fixture("notes", "01-insert-5pct");
        let source = Source::file(&snapshot.path).unwrap();
        let _ = ingest(&engine, source, &IngestOptions::default(), &[], &Silent, &CancelToken::default());
        drop(engine);

        let repository = vectar::open(&root, None).unwrap();
        let engine = Engine::open(&repository, &options).unwrap();
        assert!(engine.caught_up().unreadable.is_empty(), "killed at {nth}: {:?}", engine.caught_up().unreadable);
        let known = repository.records().unwrap();
        assert!(known.unreadable.is_empty());
        let source = Source::file(&snapshot.path).unwrap();
        let outcome =
            ingest(&engine, source, &IngestOptions::default(), &known.backups, &Silent, &CancelToken::default())
                .unwrap();
        let record = match outcome {
            IngestOutcome::Stored(committed) => committed.record,
            IngestOutcome::AlreadyStored(record) => *record,
            other => panic!("{other:?}"),
        };
        let (_, bytes) = rebuilt_by(&engine, &record).unwrap();
        assert_eq!(sha256(&bytes), snapshot.sha256, "killed at {nth}");
    }
}
