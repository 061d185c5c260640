//! `crosswatch sim`: the simulated platform alone, for any monitor.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use monitor::config::ConfigError;
use monitor::signals::StopSignals;
use owo_colors::OwoColorize;
use sim_services::clock::Clock;
use sim_services::load::Rate;
use sim_services::net::Wire;
use sim_services::random::length;
use sim_services::telemetry::sink::{Counting, Folder, Otlp, OtlpOptions, Sink, Tee};
use tokio_util::sync::CancellationToken;

use super::chaos;
use crate::stage::live::free_or_any;
use crate::stage::platform::{Platform, PlatformConfig};
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
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Command {
    /// The platform, as a file. [default: the shipped shop]
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,

    /// Where logs and spans are sent, as OTLP over HTTP. [default: http://127.0.0.1:4318, unless
    /// they are recorded]
    #[arg(long, value_name = "URL")]
    otlp: Option<String>,

    /// The token that the receiver asks for.
    #[arg(long, env = "CROSSWATCH_TOKEN", hide_env_values = true, value_name = "TOKEN")]
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
