//! The snapshots of one collection put side by side: which shards there are, and the best copy of each.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};
use vectar_qdrant::{CollectionConfig, ReplicaState, ShardKeyShards, ShardingMethod};

use super::facts::{CollectionFacts, Expected, PlanSource, ShardFacts, SourceFacts};

/// Shards that a configuration may announce before we stop believing it: each takes a file and several calls.
pub(super) const SHARDS_MAX: u32 = 100_000;

/// One collection over all sources.
#[derive(Debug)]
pub(super) struct CollectionSet<'s> {
    pub(super) name: &'s str,
    /// Sources that have it, with what they say of it.
    pub(super) members: Vec<Member<'s>>,
    /// Sources of which nothing is used: the same node has a newer snapshot of each of their shards.
    pub(super) passed_over: Vec<Member<'s>>,
    /// Copies of each shard that are there, best first; never empty.
    pub(super) shards: BTreeMap<u32, Vec<Copy<'s>>>,
    /// Shards that are announced and not there.
    pub(super) missing: Vec<u32>,
    /// Shards by key, under custom sharding; by their lowest shard.
    pub(super) keys: Vec<ShardKeyShards>,
}

/// A collection in a source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member<'s> {
    /// Which source.
    pub(super) source: usize,
    pub(super) facts: &'s CollectionFacts,
    /// The node it is from, where known.
    node: Option<&'s str>,
    /// When it was taken, where known.
    taken_at: Option<Timestamp>,
}

/// A copy of a shard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copy<'s> {
    pub(super) member: Member<'s>,
    pub(super) shard: &'s ShardFacts,
}

impl Copy<'_> {
    /// Whether it was one that serves reads.
    pub(super) fn is_active(&self) -> bool {
        matches!(self.shard.state, None | Some(ReplicaState::Active))
    }
}

impl<'s> CollectionSet<'s> {
    /// Puts the collections of all sources together, by name.
    pub(super) fn of_all(sources: &'s [PlanSource<'_, '_>]) -> Vec<Self> {
        let mut by_name: BTreeMap<&str, Vec<Member<'s>>> = BTreeMap::new();
        for (source, opened) in sources.iter().enumerate() {
            for facts in opened.collections() {
                let SourceFacts { node, taken_at, .. } = opened.facts();
                let member = Member { source, facts, node: node.as_deref(), taken_at: *taken_at };
                by_name.entry(&facts.name).or_default().push(member);
            }
        }
        by_name.into_iter().map(|(name, members)| Self::of(name, members)).collect()
    }

    fn of(name: &'s str, members: Vec<Member<'s>>) -> Self {
        let mut shards: BTreeMap<u32, Vec<Copy<'s>>> = BTreeMap::new();
        for &member in &members {
            for shard in &member.facts.shards {
                shards.entry(shard.id).or_default().push(Copy { member, shard });
            }
        }
        for copies in shards.values_mut() {
            keep_newest_of_each_node(copies);
            // The one that served reads, then the one that has applied most; else in the order given.
            copies.sort_by_key(|copy| {
                std::cmp::Reverse((copy.is_active(), copy.shard.applied_seq, copy.shard.points.points))
            });
        }
        let is_used = |member: &Member<'_>| {
            let of_member = |copy: &Copy<'_>| copy.member.source == member.source;
            member.facts.shards.is_empty() || shards.values().any(|copies| copies.iter().any(of_member))
        };
        let (members, passed_over): (Vec<_>, Vec<_>) = members.into_iter().partition(is_used);
        let mut keys: BTreeMap<u32, ShardKeyShards> = BTreeMap::new();
        for key in members.iter().chain(&passed_over).flat_map(|member| &member.facts.outline.shard_keys) {
            if let Some(lowest) = key.shard_ids.iter().min() {
                let mut key = key.clone();
                key.shard_ids.sort_unstable();
                keys.entry(*lowest).or_insert(key);
            }
        }
        let mut set =
            Self { name, members, passed_over, shards, missing: Vec::new(), keys: keys.into_values().collect() };
        set.missing = set.announced().into_iter().filter(|id| !set.shards.contains_key(id)).collect();
        set
    }

    /// Shards that the configuration or the key mapping speaks of, or a description of a shard without data.
    pub(super) fn announced(&self) -> Vec<u32> {
        let described = self.members.iter().flat_map(|member| &member.facts.outline.shards);
        let mut ids: Vec<u32> = described.filter_map(|shard| shard.id).collect();
        match self.is_custom() {
            true => ids.extend(self.keys.iter().flat_map(|key| &key.shard_ids)),
            false => ids.extend(0..self.shard_number().unwrap_or(0).min(SHARDS_MAX)),
        }
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// All that say something of the collection. What is passed over may be all that does: a shard snapshot has no configuration.
    fn described(&self) -> impl Iterator<Item = &Member<'s>> {
        self.members.iter().chain(&self.passed_over)
    }

    /// The configuration; the first one that is there.
    pub(super) fn config(&self) -> Option<&'s CollectionConfig> {
        self.described().find_map(|member| member.facts.outline.config.as_ref())
    }

    /// The same as it is written.
    pub(super) fn raw_config(&self) -> Option<&'s Value> {
        self.described().find_map(|member| member.facts.config.as_ref())
    }

    /// Indexed payload fields with their parameters, as they are written.
    pub(super) fn schema(&self) -> Option<&'s Map<String, Value>> {
        self.described().map(|member| &member.facts.schema).find(|schema| !schema.is_empty())
    }

    pub(super) fn shard_number(&self) -> Option<u32> {
        self.config().and_then(|config| config.shard_number)
    }

    pub(super) fn replication_factor(&self) -> u32 {
        self.config().and_then(|config| config.replication_factor).unwrap_or(1).max(1)
    }

    pub(super) fn is_custom(&self) -> bool {
        let method = self.config().and_then(|config| config.sharding_method.as_ref());
        method == Some(&ShardingMethod::Custom) || !self.keys.is_empty()
    }

    /// Points of all shards that are there, each once.
    pub(super) fn points(&self) -> Expected {
        let best = self.shards.values().map(|copies| copies[0].shard.points);
        best.fold(Expected::NONE, |sum, points| sum.and(&points))
    }

    /// Peers that have a shard, as the descriptions of the shard in other nodes' snapshots say.
    pub(super) fn peers_with(&self, shard: u32) -> Vec<u64> {
        let described = self.members.iter().flat_map(|member| &member.facts.outline.shards);
        let of_shard = described.filter(|one| one.id == Some(shard)).filter_map(|one| one.replicas.as_ref());
        let mut peers: Vec<u64> = of_shard.flat_map(|replicas| replicas.peers.keys().copied()).collect();
        peers.sort_unstable();
        peers.dedup();
        peers
    }
}

/// Of copies from one node, generations of one snapshot, only the newest counts. Where node or time are not known all stay.
fn keep_newest_of_each_node(copies: &mut Vec<Copy<'_>>) {
    let newer = |one: &Copy<'_>, other: &Copy<'_>| {
        one.member.node.is_some() && one.member.node == other.member.node && one.member.taken_at > other.member.taken_at
    };
    let all = copies.clone();
    copies.retain(|copy| copy.member.taken_at.is_none() || !all.iter().any(|other| newer(other, copy)));
}
