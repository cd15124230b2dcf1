//! `ingest` then `restore` is the identity, for every snapshot a real server made that we have.

use std::{collections::BTreeMap, fs};

use vectar::{CancelToken, Content, IngestOptions, ReadAt, RestoreOptions, Silent, Source, restore_to_file};
use vectar_testkit::fixtures::{FixtureSnapshot, shared_series, snapshots};

use crate::{
    random::Random,
    scene::{Scene, every_snapshot, first_difference, sha256},
};

/// Each as a file and as a stream, whose bodies are labelled before their configuration is known.
#[test]
fn every_real_snapshot_comes_back_byte_for_byte() {
    let mut by_series: BTreeMap<String, Vec<FixtureSnapshot>> = BTreeMap::new();
    for snapshot in every_snapshot() {
        by_series.entry(snapshot.series.clone()).or_default().push(snapshot);
    }
    for series in ["notes", "catalog", "kinds"] {
        assert!(
            by_series.get(series).is_some_and(|snapshots| snapshots.len() >= 4),
            "the fixtures hold the series {series}"
        );
    }
    for (series, snapshots) in by_series {
        let scene = Scene::new();
        for snapshot in snapshots {
            let label = format!("{series}/{}", snapshot.name);
            let expected = fs::read(&snapshot.path).unwrap();
            let from_file = scene.ingest(&snapshot.path);
            let from_stream = scene.ingest_stream("streamed.snapshot", expected.clone(), &IngestOptions::default());
            for committed in [from_file, from_stream] {
                assert_eq!(
                    committed.record.sha256.as_ref(),
                    Some(&snapshot.sha256),
                    "{label}: the server's own digest"
                );
                assert_eq!(committed.record.damaged, None, "{label}");
                let classes: u64 = committed.record.space.classes.values().map(|class| class.bytes).sum();
                assert_eq!(classes, snapshot.bytes, "{label}: the classes tile the snapshot");
                scene.assert_comes_back(&committed.record, &expected);
            }
        }
    }
}

#[test]
fn a_restored_file_has_its_checksum_beside_it_as_qdrant_writes_it() {
    let scene = Scene::new();
    for snapshot in snapshots() {
        let record = scene.ingest(&snapshot.path).record;
        let path = scene.file(&format!("{}-{}.snapshot", snapshot.series, snapshot.name));
        let restored = restore_to_file(
            &scene.engine,
            &record,
            &path,
            &RestoreOptions::default(),
            &Silent,
            &CancelToken::default(),
        )
        .unwrap();
        let found = fs::read(&path).unwrap();
        let expected = fs::read(&snapshot.path).unwrap();
        assert!(found == expected, "{}: {}", path.display(), first_difference(&found, &expected));
        let sidecar = restored.sidecar.unwrap();
        assert_eq!(sidecar, path.with_file_name(format!("{}-{}.snapshot.checksum", snapshot.series, snapshot.name)));
        assert_eq!(fs::read_to_string(sidecar).unwrap(), snapshot.sha256);
    }
}

/// What is restored goes in again, its sidecar compared, and costs next to nothing.
#[test]
fn a_restored_file_is_known_when_it_is_ingested_again() {
    let scene = Scene::new();
    let snapshot = &snapshots()[0];
    let first = scene.ingest(&snapshot.path).record;
    let path = scene.file("again.snapshot");
    restore_to_file(&scene.engine, &first, &path, &RestoreOptions::default(), &Silent, &CancelToken::default())
        .unwrap();
    let second = scene.ingest(&path);
    assert_eq!(second.record.root, first.root);
    assert!(second.new_bytes <= 16 * 1024, "{} bytes for what was there", second.new_bytes);
}

#[test]
fn a_backup_reads_like_its_file_at_any_offset() {
    let scene = Scene::new();
    for snapshot in snapshots() {
        let record = scene.ingest(&snapshot.path).record;
        let expected = fs::read(&snapshot.path).unwrap();
        let content = Content::backup(&scene.engine, &record);
        assert_eq!(content.len(), snapshot.bytes);
        let mut random = Random::new(snapshot.bytes);
        for round in 0..300 {
            let offset = random.below(snapshot.bytes) as usize;
            let longest = if round % 10 == 0 { 1 << 20 } else { 4096 };
            let mut buffer = vec![0xa5; random.below(longest) as usize];
            let count = content.read_at(offset as u64, &mut buffer).unwrap();
            assert_eq!(count, buffer.len().min(expected.len() - offset), "a read is short only at the end");
            assert!(buffer[..count] == expected[offset..offset + count], "{}: {offset}+{count}", snapshot.name);
        }
        for beyond in [snapshot.bytes, snapshot.bytes + 1, u64::MAX] {
            assert_eq!(content.read_at(beyond, &mut [0; 16]).unwrap(), 0, "nothing lies at {beyond}");
        }
    }
}

#[test]
fn a_backup_lists_and_describes_itself_as_its_file_does() {
    let scene = Scene::new();
    let mut all = snapshots();
    all.extend(shared_series("kinds").unwrap_or_default());
    for snapshot in all {
        let record = scene.ingest(&snapshot.path).record;
        let (of_file, rows_of_file) = Content::file(&snapshot.path).unwrap().outline().unwrap();
        let (of_backup, rows_of_backup) = Content::backup(&scene.engine, &record).outline().unwrap();
        assert_eq!(rows_of_file, rows_of_backup, "{}/{}", snapshot.series, snapshot.name);
        assert_eq!(format!("{of_file:#?}"), format!("{of_backup:#?}"), "{}/{}", snapshot.series, snapshot.name);
        assert_eq!(record.subject.kind, of_file.kind.as_str());
    }
}

#[test]
fn an_entry_of_a_backup_is_that_of_the_file() {
    let scene = Scene::new();
    let snapshot = &snapshots()[0];
    let record = scene.ingest(&snapshot.path).record;
    let (file, backup) = (Content::file(&snapshot.path).unwrap(), Content::backup(&scene.engine, &record));
    let mut compared = 0;
    for row in file.catalogue().unwrap().rows {
        let read = |content: &Content<'_>| {
            let mut bytes = Vec::new();
            content
                .read_entry(&row, |piece| {
                    bytes.extend_from_slice(piece);
                    Ok(())
                })
                .unwrap();
            bytes
        };
        let (of_file, of_backup) = (read(&file), read(&backup));
        assert_eq!(of_file.len() as u64, row.len);
        assert_eq!(sha256(&of_file), sha256(&of_backup), "{}", row.head.path);
        compared += 1;
    }
    assert!(compared > 20, "{compared} entries");
}

#[test]
fn the_same_bytes_under_the_same_name_are_stored_once() {
    let scene = Scene::new();
    let snapshot = &snapshots()[0];
    let first = scene.ingest(&snapshot.path).record;
    let before = scene.objects();
    let outcome = scene.try_ingest(Source::file(&snapshot.path).unwrap(), &IngestOptions::default()).unwrap();
    let vectar::IngestOutcome::AlreadyStored(record) = outcome else { panic!("stored twice: {outcome:?}") };
    assert_eq!(*record, first);
    assert_eq!(scene.objects(), before);
}
