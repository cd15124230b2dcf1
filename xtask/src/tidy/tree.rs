//! The files of the project: what git tracks, and what it would track after `git add`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Paths, relative to the root and with `/`, and what is known of each file.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, TreeFile>,
}

#[derive(Debug)]
struct TreeFile {
    /// Its length in bytes.
    len: u64,
    /// Its text, if it is UTF-8.
    text: Option<String>,
}

impl Tree {
    /// Reads every file that git does not ignore. In a tree without git (an unpacked source archive), every file
    /// outside `target` counts.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or its name is not UTF-8.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let paths = match listed_by_git(root)? {
            Some(paths) => paths,
            None => {
                let mut paths = Vec::new();
                walk(root, "", &mut paths)?;
                paths
            }
        };
        let mut files = BTreeMap::new();
        for path in paths {
            let place = root.join(&path);
            // A deleted file stays listed until the deletion is staged; a link is no text of ours.
            let Some(metadata) = fs::symlink_metadata(&place).ok().filter(fs::Metadata::is_file) else { continue };
            let text = match fs::read_to_string(&place) {
                Ok(text) => Some(text),
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => None,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error).with_context(|| format!("cannot read {path}")),
            };
            files.insert(path, TreeFile { len: metadata.len(), text });
        }
        Ok(Self { files })
    }

    /// Returns a tree that exists only in memory.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let file = |text: &str| TreeFile { len: text.len() as u64, text: Some(text.to_owned()) };
        Self { files: files.iter().map(|(path, text)| ((*path).to_owned(), file(text))).collect() }
    }

    /// Returns the text of a file, or nothing when it is absent or no text.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.text.as_deref()
    }

    /// Returns all paths in order.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Returns the path and text of every text file, in order of paths.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let files = self.files.iter();
        files.filter_map(|(path, file)| Some((path.as_str(), file.text.as_deref()?)))
    }

    /// Returns the path and length of every file, in order of paths.
    pub(crate) fn lens(&self) -> impl Iterator<Item = (&str, u64)> {
        self.files.iter().map(|(path, file)| (path.as_str(), file.len))
    }

    /// Returns how many files there are.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }
}

/// Asks git, or returns nothing when there is no git or `root` is no work tree.
fn listed_by_git(root: &Path) -> Result<Option<Vec<String>>> {
    let listing = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output();
    let Ok(listing) = listing else {
        return Ok(None);
    };
    if !listing.status.success() {
        return Ok(None);
    }
    let names = String::from_utf8(listing.stdout).context("a file name is not UTF-8")?;
    let names = names.split_terminator('\0').map(str::to_owned);
    Ok(Some(names.collect()))
}

fn walk(root: &Path, folder: &str, paths: &mut Vec<String>) -> Result<()> {
    let place = root.join(folder);
    for entry in fs::read_dir(&place).with_context(|| format!("cannot list {}", place.display()))? {
        let entry = entry.with_context(|| format!("cannot list {}", place.display()))?;
        let name = entry.file_name();
        let name = name.to_str();
        ensure!(name.is_some(), "a file name in {} is not UTF-8", place.display());
        let name = name.expect("checked on the line above");
        let path = match folder {
            "" => name.to_owned(),
            folder => format!("{folder}/{name}"),
        };
        let kind = entry.file_type().with_context(|| format!("cannot look at {path}"))?;
        if !kind.is_dir() {
            paths.push(path);
        } else if path != "target" && name != ".git" {
            walk(root, &path, paths)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_without_git_is_walked_and_build_output_left_out() {
        let root = tempfile::tempdir().expect("a scratch folder");
        for path in ["a.md", "crates/x/src/lib.rs", "target/debug/x"] {
            let place = root.path().join(path);
            let folder = place.parent().expect("a file lies in a folder");
            fs::create_dir_all(folder).expect("the scratch folder can be written");
            #[expect(clippy::disallowed_methods, reason = "makes a scratch file")]
            fs::write(&place, "text").expect("the scratch folder can be written");
        }
        let mut paths = Vec::new();
        walk(root.path(), "", &mut paths).expect("the scratch folder can be read");
        paths.sort();
        assert_eq!(paths, ["a.md", "crates/x/src/lib.rs"]);
    }

    #[test]
    fn files_that_are_not_text_have_a_path_and_no_text() {
        let binary = ("a.bin".to_owned(), TreeFile { len: 3, text: None });
        let mut tree = Tree::of(&[("b.md", "b")]);
        tree.files.extend([binary]);
        assert_eq!(tree.paths().collect::<Vec<_>>(), ["a.bin", "b.md"]);
        assert_eq!(tree.text("a.bin"), None);
        assert_eq!(tree.texts().collect::<Vec<_>>(), [("b.md", "b")]);
        assert_eq!(tree.lens().collect::<Vec<_>>(), [("a.bin", 3), ("b.md", 1)]);
        assert_eq!(tree.len(), 2);
    }
}
