//! What people do to resources stays done.

use crds::MonitoredApi;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::DeleteParams;
use serde_json::json;

use crate::monitor::view;
use crate::onboarding::{condition, holds};
use crate::world::{World, eventually};

fn is_automatic(api: &MonitoredApi) -> bool {
    let labels = api.metadata.labels.as_ref();
    labels.is_some_and(|it| it.contains_key("crosswatch.dev/managed"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_is_in_force_and_stays() {
    let world = World::new().await;
    let operator = world.operator().await;
    world.deployment("cart", 1).await;
    let _: MonitoredApi = world.until("cart", |api| holds(api, "Discovered")).await;
    let patch = json!({ "spec": { "paused": true, "ownership": { "owner": "team-cart" } } });
    let _: MonitoredApi = world.merge("cart", patch).await;
    let told = world.monitor.told(|it| !it.workloads.is_empty()).await;
    assert_eq!(told.workloads[0].owner.as_deref(), Some("team-cart"));
    assert!(told.workloads[0].paused);
    let accepted = |api: &MonitoredApi| {
        condition(api, "Ready") == Some(("True".to_owned(), "Paused".to_owned()))
    };
    let _: MonitoredApi = world.until("cart", accepted).await;
    operator.stop().await;

    // Also when an operator starts anew and looks at everything again.
    let operator = world.operator().await;
    let mut seen = view(&world.namespace, "cart");
    seen.logs_total = 11;
    world.monitor.see(seen);
    let api: MonitoredApi = world.until("cart", |api| holds(api, "LogsFlowing")).await;
    assert!(api.spec.paused);
    assert_eq!(api.spec.ownership.owner.as_deref(), Some("team-cart"));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_person_took_over_is_never_taken_away() {
    let world = World::new().await;
    let operator = world.operator().await;
    world.deployment("cart", 1).await;
    world.deployment("other", 1).await;
    let _: MonitoredApi = world.until("cart", is_automatic).await;
    let patch = json!({ "metadata": { "labels": { "crosswatch.dev/managed": null } } });
    let _: MonitoredApi = world.merge("cart", patch).await;

    // Opting out would delete it, were it still the operator's; the other one shows when.
    let off = json!({ "metadata": { "annotations": { "crosswatch.dev/enabled": "false" } } });
    let _: MonitoredApi = world.until("other", is_automatic).await;
    for name in ["cart", "other"] {
        let _: Deployment = world.merge(name, off.clone()).await;
    }
    let all = eventually(world.api::<MonitoredApi>(), |all: &[MonitoredApi]| {
        all.iter()
            .all(|it| it.metadata.name.as_deref() == Some("cart"))
    });
    let all = all.await;
    assert_eq!(all.len(), 1);
    assert!(!is_automatic(&all[0]));

    // Its status goes on.
    world.monitor.see(view(&world.namespace, "cart"));
    let _: MonitoredApi = world.until("cart", |api| holds(api, "LogsFlowing")).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_person_wrote_comes_first() {
    let world = World::new().await;
    let operator = world.operator().await;
    world.deployment("cart", 1).await;
    let _: MonitoredApi = world.until("cart", is_automatic).await;
    let _: MonitoredApi = world
        .create(json!({
            "metadata": { "name": "ours" },
            "spec": { "selector": { "matchLabels": { "app": "cart" } } },
        }))
        .await;
    eventually(world.api::<MonitoredApi>(), |all: &[MonitoredApi]| {
        all.len() == 1 && all[0].metadata.name.as_deref() == Some("ours") && holds(&all[0], "Ready")
    })
    .await;
    // And when it goes, the operator's comes back.
    let api = world.api::<MonitoredApi>();
    api.delete("ours", &DeleteParams::default()).await.unwrap();
    let _: MonitoredApi = world.until("cart", is_automatic).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_is_refused_with_a_sentence() {
    let world = World::new().await;
    let api = world.api::<MonitoredApi>();
    let said = async |spec: serde_json::Value| {
        let object = json!({ "metadata": { "name": "wrong" }, "spec": spec });
        let object: MonitoredApi = serde_json::from_value(object).unwrap();
        api.create(&Default::default(), &object)
            .await
            .unwrap_err()
            .to_string()
    };
    let none = said(json!({})).await;
    assert!(none.contains("set exactly one of workloadRef"), "{none}");
    let cart = json!({ "kind": "Deployment", "name": "cart" });
    let neither = json!({ "workloadRef": cart, "objectives": [{ "name": "fast" }] });
    let neither = said(neither).await;
    assert!(
        neither.contains("about latency or about availability"),
        "{neither}"
    );
    let lower = said(json!({ "workloadRef": { "kind": "deployment", "name": "cart" } })).await;
    assert!(
        lower.contains("a kind begins with a capital letter"),
        "{lower}"
    );
}
