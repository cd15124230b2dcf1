//! Ids sorted in memory, for trackers whose files do not list them in order.

use crate::point_id::PointId;

/// Most operations of one tracker: their numbers share 32 bits with a flag.
pub(super) const OPERATIONS_MAX: u64 = 1 << 31;

/// One operation on an id: its row, and when. The lowest bit of `order` is set where the id was linked, clear where it was deleted.
#[derive(Clone, Copy, Debug)]
struct Link<Id> {
    id: Id,
    row: u32,
    order: u32,
}

impl<Id> Link<Id> {
    fn is_insert(&self) -> bool {
        self.order & 1 == 1
    }
}

/// The bytes of a UUID as two big-endian numbers: compares as the bytes do, only faster.
type UuidKey = [u64; 2];

fn uuid_key(bytes: [u8; 16]) -> UuidKey {
    let [high, low] = [0, 64].map(|bits| (u128::from_be_bytes(bytes) << bits >> 64) as u64);
    [high, low]
}

fn uuid_of(key: UuidKey) -> PointId {
    PointId::Uuid((u128::from(key[0]) << 64 | u128::from(key[1])).to_be_bytes())
}

/// Live ids in scroll order with their rows: 16 bytes for a number, 24 for a UUID.
#[derive(Debug, Default)]
pub(super) struct SortedIds {
    numbers: Vec<Link<u64>>,
    uuids: Vec<Link<UuidKey>>,
}

impl SortedIds {
    pub(super) fn len(&self) -> usize {
        self.numbers.len() + self.uuids.len()
    }

    /// The id at `index` of the scroll order, and its row.
    pub(super) fn at(&self, index: usize) -> Option<(PointId, u32)> {
        match self.numbers.get(index) {
            Some(link) => Some((PointId::Number(link.id), link.row)),
            None => self.uuids.get(index - self.numbers.len()).map(|link| (uuid_of(link.id), link.row)),
        }
    }

    /// The row of an id.
    pub(super) fn row(&self, id: &PointId) -> Option<u32> {
        match id {
            PointId::Number(number) => row_of(&self.numbers, number),
            PointId::Uuid(bytes) => row_of(&self.uuids, &uuid_key(*bytes)),
        }
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = u32> {
        self.numbers.iter().map(|link| link.row).chain(self.uuids.iter().map(|link| link.row))
    }
}

fn row_of<Id: Ord>(links: &[Link<Id>], id: &Id) -> Option<u32> {
    let index = links.binary_search_by(|link| link.id.cmp(id)).ok()?;
    Some(links[index].row)
}

/// Operations in the order of the log, to be replayed.
#[derive(Debug, Default)]
pub(super) struct LinkLog {
    ids: SortedIds,
    /// Row and order of each insert; only where a row came twice or late, so that rows may have changed hands.
    owners: Option<Vec<(u32, u32)>>,
    operations: u32,
}

/// What is left after the replay.
pub(super) struct Replayed {
    pub(super) ids: SortedIds,
    /// Rows that an id was linked to before it was linked to the row that counts, without a delete between.
    pub(super) duplicate_rows: u64,
    /// Ids that were linked last to a row that another id was linked to later.
    pub(super) displaced: u64,
}

impl LinkLog {
    /// With room for so many numbers and UUIDs, which callers have counted in the file. `may_reuse_rows` is whether any row is
    /// linked a second time.
    pub(super) fn new(numbers: usize, uuids: usize, may_reuse_rows: bool) -> Self {
        let ids = SortedIds { numbers: Vec::with_capacity(numbers), uuids: Vec::with_capacity(uuids) };
        Self { ids, owners: may_reuse_rows.then(Vec::new), operations: 0 }
    }

    /// Links `id` to `row`. There may be [`OPERATIONS_MAX`] operations.
    pub(super) fn insert(&mut self, id: PointId, row: u32) {
        let order = self.operations << 1 | 1;
        if let Some(owners) = &mut self.owners {
            owners.push((row, order));
        }
        self.push(id, row, order);
    }

    /// Deletes `id`.
    pub(super) fn delete(&mut self, id: PointId) {
        self.push(id, 0, self.operations << 1);
    }

    fn push(&mut self, id: PointId, row: u32, order: u32) {
        match id {
            PointId::Number(number) => self.ids.numbers.push(Link { id: number, row, order }),
            PointId::Uuid(bytes) => self.ids.uuids.push(Link { id: uuid_key(bytes), row, order }),
        }
        self.operations += 1;
    }

    /// The ids that are live after the last operation.
    pub(super) fn replay(mut self) -> Replayed {
        let owners = self.owners.map(|mut owners| {
            owners.sort_unstable();
            owners
        });
        // A row belongs to the last id that was linked to it.
        let is_owner = |row: u32, order: u32| {
            owners.as_ref().is_none_or(|owners| {
                let after = owners.partition_point(|owner| *owner <= (row, order));
                owners.get(after).is_none_or(|next| next.0 != row)
            })
        };
        let numbers = keep_last(&mut self.ids.numbers, &is_owner);
        let uuids = keep_last(&mut self.ids.uuids, &is_owner);
        Replayed {
            ids: self.ids,
            duplicate_rows: numbers.duplicates + uuids.duplicates,
            displaced: numbers.displaced + uuids.displaced,
        }
    }
}

/// What was not kept.
struct Dropped {
    /// Other rows that the ids own that were kept.
    duplicates: u64,
    /// Ids whose row belongs to another id.
    displaced: u64,
}

/// Sorts by id and keeps of each id its last operation, if that links it to a row it still owns.
fn keep_last<Id: Ord + Copy>(links: &mut Vec<Link<Id>>, is_owner: &impl Fn(u32, u32) -> bool) -> Dropped {
    links.sort_unstable_by(|a, b| a.id.cmp(&b.id).then(a.order.cmp(&b.order)));
    let (mut duplicates, mut displaced) = (0, 0);
    let mut kept = 0;
    let mut start = 0;
    while start < links.len() {
        let id = links[start].id;
        let end = start + links[start..].iter().take_while(|link| link.id == id).count();
        let last = links[end - 1];
        if last.is_insert() && is_owner(last.row, last.order) {
            let earlier = links[start..end - 1].iter().rev().take_while(|link| link.is_insert());
            duplicates += earlier.filter(|link| is_owner(link.row, link.order)).count() as u64;
            links[kept] = last;
            kept += 1;
        } else {
            displaced += u64::from(last.is_insert());
        }
        start = end;
    }
    links.truncate(kept);
    Dropped { duplicates, displaced }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn id(name: u8) -> PointId {
        if name.is_multiple_of(2) { PointId::Number(name.into()) } else { PointId::Uuid([name; 16]) }
    }

    /// The replay, written down as simply as can be.
    fn model(operations: &[(u8, Option<u32>)]) -> BTreeMap<PointId, u32> {
        let mut rows = BTreeMap::new();
        for (name, row) in operations {
            rows.remove(&id(*name));
            if let Some(row) = row {
                rows.retain(|_, other| other != row);
                rows.insert(id(*name), *row);
            }
        }
        rows
    }

    fn replayed(operations: &[(u8, Option<u32>)]) -> Replayed {
        let mut log = LinkLog::new(0, 0, true);
        for (name, row) in operations {
            match row {
                Some(row) => log.insert(id(*name), *row),
                None => log.delete(id(*name)),
            }
        }
        log.replay()
    }

    #[test]
    fn rows_left_behind_are_duplicates_until_the_id_is_deleted() {
        let moved = [(2, Some(0)), (2, Some(1)), (2, Some(2))];
        assert_eq!(replayed(&moved).duplicate_rows, 2);
        // Another id took row 0.
        assert_eq!(replayed(&[moved.as_slice(), &[(3, Some(0))]].concat()).duplicate_rows, 1);
        assert_eq!(replayed(&[moved.as_slice(), &[(2, None)]].concat()).duplicate_rows, 0);
        assert_eq!(replayed(&[moved.as_slice(), &[(2, None), (2, Some(5))]].concat()).duplicate_rows, 0);
    }

    proptest! {
        #[test]
        fn replay_is_what_the_model_says(
            operations in proptest::collection::vec((0..8_u8, proptest::option::of(0..6_u32)), 0..40),
        ) {
            let ids = replayed(&operations).ids;
            let expected = model(&operations);
            let found: Vec<_> = (0..ids.len()).map(|index| ids.at(index).unwrap()).collect();
            prop_assert_eq!(ids.at(ids.len()), None);
            prop_assert_eq!(&found, &expected.iter().map(|(id, row)| (*id, *row)).collect::<Vec<_>>());
            for name in 0..8 {
                prop_assert_eq!(ids.row(&id(name)), expected.get(&id(name)).copied());
            }
        }
    }
}
