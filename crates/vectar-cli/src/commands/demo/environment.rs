//! The world of the demo: it repeats itself, so that the table is the same on every run.

use jiff::Timestamp;
use vectar::{Environment, SeededEnvironment};

/// Any seed gives as good a table.
const SEED: u64 = 1;

/// A clock that ticks once a call, and randomness that anybody can guess.
#[derive(Debug)]
pub(super) struct DemoEnvironment(SeededEnvironment);

impl Default for DemoEnvironment {
    fn default() -> Self {
        // Shortly after the snapshots of the demo were taken.
        let start = "2026-11-20T18:00:00Z".parse().expect("a constant that is a time");
        Self(SeededEnvironment::new(SEED, start))
    }
}

impl Environment for DemoEnvironment {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.0.fill_random(bytes);
    }

    fn client(&self) -> String {
        "demo/1".to_owned()
    }
}
