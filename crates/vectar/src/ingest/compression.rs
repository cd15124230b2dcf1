//! How much time new chunks may take.

/// How hard an ingest tries to make new chunks small. It changes size and speed, and not what is shared: chunks are cut and named alike.
///
/// Rows of floats are coded alike at every setting, because no search finds more in them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compression {
    /// As little time as saves most of the space.
    Fast,
    /// What suits a backup each night.
    #[default]
    Default,
    /// Whatever it takes: two to three times as long for a few percent less of payloads, logs and indexes.
    Max,
}

impl Compression {
    /// The zstd level of everything that is not rows of floats.
    pub(crate) fn zstd_level(self) -> i32 {
        match self {
            Self::Fast => 1,
            Self::Default => 3,
            Self::Max => 19,
        }
    }
}
