//! The whole platform, in virtual time and over TCP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sim_services::change::{Active, Change, Conditions, Target, Touch};
use sim_services::clock::{Clock, Moment};
use sim_services::load::{Load, Rate};
use sim_services::mesh::virtual_time::run_virtual;
use sim_services::mesh::{Mesh, MeshConfig, Phase, ReplicaState};
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

/// A mesh with load on it.
struct Platform {
    mesh: Mesh,
    sink: Arc<Memory>,
    stop_load: CancellationToken,
    load: JoinHandle<()>,
}

impl Platform {
    async fn start(topology: Topology, clock: Clock, seed: u64, rate: Rate) -> Platform {
        let sink = Arc::new(Memory::default());
        let mesh = Mesh::start(MeshConfig {
            topology: Arc::new(topology),
            wire: Wire::memory(),
            clock,
            seed,
            sink: Arc::clone(&sink) as Arc<dyn Sink>,
        })
        .await
        .unwrap();
        let load = Load::new(
            Arc::clone(mesh.topology()),
            mesh.clients(),
            clock,
            seed,
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
        }
    }

    /// What happened in this time.
    async fn after(&self, length: Duration) -> Reading {
        let before = self.mesh.meters().read();
        sleep(length).await;
        self.mesh.meters().read().since(&before)
    }

    async fn stop(self) -> Vec<Export> {
        self.stop_load.cancel();
        self.load.await.unwrap();
        self.mesh.stop().await;
        self.sink.take().into_iter().flatten().collect()
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_shop_serves_a_minute_of_customers() {
    let exports = run_virtual(NOON, |clock| async move {
        let rate = Rate::Journeys(20.0);
        let platform = Platform::start(Topology::shop(), clock, 1, rate).await;
        let did = platform.after(60 * SECOND).await;
        for name in platform.mesh.topology().services.keys() {
            let counts = did.service(name);
            eprintln!(
                "{name}: {} requests {} failed, mean {:.2} ms, consumed {}",
                counts.requests,
                counts.failed,
                counts.duration_ns as f64 / 1e6 / counts.requests as f64,
                counts.consumed
            );
        }
        eprintln!("{:?}", did.load);
        platform.stop().await
    })
    .unwrap();
    eprintln!(
        "{} exports {}",
        exports.len(),
        exports.iter().map(|e| e.lines.len()).sum::<usize>()
    );
}
