//! `ingest --delete-source` where one file is named more than once.

use std::fs;

use crate::environment::{Ran, TestEnvironment, names};

const NEWEST: &str = "03-delete-33pct-vacuum.snapshot";

fn delete(environment: &TestEnvironment, keep: &str, sources: &[&str]) -> Ran {
    let ran = environment.run(&[&["ingest", "--delete-source", "--keep-source", keep], sources].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran
}

/// A directory and a file in it once made two sources of that file: the first was kept as the newest, and the second deleted, the same one.
#[test]
fn a_file_that_is_named_twice_is_one_source() {
    let environment = TestEnvironment::with_repository();
    environment.snapshots("notes");
    let (plain, odd) = (format!("notes/{NEWEST}"), format!("notes/../notes/./{NEWEST}"));
    let ran = delete(&environment, "1", &["notes", &plain, &odd]);
    assert_eq!(names(&environment.path("notes")), [NEWEST]);
    assert!(ran.stderr.contains("4 stored, 0 stored already, 0 failed"), "{}", ran.stderr);
    assert!(ran.stderr.contains("deleted 3 snapshot files"), "{}", ran.stderr);
}

/// Hard links of one file are one snapshot: they do not push others out, and what is kept keeps all its names.
#[test]
fn hard_links_count_as_one() {
    let environment = TestEnvironment::with_repository();
    environment.snapshots("notes");
    fs::hard_link(environment.path("notes").join(NEWEST), environment.path("notes/again.snapshot")).unwrap();
    let ran = delete(&environment, "2", &["notes"]);
    assert_eq!(names(&environment.path("notes")), ["02-payload-3pct.snapshot", NEWEST, "again.snapshot"]);
    assert_eq!(ran.stderr.matches("is the same file as").count(), 1, "{}", ran.stderr);
    // When something newer is there, they go, one name a run: the first deletion changes the times of the file.
    environment.snapshot("notes", "00-base", "notes/newer.snapshot");
    delete(&environment, "1", &["notes"]);
    assert_eq!(names(&environment.path("notes")).len(), 2, "{:?}", names(&environment.path("notes")));
    delete(&environment, "1", &["notes"]);
    assert_eq!(names(&environment.path("notes")), ["newer.snapshot"]);
    // Every name is a backup.
    for name in [NEWEST, "again.snapshot", "newer.snapshot"] {
        environment.stdout(&["verify", "-q", name]);
    }
}
