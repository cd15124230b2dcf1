//! Collects the signs of a snapshot: from its entries, from a few small files, and from its outline.

use std::collections::BTreeMap;

use serde_json::Value;
use vectar_tar::{Catalogue, CatalogueRow, RowRole};

use crate::config::{CollectionConfig, Datatype, Distance, ShardingMethod};
use crate::entry::BodyPath;
use crate::json::{self, SMALL_JSON_BYTES_MAX};
use crate::outline::{CollectionOutline, SegmentOutline, ShardOutline};
use crate::part::{Part, RootPart, SegmentPart};
use crate::path::{Identity, SegmentLayout};
use crate::quantization::{BinaryEncoding, Quantization};
use crate::replica::{ReplicaState, ShardKind};
use crate::segment::{
    PayloadStorageKind, SegmentState, SparseIndexKind, SparseVectorState, VectorIndexKind, VectorState,
    VectorStorageKind,
};

use super::sign::{CompatCaveat, CompatSign};

/// The signs of one collection, each with the first place where it was seen.
#[derive(Debug, Default)]
pub(super) struct Signs {
    pub(super) signs: BTreeMap<CompatSign, String>,
    pub(super) caveats: BTreeMap<CompatCaveat, String>,
    /// Segments by shard and name. As many as the outline has.
    segments: BTreeMap<(Option<u32>, String), SegmentFiles>,
}

/// What kind of files a segment has.
#[derive(Debug, Default)]
struct SegmentFiles {
    has_rocksdb: bool,
    has_id_tracker: bool,
}

impl Signs {
    /// Signs of the rows of a catalogue, by the collection file they lie in; `None` outside of full snapshots.
    pub(super) fn by_collection(
        catalogue: &Catalogue,
        mut read_small: impl FnMut(&CatalogueRow) -> Option<Vec<u8>>,
    ) -> BTreeMap<Option<String>, Self> {
        let mut collections: BTreeMap<Option<String>, Self> = BTreeMap::new();
        for row in &catalogue.rows {
            let is_directory = row.head.entry().is_some_and(|entry| entry.is_directory());
            if is_directory || row.role == RowRole::Archive {
                continue;
            }
            let path = BodyPath::from(&row.head.path);
            let identity = Identity::of(&path);
            let signs = collections.entry(identity.collection_file.clone()).or_default();
            signs.see_row(row, &path, &identity, &mut read_small);
        }
        collections
    }

    fn see_row(
        &mut self,
        row: &CatalogueRow,
        path: &BodyPath,
        identity: &Identity,
        read_small: &mut impl FnMut(&CatalogueRow) -> Option<Vec<u8>>,
    ) {
        if row.head.entry().is_some_and(|entry| entry.is_sparse()) {
            self.see(CompatSign::SparseEntries, path);
        }
        if identity.layout == Some(SegmentLayout::Streamable) {
            self.see(CompatSign::StreamedSegments, path);
        }
        match identity.part {
            Part::Root(RootPart::ShardKeyMapping) => self.see_shard_keys(path, small_value(row, read_small).as_ref()),
            Part::Segment(part) => {
                self.see_segment_file(part, path, identity);
                if is_gridstore_config(identity)
                    && small_value(row, read_small).is_some_and(|config| config["mode"] == "append_only")
                {
                    self.see(CompatSign::AppendOnlyGridstore, path);
                }
            }
            _ => {}
        }
    }

    fn see_shard_keys(&mut self, path: &BodyPath, mapping: Option<&Value>) {
        match mapping {
            Some(Value::Array(keys)) if !keys.is_empty() => self.see(CompatSign::ShardKeyList, path),
            Some(Value::Object(keys)) if !keys.is_empty() => self.see(CompatSign::ShardKeyObject, path),
            Some(Value::Object(_)) => self.warn(CompatCaveat::ShardKeysEmptyObject, path),
            Some(Value::Array(_)) => {}
            _ => self.warn(CompatCaveat::StateUnread, path),
        }
    }

    fn see_segment_file(&mut self, part: SegmentPart, path: &BodyPath, identity: &Identity) {
        let Some(segment) = &identity.segment else { return };
        let files = self.segments.entry((identity.shard, segment.as_str().to_owned())).or_default();
        let below = identity.path.split_once('/').map_or("", |(_, below)| below);
        let sign = match part {
            SegmentPart::RocksDb => {
                files.has_rocksdb = true;
                return;
            }
            SegmentPart::IdTracker => {
                files.has_id_tracker = true;
                match identity.path.as_str() {
                    "id_tracker.i2e" => CompatSign::DiskIdTracker,
                    mutable if mutable.starts_with("mutable_") => CompatSign::MutableIdTracker,
                    _ => CompatSign::ImmutableIdTracker,
                }
            }
            SegmentPart::VectorStorage if below.starts_with("quantized_data/") => CompatSign::QuantizedChunks,
            SegmentPart::VectorIndex if below == "links_compressed.bin" => CompatSign::CompressedLinks,
            SegmentPart::VectorIndex if below == "links_comp_vec.bin" => CompatSign::LinksWithVectors,
            _ => return,
        };
        self.see(sign, path);
    }

    /// Adds what the outline of the collection says.
    pub(super) fn see_collection(&mut self, collection: &CollectionOutline) {
        if let Some(config) = &collection.config {
            self.see_config(config);
        }
        for (name, field) in collection.payload_schema.iter().flatten() {
            let sign = match field.kind.as_str() {
                "datetime" => Some(CompatSign::DatetimeIndex),
                "uuid" => Some(CompatSign::UuidIndex),
                "keyword" | "integer" | "float" | "geo" | "text" | "bool" => None,
                _ => {
                    self.warn(CompatCaveat::NameUnknown, format_args!("payload field {name}"));
                    None
                }
            };
            if let Some(sign) = sign {
                self.see(sign, format_args!("payload field {name}"));
            }
        }
        collection.shards.iter().for_each(|shard| self.see_shard(shard));
    }

    fn see_config(&mut self, config: &CollectionConfig) {
        let place = "config.json";
        if config.sharding_method == Some(ShardingMethod::Custom) {
            self.see(CompatSign::CustomSharding, place);
        }
        if !config.sparse_vectors.is_empty() {
            self.see(CompatSign::SparseVectors, place);
        }
        for vector in config.vectors.values() {
            self.see_distance(&vector.distance, place);
            self.see_datatype(vector.datatype.as_ref(), place);
            self.see_quantization(vector.quantization_config.as_ref(), place);
            if vector.multivector_config.is_some() {
                self.see(CompatSign::Multivectors, place);
            }
        }
        self.see_quantization(config.quantization.as_ref(), place);
    }

    fn see_shard(&mut self, shard: &ShardOutline) {
        let place = shard.id.map_or_else(|| "the shard".to_owned(), |id| format!("shard {id}"));
        match &shard.kind {
            Some(ShardKind::Other(_)) => self.warn(CompatCaveat::NameUnknown, &place),
            Some(ShardKind::Local | ShardKind::Remote | ShardKind::Temporary) => {
                self.see(CompatSign::BareShard, &place);
            }
            Some(ShardKind::ReplicaSet) => {}
            None => self.warn(CompatCaveat::StateUnread, format_args!("shard_config.json of {place}")),
        }
        let mut states = shard.replicas.iter().flat_map(|replicas| replicas.peers.values());
        if states.any(|state| matches!(state, ReplicaState::Other(_))) {
            self.warn(CompatCaveat::NameUnknown, &place);
        }
        shard.segments.iter().for_each(|segment| self.see_segment(shard, segment));
    }

    fn see_segment(&mut self, shard: &ShardOutline, segment: &SegmentOutline) {
        let place = format!("segment {}", segment.id);
        // A partial snapshot need not have it; that it is partial is said already.
        let Some(state) = &segment.state else {
            return self.warn(CompatCaveat::StateUnread, format_args!("segment.json of {place}"));
        };
        for vector in state.vectors.values() {
            self.see_vector(vector, &place);
        }
        for vector in state.sparse_vectors.values() {
            self.see(CompatSign::SparseVectors, &place);
            self.see_sparse_vector(vector, &place);
        }
        match &state.payload_storage {
            Some(PayloadStorageKind::InMemory | PayloadStorageKind::OnDisk) => {
                self.see(CompatSign::RocksDbStorage, &place);
            }
            Some(PayloadStorageKind::Mmap) => self.see(CompatSign::PayloadGridstore, &place),
            Some(PayloadStorageKind::InRamMmap) => self.see(CompatSign::PayloadInRam, &place),
            Some(PayloadStorageKind::Other(_)) => self.warn(CompatCaveat::NameUnknown, &place),
            None => {}
        }
        self.see_rocksdb(shard.id, segment, state, &place);
    }

    /// RocksDB is needed when the ids are in it: then there is a tree, points were written, and no id tracker has files.
    fn see_rocksdb(&mut self, shard: Option<u32>, segment: &SegmentOutline, state: &SegmentState, place: &str) {
        // The number of a shard snapshot's shard comes from outside; its entries do not have it.
        let named = |shard| self.segments.get(&(shard, segment.id.as_str().to_owned()));
        let Some(files) = named(shard).or_else(|| named(None)) else { return };
        let holds_ids = files.has_rocksdb && !files.has_id_tracker && state.version.is_some();
        let has_leftovers = files.has_rocksdb;
        if holds_ids {
            self.see(CompatSign::RocksDbStorage, place);
        } else if has_leftovers && !self.signs.contains_key(&CompatSign::RocksDbStorage) {
            self.warn(CompatCaveat::RocksDbLeftovers, place);
        }
    }

    fn see_vector(&mut self, vector: &VectorState, place: &str) {
        match &vector.storage_type {
            VectorStorageKind::Memory => self.see(CompatSign::RocksDbStorage, place),
            VectorStorageKind::InRamChunkedMmap => self.see(CompatSign::InRamChunks, place),
            VectorStorageKind::InRamMmap => self.see(CompatSign::InRamMmap, place),
            VectorStorageKind::Empty => self.see(CompatSign::EmptyStorage, place),
            VectorStorageKind::Mmap | VectorStorageKind::ChunkedMmap => {}
            VectorStorageKind::Other(_) => self.warn(CompatCaveat::NameUnknown, place),
        }
        if matches!(vector.index.kind, VectorIndexKind::Other(_)) {
            self.warn(CompatCaveat::NameUnknown, place);
        }
        if vector.multivector_config.is_some() {
            self.see(CompatSign::Multivectors, place);
        }
        self.see_distance(&vector.distance, place);
        self.see_datatype(vector.datatype.as_ref(), place);
        self.see_quantization(vector.quantization_config.as_ref(), place);
    }

    fn see_sparse_vector(&mut self, vector: &SparseVectorState, place: &str) {
        match vector.storage_type.as_deref() {
            Some("mmap") => self.see(CompatSign::SparseGridstore, place),
            Some("empty") => self.see(CompatSign::EmptyStorage, place),
            // What names no storage is in RocksDB.
            Some("on_disk") | None => self.see(CompatSign::RocksDbStorage, place),
            Some(_) => self.warn(CompatCaveat::NameUnknown, place),
        }
        if matches!(vector.index.index_type, SparseIndexKind::Other(_)) {
            self.warn(CompatCaveat::NameUnknown, place);
        }
        // Weights of smaller types came with the index, and are older than any storage that is told apart here.
        if matches!(vector.index.datatype, Some(Datatype::Other(_))) {
            self.warn(CompatCaveat::NameUnknown, place);
        }
    }

    fn see_distance(&mut self, distance: &Distance, place: &str) {
        match distance {
            Distance::Manhattan => self.see(CompatSign::Manhattan, place),
            Distance::Cosine | Distance::Euclid | Distance::Dot => {}
            Distance::Other(_) => self.warn(CompatCaveat::NameUnknown, place),
        }
    }

    fn see_datatype(&mut self, datatype: Option<&Datatype>, place: &str) {
        match datatype {
            Some(Datatype::Float16 | Datatype::Uint8) => self.see(CompatSign::SmallDatatypes, place),
            Some(Datatype::Turbo4) => self.see(CompatSign::Turbo4, place),
            Some(Datatype::Other(_)) => self.warn(CompatCaveat::NameUnknown, place),
            Some(Datatype::Float32) | None => {}
        }
    }

    fn see_quantization(&mut self, quantization: Option<&Quantization>, place: &str) {
        match quantization {
            Some(Quantization::Binary { encoding: Some(BinaryEncoding::OneBit), .. }) => {}
            Some(
                Quantization::Binary { encoding: Some(BinaryEncoding::Other(_)), .. } | Quantization::Other { .. },
            ) => {
                self.warn(CompatCaveat::NameUnknown, place);
            }
            Some(Quantization::Binary { encoding: Some(_), .. }) => self.see(CompatSign::BinaryEncoding, place),
            Some(Quantization::Binary { .. } | Quantization::Scalar { .. } | Quantization::Product { .. }) | None => {}
        }
    }

    fn see(&mut self, sign: CompatSign, place: impl ToString) {
        self.signs.entry(sign).or_insert_with(|| place.to_string());
    }

    pub(super) fn warn(&mut self, caveat: CompatCaveat, place: impl ToString) {
        self.caveats.entry(caveat).or_insert_with(|| place.to_string());
    }
}

fn is_gridstore_config(identity: &Identity) -> bool {
    let Identity { part: Part::Segment(part), path, .. } = identity else { return false };
    match part {
        SegmentPart::PayloadStorage => path == "payload_storage/config.json",
        SegmentPart::VectorStorage => path.ends_with("/store/config.json"),
        _ => false,
    }
}

/// Reads a small file without holes as JSON; `None` when it is none.
fn small_value(row: &CatalogueRow, read_small: &mut impl FnMut(&CatalogueRow) -> Option<Vec<u8>>) -> Option<Value> {
    let is_whole = row.role == (RowRole::Leaf { complete: true });
    let is_plain = row.head.entry().is_some_and(|entry| !entry.is_sparse());
    if !is_whole || !is_plain || row.len > SMALL_JSON_BYTES_MAX {
        return None;
    }
    json::parse(&read_small(row)?).ok()
}
