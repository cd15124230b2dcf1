//! Every length an archive can be cut to.

use expect_test::expect;
use vectar_tar::{Severity, SplitOptions};

use crate::drivers::{agree, events};
use crate::raw::RawTar;
use crate::samples;

/// Cut at every block boundary and in between, an archive comes back exactly, and all but the whole
/// one is damaged.
#[test]
fn every_truncation_is_exact_and_seen_as_damage() {
    for archive in samples::all() {
        for len in (0..archive.len()).filter(|len| len % 512 < 2 || len % 64 == 33 || len % 512 == 511) {
            let (_, summary) = agree(&archive[..len], &[&[100, 1000]], &SplitOptions::default());
            assert!(summary.anomalies.count(Severity::Damage) > 0, "cut to {len} of {} bytes", archive.len());
        }
        let (_, summary) = agree(&archive, &[], &SplitOptions::default());
        assert_eq!(summary.anomalies.count(Severity::Damage), 0);
    }
}

/// What each kind of cut looks like: within a nested body, between nested entries, within a nested
/// header, within the padding, at and within the end-of-archive blocks.
#[test]
fn truncations_of_a_nested_archive() {
    let archive = samples::tar_in_tar();
    let mut text = String::new();
    for len in [512, 600, 1024, 1025, 1536, 1600, 2048, 2500, 3000, 3072, 3584, 3585, 4096, 4600, 5119] {
        text += &format!("--- cut to {len}\n{}", events(&archive[..len]));
    }
    expect![[r#"
        --- cut to 512
        framing of level 0: 512
        body `0/segments/u.tar` 0 at 512: 0 bytes, incomplete
        damage: cut short, missing bytes: 2560 at offset 512 in `0/segments/u.tar`
        damage: does not end in two zero blocks at offset 512
        --- cut to 600
        framing of level 0: 512
        body `0/segments/u.tar` 0 at 512: 88 bytes, incomplete
        damage: cut short, missing bytes: 2472 at offset 600 in `0/segments/u.tar`
        damage: does not end in two zero blocks at offset 600
        --- cut to 1024
        framing of level 0: 512
        enter `0/segments/u.tar` 0 at 512
        framing of level 1: 512
        body `0/segments/u.tar!snapshot/files/segment.json` 0 at 1024: 0 bytes, incomplete
        leave
        damage: cut short, missing bytes: 2 at offset 1024 in `0/segments/u.tar!snapshot/files/segment.json`
        damage: cut short, missing bytes: 2048 at offset 1024 in `0/segments/u.tar`
        damage: does not end in two zero blocks at offset 1024
        --- cut to 1025
        framing of level 0: 512
        enter `0/segments/u.tar` 0 at 512
        framing of level 1: 512
        body `0/segments/u.tar!snapshot/files/segment.json` 0 at 1024: 1 bytes, incomplete
        leave
        damage: cut short, missing bytes: 1 at offset 1025 in `0/segments/u.tar!snapshot/files/segment.json`
        damage: cut short, missing bytes: 2047 at offset 1025 in `0/segments/u.tar`
        damage: does not end in two zero blocks at offset 1025
        --- cut to 1536
        framing of level 0: 512
        enter `0/segments/u.tar` 0 at 512
        framing of level 1: 512
        body `0/segments/u.tar!snapshot/files/segment.json` 0 at 1024: 2 bytes
        framing of level 1: 510
        leave
        damage: cut short, missing bytes: 1536 at offset 1536 in `0/segments/u.tar`
        damage: does not end in two zero blocks at offset 1536
        --- cut to 1600
        framing of level 0: 512
        enter `0/segments/u.tar` 0 at 512
        framing of level 1: 512
        body `0/segments/u.tar!snapshot/files/segment.json` 0 at 1024: 2 bytes
        framing of level 1: 510
        body `0/segments/u.tar` opaque at 1536, stored Some(1536): 64 bytes, incomplete
        leave
        damage: ends within a header at offset 1536 in `0/segments/u.tar`
        damage: cut short, missing bytes: 1472 at offset 1600 in `0/segments/u.tar`
        damage: does not end in two zero blocks at offset 1600
        --- cut to 2048
        framing of level 0: 512
        enter `0/segments/u.tar` 0 at 512
        framing of level 1: 512
        body `0/segments/u.tar!snapshot/files/segment.json` 0 at 1024: 2 bytes
        framing of level 1: 1022
        body `0/segments/u.tar!snapshot/files/matrix.dat` 0 at 2048: 0 bytes, incomplete
        leave
        damage: cut short, missing bytes: 700 at offset 2048 in `0/segments/u.tar!snapshot/files/matrix.dat`
        damage: cut short, missing bytes: 1024 at offset 2048 in `0/segments/u.tar`
        damage: does not end in two zero blocks at offset 2048
        --- cut to 2500
        framing of level 0: 512
        enter `0/segments/u.tar` 0 at 512
        framing of level 1: 512
        body `0/segments/u.tar!snapshot/files/segment.json` 0 at 1024: 2 bytes
        framing of level 1: 1022
        body `0/segments/u.tar!snapshot/files/matrix.dat` 0 at 2048: 452 bytes, incomplete
        leave
        damage: cut short, missing bytes: 248 at offset 2500 in `0/segments/u.tar!snapshot/files/matrix.dat`
        damage: cut short, missing bytes: 572 at offset 2500 in `0/segments/u.tar`
        damage: does not end in two zero blocks at offset 2500
        --- cut to 3000
        framing of level 0: 512
        enter `0/segments/u.tar` 0 at 512
        framing of level 1: 512
        body `0/segments/u.tar!snapshot/files/segment.json` 0 at 1024: 2 bytes
        framing of level 1: 1022
        body `0/segments/u.tar!snapshot/files/matrix.dat` 0 at 2048: 700 bytes
        framing of level 1: 252
        leave
        damage: cut short, missing bytes: 72 at offset 3000 in `0/segments/u.tar`
        damage: does not end in two zero blocks at offset 3000
        --- cut to 3072
        framing of level 0: 512
        enter `0/segments/u.tar` 0 at 512
        framing of level 1: 512
        body `0/segments/u.tar!snapshot/files/segment.json` 0 at 1024: 2 bytes
        framing of level 1: 1022
        body `0/segments/u.tar!snapshot/files/matrix.dat` 0 at 2048: 700 bytes
        framing of level 1: 324
        leave
        damage: does not end in two zero blocks at offset 3072
        --- cut to 3584
        framing of level 0: 512
        enter `0/segments/u.tar` 0 at 512
        framing of level 1: 512
        body `0/segments/u.tar!snapshot/files/segment.json` 0 at 1024: 2 bytes
        framing of level 1: 1022
        body `0/segments/u.tar!snapshot/files/matrix.dat` 0 at 2048: 700 bytes
        framing of level 1: 324
        leave
        framing of level 0: 512
        body `config.json` 0 at 3584: 0 bytes, incomplete
        damage: cut short, missing bytes: 2 at offset 3584 in `config.json`
        damage: does not end in two zero blocks at offset 3584
        --- cut to 3585
        framing of level 0: 512
        enter `0/segments/u.tar` 0 at 512
        framing of level 1: 512
        body `0/segments/u.tar!snapshot/files/segment.json` 0 at 1024: 2 bytes
        framing of level 1: 1022
        body `0/segments/u.tar!snapshot/files/matrix.dat` 0 at 2048: 700 bytes
        framing of level 1: 324
        leave
        framing of level 0: 512
        body `config.json` 0 at 3584: 1 bytes, incomplete
        damage: cut short, missing bytes: 1 at offset 3585 in `config.json`
        damage: does not end in two zero blocks at offset 3585
        --- cut to 4096
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
        framing of level 0: 510
        damage: does not end in two zero blocks at offset 4096
        --- cut to 4600
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
        framing of level 0: 510
        body `` opaque at 4096, stored None: 504 bytes
        damage: ends within a header at offset 4096
        damage: does not end in two zero blocks at offset 4600
        --- cut to 5119
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
        framing of level 0: 1533
        damage: does not end in two zero blocks at offset 4096
        suspicious: a single zero block ends the archive at offset 4096
    "#]]
    .assert_eq(&text);
}

#[test]
fn truncations_of_records() {
    let archive = RawTar::new().raw(&samples::long_name()[..2048]).raw(&samples::sparse_extended()).open();
    let mut text = String::new();
    for len in [600, 1024, 1536, 2048, 2100, 2560, 2700, 3072, 3500, 3584] {
        text += &format!("--- cut to {len}\n{}", events(&archive[..len]));
    }
    expect![[r#"
        --- cut to 600
        framing of level 0: 600
        damage: ends within a header at offset 600
        damage: does not end in two zero blocks at offset 600
        --- cut to 1024
        framing of level 0: 1024
        suspicious: name or pax record without an entry at offset 1024
        damage: does not end in two zero blocks at offset 1024
        --- cut to 1536
        framing of level 0: 1536
        body `segments/uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu/mmap_field_index_config.json` 0 at 1536: 0 bytes, incomplete
        damage: cut short, missing bytes: 2 at offset 1536 in `segments/uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu/mmap_field_index_config.json`
        damage: does not end in two zero blocks at offset 1536
        --- cut to 2048
        framing of level 0: 1536
        body `segments/uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu/mmap_field_index_config.json` 0 at 1536: 2 bytes
        framing of level 0: 510
        damage: does not end in two zero blocks at offset 2048
        --- cut to 2100
        framing of level 0: 1536
        body `segments/uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu/mmap_field_index_config.json` 0 at 1536: 2 bytes
        framing of level 0: 510
        body `` opaque at 2048, stored None: 52 bytes
        damage: ends within a header at offset 2048
        damage: does not end in two zero blocks at offset 2100
        --- cut to 2560
        framing of level 0: 1536
        body `segments/uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu/mmap_field_index_config.json` 0 at 1536: 2 bytes
        framing of level 0: 1022
        damage: ends within a header at offset 2560
        damage: does not end in two zero blocks at offset 2560
        --- cut to 2700
        framing of level 0: 1536
        body `segments/uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu/mmap_field_index_config.json` 0 at 1536: 2 bytes
        framing of level 0: 1162
        damage: ends within a header at offset 2560
        damage: does not end in two zero blocks at offset 2700
        --- cut to 3072
        framing of level 0: 1536
        body `segments/uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu/mmap_field_index_config.json` 0 at 1536: 2 bytes
        framing of level 0: 1534
        damage: ends within a header at offset 3072
        damage: does not end in two zero blocks at offset 3072
        --- cut to 3500
        framing of level 0: 1536
        body `segments/uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu/mmap_field_index_config.json` 0 at 1536: 2 bytes
        framing of level 0: 1962
        damage: ends within a header at offset 3072
        damage: does not end in two zero blocks at offset 3500
        --- cut to 3584
        framing of level 0: 1536
        body `segments/uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu/mmap_field_index_config.json` 0 at 1536: 2 bytes
        framing of level 0: 2046
        body `wal/open-1` S at 3584, logical 300000, segments [0..512, 8192..8704, 16384..16896, 24576..25088, 32768..33280, 40960..41472, 49152..49664, 57344..57856, 65536..66048, 73728..74240, 81920..82432, 90112..90624, 98304..98816, 106496..107008, 114688..115200, 122880..123392, 131072..131584, 139264..139776, 147456..147968, 155648..156160, 163840..164352, 172032..172544, 180224..180736, 188416..188928, 196608..197120, 204800..205312, 212992..213504]: 0 bytes, incomplete
        damage: cut short, missing bytes: 13824 at offset 3584 in `wal/open-1`
        damage: does not end in two zero blocks at offset 3584
    "#]].assert_eq(&text);
}
