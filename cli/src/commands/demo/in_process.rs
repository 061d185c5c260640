//! `crosswatch demo --in-process`: the platform, a monitor, and a programme of faults, told as it
//! happens.

use std::collections::BTreeSet;
use std::time::Duration;

use monitor::config::ConfigError;
use monitor::signals::StopSignals;
use owo_colors::OwoColorize;
use sim_services::chaos::Happening;
use sim_services::clock::Moment;
use sim_services::score::{Rules, Scorecard};
use sim_services::truth::{FaultTruth, Said, Statement};
use tokio_util::sync::CancellationToken;

use super::{DemoArgs, label, time_of_day};
use crate::commands::chaos;
use crate::stage::live::{Live, LiveConfig};
use crate::stage::platform::Setup;
use crate::stage::programme::{self, Told};
use crate::terminal;

pub(super) fn run(args: &DemoArgs) -> anyhow::Result<()> {
    if !args.http_listen.ip().is_loopback() {
        return Err(ConfigError(format!(
            "--http-listen {}: the demo shows itself on loopback only; `crosswatch monitor` is for \
             everything else",
            args.http_listen
        ))
        .into());
    }
    let topology = chaos::topology(None)?;
    let plan = chaos::plan(&args.programme, &topology)?;
    terminal::runtime()?.block_on(async {
        let mut signals = StopSignals::listen()?;
        let stop = CancellationToken::new();
        let asked = stop.clone();
        let length = args.seconds.map_or(Duration::MAX, Duration::from_secs);
        let waiting = tokio::spawn(async move {
            // Both mean the same: it is enough.
            drop(tokio::time::timeout(length, signals.asked_to_stop()).await);
            asked.cancel();
        });
        let config = LiveConfig {
            platform: Setup {
                topology: topology.clone(),
                seed: args.seed,
                rate: None,
                constant: false,
            },
            http: args.http_listen,
            alertmanager: args.alertmanager.clone(),
            history: args.history,
            false_alarms_per_week: None,
        };
        let (tell, mut happenings) = programme::happenings();
        let mut live = Live::start(config, tell).await?;
        welcome(&live);
        let mut printer = Printer::default();
        let outcome = async {
            catch_up(&mut live, &stop).await?;
            let told = |told| printer.tell(told);
            programme::run(&mut live, &plan, &mut happenings, stop.clone(), told).await
        }
        .await;
        waiting.abort();
        let undelivered = live.undelivered();
        let stopped = live.stop().await;
        let said = outcome?;
        let timeline = stopped?;
        let card = Scorecard::new(&timeline, &said, &Rules::default());
        goodbye(&card, undelivered);
        Ok(())
    })
}

/// The first screen: what this is, what to look at, what will happen.
fn welcome(live: &Live) {
    let page = format!("http://{}/", live.monitor.http);
    anstream::println!(
        "{}\n\n  {:<16}{}\n  {:<16}{page}metrics\n  {:<16}OTLP over gRPC to {}, over HTTP to {}\n",
        "Crosswatch is watching a shop: sixteen services in two clouds and a data centre.".bold(),
        "The page",
        page.underline(),
        "Metrics",
        "Send your own",
        live.monitor.otlp_grpc,
        live.monitor.otlp_http,
    );
    if let Some(entry) = live.platform.mesh().entry_address() {
        anstream::println!(
            "  {:<16}curl http://{entry}/api/products/1\n",
            "Be a customer"
        );
    }
    anstream::println!(
        "Nobody told the monitor what the services are, how they log or what will break: it has\n\
         their logs and spans, and no more. First it learns from a few minutes of the shop's past;\n\
         then faults come, one after the other. Watch the page, or just this screen. Ctrl-C ends it\n\
         and leaves nothing behind.\n"
    );
}

/// The history, with its progress where there is somebody to see it.
async fn catch_up(live: &mut Live, stop: &CancellationToken) -> anyhow::Result<()> {
    let started = live.clock.now();
    let bar = terminal::spinner();
    let mut past = Duration::ZERO;
    let outcome = live
        .catch_up(stop, |so_far| {
            past = so_far;
            bar.set_message(format!(
                "learning from the shop's past: {} s",
                so_far.as_secs()
            ));
        })
        .await;
    bar.finish_and_clear();
    outcome?;
    let now = live.clock.now();
    anstream::println!(
        "{} {} from {} s of the shop's past, in {:.1} s",
        time_of_day(now.timestamp()),
        label("learned").green(),
        past.as_secs(),
        now.since(started).as_secs_f64(),
    );
    Ok(())
}

fn goodbye(card: &Scorecard, undelivered: u64) {
    anstream::println!("\n{card}");
    if undelivered > 0 {
        anstream::println!("{undelivered} lines and spans did not reach the monitor.");
    }
}

/// Puts what the monitor says beside what was done to the platform.
#[derive(Debug, Default)]
struct Printer {
    fault: Option<Fault>,
}

/// The latest experiment.
#[derive(Debug)]
struct Fault {
    started: Moment,
    ended: Option<Moment>,
    benign: bool,
    detected: bool,
    /// The suspect told last.
    suspect: Option<String>,
    /// Anomalies that are open.
    open: BTreeSet<String>,
}

impl Fault {
    /// Whether what is said at `at` can be about it, by the scorecard's rules.
    fn is_on(&self, at: Moment) -> bool {
        let settle = Rules::default().settle;
        self.ended.is_none_or(|ended| at.since(ended) < settle)
    }
}

impl Printer {
    fn tell(&mut self, told: Told) {
        match told {
            Told::Platform(happening) => self.happening(*happening),
            Told::Monitor(said) => self.said(said),
            Told::Missed(events) => {
                anstream::println!("{:9}{events} events came too fast to be told", "");
            }
        }
    }

    fn happening(&mut self, happening: Happening) {
        match happening {
            Happening::FaultIn { at, experiment, .. } => {
                let benign = experiment.benign();
                self.fault = Some(Fault {
                    started: at,
                    ended: None,
                    benign,
                    detected: false,
                    suspect: None,
                    open: BTreeSet::new(),
                });
                let head = if benign {
                    label("no fault").cyan().bold().to_string()
                } else {
                    label("fault in").red().bold().to_string()
                };
                anstream::println!(
                    "\n{} {head} {}",
                    time_of_day(at.timestamp()),
                    experiment.description.bold()
                );
            }
            Happening::Full { .. } => {}
            Happening::FaultOut { at, truth } => self.fault_out(at, &truth),
        }
    }

    fn fault_out(&mut self, at: Moment, truth: &FaultTruth) {
        if let Some(fault) = &mut self.fault {
            fault.ended = Some(at);
        }
        anstream::println!(
            "{} {} {}",
            time_of_day(at.timestamp()),
            label("fault out").green().bold(),
            truth.acted.evidence
        );
    }

    fn said(&mut self, said: Said) {
        let at = said.at;
        let since = self.fault.as_ref().map(|fault| at.since(fault.started));
        let after = |found: Option<Duration>| {
            found.map_or(String::new(), |since| {
                format!("after {:.1} s: ", since.as_secs_f64())
            })
        };
        match said.what {
            Statement::Anomaly { id, what, .. } => {
                let subject = || what.split(": ").next().unwrap_or(&what).to_owned();
                match &mut self.fault {
                    Some(fault) if fault.is_on(at) => {
                        fault.open.insert(id);
                        if std::mem::replace(&mut fault.detected, true) {
                            line(at, label("also").yellow(), &subject());
                        } else {
                            let text = format!("{}{what}", after(since));
                            line(at, label("detected").yellow().bold(), &text);
                        }
                    }
                    // What nobody has done anything to is told in full as well.
                    _ => line(at, label("unusual").yellow(), &what),
                }
            }
            Statement::Page { summary, .. } => {
                let false_alarm = self
                    .fault
                    .as_ref()
                    .is_none_or(|fault| fault.benign || !fault.is_on(at));
                let note = if false_alarm { " (a false one)" } else { "" };
                line(
                    at,
                    label("page").magenta().bold(),
                    &format!("{summary}{note}"),
                );
            }
            Statement::Incident { suspects, .. } => {
                let Some(suspect) = suspects.into_iter().next() else {
                    return;
                };
                let named = format!("{} in {}", suspect.service, suspect.environment);
                if let Some(fault) = &mut self.fault {
                    if fault.suspect.as_ref() == Some(&named) {
                        return;
                    }
                    fault.suspect = Some(named.clone());
                }
                line(
                    at,
                    label("root cause").blue().bold(),
                    &format!("{named}: {}", suspect.why),
                );
            }
            Statement::Risk {
                service,
                probability,
                expected,
                ..
            } => {
                let text = format!(
                    "{service} will break its objective at {} (probability {probability:.2})",
                    time_of_day(expected.timestamp())
                );
                line(at, label("foreseen").magenta(), &text);
            }
            Statement::AnomalyOver { id } => {
                if let Some(fault) = &mut self.fault
                    && fault.open.remove(&id)
                    && fault.open.is_empty()
                    && let Some(ended) = fault.ended
                {
                    let text = format!("{:.0} s after the fault", at.since(ended).as_secs_f64());
                    line(at, label("recovered").green(), &text);
                }
            }
            Statement::PageOver { .. } | Statement::IncidentOver { .. } => {}
        }
    }
}

/// What happens has a word of its own, in a column.
fn line(at: Moment, label: impl std::fmt::Display, text: &str) {
    anstream::println!("{} {label} {text}", time_of_day(at.timestamp()));
}
