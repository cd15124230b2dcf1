//! `check`, `repair` and `restore --salvage`: what is damaged, whom it hurts, what can be had of it, and how it heals.

use std::{fs, path::Path};

use expect_test::{Expect, expect};

use crate::{
    environment::TestEnvironment,
    redact::Mask::{Hashes, Sizes},
};

pub(crate) fn check(environment: &TestEnvironment, arguments: &str, expected: Expect) {
    environment.check_masked(&arguments.split(' ').collect::<Vec<_>>(), &[Sizes, Hashes], expected);
}

/// Overwrites some bytes of a file.
pub(crate) fn spoil(path: &Path, at: usize) {
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
            damage: packs/<hash>/<hash>: bytes 98940..128525: pack record fails its checksum: recorded <hash>, computed <hash>
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
            pack <hash>: bytes 98940..128525: pack record fails its checksum: recorded <hash>, computed <hash>
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
            pack <hash>: bytes 98940..128525: pack record fails its checksum: recorded <hash>, computed <hash>
            pack <hash>: its bytes have the hash <hash>, which is not its name
            set pack <hash> aside: <count> chunks good, 1 lost
              lost: <hash>, which was bytes 98940..128525
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
            backup <bkup-4> (03-delete-33pct-vacuum.snapshot): <size> (<size>) of <size> (<size>) lost, 6 ranges
              bytes 11136..11328: chunk <hash> is in no pack of this repository
                in 0/segments/bcba9e12-2162-4e73-bd77-95458a953779.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
              bytes 12480..12864: chunk <hash> is in no pack of this repository
                in 0/segments/bcba9e12-2162-4e73-bd77-95458a953779.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
              bytes 13632..13824: chunk <hash> is in no pack of this repository
                in 0/segments/bcba9e12-2162-4e73-bd77-95458a953779.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
              bytes 14208..14400: chunk <hash> is in no pack of this repository
                in 0/segments/bcba9e12-2162-4e73-bd77-95458a953779.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
              bytes 15552..15744: chunk <hash> is in no pack of this repository
                in 0/segments/bcba9e12-2162-4e73-bd77-95458a953779.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
              bytes 213568..236416: chunk <hash> is in no pack of this repository
                in 0/segments/0be900ab-8d04-45cc-8a66-b7c8d35cd8fb.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
            backup <bkup-5> (full.snapshot): <size> (<size>) of <size> (<size>) lost, 6 ranges
              bytes 2143616..2143808: chunk <hash> is in no pack of this repository
                in notes-4831547486316841-2026-11-20-16-24-36.snapshot!0/segments/bcba9e12-2162-4e73-bd77-95458a953779.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
              bytes 2144960..2145344: chunk <hash> is in no pack of this repository
                in notes-4831547486316841-2026-11-20-16-24-36.snapshot!0/segments/bcba9e12-2162-4e73-bd77-95458a953779.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
              bytes 2146112..2146304: chunk <hash> is in no pack of this repository
                in notes-4831547486316841-2026-11-20-16-24-36.snapshot!0/segments/bcba9e12-2162-4e73-bd77-95458a953779.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
              bytes 2146688..2146880: chunk <hash> is in no pack of this repository
                in notes-4831547486316841-2026-11-20-16-24-36.snapshot!0/segments/bcba9e12-2162-4e73-bd77-95458a953779.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
              bytes 2148032..2148224: chunk <hash> is in no pack of this repository
                in notes-4831547486316841-2026-11-20-16-24-36.snapshot!0/segments/bcba9e12-2162-4e73-bd77-95458a953779.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
              bytes 2346048..2368896: chunk <hash> is in no pack of this repository
                in notes-4831547486316841-2026-11-20-16-24-36.snapshot!0/segments/0be900ab-8d04-45cc-8a66-b7c8d35cd8fb.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
            backup <bkup-6> (shard-partial.snapshot): <size> (<size>) of <size> (<size>) lost, 5 ranges
              bytes 13696..13888: chunk <hash> is in no pack of this repository
                in segments/bcba9e12-2162-4e73-bd77-95458a953779/files/vector_storage/vectors/chunk_0.mmap
              bytes 15040..15424: chunk <hash> is in no pack of this repository
                in segments/bcba9e12-2162-4e73-bd77-95458a953779/files/vector_storage/vectors/chunk_0.mmap
              bytes 16192..16384: chunk <hash> is in no pack of this repository
                in segments/bcba9e12-2162-4e73-bd77-95458a953779/files/vector_storage/vectors/chunk_0.mmap
              bytes 16768..16960: chunk <hash> is in no pack of this repository
                in segments/bcba9e12-2162-4e73-bd77-95458a953779/files/vector_storage/vectors/chunk_0.mmap
              bytes 18112..18304: chunk <hash> is in no pack of this repository
                in segments/bcba9e12-2162-4e73-bd77-95458a953779/files/vector_storage/vectors/chunk_0.mmap
            backup <bkup-7> (shard-streamed.snapshot): <size> (<size>) of <size> (<size>) lost, 6 ranges
              bytes 10624..10816: chunk <hash> is in no pack of this repository
                in segments/bcba9e12-2162-4e73-bd77-95458a953779/files/vector_storage/vectors/chunk_0.mmap
              bytes 11968..12352: chunk <hash> is in no pack of this repository
                in segments/bcba9e12-2162-4e73-bd77-95458a953779/files/vector_storage/vectors/chunk_0.mmap
              bytes 13120..13312: chunk <hash> is in no pack of this repository
                in segments/bcba9e12-2162-4e73-bd77-95458a953779/files/vector_storage/vectors/chunk_0.mmap
              bytes 13696..13888: chunk <hash> is in no pack of this repository
                in segments/bcba9e12-2162-4e73-bd77-95458a953779/files/vector_storage/vectors/chunk_0.mmap
              bytes 15040..15232: chunk <hash> is in no pack of this repository
                in segments/bcba9e12-2162-4e73-bd77-95458a953779/files/vector_storage/vectors/chunk_0.mmap
              bytes 236096..258944: chunk <hash> is in no pack of this repository
                in segments/0be900ab-8d04-45cc-8a66-b7c8d35cd8fb/files/vector_storage/vectors/chunk_0.mmap
            backup <bkup-8> (shard.snapshot): <size> (<size>) of <size> (<size>) lost, 6 ranges
              bytes 11136..11328: chunk <hash> is in no pack of this repository
                in segments/bcba9e12-2162-4e73-bd77-95458a953779.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
              bytes 12480..12864: chunk <hash> is in no pack of this repository
                in segments/bcba9e12-2162-4e73-bd77-95458a953779.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
              bytes 13632..13824: chunk <hash> is in no pack of this repository
                in segments/bcba9e12-2162-4e73-bd77-95458a953779.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
              bytes 14208..14400: chunk <hash> is in no pack of this repository
                in segments/bcba9e12-2162-4e73-bd77-95458a953779.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
              bytes 15552..15744: chunk <hash> is in no pack of this repository
                in segments/bcba9e12-2162-4e73-bd77-95458a953779.tar!snapshot/files/vector_storage/vectors/chunk_0.mmap
              bytes 213568..236416: chunk <hash> is in no pack of this repository
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
            damage: chunk <hash> and 9 more: it is in no pack
              needed by <bkup-1>, <bkup-2>, <bkup-3>, <bkup-4> and 4 more
            damage: chunk <hash> and 2 more: it is in no pack
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
