//! `check`, `repair` and `restore --salvage`: what is damaged, whom it hurts, what can be had of it, and how it heals.

use std::{fs, path::Path};

use expect_test::{Expect, expect};

use crate::{
    environment::TestEnvironment,
    redact::Mask::{Clients, Hashes, Sizes},
};

fn check(environment: &TestEnvironment, arguments: &str, expected: Expect) {
    environment.check_masked(&arguments.split(' ').collect::<Vec<_>>(), &[Sizes, Hashes], expected);
}

/// Overwrites some bytes of a file.
fn spoil(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at..at + 16].fill(0xa5);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_whole_repository() {
    let environment = TestEnvironment::with_backups();
    check(
        &environment,
        "check",
        expect![[r#"
        9 backups whole by records and recipes; 18 packs there
        --- exit 0
    "#]],
    );
    check(
        &environment,
        "check --packs",
        expect![[r#"
        9 backups whole; read 18 of 18 packs, <size> (<size>): bytes compared with names
        --- exit 0
    "#]],
    );
    check(
        &environment,
        "check --read-data",
        expect![[r#"
            9 backups whole; read 18 of 18 packs, <size> (<size>): <count> chunks decoded and compared
            --- exit 0
        "#]],
    );
    check(
        &environment,
        "repair packs",
        expect![[r#"
        --- stderr
        no pack is damaged
        9 backups whole, 0 backups not
        --- exit 0
    "#]],
    );
    check(
        &environment,
        "repair backups",
        expect![[r#"
        --- stderr
        9 backups whole, 0 backups not
        --- exit 0
    "#]],
    );
    check(
        &environment,
        "repair backups --collection nowhere",
        expect![[r#"
        --- stderr
        no backup fits
        --- exit 0
    "#]],
    );
    let storage = environment.stdout(&["check", "--storage"]);
    assert!(storage.starts_with("storage: "), "{storage}");
}

/// One record is damaged, everything else in its pack is good.
#[test]
fn from_damage_to_whole_again() {
    let environment = TestEnvironment::with_backups();
    spoil(&environment.base_pack(), 100_000);
    check(
        &environment,
        "check --packs",
        expect![[r#"
        damage: packs/<hash>/<hash>: its bytes have the hash <hash>, which is not its name
        9 backups whole; read 18 of 18 packs, <size> (<size>): bytes compared with names
        --- stderr
        run "vectar repair packs" to set damaged packs aside and keep what is good in them
        --- exit 4
    "#]],
    );
    check(
        &environment,
        "check --read-data",
        expect![[r#"
            damage: packs/<hash>/<hash>: bytes 97255..104088: pack record fails its checksum: recorded <hash>, computed <hash>
              needed by <bkup-1>, <bkup-2>, <bkup-3>, <bkup-4> and 4 more
            damage: packs/<hash>/<hash>: its bytes have the hash <hash>, which is not its name
            8 backups cannot be restored whole:
              <bkup-1>  2026-11-20T16:30:00Z  notes  00-base.snapshot
              <bkup-2>  2026-11-20T16:31:00Z  notes  01-insert-5pct.snapshot
              <bkup-3>  2026-11-20T16:32:00Z  notes  02-payload-3pct.snapshot
              <bkup-4>  2026-11-20T16:33:00Z  notes  03-delete-33pct-vacuum.snapshot
              <bkup-5>  2026-11-20T16:35:00Z  catalog,notes  full.snapshot
              <bkup-6>  2026-11-20T16:37:00Z  kinds  shard-partial.snapshot
              <bkup-7>  2026-11-20T16:38:00Z  kinds  shard-streamed.snapshot
              <bkup-8>  2026-11-20T16:36:00Z  kinds  shard.snapshot
            1 backup whole; read 18 of 18 packs, <size> (<size>): <count> chunks decoded and compared
            --- stderr
            run "vectar repair packs" to set damaged packs aside and keep what is good in them
            run "vectar repair backups" to see which bytes and files of each backup are lost
            then ingest the same snapshots again, where they still exist: that stores what is missing
            --- exit 4
        "#]],
    );
    check(
        &environment,
        "repair packs -n",
        expect![[r#"
        pack <hash>: bytes 97255..104088: pack record fails its checksum: recorded <hash>, computed <hash>
        pack <hash>: its bytes have the hash <hash>, which is not its name
        pack <hash> would be set aside
        --- exit 4
    "#]],
    );
    assert_eq!(environment.objects("quarantine"), [""; 0], "-n writes nothing");
    check(
        &environment,
        "repair packs",
        expect![[r#"
            pack <hash>: bytes 97255..104088: pack record fails its checksum: recorded <hash>, computed <hash>
            pack <hash>: its bytes have the hash <hash>, which is not its name
            set pack <hash> aside: <count> chunks good, 1 lost
              lost: <hash>, which was bytes 97255..104088
            --- stderr
            1 backup whole, 8 backups not
            run "vectar repair backups" to see what of each is lost
            ingest the same snapshots again, where they still exist: that stores what is missing
            --- exit 3
        "#]],
    );
    check(
        &environment,
        "repair backups --latest 1",
        expect![[r#"
            backup <bkup-4> (03-delete-33pct-vacuum.snapshot): <size> (<size>) of <size> (<size>) lost, 3 ranges
              bytes 10752..10944: chunk <hash> is in no pack of this repository
                in 0/segments/bcba9e12-2162-4e73-bd77-95458a953779.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
              bytes 14592..14784: chunk <hash> is in no pack of this repository
                in 0/segments/bcba9e12-2162-4e73-bd77-95458a953779.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
              bytes 206272..210880: chunk <hash> is in no pack of this repository
                in 0/segments/0be900ab-8d04-45cc-8a66-b7c8d35cd8fb.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
            backup <bkup-5> (full.snapshot): <size> (<size>) of <size> (<size>) lost, 3 ranges
              bytes 2143232..2143424: chunk <hash> is in no pack of this repository
                in notes-4831547486316841-2026-11-20-16-24-36.snapshot!0/segments/bcba9e12-2162-4e73-bd77-95458a953779.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
              bytes 2147072..2147264: chunk <hash> is in no pack of this repository
                in notes-4831547486316841-2026-11-20-16-24-36.snapshot!0/segments/bcba9e12-2162-4e73-bd77-95458a953779.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
              bytes 2338752..2343360: chunk <hash> is in no pack of this repository
                in notes-4831547486316841-2026-11-20-16-24-36.snapshot!0/segments/0be900ab-8d04-45cc-8a66-b7c8d35cd8fb.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
            backup <bkup-6> (shard-partial.snapshot): <size> of <size> (<size>) lost, 2 ranges
              bytes 13312..13504: chunk <hash> is in no pack of this repository
                in segments/bcba9e12-2162-4e73-bd77-95458a953779/files/vector_storage/vectors/chunk_0.mmap
              bytes 17152..17344: chunk <hash> is in no pack of this repository
                in segments/bcba9e12-2162-4e73-bd77-95458a953779/files/vector_storage/vectors/chunk_0.mmap
            backup <bkup-7> (shard-streamed.snapshot): <size> (<size>) of <size> (<size>) lost, 3 ranges
              bytes 10240..10432: chunk <hash> is in no pack of this repository
                in segments/bcba9e12-2162-4e73-bd77-95458a953779/files/vector_storage/vectors/chunk_0.mmap
              bytes 14080..14272: chunk <hash> is in no pack of this repository
                in segments/bcba9e12-2162-4e73-bd77-95458a953779/files/vector_storage/vectors/chunk_0.mmap
              bytes 228800..233408: chunk <hash> is in no pack of this repository
                in segments/0be900ab-8d04-45cc-8a66-b7c8d35cd8fb/files/vector_storage/vectors/chunk_0.mmap
            backup <bkup-8> (shard.snapshot): <size> (<size>) of <size> (<size>) lost, 3 ranges
              bytes 10752..10944: chunk <hash> is in no pack of this repository
                in segments/bcba9e12-2162-4e73-bd77-95458a953779.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
              bytes 14592..14784: chunk <hash> is in no pack of this repository
                in segments/bcba9e12-2162-4e73-bd77-95458a953779.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
              bytes 206272..210880: chunk <hash> is in no pack of this repository
                in segments/0be900ab-8d04-45cc-8a66-b7c8d35cd8fb.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
            --- stderr
            1 backup whole, 5 backups not
            ingest the same snapshots again, where they still exist: that stores what is missing
            "vectar restore BACKUP -o FILE --salvage" writes what is there
            --- exit 3
        "#]],
    );
    check(
        &environment,
        "check",
        expect![[r#"
            damage: chunk <hash>: it is in no pack
              needed by <bkup-1>, <bkup-2>, <bkup-3>, <bkup-4> and 4 more
            8 backups cannot be restored whole:
              <bkup-1>  2026-11-20T16:30:00Z  notes  00-base.snapshot
              <bkup-2>  2026-11-20T16:31:00Z  notes  01-insert-5pct.snapshot
              <bkup-3>  2026-11-20T16:32:00Z  notes  02-payload-3pct.snapshot
              <bkup-4>  2026-11-20T16:33:00Z  notes  03-delete-33pct-vacuum.snapshot
              <bkup-5>  2026-11-20T16:35:00Z  catalog,notes  full.snapshot
              <bkup-6>  2026-11-20T16:37:00Z  kinds  shard-partial.snapshot
              <bkup-7>  2026-11-20T16:38:00Z  kinds  shard-streamed.snapshot
              <bkup-8>  2026-11-20T16:36:00Z  kinds  shard.snapshot
            1 backup whole by records and recipes; 18 packs there
            --- stderr
            run "vectar repair backups" to see which bytes and files of each backup are lost
            then ingest the same snapshots again, where they still exist: that stores what is missing
            --- exit 4
        "#]],
    );
    check(
        &environment,
        "ingest notes/00-base.snapshot",
        expect![[r#"
            stored 00-base.snapshot as <bkup-9>: collection, <size>, <size> new
            --- exit 0
        "#]],
    );
    check(
        &environment,
        "check --read-data",
        expect![[r#"
            10 backups whole; read 19 of 19 packs, <size> (<size>): <count> chunks decoded and compared
            --- exit 0
        "#]],
    );
}

#[test]
fn what_is_left_of_a_damaged_backup() {
    let environment = TestEnvironment::with_backups();
    let whole = fs::read(environment.path("notes/00-base.snapshot")).unwrap();
    spoil(&environment.base_pack(), 100_000);
    let ran = environment.run(&["restore", "00-base.snapshot", "-o", "out"]);
    environment.assert_error_masked(
        &ran,
        4,
        &[Hashes],
        expect![[r#"
        --- stderr
        error: cannot restore backup <bkup-1>
          chunk <hash> is damaged in pack <hash>, bytes 97255..104088
          pack record fails its checksum: recorded <hash>, computed <hash>
          nothing was written to out

        hint: run "vectar check --read-data" to list every backup that is hurt
        hint: run "vectar repair packs", then ingest the same snapshot again: that stores what is missing
        hint: run "vectar restore BACKUP -o FILE --salvage" to write what is left of it
        --- exit 4
    "#]],
    );
    assert!(!environment.path("out").exists());
    check(
        &environment,
        "restore 00-base.snapshot -o out --salvage",
        expect![[r#"
        backup <bkup-1> (00-base.snapshot): <size> (<size>) of <size> (<size>) lost, 1 range
          bytes 152000..159296: chunk <hash> is damaged in pack <hash>, bytes 97255..104088: pack record fails its checksum: recorded <hash>, computed <hash>
            in 0/segments/f95147e6-895e-4aff-b0d5-32d609876bd6.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
        --- stderr
        wrote out.damaged, without a checksum
        --- exit 3
    "#]],
    );
    assert!(!environment.path("out").exists() && !environment.path("out.damaged.checksum").exists());
    let left = fs::read(environment.path("out.damaged")).unwrap();
    let ran = environment.stdout_of(&["repair", "backups", "00-base.snapshot", "--json"], 3);
    let lost: serde_json::Value = serde_json::from_str(&ran).unwrap();
    let number = |value: &serde_json::Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    let ranges = lost["lost"].as_array().unwrap().iter().map(|lost| (number(&lost["offset"]), number(&lost["bytes"])));
    let mut expected = whole;
    ranges.for_each(|(offset, len)| expected[offset..offset + len].fill(0));
    assert!(left == expected, "all but the listed ranges is there, and those are zeros");
    environment.check_error(
        &["restore", "00-base.snapshot", "-o", "-", "--salvage"],
        2,
        expect![[r#"
        --- stderr
        error: what is salvaged is not written to stdout
          nobody could tell it from a snapshot there
          nothing was written

        hint: name a file with -o FILE
        --- exit 2
    "#]],
    );
    check(
        &environment,
        "restore empty.snapshot -o empty --salvage",
        expect![[r#"
        backup <bkup-2> (empty.snapshot): <size> of <size> (<size>) lost, 0 ranges
        --- stderr
        wrote empty.damaged, without a checksum
        nothing is lost: "vectar restore" without --salvage writes the snapshot itself
        --- exit 0
    "#]],
    );
}

/// A pack without its footer is read from front to back: everything in it proves itself.
#[test]
fn a_pack_without_its_footer() {
    let environment = TestEnvironment::with_backups();
    let pack = environment.base_pack();
    let len = fs::metadata(&pack).unwrap().len();
    fs::File::options().write(true).open(&pack).unwrap().set_len(len - 40).unwrap();
    check(
        &environment,
        "check",
        expect![[r#"
            damage: chunk <hash> and 1 more: it is in no pack
              needed by <bkup-1>, <bkup-2>, <bkup-3>, <bkup-4> and 5 more
            damage: chunk <hash> and 15 more: it is in no pack
              needed by <bkup-1>, <bkup-2>, <bkup-3>, <bkup-4> and 4 more
            damage: chunk <hash> and 6 more: it is in no pack
              needed by <bkup-1>, <bkup-2>, <bkup-3>, <bkup-4> and 3 more
            damage: chunk <hash> and 2 more: it is in no pack
              needed by <bkup-1>, <bkup-2>, <bkup-3>, <bkup-4> and 1 more
            damage: chunk <hash> and 11 more: it is in no pack
              needed by <bkup-1>, <bkup-2>, <bkup-3>
            damage: chunk <hash> and 4 more: it is in no pack
              needed by <bkup-1>, <bkup-2>
            damage: chunk <hash>: it is in no pack
              needed by <bkup-1>, <bkup-5>
            damage: chunk <hash> and 4 more: it is in no pack
              needed by <bkup-1>
            damage: packs/<hash>/<hash>: object packs/<hash>/<hash> in <here>/repository cannot be used: pack trailer lacks its magic bytes
            9 backups cannot be restored whole:
              <bkup-1>  2026-11-20T16:30:00Z  notes  00-base.snapshot
              <bkup-2>  2026-11-20T16:31:00Z  notes  01-insert-5pct.snapshot
              <bkup-3>  2026-11-20T16:32:00Z  notes  02-payload-3pct.snapshot
              <bkup-4>  2026-11-20T16:33:00Z  notes  03-delete-33pct-vacuum.snapshot
              <bkup-5>  2026-11-20T16:34:00Z  kinds  empty.snapshot
              <bkup-6>  2026-11-20T16:35:00Z  catalog,notes  full.snapshot
              <bkup-7>  2026-11-20T16:37:00Z  kinds  shard-partial.snapshot
              <bkup-8>  2026-11-20T16:38:00Z  kinds  shard-streamed.snapshot
              <bkup-9>  2026-11-20T16:36:00Z  kinds  shard.snapshot
            0 backups whole by records and recipes; 18 packs there
            --- stderr
            run "vectar repair packs" to set damaged packs aside and keep what is good in them
            run "vectar repair backups" to see which bytes and files of each backup are lost
            then ingest the same snapshots again, where they still exist: that stores what is missing
            --- exit 4
        "#]],
    );
    check(
        &environment,
        "repair packs",
        expect![[r#"
            pack <hash>: object packs/<hash>/<hash> in <here>/repository cannot be used: pack trailer lacks its magic bytes
            set pack <hash> aside: <count> chunks good; its list of what it held is gone
            --- stderr
            9 backups whole, 0 backups not
            --- exit 0
        "#]],
    );
    check(
        &environment,
        "check --read-data",
        expect![[r#"
            9 backups whole; read 18 of 18 packs, <size> (<size>): <count> chunks decoded and compared
            --- exit 0
        "#]],
    );
}

#[test]
fn a_pack_that_is_gone() {
    let environment = TestEnvironment::with_backups();
    let pack = environment.base_pack();
    fs::remove_file(&pack).unwrap();
    check(
        &environment,
        "check",
        expect![[r#"
            damage: chunk <hash> and 1 more: it is in no pack
              needed by <bkup-1>, <bkup-2>, <bkup-3>, <bkup-4> and 5 more
            damage: chunk <hash> and 15 more: it is in no pack
              needed by <bkup-1>, <bkup-2>, <bkup-3>, <bkup-4> and 4 more
            damage: chunk <hash> and 6 more: it is in no pack
              needed by <bkup-1>, <bkup-2>, <bkup-3>, <bkup-4> and 3 more
            damage: chunk <hash> and 2 more: it is in no pack
              needed by <bkup-1>, <bkup-2>, <bkup-3>, <bkup-4> and 1 more
            damage: chunk <hash> and 11 more: it is in no pack
              needed by <bkup-1>, <bkup-2>, <bkup-3>
            damage: chunk <hash> and 4 more: it is in no pack
              needed by <bkup-1>, <bkup-2>
            damage: chunk <hash>: it is in no pack
              needed by <bkup-1>, <bkup-5>
            damage: chunk <hash> and 4 more: it is in no pack
              needed by <bkup-1>
            9 backups cannot be restored whole:
              <bkup-1>  2026-11-20T16:30:00Z  notes  00-base.snapshot
              <bkup-2>  2026-11-20T16:31:00Z  notes  01-insert-5pct.snapshot
              <bkup-3>  2026-11-20T16:32:00Z  notes  02-payload-3pct.snapshot
              <bkup-4>  2026-11-20T16:33:00Z  notes  03-delete-33pct-vacuum.snapshot
              <bkup-5>  2026-11-20T16:34:00Z  kinds  empty.snapshot
              <bkup-6>  2026-11-20T16:35:00Z  catalog,notes  full.snapshot
              <bkup-7>  2026-11-20T16:37:00Z  kinds  shard-partial.snapshot
              <bkup-8>  2026-11-20T16:38:00Z  kinds  shard-streamed.snapshot
              <bkup-9>  2026-11-20T16:36:00Z  kinds  shard.snapshot
            0 backups whole by records and recipes; 17 packs there
            --- stderr
            run "vectar repair backups" to see which bytes and files of each backup are lost
            then ingest the same snapshots again, where they still exist: that stores what is missing
            --- exit 4
        "#]],
    );
    check(
        &environment,
        "repair packs",
        expect![[r#"
        --- stderr
        no pack is damaged
        0 backups whole, 9 backups not
        run "vectar repair backups" to see what of each is lost
        ingest the same snapshots again, where they still exist: that stores what is missing
        --- exit 3
    "#]],
    );
    let name = pack.file_name().unwrap().to_str().unwrap();
    let ran = environment.run(&["repair", "packs", name]);
    environment.assert_error_masked(
        &ran,
        1,
        &[Hashes],
        expect![[r#"
        --- stderr
        error: no pack has an id that begins with "<hash>"
          it may have been pruned, or set aside before
          nothing was set aside

        hint: run "vectar repair packs -n" to see which packs are damaged
        --- exit 1
    "#]],
    );
    check(
        &environment,
        "ingest -q notes kinds",
        expect![[r#"
        stored 00-base.snapshot as <bkup10>: collection, <size>, <size> new
        01-insert-5pct.snapshot is stored already as <bkup-2>, whole
        02-payload-3pct.snapshot is stored already as <bkup-3>, whole
        03-delete-33pct-vacuum.snapshot is stored already as <bkup-4>, whole
        empty.snapshot is stored already as <bkup-5>, whole
        full.snapshot is stored already as <bkup-6>, whole
        shard-partial.snapshot is stored already as <bkup-7>, whole
        shard-streamed.snapshot is stored already as <bkup-8>, whole
        shard.snapshot is stored already as <bkup-9>, whole
        --- exit 0
    "#]],
    );
    check(
        &environment,
        "check --read-data",
        expect![[r#"
            10 backups whole; read 18 of 18 packs, <size> (<size>): <count> chunks decoded and compared
            --- exit 0
        "#]],
    );
}

#[test]
fn a_part_each_night() {
    let environment = TestEnvironment::with_backups();
    let packs_read = |arguments: &str| {
        let arguments: Vec<&str> = ["check", "--json"].into_iter().chain(arguments.split(' ')).collect();
        let checked: serde_json::Value = serde_json::from_str(environment.stdout(&arguments).trim()).unwrap();
        checked["packs_read"].as_u64().unwrap()
    };
    let all = packs_read("--packs");
    assert_eq!((1..=3).map(|part| packs_read(&format!("--read-data-subset {part}/3"))).sum::<u64>(), all);
    assert_eq!(packs_read("--read-data-subset 100%"), all);
    assert_eq!(packs_read("--read-data-subset 1"), 1);
    assert!((1..all).contains(&packs_read("--read-data-subset 1%")));
    assert_eq!(packs_read("--read-data --time-budget 0s"), 0);
    // Which pack it is, and whether it has more than a KiB, is up to chance.
    let ran = environment.run(&["check", "--read-data-subset", "1"]);
    let said = environment.transcript(&ran, &[Sizes, Hashes]).replace("<size> (<size>)", "<size>");
    expect![[r#"
        9 backups whole; read 1 of 18 packs, <size>: <count> chunks decoded and compared
        --- stderr
        the other packs were not read; those proven longest ago come first the next time
        --- exit 0
    "#]]
    .assert_eq(&said);
    check(
        &environment,
        "check --read-data-subset 4/3",
        expect![[r#"
        --- stderr
        error: invalid value '4/3' for '--read-data-subset <PART>': part 4 of 3 does not exist

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
    environment.check_error(
        &["check", "--time-budget", "2h"],
        2,
        expect![[r#"
        --- stderr
        error: --time-budget limits the reading of packs, and none are read
          nothing was read or written

        hint: add --packs or --read-data
        --- exit 2
    "#]],
    );
}

/// Ids that are kept elsewhere tell when records vanish, and how.
#[test]
fn records_that_vanish() {
    let environment = TestEnvironment::with_backups();
    environment.write("expected", environment.stdout(&["list", "--json"]));
    check(
        &environment,
        "check --expect expected",
        expect![[r#"
        9 backups whole by records and recipes; 18 packs there
        --- exit 0
    "#]],
    );
    let ids = ["00-base.snapshot", "01-insert-5pct.snapshot", "full.snapshot"].map(|name| environment.id_of(name));
    // What is gone is known to the test by having been seen.
    environment.redact(&ids.join(" "), &[]);
    environment.stdout(&["forget", &ids[0]]);
    environment.stdout(&["prune", "--grace", "0s"]);
    environment.stdout(&["forget", &ids[1]]);
    fs::remove_dir_all(environment.repository().join("backups").join(&ids[2])).unwrap();
    let check_one = |lines: String, expected: Expect| {
        environment.write("expected", lines);
        environment.check_masked(&["check", "--expect", "expected"], &[Clients], expected);
    };
    check_one(
        format!("{}  the first one\n", ids[0]),
        expect![[r#"
        damage: <client>: the backup is expected and was forgotten by <client> at <now>; it is gone for good
        1 expected backup not there
        6 backups whole by records and recipes; 19 packs there
        --- stderr
        run "vectar undelete" to see what can be taken back, "vectar log" to see who did what
        --- exit 4
    "#]],
    );
    check_one(
        format!("# kept elsewhere\n{}\n\n", ids[1]),
        expect![[r#"
        damage: <client>: the backup is expected and was forgotten at <now>; it can be taken back
        1 expected backup not there
        6 backups whole by records and recipes; 19 packs there
        --- stderr
        run "vectar undelete" to see what can be taken back, "vectar log" to see who did what
        --- exit 4
    "#]],
    );
    check_one(
        format!("{{\"id\":\"{}\"}}", ids[2]),
        expect![[r#"
        damage: <client>: the backup is expected and has no record, and nobody forgot it
        1 expected backup not there
        6 backups whole by records and recipes; 19 packs there
        --- stderr
        run "vectar undelete" to see what can be taken back, "vectar log" to see who did what
        --- exit 4
    "#]],
    );
    environment.check_error(
        &["check", "--expect", "nowhere"],
        1,
        expect![[r#"
        --- stderr
        error: cannot read the list of expected backups
          cannot open nowhere
          No such file or directory (os error 2)
          nothing was checked or written

        hint: write it with "vectar list --json" after each ingest, and keep it elsewhere
        --- exit 1
    "#]],
    );
    environment.write("list", environment.stdout(&["list"]));
    environment.check_error(
        &["check", "--expect", "list"],
        2,
        expect![[r#"
        --- stderr
        error: list is no list of backup ids
          backup id: "ID" is not 32 lower-case hex digits
          nothing was checked or written

        hint: write it with "vectar list --json", or one whole id of 32 digits a line
        --- exit 2
    "#]],
    );
}
