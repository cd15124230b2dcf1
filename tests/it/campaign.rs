//! The fault campaign in short: one seed of each part. `cargo xtask campaign` runs it at length.

use vectar_backend::{Backend as _, ObjectKey};
use vectar_repository::{
    check::damaged_packs,
    format::pack::{PACK_HEADER_BYTES, PackHeader, PackKind},
    repair::quarantine,
};
use vectar_testkit::backend::Shortening;
use vectar_tests::campaign::{
    Dice,
    crash::{self, CrashCounts},
    damage::{self, DamageCounts, Spoil},
    model::{self, ModelCounts},
    operation::{Operation, prune},
    protocol::{Cast, Wrong, search},
    share::{self, ShareCounts},
    world::{Expected, World, ingest, restore, toy, toy_bytes, verify_all},
};

/// Stops, loses answers, fills the disk and cuts the power at every write of an operation.
fn crash(operation: Operation) {
    crash_with(operation, 1);
}

fn crash_with(operation: Operation, seed: u64) {
    let mut counts = CrashCounts::default();
    if let Err(error) = crash::campaign(operation, seed, 1, &mut counts) {
        panic!("{error:#}");
    }
    assert!(counts.crash_points >= 3 && counts.restored > 0, "{counts:?}");
}

#[test]
fn an_ingest_stops_anywhere() {
    crash(Operation::Ingest);
}

#[test]
fn an_ingest_of_known_bytes_stops_anywhere() {
    crash(Operation::IngestAgain);
}

#[test]
fn a_forget_stops_anywhere() {
    crash(Operation::Forget);
}

#[test]
fn an_undelete_stops_anywhere() {
    crash(Operation::Undelete);
}

#[test]
fn notes_tags_and_pins_stop_anywhere() {
    crash(Operation::Annotate);
}

#[test]
fn a_prune_that_marks_stops_anywhere() {
    crash(Operation::PruneMark);
}

#[test]
fn a_prune_that_removes_stops_anywhere() {
    crash(Operation::PruneRemove);
}

#[test]
fn a_prune_beside_packs_that_nobody_synced_stops_anywhere() {
    // Which of two packs with the same chunks is used depends on their names, and those on the seed.
    (1..=4).for_each(|seed| crash_with(Operation::PruneBesideUnsynced, seed));
}

#[test]
fn a_repair_stops_anywhere() {
    crash(Operation::Repair);
}

#[test]
fn a_copy_stops_anywhere() {
    crash(Operation::Copy);
}

#[test]
fn damage_is_reported_and_never_served() {
    let mut counts = DamageCounts::default();
    if let Err(error) = damage::campaign(1, &mut counts) {
        panic!("{error:#}");
    }
    assert!(counts.cells >= 150 && counts.whole > 0 && counts.reported > 0, "{counts:?}");
}

#[test]
fn random_work_agrees_with_a_plain_map() {
    let mut counts = ModelCounts::default();
    for seed in 1..=6 {
        if let Err(error) = model::campaign(seed, 30, &mut counts) {
            panic!("{error:#}");
        }
    }
    assert!(counts.crashes > 10 && counts.restored > 50, "{counts:?}");
}

#[test]
fn with_two_copies_of_recipes_no_damaged_pack_of_them_hurts_a_backup() {
    let mut world = World::create(1, None, 2).unwrap();
    let mut expected = Expected::new();
    let repository = world.open().unwrap();
    let mut dice = Dice::new(1);
    for _ in 0..3 {
        let toy = toy(&mut dice, 30, 60);
        expected.insert(ingest(&repository, &toy).unwrap().id, toy);
    }
    let is_metadata = |key: &ObjectKey| {
        let header = world.storage.get_range(key, 0..PACK_HEADER_BYTES).unwrap();
        PackHeader::decode(&header).unwrap().kind == PackKind::Metadata
    };
    let packs = world.storage.keys().into_iter().filter(|key| key.as_str().starts_with("packs/"));
    let metadata: Vec<ObjectKey> = packs.filter(|key| is_metadata(key)).collect();
    assert_eq!(metadata.len(), 6, "two for each backup");
    for key in &metadata {
        for spoil in Spoil::ALL {
            let mut hurt = world.fork();
            spoil.apply(&hurt.storage, key, &mut dice).unwrap();
            let repository = hurt.open().unwrap();
            for record in repository.records().unwrap().backups {
                assert_eq!(restore(&repository, &record).unwrap(), toy_bytes(&expected[&record.id]), "{key} {spoil:?}");
            }
            for damaged in damaged_packs(&repository, &[], &|_| true).unwrap() {
                quarantine(&repository, &damaged.pack).unwrap();
            }
            // One prune later nothing is missing, and of each node there are two again.
            prune(&repository, 0).unwrap();
            prune(&hurt.open().unwrap(), 0).unwrap();
            verify_all(&mut hurt, &expected).unwrap_or_else(|error| panic!("{key} {spoil:?}: {error:#}"));
        }
    }
}

fn cast(ingests: usize, prunes: usize) -> Cast {
    Cast { ingests, prunes, rounds: 1, is_marked: false }
}

#[test]
fn no_interleaving_publishes_a_dangling_record() {
    for cast in [cast(1, 1), cast(1, 2), cast(2, 1), Cast { rounds: 3, is_marked: true, ..cast(1, 1) }] {
        let found = search(cast, None);
        assert!(found.dangling.is_none(), "{cast:?}: {:#?}", found.dangling);
    }
}

/// A search that finds nothing in these either would prove nothing. Marks that are taken back need two rounds, which take too long
/// for here: the long campaign has them.
#[test]
fn wrong_protocols_are_found_out() {
    for wrong in Wrong::ALL.into_iter().filter(|wrong| *wrong != Wrong::MarksTakenBack) {
        assert!(search(cast(1, 2), Some(wrong)).dangling.is_some(), "{wrong:?} looks right");
    }
}

/// Stale listings, objects not found at first, short packs and a refused sync, as network shares have them.
#[test]
fn two_clients_of_a_share_lose_nothing() {
    let mut stale = ShareCounts::default();
    let mut faulty = ShareCounts::default();
    for seed in 1..=4 {
        let done = share::campaign(seed, 40, &mut stale)
            .and_then(|()| share::short_packs(seed, Shortening::AtOnce, &mut faulty))
            .and_then(|()| share::short_packs(seed, Shortening::Later, &mut faulty))
            .and_then(|()| share::refused_sync(seed, &mut faulty));
        if let Err(error) = done {
            panic!("seed {seed}: {error:#}");
        }
    }
    // Were no listing ever late and no pack ever short, nothing would have been tested.
    assert!(stale.late > 0 && stale.restored > 100, "{stale:?}");
    assert!(faulty.short_packs > 5 && faulty.given_up > 0 && faulty.reported > 5, "{faulty:?}");
}
