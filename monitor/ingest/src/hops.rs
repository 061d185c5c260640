//! Which hop of a journey, if any, a record tells of.
//!
//! Called by the pipeline with every record, beside [`calls`](crate::calls): a Call is of the Api
//! that served it, a hop is of either side. A span is one hop; so is a log record that tells how
//! long something took; a record that only carries ids says that its service was on the way.

use std::sync::Arc;
use std::time::Duration;

use monitor_core::{
    Call, CallSource, Hop, Kind, Name, Outcome, Peer, Record, SpanId, SpanKind, TimeOrigin,
    TraceId, Value, Workload,
};
use smallvec::SmallVec;

use crate::calls::attribute;

/// The attribute that a span's links travel in, as `trace:span` with commas between: the log of
/// batches has no other place for them.
pub(crate) const LINKS: &str = "links";
/// By which a client's span names whom it called, best first; `peer.service` is among the facts.
const PEER: [&str; 3] = ["server.address", "net.peer.name", "http.host"];
const DATABASE: [&str; 3] = ["db.namespace", "db.name", "db.collection.name"];
const QUEUE: [&str; 3] = [
    "messaging.destination.template",
    "messaging.destination.name",
    "messaging.destination",
];

/// `call` is what the record says of an Api. `None` when the record is of no journey.
pub(crate) fn hop_of(record: &Record, call: Option<&Call>) -> Option<Hop> {
    if crate::pipeline::is_unnamed(&record.resource.service) {
        return None;
    }
    match (record.kind, record.span) {
        (Kind::Span, Some((role, duration))) => Some(of_span(record, call, role, duration)),
        _ => of_log(record, call),
    }
}

fn of_span(record: &Record, call: Option<&Call>, role: SpanKind, duration: Duration) -> Hop {
    let mut hop = bare(record, role, duration);
    hop.api = call.map(|call| Arc::clone(&call.api));
    hop.peer = peer_of(record, role);
    if matches!(role, SpanKind::Client | SpanKind::Producer) {
        hop.operation = operation(record);
    }
    hop.links = (attribute(&record.attributes, LINKS)).map_or_else(SmallVec::new, links);
    hop.resent = is_resent(record);
    hop
}

fn of_log(record: &Record, call: Option<&Call>) -> Option<Hop> {
    let facts = &record.facts;
    let took = facts.duration.map(|(duration, _)| duration);
    let mut hop = match (call, took, &facts.callee) {
        (Some(call), Some(took), _) => {
            let mut hop = bare(record, SpanKind::Server, took);
            hop.api = Some(Arc::clone(&call.api));
            hop.peer = facts.caller.clone().map(Peer::Service);
            hop
        }
        (None, Some(took), Some(callee)) => {
            let mut hop = bare(record, SpanKind::Client, took);
            hop.peer = Some(Peer::Service(Arc::clone(callee)));
            hop.operation = operation(record);
            hop
        }
        _ => {
            let ids = &record.ids;
            let has_ids =
                ids.trace_id.is_some() || ids.request_id.is_some() || ids.correlation_id.is_some();
            if !has_ids {
                return None;
            }
            bare(record, SpanKind::Internal, Duration::ZERO)
        }
    };
    if record.span.is_none() {
        // A log is written at the end.
        hop.start = record.time - hop.duration;
    }
    Some(hop)
}

/// What all hops have.
fn bare(record: &Record, role: SpanKind, duration: Duration) -> Hop {
    let resource = &record.resource;
    let ids = &record.ids;
    let whole_second =
        record.time_origin == TimeOrigin::Record && record.time.as_nanos() % 1_000_000_000 == 0;
    let status = record.facts.status;
    Hop {
        source: match record.kind {
            Kind::Span => CallSource::Span,
            Kind::Log => CallSource::Log,
        },
        role,
        workload: Workload {
            service: resource.service.clone(),
            environment: Arc::clone(&resource.environment.name),
        },
        instance: Arc::clone(&resource.instance),
        version: resource.version.clone(),
        api: None,
        operation: Name::from(""),
        peer: None,
        trace: ids.trace_id,
        span: ids.span_id,
        parent: ids.parent_span_id,
        links: SmallVec::new(),
        request: ids
            .request_id
            .clone()
            .or_else(|| ids.correlation_id.clone()),
        client: record.facts.client.clone(),
        start: record.time,
        duration,
        precision: match (record.kind, whole_second) {
            (Kind::Log, true) => Duration::from_secs(1),
            (Kind::Log, false) => Duration::from_millis(1),
            (Kind::Span, _) => Duration::ZERO,
        },
        outcome: status.map_or(Outcome::Ok, |status| status.outcome()),
        resent: false,
    }
}

/// A client's words for what it asks: an RPC's method, a route, or the span's name.
fn operation(record: &Record) -> Name {
    let attributes = &record.attributes;
    if let Some(method) = attribute(attributes, "rpc.method") {
        return match attribute(attributes, "rpc.service") {
            Some(service) => Name::from(format!("{service}/{method}")),
            None => Name::from(method),
        };
    }
    match (&record.facts.method, &record.facts.route) {
        (Some(method), Some(route)) => Name::from(format!("{method} {route}")),
        (None, Some(route)) => Arc::clone(route),
        _ if record.kind == Kind::Log => Name::from("call"),
        _ => Name::from(record.text.as_str()),
    }
}

fn peer_of(record: &Record, role: SpanKind) -> Option<Peer> {
    let attributes = &record.attributes;
    let first = |keys: &[&str]| keys.iter().find_map(|key| attribute(attributes, key));
    let system = first(&["db.system.name", "db.system"]);
    match role {
        SpanKind::Producer | SpanKind::Consumer => {
            first(&QUEUE).map(|queue| Peer::Queue(Name::from(queue)))
        }
        SpanKind::Client if system.is_some() => {
            let name = first(&DATABASE).or_else(|| first(&PEER)).or(system);
            name.map(|name| Peer::Database(Name::from(name)))
        }
        SpanKind::Client => record
            .facts
            .callee
            .clone()
            .or_else(|| first(&PEER).map(Name::from))
            .map(Peer::Service),
        SpanKind::Server => record.facts.caller.clone().map(Peer::Service),
        SpanKind::Internal => None,
    }
}

fn links(text: &str) -> SmallVec<[(TraceId, SpanId); 1]> {
    text.split(',')
        .filter_map(|link| {
            let (trace, span) = link.split_once(':')?;
            Some((trace.parse().ok()?, span.parse().ok()?))
        })
        .collect()
}

fn is_resent(record: &Record) -> bool {
    record.attributes.iter().any(|(name, value)| {
        &**name == "http.request.resend_count" && matches!(value, Value::Int(1..))
    })
}
