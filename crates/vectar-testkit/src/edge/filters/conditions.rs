//! One maker for each kind of condition; each draws its values from a point that has them.

use serde_json::{Map, Value, json};

use super::leaves::{Leaf, leaves};
use super::random::Random;

/// Makes a condition, or `None` where the drawn points have no value for it.
pub(super) type Focus = fn(&mut Draw<'_>) -> Option<Value>;

/// Conditions that every version from 1.16 on knows.
pub(super) const FOCI: [Focus; 18] = [
    match_value,
    match_any,
    match_except,
    match_text,
    match_text_any,
    match_phrase,
    range,
    datetime_range,
    geo_box,
    geo_radius,
    geo_polygon,
    values_count,
    is_empty,
    is_null,
    has_id,
    has_vector,
    nested,
    deep_match,
];

/// Conditions that only newer versions know.
pub(super) const NEWEST_FOCI: [Focus; 3] = [match_prefix, match_substring, slice];

/// How many points are looked at for a value before a focus gives up.
const TRIES: usize = 40;

/// The points and the source of chance.
pub(super) struct Draw<'p> {
    points: &'p [Value],
    pub(super) random: Random,
}

impl<'p> Draw<'p> {
    pub(super) fn new(points: &'p [Value], seed: u64) -> Self {
        Self { points, random: Random::new(seed) }
    }

    fn point(&mut self) -> &'p Value {
        self.random.pick(self.points).expect("there are points")
    }

    /// A value of a random point for which `suits` holds; fields weigh the same however many values they hold.
    fn leaf(&mut self, suits: impl Fn(&Leaf<'p>) -> bool) -> Option<Leaf<'p>> {
        for _ in 0..TRIES {
            let mut found = leaves(&self.point()["payload"]);
            found.retain(|leaf| suits(leaf));
            let mut paths: Vec<&str> = found.iter().map(|leaf| leaf.wild.as_str()).collect();
            paths.dedup();
            if let Some(&path) = self.random.pick(&paths) {
                let of_path: Vec<&Leaf<'_>> = found.iter().filter(|leaf| leaf.wild == path).collect();
                return self.random.pick(&of_path).map(|&leaf| leaf.clone());
            }
        }
        None
    }

    /// A path to the leaf: with `[]`, with indexes, or without the last `[]`, which a filter does not need.
    fn key(&mut self, leaf: &Leaf<'_>) -> String {
        match self.random.below(6) {
            0 => leaf.exact.clone(),
            1 => leaf.wild.clone(),
            _ => leaf.wild.strip_suffix("[]").unwrap_or(&leaf.wild).to_owned(),
        }
    }

    /// Up to `count` values of one type under the leaf's path, the leaf's own first.
    fn more_values(&mut self, leaf: &Leaf<'p>, count: u64) -> Vec<Value> {
        let mut values = vec![leaf.value.clone()];
        for _ in 0..self.random.below(count) {
            let same = |other: &Leaf<'_>| other.wild == leaf.wild && other.value.is_string() == leaf.value.is_string();
            let other = self.leaf(|other| same(other) && (other.value.is_string() || other.value.is_i64()));
            values.extend(other.map(|other| other.value.clone()));
        }
        values.dedup();
        values
    }

    /// A path, whether or not there is a value.
    fn any_key(&mut self) -> String {
        match self.random.below(8) {
            0 => "absent".to_owned(),
            1 | 2 => "nothing".to_owned(),
            _ => self.leaf(|_| true).map_or_else(|| "absent".to_owned(), |leaf| self.key(&leaf)),
        }
    }

    fn words(&mut self, count: u64) -> Option<(String, Vec<String>)> {
        let leaf = self.leaf(|leaf| leaf.value.as_str().is_some_and(|text| text.contains(' ')))?;
        let words: Vec<&str> = leaf.value.as_str()?.split_whitespace().collect();
        let start = self.random.below(words.len() as u64) as usize;
        let some = words[start..].iter().take(1 + self.random.below(count) as usize);
        let some = some.map(|&word| word.to_owned()).collect();
        Some((self.key(&leaf), some))
    }
}

fn is_matchable(value: &Value) -> bool {
    value.is_string() || value.is_i64() || value.is_boolean()
}

fn is_listable(value: &Value) -> bool {
    value.is_string() || value.is_i64()
}

/// The number of separators in a path: how deep a value lies.
fn depth(leaf: &Leaf<'_>) -> usize {
    leaf.wild.matches(['.', '[']).count()
}

fn match_value(draw: &mut Draw<'_>) -> Option<Value> {
    let leaf = draw.leaf(|leaf| is_matchable(leaf.value) && leaf.wild != "filler")?;
    Some(json!({ "key": draw.key(&leaf), "match": { "value": leaf.value } }))
}

fn deep_match(draw: &mut Draw<'_>) -> Option<Value> {
    let leaf = draw.leaf(|leaf| is_matchable(leaf.value) && depth(leaf) >= 2)?;
    let key = if draw.random.below(2) == 0 { leaf.exact.clone() } else { leaf.wild.clone() };
    Some(json!({ "key": key, "match": { "value": leaf.value } }))
}

fn match_any(draw: &mut Draw<'_>) -> Option<Value> {
    let leaf = draw.leaf(|leaf| is_listable(leaf.value) && leaf.wild != "filler")?;
    let values = draw.more_values(&leaf, 4);
    Some(json!({ "key": draw.key(&leaf), "match": { "any": values } }))
}

fn match_except(draw: &mut Draw<'_>) -> Option<Value> {
    let leaf = draw.leaf(|leaf| is_listable(leaf.value) && leaf.wild != "filler")?;
    let values = draw.more_values(&leaf, 4);
    Some(json!({ "key": draw.key(&leaf), "match": { "except": values } }))
}

fn match_text(draw: &mut Draw<'_>) -> Option<Value> {
    let (key, words) = draw.words(2)?;
    Some(json!({ "key": key, "match": { "text": words.join(" ") } }))
}

fn match_text_any(draw: &mut Draw<'_>) -> Option<Value> {
    let (key, words) = draw.words(3)?;
    Some(json!({ "key": key, "match": { "text_any": words.join(" ") } }))
}

fn match_phrase(draw: &mut Draw<'_>) -> Option<Value> {
    let (key, words) = draw.words(2)?;
    Some(json!({ "key": key, "match": { "phrase": words.join(" ") } }))
}

fn match_prefix(draw: &mut Draw<'_>) -> Option<Value> {
    let (leaf, start, _) = part(draw)?;
    Some(json!({ "key": draw.key(&leaf), "match": { "prefix": start } }))
}

fn match_substring(draw: &mut Draw<'_>) -> Option<Value> {
    let (leaf, _, middle) = part(draw)?;
    Some(json!({ "key": draw.key(&leaf), "match": { "substring": middle } }))
}

/// A text, its first characters, and some that follow its first.
fn part<'p>(draw: &mut Draw<'p>) -> Option<(Leaf<'p>, String, String)> {
    let leaf = draw.leaf(|leaf| leaf.value.as_str().is_some_and(|text| !text.is_empty()) && leaf.wild != "filler")?;
    let text = leaf.value.as_str()?;
    let start = text.chars().take(1 + draw.random.below(4) as usize).collect();
    let middle = text.chars().skip(1).take(1 + draw.random.below(3) as usize).collect();
    Some((leaf, start, middle))
}

fn slice(draw: &mut Draw<'_>) -> Option<Value> {
    let total = 2 + draw.random.below(4);
    Some(json!({ "slice": { "total": total, "index": draw.random.below(total) } }))
}

fn range(draw: &mut Draw<'_>) -> Option<Value> {
    let leaf = draw.leaf(|leaf| leaf.value.is_number())?;
    let value = leaf.value.as_f64()?;
    let width = draw.random.unit() * 10.0;
    let mut bounds = Map::new();
    match draw.random.below(4) {
        0 => bounds.extend([("gte".to_owned(), json!(value))]),
        1 => bounds.extend([("lt".to_owned(), json!(value))]),
        2 => bounds.extend([("gt".to_owned(), json!(value - width)), ("lte".to_owned(), json!(value))]),
        _ => bounds.extend([("gte".to_owned(), json!(value - width)), ("lt".to_owned(), json!(value + width))]),
    }
    Some(json!({ "key": draw.key(&leaf), "range": bounds }))
}

fn datetime_range(draw: &mut Draw<'_>) -> Option<Value> {
    let from = draw.leaf(is_date)?;
    let to = draw.leaf(is_date)?;
    let bound = if draw.random.below(2) == 0 { "gte" } else { "gt" };
    let bounds = match draw.random.below(3) {
        0 => json!({ bound: from.value }),
        1 => json!({ "lt": from.value }),
        _ => {
            json!({ bound: from.value.as_str().min(to.value.as_str()), "lte": from.value.as_str().max(to.value.as_str()) })
        }
    };
    Some(json!({ "key": draw.key(&from), "range": bounds }))
}

fn is_date(leaf: &Leaf<'_>) -> bool {
    let is_date = |text: &str| text.starts_with("202") && text.as_bytes().get(4) == Some(&b'-');
    leaf.value.as_str().is_some_and(is_date)
}

/// A place that is on earth, and its path.
fn place<'p>(draw: &mut Draw<'p>) -> Option<(Leaf<'p>, f64, f64)> {
    let degrees = |value: &Value| Some((value["lon"].as_f64()?, value["lat"].as_f64()?));
    let on_earth = |(lon, lat): (f64, f64)| lon.abs() <= 180.0 && lat.abs() <= 85.0;
    let leaf = draw.leaf(|leaf| degrees(leaf.value).is_some_and(on_earth))?;
    let (lon, lat) = degrees(leaf.value)?;
    Some((leaf, lon, lat))
}

fn geo_box(draw: &mut Draw<'_>) -> Option<Value> {
    let (leaf, lon, lat) = place(draw)?;
    let (width, height) = (0.5 + draw.random.unit() * 3.0, 0.5 + draw.random.unit() * 3.0);
    let around = json!({
        "top_left": { "lon": degrees(lon - width), "lat": lat + height },
        "bottom_right": { "lon": degrees(lon + width), "lat": lat - height },
    });
    Some(json!({ "key": draw.key(&leaf), "geo_bounding_box": around }))
}

/// A longitude from -180 to 180: a box around the 180th meridian has its left side in the east.
fn degrees(longitude: f64) -> f64 {
    if longitude > 180.0 {
        longitude - 360.0
    } else if longitude < -180.0 {
        longitude + 360.0
    } else {
        longitude
    }
}

fn geo_radius(draw: &mut Draw<'_>) -> Option<Value> {
    let (leaf, lon, lat) = place(draw)?;
    let radius = 10_000.0 + draw.random.unit() * 300_000.0;
    Some(json!({ "key": draw.key(&leaf), "geo_radius": { "center": { "lon": lon, "lat": lat }, "radius": radius } }))
}

fn geo_polygon(draw: &mut Draw<'_>) -> Option<Value> {
    let (leaf, lon, lat) = place(draw)?;
    let lon = lon.clamp(-175.0, 175.0);
    let ring = |size: f64| {
        let corners =
            [(-size, -size), (size, -size * 0.5), (size * 0.7, size), (-size * 0.6, size * 0.8), (-size, -size)];
        let points = corners.map(|(x, y)| json!({ "lon": lon + x, "lat": lat + y }));
        json!({ "points": points })
    };
    let size = 0.5 + draw.random.unit() * 3.0;
    let mut polygon = json!({ "exterior": ring(size) });
    if draw.random.below(2) == 0 {
        polygon["interiors"] = json!([ring(size * 0.3)]);
    }
    Some(json!({ "key": draw.key(&leaf), "geo_polygon": polygon }))
}

fn values_count(draw: &mut Draw<'_>) -> Option<Value> {
    let leaf = draw.leaf(|leaf| leaf.value.is_array() || depth(leaf) == 0)?;
    let bounds = match draw.random.below(5) {
        0 => json!({ "gte": 2 }),
        1 => json!({ "lt": 3 }),
        2 => json!({ "gt": 0, "lte": 2 }),
        3 => json!({ "lt": 1 }),
        _ => json!({ "gte": 1, "lt": 4 }),
    };
    Some(json!({ "key": draw.key(&leaf), "values_count": bounds }))
}

fn is_empty(draw: &mut Draw<'_>) -> Option<Value> {
    let key = draw.any_key();
    Some(match draw.random.below(3) {
        0 => json!({ "key": key, "is_empty": draw.random.below(2) == 0 }),
        _ => json!({ "is_empty": { "key": key } }),
    })
}

fn is_null(draw: &mut Draw<'_>) -> Option<Value> {
    let null = draw.leaf(|leaf| leaf.value.is_null());
    let key = match null {
        Some(leaf) if draw.random.below(2) == 0 => draw.key(&leaf),
        _ => draw.any_key(),
    };
    Some(match draw.random.below(3) {
        0 => json!({ "key": key, "is_null": draw.random.below(2) == 0 }),
        _ => json!({ "is_null": { "key": key } }),
    })
}

fn has_id(draw: &mut Draw<'_>) -> Option<Value> {
    let count = 1 + draw.random.below(draw.points.len() as u64);
    let mut ids: Vec<Value> = (0..count).map(|_| draw.point()["id"].clone()).collect();
    ids.push(json!(u64::MAX - 7));
    Some(json!({ "has_id": ids }))
}

fn has_vector(draw: &mut Draw<'_>) -> Option<Value> {
    let name = match &draw.point()["vector"] {
        Value::Object(vectors) => {
            let names: Vec<&String> = vectors.keys().collect();
            (*draw.random.pick(&names)?).clone()
        }
        _ => String::new(),
    };
    Some(json!({ "has_vector": name }))
}

fn nested(draw: &mut Draw<'_>) -> Option<Value> {
    let objects = |leaf: &Leaf<'_>| leaf.value.as_array().is_some_and(|all| all.iter().any(Value::is_object));
    let leaf = draw.leaf(objects)?;
    let elements: Vec<&Value> = leaf.value.as_array()?.iter().filter(|one| one.is_object()).collect();
    let element = *draw.random.pick(&elements)?;
    let found = leaves(element);
    let mut conditions = Vec::new();
    for _ in 0..2 {
        let inner = draw.random.pick(&found)?;
        conditions.push(nested_condition(draw, inner));
    }
    let filter = match draw.random.below(4) {
        0 => json!({ "must_not": conditions }),
        1 => json!({ "should": conditions }),
        _ => json!({ "must": conditions }),
    };
    let key = if draw.random.below(2) == 0 { leaf.wild.clone() } else { format!("{}[]", leaf.wild) };
    Some(json!({ "nested": { "key": key, "filter": filter } }))
}

/// A condition on a field of an element of an array.
fn nested_condition(draw: &mut Draw<'_>, leaf: &Leaf<'_>) -> Value {
    let key = leaf.wild.strip_suffix("[]").unwrap_or(&leaf.wild);
    match leaf.value {
        Value::Number(number) if !number.is_i64() || draw.random.below(2) == 0 => {
            let bound = if draw.random.below(2) == 0 { "gte" } else { "lte" };
            json!({ "key": key, "range": { bound: number } })
        }
        Value::Null => json!({ "is_null": { "key": key } }),
        Value::Array(_) => json!({ "key": key, "values_count": { "gte": 1 } }),
        Value::Object(_) => json!({ "is_empty": { "key": key } }),
        value => json!({ "key": key, "match": { "value": value } }),
    }
}
