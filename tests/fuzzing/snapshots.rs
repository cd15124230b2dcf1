//! What users hand over: tar streams, and the Qdrant files in them.

use std::convert::Infallible;

use vectar_qdrant::SnapshotOutline;
use vectar_tar::{
    BodyHead, CatalogueRow, Layout, RowRole, Severity, Span, Split, SplitOptions, SplitSink, SplitSummary, Splitter,
    catalogue, join, split,
};

use super::{Verdict, mend};

/// Limits that a small input reaches.
const TIGHT: SplitOptions = SplitOptions {
    depth_max: 1,
    name_bytes_max: 8,
    record_bytes_max: 64,
    sparse_segments_max: 2,
    paths_max: 2,
    anomalies_max: 1,
    rows_max: 4,
};

/// Slices of an odd length, and of one that ends within blocks and at their ends.
const SLICES: [usize; 2] = [700, 256];

/// `join(split(x)) == x`, in memory and pushed in slices; the catalogue lists the same bodies.
pub(super) fn check_tar(input: &[u8]) -> Verdict {
    tar(&mend::tar(input));
    tar(input)
}

fn tar(input: &[u8]) -> Verdict {
    let parts = split(input);
    assert!(join(&parts).expect("parts fit their own layout") == input, "join(split(x)) is not x");
    for slice in SLICES {
        let (seen, summary) = push(input, slice, &SplitOptions::default());
        assert!(seen.bytes == input, "the events of slices of {slice} do not give the input");
        assert_eq!(&summary, parts.layout.summary(), "the summary depends on slices of {slice}");
        assert!(seen.bodies.iter().map(|(head, len)| (head, *len)).eq(bodies(&parts)), "bodies depend on slices");
    }
    let listed = catalogue(input, &SplitOptions::default()).expect("memory can be read");
    assert_eq!(listed.rows, rows(&parts.layout), "the catalogue lists other bodies");
    tight(input);
    let is_damaged = parts.layout.summary().anomalies.iter().any(|anomaly| anomaly.severity() == Severity::Damage);
    if is_damaged { Verdict::Refused } else { Verdict::Accepted }
}

/// Limits bound memory and change nothing about the bytes.
fn tight(input: &[u8]) {
    let (seen, _) = push(input, SLICES[0], &TIGHT);
    assert!(seen.bytes == input, "the events within limits do not give the input");
    if let Ok(listed) = catalogue(input, &TIGHT) {
        assert!(listed.rows.len() <= TIGHT.rows_max);
        assert_eq!(listed.rows, rows(&Layout::of(input, &TIGHT)), "the catalogue lists other bodies within limits");
    }
}

fn bodies<'p>(parts: &'p Split<'_>) -> impl Iterator<Item = (&'p BodyHead, u64)> {
    parts.layout.spans().filter_map(|span| match span {
        Span::Body(body) => Some((&body.head, body.len)),
        Span::Framing(_) | Span::Archive(_) => None,
    })
}

fn rows(layout: &Layout) -> Vec<CatalogueRow> {
    let row = |span: &Span| match span {
        Span::Framing(_) => None,
        Span::Body(body) => {
            let role = RowRole::Leaf { complete: body.complete };
            Some(CatalogueRow { head: body.head.clone(), len: body.len, role })
        }
        Span::Archive(archive) => {
            Some(CatalogueRow { head: archive.head.clone(), len: archive.len, role: RowRole::Archive })
        }
    };
    layout.spans().filter_map(row).collect()
}

/// What a sink was given.
#[derive(Default)]
struct Seen {
    bytes: Vec<u8>,
    bodies: Vec<(BodyHead, u64)>,
}

impl SplitSink for Seen {
    type Error = Infallible;

    fn framing(&mut self, _depth: u8, bytes: &[u8]) -> Result<(), Infallible> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn begin_body(&mut self, body: &BodyHead) -> Result<(), Infallible> {
        self.bodies.push((body.clone(), 0));
        Ok(())
    }

    fn body(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.bytes.extend_from_slice(bytes);
        self.bodies.last_mut().expect("a body begins before its bytes").1 += bytes.len() as u64;
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

fn push(input: &[u8], slice: usize, options: &SplitOptions) -> (Seen, SplitSummary) {
    let mut seen = Seen::default();
    let mut splitter = Splitter::new(options);
    for bytes in input.chunks(slice) {
        let Ok(()) = splitter.push(bytes, &mut seen);
    }
    let Ok(summary) = splitter.finish(&mut seen);
    (seen, summary)
}

/// The outline of any bytes is made without a panic, and its classes add up to the length of the input. Accepted is what has a kind and
/// no file that could not be read.
pub(super) fn check_outline(input: &[u8]) -> Verdict {
    outline(&mend::tar(input));
    outline(input)
}

fn outline(input: &[u8]) -> Verdict {
    let listed = catalogue(input, &SplitOptions::default()).expect("memory can be read");
    let outline = SnapshotOutline::build(&listed, |row| {
        let start = usize::try_from(row.head.offset).ok()?;
        let end = start.checked_add(usize::try_from(row.len).ok()?)?;
        Some(input.get(start..end).expect("a row lies in the input").to_vec())
    });
    assert_eq!(outline.classes.stored_bytes(), input.len() as u64, "classes do not add up to the input");
    let is_known = !outline.collections.is_empty() && outline.unread.is_empty();
    if is_known { Verdict::Accepted } else { Verdict::Refused }
}
