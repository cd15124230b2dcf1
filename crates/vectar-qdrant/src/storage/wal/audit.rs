//! What can be wrong with a WAL, in words, and the look at all its entries.

use super::{Wal, WalEnd, WalSegment};
use crate::error::QdrantError;
use crate::finding::{Finding, FindingLevel, Findings};
use crate::storage::tally::{FaultKind, Tally};

const GOOD_COPY: &str = "restore another snapshot or backup of this collection";
const REFUSED: &str = "Qdrant refuses the WAL, so the shard does not load";

/// The kinds of fault.
pub(super) struct Fault;

impl Fault {
    pub(super) const NAME: FaultKind = FaultKind {
        level: FindingLevel::Damage,
        what: "a name that cannot be",
        consequence: REFUSED,
        advice: GOOD_COPY,
    };
    pub(super) const HEADER: FaultKind = Self::NAME;
    pub(super) const FIRST_INDEX: FaultKind = Self::NAME;
    pub(super) const GAP: FaultKind = Self::NAME;
    pub(super) const OVERLAP: FaultKind =
        FaultKind { consequence: "Qdrant stops when it loads the shard", ..Self::NAME };
    pub(super) const BROKEN: FaultKind = FaultKind {
        level: FindingLevel::Damage,
        what: "a changed entry",
        consequence: "Qdrant drops this entry and all behind it without a word; what the segments lack of them is lost",
        advice: GOOD_COPY,
    };
    pub(super) const TORN: FaultKind = FaultKind {
        level: FindingLevel::Suspicious,
        what: "an unfinished entry",
        consequence: "Qdrant drops it; no client was told that it was written, if it was the last one",
        advice: "nothing, if the server was stopped while it wrote; else compare with another snapshot",
    };
    pub(super) const SHIFTED: FaultKind = FaultKind {
        level: FindingLevel::Damage,
        what: "entries behind a file that ends early",
        consequence: "Qdrant gives these operations lower numbers than they had, and skips those it takes for applied",
        advice: GOOD_COPY,
    };

    /// What the end of a segment means, if it is not clean.
    pub(super) fn of_end(segment: &WalSegment) -> Option<Finding> {
        let object = format!("wal/{}", segment.name);
        let entries = segment.entries;
        match &segment.end {
            WalEnd::Clean => None,
            WalEnd::NoSegment { what } => Some(Self::HEADER.finding(&object, what.clone())),
            WalEnd::Torn { offset } => Some(
                Self::TORN
                    .finding(&object, format!("an unfinished entry is at byte {offset}, behind {entries} whole ones")),
            ),
            WalEnd::Broken { offset } => Some(Self::BROKEN.finding(
                &object,
                format!(
                    "an entry with a wrong checksum is at byte {offset}, behind {entries} whole ones, and more follow"
                ),
            )),
        }
    }
}

const REPLAYED: FaultKind = FaultKind {
    level: FindingLevel::Damage,
    what: "entries that are read at load and are no operations",
    consequence: "the shard does not load",
    advice: GOOD_COPY,
};
const APPLIED: FaultKind = FaultKind {
    level: FindingLevel::Suspicious,
    what: "acknowledged entries that are no operations",
    consequence: "none at load; other replicas cannot be brought up to date from them",
    advice: "nothing, unless there is more amiss",
};
const OPAQUE: FaultKind = FaultKind {
    level: FindingLevel::Note,
    what: "entries that cannot be read here",
    consequence: "none; what they would change is unknown",
    advice: "nothing",
};
const BEHIND: FaultKind = FaultKind {
    level: FindingLevel::DataLoss,
    what: "segments newer than the log",
    consequence: "new writes get numbers that the segments take for applied, and are dropped until the numbers have caught up",
    advice: GOOD_COPY,
};
const AHEAD: FaultKind = FaultKind {
    level: FindingLevel::Suspicious,
    what: "a number beyond the log",
    consequence: "none: Qdrant takes the end of the log instead",
    advice: "nothing, unless there is more amiss",
};
const TAIL: FaultKind = FaultKind {
    level: FindingLevel::Note,
    what: "operations that are only in the log",
    consequence: "Qdrant applies them when it loads the shard; counts of the segments alone are those before them",
    advice: "nothing",
};

/// See [`Wal::audit`].
pub(super) fn audit(
    wal: &Wal<'_>,
    segment_version_max: Option<u64>,
    applied_seq: Option<u64>,
    findings: &mut Findings,
) {
    wal.faults.iter().for_each(|fault| findings.add(fault.clone()));
    check_entries(wal, findings);
    check_numbers(wal, segment_version_max, applied_seq, findings);
}

fn check_entries(wal: &Wal<'_>, findings: &mut Findings) {
    let (mut replayed, mut applied, mut opaque) = (Tally::new(REPLAYED), Tally::new(APPLIED), Tally::new(OPAQUE));
    let mut entries = wal.entries();
    while let Some(entry) = entries.next() {
        let Err(error) = entry else { continue };
        let number = entries.last_number();
        let tally = match error {
            QdrantError::NotReadable { .. } => &mut opaque,
            _ if number.is_some() && number < wal.acknowledged => &mut applied,
            _ => &mut replayed,
        };
        tally.add(&format!("operation {}: {}", number.unwrap_or(0), error.reason()));
    }
    replayed.report("wal", findings);
    applied.report("wal", findings);
    opaque.report("wal", findings);
}

fn check_numbers(wal: &Wal<'_>, segment_version_max: Option<u64>, applied_seq: Option<u64>, findings: &mut Findings) {
    let next = wal.next_operation();
    if let Some(version) = segment_version_max.filter(|version| *version >= next) {
        let what = format!("a segment has the version {version}, and the next operation of the log is {next}");
        findings.add(BEHIND.finding("wal", what));
    }
    if let Some(applied) = applied_seq.filter(|applied| *applied >= next) {
        let what = format!("{applied} is the last applied operation, and the next one of the log is {next}");
        findings.add(AHEAD.finding("applied_seq.json", what));
    }
    if let Some(acknowledged) = wal.acknowledged.filter(|acknowledged| *acknowledged > next) {
        let what = format!("{acknowledged} is acknowledged, and the next operation of the log is {next}");
        findings.add(AHEAD.finding("wal/first-index", what));
    }
    let newer = segment_version_max.map_or(Some(0), |version| version.checked_add(1));
    if let (Some(first), Some(last), Some(newer)) = (wal.first_operation(), wal.last_operation(), newer) {
        let count = (last + 1).saturating_sub(newer.max(first));
        if count > 0 {
            findings.add(TAIL.finding("wal", format!("operations up to {last} are newer than all segments: {count}")));
        }
    }
}
