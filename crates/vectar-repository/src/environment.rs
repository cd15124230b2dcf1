//! Time, randomness and identity: everything a repository takes from the world besides its backend.
//!
//! They come in through one trait, so that a test with a seed replays an ingest to the byte.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use jiff::{SignedDuration, Timestamp};

/// What the repository asks of the world.
pub trait Environment: Send + Sync + fmt::Debug {
    /// The current time.
    fn now(&self) -> Timestamp;

    /// Fills `bytes` with random ones that nobody can guess.
    fn fill_random(&self, bytes: &mut [u8]);

    /// Host name and process, such as `nas-1/4711`, for people who read a log.
    fn client(&self) -> String;
}

/// The real world.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    #[expect(clippy::disallowed_methods, reason = "the one place where the wall clock comes in")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place where randomness comes in")]
    fn fill_random(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system always has randomness once it has booted");
    }

    fn client(&self) -> String {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        format!("{host}/{}", std::process::id())
    }
}

/// A world that repeats itself: time starts at a given moment and moves one second a call, randomness follows from a seed.
///
/// For tests, fixtures and benches; the "randomness" is BLAKE3 in counter mode.
#[derive(Debug)]
pub struct SeededEnvironment {
    seed: u64,
    start: Timestamp,
    calls: AtomicU64,
    blocks: AtomicU64,
}

impl SeededEnvironment {
    /// Starts at `start` with the given seed.
    #[must_use]
    pub fn new(seed: u64, start: Timestamp) -> Self {
        Self { seed, start, calls: AtomicU64::new(0), blocks: AtomicU64::new(0) }
    }
}

impl Environment for SeededEnvironment {
    fn now(&self) -> Timestamp {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed);
        self.start + SignedDuration::from_secs(i64::try_from(calls).expect("a test makes fewer than 2^63 calls"))
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        let block = self.blocks.fetch_add(1, Ordering::Relaxed);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed.to_le_bytes());
        hasher.update(&block.to_le_bytes());
        hasher.finalize_xof().fill(bytes);
    }

    fn client(&self) -> String {
        "test/1".to_owned()
    }
}
