//! Traces of the machine a file was written on: absolute paths of a home or a checkout, hosts of package registries.
//!
//! A path that exists on one machine makes a test or a document lie on every other; an address of a registry pins
//! everybody to it. The patterns are spelled in two halves, so that this file does not find itself.

use crate::tidy::finding::Finding;
use crate::tidy::tree::Tree;
use crate::tidy::workspace::Workspace;

const RULE: &str = "leaks";

/// Beginnings of absolute paths.
const FOLDERS: &[&str] = &[
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
    concat!("/work", "space/"),
    concat!("C:\\Us", "ers\\"),
];

/// Hosts, in any case, as a whole word.
const HOSTS: &[&str] =
    &[concat!("crates", ".io"), concat!("npmjs", ".org"), concat!("pypi", ".org"), concat!("pythonhosted", ".org")];

/// cargo writes the address of the registry into every entry.
const WITH_HOSTS: &[&str] = &["Cargo.lock"];

/// Finds traces in all text files.
pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    check_tree(&workspace.tree)
}

fn check_tree(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts() {
        for (index, line) in text.lines().enumerate() {
            for folder in FOLDERS.iter().filter(|folder| contains_folder(line, folder)) {
                let message = format!("`{folder}…` is a place on one machine: write a relative path");
                findings.push(Finding::new(path, index + 1, RULE, message));
            }
            if WITH_HOSTS.contains(&path) {
                continue;
            }
            let line = line.to_lowercase();
            for host in HOSTS.iter().filter(|host| line.contains(**host)) {
                let message = format!("`{host}` is the host of a package registry: leave it to the tools");
                findings.push(Finding::new(path, index + 1, RULE, message));
            }
        }
    }
    findings
}

/// Tells whether an absolute path that begins with `folder` stands in the line. After a letter, a digit or one of
/// `._-~}*` the slash is in the middle of a relative path or an address; before anything but a name it is no path.
fn contains_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + folder.len()..].chars().next();
        let begins = before.is_none_or(|c| !c.is_alphanumeric() && !"._-~}*".contains(c));
        begins && after.is_some_and(|c| c.is_alphanumeric() || "._$<{".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let findings = check_tree(&Tree::of(&[(path, text)]));
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_pattern_is_found() {
        for folder in FOLDERS {
            let found = findings("README.md", &format!("ok\nsee `{folder}ann/x`"));
            assert_eq!(found.len(), 1, "{folder}: {found:?}");
            assert!(found[0].starts_with("README.md:2: leaks: "), "{found:?}");
        }
        for host in HOSTS {
            let found = findings("a.toml", &format!("index = \"https://index.{}\"", host.to_uppercase()));
            assert_eq!(found.len(), 1, "{host}: {found:?}");
        }
    }

    #[test]
    fn relative_paths_and_addresses_pass() {
        for folder in FOLDERS {
            let text = format!("a{folder}b ..{folder}c https://host.example{folder}d and {folder} alone");
            assert_eq!(findings("README.md", &text), [""; 0], "{text}");
        }
    }

    #[test]
    fn the_lock_file_may_name_the_registry_but_no_folder() {
        let lock = format!("source = \"registry+https://{}-index\"", HOSTS[0]);
        assert_eq!(findings("Cargo.lock", &lock), [""; 0]);
        let lock = format!("path = \"{}ann/x\"", FOLDERS[0]);
        assert_eq!(findings("Cargo.lock", &lock).len(), 1);
    }
}
