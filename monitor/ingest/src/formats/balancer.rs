//! Load balancers: AWS ALB and classic ELB, HAProxy.

use monitor_core::{CallStatus, DurationOrigin, FormatName, Name, Value};
use smallvec::SmallVec;

use super::aliases::Field;
use super::attribute::{self, Key};
use super::duration::{self, Unit};
use super::facts::{Gather, Scalar, client_address, http_status};
use super::scan::{self, Fields};
use super::time;
use super::{Parsed, Stream, within};

pub(super) fn parse(text: &str, stream: &mut Stream<'_>, parsed: &mut Parsed) -> bool {
    let bytes = text.as_bytes();
    let first_end = memchr::memchr(b' ', &bytes[..bytes.len().min(64)]).unwrap_or(0);
    match &bytes[..first_end] {
        b"http" | b"https" | b"h2" | b"grpcs" | b"ws" | b"wss" => {
            aws(text, first_end + 1, "aws-alb", stream, parsed)
        }
        first if first.len() >= 20 && first[first.len() - 1] == b'Z' && first[10] == b'T' => {
            aws(text, 0, "aws-elb", stream, parsed)
        }
        // `10.0.0.1:34567 [21/Nov/2026:…`
        first
            if !first.is_empty()
                && first.contains(&b':')
                && first[first.len() - 1].is_ascii_digit()
                && bytes.get(first_end + 1) == Some(&b'[') =>
        {
            haproxy(text, stream, parsed)
        }
        _ => false,
    }
}

/// `time name client:port target:port seconds seconds seconds code code received sent "request"
/// "agent" …`; the ALB adds cipher, protocol, group and the trace header.
fn aws(
    text: &str,
    from: usize,
    format: FormatName,
    stream: &mut Stream<'_>,
    parsed: &mut Parsed,
) -> bool {
    let fields: SmallVec<[scan::Field<'_>; 24]> = Fields::new(&text[from..]).take(20).collect();
    let [
        when,
        _,
        client,
        target,
        before,
        served,
        after,
        code,
        target_code,
        received,
        sent,
        request,
        rest @ ..,
    ] = fields.as_slice()
    else {
        return false;
    };
    let seconds = |field: &scan::Field<'_>| {
        duration::number(field.text.as_bytes())
            .filter(|(_, end)| *end == field.text.len())
            .map(|(seconds, _)| seconds)
    };
    let negative = |field: &scan::Field<'_>| field.text == "-1";
    if !request.quoted
        || ![before, served, after]
            .iter()
            .all(|field| negative(field) || seconds(field).is_some())
    {
        return false;
    }
    parsed.format = Some(format);
    parsed.time = time::parse(when.text, stream.clock);
    parsed.message = within(from + code.start..from + request.end);
    parsed.facts.client = client_address(client.text);
    let mut gather = Gather::new(&mut parsed.facts, &mut parsed.ids, stream.durations);
    gather.request_line(request.text);
    gather.facts.status = http_status(Scalar::Str(code.text));
    gather.facts.request_bytes = received.text.parse().ok();
    gather.facts.response_bytes = sent.text.parse().ok();
    // −1 means that the balancer could not dispatch the request.
    if let (Some(before), Some(served), Some(after)) =
        (seconds(before), seconds(served), seconds(after))
    {
        gather.number_duration(
            before + served + after,
            Some((Unit::Seconds, DurationOrigin::Format)),
        );
    }
    if let Some(agent) = rest.first() {
        gather.apply(Field::UserAgent, Scalar::Str(agent.text));
    }
    if let Some(trace) = rest.iter().find(|field| field.text.contains("Root=")) {
        gather.apply(Field::AmazonTrace, Scalar::Str(trace.text));
    }
    gather.finish();
    for (key, field) in [(Key::Upstream, target), (Key::Code, target_code)] {
        if field.text != "-" {
            parsed
                .attributes
                .push((attribute::name(key), Value::Str(field.text.to_owned())));
        }
    }
    true
}

/// `client:port [accept] frontend backend/server q/w/c/r/total code bytes cookies flags conns
/// queues {headers} "request"`: the HTTP log format of HAProxy's manual, section 8.2.3.
fn haproxy(text: &str, stream: &mut Stream<'_>, parsed: &mut Parsed) -> bool {
    let fields: SmallVec<[scan::Field<'_>; 24]> = Fields::new(text).take(24).collect();
    let [client, accepted, frontend, backend, timers, rest @ ..] = fields.as_slice() else {
        return false;
    };
    if !accepted.bracketed || !timers.text.contains('/') || !backend.text.contains('/') {
        return false;
    }
    let mut parts = timers.text.split('/');
    let total = parts
        .clone()
        .next_back()
        .unwrap_or_default()
        .trim_start_matches('+');
    let http = parts.clone().count() == 5;
    if !parts.all(|part| {
        part.trim_start_matches(['-', '+'])
            .bytes()
            .all(|byte| byte.is_ascii_digit())
    }) {
        return false;
    }
    parsed.format = Some(if http { "haproxy-http" } else { "haproxy-tcp" });
    parsed.time = time::parse(accepted.text, stream.clock);
    parsed.message = within(frontend.start..text.trim_ascii_end().len());
    parsed.facts.client = client_address(client.text);
    let mut gather = Gather::new(&mut parsed.facts, &mut parsed.ids, stream.durations);
    if let Some((millis, _)) = duration::number(total.as_bytes()) {
        gather.number_duration(millis, Some((Unit::Millis, DurationOrigin::Format)));
    }
    let sent = if http { rest.get(1) } else { rest.first() };
    gather.facts.response_bytes =
        sent.and_then(|field| field.text.trim_start_matches('+').parse().ok());
    if http {
        let code = rest.first().map(|field| field.text).unwrap_or_default();
        gather.facts.status =
            http_status(Scalar::Str(code)).or((code == "-1").then_some(CallStatus::Failed(true)));
        if let Some(request) = rest.iter().rev().find(|field| field.quoted) {
            gather.request_line(request.text);
        }
    }
    gather.finish();
    let (backend, server) = backend.text.split_once('/').unwrap_or((backend.text, ""));
    parsed.facts.callee = Some(Name::from(backend));
    for (name, value) in [
        ("haproxy.frontend", frontend.text),
        ("haproxy.server", server),
    ] {
        parsed
            .attributes
            .push((Name::from(name), Value::Str(value.to_owned())));
    }
    true
}
