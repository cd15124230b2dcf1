//! `init`.

use std::path::PathBuf;

use clap::{Args, value_parser};
use serde::Serialize;
use vectar::{InitOptions, Repository, StorageProbe, durability_name};

use crate::{context::Context, error::CliError, exit_code::ExitCode, output::size_long};

/// Create a repository
///
/// The directory is made if it is missing and must be empty. What the storage can do is tried and recorded.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Take over the key and the cuts of another repository, so that "vectar copy" between the two is cheap
    #[arg(long, value_name = "REPO")]
    like: Option<PathBuf>,
    /// Store recipes this many times, 1 or 2: with two, a damaged pack of recipes hurts no backup
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..=2))]
    metadata_copies: u32,
}

/// The line of `--json`.
#[derive(Serialize)]
struct InitLine<'l> {
    repository_id: String,
    location: String,
    file_system: &'l str,
    network: bool,
    on_root_device: Option<bool>,
    free_bytes: Option<u64>,
    durability: &'static str,
    encryption: &'l str,
}

/// Runs the command.
pub(crate) fn run(args: &InitArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let path = context.repository_path()?;
    context.refuse_pinned()?;
    let mut options = match &args.like {
        Some(other) => InitOptions::like(&vectar::open(other, None)?),
        None => InitOptions::default(),
    };
    options.metadata_copies = args.metadata_copies;
    let (repository, probe) = vectar::init(path, &options).map_err(|error| {
        CliError::from(error).context(format_args!("cannot create a repository in {}", path.display()))
    })?;
    let location = path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string();
    match context.out().is_json() {
        true => print_json(context, &repository, &probe, location)?,
        false => print_text(context, &repository, &probe, &location)?,
    }
    warn_of_storage(context, &probe);
    Ok(ExitCode::Done)
}

fn print_json(
    context: &Context<'_>,
    repository: &Repository,
    probe: &StorageProbe,
    location: String,
) -> Result<(), CliError> {
    let line = InitLine {
        repository_id: repository.id().to_string(),
        location,
        file_system: &probe.file_system,
        network: probe.is_network,
        on_root_device: probe.on_root_device,
        free_bytes: probe.free_bytes,
        durability: durability_name(probe.durability),
        encryption: &repository.config().encryption,
    };
    context.out().json("repository", &line)
}

fn print_text(
    context: &Context<'_>,
    repository: &Repository,
    probe: &StorageProbe,
    location: &str,
) -> Result<(), CliError> {
    let out = context.out();
    let network = if probe.is_network { " (network)" } else { "" };
    out.line(format_args!("created repository {}", repository.id()))?;
    out.line(format_args!("location:    {location}"))?;
    out.line(format_args!("file system: {}{network}", probe.file_system))?;
    out.line(format_args!("free space:  {}", probe.free_bytes.map_or_else(|| "unknown".to_owned(), size_long)))?;
    out.line(format_args!("durability:  {}", durability_name(probe.durability)))?;
    out.line(format_args!("encryption:  {}", repository.config().encryption))
}

fn warn_of_storage(context: &Context<'_>, probe: &StorageProbe) {
    let out = context.out();
    if probe.on_root_device == Some(true) {
        out.warn("the repository is on the same device as /; when that disk dies, both are gone");
    }
    if durability_name(probe.durability) != "full" {
        out.warn(
            "the storage does not make directory entries durable; after a power failure the newest backups may be gone",
        );
    }
    if probe.is_network {
        out.note("the repository is on network storage; pin it in a profile with repository_id, so that an unmounted share is noticed");
    }
}
