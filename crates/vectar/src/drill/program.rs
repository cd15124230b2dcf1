//! A Python with Qdrant's own engine in it: one that was given, or one that is made and kept.
//!
//! What is kept is a virtual environment for each version, beside the chunk indexes. It is made aside and renamed, so that it is complete or
//! absent; nothing in it that is used holds its own path. Two that make it at once make two: one rename wins, and either is good.

use std::{
    ffi::OsString,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    dialogue::{Dialogue, Wrong},
    process::{Patience, Program, Running, Silence},
    scratch::{Scratch, sweep},
};
use crate::{
    error::{EngineLack, Error},
    observer::CancelToken,
};

/// The package whose engine loads snapshots of Qdrant up to the release line it was built from: 0.9.0 of 1.20 and before.
pub const ENGINE_VERSION: &str = "0.9.0";

/// So long an environment may take to be made: the package has 30 MB, and some networks are slow.
const MAKING_MAX: Duration = Duration::from_secs(15 * 60);

/// So long an interpreter may take to say which engine it has.
const GREETING_MAX: Duration = Duration::from_secs(120);

/// Where the engine comes from. The caller decides where caches lie and which variables there are.
#[derive(Debug, Clone, Default)]
pub struct EngineSource {
    /// Version of the package `qdrant-edge-py`.
    pub version: String,
    /// A Python that has the package; nothing is made then.
    pub python: Option<PathBuf>,
    /// Where environments are kept; a directory that is made if it is missing.
    pub directory: PathBuf,
    /// Where the engine may leave files for a moment.
    pub scratch_directory: PathBuf,
    /// Directories in which `python3` is looked for, as in the variable `PATH`.
    pub search_path: OsString,
    /// Variables for making an environment: pip's own, proxies, certificates, the home directory. The engine gets none of them.
    pub variables: Vec<(OsString, OsString)>,
}

/// A Python that can import the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineProgram {
    pub(super) interpreter: PathBuf,
    /// Version of the package.
    pub version: String,
    /// Version of Python.
    pub python: String,
}

impl EngineSource {
    /// Finds the engine, or makes an environment for it.
    ///
    /// # Errors
    /// [`Error::EngineLacking`] when it cannot be had, with nothing left behind; [`Error::Target`] when the directory cannot be written;
    /// [`Error::Cancelled`].
    pub fn find(&self, cancel: &CancelToken) -> Result<EngineProgram, Error> {
        if self.version.is_empty() || !self.version.chars().all(|one| one.is_ascii_alphanumeric() || one == '.') {
            return Err(Error::OptionInvalid {
                what: "engine version",
                value: self.version.clone(),
                reason: format!("a version looks like {ENGINE_VERSION}"),
            });
        }
        if let Some(python) = &self.python {
            // As in a shell: a name without a slash is looked up.
            let python = match python.components().count() {
                1 => self.look_up(python)?,
                _ => std::path::absolute(python).unwrap_or_else(|_| python.clone()),
            };
            return self.greet(&python, cancel);
        }
        let directory = std::path::absolute(&self.directory).unwrap_or_else(|_| self.directory.clone());
        let kept = directory.join(format!("qdrant-edge-{}", self.version));
        let interpreter = kept.join("bin/python");
        if interpreter.exists() {
            match self.greet(&interpreter, cancel) {
                Err(error) if is_broken(&error) => {}
                answered => return answered,
            }
        }
        let was_there = directory.is_dir();
        sweep(&directory);
        let made = self.make(&directory, &kept, cancel);
        if made.is_err() && !was_there {
            // What else lies there now keeps it.
            let _ = std::fs::remove_dir(&directory);
        }
        made?;
        self.greet(&interpreter, cancel)
    }

    /// Asks an interpreter which engine it has.
    fn greet(&self, interpreter: &Path, cancel: &CancelToken) -> Result<EngineProgram, Error> {
        let directory = Scratch::create(&self.scratch_directory, 0)?;
        let begun = Dialogue::begin(interpreter, directory.path(), GREETING_MAX, cancel).map(|(_, greeting)| greeting);
        directory.remove()?;
        let greeting = begun.map_err(|wrong| match wrong {
            Wrong::Start(error) => {
                self.lacking(EngineLack::NoPython { looked: interpreter.to_owned() }, error.to_string())
            }
            Wrong::NoPackage(said) => self.lacking(EngineLack::NoPackage { python: interpreter.to_owned() }, said),
            Wrong::NoSpace(_) => full(&self.scratch_directory),
            Wrong::Silence(Silence::Cancelled) => Error::Cancelled,
            // Whatever is the matter with it, it may have the package.
            silent @ Wrong::Silence(Silence::TimedOut | Silence::Ended { signal: Some(9), .. }) => {
                self.lacking(EngineLack::NoAnswer { python: interpreter.to_owned() }, silent.to_string())
            }
            other => self.lacking(EngineLack::NoPython { looked: interpreter.to_owned() }, other.to_string()),
        })?;
        let text = |name: &str| greeting.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let found = text("engine");
        if found != self.version {
            let lack = EngineLack::OtherVersion { python: interpreter.to_owned(), found };
            return Err(self.lacking(lack, String::new()));
        }
        Ok(EngineProgram { interpreter: interpreter.to_owned(), version: found, python: text("python") })
    }

    /// Makes the environment `kept` in `directory`.
    #[expect(clippy::disallowed_methods, reason = "environments are plain files in the cache")]
    fn make(&self, directory: &Path, kept: &Path, cancel: &CancelToken) -> Result<(), Error> {
        let python = self.look_up(Path::new("python3"))?;
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| Error::Target { action, path, source }
        };
        std::fs::create_dir_all(directory).map_err(failed("create", directory))?;
        let scratch = Scratch::create(directory, 0)?;
        let made = scratch.path().join("environment");
        self.fill(&python, &made, cancel)?;
        // What is there by now may be another's, and a drill may run in it: it goes only when it is known to be broken.
        if !self.is_good(kept, cancel)? {
            if kept.exists() {
                // At once and as a whole; it goes with the scratch directory.
                std::fs::rename(kept, scratch.path().join("broken")).map_err(failed("remove", kept))?;
            }
            match std::fs::rename(&made, kept) {
                Err(_) if self.is_good(kept, cancel)? => {}
                renamed => renamed.map_err(failed("rename to", kept))?,
            }
        }
        scratch.remove()
    }

    /// Whether there is an environment that can import the engine. That this cannot be found out is the error.
    fn is_good(&self, kept: &Path, cancel: &CancelToken) -> Result<bool, Error> {
        match self.greet(&kept.join("bin/python"), cancel) {
            Ok(_) => Ok(true),
            Err(error) if is_broken(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn fill(&self, python: &Path, staging: &Path, cancel: &CancelToken) -> Result<(), Error> {
        let package = OsString::from(format!("qdrant-edge-py=={}", self.version));
        let made = staging.join("bin/python");
        let patience = Patience { deadline: Instant::now() + MAKING_MAX, cancel };
        let run = |program: &Path, arguments: &[&OsString]| {
            let mut variables = self.variables.clone();
            variables.push(("PATH".into(), self.search_path.clone()));
            variables.push(("PYTHONUTF8".into(), "1".into()));
            let arguments = arguments.iter().map(|&argument| argument.clone()).collect();
            let program = Program { path: program, arguments, variables, directory: Path::new("/") };
            match Running::start(&program) {
                Ok(running) => running.finish(patience),
                Err(error) => {
                    Err(Silence::Ended { how: "it does not start".to_owned(), signal: None, said: error.to_string() })
                }
            }
        };
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        let install = words("install --quiet --disable-pip-version-check --no-input --no-compile --retries 1");
        // Without a pip of its own the environment is made in a tenth of the time, if Python's pip is new enough for that (22.3).
        let (bare, own) = (words("-m venv --without-pip"), words("-m venv --clear"));
        let (outside, inside) = (words("-m pip --python"), words("-m pip"));
        let place = staging.as_os_str().to_owned();
        let target = made.as_os_str().to_owned();
        let quick = run(python, &bare.iter().chain([&place]).collect::<Vec<_>>()).and_then(|()| {
            run(python, &outside.iter().chain([&target]).chain(&install).chain([&package]).collect::<Vec<_>>())
        });
        match quick {
            Ok(()) => return Ok(()),
            // There is no time left for another try.
            Err(silence @ (Silence::Cancelled | Silence::TimedOut)) => {
                return Err(self.unmade(EngineLack::NotInstallable, silence));
            }
            Err(_) => {}
        }
        run(python, &own.iter().chain([&place]).collect::<Vec<_>>())
            .map_err(|silence| self.unmade(EngineLack::NoVenv { python: python.to_owned() }, silence))?;
        run(&made, &inside.iter().chain(&install).chain([&package]).collect::<Vec<_>>())
            .map_err(|silence| self.unmade(EngineLack::NotInstallable, silence))
    }

    fn unmade(&self, lack: EngineLack, silence: Silence) -> Error {
        match silence {
            Silence::Cancelled => Error::Cancelled,
            Silence::Ended { said, .. } if is_full(&said) => full(&self.directory),
            Silence::Ended { said, .. } if !said.is_empty() => self.lacking(lack, said),
            other => self.lacking(lack, Wrong::Silence(other).to_string()),
        }
    }

    /// The program that a shell would find. Relative directories are passed over.
    fn look_up(&self, name: &Path) -> Result<PathBuf, Error> {
        let is_program = |path: &PathBuf| {
            path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        };
        std::env::split_paths(&self.search_path)
            .filter(|directory| directory.is_absolute())
            .map(|directory| directory.join(name))
            .find(is_program)
            .ok_or_else(|| self.lacking(EngineLack::NoPython { looked: name.to_owned() }, String::new()))
    }

    fn lacking(&self, lack: EngineLack, said: String) -> Error {
        Error::EngineLacking { version: self.version.clone(), lack, said }
    }
}

/// The error for a directory in which there is no room.
pub(super) fn full(directory: &Path) -> Error {
    Error::Target { action: "write into", path: directory.to_owned(), source: io::ErrorKind::StorageFull.into() }
}

/// Whether it is certain that an interpreter cannot import the engine. That it could not be asked says nothing about it.
fn is_broken(error: &Error) -> bool {
    use EngineLack::{NoPackage, NoPython, OtherVersion};
    matches!(error, Error::EngineLacking { lack: NoPython { .. } | NoPackage { .. } | OtherVersion { .. }, .. })
}

/// Whether a program ran out of room, by its words (`strerror` of `ENOSPC`, `EDQUOT` and `EFBIG`).
pub(super) fn is_full(said: &str) -> bool {
    ["No space left on device", "Disk quota exceeded", "File too large"].iter().any(|words| said.contains(words))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "scripts that stand in for Python")]
mod tests {
    use std::fs;

    use super::*;

    /// A Python that makes environments whose Python has the package.
    const MAKER: &str = r#"
        [ "$2" = venv ] || exit 0
        for place; do :; done
        mkdir -p "$place/bin" && printf '#!/bin/sh\necho \047{"engine":"0.9.0","python":"new"}\047\n' > "$place/bin/python"
        chmod +x "$place/bin/python"
    "#;

    /// What a Python says that is kept already, and which one is used then; `None` for an error.
    fn found(kept: &str, has_scratch: bool) -> Option<String> {
        let directory = tempfile::tempdir().unwrap();
        let program = |path: &Path, script: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        let (tools, engines) = (directory.path().join("tools"), directory.path().join("engines"));
        let (scratch, python) = (directory.path().join("scratch"), engines.join("qdrant-edge-0.9.0/bin/python"));
        program(&tools.join("python3"), MAKER);
        program(&python, kept);
        if has_scratch {
            fs::create_dir(&scratch).unwrap();
        }
        let mut search_path = OsString::from(tools);
        search_path.push(":/usr/bin:/bin");
        let version = "0.9.0".to_owned();
        let source = EngineSource {
            version,
            directory: engines.clone(),
            scratch_directory: scratch,
            search_path,
            ..EngineSource::default()
        };
        let found = source.find(&CancelToken::default());
        let is_kept = fs::read_to_string(&python).unwrap().contains(kept);
        assert_eq!(is_kept, found.as_ref().map_or(true, |found| found.python != "new"), "{found:?}");
        assert_eq!(fs::read_dir(&engines).unwrap().count(), 1, "nothing is left beside it");
        found.ok().map(|found| found.python)
    }

    #[test]
    fn only_what_is_known_to_be_broken_is_made_anew() {
        let good = "echo '{\"engine\":\"0.9.0\",\"python\":\"old\"}'";
        assert_eq!(found(good, true).as_deref(), Some("old"));
        // Nobody could ask it.
        assert_eq!(found(good, false), None);
        assert_eq!(found("kill -9 $$", true), None);
        for broken in ["echo '{\"error\":\"no\",\"kind\":\"no-package\"}'", "echo '{\"engine\":\"0.8.0\"}'", "exit 1"] {
            assert_eq!(found(broken, true).as_deref(), Some("new"), "{broken}");
        }
    }
}
