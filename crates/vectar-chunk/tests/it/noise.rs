//! Deterministic bytes for tests, the same on every machine.

/// SplitMix64 (Steele, Lea, Flood 2014): tiny, seedable and frozen here because golden data hangs on it.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Returns `length` bytes of noise.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut noise = Noise(seed);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&noise.next().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Returns noise in which stretches of zeros and repeats of earlier bytes occur, as in real files.
pub(crate) fn patchy(seed: u64, length: usize) -> Vec<u8> {
    let mut choices = Noise(seed);
    let mut bytes = noise(!seed, length.min(4096));
    while bytes.len() < length {
        let stretch = 1 + (choices.next() % 20_000) as usize;
        match choices.next() % 4 {
            0 => bytes.resize(bytes.len() + stretch, 0),
            1 => {
                let from = (choices.next() % bytes.len() as u64) as usize;
                let to = bytes.len().min(from + stretch);
                bytes.extend_from_within(from..to);
            }
            _ => bytes.extend(noise(choices.next(), stretch)),
        }
    }
    bytes.truncate(length);
    bytes
}
