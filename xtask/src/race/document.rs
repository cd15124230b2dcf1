//! A Markdown file in which a race writes between two marks and nowhere else: what people wrote around them stays.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use super::{figures::STEPS, files};

const BEGIN: &str =
    "<!-- race: begin. Written by `cargo xtask race speed --report`; what is between these marks is replaced. -->";
const END: &str = "<!-- race: end -->";

/// How the marks are found, whatever else a line of them says.
const BEGIN_SIGN: &str = "<!-- race: begin";

/// The document, and a folder of the same name for what it shows.
#[derive(Debug)]
pub(super) struct Document {
    path: PathBuf,
}

impl Document {
    /// Looks before the race whether there is a place for its figures: an hour later would be late.
    ///
    /// # Errors
    ///
    /// When the file is there and has not exactly one pair of marks, or cannot be read.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let document = Self { path: path.to_owned() };
        replaced(&document.text()?, "").with_context(|| path.display().to_string())?;
        Ok(document)
    }

    /// The folder of what lies beside the document, as a link in it says it.
    pub(super) fn folder_name(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Writes the figures between the marks, and these files into the folder, from which pictures of other races go.
    ///
    /// # Errors
    ///
    /// When something cannot be written.
    #[expect(clippy::disallowed_methods, reason = "pictures are no part of a repository")]
    pub(super) fn save(&self, figures: &str, written: &[(String, String)]) -> Result<()> {
        write(&self.path, &replaced(&self.text()?, figures)?)?;
        let folder = self.path.with_extension("");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        for old in files::below(&folder)? {
            if old.parent() == Some(&folder) && is_picture(&old) {
                std::fs::remove_file(&old).with_context(|| format!("cannot remove {}", old.display()))?;
            }
        }
        written.iter().try_for_each(|(name, text)| write(&folder.join(name), text))
    }

    #[expect(clippy::disallowed_methods, reason = "a document is no part of a repository")]
    fn text(&self) -> Result<String> {
        if !self.path.exists() {
            return Ok(format!("# Performance\n\n{BEGIN}\n{END}\n"));
        }
        let bytes = std::fs::read(&self.path).with_context(|| format!("cannot read {}", self.path.display()))?;
        Ok(String::from_utf8(bytes)?)
    }
}

/// Whether a race gives a picture this name: what people have put beside them stays.
fn is_picture(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    STEPS.iter().any(|step| name.ends_with(&format!("-{step}.svg")))
}

#[expect(clippy::disallowed_methods, reason = "a document is no part of a repository")]
fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The text with this between its marks, each of which stands on a line of its own.
fn replaced(text: &str, figures: &str) -> Result<String> {
    let places = |sign: &str| -> Vec<usize> {
        let lines = text.match_indices(sign).map(|(place, _)| place);
        lines.filter(|place| *place == 0 || text.as_bytes()[place - 1] == b'\n').collect()
    };
    let (begins, ends) = (places(BEGIN_SIGN), places(END));
    let ([begin], [end]) = (&begins[..], &ends[..]) else {
        bail!("expected the lines {BEGIN_SIGN:?} and {END:?} once each: {} and {} are there", begins.len(), ends.len());
    };
    ensure!(begin < end, "the line {END:?} stands before the other mark");
    let body = if figures.is_empty() { String::new() } else { format!("\n{}\n\n", figures.trim()) };
    Ok(format!("{}{BEGIN}\n{body}{}", &text[..*begin], &text[*end..]))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "files of a test")]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn what_stands_around_the_marks_stays() {
        let text =
            format!("# Performance\n\nBy hand.\n\n{BEGIN_SIGN} -->\nold\n{END}\n\n## Profiles\n\nBy hand too.\n");
        let new = replaced(&text, "new\n").expect("both marks are there");
        expect![[r#"
            # Performance

            By hand.

            <!-- race: begin. Written by `cargo xtask race speed --report`; what is between these marks is replaced. -->

            new

            <!-- race: end -->

            ## Profiles

            By hand too.
        "#]]
        .assert_eq(&new);
        assert_eq!(replaced(&new, "new").expect("both marks are there"), new, "a second time changes nothing");
    }

    #[test]
    fn without_one_pair_of_marks_nothing_is_written() {
        for text in [
            "# Performance\n".to_owned(),
            format!("{BEGIN}\n"),
            format!("{END}\n{BEGIN}\n"),
            format!("{BEGIN}\n{END}\n{END}\n"),
            format!("in a line {BEGIN}\n{END}\n"),
        ] {
            assert!(replaced(&text, "new").is_err(), "{text}");
        }
    }

    #[test]
    fn files_lie_in_a_folder_of_the_documents_name() {
        let root = tempfile::tempdir().expect("a scratch folder");
        let path = root.path().join("speed.md");
        let document = Document::open(&path).expect("a document that is not there is made");
        let pictures = ["old-store.svg", "flames.svg"].map(|name| (name.to_owned(), "<svg/>".to_owned()));
        document.save("old", &pictures).expect("a scratch folder");
        document.save("figures", &[("runs.csv".to_owned(), "1\n".to_owned())]).expect("a scratch folder");
        assert!(!root.path().join("speed/old-store.svg").exists(), "it is of a race that is over");
        assert!(root.path().join("speed/flames.svg").exists(), "it is of no race");
        assert_eq!(document.folder_name(), "speed");
        assert_eq!(std::fs::read(root.path().join("speed/runs.csv")).expect("it was written"), b"1\n");
        let text = std::fs::read_to_string(&path).expect("it was written");
        assert!(text.contains("\nfigures\n"), "{text}");
        std::fs::write(&path, "no marks").expect("a scratch folder");
        assert!(Document::open(&path).is_err());
    }
}
