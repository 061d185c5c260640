//! A whole cluster: a Deployment whose pods are processes, and a Service that leads to them.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use sim_cluster::{
    Client, ListOptions,
    client::Patch,
    cluster::{Extent, SimCluster, SimConfig},
    kubelet::{Images, Pace},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// As long as no test may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program behind the image `web`: this very test binary, which answers with its pod's name.
#[test]
#[ignore = "runs in pods, where LISTEN and POD_NAME are set"]
fn answers_with_the_name_of_its_pod() {
    let (Ok(listen), Ok(pod)) = (std::env::var("LISTEN"), std::env::var("POD_NAME")) else {
        return;
    };
    let socket = TcpListener::bind(listen).unwrap();
    println!("{pod} listens on {}", socket.local_addr().unwrap());
    for caller in socket.incoming() {
        let mut caller = caller.unwrap();
        let mut request = [0; 1024];
        if caller.read(&mut request).unwrap_or(0) > 0 {
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{pod}",
                pod.len()
            );
            caller.write_all(answer.as_bytes()).unwrap();
        }
    }
}

pub(crate) fn images() -> Images {
    let own = std::env::current_exe().unwrap();
    let test = "whole::answers_with_the_name_of_its_pod";
    Images::default()
        .with("web", own, [test, "--exact", "--ignored", "--nocapture"])
        .with("shell", "/bin/sh", ["-c"])
}

pub(crate) async fn start(extent: Extent) -> SimCluster {
    #[expect(clippy::disallowed_methods, reason = "processes live in real time")]
    let clock = Arc::new(jiff::Timestamp::now);
    let mut config = SimConfig::new(extent, clock);
    config.images = images();
    config.path = std::env::var("PATH").unwrap();
    config.pace = Pace {
        second: Duration::from_millis(100),
        ..Pace::default()
    };
    SimCluster::start(config).await.unwrap()
}

pub(crate) fn web(replicas: u32) -> Vec<Value> {
    let field = |name: &str, path: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } });
    vec![
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": "web", "namespace": "default" },
            "spec": { "selector": { "app": "web" }, "ports": [{ "name": "http", "port": 8080, "targetPort": "http" }] },
        }),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "web", "namespace": "default" },
            "spec": {
                "replicas": replicas,
                "selector": { "matchLabels": { "app": "web" } },
                "template": {
                    "metadata": { "labels": { "app": "web" } },
                    "spec": { "containers": [{
                        "name": "web", "image": "web:1",
                        "ports": [{ "name": "http", "containerPort": 8081 }],
                        "env": [field("POD_IP", "status.podIP"), field("POD_NAME", "metadata.name"),
                            { "name": "LISTEN", "value": "$(POD_IP):8081" }],
                        "readinessProbe": { "httpGet": { "path": "/", "port": "http" }, "periodSeconds": 1 },
                    }] },
                },
            },
        }),
    ]
}

/// The object as soon as it is so.
async fn until(
    client: &Client,
    resource: &str,
    name: &str,
    is_so: impl Fn(&Value) -> bool,
) -> Arc<Value> {
    let mut last = Value::Null;
    let found = async {
        let mut watch = client.watch(resource, Some("default"), 0);
        loop {
            let object = watch.next().await.unwrap().object;
            if object["metadata"]["name"]
                .as_str()
                .unwrap_or("")
                .starts_with(name)
            {
                last = (*object).clone();
                if is_so(&object) {
                    return object;
                }
            }
        }
    };
    match tokio::time::timeout(PATIENCE, found).await {
        Ok(object) => object,
        Err(_) => {
            let events = client.list("events", None, &ListOptions::all()).unwrap();
            let told: Vec<String> = events
                .items
                .iter()
                .map(|event| {
                    format!(
                        "{} {} {}",
                        event["involvedObject"]["name"], event["reason"], event["message"]
                    )
                })
                .collect();
            panic!("{resource} {name} stays {last:#}\n{}", told.join("\n"))
        }
    }
}

async fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: web\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.rsplit("\r\n").next().unwrap_or("").to_owned())
}

#[tokio::test]
async fn a_service_leads_to_the_processes_of_its_deployment() {
    let sim = start(Extent::Full).await;
    let client = sim.client("system:admin");
    for object in web(2) {
        let resource = if object["kind"] == "Service" {
            "services"
        } else {
            "deployments.apps"
        };
        client.create(resource, object).unwrap();
    }
    until(&client, "deployments.apps", "web", |web| {
        web["status"]["readyReplicas"] == 2
    })
    .await;
    let ready = |wanted: usize| {
        move |slice: &Value| {
            let endpoints = slice["endpoints"].as_array().into_iter().flatten();
            endpoints
                .filter(|endpoint| endpoint["conditions"]["ready"] == true)
                .count()
                == wanted
        }
    };
    let slices = "endpointslices.discovery.k8s.io";
    until(&client, slices, "web", ready(2)).await;
    let service = client.get("services", "default", "web").unwrap();
    let address: SocketAddr = format!("{}:8080", service["spec"]["clusterIP"].as_str().unwrap())
        .parse()
        .unwrap();

    let mut answered = BTreeSet::new();
    let both = async {
        while answered.len() < 2 {
            if let Ok(pod) = ask(address).await {
                answered.insert(pod);
            }
        }
    };
    tokio::time::timeout(PATIENCE, both)
        .await
        .expect("not all pods answer");
    let pods = client
        .list("pods", Some("default"), &ListOptions::all())
        .unwrap();
    let names: BTreeSet<String> = pods
        .items
        .iter()
        .map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(answered, names);

    // A pod finds it by name.
    let script = "echo to $URL at $WEB_SERVICE_HOST";
    client
        .create(
            "pods",
            json!({ "metadata": { "name": "caller", "namespace": "default" }, "spec": {
                "restartPolicy": "Never",
                "containers": [{ "name": "main", "image": "shell", "args": [script],
                    "env": [{ "name": "URL", "value": "http://web.default.svc:8080/" }] }],
            } }),
        )
        .unwrap();
    let pod = until(&client, "pods", "caller", |pod| {
        pod["status"]["phase"] == "Succeeded"
    })
    .await;
    let node = sim.node_folder(pod["spec"]["nodeName"].as_str().unwrap());
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    let log = node.join(format!("var/log/pods/default_caller_{uid}/main/0.log"));
    let log = std::fs::read_to_string(log).unwrap();
    let expected = format!("stdout F to http://{address}/ at {}\n", address.ip());
    assert!(log.ends_with(&expected), "{log}");

    let patch = Patch::Merge(json!({ "spec": { "replicas": 0 } }));
    client
        .patch("deployments.apps", "default", "web", "", patch)
        .unwrap();
    until(&client, slices, "web", ready(0)).await;
    let refused = async { while ask(address).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, refused)
        .await
        .expect("the service still answers");
    let root = sim.root().to_owned();
    sim.stop().await;
    assert!(!root.exists());
}

#[tokio::test]
async fn two_clusters_live_beside_each_other() {
    let (first, second) = (start(Extent::Full).await, start(Extent::Full).await);
    let addresses = |sim: &SimCluster| -> BTreeSet<String> {
        sim.nodes()
            .map(|(_, address)| address.to_string())
            .collect()
    };
    assert!(addresses(&first).is_disjoint(&addresses(&second)));
    assert_ne!(first.address(), second.address());
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn hollow_pods_run_at_once_and_say_what_is_written_for_them() {
    let sim = start(Extent::Hollow).await;
    let client = sim.client("system:admin");
    for object in web(50) {
        if object["kind"] == "Deployment" {
            client.create("deployments.apps", object).unwrap();
        }
    }
    until(&client, "deployments.apps", "web", |web| {
        web["status"]["readyReplicas"] == 50
    })
    .await;
    let pods = client
        .list("pods", Some("default"), &ListOptions::all())
        .unwrap();
    let addresses: BTreeSet<&str> = pods
        .items
        .iter()
        .map(|pod| pod["status"]["podIP"].as_str().unwrap())
        .collect();
    assert_eq!(addresses.len(), 50);
    let pod = &pods.items[0];
    let name = pod["metadata"]["name"].as_str().unwrap();
    let hollow = sim.hollow().unwrap();
    hollow
        .write("default", name, "web", ["one", "two"])
        .unwrap();
    hollow.write("default", name, "web", ["three"]).unwrap();
    let node = sim.node_folder(pod["spec"]["nodeName"].as_str().unwrap());
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    let log = node.join(format!("var/log/pods/default_{name}_{uid}/web/0.log"));
    let log = std::fs::read_to_string(log).unwrap();
    let said: Vec<&str> = log
        .lines()
        .filter_map(|line| line.rsplit(' ').next())
        .collect();
    assert_eq!(said, ["one", "two", "three"]);
    assert!(hollow.write("default", name, "none", ["x"]).is_err());
    sim.stop().await;
}
