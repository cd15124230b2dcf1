//! Which Rust files a target reaches through its `mod` lines, and which of them only tests do.

use std::collections::BTreeMap;

use syn::{Attribute, Item, ItemMod, Meta};

use crate::tidy::packages::Packages;

/// The files that cargo compiles.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    /// Path → whether the file belongs to nothing but tests.
    reached: BTreeMap<String, bool>,
}

impl Modules {
    /// Follows the `mod` lines from the first file of every target.
    pub(crate) fn walk(syntax: &BTreeMap<String, syn::File>, packages: &Packages) -> Self {
        let mut modules = Self::default();
        let targets = packages.ours.iter().flat_map(|package| &package.targets);
        for target in targets {
            modules.enter(syntax, &target.root_file, folder_of(&target.root_file), target.test);
        }
        modules
    }

    /// Tells whether some target contains the file.
    pub(crate) fn is_reached(&self, path: &str) -> bool {
        self.reached.contains_key(path)
    }

    /// Tells whether the file is compiled, and only into tests.
    pub(crate) fn is_test_only(&self, path: &str) -> bool {
        self.reached.get(path).copied().unwrap_or(false)
    }

    /// Notes the file at `path`, whose child modules lie in `children`, and goes on to those.
    fn enter(&mut self, syntax: &BTreeMap<String, syn::File>, path: &str, children: &str, test: bool) {
        let Some(file) = syntax.get(path) else {
            return;
        };
        let test = test || file.attrs.iter().any(is_test_only);
        match self.reached.get_mut(path) {
            // Seen as product code, or again as a test: nothing new to learn below it.
            Some(known) if !*known || test => return,
            Some(known) => *known = false,
            None => {
                self.reached.insert(path.to_owned(), test);
            }
        }
        self.descend(syntax, path, &file.items, children, test);
    }

    fn descend(&mut self, syntax: &BTreeMap<String, syn::File>, file: &str, items: &[Item], folder: &str, test: bool) {
        for item in items {
            let Item::Mod(module) = item else { continue };
            let test = test || module.attrs.iter().any(is_test_only);
            let children = join(folder, &module.ident.to_string());
            if let Some((_, items)) = &module.content {
                self.descend(syntax, file, items, &children, test);
            } else if let Some(path) = path_attribute(module) {
                let path = join(folder_of(file), &path);
                self.enter(syntax, &path, folder_of(&path), test);
            } else {
                self.enter(syntax, &format!("{children}.rs"), &children, test);
                self.enter(syntax, &format!("{children}/mod.rs"), &children, test);
            }
        }
    }
}

/// Tells whether an attribute keeps its item out of everything but tests: `#[test]`, `#[cfg(test)]`, or a `cfg` that
/// needs `test` among other things.
pub(crate) fn is_test_only(attribute: &Attribute) -> bool {
    fn needs_test(meta: &Meta) -> bool {
        match meta {
            Meta::Path(path) => path.is_ident("test"),
            Meta::List(list) if list.path.is_ident("all") => list
                .parse_args_with(syn::punctuated::Punctuated::<Meta, syn::Token![,]>::parse_terminated)
                .is_ok_and(|conditions| conditions.iter().any(needs_test)),
            _ => false,
        }
    }
    match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("cfg") => list.parse_args::<Meta>().is_ok_and(|meta| needs_test(&meta)),
        _ => false,
    }
}

fn path_attribute(module: &ItemMod) -> Option<String> {
    module.attrs.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) => Some(path.value()),
            _ => None,
        },
        _ => None,
    })
}

/// Returns what stands before the last `/`.
pub(crate) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn join(folder: &str, name: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use crate::tidy::workspace::Workspace;

    fn check(files: &[(&str, &str)], product: &[&str], test_only: &[&str]) {
        let workspace = Workspace::of(files);
        let reached: Vec<&str> = workspace.modules.reached.keys().map(String::as_str).collect();
        let (tests, code): (Vec<&str>, Vec<&str>) =
            reached.into_iter().partition(|path| workspace.modules.is_test_only(path));
        assert_eq!(code, product);
        assert_eq!(tests, test_only);
    }

    #[test]
    fn modules_are_followed_into_files_and_folders() {
        check(
            &[
                ("c/src/lib.rs", "mod a; mod b; mod inline { mod deep; }"),
                ("c/src/a.rs", "mod child;"),
                ("c/src/a/child.rs", ""),
                ("c/src/b/mod.rs", "mod child;"),
                ("c/src/b/child.rs", ""),
                ("c/src/inline/deep.rs", ""),
                ("c/src/lost.rs", ""),
            ],
            &[
                "c/src/a.rs",
                "c/src/a/child.rs",
                "c/src/b/child.rs",
                "c/src/b/mod.rs",
                "c/src/inline/deep.rs",
                "c/src/lib.rs",
            ],
            &[],
        );
    }

    #[test]
    fn what_only_tests_reach_is_test_only() {
        check(
            &[
                (
                    "c/src/lib.rs",
                    "#[cfg(test)] mod tests; #[cfg(all(test, unix))] mod more; #[cfg(any(test, unix))] mod both;",
                ),
                ("c/src/tests.rs", "mod child;"),
                ("c/src/tests/child.rs", ""),
                ("c/src/more.rs", ""),
                ("c/src/both.rs", ""),
                ("c/tests/it/main.rs", "mod case; #[path = \"../../src/both.rs\"] mod both;"),
                ("c/tests/it/case.rs", ""),
            ],
            &["c/src/both.rs", "c/src/lib.rs"],
            &["c/src/more.rs", "c/src/tests.rs", "c/src/tests/child.rs", "c/tests/it/case.rs", "c/tests/it/main.rs"],
        );
    }
}
