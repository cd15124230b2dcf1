//! One binary for the crate's integration tests.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![expect(
    clippy::disallowed_methods,
    reason = "fixtures, corpora and environments are plain files, not part of a repository"
)]

mod corpus;
mod edge;
mod fixtures;
mod giant;
mod likeness;
mod reader;
mod tar_parts;
mod wal;

/// A file in this folder that no `mod` line names would never run.
#[test]
fn every_test_file_is_named_here() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let named = include_str!("main.rs");
    for entry in std::fs::read_dir(folder).expect("the tests' folder can be listed") {
        let name = entry.expect("the tests' folder can be listed").file_name();
        let module = name.to_string_lossy().trim_end_matches(".rs").to_owned();
        let line = format!("mod {module};");
        assert!(module == "main" || named.contains(&line), "{line} is missing");
    }
}
