//! `find`: an entry, over many backups.

use clap::Args;
use globset::{GlobBuilder, GlobMatcher};
use serde::Serialize;
use vectar::{BackupRecord, CatalogueRow, Error, words::one_line};

use super::{entry::EntryView, find_points};
use crate::{context::Context, error::CliError, exit_code::ExitCode, output::plain_word, select_args::SelectArgs};

/// Find a file, or points, over all backups
///
/// With --id or --filter: which backups hold these points, and how many of them. A backup each line: its id, when the snapshot was taken,
/// the collection, the snapshot's name, how many points and the first of their ids. Otherwise a file: a path as "vectar ls" shows it,
/// the last part of one, or a pattern: "*" stands for anything but "/", "**" for anything, "?" for one character, "[ab]" and "{one,two}"
/// for a choice. A pattern is compared with the whole path and with its last part. Ends with 1 when nothing is found, and with 3 when a
/// backup could not be searched.
#[derive(Debug, Args)]
pub(crate) struct FindArgs {
    /// The file to look for
    #[arg(required_unless_present_any = ["id", "filter"])]
    pattern: Option<String>,
    /// Look for the points with these ids, separated by commas
    #[arg(long, value_name = "ID,…", value_delimiter = ',', conflicts_with = "pattern")]
    id: Vec<String>,
    /// Look for points that fit this filter, in the JSON of Qdrant's API; @FILE reads it from a file
    #[arg(long, value_name = "JSON|@FILE", conflicts_with = "pattern")]
    filter: Option<String>,
    #[command(flatten)]
    select: SelectArgs,
}

#[derive(Serialize)]
struct FoundLine<'f> {
    backup: String,
    name: &'f str,
    #[serde(flatten)]
    entry: EntryView,
}

/// Runs the command.
pub(crate) fn run(args: &FindArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let Some(text) = &args.pattern else {
        return find_points::run(&args.id, args.filter.as_deref(), &args.select, context);
    };
    let pattern = Pattern::parse(text)?;
    let filter = args.select.filter()?;
    let repository = context.repository()?;
    let records = context.records(&repository)?;
    let engine = context.engine_of(&repository)?;
    let searched = filter.apply(&records.backups);
    let (mut found, mut failed) = (0, 0_usize);
    // One backup at a time: what was found is shown at once, and no list grows with the repository.
    for record in &searched {
        let search = vectar::find(&engine, &[record], &|path| pattern.fits(path), context.cancel())?;
        for hit in &search.found {
            print(record, &hit.row, context)?;
        }
        for (record, error) in &search.failed {
            let why = one_line(error);
            context.out().warn(format_args!("backup {} cannot be searched: {why}", record.id.short()));
        }
        found += search.found.len();
        failed += search.failed.len();
    }
    if failed > 0 {
        context.out().warn(format_args!("{failed} of {} backups could not be searched", searched.len()));
        context.note_incomplete();
    }
    match (found, context.outcome()) {
        (0, ExitCode::Done) => {
            let count = searched.len();
            context.out().note(format_args!("{} is in none of {count} backups", plain_word(text)));
            Ok(ExitCode::Failed)
        }
        (_, outcome) => Ok(outcome),
    }
}

fn print(record: &BackupRecord, row: &CatalogueRow, context: &Context<'_>) -> Result<(), CliError> {
    let (out, entry) = (context.out(), EntryView::of(row));
    if out.is_json() {
        return out.json("found", &FoundLine { backup: record.id.to_string(), name: &record.subject.name, entry });
    }
    let (name, path) = (plain_word(&record.subject.name), plain_word(&entry.path));
    out.line(format_args!("{}  {name}  {:>10}  {path}", record.id.short(), entry.bytes))
}

/// What is looked for.
struct Pattern {
    literal: String,
    /// `None` for a plain path.
    glob: Option<GlobMatcher>,
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, Error> {
        let is_glob = text.contains(['*', '?', '[', '{']);
        let glob = is_glob.then(|| GlobBuilder::new(text).literal_separator(true).build()).transpose();
        let glob = glob.map_err(|error| Error::OptionInvalid {
            what: "pattern",
            value: text.to_owned(),
            reason: error.kind().to_string(),
        })?;
        Ok(Self { literal: text.trim_end_matches('/').to_owned(), glob: glob.map(|glob| glob.compile_matcher()) })
    }

    fn fits(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/').trim_start_matches("./");
        let last = path.rsplit(['/', '!']).next().unwrap_or(path);
        let fits = |text: &str| text == self.literal || self.glob.as_ref().is_some_and(|glob| glob.is_match(text));
        fits(path) || fits(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_the_whole_path_or_its_last_part() {
        let path = "0/segments/bb673b46.tar!snapshot/files/segment.json";
        for pattern in [
            path,
            "segment.json",
            "segment.*",
            "*.json",
            "**/segment.json",
            "0/segments/*.tar!snapshot/files/segment.json",
            "0/**/files/*",
        ] {
            assert!(Pattern::parse(pattern).unwrap().fits(path), "{pattern}");
        }
        for pattern in ["files/segment.json", "segment", "0/*/segment.json", "*.dat", "segment.jso"] {
            assert!(!Pattern::parse(pattern).unwrap().fits(path), "{pattern}");
        }
        assert!(Pattern::parse("wal").unwrap().fits("0/wal/"), "a directory ends in a slash");
        assert!(Pattern::parse("a[").is_err());
    }
}
