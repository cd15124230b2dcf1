//! Snapshots taken apart: the same bytes come back, and after a change other readers see the change and nothing else.

use std::{collections::BTreeMap, io::Read as _};

use vectar_testkit::{TarParts, fixtures};

/// The bodies of a tar and of the tars in it, by path, as the `tar` crate expands them.
fn bodies(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut archive = tar::Archive::new(bytes);
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut body = Vec::new();
        entry.read_to_end(&mut body).unwrap();
        if path.ends_with(".tar") {
            found.extend(bodies(&body).into_iter().map(|(inner, body)| (format!("{path}!{inner}"), body)));
        } else {
            found.insert(path, body);
        }
    }
    found
}

#[test]
fn what_is_not_changed_comes_back() {
    for snapshot in fixtures::snapshots() {
        let bytes = std::fs::read(&snapshot.path).unwrap();
        assert!(TarParts::of(&bytes).bytes() == bytes, "{}/{}", snapshot.series, snapshot.name);
    }
}

#[test]
fn a_change_is_all_that_changes() {
    let snapshot = fixtures::series("notes").remove(2);
    let bytes = std::fs::read(&snapshot.path).unwrap();
    let before = bodies(&bytes);
    let mut parts = TarParts::of(&bytes);
    assert!(before.keys().all(|path| path.ends_with('/') || parts.file(path) == before[path]));

    let chunk = before.keys().find(|path| path.ends_with("chunk_0.mmap")).unwrap();
    parts.edit(chunk, |content| {
        // Far apart, so that the map no longer fits into the header.
        for far in (1 << 20..).step_by(1 << 20).take(30) {
            content[far] = 7;
        }
        content.truncate(32_000_001);
    });
    parts.edit("config.json", |content| content.extend_from_slice(b"      "));
    assert_eq!(parts.remove("0/newest_clocks.json"), 1);
    parts.add("0/oldest_clocks.json", "0/shard_config.json", b"{}".to_vec());
    let after = bodies(&parts.bytes());

    let mut expected = before.clone();
    expected.get_mut("config.json").unwrap().extend_from_slice(b"      ");
    expected.remove("0/newest_clocks.json").unwrap();
    expected.insert("0/oldest_clocks.json".to_owned(), b"{}".to_vec());
    let content = expected.get_mut(chunk).unwrap();
    (1 << 20..content.len()).step_by(1 << 20).take(30).for_each(|far| content[far] = 7);
    content.truncate(32_000_001);
    assert!(after == expected);
}

#[test]
fn files_are_exchanged_repeated_and_hollowed() {
    let bytes = std::fs::read(&fixtures::series("notes")[0].path).unwrap();
    let mut parts = TarParts::of(&bytes);
    let (config, keys) = (parts.file("config.json"), parts.file("shard_key_mapping.json"));
    parts.swap("config.json", "shard_key_mapping.json");
    parts.repeat("version.info");
    parts.hollow("payload_index.json");
    let parts = TarParts::of(&parts.bytes());
    assert_eq!((parts.file("config.json"), parts.file("shard_key_mapping.json")), (keys, config));
    assert_eq!(parts.paths().iter().filter(|path| *path == "version.info").count(), 2);
    assert_eq!(parts.file("payload_index.json"), vec![0; 47]);
}
