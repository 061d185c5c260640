//! `crosswatch sim`: the simulated platform alone, for any monitor.

mod control;
mod manifests;
mod replica;

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use monitor::config::ConfigError;
use monitor::signals::StopSignals;
use owo_colors::OwoColorize;
use sim_services::chaos::Happening;
use sim_services::chaos::plan::Plan;
use sim_services::clock::Clock;
use sim_services::load::{Rate, Summary};
use sim_services::mesh::Platform;
use sim_services::mesh::virtual_time::run_virtual;
use sim_services::net::Wire;
use sim_services::random::length;
use sim_services::telemetry::sink::{Folder, Otlp, OtlpOptions, Sink, Tee};
use sim_services::truth::Timeline;
use tokio_util::sync::CancellationToken;

use super::chaos;
use crate::stage::live::free_or_any;
use crate::stage::platform::Setup;
use crate::terminal;

/// Run the simulated platform alone: sixteen services in three environments, with their clients.
///
/// Its logs and spans go to any OTLP receiver, to a folder, or nowhere; faults are put in through
/// its admin address. Everything stays on loopback and in this process.
///
/// Examples:
///   crosswatch sim                                    # to a monitor on 127.0.0.1:4318
///   crosswatch sim --otlp http://127.0.0.1:4318 --experiment ledger-database-slow
///   crosswatch sim --record recording --for 10m --fast
///   curl -X POST --data-binary @chaos/partition.yaml http://127.0.0.1:7070/experiments
///   crosswatch sim manifests --output mesh            # the same as pods of Kubernetes
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, args_conflicts_with_subcommands = true)]
pub(crate) struct Command {
    /// The same platform as containers of Kubernetes.
    #[command(subcommand)]
    part: Option<Part>,

    /// The platform, as a file. [default: the shipped shop]
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,

    /// Where logs and spans are sent, as OTLP over HTTP. [default: http://127.0.0.1:4318, unless
    /// they are recorded]
    #[arg(long, value_name = "URL")]
    otlp: Option<String>,

    /// The token that the receiver asks for.
    #[arg(
        long,
        env = "CROSSWATCH_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    token: Option<String>,

    /// Write logs, spans and the truth into this folder, for `crosswatch replay`.
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,

    /// Requests a second through the edge, on average. [default: the topology's]
    #[arg(long, value_name = "NUMBER")]
    requests_per_second: Option<f64>,

    /// The same load day and night.
    #[arg(long)]
    constant: bool,

    /// A ChaosExperiment or ChaosSchedule, by file or shipped name, that begins at once.
    #[arg(long, value_name = "NAME")]
    experiment: Option<String>,

    /// End after so much time. [default: at Ctrl-C]
    #[arg(long = "for", value_parser = length::parse, value_name = "LENGTH")]
    length: Option<Duration>,

    /// Fast-forward instead of real time; only with --record and --for.
    #[arg(long, requires_all = ["record", "length"], conflicts_with = "otlp")]
    fast: bool,

    /// The same number gives the same chance.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,

    /// The admin address: state, load, experiments, log levels. A free port is taken when this one
    /// is not.
    #[arg(long, default_value = "127.0.0.1:7070", value_name = "ADDRESS")]
    admin: SocketAddr,

    /// Print the load's summary as JSON at the end.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Part {
    Replica(Box<replica::Command>),
    Control(control::Command),
    Manifests(manifests::Command),
}

/// What the process ends with when all went well.
pub(crate) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match &command.part {
        Some(Part::Replica(part)) => replica::run(part),
        Some(Part::Control(part)) => control::run(part).map(|()| ExitCode::SUCCESS),
        Some(Part::Manifests(part)) => manifests::run(part).map(|()| ExitCode::SUCCESS),
        None => whole(command).map(|()| ExitCode::SUCCESS),
    }
}

/// All of it in this process.
fn whole(command: &Command) -> anyhow::Result<()> {
    let topology = chaos::topology(command.topology.as_deref())?;
    let plan = command
        .experiment
        .as_deref()
        .map(|named| chaos::plan(named, &topology))
        .transpose()?;
    let setup = Setup {
        topology,
        seed: command.seed,
        rate: command.requests_per_second.map(Rate::Requests),
        constant: command.constant,
    };
    let stop = CancellationToken::new();
    let (truth, summary) = if command.fast {
        fast(command, setup, plan, &stop)?
    } else {
        live(command, setup, plan, &stop)?
    };
    if let Some(folder) = &command.record {
        let path = folder.join("truth.json");
        fs::write(&path, serde_json::to_string_pretty(&truth)?)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
        anstream::eprintln!(
            "Recorded in {0}: `crosswatch replay {0}/otlp` reads it back, truth.json says what was done.",
            folder.display()
        );
    }
    let mut out = anstream::stdout();
    if command.json {
        serde_json::to_writer_pretty(&mut out, &summary)?;
        writeln!(out)?;
    } else {
        writeln!(out, "{summary}")?;
    }
    Ok(())
}

/// Where telemetry goes, and how what did not arrive is known.
struct Outlets {
    sink: Arc<dyn Sink>,
    otlp: Option<Arc<Otlp>>,
    folder: Option<Arc<Folder>>,
}

impl Outlets {
    fn new(command: &Command) -> anyhow::Result<Outlets> {
        let url = command.otlp.clone().or_else(|| {
            command
                .record
                .is_none()
                .then(|| "http://127.0.0.1:4318".to_owned())
        });
        let otlp = match url {
            None => None,
            Some(url) => {
                let options = OtlpOptions {
                    token: command.token.clone(),
                    ..OtlpOptions::default()
                };
                let otlp = Otlp::new(&url, options)
                    .map_err(|error| ConfigError(format!("--otlp {url}: {error}")))?;
                Some(Arc::new(otlp))
            }
        };
        let folder = match &command.record {
            None => None,
            Some(path) => Some(Arc::new(Folder::create(path)?)),
        };
        let mut sinks: Vec<Arc<dyn Sink>> = Vec::new();
        sinks.extend(otlp.clone().map(|otlp| otlp as Arc<dyn Sink>));
        sinks.extend(folder.clone().map(|folder| folder as Arc<dyn Sink>));
        Ok(Outlets {
            sink: Arc::new(Tee(sinks)),
            otlp,
            folder,
        })
    }

    /// What was recorded is complete on disk, or it is said what is missing.
    fn finish(&self) -> anyhow::Result<()> {
        if let Some(folder) = &self.folder {
            folder.finish()?;
        }
        if let Some(otlp) = &self.otlp {
            let delivered = otlp.delivered();
            anstream::eprintln!(
                "{} lines, {} spans and {} readings were delivered, {} items were not.",
                delivered.lines,
                delivered.spans,
                delivered.gauges,
                delivered.lost
            );
        }
        Ok(())
    }
}

fn live(
    command: &Command,
    setup: Setup,
    plan: Option<Plan>,
    stop: &CancellationToken,
) -> anyhow::Result<(Timeline, Summary)> {
    terminal::runtime()?.block_on(async {
        let mut signals = StopSignals::listen()?;
        let asked = stop.clone();
        let length = command.length.unwrap_or(Duration::MAX);
        let waiting = tokio::spawn(async move {
            // Both mean the same: it is enough.
            drop(tokio::time::timeout(length, signals.asked_to_stop()).await);
            asked.cancel();
        });
        let outlets = Outlets::new(command)?;
        let listener = tokio::net::TcpListener::bind(free_or_any(command.admin).await)
            .await
            .with_context(|| format!("cannot listen on {} for --admin", command.admin))?;
        let admin = listener.local_addr()?;
        let sink = Arc::clone(&outlets.sink);
        let platform = setup
            .start(Wire::Tcp, Clock::wall().await, sink, Arc::new(announce))
            .await?;
        welcome(command, &platform, admin);
        let platform = Arc::new(platform);
        let serving = axum::serve(listener, sim_services::admin::router(Arc::clone(&platform)))
            .with_graceful_shutdown(stop.clone().cancelled_owned());
        let serving = tokio::spawn(serving.into_future());
        let outcome = perform(&platform, command.length, plan.as_ref(), stop).await;
        stop.cancel();
        waiting.abort();
        serving.await.context("the admin address")??;
        let summary = platform.load().summary();
        let timeline = end(platform).await;
        outlets.finish()?;
        outcome?;
        Ok((timeline, summary))
    })
}

/// The admin address has been closed, so nobody else holds it.
async fn end(platform: Arc<Platform>) -> Timeline {
    match Arc::try_unwrap(platform) {
        Ok(platform) => platform.stop().await,
        Err(shared) => shared.timeline(),
    }
}

fn fast(
    command: &Command,
    setup: Setup,
    plan: Option<Plan>,
    stop: &CancellationToken,
) -> anyhow::Result<(Timeline, Summary)> {
    let runtime = terminal::runtime()?;
    let mut signals = runtime.block_on(async { StopSignals::listen() })?;
    let asked = stop.clone();
    let waiting = runtime.spawn(async move {
        signals.asked_to_stop().await;
        asked.cancel();
    });
    let outlets = Outlets::new(command)?;
    let sink = Arc::clone(&outlets.sink);
    let outcome = run_virtual(chaos::campaign_date(), |clock| async move {
        let platform = setup
            .start(Wire::memory(), clock, sink, Arc::new(announce))
            .await?;
        let outcome = perform(&platform, command.length, plan.as_ref(), stop).await;
        let summary = platform.load().summary();
        let timeline = platform.stop().await;
        outcome.map(|()| (timeline, summary))
    })
    .context("cannot start a runtime")?;
    waiting.abort();
    outlets.finish()?;
    outcome
}

/// Until the time is up or somebody asks to stop; what was planned is undone before that.
async fn perform(
    platform: &Platform,
    length: Option<Duration>,
    plan: Option<&Plan>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let over = stop.child_token();
    let experiments = async {
        if let Some(plan) = plan {
            platform.play(plan, over.clone()).await;
        }
    };
    let ending = async {
        let outcome = tokio::select! {
            biased;
            () = stop.cancelled() => Ok(()),
            why = platform.failed() => Err(anyhow!(why).context("the platform failed")),
            () = tokio::time::sleep(length.unwrap_or(Duration::MAX)) => Ok(()),
        };
        over.cancel();
        outcome
    };
    let (outcome, ()) = tokio::join!(ending, experiments);
    outcome
}

fn welcome(command: &Command, platform: &Platform, admin: SocketAddr) {
    let services = platform.mesh().topology().services.len();
    let environments = platform.mesh().topology().environments.len();
    let head = format!(
        "{services} services in {environments} environments are running, with their clients."
    );
    anstream::eprintln!("{}\n", head.bold());
    if let Some(entry) = platform.mesh().entry_address() {
        anstream::eprintln!("  Be a customer   curl http://{entry}/api/products/1");
    }
    anstream::eprintln!("  Admin           http://{admin}/");
    if let Some(url) = &command.otlp {
        anstream::eprintln!("  Telemetry to    {url}");
    }
    anstream::eprintln!("\nCtrl-C ends it.\n");
}

fn announce(happening: &Happening) {
    let at = happening.at().timestamp().strftime("%H:%M:%S").to_string();
    anstream::eprintln!("{at} {happening}");
}
