//! What the system says about the file system of a path.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{io_error, system::retry_interrupted};
use crate::BackendError;

/// The kind of a file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileSystem {
    pub(super) name: String,
    pub(super) is_network: bool,
    /// Whether everything on it is gone after a restart of the machine.
    pub(super) is_memory: bool,
}

/// Numbers of `statfs(2)`, from `include/uapi/linux/magic.h` and the file systems' own headers, with names and whether they lie
/// behind a network. FUSE and the file systems of virtual machines may, so they count as if they did.
const KNOWN: &[(u32, &str, bool)] = &[
    (0x0000_ef53, "ext2/ext3/ext4", false),
    (0x5846_5342, "xfs", false),
    (0x9123_683e, "btrfs", false),
    (0x2fc1_2fc1, "zfs", false),
    (0xca45_1a4e, "bcachefs", false),
    (0xf2f5_2010, "f2fs", false),
    (0x0102_1994, "tmpfs", false),
    (0x8584_58f6, "ramfs", false),
    (0x794c_7630, "overlay", false),
    (0x0000_4d44, "fat", false),
    (0x2011_bab0, "exfat", false),
    (0x5346_544e, "ntfs", false),
    (0x7366_746e, "ntfs3", false),
    (0x0000_4006, "fat", false),
    (0x0000_4244, "hfs", false),
    (0x0000_482b, "hfs+", false),
    (0x3153_464a, "jfs", false),
    (0x5265_4973, "reiserfs", false),
    (0x0000_f15f, "ecryptfs", false),
    (0x0000_6969, "nfs", true),
    (0xff53_4d42, "cifs", true),
    (0xfe53_4d42, "smb", true),
    (0x0000_517b, "smbfs", true),
    (0x5346_414f, "afs", true),
    (0x00c3_6400, "ceph", true),
    (0x0bd0_0bd0, "lustre", true),
    (0x0116_1970, "gfs2", true),
    (0x7461_636f, "ocfs2", true),
    (0x4750_4653, "gpfs", true),
    (0x0000_564c, "ncp", true),
    (0x7375_7245, "coda", true),
    (0x6573_5546, "fuse", true),
    (0x0102_1997, "9p", true),
    (0x786f_4256, "vboxsf", true),
    (0xbacb_acbc, "vmhgfs", true),
];

#[cfg(target_os = "linux")]
pub(super) fn file_system_of(path: &Path) -> Result<FileSystem, BackendError> {
    let statfs = retry_interrupted(|| Ok(rustix::fs::statfs(path)?));
    let statfs = statfs.map_err(|source| io_error("ask for the file system of", path, source))?;
    // The field is signed on most machines and its upper half means nothing.
    #[expect(clippy::cast_possible_truncation, reason = "the numbers have 32 bits")]
    Ok(named(statfs.f_type as u32))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn file_system_of(_path: &Path) -> Result<FileSystem, BackendError> {
    Ok(FileSystem { name: "unknown".to_owned(), is_network: true, is_memory: false })
}

fn named(magic: u32) -> FileSystem {
    match KNOWN.iter().find(|known| known.0 == magic) {
        Some((_, name, is_network)) => FileSystem {
            name: (*name).to_owned(),
            is_network: *is_network,
            is_memory: matches!(*name, "tmpfs" | "ramfs"),
        },
        None => FileSystem { name: format!("unknown ({magic:#010x})"), is_network: true, is_memory: false },
    }
}

/// Returns how many bytes this user may still write.
pub(super) fn free_bytes(path: &Path) -> Result<u64, BackendError> {
    let statvfs = retry_interrupted(|| Ok(rustix::fs::statvfs(path)?));
    let statvfs = statvfs.map_err(|source| io_error("ask for the free space of", path, source))?;
    Ok(statvfs.f_bavail.saturating_mul(statvfs.f_frsize))
}

/// Says whether `path` lies on the device of `/`; `None` if one of them cannot be asked.
pub(super) fn is_on_root_device(path: &Path) -> Option<bool> {
    let device = fs::metadata(path).ok()?.dev();
    Some(device == fs::metadata("/").ok()?.dev())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_kernel_have_names() {
        assert_eq!(named(0x6969), FileSystem { name: "nfs".to_owned(), is_network: true, is_memory: false });
        assert_eq!(named(0x0102_1994), FileSystem { name: "tmpfs".to_owned(), is_network: false, is_memory: true });
        assert_eq!(named(0x0000_0001).name, "unknown (0x00000001)");
    }

    #[test]
    fn no_number_is_listed_twice() {
        let mut numbers: Vec<u32> = KNOWN.iter().map(|known| known.0).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), KNOWN.len());
    }
}
