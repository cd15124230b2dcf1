//! Cuts, ids and recipes follow from the bytes and the repository's key, not from threads, sources or what ran before.

use std::{path::Path, sync::Arc};

use vectar::{CancelToken, Engine, EngineOptions, IngestOptions, InitOptions, Repository, Silent, Source, ingest};
use vectar_backend::LocalBackend;
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

/// The recipes of some snapshots: the root, and each extent with its place.
fn recipes(threads: usize, seed: u64) -> Vec<(NodeId, Vec<Placed>)> {
    let folder = tempfile::tempdir().unwrap();
    let repository = seeded(folder.path(), seed);
    let engine =
        Engine::open(&repository, &EngineOptions { threads, index_directory: None, ..EngineOptions::default() })
            .unwrap();
    let cancel = CancelToken::default();
    let mut recipes = Vec::new();
    for snapshot in series("notes").into_iter().chain(series("kinds")) {
        let source = Source::file(&snapshot.path).unwrap();
        let outcome = ingest(&engine, source, &IngestOptions::default(), &[], &Silent, &cancel).unwrap();
        let record = stored(outcome).record;
        let reader = ChunkReader::new(engine.repository(), 1 << 20);
        let walker = RecipeWalker::new(&reader, &record.root, record.bytes, 0).unwrap();
        recipes.push((record.root, walker.map(Result::unwrap).collect()));
    }
    recipes
}

#[test]
fn recipes_do_not_depend_on_the_number_of_threads() {
    let with_one = recipes(1, 42);
    for threads in [2, 3, 8] {
        assert!(recipes(threads, 42) == with_one, "{threads} threads give another recipe than one");
    }
}

/// Whoever has no key learns nothing from an id; the places of the cuts follow from the bytes alone.
#[test]
fn ids_depend_on_the_key_of_the_repository_and_cuts_do_not() {
    for ((root, extents), (other_root, other_extents)) in recipes(2, 1).into_iter().zip(recipes(2, 2)) {
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
