//! Console output of web frameworks, which has no timestamp: .NET and Rails.

use monitor_core::Value;

use super::attribute::{self, Key};
use super::scan::skip_blanks;
use super::{Parsed, Stream, text, trimmed, within};

pub(super) fn parse(line: &str, stream: &mut Stream<'_>, parsed: &mut Parsed) -> bool {
    dotnet(line, stream, parsed) || rails(line, stream, parsed)
}

/// `info: Shop.Orders.Controller[14]` and the message on the next line, or behind it.
fn dotnet(line: &str, stream: &mut Stream<'_>, parsed: &mut Parsed) -> bool {
    let bytes = line.as_bytes();
    let severity = match bytes.get(..6) {
        Some(b"trce: ") => monitor_core::Severity::Trace,
        Some(b"dbug: ") => monitor_core::Severity::Debug,
        Some(b"info: ") => monitor_core::Severity::Info,
        Some(b"warn: ") => monitor_core::Severity::Warn,
        Some(b"fail: ") => monitor_core::Severity::Error,
        Some(b"crit: ") => monitor_core::Severity::Fatal,
        _ => return false,
    };
    let Some(open) = memchr::memchr(b'[', &bytes[..bytes.len().min(200)]) else {
        return false;
    };
    let (_, count) = super::scan::digits(bytes, open + 1, 9);
    let category = &line[6..open];
    if count == 0 || bytes.get(open + 1 + count) != Some(&b']') || category.contains(' ') {
        return false;
    }
    let mut start = open + 2 + count;
    while bytes.get(start).is_some_and(u8::is_ascii_whitespace) {
        start += 1;
    }
    let end = line.trim_ascii_end().len().max(start);
    parsed.format = Some("dotnet-console");
    parsed.severity = Some(severity);
    parsed.attributes.push((
        attribute::name(Key::Logger),
        Value::Str(category.to_owned()),
    ));
    parsed.attributes.push((
        attribute::name(Key::Code),
        Value::Str(line[open + 1..open + 1 + count].to_owned()),
    ));
    parsed.message = within(start..end);
    text::facts(
        line.get(start..end).unwrap_or_default(),
        parsed,
        stream.durations,
    );
    true
}

/// `Started GET "/orders" for 10.0.0.7 at 2026-11-21 10:00:00 +0000`, `Completed 200 OK in 12ms
/// (…)`, with `[request id]` in front when tagged.
pub(super) fn rails(line: &str, stream: &mut Stream<'_>, parsed: &mut Parsed) -> bool {
    let bytes = line.as_bytes();
    let mut start = 0;
    let mut id = None;
    if bytes.first() == Some(&b'[')
        && let Some(close) = super::scan::closing(bytes, 0, 80)
    {
        id = line
            .get(1..close)
            .filter(|id| id.len() >= 16 && !id.contains(' '));
        start = skip_blanks(bytes, close + 1);
    }
    let body = &line[start..];
    let started = body.starts_with("Started ") && body.contains("\" for ");
    let completed = body.starts_with("Completed ") && body.contains(" in ");
    let processing = body.starts_with("Processing by ") && body.contains('#');
    if !(started || completed || processing) {
        return false;
    }
    parsed.format = Some("rails");
    parsed.severity = Some(monitor_core::Severity::Info);
    if let Some(id) = id {
        parsed.ids.request_id = Some(id.into());
    }
    if started && let Some((_, rest)) = body.split_once("\" for ") {
        let (client, when) = rest.split_once(" at ").unwrap_or((rest, ""));
        parsed.facts.client = super::facts::client_address(client);
        parsed.time = super::time::parse(when, stream.clock);
    }
    let range = trimmed(line);
    parsed.message = within(start.min(range.end)..range.end);
    text::facts(body, parsed, stream.durations);
    if started {
        // The beginning of a call is not the call.
        parsed.facts.duration = None;
    }
    true
}
