//! A Rust file as a flat list of tokens without its tests, for rules that look below what a syntax tree shows:
//! string literals inside macros, and source text without its comments and layout.

use std::str::FromStr;

use proc_macro2::{Delimiter, Group, Literal, TokenStream, TokenTree};

/// One token outside tests.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// The line it begins on, counted from 1.
    pub(crate) line: usize,
    /// Whether it is part of a doc comment or another attribute `doc`.
    pub(crate) doc: bool,
    /// What it is.
    pub(crate) kind: TokenKind,
}

/// What a token is.
#[derive(Clone, Debug)]
pub(crate) enum TokenKind {
    /// A number, a character or a string.
    Literal(Literal),
    /// An identifier, a mark, or a bracket, as it is written.
    Word(String),
}

impl Token {
    /// Returns the token as it is written.
    pub(crate) fn text(&self) -> String {
        match &self.kind {
            TokenKind::Literal(literal) => literal.to_string(),
            TokenKind::Word(word) => word.clone(),
        }
    }
}

/// Returns the tokens of a file in order. Ordinary comments are no tokens; items under `#[test]` or `#[cfg(test)]` are
/// left out. A file that does not lex has none: the rule `syntax` reports it.
pub(crate) fn tokens_outside_tests(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    if let Ok(stream) = TokenStream::from_str(text) {
        flatten(stream, false, &mut tokens);
    }
    tokens
}

fn flatten(stream: TokenStream, doc: bool, tokens: &mut Vec<Token>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    let mut at = 0;
    while at < trees.len() {
        if let Some(end) = end_of_test_item(&trees, at) {
            at = end;
            continue;
        }
        if !doc && let Some(end) = end_of_doc_attribute(&trees, at) {
            flatten(trees[at..end].iter().cloned().collect(), true, tokens);
            at = end;
            continue;
        }
        let line = trees[at].span().start().line;
        let mut word = |text: String| {
            tokens.push(Token { line, doc, kind: TokenKind::Word(text) });
        };
        match &trees[at] {
            TokenTree::Ident(ident) => word(ident.to_string()),
            TokenTree::Punct(punct) => word(punct.as_char().to_string()),
            TokenTree::Literal(literal) => tokens.push(Token { line, doc, kind: TokenKind::Literal(literal.clone()) }),
            TokenTree::Group(group) => {
                let (open, close) = brackets(group);
                word(open.to_owned());
                flatten(group.stream(), doc, tokens);
                tokens.push(Token {
                    line: group.span_close().end().line,
                    doc,
                    kind: TokenKind::Word(close.to_owned()),
                });
            }
        }
        at += 1;
    }
}

fn brackets(group: &Group) -> (&'static str, &'static str) {
    match group.delimiter() {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    }
}

/// Returns the index after a `#[doc…]` or `#![doc…]` that begins at `at`, or nothing when `at` is no such attribute.
fn end_of_doc_attribute(trees: &[TokenTree], at: usize) -> Option<usize> {
    let is = |index: usize, mark: char| matches!(&trees[index], TokenTree::Punct(p) if p.as_char() == mark);
    if !is(at, '#') || at + 1 >= trees.len() {
        return None;
    }
    let bracket = if is(at + 1, '!') { at + 2 } else { at + 1 };
    let TokenTree::Group(group) = trees.get(bracket)? else {
        return None;
    };
    match group.stream().into_iter().next() {
        Some(TokenTree::Ident(ident)) if ident == "doc" => Some(bracket + 1),
        _ => None,
    }
}

/// Returns the index after the item that an attribute at `at` keeps for tests, or nothing when `at` is no such
/// attribute.
///
/// An item ends with its braces or its semicolon. A field, variant or argument ends with its comma; a comma inside
/// generic parameters of an item is none of that.
fn end_of_test_item(trees: &[TokenTree], at: usize) -> Option<usize> {
    let attribute = trees.get(at..at + 2)?;
    let TokenTree::Punct(hash) = &attribute[0] else {
        return None;
    };
    if hash.as_char() != '#' || !is_test_attribute(&attribute[1]) {
        return None;
    }
    let mut is_item = false;
    for (offset, tree) in trees[at + 2..].iter().enumerate() {
        let ends = match tree {
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
            TokenTree::Punct(punct) => punct.as_char() == ';' || (punct.as_char() == ',' && !is_item),
            TokenTree::Ident(ident) => {
                is_item = is_item || is_item_keyword(&ident.to_string());
                false
            }
            TokenTree::Literal(_) => false,
        };
        if ends {
            return Some(at + 2 + offset + 1);
        }
    }
    Some(trees.len())
}

fn is_item_keyword(word: &str) -> bool {
    const KEYWORDS: [&str; 10] = ["fn", "impl", "mod", "struct", "enum", "trait", "use", "const", "static", "type"];
    KEYWORDS.contains(&word)
}

fn is_test_attribute(tree: &TokenTree) -> bool {
    let TokenTree::Group(group) = tree else {
        return false;
    };
    if group.delimiter() != Delimiter::Bracket {
        return false;
    }
    let text = group.to_string();
    let attribute = syn::parse::Parser::parse_str(syn::Attribute::parse_outer, &format!("#{text}"));
    attribute.is_ok_and(|attributes| attributes.iter().any(crate::tidy::modules::is_test_only))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let tokens = tokens_outside_tests(text);
        let words: Vec<String> = tokens.iter().filter(|token| !token.doc).map(Token::text).collect();
        assert_eq!(words.join(" "), expected, "{text}");
    }

    #[test]
    fn comments_are_no_tokens_and_doc_comments_are_marked() {
        check("/// Text.\nfn f() { /* why */ 1 } // end", "fn f ( ) { 1 }");
        let tokens = tokens_outside_tests("//! One.\n\n/// Two.\nfn f() {}");
        let docs: Vec<(usize, String)> = tokens
            .iter()
            .filter(|token| matches!(token.kind, TokenKind::Literal(_)))
            .map(|token| (token.line, token.text()))
            .collect();
        assert_eq!(docs, [(1, "\" One.\"".to_owned()), (3, "\" Two.\"".to_owned())]);
    }

    #[test]
    fn tests_are_left_out_and_what_follows_is_kept() {
        check("#[cfg(test)] mod tests { fn a() {} } fn b() {}", "fn b ( ) { }");
        check("#[cfg(test)] mod tests; fn b() {}", "fn b ( ) { }");
        check("#[test] fn a<A, B>() {} fn b() {}", "fn b ( ) { }");
        check("struct S { #[cfg(test)] a: u8, b: u8 }", "struct S { b : u8 }");
        check("#[cfg(unix)] fn b() {}", "# [ cfg ( unix ) ] fn b ( ) { }");
    }
}
