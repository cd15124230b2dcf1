//! A file in the making, without a name that anybody knows.

use std::{
    fs::File,
    io::{self, Seek, Write},
    num::NonZeroU64,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Advice, FallocateFlags},
    io::Errno,
};
use tempfile::{NamedTempFile, TempPath};

use crate::{error::Error, rebuild::Target, words::grouped};

/// So many bytes are written before the system is told to bring them to the disk.
const UNDERWAY_BYTES: u64 = 16 * 1024 * 1024;

/// Blocks that are left out when they are zeros: no file system has smaller holes.
const HOLE_BYTES: usize = 4096;

const ZEROS: [u8; HOLE_BYTES] = [0; HOLE_BYTES];

/// A private file (mode 0600) that disappears unless it is published.
///
/// Its name is random and does not depend on the target's: nobody can lay a link there beforehand, and it is never too long.
#[derive(Debug)]
pub(crate) struct TemporaryFile {
    file: File,
    path: TempPath,
    /// Bytes written, and how many of them the system was told to bring to the disk.
    written: u64,
    underway: u64,
    /// Whether blocks of zeros are left out.
    leaves_holes: bool,
}

impl TemporaryFile {
    pub(super) fn create(target: &Path) -> Result<Self, Error> {
        if target.file_name().is_none() {
            return Err(target_failed("write", target)(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it names no file",
            )));
        }
        let directory = directory_of(target);
        let (file, path) = tempfile::Builder::new()
            .prefix(".vectar-")
            .suffix(".partial")
            .tempfile_in(directory)
            .map(NamedTempFile::into_parts)
            .map_err(target_failed("create a file in", directory))?;
        Ok(Self { file, path, written: 0, underway: 0, leaves_holes: false })
    }

    /// Leaves blocks of zeros out from now on.
    pub(super) fn leave_holes(&mut self) {
        self.leaves_holes = true;
    }

    /// Reserves room for `len` bytes in all, so that a disk with too little of it says so at once. Where the file system cannot reserve, or holes
    /// are left, nothing is done.
    ///
    /// # Errors
    /// [`Error::Target`] when there is too little room.
    pub(super) fn reserve(&self, len: u64) -> Result<(), Error> {
        if self.leaves_holes {
            return Ok(());
        }
        // The length stays what was written: a part must not look like the whole.
        match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, len) {
            Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => {
                let refused = io::Error::from(errno);
                let reason = format!("{refused}; {} bytes are needed", grouped(len));
                let failed = target_failed("reserve room for a file in", directory_of(&self.path));
                Err(failed(io::Error::new(refused.kind(), reason)))
            }
            _ => Ok(()),
        }
    }

    /// Writes bytes, and passes over blocks of the file that they make all zeros.
    fn write_but_zeros(&mut self, bytes: &[u8]) -> io::Result<()> {
        let is_zero = |block: &[u8]| block == &ZEROS[..block.len()];
        let before = usize::try_from(self.written.next_multiple_of(HOLE_BYTES as u64) - self.written);
        let (first, blocks) = bytes.split_at(before.map_or(bytes.len(), |before| before.min(bytes.len())));
        let mut at = 0;
        let blocks: Vec<&[u8]> = std::iter::once(first).chain(blocks.chunks(HOLE_BYTES)).collect();
        for run in blocks.chunk_by(|one, next| is_zero(one) == is_zero(next)) {
            let len: usize = run.iter().map(|block| block.len()).sum();
            match is_zero(run[0]) {
                true => self.file.seek_relative(len as i64)?,
                false => self.file.write_all(&bytes[at..at + len])?,
            }
            at += len;
        }
        Ok(())
    }

    /// Forgets what was written.
    pub(super) fn begin_anew(&mut self) -> Result<(), Error> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        (self.written, self.underway) = (0, 0);
        emptied.map_err(target_failed("empty", &self.path))
    }

    pub(super) fn publish(self, target: &Path, force: bool) -> Result<(), Error> {
        self.make_durable()?;
        self.give_name(target, force)
    }

    /// Lets the system begin to bring to the disk what was written since the last time, so that little is left to wait for at the end: on Linux
    /// this advice starts the writing and waits for none of it (`mm/fadvise.c`).
    fn bring_to_disk(&mut self) {
        let len = NonZeroU64::new(self.written - self.underway);
        // A file system that does not know the advice writes when it likes.
        let _ = rustix::fs::fadvise(&self.file, self.underway, len, Advice::DontNeed);
        self.underway = self.written;
    }

    pub(super) fn make_durable(&self) -> Result<(), Error> {
        // What ends in a hole is longer than what was written.
        let sized = if self.leaves_holes { self.file.set_len(self.written) } else { Ok(()) };
        sized.and_then(|()| self.file.sync_all()).map_err(target_failed("make durable", &self.path))
    }

    pub(super) fn give_name(self, target: &Path, force: bool) -> Result<(), Error> {
        check_free(target, force)?;
        // What is left under the temporary name goes away with `self`.
        give_name(&self.path, target, force)
    }
}

impl Target for TemporaryFile {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = if self.leaves_holes { self.write_but_zeros(bytes) } else { self.file.write_all(bytes) };
        written.map_err(target_failed("write", &self.path))?;
        self.written += bytes.len() as u64;
        if self.written - self.underway >= UNDERWAY_BYTES {
            self.bring_to_disk();
        }
        Ok(())
    }

    /// Beside the file: there is room for the snapshot there.
    fn spill_directory(&self) -> PathBuf {
        directory_of(&self.path).to_owned()
    }
}

/// Refuses a name that is taken. With `force` a file or a link may be replaced; a device or a directory never is.
pub(super) fn check_free(path: &Path, force: bool) -> Result<(), Error> {
    match path.symlink_metadata() {
        // Nothing is there; if the path itself is at fault, creating a file beside it says so.
        Err(_) => Ok(()),
        Ok(_) if !force => Err(Error::TargetExists { path: path.to_owned() }),
        Ok(metadata) if metadata.is_file() || metadata.is_symlink() => Ok(()),
        Ok(_) => {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "it is neither a file nor a link to one");
            Err(target_failed("replace", path)(source))
        }
    }
}

/// Gives a finished file its name; without `force` never over another one, not even one that came up meanwhile.
#[expect(clippy::disallowed_methods, reason = "the named target module of the engine")]
fn give_name(temporary: &Path, target: &Path, force: bool) -> Result<(), Error> {
    if force {
        return std::fs::rename(temporary, target).map_err(target_failed("rename to", target));
    }
    match std::fs::hard_link(temporary, target) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(Error::TargetExists { path: target.to_owned() })
        }
        // No hard links here, as on SMB and FAT: the name was free a moment ago, and that is as good as it gets.
        Err(_) if target.symlink_metadata().is_err() => {
            std::fs::rename(temporary, target).map_err(target_failed("rename to", target))
        }
        Err(_) => Err(Error::TargetExists { path: target.to_owned() }),
    }
}

#[expect(clippy::disallowed_methods, reason = "the named target module of the engine")]
pub(crate) fn sync_directory(path: &Path) -> Result<(), Error> {
    let directory = directory_of(path);
    match File::open(directory).and_then(|directory| directory.sync_all()) {
        Ok(()) => Ok(()),
        // Some network file systems refuse this for directories; the file's own bytes are durable.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
            ) =>
        {
            tracing::warn!(directory = %directory.display(), %error, "the directory cannot be made durable");
            Ok(())
        }
        Err(source) => Err(target_failed("make durable", directory)(source)),
    }
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

pub(super) fn target_failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Target { action, path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn what_goes_to_the_disk_on_the_way_is_what_was_written_and_has_no_name_before_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.snapshot");
        let mut file = TemporaryFile::create(&path).unwrap();
        // Of odd length, so that no write ends where the system is told.
        let piece: Vec<u8> = (0..=250).cycle().take(1_000_003).collect();
        for _ in 0..40 {
            file.write(&piece).unwrap();
            assert!(file.written - file.underway < UNDERWAY_BYTES, "{file:?}");
        }
        assert!(file.underway >= 2 * UNDERWAY_BYTES, "{file:?}");
        assert!(!path.exists());
        file.publish(&path, false).unwrap();
        #[expect(clippy::disallowed_methods, reason = "reads back what was written")]
        let read = std::fs::read(&path).unwrap();
        assert!(read == piece.repeat(40));

        let mut dropped = TemporaryFile::create(&path).unwrap();
        (0..20).for_each(|_| dropped.write(&piece).unwrap());
        drop(dropped);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "what is not published is gone");
    }

    /// Runs of zeros and of other bytes, in writes that end anywhere, with zeros at the end.
    #[test]
    fn blocks_of_zeros_become_holes_and_read_back_as_zeros() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.snapshot");
        let mut bytes = Vec::new();
        for (number, len) in [9000, 70_000, 1, 4096, 4095, 300_000, 8192, 12, 2_000_000].into_iter().enumerate() {
            bytes.resize(bytes.len() + len, u8::from(number % 2 == 0 && number != 8));
        }
        for write_len in [1000, 4096, 100_003, bytes.len()] {
            let mut file = TemporaryFile::create(&path).unwrap();
            file.leave_holes();
            bytes.chunks(write_len).for_each(|piece| file.write(piece).unwrap());
            file.publish(&path, true).unwrap();
            #[expect(clippy::disallowed_methods, reason = "reads back what was written")]
            let read = std::fs::read(&path).unwrap();
            assert!(read == bytes, "written {write_len} at a time");
            let taken = 512 * path.metadata().unwrap().blocks();
            if write_len >= HOLE_BYTES {
                assert!(taken < 120_000, "{taken} of {} bytes, written {write_len} at a time", bytes.len());
            }
        }
    }

    #[test]
    fn room_is_reserved_and_does_not_show() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.snapshot");
        let file = TemporaryFile::create(&path).unwrap();
        file.reserve(0).unwrap();
        file.reserve(3_000_000).unwrap();
        let metadata = file.file.metadata().unwrap();
        assert_eq!(metadata.len(), 0);
        // Where room can be reserved at all, more than any file may have is refused.
        if 512 * metadata.blocks() >= 3_000_000 {
            let error = file.reserve(1 << 62).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::NoSpace, "{error}");
        }
    }
}
