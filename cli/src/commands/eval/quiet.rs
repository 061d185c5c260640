//! `crosswatch eval quiet`: false alarms against the set sensitivity, when nothing is wrong.

use std::io::Write;

use eval::quiet::report::{Report, Setting};
use eval::quiet::run::Quiet;

/// False alarms for each Api in a week, against the sensitivity that was set, when nothing is wrong.
///
/// Synthetic Apis of known statistics (tides of day and week, bursts, wandering levels, heavy tails)
/// go through the production engine for some weeks at each sensitivity.
///
/// Examples:
///   crosswatch eval quiet
///   crosswatch eval quiet --apis 100 --weeks 8 --targets 0.1,1 --json
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// False alarms for each Api in a week, one engine for each.
    #[arg(long, value_delimiter = ',', default_values_t = [0.5, 2.0, 10.0], value_name = "NUMBERS")]
    targets: Vec<f64>,

    #[arg(long, default_value_t = 24, value_name = "NUMBER")]
    apis: usize,

    #[arg(long, default_value_t = 4, value_name = "NUMBER")]
    weeks: u32,

    /// Of the Apis and their calls.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,

    /// Print the figures as one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let quiet = Quiet {
        seed: args.seed,
        apis: args.apis,
        weeks: args.weeks,
        targets: args.targets.clone(),
    };
    let raised = quiet.run(|_| {});
    let report = Report {
        signals: "synthetic".to_owned(),
        apis: quiet.apis,
        weeks: f64::from(quiet.weeks),
        settings: quiet
            .targets
            .iter()
            .zip(&raised)
            .map(|(target, raised)| Setting::of(*target, raised, quiet.apis as f64))
            .collect(),
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
