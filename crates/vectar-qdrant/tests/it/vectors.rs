//! Vectors as the server returned them, read from the files of real snapshots, and what is found when these are damaged.

use std::collections::BTreeMap;

use serde_json::Value;
use vectar_qdrant::storage::{
    Bits, GraphMetadata, Owner, QuantizedMetadata, SnapshotFiles, StorageFiles, Vector, VectorStorage,
};
use vectar_qdrant::{FindingLevel, Findings, PointId, SegmentState, SparseVectorState};
use vectar_testkit::fixtures::{self, FixtureSnapshot};

use crate::support::Snapshot;

/// Ids of a segment by a tiny reader of its own: enough to know which row a sample lies in.
struct Ids {
    rows: u64,
    live: Bits,
    /// Row and version of each id.
    points: BTreeMap<PointId, (u32, u64)>,
}

fn bytes_of(files: &dyn StorageFiles, path: &str) -> Option<Vec<u8>> {
    files.open(path).map(|file| file.read_all(1 << 30).unwrap())
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap())
}

fn take_id(bytes: &mut &[u8], is_uuid: bool) -> PointId {
    let len = if is_uuid { 16 } else { 8 };
    let (id, rest) = bytes.split_at(len);
    *bytes = rest;
    if is_uuid { PointId::Uuid(id.try_into().unwrap()) } else { PointId::Number(u64_at(id, 0)) }
}

fn take_row(bytes: &mut &[u8]) -> u32 {
    let (row, rest) = bytes.split_first_chunk().unwrap();
    *bytes = rest;
    u32::from_le_bytes(*row)
}

impl Ids {
    fn read(files: &dyn StorageFiles) -> Self {
        let mut linked: BTreeMap<PointId, u32> = BTreeMap::new();
        let mut rows = 0;
        let versions;
        if let Some(mappings) = bytes_of(files, "id_tracker.mappings") {
            rows = u64_at(&mappings, 0);
            let deleted = Bits::new(bytes_of(files, "id_tracker.deleted").unwrap(), rows);
            let mut rest = &mappings[8..];
            while let Some((kind, tail)) = rest.split_first() {
                rest = tail;
                let id = take_id(&mut rest, *kind == 1);
                let row = take_row(&mut rest);
                if !deleted.get(u64::from(row)) {
                    linked.insert(id, row);
                }
            }
            versions = bytes_of(files, "id_tracker.versions").unwrap();
        } else {
            let log = bytes_of(files, "mutable_id_tracker.mappings").unwrap_or_default();
            let mut rest = &log[..];
            while let Some((kind, tail)) = rest.split_first() {
                rest = tail;
                let id = take_id(&mut rest, kind % 2 == 0);
                if *kind <= 2 {
                    let row = take_row(&mut rest);
                    rows = rows.max(u64::from(row) + 1);
                    linked.insert(id, row);
                } else {
                    linked.remove(&id);
                }
            }
            versions = bytes_of(files, "mutable_id_tracker.versions").unwrap_or_default();
        }
        let mut live = Bits::default();
        linked.values().for_each(|row| live.set(u64::from(*row), true));
        let version = |row: u32| versions.as_chunks().0.get(row as usize).map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let points = linked.into_iter().map(|(id, row)| (id, (row, version(row)))).collect();
        Self { rows, live, points }
    }
}

/// Calls `see` with each segment of a snapshot: its owner, files and state.
fn for_each_segment(snapshot: &Snapshot, mut see: impl FnMut(&Owner, &dyn StorageFiles, &SegmentState)) {
    let bytes = &snapshot.bytes[..];
    let files = SnapshotFiles::new(bytes, &snapshot.catalogue);
    for owner in files.owners().filter(|owner| owner.segment.is_some()) {
        let segment = files.files(owner);
        let Some(state) = bytes_of(&segment, "segment.json") else { continue };
        see(owner, &segment, &SegmentState::read(&state).unwrap().value);
    }
}

/// Every vector of a segment, opened.
fn for_each_vector(files: &dyn StorageFiles, state: &SegmentState, mut see: impl FnMut(&str, &VectorStorage<'_>)) {
    for (name, vector) in &state.vectors {
        see(name, &VectorStorage::open_dense(files, name, vector).unwrap());
    }
    for (name, vector) in &state.sparse_vectors {
        see(name, &VectorStorage::open_sparse(files, name, vector).unwrap());
    }
}

/// The vectors of a sample as the server's JSON, its numbers read as f32, as Qdrant's own are.
fn vectors_in_truth(vector: &Value) -> BTreeMap<String, Vector> {
    let numbers = |value: &Value| -> Vec<f32> {
        // Through the text, because a number that was read as f64 is rounded twice.
        value.as_array().unwrap().iter().map(|number| number.to_string().parse().unwrap()).collect()
    };
    let one = |value: &Value| match value {
        Value::Array(items) if items.first().is_some_and(Value::is_array) => {
            Vector::Multi(items.iter().map(numbers).collect())
        }
        Value::Array(_) => Vector::Dense(numbers(value)),
        _ => Vector::Sparse {
            indices: serde_json::from_value(value["indices"].clone()).unwrap(),
            values: numbers(&value["values"]),
        },
    };
    match vector {
        Value::Array(_) => BTreeMap::from([(String::new(), one(vector))]),
        named => named.as_object().unwrap().iter().map(|(name, value)| (name.clone(), one(value))).collect(),
    }
}

/// Reads the vectors of the wanted points: of the copy with the highest version, as the server does.
fn vectors_in_snapshot(snapshot: &Snapshot, wanted: &[PointId]) -> BTreeMap<PointId, BTreeMap<String, Vector>> {
    let mut found: BTreeMap<PointId, (u64, BTreeMap<String, Vector>)> = BTreeMap::new();
    for_each_segment(snapshot, |_, files, state| {
        let ids = Ids::read(files);
        for id in wanted {
            let Some((row, version)) = ids.points.get(id) else { continue };
            if found.get(id).is_some_and(|(known, _)| known >= version) {
                continue;
            }
            let mut vectors = BTreeMap::new();
            for_each_vector(files, state, |name, storage| {
                let mut reader = storage.reader();
                let vector = reader.vector(*row).unwrap();
                let mut buf = vec![7];
                assert_eq!(reader.stored(*row, &mut buf).unwrap().is_some(), vector.is_some());
                vectors.extend(vector.map(|vector| (name.to_owned(), vector)));
            });
            found.insert(*id, (*version, vectors));
        }
    });
    found.into_iter().map(|(id, (_, vectors))| (id, vectors)).collect()
}

/// The samples beside a numbered snapshot, by id.
fn samples(fixture: &FixtureSnapshot) -> Option<BTreeMap<PointId, BTreeMap<String, Vector>>> {
    let truth = fixtures::truth(fixture);
    let entry = truth.as_array()?.iter().find(|entry| entry["tag"] == fixture.name.as_str())?.clone();
    let points = entry["sample"].as_array()?.iter();
    let points =
        points.map(|point| (serde_json::from_value(point["id"].clone()).unwrap(), vectors_in_truth(&point["vector"])));
    Some(points.collect())
}

fn assert_samples(all: &[FixtureSnapshot]) {
    let mut compared = 0;
    for fixture in all {
        let Some(expected) = samples(fixture) else { continue };
        let wanted: Vec<_> = expected.keys().copied().collect();
        let found = vectors_in_snapshot(&Snapshot::read(fixture), &wanted);
        assert_eq!(found, expected, "{}/{}", fixture.series, fixture.name);
        // Their spelling tells the two zeros apart, and is otherwise as exact as the bits.
        assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{}/{}", fixture.series, fixture.name);
        compared += expected.len();
    }
    assert!(compared > 0);
}

#[test]
fn samples_of_the_fixtures_are_what_the_server_said() {
    let all = fixtures::snapshots();
    assert_samples(&all);
    let kinds: std::collections::BTreeSet<_> =
        all.iter().filter_map(samples).flatten().flat_map(|(_, vectors)| vectors.into_keys()).collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["", "bm25", "colbert", "image", "text"]);
}

#[test]
fn samples_of_the_shared_series_are_what_the_server_said() {
    if let Some(all) = fixtures::shared_snapshots() {
        assert_samples(&all);
    }
}

/// What `audit` finds in a segment, with the rows and live points of its tracker.
fn audit(files: &dyn StorageFiles, state: &SegmentState) -> Findings {
    let ids = Ids::read(files);
    let mut findings = Findings::default();
    for_each_vector(files, state, |_, storage| {
        storage.audit(Some(ids.rows), Some(&ids.live), state.is_appendable(), &mut findings);
    });
    findings
}

#[test]
fn undamaged_snapshots_give_no_finding_above_note() {
    let mut vectors = 0;
    let mut all = fixtures::snapshots();
    all.extend(fixtures::shared_snapshots().into_iter().flatten());
    // A partial snapshot lacks files by design.
    for fixture in all.iter().filter(|fixture| !fixture.name.contains("partial")) {
        for_each_segment(&Snapshot::read(fixture), |owner, files, state| {
            let mut found = audit(files, state).list;
            found.retain(|finding| finding.level > FindingLevel::Note);
            assert_eq!(found, [], "{}/{} {owner:?}", fixture.series, fixture.name);
            vectors += state.vectors.len() + state.sparse_vectors.len();
        });
    }
    assert!(vectors > 50);
}

#[test]
fn quantized_copies_and_graphs_are_described() {
    let mut quantized = 0;
    let mut graphs = 0;
    for fixture in fixtures::series("catalog") {
        for_each_segment(&Snapshot::read(&fixture), |_, files, state| {
            for (name, vector) in &state.vectors {
                let storage = VectorStorage::open_dense(files, name, vector).unwrap();
                if let Some(metadata) = QuantizedMetadata::read(files, name, vector).unwrap() {
                    assert_eq!(metadata.method.name(), "scalar");
                    assert_eq!((metadata.dim, metadata.expected_bytes), (vector.size, metadata.data_bytes));
                    quantized += 1;
                }
                if let Some(graph) = GraphMetadata::read(files, name).unwrap() {
                    assert_eq!((graph.m, graph.m0, graph.ef_construct), (16, 32, 100));
                    assert_eq!(graph.points, storage.rows());
                    assert_eq!(graph.links_expected_bytes, Some(graph.links_bytes));
                    assert!(graph.levels > graph.entry_point.unwrap().level);
                    graphs += 1;
                }
            }
        });
    }
    assert_eq!((quantized, graphs), (24, 24));
}

/// The first segment of a catalog snapshot that has a graph, its files in memory.
fn indexed_segment() -> (BTreeMap<String, Vec<u8>>, SegmentState) {
    let fixture = fixtures::series("catalog").remove(0);
    let mut found = None;
    for_each_segment(&Snapshot::read(&fixture), |_, files, state| {
        if found.is_none() && files.open("vector_index-text/graph.bin").is_some() {
            let copy = files.list("").into_iter().map(|path| {
                let bytes = bytes_of(files, &path).unwrap();
                (path, bytes)
            });
            found = Some((copy.collect(), state.clone()));
        }
    });
    found.unwrap()
}

#[test]
fn damage_to_codes_and_graphs_is_found() {
    let (files, state) = indexed_segment();
    let check = |path: &str, damage: &dyn Fn(&mut Vec<u8>), object: &str| {
        let mut files = files.clone();
        let content = files.get_mut(path).unwrap();
        damage(content);
        if content.is_empty() {
            files.remove(path);
        }
        let found = audit(&files, &state);
        let objects: Vec<_> = found.list.iter().map(|finding| finding.object.as_str()).collect();
        assert!(objects.contains(&object), "{path}: {:?}", found.list);
        assert_eq!(found.worst, Some(FindingLevel::Damage), "{path}");
    };
    let cut = |content: &mut Vec<u8>| content.truncate(content.len() - 1);
    let add = |content: &mut Vec<u8>| content.push(0);
    let remove = |content: &mut Vec<u8>| content.clear();
    for path in [
        "vector_storage-image/quantized.data",
        "vector_storage-colbert/quantized.data",
        "vector_storage-colbert/quantized.offsets.data",
        "vector_index-text/graph.bin",
        "vector_index-text/links_compressed.bin",
    ] {
        check(path, &cut, path);
        check(path, &add, path);
        check(path, &remove, path);
    }
    check("vector_storage-image/quantized.meta.json", &remove, "vector_storage-image/quantized.meta.json");
    check("vector_storage-image/quantized.config.json", &cut, "vector_storage-image/quantized.config.json");
    let links = "vector_index-text/links_compressed.bin";
    check(links, &|content| content[0] ^= 1, links);
    check(links, &|content| content[8] ^= 1, links);
    check(links, &|content| content[16..24].fill(0xff), links);
    check(links, &|content| content[40] = 0xff, links);
    let graph = "vector_index-text/graph.bin";
    check(graph, &|content| content[24..32].fill(0xff), graph);
    check(graph, &|content| content[32..36].fill(0xff), graph);
    let mut without_index = files.clone();
    without_index.retain(|path, _| !path.starts_with("vector_index-text/"));
    assert_eq!(audit(&without_index, &state).list[0].object, "vector_index-text");
}

#[test]
fn more_vectors_than_were_indexed_are_reported_of_flags_that_are_there() {
    let (mut files, state) = indexed_segment();
    let config = files.get_mut("vector_index-text/hnsw_config.json").unwrap();
    let mut json: Value = serde_json::from_slice(config).unwrap();
    json["indexed_vector_count"] = 1.into();
    *config = serde_json::to_vec(&json).unwrap();
    let reported = |files: &BTreeMap<String, Vec<u8>>| {
        let found = audit(files, &state).list.into_iter();
        found.map(|finding| (finding.level, finding.object, finding.what)).collect::<Vec<_>>()
    };
    let flagged = reported(&files);
    assert!(
        matches!(&flagged[..], [(FindingLevel::Suspicious, _, what)] if what.ends_with("the index was built of 1"))
    );
    files.retain(|path, _| !path.starts_with("vector_storage-text/deleted"));
    let missing = reported(&files);
    assert!(
        matches!(&missing[..], [(FindingLevel::DataLoss, _, what)] if what.ends_with(" is missing")),
        "{missing:?}"
    );
}

#[test]
fn damage_to_sparse_vectors_is_found() {
    let (mut files, state) = indexed_segment();
    let sound = files.clone();
    let page = files.get_mut("vector_storage-bm25/store/page_0.dat").unwrap();
    page[..8].fill(0xff);
    let found = audit(&files, &state);
    assert_eq!((found.list.len(), found.worst), (1, Some(FindingLevel::Damage)));
    assert!(found.list[0].object.starts_with("vector_storage-bm25/store/"), "{:?}", found.list);
    let tracker = files.get_mut("vector_storage-bm25/store/tracker.dat").unwrap();
    tracker[4..20].fill(0);
    let found = audit(&files, &state).list;
    let absent = found.iter().find(|finding| finding.object == "vector_storage-bm25").unwrap();
    assert_eq!(
        (absent.level, absent.what.as_str()),
        (FindingLevel::DataLoss, "rows whose flag is clear and that have no value: 1 (row 0)")
    );
    for file in ["sparse_index_config.json", "inverted_index_config.json", "inverted_index.dat", "indices_tracker.json"]
    {
        let path = format!("vector_index-bm25/{file}");
        let mut files = sound.clone();
        files.remove(&path);
        let found = audit(&files, &state);
        assert_eq!((found.list.len(), found.worst), (1, Some(FindingLevel::Damage)), "{file}");
        assert_eq!(found.list[0].object, path);
    }
    let mut grown = sound.clone();
    grown.get_mut("vector_index-bm25/inverted_index.dat").unwrap().push(0);
    assert_eq!(audit(&grown, &state).list[0].object, "vector_index-bm25/inverted_index.dat");
    let mut unversioned = sound.clone();
    unversioned.remove("vector_index-bm25/version.info");
    assert_eq!(audit(&unversioned, &state).worst, Some(FindingLevel::Suspicious));
    let on_disk: SparseVectorState = serde_json::from_str(r#"{"index":{"index_type":"MutableRam"}}"#).unwrap();
    assert!(VectorStorage::open_sparse(&files, "bm25", &on_disk).is_err());
}
