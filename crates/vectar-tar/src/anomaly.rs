//! What is odd or damaged in an archive, as data.

use crate::entry::EntryPath;
use crate::header::HeaderStyle;
use crate::sparse::SparseFault;
use std::fmt;

/// One finding about the input. Findings never stop a split and never change which bytes come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// The absolute offset at which it shows: where bytes stop for truncations, else where the
    /// faulty bytes begin.
    pub offset: u64,
    /// The tar level it lies in: 0 for the outermost.
    pub depth: u8,
    /// The entry or nested archive concerned; the archive's own path where no entry is known.
    pub path: EntryPath,
    /// What was found.
    pub kind: AnomalyKind,
}

impl Anomaly {
    /// Returns how grave it is.
    pub fn severity(&self) -> Severity {
        self.kind.severity()
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} at offset {}", self.severity(), self.kind, self.offset)?;
        if self.path != EntryPath::root() {
            write!(f, " in `{}`", self.path)?;
        }
        Ok(())
    }
}

/// How grave an anomaly is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Legal, but not what every writer does.
    Note,
    /// Legal or nearly so, but nothing a well-meaning writer does; a reader may refuse or misread
    /// it.
    Suspicious,
    /// Bytes are missing or wrong.
    Damage,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Suspicious => "suspicious",
            Self::Damage => "damage",
        })
    }
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AnomalyKind {
    /// The input is empty, or does not begin with a tar header or a zero block.
    NotATar,
    /// A header's checksum is wrong; the rest of its level is opaque.
    BadChecksum,
    /// A size is unreadable, negative or exceeds 63 bits; the rest of its level is opaque.
    SizeInvalid,
    /// The level or the input ends within a header, a long-name or PAX record, or a sparse
    /// extension block.
    TruncatedHeader,
    /// A body, or a nested archive, ends before its declared length.
    TruncatedBody {
        /// Declared bytes that are not there.
        missing: u64,
    },
    /// The outermost archive does not end in two zero blocks.
    EndOfArchiveMissing,
    /// A sparse map contradicts itself or the header.
    SparseMapInconsistent(SparseFault),

    /// Two entries of one level have the same path, not counting `.` and doubled or trailing
    /// slashes.
    DuplicatePath,
    /// The path begins with a slash.
    AbsolutePath,
    /// The path has a `..`.
    ParentPath,
    /// The entry is neither file nor directory nor sparse file: links, devices, contiguous files,
    /// unknown types.
    UnusualEntryType(u8),
    /// One zero block ends the archive where two are usual.
    SingleZeroBlock,
    /// Bytes other than zeros follow the end-of-archive blocks.
    TrailingGarbage,
    /// The padding behind a body or record is not zero. Seen only where padding is read, so never
    /// by a catalogue.
    NonZeroPadding,
    /// A nested archive ends before the padding of its last body or record.
    PaddingMissing,
    /// A long-name or PAX record is followed by no entry, or by another one of its kind.
    ExtensionUnused,
    /// A long-name or PAX record is longer than the cap and was not applied.
    ExtensionTooLong {
        /// The record's declared length.
        len: u64,
    },
    /// A PAX extended header does not parse to its end.
    ExtensionMalformed,
    /// A sparse map has more segments than the cap; the entry is given without one.
    SparseMapTooLong,
    /// The mode or modification time is unreadable and taken as 0.
    FieldUnreadable,

    /// Zeros follow the two end-of-archive blocks, as when a writer rounds up to its record size.
    TrailingZeros {
        /// Zero bytes beyond the two blocks. A catalogue stops reading at a cap and takes the rest
        /// as zeros.
        bytes: u64,
    },
    /// The first header of its level that is not in GNU style.
    ForeignHeaderStyle(HeaderStyle),
    /// A PAX header describes a GNU sparse format 0.x or 1.0, which is delivered as stored.
    PaxSparse,
    /// More paths than the cap; duplicates among further ones go unseen.
    DuplicateCheckCapped,
}

impl AnomalyKind {
    /// Returns how grave it is.
    pub fn severity(&self) -> Severity {
        match self {
            Self::NotATar
            | Self::BadChecksum
            | Self::SizeInvalid
            | Self::TruncatedHeader
            | Self::TruncatedBody { .. }
            | Self::EndOfArchiveMissing
            | Self::SparseMapInconsistent(_) => Severity::Damage,
            Self::DuplicatePath
            | Self::AbsolutePath
            | Self::ParentPath
            | Self::UnusualEntryType(_)
            | Self::SingleZeroBlock
            | Self::TrailingGarbage
            | Self::NonZeroPadding
            | Self::PaddingMissing
            | Self::ExtensionUnused
            | Self::ExtensionTooLong { .. }
            | Self::ExtensionMalformed
            | Self::SparseMapTooLong
            | Self::FieldUnreadable => Severity::Suspicious,
            Self::TrailingZeros { .. } | Self::ForeignHeaderStyle(_) | Self::PaxSparse | Self::DuplicateCheckCapped => {
                Severity::Note
            }
        }
    }
}

impl fmt::Display for AnomalyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotATar => f.write_str("not a tar"),
            Self::BadChecksum => f.write_str("wrong header checksum"),
            Self::SizeInvalid => f.write_str("invalid size"),
            Self::TruncatedHeader => f.write_str("ends within a header"),
            Self::TruncatedBody { missing } => {
                write!(f, "cut short, missing bytes: {missing}")
            }
            Self::EndOfArchiveMissing => f.write_str("does not end in two zero blocks"),
            Self::SparseMapInconsistent(fault) => write!(f, "inconsistent sparse map ({fault})"),
            Self::DuplicatePath => f.write_str("path occurs twice"),
            Self::AbsolutePath => f.write_str("absolute path"),
            Self::ParentPath => f.write_str("path with `..`"),
            Self::UnusualEntryType(flag) => {
                write!(f, "unusual entry type `{}`", flag.escape_ascii())
            }
            Self::SingleZeroBlock => f.write_str("a single zero block ends the archive"),
            Self::TrailingGarbage => f.write_str("data behind the end of the archive"),
            Self::NonZeroPadding => f.write_str("padding is not zero"),
            Self::PaddingMissing => f.write_str("padding is missing"),
            Self::ExtensionUnused => f.write_str("name or pax record without an entry"),
            Self::ExtensionTooLong { len } => {
                write!(f, "name or pax record of {len} bytes not applied")
            }
            Self::ExtensionMalformed => f.write_str("malformed pax record"),
            Self::SparseMapTooLong => f.write_str("sparse map too long to keep"),
            Self::FieldUnreadable => f.write_str("unreadable mode or time"),
            Self::TrailingZeros { bytes } => {
                write!(f, "{bytes} zero bytes behind the end of the archive")
            }
            Self::ForeignHeaderStyle(style) => write!(f, "header in {style} style"),
            Self::PaxSparse => f.write_str("pax sparse format, delivered as stored"),
            Self::DuplicateCheckCapped => f.write_str("too many paths to find all duplicates"),
        }
    }
}

/// The anomalies of one input, in the order in which they were met: a capped number of each
/// severity, and how many there were.
///
/// The cap is per severity, so a thousand notes never hide one damage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomalies {
    kept: Vec<Anomaly>,
    counts: [u64; 3],
    kept_max: usize,
}

impl Anomalies {
    pub(crate) fn new(kept_max: usize) -> Self {
        Self { kept: Vec::new(), counts: [0; 3], kept_max }
    }

    pub(crate) fn push(&mut self, anomaly: Anomaly) {
        let count = &mut self.counts[anomaly.severity() as usize];
        *count += 1;
        if usize::try_from(*count).is_ok_and(|count| count <= self.kept_max) {
            self.kept.push(anomaly);
        }
    }

    /// Returns the anomalies that were kept.
    pub fn iter(&self) -> std::slice::Iter<'_, Anomaly> {
        self.kept.iter()
    }

    /// Returns how many of `severity` there were, kept or not.
    pub fn count(&self, severity: Severity) -> u64 {
        self.counts[severity as usize]
    }

    /// Tells whether nothing at all was found.
    pub fn is_empty(&self) -> bool {
        self.counts == [0; 3]
    }
}

impl<'a> IntoIterator for &'a Anomalies {
    type Item = &'a Anomaly;
    type IntoIter = std::slice::Iter<'a, Anomaly>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
