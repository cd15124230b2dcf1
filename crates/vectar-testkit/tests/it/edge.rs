//! Qdrant's own engine as the second opinion: the corpus as it reads it, and the shards, filters and answers that other
//! tests get from it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use vectar_testkit::corpus::{CorpusOptions, IdKind, Layout, OptimizedStorage, write_series};
use vectar_testkit::edge::{
    Answer, EdgeSnapshot, FilterOptions, KINDS, NEWEST, ShardOptions, VERSIONS, Wanted, answer, filters, load, python,
    script, shards, write_big, write_shard,
};

fn check(python: &Path, corpus: &Path) -> Output {
    Command::new(python).arg(script("check_corpus.py")).arg(corpus).output().unwrap()
}

/// A few hundred points through every kind of step, so that there are dead rows, moved points, values written twice and
/// rebuilt segments; two optimized segments and an appendable one.
fn options(ids: IdKind, optimized: OptimizedStorage, layout: Layout) -> CorpusOptions {
    CorpusOptions {
        points: 500,
        dimensions: 20,
        segments_per_shard: 2,
        payload_bytes: 300,
        ids,
        optimized,
        layout,
        ..CorpusOptions::default()
    }
}

#[test]
fn qdrant_edge_reads_what_truth_says() {
    let Some(python) = python(NEWEST) else {
        return;
    };
    for options in [
        options(IdKind::Uuid, OptimizedStorage::Hnsw, Layout::Shard),
        options(IdKind::Numeric, OptimizedStorage::Mmap, Layout::Streamed),
        options(IdKind::Mixed, OptimizedStorage::Plain, Layout::Shard),
    ] {
        let corpus = tempfile::tempdir().unwrap();
        let snapshots = write_series(&options, corpus.path(), |_| {}).unwrap();
        let output = check(&python, corpus.path());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), snapshots.len());
    }
}

/// The check must be able to fail: a truth that says otherwise is contradicted.
#[test]
fn qdrant_edge_contradicts_a_wrong_truth() {
    let Some(python) = python(NEWEST) else {
        return;
    };
    let options =
        CorpusOptions { steps: Vec::new(), ..options(IdKind::Numeric, OptimizedStorage::Hnsw, Layout::Shard) };
    let corpus = tempfile::tempdir().unwrap();
    write_series(&options, corpus.path(), |_| {}).unwrap();
    let path = corpus.path().join("truth.json");
    let truth = std::fs::read_to_string(&path).unwrap();
    for (said, wrong, complaint) in [
        ("\"points\": 500,\n", "\"points\": 501,\n", "500 points, expected 501"),
        ("\"empty\": []", "\"empty\": [1]", "payload is"),
        ("\"ids_sha256\": \"", "\"ids_sha256\": \"0", "the ids are others"),
    ] {
        assert!(truth.contains(said), "{said}");
        std::fs::write(&path, truth.replacen(said, wrong, 1)).unwrap();
        let output = check(&python, corpus.path());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(complaint), "{stderr}");
    }
}

/// What the engine of one version says about a snapshot, against what the engine that wrote it said; `Err` is the
/// first difference.
fn compare(version: &str, snapshot: &EdgeSnapshot) -> Option<Result<(), String>> {
    let loaded = match load(version, &snapshot.path, Wanted::All)? {
        Ok(loaded) => loaded,
        Err(refusal) => return Some(Err(refusal)),
    };
    let digest = snapshot.truth["ids_sha256"].as_str().unwrap();
    let points = snapshot.points();
    Some(if loaded.count != snapshot.count() {
        Err(format!("{} points, expected {}", loaded.count, snapshot.count()))
    } else if loaded.ids_sha256 != digest {
        Err("the ids are others".to_owned())
    } else if let Some((found, _)) = loaded.points.iter().zip(&points).find(|(found, expected)| found != expected) {
        Err(format!("point {} is another", found["id"]))
    } else {
        Ok(())
    })
}

/// Every kind loads in the newest engine, from the snapshot, with the points its own engine returned: before the last
/// optimization and after it. One kind also loads in its own version.
fn loads_in_the_newest(version: &str) {
    let Some(snapshots) = shards(version) else {
        return;
    };
    assert!(snapshots.len() >= 18, "{} stages", snapshots.len());
    let changed = snapshots.iter().filter(|snapshot| snapshot.stage.as_str() >= "2-changed");
    let own = changed.clone().filter(|snapshot| snapshot.kind == "indexed").map(|snapshot| (version, snapshot));
    for (version, snapshot) in changed.map(|snapshot| (NEWEST, snapshot)).chain(own) {
        let Some(compared) = compare(version, snapshot) else {
            return;
        };
        assert_eq!(compared, Ok(()), "{} by {version}", snapshot.name());
    }
}

#[test]
fn shards_of_0_5_load_in_the_newest() {
    loads_in_the_newest(VERSIONS[0]);
}

#[test]
fn shards_of_0_6_load_in_the_newest() {
    loads_in_the_newest(VERSIONS[1]);
}

#[test]
fn shards_of_0_7_load_in_the_newest() {
    loads_in_the_newest(VERSIONS[2]);
}

#[test]
fn shards_of_0_8_load_in_the_newest() {
    loads_in_the_newest(VERSIONS[3]);
}

#[test]
fn shards_of_0_9_load_again() {
    loads_in_the_newest(VERSIONS[4]);
}

/// The same comparison must be able to fail.
#[test]
fn a_wrong_truth_about_a_shard_is_contradicted() {
    let Some(stages) = write_shard(NEWEST, &ShardOptions::of("bare")) else {
        return;
    };
    let right = &stages[2];
    let other_count = EdgeSnapshot { truth: json!({ "points": right.count() + 1, "ids_sha256": "" }), ..right.clone() };
    let other_ids = EdgeSnapshot { truth: json!({ "points": right.count(), "ids_sha256": "00" }), ..right.clone() };
    let other_points = EdgeSnapshot { points_path: stages[1].points_path.clone(), ..right.clone() };
    for (wrong, complaint) in
        [(&other_count, "points, expected"), (&other_ids, "the ids are others"), (&other_points, "is another")]
    {
        let Some(compared) = compare(NEWEST, wrong) else {
            return;
        };
        assert!(compared.as_ref().is_err_and(|said| said.contains(complaint)), "{compared:?}");
    }
}

/// A damaged snapshot is refused in the engine's words, not by a panic of the script's caller.
#[test]
fn what_the_engine_refuses_is_said() {
    let Some(stages) = write_shard(NEWEST, &ShardOptions::of("bare")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.snapshot");
    let body = std::fs::read(&stages[1].path).unwrap();
    std::fs::write(&cut, &body[..body.len() / 3]).unwrap();
    let Some(loaded) = load(NEWEST, &cut, Wanted::All) else {
        return;
    };
    assert!(loaded.as_ref().is_err_and(|why| why.starts_with("error: ")), "{loaded:?}");
}

/// Each kind passes through the stages that its version has, and the changes show in what the engine says.
#[test]
fn stages_differ_as_their_names_say() {
    let Some(stages) = write_shard(NEWEST, &ShardOptions::of("indexed")) else {
        return;
    };
    let names: Vec<&str> = stages.iter().map(|stage| stage.stage.as_str()).collect();
    assert_eq!(names, ["0-written", "1-optimized", "2-changed", "3-reoptimized"]);
    let number = |stage: usize, name: &str| stages[stage].truth[name].as_u64().unwrap();
    assert_eq!((number(0, "indexed"), number(1, "indexed")), (0, 400));
    assert_eq!(stages[0].points(), stages[1].points());
    assert_eq!(stages[2].points(), stages[3].points());
    assert_ne!(number(1, "points"), number(2, "points"));
    let deleted = stages[2].truth["deleted_ids"].as_array().unwrap();
    let left: BTreeSet<String> = stages[2].points().iter().map(|point| point["id"].to_string()).collect();
    assert!(!deleted.is_empty() && deleted.iter().all(|id| !left.contains(&id.to_string())));
    assert!(stages[1].truth["indexed_fields"].as_array().unwrap().len() >= 16);
    // An old engine has no optimizer, and the kinds of the newest are not for it.
    if let Some(old) = write_shard(VERSIONS[0], &ShardOptions::of("indexed")) {
        assert_eq!(old.iter().map(|stage| stage.stage.as_str()).collect::<Vec<_>>(), ["0-written", "2-changed"]);
    }
    assert!(write_shard(VERSIONS[0], &ShardOptions::of("placed")).is_none_or(|stages| stages.is_empty()));
    assert_eq!(KINDS.iter().collect::<BTreeSet<_>>().len(), KINDS.len());
}

/// What the engine says to generated filters: nearly all are answered, and most tell points apart.
#[test]
fn generated_filters_tell_points_apart() {
    for (version, kind, newest) in [(NEWEST, "indexed", true), (NEWEST, "bare", true), (VERSIONS[1], "named", false)] {
        let Some(stages) = write_shard(version, &ShardOptions::of(kind)) else {
            return;
        };
        let points = stages[2].points();
        let asked = filters(&points, &FilterOptions { newest, ..FilterOptions::default() });
        assert_eq!(asked, filters(&points, &FilterOptions { newest, ..FilterOptions::default() }));
        assert_ne!(asked, filters(&points, &FilterOptions { newest, seed: 2, ..FilterOptions::default() }));
        let Some(answers) = answer(version, &stages[2].path, &asked) else {
            return;
        };
        let refused: Vec<(&Value, &Answer)> =
            asked.iter().zip(&answers).filter(|(_, answer)| matches!(answer, Answer::Refused(_))).collect();
        assert!(refused.is_empty(), "{refused:#?}");
        let telling = answers.iter().filter(|answer| is_telling(answer, points.len())).count();
        assert!(telling * 10 >= asked.len() * 7, "{version}/{kind}: {telling} of {}", asked.len());
    }
}

fn is_telling(answer: &Answer, points: usize) -> bool {
    matches!(answer, Answer::Ids(ids) if !ids.is_empty() && ids.len() < points)
}

/// A filter that is no filter, and one that the version does not know, are refused and not answered wrongly.
#[test]
fn what_is_no_filter_is_refused() {
    let Some(stages) = write_shard(VERSIONS[1], &ShardOptions::of("bare")) else {
        return;
    };
    let asked = [
        json!({ "must": [{ "key": "city", "match": { "prefix": "P" } }] }),
        json!({ "must": [{ "key": "rank", "match": { "value": 0.5 } }] }),
        json!({ "may": [] }),
        json!({ "must": [{ "key": "rank", "match": { "value": 3 } }] }),
    ];
    let Some(answers) = answer(VERSIONS[1], &stages[0].path, &asked) else {
        return;
    };
    assert!(answers[..3].iter().all(|answer| matches!(answer, Answer::Refused(_))), "{answers:?}");
    assert!(is_telling(&answers[3], 400), "{answers:?}");
}

fn a_big_shard_loads(points: u32, dimensions: u32) {
    let Some(big) = write_big(NEWEST, points, dimensions, 1) else {
        return;
    };
    let sample = big.truth["sample"].as_array().unwrap();
    let ids: Vec<Value> = sample.iter().map(|point| point["id"].clone()).collect();
    let Some(loaded) = load(NEWEST, &big.path, Wanted::Ids(&ids)) else {
        return;
    };
    let loaded = loaded.unwrap();
    assert_eq!(loaded.count, big.truth["points"].as_u64().unwrap());
    assert_eq!(loaded.ids_sha256, big.truth["ids_sha256"].as_str().unwrap());
    assert_eq!(&loaded.points, sample);
}

#[test]
fn a_big_shard_can_be_made() {
    a_big_shard_loads(1_000, 32);
}

#[test]
#[ignore = "takes some minutes and 4 GB of disk: 200,000 points of 768 dimensions"]
fn a_very_big_shard_can_be_made() {
    a_big_shard_loads(200_000, 768);
}
