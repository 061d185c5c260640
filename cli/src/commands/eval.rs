//! `crosswatch eval`: the production detectors on public benchmarks; the work is in `eval`.

mod chaos;
mod failures;
mod forecast;
mod journeys;
mod nezha;
mod petshop;
mod quiet;
mod what_if;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use eval::nab::report::{DETECTOR, report};
use eval::nab::{detect, read, write};

/// Score the detectors on a public benchmark, beside what others published.
///
/// They run as they do in production: one value after another, nothing configured for the data. The
/// same files give the same output.
#[derive(Args, Debug)]
pub(crate) struct Command {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    Nab(NabArgs),
    Chaos(chaos::Args),
    Journeys(journeys::JourneysArgs),
    Forecast(forecast::Args),
    Failures(failures::Args),
    Quiet(quiet::Args),
    WhatIf(what_if::Args),
    Petshop(petshop::PetshopArgs),
    Nezha(nezha::NezhaArgs),
}

/// The Numenta Anomaly Benchmark: single signals with labelled windows.
///
/// Any directory in its format: data/CATEGORY/FILE.csv (timestamp,value) and
/// labels/combined_windows.json. Results of other detectors in results/ are scored beside.
///
/// Examples:
///   crosswatch eval nab NAB/
///   crosswatch eval nab nab.tar.zst --json
///   crosswatch eval nab NAB/ --results NAB/results
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
struct NabArgs {
    /// The benchmark's directory, or a .tar.zst of it.
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// Write the scores of every row below this directory, in the benchmark's own format.
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,

    /// Print the figures as one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match &command.benchmark {
        Benchmark::Nab(args) => nab(args),
        Benchmark::Chaos(args) => chaos::run(args),
        Benchmark::Journeys(args) => journeys::run(args),
        Benchmark::Forecast(args) => forecast::run(args),
        Benchmark::Failures(args) => failures::run(args),
        Benchmark::Quiet(args) => quiet::run(args),
        Benchmark::WhatIf(args) => what_if::run(args),
        Benchmark::Petshop(args) => petshop::run(args),
        Benchmark::Nezha(args) => nezha::run(args),
    }
}

fn nab(args: &NabArgs) -> anyhow::Result<()> {
    let corpus = read::read(&args.directory)?;
    let said: Vec<_> = corpus.series.iter().map(detect::run).collect();
    if let Some(folder) = &args.results {
        for (series, said) in corpus.series.iter().zip(&said) {
            write::write(folder, DETECTOR, series, &said.alarms)
                .with_context(|| format!("cannot write results below `{}`", folder.display()))?;
        }
    }
    let report = report(&corpus, &said);
    let mut out = anstream::stdout();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", report.table())?;
    }
    Ok(())
}
