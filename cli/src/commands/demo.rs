//! `crosswatch demo`: everything at work on this machine, told as it happens.

mod cluster;
mod in_process;

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use sim_services::random::length;

/// See Crosswatch at work: a shop in two clouds and a data centre is watched, and then troubled.
///
/// A small Kubernetes starts on this machine, without Docker: every pod is a process. The manifests
/// that a real cluster would get are applied to it: monitor, operator, agents, and the shop's sixteen
/// services. Nobody tells Crosswatch about them. When it has learned what is normal, something
/// breaks, by a ChaosExperiment, and the verdict is told. Look around with kubectl meanwhile. Nothing
/// listens outside loopback; Ctrl-C ends everything and leaves nothing behind.
///
/// With --in-process there is no cluster, only a shop and a monitor in one process:
///
/// Sixteen services call each other over loopback, with customers that do not wait. The monitor is
/// given a past of some minutes, which the platform makes by running ahead of the clock, and then
/// listens to what the services log and trace. Every minute or two something breaks; the monitor is
/// not told. Everything stays on loopback and in a temporary folder; Ctrl-C ends it and leaves
/// nothing behind.
#[derive(Args, Clone, Debug)]
pub(crate) struct DemoArgs {
    /// Without a cluster.
    #[arg(long)]
    in_process: bool,

    /// What breaks on the cluster: a ChaosExperiment, by file or shipped name.
    #[arg(
        long,
        default_value = "ledger-database-slow",
        conflicts_with = "in_process",
        value_name = "NAME"
    )]
    experiment: String,

    /// The page, the API and /metrics. A free port is taken when this one is not.
    #[arg(
        long,
        default_value = "127.0.0.1:8080",
        requires = "in_process",
        value_name = "ADDRESS"
    )]
    http_listen: SocketAddr,

    /// What breaks when: a ChaosSchedule or ChaosExperiment, by file or shipped name.
    #[arg(
        long,
        default_value = "demo",
        requires = "in_process",
        value_name = "NAME"
    )]
    programme: String,

    /// The same number gives the same customers and faults.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,

    /// How much of a past the monitor learns from first.
    #[arg(
        long,
        default_value = "5m",
        requires = "in_process",
        value_parser = length::parse,
        value_name = "LENGTH"
    )]
    history: Duration,

    /// End after this many seconds. [default: at Ctrl-C]
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,

    /// Also send alerts to this Alertmanager, such as http://127.0.0.1:9093.
    #[arg(long, requires = "in_process", value_name = "URL")]
    alertmanager: Option<url::Url>,
}

pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<()> {
    if args.in_process {
        in_process::run(args)
    } else {
        cluster::run(args)
    }
}

/// What a line is about, in a column of its own.
fn label(word: &str) -> String {
    format!("{word:<10}")
}

fn time_of_day(at: jiff::Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}
