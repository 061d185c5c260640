//! The whole platform, in virtual time and over TCP.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a panic is a failed test"
)]

mod conditions;
mod deployments;
mod live;
mod manifests;
mod platform;
mod pods;
mod scaling;
mod shop;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sim_services::change::{Active, Change, Conditions, Target, Touch};
use sim_services::clock::{Clock, Moment};
use sim_services::load::{Load, Rate};
use sim_services::mesh::virtual_time::run_virtual;
use sim_services::mesh::{Mesh, MeshConfig, ReplicaState};
use sim_services::meter::Reading;
use sim_services::net::Wire;
use sim_services::telemetry::Export;
use sim_services::telemetry::sink::{Memory, Sink};
use sim_services::topology::Topology;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// A Tuesday at noon, UTC.
const NOON: Moment = Moment(1_700_568_000_000_000_000);

const SECOND: Duration = Duration::from_secs(1);

/// A mesh with load on it.
struct Platform {
    mesh: Mesh,
    sink: Arc<Memory>,
    stop_load: CancellationToken,
    load: JoinHandle<()>,
    changes: AtomicU64,
}

/// Runs a test of a platform, in virtual time.
fn in_virtual_time<T>(make: impl AsyncFnOnce(Clock) -> T) -> T {
    run_virtual(NOON, make).unwrap()
}

impl Platform {
    async fn start(topology: Topology, wire: Wire, clock: Clock, rate: Rate) -> Platform {
        const SEED: u64 = 7;
        let sink = Arc::new(Memory::default());
        let mesh = Mesh::start(MeshConfig {
            topology: Arc::new(topology),
            wire,
            clock,
            seed: SEED,
            sink: Arc::clone(&sink) as Arc<dyn Sink>,
        })
        .await
        .unwrap();
        let load = Load::new(
            Arc::clone(mesh.topology()),
            mesh.clients(),
            clock,
            SEED,
            mesh.follow(),
            Arc::clone(mesh.meters()),
        );
        let stop_load = CancellationToken::new();
        let load = Arc::new(load.with_rate(rate).constant());
        Platform {
            mesh,
            sink,
            load: tokio::spawn(load.run(stop_load.clone())),
            stop_load,
            changes: AtomicU64::new(0),
        }
    }

    async fn shop(clock: Clock, journeys_per_second: f64) -> Platform {
        let rate = Rate::Journeys(journeys_per_second);
        Platform::start(Topology::shop(), Wire::memory(), clock, rate).await
    }

    /// What happens in this time.
    async fn after(&self, length: Duration) -> Reading {
        let before = self.mesh.meters().read();
        sleep(length).await;
        self.mesh.meters().read().since(&before)
    }

    /// Only this is different from now on.
    fn change(&self, change: Change, target: Target) -> Arc<Touch> {
        let active = Active {
            id: self.changes.fetch_add(1, Ordering::Relaxed) + 1,
            target,
            change,
            touch: Arc::default(),
        };
        let touch = Arc::clone(&active.touch);
        self.publish(vec![active]);
        touch
    }

    fn all_is_well(&self) {
        self.publish(Vec::new());
    }

    fn publish(&self, active: Vec<Active>) {
        let conditions = self.mesh.conditions();
        conditions.send_replace(Arc::new(Conditions(active)));
    }

    fn replicas(&self, service: &str) -> Vec<ReplicaState> {
        self.mesh.state().services[service].replicas.clone()
    }

    /// Clients go home; what they began is finished.
    async fn quiet(&self) {
        self.stop_load.cancel();
        sleep(10 * SECOND).await;
    }

    /// All that was said.
    async fn stop(self) -> Vec<Export> {
        self.stop_load.cancel();
        self.load.await.unwrap();
        self.mesh.stop().await;
        self.sink.take().into_iter().flatten().collect()
    }
}

fn service(name: &str) -> Target {
    Target {
        service: Some(name.to_owned()),
        ..Target::default()
    }
}
