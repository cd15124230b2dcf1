//! `replica_state.json` and `shard_config.json`: what a shard says about itself and its copies.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::QdrantError;
use crate::json::{self, Sections, Tolerant, open_enum};

/// `replica_state.json` (v0.11.0+; `qdrant v1.19.0 lib/collection/src/shards/replica_set/mod.rs`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReplicaSetState {
    /// Whether the peer that made the snapshot held this shard. If not, the directory has no segments.
    pub is_local: Option<bool>,
    /// The peer that made the snapshot.
    pub this_peer_id: Option<u64>,
    /// State of each copy by peer.
    pub peers: BTreeMap<u64, ReplicaState>,
}

open_enum! {
    /// State of one copy of a shard.
    pub enum ReplicaState {
        /// Serves reads and writes.
        Active = "Active",
        /// Failed; must be synchronised.
        Dead = "Dead",
        /// Receives data.
        Partial = "Partial",
        /// Being created.
        Initializing = "Initializing",
        /// Takes writes, serves no reads; its snapshots have an empty WAL.
        Listener = "Listener",
        /// Receives a snapshot.
        PartialSnapshot = "PartialSnapshot",
        /// Receives missed operations.
        Recovery = "Recovery",
        /// Target of resharding up.
        Resharding = "Resharding",
        /// Source of resharding down.
        ReshardingScaleDown = "ReshardingScaleDown",
    }
}

impl ReplicaSetState {
    /// Reads the file; unreadable members are listed.
    ///
    /// # Errors
    ///
    /// When the bytes are not a JSON object of at most [`SMALL_JSON_BYTES_MAX`](crate::SMALL_JSON_BYTES_MAX).
    pub fn read(bytes: &[u8]) -> Result<Tolerant<Self>, QdrantError> {
        let mut sections = Sections::open(bytes)?;
        let state = Self {
            is_local: sections.read("/is_local"),
            this_peer_id: sections.read("/this_peer_id"),
            peers: sections.read("/peers").unwrap_or_default(),
        };
        Ok(sections.finish(state))
    }
}

open_enum! {
    /// `type` of `shard_config.json` (v0.8.0+; `qdrant v1.19.0 lib/collection/src/shards/shard_config.rs`).
    pub enum ShardKind {
        /// A set of copies, this peer's possibly among them: every shard since v0.11.
        ReplicaSet = "ReplicaSet",
        /// A shard without copies.
        Local = "Local",
        /// A shard of another peer.
        Remote = "Remote",
        /// A shard being moved.
        Temporary = "Temporary",
    }
}

impl ShardKind {
    /// Reads `shard_config.json`: `{"type":"ReplicaSet"}`, or the old `{"type":{"Remote":{…}}}`.
    ///
    /// # Errors
    ///
    /// When the bytes are not JSON of that shape.
    pub fn read(bytes: &[u8]) -> Result<Self, QdrantError> {
        #[derive(Deserialize)]
        struct File {
            #[serde(rename = "type")]
            kind: Kind,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Kind {
            Plain(ShardKind),
            WithPeer(BTreeMap<String, Value>),
        }
        let file: File = json::parse(bytes)?;
        Ok(match file.kind {
            Kind::Plain(kind) => kind,
            Kind::WithPeer(members) => members.into_keys().next().unwrap_or_default().into(),
        })
    }
}

/// Reads `applied_seq.json` (v1.17.0+): the last operation that was surely applied. Saved every 64 updates, so it lags.
///
/// # Errors
///
/// When the bytes are not `{"op_num":N}`.
pub fn read_applied_seq(bytes: &[u8]) -> Result<u64, QdrantError> {
    #[derive(Deserialize)]
    struct File {
        op_num: u64,
    }
    json::parse::<File>(bytes).map(|file| file.op_num)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replica_states_by_peer() {
        let text = br#"{"is_local":false,"this_peer_id":5585337685688735,"peers":{"8400211552947076":"Active","6":"Sleeping"}}"#;
        let state = ReplicaSetState::read(text).unwrap();
        assert_eq!(state.unread, []);
        let state = state.value;
        assert_eq!((state.is_local, state.this_peer_id), (Some(false), Some(5_585_337_685_688_735)));
        assert_eq!(state.peers[&8_400_211_552_947_076], ReplicaState::Active);
        assert_eq!(state.peers[&6].as_str(), "Sleeping");
    }

    #[test]
    fn shard_kinds_of_all_versions() {
        for (text, expected) in [
            (r#"{"type":"ReplicaSet"}"#, "ReplicaSet"),
            (r#"{"type":"Local"}"#, "Local"),
            (r#"{"type":{"Remote":{"peer_id":7}}}"#, "Remote"),
            (r#"{"type":"Proxy"}"#, "Proxy"),
        ] {
            assert_eq!(ShardKind::read(text.as_bytes()).unwrap().as_str(), expected);
        }
        assert!(ShardKind::read(br#"{"type":7}"#).is_err());
    }

    #[test]
    fn applied_operation() {
        assert_eq!(read_applied_seq(br#"{"op_num":640}"#).unwrap(), 640);
        assert!(read_applied_seq(br#"{"op_num":-1}"#).is_err());
        assert!(read_applied_seq(b"\0\0\0\0").is_err());
    }
}
