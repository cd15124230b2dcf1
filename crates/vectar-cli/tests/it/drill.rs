//! Drills: what Qdrant's own engine says of what comes back, and what is said and left when it cannot be asked.
//!
//! The engine is the testkit's; where it cannot be had, what needs it says so and counts as skipped.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use expect_test::expect;
use serde_json::Value;
use vectar_testkit::{
    edge,
    fixtures::{FixtureSnapshot, series, shared_series, skipped, truth},
};

use crate::{
    environment::{Ran, TestEnvironment, names},
    redact::Mask,
};

/// A machine with backups, and an engine.
struct Ground {
    environment: TestEnvironment,
    python: PathBuf,
}

impl Ground {
    fn with(environment: TestEnvironment) -> Option<Self> {
        let python = edge::python(edge::NEWEST)?;
        fs::create_dir(environment.path("scratch")).unwrap();
        Some(Self { environment, python })
    }

    /// `drill --engine` with the testkit's Python, in a scratch directory of its own.
    fn drill(&self, arguments: &[&str]) -> Ran {
        let ran = self.environment.finish(self.command(arguments).output().unwrap());
        assert_eq!(names(&self.environment.path("scratch")), [""; 0], "nothing is left behind");
        ran
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.environment.command();
        command.args(["drill", "--engine", "--scratch", "scratch", "--python"]).arg(&self.python).args(arguments);
        command
    }
}

/// The lines of one type that a command printed.
fn lines(ran: &Ran, kind: &str) -> Vec<Value> {
    let lines = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["type"] == kind).collect()
}

/// How many points the server counted when it took a snapshot of a numbered series.
fn points_of(snapshot: &FixtureSnapshot) -> Option<u64> {
    let truth = truth(snapshot);
    let stage = truth.as_array()?.iter().find(|stage| stage["tag"] == *snapshot.name)?;
    Some(stage["points"].as_u64().expect("the truth says how many points there are"))
}

/// Whatever the engine could not be asked for: exit 14, nothing left, no proof.
fn assert_lacking(environment: &TestEnvironment, ran: &Ran, expected: expect_test::Expect) {
    environment.assert_error(ran, 14, expected);
    assert_eq!(environment.objects("proofs"), [""; 0], "nothing was proven");
    assert_eq!(names(&environment.path("scratch")), [""; 0], "nothing is left behind");
    assert!(!environment.path("engines").exists(), "{:?}", names(&environment.path("engines")));
}

#[test]
fn fixtures_of_every_kind_load_and_answer_as_their_files_say() {
    let Some(ground) = Ground::with(TestEnvironment::with_backups()) else { return };
    let ran = ground.drill(&["--all", "--report", "reports", "--json", "--quiet"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let drilled = lines(&ran, "drilled");
    let snapshots = || ["notes", "kinds"].into_iter().flat_map(series);
    // What the server counted, by the fixtures' own record; a partial snapshot is passed over.
    for snapshot in snapshots().filter(|snapshot| snapshot.name != "shard-partial") {
        let name = format!("{}.snapshot", snapshot.name);
        let line =
            drilled.iter().find(|line| line["name"] == *name).unwrap_or_else(|| panic!("{name} was not drilled"));
        if let Some(points) = points_of(&snapshot) {
            assert_eq!(line["points"], points, "{name}");
        }
        assert_eq!((&line["verdict"], &line["bytes_identical"]), (&"passed".into(), &true.into()), "{line}");
    }
    assert_eq!(drilled.len(), snapshots().count() - 1);
    let [json, markdown] = &names(&ground.environment.path("reports"))[..] else { panic!("two files") };
    let report: Value =
        serde_json::from_slice(&fs::read(ground.environment.path("reports").join(json)).unwrap()).unwrap();
    assert_eq!(report["backups"].as_array().unwrap().len(), drilled.len());
    let markdown = fs::read_to_string(ground.environment.path("reports").join(markdown)).unwrap();
    assert!(markdown.contains("8 backups drilled: 8 passed"), "{markdown}");
}

#[test]
fn a_drill_and_what_is_shown_of_it() {
    let Some(ground) = Ground::with(TestEnvironment::with_backups()) else { return };
    let environment = &ground.environment;
    let ran = ground.drill(&["notes@latest", "shard-partial.snapshot"]);
    // Every third point, from one of the first three that the clock chooses: of 574 that is 192 once and 191 twice.
    let ran = Ran { stdout: ran.stdout.replace("192 payloads, 192 vectors", "191 payloads, 191 vectors"), ..ran };
    expect![[r#"
        backup <bkup-1> (03-delete-33pct-vacuum.snapshot): bytes identical, loads in engine 0.9.0, 574 points in 1 shard
          574 ids, 191 payloads, 191 vectors, 20 exact searches; 10 of 10 searches through the index found the point itself
        --- stderr
        passing over shard-partial.snapshot: a partial snapshot loads only onto the shard it was asked for
        1 backup drilled: 1 passed; 574 points in engine 0.9.0
        --- exit 0
    "#]].assert_eq(&environment.transcript(&ran, &[]));
    let line: Value = serde_json::from_str(&environment.stdout(&["show", "notes@latest", "--json"])).unwrap();
    assert_eq!((&line["drill"]["points"], &line["drill"]["engine"]), (&574.into(), &"0.9.0".into()));
    let today = line["drill"]["at"].as_str().unwrap()[..10].to_owned();
    let status = environment.stdout(&["status", "--collection", "notes"]).replace(&today, "<today>");
    expect![[r#"
        COLLECTION  KIND  SHARD  NODE  GOOD  OTHER  AGE  SIZE  GROWTH  PROOF
        -  full  -  4831547486316841  1  0  <age>  <size>  <size>  never
        notes  collection  -  4831547486316841  4  0  <age>  <size>  <size>  bytes identical · loads in engine 0.9.0 · 574 points · <today>
    "#]].assert_eq(&environment.redact(&status, &[Mask::Sizes, Mask::Ages]));
    let shown = environment.stdout(&["show", "notes@latest"]);
    let proof = shown.lines().find(|line| line.starts_with("proof")).unwrap();
    assert!(proof.starts_with("proof        bytes identical · loads in engine 0.9.0 · 574 points · 20"), "{proof}");
    // The other backups were never drilled, and come first.
    let planned = ground.drill(&["--all", "-n", "--json", "--collection", "notes"]);
    let planned: Vec<Value> = lines(&planned, "drill-planned");
    assert_eq!(planned.last().unwrap()["name"], "03-delete-33pct-vacuum.snapshot");
    assert!(planned.last().unwrap()["drilled_at"].is_string() && planned[0]["drilled_at"].is_null());
}

#[test]
fn a_budget_ends_a_run_and_the_next_begins_with_what_is_left() {
    let Some(ground) = Ground::with(TestEnvironment::with_backups()) else { return };
    let names = ["00-base", "01-insert-5pct", "02-payload-3pct", "03-delete-33pct-vacuum"];
    let names = names.map(|name| format!("{name}.snapshot"));
    let all = names.iter().map(String::as_str).chain(["--json", "--budget", "0s"]).collect::<Vec<_>>();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let ran = ground.drill(&all);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let drilled = lines(&ran, "drilled");
        assert_eq!(drilled.len(), 1);
        assert!(ran.stderr.contains("the budget is used up"), "{}", ran.stderr);
        seen.push(drilled[0]["id"].as_str().unwrap().to_owned());
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 4, "each was drilled once");
}

#[test]
fn a_damaged_backup_fails_and_the_others_are_drilled() {
    let Some(ground) = Ground::with(TestEnvironment::with_backups()) else { return };
    let environment = &ground.environment;
    let pack = environment.base_pack();
    let mut bytes = fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&pack, bytes).unwrap();
    let ran =
        ground.drill(&["--json", "notes@latest", "00-base.snapshot", "shard-streamed.snapshot", "empty.snapshot"]);
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    let drilled = lines(&ran, "drilled");
    let verdict = |name: &str| drilled.iter().find(|line| line["name"] == name).unwrap()["verdict"].clone();
    assert_eq!(drilled.len(), 4);
    assert_eq!((verdict("00-base.snapshot"), verdict("empty.snapshot")), ("failed".into(), "passed".into()));
    let failed = drilled.iter().find(|line| line["verdict"] == "failed").unwrap();
    assert_eq!(failed["bytes_identical"], false);
    assert!(!environment.objects("proofs").contains(&failed["id"].as_str().unwrap().to_owned()));
}

/// A snapshot whose bytes come back, and which the engine refuses or contradicts: the digests are right, the drill is not.
#[test]
fn a_snapshot_that_was_bad_already_is_found_out() {
    let Some(ground) = Ground::with(TestEnvironment::with_repository()) else { return };
    let environment = &ground.environment;
    environment.changed(("notes", "00-base"), "notes/without.snapshot", |parts| {
        for path in parts.paths().iter().filter(|path| path.ends_with("payload_storage/config.json")) {
            parts.replace(path, b"{}".to_vec());
        }
    });
    environment.stdout(&["ingest", "-q", "notes", "--collection", "notes"]);
    let ran = ground.drill(&["--json", "notes@latest"]);
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    let [line] = &lines(&ran, "drilled")[..] else { panic!("one backup") };
    assert_eq!((&line["verdict"], &line["bytes_identical"]), (&"failed".into(), &true.into()), "{line}");
    assert_eq!(environment.objects("proofs"), [""; 0]);
}

#[test]
fn without_python_nothing_is_said_of_backups() {
    let environment = TestEnvironment::with_backups();
    fs::create_dir(environment.path("scratch")).unwrap();
    let drill = |path: &str, more: &[&str]| {
        let mut command = environment.command();
        command
            .args(["drill", "--engine", "--scratch", "scratch", "--engine-dir", "engines", "notes@latest"])
            .args(more);
        environment.finish(command.env("PATH", path).output().unwrap())
    };
    assert_lacking(
        &environment,
        &drill("", &[]),
        expect![[r#"
        --- stderr
        error: Qdrant's engine, qdrant-edge-py 0.9.0, is not here: no Python 3 runs as python3
          nothing is said about any backup, and none was changed; nothing was left behind

        hint: install Python 3.10 or newer with its venv module, so that python3 is found in PATH
        hint: or name one with --python INTERPRETER that has the package
        --- exit 14
    "#]],
    );
    assert_lacking(
        &environment,
        &drill("/nonexistent", &["--python", "./no/python"]),
        expect![[r#"
        --- stderr
        error: Qdrant's engine, qdrant-edge-py 0.9.0, is not here: no Python 3 runs as <here>/no/python
          No such file or directory (os error 2)
          nothing is said about any backup, and none was changed; nothing was left behind

        hint: install Python 3.10 or newer with its venv module, so that python3 is found in PATH
        hint: or name one with --python INTERPRETER that has the package
        --- exit 14
    "#]],
    );
    assert_lacking(
        &environment,
        &drill("/nonexistent", &["--python", "/bin/true"]),
        expect![[r#"
        --- stderr
        error: Qdrant's engine, qdrant-edge-py 0.9.0, is not here: no Python 3 runs as /bin/true
          it ended
          nothing is said about any backup, and none was changed; nothing was left behind

        hint: install Python 3.10 or newer with its venv module, so that python3 is found in PATH
        hint: or name one with --python INTERPRETER that has the package
        --- exit 14
    "#]],
    );
}

#[test]
fn another_version_or_none_is_named() {
    let Some(ground) = Ground::with(TestEnvironment::with_backups()) else { return };
    let ran = ground.drill(&["--engine-version", "0.8.0", "notes@latest"]);
    let python = ground.python.display().to_string();
    let plain = |ran: Ran| Ran { stderr: ran.stderr.replace(&python, "<python>"), ..ran };
    assert_lacking(
        &ground.environment,
        &plain(ran),
        expect![[r#"
        --- stderr
        error: Qdrant's engine, qdrant-edge-py 0.8.0, is not here: <python> has version 0.9.0 of it
          nothing is said about any backup, and none was changed; nothing was left behind

        hint: say --engine-version with the version that Python has, if that is the one to drill with
        hint: or leave --python out: an environment is made for each version
        --- exit 14
    "#]],
    );
    let bare = ground.environment.path("bare");
    let made = Command::new("python3").args(["-m", "venv", "--without-pip"]).arg(&bare).status().unwrap();
    assert!(made.success());
    let bare = Ground { python: bare.join("bin/python"), environment: ground.environment };
    let ran = bare.drill(&["notes@latest"]);
    assert_lacking(
        &bare.environment,
        &ran,
        expect![[r#"
        --- stderr
        error: Qdrant's engine, qdrant-edge-py 0.9.0, is not here: <here>/bare/bin/python has no such package
          No module named 'qdrant_edge'
          nothing is said about any backup, and none was changed; nothing was left behind

        hint: install the package into that Python's environment; what is installed for a user only is not seen
        hint: or leave --python out: an environment is made then, once
        --- exit 14
    "#]],
    );
    let ran = bare.drill(&["--engine-version", "0.9.0; rm", "notes@latest"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}

/// Nobody listens on port 9 of this machine.
#[test]
fn without_a_network_nothing_is_left_behind() {
    if Command::new("python3").args(["-m", "venv", "--help"]).output().is_ok_and(|output| output.status.success()) {
        let environment = TestEnvironment::with_backups();
        fs::create_dir(environment.path("scratch")).unwrap();
        let mut command = environment.command();
        command.args(["drill", "--engine", "--scratch", "scratch", "--engine-dir", "engines", "notes@latest"]);
        command.env("PIP_INDEX_URL", "http://127.0.0.1:9/").env("PIP_CONFIG_FILE", "/dev/null").env("PIP_RETRIES", "0");
        let ran = environment.finish(command.output().unwrap());
        assert_eq!(ran.code, Some(14), "{}", ran.stderr);
        assert!(ran.stderr.contains("the package cannot be installed"), "{}", ran.stderr);
        assert!(ran.stderr.contains("check that pip reaches its index"), "{}", ran.stderr);
        assert!(!environment.path("engines").exists(), "{:?}", names(&environment.path("engines")));
        assert_eq!((names(&environment.path("scratch")), environment.objects("proofs")), (vec![], vec![]));
    } else {
        skipped("python3 with venv is not here");
    }
}

/// The environment is made once, kept, and made anew when it is broken.
#[test]
fn an_environment_is_made_on_first_use() {
    if edge::python(edge::NEWEST).is_none() {
        return;
    }
    let environment = TestEnvironment::with_backups();
    let drill = |python: Option<&str>| {
        let mut command = environment.command();
        command.args(["drill", "--engine", "--engine-dir", "cache/engines", "empty.snapshot"]);
        // What the testkit's pip was told, ours is told too.
        command.envs(std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PIP_")));
        if let Some(path) = python {
            command.env("PATH", path);
        }
        environment.finish(command.output().unwrap())
    };
    let first = drill(None);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let made = environment.path("cache/engines");
    assert_eq!(names(&made), ["qdrant-edge-0.9.0"]);
    // Without a way to make one: it is there.
    assert_eq!(drill(Some("")).code, Some(0));
    let package = fs::read_dir(made.join("qdrant-edge-0.9.0/lib")).unwrap().next().unwrap().unwrap().path();
    fs::remove_dir_all(package.join("site-packages/qdrant_edge")).unwrap();
    assert_eq!(drill(Some("")).code, Some(14));
    assert_eq!(drill(None).code, Some(0));
    assert_eq!(names(&made), ["qdrant-edge-0.9.0"]);
}

/// A file system of 2 MiB takes no shard, and one of 68 MiB that others fill takes none either.
#[test]
fn a_full_disk_is_no_finding() {
    let Some(ground) = Ground::with(TestEnvironment::with_backups()) else { return };
    let script = r#"
        mount -t tmpfs -o size=$1 none scratch || exit 99
        shift; "$@"; code=$?
        ls -A scratch >&2; umount scratch; exit $code
    "#;
    let mut command = ground.environment.command_of(Path::new("unshare"));
    command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh", "2m", env!("CARGO_BIN_EXE_vectar")]);
    command.args(["drill", "--engine", "--scratch", "scratch", "--python"]).arg(&ground.python).arg("notes@latest");
    let Ok(output) = command.output() else { return skipped("unshare is not here") };
    let ran = ground.environment.finish(output);
    if ran.code == Some(99) || ran.stderr.contains("unshare") {
        return skipped("file systems cannot be mounted here");
    }
    ground.environment.assert_error_masked(
        &ran,
        1,
        &[Mask::Sizes],
        expect![[r#"
            backup <bkup-1> (03-delete-33pct-vacuum.snapshot): not drilled
              shard 0 of notes: <here>/scratch has <size> free, the drill needs 68966400
            --- stderr
            error: cannot drill backup <bkup-1> (03-delete-33pct-vacuum.snapshot)
              <here>/scratch has too little room for the drill
              free now:  <size> (<size>)
              it may need: <size> (<size>)
              nothing was left behind; nothing is said about the backup, and proofs of earlier drills stay

            hint: make room there, or name a larger directory with --scratch
            0 backups drilled: 0 passed; 1 not drilled; 0 points in engine 0.9.0
            --- exit 1
        "#]],
    );
    assert_eq!(ground.environment.objects("proofs"), [""; 0]);
}

#[test]
fn a_signal_stops_a_drill_and_leaves_nothing() {
    let Some(mut ground) = Ground::with(TestEnvironment::with_backups()) else { return };
    // An interpreter that says which engine it is, and then nothing any more.
    let silent = ground.environment.write(
        "silent",
        "#!/bin/sh\necho '{\"engine\":\"0.9.0\",\"python\":\"3\"}'\nread question && echo $$ > ../../asked\nwhile read more; do :; done\n",
    );
    fs::set_permissions(&silent, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    ground.python = silent;
    for (signal, code) in [("TERM", 130), ("KILL", -1)] {
        let mut command = ground.command(&["notes@latest"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let asked = ground.environment.path("asked");
        while !asked.exists() {
            std::thread::sleep(Duration::from_millis(20));
        }
        fs::remove_file(&asked).unwrap();
        assert!(
            Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap().success()
        );
        let ran = ground.environment.finish(child.wait_with_output().unwrap());
        assert_eq!(ran.code.unwrap_or(-1), code, "{}", ran.stderr);
        let left = names(&ground.environment.path("scratch"));
        // Who is killed leaves its directory to the next drill.
        assert_eq!(left.len(), usize::from(signal == "KILL"), "{left:?}");
    }
    let ran = ground.drill(&["--timeout", "0s", "notes@latest"]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(ran.stderr.contains("which a drill that was killed had left"), "{}", ran.stderr);
    assert!(ran.stdout.contains("unfinished"), "{}", ran.stdout);
    assert_eq!(ground.environment.objects("proofs"), [""; 0]);
}

/// What engines may do instead of answering, played by a shell: what each of it means for the backup.
#[test]
fn an_engine_that_does_not_answer_as_the_files_say() {
    let environment = TestEnvironment::with_backups();
    fs::create_dir(environment.path("scratch")).unwrap();
    for (answers, code, words) in [
        ("echo '{\"count\":573}'", 4, "the engine counts 573 points, the files hold 574"),
        (
            "echo '{\"count\":574}'; read ids; echo '{\"count\":574,\"sha256\":\"00\"}'",
            4,
            "the engine lists other ids than the files hold",
        ),
        (
            "echo '{\"error\":\"no such layout\",\"kind\":\"refused\"}'",
            4,
            "engine 0.9.0 does not load the shard: no such layout",
        ),
        ("echo oh", 4, "engine 0.9.0 does not load the shard: it answered \"oh\""),
        ("echo why >&2; exit 3", 4, "engine 0.9.0 does not load the shard: it ended with 3: why"),
        ("kill -9 $$", 3, "engine 0.9.0 was killed before it could load the shard: most often for lack of memory"),
        (
            "echo '{\"error\":\"No space left on device (os error 28)\",\"kind\":\"no-space\"}'",
            1,
            "cannot write into scratch",
        ),
        ("echo 'OSError: No space left on device' >&2; exit 1", 1, "cannot write into scratch"),
    ] {
        let answer = answers.replace('\n', "; ");
        environment.write_engine(&answers.split('\n').collect::<Vec<_>>());
        let drill = ["drill", "--engine", "--scratch", "scratch", "--python", "./engine", "notes@latest"];
        let ran = environment.run(&drill);
        let said = environment.redact(&format!("{}{}", ran.stdout, ran.stderr), &[]);
        assert_eq!(ran.code, Some(code), "{answer}: {said}");
        assert!(said.contains(words), "{answer}: {said}");
        assert_eq!((names(&environment.path("scratch")), environment.objects("proofs")), (vec![], vec![]), "{answer}");
    }
}

/// A machine whose engine finds no room for shards that are larger than 100 kB, and loads those without points.
fn with_little_room(first: &str) -> TestEnvironment {
    let environment = TestEnvironment::with_backups();
    fs::create_dir(environment.path("scratch")).unwrap();
    let no_space = r#"echo '{"error":"No space left on device","kind":"no-space"}'"#;
    environment.write_engine(&[
        &format!(
            "{first}; if [ $(wc -c < shard.snapshot) -gt 100000 ]; then {no_space}; else echo '{{\"count\":0}}'; fi"
        ),
        r#"echo '{"count":0,"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}'"#,
        "echo '{}'",
    ]);
    environment
}

/// `drill --engine` with the engine that [`TestEnvironment::write_engine`] wrote.
fn drill_with_written(environment: &TestEnvironment, arguments: &[&str]) -> Ran {
    let drill = ["drill", "--engine", "--scratch", "scratch", "--python", "./engine", "--json"];
    let ran = environment.run(&[&drill[..], arguments].concat());
    assert_eq!(names(&environment.path("scratch")), [""; 0], "nothing is left behind");
    ran
}

/// A collection that is too large for the scratch directory must not keep the others from being drilled, and both stand in the report, in
/// the very words of the lines.
#[test]
fn what_cannot_be_drilled_does_not_stop_the_others() {
    let environment = with_little_room(":");
    let ran = drill_with_written(
        &environment,
        &["--report", "reports", "notes@latest", "01-insert-5pct.snapshot", "empty.snapshot"],
    );
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let drilled = lines(&ran, "drilled");
    let verdicts: BTreeMap<&str, &str> =
        drilled.iter().map(|line| (line["name"].as_str().unwrap(), line["verdict"].as_str().unwrap())).collect();
    let (some, none) = ("not-drilled", "passed");
    let expected =
        [("01-insert-5pct.snapshot", some), ("03-delete-33pct-vacuum.snapshot", some), ("empty.snapshot", none)];
    assert_eq!(verdicts, expected.into());
    assert_eq!(environment.objects("proofs").len(), 1);
    assert!(ran.stderr.contains("1 backup drilled: 1 passed; 2 not drilled"), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("hint: check that the directory exists, has room").count(), 2, "{}", ran.stderr);
    let [json, markdown] = &names(&environment.path("reports"))[..] else { panic!("two files") };
    let report: Value = serde_json::from_slice(&fs::read(environment.path("reports").join(json)).unwrap()).unwrap();
    let without_type = |line: &Value| {
        let mut line = line.as_object().unwrap().clone();
        assert!(line.remove("v").is_some() && line.remove("type").is_some());
        Value::Object(line)
    };
    assert_eq!(report["backups"], Value::Array(drilled.iter().map(without_type).collect()));
    let markdown = fs::read_to_string(environment.path("reports").join(markdown)).unwrap();
    let not_drilled = markdown.split("## Not drilled").nth(1).expect("it says what was not drilled");
    assert_eq!(not_drilled.matches("shard 0 of notes: cannot write into scratch").count(), 2, "{markdown}");
}

/// Damage outranks what kept others from being drilled, and what keeps the report from being written.
#[test]
fn damage_that_was_found_is_what_the_process_ends_with() {
    for (spoil, code) in [(":", 1), ("rm -rf ../../reports", 1), ("rm -rf ../../reports", 4)] {
        let environment = with_little_room(spoil);
        if code == 4 {
            let pack = environment.base_pack();
            let mut bytes = fs::read(&pack).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(&pack, bytes).unwrap();
        }
        let ran = drill_with_written(
            &environment,
            &["--report", "reports", "shard.snapshot", "00-base.snapshot", "empty.snapshot"],
        );
        assert_eq!((ran.code, lines(&ran, "drilled").len()), (Some(code), 3), "{spoil}: {}", ran.stderr);
        let is_written = environment.path("reports").exists();
        assert_eq!((is_written, ran.stderr.contains("into reports")), (spoil == ":", spoil != ":"), "{}", ran.stderr);
    }
}

/// Nobody wants to hear of it after two hours.
#[test]
fn a_report_that_cannot_be_written_is_noticed_before_the_first_drill() {
    let environment = with_little_room(":");
    environment.write("taken", "a file");
    let ran = drill_with_written(&environment, &["--report", "taken", "empty.snapshot"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("cannot create taken"), "{}", ran.stderr);
    assert_eq!(environment.objects("proofs"), [""; 0]);
}

/// A share that is not mounted any more says nothing about a backup, although all packs seem to be missing.
#[test]
fn a_repository_that_goes_away_ends_the_run() {
    let environment = with_little_room("mv ../../repository ../../away");
    let ran = drill_with_written(&environment, &["--report", "reports", "--all"]);
    let drilled = lines(&ran, "drilled");
    assert_eq!(ran.code, Some(10), "{}", ran.stderr);
    assert!(drilled.iter().all(|line| line["verdict"] != "failed"), "{}", ran.stdout);
    assert!(ran.stderr.contains("there is no vectar repository"), "{}", ran.stderr);
}

/// All series: each backup loads, and has as many points as the server counted.
#[test]
fn shared_series_load_as_the_server_counted() {
    let mut compared = 0;
    for name in ["articles", "mixed", "uuid"] {
        let Some(snapshots) = shared_series(name) else { return };
        let Some(ground) = Ground::with(TestEnvironment::with_repository()) else { return };
        for snapshot in &snapshots {
            let path = snapshot.path.to_str().unwrap();
            ground.environment.stdout(&["ingest", "-q", "--collection", name, path]);
        }
        let ran = ground.drill(&["--all", "--json", "--quiet"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let drilled = lines(&ran, "drilled");
        assert_eq!(drilled.len(), snapshots.len());
        for snapshot in &snapshots {
            let file = snapshot.path.file_name().unwrap().to_str().unwrap();
            let line = drilled.iter().find(|line| line["name"] == file).unwrap();
            assert_eq!(line["points"].as_u64(), points_of(snapshot), "{name} {file}");
            compared += 1;
        }
    }
    assert_eq!(compared, 21);
}
