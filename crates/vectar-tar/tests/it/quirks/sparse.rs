//! GNU sparse entries.

use expect_test::{Expect, expect};
use vectar_tar::SplitOptions;

use crate::drivers::events_with;
use crate::quirks::check;
use crate::raw::{RawHeader, RawTar, sparse_extension};
use crate::samples;

#[test]
fn gnu_sparse() {
    let header = RawHeader::gnu("wal/open-1").sparse(&[(0, 4096), (1 << 20, 0)], 1 << 20, false);
    check(
        &RawTar::new().entry(header, &[3; 4096]).close(),
        expect![[r#"
            framing of level 0: 512
            body `wal/open-1` S at 512, logical 1048576, segments [0..4096]: 4096 bytes
            framing of level 0: 1024
        "#]],
    );
}

#[test]
fn gnu_sparse_with_unaligned_end() {
    let header = RawHeader::gnu("page").sparse(&[(4096, 512), (8192, 100)], 8292, false);
    check(
        &RawTar::new().entry(header, &[3; 612]).close(),
        expect![[r#"
            framing of level 0: 512
            body `page` S at 512, logical 8292, segments [4096..4608, 8192..8292]: 612 bytes
            framing of level 0: 1436
        "#]],
    );
}

#[test]
fn gnu_sparse_with_extension_blocks() {
    check(
        &samples::sparse_extended(),
        expect![[r#"
        framing of level 0: 1536
        body `wal/open-1` S at 1536, logical 300000, segments [0..512, 8192..8704, 16384..16896, 24576..25088, 32768..33280, 40960..41472, 49152..49664, 57344..57856, 65536..66048, 73728..74240, 81920..82432, 90112..90624, 98304..98816, 106496..107008, 114688..115200, 122880..123392, 131072..131584, 139264..139776, 147456..147968, 155648..156160, 163840..164352, 172032..172544, 180224..180736, 188416..188928, 196608..197120, 204800..205312, 212992..213504]: 13824 bytes
        framing of level 0: 1024
    "#]],
    );
}

#[test]
fn sparse_bodies_are_not_nested_archives() {
    let inner = samples::nested();
    let len = inner.len() as u64;
    let header = RawHeader::gnu("u.tar").sparse(&[(0, len), (1 << 20, 0)], 1 << 20, false);
    check(
        &RawTar::new().entry(header, &inner).close(),
        expect![[r#"
        framing of level 0: 512
        body `u.tar` S at 512, logical 1048576, segments [0..2560]: 2560 bytes
        framing of level 0: 1024
    "#]],
    );
}

#[test]
fn inconsistent_sparse_maps() {
    let sparse = |segments: &[(u64, u64)], real| RawHeader::gnu("s").sparse(segments, real, false);
    let check = |header: RawHeader, expected: Expect| check(&RawTar::new().entry(header, &[3; 1024]).close(), expected);
    check(
        sparse(&[(0, 512)], 512),
        expect![[r#"
        framing of level 0: 512
        body `s` S at 512, logical 512: 1024 bytes
        framing of level 0: 1024
        damage: inconsistent sparse map (segments hold 512 bytes, the header says 1024) at offset 0 in `s`
    "#]],
    );
    check(
        sparse(&[(4096, 512), (0, 512)], 8192),
        expect![[r#"
        framing of level 0: 512
        body `s` S at 512, logical 8192: 1024 bytes
        framing of level 0: 1024
        damage: inconsistent sparse map (segments overlap or do not ascend) at offset 0 in `s`
    "#]],
    );
    check(
        sparse(&[(0, 512), (4096, 512)], 8192),
        expect![[r#"
        framing of level 0: 512
        body `s` S at 512, logical 8192: 1024 bytes
        framing of level 0: 1024
        damage: inconsistent sparse map (the map ends at 4608, the file at 8192) at offset 0 in `s`
    "#]],
    );
    check(
        sparse(&[(0, 1000), (4096, 24)], 4120),
        expect![[r#"
        framing of level 0: 512
        body `s` S at 512, logical 4120: 1024 bytes
        framing of level 0: 1024
        damage: inconsistent sparse map (a segment is not stored on a block boundary) at offset 0 in `s`
    "#]],
    );
    check(
        sparse(&[(0, 1024)], 1024).field(386, b"9x"),
        expect![[r#"
        framing of level 0: 512
        body `s` S at 512: 1024 bytes
        framing of level 0: 1024
        damage: inconsistent sparse map (a number is unreadable) at offset 0 in `s`
    "#]],
    );
}

#[test]
fn sparse_map_beyond_the_cap() {
    let options = SplitOptions { sparse_segments_max: 26, ..SplitOptions::default() };
    expect![[r#"
        framing of level 0: 1536
        body `wal/open-1` S at 1536, logical 300000: 13824 bytes
        framing of level 0: 1024
        suspicious: sparse map too long to keep at offset 0 in `wal/open-1`
    "#]]
    .assert_eq(&events_with(&samples::sparse_extended(), &options));
}

#[test]
fn extension_chain_that_never_ends() {
    let tar = RawTar::new().header(RawHeader::gnu("s").sparse(&[(0, 512)], 512, true).size(512));
    let tar = (0..5).fold(tar, |tar, _| tar.raw(&sparse_extension(&[], true)));
    check(
        &tar.open(),
        expect![[r#"
        framing of level 0: 3072
        damage: ends within a header at offset 3072
        damage: does not end in two zero blocks at offset 3072
    "#]],
    );
}
