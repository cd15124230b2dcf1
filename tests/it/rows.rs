//! Rows and values that an optimizer moved are shared below the chunk, and nothing but space depends on it.

use std::collections::HashSet;

use jiff::SignedDuration;
use vectar::{
    BackupRecord, CancelToken, IngestOptions, IngestOutcome, RecipeItem, Silent, Source,
    check::{CheckOptions, Depth, check},
    heal, ingest,
    ingest::RowSharing,
    prune::{MaxUnused, PruneOptions, prune_now},
};
use vectar_repository::{ChunkReader, RecipeWalker};
use vectar_testkit::fixtures::{FixtureSnapshot, series, shared_series};

use crate::scene::{Scene, rebuilt_by, sha256};

fn with(rows: RowSharing) -> IngestOptions {
    IngestOptions { rows, ..IngestOptions::default() }
}

fn off() -> RowSharing {
    RowSharing { on: false, ..on() }
}

fn on() -> RowSharing {
    RowSharing::default()
}

/// Ingests a series; returns the growth of each step, after every backup came back as its snapshot.
fn growth(snapshots: &[FixtureSnapshot], rows: &RowSharing) -> Vec<u64> {
    stored(snapshots, rows).into_iter().map(|(new_bytes, _)| new_bytes).collect()
}

/// As [`growth`], with the records.
fn stored(snapshots: &[FixtureSnapshot], rows: &RowSharing) -> Vec<(u64, BackupRecord)> {
    let scene = Scene::new();
    let store = |snapshot: &FixtureSnapshot| {
        let committed = scene.ingest_with(Source::file(&snapshot.path).unwrap(), &with(rows.clone()));
        (committed.new_bytes, committed.record)
    };
    let stored: Vec<(u64, BackupRecord)> = snapshots.iter().map(store).collect();
    let engine = scene.another_engine();
    for (snapshot, (_, record)) in snapshots.iter().zip(&stored) {
        let bytes = rebuilt_by(&engine, record).unwrap().1;
        assert_eq!(sha256(&bytes), snapshot.sha256, "{} {rows:?}", snapshot.name);
    }
    let options = CheckOptions { depth: Depth::Data, ..CheckOptions::default() };
    assert_eq!(check(engine.repository(), &options, &|_| true).unwrap().findings, []);
    stored
}

/// Chunks of a backup that are copied in part.
fn parts(scene: &Scene, record: &BackupRecord) -> usize {
    let reader = ChunkReader::new(scene.engine.repository(), 1 << 20);
    let mut parts = HashSet::new();
    for placed in RecipeWalker::new(&reader, &record.root, record.bytes, 0).unwrap() {
        if let RecipeItem::Copy { chunk, start, len } = placed.unwrap().extent
            && (start > 0 || (len as usize) < reader.chunk(&chunk).unwrap().len())
        {
            parts.insert(chunk);
        }
    }
    parts.len()
}

/// The bounds for a real collection with UUID ids: after a vacuum no row is new, after a merge only the inserted ones are.
#[test]
fn uuids_grow_by_what_is_new() {
    let Some(snapshots) = shared_series("uuid") else { return };
    let (shared, alone) = (stored(&snapshots, &on()), stored(&snapshots, &off()));
    println!("\n{:<28} {:>12} {:>16}", "uuid", "rows shared", "whole chunks");
    for (snapshot, ((shared, record), (alone, other))) in snapshots.iter().zip(shared.iter().zip(&alone)) {
        println!("{:<28} {shared:>12} {alone:>16}", snapshot.name);
        for (class, space) in &other.space.classes {
            let with_rows = record.space.classes.get(class).map_or(0, |space| space.stored_bytes);
            println!("  {class:<26} {with_rows:>12} {:>16}", space.stored_bytes);
        }
        let bound = match snapshot.name.as_str() {
            name if name.starts_with("04") => 5_700_000,
            name if name.starts_with("05") => 1_050_000,
            // A node more for a body of few extents is all that it may cost where nothing moved.
            _ => alone + alone / 50 + 2048,
        };
        assert!(*shared <= bound, "{} added {shared} bytes, at most {bound} are allowed", snapshot.name);
    }
}

/// With integer ids most rows stay beside their neighbours, and a vacuum still moves them all.
#[test]
fn a_vacuum_costs_a_part_of_what_it_did() {
    for (name, step) in [("notes", 3), ("catalog", 3)] {
        let snapshots = series(name);
        let (shared, alone) = (growth(&snapshots, &on()), growth(&snapshots, &off()));
        println!("{name}: {shared:?} with rows shared, {alone:?} without");
        assert!(shared[step] * 10 < alone[step] * 8, "{name}: {} and {}", shared[step], alone[step]);
    }
}

/// Fingerprints that collide, no memory, too little memory: it costs space.
#[test]
fn backups_are_exact_whatever_the_fingerprints_and_the_budget() {
    let snapshots = [series("notes"), series("catalog")].concat();
    for rows in [
        off(),
        RowSharing { budget_bytes: Some(0), ..on() },
        RowSharing { budget_bytes: Some(2000), ..on() },
        RowSharing { fingerprint_bits: 0, ..on() },
        RowSharing { fingerprint_bits: 5, ..on() },
    ] {
        growth(&snapshots, &rows);
    }
}

/// The predecessor is forgotten and pruned away: what of its chunks is needed stays, or is recorded afresh.
#[test]
fn backups_outlive_those_they_share_rows_with() {
    let scene = Scene::new();
    let snapshots = series("notes");
    let records: Vec<BackupRecord> = snapshots
        .iter()
        .map(|snapshot| scene.ingest_with(Source::file(&snapshot.path).unwrap(), &with(on())).record)
        .collect();
    assert!(parts(&scene, &records[3]) > 0, "the vacuumed backup shares parts of chunks");
    for record in &records[..3] {
        scene.repository.forget(record).unwrap();
    }
    let engine = scene.another_engine();
    let options =
        PruneOptions { max_unused: MaxUnused::Percent(0.0), max_repack_bytes: None, grace: SignedDuration::ZERO };
    let before = scene.stored_bytes();
    let stats = prune_now(&engine, &options, &|_| true).unwrap();
    println!("{stats:?}");
    let left = scene.records();
    let [record] = &left[..] else { panic!("{left:?}") };
    let fresh = scene.another_engine();
    assert_eq!(sha256(&rebuilt_by(&fresh, record).unwrap().1), snapshots[3].sha256);
    assert!(scene.stored_bytes() < before);
    let options = CheckOptions { depth: Depth::Data, ..CheckOptions::default() };
    assert_eq!(check(fresh.repository(), &options, &|_| true).unwrap().findings, []);
}

/// A collection under another name has nothing in common with the old one unless it is said.
#[test]
fn a_renamed_collection_finds_its_rows_when_told() {
    let (notes, catalog) = (series("notes"), series("catalog"));
    let scene = Scene::new();
    let [own, foreign] = [&notes[0], &catalog[0]].map(|snapshot| scene.ingest(&snapshot.path).record);
    let store = |like: &BackupRecord| {
        let options = IngestOptions {
            collection: Some("renamed".to_owned()),
            dry_run: true,
            ..with(RowSharing { like: Some(like.id), ..on() })
        };
        let source = Source::file(&notes[3].path).unwrap();
        let IngestOutcome::Rehearsed(rehearsal) = scene.try_ingest(source, &options).unwrap() else {
            panic!("a dry run")
        };
        rehearsal.new_bytes
    };
    let (like_own, like_foreign) = (store(&own), store(&foreign));
    assert!(like_own * 10 < like_foreign * 8, "{like_own} bytes like itself, {like_foreign} like another");
}

/// Whatever pack is lost: storing the snapshots again makes every backup whole, those too whose chunks were put together from rows and
/// are not made a second time.
#[test]
fn storing_the_snapshots_again_heals_every_backup() {
    let snapshots = series("notes");
    let mut healed = 0;
    for nth in 0.. {
        let scene = Scene::new();
        let store_all = || -> Vec<BackupRecord> {
            let store =
                |snapshot: &FixtureSnapshot| scene.ingest_with(Source::file(&snapshot.path).unwrap(), &with(on()));
            snapshots.iter().map(|snapshot| store(snapshot).record).collect()
        };
        let first = store_all();
        let packs: Vec<String> = scene.objects().into_keys().filter(|key| key.starts_with("packs/")).collect();
        let Some(lost) = packs.get(nth) else { break };
        std::fs::remove_file(scene.root().join(lost)).unwrap();
        let engine = scene.another_engine();
        // The newest one first, when those it shares rows with are hurt still.
        for snapshot in snapshots.iter().rev() {
            let (known, source) = (scene.records(), Source::file(&snapshot.path).unwrap());
            let outcome = ingest(&engine, source, &with(on()), &known, &Silent, &CancelToken::default()).unwrap();
            let whole = match outcome {
                IngestOutcome::Stored(committed) => committed.record,
                IngestOutcome::AlreadyStored(record) => *record,
                IngestOutcome::Rehearsed(_) => panic!("no dry run"),
            };
            healed += heal(&engine, &whole, &known).unwrap().len();
        }
        for (record, snapshot) in first.iter().zip(&snapshots) {
            let now = scene.records().into_iter().find(|now| now.id == record.id).unwrap();
            assert_eq!(sha256(&rebuilt_by(&engine, &now).unwrap().1), snapshot.sha256, "without {lost}");
        }
        let options = CheckOptions { depth: Depth::Data, ..CheckOptions::default() };
        assert_eq!(check(engine.repository(), &options, &|_| true).unwrap().findings, [], "without {lost}");
    }
    println!("{healed} backups were healed");
    assert!(healed > 0, "a chunk of rows does not come back by itself, else this shows too little");
}
