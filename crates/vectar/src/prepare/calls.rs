//! The calls that restore a collection, and what each must answer.

use serde_json::{Map, Value, json};
use vectar_qdrant::SnapshotKind;

use super::{
    draft::{Draft, FileDraft, Location},
    facts::Expected,
    names::encoded,
    plan::{Call, Expect, Method, Step, Where},
    set::CollectionSet,
    stage::Staged,
    topology::Topology,
};

/// Members of a configuration that a request to create a collection calls by the same name.
const SAME_PARAMS: [&str; 4] = ["vectors", "sparse_vectors", "sharding_method", "on_disk_payload"];

/// What is asked of every node before anything is changed.
pub(super) fn preflight(topology: &Topology, line: Option<&str>, needs_cluster: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    for node in &topology.nodes {
        let on = || Where::Node { name: node.name.clone() };
        let expect = Expect::Version { line: line.map(str::to_owned) };
        steps.push(step(format!("the version of {}", node.name), on(), get("/".to_owned()), expect));
        if needs_cluster || !topology.is_single() {
            let expect = Expect::Cluster { peers: topology.nodes.len() };
            steps.push(step(format!("the cluster of {}", node.name), on(), get("/cluster".to_owned()), expect));
        }
    }
    steps
}

/// Writes the calls of one collection.
pub(super) struct Caller<'c> {
    pub(super) set: &'c CollectionSet<'c>,
    pub(super) draft: &'c Draft,
    pub(super) topology: &'c Topology,
    pub(super) location: &'c Location,
    pub(super) staged: &'c [Staged],
}

impl Caller<'_> {
    /// All calls, in order.
    pub(super) fn steps(&self) -> Vec<Step> {
        let target = &self.draft.target;
        let absent = Expect::Absent { collection: target.clone() };
        let mut steps = Vec::new();
        if self.draft.method != Method::Start {
            steps.push(step(
                format!("no collection is called {target:?} yet"),
                self.first(),
                get("/collections".to_owned()),
                absent,
            ));
        }
        match self.draft.method {
            Method::Start => {}
            Method::Whole => {
                steps.extend(self.draft.files.iter().map(|file| self.load(file, self.first())));
                steps.extend(self.create_indexes());
            }
            Method::Nodes => {
                steps.push(self.create());
                steps.extend(self.create_indexes());
                let held = |file: &FileDraft| -> Vec<u32> {
                    file.shards.iter().filter_map(|id| self.draft.target_ids.get(id).copied()).collect()
                };
                // All of them are asked before the first file is loaded: a server that placed the shards otherwise gets none.
                steps.extend(self.draft.files.iter().map(|file| self.placed(held(file))));
                let loads = self.draft.files.iter();
                steps.extend(loads.map(|file| self.load(file, Where::HolderOfAll { shards: held(file) })));
            }
            Method::Shards => {
                steps.push(self.create());
                steps.extend(self.create_keys());
                steps.extend(self.create_indexes());
                for file in &self.draft.files {
                    steps.extend(self.load_shard(file));
                }
            }
        }
        steps.extend(self.count());
        steps
    }

    fn first(&self) -> Where {
        Where::Node { name: self.topology.nodes[0].name.clone() }
    }

    fn path(&self, rest: &str) -> String {
        format!("/collections/{}{rest}", encoded(&self.draft.target))
    }

    fn create(&self) -> Step {
        let body =
            self.set.raw_config().map(|config| create_body(config, self.topology.nodes.len())).unwrap_or_default();
        let call = Call { method: "PUT".to_owned(), path: self.path(""), json: Some(body), upload: None };
        step(format!("create {:?}, empty, as it was configured", self.draft.target), self.first(), call, Expect::True)
    }

    /// Keys in the order of their shards, and what numbers these got.
    fn create_keys(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut numbers = 1_u32..;
        for key in &self.set.keys {
            let value = serde_json::to_value(&key.key).expect("a key is text or a number");
            let body = json!({ "shard_key": value, "shards_number": key.shard_ids.len() });
            let call = Call { method: "PUT".to_owned(), path: self.path("/shards"), json: Some(body), upload: None };
            steps.push(step(format!("create shard key {}", key.key), self.first(), call, Expect::True));
            for number in numbers.by_ref().take(key.shard_ids.len()) {
                let expect = Expect::ShardKey { shard: number, key: value.clone() };
                let title = format!("shard key {} has shard {number}", key.key);
                steps.push(step(title, self.first(), get(self.path("/cluster")), expect));
            }
        }
        steps
    }

    fn create_indexes(&self) -> Vec<Step> {
        let fields = self.set.schema().into_iter().flatten();
        fields
            .map(|(field, schema)| {
                let body = json!({ "field_name": field, "field_schema": schema });
                let path = self.path("/index?wait=true");
                let call = Call { method: "PUT".to_owned(), path, json: Some(body), upload: None };
                step(format!("payload field {field:?} is indexed"), self.first(), call, Expect::Ok)
            })
            .collect()
    }

    /// Which node holds these shards.
    fn placed(&self, shards: Vec<u32>) -> Step {
        let on = Where::HolderOfAll { shards: shards.clone() };
        let title = format!("some node holds just the shards {}", listed(&shards));
        step(title, on, get(self.path("/cluster")), Expect::Held { shards })
    }

    fn load_shard(&self, file: &FileDraft) -> Vec<Step> {
        let (Some(id), Some(shard)) =
            (file.shards.first(), file.shards.first().and_then(|id| self.draft.target_ids.get(id)))
        else {
            return Vec::new();
        };
        let expected = self.set.shards.get(id).map_or(Expected::NONE, |copies| copies[0].shard.points);
        let points = Expect::ShardPoints { shard: *shard, expected };
        let load = self.load(file, Where::Holder { shard: *shard });
        let counted = step(
            format!("points of shard {shard}"),
            Where::Holder { shard: *shard },
            get(self.path("/cluster")),
            points,
        );
        vec![load, counted]
    }

    /// Hands a file to a server.
    fn load(&self, file: &FileDraft, on: Where) -> Step {
        let staged = self.staged.iter().find(|staged| staged.draft == *file).expect("every file of a draft was staged");
        let of_shard = match (file.kind, file.shards.first().and_then(|id| self.draft.target_ids.get(id))) {
            (SnapshotKind::Shard, Some(shard)) => format!("/shards/{shard}"),
            _ => String::new(),
        };
        // A shard upload answers with null, a collection upload with true.
        let expect = if of_shard.is_empty() { Expect::True } else { Expect::Ok };
        let sha256 = &staged.sha256;
        let call = match self.location_of(&file.path, !of_shard.is_empty()) {
            None => Call {
                method: "POST".to_owned(),
                path: self.path(&format!("{of_shard}/snapshots/upload?wait=true&priority=snapshot&checksum={sha256}")),
                json: None,
                upload: Some(file.path.clone()),
            },
            Some(location) => Call {
                method: "PUT".to_owned(),
                path: self.path(&format!("{of_shard}/snapshots/recover?wait=true")),
                json: Some(json!({ "location": location, "priority": "snapshot", "checksum": sha256 })),
                upload: None,
            },
        };
        let what = if file.shards.len() == 1 { "shard" } else { "shards" };
        step(format!("load {what} {} from {}", listed(&file.shards), file.path), on, call, expect)
    }

    /// Where the server finds a file; `None` when it is sent.
    fn location_of(&self, path: &str, is_of_shard: bool) -> Option<String> {
        let below: Vec<String> = path.split('/').skip(1).map(encoded).collect();
        match self.location {
            Location::Upload => None,
            Location::Http(base) => Some(format!("{base}/{}", below.join("/"))),
            // A shard recovery takes no file:// but the name of a file in the shard's own snapshot directory.
            Location::Files(_) if is_of_shard => path.rsplit('/').next().map(str::to_owned),
            Location::Files(base) => Some(format!("{base}/{}", below.join("/"))),
        }
    }

    /// What the collection must have in the end.
    fn count(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let cluster = || get(self.path("/cluster"));
        if self.draft.method != Method::Shards {
            for (id, shard) in &self.draft.target_ids {
                let expected = self.set.shards[id][0].shard.points;
                let points = Expect::ShardPoints { shard: *shard, expected };
                let on = Where::Holder { shard: *shard };
                steps.push(step(format!("points of shard {shard}"), on, cluster(), points));
            }
        }
        steps.push(step("all copies are active".to_owned(), self.first(), cluster(), Expect::Active));
        let path = self.path("/points/count");
        let call = Call { method: "POST".to_owned(), path, json: Some(json!({ "exact": true })), upload: None };
        let expect = Expect::Count { expected: self.set.points() };
        steps.push(step(format!("points of {:?}", self.draft.target), self.first(), call, expect));
        steps
    }
}

fn listed(shards: &[u32]) -> String {
    shards.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

fn step(title: String, on: Where, call: Call, expect: Expect) -> Step {
    Step { title, on, call, expect }
}

fn get(path: String) -> Call {
    Call { method: "GET".to_owned(), path, json: None, upload: None }
}

/// The body of `PUT /collections/{c}` that makes a collection with this configuration (`qdrant v1.19.0
/// lib/storage/src/content_manager/collection_meta_ops.rs`). A node holds one copy of a shard at most.
fn create_body(config: &Value, nodes: usize) -> Value {
    let empty = Map::new();
    let section = |name: &str| config.get(name).filter(|value| !value.is_null());
    let params = section("params").and_then(Value::as_object).unwrap_or(&empty);
    let mut body = Map::new();
    for name in SAME_PARAMS {
        if let Some(value) = params.get(name).filter(|value| !value.is_null()) {
            body.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(shards) = params.get("shard_number") {
        body.insert("shard_number".to_owned(), shards.clone());
    }
    for name in ["replication_factor", "write_consistency_factor"] {
        if let Some(factor) = params.get(name).and_then(Value::as_u64) {
            body.insert(name.to_owned(), json!(factor.min(nodes as u64)));
        }
    }
    for (name, called) in [
        ("hnsw_config", "hnsw_config"),
        ("wal_config", "wal_config"),
        ("optimizer_config", "optimizers_config"),
        ("quantization_config", "quantization_config"),
        ("strict_mode_config", "strict_mode_config"),
        ("metadata", "metadata"),
    ] {
        if let Some(value) = section(name) {
            body.insert(called.to_owned(), if name == "metadata" { value.clone() } else { without_nulls(value) });
        }
    }
    Value::Object(body)
}

/// What is not set is left out: a `null` says the same, and older servers do not take it everywhere.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let set = map.iter().filter(|(_, value)| !value.is_null());
            Value::Object(set.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        value => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_is_created_as_it_was_configured() {
        let config = json!({
            "params": {"vectors": {"size": 16, "distance": "Dot"}, "shard_number": 1, "sharding_method": "custom",
                "replication_factor": 3, "write_consistency_factor": 2, "on_disk_payload": true},
            "hnsw_config": {"m": 16, "payload_m": null},
            "optimizer_config": {"deleted_threshold": 0.2, "max_segment_size": null},
            "wal_config": {"wal_capacity_mb": 32},
            "quantization_config": null,
            "uuid": "8d17b961-ae07-4bd8-ba9e-ecd00664eada",
            "metadata": {"owner": null}
        });
        let expected = json!({
            "vectors": {"size": 16, "distance": "Dot"}, "sharding_method": "custom", "on_disk_payload": true,
            "shard_number": 1, "replication_factor": 2, "write_consistency_factor": 2,
            "hnsw_config": {"m": 16}, "wal_config": {"wal_capacity_mb": 32},
            "optimizers_config": {"deleted_threshold": 0.2}, "metadata": {"owner": null}
        });
        assert_eq!(create_body(&config, 2), expected);
    }
}
