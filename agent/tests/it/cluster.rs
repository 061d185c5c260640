//! An agent and an API server: whose logs are whose, with the rights that the agent's role has.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use agent::explain::{self, ExplainOptions};
use agent::run::{Running, start};
use expect_test::expect;
use futures::StreamExt as _;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use sim_cluster::access::User;
use sim_cluster::client::Patch;
use sim_cluster::faults::{Effect, Rule};
use sim_cluster::http::{ApiServer, HttpConfig, LogOptions, LogStream, Logs};
use sim_cluster::status::Status;
use sim_cluster::{Cluster, ClusterConfig};
use tokio_util::sync::CancellationToken;

use crate::deliver::{arguments, metric, until};
use crate::node::Node;
use crate::receiver::{Mood, Receiver};

const ACCOUNT: &str = "system:serviceaccount:crosswatch:crosswatch-agent";

struct World {
    cluster: Cluster,
    server: ApiServer,
    stop: CancellationToken,
}

impl World {
    /// A cluster with one node, the agent's account and its rights.
    async fn new() -> World {
        let start: jiff::Timestamp = "2026-11-21T18:00:00Z".parse().expect("a time");
        let cluster = Cluster::new(ClusterConfig::new(Arc::new(move || start), 7));
        let stop = CancellationToken::new();
        let config = HttpConfig {
            tls: false,
            ..HttpConfig::default()
        };
        let server = ApiServer::start(cluster.clone(), config, stop.clone());
        let world = World {
            server: server.await.expect("an API server"),
            cluster,
            stop,
        };
        let name = |name: &str| json!({ "name": name });
        world.create("namespaces", json!({ "metadata": name("crosswatch") }));
        world.create("namespaces", json!({ "metadata": name("shop") }));
        world.create(
            "serviceaccounts",
            json!({ "metadata": { "name": "crosswatch-agent", "namespace": "crosswatch" } }),
        );
        // What the manifests allow, and what they do not, because it is for `--from-api` only.
        let mut rules = manifest_rules();
        rules.push(json!({ "apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"] }));
        world.create(
            "clusterroles.rbac.authorization.k8s.io",
            json!({
                "metadata": name("crosswatch-agent"),
                "rules": rules,
            }),
        );
        world.create(
            "clusterrolebindings.rbac.authorization.k8s.io",
            json!({
                "metadata": name("crosswatch-agent"),
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "ClusterRole",
                    "name": "crosswatch-agent",
                },
                "subjects": [{
                    "kind": "ServiceAccount",
                    "name": "crosswatch-agent",
                    "namespace": "crosswatch",
                }],
            }),
        );
        world.create(
            "nodes",
            json!({
                "metadata": {
                    "name": "worker-1",
                    "labels": { "topology.kubernetes.io/region": "eu-west-1" },
                },
                "spec": { "providerID": "aws:///eu-west-1a/i-0abc" },
            }),
        );
        world
    }

    fn create(&self, resource: &str, object: Value) -> Arc<Value> {
        let made = self.cluster.client("system:admin").create(resource, object);
        made.expect("it is created")
    }

    /// A Deployment's pod on the node; its uid.
    fn pod(&self, name: &str, annotations: Value) -> String {
        let made = self.create(
            "pods",
            json!({
                "metadata": {
                    "name": format!("{name}-7d4b9c6f5-x2x9k"),
                    "namespace": "shop",
                    "labels": { "pod-template-hash": "7d4b9c6f5" },
                    "annotations": annotations,
                    "ownerReferences": [{
                        "apiVersion": "apps/v1",
                        "kind": "ReplicaSet",
                        "name": format!("{name}-7d4b9c6f5"),
                        "uid": "1",
                        "controller": true,
                    }],
                },
                "spec": {
                    "nodeName": "worker-1",
                    "containers": [{ "name": "web", "image": format!("{name}:1.4") }],
                },
            }),
        );
        made["metadata"]["uid"].as_str().expect("a uid").to_owned()
    }

    fn runs(&self, name: &str) {
        let status = json!({ "status": {
            "phase": "Running",
            "containerStatuses": [{
                "name": "web",
                "image": "x",
                "imageID": "x",
                "ready": true,
                "restartCount": 0,
                "containerID": "containerd://c0ffee",
            }],
        } });
        let admin = self.cluster.client("system:admin");
        let pod = format!("{name}-7d4b9c6f5-x2x9k");
        let patched = admin.patch("pods", "shop", &pod, "status", Patch::Merge(status));
        patched.expect("a status");
    }

    fn deployment(&self, name: &str, annotations: Value) {
        self.create(
            "deployments.apps",
            json!({
                "metadata": { "name": name, "namespace": "shop", "annotations": annotations },
                "spec": {
                    "selector": { "matchLabels": { "app": name } },
                    "template": {
                        "metadata": { "labels": { "app": name } },
                        "spec": { "containers": [{ "name": "web", "image": "x" }] },
                    },
                },
            }),
        );
    }

    async fn client(&self) -> anyhow::Result<Client> {
        let account = ("crosswatch", "crosswatch-agent");
        let token = self
            .cluster
            .issue_service_account_token(account.0, account.1, None);
        self.client_with(&token.expect("the account exists")).await
    }

    async fn client_with(&self, token: &str) -> anyhow::Result<Client> {
        let kubeconfig = Kubeconfig::from_yaml(&self.server.kubeconfig(token))?;
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await?;
        Ok(Client::try_from(config)?)
    }

    async fn agent(&self, node: &Node, receiver: &Receiver, more: &[&str]) -> Running {
        let mut words = vec!["--node=worker-1"];
        words.extend_from_slice(more);
        let args = arguments(node.root(), receiver, None, &words);
        let running = start(args, async || self.client().await).await;
        running.expect("an agent")
    }

    async fn end(self) {
        self.stop.cancel();
        self.server.stopped().await;
    }
}

/// Of the agent's ClusterRole.
fn manifest_rules() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/base/agent.yaml");
    let text = std::fs::read_to_string(path).expect("the manifest");
    let mut documents = text
        .split("\n---\n")
        .map(|document| serde_saphyr::from_str::<Value>(document).expect("a manifest is YAML"));
    let role = documents.find(|document| document["kind"] == "ClusterRole");
    role.expect("a role")["rules"]
        .as_array()
        .expect("rules")
        .clone()
}

fn folder(root: &Path, pod: &str, uid: &str) -> std::path::PathBuf {
    let folder = root.join(format!("shop_{pod}-7d4b9c6f5-x2x9k_{uid}/web"));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn log(root: &Path, pod: &str, uid: &str, text: &str) {
    let line = format!("2026-11-21T18:00:00Z stdout F {text}\n");
    std::fs::write(folder(root, pod, uid).join("0.log"), line).expect("a log");
}

#[tokio::test]
async fn records_carry_what_the_cluster_knows() {
    let world = World::new().await;
    let (node, receiver) = (Node::new(), Receiver::start(Mood::Takes).await);
    let annotation = json!({ "crosswatch.dev/env": "cloud-a" });
    world.deployment("cart", annotation);
    let running = world
        .agent(&node, &receiver, &["--metadata-wait-ms=30000"])
        .await;
    let uid = world.pod("cart", json!({ "crosswatch.dev/tier": "high" }));
    log(node.root(), "cart", &uid, "hello");
    receiver.taken(1).await;
    let record = receiver.records().remove(0);
    let wanted = [
        "service.name",
        "service.namespace",
        "service.version",
        "service.criticality",
        "crosswatch.environment",
        "crosswatch.environment.kind",
        "cloud.provider",
        "k8s.deployment.name",
        "k8s.node.name",
    ];
    let found: Vec<&str> = wanted.iter().map(|key| &*record.resource[*key]).collect();
    assert_eq!(
        found,
        [
            "cart", "shop", "1.4", "high", "cloud-a", "cloud", "aws", "cart", "worker-1"
        ]
    );
    assert!(record.resource.contains_key("k8s.cluster.uid"));
    assert!(!record.resource.contains_key("crosswatch.metadata"));
    running.stop().await.unwrap();
    world.end().await;
}

#[tokio::test]
async fn who_opts_out_on_pod_workload_or_namespace_is_not_read() {
    let world = World::new().await;
    let (node, receiver) = (Node::new(), Receiver::start(Mood::Takes).await);
    let off = || json!({ "crosswatch.dev/enabled": "false" });
    world.deployment("quiet", off());
    let running = world
        .agent(&node, &receiver, &["--metadata-wait-ms=30000"])
        .await;
    for (name, annotations) in [("out", off()), ("quiet", json!({})), ("loud", json!({}))] {
        let uid = world.pod(name, annotations);
        log(node.root(), name, &uid, name);
    }
    let skipped = "crosswatch_agent_skipped_bytes_total";
    until(|| metric(&running, skipped) >= 60.0).await;
    receiver.taken(1).await;
    running.stop().await.unwrap();
    assert_eq!(receiver.texts(), ["loud"]);
    world.end().await;
}

#[tokio::test]
async fn an_api_server_in_trouble_costs_only_metadata() {
    let world = World::new().await;
    world
        .cluster
        .put_faults(vec![Rule::new(Effect::InternalError)]);
    let (node, receiver) = (Node::new(), Receiver::start(Mood::Takes).await);
    let running = world
        .agent(&node, &receiver, &["--metadata-wait-ms=100"])
        .await;
    log(node.root(), "cart", "uid-1", "one");
    receiver.taken(1).await;
    let resource = receiver.records().remove(0).resource;
    assert_eq!(resource["service.name"], "cart");
    assert_eq!(resource["crosswatch.metadata"], "path");
    // It recovers, and so does the agent.
    world.cluster.put_faults(Vec::new());
    let uid = world.pod("pay", json!({}));
    until(|| metric(&running, "crosswatch_agent_pods") == 1.0).await;
    until(|| metric(&running, "crosswatch_agent_cluster_synced") == 1.0).await;
    log(node.root(), "pay", &uid, "two");
    receiver.taken(2).await;
    let resource = receiver.records().remove(1).resource;
    assert_eq!(resource["service.version"], "1.4");
    assert_eq!(resource["crosswatch.environment"], "aws-eu-west-1");
    running.stop().await.unwrap();
    world.end().await;
}

#[tokio::test]
async fn at_rest_the_agent_asks_nothing() {
    let world = World::new().await;
    let (node, receiver) = (Node::new(), Receiver::start(Mood::Takes).await);
    for n in 0..20 {
        world.deployment(&format!("app-{n}"), json!({}));
        world.pod(&format!("app-{n}"), json!({}));
    }
    let running = world.agent(&node, &receiver, &[]).await;
    let asked = || {
        let requests = world.cluster.requests();
        requests.total(|request| request.user == ACCOUNT)
    };
    // Three lists, three watches, and each workload once.
    until(|| asked() >= 26).await;
    until(|| metric(&running, "crosswatch_agent_pods") == 20.0).await;
    running.stop().await.unwrap();
    assert_eq!(asked(), 26);
    world.end().await;
}

#[tokio::test]
async fn every_permission_of_the_manifest_is_used() {
    let world = World::new().await;
    let (node, receiver) = (Node::new(), Receiver::start(Mood::Takes).await);
    let owners = [
        (
            "apps/v1",
            "ReplicaSet",
            "cart-7d4b9c6f5",
            json!({ "pod-template-hash": "7d4b9c6f5" }),
        ),
        ("apps/v1", "ReplicaSet", "alone", json!({})),
        ("apps/v1", "StatefulSet", "ledger", json!({})),
        ("apps/v1", "DaemonSet", "proxy", json!({})),
        ("batch/v1", "Job", "import", json!({})),
        ("batch/v1", "Job", "nightly-29391840", json!({})),
    ];
    for (version, kind, owner, labels) in owners {
        world.create(
            "pods",
            json!({
                "metadata": {
                    "name": format!("{owner}-x2x9k"),
                    "namespace": "shop",
                    "labels": labels,
                    "ownerReferences": [{
                        "apiVersion": version,
                        "kind": kind,
                        "name": owner,
                        "uid": owner,
                        "controller": true,
                    }],
                },
                "spec": {
                    "nodeName": "worker-1",
                    "containers": [{ "name": "web", "image": "web:1" }],
                },
            }),
        );
    }
    let running = world.agent(&node, &receiver, &[]).await;
    let used = || -> BTreeSet<String> {
        let requests = world.cluster.requests().snapshot();
        let own = requests.keys().filter(|request| request.user == ACCOUNT);
        own.map(|it| format!("{} {} {}", it.group, it.resource, it.verb))
            .collect()
    };
    let mut granted = BTreeSet::new();
    for rule in manifest_rules() {
        let texts = |key: &str| -> Vec<String> {
            let list = rule[key].as_array().expect("a list");
            list.iter()
                .map(|it| it.as_str().expect("a text").to_owned())
                .collect()
        };
        for group in texts("apiGroups") {
            for resource in texts("resources") {
                granted.extend(
                    texts("verbs")
                        .iter()
                        .map(|verb| format!("{group} {resource} {verb}")),
                );
            }
        }
    }
    until(|| used().is_superset(&granted)).await;
    running.stop().await.unwrap();
    assert_eq!(used(), granted);
    world.end().await;
}

/// Logs that are said in pieces.
#[derive(Clone, Default)]
struct Said {
    lines: Arc<Mutex<Vec<(jiff::Timestamp, String)>>>,
    asked: Arc<Mutex<Vec<LogOptions>>>,
}

impl Said {
    fn say(&self, at: &str, text: &str) {
        let line = (at.parse().expect("a time"), text.to_owned());
        self.lines.lock().expect("no panic").push(line);
    }
}

impl Logs for Said {
    fn open(&self, _: &Arc<Value>, options: &LogOptions) -> Result<LogStream, Status> {
        self.asked.lock().expect("no panic").push(options.clone());
        let lines = self.lines.lock().expect("no panic");
        // As the kubelet does: from the whole second on.
        let since = options
            .since_time
            .map_or(i64::MIN, jiff::Timestamp::as_second);
        let text: String = lines
            .iter()
            .filter(|(time, _)| time.as_second() >= since)
            .map(|(time, text)| format!("{time} {text}\n"))
            .collect();
        Ok(futures::stream::iter([bytes::Bytes::from(text)]).boxed())
    }
}

#[tokio::test]
async fn through_the_api_a_stream_that_breaks_is_resumed_without_repeating() {
    let world = World::new().await;
    let said = Said::default();
    world.cluster.answer_logs_with(Arc::new(said.clone()));
    said.say("2026-11-21T18:00:00.1Z", "one");
    said.say("2026-11-21T18:00:00.1Z", "two");
    let (node, receiver) = (Node::new(), Receiver::start(Mood::Takes).await);
    let state = tempfile::tempdir().unwrap();
    let flag = format!("--state={}", state.path().display());
    let flags = ["--from-api", "--metadata-wait-ms=30000", &flag];
    let running = world.agent(&node, &receiver, &flags).await;
    world.pod("cart", json!({}));
    world.runs("cart");
    receiver.taken(2).await;
    said.say("2026-11-21T18:00:00.1Z", "three");
    said.say("2026-11-21T18:00:02Z", "four");
    receiver.taken(4).await;
    running.stop().await.unwrap();
    said.say("2026-11-21T18:00:02Z", "five");
    let running = world.agent(&node, &receiver, &flags).await;
    receiver.taken(5).await;
    running.stop().await.unwrap();
    assert_eq!(receiver.texts(), ["one", "two", "three", "four", "five"]);
    assert_eq!(receiver.records()[4].resource["service.name"], "cart");
    let asked = said.asked.lock().unwrap().clone();
    assert!(asked.iter().all(|it| it.follow && it.timestamps));
    world.end().await;
}

#[tokio::test]
async fn a_pod_is_explained() {
    let world = World::new().await;
    let namespaced = json!({ "crosswatch.dev/owner": "team-basket" });
    world.deployment("cart", namespaced);
    world.pod("cart", json!({ "fluentbit.io/exclude": "true" }));
    let token = world.cluster.issue_token(User::admin());
    let client = world.client_with(&token).await.unwrap();
    let options = ExplainOptions::default();
    let text = explain::pod(&client, "shop", "cart-7d4b9c6f5-x2x9k", &options)
        .await
        .unwrap();
    expect![[r#"
        pod shop/cart-7d4b9c6f5-x2x9k is not watched: the pod is excluded from Fluent Bit's log collection, and that holds here too unless crosswatch.dev/enabled=true on the pod or its workload says otherwise.
        It belongs to Deployment/cart through ReplicaSet/cart-7d4b9c6f5.

        Decision (the first that says anything decides)
          crosswatch.dev/enabled on the pod               not set
          crosswatch.dev/enabled on the workload          not set
        > the pod excludes itself from other collectors   pod annotation fluentbit.io/exclude=`true`

        Identity
          service.name           cart                             Deployment metadata.name
          service.namespace      shop                             pod metadata.namespace
          service.version        1.4                              container image
          service.instance.id    shop.cart-7d4b9c6f5-x2x9k.web    namespace.pod.container

        Environment
          name                   aws-eu-west-1                    node label topology.kubernetes.io/region
          kind                   cloud                            node spec.providerID
          provider               aws                              node spec.providerID
          region                 eu-west-1                        node label topology.kubernetes.io/region

        Wishes
          owner                  team-basket                      Deployment annotation crosswatch.dev/owner

        The operator
          Crosswatch's resources are not installed in this cluster: kubectl apply -f crds/
    "#]].assert_eq(&text);
    let missing = explain::pod(&client, "shop", "nobody", &options)
        .await
        .unwrap_err();
    assert_eq!(
        missing.to_string(),
        "there is no pod `nobody` in namespace `shop` (-n NAMESPACE chooses another)"
    );
    world.end().await;
}
