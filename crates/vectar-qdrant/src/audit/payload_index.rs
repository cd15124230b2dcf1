//! The indexes of payload fields, `payload_index/`: derived data, but a segment does not load when a part of one is missing.
//!
//! `config.json` is `{"indexed_fields":{"<field>":<schema>…},"indexed_types":{"<field>":[{"index_type","mutability","storage_type"}…]}}`
//! (`qdrant v1.19.0 lib/segment/src/index/payload_config.rs`; `indexed_types` since v1.15.0). Each index type of each field has a directory
//! `<24 characters of a hash>-<field>-<family>`:
//!
//! | family | index types | a segment that takes points | a built one |
//! |---|---|---|---|
//! | `map` | keyword, int_map, uuid_map, geo | Gridstore | `values_to_points.bin`, `point_to_values.bin`, `deleted.bin`, `mmap_field_index_config.json`; geo: `counts_per_hash.bin`, `points_map.bin`, `points_map_ids.bin`, `point_to_values.bin`, `deleted.bin`, `mmap_field_index_stats.json` |
//! | `numeric` | int, float, datetime, uuid | Gridstore | `data.bin`, `point_to_values.bin`, `deleted.bin`, `mmap_field_index_config.json`, `histogram_config.json`, `histogram_borders.bin` |
//! | `text` | full_text | Gridstore | `postings.dat`, `vocab.dat`, `point_to_tokens_count.dat`, `deleted_points.dat` |
//! | `bool` | bool | flags `trues/`, `falses/` | the same |
//! | `null` | null (v1.15.0+) | flags `has_values/`, `is_null/` | the same |
//!
//! Seen on v1.18.3: `deleted.bin` has a bit for each row, in whole words of 8 bytes. Later versions replace some of these files; where a
//! replacement is known it counts as the file.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::collection_files::PayloadSchema;
use crate::error::QdrantError;
use crate::finding::{Finding, FindingLevel, Findings};
use crate::json::{self, SMALL_JSON_BYTES_MAX};
use crate::storage::{FaultKind, Gridstore, StorageFiles, StoredFile, audit_flags, is_zero};

const DIRECTORY: &str = "payload_index/";
const CONFIG: &str = "payload_index/config.json";

const REBUILD: &str = "take another snapshot, or restore an older one; the payloads themselves are not concerned";

const BROKEN: FaultKind = FaultKind {
    level: FindingLevel::Damage,
    what: "a payload index is not complete",
    consequence: "Qdrant does not load the segment, or builds the index again",
    advice: REBUILD,
};

const DIFFERS: FaultKind = FaultKind {
    level: FindingLevel::Suspicious,
    what: "the indexed fields are not those of the collection",
    consequence: "Qdrant builds or drops indexes when it loads the segment; filters may be slow until then",
    advice: "create the index of the field again after the restore, if it is missing",
};

/// `config.json`.
#[derive(Deserialize)]
struct ConfigFile {
    indexed_fields: BTreeMap<String, Value>,
    #[serde(default)]
    indexed_types: BTreeMap<String, Vec<IndexType>>,
}

#[derive(Deserialize)]
struct IndexType {
    index_type: String,
    storage_type: Value,
}

impl IndexType {
    /// What the name of its directory ends in; `None` for a type that is not known, or that has no directory.
    fn family(&self) -> Option<&'static str> {
        if self.storage_type.as_str() == Some("rocks_db") {
            return None;
        }
        Some(match self.index_type.as_str() {
            "int_index" | "datetime_index" | "float_index" | "uuid_index" => "numeric",
            "int_map_index" | "keyword_index" | "uuid_map_index" | "geo_index" => "map",
            "full_text_index" => "text",
            "bool_index" => "bool",
            "null_index" => "null",
            _ => return None,
        })
    }
}

/// Looks at the indexes of a segment of `rows` rows. `schema` is what the collection indexes, where that is known.
pub(super) fn audit(files: &dyn StorageFiles, rows: u64, schema: Option<&PayloadSchema>, findings: &mut Findings) {
    let directories: BTreeSet<String> = directories(files);
    match read_config(files) {
        Ok(config) => {
            if let Some(schema) = schema {
                fields(&config, schema, findings);
            }
            families(&config, &directories, findings);
        }
        Err(QdrantError::FileMissing { .. }) if directories.is_empty() && schema.is_none_or(BTreeMap::is_empty) => {}
        Err(QdrantError::FileMissing { .. }) => {
            findings.add(DIFFERS.finding(CONFIG, "is missing, and fields are indexed".to_owned()));
        }
        // What is no JSON is among what the outline could not read.
        Err(error @ QdrantError::FileUnreadable { .. }) => findings.add(Finding::unreadable("", &error)),
        Err(error) => findings.add(BROKEN.finding(CONFIG, error.reason())),
    }
    for directory in directories {
        index(files, &directory, rows, findings);
    }
}

fn read_config(files: &dyn StorageFiles) -> Result<ConfigFile, QdrantError> {
    let file = files.open(CONFIG).ok_or_else(|| QdrantError::FileMissing { path: CONFIG.to_owned() })?;
    json::parse(&file.read_all(SMALL_JSON_BYTES_MAX)?)
}

/// The directories of indexes. A RocksDB lies in `payload_index/` itself.
fn directories(files: &dyn StorageFiles) -> BTreeSet<String> {
    let paths = files.list(DIRECTORY).into_iter();
    let named = paths.filter_map(|path| {
        let (name, _) = path.strip_prefix(DIRECTORY)?.split_once('/')?;
        Some(format!("{DIRECTORY}{name}"))
    });
    named.collect()
}

/// Compares the fields with the schema of the collection, and both with each other.
fn fields(config: &ConfigFile, schema: &PayloadSchema, findings: &mut Findings) {
    let mut differs = |what: String| findings.add(DIFFERS.finding(CONFIG, what));
    for (field, wanted) in schema {
        match config.indexed_fields.get(field).map(|field| kind_of(field)) {
            None => differs(format!("lacks field {field:?} of the collection")),
            Some(Some(kind)) if kind != wanted.kind => {
                differs(format!("field {field:?} is indexed as {kind}, by the collection as {}", wanted.kind));
            }
            Some(_) => {}
        }
    }
    for field in config.indexed_fields.keys().filter(|field| !schema.contains_key(*field)) {
        differs(format!("has field {field:?}, which the collection does not index"));
    }
}

/// `"keyword"`, or `{"type":"keyword",…}`.
fn kind_of(schema: &Value) -> Option<&str> {
    schema.as_str().or_else(|| schema.get("type")?.as_str())
}

/// Whether there are as many directories of each family as the types of the fields need.
fn families(config: &ConfigFile, directories: &BTreeSet<String>, findings: &mut Findings) {
    for field in config.indexed_types.keys().filter(|field| !config.indexed_fields.contains_key(*field)) {
        findings.add(DIFFERS.finding(CONFIG, format!("has index types of field {field:?}, which is not indexed")));
    }
    if config.indexed_types.len() < config.indexed_fields.len() && !config.indexed_types.is_empty() {
        findings.add(DIFFERS.finding(CONFIG, "lacks the index types of some fields".to_owned()));
    }
    let mut expected: BTreeMap<&str, usize> = BTreeMap::new();
    for kind in config.indexed_types.values().flatten() {
        match kind.family() {
            Some(family) => *expected.entry(family).or_default() += 1,
            None if kind.storage_type.as_str() == Some("rocks_db") => {}
            None => {
                let what = format!("index type {:?} is none that is known", crate::error::brief(&kind.index_type));
                findings.add(DIFFERS.finding(CONFIG, what));
            }
        }
    }
    for (family, expected) in expected {
        let found = directories.iter().filter(|name| name.ends_with(&format!("-{family}"))).count();
        if found < expected {
            let what = format!("{found} indexes of the family {family}, expected {expected}");
            findings.add(BROKEN.finding(DIRECTORY, what));
        }
    }
}

/// Looks at the files of one index.
fn index(files: &dyn StorageFiles, directory: &str, rows: u64, findings: &mut Findings) {
    let has = |name: &str| files.open(&format!("{directory}/{name}")).is_some();
    let family = directory.rsplit('-').next().unwrap_or_default();
    match family {
        "null" => flags(files, directory, ["has_values", "is_null"], rows, findings),
        "bool" => flags(files, directory, ["trues", "falses"], rows, findings),
        "map" | "numeric" | "text" => match parts_of(family, &has) {
            None => gridstore(files, directory, findings),
            Some(parts) => parts.iter().for_each(|part| one_part(files, directory, part, rows, findings)),
        },
        _ => {}
    }
}

/// The files of an index of a built segment; `None` when it is a Gridstore. An alternative stands behind `|`.
fn parts_of(family: &str, has: &dyn Fn(&str) -> bool) -> Option<&'static [&'static str]> {
    const MAP: &[&str] = &[
        "values_to_points.bin",
        "point_to_values.bin",
        "deleted.bin|deleted_mask.bin",
        "mmap_field_index_config.json",
    ];
    const GEO: &[&str] = &[
        "counts_per_hash.bin",
        "points_map.bin",
        "points_map_ids.bin",
        "point_to_values.bin",
        "deleted.bin|deleted_mask.bin",
        "mmap_field_index_stats.json",
    ];
    const NUMERIC: &[&str] = &[
        "data.bin",
        "point_to_values.bin",
        "deleted.bin|deleted_mask.bin",
        "mmap_field_index_config.json",
        "histogram_config.json",
        "histogram_borders.bin",
    ];
    const TEXT: &[&str] =
        &["postings.dat", "vocab.dat", "point_to_tokens_count.dat", "deleted_points.dat|deleted_mask.dat"];
    // Two files of each tell it from a Gridstore, so that one may be missing.
    let (parts, signs) = match family {
        "map" if has("counts_per_hash.bin") || has("points_map_ids.bin") => {
            (GEO, ["counts_per_hash.bin", "points_map_ids.bin"])
        }
        "map" => (MAP, ["values_to_points.bin", "point_to_values.bin"]),
        "numeric" => (NUMERIC, ["data.bin", "point_to_values.bin"]),
        _ => (TEXT, ["postings.dat", "vocab.dat"]),
    };
    signs.iter().any(|name| has(name)).then_some(parts)
}

fn gridstore(files: &dyn StorageFiles, directory: &str, findings: &mut Findings) {
    match Gridstore::open(files, directory) {
        Ok(store) => store.audit(findings, &mut |_, _| Ok(())),
        Err(error) => findings.add(Finding::unreadable("", &error)),
    }
}

fn one_part(files: &dyn StorageFiles, directory: &str, part: &str, rows: u64, findings: &mut Findings) {
    let file = part.split('|').find_map(|name| files.open(&format!("{directory}/{name}")));
    let name = part.split('|').next().unwrap_or(part);
    let path = format!("{directory}/{name}");
    let Some(file) = file else {
        return findings.add(BROKEN.finding(&path, format!("{path} is missing")));
    };
    if name.ends_with(".json") {
        let parsed =
            file.read_all(SMALL_JSON_BYTES_MAX).and_then(|bytes| json::parse::<BTreeMap<String, IgnoredAny>>(&bytes));
        if let Err(error) = parsed {
            findings.add(BROKEN.finding(file.path(), error.reason()));
        }
    }
    let deleted_bytes = rows.div_ceil(64) * 8;
    if name == "deleted.bin" && file.path() == path && file.len() != deleted_bytes {
        let what = format!("{} bytes, expected {deleted_bytes} for {rows} rows", file.len());
        findings.add(BROKEN.finding(&path, what));
    }
    // Points behind the last one with a text have no count.
    if name == "point_to_tokens_count.dat" && (file.len() > rows * 8 || !file.len().is_multiple_of(8)) {
        let what = format!("{} bytes, expected at most {} in words for {rows} rows", file.len(), rows * 8);
        findings.add(BROKEN.finding(&path, what));
    }
    if ["point_to_values.bin", "values_to_points.bin", "postings.dat", "vocab.dat"].contains(&name) && file.is_empty() {
        findings.add(BROKEN.finding(&path, "the file is empty".to_owned()));
    }
    if !name.starts_with("deleted") && !name.ends_with(".json") && is_zero(&file).unwrap_or(false) {
        findings.add(BROKEN.finding(&path, format!("all {} bytes are zero", file.len())));
    }
    if name == "histogram_config.json" {
        numeric_values(files, directory, &file, findings);
    }
}

/// An index of numbers has a record of 16 bytes for each value, of 32 where a value has 16.
fn numeric_values(files: &dyn StorageFiles, directory: &str, histogram: &StoredFile<'_>, findings: &mut Findings) {
    #[derive(Deserialize)]
    struct Histogram {
        total_count: u64,
    }
    let parsed = histogram.read_all(SMALL_JSON_BYTES_MAX).and_then(|bytes| json::parse::<Histogram>(&bytes));
    let (Ok(Histogram { total_count }), Some(data)) = (parsed, files.open(&format!("{directory}/data.bin"))) else {
        return;
    };
    let fits = |record_bytes: u64| total_count.checked_mul(record_bytes) == Some(data.len());
    if !fits(16) && !fits(32) {
        let what = format!("{} bytes, and {} counts {total_count} values", data.len(), histogram.path());
        findings.add(BROKEN.finding(data.path(), what));
    }
}

/// Two directories of flags, which together are an index.
fn flags(files: &dyn StorageFiles, directory: &str, names: [&str; 2], rows: u64, findings: &mut Findings) {
    // Later versions may write them otherwise: then neither is there.
    let is_there = |name: &&str| !files.list(&format!("{directory}/{name}/")).is_empty();
    if names.iter().all(|name| !is_there(name)) {
        return;
    }
    for name in names {
        audit_flags(files, &format!("{directory}/{name}"), rows, &BROKEN, findings);
    }
}
