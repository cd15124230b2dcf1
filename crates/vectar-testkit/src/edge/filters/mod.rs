//! Filters in Qdrant's REST JSON, drawn from the points they will be asked about: a function of points and options.
//!
//! Every kind of condition has its turn as the *focus* of a filter; around it stands one of several shapes (`must`,
//! `should` with another, `must_not`, `min_should`, filters in filters). Values are drawn from payloads that are there, so most answers
//! are neither all points nor none.

mod conditions;
mod leaves;
mod random;

use serde_json::{Value, json};

use conditions::{Draw, FOCI, NEWEST_FOCI};

/// What filters to draw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterOptions {
    /// How many.
    pub count: usize,
    /// The same seed and points give the same filters.
    pub seed: u64,
    /// Whether to use the conditions that came after 1.18: match prefix and slice (1.19), match substring (1.20).
    pub newest: bool,
}

impl Default for FilterOptions {
    fn default() -> Self {
        Self { count: 240, seed: 1, newest: false }
    }
}

/// Returns filters over these points (objects with `id`, `payload` and `vector`), each kind of condition in turn.
///
/// # Panics
///
/// When there are no points.
pub fn filters(points: &[Value], options: &FilterOptions) -> Vec<Value> {
    assert!(!points.is_empty(), "filters are drawn from points");
    let mut draw = Draw::new(points, options.seed);
    let newest: &[_] = if options.newest { &NEWEST_FOCI } else { &[] };
    let foci: Vec<_> = FOCI.iter().chain(newest).collect();
    let mut found = Vec::with_capacity(options.count);
    let mut turn = 0;
    // A focus without a value in these points (no geo point, no array) is passed over; `has_id` always has one.
    while found.len() < options.count {
        let focus = foci[turn % foci.len()];
        turn += 1;
        if let Some(condition) = focus(&mut draw) {
            found.push(around(&mut draw, condition));
        }
    }
    found
}

/// Puts a condition into one of the shapes a filter can have. Half of the filters are the condition alone, so that a
/// wrong answer points at it.
fn around(draw: &mut Draw<'_>, condition: Value) -> Value {
    match draw.random.below(12) {
        0 => json!({ "should": [condition, any(draw)] }),
        1 => json!({ "must": [condition], "must_not": [any(draw)] }),
        2 => json!({ "must_not": [condition] }),
        3 => {
            let conditions = [condition, any(draw), any(draw)];
            json!({ "min_should": { "conditions": conditions, "min_count": 1 + draw.random.below(2) } })
        }
        4 => {
            let inner = json!({ "should": [condition, any(draw)], "must_not": [any(draw)] });
            json!({ "must": [any(draw)], "should": [inner, any(draw)] })
        }
        // A single condition may stand where a list is expected.
        5 => json!({ "must": condition }),
        _ => json!({ "must": [condition] }),
    }
}

/// Any condition.
fn any(draw: &mut Draw<'_>) -> Value {
    loop {
        let focus = FOCI[draw.random.below(FOCI.len() as u64) as usize];
        if let Some(condition) = focus(draw) {
            return condition;
        }
    }
}
