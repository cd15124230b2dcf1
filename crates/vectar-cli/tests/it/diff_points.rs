//! `diff --points` on real snapshots.

use expect_test::expect;

use crate::environment::TestEnvironment;

#[test]
fn counts_and_lines() {
    let environment = TestEnvironment::new();
    environment.snapshots("notes");
    let names = ["./notes/02-payload-3pct.snapshot", "./notes/03-delete-33pct-vacuum.snapshot"];
    let diff = |more: &[&'static str]| [&["diff", "--points"][..], &names, more].concat();
    environment.check(
        &diff(&[]),
        expect![[r#"
        old  file ./notes/02-payload-3pct.snapshot, collection, 1.06 MiB (1,110,016 bytes)
        new  file ./notes/03-delete-33pct-vacuum.snapshot, collection, 911.50 KiB (933,376 bytes)
        COLLECTION  OLD  NEW  ADDED  REMOVED  PAYLOAD CHANGED  VECTOR CHANGED  UNCHANGED
        notes       840  574      0      266                0               0        574
        --- exit 0
    "#]],
    );
    environment.check(
        &["diff", "--points", names[0], names[0]],
        expect![[r#"
        old  file ./notes/02-payload-3pct.snapshot, collection, 1.06 MiB (1,110,016 bytes)
        new  file ./notes/02-payload-3pct.snapshot, collection, 1.06 MiB (1,110,016 bytes)
        COLLECTION  OLD  NEW  ADDED  REMOVED  PAYLOAD CHANGED  VECTOR CHANGED  UNCHANGED
        notes       840  840      0        0                0               0        840
        --- exit 0
    "#]],
    );
    let listed = environment.run(&diff(&["--list"]));
    assert_eq!((listed.stdout.lines().count(), listed.code), (266, Some(0)), "{}", listed.stderr);
    let first: Vec<&str> = listed.stdout.lines().take(2).collect();
    expect![[r#"
        {"id":3,"change":"removed"}
        {"id":6,"change":"removed"}
        --- stderr
        collection notes: 840 points before, 574 now; 0 added, 266 removed, 0 with another payload, 0 with another vector, 574 unchanged
    "#]].assert_eq(&format!("{}\n--- stderr\n{}", first.join("\n"), listed.stderr));
    let lines = environment.stdout(&diff(&["--json"]));
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 268);
    expect![[r#"
        {"v":1,"type":"point-change","collection":"notes","id":798,"change":"removed"}
        {"v":1,"type":"point-changes","collection":"notes","first":840,"second":574,"added":0,"removed":266,"payload_changed":0,"vector_changed":0,"unchanged":574}
        {"v":1,"type":"diff-points","different":true,"old":{"file":"./notes/02-payload-3pct.snapshot","backup":null,"name":"02-payload-3pct.snapshot","kind":"collection","bytes":1110016},"new":{"file":"./notes/03-delete-33pct-vacuum.snapshot","backup":null,"name":"03-delete-33pct-vacuum.snapshot","kind":"collection","bytes":933376}}
    "#]].assert_eq(&(lines[265..].join("\n") + "\n"));
}

/// A payload that changed, vectors that changed, and points that came: each is told from the others.
#[test]
fn what_became_of_points() {
    let environment = TestEnvironment::new();
    environment.snapshots("catalog");
    let arguments =
        ["diff", "--points", "./catalog/01-insert-5pct.snapshot", "./catalog/02-payload-3pct.snapshot", "--list"];
    let listed = environment.run(&arguments);
    let first: Vec<&str> = listed.stdout.lines().take(3).collect();
    expect![[r#"
        {"id":"006d7a3e-3baa-56e2-8c91-e3a373337643","change":"payload-changed"}
        {"id":"1148eae2-496f-5114-93c5-7a9b136d927f","change":"payload-changed"}
        {"id":"13c5974c-d0d1-5f54-95f3-bde81d234d45","change":"payload-changed"}
        --- stderr
        collection catalog: 630 points before, 630 now; 0 added, 0 removed, 21 with another payload, 0 with another vector, 609 unchanged
    "#]].assert_eq(&format!("{}\n--- stderr\n{}", first.join("\n"), listed.stderr));
    environment.changed(("catalog", "02-payload-3pct"), "catalog/moved.snapshot", |parts| {
        let is_chunk = |path: &String| path.ends_with("vector_storage-image/vectors/chunk_0.mmap");
        let chunk = parts.paths().into_iter().find(is_chunk).unwrap();
        parts.edit(&chunk, |bytes| bytes[..96].iter_mut().for_each(|byte| *byte ^= 1));
    });
    let moved = ["diff", "--points", arguments[2], "./catalog/moved.snapshot", "--list", "-q"];
    let listed = environment.stdout(&moved);
    let of_vectors: Vec<&str> = listed.lines().filter(|line| line.contains("vector")).collect();
    expect![[r#"
        {"id":"45ac8e67-377d-5348-b598-3f894e426cba","change":"vector-changed"}
        {"id":"d40ca2d7-08ee-56a8-9e98-5788e82c131b","change":"vector-changed"}
    "#]]
    .assert_eq(&(of_vectors.join("\n") + "\n"));
    let shard = [&arguments[..4], &["--shard", "1"]].concat();
    environment.check(
        &shard,
        expect![[r#"
        old  file ./catalog/01-insert-5pct.snapshot, collection, 2.34 MiB (2,456,064 bytes)
        new  file ./catalog/02-payload-3pct.snapshot, collection, 2.36 MiB (2,477,056 bytes)
        COLLECTION  OLD  NEW  ADDED  REMOVED  PAYLOAD CHANGED  VECTOR CHANGED  UNCHANGED
        catalog     308  308      0        0                9               0        299
        --- exit 0
    "#]],
    );
}

#[test]
fn full_snapshots_are_paired_by_name() {
    let environment = TestEnvironment::new();
    environment.snapshots("kinds");
    environment.snapshot("catalog", "00-base", "old/a.snapshot");
    environment.changed(("kinds", "full"), "kinds/less.snapshot", |parts| {
        let collection =
            parts.paths().into_iter().find(|path| path.starts_with("notes-") && path.ends_with(".snapshot"));
        assert!(parts.remove(&collection.unwrap()) > 0);
    });
    environment.check(
        &["diff", "--points", "./kinds/full.snapshot", "./kinds/less.snapshot"],
        expect![[r#"
        old  file ./kinds/full.snapshot, full, 2.93 MiB (3,067,904 bytes)
        new  file ./kinds/less.snapshot, full, 2.04 MiB (2,134,016 bytes)
        COLLECTION  OLD  NEW  ADDED  REMOVED  PAYLOAD CHANGED  VECTOR CHANGED  UNCHANGED
        catalog     431  431      0        0                0               0        431
        notes       574    0      0      574                0               0          0
        --- exit 0
    "#]],
    );
    environment.check(
        &["diff", "--points", "./kinds/less.snapshot", "./kinds/full.snapshot", "--collection", "catalog"],
        expect![[r#"
            old  file ./kinds/less.snapshot, full, 2.04 MiB (2,134,016 bytes)
            new  file ./kinds/full.snapshot, full, 2.93 MiB (3,067,904 bytes)
            COLLECTION  OLD  NEW  ADDED  REMOVED  PAYLOAD CHANGED  VECTOR CHANGED  UNCHANGED
            catalog     431  431      0        0                0               0        431
            --- exit 0
        "#]],
    );
    let one = ["diff", "--points", "./old/a.snapshot", "./kinds/full.snapshot", "--collection", "catalog", "--json"];
    let lines = environment.stdout(&one);
    let counts: Vec<&str> = lines.lines().filter(|line| !line.contains("point-change\"")).collect();
    expect![[r#"
        {"v":1,"type":"point-changes","collection":"catalog","first":600,"second":431,"added":30,"removed":199,"payload_changed":15,"vector_changed":0,"unchanged":386}
        {"v":1,"type":"diff-points","different":true,"old":{"file":"./old/a.snapshot","backup":null,"name":"a.snapshot","kind":"collection","bytes":2138624},"new":{"file":"./kinds/full.snapshot","backup":null,"name":"full.snapshot","kind":"full","bytes":3067904}}
    "#]].assert_eq(&(counts.join("\n") + "\n"));
}

#[test]
fn backups_and_files() {
    let environment = TestEnvironment::with_backups();
    environment.check(
        &["diff", "--points", "00-base.snapshot", "notes/02-payload-3pct.snapshot"],
        expect![[r#"
        old  backup <bkup-1> (00-base.snapshot), collection, 978.00 KiB (1,001,472 bytes)
        new  file notes/02-payload-3pct.snapshot, collection, 1.06 MiB (1,110,016 bytes)
        COLLECTION  OLD  NEW  ADDED  REMOVED  PAYLOAD CHANGED  VECTOR CHANGED  UNCHANGED
        notes       800  840     40        0               28               0        772
        --- exit 0
    "#]],
    );
}
