//! The commands that say how things stand: is everything there, is it whole, what does it cost, who did what.

use std::fs;

use expect_test::expect;

use crate::{
    environment::TestEnvironment,
    redact::Mask::{Ages, Clients, Sizes},
};

#[test]
fn verify() {
    let environment = TestEnvironment::with_backups();
    environment.check(&["verify", "--collection", "notes", "--latest", "1"], expect![[r#"
        backup <bkup-1> (03-delete-33pct-vacuum.snapshot): bytes identical, 911.50 KiB (933,376 bytes), sha-256 9e4766c3f03e330193008071b18cf4cac57ea02acefd5333df1b4d30e3e87c94
        backup <bkup-2> (full.snapshot): bytes identical, 2.93 MiB (3,067,904 bytes), sha-256 01158e9f41a7854e3182459641c131519696323fa07e2c2c0fca898f125cd7fc
        --- stderr
        this proves that the bytes come back; it does not prove that a Qdrant loads them
        --- exit 0
    "#]]);
    let whole = environment.snapshot("notes", "00-base", "cut.snapshot");
    environment.write("cut.snapshot", &whole[..500_000]);
    environment.write("cut.snapshot.checksum", "0".repeat(64));
    environment.check(&["verify", "./cut.snapshot", "./notes/00-base.snapshot"], expect![[r#"
        file ./cut.snapshot: damaged, 488.28 KiB (500,000 bytes)
          sha-256 a57161874d3f2c4c98a56b65cde6f528bf18738d7150992c7de99b940ff3506f
          damage: ./cut.snapshot.checksum says 0000000000000000000000000000000000000000000000000000000000000000
          damage: cut short, missing bytes: 110304 at offset 500000 in `0/segments/f95147e6-895e-4aff-b0d5-32d609876bd6.tar!snapshot/files/payload_storage/page_0.dat`
          damage: cut short, missing bytes: 138464 at offset 500000 in `0/segments/f95147e6-895e-4aff-b0d5-32d609876bd6.tar`
          damage: does not end in two zero blocks at offset 500000
          68 files in 2 nested tars
        file ./notes/00-base.snapshot: whole, 978.00 KiB (1,001,472 bytes)
          sha-256 737222b51df4ed9372a7b5f05a3d834781cb4663f8caad6510ca45a911b294de
          no .checksum beside it: the digest is compared with nothing
          86 files in 2 nested tars
        --- stderr
        warning: 1 of 2 are damaged
        --- exit 4
    "#]]);
}

#[test]
fn status() {
    let environment = TestEnvironment::with_backups();
    environment.check_masked(
        &["status"],
        &[Sizes, Ages],
        expect![[r#"
            COLLECTION  KIND  SHARD  NODE  GOOD  OTHER  AGE  SIZE  GROWTH  PROOF
            -  full  -  4831547486316841  1  0  <age>  <size>  <size>  never
            kinds  collection  -  4831547486316841  1  0  <age>  <size>  <size>  never
            kinds  shard  -  4831547486316841  1  0  <age>  <size>  <size>  never
            kinds  shard-partial  -  4831547486316841  0  1  -  <size>  <size>  never
            kinds  shard-streamed  -  4831547486316841  1  0  <age>  <size>  <size>  never
            notes  collection  -  4831547486316841  4  0  <age>  <size>  <size>  never
            --- exit 0
        "#]],
    );
    environment.check_masked(
        &["status", "--max-age", "1s", "--collection", "kinds"],
        &[Sizes, Ages],
        expect![[r#"
            COLLECTION  KIND  SHARD  NODE  GOOD  OTHER  AGE  SIZE  GROWTH  PROOF
            kinds  collection  -  4831547486316841  1  0  <age>  <size>  <size>  never
            kinds  shard  -  4831547486316841  1  0  <age>  <size>  <size>  never
            kinds  shard-partial  -  4831547486316841  0  1  -  <size>  <size>  never
            kinds  shard-streamed  -  4831547486316841  1  0  <age>  <size>  <size>  never
            --- stderr
            warning: collection kinds node 4831547486316841: the newest good backup is <age> old
            warning: shard kinds node 4831547486316841: the newest good backup is <age> old
            warning: shard-streamed kinds node 4831547486316841: the newest good backup is <age> old
            --- exit 1
        "#]],
    );
    assert_eq!(environment.run(&["status", "--max-age", "5000 weeks"]).code, Some(0));
    assert_eq!(environment.run(&["status", "--max-age", "5000 weeks", "--collection", "other"]).code, Some(1));
    environment.stdout(&["status", "--metrics-file", "vectar.prom", "--collection", "notes"]);
    let metrics = fs::read_to_string(environment.path("vectar.prom")).unwrap();
    let steady = |line: &&str| !line.contains("growth_bytes{") && !line.starts_with("vectar_repository_bytes ");
    let steady: Vec<&str> = metrics.lines().filter(steady).collect();
    expect![[r##"
        # HELP vectar_backups_good Good backups.
        # TYPE vectar_backups_good gauge
        vectar_backups_good{node="4831547486316841",kind="full"} 1
        vectar_backups_good{collection="notes",node="4831547486316841",kind="collection"} 4
        # HELP vectar_backups_other Backups that are damaged, partial or of unknown kind.
        # TYPE vectar_backups_other gauge
        vectar_backups_other{node="4831547486316841",kind="full"} 0
        vectar_backups_other{collection="notes",node="4831547486316841",kind="collection"} 0
        # HELP vectar_newest_backup_timestamp_seconds When the newest good backup was taken.
        # TYPE vectar_newest_backup_timestamp_seconds gauge
        vectar_newest_backup_timestamp_seconds{node="4831547486316841",kind="full"} 1795192500
        vectar_newest_backup_timestamp_seconds{collection="notes",node="4831547486316841",kind="collection"} 1795192380
        # HELP vectar_newest_backup_bytes Length of its snapshot.
        # TYPE vectar_newest_backup_bytes gauge
        vectar_newest_backup_bytes{node="4831547486316841",kind="full"} 3067904
        vectar_newest_backup_bytes{collection="notes",node="4831547486316841",kind="collection"} 933376
        # HELP vectar_newest_backup_growth_bytes What storing it added to the repository.
        # TYPE vectar_newest_backup_growth_bytes gauge
        # HELP vectar_verified_timestamp_seconds When a backup was last verified.
        # TYPE vectar_verified_timestamp_seconds gauge
        # HELP vectar_drilled_timestamp_seconds When Qdrant's engine last loaded a backup.
        # TYPE vectar_drilled_timestamp_seconds gauge
        # HELP vectar_repository_bytes Bytes of all objects.
        # TYPE vectar_repository_bytes gauge
    "##]]
    .assert_eq(&(steady.join("\n") + "\n"));
}

#[test]
fn stats() {
    let environment = TestEnvironment::with_backups();
    environment.check_masked(
        &["stats", "--collection", "notes"],
        &[Sizes],
        expect![[r#"
            ID  SIZE  NEW  UNIQUE  NAME
            <bkup-1>  <size>  <size>  <size>  00-base.snapshot
            <bkup-2>  <size>  <size>  <size>  01-insert-5pct.snapshot
            <bkup-3>  <size>  <size>  <size>  02-payload-3pct.snapshot
            <bkup-4>  <size>  <size>  <size>  03-delete-33pct-vacuum.snapshot
            <bkup-5>  <size>  <size>  <size>  full.snapshot

            CLASS  SIZE  NEW  STORED
            block-pages  <size>  <size>  <size>
            dense-rows  <size>  <size>  <size>
            framing  <size>  <size>  <size>
            logs  <size>  <size>  <size>
            rebuilt  <size>  <size>  <size>
            small-json  <size>  <size>  <size>

            snapshots  <size> (<size>)
            repository  <size> (<size>)
            ratio  <ratio>
            --- exit 0
        "#]],
    );
}

#[test]
fn log() {
    let environment = TestEnvironment::with_backups();
    environment.check_masked(
        &["log", "--limit", "2"],
        &[Clients],
        expect![[r#"
        TIME  WHAT  BY  SUMMARY
        <now>  ingest  <client>  stored shard-streamed.snapshot (608256 bytes) as <bkup-1>
        <now>  ingest  <client>  stored shard.snapshot (563200 bytes) as <bkup-2>
        --- exit 0
    "#]],
    );
    assert_eq!(environment.stdout(&["log", "--json"]).lines().count(), 10);
}

#[test]
fn repair_index() {
    let environment = TestEnvironment::with_backups();
    let ran = environment.run(&["repair", "index"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.stdout.contains("was built anew from 18 packs"), "{}", ran.stdout);
    // The index is a cache in the home directory: away with it, and everything is found again.
    fs::remove_dir_all(environment.home().join(".cache")).unwrap();
    assert_eq!(environment.run(&["restore", "-q", "notes@latest", "-o", "out"]).code, Some(0));
}
