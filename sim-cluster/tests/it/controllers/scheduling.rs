//! Where pods go, and what is said when they go nowhere.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;
use std::time::Duration;

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use sim_cluster::controllers::Part;
use sim_cluster::object;

use super::workload;
use crate::hollow::{Fate, Hollow, node};

fn pod(name: &str, spec: Value) -> Value {
    let mut pod = json!({
        "metadata": { "name": name, "namespace": "default", "labels": { "app": name } },
        "spec": { "containers": [{ "name": "main", "image": "shop:1" }] },
    });
    json_patch::merge(&mut pod["spec"], &spec);
    pod
}

fn asks(cpu: &str) -> Value {
    json!({ "containers": [{
        "name": "main", "image": "shop:1", "resources": { "requests": { "cpu": cpu } },
    }]})
}

fn on(key: &str, values: &[&str]) -> Value {
    json!({ "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{ "matchExpressions": [{ "key": key, "operator": "In", "values": values }] }],
    }}}})
}

/// Pods by node, in the order they were made on nodes that are all different; and what was said of
/// those that found none.
async fn check(prepare: impl Fn(&Hollow), pods: &[(&str, Value)], expected: Expect) {
    let hollow = Hollow::start();
    prepare(&hollow);
    let mut told = String::new();
    for (name, spec) in pods {
        hollow
            .client
            .create("pods", pod(name, spec.clone()))
            .unwrap();
        hollow.rest().await;
        let pod = hollow.get("pods", name);
        match object::text(&pod, &["spec", "nodeName"]) {
            "" => {
                let scheduled = object::condition(&pod, "PodScheduled").unwrap();
                assert_eq!(scheduled["reason"], "Unschedulable");
                let message = object::text(scheduled, &["message"]);
                assert!(
                    hollow
                        .said("FailedScheduling")
                        .contains(&message.to_owned())
                );
                told += &format!("{name}: {message}\n");
            }
            node => told += &format!("{name} on {node}\n"),
        }
    }
    expected.assert_eq(&told);
    hollow.stop().await;
}

fn change(hollow: &Hollow, name: &str, change: impl FnOnce(&mut Value)) {
    let mut node = (*hollow.client.get("nodes", "", name).unwrap()).clone();
    change(&mut node);
    hollow.client.update("nodes", node).unwrap();
}

#[tokio::test(start_paused = true)]
async fn taints_and_selectors_are_heeded_and_named() {
    let prepare = |hollow: &Hollow| {
        change(hollow, "a", |node| {
            node["spec"]["taints"] =
                json!([{ "key": "dedicated", "value": "db", "effect": "NoSchedule" }]);
        });
        change(hollow, "b", |node| {
            node["spec"]["unschedulable"] = json!(true)
        });
        change(hollow, "c", |node| {
            node["metadata"]["labels"]["zone"] = json!("x")
        });
    };
    let tolerant = json!({
        "tolerations": [{ "key": "dedicated", "operator": "Exists" }],
        "nodeSelector": { "kubernetes.io/hostname": "a" },
    });
    check(
        prepare,
        &[
            ("plain", json!({})),
            ("tolerant", tolerant),
            ("far", on("zone", &["y"])),
            ("near", on("zone", &["x"])),
        ],
        expect![[r#"
            plain on c
            tolerant on a
            far: 0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint {dedicated: db}, 1 node(s) were unschedulable.
            near on c
        "#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn requests_fill_nodes_evenly_until_nothing_is_left() {
    check(
        |_| {},
        &[
            ("one", asks("40")),
            ("two", asks("40")),
            ("three", asks("40")),
            ("small", asks("20")),
            ("big", asks("30")),
        ],
        expect![[r#"
            one on a
            two on b
            three on c
            small on a
            big: 0/3 nodes are available: 3 Insufficient cpu.
        "#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn company_is_kept_and_avoided() {
    let term = |app: &str| json!([{ "topologyKey": "kubernetes.io/hostname", "labelSelector": { "matchLabels": { "app": app } } }]);
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let near = |app: &str| json!({ "affinity": { "podAffinity": { required: term(app) } } });
    let far = |app: &str| json!({ "affinity": { "podAntiAffinity": { required: term(app) } } });
    let not_on_a = on("kubernetes.io/hostname", &["b", "c"]);
    let mut guard = not_on_a.clone();
    json_patch::merge(&mut guard, &far("victim"));
    let here = json!({ "nodeSelector": { "kubernetes.io/hostname": "b" } });
    check(
        |_| {},
        &[
            ("db", not_on_a),
            ("web", near("db")),
            ("batch", far("db")),
            ("lonely", near("nobody")),
            ("guard", guard),
            ("victim", here),
        ],
        expect![[r#"
            db on b
            web on b
            batch on a
            lonely: 0/3 nodes are available: 3 node(s) didn't match pod affinity rules.
            guard on c
            victim on b
        "#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn replicas_are_spread_over_nodes_and_zones() {
    let hollow = Hollow::start();
    for (name, zone) in [("a", "x"), ("b", "x"), ("c", "y")] {
        change(&hollow, name, |node| {
            node["metadata"]["labels"]["zone"] = json!(zone)
        });
    }
    let mut web = workload("web", json!({ "replicas": 6 }));
    web["spec"]["template"]["spec"]["topologySpreadConstraints"] = json!([{
        "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": { "matchLabels": { "app": "web" } },
    }]);
    hollow.client.create("deployments.apps", web).unwrap();
    hollow
        .client
        .create(
            "deployments.apps",
            workload("shop", json!({ "replicas": 3 })),
        )
        .unwrap();
    hollow.rest().await;
    let mut on: BTreeMap<String, usize> = BTreeMap::new();
    for pod in hollow.all("pods") {
        let app = object::label(&pod, "app").unwrap();
        *on.entry(format!(
            "{app} {}",
            object::text(&pod, &["spec", "nodeName"])
        ))
        .or_default() += 1;
    }
    assert_eq!(on["web c"], 3, "{on:?}");
    assert_eq!(on["web a"] + on["web b"], 3, "{on:?}");
    assert_eq!(
        (on["shop a"], on["shop b"], on["shop c"]),
        (1, 1, 1),
        "{on:?}"
    );
    hollow.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_found_no_place_gets_one_as_soon_as_there_is_one() {
    let hollow = Hollow::start();
    hollow
        .client
        .create("pods", pod("big", asks("100")))
        .unwrap();
    hollow.rest().await;
    assert_eq!(
        hollow.said("FailedScheduling"),
        ["0/3 nodes are available: 3 Insufficient cpu."]
    );
    let mut huge = node("huge");
    huge["status"]["allocatable"]["cpu"] = json!("128");
    hollow.client.create("nodes", huge).unwrap();
    hollow
        .until("pods", "placed", |all| all[0]["spec"]["nodeName"] == "huge")
        .await;
    // And when others make room.
    hollow
        .client
        .create("pods", pod("next", asks("100")))
        .unwrap();
    hollow.rest().await;
    hollow
        .client
        .delete("pods", "default", "big", &Default::default())
        .unwrap();
    hollow
        .until("pods", "placed", |all| {
            all.iter().all(|pod| pod["spec"]["nodeName"] == "huge")
        })
        .await;
    assert_eq!(hollow.said("Scheduled").len(), 2);
    hollow.stop().await;
}

fn renew(hollow: &Hollow, node: &str) {
    let lease = json!({
        "metadata": { "name": node, "namespace": "kube-node-lease" },
        "spec": { "holderIdentity": node, "renewTime": hollow.cluster.now().to_string() },
    });
    match hollow
        .client
        .create("leases.coordination.k8s.io", lease.clone())
    {
        Ok(_) => {}
        Err(_) => drop(
            hollow
                .client
                .update("leases.coordination.k8s.io", lease)
                .unwrap(),
        ),
    }
}

#[tokio::test(start_paused = true)]
async fn pods_leave_a_node_whose_kubelet_falls_silent() {
    let hollow = Hollow::with(&[], |pod| match pod["spec"]["nodeName"].as_str() {
        Some("a") if object::is_being_deleted(pod) => Fate::Forgotten,
        _ => Fate::Ready,
    });
    hollow
        .client
        .create(
            "deployments.apps",
            workload("web", json!({ "replicas": 3 })),
        )
        .unwrap();
    for node in ["a", "b", "c"] {
        renew(&hollow, node);
    }
    for _ in 0..12 {
        hollow.pass(Duration::from_secs(10)).await;
        renew(&hollow, "b");
        renew(&hollow, "c");
    }
    let lost = hollow.client.get("nodes", "", "a").unwrap();
    assert_eq!(
        object::condition(&lost, "Ready").unwrap()["status"],
        "Unknown"
    );
    let taints: Vec<&str> = object::list(&lost, &["spec", "taints"])
        .iter()
        .map(|taint| object::text(taint, &["effect"]))
        .collect();
    assert_eq!(taints, ["NoSchedule", "NoExecute"]);
    let count = |leaving: bool| {
        let pods = hollow.all("pods");
        pods.iter()
            .filter(|pod| object::is_being_deleted(pod) == leaving)
            .count()
    };
    assert_eq!(
        (count(false), count(true)),
        (3, 0),
        "five minutes have not passed"
    );
    for _ in 0..30 {
        hollow.pass(Duration::from_secs(10)).await;
        renew(&hollow, "b");
        renew(&hollow, "c");
    }
    assert_eq!((count(false), count(true)), (3, 1));
    assert_eq!(hollow.said("TaintManagerEviction").len(), 1);

    // A node that comes back gets pods again; one that is deleted loses those it had.
    let mut node = (*lost).clone();
    node["status"]["conditions"][0]["status"] = json!("True");
    node["metadata"]["resourceVersion"] = json!(null);
    renew(&hollow, "a");
    hollow.client.update_status("nodes", node).unwrap();
    hollow
        .until("nodes", "without taints", |all| {
            all.iter().all(|it| it["spec"]["taints"].is_null())
        })
        .await;
    hollow
        .client
        .delete("nodes", "", "a", &Default::default())
        .unwrap();
    hollow
        .until("pods", "as many as wanted", |all| all.len() == 3)
        .await;
    hollow.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_scheduler_pods_wait() {
    let hollow = Hollow::with(&[Part::Scheduler], |_| Fate::Ready);
    hollow.client.create("pods", pod("web", json!({}))).unwrap();
    hollow.rest().await;
    assert_eq!(hollow.get("pods", "web")["spec"].get("nodeName"), None);
    hollow.stop().await;
}
