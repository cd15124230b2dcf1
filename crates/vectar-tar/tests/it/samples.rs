//! The tiny archives, one per quirk, that several tests use.

use crate::raw::{RawHeader, RawTar, sparse_extension};

/// A nested archive as Qdrant writes it since 1.12: no end-of-archive blocks.
pub(crate) fn nested() -> Vec<u8> {
    RawTar::new().file("snapshot/files/segment.json", b"{}").file("snapshot/files/matrix.dat", &[7; 700]).open()
}

/// Outer archive, inner archive of two files, one file behind it.
pub(crate) fn tar_in_tar() -> Vec<u8> {
    RawTar::new().file("0/segments/u.tar", &nested()).file("config.json", b"{}").close()
}

/// A sparse entry whose map fills the header and two extension blocks, with a terminator.
pub(crate) fn sparse_extended() -> Vec<u8> {
    let segments: Vec<(u64, u64)> = (0..27).map(|i| (i * 8192, 512)).chain([(300_000, 0)]).collect();
    let header = RawHeader::gnu("wal/open-1").sparse(&segments[..4], 300_000, true).size(27 * 512);
    RawTar::new()
        .header(header)
        .raw(&sparse_extension(&segments[4..25], true))
        .raw(&sparse_extension(&segments[25..], false))
        .body(&[9; 27 * 512])
        .close()
}

/// A long-name record and its entry.
pub(crate) fn long_name() -> Vec<u8> {
    let name = format!("segments/{}/mmap_field_index_config.json", "u".repeat(100));
    RawTar::new().long(b'L', &name).file(&name[..100], b"{}").close()
}

/// PAX records that rename an entry and give it a size that its header lacks.
pub(crate) fn pax() -> Vec<u8> {
    RawTar::new()
        .pax(b'g', &[("mtime", "1.5"), ("comment", "all")])
        .pax(b'x', &[("path", "ein/längerer/Name"), ("size", "600")])
        .header(RawHeader::posix("short").size(0))
        .body(&[1; 600])
        .file("next", b"plain")
        .close()
}

/// All of them, for the tests that mutate.
pub(crate) fn all() -> Vec<Vec<u8>> {
    vec![tar_in_tar(), sparse_extended(), long_name(), pax(), RawTar::new().file("a.tar", &tar_in_tar()).close()]
}
