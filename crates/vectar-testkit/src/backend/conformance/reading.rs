//! Get, ranged get, suffix get and stat.

use std::sync::Arc;
use std::thread;

use vectar_backend::{Backend, BackendError, BackendErrorKind};

use super::{Case, assert_missing, contents, create, key, patterned};

pub(super) const CASES: &[Case] = &[
    ("ranges are exact up to both edges", ranges_are_exact),
    ("ranges beyond the end say how long the object is", ranges_beyond_the_end),
    ("backward ranges are refused", backward_ranges),
    ("suffix may be longer than the object", suffix_may_be_longer),
    ("get refuses what is too long", get_refuses_what_is_too_long),
    ("missing objects are missing for every call", missing_objects),
    ("a prefix is no object", a_prefix_is_no_object),
    ("stat tells the length", stat_tells_the_length),
    ("many readers read at once", many_readers),
];

const LENGTH: u64 = 1000;

fn with_object(backend: &dyn Backend) -> Vec<u8> {
    let bytes = patterned(1000);
    create(backend, "packs/ab/1", &bytes);
    bytes
}

#[expect(clippy::cast_possible_truncation, reason = "the object has a thousand bytes")]
fn ranges_are_exact(backend: &Arc<dyn Backend>) {
    let bytes = with_object(backend);
    for (start, end) in
        [(0, 1), (0, LENGTH), (1, LENGTH), (999, LENGTH), (17, 18), (500, 600), (0, 0), (500, 500), (LENGTH, LENGTH)]
    {
        let got = backend.get_range(&key("packs/ab/1"), start..end);
        let got = got.unwrap_or_else(|error| panic!("bytes {start}..{end} of {LENGTH} gave: {error}"));
        assert_eq!(got, bytes[start as usize..end as usize], "bytes {start}..{end}");
    }
}

fn ranges_beyond_the_end(backend: &Arc<dyn Backend>) {
    with_object(backend);
    for range in
        [0..LENGTH + 1, 999..1001, LENGTH..LENGTH + 1, 5000..5001, 5000..5000, 0..u64::MAX, u64::MAX - 1..u64::MAX]
    {
        let error =
            backend.get_range(&key("packs/ab/1"), range.clone()).expect_err("the object ends before the range does");
        let BackendError::RangeOutside { object_bytes, range: told, .. } = &error else {
            panic!("bytes {range:?} of {LENGTH} gave: {error:?}");
        };
        assert_eq!((*object_bytes, told), (LENGTH, &range));
        assert_eq!(error.kind(), BackendErrorKind::Corrupt);
    }
}

#[expect(clippy::reversed_empty_ranges, reason = "they are what is refused")]
fn backward_ranges(backend: &Arc<dyn Backend>) {
    with_object(backend);
    for range in [1..0, 600..500, u64::MAX..0] {
        let error = backend.get_range(&key("packs/ab/1"), range.clone()).expect_err("the range runs backwards");
        assert_eq!(error.kind(), BackendErrorKind::Bug, "{range:?}: {error:?}");
    }
}

fn suffix_may_be_longer(backend: &Arc<dyn Backend>) {
    let bytes = with_object(backend);
    for (suffix_bytes, expected) in [
        (0, &bytes[1000..]),
        (1, &bytes[999..]),
        (999, &bytes[1..]),
        (LENGTH, &bytes[..]),
        (1001, &bytes[..]),
        (u64::MAX, &bytes[..]),
    ] {
        let suffix = backend.get_suffix(&key("packs/ab/1"), suffix_bytes);
        let suffix = suffix.unwrap_or_else(|error| panic!("the last {suffix_bytes} bytes gave: {error}"));
        assert_eq!(suffix.bytes, expected, "the last {suffix_bytes} bytes");
        assert_eq!(suffix.object_bytes, LENGTH);
    }
    create(backend, "empty", b"");
    let suffix = backend.get_suffix(&key("empty"), 10).expect("an empty object has an empty end");
    assert_eq!((suffix.bytes.len(), suffix.object_bytes), (0, 0));
}

fn get_refuses_what_is_too_long(backend: &Arc<dyn Backend>) {
    with_object(backend);
    assert_eq!(backend.get(&key("packs/ab/1"), LENGTH).expect("it just fits").len(), 1000);
    let error = backend.get(&key("packs/ab/1"), LENGTH - 1).expect_err("it does not fit");
    let BackendError::TooLong { object_bytes, bytes_max, .. } = &error else { panic!("gave: {error:?}") };
    assert_eq!((*object_bytes, *bytes_max), (LENGTH, LENGTH - 1));
    create(backend, "empty", b"");
    assert_eq!(backend.get(&key("empty"), 0).expect("nothing fits into nothing"), "");
}

fn missing_objects(backend: &Arc<dyn Backend>) {
    create(backend, "packs/ab/1", b"a neighbour");
    for text in ["packs/ab/2", "packs/cd/1", "packs/ab/1x", "config", "packs/ab/1/2"] {
        let missing = key(text);
        let errors = [
            backend.get(&missing, u64::MAX).expect_err("no such object"),
            backend.get_range(&missing, 0..1).expect_err("no such object"),
            backend.get_range(&missing, 0..0).expect_err("no such object, even for no bytes"),
            backend.get_suffix(&missing, 1).expect_err("no such object"),
            backend.get_suffix(&missing, 0).expect_err("no such object, even for no bytes"),
        ];
        for error in errors {
            assert!(error.is_object_missing(), "{text} gave: {error:?}");
            assert_eq!(error.kind(), BackendErrorKind::NotFound);
            assert!(error.to_string().contains(text), "the message does not name {text}: {error}");
        }
        assert_missing(backend, text);
    }
}

fn a_prefix_is_no_object(backend: &Arc<dyn Backend>) {
    create(backend, "packs/ab/1", b"x");
    for text in ["packs", "packs/ab"] {
        assert_missing(backend, text);
        let error = backend.get(&key(text), u64::MAX).expect_err("a prefix is no object");
        assert!(error.is_object_missing(), "{text} gave: {error:?}");
    }
}

fn stat_tells_the_length(backend: &Arc<dyn Backend>) {
    with_object(backend);
    assert_eq!(backend.stat(&key("packs/ab/1")).expect("it was created").object_bytes, LENGTH);
}

fn many_readers(backend: &Arc<dyn Backend>) {
    let bytes = with_object(backend);
    thread::scope(|scope| {
        for reader in 0..4_u64 {
            let bytes = &bytes;
            scope.spawn(move || {
                for start in (reader * 100..LENGTH - 10).step_by(37) {
                    let got = backend.get_range(&key("packs/ab/1"), start..start + 10).expect("the range lies inside");
                    let at = usize::try_from(start).expect("the object has a thousand bytes");
                    assert_eq!(got, bytes[at..at + 10]);
                }
                assert!(contents(backend, "packs/ab/1") == *bytes);
            });
        }
    });
}
