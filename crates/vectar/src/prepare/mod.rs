//! Preparing a restore offline: pick, prove, take apart, stage, and say exactly what to call.
//!
//! **Invariants:** nothing is loaded over what exists: every target is a name that must be free. What the plan says is data
//! ([`RestorePlan`]); the Markdown and the script are written from it and add nothing. What is staged appears under its name when all of it is
//! there, or not at all. Names that come from a snapshot are hostile: they reach paths, shells and Markdown only through `names` and the
//! quoting of `render`.
//!
//! ```text
//! sources ─► facts ─► sets ─► checks, drafts ─► stage ─► plan ─► PLAN.md, plan.json, restore.sh
//! ```
//!
//! What servers answer, and the traps, are those of a Qdrant 1.18.3; where something follows from Qdrant's source alone, the plan says so.

mod calls;
mod checks;
mod concern;
mod draft;
mod facts;
mod names;
mod pick;
mod plan;
mod render;
mod set;
mod stage;
mod topology;
mod traps;

use std::collections::BTreeSet;

use jiff::Timestamp;
use vectar_qdrant::QdrantVersion;
use vectar_repository::TOOL;

pub use concern::{Concern, ConcernLevel};
pub use draft::Location;
pub use facts::{Expected, PlanSource, SourceFacts};
pub use names::Naming;
pub use pick::pick;
pub use plan::{
    AliasSwitch, Call, CollectionPlan, Expect, Method, PLAN_VERSION, PlanNode, ProofLevel, RestorePlan, ShardPlan,
    StagedFile, StartArgument, Step, Where,
};
pub use render::{PLAN_JSON, PLAN_MARKDOWN, SCRIPT, markdown, script};
pub use stage::StageDirectory;
pub use topology::{TargetNode, Topology};

use crate::{
    engine::Engine,
    error::Error,
    observer::{CancelToken, Observer},
};

use self::{
    calls::{Caller, preflight},
    checks::check_set,
    concern::Concerns,
    draft::{Draft, Drafting, draft_of},
    names::FileNames,
    set::CollectionSet,
    stage::{Staged, Stager, first_damage},
};

/// What is wanted.
#[derive(Debug, Clone)]
pub struct PrepareOptions {
    /// Where it goes.
    pub topology: Topology,
    /// Version of the target.
    pub to: Option<QdrantVersion>,
    /// What restored collections are called.
    pub naming: Naming,
    /// How; what fits when it is not said.
    pub by: Option<Method>,
    /// From where servers get the files.
    pub location: Location,
    /// Only these collections; all when there are none.
    pub collections: Vec<String>,
    /// Aliases that the snapshots do not know: alias and collection.
    pub aliases: Vec<(String, String)>,
    /// Prepare what is there although shards are missing.
    pub allow_gaps: bool,
    /// Look at every value in Qdrant's files.
    pub deep: bool,
    /// The time of now.
    pub made_at: Timestamp,
}

/// Prepares a restore from these sources. With a directory everything is staged there and published; without one everything is read all the
/// same, and nothing is written.
///
/// `engine` is that of the backups among the sources, if there are any.
///
/// # Errors
/// [`Error::Refused`] with everything that is in the way; [`Error::PartDamaged`], [`Error::RebuiltWrong`], [`Error::ChecksumMismatch`] when a
/// source is damaged; [`Error::StageFull`]; [`Error::OptionInvalid`]. Nothing is left behind.
pub fn prepare<'e>(
    sources: &[PlanSource<'_, 'e>],
    options: &PrepareOptions,
    engine: Option<&'e Engine>,
    directory: Option<StageDirectory>,
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<RestorePlan, Error> {
    let sets = chosen_sets(sources, options)?;
    let mut concerns = Concerns::default();
    for set in &sets {
        check_set(set, sources, &options.topology, options.to, &mut concerns);
    }
    let drafts = drafts_of(&sets, sources, options, &mut concerns)?;
    refuse(&mut concerns.all, options.allow_gaps)?;
    for (set, draft) in sets.iter().zip(&drafts) {
        traps::warn_of(set, draft, &options.topology, &mut concerns);
    }
    prove_deep(sources, options, observer, cancel)?;
    let stager = Stager { sources, engine, directory: directory.as_ref(), observer, cancel };
    let staged = stager.stage_all(&drafts)?;
    let plan = Planner { sources, sets: &sets, drafts: &drafts, staged: &staged, options }.plan(concerns);
    if let Some(directory) = directory {
        let json = serde_json::to_string_pretty(&plan).expect("a plan has string keys and finite numbers");
        directory.write(PLAN_JSON, &(json + "\n"), false)?;
        directory.write(SCRIPT, &script(&plan), true)?;
        directory.write(PLAN_MARKDOWN, &markdown(&plan), false)?;
        directory.publish()?;
    }
    Ok(plan)
}

fn chosen_sets<'s>(
    sources: &'s [PlanSource<'_, '_>],
    options: &PrepareOptions,
) -> Result<Vec<CollectionSet<'s>>, Error> {
    let mut sets = CollectionSet::of_all(sources);
    let known: Vec<String> = sets.iter().map(|set| set.name.to_owned()).collect();
    if let Some(collection) = options.collections.iter().find(|name| !known.contains(name)) {
        let snapshot = "what was chosen".to_owned();
        return Err(Error::CollectionNotFound { snapshot, collection: collection.clone(), known });
    }
    sets.retain(|set| options.collections.is_empty() || options.collections.iter().any(|name| name == set.name));
    match &options.naming {
        Naming::As(name) if sets.len() > 1 => Err(Error::OptionInvalid {
            what: "the new name",
            value: name.clone(),
            reason: format!("there are {} collections, and each needs a name of its own", sets.len()),
        }),
        _ => Ok(sets),
    }
}

/// How each collection is restored, in the order of the sets. Fewer when one cannot be, which the concerns say.
fn drafts_of(
    sets: &[CollectionSet<'_>],
    sources: &[PlanSource<'_, '_>],
    options: &PrepareOptions,
    concerns: &mut Concerns,
) -> Result<Vec<Draft>, Error> {
    let drafting =
        Drafting { topology: &options.topology, naming: &options.naming, by: options.by, made_at: options.made_at };
    let mut names = FileNames::default();
    let mut drafts = Vec::new();
    for set in sets {
        drafts.extend(draft_of(set, sources, &drafting, &mut names, concerns)?);
    }
    Ok(drafts)
}

/// Ends with everything that is in the way, the gravest first.
fn refuse(concerns: &mut [Concern], allow_gaps: bool) -> Result<(), Error> {
    concerns.sort_by_key(|concern| std::cmp::Reverse(concern.level));
    let least = if allow_gaps { ConcernLevel::Refusal } else { ConcernLevel::Gap };
    let grave: Vec<Concern> = concerns.iter().filter(|concern| concern.level >= least).cloned().collect();
    if grave.is_empty() { Ok(()) } else { Err(Error::Refused { concerns: grave }) }
}

fn prove_deep(
    sources: &[PlanSource<'_, '_>],
    options: &PrepareOptions,
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<(), Error> {
    for source in sources.iter().filter(|_| options.deep) {
        if let Some(finding) = first_damage(source, observer, cancel)? {
            let snapshot = source.inside().content().name();
            return Err(Error::PartDamaged { part: "the inside".to_owned(), snapshot, finding });
        }
    }
    Ok(())
}

/// Puts the plan together.
struct Planner<'p, 'c, 'e> {
    sources: &'p [PlanSource<'c, 'e>],
    sets: &'p [CollectionSet<'p>],
    drafts: &'p [Draft],
    staged: &'p [Staged],
    options: &'p PrepareOptions,
}

impl Planner<'_, '_, '_> {
    fn plan(&self, mut concerns: Concerns) -> RestorePlan {
        let options = self.options;
        let switch = self.aliases();
        let is_full = self.sources.iter().any(|source| source.facts().kind == "full");
        let knows_aliases = is_full || !options.aliases.is_empty();
        traps::warn_generally(self.drafts, &options.location, knows_aliases, is_full, &mut concerns);
        let nodes = self.nodes(&mut concerns);
        concerns.all.sort_by_key(|concern| std::cmp::Reverse(concern.level));
        let line = options.to.map(|version| format!("{}.{}", version.major, version.minor));
        let is_custom = self.sets.iter().any(CollectionSet::is_custom);
        RestorePlan {
            v: PLAN_VERSION,
            made_by: TOOL.to_owned(),
            made_at: options.made_at,
            to: options.to.map(|version| version.to_string()),
            proof: if options.deep { ProofLevel::Deep } else { ProofLevel::Bytes },
            nodes,
            sources: (0..self.sources.len())
                .filter(|index| self.is_used(*index))
                .map(|index| self.source_facts(index))
                .collect(),
            concerns: concerns.all,
            files: self.files(),
            start: self.start(),
            preflight: preflight(&options.topology, line.as_deref(), is_custom),
            collections: self.sets.iter().zip(self.drafts).map(|(set, draft)| self.collection(set, draft)).collect(),
            switch,
        }
    }

    fn is_used(&self, source: usize) -> bool {
        self.sets.iter().flat_map(|set| &set.members).any(|member| member.source == source)
    }

    fn source_facts(&self, index: usize) -> SourceFacts {
        let mut facts = self.sources[index].facts().clone();
        let of_source = |one: &&Staged| one.draft.source == index && one.whole;
        facts.sha256 = facts.sha256.or_else(|| self.staged.iter().find(of_source).map(|one| one.sha256.clone()));
        facts
    }

    fn files(&self) -> Vec<StagedFile> {
        let mut files: Vec<StagedFile> = Vec::new();
        for staged in self.staged {
            if files.iter().any(|file| file.path == staged.draft.path) {
                continue;
            }
            files.push(StagedFile {
                path: staged.draft.path.clone(),
                bytes: staged.bytes,
                sha256: staged.sha256.clone(),
                kind: staged.draft.kind.as_str().to_owned(),
                collection: staged.draft.choice.collection.clone(),
                shard: staged.draft.choice.shard,
                from: self.sources[staged.draft.source].facts().title.clone(),
                whole: staged.whole,
            });
        }
        files
    }

    fn start(&self) -> Vec<StartArgument> {
        let all = self.drafts.iter().flat_map(Draft::start_arguments);
        // A full snapshot is named once for all its collections.
        all.collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn collection(&self, set: &CollectionSet<'_>, draft: &Draft) -> CollectionPlan {
        let caller = Caller {
            set,
            draft,
            topology: &self.options.topology,
            location: &self.options.location,
            staged: self.staged,
        };
        let shards = draft.target_ids.iter().map(|(id, target_id)| {
            let key = set.keys.iter().find(|key| key.shard_ids.contains(id));
            let file = draft.files.iter().find(|file| file.shards.contains(id));
            ShardPlan {
                id: *id,
                target_id: *target_id,
                key: key.map(|key| serde_json::to_value(&key.key).expect("a key is text or a number")),
                expected: set.shards[id][0].shard.points,
                file: file.map(|file| file.path.clone()).unwrap_or_default(),
            }
        });
        CollectionPlan {
            name: set.name.to_owned(),
            target: draft.target.clone(),
            method: draft.method,
            expected: set.points(),
            shards: shards.collect(),
            missing_shards: set.missing.clone(),
            steps: caller.steps(),
        }
    }

    /// Aliases of the restored collections, from full snapshots and from the options.
    fn aliases(&self) -> Vec<AliasSwitch> {
        let known = self.sources.iter().flat_map(PlanSource::aliases).chain(&self.options.aliases);
        let mut switches: Vec<AliasSwitch> = Vec::new();
        for (alias, collection) in known {
            let restored = self.sets.iter().zip(self.drafts).find(|(set, _)| set.name == collection);
            if let Some((set, draft)) = restored
                && !switches.iter().any(|one| one.alias == *alias)
            {
                switches.push(AliasSwitch {
                    alias: alias.clone(),
                    from: set.name.to_owned(),
                    to: draft.target.clone(),
                });
            }
        }
        switches
    }

    fn nodes(&self, concerns: &mut Concerns) -> Vec<PlanNode> {
        let nodes = self.options.topology.nodes.len();
        let each = self.sets.iter().zip(self.drafts).map(|(set, draft)| self.needs(set, draft, nodes));
        let needs_bytes = each.fold(0_u64, u64::saturating_add);
        for node in &self.options.topology.nodes {
            if let Some(free) = node.free_bytes.filter(|free| *free < needs_bytes) {
                concerns.general(
                    ConcernLevel::Warning,
                    "disk-short",
                    format!("{} may need {needs_bytes} bytes and has {free} free", node.name),
                    "make room there first, or restore one collection after the other and delete the uploaded snapshots in between",
                );
            }
        }
        let nodes = self.options.topology.nodes.iter();
        nodes.map(|node| PlanNode { node: node.clone(), needs_bytes }).collect()
    }

    /// The most that one node can come to need for a collection: the files it gets, and the same once more unpacked.
    fn needs(&self, set: &CollectionSet<'_>, draft: &Draft, nodes: usize) -> u64 {
        let of_draft = |one: &&Staged| draft.files.contains(&one.draft);
        let mut lengths: Vec<u64> = self.staged.iter().filter(of_draft).map(|one| one.bytes).collect();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        let copies = usize::try_from(set.replication_factor()).unwrap_or(usize::MAX).min(nodes);
        let on_one = match draft.method {
            Method::Nodes => 1,
            Method::Shards => lengths.len().saturating_mul(copies).div_ceil(nodes),
            Method::Whole | Method::Start => lengths.len(),
        };
        lengths.iter().take(on_one).fold(0_u64, |sum, bytes| sum.saturating_add(*bytes)).saturating_mul(2)
    }
}
