//! Files for other programs to read.

use std::{
    io::{self, Write as _},
    path::Path,
};

/// What becomes of a file that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It is replaced, in one step.
    Replace,
    /// It stays, and the write fails.
    Keep,
}

/// Writes a text file in one step: under another name in the same directory first, then renamed, so that nobody sees half of it. Anyone may
/// read it, whatever the umask: scrapers and services run as other users.
///
/// # Errors
/// What the system said. An existing file is as it was, and nothing is left behind.
pub(crate) fn write_readable(path: &Path, text: &str, existing: Existing) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".vectar-").tempfile_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    match existing {
        Existing::Replace => file.persist(path)?,
        Existing::Keep => file.persist_noclobber(path)?,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "it looks at the file that was written")]
    fn all_may_read_it_and_nothing_else_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("status.prom");
        write_readable(&path, "one", Existing::Keep).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(write_readable(&path, "two", Existing::Keep).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write_readable(&path, "two", Existing::Replace).unwrap();
        assert_eq!((fs::read(&path).unwrap(), directory.path().read_dir().unwrap().count()), (b"two".to_vec(), 1));
    }
}
