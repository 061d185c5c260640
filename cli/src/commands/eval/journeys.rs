//! `crosswatch eval journeys`: the simulated platform's journeys, assembled and compared with the
//! truth.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use eval::journeys::table;
use serde::Serialize;
use sim_services::random::length;

use crate::stage::journeys::{Run, run as run_mesh};

/// Journeys of the simulated platform, assembled from what its services tell, against the truth.
///
/// The platform runs in virtual time and writes down what each request really passed. What it
/// exports is decoded and understood as in production and assembled several times: with all ids,
/// from logs alone, with all ids taken out (time, service, peer and operation are left), and with
/// the clock of one environment two seconds off.
///
/// Examples:
///   crosswatch eval journeys
///   crosswatch eval journeys --for 10m --seed 7 --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct JourneysArgs {
    /// How long the platform runs, in its own time.
    #[arg(long = "for", default_value = "5m", value_parser = length::parse, value_name = "LENGTH")]
    length: Duration,

    /// Chance on the platform.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,

    /// The platform, as a file. [default: the shipped shop]
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,

    /// Requests a second through the edge. [default: the topology's]
    #[arg(long, value_name = "NUMBER")]
    requests_per_second: Option<f64>,

    /// Tell so many wrong journeys of each run: as they were, and as they were put together.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    wrong: usize,

    /// Print the figures as one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    seed: u64,
    seconds: u64,
    passages: u64,
    hops: u64,
    runs: Vec<eval::journeys::Score>,
}

pub(super) fn run(args: &JourneysArgs) -> anyhow::Result<()> {
    let outcome = run_mesh(Run {
        topology: crate::commands::chaos::topology(args.topology.as_deref())?,
        seed: args.seed,
        requests_per_second: args.requests_per_second,
        length: args.length,
        wrong: args.wrong,
    })?;
    let mut out = anstream::stdout();
    if args.json {
        let report = Report {
            seed: args.seed,
            seconds: args.length.as_secs(),
            passages: outcome.passages,
            hops: outcome.hops,
            runs: outcome.scores,
        };
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        let (passages, hops) = (outcome.passages, outcome.hops);
        writeln!(out, "{passages} passages, {hops} hops told\n")?;
        write!(out, "{}", table(&outcome.scores))?;
        write!(out, "{}", outcome.wrong)?;
    }
    Ok(())
}
