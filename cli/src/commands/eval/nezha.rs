//! `crosswatch eval nezha`.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use eval::nezha::{Report, read};

/// Faults injected into real systems, recorded as logs, spans and metrics: which service was it?
///
/// Recordings in the layout of the Nezha data sets: rca_data/DATE with the faults' minutes,
/// construct_data/DATE with a fault-free one. A directory may hold several recordings or archives of
/// them. Each fault's minute is compared with the fault-free minute of its day, by the method that
/// `replay` reports faults with.
///
/// Examples:
///   crosswatch eval nezha trainticket.tar.zst onlineboutique.tar.zst
///   crosswatch eval nezha recordings/ --cases
///   crosswatch eval nezha recordings/ --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct NezhaArgs {
    /// Recordings: directories, .tar, .tar.gz or .tar.zst.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Tell each case with its reasons.
    #[arg(long)]
    cases: bool,

    /// Print the figures, and each case, as one JSON object.
    #[arg(long)]
    json: bool,
}

#[expect(
    clippy::disallowed_methods,
    reason = "tells how long it took; nothing depends on it"
)]
pub(super) fn run(args: &NezhaArgs) -> anyhow::Result<()> {
    let began = Instant::now();
    let progress = std::io::stderr().is_terminal();
    let mut told = anstream::stderr();
    let cases = read(&args.paths, &mut |case| {
        if progress {
            writeln!(told, "{} {} {}", case.system, case.kind, case.service)?;
        }
        Ok(())
    })?;
    let took = began.elapsed();
    let report = Report::of(cases);
    let mut out = anstream::stdout();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
        return Ok(());
    }
    if args.cases {
        write!(out, "{}", report.cases_text())?;
    }
    write!(out, "{}", report.table())?;
    let each = took.div_f64(report.cases.len().max(1) as f64);
    writeln!(told, "{} ms a case, reading included", each.as_millis())?;
    Ok(())
}
