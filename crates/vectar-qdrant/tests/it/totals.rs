//! The figures of a snapshot add up to its length.

use vectar_qdrant::{Class, SnapshotOutline};
use vectar_tar::RowRole;

use crate::support::{Snapshot, real_snapshots};

fn assert_adds_up(name: &str, snapshot: &Snapshot, outline: &SnapshotOutline) {
    assert_eq!(outline.bytes, snapshot.bytes.len() as u64, "{name}");
    assert_eq!(outline.classes.stored_bytes(), outline.bytes, "{name}");
    let framing = outline.classes.iter().find(|total| total.class == Class::Framing).unwrap();
    assert_eq!(framing.stored_bytes, snapshot.catalogue.summary.framing_bytes, "{name}");
    assert_eq!(framing.bodies, 0, "{name}");
}

#[test]
fn class_totals_add_up_to_the_file() {
    for (name, snapshot) in real_snapshots() {
        assert_adds_up(&name, &snapshot, &snapshot.outline());
    }
}

#[test]
fn parts_add_up_to_their_whole() {
    for (name, snapshot) in real_snapshots() {
        let outline = snapshot.outline();
        let archive_bytes: u64 = snapshot
            .catalogue
            .rows
            .iter()
            .filter(|row| row.role == RowRole::Archive && row.head.path.to_string().ends_with(".tar"))
            .map(|row| row.len)
            .sum();
        let mut segment_bytes = 0;
        let mut whole_bytes = 0;
        for collection in &outline.collections {
            whole_bytes += collection.bytes;
            let shard_bytes: u64 = collection.shards.iter().map(|shard| shard.bytes).sum();
            assert!(shard_bytes <= collection.bytes, "{name}");
            for shard in &collection.shards {
                let in_wal: u64 = shard.wal.iter().map(|file| file.bytes).sum();
                let in_segments: u64 = shard.segments.iter().map(|segment| segment.bytes).sum();
                assert!(in_segments + in_wal <= shard.bytes, "{name}");
                segment_bytes += in_segments;
                for segment in &shard.segments {
                    assert!(segment.classes.stored_bytes() <= segment.bytes, "{name}");
                    assert_eq!(segment.classes.logical_bytes(), segment.logical_bytes, "{name}");
                }
            }
        }
        assert!(whole_bytes <= outline.bytes, "{name}");
        if archive_bytes > 0 {
            assert_eq!(segment_bytes, archive_bytes, "{name}");
        }
    }
}

/// A snapshot cut anywhere still adds up, and what is left of it is still told.
#[test]
fn truncated_snapshots_add_up() {
    let whole = Snapshot::fixture("kinds", "empty").bytes;
    for length in (0..whole.len()).step_by(509) {
        let snapshot = Snapshot::of(whole[..length].to_vec());
        assert_adds_up(&format!("{length} bytes"), &snapshot, &snapshot.outline());
    }
}
