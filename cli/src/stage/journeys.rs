//! Journeys of the platform in virtual time: assembled by the product, known to the platform.
//!
//! What the collectors deliver is decoded, redacted and understood as in production; the hops that
//! come out of it go to several assemblers, each with its own share of the evidence. Here it is also
//! written down which hop is which passage, as the platform knows it; assemblers never see that.

mod wrong;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use eval::journeys::{Clock as ClockError, Passed, Put, Score, score};
use monitor_core::{CallSource, Hop, Observation, Origin, SpanId, SpanKind, Time};
use monitor_diagnose::{Journey, Journeys};
use monitor_ingest::otlp::{self as receive, Encoding};
use monitor_ingest::pipeline::Pipeline;
use monitor_ingest::redact::{RedactConfig, RedactionCounts, Redactor};
use prost::Message;
use sim_services::chaos::plan::Plan;
use sim_services::clock::{Clock, Moment};
use sim_services::load::Rate;
use sim_services::mesh::virtual_time::run_virtual;
use sim_services::net::Wire;
use sim_services::telemetry::Export;
use sim_services::telemetry::otlp;
use sim_services::telemetry::sink::Function;
use sim_services::topology::Topology;
use sim_services::truth::{Passage, Passages};
use tokio_util::sync::CancellationToken;

use super::platform::{Setup, nobody};

/// 2026-03-03 10:00 UTC, a Tuesday.
const DATE: Moment = Moment(1_772_532_000_000_000_000);
/// By how much one environment's clock is put wrong in the runs that are about that.
const SKEW: i64 = 2_000_000_000;
/// A log's time and the passage's differ by no more, beside what the log leaves out.
const NEAR: i64 = 2_000_000;
/// Journeys that begin or end so near to the run's ends are not judged.
const MARGIN: Duration = Duration::from_secs(15);

#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) topology: Arc<Topology>,
    pub(crate) seed: u64,
    pub(crate) requests_per_second: Option<f64>,
    pub(crate) length: Duration,
    /// Of each assembler, so many wrong journeys are told.
    pub(crate) wrong: usize,
}

#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) passages: u64,
    pub(crate) hops: u64,
    pub(crate) scores: Vec<Score>,
    /// Wrong journeys as they were and as they were put together, for people.
    pub(crate) wrong: String,
}

/// What an assembler gets to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Evidence {
    All,
    Logs,
    /// Time, service, peer and operation: no ids, no client.
    Time,
}

/// One assembler and its share.
struct Judge {
    name: String,
    evidence: Evidence,
    /// Of this environment, whose clock is wrong.
    skewed: Option<String>,
    journeys: Journeys,
    /// By the number of the hop in this assembler.
    passages: Vec<Option<u64>>,
    /// Passages of which it saw something, and of these the ones with ids.
    seen: BTreeSet<u64>,
    with_ids: BTreeSet<u64>,
    found: Vec<Journey>,
}

impl Judge {
    fn new(name: &str, evidence: Evidence, skewed: Option<&str>) -> Judge {
        let mut journeys = Journeys::default();
        journeys.keep_finished();
        Judge {
            name: name.to_owned(),
            evidence,
            skewed: skewed.map(str::to_owned),
            journeys,
            passages: Vec::new(),
            seen: BTreeSet::new(),
            with_ids: BTreeSet::new(),
            found: Vec::new(),
        }
    }

    fn see(&mut self, hop: &Hop, passage: Option<u64>, exports_spans: bool) {
        let mut hop = hop.clone();
        match self.evidence {
            Evidence::All => {}
            Evidence::Logs if hop.source == CallSource::Log => {}
            Evidence::Logs => return,
            Evidence::Time => {
                // Both sides as a log would tell them; a service that tells by spans tells once.
                if (hop.source == CallSource::Log && exports_spans)
                    || hop.role == SpanKind::Internal
                {
                    return;
                }
                hop.source = CallSource::Log;
                (hop.trace, hop.span, hop.parent) = (None, None, None);
                (hop.request, hop.client) = (None, None);
                hop.links.clear();
            }
        }
        if self.skewed.as_deref() == Some(&*hop.workload.environment) {
            hop.start = Time::from_nanos(hop.start.as_nanos() + SKEW);
        }
        if let Some(passage) = passage {
            self.seen.insert(passage);
            if hop.trace.is_some() || hop.request.is_some() {
                self.with_ids.insert(passage);
            }
        }
        self.passages.push(passage);
        self.journeys.see(&hop);
        self.found.extend(self.journeys.take_finished());
    }

    fn finish(&mut self) {
        self.journeys.finish();
        self.found.extend(self.journeys.take_finished());
    }
}

/// The listening side.
struct Stage {
    pipeline: Pipeline,
    redactor: Redactor,
    redactions: RedactionCounts,
    offsets: BTreeMap<String, i64>,
    passages: Arc<Passages>,
    truth: BTreeMap<u64, Passage>,
    by_span: BTreeMap<[u8; 8], u64>,
    /// By service and replica, in order of their end; taken out when a log tells of them.
    untold: BTreeMap<(String, String), Vec<u64>>,
    exporters: BTreeSet<String>,
    judges: Vec<Judge>,
    hops: u64,
    error: Option<anyhow::Error>,
}

pub(crate) fn run(run: Run) -> anyhow::Result<Outcome> {
    let passages = Arc::new(Passages::default());
    let offsets: BTreeMap<String, i64> = (run.topology.environments.iter())
        .map(|(name, spec)| (name.clone(), spec.clock_offset_ms * 1_000_000))
        .collect();
    // One that is not the entry's, so that journeys enter by a right clock and meet a wrong one.
    let entry = &run.topology.services[&run.topology.entry].environment;
    let skewed = offsets.keys().find(|name| *name != entry).cloned();
    let skewed = skewed.as_deref();
    let stage = Arc::new(Mutex::new(Stage {
        pipeline: Pipeline::new(),
        redactor: Redactor::new(RedactConfig::default())?,
        redactions: RedactionCounts::default(),
        offsets: offsets.clone(),
        passages: Arc::clone(&passages),
        truth: BTreeMap::new(),
        by_span: BTreeMap::new(),
        untold: BTreeMap::new(),
        exporters: (run.topology.services.iter())
            .filter(|(_, spec)| spec.tracing.exports_spans)
            .map(|(name, _)| name.clone())
            .collect(),
        judges: vec![
            Judge::new("ids", Evidence::All, None),
            Judge::new("ids, logs alone", Evidence::Logs, None),
            Judge::new("ids, a clock 2 s off", Evidence::All, skewed),
            Judge::new("time and peers", Evidence::Time, None),
            Judge::new("time and peers, 2 s off", Evidence::Time, skewed),
        ],
        hops: 0,
        error: None,
    }));
    perform(&run, &stage, passages)?;
    let mut stage = stage.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = stage.error.take() {
        return Err(error);
    }
    stage.finish(DATE + run.length, run.wrong)
}

fn perform(run: &Run, stage: &Arc<Mutex<Stage>>, passages: Arc<Passages>) -> anyhow::Result<()> {
    let setup = Setup {
        topology: Arc::clone(&run.topology),
        seed: run.seed,
        rate: run.requests_per_second.map(Rate::Requests),
        constant: true,
    };
    let listener = Arc::clone(stage);
    let length = run.length;
    let over = run_virtual(DATE, |clock: Clock| async move {
        let sink = Function::new(move |exports: Vec<Export>| {
            let mut stage = listener.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = stage.hear(&exports, clock.now()) {
                stage.error.get_or_insert(error);
            }
        })
        .with_passages(passages);
        let config = setup.within(Wire::memory(), clock, Arc::new(sink), nobody());
        let (plan, stop) = (Plan::default(), CancellationToken::new());
        sim_services::mesh::run(config, length, &plan, stop).await
    });
    over.context("cannot start a runtime")?.map(|_| ())
}

impl Stage {
    fn hear(&mut self, exports: &[Export], now: Moment) -> anyhow::Result<()> {
        for passage in self.passages.take() {
            if let Some(span) = passage.span {
                self.by_span.insert(span, passage.id);
            }
            let place = (passage.service.clone(), passage.instance.clone());
            self.untold.entry(place).or_default().push(passage.id);
            self.truth.insert(passage.id, passage);
        }
        let now = Time::from_nanos(now.0);
        let (logs, traces) = (otlp::logs(exports), otlp::traces(exports));
        let (logs, traces) = (logs.encode_to_vec(), traces.encode_to_vec());
        let (encoding, origin) = (Encoding::Protobuf, Origin::OtlpHttp);
        for decoded in [
            receive::decode_logs_bytes(&logs, encoding, origin, now)?,
            receive::decode_traces_bytes(&traces, encoding, origin, now)?,
        ] {
            if decoded.rejected.total() > 0 {
                return Err(anyhow!("some of the platform's telemetry was refused"));
            }
            let mut batch = decoded.batch;
            self.redactor.redact_batch(&mut batch, &mut self.redactions);
            for observation in self.pipeline.process(batch).observations {
                if let Observation::Hop(hop) = observation {
                    self.hops += 1;
                    let passage = self.passage_of(&hop);
                    let exports = self.exporters.contains(&*hop.workload.service.name);
                    for judge in &mut self.judges {
                        judge.see(&hop, passage, exports);
                    }
                }
            }
        }
        Ok(())
    }

    /// Which passage a hop tells of, if it tells of one being served.
    fn passage_of(&mut self, hop: &Hop) -> Option<u64> {
        if !matches!(hop.role, SpanKind::Server | SpanKind::Consumer) {
            return None;
        }
        let by_span = |span| self.by_span.get(SpanId::as_bytes(&span)).copied();
        if hop.source == CallSource::Span {
            return by_span(hop.span?);
        }
        if let Some(passage) = hop.span.and_then(by_span) {
            return Some(passage);
        }
        let workload = &hop.workload;
        let place = (workload.service.name.to_string(), hop.instance.to_string());
        let offset = self.offsets.get(&*workload.environment).copied()?;
        let end = hop.end().as_nanos() - offset;
        let least = end - NEAR;
        let most = end + NEAR + i64::try_from(hop.precision.as_nanos()).unwrap_or(i64::MAX);
        let took = i64::try_from(hop.duration.as_nanos()).unwrap_or(i64::MAX);
        let untold = self.untold.get_mut(&place)?;
        let found = untold.iter().rposition(|id| {
            self.truth.get(id).is_some_and(|passage| {
                let length = passage.end.0 - passage.start.0;
                let other = (passage.request.as_deref().zip(hop.request.as_deref()))
                    .is_some_and(|(passage, hop)| passage != hop);
                !passage.consumed
                    && !other
                    && (least..=most).contains(&passage.end.0)
                    && (length - took).abs() <= NEAR
            })
        })?;
        Some(untold.remove(found))
    }

    fn finish(&mut self, end: Moment, tell: usize) -> anyhow::Result<Outcome> {
        let from = DATE + MARGIN;
        let until = Moment(end.0 - i64::try_from(MARGIN.as_nanos())?);
        let entries: BTreeMap<u64, &Passage> = self
            .truth
            .values()
            .filter(|passage| passage.parent.is_none())
            .map(|passage| (passage.journey, passage))
            .collect();
        let judged: BTreeMap<u64, Passed> = self
            .truth
            .values()
            .filter(|passage| {
                (entries.get(&passage.journey))
                    .is_some_and(|entry| entry.start >= from && entry.end <= until)
            })
            .map(|passage| {
                let passed = Passed {
                    journey: passage.journey,
                    parent: passage.parent,
                };
                (passage.id, passed)
            })
            .collect();
        let entry = |journey: u64| match entries.get(&journey) {
            Some(entry) => entry.route.clone(),
            None => String::new(),
        };
        let mut scores: Vec<Score> = Vec::new();
        let mut wrong = String::new();
        for judge in &mut self.judges {
            judge.finish();
            let clocks = clocks(judge, &self.offsets);
            let put = places(judge);
            let within = |all: &BTreeSet<u64>| -> BTreeSet<u64> {
                let known = all.iter().filter(|passage| judged.contains_key(*passage));
                known.copied().collect()
            };
            let seen = within(&judge.seen);
            if judge.evidence != Evidence::Time {
                let with_ids = within(&judge.with_ids);
                let put = only(&put, &with_ids);
                scores.push(score(
                    &judge.name,
                    &judged,
                    &with_ids,
                    &put,
                    entry,
                    clocks.clone(),
                ));
            }
            if judge.evidence != Evidence::Logs {
                let name = match judge.evidence {
                    Evidence::Time => judge.name.clone(),
                    _ => format!("{}, and without", judge.name),
                };
                scores.push(score(&name, &judged, &seen, &put, entry, clocks));
            }
            if let Some(score) = scores.last().filter(|_| tell > 0) {
                wrong.push_str(&wrong::told(score, tell, judge, &self.truth));
            }
        }
        Ok(Outcome {
            passages: judged.len() as u64,
            hops: self.hops,
            scores,
            wrong,
        })
    }
}

/// Where each passage was put: with the nearest passage above it.
fn places(judge: &Judge) -> BTreeMap<u64, Put> {
    let passage_of = |hop: u64| -> Option<u64> {
        let place = usize::try_from(hop).ok()?.checked_sub(1)?;
        judge.passages.get(place).copied().flatten()
    };
    let mut put = BTreeMap::new();
    for (number, journey) in judge.found.iter().enumerate() {
        for stop in &journey.stops {
            let Some(passage) = passage_of(stop.hop) else {
                continue;
            };
            let mut above = stop.parent;
            let mut parent = None;
            while let Some(place) = above {
                parent = passage_of(journey.stops[place].hop);
                if parent.is_some() {
                    break;
                }
                above = journey.stops[place].parent;
            }
            let place = Put {
                journey: number,
                parent,
                confidence: f64::from(journey.confidence),
            };
            put.insert(passage, place);
        }
    }
    put
}

/// As if the other passages did not exist: who was below one of them is below the next above.
fn only(put: &BTreeMap<u64, Put>, seen: &BTreeSet<u64>) -> BTreeMap<u64, Put> {
    let above = |mut parent: Option<u64>| {
        while let Some(passage) = parent.filter(|passage| !seen.contains(passage)) {
            parent = put.get(&passage).and_then(|place| place.parent);
        }
        parent
    };
    put.iter()
        .filter(|(passage, _)| seen.contains(*passage))
        .map(|(passage, place)| {
            let parent = above(place.parent);
            (*passage, Put { parent, ..*place })
        })
        .collect()
}

fn clocks(judge: &Judge, offsets: &BTreeMap<String, i64>) -> Vec<ClockError> {
    let millis = |nanos: i64| {
        #[expect(clippy::cast_precision_loss, reason = "a few seconds")]
        let nanos = nanos as f64;
        nanos / 1e6
    };
    let skews = judge.journeys.view().skews;
    skews
        .iter()
        .filter_map(|skew| {
            let own = offsets.get(&*skew.environment)?;
            let skewed = judge.skewed.as_deref() == Some(&*skew.environment);
            Some(ClockError {
                environment: skew.environment.to_string(),
                found_ms: skew.offset * 1e3,
                true_ms: millis(own + if skewed { SKEW } else { 0 }),
            })
        })
        .collect()
}
