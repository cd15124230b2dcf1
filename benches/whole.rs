//! Ingest and restore as a user meets them: a file in, a repository on disk with all its barriers, bytes out.

use std::{path::Path, path::PathBuf, time::Duration};

use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use tempfile::TempDir;
use vectar::{
    BackupRecord, CancelToken, Engine, EngineOptions, IngestOptions, IngestOutcome, InitOptions, Nowhere, Silent,
    Source,
};
use vectar_testkit::corpus::{CorpusOptions, SeriesSnapshot, points_for_bytes, write_series};

/// Length of the first snapshot, nearly.
const SNAPSHOT_BYTES: u64 = 64 << 20;

/// The usual series: the third snapshot has one percent of new points.
const GENERATIONS: u32 = 3;

fn series(folder: &Path) -> Vec<SeriesSnapshot> {
    let options = CorpusOptions::default().with_generations(GENERATIONS);
    let options = CorpusOptions { points: points_for_bytes(&options, SNAPSHOT_BYTES), ..options };
    write_series(&options, folder, |_| ()).expect("the temporary folder has room")
}

/// A repository in a folder of its own, which goes with it.
struct Scene {
    engine: Engine,
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let (repository, _) = vectar::init(&folder.path().join("repository"), &InitOptions::default())
            .expect("the temporary folder takes a repository");
        let engine = Engine::open(&repository, &EngineOptions::default()).expect("it was just made");
        Self { engine, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Stores a file, known or not: no record of the repository is shown to the ingest.
    fn ingest(&self, path: &Path) -> BackupRecord {
        let source = Source::file(path).expect("the snapshot is there");
        let options = IngestOptions::default();
        let outcome = vectar::ingest(&self.engine, source, &options, &[], &Silent, &CancelToken::default());
        match outcome.expect("a generated snapshot is sound") {
            IngestOutcome::Stored(committed) => committed.record,
            other => panic!("expected a new backup, found {other:?}"),
        }
    }
}

fn group<'c>(criterion: &'c mut Criterion, name: &str, bytes: u64) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(bytes));
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
    group
}

fn ingest(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let snapshots = series(folder.path());
    let [base, .., later] = &snapshots[..] else { panic!("a series has several snapshots") };
    group(criterion, "ingest", base.bytes).bench_function("all new", |bencher| {
        bencher.iter_batched(Scene::new, |scene| drop(scene.ingest(&base.path)), BatchSize::PerIteration);
    });
    let with_base = || {
        let scene = Scene::new();
        scene.ingest(&base.path);
        scene
    };
    group(criterion, "ingest", base.bytes).bench_function("nothing new", |bencher| {
        bencher.iter_batched(with_base, |scene| drop(scene.ingest(&base.path)), BatchSize::PerIteration);
    });
    group(criterion, "ingest", later.bytes).bench_function("one percent new", |bencher| {
        bencher.iter_batched(with_base, |scene| drop(scene.ingest(&later.path)), BatchSize::PerIteration);
    });
}

fn restore(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let snapshots = series(folder.path());
    let scene = Scene::new();
    let record = scene.ingest(&snapshots[0].path);
    let cancel = CancelToken::default();
    let mut group = group(criterion, "restore", record.bytes);
    group.bench_function("to nowhere", |bencher| {
        bencher.iter(|| {
            let rebuilt = vectar::rebuild(&scene.engine, &record, &mut Nowhere, &Silent, &cancel);
            assert_eq!(rebuilt.expect("the repository is sound").bytes, record.bytes);
        });
    });
    let options = vectar::RestoreOptions { force: true, ..vectar::RestoreOptions::default() };
    let target = scene.path("restored.snapshot");
    group.bench_function("to a file", |bencher| {
        bencher.iter(|| {
            vectar::restore_to_file(&scene.engine, &record, &target, &options, &Silent, &cancel)
                .expect("the repository is sound")
        });
    });
}

criterion_group!(benches, ingest, restore);
criterion_main!(benches);
