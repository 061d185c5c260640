//! Deployments and their ReplicaSets.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::time::Duration;

use expect_test::expect;
use serde_json::{Value, json};
use sim_cluster::object;

use super::{condition, named, number, set_image, workload};
use crate::hollow::{Fate, Hollow};

fn rolled_out(deployment: &Value) -> bool {
    let wanted = deployment["spec"]["replicas"].as_u64().unwrap();
    deployment["status"]["observedGeneration"] == deployment["metadata"]["generation"]
        && ["replicas", "updatedReplicas", "availableReplicas"]
            .iter()
            .all(|field| number(deployment, field) == wanted)
        && condition(deployment, "Progressing") == "True NewReplicaSetAvailable"
}

async fn until_rolled_out(hollow: &Hollow, name: &str) {
    hollow
        .until("deployments.apps", "rolled out", |all| {
            named(all, name).is_some_and(|deployment| rolled_out(deployment))
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_deployment_becomes_available_and_says_so() {
    let hollow = Hollow::start();
    hollow
        .client
        .create(
            "deployments.apps",
            workload("web", json!({ "replicas": 3 })),
        )
        .unwrap();
    until_rolled_out(&hollow, "web").await;
    let deployment = hollow.get("deployments.apps", "web");
    assert_eq!(
        condition(&deployment, "Available"),
        "True MinimumReplicasAvailable"
    );
    assert_eq!(
        object::annotation(&deployment, "deployment.kubernetes.io/revision"),
        Some("1")
    );
    let sets = hollow.all("replicasets.apps");
    let hash = object::label(&sets[0], "pod-template-hash").unwrap();
    assert_eq!(object::name(&sets[0]), format!("web-{hash}"));
    for pod in hollow.all("pods") {
        assert_eq!(object::label(&pod, "pod-template-hash"), Some(hash));
        assert_eq!(
            object::controller(&pod).unwrap()["name"],
            sets[0]["metadata"]["name"]
        );
    }
    let said = hollow
        .said("ScalingReplicaSet")
        .join("\n")
        .replace(hash, "HASH");
    expect!["Scaled up replica set web-HASH from 0 to 3"].assert_eq(&said);
    assert_eq!(hollow.said("SuccessfulCreate").len(), 3);
    hollow.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_rollout_replaces_pods_within_its_limits_and_can_be_undone() {
    let hollow = Hollow::start();
    let limits = json!({ "replicas": 4, "strategy": { "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 1 } } });
    hollow
        .client
        .create("deployments.apps", workload("web", limits))
        .unwrap();
    until_rolled_out(&hollow, "web").await;
    let first = hollow.names("pods");

    // Every state of the pods that anybody could have seen.
    let from = hollow.cluster.revision();
    hollow.edit("deployments.apps", "web", |it| set_image(it, "shop:2"));
    until_rolled_out(&hollow, "web").await;
    let mut watch = hollow.client.watch("pods", None, from);
    let mut pods = std::collections::BTreeMap::new();
    for name in &first {
        pods.insert(name.clone(), true);
    }
    let last = hollow.cluster.revision();
    hollow
        .client
        .create(
            "configmaps",
            json!({ "metadata": { "name": "end", "namespace": "default" } }),
        )
        .unwrap();
    while let Ok(Ok(event)) = tokio::time::timeout(Duration::from_secs(1), watch.next()).await {
        let pod = &event.object;
        let ready = condition(pod, "Ready").starts_with("True") && !object::is_being_deleted(pod);
        pods.insert(object::name(pod).to_owned(), ready);
        if event.kind == sim_cluster::client::EventKind::Deleted || object::is_being_deleted(pod) {
            pods.remove(object::name(pod));
        }
        let ready = pods.values().filter(|ready| **ready).count();
        assert!(ready >= 3, "only {ready} ready");
        assert!(pods.len() <= 5, "{} pods", pods.len());
        if object::resource_version(pod) >= last {
            break;
        }
    }
    assert!(
        hollow
            .names("pods")
            .iter()
            .all(|name| !first.contains(name))
    );

    // As `kubectl rollout undo` does: the old template again.
    hollow.edit("deployments.apps", "web", |it| set_image(it, "shop:1"));
    until_rolled_out(&hollow, "web").await;
    let mut revisions: Vec<String> = hollow
        .all("replicasets.apps")
        .iter()
        .map(|set| {
            let annotation = |key: &str| {
                object::annotation(set, &format!("deployment.kubernetes.io/{key}"))
                    .unwrap_or("-")
                    .to_owned()
            };
            format!(
                "{} before {} pods {}",
                annotation("revision"),
                annotation("revision-history"),
                set["spec"]["replicas"]
            )
        })
        .collect();
    revisions.sort();
    expect![[r#"
        [
            "2 before - pods 0",
            "3 before 1 pods 4",
        ]
    "#]]
    .assert_debug_eq(&revisions);
    hollow.stop().await;
}

#[tokio::test(start_paused = true)]
async fn recreate_has_no_two_templates_at_once() {
    let hollow = Hollow::start();
    let spec = json!({ "replicas": 2, "strategy": { "type": "Recreate", "rollingUpdate": null } });
    hollow
        .client
        .create("deployments.apps", workload("web", spec))
        .unwrap();
    until_rolled_out(&hollow, "web").await;
    let from = hollow.cluster.revision();
    hollow.edit("deployments.apps", "web", |it| set_image(it, "shop:2"));
    until_rolled_out(&hollow, "web").await;
    let mut watch = hollow.client.watch("pods", None, from);
    let mut old_left = 2;
    while let Ok(Ok(event)) = tokio::time::timeout(Duration::from_secs(1), watch.next()).await {
        let is_old = event.object["spec"]["containers"][0]["image"] == "shop:1";
        if is_old && event.kind == sim_cluster::client::EventKind::Deleted {
            old_left -= 1;
        }
        assert!(
            is_old || old_left == 0,
            "a new pod beside {old_left} old ones"
        );
    }
    hollow.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_rollout_that_does_not_progress_says_so_after_its_deadline() {
    let hollow = Hollow::with(&[], |_| Fate::Running);
    let spec = json!({ "replicas": 1, "progressDeadlineSeconds": 30 });
    hollow
        .client
        .create("deployments.apps", workload("web", spec))
        .unwrap();
    hollow
        .until("deployments.apps", "timed out", |all| {
            all.iter()
                .any(|it| condition(it, "Progressing") == "False ProgressDeadlineExceeded")
        })
        .await;
    let deployment = hollow.get("deployments.apps", "web");
    assert_eq!(
        condition(&deployment, "Available"),
        "False MinimumReplicasUnavailable"
    );
    hollow.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_deployment_is_scaled_but_not_rolled() {
    let hollow = Hollow::start();
    hollow
        .client
        .create(
            "deployments.apps",
            workload("web", json!({ "replicas": 2 })),
        )
        .unwrap();
    until_rolled_out(&hollow, "web").await;
    hollow.edit("deployments.apps", "web", |it| {
        it["spec"]["paused"] = json!(true);
        it["spec"]["replicas"] = json!(3);
        set_image(it, "shop:2");
    });
    hollow
        .until("deployments.apps", "scaled", |all| {
            number(&all[0], "availableReplicas") == 3
        })
        .await;
    hollow.rest().await;
    assert_eq!(hollow.all("replicasets.apps").len(), 1);
    let deployment = hollow.get("deployments.apps", "web");
    assert_eq!(
        condition(&deployment, "Progressing"),
        "Unknown DeploymentPaused"
    );
    hollow.edit("deployments.apps", "web", |it| {
        it["spec"]["paused"] = json!(false)
    });
    until_rolled_out(&hollow, "web").await;
    assert_eq!(hollow.all("replicasets.apps").len(), 2);
    hollow.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_history_is_as_long_as_asked_for() {
    let hollow = Hollow::start();
    let spec = json!({ "replicas": 1, "revisionHistoryLimit": 1 });
    hollow
        .client
        .create("deployments.apps", workload("web", spec))
        .unwrap();
    until_rolled_out(&hollow, "web").await;
    for image in ["shop:2", "shop:3", "shop:4"] {
        hollow.edit("deployments.apps", "web", |it| set_image(it, image));
        until_rolled_out(&hollow, "web").await;
    }
    hollow
        .until("replicasets.apps", "two", |all| all.len() == 2)
        .await;
    hollow.stop().await;
}

#[tokio::test(start_paused = true)]
async fn pods_without_an_owner_are_adopted_and_strangers_released() {
    let hollow = Hollow::start();
    let pod = json!({
        "metadata": { "name": "stray", "namespace": "default", "labels": { "app": "web" } },
        "spec": { "containers": [{ "name": "main", "image": "shop:1" }] },
    });
    hollow.client.create("pods", pod).unwrap();
    hollow
        .client
        .create(
            "replicasets.apps",
            workload("web", json!({ "replicas": 2 })),
        )
        .unwrap();
    hollow
        .until("replicasets.apps", "ready", |all| {
            number(&all[0], "readyReplicas") == 2
        })
        .await;
    assert_eq!(hollow.names("pods").len(), 2);
    assert!(object::controller(&hollow.get("pods", "stray")).is_some());

    hollow.edit("pods", "stray", |pod| {
        pod["metadata"]["labels"]["app"] = json!("other")
    });
    hollow.until("pods", "one more", |all| all.len() == 3).await;
    assert!(object::controller(&hollow.get("pods", "stray")).is_none());
    hollow.stop().await;
}

#[tokio::test(start_paused = true)]
async fn deleting_a_deployment_takes_everything_with_it() {
    let hollow = Hollow::start();
    hollow
        .client
        .create(
            "deployments.apps",
            workload("web", json!({ "replicas": 2 })),
        )
        .unwrap();
    until_rolled_out(&hollow, "web").await;
    hollow
        .client
        .delete("deployments.apps", "default", "web", &Default::default())
        .unwrap();
    hollow
        .until("replicasets.apps", "gone", <[_]>::is_empty)
        .await;
    hollow.until("pods", "gone", <[_]>::is_empty).await;
    hollow.stop().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_when_nothing_changes() {
    let hollow = Hollow::start();
    for name in ["web", "shop"] {
        hollow
            .client
            .create("deployments.apps", workload(name, json!({ "replicas": 3 })))
            .unwrap();
    }
    for name in ["web", "shop"] {
        until_rolled_out(&hollow, name).await;
    }
    hollow.rest().await;
    let before = hollow.cluster.revision();
    hollow.pass(Duration::from_secs(1_800)).await;
    assert_eq!(hollow.cluster.revision(), before);
    hollow.stop().await;
}
