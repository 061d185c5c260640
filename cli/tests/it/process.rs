//! Runs the binary and talks to it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

pub(crate) fn crosswatch() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crosswatch"));
    // What the developer has set must not leak into a test.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CROSSWATCH_") {
            command.env_remove(name);
        }
    }
    command
}

/// A monitor process on free loopback ports; killed when dropped.
pub(crate) struct Monitor {
    child: Child,
    pub(crate) http: SocketAddr,
    pub(crate) otlp_grpc: SocketAddr,
    pub(crate) otlp_http: SocketAddr,
}

impl Monitor {
    /// Returns once it listens.
    pub(crate) fn start(data: &Path) -> Monitor {
        Monitor::start_with(data, &[])
    }

    /// The same, with more settings.
    pub(crate) fn start_with(data: &Path, more: &[&str]) -> Monitor {
        #[expect(
            clippy::zombie_processes,
            reason = "waited for when the monitor is killed or dropped"
        )]
        let mut child = crosswatch()
            .arg("monitor")
            .args(["--http-listen", "127.0.0.1:0"])
            .args(["--otlp-grpc-listen", "127.0.0.1:0"])
            .args(["--otlp-http-listen", "127.0.0.1:0"])
            .args(["--min-free-bytes", "0"])
            .arg("--data-dir")
            .arg(data)
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stderr = child.stderr.take().expect("piped");
        let mut said = String::new();
        let mut lines = BufReader::new(stderr).lines();
        for line in &mut lines {
            let line = line.expect("its log is text");
            said.push_str(&line);
            said.push('\n');
            if line.contains("watching") {
                let value = |key: &str| {
                    let rest = line
                        .split(key)
                        .nth(1)
                        .unwrap_or_else(|| panic!("no {key} in {line}"));
                    let text = rest.split_whitespace().next().unwrap_or_default();
                    text.trim_matches('"')
                        .trim_start_matches("http://")
                        .parse()
                        .expect("an address")
                };
                let (http, otlp_grpc, otlp_http) =
                    (value("page="), value("otlp_grpc="), value("otlp_http="));
                // Goes on reading, so that the process never blocks on its log.
                std::thread::spawn(move || lines.for_each(drop));
                return Monitor {
                    child,
                    http,
                    otlp_grpc,
                    otlp_http,
                };
            }
        }
        panic!("the monitor did not start; it said:\n{said}");
    }

    /// SIGTERM: finishes what it has taken.
    pub(crate) fn stop(mut self) {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the monitor did not stop well: {status}");
    }

    /// SIGKILL: no time for anything.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // Already gone when it was killed by the test.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
