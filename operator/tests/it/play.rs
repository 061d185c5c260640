//! What controllers and kubelets would do, done by hand through the API.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::world::World;

impl World {
    pub(crate) async fn create<K>(&self, object: Value) -> K
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
        K: Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
    {
        let api: Api<K> = self.api();
        let object: K = serde_json::from_value(object).unwrap();
        api.create(&PostParams::default(), &object).await.unwrap()
    }

    /// A Deployment with a ReplicaSet and running pods.
    pub(crate) async fn deployment(&self, name: &str, pods: u32) -> Deployment {
        let deployment = self.bare_deployment(name, pods, json!({})).await;
        for number in 0..pods {
            self.pod_of(&deployment, &format!("{number}"), json!({}))
                .await;
        }
        deployment
    }

    pub(crate) async fn bare_deployment(
        &self,
        name: &str,
        replicas: u32,
        annotations: Value,
    ) -> Deployment {
        let labels = json!({ "app": name });
        let deployment: Deployment = self
            .create(json!({
                "metadata": { "name": name, "annotations": annotations },
                "spec": {
                    "replicas": replicas,
                    "selector": { "matchLabels": labels },
                    "template": {
                        "metadata": { "labels": labels },
                        "spec": { "containers": [container("1.0")] },
                    },
                },
            }))
            .await;
        let uid = deployment.metadata.uid.clone().unwrap();
        let _: ReplicaSet = self
            .create(json!({
                "metadata": {
                    "name": format!("{name}-{HASH}"),
                    "labels": { "app": name, "pod-template-hash": HASH },
                    "ownerReferences": [owner("apps/v1", "Deployment", name, &uid)],
                },
                "spec": {
                    "replicas": replicas,
                    "selector": { "matchLabels": { "app": name, "pod-template-hash": HASH } },
                    "template": {
                        "metadata": { "labels": { "app": name, "pod-template-hash": HASH } },
                        "spec": { "containers": [container("1.0")] },
                    },
                },
            }))
            .await;
        deployment
    }

    /// A running pod of a Deployment.
    pub(crate) async fn pod_of(&self, deployment: &Deployment, id: &str, more: Value) -> Pod {
        let name = deployment.metadata.name.clone().unwrap();
        let set = format!("{name}-{HASH}");
        let sets: Api<ReplicaSet> = self.api();
        let uid = sets.get(&set).await.unwrap().metadata.uid.unwrap();
        let owner = owner("apps/v1", "ReplicaSet", &set, &uid);
        let labels = json!({ "app": name, "pod-template-hash": HASH });
        self.pod(&format!("{set}-{id}"), labels, Some(owner), more)
            .await
    }

    /// A running pod.
    pub(crate) async fn pod(
        &self,
        name: &str,
        labels: Value,
        owner: Option<Value>,
        annotations: Value,
    ) -> Pod {
        let mut pod = json!({
            "metadata": { "name": name, "labels": labels, "annotations": annotations },
            "spec": { "containers": [container("1.0")] },
        });
        if let Some(owner) = owner {
            pod["metadata"]["ownerReferences"] = json!([owner]);
        }
        let _: Pod = self.create(pod).await;
        self.pod_status(
            name,
            json!({
                "phase": "Running",
                "podIP": "127.0.0.9",
                "conditions": [{ "type": "Ready", "status": "True" }],
                "containerStatuses": [{
                    "name": "app", "image": "registry/app:1.0", "imageID": "", "ready": true,
                    "restartCount": 0, "state": { "running": {} },
                }],
            }),
        )
        .await
    }

    pub(crate) async fn pod_status(&self, name: &str, status: Value) -> Pod {
        let pods: Api<Pod> = self.api();
        let patch = Patch::Merge(json!({ "status": status }));
        pods.patch_status(name, &PatchParams::default(), &patch)
            .await
            .unwrap()
    }

    pub(crate) async fn merge<K>(&self, name: &str, patch: Value) -> K
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
        K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
    {
        let api: Api<K> = self.api();
        let patch = Patch::Merge(patch);
        api.patch(name, &PatchParams::default(), &patch)
            .await
            .unwrap()
    }
}

const HASH: &str = "7d4b9c6f5";

fn container(version: &str) -> Value {
    json!({ "name": "app", "image": format!("registry/app:{version}") })
}

pub(crate) fn owner(api_version: &str, kind: &str, name: &str, uid: &str) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind, "name": name, "uid": uid,
        "controller": true, "blockOwnerDeletion": true,
    })
}
