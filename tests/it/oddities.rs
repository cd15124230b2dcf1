//! What is no snapshot, or a damaged or a malicious one: it comes back all the same, or is refused with the place where it breaks.

use std::fs;

use proptest::prelude::*;
use vectar::{Error, ErrorKind, IngestOptions, Source};
use vectar_chunk::NodeId;
use vectar_repository::{
    ChunkReader,
    format::{node::NodeVersion, pack::RecordKind},
};
use vectar_testkit::corpus::{SparseGiantOptions, write_sparse_giant};

use crate::{
    random::Random,
    scene::{Scene, fixture, stored, stream},
};

fn allowing_damage() -> IngestOptions {
    IngestOptions { allow_damaged: true, ..IngestOptions::default() }
}

/// Stores bytes as a file and as a stream, damaged or not, and asserts that both come back.
fn assert_identity(scene: &Scene, name: &str, bytes: &[u8]) {
    let path = scene.write(name, bytes);
    for source in [Source::file(&path).unwrap(), stream(&format!("streamed-{name}"), bytes.to_vec())] {
        let committed = stored(scene.try_ingest(source, &allowing_damage()).unwrap());
        scene.assert_comes_back(&committed.record, bytes);
    }
}

#[test]
fn an_empty_file_comes_back() {
    let scene = Scene::new();
    let record = scene.ingest(&scene.write("empty.snapshot", b"")).record;
    assert_eq!((record.subject.kind.as_str(), record.subject.levels, record.damaged.as_deref()), ("unknown", 0, None));
    scene.assert_comes_back(&record, b"");
    scene.assert_comes_back(&scene.ingest_stream("s", Vec::new(), &IngestOptions::default()).record, b"");
}

#[test]
fn bytes_that_are_no_tar_come_back_undamaged() {
    let scene = Scene::new();
    let mut random = Random::new(7);
    for len in [1, 63, 64, 65, 511, 512, 513, 4096, 100_000, 9 << 20] {
        let bytes = random.bytes(len);
        let record = scene.ingest(&scene.write(&format!("{len}.bin"), &bytes)).record;
        assert_eq!((record.subject.kind.as_str(), record.damaged.as_deref()), ("unknown", None), "{len} bytes");
        scene.assert_comes_back(&record, &bytes);
    }
}

#[test]
fn runs_of_one_byte_come_back_and_cost_nothing() {
    let scene = Scene::new();
    for byte in [0, 0xff] {
        let bytes = vec![byte; 40 << 20];
        let committed = scene.ingest_stream(&format!("all-{byte}"), bytes.clone(), &allowing_damage());
        assert!(committed.new_bytes < 8 * 1024, "{} bytes for a run of {byte}", committed.new_bytes);
        scene.assert_comes_back(&committed.record, &bytes);
    }
}

#[test]
fn a_truncated_snapshot_is_refused_with_the_place_where_it_breaks() {
    let scene = Scene::new();
    let whole = fs::read(fixture("notes", "00-base").path).unwrap();
    let before = scene.objects();
    let cut = whole.len() / 2 + 77;
    let path = scene.write("cut.snapshot", &whole[..cut]);
    let from_file = scene.try_ingest(Source::file(&path).unwrap(), &IngestOptions::default()).unwrap_err();
    assert_eq!(from_file.kind(), ErrorKind::FixInput);
    let Error::SnapshotDamaged { name, finding } = &from_file else { panic!("{from_file:?}") };
    assert_eq!(name, "cut.snapshot");
    assert!(finding.contains(&format!("at offset {cut}")), "{finding}");
    assert_eq!(scene.objects(), before, "a file is judged before anything is written");

    let from_stream = scene.try_ingest(stream("cut.snapshot", whole[..cut].to_vec()), &IngestOptions::default());
    assert_eq!(from_stream.unwrap_err().to_string(), from_file.to_string());
    assert!(scene.records().is_empty());
}

#[test]
fn a_truncated_snapshot_is_kept_and_marked_when_that_is_asked_for() {
    let scene = Scene::new();
    let whole = fs::read(fixture("kinds", "shard").path).unwrap();
    let mut random = Random::new(11);
    let cuts = [1, 511, 512, 513, whole.len() - 1, whole.len() - 512, whole.len() - 1024]
        .into_iter()
        .chain((0..12).map(|_| random.below(whole.len() as u64) as usize));
    for cut in cuts {
        let bytes = &whole[..cut];
        let path = scene.write(&format!("cut-{cut}.snapshot"), bytes);
        let committed = scene.ingest_with(Source::file(&path).unwrap(), &allowing_damage());
        // Less than one header is no damaged tar: it is no tar at all, and its kind says so.
        assert_eq!(committed.record.damaged.is_some(), cut >= 512, "cut at {cut}: {:?}", committed.record.damaged);
        scene.assert_comes_back(&committed.record, bytes);
    }
}

#[test]
fn a_snapshot_that_holds_recipes_and_packs_is_not_taken_for_one() {
    let scene = Scene::new();
    let other = Scene::new();
    let whole = fs::read(fixture("notes", "00-base").path).unwrap();
    for each in [&scene, &other] {
        each.ingest(&fixture("notes", "00-base").path);
        each.ingest(&fixture("kinds", "empty").path);
    }
    let mut bodies = Vec::new();
    let mut nodes = Vec::new();
    for from in [&scene, &other] {
        for key in from.objects().keys() {
            bodies.push((key.clone(), fs::read(from.root().join(key)).unwrap()));
        }
        let reader = ChunkReader::new(from.engine.repository(), 1 << 20);
        for record in from.records() {
            for id in reader.ids_behind(&record.root).unwrap() {
                if let Ok(node) = reader.node(&NodeId::from_bytes(id)) {
                    nodes.push(node.encode(NodeVersion::NEWEST));
                }
            }
        }
    }
    assert!(nodes.len() >= 4, "each of the backups has a root at least");
    bodies.extend(nodes.iter().enumerate().map(|(index, node)| (format!("node-{index}"), node.clone())));

    let archive = tar_of(&bodies);
    assert_identity(&scene, "recipes.snapshot", &archive);
    // As a bare file a node of this very repository is the whole input, and one chunk.
    for (index, node) in nodes.iter().enumerate() {
        assert_identity(&scene, &format!("bare-node-{index}"), node);
    }
    let key = scene.repository.id_key();
    let small = nodes.iter().filter(|node| (65..16 << 10).contains(&node.len()));
    let index = scene.engine.repository().index();
    for (as_chunk, as_node) in small.map(|node| (key.chunk_id(node), key.node_id(node))) {
        let found = index.locate(as_chunk.as_bytes()).unwrap().expect("the bytes of the node are a chunk of their own");
        assert_eq!(found.kind, RecordKind::Chunk);
        if let Some(node) = index.locate(as_node.as_bytes()).unwrap() {
            assert_eq!(node.kind, RecordKind::Node);
        }
    }
    let first = &scene.records()[0];
    scene.assert_comes_back(first, &whole);
}

#[test]
fn a_tar_full_of_tiny_entries_comes_back() {
    let scene = Scene::new();
    let mut random = Random::new(3);
    let bodies: Vec<_> = (0..20_000)
        .map(|index| {
            let len = random.below(200) as usize;
            (format!("0/segments/{index:05}/x"), random.bytes(len))
        })
        .collect();
    assert_identity(&scene, "tiny.snapshot", &tar_of(&bodies));
}

#[test]
fn tars_nested_deeper_than_the_limit_come_back() {
    let scene = Scene::new();
    let limit = usize::from(vectar_tar::SplitOptions::default().depth_max);
    let mut archive = tar_of(&[("innermost".to_owned(), Random::new(5).bytes(3000))]);
    for level in 0..limit + 5 {
        archive = tar_of(&[
            (format!("{level}/before"), b"before".to_vec()),
            (format!("{level}/nested.tar"), archive),
            (format!("{level}/after"), b"after".to_vec()),
        ]);
    }
    assert_identity(&scene, "deep.snapshot", &archive);
    let record = &scene.records()[0];
    assert_eq!(record.subject.levels as usize, limit + 1, "levels are counted from 1");
}

/// Base-256 lengths and offsets, and chains of extension blocks, around little data.
#[test]
fn sparse_entries_of_nine_gib_come_back() {
    let scene = Scene::new();
    let options = SparseGiantOptions { stored_bytes: 6 << 20, ..SparseGiantOptions::default() };
    let mut bytes = Vec::new();
    write_sparse_giant(&options, &mut bytes).unwrap();
    assert_identity(&scene, "giant.snapshot", &bytes);
    assert!(scene.records().iter().all(|record| record.damaged.is_none()));
}

#[test]
fn a_declared_size_beyond_the_end_is_damage_and_nothing_more() {
    let scene = Scene::new();
    let mut archive = tar_of(&[("0/huge".to_owned(), vec![1; 5000])]);
    let mut header = tar::Header::new_gnu();
    header.set_path("0/huge").unwrap();
    header.set_mode(0o644);
    header.set_size(1 << 60);
    header.set_cksum();
    archive[..512].copy_from_slice(header.as_bytes());
    let path = scene.write("huge.snapshot", &archive);
    let error = scene.try_ingest(Source::file(&path).unwrap(), &IngestOptions::default()).unwrap_err();
    assert!(matches!(error, Error::SnapshotDamaged { .. }), "{error:?}");
    assert_identity(&scene, "huge.snapshot", &archive);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever is done to a real snapshot, what went in comes out.
    #[test]
    fn mutated_snapshots_come_back(
        which in 0..3_usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>(), 1..3000_usize), 1..12),
    ) {
        let name = [("kinds", "shard-partial"), ("kinds", "shard-streamed"), ("kinds", "shard")][which];
        let mut bytes = fs::read(fixture(name.0, name.1).path).unwrap();
        for (place, edit, byte, len) in edits {
            let at = place.index(bytes.len());
            let end = (at + len).min(bytes.len());
            match edit {
                0 => bytes[at] ^= byte | 1,
                1 => bytes[at..end].fill(byte),
                2 => drop(bytes.drain(at..end)),
                _ => drop(bytes.splice(at..at, Random::new(len as u64).bytes(len))),
            }
            if bytes.is_empty() {
                bytes.push(byte);
            }
        }
        assert_identity(&Scene::new(), "mutated.snapshot", &bytes);
    }

    /// The first headers decide what everything behind them is taken for, so they get the most attention.
    #[test]
    fn headers_with_any_byte_changed_come_back(at in 0..2048_usize, byte in any::<u8>()) {
        let mut bytes = fs::read(fixture("kinds", "empty").path).unwrap();
        bytes[at] = byte;
        assert_identity(&Scene::new(), "header.snapshot", &bytes);
    }
}

/// A GNU tar of files.
fn tar_of(bodies: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, body) in bodies {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(body.len() as u64);
        builder.append_data(&mut header, path, &body[..]).unwrap();
    }
    builder.into_inner().unwrap()
}
