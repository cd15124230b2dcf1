//! Large files that nobody meant to track: profiles, logs, a snapshot put there to try something. Once committed they are in every clone for
//! good, with what they say of the machine they came from.

use crate::tidy::finding::Finding;
use crate::tidy::tree::Tree;
use crate::tidy::workspace::Workspace;

const RULE: &str = "bulk";

/// Longest file outside [`FIXTURES`], in bytes: twice the longest page of the documentation.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// Where real input lies, which is as long as it is.
const FIXTURES: &str = "fixtures/";

/// Finds files that are too long.
pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    check_tree(&workspace.tree)
}

fn check_tree(tree: &Tree) -> Vec<Finding> {
    let bulky = |(path, bytes): &(&str, u64)| *bytes > FILE_BYTES_MAX && !path.starts_with(FIXTURES);
    let finding = |(path, bytes): (&str, u64)| {
        let message = format!("{bytes} bytes: remove it, or keep it under `{FIXTURES}` with a test that needs it");
        Finding::of_file(path, RULE, message)
    };
    tree.lens().filter(bulky).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, bytes: u64) -> Vec<String> {
        let text = "x".repeat(usize::try_from(bytes).unwrap());
        check_tree(&Tree::of(&[(path, &text)])).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_long_file_fails_wherever_it_lies() {
        for path in ["p.data", "docs/a.md", "crates/fixtures/a"] {
            let found = findings(path, FILE_BYTES_MAX + 1);
            assert_eq!(found.len(), 1, "{path}: {found:?}");
            assert!(found[0].starts_with(&format!("{path}:1: bulk: 262145 bytes: ")), "{found:?}");
        }
    }

    #[test]
    fn short_files_and_fixtures_pass() {
        assert!(findings("docs/a.md", FILE_BYTES_MAX).is_empty());
        assert!(findings("fixtures/a.tar.zst", FILE_BYTES_MAX + 1).is_empty());
    }
}
