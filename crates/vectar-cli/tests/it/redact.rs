//! Makes plain what differs from run to run: ids, places, times, and on demand sizes, ages and hashes.
//!
//! Ids keep their width, so that tables stay as people see them; with a [`Mask`] runs of blanks shrink to two instead.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use crate::environment::names;

/// Something more to make plain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mask {
    /// `228.97 KiB`, `12 bytes`, `426 chunks`: what is stored differs a little, because ids are random and recipes are cut at them.
    Sizes,
    /// `2h 05m`.
    Ages,
    /// 64 hex digits, the folder of a pack, and the checksums of a record that is damaged.
    Hashes,
    /// The host and process that did something.
    Clients,
}

/// What is known about one environment.
#[derive(Debug)]
pub(crate) struct Redactor {
    root: PathBuf,
    started: Timestamp,
    ids: Vec<String>,
}

impl Redactor {
    pub(crate) fn new(root: &Path, started: Timestamp) -> Self {
        Self { root: root.to_owned(), started, ids: Vec::new() }
    }

    pub(crate) fn redact(&mut self, text: &str, masks: &[Mask], repository: &Path) -> String {
        let known = self.known_ids(repository);
        let repository_id = repository_id(repository);
        let place = |folder: &str| self.root.join(folder).display().to_string();
        let text =
            text.replace(&place("work"), "<here>").replace(&place("home"), "<user>").replace(&place("tmp"), "<tmp>");
        let mut plain = String::new();
        for word in words(&text) {
            let id = || known.iter().find(|id| matches!(word.len(), 8 | 32) && id.starts_with(word)).cloned();
            if Some(word) == repository_id.as_deref() {
                plain.push_str("<repository-id>");
            } else if self.is_of_this_run(word) {
                plain.push_str("<now>");
            } else if self.is_a_day_later(word) {
                plain.push_str("<tomorrow>");
            } else if let Some(id) = id() {
                plain.push_str(&self.name_of(id, word.len()));
            } else if masks.contains(&Mask::Hashes) && is_hash(word, &plain) {
                plain.push_str("<hash>");
            } else {
                plain.push_str(word);
            }
        }
        match masks.is_empty() {
            true => plain,
            false => plain.lines().map(|line| masked(line, masks) + "\n").collect(),
        }
    }

    /// Ids of all backups: those that are forgotten, those in other repositories beside, and those that were seen before.
    fn known_ids(&self, repository: &Path) -> Vec<String> {
        let mut known = self.ids.clone();
        let beside = names(&self.root.join("work")).into_iter().map(|name| self.root.join("work").join(name));
        for folder in [repository.to_owned()].into_iter().chain(beside) {
            known.extend(["backups", "forgotten"].into_iter().flat_map(|kind| names(&folder.join(kind))));
        }
        known
    }

    fn name_of(&mut self, id: String, len: usize) -> String {
        let number = match self.ids.iter().position(|known| *known == id) {
            Some(position) => position + 1,
            None => {
                self.ids.push(id);
                self.ids.len()
            }
        };
        match len {
            8 => format!("<bkup{:->2}>", number),
            _ => format!("<backup-{number}>"),
        }
    }

    fn is_of_this_run(&self, word: &str) -> bool {
        let at = word.parse::<Timestamp>();
        at.is_ok_and(|at| at.duration_since(self.started).abs() < SignedDuration::from_hours(1))
    }

    fn is_a_day_later(&self, word: &str) -> bool {
        let day = SignedDuration::from_hours(24);
        let at = word.parse::<Timestamp>();
        at.is_ok_and(|at| (at.duration_since(self.started) - day).abs() < SignedDuration::from_hours(1))
    }
}

/// Splits into words, which may be ids or times, and what stands between.
fn words(text: &str) -> Vec<&str> {
    let is_inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '_');
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| is_inside(c) != is_inside(first)).unwrap_or(rest.len());
        // A colon behind a word ends a sentence's part and is no part of an id.
        let end = match rest[..end].trim_end_matches(':').len() {
            0 => end,
            trimmed => trimmed,
        };
        words.push(&rest[..end]);
        rest = &rest[end..];
    }
    words
}

fn masked(line: &str, masks: &[Mask]) -> String {
    let indent = &line[..line.len() - line.trim_start().len()];
    if masks.contains(&Mask::Sizes) && line.starts_with("ratio ") {
        return "ratio  <ratio>".to_owned();
    }
    let mut tokens: Vec<String> = Vec::new();
    for token in line.trim().split(' ') {
        let last = tokens.last().map(String::as_str).unwrap_or_default();
        let unit = token.trim_end_matches([')', ',', ';', ':']);
        if masks.contains(&Mask::Sizes) && is_number(last) && ["B", "KiB", "MiB", "GiB", "bytes"].contains(&unit) {
            let opened = if last.starts_with('(') { "(" } else { "" };
            *tokens.last_mut().expect("it was just looked at") = format!("{opened}<size>{}", &token[unit.len()..]);
        } else if masks.contains(&Mask::Sizes) && is_number(last) && ["chunk", "chunks"].contains(&unit) {
            *tokens.last_mut().expect("it was just looked at") = format!("<count> chunks{}", &token[unit.len()..]);
        } else if masks.contains(&Mask::Ages) && is_age(unit) {
            // The second part of `2h 05m` follows the first.
            if last != "<age>" {
                tokens.push("<age>".to_owned());
            }
        } else if masks.contains(&Mask::Clients) && is_client(unit) {
            tokens.push(format!("<client>{}", &token[unit.len()..]));
        } else if !token.is_empty() || !last.is_empty() || tokens.is_empty() {
            tokens.push(token.to_owned());
        }
    }
    indent.to_owned() + &tokens.join(" ")
}

fn is_number(token: &str) -> bool {
    let digits = token.trim_start_matches('(');
    !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ','))
}

fn is_age(token: &str) -> bool {
    let number = token.trim_end_matches(['s', 'm', 'h', 'd']);
    number.len() + 1 == token.len() && !number.is_empty() && number.chars().all(|c| c.is_ascii_digit())
}

fn is_client(token: &str) -> bool {
    token.rsplit_once('/').is_some_and(|(host, process)| !host.is_empty() && process.parse::<u32>().is_ok())
}

/// Whether a word behind this text is a hash or a checksum.
fn is_hash(word: &str, before: &str) -> bool {
    let is_checksum = word.len() == 8 && (before.ends_with("recorded ") || before.ends_with("computed "));
    let is_folder = word.len() == 2 && before.ends_with("packs/");
    is_hex(word) && (word.len() == 64 || is_checksum || is_folder)
}

fn is_hex(word: &str) -> bool {
    word.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

/// The id that the config of a repository gives it.
fn repository_id(repository: &Path) -> Option<String> {
    let config = std::fs::read_to_string(repository.join("config")).ok()?;
    let (_, behind) = config.split_once("\"repository_id\":\"")?;
    Some(behind.split('"').next()?.to_owned())
}

#[test]
fn what_differs_is_made_plain() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("backups/0123456789abcdef0123456789abcdef")).unwrap();
    let now: Timestamp = "2027-01-02T03:04:05Z".parse().unwrap();
    let mut redactor = Redactor::new(Path::new("/some/place"), now);
    let mut check = |text: &str, masks: &[Mask], expected: &str| {
        assert_eq!(redactor.redact(text, masks, folder.path()).trim_end(), expected);
    };
    let work = Path::new("/some/place").join("work").join("x");
    check(&format!("01234567: at {}", work.display()), &[], "<bkup-1>: at <here>/x");
    check("(0123456789abcdef0123456789abcdef) 89abcdef", &[], "(<backup-1>) 89abcdef");
    check("2027-01-02T03:04:59Z 2026-11-20T16:24:00Z", &[], "<now> 2026-11-20T16:24:00Z");
    check("2027-01-03T03:14:59Z", &[], "<tomorrow>");
    check("recorded 89abcdef, computed 01234568", &[Mask::Hashes], "recorded <hash>, computed <hash>");
    check("a, 1.50 KiB (1,536 bytes), 3 of   12", &[Mask::Sizes], "a, <size> (<size>), 3 of  12");
    check("  indented  7 B", &[Mask::Sizes], "  indented  <size>");
    check("x   2h 05m  17m old vm/123", &[Mask::Ages, Mask::Clients], "x  <age>  <age> old <client>");
}
