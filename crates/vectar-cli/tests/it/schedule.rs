//! Without a daemon: sources that are deleted, limits that alert, and what runs the jobs.

use std::{fs, process::Command};

use expect_test::expect;
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
        ExecStart=/usr/local/bin/vectar ingest --quiet --node "n 1%%" --delete-source --keep-source 1 -- /var/lib/qdrant/snapshots
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
        ProtectHome=yes
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
            "ExecStart=/usr/local/bin/vectar ingest --quiet --node \"n 1%%\" --delete-source --keep-source 1 -- /var/lib/qdrant/snapshots",
            "ExecStart=/usr/local/bin/vectar forget --quiet --keep-daily 14 --keep-weekly 8 --keep-monthly 12",
            "ExecStart=/usr/local/bin/vectar prune --quiet",
            "ExecStart=/usr/local/bin/vectar check --quiet --read-data-subset 5%%",
            "ExecStart=/usr/local/bin/vectar drill --engine --quiet --budget 2h --report /var/lib/vectar/reports",
            "ExecStart=/usr/local/bin/vectar status --quiet --max-age 26h --max-proof-age 8d",
        ]
    "#]].assert_debug_eq(&commands);
    for arguments in [["-r", "repository", "generate", "systemd", "/s"], ["-r", "/r", "generate", "systemd", "s"]] {
        assert_eq!(environment.run(&arguments).code, Some(2));
    }
}

/// What systemd itself says of them, and that every command line in them is one.
#[test]
fn units_are_what_systemd_takes() {
    let environment = TestEnvironment::new();
    let program = env!("CARGO_BIN_EXE_vectar");
    environment.stdout(&[
        "-r",
        "/mnt/nas/a b",
        "generate",
        "systemd",
        "/var/lib/qdrant",
        "--program",
        program,
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
fn cron_jobs_are_yaml_and_their_commands_exist() {
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
              template:
                spec:
                  restartPolicy: Never
                  # SIGTERM stops it where nothing is half-done.
                  terminationGracePeriodSeconds: 120
                  automountServiceAccountToken: false
                  securityContext:
                    runAsNonRoot: true
                    runAsUser: 1000
                    runAsGroup: 1000
                    fsGroup: 1000
                    fsGroupChangePolicy: OnRootMismatch
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
        let mut arguments: Vec<&str> = container["args"].as_vec().unwrap().iter().filter_map(Yaml::as_str).collect();
        arguments.insert(arguments.len() - usize::from(arguments.contains(&"--")) * 2, "--help");
        assert_eq!(environment.run(&arguments).code, Some(0), "{arguments:?}");
    }
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
