//! What `extract` and `prepare` say, whole, and what they leave behind.

use std::fs;

use expect_test::expect;
use serde_json::Value;

use crate::{environment::TestEnvironment, redact::Mask::Hashes};

/// Two nodes' snapshots of `catalog`, each with one of its two shards.
pub(crate) fn two_nodes(environment: &TestEnvironment) {
    let catalog = ("catalog", "00-base");
    for (peer, other) in [("11", "1/"), ("22", "0/")] {
        let place = format!("nodes/catalog-{peer}-2026-11-20-16-24-27.snapshot");
        environment.changed(catalog, &place, |parts| assert!(parts.remove(other) > 0));
    }
}

/// The same collection with shard keys.
pub(crate) fn with_keys(environment: &TestEnvironment) {
    environment.changed(("catalog", "00-base"), "keys/catalog-11-2026-11-20-16-24-27.snapshot", |parts| {
        let mut config: Value = serde_json::from_slice(&parts.file("config.json")).unwrap();
        config["params"]["sharding_method"] = Value::from("custom");
        parts.replace("config.json", config.to_string().into_bytes());
        let keys = br#"[{"key":7,"shard_ids":[1]},{"key":"acme","shard_ids":[0]}]"#;
        parts.replace("shard_key_mapping.json", keys.to_vec());
    });
}

#[test]
fn extract_a_shard_and_a_collection() {
    let environment = TestEnvironment::with_backups();
    environment.check_masked(
        &["extract", "full.snapshot", "--collection", "catalog", "--shard", "1", "-o", "shard.snapshot"],
        &[Hashes],
        expect![[r#"
            extracted shard 1 of collection catalog from backup <bkup-1> (full.snapshot) to shard.snapshot
            1.01 MiB (1,063,424 bytes), sha-256 <hash>
            checksum beside it: shard.snapshot.checksum
            --- exit 0
        "#]],
    );
    environment.check_masked(
        &["extract", "kinds/full.snapshot", "--collection", "notes", "-o", "notes.snapshot"],
        &[Hashes],
        expect![[r#"
            extracted collection notes from file kinds/full.snapshot to notes.snapshot
            911.50 KiB (933,376 bytes), sha-256 <hash>
            checksum beside it: notes.snapshot.checksum
            --- exit 0
        "#]],
    );
    environment.check_masked(
        &["extract", "./notes/00-base.snapshot", "-o", "same.snapshot", "--no-checksum"],
        &[Hashes],
        expect![[r#"
            extracted collection notes from file ./notes/00-base.snapshot to same.snapshot
            978.00 KiB (1,001,472 bytes), sha-256 <hash>
            --- stderr
            that is all of the snapshot: nothing had to be taken apart
            --- exit 0
        "#]],
    );
    let bytes = |name: &str| fs::read(environment.path(name)).unwrap();
    assert!(bytes("same.snapshot") == bytes("notes/00-base.snapshot"));
    assert!(!environment.path("same.snapshot.checksum").exists());
    assert_eq!(bytes("notes.snapshot.checksum").len(), 64);
    environment.check_masked(
        &["verify", "--deep", "./shard.snapshot"],
        &[Hashes],
        expect![[r#"
        file ./shard.snapshot: whole, 1.01 MiB (1,063,424 bytes)
          sha-256 <hash>
          as ./shard.snapshot.checksum says
          189 files in 2 nested tars
          what Qdrant's files say fits together
        --- stderr
        this looked at every value; that a Qdrant loads it only a Qdrant can prove
        --- exit 0
    "#]],
    );
}

#[test]
fn extract_refuses() {
    let environment = TestEnvironment::new();
    environment.snapshot("kinds", "full", "kinds/full.snapshot");
    let whole = environment.snapshot("notes", "00-base", "notes/00-base.snapshot");
    environment.write("cut.snapshot", &whole[..500_000]);
    environment.write("taken.snapshot", "mine");
    environment.check_error(
        &["extract", "./kinds/full.snapshot", "-o", "out.snapshot"],
        2,
        expect![[r#"
        --- stderr
        error: ./kinds/full.snapshot holds several collections, and none was chosen
          there is catalog
          there is notes
          nothing was written

        hint: write one of these behind --collection
        --- exit 2
    "#]],
    );
    environment.check_error(&["extract", "./cut.snapshot", "--shard", "0", "-o", "out.snapshot"], 4, expect![[r#"
        --- stderr
        error: shard 0 of ./cut.snapshot is damaged: 0/segments/f95147e6-895e-4aff-b0d5-32d609876bd6.tar: the snapshot is cut short inside of it, and entries of the shard may have come later
          no file was left behind; the snapshot was only read

        hint: run "vectar verify --deep" on the snapshot: that lists everything that is wrong
        hint: take another backup of the same collection or shard: "vectar list" shows them
        --- exit 4
    "#]]);
    environment.check_error(
        &["extract", "./notes/00-base.snapshot", "-o", "taken.snapshot"],
        1,
        expect![[r#"
        --- stderr
        error: cannot extract from file ./notes/00-base.snapshot
          taken.snapshot exists
          the file is as it was; the repository was not changed

        hint: choose another name, or add --force to replace it
        --- exit 1
    "#]],
    );
    environment.check_error(
        &["extract", "./notes/00-base.snapshot", "-o", "-"],
        2,
        expect![[r#"
        --- stderr
        error: what is taken out is not written to stdout
          whether it is whole is known only at its end
          nothing was written

        hint: name a file with -o FILE
        --- exit 2
    "#]],
    );
    assert_eq!(fs::read(environment.path("taken.snapshot")).unwrap(), b"mine");
    assert!(!environment.path("out.snapshot").exists());
}

#[test]
fn prepare_from_the_repository() {
    let environment = TestEnvironment::with_backups();
    environment.check_masked(
        &["prepare", "notes@latest", "--for", "single", "--out", "out", "--to", "1.18.3"],
        &[],
        expect![[r#"
            prepared out: 1 file, 911.50 KiB (933,376 bytes)
              notes as notes-restored: 574 points in 1 shard, as one snapshot
              1 warning in PLAN.md: read it first
            --- stderr
            looking into backup <bkup-1> (full.snapshot)
            no server was asked, and none has loaded it. Next:
              sh out/restore.sh check
              each node should have 1,866,752 bytes free
            --- exit 0
        "#]],
    );
    let mut names: Vec<String> = fs::read_dir(environment.path("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["PLAN.md", "plan.json", "restore.sh", "snapshots"]);
    environment.check_error(
        &["prepare", "notes@latest", "--for", "single", "--out", "out"],
        1,
        expect![[r#"
        --- stderr
        error: out is not empty
          the directory is as it was

        hint: choose another --out; plans are never mixed
        --- exit 1
    "#]],
    );
}

#[test]
fn prepare_a_cluster_from_files() {
    let environment = TestEnvironment::new();
    two_nodes(&environment);
    environment.check_masked(
        &["prepare", "--from", "nodes", "--for", "http://a:6333,http://b:6333", "--out", "out"],
        &[],
        expect![[r#"
            prepared out: 2 files, 2.04 MiB (2,144,256 bytes)
              catalog as catalog-restored: 600 points in 2 shards, node by node
              4 warnings in PLAN.md: read it first
            --- stderr
            looking into file nodes/catalog-11-2026-11-20-16-24-27.snapshot
            looking into file nodes/catalog-22-2026-11-20-16-24-27.snapshot
            no server was asked, and none has loaded it. Next:
              sh out/restore.sh check
              each node should have 2,160,640 bytes free
            --- exit 0
        "#]],
    );
    fs::remove_file(environment.path("nodes/catalog-22-2026-11-20-16-24-27.snapshot")).unwrap();
    let gap = ["prepare", "--from", "nodes", "--for", "http://a:6333,http://b:6333", "--out", "gap"];
    environment.check_error(&gap, 1, expect![[r#"
        --- stderr
        looking into file nodes/catalog-11-2026-11-20-16-24-27.snapshot
        error: the restore was not prepared
          1 of 2 shards of "catalog" are in none of the snapshots: 1: a node's snapshot holds only the shards of that node; add the snapshots of the other nodes
          nothing was staged; the snapshots were only read

        hint: add the snapshots of the missing nodes, or --allow-gaps to prepare what is there
        --- exit 1
    "#]]);
    assert!(!environment.path("gap").exists());
    environment.check_masked(
        &[&gap[..], &["--allow-gaps"]].concat(),
        &[],
        expect![[r#"
            prepared gap: 1 file, 1.03 MiB (1,075,712 bytes)
              catalog as catalog-restored: 304 points in 1 shard, shard by shard
              4 warnings in PLAN.md: read it first
            --- stderr
            looking into file nodes/catalog-11-2026-11-20-16-24-27.snapshot
            warning: catalog: these shards are missing and stay empty: 1
            no server was asked, and none has loaded it. Next:
              sh gap/restore.sh check
              each node should have 2,151,424 bytes free
            --- exit 3
        "#]],
    );
}

#[test]
fn prepare_says_what_it_does_not_understand() {
    let environment = TestEnvironment::with_backups();
    environment.write("target.json", r#"{"nodes":[{"url":"http://n1:6333","free_space":5}]}"#);
    for (arguments, expected) in [
        (
            &["prepare", "notes@latest", "--for", "n1:6333", "--dry-run"][..],
            expect![[r#"
            --- stderr
            error: cannot read the target from "n1:6333"
              No such file or directory (os error 2)
              nothing was read or written

            hint: write "single", or addresses such as http://n1:6333,http://n2:6333, or the path of a file that lists the nodes
            --- exit 2
        "#]],
        ),
        (
            &["prepare", "notes@latest", "--for", "target.json", "--dry-run"],
            expect![[r#"
            --- stderr
            error: cannot read the target from "target.json"
              unknown field `free_space`, expected one of `name`, `url`, `free_bytes` at line 1 column 46
              nothing was read or written

            hint: write "single", or addresses such as http://n1:6333,http://n2:6333, or the path of a file that lists the nodes
            --- exit 2
        "#]],
        ),
        (
            &["prepare", "notes@latest", "--for", "http://user:key@n1:6333", "--dry-run"],
            expect![[r#"
                --- stderr
                error: the target "...@n1:6333" cannot be used: a node is an address such as http://n1:6333, without a user or a key; keys go into a file or the environment
                  nothing was written; the repository was not changed

                hint: write "single", or addresses such as http://n1:6333,http://n2:6333, or the path of a file that lists the nodes
                --- exit 2
            "#]],
        ),
        (
            &["prepare", "--for", "single", "--dry-run"],
            expect![[r#"
            --- stderr
            error: nothing was named to be restored
              nothing was read or written

            hint: name a collection and a time, such as events@latest, or backups by their ids: "vectar list" shows them
            hint: for snapshot files write --from DIR
            --- exit 2
        "#]],
        ),
        (
            &["prepare", "notes@latest", "--for", "single", "--dry-run", "--as", "a/b"],
            expect![[r#"
            --- stderr
            looking into backup <bkup-1> (full.snapshot)
            error: the new name of a collection "a/b" cannot be used: Qdrant takes no < > : " / \ | ? * and no control characters in names
              nothing was written; the repository was not changed

            hint: choose another name with --as or --suffix
            --- exit 2
        "#]],
        ),
        (
            &["prepare", "notes@latest", "--for", "single", "--dry-run", "--alias", "prod"],
            expect![[r#"
            --- stderr
            error: "prod" is no alias with its collection
              nothing was read or written

            hint: write --alias ALIAS=COLLECTION, the collection by its old name
            --- exit 2
        "#]],
        ),
        (
            &["prepare", "notes@latest", "--for", "single", "--dry-run", "--location", "s3://bucket"],
            expect![[r#"
            --- stderr
            error: the location "s3://bucket" cannot be used: it is upload, http://HOST/PATH or file:///qdrant/snapshots
              nothing was written; the repository was not changed

            hint: leave --location out: then files are uploaded
            --- exit 2
        "#]],
        ),
    ] {
        environment.check_error(arguments, 2, expected);
    }
    environment.check_error(
        &["prepare", "gone@latest", "--for", "single", "--dry-run"],
        1,
        expect![[r#"
        --- stderr
        error: no backup is called "gone@latest"
          no backup of that collection is here, or all are damaged or younger than that
          nothing was written; the repository was not changed

        hint: run "vectar list" to see what is there, "vectar undelete" to see what was forgotten
        --- exit 1
    "#]],
    );
    environment.check_error(
        &["prepare", "--from", ".", "--collection", "gone", "--for", "single", "--dry-run"],
        1,
        expect![[r#"
            --- stderr
            looking into file ./kinds/empty.snapshot
            looking into file ./kinds/full.snapshot
            looking into file ./kinds/shard-partial.snapshot
            warning: passing over file ./kinds/shard-partial.snapshot: ./kinds/shard-partial.snapshot is a partial snapshot, so its points cannot be told
            looking into file ./kinds/shard-streamed.snapshot
            warning: passing over file ./kinds/shard-streamed.snapshot: nothing says which shard ./kinds/shard-streamed.snapshot is of
            looking into file ./kinds/shard.snapshot
            warning: passing over file ./kinds/shard.snapshot: nothing says which shard ./kinds/shard.snapshot is of
            looking into file ./notes/00-base.snapshot
            looking into file ./notes/01-insert-5pct.snapshot
            looking into file ./notes/02-payload-3pct.snapshot
            looking into file ./notes/03-delete-33pct-vacuum.snapshot
            error: what was chosen holds no collection "gone"
              there is catalog
              there is kinds
              there is notes
              nothing was changed; the snapshot was only read

            hint: write one of these behind --collection
            --- exit 1
        "#]],
    );
}

/// A target in a file, as JSON and as TOML, is the one of the short form.
#[test]
fn a_target_in_a_file() {
    let environment = TestEnvironment::with_backups();
    environment.write("target.json", r#"{"nodes":[{"name":"a","url":"http://n1:6333/","free_bytes":5000}]}"#);
    environment.write("target.toml", "[[nodes]]\nname = \"a\"\nurl = \"http://n1:6333\"\nfree_bytes = 5000\n");
    let plan = |target: &str| -> Value {
        let line = environment.stdout(&["prepare", "notes@latest", "--for", target, "--dry-run", "--json"]);
        serde_json::from_str::<Value>(&line).unwrap()["plan"].clone()
    };
    let (json, toml, short) = (plan("target.json"), plan("target.toml"), plan("a=http://n1:6333"));
    assert_eq!(json["nodes"], toml["nodes"]);
    assert_eq!(json["nodes"][0]["url"], short["nodes"][0]["url"]);
    let warned = |plan: &Value| plan["concerns"].as_array().unwrap().iter().any(|one| one["code"] == "disk-short");
    assert!(warned(&json) && !warned(&short));
}
