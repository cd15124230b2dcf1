//! `ls`: the entries of a snapshot, of all tar levels.

use clap::{Args, builder::PossibleValuesParser};
use vectar::{Catalogue, CatalogueRow, Class, class_of, content::check_entry_path};

use super::entry::EntryView;
use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{Out, plain_word},
    select_args::SelectArgs,
    snapshot_arg::{NamedSnapshot, mention_findings},
};

/// List the files in a snapshot, nested tars included
///
/// One line for each entry: what it is, its stored bytes, its bytes with holes where it has some, when it was modified (Qdrant
/// writes some entries from memory, without a time), the class of its bytes, and its path with "!" between tar levels. Only headers
/// are read. Ends with 3 when the snapshot is damaged, so that something may be missing.
#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    /// The backup or file to look into
    #[arg(value_name = "BACKUP|FILE")]
    snapshot: String,
    /// Show only these entries and what lies below them
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    /// Enter at most so many nested tars; 0 shows the outermost level alone
    #[arg(long, value_name = "N")]
    depth: Option<u8>,
    /// Show only entries of this class
    #[arg(long, value_name = "CLASS", value_parser = PossibleValuesParser::new(Class::ALL.map(Class::as_str)))]
    class: Option<String>,
    #[command(flatten)]
    select: SelectArgs,
}

/// Runs the command.
pub(crate) fn run(args: &LsArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    for path in &args.paths {
        check_entry_path(path)?;
    }
    let snapshot = NamedSnapshot::announce(&args.snapshot, &args.select.filter()?, context)?;
    let content = snapshot.open()?;
    let listed = content.catalogue()?;
    for path in &args.paths {
        if !listed.rows.iter().any(|row| is_at_or_below(row, path)) {
            // It says that there is none, and what resembles it.
            content.find(&listed, path)?;
        }
    }
    print(&listed, args, context.out())?;
    mention_findings(&listed, context);
    Ok(context.outcome())
}

fn print(listed: &Catalogue, args: &LsArgs, out: &Out) -> Result<(), CliError> {
    let shown = || listed.rows.iter().filter(|row| is_shown(row, args));
    if out.is_json() {
        return shown().try_for_each(|row| out.json("entry", &EntryView::of(row)));
    }
    let (mut stored, mut logical) = ("STORED".len(), "LOGICAL".len());
    for row in shown() {
        let view = EntryView::of(row);
        stored = stored.max(view.bytes.to_string().len());
        logical = logical.max(holes_in(&view).len());
    }
    out.line(format_args!(
        "{:<9}  {:>stored$}  {:>logical$}  {:<20}  {:<11}  PATH",
        "TYPE", "STORED", "LOGICAL", "MODIFIED", "CLASS"
    ))?;
    shown().try_for_each(|row| {
        let view = EntryView::of(row);
        let cut_short = if view.complete { "" } else { "  (cut short)" };
        out.line(format_args!(
            "{:<9}  {:>stored$}  {:>logical$}  {:<20}  {:<11}  {}{cut_short}",
            view.kind,
            view.bytes,
            holes_in(&view),
            view.mtime.as_deref().unwrap_or("-"),
            view.class.unwrap_or("-"),
            plain_word(&view.path),
        ))
    })
}

/// The logical length, where it is another than the stored one.
fn holes_in(view: &EntryView) -> String {
    match view.logical_bytes == view.bytes {
        true => "-".to_owned(),
        false => view.logical_bytes.to_string(),
    }
}

fn is_shown(row: &CatalogueRow, args: &LsArgs) -> bool {
    let in_depth = args.depth.is_none_or(|depth| row.head.depth <= depth);
    let in_paths = args.paths.is_empty() || args.paths.iter().any(|path| is_at_or_below(row, path));
    let of_class = |wanted: &String| class_of(row).is_some_and(|class| class.as_str() == wanted);
    in_depth && in_paths && args.class.as_ref().is_none_or(of_class)
}

/// Whether an entry is the one at `path` or lies below it; parents need no entry of their own.
fn is_at_or_below(row: &CatalogueRow, path: &str) -> bool {
    let found = row.head.path.to_string();
    let rest = found.trim_start_matches("./").strip_prefix(path.trim_end_matches('/').trim_start_matches("./"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '!']))
}
