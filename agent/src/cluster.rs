//! What the cluster says of the pods on this node.
//!
//! [`index`] is the state: changes in, an immutable [`Snapshot`] out. [`watch`] feeds it from the
//! API server. [`pods`] answers the follower: whose a log is, whether to wait, whether to read.

pub mod index;
pub mod pods;
pub mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use operator_meta::facts::{
    ClusterFacts, NamespaceFacts, NodeFacts, PodFacts, Subject, WorkloadFacts,
};

/// Everything known of one pod.
#[derive(Clone, Debug, PartialEq)]
pub struct PodContext {
    pub pod: Arc<PodFacts>,
    pub namespace: Option<Arc<NamespaceFacts>>,
    pub workload: Option<Arc<WorkloadFacts>>,
    pub node: Option<Arc<NodeFacts>>,
    pub cluster: Arc<ClusterFacts>,
    /// Nothing more is expected: what is missing does not exist.
    pub complete: bool,
}

impl PodContext {
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            pod: &self.pod,
            workload: self.workload.as_deref(),
            namespace: self.namespace.as_deref(),
            node: self.node.as_deref(),
            cluster: &self.cluster,
        }
    }
}

/// The node's pods at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// By the uid that the pods' folders have. An entry is the same `Arc` as long as nothing about
    /// the pod has changed.
    pub pods: BTreeMap<String, Arc<PodContext>>,
    /// For pods that are not known.
    pub node: Option<Arc<NodeFacts>>,
    pub cluster: Arc<ClusterFacts>,
    /// The API server has answered everything at least once.
    pub synced: bool,
}
