//! Text objects and the names of objects.

use std::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};
use vectar_backend::{KeyPrefix, ObjectKey};
use vectar_chunk::{CutParameters, cut_all};
use vectar_repository::format::{
    annotation::Annotation,
    config::Config,
    event::{Event, Proof},
    forgotten::Forgotten,
    frame::{self, FrameKind},
    ingest_marks::{Intent, Pending, Void},
    keys,
    mark::{IntentSeen, Mark},
    record::BackupRecord,
};

use super::{Verdict, mend};

/// A configuration that is read is one that a repository can work by.
pub(super) fn check_config(input: &[u8]) -> Verdict {
    config(&mend::frame("config", input));
    config(input)
}

fn config(input: &[u8]) -> Verdict {
    let decoded = Config::decode(input);
    if let Ok(config) = &decoded {
        assert_eq!(Config::decode(&config.encode()).as_ref(), Ok(config), "a configuration changes on its way");
        config.id_key().expect("a configuration that was read has a key");
        cuts_tile(&config.cut_parameters().expect("a configuration that was read has sizes"));
    }
    Verdict::of(&decoded)
}

/// Whatever sizes a configuration may name: the chunks of a body tile it.
fn cuts_tile(parameters: &CutParameters) {
    let body: Vec<u8> = (0..5000_u32).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
    for rule in [
        parameters.rows_rule(4, 100),
        parameters.blocks_rule(128),
        parameters.rebuilt_rule(),
        parameters.framing_rule(),
        parameters.opaque_rule(),
        parameters.small_rule(),
    ] {
        let mut end = 0;
        for range in cut_all(&rule, &body) {
            assert!(range.start == end && range.end > range.start, "{rule:?} leaves a gap at {end}");
            end = range.end;
        }
        assert_eq!(end, body.len(), "{rule:?} leaves an end");
    }
}

/// A record that is read is written again as the same record.
pub(super) fn check_record(input: &[u8]) -> Verdict {
    record(&mend::frame("record", input));
    record(input)
}

fn record(input: &[u8]) -> Verdict {
    let decoded = BackupRecord::decode(input);
    if let Ok(record) = &decoded {
        assert_eq!(BackupRecord::decode(&record.encode()).as_ref(), Ok(record), "a record changes on its way");
        assert!(record.taken_or_stored_at() <= record.stored_at, "a forged time moves a backup into the future");
    }
    Verdict::of(&decoded)
}

/// All other text objects: what is read as one kind is written again as the same value, and is read as no other kind.
pub(super) fn check_frames(input: &[u8]) -> Verdict {
    let verdicts = [
        both::<Void>(FrameKind::Void, input),
        both::<Intent>(FrameKind::Intent, input),
        both::<Pending>(FrameKind::Pending, input),
        both::<Event>(FrameKind::Event, input),
        both::<Proof>(FrameKind::Proof, input),
        both::<Forgotten>(FrameKind::Forgotten, input),
        both::<Annotation>(FrameKind::Note, input),
        both::<Mark>(FrameKind::Mark, input),
        both::<IntentSeen>(FrameKind::IntentSeen, input),
    ];
    let accepted = verdicts.iter().filter(|verdict| **verdict == Verdict::Accepted).count();
    assert!(accepted <= 1, "one object is read as {accepted} kinds");
    verdicts.into_iter().fold(Verdict::Refused, Verdict::or)
}

fn both<T: Serialize + DeserializeOwned + PartialEq + Debug>(kind: FrameKind, input: &[u8]) -> Verdict {
    text::<T>(kind, &mend::frame(kind.name(), input));
    text::<T>(kind, input)
}

fn text<T: Serialize + DeserializeOwned + PartialEq + Debug>(kind: FrameKind, input: &[u8]) -> Verdict {
    let decoded = frame::decode::<T>(kind, input);
    if let Ok(value) = &decoded {
        let again = frame::decode::<T>(kind, &frame::encode(kind, value));
        assert_eq!(again.as_ref(), Ok(value), "an object changes on its way");
    }
    Verdict::of(&decoded)
}

/// What a storage lists: a key that is taken is safe to join to a path, and what is read out of it leads back to it.
pub(super) fn check_keys(input: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(input) else { return Verdict::Refused };
    let _ = KeyPrefix::parse(text);
    let parsed = ObjectKey::parse(text);
    if let Ok(key) = &parsed {
        assert_eq!(key.as_str(), text);
        assert!(key.segments().all(|segment| !segment.is_empty() && !segment.starts_with('.')), "{key} climbs");
        read_names(key);
    }
    Verdict::of(&parsed)
}

fn read_names(key: &ObjectKey) {
    if let Some((id, seq)) = keys::record_of(key) {
        assert_eq!(keys::record(&id, seq), *key, "two names of one record");
    }
    if let Some((nonce, false)) = keys::intent_of(key) {
        assert_eq!(keys::intent(&nonce), *key, "two names of one intent");
    }
    if let Some(id) = keys::backup_of(key) {
        assert!(key.as_str().ends_with(&id.to_string()), "two names of one backup");
    }
    if let Some(id) = keys::pack_id_of(key) {
        assert!(key.as_str().ends_with(&id.to_string()), "two names of one pack");
    }
    let _ = (keys::proof_of(key), keys::note_of(key));
}
