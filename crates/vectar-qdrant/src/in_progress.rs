//! Names of files that Qdrant is still writing, or has left behind dead.

use std::fmt;

/// Why a path is not a finished snapshot. Tell users which one it was: a collection may be *called* `tmp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InProgress {
    /// Below a scratch directory: `tmp`, `snapshots_temp` (v1.3, v1.4) or `snapshots_recovery_tmp`.
    ScratchDirectory,
    /// `*.tmp`: the snapshot or its checksum on its way into place (v1.18.0+).
    BeingWritten,
    /// `*.snapshot-arc-*`, `*.snapshot-temp-*`, `*.snapshot-target-*` (up to v1.11.3), `*.snapshot-*.tar`.
    BeingArchived,
    /// `*.download`: a file up to v1.16, a directory since v1.17.0; also `partial-snapshot*.download`.
    BeingDownloaded,
    /// `col-*-recovery-*`: a collection snapshot being unpacked.
    BeingRecovered,
    /// `config-*.json`: the mapping of a full snapshot that is being made, or whose making failed.
    FullSnapshotMapping,
}

impl InProgress {
    /// The pattern that matched, as a shell would spell it.
    pub fn pattern(self) -> &'static str {
        match self {
            Self::ScratchDirectory => "tmp/",
            Self::BeingWritten => "*.tmp",
            Self::BeingArchived => "*.snapshot-*",
            Self::BeingDownloaded => "*.download",
            Self::BeingRecovered => "col-*-recovery-*",
            Self::FullSnapshotMapping => "config-*.json",
        }
    }
}

impl fmt::Display for InProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.pattern())
    }
}

/// Says why a file is not a finished snapshot, or `None` when nothing speaks against it.
///
/// `path` is relative to the directory that is searched, with `/` between components: what lies above it is none of
/// Qdrant's business, and a search below `/tmp` must find something. Sources: `qdrant v1.19.0
/// lib/collection/src/operations/snapshot_storage_ops.rs`, `lib/collection/src/collection/snapshots.rs`,
/// `lib/storage/src/content_manager/snapshots/`.
pub fn in_progress(path: &str) -> Option<InProgress> {
    let (directories, file) = path.rsplit_once('/').unwrap_or(("", path));
    directories.split('/').find_map(directory_in_progress).or_else(|| name_in_progress(file))
}

/// Whether a file is being written or dead: [`in_progress`] without the reason.
pub fn is_in_progress(path: &str) -> bool {
    in_progress(path).is_some()
}

fn directory_in_progress(name: &str) -> Option<InProgress> {
    match name {
        "tmp" | "snapshots_temp" | "snapshots_recovery_tmp" => Some(InProgress::ScratchDirectory),
        _ => name_in_progress(name),
    }
}

fn name_in_progress(name: &str) -> Option<InProgress> {
    if name.ends_with(".tmp") {
        return Some(InProgress::BeingWritten);
    }
    if name.ends_with(".download") {
        return Some(InProgress::BeingDownloaded);
    }
    let archived = [".snapshot-arc-", ".snapshot-temp-", ".snapshot-target-"];
    let staged = name.strip_suffix(".tar").is_some_and(|stem| stem.contains(".snapshot-"));
    if staged || archived.iter().any(|infix| name.contains(infix)) {
        return Some(InProgress::BeingArchived);
    }
    if name.starts_with("col-") && name.contains("-recovery-") && !name.ends_with(".snapshot") {
        return Some(InProgress::BeingRecovered);
    }
    if name.starts_with("config-") && name.ends_with(".json") {
        return Some(InProgress::FullSnapshotMapping);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_names_are_told_apart() {
        for (path, expected) in [
            ("tmp/notes-1-2026-11-20-16-24-36.snapshot", InProgress::ScratchDirectory),
            ("notes/tmp/upload/x.snapshot", InProgress::ScratchDirectory),
            ("snapshots_recovery_tmp/a/b", InProgress::ScratchDirectory),
            ("notes/notes-1-2026-11-20-16-24-36.tmp", InProgress::BeingWritten),
            ("notes/notes-1-2026-11-20-16-24-36.snapshot.tmp", InProgress::BeingWritten),
            ("x.snapshot-arc-Ab12Cd", InProgress::BeingArchived),
            ("x.snapshot-temp-Ab12Cd/0/segments", InProgress::BeingArchived),
            ("x.snapshot-target-Ab12Cd", InProgress::BeingArchived),
            ("x.snapshot-Ab12Cd.tar", InProgress::BeingArchived),
            ("partial-snapshot-1.download", InProgress::BeingDownloaded),
            ("snapshot-x.download/y.snapshot", InProgress::BeingDownloaded),
            ("col-notes-recovery-Ab12Cd/0/shard_config.json", InProgress::BeingRecovered),
            ("config-2026-11-20-16-24-36.json", InProgress::FullSnapshotMapping),
        ] {
            assert_eq!(in_progress(path), Some(expected), "{path}");
            assert!(is_in_progress(path));
        }
    }

    #[test]
    fn finished_snapshots_pass() {
        for path in [
            "notes/notes-1-2026-11-20-16-24-36.snapshot",
            "notes/shards/0/notes-shard-0-2026-11-20-16-24-36.snapshot",
            "tmp.snapshot",
            "config.json",
            "notes/notes-1-2026-11-20-16-24-36.snapshot.checksum",
            "col-a-recovery-b-1-2026-11-20-16-24-36.snapshot",
        ] {
            assert_eq!(in_progress(path), None, "{path}");
        }
    }
}
