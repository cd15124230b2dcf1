//! `verify --deep`: what it says of sound snapshots, of damaged ones, and of what only looks damaged.

use expect_test::expect;
use vectar_testkit::TarParts;

use crate::environment::TestEnvironment;

const SEGMENT: &str = "0/segments/f95147e6-895e-4aff-b0d5-32d609876bd6.tar!snapshot/files/";

#[test]
fn a_sound_file() {
    let environment = TestEnvironment::new();
    let bytes = environment.snapshot("notes", "00-base", "notes/00-base.snapshot");
    environment.check(
        &["verify", "--deep", "./notes/00-base.snapshot"],
        expect![[r#"
        file ./notes/00-base.snapshot: whole, 978.00 KiB (1,001,472 bytes)
          sha-256 737222b51df4ed9372a7b5f05a3d834781cb4663f8caad6510ca45a911b294de
          no .checksum beside it: the digest is compared with nothing
            Qdrant writes one only beside snapshots in its own directory, not to S3 and not into a download
          86 files in 2 nested tars
          what Qdrant's files say fits together
        --- stderr
        this looked at every value; that a Qdrant loads it only a Qdrant can prove
        --- exit 0
    "#]],
    );
    let digest = environment.stdout(&["inspect", "--sha256", "./notes/00-base.snapshot"]);
    let digest = digest.lines().find_map(|line| line.strip_prefix("sha256 ")).unwrap();
    environment.write("notes/00-base.snapshot.checksum", &digest[..64]);
    environment.check(&["verify", "--deep", "./notes/00-base.snapshot", "--json"], expect![[r#"
        {"v":1,"type":"file-verified","path":"./notes/00-base.snapshot","whole":true,"bytes":1001472,"sha256":"737222b51df4ed9372a7b5f05a3d834781cb4663f8caad6510ca45a911b294de","claimed_sha256":"737222b51df4ed9372a7b5f05a3d834781cb4663f8caad6510ca45a911b294de","findings":[]}
        {"v":1,"type":"deep-verified","file":"./notes/00-base.snapshot","backup":null,"whole":true,"damage":0,"data_loss":0,"suspicious":0,"notes":0,"more":0}
        --- stderr
        this looked at every value; that a Qdrant loads it only a Qdrant can prove
        --- exit 0
    "#]]);
    assert_eq!(bytes.len(), 1_001_472);
}

#[test]
fn a_backup() {
    let environment = TestEnvironment::with_backups();
    environment.check(&["verify", "--deep", "03-delete-33pct-vacuum.snapshot"], expect![[r#"
        backup <bkup-1> (03-delete-33pct-vacuum.snapshot): bytes identical, 911.50 KiB (933,376 bytes), sha-256 9e4766c3f03e330193008071b18cf4cac57ea02acefd5333df1b4d30e3e87c94
          what Qdrant's files say fits together
        --- stderr
        this looked at every value; that a Qdrant loads it only a Qdrant can prove
        --- exit 0
    "#]]);
}

#[test]
fn a_damaged_body() {
    let environment = TestEnvironment::new();
    environment.changed(("notes", "00-base"), "notes/damaged.snapshot", |parts| {
        parts.edit(&format!("{SEGMENT}payload_storage/page_0.dat"), |bytes| bytes[..128].fill(0xff));
        parts.edit(&format!("{SEGMENT}id_tracker.versions"), |bytes| bytes.truncate(100));
    });
    environment.check(
        &["verify", "--deep", "./notes/damaged.snapshot"],
        expect![[r#"
            file ./notes/damaged.snapshot: whole, 972.00 KiB (995,328 bytes)
              sha-256 240a9829d426a26ab335f20fc3d173606e5615b90f5f3297c7fbd8fd33653991
              no .checksum beside it: the digest is compared with nothing
                Qdrant writes one only beside snapshots in its own directory, not to S3 and not into a download
              86 files in 2 nested tars
              suspicious: 0/segments/f95147e6-895e-4aff-b0d5-32d609876bd6.tar!snapshot/files/id_tracker.versions: 100 bytes, expected 6400 for 800 rows
                restoring: none for the points that have a version
                do: check that the files of the tracker are of the same snapshot
              data-loss: 0/segments/f95147e6-895e-4aff-b0d5-32d609876bd6.tar!snapshot/files/id_tracker.versions: 788 live points have no version, expected one for each of 800 rows
                restoring: Qdrant drops these points when it loads the segment; they are lost unless the WAL still holds them
                do: compare the number of points after the restore, or restore another snapshot
              damage: 0/segments/f95147e6-895e-4aff-b0d5-32d609876bd6.tar!snapshot/files/payload_storage/page_*.dat: values that cannot be read: 1 (slot 0: payload_storage/page_0.dat, byte 0: the value of slot 0 cannot be decompressed: 4294967295 bytes are declared, and 219 compressed ones cannot hold them)
                restoring: reading these rows fails or stops the server
                do: restore another snapshot or backup of this collection
              a restore would fail or lose points
            --- exit 4
        "#]],
    );
    environment.check(&["verify", "--deep", "./notes/damaged.snapshot", "--json", "-q"], expect![[r#"
        {"v":1,"type":"file-verified","path":"./notes/damaged.snapshot","whole":true,"bytes":995328,"sha256":"240a9829d426a26ab335f20fc3d173606e5615b90f5f3297c7fbd8fd33653991","claimed_sha256":null,"findings":[]}
        {"v":1,"type":"snapshot-finding","file":"./notes/damaged.snapshot","backup":null,"level":"suspicious","object":"0/segments/f95147e6-895e-4aff-b0d5-32d609876bd6.tar!snapshot/files/id_tracker.versions","what":"100 bytes, expected 6400 for 800 rows","consequence":"none for the points that have a version","advice":"check that the files of the tracker are of the same snapshot"}
        {"v":1,"type":"snapshot-finding","file":"./notes/damaged.snapshot","backup":null,"level":"data-loss","object":"0/segments/f95147e6-895e-4aff-b0d5-32d609876bd6.tar!snapshot/files/id_tracker.versions","what":"788 live points have no version, expected one for each of 800 rows","consequence":"Qdrant drops these points when it loads the segment; they are lost unless the WAL still holds them","advice":"compare the number of points after the restore, or restore another snapshot"}
        {"v":1,"type":"snapshot-finding","file":"./notes/damaged.snapshot","backup":null,"level":"damage","object":"0/segments/f95147e6-895e-4aff-b0d5-32d609876bd6.tar!snapshot/files/payload_storage/page_*.dat","what":"values that cannot be read: 1 (slot 0: payload_storage/page_0.dat, byte 0: the value of slot 0 cannot be decompressed: 4294967295 bytes are declared, and 219 compressed ones cannot hold them)","consequence":"reading these rows fails or stops the server","advice":"restore another snapshot or backup of this collection"}
        {"v":1,"type":"deep-verified","file":"./notes/damaged.snapshot","backup":null,"whole":false,"damage":1,"data_loss":1,"suspicious":1,"notes":0,"more":0}
        --- exit 4
    "#]]);
}

/// Qdrant deletes such a segment without an error.
#[test]
fn a_missing_version() {
    let environment = TestEnvironment::new();
    environment.changed(("notes", "00-base"), "notes/lost.snapshot", |parts| {
        assert_eq!(parts.remove(&format!("{SEGMENT}version.info")), 1);
    });
    environment.check(&["verify", "--deep", "./notes/lost.snapshot"], expect![[r#"
        file ./notes/lost.snapshot: whole, 977.00 KiB (1,000,448 bytes)
          sha-256 79b453098fca2ac6e34b5614e77689cd90e75c0bf40900039deeaadd429a3229
          no .checksum beside it: the digest is compared with nothing
            Qdrant writes one only beside snapshots in its own directory, not to S3 and not into a download
          85 files in 2 nested tars
          data-loss: 0/segments/f95147e6-895e-4aff-b0d5-32d609876bd6.tar!snapshot/files/version.info: is missing
            restoring: Qdrant deletes a segment without it when it loads, with a warning in its log: all points of the segment are lost
            do: restore from another backup, or make the snapshot again
          a restore would fail or lose points
        --- exit 4
    "#]]);
}

#[test]
fn a_partial_snapshot() {
    let environment = TestEnvironment::new();
    environment.snapshot("kinds", "shard-partial", "kinds/shard-partial.snapshot");
    environment.check(
        &["verify", "--deep", "./kinds/shard-partial.snapshot"],
        expect![[r#"
        file ./kinds/shard-partial.snapshot: whole, 171.00 KiB (175,104 bytes)
          sha-256 cfd3134534cc096cfc88308aa00a117bf4953e52bfb44b73f93e344f120e5e5d
          no .checksum beside it: the digest is compared with nothing
            Qdrant writes one only beside snapshots in its own directory, not to S3 and not into a download
          47 files in 0 nested tars
          note: a partial snapshot: it has only the files that the one who asked for it lacked
          what Qdrant's files say fits together
        --- stderr
        this looked at every value; that a Qdrant loads it only a Qdrant can prove
        --- exit 0
    "#]],
    );
}

#[test]
fn a_cut_file_and_one_that_is_no_snapshot() {
    let environment = TestEnvironment::new();
    let whole = environment.snapshot("notes", "00-base", "notes/whole.snapshot");
    environment.write("notes/cut.snapshot", &whole[..500_000]);
    environment.check(&["verify", "--deep", "./notes/cut.snapshot"], expect![[r#"
        file ./notes/cut.snapshot: damaged, 488.28 KiB (500,000 bytes)
          sha-256 a57161874d3f2c4c98a56b65cde6f528bf18738d7150992c7de99b940ff3506f
          no .checksum beside it: the digest is compared with nothing
            Qdrant writes one only beside snapshots in its own directory, not to S3 and not into a download
          68 files in 2 nested tars
          damage: 0/segments/f95147e6-895e-4aff-b0d5-32d609876bd6.tar!snapshot/files/payload_storage/page_0.dat: cut short, missing bytes: 110304 at byte 500000
            restoring: Qdrant refuses the snapshot, or restores only what lies before the damage
            do: copy the snapshot again from the server, or restore from another backup
          damage: 0/segments/f95147e6-895e-4aff-b0d5-32d609876bd6.tar: cut short, missing bytes: 138464 at byte 500000
            restoring: Qdrant refuses the snapshot, or restores only what lies before the damage
            do: copy the snapshot again from the server, or restore from another backup
          damage: does not end in two zero blocks at byte 500000
            restoring: Qdrant refuses the snapshot, or restores only what lies before the damage
            do: copy the snapshot again from the server, or restore from another backup
          damage: config.json: is missing
            restoring: Qdrant refuses a collection without a configuration
            do: restore from another backup, or make the snapshot again
          damage: version.info: is missing
            restoring: Qdrant takes the collection for one of an unsupported version
            do: restore from another backup, or make the snapshot again
          damage: 0/shard_config.json: is missing
            restoring: Qdrant cannot read the shard and refuses the snapshot
            do: restore from another backup, or make the snapshot again
          suspicious: 0/replica_state.json: is missing
            restoring: Qdrant does not know which peers hold the shard
            do: restore from another backup, or make the snapshot again
          damage: 0/wal/: is missing
            restoring: Qdrant cannot open the write-ahead log
            do: restore from another backup, or make the snapshot again
          data-loss: 0/segments/f95147e6-895e-4aff-b0d5-32d609876bd6.tar!snapshot/files/version.info: is missing
            restoring: Qdrant deletes a segment without it when it loads, with a warning in its log: all points of the segment are lost
            do: restore from another backup, or make the snapshot again
          damage: 0/segments/f95147e6-895e-4aff-b0d5-32d609876bd6.tar!snapshot/files/segment.json: is missing
            restoring: Qdrant cannot load the segment
            do: restore from another backup, or make the snapshot again
          a restore would fail or lose points
        --- exit 4
    "#]]);
    environment.write("page.snapshot", "<html><body>404 Not Found</body></html>");
    environment.check(
        &["verify", "--deep", "./page.snapshot", "./notes/whole.snapshot", "-q"],
        expect![[r#"
        file ./page.snapshot: damaged, 39 bytes
          sha-256 ab0fed4d121bc66da4bb6aaf95237a5fb2c10fafc3896133d246fbd10cfe1e5c
          no .checksum beside it: the digest is compared with nothing
            Qdrant writes one only beside snapshots in its own directory, not to S3 and not into a download
          1 file in 0 nested tars
          damage: not a tar at byte 0
            restoring: Qdrant refuses the snapshot, or restores only what lies before the damage
            do: copy the snapshot again from the server, or restore from another backup
          suspicious: nothing in it looks like a snapshot that Qdrant makes
            restoring: Qdrant will refuse it
            do: find out where the file comes from; an error page saved under the name of a snapshot looks like this
          a restore would fail or lose points
        file ./notes/whole.snapshot: whole, 978.00 KiB (1,001,472 bytes)
          sha-256 737222b51df4ed9372a7b5f05a3d834781cb4663f8caad6510ca45a911b294de
          no .checksum beside it: the digest is compared with nothing
            Qdrant writes one only beside snapshots in its own directory, not to S3 and not into a download
          86 files in 2 nested tars
          what Qdrant's files say fits together
        --- stderr
        warning: 1 of 2 are damaged
        --- exit 4
    "#]],
    );
}

/// A checksum without its snapshot is what a full snapshot leaves behind; it is no damage.
#[test]
fn a_checksum_alone() {
    let environment = TestEnvironment::new();
    environment.write("notes-1-2026-11-20-16-24-36.snapshot.checksum", "0".repeat(64));
    environment.check_error(&["verify", "--deep", "./notes-1-2026-11-20-16-24-36.snapshot.checksum"], 2, expect![[r#"
        --- stderr
        error: ./notes-1-2026-11-20-16-24-36.snapshot.checksum is a checksum, not a snapshot
          ./notes-1-2026-11-20-16-24-36.snapshot is not there: Qdrant leaves such a checksum behind whenever it makes a full snapshot
          nothing was read or written

        hint: it can be deleted; the collection lies in the full snapshot
        --- exit 2
    "#]]);
}

/// What is done to a snapshot.
type Change = dyn Fn(&mut TarParts);

/// What makes it end with 4 is damage and loss. What is only suspicious is said, and does not stop a script.
#[test]
fn what_each_damage_ends_with() {
    let environment = TestEnvironment::new();
    let whole = environment.snapshot("notes", "00-base", "whole.snapshot");
    environment.write("cut.snapshot", &whole[..whole.len() / 3]);
    environment.write("last-block.snapshot", &whole[..whole.len() - 512]);
    let mut flipped = whole.clone();
    flipped[0] ^= 0x10;
    environment.write("flipped.snapshot", flipped);
    let changes: [(&str, &Change); 5] = [
        ("vector", &|parts| {
            parts.edit(&format!("{SEGMENT}vector_storage/vectors/chunk_0.mmap"), |bytes| bytes[3] ^= 0x40)
        }),
        ("links", &|parts| {
            parts.edit(&format!("{SEGMENT}vector_index/links_compressed.bin"), |bytes| bytes.truncate(99))
        }),
        ("log", &|parts| parts.edit("0/wal/open-1", |bytes| bytes[30_000] ^= 1)),
        ("gaps", &|parts| parts.edit(&format!("{SEGMENT}payload_storage/gaps.dat"), |bytes| bytes.fill(0))),
        ("field", &|parts| parts.edit("payload_index.json", |bytes| *bytes = br#"{"schema":{}}"#.to_vec())),
    ];
    for (name, change) in changes {
        environment.changed(("notes", "00-base"), &format!("{name}.snapshot"), change);
    }
    for (name, code, said) in [
        ("whole", 0, "what Qdrant's files say fits together"),
        ("cut", 4, "cut short, missing bytes"),
        ("last-block", 4, "does not end in two zero blocks"),
        ("flipped", 4, "header checksum"),
        ("vector", 4, "vector_storage: cosine vectors whose norm is not 1: 1 (row 0: "),
        (
            "links",
            4,
            "damage: 0/segments/f95147e6-895e-4aff-b0d5-32d609876bd6.tar!snapshot/files/vector_index/links_compressed.bin: ",
        ),
        ("log", 4, "damage: 0/wal/open-1: "),
        (
            "gaps",
            0,
            "suspicious: 0/segments/f95147e6-895e-4aff-b0d5-32d609876bd6.tar!snapshot/files/payload_storage/gaps.dat: ",
        ),
        ("field", 0, "payload_index/config.json: has field \"rank\", which the collection does not index"),
    ] {
        let ran = environment.run(&["verify", "--deep", &format!("./{name}.snapshot")]);
        assert_eq!(ran.code, Some(code), "{name}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains(said), "{name}: {}", ran.stdout);
    }
}

/// A value that became another value is seen by the digest that Qdrant wrote, and by nothing else.
#[test]
fn a_value_that_could_be() {
    let environment = TestEnvironment::new();
    environment.changed(("notes", "00-base"), "other.snapshot", |parts| {
        parts.edit(&format!("{SEGMENT}vector_storage/vectors/chunk_0.mmap"), |bytes| bytes[3] ^= 0x80);
    });
    assert_eq!(environment.run(&["verify", "--deep", "./other.snapshot"]).code, Some(0));
    environment.write("other.snapshot.checksum", "737222b51df4ed9372a7b5f05a3d834781cb4663f8caad6510ca45a911b294de");
    let ran = environment.run(&["verify", "./other.snapshot"]);
    assert_eq!(ran.code, Some(4), "{}", ran.stdout);
    assert!(ran.stdout.contains("737222b51df4ed93"), "{}", ran.stdout);
}
