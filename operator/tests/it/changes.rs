//! What is done to the cluster is told to the monitor.

use crds::MonitoredApi;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use crate::onboarding::holds;
use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rollouts_scaling_kills_and_configuration_are_told() {
    let world = World::new().await;
    let operator = world.operator().await;
    let _: ConfigMap = world
        .create(json!({ "metadata": { "name": "limits" }, "data": { "a": "1" } }))
        .await;
    let cart = world
        .bare_deployment(
            "cart",
            1,
            json!({ "deployment.kubernetes.io/revision": "1" }),
        )
        .await;
    let pod = world
        .pod_of(&cart, "a", json!({}))
        .await
        .metadata
        .name
        .unwrap();
    let _: MonitoredApi = world.until("cart", |api| holds(api, "Discovered")).await;

    let patch = json!({
        "metadata": { "annotations": { "deployment.kubernetes.io/revision": "2" } },
        "spec": { "template": { "spec": { "containers": [
            { "name": "app", "image": "registry/app:1.1" },
        ] } } },
    });
    let _: Deployment = world.merge("cart", patch).await;
    let change = world.monitor.told_change(|it| it.kind == "rollout").await;
    assert_eq!(
        change.summary,
        "Deployment cart went from registry/app:1.0 to registry/app:1.1"
    );
    assert_eq!(change.namespace.as_deref(), Some(&*world.namespace));
    assert_eq!(change.service.as_deref(), Some("cart"));

    let _: Deployment = world
        .merge("cart", json!({ "spec": { "replicas": 3 } }))
        .await;
    let change = world.monitor.told_change(|it| it.kind == "scaling").await;
    assert_eq!(change.summary, "Deployment cart was scaled from 1 to 3");

    let status = json!({ "containerStatuses": [{
        "name": "app", "image": "registry/app:1.0", "imageID": "", "ready": true,
        "restartCount": 1, "state": { "running": {} },
        "lastState": { "terminated": {
            "reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-11-21T18:00:00Z" } },
    }] });
    world.pod_status(&pod, status).await;
    let change = world.monitor.told_change(|it| it.kind == "oom_kill").await;
    assert_eq!(
        change.summary,
        format!("container app of pod {pod} was killed: out of memory")
    );
    assert_eq!(change.at, "2026-11-21T18:00:00Z");

    // A ConfigMap counts where a pod reads it.
    let reader = json!({
        "metadata": { "name": "reader" },
        "spec": { "containers": [{ "name": "app", "image": "app:1",
            "envFrom": [{ "configMapRef": { "name": "limits" } }] }] },
    });
    let _: k8s_openapi::api::core::v1::Pod = world.create(reader).await;
    let _: MonitoredApi = world.until("reader", |api| holds(api, "Discovered")).await;
    let _: ConfigMap = world.merge("limits", json!({ "data": { "a": "2" } })).await;
    let change = world
        .monitor
        .told_change(|it| it.kind == "configuration")
        .await;
    assert_eq!(
        change.summary,
        format!("ConfigMap {}/limits changed", world.namespace)
    );
    assert_eq!(change.service.as_deref(), Some("reader"));
    operator.stop().await;
}
