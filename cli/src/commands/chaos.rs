//! `crosswatch chaos`: breaks the simulated platform on purpose, and scores whoever watches it.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use monitor::config::ConfigError;
use monitor::signals::StopSignals;
use monitor_engine::EngineConfig;
use serde::Serialize;
use sim_services::chaos;
use sim_services::chaos::campaign::Campaign;
use sim_services::chaos::load::Document;
use sim_services::chaos::plan::Plan;
use sim_services::clock::Moment;
use sim_services::random::length;
use sim_services::score::text::Style;
use sim_services::score::{Rules, Scorecard, html, text};
use sim_services::topology::Topology;
use sim_services::truth::{Said, Timeline};
use tokio_util::sync::CancellationToken;

use crate::stage::fast::{self, FastRun};
use crate::stage::live::{Live, LiveConfig};
use crate::stage::platform::Setup;
use crate::stage::programme::{self, Told};
use crate::stage::progress::Progress;
use crate::terminal;

/// Break the simulated platform on purpose, and score the monitor that watches it.
///
/// Every fault is known to the millisecond, so what the monitor says can be compared with the
/// truth: detected or missed, after how long, root cause right or wrong, pages that were false.
#[derive(Args, Debug)]
pub(crate) struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Run(Box<RunArgs>),
    /// The experiments that come with Crosswatch, and the kinds of faults that they are made of.
    List,
    /// Print the YAML of a shipped experiment, to start your own from.
    Show {
        /// As `chaos list` names it.
        name: String,
    },
}

/// Run experiments against the platform with a monitor listening, and print the scorecard.
///
/// Time is fast-forwarded: an hour on the platform takes about a minute, and the same seed gives
/// the same faults at the same requests, so scores can be compared. With --live the same plan runs
/// over real sockets against the whole monitor, in real time.
///
/// Examples:
///   crosswatch chaos run ledger-database-slow
///   crosswatch chaos run my-experiment.yaml --json
///   crosswatch chaos run --campaign 1 --faults 30 --html scorecard.html
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
struct RunArgs {
    /// A ChaosExperiment or ChaosSchedule: a file, or the name of a shipped one.
    #[arg(required_unless_present = "campaign", conflicts_with = "campaign")]
    experiment: Option<String>,

    /// A random campaign instead; the number is its seed.
    #[arg(long, value_name = "SEED")]
    campaign: Option<u64>,

    /// How many faults the campaign has; changes that are none come on top.
    #[arg(
        long,
        default_value_t = 30,
        requires = "campaign",
        value_name = "NUMBER"
    )]
    faults: usize,

    /// Print what would be run, and do not run it.
    #[arg(long)]
    plan: bool,

    /// The platform, as a file. [default: the shipped shop]
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,

    /// Chance on the platform: arrivals, durations, ids. [default: the campaign's, or 1]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// Undisturbed time to learn from before the first fault.
    #[arg(long, default_value = "10m", value_parser = length::parse, value_name = "LENGTH")]
    warm_up: Duration,

    /// The monitor's sensitivity, as for `crosswatch monitor`.
    #[arg(long, default_value_t = EngineConfig::default().false_alarms_per_api_week, value_name = "NUMBER")]
    false_alarms_per_week: f64,

    /// In real time over real sockets, against the whole monitor.
    #[arg(long)]
    live: bool,

    /// Print the scorecard as one JSON object.
    #[arg(long)]
    json: bool,

    /// Also write it as a page with the timelines, for a browser.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Also write the truth and what was said, as JSON, to be scored again in other ways.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command.what {
        What::Run(args) => run_plan(&args),
        What::List => list(),
        What::Show { name } => show(&name),
    }
}

/// A file, or the shipped topology.
pub(crate) fn topology(file: Option<&Path>) -> anyhow::Result<Arc<Topology>> {
    let topology = match file {
        None => Topology::shop(),
        Some(file) => {
            let yaml = fs::read_to_string(file)
                .with_context(|| format!("cannot read `{}`", file.display()))?;
            Topology::parse(&yaml)
                .map_err(|error| ConfigError(format!("`{}`: {error}", file.display())))?
        }
    };
    Ok(Arc::new(topology))
}

/// A file beside the caller, or a shipped experiment.
pub(crate) fn plan(named: &str, topology: &Topology) -> anyhow::Result<Plan> {
    let path = Path::new(named);
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let beside = |name: &str| fs::read_to_string(folder.join(format!("{name}.yaml"))).ok();
    let (file, yaml) = if path.exists() {
        let yaml = fs::read_to_string(path).with_context(|| format!("cannot read `{named}`"))?;
        (named, yaml)
    } else if let Some((name, yaml)) = shipped(named) {
        (name, yaml.to_owned())
    } else {
        return Err(ConfigError(format!(
            "there is no file `{named}`, and no shipped experiment of that name: `crosswatch chaos \
             list` names them"
        ))
        .into());
    };
    chaos::plan_of(file, &yaml, topology, beside)
        .map_err(|error| ConfigError(error.to_string()).into())
}

/// The YAML of an experiment: a file, or a shipped one.
pub(crate) fn text(named: &str) -> anyhow::Result<String> {
    if Path::new(named).exists() {
        return fs::read_to_string(named).with_context(|| format!("cannot read `{named}`"));
    }
    shipped(named).map(|(_, yaml)| yaml.to_owned()).ok_or_else(|| {
        let what = format!(
            "there is no file `{named}`, and no shipped experiment of that name: `crosswatch chaos \
             list` tells which there are"
        );
        ConfigError(what).into()
    })
}

fn shipped(name: &str) -> Option<(&'static str, &'static str)> {
    chaos::shipped()
        .iter()
        .find(|(shipped, _)| *shipped == name)
        .copied()
}

fn run_plan(args: &RunArgs) -> anyhow::Result<()> {
    let topology = topology(args.topology.as_deref())?;
    let plan = match (&args.experiment, args.campaign) {
        (_, Some(seed)) => Campaign::new(&topology, seed, args.faults),
        (Some(named), None) => plan(named, &topology)?,
        (None, None) => {
            return Err(ConfigError("name an experiment, or give --campaign a seed".into()).into());
        }
    };
    if args.plan {
        anstream::print!("{}", plan.table());
        return Ok(());
    }
    let platform = Setup {
        topology,
        seed: args.seed.or(args.campaign).unwrap_or(1),
        rate: None,
        constant: false,
    };
    let (timeline, said) = if args.live {
        run_live(args, platform, plan)?
    } else {
        run_fast(args, platform, plan)?
    };
    report(args, &timeline, &said)
}

fn run_fast(args: &RunArgs, platform: Setup, plan: Plan) -> anyhow::Result<(Timeline, Vec<Said>)> {
    let stop = CancellationToken::new();
    let runtime = terminal::runtime()?;
    let mut signals = runtime.block_on(async { StopSignals::listen() })?;
    let asked = stop.clone();
    let waiting = runtime.spawn(async move {
        signals.asked_to_stop().await;
        asked.cancel();
    });
    let run = FastRun {
        platform,
        date: campaign_date(),
        warm_up: args.warm_up,
        engine: EngineConfig {
            false_alarms_per_api_week: args.false_alarms_per_week,
            ..EngineConfig::default()
        },
        plan,
    };
    let progress = Progress::new(&run.plan);
    let outcome = fast::run(run, &stop, progress.teller());
    progress.end();
    waiting.abort();
    let outcome = outcome?;
    if stop.is_cancelled() {
        anstream::eprintln!("interrupted: only what happened until then is scored");
    }
    Ok((outcome.timeline, outcome.said))
}

fn run_live(args: &RunArgs, platform: Setup, plan: Plan) -> anyhow::Result<(Timeline, Vec<Said>)> {
    let progress = Progress::new(&plan);
    let outcome = terminal::runtime()?.block_on(async {
        let mut signals = StopSignals::listen()?;
        let stop = CancellationToken::new();
        let asked = stop.clone();
        let waiting = tokio::spawn(async move {
            signals.asked_to_stop().await;
            asked.cancel();
        });
        let config = LiveConfig {
            platform,
            http: SocketAddr::from(([127, 0, 0, 1], 0)),
            alertmanager: None,
            history: args.warm_up,
            false_alarms_per_week: Some(args.false_alarms_per_week),
        };
        let (tell, mut happenings) = programme::happenings();
        let mut live = Live::start(config, tell).await?;
        let outcome = async {
            live.catch_up(&stop, |_| {}).await?;
            let told = |told| {
                if let Told::Platform(happening) = told {
                    progress.tell(&happening);
                }
            };
            programme::run(&mut live, &plan, &mut happenings, stop.clone(), told).await
        }
        .await;
        waiting.abort();
        let stopped = live.stop().await;
        let said = outcome?;
        Ok((stopped?, said))
    });
    progress.end();
    outcome
}

/// A Tuesday, 10:00 UTC: the load is about its mean, and nothing nightly is near.
pub(crate) fn campaign_date() -> Moment {
    Moment::from_secs(1_772_532_000)
}

/// Truth and statements, as they are kept in a file.
#[derive(Serialize)]
struct Record<'a> {
    truth: &'a Timeline,
    said: &'a [Said],
}

fn report(args: &RunArgs, timeline: &Timeline, said: &[Said]) -> anyhow::Result<()> {
    let card = Scorecard::new(timeline, said, &Rules::default());
    let write = |path: &Path, text: &str| {
        fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
    };
    if let Some(path) = &args.html {
        write(path, &html::html(&card, timeline, said))?;
    }
    if let Some(path) = &args.record {
        let record = Record {
            truth: timeline,
            said,
        };
        write(path, &serde_json::to_string_pretty(&record)?)?;
    }
    let mut out = anstream::stdout();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &card)?;
        writeln!(out)?;
    } else {
        // The stream removes the colours where there is no terminal.
        let width = terminal::width().unwrap_or(Style::default().width);
        let style = Style {
            colour: true,
            width,
        };
        write!(out, "{}", text::text(&card, style))?;
    }
    Ok(())
}

fn list() -> anyhow::Result<()> {
    let topology = Topology::shop();
    let mut out = anstream::stdout();
    writeln!(out, "{:<34} {:<24} what it does", "experiment", "kind")?;
    for (name, yaml) in chaos::shipped() {
        match chaos::load(name, yaml)? {
            Document::Experiment(experiment) => {
                writeln!(
                    out,
                    "{name:<34} {:<24} {}",
                    experiment.kind(),
                    experiment.description
                )?;
            }
            Document::Schedule(_) => {
                let plan = chaos::plan_of(name, yaml, &topology, |_| None)?;
                let minutes = plan.length.as_secs().div_ceil(60);
                let steps = plan.steps.len();
                writeln!(
                    out,
                    "{name:<34} {:<24} {steps} experiments in {minutes} minutes",
                    "schedule"
                )?;
            }
        }
    }
    writeln!(
        out,
        "\nRun one with `crosswatch chaos run NAME`; print it with `crosswatch chaos show NAME`."
    )?;
    Ok(())
}

fn show(name: &str) -> anyhow::Result<()> {
    let (_, yaml) = shipped(name).ok_or_else(|| {
        ConfigError(format!(
            "there is no shipped experiment `{name}`: `crosswatch chaos list` names them"
        ))
    })?;
    write!(anstream::stdout(), "{yaml}")?;
    Ok(())
}
