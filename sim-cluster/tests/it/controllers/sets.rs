//! StatefulSets and DaemonSets.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use serde_json::{Value, json};
use sim_cluster::object;

use super::{number, set_image, workload};
use crate::hollow::{Hollow, node};

fn updated(set: &Value) -> bool {
    let wanted = set["spec"]["replicas"].as_u64().unwrap();
    let status = &set["status"];
    status["observedGeneration"] == set["metadata"]["generation"]
        && status["currentRevision"] == status["updateRevision"]
        && number(set, "readyReplicas") == wanted
        && number(set, "replicas") == wanted
        && number(set, "updatedReplicas") == wanted
}

async fn until_updated(hollow: &Hollow) {
    hollow
        .until("statefulsets.apps", "updated", |all| {
            all.iter().all(|set| updated(set))
        })
        .await;
}

fn images(hollow: &Hollow) -> Vec<String> {
    hollow
        .all("pods")
        .iter()
        .map(|pod| {
            let image = object::text(&pod["spec"]["containers"][0], &["image"]);
            format!("{} {image}", object::name(pod))
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_stateful_set_starts_in_order_and_gives_each_pod_its_volume() {
    let hollow = Hollow::start();
    let spec = json!({
        "replicas": 3, "serviceName": "db",
        "volumeClaimTemplates": [{
            "metadata": { "name": "data" },
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": { "requests": { "storage": "1Gi" } },
            },
        }],
    });
    hollow
        .client
        .create("statefulsets.apps", workload("db", spec))
        .unwrap();
    until_updated(&hollow).await;
    assert_eq!(hollow.names("pods"), ["db-0", "db-1", "db-2"]);
    let ready_before_created = |before: &str, after: &str| {
        let version = |name: &str| object::resource_version(&hollow.get("pods", name));
        version(before) < version(after)
    };
    assert!(ready_before_created("db-0", "db-1") && ready_before_created("db-1", "db-2"));
    let pod = hollow.get("pods", "db-1");
    assert_eq!(pod["spec"]["hostname"], "db-1");
    assert_eq!(pod["spec"]["subdomain"], "db");
    assert_eq!(
        pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"],
        "data-db-1"
    );
    for claim in hollow.all("persistentvolumeclaims") {
        assert_eq!(claim["status"]["phase"], "Bound", "{claim}");
    }
    assert!(
        hollow
            .all("persistentvolumes")
            .iter()
            .all(|it| it["status"]["phase"] == "Bound")
    );

    hollow.edit("statefulsets.apps", "db", |set| {
        set["spec"]["replicas"] = json!(1)
    });
    hollow.until("pods", "one", |all| all.len() == 1).await;
    assert_eq!(hollow.names("pods"), ["db-0"]);
    assert_eq!(hollow.names("persistentvolumeclaims").len(), 3);

    hollow
        .client
        .delete(
            "persistentvolumeclaims",
            "default",
            "data-db-2",
            &Default::default(),
        )
        .unwrap();
    hollow
        .until("persistentvolumes", "one less", |all| all.len() == 2)
        .await;
    hollow.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_update_goes_down_to_the_partition_and_no_further() {
    let hollow = Hollow::start();
    hollow
        .client
        .create(
            "statefulsets.apps",
            workload("db", json!({ "replicas": 3 })),
        )
        .unwrap();
    until_updated(&hollow).await;
    hollow.edit("statefulsets.apps", "db", |set| {
        set_image(set, "shop:2");
        set["spec"]["updateStrategy"] =
            json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 2 } });
    });
    hollow
        .until("statefulsets.apps", "one updated", |all| {
            number(&all[0], "updatedReplicas") == 1 && number(&all[0], "readyReplicas") == 3
        })
        .await;
    hollow.rest().await;
    assert_eq!(
        images(&hollow),
        ["db-0 shop:1", "db-1 shop:1", "db-2 shop:2"]
    );
    // A lost pod below the partition comes back as it was.
    hollow
        .client
        .delete("pods", "default", "db-0", &Default::default())
        .unwrap();
    hollow.rest().await;
    assert_eq!(
        images(&hollow),
        ["db-0 shop:1", "db-1 shop:1", "db-2 shop:2"]
    );

    hollow.edit("statefulsets.apps", "db", |set| {
        set["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = json!(0);
    });
    until_updated(&hollow).await;
    assert_eq!(
        images(&hollow),
        ["db-0 shop:2", "db-1 shop:2", "db-2 shop:2"]
    );
    assert_eq!(hollow.all("controllerrevisions.apps").len(), 2);
    hollow.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_runs_on_each_node_that_takes_it() {
    let hollow = Hollow::start();
    let mut kept = node("d");
    kept["spec"] =
        json!({ "taints": [{ "key": "dedicated", "value": "db", "effect": "NoSchedule" }] });
    hollow.client.create("nodes", kept).unwrap();
    hollow
        .client
        .create("daemonsets.apps", workload("agent", json!({})))
        .unwrap();
    let is_ready = |wanted: u64| {
        move |all: &[std::sync::Arc<Value>]| {
            number(&all[0], "numberAvailable") == wanted
                && number(&all[0], "desiredNumberScheduled") == wanted
                && number(&all[0], "updatedNumberScheduled") == wanted
                && all[0]["status"]["observedGeneration"] == all[0]["metadata"]["generation"]
        }
    };
    hollow.until("daemonsets.apps", "three", is_ready(3)).await;
    let nodes = || {
        let mut nodes: Vec<String> = hollow
            .all("pods")
            .iter()
            .map(|pod| object::text(pod, &["spec", "nodeName"]).to_owned())
            .collect();
        nodes.sort();
        nodes
    };
    assert_eq!(nodes(), ["a", "b", "c"]);

    hollow.client.create("nodes", node("e")).unwrap();
    hollow.until("daemonsets.apps", "four", is_ready(4)).await;
    hollow.edit("daemonsets.apps", "agent", |set| set_image(set, "shop:2"));
    hollow
        .until("daemonsets.apps", "updated", is_ready(4))
        .await;
    assert!(
        images(&hollow)
            .iter()
            .all(|image| image.ends_with("shop:2"))
    );
    assert_eq!(nodes(), ["a", "b", "c", "e"]);

    hollow.edit("daemonsets.apps", "agent", |set| {
        set["spec"]["template"]["spec"]["nodeSelector"] = json!({ "kubernetes.io/hostname": "b" });
    });
    hollow.until("daemonsets.apps", "one", is_ready(1)).await;
    assert_eq!(nodes(), ["b"]);
    hollow.stop().await;
}
