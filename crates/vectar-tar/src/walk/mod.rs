//! The sans-IO core: one machine that walks all levels of an archive, told nothing but blocks and
//! byte counts.
//!
//! A driver asks [`Walk::demand`] what comes next, hands over exactly that ([`block`](Walk::block),
//! [`pass`](Walk::pass) or [`skip`](Walk::skip), [`trailer`](Walk::trailer)), drains
//! [`next_event`](Walk::next_event), and repeats. When the input ends it calls
//! [`starve`](Walk::starve) if bytes of an unfinished block are left, then [`end`](Walk::end).
//!
//! Invariants:
//! - Which events come, and where, depends on the bytes alone, never on how a driver cuts them.
//! - Every byte is either in a block that an event places, or passed under a demand that names its
//!   place.
//! - `left` of a stage never reaches beyond the end of its level, and a level never beyond the one
//!   around it.
//! - Memory: one [`Level`] per depth, one record being kept, one entry being opened, and what
//!   `SplitOptions` caps.

mod closing;
mod entry;
mod level;

use self::entry::Opening;
use self::level::{Level, RecordKind};
use crate::anomaly::{Anomalies, Anomaly, AnomalyKind};
use crate::entry::{BodyHead, EntryPath};
use crate::header::{BLOCK, Block};
use crate::options::SplitOptions;
use crate::summary::SplitSummary;
use std::collections::VecDeque;

/// What the walk must be given next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// One whole block, to decide on.
    Block,
    /// Up to `left` bytes of framing. They must be read when `wanted`, else they may be skipped.
    Framing { depth: u8, left: u64, wanted: bool },
    /// Up to `left` bytes of the open body.
    Body { left: u64 },
    /// Up to `left` bytes behind the first zero block: framing as long as they are zero. `zeros`
    /// were there so far.
    Trailer { depth: u8, left: u64, zeros: u64 },
}

/// What happened at the present offset.
#[derive(Debug)]
pub(crate) enum Event {
    /// The block just handed over is framing of this depth.
    BlockIsFraming {
        depth: u8,
    },
    /// The block just handed over belongs to the open body.
    BlockIsBody,
    BeginBody(BodyHead),
    EndBody {
        complete: bool,
        end: u64,
    },
    EnterArchive(BodyHead),
    LeaveArchive {
        end: u64,
    },
}

/// Where in a level the walk stands.
enum Stage {
    /// Before a header or the first zero block.
    Header,
    /// Within the sparse extension blocks of an entry.
    SparseBlock(Box<Opening>),
    /// Before the first block of a body that may be a nested archive.
    Sniff(Box<Opening>),
    /// Within a long-name or PAX record.
    Record(Record),
    Body(Body),
    Padding {
        left: u64,
        reported: bool,
    },
    /// Behind the first zero block; counts the zeros from its beginning.
    Trailer {
        zeros: u64,
    },
    /// What is left of a level that ends within framing.
    Cut {
        left: u64,
    },
}

struct Record {
    kind: RecordKind,
    /// The content so far; `None` when it is longer than the cap.
    kept: Option<Vec<u8>>,
    left: u64,
    missing: u64,
    padding: u64,
}

struct Body {
    path: EntryPath,
    left: u64,
    /// Declared bytes that lie beyond the end of the level.
    missing: u64,
    padding: u64,
    opaque: bool,
}

/// The walk over one input. See the module documentation for the order of calls.
pub(crate) struct Walk {
    options: SplitOptions,
    /// Never empty; the last one is the level being walked.
    levels: Vec<Level>,
    stage: Stage,
    offset: u64,
    events: VecDeque<Event>,
    /// Paths remembered over all open levels.
    paths: usize,
    /// The outermost level has its two zero blocks, or was reported as broken already.
    root_closed: bool,
    summary: SplitSummary,
}

impl Walk {
    pub(crate) fn new(options: &SplitOptions) -> Self {
        Self {
            levels: vec![Level::root()],
            stage: Stage::Header,
            offset: 0,
            events: VecDeque::new(),
            paths: 0,
            root_closed: false,
            summary: SplitSummary {
                bytes: 0,
                framing_bytes: 0,
                bodies: 0,
                archives: 0,
                anomalies: Anomalies::new(options.anomalies_max),
            },
            options: options.clone(),
        }
    }

    /// Returns the offset of the next byte.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns what must be given next; `left` is never 0.
    pub(crate) fn demand(&self) -> Demand {
        let depth = self.level().depth;
        match &self.stage {
            Stage::Header | Stage::SparseBlock(_) | Stage::Sniff(_) => Demand::Block,
            Stage::Record(record) => Demand::Framing { depth, left: record.left, wanted: record.kept.is_some() },
            Stage::Padding { left, .. } | Stage::Cut { left } => Demand::Framing { depth, left: *left, wanted: false },
            Stage::Body(body) => Demand::Body { left: body.left },
            Stage::Trailer { zeros } => Demand::Trailer { depth, left: self.room(), zeros: *zeros },
        }
    }

    /// Returns the next event, in the order in which things happened.
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Takes a whole block; its place is told by an event.
    pub(crate) fn block(&mut self, block: &Block) {
        match std::mem::replace(&mut self.stage, Stage::Header) {
            Stage::SparseBlock(opening) => self.sparse_block(opening, block),
            Stage::Sniff(opening) => self.sniff(*opening, block),
            Stage::Header => self.header(block),
            Stage::Record(_) | Stage::Body(_) | Stage::Padding { .. } | Stage::Trailer { .. } | Stage::Cut { .. } => {
                unreachable!("drivers give a block only on Demand::Block")
            }
        }
        self.offset += BLOCK;
        self.settle();
    }

    /// Takes bytes that a `Framing` or `Body` demand asked for, at most `left` of them, where they
    /// are at hand.
    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        match &mut self.stage {
            Stage::Record(Record { kept: Some(kept), .. }) => kept.extend_from_slice(bytes),
            Stage::Padding { reported, .. } if !*reported => {
                if let Some(position) = bytes.iter().position(|&byte| byte != 0) {
                    *reported = true;
                    self.report(self.offset + position as u64, AnomalyKind::NonZeroPadding);
                }
            }
            _ => {}
        }
        self.skip(bytes.len() as u64);
    }

    /// Takes note of bytes that a demand asked for, at most `left`, without seeing them. Skipped
    /// trailers count as zeros.
    pub(crate) fn skip(&mut self, count: u64) {
        match &mut self.stage {
            Stage::Record(Record { left, .. })
            | Stage::Padding { left, .. }
            | Stage::Cut { left }
            | Stage::Body(Body { left, .. }) => *left -= count,
            Stage::Trailer { zeros } => *zeros += count,
            Stage::Header | Stage::SparseBlock(_) | Stage::Sniff(_) => {
                unreachable!("drivers give whole blocks on Demand::Block")
            }
        }
        if !matches!(self.stage, Stage::Body(_)) {
            self.summary.framing_bytes += count;
        }
        self.offset += count;
        self.settle();
    }

    /// Takes bytes that a `Trailer` demand asked for and returns how many of the first are framing.
    /// The rest, if any, was not taken: it belongs to the opaque body that an event then begins.
    pub(crate) fn trailer(&mut self, bytes: &[u8]) -> usize {
        let zeros = leading_zeros(bytes);
        self.skip(zeros as u64);
        if zeros < bytes.len()
            && let Stage::Trailer { zeros } = self.stage
        {
            self.judge_trailer(zeros);
            self.report(self.offset, AnomalyKind::TrailingGarbage);
            self.begin_opaque();
        }
        zeros
    }

    /// Says that the input ends within the block that was demanded. Its bytes are then to be passed
    /// under a new demand.
    pub(crate) fn starve(&mut self) {
        match std::mem::replace(&mut self.stage, Stage::Header) {
            Stage::Header => self.short_block(),
            Stage::SparseBlock(_) => self.cut(),
            Stage::Sniff(opening) => self.begin_body(*opening, self.offset),
            other => self.stage = other,
        }
    }

    /// Says that the input ends here and closes whatever is open.
    pub(crate) fn end(&mut self) {
        match std::mem::replace(&mut self.stage, Stage::Header) {
            Stage::Header | Stage::Padding { .. } | Stage::Cut { .. } => {}
            Stage::SparseBlock(_) | Stage::Record(_) => self.report(self.offset, AnomalyKind::TruncatedHeader),
            Stage::Sniff(opening) => {
                self.begin_body(*opening, self.offset);
                self.end_stage_body();
            }
            Stage::Body(body) => {
                self.stage = Stage::Body(body);
                self.end_stage_body();
            }
            Stage::Trailer { zeros } => self.judge_trailer(zeros),
        }
        while self.levels.len() > 1 {
            self.leave();
        }
        self.report_unused_extensions();
        if self.offset == 0 {
            self.report(0, AnomalyKind::NotATar);
        } else if !self.root_closed {
            self.report(self.offset, AnomalyKind::EndOfArchiveMissing);
        }
        self.summary.bytes = self.offset;
    }

    pub(crate) fn into_summary(self) -> SplitSummary {
        self.summary
    }

    fn level(&self) -> &Level {
        self.levels.last().expect("the outermost level is never popped")
    }

    fn level_mut(&mut self) -> &mut Level {
        self.levels.last_mut().expect("the outermost level is never popped")
    }

    /// Returns the bytes before the end of the level; the outermost has no end of its own.
    fn room(&self) -> u64 {
        self.room_from(self.offset)
    }

    fn room_from(&self, offset: u64) -> u64 {
        self.level().end.map_or(u64::MAX, |end| end - offset)
    }

    fn report(&mut self, offset: u64, kind: AnomalyKind) {
        self.report_at(offset, self.level().path.clone(), kind);
    }

    fn report_at(&mut self, offset: u64, path: EntryPath, kind: AnomalyKind) {
        let depth = self.level().depth;
        self.summary.anomalies.push(Anomaly { offset, depth, path, kind });
    }

    fn place_block_in_framing(&mut self) {
        self.summary.framing_bytes += BLOCK;
        self.events.push_back(Event::BlockIsFraming { depth: self.level().depth });
    }
}

/// Returns how many of the first bytes are zero, at memory speed.
fn leading_zeros(bytes: &[u8]) -> usize {
    const STRIDE: usize = 256;
    let blank = |stride: &[u8]| stride.iter().fold(0, |all, &byte| all | byte) == 0;
    let strides = bytes.chunks_exact(STRIDE).take_while(|stride| blank(stride)).count();
    let rest = &bytes[strides * STRIDE..];
    strides * STRIDE + rest.iter().position(|&byte| byte != 0).unwrap_or(rest.len())
}
