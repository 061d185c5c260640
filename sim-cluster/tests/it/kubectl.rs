//! The real kubectl drives a cluster with real processes.
//!
//! Ignored by default, for kubectl may not be there: `cargo test -p sim-cluster -- --ignored kubectl`.

use std::{path::PathBuf, process::Stdio, time::Duration};

use sim_cluster::cluster::{Extent, SimCluster};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
};

use crate::whole;

/// As long as no command may take.
const PATIENCE: Duration = Duration::from_secs(60);

struct Kubectl {
    kubeconfig: PathBuf,
    home: tempfile::TempDir,
}

impl Kubectl {
    fn of(sim: &SimCluster) -> Kubectl {
        Kubectl {
            kubeconfig: sim.kubeconfig_path(),
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn start(&self, line: &str) -> Child {
        Command::new("kubectl")
            .args(line.split_whitespace())
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", self.home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("kubectl is on the path")
    }

    /// Output, or what it complained of.
    async fn try_run(&self, line: &str, input: &str) -> Result<String, String> {
        let mut child = self.start(line);
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output())
            .await
            .unwrap_or_else(|_| panic!("kubectl {line} does not end"))
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }

    async fn run(&self, line: &str, input: &str) -> String {
        let outcome = self.try_run(line, input).await;
        outcome.unwrap_or_else(|complaint| panic!("kubectl {line}: {complaint}"))
    }

    /// Fails unless the output has all these words.
    async fn check(&self, line: &str, words: &[&str]) -> String {
        let output = self.run(line, "").await;
        for word in words {
            assert!(
                output.contains(word),
                "kubectl {line} does not say {word:?}:\n{output}"
            );
        }
        output
    }
}

fn manifest(replicas: u32) -> String {
    whole::web(replicas)
        .iter()
        .map(|object| format!("---\n{object}\n"))
        .collect()
}

#[tokio::test]
#[ignore = "needs kubectl"]
async fn kubectl_runs_a_deployment_from_apply_to_delete() {
    let sim = whole::start(Extent::Full).await;
    let kubectl = Kubectl::of(&sim);
    kubectl
        .check("get nodes", &["NAME", "STATUS", "cloud-a-1", "Ready"])
        .await;

    let applied = kubectl.run("apply -f -", &manifest(2)).await;
    assert!(applied.contains("deployment.apps/web created"), "{applied}");
    kubectl
        .check(
            "rollout status deployment/web",
            &["successfully rolled out"],
        )
        .await;
    kubectl.check("get deployment web", &["READY", "2/2"]).await;
    kubectl
        .check("get pods -o wide", &["Running", "1/1", "127."])
        .await;
    kubectl
        .check("get service web", &["ClusterIP", "8080/TCP"])
        .await;
    kubectl.check("get endpointslices", &["8081"]).await;
    kubectl
        .check(
            "describe deployment web",
            &["2 available", "RollingUpdateStrategy"],
        )
        .await;
    kubectl
        .check(
            "describe pod -l app=web",
            &["Ready", "Started container web", "PodScheduled"],
        )
        .await;
    kubectl
        .check("describe node cloud-a-1", &["InternalIP", "KubeletReady"])
        .await;
    kubectl.check("get events", &["Scheduled", "Started"]).await;

    kubectl.check("logs deployment/web", &["listens on"]).await;
    let mut follower = kubectl.start("logs -f -l app=web --prefix");
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(PATIENCE, async {
        loop {
            let line = lines.next_line().await.unwrap().expect("the log ends");
            if line.contains("listens on") {
                return line;
            }
        }
    });
    line.await.expect("nothing is said");

    kubectl.run("scale deployment/web --replicas=3", "").await;
    kubectl
        .check(
            "rollout status deployment/web",
            &["successfully rolled out"],
        )
        .await;
    let unchanged = kubectl
        .run("apply --server-side --force-conflicts -f -", &manifest(3))
        .await;
    assert!(
        unchanged.contains("deployment.apps/web serverside-applied"),
        "{unchanged}"
    );
    kubectl.check("get deployment web", &["3/3"]).await;
    kubectl.run("rollout restart deployment/web", "").await;
    kubectl
        .check(
            "rollout status deployment/web",
            &["successfully rolled out"],
        )
        .await;

    kubectl
        .run("wait --for=condition=Available deployment/web", "")
        .await;
    kubectl.run("scale deployment/web --replicas=0", "").await;
    kubectl.run("wait --for=delete pod -l app=web", "").await;
    // The pods are gone, so the follower has nothing more to say.
    let ended = tokio::time::timeout(PATIENCE, follower.wait())
        .await
        .expect("the follower stays");
    assert!(ended.unwrap().success());
    kubectl
        .run("delete deployment,service web --wait", "")
        .await;
    let missing = kubectl.try_run("get deployment web", "").await.unwrap_err();
    assert!(
        missing.contains("deployments.apps \"web\" not found"),
        "{missing}"
    );
    sim.stop().await;
}

#[tokio::test]
#[ignore = "needs kubectl"]
async fn kubectl_in_a_pod_acts_as_the_pods_service_account() {
    let sim = whole::start(Extent::Full).await;
    let kubectl = Kubectl::of(&sim);
    let pod = r#"{ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "caller" }, "spec": {
        "restartPolicy": "Never",
        "containers": [{ "name": "main", "image": "shell",
            "args": ["kubectl get secrets"] }] } }"#;
    kubectl.run("apply -f -", pod).await;
    kubectl
        .run("wait --for=jsonpath={.status.phase}=Failed pod/caller", "")
        .await;
    let log = kubectl.run("logs caller", "").await;
    let refusal = "secrets is forbidden: User \"system:serviceaccount:default:default\" cannot";
    assert!(log.contains(refusal), "{log}");
    sim.stop().await;
}
