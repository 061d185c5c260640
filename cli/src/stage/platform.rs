//! The mesh and its clients, started and stopped together.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use sim_services::chaos::runner::Levers;
use sim_services::clock::Clock;
use sim_services::load::{Load, Rate};
use sim_services::mesh::{Mesh, MeshConfig};
use sim_services::net::Wire;
use sim_services::telemetry::sink::Sink;
use sim_services::topology::Topology;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

#[derive(Clone, Debug)]
pub(crate) struct PlatformConfig {
    pub(crate) topology: Arc<Topology>,
    pub(crate) seed: u64,
    /// Instead of the topology's.
    pub(crate) rate: Option<Rate>,
    /// The same rate day and night.
    pub(crate) constant: bool,
}

#[derive(Debug)]
pub(crate) struct Platform {
    pub(crate) mesh: Mesh,
    pub(crate) load: Arc<Load>,
    clients: JoinHandle<()>,
    stop: CancellationToken,
}

impl Platform {
    pub(crate) async fn start(
        config: PlatformConfig,
        wire: Wire,
        clock: Clock,
        sink: Arc<dyn Sink>,
    ) -> anyhow::Result<Platform> {
        let PlatformConfig {
            topology,
            seed,
            rate,
            constant,
        } = config;
        let mesh = Mesh::start(MeshConfig {
            topology: Arc::clone(&topology),
            wire,
            clock,
            seed,
            sink,
        })
        .await
        .context("cannot start the platform")?;
        let mut load = Load::new(
            topology,
            mesh.clients(),
            clock,
            seed,
            mesh.follow(),
            Arc::clone(mesh.meters()),
        );
        if let Some(rate) = rate {
            load = load.with_rate(rate);
        }
        if constant {
            load = load.constant();
        }
        let load = Arc::new(load);
        let stop = CancellationToken::new();
        let clients = tokio::spawn(Arc::clone(&load).run(stop.clone()));
        Ok(Platform {
            mesh,
            load,
            clients,
            stop,
        })
    }

    pub(crate) fn levers(&self) -> Levers {
        Levers {
            conditions: self.mesh.conditions().clone(),
            meters: Arc::clone(self.mesh.meters()),
        }
    }

    /// Resolves when a part ended by itself.
    pub(crate) async fn failed(&mut self) -> anyhow::Error {
        tokio::select! {
            biased;
            why = self.mesh.failed() => anyhow!(why),
            ended = &mut self.clients => match ended {
                Ok(()) => anyhow!("the clients have gone away"),
                Err(error) => anyhow!(error).context("the clients failed"),
            },
        }
    }

    /// Clients first, so that nobody is cut off.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        // A panic among the clients was reported by `failed`, or no longer matters.
        drop(self.clients.await);
        self.mesh.stop().await;
    }
}
