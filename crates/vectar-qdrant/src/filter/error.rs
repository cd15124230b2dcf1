//! Why a filter cannot be evaluated.

use crate::error::QdrantErrorKind;

/// Deepest nesting of filters in filters that is read, the outermost counted. People nest three or four; each level costs
/// stack when a filter is checked, and this bounds it.
pub const FILTER_DEPTH_MAX: usize = 64;

/// Why a filter was refused. A refused filter has matched nothing yet: parsing comes before any point is read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// The text is not JSON, or JSON nested deeper than the parser goes.
    #[error("the filter is not JSON")]
    NotJson {
        /// What the JSON parser said.
        #[source]
        source: serde_json::Error,
    },
    /// A part of the filter has another shape than Qdrant's.
    #[error("{at}: {what}")]
    Malformed {
        /// Where in the filter, as `filter.must[0].match`.
        at: String,
        /// What was found, with what was expected.
        what: String,
    },
    /// Filters are nested deeper than [`FILTER_DEPTH_MAX`].
    #[error("{at}: filters are nested deeper than {FILTER_DEPTH_MAX}")]
    TooDeep {
        /// Where in the filter.
        at: String,
    },
    /// The answer depends on an index whose work is not done offline; a guess would be a wrong answer.
    #[error("field {field} has {what}, which is not evaluated offline")]
    IndexNotEvaluated {
        /// The payload key, as the schema spells it.
        field: String,
        /// What the index has that is not known here.
        what: String,
    },
}

impl FilterError {
    /// Returns what to do about this error.
    pub fn kind(&self) -> QdrantErrorKind {
        match self {
            Self::NotJson { .. } | Self::Malformed { .. } | Self::TooDeep { .. } => QdrantErrorKind::FixInput,
            Self::IndexNotEvaluated { .. } => QdrantErrorKind::Unsupported,
        }
    }
}
