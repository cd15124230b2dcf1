//! Cuts, ids and recipes follow from the bytes and the repository's key, not from threads, sources or what ran before.

use std::{path::Path, sync::Arc};

use vectar::{CancelToken, Engine, EngineOptions, IngestOptions, InitOptions, Repository, Silent, Source, ingest};
use vectar_backend::{BackendExt, KeyPrefix, LocalBackend, ObjectKey};
use vectar_chunk::NodeId;
use vectar_repository::{ChunkReader, Placed, RecipeWalker, SeededEnvironment, format::node::RecipeItem};
use vectar_testkit::fixtures::series;

use crate::scene::stored;

/// A repository whose key follows from a seed.
fn seeded(folder: &Path, seed: u64) -> Repository {
    let backend = Arc::new(LocalBackend::create(folder.join("repository")).unwrap());
    let start = "2026-11-20T16:24:27Z".parse().unwrap();
    let environment = Arc::new(SeededEnvironment::new(seed, start));
    Repository::init(backend, environment, &InitOptions::default()).unwrap().0
}

/// What came of storing some snapshots one after the other, each with those before it to share rows with.
#[derive(PartialEq)]
struct StoredSeries {
    /// Of each the root, and each extent with its place.
    recipes: Vec<(NodeId, Vec<Placed>)>,
    /// The names of all packs: the hashes of their bytes.
    packs: Vec<ObjectKey>,
}

fn store_series(threads: usize, seed: u64) -> StoredSeries {
    let folder = tempfile::tempdir().unwrap();
    let repository = seeded(folder.path(), seed);
    let engine =
        Engine::open(&repository, &EngineOptions { threads, index_directory: None, ..EngineOptions::default() })
            .unwrap();
    let cancel = CancelToken::default();
    let (mut recipes, mut known) = (Vec::new(), Vec::new());
    for snapshot in series("notes").into_iter().chain(series("kinds")) {
        let source = Source::file(&snapshot.path).unwrap();
        let outcome = ingest(&engine, source, &IngestOptions::default(), &known, &Silent, &cancel).unwrap();
        let record = stored(outcome).record;
        let reader = ChunkReader::new(engine.repository(), 1 << 20);
        let walker = RecipeWalker::new(&reader, &record.root, record.bytes, 0).unwrap();
        recipes.push((record.root, walker.map(Result::unwrap).collect()));
        known.push(record);
    }
    let packs = repository.backend().list_all(&KeyPrefix::parse("packs").unwrap());
    let mut packs: Vec<ObjectKey> = packs.map(|object| object.unwrap().key).collect();
    packs.sort();
    StoredSeries { recipes, packs }
}

#[test]
fn recipes_and_packs_do_not_depend_on_the_number_of_threads() {
    let with_one = store_series(1, 42);
    assert!(with_one.packs.len() >= with_one.recipes.len(), "each ingest writes packs of its own");
    for threads in [2, 3, 8] {
        let with_more = store_series(threads, 42);
        assert!(with_more.recipes == with_one.recipes, "{threads} threads give other recipes than one");
        assert_eq!(with_more.packs, with_one.packs, "{threads} threads give other packs than one");
    }
}

/// Whoever has no key learns nothing from an id; the places of the cuts follow from the bytes alone.
#[test]
fn ids_depend_on_the_key_of_the_repository_and_cuts_do_not() {
    let (one, other) = (store_series(2, 1), store_series(2, 2));
    for ((root, extents), (other_root, other_extents)) in one.recipes.into_iter().zip(other.recipes) {
        assert_ne!(root, other_root);
        assert_eq!(extents.len(), other_extents.len());
        for (here, there) in extents.iter().zip(&other_extents) {
            assert_eq!((here.offset, here.extent.len()), (there.offset, there.extent.len()));
            if let (RecipeItem::Copy { chunk, .. }, RecipeItem::Copy { chunk: other, .. }) =
                (&here.extent, &there.extent)
            {
                assert_ne!(chunk, other, "the extent at {}", here.offset);
            }
        }
    }
}
