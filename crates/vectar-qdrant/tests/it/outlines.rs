//! What is in a real snapshot, in human words and as JSON.

use expect_test::{Expect, ExpectFile, expect, expect_file};
use serde_json::Value;
use vectar_qdrant::{PayloadSchema, SnapshotKind, SnapshotOutline};
use vectar_testkit::fixtures;

use crate::support::{Snapshot, real_snapshots};

fn check(series: &str, name: &str, expected: ExpectFile) {
    expected.assert_eq(&Snapshot::fixture(series, name).outline().to_string());
}

#[test]
fn collection() {
    check("catalog", "03-delete-33pct-vacuum", expect_file!["golden/outline-collection.txt"]);
}

#[test]
fn shard() {
    check("kinds", "shard", expect_file!["golden/outline-shard.txt"]);
}

#[test]
fn shard_streamed() {
    check("kinds", "shard-streamed", expect_file!["golden/outline-shard-streamed.txt"]);
}

#[test]
fn shard_partial() {
    check("kinds", "shard-partial", expect_file!["golden/outline-shard-partial.txt"]);
}

#[test]
fn full() {
    check("kinds", "full", expect_file!["golden/outline-full.txt"]);
}

#[test]
fn empty() {
    check("kinds", "empty", expect_file!["golden/outline-empty.txt"]);
}

#[test]
fn cluster() {
    let Some(snapshots) = fixtures::shared_series("cluster") else {
        return;
    };
    let check = |name: &str, expected: ExpectFile| {
        let fixture = snapshots.iter().find(|fixture| fixture.name == name).unwrap();
        expected.assert_eq(&Snapshot::read(fixture).outline().to_string());
    };
    check("accounts-node2", expect_file!["golden/outline-cluster-replicated.txt"]);
    check("events-node1", expect_file!["golden/outline-cluster-sharded.txt"]);
    check("tenants-node1", expect_file!["golden/outline-cluster-shard-keys.txt"]);
    check("tenants-node2", expect_file!["golden/outline-cluster-no-local-shard.txt"]);
}

/// The names that scripts rely on.
#[test]
fn json_keeps_its_names() {
    fn shape(value: &Value, depth: usize) -> String {
        match value {
            Value::Object(members) if depth > 0 => {
                let members = members.iter().map(|(name, member)| format!("{name}:{}", shape(member, depth - 1)));
                format!("{{{}}}", members.collect::<Vec<_>>().join(" "))
            }
            Value::Array(items) => format!("[{}]", items.first().map_or(String::new(), |item| shape(item, depth))),
            Value::Null => "null".to_owned(),
            Value::String(_) => "text".to_owned(),
            Value::Number(_) => "number".to_owned(),
            Value::Bool(_) => "bool".to_owned(),
            Value::Object(_) => "{}".to_owned(),
        }
    }
    let check = |name: &str, expected: Expect| {
        let outline = serde_json::to_value(Snapshot::fixture("kinds", name).outline()).unwrap();
        expected.assert_eq(&shape(&outline, 4).replace("} ", "}\n").replace("] ", "]\n"));
    };
    check(
        "shard",
        expect![[r#"
        {aliases:{}
        bytes:number classes:[{bodies:number class:text hole_bytes:number logical_bytes:number stored_bytes:number}]
        collections:[{bytes:number config:null file:null name:null payload_schema:null shard_keys:[]
        shards:[{applied_seq:null bytes:number has_newest_clocks:bool has_oldest_clocks:bool id:null replicas:{is_local:bool peers:{}
        this_peer_id:number}
        segments:[{appendable:bool bytes:number classes:[{}]
        id:text indexed_fields:[text]
        layout:text logical_bytes:number manifest_files:null state:{}}]
        type:text wal:[{bytes:number logical_bytes:number name:text}]}]}]
        kind:text unread:[]
        unread_more:number written_by:{at_least:text because:[text]
        before:null typically_at_least:text}}"#]],
    );
    check(
        "full",
        expect![[r#"
        {aliases:{notes-live:text shop:text}
        bytes:number classes:[{bodies:number class:text hole_bytes:number logical_bytes:number stored_bytes:number}]
        collections:[{bytes:number config:{hnsw:{ef_construct:number full_scan_threshold:number m:number on_disk:bool payload_m:null}
        on_disk_payload:bool quantization:{always_ram:bool method:text}
        replication_factor:number shard_number:number sharding_method:null sparse_vectors:{bm25:{}}
        uuid:null vectors:{colbert:{}
        image:{}
        text:{}}
        wal:{wal_capacity_mb:number wal_retain_closed:number wal_segments_ahead:number}
        write_consistency_factor:number}
        file:text name:text payload_schema:{created:{is_tenant:null on_disk:null type:text}
        doc:{is_tenant:null on_disk:null type:text}
        loc:{is_tenant:null on_disk:null type:text}
        price:{is_tenant:null on_disk:null type:text}
        text:{is_tenant:null on_disk:null type:text}}
        shard_keys:[]
        shards:[{applied_seq:null bytes:number has_newest_clocks:bool has_oldest_clocks:bool id:number replicas:{is_local:bool peers:{}
        this_peer_id:number}
        segments:[{appendable:bool bytes:number classes:[{}]
        id:text indexed_fields:[text]
        layout:text logical_bytes:number manifest_files:null state:{}}]
        type:text wal:[{bytes:number logical_bytes:number name:text}]}]}]
        kind:text unread:[]
        unread_more:number written_by:{at_least:text because:[text]
        before:null typically_at_least:text}}"#]],
    );
}

#[test]
fn kinds_are_decided_by_structure() {
    for (name, snapshot) in real_snapshots() {
        let expected = match name.as_str() {
            "kinds/full" => SnapshotKind::Full,
            "kinds/shard" => SnapshotKind::Shard,
            "kinds/shard-streamed" => SnapshotKind::ShardStreamed,
            "kinds/shard-partial" | "kinds/partial" => SnapshotKind::ShardPartial,
            _ => SnapshotKind::Collection,
        };
        let outline = snapshot.outline();
        assert_eq!(outline.kind, expected, "{name}");
        assert_eq!(outline.unread, [], "{name}");
        assert_written_by_1_18_3(&name, &outline);
    }
}

fn assert_written_by_1_18_3(name: &str, outline: &SnapshotOutline) {
    let version = vectar_qdrant::QdrantVersion::new(1, 18, 3);
    let range = &outline.written_by;
    assert!(range.at_least.is_some_and(|at_least| at_least <= version), "{name}: {range}");
    assert!(range.before.is_none_or(|before| before > version), "{name}: {range}");
    assert!(range.typically_at_least.is_some_and(|typical| typical <= version), "{name}: {range}");
}

/// What the server said about its collections is what the outline says.
#[test]
fn configurations_agree_with_the_server() {
    for series in ["notes", "catalog"] {
        for fixture in fixtures::series(series) {
            let truth = fixtures::truth(&fixture);
            let step = truth.as_array().unwrap().iter().find(|step| step["tag"] == fixture.name.as_str()).unwrap();
            let outline = Snapshot::read(&fixture).outline();
            let [collection] = &outline.collections[..] else { panic!("{series}: one collection") };
            let config = collection.config.as_ref().unwrap();
            let params = &step["config"]["params"];
            assert_eq!(u64::from(config.shard_number.unwrap()), params["shard_number"], "{series}");
            let vectors = &params["vectors"];
            for (name, vector) in &config.vectors {
                let said = if name.is_empty() { vectors } else { &vectors[name] };
                assert_eq!(vector.size, said["size"], "{series} {name}");
                assert_eq!(vector.distance.as_str(), said["distance"], "{series} {name}");
            }
            let schema = collection.payload_schema.as_ref().unwrap();
            let said = step["payload_schema"].as_object().unwrap();
            assert_eq!(schema.len(), said.len(), "{series}");
            for (name, field) in schema {
                assert_eq!(field.kind, said[name]["data_type"], "{series} {name}");
            }
            let segments: Vec<_> = collection.shards.iter().flat_map(|shard| &shard.segments).collect();
            assert_eq!(segments.len() as u64, step["segments"], "{series} {}", fixture.name);
            // A shard snapshot has no more than what its segments say.
            let told = |schema: &PayloadSchema| -> Vec<_> {
                schema.iter().map(|(name, field)| (name.clone(), field.kind.clone())).collect()
            };
            assert!(segments.iter().all(|segment| told(&segment.payload_schema) == told(schema)), "{series}");
        }
    }
}
