//! The documents a newcomer looks for, and the promise that the README's commands are the ones that are run.

use crate::tidy::finding::Finding;
use crate::tidy::tree::Tree;
use crate::tidy::workspace::Workspace;

const RULE: &str = "documents";

/// Each document with what it is for. They exist and are not empty.
const DOCUMENTS: &[(&str, &str)] = &[
    ("ARCHITECTURE.md", "the layers, for the next engineer"),
    ("CHANGELOG.md", "what changed, in the words of users"),
    ("LICENSE-APACHE", "the text of a licence we grant"),
    ("LICENSE-MIT", "the text of a licence we grant"),
    ("README.md", "what this is and its two set-up commands"),
    ("SHORTCOMINGS.md", "what is not yet so"),
    ("docs/format.md", "every persisted byte"),
    ("docs/glossary.md", "one meaning per word"),
];

/// The command that runs every check: the README tells it, and the continuous integration runs it.
const TEST_COMMAND: &str = "cargo xtask ci";
const README: &str = "README.md";
const CI_SCRIPT: &str = ".ci/run";

/// Finds missing and empty documents, and a README or script that does not run the test command.
pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    check_tree(&workspace.tree)
}

fn check_tree(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, purpose) in DOCUMENTS {
        let message = match tree.text(path) {
            Some(text) if !text.trim().is_empty() => continue,
            Some(_) => format!("the file is empty; it holds {purpose}"),
            None => format!("the file does not exist; it holds {purpose}"),
        };
        findings.push(Finding::of_file(path, RULE, message));
    }
    if let Some(readme) = tree.text(README)
        && !fenced_commands(readme).contains(&TEST_COMMAND)
    {
        let message = format!("no fenced block holds the set-up command `{TEST_COMMAND}`");
        findings.push(Finding::of_file(README, RULE, message));
    }
    let script = tree.text(CI_SCRIPT).unwrap_or_default();
    let commands = script.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    if commands.ne([TEST_COMMAND]) {
        let message = format!("it runs `{TEST_COMMAND}`, the test command of the README, and nothing else");
        findings.push(Finding::of_file(CI_SCRIPT, RULE, message));
    }
    findings
}

/// Returns the lines inside fenced code blocks, without a prompt.
fn fenced_commands(markdown: &str) -> Vec<&str> {
    let mut commands = Vec::new();
    let mut inside = false;
    for line in markdown.lines().map(str::trim) {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside {
            commands.push(line.strip_prefix("$ ").unwrap_or(line));
        }
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD_README: &str = "# vectar\n```sh\n$ cargo xtask ci\n```\n";

    fn findings(changed: &str, text: Option<&str>) -> Vec<String> {
        let mut files: Vec<(&str, &str)> = DOCUMENTS.iter().map(|(path, _)| (*path, "text")).collect();
        files.retain(|(path, _)| *path != README);
        files.extend([(README, GOOD_README), (CI_SCRIPT, "cargo xtask ci\n")]);
        files.retain(|(path, _)| *path != changed);
        files.extend(text.map(|text| (changed, text)));
        let findings = check_tree(&Tree::of(&files));
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_complete_tree_passes() {
        assert_eq!(findings("src.rs", None), [""; 0]);
    }

    #[test]
    fn each_document_is_missed_when_absent_or_empty() {
        for (path, _) in DOCUMENTS {
            for text in [None, Some(" \n")] {
                let findings = findings(path, text);
                assert!(findings[0].starts_with(&format!("{path}:1: documents: the file ")), "{findings:?}");
            }
        }
    }

    #[test]
    fn the_readme_shows_the_test_command_in_a_block() {
        assert_eq!(
            findings(README, Some("Run `cargo xtask ci`.\n```\ncargo run\n```\ncargo xtask ci\n")),
            ["README.md:1: documents: no fenced block holds the set-up command `cargo xtask ci`"]
        );
    }

    #[test]
    fn the_script_runs_the_test_command_and_nothing_else() {
        assert_eq!(findings(CI_SCRIPT, Some("#!/bin/bash\ncargo xtask ci\n")), [""; 0]);
        for text in [None, Some("cargo test\n"), Some("cargo xtask ci\ncargo doc\n")] {
            assert_eq!(
                findings(CI_SCRIPT, text),
                [".ci/run:1: documents: it runs `cargo xtask ci`, the test command of the README, and nothing else"]
            );
        }
    }
}
