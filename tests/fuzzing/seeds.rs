//! Inputs to begin with that are cut from the real snapshots of the fixtures when they are needed: too large to be kept beside them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::OnceLock,
};

use vectar_qdrant::{BodyPath, Identity, storage::Owner};
use vectar_tar::{RowRole, SplitOptions, catalogue};
use vectar_testkit::{
    corpus::{CorpusOptions, IdKind, Layout, OptimizedStorage, Step, write_snapshot},
    fixtures,
};

use super::bundle::{Bundle, BundledFile};

/// Longest seed, in bytes: what a mutating loop copies for each input.
pub(super) const SEED_BYTES_MAX: usize = 96 * 1024;

/// Most seeds of a target.
const SEEDS_MAX: usize = 10;

/// The fixtures that have every kind of file in little room.
const SNAPSHOTS: [(&str, &str); 5] = [
    ("kinds", "empty"),
    ("kinds", "shard"),
    ("notes", "03-delete-33pct-vacuum"),
    ("catalog", "02-payload-3pct"),
    ("catalog", "03-delete-33pct-vacuum"),
];

/// Everything in these snapshots by owner, the small ones first.
fn owners() -> &'static [(Owner, Bundle)] {
    static OWNERS: OnceLock<Vec<(Owner, Bundle)>> = OnceLock::new();
    OWNERS.get_or_init(|| {
        let chosen = fixtures::snapshots().into_iter();
        let chosen = chosen.filter(|one| SNAPSHOTS.contains(&(one.series.as_str(), one.name.as_str())));
        let chosen = chosen.map(|one| fs::read(one.path).expect("fixtures are there")).chain(made().iter().cloned());
        let mut owners: Vec<(Owner, Bundle)> = chosen.flat_map(|bytes| of_snapshot(&bytes)).collect();
        owners.sort_by_key(|(_, bundle)| bundle.encode().len());
        owners
    })
}

fn of_snapshot(bytes: &[u8]) -> BTreeMap<Owner, Bundle> {
    let listed = catalogue(bytes, &SplitOptions::default()).expect("memory can be read");
    let mut owners: BTreeMap<Owner, Bundle> = BTreeMap::new();
    for row in listed.rows.iter().filter(|row| matches!(row.role, RowRole::Leaf { .. })) {
        let Some(entry) = row.head.entry().filter(|entry| !entry.is_directory()) else { continue };
        let stored = &bytes[row.head.offset as usize..][..row.len as usize];
        let file = match &entry.sparse {
            None => BundledFile::of(stored.to_vec(), 0),
            Some(map) => {
                let end = map.segments().last().map_or(0, |last| last.logical().end);
                let mut expanded = vec![0; end as usize];
                for run in map.segments() {
                    let (from, to) = (run.stored(), run.logical());
                    expanded[to.start as usize..to.end as usize]
                        .copy_from_slice(&stored[from.start as usize..from.end as usize]);
                }
                BundledFile::of(expanded, map.logical_len() - end)
            }
        };
        let identity = Identity::of(&BodyPath::from(&row.head.path));
        let owner =
            Owner { collection_file: identity.collection_file, shard: identity.shard, segment: identity.segment };
        owners.entry(owner).or_default().files.insert(identity.path, file);
    }
    owners
}

/// Files of each segment as inputs: what `choose` makes of it, the same names at most twice, small ones first.
fn of_segments(choose: impl Fn(&Bundle) -> Vec<Bundle>) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let mut seen: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for (_, bundle) in owners().iter().filter(|(owner, _)| owner.segment.is_some()) {
        for part in choose(bundle) {
            let times = seen.entry(part.files.keys().cloned().collect()).or_default();
            let seed = part.encode();
            if !part.files.is_empty() && *times < 2 && seeds.len() < SEEDS_MAX && seed.len() <= SEED_BYTES_MAX {
                *times += 1;
                seeds.push(seed);
            }
        }
    }
    seeds
}

/// The files whose path `rename` knows, under that name.
fn renamed(bundle: &Bundle, rename: impl Fn(&str) -> Option<String>) -> Bundle {
    let files = bundle.files.iter().filter_map(|(path, file)| Some((rename(path)?, file.clone())));
    Bundle { files: files.collect() }
}

fn below(path: &str, directory: &str, other: &str) -> Option<String> {
    path.strip_prefix(directory)?.strip_prefix('/').map(|rest| format!("{other}/{rest}"))
}

pub(super) fn id_trackers() -> Vec<Vec<u8>> {
    of_segments(|segment| vec![renamed(segment, |path| path.contains("id_tracker.").then(|| path.to_owned()))])
}

pub(super) fn payloads() -> Vec<Vec<u8>> {
    of_segments(|segment| vec![renamed(segment, |path| below(path, "payload_storage", "payload_storage"))])
}

pub(super) fn gridstores() -> Vec<Vec<u8>> {
    of_segments(|segment| {
        let directories = segment.files.keys().filter_map(|path| path.strip_suffix("/tracker.dat"));
        directories.map(|directory| renamed(segment, |path| below(path, directory, "store"))).collect()
    })
}

/// Each vector of a segment under the empty name, with what `segment.json` says of it.
fn vectors(segment: &Bundle, member: &str) -> Vec<Bundle> {
    let Some(text) = segment.bytes("segment.json") else { return Vec::new() };
    let Ok(root) = serde_json::from_slice::<serde_json::Value>(text) else { return Vec::new() };
    let states = root["config"][member].as_object().cloned().unwrap_or_default();
    let of_one = |(name, state): (String, serde_json::Value)| {
        let suffix = if name.is_empty() { String::new() } else { format!("-{name}") };
        let mut part = renamed(segment, |path| {
            let storage = below(path, &format!("vector_storage{suffix}"), "vector_storage");
            storage.or_else(|| below(path, &format!("vector_index{suffix}"), "vector_index"))
        });
        part.files.insert("state.json".to_owned(), BundledFile::of(state.to_string().into_bytes(), 0));
        part
    };
    states.into_iter().map(of_one).collect()
}

fn is_multi(part: &Bundle) -> bool {
    part.files.keys().any(|path| path.starts_with("vector_storage/offsets/"))
}

pub(super) fn dense_vectors() -> Vec<Vec<u8>> {
    of_segments(|segment| vectors(segment, "vector_data").into_iter().filter(|part| !is_multi(part)).collect())
}

pub(super) fn multivectors() -> Vec<Vec<u8>> {
    of_segments(|segment| vectors(segment, "vector_data").into_iter().filter(is_multi).collect())
}

pub(super) fn sparse_vectors() -> Vec<Vec<u8>> {
    of_segments(|segment| vectors(segment, "sparse_vector_data"))
}

pub(super) fn quantized_vectors() -> Vec<Vec<u8>> {
    let is_quantized = |part: &Bundle| part.files.contains_key("vector_storage/quantized.config.json");
    of_segments(|segment| vectors(segment, "vector_data").into_iter().filter(is_quantized).collect())
}

pub(super) fn graphs() -> Vec<Vec<u8>> {
    let is_graph = |path: &str| path.starts_with("vector_index/").then(|| path.to_owned());
    of_segments(|segment| vectors(segment, "vector_data").iter().map(|part| renamed(part, is_graph)).collect())
}

/// All JSON of the snapshots, each text once, as it is.
pub(super) fn small_json() -> Vec<Vec<u8>> {
    let files = owners().iter().flat_map(|(_, bundle)| &bundle.files);
    let texts = files.filter(|(path, file)| path.ends_with(".json") && file.bytes.len() <= 4096);
    let texts: BTreeSet<Vec<u8>> = texts.map(|(_, file)| file.bytes.clone()).collect();
    texts.into_iter().take(100).collect()
}

pub(super) fn clocks() -> Vec<Vec<u8>> {
    let files = owners().iter().flat_map(|(_, bundle)| &bundle.files);
    let files = files.filter(|(path, _)| path.ends_with("_clocks.json"));
    files.map(|(_, file)| file.bytes.clone()).take(SEEDS_MAX).collect()
}

pub(super) fn wals() -> Vec<Vec<u8>> {
    let of_shard = |(_, bundle): &(Owner, Bundle)| {
        let seed = renamed(bundle, |path| path.starts_with("wal/").then(|| path.to_owned()));
        (!seed.files.is_empty()).then(|| seed.encode()).filter(|seed| seed.len() <= SEED_BYTES_MAX)
    };
    owners().iter().filter_map(of_shard).take(SEEDS_MAX).collect()
}

/// Whole shards: their own files, and those of their segments below `segments/<number>/`.
pub(super) fn shards() -> Vec<Vec<u8>> {
    let snapshots = made().iter().map(|bytes| of_snapshot(bytes));
    let shards = snapshots.map(|owners| {
        let mut shard = Bundle::default();
        for (number, (owner, bundle)) in owners.into_iter().enumerate() {
            let prefix = if owner.segment.is_some() { format!("segments/{number}/") } else { String::new() };
            let is_own = |path: &str| owner.segment.is_some() || path.contains("clocks");
            shard.files.extend(renamed(&bundle, |path| is_own(path).then(|| format!("{prefix}{path}"))).files);
        }
        shard.encode()
    });
    shards.collect()
}

/// Whole snapshots.
pub(super) fn snapshots() -> Vec<Vec<u8>> {
    let empty = fixtures::series("kinds").into_iter().filter(|one| one.name == "empty");
    empty.map(|one| fs::read(one.path).expect("fixtures are there")).chain(made().iter().cloned()).collect()
}

/// Small snapshots of each layout, storage and kind of ids, after all that can happen to points.
fn made() -> &'static [Vec<u8>] {
    static MADE: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    MADE.get_or_init(|| {
        let all = [
            (Layout::Collection, OptimizedStorage::Hnsw, IdKind::Mixed),
            (Layout::Shard, OptimizedStorage::Mmap, IdKind::Uuid),
            (Layout::Streamed, OptimizedStorage::Plain, IdKind::Numeric),
        ];
        all.map(|(layout, optimized, ids)| {
            let mut step = Step { insert_permille: 300, payload_permille: 200, ..Step::unchanged() };
            (step.vector_permille, step.delete_permille) = (200, 200);
            let options = CorpusOptions {
                points: 24,
                dimensions: 4,
                ids,
                payload_bytes: 200,
                optimized,
                wal_bytes_max: 4096,
                layout,
                steps: vec![step],
                ..CorpusOptions::default()
            };
            let mut snapshot = Vec::new();
            write_snapshot(&options, 1, &mut snapshot).expect("the options are within their limits");
            snapshot
        })
        .to_vec()
    })
}
