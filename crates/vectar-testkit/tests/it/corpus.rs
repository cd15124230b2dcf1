//! The corpus: deterministic, as long as announced, and what an independent reader expects.

use std::collections::BTreeMap;
use std::io::{self, Write};

use sha2::{Digest as _, Sha256};
use vectar_testkit::corpus::{
    CorpusError, CorpusErrorKind, CorpusOptions, Distance, IdKind, Layout, OptimizedStorage, Step, VectorContent,
    points_for_bytes, snapshot_bytes, write_series, write_snapshot,
};

use crate::reader::{self, Id, LivePoint};

fn small() -> CorpusOptions {
    CorpusOptions { points: 300, dimensions: 12, payload_bytes: 260, ..CorpusOptions::default() }
}

fn snapshot(options: &CorpusOptions, generation: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let announced = write_snapshot(options, generation, &mut bytes).unwrap();
    assert_eq!(announced, bytes.len() as u64);
    bytes
}

fn points(options: &CorpusOptions, generation: u32) -> BTreeMap<Id, LivePoint> {
    reader::live_points(&reader::files(&snapshot(options, generation)))
}

fn hex_digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One of each kind of everything, with three steps: all changes at once, more of them before a vacuum, then before a rebuild.
fn varied() -> Vec<CorpusOptions> {
    let busy = Step {
        name: "busy".to_owned(),
        insert_permille: 100,
        payload_permille: 200,
        vector_permille: 100,
        delete_permille: 100,
        rebuild: false,
        vacuum_segments: 0,
    };
    let rebuild = Step { name: "rebuild".to_owned(), rebuild: true, ..busy.clone() };
    let vacuum = Step { name: "vacuum".to_owned(), vacuum_segments: 1, ..busy.clone() };
    let mut varied = one_of_each_kind();
    for options in &mut varied {
        options.steps = vec![busy.clone(), vacuum.clone(), rebuild.clone()];
    }
    varied
}

fn one_of_each_kind() -> Vec<CorpusOptions> {
    vec![
        small(),
        CorpusOptions { shards: 2, ids: IdKind::Mixed, ..small() },
        CorpusOptions { optimized: OptimizedStorage::Mmap, ids: IdKind::Numeric, ..small() },
        CorpusOptions { optimized: OptimizedStorage::Plain, distance: Distance::Dot, ..small() },
        CorpusOptions {
            layout: Layout::Shard,
            segments_per_shard: 2,
            vectors: VectorContent::HalfPrecision,
            ..small()
        },
        CorpusOptions { layout: Layout::Streamed, payload_bytes: 0, ..small() },
        CorpusOptions { points: 1, dimensions: 1, ..small() },
    ]
}

/// The bytes are pinned: a seed must mean the same corpus on every machine and in every later version. They may change
/// only with the corpus's own format or with `lz4_flex`, and then on purpose.
#[test]
fn equal_options_give_equal_bytes_everywhere() {
    let digest = hex_digest(&snapshot(&small(), 5));
    assert_eq!(digest, hex_digest(&snapshot(&small(), 5)));
    assert_eq!(digest, "3dd559aceda1af1eab48c696c8cd240e97389fde5d2a4f8e070ba423b77b2339");
    assert_ne!(digest, hex_digest(&snapshot(&CorpusOptions { seed: 2, ..small() }, 5)));
}

#[test]
fn announced_length_is_the_written_length() {
    for options in varied() {
        for generation in 0..=options.last_generation() {
            let written = snapshot(&options, generation).len() as u64;
            assert_eq!(snapshot_bytes(&options, generation).unwrap(), written, "{options:?} {generation}");
        }
    }
}

#[test]
fn outer_tar_ends_in_two_zero_blocks_and_nested_tars_in_none() {
    let options = CorpusOptions { segments_per_shard: 2, ..small() };
    let bytes = snapshot(&options, 3);
    assert!(bytes.ends_with(&[0; 1024]));
    let mut archive = tar::Archive::new(&bytes[..]);
    let (mut end, mut nested) = (0, 0);
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let start = entry.raw_file_position() as usize;
        if entry.path().unwrap().to_string_lossy().ends_with(".tar") {
            nested += 1;
            let body = &bytes[start..start + entry.size() as usize];
            let last = body.chunks(512).next_back().unwrap();
            assert!(last.starts_with(b"0.6.0"), "the last block is the body of version.info");
        }
        let header = entry.header().as_gnu().unwrap();
        let stored = u64::from_str_radix(std::str::from_utf8(&header.size[..11]).unwrap(), 8).unwrap();
        end = (start as u64 + stored).next_multiple_of(512) as usize;
    }
    assert_eq!(nested, 3);
    assert_eq!(bytes.len(), end + 1024, "exactly two blocks follow the last entry");
}

#[test]
fn entries_stand_in_the_order_of_a_real_collection_snapshot() {
    let files: Vec<String> = {
        let bytes = snapshot(&small(), 1);
        let mut archive = tar::Archive::new(&bytes[..]);
        archive.entries().unwrap().map(|e| e.unwrap().path().unwrap().to_string_lossy().into_owned()).collect()
    };
    let tails: Vec<&str> = files.iter().map(|path| path.rsplit('/').next().unwrap()).collect();
    assert!(files[0].starts_with("0/segments/") && files[1].ends_with(".tar"));
    assert_eq!(
        tails[2..],
        [
            "newest_clocks.json",
            "open-1",
            "open-2",
            "first-index",
            "replica_state.json",
            "shard_config.json",
            "version.info",
            "config.json",
            "shard_key_mapping.json",
            "payload_index.json",
        ]
    );
}

#[test]
fn independent_reader_finds_what_truth_says() {
    for options in varied() {
        let folder = tempfile::tempdir().unwrap();
        let written = write_series(&options, folder.path(), |_| {}).unwrap();
        let truth: Vec<serde_json::Value> = serde_json::from_slice(&read(&folder.path().join("truth.json"))).unwrap();
        assert_eq!(written.len(), truth.len());
        for (snapshot, said) in written.iter().zip(&truth) {
            let bytes = read(&snapshot.path);
            assert_eq!(said["size"], bytes.len());
            assert_eq!(said["sha256"], hex_digest(&bytes));
            assert_eq!(said["sha256"], snapshot.sha256);
            assert_agrees(&reader::live_points(&reader::files(&bytes)), said);
        }
    }
}

fn assert_agrees(points: &BTreeMap<Id, LivePoint>, said: &serde_json::Value) {
    assert_eq!(said["points"], points.len());
    let ids: Vec<String> = points.keys().map(Id::spell).collect();
    assert_eq!(said["ids_sha256"], hex_digest(ids.join("\n").as_bytes()));
    let spell = |id: &serde_json::Value| id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    let find = |id: &serde_json::Value| points.iter().find(|(known, _)| known.spell() == spell(id));
    for expected in said["sample"].as_array().unwrap() {
        let (_, point) = find(&expected["id"]).expect("a sampled point is live");
        assert_eq!(point.payload, expected["payload"]);
        let vector: Vec<f32> = serde_json::from_value(expected["vector"].clone()).unwrap();
        assert_eq!(point.vector, vector);
    }
    for deleted in said["deleted_ids"].as_array().unwrap() {
        assert!(find(deleted).is_none());
    }
}

/// As on a real server: only header bytes (times, checksums) of the files that every snapshot rewrites.
#[test]
fn unchanged_generation_differs_only_in_header_bytes() {
    let (base, unchanged) = (snapshot(&small(), 0), snapshot(&small(), 1));
    assert_eq!(base.len(), unchanged.len());
    let differing = base.iter().zip(&unchanged).filter(|(a, b)| a != b).count();
    assert!((1..100).contains(&differing), "{differing}");
    let (base, unchanged) = (reader::files(&base), reader::files(&unchanged));
    let bodies = |files: &reader::Files| {
        files.iter().filter(|(path, _)| !path.ends_with(".tar")).map(|(_, body)| body.clone()).collect::<Vec<_>>()
    };
    assert!(bodies(&base) == bodies(&unchanged));
}

#[test]
fn rebuild_keeps_rows_and_values_and_changes_their_places() {
    let step = Step { insert_permille: 200, rebuild: true, name: "merge".to_owned(), ..Step::unchanged() };
    let options = CorpusOptions { steps: vec![step], ..small() };
    let (before, after) = (points(&options, 0), points(&options, 1));
    assert_eq!((before.len(), after.len()), (300, 360));
    assert!(before.iter().all(|(id, point)| after.get(id) == Some(point)));
    let segments = |generation| {
        let files = reader::files(&snapshot(&options, generation));
        files.into_keys().filter(|path| path.ends_with(".tar")).collect::<Vec<_>>()
    };
    assert!(segments(0).iter().all(|path| !segments(1).contains(path)), "a rebuilt segment has a new UUID");
}

#[test]
fn vacuum_drops_dead_rows_of_one_segment_and_leaves_the_others() {
    let delete = Step { delete_permille: 200, ..Step::unchanged() };
    let vacuum = Step { name: "vacuum".to_owned(), vacuum_segments: 1, ..Step::unchanged() };
    let options = CorpusOptions { segments_per_shard: 2, steps: vec![delete, vacuum], ..small() };
    assert_eq!(points(&options, 1), points(&options, 2));
    let mappings = |generation| {
        let files = reader::files(&snapshot(&options, generation));
        let is_mapping = |path: &str| path.ends_with("/id_tracker.mappings");
        files.into_iter().filter(|(path, _)| is_mapping(path)).collect::<BTreeMap<_, _>>()
    };
    let (before, after) = (mappings(1), mappings(2));
    assert_eq!((before.len(), after.len()), (2, 2));
    let stays: Vec<_> = before.keys().filter(|path| after.contains_key(*path)).collect();
    let [stays] = stays[..] else { panic!("one of two segments has a new UUID: {stays:?}") };
    assert_eq!(before[stays], after[stays]);
    let bytes = |files: &BTreeMap<String, Vec<u8>>| files.values().map(Vec::len).sum::<usize>();
    assert!(bytes(&after) < bytes(&before), "deleted rows of the vacuumed segment are gone");
}

#[test]
fn a_series_may_begin_with_a_later_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let options = CorpusOptions { points: 50, first_generation: 2, ..small() }.repeating(&[Step::day()], 4);
    let written = write_series(&options, folder.path(), |_| {}).unwrap();
    let tags: Vec<&str> = written.iter().map(|snapshot| snapshot.tag.as_str()).collect();
    assert_eq!(tags, ["02-day", "03-day"]);
    assert_eq!(read(&written[0].path), snapshot(&options, 2));
    let refused = CorpusOptions { first_generation: 4, ..options };
    assert!(write_series(&refused, folder.path(), |_| {}).is_err());
}

#[test]
fn steps_change_what_they_say() {
    let options = small();
    let states: Vec<_> = (0..=options.last_generation()).map(|generation| points(&options, generation)).collect();
    let changed = |from: usize, to: usize, differs: fn(&LivePoint, &LivePoint) -> bool| {
        states[to].iter().filter(|(id, point)| states[from].get(id).is_some_and(|old| differs(old, point))).count()
    };
    assert_eq!(states[2].len(), 303, "1 % inserted");
    assert!((1..30).contains(&changed(2, 3, |a, b| a.payload != b.payload)), "about 2 % got a payload");
    assert_eq!(changed(2, 3, |a, b| a.vector != b.vector), 0);
    assert!((1..20).contains(&changed(3, 4, |a, b| a.vector != b.vector)), "about 1 % got a vector");
    assert!((1..40).contains(&(states[4].len() - states[5].len())), "about 5 % deleted");
}

#[test]
fn points_for_bytes_meets_the_size_nearly() {
    for options in [
        CorpusOptions { steps: Vec::new(), ..CorpusOptions::default() },
        CorpusOptions { steps: Vec::new(), layout: Layout::Shard, optimized: OptimizedStorage::Mmap, ..small() },
        CorpusOptions { steps: Vec::new(), wal_bytes_max: 1 << 20, ..small() },
    ] {
        let wanted = 8 << 20;
        let options = CorpusOptions { points: points_for_bytes(&options, wanted), ..options };
        let bytes = snapshot_bytes(&options, 0).unwrap();
        assert!(bytes.abs_diff(wanted) < wanted / 25, "{bytes} instead of {wanted}: {options:?}");
    }
}

#[test]
fn options_out_of_range_are_refused_before_anything_is_written() {
    let refused = |options: CorpusOptions, generation: u32| {
        let mut out = Vec::new();
        let error = write_snapshot(&options, generation, &mut out).unwrap_err();
        assert_eq!(error.kind(), CorpusErrorKind::FixTheInput);
        assert!(out.is_empty());
        error.to_string()
    };
    assert_eq!(
        refused(CorpusOptions { points: 0, ..small() }, 0),
        "cannot lay out the corpus: a corpus needs at least one point"
    );
    assert_eq!(
        refused(CorpusOptions { layout: Layout::Shard, shards: 2, ..small() }, 0),
        "cannot lay out the corpus: a shard snapshot holds one shard"
    );
    assert_eq!(
        refused(CorpusOptions { points: u64::MAX, ..small() }, 0),
        "cannot lay out the corpus: a corpus holds at most 2^40 points"
    );
    assert_eq!(refused(small(), 99), "cannot lay out the corpus: generation 99 is past the last, 7");
}

#[test]
fn failing_output_is_reported_with_its_cause() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let error = write_snapshot(&small(), 0, Full).unwrap_err();
    assert_eq!(error.kind(), CorpusErrorKind::Retry);
    assert!(matches!(error, CorpusError::Output { source, .. } if source.kind() == io::ErrorKind::StorageFull));
}

/// Runs itself as a child, because the peak of memory is a property of a process.
#[cfg(target_os = "linux")]
#[test]
fn streaming_needs_no_more_memory_for_a_longer_snapshot() {
    const CHILD: &str = "VECTAR_TESTKIT_CORPUS_POINTS";
    let name = "corpus::streaming_needs_no_more_memory_for_a_longer_snapshot";
    if let Ok(points) = std::env::var(CHILD) {
        let options = CorpusOptions {
            points: points.parse().unwrap(),
            wal_bytes_max: 1 << 20,
            steps: Vec::new(),
            ..CorpusOptions::default()
        };
        write_snapshot(&options, 0, io::sink()).unwrap();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        let peak_kib: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(peak_kib < 40 << 10, "peak of {peak_kib} KiB");
        return;
    }
    // 48 MB of vectors, written by a process that may take 40 MiB in all.
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact"])
        .env(CHILD, "32000")
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}");
}

fn read(path: &std::path::Path) -> Vec<u8> {
    std::fs::read(path).expect("the corpus was written")
}
