//! Runs of one byte value, which need no chunk at all.

/// Length of the pattern that a longer run is compared with, in bytes.
const PATTERN_BYTES: usize = 64;

/// Returns the byte value that all of `bytes` have, or `None` when they differ or there are none.
///
/// Reads at most a few hundred bytes of data that is no run, and a run at the speed of a memory comparison.
pub fn fill_byte(bytes: &[u8]) -> Option<u8> {
    let (&first, rest) = bytes.split_first()?;
    // The last byte disagrees in most bodies that merely start with a run.
    if bytes.last() != Some(&first) {
        return None;
    }
    if rest.len() < PATTERN_BYTES {
        return rest.iter().all(|&byte| byte == first).then_some(first);
    }
    if bytes[..PATTERN_BYTES] != [first; PATTERN_BYTES] {
        return None;
    }
    // A slice whose first bytes are a run and which equals itself one pattern further on is a run throughout.
    (bytes[PATTERN_BYTES..] == bytes[..bytes.len() - PATTERN_BYTES]).then_some(first)
}
