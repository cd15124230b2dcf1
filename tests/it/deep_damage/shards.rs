//! Damage to logs, to configurations, and to what belongs together.

use super::case::{Case, by_digest, reported};
use super::patient::Snapshot::{Catalog, Full, Notes, Partial, Streamed};

pub(super) fn cases() -> Vec<Case> {
    [of_logs(), of_segments(), of_shards(), of_collections(), of_wholes(), of_parts()].into_iter().flatten().collect()
}

fn of_logs() -> Vec<Case> {
    const LOG: &str = "shard/wal/open-1";
    const NEXT: &str = "shard/wal/open-2";
    const CLOSED: &str = "shard/wal/closed-10";
    const FIRST: &str = "shard/wal/first-index";
    vec![
        reported(Notes, "a bit in the middle of the log is flipped", LOG, |s| s.flip_within(LOG, 20_000..60_000)),
        reported(Notes, "the log's magic is flipped", LOG, |s| s.flip(LOG, 0, 1)),
        reported(Notes, "the log is zero", LOG, |s| s.hollow(LOG)),
        reported(Notes, "the log is cut within an entry", LOG, |s| s.keep(LOG, 30_000)),
        reported(Notes, "the log ends within its header", LOG, |s| s.keep(LOG, 5)),
        reported(Notes, "the file of the log that holds entries is missing", "shard/wal", |s| s.remove(LOG)),
        reported(Notes, "the next file of the log is no log", NEXT, |s| s.put(NEXT, 0, b"pal")),
        reported(Notes, "the acknowledged operation is behind the log", FIRST, |s| {
            s.edit(FIRST, |content| *content = br#"{"ack_index":4000}"#.to_vec());
        }),
        reported(Notes, "the acknowledged operation is no JSON", FIRST, |s| s.cut(FIRST)),
        reported(Catalog, "the logs of two shards are swapped", "shard/wal", |s| s.swap(LOG, "1/wal/open-1")),
        reported(Streamed, "the log of a streamed shard is no log", CLOSED, |s| s.flip(CLOSED, 1, 1 << 2)),
        reported(Streamed, "the log of a streamed shard is missing", "shard/wal/", |s| s.remove(CLOSED)),
    ]
}

fn of_segments() -> Vec<Case> {
    const STATE: &str = "built/segment.json";
    const VERSION: &str = "built/version.info";
    vec![
        reported(Notes, "the state of a segment is no JSON", STATE, |s| s.cut(STATE)),
        reported(Notes, "the state of a segment is zero", STATE, |s| s.zero(STATE)),
        reported(Notes, "the state of a segment is missing", STATE, |s| s.remove(STATE)),
        reported(Notes, "a segment has other dimensions", STATE, |s| s.replace(STATE, "\"size\":48", "\"size\":84")),
        reported(Notes, "a segment has another distance", STATE, |s| s.replace(STATE, "Cosine", "Euclid")),
        reported(Notes, "a segment has a distance that nobody knows", STATE, |s| s.replace(STATE, "Cosine", "Casine")),
        reported(Notes, "a segment is older than its points", "built/id_tracker.versions", |s| {
            s.replace(STATE, "\"version\":", "\"version\":0,\"was\":");
        }),
        reported(Notes, "a segment has no vectors", STATE, |s| s.replace(STATE, "vector_data", "vector_date")),
        reported(Notes, "the version of a segment is missing", VERSION, |s| s.remove(VERSION)),
        reported(Notes, "the version of a segment is none", VERSION, |s| s.flip(VERSION, 1, 1 << 6)),
        reported(Notes, "the version of a segment is of the future", VERSION, |s| s.put(VERSION, 0, b"9")),
        reported(Catalog, "the states of two segments are swapped", "built/id_tracker.mappings", |s| {
            s.swap(STATE, "growing/segment.json")
        }),
        reported(Notes, "a segment is missing", "shard/wal", |s| s.remove_segment("built/")),
        reported(Catalog, "segments of two shards are swapped", "shard/wal", |s| {
            s.swap_segments("built/", "other-built/")
        }),
    ]
}

fn of_shards() -> Vec<Case> {
    const REPLICAS: &str = "shard/replica_state.json";
    const KIND: &str = "shard/shard_config.json";
    const CLOCKS: &str = "shard/newest_clocks.json";
    vec![
        reported(Notes, "the replicas are no JSON", REPLICAS, |s| s.cut(REPLICAS)),
        reported(Notes, "the replicas are missing", REPLICAS, |s| s.remove(REPLICAS)),
        reported(Notes, "the replicas lack the peer itself", REPLICAS, |s| {
            s.replace(REPLICAS, "peers\":{\"4", "peers\":{\"5")
        }),
        reported(Notes, "a replica is in a state that nobody knows", REPLICAS, |s| {
            s.replace(REPLICAS, "Active", "Astive")
        }),
        reported(Notes, "the configuration of a shard is missing", KIND, |s| s.remove(KIND)),
        reported(Notes, "a shard is of no known kind", KIND, |s| s.replace(KIND, "ReplicaSet", "ReplicaBet")),
        reported(Notes, "the configuration of a shard is zero", KIND, |s| s.zero(KIND)),
        reported(Notes, "the clocks are no JSON", CLOCKS, |s| s.cut(CLOCKS)),
        reported(Notes, "a clock has no number", CLOCKS, |s| s.replace(CLOCKS, "clock_id", "clock_ip")),
        by_digest(Notes, "a clock's tick is another", "any number of operations could have been made by a peer", |s| {
            s.replace(CLOCKS, "\"current_tick\":", "\"current_tick\":1");
        }),
    ]
}

fn of_collections() -> Vec<Case> {
    const CONFIG: &str = "config.json";
    const INDEXES: &str = "payload_index.json";
    const KEYS: &str = "shard_key_mapping.json";
    const VERSION: &str = "version.info";
    vec![
        reported(Notes, "the configuration of the collection is cut", CONFIG, |s| s.cut(CONFIG)),
        reported(Notes, "the configuration of the collection is missing", CONFIG, |s| s.remove(CONFIG)),
        reported(Notes, "the collection has other dimensions", "built/segment.json", |s| {
            s.replace(CONFIG, "\"size\":48", "\"size\":84");
        }),
        reported(Notes, "the collection has a distance that nobody knows", CONFIG, |s| {
            s.replace(CONFIG, "Cosine", "Casine")
        }),
        reported(Notes, "the collection lacks a member", CONFIG, |s| {
            s.replace(CONFIG, "wal_capacity_mb", "wal_capacity_mg")
        }),
        reported(Notes, "the collection announces a shard more", CONFIG, |s| {
            s.replace(CONFIG, "\"shard_number\":1", "\"shard_number\":2");
        }),
        reported(Catalog, "the collection announces a shard less", CONFIG, |s| {
            s.replace(CONFIG, "\"shard_number\":2", "\"shard_number\":1");
        }),
        reported(Notes, "the indexed fields are missing", INDEXES, |s| s.remove(INDEXES)),
        reported(Notes, "the indexed fields are no JSON", INDEXES, |s| s.flip(INDEXES, 0, 1)),
        reported(Notes, "an indexed field is forgotten", "built/payload_index/config.json", |s| {
            s.replace(INDEXES, "\"rank\":\"integer\"", "\"rang\":\"integer\"");
        }),
        reported(Notes, "the shard keys are missing", KEYS, |s| s.remove(KEYS)),
        reported(Notes, "the shard keys are no JSON", KEYS, |s| s.cut(KEYS)),
        reported(Notes, "the version of the collection is missing", VERSION, |s| s.remove(VERSION)),
        reported(Notes, "the version of the collection is of the future", VERSION, |s| s.put(VERSION, 0, b"9")),
        reported(Catalog, "a shard is missing", CONFIG, |s| s.remove_below("1/")),
    ]
}

fn of_wholes() -> Vec<Case> {
    const CONFIG: &str = "config.json";
    vec![
        reported(Full, "the mapping of collections is no JSON", CONFIG, |s| s.cut(CONFIG)),
        reported(Full, "the mapping of collections is missing", CONFIG, |s| s.remove(CONFIG)),
        reported(Full, "the mapping names a file that is not there", CONFIG, |s| {
            s.replace(CONFIG, "notes-4", "notes-5")
        }),
        reported(Full, "an alias is of no collection", CONFIG, |s| {
            s.replace(CONFIG, ": \"catalog\"", ": \"catalogue\"")
        }),
    ]
}

fn of_parts() -> Vec<Case> {
    vec![
        reported(Partial, "the manifest of a part is no JSON", "growing/segment_manifest.json", |s| {
            s.cut("growing/segment_manifest.json");
        }),
        reported(Partial, "the manifest of a part is missing", "growing/segment_manifest.json", |s| {
            s.remove("growing/segment_manifest.json");
        }),
        reported(Partial, "the state of a part is missing", "growing/segment.json", |s| {
            s.remove("growing/segment.json")
        }),
    ]
}
