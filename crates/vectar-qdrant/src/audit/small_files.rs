//! Small files of collections, shards and segments: what a server needs to find in them.
//!
//! What is there and cannot be read is among what the outline could not read. Here is what is readable and still cannot be: members that are
//! missing, and spellings that no known version writes.

use serde_json::Value;

use super::missing;
use crate::config::{CollectionConfig, Datatype, Distance};
use crate::finding::{Finding, FindingLevel, Findings};
use crate::json::{self, SMALL_JSON_BYTES_MAX};
use crate::replica::{ReplicaSetState, ReplicaState, ShardKind};
use crate::segment::{PayloadStorageKind, SegmentState, SparseIndexKind, VectorIndexKind, VectorStorageKind};
use crate::storage::{ShardClocks, StorageFiles};
use crate::version::crate_version;

/// Newest crate version that was ever written into the `version.info` of a collection (v0.10.1 to v1.19.0).
pub(super) const COLLECTION_VERSION: [u32; 3] = [0, 4, 2];
/// The same of a segment (v1.2.0 to v1.19.0).
pub(super) const SEGMENT_VERSION: [u32; 3] = [0, 6, 0];

/// Longest `version.info` that is read.
const VERSION_BYTES_MAX: u64 = 64;

/// Members without which `config.json` of v1.1.0 and newer does not parse (`qdrant v1.19.0 lib/collection/src/config.rs`,
/// `lib/segment/src/types.rs`).
const CONFIG_MEMBERS: [&str; 11] = [
    "/params/vectors",
    "/hnsw_config/m",
    "/hnsw_config/ef_construct",
    "/hnsw_config/full_scan_threshold",
    "/optimizer_config/deleted_threshold",
    "/optimizer_config/vacuum_min_vector_number",
    "/optimizer_config/default_segment_number",
    "/optimizer_config/flush_interval_sec",
    "/wal_config/wal_capacity_mb",
    "/wal_config/wal_segments_ahead",
    "/params/shard_number",
];

fn finding(level: FindingLevel, object: &str, what: String, consequence: &str) -> Finding {
    Finding {
        level,
        object: object.to_owned(),
        what,
        consequence: consequence.to_owned(),
        advice: "restore from another backup, or make the snapshot again".to_owned(),
    }
}

/// The content of `version.info`; that the file is missing is for the caller.
pub(super) fn version(files: &dyn StorageFiles, newest: [u32; 3], findings: &mut Findings) {
    let path = "version.info";
    let Some(file) = files.open(path) else { return };
    let text = file.read_all(VERSION_BYTES_MAX).unwrap_or_default();
    match crate_version(&text) {
        Some(version) if version <= newest => {}
        Some([major, minor, patch]) => {
            let [known_major, known_minor, known_patch] = newest;
            findings.add(finding(
                FindingLevel::Suspicious,
                path,
                format!("version {major}.{minor}.{patch}, known up to {known_major}.{known_minor}.{known_patch}"),
                "a Qdrant refuses what is newer than itself",
            ));
        }
        None => findings.add(finding(
            FindingLevel::Damage,
            path,
            format!("{} bytes that are no version", file.len()),
            "Qdrant cannot load what the file belongs to",
        )),
    }
}

/// `config.json` of a collection.
pub(super) fn collection(files: &dyn StorageFiles, config: Option<&CollectionConfig>, findings: &mut Findings) {
    let path = "config.json";
    let root = files.open(path).and_then(|file| file.read_all(SMALL_JSON_BYTES_MAX).ok());
    let Some(root) = root.and_then(|bytes| json::parse::<Value>(&bytes).ok()) else { return };
    // Since v1.1.0 every version writes this member, `null` or not. Older files had others.
    let is_known = ["/quantization_config", "/uuid"].iter().any(|member| root.pointer(member).is_some());
    for member in CONFIG_MEMBERS.iter().filter(|member| is_known && root.pointer(member).is_none()) {
        let what = format!("has no {}", member.trim_start_matches('/').replace('/', "."));
        findings.add(finding(FindingLevel::Damage, path, what, "Qdrant refuses the collection"));
    }
    let Some(config) = config else { return };
    let mut spellings = Spellings { path, findings };
    for (name, vector) in &config.vectors {
        spellings.distance(name, &vector.distance);
        spellings.datatype(name, vector.datatype.as_ref());
    }
}

/// `shard_config.json`, `replica_state.json` and the clocks of a shard.
pub(super) fn shard(
    files: &dyn StorageFiles,
    (kind, replicas): (Option<&ShardKind>, Option<&ReplicaSetState>),
    findings: &mut Findings,
) {
    if let Some(ShardKind::Other(kind)) = kind {
        let mut spellings = Spellings { path: "shard_config.json", findings };
        spellings.unknown("type", kind);
    }
    if let Some(replicas) = replicas {
        replica_state(replicas, findings);
    }
    match ShardClocks::open(files) {
        Ok(clocks) => {
            for (path, clocks) in [("newest_clocks.json", clocks.newest), ("oldest_clocks.json", clocks.oldest)] {
                for unread in clocks.into_iter().flat_map(|clocks| clocks.unread) {
                    let what = format!("cannot be read at {}: {}", unread.pointer, unread.reason);
                    findings.add(finding(FindingLevel::Damage, path, what, "Qdrant cannot load the shard"));
                }
            }
        }
        Err(error) => findings.add(Finding::unreadable("", &error)),
    }
    if files.open("oldest_clocks.json").is_some() && files.open("newest_clocks.json").is_none() {
        let consequence = "copies of the shard are brought up to date with more than they lack";
        findings.add(missing("newest_clocks.json", FindingLevel::Suspicious, consequence));
    }
}

fn replica_state(replicas: &ReplicaSetState, findings: &mut Findings) {
    let path = "replica_state.json";
    if replicas.is_local.is_none() || replicas.this_peer_id.is_none() {
        let what = "has no is_local or no this_peer_id".to_owned();
        findings.add(finding(FindingLevel::Damage, path, what, "Qdrant refuses the shard"));
    }
    let is_listed = replicas.this_peer_id.is_some_and(|peer| replicas.peers.contains_key(&peer));
    if replicas.is_local == Some(true) && !is_listed {
        findings.add(finding(
            FindingLevel::Suspicious,
            path,
            "the peer that made the snapshot is not among its own peers".to_owned(),
            "Qdrant may take the shard for one without a local copy",
        ));
    }
    for state in replicas.peers.values() {
        if let ReplicaState::Other(state) = state {
            Spellings { path, findings }.unknown("state of a peer", state);
        }
    }
}

/// `segment.json`. `has_points` is whether the id tracker knows any.
pub(super) fn segment(state: &SegmentState, has_points: bool, findings: &mut Findings) {
    let path = "segment.json";
    let mut lacks = |member: &str, consequence: &str| {
        findings.add(finding(FindingLevel::Damage, path, format!("has no {member}"), consequence));
    };
    // Files of v0.12 and before have neither.
    if state.has_vector_data_member && state.payload_storage.is_none() {
        lacks("config.payload_storage_type", "Qdrant cannot load the segment");
    }
    if !state.has_vector_data_member && (state.payload_storage.is_some() || state.has_initial_version_member) {
        lacks("config.vector_data", "the segment comes back without its vectors");
    }
    if has_points && state.version.is_none() {
        lacks("version, and holds points", "Qdrant takes all operations on the segment for new ones");
    }
    let mut spellings = Spellings { path, findings };
    for (name, vector) in &state.vectors {
        spellings.distance(name, &vector.distance);
        spellings.datatype(name, vector.datatype.as_ref());
        if let VectorIndexKind::Other(kind) = &vector.index.kind {
            spellings.unknown(&format!("index of vector {name:?}"), kind);
        }
        match &vector.storage_type {
            // A storage of v1.19.0 whose vectors lie in the graph.
            VectorStorageKind::Other(kind) if kind != "GraphInline" => {
                spellings.unknown(&format!("storage of vector {name:?}"), kind);
            }
            _ => {}
        }
    }
    for (name, vector) in &state.sparse_vectors {
        if let SparseIndexKind::Other(kind) = &vector.index.index_type {
            spellings.unknown(&format!("index of sparse vector {name:?}"), kind);
        }
    }
    if let Some(PayloadStorageKind::Other(kind)) = &state.payload_storage {
        spellings.unknown("payload storage", kind);
    }
}

/// Looks for words that no known version writes.
struct Spellings<'a> {
    path: &'a str,
    findings: &'a mut Findings,
}

impl Spellings<'_> {
    fn distance(&mut self, name: &str, distance: &Distance) {
        if let Distance::Other(distance) = distance {
            self.unknown(&format!("distance of vector {name:?}"), distance);
        }
    }

    fn datatype(&mut self, name: &str, datatype: Option<&Datatype>) {
        // Development versions after v1.19 write turbo8 and turbo16.
        if let Some(Datatype::Other(datatype)) = datatype.filter(|datatype| !datatype.as_str().starts_with("turbo")) {
            self.unknown(&format!("datatype of vector {name:?}"), datatype);
        }
    }

    fn unknown(&mut self, member: &str, word: &str) {
        self.findings.add(finding(
            FindingLevel::Suspicious,
            self.path,
            format!("the {member} is {:?}, which no known version writes", crate::error::brief(word)),
            "a Qdrant that does not know the word cannot load what it belongs to",
        ));
    }
}
