//! Prune gets space back from inside of chunks: a backup that needs small parts of them is recorded afresh and stays what it was.

use std::{ops::Range, sync::Arc};

use jiff::SignedDuration;
use vectar_backend::{Backend, BackendExt, KeyPrefix, PutOutcome};
use vectar_repository::{
    ChunkReader, ErrorKind, IndexedRepository, RecipeWalker, RepositoryError,
    format::{ids::IngestNonce, keys, node::RecipeItem, record::BackupRecord},
    prune::{self, MaxUnused, PruneOptions, PruneStats},
};
use vectar_testkit::backend::{Aftermath, Effect, FailingBackend, FailurePlan, MemoryBackend, Operation};

use crate::scene::{self, assert_backups, init, keys_below, names, noise, open, packs, publish_void, rebuilt, store};

/// Removes as early and as much as prune can.
const EAGER: PruneOptions =
    PruneOptions { max_unused: MaxUnused::Percent(0.0), max_repack_bytes: None, grace: SignedDuration::ZERO };

/// Chunks of this length, of which the small backup needs a run in the middle of each second one.
const CHUNK_BYTES: usize = 16 * 1024;
const CHUNKS: usize = 24;

fn chunks() -> Vec<Vec<u8>> {
    (0..CHUNKS).map(|chunk| noise(100 + chunk as u64, CHUNK_BYTES)).collect()
}

/// What the small backup takes of a chunk.
fn wanted(chunk: usize) -> &'static [(usize, usize)] {
    match chunk % 4 {
        0 => &[(1000, 3000)],
        1 => &[],
        2 => &[(15_000, 16_384), (0, 200), (100, 900)],
        _ => &[(0, CHUNK_BYTES)],
    }
}

fn small_bytes() -> Vec<u8> {
    let chunks = chunks();
    let part =
        |chunk: usize| wanted(chunk).iter().flat_map(|&(start, end)| chunks[chunk][start..end].to_vec()).collect();
    (0..CHUNKS).flat_map(|chunk| -> Vec<u8> { part(chunk) }).collect()
}

/// Stores a backup that refers to parts of these chunks.
fn store_parts(
    repository: &IndexedRepository,
    name: &str,
    parts: impl Fn(usize) -> Vec<(usize, usize)>,
) -> Result<BackupRecord, RepositoryError> {
    let chunks = chunks();
    let parts = (0..CHUNKS).flat_map(|chunk| parts(chunk).into_iter().map(move |(start, end)| (chunk, start..end)));
    let parts: Vec<(&[u8], Range<usize>)> = parts.map(|(chunk, range)| (&chunks[chunk][..], range)).collect();
    scene::store_parts(repository, name, &parts)
}

/// A backup of whole chunks that was forgotten, one of small parts of them, and one that has nothing to do with either.
fn with_small_parts() -> MemoryBackend {
    let memory = MemoryBackend::new();
    init(Arc::new(memory.another_process()));
    let repository = open(Arc::new(memory.another_process()), 2).unwrap();
    let whole = store_parts(&repository, "whole", |_| vec![(0, CHUNK_BYTES)]).unwrap();
    store_parts(&repository, "small", |chunk| wanted(chunk).to_vec()).unwrap();
    store(&repository, "other", &noise(7, 50_000)).unwrap();
    repository.forget(&whole).unwrap();
    memory
}

fn prune(memory: &MemoryBackend, seed: u64) -> Result<PruneStats, RepositoryError> {
    prune_over(Arc::new(memory.another_process()), seed)
}

fn prune_over(backend: Arc<dyn Backend>, seed: u64) -> Result<PruneStats, RepositoryError> {
    let repository = open(backend, seed)?;
    prune::plan(&repository, &EAGER)?.apply(&repository, &|_| true)
}

fn stored_bytes(memory: &MemoryBackend) -> u64 {
    let packs = KeyPrefix::parse("packs").unwrap();
    memory.list_all(&packs).map(|object| object.unwrap().meta.object_bytes).sum()
}

fn small_record(memory: &MemoryBackend) -> BackupRecord {
    let list = open(Arc::new(memory.another_process()), 97).unwrap().records().unwrap();
    list.backups.into_iter().find(|record| record.subject.name == "small").unwrap()
}

#[test]
fn what_lies_unneeded_inside_of_chunks_comes_back() {
    let memory = with_small_parts();
    let before = small_record(&memory);
    let plan = prune::plan(&open(Arc::new(memory.another_process()), 4).unwrap(), &EAGER).unwrap();
    assert_eq!(plan.rerecorded, [before.id], "the plan says which");
    assert_eq!(prune(&memory, 5).unwrap().rerecorded_backups, 1);
    let after = small_record(&memory);
    assert_eq!((after.seq, after.bytes, &after.sha256), (before.seq + 1, before.bytes, &before.sha256));
    assert_ne!(after.root, before.root);
    assert_eq!(after.stored_at, before.stored_at, "it is the same backup");
    for seed in [6, 7, 8] {
        assert_eq!(prune(&memory, seed).unwrap().rerecorded_backups, 0, "once is enough");
    }
    let repository = open(Arc::new(memory.another_process()), 9).unwrap();
    assert_backups(&repository, &["other", "small"], "after prunes");
    assert!(rebuilt(&repository, &after).unwrap() == small_bytes());
    // Twelve of 24 chunks were needed in part (13 to 14 of 64 granules at most), six whole, six not at all.
    let data = 50_000 + 6 * CHUNK_BYTES + 12 * (CHUNK_BYTES * 14 / 64);
    let stored = stored_bytes(&memory) as usize;
    assert!(stored < data + 12_000, "{stored} bytes are stored, {data} are needed");
}

/// A client that died over it, and was buried, has left a void under the next number. That is no reason to leave it for ever.
#[test]
fn a_name_that_is_taken_is_passed_over_and_stays_taken() {
    let memory = with_small_parts();
    let before = small_record(&memory);
    let void = keys::record(&before.id, before.seq + 1);
    publish_void(&memory, &void, IngestNonce::from_bytes([7; 16]));
    assert_eq!(prune(&memory, 5).unwrap().rerecorded_backups, 1);
    let after = small_record(&memory);
    assert_eq!(after.seq, before.seq + 2);
    let repository = open(Arc::new(memory.another_process()), 6).unwrap();
    repository.forget(&after).unwrap();
    let left = keys_below(&memory, "backups");
    let other = repository.records().unwrap().backups.remove(0);
    assert_eq!(left.iter().filter(|key| keys::record_of(key).unwrap().0 != other.id).collect::<Vec<_>>(), [&void]);
    prune(&memory, 7).unwrap();
    assert_eq!(keys_below(&memory, "backups"), left, "a sleeper must not find its name free after prune either");
}

/// Nothing to do with the parts that another backup needs: what remains is more than a half.
#[test]
fn chunks_of_which_much_is_needed_stay_as_they_are() {
    let memory = with_small_parts();
    let repository = open(Arc::new(memory.another_process()), 3).unwrap();
    store_parts(&repository, "half", |_| vec![(0, CHUNK_BYTES / 2)]).unwrap();
    assert_eq!(prune(&memory, 5).unwrap().rerecorded_backups, 0);
    assert_eq!(small_record(&memory).seq, 0);
}

/// A forgotten backup that can still be taken back holds its chunks, so there is nothing to gain yet.
#[test]
fn what_a_forgotten_backup_holds_is_left_alone() {
    let memory = with_small_parts();
    let repository = open(Arc::new(memory.another_process()), 5).unwrap();
    let patient = PruneOptions { grace: SignedDuration::from_hours(24 * 365), ..EAGER };
    assert!(prune::plan(&repository, &patient).unwrap().rerecorded.is_empty());
}

/// `--max-repack-size` holds for this too.
#[test]
fn a_small_budget_records_nothing_afresh() {
    let memory = with_small_parts();
    let repository = open(Arc::new(memory.another_process()), 5).unwrap();
    let tight = PruneOptions { max_repack_bytes: Some(1000), ..EAGER };
    assert!(prune::plan(&repository, &tight).unwrap().rerecorded.is_empty());
}

#[test]
fn a_stop_or_a_failure_at_each_write_loses_no_backup() {
    let plan = FailurePlan { operations: Operation::WRITES.to_vec(), ..FailurePlan::stop_at_write(u64::MAX) };
    let backend = Arc::new(FailingBackend::new(with_small_parts(), plan));
    assert_eq!(prune_over(backend.clone(), 5).unwrap().rerecorded_backups, 1);
    let calls = backend.matching_calls();
    assert!(calls >= 12, "{calls} calls that write");
    for nth in 1..=calls {
        for (power_fails, plan) in [
            (false, FailurePlan::stop_at_write(nth)),
            (true, FailurePlan::stop_at_write(nth)),
            (false, recover(nth, Effect::Refuse(vectar_backend::BackendErrorKind::NoSpace))),
            (false, recover(nth, Effect::LoseAnswer(vectar_backend::BackendErrorKind::Retry))),
        ] {
            let label = format!("write {nth} of {calls}, power fails: {power_fails}, {:?}", plan.effect);
            let memory = with_small_parts();
            let backend = Arc::new(FailingBackend::new(memory.another_process(), plan));
            let outcome = prune_over(backend, 5).map_err(|error| error.kind());
            assert!(!matches!(outcome, Err(ErrorKind::OurBug | ErrorKind::RepositoryDamaged)), "{label}: {outcome:?}");
            if power_fails {
                memory.power_failure();
            }
            assert_backups(&open(Arc::new(memory.another_process()), 6).unwrap(), &["other", "small"], &label);
            for seed in 7..12 {
                prune(&memory, seed).unwrap_or_else(|error| panic!("{label}: {error}"));
            }
            let later = open(Arc::new(memory.another_process()), 13).unwrap();
            assert_backups(&later, &["other", "small"], &label);
            assert!(rebuilt(&later, &small_record(&memory)).unwrap() == small_bytes(), "{label}");
            assert_eq!(small_record(&memory).seq, 1, "{label}: a later prune did what was left");
        }
    }
}

fn recover(nth: u64, effect: Effect) -> FailurePlan {
    FailurePlan { effect, aftermath: Aftermath::Recover, ..FailurePlan::stop_at_write(nth) }
}

/// Forgotten by another client between plan and apply: it stays forgotten, and can be taken back whole.
#[test]
fn a_backup_that_was_forgotten_meanwhile_stays_forgotten() {
    let memory = with_small_parts();
    let repository = open(Arc::new(memory.another_process()), 5).unwrap();
    let plan = prune::plan(&repository, &EAGER).unwrap();
    let other = open(Arc::new(memory.another_process()), 6).unwrap();
    let forgotten = other.forget(&small_record(&memory)).unwrap();
    assert_eq!(plan.apply(&repository, &|_| true).unwrap().rerecorded_backups, 0);
    assert_eq!(names(Arc::new(memory.another_process())), ["other"]);
    let record = other.undelete(&forgotten).unwrap();
    assert!(rebuilt(&other, &record).unwrap() == small_bytes());
}

/// Two clients take the digest of one snapshot; the slower one knows a record that is not the newest any more.
#[test]
fn what_another_client_said_meanwhile_is_not_hidden() {
    let memory = MemoryBackend::new();
    init(Arc::new(memory.another_process()));
    let one = open(Arc::new(memory.another_process()), 2).unwrap();
    let record = store(&one, "late", &noise(7, 50_000)).unwrap().record;
    assert_eq!(one.record_sha256(&record, &"2".repeat(64)).unwrap(), None, "it has one");
    let record = BackupRecord { sha256: None, ..record };
    // The newer record is there and the older one not yet gone.
    let newer = BackupRecord { seq: 1, sha256: Some("1".repeat(64)), ..record.clone() };
    let put = memory.put_if_absent(&keys::record(&newer.id, 1), &[newer.encode().into()]).unwrap();
    assert_eq!(put, PutOutcome::Created);
    assert_eq!(one.record_sha256(&record, &"2".repeat(64)).unwrap(), None);
    let kept = one.records().unwrap().backups;
    assert_eq!(kept.iter().map(|kept| (kept.seq, kept.sha256.clone())).collect::<Vec<_>>(), [(1, newer.sha256)]);
}

/// A reader that began before goes on: the old chunks stay for the grace.
#[test]
fn a_restore_under_way_outlives_it() {
    let memory = with_small_parts();
    let reading = open(Arc::new(memory.another_process()), 4).unwrap();
    let record = small_record(&memory);
    let reader = ChunkReader::new(&reading, 0);
    let mut walk = RecipeWalker::new(&reader, &record.root, record.bytes, 0).unwrap();
    walk.next().unwrap().unwrap();
    let known = packs(&memory);
    assert_eq!(prune(&memory, 5).unwrap().rerecorded_backups, 1);
    assert!(packs(&memory).is_superset(&known));
    for placed in walk {
        if let RecipeItem::Copy { chunk, .. } = placed.unwrap().extent {
            reader.chunk(&chunk).unwrap();
        }
    }
}
