//! Filters find the points that Qdrant's own engine finds with them, version by version.

use serde_json::Value;
use vectar::{
    Content, Inside, PointId, QdrantVersion,
    points::{Filter, PointQuery},
};
use vectar_testkit::edge::{Answer, EdgeSnapshot, FilterOptions, ShardOptions, VERSIONS, answer, filters, write_shard};

use crate::said::{id_of, ids};

/// The release of Qdrant that an engine was built from, as it says itself: `1.19.1-dev`.
fn release(snapshot: &EdgeSnapshot) -> QdrantVersion {
    let core = snapshot.truth["core"].as_str().unwrap().trim_end_matches("-dev");
    let numbers: Vec<u16> = core.split('.').map(|number| number.parse().unwrap()).collect();
    let [major, minor, patch] = numbers[..] else { panic!("{core} is no version") };
    QdrantVersion::new(major, minor, patch)
}

/// What became of generated filters.
#[derive(Debug, Default)]
struct Tally {
    filters: usize,
    /// Those that neither all points fit nor none.
    telling: usize,
    /// Those with a condition that this engine does not know.
    unknown: usize,
    wrong: Vec<String>,
}

impl Tally {
    /// Asks the engine that wrote a shard, and this reader as if it were of `version`.
    fn ask(&mut self, snapshot: &EdgeSnapshot, version: QdrantVersion) -> Option<()> {
        let points = snapshot.points();
        let newest = release(snapshot) >= QdrantVersion::new(1, 19, 0);
        let asked = filters(&points, &FilterOptions { newest, ..FilterOptions::default() });
        let answers = answer(&snapshot.version, &snapshot.path, &asked)?;
        let content = Content::file(&snapshot.path).unwrap();
        let inside = Inside::open(&content).unwrap();
        for (filter, answer) in asked.iter().zip(answers) {
            match answer {
                Answer::Refused(why) if why.starts_with("Unsupported: match substring is not in") => self.unknown += 1,
                Answer::Refused(why) => self.wrong.push(format!("{}: refused {filter}: {why}", snapshot.name())),
                Answer::Ids(expected) => {
                    self.filters += 1;
                    self.telling += usize::from(!expected.is_empty() && expected.len() < points.len());
                    self.compare(snapshot, &found(&inside, filter, version), filter, &expected);
                }
            }
        }
        Some(())
    }

    fn compare(&mut self, snapshot: &EdgeSnapshot, found: &[PointId], filter: &Value, expected: &[Value]) {
        let expected: Vec<PointId> = expected.iter().map(id_of).collect();
        if found != expected {
            let missing: Vec<_> = expected.iter().filter(|id| !found.contains(id)).take(3).collect();
            let spare: Vec<_> = found.iter().filter(|id| !expected.contains(id)).take(3).collect();
            let counts = format!("{} of {}", found.len(), expected.len());
            let what = format!("found {counts}, missing {missing:?}, spare {spare:?}");
            self.wrong.push(format!("{}: {filter}: {what}", snapshot.name()));
        }
    }
}

fn found(inside: &Inside<'_, '_>, filter: &Value, version: QdrantVersion) -> Vec<PointId> {
    let filter = Filter::parse(filter.to_string().as_bytes()).unwrap_or_else(|error| panic!("{filter}: {error}"));
    ids(inside, &PointQuery { filter: Some(filter.as_of(version)), ..PointQuery::default() })
}

/// Shards of these kinds, some points of which are in a built segment and some in one that takes points. `indexed` and `named` have payload
/// indexes, of which a shard's snapshot knows by its segments only.
fn finds_what_the_engine_finds(version: &str, kinds: &[&str]) {
    let mut tally = Tally::default();
    for kind in kinds {
        let Some(stages) = write_shard(version, &ShardOptions::of(kind)) else { return };
        let changed = stages.iter().find(|snapshot| snapshot.stage == "2-changed").unwrap();
        let Some(()) = tally.ask(changed, release(changed)) else { return };
    }
    let Tally { filters, telling, unknown, wrong } = tally;
    println!(
        "{version}, {kinds:?}: {filters} filters compared, {telling} tell points apart, {unknown} unknown to the engine"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        filters >= 200 * kinds.len() && telling * 10 >= filters * 7,
        "{telling} of {filters} filters tell points apart"
    );
}

/// The comparison must be able to fail: the rules of another release find other points.
#[test]
fn the_rules_of_another_release_are_contradicted() {
    let Some(stages) = write_shard(VERSIONS[1], &ShardOptions::of("bare")) else { return };
    let mut tally = Tally::default();
    let Some(()) = tally.ask(&stages[0], QdrantVersion::new(1, 20, 0)) else { return };
    assert!(tally.wrong.len() >= 3 && tally.wrong.len() * 2 < tally.filters, "{:?}", tally.wrong);
}

#[test]
fn filters_find_what_0_5_finds() {
    finds_what_the_engine_finds(VERSIONS[0], &["bare", "hybrid"]);
}

#[test]
fn filters_find_what_0_6_finds() {
    finds_what_the_engine_finds(VERSIONS[1], &["indexed", "bare"]);
}

#[test]
fn filters_find_what_0_7_finds() {
    finds_what_the_engine_finds(VERSIONS[2], &["indexed", "hybrid"]);
}

#[test]
fn filters_find_what_0_8_finds() {
    finds_what_the_engine_finds(VERSIONS[3], &["indexed", "named"]);
}

#[test]
fn filters_find_what_0_9_finds() {
    finds_what_the_engine_finds(VERSIONS[4], &["indexed", "named", "bare"]);
}
