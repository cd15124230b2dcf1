//! Where each object lies: the only place that knows the repository's key layout.
//!
//! ```text
//! config                          packs/ab/ab12…             backups/<id>/<seq>        forgotten/<id>
//! intents/<nonce>                 pending/<id>               events/<time>-<suffix>    proofs/<id>/<time>-<suffix>
//! intents/<nonce>.<time>-<suffix> notes/<id>/<time>-<suffix> condemned/<pack>          proofs/packs/<time>-<suffix>
//! quarantine/<pack>               reserve
//! ```
//!
//! `<time>` is milliseconds since 1970 with fifteen digits, `<suffix>` is random.

use jiff::Timestamp;
use vectar_backend::{KeyPrefix, ObjectKey};

use super::ids::{BackupId, IngestNonce, PackId};

fn key(text: String) -> ObjectKey {
    ObjectKey::parse(&text).expect("layout keys use lower-case letters, digits, '-' and '.' only")
}

fn prefix(text: &str) -> KeyPrefix {
    KeyPrefix::parse(text).expect("layout prefixes use lower-case letters and digits only")
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

/// `intents/<nonce>.<time>-<suffix>`: a prune saw the intent, and how many packs its ingest had written by then.
#[must_use]
pub fn intent_seen(nonce: &IngestNonce, unix_ms: i64, suffix: &str) -> ObjectKey {
    key(format!("intents/{nonce}.{:015}-{suffix}", unix_ms.max(0)))
}

/// `forgotten/<id>`: a backup that was set aside and can be taken back.
#[must_use]
pub fn forgotten(id: &BackupId) -> ObjectKey {
    key(format!("forgotten/{id}"))
}

/// `notes/<id>/<time>-<suffix>`: a tag, a text or a pin, given after the backup was stored.
#[must_use]
pub fn note(id: &BackupId, unix_ms: i64, suffix: &str) -> ObjectKey {
    key(format!("notes/{id}/{:015}-{suffix}", unix_ms.max(0)))
}

/// `condemned/<pack>`: prune will remove this pack once the grace is over.
#[must_use]
pub fn mark(pack: &PackId) -> ObjectKey {
    key(format!("condemned/{pack}"))
}

/// `quarantine/<pack>`: the bytes of a damaged pack, set aside.
#[must_use]
pub fn quarantined(pack: &PackId) -> ObjectKey {
    key(format!("quarantine/{pack}"))
}

/// `reserve`: bytes without meaning that prune gives up when the storage is full.
#[must_use]
pub fn reserve() -> ObjectKey {
    key("reserve".to_owned())
}

/// `proofs/packs/<time>-<suffix>`: packs that a check read without a finding.
#[must_use]
pub fn pack_proof(unix_ms: i64, suffix: &str) -> ObjectKey {
    key(format!("proofs/packs/{:015}-{suffix}", unix_ms.max(0)))
}

/// `events/<time>-<suffix>`: who did what, when.
#[must_use]
pub fn event(unix_ms: i64, suffix: &str) -> ObjectKey {
    key(format!("events/{:015}-{suffix}", unix_ms.max(0)))
}

/// `proofs/<id>/<time>-<suffix>`: a dated statement that a backup was verified.
#[must_use]
pub fn proof(id: &BackupId, unix_ms: i64, suffix: &str) -> ObjectKey {
    key(format!("proofs/{id}/{:015}-{suffix}", unix_ms.max(0)))
}

/// `proofs/<id>/<time>-<suffix>-drill`: a dated statement that Qdrant's own engine loaded a backup.
#[must_use]
pub fn drill_proof(id: &BackupId, unix_ms: i64, suffix: &str) -> ObjectKey {
    key(format!("proofs/{id}/{:015}-{suffix}{DRILL_ENDING}", unix_ms.max(0)))
}

/// What the names of proofs end with that a drill left. Readers that do not know it see a proof like any other.
const DRILL_ENDING: &str = "-drill";

/// Whether a proof is that of a drill.
#[must_use]
pub fn is_drill_proof(key: &ObjectKey) -> bool {
    key.as_str().ends_with(DRILL_ENDING)
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

/// All records of one backup.
#[must_use]
pub fn records_of(id: &BackupId) -> KeyPrefix {
    prefix(&format!("backups/{id}"))
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

/// All ingests that are about to publish a record.
#[must_use]
pub fn pendings() -> KeyPrefix {
    prefix("pending")
}

/// All backups that were set aside.
#[must_use]
pub fn all_forgotten() -> KeyPrefix {
    prefix("forgotten")
}

/// All notes, grouped by backup, oldest first.
#[must_use]
pub fn notes() -> KeyPrefix {
    prefix("notes")
}

/// All notes of packs that were proven, oldest first.
#[must_use]
pub fn pack_proofs() -> KeyPrefix {
    prefix("proofs/packs")
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

/// Reads the backup's id and the time out of `proofs/<id>/<time>-<suffix>`.
#[must_use]
pub fn proof_of(key: &ObjectKey) -> Option<(BackupId, Timestamp)> {
    let (id, rest) = key.as_str().strip_prefix("proofs/")?.split_once('/')?;
    let unix_ms = rest.split_once('-')?.0.parse().ok()?;
    Some((id.parse().ok()?, Timestamp::from_millisecond(unix_ms).ok()?))
}

/// Reads the backup's id out of `pending/<id>` or `forgotten/<id>`.
#[must_use]
pub fn backup_of(key: &ObjectKey) -> Option<BackupId> {
    last_segment(key).parse().ok()
}

/// Reads the backup's id out of `notes/<id>/<time>-<suffix>`.
#[must_use]
pub fn note_of(key: &ObjectKey) -> Option<BackupId> {
    key.as_str().strip_prefix("notes/")?.split_once('/')?.0.parse().ok()
}

/// Reads the nonce out of `intents/<nonce>` or `intents/<nonce>.<time>-<suffix>`, and whether it is the latter.
#[must_use]
pub fn intent_of(key: &ObjectKey) -> Option<(IngestNonce, bool)> {
    let name = key.as_str().strip_prefix("intents/")?;
    let (nonce, seen) = name.split_once('.').map_or((name, false), |(nonce, _)| (nonce, true));
    Some((nonce.parse().ok()?, seen))
}

fn last_segment(key: &ObjectKey) -> &str {
    key.as_str().rsplit('/').next().expect("rsplit yields at least one part")
}
