//! What a whole input came to.

use crate::anomaly::Anomalies;

/// What a whole input came to: figures and findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitSummary {
    /// Bytes of the input.
    pub bytes: u64,
    /// Bytes of it that are framing, of all levels.
    pub framing_bytes: u64,
    /// Leaf bodies, opaque ones included.
    pub bodies: u64,
    /// Nested archives, the outermost not counted.
    pub archives: u64,
    /// What was odd.
    pub anomalies: Anomalies,
}
