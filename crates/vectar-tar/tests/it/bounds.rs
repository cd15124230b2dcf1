//! Memory and reads stay bounded, whatever an archive declares.

use std::cell::Cell;
use std::convert::Infallible;
use std::io;

use vectar_tar::{
    AnomalyKind, BodyHead, ReadAt, RowRole, Severity, SplitOptions, SplitSink, SplitSummary, Splitter, TarError,
    catalogue,
};

use crate::raw::{RawHeader, RawTar, sparse_extension};
use crate::snapshots::fixtures;

/// Takes everything, keeps nothing.
#[derive(Default)]
struct Counter {
    framing_bytes: u64,
    body_bytes: u64,
}

impl SplitSink for Counter {
    type Error = Infallible;

    fn framing(&mut self, _depth: u8, bytes: &[u8]) -> Result<(), Infallible> {
        self.framing_bytes += bytes.len() as u64;
        Ok(())
    }

    fn begin_body(&mut self, _body: &BodyHead) -> Result<(), Infallible> {
        Ok(())
    }

    fn body(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.body_bytes += bytes.len() as u64;
        Ok(())
    }

    fn end_body(&mut self, _complete: bool) -> Result<(), Infallible> {
        Ok(())
    }

    fn enter_archive(&mut self, _body: &BodyHead) -> Result<(), Infallible> {
        Ok(())
    }

    fn leave_archive(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Pushes `head`, then `filling` over and over until `bytes` are in.
fn flood(head: &[u8], filling: &[u8], bytes: u64) -> (Counter, SplitSummary) {
    let mut counter = Counter::default();
    let mut splitter = Splitter::new(&SplitOptions::default());
    let Ok(()) = splitter.push(head, &mut counter);
    while splitter.offset() < bytes {
        let Ok(()) = splitter.push(filling, &mut counter);
    }
    let Ok(summary) = splitter.finish(&mut counter);
    (counter, summary)
}

/// Returns the most memory this process ever had, where the system tells.
fn memory_peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Names and PAX headers that declare a terabyte are passed on and never gathered. 64 GiB of each
/// are pushed; the tests around this one may add to the peak, but not a tenth of the bound.
#[test]
fn memory_is_bounded_for_records_of_a_terabyte() {
    let before = memory_peak_kib();
    for kind in *b"LKxg" {
        let head = RawHeader::gnu("././@LongLink").kind(kind).base256(124..136, 1 << 40).seal();
        let (counter, summary) = flood(&head, &vec![b'n'; 1 << 20], 64 << 30);
        assert!(counter.framing_bytes > 64 << 30);
        assert_eq!(counter.body_bytes, 0);
        let kinds: Vec<_> = summary.anomalies.iter().map(|anomaly| anomaly.kind).collect();
        assert!(kinds.contains(&AnomalyKind::ExtensionTooLong { len: 1 << 40 }));
    }
    if let (Some(before), Some(after)) = (before, memory_peak_kib()) {
        assert!(after - before < 1 << 20, "grew from {before} to {after} KiB");
    }
}

/// A chain of extension blocks that goes on and on keeps the capped number of segments and then
/// none.
#[test]
fn endless_sparse_maps_keep_nothing() {
    let segments = |block: u64| -> Vec<(u64, u64)> { (0..21).map(|i| ((block * 21 + i) * 1024, 512)).collect() };
    let mut counter = Counter::default();
    let mut splitter = Splitter::new(&SplitOptions::default());
    let Ok(()) = splitter.push(&RawHeader::gnu("s").sparse(&[], 0, true).seal(), &mut counter);
    for block in 0..20_000 {
        let Ok(()) = splitter.push(&sparse_extension(&segments(block), true), &mut counter);
    }
    let size = 20_000 * 21 * 512;
    let Ok(()) = splitter.push(&sparse_extension(&[], false), &mut counter);
    let Ok(summary) = splitter.finish(&mut counter);
    assert_eq!(counter.framing_bytes, 20_002 * 512);
    assert_eq!(summary.anomalies.count(Severity::Damage), 2, "declared sizes are 0, not {size}");
}

/// A source without memory behind it: blocks at some offsets, zeros elsewhere; counts what is read.
struct Virtual {
    blocks: std::collections::BTreeMap<u64, [u8; 512]>,
    len: u64,
    calls: Cell<u64>,
    bytes: Cell<u64>,
}

impl ReadAt for Virtual {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.calls.set(self.calls.get() + 1);
        self.bytes.set(self.bytes.get() + buf.len() as u64);
        for (i, byte) in buf.iter_mut().enumerate() {
            let at = offset + i as u64;
            *byte = self.blocks.get(&(at / 512 * 512)).map_or(0, |block| block[(at % 512) as usize]);
        }
        Ok(buf.len())
    }

    fn len(&self) -> u64 {
        self.len
    }
}

/// 2000 entries of a mebibyte each, in nested archives of 20: 2 GiB. The catalogue reads one window
/// per entry.
#[test]
fn a_catalogue_reads_headers_only() {
    const BODY: u64 = 1 << 20;
    let inner_len = 20 * (512 + BODY);
    let mut blocks = std::collections::BTreeMap::new();
    let mut at = 0;
    for outer in 0..100 {
        blocks.insert(at, RawHeader::gnu(&format!("{outer}.tar")).size(inner_len).seal());
        at += 512;
        for inner in 0..20 {
            blocks.insert(at, RawHeader::gnu(&format!("f{inner}")).size(BODY).seal());
            at += 512 + BODY;
        }
    }
    let source = Virtual { blocks, len: at + 1024, calls: Cell::new(0), bytes: Cell::new(0) };
    let catalogue = catalogue(&source, &SplitOptions::default()).expect("it can be read");
    assert!(catalogue.summary.anomalies.is_empty());
    assert_eq!(catalogue.rows.len(), 2100);
    assert_eq!(catalogue.rows.iter().filter(|row| row.role == RowRole::Archive).count(), 100);
    assert_eq!(source.calls.get(), 2001, "one per inner entry, which is near its outer header, and one for the end");
    assert!(source.bytes.get() <= 2001 * 2048);
}

#[test]
fn a_catalogue_skips_declared_sizes_beyond_the_source() {
    let head = RawTar::new().header(RawHeader::gnu("huge").base256(124..136, 1 << 40)).raw(&[1; 2000]).open();
    let catalogue = catalogue(&head, &SplitOptions::default()).expect("memory can be read");
    assert_eq!(catalogue.rows.len(), 1);
    assert_eq!((catalogue.rows[0].len, catalogue.rows[0].role), (2000, RowRole::Leaf { complete: false }));
    let kinds: Vec<_> = catalogue.summary.anomalies.iter().map(|anomaly| anomaly.kind).collect();
    assert_eq!(kinds, [AnomalyKind::TruncatedBody { missing: (1 << 40) - 2000 }, AnomalyKind::EndOfArchiveMissing]);
}

#[test]
fn a_catalogue_reads_zeros_at_the_end_up_to_a_cap() {
    let source = Virtual { blocks: [].into(), len: 1 << 40, calls: Cell::new(0), bytes: Cell::new(0) };
    let catalogue = catalogue(&source, &SplitOptions::default()).expect("it can be read");
    assert_eq!(
        catalogue.summary.anomalies.iter().next().map(|a| a.kind),
        Some(AnomalyKind::TrailingZeros { bytes: (1 << 40) - 1024 })
    );
    assert!(source.bytes.get() <= vectar_tar::TRAILER_SCAN_BYTES_MAX + 4096);
}

#[test]
fn a_catalogue_has_a_limit_of_rows() {
    let options = SplitOptions { rows_max: 2, ..SplitOptions::default() };
    let two = RawTar::new().file("a", b"1").file("b", b"2");
    assert_eq!(catalogue(&two.clone().close(), &options).expect("two rows fit").rows.len(), 2);
    let three = catalogue(&two.file("c", b"3").close(), &options);
    assert!(matches!(three, Err(TarError::TooManyRows { rows_max: 2 })));
}

/// Bodies come as slices of the pushed buffer itself, never copied.
#[test]
fn bodies_are_not_copied() {
    struct Within<'a>(&'a [u8]);
    impl SplitSink for Within<'_> {
        type Error = Infallible;
        fn framing(&mut self, _depth: u8, bytes: &[u8]) -> Result<(), Infallible> {
            self.body(bytes)
        }
        fn begin_body(&mut self, _body: &BodyHead) -> Result<(), Infallible> {
            Ok(())
        }
        fn body(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
            assert!(self.0.as_ptr_range().contains(&bytes.as_ptr()));
            Ok(())
        }
        fn end_body(&mut self, _complete: bool) -> Result<(), Infallible> {
            Ok(())
        }
        fn enter_archive(&mut self, _body: &BodyHead) -> Result<(), Infallible> {
            Ok(())
        }
        fn leave_archive(&mut self) -> Result<(), Infallible> {
            Ok(())
        }
    }
    for snapshot in fixtures() {
        let mut splitter = Splitter::new(&SplitOptions::default());
        // Whole blocks per push, so that nothing straddles.
        for push in snapshot.bytes.chunks(64 << 10) {
            let Ok(()) = splitter.push(push, &mut Within(push));
        }
        let Ok(_) = splitter.finish(&mut Within(&[]));
    }
}
