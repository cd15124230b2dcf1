//! Everything a rule may look at, read once.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use crate::tidy::finding::Finding;
use crate::tidy::modules::Modules;
use crate::tidy::packages::Packages;
use crate::tidy::tree::Tree;

/// The files, the packages, the Rust files parsed, and which module each of those is.
pub(crate) struct Workspace {
    /// All files.
    pub(crate) tree: Tree,
    /// What cargo says.
    pub(crate) packages: Packages,
    /// Every Rust file that parses, by path.
    pub(crate) syntax: BTreeMap<String, syn::File>,
    /// One finding for each Rust file that does not parse.
    pub(crate) unparsed: Vec<Finding>,
    /// Which Rust files belong to a target, and which of them only to tests.
    pub(crate) modules: Modules,
}

impl Workspace {
    /// Reads the workspace under `root`.
    ///
    /// # Errors
    ///
    /// When a file or cargo's metadata cannot be read.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        Ok(Self::new(Tree::open(root)?, Packages::load(root)?))
    }

    fn new(tree: Tree, packages: Packages) -> Self {
        let mut syntax = BTreeMap::new();
        let mut unparsed = Vec::new();
        for (path, text) in tree.texts().filter(|(path, _)| path.ends_with(".rs")) {
            match syn::parse_file(text) {
                Ok(file) => {
                    syntax.insert(path.to_owned(), file);
                }
                Err(error) => {
                    let line = error.span().start().line;
                    let message = format!("does not parse as Rust: {error}");
                    unparsed.push(Finding::new(path, line, "syntax", message));
                }
            }
        }
        let modules = Modules::walk(&syntax, &packages);
        Self { tree, packages, syntax, unparsed, modules }
    }

    /// Returns every Rust file outside tests that parses, with its text.
    pub(crate) fn product_code(&self) -> impl Iterator<Item = (&str, &str, &syn::File)> {
        let files = self.syntax.iter();
        files
            .filter(|(path, _)| !self.modules.is_test_only(path))
            .filter_map(|(path, file)| Some((path.as_str(), self.tree.text(path)?, file)))
    }
}

#[cfg(test)]
impl Workspace {
    /// Returns a workspace of files that exist only in memory. Its packages are guessed as cargo would guess them from
    /// the files' names: `lib.rs`, `main.rs` and `tests/it/main.rs` are targets of the package in the folder above.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        use crate::tidy::packages::{OurPackage, Target};
        let mut ours: BTreeMap<&str, OurPackage> = BTreeMap::new();
        for (path, _) in files {
            let (folder, test) = if let Some(folder) = path.strip_suffix("/tests/it/main.rs") {
                (folder, true)
            } else if let Some(folder) = path.strip_suffix("/src/lib.rs") {
                (folder, false)
            } else if let Some(folder) = path.strip_suffix("/src/main.rs") {
                (folder, false)
            } else {
                continue;
            };
            let name = folder.rsplit('/').next().unwrap_or(folder);
            let package = ours.entry(folder).or_insert_with(|| OurPackage {
                manifest: format!("{folder}/Cargo.toml"),
                ..OurPackage::of(name, &[], &[])
            });
            package.targets.push(Target { root_file: (*path).to_owned(), test });
        }
        let packages = Packages { ours: ours.into_values().collect(), foreign: Vec::new() };
        Self::new(Tree::of(files), packages)
    }

    /// Returns a workspace without files.
    pub(crate) fn of_packages(packages: Packages) -> Self {
        Self::new(Tree::default(), packages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_does_not_parse_is_a_finding() {
        let workspace =
            Workspace::of(&[("crates/a/src/lib.rs", "fn f() {}\nfn g( {}\n"), ("crates/b/src/lib.rs", "fn f() {}\n")]);
        let [finding] = workspace.unparsed.as_slice() else {
            panic!("one file is broken: {:?}", workspace.unparsed);
        };
        let finding = finding.to_string();
        assert!(finding.starts_with("crates/a/src/lib.rs:2: syntax: does not parse as Rust"), "{finding}");
        assert!(workspace.syntax.contains_key("crates/b/src/lib.rs"));
    }
}
