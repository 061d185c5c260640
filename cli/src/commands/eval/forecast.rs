//! `crosswatch eval forecast`.

use std::io::Write;
use std::path::PathBuf;

use eval::forecast::{read, report, synthetic};

/// Of the synthetic series.
const SEED: u64 = 1;

/// Forecasts of single signals: do the intervals hold, and are they better than no model?
///
/// Any directory with timestamp,value CSV files, as NAB's; without one, synthetic signals of known
/// nature. Every forecast is made before its value is seen.
///
/// Examples:
///   crosswatch eval forecast
///   crosswatch eval forecast nab.tar.zst --json
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The directory, one file, or a .tar.zst.
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,

    /// Print the figures as one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let series = match &args.directory {
        Some(directory) => read::read(directory)?,
        None => synthetic::series(SEED),
    };
    let report = report::report(&series);
    let mut out = anstream::stdout();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", report.table())?;
    }
    Ok(())
}
