//! What a stored record speaks of: the observations that it was when it came.
//!
//! Called by the backtest, with what the index gives back. Formats, routes and units were understood
//! when the record came, and that is what is stored, so nothing is read again here. What the index
//! does not keep is left out: versions of services, and who calls whom.

use std::sync::Arc;
use std::time::Duration;

use monitor_core::{
    ApiKey, CallFacts, CallStatus, Correlation, DurationOrigin, Hit, Kind, Message, Name,
    Observation, Record, Resource, SpanId, SpanKind, TemplateId, TimeOrigin, Value,
};

use crate::calls::{attribute, call_of};
use crate::dependencies::dependency_of;
use crate::fill;

/// The observations of one stored record: of a log its message and the Call that it tells of, of a
/// span the Call. Empty for what is neither.
pub fn observations(hit: &Hit) -> Vec<Observation> {
    let record = record(hit);
    let mut observations = Vec::new();
    let call = call_of(&record, &mut |key: ApiKey| Arc::new(key));
    observations.extend(call.map(Observation::Call));
    observations.extend(dependency_of(&record));
    if hit.kind == Kind::Log {
        observations.push(Observation::Log {
            service: hit.service.clone(),
            environment: hit.environment.clone(),
            time: hit.time,
            severity: hit.severity,
            template: hit.template.as_deref().map(template_id),
            format: hit.format.clone(),
            fill: fill::warned(&record),
            written_ahead: None,
        });
    }
    observations
}

fn record(hit: &Hit) -> Record {
    let text = |key: &str| attribute(&hit.attributes, key);
    let name = |key: &str| text(key).map(Name::from);
    let duration = number(hit, "duration").and_then(|ms| {
        // The store has it in milliseconds.
        Duration::try_from_secs_f64(ms / 1e3).ok()
    });
    let span = (hit.kind == Kind::Span).then(|| {
        let kind = match text("span.kind") {
            Some("server") => SpanKind::Server,
            Some("client") => SpanKind::Client,
            Some("producer") => SpanKind::Producer,
            Some("consumer") => SpanKind::Consumer,
            _ => SpanKind::Internal,
        };
        (kind, duration.unwrap_or_default())
    });
    let mut resource = Resource::of_service(&hit.service.name);
    resource.service = hit.service.clone();
    resource.environment.name = hit.environment.clone();
    resource.instance = hit.instance.clone();
    let end = u32::try_from(hit.text.len()).unwrap_or(u32::MAX);
    Record {
        kind: hit.kind,
        time: hit.time,
        time_origin: TimeOrigin::Record,
        written_ahead: None,
        observed: hit.time,
        resource: Arc::new(resource),
        stream: Name::from(""),
        severity: hit.severity,
        format: None,
        text: hit.text.clone(),
        message: Message::Within(0..end),
        template: None,
        ids: Correlation {
            trace_id: hit.trace_id,
            span_id: hit.span_id,
            parent_span_id: text("parent_span_id").and_then(|id| id.parse::<SpanId>().ok()),
            request_id: name("request_id"),
            correlation_id: name("correlation_id"),
        },
        facts: CallFacts {
            method: name("method"),
            path: text("path").map(str::to_owned),
            route: name("route"),
            status: status(hit),
            duration: duration.map(|duration| (duration, DurationOrigin::Measured)),
            caller: name("caller"),
            callee: name("callee"),
            client: name("client"),
            user_agent: text("user_agent").map(str::to_owned),
            error_type: name("error.type"),
            ..CallFacts::default()
        },
        span,
        attributes: hit.attributes.clone(),
    }
}

/// The store writes gRPC's codes as numbers too; HTTP has none below 100.
fn status(hit: &Hit) -> Option<CallStatus> {
    match value(hit, "status")? {
        Value::Int(code) => match u8::try_from(*code) {
            Ok(code) if code < 100 => Some(CallStatus::Grpc(code)),
            _ => u16::try_from(*code).ok().map(CallStatus::Http),
        },
        Value::Str(text) => Some(CallStatus::Failed(text == "failed")),
        _ => None,
    }
}

fn number(hit: &Hit, key: &str) -> Option<f64> {
    match value(hit, key)? {
        Value::Float(number) => Some(*number),
        Value::Int(number) => Some(*number as f64),
        _ => None,
    }
}

/// The first of that name: what was understood comes before the record's own.
fn value<'a>(hit: &'a Hit, key: &str) -> Option<&'a Value> {
    let mut attributes = hit.attributes.iter();
    attributes
        .find(|(name, _)| &**name == key)
        .map(|(_, value)| value)
}

/// Messages of one template have one id; which, does not matter to what is learned. FNV-1a.
fn template_id(text: &str) -> TemplateId {
    let eat = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    TemplateId(text.bytes().fold(0xcbf2_9ce4_8422_2325, eat))
}

#[cfg(test)]
mod tests {
    use super::*;
    use monitor_core::{RecordId, ServiceKey, Severity, Time};

    fn hit(kind: Kind, text: &str, attributes: &[(&str, Value)]) -> Hit {
        Hit {
            id: RecordId { batch: 1, item: 0 },
            kind,
            time: Time::from_secs(1_772_359_200),
            service: ServiceKey::new("shop", "orders"),
            environment: "cloud-a".into(),
            instance: "orders-0".into(),
            severity: Some(Severity::Info),
            format: None,
            text: text.to_owned(),
            template: Some("GET <*> <*>".to_owned()),
            trace_id: None,
            span_id: None,
            attributes: attributes
                .iter()
                .map(|(key, value)| (Name::from(*key), value.clone()))
                .collect(),
        }
    }

    fn str(text: &str) -> Value {
        Value::Str(text.to_owned())
    }

    #[test]
    fn an_access_log_is_a_message_and_a_call() {
        let observations = observations(&hit(
            Kind::Log,
            "GET /orders/7 503",
            &[
                ("method", str("GET")),
                ("route", str("/orders/{id}")),
                ("status", Value::Int(503)),
                ("duration", Value::Float(12.5)),
                ("status", str("what the application means by it")),
            ],
        ));
        let [Observation::Call(call), Observation::Log { template, .. }] = &observations[..] else {
            panic!("{observations:?}");
        };
        assert_eq!(
            call.api.to_string(),
            "shop/orders GET /orders/{id} @ cloud-a"
        );
        assert_eq!(call.status, CallStatus::Http(503));
        assert_eq!(call.duration, Some(Duration::from_micros(12_500)));
        assert!(template.is_some());
    }

    #[test]
    fn of_spans_only_those_of_servers_and_consumers_are_calls() {
        let span = |kind: &str| {
            hit(
                Kind::Span,
                "GET /orders/{id}",
                &[
                    ("method", str("GET")),
                    ("route", str("/orders/{id}")),
                    ("status", Value::Int(14)),
                    ("duration", Value::Float(2_000.0)),
                    ("span.kind", str(kind)),
                ],
            )
        };
        let observations_of = |kind| observations(&span(kind));
        let [Observation::Call(call)] = &observations_of("server")[..] else {
            panic!("{:?}", observations_of("server"));
        };
        assert_eq!(call.status, CallStatus::Grpc(14));
        assert_eq!(call.end, Time::from_secs(1_772_359_202));
        assert!(observations_of("client").is_empty());
        assert!(observations_of("internal").is_empty());
    }

    #[test]
    fn numbers_that_are_none_are_not_said() {
        let odd = hit(
            Kind::Log,
            "odd",
            &[
                ("route", str("/a")),
                ("duration", Value::Float(f64::NAN)),
                ("status", Value::Int(-1)),
            ],
        );
        assert!(matches!(observations(&odd)[..], [Observation::Log { .. }]));
    }
}
