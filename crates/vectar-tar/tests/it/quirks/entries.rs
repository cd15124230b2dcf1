//! Plain entries: types, numbers, names, duplicates.

use expect_test::{Expect, expect};
use vectar_tar::SplitOptions;

use crate::drivers::events_with;
use crate::quirks::check;
use crate::raw::{RawHeader, RawTar};

#[test]
fn plain_files() {
    check(
        &RawTar::new().file("a", b"hello").file("dir/b", &[1; 512]).close(),
        expect![[r#"
            framing of level 0: 512
            body `a` 0 at 512: 5 bytes
            framing of level 0: 1019
            body `dir/b` 0 at 1536: 512 bytes
            framing of level 0: 1024
        "#]],
    );
}

#[test]
fn nul_type_flag() {
    check(
        &RawTar::new().entry(RawHeader::gnu("version.info").kind(0), b"0.4.2").close(),
        expect![[r#"
            framing of level 0: 512
            body `version.info` \u{0} at 512: 5 bytes
            framing of level 0: 1531
        "#]],
    );
}

#[test]
fn nul_uid_and_gid() {
    let header = RawHeader::gnu("config.json").kind(0).field(108, &[0; 16]);
    check(
        &RawTar::new().entry(header, b"{}").close(),
        expect![[r#"
        framing of level 0: 512
        body `config.json` \u{0} at 512: 2 bytes
        framing of level 0: 1534
    "#]],
    );
}

#[test]
fn entries_without_stored_bytes() {
    let tar = RawTar::new()
        .header(RawHeader::gnu("wal/").kind(b'5'))
        .header(RawHeader::gnu("wal/empty"))
        .header(RawHeader::gnu("status.dat").sparse(&[(16, 0)], 16, false));
    check(
        &tar.close(),
        expect![[r#"
        framing of level 0: 512
        body `wal/` 5 at 512: 0 bytes
        framing of level 0: 512
        body `wal/empty` 0 at 1024: 0 bytes
        framing of level 0: 512
        body `status.dat` S at 1536, logical 16, segments []: 0 bytes
        framing of level 0: 1024
    "#]],
    );
}

#[test]
fn base256_size_beyond_the_input() {
    let header = RawHeader::gnu("0/segments/u.tar").base256(124..136, 9 << 30);
    check(
        &RawTar::new().header(header).raw(&[1; 700]).open(),
        expect![[r#"
            framing of level 0: 512
            body `0/segments/u.tar` 0 at 512: 700 bytes, incomplete
            damage: cut short, missing bytes: 9663675716 at offset 1212 in `0/segments/u.tar`
            damage: does not end in two zero blocks at offset 1212
        "#]],
    );
}

#[test]
fn base256_fields_that_fit() {
    let header = RawHeader::gnu("a").base256(124..136, 5).base256(108..116, 1 << 40).field(136, &[0xff; 12]);
    check(
        &RawTar::new().header(header).body(b"hello").close(),
        expect![[r#"
            framing of level 0: 512
            body `a` 0 at 512: 5 bytes
            framing of level 0: 1531
        "#]],
    );
}

#[test]
fn largest_size() {
    let header = RawHeader::gnu("huge").base256(124..136, i64::MAX.unsigned_abs());
    check(
        &RawTar::new().header(header).raw(&[1; 10]).open(),
        expect![[r#"
            framing of level 0: 512
            body `huge` 0 at 512: 10 bytes, incomplete
            damage: cut short, missing bytes: 9223372036854775797 at offset 522 in `huge`
            damage: does not end in two zero blocks at offset 522
        "#]],
    );
    let inner =
        RawTar::new().header(RawHeader::gnu("huge").base256(124..136, i64::MAX.unsigned_abs())).raw(&[1; 1000]).open();
    check(
        &RawTar::new().file("u.tar", &inner).close(),
        expect![[r#"
        framing of level 0: 512
        enter `u.tar` 0 at 512
        framing of level 1: 512
        body `u.tar!huge` 0 at 1024: 1000 bytes, incomplete
        leave
        framing of level 0: 1048
        damage: cut short, missing bytes: 9223372036854774807 at offset 2024 in `u.tar!huge`
    "#]],
    );
}

#[test]
fn invalid_sizes() {
    let after = RawTar::new().file("after", b"x").close();
    let check = |header: RawHeader, expected: Expect| {
        check(&RawTar::new().file("a", b"x").header(header).raw(&after).open(), expected)
    };
    check(
        RawHeader::gnu("negative").field(124, &[0xff; 12]),
        expect![[r#"
            framing of level 0: 512
            body `a` 0 at 512: 1 bytes
            framing of level 0: 511
            body `` opaque at 1024, stored None: 2560 bytes
            damage: invalid size at offset 1024
        "#]],
    );
    check(
        RawHeader::gnu("u64").base256(124..136, u64::MAX),
        expect![[r#"
            framing of level 0: 512
            body `a` 0 at 512: 1 bytes
            framing of level 0: 511
            body `` opaque at 1024, stored None: 2560 bytes
            damage: invalid size at offset 1024
        "#]],
    );
    check(
        RawHeader::gnu("text").field(124, b"many bytes\0\0"),
        expect![[r#"
            framing of level 0: 512
            body `a` 0 at 512: 1 bytes
            framing of level 0: 511
            body `` opaque at 1024, stored None: 2560 bytes
            damage: invalid size at offset 1024
        "#]],
    );
}

#[test]
fn unreadable_mode() {
    check(
        &RawTar::new().entry(RawHeader::gnu("a").field(100, b"rwxr-xr-"), b"x").close(),
        expect![[r#"
            framing of level 0: 512
            body `a` 0 at 512: 1 bytes
            framing of level 0: 1535
            suspicious: unreadable mode or time at offset 0 in `a`
        "#]],
    );
}

#[test]
fn posix_prefix() {
    let header = RawHeader::posix("name").field(345, b"some/prefix");
    check(
        &RawTar::new().entry(header, b"x").close(),
        expect![[r#"
        framing of level 0: 512
        body `some/prefix/name` 0 at 512: 1 bytes
        framing of level 0: 1535
        note: header in posix style at offset 0
    "#]],
    );
}

#[test]
fn old_header_without_magic() {
    let header = RawHeader::gnu("old").field(257, &[0; 8]);
    check(
        &RawTar::new().entry(header, b"x").close(),
        expect![[r#"
        framing of level 0: 512
        body `old` 0 at 512: 1 bytes
        framing of level 0: 1535
        note: header in old style at offset 0
    "#]],
    );
}

#[test]
fn duplicate_paths() {
    let tar =
        RawTar::new().file("a/b", b"1").file("a//b", b"2").file("./a/b", b"3").file("a/c", b"4").file("a/b", b"5");
    check(
        &tar.close(),
        expect![[r#"
        framing of level 0: 512
        body `a/b` 0 at 512: 1 bytes
        framing of level 0: 1023
        body `a//b` 0 at 1536: 1 bytes
        framing of level 0: 1023
        body `./a/b` 0 at 2560: 1 bytes
        framing of level 0: 1023
        body `a/c` 0 at 3584: 1 bytes
        framing of level 0: 1023
        body `a/b` 0 at 4608: 1 bytes
        framing of level 0: 1535
        suspicious: path occurs twice at offset 1024 in `a//b`
        suspicious: path occurs twice at offset 2048 in `./a/b`
        suspicious: path occurs twice at offset 4096 in `a/b`
    "#]],
    );
    let options = SplitOptions { paths_max: 1, ..SplitOptions::default() };
    let tar = RawTar::new().file("a", b"").file("b", b"").file("b", b"").file("a", b"");
    expect![[r#"
        framing of level 0: 512
        body `a` 0 at 512: 0 bytes
        framing of level 0: 512
        body `b` 0 at 1024: 0 bytes
        framing of level 0: 512
        body `b` 0 at 1536: 0 bytes
        framing of level 0: 512
        body `a` 0 at 2048: 0 bytes
        framing of level 0: 1024
        note: too many paths to find all duplicates at offset 512
        suspicious: path occurs twice at offset 1536 in `a`
    "#]]
    .assert_eq(&events_with(&tar.close(), &options));
}

#[test]
fn hostile_paths_and_types() {
    let tar = RawTar::new()
        .file("/etc/passwd", b"x")
        .file("a/../../b", b"x")
        .file("dots/..hidden/...", b"x")
        .file("esc\u{1b}[31m\nnext", b"x")
        .header(RawHeader::gnu("link").kind(b'2').field(157, b"/etc"))
        .header(RawHeader::gnu("device").kind(b'3'))
        .entry(RawHeader::gnu("unknown").kind(0xff), b"x");
    check(
        &tar.close(),
        expect![[r#"
        framing of level 0: 512
        body `/etc/passwd` 0 at 512: 1 bytes
        framing of level 0: 1023
        body `a/../../b` 0 at 1536: 1 bytes
        framing of level 0: 1023
        body `dots/..hidden/...` 0 at 2560: 1 bytes
        framing of level 0: 1023
        body `esc\u{1b}[31m\nnext` 0 at 3584: 1 bytes
        framing of level 0: 1023
        body `link` 2 at 4608, link to /etc: 0 bytes
        framing of level 0: 512
        body `device` 3 at 5120: 0 bytes
        framing of level 0: 512
        body `unknown` \u{ff} at 5632: 1 bytes
        framing of level 0: 1535
        suspicious: absolute path at offset 0 in `/etc/passwd`
        suspicious: path with `..` at offset 1024 in `a/../../b`
        suspicious: unusual entry type `2` at offset 4096 in `link`
        suspicious: unusual entry type `3` at offset 4608 in `device`
        suspicious: unusual entry type `\xff` at offset 5120 in `unknown`
    "#]],
    );
}

#[test]
fn anomalies_beyond_the_cap_are_counted() {
    let options = SplitOptions { anomalies_max: 2, ..SplitOptions::default() };
    let tar = (0..5).fold(RawTar::new(), |tar, _| tar.file("same", b""));
    expect![[r#"
        framing of level 0: 512
        body `same` 0 at 512: 0 bytes
        framing of level 0: 512
        body `same` 0 at 1024: 0 bytes
        framing of level 0: 512
        body `same` 0 at 1536: 0 bytes
        framing of level 0: 512
        body `same` 0 at 2048: 0 bytes
        framing of level 0: 512
        body `same` 0 at 2560: 0 bytes
        suspicious: path occurs twice at offset 512 in `same`
        suspicious: path occurs twice at offset 1024 in `same`
        damage: does not end in two zero blocks at offset 2560
    "#]]
    .assert_eq(&events_with(&tar.open(), &options));
    let summary =
        vectar_tar::Layout::of(&RawTar::new().file("/a", b"").file("/b", b"").file("/c", b"").open(), &options);
    assert_eq!(summary.summary().anomalies.count(vectar_tar::Severity::Suspicious), 3);
}
