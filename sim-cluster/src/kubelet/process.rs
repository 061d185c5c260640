//! One run of a container: a local process in its own process group, its output in a log file.

use std::{
    collections::BTreeMap,
    io,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
    task::JoinSet,
};

use super::{
    cri::{Lines, LogWriter, Stream},
    guardian::Guardian,
};
use crate::client::Clock;

/// Read from a container's output at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// After a container has ended, for what it wrote last. Only a process that left its group can
/// hold the pipe for longer.
const DRAIN: Duration = Duration::from_secs(1);

/// What to start, with all names replaced.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    /// All of them: nothing is inherited.
    pub(super) variables: BTreeMap<String, String>,
    pub(super) folder: PathBuf,
}

impl Launch {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(&self.variables)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        command
    }

    /// Runs it to its end, as probes and hooks do: what it wrote when it failed.
    pub(super) async fn run(&self, timeout: Duration, guardian: &Guardian) -> Result<(), String> {
        let mut command = self.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| self.refused(&error))?;
        let group = group_of(&child);
        watched(guardian, group);
        let outcome = tokio::time::timeout(timeout, child.wait_with_output()).await;
        signal(group, Signal::KILL);
        unwatched(guardian, group);
        match outcome {
            Err(_late) => Err(format!(
                "command timed out after {} s",
                timeout.as_secs_f64()
            )),
            Ok(Err(error)) => Err(error.to_string()),
            Ok(Ok(output)) if output.status.success() => Ok(()),
            Ok(Ok(output)) => {
                let said = [output.stdout, output.stderr].concat();
                Err(String::from_utf8_lossy(&said).trim_end().to_owned())
            }
        }
    }

    /// As runtimes say it.
    fn refused(&self, error: &io::Error) -> String {
        let program = self.program.display();
        match error.kind() {
            io::ErrorKind::NotFound if !self.folder.exists() => {
                format!(
                    "chdir to cwd (\"{}\"): no such folder",
                    self.folder.display()
                )
            }
            io::ErrorKind::NotFound => format!("exec: \"{program}\": executable file not found"),
            _ => format!("exec: \"{program}\": {error}"),
        }
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exit {
    /// 128 and the signal's number when a signal ended it, as shells and runtimes count.
    pub(super) code: i32,
}

/// A process that runs.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    group: Option<Pid>,
    pumps: JoinSet<()>,
    guardian: Arc<Guardian>,
}

impl Process {
    pub(super) fn start(
        launch: &Launch,
        log: LogWriter,
        clock: &Clock,
        guardian: &Arc<Guardian>,
    ) -> Result<Process, String> {
        let mut command = launch.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| launch.refused(&error))?;
        let group = group_of(&child);
        watched(guardian, group);
        let log = Arc::new(Mutex::new(log));
        let mut pumps = JoinSet::new();
        if let Some(stdout) = child.stdout.take() {
            pumps.spawn(pump(
                stdout,
                Stream::Stdout,
                Arc::clone(&log),
                clock.clone(),
            ));
        }
        if let Some(stderr) = child.stderr.take() {
            pumps.spawn(pump(stderr, Stream::Stderr, log, clock.clone()));
        }
        Ok(Process {
            child,
            group,
            pumps,
            guardian: Arc::clone(guardian),
        })
    }

    /// Asks the whole group to end.
    pub(super) fn terminate(&self) {
        signal(self.group, Signal::TERM);
    }

    /// Ends the whole group.
    pub(super) fn kill(&self) {
        signal(self.group, Signal::KILL);
    }

    /// Bytes of memory that the process and its children hold; none once it has ended.
    pub(super) fn memory_bytes(&self) -> Option<u64> {
        memory_of(self.child.id()?, 0)
    }

    /// Waits for its end. Safe to give up and to call again.
    pub(super) async fn ended(&mut self) -> io::Result<Exit> {
        let status = self.child.wait().await?;
        let code = status
            .code()
            .or_else(|| status.signal().map(|signal| 128 + signal))
            .unwrap_or(255);
        Ok(Exit { code })
    }

    /// After its end: nothing of its group stays, and what it wrote is in its log.
    pub(super) async fn clean_up(mut self) {
        self.kill();
        let drained = async { while self.pumps.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            self.pumps.shutdown().await;
        }
        unwatched(&self.guardian, self.group);
    }
}

/// A process that nobody waits for any more must not stay: neither must its children.
impl Drop for Process {
    fn drop(&mut self) {
        if self.child.id().is_some() {
            self.kill();
        }
    }
}

fn group_of(child: &Child) -> Option<Pid> {
    child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw)
}

fn watched(guardian: &Guardian, group: Option<Pid>) {
    if let Some(group) = group
        && let Err(error) = guardian.watch(group.as_raw_nonzero().get())
    {
        tracing::warn!(%error, "a container is not guarded: it may outlive a cluster that is killed");
    }
}

fn unwatched(guardian: &Guardian, group: Option<Pid>) {
    if let Some(group) = group
        && let Err(error) = guardian.forget(group.as_raw_nonzero().get())
    {
        tracing::warn!(%error, "the guard of containers is gone");
    }
}

fn signal(group: Option<Pid>, signal: Signal) {
    let Some(group) = group else { return };
    match kill_process_group(group, signal) {
        // Nobody is left in it.
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => tracing::warn!(?group, %error, "a container cannot be signalled"),
    }
}

async fn pump(
    mut output: impl AsyncRead + Unpin,
    stream: Stream,
    log: Arc<Mutex<LogWriter>>,
    clock: Clock,
) {
    let mut lines = Lines::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut was_written = true;
    loop {
        let read = output.read(&mut chunk).await;
        let now = clock();
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = match read {
            Ok(0) | Err(_) => {
                lines.finish(|line, is_whole| log.line(now, stream, line, is_whole));
                true
            }
            Ok(length) => {
                lines.push(&chunk[..length], |line, is_whole| {
                    log.line(now, stream, line, is_whole);
                });
                false
            }
        };
        let written = log.flush(now);
        if let Err(error) = &written
            && was_written
        {
            tracing::error!(%error, "lines of a container are lost: its log cannot be written");
        }
        was_written = written.is_ok();
        if is_over {
            return;
        }
    }
}

/// Resident memory of a process and its descendants, from `/proc`.
fn memory_of(process: u32, depth: u8) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = resident.split_whitespace().next()?.parse().ok()?;
    let own = kibibytes * 1024;
    // Deeper trees than this are not containers' own doing.
    if depth == 8 {
        return Some(own);
    }
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children"))
        .unwrap_or_default();
    let below: u64 = children
        .split_whitespace()
        .filter_map(|child| memory_of(child.parse().ok()?, depth + 1))
        .sum();
    Some(own + below)
}
