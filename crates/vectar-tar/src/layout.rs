//! The in-memory driver: where every byte of an archive belongs, and the two functions that are
//! each other's inverse.

use crate::entry::BodyHead;
use crate::error::TarError;
use crate::options::SplitOptions;
use crate::splitter::{SplitSink, Splitter};
use crate::summary::SplitSummary;
use std::convert::Infallible;
use std::ops::Range;

/// An archive in memory, split: where things are, and the things.
#[derive(Clone, Debug)]
pub struct Split<'a> {
    /// Where every byte belongs.
    pub layout: Layout,
    /// One stream of framing per tar level; the index is the depth. Levels without framing at the
    /// end are left out.
    pub framing: Vec<Vec<u8>>,
    /// All leaf bodies in order, borrowed from the input.
    pub bodies: Vec<&'a [u8]>,
}

/// Splits `input` with default options.
///
/// `join(&split(x))` is `x` for every `x`.
pub fn split(input: &[u8]) -> Split<'_> {
    let layout = Layout::of(input, &SplitOptions::default());
    let framing = layout.framing_of(input);
    let bodies = layout.bodies_of(input);
    Split { layout, framing, bodies }
}

/// Puts framing and bodies back together as the layout says. Parts may come from elsewhere, if
/// their lengths fit.
///
/// # Errors
///
/// [`TarError::FramingLength`], [`TarError::BodyLength`] or [`TarError::BodyCount`] if the parts
/// are not those of the layout.
pub fn join(split: &Split<'_>) -> Result<Vec<u8>, TarError> {
    let layout = &split.layout;
    check_framing(layout, &split.framing)?;
    let mut framing: Vec<&[u8]> = split.framing.iter().map(Vec::as_slice).collect();
    let mut bodies = split.bodies.iter();
    let mut output = Vec::with_capacity(memory(layout.len));
    for span in layout.spans() {
        match span {
            Span::Framing(span) => {
                let stream = &mut framing[usize::from(span.depth)];
                let (bytes, rest) = stream.split_at(memory(span.len));
                *stream = rest;
                output.extend_from_slice(bytes);
            }
            Span::Body(span) => {
                let body = bodies.next().ok_or_else(|| body_count(split))?;
                span.check(body)?;
                output.extend_from_slice(body);
            }
            Span::Archive(_) => {}
        }
    }
    if bodies.next().is_some() {
        return Err(body_count(split));
    }
    Ok(output)
}

fn check_framing(layout: &Layout, streams: &[Vec<u8>]) -> Result<(), TarError> {
    let expected = layout.framing_lens();
    for depth in 0..expected.len().max(streams.len()) {
        let expected = expected.get(depth).copied().unwrap_or(0);
        let found = streams.get(depth).map_or(0, |stream| stream.len() as u64);
        if expected != found {
            let depth = u8::try_from(depth).unwrap_or(u8::MAX);
            return Err(TarError::FramingLength { depth, expected, found });
        }
    }
    Ok(())
}

fn body_count(split: &Split<'_>) -> TarError {
    let expected = split.layout.spans().filter(|span| matches!(span, Span::Body(_))).count();
    TarError::BodyCount { expected, found: split.bodies.len() }
}

/// Where every byte of an input belongs: a tree of spans that tile it without gap or overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    len: u64,
    spans: Vec<Span>,
    summary: SplitSummary,
}

/// A run of bytes and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// Framing of one level.
    Framing(FramingSpan),
    /// A leaf body, also one without bytes.
    Body(BodySpan),
    /// A nested archive.
    Archive(ArchiveSpan),
}

/// Framing bytes in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FramingSpan {
    /// The tar level, 0 being the outermost.
    pub depth: u8,
    /// The absolute offset of the first byte.
    pub offset: u64,
    /// Bytes; never 0.
    pub len: u64,
}

/// A leaf body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodySpan {
    /// What is known about it, its offset included.
    pub head: BodyHead,
    /// Bytes that are there.
    pub len: u64,
    /// Whether all declared bytes are there.
    pub complete: bool,
}

/// A body that is itself a tar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveSpan {
    /// What is known about the body, its offset included.
    pub head: BodyHead,
    /// Bytes that are there.
    pub len: u64,
    /// What these bytes are; they tile them.
    pub spans: Vec<Span>,
}

impl BodySpan {
    fn check(&self, body: &[u8]) -> Result<(), TarError> {
        let found = body.len() as u64;
        if found == self.len {
            return Ok(());
        }
        let (path, offset) = (self.head.path.clone(), self.head.offset);
        Err(TarError::BodyLength { path, offset, expected: self.len, found })
    }
}

impl Layout {
    /// Splits `input`.
    pub fn of(input: &[u8], options: &SplitOptions) -> Self {
        let mut tree = TreeBuilder::default();
        let mut splitter = Splitter::new(options);
        let Ok(()) = splitter.push(input, &mut tree);
        let Ok(summary) = splitter.finish(&mut tree);
        Self { len: input.len() as u64, spans: tree.spans, summary }
    }

    /// Returns the length of the input.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Tells whether the input was empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the spans of the outermost level, as the root of the tree.
    pub fn root(&self) -> &[Span] {
        &self.spans
    }

    /// Returns all spans in the order of the input; a nested archive comes before the spans in it.
    pub fn spans(&self) -> Spans<'_> {
        Spans { open: vec![self.spans.iter()] }
    }

    /// Returns figures and anomalies.
    pub fn summary(&self) -> &SplitSummary {
        &self.summary
    }

    /// Returns the framing streams of the input this layout was made from, one per level.
    fn framing_of(&self, input: &[u8]) -> Vec<Vec<u8>> {
        let lens = self.framing_lens();
        let mut streams: Vec<_> = lens.iter().map(|&len| Vec::with_capacity(memory(len))).collect();
        for span in self.spans() {
            if let Span::Framing(FramingSpan { depth, offset, len }) = span {
                streams[usize::from(*depth)].extend_from_slice(&input[range(*offset, *len)]);
            }
        }
        streams
    }

    /// Returns the leaf bodies of the input this layout was made from.
    fn bodies_of<'a>(&self, input: &'a [u8]) -> Vec<&'a [u8]> {
        let bodies = self.spans().filter_map(|span| match span {
            Span::Body(body) => Some(&input[range(body.head.offset, body.len)]),
            Span::Framing(_) | Span::Archive(_) => None,
        });
        bodies.collect()
    }

    fn framing_lens(&self) -> Vec<u64> {
        let mut lens = Vec::new();
        for span in self.spans() {
            if let Span::Framing(span) = span {
                let depth = usize::from(span.depth);
                lens.resize(lens.len().max(depth + 1), 0);
                lens[depth] += span.len;
            }
        }
        lens
    }
}

/// All spans of a layout, depth first; see [`Layout::spans`].
#[derive(Clone, Debug)]
pub struct Spans<'l> {
    /// One iterator per level that is open, at most 256.
    open: Vec<std::slice::Iter<'l, Span>>,
}

impl<'l> Iterator for Spans<'l> {
    type Item = &'l Span;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(span) = self.open.last_mut()?.next() else {
                self.open.pop();
                continue;
            };
            if let Span::Archive(archive) = span {
                self.open.push(archive.spans.iter());
            }
            return Some(span);
        }
    }
}

/// The sink that builds the tree.
#[derive(Default)]
struct TreeBuilder {
    offset: u64,
    /// Spans of the level being built.
    spans: Vec<Span>,
    /// The archives around it, with the spans before each.
    around: Vec<(BodyHead, Vec<Span>)>,
    /// The open body and its bytes so far.
    body: Option<(BodyHead, u64)>,
}

impl SplitSink for TreeBuilder {
    type Error = Infallible;

    fn framing(&mut self, depth: u8, bytes: &[u8]) -> Result<(), Infallible> {
        let added = bytes.len() as u64;
        match self.spans.last_mut() {
            Some(Span::Framing(FramingSpan { len, .. })) => *len += added,
            _ => self.spans.push(Span::Framing(FramingSpan { depth, offset: self.offset, len: added })),
        }
        self.offset += added;
        Ok(())
    }

    fn begin_body(&mut self, body: &BodyHead) -> Result<(), Infallible> {
        self.body = Some((body.clone(), 0));
        Ok(())
    }

    fn body(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        let added = bytes.len() as u64;
        if let Some((_, len)) = &mut self.body {
            *len += added;
        }
        self.offset += added;
        Ok(())
    }

    fn end_body(&mut self, complete: bool) -> Result<(), Infallible> {
        if let Some((head, len)) = self.body.take() {
            self.spans.push(Span::Body(BodySpan { head, len, complete }));
        }
        Ok(())
    }

    fn enter_archive(&mut self, body: &BodyHead) -> Result<(), Infallible> {
        self.around.push((body.clone(), std::mem::take(&mut self.spans)));
        Ok(())
    }

    fn leave_archive(&mut self) -> Result<(), Infallible> {
        if let Some((head, before)) = self.around.pop() {
            let spans = std::mem::replace(&mut self.spans, before);
            let len = self.offset - head.offset;
            self.spans.push(Span::Archive(ArchiveSpan { head, len, spans }));
        }
        Ok(())
    }
}

/// Returns a length of an input that is in memory as a length in memory.
fn memory(len: u64) -> usize {
    usize::try_from(len).expect("the input was a slice")
}

fn range(offset: u64, len: u64) -> Range<usize> {
    memory(offset)..memory(offset + len)
}
