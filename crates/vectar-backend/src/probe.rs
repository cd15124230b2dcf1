//! What a storage was seen to do.

use crate::Durability;

/// How an object gets its name without ever replacing another one.
///
/// Strongest first; the first one that the storage accepts is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublishStrategy {
    /// `link(2)` gives the finished file its second name, which fails if the name is taken (POSIX.1-2024, `link`).
    HardLink,
    /// `renameat2(2)` with `RENAME_NOREPLACE` (Linux; `renameatx_np` with `RENAME_EXCL` on macOS). SMB and exFAT know no hard
    /// links but this.
    RenameNoReplace,
    /// The name is claimed by an empty file made with `O_EXCL`, which the finished file then replaces by `rename(2)`.
    ///
    /// Exactly one writer still wins, but for a moment, and for good after a crash in that moment, an *empty* object is
    /// visible under the key. Callers meet it as any other object that is too short.
    Claim,
}

/// What a storage was seen to do when it was tried, and what it says of itself.
///
/// A plain record: whoever stores it chooses the form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageProbe {
    /// The kind of storage, such as `ext4`, `nfs`, `smb` or `memory`; `unknown (0x…)` with the number the system gives.
    pub file_system: String,
    /// Whether the storage lies behind a network. True when in doubt, as for FUSE.
    pub is_network: bool,
    /// Whether it shares a device with `/`, so that it dies together with the machine's disk; `None` if that means nothing.
    pub on_root_device: Option<bool>,
    /// Whether a name can be replaced in one step.
    pub rename_replaces: bool,
    /// Whether a name can be given in one step only if it is free.
    pub rename_no_replace: bool,
    /// Whether a file can have two names.
    pub hard_links: bool,
    /// Whether a second exclusive create of one name fails.
    pub exclusive_create: bool,
    /// Whether the contents of a file can be made durable.
    pub file_sync: bool,
    /// Whether directory entries can be made durable.
    pub directory_sync: bool,
    /// Whether bytes inside a file can be read without reading what lies before.
    pub ranged_reads: bool,
    /// Whether names that differ only in case are different. Keys never need it.
    pub case_sensitive: bool,
    /// Whether a new file is in the very next listing, and a removed one is not.
    pub listing_fresh: bool,
    /// Whether files keep their length when they get their final name, as read back.
    pub length_kept: bool,
    /// Whether files and directories can be closed to other users (modes 0600 and 0700 are kept).
    pub private_modes: bool,
    /// How many bytes may still be written, if the storage can tell.
    pub free_bytes: Option<u64>,
    /// How objects are published here; `None` if the storage has a conditional put of its own, as object stores do.
    pub publish_strategy: Option<PublishStrategy>,
    /// How far `sync` can be trusted here.
    pub durability: Durability,
}
