//! The real kubectl, our manifests and our resources, on a simulated cluster.
//!
//! What the simulated API does with kubectl's commands in general is tested beside it; here is what a
//! person types who installs Crosswatch, looks, and takes it away again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::process::crosswatch;

/// Of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Ended by SIGINT when dropped, as a person ends it.
struct Cluster {
    child: Child,
    kubeconfig: String,
    home: tempfile::TempDir,
}

impl Cluster {
    fn start() -> Cluster {
        let mut child = crosswatch()
            .args(["cluster", "--nodes"])
            .arg(root().join("kind-config.yaml"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        out.read_line(&mut line).expect("text");
        let kubeconfig = line
            .trim()
            .strip_prefix("export KUBECONFIG=")
            .expect("a line for a shell");
        Cluster {
            child,
            kubeconfig: kubeconfig.to_owned(),
            home: tempfile::tempdir().expect("a folder"),
        }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new("kubectl");
        command
            .args(line.split_whitespace())
            .current_dir(root())
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", self.home.path());
        command
    }

    /// Its output; an error is the test's.
    #[track_caller]
    fn run(&self, line: &str) -> String {
        let output = self.command(line).output().expect("kubectl is on the path");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {line}: {said}\n{text}");
        text
    }

    /// What it complains of when it refuses what it is given.
    #[track_caller]
    fn refuses(&self, line: &str, input: &str) -> String {
        let mut child = self
            .command(line)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl is on the path");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(input.as_bytes()).expect("it reads");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        assert!(!output.status.success(), "kubectl {line} takes it");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    #[track_caller]
    fn shows(&self, line: &str, words: &[&str]) {
        let text = self.run(line);
        for word in words {
            assert!(
                text.contains(word),
                "kubectl {line} shows no `{word}`:\n{text}"
            );
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // Gone already when it failed, which the test has seen.
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        }
        let _gone = self.child.wait();
    }
}

#[test]
#[ignore = "needs kubectl"]
fn kubectl_installs_looks_and_takes_away() {
    let cluster = Cluster::start();
    cluster.run("apply --server-side -k manifests/overlays/laptop");
    cluster.run("apply --server-side -k manifests/overlays/laptop");
    for workload in ["statefulset/monitor", "deployment/operator"] {
        cluster.run(&format!(
            "-n crosswatch rollout status {workload} --timeout=120s"
        ));
    }
    cluster.run("-n crosswatch-agents rollout status daemonset/agent --timeout=120s");
    cluster.run("-n shop rollout status deployment/orders --timeout=120s");

    // Onboarded by nobody's doing.
    cluster.run("-n shop wait mapi/orders --for=create --timeout=120s");
    cluster.run("-n shop wait mapi/orders --for=condition=LogsFlowing --timeout=120s");
    cluster.run("-n shop wait mapi/orders --for=condition=Ready --timeout=120s");
    cluster.shows(
        "get mapi -A",
        &["READY", "ENV", "STATE", "P99", "ERR%", "cloud-a"],
    );
    // After a `get`, which looks at what there is anew; `explain` believes its cache.
    cluster.shows(
        "explain mapi.spec.detection",
        &[
            "falseAlarmsPerWeek",
            "How readily something is called an anomaly",
        ],
    );
    cluster.shows(
        "-n shop get mapi orders -o wide",
        &["BASELINE", "REASON", "LAST LOG"],
    );
    cluster.shows(
        "-n shop describe mapi orders",
        &["node label crosswatch.dev/env", "LogsSeen", "ApiDiscovered"],
    );
    cluster.shows("get crosswatch -A", &["monitoredapi.crosswatch.dev/orders"]);

    // What people do with workloads.
    cluster.run("-n shop scale deployment/web --replicas=3");
    cluster.run("-n shop rollout status deployment/web --timeout=120s");
    cluster.run("-n shop wait mapi/web --for=jsonpath={.status.pods.total}=3 --timeout=120s");
    let mut logs = cluster
        .command("-n shop logs -f deployment/orders --tail=1")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("kubectl is on the path");
    let mut lines = BufReader::new(logs.stdout.take().expect("piped")).lines();
    for _ in 0..3 {
        let line = lines.next().expect("it goes on").expect("text");
        assert!(line.contains("orders"), "{line}");
    }
    logs.kill().expect("it runs");
    logs.wait().expect("it ends");

    // A person's settings, and what the schema says of wrong ones.
    cluster.run("-n shop patch mapi orders --type=merge -p {\"spec\":{\"paused\":true}}");
    cluster.run("-n shop wait mapi/orders --for=jsonpath={.status.state}=paused --timeout=120s");
    let wrong = "apiVersion: crosswatch.dev/v1alpha1\n\
                 kind: MonitoredApi\n\
                 metadata: { name: wrong, namespace: shop }\n\
                 spec: { workloadRef: { kind: Deployment, name: web }, excludePaths: [healthz] }\n";
    let said = cluster.refuses("apply -f -", wrong);
    assert!(said.contains("a path begins with `/` or `*`"), "{said}");
    let said = cluster.refuses("-n mesh apply -f chaos/no-such-file.yaml", "");
    assert!(said.contains("does not exist"), "{said}");

    // An experiment, by hand, and changed one's mind: its fault goes with it.
    cluster.run("-n mesh apply -f chaos/ledger-database-slow.yaml");
    cluster.run(
        "-n mesh wait chaos/ledger-database-slow --for=jsonpath={.status.phase}=Running --timeout=120s",
    );
    cluster.run("-n mesh delete chaos ledger-database-slow --timeout=60s");

    // A workload's resource goes with it, and all of it with its manifests.
    cluster.run("-n shop delete deployment web --timeout=60s");
    cluster.run("-n shop wait mapi/web --for=delete --timeout=60s");
    cluster.run("delete -k manifests/overlays/laptop --ignore-not-found --timeout=120s");
    assert_eq!(cluster.run("get crd -o name"), "");
}
