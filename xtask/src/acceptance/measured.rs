//! Runs a process and finds out what it took, by what the kernel tells in `/proc`.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// How often a running process is asked for its memory.
const POLL: Duration = Duration::from_millis(2);

/// Bytes of two files compared at once.
const WINDOW_BYTES: usize = 1 << 20;

/// What a process said and took.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) stdout: String,
    pub(crate) elapsed: Duration,
    /// Bytes it asked the system to read, from files and pipes, whether or not they lay in memory.
    pub(crate) read_bytes: u64,
    /// The most anonymous memory it was seen to hold; `None` where the system does not tell.
    anonymous_bytes: Option<u64>,
}

impl Measured {
    /// The most anonymous memory the process was seen to hold.
    pub(crate) fn memory(&self) -> Result<u64> {
        self.anonymous_bytes.context("this system does not tell the memory of a process in /proc/<pid>/status")
    }

    /// `bytes` for the time the process took.
    pub(crate) fn rate(&self, bytes: u64) -> f64 {
        bytes as f64 / self.elapsed.as_secs_f64()
    }
}

/// Runs a command to its end.
///
/// # Errors
///
/// When it cannot be started, or fails; what it wrote to stderr is part of the message.
pub(crate) fn measure(command: &mut Command) -> Result<Measured> {
    let shown = format!("{command:?}");
    println!("running {shown}");
    let read_before = read_bytes_of_children();
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {shown}"))?;
    // Both pipes are emptied while the process runs: one that is full would stop it.
    let (stdout, stderr) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let anonymous_bytes = watch(&mut child)?;
    let status = child.wait().with_context(|| format!("cannot wait for {shown}"))?;
    let elapsed = started.elapsed();
    let (stdout, stderr) = (stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default());
    ensure!(status.success(), "{shown} failed, {status}:\n{stderr}");
    // What this process itself read meanwhile are those pipes and a few lines of `/proc`.
    let read_bytes = read_bytes_of_children().saturating_sub(read_before).saturating_sub(stdout.len() as u64);
    Ok(Measured { stdout, elapsed, read_bytes, anonymous_bytes })
}

/// Reads a pipe to its end on a thread of its own.
fn reader(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = Vec::new();
        // A pipe that breaks ends with the process, whose status says more.
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut text));
        String::from_utf8_lossy(&text).into_owned()
    })
}

/// Watches a process until it ends, and returns the most anonymous memory it was seen to hold.
fn watch(child: &mut Child) -> Result<Option<u64>> {
    let status = format!("/proc/{}/status", child.id());
    let mut most = None;
    while child.try_wait()?.is_none() {
        // A process that has just ended has no memory any more.
        let now = std::fs::read_to_string(&status).ok().and_then(|status| kib_of(&status, "RssAnon:"));
        most = most.max(now.map(|kib| kib * 1024));
        std::thread::sleep(POLL);
    }
    Ok(most)
}

/// Reads the number of a line such as `RssAnon: 1234 kB`.
fn kib_of(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().strip_suffix("kB")?.trim_end().parse().ok()
}

/// What this process and those it has waited for have read: the kernel adds the figures of a child to its parent's.
fn read_bytes_of_children() -> u64 {
    let counters = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    counters.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse().ok()).unwrap_or(0)
}

/// Tells whether two files hold the same bytes.
///
/// # Errors
///
/// When one of them cannot be read.
pub(crate) fn same_bytes(one: &Path, other: &Path) -> Result<bool> {
    #[expect(clippy::disallowed_methods, reason = "reads what the measured programs wrote")]
    let open = |path: &Path| File::open(path).with_context(|| format!("cannot read {}", path.display()));
    let (mut one, mut other) = (open(one)?, open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut of_one, mut of_other) = (vec![0; WINDOW_BYTES], vec![0; WINDOW_BYTES]);
    loop {
        let count = one.read(&mut of_one)?;
        if count == 0 {
            return Ok(true);
        }
        other.read_exact(&mut of_other[..count])?;
        if of_one[..count] != of_other[..count] {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_its_line() {
        let status = "VmRSS:\t    9000 kB\nRssAnon:\t    1234 kB\nRssFile:\t 7766 kB\n";
        assert_eq!(kib_of(status, "RssAnon:"), Some(1234));
        assert_eq!(kib_of(status, "RssShmem:"), None);
    }

    #[test]
    fn files_that_differ_in_one_byte_or_in_length_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            #[expect(clippy::disallowed_methods, reason = "makes a scratch file")]
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let mut bytes = vec![7; WINDOW_BYTES + 10];
        let (one, same, longer) =
            (write("one", &bytes), write("same", &bytes), write("longer", &[&bytes[..], b"!"].concat()));
        bytes[WINDOW_BYTES + 9] = 8;
        let other = write("other", &bytes);
        let found = [&same, &longer, &other].map(|path| same_bytes(&one, path).unwrap());
        assert_eq!(found, [true, false, false]);
    }

    /// On a system without `/proc` nothing is counted, and nothing can be said.
    #[test]
    fn what_a_process_reads_and_says_is_counted() {
        if !Path::new("/proc/self/io").exists() {
            return;
        }
        let measured = measure(Command::new("head").args(["-c", "3000000", "/dev/zero"])).unwrap();
        assert_eq!(measured.stdout.len(), 3_000_000);
        assert!(measured.read_bytes >= 3_000_000, "{}", measured.read_bytes);
    }
}
