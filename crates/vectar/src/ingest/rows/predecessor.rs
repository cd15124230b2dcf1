//! Which earlier backups may hold the rows of a snapshot.

use std::collections::HashSet;

use vectar_repository::format::record::{BackupRecord, Subject};

/// Backups that are searched: the newest, and the one before it, which may be of another node or of another kind.
const PREDECESSORS_MAX: usize = 2;

/// The newest backups of the same collection that share a shard with the snapshot; where a name is not known on both sides, segments of the
/// same UUID tell that they belong together. Newest first.
pub(crate) fn choose<'r>(subject: &Subject, known: &'r [BackupRecord]) -> Vec<&'r BackupRecord> {
    let segments: HashSet<&str> = segments_of(subject).collect();
    let shards: HashSet<u32> = subject.shards.iter().filter_map(|shard| shard.id).collect();
    let related: Vec<&BackupRecord> = known
        .iter()
        .filter(|record| {
            let other = &record.subject;
            let same_name = other.collection == subject.collection && subject.collection.is_some();
            let same_segments = || segments_of(other).any(|segment| segments.contains(segment));
            let same_shards = shards.is_empty()
                || other.shards.iter().all(|shard| shard.id.is_none())
                || other.shards.iter().filter_map(|shard| shard.id).any(|id| shards.contains(&id));
            // A full snapshot has collections of its own, which are found by their files.
            let same_collections =
                !subject.contains.is_empty() && subject.contains.keys().any(|name| other.contains.contains_key(name));
            (same_name && same_shards && other.cluster == subject.cluster) || same_collections || same_segments()
        })
        .collect();
    newest(related)
}

/// The newest backups that hold a segment of this UUID.
pub(super) fn of_segment<'r>(segment: &str, known: &'r [BackupRecord]) -> Vec<&'r BackupRecord> {
    newest(known.iter().filter(|record| segments_of(&record.subject).any(|other| other == segment)).collect())
}

fn newest(mut related: Vec<&BackupRecord>) -> Vec<&BackupRecord> {
    related.sort_by_key(|record| std::cmp::Reverse((record.taken_or_stored_at(), record.stored_at)));
    related.truncate(PREDECESSORS_MAX);
    related
}

fn segments_of(subject: &Subject) -> impl Iterator<Item = &str> {
    subject.shards.iter().flat_map(|shard| shard.segments.iter().map(String::as_str))
}
