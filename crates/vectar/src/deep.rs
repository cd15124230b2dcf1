//! Looking through a whole snapshot: figures that only its stores know, and every invariant that can be checked without a server.

use vectar_qdrant::{Finding, FindingLevel, Findings, SnapshotOutline, audit::audit};
use vectar_tar::{Anomaly, Catalogue, Severity};

use crate::{
    content::Content,
    error::Error,
    inside::Inside,
    observer::{CancelToken, Observer},
};

/// As [`Content::outline`], with live points and the other figures that stand in the stores of segments and in WALs. What cannot be
/// read is listed in the outline.
///
/// Reads ids, flags and headers, neither vectors nor payloads. Memory: at most some thirty bytes for each point of the largest segments
/// that take new points; all others are streamed.
///
/// # Errors
/// The source or the repository failed.
pub fn outline_deep(content: &Content<'_>) -> Result<(SnapshotOutline, Catalogue), Error> {
    let inside = Inside::open(content)?;
    Ok((inside.deep_outline()?, inside.into_catalogue()))
}

/// Checks whether a snapshot will restore, by value. What its tar structure shows comes first, then what its files say.
///
/// Every vector and every payload is read once. It proves that the files are as Qdrant writes them; that a Qdrant loads them only a Qdrant
/// can prove.
///
/// # Errors
/// The source or the repository failed, or the caller asked to stop. Whatever is wrong with the snapshot is part of the answer.
pub fn verify_deep(content: &Content<'_>, observer: &dyn Observer, cancel: &CancelToken) -> Result<Findings, Error> {
    let inside = Inside::open(content)?;
    let mut findings = Findings::default();
    for anomaly in &inside.catalogue().summary.anomalies {
        findings.add(finding_of(anomaly));
    }
    let outline = inside.outline();
    let shards = outline.collections.iter().flat_map(|collection| &collection.shards);
    let steps: usize = shards.map(|shard| shard.segments.len() + 1).sum();
    let mut done = 0;
    let mut goes_on = || {
        observer.progress(done, Some(steps as u64));
        done += 1;
        !cancel.is_cancelled()
    };
    let audited = audit(&inside.files(), outline, &mut goes_on);
    cancel.check()?;
    content.check_failure()?;
    findings.append(audited, "");
    Ok(findings)
}

/// What is odd about the tar structure, as a finding.
fn finding_of(anomaly: &Anomaly) -> Finding {
    let (level, consequence, advice) = match anomaly.severity() {
        Severity::Damage => (
            FindingLevel::Damage,
            "Qdrant refuses the snapshot, or restores only what lies before the damage",
            "copy the snapshot again from the server, or restore from another backup",
        ),
        Severity::Suspicious => (
            FindingLevel::Suspicious,
            "Qdrant may refuse the snapshot or pass over a part of it",
            "find out what wrote the file; Qdrant does not write such an entry",
        ),
        _ => (FindingLevel::Note, "none", "nothing needs to be done"),
    };
    Finding {
        level,
        object: anomaly.path.to_string(),
        what: format!("{} at byte {}", anomaly.kind, anomaly.offset),
        consequence: consequence.to_owned(),
        advice: advice.to_owned(),
    }
}
