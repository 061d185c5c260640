//! What a platform is started from, in either world.

use std::sync::Arc;

use anyhow::Context;
use sim_services::clock::Clock;
use sim_services::load::Rate;
use sim_services::mesh::{MeshConfig, Platform, PlatformConfig, Tell};
use sim_services::net::Wire;
use sim_services::telemetry::sink::Sink;
use sim_services::topology::Topology;

#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) topology: Arc<Topology>,
    pub(crate) seed: u64,
    /// Instead of the topology's.
    pub(crate) rate: Option<Rate>,
    /// The same rate day and night.
    pub(crate) constant: bool,
}

impl Setup {
    /// In one of the two worlds.
    pub(crate) fn within(
        self,
        wire: Wire,
        clock: Clock,
        sink: Arc<dyn Sink>,
        tell: Tell,
    ) -> PlatformConfig {
        let mesh = MeshConfig {
            topology: self.topology,
            wire,
            clock,
            seed: self.seed,
            sink,
        };
        PlatformConfig {
            mesh,
            rate: self.rate,
            constant: self.constant,
            tell,
        }
    }

    pub(crate) async fn start(
        self,
        wire: Wire,
        clock: Clock,
        sink: Arc<dyn Sink>,
        tell: Tell,
    ) -> anyhow::Result<Platform> {
        Platform::start(self.within(wire, clock, sink, tell))
            .await
            .context("cannot start the platform")
    }
}

/// For a platform without experiments.
pub(crate) fn nobody() -> Tell {
    Arc::new(|_| {})
}
