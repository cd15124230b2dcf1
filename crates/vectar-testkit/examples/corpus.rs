//! Writes a corpus: a series of structurally valid Qdrant snapshots, or one sparse giant.
//!
//! `cargo xtask corpus …` hands its arguments on to this program.

#![expect(clippy::print_stdout, reason = "a program's results go to stdout")]
#![expect(clippy::disallowed_methods, reason = "a corpus is plain files, not part of a repository")]

use std::collections::VecDeque;
use std::fmt::Display;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use vectar_testkit::corpus::{
    CorpusOptions, Distance, IdKind, Layout, OptimizedStorage, SparseGiantOptions, Step, VectorContent,
    points_for_bytes, write_series, write_sparse_giant,
};

const HELP: &str = "\
Write a corpus of structurally valid Qdrant 1.18 snapshots, deterministic from a seed.

Usage: corpus --out DIR [OPTIONS]

  --out DIR              folder for NN-<step>.snapshot and truth.json (created)
  --seed N               decides all content                              [1]
  --points N             points of the first snapshot                     [1000]
  --size SIZE            instead of --points: length of the first snapshot, such as 2GiB
  --dim N                components per vector                            [384]
  --generations N        snapshots in the series                          [8]
  --steps KIND           usual | daily | growing | restless: between them [usual]
  --first N              number of the first snapshot that is written     [0]
  --ids KIND             numeric | uuid | mixed                           [uuid]
  --layout KIND          collection | shard | streamed                    [collection]
  --distance KIND        cosine | dot | euclid | manhattan                [cosine]
  --optimized KIND       hnsw | mmap | plain: storage of optimized segments [hnsw]
  --vectors KIND         gaussian | half                                  [gaussian]
  --payload-bytes N      JSON bytes per payload, nearly                   [400]
  --shards N             shards of a collection                           [1]
  --segments N           optimized segments per shard                     [1]
  --wal-bytes SIZE       most bytes of operations in a shard's WAL        [16MiB]
  --collection NAME      name used in truth.json                          [corpus]
  --sparse-giant         write DIR/sparse-giant.snapshot instead: 3 GiB stored, two sparse
                         entries of 9 GiB each; --size sets the stored bytes
  --help                 print this

A SIZE is a number with an optional unit: KiB, MiB, GiB, TiB, or B.
";

fn main() -> ExitCode {
    match Arguments::parse(std::env::args().skip(1)).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Help) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(Failure::Usage(message)) => fail(2, &message),
        Err(Failure::Corpus(message)) => fail(1, &message),
    }
}

fn fail(code: u8, message: &str) -> ExitCode {
    use std::io::Write as _;
    // A closed stderr cannot be reported anywhere.
    let _ = writeln!(std::io::stderr(), "error: {message}");
    ExitCode::from(code)
}

enum Failure {
    Help,
    Usage(String),
    Corpus(String),
}

struct Arguments {
    out: PathBuf,
    options: CorpusOptions,
    size: Option<u64>,
    sparse_giant: bool,
}

impl Arguments {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut left: VecDeque<String> = arguments.collect();
        let mut out = None;
        let (mut size, mut sparse_giant, mut options) = (None, false, CorpusOptions::default());
        let (mut generations, mut steps) = (8, Step::usual());
        while let Some(flag) = left.pop_front() {
            match flag.as_str() {
                "--help" | "-h" => return Err(Failure::Help),
                "--sparse-giant" => {
                    sparse_giant = true;
                    continue;
                }
                _ => {}
            }
            let value = left
                .pop_front()
                .ok_or_else(|| Failure::Usage(format!("{flag} needs a value (or is unknown; see --help)")))?;
            match flag.as_str() {
                "--out" => out = Some(PathBuf::from(value)),
                "--size" => size = Some(parse_size(&flag, &value)?),
                "--generations" => generations = parse_number(&flag, &value)?,
                "--steps" => steps = parse_steps(&flag, &value)?,
                _ => options = with_option(options, &flag, value)?,
            }
        }
        let out = out.ok_or_else(|| Failure::Usage("--out DIR is required".to_owned()))?;
        Ok(Self { out, options: options.repeating(&steps, generations), size, sparse_giant })
    }
}

/// Sets one option of the series.
fn with_option(mut options: CorpusOptions, flag: &str, value: String) -> Result<CorpusOptions, Failure> {
    match flag {
        "--seed" => options.seed = parse_number(flag, &value)?,
        "--points" => options.points = parse_number(flag, &value)?,
        "--dim" => options.dimensions = parse_number(flag, &value)?,
        "--first" => options.first_generation = parse_number(flag, &value)?,
        "--payload-bytes" => options.payload_bytes = parse_number(flag, &value)?,
        "--shards" => options.shards = parse_number(flag, &value)?,
        "--segments" => options.segments_per_shard = parse_number(flag, &value)?,
        "--wal-bytes" => options.wal_bytes_max = parse_size(flag, &value)?,
        "--collection" => options.collection = value,
        "--ids" => {
            options.ids = parse_kind(
                flag,
                &value,
                &[("numeric", IdKind::Numeric), ("uuid", IdKind::Uuid), ("mixed", IdKind::Mixed)],
            )?;
        }
        "--layout" => {
            options.layout = parse_kind(
                flag,
                &value,
                &[("collection", Layout::Collection), ("shard", Layout::Shard), ("streamed", Layout::Streamed)],
            )?;
        }
        "--distance" => {
            options.distance = parse_kind(
                flag,
                &value,
                &[
                    ("cosine", Distance::Cosine),
                    ("dot", Distance::Dot),
                    ("euclid", Distance::Euclid),
                    ("manhattan", Distance::Manhattan),
                ],
            )?;
        }
        "--optimized" => {
            options.optimized = parse_kind(
                flag,
                &value,
                &[
                    ("hnsw", OptimizedStorage::Hnsw),
                    ("mmap", OptimizedStorage::Mmap),
                    ("plain", OptimizedStorage::Plain),
                ],
            )?;
        }
        "--vectors" => {
            options.vectors = parse_kind(
                flag,
                &value,
                &[("gaussian", VectorContent::Gaussian), ("half", VectorContent::HalfPrecision)],
            )?;
        }
        _ => return Err(Failure::Usage(format!("unknown option {flag}; see --help"))),
    }
    Ok(options)
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    if arguments.sparse_giant {
        return run_sparse_giant(&arguments);
    }
    let mut options = arguments.options;
    if let Some(bytes) = arguments.size {
        options.validate().map_err(|error| Failure::Usage(describe(&error)))?;
        options.points = points_for_bytes(&options, bytes);
    }
    write_series(&options, &arguments.out, |snapshot| {
        println!(
            "{} {} {} bytes, {} points",
            snapshot.sha256,
            snapshot.path.display(),
            snapshot.bytes,
            snapshot.points
        );
    })
    .map_err(|error| Failure::Corpus(describe(&error)))?;
    Ok(())
}

fn run_sparse_giant(arguments: &Arguments) -> Result<(), Failure> {
    let failed = |error: &dyn Display| Failure::Corpus(format!("cannot write the sparse giant: {error}"));
    let full = SparseGiantOptions::default();
    let giant = SparseGiantOptions {
        seed: arguments.options.seed,
        stored_bytes: arguments.size.unwrap_or(full.stored_bytes),
        ..full
    };
    std::fs::create_dir_all(&arguments.out).map_err(|error| failed(&error))?;
    let path = arguments.out.join("sparse-giant.snapshot");
    let file = File::create(&path).map_err(|error| failed(&error))?;
    let bytes = write_sparse_giant(&giant, file).map_err(|error| Failure::Corpus(describe(&error)))?;
    println!("{} {bytes} bytes", path.display());
    Ok(())
}

/// Spells an error with its causes.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn parse_number<N: FromStr<Err: Display>>(flag: &str, value: &str) -> Result<N, Failure> {
    value.parse().map_err(|error| Failure::Usage(format!("{flag} {value}: {error}")))
}

fn parse_steps(flag: &str, value: &str) -> Result<Vec<Step>, Failure> {
    match value {
        "usual" => Ok(Step::usual()),
        "daily" => Ok(vec![Step::day()]),
        "growing" => Ok(vec![Step::growth()]),
        "restless" => Ok(Step::restless()),
        _ => Err(Failure::Usage(format!("{flag} {value}: expected one of usual, daily, growing, restless"))),
    }
}

fn parse_kind<K: Copy>(flag: &str, value: &str, kinds: &[(&str, K)]) -> Result<K, Failure> {
    let found = kinds.iter().find(|(name, _)| *name == value);
    found.map(|(_, kind)| *kind).ok_or_else(|| {
        let names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
        Failure::Usage(format!("{flag} {value}: expected one of {}", names.join(", ")))
    })
}

fn parse_size(flag: &str, value: &str) -> Result<u64, Failure> {
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &value[digits.len()..] {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        unit => {
            return Err(Failure::Usage(format!("{flag} {value}: unknown unit {unit}")));
        }
    };
    let number: u64 = parse_number(flag, digits)?;
    number.checked_mul(1 << shift).ok_or_else(|| Failure::Usage(format!("{flag} {value}: too large")))
}
