//! Points of real snapshots are what the server that made them said: counts, ids, payloads and vectors, from files and from backups.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use vectar::{
    CancelToken, Content, Inside, PointId, SnapshotKind, outline_deep,
    points::{PointQuery, count},
};
use vectar_qdrant::ShardOutline;
use vectar_testkit::fixtures::{FixtureSnapshot, series, shared_series, truth};

use crate::said::{
    Compared, Verdict, compare_counts, compare_ids, compare_point, counted, found_above_note, id_of, ids, same,
    scrolled,
};
use crate::scene::{Scene, fixture};

/// What the server said about one snapshot of a numbered series.
fn step(snapshot: &FixtureSnapshot) -> Value {
    let steps = truth(snapshot);
    let found = steps.as_array().unwrap().iter().find(|step| step["tag"] == snapshot.name.as_str());
    found.unwrap_or_else(|| panic!("truth.json does not speak of {}", snapshot.name)).clone()
}

/// What the server said last about a series.
fn last_step(series: &[FixtureSnapshot]) -> Value {
    step(series.last().unwrap())
}

/// Compares the snapshot of one collection with what the server said of it.
fn compare(content: &Content<'_>, said: &Value) -> Verdict<Compared> {
    let inside = Inside::open(content).unwrap();
    let outline = outline_deep(content).unwrap().0;
    same("unread files", outline.unread.as_slice(), &[])?;
    let mut compared = compare_counts(&inside, &outline, said)?;
    compared += compare_ids(&ids(&inside, &PointQuery::default()), said)?;
    compared += compare_sample(&inside, None, said)?;
    // A snapshot of a shard does not say which one it is.
    if outline.kind == SnapshotKind::Collection {
        compare_shards(&inside, &outline.collections[0].shards, said)?;
    }
    Ok(compared)
}

fn compare_shards(inside: &Inside<'_, '_>, shards: &[ShardOutline], said: &Value) -> Verdict<()> {
    let live: BTreeMap<_, _> = shards.iter().map(|shard| (shard.id.unwrap().into(), shard.points_live)).collect();
    let number = |shard: &Value, name| shard[name].as_u64().unwrap();
    let expected = said["shards"].as_array().unwrap().iter();
    let expected: BTreeMap<_, _> = expected.map(|shard| (number(shard, "id"), Some(number(shard, "points")))).collect();
    same("points_live of shards", &live, &expected)?;
    for (id, points) in expected {
        let query = PointQuery { shard: Some(u32::try_from(id).unwrap()), ..PointQuery::default() };
        same(format_args!("count of shard {id}"), Some(counted(inside, &query)), points)?;
    }
    for shard in shards {
        // Segments may hold older rows of a point that another one has.
        let of_segments: Option<u64> = shard.segments.iter().map(|segment| segment.points_live).sum();
        same("segments have at least the points of the shard", of_segments >= shard.points_live, true)?;
    }
    Ok(())
}

fn compare_sample(inside: &Inside<'_, '_>, collection: Option<&str>, said: &Value) -> Verdict<Compared> {
    let sample = said["sample"].as_array().unwrap();
    let ids = sample.iter().map(|point| id_of(&point["id"])).collect();
    let collection = collection.map(str::to_owned);
    let query = PointQuery { ids: Some(ids), with_vectors: true, collection, ..PointQuery::default() };
    let found = scrolled(inside, &query);
    same("points of the sample", found.len(), sample.len())?;
    let mut compared = Compared::default();
    for (found, said) in found.iter().zip(sample) {
        compared += Compared { ids: 0, ..compare_point(found, said)? };
    }
    Ok(compared)
}

/// Compares the files of a series with what the server said.
fn assert_files(found: &[FixtureSnapshot]) {
    let mut all = Compared::default();
    for snapshot in found {
        let compared = compare(&Content::file(&snapshot.path).unwrap(), &step(snapshot));
        all += compared.unwrap_or_else(|why| panic!("{}/{}: {why}", snapshot.series, snapshot.name));
    }
    println!("files of {}: {all}", found[0].series);
}

/// The same with backups of them in one repository.
fn assert_backups(found: &[FixtureSnapshot]) {
    let scene = Scene::new();
    let mut all = Compared::default();
    for snapshot in found {
        let record = scene.ingest(&snapshot.path).record;
        let compared = compare(&Content::backup(&scene.engine, &record), &step(snapshot));
        all += compared.unwrap_or_else(|why| panic!("backup of {}/{}: {why}", snapshot.series, snapshot.name));
    }
    println!("backups of {}: {all}", found[0].series);
}

fn assert_sound(found: &[FixtureSnapshot]) {
    for snapshot in found {
        let found = found_above_note(&Content::file(&snapshot.path).unwrap());
        assert!(found.is_empty(), "{}/{}: {found:#?}", snapshot.series, snapshot.name);
    }
    println!("series {}: nothing above a note in {} files", found[0].series, found.len());
}

#[test]
fn points_of_committed_series_are_what_the_server_said() {
    for name in ["notes", "catalog"] {
        assert_files(&series(name));
        assert_backups(&series(name));
    }
}

#[test]
fn points_of_shared_articles_are_what_the_server_said() {
    let Some(found) = shared_series("articles") else { return };
    assert_files(&found);
    assert_backups(&found);
}

#[test]
fn points_of_shared_mixed_are_what_the_server_said() {
    let Some(found) = shared_series("mixed") else { return };
    assert_files(&found);
}

#[test]
fn points_of_shared_uuid_are_what_the_server_said() {
    let Some(found) = shared_series("uuid") else { return };
    assert_files(&found);
}

/// Every collection of a full snapshot against the last snapshot of it that the server described; `others` are those of which it said nothing
/// that could be compared.
fn compare_full(
    content: &Content<'_>,
    said: &BTreeMap<&str, Value>,
    others: &BTreeMap<&str, u64>,
) -> Verdict<Compared> {
    let inside = Inside::open(content).unwrap();
    let outline = outline_deep(content).unwrap().0;
    let live =
        outline.collections.iter().map(|collection| (collection.name.as_deref().unwrap(), collection.points_live));
    let expected = said.iter().map(|(name, said)| (*name, said["points"].as_u64()));
    let expected: BTreeMap<_, _> = expected.chain(others.iter().map(|(name, points)| (*name, Some(*points)))).collect();
    same("points_live of collections", &live.collect(), &expected)?;
    let sum: Option<u64> = expected.values().copied().sum();
    same("points_live of the snapshot", outline.points_live, sum)?;
    same("count of the snapshot", Some(counted(&inside, &PointQuery::default())), sum)?;
    let mut compared = Compared { snapshots: 1, ..Compared::default() };
    for (name, said) in said {
        let query = PointQuery { collection: Some((*name).to_owned()), ..PointQuery::default() };
        same(format_args!("count of {name}"), Some(counted(&inside, &query)), said["points"].as_u64())?;
        compared += compare_ids(&ids(&inside, &query), said)?;
        compared += compare_sample(&inside, Some(name), said)?;
    }
    Ok(compared)
}

/// A file and a backup of it give the same answer.
fn both<T: PartialEq + std::fmt::Debug>(snapshot: &FixtureSnapshot, look: impl Fn(&Content<'_>) -> Verdict<T>) -> T {
    let of_file = look(&Content::file(&snapshot.path).unwrap());
    let scene = Scene::new();
    let record = scene.ingest(&snapshot.path).record;
    let of_backup = look(&Content::backup(&scene.engine, &record));
    assert_eq!(of_file, of_backup, "{}/{}", snapshot.series, snapshot.name);
    of_file.unwrap_or_else(|why| panic!("{}/{}: {why}", snapshot.series, snapshot.name))
}

#[test]
fn points_of_every_kind_of_snapshot_are_what_the_server_said() {
    let notes = last_step(&series("notes"));
    let said = BTreeMap::from([("notes", notes.clone()), ("catalog", last_step(&series("catalog")))]);
    let mut all = both(&fixture("kinds", "full"), |content| compare_full(content, &said, &BTreeMap::new()));
    for name in ["shard", "shard-streamed"] {
        all += both(&fixture("kinds", name), |content| compare(content, &notes));
    }
    let empty = truth(&fixture("kinds", "empty"))["empty"].clone();
    all += both(&fixture("kinds", "empty"), |content| {
        compare_counts(&Inside::open(content).unwrap(), &outline_deep(content).unwrap().0, &empty)
    });
    println!("kinds, files and backups each: {all}");
}

/// A partial snapshot lacks the files with the ids: no count is made up.
#[test]
fn a_partial_snapshot_has_no_count() {
    both(&fixture("kinds", "shard-partial"), |content| {
        let (outline, _) = outline_deep(content).unwrap();
        same("points_live of the snapshot", outline.points_live, None)?;
        same("points_live of the shard", outline.collections[0].shards[0].points_live, None)?;
        same("kind", outline.kind, SnapshotKind::ShardPartial)?;
        let inside = Inside::open(content).unwrap();
        let refused = count(&inside, &PointQuery::default(), &CancelToken::default());
        same("a count is refused", refused.is_err(), true)
    });
}

#[test]
fn points_of_shared_kinds_are_what_the_server_said() {
    let (Some(found), Some(articles), Some(mixed)) =
        (shared_series("kinds"), shared_series("articles"), shared_series("mixed"))
    else {
        return;
    };
    let named = |name: &str| found.iter().find(|snapshot| snapshot.name == name).unwrap();
    let said = BTreeMap::from([("articles", last_step(&articles)), ("mixed", last_step(&mixed))]);
    let now = &truth(named("full"))["counts_now"];
    for (name, said) in &said {
        assert_eq!(said["points"], now[name], "the collection did not change any more");
    }
    // Of `tenants` the server counted 20 more, after the snapshots but before the partial one; it described no ids.
    let others = BTreeMap::from([("tenants", 3000)]);
    let content = Content::file(&named("full").path).unwrap();
    let all = compare_full(&content, &said, &others).unwrap();
    let query = PointQuery { collection: Some("tenants".to_owned()), ..PointQuery::default() };
    let tenants = ids(&Inside::open(&content).unwrap(), &query);
    for name in ["tenants", "shard", "shard-streamed"] {
        let content = Content::file(&named(name).path).unwrap();
        assert_eq!(ids(&Inside::open(&content).unwrap(), &PointQuery::default()), tenants, "{name}");
    }
    println!("shared kinds: {all}; the same {} ids in four snapshots of tenants", tenants.len());
}

/// Of the cluster only counts were said: those of the collections over all nodes. A replicated shard is the same on each node.
#[test]
fn nodes_of_a_cluster_have_together_what_the_cluster_counted() {
    let Some(found) = shared_series("cluster") else { return };
    let counts = truth(&found[0])["counts"].clone();
    for (collection, points) in counts.as_object().unwrap() {
        let mut shards: BTreeMap<u32, Vec<PointId>> = BTreeMap::new();
        let nodes: Vec<_> = found.iter().filter(|snapshot| snapshot.name.starts_with(collection.as_str())).collect();
        assert_eq!(nodes.len(), 3, "{collection}");
        for snapshot in nodes {
            let content = Content::file(&snapshot.path).unwrap();
            let inside = Inside::open(&content).unwrap();
            let (outline, _) = outline_deep(&content).unwrap();
            for shard in &outline.collections[0].shards {
                let query = PointQuery { shard: shard.id, ..PointQuery::default() };
                let here = ids(&inside, &query);
                assert_eq!(shard.points_live, Some(here.len() as u64), "{}", snapshot.name);
                // Shards of other nodes are listed, without a segment.
                if !shard.segments.is_empty() {
                    let known = shards.entry(shard.id.unwrap()).or_insert_with(|| here.clone());
                    assert_eq!(*known, here, "{}: shard {:?}", snapshot.name, shard.id);
                }
            }
        }
        let all: BTreeSet<PointId> = shards.values().flatten().copied().collect();
        let sum: usize = shards.values().map(Vec::len).sum();
        assert_eq!(all.len(), sum, "{collection}: no id is in two shards");
        assert_eq!(Some(sum as u64), points.as_u64(), "{collection}");
        println!("cluster, {collection}: {} shards of three nodes, {sum} points", shards.len());
    }
}

#[test]
fn nothing_is_wrong_with_committed_snapshots() {
    for name in ["notes", "catalog", "kinds"] {
        assert_sound(&series(name));
    }
}

#[test]
fn nothing_is_wrong_with_shared_snapshots() {
    for name in ["articles", "mixed", "uuid", "kinds", "cluster"] {
        let Some(found) = shared_series(name) else { return };
        assert_sound(&found);
    }
}

/// The comparison must be able to fail: whatever is said otherwise is contradicted.
#[test]
fn a_wrong_truth_is_contradicted() {
    let snapshot = fixture("catalog", "03-delete-33pct-vacuum");
    let content = Content::file(&snapshot.path).unwrap();
    let right = step(&snapshot);
    let digest = right["ids_sha256"].as_str().unwrap().replace('0', "1");
    for (pointer, wrong) in [
        ("/points", Value::from(432)),
        ("/ids_sha256", Value::from(digest)),
        ("/shards/1/points", Value::from(215)),
        ("/shards/1/id", Value::from(2)),
        ("/sample/0/id", Value::from(7)),
        ("/sample/0/payload/doc", Value::from("another")),
        ("/sample/0/vector/text/0", Value::from(0.5)),
        ("/sample/0/vector/image/23", Value::from(-0.0)),
        ("/sample/0/vector/colbert/1/7", Value::from(1)),
        ("/sample/0/vector/bm25/indices/0", Value::from(1)),
        ("/sample/0/vector/bm25/values/0", Value::from(2)),
    ] {
        let mut said = right.clone();
        *said.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is not there")) = wrong;
        let compared = compare(&content, &said);
        assert!(compared.is_err(), "{pointer}: {compared:?}");
    }
}
