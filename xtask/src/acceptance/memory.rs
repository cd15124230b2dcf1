//! Anonymous memory of an ingest and of a whole rebuild, for snapshots of very different lengths and for the two budgets that matter: the usual
//! one and the least.

use anyhow::{Result, ensure};

use super::claim::Claim;
use super::{GIB, MIB, Scene, len, remove_file};

/// Lengths of the snapshots, as their maker takes them, and in bytes.
const LENGTHS: [(&str, u64); 3] = [("512MiB", 512 * MIB), ("2GiB", 2 * GIB), ("8GiB", 8 * GIB)];

/// `--memory`, and in bytes.
const BUDGETS: [(&str, u64); 2] = [("512MiB", 512 * MIB), ("320MiB", 320 * MIB)];

/// What a process takes above its budget: code, stacks, what an allocator holds back.
const ABOVE_BUDGET_BYTES_MAX: u64 = 64 * MIB;

/// By how much an ingest of 8 GiB may be above one of 2 GiB: the page cache of the chunk index, which stops at 32 MiB, is full only then. Buffers of the
/// pipeline are full with 2 GiB, and not yet with the shortest.
const GROWTH_BYTES_MAX: u64 = 64 * MIB;

/// Stores a snapshot of each length with each budget and rebuilds it; the digest of what comes back is compared with that of what went in.
///
/// # Errors
/// When a corpus cannot be made, or a command fails.
pub(super) fn measure_memory(scenes: &[Scene<'_>; 3]) -> Result<Vec<Claim>> {
    let mut claims = Vec::new();
    let mut of_ingests: [Vec<u64>; 2] = Default::default();
    for (scene, (shown, wanted)) in scenes.iter().zip(LENGTHS) {
        let snapshot = scene.corpus(&["--size", shown, "--generations", "1"], "00-base.snapshot")?;
        let bytes = len(&snapshot)?;
        ensure!(bytes.abs_diff(wanted) < wanted / 10, "{bytes} bytes were made, {wanted} wanted");
        for ((budget, budget_bytes), of_ingests) in BUDGETS.into_iter().zip(&mut of_ingests) {
            let vectar = || scene.vectar().args(["--memory", budget]);
            vectar().arg("init").measured()?;
            let stored = vectar().arg("ingest").arg(&snapshot).measured()?.memory()?;
            let rebuilt = vectar().args(["verify", "latest"]).measured()?.memory()?;
            scene.empty()?;
            of_ingests.push(stored);
            let most = budget_bytes + ABOVE_BUDGET_BYTES_MAX;
            claims.push(Claim::at_most_bytes(&format!("{shown}, --memory {budget}: ingest"), most, stored));
            claims.push(Claim::at_most_bytes("  whole rebuild, digests compared", most, rebuilt));
        }
        remove_file(&snapshot)?;
        scene.discard()?;
    }
    for ((budget, _), of_ingests) in BUDGETS.iter().zip(&of_ingests) {
        let [_, of_middle, of_long] = of_ingests[..] else { unreachable!("one for each length") };
        let what = format!("--memory {budget}: an ingest of 8 GiB, above one of 2 GiB");
        claims.push(Claim::at_most_bytes(&what, GROWTH_BYTES_MAX, of_long.saturating_sub(of_middle)));
    }
    Ok(claims)
}
