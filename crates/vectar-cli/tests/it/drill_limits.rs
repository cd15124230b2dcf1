//! Drills of what cannot be compared as it is: points that operations in a log may have changed, answers that are too long, numbers that are
//! none, digests that nobody knows.
//!
//! The engine is the testkit's, under a Python that changes the words of the script which it is given.

use std::{fmt::Write as _, fs, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};
use vectar_testkit::{TarParts, edge};

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

/// Makes a snapshot of `notes` that was taken in between: the segments of its first stage, and a log that has all operations of the later
/// ones. `change` may change that log.
fn with_tail(environment: &TestEnvironment, change: impl FnOnce(&mut Vec<u8>)) {
    let mut log =
        TarParts::of(&environment.snapshot("notes", "03-delete-33pct-vacuum", "later.snapshot")).file("0/wal/open-1");
    change(&mut log);
    environment.changed(("notes", "00-base"), "notes/tail.snapshot", |parts| parts.replace("0/wal/open-1", log));
    environment.stdout(&["ingest", "-q", "notes", "--collection", "notes"]);
}

/// What `status` says was shown.
fn shown(environment: &TestEnvironment) -> String {
    let status = environment.stdout(&["status"]);
    let row = status.lines().nth(1).unwrap();
    row[row.find("bytes identical").unwrap_or_else(|| panic!("{row}"))..].to_owned()
}

/// One operation in the tail of the log once kept all points from being compared, and a proof was written as if they had agreed.
#[test]
fn points_that_the_log_does_not_name_are_compared() {
    let environment = TestEnvironment::with_repository();
    with_tail(&environment, |_| {});
    if !make_engine(&environment, &[]) {
        return;
    }
    let (_, shard) = drill(&environment, 0);
    // 800 points, then 40 new ones, changed payloads, and deletions: the engine ends where the server did.
    assert_eq!((&shard["points"], &shard["points_in_engine"]), (&json!(800), &json!(574)), "{shard}");
    let [note] = notes(&shard)[..] else { panic!("{shard}") };
    let touched: u64 = note.split(' ').next().unwrap().parse().unwrap();
    assert_eq!(
        note,
        format!(
            "{touched} points were not compared: 3 operations in its write-ahead log, which no segment has and the engine applied, name them (800 in the segments, 574 in the engine)"
        )
    );
    // Of the 840 there ever were, all that are not named.
    assert_eq!(shard["ids"], 840 - touched, "{shard}");
    assert!(shard["payloads"].as_u64() > Some(10) && shard["searches"].as_u64() > Some(10), "{shard}");
    assert!(
        shown(&environment).contains(&format!(" · 574 points, {} compared · ", 840 - touched)),
        "{}",
        shown(&environment)
    );
    // An engine that loses one of the others is found out.
    let listed = "if said not in besides:";
    assert!(make_engine(&environment, &[(listed, "if said not in besides and count < 100:")]));
    let (_, shard) = drill(&environment, 4);
    assert_eq!(shard["problem"], "the engine lists other ids than the files hold");
}

#[test]
fn where_any_point_may_have_changed_a_proof_says_that_none_was_compared() {
    let environment = TestEnvironment::with_repository();
    with_tail(&environment, |log| rename_last_entry(log, b"delete_points", b"delete_pointz"));
    let load = r#"{"count": self.shard.count(edge.CountRequest(exact=True))}"#;
    // Qdrant's engine refuses such a log; this one counts as many points as it likes.
    if !make_engine(&environment, &[(load, r#"{"count": 10000000}"#), ("kind.load(target) if", "None if")]) {
        return;
    }
    let (ran, shard) = drill(&environment, 0);
    let why = "\"delete_pointz\" in its write-ahead log may change any of them";
    assert_eq!(
        notes(&shard),
        [format!("no points were compared: {why} (800 in the segments, 10000000 in the engine)")]
    );
    assert!(ran.stderr.contains("10,000,000 (0 compared) points in engine 0.9.0"), "{}", ran.stderr);
    assert!(shown(&environment).contains(" · 10,000,000 points, 0 compared · "), "{}", shown(&environment));
    let shown: Value = serde_json::from_str(&environment.stdout(&["show", "notes@latest", "--json"])).unwrap();
    assert_eq!(shown["drill"]["ids"], 0);
}

/// Changes bytes in the last entry of a log, and its checksum: CRC-32C over all before it in the entry, continued from the bits of the
/// checksum before in reverse order.
fn rename_last_entry(log: &mut [u8], old: &[u8], new: &[u8]) {
    let number = |log: &[u8], at: usize| u64::from_le_bytes(log[at..at + 8].try_into().unwrap());
    let crc_at = |log: &[u8], at: usize| u32::from_le_bytes(log[at..at + 4].try_into().unwrap());
    let entry_bytes = |data: u64| (data as usize + 12).next_multiple_of(8);
    let (mut at, mut before) = (8, crc_at(log, 4));
    while number(log, at + entry_bytes(number(log, at))) > 0 {
        at += entry_bytes(number(log, at));
        before = crc_at(log, at - 4);
    }
    let end = at + entry_bytes(number(log, at)) - 4;
    let place = log[at..end].windows(old.len()).position(|window| window == old).unwrap();
    assert_eq!(crc_at(log, end), crc32c(!before.reverse_bits(), &log[at..end]), "the checksum is understood");
    log[at + place..][..new.len()].copy_from_slice(new);
    let crc = crc32c(!before.reverse_bits(), &log[at..end]);
    log[end..end + 4].copy_from_slice(&crc.to_le_bytes());
}

fn crc32c(before: u32, bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(!before, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), bit))
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
