//! Backups whose recipe takes small pieces of chunks in another order than they lie in: what sharing of rows makes. They come back as
//! exactly as any, and no chunk is read over and over.

use std::sync::Arc;

use vectar::{
    BackupRecord, CancelToken, Engine, EngineOptions, Repository, RestoreOptions, Silent, restore_to_file,
    verify::verify_backup,
};
use vectar_backend::LocalBackend;
use vectar_chunk::{ChunkId, CodecHint};
use vectar_repository::{
    Ingest, NodeWriter, Preparer, RecordDraft, SystemEnvironment,
    format::{
        node::RecipeItem,
        record::{Space, Subject},
    },
};
use vectar_testkit::backend::{Operation, RecordingBackend};

use crate::scene::{Scene, rebuilt_by, sha256};

const ROW_BYTES: usize = 4096;
const CHUNK_ROWS: usize = 16;

/// Several windows of a restore, so that a chunk that is needed in each of them would be read in each of them.
const ROWS: usize = 14 * 1024;

/// Bytes that do not shrink and differ from row to row.
fn row(number: usize) -> Vec<u8> {
    let mut bytes = vec![0; ROW_BYTES];
    blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// The row at each place: a step that is prime to the number of rows visits each of them once, neighbours far apart.
fn permuted(place: usize) -> usize {
    place * 7919 % ROWS
}

/// Stores the rows in another order than their chunks hold them, with some literal bytes and runs between.
fn store_permuted(engine: &Engine) -> (BackupRecord, Vec<u8>) {
    let repository = engine.repository();
    let mut ingest = Ingest::begin(repository, 1).unwrap();
    let mut preparer = Preparer::new(1).unwrap();
    let chunks: Vec<ChunkId> = (0..ROWS / CHUNK_ROWS)
        .map(|chunk| {
            let bytes: Vec<u8> = (chunk * CHUNK_ROWS..(chunk + 1) * CHUNK_ROWS).flat_map(row).collect();
            let id = repository.id_key().chunk_id(&bytes);
            ingest.add(preparer.chunk(&id, &bytes, 0, CodecHint::Incompressible).unwrap()).unwrap();
            id
        })
        .collect();
    let mut recipe = NodeWriter::new(repository.config().node_cut);
    let mut expected = Vec::new();
    for place in 0..ROWS {
        let number = permuted(place);
        let start = (number % CHUNK_ROWS * ROW_BYTES) as u32;
        let copy = RecipeItem::Copy { chunk: chunks[number / CHUNK_ROWS], start, len: ROW_BYTES as u32 };
        recipe.push(copy, &mut ingest).unwrap();
        expected.extend(row(number));
        if place % 1000 == 0 {
            recipe.push(RecipeItem::Inline(b"between".to_vec()), &mut ingest).unwrap();
            recipe.push(RecipeItem::Fill { byte: 0, len: 5000 }, &mut ingest).unwrap();
            recipe.push(RecipeItem::Fill { byte: 7, len: 300 }, &mut ingest).unwrap();
            expected.extend(b"between");
            expected.extend([0; 5000]);
            expected.extend([7; 300]);
        }
    }
    let (covered, root) = (recipe.len(), recipe.finish_root(&mut ingest).unwrap());
    let draft = RecordDraft {
        subject: Subject { name: "permuted".to_owned(), kind: "unknown".to_owned(), ..Subject::default() },
        bytes: expected.len() as u64,
        sha256: Some(sha256(&expected)),
        damaged: None,
        tags: Vec::new(),
        note: None,
        space: Space::default(),
    };
    (ingest.commit(root, covered, draft).unwrap().record, expected)
}

#[test]
fn scattered_rows_come_back_and_each_chunk_is_read_once() {
    let scene = Scene::new();
    let (record, expected) = store_permuted(&scene.engine);
    let backend = Arc::new(RecordingBackend::new(LocalBackend::open(scene.root()).unwrap()));
    let repository = Repository::open(backend.clone(), Arc::new(SystemEnvironment)).unwrap();
    let engine =
        Engine::open(&repository, &EngineOptions { threads: 2, index_directory: None, ..EngineOptions::default() })
            .unwrap();
    backend.take_calls();
    assert!(rebuilt_by(&engine, &record).unwrap().1 == expected);
    let read = backend.amount(Operation::GetRange) as f64;
    println!("read {read} bytes for {}", expected.len());
    assert!(read < expected.len() as f64 * 1.05, "{read} bytes were read of {}", expected.len());

    verify_backup(&engine, &record, &Silent, &CancelToken::default()).unwrap();
    let target = scene.file("restored.snapshot");
    restore_to_file(&engine, &record, &target, &RestoreOptions::default(), &Silent, &CancelToken::default()).unwrap();
    assert!(std::fs::read(&target).unwrap() == expected);
    let left: Vec<_> =
        std::fs::read_dir(target.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "the snapshot and its checksum: {left:?}");
}

/// A damaged chunk is an error as anywhere, and nothing is named.
#[test]
fn a_damaged_chunk_among_scattered_rows_is_an_error() {
    let scene = Scene::new();
    let (record, _) = store_permuted(&scene.engine);
    let packs = scene.objects().into_iter().filter(|(key, len)| key.starts_with("packs/") && *len > 1 << 20);
    let (key, len) = packs.max_by_key(|(_, len)| *len).unwrap();
    let path = scene.root().join(key);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[len as usize / 2] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let target = scene.file("restored.snapshot");
    let engine = scene.another_engine();
    let restored =
        restore_to_file(&engine, &record, &target, &RestoreOptions::default(), &Silent, &CancelToken::default());
    assert_eq!(restored.unwrap_err().kind(), vectar::ErrorKind::RepositoryDamaged);
    assert!(!target.exists());
}
