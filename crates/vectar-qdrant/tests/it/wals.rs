//! The write-ahead logs of real, made-up and damaged snapshots.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use vectar_qdrant::storage::{Owner, ShardClocks, SnapshotFiles, StorageFiles, Wal, WalEnd};
use vectar_qdrant::{FindingLevel, Findings, PointId, SegmentState};
use vectar_testkit::corpus::{CorpusOptions, write_snapshot};
use vectar_testkit::fixtures;

use crate::support::{Snapshot, real_snapshots};

/// Calls `check` with the name and the files of each shard that has a WAL, and the highest version of its segments.
fn each_shard(name: &str, snapshot: &Snapshot, mut check: impl FnMut(&str, &Owner, &dyn StorageFiles, Option<u64>)) {
    let all = SnapshotFiles::new(&snapshot.bytes, &snapshot.catalogue);
    for shard in all.owners().filter(|owner| owner.segment.is_none()) {
        let files = all.files(shard);
        if files.list("wal/").is_empty() {
            continue;
        }
        let of_shard = |owner: &&Owner| {
            owner.segment.is_some() && owner.shard == shard.shard && owner.collection_file == shard.collection_file
        };
        let versions = all.owners().filter(of_shard).filter_map(|segment| {
            let bytes = all.files(segment).open("segment.json")?.read_all(1 << 20).unwrap();
            SegmentState::read(&bytes).unwrap().value.version
        });
        check(&format!("{name} {:?}", shard.shard), shard, &files, versions.max());
    }
}

#[test]
fn real_logs_are_sound_and_end_at_the_version_of_the_newest_segment() {
    let (mut full, mut empty, mut written) = (0, 0, 0);
    for (name, snapshot) in real_snapshots() {
        each_shard(&name, &snapshot, |name, _, files, version| {
            let wal = Wal::open(files).unwrap();
            assert_eq!(wal.faults(), [], "{name}");
            assert!(wal.segments().iter().all(|segment| segment.end == WalEnd::Clean), "{name}");
            assert!(wal.segments().iter().all(|segment| segment.file_bytes == 32 << 20), "{name}");
            let mut findings = Findings::default();
            wal.audit(version, None, &mut findings);
            assert!(findings.worst <= Some(FindingLevel::Note), "{name}: {findings:#?}");
            match wal.last_operation() {
                Some(last) => {
                    full += 1;
                    assert_eq!((wal.first_operation(), wal.next_operation()), (Some(0), last + 1), "{name}");
                    let count: u64 = wal.segments().iter().map(|segment| segment.entries).sum();
                    assert_eq!(wal.entries().map(Result::unwrap).fold(0, |entries, _| entries + 1), count, "{name}");
                    if let Some(version) = version {
                        written += 1;
                        assert_eq!(version, last, "{name}");
                        // It lags: what it names is read again, and is in the segments already.
                        assert!(wal.acknowledged().is_none_or(|acknowledged| acknowledged <= version), "{name}");
                    }
                }
                None => {
                    empty += 1;
                    assert_eq!((wal.acknowledged(), wal.segments().len()), (None, 1), "{name}");
                    assert!(version.is_none_or(|version| version < wal.next_operation()), "{name}");
                }
            }
        });
    }
    assert!(full >= 12 && written >= 11 && empty >= 3, "{full} full logs, {written} written, {empty} empty");
}

#[test]
fn a_new_real_log_begins_with_an_upsert_of_nothing() {
    let snapshot = Snapshot::fixture("notes", "03-delete-33pct-vacuum");
    each_shard("notes", &snapshot, |_, _, files, _| {
        let wal = Wal::open(files).unwrap();
        let entries: Vec<_> = wal.entries().map(Result::unwrap).collect();
        let operations: Vec<_> = entries.iter().map(|entry| entry.operation.name.as_str()).collect();
        let schema = ["create_index"; 4];
        let writes = ["upsert_points", "upsert_points", "upsert_points", "set_payload", "delete_points"];
        assert_eq!(operations, [["upsert_points"].as_slice(), &schema, &writes].concat());
        let counts: Vec<_> = entries.iter().map(|entry| entry.operation.points.len()).collect();
        assert_eq!(counts, [0, 0, 0, 0, 0, 500, 300, 40, 28, 266]);
        assert_eq!(entries[5].operation.points, (0..500).map(PointId::Number).collect::<Vec<_>>());
        let tail: Vec<_> = wal.entries_after(7).map(|entry| entry.unwrap().operation.name).collect();
        assert_eq!(tail, ["set_payload", "delete_points"]);
    });
}

/// The logs of the numbered series begin with operation 0, so that their inserts and deletes give the points there are.
#[test]
fn replaying_the_ids_of_real_logs_gives_the_points_the_server_counted() {
    let mut all = fixtures::snapshots();
    all.extend(fixtures::shared_snapshots().into_iter().flatten());
    let mut compared = 0;
    for fixture in all {
        let truth = fixtures::truth(&fixture);
        let steps = truth.as_array().cloned().unwrap_or_default();
        let Some(step) = steps.iter().find(|step| step["tag"] == fixture.name.as_str()) else { continue };
        let mut points = BTreeSet::new();
        let mut by_shard: BTreeMap<u64, u64> = BTreeMap::new();
        let mut uses_filters = false;
        each_shard(&fixture.name, &Snapshot::read(&fixture), |_, shard, files, _| {
            let mut of_shard = BTreeSet::new();
            for entry in Wal::open(files).unwrap().entries() {
                let operation = entry.unwrap().operation;
                uses_filters |= operation.has_filter;
                match operation.name.as_str() {
                    "upsert_points" => of_shard.extend(operation.points),
                    "delete_points" => of_shard.retain(|id| !operation.points.contains(id)),
                    _ => {}
                }
            }
            by_shard.insert(u64::from(shard.shard.unwrap()), of_shard.len() as u64);
            points.append(&mut of_shard);
        });
        if uses_filters {
            continue;
        }
        let name = format!("{}/{}", fixture.series, fixture.name);
        assert_eq!(points.len() as u64, step["points"], "{name}");
        for shard in step["shards"].as_array().unwrap() {
            assert_eq!(by_shard[&shard["id"].as_u64().unwrap()], shard["points"], "{name}");
        }
        let ids: Vec<Value> = points.iter().map(|id| serde_json::to_value(id).unwrap()).collect();
        let first = step["first_ids"].as_array().unwrap();
        let last = step["last_ids"].as_array().unwrap();
        assert_eq!((&ids[..first.len()], &ids[ids.len() - last.len()..]), (&first[..], &last[..]), "{name}");
        compared += 1;
    }
    assert!(compared >= 8, "{compared}");
}

#[test]
fn clocks_of_real_shards_count_the_operations_of_their_logs() {
    let mut seen = 0;
    for (name, snapshot) in real_snapshots() {
        each_shard(&name, &snapshot, |name, _, files, _| {
            let clocks = ShardClocks::open(files).unwrap();
            for file in clocks.newest.iter().chain(&clocks.oldest) {
                assert_eq!(file.unread, [], "{name}");
                assert!(file.value.clocks.iter().all(|clock| clock.peer_id > 0), "{name}");
                seen += file.value.clocks.len();
            }
        });
    }
    assert!(seen >= 10, "{seen}");
}

/// The logs that the generator writes are those of a server, as far as it needs them.
#[test]
fn generated_logs_read_like_real_ones() {
    let options = CorpusOptions { points: 600, dimensions: 8, shards: 2, ..CorpusOptions::default() };
    let mut bytes = Vec::new();
    write_snapshot(&options, 5, &mut bytes).unwrap();
    let mut shards = 0;
    each_shard("generated", &Snapshot::of(bytes), |name, _, files, version| {
        let mut findings = Findings::default();
        let wal = Wal::open(files).unwrap();
        wal.audit(version, None, &mut findings);
        assert_eq!(findings, Findings::default(), "{name}");
        assert_eq!((wal.first_operation(), wal.last_operation()), (Some(0), version), "{name}");
        shards += 1;
    });
    assert_eq!(shards, 2);
}

/// A byte changed anywhere in the entries of a real log is seen, and what stands before it can still be read.
#[test]
fn damage_to_a_real_log_is_seen_and_what_is_before_it_read() {
    let snapshot = Snapshot::fixture("notes", "02-payload-3pct");
    each_shard("notes", &snapshot, |_, _, files, version| {
        let original: BTreeMap<String, Vec<u8>> = files
            .list("wal/")
            .into_iter()
            .map(|path| (path.clone(), files.open(&path).unwrap().read_all(1 << 26).unwrap()))
            .collect();
        let used = Wal::open(&original).unwrap().segments()[0].used_bytes as usize;
        for at in (8..used).step_by(used / 40) {
            let mut damaged = original.clone();
            let log = damaged.get_mut("wal/open-1").unwrap();
            log.truncate(used + 4096);
            log[at] ^= 0x10;
            let wal = Wal::open(&damaged).unwrap();
            let mut findings = Findings::default();
            wal.audit(version, None, &mut findings);
            assert!(findings.worst >= Some(FindingLevel::DataLoss), "byte {at}: {findings:?}");
            assert!(wal.segments()[0].end != WalEnd::Clean, "byte {at}");
            assert!(wal.entries().all(|entry| entry.is_ok()), "byte {at}");
        }
    });
}
