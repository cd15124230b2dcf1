//! The configuration file: a profile names a repository and pins it, so that an unmounted share is noticed.

use std::fs;

use expect_test::expect;

use crate::environment::{Ran, TestEnvironment};

/// A repository below `mnt`, and a profile `nas` that pins it and is the default.
fn pinned() -> TestEnvironment {
    let environment = TestEnvironment::new();
    fs::create_dir(environment.path("mnt")).unwrap();
    let line = environment.stdout(&["-r", "mnt/repository", "init", "--json", "-q"]);
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let (place, id) = (environment.path("mnt/repository"), line["repository_id"].as_str().unwrap());
    let profile = format!(
        "default_profile = \"nas\"\n[profiles.nas]\nrepo = {place:?}\nrepository_id = \"{id}\"\ncluster = \"prod\"\nnode = \"n1\"\ntags = [\"nightly\"]\n"
    );
    configure(&environment, &profile);
    environment
}

fn configure(environment: &TestEnvironment, text: &str) {
    let folder = environment.home().join(".config/vectar");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.toml"), text).unwrap();
}

/// Runs with nothing but the configuration file to name the repository.
fn run(environment: &TestEnvironment, arguments: &[&str]) -> Ran {
    environment.finish(environment.command().args(arguments).env_remove("VECTAR_REPO").output().unwrap())
}

#[test]
fn a_profile_names_the_repository_and_what_goes_there() {
    let environment = pinned();
    environment.snapshot("notes", "00-base", "notes/00-base.snapshot");
    let ran = run(&environment, &["ingest", "--json", "notes", "--tag", "weekly"]);
    let line: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&line["cluster"], &line["node"]), (&"prod".into(), &"n1".into()));
    assert_eq!(line["tags"], serde_json::json!(["nightly", "weekly"]));
    assert_eq!(run(&environment, &["--profile", "nas", "list", "--json"]).stdout.lines().count(), 1);
}

#[test]
fn an_unmounted_share_is_refused() {
    let environment = pinned();
    environment.snapshot("notes", "00-base", "notes/00-base.snapshot");
    fs::rename(environment.path("mnt/repository"), environment.path("away")).unwrap();
    fs::create_dir(environment.path("mnt/repository")).unwrap();
    let ran = run(&environment, &["ingest", "notes"]);
    environment.assert_error(
        &without_id(&environment, ran),
        10,
        expect![[r#"
            --- stderr
            error: there is no vectar repository in <here>/mnt/repository
              profile "nas" expects repository <id of away> there
              nothing was written

            hint: mount the storage behind <here>/mnt/repository, then try again
            --- exit 10
        "#]],
    );
    assert_eq!(fs::read_dir(environment.path("mnt/repository")).unwrap().count(), 0, "nothing was written there");
    // `init` in the empty place would make the mistake permanent: it makes another repository, and the profile refuses that one.
    assert_eq!(environment.run(&["-r", "mnt/repository", "init"]).code, Some(0));
    let ran = run(&environment, &["ingest", "notes"]);
    let ran = without_id(&environment, ran);
    environment.assert_error(
        &ran,
        1,
        expect![[r#"
            --- stderr
            error: <here>/mnt/repository holds repository <id of mnt/repository>, expected <id of away>
              profile "nas" expects repository <id of away> there
              nothing was read or written there

            hint: mount the storage behind <here>/mnt/repository, then try again
            --- exit 1
        "#]],
    );
}

#[test]
fn init_refuses_the_place_of_a_pinned_repository() {
    let environment = pinned();
    fs::rename(environment.path("mnt/repository"), environment.path("away")).unwrap();
    let ran = run(&environment, &["init"]);
    environment.assert_error(
        &without_id(&environment, ran),
        2,
        expect![[r#"
        --- stderr
        error: profile "nas" belongs to a repository that exists
          it expects repository <id of away> in <here>/mnt/repository
          nothing was written

        hint: mount the storage behind that directory
        hint: remove repository_id from the profile if the repository is to be replaced
        --- exit 2
    "#]],
    );
    assert!(!environment.path("mnt/repository").exists());
}

#[test]
fn profiles_that_cannot_be_used() {
    let environment = TestEnvironment::new();
    environment.assert_error(
        &run(&environment, &["--profile", "nas", "list"]),
        2,
        expect![[r#"
        --- stderr
        error: there is no profile "nas"
          profiles in <user>/.config/vectar/config.toml: none
          nothing was read or written

        hint: add the profile to the configuration file, or name the repository with -r PATH
        --- exit 2
    "#]],
    );
    configure(&environment, "[profiles.nas]\nrepo = \"/srv/backup\"\nrepositry_id = \"12\"\n");
    environment.assert_error(&run(&environment, &["--profile", "nas", "list"]), 2, expect![[r#"
        --- stderr
        error: cannot use the configuration file <user>/.config/vectar/config.toml
          line 3: unknown field `repositry_id`, expected one of `repo`, `repository_id`, `collection`, `cluster`, `node`, `tags`, `index_dir`
          nothing was read or written

        hint: mend that line, or name another file with --config FILE
        --- exit 2
    "#]]);
    configure(&environment, "[profiles.nas]\nrepo = \"backup\"\n");
    environment.assert_error(
        &run(&environment, &["list"]),
        2,
        expect![[r#"
        --- stderr
        error: cannot use the configuration file <user>/.config/vectar/config.toml
          repo of profile "nas" is backup, expected an absolute path or one that begins with ~/
          nothing was read or written

        hint: mend that line, or name another file with --config FILE
        --- exit 2
    "#]],
    );
}

/// The ids of repositories that the environment does not know by name.
fn without_id(environment: &TestEnvironment, mut ran: Ran) -> Ran {
    for place in ["away", "mnt/repository"] {
        let Ok(config) = fs::read_to_string(environment.path(place).join("config")) else { continue };
        let id = config.split("\"repository_id\":\"").nth(1).unwrap()[..32].to_owned();
        ran.stderr = ran.stderr.replace(&id, &format!("<id of {place}>"));
    }
    ran
}
