//! The committed bounds, and how what was counted compares with them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result};

/// What one run took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    /// Length of the snapshot that it is about.
    pub(super) bytes: u64,
    pub(super) instructions: u64,
}

/// The bounds as they are in the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bounds {
    /// What was blessed, by the name of the run.
    pub(super) runs: BTreeMap<String, Count>,
}

/// How much more than what was blessed is still no breach, in percent. Ids and keys of a repository are random and threads take turns as they
/// please: five rounds on a busy machine were within 0.1 percent of each other. The rest is for another C library, which copies and
/// compares bytes in another way.
pub(super) const TOLERANCE_PERCENT: u64 = 2;

/// How much less than what was blessed is so much that the bound guards nothing any more, in percent.
pub(super) const RENEW_PERCENT: u64 = 10;

/// What is to be said of a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    /// More than the bound and its tolerance.
    Above,
    /// So much less that the bound should be renewed.
    FarBelow,
    /// The snapshot is of another length than when it was blessed, so nothing can be compared.
    AnotherSnapshot,
    /// Nobody has blessed such a run.
    New,
}

impl Verdict {
    /// Whether the check fails by it. That something became faster is no failure.
    pub(super) fn fails(self) -> bool {
        matches!(self, Self::Above | Self::AnotherSnapshot | Self::New)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Above => "BREACH: more than the bound allows",
            Self::FarBelow => "ok, and so much less that the bound should be renewed: --bless",
            Self::AnotherSnapshot => "BREACH: the snapshot has another length than the bound was set for: --bless",
            Self::New => "BREACH: there is no bound: --bless",
        })
    }
}

impl Bounds {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is not what [`Bounds::text`] writes.
    #[expect(clippy::disallowed_methods, reason = "the bounds are no part of a repository")]
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&String::from_utf8(bytes)?).with_context(|| path.display().to_string())
    }

    /// Writes the file.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    #[expect(clippy::disallowed_methods, reason = "the bounds are no part of a repository")]
    pub(super) fn write(&self, path: &Path, made_by: &str) -> Result<()> {
        std::fs::write(path, self.text(made_by)).with_context(|| format!("cannot write {}", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let table: toml::Table = text.parse()?;
        let mut runs = BTreeMap::new();
        for (name, run) in &table {
            let number = |key: &str| {
                let value = run.get(key).and_then(toml::Value::as_integer).and_then(|value| u64::try_from(value).ok());
                value.with_context(|| format!("[{name}] has no number {key:?}"))
            };
            runs.insert(name.clone(), Count { bytes: number("bytes")?, instructions: number("instructions")? });
        }
        Ok(Self { runs })
    }

    fn text(&self, made_by: &str) -> String {
        let mut text = format!(
            "# Instructions of the runs of `cargo xtask perf-check`, which writes this with --bless. More than {TOLERANCE_PERCENT} % above is a breach.\n\
             # Counted by {made_by}.\n"
        );
        for (name, Count { bytes, instructions }) in &self.runs {
            text += &format!("\n[{name}]\nbytes = {bytes}\ninstructions = {instructions}\n");
        }
        text
    }

    /// Holds a count against its bound.
    pub(super) fn judge(&self, name: &str, count: Count) -> Verdict {
        let Some(bound) = self.runs.get(name) else { return Verdict::New };
        let percent = |percent: u64| u128::from(bound.instructions) * u128::from(percent);
        let counted = u128::from(count.instructions) * 100;
        if bound.bytes != count.bytes {
            Verdict::AnotherSnapshot
        } else if counted > percent(100 + TOLERANCE_PERCENT) {
            Verdict::Above
        } else if counted < percent(100 - RENEW_PERCENT) {
            Verdict::FarBelow
        } else {
            Verdict::Ok
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds() -> Bounds {
        let runs = [("store", 1_000_000), ("restore", 500)];
        let runs = runs.map(|(name, instructions)| (name.to_owned(), Count { bytes: 64, instructions }));
        Bounds { runs: BTreeMap::from(runs) }
    }

    #[test]
    fn a_count_is_judged_from_tolerance_to_renewal() {
        let check = |name, bytes, instructions, verdict| {
            assert_eq!(bounds().judge(name, Count { bytes, instructions }), verdict, "{name} {instructions}");
        };
        check("store", 64, 1_000_000, Verdict::Ok);
        check("store", 64, 1_020_000, Verdict::Ok);
        check("store", 64, 1_020_001, Verdict::Above);
        check("store", 64, 900_000, Verdict::Ok);
        check("store", 64, 899_999, Verdict::FarBelow);
        check("store", 65, 1_000_000, Verdict::AnotherSnapshot);
        check("verify", 64, 1, Verdict::New);
        assert!(Verdict::Above.fails() && Verdict::New.fails() && Verdict::AnotherSnapshot.fails());
        assert!(!Verdict::Ok.fails() && !Verdict::FarBelow.fails());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = bounds().text("valgrind-3.19.0");
        assert_eq!(Bounds::parse(&text).expect("it was just written"), bounds());
        assert!(Bounds::parse("[store]\nbytes = 4\n").is_err_and(|error| error.to_string().contains("instructions")));
        assert!(Bounds::parse("[store]\nbytes = -4\ninstructions = 1\n").is_err());
        assert!(Bounds::parse("store").is_err());
    }
}
