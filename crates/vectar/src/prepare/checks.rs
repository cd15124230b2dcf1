//! What stands in the way of a restore, or makes it other than one would expect.

use jiff::{SpanRelativeTo, Timestamp};
use vectar_qdrant::{QdrantVersion, compat::Verdict};

use super::{
    concern::{ConcernLevel as Level, Concerns},
    facts::PlanSource,
    set::{CollectionSet, Copy, SHARDS_MAX},
    topology::Topology,
};

/// Snapshots of one collection that were taken further apart than this are mentioned.
const APART_SECONDS_MAX: i64 = 15 * 60;

/// Looks at one collection over all sources.
pub(super) fn check_set(
    set: &CollectionSet<'_>,
    sources: &[PlanSource<'_, '_>],
    topology: &Topology,
    to: Option<QdrantVersion>,
    concerns: &mut Concerns,
) {
    check_identity(set, sources, concerns);
    check_generations(set, sources, concerns);
    check_missing(set, concerns);
    check_replicas(set, sources, concerns);
    check_layout(set, topology, concerns);
    check_counts(set, concerns);
    check_times(set, sources, concerns);
    check_version(set, to, concerns);
}

fn check_identity(set: &CollectionSet<'_>, sources: &[PlanSource<'_, '_>], concerns: &mut Concerns) {
    let mut uuids = set.members.iter().filter_map(|member| member.facts.outline.config.as_ref()?.uuid.as_deref());
    if let Some(first) = uuids.next()
        && let Some(other) = uuids.find(|other| *other != first)
    {
        concerns.about(
            set.name,
            Level::Refusal,
            "not-one-collection",
            format!("the snapshots of {:?} are of two collections that had the same name", set.name),
            format!("their own UUIDs are {first} and {other}; choose snapshots of one of them"),
        );
    }
    let mut configs = set.members.iter().filter_map(|member| Some((member.source, member.facts.config.as_ref()?)));
    if let Some((_, first)) = configs.next()
        && let Some((source, _)) = configs.find(|(_, other)| other.get("params") != first.get("params"))
    {
        concerns.about(
            set.name,
            Level::Warning,
            "configurations-differ",
            format!("{} has other parameters than the first snapshot", sources[source].facts().title),
            "the collection is created as the first one says; it was changed between the two snapshots",
        );
    }
    if set.shard_number().is_some_and(|shards| shards > SHARDS_MAX) {
        concerns.about(
            set.name,
            Level::Refusal,
            "configuration-incredible",
            format!("config.json announces {} shards", set.shard_number().unwrap_or_default()),
            "no collection has so many; the file is damaged",
        );
    }
}

fn check_generations(set: &CollectionSet<'_>, sources: &[PlanSource<'_, '_>], concerns: &mut Concerns) {
    if !set.passed_over.is_empty() {
        let titles: Vec<&str> =
            set.passed_over.iter().map(|member| sources[member.source].facts().title.as_str()).collect();
        concerns.about(
            set.name,
            Level::Note,
            "passed-over",
            format!("not used for {:?}: {}", set.name, titles.join(", ")),
            "the same node has a newer snapshot of the same shards among those that were chosen",
        );
    }
}

fn check_missing(set: &CollectionSet<'_>, concerns: &mut Concerns) {
    if set.missing.is_empty() {
        return;
    }
    let mut named = Vec::new();
    for shard in set.missing.iter().take(20) {
        let peers: Vec<String> = set.peers_with(*shard).iter().map(u64::to_string).collect();
        named.push(match peers.is_empty() {
            true => shard.to_string(),
            false => format!("{shard} (on peer {})", peers.join(", ")),
        });
    }
    let more = set.missing.len().saturating_sub(named.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    concerns.about(
        set.name,
        Level::Gap,
        "missing-shards",
        format!(
            "{} of {} shards of {:?} are in none of the snapshots: {}{more}",
            set.missing.len(),
            set.announced().len(),
            set.name,
            named.join(", ")
        ),
        "a node's snapshot holds only the shards of that node; add the snapshots of the other nodes",
    );
}

fn check_replicas(set: &CollectionSet<'_>, sources: &[PlanSource<'_, '_>], concerns: &mut Concerns) {
    let title = |copy: &Copy<'_>| sources[copy.member.source].facts().title.clone();
    for (shard, copies) in &set.shards {
        let best = &copies[0];
        if !best.is_active() {
            let state = best.shard.state.as_ref().map(ToString::to_string).unwrap_or_default();
            concerns.about(
                set.name,
                Level::Warning,
                "replica-not-active",
                format!("the best copy of shard {shard} was {state} when its snapshot was taken"),
                format!("{}: a copy that is not active may lack writes that others had", title(best)),
            );
        }
        let differs = |copy: &&Copy<'_>| copy.shard.points.points != best.shard.points.points;
        if let Some(other) = copies.iter().skip(1).find(differs) {
            let points = |copy: &Copy<'_>| match copy.shard.points.points {
                Some(points) => format!("{points} points in {}", title(copy)),
                None => format!("points that cannot be counted in {}", title(copy)),
            };
            concerns.about(
                set.name,
                Level::Warning,
                "replicas-differ",
                format!("the copies of shard {shard} differ: {}, {}", points(best), points(other)),
                "nodes are snapshotted one after the other, and a replica may have been behind; the first of the two is restored",
            );
        }
    }
}

fn check_layout(set: &CollectionSet<'_>, topology: &Topology, concerns: &mut Concerns) {
    if set.shards.is_empty() {
        concerns.about(
            set.name,
            Level::Gap,
            "no-shards",
            format!("none of the snapshots has data of {:?}", set.name),
            "a node that held no shard of a collection still makes a snapshot of it, which restores to nothing",
        );
    }
    if set.is_custom() {
        let keyed = |shard: &u32| set.keys.iter().any(|key| key.shard_ids.contains(shard));
        if let Some(shard) = set.shards.keys().find(|shard| !keyed(shard)) {
            concerns.about(
                set.name,
                Level::Refusal,
                "shard-without-key",
                format!("shard {shard} of {:?} has no shard key", set.name),
                "under custom sharding every shard has one, in shard_key_mapping.json; without it nobody could create the shard again",
            );
        }
    }
    let nodes = u32::try_from(topology.nodes.len()).unwrap_or(u32::MAX);
    let factor = set.replication_factor();
    if factor > nodes {
        concerns.about(
            set.name,
            Level::Warning,
            "fewer-replicas",
            format!("{:?} had {factor} copies of each shard, and the target has {nodes} nodes", set.name),
            "a node holds one copy of a shard at most, so the collection gets fewer copies; more can be added when there are more nodes",
        );
    }
}

fn check_counts(set: &CollectionSet<'_>, concerns: &mut Concerns) {
    let expected = set.points();
    if expected.points.is_none() {
        concerns.about(
            set.name,
            Level::Warning,
            "points-unknown",
            format!("the points of {:?} cannot be counted offline", set.name),
            "some segment stores its ids in a way that only a server reads; nothing will be compared after the restore",
        );
    }
    if expected.wal_tail > 0 {
        concerns.about(
            set.name,
            Level::Warning,
            "wal-tail",
            format!("{} writes to {:?} are only in the write-ahead log", expected.wal_tail, set.name),
            "the server applies them when it loads the shards, and may then count other points than were counted here; counts are shown, not compared",
        );
    }
}

fn check_times(set: &CollectionSet<'_>, sources: &[PlanSource<'_, '_>], concerns: &mut Concerns) {
    let taken = |member: &super::set::Member<'_>| sources[member.source].facts().taken_at;
    let times: Vec<Timestamp> = set.members.iter().filter_map(taken).collect();
    if let (Some(first), Some(last)) = (times.iter().min(), times.iter().max())
        && last.as_second() - first.as_second() > APART_SECONDS_MAX
    {
        let apart =
            last.since(*first).and_then(|span| span.total((jiff::Unit::Minute, SpanRelativeTo::days_are_24_hours())));
        let minutes = apart.unwrap_or_default().round();
        concerns.about(
            set.name,
            Level::Warning,
            "taken-apart",
            format!("the snapshots of {:?} were taken {minutes} minutes apart", set.name),
            "each node has the writes up to its own snapshot; no moment of the cluster is restored",
        );
    }
}

fn check_version(set: &CollectionSet<'_>, to: Option<QdrantVersion>, concerns: &mut Concerns) {
    for compatibility in set.members.iter().filter_map(|member| member.facts.compatibility.as_ref()) {
        let range = &compatibility.restorable_by;
        let from =
            range.at_least.map(|version| format!("{version} or later")).unwrap_or_else(|| "any version".to_owned());
        let before = range.before.map(|version| format!(", before {version}")).unwrap_or_default();
        let can = format!("it can be loaded by {from}{before}, as far as its files show");
        let Some(to) = to else {
            concerns.about(
                set.name,
                Level::Note,
                "version-not-said",
                format!("the version of the target was not said, so nobody checked whether it loads {:?}", set.name),
                format!("{can}; with --to that is compared, and the script compares what the servers answer"),
            );
            return;
        };
        let (level, text) = match compatibility.verdict(to) {
            Verdict::Ok => continue,
            Verdict::No => (Level::Refusal, format!("Qdrant {to} cannot load {:?}", set.name)),
            Verdict::Via(stops) => {
                let stops: Vec<String> = stops.iter().map(ToString::to_string).collect();
                let stops = stops.join(", then ");
                (
                    Level::Refusal,
                    format!("Qdrant {to} loads {:?} only after {stops} has loaded and rewritten it", set.name),
                )
            }
            Verdict::NotAlone => {
                (Level::Refusal, format!("{:?} is a partial snapshot, which does not restore alone", set.name))
            }
            Verdict::Unknown => (Level::Warning, format!("nobody can tell whether Qdrant {to} loads {:?}", set.name)),
        };
        concerns.about(set.name, level, "version", text, can);
        return;
    }
}
