//! The controllers of the cluster, and the scheduler: what turns wishes into objects.
//!
//! Started once for a cluster by who runs it. They work through the API like anybody else, decide
//! by pure functions from a picture of the cluster, and share one task (see [`Tally`] for what they
//! wrote). Running containers is the kubelet's affair.

mod adopt;
mod deployment;
mod endpoints;
mod follow;
mod garbage;
mod manager;
pub(crate) mod plan;
pub(crate) mod pod;
pub(crate) mod queue;
mod record;
mod replicaset;
mod resources;
pub(crate) mod selector;
pub(crate) mod world;

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use manager::Manager;
pub use manager::Tally;
pub(crate) use manager::{Controller, View};

use crate::client::Cluster;

/// One controller, to be switched on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Deployment,
    ReplicaSet,
    Endpoints,
    Garbage,
    Scheduler,
}

impl Part {
    pub const ALL: &[Part] = &[
        Part::Deployment,
        Part::ReplicaSet,
        Part::Endpoints,
        Part::Garbage,
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

    fn controller(self, _settings: &Settings) -> Box<dyn Controller> {
        match self {
            Part::Deployment => Box::new(deployment::Deployments),
            Part::ReplicaSet => Box::new(replicaset::ReplicaSets),
            Part::Endpoints => Box::new(endpoints::Endpoints),
            Part::Garbage => Box::new(garbage::Garbage),
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
