//! How stages and levels end: at their declared end, where something breaks, or where the input
//! stops.

use super::{Body, Event, Stage, Walk};
use crate::anomaly::AnomalyKind;
use crate::entry::{BodyHead, BodyKind};
use crate::header::BLOCK;

impl Walk {
    /// Ends the stages that have nothing left, until one wants bytes.
    pub(super) fn settle(&mut self) {
        loop {
            let room = self.room();
            match &self.stage {
                Stage::Header if room == 0 => self.leave(),
                Stage::Header if room < BLOCK => self.short_block(),
                Stage::SparseBlock(_) if room < BLOCK => self.cut(),
                Stage::Record(record) if record.left == 0 => self.end_record(),
                Stage::Body(body) if body.left == 0 => self.end_stage_body(),
                Stage::Padding { left: 0, .. } => self.stage = Stage::Header,
                Stage::Trailer { zeros } if room == 0 => {
                    self.judge_trailer(*zeros);
                    self.leave();
                }
                Stage::Cut { left: 0 } => self.leave(),
                _ => return,
            }
        }
    }

    /// Handles fewer bytes than a block where a header should be: not tar, so opaque.
    pub(super) fn short_block(&mut self) {
        if self.offset == 0 {
            self.report(0, AnomalyKind::NotATar);
            self.root_closed = true;
        } else {
            self.report(self.offset, AnomalyKind::TruncatedHeader);
        }
        self.begin_opaque();
    }

    /// Handles fewer bytes than a sparse extension block: framing of which nothing can be read.
    pub(super) fn cut(&mut self) {
        self.report(self.offset, AnomalyKind::TruncatedHeader);
        self.stage = Stage::Cut { left: self.room() };
    }

    /// Begins the opaque body that takes the rest of the level.
    pub(super) fn begin_opaque(&mut self) {
        let left = self.room();
        let level = self.level();
        let path = level.path.clone();
        let head = BodyHead {
            path: path.clone(),
            depth: level.depth,
            kind: BodyKind::Opaque,
            offset: self.offset,
            stored_len: level.end.map(|_| left),
        };
        self.summary.bodies += 1;
        self.events.push_back(Event::BeginBody(head));
        self.stage = Stage::Body(Body { path, left, missing: 0, padding: 0, opaque: true });
    }

    /// Ends the body of the present stage, at its end or where the input ends.
    pub(super) fn end_stage_body(&mut self) {
        let Stage::Body(body) = std::mem::replace(&mut self.stage, Stage::Header) else {
            unreachable!("callers have just seen or made Stage::Body")
        };
        // An opaque body of the outermost level has no length to fall short of.
        let endless = body.opaque && self.level().end.is_none();
        let missing = if endless { 0 } else { body.missing + body.left };
        if missing > 0 && !body.opaque {
            self.report_at(self.offset, body.path, AnomalyKind::TruncatedBody { missing });
        }
        self.events.push_back(Event::EndBody { complete: missing == 0, end: self.offset });
        self.begin_padding(body.padding, missing > 0);
    }

    pub(super) fn end_record(&mut self) {
        let Stage::Record(record) = std::mem::replace(&mut self.stage, Stage::Header) else {
            unreachable!("settle has just seen Stage::Record")
        };
        if record.missing > 0 {
            self.report(self.offset, AnomalyKind::TruncatedHeader);
        } else if let Some(bytes) = &record.kept {
            self.apply_record(record.kind, bytes);
        }
        self.begin_padding(record.padding, record.missing > 0);
    }

    pub(super) fn begin_padding(&mut self, padding: u64, truncated: bool) {
        let left = padding.min(self.room());
        if left < padding && !truncated {
            self.report(self.offset, AnomalyKind::PaddingMissing);
        }
        self.stage = Stage::Padding { left, reported: false };
    }

    /// Says what is odd about the zeros that end a level. Garbage behind them is the caller's to
    /// report.
    pub(super) fn judge_trailer(&mut self, zeros: u64) {
        let begin = self.offset - zeros;
        let is_root = self.levels.len() == 1;
        if is_root && zeros < 2 * BLOCK {
            self.report(begin, AnomalyKind::EndOfArchiveMissing);
        }
        if zeros < 2 * BLOCK {
            self.report(begin, AnomalyKind::SingleZeroBlock);
        } else if zeros > 2 * BLOCK {
            self.report(begin + 2 * BLOCK, AnomalyKind::TrailingZeros { bytes: zeros - 2 * BLOCK });
        }
        self.root_closed |= is_root;
    }

    pub(super) fn report_unused_extensions(&mut self) {
        if self.level_mut().extensions.take_unused() {
            self.report(self.offset, AnomalyKind::ExtensionUnused);
        }
    }

    /// Leaves a nested archive, at its end or where the input ends; the padding behind its body is
    /// next.
    pub(super) fn leave(&mut self) {
        self.report_unused_extensions();
        let level = self.levels.pop().expect("callers leave nested levels only");
        self.paths -= level.paths();
        self.events.push_back(Event::LeaveArchive { end: self.offset });
        let missing = level.missing + level.end.map_or(0, |end| end - self.offset);
        if missing > 0 {
            self.report_at(self.offset, level.path, AnomalyKind::TruncatedBody { missing });
        }
        self.begin_padding(level.padding, missing > 0);
    }
}
