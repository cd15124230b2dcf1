//! Marks of unfinished work: a to-do names its issue, an ignored test its reason, and no test checks nothing.

use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprLit, Lit, Meta, StmtMacro};

use crate::tidy::finding::Finding;
use crate::tidy::workspace::Workspace;

const RULE: &str = "markers";

/// Spelled in two halves, so that this file does not find itself.
const MARKERS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME")];

/// Finds to-dos without an issue, ignored tests without a reason, and results that nobody looks at.
pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in workspace.tree.texts() {
        if path.ends_with(".rs") || path.ends_with(".toml") {
            findings.extend(unnamed_markers(path, text));
        }
    }
    for (path, file) in &workspace.syntax {
        let mut tests = Tests { path, findings: &mut findings };
        tests.visit_file(file);
    }
    findings
}

fn unnamed_markers(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for marker in MARKERS {
            let is_word = |word: &str| word == *marker;
            let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            if words.any(is_word) && !names_issue(line) {
                let message = format!("a {marker} names its issue, as in `{marker}(#12)`");
                findings.push(Finding::new(path, index + 1, RULE, message));
            }
        }
    }
    findings
}

fn names_issue(line: &str) -> bool {
    line.split('#').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

struct Tests<'a> {
    path: &'a str,
    findings: &'a mut Vec<Finding>,
}

impl<'ast> Visit<'ast> for Tests<'_> {
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        let line = attribute.pound_token.span.start().line;
        for (name, reason) in metas(&attribute.meta) {
            let message = match name.as_str() {
                "ignore" if reason.is_none_or(|reason| reason.trim().is_empty()) => {
                    "an ignored test says why, and how slow it is: `#[ignore = \"…\"]`"
                }
                "should_panic" => "a test says which error it expects; a panic can have any cause",
                _ => continue,
            };
            self.findings.push(Finding::new(self.path, line, RULE, message));
        }
    }

    fn visit_stmt_macro(&mut self, statement: &'ast StmtMacro) {
        if statement.mac.path.is_ident("matches") && statement.semi_token.is_some() {
            let line = statement.mac.bang_token.span.start().line;
            let message = "`matches!` alone checks nothing: put it into an `assert!`";
            self.findings.push(Finding::new(self.path, line, RULE, message));
        }
        visit::visit_stmt_macro(self, statement);
    }
}

/// Returns the names in an attribute with their texts, also those under `cfg_attr`.
fn metas(meta: &Meta) -> Vec<(String, Option<String>)> {
    let name = meta.path().get_ident().map(ToString::to_string).unwrap_or_default();
    match meta {
        Meta::Path(_) => vec![(name, None)],
        Meta::NameValue(pair) => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => vec![(name, Some(text.value()))],
            _ => vec![(name, None)],
        },
        Meta::List(list) if name == "cfg_attr" => list
            .parse_args_with(syn::punctuated::Punctuated::<Meta, syn::Token![,]>::parse_terminated)
            .map(|parts| parts.iter().skip(1).flat_map(metas).collect())
            .unwrap_or_default(),
        Meta::List(_) => vec![(name, None)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let workspace = Workspace::of(&[("crates/a/src/lib.rs", text)]);
        let findings: Vec<String> = super::check(&workspace).iter().map(ToString::to_string).collect();
        assert_eq!(findings, expected, "{text}");
    }

    #[test]
    fn a_marker_without_an_issue_fails() {
        for marker in MARKERS {
            check(&format!("// {marker}(#12): later\n// {marker}s and MY_{marker}\n"), &[]);
            check(
                &format!("fn f() {{}}\n// {marker}: later\n"),
                &[&format!("crates/a/src/lib.rs:2: markers: a {marker} names its issue, as in `{marker}(#12)`")],
            );
        }
    }

    #[test]
    fn an_ignored_test_needs_a_reason() {
        let finding =
            "crates/a/src/lib.rs:1: markers: an ignored test says why, and how slow it is: `#[ignore = \"…\"]`";
        check("#[test] #[ignore = \"takes 3 minutes\"] fn f() {}", &[]);
        check("#[test] #[ignore] fn f() {}", &[finding]);
        check("#[test] #[ignore = \" \"] fn f() {}", &[finding]);
        check("#[cfg_attr(windows, ignore)] fn f() {}", &[finding]);
        check("#[cfg_attr(windows, ignore = \"no links\")] fn f() {}", &[]);
        check("mod tests { #[ignore] fn f() {} }", &[finding]);
    }

    #[test]
    fn any_panic_is_not_an_expectation() {
        check(
            "\n#[should_panic(expected = \"x\")]\nfn f() {}",
            &["crates/a/src/lib.rs:2: markers: a test says which error it expects; a panic can have any cause"],
        );
    }

    #[test]
    fn a_result_that_nobody_looks_at_fails() {
        check("fn f() { assert!(matches!(a, B)); }", &[]);
        check("fn f() -> bool { matches!(a, B) }", &[]);
        check(
            "fn f() {\n    matches!(a, B);\n}",
            &["crates/a/src/lib.rs:2: markers: `matches!` alone checks nothing: put it into an `assert!`"],
        );
    }
}
