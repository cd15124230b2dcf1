//! What a repository of a million chunks costs to open, to catch up with and to prune. The figures come from the example `upkeep`, which
//! counts the bytes that go to and from the storage.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, Result};

use super::{Scene, claim::Claim, measured::measure};

/// Chunks in the large repository, and in the smaller one that shows what is fixed. The smaller one is large enough to fill the page cache
/// of the index, which is the greater part of that: below, memory grows by what is cached as well.
const CHUNKS: u64 = 1_000_000;
const FEW_CHUNKS: u64 = 600_000;

const WARM_OPEN_MAX: Duration = Duration::from_millis(100);
const CATCH_UP_MAX: Duration = Duration::from_secs(2);
const REBUILD_MAX: Duration = Duration::from_secs(20);

/// Memory of a prune's plan for each chunk, above what does not grow.
const MEMORY_PER_CHUNK_MAX: u64 = 16;

/// What a prune reads and what it writes, as a part of what is rewritten and of the metadata, in percent.
const PRUNE_BYTES_PERCENT_MAX: u64 = 130;

/// Figures by name.
type Figures = HashMap<String, u64>;

pub(super) fn measure_upkeep(few: &Scene<'_>, many: &Scene<'_>) -> Result<Vec<Claim>> {
    let (small, large) = (figures(few, FEW_CHUNKS)?, figures(many, CHUNKS)?);
    let figure = |name: &str| large.get(name).copied().with_context(|| format!("upkeep said nothing of {name}"));
    let time = |name: &str| Ok::<_, anyhow::Error>(Duration::from_millis(figure(name)?));
    let allowed = (figure("prune_rewritten_bytes")? + figure("prune_metadata_bytes")?) * PRUNE_BYTES_PERCENT_MAX / 100;
    let growth = |name: &str| {
        let of =
            |figures: &Figures| figures.get(name).copied().with_context(|| format!("upkeep said nothing of {name}"));
        Ok::<_, anyhow::Error>(of(&large)?.saturating_sub(of(&small)?) as f64)
    };
    let per_chunk = growth("prune_plan_memory_bytes")? / growth("prune_chunks")?;
    Ok(vec![
        Claim::at_most_time("10^6 chunks: opening with a warm index", WARM_OPEN_MAX, time("warm_open_ms")?),
        Claim::at_most_time("  catching up with 10^5 in 100 packs", CATCH_UP_MAX, time("catch_up_ms")?),
        Claim::at_most_time("  rebuilding the index", REBUILD_MAX, time("rebuild_ms")?),
        Claim::at_most_bytes("  prune of 200 backups: bytes read", allowed, figure("prune_read_bytes")?),
        Claim::at_most_bytes("  prune of 200 backups: bytes written", allowed, figure("prune_written_bytes")?),
        Claim::at_most("  prune: bytes of memory for each chunk", MEMORY_PER_CHUNK_MAX, per_chunk),
    ])
}

fn figures(scene: &Scene<'_>, chunks: u64) -> Result<Figures> {
    let mut command = std::process::Command::new(&scene.programs.upkeep);
    let measured = measure(command.arg(&scene.folder).arg(chunks.to_string()))?;
    let figure = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    let figures = measured.stdout.lines().filter_map(figure).collect();
    scene.discard()?;
    Ok(figures)
}
