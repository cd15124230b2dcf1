//! Why bytes of a snapshot are new: what its structure, compared with that of its predecessor, says.

use std::collections::{BTreeMap, BTreeSet};

use vectar_qdrant::{BodyPath, Class, Identity, Part, SegmentPart, ShardPart, SnapshotOutline};
use vectar_tar::CatalogueRow;

use super::{Owner, SegmentTurnover};
use crate::content::class_of;

/// Why bytes were new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// There was no earlier backup with that shard.
    First,
    /// A segment that takes new points, and is not there to replace others.
    NewSegment,
    /// A segment that the optimizer built: others are gone since.
    RewrittenSegment,
    /// Points were written into a segment that was there before.
    ChangedSegment,
    /// An index in a segment that was there before: HNSW, sparse, over payload fields.
    Index,
    /// The write-ahead log.
    Wal,
    /// Configuration, replica states, clocks.
    Settings,
    /// Tar headers and padding.
    Framing,
    /// Nothing that was recognised.
    Unknown,
}

impl Cause {
    /// The word for it in tables and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first-backup",
            Self::NewSegment => "new-segment",
            Self::RewrittenSegment => "rewritten-segment",
            Self::ChangedSegment => "changed-segment",
            Self::Index => "index",
            Self::Wal => "wal",
            Self::Settings => "settings",
            Self::Framing => "framing",
            Self::Unknown => "unknown",
        }
    }
}

/// A shard of a snapshot: its collection and its number, as far as they are known.
type ShardKey = (Option<String>, Option<u32>);

/// A snapshot beside its predecessor.
pub(super) struct Compared<'o> {
    outline: &'o SnapshotOutline,
    /// Segments of the predecessor's shards; `None` without a predecessor.
    before: Option<BTreeMap<ShardKey, BTreeSet<String>>>,
    turnover: BTreeMap<ShardKey, SegmentTurnover>,
    /// Segments that take points and saw none.
    untouched: BTreeSet<(ShardKey, String)>,
}

impl<'o> Compared<'o> {
    pub(super) fn new(outline: &'o SnapshotOutline, predecessor: Option<&SnapshotOutline>) -> Self {
        let before = predecessor.map(segments_by_shard);
        let mut turnover = BTreeMap::new();
        for (shard, segments) in segments_by_shard(outline) {
            let Some(known) = before.as_ref().and_then(|before| before.get(&shard)) else { continue };
            let change = SegmentTurnover {
                collection: shard.0.clone(),
                shard: shard.1,
                new: segments.difference(known).cloned().collect(),
                gone: known.difference(&segments).cloned().collect(),
            };
            turnover.insert(shard, change);
        }
        let mut untouched = BTreeSet::new();
        for (shard, segment) in all_segments(outline) {
            let version = segment.state.as_ref().map(|state| state.version);
            if segment.appendable == Some(true) && version == Some(None) {
                untouched.insert((shard, segment.id.as_str().to_owned()));
            }
        }
        Self { outline, before, turnover, untouched }
    }

    /// The shards in which segments came or went.
    pub(super) fn turnover(&self) -> Vec<SegmentTurnover> {
        let changed = |change: &&SegmentTurnover| !change.new.is_empty() || !change.gone.is_empty();
        self.turnover.values().filter(changed).cloned().collect()
    }

    /// Whose the bytes of a row are, what they are, and why they are new if they are.
    pub(super) fn of_row(&self, row: &CatalogueRow) -> (Owner, Class, Cause) {
        let identity = Identity::of(&BodyPath::from(&row.head.path));
        let owner = self.owner(&identity);
        let class = class_of(row).unwrap_or(Class::Unknown);
        let cause = self.cause(&identity, &owner);
        (owner, class, cause)
    }

    /// Why framing of an owner is new if it is.
    pub(super) fn of_framing(&self, owner: &Owner) -> Cause {
        match self.is_first(owner) {
            true => Cause::First,
            false => Cause::Framing,
        }
    }

    fn owner(&self, identity: &Identity) -> Owner {
        let collection = self.outline.collections.iter().find(|each| each.file == identity.collection_file);
        let in_shard = matches!(identity.part, Part::Shard(_) | Part::Segment(_));
        // The number of a shard snapshot's shard does not stand in its paths.
        let only_shard = collection.and_then(|collection| match &collection.shards[..] {
            [only] => only.id,
            _ => None,
        });
        Owner {
            collection: collection.and_then(|collection| collection.name.clone()),
            shard: identity.shard.or(only_shard.filter(|_| in_shard)),
            segment: identity.segment.as_ref().map(|segment| segment.as_str().to_owned()),
        }
    }

    /// Whether the predecessor knows nothing of it: there is none, or it has not the shard, or not the collection.
    fn is_first(&self, owner: &Owner) -> bool {
        let Some(before) = &self.before else { return true };
        match owner.shard {
            Some(_) => !before.contains_key(&owner.shard_key()),
            None => !before.keys().any(|(collection, _)| *collection == owner.collection || owner.collection.is_none()),
        }
    }

    fn cause(&self, identity: &Identity, owner: &Owner) -> Cause {
        if self.is_first(owner) {
            return Cause::First;
        }
        match identity.part {
            Part::Root(_) => Cause::Settings,
            Part::Shard(ShardPart::WalSegment | ShardPart::WalFirstIndex) => Cause::Wal,
            Part::Shard(ShardPart::SegmentArchive) | Part::Unknown => Cause::Unknown,
            Part::Shard(_) => Cause::Settings,
            Part::Segment(part) => self.cause_in_segment(part, owner),
        }
    }

    fn cause_in_segment(&self, part: SegmentPart, owner: &Owner) -> Cause {
        let (shard, name) = (owner.shard_key(), owner.segment.clone().unwrap_or_default());
        let is_new = self.turnover.get(&shard).is_none_or(|change| change.new.contains(&name));
        let replaces = self.turnover.get(&shard).is_some_and(|change| !change.gone.is_empty());
        match part {
            _ if is_new && replaces && !self.untouched.contains(&(shard, name)) => Cause::RewrittenSegment,
            _ if is_new => Cause::NewSegment,
            SegmentPart::VectorIndex | SegmentPart::PayloadIndex => Cause::Index,
            _ => Cause::ChangedSegment,
        }
    }
}

impl Owner {
    fn shard_key(&self) -> ShardKey {
        (self.collection.clone(), self.shard)
    }
}

fn all_segments(outline: &SnapshotOutline) -> impl Iterator<Item = (ShardKey, &vectar_qdrant::SegmentOutline)> {
    let shards = outline
        .collections
        .iter()
        .flat_map(|collection| collection.shards.iter().map(move |shard| (collection, shard)));
    shards.flat_map(|(collection, shard)| {
        shard.segments.iter().map(move |segment| ((collection.name.clone(), shard.id), segment))
    })
}

fn segments_by_shard(outline: &SnapshotOutline) -> BTreeMap<ShardKey, BTreeSet<String>> {
    let mut shards: BTreeMap<ShardKey, BTreeSet<String>> = BTreeMap::new();
    for collection in &outline.collections {
        for shard in &collection.shards {
            shards.entry((collection.name.clone(), shard.id)).or_default();
        }
    }
    for (shard, segment) in all_segments(outline) {
        shards.entry(shard).or_default().insert(segment.id.as_str().to_owned());
    }
    shards
}
