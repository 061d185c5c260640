//! The running platform: every service's replicas, their lives, and what happens to them.
//!
//! [`Mesh::start`] brings up a whole topology on a [`Wire`]; faults come in through
//! [`Mesh::conditions`], requests through [`Mesh::clients`], and [`Mesh::state`] says how it
//! stands. What a replica does with a request is the service's part, how requests travel the net's.

mod autoscaler;
mod batch;
mod consumer;
mod fanout;
mod fleet;
mod grounds;
mod life;
mod maintenance;
mod naming;
mod orders;
mod platform;
pub mod pods;
mod process;
mod record;
mod scaling;
mod settings;
mod start;
mod state;
pub mod virtual_time;
mod windows;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::grounds::Grounds;
use crate::broker::PUBLISH;
use crate::change::Conditions;
use crate::chaos::Levers;
use crate::clock::Clock;
use crate::meter::Meters;
use crate::net::{Caller, Wire};
use crate::telemetry::sink::Sink;
use crate::topology::Topology;

pub use self::platform::{Platform, PlatformConfig, Tell, run};
pub use self::settings::Settings;
pub use self::state::{
    ChangeState, EnvironmentState, MeshState, Phase, ReplicaState, ServiceState,
};

/// What a platform is started with.
pub struct MeshConfig {
    pub topology: Arc<Topology>,
    pub wire: Wire,
    pub clock: Clock,
    /// Of all chance on the platform.
    pub seed: u64,
    /// Where logs and spans go.
    pub sink: Arc<dyn Sink>,
}

impl std::fmt::Debug for MeshConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MeshConfig")
            .field("topology", &self.topology.name)
            .field("wire", &self.wire)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// A platform that runs. When it is dropped, everything ends by and by; [`stop`](Mesh::stop) waits
/// for it.
pub struct Mesh {
    grounds: Arc<Grounds>,
    conditions: watch::Sender<Arc<Conditions>>,
    failure: watch::Receiver<Option<String>>,
    clients: Arc<dyn Caller>,
    /// The fleet, autoscalers, what passes conditions on.
    tasks: JoinSet<()>,
    collectors: JoinSet<()>,
    stop_collectors: CancellationToken,
    _stop_all: [DropGuard; 2],
}

impl std::fmt::Debug for Mesh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mesh")
            .field("topology", &self.grounds.topology.name)
            .field("seed", &self.grounds.seed)
            .finish_non_exhaustive()
    }
}

impl Mesh {
    /// Where changes are published; all parts follow.
    pub fn conditions(&self) -> &watch::Sender<Arc<Conditions>> {
        &self.conditions
    }

    /// For experiments.
    pub fn levers(&self) -> Levers {
        Levers {
            conditions: self.conditions.clone(),
            meters: Arc::clone(&self.grounds.meters),
        }
    }

    /// For a part outside the mesh that follows the conditions, such as the load: its own channel,
    /// so that runs with the same seed stay the same.
    pub fn follow(&self) -> watch::Receiver<Arc<Conditions>> {
        self.grounds.fanout.subscribe()
    }

    pub fn meters(&self) -> &Arc<Meters> {
        &self.grounds.meters
    }

    pub fn topology(&self) -> &Arc<Topology> {
        &self.grounds.topology
    }

    pub fn clock(&self) -> Clock {
        self.grounds.clock
    }

    /// Calls the entry service from its own environment, as if through its load balancer.
    pub fn clients(&self) -> Arc<dyn Caller> {
        Arc::clone(&self.clients)
    }

    /// Where a replica of the entry service listens now; none while all are down.
    pub fn entry_address(&self) -> Option<SocketAddr> {
        let grounds = &self.grounds;
        let members = grounds.net.directory().members(&grounds.topology.entry);
        members.first().map(|listed| listed.member.address)
    }

    /// Why the platform does not run as it should; pending as long as it does. That is no fault of
    /// an experiment but one of the machine or of this program.
    pub async fn failed(&self) -> String {
        let mut failure = self.failure.clone();
        match failure.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            // Nobody is left who could say so.
            Err(_) => std::future::pending().await,
        }
    }

    pub fn state(&self) -> MeshState {
        let grounds = &self.grounds;
        let services = grounds.topology.services.iter().map(|(name, spec)| {
            let state = ServiceState {
                environment: spec.environment.clone(),
                version: spec.version.clone(),
                replicas: grounds.board.replicas(name),
            };
            (name.clone(), state)
        });
        let now = grounds.clock.now();
        let environments = grounds.topology.environments.iter();
        MeshState {
            environments: environments
                .map(|(name, spec)| (name.clone(), EnvironmentState::of(spec, now)))
                .collect(),
            topology: grounds.topology.name.clone(),
            seed: grounds.seed,
            at: now.to_string(),
            services: services.collect(),
            queues: grounds
                .queues
                .values()
                .flat_map(|queues| queues.depths())
                .collect(),
            changes: state::changes(&self.conditions.borrow()),
        }
    }

    /// Every Api of the topology as `(environment, service, operation)`: `GET /cart/{id}`,
    /// `RPC shop.catalog.Catalog/GetProduct`, `CONSUME order-events`.
    ///
    /// Consumers are seen by their spans alone, so those that export none are left out.
    pub fn apis(&self) -> Vec<(String, String, String)> {
        apis(&self.grounds.topology)
    }
}

fn apis(topology: &Topology) -> Vec<(String, String, String)> {
    let mut apis = Vec::new();
    for (name, spec) in &topology.services {
        let mut add = |operation: String| {
            apis.push((spec.environment.clone(), name.clone(), operation));
        };
        for route in spec.routes.keys() {
            add(match spec.protocol {
                crate::topology::Protocol::Grpc => format!("RPC {route}"),
                _ => route.clone(),
            });
        }
        if spec.tracing.exports_spans {
            for queue in spec.consumes.keys() {
                add(format!("CONSUME {queue}"));
            }
        }
        if topology.queues.values().any(|queue| queue.broker == *name) {
            add(PUBLISH.to_owned());
            add(crate::broker::TAKE.to_owned());
        }
    }
    apis
}
