//! The simulated platform as real processes: a control and two replicas of what pods would run.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use crate::process::crosswatch;

const TOPOLOGY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../sim-services/tests/it/mesh/small.yaml"
);

/// Killed when dropped.
struct Process(Child);

impl Process {
    fn start(part: &str, arguments: &[&str]) -> Process {
        let child = crosswatch()
            .args(["sim", part, "--topology", TOPOLOGY])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Process(child.unwrap())
    }

    fn replica(service: &str, control: SocketAddr, more: &[&str]) -> Process {
        let (pod, control) = (format!("{service}-x"), format!("http://{control}"));
        let mut arguments = vec!["--service", service, "--pod", &pod];
        arguments.extend(["--listen", "127.0.0.1:0", "--control", &control]);
        arguments.extend(["--linger", "0s"]);
        arguments.extend(more);
        Process::start("replica", &arguments)
    }

    /// What it said on standard output, and how it ended by itself.
    fn end(mut self) -> (String, Option<i32>) {
        let mut said = String::new();
        let mut out = self.0.stdout.take().unwrap();
        out.read_to_string(&mut said).unwrap();
        (said, self.0.wait().unwrap().code())
    }

    fn stop(self) -> (String, Option<i32>) {
        rustix::process::kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        self.end()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone when all went well.
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

struct Control {
    process: Process,
    address: SocketAddr,
    runtime: tokio::runtime::Runtime,
}

impl Control {
    fn start() -> Control {
        let mut process = Process::start("control", &["--listen", "127.0.0.1:0"]);
        let mut said = BufReader::new(process.0.stderr.take().unwrap()).lines();
        let line = said.next().unwrap().unwrap();
        let address = line.split("http://").nth(1).unwrap();
        let address = address.trim_end_matches('/').parse().unwrap();
        // Reads on, so that it never blocks on what it says.
        std::thread::spawn(move || said.for_each(drop));
        Control {
            process,
            address,
            runtime: tokio::runtime::Runtime::new().unwrap(),
        }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        self.runtime.block_on(async {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let url = format!("http://{}/{path}", self.address);
            let request = client.request(method.parse().unwrap(), url);
            let answer = request.body(body.to_owned()).send().await.unwrap();
            answer.json().await.unwrap()
        })
    }

    /// Where a replica serves, once it has told.
    fn address_of(&self, service: &str) -> SocketAddr {
        loop {
            let state = self.ask("GET", "state", "");
            let replica = &state["services"][service]["replicas"][0];
            if let (Some("running"), Some(address)) =
                (replica["phase"].as_str(), replica["address"].as_str())
            {
                return address.parse().unwrap();
            }
            std::thread::yield_now();
        }
    }
}

#[test]
fn replicas_are_processes_that_find_each_other_obey_and_end_as_pods_should() {
    let control = Control::start();
    let books = Process::replica("books", control.address, &[]);
    let events = Process::replica("events", control.address, &[]);
    let books_at = format!("books=http://{}", control.address_of("books"));
    let events_at = format!("events=http://{}", control.address_of("events"));
    let peers = ["--peer", &books_at, "--peer", &events_at];
    let front = Process::replica("front", control.address, &peers);
    let entry = control.address_of("front");
    let thing = control.runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(format!("http://{entry}/things/7")).send().await;
        answer.unwrap().status().as_u16()
    });
    assert_eq!(thing, 200);
    let leak = json!({
        "kind": "ChaosExperiment",
        "metadata": { "name": "leak" },
        "spec": { "duration": "1h", "faults": [{
            "kind": "memory-leak",
            "target": { "service": "books" },
            "parameters": { "mbPerSecond": 5000.0 },
        }] },
    });
    let number = control.ask("POST", "experiments", &leak.to_string())["number"].clone();
    let (said, code) = books.end();
    assert_eq!(code, Some(137), "{said}");
    assert!(said.contains("grpc.service=things.Books"), "{said}");
    control.ask("DELETE", &format!("experiments/{number}"), "");
    let over = control.ask("GET", &format!("experiments/{number}"), "");
    assert_eq!(
        (&over["phase"], &over["acted"]["yes"]),
        (&json!("over"), &json!(true)),
        "{over}"
    );
    let (said, code) = front.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("GET /things/7"), "{said}");
    assert_eq!(events.stop().1, Some(0));
    assert_eq!(control.process.stop().1, Some(0));
}
