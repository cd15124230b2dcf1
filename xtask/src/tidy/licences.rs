//! Every dependency's licence against the list of `deny.toml`, without network and without cargo-deny.

use anyhow::{Context, Result};
use spdx::expression::ExpressionReq;
use spdx::{Expression, LicenseReq, ParseMode};
use toml::Table;

use crate::tidy::finding::Finding;
use crate::tidy::packages::ForeignPackage;
use crate::tidy::workspace::Workspace;

const RULE: &str = "licences";
const POLICY: &str = "deny.toml";
const LOCK: &str = "Cargo.lock";

/// Finds packages whose licence expression the allow list and its exceptions cannot satisfy.
pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    let policy = match Policy::parse(workspace.tree.text(POLICY).unwrap_or_default()) {
        Ok(policy) => policy,
        Err(error) => return vec![Finding::of_file(POLICY, RULE, format!("{error:#}"))],
    };
    let lock = workspace.tree.text(LOCK).unwrap_or_default();
    let packages = workspace.packages.foreign.iter();
    let mut findings: Vec<Finding> = packages
        .filter_map(|package| {
            let message = policy.objection(package)?;
            Some(Finding::new(LOCK, line_in_lock(lock, package), RULE, message))
        })
        .collect();
    for name in policy.exceptions.iter().map(|exception| &exception.package) {
        if !workspace.packages.foreign.iter().any(|package| package.name == *name) {
            let message = format!("there is an exception for {name}, which is no dependency: remove it");
            findings.push(Finding::of_file(POLICY, RULE, message));
        }
    }
    findings
}

/// The licences of `deny.toml`.
#[derive(Debug)]
struct Policy {
    allowed: Vec<String>,
    exceptions: Vec<Exception>,
}

/// Licences that one package may have besides.
#[derive(Debug)]
struct Exception {
    package: String,
    allowed: Vec<String>,
}

impl Policy {
    fn parse(text: &str) -> Result<Self> {
        let table: Table = text.parse().context("it does not parse as TOML")?;
        let licences = table.get("licenses").context("it has no table `licenses`")?;
        let allowed = strings(licences.get("allow")).context("`licenses.allow` is no list of names")?;
        let mut exceptions = Vec::new();
        if let Some(listed) = licences.get("exceptions") {
            for exception in listed.as_array().context("`licenses.exceptions` is no list")? {
                exceptions.push(Exception {
                    package: exception
                        .get("crate")
                        .and_then(|name| name.as_str())
                        .context("an exception names no `crate`")?
                        .to_owned(),
                    allowed: strings(exception.get("allow")).context("an exception has no list `allow`")?,
                });
            }
        }
        Ok(Self { allowed, exceptions })
    }

    /// Returns what is wrong with the package's licence, if anything is.
    fn objection(&self, package: &ForeignPackage) -> Option<String> {
        let ForeignPackage { name, version, licence } = package;
        let Some(licence) = licence else {
            return Some(format!("{name} {version} states no licence expression"));
        };
        // Lax, because old manifests write `MIT/Apache-2.0`.
        let expression = match Expression::parse_mode(licence, ParseMode::LAX) {
            Ok(expression) => expression,
            Err(error) => {
                return Some(format!("{name} {version}: `{licence}` is no licence expression: {}", error.reason));
            }
        };
        if expression.evaluate(|requirement| self.allows(name, requirement)) {
            return None;
        }
        let refused: Vec<String> = expression
            .requirements()
            .filter(|ExpressionReq { req, .. }| !self.allows(name, req))
            .map(|ExpressionReq { req, .. }| req.to_string())
            .collect();
        Some(format!(
            "{name} {version} has the licence `{licence}`, which needs one that {POLICY} does not allow: {}",
            refused.join(", ")
        ))
    }

    fn allows(&self, package: &str, requirement: &LicenseReq) -> bool {
        let exceptions = self.exceptions.iter();
        let excepted =
            exceptions.filter(|exception| exception.package == package).flat_map(|exception| &exception.allowed);
        let requirement = requirement.to_string();
        self.allowed.iter().chain(excepted).any(|allowed| *allowed == requirement)
    }
}

fn strings(value: Option<&toml::Value>) -> Option<Vec<String>> {
    let names = value?.as_array()?.iter();
    names.map(|name| Some(name.as_str()?.to_owned())).collect()
}

/// Returns the line of the lock file on which the package's entry begins.
fn line_in_lock(lock: &str, package: &ForeignPackage) -> usize {
    let name = format!("name = \"{}\"", package.name);
    let version = format!("version = \"{}\"", package.version);
    let lines: Vec<&str> = lock.lines().collect();
    let at = lines.windows(2).position(|pair| pair == [name.as_str(), version.as_str()]);
    at.map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY_TEXT: &str = "[licenses]\nallow = [\"MIT\", \"Apache-2.0\", \"Unicode-3.0\"]\n\
                               exceptions = [{ crate = \"paths\", allow = [\"MPL-2.0\"] }]\n";

    fn objection(name: &str, licence: Option<&str>) -> Option<String> {
        let policy = Policy::parse(POLICY_TEXT).expect("the policy is valid");
        policy.objection(&ForeignPackage {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            licence: licence.map(str::to_owned),
        })
    }

    #[test]
    fn expressions_that_the_list_satisfies_pass() {
        for licence in [
            "MIT",
            "MIT/Apache-2.0",
            "Zlib OR MIT",
            "(MIT OR GPL-3.0-only) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0",
            "MIT OR LGPL-2.1-or-later",
        ] {
            assert_eq!(objection("a", Some(licence)), None, "{licence}");
        }
        assert_eq!(objection("paths", Some("MPL-2.0")), None);
    }

    #[test]
    fn other_licences_fail_with_what_is_missing() {
        assert_eq!(
            objection("a", Some("MIT AND GPL-3.0-only")).as_deref(),
            Some(
                "a 1.0.0 has the licence `MIT AND GPL-3.0-only`, which needs one that deny.toml does not allow: GPL-3.0-only"
            )
        );
        for licence in ["MPL-2.0", "Apache-2.0 WITH LLVM-exception", "GPL-2.0-or-later"] {
            assert!(objection("a", Some(licence)).is_some(), "{licence}");
        }
        assert_eq!(objection("a", None).as_deref(), Some("a 1.0.0 states no licence expression"));
        let nonsense = objection("a", Some("Best-Licence"));
        assert!(nonsense.is_some_and(|text| text.contains("is no licence expression")));
    }

    #[test]
    fn findings_point_into_the_lock_file_and_at_stale_exceptions() {
        let mut workspace = Workspace::of(&[
            (POLICY, POLICY_TEXT),
            (LOCK, "[[package]]\nname = \"a\"\nversion = \"0.9.0\"\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n"),
        ]);
        workspace.packages.foreign =
            vec![ForeignPackage { name: "a".to_owned(), version: "1.0.0".to_owned(), licence: None }];
        let findings: Vec<String> = super::check(&workspace).iter().map(ToString::to_string).collect();
        assert_eq!(
            findings,
            [
                "Cargo.lock:5: licences: a 1.0.0 states no licence expression",
                "deny.toml:1: licences: there is an exception for paths, which is no dependency: remove it",
            ]
        );
    }

    #[test]
    fn a_policy_without_a_list_fails() {
        let workspace = Workspace::of(&[(POLICY, "[bans]\n")]);
        let findings: Vec<String> = super::check(&workspace).iter().map(ToString::to_string).collect();
        assert_eq!(findings, ["deny.toml:1: licences: it has no table `licenses`"]);
    }
}
