//! The files of one owner (a segment, a shard, a collection) in two snapshots, by path.

use std::collections::{BTreeMap, BTreeSet};

use vectar_qdrant::Class;
use vectar_tar::CatalogueRow;

use super::body::BodyComparer;
use crate::{content::class_of, error::Error};

/// Files by their path below their owner. Of two entries with one path the last counts, as for whoever unpacks them.
pub(super) type Files<'r> = BTreeMap<String, &'r CatalogueRow>;

/// What became of a file or of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// Only the second snapshot has it.
    Added,
    /// Only the first one has it.
    Removed,
    /// Both have it, with other content.
    Changed,
    /// Both have it, and it is the same.
    Unchanged,
}

impl Fate {
    /// The word for it in tables and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
        }
    }
}

/// A file that is not the same in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDiff {
    /// Its path below its owner, without anything that the layout of the snapshot added.
    pub path: String,
    /// What its bytes are.
    pub class: Class,
    /// Added, removed or changed.
    pub fate: Fate,
    /// Its stored bytes in the first snapshot.
    pub old_bytes: u64,
    /// Its stored bytes in the second one.
    pub new_bytes: u64,
}

/// The files of one owner.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilesDiff {
    /// Those that are not the same, by path.
    pub files: Vec<FileDiff>,
    /// All of them, by class and fate.
    pub classes: ClassFates,
}

/// Files counted by class and by what became of them.
pub type ClassFates = BTreeMap<(Class, Fate), FateTotal>;

/// How many files, and their stored bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FateTotal {
    /// Files.
    pub files: u64,
    /// Their stored bytes in the first snapshot.
    pub old_bytes: u64,
    /// Their stored bytes in the second one.
    pub new_bytes: u64,
}

impl FilesDiff {
    pub(super) fn of(old: &Files<'_>, new: &Files<'_>, bodies: &BodyComparer<'_, '_>) -> Result<Self, Error> {
        let mut diff = Self::default();
        let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for path in paths {
            let (a, b) = (old.get(path), new.get(path));
            let fate = match (a, b) {
                (Some(a), Some(b)) if bodies.is_same(a, b)? => Fate::Unchanged,
                (Some(_), Some(_)) => Fate::Changed,
                (Some(_), None) => Fate::Removed,
                (None, _) => Fate::Added,
            };
            let class = a.or(b).and_then(|row| class_of(row)).unwrap_or(Class::Unknown);
            let len = |row: Option<&&CatalogueRow>| row.map_or(0, |row| row.len);
            diff.add(FileDiff { path: path.clone(), class, fate, old_bytes: len(a), new_bytes: len(b) });
        }
        Ok(diff)
    }

    fn add(&mut self, file: FileDiff) {
        let total = self.classes.entry((file.class, file.fate)).or_default();
        total.add(&FateTotal { files: 1, old_bytes: file.old_bytes, new_bytes: file.new_bytes });
        if file.fate != Fate::Unchanged {
            self.files.push(file);
        }
    }

    /// How many files met this fate.
    #[must_use]
    pub fn count(&self, fate: Fate) -> u64 {
        self.classes.iter().filter(|((_, met), _)| *met == fate).map(|(_, total)| total.files).sum()
    }

    /// Whether all files are the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

impl FateTotal {
    pub(super) fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.old_bytes += other.old_bytes;
        self.new_bytes += other.new_bytes;
    }
}
