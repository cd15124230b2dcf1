//! The command line of vectar: flags in, library calls, text, JSON and exit codes out.
//!
//! stdout is data and nothing else; everything else goes to stderr. Only this crate prints, and within it only [`output`].

mod advice;
mod args;
mod commands;
mod config_file;
mod context;
mod error;
mod exit_code;
#[cfg(test)]
mod hint_tests;
mod output;
mod select_args;
mod snapshot_arg;

use clap::Parser as _;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};
use vectar::CancelToken;

use crate::{args::Cli, context::Context, error::CliError, exit_code::ExitCode};

fn main() -> std::process::ExitCode {
    use_small_pages();
    let cli = Cli::parse();
    let out = output::Out::new(cli.global.json, cli.global.quiet);
    output::start_log(cli.global.quiet, cli.global.verbose);
    let code = run(&cli, &out).unwrap_or_else(|error| {
        out.error(&error);
        error.exit_code
    });
    code.into()
}

/// Asks the kernel for no huge pages (`PR_SET_THP_DISABLE`, prctl(2)), which some hand out unasked.
///
/// They save a tenth of the time where free memory lies in large pieces and is at hand. Where it must be put together first, or had back from a host
/// that took it away, a process that lives for a second waits for them longer than it works; and the server beside it, which has filled the
/// memory, waits too.
fn use_small_pages() {
    // Refused, it is slower and nothing else.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

fn run(cli: &Cli, out: &output::Out) -> Result<ExitCode, CliError> {
    let cancel = CancelToken::default();
    stop_on_signals(&cancel)?;
    let Some(command) = &cli.command else { return commands::welcome(out) };
    let context = Context::new(&cli.global, out, cancel)?;
    if context.threads() > 0 {
        vectar::limit_threads(context.threads());
    }
    commands::run(command, &context)
}

/// The first SIGINT or SIGTERM asks the work to stop where nothing is half-done; the second ends the process on the spot.
fn stop_on_signals(cancel: &CancelToken) -> Result<(), CliError> {
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, ExitCode::Interrupted as i32, cancel.flag())
            .and_then(|_| flag::register(signal, cancel.flag()))
            .map_err(|error| CliError::new(ExitCode::OurBug, "cannot listen for signals").cause(error))?;
    }
    Ok(())
}
