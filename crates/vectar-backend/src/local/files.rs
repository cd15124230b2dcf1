//! Reads objects.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::OFlags;

use super::publish::{is_absence, require_plain};
use super::read_memory::ReadMemory;
use super::{Inner, io_error};
use crate::{BackendError, ObjectKey, ObjectMeta, ObjectSuffix};

/// How often a read is begun anew after `ESTALE`, which NFS gives when the server replaced the file behind an open handle.
const STALE_ATTEMPTS_MAX: u32 = 3;

/// An object open for reading, and its length at that moment. Objects do not change, so it stays.
struct OpenObject<'k> {
    key: &'k ObjectKey,
    path: PathBuf,
    file: File,
    object_bytes: u64,
}

impl Inner {
    pub(super) fn read_whole(&self, key: &ObjectKey, bytes_max: u64) -> Result<Bytes, BackendError> {
        retry_stale(|| {
            let object = self.open_object(key)?;
            if object.object_bytes > bytes_max {
                return Err(BackendError::TooLong {
                    key: key.clone(),
                    location: self.location(),
                    object_bytes: object.object_bytes,
                    bytes_max,
                });
            }
            self.read(&object, 0..object.object_bytes)
        })
    }

    pub(super) fn read_range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, BackendError> {
        if range.start > range.end {
            return Err(BackendError::RangeBackwards { key: key.clone(), range });
        }
        retry_stale(|| {
            let object = self.open_object(key)?;
            if range.end > object.object_bytes {
                return Err(BackendError::RangeOutside {
                    key: key.clone(),
                    location: self.location(),
                    range: range.clone(),
                    object_bytes: object.object_bytes,
                });
            }
            self.read(&object, range.clone())
        })
    }

    pub(super) fn read_suffix(&self, key: &ObjectKey, suffix_bytes: u64) -> Result<ObjectSuffix, BackendError> {
        retry_stale(|| {
            let object = self.open_object(key)?;
            let object_bytes = object.object_bytes;
            let start = object_bytes.saturating_sub(suffix_bytes);
            let bytes = self.read(&object, start..object_bytes)?;
            Ok(ObjectSuffix { bytes, object_bytes })
        })
    }

    pub(super) fn stat_object(&self, key: &ObjectKey) -> Result<ObjectMeta, BackendError> {
        let path = self.path_of(key);
        retry_stale(|| match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => Err(self.not_found(key)),
            Ok(metadata) => {
                require_plain(&path, &metadata)?;
                Ok(meta_of(&metadata))
            }
            Err(error) if is_absence(&error) => Err(self.not_found(key)),
            Err(source) => Err(io_error("stat", &path, source)),
        })
    }

    fn open_object<'k>(&self, key: &'k ObjectKey) -> Result<OpenObject<'k>, BackendError> {
        let path = self.path_of(key);
        let file = match open_plain(&path) {
            Ok(file) => file,
            Err(error) if is_absence(&error) => return Err(self.not_found(key)),
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                return Err(BackendError::NotAPlainFile { path, found: "a symbolic link" });
            }
            Err(source) => return Err(io_error("open", &path, source)),
        };
        let metadata = file.metadata().map_err(|source| io_error("stat", &path, source))?;
        if metadata.is_dir() {
            return Err(self.not_found(key));
        }
        require_plain(&path, &metadata)?;
        Ok(OpenObject { key, path, file, object_bytes: metadata.len() })
    }

    /// Reads `range`, which lies inside the object.
    fn read(&self, object: &OpenObject<'_>, range: Range<u64>) -> Result<Bytes, BackendError> {
        let no_room = || io_error("read", &object.path, io::ErrorKind::OutOfMemory.into());
        let length = usize::try_from(range.end - range.start).map_err(|_| no_room())?;
        if ReadMemory::holds(length) {
            return self.read_memory.fill(length, |buffer| self.read_exactly(object, range.start, buffer));
        }
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(length).map_err(|_| no_room())?;
        // Into memory that nobody has to fill with zeros first. The allocator may have given more room than asked for, and a read
        // takes what there is room for.
        while buffer.len() < length {
            let offset = range.start + buffer.len() as u64;
            self.read_some(object, offset, rustix::buffer::spare_capacity(&mut buffer))?;
        }
        buffer.truncate(length);
        Ok(Bytes::from(buffer))
    }

    fn read_exactly(&self, object: &OpenObject<'_>, offset: u64, buffer: &mut [u8]) -> Result<(), BackendError> {
        let mut filled = 0;
        while filled < buffer.len() {
            filled += self.read_some(object, offset + filled as u64, &mut buffer[filled..])?;
        }
        Ok(())
    }

    /// One read, of as much as there is room for; a signal may have come before the first byte.
    fn read_some(
        &self,
        object: &OpenObject<'_>,
        offset: u64,
        buffer: impl rustix::buffer::Buffer<u8, Output = usize>,
    ) -> Result<usize, BackendError> {
        match rustix::io::pread(&object.file, buffer, offset) {
            Ok(0) => Err(self.shrunk(object)),
            Ok(count) => Ok(count),
            Err(rustix::io::Errno::INTR) => Ok(0),
            Err(error) => Err(io_error("read", &object.path, error.into())),
        }
    }

    fn shrunk(&self, object: &OpenObject<'_>) -> BackendError {
        let found_bytes = object.file.metadata().map_or(0, |metadata| metadata.len());
        BackendError::LengthWrong {
            key: object.key.clone(),
            location: self.location(),
            expected_bytes: object.object_bytes,
            found_bytes,
        }
    }
}

pub(super) fn meta_of(metadata: &fs::Metadata) -> ObjectMeta {
    ObjectMeta { object_bytes: metadata.len(), modified: metadata.modified().ok() }
}

/// Opens a file for reading without following a link in its last place and without waiting for the writer of a pipe.
fn open_plain(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

pub(super) fn retry_stale<T>(mut call: impl FnMut() -> Result<T, BackendError>) -> Result<T, BackendError> {
    for _ in 1..STALE_ATTEMPTS_MAX {
        match call() {
            Err(BackendError::Io { source, .. }) if source.kind() == io::ErrorKind::StaleNetworkFileHandle => {}
            other => return other,
        }
    }
    call()
}
