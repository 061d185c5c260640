//! Metadata in, decisions with reasons out.

mod decision;
mod environment;
mod explain;
mod hints;
mod hostile;
mod identity;

use std::collections::BTreeMap;

use operator_meta::facts::{
    ClusterFacts, ContainerFacts, NamespaceFacts, NodeFacts, OwnerFacts, Phase, PodFacts, Subject,
    WorkloadFacts,
};
use operator_meta::owner::WorkloadKind;

/// A pod of a Deployment, with everything around it.
#[derive(Clone, Debug)]
struct World {
    pod: PodFacts,
    workload: Option<WorkloadFacts>,
    namespace: Option<NamespaceFacts>,
    node: Option<NodeFacts>,
    cluster: ClusterFacts,
}

impl World {
    fn new() -> World {
        World {
            pod: PodFacts {
                namespace: "shop".to_owned(),
                name: "cart-7d4b9c6f5-x2x9k".to_owned(),
                uid: "0a1b".to_owned(),
                labels: pairs(&[("pod-template-hash", "7d4b9c6f5")]),
                controller: Some(OwnerFacts {
                    api_version: "apps/v1".to_owned(),
                    kind: "ReplicaSet".to_owned(),
                    name: "cart-7d4b9c6f5".to_owned(),
                    uid: "77".to_owned(),
                }),
                node: Some("worker-1".to_owned()),
                ip: Some("10.1.2.3".to_owned()),
                start_time: Some("2026-11-21T18:00:00Z".to_owned()),
                phase: Phase::Running,
                containers: vec![ContainerFacts {
                    name: "web".to_owned(),
                    image: "registry:5000/shop/cart:1.4".to_owned(),
                    id: "c0ffee".to_owned(),
                }],
                ..PodFacts::default()
            },
            workload: Some(WorkloadFacts {
                kind: WorkloadKind::Deployment,
                name: "cart".to_owned(),
                uid: "33".to_owned(),
                labels: BTreeMap::new(),
                annotations: BTreeMap::new(),
            }),
            namespace: Some(NamespaceFacts {
                name: "shop".to_owned(),
                ..NamespaceFacts::default()
            }),
            node: Some(NodeFacts {
                name: "worker-1".to_owned(),
                uid: "55".to_owned(),
                ..NodeFacts::default()
            }),
            cluster: ClusterFacts::default(),
        }
    }

    fn pod_annotation(mut self, key: &str, value: &str) -> World {
        self.pod
            .annotations
            .insert(key.to_owned(), value.to_owned());
        self
    }

    fn pod_label(mut self, key: &str, value: &str) -> World {
        self.pod.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    fn workload_annotation(mut self, key: &str, value: &str) -> World {
        let workload = self.workload.as_mut().expect("a world has a workload");
        workload
            .annotations
            .insert(key.to_owned(), value.to_owned());
        self
    }

    fn namespace_label(mut self, key: &str, value: &str) -> World {
        let namespace = self.namespace.as_mut().expect("a world has a namespace");
        namespace.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    fn node_label(mut self, key: &str, value: &str) -> World {
        let node = self.node.as_mut().expect("a world has a node");
        node.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    fn provider(mut self, id: &str) -> World {
        self.node.as_mut().expect("a world has a node").provider_id = Some(id.to_owned());
        self
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            pod: &self.pod,
            workload: self.workload.as_ref(),
            namespace: self.namespace.as_ref(),
            node: self.node.as_ref(),
            cluster: &self.cluster,
        }
    }
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}
