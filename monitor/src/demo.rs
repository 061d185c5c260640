//! `crosswatch demo`: a monitor, traffic for it, and every two minutes a fault.
//!
//! The monitor is told nothing about the faults: what it says, it found in the logs and spans.

mod lines;
mod traffic;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use monitor_core::{Anomaly, AnomalyId, Batch, Payload, Subject, Time};
use monitor_serve::{Clock, LiveEvent, Refused};
use tokio::sync::broadcast;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use self::traffic::{Fault, Traffic};
use crate::config::{ConfigError, MonitorArgs, Values};
use crate::run::{self, Running};

/// Half a second of traffic at a time: the page moves, and each batch is worth its fsync.
const STEP: Duration = Duration::from_millis(500);
/// Undisturbed traffic before the first fault.
const QUIET: Duration = Duration::from_secs(30);
const FAULT: Duration = Duration::from_secs(45);
/// Between one fault's end and the next's start, so that recovery can be seen.
const PAUSE: Duration = Duration::from_secs(75);

/// See a monitor at work: it is fed with the logs and traces of a small shop, and then troubled.
///
/// Six services in three environments write nginx, JSON, logfmt, Spring, klog and syslog lines and
/// OTLP spans. After half a minute the ledger's database becomes slow; later the catalog fails. The
/// monitor is not told. Everything stays on loopback and in a temporary folder; Ctrl-C ends it and
/// leaves nothing behind.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// The page, the API and /metrics. A free port is taken when this one is not.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub http_listen: SocketAddr,

    /// The same number gives the same traffic.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub seed: u64,

    /// End after this many seconds. [default: at Ctrl-C]
    #[arg(long, value_name = "SECONDS")]
    pub seconds: Option<u64>,

    /// Also send alerts to this Alertmanager, such as http://127.0.0.1:9093.
    #[arg(long, value_name = "URL")]
    pub alertmanager: Option<url::Url>,
}

/// What happens, as it happens.
#[derive(Clone, Debug)]
pub enum Told {
    Started {
        http: SocketAddr,
        otlp_grpc: SocketAddr,
        otlp_http: SocketAddr,
    },
    FaultIn {
        at: Time,
        what: &'static str,
        service: &'static str,
    },
    /// `after` the fault began, when one is on or was lately.
    Detected {
        at: Time,
        after: Option<Duration>,
        anomaly: Box<Anomaly>,
    },
    FaultOut {
        at: Time,
        what: &'static str,
    },
    Recovered {
        at: Time,
        subject: Subject,
        lasted: Duration,
    },
    Ended {
        detected: usize,
        faults: usize,
    },
}

/// Runs until `stop`. Everything that was started has ended when this returns.
pub async fn run(
    args: DemoArgs,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    mut tell: impl FnMut(Told),
) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("crosswatch-demo-")
        .tempdir()?;
    let values = Values {
        // Taken or not, the demo must start; the address is printed.
        http_listen: Some(free_or_any(args.http_listen).await),
        otlp_grpc_listen: Some(free_or_any(SocketAddr::from(([127, 0, 0, 1], 4317))).await),
        otlp_http_listen: Some(free_or_any(SocketAddr::from(([127, 0, 0, 1], 4318))).await),
        data_dir: Some(folder.path().to_owned()),
        alertmanager: args.alertmanager.clone().map(|url| vec![url]),
        alert_stdout: Some(false),
        ..Values::default()
    };
    if !args.http_listen.ip().is_loopback() {
        return Err(ConfigError(format!(
            "--http-listen {}: the demo shows itself on loopback only; `crosswatch monitor` is for \
             everything else",
            args.http_listen
        ))
        .into());
    }
    let settings = MonitorArgs {
        config: None,
        values,
    }
    .settings()?;
    let mut running = run::start(settings, Arc::clone(&clock)).await?;
    tell(Told::Started {
        http: running.http,
        otlp_grpc: running.otlp_grpc,
        otlp_http: running.otlp_http,
    });
    let deadline = args.seconds.map(Duration::from_secs);
    let outcome = drive(&args, &clock, &stop, deadline, &mut running, &mut tell).await;
    let stopped = running.stop().await;
    outcome.and(stopped)
}

async fn drive(
    args: &DemoArgs,
    clock: &Arc<dyn Clock>,
    stop: &CancellationToken,
    deadline: Option<Duration>,
    running: &mut Running,
    tell: &mut impl FnMut(Told),
) -> anyhow::Result<()> {
    let intake = running.intake();
    let mut live = running.live.subscribe();
    let mut traffic = Traffic::new(args.seed);
    let mut programme = Programme::default();
    let mut witness = Witness::default();
    let mut ticks = tokio::time::interval(STEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let start = clock.now();
    let mut written = start;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            error = running.failed() => return Err(error),
            event = live.recv() => match event {
                Ok(LiveEvent::Anomaly(anomaly)) => {
                    if let Some(told) = witness.saw(anomaly, clock.now()) {
                        tell(told);
                    }
                }
                Ok(LiveEvent::Call(_) | LiveEvent::Incident(_) | LiveEvent::Alert(_))
                | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => break,
            },
            _ = ticks.tick() => {
                let now = clock.now();
                if deadline.is_some_and(|deadline| now.since(start) >= deadline) {
                    break;
                }
                if let Some(told) = programme.at(now, now.since(start)) {
                    witness.know(&told);
                    tell(told);
                }
                let batch = traffic.next(written, now.since(written), programme.fault());
                written = now;
                match intake.submit(batch).await {
                    // Traffic does not wait for its monitor; what is refused is lost, as it would
                    // be to a shop.
                    Ok(()) | Err(Refused::Full { .. } | Refused::DiskFull { .. }) => {}
                    Err(Refused::Stopping) => break,
                }
            }
        }
    }
    tell(Told::Ended {
        detected: witness.faults_detected,
        faults: programme.begun,
    });
    Ok(())
}

/// Which fault is on when.
#[derive(Debug, Default)]
struct Programme {
    on: Option<Fault>,
    begun: usize,
}

impl Programme {
    fn fault(&self) -> Option<Fault> {
        self.on
    }

    /// The change, if there is one, at `elapsed` since the start.
    fn at(&mut self, now: Time, elapsed: Duration) -> Option<Told> {
        let wanted = elapsed.checked_sub(QUIET).and_then(|since| {
            let cycle = (FAULT + PAUSE).as_nanos();
            let which = usize::try_from(since.as_nanos() / cycle).unwrap_or(0);
            (since.as_nanos() % cycle < FAULT.as_nanos())
                .then(|| Fault::ALL[which % Fault::ALL.len()])
        });
        if wanted == self.on {
            return None;
        }
        let before = std::mem::replace(&mut self.on, wanted);
        match (before, wanted) {
            (_, Some(fault)) => {
                self.begun += 1;
                Some(Told::FaultIn {
                    at: now,
                    what: fault.describe(),
                    service: fault.service(),
                })
            }
            (Some(fault), None) => Some(Told::FaultOut {
                at: now,
                what: fault.describe(),
            }),
            (None, None) => None,
        }
    }
}

/// Puts what the monitor says beside what was done to the shop.
#[derive(Debug, Default)]
struct Witness {
    fault: Option<(Time, &'static str, bool)>,
    faults_detected: usize,
    open: BTreeSet<AnomalyId>,
}

impl Witness {
    fn know(&mut self, told: &Told) {
        if let Told::FaultIn { at, service, .. } = told {
            self.fault = Some((*at, service, false));
        }
    }

    /// Each anomaly is told when it opens and when it is over.
    fn saw(&mut self, anomaly: Anomaly, now: Time) -> Option<Told> {
        if let Some(end) = anomaly.end {
            self.open.remove(&anomaly.id).then_some(())?;
            return Some(Told::Recovered {
                at: now,
                lasted: end.since(anomaly.start),
                subject: anomaly.signal.subject,
            });
        }
        if !self.open.insert(anomaly.id) {
            return None;
        }
        let mut after = None;
        if let Some((began, service, found)) = &mut self.fault
            && now.since(*began) < FAULT + PAUSE
        {
            after = Some(now.since(*began));
            if !*found && &*anomaly.signal.subject.service().name == *service {
                *found = true;
                self.faults_detected += 1;
            }
        }
        Some(Told::Detected {
            at: now,
            after,
            anomaly: Box::new(anomaly),
        })
    }
}

/// The log records of `length` of undisturbed traffic, as a benchmark's input.
pub fn log_batches(length: Duration) -> Vec<Batch> {
    /// As many records as an OpenTelemetry batch processor sends at once, roughly.
    const STRIDE: Duration = Duration::from_secs(10);
    let mut traffic = Traffic::new(1);
    let start = Time::from_secs(1_772_359_200);
    let strides = length.as_secs() / STRIDE.as_secs();
    (0..strides)
        .map(|stride| {
            let at = start + STRIDE * u32::try_from(stride).unwrap_or(u32::MAX);
            let mut batch = traffic.next(at, STRIDE, None);
            batch
                .items
                .retain(|item| matches!(item.payload, Payload::Log(_)));
            batch
        })
        .collect()
}

/// The address, or any free port of the same host when it is taken.
async fn free_or_any(address: SocketAddr) -> SocketAddr {
    match tokio::net::TcpListener::bind(address).await {
        Ok(_) => address,
        Err(_) => SocketAddr::new(address.ip(), 0),
    }
}
