//! The rows of a segment as its id tracker, its payloads and its vectors see them.
//!
//! What a delete leaves behind is the witness of a delete (seen on every segment of v1.18.3): it takes the payload's slot away, and gives
//! the row the version of the operation. So a row that is flagged and still has a payload was probably not deleted, and one without
//! a flag whose version is newer than the segment's build and that has no payload probably was.

use crate::error::QdrantError;
use crate::finding::{FindingLevel, Findings};
use crate::storage::{FaultKind, Tally};
use crate::storage::{IdTracker, IdTrackerKind, PayloadStorage, Segment};

const FLAGGED: FaultKind = FaultKind {
    level: FindingLevel::Suspicious,
    what: "rows that are deleted and still have a payload",
    consequence: "if they were not deleted, these points are lost",
    advice: "compare the number of points with another snapshot, or with the collection",
};

const RISEN: FaultKind = FaultKind {
    level: FindingLevel::Suspicious,
    what: "rows that look deleted and are not flagged",
    consequence: "if they were deleted, these points come back",
    advice: "compare the number of points with another snapshot, or with the collection",
};

/// Vectors and payloads are stored, and there is no id to any of them.
const NAMELESS: FaultKind = FaultKind {
    level: FindingLevel::DataLoss,
    what: "no row has an id",
    consequence: "Qdrant takes the segment for empty: all its points are lost, unless the WAL still holds them",
    advice: "restore from another backup, or make the snapshot again",
};

/// Compares the rows of the tracker with what lies in the storages.
pub(super) fn audit(segment: &Segment<'_>, payload: &PayloadStorage<'_>, findings: &mut Findings) {
    let (state, tracker) = (segment.state(), segment.tracker());
    if tracker.rows() == 0 {
        return nameless(tracker, state.version, payload, findings);
    }
    let witnesses = Witnesses { built_at: state.initial_version, is_built: tracker.kind() != IdTrackerKind::Mutable };
    if let Err(error) = witnesses.compare(tracker, payload, findings) {
        findings.add(crate::finding::Finding::unreadable("", &error));
    }
}

/// A tracker without rows, beside payloads.
fn nameless(tracker: &IdTracker<'_>, version: Option<u64>, payload: &PayloadStorage<'_>, findings: &mut Findings) {
    let Ok(figures) = payload.figures() else { return };
    if figures.values > 0 {
        let what = format!("no row has an id, and {} payloads are stored", figures.values);
        findings.add(NAMELESS.finding(tracker.mappings_path(), what));
    } else if version > Some(0) && figures.used_bytes > 0 {
        let what = "no row has an id, and payloads are stored".to_owned();
        findings.add(NAMELESS.finding(tracker.mappings_path(), what));
    }
}

/// What tells whether a row was deleted, beside its flag.
struct Witnesses {
    /// The operation at which the segment was built; servers before v1.15.0 do not say it.
    built_at: Option<u64>,
    /// Whether the segment was built at once and changes by deletes only.
    is_built: bool,
}

impl Witnesses {
    fn compare(
        &self,
        tracker: &IdTracker<'_>,
        payload: &PayloadStorage<'_>,
        findings: &mut Findings,
    ) -> Result<(), QdrantError> {
        let (mut flagged, mut risen) = (Tally::new(FLAGGED), Tally::new(RISEN));
        let (mut reader, mut versions) = (payload.reader(), tracker.row_versions());
        // Rows are below 2^32 in every tracker.
        for row in 0..tracker.rows() as u32 {
            let is_stored = reader.is_stored(row)?;
            match (tracker.live_rows().get(row.into()), is_stored) {
                (false, true) => flagged.add(&format_args!("row {row}")),
                (true, false) if self.is_built => {
                    let version = versions.of(row)?;
                    if version.zip(self.built_at).is_some_and(|(version, built)| version > built) {
                        risen.add(&format_args!("row {row}, version {}", version.unwrap_or_default()));
                    }
                }
                _ => {}
            }
        }
        flagged.report(tracker.deletes_path(), findings);
        risen.report(tracker.deletes_path(), findings);
        Ok(())
    }
}
