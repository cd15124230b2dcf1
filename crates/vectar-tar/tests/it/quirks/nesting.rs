//! Archives in archives.

use expect_test::expect;
use vectar_tar::SplitOptions;

use crate::drivers::events_with;
use crate::quirks::check;
use crate::raw::{RawHeader, RawTar};
use crate::samples;

#[test]
fn nested_archive_without_end_of_archive_blocks() {
    check(
        &samples::tar_in_tar(),
        expect![[r#"
        framing of level 0: 512
        enter `0/segments/u.tar` 0 at 512
        framing of level 1: 512
        body `0/segments/u.tar!snapshot/files/segment.json` 0 at 1024: 2 bytes
        framing of level 1: 1022
        body `0/segments/u.tar!snapshot/files/matrix.dat` 0 at 2048: 700 bytes
        framing of level 1: 324
        leave
        framing of level 0: 512
        body `config.json` 0 at 3584: 2 bytes
        framing of level 0: 1534
    "#]],
    );
}

#[test]
fn nested_archive_with_end_of_archive_blocks() {
    let inner = RawTar::new().file("f", b"x").close();
    check(
        &RawTar::new().file("u.tar", &inner).close(),
        expect![[r#"
        framing of level 0: 512
        enter `u.tar` 0 at 512
        framing of level 1: 512
        body `u.tar!f` 0 at 1024: 1 bytes
        framing of level 1: 1535
        leave
        framing of level 0: 1024
    "#]],
    );
}

#[test]
fn smallest_nested_archive() {
    let inner = RawTar::new().header(RawHeader::gnu("empty")).open();
    check(
        &RawTar::new().file("u.tar", &inner).close(),
        expect![[r#"
        framing of level 0: 512
        enter `u.tar` 0 at 512
        framing of level 1: 512
        body `u.tar!empty` 0 at 1024: 0 bytes
        leave
        framing of level 0: 1024
    "#]],
    );
}

#[test]
fn nested_archive_with_one_zero_block_or_garbage() {
    let inner = RawTar::new().file("f", b"x").zero_blocks(1).open();
    check(
        &RawTar::new().file("u.tar", &inner).close(),
        expect![[r#"
        framing of level 0: 512
        enter `u.tar` 0 at 512
        framing of level 1: 512
        body `u.tar!f` 0 at 1024: 1 bytes
        framing of level 1: 1023
        leave
        framing of level 0: 1024
        suspicious: a single zero block ends the archive at offset 1536 in `u.tar`
    "#]],
    );
    let inner = RawTar::new().file("f", b"x").zero_blocks(3).raw(b"garbage").open();
    check(
        &RawTar::new().file("u.tar", &inner).file("g", b"y").close(),
        expect![[r#"
            framing of level 0: 512
            enter `u.tar` 0 at 512
            framing of level 1: 512
            body `u.tar!f` 0 at 1024: 1 bytes
            framing of level 1: 2047
            body `u.tar` opaque at 3072, stored Some(7): 7 bytes
            leave
            framing of level 0: 1017
            body `g` 0 at 4096: 1 bytes
            framing of level 0: 1535
            note: 512 zero bytes behind the end of the archive at offset 2560 in `u.tar`
            suspicious: data behind the end of the archive at offset 3072 in `u.tar`
        "#]],
    );
}

#[test]
fn nested_archive_of_odd_length() {
    let without_padding = RawTar::new().header(RawHeader::gnu("f").size(3)).raw(b"abc").open();
    check(
        &RawTar::new().file("u.tar", &without_padding).close(),
        expect![[r#"
            framing of level 0: 512
            enter `u.tar` 0 at 512
            framing of level 1: 512
            body `u.tar!f` 0 at 1024: 3 bytes
            leave
            framing of level 0: 1533
            suspicious: padding is missing at offset 1027 in `u.tar`
        "#]],
    );
    let half_header = [samples::nested(), vec![1; 100]].concat();
    check(
        &RawTar::new().file("u.tar", &half_header).close(),
        expect![[r#"
            framing of level 0: 512
            enter `u.tar` 0 at 512
            framing of level 1: 512
            body `u.tar!snapshot/files/segment.json` 0 at 1024: 2 bytes
            framing of level 1: 1022
            body `u.tar!snapshot/files/matrix.dat` 0 at 2048: 700 bytes
            framing of level 1: 324
            body `u.tar` opaque at 3072, stored Some(100): 100 bytes
            leave
            framing of level 0: 1436
            damage: ends within a header at offset 3072 in `u.tar`
        "#]],
    );
}

#[test]
fn nested_archive_that_breaks_in_its_records() {
    let name = RawTar::new()
        .file("f", b"x")
        .header(RawHeader::gnu("././@LongLink").kind(b'L').size(700))
        .raw(&[b'n'; 520])
        .open();
    check(
        &RawTar::new().file("u.tar", &name).close(),
        expect![[r#"
        framing of level 0: 512
        enter `u.tar` 0 at 512
        framing of level 1: 512
        body `u.tar!f` 0 at 1024: 1 bytes
        framing of level 1: 1543
        leave
        framing of level 0: 1528
        damage: ends within a header at offset 2568 in `u.tar`
    "#]],
    );
    let extension = RawTar::new().header(RawHeader::gnu("s").sparse(&[(0, 512)], 512, true)).raw(&[0; 300]).open();
    check(
        &RawTar::new().file("u.tar", &extension).file("g", b"y").close(),
        expect![[r#"
            framing of level 0: 512
            enter `u.tar` 0 at 512
            framing of level 1: 812
            leave
            framing of level 0: 724
            body `g` 0 at 2048: 1 bytes
            framing of level 0: 1535
            damage: ends within a header at offset 1024 in `u.tar`
        "#]],
    );
}

#[test]
fn nested_archive_with_a_broken_header() {
    let inner = RawTar::new().file("f", b"x").raw(&[b'!'; 1024]).open();
    check(
        &RawTar::new().file("u.tar", &inner).file("g", b"y").close(),
        expect![[r#"
            framing of level 0: 512
            enter `u.tar` 0 at 512
            framing of level 1: 512
            body `u.tar!f` 0 at 1024: 1 bytes
            framing of level 1: 511
            body `u.tar` opaque at 1536, stored Some(1024): 1024 bytes
            leave
            framing of level 0: 512
            body `g` 0 at 3072: 1 bytes
            framing of level 0: 1535
            damage: wrong header checksum at offset 1536 in `u.tar`
        "#]],
    );
}

#[test]
fn nested_body_larger_than_its_archive() {
    let inner = RawTar::new().file("f", b"x").header(RawHeader::gnu("g").size(5000)).raw(&[1; 512]).open();
    check(
        &RawTar::new().file("u.tar", &inner).file("g", b"y").close(),
        expect![[r#"
            framing of level 0: 512
            enter `u.tar` 0 at 512
            framing of level 1: 512
            body `u.tar!f` 0 at 1024: 1 bytes
            framing of level 1: 1023
            body `u.tar!g` 0 at 2048: 512 bytes, incomplete
            leave
            framing of level 0: 512
            body `g` 0 at 3072: 1 bytes
            framing of level 0: 1535
            damage: cut short, missing bytes: 4488 at offset 2560 in `u.tar!g`
        "#]],
    );
    let inner = RawTar::new().header(RawHeader::gnu("v.tar").size(5000)).raw(&samples::nested()).open();
    check(
        &RawTar::new().file("u.tar", &inner).file("g", b"y").close(),
        expect![[r#"
            framing of level 0: 512
            enter `u.tar` 0 at 512
            framing of level 1: 512
            enter `u.tar!v.tar` 0 at 1024
            framing of level 2: 512
            body `u.tar!v.tar!snapshot/files/segment.json` 0 at 1536: 2 bytes
            framing of level 2: 1022
            body `u.tar!v.tar!snapshot/files/matrix.dat` 0 at 2560: 700 bytes
            framing of level 2: 324
            leave
            leave
            framing of level 0: 512
            body `g` 0 at 4096: 1 bytes
            framing of level 0: 1535
            damage: cut short, missing bytes: 2440 at offset 3584 in `u.tar!v.tar`
        "#]],
    );
}

#[test]
fn three_levels_and_the_depth_limit() {
    let three = RawTar::new().file("collection.snapshot", &samples::tar_in_tar()).close();
    check(
        &three,
        expect![[r#"
        framing of level 0: 512
        enter `collection.snapshot` 0 at 512
        framing of level 1: 512
        enter `collection.snapshot!0/segments/u.tar` 0 at 1024
        framing of level 2: 512
        body `collection.snapshot!0/segments/u.tar!snapshot/files/segment.json` 0 at 1536: 2 bytes
        framing of level 2: 1022
        body `collection.snapshot!0/segments/u.tar!snapshot/files/matrix.dat` 0 at 2560: 700 bytes
        framing of level 2: 324
        leave
        framing of level 1: 512
        body `collection.snapshot!config.json` 0 at 4096: 2 bytes
        framing of level 1: 1534
        leave
        framing of level 0: 1024
    "#]],
    );
    let options = SplitOptions { depth_max: 1, ..SplitOptions::default() };
    expect![[r#"
        framing of level 0: 512
        enter `collection.snapshot` 0 at 512
        framing of level 1: 512
        body `collection.snapshot!0/segments/u.tar` 0 at 1024: 2560 bytes
        framing of level 1: 512
        body `collection.snapshot!config.json` 0 at 4096: 2 bytes
        framing of level 1: 1534
        leave
        framing of level 0: 1024
    "#]]
    .assert_eq(&events_with(&three, &options));
}
