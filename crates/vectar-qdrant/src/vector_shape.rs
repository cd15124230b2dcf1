//! The numbers of one vector: what a row of it takes, plain and quantized.

use crate::class::Element;
use crate::config::{Datatype, Distance, VectorConfig};
use crate::quantization::{BinaryEncoding, ProductCompression, Quantization};
use crate::segment::VectorState;
use crate::storage_config::{ChunkedConfig, QuantizedConfig};

/// What is known about one vector. Every fact may be missing, and none is trusted against a file's length.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct VectorShape {
    dim: Option<u32>,
    element: Option<Element>,
    distance: Option<Distance>,
    is_multivector: Option<bool>,
    quantization: Option<Quantization>,
    quantized_count: Option<u64>,
}

impl VectorShape {
    pub(crate) fn of_chunks(config: &ChunkedConfig) -> Self {
        Self { dim: Some(config.dim), element: config.element(), ..Self::default() }
    }

    pub(crate) fn of_quantized(config: &QuantizedConfig) -> Self {
        Self {
            dim: config.dim,
            quantization: config.quantization.clone(),
            quantized_count: config.count,
            ..Self::default()
        }
    }

    /// From the collection's configuration; `fallback` is the quantization of the whole collection.
    pub(crate) fn of_config(config: &VectorConfig, fallback: Option<&Quantization>) -> Self {
        Self {
            dim: u32::try_from(config.size).ok(),
            element: element_of(config.datatype.as_ref()),
            distance: Some(config.distance.clone()),
            is_multivector: Some(config.multivector_config.is_some()),
            quantization: config.quantization_config.as_ref().or(fallback).cloned(),
            quantized_count: None,
        }
    }

    pub(crate) fn of_state(state: &VectorState) -> Self {
        Self {
            dim: u32::try_from(state.size).ok(),
            element: element_of(state.datatype.as_ref()),
            distance: Some(state.distance.clone()),
            is_multivector: Some(state.multivector_config.is_some()),
            quantization: state.quantization_config.clone(),
            quantized_count: None,
        }
    }

    /// Takes over every fact that `other` has.
    pub(crate) fn take_over(&mut self, other: &Self) {
        fn newer<T: Clone>(known: &mut Option<T>, other: &Option<T>) {
            if other.is_some() {
                known.clone_from(other);
            }
        }
        newer(&mut self.dim, &other.dim);
        newer(&mut self.element, &other.element);
        newer(&mut self.distance, &other.distance);
        newer(&mut self.is_multivector, &other.is_multivector);
        newer(&mut self.quantization, &other.quantization);
        newer(&mut self.quantized_count, &other.quantized_count);
    }

    /// The facts that hold for the vector in other segments too.
    pub(crate) fn without_count(&self) -> Self {
        Self { quantized_count: None, ..self.clone() }
    }

    /// Bytes of a plain row and what it is made of.
    pub(crate) fn row(&self) -> Option<(u32, Element)> {
        let element = self.element?;
        let element_bytes = match element {
            Element::F32 => 4,
            Element::F16 => 2,
            Element::U8 => 1,
            Element::Codes | Element::Offsets => return None,
        };
        Some((self.dim?.checked_mul(element_bytes)?, element))
    }

    /// Bytes of a Turbo4 record: codes of 4 bits in an even number of dimensions, then one or two f32 factors.
    pub(crate) fn turbo_row_bytes(&self) -> Option<u32> {
        let factor_bytes = if self.distance == Some(Distance::Euclid) { 8 } else { 4 };
        self.dim?.div_ceil(2).checked_add(factor_bytes)
    }

    /// Bytes of a record in a `quantized.data` of `file_bytes`: by the method's formula, else by the count of records.
    /// `None` when neither divides the file into whole records.
    pub(crate) fn quantized_row_bytes(&self, file_bytes: u64) -> Option<u32> {
        let fits = |row_bytes: &u32| *row_bytes > 0 && file_bytes.is_multiple_of(u64::from(*row_bytes));
        let by_count = || {
            let count = self.quantized_count?;
            let row_bytes = file_bytes.checked_div(count)?;
            u32::try_from(row_bytes).ok().filter(|_| file_bytes.is_multiple_of(count))
        };
        self.quantized_row_bytes_by_method().filter(fits).or_else(by_count).filter(fits)
    }

    /// The formulas of `qdrant v1.19.0 lib/quantization/src/encoded_vectors_{u8,pq,binary}.rs`.
    fn quantized_row_bytes_by_method(&self) -> Option<u32> {
        let dim = self.dim?;
        match self.quantization.as_ref()? {
            Quantization::Scalar { .. } => dim.checked_next_multiple_of(16)?.checked_add(4),
            Quantization::Product { compression, .. } => Some(dim.div_ceil(bucket_dims(compression.as_ref()?)?)),
            Quantization::Binary { encoding, .. } if self.is_multivector != Some(true) => {
                let bits = match encoding.as_ref().unwrap_or(&BinaryEncoding::OneBit) {
                    BinaryEncoding::OneBit => dim,
                    BinaryEncoding::OneAndHalfBits => dim.checked_add(dim.div_ceil(2))?,
                    BinaryEncoding::TwoBits => dim.checked_mul(2)?,
                    BinaryEncoding::Other(_) => return None,
                };
                bits.div_ceil(128).checked_mul(16)
            }
            Quantization::Binary { .. } | Quantization::Other { .. } => None,
        }
    }
}

/// The element of a datatype; no datatype is float32.
fn element_of(datatype: Option<&Datatype>) -> Option<Element> {
    match datatype {
        None | Some(Datatype::Float32) => Some(Element::F32),
        Some(Datatype::Float16) => Some(Element::F16),
        Some(Datatype::Uint8) => Some(Element::U8),
        Some(Datatype::Turbo4 | Datatype::Other(_)) => None,
    }
}

/// Dimensions behind one byte of a product code: `x4` keeps one byte for one f32.
fn bucket_dims(compression: &ProductCompression) -> Option<u32> {
    match compression {
        ProductCompression::X4 => Some(1),
        ProductCompression::X8 => Some(2),
        ProductCompression::X16 => Some(4),
        ProductCompression::X32 => Some(8),
        ProductCompression::X64 => Some(16),
        ProductCompression::Other(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantized(config: &str) -> VectorShape {
        VectorShape::of_quantized(&QuantizedConfig::read(config.as_bytes()).unwrap())
    }

    #[test]
    fn quantized_records_by_method() {
        for (method, dim, expected) in [
            (r#"{"scalar":{"type":"int8","always_ram":true}}"#, 24, Some(36)),
            (r#"{"scalar":{"type":"int8"}}"#, 64, Some(68)),
            (r#"{"product":{"compression":"x16"}}"#, 770, Some(193)),
            (r#"{"product":{"compression":"x5"}}"#, 770, None),
            (r#"{"binary":{}}"#, 129, Some(32)),
            (r#"{"binary":{"encoding":"two_bits"}}"#, 129, Some(48)),
            (r#"{"binary":{"encoding":"one_and_half_bits"}}"#, 256, Some(48)),
            (r#"{"turbo":{}}"#, 129, None),
        ] {
            let config = format!(r#"{{"quantization_config":{method},"vector_parameters":{{"dim":{dim}}}}}"#);
            assert_eq!(quantized(&config).quantized_row_bytes_by_method(), expected, "{config}");
        }
    }

    #[test]
    fn the_count_decides_where_the_method_does_not_fit() {
        let shape = quantized(r#"{"quantization_config":{"turbo":{}},"vector_parameters":{"dim":64,"count":10}}"#);
        assert_eq!(shape.quantized_row_bytes(400), Some(40));
        assert_eq!(shape.quantized_row_bytes(401), None);
        assert_eq!(shape.quantized_row_bytes(0), None);
        let wrong = quantized(r#"{"quantization_config":{"scalar":{}},"vector_parameters":{"dim":64,"count":10}}"#);
        assert_eq!(wrong.quantized_row_bytes(400), Some(40));
        assert_eq!(wrong.quantized_row_bytes(680), Some(68));
    }

    #[test]
    fn hostile_numbers_give_no_row() {
        let shape =
            quantized(r#"{"quantization_config":{"scalar":{}},"vector_parameters":{"dim":4294967295,"count":0}}"#);
        assert_eq!(shape.quantized_row_bytes(400), None);
        assert_eq!(shape.turbo_row_bytes(), Some(2_147_483_652));
        let shape = VectorShape { element: Some(Element::F32), ..shape };
        assert_eq!(shape.row(), None);
    }
}
