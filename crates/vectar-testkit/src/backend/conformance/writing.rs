//! Put, put-if-absent, the writer, delete and sync.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use vectar_backend::{Backend, BackendErrorKind, PutOutcome};

use super::{Case, all_keys, assert_missing, contents, create, key, patterned, put};

pub(super) const CASES: &[Case] = &[
    ("put-if-absent keeps the first object", put_if_absent_keeps_the_first_object),
    ("put-if-absent lays parts end to end", put_if_absent_lays_parts_end_to_end),
    ("put replaces the object", put_replaces_the_object),
    ("writer publishes what was written", writer_publishes_what_was_written),
    ("publish over an existing object changes nothing", publish_over_existing_changes_nothing),
    ("abandoned writer leaves nothing visible", abandoned_writer_leaves_nothing_visible),
    ("unpublished bytes are not visible", unpublished_bytes_are_not_visible),
    ("empty object is an object", empty_object_is_an_object),
    ("big object survives many writes", big_object_survives_many_writes),
    ("of many publishers of one key one creates it", one_of_many_publishers_creates),
    ("publishers of many keys do not disturb each other", publishers_of_many_keys),
    ("readers see replaced objects whole", readers_see_replaced_objects_whole),
    ("delete removes, and forgives what is missing", delete_removes_and_forgives),
    ("publish and delete in one place at once", publish_and_delete_in_one_place),
    ("sync takes named objects and refuses missing ones", sync_takes_named_objects),
    ("syncs at once all return", syncs_at_once),
    ("cleaning and probing leave objects alone", cleaning_and_probing_leave_objects_alone),
];

/// Rounds of a race. A race that is lost once in a thousand times is still found by the many runs of a suite.
const RACE_ROUNDS: usize = 20;

const RACERS: usize = 4;

fn put_if_absent_keeps_the_first_object(backend: &Arc<dyn Backend>) {
    create(backend, "packs/ab/1", b"first");
    assert_eq!(put(backend, "packs/ab/1", b"second, longer"), PutOutcome::AlreadyExists);
    assert_eq!(put(backend, "packs/ab/1", b"first"), PutOutcome::AlreadyExists);
    assert_eq!(contents(backend, "packs/ab/1"), "first");
    assert_eq!(all_keys(backend), ["packs/ab/1"]);
}

fn put_if_absent_lays_parts_end_to_end(backend: &Arc<dyn Backend>) {
    let parts = ["one", "", "two", "three"].map(Bytes::from);
    assert_eq!(backend.put_if_absent(&key("a"), &parts).expect("the key is free"), PutOutcome::Created);
    backend.put(&key("b"), &parts).expect("put works on a free key");
    assert_eq!(contents(backend, "a"), "onetwothree");
    assert_eq!(contents(backend, "b"), "onetwothree");
}

fn put_replaces_the_object(backend: &Arc<dyn Backend>) {
    for text in ["long contents", "short", "", "long again, longer than ever"] {
        backend.put(&key("caches/x"), &[Bytes::from(text)]).expect("put works on any key");
        assert_eq!(contents(backend, "caches/x"), text);
    }
    assert_eq!(all_keys(backend), ["caches/x"]);
}

fn writer_publishes_what_was_written(backend: &Arc<dyn Backend>) {
    let mut writer = backend.begin().expect("a writer can be begun");
    for part in [&b"one"[..], b"", b"two"] {
        writer.write(part).expect("a writer takes bytes");
    }
    assert_eq!(writer.written_bytes(), 6);
    assert_eq!(writer.publish(&key("packs/cd/2")).expect("the key is free"), PutOutcome::Created);
    assert_eq!(contents(backend, "packs/cd/2"), "onetwo");
}

fn publish_over_existing_changes_nothing(backend: &Arc<dyn Backend>) {
    create(backend, "packs/cd/2", b"there");
    let mut writer = backend.begin().expect("a writer can be begun");
    writer.write(b"other").expect("a writer takes bytes");
    assert_eq!(writer.publish(&key("packs/cd/2")).expect("a taken key is no error"), PutOutcome::AlreadyExists);
    assert_eq!(contents(backend, "packs/cd/2"), "there");
    assert_eq!(all_keys(backend), ["packs/cd/2"]);
}

fn abandoned_writer_leaves_nothing_visible(backend: &Arc<dyn Backend>) {
    let mut writer = backend.begin().expect("a writer can be begun");
    writer.write(b"never").expect("a writer takes bytes");
    drop(writer);
    assert_eq!(all_keys(backend), [""; 0]);
}

fn unpublished_bytes_are_not_visible(backend: &Arc<dyn Backend>) {
    let mut writers: Vec<_> = (0..3).map(|_| backend.begin().expect("a writer can be begun")).collect();
    for writer in &mut writers {
        writer.write(b"later").expect("a writer takes bytes");
    }
    assert_eq!(all_keys(backend), [""; 0]);
    for (number, writer) in writers.into_iter().enumerate() {
        let outcome = writer.publish(&key(&format!("late/{number}"))).expect("the key is free");
        assert_eq!(outcome, PutOutcome::Created);
    }
    assert_eq!(all_keys(backend), ["late/0", "late/1", "late/2"]);
}

fn empty_object_is_an_object(backend: &Arc<dyn Backend>) {
    create(backend, "marks/empty", b"");
    assert_eq!(put(backend, "marks/empty", b"not empty"), PutOutcome::AlreadyExists);
    assert_eq!(contents(backend, "marks/empty"), "");
    assert_eq!(backend.stat(&key("marks/empty")).expect("it was created").object_bytes, 0);
    assert_eq!(all_keys(backend), ["marks/empty"]);
}

fn big_object_survives_many_writes(backend: &Arc<dyn Backend>) {
    let bytes = patterned(5 << 20);
    let mut writer = backend.begin().expect("a writer can be begun");
    for part in bytes.chunks(333_333) {
        writer.write(part).expect("a writer takes bytes");
    }
    assert_eq!(writer.written_bytes(), bytes.len() as u64);
    assert_eq!(writer.publish(&key("packs/big")).expect("the key is free"), PutOutcome::Created);
    assert!(contents(backend, "packs/big") == bytes, "a big object came back with other bytes");
    let middle = backend.get_range(&key("packs/big"), 3_000_000..3_000_100).expect("the range lies inside");
    assert_eq!(middle, bytes[3_000_000..3_000_100]);
}

fn one_of_many_publishers_creates(backend: &Arc<dyn Backend>) {
    for round in 0..RACE_ROUNDS {
        let text = format!("races/{round}");
        let start = Barrier::new(RACERS);
        let outcomes: Vec<(u8, PutOutcome)> = thread::scope(|scope| {
            let racers = (0..RACERS as u8).map(|racer| {
                let (text, start) = (&text, &start);
                scope.spawn(move || {
                    let mut writer = backend.begin().expect("a writer can be begun");
                    writer.write(&[racer; 1000]).expect("a writer takes bytes");
                    start.wait();
                    (racer, writer.publish(&key(text)).expect("a race is no error"))
                })
            });
            let racers: Vec<_> = racers.collect();
            racers.into_iter().map(|racer| racer.join().expect("no racer panics")).collect()
        });
        let winners: Vec<u8> =
            outcomes.iter().filter(|(_, outcome)| *outcome == PutOutcome::Created).map(|(racer, _)| *racer).collect();
        assert_eq!(winners.len(), 1, "{} publishers of {text} were told that they created it", winners.len());
        assert_eq!(contents(backend, &text), vec![winners[0]; 1000], "the object is not the winner's");
    }
    assert_eq!(all_keys(backend).len(), RACE_ROUNDS);
}

fn publishers_of_many_keys(backend: &Arc<dyn Backend>) {
    thread::scope(|scope| {
        for racer in 0..RACERS {
            scope.spawn(move || {
                for number in 0..RACE_ROUNDS {
                    let text = format!("packs/{:02x}/{racer}-{number}", number % 3);
                    create(backend, &text, text.as_bytes());
                }
            });
        }
    });
    let keys = all_keys(backend);
    assert_eq!(keys.len(), RACERS * RACE_ROUNDS);
    for text in keys {
        assert_eq!(contents(backend, &text), text.as_bytes());
    }
}

fn readers_see_replaced_objects_whole(backend: &Arc<dyn Backend>) {
    let versions = [vec![b'a'; 100_000], vec![b'b'; 50_000]];
    let replace = |bytes: &Vec<u8>| backend.put(&key("caches/x"), &[Bytes::copy_from_slice(bytes)]);
    replace(&versions[0]).expect("put works on a free key");
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..RACE_ROUNDS {
                replace(&versions[round % 2]).expect("put works on a taken key");
            }
        });
        while !writer.is_finished() {
            let seen = contents(backend, "caches/x");
            assert!(versions.iter().any(|version| seen == version), "a reader saw a mixture of {} bytes", seen.len());
        }
    });
}

fn delete_removes_and_forgives(backend: &Arc<dyn Backend>) {
    create(backend, "packs/ab/1", b"x");
    create(backend, "packs/ab/2", b"y");
    for text in ["packs/ab/1", "packs/ab/1", "packs/ab", "never/was", "config"] {
        backend.delete(&key(text)).unwrap_or_else(|error| panic!("delete of {text} failed: {error}"));
    }
    assert_missing(backend, "packs/ab/1");
    assert_eq!(all_keys(backend), ["packs/ab/2"]);
    create(backend, "packs/ab/1", b"again");
    assert_eq!(contents(backend, "packs/ab/1"), "again");
}

/// A file system may remove directories that become empty; that must not disturb whoever publishes there.
fn publish_and_delete_in_one_place(backend: &Arc<dyn Backend>) {
    thread::scope(|scope| {
        for racer in 0..RACERS {
            scope.spawn(move || {
                for _ in 0..RACE_ROUNDS {
                    let text = format!("intents/same/{racer}");
                    create(backend, &text, b"x");
                    backend.delete(&key(&text)).expect("the object is there");
                }
            });
        }
    });
    assert_eq!(all_keys(backend), [""; 0]);
}

fn sync_takes_named_objects(backend: &Arc<dyn Backend>) {
    backend.sync(&[]).expect("nothing is owed");
    create(backend, "packs/ab/1", b"x");
    create(backend, "config", b"y");
    backend.sync(&[]).expect("puts can be made durable");
    backend.sync(&[key("packs/ab/1"), key("config")]).expect("objects that are there can be named");
    backend.delete(&key("packs/ab/1")).expect("the object is there");
    let error = backend.sync(&[key("config"), key("packs/ab/1")]).expect_err("a missing object cannot be durable");
    assert_eq!(error.kind(), BackendErrorKind::NotFound, "{error:?}");
    assert!(error.is_object_missing(), "{error:?}");
    backend.sync(&[]).expect("deletes can be made durable, and a missing name spoils nothing");
    assert_eq!(contents(backend, "config"), "y");
}

fn syncs_at_once(backend: &Arc<dyn Backend>) {
    thread::scope(|scope| {
        for racer in 0..RACERS {
            scope.spawn(move || {
                for number in 0..3 {
                    let text = format!("synced/{racer}/{number}");
                    create(backend, &text, b"x");
                    backend.sync(&[key(&text)]).expect("what was just put can be made durable");
                }
            });
        }
    });
    assert_eq!(all_keys(backend).len(), RACERS * 3);
}

fn cleaning_and_probing_leave_objects_alone(backend: &Arc<dyn Backend>) {
    create(backend, "config", b"x");
    let mut writer = backend.begin().expect("a writer can be begun");
    writer.write(b"unfinished").expect("a writer takes bytes");
    let probe = backend.probe().expect("a storage that was just written can be probed");
    assert!(probe.ranged_reads, "{probe:?}");
    assert!(probe.durability >= backend.durability(), "{probe:?} promises more than {:?}", backend.durability());
    backend.free_space().expect("a storage that was just written says how full it is");
    let stats = backend.clean_unfinished(Duration::ZERO).expect("a storage that was just written can be cleaned");
    assert_eq!(stats.removed_count, 0, "a live writer lost its bytes");
    assert_eq!(all_keys(backend), ["config"]);
    assert_eq!(writer.publish(&key("late")).expect("the key is free"), PutOutcome::Created);
    assert_eq!(contents(backend, "late"), "unfinished");
}
