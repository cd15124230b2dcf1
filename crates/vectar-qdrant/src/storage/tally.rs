//! Many faults of one kind as one finding.

use std::fmt;

use crate::error::brief;
use crate::finding::{Finding, FindingLevel, Findings};

/// Examples that a finding names; the rest is counted.
const EXAMPLES_MAX: usize = 5;

/// The words of a kind of fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FaultKind {
    pub(crate) level: FindingLevel,
    /// What was found, as a plural that a number and examples can follow.
    pub(crate) what: &'static str,
    pub(crate) consequence: &'static str,
    pub(crate) advice: &'static str,
}

impl FaultKind {
    /// The finding of one fault of this kind.
    pub(crate) fn finding(&self, object: &str, what: String) -> Finding {
        Finding {
            level: self.level,
            object: object.to_owned(),
            what,
            consequence: self.consequence.to_owned(),
            advice: self.advice.to_owned(),
        }
    }
}

/// Counts faults of one kind and keeps the first few. Its memory is bounded whatever the number of faults.
#[derive(Debug)]
pub(crate) struct Tally {
    kind: FaultKind,
    count: u64,
    examples: Vec<String>,
}

impl Tally {
    pub(crate) fn new(kind: FaultKind) -> Self {
        Self { kind, count: 0, examples: Vec::new() }
    }

    /// Makes the faults worse than their kind is.
    pub(crate) fn raise(&mut self, level: FindingLevel) {
        self.kind.level = self.kind.level.max(level);
    }

    /// Counts one fault.
    pub(crate) fn add(&mut self, example: &dyn fmt::Display) {
        self.add_many(1, example);
    }

    /// Counts `count` faults of which `example` is the first.
    pub(crate) fn add_many(&mut self, count: u64, example: &dyn fmt::Display) {
        self.count += count;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(brief(&example.to_string()));
        }
    }

    /// How many were counted.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Adds the finding, when anything was counted.
    pub(crate) fn report(self, object: &str, findings: &mut Findings) {
        if self.count > 0 {
            let more = if self.count > self.examples.len() as u64 { "; …" } else { "" };
            let what = format!("{}: {} ({}{more})", self.kind.what, self.count, self.examples.join("; "));
            findings.add(self.kind.finding(object, what));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_faults_are_one_finding_with_the_first_few_named() {
        let kind = FaultKind { level: FindingLevel::Damage, what: "slots of no value", consequence: "c", advice: "a" };
        let mut findings = Findings::default();
        Tally::new(kind).report("tracker.dat", &mut findings);
        assert_eq!(findings, Findings::default());
        let mut tally = Tally::new(kind);
        (0..1000).for_each(|slot| tally.add(&slot));
        tally.report("tracker.dat", &mut findings);
        assert_eq!(findings.list.len(), 1);
        assert_eq!(findings.list[0].what, "slots of no value: 1000 (0; 1; 2; 3; 4; …)");
    }
}
