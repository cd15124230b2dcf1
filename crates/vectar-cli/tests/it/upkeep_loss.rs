//! What is lost for good: what `check`, `repair backups` and `restore --salvage` say of it, and what can be had of the rest.

use std::fs;

use expect_test::{Expect, expect};

use crate::{
    environment::TestEnvironment,
    redact::Mask::{Clients, Hashes},
    upkeep_repair::{check, spoil},
};

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
              chunk <hash> is damaged in pack <hash>, bytes 98940..128525
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
              bytes 163520..199040: chunk <hash> is damaged in pack <hash>, bytes 98940..128525: pack record fails its checksum: recorded <hash>, computed <hash>
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
