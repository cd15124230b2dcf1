//! Lists objects in the order of their keys.
//!
//! Directories are walked depth first. For the keys to come out in the order of their bytes, a directory sorts as its name
//! with the slash that follows it: `a-b` (0x2D) comes before `a/x` (0x2F), which comes before `a0`.
//!
//! In memory are the names of the directories on the way to the current one, 10^5 names (some 15 MB) at most by the limits of the
//! design, and one page.

use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;

use super::files::{meta_of, retry_stale};
use super::publish::is_absence;
use super::{Inner, io_error};
use crate::{BackendError, KeyPrefix, ListPage, ListedObject, ObjectKey};

/// A name in a directory. Text and order: for a directory with a slash at its end.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    key_text: String,
    is_directory: bool,
}

/// Below this count of entries threads cost more than they save.
const PARALLEL_ENTRIES_MIN: usize = 64;

/// Runs of entries that are listed at once.
const WALKS_AT_ONCE: usize = 8;

struct Walk<'w> {
    inner: &'w Inner,
    after: Option<&'w str>,
    /// One more than the page may have, to learn whether there is a further page.
    objects_wanted: usize,
    objects: Vec<ListedObject>,
}

impl Inner {
    pub(super) fn list_page(
        &self,
        prefix: &KeyPrefix,
        after: Option<&ObjectKey>,
        page_objects_max: NonZeroUsize,
    ) -> Result<ListPage, BackendError> {
        retry_stale(|| {
            let objects_wanted = page_objects_max.get().saturating_add(1);
            let after = after.map(ObjectKey::as_str);
            let mut walk = Walk { inner: self, after, objects_wanted, objects: Vec::new() };
            let start = if prefix.as_str().is_empty() { String::new() } else { format!("{prefix}/") };
            self.refuse_links_on_the_way(prefix)?;
            if walk.may_hold_more(&start) {
                walk.descend(&start)?;
            }
            let mut objects = walk.objects;
            let next = if objects.len() == objects_wanted {
                objects.pop();
                objects.last().map(|object| object.key.clone())
            } else {
                None
            };
            Ok(ListPage { objects, next })
        })
    }
}

impl Inner {
    fn refuse_links_on_the_way(&self, prefix: &KeyPrefix) -> Result<(), BackendError> {
        let mut path = self.root.clone();
        for segment in prefix.as_str().split('/').filter(|segment| !segment.is_empty()) {
            path.push(segment);
            match fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_symlink() => return Err(linked(&path)),
                Ok(_) => {}
                // The walk finds out whether that is as it should be.
                Err(_) => break,
            }
        }
        Ok(())
    }
}

/// To skip a link would let a whole directory of objects look deleted, to follow it could lead anywhere, even in a circle.
fn linked(path: &Path) -> BackendError {
    BackendError::NotAPlainFile { path: path.to_path_buf(), found: "a symbolic link" }
}

impl Walk<'_> {
    /// Lists what lies in the directory `key_text`, which is empty for the root and else ends with a slash.
    fn descend(&mut self, key_text: &str) -> Result<(), BackendError> {
        let directory = self.inner.root.join(key_text);
        let entries = self.entries(&directory, key_text)?;
        let mut rest = &entries[..];
        while !rest.is_empty() && self.objects.len() < self.objects_wanted {
            // No more entries at once than objects are wanted: each leads to one at least, or to none.
            let (now, later) = rest.split_at(rest.len().min(self.objects_wanted - self.objects.len()));
            match now.len() < PARALLEL_ENTRIES_MIN {
                true => self.follow(&directory, now)?,
                false => self.follow_at_once(&directory, now)?,
            }
            rest = later;
        }
        Ok(())
    }

    /// Lists what entries of a directory lead to, until there are enough objects.
    fn follow(&mut self, directory: &Path, entries: &[Entry]) -> Result<(), BackendError> {
        for entry in entries {
            if self.objects.len() == self.objects_wanted {
                break;
            }
            if entry.is_directory {
                self.descend(&entry.key_text)?;
            } else if let Ok(key) = ObjectKey::parse(&entry.key_text) {
                self.take(directory, key)?;
            }
        }
        Ok(())
    }

    /// As [`follow`](Self::follow), several runs of entries at once. A repository has a directory for each backup: ten thousand of them take
    /// ten thousand round trips to a NAS, and half of the time of a listing on a local disk.
    fn follow_at_once(&mut self, directory: &Path, entries: &[Entry]) -> Result<(), BackendError> {
        let walk = |entries| {
            let (inner, after) = (self.inner, self.after);
            let mut walk = Walk { inner, after, objects_wanted: self.objects_wanted, objects: Vec::new() };
            walk.follow(directory, entries).map(|()| walk.objects)
        };
        let runs = entries.chunks(entries.len().div_ceil(WALKS_AT_ONCE));
        let listed: Vec<Result<Vec<ListedObject>, BackendError>> = std::thread::scope(|scope| {
            let threads: Vec<_> = runs.map(|entries| scope.spawn(move || walk(entries))).collect();
            threads.into_iter().map(|thread| thread.join().expect("a walk returns its errors")).collect()
        });
        for objects in listed {
            self.objects.extend(objects?);
        }
        self.objects.truncate(self.objects_wanted);
        Ok(())
    }

    /// Returns the entries that can lead to objects still wanted, in order.
    fn entries(&self, directory: &Path, key_text: &str) -> Result<Vec<Entry>, BackendError> {
        let listing = match fs::read_dir(directory) {
            Ok(listing) => listing,
            // Nothing was ever put there, or it was removed as it became empty. Only the root has to be there.
            Err(error) if is_absence(&error) => {
                self.inner.require_root()?;
                return Ok(Vec::new());
            }
            Err(source) => return Err(io_error("list", directory, source)),
        };
        let mut entries = Vec::new();
        for listed in listing {
            let listed = listed.map_err(|source| io_error("list", directory, source))?;
            let Ok(name) = listed.file_name().into_string() else {
                continue;
            };
            let child = format!("{key_text}{name}");
            // Whatever is no key was not put there by us: lost+found, .nfs0001, @eaDir. Neither is tmp/ a key.
            if ObjectKey::parse(&child).is_err() {
                continue;
            }
            let kind = match listed.file_type() {
                Ok(kind) => kind,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(io_error("stat", &listed.path(), source)),
            };
            if kind.is_symlink() {
                return Err(linked(&listed.path()));
            }
            let entry = match kind.is_dir() {
                true => Entry { key_text: format!("{child}/"), is_directory: true },
                false if kind.is_file() => Entry { key_text: child, is_directory: false },
                false => continue,
            };
            if self.may_hold_more(&entry.key_text) {
                entries.push(entry);
            }
        }
        entries.sort_unstable();
        Ok(entries)
    }

    /// Says whether a key that is `key_text`, or begins with it if it is a directory, can lie behind `after`.
    fn may_hold_more(&self, key_text: &str) -> bool {
        let Some(after) = self.after else { return true };
        let is_directory = key_text.is_empty() || key_text.ends_with('/');
        key_text > after || (is_directory && after.starts_with(key_text))
    }

    fn take(&mut self, directory: &Path, key: ObjectKey) -> Result<(), BackendError> {
        let path = self.inner.path_of(&key);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => self.objects.push(ListedObject { key, meta: meta_of(&metadata) }),
            Ok(_) => {}
            Err(error) if is_absence(&error) => {}
            Err(source) => return Err(io_error("list", directory, source)),
        }
        Ok(())
    }
}
