//! `config`: what every client of a repository must know before it reads or writes anything else.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vectar_chunk::{CutParameters, IdKey, PLANES_FEATURE};

use super::{
    FORMAT_VERSION, FormatError, frame,
    frame::FrameKind,
    ids::RepositoryId,
    node::{NODES_2_FEATURE, NODES_3_FEATURE, NodeVersion},
    unknown_features,
};

/// Default size at which a pack is closed, in bytes: 32 MiB, one request on an object store.
pub const PACK_BYTES_DEFAULT: u64 = 32 * 1024 * 1024;

/// A third copy would guard against two damages at once, which is what a second repository is for.
const METADATA_COPIES_MAX: u32 = 2;

const PACK_BYTES_MIN: u64 = 64 * 1024;
const PACK_BYTES_LIMIT: u64 = 1024 * 1024 * 1024;

/// Below this a node holds so few items that lists of lists would nest too deep to be read.
const NODE_CUT_LOWEST: u32 = 1024;

/// The same for the latest cut, which must leave room for the longest literal.
const NODE_CUT_MAX_LOWEST: u32 = 4 * 1024;

/// Longer ones would be read and decoded for a few bytes of a backup.
const NODE_CUT_MAX_HIGHEST: u32 = 128 * 1024;

/// The repository's configuration. Written once by `init`; later only by an explicit command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Version of the repository format.
    pub format: u32,
    /// Features that every reader and writer must know.
    pub required_features: Vec<String>,
    /// Random name of the repository.
    pub repository_id: RepositoryId,
    /// The key of all ids, 64 hex digits. It keeps chunk names from telling what they hold to those who see only names;
    /// it is no encryption.
    pub id_key: String,
    /// `none`. Reserved: later versions put key slots here and add a required feature.
    pub encryption: String,
    /// Where bodies are cut, as named numbers; see [`CutParameters`].
    pub cut: BTreeMap<String, u64>,
    /// How recipes are cut into nodes.
    pub node_cut: NodeCut,
    /// A pack is closed once it holds this many bytes.
    pub pack_bytes: u64,
    /// In how many packs each recipe node is stored: 1 or 2. A hint to writers; readers take any copy.
    #[serde(default = "one_copy", skip_serializing_if = "is_one_copy")]
    pub metadata_copies: u32,
    /// When `init` ran.
    pub created_at: Timestamp,
    /// Which program ran it, such as `vectar 0.1.0`.
    pub created_by: String,
    /// What the storage was seen to do then.
    pub storage: StorageNote,
}

fn one_copy() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
fn is_one_copy(copies: &u32) -> bool {
    *copies == 1
}

/// The sizes between which lists of extents are cut into recipe nodes, in encoded bytes before the codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCut {
    /// No cut before this many bytes.
    pub min_bytes: u32,
    /// Aimed-at distance between cuts.
    pub avg_bytes: u32,
    /// A cut at this many bytes at the latest, at most 128 KiB. Sizes are estimated while a node grows.
    pub max_bytes: u32,
}

impl Default for NodeCut {
    /// Small enough that one changed chunk in a long body rewrites a few KiB of recipe.
    fn default() -> Self {
        Self { min_bytes: 2 * 1024, avg_bytes: 8 * 1024, max_bytes: 128 * 1024 }
    }
}

/// What `init` found out about the storage; later readers of the config see what it could be trusted with then.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StorageNote {
    /// Kind of file system or store, such as `ext4`.
    pub file_system: String,
    /// Whether it lies behind a network.
    pub network: bool,
    /// `full`, `contents-only` (directory entries cannot be made durable) or `volatile`.
    pub durability: String,
    /// How objects get their names: `hard-link`, `rename-no-replace`, `claim` or `conditional-put`.
    pub publish: String,
    /// Abilities that were tried, by name.
    pub abilities: BTreeMap<String, bool>,
}

impl Config {
    /// Encodes the object `config`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        frame::encode(FrameKind::Config, self)
    }

    /// Decodes and validates the object `config`.
    ///
    /// # Errors
    /// [`FormatError::NewerVersion`] or [`FormatError::UnknownFeatures`] for a repository of a later vectar; any other
    /// [`FormatError`] when the object is damaged or holds impossible values.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let what = "config";
        let version: VersionOnly = frame::decode(FrameKind::Config, bytes)?;
        if version.format > FORMAT_VERSION {
            return Err(FormatError::NewerVersion {
                what,
                found: version.format.into(),
                supported: FORMAT_VERSION.into(),
            });
        }
        let features = unknown_features(&version.required_features);
        if !features.is_empty() {
            return Err(FormatError::UnknownFeatures { what, features });
        }
        let config: Self = frame::decode(FrameKind::Config, bytes)?;
        config.validate()?;
        Ok(config)
    }

    /// Says whether this version can work by these values.
    ///
    /// # Errors
    /// [`FormatError::Invalid`] with the first value that is impossible.
    pub fn validate(&self) -> Result<(), FormatError> {
        let what = "config";
        if self.format == 0 {
            return Err(FormatError::invalid(what, "format version 0 was never written"));
        }
        if self.encryption != "none" {
            return Err(FormatError::invalid(
                what,
                format_args!("encryption {:?} without its required feature", self.encryption),
            ));
        }
        if !(PACK_BYTES_MIN..=PACK_BYTES_LIMIT).contains(&self.pack_bytes) {
            return Err(FormatError::invalid(
                what,
                format_args!("a pack size of {} bytes is out of range", self.pack_bytes),
            ));
        }
        if !(1..=METADATA_COPIES_MAX).contains(&self.metadata_copies) {
            let copies = self.metadata_copies;
            return Err(FormatError::invalid(what, format_args!("{copies} copies of recipe nodes are not possible")));
        }
        let NodeCut { min_bytes, avg_bytes, max_bytes } = self.node_cut;
        let ordered = NODE_CUT_LOWEST <= min_bytes && min_bytes <= avg_bytes && avg_bytes <= max_bytes;
        if !ordered || !(NODE_CUT_MAX_LOWEST..=NODE_CUT_MAX_HIGHEST).contains(&max_bytes) {
            return Err(FormatError::invalid(
                what,
                format_args!("recipe nodes of {min_bytes}/{avg_bytes}/{max_bytes} bytes are not usable"),
            ));
        }
        self.cut_parameters()?;
        self.id_key().map(|_| ())
    }

    /// Whether chunks may be coded as planes: every reader and writer of the repository is known to have the codec.
    #[must_use]
    pub fn allows_planes(&self) -> bool {
        self.requires(PLANES_FEATURE)
    }

    /// The version in which recipe nodes are written: the newest that every reader and writer of the repository is known to have.
    #[must_use]
    pub fn node_version(&self) -> NodeVersion {
        match self.requires(NODES_3_FEATURE) {
            true => NodeVersion::Choices,
            false if self.requires(NODES_2_FEATURE) => NodeVersion::Distances,
            false => NodeVersion::Items,
        }
    }

    fn requires(&self, wanted: &str) -> bool {
        self.required_features.iter().any(|feature| feature == wanted)
    }

    /// The parameters of all cutters.
    ///
    /// # Errors
    /// [`FormatError::Invalid`] when the recorded numbers are not known or not possible.
    pub fn cut_parameters(&self) -> Result<CutParameters, FormatError> {
        CutParameters::from_list(self.cut.iter().map(|(name, value)| (name.as_str(), *value)))
            .map_err(|error| FormatError::invalid("config", error))
    }

    /// The key of all ids.
    ///
    /// # Errors
    /// [`FormatError::Invalid`] when it is not 64 hex digits.
    pub fn id_key(&self) -> Result<IdKey, FormatError> {
        // A pack id has the shape of the key: 32 bytes in lower-case hex.
        let bytes: super::ids::PackId =
            self.id_key.parse().map_err(|_| FormatError::invalid("config", "the id key is not 64 hex digits"))?;
        Ok(IdKey::new(bytes.as_bytes()))
    }
}

/// The part that is read first, so that a later format is refused by number and not for a field it no longer has.
#[derive(Deserialize)]
struct VersionOnly {
    format: u32,
    #[serde(default)]
    required_features: Vec<String>,
}
