//! Which backups are drilled, and in which order.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use vectar_repository::{BackupId, Proven, format::record::BackupRecord};

use crate::select::{Group, counts_from};

/// Puts backups into the order in which they are drilled. `records` are all that the repository holds; `day` is a number that is another one
/// on another day.
///
/// Each [`Group`] gives one backup, and when all have, its next one: first those that never were drilled, the newest of them first, then the
/// one whose drill is longest ago. Two rules take turns in naming the group:
///
/// - the group whose last drill that passed, of whichever backup that is still there, is longest ago; those without one come before all
///   others, in the order of the lot;
/// - the group that the lot names, drawn anew each day and after each drill that passed.
///
/// Which of the two begins is a lot as well. By the first rule alone, groups whose drills never pass would be first in each run and take
/// all the time there is, since only what passed leaves a proof; so they take every other place at most, and any group comes to its turn.
#[must_use]
pub fn order_drills<'r>(
    backups: Vec<&'r BackupRecord>,
    records: &[BackupRecord],
    proven: &HashMap<BackupId, Proven>,
    day: i64,
) -> Vec<&'r BackupRecord> {
    let drilled_at = |record: &BackupRecord| Some(proven.get(&record.id)?.drill.as_ref()?.0);
    let mut drilled: BTreeMap<Group, Timestamp> = BTreeMap::new();
    for (record, at) in records.iter().filter_map(|record| Some((record, drilled_at(record)?))) {
        let newest = drilled.entry(Group::of(record)).or_insert(at);
        *newest = at.max(*newest);
    }
    let mut groups: BTreeMap<Group, Vec<&BackupRecord>> = BTreeMap::new();
    for record in backups {
        groups.entry(Group::of(record)).or_default().push(record);
    }
    for group in groups.values_mut() {
        group.sort_by_key(|record| (drilled_at(record), Reverse(counts_from(record)), record.id));
    }
    let draw = format!("{day} {:?}", drilled.values().max());
    let mut by_lot: Vec<&Group> = groups.keys().collect();
    by_lot.sort_by_cached_key(|group| lot(&draw, &format!("{group:?}")));
    let mut by_age = by_lot.clone();
    by_age.sort_by_key(|group| drilled.get(group));
    let turns = take_turns(by_age, by_lot, lot(&draw, "")[0] & 1 == 1);
    let rounds = groups.values().map(Vec::len).max().unwrap_or(0);
    let mut order = Vec::new();
    for round in 0..rounds {
        order.extend(turns.iter().filter_map(|group| groups[*group].get(round)));
    }
    order
}

/// What is drawn for somebody: as good as random, and the same for all who ask of one draw.
fn lot(draw: &str, whom: &str) -> [u8; 32] {
    Sha256::digest(format!("{draw} {whom}")).into()
}

/// One of the one, one of the other, each group once.
fn take_turns<'g>(by_age: Vec<&'g Group>, by_lot: Vec<&'g Group>, lot_begins: bool) -> Vec<&'g Group> {
    let (first, second) = if lot_begins { (by_lot, by_age) } else { (by_age, by_lot) };
    let mut named = BTreeSet::new();
    first.into_iter().zip(second).flat_map(|(one, other)| [one, other]).filter(|group| named.insert(*group)).collect()
}

/// Why a backup cannot be drilled at all; `None` when it can.
#[must_use]
pub fn why_not(record: &BackupRecord) -> Option<&'static str> {
    match (record.subject.kind.as_str(), &record.damaged) {
        (_, Some(_)) => Some("the snapshot was damaged when it was stored"),
        ("shard-partial", _) => Some("a partial snapshot loads only onto the shard it was asked for"),
        ("collection" | "full" | "shard" | "shard-streamed", _) => None,
        _ => Some("it is no snapshot that vectar knows"),
    }
}

#[cfg(test)]
mod tests {
    use vectar_repository::format::{event::DrillNote, record::Subject};

    use super::*;

    /// The repository of a machine with twelve collections that stores a new backup of each every day, and drills some every seventh day.
    #[derive(Default)]
    struct Weeks {
        records: Vec<BackupRecord>,
        proven: HashMap<BackupId, Proven>,
        /// The collections drilled in each week, passed or not.
        drilled: Vec<Vec<usize>>,
    }

    const COLLECTIONS: usize = 12;

    impl Weeks {
        fn record(&self, collection: usize, day: i64) -> BackupRecord {
            let subject = Subject {
                name: format!("{collection}-{day}.snapshot"),
                kind: "collection".to_owned(),
                collection: Some(format!("collection {collection}")),
                ..Subject::default()
            };
            let id = Sha256::digest(&subject.name)[..16].try_into().unwrap();
            BackupRecord {
                id: BackupId::from_bytes(id),
                seq: 0,
                requires: Vec::new(),
                subject,
                // One after the other, in the same order each night.
                stored_at: Timestamp::from_second(day * 86_400 + collection as i64 * 60).unwrap(),
                bytes: 1,
                sha256: None,
                root: vectar_chunk::NodeId::from_bytes([0; 32]),
                damaged: None,
                tags: Vec::new(),
                note: None,
                space: Default::default(),
                tool: String::new(),
            }
        }

        /// So many weeks, each with room for so many drills; those of some collections never pass.
        fn run(mut self, weeks: i64, budget: usize, passes: impl Fn(usize) -> bool) -> Self {
            let begins = 20_000 + self.drilled.len() as i64 * 7;
            for day in (0..weeks).map(|week| begins + week * 7) {
                for day in day..day + 7 {
                    self.records.extend((0..COLLECTIONS).map(|one| self.record(one, day)).collect::<Vec<_>>());
                }
                let newest: Vec<&BackupRecord> = self.records[self.records.len() - COLLECTIONS..].iter().collect();
                let at = Timestamp::from_second((day + 7) * 86_400).unwrap();
                let mut drilled = Vec::new();
                for record in order_drills(newest, &self.records, &self.proven, day).into_iter().take(budget) {
                    let one = record.subject.collection.as_ref().unwrap()["collection ".len()..].parse().unwrap();
                    drilled.push(one);
                    if passes(one) {
                        let note = DrillNote::default();
                        self.proven.insert(record.id, Proven { at, drill: Some((at, note)) });
                    }
                }
                self.drilled.push(drilled);
            }
            self
        }

        /// How often each collection was drilled from a week on.
        fn counts(&self, from: usize) -> Vec<usize> {
            let drilled: Vec<usize> = self.drilled[from..].concat();
            (0..COLLECTIONS).map(|one| drilled.iter().filter(|drilled| **drilled == one).count()).collect()
        }
    }

    /// The backups are new each week and none of them was ever drilled: what counts is the last drill of their collection.
    #[test]
    fn with_new_backups_each_week_every_collection_has_its_turn() {
        let weeks = Weeks::default().run(60, 4, |_| true);
        for window in weeks.drilled.windows(6) {
            let drilled: BTreeSet<usize> = window.concat().into_iter().collect();
            assert_eq!(drilled.len(), COLLECTIONS, "two of four places go by age: {window:?}");
        }
    }

    #[test]
    fn what_never_passes_does_not_keep_the_others_out() {
        let never = |one: usize| one >= 6;
        let weeks = Weeks::default().run(100, 2, never);
        assert!(weeks.counts(0).iter().all(|count| *count >= 4), "{:?}", weeks.counts(0));
        // The same where they passed once.
        let weeks = Weeks::default().run(12, 4, |_| true).run(100, 2, never);
        assert!(weeks.counts(12).iter().all(|count| *count >= 4), "{:?}", weeks.counts(12));
        // And where there is time for one at a time.
        let weeks = Weeks::default().run(200, 1, never);
        assert!(weeks.counts(0).iter().all(|count| *count >= 3), "{:?}", weeks.counts(0));
    }

    #[test]
    fn on_one_day_the_order_is_the_same_and_each_group_gives_one_at_a_time() {
        let weeks = Weeks::default().run(3, 4, |_| true);
        let all: Vec<&BackupRecord> = weeks.records.iter().collect();
        let order = |day| order_drills(all.clone(), &weeks.records, &weeks.proven, day);
        let groups: BTreeSet<Group> = order(1)[..COLLECTIONS].iter().map(|record| Group::of(record)).collect();
        assert_eq!((groups.len(), order(1).len()), (COLLECTIONS, all.len()));
        assert!(order(1) == order(1) && order(1) != order(2));
    }
}
