//! What goes wrong with restores, each said with its reason where it could happen. All of it was seen on a Qdrant 1.18.3 unless it says
//! otherwise.

use super::{
    concern::{ConcernLevel as Level, Concerns},
    draft::{Draft, Location},
    plan::Method,
    set::CollectionSet,
    topology::Topology,
};

/// Traps of one collection.
pub(super) fn warn_of(set: &CollectionSet<'_>, draft: &Draft, topology: &Topology, concerns: &mut Concerns) {
    if set.is_custom() {
        concerns.about(
            set.name,
            Level::Warning,
            "custom-sharding",
            format!("never upload a collection snapshot of {:?} as a new collection", set.name),
            "its shards have keys: the server answers true and the new collection holds no shard and no point. The plan creates the keys first, in \
             the order of their numbers, and uploads shard by shard",
        );
        if topology.is_single() {
            concerns.about(
                set.name,
                Level::Warning,
                "cluster-mode",
                format!("the target must run in cluster mode for {:?}, even alone", set.name),
                "shard keys can be created in a cluster only: start the server with QDRANT__CLUSTER__ENABLED=true and --uri; the plan asks it \
                 first (by Qdrant's source; not tried)",
            );
        }
    }
    let held_by_one = set.members.iter().all(|member| member.facts.shards.len() == set.announced().len());
    if !held_by_one {
        concerns.general(
            Level::Warning,
            "one-node-only",
            "one node's snapshot brings only the shards of that node",
            "seen with 398 of 1,200 points: the call answers true and the rest is silently missing until every node's snapshot was loaded. Count",
        );
    }
    match draft.method {
        Method::Shards if !topology.is_single() => concerns.general(
            Level::Warning,
            "extra-replica",
            "upload a shard only to a node that holds it",
            "a node that lacks the shard answers 200 as well, becomes one more replica of it and makes the others catch up from it; which node \
             holds which shard the server chooses at random when the collection is created, so it has to be asked",
        ),
        Method::Nodes => concerns.general(
            Level::Warning,
            "random-placement",
            "which node gets which file depends on where the server placed the shards",
            "it places them at random when the collection is created (by Qdrant's source); each file goes to the node that holds exactly its \
             shards. If none does nothing is uploaded: prepare again with --by shard",
        ),
        _ => {}
    }
    if set.replication_factor() > 1 && !topology.is_single() {
        concerns.about(
            set.name,
            Level::Warning,
            "replication",
            format!("one copy of each shard of {:?} is uploaded, the server makes the others", set.name),
            "with priority=snapshot the copy that was uploaded counts, and the others are synchronised from it (by Qdrant's source; with several \
             replicas not tried). Uploading every copy would make them overwrite each other",
        );
    }
}

/// Traps of every restore.
pub(super) fn warn_generally(
    drafts: &[Draft],
    location: &Location,
    has_aliases: bool,
    is_full: bool,
    concerns: &mut Concerns,
) {
    concerns.general(
        Level::Warning,
        "disk-twice",
        "each node needs about twice the bytes of its snapshots free",
        "the server keeps the file as it arrives and unpacks it beside before it takes it over; a disk that fills up leaves a half collection",
    );
    if drafts.iter().any(|draft| draft.method == Method::Start) {
        concerns.general(
            Level::Warning,
            "start-empty",
            "start the server with these arguments once, on empty storage",
            "a server that finds the collection refuses to start; --force-snapshot would replace what is there",
        );
    } else {
        calling(location, concerns);
    }
    if !has_aliases {
        concerns.general(
            Level::Warning,
            "aliases-unknown",
            "no aliases are known",
            "collection and shard snapshots do not hold them, only full ones do. Where clients use an alias, name it with --alias ALIAS=COLLECTION; \
             \"GET /aliases\" on the old cluster lists them",
        );
    }
    if is_full {
        concerns.general(
            Level::Note,
            "full-snapshot",
            "collections are taken out of the full snapshot",
            "no call loads a full snapshot into a running server: only --storage-snapshot at its start does, for all collections at once. The parts are \
             the same bytes and are loaded one by one. --by start prepares it as it is",
        );
    }
}

fn calling(location: &Location, concerns: &mut Concerns) {
    concerns.general(
        Level::Note,
        "priority",
        "every call says priority=snapshot",
        "else the empty copies of the new collection may count for more than the snapshot",
    );
    concerns.general(
        Level::Note,
        "checksum",
        "every call says the checksum",
        "with a wrong one the server answers 400 and loads nothing; a file that was cut short on its way would give 500 and may leave a half \
         collection. Shard uploads compare it since v1.19.0 only",
    );
    concerns.general(
        Level::Note,
        "timeouts",
        "loading takes as long as it takes, and the call waits for it",
        "a proxy between you and the server may give up before; the server goes on. Talk to the nodes directly",
    );
    match location {
        Location::Upload => {}
        Location::Http(_) => concerns.general(
            Level::Warning,
            "url-recovery-forbidden",
            "the server must be allowed to fetch snapshots from an address",
            "a server with enable_snapshot_url_recovery: false answers 403; then prepare again without --location: files are uploaded. It sends \
             one plain GET",
        ),
        Location::Files(_) => concerns.general(
            Level::Warning,
            "file-recovery",
            "copy the directory snapshots/ into the snapshots directory of every node first",
            "since v1.17.1 a file:// location must lie in the server's own snapshots directory, and shard snapshots are named by their file name there",
        ),
    }
}
