//! Which packs one check reads: a part of them, those proven longest ago first.

use std::{collections::HashMap, str::FromStr};

use jiff::Timestamp;

use crate::format::ids::PackId;

/// A part of all packs. Parts go by pack, so a percentage or a size is met to within one pack.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Subset {
    /// All.
    #[default]
    All,
    /// Part `part` of `parts`, both counted from 1: the packs whose name falls into it. All parts together are all packs, and a
    /// pack stays in its part however many come and go.
    Part {
        /// Which part, from 1.
        part: u32,
        /// How many parts.
        parts: u32,
    },
    /// So many percent of the bytes, above 0 and at most 100.
    Percent(f64),
    /// So many bytes.
    Bytes(u64),
}

impl FromStr for Subset {
    type Err = String;

    /// Reads `2/7`, `5%` or a count of bytes. Sizes with units are the caller's.
    fn from_str(text: &str) -> Result<Self, String> {
        let unusable = || format!("{text:?} is neither a part such as 2/7, nor a percentage such as 5%, nor a size");
        if let Some((part, parts)) = text.split_once('/') {
            let (part, parts) = (part.parse().map_err(|_| unusable())?, parts.parse().map_err(|_| unusable())?);
            return match 1 <= part && part <= parts {
                true => Ok(Self::Part { part, parts }),
                false => Err(format!("part {part} of {parts} does not exist")),
            };
        }
        if let Some(percent) = text.strip_suffix('%') {
            let percent: f64 = percent.parse().map_err(|_| unusable())?;
            return match percent > 0.0 && percent <= 100.0 {
                true => Ok(Self::Percent(percent)),
                false => Err(format!("{text} is not above 0 and at most 100 percent")),
            };
        }
        text.parse().map(Self::Bytes).map_err(|_| unusable())
    }
}

/// The packs to read, with their lengths, in the order in which to read them: never proven ones first, then those proven longest
/// ago. Equal ones go by name, so that two runs agree.
pub(super) fn select(
    mut packs: Vec<(PackId, u64)>,
    subset: Subset,
    proven: &HashMap<PackId, Timestamp>,
) -> Vec<(PackId, u64)> {
    if let Subset::Part { part, parts } = subset {
        packs.retain(|(id, _)| bucket(id, parts) == part - 1);
    }
    packs.sort_by_key(|(id, _)| (proven.get(id).copied(), *id));
    let total: u64 = packs.iter().map(|(_, len)| len).sum();
    let bytes_max = match subset {
        Subset::All | Subset::Part { .. } => return packs,
        Subset::Percent(percent) => (total as f64 * percent / 100.0) as u64,
        Subset::Bytes(bytes) => bytes,
    };
    let mut taken: u64 = 0;
    let fits = |(_, len): &(PackId, u64)| {
        let is_wanted = taken < bytes_max.max(1);
        taken += len;
        is_wanted
    };
    packs.into_iter().take_while(fits).collect()
}

fn bucket(id: &PackId, parts: u32) -> u32 {
    let sample = u64::from_le_bytes(id.as_bytes()[..8].try_into().expect("pack ids have 32 bytes"));
    u32::try_from(sample % u64::from(parts)).expect("a remainder is below its divisor")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packs(count: u8) -> Vec<(PackId, u64)> {
        (0..count).map(|seed| (PackId::from_bytes(*blake3::hash(&[seed]).as_bytes()), 100)).collect()
    }

    #[test]
    fn parts_cover_every_pack_once() {
        let all = packs(100);
        let none = HashMap::new();
        let mut seen: Vec<_> =
            (1..=7).flat_map(|part| select(all.clone(), Subset::Part { part, parts: 7 }, &none)).collect();
        seen.sort_unstable();
        let mut expected = all;
        expected.sort_unstable();
        assert_eq!(seen, expected);
    }

    #[test]
    fn the_longest_unproven_come_first_and_sizes_are_met_to_a_pack() {
        let all = packs(10);
        let at = |second| Timestamp::from_second(second).unwrap();
        let proven: HashMap<_, _> = all.iter().skip(1).zip(1..).map(|((id, _), second)| (*id, at(second))).collect();
        let order = select(all.clone(), Subset::Percent(30.0), &proven);
        assert_eq!(order, all[..3]);
        assert_eq!(select(all.clone(), Subset::Bytes(1), &proven), all[..1]);
        assert_eq!(select(all.clone(), Subset::All, &proven), all);
    }

    #[test]
    fn subsets_are_read_and_nonsense_is_refused() {
        assert_eq!("2/7".parse(), Ok(Subset::Part { part: 2, parts: 7 }));
        assert_eq!("5%".parse(), Ok(Subset::Percent(5.0)));
        assert_eq!("1000".parse(), Ok(Subset::Bytes(1000)));
        for nonsense in ["0/7", "8/7", "1/0", "0%", "101%", "NaN%", "x", ""] {
            assert!(nonsense.parse::<Subset>().is_err(), "{nonsense}");
        }
    }
}
