//! What the process says when it ends. Documented in `docs/json.md`; the numbers never change their meaning.

/// The exit codes. Scripts treat a code they do not know as failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ExitCode {
    /// Done.
    Done = 0,
    /// Failed; nothing else is known about it.
    Failed = 1,
    /// The command line, or the configuration file, is wrong.
    Usage = 2,
    /// Finished, but some parts could not be done; stderr names each.
    Incomplete = 3,
    /// Damage was found: in the repository by any command, in a snapshot file by `verify`.
    Damage = 4,
    /// There is no repository there.
    NoRepository = 10,
    /// Somebody else holds a lock. Reserved: no command takes one yet.
    #[expect(dead_code, reason = "reserved, so that no other meaning is given to 11")]
    Locked = 11,
    /// A later vectar wrote this.
    NewerFormat = 13,
    /// A defect of this program.
    OurBug = 70,
    /// Stopped by SIGINT or SIGTERM.
    Interrupted = 130,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

impl From<vectar::ErrorKind> for ExitCode {
    fn from(kind: vectar::ErrorKind) -> Self {
        use vectar::ErrorKind as Kind;
        match kind {
            Kind::RepositoryDamaged => Self::Damage,
            Kind::NoRepository => Self::NoRepository,
            Kind::NewerFormat => Self::NewerFormat,
            Kind::Cancelled => Self::Interrupted,
            Kind::OurBug => Self::OurBug,
            _ => Self::Failed,
        }
    }
}
