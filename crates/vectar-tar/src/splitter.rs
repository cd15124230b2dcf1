//! The streaming driver: slices of any size in, framing and bodies out.

use crate::entry::BodyHead;
use crate::header::{Block, TAR_BLOCK_BYTES};
use crate::options::SplitOptions;
use crate::sparse::bounded;
use crate::summary::SplitSummary;
use crate::walk::{Demand, Event, Walk};

/// Receives an archive in order.
///
/// The bytes of all [`framing`](Self::framing) and [`body`](Self::body) calls, in call order, are
/// exactly the input, but for what was [passed over](Splitter::skip_body). The calls and their arguments depend on the input alone, except that runs of
/// framing or body bytes may be cut into calls differently; no call has an empty slice.
///
/// Between [`begin_body`](Self::begin_body) and [`end_body`](Self::end_body) only
/// [`body`](Self::body) is called. Archives nest: every [`enter_archive`](Self::enter_archive) has
/// its [`leave_archive`](Self::leave_archive), also where the input breaks off.
pub trait SplitSink {
    /// Why the sink cannot go on.
    type Error;

    /// Takes framing of the level `depth`, 0 being the outermost.
    ///
    /// # Errors
    ///
    /// The sink's own; the same holds for all methods.
    fn framing(&mut self, depth: u8, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Begins a leaf body, also one without any stored bytes.
    ///
    /// # Errors
    ///
    /// The sink's own.
    fn begin_body(&mut self, body: &BodyHead) -> Result<(), Self::Error>;

    /// Takes bytes of the body that was begun last.
    ///
    /// # Errors
    ///
    /// The sink's own.
    fn body(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Ends the body; `complete` tells whether all its declared bytes were there.
    ///
    /// # Errors
    ///
    /// The sink's own.
    fn end_body(&mut self, complete: bool) -> Result<(), Self::Error>;

    /// Enters a body that is itself a tar: what follows is one level deeper, until it is left
    /// again.
    ///
    /// # Errors
    ///
    /// The sink's own.
    fn enter_archive(&mut self, body: &BodyHead) -> Result<(), Self::Error>;

    /// Leaves the archive that was entered last.
    ///
    /// # Errors
    ///
    /// The sink's own.
    fn leave_archive(&mut self) -> Result<(), Self::Error>;
}

/// Splits a stream that is pushed in slices of any size.
///
/// Body bytes are handed on as slices of the caller's own buffer. Only a block that must be seen
/// whole, and comes in more than one push, is buffered: at most 512 bytes.
pub struct Splitter {
    walk: Walk,
    /// The first bytes of the block being waited for.
    carry: Block,
    carry_len: usize,
}

impl Splitter {
    /// Returns a splitter at the beginning of an input.
    pub fn new(options: &SplitOptions) -> Self {
        Self { walk: Walk::new(options), carry: [0; TAR_BLOCK_BYTES], carry_len: 0 }
    }

    /// Returns the number of bytes pushed so far.
    pub fn offset(&self) -> u64 {
        self.walk.offset() + self.carry_len as u64
    }

    /// Takes the next bytes of the input and gives `sink` whatever they decide.
    ///
    /// # Errors
    ///
    /// The first error of the sink. It has then seen a prefix of the events; the splitter must be
    /// dropped, because the event that failed is not repeated.
    pub fn push<S: SplitSink + ?Sized>(&mut self, mut bytes: &[u8], sink: &mut S) -> Result<(), S::Error> {
        while !bytes.is_empty() {
            let used = match self.walk.demand() {
                Demand::Block => self.take_block(bytes, sink)?,
                Demand::Framing { depth, left, .. } => {
                    let framing = &bytes[..bounded(left, bytes.len())];
                    sink.framing(depth, framing)?;
                    self.walk.pass(framing);
                    framing.len()
                }
                Demand::Body { left } => {
                    let body = &bytes[..bounded(left, bytes.len())];
                    sink.body(body)?;
                    self.walk.pass(body);
                    body.len()
                }
                Demand::Trailer { depth, left, .. } => {
                    let zeros = self.walk.trailer(&bytes[..bounded(left, bytes.len())]);
                    if zeros > 0 {
                        sink.framing(depth, &bytes[..zeros])?;
                    }
                    zeros
                }
            };
            self.drain(&[], sink)?;
            bytes = &bytes[used..];
        }
        Ok(())
    }

    /// Passes over the next `count` bytes of the body at hand, which the caller knows; `sink` is not given them. Returns false, and nothing has
    /// happened, when the next `count` bytes are not all of one body, or part of a block that was not pushed whole.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub fn skip_body<S: SplitSink + ?Sized>(&mut self, count: u64, sink: &mut S) -> Result<bool, S::Error> {
        match self.walk.demand() {
            Demand::Body { left } if self.carry_len == 0 && count <= left => {
                self.walk.skip(count);
                self.drain(&[], sink)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Ends the input: closes what is open and returns the summary.
    ///
    /// # Errors
    ///
    /// The first error of the sink, which has then seen a prefix of the events.
    pub fn finish<S: SplitSink + ?Sized>(mut self, sink: &mut S) -> Result<SplitSummary, S::Error> {
        if self.carry_len > 0 {
            let (carry, len) = (self.carry, std::mem::take(&mut self.carry_len));
            self.walk.starve();
            self.drain(&[], sink)?;
            self.push(&carry[..len], sink)?;
        }
        self.walk.end();
        self.drain(&[], sink)?;
        Ok(self.walk.into_summary())
    }

    /// Hands a whole block to the walk, from `bytes` alone or together with what is carried;
    /// returns how many it used.
    fn take_block<S: SplitSink + ?Sized>(&mut self, bytes: &[u8], sink: &mut S) -> Result<usize, S::Error> {
        if self.carry_len == 0
            && let Some(block) = bytes.first_chunk()
        {
            self.walk.block(block);
            self.drain(block, sink)?;
            return Ok(TAR_BLOCK_BYTES);
        }
        let used = bytes.len().min(TAR_BLOCK_BYTES - self.carry_len);
        self.carry[self.carry_len..][..used].copy_from_slice(&bytes[..used]);
        self.carry_len += used;
        if self.carry_len == TAR_BLOCK_BYTES {
            let block = self.carry;
            self.carry_len = 0;
            self.walk.block(&block);
            self.drain(&block, sink)?;
        }
        Ok(used)
    }

    /// Gives the sink all events; `block` is the block they may place.
    fn drain<S: SplitSink + ?Sized>(&mut self, block: &[u8], sink: &mut S) -> Result<(), S::Error> {
        while let Some(event) = self.walk.next_event() {
            match event {
                Event::BlockIsFraming { depth } => sink.framing(depth, block)?,
                Event::BlockIsBody => sink.body(block)?,
                Event::BeginBody(head) => sink.begin_body(&head)?,
                Event::EndBody { complete, .. } => sink.end_body(complete)?,
                Event::EnterArchive(head) => sink.enter_archive(&head)?,
                Event::LeaveArchive { .. } => sink.leave_archive()?,
            }
        }
        Ok(())
    }
}
