//! The glossary, as far as code can check it: names that say nothing, and words that belong to somebody else.

use syn::visit::{self, Visit};
use syn::{
    FnArg, Ident, ImplItemFn, ItemEnum, ItemFn, ItemImpl, ItemMod, ItemStruct, ItemTrait, ItemType, Signature,
    TraitItemFn,
};

use crate::tidy::finding::Finding;
use crate::tidy::modules::is_test_only;
use crate::tidy::tokens::{Token, TokenKind, tokens_outside_tests};
use crate::tidy::workspace::Workspace;

const RULE: &str = "words";

/// Words that no type name contains.
const EMPTY_WORDS: &[&str] = &["Helper", "Helpers", "Manager", "Util", "Utils"];

/// Words that no type name ends with. At the front they can say something: `DataDomain`.
const EMPTY_ENDINGS: &[&str] = &["Data", "Info"];

/// Beginnings that no function name has.
const EMPTY_VERBS: &[&str] = &["do_", "process_"];

/// The beginning that no getter has: a function without arguments. With arguments it can be the verb of an object
/// store, as in `get_range(key, range)`.
const GETTER: &str = "get_";

/// Module names that invite anything.
const DRAWERS: &[&str] = &["common", "helper", "helpers", "misc", "util", "utils"];

/// A word that means something else to our users, and the one we say.
struct Misused {
    word: &'static str,
    say: &'static str,
    /// Crates in which the word has its other meaning by right.
    except: &'static [&'static str],
}

/// What docs and messages of the crates must not say. Words that only a reader can judge (is this "index" the chunk
/// index?) are not here.
const MISUSED: &[Misused] = &[
    Misused {
        word: "blob",
        say: "chunk",
        // Qdrant has a trait of this name.
        except: &["vectar-qdrant"],
    },
    Misused { word: "vault", say: "repository", except: &[] },
    Misused { word: "datastore", say: "repository", except: &[] },
    Misused {
        word: "archive",
        say: "repository, backup or snapshot",
        // There are tar archives, and fixtures packed as such.
        except: &["vectar-tar", "vectar-qdrant", "vectar", "vectar-cli", "vectar-testkit"],
    },
    Misused { word: "fsck", say: "check", except: &[] },
    Misused { word: "gc", say: "prune", except: &[] },
    Misused { word: "attestation", say: "proof", except: &[] },
];

/// Names that look wrong and are right: path, name, reason.
const ALLOWED: &[(&str, &str, &str)] = &[];

/// Finds names and messages against the glossary in the crates, tests excepted.
pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text, file) in workspace.product_code() {
        let Some(name) = crate_of(path) else { continue };
        let mut names = Names { path, findings: &mut findings };
        names.visit_file(file);
        for token in tokens_outside_tests(text) {
            findings.extend(misused(path, name, &token));
        }
    }
    findings
}

/// Returns the name of the crate whose source a file is.
fn crate_of(path: &str) -> Option<&str> {
    path.strip_prefix("crates/")?.split('/').next()
}

fn misused(path: &str, crate_name: &str, token: &Token) -> Vec<Finding> {
    let TokenKind::Literal(literal) = &token.kind else {
        return Vec::new();
    };
    let Ok(syn::Lit::Str(text)) = syn::parse_str::<syn::Lit>(&literal.to_string()) else {
        return Vec::new();
    };
    let text = text.value();
    let mut findings = Vec::new();
    for misused in MISUSED.iter().filter(|row| !row.except.contains(&crate_name)) {
        if is_allowed(path, misused.word) {
            continue;
        }
        for (offset, line) in text.lines().enumerate() {
            if contains_word(line, misused.word) {
                let message = format!("\"{}\" is not our word: say {}", misused.word, misused.say);
                findings.push(Finding::new(path, token.line + offset, RULE, message));
            }
        }
    }
    findings
}

/// Tells whether a line contains the word, or its plural with an `s`, in any case and not as part of another.
fn contains_word(line: &str, word: &str) -> bool {
    let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
    let mut words = words.map(str::to_lowercase);
    words.any(|found| found.strip_suffix('s').unwrap_or(&found) == word || found == word)
}

fn is_allowed(path: &str, name: &str) -> bool {
    ALLOWED.iter().any(|(place, allowed, _)| *place == path && *allowed == name)
}

struct Names<'a> {
    path: &'a str,
    findings: &'a mut Vec<Finding>,
}

impl Names<'_> {
    fn report(&mut self, name: &Ident, why: &str) {
        let line = name.span().start().line;
        if !is_allowed(self.path, &name.to_string()) {
            let message = format!("`{name}`: {why}");
            self.findings.push(Finding::new(self.path, line, RULE, message));
        }
    }

    fn type_name(&mut self, name: &Ident) {
        let text = name.to_string();
        let words = camel_words(&text);
        let last = words.last().copied().unwrap_or_default();
        let empty = words.iter().find(|word| EMPTY_WORDS.contains(word));
        if let Some(word) = empty.copied().or(EMPTY_ENDINGS.contains(&last).then_some(last)) {
            self.report(name, &format!("\"{word}\" says nothing: name what it is"));
        }
    }

    fn function_name(&mut self, signature: &Signature) {
        let name = &signature.ident;
        let text = name.to_string();
        let arguments = signature.inputs.iter();
        let mut arguments = arguments.filter(|input| matches!(input, FnArg::Typed(_)));
        if text.starts_with(GETTER) && arguments.next().is_none() {
            self.report(name, "a getter has the name of what it returns");
        }
        if let Some(verb) = EMPTY_VERBS.iter().find(|verb| text.starts_with(**verb)) {
            self.report(name, &format!("a name that begins with `{verb}` hides its verb"));
        }
    }
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        self.type_name(&item.ident);
    }

    fn visit_item_enum(&mut self, item: &'ast ItemEnum) {
        self.type_name(&item.ident);
    }

    fn visit_item_type(&mut self, item: &'ast ItemType) {
        self.type_name(&item.ident);
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        self.type_name(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if !item.attrs.iter().any(is_test_only) {
            self.function_name(&item.sig);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        self.function_name(&item.sig);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.function_name(&item.sig);
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        // The names in the implementation of a trait are the trait's.
        if item.trait_.is_none() && !item.attrs.iter().any(is_test_only) {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if item.attrs.iter().any(is_test_only) {
            return;
        }
        if DRAWERS.contains(&item.ident.to_string().as_str()) {
            self.report(&item.ident, "a drawer for anything; name the module by its noun");
        }
        visit::visit_item_mod(self, item);
    }
}

/// Splits `PackFooterReader` into its words.
fn camel_words(name: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut begin = 0;
    for (at, c) in name.char_indices().skip(1) {
        if c.is_uppercase() {
            words.push(&name[begin..at]);
            begin = at;
        }
    }
    words.push(&name[begin..]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, expected: &[&str]) {
        let workspace = Workspace::of(&[(path, text)]);
        let findings: Vec<String> = super::check(&workspace).iter().map(ToString::to_string).collect();
        assert_eq!(findings, expected, "{text}");
    }

    const LIB: &str = "crates/vectar-repository/src/lib.rs";

    #[test]
    fn names_that_say_something_pass() {
        check(
            LIB,
            "pub struct PackFooter; pub enum DataDomain { Data } pub struct Metadata; pub fn range() {}\n\
             impl X { fn get(&self) {} fn get_range(&self, key: &str) {} }\nimpl Foreign for X { fn get_it(&self) {} fn do_it(&self) {} }\n\
             #[cfg(test)] mod helpers { struct TestManager; fn get_it() {} }\n#[cfg(test)] fn get_it() {}\n",
            &[],
        );
    }

    #[test]
    fn names_that_say_nothing_fail() {
        check(
            LIB,
            "pub struct PackManager;\npub enum ChunkInfo {}\npub trait PathUtils { fn get_path(&self); }\n\
             pub fn process_pack() {}\nimpl X {\n    fn do_it() {}\n}\nmod utils {}\ntype PackData = u8;\n",
            &[
                "crates/vectar-repository/src/lib.rs:1: words: `PackManager`: \"Manager\" says nothing: name what it is",
                "crates/vectar-repository/src/lib.rs:2: words: `ChunkInfo`: \"Info\" says nothing: name what it is",
                "crates/vectar-repository/src/lib.rs:3: words: `PathUtils`: \"Utils\" says nothing: name what it is",
                "crates/vectar-repository/src/lib.rs:3: words: `get_path`: a getter has the name of what it returns",
                "crates/vectar-repository/src/lib.rs:4: words: `process_pack`: a name that begins with `process_` hides its verb",
                "crates/vectar-repository/src/lib.rs:6: words: `do_it`: a name that begins with `do_` hides its verb",
                "crates/vectar-repository/src/lib.rs:8: words: `utils`: a drawer for anything; name the module by its noun",
                "crates/vectar-repository/src/lib.rs:9: words: `PackData`: \"Data\" says nothing: name what it is",
            ],
        );
    }

    #[test]
    fn foreign_words_in_docs_messages_and_macros_fail() {
        check(
            LIB,
            "//! Keeps blobs.\n\n/// The Vault.\n#[error(\"no archive at {0}\")]\nfn f() {\n    format!(\"run gc\")\n}\n",
            &[
                "crates/vectar-repository/src/lib.rs:1: words: \"blob\" is not our word: say chunk",
                "crates/vectar-repository/src/lib.rs:3: words: \"vault\" is not our word: say repository",
                "crates/vectar-repository/src/lib.rs:4: words: \"archive\" is not our word: say repository, backup or snapshot",
                "crates/vectar-repository/src/lib.rs:6: words: \"gc\" is not our word: say prune",
            ],
        );
    }

    #[test]
    fn the_line_inside_a_long_text_is_found() {
        check(
            LIB,
            "const TEXT: &str = \"first\nsecond\na datastore\";\n",
            &["crates/vectar-repository/src/lib.rs:3: words: \"datastore\" is not our word: say repository"],
        );
    }

    #[test]
    fn words_pass_where_they_are_right_and_inside_others() {
        check("crates/vectar-tar/src/lib.rs", "//! Splits a tar archive.\n", &[]);
        check("crates/vectar-qdrant/src/lib.rs", "//! Qdrant's trait `Blob`.\n", &[]);
        check(LIB, "//! Egcs, archived, blobby and vaulted.\n", &[]);
        check(LIB, "// An ordinary comment about a blob.\nfn f() {}\n", &[]);
        check("xtask/src/main.rs", "//! A blob.\n", &[]);
    }

    #[test]
    fn camel_case_is_split_into_words() {
        assert_eq!(camel_words("PackFooter"), ["Pack", "Footer"]);
        assert_eq!(camel_words("Metadata"), ["Metadata"]);
        assert_eq!(camel_words("IoInfo"), ["Io", "Info"]);
    }
}
