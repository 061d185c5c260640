//! The API in process.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which stop where something is amiss"
)]

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use sim_cluster::client::{DeleteOptions, EventKind, Patch};
use sim_cluster::{Client, Cluster, ClusterConfig, ListOptions};

pub(crate) fn cluster() -> Cluster {
    let start: Timestamp = "2026-11-21T18:00:00Z".parse().unwrap();
    Cluster::new(ClusterConfig::new(Arc::new(move || start), 7))
}

fn admin() -> Client {
    cluster().client("system:admin")
}

pub(crate) fn pod(name: &str, app: &str) -> Value {
    json!({
        "metadata": { "name": name, "namespace": "default", "labels": { "app": app } },
        "spec": { "containers": [{ "name": "main", "image": "shop:1" }] },
    })
}

#[test]
fn an_object_gets_what_the_server_adds() {
    let made = admin().create("pods", pod("a", "web")).unwrap();
    assert_eq!(
        made["metadata"]["creationTimestamp"],
        "2026-11-21T18:00:00Z"
    );
    assert_eq!(made["metadata"]["uid"].as_str().unwrap().len(), 36);
    assert_eq!(made["metadata"]["generation"], 1);
    assert_eq!(made["spec"]["restartPolicy"], "Always");
    assert_eq!(
        made["spec"]["containers"][0]["imagePullPolicy"],
        "IfNotPresent"
    );
    assert_eq!(made["status"]["phase"], "Pending");
    assert_eq!(made["status"]["qosClass"], "BestEffort");
}

#[test]
fn names_are_generated_and_taken_names_refused() {
    let client = admin();
    let mut generated = pod("", "web");
    generated["metadata"] = json!({ "generateName": "web-", "namespace": "default" });
    let made = client.create("pods", generated).unwrap();
    assert!(
        made["metadata"]["name"]
            .as_str()
            .unwrap()
            .starts_with("web-")
    );
    client.create("pods", pod("a", "web")).unwrap();
    let refused = client.create("pods", pod("a", "web")).unwrap_err();
    assert_eq!(
        (refused.code, refused.to_string().as_str()),
        (409, "pods \"a\" already exists")
    );
}

#[test]
fn a_write_that_was_overtaken_is_a_conflict() {
    let client = admin();
    let read = client.create("pods", pod("a", "web")).unwrap();
    let mut mine = (*read).clone();
    mine["metadata"]["labels"]["mine"] = json!("yes");
    client.update("pods", mine.clone()).unwrap();
    let refused = client.update("pods", mine).unwrap_err();
    assert_eq!(refused.reason, "Conflict");
    assert!(
        refused.message.contains("the object has been modified"),
        "{refused}"
    );
}

#[test]
fn status_and_wish_are_written_apart() {
    let client = admin();
    let read = client.create("pods", pod("a", "web")).unwrap();
    let mut changed = (*read).clone();
    changed["status"]["phase"] = json!("Running");
    changed["metadata"]["labels"]["x"] = json!("y");
    let by_status = client.update_status("pods", changed.clone()).unwrap();
    assert_eq!(by_status["status"]["phase"], "Running");
    assert!(by_status["metadata"]["labels"]["x"].is_null());
    changed["metadata"]["resourceVersion"] = Value::Null;
    changed["status"]["phase"] = json!("Failed");
    let by_wish = client.update("pods", changed).unwrap();
    assert_eq!(by_wish["status"]["phase"], "Running");
    assert_eq!(by_wish["metadata"]["labels"]["x"], "y");
}

#[test]
fn nothing_new_is_not_written() {
    let client = admin();
    let read = client.create("pods", pod("a", "web")).unwrap();
    let again = client.update("pods", (*read).clone()).unwrap();
    assert_eq!(
        read["metadata"]["resourceVersion"],
        again["metadata"]["resourceVersion"]
    );
}

#[test]
fn finalizers_hold_an_object() {
    let client = admin();
    let mut held = json!({ "metadata": { "name": "c", "namespace": "default" } });
    held["metadata"]["finalizers"] = json!(["example.org/hold"]);
    client.create("configmaps", held).unwrap();
    let ending = client
        .delete("configmaps", "default", "c", &DeleteOptions::default())
        .unwrap();
    assert!(ending["metadata"]["deletionTimestamp"].is_string());
    let release = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    client
        .patch("configmaps", "default", "c", "", release)
        .unwrap();
    assert_eq!(
        client.get("configmaps", "default", "c").unwrap_err().code,
        404
    );
}

#[test]
fn a_running_pod_ends_when_its_kubelet_says_so() {
    let client = admin();
    client.create("pods", pod("a", "web")).unwrap();
    client.bind("default", "a", "node-1").unwrap();
    let ending = client
        .delete("pods", "default", "a", &DeleteOptions::default())
        .unwrap();
    assert_eq!(
        ending["metadata"]["deletionTimestamp"],
        "2026-11-21T18:00:30Z"
    );
    let now = DeleteOptions {
        grace_period_seconds: Some(0),
        ..DeleteOptions::default()
    };
    client.delete("pods", "default", "a", &now).unwrap();
    assert!(client.get("pods", "default", "a").is_err());
}

#[test]
fn namespaces_must_exist_and_stay() {
    let client = admin();
    let mut lost = pod("a", "web");
    lost["metadata"]["namespace"] = json!("nowhere");
    let refused = client.create("pods", lost.clone()).unwrap_err();
    assert_eq!(refused.message, "namespaces \"nowhere\" not found");
    client
        .create("namespaces", json!({ "metadata": { "name": "nowhere" } }))
        .unwrap();
    client
        .delete("namespaces", "", "nowhere", &DeleteOptions::default())
        .unwrap();
    let refused = client.create("pods", lost).unwrap_err();
    assert!(
        refused.message.ends_with("because it is being terminated"),
        "{refused}"
    );
    let mut namespace = (*client.get("namespaces", "", "nowhere").unwrap()).clone();
    assert_eq!(namespace["status"]["phase"], "Terminating");
    namespace["spec"]["finalizers"] = json!([]);
    client
        .update_subresource("namespaces", "finalize", namespace)
        .unwrap();
    assert_eq!(
        client.get("namespaces", "", "nowhere").unwrap_err().code,
        404
    );
}

#[test]
fn services_get_addresses_once() {
    let client = admin();
    let service = |name: &str| {
        json!({
            "metadata": { "name": name, "namespace": "default" },
            "spec": { "selector": { "app": name }, "ports": [{ "port": 80 }] },
        })
    };
    let first = client.create("services", service("a")).unwrap();
    let second = client.create("services", service("b")).unwrap();
    assert_eq!(first["spec"]["clusterIP"], "127.16.1.1");
    assert_eq!(second["spec"]["clusterIP"], "127.16.1.2");
    assert_eq!(first["spec"]["ports"][0]["targetPort"], 80);
    client
        .delete("services", "default", "a", &DeleteOptions::default())
        .unwrap();
    let third = client.create("services", service("c")).unwrap();
    assert_eq!(third["spec"]["clusterIP"], "127.16.1.1");
}

#[test]
fn a_selector_must_match_its_template() {
    let refused = admin()
        .create(
            "deployments.apps",
            json!({
                "metadata": { "name": "web", "namespace": "default" },
                "spec": {
                    "selector": { "matchLabels": { "app": "web" } },
                    "template": {
                        "metadata": { "labels": { "app": "other" } },
                        "spec": { "containers": [{ "name": "main", "image": "shop" }] },
                    },
                },
            }),
        )
        .unwrap_err();
    assert_eq!(
        refused.message,
        "Deployment.apps \"web\" is invalid: \
        spec.template.metadata.labels: Invalid value: {\"app\":\"other\"}: `selector` does not \
        match template `labels`"
    );
}

#[tokio::test]
async fn a_watch_sees_what_a_list_did_not() {
    let client = admin();
    client.create("pods", pod("a", "web")).unwrap();
    let listing = client.list("pods", None, &ListOptions::all()).unwrap();
    let mut watch = client.watch("pods", Some("default"), listing.resource_version);
    client.create("pods", pod("b", "web")).unwrap();
    client
        .delete("pods", "default", "a", &DeleteOptions::default())
        .unwrap();
    let event = watch.next().await.unwrap();
    assert_eq!(
        (event.kind, &event.object["metadata"]["name"]),
        (EventKind::Added, &json!("b"))
    );
    let event = watch.next().await.unwrap();
    assert_eq!(
        (event.kind, &event.object["metadata"]["name"]),
        (EventKind::Deleted, &json!("a"))
    );
}

#[tokio::test]
async fn leaving_a_selection_is_a_deletion() {
    let client = admin();
    let web = ListOptions::labels("app=web").unwrap();
    let mut watch = client
        .watch_selected("pods", None, &web, client.cluster().revision())
        .unwrap();
    client.create("pods", pod("a", "web")).unwrap();
    let leave = Patch::Merge(json!({ "metadata": { "labels": { "app": "db" } } }));
    client.patch("pods", "default", "a", "", leave).unwrap();
    assert_eq!(watch.next().await.unwrap().kind, EventKind::Added);
    assert_eq!(watch.next().await.unwrap().kind, EventKind::Deleted);
}

#[tokio::test]
async fn a_watch_that_is_behind_is_told_to_list_again() {
    let start: Timestamp = "2026-11-21T18:00:00Z".parse().unwrap();
    let mut config = ClusterConfig::new(Arc::new(move || start), 7);
    config.window = 2;
    let client = Cluster::new(config).client("system:admin");
    let mut watch = client.watch("pods", None, client.cluster().revision());
    for name in ["a", "b", "c"] {
        client.create("pods", pod(name, "web")).unwrap();
    }
    let told = watch.next().await.unwrap_err();
    assert_eq!((told.code, told.reason), (410, "Expired"));
}

#[test]
fn objects_of_a_definition_are_held_to_its_schema() {
    let client = admin();
    let definition = json!({
        "metadata": { "name": "widgets.example.org" },
        "spec": {
            "group": "example.org", "scope": "Cluster",
            "names": { "plural": "widgets", "kind": "Widget" },
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": { "status": {} },
                "schema": { "openAPIV3Schema": { "type": "object", "properties": {
                    "spec": {
                        "type": "object",
                        "properties": {
                            "size": { "type": "integer", "minimum": 1 },
                            "shape": { "type": "string", "default": "round" },
                        },
                        "x-kubernetes-validations": [{
                            "rule": "self.size <= 9 || self.shape == 'square'",
                            "message": "only squares are large",
                        }],
                    },
                    "status": { "type": "object", "properties": { "seen": { "type": "integer" } } },
                } } },
            }],
        },
    });
    client
        .create("customresourcedefinitions.apiextensions.k8s.io", definition)
        .unwrap();
    let widget = |size: u32| {
        json!({ "metadata": { "name": "a" }, "spec": { "size": size, "extra": 1 },
            "status": { "seen": 1 } })
    };
    let refused = client.create("widgets.example.org", widget(0)).unwrap_err();
    assert_eq!(
        refused.message,
        "Widget.example.org \"a\" is invalid: spec.size: Invalid value: 0: spec.size in body \
         should be greater than or equal to 1"
    );
    let refused = client
        .create("widgets.example.org", widget(10))
        .unwrap_err();
    assert!(
        refused.message.contains("only squares are large"),
        "{refused}"
    );
    let made = client.create("widgets.example.org", widget(3)).unwrap();
    assert_eq!(made["spec"], json!({ "size": 3, "shape": "round" }));
    assert!(made["status"].is_null());
    let seen = Patch::Merge(json!({ "status": { "seen": "twice" } }));
    let refused = client
        .patch("widgets.example.org", "", "a", "status", seen)
        .unwrap_err();
    assert_eq!(refused.code, 422);
    let seen = Patch::Merge(json!({ "spec": { "size": 5 }, "status": { "seen": 2 } }));
    let seen = client
        .patch("widgets.example.org", "", "a", "status", seen)
        .unwrap();
    assert_eq!(
        (&seen["spec"]["size"], &seen["status"]["seen"]),
        (&json!(3), &json!(2))
    );
    assert_eq!(seen["metadata"]["generation"], 1);
}
