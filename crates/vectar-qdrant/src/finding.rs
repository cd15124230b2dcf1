//! What is wrong with a snapshot, as data: readers report everything they see instead of stopping at the first fault.

use std::fmt;

use serde::Serialize;

use crate::error::QdrantError;

/// Most findings that are kept for one snapshot; the rest is counted. Enough to see what is wrong, few enough to read.
pub const FINDINGS_MAX: usize = 1000;

/// How much a finding matters, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingLevel {
    /// Worth knowing; nothing is wrong.
    Note,
    /// Not what Qdrant writes by itself, yet it may be harmless.
    Suspicious,
    /// Qdrant will load the snapshot and silently lack something.
    DataLoss,
    /// Bytes are not what they must be: Qdrant refuses the snapshot, or answers wrongly from it.
    Damage,
}

impl FindingLevel {
    /// The name shown to users and written to JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Suspicious => "suspicious",
            Self::DataLoss => "data-loss",
            Self::Damage => "damage",
        }
    }
}

impl fmt::Display for FindingLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One thing that is wrong, or worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub level: FindingLevel,
    /// The file it is about, below its owner (segment, shard or collection); the owner completes it.
    pub object: String,
    /// What was found, with what was expected.
    pub what: String,
    /// What it means for a restore.
    pub consequence: String,
    /// What to do.
    pub advice: String,
}

impl Finding {
    /// The finding that something could not be read: damage, unless this version merely does not know how to. `directory` stands before the
    /// path that the error names.
    pub fn unreadable(directory: &str, error: &QdrantError) -> Self {
        let object = |path: &str| format!("{directory}{path}");
        match error {
            QdrantError::FileMissing { path } => Self {
                level: FindingLevel::Damage,
                object: object(path),
                what: "is missing".to_owned(),
                consequence: "Qdrant cannot load what it belongs to".to_owned(),
                advice: "restore from another backup, or make the snapshot again".to_owned(),
            },
            QdrantError::NotReadable { path, what } => Self {
                level: FindingLevel::Note,
                object: object(path),
                what: what.clone(),
                consequence: "what it holds was not checked".to_owned(),
                advice: "a Qdrant of the version that wrote it can tell".to_owned(),
            },
            QdrantError::NotKnown { path, what } => Self {
                level: FindingLevel::Suspicious,
                object: object(path),
                what: what.clone(),
                consequence: "a Qdrant that does not know it either cannot load what it belongs to; what it holds was not checked".to_owned(),
                advice: "if no newer version wrote it, it is damaged: restore from another backup".to_owned(),
            },
            QdrantError::FileDamaged { path, offset, what } => Self {
                level: FindingLevel::Damage,
                object: object(path),
                what: format!("byte {offset}: {what}"),
                consequence: "Qdrant cannot load what it belongs to, or answers wrongly from it".to_owned(),
                advice: "restore from another backup, or make the snapshot again".to_owned(),
            },
            error => Self {
                level: FindingLevel::Damage,
                object: directory.to_owned(),
                what: error.reason(),
                consequence: "Qdrant cannot load what it belongs to".to_owned(),
                advice: "restore from another backup, or make the snapshot again".to_owned(),
            },
        }
    }
}

/// Findings in the order they were made, bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// At most [`FINDINGS_MAX`].
    pub list: Vec<Finding>,
    /// How many more there were.
    pub more: u64,
    /// Worst level of all, those that were not kept included.
    pub worst: Option<FindingLevel>,
}

impl Findings {
    /// Adds a finding.
    pub fn add(&mut self, finding: Finding) {
        self.worst = self.worst.max(Some(finding.level));
        if self.list.len() < FINDINGS_MAX {
            self.list.push(finding);
        } else {
            self.more += 1;
        }
    }

    /// Adds what was found in a part, with `prefix` before the name of each object.
    pub fn append(&mut self, part: Findings, prefix: &str) {
        self.worst = self.worst.max(part.worst);
        self.more += part.more;
        for mut finding in part.list {
            finding.object.insert_str(0, prefix);
            self.add(finding);
        }
    }
}
