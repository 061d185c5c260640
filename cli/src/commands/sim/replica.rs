//! `crosswatch sim replica`: what a container of the mesh runs.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use monitor::config::ConfigError;
use monitor::signals::StopSignals;
use sim_services::clock::Clock;
use sim_services::mesh::pods::{self, Exit, Health, Out, Peer, ReplicaConfig, resource_attributes};
use sim_services::random::length;
use sim_services::telemetry::sink::{Otlp, OtlpOptions, Sink};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::commands::chaos;
use crate::terminal;

/// As the kernel's end is seen from outside: 128 and SIGKILL.
const KILLED: u8 = 137;

/// Run one replica of one service of the simulated platform: what a container of it runs.
///
/// Its log goes to standard output as its service writes it, its spans by OTLP to
/// OTEL_EXPORTER_OTLP_ENDPOINT when that is set, with OTEL_RESOURCE_ATTRIBUTES. Databases, caches
/// and queues are inside: each replica has its own share. SIGTERM lets it finish; when an experiment
/// fills its memory it exits with 137.
#[derive(Args, Debug)]
pub(super) struct Command {
    /// Which of the topology's services it is.
    #[arg(long, value_name = "NAME")]
    service: String,

    /// Where it serves.
    #[arg(long, value_name = "ADDRESS")]
    listen: SocketAddr,

    /// Where /livez, /healthz and /readyz are. [default: nowhere]
    #[arg(long, value_name = "ADDRESS")]
    health: Option<SocketAddr>,

    /// Its pod's name; two replicas must not have the same.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pod: String,

    /// Where a service is that it calls, such as `orders=http://orders.shop:8080`; one for each.
    /// The name is looked up again and again.
    #[arg(long = "peer", value_name = "SERVICE=URL")]
    peers: Vec<Peer>,

    /// Where `crosswatch sim control` is. Without it, or while it is away, the replica serves as on
    /// any day.
    #[arg(long, value_name = "URL")]
    control: Option<url::Url>,

    /// The platform, as a file. [default: the shipped shop]
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,

    /// The platform's: the same for all its processes.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,

    /// How long it waits for its control before it serves without.
    #[arg(long, default_value = "3s", value_parser = length::parse, value_name = "LENGTH")]
    patience: Duration,

    /// How long experiments stay on when the control is gone.
    #[arg(long, default_value = "10s", value_parser = length::parse, value_name = "LENGTH")]
    forget: Duration,

    /// How long it serves on when it is told to stop, until nobody is sent to it any more.
    #[arg(long, default_value = "1s", value_parser = length::parse, value_name = "LENGTH")]
    linger: Duration,

    /// Where spans are sent, as OTLP over HTTP. [default: nowhere]
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    otlp: Option<String>,

    /// What its spans say of it, beside name, namespace and version of the service.
    #[arg(
        long,
        env = "OTEL_RESOURCE_ATTRIBUTES",
        default_value = "",
        value_name = "KEY=VALUE,…"
    )]
    attributes: String,

    /// The token that the receiver of spans asks for.
    #[arg(
        long,
        env = "CROSSWATCH_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    token: Option<String>,
}

impl Command {
    fn otlp(&self) -> anyhow::Result<Option<Arc<Otlp>>> {
        let Some(url) = self.otlp.as_deref().filter(|url| !url.is_empty()) else {
            return Ok(None);
        };
        let resource = resource_attributes(&self.attributes);
        let options = OtlpOptions {
            gzip: true,
            token: self.token.clone(),
            resource: (!resource.is_empty()).then_some(resource),
        };
        let otlp = Otlp::new(url, options)
            .map_err(|error| ConfigError(format!("OTEL_EXPORTER_OTLP_ENDPOINT: {error}")))?;
        Ok(Some(Arc::new(otlp)))
    }
}

pub(super) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let topology = chaos::topology(command.topology.as_deref())?;
    let otlp = command.otlp()?;
    terminal::small_runtime()?.block_on(async {
        let mut signals = StopSignals::listen()?;
        let stop = CancellationToken::new();
        let (health, seen) = watch::channel(Health::default());
        let asked = stop.clone();
        let waiting = tokio::spawn(async move {
            signals.asked_to_stop().await;
            asked.cancel();
        });
        let probes = match command.health {
            None => None,
            Some(address) => {
                let listener = tokio::net::TcpListener::bind(address)
                    .await
                    .with_context(|| format!("cannot listen on {address} for --health"))?;
                let serving = axum::serve(listener, pods::health(seen));
                Some(tokio::spawn(serving.into_future()))
            }
        };
        let (out, spans) = Out::new(io::stdout(), otlp);
        let out = Arc::new(out);
        let config = ReplicaConfig {
            topology,
            service: command.service.clone(),
            pod: command.pod.clone(),
            listen: command.listen,
            peers: command.peers.clone(),
            control: command.control.clone(),
            clock: Clock::wall().await,
            seed: command.seed,
            sink: Arc::clone(&out) as Arc<dyn Sink>,
            patience: command.patience,
            forget: command.forget,
            linger: command.linger,
            health,
        };
        let spans = tokio::spawn(spans);
        let exit = pods::run(config, stop).await;
        waiting.abort();
        if let Some(probes) = probes {
            probes.abort();
        }
        if out.lost() > 0 {
            anstream::eprintln!(
                "{} lines and spans were lost for want of a reader",
                out.lost()
            );
        }
        // The last spans are still on their way.
        drop(out);
        spans.await.context("the spans")?;
        Ok(match exit? {
            Exit::Stopped => ExitCode::SUCCESS,
            Exit::OutOfMemory => ExitCode::from(KILLED),
        })
    })
}
