//! What cargo says about the packages: ours with their direct dependencies and targets, and everybody's licences.

use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, TargetKind};

/// The packages of the workspace and those they are built from.
#[derive(Debug, Default)]
pub(crate) struct Packages {
    /// The members of the workspace.
    pub(crate) ours: Vec<OurPackage>,
    /// Every package of the dependency graph that is not ours, for all platforms.
    pub(crate) foreign: Vec<ForeignPackage>,
}

/// A member of the workspace.
#[derive(Clone, Debug, Default)]
pub(crate) struct OurPackage {
    /// The package's name.
    pub(crate) name: String,
    /// The path of its `Cargo.toml`, relative to the root.
    pub(crate) manifest: String,
    /// What it names in its dependency tables.
    pub(crate) dependencies: Vec<Dependency>,
    /// What cargo builds from it.
    pub(crate) targets: Vec<Target>,
}

impl OurPackage {
    /// Returns the package's folder, relative to the root.
    pub(crate) fn folder(&self) -> &str {
        self.manifest.strip_suffix("/Cargo.toml").unwrap_or("")
    }
}

/// One line of a dependency table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    /// The real name of the package depended upon.
    pub(crate) name: String,
    /// Whether only tests, examples and benches see it.
    pub(crate) dev: bool,
}

/// One library, binary, test, bench or example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The path of its first source file, relative to the root.
    pub(crate) root_file: String,
    /// Whether it is an integration test.
    pub(crate) test: bool,
}

/// A package that others publish.
#[derive(Clone, Debug, Default)]
pub(crate) struct ForeignPackage {
    /// The package's name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Its licence expression, as its manifest gives it.
    pub(crate) licence: Option<String>,
}

impl Packages {
    /// Asks `cargo metadata`. Works without network once the dependencies were fetched.
    ///
    /// # Errors
    ///
    /// When cargo refuses, for instance because a manifest does not parse.
    pub(crate) fn load(root: &Path) -> Result<Self> {
        let metadata =
            MetadataCommand::new().manifest_path(root.join("Cargo.toml")).exec().context("`cargo metadata` failed")?;
        let (ours, foreign): (Vec<&Package>, Vec<&Package>) =
            metadata.packages.iter().partition(|package| metadata.workspace_members.contains(&package.id));
        Ok(Self {
            ours: ours.into_iter().map(|package| our_package(package, &metadata)).collect(),
            foreign: foreign.into_iter().map(foreign_package).collect(),
        })
    }
}

fn our_package(package: &Package, metadata: &Metadata) -> OurPackage {
    let relative = |path: &cargo_metadata::camino::Utf8Path| {
        let path = path.strip_prefix(&metadata.workspace_root).unwrap_or(path);
        path.as_str().replace('\\', "/")
    };
    OurPackage {
        name: package.name.to_string(),
        manifest: relative(&package.manifest_path),
        dependencies: package
            .dependencies
            .iter()
            .map(|dependency| Dependency {
                name: dependency.name.clone(),
                dev: dependency.kind == DependencyKind::Development,
            })
            .collect(),
        targets: package
            .targets
            .iter()
            .map(|target| Target {
                root_file: relative(&target.src_path),
                test: target.kind.contains(&TargetKind::Test),
            })
            .collect(),
    }
}

fn foreign_package(package: &Package) -> ForeignPackage {
    ForeignPackage {
        name: package.name.to_string(),
        version: package.version.to_string(),
        licence: package.license.clone(),
    }
}

#[cfg(test)]
impl OurPackage {
    /// Returns a package in `crates/` with normal and dev-dependencies.
    pub(crate) fn of(name: &str, normal: &[&str], dev: &[&str]) -> Self {
        let normal = normal.iter().map(|name| (name, false));
        let dev = dev.iter().map(|name| (name, true));
        Self {
            name: name.to_owned(),
            manifest: format!("crates/{name}/Cargo.toml"),
            dependencies: normal.chain(dev).map(|(name, dev)| Dependency { name: (*name).to_owned(), dev }).collect(),
            targets: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_tells_our_packages_from_those_of_others() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace");
        let packages = Packages::load(root).expect("this workspace is valid");
        let xtask = packages.ours.iter().find(|package| package.name == "xtask").expect("xtask is a member");
        assert_eq!(xtask.manifest, "xtask/Cargo.toml");
        assert_eq!(xtask.folder(), "xtask");
        assert_eq!(xtask.targets[0].root_file, "xtask/src/main.rs");
        let dependency = |name: &str| xtask.dependencies.iter().find(|d| d.name == name);
        assert_eq!(dependency("syn").map(|d| d.dev), Some(false));
        assert_eq!(dependency("tempfile").map(|d| d.dev), Some(true));
        let syn = packages.foreign.iter().find(|package| package.name == "syn");
        assert!(syn.is_some_and(|syn| syn.licence.is_some()));
        assert!(packages.foreign.iter().all(|package| package.name != "xtask"));
    }
}
