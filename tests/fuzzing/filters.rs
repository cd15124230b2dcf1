//! Filters as clients send them, and the payload keys in them.

use serde_json::{Map, Value, json};
use vectar_qdrant::{Filter, FilterSubject, PayloadSchema, PointId, QdrantVersion, read_payload_schema};

use super::Verdict;

/// Releases whose answers differ, and the one behind them.
const MINORS: [u16; 5] = [16, 17, 18, 19, 21];

/// Payloads with something of every kind.
const PAYLOADS: [&str; 8] = [
    "{}",
    r#"{"a":1,"b":"x","c":[1,2,"x",null,[3]],"d":{"e":{"f":[{"g":1},{"g":2,"h":"y"}]}}}"#,
    r#"{"a":1.5,"b":["x","yy z"],"c":null,"t":"The quick brown fox, 2024-05-01"}"#,
    r#"{"a":-9223372036854775808,"b":"","c":[],"date":"2024-05-01T12:00:00Z"}"#,
    r#"{"a":18446744073709551615,"b":true,"date":["2024-05-01","1969-12-31 23:59:59.999999"]}"#,
    r#"{"geo":{"lon":13.4,"lat":52.5},"u":"f47ac10b-58cc-4372-a567-0e02b2c3d479"}"#,
    r#"{"geo":[{"lon":-179.9,"lat":-89.9},{"lon":180,"lat":90},{"lon":1e300,"lat":0}],"a":1e308}"#,
    r#"{"a":[[[[1]]]],"with space":{"город":[{"b":[]},{"b":[null]}]},"n":[{"a":1,"b":2},{"a":2,"b":1}]}"#,
];

const SCHEMA: &str = r#"{"schema":{"a":"integer","b":"keyword","c":{"type":"float"},"date":"datetime","geo":"geo","u":"uuid",
    "d.e.f[].g":{"type":"integer","lookup":true,"range":false},"n[].a":"integer","e":"bool",
    "t":{"type":"text","tokenizer":"word","min_token_len":2,"lowercase":true,"phrase_matching":true}}}"#;

fn ids() -> [PointId; 3] {
    [
        PointId::Number(0),
        PointId::Number(7),
        PointId::Uuid(*b"\xf4\x7a\xc1\x0b\x58\xcc\x43\x72\xa5\x67\x0e\x02\xb2\xc3\xd4\x79"),
    ]
}

fn payloads(own: &[u8]) -> Vec<Map<String, Value>> {
    let mut payloads: Vec<Map<String, Value>> =
        PAYLOADS.iter().map(|text| serde_json::from_str(text).expect("they are objects")).collect();
    payloads.extend(serde_json::from_slice(own).ok());
    payloads
}

fn schema() -> PayloadSchema {
    let schema = read_payload_schema(SCHEMA.as_bytes()).expect("it is an object");
    assert_eq!(schema.unread, []);
    schema.value
}

/// A filter, and behind a line break the payload of a point. What is understood means the same each time, the opposite means the
/// opposite, and what a filter says it does not need changes nothing.
pub(super) fn check_filter(input: &[u8]) -> Verdict {
    let (filter, payload) = halves(input);
    let parsed = Filter::parse(filter);
    // As a part of other JSON it is read by serde, which the parser must not differ from.
    assert_eq!(serde_json::from_slice::<Filter>(filter).is_ok(), parsed.is_ok(), "two ways to read a filter");
    let Ok(parsed) = parsed else { return Verdict::Refused };
    let wrap = |clause: &str| [format!("{{\"{clause}\":").as_bytes(), filter, b"}"].concat();
    // One level more may be one too many.
    let nested = Filter::parse(&wrap("must")).ok().zip(Filter::parse(&wrap("must_not")).ok());
    let payloads = payloads(payload);
    check_answers(&parsed, nested, &payloads);
    if let Ok(indexed) = parsed.clone().with_schema(&schema()) {
        let nested =
            [&wrap("must"), &wrap("must_not")].map(|text| Filter::parse(text).ok()?.with_schema(&schema()).ok());
        let [must, must_not] = nested;
        check_answers(&indexed, must.zip(must_not), &payloads);
    }
    Verdict::Accepted
}

/// What stands before the first line break, and what behind it.
fn halves(input: &[u8]) -> (&[u8], &[u8]) {
    let end = input.iter().position(|&byte| byte == b'\n').unwrap_or(input.len());
    (&input[..end], input.get(end + 1..).unwrap_or_default())
}

fn check_answers(filter: &Filter, nested: Option<(Filter, Filter)>, payloads: &[Map<String, Value>]) {
    let names = filter.vector_names();
    let (empty, ids) = (Map::new(), ids());
    let wanted: Option<Vec<PointId>> = filter.ids().map(|ids| ids.copied().collect());
    assert!(wanted.as_ref().is_none_or(|ids| ids.is_sorted()), "ids do not ascend");
    for minor in MINORS {
        let as_of = |filter: &Filter| filter.clone().as_of(QdrantVersion::new(1, minor, 0));
        let filter = as_of(filter);
        let nested = nested.as_ref().map(|(must, must_not)| (as_of(must), as_of(must_not)));
        for (id, payload) in ids.iter().flat_map(|id| payloads.iter().map(move |payload| (id, payload))) {
            let point = FilterSubject { id, payload, has_vector: &|name| name.is_empty() };
            let matches = filter.matches(&point);
            assert_eq!(filter.matches(&point), matches, "it says something else the second time");
            if let Some((must, must_not)) = &nested {
                assert_eq!(
                    (must.matches(&point), must_not.matches(&point)),
                    (matches, !matches),
                    "the opposite is not"
                );
            }
            if !filter.needs_payload() {
                assert_eq!(
                    filter.matches(&FilterSubject { payload: &empty, ..point }),
                    matches,
                    "it needs the payload"
                );
            }
            let other = |name: &str| name.is_empty() == names.contains(name);
            assert_eq!(
                filter.matches(&FilterSubject { has_vector: &other, ..point }),
                matches,
                "it asks of other vectors"
            );
            assert!(!matches || wanted.as_ref().is_none_or(|ids| ids.contains(id)), "{id} is none of the wanted ids");
        }
    }
}

/// A payload key, and behind a line break a payload. It is read the same each time, and a condition and its opposite never agree.
pub(super) fn check_path(input: &[u8]) -> Verdict {
    let (key, payload) = halves(input);
    let key = String::from_utf8_lossy(key).into_owned();
    let ask = |condition: Value| Filter::parse(json!({ "must": condition }).to_string().as_bytes());
    let Ok(is_empty) = ask(json!({"key": key, "is_empty": true})) else {
        assert!(ask(json!({"key": key, "values_count": {"gte": 0}})).is_err(), "a key that only some conditions take");
        return Verdict::Refused;
    };
    let filter = |condition: Value| ask(condition).expect("the key was taken before");
    let is_not_empty = filter(json!({"key": key, "is_empty": false}));
    let also_empty = filter(json!({"is_empty": {"key": key}}));
    let counts = filter(json!({"key": key, "values_count": {"gte": 0}}));
    let none = filter(json!({"key": key, "values_count": {"lt": 0}}));
    let elements = filter(json!({"key": format!("{key}[]"), "is_null": true}));
    let nested = filter(json!({"nested": {"key": key, "filter": {"must": [{"key": "g", "match": {"any": [1, 2]}}]}}}));
    for payload in payloads(payload) {
        let point = FilterSubject { id: &PointId::Number(1), payload: &payload, has_vector: &|_| false };
        let empty = is_empty.matches(&point);
        // Of several values some may be empty and others not: each spelling asks its own way whether there is one.
        match also_empty.matches(&point) {
            true => assert!(empty, "{key} is empty in one spelling only"),
            false => assert!(is_not_empty.matches(&point), "{key} is neither empty nor not"),
        }
        assert!(counts.matches(&point) && !none.matches(&point), "{key} has fewer values than none");
        let (_, _) = (elements.matches(&point), nested.matches(&point));
    }
    Verdict::Accepted
}
