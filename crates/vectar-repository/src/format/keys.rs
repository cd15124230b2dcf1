//! Where each object lies: the only place that knows the repository's key layout.
//!
//! ```text
//! config                     packs/ab/ab12…           backups/<id>/<seq>       forgotten/<id>
//! intents/<nonce>            pending/<id>             events/<time>-<nonce>    proofs/<id>/<time>-<nonce>
//! notes/<id>/…               condemned/<pack>         quarantine/<pack>        reserve
//! ```

use jiff::Timestamp;
use vectar_backend::{KeyPrefix, ObjectKey};

use super::ids::{BackupId, IngestNonce, PackId};

fn key(text: String) -> ObjectKey {
    ObjectKey::parse(&text).expect("layout keys use lower-case letters, digits, '-' and '.' only")
}

fn prefix(text: &str) -> KeyPrefix {
    KeyPrefix::parse(text).expect("layout prefixes use lower-case letters only")
}

/// `config`.
#[must_use]
pub fn config() -> ObjectKey {
    key("config".to_owned())
}

/// `packs/ab/ab12…`: a pack; the two-digit folder keeps directories small.
#[must_use]
pub fn pack(id: &PackId) -> ObjectKey {
    let name = id.to_string();
    key(format!("packs/{}/{name}", &name[..2]))
}

/// `backups/<id>/<seq>`: one record. `seq` is written with ten digits so that names sort by number.
#[must_use]
pub fn record(id: &BackupId, seq: u32) -> ObjectKey {
    key(format!("backups/{id}/{seq:010}"))
}

/// `intents/<nonce>`: an ingest under way.
#[must_use]
pub fn intent(nonce: &IngestNonce) -> ObjectKey {
    key(format!("intents/{nonce}"))
}

/// `pending/<id>`: what a backup about to be published relies on.
#[must_use]
pub fn pending(id: &BackupId) -> ObjectKey {
    key(format!("pending/{id}"))
}

/// `events/<time>-<nonce>`: who did what, when. `time` is milliseconds since 1970 with fifteen digits.
#[must_use]
pub fn event(unix_ms: i64, suffix: &str) -> ObjectKey {
    key(format!("events/{:015}-{suffix}", unix_ms.max(0)))
}

/// `proofs/<id>/<time>-<nonce>`: a dated statement that a backup was verified.
#[must_use]
pub fn proof(id: &BackupId, unix_ms: i64, suffix: &str) -> ObjectKey {
    key(format!("proofs/{id}/{:015}-{suffix}", unix_ms.max(0)))
}

/// All packs.
#[must_use]
pub fn packs() -> KeyPrefix {
    prefix("packs")
}

/// All records of all backups.
#[must_use]
pub fn records() -> KeyPrefix {
    prefix("backups")
}

/// All events, oldest first.
#[must_use]
pub fn events() -> KeyPrefix {
    prefix("events")
}

/// All proofs, grouped by backup, oldest first.
#[must_use]
pub fn proofs() -> KeyPrefix {
    prefix("proofs")
}

/// All marks that prune set: `condemned/<pack>`.
#[must_use]
pub fn condemned() -> KeyPrefix {
    prefix("condemned")
}

/// All damaged packs that were set aside: `quarantine/<pack>`.
#[must_use]
pub fn quarantine() -> KeyPrefix {
    prefix("quarantine")
}

/// All ingests under way.
#[must_use]
pub fn intents() -> KeyPrefix {
    prefix("intents")
}

/// Everything a repository holds.
#[must_use]
pub fn everything() -> KeyPrefix {
    KeyPrefix::everything()
}

/// Reads a pack's name out of `packs/ab/ab12…`, `condemned/ab12…` or `quarantine/ab12…`.
#[must_use]
pub fn pack_id_of(key: &ObjectKey) -> Option<PackId> {
    last_segment(key).parse().ok()
}

/// Reads id and sequence number out of `backups/<id>/<seq>`.
#[must_use]
pub fn record_of(key: &ObjectKey) -> Option<(BackupId, u32)> {
    let mut parts = key.as_str().strip_prefix("backups/")?.split('/');
    let id = parts.next()?.parse().ok()?;
    let seq = parts.next()?;
    let number = seq.parse().ok()?;
    (parts.next().is_none() && seq.len() == 10).then_some((id, number))
}

/// Reads the backup's id and the time out of `proofs/<id>/<time>-<nonce>`.
#[must_use]
pub fn proof_of(key: &ObjectKey) -> Option<(BackupId, Timestamp)> {
    let (id, rest) = key.as_str().strip_prefix("proofs/")?.split_once('/')?;
    let unix_ms = rest.split_once('-')?.0.parse().ok()?;
    Some((id.parse().ok()?, Timestamp::from_millisecond(unix_ms).ok()?))
}

fn last_segment(key: &ObjectKey) -> &str {
    key.as_str().rsplit('/').next().expect("rsplit yields at least one part")
}
