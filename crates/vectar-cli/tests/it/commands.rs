//! Each command's whole output on real snapshots.

use std::fs;

use expect_test::expect;

use crate::{
    environment::TestEnvironment,
    redact::Mask::{Hashes, Sizes},
};

#[test]
fn the_bare_name_greets() {
    let environment = TestEnvironment::new();
    let ran = environment.run(&[]);
    assert_eq!(ran.stdout.lines().count(), 5);
    expect![[r#"
        vectar keeps Qdrant snapshots in a deduplicating repository and gives each one back byte for byte.
          vectar demo                                     try it: real snapshots, a temporary repository, a table
          vectar -r PATH init                             create a repository
          vectar -r PATH ingest DIR                       store every finished snapshot in a directory
          vectar -r PATH list, or vectar --help           see what is there, or all commands
        --- exit 0
    "#]]
    .assert_eq(&environment.transcript(&ran, &[]));
}

#[test]
fn init() {
    let environment = TestEnvironment::new();
    let ran = environment.run(&["init"]);
    let machine =
        |line: &&str| !["file system:", "durability:", "warning:"].iter().any(|start| line.starts_with(start));
    let text = environment.transcript(&ran, &[Sizes]);
    let same_everywhere: Vec<&str> = text.lines().filter(machine).collect();
    expect![[r#"
        created repository <repository-id>
        location:  <here>/repository
        free space:  <size> (<size>)
        encryption:  none
        --- stderr
        --- exit 0
    "#]]
    .assert_eq(&(same_everywhere.join("\n") + "\n"));
    assert!(text.contains("\nfile system: ") && text.contains("\ndurability: "), "{text}");
    let other = environment.run(&["-r", "other", "init", "--json"]);
    let line: serde_json::Value = serde_json::from_str(&other.stdout).unwrap();
    assert_eq!(line["on_root_device"] == true, other.stderr.contains("on the same device as /"), "{line}");
}

#[test]
fn ingest_files() {
    let environment = TestEnvironment::with_repository();
    environment.snapshots("notes");
    environment.check_masked(
        &["ingest", "notes/00-base.snapshot"],
        &[Sizes],
        expect![[r#"
        stored 00-base.snapshot as <bkup-1>: collection, <size>, <size> new
        --- exit 0
    "#]],
    );
    environment.check_masked(
        &["ingest", "notes/00-base.snapshot"],
        &[Sizes],
        expect![[r#"
        00-base.snapshot is stored already as <bkup-1>, whole
        --- exit 0
    "#]],
    );
    environment.check_masked(
        &["ingest", "-n", "notes/01-insert-5pct.snapshot"],
        &[Sizes],
        expect![[r#"
        would store 01-insert-5pct.snapshot: <size>, <size> new
        --- exit 0
    "#]],
    );
    assert_eq!(environment.backups().len(), 1);
    environment.write("random.bin", [7; 5000]);
    environment.check_masked(
        &["ingest", "random.bin"],
        &[Sizes],
        expect![[r#"
        stored random.bin as <bkup-2>: unknown, <size>, <size> new
        --- stderr
        warning: random.bin is no Qdrant snapshot that vectar knows; its bytes are kept as they are
        --- exit 0
    "#]],
    );
}

#[test]
fn ingest_a_directory() {
    let environment = TestEnvironment::with_repository();
    let name = "notes-4831547486316841-2026-11-20-16-24-20.snapshot";
    let bytes = environment.snapshot("notes", "00-base", &format!("snapshots/notes/{name}"));
    let digest = environment.stdout(&["inspect", "--sha256", &format!("snapshots/notes/{name}")]);
    let digest = digest.lines().find_map(|line| line.strip_prefix("sha256 ")).unwrap();
    environment.write(&format!("snapshots/notes/{name}.checksum"), &digest[..64]);
    environment.write("snapshots/notes/gone.snapshot.checksum", &digest[..64]);
    environment.write(&format!("snapshots/tmp/{name}"), &bytes[..4096]);
    environment.write("snapshots/notes/half.snapshot.tmp", &bytes[..4096]);
    environment.write("snapshots/notes/readme.txt", "no snapshot");
    environment.snapshot("kinds", "empty", "snapshots/empty/empty.snapshot");
    environment.check_masked(&["ingest", "snapshots"], &[Sizes], expect![[r#"
        stored empty.snapshot as <bkup-1>: collection, <size>, <size> new
        stored notes-4831547486316841-2026-11-20-16-24-20.snapshot as <bkup-2>: collection, <size>, <size> new
        --- stderr
        passing over snapshots/notes/half.snapshot.tmp: its name fits *.tmp, it is not finished
        passing over snapshots/tmp/notes-4831547486316841-2026-11-20-16-24-20.snapshot: its name fits tmp/, it is not finished
        snapshots/notes/gone.snapshot.checksum has no snapshot beside it: Qdrant leaves such behind after full snapshots and deletions
        2 stored, 0 stored already, 0 failed; <size> (<size>) of snapshots took <size> (<size>)
        --- exit 0
    "#]]);
    environment.check_masked(
        &["ingest", "snapshots", "-q"],
        &[Sizes],
        expect![[r#"
        empty.snapshot is stored already as <bkup-1>, whole
        notes-4831547486316841-2026-11-20-16-24-20.snapshot is stored already as <bkup-2>, whole
        --- exit 0
    "#]],
    );
    environment.check_masked(&["list"], &[Sizes], expect![[r#"
        ID  TAKEN  KIND  COLLECTION  SHARDS  SIZE  NEW  NAME
        <bkup-1>  2026-11-20T16:31:00Z  collection  empty  0  <size>  <size>  empty.snapshot
        <bkup-2>  2026-11-20T16:24:20Z  collection  notes  0  <size>  <size>  notes-4831547486316841-2026-11-20-16-24-20.snapshot
        --- exit 0
    "#]]);
}

#[test]
fn ingest_goes_on_after_a_bad_file() {
    let environment = TestEnvironment::with_repository();
    let whole = environment.snapshot("notes", "00-base", "notes/b.snapshot");
    environment.write("notes/a.snapshot", &whole[..500_000]);
    environment.check_masked(&["ingest", "notes"], &[Sizes], expect![[r#"
        stored b.snapshot as <bkup-1>: collection, <size>, <size> new
        --- stderr
        error: cannot store notes/a.snapshot
          a.snapshot is damaged
          cut short, missing bytes: 110304 at offset 500000 in `0/segments/f95147e6-895e-4aff-b0d5-32d609876bd6.tar!snapshot/files/payload_storage/page_0.dat`
          no backup was stored; those in the repository are as they were

        hint: take the snapshot again, or copy it again from the server
        hint: add --allow-damaged to keep it all the same, marked as damaged
        1 stored, 0 stored already, 1 failed; <size> (<size>) of snapshots took <size> (<size>)
        warning: not stored: notes/a.snapshot
        --- exit 3
    "#]]);
    environment.check_masked(&["ingest", "--allow-damaged", "notes/a.snapshot"], &[Sizes], expect![[r#"
        stored a.snapshot as <bkup-2>: collection, <size>, <size> new
        --- stderr
        warning: a.snapshot is damaged and was stored so: cut short, missing bytes: 110304 at offset 500000 in `0/segments/f95147e6-895e-4aff-b0d5-32d609876bd6.tar!snapshot/files/payload_storage/page_0.dat`
        --- exit 0
    "#]]);
    environment.check_masked(
        &["list"],
        &[Sizes],
        expect![[r#"
        ID  TAKEN  KIND  COLLECTION  SHARDS  SIZE  NEW  NAME
        <bkup-1>  2026-11-20T16:30:00Z  collection  notes  0  <size>  <size>  b.snapshot
        <bkup-2>  <now>  collection  notes  0  <size>  <size>  a.snapshot (damaged)
        --- exit 0
    "#]],
    );
    environment.stdout(&["restore", "-q", "a.snapshot", "-o", "again.snapshot"]);
    assert!(fs::read(environment.path("again.snapshot")).unwrap() == whole[..500_000]);
}

#[test]
fn ingest_of_a_stream_with_all_that_can_be_said() {
    let environment = TestEnvironment::with_repository();
    environment.snapshot("kinds", "shard", "shard.snapshot");
    let mut command = environment.command();
    command.args(["ingest", "-", "--name", "s.snapshot", "--collection", "kinds", "--cluster", "prod", "--node", "n1"]);
    command.args(["--set", "nightly-7", "--tag", "a", "--tag", "b", "--note", "before the upgrade"]);
    let input = fs::File::open(environment.path("shard.snapshot")).unwrap();
    let ran = environment.finish(command.stdin(input).output().unwrap());
    expect![[r#"
        stored s.snapshot as <bkup-1>: shard, <size>, <size> new
        --- exit 0
    "#]]
    .assert_eq(&environment.transcript(&ran, &[Sizes]));
    environment.check_masked(
        &["show", "set:nightly-7"],
        &[Sizes],
        expect![[r#"
            backup  <backup-1>
            name  s.snapshot
            kind  shard, 2 tar level(s)
            collection  kinds (from option)
            cluster  prod
            node  n1
            peer id  4831547486316841
            capture set  nightly-7
            source  -
            qdrant  1.17.0 or newer, by its files
            stored  <now> by vectar 0.1.0
            proof  never
            size  <size> (<size>)
            sha-256  73e0bcfc88de3bf87a913f75c302bf282e1298e3f99f1791340dc40019268c24
            new packs  <size> (<size>)
            chunks  60, 47 of them new
            tags  a, b
            note  before the upgrade
            shard  ?: 2 segment(s), replicas 4831547486316841 Active
            CLASS  SIZE  NEW  STORED
            block-pages  <size>  <size>  <size>
            dense-rows  <size>  <size>  <size>
            framing  <size>  <size>  <size>
            logs  <size>  <size>  <size>
            rebuilt  <size>  <size>  <size>
            small-json  <size>  <size>  <size>
            --- exit 0
        "#]],
    );
}

#[test]
fn list_and_its_filters() {
    let environment = TestEnvironment::with_backups();
    environment.check_masked(
        &["list"],
        &[Sizes],
        expect![[r#"
        ID  TAKEN  KIND  COLLECTION  SHARDS  SIZE  NEW  NAME
        <bkup-1>  2026-11-20T16:30:00Z  collection  notes  0  <size>  <size>  00-base.snapshot
        <bkup-2>  2026-11-20T16:31:00Z  collection  notes  0  <size>  <size>  01-insert-5pct.snapshot
        <bkup-3>  2026-11-20T16:32:00Z  collection  notes  0  <size>  <size>  02-payload-3pct.snapshot
        <bkup-4>  2026-11-20T16:33:00Z  collection  notes  0  <size>  <size>  03-delete-33pct-vacuum.snapshot
        <bkup-5>  2026-11-20T16:34:00Z  collection  kinds  0  <size>  <size>  empty.snapshot
        <bkup-6>  2026-11-20T16:35:00Z  full  catalog,notes  -  <size>  <size>  full.snapshot
        <bkup-7>  2026-11-20T16:37:00Z  shard-partial  kinds  ?  <size>  <size>  shard-partial.snapshot
        <bkup-8>  2026-11-20T16:38:00Z  shard-streamed  kinds  ?  <size>  <size>  shard-streamed.snapshot
        <bkup-9>  2026-11-20T16:36:00Z  shard  kinds  ?  <size>  <size>  shard.snapshot
        --- exit 0
    "#]],
    );
    let count = |filter: &[&str]| environment.stdout(&[&["list", "--json"], filter].concat()).lines().count();
    assert_eq!(count(&[]), 9);
    assert_eq!(environment.stdout(&["snapshots", "--json"]).lines().count(), 9);
    assert_eq!(count(&["--collection", "notes"]), 5, "four generations and the full snapshot");
    assert_eq!(count(&["--collection", "notes", "--latest", "1"]), 2);
    assert_eq!(count(&["--since", "2026-11-20T16:33", "--at", "2026-11-20T16:34"]), 2);
    assert_eq!(count(&["--at", "2026-11-19"]), 0);
    assert_eq!(count(&["--since", "2026-11-20", "--shard", "0"]), 5);
    for filter in ["--cluster", "--node", "--tag"] {
        assert_eq!(count(&[filter, "x"]), 0, "{filter}");
    }
    environment.check(
        &["list", "--tag", "x"],
        expect![[r#"
        --- stderr
        no backup fits
        --- exit 0
    "#]],
    );
}

#[test]
fn show() {
    let environment = TestEnvironment::with_backups();
    environment.check_masked(
        &["show", "03-delete-33pct-vacuum.snapshot"],
        &[Sizes],
        expect![[r#"
            backup  <backup-1>
            name  03-delete-33pct-vacuum.snapshot
            kind  collection, 2 tar level(s)
            collection  notes (from directory)
            peer id  4831547486316841
            source  notes/03-delete-33pct-vacuum.snapshot
            qdrant  1.17.0 or newer, by its files
            taken  2026-11-20T16:33:00Z (from mtime)
            stored  <now> by vectar 0.1.0
            proof  never
            size  <size> (<size>)
            sha-256  9e4766c3f03e330193008071b18cf4cac57ea02acefd5333df1b4d30e3e87c94
            new packs  <size> (<size>)
            chunks  627, 31 of them new
            shard  0: 2 segment(s), replicas 4831547486316841 Active
            CLASS  SIZE  NEW  STORED
            block-pages  <size>  <size>  <size>
            dense-rows  <size>  <size>  <size>
            framing  <size>  <size>  <size>
            logs  <size>  <size>  <size>
            rebuilt  <size>  <size>  <size>
            small-json  <size>  <size>  <size>
            --- exit 0
        "#]],
    );
    environment.check_masked(&["show", "full.snapshot"], &[Sizes], expect![[r#"
        backup  <backup-2>
        name  full.snapshot
        kind  full, 3 tar level(s)
        contains  catalog (catalog-4831547486316841-2026-11-20-16-24-36.snapshot), notes (notes-4831547486316841-2026-11-20-16-24-36.snapshot)
        peer id  4831547486316841
        source  kinds/full.snapshot
        qdrant  1.17.0 or newer, by its files
        taken  2026-11-20T16:35:00Z (from mtime)
        stored  <now> by vectar 0.1.0
        proof  never
        size  <size> (<size>)
        sha-256  01158e9f41a7854e3182459641c131519696323fa07e2c2c0fca898f125cd7fc
        new packs  <size> (<size>)
        chunks  348, 205 of them new
        CLASS  SIZE  NEW  STORED
        block-pages  <size>  <size>  <size>
        dense-rows  <size>  <size>  <size>
        framing  <size>  <size>  <size>
        logs  <size>  <size>  <size>
        rebuilt  <size>  <size>  <size>
        small-json  <size>  <size>  <size>
        --- exit 0
    "#]]);
}

#[test]
fn restore() {
    let environment = TestEnvironment::with_backups();
    environment.check(&["restore", "notes@latest", "-o", "out.snapshot"], expect![[r#"
        restored backup <bkup-1> to out.snapshot
        911.50 KiB (933,376 bytes), sha-256 9e4766c3f03e330193008071b18cf4cac57ea02acefd5333df1b4d30e3e87c94 as recorded
        checksum beside it: out.snapshot.checksum
        --- stderr
        this wrote a file; no Qdrant has loaded it. To load it:
          curl -X POST 'http://HOST:6333/collections/notes-restored/snapshots/upload?priority=snapshot&checksum=9e4766c3f03e330193008071b18cf4cac57ea02acefd5333df1b4d30e3e87c94' -F 'snapshot=@<here>/out.snapshot'
          or, with the file in the server's snapshots directory:
          curl -X PUT 'http://HOST:6333/collections/notes-restored/snapshots/recover' -H 'content-type: application/json' \
            -d '{"location":"file:///qdrant/snapshots/out.snapshot","checksum":"9e4766c3f03e330193008071b18cf4cac57ea02acefd5333df1b4d30e3e87c94","priority":"snapshot"}'
          a cluster needs one such file from each node, each loaded on its node
        --- exit 0
    "#]]);
    environment.check(&["restore", "shard.snapshot", "-o", "out.snapshot", "--force"], expect![[r#"
        restored backup <bkup-2> to out.snapshot
        550.00 KiB (563,200 bytes), sha-256 73e0bcfc88de3bf87a913f75c302bf282e1298e3f99f1791340dc40019268c24 as recorded
        checksum beside it: out.snapshot.checksum
        --- stderr
        this wrote a file; no Qdrant has loaded it. To load it:
          curl -X POST 'http://HOST:6333/collections/kinds/shards/SHARD/snapshots/upload?priority=snapshot&checksum=73e0bcfc88de3bf87a913f75c302bf282e1298e3f99f1791340dc40019268c24' -F 'snapshot=@<here>/out.snapshot'
          the collection must exist, with that shard
        --- exit 0
    "#]]);
    environment.check(
        &["restore", "full.snapshot", "-o", "f.snapshot", "--no-checksum"],
        expect![[r#"
        restored backup <bkup-3> to f.snapshot
        2.93 MiB (3,067,904 bytes), sha-256 01158e9f41a7854e3182459641c131519696323fa07e2c2c0fca898f125cd7fc as recorded
        --- stderr
        this wrote a file; no Qdrant has loaded it. To load it:
          qdrant --storage-snapshot '<here>/f.snapshot'
          a full snapshot is loaded when a single node starts with empty storage
        --- exit 0
    "#]],
    );
    assert!(!environment.path("f.snapshot.checksum").exists());
    environment.check(
        &["restore", "notes@latest", "-o", "-", "--sparse"],
        expect![[r#"
        --- stderr
        error: a stream has no holes
          --sparse is for a file
          nothing was written

        hint: name a file with -o FILE
        --- exit 2
    "#]],
    );
    environment.check(
        &["restore", "full.snapshot", "-o", "f.snapshot", "--force", "--sparse", "-q"],
        expect![[r#"
        restored backup <bkup-3> to f.snapshot
        2.93 MiB (3,067,904 bytes), sha-256 01158e9f41a7854e3182459641c131519696323fa07e2c2c0fca898f125cd7fc as recorded
        checksum beside it: f.snapshot.checksum
        --- exit 0
    "#]],
    );
    environment.check(
        &["verify", "./out.snapshot"],
        expect![[r#"
            file ./out.snapshot: whole, 550.00 KiB (563,200 bytes)
              sha-256 73e0bcfc88de3bf87a913f75c302bf282e1298e3f99f1791340dc40019268c24
              as ./out.snapshot.checksum says
              84 files in 2 nested tars
            --- stderr
            this looked at digest and tar structure; --deep checks what Qdrant's files say too
            --- exit 0
        "#]],
    );
    let mut command = environment.command();
    let output = command.args(["restore", "notes@2026-11-20T16:30", "-o", "-", "-q"]).output().unwrap();
    assert!(output.stdout == fs::read(environment.path("notes/00-base.snapshot")).unwrap());
}

#[test]
fn every_snapshot_comes_back() {
    let environment = TestEnvironment::with_backups();
    for line in environment.stdout(&["list", "--json"]).lines() {
        let backup: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| backup[key].as_str().unwrap().to_owned();
        environment.stdout(&["restore", "-q", &text("id"), "-o", "out", "-f"]);
        let expected = fs::read(environment.path(&text("source"))).unwrap();
        assert!(fs::read(environment.path("out")).unwrap() == expected, "{}", text("source"));
        assert_eq!(fs::read_to_string(environment.path("out.checksum")).unwrap().trim(), text("sha256"));
    }
}

#[test]
fn debug() {
    let environment = TestEnvironment::with_backups();
    let first = |arguments: &[&str], count: usize| {
        let text = environment.stdout(arguments);
        let lines: Vec<&str> = text.lines().take(count).collect();
        environment.redact(&format!("vectar {}\n{}\n", arguments.join(" "), lines.join("\n")), &[Sizes, Hashes])
    };
    expect![[r#"
        vectar debug recipe empty.snapshot
                     0  512  copy  <hash> from 0
                   512  512  copy  <hash> from 0
                  1024  82  copy  <hash> from 0
                  1106  2478  copy  <hash> from 512
    "#]]
    .assert_eq(&first(&["debug", "recipe", "empty.snapshot"], 4));
    expect![[r#"
        vectar debug tar ./kinds/empty.snapshot
                     0  512  0  framing
                   512  0  0  archive  0/segments/e63350b2-656f-4ebb-8f45-a9f2be7b3ec5.tar
                   512  512  1  framing
                  1024  82  1  body  0/segments/e63350b2-656f-4ebb-8f45-a9f2be7b3ec5.tar!snapshot/files/vector_storage/vectors/config.json
    "#]].assert_eq(&first(&["debug", "tar", "./kinds/empty.snapshot"], 4));
    expect![[r#"
        vectar debug record empty.snapshot
        # backups/<backup-1>/0000000000
    "#]]
    .assert_eq(&first(&["debug", "record", "empty.snapshot"], 1));
    let counts = environment.stdout(&["debug", "chunk-index"]);
    assert!(counts.contains("packs       18 (0 new to the index, 0 gone, 0 unreadable)\n"), "{counts}");
    let pack = environment.objects("packs").into_iter().next().unwrap();
    let pack = environment.objects(&format!("packs/{pack}")).into_iter().next().unwrap();
    assert!(environment.stdout(&["debug", "pack", &pack[..12]]).starts_with(&format!("pack {pack}\n")));
}

#[test]
fn generate() {
    let environment = TestEnvironment::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(environment.stdout(&["generate", "completions", shell]).contains("repair"), "{shell}");
    }
    environment.stdout(&["generate", "man", "--out", "man"]);
    let page = fs::read_to_string(environment.path("man/vectar-ingest.1")).unwrap();
    assert!(page.contains("keep\\-free") && environment.path("man/vectar-debug-pack.1").exists(), "{page}");
}

#[test]
fn a_terminal_is_never_coloured_against_its_will() {
    let environment = TestEnvironment::with_backups();
    for arguments in [&["--help"][..], &["list"], &["show", "latest"], &["nonsense"]] {
        let ran = environment.finish(environment.command().args(arguments).env("NO_COLOR", "1").output().unwrap());
        assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), "{arguments:?}");
    }
}

#[test]
fn quiet_says_nothing_but_data() {
    let environment = TestEnvironment::with_backups();
    for arguments in
        [&["list", "-q"][..], &["restore", "-q", "notes@latest", "-o", "x"], &["verify", "-q", "--latest", "1"]]
    {
        let ran = environment.run(arguments);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}
