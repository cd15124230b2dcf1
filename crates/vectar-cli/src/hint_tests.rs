//! Every command that a hint or a help text names exists.
//!
//! A command in a text stands in double quotes and begins with `vectar `. Reading the sources finds also those of errors that no test
//! can bring about.

use std::path::Path;

use clap::{CommandFactory, Parser, error::ErrorKind};

use crate::args::Cli;

#[test]
fn every_command_in_a_text_exists() {
    let mut commands = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut commands);
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands {
        let words = command.split(' ').filter(|word| !word.is_empty());
        match Cli::try_parse_from(words) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::DisplayHelp => {}
            // A text may name a command without its arguments, and an option without its value; what it names is there then.
            Err(error) if error.kind() == ErrorKind::MissingRequiredArgument && is_command(&command) => {}
            Err(error)
                if error.kind() == ErrorKind::InvalidValue && error.to_string().contains("none was supplied") => {}
            Err(error) => panic!("{command}: {error}"),
        }
    }
}

fn is_command(command: &str) -> bool {
    let name = command.split(' ').nth(1).unwrap_or_default();
    Cli::command().find_subcommand(name).is_some()
}

#[expect(clippy::disallowed_methods, reason = "the sources are read, and no repository")]
fn collect(folder: &Path, commands: &mut Vec<String>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, commands);
        } else if !path.ends_with(file!().rsplit('/').next().unwrap_or_default()) {
            let source = std::fs::read(&path).unwrap();
            commands.extend(quoted(std::str::from_utf8(&source).unwrap()));
        }
    }
}

/// Commands in string literals (`\"vectar list\"`) and in doc comments, which are help texts (`"vectar ls"`).
fn quoted(source: &str) -> Vec<String> {
    let plain = source.replace("\\\"", "\u{1}");
    let in_literals = plain.split('\u{1}').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let help = source.lines().filter_map(|line| line.trim_start().strip_prefix("///"));
    let in_help: Vec<String> =
        help.flat_map(|line| line.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect();
    in_literals.into_iter().chain(in_help).filter(|text| text.starts_with("vectar ")).collect()
}
