//! Syslog of RFC 5424 with structured data, under the private enterprise number for examples
//! (RFC 5612), as a daemon on a host sends it to rsyslog.

use super::stamp::Stamp;
use super::{grpc_code_upper, hex_text, mark, millis, put, quote, rpc};
use crate::clock::Moment;
use crate::telemetry::{Access, Identity, Ids, Message};
use crate::topology::Level;

/// The facility `local0`.
const FACILITY: u8 = 16;

pub(super) fn access(out: &mut String, who: &Identity, at: Moment, access: &Access) {
    begin(out, who, at, access.level(), "ACCESS");
    out.push_str("[request@32473");
    let status = access.status;
    if let Some(code) = access.grpc_status {
        let (service, method) = rpc(access);
        param(out, "rpc.system", "grpc");
        param(out, "rpc.service", service);
        param(out, "rpc.method", method);
        param(out, "grpc.code", &grpc_code_upper(code));
    } else {
        param(out, "method", &access.method);
        param(out, "path", &access.path);
        put!(out, " status=\"{status}\"");
    }
    put!(out, " duration_ms=\"{}\"", millis(access.duration));
    put!(out, " bytes=\"{}\"", access.response_bytes);
    param(out, "peer", &access.peer);
    maybe(out, "client", access.client.as_deref());
    maybe(out, "tenant", access.tenant.as_deref());
    ids(out, &access.ids);
    out.push_str("] ");
    match access.grpc_status {
        Some(code) => {
            quote::syslog_text(out, &access.route);
            put!(out, " {}", grpc_code_upper(code));
        }
        None => {
            quote::syslog_text(out, &access.method);
            out.push(' ');
            quote::syslog_text(out, &access.path);
            put!(out, " {status}");
        }
    }
}

pub(super) fn message(out: &mut String, who: &Identity, at: Moment, message: &Message) {
    begin(out, who, at, message.level, "EVENT");
    let has_ids = message.ids != Ids::default();
    if message.fields.is_empty() && message.error.is_none() && !has_ids {
        out.push('-');
    } else {
        out.push_str("[event@32473");
        for (key, value) in &message.fields {
            param(out, key, value);
        }
        if let Some((kind, text)) = &message.error {
            param(out, "error.type", kind);
            param(out, "error.message", text);
        }
        ids(out, &message.ids);
        out.push(']');
    }
    out.push(' ');
    if !message.logger.is_empty() {
        put!(out, "{}: ", message.logger);
    }
    quote::syslog_text(out, &message.text);
}

/// `<134>1 2026-03-01T10:00:00.123456Z host app 812 ACCESS `.
fn begin(out: &mut String, who: &Identity, at: Moment, level: Level, id: &str) {
    let severity = match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug => 7,
    };
    put!(out, "<{}>1 ", FACILITY * 8 + severity);
    Stamp::of(at).rfc3339(out, 6);
    let pid = 300 + mark(&who.instance, 0) % 30_000;
    put!(out, " {} {} {pid} {id} ", who.instance, who.service);
}

fn param(out: &mut String, key: &str, value: &str) {
    put!(out, " {key}=\"");
    quote::syslog(out, value);
    out.push('"');
}

fn maybe(out: &mut String, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        param(out, key, value);
    }
}

fn ids(out: &mut String, ids: &Ids) {
    maybe(out, "request_id", ids.request.as_deref());
    if let Some(trace) = ids.trace {
        param(out, "trace_id", &hex_text(&trace));
    }
    if let Some(span) = ids.span {
        param(out, "span_id", &hex_text(&span));
    }
}
