//! Look-ups that memory answers: how many are left for the table, and that no answer is another one than the table's.

use std::{collections::BTreeMap, sync::Arc};

use vectar_backend::Backend;
use vectar_chunk::{ChunkId, CodecHint};
use vectar_repository::{
    ChunkLocation, IndexMemory, IndexedRepository, Ingest, NodeWriter, Preparer, Stored,
    format::{ids::PackId, keys, node::RecipeItem},
};
use vectar_testkit::backend::MemoryBackend;

use crate::scene::{draft, init, noise, open, packs};

/// Chunks of a backup, of so few bytes that a pack of 64 KiB holds more than a thousand.
const CHUNKS: u64 = 20_000;

fn chunk_of(seed: u64) -> Vec<u8> {
    noise(seed, 16)
}

fn ids(repository: &IndexedRepository, seeds: impl Iterator<Item = u64>) -> Vec<ChunkId> {
    seeds.map(|seed| repository.id_key().chunk_id(&chunk_of(seed))).collect()
}

/// Stores these chunks as a backup, in this order, as an ingest does: what is known is looked up twice.
fn store_chunks(repository: &IndexedRepository, seeds: std::ops::Range<u64>) {
    let (mut ingest, mut preparer) = (Ingest::begin(repository, 1).unwrap(), Preparer::new(1).unwrap());
    let view = repository.index().reader().unwrap();
    let mut recipe = NodeWriter::new(repository.config().node_cut);
    for seed in seeds {
        let bytes = chunk_of(seed);
        let chunk = repository.id_key().chunk_id(&bytes);
        let is_known = view.locate_sound(chunk.as_bytes()).unwrap().is_some();
        if ingest.rely_on(&chunk).unwrap() == Stored::New {
            assert!(!is_known, "what a view knows the ingest knows");
            ingest.add(preparer.chunk(&chunk, &bytes, 0, CodecHint::Incompressible).unwrap()).unwrap();
        }
        recipe.push(RecipeItem::Copy { chunk, start: 0, len: bytes.len() as u32 }, &mut ingest).unwrap();
    }
    let covered = recipe.len();
    let root = recipe.finish_root(&mut ingest).unwrap();
    ingest.commit(root, covered, draft("chunks", &vec![0; covered as usize])).unwrap();
}

fn empty() -> MemoryBackend {
    let memory = MemoryBackend::new();
    init(Arc::new(memory.another_process()));
    memory
}

fn opened(memory: &MemoryBackend, seed: u64) -> IndexedRepository {
    open(Arc::new(memory.another_process()), seed).unwrap()
}

/// Table look-ups during `work`.
fn asked(repository: &IndexedRepository, work: impl FnOnce()) -> u64 {
    let before = repository.index().table_look_ups();
    work();
    repository.index().table_look_ups() - before
}

#[test]
fn new_chunks_cost_hardly_a_look_up() {
    let memory = empty();
    let repository = opened(&memory, 2);
    let first = asked(&repository, || store_chunks(&repository, 0..CHUNKS));
    // Three look-ups for each: the view's, the ingest's, and its second when the chunk is added; one in a hundred is in vain, as is
    // everything before there is a filter.
    assert!(first <= 3 * CHUNKS * 2 / 100 + 64, "{first} for {CHUNKS} chunks into an empty repository");
    let reopened = opened(&memory, 3);
    let second = asked(&reopened, || store_chunks(&reopened, CHUNKS..2 * CHUNKS));
    let before_the_filter = CHUNKS / 64;
    assert!(second <= 3 * CHUNKS * 2 / 100 + before_the_filter + 64, "{second} for {CHUNKS} more");
}

#[test]
fn known_chunks_in_the_order_of_their_packs_cost_one_look_up_in_twenty() {
    let memory = empty();
    store_chunks(&opened(&memory, 2), 0..CHUNKS);
    let repository = opened(&memory, 3);
    let asked = asked(&repository, || store_chunks(&repository, 0..CHUNKS));
    assert!(asked <= CHUNKS / 20, "{asked} for {CHUNKS} chunks");
}

/// In any order, with enough memory and with none: each chunk is found, in a pack that is there, and nothing that is new.
#[test]
fn what_memory_answers_is_what_the_table_would() {
    let memory = empty();
    store_chunks(&opened(&memory, 2), 0..CHUNKS);
    let limits = [
        IndexMemory::default(),
        IndexMemory { filter_bytes: 0, neighbour_bytes: 0 },
        IndexMemory { filter_bytes: 1000, neighbour_bytes: 150_000 },
    ];
    for limits in limits {
        let repository = opened(&memory, 3);
        repository.index().limit_memory(limits);
        let truth = places(&repository);
        let present = packs(&memory);
        for stride in [1, 7, 7919] {
            let seeds = (0..CHUNKS).map(|number| number * stride % CHUNKS);
            for id in ids(&repository, seeds) {
                let found = repository.index().reader().unwrap().locate_sound(id.as_bytes()).unwrap().unwrap();
                assert!(present.contains(&found.pack));
                assert_eq!(found, truth[id.as_bytes()], "{limits:?}, {stride}");
            }
        }
        for id in ids(&repository, CHUNKS..2 * CHUNKS) {
            assert!(repository.index().reader().unwrap().locate_sound(id.as_bytes()).unwrap().is_none());
        }
    }
}

/// Every record by its footer, which no look-up has a part in.
fn places(repository: &IndexedRepository) -> BTreeMap<[u8; 32], ChunkLocation> {
    let footer = |pack: PackId| (pack, repository.index().footer(&pack).unwrap().unwrap());
    let footers = repository.index().pack_ids().into_iter().map(footer);
    let place = |(pack, footer): (PackId, vectar_repository::format::pack::PackFooter)| {
        footer.entries.into_iter().map(move |entry| {
            let head = entry.head;
            let (stored_len, raw_len, codec) = (head.stored_len, head.raw_len, head.codec);
            (head.id, ChunkLocation { pack, kind: head.kind, codec, offset: entry.offset, stored_len, raw_len })
        })
    };
    footers.flat_map(place).collect()
}

/// Packs that are loaded and in the filter go, and come, and are marked: memory says nothing of what is gone, and nothing that is there is new.
#[test]
fn memory_follows_packs_that_go_and_come_and_are_marked() {
    let memory = empty();
    store_chunks(&opened(&memory, 2), 0..CHUNKS);
    let repository = opened(&memory, 3);
    let all = ids(&repository, 0..CHUNKS);
    let count = || {
        all.iter()
            .filter(|id| repository.index().reader().unwrap().locate_sound(id.as_bytes()).unwrap().is_some())
            .count()
    };
    let warm = |from: u64| {
        for id in ids(&repository, from..from + 5000) {
            assert!(repository.index().locate(id.as_bytes()).unwrap().is_none());
        }
        count()
    };
    assert_eq!(warm(CHUNKS), all.len());
    let victim = repository.index().locate(all[all.len() / 2].as_bytes()).unwrap().unwrap().pack;
    let held = repository.index().footer(&victim).unwrap().unwrap().entries.len();
    let key = keys::pack(&victim);
    let bytes = crate::scene::object(&memory, &key);

    crate::scene::overwrite(&memory, &vectar_backend::ObjectKey::parse(&format!("condemned/{victim}")).unwrap(), "");
    repository.catch_up().unwrap();
    assert_eq!(count(), all.len() - held, "what is marked is not relied on");

    memory.delete(&key).unwrap();
    memory.delete(&keys::mark(&victim)).unwrap();
    repository.catch_up().unwrap();
    assert_eq!(warm(2 * CHUNKS), all.len() - held, "what is gone is not found");

    // Another client puts it back, while this one has a filter without it.
    crate::scene::overwrite(&memory, &key, bytes);
    repository.catch_up().unwrap();
    assert_eq!(count(), all.len(), "what came is no longer new");
    let more = opened(&memory, 4);
    store_chunks(&more, CHUNKS..CHUNKS + 100);
    repository.catch_up().unwrap();
    let found = ids(&repository, CHUNKS..CHUNKS + 100);
    assert!(found.iter().all(|id| repository.index().locate(id.as_bytes()).unwrap().is_some()));
}
