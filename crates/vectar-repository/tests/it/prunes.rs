//! The fourth must, as prune keeps it: it touches nothing in doubt, its order loses nothing, and it may run at any moment of an
//! ingest.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::SignedDuration;
use vectar_backend::{Backend, ObjectKey};
use vectar_repository::{
    ErrorKind, Ingest, RepositoryError,
    format::{
        frame::{self, FrameKind},
        ids::IngestNonce,
        ingest_marks::Intent,
        keys,
    },
    prune::{self, MaxUnused, PruneOptions, PruneStats},
};
use vectar_testkit::backend::{Call, HookedBackend, MemoryBackend, Operation, RecordingBackend};

use crate::scene::{
    assert_backups, first_bytes, init, keys_below, lay, noise, object, open, overwrite, packs, rebuilt, second_bytes,
    store, with_one_backup,
};

/// Removes as early and as much as prune can.
const EAGER: PruneOptions =
    PruneOptions { max_unused: MaxUnused::Percent(0.0), max_repack_bytes: None, grace: SignedDuration::ZERO };

fn prune_over(backend: Arc<dyn Backend>, seed: u64) -> Result<PruneStats, RepositoryError> {
    let repository = open(backend, seed)?;
    prune::plan(&repository, &EAGER)?.apply(&repository, &|_| true)
}

fn prune(memory: &MemoryBackend, seed: u64) -> Result<PruneStats, RepositoryError> {
    prune_over(Arc::new(memory.another_process()), seed)
}

/// A repository with a forgotten backup that holds what [`second_bytes`] needs and more, and with two others, of which one needs a part
/// of the first pack of the forgotten one.
fn with_one_forgotten() -> MemoryBackend {
    let memory = with_one_backup();
    let repository = open(Arc::new(memory.another_process()), 3).unwrap();
    let doomed = [noise(2, 120_000), noise(9, 40_000), first_bytes()].concat();
    let record = store(&repository, "doomed", &doomed).unwrap().record;
    store(&repository, "kept", &noise(2, 70_000)).unwrap();
    repository.forget(&record).unwrap();
    memory
}

/// The backups of [`with_one_forgotten`] that are left.
const LEFT: [&str; 2] = ["first", "kept"];

#[test]
fn must_4_what_nobody_needs_goes_in_two_prunes_and_not_in_one() {
    let memory = with_one_forgotten();
    let before = packs(&memory);
    let first = prune(&memory, 5).unwrap();
    assert_eq!((first.removed_packs, first.expired_backups), (0, 1));
    assert!(first.condemned_packs > 0);
    assert!(packs(&memory).is_superset(&before), "a mark removes nothing");
    let second = prune(&memory, 6).unwrap();
    assert_eq!(second.removed_packs, first.condemned_packs);
    assert!(!packs(&memory).is_superset(&before));
    assert_eq!(keys_below(&memory, "condemned"), []);
    assert_eq!(prune(&memory, 7).unwrap().condemned_packs, 0, "then there is nothing left to do");
    assert_backups(&open(Arc::new(memory.another_process()), 8).unwrap(), &LEFT, "after prunes");
}

/// Copies are durable before the mark; a pack goes before its mark; needs are listed anew before it goes.
#[test]
fn must_4_the_steps_of_a_prune_come_in_order() {
    let memory = with_one_forgotten();
    let run = |seed| {
        let backend = Arc::new(RecordingBackend::new(memory.another_process()));
        prune_over(backend.clone(), seed).unwrap();
        backend.take_calls()
    };
    let marking = run(5);
    let place = |calls: &[Call], operation, target: &str| places(calls, operation, target);
    let (copies, marks) =
        (place(&marking, Operation::PutIfAbsent, "packs/"), place(&marking, Operation::PutIfAbsent, "condemned/"));
    assert!(!copies.is_empty() && !marks.is_empty(), "{marking:#?}");
    let barriers = place(&marking, Operation::Sync, "");
    assert!(barriers.iter().any(|at| copies.last() < Some(at) && Some(at) < marks.first()), "{marking:#?}");
    assert!(marks.last() < barriers.last(), "marks are durable: {marking:#?}");
    let packs_listed = place(&marking, Operation::List, "packs/")[0];
    for later in ["condemned/", "intents/", "pending/", "backups/", "forgotten/"] {
        let listed = *place(&marking, Operation::List, later).last().unwrap();
        assert!(packs_listed < listed, "packs are listed before {later}");
    }

    let removing = run(6);
    let gone = place(&removing, Operation::Delete, "packs/");
    let unmarked = place(&removing, Operation::Delete, "condemned/");
    assert!(!gone.is_empty());
    for pack in gone.iter().map(|at| removing[*at].target.clone().unwrap()) {
        let name = pack.rsplit('/').next().unwrap();
        let mark = place(&removing, Operation::Delete, &format!("condemned/{name}"));
        assert!(place(&removing, Operation::Delete, &pack)[0] < mark[0], "{pack} goes before its mark");
    }
    for asked in ["pending/", "backups/"] {
        let asked_again = place(&removing, Operation::List, asked);
        assert!(asked_again.len() >= 2, "{asked} is listed for the plan and again before anything goes");
        assert!(asked_again.last() < gone.first(), "{asked}");
    }
    assert_eq!(gone.len(), unmarked.len());
}

fn places(calls: &[Call], operation: Operation, target: &str) -> Vec<usize> {
    let is =
        |call: &Call| call.operation == operation && call.target.as_deref().unwrap_or_default().starts_with(target);
    calls.iter().enumerate().filter(|(_, call)| is(call)).map(|(at, _)| at).collect()
}

/// Whatever says what is needed and cannot be read, or is of a later version, keeps everything where it is.
#[test]
fn must_4_in_doubt_nothing_is_touched() {
    type Doubt = fn(&MemoryBackend) -> ObjectKey;
    let doubts: [(&str, Doubt); 8] = [
        ("a damaged record", |memory| cut_first(memory, "backups")),
        ("a record that requires a feature", |memory| {
            let key = keys_below(memory, "backups").remove(0);
            require_feature(memory, &key, FrameKind::Record, |value| value);
            key
        }),
        ("a damaged forgotten backup", |memory| cut_first(memory, "forgotten")),
        ("a forgotten backup that requires a feature", |memory| {
            let key = keys_below(memory, "forgotten").remove(0);
            require_feature(memory, &key, FrameKind::Forgotten, |value| &mut value["record"]);
            key
        }),
        ("a damaged pack", |memory| cut_first(memory, "packs")),
        ("a damaged pending object", |memory| put(memory, "pending/12121212121212121212121212121212", "vectar")),
        ("a newer mark", |memory| {
            let text = format!("vectar mark 2 2 {}\n{{}}\n", blake3::hash(b"{}").to_hex());
            put(memory, &format!("condemned/{}", "34".repeat(32)), &text)
        }),
        ("a damaged intent", |memory| put(memory, "intents/56565656565656565656565656565656", "vectar")),
    ];
    for (label, doubt) in doubts {
        let memory = with_one_forgotten();
        doubt(&memory);
        let before = memory.keys();
        let error = prune(&memory, 5).expect_err(label);
        assert!(matches!(error, RepositoryError::PruneUnsafe { .. }), "{label}: {error:?}");
        let kinds = [ErrorKind::RepositoryDamaged, ErrorKind::NewerFormat];
        assert!(kinds.contains(&error.kind()), "{label}: {:?}", error.kind());
        assert_eq!(memory.keys(), before, "{label}");
    }
}

fn put(memory: &MemoryBackend, key: &str, text: &str) -> ObjectKey {
    let key = ObjectKey::parse(key).unwrap();
    overwrite(memory, &key, text.to_owned());
    key
}

fn cut_first(memory: &MemoryBackend, prefix: &str) -> ObjectKey {
    let key = keys_below(memory, prefix).remove(0);
    let bytes = object(memory, &key);
    overwrite(memory, &key, bytes.slice(..bytes.len() - 1));
    key
}

fn require_feature(
    memory: &MemoryBackend,
    key: &ObjectKey,
    kind: FrameKind,
    record: fn(&mut serde_json::Value) -> &mut serde_json::Value,
) {
    let mut value: serde_json::Value = frame::decode(kind, &object(memory, key)).unwrap();
    record(&mut value)["requires"] = serde_json::json!(["rows-1"]);
    overwrite(memory, key, frame::encode(kind, &value));
}

/// A backup whose recipe lacks a node: what it needs cannot be known.
#[test]
fn must_4_a_recipe_that_cannot_be_walked_stops_a_prune() {
    for pack in packs(&with_one_forgotten()) {
        let memory = with_one_forgotten();
        memory.delete(&keys::pack(&pack)).unwrap();
        let is_whole = {
            let repository = open(Arc::new(memory.another_process()), 4).unwrap();
            let record = repository.records().unwrap().backups.remove(0);
            rebuilt(&repository, &record).is_ok()
        };
        let before = memory.keys();
        match prune(&memory, 5) {
            Err(RepositoryError::PruneUnsafe { .. }) => assert_eq!(memory.keys(), before),
            outcome => assert!(is_whole, "{pack} is gone, a backup needs it, and prune went on: {outcome:?}"),
        }
    }
}

/// Packs of an ingest that is under way are spared, however often prune comes by while the ingest is young or goes on.
#[test]
fn must_4_packs_of_a_live_ingest_are_spared() {
    let memory = with_one_backup();
    let repository = open(Arc::new(memory.another_process()), 3).unwrap();
    let mut ingest = Ingest::begin(&repository, 1).unwrap();
    let bytes = noise(20, 300_000);
    let (root, covered) = lay(&repository, &mut ingest, &bytes).unwrap();
    // All of them within the first hour of the ingest. Seeds of their own: what a prune notes of an ingest depends on how many packs it
    // has published so far, and two notes with different texts must not bear one name.
    for seed in [4, 5, 6] {
        assert_eq!(prune(&memory, seed).unwrap().condemned_packs, 0);
    }
    let record = ingest.commit(root, covered, crate::scene::draft("second", &bytes)).unwrap().record;
    let fresh = open(Arc::new(memory.another_process()), 50).unwrap();
    assert!(rebuilt(&fresh, &record).unwrap() == bytes);
}

/// An ingest that died leaves an intent; after two sightings without a new pack, and an hour, its packs go.
#[test]
fn must_4_a_dead_ingest_is_buried_and_cannot_publish() {
    let memory = with_one_backup();
    let before = packs(&memory);
    let asleep = open(Arc::new(memory.another_process()), 3).unwrap();
    let mut ingest = Ingest::begin(&asleep, 1).unwrap();
    let bytes = noise(20, 300_000);
    let (root, covered) = lay(&asleep, &mut ingest, &bytes).unwrap();
    // Each seed is a quarter of an hour later and more; the packs are marked by the third prune and gone by the fourth.
    for seed in [20, 30, 40, 50] {
        prune(&memory, seed).unwrap();
    }
    assert_eq!(packs(&memory), before, "what it wrote is gone");
    let error = ingest.commit(root, covered, crate::scene::draft("late", &bytes)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retry, "{error:?}");
    assert_backups(&open(Arc::new(memory.another_process()), 60).unwrap(), &["first"], "after it woke");
    store(&open(Arc::new(memory.another_process()), 61).unwrap(), "again", &bytes).unwrap();
    assert_backups(&open(Arc::new(memory.another_process()), 62).unwrap(), &["again", "first"], "the next try");
}

/// Runs the second ingest and calls `deed` with the number of each call before it is made. The ingest may be told to try again; what it
/// says it stored must be there, and whatever else was there stays.
fn ingest_beside(memory: &MemoryBackend, deed: impl Fn(u64) + Send + Sync + 'static, label: &str) -> (u64, bool) {
    let calls = Arc::new(AtomicU64::new(0));
    let counter = calls.clone();
    let backend = HookedBackend::new(Arc::new(memory.another_process()), move |_, _| {
        deed(counter.fetch_add(1, Ordering::SeqCst) + 1);
        Ok(())
    });
    let outcome = open(Arc::new(backend), 4).and_then(|repository| store(&repository, "second", &second_bytes()));
    let names: &[&str] = match &outcome {
        Ok(_) => &["first", "kept", "second"],
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Retry, "{label}: {error:?}");
            &LEFT
        }
    };
    // Prunes with no grace come by before anybody reads.
    for seed in [70, 80, 90, 100] {
        prune(memory, seed).unwrap_or_else(|error| panic!("{label}: {error:?}"));
    }
    memory.power_failure();
    assert_backups(&open(Arc::new(memory.another_process()), 110).unwrap(), names, label);
    (calls.load(Ordering::SeqCst), outcome.is_ok())
}

/// Two prunes, each at any call of an ingest that relies on what they remove; of the pairs every third.
#[test]
fn must_4_two_prunes_at_any_two_moments_of_an_ingest_lose_nothing() {
    let (calls, _) = ingest_beside(&with_one_forgotten(), |_| (), "undisturbed");
    assert!(calls >= 30, "{calls} calls");
    let (mut succeeded, mut runs) = (0, 0);
    for first in 1..=calls {
        for second in (first..=calls).filter(|second| (first + second) % 3 == 0) {
            let label = format!("prunes at calls {first} and {second} of {calls}");
            let memory = with_one_forgotten();
            let storage = memory.another_process();
            let deed = move |call| {
                for (at, seed) in [(first, 5), (second, 6)] {
                    if call == at {
                        prune(&storage, seed).unwrap();
                    }
                }
            };
            let (_, is_stored) = ingest_beside(&memory, deed, &label);
            succeeded += u64::from(is_stored);
            runs += 1;
        }
    }
    assert!(succeeded * 2 > runs, "most of them succeed at once: {succeeded} of {runs}");
}

/// The ingest stalls for hours at some call, while prunes take it for dead.
#[test]
fn must_4_an_ingest_that_stalls_for_hours_at_any_call_loses_nothing() {
    let (calls, _) = ingest_beside(&with_one_forgotten(), |_| (), "undisturbed");
    for stall in 1..=calls {
        let memory = with_one_forgotten();
        let storage = memory.another_process();
        let deed = move |call| {
            if call == stall {
                for seed in [20, 30, 40, 50, 60] {
                    prune(&storage, seed).unwrap();
                }
            }
        };
        ingest_beside(&memory, deed, &format!("stalled at call {stall} of {calls}"));
    }
}

/// A prune that dies at any of its calls has lost nothing, and the next one ends its work.
#[test]
fn must_4_a_prune_that_dies_at_any_call_loses_nothing() {
    use vectar_testkit::backend::{FailingBackend, FailurePlan};
    for earlier_prunes in [0, 1] {
        let prepare = || {
            let memory = with_one_forgotten();
            for nth in 0..earlier_prunes {
                prune(&memory, 5 + nth).unwrap();
            }
            memory
        };
        let counting = Arc::new(FailingBackend::counting(prepare().another_process()));
        prune_over(counting.clone(), 10).unwrap();
        let calls = counting.matching_calls();
        assert!(calls >= 5, "{calls} calls that write");
        for nth in 1..=calls {
            for power_fails in [false, true] {
                let label = format!("write {nth} of {calls} after {earlier_prunes} prunes, power fails: {power_fails}");
                let memory = prepare();
                let dying = FailingBackend::new(memory.another_process(), FailurePlan::stop_at_write(nth));
                let _ = prune_over(Arc::new(dying), 10);
                if power_fails {
                    memory.power_failure();
                }
                assert_backups(&open(Arc::new(memory.another_process()), 11).unwrap(), &LEFT, &label);
                for seed in [20, 30, 40, 50, 60] {
                    prune(&memory, seed).unwrap_or_else(|error| panic!("{label}: {error:?}"));
                }
                assert_backups(&open(Arc::new(memory.another_process()), 70).unwrap(), &LEFT, &label);
                for prefix in ["condemned", "intents", "pending", "forgotten"] {
                    assert_eq!(keys_below(&memory, prefix), [], "{label}: {prefix} is clean in the end");
                }
            }
        }
    }
}

/// Between the plan and its removals a backup appears that needs a marked pack: it is asked for again, and copied out.
#[test]
fn must_4_what_is_needed_since_the_plan_is_copied_out_before_its_pack_goes() {
    let memory = with_one_backup();
    let key = keys_below(&memory, "backups").remove(0);
    let record = object(&memory, &key);
    memory.delete(&key).unwrap();
    let marked = prune(&memory, 5).unwrap().condemned_packs;
    assert_eq!(marked, packs(&memory).len() as u64);
    let repository = open(Arc::new(memory.another_process()), 6).unwrap();
    let plan = prune::plan(&repository, &EAGER).unwrap();
    overwrite(&memory, &key, record);
    let stats = plan.apply(&repository, &|_| true).unwrap();
    assert_eq!(stats.removed_packs, marked);
    assert_backups(&open(Arc::new(memory.another_process()), 7).unwrap(), &["first"], "after the removal");
}

/// The marks that prunes and ingests leave have names that say whose they are.
#[test]
fn must_4_a_mark_is_found_by_its_name_alone() {
    let memory = with_one_forgotten();
    let before: BTreeSet<_> = packs(&memory);
    prune(&memory, 5).unwrap();
    let marked: BTreeSet<_> = keys_below(&memory, "condemned").iter().filter_map(keys::pack_id_of).collect();
    assert!(!marked.is_empty() && marked.is_subset(&before));
    // Unreadable marks count all the same for an ingest.
    for key in keys_below(&memory, "condemned") {
        overwrite(&memory, &key, "");
    }
    let committed = store(&open(Arc::new(memory.another_process()), 6).unwrap(), "second", &second_bytes()).unwrap();
    let needed = crate::scene::packs_behind(Arc::new(memory.another_process()), &committed.record);
    assert!(needed.is_disjoint(&marked));
}

/// An intent that somebody made up, or of a client whose clock runs ahead, keeps nothing for ever but what carries its nonce.
#[test]
fn must_4_a_foreign_intent_spares_only_its_own_packs() {
    let memory = with_one_forgotten();
    let nonce = IngestNonce::from_bytes([0x77; 16]);
    let started_at = "2100-01-01T00:00:00Z".parse().unwrap();
    let intent = Intent { nonce, started_at, client: "elsewhere/1".to_owned() };
    overwrite(&memory, &keys::intent(&nonce), frame::encode(FrameKind::Intent, &intent));
    assert!(prune(&memory, 5).unwrap().condemned_packs > 0);
    assert!(prune(&memory, 6).unwrap().removed_packs > 0);
    assert_backups(&open(Arc::new(memory.another_process()), 7).unwrap(), &LEFT, "beside an intent");
}

/// Nothing above works by chance of an empty repository: prune on one with nothing to do changes nothing.
#[test]
fn must_4_a_prune_with_nothing_to_do_does_nothing() {
    let memory = MemoryBackend::new();
    init(Arc::new(memory.another_process()));
    let log = Mutex::new(Vec::new());
    for seed in [3, 4] {
        let stats = prune(&memory, seed).unwrap();
        assert_eq!(stats, PruneStats::default());
        log.lock().unwrap().push(keys_below(&memory, "packs"));
    }
    assert!(log.into_inner().unwrap().iter().all(Vec::is_empty));
}
