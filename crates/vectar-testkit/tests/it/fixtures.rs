//! The fixtures are what their `truth.json` says they are.

use std::path::Path;

use sha2::{Digest as _, Sha256};
use vectar_testkit::fixtures::{self, FixtureSnapshot};

#[test]
fn committed_snapshots_have_the_digests_the_server_reported() {
    let snapshots = fixtures::snapshots();
    let names: Vec<String> = snapshots.iter().map(|s| format!("{}/{}", s.series, s.name)).collect();
    assert_eq!(
        names,
        [
            "catalog/00-base",
            "catalog/01-insert-5pct",
            "catalog/02-payload-3pct",
            "catalog/03-delete-33pct-vacuum",
            "kinds/empty",
            "kinds/full",
            "kinds/shard",
            "kinds/shard-partial",
            "kinds/shard-streamed",
            "notes/00-base",
            "notes/01-insert-5pct",
            "notes/02-payload-3pct",
            "notes/03-delete-33pct-vacuum",
        ]
    );
    for snapshot in &snapshots {
        assert_matches_truth(snapshot);
    }
}

#[test]
fn shared_snapshots_have_the_digests_the_server_reported() {
    let Some(snapshots) = fixtures::shared_snapshots() else {
        return;
    };
    for series in ["articles", "cluster", "kinds", "mixed", "uuid"] {
        assert!(snapshots.iter().any(|s| s.series == series), "{series} is missing");
    }
    for snapshot in &snapshots {
        assert_matches_truth(snapshot);
    }
}

#[test]
fn truth_of_a_numbered_series_is_a_list_with_one_step_per_snapshot() {
    let notes = fixtures::series("notes");
    let truth = fixtures::truth(&notes[0]);
    let steps = truth.as_array().unwrap();
    assert_eq!(steps.len(), notes.len());
    for (step, snapshot) in steps.iter().zip(&notes) {
        assert_eq!(step["size"], snapshot.bytes);
    }
}

fn assert_matches_truth(snapshot: &FixtureSnapshot) {
    let (sha256, bytes) = digest_file(&snapshot.path);
    assert_eq!(sha256, snapshot.sha256, "{}", snapshot.path.display());
    assert_eq!(bytes, snapshot.bytes);
}

fn digest_file(path: &Path) -> (String, u64) {
    let bytes = std::fs::read(path).expect("the fixture was unpacked");
    let digest = Sha256::digest(&bytes);
    (digest.iter().map(|byte| format!("{byte:02x}")).collect(), bytes.len() as u64)
}
