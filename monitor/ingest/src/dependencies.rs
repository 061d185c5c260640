//! What a service asked of somebody else, as its own record tells it.
//!
//! Called by the pipeline for every record. A client's or producer's span names whom it called by
//! OpenTelemetry's semantic conventions: a peer, a database, a queue; a log line by its field for
//! the callee. The other side may be unknown to us (a database, a partner) and is only a name here.

use std::sync::Arc;

use monitor_core::{CallStatus, Kind, Name, Observation, Outcome, Record, SpanKind};

use crate::calls::attribute;

/// Attributes that name a database's product, and its database; the older name second.
const SYSTEM: [&str; 2] = ["db.system.name", "db.system"];
const DATABASE: [&str; 2] = ["db.namespace", "db.name"];
const PEER: [&str; 3] = ["peer.service", "server.address", "net.peer.name"];
const QUEUE: [&str; 2] = [
    "messaging.destination.template",
    "messaging.destination.name",
];
/// Longer names are no names.
const LONGEST: usize = 128;

/// The call that `record` tells of, if its service made one.
pub(crate) fn dependency_of(record: &Record) -> Option<Observation> {
    let (callee, duration) = match (record.kind, record.span) {
        (Kind::Span, Some((SpanKind::Client | SpanKind::Producer, duration))) => {
            (of_span(record)?, Some(duration))
        }
        (Kind::Log, _) => {
            let told = record.facts.status.is_some() || record.facts.duration.is_some();
            let callee = record.facts.callee.as_ref().filter(|_| told)?;
            (
                Arc::clone(callee),
                record.facts.duration.map(|(duration, _)| duration),
            )
        }
        _ => return None,
    };
    let status = record.facts.status.unwrap_or(CallStatus::Unknown);
    Some(Observation::Dependency {
        service: record.resource.service.clone(),
        environment: Arc::clone(&record.resource.environment.name),
        callee,
        end: match record.span {
            Some((_, duration)) => record.time + duration,
            None => record.time,
        },
        duration,
        failed: status.outcome() == Outcome::ServerError,
    })
}

fn of_span(record: &Record) -> Option<Name> {
    let first = |names: &[&str]| {
        let mut found = names
            .iter()
            .filter_map(|name| attribute(&record.attributes, name));
        found.next().filter(|name| name.len() <= LONGEST)
    };
    if let Some(system) = first(&SYSTEM) {
        let name = match first(&DATABASE).or_else(|| first(&PEER)) {
            Some(database) => Name::from(format!("{system} {database}")),
            None => Name::from(system),
        };
        return Some(name);
    }
    if let Some(queue) = first(&QUEUE) {
        return Some(Name::from(format!("queue {queue}")));
    }
    if let Some(callee) = &record.facts.callee {
        return Some(Arc::clone(callee));
    }
    first(&PEER).map(Name::from)
}
