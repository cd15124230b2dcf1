//! What Qdrant's filters say of a payload: each row is an edge of the meaning, derived from Qdrant's sources
//! (`condition_checker.rs`, `query_checker.rs`, `json_path/`, `types.rs` of v1.19.0) and seen to hold in its own engine.

use serde_json::Value;
use vectar_qdrant::{Filter, FilterSubject, PointId, QdrantVersion};

/// Whether point 7, which has the vector `a`, matches.
pub(crate) fn is_match(filter: &Filter, payload: &str) -> bool {
    let payload: Value = serde_json::from_str(payload).unwrap();
    let has_vector = |name: &str| name == "a";
    filter.matches(&FilterSubject {
        id: &PointId::Number(7),
        payload: payload.as_object().unwrap(),
        has_vector: &has_vector,
    })
}

/// Rows of what is asked, filter or condition, payload, whether it matches.
type Rows<'a> = &'a [(&'a str, &'a str, &'a str, bool)];

#[track_caller]
fn check_as_of(minor: u16, rows: Rows<'_>) {
    let wrong: Vec<String> = rows
        .iter()
        .filter(|(_, condition, payload, expected)| {
            let filter = format!("{{\"must\": {condition}}}");
            let filter = Filter::parse(filter.as_bytes()).unwrap_or_else(|error| panic!("{error}: {condition}"));
            is_match(&filter.as_of(QdrantVersion::new(1, minor, 0)), payload) != *expected
        })
        .map(|(name, condition, payload, expected)| format!("{name}: {condition} of {payload} is not {expected}"))
        .collect();
    assert!(wrong.is_empty(), "as of 1.{minor}:\n{}", wrong.join("\n"));
}

#[track_caller]
fn check(rows: Rows<'_>) {
    check_as_of(19, rows);
}

#[test]
fn values_are_equal_only_within_their_type() {
    check(&[
        ("text", r#"{"key":"a","match":{"value":"x"}}"#, r#"{"a":"x"}"#, true),
        ("case counts", r#"{"key":"a","match":{"value":"x"}}"#, r#"{"a":"X"}"#, false),
        ("the whole text", r#"{"key":"a","match":{"value":"x"}}"#, r#"{"a":"xy"}"#, false),
        ("empty text", r#"{"key":"a","match":{"value":""}}"#, r#"{"a":""}"#, true),
        ("integer", r#"{"key":"a","match":{"value":1}}"#, r#"{"a":1}"#, true),
        ("an integer is no float", r#"{"key":"a","match":{"value":1}}"#, r#"{"a":1.0}"#, false),
        ("an integer is no text", r#"{"key":"a","match":{"value":1}}"#, r#"{"a":"1"}"#, false),
        ("text is no integer", r#"{"key":"a","match":{"value":"1"}}"#, r#"{"a":1}"#, false),
        (
            "the least integer",
            r#"{"key":"a","match":{"value":-9223372036854775808}}"#,
            r#"{"a":-9223372036854775808}"#,
            true,
        ),
        (
            "beyond 63 bits",
            r#"{"key":"a","match":{"value":9223372036854775807}}"#,
            r#"{"a":9223372036854775808}"#,
            false,
        ),
        ("true", r#"{"key":"a","match":{"value":true}}"#, r#"{"a":true}"#, true),
        ("true is not false", r#"{"key":"a","match":{"value":true}}"#, r#"{"a":false}"#, false),
        ("true is no text", r#"{"key":"a","match":{"value":true}}"#, r#"{"a":"true"}"#, false),
        ("true is not 1", r#"{"key":"a","match":{"value":true}}"#, r#"{"a":1}"#, false),
        ("some element", r#"{"key":"a","match":{"value":2}}"#, r#"{"a":[1,2]}"#, true),
        ("one level of arrays", r#"{"key":"a","match":{"value":2}}"#, r#"{"a":[[2]]}"#, false),
        ("an object equals nothing", r#"{"key":"a","match":{"value":"x"}}"#, r#"{"a":{"b":"x"}}"#, false),
        ("null equals nothing", r#"{"key":"a","match":{"value":"null"}}"#, r#"{"a":null}"#, false),
        ("an empty array has nothing", r#"{"key":"a","match":{"value":1}}"#, r#"{"a":[]}"#, false),
        ("a missing key has nothing", r#"{"key":"a","match":{"value":1}}"#, r#"{"b":1}"#, false),
    ]);
}

#[test]
fn sets_of_values_and_what_is_not_in_them() {
    check(&[
        ("any text", r#"{"key":"a","match":{"any":["x","y"]}}"#, r#"{"a":"y"}"#, true),
        ("any integer", r#"{"key":"a","match":{"any":[1,2]}}"#, r#"{"a":[5,2]}"#, true),
        ("none of them", r#"{"key":"a","match":{"any":[1,2]}}"#, r#"{"a":[5,6]}"#, false),
        ("any of nothing", r#"{"key":"a","match":{"any":[]}}"#, r#"{"a":"x"}"#, false),
        ("any knows no floats", r#"{"key":"a","match":{"any":[1]}}"#, r#"{"a":1.0}"#, false),
        ("except a text", r#"{"key":"a","match":{"except":["x"]}}"#, r#"{"a":"y"}"#, true),
        ("except the text", r#"{"key":"a","match":{"except":["x"]}}"#, r#"{"a":"x"}"#, false),
        ("some element is not excepted", r#"{"key":"a","match":{"except":["x"]}}"#, r#"{"a":["x","y"]}"#, true),
        ("all elements are excepted", r#"{"key":"a","match":{"except":["x","y"]}}"#, r#"{"a":["x","y"]}"#, false),
        ("another type is not excepted", r#"{"key":"a","match":{"except":["x"]}}"#, r#"{"a":1}"#, true),
        ("a float is not excepted", r#"{"key":"a","match":{"except":[1]}}"#, r#"{"a":1.0}"#, true),
        ("a bool is not excepted", r#"{"key":"a","match":{"except":[1]}}"#, r#"{"a":true}"#, true),
        ("an object is not excepted", r#"{"key":"a","match":{"except":["x"]}}"#, r#"{"a":{}}"#, true),
        ("an array in an array is not excepted", r#"{"key":"a","match":{"except":["x"]}}"#, r#"{"a":[["x"]]}"#, true),
        ("null is never", r#"{"key":"a","match":{"except":["x"]}}"#, r#"{"a":null}"#, false),
        ("null in an array is never", r#"{"key":"a","match":{"except":["x"]}}"#, r#"{"a":[null]}"#, false),
        ("an empty array is never", r#"{"key":"a","match":{"except":["x"]}}"#, r#"{"a":[]}"#, false),
        ("a missing key is never", r#"{"key":"a","match":{"except":["x"]}}"#, r#"{}"#, false),
        ("except nothing", r#"{"key":"a","match":{"except":[]}}"#, r#"{"a":1}"#, true),
        ("except nothing of null", r#"{"key":"a","match":{"except":[]}}"#, r#"{"a":null}"#, false),
    ]);
}

#[test]
fn text_without_an_index() {
    check(&[
        ("a part of the text", r#"{"key":"a","match":{"text":"ell"}}"#, r#"{"a":"hello"}"#, true),
        ("case counts", r#"{"key":"a","match":{"text":"Hello"}}"#, r#"{"a":"hello"}"#, false),
        ("words in their order", r#"{"key":"a","match":{"text":"b a"}}"#, r#"{"a":"a b"}"#, false),
        ("nothing is in everything", r#"{"key":"a","match":{"text":""}}"#, r#"{"a":"x"}"#, true),
        ("but not in numbers", r#"{"key":"a","match":{"text":""}}"#, r#"{"a":1}"#, false),
        ("a phrase is a part too", r#"{"key":"a","match":{"phrase":"lo wo"}}"#, r#"{"a":"hello world"}"#, true),
        ("some word is a part", r#"{"key":"a","match":{"text_any":"x  ell"}}"#, r#"{"a":"hello"}"#, true),
        ("no word is a part", r#"{"key":"a","match":{"text_any":"x y"}}"#, r#"{"a":"hello"}"#, false),
        ("no word at all", r#"{"key":"a","match":{"text_any":" "}}"#, r#"{"a":"hello"}"#, false),
        ("each element alone", r#"{"key":"a","match":{"text":"a b"}}"#, r#"{"a":["a","b"]}"#, false),
        ("beginning", r#"{"key":"a","match":{"prefix":"he"}}"#, r#"{"a":"hello"}"#, true),
        ("not the beginning", r#"{"key":"a","match":{"prefix":"el"}}"#, r#"{"a":"hello"}"#, false),
        ("case of the beginning", r#"{"key":"a","match":{"prefix":"He"}}"#, r#"{"a":"hello"}"#, false),
        ("everything begins with nothing", r#"{"key":"a","match":{"prefix":""}}"#, r#"{"a":["x"]}"#, true),
        ("part", r#"{"key":"a","match":{"substring":"ell"}}"#, r#"{"a":"hello"}"#, true),
        ("no part", r#"{"key":"a","match":{"substring":"ELL"}}"#, r#"{"a":"hello"}"#, false),
    ]);
    check_as_of(
        20,
        &[
            ("whole words", r#"{"key":"a","match":{"text":"ell"}}"#, r#"{"a":"hello"}"#, false),
            ("in any order and case", r#"{"key":"a","match":{"text":"World hello"}}"#, r#"{"a":"Hello, world"}"#, true),
            ("no words", r#"{"key":"a","match":{"text":"..."}}"#, r#"{"a":"..."}"#, false),
            ("a phrase", r#"{"key":"a","match":{"phrase":"hello WORLD"}}"#, r#"{"a":"oh hello, world!"}"#, true),
            (
                "a phrase with a gap",
                r#"{"key":"a","match":{"phrase":"oh world"}}"#,
                r#"{"a":"oh hello, world!"}"#,
                false,
            ),
            ("some word", r#"{"key":"a","match":{"text_any":"moon world"}}"#, r#"{"a":"Hello, world"}"#, true),
            ("each element alone", r#"{"key":"a","match":{"text":"a b"}}"#, r#"{"a":["a","b"]}"#, false),
        ],
    );
}

#[test]
fn ranges_of_numbers() {
    check(&[
        ("gte", r#"{"key":"a","range":{"gte":1}}"#, r#"{"a":1}"#, true),
        ("gt", r#"{"key":"a","range":{"gt":1}}"#, r#"{"a":1}"#, false),
        ("lte", r#"{"key":"a","range":{"lte":1.5}}"#, r#"{"a":1.5}"#, true),
        ("lt", r#"{"key":"a","range":{"lt":1.5}}"#, r#"{"a":1.5}"#, false),
        ("all bounds", r#"{"key":"a","range":{"gte":1,"gt":2,"lt":9,"lte":5}}"#, r#"{"a":2}"#, false),
        ("floats and integers", r#"{"key":"a","range":{"gt":0.5,"lt":1.5}}"#, r#"{"a":1}"#, true),
        (
            "as f64, so 2^53 and one more are equal",
            r#"{"key":"a","range":{"lte":9007199254740992}}"#,
            r#"{"a":9007199254740993}"#,
            true,
        ),
        ("beyond 63 bits", r#"{"key":"a","range":{"gt":1e18}}"#, r#"{"a":18446744073709551615}"#, true),
        ("minus zero is zero", r#"{"key":"a","range":{"lt":0}}"#, r#"{"a":-0.0}"#, false),
        ("some element", r#"{"key":"a","range":{"gt":5}}"#, r#"{"a":[1,"x",6]}"#, true),
        ("one element for all bounds", r#"{"key":"a","range":{"gt":1,"lt":5}}"#, r#"{"a":[0,9]}"#, false),
        ("text is no number", r#"{"key":"a","range":{"gt":0}}"#, r#"{"a":"1"}"#, false),
        ("no bounds are numbers", r#"{"key":"a","range":{}}"#, r#"{"a":1}"#, true),
        ("no bounds are no texts", r#"{"key":"a","range":{"gt":null}}"#, r#"{"a":"x"}"#, false),
        ("a missing key", r#"{"key":"a","range":{}}"#, r#"{}"#, false),
    ]);
}

#[test]
fn ranges_of_datetimes() {
    let day = r#"{"key":"a","range":{"gte":"2020-01-01","lt":"2020-01-02T00:00:00Z"}}"#;
    check(&[
        ("with Z", day, r#"{"a":"2020-01-01T23:59:59Z"}"#, true),
        ("the bound itself", day, r#"{"a":"2020-01-01T00:00:00Z"}"#, true),
        ("the open bound", day, r#"{"a":"2020-01-02T00:00:00Z"}"#, false),
        ("without zone is UTC", day, r#"{"a":"2020-01-01T12:00:00"}"#, true),
        ("an offset", day, r#"{"a":"2020-01-02T01:00:00+02:00"}"#, true),
        ("an offset without colon", day, r#"{"a":"2020-01-01 00:00:00-0100"}"#, true),
        ("an offset of hours", day, r#"{"a":"2020-01-02 00:59:59+01"}"#, true),
        ("a date", day, r#"{"a":"2020-01-01"}"#, true),
        ("a blank", day, r#"{"a":"2020-01-01 10:00"}"#, true),
        ("without seconds", day, r#"{"a":"2020-01-01T10:00"}"#, true),
        ("an element", day, r#"{"a":["1999-01-01","2020-01-01"]}"#, true),
        ("no datetime", day, r#"{"a":"yesterday"}"#, false),
        ("no such day", day, r#"{"a":"2020-01-32"}"#, false),
        ("a number is no datetime", day, r#"{"a":1577836800}"#, false),
        ("null", day, r#"{"a":null}"#, false),
        ("a datetime is no number", r#"{"key":"a","range":{"gte":0}}"#, r#"{"a":"2020-01-01"}"#, false),
    ]);
    let precise = r#"{"key":"a","range":{"gt":"2020-01-01T00:00:00.0000001Z"}}"#;
    let later = r#"{"a":"2020-01-01T00:00:00.0000002Z"}"#;
    check(&[("below a microsecond", precise, later, true)]);
    check_as_of(20, &[("cut to microseconds", precise, later, false)]);
    check_as_of(17, &[("seconds were demanded", day, r#"{"a":"2020-01-01T10:00"}"#, false)]);
}

#[test]
fn places() {
    let area = r#"{"key":"a","geo_bounding_box":{"top_left":{"lon":10,"lat":20},"bottom_right":{"lon":20,"lat":10}}}"#;
    let pacific =
        r#"{"key":"a","geo_bounding_box":{"top_left":{"lon":170,"lat":20},"bottom_right":{"lon":-170,"lat":-20}}}"#;
    let circle = r#"{"key":"a","geo_radius":{"center":{"lon":13.4,"lat":52.5},"radius":10000}}"#;
    let polygon = r#"{"key":"a","geo_polygon":{
        "exterior":{"points":[{"lon":0,"lat":0},{"lon":9,"lat":0},{"lon":9,"lat":9},{"lon":0,"lat":9},{"lon":0,"lat":0}]},
        "interiors":[{"points":[{"lon":3,"lat":3},{"lon":6,"lat":3},{"lon":6,"lat":6},{"lon":3,"lat":6},{"lon":3,"lat":3}]}]}}"#;
    check(&[
        ("in a box", area, r#"{"a":{"lon":15,"lat":15}}"#, true),
        ("on its border", area, r#"{"a":{"lon":10,"lat":15}}"#, false),
        ("beside it", area, r#"{"a":{"lon":15,"lat":25}}"#, false),
        ("other members do not matter", area, r#"{"a":{"lon":15,"lat":15,"name":"x"}}"#, true),
        ("some element", area, r#"{"a":[{"lon":0,"lat":0},{"lon":15,"lat":15}]}"#, true),
        ("no latitude", area, r#"{"a":{"lon":15}}"#, false),
        ("numbers, not texts", area, r#"{"a":{"lon":"15","lat":"15"}}"#, false),
        ("a list of two is no point", area, r#"{"a":[15,15]}"#, false),
        ("across the date line", pacific, r#"{"a":{"lon":-175,"lat":0}}"#, true),
        ("not across it", pacific, r#"{"a":{"lon":0,"lat":0}}"#, false),
        ("beyond the globe, still between", pacific, r#"{"a":{"lon":200,"lat":0}}"#, true),
        ("near", circle, r#"{"a":{"lon":13.3,"lat":52.5}}"#, true),
        ("far", circle, r#"{"a":{"lon":13.6,"lat":52.5}}"#, false),
        ("in a polygon", polygon, r#"{"a":{"lon":1,"lat":1}}"#, true),
        ("in its hole", polygon, r#"{"a":{"lon":4,"lat":4}}"#, false),
        ("on the border of its hole", polygon, r#"{"a":{"lon":3,"lat":4}}"#, false),
        ("on its border", polygon, r#"{"a":{"lon":0,"lat":4}}"#, false),
        ("a missing key", polygon, r#"{}"#, false),
    ]);
}

#[test]
fn counts_of_values() {
    check(&[
        ("elements", r#"{"key":"a","values_count":{"gte":2}}"#, r#"{"a":[1,2]}"#, true),
        ("nulls in an array count", r#"{"key":"a","values_count":{"gt":1}}"#, r#"{"a":[null,null]}"#, true),
        ("a scalar is one", r#"{"key":"a","values_count":{"lt":2,"gte":1}}"#, r#"{"a":"x"}"#, true),
        ("an object is one", r#"{"key":"a","values_count":{"lte":1,"gt":0}}"#, r#"{"a":{"b":1,"c":2}}"#, true),
        ("null is none", r#"{"key":"a","values_count":{"lt":1}}"#, r#"{"a":null}"#, true),
        ("an empty array is none", r#"{"key":"a","values_count":{"lt":1}}"#, r#"{"a":[]}"#, true),
        ("a missing key is none", r#"{"key":"a","values_count":{"lt":1}}"#, r#"{}"#, true),
        ("and not one", r#"{"key":"a","values_count":{"gt":0}}"#, r#"{}"#, false),
        ("each found value alone", r#"{"key":"a[].b","values_count":{"gte":2}}"#, r#"{"a":[{"b":1},{"b":2}]}"#, false),
        ("some found value", r#"{"key":"a[].b","values_count":{"gte":2}}"#, r#"{"a":[{"b":1},{"b":[2,3]}]}"#, true),
    ]);
    check_as_of(18, &[("a missing key was never", r#"{"key":"a","values_count":{"lt":1}}"#, r#"{}"#, false)]);
}

#[test]
fn empty_and_null() {
    check(&[
        ("missing is empty", r#"{"is_empty":{"key":"a"}}"#, r#"{}"#, true),
        ("null is empty", r#"{"is_empty":{"key":"a"}}"#, r#"{"a":null}"#, true),
        ("an empty array is empty", r#"{"is_empty":{"key":"a"}}"#, r#"{"a":[]}"#, true),
        ("an array of null is not", r#"{"is_empty":{"key":"a"}}"#, r#"{"a":[null]}"#, false),
        ("an empty text is not", r#"{"is_empty":{"key":"a"}}"#, r#"{"a":""}"#, false),
        ("an empty object is not", r#"{"is_empty":{"key":"a"}}"#, r#"{"a":{}}"#, false),
        ("all found values", r#"{"is_empty":{"key":"a[].b"}}"#, r#"{"a":[{"b":null},{"b":1}]}"#, false),
        ("null is null", r#"{"is_null":{"key":"a"}}"#, r#"{"a":null}"#, true),
        ("missing is not null", r#"{"is_null":{"key":"a"}}"#, r#"{}"#, false),
        ("an empty array is not null", r#"{"is_null":{"key":"a"}}"#, r#"{"a":[]}"#, false),
        ("nor one with a null", r#"{"is_null":{"key":"a"}}"#, r#"{"a":[null]}"#, false),
        ("unless looked into", r#"{"is_null":{"key":"a[]"}}"#, r#"{"a":[1,null]}"#, true),
        ("short: empty", r#"{"key":"a","is_empty":true}"#, r#"{}"#, true),
        ("short: not empty", r#"{"key":"a","is_empty":false}"#, r#"{"a":0}"#, true),
        ("short: a missing key is not not empty", r#"{"key":"a","is_empty":false}"#, r#"{}"#, false),
        ("short: null", r#"{"key":"a","is_null":true}"#, r#"{"a":null}"#, true),
        ("short: with a null", r#"{"key":"a","is_null":true}"#, r#"{"a":[1,null]}"#, true),
        ("short: a missing key is not null", r#"{"key":"a","is_null":false}"#, r#"{}"#, true),
        ("short: nor is a value", r#"{"key":"a","is_null":false}"#, r#"{"a":1}"#, true),
    ]);
    check_as_of(20, &[("an array with a null", r#"{"is_null":{"key":"a"}}"#, r#"{"a":[1,null]}"#, true)]);
}

#[test]
fn keys() {
    check(&[
        ("a member of an object", r#"{"key":"a.b","match":{"value":1}}"#, r#"{"a":{"b":1}}"#, true),
        ("no key with a dot", r#"{"key":"a.b","match":{"value":1}}"#, r#"{"a.b":1}"#, false),
        ("but in quotes", r#"{"key":"\"a.b\"","match":{"value":1}}"#, r#"{"a.b":1}"#, true),
        ("quotes further on", r#"{"key":"a.\"b c\"","match":{"value":1}}"#, r#"{"a":{"b c":1}}"#, true),
        ("objects of an array", r#"{"key":"a[].b","match":{"value":1}}"#, r#"{"a":[{"b":0},{"b":1}]}"#, true),
        ("not without brackets", r#"{"key":"a.b","match":{"value":1}}"#, r#"{"a":[{"b":1}]}"#, false),
        ("an element", r#"{"key":"a[1]","match":{"value":1}}"#, r#"{"a":[0,1]}"#, true),
        ("another element", r#"{"key":"a[0]","match":{"value":1}}"#, r#"{"a":[0,1]}"#, false),
        ("no such element", r#"{"key":"a[9]","is_empty":true}"#, r#"{"a":[0,1]}"#, true),
        ("brackets look one deeper", r#"{"key":"a[]","match":{"value":1}}"#, r#"{"a":[[0,1]]}"#, true),
        ("brackets of a scalar", r#"{"key":"a[]","match":{"value":1}}"#, r#"{"a":1}"#, false),
        ("an object is no array", r#"{"key":"a[0]","match":{"value":1}}"#, r#"{"a":{"0":1}}"#, false),
    ]);
}

#[test]
fn several_questions_of_one_key_are_alternatives_unless_counted() {
    check(&[
        ("one holds", r#"{"key":"a","match":{"value":1},"range":{"gt":5}}"#, r#"{"a":6}"#, true),
        ("none holds", r#"{"key":"a","match":{"value":1},"range":{"gt":5}}"#, r#"{"a":3}"#, false),
        ("a count silences others", r#"{"key":"a","match":{"value":1},"values_count":{"gt":1}}"#, r#"{"a":1}"#, false),
        ("so does emptiness", r#"{"key":"a","match":{"value":1},"is_empty":true}"#, r#"{"a":1}"#, false),
        ("null members are not asked", r#"{"key":"a","match":{"value":1},"range":null}"#, r#"{"a":1}"#, true),
    ]);
}

#[test]
fn conditions_of_one_object_of_an_array() {
    let both =
        r#"{"nested":{"key":"n","filter":{"must":[{"key":"x","match":{"value":1}},{"key":"y","match":{"value":2}}]}}}"#;
    check(&[
        ("in one object", both, r#"{"n":[{"x":1,"y":2}]}"#, true),
        ("not in two", both, r#"{"n":[{"x":1},{"y":2}]}"#, false),
        ("an object alone is no array", both, r#"{"n":{"x":1,"y":2}}"#, false),
        ("brackets change nothing", &both.replace("\"n\"", "\"n[]\""), r#"{"n":[{"x":1,"y":2}]}"#, true),
        ("scalars are skipped", both, r#"{"n":[1,null,{"x":1,"y":2}]}"#, true),
        ("arrays in arrays are not looked into", both, r#"{"n":[[{"x":1,"y":2}]]}"#, false),
        ("an empty filter wants an object", r#"{"nested":{"key":"n","filter":{}}}"#, r#"{"n":[{}]}"#, true),
        ("and there is none", r#"{"nested":{"key":"n","filter":{}}}"#, r#"{"n":[1]}"#, false),
        ("no should is false within", r#"{"nested":{"key":"n","filter":{"should":[]}}}"#, r#"{"n":[{}]}"#, false),
        (
            "missing within",
            r#"{"nested":{"key":"n","filter":{"must":{"is_empty":{"key":"x"}}}}}"#,
            r#"{"n":[{"x":1},{}]}"#,
            true,
        ),
        (
            "ids are unknown within",
            r#"{"nested":{"key":"n","filter":{"must":{"has_id":[7]}}}}"#,
            r#"{"n":[{}]}"#,
            false,
        ),
        (
            "so their absence holds",
            r#"{"nested":{"key":"n","filter":{"must_not":{"has_id":[7]}}}}"#,
            r#"{"n":[{}]}"#,
            true,
        ),
        ("vectors too", r#"{"nested":{"key":"n","filter":{"must":{"has_vector":"a"}}}}"#, r#"{"n":[{}]}"#, false),
        (
            "slices too",
            r#"{"nested":{"key":"n","filter":{"must":{"slice":{"total":1,"index":0}}}}}"#,
            r#"{"n":[{}]}"#,
            false,
        ),
        (
            "nested in nested",
            r#"{"nested":{"key":"n","filter":{"must":{"nested":{"key":"m","filter":{"must":{"key":"x","range":{"gt":1}}}}}}}}"#,
            r#"{"n":[{"m":[{"x":1}]},{"m":[{"x":2}]}]}"#,
            true,
        ),
    ]);
}

#[test]
fn points_and_lists_of_conditions() {
    let yes = r#"{"has_id":[7]}"#;
    let no = r#"{"has_id":[8]}"#;
    let filter = |text: &str| text.replace('Y', yes).replace('N', no);
    let rows: Vec<(&str, String, bool)> = vec![
        ("nothing is asked", "{}".into(), true),
        ("no conditions", r#"{"must":[],"must_not":[],"should":[]}"#.into(), true),
        ("null is nothing", r#"{"must":null,"should":null,"must_not":null,"min_should":null}"#.into(), true),
        ("must", filter(r#"{"must":[Y,N]}"#), false),
        ("should", filter(r#"{"should":[N,Y]}"#), true),
        ("should none", filter(r#"{"should":[N,N]}"#), false),
        ("must not", filter(r#"{"must_not":[N,Y]}"#), false),
        ("must not none", filter(r#"{"must_not":[N]}"#), true),
        ("without a list", filter(r#"{"must":Y,"must_not":N,"should":Y}"#), true),
        ("all lists", filter(r#"{"must":[Y],"should":[Y],"must_not":[Y]}"#), false),
        ("enough of them", filter(r#"{"min_should":{"conditions":[Y,N,Y],"min_count":2}}"#), true),
        ("not enough", filter(r#"{"min_should":{"conditions":[Y,N,N],"min_count":2}}"#), false),
        ("more than there are", filter(r#"{"min_should":{"conditions":[Y],"min_count":18446744073709551615}}"#), false),
        ("a filter in a list", filter(r#"{"must":[{"should":[N,{"must_not":[N]}]}]}"#), true),
        ("an empty filter in a list", r#"{"must":[{}]}"#.into(), true),
        ("an empty filter that must not be", r#"{"must_not":[{}]}"#.into(), false),
        ("no id", r#"{"must":[{"has_id":[]}]}"#.into(), false),
        ("a UUID is no number", r#"{"must":[{"has_id":["00000000-0000-0000-0000-000000000007"]}]}"#.into(), false),
        ("a vector", r#"{"must":[{"has_vector":"a"}]}"#.into(), true),
        ("no vector", r#"{"must":[{"has_vector":""}]}"#.into(), false),
        ("the only slice", r#"{"must":[{"slice":{"total":1,"index":0}}]}"#.into(), true),
    ];
    for (name, filter, expected) in rows {
        let parsed = Filter::parse(filter.as_bytes()).unwrap_or_else(|error| panic!("{error}: {filter}"));
        assert_eq!(is_match(&parsed, "{}"), expected, "{name}: {filter}");
        assert!(!parsed.needs_payload(), "{name}: {filter}");
    }
}

#[test]
fn ids_that_a_filter_demands_are_a_shortcut() {
    let ids = |json: &str| {
        let filter = Filter::parse(json.as_bytes()).unwrap();
        filter.ids().map(|ids| ids.map(ToString::to_string).collect::<Vec<_>>())
    };
    let uuid = "f47ac10b-58cc-4372-a567-0e02b2c3d479";
    assert_eq!(ids(&format!(r#"{{"must":{{"has_id":["{uuid}",9,7,9]}}}}"#)).unwrap(), ["7", "9", uuid]);
    assert_eq!(ids(r#"{"must":[{"has_id":[1,2]},{"has_id":[2]},{"is_empty":{"key":"a"}}]}"#).unwrap(), ["2"]);
    assert_eq!(ids(r#"{"should":[{"has_id":[1]}]}"#), None);
    assert_eq!(ids(r#"{"must":[{"must":{"has_id":[1]}}]}"#), None);
}

#[test]
fn a_filter_knows_whether_it_looks_into_payloads() {
    for condition in [
        r#"{"key":"a","is_null":true}"#,
        r#"{"is_null":{"key":"a"}}"#,
        r#"{"is_empty":{"key":"a"}}"#,
        r#"{"nested":{"key":"a","filter":{}}}"#,
        r#"{"should":[{"has_id":[1]},{"min_should":{"conditions":[{"key":"a","is_null":true}],"min_count":1}}]}"#,
    ] {
        assert!(
            Filter::parse(format!(r#"{{"must_not":{condition}}}"#).as_bytes()).unwrap().needs_payload(),
            "{condition}"
        );
    }
}
