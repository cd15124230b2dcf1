//! Processes that are stopped: what was stored stays, nothing is half-published, the next ingest succeeds.

use std::{
    fs,
    io::Write,
    os::unix::process::ExitStatusExt,
    process::{Child, Command, Stdio},
};

use crate::environment::TestEnvironment;

/// An ingest that has begun and waits for more of its snapshot.
struct Waiting<'e> {
    environment: &'e TestEnvironment,
    child: Child,
    rest: Vec<u8>,
}

impl<'e> Waiting<'e> {
    fn begin(environment: &'e TestEnvironment, given: usize) -> Self {
        let bytes = fs::read(environment.path("kinds/full.snapshot")).unwrap();
        let mut command = environment.command();
        command.args(["ingest", "-", "--name", "full.snapshot"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(&bytes[..given]).unwrap();
        let waiting = Self { environment, child, rest: bytes[given..].to_vec() };
        while environment.objects("intents").is_empty() {
            std::thread::yield_now();
        }
        waiting
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Gives it the rest and waits for its end.
    fn finish(mut self) -> crate::environment::Ran {
        // It may have gone already, and then does not read.
        let _ = self.child.stdin.as_mut().unwrap().write_all(&self.rest);
        self.environment.finish(self.child.wait_with_output().unwrap())
    }
}

/// One earlier backup, and a snapshot to be stored.
fn prepared() -> TestEnvironment {
    let environment = TestEnvironment::with_repository();
    environment.snapshot("notes", "00-base", "notes/00-base.snapshot");
    environment.snapshot("kinds", "full", "kinds/full.snapshot");
    environment.stdout(&["ingest", "-q", "notes"]);
    environment
}

/// Whatever happened: what was stored is listed and comes back, and the next ingest succeeds.
fn assert_nothing_lost(environment: &TestEnvironment) {
    for line in environment.stdout(&["list", "--json"]).lines() {
        let backup: serde_json::Value = serde_json::from_str(line).unwrap();
        let (id, source) = (backup["id"].as_str().unwrap(), backup["name"].as_str().unwrap());
        environment.stdout(&["restore", "-q", "-f", id, "-o", "out"]);
        let folder = if source.starts_with("full") { "kinds" } else { "notes" };
        assert!(fs::read(environment.path("out")).unwrap() == fs::read(environment.path(folder).join(source)).unwrap());
    }
    environment.stdout(&["ingest", "-q", "kinds/full.snapshot"]);
    environment.stdout(&["restore", "-q", "-f", "full.snapshot", "-o", "out"]);
    assert!(fs::read(environment.path("out")).unwrap() == fs::read(environment.path("kinds/full.snapshot")).unwrap());
}

#[test]
fn sigterm_and_sigint_stop_cleanly() {
    for (signal, given) in [("TERM", 0), ("INT", 700_000), ("TERM", 3_067_903)] {
        let environment = prepared();
        let waiting = Waiting::begin(&environment, given);
        waiting.signal(signal);
        let ran = waiting.finish();
        assert_eq!(ran.code, Some(130), "SIG{signal} after {given} bytes: {}", ran.stderr);
        assert!(ran.stderr.starts_with("error: cannot store -\n  stopped before it was done\n"), "{}", ran.stderr);
        assert_eq!(environment.backups().len(), 1, "no record of what was not finished");
        assert_eq!(environment.objects("pending"), [""; 0]);
        assert_eq!(environment.objects("intents"), [""; 0]);
        assert_nothing_lost(&environment);
    }
}

#[test]
fn a_second_signal_ends_the_process_on_the_spot() {
    let environment = prepared();
    let mut waiting = Waiting::begin(&environment, 700_000);
    waiting.signal("TERM");
    // It waits for input that does not come; the second signal does not wait for that.
    while waiting.child.try_wait().unwrap().is_none() {
        waiting.signal("TERM");
        std::thread::yield_now();
    }
    assert_eq!(waiting.child.wait().unwrap().code(), Some(130));
    assert_eq!((environment.backups().len(), environment.objects("pending")), (1, vec![]));
    assert_nothing_lost(&environment);
}

#[test]
fn sigkill_while_the_snapshot_is_read() {
    for given in [0, 512, 700_000, 3_067_903] {
        let environment = prepared();
        let mut waiting = Waiting::begin(&environment, given);
        waiting.child.kill().unwrap();
        assert_eq!(waiting.child.wait().unwrap().signal(), Some(9));
        assert_eq!(environment.backups().len(), 1);
        assert_nothing_lost(&environment);
    }
}

/// Kills the process when it is first seen at a stage of the commit; where it is by then is luck, and what must hold is the same.
#[test]
fn sigkill_while_the_backup_is_committed() {
    type Reached = fn(&TestEnvironment, usize) -> bool;
    let stages: [(&str, Reached); 4] = [
        ("a pack in the making", |environment, _| !environment.objects("tmp").is_empty()),
        ("a new pack", |environment, packs| pack_count(environment) > packs),
        ("a pending object", |environment, _| !environment.objects("pending").is_empty()),
        ("a new record", |environment, _| environment.backups().len() > 1),
    ];
    for (stage, reached) in stages {
        let environment = prepared();
        let packs = pack_count(&environment);
        let mut waiting = Waiting::begin(&environment, 3_067_903);
        waiting.child.stdin.as_mut().unwrap().write_all(&waiting.rest).unwrap();
        drop(waiting.child.stdin.take());
        while !reached(&environment, packs) && waiting.child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        // It may have ended in the meantime.
        let _ = waiting.child.kill();
        waiting.child.wait().unwrap();
        assert!((1..=2).contains(&environment.backups().len()), "{stage}");
        assert_nothing_lost(&environment);
    }
}

fn pack_count(environment: &TestEnvironment) -> usize {
    let folders = environment.objects("packs").into_iter();
    folders.map(|folder| environment.objects(&format!("packs/{folder}")).len()).sum()
}
