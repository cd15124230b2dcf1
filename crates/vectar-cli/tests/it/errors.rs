//! Bad input: the whole text with its four answers, the exit code, and a repository that is as it was.

use std::fs;

use expect_test::expect;

use crate::environment::TestEnvironment;

#[test]
fn no_repository_is_named() {
    let environment = TestEnvironment::new();
    let ran = environment.finish(environment.command().arg("list").env_remove("VECTAR_REPO").output().unwrap());
    environment.assert_error(
        &ran,
        2,
        expect![[r#"
        --- stderr
        error: no repository is named
          neither --repo, VECTAR_REPO nor a profile says where it is
          nothing was read or written

        hint: add -r PATH, or set VECTAR_REPO
        hint: run "vectar -r PATH init" to create a repository
        --- exit 2
    "#]],
    );
}

#[test]
fn there_is_no_repository() {
    let environment = TestEnvironment::new();
    environment.check_error(
        &["list"],
        10,
        expect![[r#"
        --- stderr
        error: there is no vectar repository in repository
          the directory <here>/repository does not exist
          nothing was written

        hint: check the path, and that its storage is mounted
        hint: run "vectar -r PATH init" to create a repository
        --- exit 10
    "#]],
    );
    fs::create_dir(environment.repository()).unwrap();
    environment.check_error(
        &["ingest", "a.snapshot"],
        10,
        expect![[r#"
        --- stderr
        error: there is no vectar repository in <here>/repository
          nothing was written

        hint: check the path, and that its storage is mounted
        hint: run "vectar -r PATH init" to create a repository
        --- exit 10
    "#]],
    );
}

#[test]
fn the_repository_is_there_already() {
    let environment = TestEnvironment::with_repository();
    environment.check_error(
        &["init"],
        1,
        expect![[r#"
        --- stderr
        error: cannot create a repository in repository
          there is a vectar repository in <here>/repository already
          the repository is as it was

        hint: run "vectar list" to see what is in it
        --- exit 1
    "#]],
    );
    environment.snapshot("kinds", "empty", "kinds/empty.snapshot");
    environment.check_error(
        &["-r", "kinds", "init"],
        1,
        expect![[r#"
        --- stderr
        error: cannot create a repository in kinds
          <here>/kinds holds other objects, such as empty.snapshot
          nothing was written

        hint: choose an empty directory, or one that does not exist yet
        --- exit 1
    "#]],
    );
}

#[test]
fn the_repository_has_a_newer_format() {
    let environment = TestEnvironment::with_backups();
    let config = environment.repository().join("config");
    let newer = fs::read_to_string(&config).unwrap().replacen("vectar config 1", "vectar config 2", 1);
    fs::write(config, newer).unwrap();
    environment.check_error(
        &["list"],
        13,
        expect![[r#"
        --- stderr
        error: object config in <here>/repository cannot be used
          config has version 2, this vectar reads up to 1
          nothing was written; the repository was not changed

        hint: use the newer vectar that wrote it
        --- exit 13
    "#]],
    );
    environment.check_error(
        &["ingest", "notes"],
        13,
        expect![[r#"
        --- stderr
        error: object config in <here>/repository cannot be used
          config has version 2, this vectar reads up to 1
          nothing was written; the repository was not changed

        hint: use the newer vectar that wrote it
        --- exit 13
    "#]],
    );
}

#[test]
fn the_snapshot_is_not_what_its_checksum_says() {
    let environment = TestEnvironment::with_repository();
    environment.snapshot("kinds", "empty", "kinds/a.snapshot");
    environment.write("kinds/a.snapshot.checksum", "0".repeat(64));
    environment.check_error(
        &["ingest", "kinds/a.snapshot"],
        1,
        expect![[r#"
        --- stderr
        error: cannot store kinds/a.snapshot
          kinds/a.snapshot does not match its checksum
          expected 0000000000000000000000000000000000000000000000000000000000000000, by kinds/a.snapshot.checksum
          found    559e779ad1e9d026b7e12a24c92878273777efe28d0d5d459d3613f9ffeed8c7
          nothing was written; the repository was not changed

        hint: copy the snapshot and its .checksum again from the server
        hint: add --allow-damaged to keep the file as it is, marked as damaged
        --- exit 1
    "#]],
    );
    environment.check_error(
        &["ingest", "kinds"],
        1,
        expect![[r#"
        --- stderr
        error: cannot store kinds/a.snapshot
          kinds/a.snapshot does not match its checksum
          expected 0000000000000000000000000000000000000000000000000000000000000000, by kinds/a.snapshot.checksum
          found    559e779ad1e9d026b7e12a24c92878273777efe28d0d5d459d3613f9ffeed8c7
          nothing was written; the repository was not changed

        hint: copy the snapshot and its .checksum again from the server
        hint: add --allow-damaged to keep the file as it is, marked as damaged
        --- exit 1
    "#]],
    );
    environment.write("kinds/a.snapshot.checksum", "nothing of the kind");
    environment.check_error(
        &["ingest", "kinds/a.snapshot"],
        1,
        expect![[r#"
        --- stderr
        error: cannot store kinds/a.snapshot
          kinds/a.snapshot.checksum holds no checksum
          the checksum sidecar holds "n" after 0 digits, expected 64 hexadecimal digits
          nothing was written; the repository was not changed

        hint: remove kinds/a.snapshot.checksum if it does not belong to the snapshot
        --- exit 1
    "#]],
    );
}

#[test]
fn the_snapshot_is_not_there_or_no_file() {
    let environment = TestEnvironment::with_repository();
    environment.check_error(
        &["ingest", "a.snapshot"],
        1,
        expect![[r#"
        --- stderr
        error: cannot store a.snapshot
          cannot open a.snapshot
          No such file or directory (os error 2)
          no backup was stored; those in the repository are as they were

        hint: check that the file exists and that this user may read it
        --- exit 1
    "#]],
    );
    environment.check_error(
        &["ingest", "/dev/null"],
        1,
        expect![[r#"
        --- stderr
        error: cannot store /dev/null
          cannot read /dev/null
          it is not a regular file
          no backup was stored; those in the repository are as they were

        hint: check that the file exists and that this user may read it
        --- exit 1
    "#]],
    );
}

#[test]
fn the_snapshot_is_cut_short() {
    let environment = TestEnvironment::with_repository();
    let whole = environment.snapshot("notes", "00-base", "notes/a.snapshot");
    environment.write("notes/a.snapshot", &whole[..500_000]);
    environment.check_error(&["ingest", "notes/a.snapshot"], 1, expect![[r#"
        --- stderr
        error: cannot store notes/a.snapshot
          a.snapshot is damaged
          cut short, missing bytes: 110304 at offset 500000 in `0/segments/f95147e6-895e-4aff-b0d5-32d609876bd6.tar!snapshot/files/payload_storage/page_0.dat`
          no backup was stored; those in the repository are as they were

        hint: take the snapshot again, or copy it again from the server
        hint: add --allow-damaged to keep it all the same, marked as damaged
        --- exit 1
    "#]]);
}

#[test]
fn the_snapshot_declares_more_than_there_is() {
    let environment = TestEnvironment::with_repository();
    environment.write("a.snapshot", tar_of_one_entry("0/segments/a.tar", 1 << 60));
    environment.check_error(
        &["ingest", "a.snapshot"],
        1,
        expect![[r#"
        --- stderr
        error: cannot store a.snapshot
          a.snapshot is damaged
          cut short, missing bytes: 1152921504606845952 at offset 1536 in `0/segments/a.tar`
          no backup was stored; those in the repository are as they were

        hint: take the snapshot again, or copy it again from the server
        hint: add --allow-damaged to keep it all the same, marked as damaged
        --- exit 1
    "#]],
    );
    environment.check(
        &["inspect", "./a.snapshot"],
        expect![[r#"
        file ./a.snapshot
        1.50 KiB (1,536 bytes)
        collection snapshot, 1.5 KiB
        Qdrant version unknown
        collection (name unknown), 1.0 KiB
          shard 0, 1.0 KiB
            segment a: not split, 1.0 KiB, 1.0 KiB logical
        classes
          unknown               1024 bytes in 1 file
          framing                512 bytes
        damage: cut short, missing bytes: 1152921504606845952 at offset 1536 in `0/segments/a.tar`
        damage: does not end in two zero blocks at offset 1536
        --- stderr
        warning: the snapshot is damaged; what is behind the damage may be missing above
        --- exit 3
    "#]],
    );
    environment.check(&["cat", "./a.snapshot", "0/segments/a.tar"], expect![[r#"
        --- stderr
        reading file ./a.snapshot
        warning: 0/segments/a.tar is cut short in the snapshot: 1024 of 1152921504606846976 bytes are there
        --- exit 3
    "#]]);
}

#[test]
fn too_little_would_be_left() {
    let environment = TestEnvironment::with_repository();
    environment.snapshot("kinds", "empty", "kinds/a.snapshot");
    let before = environment.tree();
    let ran = environment.run(&["ingest", "kinds/a.snapshot", "--keep-free", "1000PiB"]);
    assert_eq!((ran.code, environment.tree()), (Some(1), before));
    expect![[r#"
        --- stderr
        error: cannot store kinds/a.snapshot
          <here>/repository would have too little room left
          free now:  <size> (<size>)
          the snapshot needs:  <size> (<size>) at most
          to be kept free:  1000.00 PiB (<size>)
          nothing was written; the repository was not changed

        hint: make room, or lower --keep-free
        --- exit 1
    "#]]
    .assert_eq(&environment.transcript(&ran, &[crate::redact::Mask::Sizes]));
}

#[test]
fn the_destination_exists_or_cannot_be_made() {
    let environment = TestEnvironment::with_backups();
    environment.write("out.snapshot", "precious");
    let restore = ["restore", "notes@latest", "-o"];
    environment.check_error(
        &[&restore[..], &["out.snapshot"]].concat(),
        1,
        expect![[r#"
        --- stderr
        error: cannot restore backup <bkup-1>
          out.snapshot exists
          nothing was written to out.snapshot

        hint: choose another name, or add --force to replace it
        --- exit 1
    "#]],
    );
    assert_eq!(fs::read(environment.path("out.snapshot")).unwrap(), b"precious");
    let ran = environment.run(&[&restore[..], &["nowhere/out.snapshot"]].concat());
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.starts_with("error: cannot restore backup "), "{}", ran.stderr);
    environment.check_error(
        &["cat", "notes@latest", "config.json", "-o", "out.snapshot"],
        1,
        expect![[r#"
            --- stderr
            reading backup <bkup-1> (03-delete-33pct-vacuum.snapshot)
            error: out.snapshot exists
              the file is as it was; the repository was not changed

            hint: choose another name, or add --force to replace it
            --- exit 1
        "#]],
    );
    assert_eq!(fs::read(environment.path("out.snapshot")).unwrap(), b"precious");
}

#[test]
fn a_pack_is_damaged() {
    let environment = TestEnvironment::with_backups();
    for (path, mut bytes) in environment.tree() {
        if path.to_string_lossy().contains("/packs/") {
            bytes[200] ^= 0xff;
            fs::write(path, bytes).unwrap();
        }
    }
    let before = environment.tree();
    let ran = environment.run(&["restore", "notes@latest", "-o", "out.snapshot"]);
    assert_eq!((ran.code, environment.tree()), (Some(4), before));
    expect![[r#"
        --- stderr
        error: cannot restore backup <bkup-1>
          recipe node <hash> is damaged in pack <hash>
          pack record fails its checksum
          nothing was written to out.snapshot

        hint: run "vectar check --read-data" to list every backup that is hurt
        hint: run "vectar repair packs", then ingest the same snapshot again: that stores what is missing
        hint: run "vectar restore BACKUP -o FILE --salvage" to write what is left of it
        --- exit 4
    "#]]
    .assert_eq(&without_places(&environment.transcript(&ran, &[crate::redact::Mask::Hashes])));
    assert!(!environment.path("out.snapshot").exists());
    assert_eq!(environment.run(&["verify", "notes@latest"]).code, Some(4));
}

#[test]
fn values_that_mean_nothing() {
    let environment = TestEnvironment::with_repository();
    let ran = environment.run(&["list", "--since", "yesterday"]);
    expect![[r#"
        --- stderr
        error: --since "yesterday" cannot be used: a time looks like 2026-11-20, 2026-11-20T16:24 or 2026-11-20T16:24:27Z
          nothing was written; the repository was not changed
        --- exit 2
    "#]].assert_eq(&environment.transcript(&ran, &[]));
    let ran = environment.run(&["ingest", "--keep-free", "much", "a.snapshot"]);
    expect![[r#"
        --- stderr
        error: invalid value 'much' for '--keep-free <SIZE>': "much" is not a size such as 4096, 500MB or 20GiB

        For more information, try '--help'.
        --- exit 2
    "#]]
    .assert_eq(&environment.transcript(&ran, &[]));
    let ran = environment.run(&["find", "a["]);
    expect![[r#"
        --- stderr
        error: pattern "a[" cannot be used: unclosed character class; missing ']'
          nothing was written; the repository was not changed
        --- exit 2
    "#]]
    .assert_eq(&environment.transcript(&ran, &[]));
}

/// Where a record lies in its pack and what its checksums are differs with the ids in it.
fn without_places(text: &str) -> String {
    let plain = |line: &str| match line {
        line if line.contains("is damaged in pack") => line.split(", bytes").next().unwrap_or_default().to_owned(),
        line if line.contains("recorded") => line.split(": recorded").next().unwrap_or_default().to_owned(),
        line => line.to_owned(),
    };
    text.lines().map(|line| plain(line) + "\n").collect()
}

/// A tar whose one header speaks of `declared` bytes, and that has 1024.
fn tar_of_one_entry(name: &str, declared: u64) -> Vec<u8> {
    let mut header = [0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    // Base-256, as GNU tar writes what does not fit into eleven octal digits.
    header[124] = 0x80;
    header[128..136].copy_from_slice(&declared.to_be_bytes());
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar  \0");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut tar = header.to_vec();
    tar.extend([7; 1024]);
    tar
}
