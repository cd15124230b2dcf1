//! Many small reads at once: what hides the latency of a NAS or an object store.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Reads under way at once. Enough to hide 50 ms of latency behind each other, few enough for any server.
const FETCHES_AT_ONCE: usize = 16;

/// Below this count threads cost more than they save on a local disk.
const SERIAL_MAX: usize = 4;

/// Applies `fetch` to each item, several at once, and returns the results in the order of the items.
pub(crate) fn all<T: Sync, R: Send>(items: &[T], fetch: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if items.len() <= SERIAL_MAX {
        return items.iter().map(fetch).collect();
    }
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            match items.get(index) {
                Some(item) => done.push((index, fetch(item))),
                None => return done,
            }
        }
    };
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..FETCHES_AT_ONCE.min(items.len())).map(|_| scope.spawn(worker)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("a fetch returns its errors and does not panic"))
            .collect()
    });
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
