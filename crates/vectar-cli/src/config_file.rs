//! The user's configuration file: profiles, each of which names and pins a repository.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use vectar::RepositoryId;

use crate::{error::CliError, exit_code::ExitCode};

/// The file, as TOML. A key that is not known is an error: a misspelt `repository_id` must not silently pin nothing.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigFile {
    /// The profile that is used when neither `--profile` nor `--repo` is given.
    pub(crate) default_profile: Option<String>,
    /// Profiles by name.
    #[serde(default)]
    pub(crate) profiles: BTreeMap<String, Profile>,
}

/// One repository, and what is known about what goes there.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// Directory of the repository: absolute, or beginning with `~/`.
    pub(crate) repo: Option<PathBuf>,
    /// The one repository that may answer there.
    pub(crate) repository_id: Option<RepositoryId>,
    /// What `ingest` uses unless told otherwise.
    pub(crate) collection: Option<String>,
    /// As `collection`.
    pub(crate) cluster: Option<String>,
    /// As `collection`.
    pub(crate) node: Option<String>,
    /// Added to the tags of every ingest.
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    /// Where chunk indexes are kept.
    pub(crate) index_dir: Option<PathBuf>,
}

/// Reads the configuration file: the one that was named, or the user's own if there is one.
pub(crate) fn load(named: Option<&Path>) -> Result<(ConfigFile, PathBuf), CliError> {
    let own = || directories::ProjectDirs::from("", "", "vectar").map(|user| user.config_dir().join("config.toml"));
    let Some(path) = named.map(Path::to_owned).or_else(own) else { return Ok(Default::default()) };
    let text = match read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => {
            return Ok((ConfigFile::default(), path));
        }
        Err(error) => return Err(unusable(&path).cause(error)),
    };
    let mut file: ConfigFile = toml::from_str(&text).map_err(|error| unusable(&path).cause(describe(&error, &text)))?;
    for (name, profile) in &mut file.profiles {
        for (key, place) in [("repo", &mut profile.repo), ("index_dir", &mut profile.index_dir)] {
            if let Some(place) = place {
                *place = absolute(place).ok_or_else(|| {
                    unusable(&path).cause(format!(
                        "{key} of profile {name:?} is {}, expected an absolute path or one that begins with ~/",
                        place.display()
                    ))
                })?;
            }
        }
    }
    Ok((file, path))
}

impl ConfigFile {
    /// The profile of that name.
    pub(crate) fn profile(&self, name: &str, path: &Path) -> Result<Profile, CliError> {
        self.profiles.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = self.profiles.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            CliError::new(ExitCode::Usage, format!("there is no profile {name:?}"))
                .cause(format!("profiles in {}: {known}", path.display()))
                .safe("nothing was read or written")
                .hint("add the profile to the configuration file, or name the repository with -r PATH")
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "the configuration file is this program's own, no part of a repository")]
fn read(path: &Path) -> io::Result<String> {
    String::from_utf8(std::fs::read(path)?).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

fn unusable(path: &Path) -> CliError {
    CliError::new(ExitCode::Usage, format!("cannot use the configuration file {}", path.display()))
        .safe("nothing was read or written")
        .hint("mend that line, or name another file with --config FILE")
}

/// The message of a TOML error and the line it is on: toml's own text draws a picture over several lines.
fn describe(error: &toml::de::Error, text: &str) -> String {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let message = error.message().trim();
    match line {
        Some(line) => format!("line {line}: {message}"),
        None => message.to_owned(),
    }
}

fn absolute(path: &Path) -> Option<PathBuf> {
    if let Ok(rest) = path.strip_prefix("~") {
        return Some(directories::BaseDirs::new()?.home_dir().join(rest));
    }
    path.is_absolute().then(|| path.to_owned())
}
