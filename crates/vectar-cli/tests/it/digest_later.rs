//! `ingest --sha256 later`: what is shown while the digest is not known, and who makes it known.

use std::fs;

use expect_test::expect;
use serde_json::Value;

use crate::{environment::TestEnvironment, redact::Mask::Sizes};

#[test]
fn a_digest_comes_with_the_first_rebuild() {
    let environment = TestEnvironment::with_repository();
    environment.snapshots("notes");
    let sha256 = || -> Value {
        let shown = environment.stdout(&["show", "latest", "--json"]);
        serde_json::from_str::<Value>(&shown).unwrap()["sha256"].clone()
    };
    environment.check_masked(
        &["ingest", "--sha256", "later", "notes/00-base.snapshot"],
        &[Sizes],
        expect![[r#"
            stored 00-base.snapshot as <bkup-1>: collection, <size>, <size> new
            --- exit 0
        "#]],
    );
    assert_eq!(sha256(), Value::Null);
    let shown = environment.stdout(&["show", "latest"]);
    assert!(shown.lines().any(|line| line == "sha-256      not computed yet"), "{shown}");
    environment.check_masked(&["restore", "latest", "-o", "out.snapshot"], &[Sizes], expect![[r#"
        restored backup <bkup-1> to out.snapshot
        <size> (<size>), sha-256 737222b51df4ed9372a7b5f05a3d834781cb4663f8caad6510ca45a911b294de computed now
        checksum beside it: out.snapshot.checksum
        --- stderr
        this wrote a file; no Qdrant has loaded it. To load it:
          curl -X POST 'http://HOST:6333/collections/notes-restored/snapshots/upload?priority=snapshot&checksum=737222b51df4ed9372a7b5f05a3d834781cb4663f8caad6510ca45a911b294de' -F 'snapshot=@<here>/out.snapshot'
          or, with the file in the server's snapshots directory:
          curl -X PUT 'http://HOST:6333/collections/notes-restored/snapshots/recover' -H 'content-type: application/json' \
            -d '{"location":"file:///qdrant/snapshots/out.snapshot","checksum":"737222b51df4ed9372a7b5f05a3d834781cb4663f8caad6510ca45a911b294de","priority":"snapshot"}'
          a cluster needs one such file from each node, each loaded on its node
        --- exit 0
    "#]]);
    assert!(sha256().is_string());
    environment.check_masked(&["verify", "latest"], &[Sizes], expect![[r#"
        backup <bkup-1> (00-base.snapshot): bytes identical, <size> (<size>), sha-256 737222b51df4ed9372a7b5f05a3d834781cb4663f8caad6510ca45a911b294de
        --- stderr
        this proves that the bytes come back; it does not prove that a Qdrant loads them
        --- exit 0
    "#]]);
}

/// The first proof once said that both digests were compared, where one of them was computed just then.
#[test]
fn a_first_proof_says_that_there_was_no_digest_to_compare() {
    let environment = TestEnvironment::with_repository();
    environment.snapshots("notes");
    environment.stdout(&[
        "ingest",
        "-q",
        "--sha256",
        "later",
        "notes/00-base.snapshot",
        "notes/01-insert-5pct.snapshot",
    ]);
    environment.check_masked(&["verify", "00-base.snapshot"], &[Sizes], expect![[r#"
        backup <bkup-1> (00-base.snapshot): bytes identical, <size> (<size>), sha-256 737222b51df4ed9372a7b5f05a3d834781cb4663f8caad6510ca45a911b294de computed now: the ids of its chunks are what proves it
        --- stderr
        this proves that the bytes come back; it does not prove that a Qdrant loads them
        --- exit 0
    "#]]);
    let compared = |arguments: &[&str]| -> Value {
        let said = environment.stdout(arguments);
        serde_json::from_str::<Value>(said.lines().next().unwrap()).unwrap()["sha256_compared"].clone()
    };
    assert_eq!(compared(&["verify", "--json", "00-base.snapshot"]), true, "it is recorded by now");
    assert_eq!(compared(&["verify", "--json", "01-insert-5pct.snapshot"]), false);
    // The proofs say the same.
    let said: Vec<bool> =
        proofs(&environment).iter().map(|proof| proof["sha256_compared"].as_bool().unwrap()).collect();
    assert_eq!(said.iter().filter(|compared| **compared).count(), 1, "{said:?}");
    assert_eq!(said.len(), 3);
}

/// All proofs of backups.
fn proofs(environment: &TestEnvironment) -> Vec<Value> {
    let mut proofs = Vec::new();
    for backup in environment.repository().join("proofs").read_dir().unwrap().map(|entry| entry.unwrap().path()) {
        for proof in backup.read_dir().unwrap().map(|entry| entry.unwrap().path()) {
            let text = fs::read_to_string(&proof).unwrap();
            let lines = text.lines().filter(|line| line.starts_with('{'));
            proofs.push(serde_json::from_str(&lines.collect::<String>()).unwrap());
        }
    }
    proofs
}

#[test]
fn a_file_that_cannot_be_compared_is_not_deleted() {
    let environment = TestEnvironment::with_repository();
    environment.snapshots("notes");
    environment.check(
        &["ingest", "--sha256", "later", "--delete-source", "notes"],
        expect![[r#"
            --- stderr
            error: a file whose SHA-256 is not known is not deleted
              --delete-source needs the digest that --sha256 later puts off
              nothing was read or written

            hint: leave one of the two out
            --- exit 2
        "#]],
    );
}

/// Stored without its digest one night, and deleted the next: the file is compared with what comes back, not with what is not known.
#[test]
fn a_file_that_was_stored_so_is_compared_before_it_is_deleted() {
    let environment = TestEnvironment::with_repository();
    environment.snapshots("notes");
    environment.stdout(&["ingest", "-q", "--sha256", "later", "notes/00-base.snapshot"]);
    environment.check(
        &["ingest", "-q", "--delete-source", "--keep-source", "0", "notes/00-base.snapshot"],
        expect![[r#"
            00-base.snapshot is stored already as <bkup-1>, whole
            deleted notes/00-base.snapshot: backup <bkup-1> is verified
            --- exit 0
        "#]],
    );
    assert!(!environment.path("notes/00-base.snapshot").exists());
    let shown: Value = serde_json::from_str(&environment.stdout(&["show", "latest", "--json"])).unwrap();
    assert_eq!(shown["sha256"], "737222b51df4ed9372a7b5f05a3d834781cb4663f8caad6510ca45a911b294de");
}

#[test]
fn threads_and_memory_have_bounds() {
    let environment = TestEnvironment::with_repository();
    environment.snapshots("notes");
    environment.check(
        &["--memory", "100MiB", "ingest", "notes/00-base.snapshot"],
        expect![[r#"
        --- stderr
        error: invalid value '100MiB' for '--memory <SIZE>': at least 320MiB are needed

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
    environment.check(
        &["--threads", "0", "ingest", "notes/00-base.snapshot"],
        expect![[r#"
        --- stderr
        error: invalid value '0' for '--threads <N>': 0 is not in 1..=1024

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
    environment.check_masked(
        &["--threads", "3", "--memory", "320MiB", "ingest", "notes/00-base.snapshot"],
        &[Sizes],
        expect![[r#"
            stored 00-base.snapshot as <bkup-1>: collection, <size>, <size> new
            --- exit 0
        "#]],
    );
}
