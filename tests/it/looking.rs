//! What looking into a snapshot costs, by the bytes that are read for it.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
    sync::Arc,
};

use vectar::{
    BackupRecord, CancelToken, Content, Engine, EngineOptions, Inside, Repository, outline_deep,
    points::{Filter, PointQuery, count, scroll},
};
use vectar_backend::LocalBackend;
use vectar_repository::SystemEnvironment;
use vectar_testkit::{
    TarParts,
    backend::{Operation, RecordingBackend},
    corpus::{CorpusOptions, Step, write_snapshot},
};

use crate::said::{counted, ids, scrolled};
use crate::scene::Scene;

const POINTS: u64 = 64_000;

/// JSON of a payload. The payloads of all points are twice what an engine keeps of decoded chunks.
const PAYLOAD_BYTES: usize = 2000;

/// Mostly points in segments that take new ones: their rows lie in the order of writing, which is none of their ids.
fn shuffled(payload_bytes: usize) -> CorpusOptions {
    let options = CorpusOptions { points: POINTS / 8, dimensions: 2, payload_bytes, ..CorpusOptions::default() };
    options.repeating(&[Step::growth()], 4)
}

/// The snapshot as a file and as a backup.
fn make_shuffled(scene: &Scene, payload_bytes: usize) -> (PathBuf, BackupRecord) {
    let path = scene.file("shuffled.snapshot");
    let mut file = BufWriter::new(File::create(&path).unwrap());
    write_snapshot(&shuffled(payload_bytes), 3, &mut file).unwrap();
    file.flush().unwrap();
    let record = scene.ingest(&path).record;
    (path, record)
}

/// An engine that has nothing in its cache, and a count of what it reads.
struct Counted {
    backend: Arc<RecordingBackend<LocalBackend>>,
    engine: Engine,
}

impl Counted {
    fn of(scene: &Scene) -> Self {
        let backend = Arc::new(RecordingBackend::new(LocalBackend::open(scene.root()).unwrap()));
        let repository = Repository::open(backend.clone(), Arc::new(SystemEnvironment)).unwrap();
        let engine =
            Engine::open(&repository, &EngineOptions { threads: 2, index_directory: None, ..EngineOptions::default() })
                .unwrap();
        backend.take_calls();
        Self { backend, engine }
    }

    /// Bytes that were read of packs.
    fn read(&self) -> u64 {
        self.backend.amount(Operation::GetRange)
    }
}

/// What every second point fits.
fn half() -> PointQuery {
    let filter = Filter::parse(br#"{"must":[{"key":"nested.flag","match":{"value":true}}]}"#).unwrap();
    PointQuery { filter: Some(filter), ..PointQuery::default() }
}

#[test]
fn filtering_a_backup_whose_rows_are_in_no_order_reads_no_chunk_twice() {
    let scene = Scene::new();
    let (path, record) = make_shuffled(&scene, PAYLOAD_BYTES);
    let file = Content::file(&path).unwrap();
    let in_file = Inside::open(&file).unwrap();
    let expected = ids(&in_file, &half());
    assert!(expected.is_sorted() && (POINTS / 3..POINTS).contains(&(expected.len() as u64)), "{}", expected.len());
    let stored = scene.stored_bytes();

    let counting = Counted::of(&scene);
    let backup = Content::backup(&counting.engine, &record);
    let found = count(&Inside::open(&backup).unwrap(), &half(), &CancelToken::default()).unwrap();
    assert_eq!(found, expected.len() as u64);
    println!("read {} of {stored} bytes to count", counting.read());
    assert!(counting.read() < stored, "{} bytes were read of {stored}", counting.read());

    let listing = Counted::of(&scene);
    let backup = Content::backup(&listing.engine, &record);
    assert_eq!(ids(&Inside::open(&backup).unwrap(), &half()), expected);
    println!("read {} of {stored} bytes to list", listing.read());
    assert!(listing.read() < stored, "{} bytes were read of {stored}", listing.read());
}

/// A limit, an offset and chosen ids are those of the list without them, in however many batches it is searched.
#[test]
fn parts_of_what_fits_are_parts_of_the_list() {
    let scene = Scene::new();
    let (path, record) = make_shuffled(&scene, 200);
    let (file, backup) = (Content::file(&path).unwrap(), Content::backup(&scene.engine, &record));
    let in_file = Inside::open(&file).unwrap();
    let all = ids(&in_file, &half());
    for limit in [0, 1, 7000, 9000, all.len(), all.len() + 1] {
        let query = PointQuery { limit: Some(limit as u64), ..half() };
        assert_eq!(ids(&in_file, &query), all[..limit.min(all.len())], "limit {limit}");
        assert_eq!(counted(&in_file, &query), limit.min(all.len()) as u64, "limit {limit}");
    }
    let middle = all[all.len() / 2];
    let from = PointQuery { offset: Some(middle), limit: Some(20_000), ..half() };
    let expected = &all[all.len() / 2..];
    assert_eq!(ids(&in_file, &from), expected[..20_000.min(expected.len())]);
    let chosen = PointQuery { ids: Some(all.iter().step_by(1000).copied().collect()), ..half() };
    assert_eq!(ids(&in_file, &chosen), all.iter().step_by(1000).copied().collect::<Vec<_>>());

    // Filters that ask for ids find them in another order of rows.
    let named = serde_json::to_string(&all.iter().step_by(500).collect::<Vec<_>>()).unwrap();
    let with_id =
        format!(r#"{{"must_not":[{{"has_id":{named}}}],"must":[{{"key":"nested.flag","match":{{"value":true}}}}]}}"#);
    let filter = Some(Filter::parse(with_id.as_bytes()).unwrap());
    let expected: Vec<_> = all.iter().enumerate().filter(|(at, _)| at % 500 != 0).map(|(_, id)| *id).collect();
    assert_eq!(ids(&in_file, &PointQuery { filter: filter.clone(), ..PointQuery::default() }), expected);
    let inside = Inside::open(&backup).unwrap();
    assert_eq!(counted(&inside, &PointQuery { filter, ..PointQuery::default() }), expected.len() as u64);

    // What is shown of a point is its own.
    let shown = scrolled(&inside, &PointQuery { limit: Some(3000), ..half() });
    let single = PointQuery { ids: Some([shown[2999].id].into()), ..PointQuery::default() };
    assert_eq!(scrolled(&in_file, &single), shown[2999..]);
    let is_flagged = |point: &vectar::points::Point| point.payload.as_ref().unwrap()["nested"]["flag"] == true;
    assert!(shown.iter().all(is_flagged));
}

#[test]
fn a_search_stops_when_asked() {
    let scene = Scene::new();
    let (path, _) = make_shuffled(&scene, 200);
    let file = Content::file(&path).unwrap();
    let inside = Inside::open(&file).unwrap();
    let cancel = CancelToken::default();
    cancel.cancel();
    assert!(matches!(count(&inside, &half(), &cancel), Err(vectar::Error::Cancelled)));
    assert!(matches!(scroll(&inside, &half(), &cancel, |_| Ok(())), Err(vectar::Error::Cancelled)));
}

/// Rows are asked without their ids, and yet the point is named whose payload cannot be read.
#[test]
fn a_damaged_payload_is_named_by_its_point() {
    let scene = Scene::new();
    let mut bytes = Vec::new();
    write_snapshot(&CorpusOptions { points: 400, ..shuffled(2000) }, 3, &mut bytes).unwrap();
    let mut parts = TarParts::of(&bytes);
    let pages: Vec<String> =
        parts.paths().into_iter().filter(|path| path.ends_with("payload_storage/page_0.dat")).collect();
    let largest = pages.iter().max_by_key(|path| parts.file(path).iter().filter(|byte| **byte != 0).count()).unwrap();
    // Inside of a value, so that it decompresses to another length or to no JSON.
    parts.edit(largest, |page| page[400_000..406_000].fill(0xff));
    let file = Content::file(&scene.write("damaged.snapshot", &parts.bytes())).unwrap();
    let inside = Inside::open(&file).unwrap();
    let refused = count(&inside, &half(), &CancelToken::default()).unwrap_err();
    let vectar::Error::NotReadable { what, .. } = &refused else { panic!("{refused:?}") };
    let id = what.strip_prefix("point ").unwrap().parse().unwrap();
    let only = PointQuery { ids: Some([id].into()), ..PointQuery::default() };
    let alone = scroll(&inside, &only, &CancelToken::default(), |_| Ok(())).unwrap_err();
    assert_eq!(alone.to_string(), refused.to_string());
    // What is asked of others is answered.
    let others = PointQuery { without_payload: true, ..PointQuery::default() };
    assert_eq!(counted(&inside, &others), ids(&inside, &others).len() as u64);
}

/// Ids and headers are read, payloads and vectors are not.
#[test]
fn a_deep_look_reads_a_small_part() {
    let scene = Scene::new();
    let (_, record) = make_shuffled(&scene, PAYLOAD_BYTES);
    let counting = Counted::of(&scene);
    let outline = outline_deep(&Content::backup(&counting.engine, &record)).unwrap().0;
    assert_eq!(outline.points_live, Some(POINTS));
    let (read, stored) = (counting.read(), scene.stored_bytes());
    println!("read {read} of {stored} bytes");
    assert!(read < stored / 8, "{read} bytes were read of {stored}");
}
