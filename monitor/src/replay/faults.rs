//! Faults that are known to have been injected: would their origin have been found?
//!
//! Each is judged by itself, from the files of its minute and of the fault-free one, so a verdict
//! depends on nothing else that was recorded. `replay` reports them, and so does `eval`.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use monitor_core::{Batch, Name, Payload, Record, ServiceKey, Severity, Time};
use monitor_diagnose::origin::{LineSeen, Scene, SceneBuilder, SpanSeen, Suspicion, locate};
use monitor_ingest::pipeline::Pipeline;
use monitor_ingest::redact::{RedactConfig, RedactionCounts, Redactor};
use serde::Serialize;

use super::ReadCounts;
use super::nezha::{Measured, Recording};
use super::report::time;

/// Evidence from which a service is called unusual, in nats: twenty to one.
const UNUSUAL: f64 = 3.0;
/// Services shown for each fault.
const SHOWN: usize = 5;

/// A stretch of recorded time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub start: Time,
    pub length: Duration,
}

/// A fault that is known to have been injected while recording.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault {
    pub injected: Time,
    pub kind: String,
    pub service: ServiceKey,
    /// What is judged …
    pub window: Window,
    /// … against what.
    pub reference: Option<Window>,
}

/// A service that is suspected, and why.
#[derive(Debug, Serialize)]
pub struct Cause {
    pub service: String,
    /// In nats.
    pub score: f64,
    pub why: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct FaultReport {
    #[serde(serialize_with = "at")]
    pub injected: Time,
    pub kind: String,
    pub service: String,
    /// Why nothing could be compared, if so.
    pub not_compared: Option<String>,
    pub compared: usize,
    pub unusual: usize,
    /// Whether the faulty one was among the unusual ones.
    pub faulty_unusual: bool,
    /// The faulty service's place by all evidence, the weak included; the best of those with its
    /// score. `None` when nothing speaks for it.
    pub rank: Option<usize>,
    /// How many have its score, itself included.
    pub tied: usize,
    /// The first of them.
    pub services: Vec<Cause>,
}

fn at<S: serde::Serializer>(moment: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    time(&Some(*moment), serializer)
}

impl FaultReport {
    /// The probability that the faulty service is among the first `k`, when those with equal scores
    /// are put in random order.
    pub fn hit(&self, k: usize) -> f64 {
        let Some(rank) = self.rank else { return 0.0 };
        let places = (k + 1).saturating_sub(rank).min(self.tied);
        places as f64 / self.tied.max(1) as f64
    }

    /// The expected reciprocal of its place.
    pub fn reciprocal_rank(&self) -> f64 {
        let Some(rank) = self.rank else { return 0.0 };
        let places = rank..rank + self.tied.max(1);
        places.map(|place| 1.0 / place as f64).sum::<f64>() / self.tied.max(1) as f64
    }
}

/// Judges the faults of a recording: a folder that has `rca_data/`, or the archive of one.
/// `each` is called after each, in the order of their injection.
pub fn judge_recording(
    path: &Path,
    mut each: impl FnMut(FaultReport) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir().context("cannot create a temporary folder")?;
    let input = super::input::open(&[path.to_owned()], scratch.path())?;
    let recording = match input.roots.as_slice() {
        [root] => Recording::open(root)?,
        _ => None,
    };
    let Some(recording) = recording else {
        bail!(
            "`{}` is no recording with injected faults: expected rca_data/DATE and \
             construct_data/DATE in it",
            path.display()
        );
    };
    let mut judge = Judge::new(&recording)?;
    for fault in &recording.faults {
        each(judge.judge(fault)?)?;
    }
    Ok(())
}

/// Judges faults of one recording.
pub(super) struct Judge<'a> {
    recording: &'a Recording,
    measured: Measured,
    redactor: Redactor,
}

impl<'a> Judge<'a> {
    pub(super) fn new(recording: &'a Recording) -> anyhow::Result<Judge<'a>> {
        Ok(Judge {
            recording,
            measured: recording.measured(&mut ReadCounts::default())?,
            redactor: Redactor::new(RedactConfig::default())?,
        })
    }

    /// Compares the fault's minute with the fault-free one of its day.
    pub(super) fn judge(&mut self, fault: &Fault) -> anyhow::Result<FaultReport> {
        let before = match fault.reference {
            Some(reference) => self.minute(reference.start)?,
            None => Vec::new(),
        };
        let now = self.minute(fault.window.start)?;
        let mut pipeline = Pipeline::new();
        // What a template's variables are is learned from both minutes before either is looked at.
        for batch in before.iter().chain(&now) {
            pipeline.process(lines_of(batch));
        }
        let (before, now) = (scene(&before, &mut pipeline), scene(&now, &mut pipeline));
        let Some(reference) = fault.reference.filter(|_| !before.executions.is_empty()) else {
            return Ok(report(
                fault,
                Err("the recording has no fault-free minute".to_owned()),
            ));
        };
        if now.executions.is_empty() {
            let reason = format!("the recording has no spans of {}", fault.window.start);
            return Ok(report(fault, Err(reason)));
        }
        let usage = self.measured.usage(fault.window, reference);
        Ok(report(fault, Ok(locate(&before, &now, &usage))))
    }

    fn minute(&mut self, start: Time) -> anyhow::Result<Vec<Batch>> {
        let mut batches = self.recording.minute(start, &mut ReadCounts::default())?;
        for batch in &mut batches {
            self.redactor
                .redact_batch(batch, &mut RedactionCounts::default());
        }
        Ok(batches)
    }
}

/// A copy with log lines alone.
fn lines_of(batch: &Batch) -> Batch {
    let mut lines = batch.clone();
    lines
        .items
        .retain(|item| matches!(item.payload, Payload::Log(_)));
    lines
}

fn scene(batches: &[Batch], pipeline: &mut Pipeline) -> Scene {
    let mut builder = SceneBuilder::default();
    for batch in batches {
        for item in &batch.items {
            if let (Payload::Span(span), Some(source)) =
                (&item.payload, batch.sources.get(item.source as usize))
            {
                builder.span(SpanSeen {
                    trace: span.trace_id,
                    id: span.span_id,
                    parent: span.parent,
                    service: name(&source.resource.service),
                    operation: span.name.clone(),
                    start: span.start,
                    duration: span.duration,
                });
            }
        }
        for (_, record) in pipeline.process(lines_of(batch)).records {
            if let Some(trace) = record.ids.trace_id {
                builder.line(LineSeen {
                    trace,
                    span: record.ids.span_id,
                    service: name(&record.resource.service),
                    what: said(&record, pipeline),
                    error: record.severity >= Some(Severity::Error),
                });
            }
        }
    }
    builder.finish()
}

fn name(service: &ServiceKey) -> Name {
    Name::from(service.to_string())
}

/// The place in the code that a line comes from, when it says so, or else its template: what is
/// said at one place may vary in words that are no variable by their looks.
fn said(record: &Record, pipeline: &Pipeline) -> Name {
    let attribute = |wanted: &str| {
        record
            .attributes
            .iter()
            .find(|(name, _)| &**name == wanted)
            .map(|(_, value)| value.to_string())
    };
    let place = attribute("code.location")
        .or_else(|| attribute("logger").filter(|logger| is_place(logger)));
    let text = place.or_else(|| {
        let id = record.template.as_ref()?.shape.template;
        pipeline.template_text(&record.resource.service, id)
    });
    Name::from(text.unwrap_or_else(|| record.message().to_owned()))
}

/// `TravelServiceImpl#532`, `orders.py:17`: a name and a line.
fn is_place(logger: &str) -> bool {
    logger
        .rsplit_once(['#', ':'])
        .is_some_and(|(name, line)| !name.is_empty() && line.parse::<u32>().is_ok())
}

fn report(fault: &Fault, found: Result<Vec<Suspicion>, String>) -> FaultReport {
    let mut report = FaultReport {
        injected: fault.injected,
        kind: fault.kind.clone(),
        service: fault.service.to_string(),
        not_compared: None,
        compared: 0,
        unusual: 0,
        faulty_unusual: false,
        rank: None,
        tied: 0,
        services: Vec::new(),
    };
    let ranked = match found {
        Ok(ranked) => ranked,
        Err(reason) => {
            report.not_compared = Some(reason);
            return report;
        }
    };
    let unusual = |suspicion: &&Suspicion| suspicion.evidence >= UNUSUAL;
    report.compared = ranked.len();
    report.unusual = ranked.iter().filter(unusual).count();
    if let Some(faulty) = ranked
        .iter()
        .find(|suspicion| *suspicion.service == *report.service)
    {
        let tied = |other: &&Suspicion| other.evidence.total_cmp(&faulty.evidence).is_eq();
        let before = ranked
            .iter()
            .filter(|other| other.evidence > faulty.evidence)
            .count();
        report.rank = (faulty.evidence > 0.0).then_some(before + 1);
        report.tied = ranked.iter().filter(tied).count();
        report.faulty_unusual = unusual(&faulty);
    }
    report.services = ranked
        .into_iter()
        .filter(|suspicion| suspicion.evidence > 0.0)
        .take(SHOWN)
        .map(|suspicion| Cause {
            service: suspicion.service.to_string(),
            score: suspicion.evidence,
            why: suspicion
                .reasons
                .into_iter()
                .map(|reason| reason.why)
                .collect(),
        })
        .collect();
    report
}

#[derive(Debug, Serialize)]
pub struct FaultSummary {
    pub by_kind: Vec<SummaryRow>,
    pub all: SummaryRow,
    /// Faults of which the recording has nothing to compare; in none of the rows.
    pub not_compared: usize,
}

#[derive(Debug, Serialize)]
pub struct SummaryRow {
    pub kind: String,
    pub cases: usize,
    /// Services with something unusual, on average.
    pub unusual_services: f64,
    /// Cases in which the faulty service was among them.
    pub faulty_among: usize,
    pub as_at_1: f64,
    pub as_at_3: f64,
    pub as_at_5: f64,
}

impl FaultSummary {
    pub(super) fn of(faults: &[FaultReport]) -> FaultSummary {
        let compared: Vec<&FaultReport> = faults
            .iter()
            .filter(|fault| fault.not_compared.is_none())
            .collect();
        let kinds: BTreeSet<&str> = compared.iter().map(|fault| fault.kind.as_str()).collect();
        let by_kind = kinds
            .into_iter()
            .map(|kind| {
                let of_kind: Vec<&FaultReport> = compared
                    .iter()
                    .copied()
                    .filter(|fault| fault.kind == kind)
                    .collect();
                SummaryRow::of(kind, &of_kind)
            })
            .collect();
        FaultSummary {
            by_kind,
            all: SummaryRow::of("all", &compared),
            not_compared: faults.len() - compared.len(),
        }
    }
}

impl SummaryRow {
    fn of(kind: &str, faults: &[&FaultReport]) -> SummaryRow {
        let cases = faults.len();
        let mean = |value: &dyn Fn(&FaultReport) -> f64| {
            faults.iter().map(|fault| value(fault)).sum::<f64>() / cases.max(1) as f64
        };
        SummaryRow {
            kind: kind.to_owned(),
            cases,
            unusual_services: mean(&|fault| fault.unusual as f64),
            faulty_among: faults.iter().filter(|fault| fault.faulty_unusual).count(),
            as_at_1: mean(&|fault| fault.hit(1)),
            as_at_3: mean(&|fault| fault.hit(3)),
            as_at_5: mean(&|fault| fault.hit(5)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(rank: usize, tied: usize) -> FaultReport {
        FaultReport {
            injected: Time::EPOCH,
            kind: "delay".to_owned(),
            service: "cart".to_owned(),
            not_compared: None,
            compared: 10,
            unusual: 5,
            faulty_unusual: true,
            rank: Some(rank),
            tied,
            services: Vec::new(),
        }
    }

    #[test]
    fn ties_count_as_their_expected_value() {
        assert_eq!(fault(1, 1).hit(1), 1.0);
        assert_eq!(fault(1, 2).hit(1), 0.5);
        assert_eq!(fault(2, 4).hit(3), 0.5);
        assert_eq!(fault(4, 1).hit(3), 0.0);
        assert_eq!(fault(1, 2).reciprocal_rank(), 0.75);
        assert_eq!(fault(4, 1).reciprocal_rank(), 0.25);
    }

    #[test]
    fn a_logger_with_a_line_is_a_place_in_the_code() {
        assert!(is_place("t.s.TravelServiceImpl#532"));
        assert!(is_place("orders.py:17"));
        assert!(!is_place("org.example.Orders"));
        assert!(!is_place("#7"));
    }
}
