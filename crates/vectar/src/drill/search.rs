//! What a search over a few points must find, worked out from their vectors alone.
//!
//! Scores are Qdrant's own (`qdrant v1.18.0 lib/segment/src/spaces/simple.rs`, `metric_uint`, and `lib/segment/src/types.rs`
//! `Distance::postprocess_score`): the dot product, for cosine of what is normalised when it is stored; the Euclidean and the Manhattan
//! distance; of multivectors the sum over the vectors of the query of the best of each (`MaxSim`). The engine adds up `f32`, in an order of
//! its own, so that scores agree within a tolerance, and the order of points only as far as scores tell them apart.

use std::collections::BTreeMap;

use vectar_qdrant::{Datatype, Distance, SegmentState, ShardOutline, storage::Vector};

/// How points are scored by one of their vectors.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Rule {
    /// Dense vectors and multivectors.
    Dense {
        distance: Distance,
        /// The cosine of what is not normalised when it is stored.
        normalize: bool,
        /// Relative to the size of what is added up.
        tolerance: f64,
    },
    /// Sparse vectors: the dot product.
    Sparse,
    /// The engine's scores cannot be had from the vectors alone; the reason in words.
    Unknown(&'static str),
}

/// How each vector of a shard is scored, by name. Segments that disagree make a vector unknown.
pub(super) fn rules(shard: &ShardOutline) -> BTreeMap<String, Rule> {
    let mut rules: BTreeMap<String, Rule> = BTreeMap::new();
    for state in shard.segments.iter().filter_map(|segment| segment.state.as_ref()) {
        for (name, rule) in of_segment(state) {
            match rules.get(&name) {
                None => {
                    rules.insert(name, rule);
                }
                Some(known) if *known == rule => {}
                Some(_) => {
                    rules.insert(name, Rule::Unknown("its segments score it in different ways"));
                }
            }
        }
    }
    rules
}

fn of_segment(state: &SegmentState) -> Vec<(String, Rule)> {
    let dense = state.vectors.iter().map(|(name, vector)| {
        let (is_float, tolerance) = match vector.datatype {
            None | Some(Datatype::Float32) => (true, 1e-4),
            Some(Datatype::Float16) => (true, 1e-2),
            Some(Datatype::Uint8) => (false, 1e-3),
            _ => return (name.clone(), Rule::Unknown("its datatype keeps no numbers that can be had back")),
        };
        let rule = match &vector.distance {
            Distance::Other(_) => Rule::Unknown("its distance is not known"),
            distance => {
                let normalize = *distance == Distance::Cosine && !is_float;
                Rule::Dense { distance: distance.clone(), normalize, tolerance }
            }
        };
        (name.clone(), rule)
    });
    let sparse = state.sparse_vectors.iter().map(|(name, vector)| {
        let is_plain = matches!(vector.index.datatype, None | Some(Datatype::Float32));
        let rule = match (is_plain, &vector.modifier) {
            (true, None) => Rule::Sparse,
            (true, Some(modifier)) if modifier.eq_ignore_ascii_case("none") => Rule::Sparse,
            (true, Some(_)) => Rule::Unknown("its scores depend on how often each dimension is used"),
            (false, _) => Rule::Unknown("its index keeps rounded values"),
        };
        (name.clone(), rule)
    });
    dense.chain(sparse).collect()
}

/// Whether a vector can be written as JSON and searched for: all it holds are numbers.
pub(super) fn is_finite(vector: &Vector) -> bool {
    let is_finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
    match vector {
        Vector::Dense(values) | Vector::Sparse { values, .. } => is_finite(values),
        Vector::Multi(rows) => rows.iter().all(|row| is_finite(row)),
    }
}

/// A score and how far the engine's may be from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Score {
    pub(super) value: f64,
    pub(super) tolerance: f64,
}

impl Rule {
    /// The score of `point` for `query`; `None` where the engine finds no such point: no dimension in common, or vectors of two kinds.
    pub(super) fn score(&self, query: &Vector, point: &Vector) -> Option<Score> {
        match (self, query, point) {
            (Self::Dense { .. }, Vector::Dense(query), Vector::Dense(point)) => self.dense(&[query], &[point]),
            (Self::Dense { .. }, Vector::Multi(query), Vector::Multi(point)) => self.dense(&rows(query), &rows(point)),
            (Self::Sparse, Vector::Sparse { indices, values }, Vector::Sparse { indices: others, values: found }) => {
                sparse_dot((indices.as_slice(), values.as_slice()), (others.as_slice(), found.as_slice()))
            }
            _ => None,
        }
    }

    /// Whether a score is better than another.
    pub(super) fn is_better(&self, one: f64, other: f64) -> bool {
        match self {
            Self::Dense { distance: Distance::Euclid | Distance::Manhattan, .. } => one < other,
            _ => one > other,
        }
    }

    fn dense(&self, query: &[&[f32]], point: &[&[f32]]) -> Option<Score> {
        let Self::Dense { distance, normalize, tolerance } = self else { return None };
        let (mut sum, mut size) = (0.0, 0.0);
        for row in query {
            let similarities = point.iter().map(|other| similarity(distance, *normalize, row, other));
            let best = similarities.reduce(|best, other| if other.0 > best.0 { other } else { best })?;
            sum += best.0;
            size += best.1;
        }
        let error = tolerance * size + f64::from(f32::EPSILON);
        Some(match distance {
            // The square is added up, and the error of its root is largest near nothing.
            Distance::Euclid => {
                let root = sum.abs().sqrt();
                Score { value: root, tolerance: if root > error.sqrt() { error / root } else { error.sqrt() } }
            }
            Distance::Manhattan => Score { value: sum.abs(), tolerance: error },
            _ => Score { value: sum, tolerance: error },
        })
    }
}

fn rows(vectors: &[Vec<f32>]) -> Vec<&[f32]> {
    vectors.iter().map(Vec::as_slice).collect()
}

/// The larger the nearer, and the size of what was added up.
fn similarity(distance: &Distance, normalize: bool, one: &[f32], other: &[f32]) -> (f64, f64) {
    let pairs = || one.iter().zip(other).map(|(one, other)| (f64::from(*one), f64::from(*other)));
    match distance {
        Distance::Euclid => {
            let square: f64 = pairs().map(|(one, other)| (one - other) * (one - other)).sum();
            (-square, square)
        }
        Distance::Manhattan => {
            let sum: f64 = pairs().map(|(one, other)| (one - other).abs()).sum();
            (-sum, sum)
        }
        _ => {
            let dot: f64 = pairs().map(|(one, other)| one * other).sum();
            let size: f64 = pairs().map(|(one, other)| (one * other).abs()).sum();
            let norm = |row: &[f32]| row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
            let scale = if normalize { norm(one) * norm(other) } else { 1.0 };
            if scale == 0.0 { (0.0, 0.0) } else { (dot / scale, size / scale) }
        }
    }
}

/// Indices ascend in both.
fn sparse_dot(query: (&[u32], &[f32]), point: (&[u32], &[f32])) -> Option<Score> {
    let held: BTreeMap<u32, f32> = point.0.iter().copied().zip(point.1.iter().copied()).collect();
    let (mut dot, mut size, mut shared) = (0.0, 0.0, false);
    for (index, value) in query.0.iter().zip(query.1) {
        if let Some(found) = held.get(index) {
            let product = f64::from(*value) * f64::from(*found);
            dot += product;
            size += product.abs();
            shared = true;
        }
    }
    shared.then_some(Score { value: dot, tolerance: 1e-4 * size + f64::from(f32::EPSILON) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(distance: Distance, normalize: bool) -> Rule {
        Rule::Dense { distance, normalize, tolerance: 1e-4 }
    }

    fn value(rule: &Rule, query: &Vector, point: &Vector) -> f64 {
        (rule.score(query, point).unwrap().value * 1e6).round() / 1e6
    }

    #[test]
    fn scores_are_those_of_the_definitions() {
        let (one, other) = (Vector::Dense(vec![3.0, 4.0]), Vector::Dense(vec![4.0, 3.0]));
        let far = Vector::Dense(vec![6.0, 8.0]);
        assert_eq!(value(&rule(Distance::Dot, false), &one, &other), 24.0);
        assert_eq!(value(&rule(Distance::Cosine, true), &one, &other), 0.96);
        assert_eq!(value(&rule(Distance::Euclid, false), &one, &far), 5.0);
        assert_eq!(value(&rule(Distance::Manhattan, false), &one, &other), 2.0);
        assert_eq!(value(&rule(Distance::Euclid, false), &one, &one), 0.0);
        let two = Vector::Multi(vec![vec![1.0, 0.0], vec![0.0, 2.0]]);
        assert_eq!(
            value(&rule(Distance::Dot, false), &two, &Vector::Multi(vec![vec![5.0, 1.0], vec![0.0, 4.0]])),
            13.0
        );
        assert_eq!(value(&rule(Distance::Euclid, false), &two, &Vector::Multi(vec![vec![1.0, 1.0]])), 1.732_051);
    }

    #[test]
    fn sparse_points_without_a_shared_dimension_are_not_found() {
        let sparse = |indices: &[u32]| Vector::Sparse { indices: indices.to_vec(), values: vec![2.0; indices.len()] };
        assert_eq!(value(&Rule::Sparse, &sparse(&[1, 5, 9]), &sparse(&[5, 9])), 8.0);
        assert_eq!(Rule::Sparse.score(&sparse(&[1]), &sparse(&[2])), None);
        assert_eq!(Rule::Sparse.score(&sparse(&[1]), &Vector::Dense(vec![1.0])), None);
    }

    #[test]
    fn distances_are_better_when_they_are_small() {
        assert!(rule(Distance::Euclid, false).is_better(1.0, 2.0));
        assert!(rule(Distance::Cosine, false).is_better(2.0, 1.0));
        assert!(Rule::Sparse.is_better(2.0, 1.0));
    }
}
