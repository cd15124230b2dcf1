//! Runs the drivers over one input and holds them to each other.

use std::convert::Infallible;
use std::fmt::Write;

use vectar_tar::{
    Anomaly, AnomalyKind, BodyHead, BodyKind, CatalogueRow, Layout, RowRole, Span, SplitOptions, SplitSink,
    SplitSummary, Splitter, catalogue, join, split,
};

/// What a sink saw, with runs of bytes joined, so that slicing does not show.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    Framing { depth: u8, len: u64 },
    Body { head: BodyHead, len: u64, complete: bool },
    Enter(BodyHead),
    Leave,
}

/// Records events; a body has as many bytes as were handed over.
#[derive(Default)]
pub(crate) struct Counter {
    pub(crate) seen: Vec<Seen>,
}

impl SplitSink for Counter {
    type Error = Infallible;

    fn framing(&mut self, depth: u8, bytes: &[u8]) -> Result<(), Infallible> {
        let added = bytes.len() as u64;
        match self.seen.last_mut() {
            Some(Seen::Framing { len, .. }) => *len += added,
            _ => self.seen.push(Seen::Framing { depth, len: added }),
        }
        Ok(())
    }

    fn begin_body(&mut self, body: &BodyHead) -> Result<(), Infallible> {
        self.seen.push(Seen::Body { head: body.clone(), len: 0, complete: false });
        Ok(())
    }

    fn body(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        if let Some(Seen::Body { len, .. }) = self.seen.last_mut() {
            *len += bytes.len() as u64;
        }
        Ok(())
    }

    fn end_body(&mut self, whole: bool) -> Result<(), Infallible> {
        if let Some(Seen::Body { complete, .. }) = self.seen.last_mut() {
            *complete = whole;
        }
        Ok(())
    }

    fn enter_archive(&mut self, body: &BodyHead) -> Result<(), Infallible> {
        self.seen.push(Seen::Enter(body.clone()));
        Ok(())
    }

    fn leave_archive(&mut self) -> Result<(), Infallible> {
        self.seen.push(Seen::Leave);
        Ok(())
    }
}

/// Counts events, checks their order and collects the bytes.
#[derive(Default)]
pub(crate) struct Recorder {
    counter: Counter,
    pub(crate) bytes: Vec<u8>,
    in_body: bool,
    depth: u8,
}

impl Recorder {
    pub(crate) fn seen(&self) -> &[Seen] {
        &self.counter.seen
    }
}

impl SplitSink for Recorder {
    type Error = Infallible;

    fn framing(&mut self, depth: u8, bytes: &[u8]) -> Result<(), Infallible> {
        assert!(!self.in_body && !bytes.is_empty());
        assert_eq!(depth, self.depth);
        self.bytes.extend_from_slice(bytes);
        self.counter.framing(depth, bytes)
    }

    fn begin_body(&mut self, body: &BodyHead) -> Result<(), Infallible> {
        assert!(!self.in_body);
        assert_eq!((body.depth, body.offset), (self.depth, self.bytes.len() as u64));
        self.in_body = true;
        self.counter.begin_body(body)
    }

    fn body(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        assert!(self.in_body && !bytes.is_empty());
        self.bytes.extend_from_slice(bytes);
        self.counter.body(bytes)
    }

    fn end_body(&mut self, whole: bool) -> Result<(), Infallible> {
        assert!(self.in_body);
        self.in_body = false;
        if let Some(Seen::Body { head, len, .. }) = self.counter.seen.last() {
            assert!(head.stored_len.is_none_or(|stored| *len <= stored && (*len == stored) == whole));
        }
        self.counter.end_body(whole)
    }

    fn enter_archive(&mut self, body: &BodyHead) -> Result<(), Infallible> {
        assert!(!self.in_body);
        assert_eq!((body.depth, body.offset), (self.depth, self.bytes.len() as u64));
        self.depth += 1;
        self.counter.enter_archive(body)
    }

    fn leave_archive(&mut self) -> Result<(), Infallible> {
        assert!(!self.in_body);
        self.depth -= 1;
        self.counter.leave_archive()
    }
}

/// Pushes `input` in slices of the given lengths, over and over, and returns what a sink saw.
pub(crate) fn record(input: &[u8], slices: &[usize], options: &SplitOptions) -> (Recorder, SplitSummary) {
    let mut recorder = Recorder::default();
    let mut splitter = Splitter::new(options);
    let mut rest = input;
    for &len in slices.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (slice, after) = rest.split_at(len.clamp(1, rest.len()));
        let Ok(()) = splitter.push(slice, &mut recorder);
        rest = after;
        assert_eq!(splitter.offset(), (input.len() - rest.len()) as u64);
    }
    let Ok(summary) = splitter.finish(&mut recorder);
    assert!(!recorder.in_body && recorder.depth == 0, "everything begun is ended");
    (recorder, summary)
}

/// Asserts, for one input: all slicings give the same events and exactly the input; `join` is the
/// inverse of `split`; the catalogue has the same rows and anomalies. Returns what was seen.
pub(crate) fn agree(input: &[u8], slicings: &[&[usize]], options: &SplitOptions) -> (Vec<Seen>, SplitSummary) {
    let (whole, summary) = record(input, &[usize::MAX], options);
    assert!(whole.bytes == input, "the events do not give the input");
    for slices in slicings {
        let (cut, cut_summary) = record(input, slices, options);
        assert!(cut.bytes == input, "the events of slices {slices:?} do not give the input");
        assert_eq!(cut.seen(), whole.seen(), "events depend on slices {slices:?}");
        assert_eq!(cut_summary, summary);
    }
    assert!(join(&split(input)).expect("parts fit their own layout") == input, "join(split(x)) is not x");
    let layout = Layout::of(input, options);
    assert_eq!(layout.summary(), &summary);
    assert_catalogue(input, &layout, options);
    assert_figures(input, whole.seen(), &summary);
    (whole.counter.seen, summary)
}

fn assert_catalogue(input: &[u8], layout: &Layout, options: &SplitOptions) {
    let catalogue = catalogue(input, options).expect("memory can be read");
    let rows: Vec<CatalogueRow> = layout.spans().filter_map(row).collect();
    assert_eq!(catalogue.rows, rows);
    let seen = |summary: &SplitSummary| -> Vec<Anomaly> {
        summary.anomalies.iter().filter(|anomaly| anomaly.kind != AnomalyKind::NonZeroPadding).cloned().collect()
    };
    assert_eq!(seen(&catalogue.summary), seen(layout.summary()));
    assert_eq!(catalogue.summary.framing_bytes, layout.summary().framing_bytes);
}

fn row(span: &Span) -> Option<CatalogueRow> {
    match span {
        Span::Framing(_) => None,
        Span::Body(body) => {
            let role = RowRole::Leaf { complete: body.complete };
            Some(CatalogueRow { head: body.head.clone(), len: body.len, role })
        }
        Span::Archive(archive) => {
            Some(CatalogueRow { head: archive.head.clone(), len: archive.len, role: RowRole::Archive })
        }
    }
}

fn assert_figures(input: &[u8], seen: &[Seen], summary: &SplitSummary) {
    let framing: u64 = seen.iter().map(|seen| if let Seen::Framing { len, .. } = seen { *len } else { 0 }).sum();
    assert_eq!(summary.framing_bytes, framing);
    assert_eq!(summary.bytes, input.len() as u64);
    assert_eq!(summary.bodies, seen.iter().filter(|seen| matches!(seen, Seen::Body { .. })).count() as u64);
    assert_eq!(summary.archives, seen.iter().filter(|seen| matches!(seen, Seen::Enter(_))).count() as u64);
}

/// Slicings that put every boundary of a small archive inside and at the end of a push.
pub(crate) const SLICINGS: &[&[usize]] = &[&[1], &[511], &[512], &[513], &[3, 700, 64]];

/// Runs all drivers and returns events and anomalies as text.
pub(crate) fn events(input: &[u8]) -> String {
    events_with(input, &SplitOptions::default())
}

/// As [`events`], with other limits.
pub(crate) fn events_with(input: &[u8], options: &SplitOptions) -> String {
    let (seen, summary) = agree(input, SLICINGS, options);
    let mut text = String::new();
    for seen in &seen {
        writeln!(text, "{}", describe(seen)).expect("a string takes all");
    }
    for anomaly in &summary.anomalies {
        writeln!(text, "{anomaly}").expect("a string takes all");
    }
    text
}

fn describe(seen: &Seen) -> String {
    match seen {
        Seen::Framing { depth, len } => format!("framing of level {depth}: {len}"),
        Seen::Body { head, len, complete } => {
            let ending = if *complete { "" } else { ", incomplete" };
            format!("body {}: {len} bytes{ending}", describe_head(head))
        }
        Seen::Enter(head) => format!("enter {}", describe_head(head)),
        Seen::Leave => "leave".to_owned(),
    }
}

fn describe_head(head: &BodyHead) -> String {
    let BodyHead { path, offset, stored_len, .. } = head;
    match &head.kind {
        BodyKind::Opaque => format!("`{path}` opaque at {offset}, stored {stored_len:?}"),
        BodyKind::Entry(entry) => {
            assert_eq!(*stored_len, Some(entry.stored_len));
            assert_eq!(path.last_name(), &*entry.raw_path);
            let mut text = format!("`{path}` {} at {offset}", char::from(entry.type_flag).escape_default());
            if entry.logical_len != entry.stored_len {
                write!(text, ", logical {}", entry.logical_len).expect("a string takes all");
            }
            if let Some(map) = &entry.sparse {
                let segments: Vec<_> = map.segments().iter().map(|segment| segment.logical()).collect();
                write!(text, ", segments {segments:?}").expect("a string takes all");
            }
            if let Some(target) = &entry.link_name {
                write!(text, ", link to {}", String::from_utf8_lossy(target)).expect("a string takes all");
            }
            text
        }
    }
}
