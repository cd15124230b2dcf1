//! A hurt backup becomes whole when its snapshot is stored again, however it was cut the first time.

use std::{ops::Range, sync::Arc};

use vectar_backend::Backend;
use vectar_chunk::ChunkId;
use vectar_repository::{
    ErrorKind, IndexedRepository, RepositoryError,
    check::{CheckOptions, check},
    format::{annotation::Change, keys, record::BackupRecord},
};
use vectar_testkit::backend::{FailingBackend, FailurePlan, MemoryBackend};

use crate::scene::{assert_backups, init, noise, open, rebuilt, store, store_parts};

const CHUNK_BYTES: usize = 16 * 1024;

/// What the hurt backup takes of each of its two chunks: of the first one everything, in three pieces that overlap, of the second one a part.
const ALL: [Range<usize>; 3] = [9000..CHUNK_BYTES, 0..5000, 4000..9500];
const PART: Range<usize> = 100..8000;

struct Hurt {
    memory: MemoryBackend,
    hurt: BackupRecord,
    bytes: Vec<u8>,
}

impl Hurt {
    /// A backup whose chunks are lost, both or only the first one; and one that shares a part of the first one.
    fn new(is_second_lost: bool) -> Self {
        let memory = MemoryBackend::new();
        init(Arc::new(memory.another_process()));
        let repository = open(Arc::new(memory.another_process()), 2).unwrap();
        let (first, second) = (noise(1, CHUNK_BYTES), noise(2, CHUNK_BYTES));
        if !is_second_lost {
            store_parts(&repository, "second", &[(&second, 0..CHUNK_BYTES)]).unwrap();
        }
        let mut parts: Vec<(&[u8], Range<usize>)> = ALL.iter().map(|range| (&first[..], range.clone())).collect();
        parts.insert(1, (&second, PART));
        let hurt = store_parts(&repository, "hurt", &parts).unwrap();
        store_parts(&repository, "sharing", &[(&first, 7..77)]).unwrap();
        let bytes = rebuilt(&repository, &hurt).unwrap();
        let chunk = |bytes: &[u8]| repository.id_key().chunk_id(bytes);
        lose(&memory, &repository, &chunk(&first));
        Self { memory, hurt, bytes }
    }

    fn open(&self, seed: u64) -> IndexedRepository {
        open(Arc::new(self.memory.another_process()), seed).unwrap()
    }

    /// Stores the same bytes, cut in another way, and heals.
    fn store_again(&self, backend: Arc<dyn Backend>, seed: u64) -> Result<Option<BackupRecord>, RepositoryError> {
        let repository = open(backend, seed)?;
        let whole = store(&repository, "again", &self.bytes)?.record;
        repository.heal(&self.hurt, &whole)
    }

    fn current(&self, seed: u64) -> BackupRecord {
        let records = self.open(seed).records().unwrap().backups;
        records.into_iter().find(|record| record.id == self.hurt.id).unwrap()
    }
}

fn lose(memory: &MemoryBackend, repository: &IndexedRepository, id: &ChunkId) {
    let place = repository.index().locate(id.as_bytes()).unwrap().unwrap();
    memory.delete(&keys::pack(&place.pack)).unwrap();
    memory.sync(&[]).unwrap();
}

#[test]
fn a_chunk_of_which_all_is_known_comes_back_for_everyone() {
    let scene = Hurt::new(false);
    assert!(rebuilt(&scene.open(3), &scene.hurt).is_err(), "else nothing is shown");
    let healed = scene.store_again(Arc::new(scene.memory.another_process()), 4).unwrap();
    assert_eq!(healed.as_ref(), Some(&scene.hurt), "its record is the old one");
    assert_backups(&scene.open(5), &["again", "hurt", "second", "sharing"], "healed");
    assert_eq!(scene.current(6), scene.hurt);
    assert_eq!(check(&scene.open(7), &CheckOptions::default(), &|_| true).unwrap().findings, []);
    let whole = scene.open(8).records().unwrap().backups.into_iter().find(|record| record.subject.name == "again");
    assert_eq!(scene.open(9).heal(&scene.hurt, &whole.unwrap()).unwrap(), None, "there is nothing left to heal");
}

/// Of the second chunk the hurt backup tells only a part: it gets the recipe of the whole one, and keeps what was said of it.
#[test]
fn a_backup_that_lost_more_gets_the_recipe_of_the_whole_one() {
    let scene = Hurt::new(true);
    scene.open(3).annotate(scene.hurt.id, Change::SetNote("kept".to_owned())).unwrap();
    let healed = scene.store_again(Arc::new(scene.memory.another_process()), 4).unwrap().unwrap();
    assert_eq!((healed.id, healed.seq, healed.stored_at), (scene.hurt.id, 1, scene.hurt.stored_at));
    assert_ne!(healed.root, scene.hurt.root);
    assert_backups(&scene.open(5), &["again", "hurt", "sharing"], "the one that shares the first chunk is healed too");
    assert_eq!(scene.current(6).note.as_deref(), Some("kept"));
    assert_eq!(check(&scene.open(7), &CheckOptions::default(), &|_| true).unwrap().findings, []);
}

#[test]
fn a_backup_whose_recipe_is_lost_gets_that_of_the_whole_one() {
    let scene = Hurt::new(false);
    let repository = scene.open(3);
    lose(&scene.memory, &repository, &ChunkId::from_bytes(*scene.hurt.root.as_bytes()));
    let healed = scene.store_again(Arc::new(scene.memory.another_process()), 4).unwrap().unwrap();
    assert_eq!(healed.seq, 1);
    let bytes = rebuilt(&scene.open(5), &scene.current(6)).unwrap();
    assert!(bytes == scene.bytes);
}

#[test]
fn whole_backups_and_other_bytes_are_left_alone() {
    let scene = Hurt::new(false);
    let repository = scene.open(3);
    let one = store(&repository, "one", &noise(9, 50_000)).unwrap().record;
    let other = store(&repository, "other", &noise(8, 50_000)).unwrap().record;
    assert_eq!(repository.heal(&one, &one).unwrap(), None);
    assert_eq!(repository.heal(&one, &other).unwrap_err().kind(), ErrorKind::RepositoryDamaged);
}

/// Forgotten while the snapshot was stored again: it stays forgotten.
#[test]
fn a_backup_that_was_forgotten_meanwhile_stays_forgotten() {
    let scene = Hurt::new(true);
    scene.open(3).forget(&scene.hurt).unwrap();
    assert_eq!(scene.store_again(Arc::new(scene.memory.another_process()), 4).unwrap(), None);
    assert_backups(&scene.open(5), &["again", "sharing"], "the others");
}

#[test]
fn a_stop_at_each_write_loses_nothing_and_the_next_try_heals() {
    for is_second_lost in [false, true] {
        let counting = Hurt::new(is_second_lost);
        let backend = Arc::new(FailingBackend::counting(counting.memory.another_process()));
        counting.store_again(backend.clone(), 4).unwrap();
        let calls = backend.matching_calls();
        assert!(calls >= 12, "{calls} calls that write");
        for (nth, power_fails) in (1..=calls).flat_map(|nth| [(nth, false), (nth, true)]) {
            let label = format!("write {nth} of {calls}, power fails: {power_fails}");
            let scene = Hurt::new(is_second_lost);
            let dying = FailingBackend::new(scene.memory.another_process(), FailurePlan::stop_at_write(nth));
            let stopped = scene.store_again(Arc::new(dying), 4);
            let stopped = stopped.map_err(|error| error.kind());
            assert!(!matches!(stopped, Err(ErrorKind::OurBug | ErrorKind::RepositoryDamaged)), "{label}: {stopped:?}");
            if power_fails {
                scene.memory.power_failure();
            }
            let repository = scene.open(5);
            let hurt = scene.current(6);
            let whole = store(&repository, "once more", &scene.bytes).unwrap().record;
            repository.heal(&hurt, &whole).unwrap();
            let bytes = rebuilt(&scene.open(7), &scene.current(8)).unwrap_or_else(|error| panic!("{label}: {error}"));
            assert!(bytes == scene.bytes, "{label}");
        }
    }
}
