//! Walks every recipe and looks every chunk up. Nodes that many backups share are walked once.

use std::collections::{BTreeSet, HashMap};

use vectar_chunk::NodeId;

use super::{CheckReport, Level};
use crate::{
    error::{ErrorKind, RepositoryError, error_chain},
    format::{ids::BackupId, keys, node::RecipeItem, pack::RecordKind, record::BackupRecord},
    index::{ChunkLocation, IndexReader},
    reader::{ChunkReader, check_depth},
    repository::IndexedRepository,
};

/// Decoded nodes kept while recipes are walked, in bytes.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// What is wrong behind one node, by the object it is wrong with. Most nodes have nothing.
type Faults = BTreeSet<Fault>;

/// One thing that is wrong behind a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Fault {
    object: String,
    what: String,
}

pub(super) fn check(
    repository: &IndexedRepository,
    records: &[BackupRecord],
    report: &mut CheckReport,
) -> Result<(), RepositoryError> {
    let reader = ChunkReader::new(repository, CACHE_BYTES);
    let view = repository.index().reader()?;
    let mut walk = Walk { repository, view, is_fresh: false, reader: &reader, known: HashMap::new() };
    let mut hurt: HashMap<Fault, BTreeSet<BackupId>> = HashMap::new();
    for record in records {
        let mut faults = walk.node(&record.root, record.bytes, 0)?;
        if let Some(sha256) = record.sha256.as_ref().filter(|sha256| sha256.len() != 64) {
            let what = format!("its record has the SHA-256 {sha256:?}");
            faults.insert(Fault { object: keys::record(&record.id, record.seq).to_string(), what });
        }
        for fault in faults {
            hurt.entry(fault).or_default().insert(record.id);
        }
    }
    for (fault, backups) in hurt {
        report.add(Level::Damage, fault.object, fault.what, backups);
    }
    Ok(())
}

struct Walk<'w> {
    repository: &'w IndexedRepository,
    view: IndexReader<'w>,
    /// Whether the view is younger than the listing of the records.
    is_fresh: bool,
    reader: &'w ChunkReader<'w>,
    /// Nodes that were walked, each with the length it stands for and what is wrong behind it.
    known: HashMap<NodeId, (u64, Faults)>,
}

impl Walk<'_> {
    /// Where a chunk lies. The packs were listed before the records, so a backup that was stored in between may lie in packs that the
    /// index does not know yet: before a chunk counts as lost, the index catches up, once.
    fn locate(&mut self, id: &[u8; 32]) -> Result<Option<ChunkLocation>, RepositoryError> {
        let found = self.view.locate(id)?;
        if found.is_some() || self.is_fresh {
            return Ok(found);
        }
        self.repository.catch_up()?;
        self.view = self.repository.index().reader()?;
        self.is_fresh = true;
        self.view.locate(id)
    }

    /// What is wrong behind a node that should stand for `len` bytes.
    fn node(&mut self, id: &NodeId, len: u64, depth: usize) -> Result<Faults, RepositoryError> {
        if let Err(error) = check_depth(depth) {
            return Ok(Faults::from([Fault { object: format!("recipe node {id}"), what: error_chain(&error) }]));
        }
        let (found_len, mut faults) = match self.known.get(id) {
            Some(known) => known.clone(),
            None => {
                let walked = self.walk(id, depth)?;
                self.known.insert(*id, walked.clone());
                walked
            }
        };
        if faults.is_empty() && found_len != len {
            let what = format!("it stands for {found_len} bytes, {len} were promised");
            faults.insert(Fault { object: format!("recipe node {id}"), what });
        }
        Ok(faults)
    }

    fn walk(&mut self, id: &NodeId, depth: usize) -> Result<(u64, Faults), RepositoryError> {
        let node = match self.reader.node(id) {
            Ok(node) => node,
            Err(error) if error.kind() == ErrorKind::RepositoryDamaged => {
                return Ok((
                    0,
                    Faults::from([Fault { object: format!("recipe node {id}"), what: error_chain(&error) }]),
                ));
            }
            Err(error) => return Err(error),
        };
        let mut faults = Faults::new();
        for item in &node.items {
            match item {
                RecipeItem::Node { node, len } => faults.extend(self.node(node, *len, depth + 1)?),
                RecipeItem::Copy { chunk, start, len } => {
                    let what = match self.locate(chunk.as_bytes())? {
                        Some(place) if place.kind != RecordKind::Chunk => Some("it is not a chunk".to_owned()),
                        Some(place) if start.checked_add(*len).is_none_or(|end| end > place.raw_len) => Some(format!(
                            "bytes {start}..{} are needed, it has {}",
                            u64::from(*start) + u64::from(*len),
                            place.raw_len
                        )),
                        Some(_) => None,
                        None => Some("it is in no pack".to_owned()),
                    };
                    faults.extend(what.map(|what| Fault { object: format!("chunk {chunk}"), what }));
                }
                RecipeItem::Inline(_) | RecipeItem::Fill { .. } => {}
            }
        }
        Ok((node.len(), faults))
    }
}
