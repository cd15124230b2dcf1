//! The commands that set snapshots beside versions and beside each other: `compat`, `explain`, `diff`.

use expect_test::expect;
use serde_json::Value;

use crate::{
    environment::TestEnvironment,
    redact::Mask::{Hashes, Sizes},
};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn compat_of_one_snapshot() {
    let environment = TestEnvironment::with_backups();
    environment.check(
        &["compat", "notes/00-base.snapshot", "--to", "1.19"],
        expect![[r#"
        file notes/00-base.snapshot
        collection notes
          written by     1.17.0 or newer (clock files before the WAL)
          restorable by  1.13.0 or newer; 1.19.0 is the newest known here
            1.13.0 or newer: compressed HNSW links (vector_index/links_compressed.bin)
            1.12.4 or newer: payloads in a Gridstore (segment bcba9e12-2162-4e73-bd77-95458a953779)
            1.12.0 or newer: InRamChunkedMmap storage (segment bcba9e12-2162-4e73-bd77-95458a953779)
            1.11.4 or newer: sparse entries in the tar (vector_storage/deleted/status.dat)
            1.11.0 or newer: id_tracker files (id_tracker.deleted)
          to 1.19.0      ok; officially only if 1.18 or 1.19 made it
        --- exit 0
    "#]],
    );
    environment.check(&["compat", "shard-partial.snapshot", "--to", "1.18.3"], expect![[r#"
        backup <bkup-1> (shard-partial.snapshot)
        collection kinds
          written by     1.17.0 or newer (clock files before the WAL)
          restorable by  1.13.5 or newer; 1.19.0 is the newest known here
            1.13.5 or newer: mutable_id_tracker files (segments/bcba9e12-2162-4e73-bd77-95458a953779/files/mutable_id_tracker.mappings)
            1.12.4 or newer: payloads in a Gridstore (segment bcba9e12-2162-4e73-bd77-95458a953779)
            1.12.0 or newer: streamed segments (segments/bcba9e12-2162-4e73-bd77-95458a953779/files/segment_manifest.json)
            1.12.0 or newer: InRamChunkedMmap storage (segment bcba9e12-2162-4e73-bd77-95458a953779)
            1.11.4 or newer: sparse entries in the tar (segments/bcba9e12-2162-4e73-bd77-95458a953779/files/vector_storage/vectors/chunk_0.mmap)
          note: a partial snapshot restores only over the shard that it was made for (the snapshot)
          to 1.18.3      not alone: it needs the shard that it was made for
        --- exit 0
    "#]]);
    environment.check(&["compat", "kinds/empty.snapshot"], expect![[r#"
        file kinds/empty.snapshot
        collection kinds
          written by     1.15.2 or newer, by default 1.16.1 or newer (no RocksDB backup in any segment; wal_retain_closed in config.json)
          restorable by  1.12.4 or newer; 1.19.0 is the newest known here
            1.12.4 or newer: payloads in a Gridstore (segment e63350b2-656f-4ebb-8f45-a9f2be7b3ec5)
            1.12.0 or newer: InRamChunkedMmap storage (segment e63350b2-656f-4ebb-8f45-a9f2be7b3ec5)
            1.11.4 or newer: sparse entries in the tar (vector_storage/vectors/status.dat)
            1.7.0 or newer: Manhattan distance (config.json)
          officially     by the minor version that made it, and by the next one
        --- exit 0
    "#]]);
    environment.check(&["compat", "kinds/empty.snapshot", "--to", "1.12.3"], expect![[r#"
        file kinds/empty.snapshot
        collection kinds
          written by     1.15.2 or newer, by default 1.16.1 or newer (no RocksDB backup in any segment; wal_retain_closed in config.json)
          restorable by  1.12.4 or newer; 1.19.0 is the newest known here
            1.12.4 or newer: payloads in a Gridstore (segment e63350b2-656f-4ebb-8f45-a9f2be7b3ec5)
            1.12.0 or newer: InRamChunkedMmap storage (segment e63350b2-656f-4ebb-8f45-a9f2be7b3ec5)
            1.11.4 or newer: sparse entries in the tar (vector_storage/vectors/status.dat)
            1.7.0 or newer: Manhattan distance (config.json)
          to 1.12.3      no: that version is too old for what is in it
        --- exit 1
    "#]]);
}

#[test]
fn compat_of_all_backups() {
    let environment = TestEnvironment::with_backups();
    environment.check(
        &["compat", "--collection", "notes"],
        expect![[r#"
        ID        COLLECTION  WRITTEN BY       RESTORABLE BY    NAME
        <bkup-1>  notes       1.17.0 or newer  1.13.0 or newer  00-base.snapshot
        <bkup-2>  notes       1.17.0 or newer  1.13.5 or newer  01-insert-5pct.snapshot
        <bkup-3>  notes       1.17.0 or newer  1.13.5 or newer  02-payload-3pct.snapshot
        <bkup-4>  notes       1.17.0 or newer  1.13.5 or newer  03-delete-33pct-vacuum.snapshot
        <bkup-5>  catalog     1.17.0 or newer  1.13.5 or newer  full.snapshot
        <bkup-5>  notes       1.17.0 or newer  1.13.5 or newer  full.snapshot
        --- exit 0
    "#]],
    );
    environment.check(
        &["compat", "--to", "1.18.3"],
        expect![[r#"
        COLLECTION  NEWEST    VERDICT  BACKUPS  OK  VIA  PARTIAL  NO  UNKNOWN
        catalog     <bkup-5>  ok             1   1    0        0   0        0
        kinds       <bkup-6>  ok             4   3    0        1   0        0
        notes       <bkup-5>  ok             5   5    0        0   0        0
        Qdrant 1.18.3 loads 8 of 9 backups as they are; 0 only via other versions, 0 not at all, 0 not known, 1 partial
        --- exit 0
    "#]],
    );
    environment.check(
        &["compat", "--to", "1.13.4", "--latest", "1"],
        expect![[r#"
        COLLECTION  NEWEST    VERDICT  BACKUPS  OK  VIA  PARTIAL  NO  UNKNOWN
        catalog     <bkup-5>  no             1   0    0        0   1        0
        kinds       <bkup-6>  no             4   0    0        0   3        1
        notes       <bkup-5>  no             2   0    0        0   2        0
        Qdrant 1.13.4 loads 0 of 6 backups as they are; 0 only via other versions, 5 not at all, 1 not known, 0 partial
        --- exit 1
    "#]],
    );
    environment.check(
        &["compat", "--to", "2.0"],
        expect![[r#"
        COLLECTION  NEWEST    VERDICT  BACKUPS  OK  VIA  PARTIAL  NO  UNKNOWN
        catalog     <bkup-5>  unknown        1   0    0        0   0        1
        kinds       <bkup-6>  unknown        4   0    0        0   0        4
        notes       <bkup-5>  unknown        5   0    0        0   0        5
        Qdrant 2.0.0 loads 0 of 9 backups as they are; 0 only via other versions, 0 not at all, 9 not known, 0 partial
        --- exit 3
    "#]],
    );
}

#[test]
fn compat_says_the_same_of_a_file_and_its_backup() {
    let environment = TestEnvironment::with_backups();
    let of = |name: String| lines(&environment.stdout(&["compat", "--json", &name]));
    for kind in ["empty", "full", "shard", "shard-streamed", "shard-partial"] {
        let (files, backups) = (of(format!("kinds/{kind}.snapshot")), of(format!("{kind}.snapshot")));
        assert_eq!(files.len(), backups.len(), "{kind}");
        for (file, backup) in files.iter().zip(&backups) {
            for key in ["kind", "collection", "written_by", "restorable_by", "reasons", "caveats"] {
                assert_eq!(file[key], backup[key], "{kind} {key}");
            }
        }
    }
}

#[test]
fn explain() {
    let environment = TestEnvironment::with_backups();
    environment.check_masked(
        &["explain", "00-base.snapshot"],
        &[Sizes],
        expect![[r#"
            backup <bkup-1> (00-base.snapshot) added <size> (<size>) of packs
            there is no earlier backup of the same origin

            CAUSE  GROWTH
            first-backup  <size>
            recipe  <size>
            pack-overhead  <size>
            sum  <size>

            CAUSE  CLASS  GROWTH  OF  COLLECTION  SHARD  SEGMENT
            first-backup  logs  <size>  <size>  notes  0  -
            first-backup  dense-rows  <size>  <size>  notes  0  f95147e6-895e-4aff-b0d5-32d609876bd6
            first-backup  block-pages  <size>  <size>  notes  0  f95147e6-895e-4aff-b0d5-32d609876bd6
            first-backup  rebuilt  <size>  <size>  notes  0  f95147e6-895e-4aff-b0d5-32d609876bd6
            first-backup  framing  <size>  <size>  notes  0  f95147e6-895e-4aff-b0d5-32d609876bd6
            first-backup  small-json  <size>  <size>  notes  0  bcba9e12-2162-4e73-bd77-95458a953779
            first-backup  framing  <size>  <size>  notes  0  bcba9e12-2162-4e73-bd77-95458a953779
            first-backup  small-json  <size>  <size>  notes  0  f95147e6-895e-4aff-b0d5-32d609876bd6
            first-backup  small-json  <size>  <size>  notes  -  -
            first-backup  small-json  <size>  <size>  notes  0  -
            first-backup  framing  <size>  <size>  notes  0  -
            first-backup  framing  <size>  <size>  notes  -  -
            first-backup  block-pages  <size>  <size>  notes  0  bcba9e12-2162-4e73-bd77-95458a953779
            first-backup  framing  <size>  <size>  -  -  -
            --- exit 0
        "#]],
    );
    environment.check_masked(
        &["explain", "notes@latest"],
        &[Sizes],
        expect![[r#"
            backup <bkup-2> (03-delete-33pct-vacuum.snapshot) added <size> (<size>) of packs
            compared with backup <bkup-3> (02-payload-3pct.snapshot), taken 2026-11-20T16:32:00Z
            shard 0 of notes: new segments 0be900ab-8d04-45cc-8a66-b7c8d35cd8fb; gone f95147e6-895e-4aff-b0d5-32d609876bd6

            CAUSE  GROWTH
            rewritten-segment  <size>
            framing  <size>
            changed-segment  <size>
            wal  <size>
            index  <size>
            settings  <size>
            recipe  <size>
            pack-overhead  <size>
            sum  <size>

            CAUSE  CLASS  GROWTH  OF  COLLECTION  SHARD  SEGMENT
            rewritten-segment  rebuilt  <size>  <size>  notes  0  0be900ab-8d04-45cc-8a66-b7c8d35cd8fb
            rewritten-segment  block-pages  <size>  <size>  notes  0  0be900ab-8d04-45cc-8a66-b7c8d35cd8fb
            framing  framing  <size>  <size>  notes  0  0be900ab-8d04-45cc-8a66-b7c8d35cd8fb
            framing  framing  <size>  <size>  notes  0  bcba9e12-2162-4e73-bd77-95458a953779
            wal  logs  <size>  <size>  notes  0  -
            rewritten-segment  small-json  <size>  <size>  notes  0  0be900ab-8d04-45cc-8a66-b7c8d35cd8fb
            changed-segment  block-pages  <size>  <size>  notes  0  bcba9e12-2162-4e73-bd77-95458a953779
            index  block-pages  <size>  <size>  notes  0  bcba9e12-2162-4e73-bd77-95458a953779
            changed-segment  rebuilt  <size>  <size>  notes  0  bcba9e12-2162-4e73-bd77-95458a953779
            changed-segment  small-json  <size>  <size>  notes  0  bcba9e12-2162-4e73-bd77-95458a953779
            framing  framing  <size>  <size>  notes  0  -
            framing  framing  <size>  <size>  notes  -  -
            settings  small-json  <size>  <size>  notes  0  -
            framing  framing  <size>  <size>  -  -  -
            --- exit 0
        "#]],
    );
}

#[test]
fn explain_adds_up() {
    let environment = TestEnvironment::with_backups();
    for name in ["00-base", "01-insert-5pct", "02-payload-3pct", "03-delete-33pct-vacuum", "full", "shard"] {
        let line = lines(&environment.stdout(&["explain", "--json", &format!("{name}.snapshot")])).remove(0);
        let number = |key: &str| line[key].as_u64().unwrap();
        let sum = |values: Vec<u64>| values.into_iter().sum::<u64>();
        let rows =
            sum(line["rows"].as_array().unwrap().iter().map(|row| row["pack_bytes"].as_u64().unwrap()).collect());
        let causes = sum(line["causes"].as_object().unwrap().values().map(|bytes| bytes.as_u64().unwrap()).collect());
        assert_eq!((rows, causes), (number("chunk_bytes"), number("chunk_bytes")), "{name}");
        let explained = number("chunk_bytes") + number("recipe_bytes") + number("pack_overhead_bytes");
        assert_eq!((explained, &line["exact"]), (number("growth_bytes"), &Value::Bool(true)), "{name}");
    }
}

#[test]
fn explain_says_what_it_cannot_tell() {
    let environment = TestEnvironment::with_backups();
    for name in ["00-base.snapshot", "full.snapshot", "shard.snapshot", "shard-streamed.snapshot"] {
        environment.stdout(&["forget", name, "--unsafe-allow-remove-all", "-q"]);
    }
    environment.stdout(&["prune", "--grace", "0s", "-q"]);
    environment.stdout(&["prune", "--grace", "0s", "-q"]);
    let text = environment.stdout(&["explain", "01-insert-5pct.snapshot"]);
    assert!(text.contains("there is no earlier backup of the same origin\n"), "{text}");
    assert!(text.contains("stored by others"), "{text}");
    assert!(text.contains("earlier backups are gone, or an ingest was broken off"), "{text}");
    let line = lines(&environment.stdout(&["explain", "--json", "01-insert-5pct.snapshot"])).remove(0);
    assert_eq!(line["exact"], false);
}

#[test]
fn diff() {
    let environment = TestEnvironment::with_backups();
    environment.check(
        &["diff", "02-payload-3pct.snapshot", "notes@latest"],
        expect![[r#"
            old  backup <bkup-1> (02-payload-3pct.snapshot), collection, 1.06 MiB (1,110,016 bytes)
            new  backup <bkup-2> (03-delete-33pct-vacuum.snapshot), collection, 911.50 KiB (933,376 bytes)
            collection notes
              shard 0
                changed  newest_clocks.json (small-json, 99 B to 100 B)
                changed  wal/first-index (small-json, 15 B)
                changed  wal/open-1 (logs, 356.00 KiB)
                segment 0be900ab-8d04-45cc-8a66-b7c8d35cd8fb: added, 41 files, 377.29 KiB
                segment bcba9e12-2162-4e73-bd77-95458a953779: changed, version 8 to 9, 13 of 38 files differ
                  changed  mutable_id_tracker.mappings (rebuilt, 884 B to 965 B)
                  changed  mutable_id_tracker.versions (block-pages, 544 B)
                  changed  payload_index/4fb139nmv3huv1rlimffqofe-topic-map/bitmask.dat (block-pages, 4.00 KiB)
                  changed  payload_index/4fb139nmv3huv1rlimffqofe-topic-map/tracker.dat (block-pages, 4.00 KiB)
                  changed  payload_index/4fb139nmv3huv1rlimffqofe-topic-null/has_values/flags_a.dat (block-pages, 4.00 KiB)
                  changed  payload_index/ba261tlhnubags8msh73rhqe-rank-map/bitmask.dat (block-pages, 4.00 KiB)
                  changed  payload_index/ba261tlhnubags8msh73rhqe-rank-map/tracker.dat (block-pages, 4.00 KiB)
                  changed  payload_index/ba261tlhnubags8msh73rhqe-rank-null/has_values/flags_a.dat (block-pages, 4.00 KiB)
                  changed  payload_index/ba261tlhnubags8msh73rhqe-rank-numeric/bitmask.dat (block-pages, 4.00 KiB)
                  changed  payload_index/ba261tlhnubags8msh73rhqe-rank-numeric/tracker.dat (block-pages, 4.00 KiB)
                  and 3 files more; --json has them
                segment f95147e6-895e-4aff-b0d5-32d609876bd6: removed, 41 files, 550.82 KiB

            CLASS        UNCHANGED     CHANGED       ADDED     REMOVED
            dense-rows   16.00 KiB           -  100.00 KiB  152.00 KiB
            block-pages  44.84 KiB   40.53 KiB  172.37 KiB  246.62 KiB
            logs          4.00 KiB  356.00 KiB           -           -
            rebuilt              -       965 B  103.55 KiB  150.82 KiB
            small-json    1.75 KiB       351 B    1.37 KiB    1.37 KiB
            --- exit 0
        "#]],
    );
    environment.check(
        &["diff", "notes@latest", "notes/03-delete-33pct-vacuum.snapshot"],
        expect![[r#"
        old  backup <bkup-2> (03-delete-33pct-vacuum.snapshot), collection, 911.50 KiB (933,376 bytes)
        new  file notes/03-delete-33pct-vacuum.snapshot, collection, 911.50 KiB (933,376 bytes)
        no difference; tar headers and the order of entries are not compared
        --- exit 0
    "#]],
    );
    environment.check(
        &["diff", "notes/03-delete-33pct-vacuum.snapshot", "kinds/full.snapshot"],
        expect![[r#"
        old  file notes/03-delete-33pct-vacuum.snapshot, collection, 911.50 KiB (933,376 bytes)
        new  file kinds/full.snapshot, full, 2.93 MiB (3,067,904 bytes)
        alias /notes-live: (absent) to "notes"
        alias /shop: (absent) to "catalog"
        collection catalog: added
        added    config.json (small-json, 254 B)
        collection notes
          shard 0
            segment 0be900ab-8d04-45cc-8a66-b7c8d35cd8fb: unchanged, 41 files, 377.29 KiB
            segment bcba9e12-2162-4e73-bd77-95458a953779: unchanged, 38 files, 103.51 KiB

        CLASS         UNCHANGED  CHANGED  ADDED  REMOVED
        dense-rows   116.00 KiB        -      -        -
        block-pages  257.73 KiB        -      -        -
        logs         360.00 KiB        -      -        -
        rebuilt      104.50 KiB        -      -        -
        small-json     3.46 KiB        -  254 B        -
        --- exit 0
    "#]],
    );
    environment.check(
        &["diff", "notes/00-base.snapshot", "kinds/empty.snapshot"],
        expect![[r#"
        old  file notes/00-base.snapshot, collection, 978.00 KiB (1,001,472 bytes)
        new  file kinds/empty.snapshot, collection, 43.50 KiB (44,544 bytes)
        collection kinds, in the old one notes
          config /optimizer_config/default_segment_number: 2 to 0
          config /optimizer_config/flush_interval_sec: 1 to 5
          config /optimizer_config/indexing_threshold: 20 to 10000
          config /optimizer_config/vacuum_min_vector_number: 100 to 1000
          config /params/vectors/distance: "Cosine" to "Manhattan"
          config /params/vectors/size: 48 to 4
          payload schema /rank: "integer" to (absent)
          payload schema /topic: "keyword" to (absent)
          changed  config.json (small-json, 634 B to 640 B)
          changed  payload_index.json (small-json, 47 B to 13 B)
          shard 0
            removed  newest_clocks.json (small-json, 98 B)
            removed  wal/first-index (small-json, 15 B)
            changed  wal/open-1 (logs, 340.00 KiB to 4.00 KiB)
            changed  wal/open-2 (logs, 4.00 KiB)
            segment a168033b-6c45-41ca-8d31-c9ee27465a40: added, 12 files, 4.62 KiB
            segment bcba9e12-2162-4e73-bd77-95458a953779: removed, 35 files, 17.96 KiB
            segment e63350b2-656f-4ebb-8f45-a9f2be7b3ec5: added, 12 files, 4.62 KiB
            segment f95147e6-895e-4aff-b0d5-32d609876bd6: removed, 41 files, 550.82 KiB

        CLASS        UNCHANGED   CHANGED     ADDED     REMOVED
        dense-rows           -         -         -  152.00 KiB
        block-pages          -         -  8.38 KiB  263.38 KiB
        logs                 -  8.00 KiB         -           -
        rebuilt              -         -         -  150.82 KiB
        small-json       115 B     653 B     892 B    2.68 KiB
        --- exit 0
    "#]],
    );
}

#[test]
fn diff_of_files_and_of_backups_prints_the_same_lines() {
    let environment = TestEnvironment::with_backups();
    let names = ["00-base", "01-insert-5pct", "02-payload-3pct", "03-delete-33pct-vacuum"];
    for pair in names.windows(2) {
        let of = |old: String, new: String| -> Vec<Value> {
            let mut found = lines(&environment.stdout(&["diff", "--json", &old, &new]));
            for side in ["old", "new"] {
                // Who they are is said in the last line.
                found.last_mut().unwrap()[side] = Value::Null;
            }
            found
        };
        let file = |name: &str| format!("notes/{name}.snapshot");
        let backup = |name: &str| format!("{name}.snapshot");
        let files = of(file(pair[0]), file(pair[1]));
        assert_eq!(of(backup(pair[0]), backup(pair[1])), files);
        assert_eq!(of(backup(pair[0]), file(pair[1])), files);
        assert_eq!(files.last().unwrap()["different"], true);
    }
}

#[test]
fn what_is_not_there_is_an_error_that_says_what_to_do() {
    let environment = TestEnvironment::with_backups();
    environment.check_error(
        &["diff", "nobody", "notes@latest"],
        1,
        expect![[r#"
        --- stderr
        error: no backup is called "nobody"
          nothing was written; the repository was not changed

        hint: run "vectar list" to see what is there, "vectar undelete" to see what was forgotten
        --- exit 1
    "#]],
    );
    environment.check_error(
        &["explain", "nobody"],
        1,
        expect![[r#"
        --- stderr
        error: no backup is called "nobody"
          nothing was written; the repository was not changed

        hint: run "vectar list" to see what is there, "vectar undelete" to see what was forgotten
        --- exit 1
    "#]],
    );
    environment.check_error(
        &["compat", "nowhere/x.snapshot"],
        1,
        expect![[r#"
            --- stderr
            error: cannot open nowhere/x.snapshot
              No such file or directory (os error 2)
              nothing was read or written

            hint: check that the file exists and that this user may read it
            --- exit 1
        "#]],
    );
    environment.check_masked(
        &["compat", "--to", "newest"],
        &[Hashes],
        expect![[r#"
        --- stderr
        error: invalid value 'newest' for '--to <VERSION>': it is not a version of Qdrant such as 1.18.3 or 1.18

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
}
