//! Ingest and restore as a user meets them: a file in, a repository on disk with all its barriers, bytes out.

#![expect(
    clippy::print_stdout,
    reason = "ratios of what was measured go to stdout, where criterion puts what it measured"
)]

use std::{
    path::Path,
    path::PathBuf,
    time::{Duration, Instant},
};

use criterion::{
    BatchSize, Bencher, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use tempfile::TempDir;
use vectar::{
    BackupRecord, CancelToken, Engine, EngineOptions, IngestOptions, IngestOutcome, InitOptions, Nowhere, Silent,
    Source, ingest::RowSharing,
};
use vectar_testkit::corpus::{CorpusOptions, SeriesSnapshot, Step, points_for_bytes, write_series};

/// Length of the first snapshot, nearly.
const SNAPSHOT_BYTES: u64 = 64 << 20;

/// The usual series: the third snapshot has one percent of new points.
const GENERATIONS: u32 = 3;

/// Snapshots of the series whose rows move in each step.
const RESTLESS_GENERATIONS: u32 = 10;

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

/// The fastest of several runs.
struct Fastest(Duration);

impl Fastest {
    /// Runs `run` as often as criterion asks, after `prepare`, which is not measured.
    fn measure<T>(&mut self, bencher: &mut Bencher<'_>, mut prepare: impl FnMut() -> T, mut run: impl FnMut(&T)) {
        bencher.iter_custom(|count| {
            let mut total = Duration::ZERO;
            for _ in 0..count {
                let prepared = prepare();
                let begun = Instant::now();
                run(&prepared);
                let elapsed = begun.elapsed();
                total += elapsed;
                self.0 = self.0.min(elapsed);
            }
            total
        });
    }
}

/// Generations of a collection whose rows move: what it costs to look for them, and to restore the last, which lies in pieces of all the
/// others. Prints both ratios, which `cargo xtask acceptance generations` holds to their bounds.
fn generations(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let options = CorpusOptions { dimensions: 768, segments_per_shard: 2, ..CorpusOptions::default() };
    let options = options.repeating(&Step::restless(), RESTLESS_GENERATIONS);
    let options = CorpusOptions { points: points_for_bytes(&options, SNAPSHOT_BYTES), ..options };
    let snapshots = write_series(&options, folder.path(), |_| ()).expect("the temporary folder has room");
    let store = |scene: &Scene, path: &Path, known: &[BackupRecord], on: bool| {
        let rows = RowSharing { on, ..RowSharing::default() };
        let options = IngestOptions { collection: Some("corpus".to_owned()), rows, ..IngestOptions::default() };
        let source = Source::file(path).expect("the snapshot is there");
        let outcome = vectar::ingest(&scene.engine, source, &options, known, &Silent, &CancelToken::default());
        match outcome.expect("a generated snapshot is sound") {
            IngestOutcome::Stored(committed) => committed.record,
            other => panic!("expected a new backup, found {other:?}"),
        }
    };
    let store_all = |snapshots: &[SeriesSnapshot]| {
        let (scene, mut known) = (Scene::new(), Vec::new());
        for snapshot in snapshots {
            known.push(store(&scene, &snapshot.path, &known, true));
        }
        (scene, known)
    };
    let (last, earlier) = snapshots.split_last().expect("a series has several snapshots");
    let mut ingests = [true, false].map(|on| (on, Fastest(Duration::MAX)));
    for (on, fastest) in &mut ingests {
        let name = if *on { "last generation, rows looked for" } else { "last generation, whole chunks" };
        group(criterion, "ingest", last.bytes).bench_function(name, |bencher| {
            fastest.measure(
                bencher,
                || store_all(&earlier[earlier.len() - 2..]),
                |(scene, known)| drop(store(scene, &last.path, known, *on)),
            );
        });
    }
    let (scene, records) = store_all(&snapshots);
    let mut restores = [&records[0], &records[records.len() - 1]].map(|record| (record, Fastest(Duration::MAX)));
    for ((record, fastest), name) in restores.iter_mut().zip(["first generation", "last generation"]) {
        group(criterion, "restore", record.bytes).bench_function(name, |bencher| {
            fastest.measure(bencher, Default::default, |(): &()| {
                let rebuilt = vectar::rebuild(&scene.engine, record, &mut Nowhere, &Silent, &CancelToken::default());
                assert_eq!(rebuilt.expect("the repository is sound").bytes, record.bytes);
            });
        });
    }
    let seconds = |fastest: &Fastest| fastest.0.as_secs_f64();
    let [first, last] = restores.map(|(record, fastest)| record.bytes as f64 / seconds(&fastest));
    // Whoever has chosen some of the benches by name gets no ratio of what did not run.
    let print = |what: &str, ratio: f64| (ratio > 0.0 && ratio < 1e6).then(|| println!("{what}: {ratio:.2}"));
    print("speed of an ingest with rows, to without", seconds(&ingests[1].1) / seconds(&ingests[0].1));
    print("speed of the last restore, to the first", last / first);
}

criterion_group!(benches, ingest, restore, generations);
criterion_main!(benches);
