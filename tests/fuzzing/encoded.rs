//! What packs hold: recipe nodes and encoded chunks.

use vectar_chunk::{CHUNK_BYTES_MAX, CodecId, Decoder};
use vectar_repository::format::node::{NODE_BYTES_MAX, NodeVersion, RecipeItem, RecipeNode};

use super::Verdict;

/// A node that is read stands for as many bytes as its items, and is written again as the same node.
pub(super) fn check_node(input: &[u8]) -> Verdict {
    let decoded = RecipeNode::decode(input);
    if let Ok(node) = &decoded {
        assert!(input.len() <= NODE_BYTES_MAX);
        let sum = node.items.iter().map(RecipeItem::len).try_fold(0_u64, u64::checked_add);
        assert_eq!(sum, Some(node.len()), "the length of a node overflows");
        assert!(!node.items.iter().any(RecipeItem::is_empty), "an item stands for nothing");
        let encoded = node.encode(NodeVersion::NEWEST);
        // A writer that orders its ids otherwise may need fewer bytes than we do, at the limit of what is read.
        if encoded.len() <= NODE_BYTES_MAX {
            assert_eq!(RecipeNode::decode(&encoded).as_ref(), Ok(node), "a node changes on its way");
        }
    }
    Verdict::of(&decoded)
}

/// The first byte is the codec, the next four are the declared length, the rest is stored. What is decoded has the declared length and
/// fits into a chunk.
pub(super) fn check_chunk(input: &[u8]) -> Verdict {
    let Some((head, stored)) = input.split_at_checked(5) else { return Verdict::Refused };
    let raw_bytes = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
    let mut decoder = Decoder::new().expect("zstd gives a context");
    let decoded = decoder.decode(CodecId::new(head[0]), stored, raw_bytes);
    if let Ok(chunk) = &decoded {
        assert!(chunk.len() == raw_bytes && raw_bytes <= CHUNK_BYTES_MAX);
        assert!(chunk.capacity() <= CHUNK_BYTES_MAX, "more was allocated than a chunk can have");
        // A context that met damage before must not remember it.
        let again = decoder.decode(CodecId::new(head[0]), stored, raw_bytes);
        assert!(again.is_ok_and(|again| again == *chunk), "the second time it is another chunk");
    }
    Verdict::of(&decoded)
}
