//! What somebody who restores must know before they begin.

use serde::{Deserialize, Serialize};

/// How grave it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConcernLevel {
    /// Good to know; the plan takes care of it.
    Note,
    /// Something to look at; the restore can go on.
    Warning,
    /// Data lacks. Nothing is prepared unless gaps are allowed.
    Gap,
    /// Nothing is prepared.
    Refusal,
}

impl ConcernLevel {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Gap => "gap",
            Self::Refusal => "refusal",
        }
    }
}

/// One thing to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concern {
    /// How grave it is.
    pub level: ConcernLevel,
    /// What it is, for scripts: `missing-shards`, `custom-sharding`, …
    pub code: String,
    /// The collection it is about; none when it is about all of them.
    #[serde(default)]
    pub collection: Option<String>,
    /// What is so, in one sentence.
    pub text: String,
    /// Why that matters, or how it is known.
    pub reason: String,
}

/// Takes concerns down.
#[derive(Debug, Default)]
pub(super) struct Concerns {
    pub(super) all: Vec<Concern>,
}

impl Concerns {
    /// Adds one about a collection.
    pub(super) fn about(
        &mut self,
        collection: &str,
        level: ConcernLevel,
        code: &str,
        text: impl Into<String>,
        reason: impl Into<String>,
    ) {
        let collection = Some(collection.to_owned());
        self.all.push(Concern { level, code: code.to_owned(), collection, text: text.into(), reason: reason.into() });
    }

    /// Adds one about everything.
    pub(super) fn general(
        &mut self,
        level: ConcernLevel,
        code: &str,
        text: impl Into<String>,
        reason: impl Into<String>,
    ) {
        let (code, text, reason) = (code.to_owned(), text.into(), reason.into());
        let concern = Concern { level, code, collection: None, text, reason };
        // What holds for several collections is said once.
        if !self.all.contains(&concern) {
            self.all.push(concern);
        }
    }
}
