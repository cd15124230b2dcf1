//! Units and timers of systemd (`systemd.service(5)`, `systemd.exec(5)`, `systemd.timer(5)`, `systemd.syntax(7)`).

use std::{
    io::{self, Write as _},
    path::{Component, Path, PathBuf},
};

use clap::Args;
use vectar::Error;

use super::{
    global_options,
    job::{Job, JobArgs, Places, first_steps, jobs, parse_name},
};
use crate::{
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::{Existing, plain_word, stdout_failed, write_readable},
};

/// Print services and timers for systemd
///
/// For ingest, forget, prune, check, drill and status, each a file of its own; with --out they are written. The repository is that of -r or of
/// the profile in use, which the services use too, with its id, names and tags; so they do --threads and --memory. The chunk indexes and the
/// engine of drills lie in /var/cache/vectar, shards are loaded there, reports go to /var/lib/vectar/reports; nothing else but the repository may
/// be written, and with --keep-source the snapshot directory. Home directories and those for temporary files are hidden from the services.
///
/// A service never runs twice at once. Look for its failure with "systemctl --failed", or add OnFailure= to it.
#[derive(Debug, Args)]
pub(crate) struct SystemdArgs {
    /// Where Qdrant writes its snapshots
    #[arg(value_name = "DIR")]
    snapshots: PathBuf,
    /// Write the files into this directory, such as /etc/systemd/system
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The program
    #[arg(long, value_name = "PATH", default_value = "/usr/local/bin/vectar")]
    program: PathBuf,
    /// Run as this user, who may read the snapshots and write the repository; else as root
    #[arg(long, value_name = "NAME", value_parser = parse_user)]
    user: Option<String>,
    #[command(flatten)]
    jobs: JobArgs,
}

/// Where reports of drills go: below the state directory that the unit asks for.
const REPORTS: &str = "/var/lib/vectar/reports";

/// The cache directory that the unit asks for.
const CACHE: &str = "/var/cache/vectar";

/// What the services do not see: `ProtectHome=tmpfs` puts empty directories over the first three, and `PrivateTmp=yes` others over the last
/// two (`systemd.exec(5)`).
const HIDDEN: [&str; 5] = ["/home", "/root", "/run/user", "/tmp", "/var/tmp"];

/// Runs the command.
pub(crate) fn run(args: &SystemdArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let profile = match context.profile_in_use() {
        Some((name, file)) => Some((name, check_path("the configuration file", file)?)),
        None => None,
    };
    let place = Place {
        program: check_path("the program", &args.program)?,
        repository: check_path("the repository", context.repository_path()?)?,
        snapshots: check_path("the snapshot directory", &args.snapshots)?,
        user: args.user.clone(),
        deletes: args.jobs.keep_source.is_some(),
    };
    let places = Places { snapshots: &place.snapshots, reports: REPORTS, cache: CACHE };
    let global = global_options(profile.as_ref().map(|(name, file)| (*name, file.as_str())), context);
    let mut files = Vec::new();
    for job in jobs(&args.jobs, &places, &global) {
        files.push((format!("vectar-{}.service", job.name), place.service(&job)));
        files.push((format!("vectar-{}.timer", job.name), timer(&job)));
    }
    match &args.out {
        Some(directory) => write(directory, &files, context)?,
        None => {
            let text: Vec<String> = files.iter().map(|(name, text)| format!("# {name}\n{text}")).collect();
            context.out().bytes().lock().write_all(text.join("\n").as_bytes()).map_err(stdout_failed)?;
        }
    }
    first_steps("systemctl start vectar-drill.service").iter().for_each(|step| context.out().note(step));
    Ok(ExitCode::Done)
}

/// Takes a path that means the same in every directory, stands on one line, and is there for a service.
fn check_path(what: &str, path: &Path) -> Result<String, CliError> {
    let refuse = |why: &str, hint: &str| {
        Err(CliError::new(ExitCode::Usage, format_args!("{what} {:?} cannot be used", path.display().to_string()))
            .cause(why)
            .safe("nothing was written")
            .hint(hint))
    };
    let whole = "write the whole path, beginning with / and without ..";
    match path.to_str() {
        None => refuse("it is no text", whole),
        Some(text) if text.chars().any(char::is_control) => refuse("it has a control character", whole),
        Some(text) if !text.starts_with('/') => refuse("it is relative: a unit has no directory to begin at", whole),
        Some(_) if path.components().any(|part| part == Component::ParentDir) => refuse("it has .. in it", whole),
        Some(_) if HIDDEN.iter().any(|hidden| path.starts_with(hidden)) => refuse(
            "the services do not see home directories (/home, /root, /run/user), nor /tmp and /var/tmp",
            "put it elsewhere, such as into /srv, /usr/local or /etc/vectar, and name it there",
        ),
        Some(text) => Ok(text.to_owned()),
    }
}

/// A user as systemd takes one (`systemd.io`, user and group names): no blank, nothing that means something else.
fn parse_user(text: &str) -> Result<String, String> {
    let is_odd = |one: char| one.is_whitespace() || one.is_control() || ":/%\"'\\,;".contains(one);
    match parse_name(text)? {
        name if name.starts_with('-') || name.chars().any(is_odd) => Err("it is no name of a user".to_owned()),
        name => Ok(name),
    }
}

/// What all services share.
struct Place {
    program: String,
    repository: String,
    snapshots: String,
    user: Option<String>,
    deletes: bool,
}

impl Place {
    fn service(&self, job: &Job) -> String {
        let command: Vec<String> =
            [&self.program].into_iter().chain(&job.arguments).map(|word| argument(word)).collect();
        let mut mounts = vec![quoted(&self.repository)];
        let mut writable = vec![quoted(&self.repository)];
        if job.reads_snapshots {
            mounts.push(quoted(&self.snapshots));
            writable.extend(self.deletes.then(|| quoted(&self.snapshots)));
        }
        let user = self.user.as_ref().map(|user| format!("User={}\n", specifier(user))).unwrap_or_default();
        format!(
            "[Unit]\n\
             Description=vectar: {what}\n\
             RequiresMountsFor={mounts}\n\
             \n\
             [Service]\n\
             Type=oneshot\n\
             {user}\
             ExecStart={command}\n\
             Environment={repository}\n\
             Environment=VECTAR_INDEX_DIR={CACHE}\n\
             CacheDirectory=vectar\n\
             CacheDirectoryMode=0700\n\
             StateDirectory=vectar\n\
             # SIGTERM stops it where nothing is half-done; that is no failure.\n\
             KillSignal=SIGTERM\n\
             TimeoutStopSec=2min\n\
             SuccessExitStatus=130\n\
             Nice=10\n\
             IOSchedulingClass=idle\n\
             NoNewPrivileges=yes\n\
             PrivateTmp=yes\n\
             # Empty instead of forbidden: that there is no configuration file of the user is no error.\n\
             ProtectHome=tmpfs\n\
             ProtectSystem=strict\n\
             ReadWritePaths={writable}\n",
            what = job.what,
            mounts = mounts.join(" "),
            command = command.join(" "),
            repository = quoted(&format!("VECTAR_REPO={}", self.repository)),
            writable = writable.join(" "),
        )
    }
}

fn timer(job: &Job) -> String {
    format!(
        "[Unit]\n\
         Description=vectar: {what}\n\
         \n\
         [Timer]\n\
         OnCalendar={calendar}\n\
         RandomizedDelaySec=5min\n\
         Persistent=true\n\
         \n\
         [Install]\n\
         WantedBy=timers.target\n",
        what = job.what,
        calendar = job.calendar
    )
}

/// A percent sign begins a specifier everywhere.
fn specifier(text: &str) -> String {
    text.replace('%', "%%")
}

/// In double quotes, where blanks or quotes would end it.
fn quoted(text: &str) -> String {
    let text = specifier(text);
    match text.chars().any(|one| one.is_whitespace() || "\"'\\;".contains(one)) {
        true => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        false => text,
    }
}

/// A word of a command line, in which a dollar sign begins a variable too.
fn argument(text: &str) -> String {
    quoted(text).replace('$', "$$")
}

fn write(directory: &Path, files: &[(String, String)], context: &Context<'_>) -> Result<(), CliError> {
    let failed = |action| move |source: io::Error| Error::Target { action, path: directory.to_owned(), source };
    std::fs::create_dir_all(directory).map_err(failed("create"))?;
    for (name, text) in files {
        write_readable(&directory.join(name), text, Existing::Replace).map_err(failed("write into"))?;
    }
    let timers: Vec<&str> =
        files.iter().map(|(name, _)| name.as_str()).filter(|name| name.ends_with(".timer")).collect();
    context.out().note(format_args!(
        "wrote {} files into {}",
        files.len(),
        plain_word(&directory.display().to_string())
    ));
    context
        .out()
        .note(format_args!("start them with: systemctl daemon-reload && systemctl enable --now {}", timers.join(" ")));
    Ok(())
}
