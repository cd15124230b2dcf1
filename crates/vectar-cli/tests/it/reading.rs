//! The commands that look into a snapshot, in a file and in a backup alike.

use std::fs;

use expect_test::expect;

use crate::environment::TestEnvironment;

#[test]
fn inspect() {
    let environment = TestEnvironment::with_backups();
    environment.check(&["inspect", "kinds/empty.snapshot", "--sha256"], expect![[r#"
        file kinds/empty.snapshot
        43.50 KiB (44,544 bytes)
        sha256 559e779ad1e9d026b7e12a24c92878273777efe28d0d5d459d3613f9ffeed8c7 (computed now)
        collection snapshot, 43.5 KiB
        Qdrant version 1.15.2 or newer, by default 1.16.1 or newer (no RocksDB backup in any segment; wal_retain_closed in config.json)
        collection kinds, 34.7 KiB
          vector "": 4 dimensions, Manhattan
          1 shard, 1 copy, writes confirmed by 1
          hnsw m 16, ef_construct 100
          WAL segments of 32 MiB
          shard 0, 34.1 KiB, Active on 4831547486316841
            wal open-1: 4.0 KiB of 32.0 MiB
            wal open-2: 4.0 KiB of 32.0 MiB
            segment e63350b2-656f-4ebb-8f45-a9f2be7b3ec5: regular, 13.0 KiB, 34.0 MiB logical, appendable
              vector "": InRamChunkedMmap, plain
            segment a168033b-6c45-41ca-8d31-c9ee27465a40: regular, 13.0 KiB, 34.0 MiB logical, appendable
              vector "": InRamChunkedMmap, plain
        classes
          block-pages           8576 bytes in 14 files, 68.0 MiB of holes
          logs                  8192 bytes in 2 files, 63.9 MiB of holes
          small-json            1660 bytes in 16 files
          framing              26116 bytes
        --- exit 0
    "#]]);
    environment.check(
        &["inspect", "shard-streamed.snapshot"],
        expect![[r#"
        backup <bkup-1> (shard-streamed.snapshot)
        594.00 KiB (608,256 bytes)
        taken at 2026-11-20T16:38:00Z (by mtime)
        sha256 e105cc3b8a2ac47f27c1b1b070627dbfbe27e85959ff59d2fb7ab4183792801c (by the backup's record)
        shard-streamed snapshot, 594.0 KiB
        Qdrant version 1.17.0 or newer (clock files before the WAL)
        collection kinds, 485.0 KiB
          shard (number unknown), 485.0 KiB, Active on 4831547486316841
            wal closed-10: 4.0 KiB of 32.0 MiB
            segment bcba9e12-2162-4e73-bd77-95458a953779: streamable, 103.5 KiB, 81.1 MiB logical, appendable, version 9
              vector "": InRamChunkedMmap, plain
            segment 0be900ab-8d04-45cc-8a66-b7c8d35cd8fb: streamable, 377.2 KiB, 70.1 MiB logical, immutable, version 9
              vector "": InRamChunkedMmap, hnsw
        classes
          dense-rows          118784 bytes in 2 files, 63.8 MiB of holes
          block-pages         263920 bytes in 48 files, 86.9 MiB of holes
          logs                  4096 bytes in 1 file, 31.9 MiB of holes
          rebuilt             107005 bytes in 11 files
          small-json            2837 bytes in 21 files
          framing             111614 bytes
        --- exit 0
    "#]],
    );
}

#[test]
fn inspect_says_the_same_of_a_file_and_its_backup() {
    let environment = TestEnvironment::with_backups();
    for kind in ["empty", "full", "shard", "shard-streamed", "shard-partial"] {
        let of = |name: String| -> serde_json::Value {
            let line = environment.stdout(&["inspect", "--json", &name]);
            serde_json::from_str(&line).unwrap()
        };
        let (file, backup) = (of(format!("kinds/{kind}.snapshot")), of(format!("{kind}.snapshot")));
        for key in ["kind", "bytes", "collections", "classes", "written_by", "findings"] {
            // A backup's collection name comes from its record, a file's from its place: here they agree.
            assert_eq!(file[key], backup[key], "{kind} {key}");
        }
    }
}

#[test]
fn ls() {
    let environment = TestEnvironment::with_backups();
    environment.check(&["ls", "kinds/full.snapshot", "--depth", "0"], expect![[r#"
        TYPE        STORED  LOGICAL  MODIFIED              CLASS        PATH
        tar        2131456        -  2026-11-20T16:24:36Z  -            catalog-4831547486316841-2026-11-20-16-24-36.snapshot
        tar         933376        -  2026-11-20T16:24:36Z  -            notes-4831547486316841-2026-11-20-16-24-36.snapshot
        file           254        -  2026-11-20T16:24:36Z  small-json   config.json
        --- stderr
        reading file kinds/full.snapshot
        --- exit 0
    "#]]);
    environment.check(
        &["ls", "notes@latest", "--class", "small-json", "--depth", "0"],
        expect![[r#"
        TYPE       STORED  LOGICAL  MODIFIED              CLASS        PATH
        file          100        -  2026-11-20T16:24:22Z  small-json   0/newest_clocks.json
        file           15        -  2026-11-20T16:24:23Z  small-json   0/wal/first-index
        file           87        -  -                     small-json   0/replica_state.json
        file           21        -  -                     small-json   0/shard_config.json
        file            5        -  -                     small-json   version.info
        file          634        -  -                     small-json   config.json
        file            2        -  -                     small-json   shard_key_mapping.json
        file           47        -  -                     small-json   payload_index.json
        --- stderr
        reading backup <bkup-1> (03-delete-33pct-vacuum.snapshot)
        --- exit 0
    "#]],
    );
    environment.check(
        &["ls", "notes@latest", "0/wal"],
        expect![[r#"
        TYPE       STORED   LOGICAL  MODIFIED              CLASS        PATH
        sparse     364544  33554432  2026-11-20T16:24:22Z  logs         0/wal/open-1
        sparse       4096  33554432  2026-11-20T16:24:17Z  logs         0/wal/open-2
        file           15         -  2026-11-20T16:24:23Z  small-json   0/wal/first-index
        --- stderr
        reading backup <bkup-1> (03-delete-33pct-vacuum.snapshot)
        --- exit 0
    "#]],
    );
}

#[test]
fn cat_reaches_into_nested_tars() {
    let environment = TestEnvironment::with_backups();
    environment.check(
        &["cat", "notes@latest", "0/shard_config.json"],
        expect![[r#"
        {"type":"ReplicaSet"}--- stderr
        reading backup <bkup-1> (03-delete-33pct-vacuum.snapshot)
        --- exit 0
    "#]],
    );
    let entries = environment.stdout(&["ls", "-q", "full.snapshot", "--json"]);
    let entries = entries.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let path = entries.map(|entry| entry["path"].as_str().unwrap().to_owned());
    let path = path.filter(|path| path.ends_with("segment.json")).max_by_key(|path| path.matches('!').count()).unwrap();
    assert_eq!(path.matches('!').count(), 2, "a full snapshot has three levels: {path}");
    let from_backup = environment.stdout(&["cat", "-q", "full.snapshot", &path]);
    assert_eq!(from_backup, environment.stdout(&["dump", "-q", "kinds/full.snapshot", &path]));
    assert!(serde_json::from_str::<serde_json::Value>(&from_backup).unwrap()["version"].is_u64(), "{from_backup}");
    environment.stdout(&["cat", "-q", "full.snapshot", &path, "-o", "segment.json"]);
    assert_eq!(fs::read_to_string(environment.path("segment.json")).unwrap(), from_backup);
}

#[test]
fn find() {
    let environment = TestEnvironment::with_backups();
    environment.check(
        &["find", "shard_config.json", "--collection", "notes", "--latest", "1"],
        expect![[r#"
        <bkup-1>  03-delete-33pct-vacuum.snapshot          21  0/shard_config.json
        <bkup-2>  full.snapshot          21  catalog-4831547486316841-2026-11-20-16-24-36.snapshot!0/shard_config.json
        <bkup-2>  full.snapshot          21  catalog-4831547486316841-2026-11-20-16-24-36.snapshot!1/shard_config.json
        <bkup-2>  full.snapshot          21  notes-4831547486316841-2026-11-20-16-24-36.snapshot!0/shard_config.json
        --- exit 0
    "#]],
    );
    environment.check(
        &["find", "0/wal/*", "--since", "2026-11-20T16:33", "--at", "2026-11-20T16:33"],
        expect![[r#"
        <bkup-1>  03-delete-33pct-vacuum.snapshot      364544  0/wal/open-1
        <bkup-1>  03-delete-33pct-vacuum.snapshot        4096  0/wal/open-2
        <bkup-1>  03-delete-33pct-vacuum.snapshot          15  0/wal/first-index
        --- exit 0
    "#]],
    );
    environment.check(
        &["find", "nothing.here"],
        expect![[r#"
        --- stderr
        nothing.here is in none of 9 backups
        --- exit 1
    "#]],
    );
}
