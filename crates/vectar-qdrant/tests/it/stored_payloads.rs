//! Payloads as they are stored, and parts of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use vectar_qdrant::storage::{
    LivePoint, LivePoints, OwnerFiles, PayloadStorage, Segment, SegmentStores, SnapshotFiles, Wanted, WantedVectors,
};
use vectar_qdrant::{Filter, FilterSubject, SegmentState};
use vectar_testkit::corpus::{CorpusOptions, write_snapshot};

use crate::support::Snapshot;

/// One block for each value, in a page of 64 of them.
fn payloads(values: &[&str], is_lz4: bool) -> BTreeMap<String, Vec<u8>> {
    let compression = if is_lz4 { "LZ4" } else { "None" };
    let config = format!(
        r#"{{"page_size_bytes":8192,"block_size_bytes":128,"region_size_blocks":64,"compression":"{compression}"}}"#
    );
    let mut tracker = (values.len() as u32).to_le_bytes().to_vec();
    let mut page = vec![0; 8192];
    for (row, value) in (0_u32..).zip(values) {
        let stored = match is_lz4 {
            true => lz4_flex::block::compress_prepend_size(value.as_bytes()),
            false => value.as_bytes().to_vec(),
        };
        let start = row as usize * 128;
        page[start..start + stored.len()].copy_from_slice(&stored);
        tracker.extend([1, 0, row, stored.len() as u32].map(u32::to_le_bytes).concat());
    }
    [("config.json", config.into_bytes()), ("tracker.dat", tracker), ("page_0.dat", page)]
        .map(|(name, bytes)| (format!("payload_storage/{name}"), bytes))
        .into()
}

#[test]
fn payloads_that_are_stored_alike_are_equal() {
    let one = [r#"{"a":1,"b":[2,{}]}"#, "{}", r#"{"a":1}"#];
    let other = [r#"{"a":1,"b":[2,{}]}"#, "{}", r#"{"a":2}"#];
    let state = SegmentState::default();
    for (lz4, other_lz4) in [(true, true), (true, false), (false, false)] {
        let (files, other_files) = (payloads(&one, lz4), payloads(&other, other_lz4));
        let storage = PayloadStorage::open(&files, &state).unwrap();
        let other_storage = PayloadStorage::open(&other_files, &state).unwrap();
        let (mut reader, mut other_reader) = (storage.reader(), other_storage.reader());
        let mut same = |row| reader.stored(row).unwrap() == other_reader.stored(row).unwrap();
        // The same bytes mean the same only where they are compressed alike; row 9 has no payload.
        let alike = lz4 == other_lz4;
        assert_eq!([0, 1, 2, 9].map(&mut same), [alike, alike, false, alike]);
        for row in [0, 1, 2, 9] {
            let equal = storage.reader().json(row).unwrap() == other_storage.reader().json(row).unwrap();
            assert!(equal || !same(row), "row {row}");
        }
    }
}

/// The segments of the only shard.
fn segments<'s>(files: &'s SnapshotFiles<'s, Vec<u8>>) -> Vec<OwnerFiles<'s, 's, Vec<u8>>> {
    files.owners().filter(|owner| owner.segment.is_some()).map(|owner| files.files(owner)).collect()
}

fn stores<'s>(segments: &[Segment<'s>]) -> Vec<SegmentStores<'s>> {
    let wanted = Wanted { payload: true, vectors: WantedVectors::All };
    segments.iter().map(|segment| segment.stores(&wanted).unwrap()).collect()
}

fn live(segments: &[Segment<'_>]) -> BTreeMap<vectar_qdrant::PointId, LivePoint> {
    let points = LivePoints::new(segments.iter().map(Segment::tracker)).unwrap();
    points.map(|point| point.unwrap()).map(|point| (point.id, point)).collect()
}

fn generation(options: &CorpusOptions, generation: u32) -> Snapshot {
    let mut bytes = Vec::new();
    write_snapshot(options, generation, &mut bytes).unwrap();
    Snapshot::of(bytes)
}

#[test]
fn filters_see_all_they_ask_for_in_the_members_they_name() {
    let filters = [
        (
            r#"{"must":[{"key":"nested.a.b","range":{"gte":20}}],"must_not":[{"is_empty":{"key":"reviewed"}}]}"#,
            "nested reviewed",
        ),
        (r#"{"should":[{"key":"tags","values_count":{"gt":1}},{"is_null":{"key":"nested.none"}}]}"#, "nested tags"),
        (r#"{"must":[{"must_not":[{"key":"title","match":{"text":"a"}}]},{"has_id":[1]}]}"#, "title"),
        (
            r#"{"must":[{"nested":{"key":"nested.empty","filter":{"must":[{"key":"text","match":{"value":"x"}}]}}}]}"#,
            "nested",
        ),
        (r#"{"min_should":{"conditions":[{"key":"topic","match":{"except":["x"]}}],"min_count":1}}"#, "topic"),
        (r#"{"must":[{"has_vector":""}]}"#, ""),
    ];
    let options = CorpusOptions { points: 100, dimensions: 4, ..CorpusOptions::default() };
    let snapshot = generation(&options, 3);
    let files = SnapshotFiles::new(&snapshot.bytes, &snapshot.catalogue);
    let owned = segments(&files);
    let opened: Vec<Segment<'_>> = owned.iter().map(|files| Segment::open(files).unwrap()).collect();
    let stores = stores(&opened);
    for (filter, keys) in filters {
        let filter = Filter::parse(filter.as_bytes()).unwrap();
        assert_eq!(filter.needs_id(), keys == "title", "only one of them has has_id");
        assert_eq!(filter.payload_keys(), keys.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>());
        for point in live(&opened).values() {
            let mut reader = stores[point.segment].reader();
            let whole = reader.payload(point.row).unwrap();
            let members = reader.payload_members(point.row, &filter.payload_keys()).unwrap();
            let named = |(key, _): &(&String, &Value)| filter.payload_keys().contains(*key);
            let expected: Map<String, Value> =
                whole.iter().filter(named).map(|(k, v)| (k.clone(), v.clone())).collect();
            assert_eq!(members, expected);
            let matches = |payload| filter.matches(&FilterSubject { id: &point.id, payload, has_vector: &|_| true });
            assert_eq!(matches(&members), matches(&whole), "{}", point.id);
        }
    }
}
