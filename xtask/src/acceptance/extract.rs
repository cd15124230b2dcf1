//! What it costs to take one shard out of a backup of a large collection.

use anyhow::{Context, Result, ensure};

use super::claim::Claim;
use super::measured::{Measured, same_bytes};
use super::{GIB, MIB, Scene, len};

/// What may be read for a shard, as a part of what it takes in the repository: framing of the whole snapshot comes to it, the chunk index, and
/// chunks that the shard shares with its neighbours.
const READ_PERCENT_MAX: u64 = 120;

/// Anonymous memory: the cache of decoded chunks takes half of it.
const MEMORY_BYTES_MAX: u64 = 128 * MIB;

/// Shards of the collection, and the one that is taken out.
const SHARDS: &str = "4";
const SHARD: &str = "2";

/// Measures `extract` of one shard of 2 GiB; `alone` stores that shard and nothing else.
///
/// # Errors
///
/// When a corpus cannot be made, or a command fails.
pub(super) fn measure_extract(scene: &Scene<'_>, alone: &Scene<'_>) -> Result<Vec<Claim>> {
    let arguments = ["--size", "2GiB", "--generations", "1", "--shards", SHARDS];
    let snapshot = scene.corpus(&arguments, "00-base.snapshot")?;
    let bytes = len(&snapshot)?;
    ensure!(bytes.abs_diff(2 * GIB) < GIB / 10, "{bytes} bytes were made, 2 GiB wanted");
    scene.vectar().arg("init").measured()?;
    scene.vectar().arg("ingest").arg(&snapshot).measured()?;
    let (from_backup, from_file) = (scene.folder.join("backup.snapshot"), scene.folder.join("file.snapshot"));
    let shard = || scene.vectar().args(["extract", "--shard", SHARD, "-o"]);
    let of_backup = shard().arg(&from_backup).arg("latest").measured()?;
    let of_file = shard().arg(&from_file).arg(&snapshot).measured()?;
    let shard_bytes = len(&from_backup)?;
    let stored = stored_alone(alone, &from_backup)?;
    scene.vectar().args(["verify", "--deep"]).arg(&from_backup).measured()?;
    let same = same_bytes(&from_backup, &from_file)?;
    let (read, file_read) = (of_backup.read_bytes, of_file.read_bytes);
    let claims = vec![
        Claim::holds("one shard of four of 2 GiB: file and backup give the same", same && shard_bytes > bytes / 5),
        Claim::at_most_bytes("  backup: bytes read, of 1.2 times those stored", stored * READ_PERCENT_MAX / 100, read),
        Claim::at_most_bytes("  backup: anonymous memory", MEMORY_BYTES_MAX, of_backup.memory()?),
        Claim::figure("  backup: rate", of_backup.rate(shard_bytes)),
        Claim::at_most_bytes(
            "  file: bytes read, of 1.2 times its length",
            shard_bytes * READ_PERCENT_MAX / 100,
            file_read,
        ),
        Claim::at_most_bytes("  file: anonymous memory", MEMORY_BYTES_MAX, of_file.memory()?),
    ];
    scene.discard()?;
    alone.discard()?;
    Ok(claims)
}

/// What the shard takes in a repository of its own.
fn stored_alone(scene: &Scene<'_>, shard: &std::path::Path) -> Result<u64> {
    scene.vectar().arg("init").measured()?;
    let Measured { stdout, .. } = scene.vectar().args(["--json", "ingest"]).arg(shard).measured()?;
    let behind = stdout.split("\"new_bytes\":").nth(1).unwrap_or_default();
    let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().context("ingest says by how much the repository grew")
}
