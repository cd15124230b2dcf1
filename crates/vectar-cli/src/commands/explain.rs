//! `explain`: why a backup made the repository grow by so much.

use clap::Args;
use serde::Serialize;
use vectar::{
    BackupRecord,
    explain::{Explanation, GrowthRow, SegmentTurnover, explain},
    select,
    words::one_line,
};

use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{Align, Out, Table, counted, plain_word, size, size_long, utc},
    select_args::SelectArgs,
};

/// Rows that a person is shown; the JSON has all of them.
const ROWS_SHOWN: usize = 20;

/// Say why a backup made the repository grow by so much
///
/// A backup pays for what it was the first to use: by collection, shard, segment, class of content, and by cause, the largest first. GROWTH
/// is what that takes in the packs, OF the bytes of the snapshot that it stands for. Causes
/// are told by the structure of the snapshot beside that of its predecessor, the newest earlier backup of the same collection, node, shard
/// and kind: first-backup, new-segment, rewritten-segment (the optimizer built it, and others are gone), changed-segment (points were
/// written into it), index, wal, settings, framing (tar headers). Who used a chunk first is read off the backups that are still here,
/// forgotten ones included until they are pruned; when earlier ones are gone for good, it says how much it cannot tell. Ends with 3 when an
/// earlier backup cannot be read.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The backup
    backup: String,
    #[command(flatten)]
    select: SelectArgs,
}

#[derive(Serialize)]
struct ExplainLine<'l> {
    id: String,
    name: &'l str,
    growth_bytes: u64,
    chunk_bytes: u64,
    recipe_bytes: u64,
    pack_overhead_bytes: u64,
    stored_by_others_bytes: u64,
    exact: bool,
    new_chunks: u64,
    recorded_new_chunks: u64,
    predecessor: Option<String>,
    predecessor_name: Option<&'l str>,
    earlier_backups: usize,
    unread: Vec<UnreadView>,
    turnover: Vec<TurnoverView<'l>>,
    causes: std::collections::BTreeMap<&'static str, u64>,
    rows: Vec<RowView<'l>>,
}

#[derive(Serialize)]
struct UnreadView {
    backup: String,
    error: String,
}

#[derive(Serialize)]
struct TurnoverView<'l> {
    collection: Option<&'l str>,
    shard: Option<u32>,
    new: &'l [String],
    gone: &'l [String],
}

#[derive(Serialize)]
struct RowView<'l> {
    collection: Option<&'l str>,
    shard: Option<u32>,
    segment: Option<&'l str>,
    class: &'static str,
    cause: &'static str,
    pack_bytes: u64,
    snapshot_bytes: u64,
}

/// Runs the command.
pub(crate) fn run(args: &ExplainArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let filter = args.select.filter()?;
    let repository = context.repository()?;
    let records = context.records(&repository)?;
    let record = select::one(&args.backup, &records.backups, &filter)?;
    let engine = context.engine_of(&repository)?;
    let explanation = explain(&engine, record, &records.backups, context.cancel())?;
    let out = context.out();
    match out.is_json() {
        true => out.json("explain", &line(record, &explanation))?,
        false => print(record, &explanation, out)?,
    }
    for (record, error) in &explanation.unread {
        out.warn(format_args!("backup {} cannot be compared with: {}", record.id.short(), one_line(error)));
        context.note_incomplete();
    }
    Ok(context.outcome())
}

fn line<'l>(record: &'l BackupRecord, explanation: &'l Explanation) -> ExplainLine<'l> {
    let predecessor = explanation.predecessor.as_ref();
    let unread = |(record, error): &(BackupRecord, vectar::Error)| UnreadView {
        backup: record.id.to_string(),
        error: one_line(error),
    };
    let turnover = |change: &'l SegmentTurnover| TurnoverView {
        collection: change.collection.as_deref(),
        shard: change.shard,
        new: &change.new,
        gone: &change.gone,
    };
    let row = |row: &'l GrowthRow| RowView {
        collection: row.owner.collection.as_deref(),
        shard: row.owner.shard,
        segment: row.owner.segment.as_deref(),
        class: row.class.as_str(),
        cause: row.cause.as_str(),
        pack_bytes: row.pack_bytes,
        snapshot_bytes: row.snapshot_bytes,
    };
    ExplainLine {
        id: record.id.to_string(),
        name: &record.subject.name,
        growth_bytes: explanation.growth_bytes,
        chunk_bytes: explanation.rows.iter().map(|row| row.pack_bytes).sum(),
        recipe_bytes: explanation.recipe_bytes,
        pack_overhead_bytes: explanation.pack_overhead_bytes,
        stored_by_others_bytes: explanation.stored_by_others_bytes,
        exact: explanation.is_exact(),
        new_chunks: explanation.new_chunks,
        recorded_new_chunks: explanation.recorded_new_chunks,
        predecessor: predecessor.map(|record| record.id.to_string()),
        predecessor_name: predecessor.map(|record| record.subject.name.as_str()),
        earlier_backups: explanation.earlier_backups,
        unread: explanation.unread.iter().map(unread).collect(),
        turnover: explanation.turnover.iter().map(turnover).collect(),
        causes: explanation.by_cause().into_iter().map(|(cause, bytes)| (cause.as_str(), bytes)).collect(),
        rows: explanation.rows.iter().map(row).collect(),
    }
}

fn print(record: &BackupRecord, explanation: &Explanation, out: &Out) -> Result<(), CliError> {
    let (id, name) = (record.id.short(), plain_word(&record.subject.name));
    out.line(format_args!("backup {id} ({name}) added {} of packs", size_long(explanation.growth_bytes)))?;
    match &explanation.predecessor {
        Some(before) => {
            let (id, name) = (before.id.short(), plain_word(&before.subject.name));
            out.line(format_args!("compared with backup {id} ({name}), taken {}", utc(before.taken_or_stored_at())))?;
        }
        None => out.line("there is no earlier backup of the same origin")?,
    }
    for change in &explanation.turnover {
        out.line(turnover(change))?;
    }
    out.line("")?;
    causes(explanation).print(out)?;
    out.line("")?;
    rows(explanation).print(out)?;
    if let Some(more) = explanation.rows.len().checked_sub(ROWS_SHOWN).filter(|&more| more > 0) {
        let bytes: u64 = explanation.rows[ROWS_SHOWN..].iter().map(|row| row.pack_bytes).sum();
        out.line(format_args!("and {} of {} together; --json has them", counted(more as u64, "row"), size(bytes)))?;
    }
    certainty(explanation).map_or(Ok(()), |text| out.line(format_args!("\n{text}")))
}

fn turnover(change: &SegmentTurnover) -> String {
    let shard = change.shard.map_or_else(|| "the shard".to_owned(), |shard| format!("shard {shard}"));
    let of = change.collection.as_deref().map(|name| format!(" of {}", plain_word(name))).unwrap_or_default();
    let list = |segments: &[String]| match segments {
        [] => "none".to_owned(),
        some => plain_word(&some.join(", ")),
    };
    format!("{shard}{of}: new segments {}; gone {}", list(&change.new), list(&change.gone))
}

fn causes(explanation: &Explanation) -> Table {
    let mut table = Table::new([("CAUSE", Align::Left), ("GROWTH", Align::Right)]);
    for (cause, bytes) in explanation.by_cause() {
        table.row([cause.as_str().to_owned(), size(bytes)]);
    }
    table.row(["recipe".to_owned(), size(explanation.recipe_bytes)]);
    table.row(["pack-overhead".to_owned(), size(explanation.pack_overhead_bytes)]);
    if explanation.stored_by_others_bytes > 0 {
        table.row(["stored by others".to_owned(), format!("-{}", size(explanation.stored_by_others_bytes))]);
    }
    table.row(["sum".to_owned(), size(explanation.growth_bytes)]);
    table
}

fn rows(explanation: &Explanation) -> Table {
    let (left, right) = (Align::Left, Align::Right);
    let mut table = Table::new([
        ("CAUSE", left),
        ("CLASS", left),
        ("GROWTH", right),
        ("OF", right),
        ("COLLECTION", left),
        ("SHARD", left),
        ("SEGMENT", left),
    ]);
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    for row in explanation.rows.iter().take(ROWS_SHOWN) {
        table.row([
            row.cause.as_str().to_owned(),
            row.class.to_string(),
            size(row.pack_bytes),
            size(row.snapshot_bytes),
            or_dash(row.owner.collection.clone()),
            or_dash(row.owner.shard.map(|shard| shard.to_string())),
            or_dash(row.owner.segment.clone()),
        ]);
    }
    table
}

/// What cannot be told, if anything.
fn certainty(explanation: &Explanation) -> Option<String> {
    let Explanation { new_chunks, recorded_new_chunks, .. } = explanation;
    if new_chunks > recorded_new_chunks {
        let more = counted(new_chunks - recorded_new_chunks, "chunk");
        return Some(format!(
            "{more} of the ones above were in the repository when this was stored, but no backup that is left used them:\n\
             earlier backups are gone, or an ingest was broken off; which of the chunks cannot be told"
        ));
    }
    if new_chunks < recorded_new_chunks {
        let more = counted(recorded_new_chunks - new_chunks, "chunk");
        return Some(format!(
            "{more} more were stored for this backup than are explained above: an earlier backup has them too,\n\
             because two were stored at once or their packs were about to go; pack-overhead holds them"
        ));
    }
    None
}
