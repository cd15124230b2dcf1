//! What looking at a snapshot costs: bytes that were read, counted by the kernel for the thread that looks.

use std::{fs, path::Path};

use vectar::{CatalogueRow, Class, Content, ReadAt, class_of};
use vectar_testkit::{
    corpus::{CorpusOptions, SparseGiantOptions, points_for_bytes, write_snapshot, write_sparse_giant},
    fixtures::skipped,
};

use crate::scene::Scene;

/// For each entry one or two windows around its headers, as `vectar_tar::catalogue` says.
const ENTRY_READ_BYTES: usize = 2 * 2048;

/// An extent takes 24 bytes of a sparse map, which is read in blocks of 21 extents.
const EXTENT_READ_BYTES: usize = 512 / 21 + 1;

/// Bytes that this thread has read so far, whatever it read them for.
fn bytes_read() -> Option<u64> {
    let counters = fs::read_to_string("/proc/thread-self/io").ok()?;
    counters.lines().find_map(|line| line.strip_prefix("rchar: "))?.parse().ok()
}

/// What describing a snapshot read, and what of the snapshot explains it.
struct Cost {
    read_bytes: u64,
    /// Headers, sparse maps and small files.
    explained_bytes: u64,
    snapshot_bytes: u64,
}

/// `None`, after saying so, where the system does not count.
fn cost_of(what: &str, content: &Content<'_>) -> Option<Cost> {
    let Some(before) = bytes_read() else {
        skipped("this system does not tell what a thread reads");
        return None;
    };
    let (outline, listed) = content.outline().unwrap();
    // Reading the counter is reading too, by less than a window.
    let read_bytes = bytes_read().unwrap() - before;
    assert_eq!(outline.collections.len(), 1, "it was understood");
    assert!(listed.summary.anomalies.is_empty(), "it is sound");
    let described = |row: &&CatalogueRow| class_of(row) == Some(Class::SmallJson);
    let small: u64 = listed.rows.iter().filter(described).map(|row| row.len).sum();
    let extents =
        listed.rows.iter().filter_map(|row| row.head.entry()?.sparse.as_ref()).map(|map| map.segments().len());
    let entries = listed.rows.len() + 1;
    let explained_bytes = (entries * ENTRY_READ_BYTES + extents.sum::<usize>() * EXTENT_READ_BYTES) as u64 + small;
    println!("{what}: {read_bytes} bytes read, {explained_bytes} explained");
    assert!(read_bytes >= 512, "nothing at all was counted");
    Some(Cost { read_bytes, explained_bytes, snapshot_bytes: content.len() })
}

fn synthetic(scene: &Scene) -> std::path::PathBuf {
    let options = CorpusOptions::default();
    let options = CorpusOptions { points: points_for_bytes(&options, 64 << 20), ..options };
    let path = scene.file("large.snapshot");
    write_snapshot(&options, 0, fs::File::create(&path).unwrap()).unwrap();
    path
}

fn assert_headers_only(what: &str, content: &Content<'_>) {
    let Some(cost) = cost_of(what, content) else { return };
    let Cost { read_bytes, explained_bytes, snapshot_bytes } = cost;
    assert!(read_bytes <= explained_bytes, "{what}: {read_bytes} bytes were read, {explained_bytes} are explained");
    assert!(
        explained_bytes <= snapshot_bytes / 100,
        "{what}: a bound of {explained_bytes} bytes would not notice a body"
    );
}

#[test]
fn a_large_file_is_described_from_headers_and_small_files() {
    let scene = Scene::new();
    let path = synthetic(&scene);
    assert_headers_only("a file", &Content::file(&path).unwrap());
}

#[test]
fn a_file_with_giant_sparse_entries_is_described_from_headers_and_maps() {
    let scene = Scene::new();
    let path = giant(&scene.file("giant.snapshot"));
    assert_headers_only("a sparse file", &Content::file(&path).unwrap());
}

fn giant(path: &Path) -> std::path::PathBuf {
    let options = SparseGiantOptions { stored_bytes: 64 << 20, ..SparseGiantOptions::default() };
    write_sparse_giant(&options, fs::File::create(path).unwrap()).unwrap();
    path.to_owned()
}

/// Only chunks that hold headers and small files are fetched: framing compresses well, and each of its chunks holds many headers.
#[test]
fn a_large_backup_is_described_without_reading_its_bodies() {
    let scene = Scene::new();
    let record = scene.ingest(&synthetic(&scene)).record;
    let Some(cost) = cost_of("a backup", &Content::backup(&scene.engine, &record)) else { return };
    let Cost { read_bytes, snapshot_bytes, .. } = cost;
    assert!(read_bytes <= snapshot_bytes / 50, "{read_bytes} bytes were read of {snapshot_bytes}");
}
