//! Storing a snapshot again makes its hurt backups whole; with which backups rows are shared.

use std::fs;

use expect_test::expect;

use crate::{
    environment::TestEnvironment,
    redact::Mask::{self, Hashes, Sizes},
};

const MASKS: [Mask; 2] = [Sizes, Hashes];

/// A chunk of rows is not made a second time. The backup is whole again all the same once its snapshot is stored again.
#[test]
fn a_backup_that_shares_rows_is_healed() {
    let environment = TestEnvironment::with_repository();
    environment.snapshots("notes");
    let vacuumed = "notes/03-delete-33pct-vacuum.snapshot";
    environment.stdout(&["ingest", "-q", "notes"]);
    fs::remove_file(environment.packs_of("repository").last().unwrap()).unwrap();
    assert_eq!(environment.run(&["check"]).code, Some(4));
    environment.check_masked(
        &["ingest", vacuumed],
        &MASKS,
        expect![[r#"
            stored 03-delete-33pct-vacuum.snapshot as <bkup-1>: collection, <size>, <size> new
            healed <bkup-2> (03-delete-33pct-vacuum.snapshot): it is whole again
            --- stderr
             WARN nothing is shared with a backup that cannot be read backup=<backup-2> error=chunk <hash> is in no pack of this repository
             WARN nothing is shared with a backup that cannot be read backup=<backup-3> error=chunk <hash> is in no pack of this repository
            --- exit 0
        "#]],
    );
    environment.check_masked(
        &["check"],
        &MASKS,
        expect![[r#"
            damage: chunk <hash> and 20 more: it is in no pack
              needed by <bkup-4>, <bkup-5>, <bkup-3>
            damage: chunk <hash> and 4 more: it is in no pack
              needed by <bkup-4>, <bkup-5>
            damage: chunk <hash> and 5 more: it is in no pack
              needed by <bkup-4>
            3 backups cannot be restored whole:
              <bkup-4>  2026-11-20T16:30:00Z  notes  00-base.snapshot
              <bkup-5>  2026-11-20T16:31:00Z  notes  01-insert-5pct.snapshot
              <bkup-3>  2026-11-20T16:32:00Z  notes  02-payload-3pct.snapshot
            2 backups whole by records and recipes; 9 packs there
            --- stderr
            run "vectar repair backups" to see which bytes and files of each backup are lost
            then ingest the same snapshots again, where they still exist: that stores what is missing
            --- exit 4
        "#]],
    );
    let stored = environment.stdout(&["ingest", vacuumed, "--json"]);
    assert!(stored.contains(r#""outcome":"already-stored""#) && stored.contains(r#""healed":[]"#), "{stored}");
    environment.stdout(&["ingest", "-q", "notes"]);
    assert_eq!(environment.run(&["check", "--read-data"]).code, Some(0));
    environment.check_masked(
        &["ingest", "--no-row-dedup", "--like", "00-base", "notes"],
        &MASKS,
        expect![[r#"
            --- stderr
            error: the argument '--no-row-dedup' cannot be used with '--like <BACKUP>'

            Usage: vectar ingest --no-row-dedup --repo <PATH> <FILE|DIR|->...

            For more information, try '--help'.
            --- exit 2
        "#]],
    );
    environment.check_masked(
        &["ingest", "--like", "nowhere", "notes"],
        &MASKS,
        expect![[r#"
            --- stderr
            error: no backup is called "nowhere"
              nothing was written; the repository was not changed

            hint: run "vectar list" to see what is there, "vectar undelete" to see what was forgotten
            --- exit 1
        "#]],
    );
    environment.check_masked(
        &["ingest", "-n", "--collection", "other", "--like", "02-payload-3pct.snapshot", "notes/00-base.snapshot"],
        &MASKS,
        expect![[r#"
            00-base.snapshot is stored already as <bkup-6>, whole
            --- exit 0
        "#]],
    );
}
