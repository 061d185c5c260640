//! Structured lines of Kubernetes' klog; requests as its API server's `httplog` writes them, gRPC
//! calls as go-grpc-middleware hands them to it.

use super::stamp::Stamp;
use super::{error_text, go, hex, put, quote};
use crate::clock::Moment;
use crate::telemetry::{Access, Ids, Message};
use crate::topology::Level;

pub(super) fn access(out: &mut String, at: Moment, access: &Access) {
    if let Some(code) = access.grpc_status {
        begin(
            out,
            at,
            access.level(),
            "interceptor.go:41",
            "finished call",
        );
        go::grpc_call(access, code, |key, value| pair(out, key, value));
        ids(out, &access.ids);
    } else {
        begin(out, at, access.level(), "httplog.go:134", "HTTP");
        pair(out, "verb", &access.method);
        pair(out, "URI", &access.path);
        out.push_str(" latency=\"");
        go::duration(out, access.duration);
        out.push('"');
        pair(out, "userAgent", &access.user_agent);
        ids(out, &access.ids);
        pair(out, "srcIP", &access.peer);
    }
    maybe(out, "client", access.client.as_deref());
    maybe(out, "tenant", access.tenant.as_deref());
    if access.grpc_status.is_none() {
        put!(out, " resp={}", access.status);
    }
}

pub(super) fn message(out: &mut String, at: Moment, message: &Message) {
    let place = go::caller("", message.logger, &message.text);
    begin(out, at, message.level, &place, &message.text);
    // As `klog.ErrorS` puts it: first of all.
    if let Some((kind, text)) = &message.error {
        pair(out, "err", &error_text(kind, text));
    }
    if !message.logger.is_empty() {
        pair(out, "logger", message.logger);
    }
    for (key, value) in &message.fields {
        pair(out, key, value);
    }
    ids(out, &message.ids);
}

/// `I0301 10:00:00.123456       1 httplog.go:134] "HTTP"`.
fn begin(out: &mut String, at: Moment, level: Level, place: &str, text: &str) {
    out.push(match level {
        Level::Debug | Level::Info => 'I',
        Level::Warn => 'W',
        Level::Error => 'E',
    });
    let stamp = Stamp::of(at);
    stamp.month_and_day(out);
    out.push(' ');
    stamp.clock(out);
    out.push('.');
    stamp.fraction(out, 6);
    put!(out, " {:7} {place}] ", 1);
    quote::go(out, text);
}

fn pair(out: &mut String, key: &str, value: &str) {
    out.push(' ');
    out.push_str(key);
    out.push('=');
    quote::go(out, value);
}

fn maybe(out: &mut String, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        pair(out, key, value);
    }
}

fn ids(out: &mut String, ids: &Ids) {
    maybe(out, "audit-ID", ids.request.as_deref());
    if let Some(trace) = ids.trace {
        out.push_str(" traceID=\"");
        hex(out, &trace);
        out.push('"');
    }
    if let Some(span) = ids.span {
        out.push_str(" spanID=\"");
        hex(out, &span);
        out.push('"');
    }
}
