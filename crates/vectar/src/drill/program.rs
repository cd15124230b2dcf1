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
        if interpreter.exists()
            && let Ok(program) = self.greet(&interpreter, cancel)
        {
            return Ok(program);
        }
        cancel.check()?;
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
            Wrong::Silence(Silence::Cancelled) => Error::Cancelled,
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
        // Who is there by now can import the engine, or it would not have been made; what cannot goes.
        let is_made = || kept.join("bin/python").exists() && self.greet(&kept.join("bin/python"), cancel).is_ok();
        if kept.exists() && !is_made() {
            std::fs::remove_dir_all(kept).map_err(failed("remove", kept))?;
        }
        match std::fs::rename(&made, kept) {
            Err(_) if is_made() => {}
            renamed => renamed.map_err(failed("rename to", kept))?,
        }
        scratch.remove()
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
            Err(Silence::Cancelled) => return Err(Error::Cancelled),
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
            Silence::Ended { said, .. } if is_full(&said) => Error::Target {
                action: "write",
                path: self.directory.clone(),
                source: io::Error::from(io::ErrorKind::StorageFull),
            },
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

/// Whether a program ran out of room, by its words (`strerror` of `ENOSPC`, `EDQUOT` and `EFBIG`).
pub(super) fn is_full(said: &str) -> bool {
    ["No space left on device", "Disk quota exceeded", "File too large"].iter().any(|words| said.contains(words))
}
