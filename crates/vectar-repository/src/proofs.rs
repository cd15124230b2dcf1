//! Proofs: dated statements that a backup was shown to be good. They inform and decide nothing about bytes.

use std::collections::HashMap;

use jiff::Timestamp;
use vectar_backend::ListedObject;

use crate::{
    error::RepositoryError,
    fetch,
    format::{
        event::{DrillNote, Proof, SHOWN_BYTES, SHOWN_ENGINE},
        frame::{self, FrameKind},
        ids::BackupId,
        keys,
        record::RECORD_BYTES_MAX,
    },
    repository::{Repository, TOOL},
};

/// What was shown of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// When its bytes were last shown to come back: by a verification or by a drill.
    pub at: Timestamp,
    /// When Qdrant's own engine last loaded it, and what was compared then.
    pub drill: Option<(Timestamp, DrillNote)>,
}

impl Repository {
    /// Records that a backup was rebuilt, and whether there was a recorded SHA-256 to compare the bytes with.
    ///
    /// # Errors
    /// The storage refused it.
    pub fn add_proof(&self, backup: BackupId, sha256_compared: bool) -> Result<Proof, RepositoryError> {
        self.put_proof(backup, SHOWN_BYTES, sha256_compared, None)
    }

    /// Records that a backup came back, as [`add_proof`](Self::add_proof) does, and that Qdrant's own engine loaded it. The key of such a
    /// proof says that it is one.
    ///
    /// # Errors
    /// The storage refused it.
    pub fn add_drill_proof(
        &self,
        backup: BackupId,
        sha256_compared: bool,
        drill: DrillNote,
    ) -> Result<Proof, RepositoryError> {
        self.put_proof(backup, SHOWN_ENGINE, sha256_compared, Some(drill))
    }

    fn put_proof(
        &self,
        backup: BackupId,
        shown: &str,
        sha256_compared: bool,
        drill: Option<DrillNote>,
    ) -> Result<Proof, RepositoryError> {
        let at = self.environment.now();
        let client = self.environment.client();
        let suffix = self.random_suffix();
        let key = match drill {
            None => keys::proof(&backup, at.as_millisecond(), &suffix),
            Some(_) => keys::drill_proof(&backup, at.as_millisecond(), &suffix),
        };
        let (shown, tool) = (shown.to_owned(), TOOL.to_owned());
        let proof = Proof { at, backup, shown, sha256_compared: Some(sha256_compared), client, tool, drill };
        self.put_small(&key, frame::encode(FrameKind::Proof, &proof))?;
        Ok(proof)
    }

    /// When each backup was last shown to be good. The answer is in the keys, so this is one listing.
    ///
    /// # Errors
    /// The listing failed.
    pub fn proven_at(&self) -> Result<HashMap<BackupId, Timestamp>, RepositoryError> {
        let mut newest: HashMap<BackupId, Timestamp> = HashMap::new();
        for object in self.list(&keys::proofs())? {
            if let Some((id, at)) = keys::proof_of(&object.key) {
                newest.entry(id).and_modify(|known| *known = at.max(*known)).or_insert(at);
            }
        }
        Ok(newest)
    }

    /// What is shown of each backup: when it was last proven, and by its last drill what. One listing, and of each backup that was drilled
    /// one object. A drill whose object cannot be read counts as a proof of the bytes.
    ///
    /// # Errors
    /// The listing failed.
    pub fn proofs(&self) -> Result<HashMap<BackupId, Proven>, RepositoryError> {
        let mut proven: HashMap<BackupId, Proven> = HashMap::new();
        let mut drills: HashMap<BackupId, (Timestamp, ListedObject)> = HashMap::new();
        for object in self.list(&keys::proofs())? {
            let Some((id, at)) = keys::proof_of(&object.key) else { continue };
            let known = proven.entry(id).or_insert(Proven { at, drill: None });
            known.at = known.at.max(at);
            if keys::is_drill_proof(&object.key) && drills.get(&id).is_none_or(|(known, _)| *known < at) {
                drills.insert(id, (at, object));
            }
        }
        let objects: Vec<ListedObject> = drills.into_values().map(|(_, object)| object).collect();
        let read = |object: &ListedObject| {
            let bytes = self.backend.get(&object.key, RECORD_BYTES_MAX).ok()?;
            frame::decode::<Proof>(FrameKind::Proof, &bytes)
                .inspect_err(|error| tracing::warn!(key = %object.key, %error, "a proof is damaged"))
                .ok()
        };
        for proof in fetch::all(&objects, read).into_iter().flatten() {
            if let (Some(known), Some(note)) = (proven.get_mut(&proof.backup), proof.drill) {
                known.drill = Some((proof.at, note));
            }
        }
        Ok(proven)
    }
}
