//! `prune`: the plan that is printed is the plan that is carried out.

use std::{
    io::Write,
    process::{Child, Stdio},
};

use expect_test::{Expect, expect};

use crate::{
    environment::TestEnvironment,
    redact::Mask::{Clients, Hashes, Sizes},
};

/// A repository of which three backups were forgotten.
fn forgotten() -> TestEnvironment {
    let environment = TestEnvironment::with_backups();
    environment.stdout(&["forget", "-q", "--keep-last", "1", "--yes"]);
    environment
}

fn check(environment: &TestEnvironment, arguments: &str, expected: Expect) {
    environment.check_masked(&arguments.split(' ').collect::<Vec<_>>(), &[Sizes], expected);
}

#[test]
fn marks_first_and_removes_after_the_grace() {
    let environment = forgotten();
    let before = environment.tree();
    check(
        &environment,
        "prune -n",
        expect![[r#"
        freed now  <size>, 0 packs
        freed after the grace  <size> (<size>), at <tomorrow>
        packs to mark  0 unused, 0 wasteful, 9 small
        rewritten  <size> (<size>)
        needed  <size> (<size>)
          by forgotten ones  <size> (<size>)
        --- exit 0
    "#]],
    );
    check(
        &environment,
        "prune -n --grace 0s",
        expect![[r#"
            freed now  <size>, 0 packs
            freed after the grace  <size> (<size>), at <now>
            packs to mark  2 unused, 1 wasteful, 0 small
            rewritten  <size>
            needed  <size> (<size>)
            unused, left as it is  <size> (<size>)
            unused inside chunks  <size> (<size>)
            gone for good  3 forgotten backups
            --- exit 0
        "#]],
    );
    assert_eq!(environment.tree(), before, "-n writes nothing");
    check(
        &environment,
        "prune --grace 0s",
        expect![[r#"
            freed now  <size>, 0 packs
            freed after the grace  <size> (<size>), at <now>
            packs to mark  2 unused, 1 wasteful, 0 small
            rewritten  <size>
            needed  <size> (<size>)
            unused, left as it is  <size> (<size>)
            unused inside chunks  <size> (<size>)
            gone for good  3 forgotten backups
            removed 0 packs, <size>; marked 3 packs, <size>; wrote <size>
            --- exit 0
        "#]],
    );
    check(
        &environment,
        "prune",
        expect![[r#"
            freed now  <size>, 0 packs
            freed after the grace  <size> (<size>), at <tomorrow>
            packs to mark  0 unused, 0 wasteful, 0 small
            rewritten  <size>
            needed  <size> (<size>)
            unused, left as it is  <size> (<size>)
            unused inside chunks  <size> (<size>)
            removed 0 packs, <size>; marked 0 packs, <size>; wrote <size>
            --- exit 0
        "#]],
    );
    check(
        &environment,
        "prune --grace 0s",
        expect![[r#"
            freed now  <size> (<size>), 3 packs
            freed after the grace  <size>
            packs to mark  0 unused, 0 wasteful, 0 small
            rewritten  <size>
            needed  <size> (<size>)
            unused, left as it is  <size> (<size>)
            unused inside chunks  <size> (<size>)
            removed 3 packs, <size>; marked 0 packs, <size>; wrote <size>
            --- exit 0
        "#]],
    );
    check(
        &environment,
        "prune",
        expect![[r#"
            freed now  <size>, 0 packs
            freed after the grace  <size>
            packs to mark  0 unused, 0 wasteful, 0 small
            rewritten  <size>
            needed  <size> (<size>)
            unused, left as it is  <size> (<size>)
            unused inside chunks  <size> (<size>)
            removed 0 packs, <size>; marked 0 packs, <size>; wrote <size>
            --- exit 0
        "#]],
    );
    check(
        &environment,
        "check --read-data",
        expect![[r#"
            6 backups whole; read 16 of 16 packs, <size> (<size>): <count> chunks decoded and compared
            --- exit 0
        "#]],
    );
}

#[test]
fn limits() {
    let environment = forgotten();
    check(
        &environment,
        "prune -n --grace 0s --max-unused unlimited --max-repack-size 0",
        expect![[r#"
            freed now  <size>, 0 packs
            freed after the grace  <size> (<size>), at <now>
            packs to mark  2 unused, 0 wasteful, 0 small
            rewritten  <size>
            needed  <size> (<size>)
            unused, left as it is  <size> (<size>)
            unused inside chunks  <size> (<size>)
            gone for good  3 forgotten backups
            --- exit 0
        "#]],
    );
    check(
        &environment,
        "prune -n --grace 0s --max-unused 0% --max-repack-size 1%",
        expect![[r#"
            freed now  <size>, 0 packs
            freed after the grace  <size> (<size>), at <now>
            packs to mark  2 unused, 2 wasteful, 0 small
            rewritten  <size> (<size>)
            needed  <size> (<size>)
            unused, left as it is  <size> (<size>)
            unused inside chunks  <size> (<size>)
            gone for good  3 forgotten backups
            --- exit 0
        "#]],
    );
    check(
        &environment,
        "prune -n --grace 0s --max-unused 1MiB --max-repack-size 100%",
        expect![[r#"
            freed now  <size>, 0 packs
            freed after the grace  <size> (<size>), at <now>
            packs to mark  2 unused, 0 wasteful, 0 small
            rewritten  <size>
            needed  <size> (<size>)
            unused, left as it is  <size> (<size>)
            unused inside chunks  <size> (<size>)
            gone for good  3 forgotten backups
            --- exit 0
        "#]],
    );
    check(
        &environment,
        "prune -n --max-unused 101%",
        expect![[r#"
        --- stderr
        error: invalid value '101%' for '--max-unused <LIMIT>': 101% is no percentage from 0 to 100

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
    check(
        &environment,
        "prune -n --max-repack-size much",
        expect![[r#"
        --- stderr
        error: invalid value 'much' for '--max-repack-size <LIMIT>': "much" is not a size such as 4096, 500MB or 20GiB

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
}

#[test]
fn without_grace_when_nobody_else_is_there() {
    let environment = forgotten();
    check(
        &environment,
        "prune --unsafe-no-grace -n",
        expect![[r#"
            freed now  <size> (<size>)
            packs to remove  0 marked before, 2 unused, 1 wasteful, 0 small
            rewritten  <size>
            needed  <size> (<size>)
            unused, left as it is  <size> (<size>)
            unused inside chunks  <size> (<size>)
            gone for good  3 forgotten backups
            --- exit 0
        "#]],
    );
    check(
        &environment,
        "prune --unsafe-no-grace",
        expect![[r#"
            freed now  <size> (<size>)
            packs to remove  0 marked before, 2 unused, 1 wasteful, 0 small
            rewritten  <size>
            needed  <size> (<size>)
            unused, left as it is  <size> (<size>)
            unused inside chunks  <size> (<size>)
            gone for good  3 forgotten backups
            removed 3 packs, <size>; marked 3 packs, <size>; wrote <size>
            --- exit 0
        "#]],
    );
    check(
        &environment,
        "undelete",
        expect![[r#"
        --- stderr
        nothing is forgotten
        --- exit 0
    "#]],
    );
    check(
        &environment,
        "check",
        expect![[r#"
            6 backups whole by records and recipes; 16 packs there
            --- exit 0
        "#]],
    );
}

/// An ingest that is under way when it returns.
fn ingest_under_way(environment: &TestEnvironment) -> Child {
    let mut command = environment.command();
    command.args(["ingest", "-", "--name", "slow.snapshot"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(&[7; 100_000]).unwrap();
    while environment.objects("intents").is_empty() {
        std::thread::yield_now();
    }
    child
}

#[test]
fn refuses_to_go_without_grace_while_another_client_is_there() {
    let environment = forgotten();
    let mut child = ingest_under_way(&environment);
    child.kill().unwrap();
    child.wait().unwrap();
    let ran = environment.run(&["prune", "--unsafe-no-grace"]);
    environment.assert_error_masked(
        &ran,
        1,
        &[Clients],
        expect![[r#"
        --- stderr
        error: another client, <client>, was active at <now>
          what it has just seen could be taken away from under it
          nothing was pruned; the repository was not changed

        hint: run "vectar prune" with a grace: it works beside others, and finds out which ingests are dead
        hint: wait until that client was quiet for a day, if there must be no grace
        --- exit 1
    "#]],
    );
    assert_eq!(environment.objects("condemned"), [""; 0]);
    assert_eq!(environment.run(&["prune"]).code, Some(0), "with a grace it works beside others");
}

/// What a backup needs cannot be found, so nobody knows what is needed.
#[test]
fn nothing_is_pruned_in_doubt() {
    let environment = forgotten();
    std::fs::remove_file(environment.base_pack()).unwrap();
    let before = environment.tree();
    let ran = environment.run(&["prune"]);
    assert_eq!(environment.tree(), before);
    environment.assert_error_masked(
        &ran,
        4,
        &[Hashes],
        expect![[r#"
        --- stderr
        error: nothing was pruned, because what a backup needs cannot be read
          chunk <hash> is in no pack of this repository
          nothing was marked or removed; the repository was not changed

        hint: run "vectar check" to list every backup that is hurt
        hint: run "vectar repair packs", then ingest the same snapshots again: that stores what is missing
        hint: forget hurt backups whose snapshots are gone; once their grace is over, prune needs nothing of them
        --- exit 4
    "#]],
    );
}
