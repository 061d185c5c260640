//! Understands batches: format, ids, facts, route, template, Call.
//!
//! Called after a batch is safe in the write-ahead log, by the monitor and by `replay` alike. Owns
//! everything learned about streams and services; the same batches in the same order give the same
//! records, and [`Pipeline::snapshot`] lets a restart go on in the middle.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use monitor_core::{
    ApiKey, Batch, CallFacts, CallStatus, Correlation, FieldView, FormatName, HistogramPoint,
    IngestView, Kind, LevelPoint, LogItem, LogsView, Message, Name, Observation, Payload, Record,
    Resource, ServiceKey, Settings, Shape, Source, SpanItem, StreamView, TemplateId, TemplateView,
    Time, TimeOrigin,
};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::calls;
use crate::dependencies::dependency_of;
use crate::edges::{Edges, Place};
use crate::fill;
use crate::formats::{self, Recognizer};
use crate::gauges::Gauges;
use crate::hops;
use crate::presence::Presence;
use crate::routes::RouteLearner;
use crate::templates::{Limits, Miner};
use crate::wanted::Wanted;

/// Streams whose format we remember; a pod that restarts is a new stream, so old ones make room.
const MAX_STREAMS: usize = 20_000;
/// Services whose templates and routes we learn; beyond, records are kept but not mined.
const MAX_SERVICES: usize = 5_000;
/// Lines kept to show a person what was not recognised.
const MAX_EXAMPLES: usize = 3;
/// A clock may run ahead of ours by this much before we stop believing it.
const MAX_SKEW: Duration = Duration::from_secs(600);
/// One year after the epoch: earlier times are counters and unset clocks.
const EARLIEST: Time = Time::from_secs(365 * 24 * 3_600);
/// Longest example line shown, in characters.
const EXAMPLE_CHARS: usize = 500;

/// What a batch turned into.
#[derive(Debug, Default)]
pub struct Understood {
    /// Each with its item's place in the batch.
    pub records: Vec<(u32, Record)>,
    pub observations: Vec<Observation>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Pipeline {
    streams: BTreeMap<StreamKey, Stream>,
    services: BTreeMap<ServiceKey, Service>,
    edges: Edges,
    presence: Presence,
    #[serde(skip)]
    apis: FxHashMap<ApiKey, Arc<ApiKey>>,
    /// The names of formats, shared.
    #[serde(skip)]
    formats: FxHashMap<FormatName, Name>,
    /// Given anew after a restart.
    #[serde(skip)]
    settings: Arc<Settings>,
    #[serde(skip)]
    gauges: Gauges,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct StreamKey {
    service: ServiceKey,
    environment: Name,
    instance: Name,
    stream: Name,
}

#[derive(Debug, Serialize, Deserialize)]
struct Stream {
    recognizer: Recognizer,
    records: u64,
    unrecognised: BTreeMap<Name, u64>,
    examples: Vec<String>,
    last_seen: Time,
}

#[derive(Debug, Serialize, Deserialize)]
struct Service {
    miner: Miner,
    routes: RouteLearner,
    seen: BTreeMap<TemplateId, Sight>,
    #[serde(skip)]
    named: FxHashMap<Name, Arc<Resource>>,
}

/// What is remembered of a template.
#[derive(Debug, Serialize, Deserialize)]
struct Sight {
    first: Time,
    last: Time,
    /// The layout of its newest record.
    shape: Arc<Shape>,
}

/// A snapshot that cannot be read back.
#[derive(Debug, thiserror::Error)]
#[error("the pipeline's snapshot cannot be read")]
pub struct SnapshotError(#[from] postcard::Error);

impl Pipeline {
    pub fn new() -> Pipeline {
        Pipeline::default()
    }

    /// Reads as is wanted from the next batch on.
    pub fn configure(&mut self, settings: Arc<Settings>) {
        self.gauges.forget(&settings);
        self.settings = settings;
    }

    /// Everything learned, as bytes for [`Pipeline::restore`].
    pub fn snapshot(&self) -> Result<Vec<u8>, SnapshotError> {
        Ok(postcard::to_stdvec(self)?)
    }

    pub fn restore(bytes: &[u8]) -> Result<Pipeline, SnapshotError> {
        let mut pipeline: Pipeline = postcard::from_bytes(bytes)?;
        pipeline.edges.reindex();
        pipeline.presence.reindex();
        Ok(pipeline)
    }

    /// Understands each item; a record that cannot be understood is still a record.
    pub fn process(&mut self, batch: Batch) -> Understood {
        let mut understood = Understood {
            records: Vec::with_capacity(batch.items.len()),
            observations: Vec::with_capacity(batch.items.len()),
        };
        let mut keys: Vec<Option<StreamKey>> = vec![None; batch.sources.len()];
        let wanted: Vec<Wanted> = batch
            .sources
            .iter()
            .map(|source| Wanted::of(&self.settings, &source.resource))
            .collect();
        let mut heard: Vec<Option<usize>> = vec![None; batch.sources.len()];
        let homes: Vec<Option<Place>> = batch
            .sources
            .iter()
            .map(|source| self.edges.place(&source.resource))
            .collect();
        for (place, item) in (0u32..).zip(batch.items) {
            let Some(source) = batch.sources.get(item.source as usize) else {
                continue;
            };
            match item.payload {
                Payload::Log(log) => {
                    let key =
                        keys[item.source as usize].get_or_insert_with(|| StreamKey::of(source));
                    let wanted = &wanted[item.source as usize];
                    let record = self.log(key, source, wanted, log, batch.received);
                    self.presence.see(&record, &mut heard[item.source as usize]);
                    let home = if Arc::ptr_eq(&record.resource, &source.resource) {
                        homes[item.source as usize]
                    } else {
                        self.edges.place(&record.resource)
                    };
                    self.observe(&record, home, wanted, &mut understood.observations);
                    understood.records.push((place, record));
                }
                Payload::Span(span) => {
                    let wanted = &wanted[item.source as usize];
                    let record = self.span(source, wanted, span, batch.received);
                    let home = homes[item.source as usize];
                    self.observe(&record, home, wanted, &mut understood.observations);
                    understood.records.push((place, record));
                }
                Payload::Histogram(point) => {
                    let wanted = &wanted[item.source as usize];
                    understood
                        .observations
                        .extend(self.histogram(source, wanted, point));
                }
                Payload::Level(point) => {
                    let level = level(source, &point, batch.received);
                    understood.observations.push(level);
                }
            }
        }
        understood
    }

    fn log(
        &mut self,
        key: &StreamKey,
        source: &Source,
        wanted: &Wanted,
        log: LogItem,
        received: Time,
    ) -> Record {
        let stream = stream_of(&mut self.streams, key);
        stream.recognizer.prefer(wanted.hint());
        let parsed = stream.recognizer.parse(&log.text, log.time, received);
        stream.records += 1;
        stream.last_seen = stream.last_seen.max(received);
        if let Some(reason) = parsed.unrecognised {
            *stream
                .unrecognised
                .entry(Name::from(reason.as_str()))
                .or_default() += 1;
            if stream.examples.len() < MAX_EXAMPLES {
                stream
                    .examples
                    .push(log.text.chars().take(EXAMPLE_CHARS).collect());
            }
        }

        let mut ids = parsed.ids;
        let mut facts = parsed.facts;
        let mut attributes = parsed.attributes;
        if !log.attributes.is_empty() {
            stream
                .recognizer
                .facts_from_attributes(&log.attributes, &mut facts, &mut ids);
            attributes.extend(log.attributes);
        }
        ids.trace_id = log.trace_id.or(ids.trace_id);
        ids.span_id = log.span_id.or(ids.span_id);

        let (time, time_origin) = believable(parsed.time, log.time, received);
        let mut service = service_of(&mut self.services, &key.service);
        let resource = match (parsed.service, service.as_deref_mut()) {
            (Some(name), Some(service)) if is_unnamed(&source.resource.service) => {
                service.renamed(name, &source.resource)
            }
            _ => Arc::clone(&source.resource),
        };
        let mut record = Record {
            kind: Kind::Log,
            time,
            time_origin,
            written_ahead: parsed.written_ahead,
            observed: received,
            resource,
            stream: Arc::clone(&source.stream),
            severity: parsed.severity.or(log.severity),
            format: parsed.format,
            text: log.text,
            message: parsed.message,
            template: None,
            ids,
            facts,
            span: None,
            attributes,
        };
        if let Some(service) = service {
            service.learn_route(&mut record.facts, wanted);
            if !parsed.header {
                let matched = service.miner.mine(record.message());
                service.see(&matched.shape, time);
                record.template = Some(matched);
            }
        }
        record
    }

    fn span(&mut self, source: &Source, wanted: &Wanted, span: SpanItem, received: Time) -> Record {
        let mut ids = Correlation::default();
        let mut facts = CallFacts::default();
        formats::facts_from_attributes(&span.attributes, &mut facts, &mut ids);
        ids.trace_id = Some(span.trace_id);
        ids.span_id = Some(span.span_id);
        ids.parent_span_id = span.parent;
        if facts.status.is_none() || span.error == Some(true) {
            facts.status = match (span.error, facts.status) {
                // A span that says it failed did, whatever its code: handlers that answer 200
                // with an error inside mark the span.
                (Some(true), Some(status)) if status.outcome() == monitor_core::Outcome::Ok => {
                    Some(CallStatus::Failed(true))
                }
                (_, Some(status)) => Some(status),
                (Some(failed), None) => Some(CallStatus::Failed(failed)),
                (None, None) => None,
            };
        }
        if !span.status_message.is_empty() {
            facts.error_message.get_or_insert(span.status_message);
        }
        if let Some(service) = service_of(&mut self.services, &source.resource.service) {
            if let Some(route) = &facts.route {
                service.routes.declare(route);
            }
            service.learn_route(&mut facts, wanted);
        }
        let (time, time_origin) = believable(None, Some(span.start), received);
        let text = span.name.to_string();
        let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
        Record {
            kind: Kind::Span,
            time,
            time_origin,
            written_ahead: None,
            observed: received,
            resource: Arc::clone(&source.resource),
            stream: Arc::clone(&source.stream),
            severity: None,
            format: Some("span"),
            text,
            message: Message::Within(0..end),
            template: None,
            ids,
            facts,
            span: Some((span.kind, span.duration)),
            attributes: span.attributes,
        }
    }

    fn histogram(
        &mut self,
        source: &Source,
        wanted: &Wanted,
        point: HistogramPoint,
    ) -> Option<Observation> {
        let mut ids = Correlation::default();
        let mut facts = CallFacts::default();
        formats::facts_from_attributes(&point.attributes, &mut facts, &mut ids);
        if wanted.excludes(&facts) {
            return None;
        }
        facts.route = wanted.route(&facts).or(facts.route);
        let resource = &source.resource;
        let (key, failed) = calls::api_of_metric(
            &resource.environment.name,
            &resource.service,
            &point.attributes,
            &facts,
        );
        Some(Observation::Histogram {
            api: intern(&mut self.apis, key),
            point,
            failed,
        })
    }

    fn observe(
        &mut self,
        record: &Record,
        home: Option<Place>,
        wanted: &Wanted,
        observations: &mut Vec<Observation>,
    ) {
        if let Some(own) = wanted.metrics() {
            self.gauges.read(record, own, observations);
        }
        match (home, record.kind) {
            (Some(home), Kind::Span) => self.edges.span(home, record, observations),
            (Some(home), Kind::Log) => self.edges.log(home, record, observations),
            (None, _) => {}
        }
        let apis = &mut self.apis;
        if !wanted.excludes(&record.facts) {
            let call = calls::call_of(record, &mut |key| intern(apis, key));
            let hop = hops::hop_of(record, call.as_ref());
            observations.extend(call.map(Observation::Call));
            observations.extend(hop.map(|hop| Observation::Hop(Box::new(hop))));
        }
        observations.extend(dependency_of(record));
        if record.kind == Kind::Log {
            observations.push(Observation::Log {
                service: record.resource.service.clone(),
                environment: Arc::clone(&record.resource.environment.name),
                time: record.time,
                severity: record.severity,
                template: record
                    .template
                    .as_ref()
                    .map(|matched| matched.shape.template),
                format: record.format.map(|format| {
                    let known = self.formats.entry(format);
                    Arc::clone(known.or_insert_with(|| Name::from(format)))
                }),
                fill: fill::warned(record),
                written_ahead: record.written_ahead,
            });
        }
    }

    /// A template of a service as its newest record had it, `<*>` for each variable.
    pub fn template_text(&self, service: &ServiceKey, id: TemplateId) -> Option<String> {
        let sight = self.services.get(service)?.seen.get(&id)?;
        Some(sight.shape.text())
    }

    /// Who sends logs, and how well they are read. O(n log n) in the workloads.
    pub fn logs(&self) -> Vec<LogsView> {
        self.presence.view()
    }

    /// The latest of the numbers that people want out of log fields.
    pub fn fields(&self) -> Vec<FieldView> {
        self.gauges.view(&self.settings)
    }

    /// Whether a workload was heard for the first time since this was last asked.
    pub fn take_news(&mut self) -> bool {
        self.presence.take_news()
    }

    /// What is known of streams and templates, for people.
    pub fn view(&self) -> IngestView {
        let streams = self
            .streams
            .iter()
            .map(|(key, stream)| StreamView {
                service: key.service.clone(),
                environment: Arc::clone(&key.environment),
                stream: Arc::clone(&key.stream),
                format: stream.recognizer.format().map(Name::from),
                format_changes: stream.recognizer.format_changes(),
                records: stream.records,
                unrecognised: stream
                    .unrecognised
                    .iter()
                    .map(|(r, n)| (r.clone(), *n))
                    .collect(),
                examples: stream.examples.clone(),
                duration_unit: stream
                    .recognizer
                    .duration_unit()
                    .map(|(unit, origin)| format!("{unit} ({})", origin.as_str())),
                last_seen: stream.last_seen,
            })
            .collect();
        let templates = self
            .services
            .iter()
            .flat_map(|(key, service)| {
                service.miner.templates().map(|(id, text, records)| {
                    let (first_seen, last_seen) = service
                        .seen
                        .get(&id)
                        .map_or((Time::EPOCH, Time::EPOCH), |sight| {
                            (sight.first, sight.last)
                        });
                    TemplateView {
                        service: key.clone(),
                        id,
                        text,
                        records,
                        first_seen,
                        last_seen,
                    }
                })
            })
            .collect();
        IngestView {
            streams,
            templates,
            redactions: Vec::new(),
            edges: self.edges.counts(),
        }
    }
}

impl StreamKey {
    fn of(source: &Source) -> StreamKey {
        StreamKey {
            service: source.resource.service.clone(),
            environment: Arc::clone(&source.resource.environment.name),
            instance: Arc::clone(&source.resource.instance),
            stream: Arc::clone(&source.stream),
        }
    }
}

impl Service {
    fn new(key: &ServiceKey) -> Service {
        Service {
            miner: Miner::new(&key.to_string(), Limits::default()),
            routes: RouteLearner::default(),
            seen: BTreeMap::new(),
            named: FxHashMap::default(),
        }
    }

    fn see(&mut self, shape: &Arc<Shape>, time: Time) {
        let sight = self.seen.entry(shape.template).or_insert_with(|| Sight {
            first: time,
            last: time,
            shape: Arc::clone(shape),
        });
        sight.first = sight.first.min(time);
        sight.last = sight.last.max(time);
        if sight.shape.id != shape.id {
            sight.shape = Arc::clone(shape);
        }
    }

    /// A person's name for it comes first, then the sender's, then what is learned.
    fn learn_route(&mut self, facts: &mut CallFacts, wanted: &Wanted) {
        if let Some(route) = wanted.route(facts) {
            facts.route = Some(route);
        } else if facts.route.is_none()
            && !wanted.excludes(facts)
            && let Some(path) = &facts.path
        {
            facts.route = Some(self.routes.route(path));
        }
    }

    /// The resource of a record that names its own service, in a stream that names none.
    fn renamed(&mut self, name: Name, resource: &Arc<Resource>) -> Arc<Resource> {
        // One carrier of many services (a syslog relay): a bounded cache of their resources.
        if self.named.len() > 1_000 {
            self.named.clear();
        }
        let found = self.named.entry(Arc::clone(&name)).or_insert_with(|| {
            let mut resource = Resource::clone(resource);
            resource.service.name = name;
            Arc::new(resource)
        });
        Arc::clone(found)
    }
}

pub(crate) fn is_unnamed(service: &ServiceKey) -> bool {
    service.name.is_empty()
        || &*service.name == monitor_core::UNKNOWN
        || service.name.starts_with("unknown_service")
}

fn stream_of<'a>(streams: &'a mut BTreeMap<StreamKey, Stream>, key: &StreamKey) -> &'a mut Stream {
    if !streams.contains_key(key) {
        if streams.len() >= MAX_STREAMS {
            let oldest = streams
                .iter()
                .min_by_key(|(_, s)| s.last_seen)
                .map(|(k, _)| k.clone());
            oldest.map(|key| streams.remove(&key));
        }
        let stream = Stream {
            recognizer: Recognizer::new(),
            records: 0,
            unrecognised: BTreeMap::new(),
            examples: Vec::new(),
            last_seen: Time::EPOCH,
        };
        streams.insert(key.clone(), stream);
    }
    streams.get_mut(key).expect("inserted above")
}

fn service_of<'a>(
    services: &'a mut BTreeMap<ServiceKey, Service>,
    key: &ServiceKey,
) -> Option<&'a mut Service> {
    if !services.contains_key(key) {
        if services.len() >= MAX_SERVICES {
            return None;
        }
        services.insert(key.clone(), Service::new(key));
    }
    services.get_mut(key)
}

fn level(source: &Source, point: &LevelPoint, received: Time) -> Observation {
    /// Of a series' name; what tells two apart is rarely at the end.
    const LONGEST: usize = 200;
    let values = point.attributes.iter().map(|(_, value)| value.to_string());
    let values: Vec<String> = values.filter(|value| value != "used").collect();
    let mut what = point.metric.to_string();
    if !values.is_empty() {
        what = format!("{what} ({})", values.join(", "));
    }
    what.truncate(what.floor_char_boundary(LONGEST));
    #[expect(clippy::cast_possible_truncation, reason = "a share needs no more")]
    let share = point.share as f32;
    Observation::Level {
        service: source.resource.service.clone(),
        environment: Arc::clone(&source.resource.environment.name),
        instance: Arc::clone(&source.resource.instance),
        what: Name::from(what),
        at: believable(None, Some(point.at), received).0,
        share,
    }
}

fn intern(apis: &mut FxHashMap<ApiKey, Arc<ApiKey>>, key: ApiKey) -> Arc<ApiKey> {
    // A flood of made-up routes is bounded per service by the route learner; this only keeps the
    // cache from outliving many services' comings and goings.
    if apis.len() > 100_000 {
        apis.clear();
    }
    if let Some(found) = apis.get(&key) {
        return Arc::clone(found);
    }
    let shared = Arc::new(key.clone());
    apis.insert(key, Arc::clone(&shared));
    shared
}

/// The first time that a clock could have shown: not further ahead of ours than a skewed clock is,
/// and not from before there were logs (zero and its relatives, as unset clocks write them).
fn believable(written: Option<Time>, carrier: Option<Time>, received: Time) -> (Time, TimeOrigin) {
    let possible = EARLIEST..=received + MAX_SKEW;
    match (written, carrier) {
        (Some(time), _) if possible.contains(&time) => (time, TimeOrigin::Record),
        (_, Some(time)) if possible.contains(&time) => (time, TimeOrigin::Carrier),
        _ => (received, TimeOrigin::Received),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_times_are_not_believed() {
        let received = Time::from_secs(1_772_359_200);
        let unset = Time::from_nanos(i64::MIN);
        let ahead = received + Duration::from_secs(3_600);
        let before = received - Duration::from_secs(60);
        let origin = |written, carrier| believable(written, carrier, received);
        assert_eq!(origin(Some(before), None), (before, TimeOrigin::Record));
        assert_eq!(
            origin(Some(ahead), Some(before)),
            (before, TimeOrigin::Carrier)
        );
        assert_eq!(
            origin(Some(unset), Some(Time::EPOCH)),
            (received, TimeOrigin::Received)
        );
    }
}
