//! What an index of a field changes: the same filter and payload, answered from the index and from the payload.

use vectar_qdrant::{Filter, QdrantVersion, read_payload_schema};

use crate::filters::is_match;

/// Whether the condition matches with an index of `a` as given (and of `n[].a`), and without any.
fn with_and_without(index: &str, condition: &str, payload: &str, minor: u16) -> (bool, bool) {
    let schema = format!(r#"{{"schema":{{"a":{index},"n[].a":{index},"other":{{"type":"text","stemmer":{{}}}}}}}}"#);
    let schema = read_payload_schema(schema.as_bytes()).unwrap();
    assert_eq!(schema.unread, []);
    let filter = Filter::parse(format!(r#"{{"must":{condition}}}"#).as_bytes()).unwrap();
    let filter = filter.as_of(QdrantVersion::new(1, minor, 0));
    let indexed = filter.clone().with_schema(&schema.value).unwrap();
    (is_match(&indexed, payload), is_match(&filter, payload))
}

/// Rows of what is asked, index, condition, payload, whether it matches with the index, and without.
type Rows<'a> = &'a [(&'a str, &'a str, &'a str, &'a str, bool, bool)];

#[track_caller]
fn check_as_of(minor: u16, rows: Rows<'_>) {
    let wrong: Vec<String> = rows
        .iter()
        .filter(|(_, index, condition, payload, with, without)| {
            with_and_without(index, condition, payload, minor) != (*with, *without)
        })
        .map(|(name, index, condition, payload, with, without)| {
            format!("{name}: {condition} of {payload} is not {with} with {index} and {without} without")
        })
        .collect();
    assert!(wrong.is_empty(), "as of 1.{minor}:\n{}", wrong.join("\n"));
}

#[track_caller]
fn check(rows: Rows<'_>) {
    check_as_of(19, rows);
}

#[test]
fn an_index_answers_from_what_it_stored() {
    let int = r#""integer""#;
    let lookup = r#"{"type":"integer","lookup":true,"range":false}"#;
    let range = r#"{"type":"integer","lookup":false,"range":true}"#;
    let area =
        r#"{"key":"a","geo_bounding_box":{"top_left":{"lon":170,"lat":20},"bottom_right":{"lon":-170,"lat":-20}}}"#;
    let uuid = r#"{"key":"a","match":{"value":"f47ac10b-58cc-4372-a567-0e02b2c3d479"}}"#;
    check(&[
        ("texts alone", r#""keyword""#, r#"{"key":"a","match":{"except":["x"]}}"#, r#"{"a":5}"#, false, true),
        ("other texts", r#""keyword""#, r#"{"key":"a","match":{"except":["x"]}}"#, r#"{"a":[5,"y"]}"#, true, true),
        ("not asked", r#""keyword""#, r#"{"key":"a","match":{"except":[1]}}"#, r#"{"a":"x"}"#, true, true),
        ("a beginning", r#""keyword""#, r#"{"key":"a","match":{"prefix":"x"}}"#, r#"{"a":["y","xy"]}"#, true, true),
        ("a part", r#""keyword""#, r#"{"key":"a","match":{"substring":"x"}}"#, r#"{"a":["y","yx"]}"#, true, true),
        ("1.0 is 1", int, r#"{"key":"a","match":{"value":1}}"#, r#"{"a":1.0}"#, true, false),
        (
            "2^63 is the largest",
            int,
            r#"{"key":"a","match":{"any":[9223372036854775807]}}"#,
            r#"{"a":9223372036854775808}"#,
            true,
            false,
        ),
        ("integers alone", int, r#"{"key":"a","match":{"except":[1]}}"#, r#"{"a":"x"}"#, false, true),
        ("no fractions", int, r#"{"key":"a","range":{"gte":1}}"#, r#"{"a":1.5}"#, false, true),
        ("rounded bounds", int, r#"{"key":"a","range":{"gte":0.5,"lt":1.5}}"#, r#"{"a":1}"#, true, true),
        (
            "exact beyond 2^53",
            int,
            r#"{"key":"a","range":{"lte":9007199254740992}}"#,
            r#"{"a":9007199254740993}"#,
            false,
            true,
        ),
        ("no lookup", range, r#"{"key":"a","match":{"value":1}}"#, r#"{"a":1.0}"#, false, false),
        ("no range", lookup, r#"{"key":"a","range":{"gte":1}}"#, r#"{"a":1.5}"#, true, true),
        ("floats", r#""float""#, r#"{"key":"a","range":{"gt":1}}"#, r#"{"a":[1,1.5]}"#, true, true),
        (
            "datetimes as microseconds",
            int,
            r#"{"key":"a","range":{"lt":"1970-01-01T00:00:01Z"}}"#,
            r#"{"a":5}"#,
            true,
            false,
        ),
        (
            "and the reverse",
            r#""datetime""#,
            r#"{"key":"a","range":{"gt":0,"lte":1000000}}"#,
            r#"{"a":"1970-01-01T00:00:01Z"}"#,
            true,
            false,
        ),
        ("before 1970 is huge", r#""float""#, r#"{"key":"a","range":{"gt":"1969-12-31"}}"#, r#"{"a":5}"#, false, false),
        ("and above all", r#""float""#, r#"{"key":"a","range":{"lt":"1969-12-31"}}"#, r#"{"a":5}"#, true, false),
        (
            "microseconds",
            r#""datetime""#,
            r#"{"key":"a","range":{"gt":"2020-01-01"}}"#,
            r#"{"a":"2020-01-01T00:00:00.0000001Z"}"#,
            false,
            true,
        ),
        ("spellings of a UUID", r#""uuid""#, uuid, r#"{"a":"F47AC10B58CC4372A5670E02B2C3D479"}"#, true, false),
        (
            "UUIDs alone",
            r#""uuid""#,
            &uuid.replace("{\"value\":\"f4", "{\"value\":\"X4"),
            r#"{"a":"X47ac10b-58cc-4372-a567-0e02b2c3d479"}"#,
            true,
            true,
        ),
        ("bools", r#""bool""#, r#"{"key":"a","match":{"value":true}}"#, r#"{"a":[false,true]}"#, true, true),
        ("on the globe", r#""geo""#, area, r#"{"a":{"lon":200,"lat":0}}"#, false, true),
        ("some place", r#""geo""#, area, r#"{"a":[{"lon":200,"lat":0},{"lon":175,"lat":0}]}"#, true, true),
        ("nulls", r#""float""#, r#"{"is_null":{"key":"a"}}"#, r#"{"a":[null]}"#, true, false),
        ("no nulls", r#""float""#, r#"{"key":"a","is_null":false}"#, r#"{}"#, true, true),
        ("empty", r#""float""#, r#"{"is_empty":{"key":"a"}}"#, r#"{"a":[]}"#, true, true),
        (
            "counts are not stored",
            r#""float""#,
            r#"{"key":"a","values_count":{"gte":2}}"#,
            r#"{"a":["x","y"]}"#,
            true,
            true,
        ),
    ]);
}

#[test]
fn a_text_index_cuts_words() {
    let words = r#"{"type":"text","phrase_matching":true}"#;
    let plain = r#""text""#;
    let prefix = r#"{"type":"text","tokenizer":"prefix","min_token_len":2}"#;
    check(&[
        ("whole words", plain, r#"{"key":"a","match":{"text":"ell"}}"#, r#"{"a":"hello"}"#, false, true),
        (
            "in any order and case",
            plain,
            r#"{"key":"a","match":{"text":"World HELLO"}}"#,
            r#"{"a":"hello, world"}"#,
            true,
            false,
        ),
        ("over elements", plain, r#"{"key":"a","match":{"text":"x y"}}"#, r#"{"a":["x","y"]}"#, true, false),
        ("no words", plain, r#"{"key":"a","match":{"text":""}}"#, r#"{"a":"x"}"#, false, true),
        (
            "some word",
            plain,
            r#"{"key":"a","match":{"text_any":"moon World"}}"#,
            r#"{"a":"hello, world"}"#,
            true,
            false,
        ),
        (
            "phrases were not stored",
            plain,
            r#"{"key":"a","match":{"phrase":"hello world"}}"#,
            r#"{"a":"hello world"}"#,
            false,
            true,
        ),
        (
            "phrases were",
            words,
            r#"{"key":"a","match":{"phrase":"Hello World"}}"#,
            r#"{"a":"oh, hello world"}"#,
            true,
            false,
        ),
        ("within one element", words, r#"{"key":"a","match":{"phrase":"x y"}}"#, r#"{"a":["x","y"]}"#, false, false),
        ("beginnings of words", prefix, r#"{"key":"a","match":{"text":"WOR"}}"#, r#"{"a":"hello world"}"#, true, false),
        ("long enough ones", prefix, r#"{"key":"a","match":{"text":"w"}}"#, r#"{"a":"hello world"}"#, false, true),
        ("equality is not its work", plain, r#"{"key":"a","match":{"value":"hello"}}"#, r#"{"a":"hello"}"#, true, true),
    ]);
    check_as_of(
        17,
        &[("phrases ran on", words, r#"{"key":"a","match":{"phrase":"x y"}}"#, r#"{"a":["x","y"]}"#, true, false)],
    );
}

#[test]
fn within_a_nested_condition_only_words_are_cut_by_the_index() {
    let nested = |condition: &str| format!(r#"{{"nested":{{"key":"n","filter":{{"must":{condition}}}}}}}"#);
    let plain = r#""text""#;
    check(&[
        ("words", plain, &nested(r#"{"key":"a","match":{"text":"HELLO"}}"#), r#"{"n":[{"a":"hello"}]}"#, true, false),
        (
            "phrases without their store",
            plain,
            &nested(r#"{"key":"a","match":{"phrase":"HELLO world"}}"#),
            r#"{"n":[{"a":"hello world"}]}"#,
            true,
            false,
        ),
        (
            "each text alone",
            plain,
            &nested(r#"{"key":"a","match":{"text":"x y"}}"#),
            r#"{"n":[{"a":["x","y"]}]}"#,
            false,
            false,
        ),
        ("types", r#""integer""#, &nested(r#"{"key":"a","match":{"value":1}}"#), r#"{"n":[{"a":1.0}]}"#, false, false),
        ("nulls", r#""integer""#, &nested(r#"{"is_null":{"key":"a"}}"#), r#"{"n":[{"a":[null]}]}"#, false, false),
        ("outside", r#""integer""#, r#"{"key":"n[].a","match":{"value":1}}"#, r#"{"n":[{"a":1.0}]}"#, true, false),
    ]);
}

#[test]
fn in_1_17_a_numeric_index_answers_its_own_ranges_and_except_counts() {
    check_as_of(
        17,
        &[
            ("bounds are cut", r#""integer""#, r#"{"key":"a","range":{"lt":1.5}}"#, r#"{"a":1}"#, false, true),
            ("no datetimes", r#""integer""#, r#"{"key":"a","range":{"lt":"2020-01-01"}}"#, r#"{"a":5}"#, false, false),
            ("has a value", r#""integer""#, r#"{"key":"a","match":{"except":["x"]}}"#, r#"{"a":"x"}"#, false, false),
            (
                "has another value",
                r#""integer""#,
                r#"{"key":"a","match":{"except":["x"]}}"#,
                r#"{"a":["x",1]}"#,
                true,
                true,
            ),
            ("has a moment", r#""datetime""#, r#"{"key":"a","match":{"except":["x"]}}"#, r#"{"a":"y"}"#, false, true),
        ],
    );
}

#[test]
fn a_condition_that_needs_an_unknown_index_is_refused_and_no_other() {
    let refusal = |index: &str, condition: &str| {
        let schema = read_payload_schema(format!(r#"{{"schema":{{"a":{index}}}}}"#).as_bytes()).unwrap();
        let filter = Filter::parse(format!(r#"{{"must":[{{"must_not":{condition}}}]}}"#).as_bytes()).unwrap();
        filter.with_schema(&schema.value).map_err(|error| error.to_string()).map(drop)
    };
    let text = r#"{"key":"a","match":{"text":"x"}}"#;
    let phrase = r#"{"key":"a","match":{"phrase":"x"}}"#;
    let stemmer = r#"{"type":"text","stemmer":{"type":"snowball","language":"english"}}"#;
    let expected = [
        (stemmer, text, "a text index with a stemmer"),
        (r#"{"type":"text","tokenizer":"multilingual"}"#, text, "a text index with the tokenizer \"multilingual\""),
        (r#"{"type":"text","stopwords":"english"}"#, text, "a text index with the stop words of a language"),
        (r#"{"type":"text","ascii_folding":true}"#, text, "a text index with ascii_folding"),
        (
            r#"{"type":"text","tokenizer":"prefix"}"#,
            phrase,
            "a text index with the tokenizer \"prefix\", asked for a phrase",
        ),
        (r#""hologram""#, text, "an index of the unknown type \"hologram\""),
        (r#""hologram""#, r#"{"is_null":{"key":"a"}}"#, "an index of the unknown type \"hologram\""),
        (r#"{"type":"integer","nested":"n"}"#, r#"{"is_empty":{"key":"a"}}"#, "an index of nested objects one by one"),
    ];
    for (index, condition, what) in expected {
        let message = format!("field a has {what}, which is not evaluated offline");
        assert_eq!(refusal(index, condition), Err(message), "{index}");
    }
    assert_eq!(refusal(stemmer, r#"{"key":"a","match":{"value":"x"}}"#), Ok(()));
    assert_eq!(refusal(stemmer, r#"{"key":"b","match":{"text":"x"}}"#), Ok(()));
    assert_eq!(refusal(stemmer, r#"{"key":"a[]","match":{"text":"x"}}"#), Ok(()));
}
