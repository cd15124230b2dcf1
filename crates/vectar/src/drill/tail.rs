//! The tail of a shard's write-ahead log: operations that no segment has. The engine applies them when it loads the shard; nobody who reads
//! its files does. So it must be known which points they may change: all others can be compared.

use std::collections::BTreeSet;

use vectar_qdrant::{
    PointId, QdrantError,
    storage::{Wal, WalOperation},
};

use crate::{error::Error, inside::Inside};

/// Most ids that are left out of a comparison: they are sent to the engine, some 40 bytes each.
const POINTS_MAX: usize = 100_000;

/// Operations that change the points they name and no others (`qdrant v1.19.0 lib/shard/src/operations/`), unless they have a filter,
/// as conditional upserts always do.
const OF_POINTS: [&str; 8] = [
    "upsert_points",
    "delete_points",
    "update_vectors",
    "delete_vectors",
    "set_payload",
    "overwrite_payload",
    "delete_payload",
    "clear_payload",
];

/// Operations that change no point.
const OF_NO_POINTS: [&str; 2] = ["create_index", "delete_index"];

/// What lies in the tail.
#[derive(Debug)]
pub(super) struct Tail {
    /// How many operations.
    pub(super) operations: u64,
    /// All points that they may change; why that cannot be said, when any point may be among them.
    pub(super) touched: Result<BTreeSet<PointId>, String>,
}

impl Tail {
    /// Reads the tails of all shards that a snapshot holds.
    ///
    /// # Errors
    /// As [`Inside::shards`]; the repository's own error when it is its fault. A log that cannot be read is part of the answer.
    pub(super) fn of(inside: &Inside<'_, '_>) -> Result<Self, Error> {
        let files = inside.files();
        let mut tail = Self { operations: 0, touched: Ok(BTreeSet::new()) };
        for one in inside.shards(&files, None, None)?.iter().filter(|one| !one.shard.wal.is_empty()) {
            let read = Wal::open(&one.files).and_then(|wal| {
                one.shard.wal_tail(&wal).try_for_each(|entry| entry.map(|entry| tail.add(&entry.operation)))
            });
            inside.content().check_failure()?;
            if let Err(error) = read {
                tail.touched = Err(unreadable(&error));
            }
        }
        Ok(tail)
    }

    fn add(&mut self, operation: &WalOperation) {
        self.operations += 1;
        let Ok(touched) = &mut self.touched else { return };
        let name = operation.name.as_str();
        if OF_NO_POINTS.contains(&name) {
            return;
        }
        if !OF_POINTS.contains(&name) || operation.has_filter {
            self.touched = Err(format!("{name:?} in its write-ahead log may change any of them"));
            return;
        }
        touched.extend(&operation.points);
        if touched.len() > POINTS_MAX || operation.points_more > 0 {
            self.touched = Err(format!("operations in its write-ahead log change more than {POINTS_MAX} of them"));
        }
    }
}

fn unreadable(error: &QdrantError) -> String {
    format!("its write-ahead log may hold operations for them, and cannot be read: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touched(operations: &[(&str, &[u64], bool)]) -> Result<Vec<u64>, String> {
        let mut tail = Tail { operations: 0, touched: Ok(BTreeSet::new()) };
        for (name, points, has_filter) in operations {
            let points = points.iter().map(|number| PointId::Number(*number)).collect();
            tail.add(&WalOperation { name: (*name).to_owned(), points, points_more: 0, has_filter: *has_filter });
        }
        assert_eq!(tail.operations, operations.len() as u64);
        let number = |id| if let PointId::Number(number) = id { number } else { unreachable!("all are numbers") };
        tail.touched.map(|touched| touched.into_iter().map(number).collect())
    }

    #[test]
    fn points_that_are_named_are_all_that_change() {
        let named = touched(&[
            ("upsert_points", &[7, 3], false),
            ("create_index", &[], false),
            ("delete_points", &[3, 9], false),
        ]);
        assert_eq!(named, Ok(vec![3, 7, 9]));
        assert_eq!(touched(&[]), Ok(vec![]));
    }

    #[test]
    fn any_point_may_change_where_none_is_named() {
        for operation in [
            ("set_payload", true),
            ("delete_points_by_filter", true),
            ("sync_points", true),
            ("delete_vector_name", false),
        ] {
            let (name, has_filter) = operation;
            let why = touched(&[(name, &[1], has_filter), ("upsert_points", &[2], false)]).unwrap_err();
            assert_eq!(why, format!("{name:?} in its write-ahead log may change any of them"));
        }
        let many: Vec<u64> = (0..=POINTS_MAX as u64).collect();
        assert!(touched(&[("upsert_points", &many, false)]).unwrap_err().contains("more than 100000"));
    }
}
