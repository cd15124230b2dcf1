//! Snapshots whose bytes are a backup already: what is recorded of them, and what happens when they only look so.

use std::fs;

use sha2::{Digest, Sha256};
use vectar::{BackupRecord, CancelToken, IngestOptions, IngestOutcome, Silent, Source, ingest::DigestTime};
use vectar_tar::{CatalogueRow, RowRole, SplitOptions, catalogue};
use vectar_testkit::fixtures::snapshots;

use crate::scene::{Scene, every_snapshot, sha256, stored};

/// No SHA-256 of anything here: whoever records it has not computed it.
const MADE_UP: [u8; 32] = [7; 32];

/// The longest of them, copied to where no checksum lies beside it.
fn longest() -> Vec<u8> {
    let snapshots = every_snapshot();
    let longest = snapshots.iter().max_by_key(|snapshot| snapshot.bytes).unwrap();
    fs::read(&longest.path).unwrap()
}

fn made_up() -> String {
    MADE_UP.map(|byte| format!("{byte:02x}")).concat()
}

/// Stores a file while every known record claims a digest that nobody computed.
fn store_beside_made_up(scene: &Scene, name: &str, bytes: &[u8], options: &IngestOptions) -> IngestOutcome {
    let known: Vec<BackupRecord> =
        scene.records().into_iter().map(|record| BackupRecord { sha256: Some(made_up()), ..record }).collect();
    let source = Source::file(&scene.write(name, bytes)).unwrap();
    vectar::ingest(&scene.engine, source, options, &known, &Silent, &CancelToken::default()).unwrap()
}

fn bodies(bytes: &[u8]) -> Vec<CatalogueRow> {
    let rows = catalogue(bytes, &SplitOptions::default()).unwrap().rows;
    rows.into_iter().filter(|row| row.role == RowRole::Leaf { complete: true } && row.len > 0).collect()
}

#[test]
fn an_unchanged_snapshot_takes_its_digest_over_and_costs_nothing() {
    for snapshot in snapshots() {
        let (scene, bytes) = (Scene::new(), fs::read(&snapshot.path).unwrap());
        let first = scene.ingest(&scene.write("first.snapshot", &bytes));
        let again = scene.ingest(&scene.write("again.snapshot", &bytes));
        assert_ne!(first.record.id, again.record.id);
        assert_eq!(first.record.root, again.record.root, "{}", snapshot.name);
        assert_eq!((again.record.space.new_chunks, again.record.space.new_pack_bytes), (0, 0), "{}", snapshot.name);
        assert_eq!(again.record.space.chunks, first.record.space.chunks);
        let of_classes = |record: &BackupRecord| record.space.classes.values().map(|class| class.bytes).sum::<u64>();
        assert_eq!(of_classes(&again.record), bytes.len() as u64, "{}: the classes tile the snapshot", snapshot.name);
        scene.assert_comes_back(&again.record, &bytes);
        assert_eq!(again.record.subject.shards, first.record.subject.shards);
        // And it is not computed for that: the digest of the record is taken, whatever it is.
        let IngestOutcome::Stored(third) =
            store_beside_made_up(&scene, "third.snapshot", &bytes, &IngestOptions::default())
        else {
            panic!("another name is another backup")
        };
        assert_eq!(third.record.sha256, Some(made_up()), "{}", snapshot.name);
    }
}

/// A rehearsal says the same and writes nothing; without a digest of its own wanted it is taken all the same, because it is free.
#[test]
fn a_rehearsal_and_a_late_digest_take_it_over_too() {
    let (scene, bytes) = (Scene::new(), longest());
    scene.ingest(&scene.write("first.snapshot", &bytes));
    let before = scene.objects();
    let rehearsing = IngestOptions { dry_run: true, ..IngestOptions::default() };
    let IngestOutcome::Rehearsed(rehearsal) = store_beside_made_up(&scene, "other.snapshot", &bytes, &rehearsing)
    else {
        panic!("nothing is stored in a rehearsal")
    };
    assert_eq!((rehearsal.bytes, rehearsal.new_bytes), (bytes.len() as u64, 0));
    assert_eq!(rehearsal.sha256, Some(made_up()));
    assert_eq!(scene.objects(), before);
    let later = IngestOptions { digest: DigestTime::Later, ..IngestOptions::default() };
    let source = Source::file(&scene.write("other.snapshot", &bytes)).unwrap();
    assert_eq!(stored(scene.try_ingest(source, &later).unwrap()).record.sha256, Some(sha256(&bytes)));
}

/// Where a record is not trusted, one word has the digest computed; a backup that was stored damaged is never believed.
#[test]
fn a_digest_that_is_asked_for_is_computed() {
    let (scene, bytes) = (Scene::new(), longest());
    scene.ingest(&scene.write("first.snapshot", &bytes));
    let now = IngestOptions { digest: DigestTime::Now, ..IngestOptions::default() };
    for name in ["first.snapshot", "second.snapshot"] {
        let record = stored(store_beside_made_up(&scene, name, &bytes, &now)).record;
        assert_eq!(record.sha256, Some(sha256(&bytes)), "{name}");
        scene.assert_comes_back(&record, &bytes);
    }
    let of_damaged = |record: BackupRecord| BackupRecord {
        sha256: Some(made_up()),
        damaged: Some("its checksum file says otherwise".to_owned()),
        ..record
    };
    let known: Vec<BackupRecord> = scene.records().into_iter().map(of_damaged).collect();
    let source = Source::file(&scene.write("third.snapshot", &bytes)).unwrap();
    let options = IngestOptions::default();
    let outcome = vectar::ingest(&scene.engine, source, &options, &known, &Silent, &CancelToken::default()).unwrap();
    assert_eq!(stored(outcome).record.sha256, Some(sha256(&bytes)));
}

/// What is no tar is one body, whose length no header says; garbage behind a tar is one too.
#[test]
fn what_is_no_tar_is_told_too() {
    let noise: Vec<u8> = (0..300_000_u32).map(|place| (place.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let trailed = [longest(), noise.clone()].concat();
    for (what, bytes) in [("no tar", noise), ("garbage behind", trailed)] {
        let scene = Scene::new();
        scene.ingest(&scene.write("first.snapshot", &bytes));
        let again = store_beside_made_up(&scene, "again.snapshot", &bytes, &IngestOptions::default());
        assert_eq!(stored(again).record.sha256, Some(made_up()), "{what}");
        let mut other = bytes.clone();
        other[bytes.len() - 1000] ^= 1;
        let other_record =
            stored(store_beside_made_up(&scene, "other.snapshot", &other, &IngestOptions::default())).record;
        scene.assert_comes_back(&other_record, &other);
        // Without a digest of its own wanted, known bodies are passed over as well.
        let later = IngestOptions { digest: DigestTime::Later, ..IngestOptions::default() };
        let none_known = |name: &str| {
            let source = Source::file(&scene.write(name, &bytes)).unwrap();
            stored(vectar::ingest(&scene.engine, source, &later, &[], &Silent, &CancelToken::default()).unwrap())
        };
        let record = none_known("later.snapshot").record;
        assert_eq!((record.bytes, record.sha256.clone()), (bytes.len() as u64, None), "{what}");
        assert!(scene.rebuilt(&record) == bytes, "{what}");
    }
}

/// On top of a series too, where short bodies were put together from rows that were moved.
#[test]
fn snapshots_of_a_series_are_told_too() {
    for series in ["notes", "catalog"] {
        let scene = Scene::new();
        let snapshots: Vec<_> = snapshots().into_iter().filter(|snapshot| snapshot.series == series).collect();
        assert!(snapshots.len() >= 3);
        let options = IngestOptions { collection: Some(series.to_owned()), ..IngestOptions::default() };
        for snapshot in &snapshots {
            let bytes = fs::read(&snapshot.path).unwrap();
            let path = scene.write(&format!("{}.snapshot", snapshot.name), &bytes);
            scene.ingest_with(Source::file(&path).unwrap(), &options);
            let again = format!("{}-again.snapshot", snapshot.name);
            let record = stored(store_beside_made_up(&scene, &again, &bytes, &options)).record;
            assert_eq!(record.sha256, Some(made_up()), "{series}/{}", snapshot.name);
            assert!(scene.rebuilt_whatever_its_digest(&record) == bytes);
        }
    }
}

#[test]
fn the_same_file_again_is_told_by_its_recipe() {
    let (scene, bytes) = (Scene::new(), longest());
    let first = scene.ingest(&scene.write("s.snapshot", &bytes));
    let before = scene.objects();
    let outcome = store_beside_made_up(&scene, "s.snapshot", &bytes, &IngestOptions::default());
    let IngestOutcome::AlreadyStored(record) = outcome else { panic!("{outcome:?}") };
    assert_eq!(record.id, first.record.id);
    assert_eq!(scene.objects(), before);
}

/// One byte of another value, anywhere: in a long body, in a short one, in what fills its last block.
#[test]
fn what_only_looks_unchanged_gets_a_digest_of_its_own() {
    let (scene, bytes) = (Scene::new(), longest());
    scene.ingest(&scene.write("first.snapshot", &bytes));
    let bodies = bodies(&bytes);
    let long = bodies.iter().max_by_key(|row| row.len).unwrap();
    assert!(long.len >= 64 * 1024, "{}", long.len);
    let short = bodies.iter().filter(|row| row.len < 64 * 1024).max_by_key(|row| row.len).unwrap();
    let padded = bodies.iter().find(|row| row.len % 512 != 0).unwrap();
    let places = [
        ("a long body", long.head.offset + long.len / 2),
        ("a short body", short.head.offset + short.len / 2),
        ("what fills a block", padded.head.offset + padded.len),
    ];
    for (number, (what, place)) in places.into_iter().enumerate() {
        let mut changed = bytes.clone();
        changed[usize::try_from(place).unwrap()] ^= 1;
        let outcome = store_beside_made_up(&scene, &format!("{number}.snapshot"), &changed, &IngestOptions::default());
        let record = stored(outcome).record;
        assert_eq!(record.sha256, Some(sha256(&changed)), "{what}");
        scene.assert_comes_back(&record, &changed);
    }
}

/// A backup of which a pack is gone proves nothing: the file is read and stored like a new one.
#[test]
fn a_hurt_backup_is_not_taken_for_the_bytes() {
    let (scene, bytes) = (Scene::new(), longest());
    scene.ingest(&scene.write("first.snapshot", &bytes));
    let packs: Vec<String> = scene.objects().into_keys().filter(|key| key.starts_with("packs/")).collect();
    assert!(!packs.is_empty());
    for pack in packs {
        fs::remove_file(scene.root().join(pack)).unwrap();
    }
    let engine = scene.another_engine();
    let known: Vec<BackupRecord> =
        scene.records().into_iter().map(|record| BackupRecord { sha256: Some(made_up()), ..record }).collect();
    let source = Source::file(&scene.write("second.snapshot", &bytes)).unwrap();
    let outcome =
        vectar::ingest(&engine, source, &IngestOptions::default(), &known, &Silent, &CancelToken::default()).unwrap();
    let record = stored(outcome).record;
    assert_eq!(record.sha256, Some(sha256(&bytes)));
    assert!(record.space.new_chunks > 0);
    let digest: [u8; 32] = Sha256::digest(crate::scene::rebuilt_by(&engine, &record).unwrap().1).into();
    assert_eq!(digest, <[u8; 32]>::from(Sha256::digest(&bytes)));
}
