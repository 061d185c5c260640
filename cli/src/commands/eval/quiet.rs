//! `crosswatch eval quiet`: false alarms against the set sensitivity, when nothing is wrong.

mod mesh;

use std::io::Write;
use std::path::PathBuf;

use eval::quiet::numbers::QuietNumbers;
use eval::quiet::report::Report;
use eval::quiet::run::Quiet;

use crate::commands::chaos::topology;

/// In a compressed week of some sixty Apis, fewer would be too few to count.
const MESH_TARGETS: [f64; 3] = [10.0, 30.0, 100.0];
const TARGETS: [f64; 3] = [0.5, 2.0, 10.0];
const DAYS: u32 = 21;
const MESH_DAYS: u32 = 7;

/// False alarms for each Api in a week, against the sensitivity that was set, when nothing is wrong.
///
/// Synthetic Apis of known statistics (tides of day and week, bursts, wandering levels, heavy tails)
/// go through the production engine for some weeks at each sensitivity; with --mesh it is the simulated
/// platform without faults, its week compressed into less than three hours, and with --numbers it is
/// numbers out of log fields.
///
/// Examples:
///   crosswatch eval quiet
///   crosswatch eval quiet --apis 100 --days 56 --targets 0.1,1 --json
///   crosswatch eval quiet --mesh
///   crosswatch eval quiet --numbers 90
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// False alarms for each Api in a week, one engine for each. [default: 0.5,2,10; of the platform 10,30,100]
    #[arg(long, value_delimiter = ',', value_name = "NUMBERS")]
    targets: Vec<f64>,

    #[arg(long, default_value_t = 24, value_name = "NUMBER")]
    apis: usize,

    /// Of the platform each takes 24 minutes. [default: 21; of the platform 7]
    #[arg(long, value_name = "NUMBER")]
    days: Option<u32>,

    /// The simulated platform instead of synthetic Apis.
    #[arg(long, conflicts_with = "apis")]
    mesh: bool,

    /// So many numbers out of log fields instead of Apis, one value a minute each.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["apis", "mesh"])]
    numbers: Option<usize>,

    /// The platform, as a file. [default: the shipped shop]
    #[arg(long, requires = "mesh", value_name = "FILE")]
    topology: Option<PathBuf>,

    /// Of the Apis and their calls.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,

    /// Print the figures as one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let targets = match args.targets.as_slice() {
        [] if args.mesh => MESH_TARGETS.to_vec(),
        [] => TARGETS.to_vec(),
        targets => targets.to_vec(),
    };
    let report = if args.mesh {
        let topology = topology(args.topology.as_deref())?;
        mesh::run(
            &topology,
            args.seed,
            args.days.unwrap_or(MESH_DAYS),
            &targets,
        )?
    } else if let Some(numbers) = args.numbers {
        let quiet = QuietNumbers {
            seed: args.seed,
            numbers,
            days: args.days.unwrap_or(DAYS),
            targets,
        };
        quiet.report()
    } else {
        synthetic(args, targets)
    };
    let mut out = anstream::stdout();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", report.table())?;
    }
    Ok(())
}

fn synthetic(args: &Args, targets: Vec<f64>) -> Report {
    let quiet = Quiet {
        seed: args.seed,
        apis: args.apis,
        days: args.days.unwrap_or(DAYS),
        targets,
    };
    let raised = quiet.run(|_| {});
    quiet.report(&raised)
}
