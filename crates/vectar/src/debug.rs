//! Opening every structure we write, for people who investigate.

use vectar_repository::{
    ChunkReader, PackId, Placed, RecipeWalker, RepositoryError,
    format::{
        keys,
        node::RecipeItem,
        pack::{PACK_HEADER_BYTES, PackFooter, PackHeader},
        record::BackupRecord,
    },
    index::IndexCounts,
};

use crate::{engine::Engine, error::Error};

/// Decoded nodes kept while a recipe is walked, in bytes.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// A pack, opened.
#[derive(Debug, Clone)]
pub struct PackDump {
    /// Its header.
    pub header: PackHeader,
    /// Length of the object.
    pub object_bytes: u64,
    /// Its footer.
    pub footer: PackFooter,
}

/// Opens a pack by its id or a unique prefix of it.
///
/// # Errors
/// No pack or several go by that name, or the pack is damaged.
pub fn pack(engine: &Engine, name: &str) -> Result<(PackId, PackDump), Error> {
    let repository = engine.repository();
    let mut fitting: Vec<PackId> = repository.index().pack_ids().into_iter().filter(|id| id.to_string().starts_with(name)).collect();
    fitting.sort_unstable();
    let id = match fitting[..] {
        [id] => id,
        [] => return Err(Error::BackupNotFound { name: name.to_owned(), reason: Some("no pack has that id".to_owned()) }),
        _ => return Err(Error::BackupAmbiguous { name: name.to_owned(), candidates: fitting.iter().map(PackId::short).collect() }),
    };
    let (backend, key) = (repository.backend(), keys::pack(&id));
    let object_bytes = backend.stat(&key).map_err(RepositoryError::from)?.object_bytes;
    let head = backend.get_range(&key, 0..PACK_HEADER_BYTES.min(object_bytes)).map_err(RepositoryError::from)?;
    let damaged = |source| RepositoryError::Object { key: key.clone(), location: backend.location(), source };
    let header = PackHeader::decode(&head).map_err(damaged)?;
    let (footer, _) = vectar_repository::index::read_footer(backend, &id, object_bytes)?;
    Ok((id, PackDump { header, object_bytes, footer }))
}

/// Walks the recipe of a backup and hands each extent over, with its offset in the snapshot.
///
/// # Errors
/// A node cannot be read, or `take` failed.
pub fn recipe(engine: &Engine, record: &BackupRecord, mut take: impl FnMut(u64, &RecipeItem) -> Result<(), Error>) -> Result<(), Error> {
    let reader = ChunkReader::new(engine.repository(), CACHE_BYTES);
    for placed in RecipeWalker::new(&reader, &record.root, record.bytes, 0)? {
        let Placed { offset, extent } = placed?;
        take(offset, &extent)?;
    }
    Ok(())
}

/// What the chunk index holds and where it lies.
///
/// # Errors
/// The index failed.
pub fn chunk_index(engine: &Engine) -> Result<(String, IndexCounts), Error> {
    let index = engine.repository().index();
    let place = match index.place() {
        vectar_repository::IndexPlace::File(path) => path.display().to_string(),
        vectar_repository::IndexPlace::Memory => "memory".to_owned(),
    };
    Ok((place, index.counts()?))
}
