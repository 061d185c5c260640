//! The controllers of the cluster, and the scheduler: what turns wishes into objects.
//!
//! Started once for a cluster by who runs it. They work through the API like anybody else, decide
//! by pure functions from a picture of the cluster, and share one task (see [`Tally`] for what they
//! wrote). Running containers is the kubelet's affair.

mod adopt;
mod cronjob;
mod daemonset;
mod deployment;
mod disruption;
mod endpoints;
mod expiry;
mod follow;
mod garbage;
mod history;
mod job;
mod manager;
mod namespace;
mod node;
pub(crate) mod plan;
pub(crate) mod pod;
pub(crate) mod queue;
mod record;
mod replicaset;
mod resources;
pub(crate) mod selector;
mod statefulset;
mod volume;
pub(crate) mod world;

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

pub use disruption::evict;
use manager::Manager;
pub use manager::Tally;
pub(crate) use manager::{Controller, View};

use crate::client::Cluster;

/// One controller, to be switched on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Deployment,
    ReplicaSet,
    StatefulSet,
    DaemonSet,
    Job,
    CronJob,
    Endpoints,
    /// The status of PodDisruptionBudgets.
    Disruption,
    /// Claims and the volumes that they get.
    Volumes,
    /// Empties namespaces that go.
    Namespaces,
    /// The service account and root certificate of each namespace.
    Furniture,
    /// Nodes that fall silent, their taints, and pods that have to leave.
    Nodes,
    Garbage,
    /// Deletes Events after an hour.
    EventExpiry,
    Scheduler,
}

impl Part {
    pub const ALL: &[Part] = &[
        Part::Deployment,
        Part::ReplicaSet,
        Part::StatefulSet,
        Part::DaemonSet,
        Part::Job,
        Part::CronJob,
        Part::Endpoints,
        Part::Disruption,
        Part::Volumes,
        Part::Namespaces,
        Part::Furniture,
        Part::Nodes,
        Part::Garbage,
        Part::EventExpiry,
        Part::Scheduler,
    ];

    /// All but these.
    pub fn without(parts: &[Part]) -> BTreeSet<Part> {
        Part::ALL
            .iter()
            .copied()
            .filter(|part| !parts.contains(part))
            .collect()
    }

    fn controller(self, settings: &Settings) -> Box<dyn Controller> {
        match self {
            Part::Deployment => Box::new(deployment::Deployments),
            Part::ReplicaSet => Box::new(replicaset::ReplicaSets),
            Part::StatefulSet => Box::new(statefulset::StatefulSets),
            Part::DaemonSet => Box::new(daemonset::DaemonSets),
            Part::Job => Box::new(job::Jobs),
            Part::CronJob => Box::new(cronjob::CronJobs),
            Part::Endpoints => Box::new(endpoints::Endpoints),
            Part::Disruption => Box::new(disruption::Disruption),
            Part::Volumes => Box::new(volume::Volumes),
            Part::Namespaces => Box::new(namespace::Namespaces),
            Part::Furniture => Box::new(namespace::Furniture {
                root_certificate: settings.root_certificate.clone(),
            }),
            Part::Nodes => Box::new(node::Nodes),
            Part::Garbage => Box::<garbage::Garbage>::default(),
            Part::EventExpiry => Box::new(expiry::Expiry),
            Part::Scheduler => Box::<crate::scheduler::Scheduler>::default(),
        }
    }
}

/// What to run, and with what.
#[derive(Clone, Debug)]
pub struct Settings {
    pub parts: BTreeSet<Part>,
    /// In PEM; given to every namespace as the ConfigMap `kube-root-ca.crt`.
    pub root_certificate: String,
}

/// Runs controllers until told to stop, and gives what they wrote. Time is the cluster's.
///
/// Of one cluster, only one such future may run with the same part: they do not elect a leader.
pub async fn run(cluster: Cluster, settings: Settings, stop: CancellationToken) -> Tally {
    let controllers = settings
        .parts
        .iter()
        .map(|part| part.controller(&settings))
        .collect();
    Manager::new(cluster, controllers).run(stop).await
}
