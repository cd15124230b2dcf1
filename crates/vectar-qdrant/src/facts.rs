//! What a classifier has learned, bounded whatever a snapshot holds.

use std::collections::HashMap;
use std::hash::Hash;

use crate::path::Identity;
use crate::storage_config::ChunkedConfig;
use crate::vector_shape::VectorShape;

/// Most facts that are kept. A snapshot of 40 collections with 50 segments of 20 vectors and field indexes each has
/// 40,000; what comes after the limit is labelled without numbers.
const FACTS_MAX: usize = 64 * 1024;

/// Longest place that is kept, in bytes of its names. Qdrant's longest path has 136, a collection's name 255. With
/// [`FACTS_MAX`] it bounds the memory by 64 MiB for names, and in practice by a fifth of it.
const PLACE_BYTES_MAX: usize = 1024;

/// Facts by the place they hold for.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    chunked: HashMap<Directory, ChunkedConfig>,
    block_bytes: HashMap<Directory, u32>,
    segment_vectors: HashMap<Directory, VectorShape>,
    collection_vectors: HashMap<CollectionVector, VectorShape>,
}

/// A directory of a segment; or, for facts about a vector, the vector's name in its stead.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Directory {
    collection_file: Option<String>,
    shard: Option<u32>,
    segment: Option<String>,
    path: String,
}

/// A vector of a collection, whatever the segment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct CollectionVector {
    collection_file: Option<String>,
    vector: String,
}

impl Facts {
    /// Remembers the chunk files beside a body.
    pub(crate) fn learn_chunked(&mut self, identity: &Identity, config: ChunkedConfig) {
        let has_room = self.has_room();
        remember(&mut self.chunked, Directory::of(identity), has_room, |known| *known = config);
    }

    /// Remembers the block length of the Gridstore a body belongs to.
    pub(crate) fn learn_block_bytes(&mut self, identity: &Identity, block_bytes: u32) {
        let has_room = self.has_room();
        remember(&mut self.block_bytes, Directory::of(identity), has_room, |known| *known = block_bytes);
    }

    /// Remembers what a segment says about a vector, and takes it for likely in other segments.
    pub(crate) fn learn_segment_vector(&mut self, identity: &Identity, vector: &str, shape: &VectorShape) {
        let has_room = self.has_room();
        let place = Directory::new(identity, vector);
        remember(&mut self.segment_vectors, place, has_room, |known| known.take_over(shape));
        self.learn_collection_vector(identity, vector, &shape.without_count());
    }

    /// Remembers what holds for a vector in a whole collection.
    pub(crate) fn learn_collection_vector(&mut self, identity: &Identity, vector: &str, shape: &VectorShape) {
        let has_room = self.has_room();
        let place = CollectionVector::new(identity, vector);
        remember(&mut self.collection_vectors, place, has_room, |known| known.take_over(shape));
    }

    /// The chunk files in a body's directory.
    pub(crate) fn chunked(&self, identity: &Identity) -> Option<&ChunkedConfig> {
        self.chunked.get(&Directory::of(identity))
    }

    /// The block length of the Gridstore in a body's directory.
    pub(crate) fn block_bytes(&self, identity: &Identity) -> Option<u32> {
        self.block_bytes.get(&Directory::of(identity)).copied()
    }

    /// The vector a body belongs to: first what its own segment said, then what others said.
    pub(crate) fn vector_shape(&self, identity: &Identity) -> VectorShape {
        let Some(vector) = identity.vector.as_deref() else {
            return VectorShape::default();
        };
        let of_collection = self.collection_vectors.get(&CollectionVector::new(identity, vector));
        let mut shape = of_collection.cloned().unwrap_or_default();
        if let Some(of_segment) = self.segment_vectors.get(&Directory::new(identity, vector)) {
            shape.take_over(of_segment);
        }
        shape
    }

    fn has_room(&self) -> bool {
        let facts =
            self.chunked.len() + self.block_bytes.len() + self.segment_vectors.len() + self.collection_vectors.len();
        facts < FACTS_MAX
    }
}

impl Directory {
    fn new(identity: &Identity, path: &str) -> Self {
        Self {
            collection_file: identity.collection_file.clone(),
            shard: identity.shard,
            segment: identity.segment.as_ref().map(|segment| segment.as_str().to_owned()),
            path: path.to_owned(),
        }
    }

    /// The directory a body lies in.
    fn of(identity: &Identity) -> Self {
        let (directory, _file) = identity.path.rsplit_once('/').unwrap_or_default();
        Self::new(identity, directory)
    }
}

impl CollectionVector {
    fn new(identity: &Identity, vector: &str) -> Self {
        Self { collection_file: identity.collection_file.clone(), vector: vector.to_owned() }
    }
}

/// Something that facts are kept for.
trait Place: Hash + Eq {
    /// Bytes of the names in it.
    fn bytes(&self) -> usize;
}

impl Place for Directory {
    fn bytes(&self) -> usize {
        let names = [self.collection_file.as_ref(), self.segment.as_ref(), Some(&self.path)];
        names.into_iter().flatten().map(String::len).sum()
    }
}

impl Place for CollectionVector {
    fn bytes(&self) -> usize {
        self.collection_file.as_ref().map_or(0, String::len) + self.vector.len()
    }
}

/// Changes what is known for `place`, unless that would be new and is too much.
fn remember<P: Place, F: Default>(facts: &mut HashMap<P, F>, place: P, has_room: bool, change: impl FnOnce(&mut F)) {
    if facts.contains_key(&place) || (has_room && place.bytes() <= PLACE_BYTES_MAX) {
        change(facts.entry(place).or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::BodyPath;

    fn identity(field: &str) -> Identity {
        let file = format!("snapshot/files/payload_index/{field}/page_0.dat");
        Identity::of(&BodyPath::new(["0/segments/u.tar", &file]))
    }

    #[test]
    fn facts_are_bounded_in_number_and_length() {
        let mut facts = Facts::default();
        for number in 0..FACTS_MAX + 10 {
            facts.learn_block_bytes(&identity(&number.to_string()), 16);
        }
        assert_eq!(facts.block_bytes(&identity(&(FACTS_MAX - 1).to_string())), Some(16));
        assert_eq!(facts.block_bytes(&identity(&FACTS_MAX.to_string())), None);
        // What is known already can still be corrected.
        facts.learn_block_bytes(&identity("0"), 8);
        assert_eq!(facts.block_bytes(&identity("0")), Some(8));

        let long = "x".repeat(PLACE_BYTES_MAX);
        let mut facts = Facts::default();
        facts.learn_block_bytes(&identity(&long), 16);
        assert_eq!(facts.block_bytes(&identity(&long)), None);
    }
}
