//! Which of our crates may depend on which: the layers, as data.
//!
//! Read as one line: CLI → { live, serve } → engine → { qdrant → tar, repository → { chunk, backend } }. A row is added
//! with its crate; a new edge between existing crates is the rarest kind of change and wants a review of its own.

use crate::tidy::finding::Finding;
use crate::tidy::packages::OurPackage;
use crate::tidy::workspace::Workspace;

const RULE: &str = "edges";

/// The crate that imitates storage for tests. Any crate may use it in dev-dependencies and none anywhere else.
const TESTKIT: &str = "vectar-testkit";

/// What one of our crates may use of ours.
struct Layer {
    name: &'static str,
    /// In normal and build dependencies.
    may_use: &'static [&'static str],
    /// In dev-dependencies, besides [`TESTKIT`] and `may_use`.
    tests_may_use: &'static [&'static str],
    /// Why nothing else: the end of a sentence that begins with the crate's name.
    because: &'static str,
}

const ENGINE_AND_BELOW: &[&str] =
    &["vectar", "vectar-backend", "vectar-chunk", "vectar-qdrant", "vectar-repository", "vectar-tar"];

const LAYERS: &[Layer] = &[
    Layer {
        name: "vectar-tar",
        may_use: &[],
        tests_may_use: &[],
        because: "deliberately does not know Qdrant, hashes, files or async",
    },
    Layer {
        name: "vectar-qdrant",
        may_use: &["vectar-tar"],
        tests_may_use: &[],
        because: "deliberately does not know packs, backends or the network",
    },
    Layer {
        name: "vectar-chunk",
        may_use: &[],
        tests_may_use: &[],
        because: "deliberately does not know tar, Qdrant or storage",
    },
    Layer {
        name: "vectar-backend",
        may_use: &[],
        tests_may_use: &[],
        because: "deliberately does not know what the bytes mean",
    },
    Layer {
        name: "vectar-repository",
        may_use: &["vectar-backend", "vectar-chunk"],
        tests_may_use: &[],
        because: "deliberately does not know tar, Qdrant or the terminal",
    },
    Layer {
        name: "vectar",
        may_use: &["vectar-backend", "vectar-chunk", "vectar-qdrant", "vectar-repository", "vectar-tar"],
        tests_may_use: &[],
        because: "deliberately does not know the command line that calls it",
    },
    Layer {
        name: "vectar-live",
        may_use: &["vectar"],
        tests_may_use: &[],
        because: "deliberately does not know packs, formats or the terminal",
    },
    Layer {
        name: "vectar-serve",
        may_use: &["vectar"],
        tests_may_use: &[],
        because: "deliberately does not know packs, formats or the terminal",
    },
    Layer {
        name: "vectar-cli",
        may_use: &["vectar", "vectar-live", "vectar-serve"],
        tests_may_use: &[],
        because: "turns flags into calls of the engine and deliberately does not know formats",
    },
    Layer {
        name: TESTKIT,
        may_use: &["vectar-backend"],
        tests_may_use: &[],
        because: "imitates storage and snapshots from outside, so that a fault of ours is not imitated with them",
    },
    Layer {
        name: "vectar-tests",
        // Its library is the fault campaign and the fuzz targets, which tests and long runs share; nothing of ours depends on it.
        may_use: &[
            "vectar",
            "vectar-backend",
            "vectar-chunk",
            "vectar-qdrant",
            "vectar-repository",
            "vectar-tar",
            TESTKIT,
        ],
        tests_may_use: ENGINE_AND_BELOW,
        because: "holds scenarios over the library; tests of the command line lie in its own package",
    },
    Layer { name: "vectar-benches", may_use: &[], tests_may_use: ENGINE_AND_BELOW, because: "measures the library" },
    Layer {
        name: "xtask",
        may_use: &[],
        tests_may_use: &[],
        because: "checks the crates and must build when they do not",
    },
];

/// Finds every edge between our crates that the table does not hold, and every crate that it does not name.
pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    let ours = &workspace.packages.ours;
    let mut findings = Vec::new();
    for package in ours {
        match LAYERS.iter().find(|layer| layer.name == package.name) {
            Some(layer) => findings.extend(check_package(package, layer, ours)),
            None => findings.push(Finding::of_file(
                &package.manifest,
                RULE,
                format!(
                    "{} has no row in the table of xtask/src/tidy/edges.rs: say there what it may use and why",
                    package.name
                ),
            )),
        }
    }
    findings
}

fn check_package(package: &OurPackage, layer: &Layer, ours: &[OurPackage]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for dependency in &package.dependencies {
        let name = dependency.name.as_str();
        if !ours.iter().any(|other| other.name == name) || layer.may_use.contains(&name) {
            continue;
        }
        if dependency.dev && (name == TESTKIT || layer.tests_may_use.contains(&name)) {
            continue;
        }
        let reason = if name == TESTKIT {
            format!("{TESTKIT} is for dev-dependencies only")
        } else {
            format!("{} {} (it may use: {})", layer.name, layer.because, listed(layer, dependency.dev))
        };
        let table = if dependency.dev { "dev-depend" } else { "depend" };
        let message = format!("{} must not {table} on {name}: {reason}", package.name);
        findings.push(Finding::of_file(&package.manifest, RULE, message));
    }
    findings
}

fn listed(layer: &Layer, dev: bool) -> String {
    let mut names = layer.may_use.to_vec();
    if dev {
        names.extend(layer.tests_may_use);
        names.push(TESTKIT);
    }
    if names.is_empty() { "nothing of ours".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::tidy::packages::Packages;

    fn check(packages: &[OurPackage], expected: &Expect) {
        let workspace = Workspace::of_packages(Packages { ours: packages.to_vec(), foreign: Vec::new() });
        let findings: Vec<String> = super::check(&workspace).iter().map(|finding| format!("{finding}\n")).collect();
        expected.assert_eq(&findings.concat());
    }

    fn tar() -> OurPackage {
        OurPackage::of("vectar-tar", &["thiserror"], &["proptest"])
    }

    fn testkit() -> OurPackage {
        OurPackage::of(TESTKIT, &[], &[])
    }

    #[test]
    fn edges_of_the_table_pass() {
        check(
            &[
                tar(),
                testkit(),
                OurPackage::of("vectar-qdrant", &["vectar-tar", "serde"], &[TESTKIT]),
                OurPackage::of("vectar", &["vectar-tar", "vectar-qdrant"], &[TESTKIT]),
                OurPackage::of("vectar-tests", &[], &["vectar", "vectar-tar", TESTKIT]),
            ],
            &expect![""],
        );
    }

    #[test]
    fn an_edge_sideways_fails_with_both_names_and_the_reason() {
        check(
            &[tar(), OurPackage::of("vectar-chunk", &["vectar-tar"], &[])],
            &expect![[r#"
                crates/vectar-chunk/Cargo.toml:1: edges: vectar-chunk must not depend on vectar-tar: vectar-chunk deliberately does not know tar, Qdrant or storage (it may use: nothing of ours)
            "#]],
        );
    }

    #[test]
    fn an_edge_of_tests_sideways_fails_too() {
        check(
            &[tar(), testkit(), OurPackage::of("vectar-repository", &[], &["vectar-tar"])],
            &expect![[r#"
                crates/vectar-repository/Cargo.toml:1: edges: vectar-repository must not dev-depend on vectar-tar: vectar-repository deliberately does not know tar, Qdrant or the terminal (it may use: vectar-backend, vectar-chunk, vectar-testkit)
            "#]],
        );
    }

    #[test]
    fn the_testkit_is_for_tests_only() {
        check(
            &[testkit(), OurPackage::of("vectar", &[TESTKIT], &[])],
            &expect![[r#"
                crates/vectar/Cargo.toml:1: edges: vectar must not depend on vectar-testkit: vectar-testkit is for dev-dependencies only
            "#]],
        );
    }

    #[test]
    fn a_crate_without_a_row_fails() {
        check(
            &[OurPackage::of("vectar-common", &[], &[])],
            &expect![[r#"
                crates/vectar-common/Cargo.toml:1: edges: vectar-common has no row in the table of xtask/src/tidy/edges.rs: say there what it may use and why
            "#]],
        );
    }

    #[test]
    fn no_row_allows_an_edge_upward_or_in_a_circle() {
        // The rows of the layers stand in an order in which each uses only rows above it; this keeps it so. The
        // packages after them are used by nobody.
        for (index, layer) in LAYERS.iter().enumerate() {
            for used in layer.may_use {
                let place = LAYERS.iter().position(|other| other.name == *used);
                assert!(place.is_some_and(|place| place < index), "{} → {used}", layer.name);
            }
        }
    }
}
