//! The simulated cluster with everything that watches it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use sim_cluster::cluster::{Extent, SimCluster, SimConfig};
use sim_cluster::kubelet::HollowPods;
use sim_cluster::{ListOptions, client::Client, object};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::processes::{Memory, Process, monitor};

pub(crate) const PODS: usize = 3;
const NAMESPACE: &str = "bench";
const PATIENCE: Duration = Duration::from_secs(300);
const LINE: &str = r#"{"level":"info","msg":"request served","method":"GET","path":"/things/17","status":200,"duration_ms":12}"#;

pub(crate) struct Bench {
    sim: SimCluster,
    admin: Client,
    hollow: HollowPods,
    operator: Process,
    _others: Vec<Process>,
    _folder: TempDir,
}

impl Bench {
    /// With room for so many workloads.
    pub(crate) async fn start(workloads: usize) -> anyhow::Result<Bench> {
        #[expect(clippy::disallowed_methods, reason = "the only clock of the benchmark")]
        let mut config = SimConfig::new(Extent::Hollow, Arc::new(jiff::Timestamp::now));
        for node in &mut config.nodes {
            node.capacity
                .insert("pods".to_owned(), (workloads * PODS).to_string());
        }
        let sim = SimCluster::start(config).await?;
        let admin = sim.client("system:admin");
        for (_, definition) in crds::files() {
            apply(&admin, &definition)?;
        }
        for name in ["crosswatch", "crosswatch-agents", NAMESPACE] {
            admin.create("namespaces", json!({ "metadata": { "name": name } }))?;
        }
        let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/base");
        for file in ["operator.yaml", "operator-access.yaml", "agent.yaml"] {
            apply(&admin, &fs::read_to_string(manifests.join(file))?)?;
        }
        let folder = tempfile::tempdir()?;
        let (monitor, page, otlp) = monitor(folder.path())?;
        let mut others = vec![monitor];
        let kubeconfig = account(&sim, folder.path(), "crosswatch-agents", "agent")?;
        let nodes: Vec<String> = sim.nodes().map(|(node, _)| node.name.clone()).collect();
        for node in nodes {
            let logs = sim.node_folder(&node).join("var/log/pods");
            fs::create_dir_all(&logs)?;
            let state = folder.path().join(format!("agent-{node}"));
            let arguments = [
                "agent",
                &format!("--monitor=http://{otlp}"),
                &format!("--node={node}"),
                &format!("--logs={}", logs.display()),
                &format!("--state={}", state.display()),
            ];
            let environment = [("KUBECONFIG", kubeconfig.as_str())];
            others.push(Process::start(&arguments, &environment)?);
        }
        let kubeconfig = account(&sim, folder.path(), "crosswatch", "operator")?;
        let (operator, _) = Process::start_until(
            &[
                "operator",
                &format!("--monitor-url=http://{page}"),
                "--listen=127.0.0.1:0",
            ],
            &[("KUBECONFIG", &kubeconfig), ("POD_NAMESPACE", "crosswatch")],
            "watching the cluster",
        )?;
        let hollow = sim.hollow().context("the cluster has nodes")?;
        Ok(Bench {
            sim,
            admin,
            hollow,
            operator,
            _others: others,
            _folder: folder,
        })
    }

    /// Until all their pods run.
    pub(crate) async fn deploy(&self, names: &[String]) -> anyhow::Result<()> {
        for name in names {
            let labels = json!({ "app.kubernetes.io/name": name });
            self.admin.create(
                "deployments.apps",
                json!({
                    "metadata": { "name": name, "namespace": NAMESPACE },
                    "spec": {
                        "replicas": PODS,
                        "selector": { "matchLabels": labels },
                        "template": {
                            "metadata": { "labels": labels },
                            "spec": { "containers": [{ "name": "app", "image": "app:1" }] },
                        },
                    },
                }),
            )?;
        }
        let mut missing: BTreeMap<&str, usize> =
            names.iter().map(|name| (name.as_str(), PODS)).collect();
        let mut counted = BTreeSet::new();
        self.watch("pods", |pod| {
            let name = object::label(pod, "app.kubernetes.io/name").unwrap_or_default();
            if pod["status"]["phase"] == "Running"
                && let Some(left) = missing.get_mut(name)
                && counted.insert(object::uid(pod).to_owned())
            {
                *left -= 1;
                missing.retain(|_, left| *left > 0);
            }
            missing.is_empty()
        })
        .await
    }

    /// Lets one pod of each write its first line; how long each took to be known for it.
    pub(crate) async fn first_lines(&self, names: &[String]) -> anyhow::Result<Vec<Duration>> {
        let pods = self
            .admin
            .list("pods", Some(NAMESPACE), &ListOptions::all())?;
        let mut first: BTreeMap<&str, &str> = BTreeMap::new();
        for pod in &pods.items {
            let name = object::label(pod, "app.kubernetes.io/name").unwrap_or_default();
            first.entry(name).or_insert(object::name(pod));
        }
        let mut spoke = BTreeMap::new();
        for name in names {
            let pod = first
                .get(name.as_str())
                .context("every workload has pods")?;
            self.hollow.write(NAMESPACE, pod, "app", [LINE])?;
            spoke.insert(name.as_str(), Instant::now());
        }
        let mut times = Vec::new();
        self.watch("monitoredapis.crosswatch.dev", |api| {
            let flows = object::condition(api, "LogsFlowing")
                .is_some_and(|condition| condition["status"] == "True");
            if flows && let Some(since) = spoke.remove(object::name(api)) {
                times.push(since.elapsed());
            }
            spoke.is_empty()
        })
        .await?;
        Ok(times)
    }

    /// Every workload writes a line each five seconds until the task is aborted.
    pub(crate) fn go_on_speaking(&self, names: Vec<String>) -> JoinHandle<()> {
        let hollow = self.hollow.clone();
        let pods: Vec<String> = self
            .admin
            .list("pods", Some(NAMESPACE), &ListOptions::all())
            .map(|pods| {
                pods.items
                    .iter()
                    .map(|pod| object::name(pod).to_owned())
                    .collect()
            })
            .unwrap_or_default();
        let pods: Vec<String> = pods.into_iter().step_by(PODS).take(names.len()).collect();
        tokio::spawn(async move {
            let pause = Duration::from_secs(5) / u32::try_from(pods.len().max(1)).unwrap_or(1);
            let mut turn = tokio::time::interval(pause);
            for pod in pods.iter().cycle() {
                turn.tick().await;
                if let Err(error) = hollow.write(NAMESPACE, pod, "app", [LINE]) {
                    anstream::eprintln!("{error}");
                }
            }
        })
    }

    /// Until `done` says so of some object; each is shown as it is and as it becomes.
    async fn watch(
        &self,
        resource: &str,
        mut done: impl FnMut(&Value) -> bool,
    ) -> anyhow::Result<()> {
        let wait = async {
            loop {
                let listing = self
                    .admin
                    .list(resource, Some(NAMESPACE), &ListOptions::all())?;
                if listing.items.iter().any(|item| done(item)) {
                    return Ok(());
                }
                let mut watch =
                    self.admin
                        .watch(resource, Some(NAMESPACE), listing.resource_version);
                // An expired watch is no loss: everything is listed again.
                while let Ok(event) = watch.next().await {
                    if done(&event.object) {
                        return Ok(());
                    }
                }
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(outcome) => outcome,
            Err(_) => bail!("{resource} are not as expected after {PATIENCE:?}"),
        }
    }

    /// Of the operator so far, by what they were for.
    pub(crate) fn requests(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for (request, count) in self.sim.cluster().requests().snapshot() {
            if request.user == "system:serviceaccount:crosswatch:operator" {
                let subresource = match request.subresource.as_str() {
                    "" => String::new(),
                    subresource => format!("/{subresource}"),
                };
                let what = format!("{} {}{subresource}", request.verb, request.resource);
                *counts.entry(what).or_default() += count;
            }
        }
        counts
    }

    /// What the product was forbidden.
    pub(crate) fn refused(&self) -> Vec<String> {
        let counts = self.sim.cluster().requests().snapshot();
        let refused = counts.keys().filter(|request| request.code == 403);
        refused
            .map(|it| format!("{} may not {} {}", it.user, it.verb, it.resource))
            .collect()
    }

    pub(crate) fn operator_memory(&self) -> anyhow::Result<Memory> {
        self.operator.memory()
    }

    pub(crate) async fn stop(self) {
        drop(self.operator);
        drop(self._others);
        self.sim.stop().await;
    }
}

/// A kubeconfig of a service account; where it is.
fn account(sim: &SimCluster, folder: &Path, namespace: &str, name: &str) -> anyhow::Result<String> {
    let token = sim
        .cluster()
        .issue_service_account_token(namespace, name, None)?;
    // A kubeconfig is JSON here, with one user.
    let mut kubeconfig: Value = serde_json::from_str(sim.kubeconfig())?;
    kubeconfig["users"][0]["user"]["token"] = token.into();
    let path = folder.join(format!("{namespace}-{name}.kubeconfig"));
    fs::write(&path, kubeconfig.to_string())?;
    Ok(path
        .to_str()
        .context("a folder whose name is text")?
        .to_owned())
}

/// Creates what a manifest of ours holds, but for what there is already and for workloads: these run
/// beside the cluster here.
fn apply(admin: &Client, manifest: &str) -> anyhow::Result<()> {
    for document in manifest.split("\n---\n") {
        let object: Value = serde_saphyr::from_str(document)?;
        let resource = match object["kind"].as_str().unwrap_or_default() {
            "CustomResourceDefinition" => "customresourcedefinitions.apiextensions.k8s.io",
            "ServiceAccount" => "serviceaccounts",
            "ClusterRole" => "clusterroles.rbac.authorization.k8s.io",
            "ClusterRoleBinding" => "clusterrolebindings.rbac.authorization.k8s.io",
            "Role" => "roles.rbac.authorization.k8s.io",
            "RoleBinding" => "rolebindings.rbac.authorization.k8s.io",
            "Deployment" | "DaemonSet" | "Service" => continue,
            other => bail!("a manifest holds a {other}, for which this has no use"),
        };
        admin.create(resource, object)?;
    }
    Ok(())
}
