//! The plan as data: what is called on which node, and what must come back. `plan.json` is this and nothing else; the Markdown and the shell
//! script are two ways of writing it down.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    concern::Concern,
    facts::{Expected, SourceFacts},
    topology::TargetNode,
};

/// Version of `plan.json`. It rises only when a field changes its meaning or goes; readers pass over fields they do not know.
pub const PLAN_VERSION: u32 = 1;

/// Everything that a restore takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestorePlan {
    /// [`PLAN_VERSION`].
    pub v: u32,
    /// Which program made it.
    pub made_by: String,
    /// When.
    pub made_at: Timestamp,
    /// Version of the target, where it was said.
    pub to: Option<String>,
    /// What was looked at before.
    pub proof: ProofLevel,
    /// The nodes of the target, with what each needs.
    pub nodes: Vec<PlanNode>,
    /// The snapshots it is made from.
    pub sources: Vec<SourceFacts>,
    /// What to know, the gravest first.
    pub concerns: Vec<Concern>,
    /// Files that were staged, or would be.
    pub files: Vec<StagedFile>,
    /// What is looked at before anything is changed.
    pub preflight: Vec<Step>,
    /// What a server with empty storage is started with; only for [`Method::Start`].
    #[serde(default)]
    pub start: Vec<StartArgument>,
    /// Each collection.
    pub collections: Vec<CollectionPlan>,
    /// What makes clients use the restored collections, once everything was counted.
    pub switch: Vec<AliasSwitch>,
}

/// What was looked at of each source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProofLevel {
    /// Every byte that is staged: digests as recorded, tar structure of all levels.
    Bytes,
    /// Besides, every value in Qdrant's files.
    Deep,
}

/// A node and what it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanNode {
    /// The node.
    #[serde(flatten)]
    pub node: TargetNode,
    /// Bytes that should be free in its storage: the snapshots as they arrive, and once more unpacked. Where the server places shards the
    /// most that it can come to.
    pub needs_bytes: u64,
}

/// A file to be given to a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedFile {
    /// Where it lies, from the directory of the plan.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256: what Qdrant calls its checksum.
    pub sha256: String,
    /// Kind of snapshot.
    pub kind: String,
    /// The collection it is of, by its old name; none for a full snapshot.
    pub collection: Option<String>,
    /// The shard it is of, by its old number.
    pub shard: Option<u32>,
    /// Title of the source it is from.
    pub from: String,
    /// Whether it is the source as it was, byte for byte.
    pub whole: bool,
}

/// How the data of a collection gets to the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// One collection snapshot on one node, which creates the collection.
    Whole,
    /// The collection is created, then each node gets the snapshot of one old node.
    Nodes,
    /// The collection is created, then each shard goes to the node that holds it.
    Shards,
    /// A server that has nothing yet loads it when it starts.
    Start,
}

/// What to do for one collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionPlan {
    /// Its name in the snapshots.
    pub name: String,
    /// Its name after the restore.
    pub target: String,
    /// How it is restored.
    pub method: Method,
    /// Points of all shards together.
    pub expected: Expected,
    /// Each shard.
    pub shards: Vec<ShardPlan>,
    /// Shards that are in no source.
    pub missing_shards: Vec<u32>,
    /// What to do, in order.
    pub steps: Vec<Step>,
}

/// `--snapshot FILE:COLLECTION` or `--storage-snapshot FILE`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StartArgument {
    /// The option.
    pub option: String,
    /// The staged file.
    pub file: String,
    /// The collection behind the colon.
    pub collection: Option<String>,
}

/// A shard before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardPlan {
    /// Its number in the snapshots.
    pub id: u32,
    /// Its number after the restore.
    pub target_id: u32,
    /// Its key, under custom sharding: text or a number.
    #[serde(default)]
    pub key: Option<Value>,
    /// Its points.
    pub expected: Expected,
    /// The staged file that holds it.
    pub file: String,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it does, for people.
    pub title: String,
    /// Where.
    pub on: Where,
    /// The request.
    pub call: Call,
    /// What must come back; the restore stops when something else does.
    pub expect: Expect,
}

/// On which node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "where")]
pub enum Where {
    /// This one.
    Node {
        /// Its name.
        name: String,
    },
    /// The one that holds this shard of the restored collection; the server chose it.
    Holder {
        /// The shard's new number.
        shard: u32,
    },
    /// The one that holds these shards and no other.
    HolderOfAll {
        /// The shards' new numbers.
        shards: Vec<u32>,
    },
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// `GET`, `PUT`, `POST`.
    pub method: String,
    /// Path and query, percent-encoded.
    pub path: String,
    /// Its body.
    #[serde(default)]
    pub json: Option<Value>,
    /// The staged file that is sent as the multipart field `snapshot`.
    #[serde(default)]
    pub upload: Option<String>,
}

/// What must come back, besides status 200.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum Expect {
    /// `"status":"ok"`.
    Ok,
    /// `"result":true`.
    True,
    /// `"version"` of this minor version, such as `1.18`; any when it was not said.
    Version {
        /// The minor version.
        line: Option<String>,
    },
    /// The node is part of a cluster of so many.
    Cluster {
        /// Nodes.
        peers: usize,
    },
    /// The list of collections has none of this name.
    Absent {
        /// The collection.
        collection: String,
    },
    /// A node holds just these shards; asked again for a while, because nodes hear of a new collection one after the other.
    Held {
        /// The shards' new numbers.
        shards: Vec<u32>,
    },
    /// The shard has this key.
    ShardKey {
        /// The shard's new number.
        shard: u32,
        /// The key: text or a number.
        key: Value,
    },
    /// The node holds so many points of the shard.
    ShardPoints {
        /// The shard's new number.
        shard: u32,
        /// How many.
        expected: Expected,
    },
    /// All copies of all shards are active; asked again until they are.
    Active,
    /// The collection has so many points.
    Count {
        /// How many.
        expected: Expected,
    },
}

/// An alias that goes over to a restored collection, and back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasSwitch {
    /// The alias.
    pub alias: String,
    /// The collection it stood for.
    pub from: String,
    /// The collection it is to stand for.
    pub to: String,
}

impl AliasSwitch {
    /// Whether the collection keeps its name, so that there is nothing to go back to.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.from == self.to
    }

    /// The body of `POST /collections/aliases` that points the alias elsewhere; `replace` when it is there already.
    #[must_use]
    pub fn actions(alias: &str, collection: &str, replace: bool) -> Value {
        let create = serde_json::json!({ "create_alias": { "collection_name": collection, "alias_name": alias } });
        let delete = serde_json::json!({ "delete_alias": { "alias_name": alias } });
        match replace {
            true => serde_json::json!({ "actions": [delete, create] }),
            false => serde_json::json!({ "actions": [create] }),
        }
    }
}
