//! The demo, which is the first thing that people see.

use std::fs;

use vectar_testkit::fixtures::workspace_root;

use crate::environment::{TestEnvironment, names};

/// The README shows what the demo prints. Clock and randomness of the demo are its own, so that both are the same to the byte; the
/// length of the path of the temporary directory stands in the records, so that it is the usual one here.
///
/// `UPDATE_EXPECT=1 cargo test -p vectar-cli` writes the table of the README anew.
#[test]
fn the_readme_shows_its_real_output() {
    let environment = TestEnvironment::new();
    let ran = environment.finish(environment.command().arg("demo").env("TMPDIR", "/tmp").output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(ran.stdout.matches(" identical\n").count(), 13);
    let path = workspace_root().join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once("```text\nSNAPSHOT ").expect("the README shows the demo");
    let (_, after) = rest.split_once("```").expect("the block ends");
    let expected = format!("{before}```text\n{}```{after}", ran.stdout);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(path, expected).unwrap();
    } else {
        assert_eq!(readme, expected);
    }
}

#[test]
fn it_keeps_what_it_is_asked_to_keep() {
    let environment = TestEnvironment::new();
    let ran = environment.run(&["demo", "--keep", "kept", "--json"]);
    assert_eq!(ran.code, Some(0));
    let lines: Vec<serde_json::Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 13);
    for line in lines {
        assert_eq!((&line["type"], &line["identical"]), (&"demo".into(), &true.into()), "{line}");
        let name = format!("{}-{}.snapshot", line["series"].as_str().unwrap(), line["name"].as_str().unwrap());
        let restored = fs::metadata(environment.path("kept/restored").join(name)).unwrap();
        assert_eq!(line["bytes"], restored.len());
    }
    assert_eq!(names(&environment.path("kept")), ["fixtures", "repository", "restored"]);
    assert_eq!(environment.stdout(&["-r", "kept/repository", "list", "--json"]).lines().count(), 13);
    assert_eq!(environment.run(&["demo", "--keep", "kept"]).code, Some(1), "it does not touch what is there");
}

#[test]
fn it_leaves_nothing_behind() {
    let environment = TestEnvironment::new();
    environment.stdout(&["demo", "-q"]);
    assert_eq!(names(&environment.path("../tmp")), [""; 0]);
    assert_eq!(names(&environment.path("")), [""; 0]);
    assert_eq!(names(&environment.home()), [""; 0]);
}
