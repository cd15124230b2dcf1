//! Looking after a repository: retention and prune, damage and repair, salvage, copies. What is kept is identical throughout.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

use jiff::SignedDuration;
use vectar::{
    BackupId, BackupRecord, CancelToken, CopyOutcome, Engine, EngineOptions, Error, IngestOptions, InitOptions,
    Nowhere, Observer, Repository, SeededEnvironment, Silent, Source,
    check::{CheckOptions, CheckReport, Depth, Level, Subset, check, damaged_packs},
    prune::{MaxUnused, PruneOptions, PruneStats, check_alone, plan, prune_now},
    repair::{Quarantined, quarantine},
    retention::{GroupField, Policy, decide, groups_emptied},
    salvage,
};
use vectar_backend::LocalBackend;
use vectar_tar::{SplitOptions, catalogue};
use vectar_testkit::fixtures::{FixtureSnapshot, snapshots};

use crate::scene::{Scene, fixture, rebuilt_by, sha256, stored};

/// Marks and removes without waiting, and leaves nothing unused that a rewrite can free.
const NO_GRACE: PruneOptions =
    PruneOptions { max_unused: MaxUnused::Percent(0.0), max_repack_bytes: None, grace: SignedDuration::ZERO };

/// A repository with snapshots of the fixtures, and the backup of each.
struct Kept {
    scene: Scene,
    backups: Vec<(FixtureSnapshot, BackupRecord)>,
}

impl Kept {
    fn of(series: &[&str]) -> Self {
        let scene = Scene::new();
        let chosen = snapshots().into_iter().filter(|snapshot| series.contains(&snapshot.series.as_str()));
        let backups = chosen.map(|snapshot| (scene.ingest(&snapshot.path).record, snapshot));
        let backups = backups.map(|(record, snapshot)| (snapshot, record)).collect();
        Self { scene, backups }
    }

    /// Asserts that the backups that are listed are those that should be there, and that each comes back.
    fn assert_identical(&self, engine: &Engine, expected: usize) {
        let records = self.scene.records();
        assert_eq!(records.len(), expected);
        for record in &records {
            let (snapshot, _) = self.backups.iter().find(|(_, known)| known.id == record.id).unwrap();
            assert_eq!(sha256(&rebuilt_by(engine, record).unwrap().1), snapshot.sha256, "{}", snapshot.name);
        }
    }

    fn prune(&self) -> PruneStats {
        let engine = self.scene.another_engine();
        plan(engine.repository(), &NO_GRACE).unwrap().apply(engine.repository(), &|_| true).unwrap()
    }

    /// Forgets what the policy does not keep, and returns what that was.
    fn forget(&self, policy: &Policy) -> Vec<BackupId> {
        let list = self.scene.repository.records().unwrap();
        let chosen: Vec<&BackupRecord> = list.backups.iter().collect();
        let now = self.scene.repository.environment().now();
        let decisions = decide(&list, &chosen, policy, &GroupField::ALL, now);
        assert!(groups_emptied(&list, &decisions, &GroupField::ALL).is_empty());
        let leaving = decisions.iter().filter(|decision| !decision.is_kept());
        leaving.map(|leaving| self.scene.repository.forget(leaving.record).unwrap().id()).collect()
    }

    /// The packs as they lie there, the largest last.
    fn packs(&self) -> Vec<PathBuf> {
        let packs = self.scene.objects().into_iter().filter(|(key, _)| key.starts_with("packs/"));
        let by_len: BTreeMap<(u64, String), PathBuf> =
            packs.map(|(key, len)| ((len, key.clone()), self.scene.root().join(key))).collect();
        by_len.into_values().collect()
    }
}

fn checked(engine: &Engine, depth: Depth, subset: Subset) -> CheckReport {
    let options = CheckOptions { depth, subset, ..CheckOptions::default() };
    check(engine.repository(), &options, &|_| true).unwrap()
}

fn assert_whole(engine: &Engine) {
    let report = checked(engine, Depth::Data, Subset::All);
    assert!(report.worst() < Some(Level::Warning), "{:#?}", report.findings);
}

/// Overwrites some bytes in the middle of a file.
fn spoil(path: &PathBuf, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at..at + 8].fill(0xa5);
    fs::write(path, bytes).unwrap();
}

/// Stores a snapshot that is not there whole.
fn ingest_again(engine: &Engine, scene: &Scene, snapshot: &FixtureSnapshot) -> BackupRecord {
    let source = Source::file(&snapshot.path).unwrap();
    let options = IngestOptions::default();
    stored(vectar::ingest(engine, source, &options, &scene.records(), &Silent, &CancelToken::default()).unwrap()).record
}

#[test]
fn what_is_kept_is_identical_after_forget_and_prune() {
    let kept = Kept::of(&["catalog", "notes", "kinds"]);
    let (all, before) = (kept.backups.len(), kept.scene.stored_bytes());
    let forgotten = kept.forget(&Policy { last: 2, ..Policy::default() });
    assert!(forgotten.len() >= 4, "two of each series of four: {forgotten:?}");
    let engine = kept.scene.another_engine();
    kept.assert_identical(&engine, all - forgotten.len());

    // One is taken back before anything goes, and is a backup as before.
    let list = engine.repository().forgotten().unwrap();
    let taken_back = list.backups.iter().find(|one| one.id() == forgotten[0]).unwrap();
    engine.repository().undelete(taken_back).unwrap();
    kept.assert_identical(&engine, all - forgotten.len() + 1);

    let marked = kept.prune();
    assert!(marked.condemned_packs > 0 && marked.removed_packs == 0, "{marked:?}");
    kept.assert_identical(&engine, all - forgotten.len() + 1);
    let removed = kept.prune();
    assert_eq!((removed.removed_packs, removed.removed_bytes), (marked.condemned_packs, marked.condemned_bytes));
    let after = kept.scene.stored_bytes();
    assert!(after < before, "{after} bytes, {before} before");
    assert!(plan(engine.repository(), &NO_GRACE).unwrap().is_empty(), "a third prune finds nothing to do");
    let fresh = kept.scene.another_engine();
    kept.assert_identical(&fresh, all - forgotten.len() + 1);
    assert_whole(&fresh);
    assert!(fresh.repository().forgotten().unwrap().backups.is_empty());
}

/// What pruned backups shared with those that are left is enough: ingesting one again costs what was new in it, and no more.
#[test]
fn a_pruned_snapshot_can_be_stored_again() {
    let kept = Kept::of(&["notes"]);
    let gone = kept.forget(&Policy { last: 1, ..Policy::default() });
    kept.prune();
    kept.prune();
    let before = kept.scene.stored_bytes();
    for (snapshot, record) in &kept.backups {
        if gone.contains(&record.id) {
            ingest_again(&kept.scene.another_engine(), &kept.scene, snapshot);
        }
    }
    assert!(kept.scene.stored_bytes() > before);
    let engine = kept.scene.another_engine();
    assert_eq!(kept.scene.records().len(), kept.backups.len());
    for record in kept.scene.records() {
        let (snapshot, _) = kept.backups.iter().find(|(_, known)| known.sha256 == record.sha256).unwrap();
        assert_eq!(sha256(&rebuilt_by(&engine, &record).unwrap().1), snapshot.sha256);
    }
    assert_whole(&engine);
}

#[test]
fn damage_is_named_set_aside_and_healed_by_the_same_bytes() {
    let kept = Kept::of(&["catalog", "notes"]);
    let pack = kept.packs().pop().unwrap();
    spoil(&pack, 200_000);
    let engine = kept.scene.another_engine();
    assert_eq!(checked(&engine, Depth::Structure, Subset::All).worst(), None, "only reading bytes shows it");
    let report = checked(&engine, Depth::Data, Subset::All);
    assert_eq!(report.worst(), Some(Level::Damage));
    let hurt: Vec<&BackupRecord> =
        kept.backups.iter().map(|(_, record)| record).filter(|record| rebuilt_by(&engine, record).is_err()).collect();
    assert!(!hurt.is_empty() && hurt.len() < kept.backups.len());
    let ids = hurt.iter().map(|record| record.id).collect();
    assert_eq!(report.backups_hurt, ids, "exactly those that cannot be restored");

    let damaged = damaged_packs(engine.repository(), &[], &|_| true).unwrap();
    assert_eq!(damaged.len(), 1);
    let Quarantined { salvaged_records, lost, footer_known, .. } =
        quarantine(engine.repository(), &damaged[0].pack).unwrap();
    assert!(footer_known && salvaged_records > 10);
    assert_eq!(lost.len(), 1, "everything else in the pack is good");
    assert!(!pack.exists());
    assert_eq!(checked(&engine, Depth::Structure, Subset::All).backups_hurt, ids, "now the structure shows it");
    assert_eq!(kept.scene.records().len(), kept.backups.len(), "no record went");
    let error = plan(engine.repository(), &NO_GRACE).unwrap_err();
    assert!(error.to_string().starts_with("nothing was pruned"), "{error}");

    let (snapshot, _) = kept.backups.iter().find(|(_, record)| record.id == hurt[0].id).unwrap();
    let fresh = kept.scene.another_engine();
    let again = ingest_again(&fresh, &kept.scene, snapshot);
    assert_whole(&fresh);
    for (snapshot, record) in &kept.backups {
        assert_eq!(sha256(&rebuilt_by(&fresh, record).unwrap().1), snapshot.sha256, "{}", snapshot.name);
    }
    assert_ne!(again.id, hurt[0].id, "it is a backup of its own");
    plan(fresh.repository(), &NO_GRACE).unwrap().apply(fresh.repository(), &|_| true).unwrap();
}

/// Without its footer a pack is read from front to back; nothing of it is lost.
#[test]
fn a_pack_without_its_footer_is_salvaged_whole() {
    let kept = Kept::of(&["notes"]);
    for pack in kept.packs() {
        let bytes = fs::read(&pack).unwrap();
        fs::write(&pack, &bytes[..bytes.len() - 30]).unwrap();
    }
    let engine = kept.scene.another_engine();
    let damaged = damaged_packs(engine.repository(), &[], &|_| true).unwrap();
    assert_eq!(damaged.len(), kept.packs().len());
    for one in &damaged {
        let quarantined = quarantine(engine.repository(), &one.pack).unwrap();
        assert!(!quarantined.footer_known && quarantined.salvaged_records > 0, "{quarantined:?}");
    }
    let fresh = kept.scene.another_engine();
    assert_whole(&fresh);
    kept.assert_identical(&fresh, kept.backups.len());
}

/// What salvage says of lost ranges is what the tar structure of the whole snapshot says of them.
#[test]
fn salvage_names_the_entries_that_are_hurt() {
    let snapshot = fixture("notes", "00-base");
    let whole = fs::read(&snapshot.path).unwrap();
    let rows = catalogue(&whole[..], &SplitOptions::default()).unwrap().rows;
    let leaf_at = |at: u64| {
        let leaves = rows.iter().filter(|row| matches!(row.role, vectar_tar::RowRole::Leaf { .. }));
        let mut holding = leaves.filter(|row| row.head.offset <= at && at < row.head.offset + row.len);
        holding.next().map(|row| row.head.path.to_string())
    };
    let mut seen = 0;
    for at in (1_000..220_000).step_by(13_000) {
        let scene = Scene::new();
        let record = scene.ingest(&snapshot.path).record;
        let kept = Kept { scene, backups: Vec::new() };
        spoil(&kept.packs().pop().unwrap(), at);
        let engine = kept.scene.another_engine();
        let found = salvage(&engine, &record, &mut Nowhere, &Silent, &CancelToken::default()).unwrap();
        assert_eq!(found.bytes, record.bytes);
        assert_eq!(found.lost_bytes, found.lost.iter().map(|lost| lost.bytes).sum::<u64>());
        for lost in &found.lost {
            let mut expected: Vec<String> = (lost.offset..lost.offset + lost.bytes).filter_map(leaf_at).collect();
            expected.dedup();
            if !expected.is_empty() {
                assert_eq!(lost.paths, expected, "bytes {}..{}", lost.offset, lost.offset + lost.bytes);
                seen += 1;
            }
        }
    }
    assert!(seen >= 10, "only {seen} ranges lay in files");
}

/// An empty repository elsewhere, with the key of `like` or one of its own.
fn other(scene: &Scene, name: &str, like: Option<&Repository>) -> Engine {
    let options = like.map_or_else(InitOptions::default, InitOptions::like);
    let (repository, _) = vectar::init(&scene.file(name), &options).unwrap();
    Engine::open(&repository, &EngineOptions { threads: 2, index_directory: None, ..EngineOptions::default() }).unwrap()
}

fn copy_all(from: &Engine, to: &Engine) -> Vec<CopyOutcome> {
    let records = from.repository().records().unwrap().backups;
    let copy_one = |record| {
        let known = to.repository().records().unwrap().backups;
        vectar::copy(from, record, to, &known, &Silent, &CancelToken::default()).unwrap()
    };
    records.iter().map(copy_one).collect()
}

#[test]
fn copies_of_copies_are_identical_with_and_without_the_same_key() {
    let kept = Kept::of(&["notes", "kinds"]);
    let first = kept.scene.another_engine();
    let like = other(&kept.scene, "like", Some(&kept.scene.repository));
    let own = other(&kept.scene, "own", None);
    let back = other(&kept.scene, "back", Some(&kept.scene.repository));
    assert_eq!(like.repository().config().id_key, first.repository().config().id_key);
    for (from, to) in [(&first, &like), (&like, &own), (&own, &back)] {
        assert!(copy_all(from, to).iter().all(|outcome| matches!(outcome, CopyOutcome::Copied(_))));
        assert!(copy_all(from, to).iter().all(|outcome| matches!(outcome, CopyOutcome::AlreadyThere(_))));
        assert_whole(to);
        let copies = to.repository().records().unwrap().backups;
        assert_eq!(copies.len(), kept.backups.len());
        for (snapshot, record) in &kept.backups {
            let copy = copies.iter().find(|copy| copy.sha256 == record.sha256).unwrap();
            assert_eq!(copy.subject, record.subject, "what is known of it goes with it");
            assert_eq!(sha256(&rebuilt_by(to, copy).unwrap().1), snapshot.sha256, "{}", snapshot.name);
        }
    }
    // Shared chunks stay shared.
    let bytes = |engine: &Engine| engine.repository().stored_bytes().unwrap().bytes;
    for engine in [&like, &own, &back] {
        assert!(bytes(engine) < bytes(&first) * 11 / 10, "{} bytes, {} at first", bytes(engine), bytes(&first));
    }
}

/// Asks to stop once so many bytes were copied.
#[derive(Debug)]
struct StopsAfter {
    bytes: u64,
    cancel: CancelToken,
}

impl Observer for StopsAfter {
    fn progress(&self, done: u64, _total: Option<u64>) {
        if done > self.bytes {
            self.cancel.cancel();
        }
    }
}

#[test]
fn a_copy_that_was_stopped_goes_on() {
    let kept = Kept::of(&["catalog"]);
    let from = kept.scene.another_engine();
    let (_, record) = &kept.backups[0];
    for (name, like) in [("like", Some(&kept.scene.repository)), ("own", None)] {
        let to = other(&kept.scene, name, like);
        let cancel = CancelToken::default();
        let observer = StopsAfter { bytes: record.bytes / 2, cancel: cancel.clone() };
        let stopped = vectar::copy(&from, record, &to, &[], &observer, &cancel).unwrap_err();
        assert!(matches!(stopped, Error::Cancelled), "{stopped:?}");
        assert!(to.repository().records().unwrap().backups.is_empty(), "nothing is half-published");
        copy_all(&from, &to);
        assert_eq!(to.repository().records().unwrap().backups.len(), kept.backups.len());
        assert_whole(&to);
    }
}

/// A client on another machine, as its events show, keeps a prune without grace away; a prune with one works beside it.
#[test]
fn nobody_prunes_without_grace_beside_another_client() {
    let kept = Kept::of(&["notes"]);
    let engine = kept.scene.another_engine();
    check_alone(&engine).unwrap();
    let now = kept.scene.repository.environment().now();
    let elsewhere = |at| {
        let backend = Arc::new(LocalBackend::open(kept.scene.root()).unwrap());
        Repository::open(backend, Arc::new(SeededEnvironment::new(7, at))).unwrap()
    };
    let (_, first) = &kept.backups[0];
    elsewhere(now - SignedDuration::from_hours(30)).forget(first).unwrap();
    check_alone(&engine).unwrap();
    let (_, second) = &kept.backups[1];
    elsewhere(now - SignedDuration::from_hours(20)).forget(second).unwrap();
    let before = kept.scene.objects();
    let refused = prune_now(&engine, &NO_GRACE, &|_| true).unwrap_err();
    assert!(matches!(&refused, Error::OthersActive { client, .. } if client == "test/1"), "{refused:?}");
    assert_eq!(kept.scene.objects(), before);
    kept.prune();
    kept.assert_identical(&engine, kept.backups.len() - 2);
}

/// Each check begins where the ones before it stopped: after as many nights as there are packs, each was read once.
#[test]
fn a_part_each_night_reads_everything_once() {
    let kept = Kept::of(&["notes"]);
    let engine = kept.scene.another_engine();
    let packs = kept.packs();
    let lens: u64 = packs.iter().map(|pack| fs::metadata(pack).unwrap().len()).sum();
    let nights = packs.iter().map(|_| checked(&engine, Depth::Data, Subset::Bytes(1)));
    let read: Vec<(u64, u64)> = nights.map(|report| (report.packs_read, report.bytes_read)).collect();
    assert!(read.iter().all(|(packs, _)| *packs == 1), "{read:?}");
    assert_eq!(read.iter().map(|(_, bytes)| bytes).sum::<u64>(), lens);
}

/// What a writer that was killed left in `tmp/` goes after a day, and nothing younger does: its writer may still be at it.
#[test]
fn a_prune_removes_what_dead_writers_left_unfinished() {
    let scene = Scene::new();
    let (old, young) = (scene.root().join("tmp/left-behind"), scene.root().join("tmp/just-begun"));
    for path in [&old, &young] {
        fs::write(path, [7; 1000]).unwrap();
    }
    let two_days_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 24 * 3600);
    fs::File::options().write(true).open(&old).unwrap().set_modified(two_days_ago).unwrap();
    let engine = scene.another_engine();
    let apply = || plan(engine.repository(), &PruneOptions::default()).unwrap().apply(engine.repository(), &|_| true);
    assert_eq!(apply().unwrap().unfinished_bytes, 1000);
    assert_eq!((old.exists(), young.exists()), (false, true));
    assert_eq!(apply().unwrap().unfinished_bytes, 0);
}
