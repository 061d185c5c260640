//! The permissions that are listed are those that are used.

use std::collections::BTreeSet;

use crds::{AlertPolicy, ChaosExperiment, MaintenanceWindow, MonitoredApi};
use k8s_openapi::api::apps::v1::Deployment;
use operator::access::{Place, RULES};
use operator::injected::Tool;
use serde_json::json;

use crate::experiments::platform;
use crate::injected::{ask_for_all, define};
use crate::monitor::view;
use crate::onboarding::holds;
use crate::settings::told_twice;
use crate::world::{World, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_permission_is_used_and_no_other() {
    let world = World::new().await;
    if world.simulated_only("which permissions are used").is_none() {
        return;
    }
    for tool in Tool::ALL {
        define(&world, tool, tool.kinds()).await;
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
    ask_for_all(&world).await;
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

/// What the manifests grant is what is listed, place by place; that what is listed is used is the
/// test above.
#[test]
fn the_manifests_grant_what_is_listed_and_nothing_else() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../manifests/base/operator-access.yaml"
    );
    let text = std::fs::read_to_string(path).unwrap();
    let mut granted = BTreeSet::new();
    for document in text.split("\n---\n") {
        let object: serde_json::Value = serde_saphyr::from_str(document).unwrap();
        let kind = object["kind"].as_str().unwrap();
        let Some(rules) = object["rules"].as_array() else {
            assert!(kind.ends_with("Binding"), "{kind} has no rules");
            continue;
        };
        let place = match (kind, object["metadata"]["name"].as_str().unwrap()) {
            ("ClusterRole", "crosswatch-operator") => "everywhere",
            ("Role", "crosswatch-operator") => "own namespace",
            ("ClusterRole", "crosswatch-secrets") => "where people allow it",
            ("ClusterRole", "crosswatch-chaos") => "where a tool for chaos is",
            (kind, name) => panic!("nobody knows of the {kind} {name}"),
        };
        for rule in rules {
            let texts = |key: &str| {
                let list = rule[key].as_array().expect("a list").iter();
                list.map(|it| it.as_str().expect("a text"))
                    .collect::<Vec<_>>()
            };
            for group in texts("apiGroups") {
                for resource in texts("resources") {
                    for verb in texts("verbs") {
                        granted.insert(format!("{place}: {group} {resource} {verb}"));
                    }
                }
            }
        }
    }
    let listed: BTreeSet<String> = RULES
        .iter()
        .flat_map(|rule| {
            let place = match rule.place {
                Place::Watched | Place::Cluster => "everywhere",
                Place::Own => "own namespace",
                Place::Granted => "where people allow it",
                Place::Chaos => "where a tool for chaos is",
            };
            let named = move |verb| format!("{place}: {} {} {verb}", rule.group, rule.resource);
            rule.verbs.iter().map(named)
        })
        .collect();
    assert_eq!(granted, listed);
}
