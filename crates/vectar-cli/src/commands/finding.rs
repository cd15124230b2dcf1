//! What is odd or wrong about a snapshot, as `inspect` and `verify` print it with `--json`.

use serde::Serialize;
use vectar::Anomaly;

/// The fields of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FindingView {
    /// `note`, `suspicious` or `damage`.
    severity: String,
    /// Where in the file.
    offset: u64,
    /// Tar level, 0 for the outermost.
    depth: u8,
    /// In which entry, with `!` between tar levels.
    path: String,
    /// What it is.
    finding: String,
}

impl FindingView {
    /// Describes a finding.
    pub(crate) fn of(finding: &Anomaly) -> Self {
        Self {
            severity: finding.severity().to_string(),
            offset: finding.offset,
            depth: finding.depth,
            path: finding.path.to_string(),
            finding: finding.kind.to_string(),
        }
    }
}
