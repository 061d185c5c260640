//! From pods to resources.

use crds::MonitoredApi;
use monitor_api::ApiState;
use serde_json::json;

use crate::monitor::view;
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
