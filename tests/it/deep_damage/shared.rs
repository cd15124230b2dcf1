//! Damage to snapshots of the shared series: one node of a cluster, and a segment that is ordered by its tenants.

use super::case::{Case, by_digest, reported};
use super::patient::Snapshot::{Accounts, Tenants};

pub(super) fn cases() -> Vec<Case> {
    [of_a_node(), of_tenants()].into_iter().flatten().collect()
}

fn of_a_node() -> Vec<Case> {
    const LINKS: &str = "growing/mutable_id_tracker.mappings";
    const CHUNK: &str = "growing/vector_storage/vectors/chunk_0.mmap";
    const CLOCKS: &str = "1/newest_clocks.json";
    const REMOTE: &str = "0/replica_state.json";
    vec![
        reported(Accounts, "a segment of a node is missing", "shard/wal", |s| s.remove_segment("growing/")),
        reported(Accounts, "the logs of a node's shards are swapped", "1/wal", |s| {
            s.swap("1/wal/open-1", "2/wal/open-1")
        }),
        reported(Accounts, "the clocks of a node's shard are cut", CLOCKS, |s| s.cut(CLOCKS)),
        reported(Accounts, "the replicas of a remote shard are zero", REMOTE, |s| s.zero(REMOTE)),
        reported(Accounts, "a shard of a node is missing", "config.json", |s| s.remove_below("2/")),
        reported(Accounts, "a bit of a link's id is flipped", "shard/wal", |s| s.flip(LINKS, 13 * 20 + 3, 1 << 4)),
        reported(Accounts, "the vectors of a node are one hole", "growing/vector_storage", |s| s.hollow(CHUNK)),
        reported(Accounts, "the payloads of a node are one hole", "growing/payload_storage/page_*.dat", |s| {
            s.hollow("growing/payload_storage/page_0.dat");
        }),
    ]
}

fn of_tenants() -> Vec<Case> {
    const MATRIX: &str = "built/vector_storage/matrix.dat";
    const FLAGS: &str = "built/vector_storage/deleted.dat";
    const MAPPINGS: &str = "built/id_tracker.mappings";
    vec![
        reported(Tenants, "a matrix of tenants is cut", MATRIX, |s| s.cut(MATRIX)),
        reported(Tenants, "a matrix of tenants is zero", MATRIX, |s| s.zero(MATRIX)),
        reported(Tenants, "the flags of a matrix are cut", FLAGS, |s| s.cut(FLAGS)),
        reported(Tenants, "the flags of a matrix are missing", FLAGS, |s| s.remove(FLAGS)),
        reported(Tenants, "a row of a matrix is flagged", FLAGS, |s| {
            let first = s.file(FLAGS).len() - 375;
            s.flip(FLAGS, first + 100, 1 << 3);
        }),
        reported(Tenants, "the mappings of tenants are cut", MAPPINGS, |s| s.cut(MAPPINGS)),
        reported(Tenants, "two rows of tenants have the same id", MAPPINGS, |s| {
            let id = s.file(MAPPINGS)[8 + 13 * 1000 + 1..8 + 13 * 1000 + 9].to_vec();
            s.put(MAPPINGS, 8 + 13 * 2000 + 1, &id);
        }),
        reported(Tenants, "a bit of a tenant's id is flipped", "shard/wal", |s| s.flip(MAPPINGS, 8 + 13 * 1000 + 4, 1)),
        by_digest(Tenants, "a bit of a tenant's vector is flipped", "any finite number could be", |s| {
            s.flip(MATRIX, 4 + 128 * 1000 + 2, 1 << 3);
        }),
    ]
}
