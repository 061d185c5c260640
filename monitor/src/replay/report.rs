//! What a replay found: gathered while it runs, told at the end.

mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use monitor_core::{
    Anomaly, AnomalyId, ApiKey, CallSource, EngineCounts, Incident, IncidentId, IngestView, Name,
    Observation, Outcome, Record, ServiceKey, Severity, Sketch, Time, TraceId,
};
use monitor_engine::Effect;
use monitor_ingest::redact::RedactionCounts;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::ReadCounts;
use super::faults::{FaultReport, FaultSummary};

/// Traces remembered to tell whether logs and spans meet; beyond, only the first are compared.
const MAX_TRACES: usize = 2_000_000;

/// Gathers while the replay runs. Part of the checkpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Collector {
    /// One request can be seen in several kinds of evidence, so each is counted by itself.
    apis: BTreeMap<Arc<ApiKey>, BTreeMap<CallSource, ApiTotals>>,
    services: BTreeMap<ServiceKey, ServiceTotals>,
    traces: FxHashMap<TraceId, Seen>,
    /// Log records and spans whose trace was not remembered.
    untraced_overflow: u64,
    anomalies: BTreeMap<AnomalyId, Anomaly>,
    incidents: BTreeMap<IncidentId, Incident>,
    pub(super) redactions: Redactions,
    first: Option<Time>,
    last: Option<Time>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct ApiTotals {
    calls: u64,
    errors: u64,
    durations: Sketch,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct ServiceTotals {
    logs: u64,
    errors: u64,
    spans: u64,
    templates: BTreeSet<u64>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Seen {
    logs: u32,
    spans: u32,
}

/// Redactions by kind.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Redactions(BTreeMap<String, u64>);

impl Redactions {
    pub(super) fn add(&mut self, counts: &RedactionCounts) {
        for (kind, count) in counts.iter() {
            *self.0.entry(kind.to_string()).or_default() += count;
        }
    }
}

impl Collector {
    pub(super) fn after(&mut self, records: &[(u32, Record)], observations: &[Observation]) {
        for (_, record) in records {
            self.first = Some(
                self.first
                    .map_or(record.time, |first| first.min(record.time)),
            );
            self.last = Some(self.last.map_or(record.time, |last| last.max(record.time)));
            let totals = self
                .services
                .entry(record.resource.service.clone())
                .or_default();
            let is_span = record.span.is_some();
            if is_span {
                totals.spans += 1;
            } else {
                totals.logs += 1;
                totals.errors += u64::from(record.severity >= Some(Severity::Error));
                if let Some(matched) = &record.template {
                    totals.templates.insert(matched.shape.template.0);
                }
            }
            if let Some(trace) = record.ids.trace_id {
                if self.traces.len() < MAX_TRACES || self.traces.contains_key(&trace) {
                    let seen = self.traces.entry(trace).or_default();
                    if is_span {
                        seen.spans += 1
                    } else {
                        seen.logs += 1
                    }
                } else {
                    self.untraced_overflow += 1;
                }
            }
        }
        for observation in observations {
            if let Observation::Call(call) = observation {
                let sources = self.apis.entry(Arc::clone(&call.api)).or_default();
                let totals = sources.entry(call.source).or_default();
                totals.calls += 1;
                totals.errors += u64::from(call.status.outcome() == Outcome::ServerError);
                if let Some(duration) = call.duration {
                    totals.durations.add(duration.as_secs_f64());
                }
            }
        }
    }

    /// The line that is kept of an effect, if it is an anomaly's.
    pub(super) fn effect(&mut self, effect: &Effect) -> Option<String> {
        let anomaly = match effect {
            Effect::AnomalyOpened(anomaly)
            | Effect::AnomalyUpdated(anomaly)
            | Effect::AnomalyClosed(anomaly) => anomaly,
            Effect::IncidentOpened(incident)
            | Effect::IncidentUpdated(incident)
            | Effect::IncidentClosed(incident) => {
                self.incidents.insert(incident.id, incident.clone());
                return None;
            }
            Effect::Alert(_) | Effect::Resend(_) => return None,
        };
        self.anomalies.insert(anomaly.id, anomaly.clone());
        // Every value of an anomaly has a JSON form: scores and bands are finite by construction.
        serde_json::to_string(anomaly).ok()
    }

    /// In the order in which they began.
    pub(super) fn incidents(&self) -> Vec<&Incident> {
        let mut incidents: Vec<&Incident> = self.incidents.values().collect();
        incidents.sort_by_key(|incident| (incident.began, incident.id));
        incidents
    }

    pub(super) fn report(
        &self,
        counts: &ReadCounts,
        searchable: Searchable,
        ingest: &IngestView,
        engine: EngineCounts,
        folder: &Path,
    ) -> Report {
        let logs_in_span_traces = self
            .traces
            .values()
            .filter(|seen| seen.spans > 0)
            .map(|seen| u64::from(seen.logs))
            .sum();
        let logs_with_trace = self.traces.values().map(|seen| u64::from(seen.logs)).sum();
        let mut formats: BTreeMap<String, FormatTotals> = BTreeMap::new();
        let mut unrecognised: Vec<Unrecognised> = Vec::new();
        for stream in &ingest.streams {
            let name = stream.format.as_deref().unwrap_or("not recognised");
            let totals = formats.entry(name.to_owned()).or_default();
            totals.streams += 1;
            totals.records += stream.records;
            for (reason, count) in &stream.unrecognised {
                unrecognised.push(Unrecognised {
                    service: stream.service.to_string(),
                    stream: stream.stream.to_string(),
                    reason: reason.to_string(),
                    records: *count,
                    examples: stream.examples.clone(),
                });
            }
        }
        Report {
            input: InputReport {
                log_rows: counts.log_rows,
                span_rows: counts.span_rows,
                lines: counts.lines,
                log_bytes: counts.log_bytes,
                rejected: counts.rejected,
                rejections: counts.rejections.clone(),
                passed_over: counts.passed_over.clone(),
                first: self.first,
                last: self.last,
            },
            searchable,
            traces: TraceReport {
                traces: self.traces.len() as u64,
                logs_with_trace,
                logs_in_span_traces,
                not_compared: self.untraced_overflow,
            },
            formats,
            unrecognised,
            redactions: self.redactions.0.clone(),
            services: self
                .services
                .iter()
                .map(|(service, totals)| ServiceReport {
                    service: service.to_string(),
                    logs: totals.logs,
                    error_logs: totals.errors,
                    spans: totals.spans,
                    templates: totals.templates.len() as u64,
                })
                .collect(),
            apis: self
                .apis
                .iter()
                .filter_map(|(key, sources)| {
                    let (source, totals) = believed(sources)?;
                    Some(ApiReport::of(key, source, totals))
                })
                .collect(),
            anomalies: self.anomalies.len() as u64,
            incidents: self
                .incidents()
                .into_iter()
                .filter(|incident| incident.merged_into.is_none())
                .map(IncidentReport::of)
                .collect(),
            late: engine.late,
            faults: Vec::new(),
            summary: None,
            folder: folder.display().to_string(),
        }
    }
}

impl Report {
    /// Adds what became of faults that are known to have been injected.
    pub(super) fn judged(&mut self, faults: Vec<FaultReport>) {
        self.summary = (!faults.is_empty()).then(|| FaultSummary::of(&faults));
        self.faults = faults;
    }
}

/// Everything that a replay found, as `--json` prints it.
#[derive(Debug, Serialize)]
pub struct Report {
    pub input: InputReport,
    pub searchable: Searchable,
    pub traces: TraceReport,
    pub formats: BTreeMap<String, FormatTotals>,
    pub unrecognised: Vec<Unrecognised>,
    pub redactions: BTreeMap<String, u64>,
    pub services: Vec<ServiceReport>,
    pub apis: Vec<ApiReport>,
    /// Found online, as a running monitor would have.
    pub anomalies: u64,
    /// Those anomalies that belong together, without what became a part of another.
    pub incidents: Vec<IncidentReport>,
    /// Observations too late for the signals; their records are stored.
    pub late: u64,
    pub faults: Vec<FaultReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<FaultSummary>,
    pub folder: String,
}

#[derive(Debug, Serialize)]
pub struct InputReport {
    pub log_rows: u64,
    pub span_rows: u64,
    pub lines: u64,
    pub log_bytes: u64,
    pub rejected: u64,
    pub rejections: Vec<String>,
    /// Files beside a recording that are no part of it.
    pub passed_over: Vec<String>,
    #[serde(serialize_with = "time")]
    pub first: Option<Time>,
    #[serde(serialize_with = "time")]
    pub last: Option<Time>,
}

/// Counted by searching, after the last record was committed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Searchable {
    pub logs: u64,
    pub spans: u64,
}

#[derive(Debug, Serialize)]
pub struct TraceReport {
    pub traces: u64,
    pub logs_with_trace: u64,
    pub logs_in_span_traces: u64,
    pub not_compared: u64,
}

#[derive(Debug, Default, Serialize)]
pub struct FormatTotals {
    pub streams: u64,
    pub records: u64,
}

#[derive(Debug, Serialize)]
pub struct Unrecognised {
    pub service: String,
    pub stream: String,
    pub reason: String,
    pub records: u64,
    pub examples: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct ServiceReport {
    pub service: String,
    pub logs: u64,
    pub error_logs: u64,
    pub spans: u64,
    pub templates: u64,
}

#[derive(Debug, Serialize)]
pub struct ApiReport {
    pub environment: Name,
    pub service: String,
    pub method: Name,
    pub route: Name,
    pub source: String,
    pub calls: u64,
    pub errors: u64,
    pub p50_seconds: Option<f64>,
    pub p95_seconds: Option<f64>,
    pub p99_seconds: Option<f64>,
}

/// The evidence that saw most calls; of twins that differ by stragglers, spans before logs.
fn believed(sources: &BTreeMap<CallSource, ApiTotals>) -> Option<(CallSource, &ApiTotals)> {
    let most = sources.values().map(|totals| totals.calls).max()?;
    sources
        .iter()
        .find(|(_, totals)| totals.calls.saturating_mul(3) >= most.saturating_mul(2))
        .map(|(source, totals)| (*source, totals))
}

impl ApiReport {
    fn of(key: &ApiKey, source: CallSource, totals: &ApiTotals) -> ApiReport {
        ApiReport {
            environment: Arc::clone(&key.environment),
            service: key.service.to_string(),
            method: Arc::clone(&key.method),
            route: Arc::clone(&key.route),
            source: source.as_str().to_owned(),
            calls: totals.calls,
            errors: totals.errors,
            p50_seconds: totals.durations.quantile(0.50),
            p95_seconds: totals.durations.quantile(0.95),
            p99_seconds: totals.durations.quantile(0.99),
        }
    }
}

#[derive(Debug, Serialize)]
pub struct IncidentReport {
    pub id: String,
    #[serde(serialize_with = "time")]
    pub began: Option<Time>,
    #[serde(serialize_with = "time")]
    pub opened: Option<Time>,
    /// `null` when it lasted beyond the recording's end.
    #[serde(serialize_with = "time")]
    pub ended: Option<Time>,
    pub services: Vec<String>,
    pub anomalies: u64,
    /// The likeliest first.
    pub suspects: Vec<SuspectReport>,
}

#[derive(Debug, Serialize)]
pub struct SuspectReport {
    pub service: String,
    pub environment: Name,
    pub score: f64,
    pub why: String,
}

impl IncidentReport {
    fn of(incident: &Incident) -> IncidentReport {
        IncidentReport {
            id: incident.id.to_string(),
            began: Some(incident.began),
            opened: Some(incident.opened),
            ended: incident.ended,
            services: incident.services.iter().map(ToString::to_string).collect(),
            anomalies: incident.anomalies.len() as u64,
            suspects: incident
                .suspects
                .iter()
                .map(|suspect| SuspectReport {
                    service: suspect.workload.service.to_string(),
                    environment: Arc::clone(&suspect.workload.environment),
                    score: suspect.score,
                    why: suspect.why.clone(),
                })
                .collect(),
        }
    }
}

impl Report {
    pub fn write_json(&self, out: &mut impl Write) -> anyhow::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        Ok(writeln!(out)?)
    }

    pub fn write_text(&self, out: &mut impl Write) -> anyhow::Result<()> {
        text::write(self, out)
    }
}

pub(super) fn time<S: serde::Serializer>(
    time: &Option<Time>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}
