//! The text of every error, with its causes and its kind. A changed message is a visible diff.

use expect_test::{Expect, expect};
use vectar_backend::{BackendError, BackendErrorKind, ObjectKey};
use vectar_chunk::ChunkError;
use vectar_repository::{
    BackupId, DamageReason, PackId, RepositoryError, RepositoryId,
    format::{FormatError, pack::RecordKind},
};

/// One line for the error, one for each cause, and the kind.
fn check(error: RepositoryError, expected: Expect) {
    let mut text = format!("{error}\n");
    let mut next = std::error::Error::source(&error);
    while let Some(cause) = next {
        text += &format!("caused by: {cause}\n");
        next = cause.source();
    }
    text += &format!("kind: {:?}\n", error.kind());
    assert!(!text.contains(".\n"), "no full stop ends a line: {text}");
    assert!(!text.starts_with(char::is_uppercase), "{text}");
    expected.assert_eq(&text);
}

fn place() -> String {
    "/mnt/nas/backups".to_owned()
}

fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

fn storage_error(kind: BackendErrorKind) -> BackendError {
    BackendError::Storage { action: "put config".to_owned(), location: place(), kind, source: "it said no".into() }
}

const PACK: PackId = PackId::from_bytes([0x9c; 32]);

#[test]
fn what_is_at_a_place() {
    check(
        RepositoryError::NotARepository { location: place(), source: None },
        expect![[r#"
        there is no vectar repository in /mnt/nas/backups
        kind: NotFound
    "#]],
    );
    let unmounted = BackendError::RootMissing { path: place().into() };
    check(
        RepositoryError::NotARepository { location: place(), source: Some(unmounted) },
        expect![[r#"
        there is no vectar repository in /mnt/nas/backups
        caused by: the directory /mnt/nas/backups does not exist
        kind: NotFound
    "#]],
    );
    let file = BackendError::RootNotADirectory { path: place().into() };
    check(
        RepositoryError::NotARepository { location: place(), source: Some(file) },
        expect![[r#"
        there is no vectar repository in /mnt/nas/backups
        caused by: /mnt/nas/backups is not a directory
        kind: StorageFailed
    "#]],
    );
    check(
        RepositoryError::AlreadyARepository { location: place() },
        expect![[r#"
        there is a vectar repository in /mnt/nas/backups already
        kind: FixInput
    "#]],
    );
    check(
        RepositoryError::NotEmpty { location: place(), object: key("holiday/picture-1") },
        expect![[r#"
        /mnt/nas/backups holds other objects, such as holiday/picture-1
        kind: FixInput
    "#]],
    );
    let (expected, found) = (RepositoryId::from_bytes([1; 16]), RepositoryId::from_bytes([2; 16]));
    check(
        RepositoryError::WrongRepository { location: place(), expected, found },
        expect![[r#"
        /mnt/nas/backups holds repository 02020202020202020202020202020202, expected 01010101010101010101010101010101
        kind: FixInput
    "#]],
    );
    let source = FormatError::Invalid { what: "config", reason: "a pack size of 1 bytes is out of range".to_owned() };
    check(
        RepositoryError::OptionsUnusable { source },
        expect![[r#"
        a repository cannot be created with these options
        caused by: config: a pack size of 1 bytes is out of range
        kind: FixInput
    "#]],
    );
}

fn object(source: FormatError) -> RepositoryError {
    RepositoryError::Object { key: key("packs/9c/9c9c"), location: place(), source }
}

#[test]
fn what_is_wrong_with_an_object() {
    check(
        object(FormatError::Truncated { what: "pack", offset: 0, needed: 4096, found: 100 }),
        expect![[r#"
        object packs/9c/9c9c in /mnt/nas/backups cannot be used
        caused by: pack is cut short: 4096 bytes are needed at offset 0, 100 are there
        kind: RepositoryDamaged
    "#]],
    );
    check(
        object(FormatError::Magic { what: "pack trailer" }),
        expect![[r#"
        object packs/9c/9c9c in /mnt/nas/backups cannot be used
        caused by: pack trailer lacks its magic bytes
        kind: RepositoryDamaged
    "#]],
    );
    let (recorded, computed) = ("0badcafe".to_owned(), "12345678".to_owned());
    check(
        object(FormatError::Checksum { what: "pack footer", recorded, computed }),
        expect![[r#"
        object packs/9c/9c9c in /mnt/nas/backups cannot be used
        caused by: pack footer fails its checksum: recorded 0badcafe, computed 12345678
        kind: RepositoryDamaged
    "#]],
    );
    check(
        object(FormatError::NewerVersion { what: "config", found: 3, supported: 1 }),
        expect![[r#"
        object packs/9c/9c9c in /mnt/nas/backups cannot be used
        caused by: config has version 3, this vectar reads up to 1
        kind: NewerFormat
    "#]],
    );
    let features = vec!["rows-1".to_owned(), "encryption-1".to_owned()];
    check(
        object(FormatError::UnknownFeatures { what: "config", features }),
        expect![[r#"
        object packs/9c/9c9c in /mnt/nas/backups cannot be used
        caused by: config requires rows-1, encryption-1, which this vectar does not know
        kind: NewerFormat
    "#]],
    );
    check(
        object(FormatError::Invalid { what: "record", reason: "it belongs under another key".to_owned() }),
        expect![[r#"
        object packs/9c/9c9c in /mnt/nas/backups cannot be used
        caused by: record: it belongs under another key
        kind: RepositoryDamaged
    "#]],
    );
    let in_the_way = RepositoryError::ObjectInTheWay { key: key("pending/12"), found_bytes: 3, expected_bytes: 4096 };
    check(
        in_the_way,
        expect![[r#"
        object pending/12 is there already with 3 bytes, expected 4096
        kind: RepositoryDamaged
    "#]],
    );
}

fn damaged(kind: RecordKind, source: DamageReason) -> RepositoryError {
    RepositoryError::ChunkDamaged { kind, id: [4; 32], pack: PACK, range: 1_048_576..1_114_112, source }
}

#[test]
fn what_is_wrong_with_a_chunk() {
    check(
        RepositoryError::ChunkMissing { kind: RecordKind::Chunk, id: [4; 32] },
        expect![[r#"
        chunk 0404040404040404040404040404040404040404040404040404040404040404 is in no pack of this repository
        kind: RepositoryDamaged
    "#]],
    );
    check(
        RepositoryError::ChunkMissing { kind: RecordKind::Node, id: [4; 32] },
        expect![[r#"
        recipe node 0404040404040404040404040404040404040404040404040404040404040404 is in no pack of this repository
        kind: RepositoryDamaged
    "#]],
    );
    check(
        RepositoryError::ChunkMissing { kind: RecordKind::RowDirectory, id: [4; 32] },
        expect![[r#"
        row directory 0404040404040404040404040404040404040404040404040404040404040404 is in no pack of this repository
        kind: RepositoryDamaged
    "#]],
    );
    check(
        damaged(RecordKind::Chunk, FormatError::Magic { what: "pack record" }.into()),
        expect![[r#"
        chunk 0404040404040404040404040404040404040404040404040404040404040404 is damaged in pack 9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c, bytes 1048576..1114112
        caused by: pack record lacks its magic bytes
        kind: RepositoryDamaged
    "#]],
    );
    let newer = FormatError::NewerVersion { what: "pack record", found: 2, supported: 1 };
    check(
        damaged(RecordKind::Chunk, newer.into()),
        expect![[r#"
        chunk 0404040404040404040404040404040404040404040404040404040404040404 is damaged in pack 9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c, bytes 1048576..1114112
        caused by: pack record has version 2, this vectar reads up to 1
        kind: NewerFormat
    "#]],
    );
    check(
        damaged(RecordKind::Node, DamageReason::OtherRecord { kind: RecordKind::Chunk, id: [5; 32] }),
        expect![[r#"
        recipe node 0404040404040404040404040404040404040404040404040404040404040404 is damaged in pack 9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c, bytes 1048576..1114112
        caused by: another record lies there: chunk 0505050505050505050505050505050505050505050505050505050505050505
        kind: RepositoryDamaged
    "#]],
    );
    check(
        damaged(RecordKind::Chunk, DamageReason::IdWrong { found: [6; 32] }),
        expect![[r#"
        chunk 0404040404040404040404040404040404040404040404040404040404040404 is damaged in pack 9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c, bytes 1048576..1114112
        caused by: its bytes decode to something with the id 0606060606060606060606060606060606060606060606060606060606060606
        kind: RepositoryDamaged
    "#]],
    );
    check(
        damaged(RecordKind::Chunk, ChunkError::ChunkTooLarge { raw_bytes: 5 << 20, max: 4 << 20 }.into()),
        expect![[r#"
        chunk 0404040404040404040404040404040404040404040404040404040404040404 is damaged in pack 9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c, bytes 1048576..1114112
        caused by: a chunk of 5242880 bytes is declared, at most 4194304 are possible
        kind: RepositoryDamaged
    "#]],
    );
    let unknown = ChunkError::CodecUnknown { codec: vectar_chunk::CodecId::new(7) };
    check(
        damaged(RecordKind::Chunk, unknown.into()),
        expect![[r#"
        chunk 0404040404040404040404040404040404040404040404040404040404040404 is damaged in pack 9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c, bytes 1048576..1114112
        caused by: codec 7 is not known to this version
        kind: NewerFormat
    "#]],
    );
    let short = BackendError::RangeOutside {
        key: key("packs/9c/9c9c"),
        location: place(),
        range: 1_048_576..1_114_112,
        object_bytes: 1_050_000,
    };
    check(
        damaged(RecordKind::Chunk, short.into()),
        expect![[r#"
        chunk 0404040404040404040404040404040404040404040404040404040404040404 is damaged in pack 9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c, bytes 1048576..1114112
        caused by: object packs/9c/9c9c in /mnt/nas/backups has 1050000 bytes, but bytes 1048576..1114112 were asked for
        kind: RepositoryDamaged
    "#]],
    );
    check(
        RepositoryError::RecipeInvalid { reason: "its nodes nest deeper than 128".to_owned() },
        expect![[r#"
        the recipe of the backup is not usable: its nodes nest deeper than 128
        kind: RepositoryDamaged
    "#]],
    );
}

#[test]
fn what_stops_a_backup() {
    let backup = BackupId::from_bytes([7; 16]);
    check(
        RepositoryError::NeededPacksGone { backup, missing: 3, first: PACK },
        expect![[r#"
        3 packs that backup 07070707070707070707070707070707 relies on were removed while it was made, the first is 9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c
        kind: Retry
    "#]],
    );
    check(
        RepositoryError::ChunkGone { id: vectar_chunk::ChunkId::from_bytes([7; 32]) },
        expect![[r#"
        chunk 0707070707070707070707070707070707070707070707070707070707070707 was removed while an ingest relied on it
        kind: Retry
    "#]],
    );
    check(
        RepositoryError::RecordTooLong { backup, record_bytes: 5_000_000, max: 4_194_304 },
        expect![[r#"
        the record of backup 07070707070707070707070707070707 would have 5000000 bytes, at most 4194304 are possible
        kind: FixInput
    "#]],
    );
    check(
        RepositoryError::LayoutWrong { covered: 10, expected: 11 },
        expect![[r#"
        the layout of the new backup covers 10 bytes, the snapshot has 11
        kind: OurBug
    "#]],
    );
    check(
        RepositoryError::Chunk(ChunkError::ChunkTooLarge { raw_bytes: 5 << 20, max: 4 << 20 }),
        expect![[r#"
        a chunk of 5242880 bytes is declared, at most 4194304 are possible
        kind: RepositoryDamaged
    "#]],
    );
    check(
        RepositoryError::ThreadLost { task: "writes packs" },
        expect![[r#"
        the thread that writes packs stopped without an answer
        kind: OurBug
    "#]],
    );
    let source = Box::new(redb_error());
    check(
        RepositoryError::Index { action: "adding a pack", source },
        expect![[r#"
        the chunk index failed while adding a pack
        caused by: The value (length=5) being inserted exceeds the maximum of 3GiB
        kind: StorageFailed
    "#]],
    );
    check(
        RepositoryError::IndexFull,
        expect![[r#"
        the file system of the chunk index has no room for what would be added
        kind: StorageFailed
    "#]],
    );
}

fn redb_error() -> redb::Error {
    redb::Error::ValueTooLarge(5)
}

#[test]
fn what_the_storage_says_is_passed_on() {
    check(
        BackendError::NotFound { key: key("config"), location: place() }.into(),
        expect![[r#"
        object config does not exist in /mnt/nas/backups
        kind: NotFound
    "#]],
    );
    for (kind, expected) in [
        (
            BackendErrorKind::Retry,
            expect![[r#"
            cannot put config in /mnt/nas/backups
            caused by: it said no
            kind: Retry
        "#]],
        ),
        (
            BackendErrorKind::NoSpace,
            expect![[r#"
            cannot put config in /mnt/nas/backups
            caused by: it said no
            kind: NoSpace
        "#]],
        ),
        (
            BackendErrorKind::Permission,
            expect![[r#"
            cannot put config in /mnt/nas/backups
            caused by: it said no
            kind: StorageFailed
        "#]],
        ),
        (
            BackendErrorKind::Corrupt,
            expect![[r#"
            cannot put config in /mnt/nas/backups
            caused by: it said no
            kind: RepositoryDamaged
        "#]],
        ),
        (
            BackendErrorKind::StorageFailed,
            expect![[r#"
            cannot put config in /mnt/nas/backups
            caused by: it said no
            kind: StorageFailed
        "#]],
        ),
        (
            BackendErrorKind::Bug,
            expect![[r#"
            cannot put config in /mnt/nas/backups
            caused by: it said no
            kind: OurBug
        "#]],
        ),
    ] {
        check(storage_error(kind).into(), expected);
    }
}
