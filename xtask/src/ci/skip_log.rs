//! The file in which tests note that they did not run, because an input of theirs is not on this machine.
//!
//! A test runner counts such a test as passed. To tell the truth in the last line, a test appends one line
//! `<test>\t<reason>` to the file named by [`VARIABLE`]. A test that notes several reasons counts once.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The environment variable that carries the path of the log into the tests.
pub(crate) const VARIABLE: &str = "VECTAR_SKIP_LOG";

/// An existing log file.
#[derive(Debug)]
pub(crate) struct SkipLog {
    path: PathBuf,
}

impl SkipLog {
    /// Creates the log under `root`'s `target` folder; what an earlier run left there is dropped.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(crate) fn create(root: &Path) -> Result<Self> {
        let folder = root.join("target").join("xtask");
        let path = folder.join("skipped.txt");
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        #[expect(clippy::disallowed_methods, reason = "a scratch file of the automation, in the build folder")]
        fs::write(&path, "").with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path })
    }

    /// Returns where the log lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns each test that noted something, with the first reason it gave.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub(crate) fn read(&self) -> Result<BTreeMap<String, String>> {
        let text = fs::read_to_string(&self.path).with_context(|| format!("cannot read {}", self.path.display()))?;
        Ok(parse(&text))
    }
}

fn parse(text: &str) -> BTreeMap<String, String> {
    let mut skipped = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (test, reason) = line.split_once('\t').unwrap_or((line, "no reason given"));
        skipped.entry(test.to_owned()).or_insert_with(|| reason.to_owned());
    }
    skipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_with_two_reasons_counts_once() {
        let skipped = parse("a::x\tno series\nb::y\tno folder\na::x\tno file\n\n");
        let expected = [("a::x", "no series"), ("b::y", "no folder")];
        let expected = expected.map(|(test, reason)| (test.to_owned(), reason.to_owned()));
        assert_eq!(skipped, BTreeMap::from(expected));
    }

    #[test]
    fn a_new_log_forgets_the_last_run() {
        let root = tempfile::tempdir().expect("a scratch folder");
        let log = SkipLog::create(root.path()).expect("the folder can be written");
        #[expect(clippy::disallowed_methods, reason = "stands in for a test that notes a skip")]
        fs::write(log.path(), "a::x\tno series\n").expect("the file exists");
        assert_eq!(log.read().expect("the file exists").len(), 1);
        let log = SkipLog::create(root.path()).expect("the folder can be written");
        assert!(log.read().expect("the file exists").is_empty());
    }
}
