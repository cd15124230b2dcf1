//! Flags of rows: one bit each, least significant first.

/// A run of bits. Bits behind the end are clear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bits {
    bytes: Vec<u8>,
    len: u64,
}

impl Bits {
    /// The first `len` bits of `bytes`; fewer when there are fewer bytes.
    pub fn new(mut bytes: Vec<u8>, len: u64) -> Self {
        let len = len.min(bytes.len() as u64 * 8);
        bytes.truncate(len.div_ceil(8) as usize);
        if !len.is_multiple_of(8)
            && let Some(last) = bytes.last_mut()
        {
            *last &= (1 << (len % 8)) - 1;
        }
        Self { bytes, len }
    }

    /// How many bits there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no bits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the bit of `row` is set; `false` behind the end.
    pub fn get(&self, row: u64) -> bool {
        let byte = usize::try_from(row / 8).ok().and_then(|index| self.bytes.get(index));
        byte.is_some_and(|byte| byte >> (row % 8) & 1 == 1)
    }

    /// Sets or clears the bit of `row`, growing if it must. Callers bound `row` by the rows of a file.
    pub fn set(&mut self, row: u64, is_set: bool) {
        let index = (row / 8) as usize;
        if index >= self.bytes.len() {
            self.bytes.resize(index + 1, 0);
        }
        self.len = self.len.max(row + 1);
        let mask = 1 << (row % 8);
        self.bytes[index] = if is_set { self.bytes[index] | mask } else { self.bytes[index] & !mask };
    }

    /// How many bits are set.
    pub fn count_ones(&self) -> u64 {
        self.bytes.iter().map(|byte| u64::from(byte.count_ones())).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_behind_the_end_do_not_count() {
        let bits = Bits::new(vec![0xff, 0xff], 11);
        assert_eq!((bits.len(), bits.count_ones()), (11, 11));
        assert!(bits.get(10) && !bits.get(11) && !bits.get(u64::MAX));
        assert_eq!(Bits::new(vec![1], 99).len(), 8);
    }

    #[test]
    fn setting_grows() {
        let mut bits = Bits::default();
        bits.set(9, true);
        bits.set(3, true);
        bits.set(3, false);
        assert_eq!((bits.len(), bits.count_ones(), bits.get(9)), (10, 1, true));
    }
}
