//! Builds an outline, entry by entry, in the order of the snapshot.

use std::collections::BTreeMap;

use crate::class::Class;
use crate::classifier::Classifier;
use crate::collection_files::{FullMapping, read_manifest_file_count, read_payload_schema, read_shard_key_mapping};
use crate::config::CollectionConfig;
use crate::entry::{Entry, EntryRole};
use crate::error::QdrantError;
use crate::fingerprint::Fingerprint;
use crate::json::Tolerant;
use crate::part::{Part, RootPart, SegmentPart, ShardPart};
use crate::path::{Identity, SegmentId, SegmentLayout};
use crate::replica::{ReplicaSetState, ShardKind, read_applied_seq};
use crate::segment::{PayloadIndexConfig, SegmentState};
use crate::storage_config::GridstoreConfig;
use crate::version::VersionSign;

use super::reader::{ReadBody, SmallReader};
use super::structure::Structure;
use super::tree::OutlineTree;
use super::{ClassTotals, SnapshotKind, SnapshotOutline, WalFile};

/// An outline in the making.
#[derive(Debug, Default)]
pub(super) struct OutlineBuilder {
    reader: SmallReader,
    /// Only classes are asked of it, which need no lessons.
    classifier: Classifier,
    fingerprint: Fingerprint,
    structure: Structure,
    totals: ClassTotals,
    tree: OutlineTree,
    mapping: Option<FullMapping>,
}

impl OutlineBuilder {
    /// Takes in one entry; `read` gives its bytes and is called for small files only.
    pub(super) fn add(&mut self, entry: &Entry, read: ReadBody<'_>) {
        if entry.role == EntryRole::Directory {
            self.fingerprint.see_directory(&entry.path);
            return;
        }
        let identity = Identity::of(&entry.path);
        if let EntryRole::Archive { made_in_memory, has_trailer } = entry.role {
            self.structure.see(&identity);
            self.add_archive(&identity, entry, made_in_memory, has_trailer);
            return;
        }
        let class = self.classifier.label(&entry.path, entry.size).class;
        self.totals.add_body(class, entry.size);
        self.structure.see(&identity);
        self.fingerprint.see_body(&identity, entry.role);
        match identity.part {
            Part::Root(part) => self.add_root_file(part, &identity, entry, read),
            Part::Shard(part) => self.add_shard_file(part, &identity, entry, class, read),
            Part::Segment(part) => self.add_segment_file(part, &identity, entry, class, read),
            Part::Unknown => {}
        }
    }

    /// Closes the outline of a snapshot of `snapshot_bytes`.
    pub(super) fn finish(mut self, snapshot_bytes: u64) -> SnapshotOutline {
        let kind = self.structure.kind(self.mapping.is_some());
        let framing_bytes = snapshot_bytes.saturating_sub(self.totals.stored_bytes());
        self.totals.add_framing(framing_bytes);
        let aliases = self.name_collections();
        let mut collections = self.tree.finish();
        match kind {
            SnapshotKind::Unknown => collections.clear(),
            // Whatever lies outside the collection files of a full snapshot is no collection.
            SnapshotKind::Full => collections.retain(|collection| collection.file.is_some()),
            _ => {}
        }
        let has_all_files = kind != SnapshotKind::ShardPartial;
        let shards = collections.iter().flat_map(|collection| &collection.shards);
        for segment in shards.flat_map(|shard| &shard.segments) {
            self.fingerprint.see_segment(segment.state.as_ref(), has_all_files);
        }
        SnapshotOutline {
            kind,
            bytes: snapshot_bytes,
            points_live: None,
            written_by: self.fingerprint.conclude(),
            collections,
            aliases,
            classes: self.totals,
            unread: self.reader.unread,
            unread_more: self.reader.unread_more,
        }
    }

    /// Gives each collection of a full snapshot its name, and returns the aliases.
    fn name_collections(&mut self) -> BTreeMap<String, String> {
        let Some(mapping) = self.mapping.take() else {
            return BTreeMap::new();
        };
        for (name, file) in mapping.collections {
            match self.tree.known_collection_mut(&file) {
                Some(collection) => collection.name = Some(name),
                None => self.reader.note(
                    "config.json".to_owned(),
                    "/collections_mapping".to_owned(),
                    format!("collection {name:?} should lie in {file:?}, which is not in the snapshot"),
                ),
            }
        }
        mapping.aliases
    }

    fn add_archive(&mut self, identity: &Identity, entry: &Entry, made_in_memory: bool, has_trailer: Option<bool>) {
        let bytes = entry.size.stored_bytes;
        match identity.part {
            Part::Root(RootPart::CollectionSnapshot) => {
                self.tree.add_collection_file(&identity.path, bytes);
            }
            Part::Shard(ShardPart::SegmentArchive) => {
                self.fingerprint.see_segment_tar(made_in_memory, has_trailer);
                self.tree.segment_mut(identity, &archived_segment(identity)).bytes += bytes;
            }
            _ => {}
        }
    }

    fn add_root_file(&mut self, part: RootPart, identity: &Identity, entry: &Entry, read: ReadBody<'_>) {
        let config = match part {
            RootPart::Config => self.reader.read(entry, read, read_root_config),
            _ => None,
        };
        if let Some(RootConfig::Mapping(mapping)) = config {
            self.mapping = Some(self.reader.accept(entry, mapping));
            return;
        }
        let file = match part {
            RootPart::CollectionSnapshot => Some(identity.path.as_str()),
            _ => identity.collection_file.as_deref(),
        };
        let collection = self.tree.collection_mut(file);
        collection.bytes += entry.size.stored_bytes;
        if let Some(RootConfig::Collection(config)) = config {
            let config = self.reader.accept(entry, *config);
            self.fingerprint.see_config(&config);
            collection.config = Some(config);
        }
        match part {
            RootPart::ShardKeyMapping => {
                let keys = self.reader.read(entry, read, read_shard_key_mapping);
                collection.shard_keys = keys.unwrap_or_default();
                // A hash map in the server: its order says nothing and differs from peer to peer.
                collection.shard_keys.sort_by(|a, b| a.key.cmp(&b.key));
            }
            RootPart::PayloadIndex => {
                collection.payload_schema = self.reader.read_tolerant(entry, read, read_payload_schema);
            }
            RootPart::Config | RootPart::VersionInfo | RootPart::CollectionSnapshot => {}
        }
    }

    fn add_shard_file(
        &mut self,
        part: ShardPart,
        identity: &Identity,
        entry: &Entry,
        class: Class,
        read: ReadBody<'_>,
    ) {
        if part == ShardPart::SegmentArchive {
            // Its tar could not be split, or not to its end; in the second case the archive was counted already.
            let segment = self.tree.segment_mut(identity, &archived_segment(identity));
            segment.classes.add_body(class, entry.size);
            segment.bytes = segment.bytes.max(entry.size.stored_bytes);
            return;
        }
        let shard = self.tree.shard_mut(identity);
        shard.bytes += entry.size.stored_bytes;
        match part {
            ShardPart::ReplicaState => {
                shard.replicas = self.reader.read_tolerant(entry, read, ReplicaSetState::read);
            }
            ShardPart::ShardConfig => shard.kind = self.reader.read(entry, read, ShardKind::read),
            ShardPart::AppliedSeq => shard.applied_seq = self.reader.read(entry, read, read_applied_seq),
            ShardPart::NewestClocks => shard.has_newest_clocks = true,
            ShardPart::OldestClocks => shard.has_oldest_clocks = true,
            ShardPart::WalSegment => {
                if shard.has_newest_clocks || shard.has_oldest_clocks {
                    self.fingerprint.see(VersionSign::ClocksBeforeWal);
                }
                shard.wal.push(WalFile {
                    name: identity.path.trim_start_matches("wal/").to_owned(),
                    bytes: entry.size.stored_bytes,
                    logical_bytes: entry.size.logical_bytes,
                });
            }
            ShardPart::SegmentsManifest | ShardPart::WalFirstIndex | ShardPart::SegmentArchive => {}
        }
    }

    fn add_segment_file(
        &mut self,
        part: SegmentPart,
        identity: &Identity,
        entry: &Entry,
        class: Class,
        read: ReadBody<'_>,
    ) {
        let Some(id) = &identity.segment else { return };
        let segment = self.tree.segment_mut(identity, id);
        segment.layout = identity.layout;
        segment.classes.add_body(class, entry.size);
        if identity.layout == Some(SegmentLayout::Streamable) {
            segment.bytes += entry.size.stored_bytes;
        }
        match part {
            SegmentPart::State => {
                segment.state = self.reader.read_tolerant(entry, read, SegmentState::read);
                segment.appendable = segment.state.as_ref().and_then(SegmentState::is_appendable);
            }
            SegmentPart::Manifest => {
                segment.manifest_files = self.reader.read(entry, read, read_manifest_file_count);
            }
            SegmentPart::PayloadIndex if identity.path == "payload_index/config.json" => {
                let config = self.reader.read_tolerant(entry, read, PayloadIndexConfig::read);
                let config = config.unwrap_or_default();
                if config.has_index_types {
                    self.fingerprint.see(VersionSign::IndexTypes);
                }
                segment.indexed_fields = config.fields;
                segment.payload_schema = config.schema;
            }
            SegmentPart::PayloadStorage if identity.path == "payload_storage/config.json" => {
                let config = self.reader.read(entry, read, GridstoreConfig::read);
                if config.is_some_and(|config| config.has_mode) {
                    self.fingerprint.see(VersionSign::GridstoreMode);
                }
            }
            _ => {}
        }
    }
}

/// What a `config.json` at a root turned out to be.
enum RootConfig {
    Mapping(Tolerant<FullMapping>),
    Collection(Box<Tolerant<CollectionConfig>>),
}

fn read_root_config(bytes: &[u8]) -> Result<RootConfig, QdrantError> {
    match FullMapping::read(bytes)? {
        Some(mapping) => Ok(RootConfig::Mapping(mapping)),
        None => CollectionConfig::read(bytes).map(|config| RootConfig::Collection(Box::new(config))),
    }
}

/// The segment whose tar this is.
fn archived_segment(identity: &Identity) -> SegmentId {
    let name = identity.path.strip_prefix("segments/").unwrap_or(&identity.path);
    SegmentId::new(name.strip_suffix(".tar").unwrap_or(name))
}
