//! Words of texts, as a full-text index cuts them.
//!
//! `qdrant v1.19.0 lib/segment/src/index/field_index/full_text_index/tokenizers/`. A token is cut out, put in lower case
//! (unless told not to), dropped when it is a stop word or has fewer or more characters than allowed:
//!
//! | tokenizer | cuts at | special |
//! |---|---|---|
//! | `word` | everything but letters and digits of any alphabet | the default |
//! | `whitespace` | white space | |
//! | `prefix` | as `word` | stores every beginning of a word, from `min_token_len` (1) to `max_token_len` characters; of a query's word the longest of these, and stop words stay |
//!
//! `multilingual` and `code` cut by dictionaries and rules of their own, stemmers and the stop words of a language are
//! tables: these are refused, see [`FilterError::IndexNotEvaluated`](super::FilterError::IndexNotEvaluated). Stop words of
//! one's own are known.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Value};

use super::matching::TextKind;

/// A token that an index puts between elements of an array; no query contains it.
const ELEMENT_BOUNDARY: &str = "\0";

#[derive(Clone, Debug)]
pub(super) struct Tokenizer {
    cut: Cut,
    is_lowercase: bool,
    chars_min: Option<u64>,
    chars_max: Option<u64>,
    stop_words: HashSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Word,
    Whitespace,
    Prefix,
}

/// What is looked for: tokens as the index has them.
#[derive(Clone, Debug)]
pub(super) struct TextQuery {
    kind: TextKind,
    tokens: Vec<String>,
}

impl Default for Tokenizer {
    /// An index without parameters: words in lower case.
    fn default() -> Self {
        Self { cut: Cut::Word, is_lowercase: true, chars_min: None, chars_max: None, stop_words: HashSet::new() }
    }
}

impl Tokenizer {
    /// Reads the parameters of a text index; the error says what is not known here.
    pub(super) fn of(params: &Map<String, Value>) -> Result<Self, String> {
        let flag = |name, default| match params.get(name) {
            None | Some(Value::Null) => Ok(default),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => Err(format!("a text index whose {name} cannot be read")),
        };
        let chars = |name| match params.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| format!("a text index whose {name} cannot be read")),
        };
        let cut = match params.get("tokenizer").map(|value| value.as_str().unwrap_or_default()) {
            None | Some("word") => Cut::Word,
            Some("whitespace") => Cut::Whitespace,
            Some("prefix") => Cut::Prefix,
            Some(other) => return Err(format!("a text index with the tokenizer {other:?}")),
        };
        if flag("ascii_folding", false)? {
            return Err("a text index with ascii_folding".into());
        }
        match params.get("stemmer") {
            None | Some(Value::Null) => {}
            Some(stemmer) if stemmer.get("type").and_then(Value::as_str) == Some("none") => {}
            Some(_) => return Err("a text index with a stemmer".into()),
        }
        let is_lowercase = flag("lowercase", true)?;
        let stop_words = stop_words(params.get("stopwords"), is_lowercase)?;
        Ok(Self {
            cut,
            is_lowercase,
            chars_min: chars("min_token_len")?,
            chars_max: chars("max_token_len")?,
            stop_words,
        })
    }

    /// Whether phrases can be looked for: with the prefix tokenizer Qdrant compares runs of beginnings of words, which is
    /// not repeated here.
    pub(super) fn knows_phrases(&self) -> bool {
        self.cut != Cut::Prefix
    }

    /// Cuts what is looked for.
    pub(super) fn query(&self, kind: TextKind, text: &str) -> TextQuery {
        let tokens = self.pieces(text).filter_map(|piece| match self.cut {
            Cut::Prefix => self.prefix_of_query(piece),
            Cut::Word | Cut::Whitespace => self.token(piece).map(Cow::into_owned),
        });
        TextQuery { kind, tokens: tokens.filter(|token| token != ELEMENT_BOUNDARY).collect() }
    }

    /// Whether the texts, which together are one document, have what is looked for. A phrase must be within one text.
    /// Nothing is found in no text, and by a query without tokens.
    pub(super) fn holds<'t>(&self, query: &TextQuery, mut texts: impl Iterator<Item = &'t str>) -> bool {
        match query.kind {
            _ if query.tokens.is_empty() => false,
            TextKind::Phrase => texts.any(|text| self.has_phrase(query, [text].into_iter())),
            TextKind::All => self.has_all(query, texts),
            TextKind::Any => texts.any(|text| {
                let mut words = self.words(text);
                words.any(|word| query.tokens.iter().any(|token| self.is_token_of(token, &word)))
            }),
        }
    }

    /// Whether the tokens of all texts, one text behind the other, have the phrase.
    pub(super) fn has_phrase<'t>(&self, query: &TextQuery, texts: impl Iterator<Item = &'t str>) -> bool {
        let document: Vec<Cow<'_, str>> = texts.flat_map(|text| self.words(text)).collect();
        !query.tokens.is_empty() && document.windows(query.tokens.len()).any(|window| window == query.tokens.as_slice())
    }

    /// Whether a text has any token.
    pub(super) fn has_tokens(&self, text: &str) -> bool {
        self.words(text).next().is_some()
    }

    fn has_all<'t>(&self, query: &TextQuery, texts: impl Iterator<Item = &'t str>) -> bool {
        let mut missing: Vec<&str> = query.tokens.iter().map(String::as_str).collect();
        for text in texts {
            for word in self.words(text) {
                missing.retain(|token| !self.is_token_of(token, &word));
                if missing.is_empty() {
                    return true;
                }
            }
        }
        false
    }

    /// Whether a word of a document, as [`words`](Self::words) has it, stores the token.
    fn is_token_of(&self, token: &str, word: &str) -> bool {
        match self.cut {
            Cut::Word | Cut::Whitespace => token == word,
            // The beginnings of a word are compared, not made: of a long word they would be as many bytes as its square.
            Cut::Prefix => {
                let chars = token.chars().count() as u64;
                let is_stored = chars >= self.chars_min.unwrap_or(1) && self.chars_max.is_none_or(|most| chars <= most);
                is_stored && word.starts_with(token)
            }
        }
    }

    /// The words of a document.
    fn words<'t>(&self, text: &'t str) -> impl Iterator<Item = Cow<'t, str>> {
        self.pieces(text).filter_map(|piece| self.token(piece))
    }

    fn pieces<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        let cut = self.cut;
        let is_cut = move |c: char| if cut == Cut::Whitespace { c.is_whitespace() } else { !c.is_alphanumeric() };
        text.split(is_cut).filter(|piece| !piece.is_empty())
    }

    /// The token of a piece of text, or nothing.
    fn token<'t>(&self, piece: &'t str) -> Option<Cow<'t, str>> {
        let token = if self.is_lowercase { Cow::Owned(piece.to_lowercase()) } else { Cow::Borrowed(piece) };
        let is_long_enough = self.has_chars_min(&token);
        let is_short_enough =
            self.cut == Cut::Prefix || self.chars_max.is_none_or(|most| token.chars().count() as u64 <= most);
        (!self.stop_words.contains(token.as_ref()) && is_long_enough && is_short_enough).then_some(token)
    }

    /// The longest beginning of a query's word that is stored. Stop words are kept: they may begin other words.
    fn prefix_of_query(&self, piece: &str) -> Option<String> {
        let mut word = if self.is_lowercase { piece.to_lowercase() } else { piece.to_owned() };
        if !self.has_chars_min(&word) {
            return None;
        }
        let chars_max = self.chars_max.and_then(|most| usize::try_from(most).ok());
        if let Some((end, _)) = chars_max.and_then(|most| word.char_indices().nth(most)) {
            word.truncate(end);
        }
        Some(word)
    }

    fn has_chars_min(&self, token: &str) -> bool {
        self.chars_min.is_none_or(|least| token.chars().count() as u64 >= least)
    }
}

fn stop_words(stop_words: Option<&Value>, is_lowercase: bool) -> Result<HashSet<String>, String> {
    let unreadable = || "a text index whose stopwords cannot be read".to_owned();
    let members = match stop_words {
        None | Some(Value::Null) => return Ok(HashSet::new()),
        Some(Value::Object(members)) => members,
        Some(_) => return Err("a text index with the stop words of a language".into()),
    };
    match members.get("languages") {
        None | Some(Value::Null) => {}
        Some(Value::Array(languages)) if languages.is_empty() => {}
        Some(_) => return Err("a text index with the stop words of a language".into()),
    }
    let words = match members.get("custom") {
        None | Some(Value::Null) => return Ok(HashSet::new()),
        Some(words) => words.as_array().ok_or_else(unreadable)?,
    };
    let word = |word: &Value| {
        let word = word.as_str().ok_or_else(unreadable)?;
        Ok(if is_lowercase { word.to_lowercase() } else { word.to_owned() })
    };
    words.iter().map(word).collect()
}

impl TextQuery {
    pub(super) fn is_phrase(&self) -> bool {
        self.kind == TextKind::Phrase
    }

    pub(super) fn is_any(&self) -> bool {
        self.kind == TextKind::Any
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(params: Value, kind: TextKind, text: &str, query: &str, expected: bool) {
        let tokenizer = Tokenizer::of(params.as_object().unwrap()).unwrap();
        let parsed = tokenizer.query(kind, query);
        assert_eq!(tokenizer.holds(&parsed, [text].into_iter()), expected, "{params} {text:?} {query:?}");
    }

    #[test]
    fn words_are_cut_at_everything_else() {
        use TextKind::{All, Any, Phrase};
        let text = "Hello, World! Привет, мир_42!";
        for (kind, query, expected) in [
            (All, "world hello", true),
            (All, "МИР привет", true),
            (All, "42", true),
            (All, "hell", false),
            (All, "hello moon", false),
            (All, "", false),
            (All, "...", false),
            (Any, "moon hello", true),
            (Any, "moon", false),
            (Phrase, "hello world привет", true),
            (Phrase, "hello привет", false),
            (Phrase, "world hello", false),
        ] {
            check(json!({}), kind, text, query, expected);
        }
        check(json!({"tokenizer": "whitespace"}), All, text, "world!", true);
        check(json!({"tokenizer": "whitespace"}), All, text, "world", false);
        check(json!({"lowercase": false}), All, text, "hello", false);
        check(json!({"lowercase": false}), All, text, "Hello", true);
    }

    #[test]
    fn words_too_short_or_too_long_and_stop_words_are_dropped() {
        use TextKind::{All, Phrase};
        let limits = json!({"min_token_len": 2, "max_token_len": 4});
        check(limits.clone(), All, "a quick fox", "fox", true);
        check(limits.clone(), All, "a quick fox", "quick fox", true);
        check(limits.clone(), All, "a quick fox", "quick", false);
        check(limits, Phrase, "red a fox", "red fox", true);
        let stop = json!({"stopwords": {"custom": ["The", "of"]}});
        check(stop.clone(), All, "the king of hearts", "the king", true);
        check(stop.clone(), All, "the king of hearts", "of", false);
        check(stop, Phrase, "king of hearts", "king the hearts", true);
    }

    #[test]
    fn the_prefix_tokenizer_knows_beginnings_of_words() {
        let limits = json!({"tokenizer": "prefix", "min_token_len": 2, "max_token_len": 4});
        for (query, expected) in [
            ("he", true),
            ("hell", true),
            ("hello", true),
            ("helsinki", false),
            ("hellsinki", true),
            ("h", false),
            ("ello", false),
            ("мир", true),
            ("ми", true),
            ("hel wor", true),
        ] {
            check(limits.clone(), TextKind::All, "hello, world, мир", query, expected);
        }
        check(json!({"tokenizer": "prefix"}), TextKind::All, "hello", "helloo", false);
        check(json!({"tokenizer": "prefix"}), TextKind::Any, "hello", "x h", true);
        check(json!({"tokenizer": "prefix", "stopwords": {"custom": ["the"]}}), TextKind::All, "theory", "the", true);
        check(json!({"tokenizer": "prefix", "stopwords": {"custom": ["the"]}}), TextKind::All, "the", "the", false);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for params in [
            json!({"tokenizer": "multilingual"}),
            json!({"tokenizer": "code"}),
            json!({"tokenizer": 1}),
            json!({"stemmer": {"type": "snowball", "language": "english"}}),
            json!({"stopwords": "english"}),
            json!({"stopwords": {"languages": ["english"]}}),
            json!({"ascii_folding": true}),
            json!({"lowercase": "yes"}),
            json!({"min_token_len": -1}),
        ] {
            assert!(Tokenizer::of(params.as_object().unwrap()).is_err(), "{params}");
        }
        let harmless =
            json!({"type": "text", "stemmer": {"type": "none"}, "stopwords": {"languages": []}, "on_disk": true});
        assert!(Tokenizer::of(harmless.as_object().unwrap()).is_ok());
    }
}
