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
mod naming;
mod orders;
mod process;
mod scaling;
mod state;
pub mod virtual_time;
mod windows;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::fanout::Fanout;
use self::fleet::Fleet;
use self::grounds::Grounds;
use self::state::Board;
use crate::broker::{PUBLISH, Queues};
use crate::change::Conditions;
use crate::clock::Clock;
use crate::meter::Meters;
use crate::net::{Caller, Net, Wire};
use crate::service::Stores;
use crate::telemetry::collector::Collector;
use crate::telemetry::sink::Sink;
use crate::topology::Topology;

pub use self::state::{ChangeState, MeshState, Phase, ReplicaState, ServiceState};

/// Lines and spans that wait in an environment's collector at most.
const COLLECTED: usize = 65_536;
/// Connections of all clients together to the entry service.
const CLIENT_CONNECTIONS: u32 = 8_192;

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
#[derive(Debug)]
pub struct Mesh {
    grounds: Arc<Grounds>,
    conditions: watch::Sender<Arc<Conditions>>,
    failure: watch::Receiver<Option<String>>,
    clients: Arc<dyn Caller>,
    /// The fleet, autoscalers, batches.
    tasks: JoinSet<()>,
    collectors: JoinSet<()>,
    stop_collectors: CancellationToken,
    _stop_all: [DropGuard; 2],
}
