//! Which earlier backups may hold the rows of a snapshot.

use std::collections::HashSet;

use vectar_repository::format::record::{BackupRecord, Subject};

/// Backups that are searched for each collection: the newest, and the one before it, which may be of another node or of another kind.
const PREDECESSORS_MAX: usize = 2;

/// Backups that are searched for a full snapshot, whatever it contains. Each takes memory for its list of files.
const PREDECESSORS_OF_FULL_MAX: usize = 16;

/// The newest backups of the same collection that share a shard with the snapshot, or of each collection of a full one; where a name is not
/// known on both sides, segments of the same UUID tell that they belong together. Newest first, within each collection.
pub(crate) fn choose<'r>(subject: &Subject, known: &'r [BackupRecord]) -> Vec<&'r BackupRecord> {
    let segments: HashSet<&str> = segments_of(subject).collect();
    let shards: HashSet<u32> = subject.shards.iter().filter_map(|shard| shard.id).collect();
    let same_shards = |other: &Subject| {
        shards.is_empty()
            || other.shards.iter().all(|shard| shard.id.is_none())
            || other.shards.iter().filter_map(|shard| shard.id).any(|id| shards.contains(&id))
    };
    let same_segments = |other: &Subject| segments_of(other).any(|segment| segments.contains(segment));
    let of_collection = |name: &str| {
        newest(known.iter().filter(|record| {
            let other = &record.subject;
            let same_name = other.collection.as_deref() == Some(name) || other.contains.contains_key(name);
            (same_name && same_shards(other) && other.cluster == subject.cluster) || same_segments(other)
        }))
    };
    if subject.contains.is_empty() {
        return match &subject.collection {
            Some(name) => of_collection(name),
            None => newest(known.iter().filter(|record| same_segments(&record.subject))),
        };
    }
    let mut chosen: Vec<&BackupRecord> = Vec::new();
    for record in subject.contains.keys().flat_map(|name| of_collection(name)) {
        if chosen.len() < PREDECESSORS_OF_FULL_MAX && chosen.iter().all(|known| known.id != record.id) {
            chosen.push(record);
        }
    }
    chosen
}

/// The newest backups that hold a segment of this UUID.
pub(super) fn of_segment<'r>(segment: &str, known: &'r [BackupRecord]) -> Vec<&'r BackupRecord> {
    newest(known.iter().filter(|record| segments_of(&record.subject).any(|other| other == segment)))
}

fn newest<'r>(related: impl Iterator<Item = &'r BackupRecord>) -> Vec<&'r BackupRecord> {
    let mut related: Vec<&BackupRecord> = related.collect();
    related.sort_by_key(|record| std::cmp::Reverse((record.taken_or_stored_at(), record.stored_at)));
    related.truncate(PREDECESSORS_MAX);
    related
}

fn segments_of(subject: &Subject) -> impl Iterator<Item = &str> {
    subject.shards.iter().flat_map(|shard| shard.segments.iter().map(String::as_str))
}
