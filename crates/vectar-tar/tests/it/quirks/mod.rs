//! One tiny archive per quirk of the format; the expected events are the specification.

mod endings;
mod entries;
mod nesting;
mod records;
mod sparse;

use expect_test::Expect;

use crate::drivers::events;

/// Runs all drivers over `input` and compares events and anomalies.
fn check(input: &[u8], expected: Expect) {
    expected.assert_eq(&events(input));
}
