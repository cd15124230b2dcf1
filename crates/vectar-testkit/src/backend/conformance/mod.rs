//! The suite that every backend must pass.
//!
//! A case gets an empty backend of its own and panics at the first thing that is not as `Backend` says.

mod listing;
mod reading;
mod writing;

use std::sync::Arc;

use bytes::Bytes;
use vectar_backend::{Backend, BackendExt, KeyPrefix, ObjectKey, PutOutcome};

/// One thing that has to hold of an empty backend.
type Case = (&'static str, fn(&Arc<dyn Backend>));

/// Runs every case of the suite, each on a new, empty backend made by `make`.
///
/// # Panics
///
/// At the first thing that is not as `Backend` says. The name of the case was printed before, as the last one.
pub fn run_conformance(make: impl Fn() -> Arc<dyn Backend>) {
    for (name, case) in [writing::CASES, reading::CASES, listing::CASES].concat() {
        #[expect(clippy::print_stdout, reason = "shown by the test harness when the case fails")]
        {
            println!("conformance: {name}");
        }
        case(&make());
    }
}

fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).expect("keys of the suite are allowed")
}

fn put(backend: &dyn Backend, text: &str, bytes: &[u8]) -> PutOutcome {
    let put = backend.put_if_absent(&key(text), &[Bytes::copy_from_slice(bytes)]);
    put.unwrap_or_else(|error| panic!("put-if-absent of {text} failed: {error}"))
}

fn create(backend: &dyn Backend, text: &str, bytes: &[u8]) {
    assert_eq!(put(backend, text, bytes), PutOutcome::Created, "{text} was there before it was put");
}

fn contents(backend: &dyn Backend, text: &str) -> Bytes {
    let object = backend.get(&key(text), u64::MAX);
    object.unwrap_or_else(|error| panic!("get of {text} failed: {error}"))
}

fn keys_below(backend: &dyn Backend, prefix: &KeyPrefix) -> Vec<String> {
    let listed = backend.list_all(prefix).map(|object| object.map(|object| object.key.to_string()));
    listed.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("list of {prefix:?} failed: {error}"))
}

fn all_keys(backend: &dyn Backend) -> Vec<String> {
    keys_below(backend, &KeyPrefix::everything())
}

#[track_caller]
fn assert_missing(backend: &dyn Backend, text: &str) {
    let error = backend.stat(&key(text)).expect_err("an object that should be missing has a length");
    assert!(error.is_object_missing(), "stat of the missing {text} gave: {error:?}");
}

/// Bytes without a period that a shifted read could hide in.
fn patterned(length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}
