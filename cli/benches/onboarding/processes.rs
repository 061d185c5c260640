//! Monitor, operator and agents as processes of this very program.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use anyhow::Context as _;

/// Killed when dropped.
pub(crate) struct Process(Child);

pub(crate) struct Memory {
    /// Megabytes.
    pub(crate) now: f64,
    pub(crate) peak: f64,
}

impl Process {
    /// Returns at once. Its log is shown when `CROSSWATCH_BENCH_VERBOSE` is set.
    pub(crate) fn start(
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Process> {
        let (child, lines) = spawn(arguments, environment)?;
        drain(lines);
        Ok(Process(child))
    }

    /// Returns when its log has a line with `ready`, which is given too.
    pub(crate) fn start_until(
        arguments: &[&str],
        environment: &[(&str, &str)],
        ready: &str,
    ) -> anyhow::Result<(Process, String)> {
        let (mut child, mut lines) = spawn(arguments, environment)?;
        let mut said = String::new();
        for line in &mut lines {
            let line = line?;
            said.push_str(&line);
            said.push('\n');
            if line.contains(ready) {
                drain(lines);
                return Ok((Process(child), line));
            }
        }
        child.wait()?;
        anyhow::bail!(
            "`crosswatch {}` did not start; it said:\n{said}",
            arguments.join(" ")
        )
    }

    /// As Linux counts it: shared pages included.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let of = |key: &str| {
            let line = status.lines().find(|line| line.starts_with(key));
            let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
            kilobytes
                .and_then(|text| text.parse::<f64>().ok())
                .with_context(|| format!("no {key}"))
        };
        Ok(Memory {
            now: of("VmRSS:")? / 1e3,
            peak: of("VmHWM:")? / 1e3,
        })
    }
}

type Lines = std::io::Lines<BufReader<ChildStderr>>;

fn spawn(arguments: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<(Child, Lines)> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_crosswatch"))
        .args(arguments)
        .envs(environment.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let stderr = child.stderr.take().context("piped")?;
    Ok((child, BufReader::new(stderr).lines()))
}

/// Reads to the end, so that nobody ever waits for its log.
fn drain(lines: Lines) {
    let is_verbose = std::env::var_os("CROSSWATCH_BENCH_VERBOSE").is_some();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok).filter(|_| is_verbose) {
            anstream::eprintln!("{line}");
        }
    });
}

impl Drop for Process {
    fn drop(&mut self) {
        // Gone already when it failed, which shows elsewhere.
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// A monitor, and where its page and its receiver of OTLP over HTTP are.
pub(crate) fn monitor(folder: &Path) -> anyhow::Result<(Process, SocketAddr, SocketAddr)> {
    let data = folder.join("monitor");
    let data = data.to_str().context("a folder whose name is text")?;
    let (process, line) = Process::start_until(
        &[
            "monitor",
            "--http-listen=127.0.0.1:0",
            "--otlp-grpc-listen=127.0.0.1:0",
            "--otlp-http-listen=127.0.0.1:0",
            "--data-dir",
            data,
        ],
        &[],
        "watching",
    )?;
    let address = |key: &str| -> anyhow::Result<SocketAddr> {
        let rest = line
            .split(key)
            .nth(1)
            .with_context(|| format!("no {key} in {line}"))?;
        let text = rest.split_whitespace().next().unwrap_or_default();
        Ok(text
            .trim_matches('"')
            .trim_start_matches("http://")
            .parse()?)
    };
    let (page, otlp) = (address("page=")?, address("otlp_http=")?);
    Ok((process, page, otlp))
}
