//! Columns of numbers: what a list of items says of one property, byte plane by byte plane, so that a codec sees like beside like.
//!
//! ```text
//! varint unit │ u8 width │ width planes of one byte for each number, the lowest first
//! ```
//!
//! Every number was divided by the unit, which divides all of them: rows lie at multiples of their length. The width is that of the largest, 0
//! when all are 0. Signed numbers are zigzag after the division. How many there are is known to the reader.
//!
//! A property that can be told by itself or by the distance from what was expected is a *choice*: one byte before the column, 0 for distances, 1
//! for the numbers themselves. In a permutation distances cost a bit more than the numbers, in a merge next to nothing.

use super::{Fields, FormatError, varint};

const WHAT: &str = "recipe node";

/// Bytes of the widest number.
const WIDTH_MAX: usize = 8;

/// Encodes numbers, none of which is negative.
pub(super) fn encode(numbers: &[u64], out: &mut Vec<u8>) {
    let unit = unit_of(numbers.iter().copied());
    encode_scaled(unit, numbers.iter().map(|number| number / unit), out);
}

/// Encodes numbers of either sign. Of each the magnitude must fit into 62 bits.
pub(super) fn encode_signed(numbers: &[i64], out: &mut Vec<u8>) {
    let unit = unit_of(numbers.iter().map(|number| number.unsigned_abs()));
    encode_scaled(unit, numbers.iter().map(|number| varint::zigzag(number / unit as i64)), out);
}

/// Encodes the distances or the numbers themselves, whichever takes fewer bits once they are compressed.
pub(super) fn encode_choice(steps: &[i64], numbers: &[u64], out: &mut Vec<u8>) {
    let (mut by_step, mut by_number) = (vec![0], vec![1]);
    encode_signed(steps, &mut by_step);
    encode(numbers, &mut by_number);
    let is_shorter = entropy_bits(&by_number, numbers.len()) < entropy_bits(&by_step, steps.len());
    out.extend_from_slice(if is_shorter { &by_number } else { &by_step });
}

/// Bits that the planes at the end of a column take when each byte takes what its frequency in its plane allows.
fn entropy_bits(column: &[u8], count: usize) -> f64 {
    let planes = column.rchunks_exact(count.max(1)).take_while(|_| count > 0);
    let of_plane = |plane: &[u8]| {
        let mut counts = [0_u32; 256];
        plane.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
        let met = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count));
        met.map(|met| met * (count as f64 / met).log2()).sum::<f64>()
    };
    planes.map(of_plane).sum()
}

/// The largest number that divides all of these; 1 when all are 0.
fn unit_of(numbers: impl Iterator<Item = u64>) -> u64 {
    let mut unit = 0;
    for number in numbers {
        let (mut a, mut b) = (unit, number);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        unit = a;
        if unit == 1 {
            break;
        }
    }
    unit.max(1)
}

fn encode_scaled(unit: u64, numbers: impl Iterator<Item = u64> + Clone, out: &mut Vec<u8>) {
    varint::encode(unit, out);
    let highest = numbers.clone().fold(0, |bits, number| bits | number);
    let width = WIDTH_MAX - highest.leading_zeros() as usize / 8;
    out.push(width as u8);
    for plane in 0..width {
        out.extend(numbers.clone().map(|number| number.to_le_bytes()[plane]));
    }
}

/// A column that holds distances or numbers.
#[derive(Debug)]
pub(super) struct Choice<'b> {
    is_absolute: bool,
    column: Column<'b>,
}

impl<'b> Choice<'b> {
    /// Reads such a column of `count` numbers; where nothing was chosen (`is_chosen`), it holds distances.
    ///
    /// # Errors
    /// As [`Column::decode`]; a choice that is not known.
    pub(super) fn decode(fields: &mut Fields<'b>, count: usize, is_chosen: bool) -> Result<Self, FormatError> {
        let is_absolute = match if is_chosen { fields.u8()? } else { 0 } {
            0 => false,
            1 => true,
            choice => return Err(FormatError::invalid(WHAT, format_args!("column kind {choice} is not known"))),
        };
        Ok(Self { is_absolute, column: Column::decode(fields, count)? })
    }

    /// The next distance from `expected`, which is not negative.
    ///
    /// # Errors
    /// As [`Column::next_unsigned`].
    pub(super) fn next_step(&mut self, expected: i64) -> Result<i64, FormatError> {
        match self.is_absolute {
            true => {
                i64::try_from(self.column.next_unsigned()?).map(|number| number - expected).map_err(|_| too_large())
            }
            false => self.column.next_signed(),
        }
    }
}

/// A column that is read from front to back.
#[derive(Debug)]
pub(super) struct Column<'b> {
    unit: u64,
    count: usize,
    planes: &'b [u8],
    next: usize,
}

impl<'b> Column<'b> {
    /// Reads a column of `count` numbers.
    ///
    /// # Errors
    /// [`FormatError`] when the bytes end before it does, or no number is that wide.
    pub(super) fn decode(fields: &mut Fields<'b>, count: usize) -> Result<Self, FormatError> {
        let (unit, width) = (fields.varint()?, usize::from(fields.u8()?));
        if unit == 0 || width > WIDTH_MAX {
            return Err(FormatError::invalid(WHAT, "a column has no unit, or numbers that are too wide"));
        }
        let planes = fields.take(count.saturating_mul(width))?;
        Ok(Self { unit, count, planes, next: 0 })
    }

    /// The next number. There are as many as were asked for.
    ///
    /// # Errors
    /// [`FormatError`] when it does not fit into 64 bits.
    pub(super) fn next_unsigned(&mut self) -> Result<u64, FormatError> {
        self.next_scaled().checked_mul(self.unit).ok_or_else(too_large)
    }

    /// The next number of a signed column.
    ///
    /// # Errors
    /// As [`next_unsigned`](Self::next_unsigned).
    pub(super) fn next_signed(&mut self) -> Result<i64, FormatError> {
        let scaled = varint::unzigzag(self.next_scaled());
        i64::try_from(self.unit).ok().and_then(|unit| scaled.checked_mul(unit)).ok_or_else(too_large)
    }

    fn next_scaled(&mut self) -> u64 {
        let bytes = self.planes[self.next.min(self.planes.len())..].iter().step_by(self.count.max(1));
        let number = bytes.enumerate().fold(0, |number, (plane, byte)| number | u64::from(*byte) << (8 * plane));
        self.next += 1;
        number
    }
}

fn too_large() -> FormatError {
    FormatError::invalid(WHAT, "a number in a column is too large")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(numbers in proptest::collection::vec(any::<u64>(), 0..40), unit in 1..1_000_u64) {
            let numbers: Vec<u64> = numbers.into_iter().map(|number| number / 1000 * unit).collect();
            let mut bytes = Vec::new();
            encode(&numbers, &mut bytes);
            let mut fields = Fields::new(WHAT, &bytes);
            let mut column = Column::decode(&mut fields, numbers.len()).unwrap();
            fields.finish().unwrap();
            for number in numbers {
                prop_assert_eq!(column.next_unsigned().unwrap(), number);
            }
        }

        #[test]
        fn signed_numbers_come_back(numbers in proptest::collection::vec(any::<i64>(), 0..40), unit in 1..1_000_i64) {
            let numbers: Vec<i64> = numbers.into_iter().map(|number| number / 4000 * unit).collect();
            let mut bytes = Vec::new();
            encode_signed(&numbers, &mut bytes);
            let mut fields = Fields::new(WHAT, &bytes);
            let mut column = Column::decode(&mut fields, numbers.len()).unwrap();
            fields.finish().unwrap();
            for number in numbers {
                prop_assert_eq!(column.next_signed().unwrap(), number);
            }
        }
    }

    #[test]
    fn of_two_ways_the_shorter_one_is_taken() {
        let numbers: Vec<u64> =
            (0..1000_u64).map(|number| number.wrapping_mul(number).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56).collect();
        let mut last = 0;
        let steps: Vec<i64> =
            numbers.iter().map(|number| *number as i64 - std::mem::replace(&mut last, *number as i64)).collect();
        // In a permutation the numbers, one behind the other the distances.
        for (steps, numbers, kind) in [(steps, numbers, 1), (vec![1; 1000], (1..=1000).collect(), 0)] {
            let mut bytes = Vec::new();
            encode_choice(&steps, &numbers, &mut bytes);
            assert_eq!(bytes[0], kind);
            let mut choice = Choice::decode(&mut Fields::new(WHAT, &bytes), numbers.len(), true).unwrap();
            let mut at = 0;
            for number in numbers {
                at += choice.next_step(at).unwrap();
                assert_eq!(at, number as i64);
            }
        }
        assert!(Choice::decode(&mut Fields::new(WHAT, &[2, 1, 0]), 0, true).is_err());
    }

    #[test]
    fn multiples_take_a_byte_each_and_equal_numbers_none_when_they_are_zero() {
        let mut bytes = Vec::new();
        encode(&[3072, 6144, 0, 9216], &mut bytes);
        assert_eq!(bytes, [0x80, 0x18, 1, 1, 2, 0, 3]);
        bytes.clear();
        encode_signed(&[0; 1000], &mut bytes);
        assert_eq!(bytes, [1, 0]);
    }

    #[test]
    fn hostile_columns_are_refused() {
        let decode = |bytes: &[u8], count| Column::decode(&mut Fields::new(WHAT, bytes), count).map(|_| ());
        assert!(decode(&[0, 1, 7], 1).is_err(), "no unit");
        assert!(decode(&[1, 9], 0).is_err(), "too wide");
        assert!(decode(&[1, 8, 0], usize::MAX).is_err(), "more than there is");
        let mut bytes = Vec::new();
        varint::encode(u64::MAX, &mut bytes);
        bytes.extend([1, 2]);
        let mut column = Column::decode(&mut Fields::new(WHAT, &bytes), 1).unwrap();
        assert!(column.next_unsigned().is_err());
    }
}
