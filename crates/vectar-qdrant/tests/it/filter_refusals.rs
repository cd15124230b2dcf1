//! Filters that are not understood in full, and texts that are no filters at all.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use vectar_qdrant::{FILTER_DEPTH_MAX, Filter, FilterSubject, PayloadSchema, PointId, QdrantErrorKind, QdrantVersion};

#[track_caller]
fn check(filters: &[&str], expected: Expect) {
    let refusal = |filter: &&str| {
        let error = Filter::parse(filter.as_bytes()).expect_err(filter);
        assert_eq!(error.kind(), QdrantErrorKind::FixInput, "{filter}");
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{filter}\n    {error}{cause}\n")
    };
    expected.assert_eq(&filters.iter().map(refusal).collect::<String>());
}

#[test]
fn lists_and_conditions() {
    check(
        &[
            "",
            "{",
            "{} {}",
            "[]",
            "\"must\"",
            r#"{"musst":[]}"#,
            r#"{"must":[],"must":[]}"#,
            r#"{"must":"x"}"#,
            r#"{"must":[1]}"#,
            r#"{"must":[[]]}"#,
            r#"{"must":[{"key":"a","match":{"value":1}},{"kee":"a"}]}"#,
            r#"{"must":[{"has_id":[1],"has_vector":"a"}]}"#,
            r#"{"must":[{"has_id":[1],"must":[]}]}"#,
            r#"{"must":[{"is_empty":"a"}]}"#,
            r#"{"must":[{"is_empty":{"key":"a","x":1}}]}"#,
            r#"{"must":[{"is_null":{}}]}"#,
            r#"{"must":[{"has_id":7}]}"#,
            r#"{"must":[{"has_id":[7,-1]}]}"#,
            r#"{"must":[{"has_id":[7.5]}]}"#,
            r#"{"must":[{"has_id":["7"]}]}"#,
            r#"{"must":[{"has_vector":1}]}"#,
            r#"{"must":[{"slice":{"total":0,"index":0}}]}"#,
            r#"{"must":[{"slice":{"total":4,"index":4}}]}"#,
            r#"{"must":[{"slice":{"total":4294967296,"index":4}}]}"#,
            r#"{"must":[{"nested":{"key":"a"}}]}"#,
            r#"{"must":[{"nested":{"key":"a","filter":{"must":[{"custom":1}]}}}]}"#,
            r#"{"min_should":{"conditions":[{}],"min_count":0}}"#,
            r#"{"min_should":{"conditions":[],"min_count":1}}"#,
            r#"{"min_should":{"conditions":{},"min_count":1}}"#,
            r#"{"min_should":{"min_count":1}}"#,
        ],
        expect![[r#"

                the filter is not JSON: EOF while parsing a value at line 1 column 0
            {
                the filter is not JSON: EOF while parsing an object at line 1 column 1
            {} {}
                the filter is not JSON: trailing characters at line 1 column 4
            []
                filter: expected an object with must, should, must_not or min_should, found a list
            "must"
                filter: expected an object with must, should, must_not or min_should, found "must"
            {"musst":[]}
                filter: unknown member "musst", expected must, should, must_not, min_should
            {"must":[],"must":[]}
                filter: member must is there twice
            {"must":"x"}
                filter.must: expected a list of conditions, found "x"
            {"must":[1]}
                filter.must[0]: expected a condition, found 1
            {"must":[[]]}
                filter.must[0]: expected a condition, found a list
            {"must":[{"key":"a","match":{"value":1}},{"kee":"a"}]}
                filter.must[1]: no condition has a member "kee", expected one of key, is_empty, is_null, has_id, has_vector, slice, nested, must, should, must_not, min_should
            {"must":[{"has_id":[1],"has_vector":"a"}]}
                filter.must[0]: several conditions in one object, expected one
            {"must":[{"has_id":[1],"must":[]}]}
                filter.must[0]: unknown member "must", expected is_empty, is_null, has_id, has_vector, slice, nested
            {"must":[{"is_empty":"a"}]}
                filter.must[0].is_empty: expected an object with a key, found "a"
            {"must":[{"is_empty":{"key":"a","x":1}}]}
                filter.must[0].is_empty: unknown member "x", expected key
            {"must":[{"is_null":{}}]}
                filter.must[0].is_null: member key is missing
            {"must":[{"has_id":7}]}
                filter.must[0].has_id: expected a list of ids, found 7
            {"must":[{"has_id":[7,-1]}]}
                filter.must[0].has_id[1]: expected a number below 2^64 or a UUID, found -1
            {"must":[{"has_id":[7.5]}]}
                filter.must[0].has_id[0]: expected a number below 2^64 or a UUID, found 7.5
            {"must":[{"has_id":["7"]}]}
                filter.must[0].has_id[0]: expected a number below 2^64 or a UUID, found "7"
            {"must":[{"has_vector":1}]}
                filter.must[0].has_vector: expected the name of a vector, found 1
            {"must":[{"slice":{"total":0,"index":0}}]}
                filter.must[0].slice.total: expected at least 1, found 0
            {"must":[{"slice":{"total":4,"index":4}}]}
                filter.must[0].slice.index: expected a number below the total of 4, found 4
            {"must":[{"slice":{"total":4294967296,"index":4}}]}
                filter.must[0].slice.total: expected a number below 2^32, found 4294967296
            {"must":[{"nested":{"key":"a"}}]}
                filter.must[0].nested: member filter is missing
            {"must":[{"nested":{"key":"a","filter":{"must":[{"custom":1}]}}}]}
                filter.must[0].nested.filter.must[0]: no condition has a member "custom", expected one of key, is_empty, is_null, has_id, has_vector, slice, nested, must, should, must_not, min_should
            {"min_should":{"conditions":[{}],"min_count":0}}
                filter.min_should.min_count: expected at least 1, found 0
            {"min_should":{"conditions":[],"min_count":1}}
                filter.min_should.conditions: expected at least one condition
            {"min_should":{"conditions":{},"min_count":1}}
                filter.min_should.conditions: expected a list of conditions, found an object
            {"min_should":{"min_count":1}}
                filter.min_should: member conditions is missing
        "#]],
    );
}

#[test]
fn conditions_on_fields() {
    check(
        &[
            r#"{"must":{"key":"a"}}"#,
            r#"{"must":{"key":"a","match":null}}"#,
            r#"{"must":{"key":1,"match":{"value":1}}}"#,
            r#"{"must":{"key":"a b","match":{"value":1}}}"#,
            r#"{"must":{"key":"a.","match":{"value":1}}}"#,
            r#"{"must":{"key":"a","match":{"value":1},"must":[]}}"#,
            r#"{"must":{"key":"a","match":{}}}"#,
            r#"{"must":{"key":"a","match":{"value":1,"text":"x"}}}"#,
            r#"{"must":{"key":"a","match":{"keyword":"x"}}}"#,
            r#"{"must":{"key":"a","match":{"value":1.0}}}"#,
            r#"{"must":{"key":"a","match":{"value":9223372036854775808}}}"#,
            r#"{"must":{"key":"a","match":{"value":null}}}"#,
            r#"{"must":{"key":"a","match":{"text":1}}}"#,
            r#"{"must":{"key":"a","match":{"any":"x"}}}"#,
            r#"{"must":{"key":"a","match":{"any":[1,"x"]}}}"#,
            r#"{"must":{"key":"a","match":{"except":["x",true]}}}"#,
            r#"{"must":{"key":"a","range":{"from":1}}}"#,
            r#"{"must":{"key":"a","range":{"gt":true}}}"#,
            r#"{"must":{"key":"a","range":{"gt":"yesterday"}}}"#,
            r#"{"must":{"key":"a","range":{"gt":"2020-01-01","lt":5}}}"#,
            r#"{"must":{"key":"a","values_count":{"gt":-1}}}"#,
            r#"{"must":{"key":"a","values_count":{"gt":1.5}}}"#,
            r#"{"must":{"key":"a","is_empty":1}}"#,
            r#"{"must":{"key":"a","geo_radius":{"center":{"lon":0,"lat":91},"radius":1}}}"#,
            r#"{"must":{"key":"a","geo_radius":{"center":{"lon":0,"lat":0}}}}"#,
            r#"{"must":{"key":"a","geo_bounding_box":{"top_left":{"lon":0,"lat":0}}}}"#,
            r#"{"must":{"key":"a","geo_bounding_box":{"top_left":[0,0],"bottom_right":[0,0]}}}"#,
            r#"{"must":{"key":"a","geo_polygon":{"exterior":{"points":[]}}}}"#,
            r#"{"must":{"key":"a","geo_polygon":{"exterior":{"points":[{"lon":0,"lat":0},{"lon":1,"lat":0},{"lon":1,"lat":1},{"lon":0,"lat":1}]}}}}"#,
        ],
        expect![[r#"
            {"must":{"key":"a"}}
                filter.must: nothing is asked of key "a", expected one of match, range, geo_bounding_box, geo_radius, geo_polygon, values_count, is_empty, is_null
            {"must":{"key":"a","match":null}}
                filter.must: nothing is asked of key "a", expected one of match, range, geo_bounding_box, geo_radius, geo_polygon, values_count, is_empty, is_null
            {"must":{"key":1,"match":{"value":1}}}
                filter.must.key: expected a payload key, found 1
            {"must":{"key":"a b","match":{"value":1}}}
                filter.must.key: "a b" is no payload key, unexpected " b"; quote keys that have other characters
            {"must":{"key":"a.","match":{"value":1}}}
                filter.must.key: "a." is no payload key, unexpected "."; quote keys that have other characters
            {"must":{"key":"a","match":{"value":1},"must":[]}}
                filter.must: unknown member "must", expected key, match, range, geo_bounding_box, geo_radius, geo_polygon, values_count, is_empty, is_null
            {"must":{"key":"a","match":{}}}
                filter.must.match: expected one of value, text, text_any, phrase, prefix, substring, any, except
            {"must":{"key":"a","match":{"value":1,"text":"x"}}}
                filter.must.match: expected one of value, text, text_any, phrase, prefix, substring, any, except
            {"must":{"key":"a","match":{"keyword":"x"}}}
                filter.must.match: unknown member "keyword", expected value, text, text_any, phrase, prefix, substring, any, except
            {"must":{"key":"a","match":{"value":1.0}}}
                filter.must.match.value: expected an integer of 64 bits with sign, found 1.0
            {"must":{"key":"a","match":{"value":9223372036854775808}}}
                filter.must.match.value: expected an integer of 64 bits with sign, found 9223372036854775808
            {"must":{"key":"a","match":{"value":null}}}
                filter.must.match.value: expected text, an integer, true or false, found null
            {"must":{"key":"a","match":{"text":1}}}
                filter.must.match.text: expected text, found 1
            {"must":{"key":"a","match":{"any":"x"}}}
                filter.must.match.any: expected a list of texts or of integers, found "x"
            {"must":{"key":"a","match":{"any":[1,"x"]}}}
                filter.must.match.any[1]: expected an integer of 64 bits with sign, found "x"
            {"must":{"key":"a","match":{"except":["x",true]}}}
                filter.must.match.except[1]: expected text, or integers alone, found true
            {"must":{"key":"a","range":{"from":1}}}
                filter.must.range: unknown member "from", expected lt, gt, gte, lte
            {"must":{"key":"a","range":{"gt":true}}}
                filter.must.range.gt: expected a number, found true
            {"must":{"key":"a","range":{"gt":"yesterday"}}}
                filter.must.range.gt: expected a datetime such as 2014-01-01T00:00:00Z, found "yesterday"
            {"must":{"key":"a","range":{"gt":"2020-01-01","lt":5}}}
                filter.must.range.lt: expected a datetime such as 2014-01-01T00:00:00Z, found 5
            {"must":{"key":"a","values_count":{"gt":-1}}}
                filter.must.values_count.gt: expected a number of values, found -1
            {"must":{"key":"a","values_count":{"gt":1.5}}}
                filter.must.values_count.gt: expected a number of values, found 1.5
            {"must":{"key":"a","is_empty":1}}
                filter.must.is_empty: expected true or false, found 1
            {"must":{"key":"a","geo_radius":{"center":{"lon":0,"lat":91},"radius":1}}}
                filter.must.geo_radius.center: expected lon within -180 and 180 and lat within -90 and 90, found lon 0 and lat 91
            {"must":{"key":"a","geo_radius":{"center":{"lon":0,"lat":0}}}}
                filter.must.geo_radius: member radius is missing
            {"must":{"key":"a","geo_bounding_box":{"top_left":{"lon":0,"lat":0}}}}
                filter.must.geo_bounding_box: member bottom_right is missing
            {"must":{"key":"a","geo_bounding_box":{"top_left":[0,0],"bottom_right":[0,0]}}}
                filter.must.geo_bounding_box.top_left: expected an object with lon and lat, found a list
            {"must":{"key":"a","geo_polygon":{"exterior":{"points":[]}}}}
                filter.must.geo_polygon.exterior: a ring of 0 points, expected at least 4
            {"must":{"key":"a","geo_polygon":{"exterior":{"points":[{"lon":0,"lat":0},{"lon":1,"lat":0},{"lon":1,"lat":1},{"lon":0,"lat":1}]}}}}
                filter.must.geo_polygon.exterior: the first and the last point of a ring differ, expected a closed line
        "#]],
    );
}

#[test]
fn filters_nest_so_deep_and_no_deeper() {
    let nested = |depth: usize| format!("{}{{}}{}", r#"{"must":"#.repeat(depth - 1), "}".repeat(depth - 1));
    let deepest = Filter::parse(nested(FILTER_DEPTH_MAX).as_bytes()).unwrap();
    let subject = FilterSubject { id: &PointId::Number(1), payload: &Map::new(), has_vector: &|_| false };
    assert!(deepest.matches(&subject));
    let error = Filter::parse(nested(FILTER_DEPTH_MAX + 1).as_bytes()).unwrap_err();
    assert!(error.to_string().ends_with("filters are nested deeper than 64"), "{error}");
    // Far deeper, the parser of JSON stops, also where no text is parsed.
    assert!(Filter::parse("[".repeat(1_000_000).as_bytes()).is_err());
    let list = (0..1000).fold(Value::Null, |list, _| json!([list]));
    assert!(serde_json::from_value::<Filter>(list).is_err());
}

#[test]
fn a_filter_is_part_of_other_json() {
    #[derive(Debug, serde::Deserialize)]
    struct Request {
        filter: Filter,
    }
    let request: Request = serde_json::from_str(r#"{"filter":{"must":{"is_empty":{"key":"a"}}}}"#).unwrap();
    assert!(request.filter.needs_payload());
    let error = serde_json::from_str::<Request>(r#"{"filter":{"must":{"is_empty":{"kee":"a"}}}}"#).unwrap_err();
    assert!(error.to_string().contains("filter.must.is_empty: unknown member \"kee\""), "{error}");
}

/// JSON that is rarely far from a filter.
fn any_json() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "a",
        "b.c",
        "a[]",
        "n[].a",
        "2020-01-01",
        "2020-01-01T10:00:00+02",
        "f47ac10b-58cc-4372-a567-0e02b2c3d479",
        "x y",
        "é",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-3_i64..10).prop_map(Value::from),
        words.prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "must",
        "should",
        "must_not",
        "min_should",
        "conditions",
        "min_count",
        "key",
        "match",
        "value",
        "any",
        "except",
        "text",
        "text_any",
        "phrase",
        "prefix",
        "substring",
        "range",
        "gt",
        "gte",
        "lt",
        "lte",
        "values_count",
        "is_empty",
        "is_null",
        "has_id",
        "has_vector",
        "slice",
        "total",
        "index",
        "nested",
        "filter",
        "geo_radius",
        "center",
        "radius",
        "lon",
        "lat",
        "geo_bounding_box",
        "top_left",
        "bottom_right",
        "geo_polygon",
        "exterior",
        "interiors",
        "points",
        "a",
        "b",
        "n",
    ]);
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..4)
                .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

/// A condition that is understood, over values as in [`any_json`].
fn any_condition() -> impl Strategy<Value = Value> {
    let key = || prop::sample::select(vec!["a", "a[]", "n[].a", "a.b", "n[0].a[]", "\"a\""]);
    let text = || prop_oneof![".{0,8}", Just("2020-01-01".to_owned()), Just("x".to_owned())];
    let field = prop_oneof![
        prop_oneof![
            any::<i64>().prop_map(Value::from),
            text().prop_map(Value::from),
            any::<bool>().prop_map(Value::from)
        ]
        .prop_map(|value| json!({"match": {"value": value}})),
        prop::collection::vec(text(), 0..4).prop_map(|any| json!({"match": {"except": any}})),
        (prop::sample::select(vec!["text", "text_any", "phrase", "prefix"]), text())
            .prop_map(|(kind, text)| json!({"match": {kind: text}})),
        (any::<f64>(), any::<f64>()).prop_map(|(low, high)| json!({"range": {"gte": low, "lt": high}})),
        Just(json!({"range": {"gt": "2020-01-01"}})),
        any::<u64>().prop_map(|count| json!({"values_count": {"lt": count}})),
        any::<bool>().prop_map(|flag| json!({"is_null": flag})),
        (any::<f64>(), -180.0..180.0)
            .prop_map(|(radius, lon)| { json!({"geo_radius": {"center": {"lon": lon, "lat": 0}, "radius": radius}}) }),
    ];
    (key(), field).prop_map(|(key, mut field)| {
        field["key"] = Value::from(key);
        field
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = Filter::parse(&bytes);
    }

    #[test]
    fn any_json_is_read_or_refused_and_what_is_read_answers(filter in any_json(), payload in any_json()) {
        let payload = json!({"a": payload.clone(), "n": [payload]});
        let subject = FilterSubject { id: &PointId::Number(3), payload: payload.as_object().unwrap(), has_vector: &|_| true };
        for filter in [filter.clone(), json!({"must": filter.clone()}), json!({"must": {"key": "a", "match": filter}})] {
            if let Ok(filter) = Filter::parse(filter.to_string().as_bytes()) {
                filter.matches(&subject);
            }
        }
    }

    /// Also the laws that hold whatever a condition means: its negation answers the opposite.
    #[test]
    fn every_condition_answers_any_payload_and_its_negation_the_opposite(
        condition in any_condition(),
        payload in any_json(),
        kind in prop::sample::select(vec!["keyword", "integer", "float", "datetime", "uuid", "bool", "geo", "text", "none"]),
        minor in 16_u16..22,
    ) {
        let payload = json!({"a": payload.clone(), "n": [payload.clone(), {"a": payload}]});
        let subject = FilterSubject { id: &PointId::Number(3), payload: payload.as_object().unwrap(), has_vector: &|_| true };
        let mut schema = PayloadSchema::new();
        if kind != "none" {
            schema.insert("a".into(), serde_json::from_value(json!(kind)).unwrap());
            schema.insert("n[].a".into(), serde_json::from_value(json!({"type": kind})).unwrap());
        }
        let answer = |filter: Value| {
            let filter = Filter::parse(filter.to_string().as_bytes()).unwrap();
            let filter = filter.with_schema(&schema).unwrap().as_of(QdrantVersion::new(1, minor, 0));
            filter.matches(&subject)
        };
        let holds = answer(json!({"must": [condition.clone()]}));
        prop_assert_eq!(answer(json!({"must_not": [condition.clone()]})), !holds);
        prop_assert_eq!(answer(json!({"should": [condition.clone(), condition.clone()]})), holds);
        prop_assert_eq!(answer(json!({"must": {"must": condition.clone()}})), holds);
        answer(json!({"must": {"nested": {"key": "n", "filter": {"should": condition}}}}));
    }
}
