//! Collections, shards and segments in the making, found by their names.

use std::collections::HashMap;

use crate::path::{Identity, SegmentId};

use super::{CollectionOutline, SegmentOutline, ShardOutline};

/// Outlines with their places: a hostile snapshot may hold any number of shards and segments, so none is searched for.
#[derive(Debug, Default)]
pub(super) struct OutlineTree {
    collections: Vec<CollectionOutline>,
    /// Lengths of the collection files of a full snapshot that could be split.
    collection_file_bytes: HashMap<String, u64>,
    collection_places: HashMap<Option<String>, usize>,
    shard_places: HashMap<(usize, Option<u32>), usize>,
    segment_places: HashMap<(usize, usize, SegmentId), usize>,
}

impl OutlineTree {
    /// The collection of a file of a full snapshot, or the only one of any other kind. Made if it is new.
    pub(super) fn collection_mut(&mut self, file: Option<&str>) -> &mut CollectionOutline {
        let place = self.collection_place(file.map(str::to_owned));
        &mut self.collections[place]
    }

    /// The collection of a file, if there is one.
    pub(super) fn known_collection_mut(&mut self, file: &str) -> Option<&mut CollectionOutline> {
        let place = self.collection_places.get(&Some(file.to_owned()))?;
        self.collections.get_mut(*place)
    }

    /// Takes in a collection file that was split as a tar.
    pub(super) fn add_collection_file(&mut self, file: &str, bytes: u64) {
        self.collection_place(Some(file.to_owned()));
        *self.collection_file_bytes.entry(file.to_owned()).or_default() += bytes;
    }

    /// The shard a body belongs to. Made if it is new.
    pub(super) fn shard_mut(&mut self, identity: &Identity) -> &mut ShardOutline {
        let (collection, shard) = self.shard_place(identity);
        &mut self.collections[collection].shards[shard]
    }

    /// The segment `id` in the shard a body belongs to. Made if it is new.
    pub(super) fn segment_mut(&mut self, identity: &Identity, id: &SegmentId) -> &mut SegmentOutline {
        let (collection, shard) = self.shard_place(identity);
        let segments = &mut self.collections[collection].shards[shard].segments;
        let place = (collection, shard, id.clone());
        let place = *self.segment_places.entry(place).or_insert_with(|| {
            segments.push(SegmentOutline::new(id.clone()));
            segments.len() - 1
        });
        &mut segments[place]
    }

    /// Adds up the lengths, from the segments up, and puts the shards in order.
    pub(super) fn finish(self) -> Vec<CollectionOutline> {
        let mut collections = self.collections;
        for collection in &mut collections {
            collection.shards.sort_by_key(|shard| shard.id);
            for shard in &mut collection.shards {
                for segment in &mut shard.segments {
                    segment.logical_bytes = segment.classes.logical_bytes();
                    shard.bytes += segment.bytes;
                }
                collection.bytes += shard.bytes;
            }
            let file_bytes = collection.file.as_ref().and_then(|file| self.collection_file_bytes.get(file));
            if let Some(bytes) = file_bytes {
                collection.bytes = *bytes;
            }
        }
        collections
    }

    fn collection_place(&mut self, file: Option<String>) -> usize {
        if let Some(place) = self.collection_places.get(&file) {
            return *place;
        }
        let place = self.collections.len();
        self.collections.push(CollectionOutline { file: file.clone(), ..CollectionOutline::default() });
        self.collection_places.insert(file, place);
        place
    }

    fn shard_place(&mut self, identity: &Identity) -> (usize, usize) {
        let collection = self.collection_place(identity.collection_file.clone());
        let shards = &mut self.collections[collection].shards;
        let place = *self.shard_places.entry((collection, identity.shard)).or_insert_with(|| {
            shards.push(ShardOutline { id: identity.shard, ..ShardOutline::default() });
            shards.len() - 1
        });
        (collection, place)
    }
}
