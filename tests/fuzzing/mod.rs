//! Fuzz targets: for each parser of bytes that others made a function that holds it to what it promises, whatever the bytes are.
//!
//! A target is a plain function, so that the same code runs under libFuzzer (`cargo +nightly fuzz run NAME`, see `fuzz/`), under the
//! small mutating loop of [`mutation`] on stable Rust, and over the files of `fixtures/fuzz/NAME`, which `cargo test` replays.
//!
//! - A target panics when a promise is broken and returns a [`Verdict`] when it is kept.
//! - Checksums would keep a fuzzer out, so each input is tried twice: as it is, and with its checksums put right.
//! - What a find broke becomes a file `find-…` in the target's folder, and stays there.

mod encoded;
mod mend;
pub mod mutation;
mod packs;
mod snapshots;
mod texts;

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

/// One parser under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Name of the libFuzzer target and of the folder below `fixtures/fuzz`.
    pub name: &'static str,
    /// Holds the parser to its promises for one input.
    pub check: fn(&[u8]) -> Verdict,
}

/// All targets.
pub const TARGETS: [Target; 11] = [
    Target { name: "tar", check: snapshots::check_tar },
    Target { name: "outline", check: snapshots::check_outline },
    Target { name: "pack-header", check: packs::check_header },
    Target { name: "pack-record", check: packs::check_record },
    Target { name: "pack-footer", check: packs::check_footer },
    Target { name: "recipe-node", check: encoded::check_node },
    Target { name: "chunk", check: encoded::check_chunk },
    Target { name: "config", check: texts::check_config },
    Target { name: "record", check: texts::check_record },
    Target { name: "frames", check: texts::check_frames },
    Target { name: "keys", check: texts::check_keys },
];

/// Runs the target of this name on one input: the body of every libFuzzer target.
///
/// # Panics
/// A promise is broken, or there is no such target.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("the target is listed in TARGETS");
    (target.check)(input);
}
