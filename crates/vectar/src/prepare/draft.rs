//! How each collection is restored, and which files that takes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use vectar_qdrant::SnapshotKind;

use super::{
    concern::{ConcernLevel as Level, Concerns},
    facts::PlanSource,
    names::{FileNames, Naming, spelled},
    plan::{Method, StartArgument},
    set::CollectionSet,
    topology::Topology,
};
use crate::{error::Error, extract::PartChoice};

/// From where the servers get the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// They are sent to them.
    Upload,
    /// They fetch them from under this address, which serves the staged directory `snapshots`.
    Http(String),
    /// They find them in their own snapshots directory, which has this `file://` address.
    Files(String),
}

impl Location {
    /// Reads `upload`, `http://…`, `https://…` or `file:///…`.
    ///
    /// # Errors
    /// [`Error::OptionInvalid`] for anything else, and for characters that no address has.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let base = text.trim_end_matches('/').to_owned();
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/~%".contains(&byte));
        match is_plain.then(|| text.split_once("://")) {
            Some(None) if text == "upload" => Ok(Self::Upload),
            Some(Some(("http" | "https", rest))) if !rest.trim_matches('/').is_empty() => Ok(Self::Http(base)),
            Some(Some(("file", rest))) if rest.starts_with('/') => Ok(Self::Files(base)),
            _ => Err(Error::OptionInvalid {
                what: "the location",
                value: text.to_owned(),
                reason: "it is upload, http://HOST/PATH or file:///qdrant/snapshots".to_owned(),
            }),
        }
    }
}

/// How one collection is restored.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) target: String,
    pub(super) method: Method,
    /// New number by old one, of the shards that are there.
    pub(super) target_ids: BTreeMap<u32, u32>,
    /// What to stage, and the shards (by their old numbers) that each file brings.
    pub(super) files: Vec<FileDraft>,
}

impl Draft {
    /// What a server is started with, each file once.
    pub(super) fn start_arguments(&self) -> Vec<StartArgument> {
        let files = self.files.iter().filter(|_| self.method == Method::Start);
        files
            .map(|file| match file.kind {
                SnapshotKind::Full => {
                    StartArgument { option: "--storage-snapshot".to_owned(), file: file.path.clone(), collection: None }
                }
                _ => StartArgument {
                    option: "--snapshot".to_owned(),
                    file: file.path.clone(),
                    collection: Some(self.target.clone()),
                },
            })
            .collect()
    }
}

/// A file to be staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileDraft {
    pub(super) path: String,
    pub(super) source: usize,
    pub(super) choice: PartChoice,
    pub(super) kind: SnapshotKind,
    pub(super) shards: Vec<u32>,
}

/// Decides for one collection. `None` when something that `concerns` now names is in the way.
pub(super) fn draft_of(
    set: &CollectionSet<'_>,
    sources: &[PlanSource<'_, '_>],
    drafting: &Drafting<'_>,
    names: &mut FileNames,
    concerns: &mut Concerns,
) -> Result<Option<Draft>, Error> {
    let target = drafting.naming.target(set.name)?;
    let fitting = fitting_method(set, sources, drafting.topology);
    let method = drafting.by.unwrap_or(fitting);
    if let Err(reason) = can(set, sources, drafting.topology, method) {
        concerns.about(
            set.name,
            Level::Refusal,
            "method",
            format!("{:?} cannot be restored that way", set.name),
            reason,
        );
        return Ok(None);
    }
    let target_ids = target_ids(set, method);
    let files = match method {
        Method::Whole | Method::Nodes => node_files(set, sources, &target, names),
        Method::Start => start_files(set, sources, &target, names),
        Method::Shards => shard_files(set, sources, &target, &target_ids, drafting.made_at, names),
    };
    Ok(Some(Draft { target, method, target_ids, files }))
}

/// What drafting depends on besides the collection.
#[derive(Debug)]
pub(super) struct Drafting<'d> {
    pub(super) topology: &'d Topology,
    pub(super) naming: &'d Naming,
    pub(super) by: Option<Method>,
    pub(super) made_at: Timestamp,
}

/// The simplest way that brings all shards that are there.
fn fitting_method(set: &CollectionSet<'_>, sources: &[PlanSource<'_, '_>], topology: &Topology) -> Method {
    [Method::Whole, Method::Nodes]
        .into_iter()
        .find(|method| can(set, sources, topology, *method).is_ok())
        .unwrap_or(Method::Shards)
}

/// Whether a collection can be restored in this way; why not.
fn can(
    set: &CollectionSet<'_>,
    sources: &[PlanSource<'_, '_>],
    topology: &Topology,
    method: Method,
) -> Result<(), &'static str> {
    let held: Vec<usize> =
        set.members.iter().map(|member| member.facts.shards.len()).filter(|held| *held > 0).collect();
    let of_shard = |member: &super::set::Member<'_>| {
        matches!(sources[member.source].kind(), SnapshotKind::Shard | SnapshotKind::ShardStreamed)
    };
    let has_shards_only = set.members.iter().any(of_shard);
    match method {
        Method::Shards if set.raw_config().is_none() => Err(
            "there are shard snapshots only, and nothing says how the collection is configured; add a collection snapshot of any of its nodes",
        ),
        Method::Shards => Ok(()),
        _ if has_shards_only => Err("there are shard snapshots among them: they go shard by shard"),
        _ if set.is_custom() && method != Method::Start => {
            Err("its shards have keys: a collection snapshot of it would bring no points into a new collection")
        }
        _ if held.is_empty() => Err("none of the snapshots holds a shard of it"),
        Method::Whole | Method::Start if !topology.is_single() => Err("that is for a single node"),
        Method::Whole | Method::Start if held.len() != 1 => Err("its shards come from several snapshots"),
        Method::Whole | Method::Start => Ok(()),
        Method::Nodes if topology.is_single() => Err("that is for a cluster"),
        Method::Nodes if held.iter().sum::<usize>() != set.shards.len() => {
            Err("several of the snapshots hold the same shard: they would overwrite each other")
        }
        Method::Nodes if set.replication_factor() > 1 => {
            Err("it has replicas, which are made by the server from one copy of each shard")
        }
        Method::Nodes if held.len() != topology.nodes.len() || held.len() == 1 => {
            Err("the target has another number of nodes than snapshots with shards of it")
        }
        Method::Nodes => Ok(()),
    }
}

/// The numbers that shards will have. Under custom sharding the server counts from 1 in the order in which keys are created; else a shard
/// keeps its number.
fn target_ids(set: &CollectionSet<'_>, method: Method) -> BTreeMap<u32, u32> {
    if !set.is_custom() || method == Method::Start {
        return set.shards.keys().map(|id| (*id, *id)).collect();
    }
    let all = set.keys.iter().flat_map(|key| key.shard_ids.iter().copied());
    let numbered = all.zip(1..);
    numbered.filter(|(id, _)| set.shards.contains_key(id)).collect()
}

/// Each source that holds shards, as the collection's snapshot that it is or holds.
fn node_files(
    set: &CollectionSet<'_>,
    sources: &[PlanSource<'_, '_>],
    target: &str,
    names: &mut FileNames,
) -> Vec<FileDraft> {
    let holding = set.members.iter().filter(|member| !member.facts.shards.is_empty());
    let file = |member: &super::set::Member<'_>| FileDraft {
        path: names.path(
            &format!("snapshots/{target}"),
            member.facts.file.as_deref().unwrap_or(&sources[member.source].facts().name),
        ),
        source: member.source,
        choice: PartChoice { collection: Some(set.name.to_owned()), shard: None },
        kind: SnapshotKind::Collection,
        shards: member.facts.shards.iter().map(|shard| shard.id).collect::<BTreeSet<_>>().into_iter().collect(),
    };
    holding.map(file).collect()
}

/// What a server takes at its start: a full snapshot as it is, which keeps all names, or a collection's.
fn start_files(
    set: &CollectionSet<'_>,
    sources: &[PlanSource<'_, '_>],
    target: &str,
    names: &mut FileNames,
) -> Vec<FileDraft> {
    let mut files = node_files(set, sources, target, names);
    for file in &mut files {
        if sources[file.source].kind() == SnapshotKind::Full && target == set.name {
            file.path = names.full(file.source, &sources[file.source].facts().name);
            file.choice = PartChoice::default();
            file.kind = SnapshotKind::Full;
        }
    }
    files
}

/// The best copy of each shard, as a snapshot of its own.
fn shard_files(
    set: &CollectionSet<'_>,
    sources: &[PlanSource<'_, '_>],
    target: &str,
    target_ids: &BTreeMap<u32, u32>,
    made_at: Timestamp,
    names: &mut FileNames,
) -> Vec<FileDraft> {
    let file = |(id, copies): (&u32, &Vec<super::set::Copy<'_>>)| {
        let target_id = target_ids.get(id)?;
        let source = copies[0].member.source;
        let taken = sources[source].facts().taken_at.unwrap_or(made_at);
        Some(FileDraft {
            path: names.path(
                &format!("snapshots/{target}/shards/{target_id}"),
                &format!("{target}-shard-{target_id}-{}.snapshot", spelled(taken)),
            ),
            source,
            choice: PartChoice { collection: Some(set.name.to_owned()), shard: Some(*id) },
            kind: SnapshotKind::Shard,
            shards: vec![*id],
        })
    };
    set.shards.iter().filter_map(file).collect()
}
