//! The root of a collection: its files, and whether every shard it announces is there.

use std::collections::BTreeSet;

use super::{has, missing, small_files};
use crate::config::ShardingMethod;
use crate::finding::{Finding, FindingLevel, Findings};
use crate::outline::CollectionOutline;
use crate::storage::StorageFiles;

/// Announced shards that are listed one by one; of more only the number is said.
const MISSING_SHARDS_MAX: usize = 16;

pub(super) fn audit(files: &dyn StorageFiles, collection: &CollectionOutline) -> Findings {
    let mut findings = Findings::default();
    if !has(files, "config.json") {
        findings.add(missing(
            "config.json",
            FindingLevel::Damage,
            "Qdrant refuses a collection without a configuration",
        ));
    }
    if !has(files, "version.info") {
        let consequence = "Qdrant takes the collection for one of an unsupported version";
        findings.add(missing("version.info", FindingLevel::Damage, consequence));
    }
    small_files::version(files, small_files::COLLECTION_VERSION, &mut findings);
    small_files::collection(files, collection.config.as_ref(), &mut findings);
    for path in ["shard_key_mapping.json", "payload_index.json"] {
        // Both since v1.7.0, as the clocks since v1.8.0.
        let is_expected = collection.shards.iter().any(|shard| shard.has_newest_clocks || shard.applied_seq.is_some());
        if is_expected && !has(files, path) {
            let consequence = "Qdrant takes the collection for one without payload indexes or shard keys";
            findings.add(missing(path, FindingLevel::Suspicious, consequence));
        }
    }
    shards(collection, &mut findings);
    findings
}

/// A restore needs a directory for each announced shard, also for those that live on other peers.
fn shards(collection: &CollectionOutline, findings: &mut Findings) {
    let Some(config) = &collection.config else { return };
    let announced: BTreeSet<u32> = match config.sharding_method {
        Some(ShardingMethod::Custom) => collection.shard_keys.iter().flat_map(|key| key.shard_ids.clone()).collect(),
        // A hostile number of shards must not fill the memory: no real collection has so many.
        _ => (0..config.shard_number.unwrap_or(0).min(1 << 16)).collect(),
    };
    let present: BTreeSet<u32> = collection.shards.iter().filter_map(|shard| shard.id).collect();
    let absent: Vec<u32> = announced.difference(&present).copied().collect();
    if !absent.is_empty() {
        let named: Vec<String> = absent.iter().take(MISSING_SHARDS_MAX).map(u32::to_string).collect();
        let more = if absent.len() > named.len() {
            format!(" and {} more", absent.len() - named.len())
        } else {
            String::new()
        };
        findings.add(Finding {
            level: FindingLevel::DataLoss,
            object: "config.json".to_owned(),
            what: format!("announces shards that are not in the snapshot: {}{more}", named.join(", ")),
            consequence: "Qdrant refuses the snapshot, or the points of these shards are not there after a restore"
                .to_owned(),
            advice: "take the snapshots of all nodes of the same moment, or make the snapshot again".to_owned(),
        });
    }
    let foreign: Vec<String> = present.difference(&announced).map(u32::to_string).collect();
    if !foreign.is_empty() && !announced.is_empty() {
        findings.add(Finding {
            level: FindingLevel::DataLoss,
            object: "config.json".to_owned(),
            what: format!("does not announce shards that are in the snapshot: {}", foreign.join(", ")),
            consequence: "Qdrant does not restore these shards".to_owned(),
            advice: "compare shard_number and the shard keys with the collection, and make the snapshot again"
                .to_owned(),
        });
    }
    let remote =
        collection.shards.iter().filter(|shard| shard.replicas.as_ref().is_some_and(|one| one.is_local == Some(false)));
    let remote: Vec<String> = remote.filter_map(|shard| shard.id).map(|id| id.to_string()).collect();
    if !remote.is_empty() {
        findings.add(Finding {
            level: FindingLevel::Note,
            object: String::new(),
            what: format!("shards of other peers, without data here: {}", remote.join(", ")),
            consequence: "their points are in the snapshots of those peers".to_owned(),
            advice: "restore the snapshot of each node to its node".to_owned(),
        });
    }
}
