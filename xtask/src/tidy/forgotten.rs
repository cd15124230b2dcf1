//! Tests that nobody runs: files without a `mod` line, second test binaries, fixtures that no test names.

use std::collections::BTreeSet;

use crate::tidy::finding::Finding;
use crate::tidy::modules::folder_of;
use crate::tidy::packages::OurPackage;
use crate::tidy::workspace::Workspace;

const RULE: &str = "forgotten";

/// Folders whose every sub-folder some test must name: repositories of former releases, finds of fuzzing.
const REPLAYED: &[&str] = &["fixtures/repositories", "fixtures/fuzz"];

/// Finds Rust files that no target reaches, test binaries beside the one, and fixtures without a test.
pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = unreached_files(workspace);
    for package in &workspace.packages.ours {
        findings.extend(second_binaries(package));
    }
    findings.extend(unnamed_fixtures(workspace));
    findings
}

fn unreached_files(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in workspace.syntax.keys() {
        let package = owner(path, &workspace.packages.ours);
        let Some(package) = package.filter(|_| !workspace.modules.is_reached(path)) else {
            continue;
        };
        let message = if is_test_binary(path, package) {
            format!("cargo does not build this test: declare it in {} as `[[test]]`", package.manifest)
        } else {
            "no `mod` line leads here, so nothing in this file is compiled or tested".to_owned()
        };
        findings.push(Finding::of_file(path, RULE, message));
    }
    findings
}

/// Returns the package whose folder holds the file: the innermost one, because packages may lie in each other.
fn owner<'a>(path: &str, ours: &'a [OurPackage]) -> Option<&'a OurPackage> {
    let holds = |package: &&OurPackage| {
        let rest = path.strip_prefix(package.folder());
        rest.is_some_and(|rest| rest.starts_with('/'))
    };
    ours.iter().filter(holds).max_by_key(|package| package.folder().len())
}

/// Returns the folder in which a package's integration tests lie. The package `tests/` is such a folder itself.
fn tests_folder(package: &OurPackage) -> String {
    match package.folder() {
        "tests" => "tests".to_owned(),
        folder => format!("{folder}/tests"),
    }
}

fn is_test_binary(path: &str, package: &OurPackage) -> bool {
    path == format!("{}/it/main.rs", tests_folder(package))
}

fn second_binaries(package: &OurPackage) -> Vec<Finding> {
    let tests = package.targets.iter().filter(|target| target.test);
    tests
        .filter(|target| !is_test_binary(&target.root_file, package))
        .map(|target| {
            let message = format!(
                "a second test binary costs everybody a link: make it a module of {}/it/main.rs",
                tests_folder(package)
            );
            Finding::of_file(&target.root_file, RULE, message)
        })
        .collect()
}

fn unnamed_fixtures(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in REPLAYED {
        let prefix = format!("{folder}/");
        let names: BTreeSet<&str> = workspace
            .tree
            .paths()
            .filter_map(|path| path.strip_prefix(&prefix)?.split_once('/'))
            .map(|(name, _)| name)
            .collect();
        for name in names {
            if !is_named_in_a_test(workspace, folder_name(folder), name) {
                let message = format!("no test names this folder: replay it in a test that says \"{name}\"");
                findings.push(Finding::of_file(&format!("{folder}/{name}"), RULE, message));
            }
        }
    }
    findings
}

fn folder_name(path: &str) -> &str {
    path.strip_prefix(folder_of(path)).map_or(path, |name| name.trim_start_matches('/'))
}

/// Tells whether a test file holds the folder's name as a whole string, or as the end of a path.
fn is_named_in_a_test(workspace: &Workspace, folder: &str, name: &str) -> bool {
    let whole = format!("\"{name}\"");
    let in_path = format!("{folder}/{name}");
    workspace.tree.texts().any(|(path, text)| {
        if !workspace.modules.is_test_only(path) {
            return false;
        }
        let ends = |at: usize| {
            let next = text[at + in_path.len()..].chars().next();
            next.is_none_or(|next| !next.is_alphanumeric())
        };
        (text.contains(&whole) && text.contains(folder)) || text.match_indices(&in_path).any(|(at, _)| ends(at))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::packages::{Packages, Target};

    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let workspace = Workspace::of(files);
        let findings: Vec<String> = super::check(&workspace).iter().map(ToString::to_string).collect();
        assert_eq!(findings, expected);
    }

    #[test]
    fn declared_files_pass_and_files_outside_packages_do_not_matter() {
        check(
            &[
                ("crates/a/src/lib.rs", "mod b;"),
                ("crates/a/src/b.rs", ""),
                ("crates/a/tests/it/main.rs", "mod split; mod deep;"),
                ("crates/a/tests/it/split.rs", ""),
                ("crates/a/tests/it/deep/mod.rs", "mod er;"),
                ("crates/a/tests/it/deep/er.rs", ""),
                ("fixtures/broken.rs", ""),
            ],
            &[],
        );
    }

    #[test]
    fn a_test_file_without_a_mod_line_fails() {
        check(
            &[
                ("crates/a/src/lib.rs", ""),
                ("crates/a/src/lost.rs", ""),
                ("crates/a/tests/it/main.rs", "mod split;"),
                ("crates/a/tests/it/split.rs", ""),
                ("crates/a/tests/it/join.rs", "#[test] fn t() {}"),
            ],
            &[
                "crates/a/src/lost.rs:1: forgotten: no `mod` line leads here, so nothing in this file is compiled or tested",
                "crates/a/tests/it/join.rs:1: forgotten: no `mod` line leads here, so nothing in this file is compiled or tested",
            ],
        );
    }

    fn package_with_test(folder: &str, root_file: &str) -> OurPackage {
        OurPackage {
            manifest: format!("{folder}/Cargo.toml"),
            targets: vec![Target { root_file: root_file.to_owned(), test: true }],
            ..OurPackage::of("a", &[], &[])
        }
    }

    #[test]
    fn one_test_binary_passes_and_a_second_fails() {
        assert!(second_binaries(&package_with_test("crates/a", "crates/a/tests/it/main.rs")).is_empty());
        assert!(second_binaries(&package_with_test("tests", "tests/it/main.rs")).is_empty());
        let findings = second_binaries(&package_with_test("crates/a", "crates/a/tests/damage.rs"));
        assert_eq!(
            findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "crates/a/tests/damage.rs:1: forgotten: a second test binary costs everybody a link: make it a module of crates/a/tests/it/main.rs"
            ]
        );
    }

    #[test]
    fn a_test_binary_that_cargo_does_not_know_fails() {
        let mut workspace = Workspace::of(&[("tests/it/main.rs", "#[test] fn t() {}")]);
        workspace.packages = Packages {
            ours: vec![OurPackage {
                manifest: "tests/Cargo.toml".to_owned(),
                ..OurPackage::of("vectar-tests", &[], &[])
            }],
            foreign: Vec::new(),
        };
        let findings: Vec<String> = super::check(&workspace).iter().map(ToString::to_string).collect();
        assert_eq!(
            findings,
            [
                "tests/it/main.rs:1: forgotten: cargo does not build this test: declare it in tests/Cargo.toml as `[[test]]`"
            ]
        );
    }

    #[test]
    fn each_fixture_repository_needs_a_test_that_names_it() {
        let main = "const OLD: &str = \"../fixtures/repositories/v1\";";
        let files = |main| {
            [
                ("crates/a/src/lib.rs", "// fixtures/repositories/v10"),
                ("crates/a/tests/it/main.rs", main),
                ("fixtures/repositories/v1/config", ""),
                ("fixtures/repositories/v10/config", ""),
                ("fixtures/repositories/README.md", ""),
            ]
        };
        check(
            &files(main),
            &[
                "fixtures/repositories/v10:1: forgotten: no test names this folder: replay it in a test that says \"v10\"",
            ],
        );
        check(&files("// repositories\nconst OLD: [&str; 2] = [\"v1\", \"v10\"];"), &[]);
    }
}
