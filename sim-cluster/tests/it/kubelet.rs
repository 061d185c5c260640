//! Pods as local processes. Tests wait for what the API tells, never for time.

use std::{collections::BTreeMap, net::Ipv4Addr, path::Path, sync::Arc, time::Duration};

use serde_json::{Value, json};
use sim_cluster::{
    Client, Cluster, ClusterConfig, ListOptions,
    client::{DeleteOptions, EventKind},
    kubelet::{Images, KubeletConfig, Kubelets, NodeSpec, Pace, Ports, Rotation},
};

/// A node whose images are shells, and nothing else of a cluster.
struct Stage {
    client: Client,
    kubelets: Kubelets,
    root: tempfile::TempDir,
}

/// As long as no test may take.
const PATIENCE: Duration = Duration::from_secs(30);

impl Stage {
    fn start(second: Duration) -> Stage {
        #[expect(clippy::disallowed_methods, reason = "processes live in real time")]
        let clock = Arc::new(jiff::Timestamp::now);
        let cluster = Cluster::new(ClusterConfig::new(clock, 7));
        let root = tempfile::tempdir().unwrap();
        let config = KubeletConfig {
            root: root.path().to_owned(),
            images: Images::default().with("shell", "/bin/sh", ["-c"]),
            addresses: Ipv4Addr::new(127, 19, 64, 1)..=Ipv4Addr::new(127, 19, 64, 200),
            api: "127.0.0.1:6443".parse().unwrap(),
            authority: "CA".to_owned(),
            tokens: Some(Arc::new(|namespace, account| {
                Ok(format!("token of {namespace}/{account}"))
            })),
            path: std::env::var("PATH").unwrap(),
            ports: Ports::default(),
            pace: Pace {
                second,
                back_off: second,
                refresh: Duration::from_millis(20),
                ..Pace::default()
            },
            rotation: Rotation::default(),
            is_hollow: false,
        };
        let nodes = [(NodeSpec::named("n1"), Ipv4Addr::new(127, 19, 0, 2))];
        let kubelets = Kubelets::start(&cluster, config, &nodes).unwrap();
        Stage {
            client: cluster.client("system:admin"),
            kubelets,
            root,
        }
    }

    fn run(&self, name: &str, spec: Value) {
        let mut spec = spec;
        spec["nodeName"] = "n1".into();
        let pod = json!({ "metadata": { "name": name, "namespace": "default" }, "spec": spec });
        self.client.create("pods", pod).unwrap();
    }

    /// The pod as soon as it is so.
    async fn until(&self, name: &str, is_so: impl Fn(&Value) -> bool) -> Arc<Value> {
        let mut last = Value::Null;
        let found = async {
            let mut watch = self.client.watch("pods", Some("default"), 0);
            loop {
                let event = watch.next().await.unwrap();
                if event.object["metadata"]["name"] == name && event.kind != EventKind::Deleted {
                    last = (*event.object).clone();
                    if is_so(&event.object) {
                        return event.object;
                    }
                }
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(pod) => pod,
            Err(_) => panic!("{name} stays {}", last["status"]),
        }
    }

    async fn until_gone(&self, name: &str) {
        let mut watch = self.client.watch("pods", Some("default"), 0);
        if self.client.get("pods", "default", name).is_err() {
            return;
        }
        let gone = async {
            loop {
                let event = watch.next().await.unwrap();
                if event.object["metadata"]["name"] == name && event.kind == EventKind::Deleted {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, gone)
            .await
            .expect("the pod stays");
    }

    /// What a container has written, without times.
    fn log(&self, pod: &Value, container: &str, restart: u64) -> String {
        let uid = pod["metadata"]["uid"].as_str().unwrap();
        let name = pod["metadata"]["name"].as_str().unwrap();
        let path = self.root.path().join("nodes/n1/var/log/pods");
        let path = path.join(format!("default_{name}_{uid}/{container}/{restart}.log"));
        let text = std::fs::read_to_string(&path).unwrap();
        text.lines()
            .map(|line| format!("{}\n", line.split_once(' ').unwrap().1))
            .collect()
    }

    /// Reasons of a pod's events, in their order.
    fn events(&self, pod: &str) -> Vec<String> {
        let events = self
            .client
            .list("events", Some("default"), &ListOptions::all())
            .unwrap();
        let mut told: Vec<(String, String)> = events
            .items
            .iter()
            .filter(|event| event["involvedObject"]["name"] == pod)
            .map(|event| {
                let order = event["metadata"]["name"].as_str().unwrap().to_owned();
                (order, event["reason"].as_str().unwrap().to_owned())
            })
            .collect();
        told.sort();
        told.into_iter().map(|(_, reason)| reason).collect()
    }
}

fn shell(script: &str) -> Value {
    json!({ "containers": [{ "name": "main", "image": "shell:1", "args": [script] }] })
}

fn phase(wanted: &'static str) -> impl Fn(&Value) -> bool {
    move |pod| pod["status"]["phase"] == wanted
}

fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready") == "True"
}

fn condition<'a>(pod: &'a Value, kind: &str) -> &'a str {
    let conditions = pod["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == kind)
        .and_then(|condition| condition["status"].as_str())
        .unwrap_or("")
}

#[tokio::test]
async fn a_pod_runs_a_process_and_its_output_is_in_the_log() {
    let stage = Stage::start(Duration::from_secs(1));
    let mut spec = shell("echo hello from $POD_IP on $NODE; echo oops >&2; exit 3");
    spec["restartPolicy"] = "Never".into();
    let field = |path: &str| json!({ "fieldRef": { "fieldPath": path } });
    spec["containers"][0]["env"] = json!([
        { "name": "POD_IP", "valueFrom": field("status.podIP") },
        { "name": "NODE", "valueFrom": field("spec.nodeName") },
    ]);
    stage.run("a", spec);
    let pod = stage.until("a", phase("Failed")).await;
    let status = &pod["status"]["containerStatuses"][0];
    assert_eq!(status["state"]["terminated"]["exitCode"], 3);
    assert_eq!(status["state"]["terminated"]["reason"], "Error");
    let address = pod["status"]["podIP"].as_str().unwrap();
    let mut lines: Vec<String> = stage
        .log(&pod, "main", 0)
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "stderr F oops".to_owned(),
            format!("stdout F hello from {address} on n1")
        ]
    );
    assert_eq!(stage.events("a"), ["Pulled", "Created", "Started"]);
    let links = stage.root.path().join("nodes/n1/var/log/containers");
    let link = std::fs::read_dir(&links).unwrap().next().unwrap().unwrap();
    let named = link.file_name().into_string().unwrap();
    assert!(
        named.starts_with("a_default_main-") && named.ends_with(".log"),
        "{named}"
    );
    assert!(
        std::fs::read_to_string(link.path())
            .unwrap()
            .contains("oops")
    );
    stage.kubelets.stop().await;
}

#[tokio::test]
async fn a_container_that_ends_again_and_again_is_backed_off() {
    let stage = Stage::start(Duration::from_millis(100));
    stage.run("a", shell("echo run; exit 1"));
    let pod = stage
        .until("a", |pod| {
            let status = &pod["status"]["containerStatuses"][0];
            status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
                && status["restartCount"] == 2
        })
        .await;
    let status = &pod["status"]["containerStatuses"][0];
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 1);
    let message = status["state"]["waiting"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("back-off 200ms restarting failed container=main pod=a_default("),
        "{message}"
    );
    assert_eq!(stage.log(&pod, "main", 2), "stdout F run\n");
    assert!(stage.events("a").contains(&"BackOff".to_owned()));
    stage.kubelets.stop().await;
}

#[tokio::test]
async fn a_deleted_pod_has_its_grace_and_then_is_gone_with_all_its_processes() {
    let stage = Stage::start(Duration::from_millis(100));
    let path = stage.root.path().join("left");
    let script = format!(
        "trap 'echo asked; echo asked > {path}; exit 0' TERM; echo ready; while :; do sleep 0.01; done",
        path = path.display()
    );
    stage.run("polite", shell(&script));
    // Both the shell and its child ignore SIGTERM.
    stage.run(
        "stubborn",
        shell("trap '' TERM; sleep 1000 & echo $!; wait"),
    );
    let mut children = BTreeMap::new();
    for name in ["polite", "stubborn"] {
        let pod = stage.until(name, is_ready).await;
        until_said(&stage, &pod).await;
        children.insert(name, stage.log(&pod, "main", 0));
        let options = DeleteOptions {
            grace_period_seconds: Some(2),
            ..DeleteOptions::default()
        };
        stage
            .client
            .delete("pods", "default", name, &options)
            .unwrap();
    }
    for name in ["polite", "stubborn"] {
        stage.until_gone(name).await;
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "asked\n");
    let child = children["stubborn"].trim().rsplit(' ').next().unwrap();
    assert!(!is_running(child), "process {child} is left");
    assert!(stage.events("stubborn").contains(&"Killing".to_owned()));
    stage.kubelets.stop().await;
}

/// Until a container has written its first line.
async fn until_said(stage: &Stage, pod: &Value) {
    let said = async {
        while stage.log(pod, "main", 0).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, said)
        .await
        .expect("nothing is said");
}

fn is_running(process: &str) -> bool {
    // A process that was killed and not yet reaped by its new parent is a zombie.
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| {
        let state = rest.trim_start().chars().next();
        state.is_some_and(|state| state != 'Z')
    })
}

#[tokio::test]
async fn a_cluster_that_stops_leaves_no_process() {
    let stage = Stage::start(Duration::from_secs(1));
    stage.run("a", shell("echo $$; exec sleep 1000"));
    let pod = stage.until("a", is_ready).await;
    until_said(&stage, &pod).await;
    let log = stage.log(&pod, "main", 0);
    stage.kubelets.stop().await;
    let process = log.trim().rsplit(' ').next().unwrap();
    assert!(!is_running(process));
}

#[tokio::test]
async fn init_containers_run_one_after_another_before_the_others() {
    let stage = Stage::start(Duration::from_millis(100));
    let mount = json!([{ "name": "shared", "mountPath": "/shared" }]);
    let container = |name: &str, script: &str| json!({ "name": name, "image": "shell", "args": [script], "volumeMounts": mount });
    let mut side = container("side", "echo side >> /shared/order; exec sleep 1000");
    side["restartPolicy"] = "Always".into();
    // Each waits for what the one before must have done.
    stage.run(
        "a",
        json!({
            "restartPolicy": "Never",
            "volumes": [{ "name": "shared", "emptyDir": {} }],
            "initContainers": [
                container("one", "echo one >> /shared/order"),
                container("two", "echo two >> /shared/order"),
                side,
            ],
            "containers": [container("main", "until grep -q side /shared/order; do :; done; cat /shared/order")],
        }),
    );
    let pod = stage.until("a", phase("Succeeded")).await;
    let expected = "stdout F one\nstdout F two\nstdout F side\n";
    assert_eq!(stage.log(&pod, "main", 0), expected);
    let side = pod["status"]["initContainerStatuses"][2].clone();
    assert_eq!(side["state"]["terminated"]["exitCode"], 143, "{side}");
    stage.kubelets.stop().await;
}

#[tokio::test]
async fn an_image_without_program_is_not_pulled_and_says_what_to_do() {
    let stage = Stage::start(Duration::from_millis(20));
    stage.run(
        "a",
        json!({ "containers": [{ "name": "main", "image": "nginx:1" }] }),
    );
    let reason = |wanted: &'static str| {
        move |pod: &Value| {
            pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == wanted
        }
    };
    let pod = stage.until("a", reason("ImagePullBackOff")).await;
    let message = &pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"];
    let message = message.as_str().unwrap();
    assert!(message.contains("--image nginx:1=COMMAND"), "{message}");
    assert_eq!(pod["status"]["phase"], "Pending");
    stage.kubelets.stop().await;
}

#[tokio::test]
async fn what_a_pod_refers_to_is_waited_for() {
    let stage = Stage::start(Duration::from_millis(20));
    let mut spec = shell(
        "cat /etc/app/greeting; echo; printenv LEVEL; cat /var/run/secrets/kubernetes.io/serviceaccount/token",
    );
    spec["restartPolicy"] = "Never".into();
    spec["volumes"] = json!([{ "name": "config", "configMap": { "name": "app" } }]);
    spec["containers"][0]["volumeMounts"] = json!([{ "name": "config", "mountPath": "/etc/app" }]);
    spec["containers"][0]["env"] = json!([
        { "name": "LEVEL", "valueFrom": { "configMapKeyRef": { "name": "levels", "key": "level" } } },
    ]);
    stage.run("a", spec);
    let map = |name: &str, key: &str, value: &str| {
        let mut data = json!({});
        data[key] = value.into();
        let map = json!({ "metadata": { "name": name, "namespace": "default" }, "data": data });
        stage.client.create("configmaps", map).unwrap();
    };
    let mut watch = stage.client.watch("events", Some("default"), 0);
    while watch.next().await.unwrap().object["reason"] != "FailedMount" {}
    map("app", "greeting", "hello");
    let pod = stage
        .until("a", |pod| {
            let state = &pod["status"]["containerStatuses"][0]["state"];
            state["waiting"]["reason"] == "CreateContainerConfigError"
        })
        .await;
    let message = &pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"];
    assert_eq!(message, "configmap \"levels\" not found");
    map("levels", "level", "debug");
    let pod = stage.until("a", phase("Succeeded")).await;
    assert_eq!(
        stage.log(&pod, "main", 0),
        "stdout F hello\nstdout F debug\nstdout F token of default/default\n"
    );
    stage.kubelets.stop().await;
}

#[tokio::test]
async fn a_changed_config_map_is_seen_by_a_running_container() {
    let stage = Stage::start(Duration::from_secs(1));
    let map = |word: &str| json!({ "metadata": { "name": "app", "namespace": "default" }, "data": { "word": word } });
    stage.client.create("configmaps", map("one")).unwrap();
    let mut spec = shell("until grep -q two /etc/app/word; do sleep 0.01; done");
    spec["restartPolicy"] = "Never".into();
    spec["volumes"] = json!([{ "name": "config", "configMap": { "name": "app" } }]);
    spec["containers"][0]["volumeMounts"] = json!([{ "name": "config", "mountPath": "/etc/app" }]);
    stage.run("a", spec);
    stage.until("a", is_ready).await;
    stage.client.update("configmaps", map("two")).unwrap();
    stage.until("a", phase("Succeeded")).await;
    stage.kubelets.stop().await;
}

#[tokio::test]
async fn probes_decide_when_a_container_is_ready_and_whether_it_lives() {
    let stage = Stage::start(Duration::from_millis(50));
    let root = stage.root.path().join("signals");
    std::fs::create_dir(&root).unwrap();
    let probe = |file: &Path, threshold: u64| {
        json!({ "exec": { "command": ["test", "-e", file] }, "periodSeconds": 1,
            "timeoutSeconds": 100, "failureThreshold": threshold })
    };
    let mut spec = shell("exec sleep 1000");
    let container = &mut spec["containers"][0];
    container["startupProbe"] = probe(&root.join("started"), 100_000);
    container["readinessProbe"] = probe(&root.join("ready"), 1);
    container["livenessProbe"] = probe(&root.join("alive"), 2);
    stage.run("a", spec);
    let status = |pod: &Value| pod["status"]["containerStatuses"][0].clone();
    let running = |pod: &Value| status(pod)["state"]["running"].is_object();
    let pod = stage.until("a", running).await;
    assert_eq!(
        (&status(&pod)["started"], &status(&pod)["ready"]),
        (&json!(false), &json!(false))
    );
    for signal in ["alive", "started"] {
        std::fs::write(root.join(signal), "").unwrap();
    }
    let pod = stage.until("a", |pod| status(pod)["started"] == true).await;
    assert!(!is_ready(&pod));
    std::fs::write(root.join("ready"), "").unwrap();
    stage.until("a", is_ready).await;
    std::fs::remove_file(root.join("ready")).unwrap();
    let is_unready =
        |pod: &Value| condition(pod, "Ready") == "False" && status(pod)["started"] == true;
    stage.until("a", is_unready).await;
    std::fs::remove_file(root.join("alive")).unwrap();
    let pod = stage
        .until("a", |pod| status(pod)["restartCount"] == 1)
        .await;
    assert_eq!(status(&pod)["lastState"]["terminated"]["exitCode"], 143);
    assert!(stage.events("a").contains(&"Unhealthy".to_owned()));
    stage.kubelets.stop().await;
}

#[tokio::test]
async fn a_container_over_its_memory_limit_is_killed() {
    let stage = Stage::start(Duration::from_millis(50));
    let mut spec =
        shell("a=$(head -c 60000000 /dev/zero | tr '\\0' x); echo ${#a}; exec sleep 1000");
    spec["restartPolicy"] = "Never".into();
    spec["containers"][0]["resources"] = json!({ "limits": { "memory": "32Mi" } });
    stage.run("a", spec);
    let pod = stage.until("a", phase("Failed")).await;
    let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(
        (&ended["reason"], &ended["exitCode"]),
        (&json!("OOMKilled"), &json!(137))
    );
    stage.kubelets.stop().await;
}
