//! What a record says about its snapshot, golden for each kind that the fixtures hold.

use std::{fs, sync::Arc};

use expect_test::{Expect, expect};
use vectar::{IngestOptions, Repository, Source, SystemEnvironment};
use vectar_backend::LocalBackend;
use vectar_testkit::{
    backend::{Operation, RecordingBackend},
    fixtures::truth,
};

use crate::scene::{Scene, fixture};

/// Stores a fixture under the name and in the directory a server gives it, and compares what its record says.
fn check(series: &str, name: &str, place: &str, options: &IngestOptions, expected: Expect) {
    let scene = Scene::new();
    let bytes = fs::read(fixture(series, name).path).unwrap();
    let path = scene.write(place, &bytes);
    let record = scene.ingest_with(Source::file(&path).unwrap(), options).record;
    let mut subject = record.subject.clone();
    let source = subject.source.take().expect("a file has a path");
    assert!(source.ends_with(place), "{source}");
    if subject.taken_at_from.as_deref() == Some("mtime") {
        // When the fixture was unpacked, which is another time everywhere.
        subject.taken_at = None;
    }
    let mut text = serde_json::to_string_pretty(&subject).unwrap();
    for (class, space) in &record.space.classes {
        text.push_str(&format!("\n{class}: {} bytes", space.bytes));
    }
    text.push('\n');
    expected.assert_eq(&text);
}

/// The name the server gave the snapshot, as its truth tells.
fn server_name(kind: &str) -> String {
    truth(&fixture("kinds", "full"))[kind]["server_name"].as_str().unwrap().to_owned()
}

#[test]
fn a_collection_snapshot() {
    let place = "snapshots/notes/notes-4831547486316841-2026-11-20-16-24-19.snapshot";
    check(
        "notes",
        "00-base",
        place,
        &IngestOptions::default(),
        expect![[r#"
        {
          "name": "notes-4831547486316841-2026-11-20-16-24-19.snapshot",
          "kind": "collection",
          "levels": 2,
          "collection": "notes",
          "collection_from": "name",
          "peer_id": 4831547486316841,
          "shards": [
            {
              "id": 0,
              "replicas": {
                "4831547486316841": "Active"
              },
              "segments": [
                "bcba9e12-2162-4e73-bd77-95458a953779",
                "f95147e6-895e-4aff-b0d5-32d609876bd6"
              ]
            }
          ],
          "qdrant_at_least": "1.17.0",
          "taken_at": "2026-11-20T16:24:19Z",
          "taken_at_from": "name"
        }
        block-pages: 269704 bytes
        dense-rows: 155648 bytes
        framing: 65882 bytes
        logs: 352256 bytes
        rebuilt: 154444 bytes
        small-json: 3538 bytes
    "#]],
    );
}

#[test]
fn a_collection_snapshot_under_a_name_of_its_owners() {
    check(
        "notes",
        "00-base",
        "backup/base.snapshot",
        &IngestOptions::default(),
        expect![[r#"
        {
          "name": "base.snapshot",
          "kind": "collection",
          "levels": 2,
          "collection": "backup",
          "collection_from": "directory",
          "peer_id": 4831547486316841,
          "shards": [
            {
              "id": 0,
              "replicas": {
                "4831547486316841": "Active"
              },
              "segments": [
                "bcba9e12-2162-4e73-bd77-95458a953779",
                "f95147e6-895e-4aff-b0d5-32d609876bd6"
              ]
            }
          ],
          "qdrant_at_least": "1.17.0",
          "taken_at_from": "mtime"
        }
        block-pages: 269704 bytes
        dense-rows: 155648 bytes
        framing: 65882 bytes
        logs: 352256 bytes
        rebuilt: 154444 bytes
        small-json: 3538 bytes
    "#]],
    );
}

#[test]
fn a_full_snapshot() {
    let place = format!("snapshots/{}", server_name("full"));
    check(
        "kinds",
        "full",
        &place,
        &IngestOptions::default(),
        expect![[r#"
        {
          "name": "full-snapshot-2026-11-20-16-24-36.snapshot",
          "kind": "full",
          "levels": 3,
          "peer_id": 4831547486316841,
          "contains": {
            "catalog": "catalog-4831547486316841-2026-11-20-16-24-36.snapshot",
            "notes": "notes-4831547486316841-2026-11-20-16-24-36.snapshot"
          },
          "qdrant_at_least": "1.17.0",
          "taken_at": "2026-11-20T16:24:36Z",
          "taken_at_from": "name"
        }
        block-pages: 878464 bytes
        dense-rows: 386636 bytes
        framing: 375350 bytes
        logs: 929792 bytes
        rebuilt: 477912 bytes
        small-json: 19750 bytes
    "#]],
    );
}

#[test]
fn a_shard_snapshot() {
    let place = format!("snapshots/notes/shards/0/{}", server_name("shard"));
    check(
        "kinds",
        "shard",
        &place,
        &IngestOptions::default(),
        expect![[r#"
        {
          "name": "notes-shard-0-2026-11-20-16-24-36.snapshot",
          "kind": "shard",
          "levels": 2,
          "collection": "notes",
          "collection_from": "name",
          "peer_id": 4831547486316841,
          "shards": [
            {
              "id": 0,
              "replicas": {
                "4831547486316841": "Active"
              },
              "segments": [
                "bcba9e12-2162-4e73-bd77-95458a953779",
                "0be900ab-8d04-45cc-8a66-b7c8d35cd8fb"
              ]
            }
          ],
          "qdrant_at_least": "1.17.0",
          "taken_at": "2026-11-20T16:24:36Z",
          "taken_at_from": "name"
        }
        block-pages: 263920 bytes
        dense-rows: 118784 bytes
        framing: 66558 bytes
        logs: 4096 bytes
        rebuilt: 107005 bytes
        small-json: 2837 bytes
    "#]],
    );
}

#[test]
fn a_streamed_shard_snapshot() {
    check(
        "kinds",
        "shard-streamed",
        "notes/shards/0/s.snapshot",
        &IngestOptions::default(),
        expect![[r#"
        {
          "name": "s.snapshot",
          "kind": "shard-streamed",
          "levels": 1,
          "collection": "notes",
          "collection_from": "directory",
          "peer_id": 4831547486316841,
          "shards": [
            {
              "id": 0,
              "replicas": {
                "4831547486316841": "Active"
              },
              "segments": [
                "bcba9e12-2162-4e73-bd77-95458a953779",
                "0be900ab-8d04-45cc-8a66-b7c8d35cd8fb"
              ]
            }
          ],
          "qdrant_at_least": "1.17.0",
          "taken_at_from": "mtime"
        }
        block-pages: 263920 bytes
        dense-rows: 118784 bytes
        framing: 111614 bytes
        logs: 4096 bytes
        rebuilt: 107005 bytes
        small-json: 2837 bytes
    "#]],
    );
}

#[test]
fn a_partial_shard_snapshot() {
    check(
        "kinds",
        "shard-partial",
        "notes/shards/7/s.snapshot",
        &IngestOptions::default(),
        expect![[r#"
        {
          "name": "s.snapshot",
          "kind": "shard-partial",
          "levels": 1,
          "collection": "notes",
          "collection_from": "directory",
          "peer_id": 4831547486316841,
          "shards": [
            {
              "id": 7,
              "replicas": {
                "4831547486316841": "Active"
              },
              "segments": [
                "bcba9e12-2162-4e73-bd77-95458a953779",
                "0be900ab-8d04-45cc-8a66-b7c8d35cd8fb"
              ]
            }
          ],
          "qdrant_at_least": "1.17.0",
          "taken_at_from": "mtime"
        }
        block-pages: 87456 bytes
        dense-rows: 16384 bytes
        framing: 59895 bytes
        logs: 4096 bytes
        rebuilt: 1030 bytes
        small-json: 6243 bytes
    "#]],
    );
}

#[test]
fn a_snapshot_of_an_empty_collection_with_everything_told() {
    let options = IngestOptions {
        collection: Some("void".to_owned()),
        cluster: Some("main".to_owned()),
        node: Some("qdrant-0".to_owned()),
        set: Some("nightly".to_owned()),
        ..IngestOptions::default()
    };
    let place = format!("snapshots/empty/{}", server_name("empty"));
    check(
        "kinds",
        "empty",
        &place,
        &options,
        expect![[r#"
        {
          "name": "empty-4831547486316841-2026-11-20-16-24-40.snapshot",
          "kind": "collection",
          "levels": 2,
          "collection": "void",
          "collection_from": "option",
          "cluster": "main",
          "node": "qdrant-0",
          "peer_id": 4831547486316841,
          "set": "nightly",
          "shards": [
            {
              "id": 0,
              "replicas": {
                "4831547486316841": "Active"
              },
              "segments": [
                "e63350b2-656f-4ebb-8f45-a9f2be7b3ec5",
                "a168033b-6c45-41ca-8d31-c9ee27465a40"
              ]
            }
          ],
          "qdrant_at_least": "1.15.2",
          "taken_at": "2026-11-20T16:24:40Z",
          "taken_at_from": "name"
        }
        block-pages: 8576 bytes
        framing: 26116 bytes
        logs: 8192 bytes
        small-json: 1660 bytes
    "#]],
    );
}

/// A stream has no directory and no modification time, and learns of row lengths too late for the first bodies.
#[test]
fn a_stream_is_described_like_its_file() {
    let scene = Scene::new();
    let fixture = fixture("kinds", "full");
    let of_file = scene.ingest(&fixture.path).record;
    let bytes = fs::read(&fixture.path).unwrap();
    let of_stream = scene.ingest_stream(&of_file.subject.name, bytes, &IngestOptions::default()).record;
    assert_eq!(of_stream.subject.source.as_deref(), Some("-"));
    assert_eq!(of_stream.subject.taken_at, None);
    let mut expected = of_file.subject.clone();
    (expected.source, expected.taken_at, expected.taken_at_from) = (Some("-".to_owned()), None, None);
    assert_eq!(of_stream.subject, expected);
    let bytes_of = |record: &vectar::BackupRecord| -> Vec<_> {
        record.space.classes.iter().map(|(class, space)| (class.clone(), space.bytes)).collect()
    };
    assert_eq!(bytes_of(&of_stream), bytes_of(&of_file));
}

#[test]
fn tags_and_note_are_kept() {
    let scene = Scene::new();
    let options = IngestOptions {
        tags: vec!["nightly".to_owned(), "eu".to_owned()],
        note: Some("before the upgrade".to_owned()),
        ..IngestOptions::default()
    };
    scene.ingest_with(Source::file(&fixture("kinds", "empty").path).unwrap(), &options);
    let [record] = &scene.records()[..] else { panic!("one backup") };
    assert_eq!((&record.tags, &record.note), (&options.tags, &options.note));
}

/// `list` answers at once on a new machine: one listing, one small read for each record, and nothing of a pack.
#[test]
fn records_are_read_without_an_index_or_a_pack() {
    let scene = Scene::new();
    for name in ["empty", "shard", "full"] {
        scene.ingest(&fixture("kinds", name).path);
    }
    let backend = Arc::new(RecordingBackend::new(LocalBackend::open(scene.root()).unwrap()));
    let repository = Repository::open(backend.clone(), Arc::new(SystemEnvironment)).unwrap();
    backend.take_calls();
    assert_eq!(repository.records().unwrap().backups.len(), 3);
    let calls = backend.take_calls();
    let of_records = calls.iter().filter(|call| call.target.as_ref().is_some_and(|key| key.starts_with("backups/")));
    assert_eq!(of_records.filter(|call| call.operation != Operation::List).count(), 3, "{calls:?}");
    for call in &calls {
        let target = call.target.as_deref().unwrap_or("");
        assert!(!target.starts_with("packs"), "{call:?}");
    }
    assert!(calls.len() <= 3 + 4, "a handful of listings beside the records: {calls:?}");
}
