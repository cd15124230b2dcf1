//! How vectors are quantized.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::json::open_enum;

/// A quantization method with what decides the length of its records
/// (`qdrant v1.19.0 lib/segment/src/types.rs`, `QuantizationConfig`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Map<String, Value>", rename_all = "snake_case", tag = "method")]
#[non_exhaustive]
pub enum Quantization {
    /// One byte per dimension and one f32 factor per record.
    Scalar {
        /// Whether the codes stay in memory.
        always_ram: Option<bool>,
    },
    /// One byte per group of dimensions.
    Product {
        /// How many f32 bytes one code byte stands for.
        compression: Option<ProductCompression>,
        /// Whether the codes stay in memory.
        always_ram: Option<bool>,
    },
    /// One to two bits per dimension.
    Binary {
        /// Bits per dimension; one when absent.
        encoding: Option<BinaryEncoding>,
        /// Whether the codes stay in memory.
        always_ram: Option<bool>,
    },
    /// A method this version does not know.
    Other {
        /// Its name in the file.
        name: String,
    },
}

open_enum! {
    /// How many bytes of f32 one byte of a product code stands for.
    pub enum ProductCompression {
        /// 4: one dimension.
        X4 = "x4",
        /// 8: two dimensions.
        X8 = "x8",
        /// 16: four dimensions.
        X16 = "x16",
        /// 32: eight dimensions.
        X32 = "x32",
        /// 64: sixteen dimensions.
        X64 = "x64",
    }
}

open_enum! {
    /// Bits per dimension of a binary code (v1.15.0+; one bit before).
    pub enum BinaryEncoding {
        /// 1.
        OneBit = "one_bit",
        /// 2.
        TwoBits = "two_bits",
        /// 1.5.
        OneAndHalfBits = "one_and_half_bits",
    }
}

impl Quantization {
    /// The method's name in Qdrant's files.
    pub fn name(&self) -> &str {
        match self {
            Self::Scalar { .. } => "scalar",
            Self::Product { .. } => "product",
            Self::Binary { .. } => "binary",
            Self::Other { name } => name,
        }
    }
}

impl From<Map<String, Value>> for Quantization {
    /// Reads `{"<method>": {…}}`. Parameters of another type count as unset, an empty object as a method without name.
    fn from(members: Map<String, Value>) -> Self {
        let Some((name, parameters)) = members.into_iter().next() else {
            return Self::Other { name: String::new() };
        };
        let text = |key: &str| parameters.get(key).and_then(Value::as_str).map(str::to_owned);
        let always_ram = parameters.get("always_ram").and_then(Value::as_bool);
        match name.as_str() {
            "scalar" => Self::Scalar { always_ram },
            "product" => Self::Product { compression: text("compression").map(Into::into), always_ram },
            "binary" => Self::Binary { encoding: text("encoding").map(Into::into), always_ram },
            _ => Self::Other { name },
        }
    }
}
