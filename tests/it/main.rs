//! Whole-library scenarios: real snapshots through a repository on disk and back, and everything that can go wrong on the way.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests may panic, touch the files around a repository, and print the figures they measured"
)]

mod bad_input;
mod campaign;
mod comparing;
mod damage;
mod deep_damage;
mod deep_recipes;
mod determinism;
mod digest_later;
mod explaining;
mod extracting;
mod filtering;
mod fuzzing;
mod generations;
mod growth;
mod identity;
mod inspecting;
mod interruption;
mod looking;
mod memory;
mod oddities;
mod planes;
mod point_changes;
mod points;
mod preparing;
mod random;
mod records;
mod restoring;
mod rows;
mod rows_adversity;
mod said;
mod scattered;
mod scene;
mod second_opinion;
mod sharing;
mod unchanged;
mod upkeep;
