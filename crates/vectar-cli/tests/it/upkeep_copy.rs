//! `copy` and `init --like`: backups in a second repository.

use std::fs;

use expect_test::{Expect, expect};

use crate::{
    environment::TestEnvironment,
    redact::Mask::{Hashes, Sizes},
};

fn check(environment: &TestEnvironment, arguments: &str, expected: Expect) {
    environment.check_masked(&arguments.split(' ').collect::<Vec<_>>(), &[Sizes], expected);
}

/// Every backup of `other` comes back as the file it was made of.
fn assert_all_come_back(environment: &TestEnvironment, other: &str) {
    let listed = environment.stdout(&["-r", other, "list", "--json"]);
    assert_eq!(listed.lines().count(), 9);
    for line in listed.lines() {
        let backup: serde_json::Value = serde_json::from_str(line).unwrap();
        let (id, name) = (backup["id"].as_str().unwrap(), backup["name"].as_str().unwrap());
        environment.stdout(&["-r", other, "restore", "-qf", id, "-o", "out"]);
        let folder = if name.starts_with('0') { "notes" } else { "kinds" };
        assert!(fs::read(environment.path("out")).unwrap() == fs::read(environment.path(folder).join(name)).unwrap());
    }
    assert_eq!(environment.run(&["-r", other, "check", "--read-data"]).code, Some(0));
}

#[test]
fn to_a_repository_with_the_same_key_and_to_one_with_another() {
    let environment = TestEnvironment::with_backups();
    environment.stdout(&["tag", "00-base.snapshot", "--add", "gold"]);
    environment.stdout(&["-r", "like", "init", "--like", "repository", "-q"]);
    environment.stdout(&["-r", "other", "init", "-q"]);
    check(
        &environment,
        "copy 00-base.snapshot full.snapshot --to like",
        expect![[r#"
        copied <bkup-1> to <bkup-2>: 00-base.snapshot, <size> (<size>), <size> new, rebuilt and compared
        copied <bkup-3> to <bkup-4>: full.snapshot, <size> (<size>), <size> new, rebuilt and compared
        --- stderr
        2 copied, 0 there already, 0 failed; <size> new in like
        --- exit 0
    "#]],
    );
    check(
        &environment,
        "copy 00-base.snapshot full.snapshot --to other",
        expect![[r#"
        copied <bkup-1> to <bkup-5>: 00-base.snapshot, <size> (<size>), <size> new, rebuilt and compared
        copied <bkup-3> to <bkup-6>: full.snapshot, <size> (<size>), <size> new, rebuilt and compared
        --- stderr
        2 copied, 0 there already, 0 failed; <size> new in other
        --- exit 0
    "#]],
    );
    for other in ["like", "other"] {
        environment.stdout(&["copy", "-q", "--to", other]);
        assert_all_come_back(&environment, other);
        assert!(environment.stdout(&["-r", other, "show", "00-base.snapshot"]).contains("tags         gold"));
    }
    check(
        &environment,
        "copy --collection notes --latest 1 --to other",
        expect![[r#"
        03-delete-33pct-vacuum.snapshot is there already as <bkup-7>
        full.snapshot is there already as <bkup-6>
        --- stderr
        0 copied, 2 there already, 0 failed; <size> new in other
        --- exit 0
    "#]],
    );
    check(
        &environment,
        "copy --collection nowhere --to other",
        expect![[r#"
        --- stderr
        no backup fits
        --- exit 0
    "#]],
    );
}

/// What was copied and has lost something since is copied again: that heals it.
#[test]
fn a_copy_heals_a_copy() {
    let environment = TestEnvironment::with_backups();
    environment.stdout(&["-r", "like", "init", "--like", "repository", "-q"]);
    environment.stdout(&["copy", "-q", "--to", "like"]);
    let packs = environment.packs_of("like");
    fs::remove_file(packs.last().unwrap()).unwrap();
    assert_eq!(environment.run(&["-r", "like", "check"]).code, Some(4));
    environment.stdout(&["copy", "-q", "--to", "like"]);
    assert_eq!(environment.run(&["-r", "like", "check", "--read-data"]).code, Some(0));
}

#[test]
fn what_is_refused() {
    let environment = TestEnvironment::with_backups();
    environment.check_error(
        &["copy", "--to", "repository"],
        2,
        expect![[r#"
        --- stderr
        error: a repository is not copied to itself
          repository
          nothing was written

        hint: name another repository with --to PATH
        --- exit 2
    "#]],
    );
    environment.check_error(
        &["copy", "--to", "nowhere"],
        10,
        expect![[r#"
        --- stderr
        error: cannot copy to the other repository
          there is no vectar repository in nowhere
          the directory <here>/nowhere does not exist
          nothing was written

        hint: check the path, and that its storage is mounted
        hint: run "vectar -r PATH init" to create a repository
        --- exit 10
    "#]],
    );
    environment.check_error(
        &["-r", "new", "init", "--like", "nowhere"],
        10,
        expect![[r#"
        --- stderr
        error: there is no vectar repository in nowhere
          the directory <here>/nowhere does not exist
          nothing was written

        hint: check the path, and that its storage is mounted
        hint: run "vectar -r PATH init" to create a repository
        --- exit 10
    "#]],
    );
    assert!(!environment.path("new").exists());
    environment.stdout(&["-r", "other", "init", "-q"]);
    environment.check_error(
        &["copy", "nothing.snapshot", "--to", "other"],
        1,
        expect![[r#"
        --- stderr
        error: no backup is called "nothing.snapshot"
          nothing was written; the repository was not changed

        hint: run "vectar list" to see what is there, "vectar undelete" to see what was forgotten
        --- exit 1
    "#]],
    );
}

/// One that cannot be copied does not stop the others.
#[test]
fn of_a_damaged_repository() {
    let environment = TestEnvironment::with_backups();
    environment.stdout(&["-r", "other", "init", "-q"]);
    // What the full snapshot brought; two backups need it.
    fs::remove_file(environment.packs_of("repository").pop().unwrap()).unwrap();
    let ran = environment.run(&["copy", "full.snapshot", "--to", "other"]);
    environment.assert_error_masked(
        &ran,
        4,
        &[Hashes],
        expect![[r#"
        --- stderr
        error: cannot copy backup <bkup-1>
          chunk <hash> is in no pack of this repository
          nothing was published in the other repository; what was written there is used by the next try

        hint: run "vectar check --read-data" to list every backup that is hurt
        hint: run "vectar repair packs", then ingest the same snapshot again: that stores what is missing
        --- exit 4
    "#]],
    );
    let ran = environment.run(&["copy", "--to", "other"]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(ran.stderr.contains("\n7 copied, 0 there already, 2 failed; "), "{}", ran.stderr);
    assert_eq!(environment.stdout(&["-r", "other", "list", "--json"]).lines().count(), 7);
    assert_eq!(environment.run(&["-r", "other", "check", "--read-data"]).code, Some(0));
}
