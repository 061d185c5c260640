//! `crosswatch eval chaos`: campaigns of faults on the simulated platform, as figures with intervals.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use monitor_engine::EngineConfig;
use serde::Serialize;
use sim_services::chaos::campaign::Campaign;
use sim_services::random::length;
use sim_services::score::{FalseAlarm, Ratio, Rules, Scorecard, Spread, html};
use tokio_util::sync::CancellationToken;

use crate::commands::chaos::{campaign_date, topology};
use crate::stage::fast::{self, FastRun, Forecasts};
use crate::stage::platform::Setup;
use crate::stage::progress::Progress;

/// Campaigns of random faults on the simulated platform: detection, pages, root cause, impact.
///
/// Time is fast-forwarded; the same seeds give the same output. Intervals are of 95 % (Wilson).
///
/// Examples:
///   crosswatch eval chaos
///   crosswatch eval chaos --seeds 101,102 --faults 60 --json
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// A campaign for each.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_values_t = [1, 2])]
    seeds: Vec<u64>,

    /// Faults in each campaign; changes that are none come on top.
    #[arg(long, value_name = "NUMBER", default_value_t = 60)]
    faults: usize,

    /// Undisturbed time to learn from before each campaign.
    #[arg(long, default_value = "10m", value_parser = length::parse, value_name = "LENGTH")]
    warm_up: Duration,

    /// The platform, as a file. [default: the shipped shop]
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,

    /// Print the figures as one JSON object.
    #[arg(long)]
    json: bool,

    /// Also write the first campaign's scorecard as a page, those of others beside it.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Under the names of the issue. Shares have their counts and intervals with them.
#[derive(Debug, Serialize)]
struct Figures {
    seeds: Vec<u64>,
    faults: usize,
    acted: u64,
    /// Of faults that acted, those detected.
    recall: Ratio,
    /// Of anomalies, those about a fault, where it shows.
    precision: Ratio,
    /// Of pages, likewise.
    page_precision: Ratio,
    paged: Ratio,
    median_time_to_detect: Option<f64>,
    root_cause_top_1: Ratio,
    root_cause_top_3: Ratio,
    /// Whether one service or what is between environments is to blame.
    systemic_or_local: Ratio,
    incidents_per_fault: Option<f64>,
    exactly_one_incident: Ratio,
    pages_per_fault: Option<f64>,
    false_pages: u64,
    benign_paged: Ratio,
    /// Of forecasts of how many calls will suffer in the next minute, with an interval of 90 %.
    impact_covered: Ratio,
    /// The same later on: seconds, and the intervals that held.
    impact_covered_later: Vec<(u32, Ratio)>,
    /// What was not right, for whoever looks for why.
    cases: Vec<Case>,
    /// Pages about nothing, or about a change that is none.
    false_page_cases: Vec<FalsePage>,
}

#[derive(Debug, Serialize)]
struct Case {
    seed: u64,
    fault: String,
    place: String,
    detected: bool,
    incidents: u64,
    pages: u64,
    rank: Option<u64>,
    suspects: Vec<String>,
    /// Whether what is between environments is to blame, and whether that was said.
    wire: bool,
    said_wire: Option<bool>,
}

#[derive(Debug, Serialize)]
struct FalsePage {
    seed: u64,
    #[serde(flatten)]
    page: FalseAlarm,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let topology = topology(args.topology.as_deref())?;
    let mut cards = Vec::new();
    let mut forecasts = Forecasts::default();
    let mut later: BTreeMap<u32, Forecasts> = BTreeMap::new();
    for (index, &seed) in args.seeds.iter().enumerate() {
        let run = FastRun {
            platform: Setup {
                topology: topology.clone(),
                seed,
                rate: None,
                constant: false,
            },
            date: campaign_date(),
            warm_up: args.warm_up,
            engine: EngineConfig::default(),
            plan: Campaign::new(&topology, seed, args.faults),
        };
        let progress = Progress::of_seed(&run.plan, seed);
        let outcome = fast::run(run, &CancellationToken::new(), progress.teller());
        progress.end();
        let outcome = outcome?;
        forecasts.add(outcome.forecasts);
        for of in &outcome.track_record.coverage {
            if &*of.measure == "impact" && of.horizon_secs > 60 {
                later.entry(of.horizon_secs).or_default().add(Forecasts {
                    scored: of.scored,
                    inside: of.inside,
                });
            }
        }
        let card = Scorecard::new(&outcome.timeline, &outcome.said, &Rules::default());
        if let Some(file) = &args.html {
            let file = match index {
                0 => file.clone(),
                _ => file.with_extension(format!("{seed}.html")),
            };
            fs::write(&file, html::html(&card, &outcome.timeline, &outcome.said))
                .with_context(|| format!("cannot write `{}`", file.display()))?;
        }
        cards.push(card);
    }
    let figures = figures(args, &cards, forecasts, &later);
    let mut out = anstream::stdout();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &figures)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", table(&figures))?;
    }
    Ok(())
}

fn figures(
    args: &Args,
    cards: &[Scorecard],
    forecasts: Forecasts,
    later: &BTreeMap<u32, Forecasts>,
) -> Figures {
    let sum = |part: &dyn Fn(&Scorecard) -> Ratio| {
        cards.iter().map(part).fold(Ratio::new(0, 0), |sum, part| {
            Ratio::new(sum.count + part.count, sum.of + part.of)
        })
    };
    let faults: Vec<_> = cards
        .iter()
        .flat_map(|card| card.faults.iter().map(move |fault| (card.seed, fault)))
        .collect();
    let detected: Vec<_> = faults
        .iter()
        .copied()
        .filter(|(_, fault)| fault.outcome.is_scored_fault() && fault.detected)
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "counts of a few hundred faults")]
    let mean = |of: &dyn Fn(&sim_services::score::FaultScore) -> u64| {
        let total: u64 = detected.iter().map(|(_, fault)| of(fault)).sum();
        (!detected.is_empty())
            .then(|| (total as f64 / detected.len() as f64 * 100.0).round() / 100.0)
    };
    let told: Vec<_> = detected
        .iter()
        .filter_map(|(_, fault)| Some((fault.root_cause.between?, fault.root_cause.wire)))
        .collect();
    let right = told.iter().filter(|(said, wire)| said == wire).count();
    let abrupt = detected
        .iter()
        .filter(|(_, fault)| !fault.ramp)
        .filter_map(|(_, fault)| fault.detected_after);
    Figures {
        seeds: args.seeds.clone(),
        faults: args.faults,
        acted: cards.iter().map(|card| card.totals.acted).sum(),
        recall: sum(&|card| card.totals.detected),
        precision: sum(&|card| card.totals.anomalies.precision),
        page_precision: sum(&|card| card.totals.pages.precision),
        paged: sum(&|card| card.totals.paged),
        median_time_to_detect: Spread::new(abrupt)
            .median
            .map(|median| median.as_secs_f64()),
        root_cause_top_1: sum(&|card| card.totals.root_cause.at_1_of_detected),
        root_cause_top_3: sum(&|card| card.totals.root_cause.at_3_of_detected),
        systemic_or_local: Ratio::new(right as u64, told.len() as u64),
        incidents_per_fault: mean(&|fault| fault.incidents),
        exactly_one_incident: sum(&|card| card.totals.one_incident),
        pages_per_fault: mean(&|fault| fault.pages),
        false_pages: cards.iter().map(|card| card.totals.pages.wrong).sum(),
        benign_paged: sum(&|card| card.totals.benign_paged),
        impact_covered: Ratio::new(forecasts.inside, forecasts.scored),
        impact_covered_later: later
            .iter()
            .map(|(secs, of)| (*secs, Ratio::new(of.inside, of.scored)))
            .collect(),
        cases: faults
            .iter()
            .filter(|(_, fault)| fault.outcome.is_scored_fault())
            .filter(|(_, fault)| {
                let cause = &fault.root_cause;
                let misplaced = cause.between.is_some_and(|between| between != cause.wire);
                !cause.right_at_1 || misplaced || fault.incidents != 1 || fault.pages != 1
            })
            .map(|(seed, fault)| Case {
                seed: *seed,
                fault: fault.id.clone(),
                place: fault.place.clone(),
                detected: fault.detected,
                incidents: fault.incidents,
                pages: fault.pages,
                rank: fault.root_cause.rank,
                suspects: fault.root_cause.suspects.clone(),
                wire: fault.root_cause.wire,
                said_wire: fault.root_cause.between,
            })
            .collect(),
        false_page_cases: cards
            .iter()
            .flat_map(|card| {
                card.false_pages.iter().map(|page| FalsePage {
                    seed: card.seed,
                    page: page.clone(),
                })
            })
            .collect(),
    }
}

fn table(figures: &Figures) -> String {
    let share = |ratio: &Ratio| match (ratio.share, ratio.low, ratio.high) {
        (Some(share), Some(low), Some(high)) => format!(
            "{:5.1} %  {:>3} of {:<3}  {:.0}–{:.0} %",
            share * 100.0,
            ratio.count,
            ratio.of,
            low * 100.0,
            high * 100.0
        ),
        _ => "none".to_owned(),
    };
    let number = |number: Option<f64>| number.map_or("none".to_owned(), |n| format!("{n:5.2}"));
    let rows = [
        ("detected (recall)", share(&figures.recall)),
        ("precision of anomalies", share(&figures.precision)),
        ("precision of pages", share(&figures.page_precision)),
        ("paged for", share(&figures.paged)),
        (
            "median time to detect, s",
            number(figures.median_time_to_detect),
        ),
        ("root cause named first", share(&figures.root_cause_top_1)),
        ("root cause among three", share(&figures.root_cause_top_3)),
        ("systemic or local", share(&figures.systemic_or_local)),
        ("incidents per fault", number(figures.incidents_per_fault)),
        ("exactly one incident", share(&figures.exactly_one_incident)),
        ("pages per fault", number(figures.pages_per_fault)),
        ("false pages", figures.false_pages.to_string()),
        ("paged for what is none", share(&figures.benign_paged)),
        ("impact within its interval", share(&figures.impact_covered)),
    ];
    let mut text = format!(
        "{} faults acted, of {} in campaigns {:?}\n\n",
        figures.acted,
        figures.faults * figures.seeds.len(),
        figures.seeds
    );
    for (name, value) in rows {
        text.push_str(&format!("{name:<28} {value}\n"));
    }
    for (secs, covered) in &figures.impact_covered_later {
        let name = format!("  the same in {} min", secs / 60);
        text.push_str(&format!("{name:<28} {}\n", share(covered)));
    }
    if !figures.cases.is_empty() {
        text.push_str("\nnot as it should be: one incident, one page, the cause first\n");
    }
    for case in &figures.cases {
        let said = match (case.detected, case.rank) {
            (false, _) => "missed".to_owned(),
            (true, Some(rank)) => format!("cause at {rank} of {}", case.suspects.join(", ")),
            (true, None) => format!("cause not among {}", case.suspects.join(", ")),
        };
        text.push_str(&format!(
            "  {:<4} {:<28} {:<24} {} incidents, {} pages; {said}\n",
            case.seed, case.fault, case.place, case.incidents, case.pages
        ));
    }
    if !figures.false_page_cases.is_empty() {
        text.push_str("\nfalse pages\n");
    }
    for FalsePage { seed, page } in &figures.false_page_cases {
        text.push_str(&format!(
            "  {seed:<4} {:<28} {}: {}\n",
            page.fault.as_deref().unwrap_or("nothing was on"),
            page.service,
            page.summary
        ));
    }
    text
}
