//! One valid snapshot out of a larger one: the same bytes, whole, and loaded by Qdrant's own engine.

use std::{fs, io::Read as _, path::Path, sync::Arc};

use serde_json::Value;
use vectar::{
    CancelToken, Content, Engine, EngineOptions, Error, Inside, ReadAt as _, Repository, RestoreOptions, Silent,
    SnapshotKind,
    extract::{Extracted, PartChoice, SnapshotPart, extract_to_file, prove},
    verify::verify_file,
};
use vectar_backend::LocalBackend;
use vectar_repository::SystemEnvironment;
use vectar_testkit::{
    TarParts,
    backend::{Operation, RecordingBackend},
    corpus::{CorpusOptions, write_snapshot},
    edge::{NEWEST, Wanted, load},
    fixtures::{FixtureSnapshot, series, shared_series, truth},
};

use crate::{
    said::{Compared, compare_payload, compare_vectors, found_above_note, same},
    scene::{Scene, sha256},
};

fn choice(collection: Option<&str>, shard: Option<u32>) -> PartChoice {
    PartChoice { collection: collection.map(str::to_owned), shard }
}

/// Takes a part out and looks at the file: whole by its checksum, its tar structure and every value in it.
fn extracted(content: &Content<'_>, choice: &PartChoice, to: &Path) -> Extracted {
    let inside = Inside::open(content).unwrap();
    let part = SnapshotPart::of(&inside, choice).unwrap();
    let cancel = CancelToken::default();
    let extracted = extract_to_file(&part, to, &RestoreOptions::default(), &Silent, &cancel).unwrap();
    assert_eq!(extracted.proven, prove(&part, &Silent, &cancel).unwrap());
    assert_eq!(extracted.proven.bytes, part.len());
    let report = verify_file(to, &Silent, &cancel).unwrap();
    assert_eq!(report.checksum_agrees(), Some(true), "{}", to.display());
    assert!(!report.is_damaged() && report.anomalies.is_empty(), "{}: {:?}", to.display(), report.anomalies);
    assert_eq!(found_above_note(&Content::file(to).unwrap()), [], "{}", to.display());
    extracted
}

/// An entry as the `tar` crate sees it, which knows nothing of ours.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    name: String,
    type_flag: u8,
    /// SHA-256 of its header without name and checksum.
    header_sha256: String,
    /// The bytes of the file, holes as zeros.
    body_sha256: String,
    bytes: u64,
}

fn seen(tar: &[u8]) -> Vec<Seen> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().unwrap();
    let see = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let mut body = Vec::new();
        entry.read_to_end(&mut body).unwrap();
        let mut header = *entry.header().as_bytes();
        let type_flag = header[156];
        header[..100].fill(0);
        header[148..156].fill(0);
        Seen {
            name: String::from_utf8(entry.path_bytes().into_owned()).unwrap(),
            type_flag,
            header_sha256: sha256(&header),
            bytes: body.len() as u64,
            body_sha256: sha256(&body),
        }
    };
    entries.map(see).collect()
}

/// Every collection in a full snapshot, out of the file and out of a backup of it.
fn members_are_the_bytes_inside(full: &FixtureSnapshot) -> usize {
    let scene = Scene::new();
    let bytes = fs::read(&full.path).unwrap();
    let record = scene.ingest(&full.path).record;
    let mut archive = tar::Archive::new(&bytes[..]);
    let mut compared = 0;
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        if !name.ends_with(".snapshot") {
            continue;
        }
        let mut inside = Vec::new();
        entry.read_to_end(&mut inside).unwrap();
        let file = Content::file(&full.path).unwrap();
        let from_file = extracted(&file, &choice(Some(&name), None), &scene.file(&format!("file-{name}")));
        let backup = Content::backup(&scene.engine, &record);
        let from_backup = extracted(&backup, &choice(Some(&name), None), &scene.file(&format!("backup-{name}")));
        assert!(fs::read(&from_file.path).unwrap() == inside, "{name}");
        assert!(fs::read(&from_backup.path).unwrap() == inside, "{name}");
        assert_eq!(from_file.proven.sha256, sha256(&inside));
        compared += 1;
    }
    compared
}

#[test]
fn a_collection_of_a_full_snapshot_is_the_bytes_inside() {
    let full = series("kinds").into_iter().find(|one| one.name == "full").unwrap();
    assert_eq!(members_are_the_bytes_inside(&full), 2);
}

#[test]
fn a_collection_of_a_larger_full_snapshot_is_the_bytes_inside() {
    let Some(kinds) = shared_series("kinds") else { return };
    let full = kinds.into_iter().find(|one| one.name == "full").unwrap();
    assert_eq!(members_are_the_bytes_inside(&full), 3);
}

/// Every shard that a collection snapshot holds, out of the file and out of a backup: names lose the shard, and nothing else changes.
fn shards_are_the_same_entries(snapshots: &[FixtureSnapshot]) -> u64 {
    let scene = Scene::new();
    let mut shards = 0;
    for snapshot in snapshots {
        let bytes = fs::read(&snapshot.path).unwrap();
        let all = seen(&bytes);
        let record = scene.ingest(&snapshot.path).record;
        for shard in 0..8 {
            let prefix = format!("{shard}/");
            if !all.iter().any(|entry| entry.name.starts_with(&format!("{prefix}segments/"))) {
                continue;
            }
            let expected = all.iter().filter_map(|entry| {
                let name = entry.name.strip_prefix(&prefix)?.to_owned();
                Some(Seen { name, ..entry.clone() })
            });
            let to = |from: &str| scene.file(&format!("{from}-{}-{shard}.snapshot", snapshot.name));
            let wanted = choice(None, Some(shard));
            let from_file = extracted(&Content::file(&snapshot.path).unwrap(), &wanted, &to("file"));
            let backup = Content::backup(&scene.engine, &record);
            let from_backup = extracted(&backup, &wanted, &to("backup"));
            let found = fs::read(&from_file.path).unwrap();
            assert_eq!(seen(&found), expected.collect::<Vec<_>>(), "{} shard {shard}", snapshot.name);
            assert!(found == fs::read(&from_backup.path).unwrap(), "{} shard {shard}", snapshot.name);
            let content = Content::file(&from_file.path).unwrap();
            assert_eq!(Inside::open(&content).unwrap().outline().kind, SnapshotKind::Shard);
            shards += 1;
        }
    }
    shards
}

#[test]
fn a_shard_is_the_same_entries_under_shorter_names() {
    assert_eq!(shards_are_the_same_entries(&series("notes")), 4);
    assert_eq!(shards_are_the_same_entries(&series("catalog")), 4 * 2);
}

#[test]
fn a_shard_of_a_cluster_is_the_same_entries_under_shorter_names() {
    let Some(cluster) = shared_series("cluster") else { return };
    assert_eq!(shards_are_the_same_entries(&cluster), 6 + 6 + 3);
}

#[test]
fn a_shard_out_of_a_full_snapshot_is_the_one_out_of_its_collection() {
    let scene = Scene::new();
    let full = series("kinds").into_iter().find(|one| one.name == "full").unwrap();
    let content = Content::file(&full.path).unwrap();
    let member = extracted(&content, &choice(Some("catalog"), None), &scene.file("catalog.snapshot"));
    let member = Content::file(&member.path).unwrap();
    for shard in 0..2 {
        let direct =
            extracted(&content, &choice(Some("catalog"), Some(shard)), &scene.file(&format!("a{shard}.snapshot")));
        let twice = extracted(&member, &choice(None, Some(shard)), &scene.file(&format!("b{shard}.snapshot")));
        assert_eq!(direct.proven, twice.proven);
    }
}

/// What a server makes of a shard, and what we take out of its snapshot of the collection, seconds apart: the same entries in the same order,
/// but for the write-ahead log, which a collection snapshot has in full, and the clocks, which it may leave out then.
#[test]
fn a_shard_has_the_layout_that_the_server_gives_it() {
    let Some(kinds) = shared_series("kinds") else { return };
    let scene = Scene::new();
    let path = |name: &str| kinds.iter().find(|one| one.name == name).unwrap().path.clone();
    let collection = Content::file(&path("tenants")).unwrap();
    let ours = extracted(&collection, &choice(None, Some(0)), &scene.file("ours.snapshot"));
    let names = |bytes: Vec<u8>| -> Vec<(String, u8)> {
        let is_log = |entry: &Seen| {
            entry.name.starts_with("wal") || entry.name == "applied_seq.json" || entry.name.ends_with("clocks.json")
        };
        seen(&bytes).into_iter().filter(|entry| !is_log(entry)).map(|entry| (entry.name, entry.type_flag)).collect()
    };
    let (ours, theirs) = (names(fs::read(ours.path).unwrap()), names(fs::read(path("shard")).unwrap()));
    assert_eq!(ours, theirs);
    assert_eq!(ours.len(), 4);
}

#[test]
fn a_whole_snapshot_stays_what_it_is() {
    let scene = Scene::new();
    for (name, shard) in [("shard", Some(7)), ("shard-streamed", None), ("empty", None)] {
        let snapshot = series("kinds").into_iter().find(|one| one.name == name).unwrap();
        let content = Content::file(&snapshot.path).unwrap();
        let found = extracted(&content, &choice(None, shard), &scene.file(&format!("{name}.snapshot")));
        assert_eq!(found.proven.sha256, snapshot.sha256, "{name}");
        let inside = Inside::open(&content).unwrap();
        assert!(SnapshotPart::of(&inside, &choice(None, shard)).unwrap().is_whole());
    }
}

/// Loads every shard of the last snapshot of a series with Qdrant's own engine and compares counts, ids and sampled points with what the server
/// said when it took the snapshot. Returns what was compared; `None` where the engine cannot be had.
fn engine_says_the_same(snapshot: &FixtureSnapshot) -> Option<Compared> {
    let scene = Scene::new();
    let said = truth(snapshot);
    let said = said.as_array().unwrap().iter().find(|one| one["sha256"] == snapshot.sha256.as_str()).unwrap().clone();
    let content = Content::file(&snapshot.path).unwrap();
    let mut ids: Vec<Value> = Vec::new();
    let mut compared = Compared { snapshots: 1, ..Compared::default() };
    let sample = said["sample"].as_array().unwrap();
    for shard in said["shards"].as_array().unwrap() {
        let id = u32::try_from(shard["id"].as_u64().unwrap()).unwrap();
        let to = scene.file(&format!("{id}.snapshot"));
        extracted(&content, &choice(None, Some(id)), &to);
        let loaded =
            load(NEWEST, &to, Wanted::All)?.unwrap_or_else(|why| panic!("{} shard {id}: {why}", snapshot.name));
        assert_eq!(loaded.count, shard["points"].as_u64().unwrap(), "{} shard {id}", snapshot.name);
        compared.ids += loaded.count;
        for point in &loaded.points {
            ids.push(point["id"].clone());
            if let Some(said) = sample.iter().find(|said| said["id"] == point["id"]) {
                compare_payload(&point["payload"], &said["payload"]).unwrap();
                compared.payloads += 1;
                compared.vectors += compare_vectors(&point["vector"], &said["vector"]).unwrap();
            }
        }
    }
    let text = |id: &Value| id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    ids.sort_by_key(|id| (id.as_u64(), text(id)));
    let lines: Vec<String> = ids.iter().map(text).collect();
    same("ids of all shards", sha256(lines.join("\n").as_bytes()).as_str(), said["ids_sha256"].as_str().unwrap())
        .unwrap();
    assert_eq!(compared.payloads, sample.len() as u64, "{}", snapshot.name);
    Some(compared)
}

#[test]
fn qdrants_engine_loads_shards_that_were_taken_out() {
    for name in ["notes", "catalog"] {
        for snapshot in series(name) {
            let Some(compared) = engine_says_the_same(&snapshot) else { return };
            println!("{name} {}: {compared}", snapshot.name);
        }
    }
}

#[test]
fn qdrants_engine_loads_shards_of_larger_snapshots() {
    for name in ["articles", "mixed", "uuid"] {
        let Some(snapshots) = shared_series(name) else { return };
        let Some(compared) = engine_says_the_same(snapshots.last().unwrap()) else { return };
        println!("{name}: {compared}");
    }
}

#[test]
fn qdrants_engine_counts_a_cluster_as_its_server_did() {
    let Some(cluster) = shared_series("cluster") else { return };
    let scene = Scene::new();
    let mut counts = std::collections::BTreeMap::<String, std::collections::BTreeMap<u32, u64>>::new();
    for snapshot in &cluster {
        let collection = snapshot.name.split('-').next().unwrap().to_owned();
        let content = Content::file(&snapshot.path).unwrap();
        for shard in 0..6 {
            let to = scene.file(&format!("{}-{shard}.snapshot", snapshot.name));
            let inside = Inside::open(&content).unwrap();
            match SnapshotPart::of(&inside, &choice(None, Some(shard))) {
                Err(Error::ShardNotFound { .. }) => continue,
                part => drop(part.unwrap()),
            }
            extracted(&content, &choice(None, Some(shard)), &to);
            let Some(loaded) = load(NEWEST, &to, Wanted::Ids(&[])) else { return };
            let loaded = loaded.unwrap_or_else(|why| panic!("{} shard {shard}: {why}", snapshot.name));
            let known = counts.entry(collection.clone()).or_default().insert(shard, loaded.count);
            assert!(known.is_none_or(|known| known == loaded.count), "the copies of {collection} {shard} are alike");
        }
    }
    let said = &truth(&cluster[0])["counts"];
    for (collection, shards) in &counts {
        assert_eq!(Value::from(shards.values().sum::<u64>()), said[collection], "{collection}");
    }
    // As `GET /collections/events/cluster` of the three nodes said.
    let events: Vec<u64> = counts["events"].values().copied().collect();
    assert_eq!(events, [196, 185, 164, 217, 204, 234]);
}

#[test]
fn what_is_damaged_or_not_there_is_refused_and_leaves_nothing() {
    let scene = Scene::new();
    let full = series("kinds").into_iter().find(|one| one.name == "full").unwrap();
    let bytes = fs::read(&full.path).unwrap();
    // The last half of the second collection is gone; the first one is all there.
    let cut = scene.write("cut.snapshot", &bytes[..bytes.len() - 400_000]);
    let content = Content::file(&cut).unwrap();
    let inside = Inside::open(&content).unwrap();
    let of = |collection: &str, shard| SnapshotPart::of(&inside, &choice(Some(collection), shard)).map(drop);
    let file = |collection: &str| format!("{collection}-4831547486316841-2026-11-20-16-24-36.snapshot");
    // The mapping lies at the end and is gone, so that collections go by their files.
    assert!(of(&file("catalog"), None).is_ok());
    assert!(of(&file("catalog"), Some(1)).is_ok());
    assert!(matches!(of(&file("notes"), None), Err(Error::PartDamaged { .. })));
    assert!(matches!(of(&file("notes"), Some(0)), Err(Error::PartDamaged { .. })));
    assert!(matches!(of("gone", None), Err(Error::CollectionNotFound { .. })));
    assert!(matches!(of(&file("catalog"), Some(2)), Err(Error::ShardNotFound { .. })));
    let unclear = SnapshotPart::of(&inside, &choice(None, None)).map(drop);
    assert!(matches!(unclear, Err(Error::PartUnclear { .. })));

    // A collection snapshot cut inside of its second shard: the first one could lack entries that came later.
    let catalog = fs::read(&series("catalog")[0].path).unwrap();
    let cut = scene.write("catalog.snapshot", &catalog[..catalog.len() - 300_000]);
    let content = Content::file(&cut).unwrap();
    let inside = Inside::open(&content).unwrap();
    for shard in [0, 1] {
        let part = SnapshotPart::of(&inside, &choice(None, Some(shard))).map(drop);
        assert!(matches!(part, Err(Error::PartDamaged { .. })), "shard {shard}: {part:?}");
    }

    // A target that is taken stays as it is, without and with a part that fails.
    let taken = scene.write("taken.snapshot", b"mine");
    let whole = Content::file(&full.path).unwrap();
    let inside = Inside::open(&whole).unwrap();
    let part = SnapshotPart::of(&inside, &choice(Some("notes"), None)).unwrap();
    let refused = extract_to_file(&part, &taken, &RestoreOptions::default(), &Silent, &CancelToken::default());
    assert!(matches!(refused, Err(Error::TargetExists { .. })));
    let cancelled = CancelToken::default();
    cancelled.cancel();
    let stopped = extract_to_file(&part, &scene.file("new.snapshot"), &RestoreOptions::default(), &Silent, &cancelled);
    assert!(matches!(stopped, Err(Error::Cancelled)));
    assert_eq!(fs::read(&taken).unwrap(), b"mine");
    let left = fs::read_dir(taken.parent().unwrap()).unwrap().count();
    assert_eq!(left, 3, "the three files of this test and no temporary one");
}

/// A name that is too long for a header in the collection's tar, and one that is not any more without its shard.
#[test]
fn long_names_and_links_in_a_shard() {
    let scene = Scene::new();
    let notes = fs::read(&series("notes")[0].path).unwrap();
    let mut builder = tar::Builder::new(Vec::new());
    let mut archive = tar::Archive::new(&notes[..]);
    let long: Vec<String> = [99, 100, 101, 160].iter().map(|len| "n".repeat(*len)).collect();
    for name in &long {
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("0/{name}"), &b"body"[..]).unwrap();
    }
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let (mut header, path) = (entry.header().clone(), entry.path().unwrap().into_owned());
        let mut body = Vec::new();
        entry.read_to_end(&mut body).unwrap();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(body.len() as u64);
        builder.append_data(&mut header, path, &body[..]).unwrap();
    }
    let path = scene.write("long.snapshot", &builder.into_inner().unwrap());
    let content = Content::file(&path).unwrap();
    let inside = Inside::open(&content).unwrap();
    let part = SnapshotPart::of(&inside, &choice(None, Some(0))).unwrap();
    let to = scene.file("shard.snapshot");
    extract_to_file(&part, &to, &RestoreOptions::default(), &Silent, &CancelToken::default()).unwrap();
    let names: Vec<String> = seen(&fs::read(to).unwrap()).into_iter().map(|entry| entry.name).take(4).collect();
    assert_eq!(names, long);

    let mut parts = TarParts::of(&notes);
    parts.repeat("0/shard_config.json");
    let mut with_link = parts.bytes();
    // The type flag of the last header before the end, which is the repeated entry's: a symbolic link.
    let header = with_link.len() - 1024 - 1024;
    with_link[header + 156] = b'2';
    with_link[header + 148..header + 156].fill(b' ');
    let sum: u32 = with_link[header..header + 512].iter().map(|&byte| u32::from(byte)).sum();
    with_link[header + 148..header + 156].copy_from_slice(format!("{sum:07o}\0").as_bytes());
    let path = scene.write("link.snapshot", &with_link);
    let content = Content::file(&path).unwrap();
    let inside = Inside::open(&content).unwrap();
    let part = SnapshotPart::of(&inside, &choice(None, Some(0))).map(drop);
    assert!(matches!(part, Err(Error::PartDamaged { .. })), "{part:?}");
}

/// A short form of what the acceptance measures with 2 GiB: what lies beside the shard is not read.
#[test]
fn taking_a_shard_out_of_a_backup_reads_little_more_than_the_shard() {
    let scene = Scene::new();
    let options = CorpusOptions { points: 12_000, dimensions: 96, shards: 4, ..CorpusOptions::default() };
    let path = scene.file("corpus.snapshot");
    write_snapshot(&options, 0, fs::File::create(&path).unwrap()).unwrap();
    let record = scene.ingest(&path).record;
    let file = Content::file(&path).unwrap();
    let backend = Arc::new(RecordingBackend::new(LocalBackend::open(scene.root()).unwrap()));
    let repository = Repository::open(backend.clone(), Arc::new(SystemEnvironment)).unwrap();
    let engine =
        Engine::open(&repository, &EngineOptions { threads: 2, index_directory: None, ..EngineOptions::default() })
            .unwrap();
    backend.take_calls();
    let content = Content::backup(&engine, &record);
    let inside = Inside::open(&content).unwrap();
    let part = SnapshotPart::of(&inside, &choice(None, Some(2))).unwrap();
    let to = scene.file("shard.snapshot");
    let found = extract_to_file(&part, &to, &RestoreOptions::default(), &Silent, &CancelToken::default()).unwrap();
    let read = backend.amount(Operation::GetRange);
    let inside = Inside::open(&file).unwrap();
    let expected = prove(&SnapshotPart::of(&inside, &choice(None, Some(2))).unwrap(), &Silent, &CancelToken::default());
    assert_eq!(found.proven, expected.unwrap());
    // Every shard is new, and all are alike: a quarter of what the backup added.
    let stored = record.space.new_pack_bytes / 4;
    println!("{} MiB of a shard, {stored} bytes stored, {read} bytes read", found.proven.bytes >> 20);
    assert!(read <= stored * 12 / 10, "{read} bytes were read of {stored}");
    assert!(read >= stored * 8 / 10, "{read} bytes cannot be all of {stored}");
}
