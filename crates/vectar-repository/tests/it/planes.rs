//! Chunks in planes are written only where every reader is known to have the codec.

use std::{collections::BTreeSet, sync::Arc};

use vectar_backend::Backend;
use vectar_chunk::{CodecHint, CodecId, PLANES_FEATURE};
use vectar_repository::{
    ChunkReader, IndexedRepository, Ingest, InitOptions, NodeWriter, Preparer, Repository,
    format::{
        node::{NODES_3_FEATURE, RecipeItem},
        pack::{PackFooter, RecordKind},
        record::BackupRecord,
    },
};
use vectar_testkit::backend::MemoryBackend;

use crate::scene::{draft, init_options, keys_below, noise, object, open, process, rebuilt};

/// Numbers between −1/20 and 1/20 with all bits of their mantissas in use.
fn floats() -> Vec<u8> {
    let number = |bits: &[u8; 4]| (f64::from(i32::from_le_bytes(*bits)) / f64::from(i32::MAX) / 20.0) as f32;
    noise(1, 20_000).as_chunks::<4>().0.iter().flat_map(|bits| number(bits).to_le_bytes()).collect()
}

fn init(planes: bool) -> MemoryBackend {
    let memory = MemoryBackend::new();
    let required_features = if planes { InitOptions::default().required_features } else { Vec::new() };
    let options = InitOptions { required_features, id_key: Some("ab".repeat(32)), ..init_options() };
    Repository::init(Arc::new(memory.another_process()), process(1), &options).unwrap();
    memory
}

/// Stores one chunk as a backup.
fn store(repository: &IndexedRepository, chunk: &[u8]) -> BackupRecord {
    let mut ingest = Ingest::begin(repository, 1).unwrap();
    let id = repository.id_key().chunk_id(chunk);
    let mut preparer = Preparer::for_repository(repository.config(), 1).unwrap();
    ingest.add(preparer.chunk(&id, chunk, 0, CodecHint::Floats).unwrap()).unwrap();
    let mut recipe = NodeWriter::new(repository.config().node_cut);
    recipe.push(RecipeItem::Copy { chunk: id, start: 0, len: chunk.len() as u32 }, &mut ingest).unwrap();
    let (covered, root) = (recipe.len(), recipe.finish_root(&mut ingest).unwrap());
    ingest.commit(root, covered, draft("floats", chunk)).unwrap().record
}

/// The codecs of all chunks, as the footers of the packs state them.
fn codecs(backend: &dyn Backend) -> BTreeSet<CodecId> {
    let footers = keys_below(backend, "packs").into_iter().map(|pack| {
        let pack = object(backend, &pack);
        PackFooter::decode(&pack, pack.len() as u64).unwrap()
    });
    let heads = footers.flat_map(|footer| footer.entries).map(|entry| entry.head);
    heads.filter(|head| head.kind == RecordKind::Chunk).map(|head| CodecId::new(head.codec)).collect()
}

#[test]
fn a_new_repository_requires_the_codec_by_name() {
    for (planes, features) in [(true, vec![PLANES_FEATURE, NODES_3_FEATURE]), (false, vec![])] {
        let repository = open(Arc::new(init(planes).another_process()), 2).unwrap();
        assert_eq!(repository.config().required_features, features);
        assert_eq!(repository.config().allows_planes(), planes);
    }
}

#[test]
fn chunks_are_coded_as_the_repository_allows() {
    for (planes, codec) in [(true, CodecId::PLANES), (false, CodecId::ZSTD)] {
        let memory = init(planes);
        let repository = open(Arc::new(memory.another_process()), 2).unwrap();
        let record = store(&repository, &floats());
        assert_eq!(codecs(&memory), BTreeSet::from([codec]));
        assert!(rebuilt(&repository, &record).unwrap() == floats());
    }
}

/// A copy puts records into the packs of another repository as they are stored; what that one may not hold is coded anew.
#[test]
fn a_chunk_of_another_repository_is_coded_as_this_one_allows() {
    for (from_planes, to_planes) in [(true, true), (true, false), (false, true), (false, false)] {
        let (from, to) = (init(from_planes), init(to_planes));
        let source = open(Arc::new(from.another_process()), 2).unwrap();
        let record = store(&source, &floats());
        let target = open(Arc::new(to.another_process()), 3).unwrap();
        let mut ingest = Ingest::begin(&target, 1).unwrap();
        let reader = ChunkReader::new(&source, 1 << 20);
        for id in reader.ids_behind(&record.root).unwrap() {
            ingest.add(reader.record(&id).unwrap()).unwrap();
        }
        let copied = ingest.commit(record.root, record.bytes, draft("copy", &floats())).unwrap().record;
        assert!(rebuilt(&open(Arc::new(to.another_process()), 4).unwrap(), &copied).unwrap() == floats());
        let expected = if from_planes && to_planes { CodecId::PLANES } else { CodecId::ZSTD };
        assert_eq!(codecs(&to), BTreeSet::from([expected]), "from {from_planes} to {to_planes}");
    }
}
