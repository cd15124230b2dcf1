//! Tests of the backends as their users see them.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "in tests a panic is the report, and what lies on the disk is the subject"
)]

mod conformance;
mod local;
mod probe;

/// A file of this folder that no `mod` line names would never run.
#[test]
fn every_test_file_is_named_here() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        let is_named = include_str!("main.rs").contains(&format!("\nmod {module};\n"));
        assert!(module == "main" || is_named, "tests/it/{name} is never run");
    }
}
