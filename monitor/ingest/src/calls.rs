//! Which Call, if any, a record speaks of.
//!
//! Called by the pipeline once a record's facts are known. A Call is always of the service that
//! served it: what a client saw of somebody else's Api is an edge's business, not the Api's.

use std::sync::Arc;

use monitor_core::{
    ApiKey, Call, CallFacts, CallSource, CallStatus, Kind, Name, Record, ServiceKey, SpanKind,
    Value,
};

/// The method of a procedure call, for Apis that have no HTTP method.
pub(crate) const RPC: &str = "RPC";
/// The method of a queue's consumer.
pub(crate) const CONSUME: &str = "CONSUME";

/// The Call that `record` is evidence of; `None` when it speaks of none, or of one made elsewhere.
pub(crate) fn call_of(
    record: &Record,
    intern: &mut impl FnMut(ApiKey) -> Arc<ApiKey>,
) -> Option<Call> {
    let (method, route, source) = match record.kind {
        Kind::Span => {
            let (kind, _) = record.span?;
            let (method, route) = span_operation(record, kind)?;
            (method, route, CallSource::Span)
        }
        Kind::Log => {
            let (method, route) = log_operation(&record.facts)?;
            (method, route, CallSource::Log)
        }
    };
    let facts = &record.facts;
    let duration = match record.span {
        Some((_, duration)) => Some(duration),
        None => facts.duration.map(|(duration, _)| duration),
    };
    let api = intern(ApiKey {
        environment: Arc::clone(&record.resource.environment.name),
        service: record.resource.service.clone(),
        method,
        route,
    });
    Some(Call {
        api,
        source,
        end: match record.span {
            Some((_, duration)) => record.time + duration,
            None => record.time,
        },
        duration,
        response_bytes: facts.response_bytes,
        status: facts.status.unwrap_or(CallStatus::Unknown),
        error_type: facts.error_type.clone(),
        instance: Arc::clone(&record.resource.instance),
        version: record.resource.version.clone(),
        caller: facts.caller.clone(),
        client: facts.client.clone(),
        trace_id: record.ids.trace_id,
        span_id: record.ids.span_id,
        parent: record.ids.parent_span_id,
        request_id: record.ids.request_id.clone(),
        synthetic: is_synthetic(record),
    })
}

/// The method and route of a span that served a request.
fn span_operation(record: &Record, kind: SpanKind) -> Option<(Name, Name)> {
    let facts = &record.facts;
    match kind {
        SpanKind::Server => {
            let rpc = attribute(&record.attributes, "rpc.method")
                .map(
                    |method| match attribute(&record.attributes, "rpc.service") {
                        Some(service) => Name::from(format!("{service}/{method}")),
                        None => Name::from(method),
                    },
                )
                .map(|route| (Name::from(RPC), route));
            if let Some(rpc) = rpc {
                return Some(rpc);
            }
            let route = facts.route.clone();
            match (&facts.method, route) {
                (Some(method), Some(route)) => Some((Arc::clone(method), route)),
                (method, Some(route)) => {
                    Some((method.clone().unwrap_or_else(|| Name::from("")), route))
                }
                // Semantic conventions name an HTTP server span `{method} {route}`, or the method
                // alone when the route is unknown.
                (Some(method), None) => {
                    let name = record
                        .text
                        .strip_prefix(&**method)
                        .map_or(&*record.text, str::trim);
                    let route = if name.is_empty() { "~other" } else { name };
                    Some((Arc::clone(method), Name::from(route)))
                }
                (None, None) => {
                    let (method, route) = split_method(&record.text);
                    Some((Name::from(method), Name::from(route)))
                }
            }
        }
        SpanKind::Consumer => {
            let destination = attribute(&record.attributes, "messaging.destination.template")
                .or_else(|| attribute(&record.attributes, "messaging.destination.name"))
                .unwrap_or(&record.text);
            Some((Name::from(CONSUME), Name::from(destination)))
        }
        SpanKind::Internal | SpanKind::Client | SpanKind::Producer => None,
    }
}

/// The method and route of a log record that tells how a request to its own service ended.
fn log_operation(facts: &CallFacts) -> Option<(Name, Name)> {
    // A line that names a callee is about a request that this service made.
    if facts.callee.is_some() || (facts.status.is_none() && facts.duration.is_none()) {
        return None;
    }
    let route = facts.route.clone()?;
    let method = facts.method.clone().unwrap_or_else(|| {
        Name::from(if matches!(facts.status, Some(CallStatus::Grpc(_))) {
            RPC
        } else {
            ""
        })
    });
    Some((method, route))
}

/// The Api that a metric's attributes name, and whether they count failures.
pub(crate) fn api_of_metric(
    environment: &Name,
    service: &ServiceKey,
    attributes: &[(Name, Value)],
    facts: &CallFacts,
) -> (ApiKey, bool) {
    let route = facts.route.clone().unwrap_or_else(|| Name::from("~other"));
    let failed = match facts.status {
        Some(status) => status.outcome() == monitor_core::Outcome::ServerError,
        None => attribute(attributes, "error.type").is_some(),
    };
    let key = ApiKey {
        environment: Arc::clone(environment),
        service: service.clone(),
        method: facts.method.clone().unwrap_or_else(|| Name::from("")),
        route,
    };
    (key, failed)
}

/// `GET /orders` is a method and a route; anything else is a route alone.
pub(crate) fn split_method(name: &str) -> (&str, &str) {
    const METHODS: [&str; 9] = [
        "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT",
    ];
    match name.split_once(' ') {
        Some((method, route)) if METHODS.contains(&method) => (method, route.trim()),
        _ => ("", name),
    }
}

/// What OpenTelemetry marks as such, and our own probes as others' access logs show them.
fn is_synthetic(record: &Record) -> bool {
    let agent = record.facts.user_agent.as_deref();
    agent.is_some_and(|agent| agent.starts_with(monitor_core::PROBE_AGENT))
        || attribute(&record.attributes, "user_agent.synthetic.type").is_some()
}

pub(crate) fn attribute<'a>(attributes: &'a [(Name, Value)], key: &str) -> Option<&'a str> {
    attributes
        .iter()
        .find(|(name, _)| &**name == key)
        .and_then(|(_, value)| match value {
            Value::Str(text) if !text.is_empty() => Some(text.as_str()),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_split_off_only_when_it_is_one() {
        assert_eq!(split_method("GET /orders"), ("GET", "/orders"));
        assert_eq!(split_method("refund worker"), ("", "refund worker"));
    }
}
