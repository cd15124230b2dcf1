//! Ids of points, and the order in which a server lists them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The id a user gave to a point. Ordered as a server scrolls: numbers ascending, then UUIDs by their bytes
/// (`qdrant v1.19.0 lib/segment/src/types.rs`, `ExtendedPointId`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PointId {
    /// A number.
    Number(u64),
    /// A UUID, its 16 bytes in the canonical order.
    Uuid([u8; 16]),
}

impl fmt::Display for PointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Uuid(bytes) => {
                for (index, byte) in bytes.iter().enumerate() {
                    if matches!(index, 4 | 6 | 8 | 10) {
                        f.write_str("-")?;
                    }
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
            }
        }
    }
}

/// A text that is neither a number nor a UUID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no point id, expected a number below 2^64 or a UUID")]
pub struct PointIdInvalid {
    text: String,
}

impl FromStr for PointId {
    type Err = PointIdInvalid;

    /// Reads a decimal number, or a UUID in the forms that Qdrant takes: hyphenated, plain hex, and either behind `urn:uuid:`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || PointIdInvalid { text: text.chars().take(64).collect() };
        if text.len() <= 20 && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Self::Number).map_err(|_| invalid());
        }
        let digits = text.strip_prefix("urn:uuid:").unwrap_or(text);
        let is_hyphenated = digits.len() == 36;
        let mut bytes = [0; 16];
        let mut nibbles = 0;
        for (index, digit) in digits.chars().enumerate() {
            if is_hyphenated && matches!(index, 8 | 13 | 18 | 23) {
                if digit != '-' {
                    return Err(invalid());
                }
                continue;
            }
            let value = digit.to_digit(16).ok_or_else(invalid)?;
            let byte: &mut u8 = bytes.get_mut(nibbles / 2).ok_or_else(invalid)?;
            *byte = *byte << 4 | value as u8;
            nibbles += 1;
        }
        match nibbles {
            32 => Ok(Self::Uuid(bytes)),
            _ => Err(invalid()),
        }
    }
}

impl Serialize for PointId {
    /// As in the server's JSON: a number, or a hyphenated string.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Uuid(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for PointId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Spelling {
            Number(u64),
            Text(String),
        }
        match Spelling::deserialize(deserializer)? {
            Spelling::Number(number) => Ok(Self::Number(number)),
            // A number in quotes is no id for the server either.
            Spelling::Text(text) => match text.parse() {
                Ok(id @ Self::Uuid(_)) => Ok(id),
                Ok(Self::Number(_)) | Err(_) => Err(serde::de::Error::custom(PointIdInvalid { text })),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_before_uuids_and_both_are_spelled_as_the_server_does() {
        let uuid: PointId = "f47AC10b-58cc-4372-a567-0e02b2c3d479".parse().unwrap();
        assert_eq!(uuid.to_string(), "f47ac10b-58cc-4372-a567-0e02b2c3d479");
        assert_eq!("urn:uuid:f47ac10b58cc4372a5670e02b2c3d479".parse(), Ok(uuid));
        assert!(PointId::Number(u64::MAX) < PointId::Uuid([0; 16]));
        let text = serde_json::to_string(&[uuid, PointId::Number(7)]).unwrap();
        assert_eq!(text, r#"["f47ac10b-58cc-4372-a567-0e02b2c3d479",7]"#);
        assert_eq!(serde_json::from_str::<Vec<PointId>>(&text).unwrap(), [uuid, PointId::Number(7)]);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "-1",
            "18446744073709551616",
            "f47ac10b",
            "f47ac10b+58cc-4372-a567-0e02b2c3d479",
            "é",
            "g".repeat(32).as_str(),
        ] {
            assert!(text.parse::<PointId>().is_err(), "{text}");
        }
        assert!(serde_json::from_str::<PointId>("\"7\"").is_err());
    }
}
