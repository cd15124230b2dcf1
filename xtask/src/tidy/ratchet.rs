//! Function and file lengths: 70 lines a function, 600 a file, and a list of old giants that may only shrink.
//!
//! A function counts from its `fn` line to its closing brace, tests excepted. An entry in `xtask/ratchet.txt` is written
//! by hand, where a review sees it; from then on it only goes down.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use syn::visit::{self, Visit};
use syn::{Attribute, Block, ImplItemFn, ItemFn, ItemImpl, ItemMod, ItemTrait, Signature, TraitItemFn};

use crate::tidy::finding::Finding;
use crate::tidy::modules::is_test_only;
use crate::tidy::workspace::Workspace;

const RULE: &str = "ratchet";
const LIST: &str = "xtask/ratchet.txt";
const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 600;

/// Finds functions that are too long or grew, entries that could be lower, and files that are too long.
pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = long_files(workspace);
    let entries = entries(workspace, &mut findings);
    let measured = measure(workspace);
    for function in &measured {
        let entry = entries.get(&function.key());
        let limit = entry.map_or(FUNCTION_LINES_MAX, |entry| entry.lines);
        if function.lines > limit.max(FUNCTION_LINES_MAX) {
            let history = match entry {
                Some(entry) => format!("grew from {} to {} lines", entry.lines, function.lines),
                None => format!("has {} lines", function.lines),
            };
            let message =
                format!("`{}` {history}; {FUNCTION_LINES_MAX} are allowed: give a part of it a name", function.name);
            findings.push(Finding::new(&function.path, function.line, RULE, message));
        }
    }
    for (key, entry) in &entries {
        let lines = longest(&measured, key);
        if lines < entry.lines {
            let now = if lines > FUNCTION_LINES_MAX {
                format!("has {lines} lines now")
            } else {
                format!("is within {FUNCTION_LINES_MAX} lines now, or gone")
            };
            let message = format!("`{key}` {now}, not {}: run `cargo xtask tidy --bless`", entry.lines);
            findings.push(Finding::new(LIST, entry.place, RULE, message));
        }
    }
    findings
}

/// Lowers each entry of the list to the function's present length and drops those that are not needed any more.
///
/// # Errors
///
/// When the list cannot be written; it is then as before.
pub(crate) fn bless(root: &Path, workspace: &Workspace) -> Result<()> {
    let old = workspace.tree.text(LIST).unwrap_or_default();
    let new = blessed(old, &measure(workspace));
    if new != old {
        #[expect(clippy::disallowed_methods, reason = "xtask maintains this file")]
        fs::write(root.join(LIST), new).with_context(|| format!("cannot write {LIST}"))?;
    }
    Ok(())
}

fn blessed(old: &str, measured: &[Function]) -> String {
    let mut new = String::new();
    for line in old.lines() {
        match parse_entry(line) {
            Some((key, listed)) => {
                let lines = longest(measured, key).min(listed);
                if lines > FUNCTION_LINES_MAX {
                    new.push_str(&format!("{key} {lines}\n"));
                }
            }
            None => {
                new.push_str(line);
                new.push('\n');
            }
        }
    }
    new
}

fn long_files(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in workspace.tree.texts().filter(|(path, _)| path.ends_with(".rs")) {
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            let message =
                format!("the file has {lines} lines, {FILE_LINES_MAX} are allowed: which second noun moved in?");
            findings.push(Finding::of_file(path, RULE, message));
        }
    }
    findings
}

/// An old giant and the length it may have.
struct Entry {
    /// The line of the list it stands on.
    place: usize,
    lines: usize,
}

fn entries(workspace: &Workspace, findings: &mut Vec<Finding>) -> BTreeMap<String, Entry> {
    let mut entries = BTreeMap::new();
    let list = workspace.tree.text(LIST).unwrap_or_default();
    for (index, line) in list.lines().enumerate() {
        let place = index + 1;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match parse_entry(line) {
            Some((key, lines)) => {
                entries.insert(key.to_owned(), Entry { place, lines });
            }
            None => {
                let message = "an entry reads `path::name lines`";
                findings.push(Finding::new(LIST, place, RULE, message));
            }
        }
    }
    entries
}

fn parse_entry(line: &str) -> Option<(&str, usize)> {
    let (key, lines) = line.rsplit_once(' ')?;
    if key.starts_with('#') {
        return None;
    }
    Some((key, lines.parse().ok()?))
}

/// Returns the length of the longest function with this key; several can share one, for instance behind `cfg`.
fn longest(measured: &[Function], key: &str) -> usize {
    let same = measured.iter().filter(|function| function.key() == key);
    same.map(|function| function.lines).max().unwrap_or(0)
}

/// A function with its length.
#[derive(Debug)]
struct Function {
    path: String,
    name: String,
    line: usize,
    lines: usize,
}

impl Function {
    fn key(&self) -> String {
        format!("{}::{}", self.path, self.name)
    }
}

fn measure(workspace: &Workspace) -> Vec<Function> {
    let mut functions = Vec::new();
    for (path, _, file) in workspace.product_code() {
        let mut measure = Measure { path, scope: Vec::new(), functions: &mut functions };
        measure.visit_file(file);
    }
    functions
}

struct Measure<'a> {
    path: &'a str,
    /// The modules, types, traits and functions around the place being visited.
    scope: Vec<String>,
    functions: &'a mut Vec<Function>,
}

impl Measure<'_> {
    fn function(&mut self, attributes: &[Attribute], signature: &Signature, body: &Block) {
        if attributes.iter().any(is_test_only) {
            return;
        }
        self.scope.push(signature.ident.to_string());
        let first = signature.fn_token.span.start().line;
        let last = body.brace_token.span.close().end().line;
        self.functions.push(Function {
            path: self.path.to_owned(),
            name: self.scope.join("::"),
            line: first,
            lines: last - first + 1,
        });
        visit::visit_block(self, body);
        self.scope.pop();
    }

    fn within(&mut self, name: String, visit: impl FnOnce(&mut Self)) {
        self.scope.push(name);
        visit(self);
        self.scope.pop();
    }
}

impl<'ast> Visit<'ast> for Measure<'_> {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.function(&item.attrs, &item.sig, &item.block);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.function(&item.attrs, &item.sig, &item.block);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(body) = &item.default {
            self.function(&item.attrs, &item.sig, body);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        if !item.attrs.iter().any(is_test_only) {
            let name = impl_name(item);
            self.within(name, |measure| visit::visit_item_impl(measure, item));
        }
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        if !item.attrs.iter().any(is_test_only) {
            let name = item.ident.to_string();
            self.within(name, |measure| visit::visit_item_trait(measure, item));
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !item.attrs.iter().any(is_test_only) {
            let name = item.ident.to_string();
            self.within(name, |measure| visit::visit_item_mod(measure, item));
        }
    }
}

/// Returns `Type`, or `Type as Trait` with the spaces left out, so that an entry has one space.
fn impl_name(item: &ItemImpl) -> String {
    let last = |path: &syn::Path| path.segments.last().map(|segment| segment.ident.to_string());
    let own = match &*item.self_ty {
        syn::Type::Path(path) => last(&path.path),
        _ => None,
    };
    let own = own.unwrap_or_else(|| "_".to_owned());
    match item.trait_.as_ref().and_then(|(_, path, _)| last(path)) {
        Some(name) => format!("{own}<{name}>"),
        None => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIB: &str = "crates/a/src/lib.rs";

    /// Returns a function of exactly `lines` lines.
    fn function(head: &str, lines: usize) -> String {
        format!("{head} {{\n{}}}\n", "    g();\n".repeat(lines - 2))
    }

    fn check(lib: &str, list: &str, expected: &[&str]) {
        let workspace = Workspace::of(&[(LIB, lib), (LIST, list)]);
        let findings: Vec<String> = super::check(&workspace).iter().map(ToString::to_string).collect();
        assert_eq!(findings, expected);
    }

    #[test]
    fn seventy_lines_pass_and_one_more_does_not() {
        check(&function("fn f()", 70), "", &[]);
        check(
            &function("\n#[inline]\npub fn f()", 71),
            "",
            &["crates/a/src/lib.rs:3: ratchet: `f` has 71 lines; 70 are allowed: give a part of it a name"],
        );
    }

    #[test]
    fn methods_and_default_methods_count() {
        let lib = format!(
            "impl X {{\n{}}}\ntrait Y {{\n{}}}\nimpl Y for X {{\n{}}}\n",
            function("fn f(&self)", 71),
            function("fn g(&self)", 72),
            function("fn h(&self)", 73),
        );
        check(
            &lib,
            "",
            &[
                "crates/a/src/lib.rs:2: ratchet: `X::f` has 71 lines; 70 are allowed: give a part of it a name",
                "crates/a/src/lib.rs:75: ratchet: `Y::g` has 72 lines; 70 are allowed: give a part of it a name",
                "crates/a/src/lib.rs:149: ratchet: `X<Y>::h` has 73 lines; 70 are allowed: give a part of it a name",
            ],
        );
    }

    #[test]
    fn tests_are_not_measured() {
        check(&function("#[test]\nfn f()", 90), "", &[]);
        let module = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function("fn f()", 90));
        check(&module, "", &[]);
    }

    #[test]
    fn an_old_giant_may_stay_but_not_grow() {
        let list = "# a comment\ncrates/a/src/lib.rs::f 80\n";
        check(&function("fn f()", 80), list, &[]);
        check(
            &function("fn f()", 81),
            list,
            &["crates/a/src/lib.rs:1: ratchet: `f` grew from 80 to 81 lines; 70 are allowed: give a part of it a name"],
        );
    }

    #[test]
    fn an_entry_that_could_be_lower_must_be_lowered() {
        check(
            &function("fn f()", 75),
            "crates/a/src/lib.rs::f 80\ncrates/a/src/lib.rs::gone 90\nnonsense\n",
            &[
                "xtask/ratchet.txt:3: ratchet: an entry reads `path::name lines`",
                "xtask/ratchet.txt:1: ratchet: `crates/a/src/lib.rs::f` has 75 lines now, not 80: run `cargo xtask tidy --bless`",
                "xtask/ratchet.txt:2: ratchet: `crates/a/src/lib.rs::gone` is within 70 lines now, or gone, not 90: run `cargo xtask tidy --bless`",
            ],
        );
    }

    #[test]
    fn blessing_lowers_and_removes_but_never_raises_or_adds() {
        let lib = [
            function("fn shrunk()", 75),
            function("fn grown()", 90),
            function("fn short()", 20),
            function("fn new()", 99),
        ]
        .concat();
        let old = "# kept\n\
                   crates/a/src/lib.rs::shrunk 80\n\
                   crates/a/src/lib.rs::grown 85\n\
                   crates/a/src/lib.rs::short 80\n\
                   crates/a/src/lib.rs::gone 80\n";
        let workspace = Workspace::of(&[(LIB, &lib), (LIST, old)]);
        assert_eq!(
            blessed(old, &measure(&workspace)),
            "# kept\ncrates/a/src/lib.rs::shrunk 75\ncrates/a/src/lib.rs::grown 85\n"
        );
    }

    #[test]
    fn a_file_of_more_than_600_lines_fails() {
        check(&"// x\n".repeat(600), "", &[]);
        check(
            &"// x\n".repeat(601),
            "",
            &["crates/a/src/lib.rs:1: ratchet: the file has 601 lines, 600 are allowed: which second noun moved in?"],
        );
    }
}
