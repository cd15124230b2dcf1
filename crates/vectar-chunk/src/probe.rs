//! Guesses from a sample whether compression is worth trying.

/// Bytes looked at; a few microseconds, against a few hundred for a compression that saves nothing.
const SAMPLE_BYTES: usize = 4096;

/// Number of places the sample is taken from, spread evenly.
const SAMPLE_PLACES: usize = 16;

/// Chunks below this length are tried without asking.
const PROBED_BYTES_MIN: usize = 8192;

/// Tells whether a chunk looks like noise: its byte values are spread as evenly as those of random bytes.
///
/// The measure is the collision count of the sample, which integers express exactly: noise of n bytes has n²/256 ordered
/// equal pairs, give or take; anything with a skew that an entropy coder could use has clearly more.
pub(crate) fn looks_incompressible(raw: &[u8]) -> bool {
    if raw.len() < PROBED_BYTES_MIN {
        return false;
    }
    let mut counts = [0_u64; 256];
    let place_bytes = SAMPLE_BYTES / SAMPLE_PLACES;
    let stride = (raw.len() - place_bytes) / (SAMPLE_PLACES - 1);
    for place in 0..SAMPLE_PLACES {
        for &byte in &raw[place * stride..][..place_bytes] {
            counts[usize::from(byte)] += 1;
        }
    }
    let sample = SAMPLE_BYTES as u64;
    let pairs: u64 = counts.iter().map(|count| count * count.saturating_sub(1)).sum();
    let pairs_of_noise = sample * (sample - 1) / 256;
    // 65,520 pairs are expected of noise with a standard deviation of about 360.
    pairs <= pairs_of_noise + pairs_of_noise / 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            // Knuth's MMIX generator; its upper bits are good noise.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn noise_looks_like_noise_whatever_the_seed() {
        for seed in 0..300 {
            assert!(looks_incompressible(&noise(seed, 20_000)), "seed {seed}");
        }
    }

    #[test]
    fn small_chunks_are_never_judged() {
        let noise = noise(1, PROBED_BYTES_MIN);
        assert!(looks_incompressible(&noise));
        assert!(!looks_incompressible(&noise[1..]));
    }

    /// A saving of one part in 64 is what the encoder asks for, and so the least that the probe may not miss by far.
    #[test]
    fn a_slight_skew_is_seen() {
        let mut skewed = noise(2, 64_000);
        for group in skewed.chunks_exact_mut(16) {
            group[0] = 0x3d;
        }
        assert!(!looks_incompressible(&skewed));
        assert!(!looks_incompressible(&b"words and more words ".repeat(1000)));
    }
}
