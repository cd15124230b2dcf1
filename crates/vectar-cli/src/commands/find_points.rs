//! `find --id` and `find --filter`: which backups hold these points.

use serde::Serialize;
use vectar::{
    BackupRecord, Content, Engine, Error, Inside, PointId,
    points::{PointQuery, scroll},
    words::one_line,
};

use super::point_arguments::{mention_wal_tails, read_filter, read_ids};
use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{counted, plain_word, utc},
    select_args::SelectArgs,
};

/// Points of one collection of a backup whose ids are kept; of more only the number is said.
const IDS_MAX: usize = 1000;

/// Ids that are shown in a line of text.
const IDS_SHOWN: usize = 5;

/// What one collection of a backup holds of the points that were looked for.
#[derive(Serialize)]
struct PointsFound<'f> {
    backup: String,
    name: &'f str,
    taken_at: Option<String>,
    collection: Option<String>,
    points: u64,
    /// The first of them, in the server's order.
    ids: Vec<PointId>,
}

/// Runs the command.
pub(super) fn run(
    ids: &[String],
    filter: Option<&str>,
    select: &SelectArgs,
    context: &Context<'_>,
) -> Result<ExitCode, CliError> {
    let query = PointQuery {
        ids: read_ids(ids)?,
        filter: filter.map(read_filter).transpose()?,
        shard: select.shard,
        without_payload: true,
        ..PointQuery::default()
    };
    let chosen = select.filter()?;
    let repository = context.repository()?;
    let records = context.records(&repository)?;
    let engine = context.engine_of(&repository)?;
    let searched = chosen.apply(&records.backups);
    let (mut found, mut failed) = (0, 0_usize);
    for record in &searched {
        match one(&engine, record, &query, select.collection.as_deref(), context) {
            // One backup at a time: what was found is shown at once.
            Ok(parts) => {
                found += parts.len();
                parts.iter().try_for_each(|part| print(record, part, context))?;
            }
            Err(error @ Error::Cancelled) => return Err(error.into()),
            Err(error) => {
                failed += 1;
                let why = one_line(&error);
                context.out().warn(format_args!("backup {} cannot be searched: {why}", record.id.short()));
            }
        }
    }
    if failed > 0 {
        context
            .out()
            .warn(format_args!("{failed} of {} could not be searched", counted(searched.len() as u64, "backup")));
        context.note_incomplete();
    }
    match (found, context.outcome()) {
        (0, ExitCode::Done) => {
            context.out().note(format_args!("no such point in {}", counted(searched.len() as u64, "backup")));
            Ok(ExitCode::Failed)
        }
        (_, outcome) => Ok(outcome),
    }
}

/// Searches one backup, collection by collection.
fn one<'r>(
    engine: &Engine,
    record: &'r BackupRecord,
    query: &PointQuery,
    collection: Option<&str>,
    context: &Context<'_>,
) -> Result<Vec<PointsFound<'r>>, Error> {
    let content = Content::backup(engine, record);
    let inside = Inside::open(&content)?;
    let outline = inside.named_outline();
    let names: Vec<Option<&str>> = match outline.collections.len() {
        0 | 1 => vec![None],
        _ => outline.collections.iter().map(|one| one.name.as_deref().or(one.file.as_deref())).collect(),
    };
    let is_meant = |name: &&Option<&str>| name.is_none() || collection.is_none() || **name == collection;
    let mut parts = Vec::new();
    for name in names.iter().filter(is_meant) {
        let query = PointQuery { collection: name.map(str::to_owned), ..query.clone() };
        let mut ids = Vec::new();
        let keep = |point: vectar::points::Point| {
            if ids.len() < IDS_MAX {
                ids.push(point.id);
            }
            Ok(())
        };
        let points = match scroll(&inside, &query, context.cancel(), keep) {
            // Of the collections of a full snapshot some have that shard, others have not.
            Err(Error::ShardNotFound { .. }) => continue,
            points => points?,
        };
        let title = format!("backup {}", record.id.short());
        mention_wal_tails(&title, &inside.wal_tails(query.collection.as_deref(), query.shard)?, context.out());
        if points > 0 {
            let only = || outline.collections.first().and_then(|one| one.name.as_deref());
            let collection = name.or_else(only).map(str::to_owned);
            let (backup, taken_at) = (record.id.to_string(), record.subject.taken_at.map(utc));
            parts.push(PointsFound { backup, name: &record.subject.name, taken_at, collection, points, ids });
        }
    }
    Ok(parts)
}

fn print(record: &BackupRecord, found: &PointsFound<'_>, context: &Context<'_>) -> Result<(), CliError> {
    let out = context.out();
    if out.is_json() {
        return out.json("points-found", found);
    }
    let shown: Vec<String> = found.ids.iter().take(IDS_SHOWN).map(PointId::to_string).collect();
    let more = if found.points > shown.len() as u64 { ", …" } else { "" };
    let collection = found.collection.as_deref().map_or_else(|| "-".to_owned(), plain_word);
    let taken_at = found.taken_at.as_deref().unwrap_or("-");
    out.line(format_args!(
        "{}  {taken_at}  {collection}  {}  {}: {}{more}",
        record.id.short(),
        plain_word(found.name),
        counted(found.points, "point"),
        shown.join(", ")
    ))
}
