//! One log record, one span.

use std::time::Duration;

use monitor_core::{
    LogItem, Name, Payload, Severity, SpanId, SpanItem, SpanKind, Time, TraceId, Value,
};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{Span, status};

use super::value::body_text;
use super::{Context, Verdict};
use crate::decoded::{MAX_TEXT_BYTES, RejectReason, RepairReason, cut};
use crate::hops::LINKS;

/// Outside of these a clock was not set or a unit was mistaken.
const EARLIEST: Time = Time::from_secs(31_536_000); // 1971-01-01
const LATEST: Time = Time::from_secs(7_258_118_400); // 2200-01-01
/// Of one span; a batch may have thousands.
const MAX_LINKS: usize = 32;

pub(super) fn log(record: LogRecord, context: &mut Context) -> Verdict {
    let given = [record.time_unix_nano, record.observed_time_unix_nano];
    // Zero is OTLP's way of saying "unknown"; the observed time is then the best there is.
    let time = given.iter().copied().find(|nanos| *nanos != 0);
    let time = time.and_then(|nanos| {
        let plausible = time_of(nanos);
        if plausible.is_none() {
            context.repairs.add(RepairReason::TimeIgnored, 1);
        }
        plausible
    });
    let severity = Severity::from_number(record.severity_number)
        .or_else(|| severity_of_text(&record.severity_text));
    let mut attributes = context
        .attributes
        .convert(record.attributes, &mut context.repairs);
    if !record.event_name.is_empty() && !has(&attributes, "event.name") {
        let key = context.attributes.key("event.name");
        attributes.push((key, Value::Str(record.event_name)));
    }
    let told = severity.is_some_and(|it| it.as_str().eq_ignore_ascii_case(&record.severity_text));
    if !record.severity_text.is_empty() && !told {
        let key = context.attributes.key("severity_text");
        attributes.push((key, Value::Str(cut(record.severity_text, 256))));
    }
    let text = record.body.map(body_text).unwrap_or_default();
    if text.len() > MAX_TEXT_BYTES {
        context.repairs.add(RepairReason::TextCut, 1);
    }
    let stream = stream_of(&attributes);
    Verdict::Take {
        payload: Payload::Log(LogItem {
            time,
            severity,
            trace_id: optional_id(&record.trace_id, TraceId::from_slice, context),
            span_id: optional_id(&record.span_id, SpanId::from_slice, context),
            text: cut(text, MAX_TEXT_BYTES),
            attributes,
        }),
        stream,
    }
}

pub(super) fn span(span: Span, context: &mut Context) -> Verdict {
    let Some(trace_id) = TraceId::from_slice(&span.trace_id) else {
        return Verdict::Refuse(RejectReason::InvalidId, bad_id("trace", 16, &span.trace_id));
    };
    let Some(span_id) = SpanId::from_slice(&span.span_id) else {
        return Verdict::Refuse(RejectReason::InvalidId, bad_id("span", 8, &span.span_id));
    };
    let times = (
        time_of(span.start_time_unix_nano),
        time_of(span.end_time_unix_nano),
    );
    let (Some(start), Some(end)) = times else {
        let detail = format!(
            "span {span_id} runs from {} to {} ns since 1970, which is not between 1971 and 2200",
            span.start_time_unix_nano, span.end_time_unix_nano
        );
        return Verdict::Refuse(RejectReason::ImpossibleTime, detail);
    };
    if end < start {
        let detail = format!("span {span_id} ends at {end}, before its start at {start}");
        return Verdict::Refuse(RejectReason::EndBeforeStart, detail);
    }
    let status = span.status.unwrap_or_default();
    let mut attributes = context
        .attributes
        .convert(span.attributes, &mut context.repairs);
    add_exception(span.events, &mut attributes, context);
    add_links(&span.links, &mut attributes);
    Verdict::Take {
        payload: Payload::Span(SpanItem {
            trace_id,
            span_id,
            parent: optional_id(&span.parent_span_id, SpanId::from_slice, context),
            kind: kind_of(span.kind),
            name: context.attributes.key(&span.name),
            start,
            duration: Duration::from_nanos(span.end_time_unix_nano - span.start_time_unix_nano),
            error: match status.code() {
                status::StatusCode::Unset => None,
                status::StatusCode::Ok => Some(false),
                status::StatusCode::Error => Some(true),
            },
            status_message: cut(status.message, 4096),
            attributes,
        }),
        stream: None,
    }
}

/// `None` outside of what a clock can honestly show.
pub(super) fn time_of(nanos: u64) -> Option<Time> {
    let time = Time::from_nanos(i64::try_from(nanos).ok()?);
    (EARLIEST..LATEST).contains(&time).then_some(time)
}

/// Empty means absent; anything else that is not an id is noted.
fn optional_id<T>(
    bytes: &[u8],
    parse: impl Fn(&[u8]) -> Option<T>,
    context: &mut Context,
) -> Option<T> {
    let id = parse(bytes);
    // Some exporters write "no parent" as zeros.
    if id.is_none() && bytes.iter().any(|byte| *byte != 0) {
        context.repairs.add(RepairReason::IdIgnored, 1);
    }
    id
}

fn bad_id(what: &str, expected: usize, bytes: &[u8]) -> String {
    if bytes.len() == expected {
        format!("the {what} id is all zero")
    } else {
        format!("the {what} id has {} bytes, not {expected}", bytes.len())
    }
}

fn kind_of(kind: i32) -> SpanKind {
    match kind {
        2 => SpanKind::Server,
        3 => SpanKind::Client,
        4 => SpanKind::Producer,
        5 => SpanKind::Consumer,
        _ => SpanKind::Internal,
    }
}

/// For senders that set the text only.
fn severity_of_text(text: &str) -> Option<Severity> {
    let starts = |prefix: &str| {
        text.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    match () {
        () if starts("trace") => Some(Severity::Trace),
        () if starts("debug") => Some(Severity::Debug),
        () if starts("info") || starts("notice") => Some(Severity::Info),
        () if starts("warn") => Some(Severity::Warn),
        () if starts("err") => Some(Severity::Error),
        () if starts("fatal") || starts("crit") || starts("panic") || starts("emerg") => {
            Some(Severity::Fatal)
        }
        () => None,
    }
}

/// Collectors that read files send all of them under one scope and tell them apart by attribute.
fn stream_of(attributes: &[(Name, Value)]) -> Option<Name> {
    ["log.file.path", "log.iostream"].iter().find_map(|key| {
        attributes.iter().find_map(|(name, value)| match value {
            Value::Str(text) if &**name == *key => Some(Name::from(text.as_str())),
            _ => None,
        })
    })
}

/// The first recorded exception says what failed better than the status does.
fn add_exception(events: Vec<Event>, attributes: &mut Vec<(Name, Value)>, context: &mut Context) {
    let Some(event) = events.into_iter().find(|event| event.name == "exception") else {
        return;
    };
    let exception = context
        .attributes
        .convert(event.attributes, &mut context.repairs);
    for (key, value) in exception {
        if key.starts_with("exception.") && !has(attributes, &key) {
            attributes.push((key, value));
        }
    }
}

/// Spans that this one follows from: messages of a batch, mostly. Others are left out.
fn add_links(links: &[Link], attributes: &mut Vec<(Name, Value)>) {
    let text = links
        .iter()
        .filter_map(|link| {
            let trace = TraceId::from_slice(&link.trace_id)?;
            let span = SpanId::from_slice(&link.span_id)?;
            Some(format!("{trace}:{span}"))
        })
        .take(MAX_LINKS)
        .collect::<Vec<_>>()
        .join(",");
    if !text.is_empty() {
        attributes.push((Name::from(LINKS), Value::Str(text)));
    }
}

fn has(attributes: &[(Name, Value)], key: &str) -> bool {
    attributes.iter().any(|(name, _)| &**name == key)
}
