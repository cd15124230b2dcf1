//! Searches with the vectors of some points, and what they must find.

use std::collections::HashMap;

use serde_json::{Value, json};
use vectar_qdrant::{PointId, storage::Vector};

use super::{
    Agreed,
    questions::Questions,
    search::{Rule, Score, is_finite, rules},
    shard::Halt,
};
use crate::points::Point;

/// Nearest points asked for.
const HITS: usize = 10;

impl Questions<'_> {
    /// Compares searches, vector by vector.
    pub(super) fn searches(&mut self, sample: &[Point]) -> Result<(), Halt> {
        let rules: Vec<(String, Rule)> = {
            let outline = self.inside.outline();
            outline.collections.iter().flat_map(|one| &one.shards).flat_map(rules).collect()
        };
        for (name, rule) in &rules {
            let having: Vec<(PointId, &Vector)> =
                sample.iter().filter_map(|point| Some((point.id, vector_of(point, name)?))).collect();
            // What is no number cannot be asked for, and ranks nowhere.
            let (having, odd): (Vec<_>, Vec<_>) = having.into_iter().partition(|(_, vector)| is_finite(vector));
            let by = if name.is_empty() { String::new() } else { format!(" by {name:?}") };
            if !odd.is_empty() {
                let (points, of) = (odd.len(), odd.len() + having.len());
                let note = format!(
                    "{points} of {of} points were left out of searches{by}: their vectors hold what is no number"
                );
                self.drill.notes.push(note);
            }
            if having.is_empty() {
                continue;
            }
            if let Rule::Unknown(why) = rule {
                self.drill.notes.push(format!("searches{by} were not compared: {why}"));
                continue;
            }
            self.search_by(name, rule, &having)?;
        }
        Ok(())
    }

    /// Compares searches by one vector; points `having` have it.
    fn search_by(&mut self, name: &str, rule: &Rule, having: &[(PointId, &Vector)]) -> Result<(), Halt> {
        let by = if name.is_empty() { String::new() } else { format!(" by {name:?}") };
        let step = having.len().div_ceil(self.place.subject.options.searches.max(1));
        let (before, mut unscored) = (self.drill.agreed, 0);
        for (id, vector) in having.iter().step_by(step) {
            let asked = Asked { name, rule, id, vector };
            unscored += self.ask(&asked, having).map_err(|halt| match halt {
                Halt::Problem(what) => Halt::Problem(format!("a search for the nearest to point {id}: {what}")),
                halt => halt,
            })?;
        }
        if unscored > 0 {
            let note = format!("{unscored} searches{by} were not compared: the engine's scores are no numbers");
            self.drill.notes.push(note);
        }
        self.note_misses(&by, &before);
        Ok(())
    }

    /// Says when the index misses more than half of what it is asked for: exact searches find all of it.
    fn note_misses(&mut self, by: &str, before: &Agreed) {
        let asked = self.drill.agreed.index_searches - before.index_searches;
        let found = self.drill.agreed.index_found - before.index_found;
        if found * 2 < asked {
            self.drill.notes.push(format!(
                "the index found the point itself in {found} of {asked} searches{by}, exact searches in all: its codes or its graph are coarse"
            ));
        }
    }

    /// Asks three ways, and returns how many of the answers could not be compared.
    fn ask(&mut self, asked: &Asked<'_>, having: &[(PointId, &Vector)]) -> Result<u64, Halt> {
        let among: Vec<Value> = having.iter().map(|(id, _)| json!(id)).collect();
        let ranked = self.hits(&asked.question(Some(&among), true))?;
        if let Some(ranked) = &ranked {
            asked.check_ranking(ranked, having).map_err(Halt::Problem)?;
        }
        let Some(own) = asked.rule.score(asked.vector, asked.vector) else { return Ok(u64::from(ranked.is_none())) };
        let nearest = self.hits(&asked.question(None, true))?;
        if let Some(nearest) = &nearest {
            asked.check_nearest(nearest, own).map_err(Halt::Problem)?;
        }
        let found = self.hits(&asked.question(None, false))?;
        if let Some(found) = &found {
            let itself = json!(asked.id);
            let is_as_near = |(id, score): &(Value, f64)| *id == itself || (score - own.value).abs() <= own.tolerance;
            self.drill.agreed.index_searches += 1;
            self.drill.agreed.index_found += u64::from(found.iter().any(is_as_near));
        }
        let compared = u64::from(ranked.is_some()) + u64::from(nearest.is_some());
        self.drill.agreed.searches += compared;
        Ok(3 - compared - u64::from(found.is_some()))
    }

    /// What is nearest, best first; `None` when a score is no number: what lies beyond the largest one, or comes of such vectors.
    fn hits(&mut self, question: &Value) -> Result<Option<Vec<(Value, f64)>>, Halt> {
        let hits = self.dialogue.search(question).map_err(|wrong| self.place.halt("search", wrong))?;
        Ok(hits.into_iter().map(|(id, score)| Some((id, score?))).collect())
    }
}

/// The vector of this name; the unnamed one has an empty name.
fn vector_of<'p>(point: &'p Point, name: &str) -> Option<&'p Vector> {
    let vectors = point.vectors.as_ref()?;
    vectors.iter().find(|(known, _)| known == name).map(|(_, vector)| vector)
}

/// A search with the vector of a point.
struct Asked<'a> {
    name: &'a str,
    rule: &'a Rule,
    id: &'a PointId,
    vector: &'a Vector,
}

impl Asked<'_> {
    fn question(&self, among: Option<&[Value]>, exact: bool) -> Value {
        let using = Some(self.name).filter(|name| !name.is_empty());
        json!({ "do": "search", "using": using, "vector": self.vector, "among": among, "exact": exact, "limit": HITS })
    }

    /// Compares what is said to be nearest of all with the point itself: it is there, and nothing farther may come first.
    fn check_nearest(&self, hits: &[(Value, f64)], own: Score) -> Result<(), String> {
        match hits.first() {
            None => Err("the engine finds nothing, not even itself".to_owned()),
            Some((_, best)) if self.rule.is_better(own.value, *best) && (own.value - best).abs() > own.tolerance => {
                Err(format!("the nearest that the engine finds has the score {best}, it itself has {}", own.value))
            }
            Some(_) => Ok(()),
        }
    }

    /// Compares a ranking of the sample with the one that follows from the vectors: each score by itself, and each place by its score.
    fn check_ranking(&self, hits: &[(Value, f64)], having: &[(PointId, &Vector)]) -> Result<(), String> {
        let scored = having
            .iter()
            .filter_map(|(id, vector)| Some((json!(id).to_string(), self.rule.score(self.vector, vector)?)));
        let scores: HashMap<String, _> = scored.collect();
        // A sparse search may leave out what scores nothing, or less.
        let is_certain = |value: f64| *self.rule != Rule::Sparse || value > 0.0;
        let mut ranked: Vec<_> = scores.values().copied().filter(|score| is_certain(score.value)).collect();
        ranked.sort_by(|one, other| match self.rule.is_better(one.value, other.value) {
            true => std::cmp::Ordering::Less,
            false if one.value == other.value => std::cmp::Ordering::Equal,
            false => std::cmp::Ordering::Greater,
        });
        let certain: Vec<&(Value, f64)> = hits.iter().filter(|(_, score)| is_certain(*score)).collect();
        if certain.len() != ranked.len().min(HITS) {
            return Err(format!(
                "the engine finds {} points of the sample, {} were to be found",
                certain.len(),
                ranked.len().min(HITS)
            ));
        }
        for (place, ((id, said), expected)) in certain.into_iter().zip(&ranked).enumerate() {
            let Some(own) = scores.get(&id.to_string()) else {
                return Err(format!("the engine finds {id}, which was not asked for"));
            };
            if (own.value - said).abs() > own.tolerance {
                return Err(format!("the engine scores point {id} {said}, its vectors say {}", own.value));
            }
            if (expected.value - said).abs() > expected.tolerance + own.tolerance {
                return Err(format!(
                    "at place {} the engine has the score {said}, the vectors say {}",
                    place + 1,
                    expected.value
                ));
            }
        }
        Ok(())
    }
}
