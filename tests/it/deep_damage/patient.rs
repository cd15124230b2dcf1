//! Sound snapshots, and the places in them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use vectar_testkit::{TarParts, fixtures::shared_series};

use super::look::{Seen, look_in_another_process};
use crate::scene::fixture;

/// Which snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Snapshot {
    /// One shard, numbers as ids, one cosine vector.
    Notes,
    /// Two shards, UUIDs, named dense, multi and sparse vectors, quantized, five payload indexes.
    Catalog,
    /// One shard as a stream: no inner tars, no configuration of the collection, an empty WAL.
    Streamed,
    /// Two collections with aliases.
    Full,
    /// The files of one shard that another copy of it lacks.
    Partial,
    /// One node of three: two shards of three are there. Of the shared series.
    Accounts,
    /// One shard, ordered by a tenant, in a matrix. Of the shared series.
    Tenants,
}

impl Snapshot {
    fn path(self) -> Option<PathBuf> {
        let shared = |series: &str, name: &str| {
            let found = shared_series(series)?.into_iter().find(|snapshot| snapshot.name == name);
            Some(found.unwrap_or_else(|| panic!("{series} holds no {name}")).path)
        };
        match self {
            Self::Notes => Some(fixture("notes", "02-payload-3pct").path),
            Self::Catalog => Some(fixture("catalog", "02-payload-3pct").path),
            Self::Streamed => Some(fixture("kinds", "shard-streamed").path),
            Self::Full => Some(fixture("kinds", "full").path),
            Self::Partial => Some(fixture("kinds", "shard-partial").path),
            Self::Accounts => shared("cluster", "accounts-node1"),
            Self::Tenants => shared("kinds", "tenants"),
        }
    }

    /// Filters some points of it fit and others do not.
    pub(super) fn filters(path: &str) -> &'static [&'static str] {
        const NOTES: &[&str] = &[
            r#"{"must":[{"key":"rank","range":{"gte":100,"lt":400}}]}"#,
            r#"{"must_not":[{"key":"topic","match":{"any":["mathematics","history"]}}]}"#,
        ];
        const CATALOG: &[&str] = &[
            r#"{"must":[{"key":"price","range":{"gte":10.0}}]}"#,
            r#"{"should":[{"key":"text","match":{"text":"the"}},{"has_vector":"bm25"}]}"#,
        ];
        if path.contains("-Catalog.") { CATALOG } else { NOTES }
    }
}

/// A sound snapshot.
pub(super) struct Patient {
    pub(super) bytes: Vec<u8>,
    pub(super) parts: TarParts,
    pub(super) seen: Seen,
    /// What stands before the files of the first shard, of its segment that was built, of the one that takes points, and of the
    /// segment that was built in the second shard.
    shard: String,
    built: String,
    growing: String,
    other_built: String,
}

impl Patient {
    /// Looks at sound snapshots, in another process; `None` where one of them is not there.
    pub(super) fn all(test: &str, snapshots: &BTreeSet<Snapshot>) -> Option<BTreeMap<Snapshot, Self>> {
        let paths: Vec<PathBuf> = snapshots.iter().map(|snapshot| snapshot.path()).collect::<Option<_>>()?;
        let bytes: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
        let names = snapshots.iter().map(|snapshot| format!("{snapshot:?}"));
        let seen = look_in_another_process(test, names.zip(bytes.iter().cloned()));
        let patients = snapshots.iter().zip(bytes.into_iter().zip(seen));
        Some(patients.map(|(snapshot, (bytes, seen))| (*snapshot, Self::of(*snapshot, bytes, seen))).collect())
    }

    fn of(snapshot: Snapshot, bytes: Vec<u8>, seen: Seen) -> Self {
        assert!(seen.grave().is_empty(), "{snapshot:?}: {:?}", seen.grave());
        let parts = TarParts::of(&bytes);
        let paths = parts.paths();
        let first = paths.iter().find_map(|path| path.split_once("segments/"));
        let shard = first.map_or_else(String::new, |(shard, _)| shard.to_owned());
        let segment = |shard: &str, file: &str| {
            let is_wanted = |path: &&String| path.starts_with(&format!("{shard}segments/")) && path.ends_with(file);
            paths.iter().find(is_wanted).map_or_else(String::new, |path| path.trim_end_matches(file).to_owned())
        };
        let built = segment(&shard, "id_tracker.deleted");
        let growing = segment(&shard, "mutable_id_tracker.versions");
        let other_built = segment("1/", "id_tracker.deleted");
        Self { parts, bytes, seen, shard, built, growing, other_built }
    }

    /// The path of a place: `built/…`, `growing/…` and `other-built/…` are files of segments, `shard/…` those of the first shard;
    /// everything else is as it is. `?` stands for the hash in the name of an index.
    pub(super) fn path(&self, place: &str) -> String {
        let (owner, rest) = place.split_once('/').unwrap_or((place, ""));
        let path = match owner {
            "built" => format!("{}{rest}", self.built),
            "growing" => format!("{}{rest}", self.growing),
            "other-built" => format!("{}{rest}", self.other_built),
            "shard" => format!("{}{rest}", self.shard),
            _ => place.to_owned(),
        };
        let Some((before, after)) = path.split_once("?") else { return path };
        let paths = self.parts.paths();
        let found = paths.iter().find_map(|known| {
            let hash = known.strip_prefix(before)?.split('-').next()?;
            known.starts_with(&format!("{before}{hash}{after}")).then(|| format!("{before}{hash}{after}"))
        });
        found.unwrap_or_else(|| panic!("{place} is not there"))
    }
}
