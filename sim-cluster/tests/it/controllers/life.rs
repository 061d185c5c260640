//! Services, namespaces, budgets, ownership: the controllers around workloads.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use sim_cluster::client::{DeleteOptions, Propagation};
use sim_cluster::controllers::{Part, evict};
use sim_cluster::object;

use super::{condition, workload};
use crate::hollow::{Fate, Hollow};

fn service(name: &str, spec: Value) -> Value {
    let mut service = json!({
        "metadata": { "name": name, "namespace": "default", "labels": { "team": "shop" } },
        "spec": { "selector": { "app": "web" }, "ports": [{ "name": "http", "port": 80, "targetPort": "web" }] },
    });
    json_patch::merge(&mut service["spec"], &spec);
    service
}

fn with_port(mut workload: Value) -> Value {
    workload["spec"]["template"]["spec"]["containers"][0]["ports"] =
        json!([{ "name": "web", "containerPort": 8080 }]);
    workload
}

const SLICES: &str = "endpointslices.discovery.k8s.io";

/// Addresses that are ready, and that are not, of all slices.
fn endpoints(hollow: &Hollow) -> (usize, usize) {
    let slices = hollow.all(SLICES);
    let all: Vec<&Value> = slices
        .iter()
        .flat_map(|it| object::list(it, &["endpoints"]))
        .collect();
    let ready = all
        .iter()
        .filter(|it| it["conditions"]["ready"] == true)
        .count();
    (ready, all.len() - ready)
}

#[tokio::test(start_paused = true)]
async fn a_service_knows_the_ready_pods_and_their_ports() {
    let hollow = Hollow::with(&[], |pod| match object::name(pod) {
        name if name.starts_with("web-slow") => Fate::Running,
        _ => Fate::Ready,
    });
    hollow
        .client
        .create("services", service("web", json!({})))
        .unwrap();
    hollow
        .client
        .create(
            "deployments.apps",
            with_port(workload("web", json!({ "replicas": 2 }))),
        )
        .unwrap();
    hollow.rest().await;
    assert_eq!(endpoints(&hollow), (2, 0));
    let slice = &hollow.all(SLICES)[0];
    assert_eq!(
        slice["ports"],
        json!([{ "name": "http", "port": 8080, "protocol": "TCP" }])
    );
    assert_eq!(
        object::label(slice, "kubernetes.io/service-name"),
        Some("web")
    );
    assert_eq!(object::label(slice, "team"), Some("shop"));
    let legacy = hollow.get("endpoints", "web");
    assert_eq!(
        legacy["subsets"][0]["addresses"].as_array().unwrap().len(),
        2
    );
    assert_eq!(legacy["subsets"][0]["ports"][0]["port"], 8080);

    let mut slow = json!({
        "metadata": { "name": "web-slow", "namespace": "default", "labels": { "app": "web" } },
        "spec": { "containers": [{ "name": "main", "image": "shop:1" }] },
    });
    slow["spec"]["containers"][0]["ports"] = json!([{ "name": "web", "containerPort": 9090 }]);
    hollow.client.create("pods", slow).unwrap();
    hollow.rest().await;
    // Another number for the same port is another slice.
    assert_eq!(endpoints(&hollow), (2, 1));
    assert_eq!(hollow.all(SLICES).len(), 2);

    hollow
        .client
        .delete("services", "default", "web", &Default::default())
        .unwrap();
    hollow.until(SLICES, "gone", <[_]>::is_empty).await;
    hollow.until("endpoints", "gone", <[_]>::is_empty).await;
    hollow.stop().await;
}

#[tokio::test(start_paused = true)]
async fn pods_on_their_way_out_serve_but_are_not_ready() {
    let hollow = Hollow::with(&[], |pod| {
        if object::is_being_deleted(pod) {
            Fate::Forgotten
        } else {
            Fate::Ready
        }
    });
    hollow
        .client
        .create("services", service("web", json!({ "clusterIP": "None" })))
        .unwrap();
    hollow
        .client
        .create(
            "deployments.apps",
            with_port(workload("web", json!({ "replicas": 2 }))),
        )
        .unwrap();
    hollow.rest().await;
    hollow.edit("deployments.apps", "web", |it| {
        it["spec"]["replicas"] = json!(1)
    });
    hollow.rest().await;
    assert_eq!(endpoints(&hollow), (1, 1));
    let slice = &hollow.all(SLICES)[0];
    let leaving = object::list(slice, &["endpoints"])
        .iter()
        .find(|it| it["conditions"]["terminating"] == true)
        .unwrap();
    assert_eq!(leaving["conditions"]["serving"], true);
    assert_eq!(
        object::label(slice, "service.kubernetes.io/headless"),
        Some("")
    );
    hollow.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_namespace_has_its_furniture_and_goes_with_everything_in_it() {
    let hollow = Hollow::start();
    hollow
        .client
        .create("namespaces", json!({ "metadata": { "name": "shop" } }))
        .unwrap();
    hollow.rest().await;
    let account = hollow.client.get("serviceaccounts", "shop", "default");
    account.unwrap();
    let certificate = hollow
        .client
        .get("configmaps", "shop", "kube-root-ca.crt")
        .unwrap();
    assert_eq!(certificate["data"]["ca.crt"], "certificate");
    hollow
        .client
        .delete(
            "configmaps",
            "shop",
            "kube-root-ca.crt",
            &Default::default(),
        )
        .unwrap();
    hollow.rest().await;
    hollow
        .client
        .get("configmaps", "shop", "kube-root-ca.crt")
        .unwrap();

    let mut web = workload("web", json!({ "replicas": 2 }));
    web["metadata"]["namespace"] = json!("shop");
    hollow.client.create("deployments.apps", web).unwrap();
    hollow.rest().await;
    assert_eq!(hollow.all("pods").len(), 2);
    let going = hollow
        .client
        .delete("namespaces", "", "shop", &Default::default())
        .unwrap();
    assert_eq!(going["status"]["phase"], "Terminating");
    hollow
        .until("namespaces", "gone", |all| {
            all.iter().all(|it| object::name(it) != "shop")
        })
        .await;
    for resource in ["pods", "deployments.apps", "replicasets.apps"] {
        assert!(hollow.all(resource).is_empty(), "{resource}");
    }
    let left = |resource: &str| {
        hollow
            .all(resource)
            .iter()
            .filter(|it| object::namespace(it) == "shop")
            .count()
    };
    assert_eq!(
        ["configmaps", "serviceaccounts", "events"].map(left),
        [0, 0, 0]
    );
    hollow.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_namespace_waits_for_a_finalizer_and_says_so() {
    let hollow = Hollow::start();
    hollow
        .client
        .create("namespaces", json!({ "metadata": { "name": "shop" } }))
        .unwrap();
    let held = json!({ "metadata": {
        "name": "held", "namespace": "shop", "finalizers": ["example.com/hold"],
    }});
    hollow.client.create("configmaps", held).unwrap();
    hollow
        .client
        .delete("namespaces", "", "shop", &Default::default())
        .unwrap();
    hollow.rest().await;
    let namespace = hollow.client.get("namespaces", "", "shop").unwrap();
    assert_eq!(
        condition(&namespace, "NamespaceContentRemaining"),
        "True SomeResourcesRemain"
    );
    let mut held = (*hollow.client.get("configmaps", "shop", "held").unwrap()).clone();
    held["metadata"]["finalizers"] = json!([]);
    hollow.client.update("configmaps", held).unwrap();
    hollow
        .until("namespaces", "gone", |all| {
            all.iter().all(|it| object::name(it) != "shop")
        })
        .await;
    hollow.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_budget_counts_and_refuses_what_it_does_not_allow() {
    let hollow = Hollow::start();
    let budget = json!({
        "metadata": { "name": "web", "namespace": "default" },
        "spec": { "maxUnavailable": 1, "selector": { "matchLabels": { "app": "web" } } },
    });
    hollow
        .client
        .create("poddisruptionbudgets.policy", budget)
        .unwrap();
    hollow
        .client
        .create(
            "deployments.apps",
            workload("web", json!({ "replicas": 3 })),
        )
        .unwrap();
    hollow.rest().await;
    let budgets = || hollow.all("poddisruptionbudgets.policy");
    let status = budgets()[0]["status"].clone();
    assert_eq!(
        [
            "expectedPods",
            "currentHealthy",
            "desiredHealthy",
            "disruptionsAllowed"
        ]
        .map(|field| status[field].as_u64().unwrap()),
        [3, 3, 2, 1]
    );
    let pods = hollow.all("pods");
    let now = hollow.cluster.now();
    let counted = evict(&pods[0], &budgets(), now).unwrap().unwrap();
    hollow
        .client
        .update_status("poddisruptionbudgets.policy", counted)
        .unwrap();
    let refused = evict(&pods[1], &budgets(), now).unwrap_err();
    assert_eq!(refused.code, 429);
    let why = object::text(&refused.details["causes"][0], &["message"]);
    assert_eq!(
        why,
        "The disruption budget web needs 2 healthy pods and has 3 currently"
    );
    // Nobody used the permission: after a while it is free again.
    hollow.pass(Duration::from_secs(130)).await;
    assert_eq!(budgets()[0]["status"]["disruptionsAllowed"], 1);
    assert_eq!(
        condition(&budgets()[0], "DisruptionAllowed"),
        "True SufficientPods"
    );
    hollow.stop().await;
}

fn delete(hollow: &Hollow, resource: &str, name: &str, propagation: Propagation) {
    let options = DeleteOptions {
        propagation: Some(propagation),
        ..DeleteOptions::default()
    };
    hollow
        .client
        .delete(resource, "default", name, &options)
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn orphans_stay_and_are_adopted_by_the_next_owner() {
    let hollow = Hollow::start();
    hollow
        .client
        .create(
            "deployments.apps",
            workload("web", json!({ "replicas": 2 })),
        )
        .unwrap();
    hollow.rest().await;
    let pods = hollow.names("pods");
    delete(&hollow, "deployments.apps", "web", Propagation::Orphan);
    hollow
        .until("deployments.apps", "gone", <[_]>::is_empty)
        .await;
    hollow.rest().await;
    assert!(object::owners(&hollow.all("replicasets.apps")[0]).is_empty());
    hollow
        .client
        .create(
            "deployments.apps",
            workload("web", json!({ "replicas": 2 })),
        )
        .unwrap();
    hollow.rest().await;
    assert_eq!(hollow.names("pods"), pods);
    assert_eq!(hollow.all("replicasets.apps").len(), 1);
    hollow.stop().await;
}

#[tokio::test(start_paused = true)]
async fn in_the_foreground_an_owner_outlives_what_it_owns() {
    let hollow = Hollow::with(&[], |pod| {
        if object::is_being_deleted(pod) {
            Fate::Forgotten
        } else {
            Fate::Ready
        }
    });
    hollow
        .client
        .create(
            "deployments.apps",
            workload("web", json!({ "replicas": 2 })),
        )
        .unwrap();
    hollow.rest().await;
    delete(&hollow, "deployments.apps", "web", Propagation::Foreground);
    hollow.rest().await;
    assert!(object::is_being_deleted(
        &hollow.get("deployments.apps", "web")
    ));
    assert!(object::is_being_deleted(&hollow.all("replicasets.apps")[0]));
    for pod in hollow.names("pods") {
        let now = DeleteOptions {
            grace_period_seconds: Some(0),
            ..DeleteOptions::default()
        };
        hollow.client.delete("pods", "default", &pod, &now).unwrap();
    }
    hollow
        .until("deployments.apps", "gone", <[_]>::is_empty)
        .await;
    hollow.stop().await;
}

#[tokio::test(start_paused = true)]
async fn custom_resources_own_and_are_owned_like_others() {
    let hollow = Hollow::start();
    let definitions = "customresourcedefinitions.apiextensions.k8s.io";
    let definition = json!({
        "metadata": { "name": "widgets.example.org" },
        "spec": {
            "group": "example.org", "scope": "Namespaced",
            "names": { "plural": "widgets", "kind": "Widget", "singular": "widget" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": {
                "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
            }}],
        },
    });
    hollow.client.create(definitions, definition).unwrap();
    hollow.rest().await;
    let reference = |api: &str, kind: &str, owner: &Value| json!([{ "apiVersion": api, "kind": kind, "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"] }]);
    let deployment = hollow
        .client
        .create(
            "deployments.apps",
            workload("web", json!({ "replicas": 1 })),
        )
        .unwrap();
    let widget = |name: &str, owners: Value| json!({ "metadata": { "name": name, "namespace": "default", "ownerReferences": owners } });
    let owned = widget("owned", reference("apps/v1", "Deployment", &deployment));
    hollow.client.create("widgets.example.org", owned).unwrap();
    let owner = hollow
        .client
        .create("widgets.example.org", widget("owner", json!([])))
        .unwrap();
    let map = widget("map", reference("example.org/v1", "Widget", &owner));
    hollow.client.create("configmaps", map).unwrap();
    let nobody = json!({ "metadata": { "name": "owner", "uid": "another" } });
    let stray = widget("stray", reference("example.org/v1", "Widget", &nobody));
    hollow.client.create("configmaps", stray).unwrap();
    hollow.rest().await;
    assert_eq!(hollow.names("widgets.example.org"), ["owned", "owner"]);
    hollow.client.get("configmaps", "default", "map").unwrap();
    // Another object of the same name is no owner.
    hollow
        .client
        .get("configmaps", "default", "stray")
        .unwrap_err();

    delete(&hollow, "deployments.apps", "web", Propagation::Background);
    hollow.rest().await;
    assert_eq!(hollow.names("widgets.example.org"), ["owner"]);
    // With its definition gone, so is the owner.
    hollow
        .client
        .delete(definitions, "", "widgets.example.org", &Default::default())
        .unwrap();
    hollow.rest().await;
    hollow
        .client
        .get("configmaps", "default", "map")
        .unwrap_err();
    hollow.stop().await;
}

/// Of each object: who owns it, and whether it blocks the owner's deletion.
type Owners = Vec<Vec<(usize, bool)>>;

/// Objects that own each other as they like, each by what came before it; and the order in which
/// some are deleted.
fn ownerships() -> impl Strategy<Value = (Owners, Vec<(usize, u8)>)> {
    (2_usize..9).prop_flat_map(|count| {
        let owners = (0..count)
            .map(|at| {
                let owner = (0..at.max(1), any::<bool>());
                proptest::collection::vec(owner, 0..if at == 0 { 1 } else { 3 })
            })
            .collect::<Vec<_>>();
        (owners, proptest::collection::vec((0..count, 0_u8..3), 1..4))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// By induction over the graph: what nobody deleted is there exactly as long as an owner that it
    /// kept is, or it never had one.
    #[test]
    fn garbage_is_what_has_no_living_owner_and_nothing_else((owners, deletions) in ownerships()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(collects(owners, deletions));
    }
}

async fn collects(owners: Owners, deletions: Vec<(usize, u8)>) {
    let hollow = Hollow::with(&[Part::Furniture], |_| Fate::Ready);
    let name = |at: usize| format!("object-{at}");
    let mut uids: Vec<String> = Vec::new();
    let mut owned_by: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (at, owners) in owners.iter().enumerate() {
        let mut references = Vec::new();
        for (owner, blocks) in owners {
            if owned_by.entry(at).or_default().insert(*owner) {
                references.push(json!({
                    "apiVersion": "v1", "kind": "ConfigMap", "name": name(*owner),
                    "uid": uids[*owner], "blockOwnerDeletion": blocks,
                }));
            }
        }
        let object = json!({ "metadata": {
            "name": name(at), "namespace": "default", "ownerReferences": references,
        }});
        let made = hollow.client.create("configmaps", object).unwrap();
        uids.push(object::uid(&made).to_owned());
    }
    let mut alive: BTreeSet<usize> = (0..owners.len()).collect();
    let mut had_owner: BTreeSet<usize> = owned_by
        .iter()
        .filter(|(_, owners)| !owners.is_empty())
        .map(|(at, _)| *at)
        .collect();
    for (at, how) in deletions {
        if !alive.contains(&at) {
            continue;
        }
        let propagation = match how {
            0 => Propagation::Background,
            1 => Propagation::Foreground,
            _ => Propagation::Orphan,
        };
        delete(&hollow, "configmaps", &name(at), propagation);
        hollow.rest().await;
        alive.remove(&at);
        for (dependant, owners) in &mut owned_by {
            if propagation == Propagation::Orphan && owners.remove(&at) && owners.is_empty() {
                had_owner.remove(dependant);
            }
        }
        // Owners come before what they own, so that one pass settles it.
        for at in 0..owners.len() {
            let owners = owned_by.get(&at).cloned().unwrap_or_default();
            if had_owner.contains(&at) && owners.is_disjoint(&alive) {
                alive.remove(&at);
            }
        }
        // References to what is gone are removed from what lives on by another owner.
        for owners in owned_by.values_mut() {
            owners.retain(|owner| alive.contains(owner));
        }
        let expected: Vec<String> = alive.iter().map(|at| name(*at)).collect();
        assert_eq!(
            hollow.names("configmaps"),
            expected,
            "after {} {propagation:?}",
            name(at)
        );
    }
    hollow.stop().await;
}
