//! Rows are shared with backups that go, are hurt or are not what they seem: it costs space, never bytes.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::SignedDuration;
use vectar::{
    BackupRecord, CancelToken, Engine, EngineOptions, Error, ErrorKind, IngestOptions, IngestOutcome, InitOptions,
    Repository, Silent, Source, SystemEnvironment,
    check::{CheckOptions, Depth, Level, check},
    ingest,
};
use vectar_backend::{Backend, BackendExt, KeyPrefix, ObjectKey};
use vectar_repository::prune::{MaxUnused, PruneOptions, plan};
use vectar_testkit::{
    TarParts,
    backend::{HookedBackend, MemoryBackend, Operation},
    fixtures::series,
};

use crate::{
    random::Random,
    scene::{Scene, rebuilt_by, sha256, stream},
};

/// Everything is condemned, and removed, at once.
const EAGER: PruneOptions =
    PruneOptions { max_unused: MaxUnused::Percent(0.0), max_repack_bytes: None, grace: SignedDuration::ZERO };

/// What happens to the predecessors behind the ingest's back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Forgotten,
    /// Forgotten, and everything that only they needed is marked.
    Condemned,
    /// Forgotten, marked and removed.
    Pruned,
    /// Each second pack is gone.
    Missing,
    /// A byte in the middle of each pack is another.
    Damaged,
}

fn engine(backend: Arc<dyn Backend>) -> Result<Engine, Error> {
    let repository = Repository::open(backend, Arc::new(SystemEnvironment))?;
    Engine::open(&repository, &EngineOptions { threads: 1, index_directory: None, ..EngineOptions::default() })
}

fn store(engine: &Engine, source: Source) -> Result<IngestOutcome, Error> {
    let known = engine.repository().records()?.backups;
    ingest(engine, source, &IngestOptions::default(), &known, &Silent, &CancelToken::default())
}

/// The two predecessors of the vacuumed snapshot.
fn with_predecessors() -> MemoryBackend {
    let memory = MemoryBackend::new();
    let options = InitOptions { pack_bytes: 64 * 1024, reserve: false, ..InitOptions::default() };
    Repository::init(Arc::new(memory.another_process()), Arc::new(SystemEnvironment), &options).unwrap();
    let engine = engine(Arc::new(memory.another_process())).unwrap();
    for snapshot in &series("notes")[1..3] {
        store(&engine, Source::file(&snapshot.path).unwrap()).unwrap();
    }
    memory
}

impl Deed {
    fn is_done_to(self, memory: &MemoryBackend) {
        match self {
            Self::Forgotten | Self::Condemned | Self::Pruned => {
                let engine = engine(Arc::new(memory.another_process())).unwrap();
                let records = engine.repository().records().unwrap().backups;
                for record in records.iter().filter(|record| !record.subject.name.starts_with("03")) {
                    engine.repository().forget(record).unwrap();
                }
                let prunes = [Self::Forgotten, Self::Condemned, Self::Pruned].iter().position(|deed| *deed == self);
                for _ in 0..prunes.unwrap() {
                    plan(engine.repository(), &EAGER).unwrap().apply(engine.repository(), &|_| true).unwrap();
                }
            }
            Self::Missing => packs(memory).iter().step_by(2).for_each(|key| memory.delete(key).unwrap()),
            Self::Damaged => packs(memory).iter().for_each(|key| {
                let mut bytes = memory.get(key, u64::MAX).unwrap().to_vec();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0x10;
                memory.put(key, &[bytes.into()]).unwrap();
            }),
        }
    }

    /// Whether nobody but vectar itself did it, so that a backup that is published must be whole.
    fn is_ordinary(self) -> bool {
        matches!(self, Self::Forgotten | Self::Condemned | Self::Pruned)
    }
}

fn packs(memory: &MemoryBackend) -> Vec<ObjectKey> {
    memory.list_all(&KeyPrefix::parse("packs").unwrap()).map(|object| object.unwrap().key).collect()
}

/// Stores the vacuumed snapshot and does the deed before the `nth` call that goes to the storage. Returns the calls there were, and what
/// came of it.
fn store_while(memory: &MemoryBackend, nth: u64, deed: Deed) -> (u64, Result<IngestOutcome, Error>) {
    let (calls, behind) = (Arc::new(AtomicU64::new(0)), memory.another_process());
    let counted = calls.clone();
    let hook = move |_: Operation, _: &str| {
        if counted.fetch_add(1, Ordering::SeqCst) + 1 == nth {
            deed.is_done_to(&behind);
        }
        Ok(())
    };
    let engine = engine(Arc::new(HookedBackend::new(Arc::new(memory.another_process()), hook)));
    let outcome = engine.and_then(|engine| store(&engine, Source::file(&series("notes")[3].path).unwrap()));
    (calls.load(Ordering::SeqCst), outcome)
}

/// At a score of moments from the first look at the records to the commit.
#[test]
fn predecessors_go_while_the_ingest_runs() {
    let sound = with_predecessors();
    let (calls, outcome) = store_while(&sound.fork(), u64::MAX, Deed::Forgotten);
    outcome.unwrap();
    assert!(calls > 30, "{calls} calls");
    let expected = &series("notes")[3].sha256;
    for deed in [Deed::Forgotten, Deed::Condemned, Deed::Pruned, Deed::Missing, Deed::Damaged] {
        let (mut stored, mut refused) = (0, 0);
        for nth in (1..=calls).step_by((calls / 20) as usize) {
            let label = format!("{deed:?} at call {nth} of {calls}");
            let memory = sound.fork();
            let outcome = store_while(&memory, nth, deed).1;
            let after = engine(Arc::new(memory.another_process())).unwrap();
            let records = after.repository().records().unwrap().backups;
            match outcome {
                Ok(IngestOutcome::Stored(committed)) => {
                    stored += 1;
                    let record = records.iter().find(|record| record.id == committed.record.id).unwrap();
                    assert_bytes(&after, record, expected, deed.is_ordinary(), &label);
                }
                Ok(outcome) => panic!("{label}: {outcome:?}"),
                Err(error) => {
                    refused += 1;
                    let is_said = match deed {
                        // Without any grace nobody can promise more than to say so.
                        Deed::Pruned => error.kind() == ErrorKind::Retry,
                        Deed::Missing | Deed::Damaged => error.kind() != ErrorKind::OurBug,
                        Deed::Forgotten | Deed::Condemned => false,
                    };
                    assert!(is_said, "{label}: {error:?}");
                }
            }
            if deed.is_ordinary() {
                let options = CheckOptions { depth: Depth::Data, ..CheckOptions::default() };
                let report = check(after.repository(), &options, &|_| true).unwrap();
                assert!(report.findings.iter().all(|finding| finding.level != Level::Damage), "{label}: {report:?}");
            }
        }
        println!("{deed:?}: {stored} stored, {refused} refused");
        assert!(stored > 0, "{deed:?} always stops the ingest");
    }
}

/// The backup comes back as its snapshot, or, where it may not, an error says so. Other bytes are never served.
fn assert_bytes(engine: &Engine, record: &BackupRecord, expected: &str, must: bool, label: &str) {
    match rebuilt_by(engine, record) {
        Ok((_, bytes)) => assert_eq!(sha256(&bytes), expected, "{label}"),
        Err(error) => assert!(!must && error.kind() == ErrorKind::RepositoryDamaged, "{label}: {error:?}"),
    }
}

/// Labels and row sizes that are wrong: what the small files say is changed at random, and bodies stand under each other's names, in the
/// snapshot, in its predecessor, or in both.
#[test]
fn labels_lie() {
    let [before, after] = [0, 3].map(|step| fs::read(&series("notes")[step].path).unwrap());
    for seed in 0..24 {
        let mut random = Random::new(seed);
        let scene = Scene::new();
        let lie = |bytes: &[u8], random: &mut Random, really: bool| match really {
            true => lying(bytes, random),
            false => bytes.to_vec(),
        };
        let before = lie(&before, &mut random, seed % 3 != 0);
        let after = lie(&after, &mut random, seed % 3 != 1);
        let options = IngestOptions { collection: Some("notes".to_owned()), ..IngestOptions::default() };
        for (name, bytes) in [("before.snapshot", before), ("after.snapshot", after)] {
            let path = scene.write(name, &bytes);
            let committed = scene.ingest_with(Source::file(&path).unwrap(), &options);
            scene.assert_comes_back(&committed.record, &bytes);
            let committed = scene.ingest_with(stream(&format!("stream-{name}"), bytes.clone()), &options);
            scene.assert_comes_back(&committed.record, &bytes);
        }
    }
}

/// The snapshot with wrong numbers in its JSON files and with bodies under wrong names.
fn lying(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut parts = TarParts::of(bytes);
    let paths: Vec<String> = parts.paths().into_iter().filter(|path| !path.ends_with(".tar")).collect();
    for path in paths.iter().filter(|path| path.ends_with(".json")) {
        parts.edit(path, |content| {
            for digit in content.iter_mut().filter(|byte| byte.is_ascii_digit()) {
                if random.below(3) == 0 {
                    *digit = b'0' + random.below(10) as u8;
                }
            }
        });
    }
    for _ in 0..8 {
        let [one, other] = [0; 2].map(|_| &paths[random.below(paths.len() as u64) as usize]);
        if one != other {
            parts.swap(one, other);
        }
    }
    parts.bytes()
}
