//! Files that programs leave behind.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

/// All regular files below a folder.
pub(super) fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let entry = entry?;
            match entry.file_type()? {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    Ok(files)
}

/// Compares the one file of its length below `folder` with this one.
pub(super) fn compare(folder: &Path, file: &Path) -> Result<()> {
    let len = file.metadata()?.len();
    let restored = below(folder)?;
    let snapshot = restored.iter().find(|found| found.metadata().is_ok_and(|found| found.len() == len));
    let snapshot = snapshot.with_context(|| format!("no file of {len} bytes was restored in {}", folder.display()))?;
    let same = Command::new("cmp").arg(file).arg(snapshot).status()?;
    ensure!(same.success(), "{} is not what was stored", snapshot.display());
    Ok(())
}

/// Every folder at or below this one that holds several snapshots, with them in the order of their names.
pub(super) fn series_below(folder: &Path) -> Result<Vec<(String, Vec<PathBuf>)>> {
    let mut series: std::collections::BTreeMap<PathBuf, Vec<PathBuf>> = std::collections::BTreeMap::new();
    for file in below(folder)?.into_iter().filter(|file| file.extension().is_some_and(|end| end == "snapshot")) {
        series.entry(file.parent().unwrap_or(folder).to_owned()).or_default().push(file);
    }
    let named = series.into_iter().filter(|(_, files)| files.len() > 1).map(|(folder, mut files)| {
        files.sort();
        (folder.file_name().unwrap_or_default().to_string_lossy().into_owned(), files)
    });
    Ok(named.collect())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "files of a test")]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_a_folder_with_several_snapshots() {
        let root = tempfile::tempdir().expect("a scratch folder");
        for path in ["one/a.snapshot", "two/b.snapshot", "two/a.snapshot", "two/a.snapshot.checksum", "two/truth.json"]
        {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a scratch folder");
            std::fs::write(path, "x").expect("a scratch folder");
        }
        let series = series_below(root.path()).expect("it can be read");
        let [(name, files)] = &series[..] else { panic!("{series:?}") };
        assert_eq!(name, "two");
        assert_eq!(files, &["a", "b"].map(|file| root.path().join(format!("two/{file}.snapshot"))));
    }

    #[test]
    fn what_was_restored_is_compared_byte_for_byte() {
        let root = tempfile::tempdir().expect("a scratch folder");
        let (file, restored) = (root.path().join("file"), root.path().join("restored/deep"));
        std::fs::create_dir_all(&restored).expect("a scratch folder");
        std::fs::write(&file, "bytes").expect("a scratch folder");
        let folder = root.path().join("restored");
        assert!(compare(&folder, &file).is_err_and(|error| error.to_string().contains("no file of 5 bytes")));
        std::fs::write(restored.join("x"), "bytez").expect("a scratch folder");
        assert!(compare(&folder, &file).is_err_and(|error| error.to_string().contains("is not what was stored")));
        std::fs::write(restored.join("x"), "bytes").expect("a scratch folder");
        compare(&folder, &file).expect("the bytes are the same");
    }
}
