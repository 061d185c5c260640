//! Asks what others want to be asked, at intervals, and says what came of it.
//!
//! What to ask comes with the settings; each probe has a task, which ends when it is wanted no more.
//! An outcome is shown at once, and kept as a span that is searchable like any record. Nothing is
//! learned from it: probes say that they are some, to the asked one and in the record.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use monitor_core::{
    Batch, Environment, Item, Name, Origin, PROBE_AGENT, Payload, Probe, ProbeView, Resource,
    ServiceKey, Settings, Source, SpanId, SpanItem, SpanKind, Time, TraceId, Value,
};
use monitor_serve::{Clock, Intake};
use reqwest::Method;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Probes made by one monitor; beyond, those of later workloads are not, and that is counted.
const MOST: usize = 500;
/// Outcomes on their way to be shown.
const OUTCOMES: usize = 256;
/// An answer's body is not read: its head is the answer.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Whose probe it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Of {
    service: ServiceKey,
    environment: Option<Name>,
    name: Name,
}

#[derive(Debug)]
struct Outcome {
    of: Of,
    failure: Option<String>,
    start: Time,
    duration: Duration,
}

/// Everything that a probe's task needs.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) intake: Arc<dyn Intake>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
}

/// Makes probes as the settings want them until told to stop.
pub(crate) async fn run(
    mut settings: watch::Receiver<Arc<Settings>>,
    shown: watch::Sender<Arc<Vec<ProbeView>>>,
    surroundings: Surroundings,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let client = reqwest::Client::builder()
        .user_agent(format!("{PROBE_AGENT}{VERSION}"))
        // Where it leads is another's answer.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()?;
    let (outcomes_in, mut outcomes) = mpsc::channel(OUTCOMES);
    let mut tasks = JoinSet::new();
    let mut running: BTreeMap<Of, (Arc<Probe>, CancellationToken)> = BTreeMap::new();
    let mut latest: BTreeMap<Of, ProbeView> = BTreeMap::new();
    loop {
        let wanted = wanted(&settings.borrow_and_update(), &surroundings.metrics);
        running.retain(|of, (probe, ended)| {
            let same = wanted.get(of).is_some_and(|wanted| wanted == &**probe);
            if !same {
                ended.cancel();
            }
            same
        });
        latest.retain(|of, _| wanted.contains_key(of));
        for (of, probe) in wanted {
            if running.contains_key(&of) {
                continue;
            }
            let (probe, ended) = (Arc::new(probe), stop.child_token());
            running.insert(of.clone(), (Arc::clone(&probe), ended.clone()));
            tasks.spawn(ask_again_and_again(
                of,
                probe,
                client.clone(),
                surroundings.clone(),
                outcomes_in.clone(),
                ended,
            ));
        }
        show(&latest, &shown);
        loop {
            tokio::select! {
                Some(outcome) = outcomes.recv() => {
                    if running.contains_key(&outcome.of) {
                        note(&mut latest, outcome);
                        show(&latest, &shown);
                    }
                }
                Some(_ended) = tasks.join_next() => {}
                changed = settings.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => stop.cancelled().await,
                },
                () = stop.cancelled() => {
                    while tasks.join_next().await.is_some() {}
                    return Ok(());
                }
            }
        }
    }
}

/// The probes of all workloads, the first ones when there are too many.
fn wanted(settings: &Settings, metrics: &Metrics) -> BTreeMap<Of, Probe> {
    let mut wanted = BTreeMap::new();
    for (service, environment, own) in settings.workloads() {
        for probe in &own.probes {
            if wanted.len() >= MOST {
                tracing::warn!(
                    service = %service, probe = &*probe.name,
                    "more than {MOST} probes are wanted; this one and those after it are not made"
                );
                metrics.probes_refused.inc();
                return wanted;
            }
            let of = Of {
                service: service.clone(),
                environment: environment.cloned(),
                name: Name::clone(&probe.name),
            };
            wanted.insert(of, probe.clone());
        }
    }
    wanted
}

fn note(latest: &mut BTreeMap<Of, ProbeView>, outcome: Outcome) {
    let of = outcome.of;
    let view = latest.entry(of.clone()).or_insert_with(|| ProbeView {
        service: of.service,
        environment: of.environment,
        name: of.name,
        failure: None,
        duration: Duration::ZERO,
        at: outcome.start,
        made: 0,
        failed: 0,
    });
    view.made += 1;
    view.failed += u64::from(outcome.failure.is_some());
    view.failure = outcome.failure;
    view.duration = outcome.duration;
    view.at = outcome.start;
}

fn show(latest: &BTreeMap<Of, ProbeView>, shown: &watch::Sender<Arc<Vec<ProbeView>>>) {
    shown.send_replace(Arc::new(latest.values().cloned().collect()));
}

async fn ask_again_and_again(
    of: Of,
    probe: Arc<Probe>,
    client: reqwest::Client,
    surroundings: Surroundings,
    outcomes: mpsc::Sender<Outcome>,
    ended: CancellationToken,
) {
    let mut turns = tokio::time::interval(probe.interval);
    // After a pause the next probe says how things are now; those that were missed say nothing.
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = turns.tick() => {}
            () = ended.cancelled() => return,
        }
        let start = surroundings.clock.now();
        let (trace, span) = ids(&of, start);
        let began = tokio::time::Instant::now();
        let asked = ask(&client, &probe, trace, span);
        let answer = tokio::select! {
            answer = tokio::time::timeout(probe.timeout, asked) => answer,
            () = ended.cancelled() => return,
        };
        let duration = began.elapsed();
        let (status, failure) = match answer {
            Ok(Ok(status)) => (Some(status), judge(&probe, status)),
            Ok(Err(error)) => (None, Some(reason(&error))),
            Err(_) => {
                let seconds = probe.timeout.as_secs();
                (None, Some(format!("no answer within {seconds} s")))
            }
        };
        let outcome = Outcome {
            of: of.clone(),
            failure,
            start,
            duration,
        };
        let record = record(&probe, &outcome, status, trace, span);
        if surroundings.intake.submit(record).await.is_err() {
            // The outcome is shown all the same; only its record is not searchable.
            surroundings.metrics.probe_records_dropped.inc();
        }
        if outcomes.send(outcome).await.is_err() {
            return;
        }
    }
}

async fn ask(
    client: &reqwest::Client,
    probe: &Probe,
    trace: TraceId,
    span: SpanId,
) -> Result<u16, reqwest::Error> {
    let method = Method::from_bytes(probe.method.as_bytes()).unwrap_or(Method::GET);
    let response = client
        .request(method, &*probe.url)
        .header("traceparent", format!("00-{trace}-{span}-01"))
        .send()
        .await?;
    Ok(response.status().as_u16())
}

/// Why an answer is not the expected one.
fn judge(probe: &Probe, status: u16) -> Option<String> {
    if probe.expect_status.is_empty() {
        return (status >= 400).then(|| format!("it answered {status}"));
    }
    (!probe.expect_status.contains(&status)).then(|| {
        let expected: Vec<String> = probe.expect_status.iter().map(u16::to_string).collect();
        format!("it answered {status}, not {}", expected.join(" or "))
    })
}

/// Without the address, which may hold a secret.
fn reason(error: &reqwest::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    if error.is_connect() {
        format!("no connection: {deepest}")
    } else if std::ptr::eq(deepest, error as &dyn std::error::Error) {
        "it could not be asked".to_owned()
    } else {
        format!("no answer: {deepest}")
    }
}

/// FNV-1a, 64 bits, over whose probe it is and when: no two probes have the same ids, and the same
/// one always has.
fn ids(of: &Of, start: Time) -> (TraceId, SpanId) {
    let parts = [
        &of.service.namespace,
        &of.service.name,
        &of.name,
        of.environment.as_ref().unwrap_or(&of.name),
    ];
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in part.len().to_le_bytes().iter().chain(part.as_bytes()) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    let mut trace = [0; 16];
    trace[..8].copy_from_slice(&(hash | 1).to_be_bytes());
    trace[8..].copy_from_slice(&start.as_nanos().to_be_bytes());
    let span = hash.rotate_left(32) ^ start.as_nanos().unsigned_abs() | 1;
    let trace = TraceId::new(trace).expect("a bit of it is set");
    (
        trace,
        SpanId::new(span.to_be_bytes()).expect("a bit of it is set"),
    )
}

fn record(
    probe: &Probe,
    outcome: &Outcome,
    status: Option<u16>,
    trace_id: TraceId,
    span_id: SpanId,
) -> Batch {
    let text = |name: &str, value: &str| (Name::from(name), Value::Str(value.to_owned()));
    // Not the address: its path or query may hold a secret.
    let mut attributes = vec![
        text("user_agent.synthetic.type", "test"),
        text("crosswatch.probe", &probe.name),
        text("http.request.method", &probe.method),
    ];
    attributes.extend(status.map(|status| {
        (
            Name::from("http.response.status_code"),
            Value::Int(status.into()),
        )
    }));
    let environment = Environment {
        name: outcome
            .of
            .environment
            .clone()
            .unwrap_or_else(|| monitor_core::UNKNOWN.into()),
        ..Environment::default()
    };
    let resource = Resource {
        service: outcome.of.service.clone(),
        version: None,
        instance: "crosswatch".into(),
        environment,
        attributes: Vec::new(),
    };
    Batch {
        origin: Origin::Probe,
        received: outcome.start + outcome.duration,
        sources: vec![Source {
            resource: Arc::new(resource),
            stream: "probe".into(),
        }],
        items: vec![Item {
            source: 0,
            payload: Payload::Span(SpanItem {
                trace_id,
                span_id,
                parent: None,
                // Neither served by the service nor a call that it made.
                kind: SpanKind::Internal,
                name: format!("probe {}", probe.name).into(),
                start: outcome.start,
                duration: outcome.duration,
                error: Some(outcome.failure.is_some()),
                status_message: outcome.failure.clone().unwrap_or_default(),
                attributes,
            }),
        }],
    }
}
