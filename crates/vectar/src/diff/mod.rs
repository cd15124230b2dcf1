//! What is different between two snapshots: configuration, shards, segments, files.
//!
//! Files are compared by the bytes they stand for, holes as zeros. Tar headers (times, owners), the order of entries and sparse maps are not
//! compared: Qdrant writes them anew for each snapshot, so they differ between snapshots of which nothing else does.
//!
//! Collections are paired by name, or the only one with the only one; shards by number, likewise; segments by their UUID, which Qdrant never
//! gives to another. The pairs are where a comparison of points can begin.

mod body;
mod files;
mod side;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use vectar_qdrant::{CollectionOutline, RootPart, SegmentOutline, ShardOutline};

use crate::{error::Error, observer::CancelToken};

use body::BodyComparer;
use files::Files;
pub use files::{ClassFates, Fate, FateTotal, FileDiff, FilesDiff};
use side::FileOwner;
pub use side::Side;
pub use value::{ValueChange, value_changes};

/// What is different between two snapshots.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SnapshotDiff {
    /// Aliases; only full snapshots have them.
    pub aliases: Vec<ValueChange>,
    /// Collections of both.
    pub collections: Vec<CollectionDiff>,
    /// Names of those that only the second snapshot has.
    pub collections_added: Vec<String>,
    /// Names of those that only the first one has.
    pub collections_removed: Vec<String>,
    /// Files outside of every collection.
    pub other_files: FilesDiff,
    /// Configuration files that could not be read, so that what they say is not compared; their bytes are.
    pub unread: Vec<String>,
}

/// What is different in a collection that both snapshots have.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CollectionDiff {
    /// Its name in the first snapshot, where known.
    pub old_name: Option<String>,
    /// Its name in the second one, where known.
    pub new_name: Option<String>,
    /// `config.json`.
    pub config: Vec<ValueChange>,
    /// Indexed payload fields: `/field/…`.
    pub payload_schema: Vec<ValueChange>,
    /// Shard keys: `/key/…`.
    pub shard_keys: Vec<ValueChange>,
    /// Its own files.
    pub files: FilesDiff,
    /// Shards of both.
    pub shards: Vec<ShardDiff>,
    /// Numbers of those that only the second snapshot has.
    pub shards_added: Vec<Option<u32>>,
    /// Numbers of those that only the first one has.
    pub shards_removed: Vec<Option<u32>>,
}

/// What is different in a shard that both snapshots have.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ShardDiff {
    /// Its number, where known.
    pub id: Option<u32>,
    /// `replica_state.json`.
    pub replicas: Vec<ValueChange>,
    /// Its own files: WAL, clocks, settings.
    pub files: FilesDiff,
    /// Its segments: added and removed ones too.
    pub segments: Vec<SegmentDiff>,
}

/// What became of a segment.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentDiff {
    /// Its UUID.
    pub id: String,
    /// What became of it; changed when any of its files did.
    pub fate: Fate,
    /// The last operation that the first snapshot's had seen.
    pub old_version: Option<u64>,
    /// The last operation that the second one's had seen.
    pub new_version: Option<u64>,
    /// Its files.
    pub files: FilesDiff,
}

impl SnapshotDiff {
    /// Every owner's files, counted together by class and fate. Those of collections and shards that only one snapshot has are not among
    /// them.
    #[must_use]
    pub fn classes(&self) -> ClassFates {
        let mut all = ClassFates::new();
        let mut take = |files: &FilesDiff| {
            files.classes.iter().for_each(|(key, total)| all.entry(*key).or_default().add(total));
        };
        take(&self.other_files);
        for collection in &self.collections {
            take(&collection.files);
            for shard in &collection.shards {
                take(&shard.files);
                shard.segments.iter().for_each(|segment| take(&segment.files));
            }
        }
        all
    }

    /// Whether nothing that is compared is different.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let same_names = |collection: &CollectionDiff| collection.old_name == collection.new_name;
        self.aliases.is_empty()
            && self.collections_added.is_empty()
            && self.collections_removed.is_empty()
            && self.collections.iter().all(|collection| {
                same_names(collection) && collection.shards_added.is_empty() && collection.shards_removed.is_empty()
            })
            && self.classes().keys().all(|(_, fate)| *fate == Fate::Unchanged)
    }
}

/// Things of both snapshots that belong together, and what only one has: places in the lists of the outlines. What compares more than files
/// begins with these pairs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Paired {
    pub(crate) both: Vec<(usize, usize)>,
    pub(crate) removed: Vec<usize>,
    pub(crate) added: Vec<usize>,
}

impl Paired {
    /// Collections, by name; the only one of each side belongs to the other's, whatever it is called.
    pub(crate) fn collections(old: &[CollectionOutline], new: &[CollectionOutline]) -> Self {
        let key = |collection: &CollectionOutline| {
            (collection.name.clone(), collection.name.is_none().then(|| collection.file.clone()))
        };
        Self::by(old, new, key)
    }

    /// Shards, by number; the only one of each side belongs to the other's when one of them has no number.
    pub(crate) fn shards(old: &[ShardOutline], new: &[ShardOutline]) -> Self {
        match (old, new) {
            ([a], [b]) if a.id.is_some() && b.id.is_some() && a.id != b.id => {
                Self { removed: vec![0], added: vec![0], ..Self::default() }
            }
            _ => Self::by(old, new, |shard| shard.id),
        }
    }

    fn by<T, K: Ord>(old: &[T], new: &[T], key: impl Fn(&T) -> K) -> Self {
        if let ([_], [_]) = (old, new) {
            return Self { both: vec![(0, 0)], ..Self::default() };
        }
        let mut places: BTreeMap<K, usize> = new.iter().enumerate().map(|(place, item)| (key(item), place)).collect();
        let mut paired = Self::default();
        for (place, item) in old.iter().enumerate() {
            match places.remove(&key(item)) {
                Some(other) => paired.both.push((place, other)),
                None => paired.removed.push(place),
            }
        }
        paired.added = places.into_values().collect();
        paired.added.sort_unstable();
        paired
    }
}

/// Compares two snapshots. Of files that both have, those are read whose identity the recipes do not show: at most the stored bytes of both,
/// in small windows, and only up to the first difference.
///
/// # Errors
/// A snapshot cannot be read, or the caller asked to stop. What is damaged in a snapshot is in [`Side::listed`].
pub fn diff(old: &Side<'_>, new: &Side<'_>, cancel: &CancelToken) -> Result<SnapshotDiff, Error> {
    let comparison = Comparison {
        old,
        new,
        old_files: old.files(),
        new_files: new.files(),
        bodies: BodyComparer::new(old, new, cancel),
    };
    comparison.run()
}

struct Comparison<'c, 'e> {
    old: &'c Side<'e>,
    new: &'c Side<'e>,
    old_files: BTreeMap<FileOwner, Files<'c>>,
    new_files: BTreeMap<FileOwner, Files<'c>>,
    bodies: BodyComparer<'c, 'e>,
}

impl Comparison<'_, '_> {
    fn run(&self) -> Result<SnapshotDiff, Error> {
        let (old, new) = (&self.old.outline, &self.new.outline);
        let paired = Paired::collections(&old.collections, &new.collections);
        let name = |collection: &CollectionOutline| {
            collection.name.clone().or_else(|| collection.file.clone()).unwrap_or_else(|| "(name unknown)".to_owned())
        };
        let mut diff = SnapshotDiff {
            aliases: value_changes(json(&old.aliases).as_ref(), json(&new.aliases).as_ref()),
            collections_added: paired.added.iter().map(|&place| name(&new.collections[place])).collect(),
            collections_removed: paired.removed.iter().map(|&place| name(&old.collections[place])).collect(),
            other_files: self.files(FileOwner::default(), FileOwner::default())?,
            ..SnapshotDiff::default()
        };
        for (old, new) in paired.both {
            let collection = self.collection(old, new, &mut diff.unread)?;
            diff.collections.push(collection);
        }
        Ok(diff)
    }

    fn collection(&self, a: usize, b: usize, unread: &mut Vec<String>) -> Result<CollectionDiff, Error> {
        let (old, new) = (&self.old.outline.collections[a], &self.new.outline.collections[b]);
        let paired = Paired::shards(&old.shards, &new.shards);
        let owner = |collection| FileOwner { collection: Some(collection), ..FileOwner::default() };
        let mut diff = CollectionDiff {
            old_name: old.name.clone(),
            new_name: new.name.clone(),
            config: self.root_changes((a, b), RootPart::Config, None, unread),
            payload_schema: self.root_changes((a, b), RootPart::PayloadIndex, Some("schema"), unread),
            shard_keys: value_changes(keys(old).as_ref(), keys(new).as_ref()),
            files: self.files(owner(a), owner(b))?,
            shards_added: paired.added.iter().map(|&place| new.shards[place].id).collect(),
            shards_removed: paired.removed.iter().map(|&place| old.shards[place].id).collect(),
            ..CollectionDiff::default()
        };
        for (shard_a, shard_b) in paired.both {
            diff.shards.push(self.shard((a, shard_a), (b, shard_b))?);
        }
        Ok(diff)
    }

    /// Changes in a file at the root of a collection, or in one member of it. Nothing where only one snapshot is of a kind that has it.
    fn root_changes(
        &self,
        (a, b): (usize, usize),
        part: RootPart,
        member: Option<&str>,
        unread: &mut Vec<String>,
    ) -> Vec<ValueChange> {
        let mut read = |side: &Side<'_>, place| {
            side.root_value(place, part).unwrap_or_else(|path| {
                unread.push(path);
                None
            })
        };
        let (Some(old), Some(new)) = (read(self.old, a), read(self.new, b)) else { return Vec::new() };
        match member {
            Some(member) => value_changes(old.get(member), new.get(member)),
            None => value_changes(Some(&old), Some(&new)),
        }
    }

    fn shard(&self, (a, shard_a): (usize, usize), (b, shard_b): (usize, usize)) -> Result<ShardDiff, Error> {
        let old = &self.old.outline.collections[a].shards[shard_a];
        let new = &self.new.outline.collections[b].shards[shard_b];
        let owner = |collection, shard, segment: Option<&str>| FileOwner {
            collection: Some(collection),
            shard: Some(shard),
            segment: segment.map(str::to_owned),
        };
        let by_id = |shard: &ShardOutline| -> BTreeMap<String, SegmentOutline> {
            shard.segments.iter().map(|segment| (segment.id.as_str().to_owned(), segment.clone())).collect()
        };
        let (olds, news) = (by_id(old), by_id(new));
        let mut diff = ShardDiff {
            id: old.id.or(new.id),
            replicas: value_changes(json(&old.replicas).as_ref(), json(&new.replicas).as_ref()),
            files: self.files(owner(a, shard_a, None), owner(b, shard_b, None))?,
            segments: Vec::new(),
        };
        for id in olds.keys().chain(news.keys()).collect::<BTreeSet<_>>() {
            let files = self.files(owner(a, shard_a, Some(id)), owner(b, shard_b, Some(id)))?;
            let fate = match (olds.get(id), news.get(id)) {
                (Some(_), None) => Fate::Removed,
                (None, _) => Fate::Added,
                (Some(_), Some(_)) if files.is_empty() => Fate::Unchanged,
                (Some(_), Some(_)) => Fate::Changed,
            };
            let version = |segments: &BTreeMap<String, SegmentOutline>| {
                segments.get(id).and_then(|segment| segment.state.as_ref()?.version)
            };
            let (old_version, new_version) = (version(&olds), version(&news));
            diff.segments.push(SegmentDiff { id: id.clone(), fate, old_version, new_version, files });
        }
        Ok(diff)
    }

    fn files(&self, old: FileOwner, new: FileOwner) -> Result<FilesDiff, Error> {
        let none = Files::new();
        let (old, new) = (self.old_files.get(&old).unwrap_or(&none), self.new_files.get(&new).unwrap_or(&none));
        FilesDiff::of(old, new, &self.bodies)
    }
}

/// Shard keys as an object: shards by key.
fn keys(collection: &CollectionOutline) -> Option<Value> {
    let entries = collection.shard_keys.iter().map(|entry| {
        let mut shards = entry.shard_ids.clone();
        shards.sort_unstable();
        (entry.key.to_string(), shards.into())
    });
    Some(Value::Object(entries.collect()))
}

fn json(value: &impl serde::Serialize) -> Option<Value> {
    serde_json::to_value(value).ok().filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_made_by_name_and_the_only_ones_belong_together() {
        let named = |names: &[&str]| -> Vec<CollectionOutline> {
            names
                .iter()
                .map(|name| CollectionOutline { name: Some((*name).to_owned()), ..CollectionOutline::default() })
                .collect()
        };
        let paired = Paired::collections(&named(&["a", "b", "c"]), &named(&["c", "d", "a"]));
        assert_eq!(
            (&paired.both[..], &paired.removed[..], &paired.added[..]),
            (&[(0, 2), (2, 0)][..], &[1][..], &[1][..])
        );
        assert_eq!(Paired::collections(&named(&["a"]), &named(&["b"])).both, [(0, 0)], "restored under another name");
        assert_eq!(Paired::collections(&named(&["a"]), &named(&["b", "c"])).both, []);
        let numbered = |ids: &[Option<u32>]| -> Vec<ShardOutline> {
            ids.iter().map(|&id| ShardOutline { id, ..ShardOutline::default() }).collect()
        };
        assert_eq!(Paired::shards(&numbered(&[Some(0)]), &numbered(&[None])).both, [(0, 0)]);
        assert_eq!(Paired::shards(&numbered(&[Some(0)]), &numbered(&[Some(1)])).both, []);
        assert_eq!(Paired::shards(&numbered(&[Some(0), Some(1)]), &numbered(&[Some(1)])).both, [(1, 0)]);
    }
}
