//! How an archive ends, and what is no archive.

use expect_test::expect;

use crate::quirks::check;
use crate::raw::{RawHeader, RawTar};

#[test]
fn empty_input() {
    check(
        b"",
        expect![[r#"
        damage: not a tar at offset 0
    "#]],
    );
}

#[test]
fn not_a_tar() {
    check(
        b"<html>404</html>",
        expect![[r#"
        body `` opaque at 0, stored None: 16 bytes
        damage: not a tar at offset 0
    "#]],
    );
    check(
        &[0xab; 5000],
        expect![[r#"
        body `` opaque at 0, stored None: 5000 bytes
        damage: not a tar at offset 0
    "#]],
    );
}

#[test]
fn zeros_only_are_an_empty_archive() {
    check(
        &[0; 1024],
        expect![[r#"
        framing of level 0: 1024
    "#]],
    );
    check(
        &[0; 10240],
        expect![[r#"
        framing of level 0: 10240
        note: 9216 zero bytes behind the end of the archive at offset 1024
    "#]],
    );
    check(
        &[0; 512],
        expect![[r#"
        framing of level 0: 512
        damage: does not end in two zero blocks at offset 0
        suspicious: a single zero block ends the archive at offset 0
    "#]],
    );
    check(
        &[0; 511],
        expect![[r#"
        body `` opaque at 0, stored None: 511 bytes
        damage: not a tar at offset 0
    "#]],
    );
}

#[test]
fn one_zero_block_at_the_end() {
    check(
        &RawTar::new().file("a", b"x").zero_blocks(1).open(),
        expect![[r#"
            framing of level 0: 512
            body `a` 0 at 512: 1 bytes
            framing of level 0: 1023
            damage: does not end in two zero blocks at offset 1024
            suspicious: a single zero block ends the archive at offset 1024
        "#]],
    );
}

#[test]
fn one_zero_block_in_the_middle() {
    check(
        &RawTar::new().file("a", b"x").zero_blocks(1).file("b", b"y").close(),
        expect![[r#"
            framing of level 0: 512
            body `a` 0 at 512: 1 bytes
            framing of level 0: 1023
            body `` opaque at 1536, stored None: 2048 bytes
            damage: does not end in two zero blocks at offset 1024
            suspicious: a single zero block ends the archive at offset 1024
            suspicious: data behind the end of the archive at offset 1536
        "#]],
    );
}

#[test]
fn trailing_zeros() {
    check(
        &RawTar::new().file("a", b"x").zero_blocks(18).open(),
        expect![[r#"
            framing of level 0: 512
            body `a` 0 at 512: 1 bytes
            framing of level 0: 9727
            note: 8192 zero bytes behind the end of the archive at offset 2048
        "#]],
    );
}

#[test]
fn trailing_garbage() {
    check(
        &RawTar::new().file("a", b"x").zero_blocks(2).raw(b"more").open(),
        expect![[r#"
            framing of level 0: 512
            body `a` 0 at 512: 1 bytes
            framing of level 0: 1535
            body `` opaque at 2048, stored None: 4 bytes
            suspicious: data behind the end of the archive at offset 2048
        "#]],
    );
    check(
        &RawTar::new().file("a", b"x").zero_blocks(3).raw(&[0, 0, 5, 0]).open(),
        expect![[r#"
            framing of level 0: 512
            body `a` 0 at 512: 1 bytes
            framing of level 0: 2049
            body `` opaque at 2562, stored None: 2 bytes
            note: 514 zero bytes behind the end of the archive at offset 2048
            suspicious: data behind the end of the archive at offset 2562
        "#]],
    );
}

#[test]
fn two_archives_in_a_row() {
    let one = RawTar::new().file("a", b"x").close();
    check(
        &[one.clone(), one].concat(),
        expect![[r#"
        framing of level 0: 512
        body `a` 0 at 512: 1 bytes
        framing of level 0: 1535
        body `` opaque at 2048, stored None: 2048 bytes
        suspicious: data behind the end of the archive at offset 2048
    "#]],
    );
}

#[test]
fn broken_checksum() {
    let mut tar = RawTar::new().file("a", b"x").file("b", b"y").file("c", b"z").close();
    tar[1024 + 3] ^= 1;
    check(
        &tar,
        expect![[r#"
        framing of level 0: 512
        body `a` 0 at 512: 1 bytes
        framing of level 0: 511
        body `` opaque at 1024, stored None: 3072 bytes
        damage: wrong header checksum at offset 1024
    "#]],
    );
    tar[3] ^= 1;
    check(
        &tar,
        expect![[r#"
        body `` opaque at 0, stored None: 4096 bytes
        damage: wrong header checksum at offset 0
    "#]],
    );
}

#[test]
fn padding_that_is_not_zero() {
    let tar = RawTar::new().header(RawHeader::gnu("a").size(2)).raw(b"hi").raw(&[0; 100]).raw(&[5; 410]).file("b", b"");
    check(
        &tar.close(),
        expect![[r#"
        framing of level 0: 512
        body `a` 0 at 512: 2 bytes
        framing of level 0: 1022
        body `b` 0 at 1536: 0 bytes
        framing of level 0: 1024
        suspicious: padding is not zero at offset 614
    "#]],
    );
}

#[test]
fn no_end_of_archive_blocks() {
    check(
        &RawTar::new().file("a", b"x").open(),
        expect![[r#"
        framing of level 0: 512
        body `a` 0 at 512: 1 bytes
        framing of level 0: 511
        damage: does not end in two zero blocks at offset 1024
    "#]],
    );
}
