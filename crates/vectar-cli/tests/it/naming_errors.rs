//! Names that mean nothing, several things, or something that nobody should reach.

use expect_test::expect;

use crate::environment::TestEnvironment;

#[test]
fn entry_paths_that_lead_outside() {
    let environment = TestEnvironment::with_backups();
    environment.check_error(&["cat", "notes@latest", "../config.json"], 1, expect![[r#"
        --- stderr
        error: entry path "../config.json" cannot be used: it has a ".."; entries are named from the root of the snapshot
          nothing was written; the repository was not changed

        hint: run "vectar ls BACKUP": it shows paths as they are to be written, with ! between tar levels
        --- exit 1
    "#]]);
    environment.check_error(
        &["cat", "notes@latest", "/etc/passwd"],
        1,
        expect![[r#"
        --- stderr
        error: entry path "/etc/passwd" cannot be used: it is absolute; entries are named from the root of the snapshot
          nothing was written; the repository was not changed

        hint: run "vectar ls BACKUP": it shows paths as they are to be written, with ! between tar levels
        --- exit 1
    "#]],
    );
    environment.check_error(
        &["ls", "notes@latest", "0/../../x"],
        1,
        expect![[r#"
        --- stderr
        error: entry path "0/../../x" cannot be used: it has a ".."; entries are named from the root of the snapshot
          nothing was written; the repository was not changed

        hint: run "vectar ls BACKUP": it shows paths as they are to be written, with ! between tar levels
        --- exit 1
    "#]],
    );
    environment.check_error(
        &["cat", "notes@latest", "confg.json"],
        1,
        expect![[r#"
        --- stderr
        reading backup <bkup-1> (03-delete-33pct-vacuum.snapshot)
        error: backup <bkup-1> has no entry "confg.json"
          there is config.json
          there is 0/segments/bcba9e12-2162-4e73-bd77-95458a953779.tar!snapshot/files/payload_index/config.json
          there is 0/segments/0be900ab-8d04-45cc-8a66-b7c8d35cd8fb.tar!snapshot/files/payload_index/config.json
          nothing was written; the repository was not changed

        hint: run "vectar ls BACKUP" to see all of them
        --- exit 1
    "#]],
    );
    environment.check_error(
        &["cat", "notes@latest", "0/segments"],
        1,
        expect![[r#"
        --- stderr
        reading backup <bkup-1> (03-delete-33pct-vacuum.snapshot)
        error: backup <bkup-1> has no entry "0/segments"
          nothing was written; the repository was not changed

        hint: run "vectar ls BACKUP" to see all of them
        --- exit 1
    "#]],
    );
}

#[test]
fn names_that_mean_several_backups_or_none() {
    let environment = TestEnvironment::with_backups();
    environment.check_error(
        &["show", "latest"],
        1,
        expect![[r#"
        --- stderr
        error: "latest" names 5 backups
          <bkup-1> (full.snapshot, full (no collection) node 4831547486316841)
          <bkup-2> (empty.snapshot, collection kinds node 4831547486316841)
          <bkup-3> (shard.snapshot, shard kinds node 4831547486316841)
          <bkup-4> (shard-streamed.snapshot, shard-streamed kinds node 4831547486316841)
          <bkup-5> (03-delete-33pct-vacuum.snapshot, collection notes node 4831547486316841)
          nothing was written; the repository was not changed

        hint: use one of these ids, or narrow down with --collection, --cluster, --node or --shard
        hint: write COLLECTION@latest for the newest of one collection
        --- exit 1
    "#]],
    );
    environment.check_error(
        &["show", "kinds@latest"],
        1,
        expect![[r#"
        --- stderr
        error: "kinds@latest" names 3 backups
          <bkup-2> (empty.snapshot, collection kinds node 4831547486316841)
          <bkup-3> (shard.snapshot, shard kinds node 4831547486316841)
          <bkup-4> (shard-streamed.snapshot, shard-streamed kinds node 4831547486316841)
          nothing was written; the repository was not changed

        hint: use one of these ids, or narrow down with --collection, --cluster, --node or --shard
        --- exit 1
    "#]],
    );
    environment.check_error(
        &["restore", "other@latest", "-o", "x"],
        1,
        expect![[r#"
            --- stderr
            error: no backup is called "other@latest"
              no backup of that collection is here
              nothing was written; the repository was not changed

            hint: run "vectar list" to see what is there, "vectar undelete" to see what was forgotten
            --- exit 1
        "#]],
    );
    environment.check_error(
        &["show", "notes@2020-01-01"],
        1,
        expect![[r#"
            --- stderr
            error: no backup is called "notes@2020-01-01"
              all that fit are damaged or younger than that
              nothing was written; the repository was not changed

            hint: run "vectar list" to see what is there, "vectar undelete" to see what was forgotten
            --- exit 1
        "#]],
    );
    environment.check_error(
        &["show", "set:nightly"],
        1,
        expect![[r#"
            --- stderr
            error: no backup is called "set:nightly"
              nothing was written; the repository was not changed

            hint: run "vectar list" to see what is there, "vectar undelete" to see what was forgotten
            --- exit 1
        "#]],
    );
    environment.check_error(
        &["show", "zz"],
        1,
        expect![[r#"
            --- stderr
            error: no backup is called "zz"
              nothing was written; the repository was not changed

            hint: run "vectar list" to see what is there, "vectar undelete" to see what was forgotten
            --- exit 1
        "#]],
    );
}

#[test]
fn one_name_on_two_nodes_is_no_answer() {
    let environment = TestEnvironment::with_repository();
    for (node, bytes) in [("a", "00-base"), ("b", "01-insert-5pct")] {
        environment.snapshot("notes", bytes, &format!("notes-{node}/00-base.snapshot"));
        environment.stdout(&["ingest", "-q", "--collection", "notes", "--node", node, &format!("notes-{node}")]);
    }
    environment.check_error(
        &["show", "00-base.snapshot"],
        1,
        expect![[r#"
        --- stderr
        error: "00-base.snapshot" names 2 backups
          <bkup-1> (00-base.snapshot, collection notes node a)
          <bkup-2> (00-base.snapshot, collection notes node b)
          nothing was written; the repository was not changed

        hint: use one of these ids, or narrow down with --collection, --cluster, --node or --shard
        --- exit 1
    "#]],
    );
    environment.check_error(
        &["show", "notes@latest"],
        1,
        expect![[r#"
        --- stderr
        error: "notes@latest" names 2 backups
          <bkup-1> (00-base.snapshot, collection notes node a)
          <bkup-2> (00-base.snapshot, collection notes node b)
          nothing was written; the repository was not changed

        hint: use one of these ids, or narrow down with --collection, --cluster, --node or --shard
        --- exit 1
    "#]],
    );
    assert_eq!(environment.run(&["show", "notes@latest", "--node", "b"]).code, Some(0));
}

#[test]
fn a_name_that_is_a_backup_and_a_file() {
    let environment = TestEnvironment::with_backups();
    environment.snapshot("kinds", "shard", "full.snapshot");
    environment.check_error(
        &["inspect", "full.snapshot"],
        1,
        expect![[r#"
        --- stderr
        error: "full.snapshot" is a backup and a file
          nothing was written; the repository was not changed

        hint: write <backup-1> for the backup
        hint: write ./full.snapshot for the file
        --- exit 1
    "#]],
    );
    let inspected = environment.stdout(&["inspect", "./full.snapshot"]);
    assert!(inspected.starts_with("file ./full.snapshot\n550.00 KiB (563,200 bytes)\n"), "{inspected}");
    let inspected = environment.stdout(&["inspect", &environment.id_of("full.snapshot")]);
    assert!(inspected.contains("\n2.93 MiB (3,067,904 bytes)\n"), "{inspected}");
}
