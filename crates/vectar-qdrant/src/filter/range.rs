//! `range`: between bounds, of numbers or of moments; and `values_count`, between bounds of a count.

use serde_json::Value;

use super::datetime::Datetime;
use super::rules::Rules;

/// Up to four bounds; all that are there must hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bounds<T> {
    pub(super) lt: Option<T>,
    pub(super) gt: Option<T>,
    pub(super) gte: Option<T>,
    pub(super) lte: Option<T>,
}

impl<T: Copy + PartialOrd> Bounds<T> {
    pub(super) fn hold(&self, value: T) -> bool {
        self.lt.is_none_or(|bound| value < bound)
            && self.gt.is_none_or(|bound| value > bound)
            && self.gte.is_none_or(|bound| value >= bound)
            && self.lte.is_none_or(|bound| value <= bound)
    }

    fn map<U>(self, change: impl Fn(T) -> U) -> Bounds<U> {
        Bounds {
            lt: self.lt.map(&change),
            gt: self.gt.map(&change),
            gte: self.gte.map(&change),
            lte: self.lte.map(change),
        }
    }
}

/// A range of a field condition. One bound as text makes it a range of datetimes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Range {
    Numbers(Bounds<f64>),
    Datetimes(Bounds<Datetime>),
}

impl Range {
    /// Without an index: numbers are compared as `f64`, also integers beyond 2⁵³; texts that are no datetime do not match.
    pub(super) fn holds(&self, value: &Value, rules: &Rules) -> bool {
        match self {
            Self::Numbers(bounds) => value.as_f64().is_some_and(|number| bounds.hold(number)),
            Self::Datetimes(bounds) => datetime_of(value, rules).is_some_and(|moment| {
                if rules.datetime_in_micros {
                    bounds.map(Datetime::cut_to_micros).hold(moment.cut_to_micros())
                } else {
                    bounds.hold(moment)
                }
            }),
        }
    }

    /// The range as an index of integers has it; of datetimes too, whose integers are microseconds. `None` when such an index
    /// leaves the question to the payload.
    pub(super) fn of_integers(&self, is_datetime_index: bool, rules: &Rules) -> Option<Bounds<i64>> {
        match self {
            Self::Numbers(_) if is_datetime_index && !rules.any_range_by_index => None,
            Self::Datetimes(_) if !is_datetime_index && !rules.any_range_by_index => None,
            Self::Datetimes(bounds) => Some(bounds.map(Datetime::micros)),
            // Saturating, as Qdrant's cast does.
            Self::Numbers(bounds) if !rules.integer_range_rounded => Some(bounds.map(|bound| bound as i64)),
            Self::Numbers(bounds) => Some(Bounds {
                lt: bounds.lt.map(|bound| bound.ceil() as i64),
                gt: bounds.gt.map(|bound| bound.floor() as i64),
                gte: bounds.gte.map(|bound| bound.ceil() as i64),
                lte: bounds.lte.map(|bound| bound.floor() as i64),
            }),
        }
    }

    /// The range as an index of floats has it, or `None`.
    pub(super) fn of_floats(&self, rules: &Rules) -> Option<Bounds<f64>> {
        match self {
            Self::Numbers(bounds) => Some(*bounds),
            Self::Datetimes(_) if !rules.any_range_by_index => None,
            // Microseconds as an unsigned number of 128 bits: moments before 1970 become huge. So does Qdrant.
            Self::Datetimes(bounds) => Some(bounds.map(|moment| moment.micros() as u128 as f64)),
        }
    }
}

/// The moment a payload value is.
pub(super) fn datetime_of(value: &Value, rules: &Rules) -> Option<Datetime> {
    Datetime::parse(value.as_str()?, rules.datetime_without_seconds)
}

/// How many values a payload value is: an array its elements, null none, everything else one.
pub(super) fn count_of(value: &Value) -> u64 {
    match value {
        Value::Null => 0,
        Value::Array(elements) => elements.len() as u64,
        _ => 1,
    }
}
