//! The files of a drill's report.

use std::{io, path::Path};

use vectar::{Error, drill::Report};

use crate::{
    context::Context,
    error::CliError,
    output::{Existing, plain_word, write_readable},
};

/// Makes the directory if it is missing, and sees that files can be written there.
pub(crate) fn make_ready(directory: &Path) -> Result<(), CliError> {
    std::fs::create_dir_all(directory).map_err(failed("create", directory))?;
    let tried = tempfile::Builder::new().prefix(".vectar-drill-").tempfile_in(directory);
    Ok(tried.map(drop).map_err(failed("create a file in", directory))?)
}

/// Writes `drill-TIME.md` and `drill-TIME.json` into a directory. Neither replaces another report.
pub(crate) fn write(directory: &Path, report: &Report, context: &Context<'_>) -> Result<(), CliError> {
    let json = serde_json::to_string_pretty(report).expect("a report is maps with text keys");
    let stem = format!("drill-{}", report.head.started_at.strftime("%Y-%m-%dT%H-%M-%SZ"));
    // Two runs may begin in one second.
    let stem = (1..100)
        .map(|turn| if turn == 1 { stem.clone() } else { format!("{stem}-{turn}") })
        .find(|stem| ["md", "json"].iter().all(|ending| !directory.join(format!("{stem}.{ending}")).exists()))
        .ok_or_else(|| failed("find a free name in", directory)(io::ErrorKind::AlreadyExists.into()))?;
    for (ending, text) in [("md", report.markdown()), ("json", json + "\n")] {
        let path = directory.join(format!("{stem}.{ending}"));
        write_readable(&path, &text, Existing::Keep).map_err(failed("write into", directory))?;
        context.out().note(format_args!("report: {}", plain_word(&path.display().to_string())));
    }
    Ok(())
}

fn failed(action: &'static str, directory: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = directory.to_owned();
    move |source| Error::Target { action, path, source }
}
