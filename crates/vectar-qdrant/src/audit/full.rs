//! A full snapshot: its mapping against what lies in it.

use std::collections::BTreeSet;

use super::{has, missing};
use crate::finding::{Finding, FindingLevel, Findings};
use crate::outline::SnapshotOutline;
use crate::storage::StorageFiles;

/// Files without a name, and aliases of nothing. A mapped file that is not there is among what could not be read.
pub(super) fn audit(files: &dyn StorageFiles, outline: &SnapshotOutline, findings: &mut Findings) {
    if !has(files, "config.json") {
        findings.add(missing(
            "config.json",
            FindingLevel::Damage,
            "Qdrant refuses a full snapshot without its mapping",
        ));
    }
    let names: BTreeSet<&str> = outline.collections.iter().filter_map(|one| one.name.as_deref()).collect();
    for collection in outline.collections.iter().filter(|collection| collection.name.is_none()) {
        findings.add(Finding {
            level: FindingLevel::DataLoss,
            object: collection.file.clone().unwrap_or_default(),
            what: "no collection of config.json lies in this file".to_owned(),
            consequence: "Qdrant does not restore it from the full snapshot".to_owned(),
            advice: "take it out with \"vectar cat\" and recover it as a collection snapshot of its own".to_owned(),
        });
    }
    for (alias, collection) in outline.aliases.iter().filter(|(_, collection)| !names.contains(collection.as_str())) {
        findings.add(Finding {
            level: FindingLevel::Suspicious,
            object: "config.json".to_owned(),
            what: format!("alias {alias:?} stands for collection {collection:?}, which is not in the snapshot"),
            consequence: "the alias leads nowhere after a restore".to_owned(),
            advice: "create the alias again once the collection is there".to_owned(),
        });
    }
}
