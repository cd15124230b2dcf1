//! Opening and creating repositories by the path people give.

use std::{path::Path, sync::Arc};

use vectar_backend::{BackendError, LocalBackend, StorageProbe};
use vectar_repository::{Environment, InitOptions, Repository, RepositoryError, RepositoryId, SystemEnvironment};

use crate::error::Error;

/// Creates a repository in a directory, which is made if it is missing and must be empty.
///
/// # Errors
/// There is a repository or something else already, or the storage refuses.
pub fn init(path: &Path, options: &InitOptions) -> Result<(Repository, StorageProbe), Error> {
    init_in(path, options, Arc::new(SystemEnvironment))
}

/// As [`init`], with another clock and other randomness: for demonstrations and tests that repeat themselves to the byte.
///
/// # Errors
/// As [`init`].
pub fn init_in(
    path: &Path,
    options: &InitOptions,
    environment: Arc<dyn Environment>,
) -> Result<(Repository, StorageProbe), Error> {
    let backend = match LocalBackend::create(path) {
        Ok(backend) => backend,
        // A repository or other objects: opening it lets `init` say which.
        Err(BackendError::RootNotEmpty { .. }) => LocalBackend::open(path).map_err(RepositoryError::from)?,
        Err(error) => return Err(RepositoryError::from(error).into()),
    };
    Ok(Repository::init(Arc::new(backend), environment, options)?)
}

/// Opens the repository in a directory. With `expected` it must be that one: an unmounted NAS leaves an empty directory, or
/// another repository, where the right one should be.
///
/// # Errors
/// [`RepositoryError::NotARepository`]; [`RepositoryError::WrongRepository`]; what reading the config meets.
pub fn open(path: &Path, expected: Option<RepositoryId>) -> Result<Repository, Error> {
    let location = path.display().to_string();
    let backend = LocalBackend::open(path).map_err(|error| match error {
        BackendError::RootMissing { .. } | BackendError::RootNotADirectory { .. } => {
            RepositoryError::NotARepository { location: location.clone(), source: Some(error) }
        }
        error => error.into(),
    })?;
    let repository = Repository::open(Arc::new(backend), Arc::new(SystemEnvironment))?;
    match expected {
        Some(expected) if expected != repository.id() => {
            Err(RepositoryError::WrongRepository { location, expected, found: repository.id() }.into())
        }
        _ => Ok(repository),
    }
}
