//! A shard without its segments: its files, its WAL, and versions across segments.

use std::collections::BTreeMap;

use super::{has, missing, small_files};
use crate::finding::{Finding, FindingLevel, Findings};
use crate::outline::{SegmentOutline, ShardOutline};
use crate::segment::SegmentState;
use crate::storage::{StorageFiles, Wal};

pub(super) fn audit(files: &dyn StorageFiles, shard: &ShardOutline, is_partial: bool) -> Findings {
    let mut findings = Findings::default();
    if !has(files, "shard_config.json") {
        let consequence = "Qdrant cannot read the shard and refuses the snapshot";
        findings.add(missing("shard_config.json", FindingLevel::Damage, consequence));
    }
    small_files::shard(files, (shard.kind.as_ref(), shard.replicas.as_ref()), &mut findings);
    // A shard of another peer has no data here.
    if shard.replicas.as_ref().is_some_and(|replicas| replicas.is_local == Some(false)) {
        return findings;
    }
    if !has(files, "replica_state.json") {
        let consequence = "Qdrant does not know which peers hold the shard";
        findings.add(missing("replica_state.json", FindingLevel::Suspicious, consequence));
    }
    if shard.segments.is_empty() {
        let consequence = "the shard is empty after a restore, whatever it held before";
        findings.add(missing("segments/", FindingLevel::DataLoss, consequence));
    }
    if shard.wal.is_empty() {
        findings.add(missing("wal/", FindingLevel::Damage, "Qdrant cannot open the write-ahead log"));
    } else {
        wal(files, shard, &mut findings);
    }
    if !is_partial {
        twice(shard, &mut findings);
        vectors_agree(shard, &mut findings);
    }
    findings
}

/// All segments of a shard have the same vectors. A shard snapshot has no configuration of the collection to compare them with.
fn vectors_agree(shard: &ShardOutline, findings: &mut Findings) {
    let names = |state: &SegmentState| -> Vec<String> {
        let dense =
            state.vectors.iter().map(|(name, vector)| format!("{name:?} of {} by {}", vector.size, vector.distance));
        dense.chain(state.sparse_vectors.keys().map(|name| format!("sparse {name:?}"))).collect()
    };
    let mut sets: BTreeMap<Vec<String>, Vec<&SegmentOutline>> = BTreeMap::new();
    for segment in &shard.segments {
        if let Some(state) = &segment.state {
            sets.entry(names(state)).or_default().push(segment);
        }
    }
    if sets.len() < 2 {
        return;
    }
    // Most segments are right; of two that differ either may be wrong.
    let most = sets.values().map(Vec::len).max().unwrap_or_default();
    let others = sets.iter().filter(|(_, segments)| segments.len() < most || most == 1);
    for (vectors, segment) in
        others.flat_map(|(vectors, segments)| segments.iter().map(move |segment| (vectors, segment)))
    {
        findings.add(Finding {
            level: FindingLevel::Damage,
            object: format!("segments/{}", segment.id),
            what: format!(
                "its vectors are not those of the other segments: {}",
                crate::error::brief(&vectors.join(", "))
            ),
            consequence: "Qdrant refuses one of the segments, or answers searches wrongly".to_owned(),
            advice: "restore from another backup, or make the snapshot again".to_owned(),
        });
    }
}

fn wal(files: &dyn StorageFiles, shard: &ShardOutline, findings: &mut Findings) {
    let versions = shard.segments.iter().filter_map(|segment| segment.state.as_ref()?.version);
    match Wal::open(files) {
        Ok(wal) => wal.audit(versions.max(), shard.applied_seq, findings),
        Err(error) => findings.add(Finding::unreadable("wal/", &error)),
    }
}

/// Two entries of one segment: unpacking keeps one of them.
fn twice(shard: &ShardOutline, findings: &mut Findings) {
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for segment in &shard.segments {
        *seen.entry(segment.id.as_str()).or_default() += 1;
    }
    for (id, count) in seen.into_iter().filter(|(_, count)| *count > 1) {
        findings.add(Finding {
            level: FindingLevel::Damage,
            object: format!("segments/{id}"),
            what: format!("is there {count} times"),
            consequence: "Qdrant refuses to unpack over a file that exists".to_owned(),
            advice: "make the snapshot again".to_owned(),
        });
    }
}
