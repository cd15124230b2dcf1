//! The one module of the engine that starts other programs: Python, and with it pip and Qdrant's own engine.
//!
//! - A child gets the variables that it is given and no others, a process group of its own, and no terminal.
//! - Whoever waits for it waits until a deadline, and no longer than until someone asks to stop; then the whole group is killed. That it
//!   chatters moves no deadline, and that it does not read what it is told holds nobody up: a thread writes.
//! - It is dead when its owner is dropped. When this process is killed outright, it finds its input closed and ends.
//! - What it says is kept up to a bound: [`LINE_BYTES_MAX`] for a line of its output, [`SAID_BYTES_MAX`] of what it says besides.

use std::{
    collections::VecDeque,
    ffi::OsString,
    io::{BufRead, BufReader, Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::observer::CancelToken;

/// Longest line of output: a few points of the largest payloads that a server takes (32 MiB a request).
const LINE_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Kept of what a child says on its standard error, from the end: that is where Python says why.
const SAID_BYTES_MAX: usize = 16 * 1024;

/// So often it is looked whether to stop.
const GLANCE: Duration = Duration::from_millis(50);

/// A program, its arguments, and all variables that it gets.
#[derive(Debug)]
pub(super) struct Program<'p> {
    pub(super) path: &'p Path,
    pub(super) arguments: Vec<OsString>,
    pub(super) variables: Vec<(OsString, OsString)>,
    /// Where it runs; it may leave files there.
    pub(super) directory: &'p Path,
}

/// Until when, or until who, a child is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience<'c> {
    pub(super) deadline: Instant,
    pub(super) cancel: &'c CancelToken,
}

/// Why there is no line from a child, or no end of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// Stopping was asked for.
    Cancelled,
    /// The deadline passed.
    TimedOut,
    /// It ended: how, and the last it said.
    Ended { how: String, signal: Option<i32>, said: String },
    /// It said a line that is too long; the next one may follow.
    Endless,
}

/// A child that runs.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    /// What is to be written to its input, which is closed when this is dropped.
    told: Option<Sender<Vec<u8>>>,
    lines: Receiver<Result<Vec<u8>, Silence>>,
    said: Arc<Mutex<VecDeque<u8>>>,
    listener: Option<thread::JoinHandle<()>>,
    /// Its number may belong to another process by now.
    is_reaped: bool,
}

impl Running {
    /// Starts a program.
    pub(super) fn start(program: &Program<'_>) -> std::io::Result<Self> {
        let mut child = Command::new(program.path)
            .args(&program.arguments)
            .env_clear()
            .envs(program.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(program.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A signal from the terminal comes to us alone, and we end the child where nothing is half-done.
            .process_group(0)
            .spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        // One line waits while the one before it is written: who gets its answers tells no more than that.
        let (told, to_tell) = bounded(1);
        if let Some(stdin) = stdin {
            thread::spawn(move || hand_over_lines(stdin, &to_tell));
        }
        let (sender, lines) = bounded(1);
        if let Some(stdout) = stdout {
            thread::spawn(move || hand_on_lines(stdout, &sender, LINE_BYTES_MAX));
        }
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let listener = stderr.map(|stderr| {
            let said = Arc::clone(&said);
            thread::spawn(move || keep_end(stderr, &said))
        });
        Ok(Self { child, told: Some(told), lines, said, listener, is_reaped: false })
    }

    /// Has a line written to its input, and does not wait for that. That it does not read is found out by who waits for its answer.
    pub(super) fn tell(&mut self, line: &str) {
        let line = format!("{line}\n").into_bytes();
        if self.told.as_ref().is_none_or(|told| told.try_send(line).is_err()) {
            tracing::debug!("a child does not listen");
        }
    }

    /// Waits for its next line of output, which is returned without its end.
    pub(super) fn hear(&mut self, patience: Patience<'_>) -> Result<Vec<u8>, Silence> {
        loop {
            if patience.cancel.is_cancelled() {
                return Err(Silence::Cancelled);
            }
            // Not only when nothing comes: who chatters would be waited for without end.
            if Instant::now() >= patience.deadline {
                return Err(Silence::TimedOut);
            }
            match self.lines.recv_timeout(GLANCE) {
                Ok(line) => return line,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(self.ended(patience)),
            }
        }
    }

    /// Waits for its end, passing over its output. `Ok` is success.
    pub(super) fn finish(mut self, patience: Patience<'_>) -> Result<(), Silence> {
        self.told = None;
        loop {
            match self.hear(patience) {
                Ok(_) => {}
                Err(Silence::Ended { how, .. }) if how.is_empty() => return Ok(()),
                Err(silence) => return Err(silence),
            }
        }
    }

    fn ended(&mut self, patience: Patience<'_>) -> Silence {
        self.told = None;
        while !self.has_ended() {
            if patience.cancel.is_cancelled() {
                return Silence::Cancelled;
            }
            if Instant::now() >= patience.deadline {
                return Silence::TimedOut;
            }
            thread::sleep(GLANCE);
        }
        // What it left running would hold the other end of its standard error. Its number is still its own: nobody has waited for it.
        self.kill_group();
        let status = self.child.wait().ok();
        self.is_reaped = true;
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let said = String::from_utf8_lossy(&said.iter().copied().collect::<Vec<u8>>()).trim().to_owned();
        Silence::Ended { how: how_it_ended(status), signal: status.and_then(|status| status.signal()), said }
    }

    /// Whether the child has ended; it is not waited for, so that its number goes to nobody else.
    fn has_ended(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(Pid::from_child(&self.child)), look), Ok(None))
    }

    fn kill_group(&self) {
        // That it has gone already is as good.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_reaped {
            self.kill_group();
            // A zombie is left only when the system cannot wait for it.
            let _ = self.child.wait();
        }
    }
}

/// Nothing for success.
fn how_it_ended(status: Option<ExitStatus>) -> String {
    match status {
        Some(status) if status.success() => String::new(),
        Some(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("it ended with {code}"),
            (None, Some(signal)) => format!("it was ended by signal {signal}"),
            (None, None) => "it ended".to_owned(),
        },
        None => "it is gone".to_owned(),
    }
}

/// Ends, and closes the input, when nothing more is to be told or nobody reads any more: a child that is killed reads no more.
fn hand_over_lines(mut stdin: impl Write, to_tell: &Receiver<Vec<u8>>) {
    for line in to_tell {
        if let Err(error) = stdin.write_all(&line) {
            tracing::debug!(%error, "a child does not listen");
            return;
        }
    }
}

/// Hands on lines of less than `bytes_max` bytes; of a longer one the rest is passed over, and the next line follows.
fn hand_on_lines(stdout: impl Read, lines: &Sender<Result<Vec<u8>, Silence>>, bytes_max: u64) {
    let mut stdout = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        match stdout.by_ref().take(bytes_max).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let said = match line.pop() {
            Some(b'\n') => Ok(line),
            Some(last) if (line.len() as u64) < bytes_max - 1 => {
                line.push(last);
                Ok(line)
            }
            _ => Err(Silence::Endless),
        };
        let is_cut = said.is_err();
        // Nobody listens any more when the other end is gone.
        if lines.send(said).is_err() || (is_cut && stdout.skip_until(b'\n').is_err()) {
            return;
        }
    }
}

fn keep_end(mut stderr: impl Read, said: &Mutex<VecDeque<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stderr.read(&mut buffer) {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend(&buffer[..count]);
        let excess = said.len().saturating_sub(SAID_BYTES_MAX);
        said.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell<'p>(script: &str) -> Program<'p> {
        Program {
            path: Path::new("/bin/sh"),
            arguments: vec!["-c".into(), script.into()],
            variables: vec![("ONLY".into(), "this".into())],
            directory: Path::new("/"),
        }
    }

    fn within(seconds: u64, cancel: &CancelToken) -> Patience<'_> {
        Patience { deadline: Instant::now() + Duration::from_secs(seconds), cancel }
    }

    #[test]
    fn a_child_answers_line_by_line_and_has_no_other_variables() {
        let cancel = CancelToken::default();
        let mut child =
            Running::start(&shell("echo $ONLY$HOME$USER; read line; echo $line; echo oh >&2; exit 3")).unwrap();
        assert_eq!(child.hear(within(20, &cancel)), Ok(b"this".to_vec()));
        child.tell("hello");
        assert_eq!(child.hear(within(20, &cancel)), Ok(b"hello".to_vec()));
        let ended = Silence::Ended { how: "it ended with 3".to_owned(), signal: None, said: "oh".to_owned() };
        assert_eq!(child.hear(within(20, &cancel)), Err(ended));
        assert_eq!(Running::start(&shell("exit 0")).unwrap().finish(within(20, &cancel)), Ok(()));
    }

    #[test]
    fn a_child_that_is_waited_for_too_long_dies_with_its_children() {
        let cancel = CancelToken::default();
        let mut child = Running::start(&shell("sleep 300 & echo $!; wait")).unwrap();
        let grandchild = String::from_utf8(child.hear(within(20, &cancel)).unwrap()).unwrap();
        assert_eq!(child.hear(within(0, &cancel)), Err(Silence::TimedOut));
        cancel.cancel();
        assert_eq!(child.hear(within(20, &cancel)), Err(Silence::Cancelled));
        drop(child);
        let gone = || {
            let state = std::fs::read_to_string(format!("/proc/{}/stat", grandchild.trim()));
            state.map_or(true, |state| state.contains(") Z "))
        };
        for _ in 0..200 {
            if gone() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("process {grandchild} is still there");
    }

    #[test]
    fn a_child_that_chatters_or_does_not_listen_is_not_waited_for_longer() {
        let cancel = CancelToken::default();
        let chatter = "i=0; while [ $i -lt 200 ]; do echo $i; sleep 0.02; i=$((i+1)); done";
        assert_eq!(Running::start(&shell(chatter)).unwrap().finish(within(1, &cancel)), Err(Silence::TimedOut));
        let mut child = Running::start(&shell("echo hi; exec sleep 20")).unwrap();
        assert_eq!(child.hear(within(20, &cancel)), Ok(b"hi".to_vec()));
        let started = Instant::now();
        // A pipe holds 64 KiB.
        child.tell(&"long".repeat(1 << 20));
        assert_eq!(child.hear(within(1, &cancel)), Err(Silence::TimedOut));
        drop(child);
        assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let (sender, lines) = crossbeam_channel::unbounded();
        hand_on_lines(&b"four\nfives\nmuch longer\n\nend"[..], &sender, 5);
        drop(sender);
        let line = |text: &str| Ok(text.as_bytes().to_vec());
        let expected = [line("four"), Err(Silence::Endless), Err(Silence::Endless), line(""), line("end")];
        assert_eq!(lines.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn only_the_end_of_what_a_child_says_is_kept() {
        let cancel = CancelToken::default();
        let script = "i=0; while [ $i -lt 3000 ]; do echo 0123456789 >&2; i=$((i+1)); done; echo last >&2; kill -9 $$";
        let mut child = Running::start(&shell(script)).unwrap();
        let Err(Silence::Ended { how, signal, said }) = child.hear(within(20, &cancel)) else { panic!("it has ended") };
        assert_eq!((how.as_str(), signal), ("it was ended by signal 9", Some(9)));
        assert!(said.ends_with("\nlast") && said.len() <= SAID_BYTES_MAX && said.len() > SAID_BYTES_MAX - 20);
    }
}
