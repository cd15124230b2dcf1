//! Fuzz targets: for each parser of bytes that others made a function that holds it to what it promises, whatever the bytes are.
//!
//! A target is a plain function, so that the same code runs under libFuzzer (`cargo +nightly fuzz run NAME`, see `fuzz/`), under the
//! small mutating loop of [`mutation`] on stable Rust, and over the files of `fixtures/fuzz/NAME`, which `cargo test` replays.
//!
//! - A target panics when a promise is broken and returns a [`Verdict`] when it is kept.
//! - Checksums would keep a fuzzer out, so each input is tried twice: as it is, and with its checksums put right.
//! - What a find broke becomes a file `find-…` in the target's folder, and stays there.

pub mod bundle;
mod encoded;
mod filters;
mod labels;
mod mend;
pub mod mutation;
mod packs;
mod seeds;
mod segments;
mod shards;
mod snapshots;
mod texts;
mod vectors;

use crate::campaign::Dice;

use self::mutation::{mutated, mutated_bundle, mutated_snapshot};

/// What a parser said to an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken. For a splitter, which refuses nothing: it found no damage.
    Accepted,
    /// It was refused with an error, or reported as damaged.
    Refused,
}

impl Verdict {
    fn of<T, E>(result: &Result<T, E>) -> Self {
        if result.is_ok() { Self::Accepted } else { Self::Refused }
    }

    /// Accepted when one of the two is.
    fn or(self, other: Self) -> Self {
        if self == Self::Accepted { self } else { other }
    }
}

/// Does the same a second time: it must come to the same end.
fn twice(run: impl Fn() -> (Verdict, String)) -> Verdict {
    let (first, second) = (run(), run());
    assert!(first == second, "the second time it is another answer: {} and then {}", first.1, second.1);
    first.0
}

/// One parser under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Name of the libFuzzer target and of the folder below `fixtures/fuzz`.
    pub name: &'static str,
    /// Holds the parser to its promises for one input.
    pub check: fn(&[u8]) -> Verdict,
    /// Makes more inputs to begin with, besides those in the folder.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Makes a new input of some of these.
    pub mutate: fn(&[Vec<u8>], &mut Dice) -> Vec<u8>,
    /// How many inputs `cargo test` makes.
    pub rounds: u64,
}

impl Target {
    /// A target whose inputs are bytes, and cheap.
    const fn bytes(name: &'static str, check: fn(&[u8]) -> Verdict) -> Self {
        Self { name, check, seeds: Vec::new, mutate: mutated, rounds: 2000 }
    }

    /// A target whose inputs are files.
    const fn files(name: &'static str, check: fn(&[u8]) -> Verdict, seeds: fn() -> Vec<Vec<u8>>) -> Self {
        Self { name, check, seeds, mutate: mutated_bundle, rounds: 200 }
    }

    const fn with_seeds(self, seeds: fn() -> Vec<Vec<u8>>) -> Self {
        Self { seeds, ..self }
    }
}

/// All targets.
pub const TARGETS: [Target; 29] = [
    Target::bytes("tar", snapshots::check_tar),
    Target::bytes("outline", snapshots::check_outline),
    Target::bytes("pack-header", packs::check_header),
    Target::bytes("pack-record", packs::check_record),
    Target::bytes("pack-footer", packs::check_footer),
    Target::bytes("recipe-node", encoded::check_node),
    Target::bytes("chunk", encoded::check_chunk),
    Target::bytes("config", texts::check_config),
    Target::bytes("record", texts::check_record),
    Target::bytes("frames", texts::check_frames),
    Target::bytes("keys", texts::check_keys),
    Target::bytes("labels", labels::check_labels),
    Target::bytes("small-json", labels::check_json).with_seeds(seeds::small_json),
    Target::bytes("clocks", labels::check_clocks).with_seeds(seeds::clocks),
    Target::bytes("filter", filters::check_filter),
    Target::bytes("payload-path", filters::check_path),
    Target::bytes("bitmask", segments::check_bitmask),
    Target::files("id-tracker", segments::check_id_tracker, seeds::id_trackers),
    Target::files("gridstore", segments::check_gridstore, seeds::gridstores),
    Target::files("payload", segments::check_payload, seeds::payloads),
    Target::files("dense-vectors", vectors::check_dense, seeds::dense_vectors),
    Target::files("multivectors", vectors::check_dense, seeds::multivectors),
    Target::files("sparse-vectors", vectors::check_sparse, seeds::sparse_vectors),
    Target::files("vector-flags", vectors::check_flags, Vec::new),
    Target::files("quantized", vectors::check_quantized, seeds::quantized_vectors),
    Target::files("graph", vectors::check_graph, seeds::graphs),
    Target::files("wal", shards::check_wal, seeds::wals),
    Target { rounds: 40, ..Target::files("shard", shards::check_shard, seeds::shards) },
    Target {
        rounds: 150,
        mutate: mutated_snapshot,
        ..Target::files("snapshot", shards::check_snapshot, seeds::snapshots)
    },
];

/// Runs the target of this name on one input: the body of every libFuzzer target.
///
/// # Panics
/// A promise is broken, or there is no such target.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("the target is listed in TARGETS");
    (target.check)(input);
}
