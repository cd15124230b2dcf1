//! Qdrant's own engine as the second opinion: shards that it wrote are read as it reads them, and it loads what was restored.

use std::collections::BTreeSet;

use serde_json::Value;
use vectar::{
    CancelToken, Content, Inside, RestoreOptions, Silent, outline_deep,
    points::{PointQuery, scroll},
    restore_to_file,
};
use vectar_testkit::edge::{EdgeSnapshot, ShardOptions, VERSIONS, Wanted, load, shards, write_shard};

use crate::said::{
    Compared, Verdict, compare_counts, compare_ids, compare_point, compare_point_without_vectors, found_above_note,
    same, scrolled,
};
use crate::scene::Scene;

/// Kinds with vectors in a datatype that cannot be read: all else is.
const UNREADABLE_KINDS: [&str; 2] = ["turbo4", "turbowide"];

/// Compares every point of a shard with what the engine that wrote it answered.
fn compare(content: &Content<'_>, snapshot: &EdgeSnapshot) -> Verdict<Compared> {
    let is_readable = !UNREADABLE_KINDS.contains(&snapshot.kind.as_str());
    let inside = Inside::open(content).unwrap();
    let outline = outline_deep(content).unwrap().0;
    same("vectors are unread", outline.unread.iter().all(|unread| unread.path.contains("/vector_storage-")), true)?;
    same("all can be read", outline.unread.is_empty(), is_readable)?;
    if !is_readable {
        same("vectors are refused", refuses_vectors(&inside), true)?;
    }
    let mut compared = compare_counts(&inside, &outline, &snapshot.truth)?;
    let found = scrolled(&inside, &PointQuery { with_vectors: is_readable, ..PointQuery::default() });
    let ids: Vec<_> = found.iter().map(|point| point.id).collect();
    compared += compare_ids(&ids, &snapshot.truth)?;
    let said = snapshot.points();
    same("points", found.len(), said.len())?;
    for (found, said) in found.iter().zip(&said) {
        let point = if is_readable { compare_point(found, said)? } else { compare_point_without_vectors(found, said)? };
        compared += Compared { ids: 0, ..point };
    }
    compare_findings(content, snapshot)?;
    Ok(compared)
}

fn refuses_vectors(inside: &Inside<'_, '_>) -> bool {
    let query = PointQuery { with_vectors: true, ..PointQuery::default() };
    scroll(inside, &query, &CancelToken::default(), |_| Ok(())).is_err()
}

fn compare_findings(content: &Content<'_>, snapshot: &EdgeSnapshot) -> Verdict<()> {
    // Only the engine alone keeps shards without a WAL; a server refuses them, and that is said.
    let expected: &[&str] = if snapshot.kind == "placed" { &["wal/ is missing"] } else { &[] };
    let found = found_above_note(content);
    let short: Vec<String> = found.iter().map(|finding| format!("{} {}", finding.object, finding.what)).collect();
    same("findings", short.iter().map(String::as_str).collect::<Vec<_>>(), expected.to_vec())
}

/// Every kind at every stage, as the engine of this version wrote it.
fn reads_as_the_engine(version: &str) {
    let Some(snapshots) = shards(version) else { return };
    assert!(snapshots.len() >= 18, "{} stages", snapshots.len());
    let mut all = Compared::default();
    for snapshot in &snapshots {
        let compared = compare(&Content::file(&snapshot.path).unwrap(), snapshot);
        all += compared.unwrap_or_else(|why| panic!("{}: {why}", snapshot.name()));
    }
    let kinds: BTreeSet<&str> = snapshots.iter().map(|snapshot| snapshot.kind.as_str()).collect();
    println!("{} kinds of shards of {version}: {all}", kinds.len());
}

#[test]
fn shards_of_0_5_are_read_as_the_engine_reads_them() {
    reads_as_the_engine(VERSIONS[0]);
}

#[test]
fn shards_of_0_6_are_read_as_the_engine_reads_them() {
    reads_as_the_engine(VERSIONS[1]);
}

#[test]
fn shards_of_0_7_are_read_as_the_engine_reads_them() {
    reads_as_the_engine(VERSIONS[2]);
}

#[test]
fn shards_of_0_8_are_read_as_the_engine_reads_them() {
    reads_as_the_engine(VERSIONS[3]);
}

#[test]
fn shards_of_0_9_are_read_as_the_engine_reads_them() {
    reads_as_the_engine(VERSIONS[4]);
}

/// The comparison must be able to fail: what an engine said about another stage is contradicted.
#[test]
fn a_wrong_opinion_is_contradicted() {
    let Some(stages) = write_shard(VERSIONS[1], &ShardOptions::of("multi")) else { return };
    let [_, before, after, _] = stages.as_slice() else { panic!("{} stages", stages.len()) };
    let content = Content::file(&after.path).unwrap();
    assert!(compare(&content, after).is_ok());
    let contradicted = |wrong: &EdgeSnapshot| compare(&content, wrong).unwrap_err();
    let counts = EdgeSnapshot { truth: before.truth.clone(), ..after.clone() };
    assert!(contradicted(&counts).starts_with("count: "));
    let mut ids = after.clone();
    ids.truth["ids_sha256"] = before.truth["ids_sha256"].clone();
    assert!(contradicted(&ids).starts_with("digest of the ids: "));
    let points = EdgeSnapshot { points_path: before.points_path.clone(), ..after.clone() };
    assert!(contradicted(&points).starts_with("points: "));
    let findings = EdgeSnapshot { kind: "placed".to_owned(), ..after.clone() };
    assert!(contradicted(&findings).starts_with("findings: "));
}

/// Plain, named, multi, sparse and quantized vectors.
const LOADED_KINDS: [&str; 5] = ["bare", "named", "multinamed", "sparse", "quantized"];

/// The last stage of a shard of each kind is stored, restored, and loaded by the engine that wrote it.
fn loads_what_was_restored(version: &str) {
    let scene = Scene::new();
    let mut loaded_points = 0;
    for kind in LOADED_KINDS {
        let Some(stages) = write_shard(version, &ShardOptions::of(kind)) else { return };
        let last = stages.last().unwrap_or_else(|| panic!("{version} makes no {kind}"));
        let record = scene.ingest(&last.path).record;
        let target = scene.file(&format!("{kind}.snapshot"));
        let options = RestoreOptions::default();
        restore_to_file(&scene.engine, &record, &target, &options, &Silent, &CancelToken::default()).unwrap();
        let Some(loaded) = load(version, &target, Wanted::All) else { return };
        let loaded = loaded.unwrap_or_else(|why| panic!("{}: {why}", last.name()));
        assert_eq!(loaded.count, last.count(), "{}", last.name());
        assert_eq!(Value::from(loaded.ids_sha256), last.truth["ids_sha256"], "{}", last.name());
        assert_eq!(loaded.points, last.points(), "{}", last.name());
        let content = Content::backup(&scene.engine, &record);
        compare(&content, last).unwrap_or_else(|why| panic!("backup of {}: {why}", last.name()));
        loaded_points += loaded.count;
    }
    println!("{version} loaded {} restored shards with {loaded_points} points", LOADED_KINDS.len());
}

#[test]
fn engines_load_what_was_restored() {
    for version in VERSIONS {
        loads_what_was_restored(version);
    }
}
