//! Envoy as a sidecar: its default access log format, and its own log.

use super::stamp::Stamp;
use super::{address, error_text, go, mark, put, quote};
use crate::clock::Moment;
use crate::telemetry::{Access, Identity, Message};
use crate::topology::Level;

/// `[%START_TIME%] "%REQ(:METHOD)% %PATH% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS%
/// %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%
/// "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%"
/// "%UPSTREAM_HOST%"`. Without a place for a gRPC status or a trace.
pub(super) fn access(out: &mut String, who: &Identity, at: Moment, access: &Access) {
    out.push('[');
    Stamp::of(at - access.duration).rfc3339(out, 3);
    out.push_str("] \"");
    request_part(out, &access.method);
    out.push(' ');
    request_part(out, &access.path);
    let version = if access.grpc_status.is_some() {
        "HTTP/2"
    } else {
        "HTTP/1.1"
    };
    let flags = flags(access);
    put!(
        out,
        " {version}\" {} {flags} {} {} {}",
        access.status,
        access.request_bytes,
        access.response_bytes,
        access.duration.as_millis()
    );
    let is_answered = !matches!(flags, "UO" | "UT" | "RL");
    if is_answered {
        // Of the process behind the sidecar: all of it.
        put!(out, " {} ", access.duration.as_millis());
    } else {
        out.push_str(" - ");
    }
    quote::bare_quoted(out, dash(address(&access.peer).0));
    out.push(' ');
    quote::bare_quoted(out, dash(&access.user_agent));
    out.push(' ');
    quote::bare_quoted(out, access.ids.request.as_deref().unwrap_or("-"));
    out.push(' ');
    quote::bare_quoted(out, &who.service);
    out.push_str(if flags == "UO" || flags == "RL" {
        " \"-\""
    } else {
        " \"127.0.0.1:8080\""
    });
}

pub(super) fn message(out: &mut String, who: &Identity, at: Moment, message: &Message) {
    let stamp = Stamp::of(at);
    out.push('[');
    stamp.date(out, '-');
    out.push(' ');
    stamp.clock(out);
    out.push('.');
    stamp.fraction(out, 3);
    let level = match message.level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warning",
        Level::Error => "error",
    };
    let thread = 10 + mark(&who.instance, 0) % 30;
    let logger = go::snake(message.logger);
    let logger = if logger.is_empty() { "main" } else { &logger };
    let line = go::source_line(&message.text, 700);
    put!(
        out,
        "][{thread}][{level}][{logger}] [source/common/{logger}/{logger}_impl.cc:{line}] "
    );
    quote::bare(out, &message.text);
    if let Some((kind, text)) = &message.error {
        out.push_str(": ");
        quote::bare(out, &error_text(kind, text));
    }
    for (key, value) in &message.fields {
        put!(out, " {key}=");
        quote::logfmt(out, value);
    }
    if let Some(request) = &message.ids.request {
        out.push_str(" x-request-id=");
        quote::logfmt(out, request);
    }
}

/// Upstream timeout, overflow (no worker was free, nobody was asked), rate limited.
fn flags(access: &Access) -> &'static str {
    match access.status {
        504 => "UT",
        503 if access.upstream.is_none() => "UO",
        429 => "RL",
        _ => "-",
    }
}

/// What cannot be in a request line is not in a log of one.
fn request_part(out: &mut String, text: &str) {
    if text.contains(|c: char| c == '"' || c == ' ' || c.is_control()) {
        for c in text.chars() {
            if c == '"' || c == ' ' || c.is_control() {
                put!(out, "%{:02X}", u32::from(c));
            } else {
                out.push(c);
            }
        }
    } else {
        quote::bare(out, text);
    }
}

fn dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}
