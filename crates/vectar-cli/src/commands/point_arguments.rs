//! Which points are meant: ids and filters as people write them, and what the answer leaves out.

use std::{collections::BTreeSet, fs};

use vectar::{Error, PointId, WalTail, points::Filter};

use crate::{
    error::CliError,
    exit_code::ExitCode,
    output::{Out, counted},
};

/// Longest filter that is read from a file, in bytes. A filter of a million UUIDs takes 40 MB.
const FILTER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Reads the ids behind an option; `None` when there are none.
pub(super) fn read_ids(texts: &[String]) -> Result<Option<BTreeSet<PointId>>, CliError> {
    let ids: BTreeSet<PointId> = texts.iter().map(|text| read_id(text)).collect::<Result<_, _>>()?;
    Ok((!ids.is_empty()).then_some(ids))
}

/// Reads one id.
pub(super) fn read_id(text: &str) -> Result<PointId, CliError> {
    text.trim().parse().map_err(|error| {
        CliError::new(ExitCode::Usage, error).safe("nothing was read").hint(
            "write a number as 17, a UUID as 5c56c793-69f3-4fbf-87e6-c4bf54c28c26, several with commas between them",
        )
    })
}

/// Reads a filter from the command line or from the file behind an `@`.
pub(super) fn read_filter(text: &str) -> Result<Filter, CliError> {
    let json = match text.strip_prefix('@') {
        None => text.as_bytes().to_vec(),
        Some(path) => read_filter_file(path)?,
    };
    Filter::parse(&json).map_err(|source| Error::FilterInvalid { source }.into())
}

#[expect(clippy::disallowed_methods, reason = "the filter is an argument of the user that happens to lie in a file")]
fn read_filter_file(path: &str) -> Result<Vec<u8>, CliError> {
    let failed = |source| Error::Source { action: "read the filter in", path: path.into(), source };
    let read = || {
        let len = fs::metadata(path).map_err(failed)?.len();
        if len > FILTER_BYTES_MAX {
            let reason = format!("it has {len} bytes, at most {FILTER_BYTES_MAX} are read");
            return Err(Error::OptionInvalid { what: "--filter", value: format!("@{path}"), reason });
        }
        fs::read(path).map_err(failed)
    };
    let advised = |error| {
        let hint = "check that the file exists and that this user may read it; without the @ the JSON itself is meant";
        CliError::from(error).safe("nothing was read of the snapshot").hints([hint.to_owned()])
    };
    read().map_err(advised)
}

/// Says on stderr what the write-ahead logs of a snapshot hold that no answer from its segments shows.
pub(super) fn mention_wal_tails(title: &str, tails: &[WalTail], out: &Out) {
    let (entries, points) =
        tails.iter().fold((0, 0), |(entries, points), tail| (entries + tail.entries, points + tail.points));
    if entries > 0 {
        let shards = if tails.len() > 1 { format!(" of {} shards", tails.len()) } else { String::new() };
        let (verb, they) = if entries == 1 { ("is", "it names") } else { ("are", "they name") };
        out.warn(format_args!(
            "{} in the write-ahead log{shards} of {title} {verb} not applied here ({they} {}): a server that recovers the snapshot applies them",
            counted(entries, "operation"),
            counted(points, "point"),
        ));
    }
}
