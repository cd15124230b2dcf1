//! The corpus beside a snapshot that a real Qdrant 1.18.3 made: same header styles, same kinds of entries, same JSON.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;
use vectar_testkit::corpus::{CorpusOptions, write_snapshot};
use vectar_testkit::fixtures;

use crate::reader;

/// Fields that must differ between two files: length, time and checksum; of a sparse entry also its map.
const VARYING: Range<usize> = 124..156;
const SPARSE_MAP: Range<usize> = 386..495;

fn real() -> Vec<u8> {
    std::fs::read(&fixtures::series("notes")[0].path).unwrap()
}

fn written() -> Vec<u8> {
    let options = CorpusOptions { points: 800, dimensions: 48, steps: Vec::new(), ..CorpusOptions::default() };
    let mut snapshot = Vec::new();
    write_snapshot(&options, 0, &mut snapshot).unwrap();
    snapshot
}

/// Headers by path below the segment, varying fields zeroed. The appendable segment comes first and is empty in both
/// snapshots; its paths begin with `empty:`.
fn headers(snapshot: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut headers = BTreeMap::new();
    let mut segments = 0;
    for entry in tar::Archive::new(snapshot).entries().unwrap() {
        let entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        if !path.ends_with(".tar") {
            headers.insert(path, masked(entry.header()));
            continue;
        }
        let label = if segments == 0 { "empty:" } else { "full:" };
        segments += 1;
        let mut header = masked(entry.header());
        header[..100].fill(0);
        headers.insert(format!("{label}segment.tar"), header);
        let start = entry.raw_file_position() as usize;
        let nested = &snapshot[start..start + entry.size() as usize];
        for entry in tar::Archive::new(nested).entries().unwrap() {
            let entry = entry.unwrap();
            headers.insert(format!("{label}{}", entry.path().unwrap().display()), masked(entry.header()));
        }
    }
    headers
}

fn masked(header: &tar::Header) -> Vec<u8> {
    let mut bytes = header.as_bytes().to_vec();
    bytes[VARYING].fill(0);
    if header.entry_type().is_gnu_sparse() {
        bytes[SPARSE_MAP].fill(0);
    }
    bytes
}

#[test]
fn headers_are_those_of_a_real_snapshot() {
    let (real, written) = (headers(&real()), headers(&written()));
    // The corpus has no field indexes, and its graph has plain links.
    let expected = |path: &&String| !path.contains("payload_index/") && !path.ends_with("links_compressed.bin");
    for path in real.keys().filter(expected) {
        assert!(written.contains_key(path), "{path} is not written");
        assert!(written[path] == real[path], "{path}: the headers differ");
    }
    assert!(real.keys().filter(expected).count() > 35);
}

#[test]
fn small_files_of_an_empty_segment_are_those_of_a_real_one() {
    let (real, written) = (reader::files(&real()), reader::files(&written()));
    for tail in [
        "vector_storage/vectors/config.json",
        "payload_storage/config.json",
        "payload_storage/gaps.dat",
        "payload_storage/tracker.dat",
        "version.info",
    ] {
        let find = |files: &reader::Files| files.iter().find(|(path, _)| path.ends_with(tail)).unwrap().1.clone();
        assert!(find(&real) == find(&written), "{tail}");
    }
}

/// Names and order of all keys; map order is part of the bytes.
fn keys(json: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(json).unwrap();
    let _: Value = serde_json::from_str(text).unwrap();
    let quoted: Vec<&str> = text.split('"').collect();
    let is_key = |index: &usize| index % 2 == 1 && quoted[index + 1].starts_with(':');
    (0..quoted.len() - 1).filter(is_key).map(|index| quoted[index].to_owned()).collect()
}

#[test]
fn json_has_the_keys_of_a_real_snapshot_in_their_order() {
    let (real, written) = (reader::files(&real()), reader::files(&written()));
    let segment_states = |files: &reader::Files| {
        let mut states: Vec<Vec<String>> =
            files.iter().filter(|(path, _)| path.ends_with("segment.json")).map(|(_, body)| keys(body)).collect();
        states.sort();
        states
    };
    assert_eq!(segment_states(&written), segment_states(&real));
    let hnsw =
        |files: &reader::Files| keys(files.iter().find(|(path, _)| path.ends_with("hnsw_config.json")).unwrap().1);
    assert_eq!(hnsw(&written), hnsw(&real));
    for path in ["config.json", "payload_index.json", "0/newest_clocks.json", "0/wal/first-index"] {
        let expected: Vec<String> = keys(&real[path]);
        // The real collection has two field indexes, the corpus none.
        let expected: Vec<String> = expected.into_iter().filter(|key| key != "topic" && key != "rank").collect();
        assert_eq!(keys(&written[path]), expected, "{path}");
    }
}
