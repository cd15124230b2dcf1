//! Floats of vectors and logs are stored near their entropy, in real snapshots and in generated ones, and come back.
//!
//! The entropy of the bytes of `articles` in planes is 0.833 of their length; what is measured here has the heads of records (52 bytes for each
//! chunk) on top.

use std::collections::BTreeMap;

use vectar::{ClassSpace, IngestOptions, InitOptions, ingest::Compression};
use vectar_testkit::{
    corpus::{CorpusOptions, VectorContent, write_snapshot},
    fixtures::{series, shared_series},
};

use crate::scene::Scene;

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

/// A repository that was made without the feature holds what its readers know, and nothing else changes.
#[test]
fn without_the_feature_rows_are_stored_as_before() {
    let snapshot = read(&series("notes")[0].path);
    let folder = tempfile::tempdir().unwrap();
    let options = InitOptions { planes: false, ..InitOptions::default() };
    let (repository, _) = vectar::init(&folder.path().join("old"), &options).unwrap();
    let engine = vectar::Engine::open(&repository, &vectar::EngineOptions::default()).unwrap();
    let source = crate::scene::stream("a.snapshot", snapshot.clone());
    let (silent, cancel) = (vectar::Silent, vectar::CancelToken::default());
    let outcome = vectar::ingest(&engine, source, &IngestOptions::default(), &[], &silent, &cancel).unwrap();
    let record = crate::scene::stored(outcome).record;
    assert!(crate::scene::rebuilt_by(&engine, &record).unwrap().1 == snapshot);
    let (old, new) =
        (&record.space.classes["dense-rows"], &stored_as(&snapshot, &IngestOptions::default())["dense-rows"]);
    assert!(ratio(old) > 0.90 && ratio(new) < 0.85, "{old:?} {new:?}");
    // What was stored there goes over to a repository that may hold planes, and back.
    let mut known = vec![record];
    for planes in [true, false] {
        let to = InitOptions { planes, ..InitOptions::like(&repository) };
        let (to, _) = vectar::init(&folder.path().join(planes.to_string()), &to).unwrap();
        let to = vectar::Engine::open(&to, &vectar::EngineOptions::default()).unwrap();
        let copied = vectar::copy(&engine, &known[0], &to, &[], &silent, &cancel).unwrap();
        let vectar::CopyOutcome::Copied(copied) = copied else { panic!("it is not there yet") };
        assert!(crate::scene::rebuilt_by(&to, &copied.record).unwrap().1 == snapshot);
        known.push(copied.record);
    }
}
