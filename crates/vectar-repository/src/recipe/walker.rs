//! Walks a recipe from any offset: the extents in order, without reading the nodes that lie before.

use std::sync::Arc;

use vectar_chunk::NodeId;

use crate::{
    error::RepositoryError,
    format::node::{RecipeItem, RecipeNode},
    reader::{ChunkReader, check_depth, check_len},
};

/// An extent and where its bytes lie in the snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Offset of its first byte in the snapshot.
    pub offset: u64,
    /// The extent; never [`RecipeItem::Node`].
    pub extent: RecipeItem,
}

/// Iterates over the extents of a recipe. After an error it ends.
#[derive(Debug)]
pub struct RecipeWalker<'w, 'r> {
    reader: &'w ChunkReader<'r>,
    stack: Vec<Level>,
    offset: u64,
}

#[derive(Debug)]
struct Level {
    node: Arc<RecipeNode>,
    next: usize,
}

impl<'w, 'r> RecipeWalker<'w, 'r> {
    /// Starts at the extent that holds byte `from` of the snapshot; past its end the walk is empty.
    ///
    /// # Errors
    /// A node on the way cannot be read, or does not stand for the `len` bytes it should.
    pub fn new(reader: &'w ChunkReader<'r>, root: &NodeId, len: u64, from: u64) -> Result<Self, RepositoryError> {
        let mut walker = Self { reader, stack: Vec::new(), offset: 0 };
        walker.enter(root, len)?;
        walker.skip_to(from)?;
        Ok(walker)
    }

    fn enter(&mut self, id: &NodeId, len: u64) -> Result<(), RepositoryError> {
        check_depth(self.stack.len())?;
        let node = self.reader.node(id)?;
        check_len(id, &node, len)?;
        self.stack.push(Level { node, next: 0 });
        Ok(())
    }

    fn skip_to(&mut self, from: u64) -> Result<(), RepositoryError> {
        while let Some(level) = self.stack.last_mut() {
            let Some(item) = level.node.items.get(level.next) else {
                self.stack.pop();
                continue;
            };
            if self.offset + item.len() <= from {
                self.offset += item.len();
                level.next += 1;
                continue;
            }
            let RecipeItem::Node { node, len } = *item else {
                return Ok(());
            };
            level.next += 1;
            self.enter(&node, len)?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<Option<Placed>, RepositoryError> {
        while let Some(level) = self.stack.last_mut() {
            let Some(item) = level.node.items.get(level.next) else {
                self.stack.pop();
                continue;
            };
            level.next += 1;
            if let RecipeItem::Node { node, len } = *item {
                self.enter(&node, len)?;
                continue;
            }
            let placed = Placed { offset: self.offset, extent: item.clone() };
            self.offset += placed.extent.len();
            return Ok(Some(placed));
        }
        Ok(None)
    }
}

/// Shows the nodes below a root that stands for `len` bytes to `enter`: the offset of the first byte of each, its id and its length. It says whether
/// the nodes in it are shown too; where it says no, the node is not read.
///
/// # Errors
/// A node cannot be read, or does not stand for the bytes it should.
pub fn visit_nodes(
    reader: &ChunkReader<'_>,
    root: &NodeId,
    len: u64,
    mut enter: impl FnMut(u64, &NodeId, u64) -> bool,
) -> Result<(), RepositoryError> {
    let mut walker = RecipeWalker { reader, stack: Vec::new(), offset: 0 };
    walker.enter(root, len)?;
    while let Some(level) = walker.stack.last_mut() {
        let Some(item) = level.node.items.get(level.next) else {
            walker.stack.pop();
            continue;
        };
        level.next += 1;
        match *item {
            RecipeItem::Node { node, len } if enter(walker.offset, &node, len) => walker.enter(&node, len)?,
            _ => walker.offset += item.len(),
        }
    }
    Ok(())
}

impl Iterator for RecipeWalker<'_, '_> {
    type Item = Result<Placed, RepositoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step().transpose();
        if matches!(step, Some(Err(_))) {
            self.stack.clear();
        }
        step
    }
}
