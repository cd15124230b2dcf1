//! Names for the calls of a backend.

use std::fmt;
use std::ops::Range;

use vectar_backend::ObjectKey;

/// A method of `Backend` or, for [`Write`](Operation::Write) and [`Publish`](Operation::Publish), of `ObjectWriter`. `location`
/// and `durability` ask the storage nothing and are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the method of that name")]
pub enum Operation {
    Get,
    GetRange,
    GetSuffix,
    Stat,
    PutIfAbsent,
    Put,
    Begin,
    Write,
    Publish,
    List,
    Delete,
    Sync,
    FreeSpace,
    Probe,
    CleanUnfinished,
}

impl Operation {
    /// The calls that read objects or their names.
    pub const READS: &[Self] = &[Self::Get, Self::GetRange, Self::GetSuffix, Self::Stat, Self::List];

    /// The calls that change what is stored, or make it durable.
    pub const WRITES: &[Self] =
        &[Self::PutIfAbsent, Self::Put, Self::Begin, Self::Write, Self::Publish, Self::Delete, Self::Sync];

    /// Returns the name of the method.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::GetRange => "get_range",
            Self::GetSuffix => "get_suffix",
            Self::Stat => "stat",
            Self::PutIfAbsent => "put_if_absent",
            Self::Put => "put",
            Self::Begin => "begin",
            Self::Write => "write",
            Self::Publish => "publish",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Sync => "sync",
            Self::FreeSpace => "free_space",
            Self::Probe => "probe",
            Self::CleanUnfinished => "clean_unfinished",
        }
    }
}

/// One call, as it was made.
///
/// Shown as one line for golden tests: `get_range packs/ab/ab12 0..64 -> 64`, with the bytes moved behind the arrow, or `failed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The method.
    pub operation: Operation,
    /// The object, or the prefix of a listing with a slash at its end.
    pub target: Option<String>,
    /// The bytes asked for, end exclusive, of a ranged read.
    pub range: Option<Range<u64>>,
    /// How many bytes of objects were read or written; for `list` and `sync`, how many objects were listed or named.
    pub amount: u64,
    /// Whether it succeeded.
    pub succeeded: bool,
}

impl Call {
    /// Says whether the call was about the object `key`.
    pub fn concerns(&self, key: &ObjectKey) -> bool {
        self.target.as_deref() == Some(key.as_str())
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation.name())?;
        if let Some(target) = &self.target {
            write!(f, " {target}")?;
        }
        if let Some(range) = &self.range {
            write!(f, " {}..{}", range.start, range.end)?;
        }
        match self.succeeded {
            true => write!(f, " -> {}", self.amount),
            false => f.write_str(" -> failed"),
        }
    }
}
