//! One tar level: where it ends, what applies to its next entry, which paths it had.

use crate::entry::EntryPath;
use crate::header::until_nul;
use crate::pax::{PaxRecords, PaxSize};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A tar level that has been entered.
pub(super) struct Level {
    pub(super) depth: u8,
    /// The path of the archive, which its entries' paths begin with.
    pub(super) path: EntryPath,
    /// The absolute offset behind its last byte; `None` for the outermost, which ends with the
    /// input.
    pub(super) end: Option<u64>,
    /// Declared bytes of its body that lie beyond the end of the level around it.
    pub(super) missing: u64,
    /// Padding that follows its body in the level around it.
    pub(super) padding: u64,
    pub(super) extensions: Extensions,
    pub(super) foreign_style_reported: bool,
    pub(super) duplicate_check_capped: bool,
    path_hashes: HashSet<u64>,
}

impl Level {
    pub(super) fn root() -> Self {
        Self::new(0, EntryPath::root(), None, 0, 0)
    }

    pub(super) fn new(depth: u8, path: EntryPath, end: Option<u64>, missing: u64, padding: u64) -> Self {
        Self {
            depth,
            path,
            end,
            missing,
            padding,
            extensions: Extensions::default(),
            foreign_style_reported: false,
            duplicate_check_capped: false,
            path_hashes: HashSet::new(),
        }
    }

    /// Returns how many paths are remembered.
    pub(super) fn paths(&self) -> usize {
        self.path_hashes.len()
    }

    /// Tells whether a path was met before in this level; two different paths agree by chance once
    /// in 2^64 pairs.
    pub(super) fn has_path(&self, hash: u64) -> bool {
        self.path_hashes.contains(&hash)
    }

    pub(super) fn remember_path(&mut self, hash: u64) {
        self.path_hashes.insert(hash);
    }
}

/// Returns a hash under which paths that name the same file are equal: `./a//b/` and `a/b`.
pub(super) fn path_hash(path: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.starts_with(b"/").hash(&mut hasher);
    for name in path.split(|&byte| byte == b'/').filter(|name| !matches!(*name, b"" | b".")) {
        name.hash(&mut hasher);
    }
    hasher.finish()
}

/// The records that describe the entry behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordKind {
    /// GNU `L`: the name of the next entry.
    LongName,
    /// GNU `K`: the link target of the next entry.
    LongLink,
    /// PAX `x`: keywords of the next entry.
    Pax,
    /// PAX `g`: keywords of all entries to come.
    PaxGlobal,
}

impl RecordKind {
    pub(super) fn of(type_flag: u8) -> Option<Self> {
        match type_flag {
            b'L' => Some(Self::LongName),
            b'K' => Some(Self::LongLink),
            b'x' => Some(Self::Pax),
            b'g' => Some(Self::PaxGlobal),
            _ => None,
        }
    }
}

/// What the records so far say about the next entry.
#[derive(Default)]
pub(super) struct Extensions {
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    local: Option<PaxRecords>,
    global: PaxRecords,
}

/// What applying a record came to.
pub(super) struct Applied {
    /// It replaced one that no entry had used.
    pub(super) replaced: bool,
    pub(super) malformed: bool,
    pub(super) gnu_sparse: bool,
}

/// What the records say about one entry, the most specific first: GNU names, the entry's PAX
/// header, the global ones.
pub(super) struct Overrides {
    pub(super) name: Option<Vec<u8>>,
    pub(super) link_name: Option<Vec<u8>>,
    pub(super) size: Option<PaxSize>,
}

impl Extensions {
    pub(super) fn apply(&mut self, kind: RecordKind, bytes: &[u8], name_bytes_max: usize) -> Applied {
        let name = || Some(until_nul(bytes).to_vec());
        let plain = |replaced| Applied { replaced, malformed: false, gnu_sparse: false };
        match kind {
            RecordKind::LongName => plain(std::mem::replace(&mut self.long_name, name()).is_some()),
            RecordKind::LongLink => plain(std::mem::replace(&mut self.long_link, name()).is_some()),
            RecordKind::Pax => {
                let mut records = PaxRecords::default();
                let malformed = !records.apply(bytes, name_bytes_max);
                let gnu_sparse = records.gnu_sparse;
                Applied { replaced: self.local.replace(records).is_some(), malformed, gnu_sparse }
            }
            RecordKind::PaxGlobal => {
                let malformed = !self.global.apply(bytes, name_bytes_max);
                Applied { replaced: false, malformed, gnu_sparse: false }
            }
        }
    }

    /// Takes what applies to the entry at hand; global keywords stay.
    pub(super) fn take(&mut self) -> Overrides {
        let local = self.local.take().unwrap_or_default();
        let global = &self.global;
        Overrides {
            name: self.long_name.take().or(local.path).or_else(|| global.path.clone()),
            link_name: self.long_link.take().or(local.link_path).or_else(|| global.link_path.clone()),
            size: local.size.or(global.size),
        }
    }

    /// Drops what no entry used and tells whether there was any.
    pub(super) fn take_unused(&mut self) -> bool {
        let name = self.long_name.take().is_some();
        let link = self.long_link.take().is_some();
        self.local.take().is_some() || name || link
    }
}
