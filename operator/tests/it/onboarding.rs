//! From pods to resources.

use crds::MonitoredApi;
use expect_test::expect;
use k8s_openapi::api::apps::v1::{DaemonSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::api::Patch;
use monitor_api::ApiState;
use serde_json::json;

use crate::monitor::view;
use crate::play::owner;
use crate::world::{World, eventually};

pub(crate) fn holds(api: &MonitoredApi, type_: &str) -> bool {
    condition(api, type_).is_some_and(|it| it.0 == "True")
}

/// Its status and reason.
pub(crate) fn condition(api: &MonitoredApi, type_: &str) -> Option<(String, String)> {
    let status = api.status.as_ref()?;
    let condition = status.conditions.iter().find(|it| it.type_ == type_)?;
    Some((condition.status.clone(), condition.reason.clone()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workload_becomes_a_monitored_api_and_its_logs_flow() {
    let world = World::new().await;
    let operator = world.operator().await;
    world.deployment("cart", 2).await;
    let api: MonitoredApi = world.until("cart", |api| holds(api, "Discovered")).await;
    let owner = &api.metadata.owner_references.as_ref().unwrap()[0];
    assert_eq!((&*owner.kind, &*owner.name), ("Deployment", "cart"));
    assert_eq!(
        api.metadata.labels.as_ref().unwrap()["crosswatch.dev/managed"],
        "auto"
    );
    assert!(!holds(&api, "LogsFlowing"));

    let mut seen = view(&world.namespace, "cart");
    world.monitor.see(seen.clone());
    let api: MonitoredApi = world.until("cart", |api| holds(api, "LogsFlowing")).await;
    let status = api.status.unwrap();
    assert_eq!(status.state.as_deref(), Some("learning"));
    assert_eq!(status.p99.as_deref(), Some("180ms"));
    assert_eq!(status.error_percent.as_deref(), Some("0.4"));
    assert_eq!(status.log_format.as_deref(), Some("json"));

    seen.state = ApiState::Anomalous;
    seen.reason = "p99 is 2.1 s, 0.2 s is usual".to_owned();
    seen.score = 1.8;
    world.monitor.see(seen.clone());
    let api: MonitoredApi = world.until("cart", |api| holds(api, "Anomalous")).await;
    assert_eq!(
        api.status.unwrap().reason.as_deref(),
        Some("p99 is 2.1 s, 0.2 s is usual")
    );
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_opts_out_is_left_out_and_taken_out() {
    let world = World::new().await;
    let operator = world.operator().await;
    let off = json!({ "crosswatch.dev/enabled": "false" });
    let quiet = world.bare_deployment("quiet", 1, off.clone()).await;
    world.pod_of(&quiet, "a", json!({})).await;
    world.deployment("loud", 1).await;
    let all = eventually(world.api::<MonitoredApi>(), |all| !all.is_empty()).await;
    assert_eq!(all[0].metadata.name.as_deref(), Some("loud"));

    let patch = json!({ "metadata": { "annotations": off } });
    let _: k8s_openapi::api::apps::v1::Deployment = world.merge("loud", patch).await;
    eventually(world.api::<MonitoredApi>(), |all| all.is_empty()).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_workload_gets_one_and_owns_it() {
    let world = World::new().await;
    let operator = world.operator().await;
    let template = |name: &str| {
        json!({
            "metadata": { "labels": { "app": name } },
            "spec": { "containers": [{ "name": "app", "image": "app:1" }] },
        })
    };
    let selector = |name: &str| json!({ "matchLabels": { "app": name } });
    let set: StatefulSet = world
        .create(json!({ "metadata": { "name": "cart" }, "spec": {
            "serviceName": "cart", "selector": selector("cart"), "template": template("cart") } }))
        .await;
    let daemon: DaemonSet = world
        .create(json!({ "metadata": { "name": "shipper" }, "spec": {
            "selector": selector("shipper"), "template": template("shipper") } }))
        .await;
    let mut job = template("report");
    job["spec"]["restartPolicy"] = json!("Never");
    let cron: CronJob = world
        .create(json!({ "metadata": { "name": "nightly" }, "spec": {
            "schedule": "0 2 * * *", "jobTemplate": { "spec": { "template": job } } } }))
        .await;
    let cron_uid = cron.metadata.uid.clone().unwrap();
    let run: Job = world
        .create(json!({
            "metadata": {
                "name": "nightly-29382910",
                "ownerReferences": [owner("batch/v1", "CronJob", "nightly", &cron_uid)],
            },
            "spec": { "template": job },
        }))
        .await;
    let once: Job = world
        .create(json!({ "metadata": { "name": "report" }, "spec": { "template": job } }))
        .await;
    // A Deployment of the same name as the StatefulSet.
    world.deployment("cart", 1).await;
    let uid = |uid: Option<String>| uid.unwrap();
    for (pod, owned_by) in [
        (
            "cart-0",
            owner("apps/v1", "StatefulSet", "cart", &uid(set.metadata.uid)),
        ),
        (
            "shipper-x",
            owner("apps/v1", "DaemonSet", "shipper", &uid(daemon.metadata.uid)),
        ),
        (
            "nightly-29382910-x",
            owner(
                "batch/v1",
                "Job",
                "nightly-29382910",
                &uid(run.metadata.uid),
            ),
        ),
        (
            "report-x",
            owner("batch/v1", "Job", "report", &uid(once.metadata.uid)),
        ),
    ] {
        world.pod(pod, json!({}), Some(owned_by), json!({})).await;
    }
    world.pod("alone", json!({}), None, json!({})).await;

    let all = eventually(world.api::<MonitoredApi>(), |all: &[MonitoredApi]| {
        all.len() == 6 && all.iter().all(|api| holds(api, "Discovered"))
    });
    let mut owners: Vec<String> = (all.await.iter())
        .map(|api| {
            let owner = &api.metadata.owner_references.as_ref().unwrap()[0];
            format!("{} {}", owner.kind, owner.name)
        })
        .collect();
    owners.sort();
    expect![[r#"
        [
            "CronJob nightly",
            "DaemonSet shipper",
            "Deployment cart",
            "Job report",
            "Pod alone",
            "StatefulSet cart",
        ]
    "#]]
    .assert_debug_eq(&owners);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_follows_from_node_and_namespace() {
    let world = World::new().await;
    // Those of a real cluster are not the test's to make.
    if world.simulated_only("nodes of the test's own").is_none() {
        return;
    }
    let nodes: kube::Api<Node> = kube::Api::all(world.client.clone());
    let node = json!({
        "metadata": { "name": "n1", "labels": { "crosswatch.dev/env": "on-prem" } },
    });
    let node: Node = serde_json::from_value(node).unwrap();
    nodes.create(&Default::default(), &node).await.unwrap();
    let operator = world.operator().await;
    let pod: Pod = world
        .create(json!({
            "metadata": { "name": "alone" },
            "spec": { "nodeName": "n1", "containers": [{ "name": "app", "image": "app:1" }] },
        }))
        .await;
    assert_eq!(pod.spec.unwrap().node_name.as_deref(), Some("n1"));
    let named = |api: &MonitoredApi, name: &str| {
        api.status
            .as_ref()
            .is_some_and(|it| it.environment.as_deref() == Some(name))
    };
    let api: MonitoredApi = world.until("alone", |api| named(api, "on-prem")).await;
    let source = api.status.unwrap().environment_source.unwrap();
    assert_eq!(source, "node label crosswatch.dev/env");

    // The namespace is nearer to the pod than the node.
    let namespaces: kube::Api<Namespace> = kube::Api::all(world.client.clone());
    let patch = json!({ "metadata": { "annotations": { "crosswatch.dev/env": "cloud-a" } } });
    let patch = Patch::Merge(patch);
    namespaces
        .patch(&world.namespace, &Default::default(), &patch)
        .await
        .unwrap();
    let _: MonitoredApi = world.until("alone", |api| named(api, "cloud-a")).await;
    operator.stop().await;
}
