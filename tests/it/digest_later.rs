//! Snapshots that are stored without their SHA-256, which whoever rebuilds them first records.

use std::{collections::BTreeMap, fs};

use vectar::{
    BackupRecord, Committed, ErrorKind, IngestOptions, IngestOutcome, Source, ingest::DigestTime, verify::verify_backup,
};
use vectar::{CancelToken, Silent};

use crate::scene::{Scene, every_snapshot, rebuilt_by, sha256};
use vectar_tar::RowRole;
use vectar_testkit::fixtures::snapshots;

fn later() -> IngestOptions {
    IngestOptions { collection: Some("same".to_owned()), digest: DigestTime::Later, ..IngestOptions::default() }
}

/// Stores a copy of the bytes beside which no checksum lies.
fn store(scene: &Scene, name: &str, bytes: &[u8]) -> Committed {
    scene.ingest_with(Source::file(&scene.write(name, bytes)).unwrap(), &later())
}

fn current(scene: &Scene, of: &BackupRecord) -> BackupRecord {
    scene.records().into_iter().find(|record| record.id == of.id).unwrap()
}

/// New, unchanged under another name, and among changed ones; with rows shared and without.
#[test]
fn every_real_snapshot_comes_back_without_a_digest_too() {
    let mut by_series: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for snapshot in snapshots() {
        by_series.entry(snapshot.series.clone()).or_default().push(snapshot);
    }
    assert!(by_series.len() >= 3);
    for (series, snapshots) in by_series {
        let scene = Scene::new();
        for snapshot in snapshots {
            let label = format!("{series}/{}", snapshot.name);
            let bytes = fs::read(&snapshot.path).unwrap();
            let first = store(&scene, &format!("{}.snapshot", snapshot.name), &bytes);
            let again = store(&scene, &format!("{}-again.snapshot", snapshot.name), &bytes);
            assert_eq!((&first.record.sha256, &again.record.sha256), (&None, &None), "{label}");
            // A small body that was put together from rows is cut as a whole the second time.
            assert!(again.record.space.new_chunks <= 2, "{label}: {:?}", again.record.space);
            let classes: u64 = again.record.space.classes.values().map(|class| class.bytes).sum();
            assert_eq!(classes, snapshot.bytes, "{label}: the classes tile the snapshot");
            for committed in [first, again] {
                let (rebuilt, bytes_back) = rebuilt_by(&scene.engine, &committed.record).unwrap();
                assert!(bytes_back == bytes, "{label}");
                assert_eq!(rebuilt.sha256, snapshot.sha256, "{label}: the server's own digest");
                let now = current(&scene, &committed.record);
                assert_eq!(now.sha256.as_ref(), Some(&snapshot.sha256), "{label}: whoever needs it first records it");
                assert!(now.requires.is_empty(), "{label}");
                assert_eq!(now.stored_at, committed.record.stored_at);
            }
        }
    }
}

/// The same file under the same name is one backup, though no digest tells.
#[test]
fn the_same_file_again_is_no_second_backup() {
    let scene = Scene::new();
    let bytes = fs::read(&every_snapshot()[0].path).unwrap();
    let first = store(&scene, "s.snapshot", &bytes);
    // The digest is recorded with the first ingest that takes it, and from then on it is what tells.
    let digest_of = Some(sha256(&bytes));
    for (digest, recorded) in
        [(DigestTime::Later, None), (DigestTime::Now, digest_of.clone()), (DigestTime::Later, digest_of)]
    {
        let source = Source::file(&scene.file("s.snapshot")).unwrap();
        let outcome = scene.try_ingest(source, &IngestOptions { digest, ..later() }).unwrap();
        let IngestOutcome::AlreadyStored(record) = outcome else { panic!("{outcome:?}") };
        assert_eq!((record.id, &record.sha256), (first.record.id, &recorded));
        let kept = current(&scene, &first.record);
        assert_eq!((kept.seq, kept.sha256), (u32::from(recorded.is_some()), recorded));
    }
    assert_eq!(scene.records().len(), 1);
    // One byte of a file in it is another.
    let rows = vectar_tar::catalogue(&bytes[..], &vectar_tar::SplitOptions::default()).unwrap().rows;
    let leaves = rows.iter().filter(|row| row.role == RowRole::Leaf { complete: true });
    let longest = leaves.max_by_key(|row| row.len).unwrap();
    let mut other = bytes.clone();
    other[(longest.head.offset + longest.len / 2) as usize] ^= 1;
    let changed = scene.write("s.snapshot", &other);
    let stored = scene.ingest_with(Source::file(&changed).unwrap(), &later());
    assert_ne!(stored.record.id, first.record.id);
    assert!(rebuilt_by(&scene.engine, &stored.record).unwrap().1 == other);
}

/// Where there is something to compare with, it is compared before anything is stored.
#[test]
fn a_checksum_beside_the_file_is_compared_all_the_same() {
    let scene = Scene::new();
    let bytes = fs::read(&every_snapshot()[0].path).unwrap();
    let path = scene.write("s.snapshot", &bytes);
    scene.write("s.snapshot.checksum", "0".repeat(64).as_bytes());
    let error = scene.try_ingest(Source::file(&path).unwrap(), &later()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FixInput, "{error}");
    scene.write("s.snapshot.checksum", sha256(&bytes).as_bytes());
    let stored = scene.ingest_with(Source::file(&path).unwrap(), &later());
    assert_eq!(stored.record.sha256, Some(sha256(&bytes)), "it is known, so it is recorded");
}

/// A digest that was recorded late is compared from then on.
#[test]
fn a_late_digest_is_compared_with_the_next_time() {
    let scene = Scene::new();
    let bytes = fs::read(&every_snapshot()[0].path).unwrap();
    let stored = store(&scene, "s.snapshot", &bytes);
    verify_backup(&scene.engine, &stored.record, &Silent, &CancelToken::default()).unwrap();
    let known = current(&scene, &stored.record);
    assert_eq!((known.seq, known.sha256.clone()), (1, Some(sha256(&bytes))));
    let wrong = BackupRecord { sha256: Some("0".repeat(64)), ..known };
    let error = verify_backup(&scene.engine, &wrong, &Silent, &CancelToken::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RepositoryDamaged, "{error}");
}
