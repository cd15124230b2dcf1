//! `cargo xtask tidy`: the house rules that a compiler does not check.
//!
//! Each rule is one module, a pure function from the [`Workspace`] to findings, with tests that show it firing and not
//! firing. All findings of all rules are printed, as `path:line: rule: message`. What a rule knows, for instance which
//! crate may use which, lies in a table at the top of its module: changing the house means changing a table.

mod bulk;
mod documents;
mod edges;
mod externals;
mod finding;
mod forgotten;
mod format_hash;
mod leaks;
mod licences;
mod markers;
mod modules;
mod packages;
mod ratchet;
mod tokens;
mod tree;
mod words;
mod workspace;

use std::path::Path;

use anyhow::Result;

use crate::tidy::finding::Finding;
use crate::tidy::workspace::Workspace;

/// What to bring up to date instead of complaining about it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bless {
    /// Lower the entries of the function ratchet.
    pub(crate) ratchet: bool,
    /// Write the hash of the persisted format into its document.
    pub(crate) format: bool,
}

/// Checks the tree under `root`, prints what it found, and returns whether every rule holds.
///
/// # Errors
///
/// When the tree or cargo's metadata cannot be read, or a file to bless cannot be written.
pub(crate) fn run(root: &Path, bless: Bless) -> Result<bool> {
    let workspace = Workspace::open(root)?;
    if bless.ratchet {
        ratchet::bless(root, &workspace)?;
    }
    if bless.format {
        format_hash::bless(root, &workspace)?;
    }
    let workspace = if bless.ratchet || bless.format { Workspace::open(root)? } else { workspace };
    let mut findings = findings(&workspace);
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => println!("tidy: every rule holds in {} files", workspace.tree.len()),
        count => println!("tidy: {count} findings"),
    }
    Ok(findings.is_empty())
}

fn findings(workspace: &Workspace) -> Vec<Finding> {
    const RULES: [fn(&Workspace) -> Vec<Finding>; 12] = [
        |workspace| workspace.unparsed.clone(),
        edges::check,
        externals::check,
        ratchet::check,
        format_hash::check,
        forgotten::check,
        words::check,
        leaks::check,
        bulk::check,
        markers::check,
        documents::check,
        licences::check,
    ];
    RULES.iter().flat_map(|rule| rule(workspace)).collect()
}
