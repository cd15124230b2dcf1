//! What the write-ahead log says of the points of a shard, beside what its segments say.
//!
//! A snapshot of a collection has the log as it is, and the segments have applied what it holds up to their version. So, as far as the log reaches
//! back, a point that it wrote and did not delete lies in a segment, and one that it deleted does not. A log that begins with the
//! first operation ever knows each point.
//!
//! The log is not always right about a point: Qdrant also keeps operations that it refused when it applied them, such as vectors of a
//! wrong length. A few points that are nowhere are therefore no more than a note.

use std::collections::BTreeMap;

use crate::finding::{Finding, FindingLevel, Findings};
use crate::point_id::PointId;
use crate::storage::{FaultKind, LivePoint, Tally, Wal};

/// Most points that are kept in mind, some 15 MiB of them; of the rest nothing is said.
const POINTS_MAX: usize = 1 << 18;

/// Of all points that the log wrote, one in so many may be missing because its operation was refused.
const REFUSED_SHARE: u64 = 10;

/// So few points may be missing whatever their share.
const REFUSED_MAX: u64 = 8;

const MISSING: FaultKind = FaultKind {
    level: FindingLevel::DataLoss,
    what: "points that the log wrote and no segment has",
    consequence: "Qdrant does not write them again: their operations are older than the segments; they are lost",
    advice: "look for a segment that is missing: compare with another snapshot",
};
const RISEN: FaultKind = FaultKind {
    level: FindingLevel::Suspicious,
    what: "points that the log deleted and a segment has",
    consequence: "they come back with a restore",
    advice: "compare these points with the collection, and delete them again after the restore",
};
const STRANGERS: FaultKind = FaultKind {
    level: FindingLevel::Suspicious,
    what: "points that the log never wrote, although it begins with the first operation",
    consequence: "they come back under ids that nobody may have given them",
    advice: "compare these points with another snapshot",
};

/// What the log says about the points it names.
#[derive(Debug)]
pub(super) struct LogWitness {
    points: BTreeMap<PointId, Said>,
    /// Whether every point that was ever written is among them.
    is_complete: bool,
}

/// What the last operation on a point leaves of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Written,
    Deleted,
    /// The operation also depends on something that is not in the log.
    Unknown,
}

impl LogWitness {
    /// Reads the operations up to `version`, the newest of the segments.
    pub(super) fn of(wal: &Wal<'_>, version: u64) -> Self {
        let is_complete = wal.first_operation() == Some(0) && wal.faults().is_empty();
        let mut witness = Self { points: BTreeMap::new(), is_complete };
        for entry in wal.entries() {
            let Ok(entry) = entry else {
                witness.forget();
                continue;
            };
            if entry.number > version {
                break;
            }
            let operation = entry.operation;
            witness.is_complete &= operation.points_more == 0;
            match (operation.name.as_str(), operation.has_filter) {
                ("upsert_points", false) => witness.say(&operation.points, Said::Written),
                ("delete_points", false) => witness.say(&operation.points, Said::Deleted),
                // Others change points that are there, or do nothing.
                ("set_payload" | "overwrite_payload" | "delete_payload" | "clear_payload", _) => {}
                ("update_vectors" | "delete_vectors" | "create_index" | "delete_index", _) => {}
                (_, false) => witness.say(&operation.points, Said::Unknown),
                (_, true) => {
                    witness.say(&operation.points, Said::Unknown);
                    witness.forget();
                }
            }
        }
        witness
    }

    fn say(&mut self, points: &[PointId], said: Said) {
        for point in points {
            if self.points.len() >= POINTS_MAX && !self.points.contains_key(point) {
                self.is_complete = false;
                continue;
            }
            self.points.insert(*point, said);
        }
    }

    /// Nothing is known any more of the points so far, but that they were written once.
    fn forget(&mut self) {
        self.points.values_mut().for_each(|said| *said = Said::Unknown);
    }

    /// Compares it with the points of all segments, ascending.
    pub(super) fn compare<E>(&self, live: impl Iterator<Item = Result<LivePoint, E>>, findings: &mut Findings) {
        let (mut missing, mut risen, mut strangers) = (Tally::new(MISSING), Tally::new(RISEN), Tally::new(STRANGERS));
        let mut named = self.points.iter().peekable();
        let mut miss = |id: &PointId, said: Said| {
            if said == Said::Written {
                missing.add(id);
            }
        };
        for point in live {
            // What cannot be read is reported by itself.
            let Ok(point) = point else { return };
            while let Some((id, said)) = named.next_if(|(id, _)| **id < point.id) {
                miss(id, *said);
            }
            match named.next_if(|(id, _)| **id == point.id) {
                Some((id, Said::Deleted)) => risen.add(id),
                Some(_) => {}
                None if self.is_complete => strangers.add(&point.id),
                None => {}
            }
        }
        for (id, said) in named {
            miss(id, *said);
        }
        self.report_missing(missing, findings);
        risen.report("wal", findings);
        strangers.report("wal", findings);
    }

    fn report_missing(&self, missing: Tally, findings: &mut Findings) {
        let written = self.points.values().filter(|said| **said == Said::Written).count() as u64;
        let are_few = missing.count() <= REFUSED_MAX || missing.count() < written / REFUSED_SHARE;
        let mut found = Findings::default();
        missing.report("wal", &mut found);
        for finding in found.list {
            findings.add(match are_few {
                false => finding,
                true => Finding {
                    level: FindingLevel::Note,
                    consequence: "none, if their operations were refused, as those with vectors of a wrong length are"
                        .to_owned(),
                    ..finding
                },
            });
        }
    }
}
