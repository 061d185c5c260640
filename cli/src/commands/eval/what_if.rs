//! `crosswatch eval what-if`: what was expected of services taken away, beside what came.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anyhow::bail;
use monitor::embedded::Embedded;
use monitor_core::View;
use monitor_diagnose::what_if::{Removal, what_if};
use monitor_engine::EngineConfig;
use serde::Serialize;
use serde_json::json;
use sim_services::chaos::experiment::Experiment;
use sim_services::chaos::plan::{Plan, Step};
use sim_services::clock::Moment;
use sim_services::random::length;
use sim_services::topology::Topology;
use tokio_util::sync::CancellationToken;

use crate::commands::chaos::{campaign_date, topology};
use crate::stage::fast::{self, Delivery, FastRun};
use crate::stage::platform::{self, Setup};

/// How long each is away, and undisturbed time after it.
const AWAY: Duration = Duration::from_secs(90);
const AFTER: Duration = Duration::from_secs(210);
/// What comes is counted from so long after it has gone, until it is back.
const SETTLED: Duration = Duration::from_secs(10);
/// What the monitor takes to judge a second.
const JUDGED: Duration = Duration::from_secs(5);

/// What journeys would do without a service: said beforehand, then tried on the simulated platform.
///
/// Every service that others call goes down once, and every environment but the entry's is cut
/// off once. Just before, the monitor is asked what would happen; then the share of clients' calls
/// that failed at the entry is counted. Evidence of earlier ones is used for later ones, as in life.
/// The same seed gives the same output.
///
/// Examples:
///   crosswatch eval what-if
///   crosswatch eval what-if --seed 7 --json
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// Of the platform.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,

    /// Undisturbed time to learn from before the first is taken away.
    #[arg(long, default_value = "15m", value_parser = length::parse, value_name = "LENGTH")]
    warm_up: Duration,

    /// The platform, as a file. [default: the shipped shop]
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,

    /// Print the figures as one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Figures {
    seed: u64,
    cases: Vec<Case>,
    /// Those that nobody calls, so that their being down is not a call's failure: brokers, consumers.
    left_out: Vec<String>,
    /// Means over the cases, in shares of the entry's calls.
    mean_error: Option<f64>,
    /// Of who always says that nothing happens.
    mean_error_of_nothing: Option<f64>,
    /// Cases in which they differ by no more than a twentieth.
    near: usize,
}

#[derive(Debug, Serialize)]
struct Case {
    removed: String,
    /// `None` when the monitor had not seen that anybody needs it.
    said: Option<f64>,
    came: f64,
    usually: f64,
    calls: u64,
}

/// One to be tried.
struct Trial {
    removed: String,
    at: Duration,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let topology = topology(args.topology.as_deref())?;
    let Planned {
        plan,
        trials,
        left_out,
    } = planned(&topology)?;
    let date = campaign_date();
    let entry = topology.entry.clone();
    let run = FastRun {
        platform: Setup {
            topology,
            seed: args.seed,
            rate: None,
            constant: true,
        },
        date,
        warm_up: args.warm_up,
        engine: EngineConfig::default(),
        plan,
    };
    let from = Moment(date.0 + nanos(args.warm_up));
    let stop = CancellationToken::new();
    let (_, cases) = fast::drive(run, &stop, platform::nobody(), |take| {
        listen(&trials, &entry, from, take)
    })?;
    let figures = figures(args.seed, cases, left_out);
    let mut out = anstream::stdout();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &figures)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", table(&figures))?;
    }
    Ok(())
}

struct Planned {
    plan: Plan,
    trials: Vec<Trial>,
    left_out: Vec<String>,
}

fn planned(topology: &Topology) -> anyhow::Result<Planned> {
    let home = topology
        .services
        .get(&topology.entry)
        .map(|service| service.environment.clone());
    let services = topology
        .services
        .keys()
        .filter(|service| **service != topology.entry)
        .map(|name| {
            let service = &topology.services[name];
            let full = match service.namespace.as_str() {
                "" => name.clone(),
                namespace => format!("{namespace}/{name}"),
            };
            let fault = json!({ "kind": "dependency-down", "target": { "service": name } });
            (format!("service:{full}"), fault)
        });
    let used: BTreeSet<&String> = topology
        .services
        .values()
        .map(|service| &service.environment)
        .collect();
    let environments = used
        .into_iter()
        .filter(|name| Some(*name) != home.as_ref())
        .map(|name| {
            let fault = json!({ "kind": "partition", "target": { "environment": name } });
            (format!("environment:{name}"), fault)
        });
    let mut steps = Vec::new();
    let mut trials = Vec::new();
    let mut left_out = Vec::new();
    let mut at = Duration::ZERO;
    for (removed, fault) in services.chain(environments) {
        let experiment = json!({
            "metadata": { "name": format!("gone-{}", trials.len()) },
            "spec": {
                "description": "It is taken away.",
                "duration": format!("{}s", AWAY.as_secs()),
                "recovery": format!("{}s", AFTER.as_secs()),
                "faults": [fault],
            },
        });
        let experiment: Experiment = serde_json::from_value(experiment)?;
        if let Ok(experiment) = experiment.fit(topology, "") {
            steps.push(Step { at, experiment });
            trials.push(Trial { removed, at });
            at += AWAY + AFTER;
        } else {
            left_out.push(removed);
        }
    }
    if trials.is_empty() {
        bail!("nothing of this platform can be taken away: nobody calls anybody");
    }
    Ok(Planned {
        plan: Plan::new(steps),
        trials,
        left_out,
    })
}

/// The monitor's side: asked before each, and its counts of the entry's calls read twice.
fn listen(
    trials: &[Trial],
    entry: &str,
    from: Moment,
    take: &Receiver<Delivery>,
) -> anyhow::Result<Vec<Case>> {
    let mut monitor = Embedded::new(EngineConfig::default())?;
    let mut cases = Vec::new();
    let mut trials = trials.iter();
    let mut next = trials.next();
    let mut asked: Option<(Option<f64>, f64)> = None;
    let mut counted: Option<(u64, u64)> = None;
    for delivery in take {
        delivery.tell(&mut monitor)?;
        let at = delivery.at;
        let Some(trial) = next else { continue };
        let due = |after: Duration| at.0 >= from.0 + nanos(trial.at + after);
        if asked.is_none() && at.0 + nanos(JUDGED) >= from.0 + nanos(trial.at) {
            asked = Some(said(&monitor.view(), &trial.removed)?);
        }
        if counted.is_none() && due(SETTLED + JUDGED) {
            counted = Some(calls(&monitor.view(), entry));
        }
        if let (true, Some((said, usually)), Some(before)) = (due(AWAY + JUDGED), asked, counted) {
            let after = calls(&monitor.view(), entry);
            let (calls, failed) = (after.0 - before.0, after.1 - before.1);
            cases.push(Case {
                removed: trial.removed.clone(),
                said,
                #[expect(clippy::cast_precision_loss, reason = "some thousand calls")]
                came: failed as f64 / calls.max(1) as f64,
                usually,
                calls,
            });
            (asked, counted) = (None, None);
            next = trials.next();
        }
    }
    Ok(cases)
}

/// The share that would fail, and that fails usually.
fn said(view: &View, removed: &str) -> anyhow::Result<(Option<f64>, f64)> {
    let Ok(removal) = removed.parse::<Removal>() else {
        bail!("`{removed}` names nothing");
    };
    Ok(match what_if(&view.journeys, &removal) {
        Some(found) => (Some(found.fails), found.usually),
        None => (None, 0.0),
    })
}

/// Calls of the entry's Apis since the start, and those that failed.
fn calls(view: &View, entry: &str) -> (u64, u64) {
    let entries = (view.apis.iter()).filter(|api| *api.key.service.name == *entry);
    entries.fold((0, 0), |sum, api| {
        (sum.0 + api.calls_total, sum.1 + api.errors_total)
    })
}

fn nanos(length: Duration) -> i64 {
    i64::try_from(length.as_nanos()).unwrap_or(i64::MAX)
}

fn figures(seed: u64, cases: Vec<Case>, left_out: Vec<String>) -> Figures {
    let mean = |error: &dyn Fn(&Case) -> f64| {
        #[expect(clippy::cast_precision_loss, reason = "some dozens")]
        let n = cases.len() as f64;
        let sum: f64 = cases.iter().map(error).sum();
        (n > 0.0).then(|| (sum / n * 1e4).round() / 1e4)
    };
    let error = |case: &Case| (case.said.unwrap_or(case.usually) - case.came).abs();
    Figures {
        seed,
        mean_error: mean(&error),
        mean_error_of_nothing: mean(&|case| (case.usually - case.came).abs()),
        near: cases.iter().filter(|case| error(case) <= 0.05).count(),
        cases,
        left_out,
    }
}

fn table(figures: &Figures) -> String {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let mut text = format!(
        "{:<34} {:>8} {:>8} {:>8}\n",
        "taken away", "said", "came", "usually"
    );
    for case in &figures.cases {
        text.push_str(&format!(
            "{:<34} {:>8} {:>8} {:>8}\n",
            case.removed,
            case.said.map_or("nobody".to_owned(), percent),
            percent(case.came),
            percent(case.usually)
        ));
    }
    let or_none = |share: Option<f64>| share.map_or("none".to_owned(), percent);
    text.push_str(&format!(
        "\n{} of the entry's calls is the mean error over {} cases; {} of who says that nothing happens\n\
         {} of {} within 5 %\n",
        or_none(figures.mean_error),
        figures.cases.len(),
        or_none(figures.mean_error_of_nothing),
        figures.near,
        figures.cases.len()
    ));
    if !figures.left_out.is_empty() {
        let names = figures.left_out.join(", ");
        text.push_str(&format!("left out, as nobody calls them: {names}\n"));
    }
    text
}
