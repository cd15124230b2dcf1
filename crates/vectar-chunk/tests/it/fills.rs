//! Runs of one byte value.

use proptest::prelude::*;
use vectar_chunk::fill_byte;

proptest! {
    /// The answer is that of the obvious loop, also when one byte anywhere differs.
    #[test]
    fn fill_byte_is_what_a_loop_would_find(
        byte: u8, length in 0_usize..300, flip in any::<prop::sample::Index>(), flipped: u8,
    ) {
        let mut bytes = vec![byte; length];
        if length > 0 {
            bytes[flip.index(length)] = flipped;
        }
        let expected = bytes.first().copied().filter(|first| bytes.iter().all(|byte| byte == first));
        prop_assert_eq!(fill_byte(&bytes), expected);
    }
}

#[test]
fn long_runs_are_found_and_nothing_else() {
    let mut bytes = vec![0xee; 1 << 20];
    assert_eq!(fill_byte(&bytes), Some(0xee));
    for index in [0, 63, 64, 65, 127, 128, 500_000, (1 << 20) - 2, (1 << 20) - 1] {
        bytes[index] = 0;
        assert_eq!(fill_byte(&bytes), None, "byte {index} differs");
        bytes[index] = 0xee;
    }
    assert_eq!(fill_byte(&[]), None);
    assert_eq!(fill_byte(&[7]), Some(7));
}
