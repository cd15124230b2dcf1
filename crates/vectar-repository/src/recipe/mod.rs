//! Recipes: writing lists of extents as nodes, and walking them back.

mod node_writer;
mod range;
mod walker;

pub use node_writer::{INLINE_BYTES_MAX, ITEMS_INLINE_MAX, NodeSink, NodeWriter};
pub use range::{piece_of, read_range};
pub use walker::{Placed, RecipeWalker, visit_nodes};
