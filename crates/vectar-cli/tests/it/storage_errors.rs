//! What the machine does to us: unreadable files, files that change underneath, full disks.

use std::{
    fs::{self, File},
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::SystemTime,
};

use expect_test::{Expect, expect};
use vectar_testkit::fixtures::skipped;

use crate::environment::TestEnvironment;

/// The user that owns nothing.
const NOBODY: u32 = 65534;

/// Long enough that a process is still reading when it is looked at; a hole, so that it takes no room.
const LONG_BYTES: u64 = 256 << 20;

#[test]
fn a_file_that_may_not_be_read() {
    let environment = TestEnvironment::with_repository();
    environment.snapshot("kinds", "empty", "kinds/a.snapshot");
    let path = environment.path("kinds/a.snapshot");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).unwrap();
    let mut command = environment.command();
    // The superuser may read everything: somebody else runs the program then, who owns the place.
    if File::open(&path).is_ok() {
        give_away(&environment.path(".."));
        let program = environment.path("vectar");
        fs::copy(env!("CARGO_BIN_EXE_vectar"), &program).unwrap();
        command = environment.command_of(&program);
        command.uid(NOBODY).gid(NOBODY);
        chown(&path, Some(0), Some(0)).unwrap();
    }
    let before = environment.tree();
    let output = match command.args(["ingest", "kinds/a.snapshot"]).output() {
        Ok(output) => output,
        Err(error) => return skipped(&format!("no other user can run the program here: {error}")),
    };
    assert_eq!(environment.tree(), before);
    environment.assert_error(
        &environment.finish(output),
        1,
        expect![[r#"
        --- stderr
        error: cannot store kinds/a.snapshot
          cannot open kinds/a.snapshot
          Permission denied (os error 13)
          no backup was stored; those in the repository are as they were

        hint: check that the file exists and that this user may read it
        --- exit 1
    "#]],
    );
}

/// Makes everything below a folder nobody's.
fn give_away(folder: &Path) {
    chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => give_away(&path),
            false => chown(path, Some(NOBODY), Some(NOBODY)).unwrap(),
        }
    }
}

#[test]
fn a_file_that_shrinks_while_it_is_read() {
    check_change(
        |file| file.set_len(1 << 20).unwrap(),
        expect![[r#"
            --- stderr
            error: cannot store long.snapshot
              long.snapshot changed while it was read: it had 268435456 bytes and now ends at <somewhere>
              no backup was stored; what was written before is used by the next try

            hint: wait until Qdrant has finished the snapshot (no .tmp beside it), then ingest it again
            --- exit 1
        "#]],
    );
}

#[test]
fn a_file_that_is_written_while_it_is_read() {
    check_change(
        |file| file.set_modified(SystemTime::UNIX_EPOCH).unwrap(),
        expect![[r#"
        --- stderr
        error: cannot store long.snapshot
          long.snapshot changed while it was read: its modification time moved
          no backup was stored; what was written before is used by the next try

        hint: wait until Qdrant has finished the snapshot (no .tmp beside it), then ingest it again
        --- exit 1
    "#]],
    );
}

#[test]
fn a_file_that_grows_while_it_is_read() {
    check_change(
        |file| file.set_len(LONG_BYTES + 1).unwrap(),
        expect![[r#"
        --- stderr
        error: cannot store long.snapshot
          long.snapshot changed while it was read: it had 268435456 bytes and now has 268435457
          no backup was stored; what was written before is used by the next try

        hint: wait until Qdrant has finished the snapshot (no .tmp beside it), then ingest it again
        --- exit 1
    "#]],
    );
}

/// Ingests a long file, changes it while it is read, and expects an error and no new backup.
fn check_change(change: impl FnOnce(&File), expected: Expect) {
    let environment = TestEnvironment::with_repository();
    let file = File::create(environment.path("long.snapshot")).unwrap();
    file.set_len(LONG_BYTES).unwrap();
    let mut child = spawn_ingest(&environment, "long.snapshot");
    assert!(wait_for(&environment, "intents", &mut child), "the ingest ended before it could be disturbed");
    change(&file);
    let ran = environment.finish(child.wait_with_output().unwrap());
    let plain = without_end(&environment.transcript(&ran, &[]));
    expected.assert_eq(&plain);
    assert_eq!((ran.code, environment.backups()), (Some(1), vec![]));
    assert_eq!((environment.objects("pending"), environment.objects("intents")), (vec![], vec![]));
}

/// Where a reader meets the new end of a file is a matter of luck.
fn without_end(text: &str) -> String {
    let plain = |line: &str| match line.split_once(" and now ends at ") {
        Some((start, _)) => format!("{start} and now ends at <somewhere>"),
        None => line.to_owned(),
    };
    text.lines().map(|line| plain(line) + "\n").collect()
}

fn spawn_ingest(environment: &TestEnvironment, name: &str) -> Child {
    let mut command = environment.command();
    command.args(["ingest", name]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until something lies in a folder of the repository; `false` when the process ended first.
fn wait_for(environment: &TestEnvironment, folder: &str, child: &mut Child) -> bool {
    while environment.objects(folder).is_empty() {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

/// A disk of one megabyte in a mount namespace of its own: nothing to clean up, and no superuser needed where namespaces are allowed.
#[test]
fn a_full_disk() {
    let environment = TestEnvironment::new();
    environment.snapshot("kinds", "empty", "kinds/empty.snapshot");
    environment.snapshot("kinds", "full", "kinds/full.snapshot");
    fs::create_dir(environment.repository()).unwrap();
    let script = r#"
        mount -t tmpfs -o size=1m none repository || exit 99
        "$0" init -q >/dev/null 2>&1 || exit 98
        "$0" ingest -q kinds/empty.snapshot >/dev/null 2>&1 || exit 97
        find repository -type f | sort | xargs sha256sum > before
        "$0" ingest kinds/full.snapshot
        code=$?
        find repository -type f | sort | xargs sha256sum > after
        cmp before after || exit 96
        "$0" restore -q empty.snapshot -o restored.snapshot >/dev/null 2>&1 || exit 95
        exit $code
    "#;
    let mut command = environment.command_of(&PathBuf::from("unshare"));
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_vectar")]);
    let ran = match command.output() {
        Ok(output) => environment.finish(output),
        Err(error) => return skipped(&format!("unshare cannot be run: {error}")),
    };
    let refused = ran.stderr.starts_with("unshare:") || ran.code == Some(99);
    if refused {
        return skipped(&format!("no disk of its own can be mounted here: {}", ran.stderr.trim()));
    }
    environment.assert_error(
        &without_temp_name(ran),
        1,
        expect![[r#"
        --- stderr
        error: cannot store kinds/full.snapshot
          cannot write <here>/repository/tmp/<name>
          No space left on device (os error 28)
          no backup was stored; those in the repository are as they were

        hint: make room on the storage, then try again
        --- exit 1
    "#]],
    );
    let restored = environment.path("restored.snapshot");
    assert_eq!(fs::read(&restored).unwrap(), fs::read(environment.path("kinds/empty.snapshot")).unwrap());
    assert_eq!(fs::metadata(restored).unwrap().mode() & 0o777, 0o600);
}

/// Host and process stand in the name of a file that is not finished.
pub(crate) fn without_temp_name(mut ran: crate::environment::Ran) -> crate::environment::Ran {
    let plain = |line: &str| match line.split_once("/tmp/").filter(|_| line.contains("repository/tmp/")) {
        Some(_) => format!(
            "{}/tmp/<name>",
            line.split("/tmp/").take(line.matches("/tmp/").count()).collect::<Vec<_>>().join("/tmp/")
        ),
        None => line.to_owned(),
    };
    ran.stderr = ran.stderr.lines().map(|line| plain(line) + "\n").collect();
    ran
}
