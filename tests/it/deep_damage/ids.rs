//! Damage to id trackers: which point has which row, which rows are deleted, and which operation wrote them last.

use super::case::{Case, by_digest, reported};
use super::patient::Snapshot::{Catalog, Notes, Streamed};

const MAPPINGS: &str = "built/id_tracker.mappings";
const DELETED: &str = "built/id_tracker.deleted";
const VERSIONS: &str = "built/id_tracker.versions";
const LINKS: &str = "growing/mutable_id_tracker.mappings";
const LINK_VERSIONS: &str = "growing/mutable_id_tracker.versions";

/// Bytes of a numeric id's record in the mappings of a built segment, of their header, and of a record in the log of links.
const NUMBER_RECORD: usize = 13;
const HEADER: usize = 8;
const LINK_RECORD: usize = 13;

pub(super) fn cases() -> Vec<Case> {
    [of_built_segments(), of_versions(), of_growing_segments()].into_iter().flatten().collect()
}

fn of_built_segments() -> Vec<Case> {
    vec![
        reported(Notes, "a delete flag is set", DELETED, |s| {
            let row = s.built_row(true);
            s.flip(DELETED, row / 8, 1 << (row % 8));
        }),
        reported(Notes, "a delete flag is cleared", DELETED, |s| {
            let row = s.built_row(false);
            s.flip(DELETED, row / 8, 1 << (row % 8));
        }),
        reported(Notes, "all delete flags are zero", DELETED, |s| s.zero(DELETED)),
        reported(Notes, "delete flags are cut", DELETED, |s| s.cut(DELETED)),
        reported(Streamed, "delete flags are missing", DELETED, |s| s.remove(DELETED)),
        reported(Catalog, "delete flags of two shards are swapped", DELETED, |s| {
            s.swap(DELETED, "other-built/id_tracker.deleted");
        }),
        reported(Streamed, "the mappings count one row more", MAPPINGS, |s| s.add(MAPPINGS, 0, 1)),
        reported(Streamed, "the mappings count a billion rows", MAPPINGS, |s| s.add(MAPPINGS, 0, 1 << 30)),
        reported(Streamed, "the mappings are cut", MAPPINGS, |s| s.cut(MAPPINGS)),
        reported(Streamed, "the mappings are missing", MAPPINGS, |s| s.remove(MAPPINGS)),
        reported(Streamed, "the mappings are zero", MAPPINGS, |s| s.zero(MAPPINGS)),
        reported(Notes, "a bit of an id is flipped", MAPPINGS, |s| {
            let row = s.built_row(true);
            s.flip(MAPPINGS, HEADER + row * NUMBER_RECORD + 3, 1 << 6);
        }),
        reported(Notes, "two rows have the same id", MAPPINGS, |s| {
            let row = s.built_row(true);
            let at = HEADER + row * NUMBER_RECORD;
            let id = s.file(MAPPINGS)[at..at + NUMBER_RECORD - 4].to_vec();
            s.put(MAPPINGS, at - NUMBER_RECORD, &id);
        }),
        reported(Catalog, "the kind of an id is flipped", MAPPINGS, |s| s.flip(MAPPINGS, HEADER, 1 << 3)),
        reported(Catalog, "the mappings of two shards are swapped", VERSIONS, |s| {
            s.swap(MAPPINGS, "other-built/id_tracker.mappings");
        }),
    ]
}

fn of_versions() -> Vec<Case> {
    vec![
        reported(Streamed, "versions are cut", VERSIONS, |s| s.cut(VERSIONS)),
        reported(Streamed, "versions are missing", VERSIONS, |s| s.remove(VERSIONS)),
        reported(Streamed, "a version is newer than the segment", VERSIONS, |s| {
            s.put(VERSIONS, 800, &(1_u64 << 40).to_le_bytes());
        }),
        reported(Catalog, "versions of two shards are swapped", VERSIONS, |s| {
            s.swap(VERSIONS, "other-built/id_tracker.versions");
        }),
        by_digest(
            Notes,
            "a version becomes an older one",
            "every version up to the segment's could be; the WAL does not reach back to all of them",
            |s| {
                let row = s.built_row(true);
                s.put(VERSIONS, row * 8, &1_u64.to_le_bytes());
            },
        ),
    ]
}

fn of_growing_segments() -> Vec<Case> {
    vec![
        reported(Notes, "the log of links ends within a record", LINKS, |s| {
            let len = s.file(LINKS).len();
            s.keep(LINKS, len - 5);
        }),
        reported(Notes, "the log of links has a record that is none", LINKS, |s| {
            s.put(LINKS, 10 * LINK_RECORD, &[0x7f]);
        }),
        reported(Streamed, "the log of links is missing", LINKS, |s| s.remove(LINKS)),
        reported(Streamed, "the log of links is empty", LINKS, |s| s.edit(LINKS, Vec::clear)),
        reported(Streamed, "the log of links is zero", LINKS, |s| s.zero(LINKS)),
        reported(Notes, "a link leads to the row of another point", LINKS, |s| {
            let row = s.file(LINKS)[LINK_RECORD + 9..2 * LINK_RECORD].to_vec();
            s.put(LINKS, 5 * LINK_RECORD + 9, &row);
        }),
        reported(Streamed, "versions of links are cut", LINK_VERSIONS, |s| s.cut(LINK_VERSIONS)),
        reported(Streamed, "versions of links are missing", LINK_VERSIONS, |s| s.remove(LINK_VERSIONS)),
    ]
}
