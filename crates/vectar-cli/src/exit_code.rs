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
    /// Damage was found: in the repository by any command, in a snapshot file by `verify`, in what an engine says by `drill`.
    Damage = 4,
    /// There is no repository there.
    NoRepository = 10,
    /// Somebody else holds a lock. Reserved: no command takes one yet.
    #[cfg_attr(not(test), expect(dead_code, reason = "reserved, so that no other meaning is given to 11"))]
    Locked = 11,
    /// A later vectar wrote this.
    NewerFormat = 13,
    /// Qdrant's own engine cannot be had: no Python, no network, no such package or version. Nothing is said about any backup.
    NoEngine = 14,
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
            Kind::EngineLacking => Self::NoEngine,
            Kind::Cancelled => Self::Interrupted,
            Kind::OurBug => Self::OurBug,
            _ => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ExitCode;

    /// Name of a code in the document. A new one does not compile before it has a name.
    fn name(code: ExitCode) -> &'static str {
        match code {
            ExitCode::Done => "done",
            ExitCode::Failed => "failed",
            ExitCode::Usage => "usage",
            ExitCode::Incomplete => "incomplete",
            ExitCode::Damage => "damage",
            ExitCode::NoRepository => "no repository",
            ExitCode::Locked => "locked",
            ExitCode::NewerFormat => "newer format",
            ExitCode::NoEngine => "no engine",
            ExitCode::OurBug => "our bug",
            ExitCode::Interrupted => "interrupted",
        }
    }

    #[test]
    fn the_document_lists_exactly_these() {
        use ExitCode::*;
        let codes =
            [Done, Failed, Usage, Incomplete, Damage, NoRepository, Locked, NewerFormat, NoEngine, OurBug, Interrupted];
        let ours: Vec<String> = codes.map(|code| format!("{} {}", code as u8, name(code))).into();
        let document = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/json.md"));
        let rows = document.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
        let documented: Vec<String> = rows
            .filter(|(code, _)| code.parse::<u8>().is_ok())
            .map(|(code, rest)| format!("{code} {}", rest.split(" |").next().unwrap_or_default()))
            .collect();
        assert_eq!(documented, ours);
    }
}
