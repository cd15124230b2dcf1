//! The files of a drill's report.

use std::{
    io::{self, Write as _},
    path::Path,
};

use vectar::{Error, drill::Report};

use crate::{context::Context, error::CliError, output::plain_word};

/// Writes `drill-TIME.md` and `drill-TIME.json` into a directory, which is made if it is missing. Neither replaces another report.
pub(crate) fn write(directory: &Path, report: &Report, context: &Context<'_>) -> Result<(), CliError> {
    let failed = |action| move |source: io::Error| Error::Target { action, path: directory.to_owned(), source };
    std::fs::create_dir_all(directory).map_err(failed("create"))?;
    let json = serde_json::to_string_pretty(report).expect("a report is maps with text keys");
    let stem = format!("drill-{}", report.head.started_at.strftime("%Y-%m-%dT%H-%M-%SZ"));
    // Two runs may begin in one second.
    let stem = (1..100)
        .map(|turn| if turn == 1 { stem.clone() } else { format!("{stem}-{turn}") })
        .find(|stem| ["md", "json"].iter().all(|ending| !directory.join(format!("{stem}.{ending}")).exists()))
        .ok_or_else(|| failed("find a free name in")(io::ErrorKind::AlreadyExists.into()))?;
    for (ending, text) in [("md", report.markdown()), ("json", json + "\n")] {
        let path = directory.join(format!("{stem}.{ending}"));
        let mut file = tempfile::Builder::new()
            .prefix(".vectar-drill-")
            .tempfile_in(directory)
            .map_err(failed("create a file in"))?;
        file.write_all(text.as_bytes()).map_err(failed("write into"))?;
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(readable).map_err(failed("write into"))?;
        file.persist_noclobber(&path).map_err(|error| failed("write into")(error.error))?;
        context.out().note(format_args!("report: {}", plain_word(&path.display().to_string())));
    }
    Ok(())
}
