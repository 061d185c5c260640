//! The first minute of every new user, and its end.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};

use rustix::process::{Pid, Signal};

use crate::process::crosswatch;

/// A demo in a process group of its own, so that whatever it leaves behind can be found.
struct Demo {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    said: Vec<String>,
}

impl Demo {
    fn start(scratch: &Path) -> Demo {
        let small = ["--http-listen", "127.0.0.1:0", "--history", "20s"];
        Demo::with(scratch, &[&["--in-process"], &small[..]].concat())
    }

    fn with(scratch: &Path, arguments: &[&str]) -> Demo {
        let mut child = crosswatch()
            .arg("demo")
            .args(arguments)
            .env("TMPDIR", scratch)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Demo {
            child,
            lines,
            said: Vec::new(),
        }
    }

    /// Reads on until a line says it.
    fn until(&mut self, text: &str) -> String {
        for line in &mut self.lines {
            let line = line.unwrap();
            self.said.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
        panic!("it never said {text:?}, but:\n{}", self.said.join("\n"));
    }

    fn page(&mut self) -> SocketAddr {
        let line = self.until("The page");
        let url = line.split("http://").nth(1).unwrap();
        url.trim_end_matches('/').parse().unwrap()
    }

    fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

fn listens(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok()
}

#[test]
fn the_first_screen_says_what_to_look_at_and_ctrl_c_leaves_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(scratch.path());
    let page = demo.page();
    assert!(listens(page));
    let shop = demo.until("Be a customer");
    let entry: SocketAddr = shop
        .split("http://")
        .nth(1)
        .and_then(|rest| rest.split('/').next())
        .unwrap()
        .parse()
        .unwrap();
    demo.until("learned");
    assert!(listens(entry));
    demo.signal(Signal::INT);
    let status = demo.child.wait().unwrap();
    assert!(status.success(), "{status}\n{}", demo.said.join("\n"));
    assert!(!listens(page) && !listens(entry));
    let left: Vec<_> = std::fs::read_dir(scratch.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    rustix::process::test_kill_process_group(demo.pid()).expect_err("no process is left");
}

#[test]
fn killed_without_warning_it_leaves_no_process_and_no_port() {
    let scratch = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(scratch.path());
    let page = demo.page();
    demo.until("learned");
    demo.signal(Signal::KILL);
    demo.child.wait().unwrap();
    assert!(!listens(page));
    rustix::process::test_kill_process_group(demo.pid()).expect_err("no process is left");
}

#[test]
fn on_a_cluster_pods_are_onboarded_and_ctrl_c_leaves_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let mut demo = Demo::with(scratch.path(), &[]);
    let line = demo.until("The page");
    let page: SocketAddr = line
        .split("http://")
        .nth(1)
        .and_then(|rest| rest.split('/').next())
        .unwrap()
        .parse()
        .unwrap();
    let line = demo.until("onboarded");
    assert!(line.contains("16 MonitoredApis"), "{line}");
    assert!(listens(page));
    demo.signal(Signal::INT);
    let status = demo.child.wait().unwrap();
    assert!(status.success(), "{status}\n{}", demo.said.join("\n"));
    assert!(!listens(page));
    let left: Vec<_> = std::fs::read_dir(scratch.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
#[ignore = "six minutes, and a machine that has nothing else to do"]
fn on_a_cluster_an_experiment_reaches_its_verdict() {
    let scratch = tempfile::tempdir().unwrap();
    let mut demo = Demo::with(scratch.path(), &[]);
    let line = demo.until("verdict");
    assert!(line.contains("Passed"), "{}", demo.said.join("\n"));
    demo.signal(Signal::INT);
    assert!(demo.child.wait().unwrap().success());
}
