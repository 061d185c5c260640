//! The permissions that are listed are those that are used.

use std::collections::BTreeSet;

use crds::{AlertPolicy, ChaosExperiment, MaintenanceWindow, MonitoredApi};
use k8s_openapi::api::apps::v1::Deployment;
use operator::access::RULES;
use serde_json::json;

use crate::experiments::platform;
use crate::monitor::view;
use crate::onboarding::holds;
use crate::settings::told_twice;
use crate::world::{World, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_permission_is_used_and_no_other() {
    let world = World::new().await;
    if world.cluster.is_none() {
        // A real API server does not say what it was asked.
        return;
    }
    let operator = world.operator().await;
    platform(&world).await;
    world.deployment("cart", 1).await;
    world.monitor.see(view(&world.namespace, "cart"));
    let _: MonitoredApi = world.until("cart", |api| holds(api, "LogsFlowing")).await;
    told_twice(&world, "cart").await;
    let _: AlertPolicy = world
        .create(
            json!({ "metadata": { "name": "pager" }, "spec": { "receivers": [
            { "name": "pager", "urlFrom": { "name": "pager", "key": "url" } },
        ] } }),
        )
        .await;
    let _: AlertPolicy = world
        .until("pager", |it: &AlertPolicy| it.status.is_some())
        .await;
    let times = json!({ "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z" });
    let _: MaintenanceWindow = world
        .create(json!({ "metadata": { "name": "now" }, "spec": { "schedule": times } }))
        .await;
    let _: MaintenanceWindow = world
        .until("now", |it: &MaintenanceWindow| it.status.is_some())
        .await;
    let _: ChaosExperiment = world
        .create(json!({ "metadata": { "name": "slow" }, "spec": {
            "faults": [{ "kind": "latency" }], "duration": "1h" } }))
        .await;
    let _: ChaosExperiment = world
        .until("slow", |it: &ChaosExperiment| {
            it.metadata.finalizers.is_some()
        })
        .await;
    let off = json!({ "metadata": { "annotations": { "crosswatch.dev/enabled": "false" } } });
    let _: Deployment = world.merge("cart", off).await;
    eventually(world.api::<MonitoredApi>(), |all| all.is_empty()).await;
    operator.stop().await;

    let requests = world.cluster.as_ref().unwrap().requests().snapshot();
    let used: BTreeSet<String> = requests
        .keys()
        .filter(|it| it.user == "operator-1" && !it.resource.is_empty())
        .map(|it| {
            let slash = if it.subresource.is_empty() { "" } else { "/" };
            format!(
                "{} {}{slash}{} {}",
                it.group, it.resource, it.subresource, it.verb
            )
        })
        .collect();
    let listed: BTreeSet<String> = RULES
        .iter()
        .flat_map(|rule| {
            let verbs = rule.verbs.iter();
            verbs.map(move |verb| format!("{} {} {verb}", rule.group, rule.resource))
        })
        .collect();
    let missing: Vec<_> = used.difference(&listed).collect();
    assert!(missing.is_empty(), "used and not listed: {missing:#?}");
    // Creating by server-side apply is authorised as `create` too, and counted as `patch`.
    let unused: Vec<_> = listed
        .difference(&used)
        .filter(|it| *it != "crosswatch.dev monitoredapis create")
        .collect();
    assert!(unused.is_empty(), "listed and not used: {unused:#?}");
}
