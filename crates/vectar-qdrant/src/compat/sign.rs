//! What in a snapshot decides which versions can load it.
//!
//! Qdrant checks no version of its own when it loads a snapshot: `version.info` holds crate versions that froze long ago.
//! An older server fails on what it cannot parse or find, a newer one on what it has given up. Each sign here is such a
//! thing, with the first version that can read it, or with the versions that still can.
//!
//! | Given up | Rewritten on load by | No longer read by | Settled by |
//! |---|---|---|---|
//! | shards without a replica set | 0.11 and later | 1.14.0 | qdrant pull request 6016 |
//! | shard keys as an object | 1.15.4 and later | 1.17.0 | qdrant pull requests 7047, 7110, 7564, 7565; 1.18.3 says "invalid type: map, expected a sequence" |
//! | RocksDB storages | 1.16.1 and later | 1.18.0 | qdrant pull requests 7551, 7683; the Linux binaries of GitHub's release page lacked RocksDB up to 1.16.3 (issue 8180) |
//!
//! Where a minimum is not exact to the patch, the newest candidate is taken: what we call restorable is restorable.

use std::fmt;

use serde::Serialize;

use crate::version::QdrantVersion;

/// Something in a snapshot that not every version can load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CompatSign {
    /// A sparse vector.
    SparseVectors,
    /// A distance of `Manhattan`.
    Manhattan,
    /// Custom sharding.
    CustomSharding,
    /// An index over dates.
    DatetimeIndex,
    /// Elements of one or two bytes.
    SmallDatatypes,
    /// A multivector.
    Multivectors,
    /// `id_tracker.mappings`.
    ImmutableIdTracker,
    /// An index over UUIDs.
    UuidIndex,
    /// A GNU sparse entry.
    SparseEntries,
    /// A segment that is not in a tar of its own.
    StreamedSegments,
    /// `InRamChunkedMmap` storage.
    InRamChunks,
    /// Payloads in a Gridstore.
    PayloadGridstore,
    /// Sparse vectors in a Gridstore.
    SparseGridstore,
    /// `links_compressed.bin`.
    CompressedLinks,
    /// Shard keys as a list, and not an empty one.
    ShardKeyList,
    /// `mutable_id_tracker.*`.
    MutableIdTracker,
    /// Binary quantization with more than a bit for each dimension.
    BinaryEncoding,
    /// `links_comp_vec.bin`.
    LinksWithVectors,
    /// Quantized vectors in chunk files.
    QuantizedChunks,
    /// Payloads in a Gridstore that is kept in memory.
    PayloadInRam,
    /// `InRamMmap` storage.
    InRamMmap,
    /// Elements of four bits.
    Turbo4,
    /// A disk id tracker.
    DiskIdTracker,
    /// A Gridstore that is only appended to.
    AppendOnlyGridstore,
    /// A vector storage without files.
    EmptyStorage,
    /// A shard that is no replica set.
    BareShard,
    /// Shard keys as an object, and not an empty one.
    ShardKeyObject,
    /// Ids, vectors or payloads in RocksDB.
    RocksDbStorage,
}

/// Which versions can load something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompatBound {
    /// This one and later ones.
    AtLeast(QdrantVersion),
    /// Those before `before`; of them those from `rewritten_from` on bring it into the form that later ones read.
    Before {
        /// First version that cannot load it.
        before: QdrantVersion,
        /// First version that rewrites it when it loads it.
        rewritten_from: QdrantVersion,
    },
}

impl CompatBound {
    /// The version that the bound names.
    pub fn version(self) -> QdrantVersion {
        match self {
            Self::AtLeast(version) | Self::Before { before: version, .. } => version,
        }
    }

    const fn since(major: u16, minor: u16, patch: u16) -> Self {
        Self::AtLeast(QdrantVersion::new(major, minor, patch))
    }
}

/// How a bound is known. Nothing here was tried with servers of every version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CompatEvidence {
    /// Read in Qdrant's sources, tag by tag.
    Source,
    /// Stated by Qdrant's maintainers in a public issue or pull request, or reported there by others.
    Report,
}

impl CompatSign {
    /// Which versions can load it.
    pub fn bound(self) -> CompatBound {
        use CompatBound as Bound;
        match self {
            Self::SparseVectors | Self::Manhattan | Self::CustomSharding => Bound::since(1, 7, 0),
            Self::DatetimeIndex => Bound::since(1, 8, 0),
            Self::SmallDatatypes => Bound::since(1, 9, 0),
            Self::Multivectors => Bound::since(1, 10, 0),
            Self::ImmutableIdTracker | Self::UuidIndex => Bound::since(1, 11, 0),
            Self::SparseEntries => Bound::since(1, 11, 4),
            Self::StreamedSegments | Self::InRamChunks => Bound::since(1, 12, 0),
            Self::PayloadGridstore => Bound::since(1, 12, 4),
            Self::SparseGridstore => Bound::since(1, 12, 6),
            Self::CompressedLinks => Bound::since(1, 13, 0),
            Self::ShardKeyList => Bound::since(1, 13, 1),
            Self::MutableIdTracker => Bound::since(1, 13, 5),
            Self::BinaryEncoding => Bound::since(1, 15, 0),
            Self::LinksWithVectors => Bound::since(1, 15, 3),
            Self::QuantizedChunks => Bound::since(1, 15, 5),
            Self::PayloadInRam => Bound::since(1, 16, 0),
            Self::InRamMmap => Bound::since(1, 17, 0),
            Self::Turbo4 => Bound::since(1, 18, 2),
            Self::DiskIdTracker | Self::AppendOnlyGridstore | Self::EmptyStorage => Bound::since(1, 19, 0),
            Self::BareShard => wall((1, 14, 0), (0, 11, 0)),
            Self::ShardKeyObject => wall((1, 17, 0), (1, 15, 4)),
            Self::RocksDbStorage => wall((1, 18, 0), (1, 16, 1)),
        }
    }

    /// How the bound is known.
    pub fn evidence(self) -> CompatEvidence {
        match self {
            Self::SparseGridstore | Self::ShardKeyObject | Self::BareShard => CompatEvidence::Report,
            _ => CompatEvidence::Source,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::SparseVectors => "sparse vectors",
            Self::Manhattan => "Manhattan distance",
            Self::CustomSharding => "custom sharding",
            Self::DatetimeIndex => "a datetime index",
            Self::SmallDatatypes => "vectors of datatype uint8 or float16",
            Self::Multivectors => "multivectors",
            Self::ImmutableIdTracker => "id_tracker files",
            Self::UuidIndex => "a UUID index",
            Self::SparseEntries => "sparse entries in the tar",
            Self::StreamedSegments => "streamed segments",
            Self::InRamChunks => "InRamChunkedMmap storage",
            Self::PayloadGridstore => "payloads in a Gridstore",
            Self::SparseGridstore => "sparse vectors in a Gridstore",
            Self::CompressedLinks => "compressed HNSW links",
            Self::ShardKeyList => "shard keys as a list",
            Self::MutableIdTracker => "mutable_id_tracker files",
            Self::BinaryEncoding => "binary quantization of more than one bit",
            Self::LinksWithVectors => "HNSW links with vectors inline",
            Self::QuantizedChunks => "quantized vectors in chunk files",
            Self::PayloadInRam => "payloads in a Gridstore kept in memory",
            Self::InRamMmap => "InRamMmap storage",
            Self::Turbo4 => "vectors of datatype turbo4",
            Self::DiskIdTracker => "a disk id tracker",
            Self::AppendOnlyGridstore => "an append-only Gridstore",
            Self::EmptyStorage => "a vector storage without files",
            Self::BareShard => "a shard that is no replica set",
            Self::ShardKeyObject => "shard keys as an object",
            Self::RocksDbStorage => "ids, vectors or payloads in RocksDB",
        }
    }
}

const fn wall(before: (u16, u16, u16), rewritten_from: (u16, u16, u16)) -> CompatBound {
    CompatBound::Before {
        before: QdrantVersion::new(before.0, before.1, before.2),
        rewritten_from: QdrantVersion::new(rewritten_from.0, rewritten_from.1, rewritten_from.2),
    }
}

impl fmt::Display for CompatSign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl Serialize for CompatSign {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Something that sets no bound and that whoever restores must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CompatCaveat {
    /// A partial snapshot.
    PartialAlone,
    /// Nothing of it was recognised.
    KindUnknown,
    /// A storage, datatype or state by a name that is not known here.
    NameUnknown,
    /// A `segment.json` or `config.json` that cannot be read or is not there.
    StateUnread,
    /// RocksDB files in a segment that keeps nothing in them that counts.
    RocksDbLeftovers,
    /// An object without members where the shard keys stand.
    ShardKeysEmptyObject,
}

impl CompatCaveat {
    fn words(self) -> &'static str {
        match self {
            Self::PartialAlone => "a partial snapshot restores only over the shard that it was made for",
            Self::KindUnknown => "it is no snapshot that vectar knows",
            Self::NameUnknown => {
                "it names a storage, datatype or state that vectar does not know: a newer Qdrant may have written it"
            }
            Self::StateUnread => {
                "a configuration in it is missing or cannot be read, so what it would ask for is not known"
            }
            Self::RocksDbLeftovers => {
                "field indexes or leftovers in RocksDB: 1.18.0 and later drop them with a warning"
            }
            Self::ShardKeysEmptyObject => {
                "shard_key_mapping.json is {}: through the API it is not read without custom sharding; recovery at start (--snapshot) by 1.17.0 or later is not expected to take it"
            }
        }
    }

    /// Whether nothing can be said because of it.
    pub fn hides_the_answer(self) -> bool {
        matches!(self, Self::KindUnknown | Self::NameUnknown | Self::StateUnread)
    }
}

impl fmt::Display for CompatCaveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl Serialize for CompatCaveat {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
