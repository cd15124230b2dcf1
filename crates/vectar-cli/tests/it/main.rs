//! The binary as people and scripts meet it: whole outputs, exit codes, signals, documents.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests may panic, and touch the files around and in a repository"
)]

mod commands;
mod comparing;
mod deep;
mod demo;
mod diff_points;
mod digest_later;
mod documents;
mod drill;
mod drill_limits;
mod environment;
mod errors;
mod exit_codes;
mod fake_qdrant;
mod inside;
mod inside_errors;
mod json;
mod naming_errors;
mod prepare;
mod prepare_script;
mod profiles;
mod reading;
mod redact;
mod schedule;
mod signals;
mod sources;
mod storage_errors;
mod upkeep;
mod upkeep_copy;
mod upkeep_forget;
mod upkeep_heal;
mod upkeep_loss;
mod upkeep_prune;
mod upkeep_repair;

/// A file in this folder that no `mod` line names would never run.
#[test]
fn every_test_file_is_named_here() {
    let named = include_str!("main.rs");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    for file in environment::names(&folder).iter().filter(|file| *file != "main.rs") {
        let line = format!("mod {};", file.trim_end_matches(".rs"));
        assert!(named.contains(&line), "{line} is missing");
    }
}
