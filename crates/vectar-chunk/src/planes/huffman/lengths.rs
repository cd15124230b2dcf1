//! How long the code of each byte is, and how that is stored.
//!
//! Stored are the first and the last byte that have a code, then four bits for each byte from the first to the last, high
//! nibble first: the length of its code, 1 to 11, or 0 and in the next four bits how many bytes less one have none. An odd count of
//! nibbles is filled up with a zero.

use super::CODE_BITS_MAX;

/// Bytes without a code that one pair of nibbles can state.
const GAP_MAX: usize = 16;

/// How long the code of each byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lengths {
    /// The length of each byte's code in bits; 0 for a byte that has none.
    pub(super) bits: [u8; 256],
    /// The first byte that has a code.
    first: u8,
    /// The last byte that has a code; not before the first.
    last: u8,
}

impl Lengths {
    /// How many bits the codes of so many of each byte take.
    pub(super) fn bits_of(&self, counts: &[u32; 256]) -> u64 {
        let used = usize::from(self.first)..=usize::from(self.last);
        let bits = counts[used.clone()].iter().zip(&self.bits[used]);
        bits.map(|(&count, &length)| u64::from(count) * u64::from(length)).sum()
    }

    /// The lengths from the first byte to the last, and the first byte.
    fn used(&self) -> (&[u8], u8) {
        (&self.bits[usize::from(self.first)..=usize::from(self.last)], self.first)
    }
}

/// Finds the code lengths that make the codes of so many of each byte shortest, none longer than [`CODE_BITS_MAX`]; `None` when fewer
/// than two bytes occur.
pub(super) fn shortest(counts: &[u32; 256]) -> Option<Lengths> {
    // A count and its byte in one number, which sorts faster; a plane has less than 2^24 bytes.
    let mut present = [0_u32; 256];
    let mut kinds = 0;
    for (count, symbol) in counts.iter().zip(0..=u8::MAX).filter(|(count, _)| **count > 0) {
        present[kinds] = count << 8 | u32::from(symbol);
        kinds += 1;
    }
    let present = &mut present[..kinds];
    let [first, .., last] = *present else { return None };
    let (first, last) = (first as u8, last as u8);
    present.sort_unstable();
    let mut depths = [0_u32; 256];
    let depths = &mut depths[..kinds];
    depths.iter_mut().zip(&*present).for_each(|(depth, present)| *depth = present >> 8);
    minimum_redundancy(depths);
    let mut lengths = [0; 256];
    let mut rarest_first = present.iter();
    for (bits, count) in limited(depths).into_iter().enumerate().rev() {
        for present in rarest_first.by_ref().take(count as usize) {
            lengths[usize::from(*present as u8)] = bits as u8;
        }
    }
    Some(Lengths { bits: lengths, first, last })
}

/// Turns weights in ascending order into the depths of their leaves in a Huffman tree, in place and in linear time (Moffat and Katajainen,
/// "In-place calculation of minimum-redundancy codes", 1995). There are at least two.
fn minimum_redundancy(weights: &mut [u32]) {
    let count = weights.len();
    // First pass: weights of inner nodes from the left, each used one replaced by its parent's place.
    weights[0] += weights[1];
    let (mut root, mut leaf) = (0, 2);
    for next in 1..count - 1 {
        let mut take = |weights: &mut [u32]| {
            if leaf >= count || (root < next && weights[root] < weights[leaf]) {
                let weight = std::mem::replace(&mut weights[root], next as u32);
                root += 1;
                weight
            } else {
                leaf += 1;
                weights[leaf - 1]
            }
        };
        let (one, other) = (take(weights), take(weights));
        weights[next] = one + other;
    }
    // Second pass: depths of inner nodes.
    weights[count - 2] = 0;
    for node in (0..count - 2).rev() {
        weights[node] = weights[weights[node] as usize] + 1;
    }
    // Third pass: depths of leaves.
    let (mut available, mut depth) = (1, 0);
    let (mut inner, mut leaf) = (count - 1, count);
    while available > 0 {
        let mut used = 0;
        while inner > 0 && weights[inner - 1] == depth {
            used += 1;
            inner -= 1;
        }
        while available > used {
            leaf -= 1;
            weights[leaf] = depth;
            available -= 1;
        }
        available = 2 * used;
        depth += 1;
    }
}

/// How many codes of each length there are once none is longer than allowed: codes too long are shortened, and for each place they then
/// take too many a shorter code is made longer.
fn limited(depths: &[u32]) -> [u32; CODE_BITS_MAX as usize + 1] {
    let max = CODE_BITS_MAX as usize;
    let mut counts = [0; CODE_BITS_MAX as usize + 1];
    depths.iter().for_each(|&depth| counts[(depth as usize).min(max)] += 1);
    let places = |counts: &[u32]| (1..=max).map(|bits| counts[bits] << (max - bits)).sum::<u32>();
    let mut excess = places(&counts) - (1 << max);
    while excess > 0 {
        let bits = (1..max).rev().find(|&bits| counts[bits] > 0).expect("256 codes fit into 11 bits");
        counts[max] -= 1;
        counts[bits] -= 1;
        counts[bits + 1] += 2;
        excess -= 1;
    }
    counts
}

/// Appends the code lengths.
pub(super) fn put(lengths: &Lengths, encoded: &mut Vec<u8>) {
    encoded.extend_from_slice(&[lengths.first, lengths.last]);
    let mut high = None;
    let mut put_nibble = |nibble: u8| match high.take() {
        Some(high) => encoded.push(high << 4 | nibble),
        None => high = Some(nibble),
    };
    let (mut ahead, _) = lengths.used();
    while let [length, others @ ..] = ahead {
        put_nibble(*length);
        ahead = others;
        if *length == 0 {
            let gap = others.iter().take(GAP_MAX - 1).take_while(|length| **length == 0).count();
            put_nibble(gap as u8);
            ahead = &others[gap..];
        }
    }
    if let Some(high) = high {
        encoded.push(high << 4);
    }
}

/// Takes code lengths off the start of `encoded`; `None` when there are none that a decoder can follow: every sequence of bits must be the
/// start of codes, and of no two.
pub(super) fn take(encoded: &mut &[u8]) -> Option<Lengths> {
    let (&[first, last], ahead) = encoded.split_first_chunk()?;
    let mut nibbles = ahead.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let mut taken = 0;
    let mut nibble = || {
        taken += 1;
        nibbles.next()
    };
    let mut lengths = [0; 256];
    let mut places = 0_u32;
    let mut symbol = usize::from(first);
    while symbol <= usize::from(last) {
        let length = nibble()?;
        if length == 0 {
            symbol += usize::from(nibble()?) + 1;
            continue;
        }
        if u32::from(length) > CODE_BITS_MAX {
            return None;
        }
        places += 1 << (CODE_BITS_MAX - u32::from(length));
        lengths[symbol] = length;
        symbol += 1;
    }
    *encoded = &ahead[usize::div_ceil(taken, 2)..];
    (places == 1 << CODE_BITS_MAX).then_some(Lengths { bits: lengths, first, last })
}

/// Hands out the bytes that have a code in the order of their codes, with the length of each; `order` is the memory they lie in.
pub(super) fn canonical<'o>(lengths: &Lengths, order: &'o mut [(u8, u8); 256]) -> &'o [(u8, u8)] {
    let (used, first) = lengths.used();
    let coded = || used.iter().zip(first..=u8::MAX).filter(|(length, _)| **length > 0);
    let mut starts = [0_usize; CODE_BITS_MAX as usize + 2];
    coded().for_each(|(&length, _)| starts[usize::from(length) + 1] += 1);
    for bits in 1..starts.len() {
        starts[bits] += starts[bits - 1];
    }
    let mut count = 0;
    for (&length, symbol) in coded() {
        let place = &mut starts[usize::from(length)];
        order[*place] = (symbol, length);
        *place += 1;
        count += 1;
    }
    &order[..count]
}
