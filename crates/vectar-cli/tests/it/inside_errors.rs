//! What cannot be answered from inside a snapshot: the whole text with its four answers, and the exit code.

use expect_test::expect;

use crate::environment::TestEnvironment;

const SEGMENT: &str = "0/segments/f95147e6-895e-4aff-b0d5-32d609876bd6.tar!snapshot/files/";

#[test]
fn the_collection_or_shard_is_not_there() {
    let environment = TestEnvironment::new();
    environment.snapshot("kinds", "full", "kinds/full.snapshot");
    environment.check_error(
        &["points", "./kinds/full.snapshot"],
        2,
        expect![[r#"
        --- stderr
        reading file ./kinds/full.snapshot
        error: ./kinds/full.snapshot holds 2 collections
          points are listed of one collection at a time
          no point was listed; nothing was changed

        hint: add one of: --collection catalog, --collection notes
        --- exit 2
    "#]],
    );
    environment.check_error(
        &["points", "./kinds/full.snapshot", "--collection", "nots"],
        1,
        expect![[r#"
        --- stderr
        reading file ./kinds/full.snapshot
        error: ./kinds/full.snapshot holds no collection "nots"
          there is catalog
          there is notes
          nothing was changed; the snapshot was only read

        hint: write one of these behind --collection
        --- exit 1
    "#]],
    );
    let shard = ["points", "./kinds/full.snapshot", "--collection", "catalog", "--shard", "7"];
    environment.check_error(
        &shard,
        1,
        expect![[r#"
        --- stderr
        reading file ./kinds/full.snapshot
        error: ./kinds/full.snapshot holds no shard 7
          there is shard 0
          there is shard 1
          nothing was changed; the snapshot was only read

        hint: write one of these behind --shard; other nodes have the other shards
        --- exit 1
    "#]],
    );
    let diff = ["diff", "--points", "./kinds/full.snapshot", "./kinds/full.snapshot", "--collection", "nots"];
    environment.check_error(
        &diff,
        1,
        expect![[r#"
        --- stderr
        error: ./kinds/full.snapshot holds no collection "nots"
          there is catalog
          there is notes
          nothing was changed; the snapshot was only read

        hint: write one of these behind --collection
        --- exit 1
    "#]],
    );
}

#[test]
fn the_id_is_none() {
    let environment = TestEnvironment::with_repository();
    environment.snapshot("notes", "00-base", "notes/00-base.snapshot");
    environment.check_error(
        &["points", "./notes/00-base.snapshot", "--ids", "1,abc"],
        2,
        expect![[r#"
        --- stderr
        error: "abc" is no point id, expected a number below 2^64 or a UUID
          nothing was read

        hint: write a number as 17, a UUID as 5c56c793-69f3-4fbf-87e6-c4bf54c28c26, several with commas between them
        --- exit 2
    "#]],
    );
    environment.check_error(
        &["points", "./notes/00-base.snapshot", "--offset", "-"],
        2,
        expect![[r#"
        --- stderr
        error: "-" is no point id, expected a number below 2^64 or a UUID
          nothing was read

        hint: write a number as 17, a UUID as 5c56c793-69f3-4fbf-87e6-c4bf54c28c26, several with commas between them
        --- exit 2
    "#]],
    );
    environment.check_error(
        &["find", "--id", "1,,2"],
        2,
        expect![[r#"
        --- stderr
        error: "" is no point id, expected a number below 2^64 or a UUID
          nothing was read

        hint: write a number as 17, a UUID as 5c56c793-69f3-4fbf-87e6-c4bf54c28c26, several with commas between them
        --- exit 2
    "#]],
    );
}

#[test]
fn the_filter_is_none() {
    let environment = TestEnvironment::with_repository();
    environment.snapshot("notes", "00-base", "notes/00-base.snapshot");
    let points = |filter| ["points", "./notes/00-base.snapshot", "--filter", filter];
    environment.check_error(
        &points(r#"{"must":["#),
        2,
        expect![[r#"
        --- stderr
        error: the filter cannot be used
          the filter is not JSON
          EOF while parsing a list at line 1 column 9
          no point was listed; nothing was changed

        hint: write the filter as a client of Qdrant does, as {"must":[{"key":"city","match":{"value":"Berlin"}}]}
        hint: "vectar points --help" names the conditions
        --- exit 2
    "#]],
    );
    let misspelt = r#"{"must":[{"key":"rank","range":{"gt":1}},{"key":"topic","match":{"valu":1}}]}"#;
    environment.check_error(&points(misspelt), 2, expect![[r#"
        --- stderr
        error: the filter cannot be used
          filter.must[1].match: unknown member "valu", expected value, text, text_any, phrase, prefix, substring, any, except
          no point was listed; nothing was changed

        hint: write the filter as a client of Qdrant does, as {"must":[{"key":"city","match":{"value":"Berlin"}}]}
        hint: "vectar points --help" names the conditions
        --- exit 2
    "#]]);
    environment.check_error(
        &["find", "--filter", r#"{"most":[]}"#],
        2,
        expect![[r#"
        --- stderr
        error: the filter cannot be used
          filter: unknown member "most", expected must, should, must_not, min_should
          no point was listed; nothing was changed

        hint: write the filter as a client of Qdrant does, as {"must":[{"key":"city","match":{"value":"Berlin"}}]}
        hint: "vectar points --help" names the conditions
        --- exit 2
    "#]],
    );
    environment.check_error(
        &points("@nowhere.json"),
        1,
        expect![[r#"
        --- stderr
        error: cannot read the filter in nowhere.json
          No such file or directory (os error 2)
          nothing was read of the snapshot

        hint: check that the file exists and that this user may read it; without the @ the JSON itself is meant
        --- exit 1
    "#]],
    );
}

/// A server would answer by stems; offline nobody knows which word has which.
#[test]
fn the_filter_asks_an_index_that_is_not_imitated() {
    let environment = TestEnvironment::new();
    environment.changed(("catalog", "00-base"), "catalog/stems.snapshot", |parts| {
        parts.edit("payload_index.json", |json| {
            let stemmed = r#""text":{"type":"text","stemmer":{"type":"snowball","language":"english"}}"#;
            let text = String::from_utf8_lossy(json).replace(r#""text":"text""#, stemmed);
            assert_ne!(text.as_bytes(), json.as_slice(), "{text}");
            *json = text.into();
        });
    });
    let filter = r#"{"must":[{"key":"text","match":{"text":"running"}}]}"#;
    environment.check_error(
        &["points", "./catalog/stems.snapshot", "--filter", filter],
        1,
        expect![[r#"
            --- stderr
            reading file ./catalog/stems.snapshot
            error: the filter cannot be used
              field text has a text index with a stemmer, which is not evaluated offline
              no point was listed: an answer could differ from the server's

            hint: leave that condition out, and look for the words in what is listed
            hint: or recover the snapshot into a Qdrant and ask that
            --- exit 1
        "#]],
    );
}

#[test]
fn it_is_no_snapshot_that_has_points() {
    let environment = TestEnvironment::new();
    environment.write("page.snapshot", "<html><body>404 Not Found</body></html>");
    environment.check_error(
        &["points", "./page.snapshot"],
        1,
        expect![[r#"
        --- stderr
        reading file ./page.snapshot
        warning: damage: not a tar at offset 0
        error: ./page.snapshot is no Qdrant snapshot that vectar knows
          nothing was changed; the snapshot was only read

        hint: check the name; an error page saved under the name of a snapshot looks like this
        hint: run "vectar inspect" on it: that says what is in the file
        --- exit 1
    "#]],
    );
    environment.snapshot("kinds", "shard-partial", "kinds/shard-partial.snapshot");
    environment.check_error(
        &["points", "./kinds/shard-partial.snapshot"],
        1,
        expect![[r#"
        --- stderr
        reading file ./kinds/shard-partial.snapshot
        error: ./kinds/shard-partial.snapshot is a partial snapshot, so its points cannot be told
          it has only the files that had changed since the one who asked for it had the shard
          nothing was changed; the snapshot was only read

        hint: ask the shard or collection snapshot it belongs to
        hint: run "vectar ls" on it: that lists the files it has
        --- exit 1
    "#]],
    );
    environment.check_error(
        &["diff", "--points", "./kinds/shard-partial.snapshot", "./page.snapshot"],
        1,
        expect![[r#"
            --- stderr
            error: ./kinds/shard-partial.snapshot is a partial snapshot, so its points cannot be told
              it has only the files that had changed since the one who asked for it had the shard
              nothing was changed; the snapshot was only read

            hint: ask the shard or collection snapshot it belongs to
            hint: run "vectar ls" on it: that lists the files it has
            --- exit 1
        "#]],
    );
    environment.check_error(
        &["points", "./nothing.snapshot"],
        1,
        expect![[r#"
        --- stderr
        reading file ./nothing.snapshot
        error: cannot open ./nothing.snapshot
          No such file or directory (os error 2)
          nothing was read or written

        hint: check that the file exists and that this user may read it
        --- exit 1
    "#]],
    );
}

#[test]
fn a_segment_is_damaged() {
    let environment = TestEnvironment::new();
    environment.changed(("notes", "00-base"), "notes/damaged.snapshot", |parts| {
        parts.edit(&format!("{SEGMENT}id_tracker.mappings"), |bytes| bytes.truncate(bytes.len() - 5));
    });
    environment.check_error(
        &["points", "./notes/damaged.snapshot", "--count"],
        1,
        expect![[r#"
            --- stderr
            reading file ./notes/damaged.snapshot
            error: cannot read segment f95147e6-895e-4aff-b0d5-32d609876bd6 of ./notes/damaged.snapshot
              id_tracker.mappings, byte 0: 800 records, expected at most 799 in a file of 10403 bytes
              what was printed before is right; nothing was changed

            hint: run "vectar verify --deep" on it: that lists everything that is wrong, and what each means for a restore
            hint: ask another backup of the collection, or with --shard one of its other shards
            --- exit 1
        "#]],
    );
    environment.changed(("notes", "00-base"), "notes/hurt.snapshot", |parts| {
        parts.edit(&format!("{SEGMENT}payload_storage/page_0.dat"), |bytes| bytes[..65_536].fill(0xff));
    });
    environment.check_error(
        &["diff", "--points", "./notes/damaged.snapshot", "./notes/hurt.snapshot"],
        1,
        expect![[r#"
            --- stderr
            error: cannot read segment f95147e6-895e-4aff-b0d5-32d609876bd6 of ./notes/damaged.snapshot
              id_tracker.mappings, byte 0: 800 records, expected at most 799 in a file of 10403 bytes
              what was printed before is right; nothing was changed

            hint: run "vectar verify --deep" on it: that lists everything that is wrong, and what each means for a restore
            hint: ask another backup of the collection, or with --shard one of its other shards
            --- exit 1
        "#]],
    );
    environment.snapshot("notes", "00-base", "notes/00-base.snapshot");
    environment.check_error(
        &["diff", "--points", "./notes/00-base.snapshot", "./notes/hurt.snapshot"],
        1,
        expect![[r#"
            --- stderr
            error: cannot read point 0 of ./notes/hurt.snapshot
              payload_storage/page_0.dat, byte 0: the value of slot 0 cannot be decompressed: 4294967295 bytes are declared, and 219 compressed ones cannot hold them
              what was printed before is right; nothing was changed

            hint: run "vectar verify --deep" on it: that lists everything that is wrong, and what each means for a restore
            hint: ask another backup of the collection, or with --shard one of its other shards
            --- exit 1
        "#]],
    );
}

#[test]
fn a_segment_lies_in_rocksdb() {
    let environment = TestEnvironment::new();
    environment.changed(("notes", "00-base"), "notes/rocks.snapshot", |parts| {
        parts.add(&SEGMENT.replace("files/", "db_backup/meta/1"), &format!("{SEGMENT}version.info"), b"1".to_vec());
        assert!(parts.remove(&format!("{SEGMENT}id_tracker.")) > 1);
    });
    environment.check_error(
        &["points", "./notes/rocks.snapshot"],
        1,
        expect![[r#"
        --- stderr
        reading file ./notes/rocks.snapshot
        error: cannot read segment f95147e6-895e-4aff-b0d5-32d609876bd6 of ./notes/rocks.snapshot
          db_backup: ids are in RocksDB (up to v1.17), which is not read
          nothing is wrong with the snapshot: vectar keeps and restores it as any other, and cannot read this part

        hint: run "vectar compat" on it: that says which Qdrant can load it and answer instead
        --- exit 1
    "#]],
    );
}

/// One backup that cannot be searched hides none of the others.
#[test]
fn a_backup_cannot_be_searched() {
    let environment = TestEnvironment::with_repository();
    environment.changed(("notes", "00-base"), "damaged/notes-1-2026-10-20-16-24-36.snapshot", |parts| {
        parts.edit(&format!("{SEGMENT}id_tracker.mappings"), |bytes| bytes.truncate(bytes.len() - 5));
    });
    environment.snapshot("notes", "01-insert-5pct", "damaged/notes-1-2026-10-21-16-24-36.snapshot");
    environment.stdout(&["ingest", "damaged", "-q"]);
    environment.check(&["find", "--id", "820"], expect![[r#"
        <bkup-1>  2026-10-21T16:24:36Z  notes  notes-1-2026-10-21-16-24-36.snapshot  1 point: 820
        --- stderr
        warning: backup <bkup-2> cannot be searched: cannot read segment f95147e6-895e-4aff-b0d5-32d609876bd6 of backup <bkup-2>: id_tracker.mappings, byte 0: 800 records, expected at most 799 in a file of 10403 bytes
        warning: 1 of 2 backups could not be searched
        --- exit 3
    "#]]);
}
