//! Payloads and Gridstores of real, made-up and damaged snapshots.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use vectar_qdrant::storage::{Bits, Gridstore, PayloadStorage, SnapshotFiles, StorageFiles, StoredFile};
use vectar_qdrant::{Findings, PointId, SegmentState};
use vectar_testkit::fixtures;

use crate::support::{Snapshot, real_snapshots};

fn read(files: &dyn StorageFiles, path: &str) -> Option<Vec<u8>> {
    files.open(path).map(|file: StoredFile<'_>| file.read_all(1 << 30).unwrap())
}

/// The live rows of a segment with id and version; `None` where it has no tracker, as in partial snapshots.
fn live_rows(files: &dyn StorageFiles) -> BTreeMap<u32, (PointId, u64)> {
    let (mut rows, versions) = match read(files, "id_tracker.mappings") {
        Some(mappings) => {
            (immutable_rows(&mappings, &read(files, "id_tracker.deleted").unwrap()), "id_tracker.versions")
        }
        None => {
            let log = read(files, "mutable_id_tracker.mappings").unwrap_or_default();
            (mutable_rows(&log), "mutable_id_tracker.versions")
        }
    };
    let versions = read(files, versions).unwrap_or_default();
    for (row, (_, version)) in &mut rows {
        let bytes = versions.get(*row as usize * 8..).and_then(|rest| rest.first_chunk::<8>());
        *version = bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    }
    rows
}

fn take_id(is_number: bool, bytes: &[u8]) -> (PointId, &[u8]) {
    if is_number {
        let (number, rest) = bytes.split_first_chunk::<8>().unwrap();
        (PointId::Number(u64::from_le_bytes(*number)), rest)
    } else {
        let (uuid, rest) = bytes.split_first_chunk::<16>().unwrap();
        (PointId::Uuid(*uuid), rest)
    }
}

fn immutable_rows(mappings: &[u8], deleted: &[u8]) -> BTreeMap<u32, (PointId, u64)> {
    let mut rows = BTreeMap::new();
    let mut rest = &mappings[8..];
    while let Some((kind, after)) = rest.split_first() {
        let (id, after) = take_id(*kind == 0, after);
        let (row, after) = after.split_first_chunk::<4>().unwrap();
        let row = u32::from_le_bytes(*row);
        rest = after;
        if deleted[row as usize / 8] >> (row % 8) & 1 == 0 {
            rows.insert(row, (id, 0));
        }
    }
    rows
}

fn mutable_rows(log: &[u8]) -> BTreeMap<u32, (PointId, u64)> {
    let mut by_id = BTreeMap::new();
    let mut rest = log;
    while let Some((kind, after)) = rest.split_first() {
        let (id, after) = take_id(kind % 2 == 1, after);
        rest = after;
        if *kind <= 2 {
            let (row, after) = after.split_first_chunk::<4>().unwrap();
            by_id.insert(id, u32::from_le_bytes(*row));
            rest = after;
        } else {
            by_id.remove(&id);
        }
    }
    by_id.into_iter().map(|(id, row)| (row, (id, 0))).collect()
}

fn live_bits(rows: &BTreeMap<u32, (PointId, u64)>) -> Bits {
    let mut bits = Bits::default();
    rows.keys().for_each(|row| bits.set(u64::from(*row), true));
    bits
}

fn state(files: &dyn StorageFiles) -> SegmentState {
    SegmentState::read(&read(files, "segment.json").unwrap()).unwrap().value
}

/// Calls `check` with the name and the files of every complete segment of every real snapshot.
fn each_segment(mut check: impl FnMut(&str, &dyn StorageFiles)) {
    for (name, snapshot) in real_snapshots() {
        let all = SnapshotFiles::new(&snapshot.bytes, &snapshot.catalogue);
        for owner in all.owners().filter(|owner| owner.segment.is_some()) {
            let files = all.files(owner);
            // A partial snapshot leaves out what the receiver has.
            if files.open("segment_manifest.json").is_none() {
                check(&name, &files);
            }
        }
    }
}

/// The numbers in a JSON text, as they are spelled.
fn spelled_numbers(text: &str) -> Vec<&str> {
    let mut numbers = Vec::new();
    let (mut in_string, mut escaped, mut start) = (false, false, None);
    for (at, character) in text.char_indices() {
        if in_string {
            in_string = escaped || character != '"';
            escaped = character == '\\' && !escaped;
            continue;
        }
        match (character.is_ascii_digit() || "-+.eE".contains(character), start) {
            // The letters of `true`, `false` and `null` begin no number.
            (true, None) if character == '-' || character.is_ascii_digit() => start = Some(at),
            (false, Some(from)) => {
                numbers.push(&text[from..at]);
                start = None;
            }
            _ => {}
        }
        in_string = character == '"';
    }
    numbers
}

/// The server wrote each number from the value it answers with. Parsed here and written again it is the same text.
#[test]
fn payloads_of_real_segments_are_sound_and_keep_their_numbers() {
    assert_eq!(spelled_numbers(r#"{"a1":[-1.5e-7,true,{"b\\\"2":3}],"c":null}"#), ["-1.5e-7", "3"]);
    let (mut payloads, mut numbers, mut unsorted, mut segments) = (0_u64, 0, 0, 0);
    each_segment(|name, files| {
        let rows = live_rows(files);
        let storage = PayloadStorage::open(files, &state(files)).unwrap();
        let mut findings = Findings::default();
        storage.audit(Some(&live_bits(&rows)), &mut findings);
        assert_eq!(findings, Findings::default(), "{name}");
        let mut reader = storage.reader();
        for row in rows.keys() {
            let payload = reader.payload(*row).unwrap();
            let text = std::str::from_utf8(reader.json(*row).unwrap()).unwrap();
            for number in spelled_numbers(text) {
                let parsed: Value = serde_json::from_str(number).unwrap();
                assert_eq!(parsed.to_string(), number, "{name}: row {row}");
                numbers += 1;
            }
            payloads += 1;
            unsorted += u64::from(serde_json::to_string(&payload).unwrap() != text);
        }
        let figures = storage.figures().unwrap();
        assert!(figures.values <= storage.rows() && figures.value_bytes <= figures.used_bytes, "{name}: {figures:?}");
        assert!(figures.used_bytes <= figures.preallocated_bytes && figures.pages >= 1, "{name}: {figures:?}");
        assert_eq!(figures.preallocated_bytes, figures.pages * (32 << 20), "{name}");
        segments += 1;
    });
    assert!(payloads > 5_000 && segments > 20, "{payloads} payloads in {segments} segments");
    assert!(numbers > payloads, "{numbers}");
    // Members stand in the order in which the client sent them; only a text that is written anew from a map is sorted.
    assert!(unsorted > 0);
}

/// The steps of the numbered series of `truth.json` that have samples, with their snapshots.
fn sampled() -> Vec<(String, Snapshot, Vec<Value>)> {
    let mut all = fixtures::snapshots();
    all.extend(fixtures::shared_snapshots().into_iter().flatten());
    let mut sampled = Vec::new();
    for fixture in all {
        let truth = fixtures::truth(&fixture);
        let steps = truth.as_array().cloned().unwrap_or_default();
        let step = steps.iter().find(|step| step["tag"] == fixture.name.as_str());
        if let Some(sample) = step.and_then(|step| step["sample"].as_array()) {
            let name = format!("{}/{}", fixture.series, fixture.name);
            sampled.push((name, Snapshot::read(&fixture), sample.clone()));
        }
    }
    sampled
}

#[test]
fn sample_points_have_the_payload_the_server_answered() {
    let mut compared = 0;
    for (name, snapshot, sample) in sampled() {
        let all = SnapshotFiles::new(&snapshot.bytes, &snapshot.catalogue);
        let mut found: BTreeMap<PointId, (u64, Map<String, Value>)> = BTreeMap::new();
        for owner in all.owners().filter(|owner| owner.segment.is_some()) {
            let files = all.files(owner);
            let storage = PayloadStorage::open(&files, &state(&files)).unwrap();
            let mut reader = storage.reader();
            for (row, (id, version)) in live_rows(&files) {
                if found.get(&id).is_none_or(|(known, _)| *known < version) {
                    found.insert(id, (version, reader.payload(row).unwrap()));
                }
            }
        }
        for point in &sample {
            let id: PointId = serde_json::from_value(point["id"].clone()).unwrap();
            let (_, payload) = &found[&id];
            assert_eq!(Value::Object(payload.clone()), point["payload"], "{name}: {id}");
            compared += 1;
        }
    }
    let expected = if fixtures::shared_snapshots().is_some() { 80 } else { 40 };
    assert!(compared >= expected, "{compared}");
}

/// What one value of a payload index must be, for a row with this payload. `None` for fields that are not compared.
fn expected_index_value(field: &str, payload: &Map<String, Value>) -> Option<Vec<u8>> {
    let value = payload.get(field)?;
    match field {
        "price" => Some(value.as_f64()?.to_le_bytes().to_vec()),
        "rank" | "chunk" => Some(value.as_i64()?.to_le_bytes().to_vec()),
        // A pair: longitude, latitude.
        "loc" => {
            let part = |name: &str| value[name].as_f64().unwrap().to_le_bytes();
            Some([part("lon"), part("lat")].concat())
        }
        // CBOR: an array of one text of less than 24 bytes.
        "doc" | "topic" => {
            let text = value.as_str().filter(|text| text.len() < 24)?;
            Some([&[0x81, 0x60 + text.len() as u8], text.as_bytes()].concat())
        }
        _ => None,
    }
}

/// Sparse vectors and payload indexes are Gridstores too: sound, of the lengths the source says, and with the values of the payloads.
#[test]
fn all_gridstores_of_real_segments_are_sound_and_indexes_hold_what_payloads_say() {
    let mut shapes: BTreeMap<String, u64> = BTreeMap::new();
    let mut compared: BTreeMap<String, u64> = BTreeMap::new();
    each_segment(|name, files| {
        let rows = live_rows(files);
        let payloads = PayloadStorage::open(files, &state(files)).unwrap();
        let mut payloads = payloads.reader();
        let payloads: Vec<_> = rows.keys().map(|row| (*row, payloads.payload(*row).unwrap())).collect();
        let paths = files.list("");
        for directory in paths.iter().filter_map(|path| path.strip_suffix("/tracker.dat")) {
            let store = Gridstore::open(files, directory).unwrap();
            let mut findings = Findings::default();
            let mut values = 0;
            store.audit(&mut findings, &mut |_, _| {
                values += 1;
                Ok(())
            });
            assert_eq!(findings, Findings::default(), "{name}: {directory}");
            let figures = store.figures().unwrap();
            assert_eq!(figures.values, values, "{name}: {directory}");
            let config: Value =
                serde_json::from_slice(&read(files, &format!("{directory}/config.json")).unwrap()).unwrap();
            let family = directory.rsplit(['-', '/']).next().unwrap();
            let shape = format!("{family} {} {}", config["compression"], config["block_size_bytes"]);
            *shapes.entry(shape).or_default() += values;

            let Some(field) = directory.strip_prefix("payload_index/").and_then(|name| name.split('-').nth(1)) else {
                continue;
            };
            let mut reader = store.reader();
            for (row, payload) in &payloads {
                if let Some(expected) = expected_index_value(field, payload) {
                    assert_eq!(
                        reader.value(u64::from(*row)).unwrap(),
                        Some(&expected[..]),
                        "{name}: {directory} {row}"
                    );
                    *compared.entry(field.to_owned()).or_default() += 1;
                }
            }
        }
    });
    let shapes: Vec<_> = shapes.keys().map(String::as_str).collect();
    let expected = [
        r#"map "None" 16"#,
        r#"map "None" 8"#,
        r#"numeric "None" 8"#,
        r#"payload_storage "LZ4" 128"#,
        r#"store "None" 128"#,
        r#"text "None" 128"#,
    ];
    assert_eq!(shapes, expected);
    for field in ["doc", "loc", "price", "rank", "topic"] {
        assert!(compared.get(field).is_some_and(|rows| *rows > 10), "{field}: {compared:?}");
    }
}
