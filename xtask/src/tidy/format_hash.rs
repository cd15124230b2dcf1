//! The format document and the code that writes persisted bytes cannot change one without the other.
//!
//! `docs/format.md` carries a hash over the files of [`PERSISTED`]. The hash covers tokens: comments, layout and tests
//! can change freely, every name and number in the code cannot. When it differs, a person reads the byte tables,
//! changes what is no longer so, and blesses the new hash.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use globset::{Glob, GlobMatcher};

use crate::tidy::finding::Finding;
use crate::tidy::tokens::tokens_outside_tests;
use crate::tidy::tree::Tree;
use crate::tidy::workspace::Workspace;

const RULE: &str = "format-hash";
const DOCUMENT: &str = "docs/format.md";
const PREFIX: &str = "<!-- format-hash: ";
const SUFFIX: &str = " -->";

/// The files whose code decides what lies in a repository: names, layouts, ids, cuts, codecs. `**` crosses folders,
/// `*` does not. Each pattern must match at least one file, so that a moved file cannot drop out unseen.
///
/// Left out on purpose: encoders and probes (they choose among codecs, and every choice can be read), and the tables of the
/// redb chunk index (derived, and thrown away when their version differs).
const PERSISTED: &[&str] = &[
    "crates/vectar-repository/src/format/**/*.rs",
    "crates/vectar-chunk/src/codec.rs",
    "crates/vectar-chunk/src/cutter.rs",
    "crates/vectar-chunk/src/fastcdc_cutter.rs",
    "crates/vectar-chunk/src/grid.rs",
    "crates/vectar-chunk/src/id.rs",
    "crates/vectar-chunk/src/key.rs",
    "crates/vectar-chunk/src/parameters.rs",
    "crates/vectar-chunk/src/planes/mod.rs",
    "crates/vectar-chunk/src/planes/decoder.rs",
    "crates/vectar-chunk/src/planes/layout.rs",
    "crates/vectar-chunk/src/planes/runs.rs",
    "crates/vectar-chunk/src/planes/huffman/mod.rs",
    "crates/vectar-chunk/src/planes/huffman/decode.rs",
    "crates/vectar-chunk/src/planes/huffman/lengths.rs",
    "crates/vectar-chunk/src/records.rs",
    "crates/vectar-chunk/src/rule.rs",
    "crates/vectar-chunk/src/sizes.rs",
];

/// Finds a document without the hash of today's code, and patterns that match nothing.
pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    check_patterns(&workspace.tree, PERSISTED)
}

/// Writes the hash of today's code into the document.
///
/// # Errors
///
/// When there is no document, or it cannot be written; it is then as before.
pub(crate) fn bless(root: &Path, workspace: &Workspace) -> Result<()> {
    let document = workspace
        .tree
        .text(DOCUMENT)
        .with_context(|| format!("{DOCUMENT} does not exist: write its byte tables first"))?;
    let blessed = blessed(document, &hash(&workspace.tree, PERSISTED));
    if blessed != document {
        #[expect(clippy::disallowed_methods, reason = "xtask maintains this line of the file")]
        fs::write(root.join(DOCUMENT), blessed).with_context(|| format!("cannot write {DOCUMENT}"))?;
    }
    Ok(())
}

fn check_patterns(tree: &Tree, patterns: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for pattern in patterns {
        let matcher = matcher(pattern);
        if !tree.paths().any(|path| matcher.is_match(path)) {
            let message =
                format!("the pattern `{pattern}` matches no file: correct the table in xtask/src/tidy/format_hash.rs");
            findings.push(Finding::of_file(DOCUMENT, RULE, message));
        }
    }
    let Some(document) = tree.text(DOCUMENT) else {
        let message = "the file does not exist: it describes every persisted byte and carries the format hash";
        findings.push(Finding::of_file(DOCUMENT, RULE, message));
        return findings;
    };
    let expected = hash(tree, patterns);
    match stored_hash(document) {
        Some((_, stored)) if stored == expected => {}
        Some((line, _)) => findings.push(Finding::new(
            DOCUMENT,
            line,
            RULE,
            "the code that defines persisted bytes changed: bring the byte tables of docs/format.md up to date, \
             then run `cargo xtask tidy --bless-format`",
        )),
        None => {
            let message = format!("the line `{PREFIX}…{SUFFIX}` is missing: run `cargo xtask tidy --bless-format`");
            findings.push(Finding::of_file(DOCUMENT, RULE, message));
        }
    }
    findings
}

/// Returns the document with `hash` in its line, which goes to the end when the document has none.
fn blessed(document: &str, hash: &str) -> String {
    let line = format!("{PREFIX}{hash}{SUFFIX}");
    match stored_hash(document) {
        Some((place, _)) => {
            let mut lines: Vec<&str> = document.lines().collect();
            lines[place - 1] = &line;
            lines.join("\n") + "\n"
        }
        None => format!("{}\n\n{line}\n", document.trim_end()),
    }
}

/// Returns the line of the document that holds the hash, counted from 1, and the hash.
fn stored_hash(document: &str) -> Option<(usize, &str)> {
    document.lines().enumerate().find_map(|(index, line)| {
        let hash = line.trim().strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
        Some((index + 1, hash))
    })
}

fn hash(tree: &Tree, patterns: &[&str]) -> String {
    let matchers: Vec<GlobMatcher> = patterns.iter().map(|pattern| matcher(pattern)).collect();
    let mut hasher = blake3::Hasher::new();
    for (path, text) in tree.texts() {
        if !matchers.iter().any(|matcher| matcher.is_match(path)) {
            continue;
        }
        // No token holds a zero byte, so the zero bytes keep the parts apart.
        hasher.update(path.as_bytes()).update(b"\0");
        for token in tokens_outside_tests(text).iter().filter(|token| !token.doc) {
            hasher.update(token.text().as_bytes()).update(b"\0");
        }
        hasher.update(b"\0");
    }
    hasher.finalize().to_hex().to_string()
}

fn matcher(pattern: &str) -> GlobMatcher {
    let glob = globset::GlobBuilder::new(pattern).literal_separator(true).build();
    let glob: Glob = glob.expect("the patterns of the table are valid; a test builds them all");
    glob.compile_matcher()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATTERNS: &[&str] = &["crates/r/src/format/**/*.rs"];
    const PACK: &str = "crates/r/src/format/pack.rs";

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        let findings = check_patterns(&Tree::of(files), PATTERNS);
        findings.iter().map(ToString::to_string).collect()
    }

    fn blessed_document(code: &str) -> String {
        blessed("# Format\n", &hash(&Tree::of(&[(PACK, code)]), PATTERNS))
    }

    #[test]
    fn every_pattern_of_the_table_is_valid() {
        for pattern in PERSISTED {
            assert!(!matcher(pattern).is_match("README.md"), "{pattern}");
        }
        assert!(matcher(PATTERNS[0]).is_match(PACK));
    }

    #[test]
    fn a_blessed_document_passes_until_the_code_changes() {
        let document = blessed_document("const MAGIC: u32 = 1;");
        assert!(findings(&[(PACK, "const MAGIC: u32 = 1;"), (DOCUMENT, &document)]).is_empty());
        assert_eq!(
            findings(&[(PACK, "const MAGIC: u32 = 2;"), (DOCUMENT, &document)]),
            ["docs/format.md:3: format-hash: the code that defines persisted bytes changed: bring the byte tables of \
                 docs/format.md up to date, then run `cargo xtask tidy --bless-format`"]
        );
    }

    #[test]
    fn comments_layout_and_tests_are_not_the_format() {
        let document = blessed_document("const MAGIC: u32 = 1;");
        let code = "//! Packs.\n\n/// First.\nconst MAGIC: u32 =\n    1; // why\n#[cfg(test)] mod tests { fn f() {} }";
        assert!(findings(&[(PACK, code), (DOCUMENT, &document)]).is_empty());
    }

    #[test]
    fn a_new_file_of_the_format_changes_the_hash() {
        let document = blessed_document("const MAGIC: u32 = 1;");
        let files =
            [(PACK, "const MAGIC: u32 = 1;"), ("crates/r/src/format/deep/footer.rs", ""), (DOCUMENT, &document)];
        assert_eq!(findings(&files).len(), 1);
    }

    #[test]
    fn a_missing_document_line_or_file_is_told() {
        assert_eq!(
            findings(&[(PACK, "")]),
            [
                "docs/format.md:1: format-hash: the file does not exist: it describes every persisted byte and carries the format hash"
            ]
        );
        assert_eq!(
            findings(&[(PACK, ""), (DOCUMENT, "# Format\n")]),
            [
                "docs/format.md:1: format-hash: the line `<!-- format-hash: … -->` is missing: run `cargo xtask tidy --bless-format`"
            ]
        );
        let unmatched = findings(&[(DOCUMENT, "# Format\n")]);
        assert!(unmatched[0].contains("matches no file"), "{unmatched:?}");
    }

    #[test]
    fn blessing_replaces_the_line_in_place() {
        let document = format!("# Format\n{PREFIX}old{SUFFIX}\nText.\n");
        assert_eq!(blessed(&document, "new"), format!("# Format\n{PREFIX}new{SUFFIX}\nText.\n"));
    }
}
