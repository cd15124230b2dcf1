//! Runs a process and finds out what it took, by what the kernel tells in `/proc`.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// How often a running process is asked for its memory.
const POLL: Duration = Duration::from_millis(2);

/// Bytes of its output that are kept; what follows is counted.
const STDOUT_BYTES_KEPT: usize = 64 << 20;

/// Bytes of two files compared at once.
const WINDOW_BYTES: usize = 1 << 20;

/// What a process said and took.
#[derive(Debug)]
pub(crate) struct Measured {
    /// The front of what it wrote to stdout.
    pub(crate) stdout: String,
    /// Bytes it wrote to stdout.
    pub(crate) stdout_bytes: u64,
    pub(crate) elapsed: Duration,
    /// Time of processors, in steps of ten milliseconds: says more than `elapsed` where others use the machine too.
    pub(crate) cpu: Duration,
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
    let (read_before, cpu_before) = (read_bytes_of_children(), cpu_of_children());
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
    let ((stdout, stdout_bytes), (stderr, _)) = (stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default());
    ensure!(status.success(), "{shown} failed, {status}:\n{stderr}");
    // What this process itself read meanwhile are those pipes and a few lines of `/proc`.
    let read_bytes = read_bytes_of_children().saturating_sub(read_before).saturating_sub(stdout_bytes);
    let cpu = cpu_of_children().saturating_sub(cpu_before);
    println!("  took {} ms, {} ms of processors", elapsed.as_millis(), cpu.as_millis());
    Ok(Measured { stdout, stdout_bytes, elapsed, cpu, read_bytes, anonymous_bytes })
}

/// Reads a pipe to its end on a thread of its own; returns the front of what came, and how much came.
fn reader(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<(String, u64)> {
    std::thread::spawn(move || {
        let (mut text, mut bytes) = (Vec::new(), 0);
        let mut window = vec![0; WINDOW_BYTES];
        let Some(mut pipe) = pipe else { return Default::default() };
        // A pipe that breaks ends with the process, whose status says more.
        while let Ok(count @ 1..) = pipe.read(&mut window) {
            bytes += count as u64;
            text.extend_from_slice(&window[..count.min(STDOUT_BYTES_KEPT.saturating_sub(text.len()))]);
        }
        (String::from_utf8_lossy(&text).into_owned(), bytes)
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

/// Processor time of all children that were waited for, in steps of ten milliseconds.
fn cpu_of_children() -> Duration {
    let status = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    Duration::from_millis(10 * ticks_of_children(&status).unwrap_or(0))
}

/// The ticks that children spent as users and in the system: the 16th and 17th number, counted from before the name in parentheses, which may
/// hold anything.
fn ticks_of_children(status: &str) -> Option<u64> {
    let mut numbers = status.rsplit_once(')')?.1.split_whitespace().skip(13);
    Some(numbers.next()?.parse::<u64>().ok()? + numbers.next()?.parse::<u64>().ok()?)
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
    fn ticks_are_those_of_children_whatever_the_name() {
        let status = "77 (a) b 1 (c) S 1 77 77 0 -1 4194560 1 2 3 4 10 20 300 4000 20 0 1 0 5";
        assert_eq!(ticks_of_children(status), Some(4300));
        assert_eq!(ticks_of_children("77 (a) S 1"), None);
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
        assert_eq!((measured.stdout.len(), measured.stdout_bytes), (3_000_000, 3_000_000));
        assert!(measured.read_bytes >= 3_000_000, "{}", measured.read_bytes);
    }
}
