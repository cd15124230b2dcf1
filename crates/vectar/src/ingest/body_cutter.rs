//! How the bytes of one body are cut and coded: the label of `vectar-qdrant` meets the rules of `vectar-chunk`.

use std::collections::VecDeque;

use vectar_chunk::{CodecHint, CutParameters, CutRule, Cutter, RecordLayout};
use vectar_qdrant::{BodyLabel, BodyLayout, Class, Element};
use vectar_tar::SparseMap;

/// What stands around an entry of Qdrant's WAL: an 8-byte file header, then length, data, padding to 4 modulo 8, CRC
/// (`qdrant v1.19.0 lib/wal/src/segment.rs`).
const WAL_LAYOUT: RecordLayout = RecordLayout { header_bytes: 8, trailer_bytes: 4, align_bytes: 8 };

/// Cuts one body. The stored bytes of a sparse file are cut by where they lie in the file: after a hole that moves the rows or
/// blocks out of step, the cutter starts afresh.
pub(super) struct BodyCutter {
    rule: CutRule,
    cutter: Cutter,
    /// Stored bytes until the current run ends; `u64::MAX` in the last one, which ends with the body.
    rest: u64,
    runs: VecDeque<Run>,
}

/// Stored bytes that lie in step with each other.
struct Run {
    len: u64,
    logical_offset: u64,
}

impl BodyCutter {
    pub(super) fn new(label: &BodyLabel, cut: &CutParameters, sparse: Option<&SparseMap>) -> Self {
        let rule = rule_of(label, cut);
        let runs = sparse.map_or_else(VecDeque::new, |map| runs_of(map, unit_of(&rule)));
        let mut cutter = Self { cutter: Cutter::new(&rule), rule, rest: u64::MAX, runs };
        cutter.next_run();
        cutter
    }

    /// As [`Cutter::next_cut`].
    pub(super) fn next_cut(&mut self, window: &[u8], at_end: bool) -> Option<usize> {
        let run = usize::try_from(self.rest).map_or(window.len(), |rest| rest.min(window.len()));
        let run_ends = at_end || run as u64 == self.rest;
        let len = self.cutter.next_cut(&window[..run], run_ends)?;
        if self.rest != u64::MAX {
            self.rest -= len as u64;
            if self.rest == 0 {
                self.next_run();
            }
        }
        Some(len)
    }

    fn next_run(&mut self) {
        let Some(run) = self.runs.pop_front() else {
            self.rest = u64::MAX;
            return;
        };
        self.cutter = Cutter::starting_at(&self.rule, run.logical_offset);
        self.rest = if self.runs.is_empty() { u64::MAX } else { run.len };
    }
}

/// Joins the extents of a sparse file that keep step: holes of whole units between them do not matter.
fn runs_of(map: &SparseMap, unit: u64) -> VecDeque<Run> {
    let mut runs: VecDeque<Run> = VecDeque::new();
    for segment in map.segments() {
        match runs.back_mut() {
            Some(run) if segment.logical_offset.abs_diff(run.logical_offset + run.len) % unit == 0 => {
                run.len += segment.len
            }
            _ => runs.push_back(Run { len: segment.len, logical_offset: segment.logical_offset }),
        }
    }
    runs
}

/// What must be kept in step: the length of a row or block.
fn unit_of(rule: &CutRule) -> u64 {
    match *rule {
        CutRule::Blocks { block_bytes: unit, .. } | CutRule::Rows { row_bytes: unit, .. } => unit.max(1),
        _ => 1,
    }
}

fn rule_of(label: &BodyLabel, cut: &CutParameters) -> CutRule {
    match (label.layout, label.class) {
        (BodyLayout::Rows { header_bytes, row_bytes, .. }, _) => cut.rows_rule(header_bytes.into(), row_bytes.into()),
        (BodyLayout::Blocks { block_bytes }, _) => cut.blocks_rule(block_bytes.into()),
        (BodyLayout::Slots { header_bytes, slot_bytes }, _) => cut.slots_rule(header_bytes.into(), slot_bytes.into()),
        (BodyLayout::Log, _) => cut.log_rule(WAL_LAYOUT),
        (BodyLayout::Tiny, _) => cut.small_rule(),
        (_, Class::Rebuilt) => cut.rebuilt_rule(),
        _ => cut.opaque_rule(),
    }
}

/// What the codec may expect of the bytes of a body.
pub(super) fn codec_hint(label: &BodyLabel) -> CodecHint {
    match (label.layout, label.class) {
        (BodyLayout::Rows { element: Element::F32 | Element::F16, .. }, _) => CodecHint::Floats,
        (BodyLayout::Log, _) => CodecHint::Log,
        (_, Class::DenseRows | Class::Unknown) => CodecHint::Unknown,
        _ => CodecHint::Structured,
    }
}
