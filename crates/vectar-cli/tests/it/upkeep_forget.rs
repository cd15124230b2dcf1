//! `forget`, `undelete`, `tag`, `note`, `pin`: which backups stay, and why.

use std::{fs, path::PathBuf};

use expect_test::{Expect, expect};
use vectar_testkit::fixtures::skipped;

use crate::{environment::TestEnvironment, redact::Mask::Hashes, storage_errors::without_temp_name};

/// Two nights of two nodes, each night a set.
fn nights() -> TestEnvironment {
    let environment = TestEnvironment::with_repository();
    for (night, node, name) in [
        ("1", "a", "00-base"),
        ("1", "b", "01-insert-5pct"),
        ("2", "a", "02-payload-3pct"),
        ("2", "b", "03-delete-33pct-vacuum"),
    ] {
        let place = format!("notes/{night}-{node}.snapshot");
        environment.snapshot("notes", name, &place);
        environment.stdout(&["ingest", "-q", &place, "--node", node, "--set", night, "--collection", "notes"]);
    }
    environment
}

#[test]
fn by_policy() {
    let environment = TestEnvironment::with_backups();
    environment.check(
        &["forget", "--keep-last", "2", "-n"],
        expect![[r#"
        full node 4831547486316841
          keep    <bkup-1>  2026-11-20T16:35:00Z  full.snapshot                    last 1
        collection kinds node 4831547486316841
          keep    <bkup-2>  2026-11-20T16:34:00Z  empty.snapshot                   last 1
        shard kinds node 4831547486316841
          keep    <bkup-3>  2026-11-20T16:36:00Z  shard.snapshot                   last 1
        shard-partial kinds node 4831547486316841
          keep    <bkup-4>  2026-11-20T16:37:00Z  shard-partial.snapshot           not good, yet nothing newer is
        shard-streamed kinds node 4831547486316841
          keep    <bkup-5>  2026-11-20T16:38:00Z  shard-streamed.snapshot          last 1
        collection notes node 4831547486316841
          keep    <bkup-6>  2026-11-20T16:33:00Z  03-delete-33pct-vacuum.snapshot  last 1
          keep    <bkup-7>  2026-11-20T16:32:00Z  02-payload-3pct.snapshot         last 2
          forget  <bkup-8>  2026-11-20T16:31:00Z  01-insert-5pct.snapshot          no rule keeps it
          forget  <bkup-9>  2026-11-20T16:30:00Z  00-base.snapshot                 no rule keeps it
        --- stderr
        2 backups would be forgotten, 7 would stay
        --- exit 0
    "#]],
    );
    assert_eq!(environment.objects("forgotten"), [""; 0], "-n writes nothing");
    environment.check(
        &["forget", "--keep-last", "2"],
        expect![[r#"
        full node 4831547486316841
          keep    <bkup-1>  2026-11-20T16:35:00Z  full.snapshot                    last 1
        collection kinds node 4831547486316841
          keep    <bkup-2>  2026-11-20T16:34:00Z  empty.snapshot                   last 1
        shard kinds node 4831547486316841
          keep    <bkup-3>  2026-11-20T16:36:00Z  shard.snapshot                   last 1
        shard-partial kinds node 4831547486316841
          keep    <bkup-4>  2026-11-20T16:37:00Z  shard-partial.snapshot           not good, yet nothing newer is
        shard-streamed kinds node 4831547486316841
          keep    <bkup-5>  2026-11-20T16:38:00Z  shard-streamed.snapshot          last 1
        collection notes node 4831547486316841
          keep    <bkup-6>  2026-11-20T16:33:00Z  03-delete-33pct-vacuum.snapshot  last 1
          keep    <bkup-7>  2026-11-20T16:32:00Z  02-payload-3pct.snapshot         last 2
          forget  <bkup-8>  2026-11-20T16:31:00Z  01-insert-5pct.snapshot          no rule keeps it
          forget  <bkup-9>  2026-11-20T16:30:00Z  00-base.snapshot                 no rule keeps it
        --- stderr
        2 backups forgotten; "vectar undelete" takes them back, "vectar prune" frees their space after the grace
        --- exit 0
    "#]],
    );
    environment.check(
        &["undelete"],
        expect![[r#"
        ID        NAME                     TAKEN                 FORGOTTEN
        <bkup-8>  01-insert-5pct.snapshot  2026-11-20T16:31:00Z  <now>
        <bkup-9>  00-base.snapshot         2026-11-20T16:30:00Z  <now>
        --- exit 0
    "#]],
    );
    environment.check(
        &["forget", "--keep-last", "2"],
        expect![[r#"
        full node 4831547486316841
          keep  <bkup-1>  2026-11-20T16:35:00Z  full.snapshot                    last 1
        collection kinds node 4831547486316841
          keep  <bkup-2>  2026-11-20T16:34:00Z  empty.snapshot                   last 1
        shard kinds node 4831547486316841
          keep  <bkup-3>  2026-11-20T16:36:00Z  shard.snapshot                   last 1
        shard-partial kinds node 4831547486316841
          keep  <bkup-4>  2026-11-20T16:37:00Z  shard-partial.snapshot           not good, yet nothing newer is
        shard-streamed kinds node 4831547486316841
          keep  <bkup-5>  2026-11-20T16:38:00Z  shard-streamed.snapshot          last 1
        collection notes node 4831547486316841
          keep  <bkup-6>  2026-11-20T16:33:00Z  03-delete-33pct-vacuum.snapshot  last 1
          keep  <bkup-7>  2026-11-20T16:32:00Z  02-payload-3pct.snapshot         last 2
        --- stderr
        nothing is to be forgotten
        --- exit 0
    "#]],
    );
    environment.check(
        &["undelete", "00-base.snapshot"],
        expect![[r#"
        took back <bkup-9> (00-base.snapshot)
        --- exit 0
    "#]],
    );
    environment.check(
        &["forget", "--keep-within", "30d", "--collection", "nowhere"],
        expect![[r#"
        --- stderr
        no backup fits
        --- exit 0
    "#]],
    );
    environment.check(&["restore", "-q", "00-base.snapshot", "-o", "out"], expect![[r#"
        restored backup <bkup-9> to out
        978.00 KiB (1,001,472 bytes), sha-256 737222b51df4ed9372a7b5f05a3d834781cb4663f8caad6510ca45a911b294de as recorded
        checksum beside it: out.checksum
        --- exit 0
    "#]]);
    assert_eq!(
        fs::read(environment.path("out")).unwrap(),
        fs::read(environment.path("notes/00-base.snapshot")).unwrap()
    );
}

#[test]
fn other_groups_and_rules() {
    let environment = TestEnvironment::with_backups();
    environment.stdout(&["tag", "00-base.snapshot", "--add", "gold"]);
    let check = |arguments: &str, expected: Expect| {
        environment.check(&format!("forget -n {arguments}").split(' ').collect::<Vec<_>>(), expected);
    };
    check(
        "--keep-daily 1 --keep-tag gold --collection notes --group-by kind",
        expect![[r#"
        collection
          keep    <bkup-1>  2026-11-20T16:33:00Z  03-delete-33pct-vacuum.snapshot  daily 2026-11-20
          forget  <bkup-2>  2026-11-20T16:32:00Z  02-payload-3pct.snapshot         no rule keeps it
          forget  <bkup-3>  2026-11-20T16:31:00Z  01-insert-5pct.snapshot          no rule keeps it
          keep    <bkup-4>  2026-11-20T16:30:00Z  00-base.snapshot                 tag gold
        full
          keep    <bkup-5>  2026-11-20T16:35:00Z  full.snapshot                    daily 2026-11-20
        --- stderr
        2 backups would be forgotten, 3 would stay
        --- exit 0
    "#]],
    );
    check(
        "--keep-last 1 --group-by node --collection kinds",
        expect![[r#"
        node 4831547486316841
          keep    <bkup-6>  2026-11-20T16:38:00Z  shard-streamed.snapshot  last 1
          forget  <bkup-7>  2026-11-20T16:37:00Z  shard-partial.snapshot   partial: it does not restore alone
          forget  <bkup-8>  2026-11-20T16:36:00Z  shard.snapshot           no rule keeps it
          forget  <bkup-9>  2026-11-20T16:34:00Z  empty.snapshot           no rule keeps it
        --- stderr
        3 backups would be forgotten, 1 would stay
        warning: without -n this would be refused: 3 of 9 backups would be forgotten: that is more than 30 percent of all
        --- exit 0
    "#]],
    );
    check(
        "--keep-per-version --keep-yearly 1 --collection notes",
        expect![[r#"
        full node 4831547486316841
          keep    <bkup-5>  2026-11-20T16:35:00Z  full.snapshot                    yearly 2026, version 1.17
        collection notes node 4831547486316841
          keep    <bkup-1>  2026-11-20T16:33:00Z  03-delete-33pct-vacuum.snapshot  yearly 2026, version 1.17
          forget  <bkup-2>  2026-11-20T16:32:00Z  02-payload-3pct.snapshot         no rule keeps it
          forget  <bkup-3>  2026-11-20T16:31:00Z  01-insert-5pct.snapshot          no rule keeps it
          forget  <bkup-4>  2026-11-20T16:30:00Z  00-base.snapshot                 no rule keeps it
        --- stderr
        3 backups would be forgotten, 2 would stay
        warning: without -n this would be refused: 3 of 9 backups would be forgotten: that is more than 30 percent of all
        --- exit 0
    "#]],
    );
}

#[test]
fn sets_go_whole_or_not_at_all() {
    let environment = nights();
    environment.check(
        &["forget", "-n", "--keep-last", "1", "--node", "a"],
        expect![[r#"
        collection notes node a
          keep  <bkup-1>  2026-11-20T16:32:00Z  2-a.snapshot  last 1
          keep  <bkup-2>  2026-11-20T16:30:00Z  1-a.snapshot  its set 1 reaches beyond the selection
        --- stderr
        0 backups would be forgotten, 2 would stay
        --- exit 0
    "#]],
    );
    environment.check(
        &["forget", "1-a.snapshot", "--yes"],
        expect![[r#"
        collection notes node a
          forget  <bkup-2>  2026-11-20T16:30:00Z  1-a.snapshot  named, or of set 1
        collection notes node b
          forget  <bkup-3>  2026-11-20T16:31:00Z  1-b.snapshot  named, or of set 1
        --- stderr
        2 backups forgotten; "vectar undelete" takes them back, "vectar prune" frees their space after the grace
        --- exit 0
    "#]],
    );
    environment.check(
        &["undelete", "set:1"],
        expect![[r#"
        took back <bkup-2> (1-a.snapshot)
        took back <bkup-3> (1-b.snapshot)
        --- exit 0
    "#]],
    );
    environment.check(
        &["forget", "--keep-last", "1", "--yes"],
        expect![[r#"
        collection notes node a
          keep    <bkup-1>  2026-11-20T16:32:00Z  2-a.snapshot  last 1
          forget  <bkup-2>  2026-11-20T16:30:00Z  1-a.snapshot  no rule keeps it
        collection notes node b
          keep    <bkup-4>  2026-11-20T16:33:00Z  2-b.snapshot  last 1
          forget  <bkup-3>  2026-11-20T16:31:00Z  1-b.snapshot  no rule keeps it
        --- stderr
        2 backups forgotten; "vectar undelete" takes them back, "vectar prune" frees their space after the grace
        --- exit 0
    "#]],
    );
}

#[test]
fn what_people_say_of_a_backup() {
    let environment = TestEnvironment::with_backups();
    environment.check(
        &["tag", "full.snapshot", "--add", "weekly", "--add", "gold"],
        expect![[r#"
        tagged <bkup-1>: weekly
        tagged <bkup-1>: gold
        --- exit 0
    "#]],
    );
    environment.check(
        &["note", "full.snapshot", "-m", "before the move"],
        expect![[r#"
        noted <bkup-1>: before the move
        --- exit 0
    "#]],
    );
    environment.check(
        &["pin", "full.snapshot", "notes@latest", "-m", "audit 2026"],
        expect![[r#"
        pinned <bkup-1>: audit 2026
        pinned <bkup-2>: audit 2026
        --- exit 0
    "#]],
    );
    environment.check(
        &["tag", "full.snapshot", "--remove", "weekly"],
        expect![[r#"
        untagged <bkup-1>: weekly
        --- exit 0
    "#]],
    );
    let shown = environment.stdout(&["show", "full.snapshot"]);
    let said: Vec<&str> =
        shown.lines().filter(|line| ["tags", "note", "pinned"].iter().any(|word| line.starts_with(word))).collect();
    assert_eq!(said, ["tags         gold", "note         before the move", "pinned       audit 2026"]);
    let listed = environment.stdout(&["list"]);
    assert_eq!(listed.lines().filter(|line| line.ends_with(" (pinned)")).count(), 2, "{listed}");
    environment.check(&["forget", "-n", "--keep-tag", "none", "--collection", "notes"], expect![[r#"
        full node 4831547486316841
          keep    <bkup-1>  2026-11-20T16:35:00Z  full.snapshot                    pinned
        collection notes node 4831547486316841
          keep    <bkup-2>  2026-11-20T16:33:00Z  03-delete-33pct-vacuum.snapshot  pinned
          forget  <bkup-3>  2026-11-20T16:32:00Z  02-payload-3pct.snapshot         no rule keeps it
          forget  <bkup-4>  2026-11-20T16:31:00Z  01-insert-5pct.snapshot          no rule keeps it
          forget  <bkup-5>  2026-11-20T16:30:00Z  00-base.snapshot                 no rule keeps it
        --- stderr
        3 backups would be forgotten, 2 would stay
        warning: without -n this would be refused: 3 of 9 backups would be forgotten: that is more than 30 percent of all
        --- exit 0
    "#]]);
    environment.check(
        &["unpin", "full.snapshot"],
        expect![[r#"
        unpinned <bkup-1>
        --- exit 0
    "#]],
    );
    environment.check(
        &["unpin", "full.snapshot"],
        expect![[r#"
        --- stderr
        <bkup-1> is not pinned
        --- exit 0
    "#]],
    );
}

#[test]
fn what_is_refused() {
    let environment = TestEnvironment::with_backups();
    let check = |arguments: &str, code: i32, expected: Expect| {
        environment.check_error(&arguments.split(' ').collect::<Vec<_>>(), code, expected);
    };
    check(
        "forget",
        2,
        expect![[r#"
        --- stderr
        error: nothing says what to forget
          no --keep-… option says what to keep, and no backup is named
          nothing was forgotten

        hint: say what to keep, such as --keep-daily 7 --keep-weekly 5 --keep-monthly 12
        hint: add -n to see what would happen
        --- exit 2
    "#]],
    );
    check(
        "forget full.snapshot --keep-last 3",
        2,
        expect![[r#"
        --- stderr
        error: backups are named, and a policy is given too
          nobody can tell whether the policy is to keep some of them
          nothing was forgotten

        hint: name backups, or say what to keep
        --- exit 2
    "#]],
    );
    check(
        "forget nothing.snapshot",
        1,
        expect![[r#"
        --- stderr
        error: no backup is called "nothing.snapshot"
          nothing was written; the repository was not changed

        hint: run "vectar list" to see what is there, "vectar undelete" to see what was forgotten
        --- exit 1
    "#]],
    );
    check(
        "undelete nothing.snapshot",
        1,
        expect![[r#"
        --- stderr
        error: no backup is called "nothing.snapshot"
          nothing was written; the repository was not changed

        hint: run "vectar undelete" without a name to see what can be taken back
        --- exit 1
    "#]],
    );
    environment.stdout(&["pin", "02-payload-3pct.snapshot", "-m", "audit 2026"]);
    environment.stdout(&["pin", "01-insert-5pct.snapshot"]);
    check(
        "forget -q 02-payload-3pct.snapshot",
        1,
        expect![[r#"
        collection notes node 4831547486316841
          keep  <bkup-1>  2026-11-20T16:32:00Z  02-payload-3pct.snapshot  pinned
        --- stderr
        error: backup <bkup-1> is pinned
          audit 2026
          nothing was forgotten

        hint: run "vectar unpin <bkup-1>" first
        --- exit 1
    "#]],
    );
    check(
        "forget -q 01-insert-5pct.snapshot",
        1,
        expect![[r#"
        collection notes node 4831547486316841
          keep  <bkup-2>  2026-11-20T16:31:00Z  01-insert-5pct.snapshot  pinned
        --- stderr
        error: backup <bkup-2> is pinned
          nobody said why
          nothing was forgotten

        hint: run "vectar unpin <bkup-2>" first
        --- exit 1
    "#]],
    );
    check(
        "forget full.snapshot",
        1,
        expect![[r#"
        full node 4831547486316841
          forget  <bkup-3>  2026-11-20T16:35:00Z  full.snapshot  named
        --- stderr
        error: the last good backup of a group would go
          full node 4831547486316841
          nothing was forgotten

        hint: add --unsafe-allow-remove-all if that is meant
        --- exit 1
    "#]],
    );
    check(
        "forget --keep-tag none --collection notes",
        1,
        expect![[r#"
        full node 4831547486316841
          forget  <bkup-3>  2026-11-20T16:35:00Z  full.snapshot                    no rule keeps it
        collection notes node 4831547486316841
          forget  <bkup-4>  2026-11-20T16:33:00Z  03-delete-33pct-vacuum.snapshot  no rule keeps it
          keep    <bkup-1>  2026-11-20T16:32:00Z  02-payload-3pct.snapshot         pinned
          keep    <bkup-2>  2026-11-20T16:31:00Z  01-insert-5pct.snapshot          pinned
          forget  <bkup-5>  2026-11-20T16:30:00Z  00-base.snapshot                 no rule keeps it
        --- stderr
        error: the last good backup of a group would go
          full node 4831547486316841
          nothing was forgotten

        hint: keep at least one, such as with --keep-last 1
        hint: add --unsafe-allow-remove-all if that is meant
        --- exit 1
    "#]],
    );
    check(
        "forget --keep-last 1 --group-by cluster",
        1,
        expect![[r#"
        all backups
          keep    <bkup-6>  2026-11-20T16:38:00Z  shard-streamed.snapshot          last 1
          forget  <bkup-7>  2026-11-20T16:37:00Z  shard-partial.snapshot           partial: it does not restore alone
          forget  <bkup-8>  2026-11-20T16:36:00Z  shard.snapshot                   no rule keeps it
          forget  <bkup-3>  2026-11-20T16:35:00Z  full.snapshot                    no rule keeps it
          forget  <bkup-9>  2026-11-20T16:34:00Z  empty.snapshot                   no rule keeps it
          forget  <bkup-4>  2026-11-20T16:33:00Z  03-delete-33pct-vacuum.snapshot  no rule keeps it
          keep    <bkup-1>  2026-11-20T16:32:00Z  02-payload-3pct.snapshot         pinned
          keep    <bkup-2>  2026-11-20T16:31:00Z  01-insert-5pct.snapshot          pinned
          forget  <bkup-5>  2026-11-20T16:30:00Z  00-base.snapshot                 no rule keeps it
        --- stderr
        error: 6 of 9 backups would be forgotten
          that is more than 30 percent of all
          nothing was forgotten

        hint: add -n to see each of them, and --yes if that is meant
        --- exit 1
    "#]],
    );
}

/// A record that cannot be read may belong to any group: nobody knows what the others are then.
#[test]
fn nothing_is_forgotten_beside_an_unreadable_record() {
    let environment = TestEnvironment::with_backups();
    let id = environment.id_of("00-base.snapshot");
    let record = environment.repository().join("backups").join(id).join("0000000000");
    let text = fs::read_to_string(&record).unwrap().replacen("snapshot", "snopshat", 1);
    fs::write(record, text).unwrap();
    let ran = environment.run(&["forget", "--keep-last", "3", "--collection", "notes"]);
    environment.assert_error_masked(&ran, 4, &[Hashes], expect![[r#"
        full node 4831547486316841
          keep  <bkup-1>  2026-11-20T16:35:00Z  full.snapshot  last 1
        collection notes node 4831547486316841
          keep  <bkup-2>  2026-11-20T16:33:00Z  03-delete-33pct-vacuum.snapshot  last 1
          keep  <bkup-3>  2026-11-20T16:32:00Z  02-payload-3pct.snapshot  last 2
          keep  <bkup-4>  2026-11-20T16:31:00Z  01-insert-5pct.snapshot  last 3
        --- stderr
        warning: a record cannot be read: object backups/<backup-5>/0000000000 in <here>/repository cannot be used: record fails its checksum: recorded <hash>, computed <hash>
        error: some records cannot be read, so nobody knows what the others are to them
          backups/<backup-5>/0000000000
          nothing was forgotten

        hint: run "vectar check" to see which ones
        --- exit 4
    "#]]);
    assert_eq!(environment.backups().len(), 9);
}

/// Forgetting writes before it removes. The ids are put where the test sees them: the disk is mounted for the process alone.
#[test]
fn a_full_disk() {
    let environment = TestEnvironment::new();
    environment.snapshots("notes");
    fs::create_dir(environment.repository()).unwrap();
    let script = r#"
        mount -t tmpfs -o size=3m none repository || exit 99
        "$0" init -q >/dev/null 2>&1 || exit 98
        "$0" ingest -q notes >/dev/null 2>&1 || exit 97
        mkdir seen
        cp -r repository/backups seen
        dd if=/dev/zero of=repository/fill bs=4096 >/dev/null 2>&1
        "$0" forget -q --keep-last 2 --yes
        code=$?
        "$0" check -q --read-data >/dev/null 2>&1 || exit 96
        test "$("$0" list --json | wc -l)" = 4 || exit 95
        exit $code
    "#;
    let mut command = environment.command_of(&PathBuf::from("unshare"));
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_vectar")]);
    let ran = match command.output() {
        Ok(output) => environment.finish(output),
        Err(error) => return skipped(&format!("unshare cannot be run: {error}")),
    };
    if ran.stderr.starts_with("unshare:") || ran.code == Some(99) {
        return skipped(&format!("no disk of its own can be mounted here: {}", ran.stderr.trim()));
    }
    environment.assert_error(
        &without_temp_name(ran),
        1,
        expect![[r#"
        collection notes node 4831547486316841
          keep    <bkup-1>  2026-11-20T16:33:00Z  03-delete-33pct-vacuum.snapshot  last 1
          keep    <bkup-2>  2026-11-20T16:32:00Z  02-payload-3pct.snapshot         last 2
          forget  <bkup-3>  2026-11-20T16:31:00Z  01-insert-5pct.snapshot          no rule keeps it
          forget  <bkup-4>  2026-11-20T16:30:00Z  00-base.snapshot                 no rule keeps it
        --- stderr
        error: cannot forget backup <bkup-3>
          cannot write <here>/repository/tmp/<name>
          No space left on device (os error 28)
          0 backups forgotten before it; this one and the others stay

        hint: run "vectar prune" first: it gives the reserve up
        --- exit 1
    "#]],
    );
}
