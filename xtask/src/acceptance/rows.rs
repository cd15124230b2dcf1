//! How much is shared of what Qdrant's optimizer moves, and what the recipes of that take. The figures come from the example `rows`,
//! which has the shards made by Qdrant's own engine, stores and restores each state, and counts from outside.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};

use super::claim::Claim;
use super::measured::measure;
use super::{Scene, remove};

/// Points of the first state of each shard.
const POINTS: &str = "200000";

/// Dimensions: rows of 3 KiB, and of 512 bytes.
const LONG_DIMENSIONS: &str = "768";
const SHORT_DIMENSIONS: &str = "128";

/// Of the rows and values that exist already, those that must be shared, in percent.
const SHARED_PERCENT_MIN: f64 = 98.0;

/// What a recipe may take, as a part of the rows of 3 KiB, of those of 512 bytes, and of the values it lists, in percent.
const LONG_ROWS_PERCENT_MAX: f64 = 0.5;
const SHORT_ROWS_PERCENT_MAX: f64 = 4.0;
const VALUES_PERCENT_MAX: f64 = 1.0;

/// The first state, which has nothing before it.
const FIRST_STEP: &str = "written";

/// What became of a shard in one step.
struct Step {
    name: String,
    figures: HashMap<String, u64>,
}

pub(super) fn measure_rows(long: &Scene<'_>, short: &Scene<'_>) -> Result<Vec<Claim>> {
    let mut claims = Vec::new();
    for (scene, dimensions, bound) in
        [(long, LONG_DIMENSIONS, LONG_ROWS_PERCENT_MAX), (short, SHORT_DIMENSIONS, SHORT_ROWS_PERCENT_MAX)]
    {
        let steps = live(scene, dimensions)?;
        for step in steps.iter().filter(|step| step.name != FIRST_STEP) {
            claims.extend(step.claims(dimensions, bound)?);
        }
        scene.discard()?;
    }
    Ok(claims)
}

/// Leads a shard through its life.
fn live(scene: &Scene<'_>, dimensions: &str) -> Result<Vec<Step>> {
    let folder = scene.folder.join("shard-life");
    remove(&folder)?;
    std::fs::create_dir(&folder)?;
    let mut command = std::process::Command::new(&scene.programs.rows);
    let measured = measure(command.arg(&folder).args([POINTS, dimensions]))?;
    print!("{}", measured.stdout);
    let steps: Vec<Step> = measured.stdout.lines().filter_map(Step::parse).collect();
    ensure!(steps.len() > 1, "rows said: {}", measured.stdout);
    Ok(steps)
}

impl Step {
    /// Reads a line such as `step indexed points 3000 rows 3000`.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("step ")?.split(' ');
        let name = words.next()?.to_owned();
        let mut figures = HashMap::new();
        while let Some(figure) = words.next() {
            figures.insert(figure.to_owned(), words.next()?.parse().ok()?);
        }
        Some(Self { name, figures })
    }

    fn claims(&self, dimensions: &str, rows_percent_max: f64) -> Result<Vec<Claim>> {
        let Self { name, .. } = self;
        let points = self.figure("points")?;
        let shared = |what: &str| {
            let (shared, existing) =
                (self.figure(&format!("{what}_shared"))?, self.figure(&format!("{what}_existing"))?);
            Ok::<_, anyhow::Error>(Claim::at_least_part(
                &format!("  {what} shared"),
                SHARED_PERCENT_MIN,
                shared,
                existing,
            ))
        };
        let recipe = |what: &str, bound| {
            let (recipe, bytes) =
                (self.figure(&format!("{what}_recipe_bytes"))?, self.figure(&format!("{what}_bytes"))?);
            let what = format!("  recipe of {what}, of their bytes");
            Ok::<_, anyhow::Error>(Claim::at_most_percent(&what, bound, recipe, bytes))
        };
        Ok(vec![
            Claim::holds(&format!("{name}, {points} points of {dimensions} dimensions: restored identical"), true),
            shared("rows")?,
            shared("values")?,
            recipe("rows", rows_percent_max)?,
            recipe("values", VALUES_PERCENT_MAX)?,
        ])
    }

    fn figure(&self, name: &str) -> Result<u64> {
        self.figures.get(name).copied().with_context(|| format!("rows said nothing of {name} at {}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_figures_is_read() {
        let step = Step::parse("step indexed points 3000 rows_shared 2999").unwrap();
        assert_eq!((step.name.as_str(), step.figure("rows_shared").unwrap()), ("indexed", 2999));
        assert!(step.figure("rows_existing").is_err());
        assert!(Step::parse("skipped: no engine").is_none());
        assert!(Step::parse("step indexed points many").is_none());
    }
}
