//! Documents that the program writes, and commands that documents tell people to run.

use std::fs;

use expect_test::expect_file;
use vectar_testkit::fixtures::workspace_root;

use crate::environment::TestEnvironment;

/// `UPDATE_EXPECT=1 cargo test -p vectar-cli` writes the file anew.
#[test]
fn the_reference_is_what_the_program_says() {
    let environment = TestEnvironment::new();
    expect_file!["../../../../docs/cli.md"].assert_eq(&environment.stdout(&["generate", "markdown"]));
}

/// Every line of a README's code block that begins with `vectar` names a command and options that exist.
#[test]
fn the_commands_of_the_readme_exist() {
    let environment = TestEnvironment::new();
    let readme = fs::read_to_string(workspace_root().join("README.md")).unwrap();
    let shown = |line: &str| line.trim_start_matches("$ ").trim().strip_prefix("vectar ").map(str::to_owned);
    let blocks = readme.split("```").skip(1).step_by(2);
    let commands: Vec<String> = blocks.flat_map(|block| block.lines().filter_map(shown).collect::<Vec<_>>()).collect();
    assert!(commands.len() >= 8, "{commands:?}");
    for command in commands {
        // In a crontab a percent sign is escaped.
        let command = command.replace("\\%", "%");
        let words = command.split(" > ").next().unwrap_or_default().split(' ').filter(|word| !word.is_empty());
        let ran = environment.run(&words.chain(["--help"]).collect::<Vec<_>>());
        assert_eq!(ran.code, Some(0), "vectar {command}: {}", ran.stderr);
    }
}
