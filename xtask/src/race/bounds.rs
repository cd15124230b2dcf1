//! What must hold: speed as ratios to peers and probes in the same run, and sizes of repositories.

use std::fmt;

use super::{
    figures::{Figures, PROBE, Sizes},
    ratio, verdict,
};

/// The name of our program as it is without options.
pub(super) const OURS: &str = "vectar";

/// Our program when it computes no SHA-256 in the ingest.
pub(super) const OURS_LATER: &str = "vectar, sha256 later";

/// Snapshots must be this long for a bound to be claimed: of short ones a process takes longer to start than to work.
pub(super) const CLAIMED_BYTES_MIN: u64 = 500_000_000;

/// How fast a step of ours must be, as a multiple of what another reaches in the same step, or in what it does as a probe.
#[derive(Debug)]
pub(super) struct Bound {
    step: &'static str,
    ours: &'static str,
    other: &'static str,
    at_least: f64,
}

const fn bound(step: &'static str, ours: &'static str, other: &'static str, at_least: f64) -> Bound {
    Bound { step, ours, other, at_least }
}

/// For a snapshot of 500 MB and more, beside all.
pub(super) const AMONG_PEERS: &[Bound] = &[
    bound("store", OURS, "restic", 3.5),
    bound("store", OURS, "borg", 3.5),
    bound("store", OURS, "rustic", 3.5),
    bound("store", OURS, "cp + sync", 0.5),
    bound("unchanged", OURS, "restic", 4.0),
    bound("unchanged", OURS, "borg", 4.0),
    bound("unchanged", OURS, "rustic", 4.0),
    bound("unchanged", OURS, "openssl sha256", 0.85),
    bound("unchanged", OURS_LATER, "restic", 6.0),
    bound("unchanged", OURS_LATER, "borg", 6.0),
    bound("unchanged", OURS_LATER, "rustic", 6.0),
    bound("unchanged", OURS_LATER, "b3sum", 0.4),
    bound("restore", OURS, "restic", 2.2),
    bound("restore", OURS, "borg", 2.7),
    bound("restore", OURS, "rustic", 1.7),
    bound("restore", OURS, "cp + sync", 0.6),
];

/// For one of 2 GiB, beside the probes alone.
pub(super) const BESIDE_PROBES: &[Bound] = &[
    bound("store", OURS, "cp + sync", 0.5),
    bound("unchanged", OURS, "openssl sha256", 0.85),
    bound("unchanged", OURS_LATER, "b3sum", 0.6),
    bound("restore", OURS, "cp + sync", 0.6),
];

/// A bound beside what was measured.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Claim {
    what: String,
    /// The text of the bound.
    limit: String,
    /// `None` when something that belongs to it did not run.
    measured: Option<f64>,
    met: Option<bool>,
}

impl Claim {
    /// Whether it was measured and is not met.
    pub(super) fn is_breached(&self) -> bool {
        self.met == Some(false)
    }

    /// A row of a table of three columns.
    pub(super) fn row(&self) -> String {
        let Self { what, limit, .. } = self;
        format!("| {what} | {limit} | {} |", self.outcome())
    }

    fn outcome(&self) -> String {
        match (self.measured, self.met) {
            (Some(measured), Some(met)) => format!("{measured:.2} {}", verdict(met)),
            _ => "not measured".to_owned(),
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.what, self.limit, self.outcome())
    }
}

/// Holds the medians of a corpus against these bounds. None are claimed of a snapshot that is too short.
pub(super) fn of_speed(corpus: &str, bounds: &[Bound], bytes: u64, figures: &Figures) -> Vec<Claim> {
    if bytes < CLAIMED_BYTES_MIN {
        return Vec::new();
    }
    bounds
        .iter()
        .map(|Bound { step, ours, other, at_least }| {
            let theirs = figures.spread(other, step).or_else(|| figures.spread(other, PROBE));
            let measured =
                figures.spread(ours, step).zip(theirs).map(|(ours, theirs)| ratio(theirs.median, ours.median));
            Claim {
                what: format!("{corpus}, {step}: speed of {ours}, to that of {other}"),
                limit: format!("at least {at_least}"),
                measured,
                met: measured.map(|measured| measured >= *at_least),
            }
        })
        .collect()
}

/// Our repository must be smaller than each of these peers'.
pub(super) fn of_sizes(sizes: &Sizes, peers: &[&str]) -> Vec<Claim> {
    let ours = sizes.of(OURS);
    peers
        .iter()
        .map(|peer| {
            let bytes = ours.zip(sizes.of(peer));
            Claim {
                what: format!("{}, size: {OURS}, to that of {peer}", sizes.name),
                limit: "below 1".to_owned(),
                measured: bytes.map(|(ours, theirs)| ours as f64 / theirs as f64),
                met: bytes.map(|(ours, theirs)| ours < theirs),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expect_test::expect;

    use super::*;

    fn figures(times: &[(&'static str, &'static str, u64)]) -> Figures {
        let mut figures = Figures::default();
        for (program, step, time) in times {
            figures.add(0, program, step, Duration::from_millis(*time));
        }
        figures
    }

    #[test]
    fn a_bound_is_met_breached_or_not_measured() {
        let figures = figures(&[
            ("vectar", "store", 1000),
            ("restic", "store", 3500),
            ("borg", "store", 3400),
            ("cp", PROBE, 500),
        ]);
        let bounds = [
            bound("store", OURS, "restic", 3.5),
            bound("store", OURS, "borg", 3.5),
            bound("store", OURS, "cp", 0.5),
            bound("store", OURS, "rustic", 3.5),
            bound("restore", OURS, "restic", 2.0),
        ];
        let claims = of_speed("edge", &bounds, CLAIMED_BYTES_MIN, &figures);
        let text: Vec<String> = claims.iter().map(|claim| format!("{claim}\n")).collect();
        expect![[r#"
            edge, store: speed of vectar, to that of restic (at least 3.5): 3.50 ok
            edge, store: speed of vectar, to that of borg (at least 3.5): 3.40 BREACH
            edge, store: speed of vectar, to that of cp (at least 0.5): 0.50 ok
            edge, store: speed of vectar, to that of rustic (at least 3.5): not measured
            edge, restore: speed of vectar, to that of restic (at least 2): not measured
        "#]]
        .assert_eq(&text.concat());
        assert_eq!(claims.iter().filter(|claim| claim.is_breached()).count(), 1);
    }

    #[test]
    fn of_short_snapshots_nothing_is_claimed() {
        assert_eq!(of_speed("edge", AMONG_PEERS, CLAIMED_BYTES_MIN - 1, &Figures::default()), []);
    }

    #[test]
    fn an_equal_size_is_not_smaller() {
        let sizes = Sizes {
            name: "catalog".to_owned(),
            snapshots: 2,
            bytes: 100,
            stored: vec![(OURS, 50), ("restic", 50), ("borg", 80)],
        };
        let claims = of_sizes(&sizes, &["restic", "borg", "rustic"]);
        assert_eq!(claims.iter().map(|claim| claim.met).collect::<Vec<_>>(), [Some(false), Some(true), None]);
    }
}
