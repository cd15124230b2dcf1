//! What it costs to keep and to restore many generations of a collection whose rows move in each of them, by the bytes that are read.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use vectar::{
    BackupRecord, CancelToken, Engine, EngineOptions, IngestOptions, IngestOutcome, Repository, Silent, Source, ingest,
    ingest::RowSharing,
};
use vectar_backend::LocalBackend;
use vectar_repository::{ChunkReader, SystemEnvironment, format::pack::RecordKind};
use vectar_testkit::{
    backend::{Operation, RecordingBackend},
    corpus::{CorpusOptions, Step, write_series},
};

use crate::scene::{Scene, rebuilt_by, sha256};

/// Memory for rows, decoded chunks included: far less than the rows of a snapshot take.
const ROWS_BYTES: usize = 1 << 20;

/// The snapshots of a series, and what they must come back as.
fn series(scene: &Scene, points: u64, steps: Vec<Step>) -> Vec<(PathBuf, String)> {
    let options = CorpusOptions { points, dimensions: 256, steps, ..CorpusOptions::default() };
    let written = write_series(&options, &scene.file("series"), |_| ()).unwrap();
    written.into_iter().map(|snapshot| (snapshot.path, snapshot.sha256)).collect()
}

fn restless(generations: usize) -> Vec<Step> {
    Step::restless().into_iter().cycle().take(generations - 1).collect()
}

/// An engine that has nothing in its cache, and a count of what it reads of packs.
fn counted(scene: &Scene) -> (Engine, Arc<RecordingBackend<LocalBackend>>) {
    let backend = Arc::new(RecordingBackend::new(LocalBackend::open(scene.root()).unwrap()));
    let repository = Repository::open(backend.clone(), Arc::new(SystemEnvironment)).unwrap();
    let engine =
        Engine::open(&repository, &EngineOptions { threads: 2, index_directory: None, ..EngineOptions::default() })
            .unwrap();
    backend.take_calls();
    (engine, backend)
}

/// Stores a snapshot; returns its record, what was stored for it and what was read of packs.
fn store(scene: &Scene, path: &Path) -> (BackupRecord, u64, u64) {
    let (engine, backend) = counted(scene);
    let rows = RowSharing { budget_bytes: Some(ROWS_BYTES), ..RowSharing::default() };
    let options = IngestOptions { collection: Some("corpus".to_owned()), rows, ..IngestOptions::default() };
    let (known, source) = (scene.records(), Source::file(path).unwrap());
    let outcome = ingest(&engine, source, &options, &known, &Silent, &CancelToken::default()).unwrap();
    let IngestOutcome::Stored(committed) = outcome else { panic!("{outcome:?}") };
    (committed.record, committed.new_bytes, backend.amount(Operation::GetRange))
}

/// Stores the whole series; no ingest may read much more than what is stored: rows, which are
/// about half of it, once to fingerprint them and once to compare them.
fn store_all(scene: &Scene, snapshots: &[(PathBuf, String)]) -> Vec<BackupRecord> {
    let stored = snapshots.iter().map(|(path, _)| {
        let before = scene.stored_bytes();
        let (record, new_bytes, read) = store(scene, path);
        println!("{}: {new_bytes} bytes are new, {read} were read of {before}", record.subject.name);
        // Not all that is stored is rows, and what lies between chunks that are needed is read with them.
        assert!(read <= before * 12 / 10, "{read} bytes were read of {before}");
        record
    });
    stored.collect()
}

#[test]
fn each_ingest_reads_its_predecessors_twice_and_a_late_restore_no_chunk_twice() {
    let scene = Scene::new();
    let snapshots = series(&scene, 12_000, restless(7));
    let records = store_all(&scene, &snapshots);
    let stored = scene.stored_bytes();
    let whole: u64 = snapshots.iter().map(|(path, _)| path.metadata().unwrap().len()).sum();
    assert!(stored * 2 < whole, "{stored} bytes are stored of {whole}: rows were found");
    let mut of_first = None;
    for (record, (_, digest)) in records.iter().zip(&snapshots) {
        let (engine, backend) = counted(&scene);
        assert_eq!(sha256(&rebuilt_by(&engine, record).unwrap().1), *digest);
        let read = backend.amount(Operation::GetRange);
        println!("{}: {read} bytes were read of {stored}", record.subject.name);
        let of_first = *of_first.get_or_insert(read);
        // Rows of all earlier generations lie among some that are dead.
        assert!(read <= of_first * 13 / 10, "{read} bytes were read, {of_first} for the first");
    }
}

/// Rows that live on from generation to generation are stored anew, side by side, before they lie in too many chunks.
#[test]
fn what_a_late_restore_reads_and_does_not_need_is_bounded() {
    let scene = Scene::new();
    let snapshots = series(&scene, 4000, restless(20));
    let records: Vec<BackupRecord> = snapshots.iter().map(|(path, _)| store(&scene, path).0).collect();
    let whole: u64 = snapshots.iter().map(|(path, _)| path.metadata().unwrap().len()).sum();
    assert!(scene.stored_bytes() * 5 < whole * 2, "{} bytes are stored of {whole}", scene.stored_bytes());
    let last = records.last().unwrap();
    assert_eq!(sha256(&rebuilt_by(&scene.engine, last).unwrap().1), snapshots[19].1);
    let behind = decoded_bytes_behind(&scene, last);
    // Were rows shared with every chunk however empty, it would be 1.25 times as much.
    println!("{} bytes are stored of {whole}; {behind} are decoded for {}", scene.stored_bytes(), last.bytes);
    assert!(behind * 10 <= last.bytes * 12, "{behind} bytes are decoded for {}", last.bytes);
}

/// Bytes of all chunks of which a backup needs a part.
fn decoded_bytes_behind(scene: &Scene, record: &BackupRecord) -> u64 {
    let (engine, _) = counted(scene);
    let index = engine.repository().index();
    let ids = ChunkReader::new(engine.repository(), 1 << 20).ids_behind(&record.root).unwrap();
    let located = ids.iter().map(|id| index.locate(id).unwrap().unwrap());
    located.filter(|location| location.kind == RecordKind::Chunk).map(|location| u64::from(location.raw_len)).sum()
}

/// Rows in the order of writing become rows in the order of ids: those of each source chunk go everywhere.
#[test]
fn a_permutation_reads_its_predecessor_twice() {
    let scene = Scene::new();
    let indexed = Step { name: "indexed".to_owned(), rebuild: true, ..Step::unchanged() };
    let snapshots = series(&scene, 2000, vec![Step::growth(), Step::growth(), Step::growth(), indexed]);
    let records = store_all(&scene, &snapshots[3..]);
    assert_eq!(records.len(), 2);
    for (record, (_, digest)) in records.iter().zip(&snapshots[3..]) {
        assert_eq!(sha256(&scene.rebuilt(record)), *digest);
    }
}
