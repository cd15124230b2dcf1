//! Why a backup cost what it cost: every byte of the growth has a place and a cause, and what cannot be told is said.

use std::{collections::BTreeMap, fs};

use jiff::SignedDuration;
use vectar::{
    BackupRecord, CancelToken, Committed, Engine, EngineOptions, IngestOptions, InitOptions, PackId, Silent, Source,
    explain::{Cause, Explanation, explain},
    prune::{PruneOptions, prune_now},
};
use vectar_repository::format::pack::{PACK_HEADER_BYTES, PACK_TRAILER_BYTES, PackFooter};
use vectar_testkit::fixtures::{series, shared_series};

use crate::scene::{Scene, fixture, stored};

/// Bytes of a footer's own head, and of one digest of a body (`docs/format.md`).
const FOOTER_HEAD_BYTES: u64 = 16;
const FOOTER_BODY_BYTES: u64 = 72;
const FOOTER_ENTRY_BYTES: u64 = 48;

fn explained(scene: &Scene, record: &BackupRecord) -> Explanation {
    explain(&scene.engine, record, &scene.records(), &CancelToken::default()).unwrap()
}

fn chunk_bytes(explanation: &Explanation) -> u64 {
    explanation.rows.iter().map(|row| row.pack_bytes).sum()
}

/// Stores a fixture, and returns what its packs take beside records.
fn ingest_with_overhead(engine: &Engine, path: &std::path::Path) -> (Committed, u64) {
    let footer_of = |pack: &PackId| -> PackFooter { engine.repository().index().footer(pack).unwrap().unwrap() };
    let before = engine.repository().index().pack_ids();
    let known = engine.repository().records().unwrap().backups;
    let source = Source::file(path).unwrap();
    let outcome =
        vectar::ingest(engine, source, &IngestOptions::default(), &known, &Silent, &CancelToken::default()).unwrap();
    let new = engine.repository().index().pack_ids().into_iter().filter(|pack| !before.contains(pack));
    let own = PACK_HEADER_BYTES + FOOTER_HEAD_BYTES + PACK_TRAILER_BYTES;
    let overhead = new.map(|pack| own + FOOTER_BODY_BYTES * footer_of(&pack).bodies.len() as u64).sum();
    (stored(outcome), overhead)
}

/// The growth is chunks, recipe nodes and the packs' own bytes, each counted on its own; nothing is left over.
fn assert_exact(engine: &Engine, committed: &Committed, overhead: u64) -> Explanation {
    let record = &committed.record;
    let known = engine.repository().records().unwrap().backups;
    let explanation = explain(engine, record, &known, &CancelToken::default()).unwrap();
    let name = &record.subject.name;
    assert!(explanation.is_exact(), "{name}: {explanation:?}");
    assert_eq!(explanation.pack_overhead_bytes, overhead, "{name}");
    let sum = chunk_bytes(&explanation) + explanation.recipe_bytes + explanation.pack_overhead_bytes;
    assert_eq!(sum, record.space.new_pack_bytes, "{name}");
    // The ingest counted by itself, and without the lines in the footer.
    let counted: u64 = record.space.classes.values().map(|class| class.stored_bytes).sum();
    assert_eq!(chunk_bytes(&explanation), counted + FOOTER_ENTRY_BYTES * record.space.new_chunks, "{name}");
    let by_cause: u64 = explanation.by_cause().into_iter().map(|(_, bytes)| bytes).sum();
    assert_eq!(by_cause, chunk_bytes(&explanation), "{name}");
    explanation
}

#[test]
fn every_byte_of_the_growth_is_explained() {
    for metadata_copies in [1, 2] {
        let folder = tempfile::tempdir().unwrap();
        let options = InitOptions { metadata_copies, ..InitOptions::default() };
        let (repository, _) = vectar::init(&folder.path().join("repository"), &options).unwrap();
        let engine =
            Engine::open(&repository, &EngineOptions { threads: 2, index_directory: None, ..EngineOptions::default() })
                .unwrap();
        for fixture in ["notes", "catalog", "kinds"].into_iter().flat_map(series) {
            let (committed, overhead) = ingest_with_overhead(&engine, &fixture.path);
            assert_exact(&engine, &committed, overhead);
        }
    }
}

/// A longer life, with merges: 28 MB a snapshot.
#[test]
fn every_byte_of_a_longer_series_is_explained() {
    let Some(snapshots) = shared_series("uuid") else { return };
    let scene = Scene::new();
    for snapshot in snapshots {
        let (committed, overhead) = ingest_with_overhead(&scene.engine, &snapshot.path);
        assert_exact(&scene.engine, &committed, overhead);
    }
}

#[test]
fn causes_follow_the_life_of_a_collection() {
    let scene = Scene::new();
    let records: Vec<BackupRecord> = series("notes").iter().map(|fixture| scene.ingest(&fixture.path).record).collect();
    let [base, insert, payload, vacuum] = &records[..] else { panic!("four snapshots") };
    let causes = |record| -> BTreeMap<Cause, u64> { explained(&scene, record).by_cause().into_iter().collect() };

    assert_eq!(causes(base).into_keys().collect::<Vec<_>>(), [Cause::First]);
    assert!(explained(&scene, base).predecessor.is_none());

    let appended = explained(&scene, insert);
    assert_eq!(appended.predecessor.as_ref().map(|record| record.id), Some(base.id));
    assert!(appended.turnover.is_empty(), "{:?}", appended.turnover);
    let of_insert = causes(insert);
    assert!(of_insert[&Cause::ChangedSegment] > 0 && of_insert[&Cause::Wal] > 0, "{of_insert:?}");
    assert!(!of_insert.contains_key(&Cause::RewrittenSegment) && !of_insert.contains_key(&Cause::NewSegment));
    // New points lie in the segment that takes them, and the other one costs nothing but its headers.
    let in_immutable = |row: &&vectar::explain::GrowthRow| {
        row.owner.segment.as_deref() == Some("f95147e6-895e-4aff-b0d5-32d609876bd6")
    };
    let paid: Vec<Cause> = appended.rows.iter().filter(in_immutable).map(|row| row.cause).collect();
    assert_eq!(paid, [Cause::Framing]);

    assert!(!causes(payload).contains_key(&Cause::RewrittenSegment));

    let rewritten = explained(&scene, vacuum);
    assert_eq!(rewritten.turnover.len(), 1);
    assert_eq!(rewritten.turnover[0].new, ["0be900ab-8d04-45cc-8a66-b7c8d35cd8fb"]);
    assert_eq!(rewritten.turnover[0].gone, ["f95147e6-895e-4aff-b0d5-32d609876bd6"]);
    assert_eq!(rewritten.by_cause()[0].0, Cause::RewrittenSegment, "it costs the most");
    assert!(rewritten.rows.windows(2).all(|pair| pair[0].pack_bytes >= pair[1].pack_bytes), "the largest first");
}

#[test]
fn a_snapshot_that_is_no_tar_is_explained_too() {
    let scene = Scene::new();
    let noise: Vec<u8> = (0..300_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let path = scene.write("noise.snapshot", &noise);
    let (committed, overhead) = ingest_with_overhead(&scene.engine, &path);
    let explanation = assert_exact(&scene.engine, &committed, overhead);
    assert_eq!(explanation.rows.len(), 1, "{:?}", explanation.rows);
    assert_eq!(explanation.rows[0].snapshot_bytes, noise.len() as u64);
    // The same bytes under another name share all of it.
    let again = scene.ingest(&scene.write("again.snapshot", &noise));
    assert_eq!(chunk_bytes(&explained(&scene, &again.record)), 0);
}

/// Forgotten backups still tell who used a chunk first; pruned ones do not, and the answer says so.
#[test]
fn what_cannot_be_told_is_said() {
    let scene = Scene::new();
    let base = scene.ingest(&fixture("notes", "00-base").path).record;
    let insert = scene.ingest(&fixture("notes", "01-insert-5pct").path).record;
    let exact = explained(&scene, &insert);
    assert!(exact.is_exact());

    scene.repository.forget(&base).unwrap();
    let forgotten = explained(&scene, &insert);
    assert!(forgotten.is_exact(), "it is not pruned yet");
    assert_eq!((forgotten.rows, forgotten.recipe_bytes), (exact.rows, exact.recipe_bytes));

    let no_grace = PruneOptions { grace: SignedDuration::ZERO, ..PruneOptions::default() };
    prune_now(&scene.engine, &no_grace, &|_| true).unwrap();
    let blind = explained(&scene, &insert);
    assert!(!blind.is_exact());
    assert!(blind.new_chunks > blind.recorded_new_chunks, "{} chunks", blind.new_chunks);
    let explained_bytes = chunk_bytes(&blind) + blind.recipe_bytes;
    assert_eq!(blind.stored_by_others_bytes, explained_bytes - insert.space.new_pack_bytes);
    assert!(blind.predecessor.is_none() && blind.earlier_backups == 0);
}

#[test]
fn an_earlier_backup_that_cannot_be_read_hides_no_answer() {
    let scene = Scene::new();
    let noise: Vec<u8> = (0..200_000_u32).map(|number| (number.wrapping_mul(2_246_822_519) >> 11) as u8).collect();
    let other = scene.ingest(&scene.write("noise.snapshot", &noise)).record;
    let lost: Vec<_> = scene.objects().into_keys().filter(|key| key.starts_with("packs/")).collect();
    let notes = scene.ingest(&fixture("notes", "00-base").path).record;
    lost.iter().for_each(|key| fs::remove_file(scene.root().join(key)).unwrap());
    let engine = scene.another_engine();
    let explanation = explain(&engine, &notes, &scene.records(), &CancelToken::default()).unwrap();
    assert_eq!(explanation.unread.iter().map(|(record, _)| record.id).collect::<Vec<_>>(), [other.id]);
    assert!(!explanation.is_exact(), "nobody knows what it used");
    assert_eq!(explanation.new_chunks, notes.space.new_chunks);
}
