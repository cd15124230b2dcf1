//! Which versions of Qdrant can load a snapshot, and why.
//!
//! *Official rule*: a snapshot is restored by the minor version that made it or by the next one. It says nothing about a
//! snapshot whose maker is not known, and much more works. So both are told apart: what the files allow ([`Verdict`]) and
//! what the rule allows ([`OfficialRule`]).
//!
//! All of it is read off headers and small files. It is what Qdrant's sources and maintainers say ([`CompatEvidence`]); no
//! server was asked. Damage is not looked for, and of releases after [`NEWEST`] nothing is claimed.

mod collect;
mod release;
mod sign;

use std::collections::BTreeMap;

use serde::Serialize;
use vectar_tar::{Catalogue, CatalogueRow};

use crate::outline::{SnapshotKind, SnapshotOutline};
use crate::version::{QdrantVersion, VersionRange};

use collect::Signs;

pub use release::{NEWEST, QdrantVersionInvalid, RELEASES};
pub use sign::{CompatBound, CompatCaveat, CompatEvidence, CompatSign};

/// Which versions can have written a collection in a snapshot, and which can load it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compatibility {
    /// The collection, where the snapshot says its name.
    pub collection: Option<String>,
    /// Which versions can have written the snapshot.
    pub written_by: VersionRange,
    /// Which versions can load it.
    pub restorable_by: LoadRange,
    /// Everything that bounds the versions, the tightest bound of each side first.
    pub reasons: Vec<CompatReason>,
    /// What else is to be known.
    pub caveats: Vec<CompatRemark>,
}

/// The versions that can load a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoadRange {
    /// Oldest that is known to, inclusive; `None` when nothing is known to be too old.
    pub at_least: Option<QdrantVersion>,
    /// First that is known not to any more, exclusive.
    pub before: Option<QdrantVersion>,
}

/// One thing that bounds the versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompatReason {
    /// What it is.
    pub sign: CompatSign,
    /// Which versions can load it.
    pub bound: CompatBound,
    /// How that is known.
    pub evidence: CompatEvidence,
    /// Where it was first seen.
    pub place: String,
}

/// One thing to know beside the versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CompatRemark {
    /// What it is.
    pub caveat: CompatCaveat,
    /// Where it was first seen.
    pub place: String,
}

/// Whether a version can load a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing in it is known to be in the way.
    Ok,
    /// Only after these versions, one after the other, have loaded it and taken a new snapshot.
    Via(Vec<QdrantVersion>),
    /// Only over the shard that it was made for: it is a partial snapshot.
    NotAlone,
    /// Not at all.
    No,
    /// It cannot be told.
    Unknown,
}

impl Verdict {
    /// The word for it in tables and JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Via(_) => "via",
            Self::NotAlone => "not-alone",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether the official rule covers a restore: the version that made the snapshot, or the next minor one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OfficialRule {
    /// Whichever version made it.
    Kept,
    /// It depends on which of the versions that can have made it did.
    Depends,
    /// Whichever version made it, the distance is too great.
    Broken,
}

impl Compatibility {
    /// Judges each collection of a snapshot; a snapshot of no known kind counts as one.
    ///
    /// `read_small` gives the stored bytes of a row, as for [`SnapshotOutline::build`]: here of the shard key mapping and of
    /// the configuration of Gridstores.
    pub fn of(
        outline: &SnapshotOutline,
        catalogue: &Catalogue,
        read_small: impl FnMut(&CatalogueRow) -> Option<Vec<u8>>,
    ) -> Vec<Self> {
        let mut signs = Signs::by_collection(catalogue, read_small);
        if outline.collections.is_empty() {
            let mut unknown = Signs::default();
            // A full snapshot without collections is loaded, and nothing is in it.
            if outline.kind != SnapshotKind::Full {
                unknown.warn(CompatCaveat::KindUnknown, "the snapshot");
            }
            return vec![Self::conclude(None, outline, unknown)];
        }
        let judged = outline.collections.iter().map(|collection| {
            let mut signs = signs.remove(&collection.file).unwrap_or_default();
            signs.see_collection(collection);
            if outline.kind == SnapshotKind::ShardPartial {
                signs.caveats.remove(&CompatCaveat::StateUnread);
                signs.warn(CompatCaveat::PartialAlone, "the snapshot");
            }
            if collection.config.is_none() && matches!(outline.kind, SnapshotKind::Collection | SnapshotKind::Full) {
                signs.warn(CompatCaveat::StateUnread, "config.json");
            }
            Self::conclude(collection.name.clone(), outline, signs)
        });
        judged.collect()
    }

    fn conclude(collection: Option<String>, outline: &SnapshotOutline, signs: Signs) -> Self {
        let Signs { signs, caveats, .. } = signs;
        let reasons: Vec<CompatReason> = sorted(signs);
        let at_least = reasons.iter().filter_map(|reason| match reason.bound {
            CompatBound::AtLeast(version) => Some(version),
            CompatBound::Before { .. } => None,
        });
        let before = reasons.iter().filter_map(|reason| match reason.bound {
            CompatBound::AtLeast(_) => None,
            CompatBound::Before { before, .. } => Some(before),
        });
        Self {
            collection,
            written_by: outline.written_by.clone(),
            restorable_by: LoadRange { at_least: at_least.max(), before: before.min() },
            caveats: caveats.into_iter().map(|(caveat, place)| CompatRemark { caveat, place }).collect(),
            reasons,
        }
    }

    /// Whether `target` can load it.
    ///
    /// An older version than any that can have made it is not vouched for, even where nothing in the files is known to be
    /// in the way: servers are not tested on what later ones wrote.
    pub fn verdict(&self, target: QdrantVersion) -> Verdict {
        let has = |caveat| self.caveats.iter().any(|remark| remark.caveat == caveat);
        let is_too_old = self.restorable_by.at_least.is_some_and(|at_least| target < at_least);
        if is_too_old {
            return Verdict::No;
        }
        let Some(stops) = self.stops_before(target) else { return Verdict::No };
        let is_downgrade = self.written_by.at_least.is_some_and(|at_least| target.line() < at_least.line());
        let is_hidden = self.caveats.iter().any(|remark| remark.caveat.hides_the_answer());
        match stops.is_empty() {
            _ if is_hidden || is_downgrade || target.is_unknown_future() => Verdict::Unknown,
            _ if has(CompatCaveat::PartialAlone) => Verdict::NotAlone,
            true => Verdict::Ok,
            false => Verdict::Via(stops),
        }
    }

    /// The fewest releases that must have loaded and rewritten it before `target` can; `None` when no known release both
    /// loads and rewrites it.
    ///
    /// Each wall is a window of versions that read the old form and rewrite it. The newest release before the nearest wall
    /// passes as many of them as any release can.
    fn stops_before(&self, target: QdrantVersion) -> Option<Vec<QdrantVersion>> {
        let mut walls: Vec<(QdrantVersion, QdrantVersion)> = self
            .reasons
            .iter()
            .filter_map(|reason| match reason.bound {
                CompatBound::Before { before, rewritten_from } if before <= target => Some((before, rewritten_from)),
                _ => None,
            })
            .collect();
        walls.sort_unstable();
        let mut stops = Vec::new();
        while let Some(&(before, rewritten_from)) = walls.first() {
            let stop = release::newest_before(before)?;
            if stop < rewritten_from || self.restorable_by.at_least.is_some_and(|at_least| stop < at_least) {
                return None;
            }
            stops.push(stop);
            walls.retain(|&(_, rewritten_from)| stop < rewritten_from);
        }
        Some(stops)
    }

    /// Whether the official rule covers loading it with `target`.
    pub fn official(&self, target: QdrantVersion) -> OfficialRule {
        let makers = self.makers();
        let covered = self.official_makers(target).len();
        match covered {
            0 => OfficialRule::Broken,
            _ if covered == makers.len() => OfficialRule::Kept,
            _ => OfficialRule::Depends,
        }
    }

    /// The minor versions, as their last patch, that can have made it and from which the official rule leads to `target`.
    pub fn official_makers(&self, target: QdrantVersion) -> Vec<QdrantVersion> {
        let place = |version: QdrantVersion| RELEASES.iter().position(|release| release.line() == version.line());
        // The first unknown minor version is the next one of the newest that is known.
        let next_unknown = (NEWEST.major, NEWEST.minor + 1) == target.line();
        let target = place(target).or_else(|| next_unknown.then_some(RELEASES.len()));
        let Some(target) = target else { return Vec::new() };
        let near = |maker: &QdrantVersion| place(*maker).is_some_and(|maker| maker == target || maker + 1 == target);
        self.makers().into_iter().filter(near).collect()
    }

    /// The minor versions that can have made it, as their last patch.
    fn makers(&self) -> Vec<QdrantVersion> {
        let VersionRange { at_least, before, .. } = &self.written_by;
        // The first version of a minor version's line tells whether all of the line is excluded.
        let first = |release: QdrantVersion| QdrantVersion { patch: 0, ..release };
        let can = |release: &QdrantVersion| {
            at_least.is_none_or(|at_least| at_least.line() <= release.line())
                && before.is_none_or(|before| first(*release) < before)
        };
        RELEASES.into_iter().filter(can).collect()
    }
}

/// Reasons with the tightest bound of each side first, lower bounds before walls.
fn sorted(signs: BTreeMap<CompatSign, String>) -> Vec<CompatReason> {
    let reason = |(sign, place): (CompatSign, String)| CompatReason {
        sign,
        bound: sign.bound(),
        evidence: sign.evidence(),
        place,
    };
    let (mut lower, mut upper): (Vec<_>, Vec<_>) =
        signs.into_iter().map(reason).partition(|reason| matches!(reason.bound, CompatBound::AtLeast(_)));
    lower.sort_by_key(|reason| std::cmp::Reverse(reason.bound.version()));
    upper.sort_by_key(|reason| reason.bound.version());
    lower.append(&mut upper);
    lower
}
