//! Drills of what cannot be compared as it is: answers that are too long, numbers that are none.
//!
//! The engine is the testkit's, under a Python that changes the words of the script which it is given.

use std::{fmt::Write as _, fs, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};
use vectar_testkit::edge;

use crate::environment::{Ran, TestEnvironment, names};

/// Runs the script that stands in its arguments, with some of it replaced.
const RUNNER: &str = "
import sys
script = sys.argv[1]
for old, new in changes:
    assert old in script, old
    script = script.replace(old, new)
exec(compile(script, 'drill', 'exec'))
";

/// Makes `./engine`, which drills with these changes of the script; `false` where the engine cannot be had.
fn make_engine(environment: &TestEnvironment, changes: &[(&str, &str)]) -> bool {
    let Some(python) = edge::python(edge::NEWEST) else { return false };
    let runner = environment.write("engine.py", format!("changes = {}\n{RUNNER}", json!(changes)));
    let mut script = String::from("#!/bin/sh\n");
    writeln!(script, "exec '{}' -I -B -X utf8 '{}' \"$6\"", python.display(), runner.display()).unwrap();
    let engine = environment.write("engine", script);
    fs::set_permissions(engine, fs::Permissions::from_mode(0o755)).unwrap();
    true
}

/// Drills the newest backup of `notes`, of one shard; what is said of that.
fn drill(environment: &TestEnvironment, code: i32) -> (Ran, Value) {
    fs::create_dir_all(environment.path("scratch")).unwrap();
    let drill = ["drill", "--engine", "--scratch", "scratch", "--python", "./engine", "--sample", "32", "--json"];
    let ran = environment.run(&[&drill[..], &["notes@latest"]].concat());
    assert_eq!(ran.code, Some(code), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(names(&environment.path("scratch")), [""; 0], "nothing is left behind");
    let line: Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    let [shard] = &line["shards"].as_array().unwrap()[..] else { panic!("one shard") };
    (ran, shard.clone())
}

fn notes(shard: &Value) -> Vec<&str> {
    shard["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect()
}

/// An answer of more than 128 MiB once made a sound backup fail: large payloads, sixteen at once, are as long.
#[test]
fn what_is_too_long_together_is_asked_for_one_by_one() {
    let environment = TestEnvironment::with_backups();
    // Too long is the answer about the first sixteen, and about the first of them alone.
    let points = "    def points(self, ids):\n";
    let long = format!(
        "{points}        self.asked = getattr(self, \"asked\", 0) + 1\n        if self.asked < 3:\n            return {{\"points\": \"x\" * (129 << 20)}}\n"
    );
    if !make_engine(&environment, &[(points, &long)]) {
        return;
    }
    let (_, shard) = drill(&environment, 0);
    let [note] = notes(&shard)[..] else { panic!("{shard}") };
    assert!(note.starts_with("point ") && note.ends_with("the engine's answer about it is too long"), "{note}");
    // Every eighteenth of 574 is in the sample.
    assert!([Some(30), Some(31)].contains(&shard["payloads"].as_u64()), "{shard}");
    assert_eq!((&shard["ids"], &shard["searches"]), (&json!(574), &json!(16)), "{shard}");
    // Where nothing shorter can be asked for, nothing is said about the backup.
    let load = r#"{"count": self.shard.count(edge.CountRequest(exact=True))}"#;
    assert!(make_engine(&environment, &[(load, r#"{"count": "x" * (129 << 20)}"#)]));
    let (_, shard) = drill(&environment, 3);
    assert_eq!(shard["verdict"], "unfinished");
    assert_eq!(shard["problem"], "engine 0.9.0 does not load the shard: it answered with a line that is too long");
}

/// JSON has no word for what is no number: a question with such a vector was refused, and a score of that kind was no answer.
#[test]
fn what_is_no_number_is_not_searched_for() {
    let environment = TestEnvironment::with_repository();
    environment.changed(("notes", "00-base"), "notes/odd.snapshot", |parts| {
        let path = parts.path("vector_storage/vectors/chunk_0.mmap");
        parts.edit(&path, |rows| {
            for (index, row) in rows[..800 * 48 * 4].chunks_exact_mut(48 * 4).enumerate() {
                match index % 2 {
                    0 => row[..4].copy_from_slice(&f32::INFINITY.to_le_bytes()),
                    // What is asked for points to where these have no end: they are found first.
                    _ => row[3] &= 0x7f,
                }
            }
        });
    });
    environment.stdout(&["ingest", "-q", "notes", "--collection", "notes"]);
    if !make_engine(&environment, &[]) {
        return;
    }
    let (_, shard) = drill(&environment, 0);
    let [left_out, not_compared] = notes(&shard)[..] else { panic!("{shard}") };
    assert!(
        left_out.ends_with(" of 32 points were left out of searches: their vectors hold what is no number"),
        "{left_out}"
    );
    assert!(
        not_compared.ends_with(" searches were not compared: the engine's scores are no numbers"),
        "{not_compared}"
    );
    assert_eq!((&shard["ids"], &shard["vectors"]), (&json!(800), &json!(32)), "what is no number is compared: {shard}");
    assert!(shard["searches"].as_u64() > Some(0), "among those with numbers: {shard}");
}

/// What was stored without its SHA-256 has nothing to compare when it is first rebuilt, and says so.
#[test]
fn a_first_drill_says_that_there_was_no_digest_to_compare() {
    let environment = TestEnvironment::with_repository();
    environment.snapshot("notes", "00-base", "notes/00-base.snapshot");
    environment.stdout(&["ingest", "-q", "--sha256", "later", "notes"]);
    if !make_engine(&environment, &[]) {
        return;
    }
    for is_known in [false, true] {
        let (ran, _) = drill(&environment, 0);
        let line: Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
        assert_eq!((&line["bytes_identical"], &line["sha256_compared"]), (&json!(true), &json!(is_known)));
        assert_eq!(!ran.stderr.contains("note: the SHA-256 was not known"), is_known, "{}", ran.stderr);
    }
}

#[test]
fn scores_that_are_no_numbers_are_not_compared() {
    let environment = TestEnvironment::with_backups();
    if !make_engine(&environment, &[("hit.score] for", "float(\"nan\")] for")]) {
        return;
    }
    let (_, shard) = drill(&environment, 0);
    assert_eq!(notes(&shard), ["24 searches were not compared: the engine's scores are no numbers"]);
    assert_eq!((&shard["searches"], &shard["index_searches"]), (&json!(0), &json!(0)));
}
