//! Walks a listing page by page.

use std::num::NonZeroUsize;
use std::vec;

use crate::{Backend, BackendError, BackendErrorKind, KeyPrefix, ListedObject, ObjectKey};

/// How many objects [`BackendExt::list_all`] asks for at once.
///
/// A local directory is read anew for each page, so pages are long: 100,000 backups take ten pages. An entry has some 150 bytes,
/// a page at most 1.5 MB. Object stores give 1000 at a time whatever is asked.
pub const LIST_PAGE_OBJECTS: NonZeroUsize = NonZeroUsize::new(10_000).expect("ten thousand is not zero");

/// What every [`Backend`] can do on top of its own methods.
pub trait BackendExt: Backend {
    /// Returns an iterator over all objects below `prefix`, sorted by key, that holds one page in memory.
    ///
    /// What [`Backend::list`] says of objects that come and go meanwhile holds here too. After an error it ends: a listing with a
    /// hole would make objects look deleted.
    fn list_all(&self, prefix: &KeyPrefix) -> ListAll<'_, Self> {
        ListAll { backend: self, prefix: prefix.clone(), state: State::NextPage(None) }
    }
}

impl<B: Backend + ?Sized> BackendExt for B {}

/// The iterator of [`BackendExt::list_all`].
#[derive(Debug)]
#[must_use = "nothing is listed until the iterator is used"]
pub struct ListAll<'b, B: ?Sized> {
    backend: &'b B,
    prefix: KeyPrefix,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Ask for the page behind this key.
    NextPage(Option<ObjectKey>),
    /// Hand these out, then ask for the page behind the key, if there is one.
    InPage(vec::IntoIter<ListedObject>, Option<ObjectKey>),
    Ended,
}

impl<B: Backend + ?Sized> Iterator for ListAll<'_, B> {
    type Item = Result<ListedObject, BackendError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match &mut self.state {
                State::Ended => return None,
                State::InPage(objects, next) => {
                    if let Some(object) = objects.next() {
                        return Some(Ok(object));
                    }
                    self.state = match next.take() {
                        Some(key) => State::NextPage(Some(key)),
                        None => State::Ended,
                    };
                }
                State::NextPage(after) => {
                    let after = after.take();
                    if let Err(error) = self.fetch(after) {
                        self.state = State::Ended;
                        return Some(Err(error));
                    }
                }
            }
        }
    }
}

impl<B: Backend + ?Sized> ListAll<'_, B> {
    fn fetch(&mut self, after: Option<ObjectKey>) -> Result<(), BackendError> {
        let page = self.backend.list(&self.prefix, after.as_ref(), LIST_PAGE_OBJECTS)?;
        // A storage that sends the walk back to where it came from would keep it there for ever.
        if page.next.is_some() && page.next <= after {
            return Err(BackendError::Storage {
                action: format!("list {:?}", self.prefix.as_str()),
                location: self.backend.location(),
                kind: BackendErrorKind::Bug,
                source: "the next page does not lie behind the last one".into(),
            });
        }
        self.state = State::InPage(page.objects.into_iter(), page.next);
        Ok(())
    }
}
