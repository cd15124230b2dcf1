//! `points`, `find --id`, `find --filter` and `inspect --deep` on real snapshots: whole outputs.

use std::process::Stdio;

use expect_test::expect;
use serde_json::Value;

use crate::environment::TestEnvironment;

#[test]
fn points_of_a_file() {
    let environment = TestEnvironment::new();
    environment.snapshot("notes", "00-base", "notes/00-base.snapshot");
    environment.check(&["points", "./notes/00-base.snapshot", "--limit", "2"], expect![[r#"
        {"id":0,"payload":{"nested":{"a":{"b":0.0},"empty":[],"flag":true,"none":null,"uni":"žluťoučký 漢字 🙂"},"rank":0,"tags":["dorcri","dorcri"],"title":"vosabel fenzuzu tutu rensalo mika safenvo pihasa mitune cridorsa mibel","topic":"dorcri"}}
        {"id":1,"payload":{"nested":{"a":{"b":0.5},"empty":[],"flag":false,"none":null,"uni":"žluťoučký 漢字 🙂"},"rank":1,"tags":["tulo","tulo"],"title":"hamizu lomi pifen sami renka dortu","topic":"tulo"}}
        --- stderr
        reading file ./notes/00-base.snapshot
        --- exit 0
    "#]]);
    // The id that --offset names is the first, as in the server's scroll.
    environment.check(
        &["points", "./notes/00-base.snapshot", "--offset", "798", "--without-payload", "-q"],
        expect![[r#"
            {"id":798}
            {"id":799}
            --- exit 0
        "#]],
    );
    environment.check(
        &["points", "./notes/00-base.snapshot", "--ids", "5, 3,100000,799", "--without-payload", "--json", "-q"],
        expect![[r#"
            {"v":1,"type":"point","id":3}
            {"v":1,"type":"point","id":5}
            {"v":1,"type":"point","id":799}
            --- exit 0
        "#]],
    );
    environment.check(&["points", "./notes/00-base.snapshot", "--ids", "0", "--with-vectors", "-q"], expect![[r#"
        {"id":0,"payload":{"nested":{"a":{"b":0.0},"empty":[],"flag":true,"none":null,"uni":"žluťoučký 漢字 🙂"},"rank":0,"tags":["dorcri","dorcri"],"title":"vosabel fenzuzu tutu rensalo mika safenvo pihasa mitune cridorsa mibel","topic":"dorcri"},"vector":[-0.048510905,0.21282367,0.030407842,0.22180708,0.025579063,-0.1606301,0.13568862,-0.1008284,0.06523761,0.1845239,0.11576054,0.054957632,-0.16630572,-0.006023789,-0.11738307,0.21146782,0.08916891,0.13576919,0.17466229,0.06723513,-0.0691497,-0.013391454,-0.013806823,-0.10634678,0.020886851,-0.12878172,0.019105844,-0.04297597,-0.0016969553,0.3779547,-0.06662217,0.13747686,-0.18443023,0.075765796,0.13482128,0.041931715,-0.009920904,0.08244434,0.17154323,0.38951182,-0.18525779,0.060509752,0.20632522,0.12352055,0.24174176,0.20113215,0.018407414,0.0144208865]}
        --- exit 0
    "#]]);
    environment.check(
        &["points", "./notes/00-base.snapshot", "--count"],
        expect![[r#"
        800
        --- stderr
        reading file ./notes/00-base.snapshot
        --- exit 0
    "#]],
    );
    environment.check(
        &["points", "./notes/00-base.snapshot", "--count", "--json", "-q"],
        expect![[r#"
        {"v":1,"type":"count","points":800}
        --- exit 0
    "#]],
    );
}

#[test]
fn points_with_names_and_without_payloads() {
    let environment = TestEnvironment::new();
    environment.snapshot("catalog", "00-base", "catalog/00-base.snapshot");
    environment.check(
        &[
            "points",
            "./catalog/00-base.snapshot",
            "--ids",
            "00fac34d-7f4e-57a7-80f1-79b3fc755e29",
            "--with-vectors",
            "-q",
        ],
        expect![[r#"
            {"id":"00fac34d-7f4e-57a7-80f1-79b3fc755e29","payload":{},"vector":{"bm25":{"indices":[649,889,1473,2342,3506,3544,4412,4532],"values":[0.6307,0.2433,0.1785,0.9407,0.2785,0.4711,0.0193,0.7057]},"colbert":[[-0.2845126,0.034271955,0.24937923,0.27854422,0.48269928,-0.4957435,-0.22895142,0.4969126],[-0.0058611045,0.37578696,-0.19296558,0.10392188,-0.33034083,0.71072656,-0.0,-0.44323474],[0.25519517,0.18931103,-0.14162394,0.23679276,0.041706942,0.05040765,0.5052058,-0.75059664]],"image":[0.3010254,0.12298584,-1.2392578,0.18603516,0.37890625,-0.09802246,-0.10601807,0.32006836,0.06896973,-0.18798828,-0.18005371,0.2709961,-1.1435547,-0.52490234,-2.1191406,-0.042999268,-0.67578125,-0.5708008,-0.4819336,1.3857422,0.94384766,0.3930664,1.3691406,-0.42700195],"text":[0.34889543,-0.019077102,0.23060259,1.2484869,-0.106645,-0.98977184,0.4704264,-0.5800832,0.2760454,-0.9967708,1.2970221,1.5429969,0.801605,0.19807382,-1.6548814,1.7889426,0.5622094,1.359532,-0.76954764,-0.72701627,-0.39700606,0.8203093,-0.94699776,-2.6604643,0.0062152105,-0.7303251,-2.2699032,-0.0056924024,0.56130373,-0.43903044,-0.5075098,1.2118593,-0.18509033,0.7176336,-0.353836,-0.41544074,-0.89642173,-1.0367174,-1.7062727,0.46007845,0.21601564,0.2163358,-0.21789299,-1.6721617,0.9914463,-1.8366936,0.18657939,1.6206695,-2.535727,-1.1206015,0.68456995,-1.5739628,0.6706977,0.15019855,-1.444006,1.5110683,-0.112051554,0.30778298,0.7606087,0.7171285,1.7994121,0.0033303252,-0.72285,-1.8880519]}}
            --- exit 0
        "#]],
    );
    environment.check(
        &["points", "./catalog/00-base.snapshot", "--limit", "3", "--shard", "1", "--without-payload", "-q"],
        expect![[r#"
            {"id":"006d7a3e-3baa-56e2-8c91-e3a373337643"}
            {"id":"01cf3b85-7877-506d-b8e1-a4c6f2a6fcc5"}
            {"id":"01f87a8e-fa34-52fa-a081-9b55050984d0"}
            --- exit 0
        "#]],
    );
}

#[test]
fn points_that_fit_a_filter() {
    let environment = TestEnvironment::new();
    environment.snapshot("notes", "00-base", "notes/00-base.snapshot");
    let filter = r#"{"must":[{"key":"topic","match":{"value":"dorcri"}},{"key":"rank","range":{"lt":40}}]}"#;
    environment.check(
        &["points", "./notes/00-base.snapshot", "--filter", filter, "--without-payload", "-q"],
        expect![[r#"
            {"id":0}
            {"id":7}
            {"id":14}
            {"id":21}
            {"id":28}
            {"id":35}
            --- exit 0
        "#]],
    );
    environment.write("filter.json", filter);
    environment.check(
        &["points", "./notes/00-base.snapshot", "--filter", "@filter.json", "--count", "-q"],
        expect![[r#"
            6
            --- exit 0
        "#]],
    );
    environment.check(
        &["points", "./notes/00-base.snapshot", "--filter", "{}", "--count", "-q"],
        expect![[r#"
        800
        --- exit 0
    "#]],
    );
}

#[test]
fn points_of_the_other_kinds() {
    let environment = TestEnvironment::new();
    environment.snapshots("kinds");
    environment.check(
        &["points", "./kinds/full.snapshot", "--collection", "catalog", "--count", "-q"],
        expect![[r#"
        431
        --- exit 0
    "#]],
    );
    environment.check(
        &["points", "./kinds/shard.snapshot", "--limit", "2", "--without-payload"],
        expect![[r#"
        {"id":0}
        {"id":1}
        --- stderr
        reading file ./kinds/shard.snapshot
        --- exit 0
    "#]],
    );
    environment.check(
        &["points", "./kinds/shard-streamed.snapshot", "--count", "-q"],
        expect![[r#"
        574
        --- exit 0
    "#]],
    );
    environment.check(
        &["points", "./kinds/empty.snapshot"],
        expect![[r#"
        --- stderr
        reading file ./kinds/empty.snapshot
        --- exit 0
    "#]],
    );
}

#[test]
fn points_of_a_backup() {
    let environment = TestEnvironment::with_backups();
    environment.check(
        &["points", "notes@latest", "--ids", "0", "--without-payload"],
        expect![[r#"
        {"id":0}
        --- stderr
        reading backup <bkup-1> (03-delete-33pct-vacuum.snapshot)
        --- exit 0
    "#]],
    );
    environment.check(
        &["points", "01-insert-5pct.snapshot", "--offset", "838", "--without-payload"],
        expect![[r#"
        {"id":838}
        {"id":839}
        --- stderr
        reading backup <bkup-2> (01-insert-5pct.snapshot)
        --- exit 0
    "#]],
    );
    environment.check(
        &["points", "full.snapshot", "--collection", "notes", "--count"],
        expect![[r#"
        574
        --- stderr
        reading backup <bkup-3> (full.snapshot)
        --- exit 0
    "#]],
    );
}

/// What is in no segment yet is not listed, and it is said.
#[test]
fn points_beside_a_tail_of_the_log() {
    let environment = TestEnvironment::new();
    environment.changed(("notes", "00-base"), "notes/tail.snapshot", |parts| {
        let path = parts.path("f95147e6-895e-4aff-b0d5-32d609876bd6.tar!snapshot/files/segment.json");
        parts.edit(&path, |json| {
            *json = String::from_utf8_lossy(json).replace(r#""version":6"#, r#""version":3"#).into()
        });
    });
    environment.check(&["points", "./notes/tail.snapshot", "--count"], expect![[r#"
        800
        --- stderr
        reading file ./notes/tail.snapshot
        warning: 3 operations in the write-ahead log of file ./notes/tail.snapshot are not applied here (they name 800 points): a server that recovers the snapshot applies them
        --- exit 0
    "#]]);
    environment.check(&["points", "./notes/tail.snapshot", "--limit", "1", "--without-payload", "-q"], expect![[r#"
        {"id":0}
        --- stderr
        warning: 3 operations in the write-ahead log of file ./notes/tail.snapshot are not applied here (they name 800 points): a server that recovers the snapshot applies them
        --- exit 0
    "#]]);
    let inspected = environment.stdout(&["inspect", "--deep", "./notes/tail.snapshot"]);
    let wal: Vec<&str> = inspected.lines().filter(|line| line.contains("wal: ")).map(str::trim).collect();
    expect![[r#"
            wal: operations 0 to 6, 3 of them in no segment yet, naming 800 points; not counted above
    "#]]
    .assert_eq(&(wal.join("\n") + "\n"));
}

#[test]
fn find_points_over_all_backups() {
    let environment = TestEnvironment::with_backups();
    environment.check(
        &["find", "--id", "820,2", "--collection", "notes"],
        expect![[r#"
        <bkup-1>  2026-11-20T16:30:00Z  notes  00-base.snapshot  1 point: 2
        <bkup-2>  2026-11-20T16:31:00Z  notes  01-insert-5pct.snapshot  2 points: 2, 820
        <bkup-3>  2026-11-20T16:32:00Z  notes  02-payload-3pct.snapshot  2 points: 2, 820
        <bkup-4>  2026-11-20T16:33:00Z  notes  03-delete-33pct-vacuum.snapshot  2 points: 2, 820
        <bkup-5>  2026-11-20T16:35:00Z  notes  full.snapshot  2 points: 2, 820
        --- exit 0
    "#]],
    );
    environment.check(
        &["find", "--id", "00fac34d-7f4e-57a7-80f1-79b3fc755e29", "--latest", "1"],
        expect![[r#"
        <bkup-5>  2026-11-20T16:35:00Z  catalog  full.snapshot  1 point: 00fac34d-7f4e-57a7-80f1-79b3fc755e29
        --- stderr
        warning: backup <bkup-6> cannot be searched: backup <bkup-6> is a partial snapshot, so its points cannot be told
        warning: 1 of 6 backups could not be searched
        --- exit 3
    "#]],
    );
    let filter = r#"{"must":[{"key":"topic","match":{"value":"dorcri"}}]}"#;
    environment.check(
        &["find", "--filter", filter, "--collection", "notes", "--tag", "none"],
        expect![[r#"
        --- stderr
        no such point in 0 backups
        --- exit 1
    "#]],
    );
    environment.check(
        &["find", "--filter", filter, "--collection", "notes"],
        expect![[r#"
        <bkup-1>  2026-11-20T16:30:00Z  notes  00-base.snapshot  115 points: 0, 7, 14, 21, 28, …
        <bkup-2>  2026-11-20T16:31:00Z  notes  01-insert-5pct.snapshot  120 points: 0, 7, 14, 21, 28, …
        <bkup-3>  2026-11-20T16:32:00Z  notes  02-payload-3pct.snapshot  120 points: 0, 7, 14, 21, 28, …
        <bkup-4>  2026-11-20T16:33:00Z  notes  03-delete-33pct-vacuum.snapshot  82 points: 0, 7, 14, 28, 35, …
        <bkup-5>  2026-11-20T16:35:00Z  notes  full.snapshot  82 points: 0, 7, 14, 28, 35, …
        --- exit 0
    "#]],
    );
    environment.check(
        &["find", "--filter", filter, "--id", "0,9", "--collection", "notes", "--latest", "1", "--json", "-q"],
        expect![[r#"
            {"v":1,"type":"points-found","backup":"<backup-4>","name":"03-delete-33pct-vacuum.snapshot","taken_at":"2026-11-20T16:33:00Z","collection":"notes","points":1,"ids":[0]}
            {"v":1,"type":"points-found","backup":"<backup-5>","name":"full.snapshot","taken_at":"2026-11-20T16:35:00Z","collection":"notes","points":1,"ids":[0]}
            --- exit 0
        "#]],
    );
}

#[test]
fn inspect_deep() {
    let environment = TestEnvironment::new();
    environment.snapshot("notes", "03-delete-33pct-vacuum", "notes/03.snapshot");
    environment.check(
        &["inspect", "--deep", "./notes/03.snapshot"],
        expect![[r#"
        file ./notes/03.snapshot
        911.50 KiB (933,376 bytes)
        collection snapshot, 911.5 KiB
        Qdrant version 1.17.0 or newer (clock files before the WAL)
        574 live points
        collection notes, 900.8 KiB
          574 live points, ids 0 to 839
          1.5 KiB of the snapshot for each point
          1.5 % of the rows are dead, 10.3 % of the vectors have no index
          40.0 % of the bytes are WAL; 150.7 MiB of preallocated holes come on top
          vector "": 48 dimensions, Cosine
          1 shard, 1 copy, writes confirmed by 1
          hnsw m 16, ef_construct 100
          WAL segments of 32 MiB
          payload field rank: integer
          payload field topic: keyword
          shard 0, 900.2 KiB, Active on 4831547486316841
            574 live points
            wal: operations 0 to 9, all applied
            wal open-1: 356.0 KiB of 32.0 MiB
            wal open-2: 4.0 KiB of 32.0 MiB
            segment bcba9e12-2162-4e73-bd77-95458a953779: regular, 130.5 KiB, 81.1 MiB logical, appendable, version 9
              59 live points in 68 rows, 9 dead, ids 0 to 839
              vector "": InRamChunkedMmap, plain, of 59 points
            segment 0be900ab-8d04-45cc-8a66-b7c8d35cd8fb: regular, 409.5 KiB, 70.1 MiB logical, immutable, version 9
              515 live points in 515 rows, 0 dead, ids 1 to 799
              vector "": InRamChunkedMmap, hnsw, of 515 points
        classes
          dense-rows          118784 bytes in 2 files, 63.8 MiB of holes
          block-pages         263920 bytes in 48 files, 86.9 MiB of holes
          logs                368640 bytes in 2 files, 63.6 MiB of holes
          rebuilt             107005 bytes in 11 files
          small-json            3540 bytes in 26 files
          framing              71487 bytes
        --- exit 0
    "#]],
    );
}

/// The number of live points at each level, as the server said it where it did.
#[test]
fn inspect_deep_counts_for_scripts() {
    let environment = TestEnvironment::new();
    environment.snapshots("kinds");
    let mut counts = String::new();
    for kind in ["full", "shard", "shard-streamed", "shard-partial", "empty"] {
        let line = environment.stdout(&["inspect", "--deep", "--json", &format!("./kinds/{kind}.snapshot")]);
        let snapshot: Value = serde_json::from_str(&line).unwrap();
        counts.push_str(&format!("{kind}: {}\n", snapshot["points_live"]));
        for collection in snapshot["collections"].as_array().unwrap() {
            counts.push_str(&format!("  {}: {}\n", collection["name"], collection["points_live"]));
            for shard in collection["shards"].as_array().unwrap() {
                let segments = shard["segments"].as_array().unwrap().iter();
                let segments: Vec<String> = segments.map(|segment| segment["points_live"].to_string()).collect();
                counts.push_str(&format!(
                    "    {}: {} in {}\n",
                    shard["id"],
                    shard["points_live"],
                    segments.join(" + ")
                ));
            }
        }
    }
    expect![[r#"
        full: 1005
          "catalog": 431
            0: 215 in 26 + 189
            1: 216 in 19 + 197
          "notes": 574
            0: 574 in 59 + 515
        shard: 574
          "kinds": 574
            null: 574 in 59 + 515
        shard-streamed: 574
          "kinds": 574
            null: 574 in 59 + 515
        shard-partial: null
          "kinds": null
            null: null in null + null
        empty: 0
          "kinds": 0
            0: 0 in 0 + 0
    "#]]
    .assert_eq(&counts);
}

/// `head` has seen enough: nobody needs to be told, and nothing was interrupted.
#[test]
fn a_closed_stdout_is_no_news() {
    let environment = TestEnvironment::with_backups();
    for arguments in [
        "points ./notes/00-base.snapshot",
        "diff --points --list ./notes/00-base.snapshot ./notes/03-delete-33pct-vacuum.snapshot",
        "find --id 5 --collection notes",
    ] {
        let mut command = environment.command();
        let command = command.args(arguments.split(' ')).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let ran = environment.finish(child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.stderr.contains("error")), (Some(1), false), "{arguments}: {}", ran.stderr);
    }
}
