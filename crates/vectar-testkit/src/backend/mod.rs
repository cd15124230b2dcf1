//! Backends to test with, and the suite that every backend must pass.
//!
//! - [`MemoryBackend`] keeps objects in memory and can lose power.
//! - [`ObjectStoreBackend`] behaves as an object store: no rename, no directories, short pages, latency.
//! - [`RecordingBackend`] wraps another one and keeps a log of the calls.
//! - [`FailingBackend`] wraps another one and fails, or stops for good, at a chosen call.
//! - [`HookedBackend`] wraps another one and lets a test do something just before a call.
//! - [`ShareBackend`] wraps another one and behaves as a network share: stale listings, refused syncs, short objects.
//! - [`run_conformance`] is the suite.

mod conformance;
mod failing;
mod hooked;
mod memory;
mod object_map;
mod object_store;
mod operation;
mod recording;
mod share;

pub use conformance::run_conformance;
pub use failing::{Aftermath, Effect, FailingBackend, FailurePlan};
pub use hooked::{HookedBackend, Switch};
pub use memory::MemoryBackend;
pub use object_store::{ObjectStoreBackend, ObjectStoreOptions};
pub use operation::{Call, Operation};
pub use recording::RecordingBackend;
pub use share::{ShareBackend, ShareOptions, Shortening};
