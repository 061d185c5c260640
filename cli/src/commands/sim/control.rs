//! `crosswatch sim control`: the clients and the experiments of a mesh of pods.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use monitor::signals::StopSignals;
use sim_services::clock::Clock;
use sim_services::load::Rate;
use sim_services::mesh::pods::{Control, ControlConfig, Peer};
use tokio_util::sync::CancellationToken;

use crate::commands::chaos;
use crate::terminal;

/// Run what a platform of `crosswatch sim replica` has once: clients, experiments, the admin API.
///
/// Its address asks nobody who they are; within a cluster a NetworkPolicy says who may call it.
#[derive(Args, Debug)]
pub(super) struct Command {
    /// The admin API, and what replicas follow.
    #[arg(long, default_value = "127.0.0.1:7070", value_name = "ADDRESS")]
    listen: SocketAddr,

    /// Where the service is that clients call, such as `edge=http://edge.shop:8080`. Without it
    /// there are no clients.
    #[arg(long, value_name = "SERVICE=URL")]
    entry: Option<Peer>,

    /// The platform, as a file. [default: the shipped shop]
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,

    /// Requests a second through the entry, on average. [default: the topology's]
    #[arg(long, value_name = "NUMBER")]
    requests_per_second: Option<f64>,

    /// The same load day and night.
    #[arg(long)]
    constant: bool,

    /// The platform's: the same for all its processes.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    let topology = chaos::topology(command.topology.as_deref())?;
    terminal::small_runtime()?.block_on(async {
        let mut signals = StopSignals::listen()?;
        let listener = tokio::net::TcpListener::bind(command.listen)
            .await
            .with_context(|| format!("cannot listen on {}", command.listen))?;
        let control = Control::start(ControlConfig {
            topology,
            clock: Clock::wall().await,
            seed: command.seed,
            entry: command.entry.clone(),
            rate: command.requests_per_second.map(Rate::Requests),
            constant: command.constant,
            tell: Arc::new(super::announce),
        });
        anstream::eprintln!("admin at http://{}/", listener.local_addr()?);
        let stop = CancellationToken::new();
        let serving = axum::serve(listener, control.router())
            .with_graceful_shutdown(stop.clone().cancelled_owned());
        let serving = tokio::spawn(serving.into_future());
        signals.asked_to_stop().await;
        // First the streams end, then whoever serves them can.
        control.stop().await;
        stop.cancel();
        serving.await.context("the admin address")??;
        Ok(())
    })
}
