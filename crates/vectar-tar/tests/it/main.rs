//! All integration tests of the crate, as one binary.

mod bounds;
mod differential;
mod drivers;
mod errors;
mod identity;
mod quirks;
mod raw;
mod samples;
mod skipping;
mod snapshots;
mod truncation;
