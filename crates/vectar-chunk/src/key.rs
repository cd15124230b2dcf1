//! The repository's key and the sub-keys it is turned into, one per domain.

use std::fmt;

use blake3::hazmat::{
    ChainingValue, HasherExt as _, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root,
};

use crate::id::{BodyDigest, ChunkId, NodeId, RowDirectoryId};

// The context strings are part of the repository format: changing one renames everything in its domain.
const CHUNK_CONTEXT: &str = "vectar repository format 1: data chunk id";
const NODE_CONTEXT: &str = "vectar repository format 1: recipe node id";
const ROW_DIRECTORY_CONTEXT: &str = "vectar repository format 1: row directory id";
const BODY_CONTEXT: &str = "vectar repository format 1: body digest";

/// Length of the pieces in which the digest of a body can be computed in any order; the last one may be shorter. A power of two, so that each is
/// a subtree of BLAKE3's (BLAKE3 specification, §2.1).
pub const BODY_PIECE_BYTES: usize = 1024 * 1024;

/// What one piece of a body adds to its digest.
#[derive(Clone, Copy)]
pub struct BodyPiece(ChainingValue);

/// A repository's key for naming things, expanded into one BLAKE3 key per domain.
///
/// The sub-keys come from BLAKE3's key derivation mode (BLAKE3 specification, §2.3 and §6.2) with one context
/// string per domain. `Debug` shows no key. Cheap to clone and to share between threads.
#[derive(Clone)]
pub struct IdKey {
    chunk: [u8; 32],
    node: [u8; 32],
    row_directory: [u8; 32],
    body: [u8; 32],
}

impl IdKey {
    /// Expands the 32 random bytes that a repository keeps in its `config`.
    pub fn new(repository_key: &[u8; 32]) -> Self {
        let derive = |context| blake3::derive_key(context, repository_key);
        Self {
            chunk: derive(CHUNK_CONTEXT),
            node: derive(NODE_CONTEXT),
            row_directory: derive(ROW_DIRECTORY_CONTEXT),
            body: derive(BODY_CONTEXT),
        }
    }

    /// Names the raw (not encoded) bytes of a data chunk.
    pub fn chunk_id(&self, chunk: &[u8]) -> ChunkId {
        ChunkId::from_bytes(*blake3::keyed_hash(&self.chunk, chunk).as_bytes())
    }

    /// Names the raw (not encoded) bytes of a recipe node.
    pub fn node_id(&self, node: &[u8]) -> NodeId {
        NodeId::from_bytes(*blake3::keyed_hash(&self.node, node).as_bytes())
    }

    /// Names the raw (not encoded) bytes of a row directory.
    pub fn row_directory_id(&self, row_directory: &[u8]) -> RowDirectoryId {
        RowDirectoryId::from_bytes(*blake3::keyed_hash(&self.row_directory, row_directory).as_bytes())
    }

    /// Starts the digest of a body, which may arrive in pieces.
    pub fn body_hasher(&self) -> BodyHasher {
        BodyHasher { hasher: blake3::Hasher::new_keyed(&self.body) }
    }

    /// Hashes piece number `index`, from 0, of a body of more than one piece.
    pub fn body_piece(&self, index: u64, bytes: &[u8]) -> BodyPiece {
        debug_assert!((1..=BODY_PIECE_BYTES).contains(&bytes.len()));
        let mut hasher = blake3::Hasher::new_keyed(&self.body);
        BodyPiece(hasher.set_input_offset(index * BODY_PIECE_BYTES as u64).update(bytes).finalize_non_root())
    }

    /// The digest of a body of `len` bytes, which is that of [`body_hasher`](Self::body_hasher) over all of it. `None` when `len` bytes
    /// do not make so many pieces, or only one.
    pub fn join_body(&self, pieces: &[BodyPiece], len: u64) -> Option<BodyDigest> {
        let is_whole = pieces.len() > 1 && len.div_ceil(BODY_PIECE_BYTES as u64) == pieces.len() as u64;
        is_whole.then(|| {
            let mode = Mode::KeyedHash(&self.body);
            let (left, right) = halves(pieces, len, mode);
            BodyDigest::from_bytes(*merge_subtrees_root(&left, &right, mode).as_bytes())
        })
    }
}

/// The two subtrees that `len` bytes fall into: the left one is the largest power of two that leaves something over.
fn halves(pieces: &[BodyPiece], len: u64, mode: Mode<'_>) -> (ChainingValue, ChainingValue) {
    let left_len = left_subtree_len(len);
    let (left, right) = pieces.split_at((left_len / BODY_PIECE_BYTES as u64) as usize);
    (subtree(left, left_len, mode), subtree(right, len - left_len, mode))
}

fn subtree(pieces: &[BodyPiece], len: u64, mode: Mode<'_>) -> ChainingValue {
    match pieces {
        [piece] => piece.0,
        _ => {
            let (left, right) = halves(pieces, len, mode);
            merge_subtrees_non_root(&left, &right, mode)
        }
    }
}

impl fmt::Debug for BodyPiece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyPiece")
    }
}

impl fmt::Debug for IdKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdKey(secret)")
    }
}

/// The digest of one body under way; how the body is split into pieces does not matter.
#[derive(Clone)]
pub struct BodyHasher {
    hasher: blake3::Hasher,
}

impl BodyHasher {
    /// Adds the next bytes of the body.
    pub fn update(&mut self, bytes: &[u8]) -> &mut Self {
        self.hasher.update(bytes);
        self
    }

    /// Returns the digest of all bytes added so far; more may be added afterwards.
    pub fn finalize(&self) -> BodyDigest {
        BodyDigest::from_bytes(*self.hasher.finalize().as_bytes())
    }
}

impl fmt::Debug for BodyHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BodyHasher({} bytes)", self.hasher.count())
    }
}
