//! Two snapshots side by side: files and backups give one answer, and a slow look at every byte gives the same.

use std::{collections::BTreeMap, fs, path::Path};

use vectar::{
    BackupRecord, CancelToken, Content, RowRole,
    diff::{Fate, Side, SnapshotDiff, diff},
};
use vectar_testkit::fixtures::{FixtureSnapshot, series};

use crate::scene::{Scene, fixture};

fn compare(old: &Side<'_>, new: &Side<'_>) -> SnapshotDiff {
    diff(old, new, &CancelToken::default()).unwrap()
}

fn of_files(old: &Path, new: &Path) -> SnapshotDiff {
    compare(&Side::file(old).unwrap(), &Side::file(new).unwrap())
}

/// Each file of a snapshot with all its bytes, holes as zeros: memory is no object here.
fn contents(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let content = Content::file(path).unwrap();
    let listed = content.catalogue().unwrap();
    let is_file = |row: &&vectar::CatalogueRow| {
        row.role != RowRole::Archive && !row.head.entry().is_some_and(|entry| entry.is_directory())
    };
    let read = |row: &vectar::CatalogueRow| {
        let mut bytes = Vec::new();
        content
            .read_expanded(row, |piece| {
                bytes.extend_from_slice(piece);
                Ok(())
            })
            .unwrap();
        (row.head.path.to_string(), bytes)
    };
    listed.rows.iter().filter(is_file).map(read).collect()
}

/// Files by fate, counted the slow way.
fn fates(old: &BTreeMap<String, Vec<u8>>, new: &BTreeMap<String, Vec<u8>>) -> BTreeMap<Fate, u64> {
    let mut fates = BTreeMap::new();
    for (path, bytes) in old {
        let fate = match new.get(path) {
            None => Fate::Removed,
            Some(other) if other == bytes => Fate::Unchanged,
            Some(_) => Fate::Changed,
        };
        *fates.entry(fate).or_default() += 1;
    }
    *fates.entry(Fate::Added).or_default() += new.keys().filter(|path| !old.contains_key(*path)).count() as u64;
    fates.retain(|_, count| *count > 0);
    fates
}

fn counted(found: &SnapshotDiff) -> BTreeMap<Fate, u64> {
    let mut fates = BTreeMap::new();
    for ((_, fate), total) in found.classes() {
        *fates.entry(fate).or_default() += total.files;
    }
    fates
}

#[test]
fn files_and_backups_differ_in_the_same_places() {
    for name in ["notes", "catalog"] {
        let scene = Scene::new();
        let snapshots: Vec<FixtureSnapshot> = series(name);
        let records: Vec<BackupRecord> = snapshots.iter().map(|snapshot| scene.ingest(&snapshot.path).record).collect();
        let bytes: Vec<_> = snapshots.iter().map(|snapshot| contents(&snapshot.path)).collect();
        for a in 0..snapshots.len() {
            for b in 0..snapshots.len() {
                let found = of_files(&snapshots[a].path, &snapshots[b].path);
                assert_eq!(counted(&found), fates(&bytes[a], &bytes[b]), "{name} {a} {b}");
                assert_eq!(found.is_empty(), a == b, "{name} {a} {b}");
                assert_eq!(found.unread, [""; 0]);
                let backup = |record| Side::backup(&scene.engine, record).unwrap();
                // A file has no collection's name but that of its directory; a backup knows more.
                let by_recipe = compare(&backup(&records[a]), &backup(&records[b]));
                assert_eq!(by_recipe, found, "{name} {a} {b}");
                let mixed = compare(&backup(&records[a]), &Side::file(&snapshots[b].path).unwrap());
                assert_eq!(mixed, found, "{name} {a} {b}");
            }
        }
    }
}

#[test]
fn the_vacuum_replaces_one_segment_and_touches_the_other() {
    let found = of_files(&fixture("notes", "02-payload-3pct").path, &fixture("notes", "03-delete-33pct-vacuum").path);
    let [collection] = &found.collections[..] else { panic!("{found:?}") };
    let [shard] = &collection.shards[..] else { panic!("{collection:?}") };
    assert!(collection.config.is_empty() && collection.payload_schema.is_empty() && shard.replicas.is_empty());
    let segments: Vec<_> = shard.segments.iter().map(|segment| (&segment.id[..8], segment.fate)).collect();
    assert_eq!(segments, [("0be900ab", Fate::Added), ("bcba9e12", Fate::Changed), ("f95147e6", Fate::Removed)]);
    assert_eq!((shard.segments[1].old_version, shard.segments[1].new_version), (Some(8), Some(9)));
}

/// Whatever byte of a body is flipped, exactly that file is said to have changed: by bytes between files, by recipes between backups.
#[test]
fn a_flipped_byte_is_found_where_it_is() {
    let scene = Scene::new();
    let original = fixture("notes", "01-insert-5pct");
    let record = scene.ingest(&original.path).record;
    let whole = fs::read(&original.path).unwrap();
    let listed = Content::file(&original.path).unwrap().catalogue().unwrap();
    let bodies: Vec<_> = listed.rows.iter().filter(|row| row.role != RowRole::Archive && row.len > 0).collect();
    let mut flipped = 0;
    for row in bodies.iter().step_by(3) {
        // Not in files that say what the snapshot is: then more would differ.
        if row.head.path.to_string().ends_with(".json") {
            continue;
        }
        let mut bytes = whole.clone();
        bytes[(row.head.offset + row.len - 1) as usize] ^= 0x40;
        let path = scene.write(&format!("notes/flipped-{}.snapshot", row.head.offset), &bytes);
        let by_bytes = of_files(&original.path, &path);
        let other = scene.ingest(&path).record;
        let side = |record| Side::backup(&scene.engine, record).unwrap();
        let by_recipe = compare(&side(&record), &side(&other));
        for found in [&by_bytes, &by_recipe] {
            let changed = counted(found).get(&Fate::Changed).copied();
            assert_eq!(changed, Some(1), "{}", row.head.path);
            let own = found.collections[0].shards.iter().flat_map(|shard| {
                shard.files.files.iter().chain(shard.segments.iter().flat_map(|segment| &segment.files.files))
            });
            let all: Vec<_> = own.chain(&found.collections[0].files.files).collect();
            assert!(row.head.path.to_string().ends_with(&all[0].path), "{} is not {}", all[0].path, row.head.path);
        }
        flipped += 1;
    }
    assert!(flipped >= 15, "{flipped} files");
}

/// A streamed shard of one segment with one file beside its state, as the entry that `append` makes of it.
fn shard_with(append: impl FnOnce(&mut tar::Builder<Vec<u8>>, &str)) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut file = |path: &str, body: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_size(body.len() as u64);
        builder.append_data(&mut header, path, body.as_bytes()).unwrap();
    };
    file(
        "segments/bb673b46-dabf-4fa6-b44b-d2091eb34528/files/segment.json",
        r#"{"version":1,"config":{"vector_data":{}}}"#,
    );
    file("shard_config.json", r#"{"type":"ReplicaSet"}"#);
    append(&mut builder, "segments/bb673b46-dabf-4fa6-b44b-d2091eb34528/files/payload_storage/page_0.dat");
    builder.into_inner().unwrap()
}

fn dense(body: Vec<u8>) -> Vec<u8> {
    shard_with(|builder, path| {
        let mut header = tar::Header::new_gnu();
        header.set_size(body.len() as u64);
        builder.append_data(&mut header, path, &body[..]).unwrap();
    })
}

/// The runs are `(logical offset, bytes)`; the rest of `len` bytes is holes.
fn sparse(len: u64, runs: &[(u64, &[u8])]) -> Vec<u8> {
    shard_with(|builder, path| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::GNUSparse);
        header.set_size(runs.iter().map(|(_, bytes)| bytes.len() as u64).sum());
        header.set_path(path).unwrap();
        let gnu = header.as_gnu_mut().unwrap();
        for (descriptor, (offset, bytes)) in gnu.sparse.iter_mut().zip(runs) {
            descriptor.set_offset(*offset);
            descriptor.set_length(bytes.len() as u64);
        }
        gnu.sparse[runs.len()].set_offset(len);
        gnu.sparse[runs.len()].set_length(0);
        gnu.set_real_size(len);
        header.set_cksum();
        let body: Vec<u8> = runs.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
        builder.append(&header, &body[..]).unwrap();
    })
}

#[test]
fn where_the_holes_are_says_nothing() {
    let scene = Scene::new();
    let mut bytes = vec![0; 12_288];
    bytes[4096..8192].fill(7);
    let with_zeros: Vec<u8> = [[0; 512].as_slice(), &[7; 4096]].concat();
    let same = [
        dense(bytes.clone()),
        sparse(12_288, &[(4096, &[7; 4096])]),
        sparse(12_288, &[(3584, &with_zeros)]),
        sparse(12_288, &[(4096, &[7; 2048]), (6144, &[7; 2048])]),
    ];
    let other = [
        sparse(12_288, &[(4608, &[7; 4096])]),
        sparse(12_288, &[]),
        sparse(12_289, &[(4096, &[7; 4096])]),
        sparse(12_288, &[(4096, &[8; 4096])]),
    ];
    let write = |kind: &str, all: &[Vec<u8>]| -> Vec<std::path::PathBuf> {
        all.iter().enumerate().map(|(place, one)| scene.write(&format!("{kind}-{place}.snapshot"), one)).collect()
    };
    let (same, other) = (write("same", &same), write("other", &other));
    let record = |path: &std::path::PathBuf| scene.ingest(path).record;
    let (same_records, other_records): (Vec<_>, Vec<_>) =
        (same.iter().map(record).collect(), other.iter().map(record).collect());
    let changed = |found: &SnapshotDiff| counted(found).contains_key(&Fate::Changed);
    for a in 0..same.len() {
        for b in 0..same.len() {
            assert!(!changed(&of_files(&same[a], &same[b])), "{a} {b}");
            let side = |record| Side::backup(&scene.engine, record).unwrap();
            assert!(!changed(&compare(&side(&same_records[a]), &side(&same_records[b]))), "{a} {b}");
        }
        for b in 0..other.len() {
            assert!(changed(&of_files(&same[a], &other[b])), "{a} {b}");
            let side = |record| Side::backup(&scene.engine, record).unwrap();
            assert!(changed(&compare(&side(&same_records[a]), &side(&other_records[b]))), "{a} {b}");
        }
    }
}

/// A header may claim any length for a file of holes; nobody reads them.
#[test]
fn holes_of_any_length_cost_nothing() {
    let scene = Scene::new();
    let len = 1 << 60;
    let one = scene.write("one.snapshot", &sparse(len, &[(4096, &[7; 4096])]));
    let two = scene.write("two.snapshot", &sparse(len, &[(4096, &[7; 4096]), (len - 512, &[0; 512])]));
    let three = scene.write("three.snapshot", &sparse(len, &[(4096, &[7; 4096]), (len - 512, &[1; 512])]));
    let changed = |a: &Path, b: &Path| counted(&of_files(a, b)).contains_key(&Fate::Changed);
    assert!(!changed(&one, &two), "zeros are zeros, stored or not");
    assert!(changed(&one, &three));
}
