//! Whole-library scenarios: real snapshots through a repository on disk and back, and everything that can go wrong on the way.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests may panic, touch the files around a repository, and print the figures they measured"
)]

mod bad_input;
mod campaign;
mod damage;
mod deep_recipes;
mod determinism;
mod fuzzing;
mod growth;
mod identity;
mod inspecting;
mod interruption;
mod memory;
mod oddities;
mod random;
mod records;
mod restoring;
mod scene;
mod upkeep;
