//! Floats of vectors and logs are stored near their entropy, in real snapshots and in generated ones, and come back.
//!
//! The entropy of the bytes of `articles` in planes is 0.833 of their length; what is measured here has the heads of records (52 bytes for each
//! chunk) on top.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use vectar::{
    BackupRecord, CancelToken, ClassSpace, CopyOutcome, Engine, EngineOptions, IngestOptions, InitOptions, Silent,
    ingest, ingest::Compression,
};
use vectar_chunk::{CodecId, Decoder};
use vectar_repository::format::pack::{PackFooter, RecordHead, RecordKind};
use vectar_testkit::{
    corpus::{CorpusOptions, VectorContent, write_snapshot},
    fixtures::{series, shared_series},
};

use crate::scene::{Scene, rebuilt_by, stored, stream};

/// Stores one snapshot in an empty repository, proves it, and returns the figures of each class.
fn stored_as(snapshot: &[u8], options: &IngestOptions) -> BTreeMap<String, ClassSpace> {
    let scene = Scene::new();
    let committed = scene.ingest_stream("a.snapshot", snapshot.to_vec(), options);
    scene.assert_comes_back(&committed.record, snapshot);
    committed.record.space.classes
}

fn ratio(space: &ClassSpace) -> f64 {
    space.stored_bytes as f64 / space.new_bytes as f64
}

fn generated(vectors: VectorContent) -> Vec<u8> {
    let mut snapshot = Vec::new();
    let options = CorpusOptions { points: 2000, vectors, ..CorpusOptions::default() };
    write_snapshot(&options, 0, &mut snapshot).unwrap();
    snapshot
}

#[expect(clippy::disallowed_methods, reason = "tests read their inputs")]
fn read(path: &std::path::Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[test]
fn real_embeddings_are_stored_near_their_entropy() {
    for (name, rows_max, log_max) in [("articles", 0.845, 0.62), ("uuid", 0.845, 0.61), ("mixed", 0.842, 0.62)] {
        let Some(snapshots) = shared_series(name) else { return };
        let classes = stored_as(&read(&snapshots[0].path), &IngestOptions::default());
        let (rows, log) = (&classes["dense-rows"], &classes["logs"]);
        println!("{name}: rows {:.4}, log {:.4}", ratio(rows), ratio(log));
        assert!(rows.new_bytes > 2_000_000 && ratio(rows) <= rows_max, "{name}: {rows:?}");
        assert!(log.new_bytes > 3_000_000 && ratio(log) <= log_max, "{name}: {log:?}");
    }
}

#[test]
fn generated_embeddings_are_stored_near_their_entropy() {
    let classes = stored_as(&generated(VectorContent::Gaussian), &IngestOptions::default());
    let (rows, log) = (&classes["dense-rows"], &classes["logs"]);
    println!("rows {:.4}, log {:.4}", ratio(rows), ratio(log));
    assert!(rows.new_bytes > 3_000_000 && ratio(rows) <= 0.85, "{rows:?}");
    assert!(log.new_bytes > 3_000_000 && ratio(log) <= 0.70, "{log:?}");
    // Singles that hold halves have empty bits at the end of the mantissa.
    let rows = &stored_as(&generated(VectorContent::HalfPrecision), &IngestOptions::default())["dense-rows"];
    assert!(ratio(rows) <= 0.47, "{rows:?}");
}

/// The setting changes what payloads, logs and indexes take, in this order, and rows of floats not at all.
#[test]
fn each_compression_is_smaller_than_the_one_before() {
    let snapshot = read(&series("notes")[0].path);
    let mut before: Option<Vec<u64>> = None;
    for compression in [Compression::Fast, Compression::Default, Compression::Max] {
        let classes = stored_as(&snapshot, &IngestOptions { compression, ..IngestOptions::default() });
        let found = ["block-pages", "logs", "dense-rows"].map(|class| classes[class].stored_bytes).to_vec();
        println!("{compression:?}: {found:?}");
        if let Some(before) = before.replace(found.clone()) {
            assert!(found[0] < before[0] && found[1] < before[1], "{compression:?}: {found:?} after {before:?}");
            assert_eq!(found[2], before[2]);
        }
    }
}

/// A repository that was made without the features holds what its readers know, whatever is stored in it or copied to it.
#[test]
fn without_the_features_everything_is_stored_as_before() {
    let notes = series("notes");
    let (first, second) = (read(&notes[0].path), read(&notes[1].path));
    let folder = tempfile::tempdir().unwrap();
    let without = InitOptions { required_features: Vec::new(), ..InitOptions::default() };
    let older = engine(folder.path(), "older", &without);
    let record = store(&older, &first);
    let (rows_before, rows) =
        (&record.space.classes["dense-rows"], &stored_as(&first, &IngestOptions::default())["dense-rows"]);
    assert!(ratio(rows_before) > 0.90 && ratio(rows) < 0.85, "{rows_before:?} {rows:?}");
    assert_eq!(node_versions(&folder.path().join("older")), BTreeSet::from([1]));
    // All three have the same key, so that as much as can be goes over as it is stored.
    let same_key = InitOptions { id_key: Some(older.repository().config().id_key.clone()), ..InitOptions::default() };
    let newer = engine(folder.path(), "newer", &same_key);
    copy_over(&older, &record, &newer, &first);
    let record = store(&newer, &second);
    assert_eq!(
        node_versions(&folder.path().join("newer")),
        BTreeSet::from([1, 3]),
        "copied as they are, and written anew"
    );
    let other = engine(folder.path(), "other", &InitOptions { required_features: Vec::new(), ..same_key });
    copy_over(&newer, &record, &other, &second);
    assert_eq!(node_versions(&folder.path().join("other")), BTreeSet::from([1]));
}

fn engine(folder: &Path, name: &str, options: &InitOptions) -> Engine {
    let (repository, _) = vectar::init(&folder.join(name), options).unwrap();
    Engine::open(&repository, &EngineOptions::default()).unwrap()
}

/// Stores a snapshot and compares it.
fn store(engine: &Engine, snapshot: &[u8]) -> BackupRecord {
    let source = stream("a.snapshot", snapshot.to_vec());
    let outcome = ingest(engine, source, &IngestOptions::default(), &[], &Silent, &CancelToken::default()).unwrap();
    let record = stored(outcome).record;
    assert!(rebuilt_by(engine, &record).unwrap().1 == snapshot);
    record
}

/// Copies a backup and compares the copy.
fn copy_over(from: &Engine, record: &BackupRecord, to: &Engine, snapshot: &[u8]) {
    let copied = vectar::copy(from, record, to, &[], &Silent, &CancelToken::default()).unwrap();
    let CopyOutcome::Copied(copied) = copied else { panic!("it is not there yet") };
    assert!(rebuilt_by(to, &copied.record).unwrap().1 == snapshot);
}

/// The versions of all recipe nodes of a repository.
fn node_versions(root: &Path) -> BTreeSet<u8> {
    let folders = fs::read_dir(root.join("packs")).unwrap().map(|folder| folder.unwrap().path());
    let packs =
        folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|pack| fs::read(pack.unwrap().path()).unwrap()));
    let mut decoder = Decoder::new().unwrap();
    let mut versions = BTreeSet::new();
    for pack in packs {
        let footer = PackFooter::decode(&pack, pack.len() as u64).unwrap();
        for entry in footer.entries.iter().filter(|entry| entry.head.kind == RecordKind::Node) {
            let (head, stored) = RecordHead::decode(&pack[entry.offset as usize..]).unwrap();
            versions.insert(decoder.decode(CodecId::new(head.codec), stored, head.raw_len as usize).unwrap()[0]);
        }
    }
    versions
}
