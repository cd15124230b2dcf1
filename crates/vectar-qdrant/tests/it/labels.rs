//! What each file of a real snapshot is labelled.

use std::collections::BTreeMap;

use expect_test::{ExpectFile, expect, expect_file};
use vectar_qdrant::{BodyLayout, Class, Classifier};

use crate::support::{Snapshot, real_snapshots};

/// Lists the distinct labels with the number of bodies, without the names of segments and the numbers of shards.
fn listing(snapshot: &Snapshot, classifier: &Classifier) -> String {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for (_, path, size) in snapshot.bodies() {
        let label = classifier.label(&path, size);
        let identity = &label.identity;
        let place = match (identity.shard.is_some(), identity.segment.is_some()) {
            (_, true) => "segment/",
            (true, false) => "shard/",
            (false, false) => "",
        };
        let (part, vector) = (identity.part, identity.vector.as_deref());
        let vector = vector.map(|vector| format!(" \"{vector}\"")).unwrap_or_default();
        let line = format!("{place}{} | {part:?}{vector} | {} | {}", identity.path, label.class, label.layout);
        *counts.entry(line).or_default() += 1;
    }
    counts.iter().map(|(line, count)| format!("{count} x {line}\n")).collect()
}

fn check(series: &str, name: &str, expected: ExpectFile) {
    let snapshot = Snapshot::fixture(series, name);
    expected.assert_eq(&listing(&snapshot, &snapshot.classifier()));
}

#[test]
fn collection_with_every_kind_of_vector() {
    check("catalog", "00-base", expect_file!["golden/labels-collection.txt"]);
}

#[test]
fn stored_shard() {
    check("kinds", "shard", expect_file!["golden/labels-shard.txt"]);
}

#[test]
fn streamed_shard_has_the_labels_of_the_stored_one() {
    check("kinds", "shard-streamed", expect_file!["golden/labels-shard-streamed.txt"]);
}

#[test]
fn partial_shard() {
    check("kinds", "shard-partial", expect_file!["golden/labels-shard-partial.txt"]);
}

#[test]
fn full() {
    check("kinds", "full", expect_file!["golden/labels-full.txt"]);
}

#[test]
fn empty_collection() {
    check("kinds", "empty", expect_file!["golden/labels-empty.txt"]);
}

/// The order of a stream: label each body before anything behind it is known.
#[test]
fn in_streaming_order_few_rows_stay_unmeasured() {
    let snapshot = Snapshot::fixture("catalog", "00-base");
    let mut classifier = Classifier::new();
    let mut unmeasured: BTreeMap<String, u32> = BTreeMap::new();
    for (row, path, size) in snapshot.bodies() {
        let label = classifier.label(&path, size);
        if label.class == Class::DenseRows && label.layout == BodyLayout::Opaque {
            *unmeasured.entry(label.identity.path).or_default() += 1;
        }
        if classifier.wants(&path, size) {
            classifier.learn(&path, &snapshot.body(row).unwrap());
        }
    }
    // The codes of the first optimised segment come before anything that tells how they were made.
    expect![[r#"
        {
            "vector_storage-colbert/quantized.data": 1,
            "vector_storage-image/quantized.data": 1,
            "vector_storage-text/quantized.data": 1,
        }
    "#]]
    .assert_debug_eq(&unmeasured);
}

#[test]
fn no_body_of_a_real_snapshot_is_unknown() {
    for (name, snapshot) in real_snapshots() {
        let classifier = snapshot.classifier();
        for (_, path, size) in snapshot.bodies() {
            let label = classifier.label(&path, size);
            assert_ne!(label.class, Class::Unknown, "{name}: {path}");
            if label.class == Class::DenseRows {
                assert!(matches!(label.layout, BodyLayout::Rows { .. }), "{name}: {path}: {}", label.layout);
            }
        }
    }
}

/// The blocks of a Gridstore page are known before its `config.json` was read, which comes later in the stream.
#[test]
fn the_default_block_length_is_the_configured_one() {
    for (name, snapshot) in real_snapshots() {
        let (learned, ignorant) = (snapshot.classifier(), Classifier::new());
        for (_, path, size) in snapshot.bodies() {
            let layout = learned.label(&path, size).layout;
            if matches!(layout, BodyLayout::Blocks { .. }) {
                assert_eq!(ignorant.label(&path, size).layout, layout, "{name}: {path}");
            }
        }
    }
}

/// The same segment in a stored and in a streamed shard snapshot has the same identities.
#[test]
fn identity_does_not_depend_on_the_layout() {
    let identities = |name: &str| {
        let snapshot = Snapshot::fixture("kinds", name);
        let classifier = snapshot.classifier();
        let bodies = snapshot.bodies();
        let mut identities: Vec<_> = bodies
            .map(|(_, path, size)| classifier.label(&path, size).identity)
            .filter_map(|identity| Some((identity.segment?, identity.path, identity.vector)))
            .collect();
        identities.sort();
        identities
    };
    assert_eq!(identities("shard"), identities("shard-streamed"));
}
