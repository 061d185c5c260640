//! `crosswatch eval failures`: growing faults on the simulated platform, with a monitor that listens.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use eval::failures::{Bin, Coverage, Failures, Ramp, Report, Stated, page};
use monitor_core::{ScoredFailures, TrackRecord};
use monitor_engine::EngineConfig;
use sim_services::chaos::campaign::Campaign;
use sim_services::random::length;
use sim_services::score::{Rules, Scorecard};
use tokio_util::sync::CancellationToken;

use crate::commands::chaos::{campaign_date, topology};
use crate::stage::fast::{self, FastRun};
use crate::stage::platform::Setup;
use crate::stage::progress::Progress;

/// Are failures foreseen? Faults that grow over four to forty minutes, and changes that are none.
///
/// The platform is simulated in virtual time, so the same seed gives the same figures. Chances of
/// failure are said before anything is known of the outcome, and learned from as outcomes come, in
/// each run anew.
///
/// Examples:
///   crosswatch eval failures
///   crosswatch eval failures --seeds 7,8 --faults 24 --html failures.html --json
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// Of the faults and of the platform: a run for each, and the figures of all together.
    #[arg(
        long,
        alias = "seed",
        value_name = "NUMBERS",
        value_delimiter = ',',
        default_values_t = [1]
    )]
    seeds: Vec<u64>,

    /// How many faults in each run; changes that are none come on top, one for every three.
    #[arg(long, default_value_t = 18, value_name = "NUMBER")]
    faults: usize,

    /// Undisturbed time to learn from before the first fault.
    #[arg(long, default_value = "20m", value_parser = length::parse, value_name = "LENGTH")]
    warm_up: Duration,

    /// The platform, as a file. [default: the shipped shop]
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,

    /// Also write a page with the reliability diagram.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Print the figures as one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let topology = topology(args.topology.as_deref())?;
    let mut runs = Vec::new();
    for &seed in &args.seeds {
        let run = FastRun {
            platform: Setup {
                topology: topology.clone(),
                seed,
                rate: None,
                constant: false,
            },
            plan: Campaign::of_ramps(&topology, seed, args.faults),
            date: campaign_date(),
            warm_up: args.warm_up,
            engine: EngineConfig::default(),
        };
        let progress = Progress::of_seed(&run.plan, seed);
        let outcome = fast::run(run, &CancellationToken::new(), progress.teller());
        progress.end();
        let outcome = outcome?;
        let card = Scorecard::new(&outcome.timeline, &outcome.said, &Rules::default());
        runs.push(report(seed, &card, &outcome.track_record));
    }
    let report = Report::together(runs).context("`--seeds` names none")?;
    if let Some(path) = &args.html {
        std::fs::write(path, page::html(&report))
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    let mut out = anstream::stdout();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", report.text())?;
    }
    Ok(())
}

fn report(seed: u64, card: &Scorecard, record: &TrackRecord) -> Report {
    let predictions = &card.totals.predictions;
    let risks = &record.risks;
    let ramps = || card.faults.iter().filter(|fault| fault.foreseeable);
    Report {
        seeds: vec![seed],
        ramps: predictions.predicted.of,
        ramps_predicted: predictions.predicted.count,
        predicted: predictions.predicted.share,
        ramps_paged: ramps().filter(|fault| fault.paged).count() as u64,
        median_lead_seconds: predictions.lead.median.map(|lead| lead.as_secs_f64()),
        median_lead_of_ramp: predictions.median_share_of_ramp,
        risks: predictions.risks,
        false_risks: predictions.false_risks,
        failures: failures(&record.failures),
        journeys: failures(&record.journeys),
        stated: Stated {
            stated: risks.stated,
            came: risks.came,
            averted: risks.averted,
            not_come: risks.not_come,
            missed: risks.missed,
            in_time: risks.in_time,
            brier: risks.brier,
        },
        forecasts: record
            .coverage
            .iter()
            .map(|coverage| Coverage {
                measure: coverage.measure.to_string(),
                horizon_seconds: coverage.horizon_secs,
                forecasts: coverage.scored,
                stretches: coverage.stretches,
                coverage: coverage.inside as f64 / coverage.scored.max(1) as f64,
                relative_to_naive: coverage.relative_error,
            })
            .collect(),
        by_ramp: ramps()
            .map(|fault| Ramp {
                seed,
                fault: fault.id.clone(),
                ramp_seconds: fault.ended.since(fault.started).as_secs_f64(),
                lead_seconds: fault
                    .prediction
                    .as_ref()
                    .map(|said| said.lead.as_secs_f64()),
                lead_of_ramp: fault
                    .prediction
                    .as_ref()
                    .and_then(|said| said.share_of_ramp),
                paged_after_seconds: fault.paged_after.map(|after| after.as_secs_f64()),
            })
            .collect(),
        runs: Vec::new(),
    }
}

fn failures(scored: &ScoredFailures) -> Failures {
    Failures {
        horizon_seconds: scored.horizon_secs,
        judged: scored.judged,
        failed: scored.failed,
        brier: scored.brier,
        base_brier: scored.base_brier,
        skill: Failures::skill(scored.brier, scored.base_brier),
        reliability: scored
            .reliability
            .iter()
            .map(|bin| Bin {
                judged: bin.judged,
                said: bin.said,
                came: bin.came,
            })
            .collect(),
    }
}
