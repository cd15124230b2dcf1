//! Bodies that the caller knows are passed over, and everything else is as if they had come.

use vectar_tar::{RowRole, SplitOptions, Splitter, catalogue};

use crate::{
    drivers::{Counter, Seen, record},
    snapshots::fixtures,
};

#[test]
fn what_is_passed_over_changes_nothing_else() {
    const FIRST: u64 = 512;
    for bytes in fixtures().iter().map(|snapshot| &snapshot.bytes[..]) {
        let options = SplitOptions::default();
        let (whole, summary) = record(bytes, &[usize::MAX], &options);
        let rows = catalogue(bytes, &options).unwrap().rows;
        let passed: Vec<_> =
            rows.iter().filter(|row| row.role == RowRole::Leaf { complete: true } && row.len > FIRST).collect();
        assert!(!passed.is_empty());
        let (mut splitter, mut counter, mut at) = (Splitter::new(&options), Counter::default(), 0);
        for row in &passed {
            let begin = row.head.offset + FIRST;
            let Ok(()) = splitter.push(&bytes[at..begin as usize], &mut counter);
            let Ok(too_long) = splitter.skip_body(row.len - FIRST + 1, &mut counter);
            assert!(!too_long, "more than the body has");
            let Ok(is_passed) = splitter.skip_body(row.len - FIRST, &mut counter);
            assert!(is_passed);
            at = (row.head.offset + row.len) as usize;
            assert_eq!(splitter.offset(), at as u64);
        }
        let Ok(()) = splitter.push(&bytes[at..at + 3], &mut counter);
        let Ok(within_a_block) = splitter.skip_body(1, &mut counter);
        assert!(!within_a_block);
        let Ok(()) = splitter.push(&bytes[at + 3..], &mut counter);
        let Ok(found) = splitter.finish(&mut counter);
        assert_eq!(found, summary);
        let mut passed = passed.into_iter();
        let expected: Vec<Seen> = whole
            .seen()
            .iter()
            .cloned()
            .map(|seen| match seen {
                Seen::Body { head, len, complete } if len > FIRST => {
                    assert_eq!(passed.next().map(|row| row.head.offset), Some(head.offset));
                    Seen::Body { head, len: FIRST, complete }
                }
                other => other,
            })
            .collect();
        assert_eq!(counter.seen, expected);
    }
}
