//! The points of real segments, against what the server said.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use vectar_qdrant::storage::{IdTracker, IdTrackerKind, Owner, SnapshotFiles, StorageFiles};
use vectar_qdrant::{FindingLevel, Findings, PointId, SegmentState};
use vectar_testkit::fixtures::{self, FixtureSnapshot};

use crate::support::{Snapshot, real_snapshots};

/// Points by id with the version that counts.
type Union = BTreeMap<PointId, Option<u64>>;

fn state(files: &dyn StorageFiles) -> SegmentState {
    let file = files.open("segment.json").expect("every segment has one");
    SegmentState::read(&file.read_all(1 << 20).unwrap()).unwrap().value
}

/// The points of every shard: union over its segments, the highest version wins.
fn shards(name: &str, snapshot: &Snapshot) -> BTreeMap<Owner, Union> {
    let files = SnapshotFiles::new(&snapshot.bytes, &snapshot.catalogue);
    let mut shards: BTreeMap<Owner, Union> = BTreeMap::new();
    for owner in files.owners().filter(|owner| owner.segment.is_some()) {
        let shard = shards.entry(Owner { segment: None, ..owner.clone() }).or_default();
        let files = files.files(owner);
        let state = state(&files);
        let tracker = IdTracker::open(&files, state.is_appendable()).unwrap();
        for point in checked_points(&format!("{name} {owner:?}"), &tracker) {
            let version = shard.entry(point.0).or_default();
            *version = (*version).max(point.1);
        }
    }
    shards
}

/// Reads all points, and holds the tracker to what it promises.
fn checked_points(name: &str, tracker: &IdTracker<'_>) -> Vec<(PointId, Option<u64>)> {
    let points: Vec<_> = tracker.points().unwrap().map(Result::unwrap).collect();
    assert!(points.is_sorted_by(|a, b| a.id < b.id), "{name}");
    assert_eq!(points.len() as u64, tracker.live_points(), "{name}");
    assert_eq!(tracker.live_rows().count_ones(), tracker.live_points(), "{name}");
    assert_eq!(tracker.live_rows().len(), tracker.rows(), "{name}");
    assert_eq!(tracker.duplicate_rows(), 0, "{name}");
    for point in points.iter().step_by(37) {
        assert!(tracker.live_rows().get(point.row.into()), "{name}");
        assert_eq!(tracker.find(&point.id).unwrap(), Some(*point), "{name}");
    }
    assert_eq!(tracker.find(&PointId::Number(u64::MAX)).unwrap(), None, "{name}");
    assert_eq!(tracker.find(&PointId::Uuid([0; 16])).unwrap(), None, "{name}");
    points.into_iter().map(|point| (point.id, point.version)).collect()
}

fn union<'u>(parts: impl IntoIterator<Item = &'u Union>) -> Union {
    let mut whole = Union::new();
    for (id, version) in parts.into_iter().flatten() {
        let known = whole.entry(*id).or_default();
        *known = (*known).max(*version);
    }
    whole
}

/// SHA-256 over the ids in scroll order, one a line, without a newline at the end.
fn ids_sha256(union: &Union) -> String {
    let lines: Vec<_> = union.keys().map(PointId::to_string).collect();
    Sha256::digest(lines.join("\n")).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn step(fixture: &FixtureSnapshot) -> Value {
    let truth = fixtures::truth(fixture);
    truth.as_array().unwrap().iter().find(|step| step["tag"] == fixture.name.as_str()).unwrap().clone()
}

fn assert_is_step(name: &str, shards: &BTreeMap<Owner, Union>, step: &Value) {
    let whole = union(shards.values());
    assert_eq!(whole.len() as u64, step["points"], "{name}");
    assert_eq!(ids_sha256(&whole), step["ids_sha256"], "{name}");
    for shard in step["shards"].as_array().unwrap() {
        let found = shards.iter().find(|(owner, _)| owner.shard.is_none_or(|id| u64::from(id) == shard["id"]));
        assert_eq!(found.unwrap().1.len() as u64, shard["points"], "{name} shard {}", shard["id"]);
    }
}

fn assert_series(series: &[FixtureSnapshot]) {
    for fixture in series {
        let name = format!("{}/{}", fixture.series, fixture.name);
        assert_is_step(&name, &shards(&name, &Snapshot::read(fixture)), &step(fixture));
    }
}

#[test]
fn notes_hold_the_points_the_server_counted() {
    assert_series(&fixtures::series("notes"));
}

#[test]
fn catalog_holds_the_points_the_server_counted() {
    assert_series(&fixtures::series("catalog"));
}

#[test]
fn shared_series_hold_the_points_the_server_counted() {
    for name in ["articles", "mixed", "uuid"] {
        let Some(series) = fixtures::shared_series(name) else { return };
        assert_series(&series);
    }
}

/// Each node has some of the shards, or copies of them: together they are the collection.
#[test]
fn nodes_of_a_cluster_hold_the_collection_together() {
    let Some(snapshots) = fixtures::shared_series("cluster") else { return };
    let counts = fixtures::truth(&snapshots[0])["counts"].clone();
    for (collection, count) in counts.as_object().unwrap() {
        let nodes = snapshots.iter().filter(|fixture| fixture.name.starts_with(collection.as_str()));
        let shards: Vec<_> = nodes.flat_map(|node| shards(&node.name, &Snapshot::read(node)).into_values()).collect();
        assert_eq!(union(&shards).len() as u64, *count, "{collection}");
    }
}

/// The full snapshot and the two layouts of a shard were made after the last step of the series.
#[test]
fn every_kind_of_snapshot_holds_the_same_points() {
    let last = |series: &str| step(fixtures::series(series).last().unwrap());
    for name in ["shard", "shard-streamed"] {
        assert_is_step(name, &shards(name, &Snapshot::fixture("kinds", name)), &last("notes"));
    }
    let full = shards("full", &Snapshot::fixture("kinds", "full"));
    for series in ["notes", "catalog"] {
        let is_of = |owner: &Owner| owner.collection_file.as_ref().is_some_and(|file| file.starts_with(series));
        let collection = full.iter().filter(|(owner, _)| is_of(owner));
        let collection = collection.map(|(owner, points)| (owner.clone(), points.clone())).collect();
        assert_is_step(&format!("full {series}"), &collection, &last(series));
    }
}

/// Findings above a note would make operators doubt good snapshots. Only partial snapshots lack files.
#[test]
fn undamaged_trackers_give_no_finding() {
    let mut kinds = Vec::new();
    for (name, snapshot) in real_snapshots() {
        let files = SnapshotFiles::new(&snapshot.bytes, &snapshot.catalogue);
        for owner in files.owners().filter(|owner| owner.segment.is_some()) {
            let files = files.files(owner);
            if files.open("segment_manifest.json").is_some() {
                continue;
            }
            let (state, mut findings) = (state(&files), Findings::default());
            let tracker = IdTracker::open_audited(&files, state.is_appendable(), state.version, &mut findings);
            assert_eq!(findings, Findings::default(), "{name} {owner:?}");
            let tracker = tracker.unwrap();
            // Without the configuration the files tell the same.
            if tracker.kind() != IdTrackerKind::Empty {
                assert_eq!(IdTracker::open(&files, None).unwrap().kind(), tracker.kind(), "{name} {owner:?}");
            }
            kinds.push(tracker.kind());
        }
    }
    for kind in [IdTrackerKind::Empty, IdTrackerKind::Mutable, IdTrackerKind::Immutable] {
        assert!(kinds.contains(&kind), "{kind:?}");
    }
}

/// A version above the segment's is seen on a real tracker too.
#[test]
fn points_newer_than_their_segment_are_reported() {
    let snapshot = Snapshot::fixture("notes", "01-insert-5pct");
    let files = SnapshotFiles::new(&snapshot.bytes, &snapshot.catalogue);
    let owner = files.owners().find(|owner| owner.segment.is_some()).unwrap();
    let files = files.files(owner);
    let state = state(&files);
    let mut findings = Findings::default();
    IdTracker::open_audited(&files, state.is_appendable(), state.version.map(|version| version - 1), &mut findings);
    assert_eq!(findings.worst, Some(FindingLevel::Suspicious));
    assert!(findings.list[0].what.contains("are newer than the segment"), "{findings:?}");
}

/// A disk tracker of Qdrant's own engine (`qdrant-edge-py` 0.9.0, `id_tracker_memory` cold): 80 points, of which five were
/// deleted after the segment was built. `ids.txt` is the engine's answer to a scroll.
#[test]
fn a_disk_tracker_of_the_engine_is_read() {
    macro_rules! file {
        ($name:literal) => {
            ($name.to_owned(), include_bytes!(concat!("golden/disk-id-tracker/", $name)).to_vec())
        };
    }
    let mut files = BTreeMap::from([
        file!("id_tracker.deleted"),
        file!("id_tracker.e2i"),
        file!("id_tracker.i2e"),
        file!("id_tracker.is_uuid"),
        file!("id_tracker.versions"),
    ]);
    let mut findings = Findings::default();
    let tracker = IdTracker::open_audited(&files, Some(false), Some(80), &mut findings).unwrap();
    assert_eq!(findings, Findings::default());
    assert_eq!((tracker.kind(), tracker.rows(), tracker.live_points()), (IdTrackerKind::Disk, 80, 75));
    let ids: Vec<_> = checked_points("disk", &tracker).iter().map(|point| point.0.to_string()).collect();
    assert_eq!(ids, include_str!("golden/disk-id-tracker/ids.txt").lines().collect::<Vec<_>>());
    drop(tracker);

    // Each byte of the mapping is compared with another one, or of no use: reserved, padding.
    for path in ["id_tracker.e2i", "id_tracker.i2e", "id_tracker.is_uuid"] {
        let bytes = files[path].clone();
        let harmless = (0..bytes.len()).filter(|at| {
            files.get_mut(path).unwrap()[*at] ^= 0x10;
            let mut findings = Findings::default();
            IdTracker::open_audited(&files, Some(false), Some(80), &mut findings);
            files.insert(path.to_owned(), bytes.clone());
            findings.list.is_empty()
        });
        let harmless = harmless.count();
        assert!(harmless <= 44, "{path}: {harmless} of {} bytes", bytes.len());
    }
}
