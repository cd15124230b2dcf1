//! Which crates of others may appear where, and how many the pure crates may take.

use crate::tidy::finding::Finding;
use crate::tidy::packages::OurPackage;
use crate::tidy::workspace::Workspace;

const RULE: &str = "externals";

/// A crate of others that has one home.
struct Confined {
    dependencies: &'static [&'static str],
    /// Who may use it anywhere.
    homes: &'static [&'static str],
    /// Who may use it besides in tests, examples and benches; `None` stands for everyone.
    test_homes: Option<&'static [&'static str]>,
    because: &'static str,
}

const CONFINED: &[Confined] = &[
    Confined {
        dependencies: &["redb"],
        homes: &["vectar-repository"],
        test_homes: Some(&[]),
        because: "the derived chunk index is a secret of the repository",
    },
    Confined {
        dependencies: &["object_store"],
        homes: &["vectar-backend"],
        test_homes: Some(&[]),
        because: "where objects live is a secret of the backend",
    },
    Confined {
        dependencies: &["clap", "clap_complete", "clap_mangen"],
        homes: &["vectar-cli", "xtask"],
        test_homes: Some(&["vectar-testkit"]),
        because: "only the command line knows flags",
    },
    Confined {
        dependencies: &["indicatif"],
        homes: &["vectar-cli"],
        test_homes: Some(&[]),
        because: "only the command line talks to a terminal",
    },
    Confined {
        dependencies: &["tracing-subscriber"],
        homes: &["vectar-cli"],
        test_homes: None,
        because: "a library writes events; who reads them is decided by the program",
    },
    Confined {
        dependencies: &["anyhow", "eyre"],
        homes: &["xtask", "vectar-tests"],
        test_homes: None,
        because: "libraries have typed errors whose kind a caller can act on",
    },
    Confined {
        dependencies: &["axum", "hyper", "reqwest", "tiny_http", "ureq"],
        homes: &["vectar-live", "vectar-serve"],
        test_homes: Some(&["vectar-testkit"]),
        because: "only the client of a running Qdrant and the read-only server open sockets",
    },
];

/// A crate that stays free of async and takes few dependencies.
struct Pure {
    name: &'static str,
    /// The largest number of normal and build dependencies on crates of others.
    dependencies_max: usize,
}

/// A parser that everybody can trust is one that everybody can build; each dependency is a reason less to do so.
const PURE: &[Pure] = &[
    Pure { name: "vectar-tar", dependencies_max: 3 },
    // JSON, and what Qdrant's own files are made of: LZ4 in Gridstores, CRC-32C and CBOR in write-ahead logs (two crates, one with
    // the traits of the other). None of them is a format to write a second time.
    Pure { name: "vectar-qdrant", dependencies_max: 7 },
    // The hash, the chunker, the compressor, the row hash, the error derive: each of them is the crate's subject.
    Pure { name: "vectar-chunk", dependencies_max: 5 },
];

const ASYNC: &[&str] = &["async-std", "futures", "smol", "tokio"];

/// Finds crates of others outside their homes, and pure crates that are no longer pure.
pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    let packages = workspace.packages.ours.iter();
    packages
        .flat_map(|package| {
            let mut findings = check_confined(package);
            if let Some(pure) = PURE.iter().find(|pure| pure.name == package.name) {
                findings.extend(check_pure(package, pure, &workspace.packages.ours));
            }
            findings
        })
        .collect()
}

fn check_confined(package: &OurPackage) -> Vec<Finding> {
    let mut findings = Vec::new();
    for dependency in &package.dependencies {
        let name = dependency.name.as_str();
        let confined = CONFINED.iter().find(|row| row.dependencies.contains(&name));
        let Some(confined) = confined else { continue };
        let at_home = confined.homes.contains(&package.name.as_str());
        let in_tests = dependency.dev && confined.test_homes.is_none_or(|homes| homes.contains(&package.name.as_str()));
        if !at_home && !in_tests {
            let message = format!(
                "{} must not use {name}: {} (it may appear in: {})",
                package.name,
                confined.because,
                confined.homes.join(", ")
            );
            findings.push(Finding::of_file(&package.manifest, RULE, message));
        }
    }
    findings
}

fn check_pure(package: &OurPackage, pure: &Pure, ours: &[OurPackage]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let normal = package.dependencies.iter().filter(|dependency| !dependency.dev);
    let mut foreign: Vec<&str> = normal
        .map(|dependency| dependency.name.as_str())
        .filter(|name| !ours.iter().any(|other| other.name == *name))
        .collect();
    foreign.sort_unstable();
    foreign.dedup();
    for name in foreign.iter().filter(|name| ASYNC.contains(name)) {
        let message = format!("{} must not use {name}: a pure crate has no async", package.name);
        findings.push(Finding::of_file(&package.manifest, RULE, message));
    }
    if foreign.len() > pure.dependencies_max {
        let message = format!(
            "{} has {} dependencies on crates of others, {} are allowed to this pure crate: {}",
            package.name,
            foreign.len(),
            pure.dependencies_max,
            foreign.join(", ")
        );
        findings.push(Finding::of_file(&package.manifest, RULE, message));
    }
    findings
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

    #[test]
    fn crates_at_home_pass() {
        check(
            &[
                OurPackage::of("vectar-repository", &["redb"], &["anyhow"]),
                OurPackage::of("vectar-cli", &["clap", "indicatif"], &[]),
                OurPackage::of("vectar-testkit", &["rand"], &["clap"]),
                OurPackage::of("vectar-tar", &["thiserror"], &["tokio", "a", "b", "c", "d"]),
            ],
            &expect![""],
        );
    }

    #[test]
    fn crates_away_from_home_fail_in_tests_too() {
        check(
            &[OurPackage::of("vectar", &["clap"], &["redb"]), OurPackage::of("vectar-testkit", &["clap"], &[])],
            &expect![[r#"
                crates/vectar/Cargo.toml:1: externals: vectar must not use clap: only the command line knows flags (it may appear in: vectar-cli, xtask)
                crates/vectar/Cargo.toml:1: externals: vectar must not use redb: the derived chunk index is a secret of the repository (it may appear in: vectar-repository)
                crates/vectar-testkit/Cargo.toml:1: externals: vectar-testkit must not use clap: only the command line knows flags (it may appear in: vectar-cli, xtask)
            "#]],
        );
    }

    #[test]
    fn a_pure_crate_with_async_or_many_dependencies_fails() {
        check(
            &[OurPackage::of("vectar-tar", &["tokio", "a", "b", "thiserror"], &[])],
            &expect![[r#"
                crates/vectar-tar/Cargo.toml:1: externals: vectar-tar must not use tokio: a pure crate has no async
                crates/vectar-tar/Cargo.toml:1: externals: vectar-tar has 4 dependencies on crates of others, 3 are allowed to this pure crate: a, b, thiserror, tokio
            "#]],
        );
    }

    #[test]
    fn our_own_crates_do_not_count_against_a_pure_crate() {
        check(
            &[
                OurPackage::of("vectar-tar", &[], &[]),
                OurPackage::of("vectar-qdrant", &["vectar-tar", "a", "b", "c"], &[]),
            ],
            &expect![""],
        );
    }
}
