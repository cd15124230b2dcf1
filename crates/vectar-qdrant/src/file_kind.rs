//! The table of files: which file of which component is what. Names and versions as in `qdrant v1.19.0`
//! `lib/segment/src/vector_storage/`, `lib/segment/src/id_tracker/`, `lib/segment/src/index/`, `lib/blobstore/`.

use crate::class::Class;
use crate::part::{Part, RootPart, SegmentPart, ShardPart};
use crate::path::Identity;

/// What one file is, finer than its class: everything that its structure depends on besides numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// JSON, or a version file of a few bytes.
    Json,
    /// `status.dat`: one or two counters.
    Status,
    /// Bits, possibly behind a few header bytes.
    Bitmap,
    /// `matrix.dat`: a 4-byte header, then vectors.
    Matrix,
    /// `chunk_<n>.mmap` of vectors as given.
    VectorChunk,
    /// `chunk_<n>.mmap` of quantized codes (`quantized_data`, `tq_vectors`).
    CodeChunk,
    /// `chunk_<n>.mmap` of multivector offsets.
    OffsetChunk,
    /// `tq_vectors.dat`: Turbo4 records without a header.
    TurboMatrix,
    /// `quantized.data`: records without a header.
    QuantizedRows,
    /// `quantized.offsets.data`: offset records without a header.
    QuantizedOffsets,
    /// `page_<n>.dat` of a Gridstore.
    GridPage,
    /// `tracker.dat` of a Gridstore.
    GridTracker,
    /// `gaps.dat` of a Gridstore.
    GridGaps,
    /// `log_tracker.dat` of an append-only Gridstore (v1.19.0).
    GridLogTracker,
    /// `log_page_<n>.dat` of an append-only Gridstore (v1.19.0).
    GridLogPage,
    /// `*id_tracker.versions`.
    IdVersions,
    /// `id_tracker.mappings`.
    IdMappings,
    /// `mutable_id_tracker.mappings`.
    IdMappingLog,
    /// A WAL segment.
    Wal,
    /// Derived data without a structure of use to us.
    Derived,
    /// Anything else.
    Unknown,
}

impl FileKind {
    pub(crate) fn of(identity: &Identity) -> Self {
        let path = identity.path.as_str();
        match identity.part {
            Part::Root(RootPart::CollectionSnapshot) | Part::Shard(ShardPart::SegmentArchive) => Self::Unknown,
            Part::Shard(ShardPart::WalSegment) => Self::Wal,
            Part::Root(_) | Part::Shard(_) => Self::Json,
            Part::Segment(part) => segment_file(part, path),
            Part::Unknown => Self::Unknown,
        }
    }

    pub(crate) fn class(self) -> Class {
        match self {
            Self::Json => Class::SmallJson,
            Self::Matrix
            | Self::VectorChunk
            | Self::CodeChunk
            | Self::OffsetChunk
            | Self::TurboMatrix
            | Self::QuantizedRows
            | Self::QuantizedOffsets => Class::DenseRows,
            Self::Status
            | Self::Bitmap
            | Self::GridPage
            | Self::GridTracker
            | Self::GridGaps
            | Self::GridLogTracker
            | Self::GridLogPage
            | Self::IdVersions => Class::BlockPages,
            Self::IdMappings | Self::IdMappingLog | Self::Derived => Class::Rebuilt,
            Self::Wal => Class::Logs,
            Self::Unknown => Class::Unknown,
        }
    }
}

fn segment_file(part: SegmentPart, path: &str) -> FileKind {
    let (_, below) = path.split_once('/').unwrap_or((path, ""));
    match part {
        SegmentPart::State | SegmentPart::VersionInfo | SegmentPart::Manifest => FileKind::Json,
        SegmentPart::VectorStorage => vector_file(below),
        SegmentPart::VectorIndex => vector_index_file(below),
        SegmentPart::PayloadStorage => gridstore_file(below).unwrap_or(FileKind::Unknown),
        SegmentPart::PayloadIndex => payload_index_file(below),
        SegmentPart::IdTracker => id_tracker_file(path),
        SegmentPart::RocksDb | SegmentPart::Other => FileKind::Unknown,
    }
}

/// A file below `vector_storage[-<name>]/`.
fn vector_file(path: &str) -> FileKind {
    match path {
        "matrix.dat" => return FileKind::Matrix,
        "deleted.dat" => return FileKind::Bitmap,
        "tq_vectors.dat" => return FileKind::TurboMatrix,
        "quantized.data" => return FileKind::QuantizedRows,
        "quantized.offsets.data" => return FileKind::QuantizedOffsets,
        "quantized.config.json" | "quantized.meta.json" => return FileKind::Json,
        _ => {}
    }
    let Some((directory, file)) = path.split_once('/') else {
        return FileKind::Unknown;
    };
    let chunk = match directory {
        "deleted" => return flags_file(file).unwrap_or(FileKind::Unknown),
        "store" => return gridstore_file(file).unwrap_or(FileKind::Unknown),
        "vectors" => FileKind::VectorChunk,
        "tq_vectors" | "quantized_data" => FileKind::CodeChunk,
        "offsets" | "tq_offsets" | "quantized_offsets_data" => FileKind::OffsetChunk,
        _ => return FileKind::Unknown,
    };
    match file {
        "config.json" => FileKind::Json,
        "status.dat" => FileKind::Status,
        _ if is_numbered(file, "chunk_", ".mmap") => chunk,
        _ => FileKind::Unknown,
    }
}

/// A file below `vector_index[-<name>]/`: all of it can be built again from the vectors.
fn vector_index_file(file: &str) -> FileKind {
    match file {
        // Grows with the vocabulary, so it is data and not configuration, though it is JSON.
        "indices_tracker.json" => FileKind::Derived,
        _ if file.ends_with(".json") || file == "version.info" => FileKind::Json,
        _ => FileKind::Derived,
    }
}

/// A file below `payload_index/`.
fn payload_index_file(path: &str) -> FileKind {
    let Some((_, path)) = path.split_once('/') else {
        return if path == "config.json" { FileKind::Json } else { FileKind::Unknown };
    };
    if let Some(kind) = gridstore_file(path) {
        return kind;
    }
    match path.split_once('/') {
        Some((_, file)) => flags_file(file).unwrap_or(FileKind::Derived),
        None if path.ends_with(".json") => FileKind::Json,
        None if matches!(path, "deleted.bin" | "deleted_points.dat" | "deleted_mask.bin") => FileKind::Bitmap,
        None => FileKind::Derived,
    }
}

/// A file of a Gridstore, in whichever directory it lies.
fn gridstore_file(file: &str) -> Option<FileKind> {
    Some(match file {
        "config.json" => FileKind::Json,
        "tracker.dat" => FileKind::GridTracker,
        "bitmask.dat" => FileKind::Bitmap,
        "gaps.dat" => FileKind::GridGaps,
        "log_tracker.dat" => FileKind::GridLogTracker,
        _ if is_numbered(file, "page_", ".dat") => FileKind::GridPage,
        _ if is_numbered(file, "log_page_", ".dat") => FileKind::GridLogPage,
        _ => return None,
    })
}

/// A file of a flags directory (`deleted/`, `trues/`, `is_null/` …).
fn flags_file(file: &str) -> Option<FileKind> {
    match file {
        "status.dat" => Some(FileKind::Status),
        "flags_a.dat" | "flags_b.dat" => Some(FileKind::Bitmap),
        _ => None,
    }
}

fn id_tracker_file(file: &str) -> FileKind {
    match file {
        "mutable_id_tracker.mappings" => FileKind::IdMappingLog,
        "id_tracker.mappings" => FileKind::IdMappings,
        "id_tracker.versions" | "mutable_id_tracker.versions" => FileKind::IdVersions,
        "id_tracker.deleted" | "id_tracker.is_uuid" => FileKind::Bitmap,
        "id_tracker.i2e" | "id_tracker.e2i" => FileKind::Derived,
        _ => FileKind::Unknown,
    }
}

fn is_numbered(file: &str, prefix: &str, suffix: &str) -> bool {
    file.strip_prefix(prefix)
        .and_then(|rest| rest.strip_suffix(suffix))
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}
