//! Go kit's logfmt, each request logged by a middleware around the transport; gRPC calls as
//! go-grpc-middleware hands them to it.

use super::stamp::Stamp;
use super::{error_text, go, hex, put, quote};
use crate::clock::Moment;
use crate::telemetry::{Access, Ids, Message};
use crate::topology::Level;

pub(super) fn access(out: &mut String, at: Moment, access: &Access) {
    if let Some(code) = access.grpc_status {
        begin(out, at, "interceptor.go:41", access.level());
        pair(out, "msg", "finished call");
        go::grpc_call(access, code, |key, value| pair(out, key, value));
    } else {
        begin(out, at, "logging.go:58", access.level());
        pair(out, "transport", "HTTP");
        pair(out, "method", &access.method);
        pair(out, "path", &access.path);
        put!(out, " status={} took=", access.status);
        go::duration(out, access.duration);
        put!(out, " bytes={}", access.response_bytes);
        pair(out, "peer", &access.peer);
    }
    maybe(out, "client", access.client.as_deref());
    maybe(out, "tenant", access.tenant.as_deref());
    ids(out, &access.ids);
}

pub(super) fn message(out: &mut String, at: Moment, message: &Message) {
    let caller = go::caller("", message.logger, &message.text);
    begin(out, at, &caller, message.level);
    if !message.logger.is_empty() {
        pair(out, "component", message.logger);
    }
    pair(out, "msg", &message.text);
    for (key, value) in &message.fields {
        pair(out, key, value);
    }
    if let Some((kind, text)) = &message.error {
        pair(out, "err", &error_text(kind, text));
    }
    ids(out, &message.ids);
}

fn begin(out: &mut String, at: Moment, caller: &str, level: Level) {
    out.push_str("ts=");
    Stamp::of(at).rfc3339_nano(out);
    pair(out, "caller", caller);
    let level = match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    pair(out, "level", level);
}

fn pair(out: &mut String, key: &str, value: &str) {
    out.push(' ');
    out.push_str(key);
    out.push('=');
    quote::logfmt(out, value);
}

fn maybe(out: &mut String, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        pair(out, key, value);
    }
}

fn ids(out: &mut String, ids: &Ids) {
    maybe(out, "request_id", ids.request.as_deref());
    if let Some(trace) = ids.trace {
        out.push_str(" trace_id=");
        hex(out, &trace);
    }
    if let Some(span) = ids.span {
        out.push_str(" span_id=");
        hex(out, &span);
    }
}
