//! List: order, prefixes, pages.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use vectar_backend::{Backend, BackendExt, KeyPrefix, ListPage, ObjectKey};

use super::{Case, all_keys, create, key, keys_below};

pub(super) const CASES: &[Case] = &[
    ("nothing is listed of nothing", nothing_of_nothing),
    ("keys come in the order of their bytes", keys_in_byte_order),
    ("prefixes end at segments", prefixes_end_at_segments),
    ("pages join without gap or repetition", pages_join),
    ("a page may begin behind any key", pages_begin_behind_any_key),
    ("many objects take many pages", many_objects),
    ("lengths are listed", lengths_are_listed),
    ("deleted objects are not listed", deleted_objects_are_not_listed),
    ("objects that stay are listed while others come and go", listing_while_others_come_and_go),
];

/// Sorted by bytes. `-` and `.` sort before the slash and digits behind it, so the order is not that of a walk by names.
const SORTED_KEYS: [&str; 15] = [
    "config",
    "packs-old",
    "packs.old",
    "packs/a",
    "packs/ab-c/1",
    "packs/ab.c/1",
    "packs/ab/1",
    "packs/ab/1-2",
    "packs/ab/11",
    "packs/ab/2/x",
    "packs/ab0/1",
    "packs/abc/1",
    "packs/ac/1",
    "packs0/1",
    "z",
];

fn prefix(text: &str) -> KeyPrefix {
    KeyPrefix::parse(text).expect("prefixes of the suite are allowed")
}

fn page(backend: &dyn Backend, prefix: &KeyPrefix, after: Option<&ObjectKey>, page_objects_max: usize) -> ListPage {
    let page_objects_max = NonZeroUsize::new(page_objects_max).expect("pages of the suite are not empty");
    backend.list(prefix, after, page_objects_max).unwrap_or_else(|error| panic!("list of {prefix:?} failed: {error}"))
}

/// Creates [`SORTED_KEYS`] in another order.
fn with_sorted_keys(backend: &dyn Backend) {
    for number in 0..SORTED_KEYS.len() {
        let text = SORTED_KEYS[number * 7 % SORTED_KEYS.len()];
        create(backend, text, text.as_bytes());
    }
}

fn nothing_of_nothing(backend: &Arc<dyn Backend>) {
    assert_eq!(all_keys(backend), [""; 0]);
    assert_eq!(keys_below(backend, &prefix("packs")), [""; 0]);
    let behind = page(backend, &prefix("packs"), Some(&key("packs/ab/1")), 10);
    assert_eq!(behind, ListPage::default());
}

fn keys_in_byte_order(backend: &Arc<dyn Backend>) {
    assert!(SORTED_KEYS.is_sorted(), "the suite itself is wrong");
    with_sorted_keys(backend);
    assert_eq!(all_keys(backend), SORTED_KEYS);
}

fn prefixes_end_at_segments(backend: &Arc<dyn Backend>) {
    with_sorted_keys(backend);
    assert_eq!(keys_below(backend, &prefix("packs/ab")), ["packs/ab/1", "packs/ab/1-2", "packs/ab/11", "packs/ab/2/x"]);
    assert_eq!(keys_below(backend, &prefix("packs/abc")), ["packs/abc/1"]);
    assert_eq!(keys_below(backend, &prefix("packs")), SORTED_KEYS[3..13]);
    for text in ["config", "packs/a", "packs/ab/1", "packs/ab/1/2", "pack", "never"] {
        assert_eq!(keys_below(backend, &prefix(text)), [""; 0], "below {text}");
    }
}

fn pages_join(backend: &Arc<dyn Backend>) {
    with_sorted_keys(backend);
    for page_objects_max in [1, 2, 3, 7, 14, 15, 16, 1000] {
        let mut keys = Vec::new();
        let mut after = None;
        loop {
            let page = page(backend, &KeyPrefix::everything(), after.as_ref(), page_objects_max);
            assert!(page.objects.len() <= page_objects_max, "{} on a page of {page_objects_max}", page.objects.len());
            keys.extend(page.objects.into_iter().map(|object| object.key.to_string()));
            assert!(page.next.is_none() || page.next > after, "the walk does not move on");
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(keys, SORTED_KEYS, "in pages of {page_objects_max}");
    }
}

fn pages_begin_behind_any_key(backend: &Arc<dyn Backend>) {
    with_sorted_keys(backend);
    let absent = ["a", "packs", "packs/ab", "packs/ab/1/zz", "packs/abb", "packs/zz", "zz"];
    for after in SORTED_KEYS.into_iter().chain(absent) {
        for below in [KeyPrefix::everything(), prefix("packs"), prefix("packs/ab")] {
            let expected: Vec<&str> =
                SORTED_KEYS.into_iter().filter(|text| *text > after && below.covers(&key(text))).take(3).collect();
            let page = page(backend, &below, Some(&key(after)), 3);
            let listed: Vec<&str> = page.objects.iter().map(|object| object.key.as_str()).collect();
            assert_eq!(listed, expected, "behind {after}, below {below:?}");
        }
    }
}

fn many_objects(backend: &Arc<dyn Backend>) {
    let mut keys: Vec<String> = (0..500).map(|number| format!("packs/{:02x}/{number:03}", number % 16)).collect();
    for text in &keys {
        create(backend, text, b"");
    }
    keys.sort_unstable();
    assert_eq!(all_keys(backend), keys);
    assert_eq!(keys_below(backend, &prefix("packs/0f")).len(), 31);
}

fn lengths_are_listed(backend: &Arc<dyn Backend>) {
    with_sorted_keys(backend);
    for object in backend.list_all(&KeyPrefix::everything()) {
        let object = object.expect("the objects are there");
        assert_eq!(object.meta.object_bytes, object.key.as_str().len() as u64, "{:?}", object.key);
        assert_eq!(object.meta, backend.stat(&object.key).expect("it is listed"), "{:?}", object.key);
    }
}

fn deleted_objects_are_not_listed(backend: &Arc<dyn Backend>) {
    with_sorted_keys(backend);
    for text in SORTED_KEYS.iter().step_by(2) {
        backend.delete(&key(text)).expect("the object is there");
    }
    let kept: Vec<&str> = SORTED_KEYS.into_iter().skip(1).step_by(2).collect();
    assert_eq!(all_keys(backend), kept);
}

fn listing_while_others_come_and_go(backend: &Arc<dyn Backend>) {
    let staying: Vec<String> = (0..30).map(|number| format!("stay/{:02}/{number:02}", number % 4)).collect();
    for text in &staying {
        create(backend, text, b"");
    }
    thread::scope(|scope| {
        let disturber = scope.spawn(|| {
            for number in 0..60 {
                let text = format!("stay/{:02}/x{number}", number % 6);
                create(backend, &text, b"");
                backend.delete(&key(&text)).expect("the object is there");
            }
        });
        loop {
            let is_last = disturber.is_finished();
            let listed = all_keys(backend);
            assert!(listed.is_sorted(), "{listed:?}");
            for text in &staying {
                assert_eq!(listed.iter().filter(|key| *key == text).count(), 1, "{text} in {listed:?}");
            }
            if is_last {
                break;
            }
        }
    });
}
