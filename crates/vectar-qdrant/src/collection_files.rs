//! The other files at a root: shard keys, payload schema, and the mapping of a full snapshot.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::QdrantError;
use crate::json::{self, Sections, Tolerant};

/// A shard key of custom sharding: text or a number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ShardKey {
    /// A number.
    Number(u64),
    /// Text.
    Keyword(String),
}

impl fmt::Display for ShardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Keyword(text) => write!(f, "\"{}\"", text.escape_debug()),
        }
    }
}

/// The shards of one shard key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardKeyShards {
    /// The key.
    pub key: ShardKey,
    /// Its shards.
    pub shard_ids: Vec<u32>,
}

/// Reads `shard_key_mapping.json` (v1.7.0+; `qdrant v1.19.0 lib/collection/src/shards/shard_holder/shard_mapping.rs`):
/// the list of today, or the object of v1.7.0 to v1.13, whose keys are all text. Empty without custom sharding.
///
/// # Errors
///
/// When the bytes have neither shape.
pub fn read_shard_key_mapping(bytes: &[u8]) -> Result<Vec<ShardKeyShards>, QdrantError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum File {
        List(Vec<ShardKeyShards>),
        Object(BTreeMap<String, Vec<u32>>),
    }
    Ok(match json::parse(bytes)? {
        File::List(keys) => keys,
        File::Object(keys) => {
            keys.into_iter().map(|(key, shard_ids)| ShardKeyShards { key: ShardKey::Keyword(key), shard_ids }).collect()
        }
    })
}

/// How one payload field is indexed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PayloadField {
    /// `keyword`, `integer`, `float`, `geo`, `text`, `bool`, `datetime`, `uuid`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether points of one value are kept together (v1.11.0+).
    pub is_tenant: Option<bool>,
    /// Whether the index stays on disk.
    pub on_disk: Option<bool>,
    /// All parameters as they are written, `type` included; empty for the short spelling. Not part of reports.
    #[serde(skip_serializing)]
    pub params: Map<String, Value>,
}

impl<'de> Deserialize<'de> for PayloadField {
    /// Takes both spellings: `"keyword"` and `{"type":"keyword","is_tenant":true}`.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Parameters {
            r#type: String,
            is_tenant: Option<bool>,
            on_disk: Option<bool>,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Schema {
            Plain(String),
            Parameters(Map<String, Value>),
        }
        Ok(match Schema::deserialize(deserializer)? {
            Schema::Plain(kind) => Self { kind, is_tenant: None, on_disk: None, params: Map::new() },
            Schema::Parameters(params) => {
                let Parameters { r#type: kind, is_tenant, on_disk } =
                    Parameters::deserialize(&params).map_err(serde::de::Error::custom)?;
                Self { kind, is_tenant, on_disk, params }
            }
        })
    }
}

/// The indexed payload fields of a collection by name.
pub type PayloadSchema = BTreeMap<String, PayloadField>;

/// Reads `payload_index.json` (v1.7.0+; `qdrant v1.19.0 lib/collection/src/collection/payload_index_schema.rs`).
///
/// # Errors
///
/// When the bytes are not a JSON object of at most [`SMALL_JSON_BYTES_MAX`](crate::SMALL_JSON_BYTES_MAX).
pub fn read_payload_schema(bytes: &[u8]) -> Result<Tolerant<PayloadSchema>, QdrantError> {
    let mut sections = Sections::open(bytes)?;
    let schema = sections.read_members("/schema").into_iter().collect();
    Ok(sections.finish(schema))
}

/// `config.json` of a full snapshot (`qdrant v1.19.0 lib/storage/src/content_manager/snapshots/mod.rs`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FullMapping {
    /// Snapshot file by collection. Both names are hostile: compare them with entries, never join them to a path.
    pub collections: BTreeMap<String, String>,
    /// Collection by alias.
    pub aliases: BTreeMap<String, String>,
}

impl FullMapping {
    /// Reads the file. `None` when it is JSON, but the configuration of a collection and no mapping.
    ///
    /// # Errors
    ///
    /// When the bytes are not a JSON object of at most [`SMALL_JSON_BYTES_MAX`](crate::SMALL_JSON_BYTES_MAX).
    pub fn read(bytes: &[u8]) -> Result<Option<Tolerant<Self>>, QdrantError> {
        let mut sections = Sections::open(bytes)?;
        if !sections.has("/collections_mapping") {
            return Ok(None);
        }
        let mapping = Self {
            collections: sections.read_members("/collections_mapping").into_iter().collect(),
            aliases: sections.read_members("/collections_aliases").into_iter().collect(),
        };
        Ok(Some(sections.finish(mapping)))
    }
}

/// Reads `segment_manifest.json` of a partial snapshot just far enough to count: how many files the segment has, whether
/// or not the snapshot holds them.
///
/// # Errors
///
/// When the bytes are not a JSON object with `file_versions`.
pub fn read_manifest_file_count(bytes: &[u8]) -> Result<u64, QdrantError> {
    #[derive(Deserialize)]
    struct File {
        file_versions: BTreeMap<String, Value>,
    }
    json::parse::<File>(bytes).map(|file| file.file_versions.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shard_keys_in_both_shapes() {
        let list = read_shard_key_mapping(br#"[{"key":"acme","shard_ids":[1]},{"key":42,"shard_ids":[3,4]}]"#).unwrap();
        let shown: Vec<_> = list.iter().map(|entry| format!("{} {:?}", entry.key, entry.shard_ids)).collect();
        assert_eq!(shown, ["\"acme\" [1]", "42 [3, 4]"]);
        let object = read_shard_key_mapping(br#"{"42":[3],"acme":[1]}"#).unwrap();
        let shown: Vec<_> = object.iter().map(|entry| format!("{} {:?}", entry.key, entry.shard_ids)).collect();
        assert_eq!(shown, ["\"42\" [3]", "\"acme\" [1]"]);
        assert_eq!(read_shard_key_mapping(b"[]").unwrap(), []);
        assert_eq!(read_shard_key_mapping(b"{}").unwrap(), []);
        assert!(read_shard_key_mapping(b"7").is_err());
    }

    #[test]
    fn payload_schema_in_both_spellings() {
        let text = br#"{"schema":{"a":"keyword","b":{"type":"integer","is_tenant":true,"lookup":true},"c":7}}"#;
        let schema = read_payload_schema(text).unwrap();
        assert_eq!(schema.value["a"].kind, "keyword");
        assert_eq!(schema.value["b"].is_tenant, Some(true));
        assert_eq!(schema.unread[0].pointer, "/schema/c");
    }

    #[test]
    fn a_mapping_is_told_from_a_configuration() {
        assert_eq!(FullMapping::read(br#"{"params":{}}"#).unwrap(), None);
        let text = br#"{"collections_mapping":{"a":"a.snapshot"},"collections_aliases":{"x":"a"}}"#;
        let mapping = FullMapping::read(text).unwrap().unwrap().value;
        assert_eq!(mapping.collections["a"], "a.snapshot");
        assert_eq!(mapping.aliases["x"], "a");
    }
}
