//! `crosswatch eval petshop`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use eval::petshop::{Tuning, judge, read, report, validate};

/// PetShop: root causes from metrics and a call graph of a real application.
///
/// Any directory in its format: SCENARIO/graph.csv, SCENARIO/noissue/metrics.csv and, for each case,
/// a folder with metrics.csv and target.json. Given are the target, its metrics and the graph; the
/// root cause that target.json tells is for scoring only.
///
/// Examples:
///   crosswatch eval petshop PETSHOP/
///   crosswatch eval petshop petshop.tar.zst --json
///   crosswatch eval petshop PETSHOP/ --cases
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct PetshopArgs {
    /// The benchmark's directory, or a .tar.zst of it.
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// Print the suspects of every case, with the reasons.
    #[arg(long)]
    cases: bool,

    /// Print how the figures depend on settings and disturbances; takes a minute.
    #[arg(long)]
    validate: bool,

    /// Print the figures as one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &PetshopArgs) -> anyhow::Result<()> {
    let tuning = Tuning::default();
    let corpus = read::read(&args.directory)?;
    let said = judge::judge(&corpus, &tuning);
    let mut report = report::report(&corpus, &said, &tuning);
    if args.validate {
        report.validation = Some(validate::validate(&corpus));
    }
    let mut out = anstream::stdout();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        if args.cases {
            writeln!(out, "{}", report.cases())?;
        }
        write!(out, "{}", report.table())?;
    }
    Ok(())
}
