//! `generate`: shell completions, man pages and the reference of all commands, from the command line's own definition; and what runs them
//! on a schedule.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use clap::{Args, Command, CommandFactory, Subcommand};
use clap_complete::Shell;
use vectar::Error;

use super::schedule::{CronJobArgs, SystemdArgs, run_cronjob, run_systemd};
use crate::{
    args::Cli,
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{plain_word, stdout_failed},
};

/// Columns of the texts in the reference.
const REFERENCE_COLUMNS: usize = 100;

/// Write shell completions, man pages, the reference of all commands, or what runs them on a schedule
#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    #[command(subcommand)]
    what: GenerateCommand,
}

#[derive(Debug, Subcommand)]
enum GenerateCommand {
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write a man page for each command
    Man {
        /// Write them into this directory, which is made if it is missing
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Print the reference of all commands as Markdown
    Markdown,
    Systemd(SystemdArgs),
    Cronjob(CronJobArgs),
}

/// Runs the command.
pub(crate) fn run(args: &GenerateArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    match &args.what {
        GenerateCommand::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "vectar", &mut script);
            context.out().bytes().lock().write_all(&script).map_err(stdout_failed)?;
        }
        GenerateCommand::Man { out } => write_man_pages(out, context)?,
        GenerateCommand::Markdown => {
            context.out().bytes().lock().write_all(markdown().as_bytes()).map_err(stdout_failed)?;
        }
        GenerateCommand::Systemd(args) => return run_systemd(args, context),
        GenerateCommand::Cronjob(args) => return run_cronjob(args, context),
    }
    Ok(ExitCode::Done)
}

fn write_man_pages(directory: &Path, context: &Context<'_>) -> Result<(), CliError> {
    let failed = |action| move |source: io::Error| Error::Target { action, path: directory.to_owned(), source };
    std::fs::create_dir_all(directory).map_err(failed("create"))?;
    clap_mangen::generate_to(Cli::command(), directory).map_err(failed("write man pages into"))?;
    context.out().note(format_args!("wrote man pages into {}", plain_word(&directory.display().to_string())));
    Ok(())
}

/// The reference: for each command a heading and its long help.
fn markdown() -> String {
    let mut root = Cli::command().term_width(REFERENCE_COLUMNS);
    root.build();
    let mut text = String::from(
        "# Commands\n\nEverything that `vectar` does, as `vectar COMMAND --help` says it. \
         Written by `vectar generate markdown`; do not edit.\n",
    );
    section(&mut text, &root, &[]);
    text
}

fn section(text: &mut String, command: &Command, parents: &[&str]) {
    let path: Vec<&str> = parents.iter().copied().chain([command.get_name()]).collect();
    let help = command.clone().term_width(REFERENCE_COLUMNS).render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    write!(text, "\n## {}\n\n```text\n{}\n```\n", path.join(" "), help.join("\n").trim_end())
        .expect("a String takes everything");
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        section(text, below, &path);
    }
}
