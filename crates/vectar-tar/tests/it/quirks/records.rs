//! Records that describe the next entry: GNU long names and PAX headers.

use expect_test::expect;
use vectar_tar::SplitOptions;

use crate::drivers::events_with;
use crate::quirks::check;
use crate::raw::{RawHeader, RawTar};
use crate::samples;

#[test]
fn gnu_long_name() {
    check(
        &samples::long_name(),
        expect![[r#"
        framing of level 0: 1536
        body `segments/uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu/mmap_field_index_config.json` 0 at 1536: 2 bytes
        framing of level 0: 1534
    "#]],
    );
}

#[test]
fn gnu_long_link() {
    let header = RawHeader::gnu("link").kind(b'2').field(157, b"shortened");
    check(
        &RawTar::new().long(b'K', "a/very/long/target").header(header).close(),
        expect![[r#"
            framing of level 0: 1536
            body `link` 2 at 1536, link to a/very/long/target: 0 bytes
            framing of level 0: 1024
            suspicious: unusual entry type `2` at offset 1024 in `link`
        "#]],
    );
}

#[test]
fn records_without_an_entry() {
    check(
        &RawTar::new().long(b'L', "one").long(b'L', "two").close(),
        expect![[r#"
            framing of level 0: 3072
            suspicious: name or pax record without an entry at offset 1540
            suspicious: name or pax record without an entry at offset 3072
        "#]],
    );
}

#[test]
fn records_beyond_the_cap() {
    let options = SplitOptions { name_bytes_max: 20, record_bytes_max: 20, ..SplitOptions::default() };
    let tar = RawTar::new()
        .long(b'L', "a/name/of/more/than/20/bytes")
        .pax(b'x', &[("path", "also/too/long")])
        .file("short", b"x");
    expect![[r#"
        framing of level 0: 2560
        body `short` 0 at 2560: 1 bytes
        framing of level 0: 1535
        suspicious: name or pax record of 29 bytes not applied at offset 0
        note: header in posix style at offset 1024
        suspicious: name or pax record of 22 bytes not applied at offset 1024
    "#]]
    .assert_eq(&events_with(&tar.close(), &options));
}

#[test]
fn pax_records() {
    check(
        &samples::pax(),
        expect![[r#"
        framing of level 0: 2560
        body `ein/längerer/Name` 0 at 2560: 600 bytes
        framing of level 0: 936
        body `next` 0 at 4096: 5 bytes
        framing of level 0: 1531
        note: header in posix style at offset 0
    "#]],
    );
}

#[test]
fn pax_global_path_and_size() {
    let tar = RawTar::new()
        .pax(b'g', &[("path", "from/global"), ("size", "3")])
        .header(RawHeader::posix("one"))
        .body(b"abc")
        .pax(b'x', &[("path", "from/local")])
        .header(RawHeader::posix("two"))
        .body(b"def");
    check(
        &tar.close(),
        expect![[r#"
        framing of level 0: 1536
        body `from/global` 0 at 1536: 3 bytes
        framing of level 0: 2045
        body `from/local` 0 at 3584: 3 bytes
        framing of level 0: 1533
        note: header in posix style at offset 0
    "#]],
    );
}

#[test]
fn pax_invalid_size_and_malformed_record() {
    let tar = RawTar::new().pax(b'x', &[("size", "99999999999999999999")]).file("a", b"x");
    check(
        &tar.close(),
        expect![[r#"
        framing of level 0: 1024
        body `` opaque at 1024, stored None: 2048 bytes
        note: header in posix style at offset 0
        damage: invalid size at offset 1024
    "#]],
    );
    let tar = RawTar::new().entry(RawHeader::posix("x").kind(b'x'), b"12 path=new\n99 path=cut\n").file("a", b"x");
    check(
        &tar.close(),
        expect![[r#"
        framing of level 0: 1536
        body `new` 0 at 1536: 1 bytes
        framing of level 0: 1535
        note: header in posix style at offset 0
        suspicious: malformed pax record at offset 536
    "#]],
    );
}

#[test]
fn pax_sparse_is_delivered_as_stored() {
    let tar = RawTar::new()
        .pax(b'x', &[("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "4096")])
        .entry(RawHeader::posix("GNUSparseFile.0/a"), b"0\n");
    check(
        &tar.close(),
        expect![[r#"
        framing of level 0: 1536
        body `GNUSparseFile.0/a` 0 at 1536: 2 bytes
        framing of level 0: 1534
        note: header in posix style at offset 0
        note: pax sparse format, delivered as stored at offset 584
    "#]],
    );
}
