//! Puts the value of a field where it belongs: the facts of a call, or the ids.

mod values;

use monitor_core::{
    CallFacts, CallStatus, Correlation, DurationOrigin, Name, SpanId, TraceId, Value,
};

use super::aliases::{Field, meaning};
use super::duration::{self, Magnitude, Unit};
use super::ids;
use values::{RPC, grpc_name, grpc_status, identifier, rpc_path, service_name};

pub(super) use values::{client_address, grpc_code, http_method, http_status, path_of};

/// A field's value while it is still borrowed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scalar<'v> {
    Str(&'v str),
    Int(i64),
    Float(f64),
    Bool(bool),
}

impl<'v> Scalar<'v> {
    pub(super) fn of(value: &'v Value) -> Scalar<'v> {
        match value {
            Value::Str(text) => Scalar::Str(text),
            Value::Int(number) => Scalar::Int(*number),
            Value::Float(number) => Scalar::Float(*number),
            Value::Bool(truth) => Scalar::Bool(*truth),
        }
    }

    pub(super) fn to_value(self) -> Value {
        match self {
            Scalar::Str(text) => Value::Str(text.to_owned()),
            Scalar::Int(number) => Value::Int(number),
            Scalar::Float(number) => Value::Float(number),
            Scalar::Bool(truth) => Value::Bool(truth),
        }
    }

    pub(super) fn as_int(self) -> Option<i64> {
        match self {
            Scalar::Int(number) => Some(number),
            Scalar::Str(text) => text.trim().parse().ok(),
            Scalar::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 =>
            {
                #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
                Some(number as i64)
            }
            _ => None,
        }
    }

    fn as_str(self) -> Option<&'v str> {
        match self {
            Scalar::Str(text) if !text.is_empty() && text != "-" => Some(text),
            _ => None,
        }
    }
}

/// Facts and ids out of already structured attributes: OTLP log and span attributes.
///
/// Fills in what is still `None`; the first attribute of a meaning wins. A duration without a unit
/// is judged alone, by its magnitude: a stream's [`Recognizer`](super::Recognizer) judges better.
pub fn facts_from_attributes(
    attributes: &[(Name, Value)],
    facts: &mut CallFacts,
    ids: &mut Correlation,
) {
    let mut durations = Magnitude::default();
    let mut gather = Gather::new(facts, ids, &mut durations);
    for (name, value) in attributes {
        gather.apply(meaning(name), Scalar::of(value));
    }
    gather.finish();
}

/// Where the fields of one record are collected.
#[derive(Debug)]
pub(super) struct Gather<'r> {
    pub(super) facts: &'r mut CallFacts,
    pub(super) ids: &'r mut Correlation,
    pub(super) durations: &'r mut Magnitude,
    /// The unit that the format defines for its unit-less durations.
    pub(super) duration_unit: Option<Unit>,
    rpc_service: Option<String>,
    rpc_method: Option<String>,
    grpc_name: Option<CallStatus>,
}

impl<'r> Gather<'r> {
    pub(super) fn new(
        facts: &'r mut CallFacts,
        ids: &'r mut Correlation,
        durations: &'r mut Magnitude,
    ) -> Gather<'r> {
        Gather {
            facts,
            ids,
            durations,
            duration_unit: None,
            rpc_service: None,
            rpc_method: None,
            grpc_name: None,
        }
    }

    /// Takes a field's value over; false when it says nothing of a call and no id, so that the
    /// caller keeps it as an attribute.
    pub(super) fn apply(&mut self, field: Field, value: Scalar<'_>) -> bool {
        match field {
            Field::Trace => self.id(value, ids::any_trace),
            Field::Traceparent => self.id(value, ids::traceparent),
            Field::B3 => self.id(value, ids::b3),
            Field::AmazonTrace => self.id(value, ids::amazon),
            Field::GoogleTrace => self.id(value, ids::google),
            Field::JaegerTrace => self.id(value, ids::jaeger),
            Field::Span => {
                let id = value.as_str().and_then(ids::span_id);
                fill(&mut self.ids.span_id, id)
            }
            Field::Parent => {
                let id = value.as_str().and_then(ids::span_id);
                fill(&mut self.ids.parent_span_id, id)
            }
            Field::DatadogTrace | Field::DatadogSpan => self.datadog(field, value),
            Field::Request => fill(&mut self.ids.request_id, identifier(value)),
            Field::Correlation => fill(&mut self.ids.correlation_id, identifier(value)),
            Field::Method => self.method(value),
            Field::Path => self.path(value),
            Field::Route => {
                let route = value
                    .as_str()
                    .filter(|text| text.contains('/') && !text.contains(' '));
                let route = route.map(|text| match text.starts_with('/') {
                    true => Name::from(text),
                    // ASP.NET writes `api/orders/{id}`.
                    false => Name::from(format!("/{text}")),
                });
                fill(&mut self.facts.route, route)
            }
            Field::RequestLine => value.as_str().is_some_and(|line| self.request_line(line)),
            Field::Status => {
                match http_status(value).or_else(|| value.as_str().and_then(grpc_name)) {
                    None => {
                        // `OK` is gRPC's only beside a procedure.
                        self.grpc_name = value.as_str().and_then(grpc_code);
                        false
                    }
                    status => {
                        if !matches!(
                            self.facts.status,
                            Some(CallStatus::Grpc(_) | CallStatus::Http(_))
                        ) {
                            self.facts.status = status;
                        }
                        true
                    }
                }
            }
            Field::GrpcStatus => match grpc_status(value) {
                None => false,
                // More telling than the HTTP status that carries it, which is always 200.
                status => {
                    self.facts.status = status;
                    true
                }
            },
            Field::Duration(unit) => {
                let named = unit.map(|unit| (unit, DurationOrigin::FieldName));
                let defined = self
                    .duration_unit
                    .map(|unit| (unit, DurationOrigin::Format));
                self.duration(named.or(defined), value)
            }
            Field::DurationIn(unit) => self.duration(Some((unit, DurationOrigin::Format)), value),
            Field::StackTrace => {
                if let (Some(text), None) = (value.as_str(), &self.facts.error_type) {
                    let first = text.lines().next().unwrap_or_default();
                    super::text::error(first, self);
                }
                false
            }
            Field::Caller => fill(&mut self.facts.caller, service_name(value)),
            Field::Callee => fill(&mut self.facts.callee, service_name(value)),
            Field::Client => fill(
                &mut self.facts.client,
                value.as_str().and_then(client_address),
            ),
            Field::UserAgent => fill(
                &mut self.facts.user_agent,
                value.as_str().map(str::to_owned),
            ),
            Field::RequestBytes => fill(
                &mut self.facts.request_bytes,
                value.as_int().and_then(|n| n.try_into().ok()),
            ),
            Field::ResponseBytes => fill(
                &mut self.facts.response_bytes,
                value.as_int().and_then(|n| n.try_into().ok()),
            ),
            Field::ErrorType => fill(&mut self.facts.error_type, value.as_str().map(Name::from)),
            Field::ErrorMessage => match value {
                Scalar::Bool(true) => fill(&mut self.facts.status, Some(CallStatus::Failed(true))),
                Scalar::Str(text) if !matches!(text, "" | "-" | "nil" | "null" | "<nil>") => {
                    fill(&mut self.facts.error_message, Some(text.to_owned()))
                }
                _ => false,
            },
            Field::RpcService => fill(&mut self.rpc_service, value.as_str().map(str::to_owned)),
            Field::RpcMethod => fill(&mut self.rpc_method, value.as_str().map(str::to_owned)),
            Field::Other
            | Field::Time(_)
            | Field::Level
            | Field::SeverityNumber
            | Field::Message(_)
            | Field::Service => false,
        }
    }

    /// Combines what several fields said together. Call once, after the last field.
    pub(super) fn finish(self) {
        let facts = self.facts;
        let route = match (self.rpc_service, self.rpc_method) {
            (Some(service), Some(method)) => Some(format!("{service}/{method}")),
            // The new semantic conventions put the full name into `rpc.method`.
            (None, Some(method)) => Some(method.trim_start_matches('/').to_owned()),
            _ => match (&facts.path, facts.status) {
                (Some(path), Some(CallStatus::Grpc(_))) => rpc_path(path).map(str::to_owned),
                _ => None,
            },
        };
        if let Some(route) = route {
            facts.method = Some(RPC.clone());
            facts.route = Some(route.into());
        }
        if facts.status.is_none()
            && facts
                .method
                .as_ref()
                .is_some_and(|method| **method == **RPC)
        {
            facts.status = self.grpc_name;
        }
    }

    fn id(&mut self, value: Scalar<'_>, read: fn(&str, &mut Correlation) -> bool) -> bool {
        value.as_str().is_some_and(|text| read(text, self.ids))
    }

    fn datadog(&mut self, field: Field, value: Scalar<'_>) -> bool {
        let number = match value {
            Scalar::Int(number) => u64::try_from(number).ok().filter(|number| *number != 0),
            Scalar::Str(text) => match ids::datadog(text) {
                Some(number) => Some(number),
                // Since 128-bit ids, also as 32 hex digits.
                None => return self.id(value, ids::any_trace),
            },
            _ => None,
        };
        let Some(number) = number else { return false };
        if field == Field::DatadogSpan {
            return fill(&mut self.ids.span_id, SpanId::new(number.to_be_bytes()));
        }
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&number.to_be_bytes());
        fill(&mut self.ids.trace_id, TraceId::new(bytes))
    }

    fn method(&mut self, value: Scalar<'_>) -> bool {
        let Some(text) = value.as_str() else {
            return false;
        };
        if let Some(method) = http_method(text) {
            return fill(&mut self.facts.method, Some(method));
        }
        // gRPC interceptors write `method=/shop.Cart/Add`.
        if let Some(route) = rpc_path(text) {
            self.facts.method = Some(RPC.clone());
            return fill(&mut self.facts.route, Some(Name::from(route)));
        }
        false
    }

    pub(super) fn path(&mut self, value: Scalar<'_>) -> bool {
        let Some(path) = value.as_str().and_then(path_of) else {
            return false;
        };
        fill(&mut self.facts.path, Some(path.to_owned()))
    }

    /// `GET /orders/7?x=1 HTTP/1.1`; `GET https://host:443/orders/7 HTTP/1.1`.
    pub(super) fn request_line(&mut self, line: &str) -> bool {
        let mut words = line.split_ascii_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return false;
        };
        let Some(method) = http_method(method) else {
            return false;
        };
        self.facts.method = Some(method);
        if let Some(path) = path_of(target) {
            self.facts.path = Some(path.to_owned());
        }
        true
    }

    fn duration(&mut self, known: Option<(Unit, DurationOrigin)>, value: Scalar<'_>) -> bool {
        let number = match value {
            Scalar::Int(number) => {
                #[expect(clippy::cast_precision_loss, reason = "2^53 ns are 104 days")]
                let number = number as f64;
                number
            }
            Scalar::Float(number) => number,
            Scalar::Bool(_) => return false,
            Scalar::Str(text) => {
                let text = text.trim();
                let written = duration::scan(text.as_bytes())
                    .filter(|(_, end)| *end == text.len())
                    .map(|(duration, _)| duration)
                    .or_else(|| duration::clock_span(text));
                if let Some(written) = written {
                    self.facts
                        .duration
                        .get_or_insert((written, DurationOrigin::Written));
                    return true;
                }
                match duration::number(text.as_bytes()) {
                    Some((number, end)) if end == text.len() => number,
                    _ => return false,
                }
            }
        };
        self.number_duration(number, known)
    }

    /// A bare number, with the unit that the name or the format gives, if one does.
    pub(super) fn number_duration(
        &mut self,
        number: f64,
        known: Option<(Unit, DurationOrigin)>,
    ) -> bool {
        if self.facts.duration.is_some() {
            return true;
        }
        let duration = match known {
            Some((unit, origin)) => {
                let duration = unit.duration(number);
                if duration.is_some() {
                    self.durations.known(unit, origin);
                }
                duration.map(|duration| (duration, origin))
            }
            None => self
                .durations
                .guess(number)
                .map(|duration| (duration, DurationOrigin::Magnitude)),
        };
        self.facts.duration = duration;
        duration.is_some()
    }
}

/// Puts a value in if there is none; false when there was nothing to put.
fn fill<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    match value {
        None => false,
        Some(value) => {
            slot.get_or_insert(value);
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(attributes: &[(&str, Value)]) -> (CallFacts, Correlation) {
        let attributes: Vec<(Name, Value)> = attributes
            .iter()
            .map(|(name, value)| (Name::from(*name), value.clone()))
            .collect();
        let mut facts = CallFacts::default();
        let mut ids = Correlation::default();
        facts_from_attributes(&attributes, &mut facts, &mut ids);
        (facts, ids)
    }

    fn text(value: &str) -> Value {
        Value::Str(value.to_owned())
    }

    #[test]
    fn semantic_conventions_old_and_new() {
        for (method, status, target) in [
            (
                "http.request.method",
                "http.response.status_code",
                "url.path",
            ),
            ("http.method", "http.status_code", "http.target"),
            ("http.method", "http.status_code", "http.url"),
        ] {
            let (facts, _) = facts(&[
                (method, text("GET")),
                (status, Value::Int(503)),
                (target, text("/orders/7")),
            ]);
            assert_eq!(facts.method.as_deref(), Some("GET"));
            assert_eq!(facts.status, Some(CallStatus::Http(503)));
            assert_eq!(facts.path.as_deref(), Some("/orders/7"));
        }
    }

    #[test]
    fn a_grpc_call_has_a_route_and_its_own_status() {
        let (facts, _) = facts(&[
            ("rpc.system", text("grpc")),
            ("rpc.service", text("shop.Cart")),
            ("rpc.method", text("Add")),
            ("rpc.grpc.status_code", Value::Int(14)),
        ]);
        assert_eq!(facts.method.as_deref(), Some("RPC"));
        assert_eq!(facts.route.as_deref(), Some("shop.Cart/Add"));
        assert_eq!(facts.status, Some(CallStatus::Grpc(14)));
    }

    #[test]
    fn urls_lose_host_and_query() {
        for (target, path) in [
            ("https://shop.example:443/a/b?c=d", Some("/a/b")),
            ("http://shop.example", Some("/")),
            ("/a?b#c", Some("/a")),
            ("orders", None),
        ] {
            assert_eq!(path_of(target), path, "{target}");
        }
    }

    #[test]
    fn the_unit_comes_from_the_name_and_else_from_the_size() {
        let (facts, _) = facts(&[("latency_us", Value::Int(1500))]);
        assert_eq!(
            facts.duration.map(|(d, how)| (d.as_micros(), how)),
            Some((1500, DurationOrigin::FieldName))
        );
    }
}
