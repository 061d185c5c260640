//! Many at once: everything settles, in a bounded number of writes, and is quiet afterwards.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(clippy::print_stdout, reason = "the writes are worth knowing")]

use std::time::Duration;

use serde_json::{Value, json};
use sim_cluster::object;

use super::{number, template, workload};
use crate::hollow::{Fate, Hollow};

const PODS_EACH: u64 = 3;

#[tokio::test(start_paused = true)]
async fn a_hundred_deployments_settle_in_few_writes_each() {
    settle(100).await;
}

/// `cargo test -p sim-cluster --test it a_thousand -- --ignored --nocapture` prints the writes.
#[tokio::test(start_paused = true)]
#[ignore = "takes a quarter of a minute unoptimised"]
async fn a_thousand_deployments_settle_in_few_writes_each() {
    settle(1_000).await;
}

async fn settle(deployments: u64) {
    let hollow = Hollow::start();
    let beginning = hollow.cluster.revision();
    for at in 0..deployments {
        let name = format!("web-{at}");
        let mut service = json!({
            "metadata": { "name": name, "namespace": "default" },
            "spec": { "ports": [{ "port": 80 }] },
        });
        service["spec"]["selector"] = json!({ "app": name });
        hollow.client.create("services", service).unwrap();
        let spec = json!({ "replicas": PODS_EACH });
        hollow
            .client
            .create("deployments.apps", workload(&name, spec))
            .unwrap();
    }
    // Time stands still while anybody works.
    hollow.rest().await;
    let all = hollow.all("deployments.apps");
    assert!(
        all.iter()
            .all(|it| number(it, "availableReplicas") == PODS_EACH)
    );
    let (settled, addresses) = (hollow.cluster.revision(), ready_addresses(&hollow));
    assert_eq!(addresses, deployments * PODS_EACH);
    hollow.pass(Duration::from_secs(1_800)).await;
    assert_eq!(hollow.cluster.revision(), settled, "written at rest");
    let tally = hollow.stop().await;
    let writes: u64 = tally.values().sum();
    println!(
        "{writes} writes by controllers, {} changes in all: {tally:#?}",
        settled - beginning
    );
    // A ReplicaSet, its pods and their places; statuses as they change; Events about each.
    let each = writes / deployments;
    assert!(each <= 26, "{each} writes for each deployment: {tally:#?}");
}

fn ready_addresses(hollow: &Hollow) -> u64 {
    let slices = hollow.all("endpointslices.discovery.k8s.io");
    let ready = slices
        .iter()
        .flat_map(|slice| object::list(slice, &["endpoints"]))
        .filter(|endpoint| endpoint["conditions"]["ready"] == true);
    ready.count() as u64
}

#[tokio::test(start_paused = true)]
async fn one_of_each_kind_is_quiet_once_it_is_as_wished() {
    let hollow = Hollow::with(&[], |pod| match object::label(pod, "app") {
        Some("done") => Fate::Succeeds,
        _ => Fate::Ready,
    });
    let claim = json!({ "metadata": { "name": "data" }, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } },
    }});
    let mut done = template("done");
    done["spec"]["restartPolicy"] = json!("Never");
    let objects: Vec<(&str, Value)> = vec![
        (
            "deployments.apps",
            workload("web", json!({ "replicas": 3 })),
        ),
        (
            "statefulsets.apps",
            workload(
                "db",
                json!({
                    "replicas": 2, "serviceName": "db", "volumeClaimTemplates": [claim],
                }),
            ),
        ),
        ("daemonsets.apps", workload("agent", json!({}))),
        (
            "jobs.batch",
            json!({
                "metadata": { "name": "done", "namespace": "default" },
                "spec": { "completions": 2, "template": done },
            }),
        ),
        (
            "cronjobs.batch",
            json!({
                "metadata": { "name": "yearly", "namespace": "default" },
                "spec": { "schedule": "0 0 1 1 *", "jobTemplate": { "spec": { "template": done } } },
            }),
        ),
        (
            "services",
            json!({
                "metadata": { "name": "web", "namespace": "default" },
                "spec": { "selector": { "app": "web" }, "ports": [{ "port": 80 }] },
            }),
        ),
        (
            "poddisruptionbudgets.policy",
            json!({
                "metadata": { "name": "web", "namespace": "default" },
                "spec": { "minAvailable": "50%", "selector": { "matchLabels": { "app": "web" } } },
            }),
        ),
        ("namespaces", json!({ "metadata": { "name": "shop" } })),
        (
            "pods",
            json!({
                "metadata": { "name": "nowhere", "namespace": "default" },
                "spec": {
                    "nodeSelector": { "no": "node" },
                    "containers": [{ "name": "main", "image": "shop:1" }],
                },
            }),
        ),
    ];
    for (resource, object) in objects {
        hollow.client.create(resource, object).unwrap();
    }
    hollow.pass(Duration::from_secs(60)).await;
    let pods = hollow.all("pods");
    assert_eq!(pods.len(), 3 + 2 + 3 + 2 + 1);
    let before = hollow.cluster.revision();
    hollow.pass(Duration::from_secs(1_800)).await;
    assert_eq!(hollow.cluster.revision(), before);
    // What is deleted goes without leaving anything to be done either.
    for resource in [
        "deployments.apps",
        "statefulsets.apps",
        "daemonsets.apps",
        "jobs.batch",
    ] {
        for object in hollow.all(resource) {
            let name = object::name(&object);
            hollow
                .client
                .delete(resource, "default", name, &Default::default())
                .unwrap();
        }
    }
    hollow
        .until("pods", "only the one without an owner", |all| {
            all.len() == 1
        })
        .await;
    hollow.rest().await;
    let before = hollow.cluster.revision();
    hollow.pass(Duration::from_secs(600)).await;
    assert_eq!(hollow.cluster.revision(), before);
    hollow.stop().await;
}
