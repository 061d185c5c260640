//! `crosswatch eval quiet`: false alarms against the set sensitivity, when nothing is wrong.

mod mesh;

use std::io::Write;

use eval::quiet::report::Report;
use eval::quiet::run::Quiet;

/// In a compressed week of some sixty Apis, fewer would be too few to count.
const MESH_TARGETS: [f64; 3] = [10.0, 30.0, 100.0];
const TARGETS: [f64; 3] = [0.5, 2.0, 10.0];

/// False alarms for each Api in a week, against the sensitivity that was set, when nothing is wrong.
///
/// Synthetic Apis of known statistics (tides of day and week, bursts, wandering levels, heavy tails)
/// go through the production engine for some weeks at each sensitivity; with --mesh it is the simulated
/// platform without faults, its week compressed into less than three hours.
///
/// Examples:
///   crosswatch eval quiet
///   crosswatch eval quiet --apis 100 --days 56 --targets 0.1,1 --json
///   crosswatch eval quiet --mesh
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// False alarms for each Api in a week, one engine for each. [default: 0.5,2,10; of the platform 10,30,100]
    #[arg(long, value_delimiter = ',', value_name = "NUMBERS")]
    targets: Vec<f64>,

    #[arg(long, default_value_t = 24, value_name = "NUMBER")]
    apis: usize,

    #[arg(long, default_value_t = 21, value_name = "NUMBER")]
    days: u32,

    /// The simulated platform instead of synthetic Apis.
    #[arg(long, conflicts_with_all = ["apis", "days"])]
    mesh: bool,

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
        mesh::run(args.seed, &targets)?
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
        days: args.days,
        targets,
    };
    let raised = quiet.run(|_| {});
    quiet.report(&raised)
}
