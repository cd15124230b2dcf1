//! Recipes nested as deep as the format allows, and deeper: restored and salvaged whole, or reported.

use vectar::{
    BackupRecord, Nowhere,
    check::{CheckOptions, Level, check},
    salvage,
};
use vectar_repository::{
    Ingest, NodeSink, RecordDraft,
    format::{
        node::{NODE_DEPTH_MAX, RecipeItem, RecipeNode},
        record::{Space, Subject},
    },
};

use crate::scene::{Scene, rebuilt_by, sha256};

const BYTES: &[u8] = b"deep below";

/// Stores a backup whose only extent lies below `levels` nodes.
fn store_nested(scene: &Scene, levels: usize) -> BackupRecord {
    let mut ingest = Ingest::begin(scene.engine.repository(), 1).unwrap();
    let len = BYTES.len() as u64;
    let leaf = RecipeNode { items: vec![RecipeItem::Inline(BYTES.into())] };
    let mut root = ingest.store(&leaf).unwrap();
    for _ in 1..levels {
        root = ingest.store(&RecipeNode { items: vec![RecipeItem::Node { node: root, len }] }).unwrap();
    }
    let draft = RecordDraft {
        subject: Subject { name: "nested".to_owned(), kind: "unknown".to_owned(), ..Subject::default() },
        bytes: len,
        sha256: Some(sha256(BYTES)),
        damaged: None,
        tags: Vec::new(),
        note: None,
        space: Space::default(),
    };
    ingest.commit(root, len, draft).unwrap().record
}

#[test]
fn the_deepest_recipe_that_is_allowed_is_as_good_as_any() {
    let scene = Scene::new();
    let record = store_nested(&scene, NODE_DEPTH_MAX);
    assert_eq!(rebuilt_by(&scene.engine, &record).unwrap().1, BYTES);
    let salvaged = salvage(&scene.engine, &record, &mut Nowhere, &vectar::Silent, &vectar::CancelToken::default());
    assert_eq!(salvaged.unwrap().lost, []);
    let report = check(scene.engine.repository(), &CheckOptions::default(), &|_| true).unwrap();
    assert_eq!(report.findings, []);
}

#[test]
fn a_recipe_that_is_nested_deeper_is_a_finding_and_no_error() {
    let scene = Scene::new();
    let record = store_nested(&scene, NODE_DEPTH_MAX + 1);
    assert!(rebuilt_by(&scene.engine, &record).is_err());
    let report = check(scene.engine.repository(), &CheckOptions::default(), &|_| true).unwrap();
    let [finding] = &report.findings[..] else { panic!("{:?}", report.findings) };
    assert_eq!(finding.level, Level::Damage);
    assert!(finding.what.contains("nest deeper"), "{}", finding.what);
    assert!(finding.backups.contains(&record.id));
    let salvaged = salvage(&scene.engine, &record, &mut Nowhere, &vectar::Silent, &vectar::CancelToken::default());
    assert_eq!(salvaged.unwrap().lost.len(), 1);
}
