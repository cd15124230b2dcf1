//! Without a daemon: sources that are deleted, limits that alert, and what runs the jobs.

use std::{fs, path::Path, process::Command};

use expect_test::expect;
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use vectar_testkit::fixtures::skipped;
use yaml_rust2::{Yaml, YamlLoader};

use crate::{
    environment::{TestEnvironment, names},
    redact::Mask::Sizes,
};

#[test]
fn sources_are_deleted_once_they_are_verified_and_the_newest_stays() {
    let environment = TestEnvironment::with_repository();
    environment.snapshots("notes");
    environment
        .write("notes/00-base.snapshot.checksum", "737222b51df4ed9372a7b5f05a3d834781cb4663f8caad6510ca45a911b294de");
    environment.write("notes/later.snapshot.tmp", "still written");
    environment.check_masked(
        &["ingest", "--quiet", "--delete-source", "notes", "--keep-source", "2"],
        &[Sizes],
        expect![[r#"
            stored 00-base.snapshot as <bkup-1>: collection, <size>, <size> new
            stored 01-insert-5pct.snapshot as <bkup-2>: collection, <size>, <size> new
            stored 02-payload-3pct.snapshot as <bkup-3>: collection, <size>, <size> new
            stored 03-delete-33pct-vacuum.snapshot as <bkup-4>: collection, <size>, <size> new
            deleted notes/00-base.snapshot: backup <bkup-1> is verified
            deleted notes/01-insert-5pct.snapshot: backup <bkup-2> is verified
            --- exit 0
        "#]],
    );
    let left = ["02-payload-3pct.snapshot", "03-delete-33pct-vacuum.snapshot", "later.snapshot.tmp"];
    assert_eq!(names(&environment.path("notes")), left);
    // What is stored already goes too, once it is verified again; one newest stays unless that is said otherwise.
    environment.stdout(&["ingest", "-q", "--delete-source", "notes"]);
    assert_eq!(names(&environment.path("notes")), left[1..]);
    environment.stdout(&["ingest", "-q", "--delete-source", "--keep-source", "0", "notes"]);
    assert_eq!(names(&environment.path("notes")), left[2..]);
    // Every one comes back.
    environment.snapshots("notes");
    for name in ["00-base", "01-insert-5pct", "02-payload-3pct", "03-delete-33pct-vacuum"] {
        let name = format!("{name}.snapshot");
        environment.stdout(&["restore", "-q", "-f", &name, "-o", "out"]);
        assert!(fs::read(environment.path("out")).unwrap() == fs::read(environment.path("notes").join(&name)).unwrap());
    }
}

#[test]
fn what_is_no_good_backup_keeps_its_source() {
    let environment = TestEnvironment::with_repository();
    let whole = environment.snapshot("notes", "00-base", "notes/cut.snapshot");
    environment.write("notes/cut.snapshot", &whole[..500_000]);
    environment.snapshot("kinds", "shard-partial", "notes/partial.snapshot");
    environment.write("notes/page.snapshot", "an error page");
    let kept = names(&environment.path("notes"));
    let ran = environment.run(&["ingest", "--allow-damaged", "--delete-source", "--keep-source", "0", "notes"]);
    assert_eq!((ran.code, names(&environment.path("notes"))), (Some(0), kept), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("its backup is damaged, partial or of unknown kind").count(), 3, "{}", ran.stderr);
    // A link is somebody else's file.
    let target = environment.snapshot("kinds", "empty", "elsewhere/empty.snapshot");
    std::os::unix::fs::symlink(environment.path("elsewhere/empty.snapshot"), environment.path("link.snapshot"))
        .unwrap();
    let ran = environment.run(&["ingest", "--delete-source", "--keep-source", "0", "link.snapshot"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(fs::read(environment.path("elsewhere/empty.snapshot")).unwrap() == target);
    let ran = environment.run(&["ingest", "--delete-source", "-"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}

#[test]
fn an_old_proof_is_a_breach() {
    let environment = TestEnvironment::with_repository();
    environment.snapshots("notes");
    environment.stdout(&["ingest", "-q", "notes"]);
    let status = ["status", "--quiet", "--max-proof-age", "1h"];
    let ran = environment.run(&status);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("collection notes node 4831547486316841: no backup was ever proven"), "{}", ran.stderr);
    environment.stdout(&["verify", "-q", "--latest", "1"]);
    assert_eq!(environment.run(&status).code, Some(0));
    let ran = environment.run(&["status", "-q", "--json", "--max-proof-age", "0s"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("\"proof_breach\":true") && ran.stderr.contains("the newest proof is"),
        "{}",
        ran.stderr
    );
}

#[test]
fn units_are_printed() {
    let environment = TestEnvironment::new();
    let text = environment.stdout(&[
        "-r",
        "/mnt/nas/vectar",
        "generate",
        "systemd",
        "/var/lib/qdrant/snapshots",
        "--user",
        "qdrant",
        "--node",
        "n 1%",
        "--keep-source",
        "1",
    ]);
    let ingest = text.split("# vectar-forget.service").next().unwrap();
    expect![[r##"
        # vectar-ingest.service
        [Unit]
        Description=vectar: store finished Qdrant snapshots
        RequiresMountsFor=/mnt/nas/vectar /var/lib/qdrant/snapshots

        [Service]
        Type=oneshot
        User=qdrant
        ExecStart=/usr/local/bin/vectar ingest --quiet "--node=n 1%%" --delete-source --keep-source 1 -- /var/lib/qdrant/snapshots
        Environment=VECTAR_REPO=/mnt/nas/vectar
        Environment=VECTAR_INDEX_DIR=/var/cache/vectar
        CacheDirectory=vectar
        CacheDirectoryMode=0700
        StateDirectory=vectar
        # SIGTERM stops it where nothing is half-done; that is no failure.
        KillSignal=SIGTERM
        TimeoutStopSec=2min
        SuccessExitStatus=130
        Nice=10
        IOSchedulingClass=idle
        NoNewPrivileges=yes
        PrivateTmp=yes
        # Empty instead of forbidden: that there is no configuration file of the user is no error.
        ProtectHome=tmpfs
        ProtectSystem=strict
        ReadWritePaths=/mnt/nas/vectar /var/lib/qdrant/snapshots

        # vectar-ingest.timer
        [Unit]
        Description=vectar: store finished Qdrant snapshots

        [Timer]
        OnCalendar=*-*-* *:15:00
        RandomizedDelaySec=5min
        Persistent=true

        [Install]
        WantedBy=timers.target

    "##]].assert_eq(ingest);
    let files = text.lines().filter(|line| line.starts_with("# vectar-")).count();
    assert_eq!(files, 12);
    let commands: Vec<&str> = text.lines().filter(|line| line.starts_with("ExecStart=")).collect();
    expect![[r#"
        [
            "ExecStart=/usr/local/bin/vectar ingest --quiet \"--node=n 1%%\" --delete-source --keep-source 1 -- /var/lib/qdrant/snapshots",
            "ExecStart=/usr/local/bin/vectar forget --quiet --keep-within 8d --keep-daily 14 --keep-weekly 8 --keep-monthly 12",
            "ExecStart=/usr/local/bin/vectar prune --quiet",
            "ExecStart=/usr/local/bin/vectar check --quiet --read-data-subset 5%%",
            "ExecStart=/usr/local/bin/vectar drill --engine --quiet --budget 2h --scratch /var/cache/vectar --report /var/lib/vectar/reports",
            "ExecStart=/usr/local/bin/vectar status --quiet --max-age 26h --max-proof-age 8d",
        ]
    "#]].assert_debug_eq(&commands);
}

/// What services do not see (`systemd.exec(5)`, `ProtectHome=` and `PrivateTmp=`).
const HIDDEN: [&str; 5] = ["/home", "/root", "/run/user", "/tmp", "/var/tmp"];

#[test]
fn what_no_unit_could_use_is_refused() {
    let environment = TestEnvironment::new();
    let refused = |arguments: &[&str]| {
        let ran = environment.run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}: {}", ran.stderr);
        ran.stderr
    };
    let of = |repository: &str, snapshots: &str, program: &str| {
        let said = refused(&["-r", repository, "generate", "systemd", snapshots, "--program", program]);
        assert!(said.contains("cannot be used\n"), "{said}");
        said
    };
    // What means something else elsewhere.
    for odd in ["relative", "/srv/../elsewhere", "/r\nExecStart=/bin/sh"] {
        for [repository, snapshots, program] in [[odd, "/s", "/p"], ["/r", odd, "/p"], ["/r", "/s", odd]] {
            of(repository, snapshots, program);
        }
    }
    // What is hidden from a service.
    for place in HIDDEN {
        let inside = format!("{place}/qdrant");
        for [repository, snapshots, program] in [[&inside, "/s", "/p"], ["/r", &inside, "/p"], ["/r", "/s", &inside]] {
            let said = of(repository, snapshots, program);
            assert!(said.contains("the services do not see"), "{said}");
        }
    }
    // What the commands themselves would refuse, each night.
    let (systemd, cronjob) = (["-r", "/r", "generate", "systemd", "/s"], ["generate", "cronjob", "--image", "vectar"]);
    for options in [
        ["--max-age", "26"],
        ["--max-proof-age", "1 month"],
        ["--keep-within", "soon"],
        ["--drill-budget", "2 hours ago"],
        ["--keep-free", "much"],
        ["--node", ""],
        ["--node", "n1\nUser=root"],
    ] {
        refused(&[&systemd[..], &options].concat());
        refused(&[&cronjob[..], &options].concat());
    }
    for user in ["", "-u", "a b", "a:b", "q\nUser=root"] {
        refused(&[&systemd[..], &[&format!("--user={user}")]].concat());
    }
    refused(&["generate", "cronjob", "--image", ""]);
}

/// The words of a command line in a unit, as systemd splits them (`systemd.service(5)`, "Command lines"; `systemd.unit(5)`, "Specifiers").
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut characters) = (Vec::new(), String::new(), false, line.chars().peekable());
    while let Some(one) = characters.next() {
        match one {
            '"' => quoted = !quoted,
            '\\' => word.extend(characters.next()),
            '%' | '$' => {
                assert_eq!(characters.next(), Some(one), "a specifier or variable in {line}");
                word.push(one);
            }
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            one => word.push(one),
        }
    }
    words.push(word);
    assert!(!quoted && words.iter().all(|word| !word.is_empty()), "{line}");
    words
}

/// The command lines of all units, without the program.
fn commands(units: &str) -> Vec<Vec<String>> {
    let lines = units.lines().filter_map(|line| line.strip_prefix("ExecStart="));
    lines.map(|line| words(line).split_off(1)).collect()
}

/// Runs what jobs run: in a repository with backups, all of which are proven.
fn run_jobs(jobs: Vec<Vec<String>>) {
    let environment = TestEnvironment::with_backups();
    let profile = "[profiles.nas]\ncluster = \"prod\"\n";
    let config = environment.write("config.toml", profile);
    environment.stdout(&["verify", "-q", "--latest", "1"]);
    assert_eq!(jobs.len(), 6);
    for mut job in jobs {
        for word in &mut job {
            match word.as_str() {
                "/srv/snapshots" | "/snapshots" => *word = "notes".to_owned(),
                other if other.starts_with("--config=") => *word = format!("--config={}", config.display()),
                _ => {}
            }
        }
        // Nobody needs an engine to see whether the words are understood.
        let has_drill = job.iter().any(|word| word == "drill");
        job.extend(has_drill.then(|| "-n".to_owned()));
        let ran = environment.run(&job.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(ran.code, Some(0), "{job:?}: {}", ran.stderr);
    }
}

/// Ages that fixtures of any day keep, and whatever else can be said, in words that units must quote.
const OPTIONS: [&str; 12] = [
    "--max-age",
    "1000000h",
    "--keep-within",
    "1000000h",
    "--node=-n \"1\\\" 5% $HOME; x",
    "--keep-free",
    "1 MiB",
    "--keep-source=1",
    "--threads",
    "2",
    "--memory",
    "400MiB",
];

/// systemd does not look into the command lines; vectar itself must take every one of them.
#[test]
fn every_command_line_of_the_units_does_its_job() {
    let environment = TestEnvironment::new();
    let generate = |place: &TempDir| {
        let config = place.path().join("vectar.toml");
        fs::write(&config, "[profiles.nas]\nrepo = \"/srv/repository\"\n").unwrap();
        let mut command = environment.command();
        command.env_remove("VECTAR_REPO").arg("--config").arg(&config).args([
            "--profile",
            "nas",
            "generate",
            "systemd",
        ]);
        command.args(["/srv/snapshots", "--program", "/opt/vec tar"]).args(OPTIONS);
        (environment.finish(command.output().unwrap()), config)
    };
    let (hidden, _) = generate(&tempfile::tempdir_in("/tmp").unwrap());
    assert_eq!(hidden.code, Some(2), "{}", hidden.stderr);
    assert!(hidden.stderr.contains("the services do not see"), "{}", hidden.stderr);
    let Some(place) = visible_directory() else { return skipped("there is no directory that a service sees") };
    let (ran, config) = generate(&place);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let jobs = commands(&ran.stdout);
    assert!(ran.stdout.contains("Environment=VECTAR_REPO=/srv/repository\n"), "{}", ran.stdout);
    assert!(jobs[0].iter().any(|word| word == OPTIONS[4]), "{:?}", jobs[0]);
    for job in &jobs {
        let global = [format!("--config={}", config.display()), "--profile=nas".into(), "--threads=2".into()];
        assert!(global.iter().all(|option| job.contains(option)), "{job:?}");
    }
    run_jobs(jobs);
}

/// A directory that a service sees.
fn visible_directory() -> Option<TempDir> {
    let places = [Path::new(env!("CARGO_TARGET_TMPDIR")), Path::new("/dev/shm")];
    let mut visible = places.into_iter().filter(|place| !HIDDEN.iter().any(|hidden| place.starts_with(hidden)));
    visible.find_map(|place| tempfile::tempdir_in(place).ok())
}

/// Snapshots every other hour, and a forget each night without anybody who could say yes.
#[test]
#[expect(clippy::disallowed_methods, reason = "what is kept depends on today")]
fn forget_goes_on_unattended() {
    let environment = TestEnvironment::with_repository();
    let now = Timestamp::now();
    let every_two_hours = |number: i64| (now - SignedDuration::from_hours(2 * number)).strftime("%Y-%m-%d-%H-%M-%S");
    for number in 0..120 {
        let taken = every_two_hours(number);
        environment.snapshot("kinds", "empty", &format!("new/empty-4831547486316841-{taken}.snapshot"));
    }
    environment.stdout(&["ingest", "-q", "new"]);
    let units = environment.stdout(&["-r", "/srv/repository", "generate", "systemd", "/srv/snapshots", "-q"]);
    let forget = commands(&units).into_iter().find(|job| job[0] == "forget").unwrap();
    let forget: Vec<&str> = forget.iter().map(String::as_str).collect();
    environment.stdout(&forget);
    let left = environment.backups().len();
    assert!((96..104).contains(&left), "eight days of twelve, and some of the days before: {left}");
    // It stays refused where a mistake would take nearly all.
    assert_eq!(environment.run(&["forget", "-q", "--keep-last", "1"]).code, Some(1));
}

/// What systemd itself says of them.
#[test]
fn units_are_what_systemd_takes() {
    let environment = TestEnvironment::new();
    environment.stdout(&[
        "-r",
        "/mnt/nas/a b",
        "generate",
        "systemd",
        "/var/lib/qdrant",
        "--program",
        "/bin/true",
        "--out",
        "units",
        "-q",
    ]);
    let units = names(&environment.path("units"));
    assert_eq!(units.len(), 12);
    let verify =
        Command::new("systemd-analyze").arg("verify").args(&units).current_dir(environment.path("units")).output();
    let Ok(verify) = verify else { return skipped("systemd-analyze is not here") };
    let said = String::from_utf8_lossy(&verify.stderr);
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("vectar-")).collect();
    assert!(verify.status.success() && ours.is_empty(), "{said}");
}

#[test]
fn cron_jobs_are_yaml() {
    let environment = TestEnvironment::new();
    let text = environment.stdout(&[
        "generate",
        "cronjob",
        "--image",
        "registry/vectar:1",
        "--namespace",
        "qdrant",
        "--keep-source",
        "1",
    ]);
    expect![[r##"
        # vectar: store finished Qdrant snapshots
        apiVersion: batch/v1
        kind: CronJob
        metadata:
          name: vectar-ingest
          namespace: "qdrant"
        spec:
          schedule: "15 * * * *"
          concurrencyPolicy: Forbid
          startingDeadlineSeconds: 3600
          successfulJobsHistoryLimit: 1
          failedJobsHistoryLimit: 3
          jobTemplate:
            spec:
              backoffLimit: 0
              # Stopped by SIGTERM, as when a node is drained, it has not failed: another pod takes its place.
              podFailurePolicy:
                rules:
                  - {action: Ignore, onExitCodes: {containerName: vectar, operator: In, values: [130]}}
              template:
                spec:
                  restartPolicy: Never
                  terminationGracePeriodSeconds: 120
                  automountServiceAccountToken: false
                  securityContext:
                    runAsNonRoot: true
                    runAsUser: 1000
                    runAsGroup: 1000
                    supplementalGroups: [1000]
                    seccompProfile: {type: RuntimeDefault}
                  containers:
                    - name: vectar
                      image: "registry/vectar:1"
                      command: ["vectar"]
                      args: ["ingest","--quiet","--delete-source","--keep-source","1","--","/snapshots"]
                      env:
                        - {name: VECTAR_REPO, value: /repository}
                        - {name: VECTAR_INDEX_DIR, value: /cache}
                      securityContext:
                        allowPrivilegeEscalation: false
                        readOnlyRootFilesystem: true
                        capabilities: {drop: [ALL]}
                      volumeMounts:
                        - {name: repository, mountPath: /repository}
                        - {name: cache, mountPath: /cache}
                        - {name: tmp, mountPath: /tmp}
                        - {name: snapshots, mountPath: /snapshots}
                  volumes:
                    - {name: repository, persistentVolumeClaim: {claimName: "vectar-repository"}}
                    - {name: cache, persistentVolumeClaim: {claimName: "vectar-cache"}}
                    - {name: snapshots, persistentVolumeClaim: {claimName: "qdrant-snapshots"}}
                    - {name: tmp, emptyDir: {}}
    "##]]
    .assert_eq(text.split("---\n").next().unwrap());
    let jobs = YamlLoader::load_from_str(&text).unwrap();
    let name = |job: &Yaml| job["metadata"]["name"].as_str().unwrap().to_owned();
    let jobs_named: Vec<String> = jobs.iter().map(name).collect();
    assert_eq!(
        jobs_named,
        ["ingest", "forget", "prune", "check", "drill", "status"].map(|job| format!("vectar-{job}"))
    );
    for job in &jobs {
        let spec = &job["spec"];
        assert_eq!((job["kind"].as_str(), spec["concurrencyPolicy"].as_str()), (Some("CronJob"), Some("Forbid")));
        let pod = &spec["jobTemplate"]["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"].as_bool(), Some(true));
        let variables: Vec<&str> =
            container["env"].as_vec().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
        assert_eq!(variables, ["VECTAR_REPO", "VECTAR_INDEX_DIR"]);
        let volumes = pod["volumes"].as_vec().unwrap();
        for mount in container["volumeMounts"].as_vec().unwrap() {
            assert!(volumes.iter().any(|volume| volume["name"] == mount["name"]), "{mount:?}");
        }
        let is_ingest = name(job) == "vectar-ingest";
        let groups = &pod["securityContext"];
        assert_eq!(
            (groups["fsGroup"].is_badvalue(), groups["supplementalGroups"].is_badvalue()),
            (is_ingest, !is_ingest)
        );
        // What it says of SIGTERM holds only where no pod is started again in place (batch/v1, JobSpec).
        assert_eq!(pod["restartPolicy"].as_str(), Some("Never"));
        let [rule] = &spec["jobTemplate"]["spec"]["podFailurePolicy"]["rules"].as_vec().unwrap()[..] else {
            panic!("one rule")
        };
        let codes = &rule["onExitCodes"];
        assert_eq!((rule["action"].as_str(), codes["values"][0].as_i64()), (Some("Ignore"), Some(130)));
        assert_eq!((codes["operator"].as_str(), &codes["containerName"]), (Some("In"), &container["name"]));
    }
}

/// The arguments of all jobs, as the container gets them.
fn cron_jobs(text: &str) -> Vec<Vec<String>> {
    let documents = YamlLoader::load_from_str(text).unwrap();
    let jobs = documents.iter().filter(|document| document["kind"].as_str() == Some("CronJob"));
    let container = |job: &Yaml| job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0].clone();
    let words = |container: Yaml| -> Vec<String> {
        container["args"].as_vec().unwrap().iter().map(|word| word.as_str().unwrap().replace("$$", "$")).collect()
    };
    jobs.map(container).map(words).collect()
}

/// With all that the profile says: in a pod there is no other file to read it from.
#[test]
fn every_command_of_the_cron_jobs_does_its_job_and_the_profile_goes_along() {
    let environment = TestEnvironment::new();
    let id = "2b836eae963c77e587d9134f1886e97c";
    environment.write(
        "vectar.toml",
        format!("[profiles.nas]\nrepo = \"/mnt\"\nrepository_id = \"{id}\"\ncluster = \"prod\"\nnode = \"n1\"\ntags = [\"a\"]\n"),
    );
    let generate = ["--config", "vectar.toml", "--profile", "nas", "generate", "cronjob", "--image", "vectar"];
    let text = environment.stdout(&[&generate[..], &OPTIONS].concat());
    let documents = YamlLoader::load_from_str(&text).unwrap();
    assert_eq!((documents.len(), documents[0]["kind"].as_str()), (7, Some("ConfigMap")));
    let mut lines: Vec<&str> = documents[0]["data"]["config.toml"].as_str().unwrap().lines().collect();
    lines.sort();
    let pinned = format!("repository_id = \"{id}\"");
    assert_eq!(lines, ["[profiles.nas]", "cluster = \"prod\"", "node = \"n1\"", &pinned, "tags = [\"a\"]"]);
    for job in &documents[1..] {
        let pod = &job["spec"]["jobTemplate"]["spec"]["template"]["spec"];
        let config = pod["volumes"].as_vec().unwrap().iter().find(|volume| volume["name"].as_str() == Some("config"));
        assert_eq!(config.unwrap()["configMap"]["name"], documents[0]["metadata"]["name"]);
    }
    let jobs = cron_jobs(&text);
    assert!(jobs.iter().all(|job| job[..2] == ["--config=/etc/vectar/config.toml", "--profile=nas"]), "{jobs:?}");
    run_jobs(jobs);
}

/// As in a pod: no home, nothing but the volumes may be written, SIGTERM is no failure of the repository.
#[test]
fn no_home_is_needed() {
    let environment = TestEnvironment::with_backups();
    fs::remove_dir_all(environment.home().join(".cache")).unwrap();
    for arguments in [
        &["ingest", "--quiet", "--", "notes"][..],
        &["forget", "--quiet", "--keep-daily", "14", "--yes"],
        &["prune", "--quiet"],
        &["check", "--quiet", "--read-data-subset", "5%"],
        &["status", "--quiet", "--max-age", "100000h"],
        &["drill", "--engine", "-n"],
    ] {
        let mut command = environment.command();
        command.env_remove("HOME").env("VECTAR_INDEX_DIR", environment.path("cache")).args(arguments);
        let ran = environment.finish(command.output().unwrap());
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.stderr);
    }
    assert_eq!(names(&environment.home()), [""; 0]);
}
