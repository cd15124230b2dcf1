//! What became of points from one snapshot of a series to the next, and which backups still hold a point that was deleted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use vectar::{
    CancelToken, Content, Inside, PointChangeKind, PointChanges, PointId, point_changes,
    points::{Filter, PointQuery},
};
use vectar_testkit::fixtures::{FixtureSnapshot, series, shared_series};

use crate::said::{counted, ids, scrolled};
use crate::scene::Scene;

/// A snapshot with all its points: the slow way that `point_changes` is held against.
struct Whole {
    name: String,
    points: BTreeMap<PointId, (Value, Value)>,
}

impl Whole {
    fn read(name: &str, inside: &Inside<'_, '_>) -> Self {
        let points = scrolled(inside, &PointQuery { with_vectors: true, ..PointQuery::default() });
        let parts = points.into_iter().map(|point| {
            let printed = serde_json::to_value(&point).unwrap();
            (point.id, (printed["payload"].clone(), printed["vector"].clone()))
        });
        Self { name: name.to_owned(), points: parts.collect() }
    }

    fn changes_to(&self, next: &Self) -> BTreeMap<PointId, PointChangeKind> {
        let ids: BTreeSet<&PointId> = self.points.keys().chain(next.points.keys()).collect();
        let change = |id| match (self.points.get(id), next.points.get(id)) {
            (None, _) => Some(PointChangeKind::Added),
            (_, None) => Some(PointChangeKind::Removed),
            (Some((payload, vector)), Some((next_payload, next_vector))) => {
                match (payload == next_payload, vector == next_vector) {
                    (true, true) => None,
                    (false, true) => Some(PointChangeKind::PayloadChanged),
                    (true, false) => Some(PointChangeKind::VectorChanged),
                    (false, false) => Some(PointChangeKind::PayloadAndVectorChanged),
                }
            }
        };
        ids.into_iter().filter_map(|id| Some((*id, change(id)?))).collect()
    }
}

fn counts_of(first: &Whole, second: &Whole, changes: &BTreeMap<PointId, PointChangeKind>) -> PointChanges {
    let count = |kinds: &[PointChangeKind]| changes.values().filter(|change| kinds.contains(change)).count() as u64;
    let added = count(&[PointChangeKind::Added]);
    PointChanges {
        first: first.points.len() as u64,
        second: second.points.len() as u64,
        added,
        removed: count(&[PointChangeKind::Removed]),
        payload_changed: count(&[PointChangeKind::PayloadChanged, PointChangeKind::PayloadAndVectorChanged]),
        vector_changed: count(&[PointChangeKind::VectorChanged, PointChangeKind::PayloadAndVectorChanged]),
        unchanged: second.points.len() as u64
            - added
            - (changes.len() as u64 - added - count(&[PointChangeKind::Removed])),
    }
}

/// The only kind of change that a step's name announces, and about how many of a hundred points it takes.
fn announced(step: &str) -> Option<(PointChangeKind, u64)> {
    let kinds = [
        ("insert", PointChangeKind::Added),
        ("delete", PointChangeKind::Removed),
        ("payload", PointChangeKind::PayloadChanged),
        ("revector", PointChangeKind::VectorChanged),
    ];
    let mut words = step.split('-').skip(1);
    let verb = words.next().unwrap();
    let Some((_, kind)) = kinds.into_iter().find(|(name, _)| *name == verb) else {
        assert!(["unchanged", "hnsw"].contains(&verb), "{step}");
        return None;
    };
    Some((kind, words.next().unwrap().trim_end_matches("pct").parse().unwrap()))
}

fn assert_announced(step: &Whole, first: u64, changes: &BTreeMap<PointId, PointChangeKind>) {
    let Some((kind, percent)) = announced(&step.name) else {
        assert!(changes.is_empty(), "{}: {changes:?}", step.name);
        return;
    };
    assert!(changes.values().all(|change| *change == kind), "{}: {changes:?}", step.name);
    // Shares are of all points there ever were, of which some had been deleted or changed before.
    let expected = first * percent / 100;
    let found = changes.len() as u64;
    assert!(found * 4 >= expected * 3 && found * 4 <= expected * 5, "{}: {found} of {first}", step.name);
}

/// Compares each step with the one before it, from files and from backups.
fn assert_changes(found: &[FixtureSnapshot]) {
    let scene = Scene::new();
    let records: Vec<_> = found.iter().map(|snapshot| scene.ingest(&snapshot.path).record).collect();
    let files: Vec<_> = found.iter().map(|snapshot| Content::file(&snapshot.path).unwrap()).collect();
    let backups: Vec<_> = records.iter().map(|record| Content::backup(&scene.engine, record)).collect();
    let files: Vec<_> = files.iter().map(|content| Inside::open(content).unwrap()).collect();
    let backups: Vec<_> = backups.iter().map(|content| Inside::open(content).unwrap()).collect();
    let wholes = found.iter().zip(&files).map(|(snapshot, inside)| Whole::read(&snapshot.name, inside));
    let wholes: Vec<Whole> = wholes.collect();
    for step in 1..found.len() {
        let (first, second) = (&wholes[step - 1], &wholes[step]);
        let expected = first.changes_to(second);
        // A file against a backup, so that both are read.
        for pair in
            [(&files[step - 1], &files[step]), (&backups[step - 1], &files[step]), (&files[step - 1], &backups[step])]
        {
            let mut changes = Vec::new();
            let counts = point_changes(pair, None, None, &CancelToken::default(), |change| {
                changes.push((change.id, change.change));
                Ok(())
            });
            assert_eq!(counts.unwrap(), counts_of(first, second, &expected), "{}", second.name);
            assert_eq!(changes, expected.clone().into_iter().collect::<Vec<_>>(), "{}", second.name);
        }
        assert_announced(second, first.points.len() as u64, &expected);
        println!("{}/{}: {:?}", found[step].series, second.name, counts_of(first, second, &expected));
    }
}

#[test]
fn changes_of_committed_series_are_what_two_scrolls_differ_in() {
    assert_changes(&series("notes"));
    assert_changes(&series("catalog"));
}

#[test]
fn changes_of_shared_articles_are_what_two_scrolls_differ_in() {
    let Some(found) = shared_series("articles") else { return };
    assert_changes(&found);
}

/// From backwards what was added is removed, and a snapshot does not differ from itself.
#[test]
fn changes_have_a_direction() {
    let found = series("notes");
    let open = |snapshot: &FixtureSnapshot| Content::file(&snapshot.path).unwrap();
    let (first, second) = (open(&found[0]), open(&found[3]));
    let (first, second) = (Inside::open(&first).unwrap(), Inside::open(&second).unwrap());
    let changes = |pair| point_changes(pair, None, None, &CancelToken::default(), |_| Ok(())).unwrap();
    let (there, back) = (changes((&first, &second)), changes((&second, &first)));
    assert!(there.added > 0 && there.removed > 0 && there.payload_changed > 0 && there.unchanged > 0, "{there:?}");
    let turned =
        PointChanges { first: there.second, second: there.first, added: there.removed, removed: there.added, ..there };
    assert_eq!(back, turned);
    let same = changes((&first, &first));
    assert_eq!(same, PointChanges { first: 800, second: 800, unchanged: 800, ..PointChanges::default() });
}

/// Shard by shard the changes are a part of those of the collection.
#[test]
fn changes_of_shards_add_up() {
    let found = series("catalog");
    let open = |snapshot: &FixtureSnapshot| Content::file(&snapshot.path).unwrap();
    let (first, second) = (open(&found[0]), open(&found[3]));
    let (first, second) = (Inside::open(&first).unwrap(), Inside::open(&second).unwrap());
    let changes = |shard| {
        let changes = point_changes((&first, &second), None, shard, &CancelToken::default(), |_| Ok(())).unwrap();
        let PointChanges { first, second, added, removed, payload_changed, vector_changed, unchanged } = changes;
        [first, second, added, removed, payload_changed, vector_changed, unchanged]
    };
    let (all, parts) = (changes(None), [changes(Some(0)), changes(Some(1))]);
    assert_eq!((all[0], all[1]), (600, 431));
    assert_eq!(std::array::from_fn(|index| parts[0][index] + parts[1][index]), all);
    assert!(parts.iter().all(|part| part[3] > 0), "{parts:?}");
}

/// Looks for points in every backup of a series, by their ids and by a filter, as `find` does.
fn assert_found(found: &[FixtureSnapshot]) {
    let scene = Scene::new();
    let records: Vec<_> = found.iter().map(|snapshot| scene.ingest(&snapshot.path).record).collect();
    let contents: Vec<_> = records.iter().map(|record| Content::backup(&scene.engine, record)).collect();
    let insides: Vec<_> = contents.iter().map(|content| Inside::open(content).unwrap()).collect();
    let held: Vec<BTreeSet<PointId>> =
        insides.iter().map(|inside| ids(inside, &PointQuery::default()).into_iter().collect()).collect();
    for step in 1..found.len() {
        let deleted: BTreeSet<PointId> = held[step - 1].difference(&held[step]).copied().collect();
        assert_eq!(deleted.is_empty(), !found[step].name.contains("delete"), "{}", found[step].name);
        if deleted.is_empty() {
            continue;
        }
        let list: Vec<&PointId> = deleted.iter().collect();
        let filter = Filter::parse(json!({ "must": [{ "has_id": list }] }).to_string().as_bytes()).unwrap();
        let by_ids = PointQuery { ids: Some(deleted.clone()), ..PointQuery::default() };
        let by_filter = PointQuery { filter: Some(filter), ..PointQuery::default() };
        for (index, inside) in insides.iter().enumerate() {
            // Points that were inserted between two steps are in none of the backups before.
            let expected = held[index].intersection(&deleted).count() as u64;
            assert_eq!(counted(inside, &by_ids), expected, "{}", found[index].name);
            assert_eq!(counted(inside, &by_filter), expected, "{}", found[index].name);
            match index {
                _ if index + 1 == step => assert_eq!(expected, deleted.len() as u64),
                _ if index >= step => assert_eq!(expected, 0, "{}", found[index].name),
                _ => assert!(expected > 0, "{}", found[index].name),
            }
        }
        println!(
            "{}/{}: {} deleted points found before and not after",
            found[step].series,
            found[step].name,
            deleted.len()
        );
    }
}

#[test]
fn deleted_points_are_found_in_earlier_backups_only() {
    assert_found(&series("notes"));
    assert_found(&series("catalog"));
}

#[test]
fn deleted_points_of_shared_articles_are_found_in_earlier_backups_only() {
    let Some(found) = shared_series("articles") else { return };
    assert_found(&found);
}
