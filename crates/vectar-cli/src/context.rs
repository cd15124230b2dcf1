//! What every command needs: the repository that was named, its engine, and where to print.

use std::{
    cell::Cell,
    path::{Path, PathBuf},
};

use vectar::{CancelToken, Engine, EngineOptions, RecordList, Repository, RepositoryError, words::one_line};

use crate::{
    args::GlobalArgs,
    config_file::{self, Profile},
    error::CliError,
    exit_code::ExitCode,
    output::{Out, Progress},
};

/// The settings of one run, from the command line, the environment and the configuration file, in this order of trust.
#[derive(Debug)]
pub(crate) struct Context<'o> {
    out: &'o Out,
    cancel: CancelToken,
    repo: Option<PathBuf>,
    profile_name: Option<String>,
    profile: Profile,
    config_file: PathBuf,
    index_directory: Option<PathBuf>,
    threads: usize,
    memory_bytes: Option<u64>,
    progress: bool,
    incomplete: Cell<bool>,
}

impl<'o> Context<'o> {
    /// Reads the configuration file and settles what was left open.
    pub(crate) fn new(global: &GlobalArgs, out: &'o Out, cancel: CancelToken) -> Result<Self, CliError> {
        let (file, path) = config_file::load(global.config.as_deref())?;
        // Who names a repository means that one: the default profile then says nothing about it.
        let default = || file.default_profile.clone().filter(|_| global.repo.is_none());
        let profile_name = global.profile.clone().or_else(default);
        let profile = match &profile_name {
            Some(name) => file.profile(name, &path)?,
            None => Profile::default(),
        };
        let user_cache = || directories::ProjectDirs::from("", "", "vectar").map(|user| user.cache_dir().to_owned());
        Ok(Self {
            out,
            cancel,
            repo: global.repo.clone().or_else(|| profile.repo.clone()),
            index_directory: global.index_dir.clone().or_else(|| profile.index_dir.clone()).or_else(user_cache),
            // Zero stands for as many as there are cores.
            threads: global.threads.map_or(0, usize::from),
            memory_bytes: global.memory,
            profile_name,
            profile,
            config_file: path,
            progress: !global.no_progress,
            incomplete: Cell::new(false),
        })
    }

    /// Where to print.
    pub(crate) fn out(&self) -> &'o Out {
        self.out
    }

    /// The flag that signals set.
    pub(crate) fn cancel(&self) -> &CancelToken {
        &self.cancel
    }

    /// What the profile says; nothing without one.
    pub(crate) fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The profile's name and the configuration file that it stands in; `None` without one.
    pub(crate) fn profile_in_use(&self) -> Option<(&str, &Path)> {
        Some((self.profile_name.as_deref()?, &self.config_file))
    }

    /// Progress of one step on stderr; silent unless that is a terminal.
    pub(crate) fn observer(&self, step: &str) -> Progress {
        match self.progress && !self.out.is_quiet() {
            true => Progress::new(step),
            false => Progress::silent(),
        }
    }

    /// The directory of the repository that was named.
    pub(crate) fn repository_path(&self) -> Result<&Path, CliError> {
        self.repo.as_deref().ok_or_else(|| {
            CliError::new(ExitCode::Usage, "no repository is named")
                .cause("neither --repo, VECTAR_REPO nor a profile says where it is")
                .safe("nothing was read or written")
                .hint("add -r PATH, or set VECTAR_REPO")
                .hint("run \"vectar -r PATH init\" to create a repository")
        })
    }

    /// Refuses to create a repository where the profile expects a certain one: the storage behind it is not mounted.
    pub(crate) fn refuse_pinned(&self) -> Result<(), CliError> {
        let (Some(name), Some(id)) = (&self.profile_name, self.profile.repository_id) else { return Ok(()) };
        Err(CliError::new(ExitCode::Usage, format!("profile {name:?} belongs to a repository that exists"))
            .cause(format!("it expects repository {id} in {}", self.repository_path()?.display()))
            .safe("nothing was written")
            .hint("mount the storage behind that directory")
            .hint("remove repository_id from the profile if the repository is to be replaced"))
    }

    /// Opens the repository. With a profile that pins an id it must be that one.
    pub(crate) fn repository(&self) -> Result<Repository, CliError> {
        let path = self.repository_path()?;
        vectar::open(path, self.profile.repository_id).map_err(|error| {
            let pinned = matches!(
                &error,
                vectar::Error::Repository(
                    RepositoryError::NotARepository { .. } | RepositoryError::WrongRepository { .. }
                )
            );
            let error = CliError::from(error);
            match (&self.profile_name, self.profile.repository_id) {
                // Not the hint to create one: that would put the next backups onto the bare mount point.
                (Some(name), Some(id)) if pinned => error
                    .cause(format!("profile {name:?} expects repository {id} there"))
                    .hints([format!("mount the storage behind {}, then try again", path.display())]),
                _ => error,
            }
        })
    }

    /// Opens the repository and its chunk index.
    pub(crate) fn engine(&self) -> Result<Engine, CliError> {
        self.engine_of(&self.repository()?)
    }

    /// Opens the chunk index of a repository.
    pub(crate) fn engine_of(&self, repository: &Repository) -> Result<Engine, CliError> {
        let engine = Engine::open(repository, &self.engine_options())?;
        self.warn_of_packs(&engine);
        Ok(engine)
    }

    /// Where what can be had again is kept: chunk indexes, environments for drills. `None` when nobody said where and there is no home.
    pub(crate) fn cache_directory(&self) -> Option<&Path> {
        self.index_directory.as_deref()
    }

    /// How many threads a command may take; 0 for as many as there are cores.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// How engines are opened here.
    pub(crate) fn engine_options(&self) -> EngineOptions {
        EngineOptions {
            threads: self.threads,
            index_directory: self.index_directory.clone(),
            memory_bytes: self.memory_bytes,
        }
    }

    /// Says which packs could not be read into the index; the command goes on with the others.
    pub(crate) fn warn_of_packs(&self, engine: &Engine) {
        for (key, error) in &engine.caught_up().unreadable {
            self.out.warn(format_args!("pack {key} cannot be used: {}", one_line(error)));
        }
    }

    /// Reads all records. One that cannot be read is a warning, and [`outcome`](Self::outcome) remembers it.
    pub(crate) fn records(&self, repository: &Repository) -> Result<RecordList, CliError> {
        let list = repository.records()?;
        for record in &list.unreadable {
            self.out.warn(format_args!("a record cannot be read: {}", one_line(&record.error)));
            self.incomplete.set(true);
        }
        Ok(list)
    }

    /// Remembers that a part of what was asked for could not be done.
    pub(crate) fn note_incomplete(&self) {
        self.incomplete.set(true);
    }

    /// What a command that shows everything ends with: [`ExitCode::Incomplete`] when something could not be shown.
    pub(crate) fn outcome(&self) -> ExitCode {
        match self.incomplete.get() {
            true => ExitCode::Incomplete,
            false => ExitCode::Done,
        }
    }
}
